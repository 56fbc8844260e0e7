r"""Local surrogates: a linear model that imitates another one near one input, and how far it may be believed.

LIME draws inputs around the one to be explained, asks the model for their scores, and fits a line to the answers
with weights that fall with the distance.  The weights are importance weights: in many dimensions nearly all draws
are far away, so a narrow kernel leaves a handful of draws that count.  Drawing near the input in the first place
asks the same question without throwing the answers away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from companion.checks import (
    check_generator,
    check_integer,
    check_number,
    check_table,
    real_array,
)
from companion.scores import array_scores

__all__ = ["Surrogate", "effective_share", "lime", "weighted_ridge"]

Floats = NDArray[np.float64]


class Surrogate(NamedTuple):
    """A linear model, and the two numbers that say how far to believe it.

    Examples
    --------
    >>> Surrogate._fields
    ('coefficients', 'intercept', 'r2', 'effective_samples')
    """

    coefficients: Floats  # (d,) change of the score per unit of each feature
    intercept: float  # the surrogate's score where its features are 0; of `lime`, at x
    r2: float  # weighted, each draw predicted from the others; at most 1
    effective_samples: float  # Kish's: from 1 to the number of draws


def lime(
    f: Callable[[Floats], Floats],
    x: ArrayLike,
    *,
    scale: ArrayLike,
    width: float | None,
    rng: np.random.Generator,
    samples: int = 5000,
    ridge: float = 0.0,
) -> Surrogate:
    r"""Explain one score by a linear model fitted to draws around the input.

    With draws :math:`z_i \sim N(0, I)` and :math:`X_i = x + s z_i`,

    .. math:: \min_{a, b} \sum_i e^{-\|z_i\|^2 / 2 w^2} \big(f(X_i) - a - b^\top z_i\big)^2 + \lambda \|b\|^2

    and the coefficients are :math:`b / s`.  For many draws and :math:`\lambda = 0` they tend to the mean gradient
    of `f` under a Gaussian around `x` with standard deviations :math:`s w / \sqrt{1 + w^2}`, which is SmoothGrad;
    the same answer comes from that `scale` with ``width=None``, and from all draws instead of a few.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own.
    x : (d,) array_like
        The input to explain.
    scale : float or (d,) array_like
        Standard deviations `s` of the draws, in the features' units, positive.
    width : float or None
        Width `w` of the kernel in units of `scale`, positive; None weighs all draws alike.
    rng : numpy.random.Generator
        Source of the draws.
    samples : int
        How many draws, more than d + 1.
    ridge : float
        The penalty :math:`\lambda`, not negative.

    Returns
    -------
    Surrogate
        The coefficients per unit of the features; the intercept is the surrogate's score at `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, `f` is unfit as in `array_scores`, or fewer than d + 1
        draws are left of the `samples` once they are weighted: then the fit would follow single draws.

    References
    ----------
    Ribeiro, M. T., Singh, S. and Guestrin, C. (2016). "Why should I trust you?" Explaining the predictions of any
    classifier. KDD.
    Agarwal, S. et al. (2021). Towards the unification and robustness of perturbation and gradient based
    explanations. ICML.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> near = lime(lambda X: X[:, 0] - 2 * X[:, 1], [1.0, 1.0], scale=1.0, width=2.0, rng=rng)
    >>> near.coefficients.round(9), round(near.intercept, 9), round(near.r2, 9)
    (array([ 1., -2.]), -1.0, 1.0)
    """
    x = real_array("x", x, (None,))
    if not len(x):
        raise ValueError("x must have at least one feature, got none")
    scale = real_array("scale", scale)
    if scale.shape not in ((), x.shape) or scale.min() <= 0:
        raise ValueError(
            f"scale must be positive, one number or {len(x)}, got {scale!r:.60}"
        )
    if max(np.abs(x).max(), scale.max()) > 1e298:  # no draw of float64 is beyond 40
        raise ValueError("x and scale must stay below 1e298, so that draws are finite")
    if width is not None:
        width = check_number("width", width, 0, ends="()")
    rng = check_generator("rng", rng)
    samples = check_integer("samples", samples, len(x) + 2)
    ridge = check_number("ridge", ridge, 0)
    z = rng.standard_normal((samples, len(x)))
    if width is None:
        width, square = 1.0, np.zeros(samples)
    else:
        square = np.einsum("ij,ij->i", z, z)
    with np.errstate(over="ignore"):
        left = _effective(np.exp((square.min() - square) / 2 / width / width))
    if left < len(x) + 1:
        raise ValueError(
            f"width must leave at least d + 1 = {len(x) + 1} effective samples, got {left:.3g} of {samples}; "
            "draw near x instead, with a smaller scale and width=None"
        )
    weights = np.exp(-square / 2 / width / width)
    fit = weighted_ridge(z, array_scores(f, x + scale * z), weights, ridge)
    return fit._replace(coefficients=fit.coefficients / scale)


def weighted_ridge(
    X: ArrayLike, y: ArrayLike, weights: ArrayLike, ridge: float = 0.0
) -> Surrogate:
    r"""Fit a line to weighted samples by orthogonal triangularisation, and say how well it predicts.

    .. math:: \min_{a, b} \sum_i w_i (y_i - a - b^\top X_i)^2 + \lambda \|b\|^2

    The coefficient of determination is held out without another fit: the prediction of a sample from all others
    misses it by :math:`e_i / (1 - h_i)`, with the residual :math:`e_i` and the leverage :math:`h_i`,

    .. math:: R^2 = 1 - \frac{\sum_i w_i \big(e_i / (1 - h_i)\big)^2}
        {\sum_i w_i \big((y_i - \bar y) / (1 - w_i / \sum_j w_j)\big)^2}

    so 0 is as good as the weighted mean of the others, and single samples that steer the fit make it negative.

    Parameters
    ----------
    X : (n, d) array_like
        Inputs, n > d.
    y : (n,) array_like
        Scores.
    weights : (n,) array_like
        Not negative, some positive.
    ridge : float
        The penalty :math:`\lambda`, not negative; the intercept is not penalised.

    Returns
    -------
    Surrogate
        The fit.  Its `r2` is 1 where `y` is constant, and NaN where a sample cannot be predicted from the others,
        because only it tells of some direction.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or the weighted samples leave a direction open (rank
        below d + 1) that no penalty closes.

    References
    ----------
    Allen, D. M. (1974). The relationship between variable selection and data augmentation and a method for
    prediction. Technometrics 16(1).
    Kish, L. (1965). Survey Sampling. Wiley.

    Examples
    --------
    >>> weighted_ridge([[0], [1], [2]], [1, 3, 5], [1, 1, 2]).coefficients.round(9)
    array([2.])
    """
    X = check_table("X", X)
    n, d = X.shape
    y = real_array("y", y, (n,))
    w = real_array("weights", weights, (n,))
    ridge = check_number("ridge", ridge, 0)
    if w.min() < 0 or w.max() <= 0:
        raise ValueError(f"weights must not be negative, nor all 0, got {w!r:.60}")
    if np.abs(y).max() > 1e300:
        raise ValueError(f"y must stay below 1e300, got {np.abs(y).max():g}")
    share = w / w.max()
    share /= share.sum()
    root, level = np.sqrt(w), share @ y
    reach = float(np.abs(y - level).max())  # of the scores around their mean
    unit = reach or 1.0
    # The penalty is d more rows; the scores, from their mean and in units of the largest, one more column.
    A = np.zeros((n + d, d + 2))
    A[:n, 0], A[:n, -1] = root, root * ((y - level) / unit)
    with np.errstate(over="ignore"):
        np.multiply(root[:, None], X, out=A[:n, 1:-1])
    A[np.arange(n, n + d), np.arange(1, d + 1)] = np.sqrt(ridge)
    if not np.abs(A).max() <= 1e300:
        raise ValueError("weights must keep sqrt(weights) * X below 1e300, they do not")
    triangle = np.asarray(np.linalg.qr(A, mode="r"))
    R = triangle[:-1, :-1]
    size = np.abs(R).max(axis=0)
    size[size == 0] = 1.0
    spread = np.linalg.svd(R / size, compute_uv=False)
    rank = int((spread > (n + d) * np.finfo(np.float64).eps * spread[0]).sum())
    if rank <= d:
        raise ValueError(
            f"weights must leave d + 1 = {d + 1} independent samples, or ridge be larger: "
            f"the weighted rank is {rank}"
        )
    beta = solve_triangular(R, triangle[:-1, -1])
    # A = QR: the squared rows of Q are the leverages.
    Q = A[:n, :-1] @ solve_triangular(R, np.eye(d + 1))
    lever = 1 - np.einsum("ij,ij->i", Q, Q)
    residual = A[:n, -1] - A[:n, :-1] @ beta
    eps, tiny = np.finfo(np.float64).eps, np.finfo(np.float64).tiny
    missed = residual / np.maximum(lever, tiny)
    mean_missed = A[:n, -1] / np.maximum(1 - share, tiny)
    if reach <= n * eps * np.abs(y).max():
        r2 = 1.0
    elif lever.min() <= np.sqrt(eps):
        r2 = np.nan
    else:
        largest = np.abs(mean_missed).max()
        quotient = (
            np.square(missed / largest).sum() / np.square(mean_missed / largest).sum()
        )
        r2 = 1 - float(quotient)
    left = _effective(w / w.max())
    return Surrogate(unit * beta[1:], float(level + unit * beta[0]), r2, left)


def effective_share(d: int, width: ArrayLike) -> Floats:
    r"""Return which share of many Gaussian draws a Gaussian kernel leaves effective.

    .. math:: \frac{(\mathbb{E} w)^2}{\mathbb{E} w^2} = \left(\frac{1 + 2 a}{(1 + a)^2}\right)^{d/2},
        \quad a = 1 / \mathrm{width}^2

    for draws from :math:`N(0, I_d)` and the kernel :math:`w = e^{-\|z\|^2 / 2\,\mathrm{width}^2}`.

    Parameters
    ----------
    d : int
        Dimensions.
    width : array_like of any shape
        Width of the kernel in standard deviations of the draws, positive.

    Returns
    -------
    ndarray of the shape of `width`
        Between 0 and 1; times the number of draws it is Kish's effective sample size as long as that is not small.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    Kish, L. (1965). Survey Sampling. Wiley.

    Examples
    --------
    In thirty dimensions a kernel as wide as the draws leaves one draw in 75.

    >>> effective_share(30, [1.0, 2.0]).round(4)
    array([0.0134, 0.5421])
    """
    d = check_integer("d", d, 1)
    width = real_array("width", width)
    if width.size and width.min() <= 0:
        raise ValueError(f"width must be positive, got {width.min():g}")
    with np.errstate(over="ignore"):
        # (1 + 2a) / (1 + a)^2 = 1 - (a / (1 + a))^2, and a / (1 + a) = 1 / (1 + width^2).
        kept = -np.expm1(-2 * np.log1p(width**2))
        return np.asarray(kept ** (d / 2))


def _effective(weights: Floats) -> float:
    """Kish's effective sample size."""
    return float(weights.sum() ** 2 / (weights @ weights))
