r"""Planning when the model itself is wrong.

A plan is made for one transition kernel `P`; the world follows another, or something else takes the controls
now and then.  Both answers put a minimum beside the maximum of Bellman's equation:

* **Robust**: nature picks, for every state and action, the worst row :math:`p` in an ambiguity set
  :math:`\mathcal{P}(s, a)` around the model's row,

  .. math:: (T v)(s) = \max_a \Big[ r(s, a) + \gamma \min_{p \in \mathcal{P}(s, a)} p \cdot v \Big].

* **Action-robust**: the model is right, but with probability :math:`\alpha` an adversary takes the action,

  .. math:: (T v)(s) = (1 - \alpha) \max_a q_v(s, a) + \alpha \min_a q_v(s, a).

Both operators are monotone and satisfy :math:`T(v + c) = T v + \gamma c`, because rows sum to 1 and no set
depends on `v`.  MacQueen's bounds of `companion.mdp` need no more than that and certify these values too.

They are solved by policy iteration inside policy iteration.  Against a fixed policy nature has an ordinary
decision problem: take the worst kernel for `v`, then the exact `v` of the policy under it by a linear solve,
until `v` stops falling.  Then the policy improves, and `v` rises.  Sweeping would need
:math:`1 / (1 - \gamma)` times as many steps where the process mixes slowly.

References
----------
Iyengar, G. N. (2005). Robust dynamic programming. Mathematics of Operations Research 30(2), 257-280.
Nilim, A. and El Ghaoui, L. (2005). Robust control of Markov decision processes with uncertain transition
matrices. Operations Research 53(5), 780-798.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from companion.checks import check_probability, check_stochastic, real_array
from companion.mdp import (
    MDP,
    Solution,
    _bounds,
    _check_tolerance,
    _probabilities,
    action_values,
    policy_value,
)

__all__ = [
    "ActionRobustSolution",
    "RobustSolution",
    "WorstCase",
    "action_robust_value_iteration",
    "robust_policy_value",
    "robust_value_iteration",
    "worst_case_interval",
    "worst_case_kl",
    "worst_case_l1",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class WorstCase(NamedTuple):
    """Nature's answer to a value function.

    Examples
    --------
    >>> WorstCase(np.array([0.5, 0.5]), np.array(1.0)).value
    array(1.)
    """

    kernel: Floats  # (..., n) the worst rows
    value: Floats  # (...) what they are worth, kernel . value


@dataclass(frozen=True)
class RobustSolution(Solution):
    """A certified solution with its worst kernel, under which ``policy`` earns ``value``.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> robust_value_iteration(mdp, radius=0.2).converged
    True
    """

    kernel: Any  # (S, A, S) array, or (S*A, S) CSR where the model was sparse: nature's reply


@dataclass(frozen=True)
class ActionRobustSolution(Solution):
    """A certified solution and the adversary's actions.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> action_robust_value_iteration(mdp, 0.1).adversary
    array([1, 0])
    """

    adversary: Integers  # (S,) the worst available action per state


def worst_case_l1(
    kernel: ArrayLike,
    value: ArrayLike,
    radius: ArrayLike,
    support: ArrayLike | None = None,
) -> WorstCase:
    r"""Return :math:`\min_p\, p \cdot v` over distributions with :math:`\lVert p - P \rVert_1 \le \kappa`.

    Half the radius is the mass that may move.  It leaves the best states, best first, and goes to the worst
    one allowed: a sort instead of a linear program.  One `value` for all rows is sorted once for all of them.

    Parameters
    ----------
    kernel : (..., n) array_like
        Nominal rows `P`.
    value : (n,) or (..., n) array_like
        The value `v` of each next state, for all rows or row by row.
    radius : float or (...) array_like
        :math:`\kappa \ge 0`, for all rows or row by row; from 2 on nothing is out of reach.
    support : array_like of bool, optional
        Where mass may be moved to: of the kernel's shape, or (n,) for all rows.  By default where the row has
        some already; ``True`` allows every state.

    Returns
    -------
    WorstCase
        Worst rows and their values.

    Raises
    ------
    TypeError, ValueError
        If a row is no distribution, a radius is negative, a shape does not fit, or `support` is not boolean.

    References
    ----------
    Iyengar, G. N. (2005). Robust dynamic programming. Mathematics of Operations Research 30(2).
    Strehl, A. L. and Littman, M. L. (2008). An analysis of model-based interval estimation for Markov
    decision processes. Journal of Computer and System Sciences 74(8).

    Examples
    --------
    >>> worst_case_l1([0.4, 0.3, 0.1, 0.2], [1, 2, 5, 4], radius=0.4)
    WorstCase(kernel=array([0.6, 0.3, 0. , 0.1]), value=array(1.6))
    """
    p, v = _rows_and_value(kernel, value)
    budget = _check_radius(radius, p.shape[:-1])[..., None] / 2
    allowed = p > 0 if support is None else _check_support(support, p.shape)
    reachable = np.where(allowed, v, np.inf)
    worst = reachable.argmin(axis=-1)[..., None]
    removable = np.where(v > np.take_along_axis(reachable, worst, axis=-1), p, 0.0)
    order = np.argsort(-v, axis=-1)  # best first
    ordered = _reorder(removable, order)
    better = np.cumsum(ordered, axis=-1)
    better -= ordered  # mass that leaves before this state's does
    leaving = np.clip(budget - better, 0.0, ordered, out=better)
    rows = p - _reorder(leaving, np.argsort(order, axis=-1))
    arriving = leaving.sum(axis=-1, keepdims=True)
    stayed = np.take_along_axis(rows, worst, axis=-1)
    np.put_along_axis(rows, worst, stayed + arriving, axis=-1)
    return _worst_case(rows, v)


def worst_case_kl(kernel: ArrayLike, value: ArrayLike, radius: ArrayLike) -> WorstCase:
    r"""Return :math:`\min_p\, p \cdot v` over distributions with :math:`D(p \,\Vert\, P) \le \kappa`.

    With :math:`D` the relative entropy in nats, the worst row is the model's row tilted towards bad states,
    :math:`p_\lambda \propto P e^{-\lambda v}`, and

    .. math:: \min_p\, p \cdot v = \max_{\lambda > 0}
              -\frac{1}{\lambda} \Big( \log \sum_i P_i e^{-\lambda v_i} + \kappa \Big).

    The gap between the two sides at :math:`\lambda` is :math:`(\kappa - D(p_\lambda \Vert P)) / \lambda`.
    Newton's method on :math:`\sqrt{D}`, kept in a bracket, closes it for all rows at once.  Mass never
    appears where the row has none; from :math:`\kappa = -\log P(\text{worst})` on the worst state has it all.

    Parameters
    ----------
    kernel : (..., n) array_like
        Nominal rows `P`.
    value : (n,) or (..., n) array_like
        The value `v` of each next state, for all rows or row by row.
    radius : float or (...) array_like
        :math:`\kappa \ge 0` in nats, for all rows or row by row.

    Returns
    -------
    WorstCase
        Worst rows and their values, optimal to 64 units of float64 precision of the values' range.

    Raises
    ------
    TypeError, ValueError
        If a row is no distribution, a radius is negative, or a shape does not fit.

    References
    ----------
    Nilim, A. and El Ghaoui, L. (2005). Robust control of Markov decision processes with uncertain transition
    matrices. Operations Research 53(5).
    Hu, Z. and Hong, L. J. (2013). Kullback-Leibler divergence constrained distributionally robust
    optimization. Optimization Online.

    Examples
    --------
    >>> worst_case_kl([0.5, 0.5], [0, 1], radius=0.1).value.round(6)
    np.float64(0.280205)
    """
    p, v = _rows_and_value(kernel, value)
    kappa = _check_radius(radius, p.shape[:-1]).ravel()
    flat = p.reshape(-1, p.shape[-1])
    values = np.broadcast_to(v, p.shape).reshape(flat.shape)
    low = np.where(flat > 0, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(flat > 0, values, -np.inf).max(axis=1, keepdims=True)
    spread = np.where(high > low, high - low, 1.0)
    # 0 for the worst state in reach, 1 for the best.
    cost = np.where(flat > 0, (values - low) / spread, 0.0)
    corner = np.where(cost == 0, flat, 0.0)
    mass = corner.sum(axis=1, keepdims=True)
    full = kappa >= -np.log(np.minimum(mass[:, 0], 1.0))
    tilt = ~full & (kappa > 0)
    rows = np.where(full[:, None], corner / mass, flat)
    rows[tilt] = _tilted_to(flat[tilt], cost[tilt], kappa[tilt])
    return _worst_case(rows.reshape(p.shape), v)


def worst_case_interval(
    lower: ArrayLike, upper: ArrayLike, value: ArrayLike
) -> WorstCase:
    r"""Return :math:`\min_p\, p \cdot v` over distributions with :math:`\ell \le p \le u`, entry by entry.

    Every state gets its lower bound; what is left fills the states up to their upper bounds, worst first.

    Parameters
    ----------
    lower, upper : (..., n) array_like
        Bounds :math:`0 \le \ell \le u \le 1` with :math:`\sum \ell \le 1 \le \sum u` in every row.
    value : (n,) or (..., n) array_like
        The value `v` of each next state, for all rows or row by row.

    Returns
    -------
    WorstCase
        Worst rows and their values.

    Raises
    ------
    TypeError, ValueError
        If no distribution lies between the bounds, or a shape does not fit.

    References
    ----------
    Givan, R., Leach, S. and Dean, T. (2000). Bounded-parameter Markov decision processes. Artificial
    Intelligence 122(1-2).

    Examples
    --------
    >>> worst_case_interval([0, 0.1, 0.2], [0.5, 0.6, 0.7], [1, 2, 3])
    WorstCase(kernel=array([0.5, 0.3, 0.2]), value=array(1.7))
    """
    low, high = check_probability("lower", lower), check_probability("upper", upper)
    if low.ndim == 0 or low.shape != high.shape:
        raise ValueError(
            f"lower and upper must have one shape (..., n), got {low.shape} and {high.shape}"
        )
    slack = 4 * low.shape[-1] * np.finfo(np.float64).eps
    left = 1.0 - low.sum(axis=-1, keepdims=True)
    short = high.sum(axis=-1) < 1 - slack
    if (low > high).any() or (left < -slack).any() or short.any():
        raise ValueError(
            "lower and upper must hold a distribution between them, got a row without"
        )
    v = _check_value(value, low.shape)
    order = np.argsort(v, axis=-1)  # worst first
    room = _reorder(high - low, order)
    filled = np.clip(left - (np.cumsum(room, axis=-1) - room), 0.0, room)
    return _worst_case(low + _reorder(filled, np.argsort(order, axis=-1)), v)


def robust_value_iteration(
    mdp: MDP,
    radius: ArrayLike,
    ambiguity: str = "l1",
    tolerance: float = 1e-6,
    anywhere: bool = False,
) -> RobustSolution:
    r"""Find the policy that does best against the worst kernel, with a certificate.

    .. math:: v(s) = \max_a \Big[ r(s, a) + \gamma \min_{p \in \mathcal{P}(s, a)} p \cdot v \Big].

    Parameters
    ----------
    mdp : MDP
        The model that may be wrong.
    radius : float or (S, A) array_like
        Size of the ambiguity set: an L1 distance, nats of relative entropy, or the half-width of every
        probability's interval.  0 trusts the model.
    ambiguity : {"l1", "kl", "interval"}
        The kind of ambiguity set.
    tolerance : float
        Largest distance allowed between ``value`` and the robust optimum in any state.
    anywhere : bool
        By default nature moves mass only between states that the row reaches already, so absorbing states
        stay absorbing.  With True (not for "kl") it may move mass to any state, out of absorbing states
        too; the kernel is then dense also where the model is sparse.

    Returns
    -------
    RobustSolution
        ``value`` is the exact value of ``policy`` under ``kernel``, ``lower <= optimum <= upper``, and
        ``converged`` says whether ``upper - lower <= tolerance``.

    Raises
    ------
    TypeError, ValueError
        If `radius` is negative or has no fitting shape, `ambiguity` is unknown, or `tolerance` not positive.

    Notes
    -----
    Rewards belong to state and action, so nature cannot touch them.  A reward paid on arrival must be paid by
    the state that is arrived at; otherwise a likelier disaster costs nothing.

    References
    ----------
    Iyengar, G. N. (2005). Robust dynamic programming. Mathematics of Operations Research 30(2).
    Hoffman, A. J. and Karp, R. M. (1966). On nonterminating stochastic games. Management Science 12(5).

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> solution = robust_value_iteration(mdp, radius=0.2)
    >>> solution.value.round(4), solution.kernel[0, 0].round(4)
    (array([5.4237, 2.8814]), array([0.8, 0.2]))
    """
    nature = _nature(mdp, radius, ambiguity, anywhere)
    kernel, value, weights, certificate = _solve_game(mdp, nature, _one_hot, tolerance)
    return RobustSolution(value, weights.argmax(axis=1), *certificate, kernel)


def robust_policy_value(
    mdp: MDP,
    policy: ArrayLike,
    radius: ArrayLike,
    ambiguity: str = "l1",
    tolerance: float = 1e-6,
    anywhere: bool = False,
) -> RobustSolution:
    r"""Return what a policy is worth against the kernel that is worst for it.

    .. math:: v(s) = \sum_a \pi(a \mid s)
              \Big[ r(s, a) + \gamma \min_{p \in \mathcal{P}(s, a)} p \cdot v \Big].

    Parameters
    ----------
    mdp : MDP
        The model that may be wrong.
    policy : (S,) integers or (S, A) probabilities
        An action per state, or a distribution over actions per state.
    radius : float or (S, A) array_like
        Size of the ambiguity set, as in `robust_value_iteration`.
    ambiguity : {"l1", "kl", "interval"}
        The kind of ambiguity set.
    tolerance : float
        Largest distance allowed between ``value`` and the worst value in any state.
    anywhere : bool
        Whether nature may move mass to any state.

    Returns
    -------
    RobustSolution
        As of `robust_value_iteration`, with the given policy.

    Raises
    ------
    TypeError, ValueError
        If the policy is refused by `policy_value` or another argument by `robust_value_iteration`.

    References
    ----------
    Nilim, A. and El Ghaoui, L. (2005). Robust control of Markov decision processes with uncertain transition
    matrices. Operations Research 53(5).

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> robust_policy_value(mdp, [0, 0], radius=0.2).value.round(4)
    array([3.5714, 0.    ])
    """
    probability = _probabilities(mdp, policy)
    nature = _nature(mdp, radius, ambiguity, anywhere)
    game = _solve_game(mdp, nature, lambda q, greedy: probability, tolerance)
    kernel, value, _, certificate = game
    return RobustSolution(value, np.array(policy), *certificate, kernel)


def action_robust_value_iteration(
    mdp: MDP, alpha: float, tolerance: float = 1e-6
) -> ActionRobustSolution:
    r"""Solve :math:`v(s) = (1 - \alpha) \max_a q_v(s, a) + \alpha \min_a q_v(s, a)` with a certificate.

    The probabilistic action-robust problem (PR-MDP): with probability :math:`\alpha` per step an adversary,
    who wants the worst, takes the action instead.  The minimum runs over available actions only.

    Parameters
    ----------
    mdp : MDP
        The process.
    alpha : float
        Probability of losing control in a step.  0 is the plain optimum, 1 the worst policy.
    tolerance : float
        Largest distance allowed between ``value`` and the solution in any state.

    Returns
    -------
    ActionRobustSolution
        ``value`` is the exact value of the mixture of ``policy`` and ``adversary``; certified as
        `robust_value_iteration` is.

    Raises
    ------
    TypeError, ValueError
        If `alpha` is no probability or `tolerance` not positive.

    References
    ----------
    Tessler, C., Efroni, Y. and Mannor, S. (2019). Action robust reinforcement learning and applications in
    continuous control. ICML.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> action_robust_value_iteration(mdp, 0.1).value.round(4)
    array([4.9566, 2.4339])
    """
    share = float(real_array("alpha", alpha, ()))
    check_probability("alpha", share)

    def expected(v: Floats) -> tuple[Any, Floats]:  # nature leaves the model alone
        return mdp.transition, (mdp.rows @ v).reshape(mdp.reward.shape)

    def weigh(q: Floats, policy: Integers) -> Floats:
        own, taken_over = _one_hot(q, policy), _one_hot(q, _worst_available(q))
        return (1 - share) * own + share * taken_over

    _, value, _, certificate = _solve_game(mdp, expected, weigh, tolerance)
    q = action_values(mdp, value)
    policy, adversary = q.argmax(axis=1), _worst_available(q)
    return ActionRobustSolution(value, policy, *certificate, adversary)


def _solve_game(
    mdp: MDP,
    nature: Callable[[Floats], tuple[Any, Floats]],
    weigh: Callable[[Floats, Integers], Floats],
    tolerance: float,
) -> tuple[Any, Floats, Floats, tuple[Floats, Floats, int, bool]]:
    """Solve ``v = max over policies of sum_a w(s, a) q(s, a)`` with ``w = weigh(q, policy)``.

    Here ``q = r + discount * nature(v)``.  Returns the kernel, the value, the weights and (lower, upper,
    iterations, converged).
    """
    _check_tolerance(tolerance)
    value, everyone = np.zeros(mdp.states), np.arange(mdp.states)
    policy, seen = mdp.reward.argmax(axis=1), set[bytes]()
    iterations, fresh, settled = 0, True, False
    while True:
        iterations += 1
        kernel, expected = nature(value)
        q = mdp.reward + mdp.discount * expected
        greedy = q.argmax(axis=1)
        backup = _mix(weigh(q, greedy), q)
        lower, upper, rounding = _bounds(mdp, value, backup)
        # The inner minimum is exact to 64 units only, which the bounds must carry too.
        lower, upper = lower - 64 * rounding, upper + 64 * rounding
        rounding *= 65
        gap = float((upper - lower).max())
        if settled:  # nature has no worse reply to this policy: time for a better one
            seen.add(policy.tobytes())
            noise = (1 - mdp.discount) * rounding
            better = q[everyone, greedy] > q[everyone, policy] + noise
            policy, fresh = np.where(better, greedy, policy), True
        # In exact arithmetic no policy returns. Where one does, only rounding is left.
        if gap <= tolerance or (settled and policy.tobytes() in seen):
            weights = weigh(q, greedy)
            exact = policy_value(MDP(kernel, mdp.reward, mdp.discount), weights)
            return kernel, exact, weights, (lower, upper, iterations, gap <= tolerance)
        reply = policy_value(MDP(kernel, mdp.reward, mdp.discount), weigh(q, policy))
        fallen = (reply < value - rounding).any() and reply.sum() < value.sum()
        settled, fresh, value = not fresh and not fallen, False, reply


def _nature(
    mdp: MDP, radius: ArrayLike, ambiguity: str, anywhere: bool
) -> Callable[[Floats], tuple[Any, Floats]]:
    """Return the function that maps a value to the worst kernel and its (S, A) expected values."""
    if ambiguity not in ("l1", "kl", "interval"):
        raise ValueError(
            f"ambiguity must be 'l1', 'kl' or 'interval', got {ambiguity!r}"
        )
    if anywhere and ambiguity == "kl":
        raise ValueError("anywhere must be False for 'kl', which creates no transition")
    size = _check_radius(radius, mdp.reward.shape).ravel()
    rows = sparse.csr_array(mdp.rows, copy=True)
    rows.eliminate_zeros()
    shared = anywhere or rows.nnz == rows.shape[0] * mdp.states
    # Rows are packed to their supports, so that a sweep costs what the model's non-zeros cost.
    width = mdp.states if shared else int(np.diff(rows.indptr).max())
    filled = np.arange(width) < (width if shared else np.diff(rows.indptr)[:, None])
    support = np.broadcast_to(filled, (rows.shape[0], width))
    columns = np.zeros(support.shape, dtype=np.int64)
    p = rows.toarray() if shared else np.zeros(support.shape)
    if not shared:
        p[support], columns[support] = rows.data, rows.indices

    def worst(value: Floats) -> tuple[Any, Floats]:
        v = value if shared else value[columns]
        if ambiguity == "l1":
            answer = worst_case_l1(p, v, size, support)
        elif ambiguity == "kl":
            answer = worst_case_kl(p, v, size)
        else:
            low = np.maximum(p - size[:, None], 0.0)
            high = np.minimum(p + size[:, None], 1.0) * support
            answer = worst_case_interval(low, high, v)
        kernel: Any = answer.kernel
        if not shared:
            packed = kernel[support], rows.indices, rows.indptr
            kernel = sparse.csr_array(packed, shape=rows.shape)
            if not sparse.issparse(mdp.transition):
                kernel = kernel.toarray()
        if not sparse.issparse(kernel):
            kernel = kernel.reshape(mdp.states, mdp.actions, mdp.states)
        return kernel, answer.value.reshape(mdp.reward.shape)

    return worst


def _tilted_to(p: Floats, cost: Floats, kappa: Floats) -> Floats:
    """Rows ``p exp(-rate * cost) / Z`` at the rates where their relative entropy to `p` is `kappa`."""
    eps, tiny = np.finfo(np.float64).eps, np.finfo(np.float64).tiny
    rows, todo, step = np.empty_like(p), np.arange(kappa.size), 0
    low, high = np.zeros_like(kappa), np.full_like(kappa, np.inf)
    rate = np.sqrt(2 * kappa / np.maximum(_variance(p, cost), tiny))  # for small kappa
    while todo.size:
        step += 1
        rows[todo], entropy, slope = _tilt(p[todo], cost[todo], rate)
        low = np.where(entropy <= kappa, rate, low)
        high = np.where(entropy > kappa, rate, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = rate + 2 * (np.sqrt(kappa * entropy) - entropy) / slope
            middle = np.where(low > 0, np.sqrt(low * high), high / 8)
        middle = np.where(np.isinf(high), 8 * rate, middle)
        inside = (newton > low) & (newton < np.minimum(high, 8 * rate)) & (step % 8 > 0)
        # The duality gap is |kappa - entropy| / rate; else the bracket's rounding stops.
        wide = np.isinf(high) | (high - low > 4 * eps * high)
        keep = (np.abs(kappa - entropy) > 64 * eps * rate) & wide
        rate = np.where(inside, newton, middle)[keep]
        todo, kappa, low, high = todo[keep], kappa[keep], low[keep], high[keep]
    return rows


def _tilt(p: Floats, cost: Floats, rate: Floats) -> tuple[Floats, Floats, Floats]:
    """Rows ``q = p exp(-rate * cost) / Z``, their relative entropy to `p`, and its derivative in the rate."""
    exponent = -rate[:, None] * cost
    shrink = (p * np.expm1(exponent)).sum(axis=1)
    # log Z to full relative precision, be it near 0 (a small radius) or very negative (rare worst states).
    direct = np.log((p * np.exp(exponent)).sum(axis=1))
    log_z = np.where(shrink > -0.5, np.log1p(np.maximum(shrink, -0.5)), direct)
    x = exponent - log_z[:, None]  # log(q / p)
    growth = np.expm1(x)
    # Terms q log(q / p) - q + p, each >= 0: no cancellation between them.
    entropy = (p * (x * (growth + 1) - growth)).sum(axis=1)
    q = p * (growth + 1)
    return q, entropy, rate * _variance(q, cost)


def _variance(p: Floats, cost: Floats) -> Floats:
    mean = (p * cost).sum(axis=1, keepdims=True)
    return np.asarray((p * (cost - mean) ** 2).sum(axis=1))


def _worst_case(rows: Floats, value: Floats) -> WorstCase:
    rows /= rows.sum(axis=-1, keepdims=True)  # rounding only
    return WorstCase(rows, np.asarray(np.einsum("...i,...i->...", rows, value)))


def _reorder(array: Floats, order: Integers) -> Floats:
    """Permute the last axis by one order for all rows or by one per row."""
    if order.ndim == 1:
        return np.asarray(array[..., order])
    return np.take_along_axis(array, order, axis=-1)


def _one_hot(q: Floats, policy: Integers) -> Floats:
    return np.asarray(np.eye(q.shape[1])[policy])


def _worst_available(q: Floats) -> Integers:
    return np.asarray(np.where(np.isneginf(q), np.inf, q).argmin(axis=1))


def _mix(weights: Floats, q: Floats) -> Floats:
    # Not 0 * -inf: an unavailable action has no weight.
    parts = np.multiply(weights, q, out=np.zeros_like(q), where=weights > 0)
    return np.asarray(parts.sum(axis=1))


def _rows_and_value(kernel: ArrayLike, value: ArrayLike) -> tuple[Floats, Floats]:
    p = check_stochastic("kernel", kernel)
    return p, _check_value(value, p.shape)


def _check_value(value: ArrayLike, shape: tuple[int, ...]) -> Floats:
    v = real_array("value", value)
    _check_shape("value", v, (shape[-1:], shape))
    return v


def _check_radius(radius: ArrayLike, shape: tuple[int, ...]) -> Floats:
    size = real_array("radius", radius)
    if size.size and size.min() < 0:
        raise ValueError(f"radius must not be negative, got {size.min():g}")
    _check_shape("radius", size, ((), shape))
    return np.broadcast_to(size, shape)


def _check_support(support: ArrayLike, shape: tuple[int, ...]) -> Booleans:
    mask = np.asarray(support)
    if mask.dtype != np.bool_:
        raise TypeError(f"support must be boolean, got {mask.dtype}")
    _check_shape("support", mask, ((), shape[-1:], shape))
    return np.broadcast_to(mask, shape)


def _check_shape(
    name: str, array: NDArray[Any], shapes: tuple[tuple[int, ...], ...]
) -> None:
    if array.shape not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
