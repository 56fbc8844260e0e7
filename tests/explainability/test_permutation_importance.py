"""The properties that make `companion.explainability.permutation_importance` correct."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from torch import nn

from companion.explainability.permutation_importance import (
    exact_permutation_importance,
    permutation_importance,
)
from companion.networks import mlp
from companion.scores import class_score
from tests.rounding import rounding
from tests.untouched import untouched

quick = settings(derandomize=True, deadline=None, max_examples=30)


def squared(y, scores):
    return (y - scores) ** 2


def wrong(y, scores):
    return (scores > 0) != y


def rng(seed=0):
    return np.random.default_rng(seed)


def curved(X):
    """A function with interactions, of three columns or more."""
    return X[:, 0] * X[:, 1] + np.sin(X[:, 2]) + X[:, -1] ** 2


def by_hand(f, X, y, loss, group, order):
    """One shuffle, entry by entry."""
    broken = [list(row) for row in X]
    for i in range(len(X)):
        for j in group:
            broken[i][j] = X[order[i]][j]
    return np.mean(loss(y, f(np.array(broken)))) - np.mean(loss(y, f(X)))


# One shuffle, and the mean of all


def test_each_rise_is_that_of_its_shuffle_done_entry_by_entry():
    X, y = rng(1).normal(size=(7, 4)), rng(2).normal(size=7)
    groups = [[0], [2, 1], [3, 0, 2]]
    rises = permutation_importance(
        curved, X, y, squared, repeats=5, rng=rng(3), groups=groups
    )
    source = rng(3)
    orders = [source.permutation(7) for _ in range(5)]
    expected = [[by_hand(curved, X, y, squared, g, o) for o in orders] for g in groups]
    scale = np.abs(expected).max() + squared(y, curved(X)).max()
    # The same numbers in another order: a mean of 7 losses of a few operations each.
    np.testing.assert_allclose(rises, expected, rtol=0, atol=rounding(20, scale))


@pytest.mark.parametrize("loss", [squared, wrong], ids=["squared", "wrong"])
def test_the_exact_importance_is_the_mean_over_all_shuffles(loss):
    X = 2 * rng(4).normal(size=(5, 3))
    y = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    groups = [[0], [1], [0, 2], [0, 1, 2]]
    exact = exact_permutation_importance(curved, X, y, loss, groups=groups)
    everyone = list(itertools.permutations(range(5)))
    for group, value in zip(groups, exact, strict=True):
        rises = [by_hand(curved, X, y, loss, group, order) for order in everyone]
        assert value == pytest.approx(
            np.mean(rises), abs=rounding(120 * 10, np.abs(rises).max() + 1)
        )
        assert np.std(rises) > 0.01


def test_the_mean_of_many_shuffles_approaches_the_exact_importance():
    X, y = rng(0).normal(size=(40, 4)), rng(1).normal(size=40)
    rises = permutation_importance(curved, X, y, squared, repeats=4000, rng=rng(2))
    exact = exact_permutation_importance(curved, X, y, squared)
    error = rises.std(axis=1) / np.sqrt(4000)
    assert (np.abs(rises.mean(axis=1) - exact)[[0, 1, 2, 3]] < 4 * error).all()


# Least squares on its own training rows


def least_squares(n, d, seed):
    X = rng(seed).normal(size=(n, d)) @ rng(seed + 1).normal(size=(d, d))
    y = rng(seed + 2).normal(size=n)
    model = LinearRegression().fit(X, y)
    return model, X, y


@quick
@given(n=st.integers(12, 40), d=st.integers(1, 5), seed=st.integers(0, 99))
def test_least_squares_loses_exactly_twice_the_squared_weight_times_the_variance(
    n, d, seed
):
    model, X, y = least_squares(n, d, seed)
    exact = exact_permutation_importance(model.predict, X, y, squared)
    closed = 2 * model.coef_**2 * X.var(axis=0)
    # Residuals are orthogonal to the columns to about 100 n eps of the products, twice.
    scale = (np.abs(model.coef_) * np.abs(X).max(axis=0)).sum() + np.abs(y).max()
    np.testing.assert_allclose(exact, closed, rtol=0, atol=rounding(200 * n, scale**2))


def test_all_columns_together_lose_twice_the_variance_of_the_predictions():
    model, X, y = least_squares(50, 4, 7)
    exact = exact_permutation_importance(
        model.predict, X, y, squared, groups=[range(4)]
    )
    expected = 2 * model.predict(X).var()
    assert exact[0] == pytest.approx(expected, abs=rounding(200 * 50, expected + 9))


def test_least_squares_on_real_data_has_its_closed_form():
    X, y = load_diabetes(return_X_y=True)
    model = LinearRegression().fit(X, y)
    exact = exact_permutation_importance(model.predict, X, y, squared)
    closed = 2 * model.coef_**2 * X.var(axis=0)
    # The condition number of these columns is below 25, of losses below 1e5.
    np.testing.assert_allclose(exact, closed, rtol=0, atol=rounding(25 * 442, 1e5))


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_k_copies_hide_a_column_by_k_squared(k):
    x = rng(0).normal(size=30)
    X = np.tile(x[:, None], k)

    def average(X):
        return X.mean(axis=1)

    groups = [[0], list(range(k))]
    alone, together = exact_permutation_importance(
        average, X, x, squared, groups=groups
    )
    assert together == pytest.approx(2 * x.var(), abs=rounding(30 * k, 20))
    assert alone == pytest.approx(2 * x.var() / k**2, abs=rounding(30 * k, 20))


def test_shuffling_redundant_columns_apart_is_not_shuffling_them_together():
    x = rng(0).normal(size=2000)
    X = np.stack([x, x], axis=1)

    def difference(X):  # says nothing on real rows
        return X[:, 0] - X[:, 1]

    exact = exact_permutation_importance(
        difference, X[:60], 0 * x[:60], squared, groups=[[0, 1], [0]]
    )
    assert exact[0] == 0
    assert exact[1] > 1


# What must not matter


def test_a_column_that_is_not_used_has_no_importance_at_all():
    X, y = rng(0).normal(size=(30, 6)), rng(1).normal(size=30)
    rises = permutation_importance(curved, X, y, squared, repeats=9, rng=rng(2))
    assert (rises[[3, 4]] == 0).all()
    assert (np.abs(rises[[0, 1, 2, 5]]) > 0).all()


def test_a_constant_column_has_no_importance():
    X, y = rng(0).normal(size=(30, 4)), rng(1).normal(size=30)
    X[:, 2] = 3.0
    rises = permutation_importance(curved, X, y, squared, repeats=9, rng=rng(2))
    assert (rises[2] == 0).all()
    assert exact_permutation_importance(curved, X, y, squared)[2] == pytest.approx(
        0, abs=rounding(900, squared(y, curved(X)).max())
    )


def test_what_else_is_asked_does_not_change_a_groups_rises():
    X, y = rng(0).normal(size=(300, 4)), rng(1).normal(size=300)
    one = permutation_importance(
        curved, X, y, squared, repeats=50, rng=rng(2), groups=[[1, 3]]
    )
    all_ = permutation_importance(
        curved,
        X,
        y,
        squared,
        repeats=50,
        rng=rng(2),
        groups=[[0], [1], [2], [0, 2], [3, 1]],
    )
    np.testing.assert_array_equal(one[0], all_[4])


def test_shuffles_are_the_same_however_many_fit_into_one_question():
    # 2**19 numbers at a time: 30 of these 300 x 57 shuffles, so that blocks end within a group.
    X, y = rng(0).normal(size=(300, 57)), rng(1).normal(size=300)
    groups = [[0], [1], [2], [56]]
    sizes = []

    def f(X):
        sizes.append(len(X))
        return curved(X)

    rises = permutation_importance(
        f, X, y, squared, repeats=47, rng=rng(2), groups=groups
    )
    assert len([s for s in sizes if s > 300]) > 1  # several blocks
    source = rng(2)
    orders = [source.permutation(300) for _ in range(47)]
    scale = squared(y, curved(X)).max()
    for r in (0, 29, 30, 31, 46):
        for g in range(4):
            expected = by_hand(curved, X, y, squared, groups[g], orders[r])
            assert rises[g, r] == pytest.approx(expected, abs=rounding(320, scale))


def test_f_is_asked_about_many_shuffles_at_once():
    calls = []

    def f(X):
        calls.append(len(X))
        return X[:, 0]

    X = rng(0).normal(size=(20, 5))
    permutation_importance(f, X, X[:, 0], squared, repeats=30, rng=rng(1))
    assert len(calls) <= 4  # the base and the shuffles, each with one row asked alone


def test_the_same_generator_gives_the_same_bits_and_leaves_the_global_one_alone():
    X, y = rng(0).normal(size=(9, 4)), rng(1).normal(size=9)
    before = np.random.get_state()[1].copy()
    first, second = (
        permutation_importance(curved, X, y, squared, repeats=4, rng=rng(5))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    other = permutation_importance(curved, X, y, squared, repeats=4, rng=rng(6))
    assert (first != other).any()


def test_ten_shuffles_are_drawn_unless_told_otherwise():
    X = rng(0).normal(size=(9, 4))
    assert permutation_importance(curved, X, X[:, 0], squared, rng=rng(0)).shape == (
        4,
        10,
    )


def test_nothing_that_was_passed_is_changed():
    X, y = rng(0).normal(size=(9, 4)), rng(1).normal(size=9)
    X.flags.writeable = y.flags.writeable = False
    before = X.copy()
    permutation_importance(curved, X, y, squared, rng=rng(0))
    permutation_importance(curved, X, y, squared, repeats=1, rng=rng(0), groups=[[0]])
    exact_permutation_importance(curved, X, y, squared)
    np.testing.assert_array_equal(X, before)


# Losses


def test_a_loss_may_be_a_number_or_one_for_each_row():
    X, y = rng(0).normal(size=(12, 4)), rng(1).normal(size=12)
    rows, number = (
        permutation_importance(curved, X, y, loss, repeats=5, rng=rng(2))
        for loss in (squared, lambda y, s: squared(y, s).mean())
    )
    np.testing.assert_array_equal(rows, number)


def test_wrong_answers_may_be_booleans_and_labels_integers():
    X = rng(0).normal(size=(12, 4))
    y = (X[:, 0] > 0).astype(np.int8)
    rises = permutation_importance(
        lambda X: X[:, 0], X, y, wrong, repeats=5, rng=rng(2)
    )
    assert rises.dtype == np.float64
    assert rises[0].min() >= 0  # no answer was wrong before
    assert rises[0].max() > 0


def test_a_loss_that_is_no_mean_is_taken_as_it_is():
    X, y = rng(0).normal(size=(12, 4)), rng(1).normal(size=12)
    rises = permutation_importance(
        curved, X, y, lambda y, s: np.abs(y - s).max(), repeats=3, rng=rng(2)
    )
    order = rng(2).permutation(12)
    broken = X.copy()
    broken[:, 0] = X[order, 0]
    expected = np.abs(y - curved(broken)).max() - np.abs(y - curved(X)).max()
    assert rises[0, 0] == expected


# Models of torch


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


def asked(model):
    score = class_score(model, 0)

    def f(X):
        with torch.no_grad():
            return score(torch.tensor(X, dtype=torch.float32)).numpy()

    return f


def test_a_model_of_torch_is_left_as_it_was():
    model = net()
    X, y = rng(0).normal(size=(9, 4)), rng(1).normal(size=9)
    with untouched(model):
        permutation_importance(asked(model), X, y, squared, repeats=3, rng=rng(2))
    with untouched(model):
        exact_permutation_importance(asked(model), X, y, squared)
    for call in (
        lambda: permutation_importance(
            asked(model), X, y, lambda y, s: None, rng=rng()
        ),
        lambda: exact_permutation_importance(asked(model), X, y, lambda y, s: 1.0),
    ):
        with untouched(model), pytest.raises((TypeError, ValueError)):
            call()


# Bad input

X5, Y5 = rng(8).normal(size=(5, 4)), rng(9).normal(size=5)


def both(f=curved, X=X5, y=Y5, loss=squared, groups=None):
    """Both functions on the same arguments."""
    return (
        lambda: permutation_importance(f, X, y, loss, rng=rng(), groups=groups),
        lambda: exact_permutation_importance(f, X, y, loss, groups=groups),
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": X5[0]}, ValueError, "X must have shape"),
        ({"X": X5[:1], "y": Y5[:1]}, ValueError, "X must have two rows"),
        ({"X": X5[:, :0]}, ValueError, "X must have two rows and a column"),
        ({"X": np.where(np.eye(5, 4), np.nan, X5)}, ValueError, "X must be finite"),
        ({"X": sparse.csr_array(X5)}, TypeError, "X must hold real numbers"),
        ({"X": [["a"] * 4] * 5}, TypeError, "X must hold real numbers"),
        ({"X": None}, TypeError, "X must hold real numbers"),
        ({"y": Y5[:4]}, ValueError, r"y must have shape \(5,\)"),
        ({"y": Y5[:, None]}, ValueError, r"y must have shape \(5,\)"),
        ({"y": Y5 * np.nan}, ValueError, "y must be finite"),
        ({"y": list("abcde")}, TypeError, "y must hold real numbers"),
        ({"f": lambda X: X}, ValueError, r"f\(X\) must have shape"),
        ({"f": lambda X: X[0]}, ValueError, r"f\(X\) must have shape"),
        ({"f": lambda X: X[:, 0] * np.nan}, ValueError, r"f\(X\) must be finite"),
        ({"f": lambda X: X[:, 0] - X[:, 0].mean()}, ValueError, "treat rows apart"),
        ({"f": lambda X: ["a"] * len(X)}, TypeError, r"f\(X\) must hold real"),
        ({"loss": lambda y, s: np.nan * y}, ValueError, "loss.* must be finite"),
        ({"loss": lambda y, s: s[:2]}, ValueError, r"loss must return .*\(2,\)"),
        ({"loss": lambda y, s: s[:, None] - y}, ValueError, r"got shape \(5, 5\)"),
        ({"loss": lambda y, s: None}, TypeError, r"loss\(y, scores\) must hold real"),
        ({"groups": [[0, 4]]}, ValueError, "groups must be between 0 and 3, got 4"),
        ({"groups": [[-1]]}, ValueError, "groups must be between 0 and 3, got -1"),
        ({"groups": [[0.0]]}, TypeError, "groups must be an integer"),
        ({"groups": [[True]]}, TypeError, "groups must be an integer"),
        ({"groups": [[0], []]}, ValueError, "groups must hold columns"),
        ({"groups": []}, ValueError, "groups must hold columns"),
        ({"groups": [0, 1]}, TypeError, r"groups must be sequences .* got \[0, 1\]"),
        ({"groups": 3}, TypeError, "groups must be sequences of columns"),
        ({"groups": [[1, 1]]}, ValueError, "groups must hold columns, each at most"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    for call in both(**arguments):
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"repeats": 0}, ValueError, "repeats must be at least 1"),
        ({"repeats": 2.0}, TypeError, "repeats must be an integer"),
        ({"rng": 0}, TypeError, "rng must be a numpy.random.Generator"),
        ({"rng": np.random.RandomState(0)}, TypeError, "rng must be"),
    ],
)
def test_bad_draws_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        permutation_importance(curved, X5, Y5, squared, **({"rng": rng()} | arguments))


def test_nothing_is_asked_of_the_model_before_the_arguments_are_right():
    def never(X):
        raise AssertionError("asked")

    for call in both(f=never, groups=[[9]]):
        with pytest.raises(ValueError, match="groups"):
            call()
    with pytest.raises(ValueError, match="repeats"):
        permutation_importance(never, X5, Y5, squared, repeats=0, rng=rng())


def test_the_exact_importance_wants_one_loss_for_each_row():
    with pytest.raises(ValueError, match="one per row, got one number"):
        exact_permutation_importance(curved, X5, Y5, lambda y, s: squared(y, s).mean())
