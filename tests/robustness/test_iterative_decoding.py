"""Message passing on graphs: stopping sets, exact marginals on trees, and thresholds."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from companion.robustness.iterative_decoding import (
    TannerGraph,
    bec_threshold,
    gallager_a_threshold,
    peel,
    regular_ldpc,
    sum_product,
)
from tests.rounding import rounding

HAMMING = np.arange(1, 8) >> np.arange(3)[:, None] & 1


def _all_words(n):
    return np.array(list(product((0, 1), repeat=n)), dtype=np.uint8)


def _code_words(H):
    words = _all_words(H.shape[1])
    return words[~(words @ H.T % 2).any(axis=1)]


def _random_tree(rng, checks, largest=3):
    """Parity checks whose graph is a tree: each new check joins one old bit to some new ones."""
    rows, n = [], 1
    for _ in range(checks):
        new = int(rng.integers(1, largest + 1))
        rows.append([int(rng.integers(n)), *range(n, n + new)])
        n += new
    H = np.zeros((checks, n), dtype=np.uint8)
    for i, row in enumerate(rows):
        H[i, row] = 1
    return H


# Random codes


@pytest.mark.parametrize(
    ("n", "l", "r"),
    [(12, 3, 6), (96, 3, 6), (1200, 3, 6), (60, 2, 3), (30, 4, 10), (8, 4, 8)],
)
def test_every_bit_is_in_l_checks_and_every_check_has_r_bits(n, l, r):  # noqa: E741
    for seed in range(5):
        H = regular_ldpc(n, l, r, np.random.default_rng(seed))
        assert H.shape == (n * l // r, n)
        dense = H.toarray()
        assert set(np.unique(dense)) <= {0, 1}  # no edge twice
        assert (dense.sum(axis=0) == l).all()
        assert (dense.sum(axis=1) == r).all()


def test_the_same_generator_draws_the_same_code():
    first, second = (
        regular_ldpc(48, 3, 6, np.random.default_rng(7)).toarray() for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


# The graph


def _edges(graph):
    slot, check = np.nonzero(graph.bit_at < graph.n)
    return set(zip(check.tolist(), graph.bit_at[slot, check].tolist(), strict=True))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_graph_has_an_edge_for_every_one_and_both_sides_agree_on_its_slot(
    m, n, seed
):
    rng = np.random.default_rng(seed)
    H = rng.integers(0, 2, (m, n))
    H[np.arange(m), rng.integers(0, n, m)] = 1  # no empty check
    graph = TannerGraph(H)
    assert _edges(graph) == set(map(tuple, np.argwhere(H).tolist()))
    used = graph.slots_of < graph.bit_at.size
    bits = np.broadcast_to(np.arange(n), used.shape)[used]
    slots = graph.slots_of[used]
    np.testing.assert_array_equal(graph.bit_at.ravel()[slots], bits)
    assert len(set(slots.tolist())) == H.sum()


SAME = {
    "list": lambda H: H.tolist(),
    "bool": lambda H: H.astype(bool),
    "int8": lambda H: H.astype(np.int8),
    "uint64": lambda H: H.astype(np.uint64),
    "matrix": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "lil": sparse.lil_array,
    "bsr": sparse.bsr_array,
    "dia": sparse.dia_array,
    "graph": TannerGraph,
}


@pytest.mark.parametrize("form", SAME)
def test_parity_checks_may_come_in_any_form(form):
    rng = np.random.default_rng(8)
    H = regular_ldpc(24, 3, 6, rng).toarray().astype(int)
    erased = rng.random((5, 24)) < 0.3
    llr = rng.normal(1, 1, (5, 24))
    given_form = SAME[form](H)
    np.testing.assert_array_equal(
        peel(given_form, 0 * erased, erased)[1], peel(H, 0 * erased, erased)[1]
    )
    np.testing.assert_array_equal(
        sum_product(given_form, llr).llr, sum_product(H, llr).llr
    )


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_the_callers_sparse_matrix_stays_as_it_was_also_where_it_shares_its_indices(
    kind,
):
    # Two codes on one pattern: were the indices of one sorted in place, the other's values would move.
    indices, indptr = np.array([2, 1, 0, 3, 2]), np.array([0, 3, 5])
    H = sparse.csr_array((np.ones(5, kind), indices, indptr), shape=(2, 4))
    other = sparse.csr_array((np.arange(5.0), indices, indptr), shape=(2, 4))
    before = other.toarray()
    erased = np.array([False, False, True, True])
    for function in (
        lambda: peel(H, [1, 1, 0, 0], erased)[0],
        lambda: sum_product(H, [-9.0, -9.0, 0.0, 0.0]).bits,
        lambda: (TannerGraph(H), np.array([1, 1, 0, 0]))[1],
    ):
        np.testing.assert_array_equal(function(), [1, 1, 0, 0])
        np.testing.assert_array_equal(H.indices, [2, 1, 0, 3, 2])
        np.testing.assert_array_equal(other.toarray(), before)


def test_read_only_input_works():
    H = regular_ldpc(12, 3, 6, np.random.default_rng(0))
    llr, words, erased = np.ones(12), np.zeros(12, int), np.arange(12) == 3
    for array in (H.data, H.indices, H.indptr, llr, words, erased):
        array.setflags(write=False)
    assert not peel(H, words, erased)[1].any()
    assert sum_product(H, llr).converged


def test_a_graph_does_not_see_later_edits_of_the_matrix():
    dense = np.array([[1, 1, 0], [0, 1, 1]])
    for H in (dense, sparse.csr_array(dense)):
        graph = TannerGraph(H)
        before = _edges(graph)
        H[0, 0] = 0
        assert _edges(graph) == before


def test_long_checks_are_counted_and_not_wrapped_around():
    # In uint8 arithmetic 257 missing bits would look like one, and 256 ones like none.
    H = np.ones((1, 300), np.uint8)
    erased = np.arange(300) < 257
    assert peel(H, np.zeros(300, np.uint8), erased)[1].sum() == 257
    for ones in (255, 256, 257):
        words = (np.arange(300) < ones).astype(np.int8)
        word, left = peel(H, words, np.arange(300) == 299)
        assert not left.any()
        assert word[299] == ones % 2
        assert sum_product(H, 40 - 80.0 * words).converged == (ones % 2 == 0)


def test_an_edge_named_twice_is_refused_also_where_its_sum_would_wrap_to_one():
    for twice in (2, 257):
        H = sparse.coo_array(
            (np.ones(twice, np.uint8), (np.zeros(twice, int), np.zeros(twice, int))),
            shape=(1, 2),
        )
        with pytest.raises(ValueError, match="parity_check must hold integers from 0"):
            TannerGraph(H)
    for kind in (np.uint8, np.int64):
        row = (np.ones(2, kind), np.array([0, 0]), np.array([0, 2]))
        with pytest.raises(ValueError, match="parity_check must hold integers from 0"):
            TannerGraph(sparse.csr_array(row, shape=(1, 2)))


# Peeling


def _naive_one_sweep(H, erased):
    """Peeling that stops after one sweep."""
    alone = (erased @ H.T) == 1
    return erased & ~((alone @ H) > 0)


def test_what_peeling_leaves_is_the_largest_stopping_set_for_every_erasure_pattern():
    H = regular_ldpc(12, 3, 6, np.random.default_rng(1)).toarray()
    subsets = _all_words(12).astype(bool)
    met = subsets.astype(int) @ H.T
    stopping = subsets[(met != 1).all(axis=1)]
    union = np.zeros_like(subsets)
    for one in stopping:  # unions of stopping sets are stopping sets
        union[(subsets | ~one).all(axis=1)] |= one
    _, left = peel(H, np.zeros(subsets.shape, dtype=int), subsets)
    np.testing.assert_array_equal(left, union)
    assert (_naive_one_sweep(H, subsets) != union).any()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_peeling_irregular_codes_is_peeling_one_bit_after_the_other(m, n, seed):
    rng = np.random.default_rng(seed)
    H = (rng.random((m, n)) < 0.4).astype(int)
    H[np.arange(m), rng.integers(0, n, m)] = 1
    words = _code_words(H)
    sent = words[rng.integers(0, len(words), 20)]
    erased = rng.random((20, n)) < 0.5
    filled, left = peel(H, sent, erased)
    for word, lost, got, still in zip(sent, erased, filled, left, strict=True):
        unknown = lost.copy()
        while (H @ unknown == 1).any():
            check = H[(H @ unknown == 1).argmax()] == 1
            unknown[(check & unknown).argmax()] = False
        np.testing.assert_array_equal(still, unknown)
        np.testing.assert_array_equal(got, np.where(unknown, 0, word))


def test_peeling_returns_the_sent_word_wherever_it_claims_to_know_it():
    H = regular_ldpc(12, 2, 4, np.random.default_rng(2)).toarray()
    words = _code_words(H)
    rng = np.random.default_rng(3)
    sent = words[rng.integers(0, len(words), 3000)]
    erased = rng.random(sent.shape) < 0.4
    received = np.where(
        erased, rng.integers(0, 9, sent.shape), sent
    )  # what stands there must not matter
    filled, left = peel(H, received, erased)
    assert (left <= erased).all()
    np.testing.assert_array_equal(filled[~left], sent[~left])
    assert not filled[left].any()
    recovered = ~left.any(axis=1) & erased.any(axis=1)
    assert 0 < recovered.mean() < 1


def test_peeling_accepts_sparse_checks_one_word_and_any_batch_and_changes_nothing():
    H = regular_ldpc(96, 3, 6, np.random.default_rng(4))
    rng = np.random.default_rng(5)
    erased = rng.random((2, 3, 96)) < 0.4
    words = np.zeros((2, 3, 96), dtype=np.uint8)
    before = erased.copy()
    _, left = peel(H, words, erased)
    np.testing.assert_array_equal(left, peel(H.toarray(), words, erased)[1])
    np.testing.assert_array_equal(
        left[1, 2], peel(sparse.csc_matrix(H), words[1, 2], erased[1, 2])[1]
    )
    np.testing.assert_array_equal(erased, before)
    assert peel(H, words[:0], erased[:0])[0].shape == (0, 3, 96)


def test_peeling_is_sharp_around_the_threshold_for_long_codes():
    failures = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        H = regular_ldpc(1200, 3, 6, rng)
        erased = rng.random((2, 40, 1200)) < np.array([0.36, 0.48])[:, None, None]
        failures.append(
            peel(H, np.zeros(erased.shape, dtype=int), erased)[1]
            .any(axis=-1)
            .mean(axis=1)
        )
    below, beyond = np.mean(failures, axis=0)
    assert below <= 0.02
    assert beyond >= 0.98


# Belief propagation


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_beliefs_are_the_exact_marginals_where_the_graph_is_a_tree(checks, seed):
    rng = np.random.default_rng(seed)
    H = _random_tree(rng, checks)
    llr = rng.normal(0, 2, H.shape[1])
    words = _code_words(H)
    weight = np.exp(-(words * llr).sum(axis=1))  # p(word | y) up to a constant
    one = (weight[:, None] * words).sum(axis=0) / weight.sum()
    beliefs = sum_product(H, llr, iterations=checks + 1, early_stop=False)
    exact = np.log1p(-one) - np.log(one)
    # Near its ends a tanh, and a probability, keeps only e^-|v| of its digits, so one
    # rounding grows by e^|v|; some ten operations on each edge.
    largest = np.abs(llr).max() + np.abs(exact).max()
    bound = rounding(10 * H.sum(), np.exp(largest))
    np.testing.assert_allclose(beliefs.llr, exact, rtol=0, atol=bound)


def test_beliefs_are_not_exact_where_the_graph_has_cycles():
    llr = np.array([1.0, 0.5, -0.3, 0.2, 0.8, -0.1, 0.4])
    words = _code_words(HAMMING)
    weight = np.exp(-(words * llr).sum(axis=1))
    one = (weight[:, None] * words).sum(axis=0) / weight.sum()
    beliefs = sum_product(HAMMING, llr, 100, early_stop=False).llr
    assert np.abs(beliefs - np.log((1 - one) / one)).max() > 0.05


def _naive_beliefs(H, llr, iterations):
    """Send back to each neighbour what it said itself: every message counts the receiver's own opinion."""
    total = llr.copy()
    for _ in range(iterations):
        t = np.tanh(total / 2)
        product_of_all = np.where(H, t, 1.0).prod(axis=1)
        total = llr + H.T @ (
            2 * np.arctanh(np.clip(product_of_all, -1 + 1e-12, 1 - 1e-12))
        )
    return total


def test_naive_messages_that_include_the_receivers_own_are_wrong_even_on_a_tree():
    H, llr = np.array([[1, 1]]), np.array([1.0, -0.5])
    exact = np.array([0.5, 0.5])  # two copies of one bit
    np.testing.assert_allclose(sum_product(H, llr).llr, exact, atol=1e-12, rtol=0)
    assert np.abs(_naive_beliefs(H, llr, 1) - exact).max() > 0.2


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_decoding_is_symmetric_under_every_code_word(seed):
    rng = np.random.default_rng(seed)
    H = regular_ldpc(12, 2, 4, rng).toarray()
    words = _code_words(H)
    word = words[rng.integers(len(words))]
    llr = rng.normal(0.7, 1.5, 12)
    plain, turned = (sum_product(H, sign * llr, 20) for sign in (1, 1 - 2.0 * word))
    # Signs are exact.  A tanh that is odd but for its last digit would cost that digit,
    # grown by e^|v| (above) and once more in each of 20 rounds of at most 24 edges.
    bound = rounding(20 * 24, np.exp(np.abs(llr).max() + 5))
    np.testing.assert_allclose(
        turned.llr, (1 - 2.0 * word) * plain.llr, rtol=1e-9, atol=bound
    )
    assert plain.converged == turned.converged
    assert plain.iterations == turned.iterations


def test_a_batch_is_decoded_as_its_words_are_and_converged_words_satisfy_all_checks():
    rng = np.random.default_rng(6)
    H, p = regular_ldpc(120, 3, 6, rng), 0.07
    llr = (1 - 2.0 * (rng.random((4, 10, 120)) < p)) * np.log((1 - p) / p)
    before = llr.copy()
    result = sum_product(H, llr, 30)
    satisfied = ~(result.bits.reshape(-1, 120) @ H.toarray().T % 2).any(axis=1).reshape(
        4, 10
    )
    np.testing.assert_array_equal(result.converged, satisfied)
    assert 0 < result.converged.mean() < 1
    assert (result.iterations[~result.converged] == 30).all()
    assert result.iterations[result.converged].max() < 30
    for i, j in [(0, 0), (3, 9), *np.argwhere(~result.converged)[:2]]:
        one = sum_product(H, llr[i, j], 30)
        np.testing.assert_array_equal(one.bits, result.bits[i, j])
        # The same operations on each number; only a vector unit's last digit may differ.
        np.testing.assert_allclose(one.llr, result.llr[i, j], rtol=1e-9, atol=1e-9)
        assert one.iterations == result.iterations[i, j]
    np.testing.assert_array_equal(llr, before)
    assert sum_product(H, llr[:, :0]).bits.shape == (4, 0, 120)


def test_certain_inputs_and_checks_of_different_size_give_finite_beliefs():
    H = np.array([[1, 1, 0, 0, 0], [0, 1, 1, 1, 1], [1, 0, 0, 0, 1]])
    result = sum_product(H, [800.0, -900.0, 1e6, 0.0, 700.0], 10, early_stop=False)
    assert np.isfinite(result.llr).all()


def test_a_single_bit_check_fixes_its_bit():
    result = sum_product(np.array([[1, 0], [1, 1]]), [-3.0, -1.0], 5)
    assert result.bits.tolist() == [0, 0]


def test_where_nothing_was_received_nothing_has_converged():
    result = sum_product([[1, 1]], [0.0, 0.0])
    assert not result.converged
    assert result.iterations == 50
    assert not sum_product(
        [[1, 1, 0]], [3.0, 2.0, 0.0]
    ).converged  # bit 2 is in no check
    assert sum_product([[1, 1, 0]], [3.0, 2.0, -1.0]).converged


def test_beliefs_of_erased_bits_know_exactly_what_peeling_fills_in():
    rng = np.random.default_rng(9)
    H = regular_ldpc(96, 3, 6, rng)
    free = _row_space_complement(H.toarray())
    sent = rng.integers(0, 2, (60, len(free))) @ free % 2
    erased = rng.random(sent.shape) < 0.42
    filled, left = peel(H, sent, erased)
    llr = np.where(erased, 0.0, 5 - 10.0 * sent)
    result = sum_product(H, llr, 200)
    np.testing.assert_array_equal(result.llr == 0, left)
    np.testing.assert_array_equal(result.bits[~left], filled[~left])
    np.testing.assert_array_equal(result.converged, ~left.any(axis=1))
    assert 0.1 < result.converged.mean() < 0.9


def _row_space_complement(H):
    """Code words that span the null space, by elimination modulo 2."""
    H, pivots = H.astype(int), []
    for column in range(H.shape[1]):
        row = len(pivots)
        below = np.flatnonzero(H[row:, column])
        if below.size:
            H[[row, row + below[0]]] = H[[row + below[0], row]]
            for other in np.flatnonzero(H[:, column]):
                if other != row:
                    H[other] ^= H[row]
            pivots.append(column)
    free = [c for c in range(H.shape[1]) if c not in pivots]
    words = np.zeros((len(free), H.shape[1]), int)
    words[np.arange(len(free)), free] = 1
    words[:, pivots] = H[: len(pivots), free].T
    return words


def test_a_single_round_is_the_formula():
    H, llr = np.array([[1, 1, 1, 0], [0, 0, 1, 1]]), np.array([0.7, -1.2, 0.4, 2.0])
    t = np.tanh(llr / 2)
    first = 2 * np.arctanh([t[1] * t[2], t[0] * t[2], t[0] * t[1]])
    second = 2 * np.arctanh([t[3], t[2]])
    checks = [first[0], first[1], first[2] + second[0], second[1]]
    expected = llr + np.array(checks)
    result = sum_product(H, llr, 1)
    # A dozen operations on numbers below 4.
    np.testing.assert_allclose(result.llr, expected, rtol=0, atol=rounding(12, 4))
    assert result.iterations == 1


def test_rounds_stop_when_asked_and_only_then():
    rng = np.random.default_rng(10)
    H, p = regular_ldpc(120, 3, 6, rng), 0.04
    llr = (1 - 2.0 * (rng.random((70, 120)) < p)) * np.log((1 - p) / p)
    quick, slow = sum_product(H, llr, 20), sum_product(H, llr, 20, early_stop=False)
    assert (slow.iterations == 20).all()
    assert slow.converged[quick.converged].all()
    assert len(np.unique(quick.iterations)) > 3
    for rounds in np.unique(quick.iterations[quick.converged])[:4]:
        here = quick.converged & (quick.iterations == rounds)
        exact = sum_product(H, llr[here], int(rounds), early_stop=False)
        np.testing.assert_array_equal(exact.bits, quick.bits[here])
        if rounds > 1:
            before = sum_product(H, llr[here], int(rounds) - 1, early_stop=False)
            assert not before.converged.any()


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e170, 1e307])
def test_beliefs_at_the_edges_of_float64_are_finite_and_keep_the_sign_of_what_is_sure(
    scale,
):
    H = np.array([[1, 1, 0, 0, 0], [0, 1, 1, 1, 1], [1, 0, 0, 0, 1]])
    sure = scale * np.array([1.0, 1.0, -1.0, -1.0, 1.0])  # satisfies all three checks
    result = sum_product(H, sure, 10)
    assert np.isfinite(result.llr).all()
    assert result.converged
    assert result.bits.tolist() == [0, 0, 1, 1, 0]
    # One of three copies is lost: what the others say of it may be too small for float64, then it stays open.
    lost = sum_product([[1, 1, 1]], [scale, -scale, 0.0])
    assert np.isfinite(lost.llr).all()
    assert lost.converged == (lost.llr[2] < 0) == (scale > 1e-160)


# Thresholds

PUBLISHED_BEC = {
    (3, 6): 0.4294,
    (3, 4): 0.6474,
    (3, 5): 0.5176,
    (4, 8): 0.3834,
    (5, 10): 0.3416,
}


@pytest.mark.parametrize(("degrees", "published"), PUBLISHED_BEC.items())
def test_erasure_thresholds_are_the_published_ones(degrees, published):
    assert round(bec_threshold(*degrees), 4) == published


def _dies_out(step, start, sweeps=20000):
    x = start
    for _ in range(sweeps):
        following = step(x)
        if following < 1e-10:
            return True
        if following >= x:
            return False
        x = following
    return False


def _bisect(dies_out):
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if dies_out(middle) else (low, middle)
    return low


@pytest.mark.parametrize(("l", "r"), [(3, 6), (3, 4), (4, 8), (5, 10), (3, 30)])
def test_erasure_thresholds_are_where_density_evolution_stops_dying_out(l, r):  # noqa: E741
    searched = _bisect(
        lambda e: _dies_out(lambda x: e * (1 - (1 - x) ** (r - 1)) ** (l - 1), e)
    )
    # 24 halvings leave 6e-8; close to the threshold the walk needs more sweeps than it has.
    assert bec_threshold(l, r) == pytest.approx(searched, abs=1e-6)


@pytest.mark.parametrize("r", [3, 4, 8])
def test_two_checks_per_bit_leave_only_the_stability_threshold(r):
    # The grid begins at x = 1e-12, where the quotient is off by about r x / 2.
    assert bec_threshold(2, r) == pytest.approx(1 / (r - 1), abs=1e-11)


def _flips(p, l, r):  # noqa: E741
    def step(x):
        b = (1 - (1 - 2 * x) ** (r - 1)) / 2
        return p * (1 - (1 - b) ** (l - 1)) + (1 - p) * b ** (l - 1)

    return step


@pytest.mark.parametrize(("l", "r"), [(3, 6), (3, 4), (3, 5)])
def test_gallager_a_thresholds_are_where_density_evolution_stops_dying_out(l, r):  # noqa: E741
    searched = _bisect(lambda p: p < 0.5 and _dies_out(_flips(p, l, r), p))
    assert gallager_a_threshold(l, r) == pytest.approx(searched, abs=1e-7)


@pytest.mark.parametrize(("l", "r"), [(3, 6), (4, 6), (4, 8), (5, 10), (4, 40)])
def test_gallager_a_dies_out_just_below_its_threshold_and_not_just_above(l, r):  # noqa: E741
    # Where stability is the limit the walk slows down without end, so no closer than 0.1 %.
    p = gallager_a_threshold(l, r)
    assert _dies_out(_flips(0.999 * p, l, r), 0.999 * p, 60000)
    assert not _dies_out(_flips(1.001 * p, l, r), 1.001 * p, 60000)


def test_gallager_a_threshold_of_three_six_is_the_published_one():
    # Printed as .0394, which is cut off: a threshold rounded up would promise too much.
    assert np.floor(gallager_a_threshold(3, 6) * 1e4) / 1e4 == 0.0394


@pytest.mark.parametrize(("l", "r"), [(4, 8), (5, 10), (4, 6)])
def test_gallager_a_with_four_checks_is_bounded_by_stability(l, r):  # noqa: E741
    assert gallager_a_threshold(l, r) == pytest.approx(
        1 / ((l - 1) * (r - 1)), abs=1e-9
    )


def _naive_gallager_a(l, r):  # noqa: E741
    """The least p with any fixed point, also one above the start, where no walk ever comes."""
    x = np.linspace(1e-6, 0.5, 100001)[1:-1]
    b = (1 - (1 - 2 * x) ** (r - 1)) / 2
    return ((x - b ** (l - 1)) / (1 - (1 - b) ** (l - 1) - b ** (l - 1))).min()


def test_naive_gallager_a_threshold_counts_fixed_points_out_of_reach():
    assert _naive_gallager_a(3, 6) < 0  # not even a probability


def test_for_two_checks_the_threshold_is_approached_and_not_attained():
    # x / y(x) falls all the way to x = 0: an infimum.
    x = np.geomspace(1e-4, 1, 200)
    assert (np.diff(x / (1 - (1 - x) ** 3)) > 0).all()
    assert (x / (1 - (1 - x) ** 3) > bec_threshold(2, 4)).all()


@pytest.mark.parametrize(("l", "r"), [(3, 1000), (60, 61), (60, 120), (400, 1000)])
def test_thresholds_of_extreme_degrees_are_found_without_a_warning(l, r):  # noqa: E741
    assert 0 < bec_threshold(l, r) < l / r
    assert 0 < gallager_a_threshold(l, r) < 0.5
    assert not _dies_out(
        _flips(1.01 * gallager_a_threshold(l, r), l, r),
        1.01 * gallager_a_threshold(l, r),
    )


def test_no_threshold_passes_the_shannon_limit():
    for l, r in [(2, 4), (3, 4), (3, 6), (4, 8), (5, 10), (3, 30)]:  # noqa: E741
        assert bec_threshold(l, r) < l / r  # capacity 1 - e, rate 1 - l / r


# Bad input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: regular_ldpc(11, 3, 6, np.random.default_rng(0)),
            ValueError,
            "n \\* l must be a multiple of r",
        ),
        (
            lambda: regular_ldpc(4, 3, 6, np.random.default_rng(0)),
            ValueError,
            "n must be at least 6",
        ),
        (
            lambda: regular_ldpc(12, 1, 6, np.random.default_rng(0)),
            ValueError,
            "l must be at least 2",
        ),
        (
            lambda: regular_ldpc(12, 6, 6, np.random.default_rng(0)),
            ValueError,
            "r must be at least 7",
        ),
        (
            lambda: regular_ldpc(12.0, 3, 6, np.random.default_rng(0)),
            TypeError,
            "n must be an integer",
        ),
        (lambda: regular_ldpc(12, 3, 6, 0), TypeError, "rng must be"),
        (lambda: regular_ldpc(12, 3, 6, None), TypeError, "rng must be"),
        (lambda: TannerGraph(None), TypeError, "parity_check must hold integers"),
        (lambda: TannerGraph([1, 1]), ValueError, "m, n >= 1"),
        (lambda: TannerGraph(1), ValueError, "m, n >= 1"),
        (lambda: TannerGraph([[1, 1], [1]]), TypeError, "parity_check must hold"),
        (
            lambda: TannerGraph(sparse.csr_array(HAMMING * 1.0)),
            TypeError,
            "parity_check must hold integers",
        ),
        (
            lambda: TannerGraph(sparse.csr_array(np.full((1, 2), 2))),
            ValueError,
            "parity_check must hold integers from 0 to 1",
        ),
        (
            lambda: TannerGraph(sparse.coo_array(np.array([1, 1]))),
            ValueError,
            "m, n >= 1",
        ),
        (
            lambda: sum_product(torch.ones((1, 2), requires_grad=True), [1.0, 1.0]),
            TypeError,
            "parity_check must hold",
        ),
        (
            lambda: sum_product([[1, 1]], torch.ones(2, requires_grad=True)),
            TypeError,
            "llr must hold",
        ),
        (
            lambda: sum_product([[1, 1]], sparse.csr_array(np.ones((1, 2)))),
            TypeError,
            "llr must hold real numbers",
        ),
        (lambda: sum_product([[1, 1]], None), TypeError, "llr must hold real numbers"),
        (
            lambda: peel(HAMMING, None, np.zeros(7, bool)),
            TypeError,
            "words must hold integers",
        ),
        (
            lambda: peel(HAMMING, np.zeros(7, int), None),
            TypeError,
            "erased must hold integers",
        ),
        (
            lambda: peel(HAMMING, np.zeros(7, int), torch.ones(7, requires_grad=True)),
            TypeError,
            "erased must",
        ),
        (
            lambda: peel(HAMMING, sparse.csr_array(HAMMING), np.zeros(7, bool)),
            TypeError,
            "words must hold integers",
        ),
        (lambda: bec_threshold(1, 6), ValueError, "l must be at least 2"),
        (lambda: gallager_a_threshold(2, 6), ValueError, "l must be at least 3"),
        (lambda: gallager_a_threshold(3, 2), ValueError, "r must be at least 4"),
        (
            lambda: peel(HAMMING, np.zeros(6, int), np.zeros(6, bool)),
            ValueError,
            "rows of 7",
        ),
        (
            lambda: peel(HAMMING, np.zeros(7, int), np.zeros(6, bool)),
            ValueError,
            "rows of 7",
        ),
        (
            lambda: peel(HAMMING, np.zeros(7), np.zeros(7, bool)),
            TypeError,
            "words must hold integers",
        ),
        (
            lambda: peel(HAMMING, np.zeros(7, int), np.zeros(7, int)),
            TypeError,
            "erased must hold booleans",
        ),
        (
            lambda: peel(HAMMING, np.full(7, 2), np.zeros(7, bool)),
            ValueError,
            "words must hold 0 and 1",
        ),
        (
            lambda: peel(2 * HAMMING, np.zeros(7, int), np.zeros(7, bool)),
            ValueError,
            "parity_check must hold integers from 0 to 1",
        ),
        (
            lambda: peel(HAMMING * 1.0, np.zeros(7, int), np.zeros(7, bool)),
            TypeError,
            "parity_check must hold integers",
        ),
        (
            lambda: peel(np.zeros((0, 7), int), np.zeros(7, int), np.zeros(7, bool)),
            ValueError,
            "m, n >= 1",
        ),
        (
            lambda: sum_product(HAMMING, np.zeros(6)),
            ValueError,
            "llr must have rows of 7",
        ),
        (lambda: sum_product(HAMMING, 1.0), ValueError, "llr must have rows of 7"),
        (
            lambda: sum_product(HAMMING, np.full(7, np.nan)),
            ValueError,
            "llr must be finite",
        ),
        (
            lambda: sum_product(HAMMING, np.full(7, np.inf)),
            ValueError,
            "llr must be finite",
        ),
        (
            lambda: sum_product(HAMMING, np.zeros(7), 0),
            ValueError,
            "iterations must be at least 1",
        ),
        (
            lambda: sum_product([[1, 1], [0, 0]], np.zeros(2)),
            ValueError,
            "an empty row",
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
