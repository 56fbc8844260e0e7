r"""The constrained optimum: the best policy within a limit, by linear program, and the price of the limit.

A **constrained Markov decision process** has, beside its reward `r`, a cost `c` and a limit `d` on how much of it
a policy may spend.  With the discounted sums :math:`J_r` and :math:`J_c` from the first state on,

.. math:: \max_\pi \; J_r(\pi) \quad \text{subject to} \quad J_c(\pi) \le d.

Both sums are linear in the occupancy, so the problem is a linear program.  Its dual variable :math:`\lambda`, the
**multiplier**, is the price of the cost at which the limit is just kept:

.. math:: \min_{\lambda \ge 0} \; \max_\pi \; J_r(\pi) - \lambda\, \big(J_c(\pi) - d\big).

The best policy is random in at most one state per limit.  Drawing one of two policies without randomness at the
start of each episode does the same, with other probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.optimize import linprog

from companion.checks import check_number, check_stochastic, real_array
from companion.mdp import (
    MDP,
    action_values,
    occupancy,
    policy_iteration,
    policy_probabilities,
)

__all__ = [
    "ConstrainedOptimum",
    "constrained_optimum",
    "deterministic_mixture",
    "dual_value",
    "hazard_grid",
    "penalised",
]

Floats = NDArray[np.float64]
TOLERANCE = 1e-10  # of HiGHS, relative to the largest number: the least that it offers


@dataclass(frozen=True, eq=False)
class ConstrainedOptimum:
    """The best policy within limits, and its certificate.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
    >>> optimum = constrained_optimum(mdp, cost=[[0, 1]], limit=0.5, start=[1])
    >>> optimum.policy, round(optimum.bound, 9)
    (array([[0.75, 0.25]]), 1.1)
    """

    policy: Floats  # (S, A) probabilities, random in at most one state per limit
    occupancy: Floats  # (S, A) discounted visits of it
    value: float  # discounted reward from the start
    cost: Any  # discounted cost, one for each limit
    multiplier: (
        Any  # what one more unit of each limit is worth; unique only off breakpoints
    )
    bound: float  # no policy within the limits has a larger value


def constrained_optimum(
    mdp: MDP, cost: ArrayLike, limit: ArrayLike, start: ArrayLike
) -> ConstrainedOptimum:
    r"""Return the best policy whose discounted costs stay within limits, by linear program.

    Over occupancies :math:`d(s, a) \ge 0`,

    .. math:: \max \sum_{s, a} d(s, a)\, r(s, a) \quad \text{subject to} \quad
              \sum_a d(s', a) - \gamma \sum_{s, a} P(s' \mid s, a)\, d(s, a) = \mu(s'), \qquad
              \sum_{s, a} d(s, a)\, c_k(s, a) \le d_k.

    The dual simplex method ends in a vertex.  A vertex has at most S + K positive entries for K limits, and each
    visited state needs one of the S: the policy is random in at most K states.

    Parameters
    ----------
    mdp : MDP
        The process with its reward.
    cost : (S, A) or (K, S, A) array_like
        Expected cost per step, or several costs.
    limit : float or (K,) array_like
        Most that the discounted sum of each cost may be, from the start on.
    start : (S,) array_like
        The distribution :math:`\mu` of the first state.

    Returns
    -------
    ConstrainedOptimum
        `cost` and `multiplier` have the shape of `limit`.  Where the policy never comes its action is a guess,
        because no limit depends on it.  The costs keep the limits up to the solver's tolerance, 1e-10 of the
        largest cost times the horizon.  At a breakpoint, where the best policy is nowhere random and just spends
        the limit, the multiplier is one of many.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit, a number is not finite, `start` is no distribution, or no policy keeps the
        limits: the message says the smallest feasible one.
    RuntimeError
        If the linear program's solver (HiGHS) gives up.

    References
    ----------
    Kallenberg, L. C. M. (1983). Linear Programming and Finite Markovian Control Problems. Mathematical Centre
    Tracts 148.
    Altman, E. (1999). Constrained Markov Decision Processes. Chapman and Hall. Chapter 3.

    Examples
    --------
    One state for ever: the short way earns 1 and costs 1, the long way earns 0.4.  With discount 0.5 a cost of 1
    in every step sums to 2, so a limit of 0.5 lets one step in four go the short way.

    >>> mdp = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
    >>> optimum = constrained_optimum(mdp, cost=[[0, 1]], limit=0.5, start=[1])
    >>> optimum.policy, float(optimum.multiplier)
    (array([[0.75, 0.25]]), 0.6)
    """
    costs, limits, mu = _checked(mdp, cost, limit, start)
    program, units = _program(mdp, costs, limits, mu)
    answer = linprog(**program)
    if answer.status == 2:
        least = limits + _least_excess(program) * units[1:] / (1 - mdp.discount)
        # Rounded up, so that what is named can be kept.
        named = ", ".join(f"{x:.10g}" for x in least + 1e-9 * np.abs(least))
        raise ValueError(
            f"limit must be feasible, got {np.asarray(limit)}: the smallest feasible is {named}"
        )
    if answer.status != 0:
        raise RuntimeError(f"the linear program was not solved: {answer.message}")
    prices = np.maximum(-answer.ineqlin.marginals, 0.0) * units[0] / units[1:]
    share = np.zeros(mdp.reward.size)  # of all visits
    share[np.isfinite(mdp.reward).ravel()] = answer.x
    share = np.where(share > TOLERANCE, share, 0.0).reshape(mdp.reward.shape)
    total = share.sum(axis=1)
    priced = _priced(mdp, costs, prices)
    value = -answer.eqlin.marginals * units[0]  # of each state, at these prices
    policy = np.eye(mdp.actions)[action_values(priced, value).argmax(axis=1)]
    policy[total > 0] = share[total > 0] / total[total > 0, None]
    d = occupancy(mdp, policy, mu)
    shape = np.shape(limit)
    return ConstrainedOptimum(
        policy,
        d,
        _paid(mdp, d),
        (costs * d).sum(axis=(1, 2)).reshape(shape)[()],
        prices.reshape(shape)[()],
        float(mu @ _at_most(priced, value) + prices @ limits),
    )


def dual_value(
    mdp: MDP,
    cost: ArrayLike,
    limit: ArrayLike,
    multiplier: ArrayLike,
    start: ArrayLike,
) -> float:
    r"""Return the dual function: what the best policy earns if the cost has a price and the limit is paid out.

    .. math:: g(\lambda) = \max_\pi \; J_r(\pi) - \lambda\, \big(J_c(\pi) - d\big)

    For any :math:`\lambda \ge 0` no policy within the limit earns more than that, and the least of these bounds
    is what the best of them earns.

    Parameters
    ----------
    mdp : MDP
        The process with its reward.
    cost : (S, A) or (K, S, A) array_like
        Expected cost per step, or several costs.
    limit, multiplier : float or (K,) array_like
        The limit `d` of each discounted cost, and its price :math:`\lambda`, not negative.
    start : (S,) array_like
        The distribution of the first state.

    Returns
    -------
    float
        An upper bound, exact up to the rounding of one linear solve, which it includes.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit, a number is not finite, or a price is negative.

    References
    ----------
    Altman, E. (1999). Constrained Markov Decision Processes. Chapman and Hall. Chapter 3.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
    >>> [round(dual_value(mdp, [[0, 1]], 0.5, price, [1]), 3) for price in (0.3, 0.6, 0.9)]
    [1.55, 1.1, 1.25]
    """
    costs, limits, mu = _checked(mdp, cost, limit, start)
    prices = real_array("multiplier", multiplier, np.shape(limit)).reshape(-1)
    if prices.min() < 0:
        raise ValueError(f"multiplier must not be negative, got {prices.min():g}")
    best = policy_iteration(_priced(mdp, costs, prices))
    return float(mu @ best.upper + prices @ limits)


def penalised(mdp: MDP, cost: ArrayLike, weight: float) -> MDP:
    r"""Return the process whose reward is :math:`r - w\,c`: a weight instead of a limit.

    Parameters
    ----------
    mdp : MDP
        The process with its reward.
    cost : (S, A) array_like
        Expected cost per step.
    weight : float
        The price `w` of one unit of cost.

    Returns
    -------
    MDP
        For any solver.

    Raises
    ------
    TypeError, ValueError
        If `cost` has the wrong shape or a number is not finite.

    Examples
    --------
    The long way earns 0.4 and the short way 1, at a cost: no weight goes the short way one time in four.

    >>> mdp = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
    >>> [int(policy_iteration(penalised(mdp, [[0, 1]], w)).policy[0]) for w in (0.59, 0.61)]
    [1, 0]
    """
    costs = real_array("cost", cost, mdp.reward.shape)[None]
    return _priced(mdp, costs, np.array([check_number("weight", weight)]))


def deterministic_mixture(
    mdp: MDP, policy: ArrayLike, start: ArrayLike
) -> tuple[Floats, NDArray[np.int64]]:
    r"""Return policies without randomness, and how often to draw each *per episode*, that together visit the same.

    Let :math:`\pi` be random in the state `s`, and :math:`\pi_a` the same policy with action `a` there.  Then

    .. math:: d_\pi = \sum_a w_a\, d_{\pi_a}, \qquad
              w_a = \pi(a \mid s)\, \frac{d_\pi(s)}{d_{\pi_a}(s)},

    so that reward and costs of the mixture, drawn once at the start of an episode, are those of :math:`\pi`,
    drawn anew at each visit.  The weights are the probabilities only if all :math:`\pi_a` visit `s` equally often.

    Parameters
    ----------
    mdp : MDP
        The process.
    policy : (S, A) array_like
        Probabilities, random in a few of the visited states.
    start : (S,) array_like
        The distribution of the first state.

    Returns
    -------
    weights : (M,) ndarray
        Probability of each policy; they sum to 1.
    policies : (M, S) ndarray of integers
        An action per state.  A state that is never visited takes the likeliest action.

    Raises
    ------
    TypeError, ValueError
        If `policy` or `start` has the wrong shape or is no distribution, or there would be over 1024 policies.

    References
    ----------
    Feinberg, E. A. and Rothblum, U. G. (2012). Splitting randomized stationary policies in total-reward Markov
    decision processes. Mathematics of Operations Research 37(1), 129-153.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
    >>> deterministic_mixture(mdp, [[0.75, 0.25]], start=[1])
    (array([0.75, 0.25]), array([[0],
           [1]]))
    """
    probability = policy_probabilities(mdp, policy).copy()
    visits = occupancy(mdp, probability, start).sum(axis=1)
    likeliest = probability.argmax(axis=1)
    probability[visits == 0] = np.eye(mdp.actions)[likeliest[visits == 0]]
    random = np.flatnonzero((probability > 0).sum(axis=1) > 1)
    if (probability > 0).sum(axis=1, dtype=float).prod() > 1024:
        raise ValueError(
            f"policy must be random in few visited states, got {random.size}"
        )
    parts = [(1.0, probability)]
    for s in random:
        split = []
        for weight, pi in parts:
            here = occupancy(mdp, pi, start)[s].sum()
            for a in np.flatnonzero(pi[s]) if here > 0 else [likeliest[s]]:
                fixed = pi.copy()
                fixed[s] = np.eye(mdp.actions)[a]
                there = occupancy(mdp, fixed, start)[s].sum()
                share = pi[s, a] * here / there if here > 0 else 1.0
                split.append((weight * share, fixed))
        parts = split
    weights, policies = zip(*parts, strict=True)
    return np.array(weights), np.array(policies).argmax(axis=2)


def hazard_grid(
    slip: float = 0.1, discount: float = 0.95
) -> tuple[MDP, Floats, Floats]:
    """Return a grid whose short way leads through a hazard and whose long way leads around it.

    ::

        . . . . .
        . . . . .
        . . H . .
        S . H . G
        . . H . .

    State ``5 * row + column``, actions up, right, down, left.  A step goes to either side of the wanted direction
    with probability `slip` in all; walls hold the walker.  Reaching the goal pays 1 and ends the walk; every step
    taken from a hazard costs 1.

    Parameters
    ----------
    slip : float
        Probability of a step to the side.
    discount : float
        Worth of a reward, and weight of a cost, one step later.

    Returns
    -------
    mdp : MDP
        25 states, 4 actions.
    cost : (25, 4) ndarray
        Cost per step.
    start : (25,) ndarray
        The distribution of the first state: all in S.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Examples
    --------
    >>> mdp, cost, start = hazard_grid()
    >>> mdp.states, cost[:, 0].nonzero()[0], start.argmax()
    (25, array([12, 17, 22]), np.int64(15))
    """
    chance = check_number("slip", slip, 0, 1)
    row, column = np.divmod(np.arange(25), 5)
    moves = ((-1, 0), (0, 1), (1, 0), (0, -1))
    after = np.stack(
        [5 * np.clip(row + d, 0, 4) + np.clip(column + r, 0, 4) for d, r in moves],
        axis=1,
    )  # (25, 4)
    transition = np.zeros((25, 4, 25))
    state, action = np.ogrid[:25, :4]
    for turn, share in ((0, 1 - chance), (1, chance / 2), (-1, chance / 2)):
        transition[state, action, after[state, (action + turn) % 4]] += share
    transition[19] = np.eye(25)[19]
    reward = transition[:, :, 19].copy()
    reward[19] = 0.0
    cost = np.zeros((25, 4))
    cost[[12, 17, 22]] = 1.0
    return MDP(transition, reward, discount), cost, np.eye(25)[15]


def _checked(
    mdp: MDP, cost: ArrayLike, limit: ArrayLike, start: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Costs (K, S, A), limits (K,) and the start."""
    limits = real_array("limit", limit)
    if limits.ndim > 1 or limits.size == 0:
        raise ValueError(
            f"limit must be a number or a vector, got shape {limits.shape}"
        )
    costs = real_array("cost", cost, (*limits.shape, *mdp.reward.shape))
    mu = check_stochastic("start", real_array("start", start, (mdp.states,)))
    return costs.reshape(-1, *mdp.reward.shape), limits.reshape(-1), mu


def _priced(mdp: MDP, costs: Floats, prices: Floats) -> MDP:
    """The process that pays for its costs."""
    paid = mdp.reward - np.tensordot(prices, costs, axes=1)
    return MDP(mdp.transition, paid, mdp.discount)


def _at_most(mdp: MDP, value: Floats) -> Floats:
    """MacQueen's upper bound on the optimal value, from any guess at it; up to rounding."""
    best = action_values(mdp, value).max(axis=1)
    reach = mdp.discount / (1 - mdp.discount)
    return np.asarray(best + reach * (best - value).max())


def _paid(mdp: MDP, d: Floats) -> float:
    """The reward of an occupancy; an unavailable action is never taken."""
    return float(d[d > 0] @ mdp.reward[d > 0])


def _program(
    mdp: MDP, costs: Floats, limits: Floats, mu: Floats
) -> tuple[dict[str, Any], Floats]:
    """The linear program over shares of all visits; the units in which reward and costs are measured."""
    open_ = np.flatnonzero(np.isfinite(mdp.reward))
    reward, spent = mdp.reward.ravel()[open_], costs.reshape(len(costs), -1)[:, open_]
    # The solver's tolerance is absolute, so everything is measured in its largest.
    units = np.array([np.abs(reward).max(), *np.abs(spent).max(axis=1)])
    units[units == 0] = 1.0
    here = (np.ones(open_.size), (open_ // mdp.actions, np.arange(open_.size)))
    arrive = sparse.csr_array(here, shape=(mdp.states, open_.size))
    flow = arrive - mdp.discount * sparse.csr_array(mdp.rows[open_]).T
    program = {
        "c": -reward / units[0],
        "A_ub": spent / units[1:, None],
        "b_ub": limits / units[1:] * (1 - mdp.discount),
        "A_eq": flow,
        "b_eq": mu * (1 - mdp.discount),
        "method": "highs-ds",
        "options": {
            "primal_feasibility_tolerance": TOLERANCE,
            "dual_feasibility_tolerance": TOLERANCE,
        },
    }
    return program, units


def _least_excess(program: dict[str, Any]) -> float:
    """By how much all limits must grow, in the program's units, until some policy keeps them."""
    spent, flow = program["A_ub"], program["A_eq"]
    relaxed = {
        **program,
        "c": np.append(np.zeros(spent.shape[1]), 1.0),
        "A_ub": np.hstack([spent, -np.ones((len(spent), 1))]),
        "A_eq": sparse.hstack([flow, sparse.csr_array((flow.shape[0], 1))]),
    }
    return float(linprog(**relaxed).fun)
