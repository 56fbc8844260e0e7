r"""Effect curves: how a score moves with one feature, by partial dependence and by accumulated local effects.

Partial dependence gives every row the same value of the feature and averages; the curves of the single rows
(individual conditional expectations) are what it averages over.  Where features are correlated it asks about rows
that do not exist.  Accumulated local effects ask only how the score of each row changes across the narrow bin that
the row lies in, and add those changes up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.checks import check_integer, real_array
from companion.scores import array_scores

__all__ = [
    "AccumulatedEffects",
    "PartialDependence",
    "accumulated_local_effects",
    "partial_dependence",
]

Floats = NDArray[np.float64]

FEWEST = 5  # A feature with fewer values than that is taken for one of categories.
LARGEST = 1e300  # Sums and differences of larger numbers could overflow.


class PartialDependence(NamedTuple):
    """The curve of a feature, and the curves of the single rows, whose mean it is.

    Examples
    --------
    >>> PartialDependence._fields
    ('grid', 'curve', 'individual')
    """

    grid: Floats  # (m,) values of the feature
    curve: Floats  # (m,) mean score at each of them
    individual: Floats  # (n, m) scores of each row


class AccumulatedEffects(NamedTuple):
    """The curve of a feature through the edges of the bins.

    Examples
    --------
    >>> AccumulatedEffects._fields
    ('grid', 'curve', 'counts')
    """

    grid: Floats  # (K + 1,) edges of the bins, values that occur
    curve: Floats  # (K + 1,) accumulated effect, with mean 0 over the rows
    counts: NDArray[np.int64]  # (K,) rows in each bin, at least one


def partial_dependence(
    f: Callable[[Floats], Floats],
    X: ArrayLike,
    feature: int,
    *,
    grid: int | ArrayLike = 20,
) -> PartialDependence:
    r"""Return the mean score as a function of one feature, and the same for each row.

    .. math:: \mathrm{PD}_j(z) = \frac{1}{n} \sum_{i=1}^n f(x_i^{j \to z})

    where :math:`x_i^{j \to z}` is row `i` with feature `j` set to `z`.  The summands, as functions of `z`, are the
    individual conditional expectations.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own.
    X : (n, d) array_like
        The rows to average over.
    feature : int
        The column, from 0.
    grid : int or (m,) array_like
        The values at which the curve is wanted, or how many of them, evenly from the least to the largest that
        occurs.  A feature of categories needs its values here.

    Returns
    -------
    PartialDependence
        Grid, curve and individual curves.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, there is no such column, it holds fewer than 5 different values and none are
        given as `grid`, or `f` gives no finite scores below 1e300.

    References
    ----------
    Friedman, J. H. (2001). Greedy function approximation: a gradient boosting machine. Annals of Statistics
    29(5). Section 8.2.
    Goldstein, A., Kapelner, A., Bleich, J. and Pitkin, E. (2015). Peeking inside the black box. Journal of
    Computational and Graphical Statistics 24(1).

    Examples
    --------
    >>> X = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])
    >>> found = partial_dependence(lambda X: X[:, 0] * X[:, 1], X, 0, grid=[0.0, 2.0])
    >>> found.curve, found.individual[0]
    (array([0., 6.]), array([0., 2.]))
    """
    X, feature = _checked(X, feature)
    if isinstance(grid, int | np.integer):
        x = _continuous(X[:, feature], feature)
        points = np.linspace(x.min(), x.max(), check_integer("grid", grid, 2))
    else:
        points = real_array("grid", grid, (None,)).copy()
    if not len(points):
        raise ValueError("grid must hold a value at least, got none")
    n, d = X.shape
    individual = np.empty((len(points), n))
    # Four megabytes for the model at a time; from one time to the next only the feature's entries change.
    together = min(len(points), max(1, 2**19 // X.size))
    copies = np.repeat(X[None], together, axis=0)
    for start in range(0, len(points), together):
        part = points[start : start + together]
        copies[: len(part), :, feature] = part[:, None]
        scores = _scores(f, copies[: len(part)].reshape(-1, d))
        individual[start : start + len(part)] = scores.reshape(-1, n)
    return PartialDependence(points, individual.mean(axis=1), individual.T)


def accumulated_local_effects(
    f: Callable[[Floats], Floats],
    X: ArrayLike,
    feature: int,
    *,
    bins: int | ArrayLike = 20,
) -> AccumulatedEffects:
    r"""Return how the score changes with one feature where the rows are, bin by bin, added up.

    .. math:: \mathrm{ALE}_j(z_k) = \sum_{l=1}^{k} \frac{1}{n_l} \sum_{x_i \in (z_{l-1}, z_l]}
              \big[ f(x_i^{j \to z_l}) - f(x_i^{j \to z_{l-1}}) \big] - c

    The edges :math:`z_k` are the quantiles `k`/`bins` of the feature (values that occur, equal ones counted once)
    unless they are given; the lowest edge belongs to the first bin.  The constant makes the mean of the curve over
    all rows zero, where a bin counts with the mean of its two ends.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own.
    X : (n, d) array_like
        The rows, as the model meets them.
    feature : int
        The column, from 0.
    bins : int or (K + 1,) array_like
        Number of bins, of which ties may leave fewer, or their edges, increasing.  Wide bins extrapolate, bins of
        few rows are noisy.

    Returns
    -------
    AccumulatedEffects
        Edges, curve and the number of rows in each bin.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, there is no such column, it holds fewer than 5 different values, edges leave a row
        outside or a bin empty, or `f` gives no finite scores below 1e300.

    References
    ----------
    Apley, D. W. and Zhu, J. (2020). Visualizing the effects of predictor variables in black box supervised
    learning models. Journal of the Royal Statistical Society B 82(4).

    Examples
    --------
    The effect of a linear model has its weight as slope.

    >>> X = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])
    >>> found = accumulated_local_effects(lambda X: 3 * X[:, 0] + X[:, 1], X, 0, bins=2)
    >>> found.grid, found.curve, found.counts
    (array([0., 2., 4.]), array([-5.4,  0.6,  6.6]), array([3, 2]))
    """
    X, feature = _checked(X, feature)
    x = _continuous(X[:, feature], feature)
    n = len(x)
    if isinstance(bins, int | np.integer):
        bins = check_integer("bins", bins, 1)
        # The least value with a share k / bins of the rows at or below it, in integers: nothing is rounded.
        ranks = [max(0, -(-n * k // bins) - 1) for k in range(bins + 1)]
        edges = np.unique(np.sort(x)[ranks])
    else:
        edges = real_array("bins", bins, (None,)).copy()
        if len(edges) < 2 or (np.diff(edges) <= 0).any():
            raise ValueError(f"bins must hold increasing edges, got {edges!r:.60}")
        if x.min() < edges[0] or x.max() > edges[-1]:
            raise ValueError(
                f"bins must cover the feature, {x.min():g} to {x.max():g}, "
                f"got {edges[0]:g} to {edges[-1]:g}"
            )
    place = np.maximum(np.searchsorted(edges, x) - 1, 0)  # the bin of each row
    counts = np.bincount(place, minlength=len(edges) - 1)
    if not counts.all():
        k = int(counts.argmin())
        raise ValueError(
            f"bins must hold a row each, none lies from {edges[k]:g} to {edges[k + 1]:g}"
        )
    both = np.repeat(X[None], 2, axis=0)
    both[0, :, feature], both[1, :, feature] = edges[place], edges[place + 1]
    low, high = _scores(f, both.reshape(2 * n, -1)).reshape(2, n)
    steps = np.bincount(place, weights=high - low) / counts
    curve = np.concatenate([[0.0], np.cumsum(steps)])
    centre = counts @ (curve[:-1] + curve[1:]) / 2 / n
    return AccumulatedEffects(edges, curve - centre, counts)


def _checked(X: ArrayLike, feature: int) -> tuple[Floats, int]:
    """The rows and the column."""
    X = real_array("X", X, (None, None))
    if not X.size:
        raise ValueError(f"X must have a row and a column at least, got {X.shape}")
    if (largest := np.abs(X).max()) > LARGEST:
        raise ValueError(f"X must stay below {LARGEST:g}, got {largest:g}")
    return X, check_integer("feature", feature, 0, X.shape[1] - 1)


def _scores(f: Callable[[Floats], Floats], X: Floats) -> Floats:
    """The scores of some rows, so small that their sums and differences do not overflow."""
    scores = array_scores(f, X)
    if (largest := np.abs(scores).max()) > LARGEST:
        raise ValueError(f"f must return scores below {LARGEST:g}, got {largest:g}")
    return scores


def _continuous(x: Floats, feature: int) -> Floats:
    """The column, if it is no constant and no code of categories."""
    values = len(np.unique(x))
    if values < FEWEST:
        what = "is constant" if values == 1 else f"takes {values} values only"
        raise ValueError(
            f"feature {feature} {what}: an effect curve needs a continuous one "
            f"({FEWEST} values or more); ask partial_dependence at its own values, given as grid"
        )
    return x
