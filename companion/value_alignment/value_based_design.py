r"""Value-based design: several values as a vector, and what one weighted number of them hides.

What an agent does is worth something in several respects, so the value of a policy is a vector.  One vector
dominates another if it is at least as good in every respect and better in one.  Planning keeps all that no other
dominates; whoever adds the respects up with weights before planning keeps far fewer, and which ones depends on
the shape of what is possible, and not on how finely the weights are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.checks import (
    check_integer,
    check_number,
    check_stochastic,
    check_table,
    real_array,
)

__all__ = [
    "ParetoValues",
    "VectorProcess",
    "deep_sea_treasure",
    "hypervolume",
    "mixing_range",
    "nondominated",
    "pareto_values",
    "weight_range",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Treasures from left to right, one in each column, and the row of each.
DEPTHS = (1, 2, 3, 4, 4, 4, 7, 7, 9, 10)
TREASURES = {
    "concave": (1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 24.0, 50.0, 74.0, 124.0),
    "convex": (0.7, 8.2, 11.5, 14.0, 15.1, 16.1, 19.6, 20.3, 22.4, 23.7),
}


@dataclass(frozen=True, eq=False)
class VectorProcess:
    """A finite decision process that pays in several respects.

    Examples
    --------
    >>> deep_sea_treasure().reward.shape
    (121, 4, 2)
    """

    transition: Floats  # (S, A, S) probability of each next state
    reward: Floats  # (S, A, K) what a step pays in each of K respects
    start: int  # the first state


@dataclass(frozen=True, eq=False)
class ParetoValues:
    """What `pareto_values` returns: the fronts, and whether they are final.

    Examples
    --------
    >>> pareto_values([[[1]]], [[[2, -1]]], discount=0.5, horizon=3)
    ParetoValues(fronts=[array([[ 3.5 , -1.75]])], sweeps=3, converged=False)
    """

    fronts: list[
        Floats
    ]  # per state (n, K): the undominated values, first respect rising
    sweeps: int  # how many steps they look ahead
    converged: bool  # whether looking further ahead changes nothing


def deep_sea_treasure(layout: str = "concave") -> VectorProcess:
    """Dive for treasure: the deeper it lies the more it is worth, and each step costs time.

    An 11 by 11 grid, state ``11 * row + column``, actions up, down, left, right; the grid's edge and the sea
    floor hold the submarine.  It starts at the top left.  A treasure ends the episode: such a cell keeps
    whoever is there and pays nothing.  The two respects are treasure and time, -1 per step.

    Parameters
    ----------
    layout : {"concave", "convex"}
        Which treasures: the original ones, whose front bends inwards, or the later ones, whose front bends
        outwards.

    Returns
    -------
    VectorProcess
        121 states, 4 actions, 2 respects.  Cells of the sea floor are states that nobody reaches.

    Raises
    ------
    ValueError
        If there is no such layout.

    References
    ----------
    Vamplew, P. et al. (2011). Empirical evaluation methods for multiobjective reinforcement learning
    algorithms. Machine Learning 84. The concave map.
    Yang, R., Sun, X. and Narasimhan, K. (2019). A generalized algorithm for multi-objective reinforcement
    learning and policy adaptation. NeurIPS. The convex map.

    Examples
    --------
    >>> sea = deep_sea_treasure()
    >>> sea.reward[0, 1], sea.transition[0, 1].argmax()  # down from the start, to a treasure
    (array([ 1., -1.]), np.int64(11))
    """
    if layout not in TREASURES:
        raise ValueError(f"layout must be one of {sorted(TREASURES)}, got {layout!r}")
    depth = np.array([*DEPTHS, 11])  # of the sea floor's top in each column
    row, column = np.divmod(np.arange(121), 11)
    sails = row < depth[column]
    worth = np.where(
        row == depth[column], np.array([*TREASURES[layout], 0.0])[column], 0
    )
    open_water = row <= depth[column]
    transition, reward = np.zeros((121, 4, 121)), np.zeros((121, 4, 2))
    for action, (down, right) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1))):
        to = 11 * np.clip(row + down, 0, 10) + np.clip(column + right, 0, 10)
        to = np.where(sails & open_water[to], to, np.arange(121))
        transition[np.arange(121), action, to] = 1.0
        reward[sails, action] = np.column_stack([worth[to], np.full(121, -1.0)])[sails]
    return VectorProcess(transition, reward, 0)


def pareto_values(
    transition: ArrayLike,
    reward: ArrayLike,
    discount: float,
    horizon: int = 1000,
    most: int = 10_000,
) -> ParetoValues:
    r"""Return every undominated value vector that deterministic policies reach, from every state.

    Starting from :math:`V_0(s) = \{0\}`, each sweep looks one step further ahead,

    .. math:: V_{h+1}(s) = \operatorname{ND} \bigcup_a \Big( r(s, a)
              + \gamma \bigoplus_{s'} P(s' \mid s, a)\, V_h(s') \Big),

    where the sum of sets holds every sum of one vector of each, and ND drops what is dominated.

    Parameters
    ----------
    transition : (S, A, S) array_like
        Probability of each next state.
    reward : (S, A, K) array_like
        What a step pays in each respect.
    discount : float
        Worth of a reward one step later, :math:`0 \le \gamma \le 1`.
    horizon : int
        Most sweeps.  If a sweep changes nothing, no later one does, and the values are those of any longer
        horizon.
    most : int
        Most vectors of one set, before what is dominated is dropped.

    Returns
    -------
    ParetoValues
        ``converged=False`` if the horizon was reached first: the values are then exact for that horizon.

    Raises
    ------
    TypeError, ValueError
        If a table is refused, or rewards are so large that their sum over the horizon could overflow.
    RuntimeError
        If a set outgrows `most`; in a random process that takes only a few sweeps.

    Notes
    -----
    The policies may remember what happened.  Vectors are compared exactly: two that are equal but for their
    rounding may both stay.

    References
    ----------
    White, D. J. (1982). Multi-objective infinite-horizon discounted Markov decision processes. Journal of
    Mathematical Analysis and Applications 89(2).

    Examples
    --------
    >>> sea = deep_sea_treasure("concave")
    >>> answer = pareto_values(sea.transition, sea.reward, discount=1)
    >>> answer.fronts[sea.start][:3]
    array([[ 1., -1.],
           [ 2., -3.],
           [ 3., -5.]])
    >>> len(answer.fronts[sea.start]), answer.converged
    (10, True)
    """
    reward = real_array("reward", reward, (None, None, None))
    states, actions, respects = reward.shape
    if 0 in reward.shape:
        raise ValueError(f"reward must have S, A, K >= 1, got shape {reward.shape}")
    transition = check_stochastic(
        "transition", real_array("transition", transition, (states, actions, states))
    )
    discount = check_number("discount", discount, 0, 1)
    horizon = check_integer("horizon", horizon, 1)
    most = check_integer("most", most, 1)
    if (largest := np.abs(reward).max()) > np.finfo(np.float64).max / 16 / horizon:
        raise ValueError(
            f"reward must keep its sum over {horizon} steps finite, got {largest:g}"
        )
    follows = [
        [np.flatnonzero(transition[s, a]) for a in range(actions)]
        for s in range(states)
    ]
    leads: Mask = np.add.reduce(transition, axis=1) > 0  # state, next state
    fronts = [np.zeros((1, respects)) for _ in range(states)]
    changed = np.ones(states, dtype=bool)
    for sweep in range(1, horizon + 1):
        renewed = {}
        for s in np.flatnonzero(leads[:, changed].any(axis=1)):
            options = []
            for a, after in enumerate(follows[s]):
                total = reward[s, a][None]
                for t in after:  # a sum of sets, one next state after the other
                    part = discount * transition[s, a, t] * fronts[t]
                    _check_size(len(total) * len(part), most)
                    total = (total[:, None] + part).reshape(-1, respects)
                    total = _front(total) if len(after) > 1 else total
                options.append(total)
            _check_size(sum(map(len, options)), most)
            renewed[s] = _front(np.concatenate(options))
        changed = np.zeros(states, dtype=bool)
        for s, front in renewed.items():
            changed[s] = not np.array_equal(front, fronts[s])
            fronts[s] = front
        if not changed.any():
            return ParetoValues(fronts, sweep - 1, True)
    return ParetoValues(fronts, horizon, False)


def nondominated(points: ArrayLike) -> Mask:
    """Say which points no other one dominates: at least as good in every respect, and better in one.

    Parameters
    ----------
    points : (N, K) array_like
        Larger is better in every column.

    Returns
    -------
    (N,) ndarray of bool
        Equal points do not dominate one another, so copies share their answer.

    Raises
    ------
    TypeError, ValueError
        If `points` is no table of finite numbers.

    References
    ----------
    Kung, H. T., Luccio, F. and Preparata, F. P. (1975). On finding the maxima of a set of vectors. Journal of
    the ACM 22(4).

    Examples
    --------
    >>> nondominated([[1, 3], [2, 2], [1, 2], [2, 2]])
    array([ True,  True, False,  True])
    """
    return _nondominated(check_table("points", points))


def weight_range(points: ArrayLike) -> Floats:
    r"""Return the weights for which each of some points is best, exactly.

    Point `i` is best for the weight `w` of the first respect if, for every `j`,

    .. math:: w\,(x_i - x_j) + (1 - w)\,(y_i - y_j) \ge 0,

    and each of these inequalities bounds `w` from one side.

    Parameters
    ----------
    points : (N, 2) array_like
        Larger is better in both columns.

    Returns
    -------
    (N, 2) ndarray
        The least and the largest such weight.  Where the first exceeds the second, no weight makes the point
        best.  Where they are equal but for rounding, it is best in a tie only.

    Raises
    ------
    TypeError, ValueError
        If `points` is no table of finite numbers with two columns.

    References
    ----------
    Das, I. and Dennis, J. E. (1997). A closer look at drawbacks of minimizing weighted sums of objectives for
    Pareto set generation in multicriteria optimization problems. Structural Optimization 14.

    Examples
    --------
    The middle point lies in a dent: it would need a weight above 4/5 and below 2/3.

    >>> weight_range([[0, 4], [1, 0], [3, -4]])
    array([[0.        , 0.72727273],
           [0.8       , 0.66666667],
           [0.72727273, 1.        ]])
    """
    p = check_table("points", points, columns=2)
    gap = p[:, None] - p  # (N, N, 2)
    return _share_range(gap[..., 0] - gap[..., 1], -gap[..., 1])


def mixing_range(points: ArrayLike, first: ArrayLike, second: ArrayLike) -> Floats:
    r"""Return how often to play one policy and else another so that, on average, points are matched.

    A coin tossed once per episode plays the first with probability `q`.  Its mean is at least as good as the
    point `p` in every respect `k` if

    .. math:: q\, a_k + (1 - q)\, b_k \ge p_k.

    Parameters
    ----------
    points : (N, K) array_like
        The points `p` to match; larger is better in every column.
    first, second : (K,) array_like
        The value vectors `a` and `b` of the two policies.

    Returns
    -------
    (N, 2) ndarray
        The least and the largest such `q`.  Where the first exceeds the second there is none; strictly between
        them the mixture is better in every respect in which the two policies differ.

    Raises
    ------
    TypeError, ValueError
        If an argument is no table of finite numbers, or their lengths differ.

    References
    ----------
    Vamplew, P. et al. (2009). Constructing stochastic mixture policies for episodic multiobjective
    reinforcement learning tasks. Australasian Joint Conference on Artificial Intelligence.

    Examples
    --------
    >>> mixing_range([[16, -9]], [124, -19], [1, -1]).round(3)
    array([[0.122, 0.444]])
    """
    p = check_table("points", points)
    a, b = (
        check_table(name, real_array(name, value, p.shape[1:])[None])[0]
        for name, value in (("first", first), ("second", second))
    )
    return _share_range(np.broadcast_to(a - b, p.shape), p - b)


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """Return the area between a reference point and some points of two respects.

    It is what the points dominate and the reference does not, one number for how much a set covers.

    Parameters
    ----------
    points : (N, 2) array_like
        Larger is better in both columns.
    reference : (2,) array_like
        The corner; points that are not better than it in both respects add nothing.

    Returns
    -------
    float
        The area, in the product of the two units.

    Raises
    ------
    TypeError, ValueError
        If `points` is no table of two columns, `reference` no pair, or the area too large for float64.

    References
    ----------
    Zitzler, E. and Thiele, L. (1999). Multiobjective evolutionary algorithms: a comparative case study and the
    strength Pareto approach. IEEE Transactions on Evolutionary Computation 3(4).

    Examples
    --------
    >>> hypervolume([[1, -1], [2, -3]], reference=[0, -4])
    4.0
    """
    corner = check_table("reference", real_array("reference", reference, (2,))[None])
    sides = np.maximum(check_table("points", points, columns=2) - corner, 0.0)
    wide, high = _front(sides).T  # width rising, height falling
    with np.errstate(over="ignore"):
        area = float(wide @ (high - np.append(high[1:], 0.0)))
    if not np.isfinite(area):
        raise ValueError("points must keep the area below 1e308, they do not")
    return area


def _share_range(slope: Floats, need: Floats) -> Floats:
    """The range of q in [0, 1] with ``q * slope >= need`` along the last axis; (1, 0) if hopeless."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bound = need / slope
    low = np.where(slope > 0, bound, 0.0).max(axis=-1)
    high = np.where(slope < 0, bound, 1.0).min(axis=-1)
    low, high = np.maximum(low, 0.0), np.minimum(high, 1.0)
    never = ((slope == 0) & (need > 0)).any(axis=-1) | (low > 1) | (high < 0)
    return np.where(never[:, None], [1.0, 0.0], np.stack([low, high], axis=-1))


def _front(points: Floats) -> Floats:
    """The distinct undominated points, first respect rising."""
    return np.unique(points[_nondominated(points)], axis=0)


def _nondominated(points: Floats) -> Mask:
    """The mask of `nondominated`."""
    mask = np.zeros(len(points), dtype=bool)
    left = _thinned(points)
    order = left[np.lexsort(points[left].T[::-1])[::-1]]
    falling = points[order]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (falling[1:] != falling[:-1]).any(axis=1)
    # Whoever comes later is no better in the first respect, which is settled so.
    keep = _unbeaten(falling[fresh, 1:])
    mask[order] = keep[np.cumsum(fresh) - 1]
    return mask


def _thinned(points: Floats, strong: int = 8) -> Integers:
    """The points that a few strong ones, those with the largest sums, do not beat in every respect."""
    left = np.arange(len(points))
    if len(points) <= 32 * strong:
        return left
    columns = points.T.copy()
    size = np.abs(columns).max(axis=1, keepdims=True)
    total = (columns / np.where(size > 0, size, 1.0)).sum(axis=0)
    for _ in range(strong):
        best = total.argmax()
        stays = (columns >= columns[:, best, None]).any(axis=0)
        total[best] = -np.inf
        left, columns, total = left[stays], columns[:, stays], total[stays]
    return left


def _unbeaten(p: Floats, block: int = 32) -> Mask:
    """Which rows no earlier row reaches in every column."""
    keep, left = np.zeros(len(p), dtype=bool), np.arange(len(p))
    if p.shape[1] < 2:
        keep[0] = True
        if p.shape[1]:
            keep[1:] = p[1:, 0] > np.maximum.accumulate(p[:-1, 0])
        return keep
    while left.size:
        head, left = left[:block], left[block:]
        head = head[~np.tril(_reaches(p, head, head), -1).any(axis=1)]
        keep[head] = True
        left = left[~_reaches(p, left, head).any(axis=1)]
    return keep


def _reaches(p: Floats, low: Integers, high: Integers) -> Mask:
    """Entry i, j: whether row ``high[j]`` is at least as good as row ``low[i]`` in every column."""
    reach = np.ones((len(low), len(high)), dtype=bool)
    for column in p.T:
        reach &= column[high] >= column[low, None]
    return reach


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise RuntimeError(
            f"a set of value vectors has outgrown most={most}, it would hold {size}"
        )
