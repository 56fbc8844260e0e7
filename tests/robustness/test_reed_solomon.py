"""Reed-Solomon: exhaustive correction up to t, exact behaviour beyond it, and what must be refused."""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from companion.robustness.reed_solomon import ReedSolomon, miscorrection_rate
from tests.bad_input import assert_wrong_words_are_refused


def _all_words(q, n):
    return np.array(list(product(range(q), repeat=n)), dtype=np.uint8)


def _patterns(n, weight, q=2):
    """Every error pattern of that weight, one per row."""
    rows = []
    for places in combinations(range(n), weight):
        for values in product(range(1, q), repeat=weight):
            row = np.zeros(n, dtype=np.uint8)
            row[list(places)] = values
            rows.append(row)
    return np.array(rows).reshape(-1, n)


def _multiply(a, b, polynomial):
    """The product in GF(2^m) by shifting and reducing: an independent second way."""
    result = 0
    while b:
        if b & 1:
            result ^= a
        a, b = a << 1, b >> 1
        if a.bit_length() == polynomial.bit_length():
            a ^= polynomial
    return result


def _evaluate(word, x, polynomial):
    value = 0
    for symbol in word:
        value = _multiply(value, x, polynomial) ^ int(symbol)
    return value


RS73 = ReedSolomon(7, 3)


def test_reed_solomon_words_vanish_at_the_chosen_roots_and_carry_the_message():
    rng = np.random.default_rng(0)
    for n, k, polynomial, b in [
        (7, 3, 0xD, 0),
        (15, 9, 0x19, 1),
        (20, 10, 0x11D, 5),
        (40, 33, 0x409, 2),
    ]:
        code = ReedSolomon(n, k, polynomial, b)
        message = rng.integers(0, code.q, (3, k))
        words = code.encode(message)
        np.testing.assert_array_equal(words[:, :k], message)
        x = 1
        for exponent in range(b + n - k):
            if exponent >= b:
                assert [_evaluate(word, x, polynomial) for word in words] == [0, 0, 0]
            x = _multiply(x, 2, polynomial)
        assert _evaluate(words[0], x, polynomial)  # and at the next power it does not


def test_the_default_is_the_conway_polynomial_of_the_smallest_field_that_holds_n():
    conway = [
        0x7,
        0xB,
        0x13,
        0x25,
        0x5B,
        0x83,
        0x11D,
        0x211,
        0x46F,
        0x805,
        0x10EB,
        0x201B,
        0x40A9,
        0x8035,
        0x1002D,
    ]
    for m, polynomial in enumerate(conway, start=2):
        assert (
            ReedSolomon(2**m - 1, 2**m - 3).polynomial == polynomial
        )  # and it is primitive, or this raises
        assert ReedSolomon(2 ** (m - 1), 2 ** (m - 1) - 1).polynomial == polynomial


def test_reed_solomon_reproduces_the_check_symbols_of_a_qr_code():
    # "HELLO WORLD" as version 1-M of ISO/IEC 18004 writes it: field 0x11d, first root 0, 16 data words.
    data = [32, 91, 11, 120, 209, 114, 220, 77, 67, 64, 236, 17, 236, 17, 236, 17]
    check = [196, 35, 39, 119, 235, 215, 231, 226, 93, 23]
    assert ReedSolomon(26, 16, 0x11D, first_root=0).encode(data)[16:].tolist() == check


def test_every_pattern_of_up_to_t_errors_on_every_code_word_is_corrected():
    messages = _all_words(8, 3)
    words = RS73.encode(messages)
    for weight, patterns in enumerate([1, 49, 1029]):
        errors = _patterns(7, weight, 8)
        assert len(errors) == patterns
        decoded, corrected = RS73.decode(words[:, None] ^ errors)
        assert (decoded == messages[:, None]).all()
        assert (corrected == weight).all()


def test_weights_of_all_words_are_those_of_a_maximum_distance_separable_code():
    # A_w of RS(7, 3): distance n - k + 1 = 5, which is the most that is possible.
    weights = np.bincount(np.count_nonzero(RS73.encode(_all_words(8, 3)), axis=1))
    assert weights.tolist() == [1, 0, 0, 0, 0, 147, 147, 217]


@pytest.mark.parametrize(
    ("n", "k", "polynomial", "b"), [(6, 2, 0xB, 1), (5, 2, 0xD, 0), (3, 1, 0x7, 1)]
)
def test_decoding_is_the_search_for_a_code_word_within_t_on_the_whole_space(
    n, k, polynomial, b
):
    code = ReedSolomon(n, k, polynomial, b)
    messages, received = _all_words(code.q, k), _all_words(code.q, n)
    decoded, corrected = code.decode(received)
    nearest, distance = (
        np.zeros(len(received), dtype=int),
        np.full(len(received), n + 1),
    )
    for i, word in enumerate(code.encode(messages)):
        here = np.count_nonzero(received != word, axis=1)
        nearest[here < distance], distance = i, np.minimum(here, distance)
    inside = distance <= code.t
    np.testing.assert_array_equal(corrected, np.where(inside, distance, -1))
    np.testing.assert_array_equal(
        decoded, np.where(inside[:, None], messages[nearest], received[:, :k])
    )


def test_two_errors_in_reed_solomon_seven_five_are_miscorrected_735_times_of_1029():
    code, errors = ReedSolomon(7, 5), _patterns(7, 2, 8)
    message = np.array([3, 1, 4, 1, 5])
    decoded, corrected = code.decode(code.encode(message) ^ errors)
    miscorrected = corrected >= 0
    assert (miscorrected.sum(), len(errors)) == (735, 1029)
    distance = np.count_nonzero(
        code.encode(decoded) != code.encode(message) ^ errors, axis=1
    )
    assert (
        distance[miscorrected] == corrected[miscorrected]
    ).all()  # a code word, so far away as it says
    assert miscorrection_rate(7, 5, 8, 2) == 735 / 1029


@pytest.mark.parametrize(("n", "k"), [(7, 3), (7, 4), (7, 5), (6, 2), (6, 4)])
def test_the_miscorrection_rate_is_the_enumerated_one(n, k):
    code = ReedSolomon(n, k, 0xB)
    for weight in range(5):
        errors = _patterns(n, weight, 8)
        decoded, corrected = code.decode(errors)
        wrong = (corrected >= 0) & (decoded.any(axis=1) | (corrected != weight))
        assert miscorrection_rate(n, k, 8, weight) == wrong.sum() / len(errors)


def test_miscorrection_rates_of_longer_codes_are_the_published_and_sampled_ones():
    assert round(miscorrection_rate(15, 11, 16, 3), 3) == 0.293
    assert round(miscorrection_rate(15, 9, 16, 4), 4) == 0.0489
    rng, code = np.random.default_rng(1), ReedSolomon(15, 11)
    errors = np.zeros((20000, 15), dtype=np.uint8)
    places = rng.permuted(np.tile(np.arange(15), (20000, 1)), axis=1)[:, :3]
    np.put_along_axis(
        errors, places, rng.integers(1, 16, (20000, 3), dtype=np.uint8), axis=1
    )
    rate, sampled = (
        miscorrection_rate(15, 11, 16, 3),
        (code.decode(errors)[1] >= 0).mean(),
    )
    assert abs(sampled - rate) < 4 * np.sqrt(rate * (1 - rate) / 20000)


def test_far_beyond_t_the_rate_of_a_long_code_is_near_one_over_t_factorial():
    # The spheres around the code words fill about 1 / t! of the space.
    assert 0.5 < miscorrection_rate(255, 223, 256, 40) * 20922789888000 < 1


def _naive_decode(code, words):
    """Solve for one error from the first two syndromes, and believe it."""
    polynomial, fixed, corrected = (
        code.polynomial,
        words.copy(),
        np.zeros(len(words), dtype=int),
    )
    for i, word in enumerate(words):
        s0, s1 = _evaluate(word, 2, polynomial), _evaluate(word, 4, polynomial)
        if s0 and s1:
            powers, x = [], 1
            for _ in range(code.q - 1):
                powers.append(x)
                x = _multiply(x, 2, polynomial)
            exponent = (powers.index(s1) - powers.index(s0)) % 7
            fixed[i, 6 - exponent] ^= powers[(powers.index(s0) - exponent) % 7]
            corrected[i] = 1
    return fixed, corrected


def test_naive_decoding_without_a_last_check_returns_words_that_are_no_code_words():
    code = ReedSolomon(7, 4)  # distance 4: two errors can be detected, always
    errors = _patterns(7, 2, 8)
    single = _patterns(7, 1, 8)
    assert not _naive_decode(code, single)[0].any()  # right up to t
    fixed, corrected = _naive_decode(code, errors)
    no_word = (code.encode(fixed[:, :4]) != fixed).any(axis=1)
    assert (no_word & (corrected == 1)).mean() > 0.5
    assert (code.decode(errors)[1] == -1).all()


@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.data())
def test_random_codes_correct_up_to_t_errors_and_beyond_return_a_code_word_or_minus_one(
    data,
):
    m = data.draw(st.integers(2, 10))
    n = data.draw(st.integers(2, min(2**m - 1, 60)))
    k = data.draw(st.integers(1, n - 1))
    default = {
        2: 0x7,
        3: 0xB,
        4: 0x13,
        5: 0x25,
        6: 0x5B,
        7: 0x83,
        8: 0x11D,
        9: 0x211,
        10: 0x46F,
    }
    code = ReedSolomon(n, k, default[m], data.draw(st.integers(0, 2**m - 2)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    message = rng.integers(0, code.q, (20, k))
    received = code.encode(message)
    weight = rng.integers(0, n + 1, 20)
    weight[:10] = rng.integers(0, code.t + 1, 10)
    for row, w in zip(received, weight, strict=True):
        row[rng.choice(n, w, replace=False)] ^= rng.integers(1, code.q, w).astype(
            row.dtype
        )
    decoded, corrected = code.decode(received)
    within = weight <= code.t
    np.testing.assert_array_equal(decoded[within], message[within])
    np.testing.assert_array_equal(corrected[within], weight[within])
    distance = np.count_nonzero(code.encode(decoded) != received, axis=1)
    good = corrected >= 0
    np.testing.assert_array_equal(distance[good], corrected[good])
    assert (corrected <= code.t).all()
    np.testing.assert_array_equal(decoded[~good], received[~good, :k])


def test_the_standard_code_corrects_sixteen_errors_in_a_large_batch_and_row_by_row():
    code, rng = ReedSolomon(255, 223), np.random.default_rng(2)
    message = rng.integers(0, 256, (1500, 223))
    received = code.encode(message)
    for row in received:
        row[rng.choice(255, 16, replace=False)] ^= rng.integers(
            1, 256, 16, dtype=np.uint8
        )
    received[7] = code.encode(message[7])
    before = received.copy()
    decoded, corrected = code.decode(received)
    np.testing.assert_array_equal(decoded, message)
    assert corrected[7] == 0
    assert (np.delete(corrected, 7) == 16).all()
    np.testing.assert_array_equal(received, before)
    one, count = code.decode(received[0])
    assert (one.shape, count.shape, int(count)) == ((223,), (), 16)
    np.testing.assert_array_equal(one, message[0])


@pytest.mark.parametrize(
    "code", [RS73, ReedSolomon(15, 9, 0x19, 0), ReedSolomon(60, 33, 0x409, 2)]
)
def test_a_word_alone_is_coded_as_in_a_batch(code):
    rng = np.random.default_rng(11)
    message = rng.integers(0, code.q, (30, code.k))
    words = code.encode(message)
    received = words.copy()
    for row in received:
        row[rng.choice(code.n, rng.integers(0, code.t + 2), replace=False)] ^= 1
    together = code.decode(received)
    for size in (1, 8, 9):
        np.testing.assert_array_equal(code.encode(message[:size]), words[:size])
        for part, whole in zip(code.decode(received[:size]), together, strict=True):
            np.testing.assert_array_equal(part, whole[:size])


def test_a_large_field_and_codes_without_power_to_correct():
    rng = np.random.default_rng(3)
    code = ReedSolomon(30, 20, 0x1002D)
    message = rng.integers(0, 2**16, (5, 20))
    received = code.encode(message)
    assert received.dtype == np.uint16
    received[:, :5] ^= 1
    np.testing.assert_array_equal(code.decode(received)[0], message)
    parity = ReedSolomon(7, 6)  # one check symbol: detects one error, corrects none
    words = parity.encode(_all_words(8, 6)[:500])
    assert (parity.decode(words)[1] == 0).all()
    words[:, 2] ^= 3
    assert (parity.decode(words)[1] == -1).all()


@pytest.mark.parametrize("code", [RS73, ReedSolomon(40, 30, 0x211)])
def test_words_come_in_any_shape_of_batch_and_stay_as_they_were(code):
    message = np.random.default_rng(4).integers(0, code.q, (2, 3, code.k))
    before = message.copy()
    words = code.encode(message)
    assert words.shape == (2, 3, code.n)
    words[0, 1, 0] ^= 1
    received = words.copy()
    decoded, corrected = code.decode(words)
    assert corrected.tolist() == [[0, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(decoded, message)
    np.testing.assert_array_equal(message, before)
    np.testing.assert_array_equal(words, received)
    empty = code.encode(np.zeros((0, code.k), dtype=int))
    assert empty.shape == (0, code.n)
    assert [part.shape for part in code.decode(empty)] == [(0, code.k), (0,)]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint64])
def test_symbols_may_be_integers_of_any_width(kind):
    code = ReedSolomon(15, 9)
    message = np.random.default_rng(5).integers(0, 16, (4, 9))
    words = code.encode(message.astype(kind))
    np.testing.assert_array_equal(words, code.encode(message))
    words[:, [0, 7, 14]] ^= 9
    words.setflags(write=False)
    decoded, corrected = code.decode(words.astype(kind))
    np.testing.assert_array_equal(decoded, message)
    assert (corrected == 3).all()


# Bad input


@pytest.mark.parametrize("method", ["encode", "decode"])
def test_words_of_the_wrong_length_or_with_symbols_outside_the_field_are_refused(
    method,
):
    code, q = RS73, 8
    length = code.k if method == "encode" else code.n
    assert_wrong_words_are_refused(getattr(code, method), length, q)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((7, 7), ValueError, "k must be between 1 and 6"),
        ((7, 0), ValueError, "k must be between 1 and 6"),
        ((1, 1), ValueError, "n must be between 2 and"),
        ((65536, 10), ValueError, "n must be between 2 and"),
        ((8, 3, 0xB), ValueError, "n must be at most 7 in a field of 8"),
        ((7.0, 3), TypeError, "n must be an integer"),
        ((7, True), TypeError, "k must be an integer"),
        ((15, 11, 0x1F), ValueError, "polynomial must be primitive, 0x1f is not"),
        ((15, 11, 0x10), ValueError, "polynomial must be primitive"),
        ((15, 11, 0x12), ValueError, "polynomial must be primitive"),
        ((200, 100, 0x11B), ValueError, "polynomial must be primitive"),
        ((15, 11, "x"), TypeError, "polynomial must be an integer"),
        ((15, 11, 3), ValueError, "polynomial must be between"),
        ((15, 11, 2**17 + 9), ValueError, "polynomial must be between"),
        ((65535, 2, 0x1002D), ValueError, "n - k must be at most"),
        ((15, 11, 0x13, 15), ValueError, "first_root must be between 0 and 14"),
        ((15, 11, 0x13, -1), ValueError, "first_root must be between 0 and 14"),
    ],
)
def test_codes_that_do_not_exist_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        ReedSolomon(*arguments)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: RS73.encode(None), TypeError, "words must hold integers"),
        (lambda: RS73.decode([[1], [1, 2]]), TypeError, "words must hold"),
        (
            lambda: RS73.decode(sparse.csr_array(np.ones((1, 7), int))),
            TypeError,
            "words must hold integers",
        ),
        (
            lambda: RS73.decode(torch.ones(7, requires_grad=True)),
            TypeError,
            "words must hold",
        ),
        (lambda: RS73.encode(np.full(3, 2**63, np.uint64)), ValueError, "from 0 to 7"),
        (lambda: miscorrection_rate(7, 5, 7, 2), ValueError, "q must be between 8"),
        (lambda: miscorrection_rate(1024, 5, 1025, 2), ValueError, "n must be between"),
        (
            lambda: miscorrection_rate(7, 5, 8, 8),
            ValueError,
            "errors must be between 0 and 7",
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
