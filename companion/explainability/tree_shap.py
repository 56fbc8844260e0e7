r"""TreeSHAP: exact Shapley values of trees and their ensembles, leaf by leaf.

A leaf is a box: a row gets into it if each of its features lies in an interval.  Let a game be played with one
case `x` and one row `b` of the background, and let the coalition `S` decide which features are taken from `x`.
The mixed row reaches the leaf if `S` holds every feature whose condition only `x` meets, and none whose condition
only `b` meets; a feature that neither meets closes the leaf for ever.  So a leaf plays one of the simplest games
there are, its Shapley values are a quotient of factorials, and a model is a sum of leaves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import beta
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import BaseDecisionTree

from companion.checks import check_fitted, check_integer, check_table, integer_array

__all__ = ["Leaves", "leaf_shapley", "tree_leaves", "tree_shap"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FORESTS = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)
BOOSTED = (GradientBoostingClassifier, GradientBoostingRegressor)
NUMBERS = 2**20  # in one array: eight megabytes


class Leaves(NamedTuple):
    """The leaves of all trees of a model, as boxes: what `tree_leaves` returns.

    Examples
    --------
    >>> Leaves._fields
    ('lower', 'upper', 'value')
    """

    lower: Floats  # (L, d) a row is in the box if lower < x <= upper in every feature; -inf where it asks nothing
    upper: Floats  # (L, d) inf where it asks nothing
    value: Floats  # (L,) what the leaf adds to the model's output


def leaf_shapley(only_x: ArrayLike, only_b: ArrayLike) -> tuple[Floats, Floats]:
    r"""Return what the two kinds of features get in the game of one leaf of value 1.

    The leaf is reached if all `a` features that only `x` meets come from `x`, and all `b` features that only the
    background row meets come from there:

    .. math:: \frac{(a - 1)!\, b!}{(a + b)!} = \mathrm{B}(a, b + 1), \qquad
              -\frac{a!\, (b - 1)!}{(a + b)!} = -\mathrm{B}(b, a + 1)

    with the beta function, which does not overflow.  Features that both meet get nothing.

    Parameters
    ----------
    only_x, only_b : array_like of non-negative int
        How many features of each kind, `a` and `b`.

    Returns
    -------
    to_x : ndarray
        What each of the `a` features gets; 0 if there is none.
    to_b : ndarray
        What each of the `b` features gets; 0 if there is none.

    Raises
    ------
    TypeError, ValueError
        If a number is no integer from 0 to a million.

    References
    ----------
    Lundberg, S. M. et al. (2020). From local explanations to global understanding with explainable AI for trees.
    Nature Machine Intelligence 2. Supplementary methods, interventional Tree SHAP.

    Examples
    --------
    Two features let `x` in and one keeps the background row out; each of the two gets 1!0!/2!:

    >>> leaf_shapley(2, 0)
    (array(0.5), array(0.))
    >>> leaf_shapley(1, 1)
    (array(0.5), array(-0.5))
    """
    a = integer_array("only_x", only_x, 0, 10**6)
    b = integer_array("only_b", only_b, 0, 10**6)
    to_x = np.where(a > 0, beta(np.maximum(a, 1), b + 1), 0.0)
    to_b = np.where(b > 0, -beta(np.maximum(b, 1), a + 1), 0.0)
    return to_x, to_b


def tree_shap(
    model: Any, X: ArrayLike, background: ArrayLike, output: int = 0
) -> Floats:
    r"""Return exact interventional Shapley values of a tree, a forest or boosted trees.

    .. math:: \phi_i = \frac{1}{m} \sum_{b \in B} \sum_{\ell} v_\ell \times
              \begin{cases} (a-1)!\, b!\, /\, (a+b)! & \text{if only } x \text{ meets its condition on } i \\
              -a!\, (b-1)!\, /\, (a+b)! & \text{if only the background row meets it} \end{cases}

    over all leaves :math:`\ell` that no feature closes, by a condition that neither row meets; `a` and `b` are the
    numbers of features of the two kinds.  The values of a row sum to the model's output there minus its mean over
    the background.

    Explained is a probability of a decision tree's or a forest's classes (``model.predict_proba(X)[:, output]``),
    the **log-odds** or scores of a gradient boosting classifier (``model.decision_function(X)``; its column
    `output`, if it has several), and the prediction of a regressor.

    Parameters
    ----------
    model : fitted scikit-learn model
        A decision tree, random forest, extra trees or gradient boosting, classifier or regressor, with one output.
    X : (n, d) array_like
        Cases to explain.  Like scikit-learn, trees see them in float32.
    background : (m, d) array_like
        Rows that stand for "feature unknown".
    output : int
        Which class of a tree or forest, which column of a boosted classifier of three classes or more; else 0.

    Returns
    -------
    (n, d) ndarray
        Shapley values, in the units of the output.

    Raises
    ------
    TypeError
        If `model` is of no such kind, or starts boosting from a model that depends on the features.
    RuntimeError
        If it is not fitted.
    ValueError
        If it has several outputs, `output` is none of its columns, or `X` or `background` are no finite tables of
        d columns in the range of float32.

    References
    ----------
    Lundberg, S. M. et al. (2020). From local explanations to global understanding with explainable AI for trees.
    Nature Machine Intelligence 2.
    Nadel, A. and Wettenstein, R. (2025). From decision trees to Boolean logic: a fast and unified SHAP algorithm.
    arXiv:2511.09376.  Counting the kinds of rows that a leaf tells apart.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> both = DecisionTreeRegressor().fit(X, [0, 0, 0, 8])
    >>> tree_shap(both, [[1, 1]], [[0, 0]])
    array([[4., 4.]])
    """
    leaves = tree_leaves(model, output)
    d = leaves.lower.shape[1]
    X, B = _single("X", X, d), _single("background", background, d)
    asks = np.isfinite(leaves.lower) | np.isfinite(leaves.upper)
    conditions = asks.sum(axis=1)
    phi = np.zeros(X.shape)
    for D in np.unique(conditions[conditions > 0]).tolist():
        group = np.flatnonzero(conditions == D)
        # A leaf tells 2**D kinds of rows apart: are their pairs fewer than those of rows?
        few = D <= 8 and 4 * len(X) * len(B) >= 4**D
        table = _table(D) if few else None
        size = max(1, NUMBERS // (D if few else len(B)))
        for start in range(0, len(X), size):
            x = X[start : start + size]
            each = D * (len(x) + len(B) + 2**D) if few else len(x) * len(B)
            blocks = min(len(group), -(-len(group) * each // NUMBERS))
            for part in np.array_split(group, blocks):
                features = np.nonzero(asks[part])[1].reshape(-1, D)
                x_out = _outside(x, leaves, part, features)  # (leaves, rows, D)
                b_out = _outside(B, leaves, part, features)
                credit = _credit(x_out, b_out, table)
                credit *= leaves.value[part, None, None]
                cell = features[:, None, :] + d * np.arange(len(x))[None, :, None]
                sums = np.bincount(cell.ravel(), credit.ravel(), x.size)
                phi[start : start + size] += sums.reshape(x.shape)
    return phi / len(B)


def tree_leaves(model: Any, output: int = 0) -> Leaves:
    r"""Return all leaves of a fitted tree or ensemble as boxes with values.

    Up to a constant, the model is the sum of the values of the boxes that a row lies in:

    .. math:: f(x) = c + \sum_\ell v_\ell \prod_j [l_{\ell j} < x_j \le u_{\ell j}]

    A forest's leaves are divided by its number of trees, and boosted ones multiplied by the learning rate.

    Parameters
    ----------
    model : fitted scikit-learn model
        As in `tree_shap`.
    output : int
        As in `tree_shap`.

    Returns
    -------
    Leaves
        Bounds and values.

    Raises
    ------
    TypeError, RuntimeError, ValueError
        As in `tree_shap`.

    References
    ----------
    Breiman, L., Friedman, J. H., Olshen, R. A. and Stone, C. J. (1984). Classification and Regression Trees.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> leaves = tree_leaves(DecisionTreeRegressor().fit([[0], [1]], [3, 7]))
    >>> leaves.upper.ravel(), leaves.value
    (array([0.5, inf]), array([3., 7.]))
    """
    trees, weight = _trees(model, output)
    column = 0 if isinstance(model, BOOSTED) else output
    boxes = [_boxes(tree) for tree in trees]
    values = [tree.value[tree.children_left < 0, 0, column] for tree in trees]
    return Leaves(
        np.concatenate([lower for lower, _ in boxes]),
        np.concatenate([upper for _, upper in boxes]),
        weight * np.concatenate(values),
    )


def _trees(model: Any, output: int) -> tuple[list[Any], float]:
    """The trees that make one output, and the weight of each, once the model is known to be a fit one."""
    if not isinstance(model, (BaseDecisionTree, *FORESTS, *BOOSTED)):
        kinds = "a decision tree, random forest, extra trees or gradient boosting of scikit-learn"
        raise TypeError(f"model must be {kinds}, got {type(model).__name__}")
    check_fitted(
        model, "tree_" if isinstance(model, BaseDecisionTree) else "estimators_"
    )
    if isinstance(model, BOOSTED):
        start = model.init_
        if not (
            isinstance(start, (DummyClassifier, DummyRegressor)) or start == "zero"
        ):
            raise TypeError(
                "model must start boosting from a constant, but its init is a model: "
                f"{type(start).__name__}"
            )
        output = check_integer("output", output, 0, model.estimators_.shape[1] - 1)
        return [t.tree_ for t in model.estimators_[:, output]], model.learning_rate
    if model.n_outputs_ > 1:
        raise ValueError(f"model must have one output, got {model.n_outputs_}")
    check_integer("output", output, 0, getattr(model, "n_classes_", 1) - 1)
    trees = [t.tree_ for t in getattr(model, "estimators_", [model])]
    return trees, 1 / len(trees)


def _boxes(tree: Any) -> tuple[Floats, Floats]:
    """Bounds of the leaves of one tree, carried down from parents, whose numbers are lower, to children."""
    lower = np.full((tree.node_count, tree.n_features), -np.inf)
    upper = -lower
    for node in np.flatnonzero(tree.children_left >= 0):
        left, right = tree.children_left[node], tree.children_right[node]
        j, cut = tree.feature[node], tree.threshold[node]
        lower[left] = lower[right] = lower[node]
        upper[left] = upper[right] = upper[node]
        upper[left, j] = min(cut, upper[node, j])
        lower[right, j] = max(cut, lower[node, j])
    leaf = tree.children_left < 0
    return lower[leaf], upper[leaf]


def _single(name: str, value: ArrayLike, d: int) -> Floats:
    """A table as scikit-learn's trees see it: rounded to float32."""
    table = check_table(name, value, d)
    if np.abs(table).max() > np.finfo(np.float32).max:
        raise ValueError(
            f"{name} must stay in the range of float32, got {np.abs(table).max():g}"
        )
    return table.astype(np.float32).astype(np.float64)


def _outside(rows: Floats, leaves: Leaves, part: Any, features: Any) -> Mask:
    """Whether a row fails a condition of a leaf: (leaves, rows, conditions)."""
    low, high = (
        np.take_along_axis(bound[part], features, axis=1)[:, None]
        for bound in (leaves.lower, leaves.upper)
    )
    values = rows[:, features].transpose(1, 0, 2)
    return np.asarray((values <= low) | (values > high))


def _by_pairs(x_out: Mask, b_out: Mask) -> Floats:
    """Of (leaves, rows, conditions): credit with leaf values of 1, summed over the background.

    What only `x` meets is what the background row fails, since a leaf is closed by what both fail.
    """
    closed = x_out.astype(np.float32) @ b_out.swapaxes(1, 2).astype(np.float32) > 0
    size = np.arange(x_out.shape[2] + 1)
    pair = (b_out.sum(axis=2)[:, None, :], x_out.sum(axis=2)[:, :, None])
    to_x, to_b = (
        np.where(closed, 0.0, each[pair])
        for each in leaf_shapley(size[:, None], size[None, :])
    )  # (leaves, rows, background)
    return np.asarray(to_x @ b_out + to_b.sum(axis=2)[:, :, None] * x_out)


def _table(D: int) -> Floats:
    """Credit for all kinds of background rows and cases: (2**D, 2**D, D), a kind being what is failed."""
    kinds = (np.arange(2**D)[:, None] >> np.arange(D)) & 1 == 1
    return _by_pairs(np.broadcast_to(kinds, (2**D, 2**D, D)), kinds[:, None])


def _credit(x_out: Mask, b_out: Mask, table: Floats | None) -> Floats:
    """The same as `_by_pairs`; with a table, background rows of one kind are counted and done at once."""
    if table is None:
        return _by_pairs(x_out, b_out)
    L, D = len(x_out), x_out.shape[2]
    x_kind, b_kind = (out @ (1 << np.arange(D)) for out in (x_out, b_out))
    cell = b_kind + 2**D * np.arange(L)[:, None]
    count = np.bincount(cell.ravel(), minlength=L * 2**D).reshape(L, 2**D)
    credit = np.tensordot(count.astype(float), table, axes=1)  # (leaves, kinds of x, D)
    return np.asarray(np.take_along_axis(credit, x_kind[:, :, None], axis=1))
