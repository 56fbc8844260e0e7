r"""Additive models: a curve for each feature, learned by cyclic boosting, whose sum is the prediction.

A generalised additive model gives each feature a curve of its own and adds the curves up.  Nothing else happens
in it, so whoever has looked at the curves has seen the whole model.  Here the curves are grown like those of an
explainable boosting machine without pairs: features take turns, and each turn adds one small stump, a step with
two heights, to one curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from companion.checks import check_integer, check_number, check_table, integer_array

__all__ = ["AdditiveModel", "fit_additive_model"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class AdditiveModel:
    r"""An intercept and one curve for each feature; what `fit_additive_model` returns.

    .. math:: f(x) = c + \sum_j f_j(x_j)

    with steps :math:`f_j` that have mean 0 over the rows the model was fitted on.  :math:`f` is in log-odds:
    :math:`1 / (1 + e^{-f(x)})` is the probability of label 1.

    Attributes
    ----------
    intercept : float
        The mean score :math:`c` of the rows that it was fitted on.
    edges : tuple of (b,) ndarrays, one for each feature
        Where the curve steps; a value on an edge belongs to its left.
    heights : tuple of (b + 1,) ndarrays, one for each feature
        Heights of the curve between the edges, from left to right.

    Examples
    --------
    >>> model = AdditiveModel(0.5, (np.array([2.0]), np.array([])), (np.array([-1.0, 1.0]), np.array([0.0])))
    >>> model.score([[1, 7], [3, 7]])
    array([-0.5,  1.5])
    """

    intercept: float
    edges: tuple[Floats, ...]
    heights: tuple[Floats, ...]

    def contributions(self, X: ArrayLike) -> Floats:
        r"""Return what each feature adds to each row's score: the heights of the curves there.

        .. math:: \phi_{ij} = f_j(x_{ij})

        These are the interventional Shapley values of :math:`f`, with the rows it was fitted on as background.

        Parameters
        ----------
        X : (n, d) array_like
            Rows to explain, with the columns that the model was fitted on.

        Returns
        -------
        (n, d) ndarray
            In log-odds.

        Raises
        ------
        TypeError, ValueError
            If `X` is no finite table with d columns.

        References
        ----------
        Hastie, T. and Tibshirani, R. (1986). Generalized additive models. Statistical Science 1(3).

        Examples
        --------
        >>> model = AdditiveModel(0.5, (np.array([2.0]),), (np.array([-1.0, 1.0]),))
        >>> model.contributions([[1], [2], [3]]).ravel()
        array([-1., -1.,  1.])
        """
        X = check_table("X", X, len(self.edges))
        columns = [
            height[np.searchsorted(edge, x)]
            for edge, height, x in zip(self.edges, self.heights, X.T, strict=True)
        ]
        return np.stack(columns, axis=1)

    def score(self, X: ArrayLike) -> Floats:
        r"""Return the log-odds of label 1: the intercept plus the sum of the contributions.

        Parameters
        ----------
        X : (n, d) array_like
            Rows, with the columns that the model was fitted on.

        Returns
        -------
        (n,) ndarray
            Log-odds; ``scipy.special.expit`` makes probabilities of them.

        Raises
        ------
        TypeError, ValueError
            If `X` is no finite table with d columns.

        Examples
        --------
        >>> AdditiveModel(0.5, (np.array([2.0]),), (np.array([-1.0, 1.0]),)).score([[1], [3]])
        array([-0.5,  1.5])
        """
        return np.asarray(self.intercept + self.contributions(X).sum(axis=1))


def fit_additive_model(
    X: ArrayLike,
    y: ArrayLike,
    bins: int = 32,
    rounds: int = 100,
    learning_rate: float = 0.05,
    ridge: float = 1.0,
) -> AdditiveModel:
    r"""Fit an additive model to labels 0 and 1 by cyclic boosting of stumps.

    The features take turns.  At each turn the rows have probabilities :math:`p`, and a cut of one feature splits
    them into left and right; each side of the curve moves by the learning rate times a Newton step of the log
    loss,

    .. math:: s = \frac{\sum_i (y_i - p_i)}{\sum_i p_i (1 - p_i) + \lambda},

    and the cut is where the sum of both sides' :math:`s \sum_i (y_i - p_i)` is largest.  At the end each curve is
    centred, and the intercept takes up its mean.

    Parameters
    ----------
    X : (n, d) array_like
        Rows of features, finite; a missing value needs a code or a column of its own.
    y : (n,) array_like of int
        Labels, 0 or 1, both present.
    bins : int
        Curves have at most this many heights, with about as many rows on each; at least 2.
    rounds : int
        Turns of each feature, at least 1.
    learning_rate : float
        Share of a Newton step that is taken, in (0, 1].
    ridge : float
        :math:`\lambda > 0`: the larger, the less a height moves that few rows speak for.

    Returns
    -------
    AdditiveModel
        The intercept and a curve for each feature; a constant feature's is flat.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite table, `y` are no labels of its rows, or a parameter is out of range.

    References
    ----------
    Lou, Y., Caruana, R. and Gehrke, J. (2012). Intelligible models for classification and regression. KDD.
    Nori, H., Jenkins, S., Koch, P. and Caruana, R. (2019). InterpretML: A unified framework for machine learning
    interpretability. arXiv:1909.09223.

    Examples
    --------
    One feature, eight rows; the left four hold one label 1, the right four hold three.  From even odds, a full
    Newton step of four rows is 1 / (1 + 1):

    >>> X = [[0], [0], [0], [0], [1], [1], [1], [1]]
    >>> model = fit_additive_model(X, [1, 0, 0, 0, 0, 1, 1, 1], rounds=1, learning_rate=1.0)
    >>> model.heights
    (array([-0.5,  0.5]),)
    """
    X = check_table("X", X, rows=2)
    y = integer_array("y", y, 0, 1)
    if y.shape != (len(X),) or y.min() == y.max():
        raise ValueError(
            f"y must hold {len(X)} labels, both 0 and 1 among them, got shape {y.shape} "
            f"with {np.unique(y).tolist()}"
        )
    bins = check_integer("bins", bins, 2)
    rounds = check_integer("rounds", rounds, 1)
    rate = check_number("learning_rate", learning_rate, 0, 1, "(]")
    ridge = check_number("ridge", ridge, 0, ends="()")
    edges = [_edges(x, bins) for x in X.T]
    codes = [np.searchsorted(edge, x) for edge, x in zip(edges, X.T, strict=True)]
    heights = [np.zeros(len(edge) + 1) for edge in edges]
    intercept = float(logit(y.mean()))
    score = np.full(len(X), intercept)
    for _ in range(rounds):
        for code, height in zip(codes, heights, strict=True):
            if len(height) > 1:
                p = expit(score)
                step = rate * _stump(code, y - p, p * (1 - p), len(height), ridge)
                height += step
                score += step[code]
    for code, height in zip(codes, heights, strict=True):
        mean = float(height[code].mean())
        height -= mean
        intercept += mean
    return AdditiveModel(intercept, tuple(edges), tuple(heights))


def _edges(x: Floats, bins: int) -> Floats:
    """Cut between all distinct values, or so that about as many rows lie in each of `bins` bins."""
    values, counts = np.unique(x, return_counts=True)
    bin_of = np.arange(len(values))
    if len(values) > bins:
        bin_of = (np.cumsum(counts) - counts) * bins // len(x)  # by rank
    cut = np.flatnonzero(np.diff(bin_of))
    left, right = values[cut], values[cut + 1]
    middle = left + (right - left) / 2
    return np.asarray(np.where(middle < right, middle, left))  # neighbours have none


def _stump(code: Integers, g: Floats, h: Floats, bins: int, ridge: float) -> Floats:
    """The best step with two heights: Newton steps left and right of the best cut."""
    sides = np.cumsum([np.bincount(code, w, minlength=bins) for w in (g, h)], axis=1)
    G, H = np.stack([sides, sides[:, -1:] - sides])[:, :, :-1].swapaxes(0, 1)
    steps = G / (H + ridge)  # (left and right, cuts)
    best = int((steps * G).sum(axis=0).argmax())
    return np.asarray(np.where(np.arange(bins) <= best, *steps[:, best]))
