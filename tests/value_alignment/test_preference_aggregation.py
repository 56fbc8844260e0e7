"""The properties that make `companion.value_alignment.preference_aggregation` correct."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from companion.value_alignment.preference_aggregation import (
    borda,
    pooled_preferences,
    von_neumann_winner,
)
from companion.value_alignment.preference_learning import bradley_terry
from tests.rounding import rounding

quick = settings(derandomize=True, deadline=None, max_examples=60)
seeds = st.integers(0, 2**32 - 1)

# Five people: three rank a, b, c, and two rank b, c, a.
FIVE = np.array([[0, 3, 3], [2, 0, 5], [2, 0, 0]])
# 90 % prefer a to b, 80 % b to c, 80 % c to a.
CYCLE = np.array([[0, 9, 2], [1, 0, 8], [8, 2, 0]])


def population(seed: int, people: int = 5, options: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sharpness = rng.uniform(0.5, 4, (people, 1))
    return sharpness * rng.standard_normal((people, options))


# Pooling


def test_the_pool_is_the_weighted_mean_of_the_peoples_answers():
    u, w = population(0), np.array([0.1, 0.4, 0.2, 0.25, 0.05])
    shares = pooled_preferences(u, w)
    for i, j in itertools.permutations(range(7), 2):
        expected = sum(
            share / (1 + np.exp(b - a))
            for share, a, b in zip(w, u[:, i], u[:, j], strict=True)
        )
        assert shares[i, j] == pytest.approx(expected, abs=rounding(30, 1))


@quick
@given(seed=seeds)
def test_the_two_shares_of_a_pair_sum_to_one(seed):
    shares = pooled_preferences(population(seed))
    expected = 1 - np.eye(7)
    np.testing.assert_allclose(
        shares + shares.T, expected, rtol=0, atol=rounding(20, 1)
    )
    assert (np.diag(shares) == 0).all()


def test_without_weights_everybody_counts_alike():
    u = population(1)
    np.testing.assert_array_equal(
        pooled_preferences(u), pooled_preferences(u, np.full(5, 0.2))
    )


def test_one_person_follows_the_model_and_gets_their_own_utilities_back():
    u = np.array([[0.5, -1.0, 0.25, 0.25]])
    scores = bradley_terry(pooled_preferences(u)).scores
    np.testing.assert_allclose(scores, u[0] - u.mean(), rtol=0, atol=rounding(200, 1))


def test_a_constant_added_to_one_persons_utilities_changes_no_answer():
    u = population(2)
    moved = u + np.arange(5)[:, None]
    np.testing.assert_allclose(
        pooled_preferences(moved), pooled_preferences(u), rtol=0, atol=rounding(30, 20)
    )


def test_utilities_of_any_size_give_shares():
    shares = pooled_preferences([[1e300, -1e300, 0], [-1e4, 1e4, 0]])
    np.testing.assert_array_equal(shares, [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


# Borda, and Bradley-Terry


def test_bordas_score_is_the_mean_share_over_the_others():
    np.testing.assert_allclose(borda(FIVE), [0.6, 0.7, 0.2], rtol=0, atol=1e-15)
    # Pairs that met unequally often count alike.
    np.testing.assert_allclose(
        borda([[0, 1, 30], [1, 0, 9], [10, 1, 0]]),
        [(1 / 2 + 3 / 4) / 2, (1 / 2 + 9 / 10) / 2, (1 / 4 + 1 / 10) / 2],
        rtol=0,
        atol=1e-15,
    )


@quick
@given(seed=seeds)
def test_borda_and_bradley_terry_order_alike_where_all_pairs_met_equally_often(seed):
    shares = pooled_preferences(population(seed))
    scores, points = bradley_terry(shares).scores, borda(shares)
    np.testing.assert_array_equal(np.argsort(scores), np.argsort(points))
    # The equation that makes them: expected shares are the shares.
    expected = expit(scores[:, None] - scores).sum(axis=1) - 0.5
    np.testing.assert_allclose(expected / 6, points, rtol=0, atol=rounding(200, 1))


def test_where_pairs_met_unequally_often_the_orders_may_differ():
    differ = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        shares = pooled_preferences(population(seed))
        met = np.triu(rng.integers(1, 21, (7, 7)), 1)
        winner = bradley_terry(shares * (met + met.T)).scores.argmax()
        differ += winner != borda(shares).argmax()
    assert 0 < differ < 50


def test_other_names_for_the_options_only_rename_every_result():
    shares = pooled_preferences(population(3))
    order = np.random.default_rng(0).permutation(7)
    renamed = shares[np.ix_(order, order)]
    np.testing.assert_allclose(
        borda(renamed), borda(shares)[order], rtol=0, atol=rounding(20, 1)
    )
    np.testing.assert_allclose(
        von_neumann_winner(renamed).probabilities,
        von_neumann_winner(shares).probabilities[order],
        rtol=0,
        atol=1e-9,
    )


# The von Neumann winner


def by_enumeration(wins: np.ndarray) -> np.ndarray:
    """The maximal lottery on the one support whose game is solved with equality; margins are not tied."""
    n = len(wins)
    margins = wins / (wins + wins.T + np.eye(n)) - 0.5 * (1 - np.eye(n))
    for size in range(1, n + 1, 2):  # without ties the support is odd
        for support in itertools.combinations(range(n), size):
            rows = np.array(support)
            # p M = 0 on the support, and p sums to one.
            A = np.vstack([margins[np.ix_(rows, rows)].T, np.ones(size)])
            b = np.append(np.zeros(size), 1.0)
            inner = np.linalg.lstsq(A, b, rcond=None)[0]
            p = np.zeros(n)
            p[rows] = inner
            if (
                np.abs(A @ inner - b).max() < 1e-9
                and inner.min() > 0
                and (p @ margins).min() > -1e-9
            ):
                return p
    raise AssertionError("no support fits")


@quick
@given(seed=seeds)
def test_the_lottery_is_the_one_that_enumerating_supports_finds(seed):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((5, 5)), 1)
    wins = upper + np.tril(1 - upper.T, -1)
    # HiGHS solves to 1e-7 in margins; the lottery is bounded by the game's condition.
    np.testing.assert_allclose(
        von_neumann_winner(wins).probabilities, by_enumeration(wins), rtol=0, atol=1e-5
    )


@quick
@given(seed=seeds)
def test_no_option_beats_the_lottery(seed):
    shares = pooled_preferences(population(seed))
    lottery = von_neumann_winner(shares)
    p = lottery.probabilities
    against = p @ (shares + np.eye(7) / 2)
    assert against.min() >= 0.5 - 1e-7
    assert lottery.guarantee == pytest.approx(against.min(), abs=rounding(20, 1))
    assert p.min() >= 0
    assert p.sum() == pytest.approx(1, abs=rounding(7, 1))


@quick
@given(seed=seeds)
def test_an_option_that_beats_every_other_is_drawn_for_certain(seed):
    shares = pooled_preferences(population(seed, people=3, options=4))
    beats_all = (shares + np.eye(4) > 0.5 + 1e-6).all(axis=1)
    if beats_all.any():
        p = von_neumann_winner(shares).probabilities
        np.testing.assert_allclose(p, beats_all, rtol=0, atol=1e-9)


def test_on_a_cycle_each_option_is_drawn_by_the_margin_of_the_other_two():
    lottery = von_neumann_winner(CYCLE)
    np.testing.assert_allclose(
        lottery.probabilities, [0.3, 0.3, 0.4], rtol=0, atol=1e-9
    )
    # The pooled scores' winner loses 80 to 20.
    assert bradley_terry(CYCLE).scores.argmax() == 0
    assert CYCLE[2, 0] == 4 * CYCLE[0, 2]


def test_the_majority_beats_borda_on_the_five_people():
    assert borda(FIVE).argmax() == 1
    assert bradley_terry(FIVE).scores.argmax() == 1
    np.testing.assert_allclose(
        von_neumann_winner(FIVE).probabilities, [1, 0, 0], rtol=0, atol=1e-9
    )


def test_an_option_that_everybody_ranks_below_another_is_never_drawn():
    # c is below b for all five.
    assert von_neumann_winner(FIVE).probabilities[2] <= 1e-9


@pytest.mark.parametrize("scale", [1e-170, 7, 1e170])
def test_more_of_the_same_answers_change_no_winner(scale):
    lottery = von_neumann_winner(CYCLE * scale)
    np.testing.assert_allclose(
        lottery.probabilities, [0.3, 0.3, 0.4], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(
        borda(CYCLE * scale), borda(CYCLE), rtol=0, atol=rounding(9, 1)
    )


def test_counts_near_the_largest_number_do_not_overflow():
    wins = [[0, 1.7e308], [1.7e308, 0]]
    np.testing.assert_array_equal(borda(wins), [0.5, 0.5])
    assert von_neumann_winner(wins).guarantee == 0.5


def test_nothing_that_was_passed_is_changed():
    u, wins = population(4), CYCLE.astype(float)
    weights = np.full(5, 0.2)
    for array in (u, wins, weights):
        array.flags.writeable = False
    before = wins.copy()
    pooled_preferences(u, weights)
    borda(wins)
    von_neumann_winner(wins)
    np.testing.assert_array_equal(wins, before)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32])
def test_counts_of_every_width_are_the_same_counts(dtype):
    np.testing.assert_array_equal(borda(CYCLE.astype(dtype)), borda(CYCLE))


# Bad input


@pytest.mark.parametrize("call", [borda, von_neumann_winner])
@pytest.mark.parametrize(
    ("wins", "error", "message"),
    [
        ([[0, 1]], ValueError, r"wins must have shape \(n, n\)"),
        ([0, 1], ValueError, r"wins must have shape \(n, n\)"),
        ([[0]], ValueError, "two options at least"),
        (np.zeros((0, 0)), ValueError, "two options at least"),
        ([[0, -1], [1, 0]], ValueError, "wins must not be negative"),
        ([[0.5, 1], [1, 0.5]], ValueError, "zero on the diagonal"),
        ([[0, np.nan], [1, 0]], ValueError, "wins must be finite"),
        (
            [[0, 1, 1], [1, 0, 0], [1, 0, 0]],
            ValueError,
            "options 1 and 2 never met",
        ),
        (np.zeros((2, 2)), ValueError, "options 0 and 1 never met"),
        ([["a", "b"]] * 2, TypeError, "wins must hold real"),
        (None, TypeError, "wins must hold real"),
    ],
)
def test_bad_tables_are_named(call, wins, error, message):
    with pytest.raises(error, match=message):
        call(wins)


@pytest.mark.parametrize(
    ("utilities", "weights", "error", "message"),
    [
        ([1.0, 2.0], None, ValueError, "utilities must have shape"),
        ([[np.nan, 1.0]], None, ValueError, "utilities must be finite"),
        (np.zeros((0, 3)), None, ValueError, "utilities must have at least"),
        ([["a"]], None, TypeError, "utilities must hold real"),
        ([[1.0, 2.0]], [0.5, 0.5], ValueError, "weights must have shape"),
        ([[1.0, 2.0]] * 2, [0.5, 0.6], ValueError, "weights must sum to 1"),
        ([[1.0, 2.0]] * 2, [1.5, -0.5], ValueError, r"weights must lie in \[0, 1\]"),
    ],
)
def test_bad_people_are_named(utilities, weights, error, message):
    with pytest.raises(error, match=message):
        pooled_preferences(utilities, weights)
