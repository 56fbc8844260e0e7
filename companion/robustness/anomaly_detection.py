r"""Four ways to say how strange a sample is, with one interface.

An **anomaly detector** learns from samples that are mostly or only normal and gives every sample a **score**.
Here a larger score always means a stranger sample; the libraries disagree on that sign.  Each class is one
idea of what strange means:

=====================  ==================================================================================
`Mahalanobis`          far from the mean, in units of the spread in that direction
`NearestNeighbours`    far from its `k`-th nearest neighbour
`LocalOutlierFactor`   in a sparser place than its neighbours
`IsolationForest`      cut off from the rest by few random cuts
=====================  ==================================================================================

All learn with ``fit(X)``, which returns the detector, and judge with ``score(X)``, which treats its rows as
new samples.  ``fit`` takes an (n, d) table of finite numbers, ``score`` an (N, d) table, and returns (N,)
scores that are never NaN.  Both raise `TypeError` or `ValueError` naming ``X`` where it is no such table, and
``score`` raises `RuntimeError` before the first ``fit``.  A sample further out than 1e100 times the spread of
the fitted ones counts as that far out, because float64 holds no larger squares.

Two more ideas, a plane and a network that rebuild what is normal, are in
`companion.robustness.reconstruction_error`.  Which score deserves an alarm is another question; see
`companion.robustness.calibrated_alarms`.  Distances mix units, so bring features to one scale first; only
`Mahalanobis` and `IsolationForest` do not care.

References
----------
Chandola, V., Banerjee, A. and Kumar, V. (2009). Anomaly detection: a survey. ACM Computing Surveys 41(3).
"""

from __future__ import annotations

import warnings
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree
from scipy.special import digamma
from sklearn import neighbors

from companion.checks import (
    check_fitted,
    check_integer,
    check_seed,
    check_table,
    real_array,
)

__all__ = [
    "IsolationForest",
    "LocalOutlierFactor",
    "Mahalanobis",
    "NearestNeighbours",
    "average_path",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Mahalanobis:
    r"""Squared distance from the mean, measured in standard deviations of each direction.

    .. math:: s(x) = (x - \mu)^\top \Sigma^{-1} (x - \mu),

    with the mean :math:`\mu` and the covariance :math:`\Sigma` (divisor ``n - 1``) of the fitted rows.  No
    invertible linear map of the features changes it.

    Notes
    -----
    Where the fitted rows do not vary (a constant feature, a sum of others, fewer rows than features) the
    spread counts as the smallest that float64 can tell from zero there: a sample that leaves that plane scores
    enormously instead of passing unseen, which is what a pseudo-inverse would do.

    References
    ----------
    Mahalanobis, P. C. (1936). On the generalised distance in statistics. Proc. National Institute of Sciences
    of India 2(1), 49-55.

    Examples
    --------
    >>> detector = Mahalanobis().fit([[0, 0], [2, 0], [0, 2], [2, 2]])
    >>> detector.score([[1, 1], [1, 3], [3, 3]]).round(6)
    array([0., 3., 6.])
    """

    def fit(self, X: ArrayLike) -> Self:
        """Learn mean and covariance of at least two samples, (n, d)."""
        X = check_table("X", X, rows=2)
        size = np.maximum(np.abs(X).max(axis=0), np.finfo(np.float64).tiny)
        # Two steps to the mean: the first takes a far offset away without a rounding.
        origin = X[0].copy()
        mean = (X - origin).mean(axis=0)
        z = X - origin - mean
        spread = np.where(z.any(axis=0), np.abs(z).max(axis=0), size)
        triangle = np.linalg.qr(z / spread, mode="r")
        _, sigma, directions = np.linalg.svd(triangle)
        deviation = np.zeros(X.shape[1])
        deviation[: len(sigma)] = sigma / np.sqrt(len(X) - 1)
        # What rounding alone leaves, by the decomposition and in the features of X.
        rounding = 100 * np.sqrt(max(X.shape)) * deviation[0]
        rounding = rounding + 4 * np.abs(directions) @ (size / spread)
        deviation = np.maximum(deviation, np.finfo(np.float64).eps * rounding)
        self._whiten = directions.T / deviation
        self._origin, self._mean, self._spread = origin, mean, spread
        self._columns = X.shape[1]
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Return squared distances of new samples (N, d), without unit; larger is more anomalous."""
        check_fitted(self, "_columns")
        X = check_table("X", X, self._columns)
        with np.errstate(over="ignore"):
            z = (X - self._origin - self._mean) / self._spread
        z = np.clip(z, -1e100, 1e100) @ self._whiten
        return np.asarray((z * z).sum(axis=1))


class NearestNeighbours:
    r"""Distance to the `k`-th nearest of the fitted rows.

    .. math:: s(x) = d_k(x) = k\text{-th smallest of } \lVert x - x_1 \rVert, \dots, \lVert x - x_n \rVert.

    Parameters
    ----------
    neighbours : int
        Which neighbour counts, `k`.

    References
    ----------
    Ramaswamy, S., Rastogi, R. and Shim, K. (2000). Efficient algorithms for mining outliers from large data
    sets. SIGMOD, 427-438.

    Examples
    --------
    >>> detector = NearestNeighbours(2).fit([[0], [1], [2], [10]])
    >>> detector.score([[1], [10], [14]])
    array([ 1.,  8., 12.])
    >>> detector.training_scores()
    array([2., 1., 2., 9.])
    """

    def __init__(self, neighbours: int = 5) -> None:
        self.neighbours = check_integer("neighbours", neighbours, 1)

    def fit(self, X: ArrayLike) -> Self:
        """Remember the samples (n, d), more than `neighbours`."""
        X = check_table("X", X, rows=self.neighbours + 1)
        self._search, self._columns = _Search(X), X.shape[1]
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Return the distances of new samples (N, d) from their `k`-th neighbour, in the features' unit.

        One that was fitted too counts itself as its nearest neighbour, at distance zero.
        """
        check_fitted(self, "_columns")
        X = check_table("X", X, self._columns)
        return self._search.nearest(self.neighbours, X)[0][:, -1] * self._search.unit

    def training_scores(self) -> Floats:
        """Return the distances (n,) of the fitted rows themselves, none being its own neighbour."""
        check_fitted(self, "_columns")
        return np.asarray(
            self._search.nearest(self.neighbours)[0][:, -1] * self._search.unit
        )


class LocalOutlierFactor:
    r"""How many times denser the neighbours' places are than one's own.

    With the neighbours :math:`N_k(x)`, the distance :math:`d_k(o)` of `o` from its own `k`-th neighbour and
    the **local reachability density**

    .. math:: \rho(x) = 1 \Big/ \frac{1}{k} \sum_{o \in N_k(x)} \max\{d_k(o), \lVert x - o \rVert\}, \qquad
              s(x) = \frac{1}{k} \sum_{o \in N_k(x)} \frac{\rho(o)}{\rho(x)}.

    About 1 inside a cluster, whatever its density.  No change of the unit changes it.

    Parameters
    ----------
    neighbours : int
        How many neighbours count, `k`.

    Warns
    -----
    UserWarning
        From ``fit``, if more than `k` fitted rows are equal: their density is infinite, and **a new sample
        near them scores enormously, however ordinary it is**.  Take more neighbours, or drop the copies.

    Notes
    -----
    As in scikit-learn, ties at the `k`-th distance are cut to exactly `k` neighbours.  An infinite density
    counts as :math:`10^{10}` times the largest finite one; scikit-learn adds :math:`10^{-10}` to every mean
    distance instead, which has a unit, and changes ordinary scores by about as much.

    References
    ----------
    Breunig, M. M., Kriegel, H.-P., Ng, R. T. and Sander, J. (2000). LOF: identifying density-based local
    outliers. SIGMOD, 93-104.

    Examples
    --------
    >>> detector = LocalOutlierFactor(2).fit([[0], [1], [2], [3], [10]])
    >>> detector.training_scores().round(4)
    array([1., 1., 1., 1., 5.])
    >>> detector.score([[1.5], [20]]).round(4)
    array([0.6667, 5.4   ])
    """

    def __init__(self, neighbours: int = 20) -> None:
        self.neighbours = check_integer("neighbours", neighbours, 1)

    def fit(self, X: ArrayLike) -> Self:
        """Measure the density around every sample of (n, d), more than `neighbours`."""
        X = check_table("X", X, rows=self.neighbours + 1)
        search = _Search(X)
        distance, index = search.nearest(self.neighbours)
        reach = distance[:, -1]  # d_k of every fitted row
        mean = np.maximum(reach[index], distance).mean(axis=1)  # 1 / density
        if equal := int((mean == 0).sum()):
            warnings.warn(
                f"{equal} rows have {self.neighbours} or more equal ones: their density "
                "is infinite, and whatever lies beside them scores enormously",
                stacklevel=2,
            )
        finite = mean[mean > 0]
        self._least = 1e-10 * (finite.min() if finite.size else 1e-90)
        self._search, self._reach, self._columns = search, reach, X.shape[1]
        self._mean = np.maximum(mean, self._least)
        self._training = self._mean * (1 / self._mean)[index].mean(axis=1)
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Return how many times denser it is around the neighbours of new samples (N, d) than around these.

        One that was fitted too counts itself as its nearest neighbour and looks too normal;
        `training_scores` does not.
        """
        check_fitted(self, "_columns")
        X = check_table("X", X, self._columns)
        distance, index = self._search.nearest(self.neighbours, X)
        mean = np.maximum(self._reach[index], distance).mean(axis=1)
        density = (1 / self._mean)[index].mean(axis=1)
        return np.asarray(np.maximum(mean, self._least) * density)

    def training_scores(self) -> Floats:
        """Return the factors (n,) of the fitted rows, none its own neighbour: those of the original paper."""
        check_fitted(self, "_columns")
        return np.asarray(self._training.copy())


class IsolationForest:
    r"""How few random cuts it takes to isolate a sample.

    A tree cuts a random sub-sample of :math:`\psi` rows at a uniform point of the range of a random feature,
    and goes on within both parts until rows are alone, equal, or :math:`\lceil \log_2 \psi \rceil` cuts deep.
    With the number of cuts :math:`h_t(x)` above the leaf of `x` in tree `t`, and :math:`m_t(x)` rows in it,

    .. math:: s(x) = 2^{-\bar h(x) / c(\psi)}, \qquad
              \bar h(x) = \frac{1}{T} \sum_t \big[h_t(x) + c(m_t(x))\big], \qquad
              h_t(x) \le \lceil \log_2 \psi \rceil,

    where :math:`c(m)` is the `average_path` that isolates one of `m` rows: what the cuts that were not made
    would have added.

    Parameters
    ----------
    trees : int
        How many trees, `T`.
    sample_size : int
        Rows that each tree sees, :math:`\psi`; all rows where there are fewer.
    seed : int
        Where the random numbers start.

    Notes
    -----
    All trees grow together, one level at a time: what differs from tree to tree are array entries, not loops.
    A node that is not cut any more sends every sample to the left below an infinite threshold, so that all
    leaves end on the last level.

    References
    ----------
    Liu, F. T., Ting, K. M. and Zhou, Z.-H. (2008). Isolation forest. ICDM, 413-422.

    Examples
    --------
    >>> detector = IsolationForest(seed=1).fit(np.linspace(-1, 1, 200)[:, None])
    >>> inside, edge, far = detector.score([[0.0], [1.0], [9.0]])
    >>> bool(inside < 0.5 < edge == far)
    True
    """

    def __init__(self, trees: int = 100, sample_size: int = 256, seed: int = 0) -> None:
        self.trees = check_integer("trees", trees, 1)
        self.sample_size = check_integer("sample_size", sample_size, 2)
        self.seed = check_seed("seed", seed)

    def fit(self, X: ArrayLike) -> Self:
        """Grow the trees on at least two samples, (n, d)."""
        X = check_table("X", X, rows=2)
        rng = np.random.default_rng(self.seed)
        size = min(self.sample_size, len(X))
        # (T * size,) rows, tree after tree; nodes of a level count on through all trees.
        node = np.repeat(np.arange(self.trees), size)
        draw = (rng.choice(len(X), size, replace=False) for _ in range(self.trees))
        row = np.concatenate(list(draw))
        levels, path = [], np.zeros(self.trees)
        for _ in range(int(size - 1).bit_length()):
            order = np.argsort(node, kind="stable")
            row, node = row[order], node[order]
            feature, cut = np.zeros(len(path), np.int64), np.full(len(path), np.inf)
            here, start = np.unique(node, return_index=True)
            feature[here], cut[here] = _random_cuts(X, row, start, rng)
            node = 2 * node + (X[row, feature[node]] > cut[node])
            path = np.repeat(path + np.isfinite(cut), 2)
            levels.append((feature, cut))
        alike = np.bincount(node, minlength=len(path))  # rows that no cut has parted
        self._levels, self._path = levels, path + average_path(alike)
        self._typical, self._columns = float(average_path(size)), X.shape[1]
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Send new samples (N, d) down all trees; 0.5 in (0, 1) is one that is not special."""
        check_fitted(self, "_columns")
        X = check_table("X", X, self._columns)
        path = np.empty(len(X))
        for first in range(0, len(X), 256):  # as many as stay in the processor's cache
            block = X[first : first + 256].T.ravel()  # feature after feature
            rows = np.arange(len(block) // self._columns)
            node = np.arange(self.trees)[:, None] + 0 * rows  # (T, rows), tree by tree
            for feature, cut in self._levels:
                value = block.take((feature * len(rows)).take(node) + rows)
                node = 2 * node + (value > cut.take(node))
            path[first : first + 256] = self._path.take(node).mean(axis=0)
        return np.asarray(2.0 ** (-path / self._typical))


def average_path(rows: ArrayLike) -> Floats:
    r"""Average number of cuts that isolate one of `m` rows, every split into two parts being equally likely.

    .. math:: c(m) = 2 H_{m-1} - 2 (m - 1) / m, \qquad H_j = 1 + \tfrac12 + \dots + \tfrac1j .

    The usual code replaces :math:`H_j` by :math:`\ln j + 0.5772`, which is 28 % too low at ``m = 3``.

    Parameters
    ----------
    rows : (...) array_like of int
        How many rows, `m`, in integers of any width; none and one need no cut.

    Returns
    -------
    (...) ndarray of float64
        Numbers of cuts.

    Raises
    ------
    TypeError, ValueError
        If `rows` holds something else than integers from 0 on.

    References
    ----------
    Liu, F. T., Ting, K. M. and Zhou, Z.-H. (2008). Isolation forest. ICDM, 413-422. Equation 1.

    Examples
    --------
    >>> average_path([1, 2, 3]).round(4)
    array([0.    , 1.    , 1.6667])
    """
    m = real_array("rows", rows)  # float64, in which nothing wraps round
    if np.asarray(rows).dtype.kind not in "iu":
        raise TypeError(f"rows must hold integers, got {np.asarray(rows).dtype}")
    if m.size and m.min() < 0:
        raise ValueError(f"rows must not be negative, got {m.min():g}")
    some = np.maximum(m, 2)
    harmonic = digamma(some) + np.euler_gamma  # H_{m-1}
    return np.where(m > 1, 2 * harmonic - 2 * (some - 1) / some, 0.0)


class _Search:
    """The nearest fitted rows, their distances right to ten digits: two libraries' searches.

    Rows are divided by a power of two, `unit`, so that no square leaves the range of float64.
    """

    def __init__(self, X: Floats) -> None:
        low, high = X.min(axis=0), X.max(axis=0)
        self._shift = np.where(low == high, low, 0.0)
        self.unit = float(2.0 ** np.frexp((high - low).max())[1])
        self._rows = self._scaled(X)
        self._centre = self._rows.mean(axis=0)
        self._tree: KDTree | None = None

    def _scaled(self, X: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return np.clip((X - self._shift) / self.unit, -1e100, 1e100)

    def nearest(self, k: int, X: Floats | None = None) -> tuple[Floats, Integers]:
        """Return distances (N, k), in order and in `unit`, and indices; without `X` those among themselves."""
        rows, own = self._rows, X is None
        queries = rows if X is None else self._scaled(X)
        if rows.shape[1] <= 8:
            distance, index = self._exact(queries, k + own)
        else:
            y, x = rows - self._centre, queries - self._centre
            search = neighbors.NearestNeighbors(
                n_neighbors=k + own, algorithm="brute"
            ).fit(y)
            distance, index = search.kneighbors(x)
            # Its matrix product loses the digits of distances far below the norms.
            norm = np.linalg.norm(x, axis=1) + np.linalg.norm(y, axis=1).max()
            rounding = 4 * (rows.shape[1] + 8) * np.finfo(np.float64).eps * norm**2
            doubt = 1e-10 * distance[:, int(own)] ** 2 < rounding
            if doubt.any():
                distance[doubt], index[doubt] = self._exact(queries[doubt], k + own)
        if (
            own
        ):  # leave each row itself out, or the last where it is lost among its equals
            keep = index != np.arange(len(index))[:, None]
            keep[keep.all(axis=1), -1] = False
            distance, index = (a[keep].reshape(-1, k) for a in (distance, index))
        return distance, index

    def _exact(self, queries: Floats, k: int) -> tuple[Floats, Integers]:
        if self._tree is None:
            self._tree = KDTree(self._rows)
        distance, index = self._tree.query(queries, np.arange(1, k + 1))
        return distance, index


def _random_cuts(
    X: Floats, row: Integers, start: Integers, rng: np.random.Generator
) -> tuple[Integers, Floats]:
    """Draw a feature and a cut for each group of rows; group `g` is ``row[start[g]:start[g + 1]]``."""
    size = np.diff(start, append=len(row))
    feature = rng.integers(X.shape[1], size=len(start))
    value = X[row, np.repeat(feature, size)]
    low, high = np.minimum.reduceat(value, start), np.maximum.reduceat(value, start)
    constant = (low == high) & (size > 1)
    if constant.any():  # draw again, among the features that vary in that group
        inside = X[row[np.repeat(constant, size)]]
        begin = np.cumsum(size[constant]) - size[constant]
        lows = np.minimum.reduceat(inside, begin)  # (groups, d)
        highs = np.maximum.reduceat(inside, begin)
        again = np.argmax(rng.random(lows.shape) * (lows < highs), axis=1)
        chosen = np.arange(len(again)), again
        feature[constant], low[constant], high[constant] = (
            again,
            lows[chosen],
            highs[chosen],
        )
    share = rng.random(len(start))
    cut = np.clip(low * (1 - share) + high * share, low, high)
    cut = np.where(cut < high, cut, low)  # rounding must not leave the right part empty
    return feature, np.where(low < high, cut, np.inf)
