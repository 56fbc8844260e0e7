r"""Fault tolerance by repair: a machine of wearing parts as a Markov decision process, and faults put into it.

A system of `n` components, each with its own health, is a product of Markov chains.  Choosing what to repair
makes it a Markov decision process, which `companion.mdp` solves exactly.  A faulty actuator is a transform of
its kernel, a faulty sensor a transform of the policy.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.checks import (
    check_integer,
    check_number,
    check_stochastic,
    real_array,
)
from companion.mdp import MDP

__all__ = [
    "health_levels",
    "redundant_system",
    "with_actuator_fault",
    "with_sensor_fault",
]

Floats = NDArray[np.float64]


def redundant_system(
    wear: ArrayLike,
    components: int,
    income: ArrayLike,
    repair_cost: float,
    overhaul_cost: float,
    discount: float,
) -> MDP:
    r"""Return the maintenance problem of several equal components, as an MDP.

    Each component has a health from 0 (new) to L - 1 (failed) and wears by its own chain `wear`.  Action 0 runs
    the system as it is, action `i` repairs component `i`, the last action overhauls all.  A component under
    repair does not work during that step and is new after it.  The kernel is the product

    .. math:: P(h' \mid h, a) = \prod_i P_i(h'_i \mid h_i, a), \qquad
              P_i = \text{new, if } a \text{ repairs } i, \text{ else wear}.

    Parameters
    ----------
    wear : (L, L) array_like
        Probability of each health after a step without repair; row and column L - 1 mean failed.
    components : int
        Number of components n.
    income : (n + 1,) array_like
        Reward of a step with 0, 1, ..., n working components.  Redundancy and degraded modes are said here: a
        2-of-3 system earns nothing or loses money with fewer than two.
    repair_cost, overhaul_cost : float
        What action 1..n, and the last action, cost.
    discount : float
        Worth of a reward one step later.

    Returns
    -------
    MDP
        ``L**n`` states, numbered as `health_levels` lists them, and ``n + 2`` actions.

    Raises
    ------
    TypeError, ValueError
        If `wear` is no square stochastic matrix, another argument has the wrong shape or is not finite, or the
        kernel would have more than ``2**27`` entries.

    References
    ----------
    Derman, C. (1970). Finite State Markovian Decision Processes.

    Examples
    --------
    Two components of which one must work: repairing the only sound one costs an outage.

    >>> wear = [[0.9, 0.1], [0, 1]]
    >>> mdp = redundant_system(wear, 2, income=[-5, 1, 1], repair_cost=1, overhaul_cost=2, discount=0.9)
    >>> mdp.reward[1]
    array([ 1., -6.,  0., -7.])
    """
    wear = check_stochastic("wear", wear)
    if wear.ndim != 2 or wear.shape[0] != wear.shape[1] or len(wear) < 2:
        raise ValueError(
            f"wear must be a square matrix of at least two levels, got shape {wear.shape}"
        )
    n = check_integer("components", components, 1)
    income = real_array("income", income, (n + 1,))
    repair = check_number("repair_cost", repair_cost)
    overhaul = check_number("overhaul_cost", overhaul_cost)
    if (n + 2) * float(len(wear)) ** (2 * n) > 2**27:
        raise ValueError(
            f"components must leave a kernel of at most 2**27 entries, {n} of {len(wear)} levels do not"
        )
    renewed = np.zeros_like(wear)
    renewed[:, 0] = 1.0
    # repairs[a, i]: whether action a repairs component i
    repairs = np.vstack([np.zeros(n, bool), np.eye(n, dtype=bool), np.ones(n, bool)])
    kernels = [
        reduce(
            lambda left, right: np.kron(left, right),
            np.where(row[:, None, None], renewed, wear),
        )
        for row in repairs
    ]
    works = health_levels(len(wear), n) < len(wear) - 1  # (S, n)
    working = (works[:, None, :] & ~repairs).sum(axis=2)  # (S, A)
    with np.errstate(over="ignore"):
        reward = income[working] - np.r_[0.0, np.full(n, repair), overhaul]
    if not np.isfinite(reward).all():  # -inf would mean an unavailable action
        raise ValueError("income less its costs must be finite, got infinity")
    return MDP(np.stack(kernels, axis=1), reward, discount)


def health_levels(levels: int, components: int) -> NDArray[np.int64]:
    """Return the health of every component in every state of a `redundant_system`.

    Parameters
    ----------
    levels : int
        Health levels L of one component, 0 (new) to L - 1 (failed).
    components : int
        Number of components n.

    Returns
    -------
    (L**n, n) ndarray of integers
        Row `s` lists the health of each component in state `s`; the last component changes fastest.

    Raises
    ------
    TypeError, ValueError
        If an argument is no positive integer.

    Examples
    --------
    >>> health_levels(2, 2)
    array([[0, 0],
           [0, 1],
           [1, 0],
           [1, 1]])
    """
    shape = (check_integer("levels", levels, 1),) * check_integer(
        "components", components, 1
    )
    return np.indices(shape).reshape(len(shape), -1).T


def with_actuator_fault(mdp: MDP, probability: float, stuck_action: int) -> MDP:
    r"""Return the process in which the actuator sometimes does `stuck_action` instead of what was asked.

    .. math:: P'(\cdot \mid s, a) = (1 - p) P(\cdot \mid s, a) + p\, P(\cdot \mid s, a_{\text{stuck}}),
              \qquad r' \text{ likewise}.

    Parameters
    ----------
    mdp : MDP
        The process with a sound actuator.
    probability : float
        Probability `p` of the fault, per step.
    stuck_action : int
        What the faulty actuator does; available in every state, unless `p` is 0.

    Returns
    -------
    MDP
        The same states and actions; an action that was unavailable stays so.

    Raises
    ------
    TypeError, ValueError
        If `probability` leaves [0, 1], or `stuck_action` is no action or not available everywhere.

    Examples
    --------
    >>> mdp = MDP([[[1, 0], [0, 1]], [[1, 0], [0, 1]]], [[0, 1], [0, 1]], 0.9)
    >>> with_actuator_fault(mdp, 0.25, stuck_action=0).reward
    array([[0.  , 0.75],
           [0.  , 0.75]])
    """
    p = check_number("probability", probability, 0, 1)
    stuck = check_integer("stuck_action", stuck_action, 0, mdp.actions - 1)
    if p == 0:
        return mdp
    if np.isneginf(mdp.reward[:, stuck]).any():
        raise ValueError(
            f"stuck_action must be available in every state, action {stuck} is not"
        )
    # Row (s, a) of the stuck kernel is row (s, stuck), whatever a is.
    forced = mdp.rows[np.arange(mdp.states).repeat(mdp.actions) * mdp.actions + stuck]
    rows = (1 - p) * mdp.rows + p * forced
    available = np.isfinite(mdp.reward)
    reward = np.full_like(mdp.reward, -np.inf)
    reward[available] = (
        (1 - p) * np.where(available, mdp.reward, 0.0) + p * mdp.reward[:, [stuck]]
    )[available]
    return MDP(rows.reshape(mdp.transition.shape), reward, mdp.discount)


def with_sensor_fault(
    mdp: MDP, policy: ArrayLike, probability: float, stuck_state: int
) -> Floats:
    r"""Return what a policy does when its sensor sometimes reads `stuck_state` whatever the state is.

    .. math:: \pi'(a \mid s) = (1 - p)\, \pi(a \mid s) + p\, \pi(a \mid s_{\text{stuck}})

    Parameters
    ----------
    mdp : MDP
        The process.
    policy : (S,) integers
        The action chosen for each reading.
    probability : float
        Probability `p` of the fault, per step.
    stuck_state : int
        What the faulty sensor reads.

    Returns
    -------
    (S, A) ndarray
        Probabilities of the actions in the true state, for `companion.mdp.policy_value`.

    Raises
    ------
    TypeError, ValueError
        If `policy` is no vector of actions, `probability` leaves [0, 1] or `stuck_state` is no state.

    Notes
    -----
    This evaluates a policy that trusts its sensor.  Finding the best policy for a sensor that may lie is another
    problem, a partially observable one.

    Examples
    --------
    >>> mdp = MDP([[[1, 0], [0, 1]], [[1, 0], [0, 1]]], [[0, 1], [0, 1]], 0.9)
    >>> with_sensor_fault(mdp, [0, 1], 0.25, stuck_state=0)
    array([[1.  , 0.  ],
           [0.25, 0.75]])
    """
    p = check_number("probability", probability, 0, 1)
    stuck = check_integer("stuck_state", stuck_state, 0, mdp.states - 1)
    actions = np.asarray(policy)
    if actions.shape != (mdp.states,) or actions.dtype.kind not in "iu":
        raise ValueError(
            f"policy must hold one action for each of {mdp.states} states, got shape {actions.shape}"
        )
    if actions.min() < 0 or actions.max() >= mdp.actions:
        raise ValueError(f"policy must choose actions from 0 to {mdp.actions - 1}")
    one_hot = np.eye(mdp.actions)[actions]
    return np.asarray((1 - p) * one_hot + p * one_hot[stuck])
