"""The properties that make `companion.explainability.feature_effects` correct."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from torch import nn

from companion.explainability.feature_effects import (
    accumulated_local_effects,
    partial_dependence,
)
from companion.networks import mlp
from companion.scores import class_score
from tests.rounding import rounding
from tests.untouched import untouched

quick = settings(derandomize=True, deadline=None, max_examples=40)


def rng(seed=0):
    return np.random.default_rng(seed)


def curved(X):
    """A function with interactions, of three columns or more."""
    return X[:, 0] * X[:, 1] + np.sin(X[:, 2]) + X[:, -1] ** 2


def rows(n=30, d=4, seed=0):
    return rng(seed).normal(size=(n, d))


# Partial dependence


def test_each_individual_curve_is_the_row_with_one_entry_replaced():
    X, points = rows(6), np.array([-1.0, 0.5, 3.0])
    found = partial_dependence(curved, X, 1, grid=points)
    assert found.individual.shape == (6, 3)
    for i in range(6):
        for k in range(3):
            row = X[i].copy()
            row[1] = points[k]
            expected = curved(row[None])[0]
            assert found.individual[i, k] == pytest.approx(
                expected, abs=rounding(10, 20)
            )


def test_partial_dependence_is_the_mean_of_the_individual_curves():
    found = partial_dependence(curved, rows(), 0, grid=7)
    np.testing.assert_allclose(
        found.curve, found.individual.mean(axis=0), rtol=0, atol=rounding(30, 20)
    )


def test_a_number_of_points_lies_evenly_from_the_least_value_to_the_largest():
    X = rows()
    found = partial_dependence(curved, X, 2, grid=5)
    np.testing.assert_array_equal(
        found.grid, np.linspace(X[:, 2].min(), X[:, 2].max(), 5)
    )
    assert len(partial_dependence(curved, X, 2).grid) == 20


@pytest.mark.parametrize("feature", [0, 1, 2])
def test_an_additive_model_shows_its_own_parts(feature):
    parts = (lambda x: x**2, np.sin, lambda x: -3 * x)

    def f(X):
        return sum(part(X[:, j]) for j, part in enumerate(parts))

    X = rows(50, 3)
    found = partial_dependence(f, X, feature, grid=9)
    moved = found.curve - found.curve[0]
    part = parts[feature](found.grid) - parts[feature](found.grid[0])
    np.testing.assert_allclose(moved, part, rtol=0, atol=rounding(60, 30))
    # Without interaction all rows move alike.
    each = found.individual - found.individual[:, :1]
    np.testing.assert_allclose(
        each, part[None] + 0 * each, rtol=0, atol=rounding(9, 30)
    )
    local = accumulated_local_effects(f, X, feature, bins=10)
    moved = local.curve - local.curve[0]
    part = parts[feature](local.grid) - parts[feature](local.grid[0])
    np.testing.assert_allclose(moved, part, rtol=0, atol=rounding(60, 30))


def test_a_product_has_the_other_factors_mean_as_slope():
    X = rows(40, 2) + 1.5
    found = partial_dependence(lambda X: X[:, 0] * X[:, 1], X, 0, grid=6)
    np.testing.assert_allclose(
        found.curve, found.grid * X[:, 1].mean(), rtol=0, atol=rounding(50, 20)
    )


def test_a_feature_of_categories_is_asked_at_its_own_values():
    X = rows()
    X[:, 1] = np.arange(30) % 2
    found = partial_dependence(curved, X, 1, grid=[0, 1])
    np.testing.assert_allclose(
        np.diff(found.curve), X[:, 0].mean(), rtol=0, atol=rounding(40, 10)
    )
    with pytest.raises(ValueError, match="feature 1 takes 2 values only"):
        partial_dependence(curved, X, 1)


def test_the_grid_need_not_be_in_order_nor_fit_into_one_question():
    # 2**19 numbers at a time: 8 points of these 2000 x 30 rows.
    X = rows(2000, 30)
    points = rng(3).normal(size=21)
    calls = []

    def f(X):
        calls.append(len(X))
        return curved(X)

    found = partial_dependence(f, X, 1, grid=points)
    np.testing.assert_array_equal(found.grid, points)
    assert [c for c in calls if c > 1] == [16000, 16000, 10000]
    for k in (0, 7, 8, 20):
        one = X.copy()
        one[:, 1] = points[k]
        np.testing.assert_allclose(
            found.individual[:, k], curved(one), rtol=0, atol=rounding(10, 60)
        )


# Accumulated local effects


def by_hand(f, X, feature, edges):
    """Row by row, in plain Python."""
    steps, counts = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for row in X:
        k = next(k for k in range(len(steps)) if row[feature] <= edges[k + 1])
        low, high = row.copy(), row.copy()
        low[feature], high[feature] = edges[k], edges[k + 1]
        steps[k] += f(high[None])[0] - f(low[None])[0]
        counts[k] += 1
    curve = np.concatenate([[0], np.cumsum(steps / counts)])
    middles = (curve[:-1] + curve[1:]) / 2
    return curve - (middles * counts).sum() / counts.sum(), counts


@pytest.mark.parametrize("bins", [1, 2, 7, 20, 500])
def test_accumulated_effects_are_those_of_a_loop_over_rows_and_bins(bins):
    X = rows(60)
    found = accumulated_local_effects(curved, X, 0, bins=bins)
    curve, counts = by_hand(curved, X, 0, found.grid)
    np.testing.assert_array_equal(found.counts, counts)
    # 60 differences of a few operations each, and a sum over as many bins.
    np.testing.assert_allclose(found.curve, curve, rtol=0, atol=rounding(600, 30))


@pytest.mark.parametrize("n", [5, 19, 20, 21, 200])
@pytest.mark.parametrize("bins", [1, 3, 10, 20])
def test_edges_are_the_least_values_with_their_share_of_rows_at_or_below(n, bins):
    X = rows(n, 4, seed=n)
    found = accumulated_local_effects(curved, X, 0, bins=bins)
    x = X[:, 0]
    expected = {x.min()}
    for k in range(1, bins + 1):
        expected.add(min(v for v in x if (x <= v).sum() * bins >= k * n))
    np.testing.assert_array_equal(found.grid, sorted(expected))


def test_bins_of_distinct_values_hold_equally_many_rows_but_for_one():
    counts = accumulated_local_effects(curved, rows(200), 0, bins=20).counts
    np.testing.assert_array_equal(counts, 10)
    counts = accumulated_local_effects(curved, rows(205), 0, bins=20).counts
    assert set(counts) == {10, 11}


def test_ties_leave_fewer_bins_and_none_is_empty():
    X = rows(100)
    X[:60, 0] = 0.25
    X[60:, 0] = np.arange(40) % 7
    found = accumulated_local_effects(curved, X, 0, bins=20)
    assert set(found.grid) <= set(X[:, 0])
    assert len(found.counts) < 20
    assert found.counts.min() > 0
    assert found.counts.sum() == 100


@quick
@given(
    n=st.integers(8, 60),
    d=st.integers(1, 4),
    bins=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_the_effect_of_least_squares_is_its_coefficient_exactly(n, d, bins, seed):
    X = rng(seed).normal(size=(n, d)) @ rng(seed + 1).normal(size=(d, d))
    weights = rng(seed + 2).normal(size=d)
    found = accumulated_local_effects(lambda X: X @ weights + 5, X, d - 1, bins=bins)
    rise = found.curve - found.curve[0]
    scale = (np.abs(X).max(axis=0) * np.abs(weights)).sum() + 5
    np.testing.assert_allclose(
        rise,
        weights[-1] * (found.grid - found.grid[0]),
        rtol=0,
        atol=rounding(10 * (n + bins), scale),
    )


def test_least_squares_on_real_data_has_its_coefficients_as_slopes():
    X, y = load_diabetes(return_X_y=True)
    model = LinearRegression().fit(X, y)
    for j in (0, 2, 8):
        found = accumulated_local_effects(model.predict, X, j, bins=20)
        slope = (found.curve[-1] - found.curve[0]) / (found.grid[-1] - found.grid[0])
        # Scores below 400; a range of the column of more than 0.2; 442 rows, 20 bins.
        assert slope == pytest.approx(model.coef_[j], abs=rounding(500, 400 / 0.2))


def test_the_mean_over_the_rows_is_zero_where_a_bin_counts_with_its_middle():
    found = accumulated_local_effects(curved, rows(123), 0, bins=10)
    middles = (found.curve[1:] + found.curve[:-1]) / 2
    assert found.counts @ middles / 123 == pytest.approx(0, abs=rounding(200, 10))


def test_given_edges_are_used_as_they_are():
    X = rows(50)
    edges = np.array([-9.0, -0.5, 0.1, 0.7, 9.0])
    found = accumulated_local_effects(curved, X, 0, bins=edges)
    np.testing.assert_array_equal(found.grid, edges)
    curve, counts = by_hand(curved, X, 0, edges)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.curve, curve, rtol=0, atol=rounding(600, 200))


def test_a_value_on_an_edge_belongs_to_the_bin_below_and_the_lowest_to_the_first():
    X = np.stack([np.arange(6.0), np.arange(6.0) ** 2], axis=1)
    found = accumulated_local_effects(
        lambda X: X[:, 0] * X[:, 1], X, 0, bins=[0, 2, 3, 5]
    )
    np.testing.assert_array_equal(found.counts, [3, 1, 2])
    # Steps: 2 * mean(0, 1, 4), 1 * 9, 2 * mean(16, 25)
    np.testing.assert_allclose(
        np.diff(found.curve), [10 / 3, 9, 41], rtol=0, atol=rounding(20, 125)
    )


def test_rows_are_asked_about_only_at_the_ends_of_their_own_bins():
    X, asked = rows(40), []

    def f(X):
        asked.append(X.copy())
        return curved(X)

    found = accumulated_local_effects(f, X, 0, bins=8)
    (batch,) = [a for a in asked if len(a) > 1]
    low, high = batch[:40, 0], batch[40:, 0]
    assert (low <= X[:, 0]).all()
    assert (X[:, 0] <= high).all()
    assert set(low) | set(high) <= set(found.grid)
    np.testing.assert_array_equal(batch[:40, 1:], X[:, 1:])
    np.testing.assert_array_equal(batch[40:, 1:], X[:, 1:])


def test_correlation_reaches_the_accumulated_effect_of_a_product_and_not_its_partial_dependence():
    n, rho = 40_000, 0.8
    X = rng(0).normal(size=(n, 2))
    X[:, 1] = rho * X[:, 0] + np.sqrt(1 - rho**2) * X[:, 1]

    def product(X):
        return X[:, 0] * X[:, 1]

    local = accumulated_local_effects(product, X, 0, bins=100)
    # The mean of x2 given x1 is rho x1; it accumulates to rho (x1^2 - 1) / 2.
    inner = slice(5, -5)
    expected = rho * (local.grid**2 - 1) / 2
    np.testing.assert_allclose(local.curve[inner], expected[inner], rtol=0, atol=0.05)
    partial = partial_dependence(product, X[:500], 0, grid=local.grid[inner])
    mean = X[:500, 1].mean()
    np.testing.assert_allclose(
        partial.curve, partial.grid * mean, rtol=0, atol=rounding(600, 20)
    )


def test_what_happens_far_from_every_row_reaches_partial_dependence_only():
    x = np.linspace(-1, 1, 101)
    X = np.stack([x, x], axis=1)

    def f(X):  # the sum, but for a wall where the first is larger by a quarter
        return X.sum(axis=1) + 100 * (X[:, 0] - X[:, 1] > 0.25)

    local = accumulated_local_effects(f, X, 0, bins=20)
    np.testing.assert_allclose(
        local.curve - local.curve[0],
        local.grid - local.grid[0],
        rtol=0,
        atol=rounding(300, 102),
    )
    assert np.ptp(partial_dependence(f, X, 0).curve) > 30
    # A single bin is as wide as the data and meets the wall, too.
    assert abs(accumulated_local_effects(f, X, 0, bins=1).curve[1]) != pytest.approx(
        1, abs=0.1
    )


def test_neither_curve_shows_an_interaction_and_the_individual_ones_do():
    X = rows(400, 2)
    X = np.concatenate([X, X * [1, -1]])  # the mean of x2 is 0, also given x1

    def product(X):
        return X[:, 0] * X[:, 1]

    local = accumulated_local_effects(product, X, 0, bins=20)
    found = partial_dependence(product, X, 0)
    np.testing.assert_allclose(local.curve, 0, rtol=0, atol=rounding(2000, 20))
    np.testing.assert_allclose(found.curve, 0, rtol=0, atol=rounding(2000, 20))
    assert np.ptp(found.individual, axis=1).mean() > 1


# What must not matter


def test_nothing_that_was_passed_is_changed_or_kept():
    X, points, edges = rows(20), np.array([0.0, 1.0]), np.array([-9.0, 0.0, 9.0])
    for array in (X, points, edges):
        array.flags.writeable = False
    before = X.copy()
    found = partial_dependence(curved, X, 0, grid=points)
    partial_dependence(curved, X, 0, grid=points[:1])
    local = accumulated_local_effects(curved, X, 0, bins=edges)
    np.testing.assert_array_equal(X, before)
    assert not np.shares_memory(found.grid, points)
    assert not np.shares_memory(local.grid, edges)


def test_integers_of_any_width_are_the_same_numbers():
    X = rng(0).integers(0, 100, (40, 4)).astype(np.int8)
    for call in (
        lambda X: partial_dependence(curved, X, np.int64(0), grid=np.int16(4)).curve,
        lambda X: accumulated_local_effects(curved, X, 0, bins=np.int8(4)).curve,
    ):
        np.testing.assert_array_equal(call(X), call(X.astype(float)))


def test_the_default_is_twenty_bins():
    assert len(accumulated_local_effects(curved, rows(100), 0).counts) == 20


def net():
    """A model in training mode with dropout and batch statistics."""
    model = nn.Sequential(
        mlp([4, 8, 8], torch.Generator().manual_seed(0)),
        nn.BatchNorm1d(8),
        nn.Dropout(),
        nn.Linear(8, 2),
    )
    model(torch.rand(6, 4, generator=torch.Generator().manual_seed(1))).sum().backward()
    return model.train()


def test_a_model_of_torch_is_left_as_it_was():
    model = net()
    score = class_score(model, 0)

    def f(X):
        with torch.no_grad():
            return score(torch.tensor(X, dtype=torch.float32)).numpy()

    X = rows(20)
    with untouched(model):
        partial_dependence(f, X, 0)
    with untouched(model):
        accumulated_local_effects(f, X, 0, bins=5)
    with untouched(model), pytest.raises(ValueError, match="f"):
        partial_dependence(lambda X: f(X)[:2], X, 0)
    with untouched(model), pytest.raises(ValueError, match="f"):
        accumulated_local_effects(lambda X: f(X)[:2], X, 0)


# Bad input


def both(f=curved, X=None, feature=0):
    """Both functions on the same arguments."""
    X = rows(10) if X is None else X
    return (
        lambda: partial_dependence(f, X, feature),
        lambda: accumulated_local_effects(f, X, feature),
    )


def with_column(values):
    X = rows(12)
    X[:, 0] = np.resize(values, 12)
    return X


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": rows(10)[0]}, ValueError, "X must have shape"),
        ({"X": rows(10)[:0]}, ValueError, "X must have a row and a column"),
        ({"X": rows(10)[:, :0]}, ValueError, "X must have a row and a column"),
        ({"X": np.where(np.eye(10, 4), np.nan, 1)}, ValueError, "X must be finite"),
        ({"X": np.where(np.eye(10, 4), np.inf, 1)}, ValueError, "X must be finite"),
        ({"X": sparse.csr_array(rows(10))}, TypeError, "X must hold real numbers"),
        ({"X": [["a"] * 4] * 10}, TypeError, "X must hold real numbers"),
        ({"feature": 4}, ValueError, "feature must be between 0 and 3, got 4"),
        ({"feature": -1}, ValueError, "feature must be between 0 and 3, got -1"),
        ({"feature": 1.0}, TypeError, "feature must be an integer"),
        ({"feature": "bmi"}, TypeError, "feature must be an integer"),
        ({"feature": True}, TypeError, "feature must be an integer"),
        ({"X": with_column([3.0])}, ValueError, "feature 0 is constant"),
        ({"X": with_column([0, 1])}, ValueError, "feature 0 takes 2 values only"),
        ({"X": with_column([0, 1, 2, 3])}, ValueError, "takes 4 values only"),
        ({"f": lambda X: X}, ValueError, r"f\(X\) must have shape"),
        ({"f": lambda X: X[:, 0] * np.nan}, ValueError, r"f\(X\) must be finite"),
        ({"f": lambda X: X[:, 0] - X[:, 0].mean()}, ValueError, "treat rows apart"),
        ({"f": lambda X: ["a"] * len(X)}, TypeError, r"f\(X\) must hold real"),
        ({"f": lambda X: np.sign(X[:, 0]) * 1.7e308}, ValueError, "scores below 1e"),
        ({"f": lambda X: (X[:, 0] > 0) * 1.7e308}, ValueError, "scores below 1e"),
        ({"X": with_column(np.arange(9) * 1e307)}, ValueError, "X must stay below 1e"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    for call in both(**arguments):
        with pytest.raises(error, match=message):
            call()


def test_five_values_are_enough():
    for call in both(X=with_column([0, 1, 2, 3, 4])):
        call()


@pytest.mark.parametrize(
    ("grid", "error", "message"),
    [
        (1, ValueError, "grid must be at least 2"),
        (True, TypeError, "grid must be an integer"),
        ([], ValueError, "grid must hold a value"),
        ([[1.0]], ValueError, "grid must have shape"),
        ([np.nan], ValueError, "grid must be finite"),
        (2.0, ValueError, "grid must have shape"),
        ("20", TypeError, "grid must hold real"),
    ],
)
def test_a_bad_grid_is_named(grid, error, message):
    with pytest.raises(error, match=message):
        partial_dependence(curved, rows(10), 0, grid=grid)


@pytest.mark.parametrize(
    ("bins", "error", "message"),
    [
        (0, ValueError, "bins must be at least 1"),
        (True, TypeError, "bins must be an integer"),
        ([0.0], ValueError, "bins must hold increasing edges"),
        ([-9, 0, 0, 9], ValueError, "bins must hold increasing edges"),
        ([9, 0, -9], ValueError, "bins must hold increasing edges"),
        ([0, 9], ValueError, "bins must cover the feature"),
        ([-9, 0], ValueError, "bins must cover the feature"),
        ([-9, -8, 9], ValueError, "bins must hold a row each, none lies from -9 to -8"),
        ([-9, 8, 9], ValueError, "bins must hold a row each, none lies from 8 to 9"),
        ([[-9, 9]], ValueError, "bins must have shape"),
        ([-9, np.nan, 9], ValueError, "bins must be finite"),
        (None, TypeError, "bins must hold real"),
    ],
)
def test_bad_bins_are_named(bins, error, message):
    with pytest.raises(error, match=message):
        accumulated_local_effects(curved, rows(10), 0, bins=bins)
