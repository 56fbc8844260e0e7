r"""Redundancy: voting, `k` of `n`, the mean time to failure with and without repair, and checkpoints.

Spare parts and a way back are the two oldest answers to a part that fails.  How much they help is a matter of
counting: how many of `n` independent parts still work is binomial, how long a system lives is the time that a
Markov chain takes to reach its failed states, and how often a computation should save its state is the minimum
of one function.  Each is exact as long as the parts fail independently of one another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, exprel, lambertw

from companion.checks import (
    check_integer,
    check_number,
    check_probability,
    real_array,
)

__all__ = [
    "checkpoint_interval",
    "checkpointed_time",
    "k_of_n_reliability",
    "mean_time_to_failure",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def k_of_n_reliability(r: ArrayLike, k: int, n: int) -> Floats:
    r"""Return the probability that at least `k` of `n` independent components work.

    .. math:: R = \sum_{j=k}^{n} \binom{n}{j} r^j (1 - r)^{n-j} = I_r(k, n - k + 1)

    The regularised incomplete beta function :math:`I` is the same sum without its large coefficients, so it
    holds for millions of components.

    Parameters
    ----------
    r : array_like of any shape
        Probability that one component works.
    k, n : int
        How many must work, ``1 <= k <= n``, of how many.  A series system is ``k = n``, a parallel one
        ``k = 1``, triple modular redundancy 2 of 3.

    Returns
    -------
    ndarray of the shape of `r`
        Probability that the system works.

    Raises
    ------
    TypeError, ValueError
        If `r` leaves [0, 1], or `k` or `n` is out of range.

    References
    ----------
    Barlow, R. E. and Proschan, F. (1965). Mathematical Theory of Reliability.

    Examples
    --------
    >>> k_of_n_reliability([0.5, 0.9], k=2, n=3)
    array([0.5  , 0.972])
    """
    r = check_probability("r", r)
    n = check_integer("n", n, 1)
    k = check_integer("k", k, 1, n)
    return np.asarray(betainc(k, n - k + 1, r))


def mean_time_to_failure(generator: ArrayLike, failed: ArrayLike) -> Floats:
    r"""Return the expected time until a Markov chain first fails, from every state.

    With the generator `Q` restricted to the working states, the times solve :math:`-Q\,t = \mathbf{1}`.  States
    are eliminated one after the other without a single subtraction, so every digit is right however far apart
    the rates are; an ordinary linear solve loses them all where repair is 1e15 times as fast as failure.

    Parameters
    ----------
    generator : (S, S) array_like
        Rates per unit of time: off the diagonal non-negative, the diagonal minus the sum of its row.  For a
        chain in steps put the probabilities off the diagonal; the time is then in steps.
    failed : (S,) array_like of bool
        The failed states.

    Returns
    -------
    (S,) ndarray
        In the unit of time of the rates; zero in failed states, ``inf`` where the chain may never fail.

    Raises
    ------
    TypeError, ValueError
        If `generator` is no generator, `failed` no mask of its states, or a finite time too long for float64.

    References
    ----------
    Norris, J. R. (1997). Markov Chains. Theorem 3.3.3.
    Grassmann, W. K., Taksar, M. I. and Heyman, D. P. (1985). Regenerative analysis and steady state
    distributions for Markov chains. Operations Research 33(5).

    Examples
    --------
    Two of three must work; each fails at rate 1 and there is no repair: 1/3 + 1/2.

    >>> mean_time_to_failure([[-3, 3, 0], [0, -2, 2], [0, 0, 0]], [False, False, True]).round(4)
    array([0.8333, 0.5   , 0.    ])
    """
    Q = real_array("generator", generator)
    mask = np.asarray(failed)
    if Q.ndim != 2 or Q.shape[0] != Q.shape[1]:
        raise ValueError(f"generator must be a square matrix, got shape {Q.shape}")
    if len(Q) == 0:
        raise ValueError("generator must have at least one state, got none")
    if mask.dtype != np.bool_ or mask.shape != Q.shape[:1]:
        raise ValueError(
            f"failed must be {len(Q)} booleans, got {mask.dtype} of shape {mask.shape}"
        )
    # Each row by its own largest rate: rows may lie 1e300 apart.
    scale = np.abs(Q).max(axis=1)
    rows = Q / np.where(scale > 0, scale, 1.0)[:, None]
    rates = rows - np.diag(np.diag(rows))
    wrong = np.abs(rows.sum(axis=1)) > 4 * np.finfo(np.float64).eps * len(Q)
    wrong |= (rates < 0).any(axis=1)
    if wrong.any():
        raise ValueError(
            "generator must have non-negative rates off its diagonal and, on it, minus their sum; "
            f"row {wrong.argmax()} has not"
        )
    # Failure is not certain from states that cannot reach it, nor from those
    # that can slip into one of them before failing.
    moves = (Q > 0) & ~np.eye(len(Q), dtype=bool)
    safe = ~_reaching(moves, mask)
    certain = ~_reaching(moves & ~mask[:, None], safe) & ~mask
    inner = np.ix_(certain, certain)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        once = 1 / scale[certain]  # the unit of time of each row
        times = _eliminated(rates[inner], rates[certain][:, mask].sum(axis=1), once)
    if not np.isfinite(times).all():
        raise ValueError("generator must have mean times below 1e308, got a longer one")
    time = np.where(mask, 0.0, np.inf)
    time[certain] = times
    return time


def checkpoint_interval(cost: float, mtbf: float) -> float:
    r"""Return the computing time between two checkpoints that minimises the expected total time.

    .. math:: \tau^* = M \big(1 + W(-e^{-1 - \delta / M})\big)

    with Lambert's `W`, the optimum of `checkpointed_time`.  Young's :math:`\sqrt{2 \delta M}` is its limit for
    :math:`\delta \ll M`.

    Parameters
    ----------
    cost : float
        Time :math:`\delta` that writing one checkpoint takes, positive.
    mtbf : float
        Mean time `M` between failures, in the same unit, positive.

    Returns
    -------
    float
        The interval, in the same unit, checkpoint not included.

    Raises
    ------
    TypeError, ValueError
        If an argument is no positive number.

    References
    ----------
    Daly, J. T. (2006). A higher order estimate of the optimum checkpoint interval for restart dumps. Future
    Generation Computer Systems 22(3).
    Corless, R. M. et al. (1996). On the Lambert W function. Advances in Computational Mathematics 5.

    Examples
    --------
    Five minutes for a checkpoint, one failure a day:

    >>> round(checkpoint_interval(cost=5, mtbf=24 * 60), 3)
    116.69
    """
    cost = check_number("cost", cost, 0, ends="()")
    mtbf = check_number("mtbf", mtbf, 0, ends="()")
    q = np.sqrt(2) * np.sqrt(cost) / np.sqrt(mtbf)
    if q < 0.1:
        # 1 + W(-exp(-1 - q^2/2)) around the branch point, where W itself cancels.
        series = [-571 / 2351462400, -1 / 204120, -139 / 5443200, -1 / 17010]
        series += [1 / 4320, 1 / 270, 1 / 36, -1 / 3, 1.0, 0.0]
        return float(mtbf * np.polyval(series, q))
    with np.errstate(over="ignore"):
        return float(mtbf * (1 + lambertw(-np.exp(-1 - cost / mtbf)).real))


def checkpointed_time(
    interval: ArrayLike, cost: float, mtbf: float, restart: float = 0.0
) -> Floats:
    r"""Return the expected time that one unit of work takes with checkpoints and rollback.

    Failures arrive at rate :math:`1/M`, also during checkpoints and restarts, and lose what came after the last
    checkpoint:

    .. math:: T(\tau) = M e^{R/M} \, \frac{e^{(\tau + \delta)/M} - 1}{\tau}

    Parameters
    ----------
    interval : array_like of any shape
        Computing time :math:`\tau` between checkpoints, positive.
    cost, mtbf, restart : float
        Time :math:`\delta` of a checkpoint, mean time `M` between failures, time `R` to restart, in one unit.

    Returns
    -------
    ndarray of the shape of `interval`
        Time per unit of useful work; 1 would be no loss at all.

    Raises
    ------
    TypeError, ValueError
        If `interval`, `cost` or `mtbf` is not positive, `restart` negative, or the time too long for float64.

    References
    ----------
    Daly, J. T. (2006). A higher order estimate of the optimum checkpoint interval for restart dumps. Future
    Generation Computer Systems 22(3).

    Examples
    --------
    >>> checkpointed_time([30, 120, 480], cost=5, mtbf=24 * 60, restart=10).round(4)
    array([1.1892, 1.0958, 1.2098])
    """
    tau = real_array("interval", interval)
    if tau.size and tau.min() <= 0:
        raise ValueError(f"interval must be positive, got {tau.min():g}")
    cost = check_number("cost", cost, 0, ends="()")
    mtbf = check_number("mtbf", mtbf, 0, ends="()")
    restart = check_number("restart", restart, 0)
    with np.errstate(over="ignore"):
        # exprel(x) is (e^x - 1) / x, and 1 where x is too small to be told from 0.
        time = np.exp(restart / mtbf) * exprel((tau + cost) / mtbf) * (1 + cost / tau)
    if not np.isfinite(time).all():
        raise ValueError(
            "interval must keep the expected time below 1e308, it does not"
        )
    return np.asarray(time)


def _eliminated(
    rates: Floats, failing: Floats, once: Floats, width: int = 24
) -> Floats:
    """Mean times by elimination without subtraction (Grassmann, Taksar and Heyman 1985)."""
    m = len(rates)
    total = (rates.sum(axis=1) + failing)[:, None]
    # Each row: chance of the next state, chance to fail next, time until then.
    a = np.column_stack([rates, failing, once]) / total
    for start in range(0, m, width):
        stop = min(start + width, m)
        for i in range(start, stop):
            # Where next, given that it is neither i nor a state before it.
            left = a[i, i + 1 : m + 1].sum()
            if left < np.finfo(np.float64).tiny:  # its digits have been lost
                return np.full(m, np.inf)
            a[i, i + 1 :] /= left
            a[i + 1 : stop, i + 1 :] += np.outer(a[i + 1 : stop, i], a[i, i + 1 :])
            a[stop:, i + 1 : stop] += np.outer(a[stop:, i], a[i, i + 1 : stop])
        a[stop:, stop:] += a[stop:, start:stop] @ a[start:stop, stop:]
    time: Floats = a[:, m + 1].copy()
    for i in reversed(range(m)):
        time[i] += a[i, i + 1 : m] @ time[i + 1 :]
    return time


def _reaching(moves: Mask, targets: Mask) -> Mask:
    """The states from which some of `targets` can be reached; those included."""
    reached, count = targets, -1
    while reached.sum() > count:
        count = reached.sum()
        reached = reached | moves[:, reached].any(axis=1)
    return reached
