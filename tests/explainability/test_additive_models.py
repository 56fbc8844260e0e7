"""The properties that make `companion.explainability.additive_models` correct."""

import dataclasses
import itertools
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from companion.explainability.additive_models import AdditiveModel, fit_additive_model
from tests.bad_input import TABLES
from tests.rounding import rounding

quick = settings(derandomize=True, deadline=None, max_examples=25)


def patients(seed: int = 0, n: int = 200, d: int = 4):
    """Random rows, with labels that depend on two of the columns."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = (rng.random(n) < expit(2 * X[:, 0] - X[:, 1] ** 2 + 0.5)).astype(int)
    return X, y


def naive_fit(X, y, bins, rounds, rate, ridge):
    """The same model by loops over rows and cuts; every value has a bin of its own up to `bins` values."""
    n, d = X.shape
    order = [sorted(set(X[:, j])) for j in range(d)]
    groups = []  # of each feature, the last value of each bin but the last
    for j, values in enumerate(order):
        ranks = [sum(X[i, j] < v for i in range(n)) * bins // n for v in values]
        if len(values) <= bins:
            ranks = list(range(len(values)))
        groups.append(
            [v for v, a, b in zip(values, ranks, ranks[1:], strict=False) if b > a]
        )
    score = np.full(n, np.log(y.mean() / (1 - y.mean())))
    curves = np.zeros((n, d))
    for _ in range(rounds):
        for j in range(d):
            p = 1 / (1 + np.exp(-score))
            best, step = -1.0, np.zeros(n)
            for cut in groups[j]:
                left = X[:, j] <= cut
                trial, gain = np.zeros(n), 0.0
                for side in (left, ~left):
                    g = sum((y - p)[side])
                    h = sum((p * (1 - p))[side])
                    trial[side] = g / (h + ridge)
                    gain += g * g / (h + ridge)
                if gain > best:
                    best, step = gain, rate * trial
            curves[:, j] += step
            score = score + step
    return score, curves - curves.mean(axis=0)


# The model


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bins", [2, 5, 64])
def test_the_fit_is_the_plain_loop_over_rows_and_cuts(seed, bins):
    X, y = patients(seed, n=60, d=3)
    X[:, 2] = X[:, 2].round()
    model = fit_additive_model(X, y, bins, rounds=5, learning_rate=0.3, ridge=0.7)
    score, curves = naive_fit(X, y, bins, 5, 0.3, 0.7)
    # 15 stumps; each divides a sum of 60 residuals below 1 by at least the ridge,
    # and what one loses moves the next residuals by at most as much, 0.3 / 0.7 times.
    bound = rounding(15 * 60 * (1 + 0.3 / 0.7) ** 2, 60 / 0.7)
    np.testing.assert_allclose(model.score(X), score, rtol=0, atol=bound)
    np.testing.assert_allclose(model.contributions(X), curves, rtol=0, atol=bound)


@quick
@given(seed=st.integers(0, 10**6), rate=st.floats(0.01, 1), ridge=st.floats(0.1, 10))
def test_the_score_is_the_intercept_plus_the_centred_curves(seed, rate, ridge):
    X, y = patients(seed, n=80)
    model = fit_additive_model(X, y, rounds=10, learning_rate=rate, ridge=ridge)
    parts = model.contributions(X)
    scale = abs(model.intercept) + np.abs(parts).sum(axis=1).max()
    total = model.intercept + np.array([sum(row) for row in parts.tolist()])
    np.testing.assert_allclose(
        model.score(X), total, rtol=0, atol=min(rounding(5, scale), 1e-12)
    )
    # A mean of 80 heights, taken off, and the mean again.
    np.testing.assert_allclose(parts.mean(axis=0), 0, rtol=0, atol=rounding(160, scale))
    assert abs(model.score(X).mean() - model.intercept) <= rounding(400, scale)


@pytest.mark.parametrize("ridge", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_one_stump_is_a_newton_step_on_either_side(rate, ridge):
    # Six rows, three of label 1: even odds, so each row has p (1 - p) = 1/4.
    X, y = [[0], [0], [0], [0], [5], [5]], [1, 0, 0, 0, 1, 1]
    model = fit_additive_model(X, y, rounds=1, learning_rate=rate, ridge=ridge)
    left = rate * (1 - 2) / (4 / 4 + ridge)
    right = rate * (2 - 1) / (2 / 4 + ridge)
    mean = (4 * left + 2 * right) / 6
    np.testing.assert_allclose(
        model.heights[0], [left - mean, right - mean], rtol=0, atol=rounding(20, 2)
    )
    assert model.intercept == pytest.approx(mean, rel=0, abs=rounding(20, 2))
    np.testing.assert_array_equal(model.edges[0], [2.5])


def test_the_cut_is_where_the_gain_is_largest():
    # Labels 0 0 0 1 1 1 1 1: the clean cut lies after the third row.
    X, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 1, 1, 1, 1, 1])
    height = fit_additive_model(X, y, rounds=1).heights[0]
    np.testing.assert_array_equal(np.flatnonzero(np.diff(height)), [2])


def test_many_rounds_on_groups_reach_the_log_odds_of_each_group():
    counts, ones = [10, 20, 30], [3, 10, 27]
    X = np.repeat([7.0, -1.0, 100.0], counts)[:, None]
    y = np.concatenate([np.arange(n) < k for n, k in zip(counts, ones, strict=True)])
    model = fit_additive_model(X, y, rounds=400, learning_rate=0.5)
    expected = logit(np.array(ones) / counts)
    # The gradient of each group shrinks by a factor below 0.8 each two rounds: 1e-15 after 400.
    np.testing.assert_allclose(
        model.score([[7], [-1], [100]]), expected, rtol=0, atol=1e-9
    )


def test_many_rounds_on_two_binary_features_leave_no_residual_in_any_group():
    # That is what defines logistic regression with an intercept and these two columns.
    rng = np.random.default_rng(1)
    X = rng.integers(0, 2, (300, 2))
    y = (rng.random(300) < expit(X @ [1.5, -1.0])).astype(int)
    model = fit_additive_model(X, y, rounds=600, learning_rate=0.5)
    residual = y - expit(model.score(X))
    for j, value in itertools.product(range(2), range(2)):
        assert abs(residual[X[:, j] == value].sum()) < 1e-9


def test_an_even_exclusive_or_leaves_every_curve_flat():
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 25)
    model = fit_additive_model(X, X[:, 0] ^ X[:, 1])
    # Every residual sum is a sum of 100 halves and minus halves: exactly zero.
    assert all((height == 0).all() for height in model.heights)
    assert model.intercept == 0
    product = np.column_stack([X, X[:, 0] ^ X[:, 1]])
    model = fit_additive_model(product, product[:, 2])
    assert ((model.score(product) > 0) == product[:, 2]).all()


def test_contributions_are_the_shapley_values_with_the_fitted_rows_as_background():
    X, y = patients(2, n=50)
    model = fit_additive_model(X, y, bins=8, rounds=20)
    d, x = X.shape[1], X[3]

    def value(coalition):
        rows = X.copy()
        rows[:, list(coalition)] = x[list(coalition)]
        return model.score(rows).mean()

    phi = np.zeros(d)
    for i in range(d):
        others = [j for j in range(d) if j != i]
        for size in range(d):
            weight = factorial(size) * factorial(d - size - 1) / factorial(d)
            for S in itertools.combinations(others, size):
                phi[i] += weight * (value((*S, i)) - value(S))
    scale = np.abs(model.score(X)).max()
    np.testing.assert_allclose(
        model.contributions(X[3:4])[0], phi, rtol=0, atol=rounding(50 * 16, scale)
    )


# What the model does not depend on


def test_a_growing_change_of_scale_changes_no_height():
    X, y = patients(3)
    model, other = fit_additive_model(X, y), fit_additive_model(np.exp(X) * 1e9, y)
    for height, same in zip(model.heights, other.heights, strict=True):
        np.testing.assert_array_equal(height, same)
    np.testing.assert_array_equal(model.score(X), other.score(np.exp(X) * 1e9))


def test_swapping_the_labels_turns_the_model_upside_down():
    X, y = patients(4, n=101)
    model, other = fit_additive_model(X, y), fit_additive_model(X, 1 - y)
    # 400 stumps of sums of 101 rows; what one loses passes on shrunk by the small rate.
    bound = rounding(400 * 101, np.abs(model.contributions(X)).sum(axis=1).max())
    np.testing.assert_allclose(model.score(X), -other.score(X), rtol=0, atol=bound)


def test_the_order_of_the_rows_does_not_matter():
    X, y = patients(5)
    order = np.random.default_rng(0).permutation(len(y))
    model, other = fit_additive_model(X, y), fit_additive_model(X[order], y[order])
    bound = rounding(400 * 200, np.abs(model.contributions(X)).sum(axis=1).max())
    np.testing.assert_allclose(model.score(X), other.score(X), rtol=0, atol=bound)


def test_a_constant_column_has_a_flat_curve_and_changes_nothing():
    X, y = patients(6)
    model = fit_additive_model(X, y)
    more = fit_additive_model(np.insert(X, 2, 7.0, axis=1), y)
    assert more.edges[2].size == 0
    np.testing.assert_array_equal(more.heights[2], [0.0])
    np.testing.assert_array_equal(
        more.contributions(np.insert(X, 2, -3.0, axis=1))[:, [0, 1, 3, 4]],
        model.contributions(X),
    )


def test_a_row_alone_has_the_contributions_that_it_has_in_a_batch():
    X, y = patients(7)
    model = fit_additive_model(X, y)
    for row, parts in zip(X[:5], model.contributions(X[:5]), strict=True):
        np.testing.assert_array_equal(model.contributions(row[None])[0], parts)


# Bins


def test_each_of_few_values_has_a_height_of_its_own_however_rare():
    for X in ([[0]] + [[1]] * 99, [[0]] * 99 + [[1]], [[0], [1]] + [[2]] * 98):
        model = fit_additive_model(X, np.arange(100) % 2, bins=3)
        assert len(model.heights[0]) == len(np.unique(X))


@pytest.mark.parametrize("bins", [2, 7, 32])
def test_bins_are_as_many_as_asked_and_about_equally_full(bins):
    x = np.random.default_rng(0).standard_normal(1000)
    X = np.column_stack([x, x**3])
    model = fit_additive_model(X, (x > 0).astype(int), bins, rounds=1)
    for edge, column in zip(model.edges, X.T, strict=True):
        full = np.bincount(np.searchsorted(edge, column), minlength=bins)
        assert len(edge) == bins - 1
        assert full.max() - full.min() <= 1


def test_a_code_that_a_tenth_of_the_rows_carry_has_a_height_of_its_own():
    rng = np.random.default_rng(0)
    x = np.where(rng.random(400) < 0.1, -9, rng.standard_normal(400))
    edge = fit_additive_model(x[:, None], x > 0).edges[0]
    low = x[x > -9].min()
    assert edge[0] == pytest.approx((low - 9) / 2, rel=0, abs=rounding(3, 9))


def test_an_edge_lies_halfway_between_two_values_and_belongs_to_the_left():
    model = fit_additive_model([[1], [4]], [0, 1], rounds=1)
    np.testing.assert_array_equal(model.edges[0], [2.5])
    low, on, high = model.contributions([[-1e300], [2.5], [2.6]])[:, 0]
    assert low == on < 0 < high


@pytest.mark.parametrize("low", [1.0, 1e-320, 1e-170, 1e170, -1e299, 0.0])
def test_two_values_that_are_neighbours_in_float64_are_told_apart(low):
    X = np.array([[low], [np.nextafter(low, np.inf)]])
    assert np.diff(fit_additive_model(X, [0, 1]).score(X)) > 0


def test_values_at_both_ends_of_the_range_are_told_apart():
    X = np.array([[-1e300], [1e300]])
    assert np.diff(fit_additive_model(X, [0, 1]).score(X)) > 0


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32, np.bool_])
def test_columns_of_every_width_are_the_same_numbers(dtype):
    X = np.random.default_rng(0).integers(0, 2, (40, 2))
    y = X[:, 0] | X[:, 1]
    model, other = fit_additive_model(X, y), fit_additive_model(X.astype(dtype), y == 1)
    np.testing.assert_array_equal(model.score(X), other.score(X.astype(dtype)))


# What is left alone


def test_nothing_that_was_passed_is_changed_or_kept():
    X, y = patients(8)
    before, labels = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    state = np.random.get_state()[1].copy()
    model = fit_additive_model(X, y)
    first = model.score(X)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(y, labels)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    X.flags.writeable = True
    X[:] = 0
    np.testing.assert_array_equal(model.score(before), first)
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.intercept = 0.0


# Bad input

X3 = [[0.0, 1], [1, 0], [2, 2]]
FLAT = AdditiveModel(0.0, (np.array([1.0]),), (np.array([0.0, 1.0]),))


@pytest.mark.parametrize(("X", "error"), TABLES)
def test_what_is_no_table_is_refused(X, error):
    with pytest.raises(error, match="X must"):
        fit_additive_model(X, [0, 1] * 4 + [0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fit_additive_model(X3, [0, 1]), ValueError, "y must hold 3 labels"),
        (lambda: fit_additive_model(X3, [0, 0, 0]), ValueError, "both 0 and 1"),
        (lambda: fit_additive_model(X3, [1, 1, 1]), ValueError, "both 0 and 1"),
        (lambda: fit_additive_model(X3, [[0, 1, 1]]), ValueError, "y must hold 3"),
        (lambda: fit_additive_model(X3, [[0], [1], [1]]), ValueError, "y must hold 3"),
        (lambda: fit_additive_model(X3, [0, 1, 2]), ValueError, "y must hold integers"),
        (lambda: fit_additive_model(X3, [0, -1, 1]), ValueError, "y must hold integ"),
        (lambda: fit_additive_model(X3, [0.0, 1, 1]), TypeError, "y must hold integer"),
        (lambda: fit_additive_model(X3, []), (TypeError, ValueError), "y must hold"),
        (
            lambda: fit_additive_model(X3, np.zeros(0, int)),
            ValueError,
            "y must hold 3 labels",
        ),
        (lambda: fit_additive_model(X3, [0, 1, 1], bins=1), ValueError, "bins must be"),
        (lambda: fit_additive_model(X3, [0, 1, 1], 4.0), TypeError, "bins must be an"),
        (
            lambda: fit_additive_model(X3, [0, 1, 1], rounds=0),
            ValueError,
            "rounds must be",
        ),
        (
            lambda: fit_additive_model(X3, [0, 1, 1], learning_rate=0),
            ValueError,
            r"learning_rate must lie in \(0, 1\]",
        ),
        (
            lambda: fit_additive_model(X3, [0, 1, 1], learning_rate=1.1),
            ValueError,
            "learning_rate must lie",
        ),
        (
            lambda: fit_additive_model(X3, [0, 1, 1], ridge=0),
            ValueError,
            "ridge must lie",
        ),
        (
            lambda: fit_additive_model(X3, [0, 1, 1], ridge=np.nan),
            ValueError,
            "ridge must be finite",
        ),
        (lambda: FLAT.contributions([[0.0, 1.0]]), ValueError, "X must have shape"),
        (  # a column with cuts and no heights must not be left out in silence
            lambda: AdditiveModel(0.0, FLAT.edges, ()).contributions([[0.0]]),
            ValueError,
            "shorter",
        ),
        (lambda: FLAT.score([[np.nan]]), ValueError, "X must be finite"),
        (lambda: FLAT.score([0.0]), ValueError, "X must have shape"),
        (lambda: FLAT.score(np.zeros((0, 1))), ValueError, "X must have at least"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
