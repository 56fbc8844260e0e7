"""The properties that make `companion.explainability.tree_shap` correct."""

import itertools
import pickle
from fractions import Fraction
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeRegressor,
)

from companion.explainability import tree_shap as module
from companion.explainability.shapley_values import exact_shapley
from companion.explainability.tree_shap import leaf_shapley, tree_leaves, tree_shap
from tests.bad_input import TABLES
from tests.rounding import rounding

quick = settings(derandomize=True, deadline=None, max_examples=20)


def rows(seed: int, n: int, d: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def regression(seed: int = 0, n: int = 120, d: int = 5):
    X = rows(seed, n, d)
    return X, 3 * X[:, 0] * X[:, 1] + np.abs(X[:, 2]) + 0.1 * rows(seed + 1, n, 1)[:, 0]


def classes(seed: int = 0, n: int = 120, d: int = 5, k: int = 2):
    X, y = regression(seed, n, d)
    return X, np.digitize(y, np.quantile(y, np.arange(1, k) / k))


def probability(k):
    return lambda model: lambda X: model.predict_proba(X)[:, k]


def margin(k=None):
    return lambda model: (
        lambda X: (
            model.decision_function(X)
            if k is None
            else model.decision_function(X)[:, k]
        )
    )


def prediction(model):
    return model.predict


# A model, its data, the output, and the function that is explained.
SMALL = {"n_estimators": 7, "random_state": 0}
MODELS = {
    "tree": (DecisionTreeRegressor(random_state=0), regression(), 0, prediction),
    "tree, best first": (
        DecisionTreeRegressor(max_leaf_nodes=9, random_state=0),
        regression(),
        0,
        prediction,
    ),
    "extra tree": (ExtraTreeRegressor(random_state=0), regression(), 0, prediction),
    "classes": (
        DecisionTreeClassifier(max_depth=4, random_state=0, class_weight="balanced"),
        classes(k=3),
        2,
        probability(2),
    ),
    "forest": (RandomForestRegressor(**SMALL), regression(), 0, prediction),
    "forest of classes": (
        RandomForestClassifier(**SMALL),
        classes(k=3),
        1,
        probability(1),
    ),
    "extra trees": (
        ExtraTreesClassifier(**SMALL, max_depth=5),
        classes(),
        0,
        probability(0),
    ),
    "extra trees of numbers": (
        ExtraTreesRegressor(**SMALL, max_depth=5),
        regression(),
        0,
        prediction,
    ),
    "boosting": (
        GradientBoostingRegressor(**SMALL, learning_rate=0.3),
        regression(),
        0,
        prediction,
    ),
    "boosted log-odds": (GradientBoostingClassifier(**SMALL), classes(), 0, margin()),
    "boosted scores": (
        GradientBoostingClassifier(**SMALL),
        classes(k=3),
        2,
        margin(2),
    ),
    "boosting from zero": (
        GradientBoostingRegressor(**SMALL, init="zero"),
        regression(),
        0,
        prediction,
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    model, (X, y), output, explained = MODELS[request.param]
    return model.fit(X, y), output, explained(model)


def bound(model, output: int, background: int) -> float:
    """Each leaf's credit is a quotient of a few roundings, added once per leaf and background row."""
    leaves = tree_leaves(model, output)
    return rounding(
        len(leaves.value) + background + 2**5 + 10, np.abs(leaves.value).sum()
    )


# One leaf


@pytest.mark.parametrize("a", range(4))
@pytest.mark.parametrize("b", range(4))
def test_a_leaf_pays_what_counting_all_coalitions_pays(a, b):
    d = a + b + 1  # and one feature that both rows meet

    def reached(S):
        return set(range(a)) <= S and not S & set(range(a, a + b))

    phi = []
    for i in range(d):
        others = [j for j in range(d) if j != i]
        phi.append(
            sum(
                Fraction(factorial(len(S)) * factorial(d - len(S) - 1), factorial(d))
                * (reached({*S, i}) - reached(set(S)))
                for size in range(d)
                for S in itertools.combinations(others, size)
            )
        )
    to_x, to_b = leaf_shapley(a, b)
    expected = [float(to_x)] * a + [float(to_b)] * b + [0.0]
    # The beta function of small integers is right to a few units.
    np.testing.assert_allclose(
        expected, [float(p) for p in phi], rtol=0, atol=rounding(10, 1)
    )
    assert a > 0 or to_x == 0
    assert b > 0 or to_b == 0


def test_a_leafs_credit_adds_up_to_its_game():
    a, b = np.meshgrid(np.arange(200), np.arange(200), indexing="ij")
    to_x, to_b = leaf_shapley(a, b)
    total = a * to_x + b * to_b
    # The leaf holds x if b is 0, the background row if a is 0. The beta function of arguments
    # up to 200 is an exponential of logarithms up to 280: as many units.
    np.testing.assert_allclose(
        total, (b == 0) * 1.0 - (a == 0), rtol=0, atol=rounding(280, 1)
    )


def test_a_thousand_conditions_do_not_overflow_and_factorials_would():
    to_x, to_b = leaf_shapley(500, 3)
    exact = Fraction(factorial(499) * factorial(3), factorial(503))
    assert float(to_x) == pytest.approx(float(exact), rel=1e-10, abs=0)
    assert float(to_b) == pytest.approx(-float(exact * 500 / 3), rel=1e-10, abs=0)
    with pytest.raises(OverflowError):
        float(factorial(499))


def test_a_million_features_of_each_kind_still_have_a_value():
    to_x, to_b = leaf_shapley([10**6, 0, 10**6], [0, 10**6, 10**6])
    # All of one kind share the leaf's value; of both kinds the share is too small for float64.
    np.testing.assert_allclose(to_x, [1e-6, 0, 0], rtol=1e-12, atol=0)
    np.testing.assert_allclose(to_b, [0, -1e-6, 0], rtol=1e-12, atol=0)


# Whole models


def test_values_are_the_enumerated_shapley_values(fitted):
    model, output, f = fitted
    X, background = rows(10, 6), rows(11, 9)
    phi = tree_shap(model, X, background, output)
    for x, values in zip(X, phi, strict=True):
        exact = exact_shapley(f, x, background)
        atol = bound(model, output, 9) + rounding(32 * 9, np.abs(f(background)).max())
        np.testing.assert_allclose(values, exact, rtol=0, atol=min(atol, 1e-10))


def test_values_add_up_to_the_output_minus_its_mean(fitted):
    model, output, f = fitted
    X, background = rows(12, 30), rows(13, 40)
    phi = tree_shap(model, X, background, output)
    expected = f(X) - f(background).mean()
    np.testing.assert_allclose(
        phi.sum(axis=1), expected, rtol=0, atol=2 * bound(model, output, 40)
    )


def test_leaves_are_boxes_of_which_a_row_is_in_one_for_each_tree(fitted):
    model, output, f = fitted
    lower, upper, value = tree_leaves(model, output)
    X = rows(14, 50).astype(np.float32).astype(float)
    inside = ((lower < X[:, None]) & (X[:, None] <= upper)).all(axis=2)
    trees = np.size(getattr(model, "estimators_", [0]))
    if isinstance(model, GradientBoostingClassifier):
        trees = len(model.estimators_)
    assert (inside.sum(axis=1) == trees).all()
    gap = f(X) - inside @ value
    assert np.ptp(gap) <= bound(model, output, 1)


def test_case_and_background_swapped_turn_every_value_round(fitted):
    model, output, _ = fitted
    X, background = rows(15, 4), rows(16, 4)
    for x, b in zip(X, background, strict=True):
        there = tree_shap(model, [x], [b], output)
        back = tree_shap(model, [b], [x], output)
        np.testing.assert_allclose(there, -back, rtol=0, atol=bound(model, output, 1))


def test_a_background_is_the_mean_of_its_rows(fitted):
    model, output, _ = fitted
    X, background = rows(17, 3), rows(18, 12)
    one_by_one = [tree_shap(model, X, [b], output) for b in background]
    np.testing.assert_allclose(
        tree_shap(model, X, background, output),
        np.mean(one_by_one, axis=0),
        rtol=0,
        atol=2 * bound(model, output, 12),
    )


def test_a_row_alone_has_the_values_that_it_has_in_a_batch(fitted):
    # A row and a batch go different ways: pairs of rows, and kinds of rows.
    model, output, _ = fitted
    X, background = rows(19, 60), rows(20, 50)
    batch = tree_shap(model, X, background, output)
    for x, values in zip(X[:4], batch, strict=False):
        alone = tree_shap(model, [x], background, output)[0]
        np.testing.assert_allclose(
            alone, values, rtol=0, atol=2 * bound(model, output, 50)
        )


@pytest.mark.parametrize("numbers", [1, 1000])
def test_how_the_work_is_cut_into_blocks_does_not_matter(fitted, numbers, monkeypatch):
    model, output, _ = fitted
    X, background = rows(21, 23), rows(22, 11)
    whole = tree_shap(model, X, background, output)
    monkeypatch.setattr(module, "NUMBERS", numbers)
    np.testing.assert_allclose(
        tree_shap(model, X, background, output),
        whole,
        rtol=0,
        atol=2 * bound(model, output, 11),
    )


def test_a_forest_pays_the_mean_of_its_trees_and_boosting_their_sum_times_the_rate():
    X, y = regression()
    forest = RandomForestRegressor(**SMALL).fit(X, y)
    parts = [tree_shap(tree, X[:5], X[5:20]) for tree in forest.estimators_]
    np.testing.assert_allclose(
        tree_shap(forest, X[:5], X[5:20]),
        np.mean(parts, axis=0),
        rtol=0,
        atol=bound(forest, 0, 15),
    )
    boosted = GradientBoostingRegressor(**SMALL, learning_rate=0.3).fit(X, y)
    parts = [tree_shap(tree, X[:5], X[5:20]) for tree in boosted.estimators_[:, 0]]
    np.testing.assert_allclose(
        tree_shap(boosted, X[:5], X[5:20]),
        0.3 * np.sum(parts, axis=0),
        rtol=0,
        atol=bound(boosted, 0, 15),
    )


@quick
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 12), m=st.integers(1, 30))
def test_random_trees_of_any_depth_agree_with_enumeration(seed, depth, m):
    X, y = regression(seed, n=80, d=6)
    tree = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(X, y)
    background = rows(seed + 2, m, 6)
    atol = bound(tree, 0, m) + rounding(64 * m, np.abs(y).max())
    np.testing.assert_allclose(
        tree_shap(tree, X[:1], background)[0],
        exact_shapley(tree.predict, X[0], background),
        rtol=0,
        atol=atol,
    )


@pytest.mark.parametrize("d", [8, 9, 11])
def test_leaves_with_more_conditions_than_the_table_has_agree_with_enumeration(d):
    # Only a row of ones gets 8, so its leaf asks for all d features.
    X = np.array([*itertools.product([0, 1], repeat=d)])
    tree = DecisionTreeRegressor(random_state=0).fit(X, 8 * X.prod(axis=1))
    lower, upper, _ = tree_leaves(tree)
    assert (np.isfinite(lower) | np.isfinite(upper)).sum(axis=1).max() == d
    background = np.random.default_rng(d).integers(0, 2, (30, d))
    phi = tree_shap(tree, np.ones((300, d)), background)
    exact = exact_shapley(tree.predict, np.ones(d), background)
    np.testing.assert_allclose(phi[0], exact, rtol=0, atol=rounding(2**d * 30, 8))
    np.testing.assert_array_equal(phi[0], phi[-1])


def test_a_feature_that_no_tree_asks_for_gets_exactly_nothing():
    X, y = regression()
    X[:, 3] = 1.0
    model = RandomForestRegressor(**SMALL).fit(X, y)
    phi = tree_shap(model, rows(23, 10), rows(24, 10))
    assert (phi[:, 3] == 0).all()
    assert (phi[:, 0] != 0).any()


def test_a_tree_of_one_leaf_pays_nothing():
    tree = DecisionTreeRegressor().fit([[0.0], [1.0]], [5.0, 5.0])
    np.testing.assert_array_equal(tree_shap(tree, [[3.0]], [[1.0]]), [[0.0]])


def _naive_tree_shap(model, X, background):
    """The same in float64, in which scikit-learn does not compare."""
    (low,), (high,) = ([bound[:, 0]] for bound in tree_leaves(model)[:2])
    inside = [(low < r) & (r <= high) for r in (X[0][0], background[0][0])]
    return float(tree_leaves(model).value @ (inside[0] * 1.0 - inside[1]))


def test_rows_are_compared_in_float32_as_the_model_compares_them():
    tree = DecisionTreeRegressor().fit([[0.0], [0.2]], [0.0, 1.0])
    cut = tree.tree_.threshold[0]
    just_above = np.nextafter(cut, 1.0)
    assert np.float32(just_above) <= cut
    X, background = [[just_above]], [[1.0]]
    expected = tree.predict(X) - tree.predict(background)
    np.testing.assert_array_equal(tree_shap(tree, X, background)[0], expected)
    assert _naive_tree_shap(tree, X, background) != expected[0]


def test_a_cut_belongs_to_the_left():
    tree = DecisionTreeRegressor().fit([[0.0], [1.0]], [2.0, 5.0])
    np.testing.assert_array_equal(tree_shap(tree, [[0.5]], [[1.0]]), [[-3.0]])
    np.testing.assert_array_equal(tree_shap(tree, [[0.6]], [[0.5]]), [[3.0]])


@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_outputs_of_every_scale_are_only_rescaled(scale):
    X = rows(25, 60)
    y = np.sign(X[:, 0]) + np.sign(X[:, 1])
    tree = DecisionTreeRegressor(max_depth=2, random_state=0).fit(X, y)
    base = tree_shap(tree, X[:5], X[5:15])
    tree.tree_.value[:] *= scale
    np.testing.assert_allclose(
        tree_shap(tree, X[:5], X[5:15]) / scale, base, rtol=0, atol=rounding(60, 4)
    )


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32, np.bool_])
def test_columns_of_every_width_are_the_same_numbers(dtype):
    X = np.array([*itertools.product([0, 1], repeat=3)])
    tree = DecisionTreeRegressor(random_state=0).fit(X, X @ [1, 2, 4])
    np.testing.assert_array_equal(
        tree_shap(tree, X.astype(dtype), X.astype(dtype)), tree_shap(tree, X, X)
    )


def test_nothing_that_was_passed_is_changed(fitted):
    model, output, _ = fitted
    X, background = rows(26, 6), rows(27, 7)
    before = pickle.dumps(model), X.copy(), background.copy()
    X.flags.writeable = background.flags.writeable = False
    state = np.random.get_state()[1].copy()
    first = tree_shap(model, X, background, output)
    np.testing.assert_array_equal(first, tree_shap(model, X, background, output))
    with pytest.raises(ValueError, match="X must be finite"):
        tree_shap(model, X * np.nan, background, output)
    assert pickle.dumps(model) == before[0]
    np.testing.assert_array_equal(X, before[1])
    np.testing.assert_array_equal(background, before[2])
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    leaves = tree_leaves(model, output)
    leaves.value[:] = 0
    np.testing.assert_array_equal(first, tree_shap(model, X, background, output))


# Bad input

TREE = DecisionTreeRegressor(max_depth=2).fit(*regression())
X5 = rows(28, 9)


@pytest.mark.parametrize(("X", "error"), TABLES)
def test_what_is_no_table_is_refused(X, error):
    with pytest.raises(error, match="X must"):
        tree_shap(TREE, X, X5)
    with pytest.raises(error, match="background must"):
        tree_shap(TREE, X5, X)


@pytest.mark.parametrize(
    "model",
    [
        None,
        LogisticRegression().fit(*classes()),
        HistGradientBoostingClassifier(max_iter=1).fit(*classes()),
        IsolationForest(n_estimators=2).fit(X5),
        RandomTreesEmbedding(n_estimators=2).fit(X5),
        TREE.tree_,
        DecisionTreeRegressor,
    ],
    ids=lambda m: type(m).__name__,
)
def test_another_kind_of_model_is_refused(model):
    with pytest.raises(TypeError, match="model must be a decision tree, random forest"):
        tree_shap(model, X5, X5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: tree_shap(DecisionTreeRegressor(), X5, X5),
            RuntimeError,
            "DecisionTreeRegressor is not fitted",
        ),
        (
            lambda: tree_shap(RandomForestClassifier(), X5, X5),
            RuntimeError,
            "not fitted",
        ),
        (
            lambda: tree_leaves(GradientBoostingRegressor()),
            RuntimeError,
            "not fitted",
        ),
        (
            lambda: tree_leaves(
                GradientBoostingRegressor(init=TREE, n_estimators=1).fit(*regression())
            ),
            TypeError,
            "model must start boosting from a constant.*DecisionTreeRegressor",
        ),
        (
            lambda: tree_leaves(DecisionTreeRegressor().fit(X5, X5)),
            ValueError,
            "model must have one output, got 5",
        ),
        (lambda: tree_shap(TREE, X5, X5, 1), ValueError, "output must be between 0 an"),
        (lambda: tree_shap(TREE, X5, X5, -1), ValueError, "output must be between 0"),
        (lambda: tree_shap(TREE, X5, X5, 0.0), TypeError, "output must be an integer"),
        (
            lambda: tree_leaves(RandomForestClassifier(2).fit(*classes(k=3)), 3),
            ValueError,
            "output must be between 0 and 2, got 3",
        ),
        (
            lambda: tree_leaves(
                GradientBoostingClassifier(n_estimators=1).fit(*classes()), 1
            ),
            ValueError,
            "output must be between 0 and 0, got 1",
        ),
        (lambda: tree_shap(TREE, X5[:, :4], X5), ValueError, "X must have shape"),
        (lambda: tree_shap(TREE, X5, X5[:, :4]), ValueError, "background must have sh"),
        (lambda: tree_shap(TREE, X5[:0], X5), ValueError, "X must have at least"),
        (lambda: tree_shap(TREE, X5, X5[:0]), ValueError, "background must have at l"),
        (
            lambda: tree_shap(TREE, X5 * 1e39, X5),
            ValueError,
            "X must stay in the range",
        ),
        (lambda: tree_shap(TREE, X5, X5 * 1e39), ValueError, "background must stay in"),
        (lambda: leaf_shapley(-1, 0), ValueError, "only_x must"),
        (lambda: leaf_shapley(0, -1), ValueError, "only_b must"),
        (lambda: leaf_shapley(10**6 + 1, 0), ValueError, "only_x must"),
        (lambda: leaf_shapley(0, 10**6 + 1), ValueError, "only_b must"),
        (lambda: leaf_shapley(0.5, 0), TypeError, "only_x must hold integers"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
