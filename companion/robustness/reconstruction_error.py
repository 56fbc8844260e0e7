r"""Reconstruction error: squeeze a sample, rebuild it, and look at what got lost.

Normal samples have relations among their features, so that fewer numbers than features describe them.  Who has
learned those relations rebuilds a normal sample well from few numbers, and a sample that breaks them badly:

=====================  ==================================================================================
`PCAResidual`          rebuilds on the flat plane along which the data vary most; exact, no training
`Autoencoder`          rebuilds with a network through a bottleneck, and so can bend the plane
=====================  ==================================================================================

Both learn with ``fit(X)``, rebuild with ``rebuild(X)``, and judge with ``score(X)``, the distance between a
sample and what was rebuilt of it: larger is more anomalous.  ``fit`` takes an (n, d) table of finite numbers,
the other two an (N, d) table.  All raise `TypeError` or `ValueError` naming ``X`` where it is no such table, and
``score`` and ``rebuild`` raise `RuntimeError` before the first ``fit``.  A score is never NaN.  Errors mix units,
so bring features to one scale first.

References
----------
Jackson, J. E. and Mudholkar, G. S. (1979). Control procedures for residuals associated with principal component
analysis. Technometrics 21(3), 341-349.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from companion.checks import (
    check_fitted,
    check_integer,
    check_number,
    check_seed,
    check_table,
)
from companion.networks import mlp

__all__ = ["Autoencoder", "PCAResidual"]

Floats = NDArray[np.float64]


class PCAResidual:
    r"""Distance from the plane that fits the data best.

    .. math:: s(x) = \lVert x - \hat x \rVert, \qquad \hat x = \mu + V V^\top (x - \mu),

    where the columns of `V` are the first principal directions of the fitted rows, :math:`\mu` their mean.

    Parameters
    ----------
    components : int
        Dimension of the plane.  Where the fitted rows fill fewer, it is those: leaving them is seen.

    References
    ----------
    Jackson, J. E. and Mudholkar, G. S. (1979). Control procedures for residuals associated with principal
    component analysis. Technometrics 21(3), 341-349.

    Examples
    --------
    >>> detector = PCAResidual(1).fit([[0, 0], [1, 1], [2, 2]])
    >>> detector.score([[9, 9], [2, 0]]).round(6)
    array([0.      , 1.414214])
    >>> detector.rebuild([[2, 0]]).round(6)
    array([[1., 1.]])
    """

    def __init__(self, components: int) -> None:
        self.components = check_integer("components", components, 1)

    def fit(self, X: ArrayLike) -> Self:
        """Find the plane of samples (n, d), with ``components <= min(n, d)``."""
        X = check_table("X", X, rows=self.components)
        check_integer("components", self.components, 1, X.shape[1])
        centre = X[0] + (X - X[0]).mean(axis=0)  # exact where a feature is constant
        z = X - centre
        scale = float(max(z.max(), -z.min())) or 1.0
        z /= scale
        variances, vectors = np.linalg.eigh(z.T @ z)
        sigma, directions = np.sqrt(np.maximum(variances[::-1], 0)), vectors.T[::-1]
        if sigma[self.components - 1] < 1e-4 * sigma[0]:
            # Squares lose the digits of small variances.
            triangle = np.linalg.qr(z, mode="r")
            _, sigma, directions = np.linalg.svd(triangle, full_matrices=False)
        varies = sigma > max(X.shape) * np.finfo(np.float64).eps * sigma[0]
        self._directions = directions[: self.components][varies[: self.components]]
        self._centre, self._scale, self._columns = centre, scale, X.shape[1]
        return self

    def rebuild(self, X: ArrayLike) -> Floats:
        """Return the nearest points of the plane, (N, d)."""
        return np.asarray(X, np.float64) - self._residual(X) * self._scale

    def score(self, X: ArrayLike) -> Floats:
        """Return the distances of new samples (N, d) from the plane, in the features' unit."""
        z = self._residual(X)
        return np.asarray(np.sqrt(np.einsum("nd,nd->n", z, z)) * self._scale)

    def _residual(self, X: ArrayLike) -> Floats:
        check_fitted(self, "_columns")
        X = check_table("X", X, self._columns)
        with np.errstate(over="ignore"):
            z = (X - self._centre) / self._scale
        z = np.clip(z, -1e100, 1e100, out=z)
        z -= (z @ self._directions.T) @ self._directions
        return np.asarray(z)


class Autoencoder:
    r"""Distance between a sample and what a network with a bottleneck rebuilds of it.

    .. math:: s(x) = \lVert x - g(f(x)) \rVert, \qquad f : \mathbb{R}^d \to \mathbb{R}^k, \quad
              g : \mathbb{R}^k \to \mathbb{R}^d,

    `f` and `g` trained together on the mean of :math:`s^2` over mini-batches.  Hidden layers are tanh, code and
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
        if not isinstance(hidden, Sequence) or isinstance(hidden, str):
            raise TypeError(f"hidden must be a sequence of integers, got {hidden!r}")
        self.hidden = tuple(check_integer("hidden", width, 1) for width in hidden)
        self.steps = check_integer("steps", steps, 1)
        self.learning_rate = check_number("learning_rate", learning_rate, 0, ends="(]")
        self.seed = check_seed("seed", seed)

    def fit(self, X: ArrayLike) -> Self:
        """Train the network on at least two samples, (n, d)."""
        X = check_table("X", X, rows=2)
        centre = X[0] + (X - X[0]).mean(axis=0)
        largest = float(np.abs(X - centre).max()) or 1.0
        z = (X - centre) / largest
        # One scale for all features, so that errors stay comparable to those of X.
        spread = float(np.sqrt((z * z).mean())) or 1.0
        with torch.inference_mode(False), torch.enable_grad():
            network = self._trained(torch.as_tensor(z / spread, dtype=torch.float32))
        self._network, self._columns = network, X.shape[1]
        self._centre, self._scale = centre, largest * spread
        return self

    def rebuild(self, X: ArrayLike) -> Floats:
        """Return what the network makes of samples (N, d)."""
        return np.asarray(X, np.float64) - self._residual(X) * self._scale

    def score(self, X: ArrayLike) -> Floats:
        """Return how far new samples (N, d) are from their rebuilt selves, in the features' unit."""
        z = self._residual(X)
        return np.asarray(np.sqrt(np.einsum("nd,nd->n", z, z)) * self._scale)

    def _trained(self, z: torch.Tensor) -> nn.Module:
        """Minimise the mean squared error of the rows of `z` and return the network, in float64."""
        generator = torch.Generator().manual_seed(self.seed)
        widths = [z.shape[1], *self.hidden, self.components]
        network = nn.Sequential(
            mlp(widths, generator, nn.Tanh), mlp(widths[::-1], generator, nn.Tanh)
        )
        optimiser = torch.optim.Adam(network.parameters(), self.learning_rate)
        for step in range(self.steps):
            optimiser.param_groups[0]["lr"] = self.learning_rate * (
                1 - step / self.steps
            )
            batch = z[torch.randint(len(z), (128,), generator=generator)]  # (128, d)
            optimiser.zero_grad()
            loss = (network(batch) - batch).square().sum(dim=1).mean()
            torch.autograd.backward(loss)
            optimiser.step()
        network = network.double().requires_grad_(False)
        if not all(p.isfinite().all() for p in network.parameters()):
            raise ValueError(
                f"learning_rate must be smaller: training diverged at {self.learning_rate:g}"
            )
        return network

    def _residual(self, X: ArrayLike) -> Floats:
        check_fitted(self, "_columns")
        X = check_table("X", X, self._columns)
        with np.errstate(over="ignore"):
            z = np.clip((X - self._centre) / self._scale, -1e100, 1e100)
        with torch.no_grad():
            return np.asarray(z - self._network(torch.from_numpy(z)).numpy())
