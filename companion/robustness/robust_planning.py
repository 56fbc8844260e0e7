r"""Planning when the model itself is wrong.

A plan is made for one transition kernel `P`; the world follows another.  The robust plan puts a minimum beside
the maximum of Bellman's equation: nature picks, for every state and action, the worst row :math:`p` in an
ambiguity set :math:`\mathcal{P}(s, a)` around the model's row,

.. math:: (T v)(s) = \max_a \Big[ r(s, a) + \gamma \min_{p \in \mathcal{P}(s, a)} p \cdot v \Big].

`T` is monotone and satisfies :math:`T(v + c) = T v + \gamma c`, because rows sum to 1 and no set depends on
`v`.  MacQueen's bounds need no more than that: with :math:`d = T v - v`, for every `v`,

.. math:: T v + \tfrac{\gamma}{1 - \gamma} \min_s d(s) \;\le\; v^* \;\le\;
          T v + \tfrac{\gamma}{1 - \gamma} \max_s d(s).

It is solved by policy iteration inside policy iteration.  Against a fixed policy nature has an ordinary
decision problem: take the worst rows for `v`, then the exact `v` of the policy under them by a linear solve,
until `v` stops falling.  Only the policy's own rows take part in that.  Then every action's worst row is
looked at once, the policy improves, and `v` rises.  Sweeping :math:`v \leftarrow T v` would need
:math:`1 / (1 - \gamma)` times as many steps where the process mixes slowly.

References
----------
Iyengar, G. N. (2005). Robust dynamic programming. Mathematics of Operations Research 30(2), 257-280.
Nilim, A. and El Ghaoui, L. (2005). Robust control of Markov decision processes with uncertain transition
matrices. Operations Research 53(5), 780-798.
Rao, S. S., Chandrasekaran, R. and Nair, K. P. K. (1973). Algorithms for discounted stochastic games. Journal
of Optimization Theory and Applications 11(6), 627-637.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from companion.checks import (
    check_number,
    check_probability,
    check_stochastic,
    real_array,
)
from companion.mdp import MDP, Solution, policy_probabilities

__all__ = [
    "RobustSolution",
    "WorstCase",
    "robust_policy_value",
    "robust_value_iteration",
    "worst_case_interval",
    "worst_case_kl",
    "worst_case_l1",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


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
    >>> robust_value_iteration(mdp, radius=0.2).ended
    'certified'
    """

    kernel: Any  # (S, A, S) array, or (S*A, S) CSR where the model was sparse: nature's reply
    ended: str  # why: "certified", "rounding" (nothing better, tolerance too small) or "limit" of steps


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
    p = check_stochastic("kernel", kernel)
    v = _shaped("value", value, p.shape[-1:], p.shape)
    budget = _radius(radius, p.shape[:-1])[..., None] / 2
    if support is None:
        allowed = p > 0
    elif np.asarray(support).dtype == np.bool_:
        mask = _shaped("support", support, (), p.shape[-1:], p.shape)
        allowed = np.broadcast_to(mask > 0, p.shape)
    else:
        raise TypeError(f"support must be boolean, got {np.asarray(support).dtype}")
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

    Here :math:`D(p \Vert P) = \sum_i p_i \log (p_i / P_i)` is the relative entropy in nats.  As long as
    :math:`\kappa < -\log P(\text{worst})`, the worst row is the model's row tilted towards bad states,
    :math:`p_\lambda \propto P e^{-\lambda v}`, and

    .. math:: \min_p\, p \cdot v = \max_{\lambda > 0}
              -\frac{1}{\lambda} \Big( \log \sum_i P_i e^{-\lambda v_i} + \kappa \Big).

    The gap between the two sides at :math:`\lambda` is :math:`(\kappa - D(p_\lambda \Vert P)) / \lambda`.
    Newton's method on :math:`\sqrt{D}`, kept in a bracket, closes it for all rows at once.  Mass never
    appears where the row has none; from :math:`\kappa = -\log P(\text{worst})` on the worst state has it all.

    The direction matters.  The likelihood of data with frequencies :math:`\hat P` is
    :math:`e^{-m D(\hat P \Vert p)}` up to a constant: that bounds the other direction, which this is not.

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
    p = check_stochastic("kernel", kernel)
    v = _shaped("value", value, p.shape[-1:], p.shape)
    kappa = _radius(radius, p.shape[:-1]).ravel()
    flat = p.reshape(-1, p.shape[-1])
    # By a power of two, which is exact, so that no difference overflows.
    scaled = np.ldexp(v, -np.frexp(np.abs(v).max(initial=0.0))[1])
    values = np.broadcast_to(scaled, p.shape).reshape(flat.shape)
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
    v = _shaped("value", value, low.shape[-1:], low.shape)
    order = np.argsort(v, axis=-1)  # worst first
    room = _reorder(high - low, order)
    filled = np.clip(left - (np.cumsum(room, axis=-1) - room), 0.0, room)
    return _worst_case(low + _reorder(filled, np.argsort(order, axis=-1)), v)


def robust_value_iteration(
    mdp: MDP,
    radius: ArrayLike,
    ambiguity: Callable[..., WorstCase] = worst_case_l1,
    tolerance: float = 1e-6,
) -> RobustSolution:
    r"""Find the policy that does best against the worst kernel, with a certificate.

    .. math:: v(s) = \max_a \Big[ r(s, a) + \gamma \min_{p \in \mathcal{P}(s, a)} p \cdot v \Big].

    Parameters
    ----------
    mdp : MDP
        The model that may be wrong.
    radius : float or (S, A) array_like
        Size of the ambiguity set, handed to `ambiguity` row by row.  0 trusts the model.
    ambiguity : function
        ``ambiguity(kernel, value, radius) -> WorstCase`` for rows (N, n), a value (n,) or (N, n) and radii
        (N,): `worst_case_l1`, `worst_case_kl`, or one of your own, whose set must not depend on the value.
    tolerance : float
        Largest distance allowed between ``value`` and the robust optimum in any state.

    Returns
    -------
    RobustSolution
        ``value`` is the exact value of ``policy`` under ``kernel``, ``lower <= optimum <= upper``, and
        ``converged`` says whether ``upper - lower <= tolerance``.

    Raises
    ------
    TypeError, ValueError
        If `radius` is negative or has no fitting shape, `ambiguity` is no function, or `tolerance` not positive.

    Notes
    -----
    `worst_case_l1` moves mass only between states that the row reaches already, so absorbing states stay
    absorbing.  ``functools.partial(worst_case_l1, support=True)`` lets nature move it anywhere, out of absorbing
    states too.  The rows of a sparse model are handed over without their zeros: there nature keeps to the
    support in any case.

    Rewards belong to state and action, so nature cannot touch them.  A reward paid on arrival must be paid by
    the state that is arrived at; otherwise a likelier disaster costs nothing.

    References
    ----------
    Iyengar, G. N. (2005). Robust dynamic programming. Mathematics of Operations Research 30(2).
    Rao, S. S., Chandrasekaran, R. and Nair, K. P. K. (1973). Algorithms for discounted stochastic games. Journal
    of Optimization Theory and Applications 11(6).

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> solution = robust_value_iteration(mdp, radius=0.2)
    >>> solution.value.round(4), solution.kernel[0, 0].round(4)
    (array([5.4237, 2.8814]), array([0.8, 0.2]))
    """
    tolerance = check_number("tolerance", tolerance, 0, ends="()")
    nature = _Nature.of(mdp, radius, ambiguity)
    first = np.arange(mdp.states) * mdp.actions  # row s * A + a belongs to (s, a)
    value, policy, ended = np.zeros(mdp.states), mdp.reward.argmax(axis=1), "limit"
    for iterations in range(1, LIMIT + 1):
        # Nature answers every action; so the bounds hold, and a better action shows.
        worst = nature.reply(value)
        q = mdp.reward + mdp.discount * worst.value.reshape(mdp.reward.shape)
        greedy = q.argmax(axis=1)
        backup = q[np.arange(mdp.states), greedy]
        lower, upper, rounding = _bounds(value, backup, mdp.discount)
        gain = backup - q[np.arange(mdp.states), policy]
        better = gain > (1 - mdp.discount) * rounding
        policy = np.where(better, greedy, policy)
        if (upper - lower).max() <= tolerance:
            ended = "certified"
        elif iterations > 1 and not better.any():
            ended = "rounding"
        if ended != "limit":
            break
        # The policy is fixed, and nature improves against it: the value falls.
        chosen = first + policy
        rows, paid = worst.kernel[chosen], mdp.reward.ravel()[chosen]
        for _ in range(LIMIT):
            value = nature.solve(rows, chosen, paid)
            rows, expected = nature.reply(value, chosen)
            if (paid + mdp.discount * expected >= value - rounding).all():
                break
    chosen = first + policy
    exact = nature.solve(worst.kernel[chosen], chosen, mdp.reward.ravel()[chosen])
    certificate = lower, upper, iterations, ended == "certified"
    return RobustSolution(exact, policy, *certificate, nature.whole(worst), ended)


def robust_policy_value(
    mdp: MDP,
    policy: ArrayLike,
    radius: ArrayLike,
    ambiguity: Callable[..., WorstCase] = worst_case_l1,
    tolerance: float = 1e-6,
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
    ambiguity : function
        The kind of ambiguity set, as in `robust_value_iteration`.
    tolerance : float
        Largest distance allowed between ``value`` and the worst value in any state.

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
    tolerance = check_number("tolerance", tolerance, 0, ends="()")
    probability = policy_probabilities(mdp, policy)
    nature = _Nature.of(mdp, radius, ambiguity)
    # Row (s, a) takes part in state s, weighted; an unavailable action has no weight.
    chosen = np.flatnonzero(probability)
    weight = probability.ravel()[chosen]
    share = sparse.csr_array(
        (weight, (chosen // mdp.actions, np.arange(chosen.size))),
        shape=(mdp.states, chosen.size),
    )
    paid = share @ mdp.reward.ravel()[chosen]
    value, ended = np.zeros(mdp.states), "limit"
    for iterations in range(1, LIMIT + 1):
        rows, expected = nature.reply(value, chosen)
        backup = paid + mdp.discount * (share @ expected)
        lower, upper, rounding = _bounds(value, backup, mdp.discount)
        if (upper - lower).max() <= tolerance:
            ended = "certified"
        elif iterations > 1 and (backup >= value - rounding).all():
            ended = "rounding"
        exact = nature.solve(rows, chosen, paid, share)
        if ended != "limit":
            break
        value = exact
    kernel = nature.whole(nature.reply(value))
    certificate = lower, upper, iterations, ended == "certified"
    return RobustSolution(exact, np.array(policy), *certificate, kernel, ended)


# Steps of policy iteration, here and inside; a handful is usual.
LIMIT = 10_000


@dataclass(frozen=True)
class _Nature:
    """The model's rows as nature sees them, one per state and action, and what she may do to them."""

    mdp: MDP
    radius: Floats  # (S*A,)
    worst: Callable[..., WorstCase]
    rows: Floats  # (S*A, S), or (S*A, w) without the zeros of a sparse model
    columns: Any  # (S*A, w) the states of those entries; None where rows are whole
    support: Any  # (S*A, w) which of them are entries, not filling

    @classmethod
    def of(
        cls, mdp: MDP, radius: ArrayLike, worst: Callable[..., WorstCase]
    ) -> _Nature:
        if not callable(worst):
            raise TypeError(
                f"ambiguity must be a function such as worst_case_l1, got {worst!r}"
            )
        size = _radius(radius, mdp.reward.shape).ravel()
        if not sparse.issparse(mdp.rows):
            return cls(mdp, size, worst, mdp.rows, None, None)
        packed = sparse.csr_array(mdp.rows, copy=True)
        packed.eliminate_zeros()
        lengths = np.diff(packed.indptr)
        support = np.arange(lengths.max()) < lengths[:, None]
        rows, columns = np.zeros(support.shape), np.zeros(support.shape, dtype=np.int64)
        rows[support], columns[support] = packed.data, packed.indices
        return cls(mdp, size, worst, rows, columns, support)

    def reply(self, value: Floats, chosen: Any = slice(None)) -> WorstCase:
        """The worst rows for a value, of all actions or of the chosen ones."""
        seen = value if self.columns is None else value[self.columns[chosen]]
        return self.worst(self.rows[chosen], seen, self.radius[chosen])

    def solve(
        self, rows: Floats, chosen: Integers, paid: Floats, share: Any = None
    ) -> Floats:
        """The exact value of the chain that `rows` make, mixed by `share` where a state has several."""
        kernel = rows if self.columns is None else self._sparse(rows, chosen)
        kernel = kernel if share is None else share @ kernel
        if sparse.issparse(kernel):
            matrix = sparse.eye_array(paid.size) - self.mdp.discount * kernel
            return np.asarray(spsolve(matrix.tocsc(), paid)).reshape(paid.shape)
        matrix = np.eye(paid.size) - self.mdp.discount * kernel
        return np.asarray(np.linalg.solve(matrix, paid))

    def whole(self, worst: WorstCase) -> Any:
        """All worst rows in the model's own form."""
        if self.columns is None:
            return worst.kernel.reshape(self.mdp.transition.shape)
        return self._sparse(worst.kernel, slice(None))

    def _sparse(self, rows: Floats, chosen: Any) -> Any:
        entries, columns = self.support[chosen], self.columns[chosen]
        ends = np.concatenate([[0], entries.sum(axis=1).cumsum()])
        shape = len(rows), self.mdp.states
        return sparse.csr_array((rows[entries], columns[entries], ends), shape=shape)


def _bounds(
    value: Floats, backup: Floats, discount: float
) -> tuple[Floats, Floats, float]:
    """MacQueen's bounds around ``backup = T value``, widened by the rounding error that is returned too."""
    reach = discount / (1 - discount)
    lower = backup + reach * (backup - value).min()
    upper = backup + reach * (backup - value).max()
    scale = max(np.abs(lower).max(), np.abs(upper).max())
    # The inner minimum is exact to 64 units of precision.
    rounding = float(65 * np.finfo(np.float64).eps * scale / (1 - discount))
    return lower - rounding, upper + rounding, rounding


def _tilted_to(p: Floats, cost: Floats, kappa: Floats) -> Floats:
    """Rows ``p exp(-rate * cost) / Z`` at the rates where their relative entropy to `p` is `kappa`."""
    eps, tiny = np.finfo(np.float64).eps, np.finfo(np.float64).tiny
    rows, todo = np.empty_like(p), np.arange(kappa.size)
    low, high = np.zeros_like(kappa), np.full_like(kappa, np.inf)
    rate = np.sqrt(2 * kappa / np.maximum(_variance(p, cost), tiny))  # for small kappa
    # 350 steps of 8 reach any rate; each 8th halves the bracket in its logarithm.
    for step in range(1, 2000):
        if not todo.size:
            return rows
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
    raise ArithmeticError(f"no tilt has relative entropy {kappa[0]:g}")


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
    """The variance of the costs, row by row."""
    mean = (p * cost).sum(axis=1, keepdims=True)
    return np.asarray((p * (cost - mean) ** 2).sum(axis=1))


def _worst_case(rows: Floats, value: Floats) -> WorstCase:
    """Rows that sum to 1 up to rounding, and their values."""
    rows /= rows.sum(axis=-1, keepdims=True)
    return WorstCase(rows, np.asarray(np.einsum("...i,...i->...", rows, value)))


def _reorder(array: Floats, order: Integers) -> Floats:
    """Permute the last axis by one order for all rows or by one per row."""
    if order.ndim == 1:
        return np.asarray(array[..., order])
    return np.take_along_axis(array, order, axis=-1)


def _radius(radius: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """Radii, one per row."""
    size = _shaped("radius", radius, (), shape)
    if size.size and size.min() < 0:
        raise ValueError(f"radius must not be negative, got {size.min():g}")
    return np.broadcast_to(size, shape)


def _shaped(name: str, value: ArrayLike, *shapes: tuple[int, ...]) -> Floats:
    """Real numbers in one of some shapes."""
    array = real_array(name, value)
    if array.shape not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
    return array
