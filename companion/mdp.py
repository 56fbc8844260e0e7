r"""Finite Markov decision processes and solvers that certify their answers.

A **Markov decision process** (MDP) has `S` states and `A` actions.  Action `a` in state `s` pays the reward
:math:`r(s, a)` and leads to state `s'` with probability :math:`P(s' \mid s, a)`.  A reward one step later is
worth the discount :math:`\gamma < 1` as much.  The best value that any policy reaches is the only solution of
Bellman's equation :math:`v = T v`, where

.. math:: (T v)(s) = \max_a \Big[ r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, v(s') \Big].

`T` shrinks distances by :math:`\gamma`, so sweeping :math:`v \leftarrow T v` converges, but an iterate alone
does not say how far it still has to go.  MacQueen's bounds do.  With :math:`d = T v - v`, for every `v`,

.. math:: T v + \tfrac{\gamma}{1 - \gamma} \min_s d(s) \;\le\; v^* \;\le\;
          T v + \tfrac{\gamma}{1 - \gamma} \max_s d(s).

Their distance is :math:`\tfrac{\gamma}{1-\gamma}` times the *span* :math:`\max d - \min d`.  The span shrinks
at least as fast as :math:`\gamma^k`, and much faster where the process forgets its start quickly.  The
iterative solvers stop when half that distance is below the tolerance and return the middle.  The greedy
policy loses at most the whole distance.  Where the process mixes slowly the span shrinks no faster than
:math:`\gamma^k`; there policy iteration, a handful of linear solves, is the better choice.

All tables are NumPy float64 or SciPy CSR.  An action that a state does not offer has reward ``-inf``.

References
----------
MacQueen, J. (1966). A modified dynamic programming method for Markovian decision problems.
Puterman, M. L. (1994). Markov Decision Processes. Chapter 6.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.optimize import linprog
from scipy.sparse.linalg import spsolve

from companion.checks import (
    check_generator,
    check_integer,
    check_number,
    check_stochastic,
    real_array,
)

__all__ = [
    "MDP",
    "Solution",
    "action_values",
    "linear_program",
    "modified_policy_iteration",
    "occupancy",
    "policy_chain",
    "policy_iteration",
    "policy_probabilities",
    "policy_value",
    "sample_next",
    "value_iteration",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MDP:
    r"""A finite Markov decision process :math:`(P, r, \gamma)` that was checked when it was made.

    Parameters
    ----------
    transition : (S, A, S) array_like or (S*A, S) SciPy sparse array
        ``transition[s, a, t]`` is the probability of state `t` after action `a` in state `s`.  Sparse row
        ``s * A + a`` holds the same distribution.  Every row is a distribution, also that of an action which
        nobody would choose.  Sums may miss 1 by ``4 * S`` units of float64 precision.
    reward : (S, A) array_like
        Expected reward per step.  ``-inf`` marks an unavailable action; each state needs an available one.
    discount : float
        Worth of a reward one step later, ``0 <= discount < 1``.

    Attributes
    ----------
    rows : (S*A, S) ndarray or csr_array
        The distributions, one row per state and action: the form that every solver multiplies with.

    Raises
    ------
    TypeError, ValueError
        If a table is no number table, has the wrong shape, or breaks one of the rules above; also if rewards are
        so large that values, up to ``max |reward| / (1 - discount)``, could overflow.

    Notes
    -----
    The tables are copied.  The MDP toolboxes order them (A, S, S): that is refused, unless A equals S, where no
    shape can tell the two apart; pass ``numpy.moveaxis(transition, 0, 1)``.

    References
    ----------
    Puterman, M. L. (1994). Markov Decision Processes. Section 2.1.

    Examples
    --------
    A machine that runs (action 0) or is replaced (action 1); state 1 is broken.

    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> policy_iteration(mdp).policy
    array([0, 1])
    """

    transition: Any
    reward: Any
    discount: float

    def __post_init__(self) -> None:
        discount = check_number("discount", self.discount, 0, 1, "[)")
        reward = np.array(self.reward)
        if reward.dtype.kind not in "biuf":
            raise TypeError(f"reward must hold real numbers, got {reward.dtype}")
        if reward.ndim != 2 or 0 in reward.shape:
            raise ValueError(
                f"reward must have shape (S, A) with S, A >= 1, got {reward.shape}"
            )
        reward = reward.astype(np.float64, copy=False)
        available = ~np.isneginf(reward)
        if not available.any(axis=1).all():
            state = available.any(axis=1).argmin()
            raise ValueError(
                f"reward must leave each state an available action, state {state} has none"
            )
        # A few sums of values must fit as well; NaN and +inf do not pass either.
        limit = np.finfo(np.float64).max / 16 * (1 - discount)
        largest = np.abs(reward[available]).max()
        if not largest <= limit:
            raise ValueError(
                f"reward must be -inf or of size at most {limit:.3g} at this discount, got {largest:g}"
            )
        table = _checked_transition(self.transition, *reward.shape)
        object.__setattr__(self, "transition", table)
        object.__setattr__(self, "reward", _read_only(reward))
        object.__setattr__(self, "discount", discount)

    @property
    def rows(self) -> Any:
        """The distributions, one row per state and action."""
        return (
            self.transition.reshape(-1, self.states)
            if self.transition.ndim == 3
            else self.transition
        )

    @property
    def states(self) -> int:
        """How many states there are, S."""
        return int(self.reward.shape[0])

    @property
    def actions(self) -> int:
        """How many actions there are, A."""
        return int(self.reward.shape[1])

    @classmethod
    def from_gymnasium(cls, env: Any, discount: float) -> MDP:
        """Read the transition table of a gymnasium toy-text environment.

        A state that is only ever entered as terminal absorbs: every action stays there and pays nothing.  The
        table itself often lets the walk go on from such states, which planners must not.  A state that is also
        lived in (the walk may start there, or enter it without ending) keeps its moves; ends that happen there
        lead to one more state, the last, which absorbs.

        Parameters
        ----------
        env : gymnasium.Env
            An environment whose ``unwrapped.P[s][a]`` lists ``(probability, next state, reward, terminated)``.
            Where it has no ``initial_state_distrib``, every state may be the first that is not entered as
            terminal, or from which some action moves on or pays.
        discount : float
            Worth of a reward one step later, ``0 <= discount < 1``.

        Returns
        -------
        MDP
            The same process, dense.

        Raises
        ------
        TypeError
            If the environment has no such table.

        Examples
        --------
        >>> import gymnasium
        >>> mdp = MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"), 0.99)
        >>> mdp.transition.shape
        (48, 4, 48)
        """
        env = env.unwrapped if hasattr(env, "unwrapped") else env
        table = getattr(env, "P", None)
        if table is None:
            raise TypeError(
                f"env must have a transition table env.unwrapped.P, {env!r} has none"
            )
        moves = [
            (s, a, *move)
            for s, actions in table.items()
            for a, outcomes in actions.items()
            for move in outcomes
        ]
        states, actions = len(table), len(table[0])
        entered = {after for *_, after, _, terminated in moves if terminated}
        lived = _lived_in(moves, entered, getattr(env, "initial_state_distrib", None))
        ends = sorted(entered - lived)
        size = states + bool(entered & lived)
        transition, reward = np.zeros((size, actions, size)), np.zeros((size, actions))
        for s, a, probability, after, paid, terminated in moves:
            transition[s, a, -1 if terminated and after in lived else after] += (
                probability
            )
            reward[s, a] += probability * paid
        ends += [states] * (size > states)
        transition[ends] = 0.0
        transition[ends, :, ends] = 1.0
        reward[ends] = 0.0
        return cls(transition, reward, discount)


@dataclass(frozen=True)
class Solution:
    """What a solver returns: an answer and its certificate."""

    value: Floats  # (S,) the optimal value, in the middle of the bounds
    policy: Integers  # (S,) a greedy action per state
    lower: Floats  # (S,) v* is at least this
    upper: Floats  # (S,) and at most this
    iterations: int  # improvements of the policy, or pivots of the linear program
    converged: bool  # whether the requested accuracy was certified


def value_iteration(
    mdp: MDP, tolerance: float = 1e-6, limit: int = 100_000
) -> Solution:
    r"""Sweep :math:`v \leftarrow T v` until MacQueen's bounds certify the middle to `tolerance`.

    Parameters
    ----------
    mdp : MDP
        The process to solve.
    tolerance : float
        Largest distance allowed between ``value`` and :math:`v^*` in any state, in units of reward.
    limit : int
        Most sweeps.  Where a process mixes slowly or not at all the bounds close by no more than the discount
        each time; `policy_iteration` does not mind.

    Returns
    -------
    Solution
        With ``lower <= v* <= upper``, ``abs(value - v*) <= tolerance`` if ``converged``, and a policy that loses
        at most ``upper - lower``.  ``converged=False`` if float64 cannot certify the tolerance or the limit was
        reached; the latter warns as well.

    Raises
    ------
    TypeError, ValueError
        If `tolerance` is not a positive number or `limit` no positive integer.

    References
    ----------
    Bellman, R. (1957). Dynamic Programming.
    MacQueen, J. (1966). A modified dynamic programming method for Markovian decision problems.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> solution = value_iteration(mdp, tolerance=1e-9)
    >>> solution.value.round(4), solution.converged
    (array([7.5229, 4.7706]), True)
    """
    return modified_policy_iteration(mdp, tolerance, sweeps=0, limit=limit)


def modified_policy_iteration(
    mdp: MDP, tolerance: float = 1e-6, sweeps: int = 20, limit: int = 100_000
) -> Solution:
    r"""Alternate one sweep of `T` with `sweeps` cheap sweeps of the greedy policy's own operator.

    With :math:`\pi` greedy for :math:`v`, one iteration is :math:`v \leftarrow T_\pi^{\,k}\, T v`, where
    :math:`T_\pi v = r_\pi + \gamma P_\pi v` costs `A` times less than `T`.  ``sweeps=0`` is value iteration;
    with many sweeps it becomes policy iteration.

    Parameters
    ----------
    mdp : MDP
        The process to solve.
    tolerance : float
        Largest distance allowed between ``value`` and :math:`v^*` in any state, in units of reward.
    sweeps : int
        Evaluation sweeps `k` after each improvement.
    limit : int
        Most improvements.

    Returns
    -------
    Solution
        As of `value_iteration`.

    Raises
    ------
    TypeError, ValueError
        If `tolerance` is not a positive number, `sweeps` no integer from 0 on or `limit` no positive one.

    Notes
    -----
    It starts at zero.  A constant start changes no greedy choice, so this is as good as the start
    :math:`\min r / (1 - \gamma)` from which the iterates are known to rise to :math:`v^*`.

    References
    ----------
    Puterman, M. L. and Shin, M. C. (1978). Modified policy iteration algorithms for discounted Markov
    decision problems. Management Science 24(11).

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> modified_policy_iteration(mdp, tolerance=1e-9, sweeps=5).value.round(4)
    array([7.5229, 4.7706])
    """
    tolerance = check_number("tolerance", tolerance, 0, ends="()")
    sweeps = check_integer("sweeps", sweeps, 0)
    limit = check_integer("limit", limit, 1)
    value = np.zeros(mdp.states)
    policy: Integers | None = None
    guaranteed = np.inf  # what contraction alone promises for the bounds' half-distance
    for iterations in range(1, limit + 1):
        q = _action_values(mdp, value)
        backup = _best(q)
        low, high, rounding = _shifts(mdp, value, backup)
        half = (high - low) / 2
        guaranteed = min(guaranteed * mdp.discount, half) if iterations > 1 else half
        # Below twice the rounding error more sweeps cannot help.
        if half <= max(tolerance, 2 * rounding) or guaranteed <= rounding:
            break
        value = backup
        if sweeps:
            greedy = q.argmax(axis=1)
            if policy is None or not np.array_equal(policy, greedy):
                policy = greedy
                kernel, reward = _chain(mdp, policy)
                kernel *= mdp.discount
            for _ in range(sweeps):
                value = reward + kernel @ value
    else:
        warnings.warn(
            f"the bounds are still {high - low:.3g} apart after {limit} improvements: "
            "where a process mixes slowly, policy_iteration is the solver to use",
            RuntimeWarning,
            stacklevel=2,
        )
    lower, upper = backup + low, backup + high
    policy = q.argmax(axis=1)
    return Solution(
        (lower + upper) / 2, policy, lower, upper, iterations, half <= tolerance
    )


def policy_iteration(mdp: MDP) -> Solution:
    r"""Evaluate a policy by a linear solve, improve it, and repeat until nothing improves.

    Solves :math:`(I - \gamma P_\pi)\, v = r_\pi` and then looks ahead: it sweeps :math:`v \leftarrow T v` for
    as long as the greedy policy still changes, and takes that policy.  A sweep is cheap beside a solve, and
    without it an improvement would travel by one state per solve along a chain.  The incumbent action is kept
    on ties.  However slowly the process mixes, a few solves suffice: it is Newton's method on :math:`v = T v`.

    Parameters
    ----------
    mdp : MDP
        The process to solve.

    Returns
    -------
    Solution
        Exact up to the rounding of one linear solve, which the bounds include; ``iterations`` counts solves.
        ``converged`` if the bounds fix the value to a millionth of the largest value.

    References
    ----------
    Howard, R. A. (1960). Dynamic Programming and Markov Processes.
    Efroni, Y., Dalal, G., Scherrer, B. and Mannor, S. (2018). Beyond the one-step greedy approach in
    reinforcement learning. ICML.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> policy_iteration(mdp).policy
    array([0, 1])
    """
    policy = action_values(mdp, mdp.reward.max(axis=1)).argmax(axis=1)
    system = _system(mdp)
    value = np.full(mdp.states, -np.inf)
    for iterations in itertools.count(1):  # ends: each policy is better than the last
        previous, value = value, system(policy)
        q = _action_values(mdp, value)
        backup = _best(q)
        improved = _improve(q, backup, policy)
        # Exact arithmetic raises the value every time.  Where its sum stands
        # still, only rounding is left.
        if improved is policy or value.sum() <= previous.sum():
            break
        policy = _look_ahead(mdp, backup, improved)
    return _certified(mdp, value, backup, policy, iterations)


def linear_program(mdp: MDP) -> Solution:
    r"""Find :math:`v^*` as the least `v` that no action can improve.

    .. math:: \min_v \sum_s v(s) \quad \text{subject to} \quad
              v(s) \ge r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, v(s').

    The dual variable of row :math:`(s, a)` is the discounted number of times that the optimal policy takes `a`
    in `s`; the policy is read from it.

    Parameters
    ----------
    mdp : MDP
        The process to solve.

    Returns
    -------
    Solution
        Accurate to the linear program's own tolerance, about 1e-7 of the largest reward; the bounds say how
        accurate.  ``converged`` if they fix the value to a millionth of the largest value.

    Raises
    ------
    RuntimeError
        If the linear program's solver (HiGHS) gives up.

    References
    ----------
    d'Epenoux, F. (1963). A probabilistic production and inventory problem. Management Science 10(1).

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> linear_program(mdp).value.round(4)
    array([7.5229, 4.7706])
    """
    available = np.flatnonzero(np.isfinite(mdp.reward))
    stay = sparse.csr_array(
        (
            np.ones(available.size),
            (np.arange(available.size), available // mdp.actions),
        ),
        shape=(available.size, mdp.states),
    )
    rows = sparse.csr_array(mdp.rows[available])
    # The solver's tolerance is absolute, so rewards are measured in the largest.
    unit = np.abs(mdp.reward.ravel()[available]).max() or 1.0
    answer = linprog(
        np.ones(mdp.states),
        A_ub=mdp.discount * rows - stay,
        b_ub=-mdp.reward.ravel()[available] / unit,
        bounds=(None, None),
        method="highs",
    )
    if answer.status != 0:
        raise RuntimeError(f"the linear program was not solved: {answer.message}")
    visits = np.full(mdp.reward.size, -1.0)
    visits[available] = -answer.ineqlin.marginals
    policy = visits.reshape(mdp.reward.shape).argmax(axis=1)
    value = answer.x * unit
    backup = _best(_action_values(mdp, value))
    return _certified(mdp, value, backup, policy, int(answer.nit))


def action_values(mdp: MDP, value: ArrayLike) -> Floats:
    r"""Return :math:`q(s, a) = r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, v(s')`.

    Parameters
    ----------
    mdp : MDP
        The process.
    value : (S,) array_like
        The value `v` of each next state.

    Returns
    -------
    (S, A) ndarray
        ``-inf`` where the action is unavailable.

    Raises
    ------
    TypeError, ValueError
        If `value` is not S finite numbers.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.5)
    >>> action_values(mdp, [10, 0])
    array([[5.5, 3. ],
           [0. , 3. ]])
    """
    return _action_values(mdp, real_array("value", value, (mdp.states,)))


def policy_value(mdp: MDP, policy: ArrayLike) -> Floats:
    r"""Return the exact value of a policy, :math:`v_\pi = (I - \gamma P_\pi)^{-1} r_\pi`.

    Parameters
    ----------
    mdp : MDP
        The process.
    policy : (S,) integers or (S, A) probabilities
        An action per state, or a distribution over actions per state.

    Returns
    -------
    (S,) ndarray
        Expected discounted reward from each state on.

    Raises
    ------
    TypeError, ValueError
        If the policy has the wrong shape, is no distribution, or chooses an unavailable action.

    References
    ----------
    Puterman, M. L. (1994). Markov Decision Processes. Theorem 6.1.1.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> policy_value(mdp, [0, 0]).round(4)
    array([5.2632, 0.    ])
    """
    kernel, reward = policy_chain(mdp, policy)
    return _solve(kernel, mdp.discount, reward)


def policy_chain(mdp: MDP, policy: ArrayLike) -> tuple[Any, Floats]:
    r"""Return the Markov chain that a policy makes of the process, and what each state then pays.

    .. math:: P_\pi(s, s') = \sum_a \pi(a \mid s)\, P(s' \mid s, a), \qquad
              r_\pi(s) = \sum_a \pi(a \mid s)\, r(s, a).

    Parameters
    ----------
    mdp : MDP
        The process.
    policy : (S,) integers or (S, A) probabilities
        An action per state, or a distribution over actions per state.

    Returns
    -------
    kernel : (S, S) ndarray or csr_array
        The chain's rows, a new array; sparse where the process is.
    reward : (S,) ndarray
        Expected reward per step.

    Raises
    ------
    TypeError, ValueError
        If the policy is refused by `policy_probabilities`.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> policy_chain(mdp, [0, 1])
    (array([[0.9, 0.1],
           [1. , 0. ]]), array([ 1., -2.]))
    """
    policy = np.asarray(policy)
    if policy.ndim == 1:
        return _chain(mdp, _actions(mdp, policy))
    probability = policy_probabilities(mdp, policy)
    # (S, S*A) @ (S*A, S): row s mixes the A rows of state s.
    mix = sparse.csr_array(
        (
            probability.ravel(),
            np.arange(probability.size),
            np.arange(mdp.states + 1) * mdp.actions,
        ),
        shape=(mdp.states, probability.size),
    )
    paid = np.multiply(
        probability, mdp.reward, out=np.zeros_like(probability), where=probability > 0
    )
    return mix @ mdp.rows, paid.sum(axis=1)


def policy_probabilities(mdp: MDP, policy: ArrayLike) -> Floats:
    """Return a policy as probabilities.

    Parameters
    ----------
    mdp : MDP
        The process.
    policy : (S,) integers or (S, A) probabilities
        An action per state, or a distribution over actions per state.

    Returns
    -------
    (S, A) ndarray
        A distribution over actions per state; probabilities are not copied.

    Raises
    ------
    TypeError, ValueError
        If the policy has the wrong shape, is no distribution, or chooses an unavailable action.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> policy_probabilities(mdp, [0, 1])
    array([[1., 0.],
           [0., 1.]])
    """
    policy = np.asarray(policy)
    if policy.ndim == 1:
        return np.eye(mdp.actions)[_actions(mdp, policy)]
    probability = check_stochastic(
        "policy", real_array("policy", policy, mdp.reward.shape)
    )
    if probability[np.isneginf(mdp.reward)].any():
        raise ValueError(
            "policy must give unavailable actions no probability, got some"
        )
    return probability


def occupancy(mdp: MDP, policy: ArrayLike, start: ArrayLike) -> Floats:
    r"""Return how often a policy takes each action in each state, discounted.

    .. math:: d(s, a) = \pi(a \mid s) \sum_t \gamma^t \Pr(s_t = s), \qquad
              \sum_a d(s', a) = \mu(s') + \gamma \sum_{s, a} P(s' \mid s, a)\, d(s, a).

    Parameters
    ----------
    mdp : MDP
        The process.
    policy : (S,) integers or (S, A) probabilities
        An action per state, or a distribution over actions per state.
    start : (S,) array_like
        The distribution :math:`\mu` of the first state.

    Returns
    -------
    (S, A) ndarray
        Discounted visits; they sum to ``1 / (1 - discount)``.

    Raises
    ------
    TypeError, ValueError
        If `policy` is refused by `policy_value` or `start` is no distribution over the states.

    References
    ----------
    Puterman, M. L. (1994). Markov Decision Processes. Section 6.9.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> occupancy(mdp, [0, 1], [1, 0]).round(3)
    array([[9.174, 0.   ],
           [0.   , 0.826]])
    """
    start = check_stochastic("start", real_array("start", start, (mdp.states,)))
    kernel, _ = policy_chain(mdp, policy)
    visits = _solve(kernel.T, mdp.discount, start)
    return np.asarray(visits[:, None] * policy_probabilities(mdp, policy))


def sample_next(
    mdp: MDP, state: ArrayLike, action: ArrayLike, rng: np.random.Generator
) -> Integers:
    """Draw the next state of many independent copies at once.

    Parameters
    ----------
    mdp : MDP
        The process.
    state, action : (N,) integers
        Where each copy is and what it does.
    rng : numpy.random.Generator
        The source of randomness; one uniform number is drawn per copy.

    Returns
    -------
    (N,) ndarray of integers
        The next states.  One of probability zero is never drawn.

    Raises
    ------
    TypeError, ValueError
        If the two have different lengths, an action is unavailable or a number out of range, or `rng` is no
        generator.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> sample_next(mdp, [0, 1, 1], [1, 0, 1], np.random.default_rng(0))
    array([0, 1, 0])
    """
    state, action = (
        _indices("state", state, mdp.states),
        _indices("action", action, mdp.actions),
    )
    check_generator("rng", rng)
    if state.shape != action.shape:
        raise ValueError(
            f"action must hold one action for each of {state.size} states, got {action.size}"
        )
    if np.isneginf(mdp.reward[state, action]).any():
        raise ValueError(
            "action must be available in its state, got an unavailable one"
        )
    rows = mdp.rows[state * mdp.actions + action]
    cumulative = np.cumsum(rows.toarray() if sparse.issparse(rows) else rows, axis=1)
    total = cumulative[:, -1:]
    # Strictly below the total, so that rounding cannot run into the states of
    # probability zero at the end.
    threshold = np.minimum(rng.random(total.shape) * total, np.nextafter(total, 0))
    return np.asarray((cumulative <= threshold).sum(axis=1))


def _lived_in(moves: list[Any], entered: set[int], start: Any) -> set[int]:
    """The states where a walk may be without having ended; `entered` are those where it may end."""
    if start is not None:
        lived = set(np.flatnonzero(start).tolist())
    else:
        lived = {s for s, *_ in moves} - entered
        lived |= {s for s, _, p, after, paid, _ in moves if p and (after != s or paid)}
    steps = {(s, after) for s, _, p, after, _, ended in moves if p and not ended}
    while grown := {after for s, after in steps if s in lived} - lived:
        lived |= grown
    return lived


def _shifts(mdp: MDP, value: Floats, backup: Floats) -> tuple[float, float, float]:
    """What MacQueen's bounds add to ``backup = T value``, widened by the rounding error that is returned too."""
    change = backup - value
    reach = mdp.discount / (1 - mdp.discount)
    low, high = reach * float(change.min()), reach * float(change.max())
    scale = max(abs(float(backup.min()) + low), abs(float(backup.max()) + high))
    rounding = float(np.finfo(np.float64).eps * scale / (1 - mdp.discount))
    return low - rounding, high + rounding, rounding


def _certified(
    mdp: MDP, value: Floats, backup: Floats, policy: Integers, iterations: int
) -> Solution:
    """A solution that has converged if its bounds are a millionth of the largest value apart."""
    low, high, _ = _shifts(mdp, value, backup)
    lower, upper = backup + low, backup + high
    scale = max(np.abs(lower).max(), np.abs(upper).max())
    converged = bool(high - low <= 1e-6 * scale)
    return Solution(value, policy, lower, upper, iterations, converged)


def _system(mdp: MDP) -> Callable[[Integers], Floats]:
    """A function that values a policy; what its linear systems share is built once."""
    first = np.arange(mdp.states) * mdp.actions
    if not sparse.issparse(mdp.rows):
        return lambda policy: _solve(
            mdp.rows[first + policy], mdp.discount, mdp.reward.ravel()[first + policy]
        )
    # Row (s, a) is that of state s in the system of every policy that takes a in s.
    here = np.arange(mdp.states).repeat(mdp.actions)
    ones = (np.ones(here.size), (np.arange(here.size), here))
    every = sparse.csr_array(ones, shape=mdp.rows.shape) - mdp.discount * mdp.rows

    def solve(policy: Integers) -> Floats:
        chosen = first + policy
        return np.asarray(spsolve(every[chosen], mdp.reward.ravel()[chosen])).ravel()

    return solve


def _action_values(mdp: MDP, value: Floats) -> Floats:
    q = mdp.rows @ value
    q *= mdp.discount
    return np.asarray(q.reshape(mdp.reward.shape) + mdp.reward)


def _look_ahead(mdp: MDP, value: Floats, policy: Integers) -> Integers:
    """Sweep ``v <- T v`` until the greedy policy has stayed the same for three sweeps; return it."""
    unchanged = 0
    # News crosses the states in fewer sweeps than this; what still flips is a tie.
    for _ in range(10 * mdp.states):
        if unchanged == 3:
            break
        q = _action_values(mdp, value)
        value = _best(q)
        improved = _improve(q, value, policy)
        unchanged = unchanged + 1 if improved is policy else 0
        policy = improved
    return policy


def _improve(q: Floats, best: Floats, policy: Integers) -> Integers:
    """Take the best action where it beats the policy's own by more than rounding.

    Returns the policy itself, the same object, where there is no such state.
    """
    own = np.take_along_axis(q, policy[:, None], axis=1)[:, 0]
    noise = 4 * np.finfo(np.float64).eps * max(own.max(), -own.min())
    better = best - own > noise
    return np.where(better, q.argmax(axis=1), policy) if better.any() else policy


def _best(q: Floats) -> Floats:
    """``q.max(axis=1)``, several times quicker: NumPy is slow along short rows."""
    return np.asarray(np.ascontiguousarray(q.T).max(axis=0))


def _chain(mdp: MDP, policy: Integers) -> tuple[Any, Floats]:
    chosen = np.arange(mdp.states) * mdp.actions + policy
    return mdp.rows[chosen], mdp.reward.ravel()[chosen]


def _actions(mdp: MDP, policy: ArrayLike) -> Integers:
    policy = _indices("policy", policy, mdp.actions)
    if policy.shape != (mdp.states,):
        raise ValueError(
            f"policy must hold one action for each of {mdp.states} states, got shape {policy.shape}"
        )
    closed = np.isneginf(mdp.reward[np.arange(mdp.states), policy])
    if closed.any():
        state = int(closed.argmax())
        raise ValueError(
            f"policy must choose available actions, {policy[state]} is not available in state {state}"
        )
    return policy


def _indices(name: str, value: ArrayLike, count: int) -> Integers:
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise ValueError(
            f"{name} must be a vector of integers, got {array.dtype} of shape {array.shape}"
        )
    if array.size and (array.min() < 0 or array.max() >= count):
        raise ValueError(
            f"{name} must lie between 0 and {count - 1}, got {array.min()} to {array.max()}"
        )
    return array.astype(np.int64, copy=False)


def _solve(kernel: Any, discount: float, right: Floats) -> Floats:
    """Solve ``(I - discount * kernel) x = right``."""
    if sparse.issparse(kernel):
        matrix = sparse.eye_array(right.size, format=kernel.format) - discount * kernel
        return np.asarray(spsolve(matrix, right)).reshape(right.shape)
    matrix = kernel * -discount
    matrix[np.diag_indices_from(matrix)] += 1.0
    return np.linalg.solve(matrix, right)


def _checked_transition(transition: Any, states: int, actions: int) -> Any:
    """A copy of the distributions, read only."""
    if not sparse.issparse(transition):
        if np.shape(transition) == (actions, states, states) != (states,) * 3:
            raise ValueError(
                f"transition must have shape (S, A, S), got {np.shape(transition)}: the (A, S, S) of the "
                "MDP toolboxes, which numpy.moveaxis(transition, 0, 1) puts right"
            )
        dense = real_array("transition", transition, (states, actions, states))
        return _read_only(check_stochastic("transition", dense).copy())
    rows = sparse.csr_array(transition, dtype=np.float64, copy=True)
    if rows.shape != (states * actions, states):
        raise ValueError(
            f"transition must have shape {(states * actions, states)} to fit reward, got {rows.shape}"
        )
    rows.sum_duplicates()
    if not np.isfinite(rows.data).all() or rows.data.min(initial=0) < 0:
        raise ValueError(
            "transition must be finite and non-negative, got NaN, infinity or a negative entry"
        )
    error = np.abs(rows.sum(axis=1) - 1.0)
    if error.max() > 4 * states * np.finfo(np.float64).eps:
        raise ValueError(
            f"transition must have rows that sum to 1, row {error.argmax()} misses by {error.max():g}"
        )
    return rows


def _read_only(array: Floats) -> Floats:
    array.flags.writeable = False
    return array
