r"""When two rewards are the same: canonical rewards and the EPIC distance.

Two rewards ask for the same if one becomes the other by potential-based shaping and a positive scale, because
neither changes which policies are best, in any process.  The **canonical reward** is what shaping leaves alone:
with states `S`, `S'` and an action `A` drawn independently of one another from given distributions,

.. math:: C(R)(s, a, s') = R(s, a, s')
          + \mathbb{E}\big[\gamma R(s', A, S') - R(s, A, S') - \gamma R(S, A, S')\big].

It shapes `R` by the potential :math:`m(s) = \mathbb{E}\, R(s, A, S')`, what a step from `s` pays on average, and
takes a constant off.  The **EPIC distance** is the distance of two canonical rewards after
each has been centred and scaled to length one under a coverage distribution of transitions.  It needs rewards of
transitions, :math:`R(s, a, s')`: their means over `s'`, :math:`r(s, a)`, no longer tell shaping from substance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.checks import check_number, check_stochastic, real_array

__all__ = ["canonical_reward", "epic_distance"]

Floats = NDArray[np.float64]


def canonical_reward(
    reward: ArrayLike,
    discount: float,
    states: ArrayLike | None = None,
    actions: ArrayLike | None = None,
) -> Floats:
    r"""Return the canonically shaped reward, the same for all rewards that differ by shaping.

    .. math:: C(R)(s, a, s') = R(s, a, s') + \gamma\, m(s') - m(s) - \gamma \sum_{u} \mu(u)\, m(u),
              \qquad m(s) = \sum_{a, s'} \nu(a)\, \mu(s')\, R(s, a, s')

    Parameters
    ----------
    reward : (S, A, S) array_like
        :math:`R(s, a, s')`, of every transition, also of those that the process never makes; up to 1e300.
    discount : float
        :math:`\gamma`, ``0 <= discount <= 1``.
    states : (S,) array_like, optional
        Distribution :math:`\mu` of the states in the expectation; uniform by default.
    actions : (A,) array_like, optional
        Distribution :math:`\nu` of the actions in it; uniform by default.

    Returns
    -------
    (S, A, S) ndarray
        In units of reward.  Shaping and constants do not change it, a scale scales it.

    Raises
    ------
    TypeError, ValueError
        If `reward` is no such table, or a distribution does not fit it.

    References
    ----------
    Gleave, A., Dennis, M., Legg, S., Russell, S. and Leike, J. (2021). Quantifying differences in reward
    functions. ICLR. Definition 4.1.

    Examples
    --------
    A reward that is nothing but shaping is nothing.

    >>> phi = np.array([3.0, -1.0])
    >>> shaping = np.broadcast_to(0.5 * phi - phi[:, None, None], (2, 1, 2))
    >>> np.abs(canonical_reward(shaping, discount=0.5)).max()
    np.float64(0.0)
    """
    R = _transitions("reward", reward)
    gamma = check_number("discount", discount, 0, 1)
    mu = _distribution("states", states, len(R))
    nu = _distribution("actions", actions, R.shape[1])
    return _canonical(R, gamma, mu, nu)


def epic_distance(
    reward: ArrayLike,
    other: ArrayLike,
    discount: float,
    *,
    coverage: ArrayLike | None = None,
    states: ArrayLike | None = None,
    actions: ArrayLike | None = None,
) -> float:
    r"""Return the EPIC distance of two rewards, from 0 (the same) to 1 (opposite).

    With :math:`\rho` the correlation of the two canonical rewards under the coverage distribution,

    .. math:: d = \sqrt{\frac{1 - \rho}{2}} = \frac12 \sqrt{\mathbb{E}\,(X - Y)^2},

    where `X` and `Y` are the canonical rewards with mean 0 and variance 1.  The second form is computed, because
    :math:`1 - \rho` loses half of the digits of a small distance.

    Parameters
    ----------
    reward, other : (S, A, S) array_like
        :math:`R(s, a, s')`, of every transition; up to 1e300.
    discount : float
        :math:`\gamma` of the shaping that is to count as nothing, ``0 <= discount <= 1``.
    coverage : (S, A, S) array_like, optional
        Distribution of the transitions on which the rewards are compared, sum 1; by default that of independent
        draws from `states`, `actions` and `states`.
    states : (S,) array_like, optional
        Distribution of the states in the canonical reward; uniform by default.
    actions : (A,) array_like, optional
        Distribution of the actions in it; uniform by default.

    Returns
    -------
    float
        A pseudometric.  Where all three distributions leave nothing out, it is 0 exactly if one reward is a
        positive multiple of the other plus shaping.

    Raises
    ------
    TypeError, ValueError
        If a table or a distribution does not fit, or a canonical reward is constant where it is compared: then
        it asks for nothing, and has no distance to anything.

    References
    ----------
    Gleave, A., Dennis, M., Legg, S., Russell, S. and Leike, J. (2021). Quantifying differences in reward
    functions. ICLR. Definitions 4.1 to 4.3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> R, phi = rng.standard_normal((4, 2, 4)), rng.standard_normal(4)
    >>> same = 3.7 * R + 0.9 * phi - phi[:, None, None] + 5
    >>> round(epic_distance(R, same, 0.9), 12), round(epic_distance(R, -R, 0.9), 12)
    (0.0, 1.0)
    """
    first, second = _transitions("reward", reward), _transitions("other", other)
    if first.shape != second.shape:
        raise ValueError(
            f"other must have the shape of reward, {first.shape}, got {second.shape}"
        )
    gamma = check_number("discount", discount, 0, 1)
    mu = _distribution("states", states, len(first))
    nu = _distribution("actions", actions, first.shape[1])
    weight: Floats = mu[:, None, None] * nu[:, None] * mu
    if coverage is not None:
        table = real_array("coverage", coverage, first.shape)
        weight = check_stochastic("coverage", table.ravel()).reshape(first.shape)
    x = _standardised("reward", first, gamma, mu, nu, weight)
    x -= _standardised("other", second, gamma, mu, nu, weight)
    return min(0.5 * float(np.sqrt(np.vdot(weight, x * x))), 1.0)


def _canonical(R: Floats, gamma: float, mu: Floats, nu: Floats) -> Floats:
    """The canonical reward of a table that has been checked."""
    m = (R @ mu) @ nu
    shaped: Floats = R - m[:, None, None]
    shaped += gamma * (m - mu @ m)
    return shaped


def _standardised(
    name: str, R: Floats, gamma: float, mu: Floats, nu: Floats, weight: Floats
) -> Floats:
    """The canonical reward with mean 0 and variance 1 under the weights."""
    # In units of the largest reward, so that no square leaves float64.
    size = np.abs(R).max()
    x = _canonical(R / (size or 1.0), gamma, mu, nu)
    x -= np.vdot(weight, x)
    deviation = float(np.sqrt(np.vdot(weight, x * x)))
    # Of numbers up to 1, the sums over a, s' and over all transitions lose at most
    # this; what varies by less does not vary.
    if deviation <= 4 * x.size * np.finfo(np.float64).eps:
        raise ValueError(
            f"{name} must ask for something: its canonical reward is constant where it is compared"
        )
    x /= deviation
    return x


def _transitions(name: str, value: ArrayLike) -> Floats:
    """A table of rewards of transitions, checked."""
    table = real_array(name, value)
    if table.ndim != 3 or table.shape[0] != table.shape[2] or 0 in table.shape:
        raise ValueError(
            f"{name} must have shape (S, A, S), a number for each transition and not their mean, "
            f"got {table.shape}"
        )
    if (largest := np.abs(table).max()) > 1e300:
        raise ValueError(f"{name} must stay below 1e300, got {largest:g}")
    return table


def _distribution(name: str, value: ArrayLike | None, count: int) -> Floats:
    """A distribution over `count` things, uniform if none is given."""
    if value is None:
        return np.full(count, 1 / count)
    return check_stochastic(name, real_array(name, value, (count,)))
