"""Codes: exhaustive correction up to t, exact behaviour beyond it, and what each decoder must refuse."""

import zlib
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from companion.robustness.error_correction import (
    LinearCode,
    crc32,
    failure_probability,
    hamming,
    repetition,
    secded,
)
from tests.bad_input import assert_wrong_words_are_refused
from tests.rounding import rounding


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


def _cyclic_parity_check(n, generator):
    """H of the cyclic code of a generator polynomial, its coefficients as bits: column i is x^i mod g."""
    columns, power = [], 1
    for _ in range(n):
        columns.append(power)
        power = (
            power << 1
            if (power << 1).bit_length() < generator.bit_length()
            else power << 1 ^ generator
        )
    return np.array(columns) >> np.arange(generator.bit_length() - 1)[:, None] & 1


# Repetition


def test_a_majority_decodes_the_repetition_code_on_every_word():
    words = _all_words(2, 7)
    message, corrected = repetition(7).decode(words)
    np.testing.assert_array_equal(message[:, 0], words.sum(axis=1) > 3)
    np.testing.assert_array_equal(corrected, np.minimum(words.sum(1), 7 - words.sum(1)))


@pytest.mark.parametrize("n", [3, 5, 7])
@pytest.mark.parametrize("p", [0.0, 1e-3, 0.3, 0.5, 1.0])
def test_failure_probability_is_the_sum_over_every_error_pattern(n, p):
    weight = _all_words(2, n).sum(axis=1)
    for t in range(n):
        expected = (p**weight * (1 - p) ** (n - weight))[weight > t].sum()
        # Seven factors and 128 positive terms lose 135 roundings of the sum, the beta
        # function no more; nothing is subtracted.
        np.testing.assert_allclose(
            failure_probability(n, t, p), expected, rtol=rounding(135, 1), atol=0
        )


def test_triple_redundancy_helps_exactly_below_one_half():
    p = np.array([0.01, 0.49, 0.5, 0.51])
    # A dozen operations; the difference is at least a third of its first term.
    np.testing.assert_allclose(
        failure_probability(3, 1, p),
        3 * p**2 - 2 * p**3,
        rtol=rounding(12, 3),
        atol=0,
    )
    assert (np.sign(failure_probability(3, 1, p) - p).round() == [-1, -1, 0, 1]).all()


# Linear codes


def test_hamming_seven_four_has_sixteen_words_of_weights_one_seven_seven_one():
    words = hamming(3).encode(_all_words(2, 4))
    np.testing.assert_array_equal(
        np.bincount(words.sum(axis=1, dtype=int)), [1, 0, 0, 7, 7, 0, 0, 1]
    )


def test_hamming_seven_four_corrects_all_112_single_errors():
    code, messages = hamming(3), _all_words(2, 4)
    received = code.encode(messages)[:, None] ^ np.eye(7, dtype=np.uint8)  # (16, 7, 7)
    decoded, corrected = code.decode(received)
    assert decoded.shape == (16, 7, 4)
    assert (decoded == messages[:, None]).all()
    assert (corrected == 1).all()


@pytest.mark.parametrize("r", [2, 3, 4, 5, 6, 7])
def test_the_syndrome_of_a_hamming_code_is_the_position_of_the_error(r):
    code, rng = hamming(r), np.random.default_rng(r)
    word = code.encode(rng.integers(0, 2, code.k))
    received = word ^ np.vstack(
        [np.zeros((1, code.n), dtype=np.uint8), np.eye(code.n, dtype=np.uint8)]
    )
    np.testing.assert_array_equal(code.syndrome(received), np.arange(2**r))
    assert (code.n, code.k) == (2**r - 1, 2**r - 1 - r)


def test_parity_bits_stand_at_the_powers_of_two_and_the_message_in_order_between_them():
    code = hamming(3)
    assert code.message_positions.tolist() == [2, 4, 5, 6]
    np.testing.assert_array_equal(code.encode([1, 0, 1, 1]), [0, 1, 1, 0, 0, 1, 1])
    np.testing.assert_array_equal(secded(4).message_positions, [3, 5, 6, 7])


def test_hamming_codes_are_perfect_so_two_errors_always_end_in_a_wrong_word():
    code = hamming(3)
    assert (code.decode(_all_words(2, 7))[1] >= 0).all()
    message, corrected = code.decode(_patterns(7, 2))  # sent: the zero word
    assert (corrected == 1).all()
    assert (
        message.any(axis=1).sum() == 21
    )  # every one of the wrong words has a wrong message


def test_hamming_failure_and_bit_error_rates_are_the_exact_sums():
    code, p, errors = hamming(3), 0.05, _all_words(2, 7)
    weight = errors.sum(axis=1)
    probability = p**weight * (1 - p) ** (7 - weight)
    wrong = code.decode(errors)[0]
    block = 1 - 0.95**7 - 7 * 0.05 * 0.95**6
    # 135 roundings, as above; 1 - .95^7 - ... loses 23 of them to cancellation.
    assert probability @ wrong.any(axis=1) == pytest.approx(block, rel=1e-12, abs=0)
    assert failure_probability(7, 1, p) == pytest.approx(block, rel=1e-12, abs=0)
    assert block == pytest.approx(0.04438, abs=5e-6)
    assert probability @ wrong.mean(axis=1) == pytest.approx(0.019434, abs=5e-7)


def test_secded_eight_four_corrects_every_single_and_detects_every_double_error():
    code, messages = secded(4), _all_words(2, 4)
    words = code.encode(messages)
    assert (code.n, code.k) == (8, 4)
    assert np.bincount(words.sum(axis=1, dtype=int)).tolist() == [
        1,
        0,
        0,
        0,
        14,
        0,
        0,
        0,
        1,
    ]
    decoded, corrected = code.decode(words[:, None] ^ np.eye(8, dtype=np.uint8))
    assert (decoded == messages[:, None]).all()
    assert (corrected == 1).all()
    doubles = words[:, None] ^ _patterns(8, 2)
    decoded, corrected = code.decode(doubles)
    assert (corrected == -1).all()
    np.testing.assert_array_equal(decoded, doubles[..., code.message_positions])


@pytest.mark.parametrize(
    ("k", "n"), [(1, 4), (4, 8), (8, 13), (11, 16), (32, 39), (64, 72)]
)
def test_secded_words_have_the_published_lengths_and_powers(k, n):
    code = secded(k)
    assert code.n == n
    message = np.random.default_rng(k).integers(0, 2, k)
    word = code.encode(message)
    assert word.sum() % 2 == 0
    decoded, corrected = code.decode(word ^ np.eye(n, dtype=np.uint8))
    assert (decoded == message).all()
    assert (corrected == 1).all()
    assert (code.decode(word ^ _patterns(n, 2))[1] == -1).all()


def test_secded_codes_of_every_length_have_distance_four():
    for k in range(1, 130):
        code = secded(k)  # corrects one error, or this raises
        r = code.n - k - 1
        assert 2 ** (r - 1) - r < k <= 2**r - r - 1 or (k, r) == (1, 2)
        with pytest.raises(ValueError, match="corrects must be at most 1 "):
            LinearCode(code.parity_check, 2)
        columns = (1 << np.arange(r + 1)) @ code.parity_check.astype(int)
        assert (columns >> r == 1).all()  # odd: no two and no three sum to zero
        assert len(set(columns.tolist())) == code.n


def _naive_secded(words, code):
    """Plain Hamming with the spare bit ignored: nothing tells a double error from a single one."""
    return code.decode(words)


def test_naive_secded_without_the_overall_parity_passes_double_errors_on_silently():
    message, corrected = _naive_secded(_patterns(7, 2), hamming(3))
    assert (corrected != -1).all()
    assert message.any(axis=1).all()


@pytest.mark.parametrize(
    ("n", "generator", "t"),
    [(15, 0b10100110111, 3), (15, 0b111010001, 2), (23, 0b101011100011, 3)],
)
def test_cyclic_codes_correct_every_pattern_of_up_to_t_errors(n, generator, t):
    H = _cyclic_parity_check(n, generator)
    code = LinearCode(H, t)
    message = np.random.default_rng(n).integers(0, 2, code.k)
    word = code.encode(message)
    assert not (H @ word % 2).any()
    for weight in range(t + 1):
        decoded, corrected = code.decode(word ^ _patterns(n, weight))
        assert (decoded == message).all()
        assert (corrected == weight).all()
    with pytest.raises(ValueError, match=f"corrects must be at most {t} "):
        LinearCode(H, t + 1)


def test_the_golay_code_is_perfect():
    code = LinearCode(_cyclic_parity_check(23, 0b101011100011), 3)
    rng = np.random.default_rng(0)
    assert sum(comb(23, w) for w in range(4)) == 2**11
    assert (code.decode(rng.integers(0, 2, (4096, 23)))[1] >= 0).all()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_generator_spans_the_null_space_of_the_checks(checks, k, seed):
    rng = np.random.default_rng(seed)
    H = np.hstack([np.eye(checks, dtype=int), rng.integers(0, 2, (checks, k))])[
        :, rng.permutation(checks + k)
    ]
    code = LinearCode(H, 0)
    words = {tuple(w) for w in code.encode(_all_words(2, k)).tolist()}
    assert words == {
        tuple(w) for w in _all_words(2, checks + k).tolist() if not (H @ w % 2).any()
    }
    messages = _all_words(2, k)
    np.testing.assert_array_equal(
        code.encode(messages)[:, code.message_positions], messages
    )


# CRC-32


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=50))
def test_crc32_equals_zlib_and_continues(data, more):
    assert crc32(data) == zlib.crc32(data)
    assert crc32(more, crc32(data)) == zlib.crc32(data + more)
    assert crc32(memoryview(data)) == crc32(bytearray(data)) == crc32(data)
    wide = memoryview(np.frombuffer(data[: len(data) // 4 * 4], dtype=np.int32))
    assert crc32(wide) == zlib.crc32(wide)
    assert crc32(data, np.int64(5)) == zlib.crc32(data, 5)


def test_crc32_has_the_published_check_value():
    assert crc32(b"123456789") == 0xCBF43926
    assert crc32(b"") == 0


@settings(derandomize=True, deadline=None)
@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_crc32_is_affine_over_exclusive_or(a, b):
    both = bytes(x ^ y for x, y in zip(a, b, strict=True))
    assert crc32(both) == crc32(a) ^ crc32(b) ^ crc32(bytes(16))


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1).map(lambda x: x | 1), st.integers(0, 200))
def test_crc32_detects_every_burst_of_up_to_32_bits(burst, shift):
    error = (burst << shift).to_bytes(32, "little")
    assert crc32(error) != crc32(bytes(32))


def test_crc32_misses_a_burst_of_33_bits_that_is_its_own_polynomial():
    # Lowest bit first: reflected 0x104C11DB7 is 0xEDB88320 followed by the leading one.
    polynomial = (0xEDB88320 << 1 | 1).to_bytes(8, "little")
    assert crc32(polynomial) == crc32(bytes(8))


@pytest.mark.parametrize("code", [hamming(3), secded(4), secded(64)])
def test_words_come_in_any_shape_of_batch_and_stay_as_they_were(code):
    message = np.random.default_rng(4).integers(0, 2, (2, 3, code.k))
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


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.int16, np.uint64])
def test_bits_may_be_integers_of_any_width(kind):
    code = secded(64)
    message = np.random.default_rng(5).integers(0, 2, (3, 64))
    words = code.encode(message.astype(kind))
    np.testing.assert_array_equal(words, code.encode(message))
    np.testing.assert_array_equal(code.syndrome(words.astype(kind)), 0)
    words[:, 70] ^= 1
    np.testing.assert_array_equal(code.decode(words.astype(kind))[0], message)
    H = code.parity_check.astype(kind)
    np.testing.assert_array_equal(LinearCode(H, 1).decode(words)[0], message)


def test_a_code_does_not_see_later_edits_of_its_matrix_and_read_only_input_works():
    H = np.array([[1, 1, 0], [1, 0, 1]], dtype=np.uint8)
    code = LinearCode(H, 1)
    H[:] = 0
    word = np.array([1, 0, 1], dtype=np.uint8)
    word.setflags(write=False)
    assert code.decode(word)[0] == 1
    assert code.parity_check.any()


def test_the_longest_codes_correct_one_error_at_every_place():
    code = hamming(12)
    received = code.encode(np.random.default_rng(6).integers(0, 2, code.k))
    errors = np.eye(code.n, dtype=np.uint8)[::97]
    assert (code.syndrome(received ^ errors) == 1 + np.arange(code.n)[::97]).all()


def test_failure_probabilities_are_exact_far_out():
    # 72 * 71 / 2 pairs; more than two errors are 1e98 times rarer.  The rounding of a logarithm near
    # -690 grows by that factor in its exponential.
    tiny = failure_probability(72, 1, [1e-100, 1e-150])
    np.testing.assert_allclose(
        tiny, [2556e-200, 2556e-300], rtol=rounding(1, 690), atol=0
    )
    assert failure_probability(10**6, 10**6, 0.5) == 0
    assert failure_probability(10**6, 0, 1.0) == 1
    np.testing.assert_array_equal(failure_probability(5, 5, np.ones((2, 3))), 0)
    np.testing.assert_array_equal(
        failure_probability(3, 1, np.array([0, 1], dtype=np.int8)), [0, 1]
    )


# Bad input


@pytest.mark.parametrize("method", ["encode", "decode"])
def test_words_of_the_wrong_length_or_with_symbols_outside_the_field_are_refused(
    method,
):
    code, q = hamming(3), 2
    length = code.k if method == "encode" else code.n
    assert_wrong_words_are_refused(getattr(code, method), length, q)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: hamming(1), ValueError, "r must be between 2 and 12"),
        (lambda: hamming(3.0), TypeError, "r must be an integer"),
        (lambda: secded(0), ValueError, "k must be between"),
        (lambda: repetition(4), ValueError, "n must be odd"),
        (lambda: repetition(1), ValueError, "n must be between 3"),
        (lambda: repetition(22), ValueError, "n must be between 3 and 21, got 22"),
        (
            lambda: failure_probability(3, 4, 0.1),
            ValueError,
            "t must be between 0 and 3",
        ),
        (lambda: failure_probability(3, 1, 1.1), ValueError, "p must lie in"),
        (lambda: failure_probability(3, 1, np.nan), ValueError, "p must be finite"),
        (lambda: crc32("text"), TypeError, "data must be bytes"),
        (lambda: crc32(b"", 2**32), ValueError, "value must be between"),
        (lambda: LinearCode([[1, 0], [0, 1]], 0), ValueError, "0 < k < n"),
        (lambda: LinearCode([1, 0], 0), ValueError, "0 < k < n"),
        (lambda: LinearCode(None, 0), TypeError, "parity_check must hold integers"),
        (lambda: LinearCode([[1, 0], [1]], 0), TypeError, "parity_check must hold"),
        (
            lambda: LinearCode(sparse.csr_array(np.ones((1, 3), int)), 0),
            TypeError,
            "parity_check must hold integers",
        ),
        (
            lambda: LinearCode(torch.ones((1, 3), requires_grad=True), 0),
            TypeError,
            "parity_check must hold",
        ),
        (lambda: LinearCode([[1, 1, 1]], 0.0), TypeError, "corrects must be an int"),
        (lambda: LinearCode([[1, 1, 1]], -1), ValueError, "corrects must be between"),
        (lambda: hamming(3).encode(None), TypeError, "messages must hold integers"),
        (lambda: hamming(3).syndrome([0.0] * 7), TypeError, "words must hold integers"),
        (lambda: failure_probability(3, 1, None), TypeError, "p must hold"),
        (lambda: crc32(np.arange(3)), TypeError, "data must be bytes"),
        (lambda: crc32(b"", 1.0), TypeError, "value must be an integer"),
        (
            lambda: LinearCode([[1, 0, 1], [1, 0, 1]], 0),
            ValueError,
            "independent rows, got 2 of rank 1",
        ),
        (lambda: LinearCode([[1, 0, 2]], 0), ValueError, "integers from 0 to 1"),
        (lambda: LinearCode([[1, 1, 1]], 1), ValueError, "corrects must be at most 0"),
        (
            lambda: LinearCode([[1, 0, 0], [0, 1, 0]], 1),  # bit 2 is in no check
            ValueError,
            "corrects must be at most 0",
        ),
        (lambda: LinearCode(np.eye(25, 26, dtype=int), 1), ValueError, "for its table"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
