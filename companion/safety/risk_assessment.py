r"""Risk assessment: value at risk, the mean beyond it, and what a sample says about losses larger than its own.

A loss is a random number, and large is bad.  Value at risk is a quantile of it, conditional value at risk the mean
of the worst share.  The second asks how bad the worst is, it never punishes spreading a risk, and a linear program
can minimise it.  Beyond the largest loss on record both need a model of the tail; extreme-value theory says which
one, the generalised Pareto law, and under which conditions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, linprog

from companion.checks import (
    check_number,
    check_table,
    real_array,
)

__all__ = [
    "CVaRPortfolio",
    "TailFit",
    "TailRisk",
    "conditional_value_at_risk",
    "fit_generalized_pareto",
    "minimum_cvar_portfolio",
    "tail_probability",
    "tail_risk",
    "value_at_risk",
]

Floats = NDArray[np.float64]


class CVaRPortfolio(NamedTuple):
    """A portfolio of least conditional value at risk, and how far from the least it may be.

    Examples
    --------
    >>> minimum_cvar_portfolio([[1, 0], [-1, 0]], level=0.5).cvar
    0.0
    """

    weights: Floats  # (d,), non-negative, sum 1
    cvar: float  # of the portfolio's loss in the given scenarios
    gap: float  # cvar minus a lower bound of every portfolio's: zero up to rounding


class TailFit(NamedTuple):
    """A generalised Pareto law fitted to the losses above a threshold.

    Examples
    --------
    >>> TailFit(10.0, 0.5, 2.0, exceedances=100, samples=1000, log_likelihood=0.0, regular=True).shape
    0.5
    """

    threshold: float  # u
    shape: float  # xi: above 0 a heavy tail, 0 exponential, below 0 one that ends
    scale: float  # sigma
    exceedances: int  # how many losses exceed the threshold
    samples: int  # of how many losses
    log_likelihood: float  # of the excesses over the threshold
    regular: bool  # shape above -1/2, where standard errors follow the usual theory


class TailRisk(NamedTuple):
    """What a fitted tail says at given levels.

    Examples
    --------
    >>> TailRisk(np.array(46.0), np.array(86.0)).cvar
    array(86.)
    """

    var: Floats  # value at risk
    cvar: Floats  # the mean beyond it; infinite where the shape is 1 or more


def value_at_risk(
    losses: ArrayLike, level: float, weights: ArrayLike | None = None
) -> float:
    r"""Return the smallest loss that is not exceeded with probability `level`.

    .. math:: \mathrm{VaR}_\alpha = \min \{x : P(L \le x) \ge \alpha\}

    It is always one of the losses, never a point between two of them.

    Parameters
    ----------
    losses : (n,) array_like
        What happened, or may happen; large is bad.
    level : float
        :math:`\alpha` in (0, 1); 0.95 looks at the worst 5 %.
    weights : (n,) array_like, optional
        Probability of each loss, sum 1; equal by default.

    Returns
    -------
    float
        In the unit of the losses.

    Raises
    ------
    TypeError, ValueError
        If there is no loss, one is not finite, `level` is outside (0, 1) or `weights` is no distribution.

    References
    ----------
    Rockafellar, R. T. and Uryasev, S. (2002). Conditional value-at-risk for general loss distributions. Journal of
    Banking and Finance 26(7).

    Examples
    --------
    >>> value_at_risk([1, 2, 3, 4, 5, 6, 7, 8, 9, 50], level=0.9)
    9.0
    """
    x, reached, _ = _worst(losses, level, weights)
    return float(x[reached.argmax()])


def conditional_value_at_risk(
    losses: ArrayLike, level: float, weights: ArrayLike | None = None
) -> float:
    r"""Return the mean of the worst ``1 - level`` of the probability, also where that cuts an atom in two.

    .. math:: \mathrm{CVaR}_\alpha = \frac{1}{1 - \alpha} \int_\alpha^1 \mathrm{VaR}_p \, dp
              = \min_t \; t + \frac{E (L - t)_+}{1 - \alpha}

    A loss at the boundary counts with that part of its probability which belongs to the worst share, so this is
    not the mean of all losses from the value at risk up.  Also known as expected shortfall.

    Parameters
    ----------
    losses : (n,) array_like
        What happened, or may happen; large is bad.
    level : float
        :math:`\alpha` in (0, 1); 0.95 is the mean of the worst 5 %.
    weights : (n,) array_like, optional
        Probability of each loss, sum 1; equal by default.

    Returns
    -------
    float
        In the unit of the losses.

    Raises
    ------
    TypeError, ValueError
        If there is no loss, one is not finite, `level` is outside (0, 1) or `weights` is no distribution.

    References
    ----------
    Rockafellar, R. T. and Uryasev, S. (2002). Conditional value-at-risk for general loss distributions. Journal of
    Banking and Finance 26(7), Proposition 8.
    Acerbi, C. and Tasche, D. (2002). On the coherence of expected shortfall. Journal of Banking and Finance 26(7).

    Examples
    --------
    The worst 15 % of ten losses are the largest and half of the second largest.

    >>> round(conditional_value_at_risk([1, 2, 3, 4, 5, 6, 7, 8, 9, 50], level=0.85), 4)
    36.3333
    """
    x, _, share = _worst(losses, level, weights)
    # The few that count: the others would cost digits, and 0 times them nothing.
    counted = share > 0
    return float(x[counted] @ share[counted] / share[counted].sum())


def minimum_cvar_portfolio(
    returns: ArrayLike, level: float, target: float | None = None
) -> CVaRPortfolio:
    r"""Split one unit over several assets so that the mean of the worst losses is least.

    .. math:: \min_{w \ge 0,\ \sum w = 1} \mathrm{CVaR}_\alpha(-R w)
              = \max_q \min_j \sum_i q_i (-R_{ij}), \qquad 0 \le q_i \le \frac{1}{(1 - \alpha) n}, \ \sum q = 1

    The right-hand side is the linear program that is solved: the worst reweighting `q` of the scenarios against
    the best single asset.  It has one row per asset, not one per scenario, and its multipliers are the portfolio.

    Parameters
    ----------
    returns : (n, d) array_like
        Return of each asset in each of `n` equally likely scenarios.
    level : float
        :math:`\alpha` in (0, 1).
    target : float, optional
        Least mean return of the portfolio over the scenarios.

    Returns
    -------
    CVaRPortfolio
        The weights, the CVaR they reach, and its distance from the best possible.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or no portfolio reaches `target`.
    RuntimeError
        If the solver stops without an answer.

    References
    ----------
    Rockafellar, R. T. and Uryasev, S. (2000). Optimization of conditional value-at-risk. Journal of Risk 2(3).

    Examples
    --------
    Two assets that never fail together:

    >>> minimum_cvar_portfolio([[1, 1], [-3, 1], [1, -3], [1, 1]], level=0.75).weights.round(4)
    array([0.5, 0.5])
    """
    R = check_table("returns", returns)
    alpha = check_number("level", level, 0, 1, "()")
    n, d = R.shape
    means = (R / n).sum(axis=0)
    if target is not None:
        target = check_number("target", target)
        if target > means.max() + n * np.finfo(np.float64).eps * np.abs(R).max():
            raise ValueError(
                f"target must be at most the largest mean return {means.max():g}, got {target:g}"
            )
    unit = float(np.abs(R).max()) or 1.0
    # Unknown: q (n), the value v, and the multiplier of the target.
    rows = np.column_stack([R.T / unit, np.ones(d), means / unit])
    # Without a target its multiplier is held at zero.
    goal, free = (0.0, 0) if target is None else (min(target, means.max()), None)
    solved = linprog(
        np.concatenate([np.zeros(n), [-1.0, -goal / unit]]),
        A_ub=rows,
        b_ub=np.zeros(d),
        A_eq=np.concatenate([np.ones(n), [0.0, 0.0]])[None],
        b_eq=[1.0],
        bounds=[(0, 1 / ((1 - alpha) * n))] * n + [(None, None), (0, free)],
        method="highs",
    )
    if solved.status != 0:
        raise RuntimeError(f"the linear program was not solved: {solved.message}")
    weights = np.maximum(-solved.ineqlin.marginals, 0.0)
    weights /= weights.sum()
    reached = conditional_value_at_risk(-R @ weights, alpha)
    return CVaRPortfolio(weights, reached, reached + float(solved.fun) * unit)


def fit_generalized_pareto(losses: ArrayLike, threshold: float) -> TailFit:
    r"""Fit the generalised Pareto law to the excesses :math:`y = L - u` of the losses above a threshold.

    .. math:: P(Y > y) = (1 + \xi y / \sigma)^{-1/\xi}, \qquad \xi = \text{mean} \log(1 + \theta y), \
              \theta = \xi / \sigma

    The second equation holds at the greatest likelihood and leaves one unknown, whose stationary points are
    bracketed on a grid and solved for.  The likelihood is greatest over :math:`\xi \ge -1`, because below that it
    has no bound; the uniform law lies on the boundary.  Nothing is started from a guess.

    Parameters
    ----------
    losses : (n,) array_like
        All losses, those below the threshold as well: their number says how rare the tail is.
    threshold : float
        `u`; only losses strictly above it are fitted, and there must be ten.

    Returns
    -------
    TailFit
        For `tail_probability` and `tail_risk`.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than ten exceedances, a loss is not finite, or the excesses lie more than 1e300 apart.

    References
    ----------
    Pickands, J. (1975). Statistical inference using extreme order statistics. Annals of Statistics 3(1).
    Balkema, A. A. and de Haan, L. (1974). Residual life time at great age. Annals of Probability 2(5).
    Grimshaw, S. D. (1993). Computing maximum likelihood estimates for the generalized Pareto distribution.
    Technometrics 35(2).

    Examples
    --------
    The quantiles of an exponential law have a shape near zero:

    >>> losses = -np.log((np.arange(1000) + 0.5) / 1000)
    >>> fit = fit_generalized_pareto(losses, threshold=1.0)
    >>> fit.exceedances, round(fit.shape, 2), round(fit.scale, 2)
    (368, -0.01, 1.0)
    """
    x = real_array("losses", losses, (None,))
    u = check_number("threshold", threshold)
    with np.errstate(over="ignore"):
        y = x[x > u] - u
    k = len(y)
    if k < 10:
        raise ValueError(f"losses must exceed the threshold at least 10 times, got {k}")
    largest = float(y.max())
    if not np.isfinite(largest) or y.min() / largest < 1e-300:
        raise ValueError("losses must exceed the threshold by at most 1e300 times")
    z = y / largest
    # Where the profile can be stationary: 1 + theta z > 0, and above z's last
    # bound mean(1 / (1 + theta z)) (1 + shape) < 1 for certain.
    highest = 2 * (2 - np.log(z.min())) / z.min()
    four_a_decade = int(4 * np.log10(highest)) + 17
    near, far = np.geomspace(1e-10, 0.9, 24), np.geomspace(1e-4, highest, four_a_decade)
    grid = np.concatenate([near - 1, [-1e-2, -1e-4, 0.0], far])
    blocks = np.array_split(grid, 1 + len(grid) * k // 65536)  # to stay in the cache
    slopes = np.concatenate([_profile_slope(theta, z) for theta in blocks])
    # The corner: shape -1, and an end exactly at the largest loss.
    best = (-1.0, 1.0, 0.0)  # shape, scale, mean log-likelihood
    for i in np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0)):
        theta = brentq(_profile_slope, grid[i], grid[i + 1], (z,), 1e-15, 1e-14)
        shape = float(np.log1p(theta * z).mean())
        scale = shape / theta if theta else float(z.mean())
        height = -np.log(scale) - shape - 1
        if shape > -1 and height >= best[2]:
            best = (shape, scale, float(height))
    shape, unit, height = best
    return TailFit(
        threshold=u,
        shape=shape,
        scale=unit * largest,
        exceedances=k,
        samples=len(x),
        log_likelihood=k * (height - float(np.log(largest))),
        regular=shape > -0.5,
    )


def tail_probability(fit: TailFit, loss: ArrayLike) -> Floats:
    r"""Return the probability of a loss above `loss`, beyond the data if need be.

    .. math:: P(L > x) = \frac{k}{n} \Big(1 + \xi \frac{x - u}{\sigma}\Big)^{-1/\xi}

    Parameters
    ----------
    fit : TailFit
        Of `k` exceedances among `n` losses.
    loss : array_like of any shape
        `x`, at or above the threshold.

    Returns
    -------
    ndarray of the shape of `loss`
        Zero beyond the end of a tail with negative shape: the fit calls that impossible, and may be wrong.

    Raises
    ------
    TypeError, ValueError
        If `fit` is no fit, or a loss lies below its threshold, where it says nothing.

    References
    ----------
    McNeil, A. J., Frey, R. and Embrechts, P. (2015). Quantitative Risk Management. Section 5.2.

    Examples
    --------
    >>> fit = TailFit(10.0, 0.5, 2.0, exceedances=100, samples=1000, log_likelihood=0.0, regular=True)
    >>> tail_probability(fit, [10, 14, 50])
    array([0.1       , 0.025     , 0.00082645])
    """
    _check_fit(fit)
    x = real_array("loss", loss)
    if x.size and x.min() < fit.threshold:
        raise ValueError(
            f"loss must be at or above the threshold {fit.threshold:g}, got {x.min():g}"
        )
    with np.errstate(over="ignore", divide="ignore"):
        y = (x - fit.threshold) / fit.scale
        inside = np.maximum(fit.shape * y, -1.0)
        power = np.log1p(inside) / fit.shape if abs(fit.shape) > 1e-300 else y
        return np.asarray(fit.exceedances / fit.samples * np.exp(-power))


def tail_risk(fit: TailFit, level: ArrayLike) -> TailRisk:
    r"""Return value at risk and conditional value at risk of a fitted tail.

    .. math:: \mathrm{VaR}_\alpha = u + \frac{\sigma}{\xi} \Big(\Big(\frac{n}{k} (1 - \alpha)\Big)^{-\xi} - 1\Big),
              \qquad \mathrm{CVaR}_\alpha = \frac{\mathrm{VaR}_\alpha + \sigma - \xi u}{1 - \xi}

    Parameters
    ----------
    fit : TailFit
        Of `k` exceedances among `n` losses.
    level : array_like of any shape
        :math:`\alpha` from ``1 - k / n``, where the tail begins, to below 1.

    Returns
    -------
    TailRisk
        Two arrays of the shape of `level`, in the unit of the losses.

    Raises
    ------
    TypeError, ValueError
        If `fit` is no fit, or a level lies outside the tail.

    References
    ----------
    McNeil, A. J. and Frey, R. (2000). Estimation of tail-related risk measures for heteroscedastic financial time
    series: an extreme value approach. Journal of Empirical Finance 7(3-4), Section 2.

    Examples
    --------
    >>> fit = TailFit(10.0, 0.5, 2.0, exceedances=100, samples=1000, log_likelihood=0.0, regular=True)
    >>> tail_risk(fit, 0.999)
    TailRisk(var=array(46.), cvar=array(86.))
    """
    _check_fit(fit)
    alpha = real_array("level", level)
    share = fit.exceedances / fit.samples
    rounding = 4 * np.finfo(np.float64).eps
    if alpha.size and not (1 - share - rounding <= alpha.min() <= alpha.max() < 1):
        raise ValueError(
            f"level must lie in [{1 - share:g}, 1), the tail, "
            f"got values from {alpha.min():g} to {alpha.max():g}"
        )
    depth = np.maximum(np.log(share) - np.log1p(-alpha), 0.0)
    with np.errstate(over="ignore"):
        steep = np.expm1(fit.shape * depth)
        excess = steep / fit.shape if abs(fit.shape) > 1e-300 else depth
        var = fit.threshold + fit.scale * excess
        # The mean excess over the value at risk: scale + shape * excess, of 1 - shape.
        left = 1 - fit.shape
        beyond = fit.scale * (1 + steep) / left if left > 0 else np.inf
    return TailRisk(np.asarray(var), np.asarray(var + beyond))


def _worst(
    losses: ArrayLike, level: float, weights: ArrayLike | None
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Losses in order; which have the level at or below them; how much of each belongs to the worst share."""
    x = real_array("losses", losses, (None,))
    alpha = check_number("level", level, 0, 1, "()")
    if len(x) == 0:
        raise ValueError("losses must hold at least one loss, got none")
    rounding = 4 * float(np.finfo(np.float64).eps)
    if weights is None:
        x, n = np.sort(x), len(x)
        w = np.full(n, 1 / n)
        # Whole numbers over n, so that 0.95 of a hundred is the ninety-fifth.
        up_to, above = np.arange(1, n + 1) / n, np.arange(n)[::-1] / n
    else:
        w = real_array("weights", weights, x.shape)
        rounding *= len(x)
        if w.min() < 0 or abs(w.sum() - 1) > rounding:
            raise ValueError(
                "weights must be non-negative and sum to 1, "
                f"got {w.min():g} as the least and {w.sum():.12g} as the sum"
            )
        order = np.argsort(x, kind="stable")
        x, w = x[order], w[order]
        up_to = np.cumsum(w)
        above = np.append(np.cumsum(w[:0:-1])[::-1], 0.0)
    share = np.clip((1 - alpha) - above, 0.0, w)
    reached = (up_to >= alpha - rounding) & (w > 0)
    return x, reached, share


def _profile_slope(theta: ArrayLike, z: Floats) -> Floats:
    """Derivative of the profile log-likelihood -log(shape / theta) - shape by theta."""
    theta = np.asarray(theta, dtype=np.float64)
    mean = z.mean()
    product = theta[..., None] * z
    logs = np.log1p(product)
    part = product / (1 + product)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (logs - part).mean(axis=-1) / logs.mean(axis=-1)
        slope = (ratio - part.mean(axis=-1)) / theta
    return np.where(theta == 0, (z @ z) / (2 * len(z) * mean) - mean, slope)  # type: ignore[no-any-return]


def _check_fit(fit: TailFit) -> None:
    """Refuse what `fit_generalized_pareto` cannot have made."""
    if not isinstance(fit, TailFit):
        raise TypeError(f"fit must be a TailFit, got {type(fit).__name__}")
    real_array("fit", fit, (len(fit),))
    if fit.scale <= 0 or not 1 <= fit.exceedances <= fit.samples:
        raise ValueError(
            f"fit must have a positive scale and 1 to {fit.samples} exceedances, "
            f"got {fit.scale:g} and {fit.exceedances}"
        )
