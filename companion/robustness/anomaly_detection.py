r"""Six ways to say how strange a sample is, with one interface.

An **anomaly detector** learns from samples that are mostly or only normal and gives every sample a **score**.
Here a larger score always means a stranger sample; the libraries disagree on that sign.  Each class is one
idea of what strange means:

=====================  ==================================================================================
`Mahalanobis`          far from the mean, in units of the spread in that direction
`NearestNeighbours`    far from its `k`-th nearest neighbour
`LocalOutlierFactor`   in a sparser place than its neighbours
`IsolationForest`      cut off from the rest by few random cuts
`PCAResidual`          off the plane in which the data vary most
`Autoencoder`          badly rebuilt by a network with a bottleneck that learned to rebuild normal data
=====================  ==================================================================================

All learn with ``fit(X)``, which returns the detector, and judge with ``score(X)``, which treats its rows as
new samples.  Scores say who is stranger than whom.  Which score deserves an alarm is another question; see
`companion.robustness.calibrated_alarms`.  Distances mix units, so bring features to one scale first; only
`Mahalanobis` and `IsolationForest` do not care.

References
----------
Chandola, V., Banerjee, A. and Kumar, V. (2009). Anomaly detection: a survey. ACM Computing Surveys 41(3).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.datasets import load_breast_cancer

from companion.checks import check_integer, real_array

__all__ = [
    "Autoencoder",
    "IsolationForest",
    "LocalOutlierFactor",
    "Mahalanobis",
    "NearestNeighbours",
    "PCAResidual",
    "average_path",
    "wisconsin_outliers",
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
    variance counts as the smallest that float64 can tell from zero: a sample that leaves that plane scores
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

    def __init__(self) -> None:
        self._columns = 0

    def fit(self, X: ArrayLike) -> Self:
        """Learn mean and covariance.

        Parameters
        ----------
        X : (n, d) array_like
            At least two samples.

        Returns
        -------
        Mahalanobis
            The detector itself.

        Raises
        ------
        TypeError, ValueError
            If `X` is no finite table of numbers, or too short.

        Examples
        --------
        >>> Mahalanobis().fit([[0, 0], [2, 0], [0, 2], [2, 2]]).score([[1, 3]])
        array([3.])
        """
        X = _table(X, rows=2)
        varies = X.max(axis=0) > X.min(axis=0)
        spread = np.where(varies, X.std(axis=0, ddof=1), np.abs(X[0]))
        spread[spread == 0] = 1.0
        centre = X.mean(axis=0)
        z = (X - centre) / spread
        variance, direction = np.linalg.eigh(z.T @ z / (len(X) - 1))
        floor = max(X.shape) * np.finfo(np.float64).eps * max(variance[-1], 1.0)
        self._centre = centre
        self._whiten = (
            direction / np.sqrt(np.maximum(variance, floor)) / spread[:, None]
        )
        self._columns = X.shape[1]
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Measure how far new samples lie from the mean.

        Parameters
        ----------
        X : (N, d) array_like
            Samples.

        Returns
        -------
        (N,) ndarray of float64
            Squared distances, without unit; larger is more anomalous.

        Raises
        ------
        TypeError, ValueError
            If nothing was fitted, or `X` does not fit what was.

        Examples
        --------
        >>> Mahalanobis().fit([[0, 0], [2, 0], [0, 2], [2, 2]]).score([[1, 1], [3, 3]])
        array([0., 6.])
        """
        z = (_table(X, self._columns) - self._centre) @ self._whiten
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
        self._columns = 0

    def fit(self, X: ArrayLike) -> Self:
        """Remember the samples.

        Parameters
        ----------
        X : (n, d) array_like
            More samples than `neighbours`.

        Returns
        -------
        NearestNeighbours
            The detector itself.

        Raises
        ------
        TypeError, ValueError
            If `X` is no finite table of numbers, or too short.

        Examples
        --------
        >>> NearestNeighbours(2).fit([[0], [1], [2]]).score([[4]])
        array([3.])
        """
        X = _table(X, rows=self.neighbours + 1)
        self._rows, self._columns = X.copy(), X.shape[1]
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Measure how far new samples lie from their `k`-th neighbour.

        Parameters
        ----------
        X : (N, d) array_like
            New samples.  One that was fitted too counts itself as its nearest neighbour, at distance zero.

        Returns
        -------
        (N,) ndarray of float64
            Distances in the unit of the features; larger is more anomalous.

        Raises
        ------
        TypeError, ValueError
            If nothing was fitted, or `X` does not fit what was.

        Examples
        --------
        >>> NearestNeighbours(1).fit([[0], [1], [2]]).score([[2], [4]])
        array([0., 2.])
        """
        return _nearest(_table(X, self._columns), self._rows, self.neighbours)[0][:, -1]

    def training_scores(self) -> Floats:
        """Score the fitted rows themselves, none being its own neighbour.

        Returns
        -------
        (n,) ndarray of float64
            Distances in the unit of the features, in the order of the fitted rows.

        Raises
        ------
        ValueError
            If nothing was fitted.

        Examples
        --------
        >>> NearestNeighbours(1).fit([[0], [1], [4]]).training_scores()
        array([1., 1., 3.])
        """
        _check_fitted(self._columns)
        return _nearest(self._rows, self._rows, self.neighbours, itself=False)[0][:, -1]


class LocalOutlierFactor:
    r"""How many times denser the neighbours' places are than one's own.

    With the neighbours :math:`N_k(x)`, the distance :math:`d_k(o)` of `o` from its own `k`-th neighbour and
    the **local reachability density**

    .. math:: \rho(x) = 1 \Big/ \Big(10^{-10}
              + \frac{1}{k} \sum_{o \in N_k(x)} \max\{d_k(o), \lVert x - o \rVert\}\Big), \qquad
              s(x) = \frac{1}{k} \sum_{o \in N_k(x)} \frac{\rho(o)}{\rho(x)}.

    About 1 inside a cluster, whatever its density.

    Parameters
    ----------
    neighbours : int
        How many neighbours count, `k`.

    Notes
    -----
    As in scikit-learn, ties at the `k`-th distance are cut to exactly `k` neighbours, and :math:`10^{-10}`
    (in the unit of the features) keeps the density of `k + 1` equal rows finite.

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
        self._columns = 0

    def fit(self, X: ArrayLike) -> Self:
        """Measure the density around every sample.

        Parameters
        ----------
        X : (n, d) array_like
            More samples than `neighbours`.

        Returns
        -------
        LocalOutlierFactor
            The detector itself.

        Raises
        ------
        TypeError, ValueError
            If `X` is no finite table of numbers, or too short.

        Examples
        --------
        >>> LocalOutlierFactor(2).fit([[0], [1], [2], [3], [10]]).score([[20]]).round(4)
        array([5.4])
        """
        X = _table(X, rows=self.neighbours + 1)
        distance, index = _nearest(X, X, self.neighbours, itself=False)
        self._rows, self._reach, self._index = X.copy(), distance[:, -1], index
        self._density = self._densities(distance, index)
        self._columns = X.shape[1]
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Compare the density around new samples with that around their neighbours.

        Parameters
        ----------
        X : (N, d) array_like
            New samples.  One that was fitted too counts itself as its nearest neighbour and looks too
            normal; `training_scores` does not.

        Returns
        -------
        (N,) ndarray of float64
            Ratios of densities; larger is more anomalous.

        Raises
        ------
        TypeError, ValueError
            If nothing was fitted, or `X` does not fit what was.

        Examples
        --------
        >>> LocalOutlierFactor(2).fit([[0], [1], [2], [3], [10]]).score([[1.5]]).round(4)
        array([0.6667])
        """
        X = _table(X, self._columns)
        distance, index = _nearest(X, self._rows, self.neighbours)
        own = self._densities(distance, index)
        return np.asarray(self._density[index].mean(axis=1) / own)

    def training_scores(self) -> Floats:
        """Score the fitted rows themselves, none being its own neighbour: the factor of the original paper.

        Returns
        -------
        (n,) ndarray of float64
            Ratios of densities, in the order of the fitted rows.

        Raises
        ------
        ValueError
            If nothing was fitted.

        Examples
        --------
        >>> LocalOutlierFactor(2).fit([[0], [1], [2], [3], [10]]).training_scores().round(4)
        array([1., 1., 1., 1., 5.])
        """
        _check_fitted(self._columns)
        return np.asarray(self._density[self._index].mean(axis=1) / self._density)

    def _densities(self, distance: Floats, index: Integers) -> Floats:
        reach = np.maximum(self._reach[index], distance)  # (rows, k)
        return np.asarray(1.0 / (reach.mean(axis=1) + 1e-10))


class IsolationForest:
    r"""How few random cuts it takes to isolate a sample.

    A tree cuts a random sub-sample of :math:`\psi` rows at a uniform point of the range of a random feature,
    and goes on within both parts until rows are alone, equal, or :math:`\lceil \log_2 \psi \rceil` cuts deep.
    With the number of cuts :math:`h_t(x)` above the leaf of `x` in tree `t`, and :math:`m_t(x)` rows in it,

    .. math:: s(x) = 2^{-\bar h(x) / c(\psi)}, \qquad
              \bar h(x) = \frac{1}{T} \sum_t \big[h_t(x) + c(m_t(x))\big],

    where :math:`c(m)` is the `average_path` that isolates one of `m` rows.

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
        self.seed = check_integer("seed", seed, 0)
        self._columns = 0

    def fit(self, X: ArrayLike) -> Self:
        """Grow the trees.

        Parameters
        ----------
        X : (n, d) array_like
            At least two samples.

        Returns
        -------
        IsolationForest
            The detector itself.

        Raises
        ------
        TypeError, ValueError
            If `X` is no finite table of numbers, or too short.

        Examples
        --------
        >>> IsolationForest().fit([[0], [1]]).score([[0], [1]])
        array([0.5, 0.5])
        """
        X = _table(X, rows=2)
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
        r"""Send new samples down all trees.

        Parameters
        ----------
        X : (N, d) array_like
            Samples.

        Returns
        -------
        (N,) ndarray of float64
            Scores in (0, 1); larger is more anomalous.  0.5 is the path of a sample that is not special.

        Raises
        ------
        TypeError, ValueError
            If nothing was fitted, or `X` does not fit what was.

        Examples
        --------
        >>> IsolationForest().fit([[0], [1], [9]]).score([[1], [9]]).round(1)
        array([0.4, 0.6])
        """
        X = _table(X, self._columns)
        path = np.empty(len(X))
        for first in range(0, len(X), 128):  # as many as stay in the processor's cache
            block = np.ascontiguousarray(X[first : first + 128])
            offset = np.arange(len(block))[:, None] * self._columns
            node = np.arange(self.trees)  # (rows, T) from the first cut on
            for feature, cut in self._levels:
                right = block.take(offset + feature.take(node)) > cut.take(node)
                node = 2 * node + right
            path[first : first + 128] = self._path.take(node).mean(axis=1)
        return np.asarray(2.0 ** (-path / self._typical))


def average_path(rows: ArrayLike) -> Floats:
    r"""Average number of random cuts that isolate one of `m` different rows.

    .. math:: c(m) = 2 H_{m-1} - 2 (m - 1) / m, \qquad H_j = 1 + \tfrac12 + \dots + \tfrac1j .

    The usual code replaces :math:`H_j` by :math:`\ln j + 0.5772`, which is 28 % too low at ``m = 3``.

    Parameters
    ----------
    rows : (...) array_like of int
        How many rows, `m`; none and one need no cut.

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
    m = np.asarray(rows)
    if m.dtype.kind not in "iu":
        raise TypeError(f"rows must hold integers, got {m.dtype}")
    if m.size and m.min() < 0:
        raise ValueError(f"rows must not be negative, got {m.min()}")
    some = np.maximum(m, 1)
    harmonic = np.cumsum(1.0 / np.arange(1, some.max(initial=1) + 1))  # H_1, H_2, ...
    return np.where(
        m > 1, 2 * (harmonic[some - 1] - 1 / some) - 2 * (m - 1) / some, 0.0
    )


class PCAResidual:
    r"""Squared distance from the plane that fits the data best.

    .. math:: s(x) = \lVert (I - V V^\top)(x - \mu) \rVert^2,

    where the columns of `V` are the first principal directions of the fitted rows, :math:`\mu` their mean.

    Parameters
    ----------
    components : int
        Dimension of the plane.

    References
    ----------
    Jackson, J. E. and Mudholkar, G. S. (1979). Control procedures for residuals associated with principal
    component analysis. Technometrics 21(3), 341-349.

    Examples
    --------
    >>> detector = PCAResidual(1).fit([[0, 0], [1, 1], [2, 2]])
    >>> detector.score([[9, 9], [2, 0]]).round(6)
    array([0., 2.])
    """

    def __init__(self, components: int) -> None:
        self.components = check_integer("components", components, 1)
        self._columns = 0

    def fit(self, X: ArrayLike) -> Self:
        """Find the plane.

        Parameters
        ----------
        X : (n, d) array_like
            Samples, with ``components <= min(n, d)``.

        Returns
        -------
        PCAResidual
            The detector itself.

        Raises
        ------
        TypeError, ValueError
            If `X` is no finite table of numbers, or too small for the plane.

        Examples
        --------
        >>> PCAResidual(1).fit([[0, 0], [1, 1], [2, 2]]).score([[2, 0]]).round(6)
        array([2.])
        """
        X = _table(X, rows=self.components)
        check_integer("components", self.components, 1, X.shape[1])
        centre = X.mean(axis=0)
        directions = np.linalg.svd(X - centre, full_matrices=False)[2]
        self._centre, self._directions = centre, directions[: self.components]
        self._columns = X.shape[1]
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Measure how far new samples lie from the plane.

        Parameters
        ----------
        X : (N, d) array_like
            Samples.

        Returns
        -------
        (N,) ndarray of float64
            Squared distances, in squared units of the features; larger is more anomalous.

        Raises
        ------
        TypeError, ValueError
            If nothing was fitted, or `X` does not fit what was.

        Examples
        --------
        >>> PCAResidual(1).fit([[0, 0], [1, 1], [2, 2]]).score([[9, 9]]).round(6)
        array([0.])
        """
        z = _table(X, self._columns) - self._centre
        residual = z - z @ self._directions.T @ self._directions
        return np.asarray((residual * residual).sum(axis=1))


class Autoencoder:
    r"""Squared error of a network that learned to rebuild normal data through a bottleneck.

    .. math:: s(x) = \lVert x - g(f(x)) \rVert^2, \qquad f : \mathbb{R}^d \to \mathbb{R}^k, \quad
              g : \mathbb{R}^k \to \mathbb{R}^d,

    `f` and `g` trained together on the mean of `s` over mini-batches.  Hidden layers are tanh, code and
    output are linear.  Without hidden layers the optimum is `PCAResidual`.

    Parameters
    ----------
    components : int
        Width of the bottleneck, `k`.
    hidden : sequence of int
        Widths of the layers before the bottleneck; the same in reverse after it.
    steps : int
        Steps of Adam, on 128 rows each.
    learning_rate : float
        Size of the first step; it falls linearly to zero.
    seed : int
        Where the random numbers start.

    References
    ----------
    Baldi, P. and Hornik, K. (1989). Neural networks and principal component analysis: learning from examples
    without local minima. Neural Networks 2(1), 53-58.
    Sakurada, M. and Yairi, T. (2014). Anomaly detection using autoencoders with nonlinear dimensionality
    reduction. MLSDA, 4-11.

    Examples
    --------
    >>> circle = [[np.cos(a), np.sin(a)] for a in np.linspace(0, 6, 60)]
    >>> detector = Autoencoder(1, hidden=(16,), steps=300, learning_rate=0.02).fit(circle)
    >>> normal, centre = detector.score([[0.6, 0.8], [0.0, 0.0]])
    >>> bool(normal < centre)
    True
    """

    def __init__(
        self,
        components: int,
        hidden: Sequence[int] = (32,),
        steps: int = 1000,
        learning_rate: float = 0.01,
        seed: int = 0,
    ) -> None:
        self.components = check_integer("components", components, 1)
        self.hidden = tuple(check_integer("hidden", width, 1) for width in hidden)
        self.steps = check_integer("steps", steps, 1)
        self.learning_rate = float(real_array("learning_rate", learning_rate, ()))
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {learning_rate!r}")
        self.seed = check_integer("seed", seed, 0)
        self._columns = 0

    def fit(self, X: ArrayLike) -> Self:
        """Train the network.

        Parameters
        ----------
        X : (n, d) array_like
            At least two samples.

        Returns
        -------
        Autoencoder
            The detector itself.

        Raises
        ------
        TypeError, ValueError
            If `X` is no finite table of numbers, or too short.

        Examples
        --------
        >>> line = np.outer(np.arange(20.0), [1, 1])
        >>> on, off = Autoencoder(1, hidden=()).fit(line).score([[5, 5], [9, 1]])
        >>> bool(1000 * on < off)
        True
        """
        X = _table(X, rows=2)
        # One scale for all features, so that errors stay comparable to those of X.
        centre, scale = X.mean(axis=0), float(X.std()) or 1.0
        scaled = torch.as_tensor((X - centre) / scale, dtype=torch.float32)
        generator = torch.Generator().manual_seed(self.seed)
        encoder = [X.shape[1], *self.hidden, self.components]
        layers = []
        for fan_in, fan_out in pairwise(encoder + encoder[-2::-1]):
            weight = 2 * torch.rand(fan_in, fan_out, generator=generator) - 1
            layers += [weight / fan_in**0.5, torch.zeros(fan_out)]
        optimiser = torch.optim.Adam([t.requires_grad_() for t in layers])
        with torch.enable_grad():
            for step in range(self.steps):
                left = 1 - step / self.steps
                optimiser.param_groups[0]["lr"] = self.learning_rate * left
                batch = scaled[torch.randint(len(X), (128,), generator=generator)]
                optimiser.zero_grad()
                loss = (self._rebuild(batch, layers) - batch).square().sum(dim=1).mean()
                torch.autograd.backward(loss)
                optimiser.step()
        self._layers = [t.detach() for t in layers]
        self._centre, self._scale, self._columns = centre, scale, X.shape[1]
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Measure how badly new samples are rebuilt.

        Parameters
        ----------
        X : (N, d) array_like
            Samples.

        Returns
        -------
        (N,) ndarray of float64
            Squared errors, in squared units of the features; larger is more anomalous.

        Raises
        ------
        TypeError, ValueError
            If nothing was fitted, or `X` does not fit what was.

        Examples
        --------
        >>> line = np.outer(np.arange(20.0), [1, 1])
        >>> bool(Autoencoder(1, hidden=()).fit(line).score([[9, 1]])[0] > 20)
        True
        """
        z = (_table(X, self._columns) - self._centre) / self._scale
        x = torch.as_tensor(z, dtype=torch.float32)
        with torch.no_grad():
            error = self._rebuild(x, self._layers).numpy() - z
        return np.asarray((error * error).sum(axis=1) * self._scale**2)

    def _rebuild(self, x: torch.Tensor, layers: list[torch.Tensor]) -> torch.Tensor:
        linear = (len(self.hidden), 2 * len(self.hidden) + 1)  # the code and the output
        for i, (weight, bias) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
            x = x @ weight + bias  # (rows, width of layer i)
            x = x if i in linear else torch.tanh(x)
        return x


def wisconsin_outliers() -> tuple[Floats, NDArray[np.bool_]]:
    """Rebuild the benchmark `wbc` of the ODDS collection from the breast cancer data of scikit-learn.

    All 357 benign tumours are normal; 21 of the 212 malignant ones are the outliers, one of them drawn twice.
    The 30 features are scaled to [0, 1] over all 569 tumours.

    Returns
    -------
    X : (378, 30) ndarray of float64
        Features without unit.
    outlier : (378,) ndarray of bool
        True for the malignant ones, which come last.

    References
    ----------
    Rayana, S. (2016). ODDS library. Stony Brook University.
    Zhao, Y., Nasrullah, Z. and Li, Z. (2019). PyOD: a Python toolbox for scalable outlier detection. Journal
    of Machine Learning Research 20(96), 1-7.

    Examples
    --------
    >>> X, outlier = wisconsin_outliers()
    >>> X.shape, int(outlier.sum())
    ((378, 30), 21)
    """
    data = load_breast_cancer()
    drawn = "41 369 414 22 239 162 214 236 91 468 105 9 536 28 182 30 26 41 108 0 501"
    malignant = [int(row) for row in drawn.split()]
    rows = np.concatenate([np.flatnonzero(data.target == 1), malignant])
    low, high = data.data.min(axis=0), data.data.max(axis=0)
    outlier = np.arange(len(rows)) >= len(rows) - len(malignant)
    return (data.data[rows] - low) / (high - low), outlier


def _table(X: ArrayLike, columns: int | None = None, rows: int = 1) -> Floats:
    """Return samples as a float64 table: any to learn from, or one with the columns that were fitted."""
    if columns is not None:
        _check_fitted(columns)
    table = real_array("X", X, (None, columns))
    if len(table) < rows or table.shape[1] == 0:
        need = f"at least {rows} rows and a column"
        raise ValueError(f"X must have {need}, got shape {table.shape}")
    if (largest := np.abs(table).max()) > 1e150:
        raise ValueError(f"X must stay below 1e150 to be squared, got {largest:g}")
    return table


def _check_fitted(columns: int) -> None:
    if columns == 0:
        raise ValueError("the detector must be fitted with fit(X) before it can score")


def _nearest(
    queries: Floats, data: Floats, k: int, itself: bool = True
) -> tuple[Floats, Integers]:
    r"""Find the `k` nearest rows of `data`: exact distances (N, k), in order, and indices.

    One float32 matrix product per block, :math:`\lVert y \rVert^2 - 2 x \cdot y`, picks a few candidates more
    than `k`, and only these are measured exactly.  Where its rounding might hide a nearer row, all are.
    ``itself=False`` says that query `i` is row `i` of the data and not its own neighbour.
    """
    centre = data.mean(axis=0)
    scale = float(np.abs(data - centre).max()) or 1.0
    y = torch.as_tensor((data - centre) / scale, dtype=torch.float32)
    y2 = y.square().sum(dim=1)
    others = len(data) - (not itself)
    distance = np.empty((len(queries), k))
    index = np.empty((len(queries), k), np.int64)
    for first in range(0, len(queries), 256):
        own = np.arange(first, min(first + 256, len(queries)))
        block = queries[own]
        x = torch.as_tensor((block - centre) / scale, dtype=torch.float32)
        screen = torch.addmm(y2, x, y.T, alpha=-2)
        if not itself:
            screen[own - first, own] = torch.inf
        near, candidate = torch.topk(screen, min(k + 8, others), largest=False)
        distance[own], index[own] = _measure(block, data, candidate.numpy(), k)
        # Rows left out are as far as the last candidate, up to float32's rounding.
        x2 = x.square().sum(dim=1)
        unit = 2 * (data.shape[1] + 8) * torch.finfo(x.dtype).eps
        left_out = near[:, -1] + x2 - unit * (x2.sqrt() + y2.max().sqrt()) ** 2
        certain = (distance[own, -1] / scale) ** 2 <= left_out.numpy()
        if k + 8 < others and not certain.all():
            own = own[~certain]
            full = _all_distances(queries[own], data)
            if not itself:
                full[np.arange(len(own)), own] = torch.inf
            best = torch.topk(full, k, largest=False)
            distance[own], index[own] = best.values.numpy(), best.indices.numpy()
    return distance, index


def _all_distances(x: Floats, y: Floats) -> torch.Tensor:
    """Measure every pair without a matrix product, which is fast and loses half the digits."""
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(torch.as_tensor(x), torch.as_tensor(y), compute_mode=exact)


def _measure(
    queries: Floats, data: Floats, candidate: Integers, k: int
) -> tuple[Floats, Integers]:
    """Measure each query's candidates (N, c) without cancellation and keep the `k` nearest."""
    difference = data[candidate] - queries[:, None]  # (N, c, d)
    distance = np.sqrt(np.einsum("ncd,ncd->nc", difference, difference))
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    row = np.arange(len(queries))[:, None]
    return distance[row, order], candidate[row, order]


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
