r"""Optimistic exploration: what it costs to find a reward that is far away.

An agent that has never seen a reward has nothing to learn from.  Acting at random it finds a reward behind `N`
right moves after about :math:`2^N` episodes.  *Optimism in the face of uncertainty* does better: whatever is not
known yet is taken to be worth as much as anything could be, so that the agent either earns that much or learns
that it cannot.  The module has the three usual forms of it, on any finite decision process:

* Q-learning whose table starts at the highest possible value,
* a bonus :math:`\beta / \sqrt{n(s, a)}` on the reward of what was tried `n` times,
* planning in the model learnt so far, in which unknown actions lead to paradise (R-MAX, MBIE-EB).

Deep Sea is the standard problem on which they are compared: a grid of `N` rows, through which a diver sinks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from companion.checks import (
    check_generator,
    check_integer,
    check_number,
    real_array,
)
from companion.mdp import MDP

__all__ = [
    "Exploration",
    "Task",
    "deep_sea",
    "planned_exploration",
    "q_exploration",
    "random_visits",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Draw = Callable[[Integers, Integers, np.random.Generator], Integers]
MOST_SWEEPS = 1_000_000  # of one plan: log(1e12) / (1 - discount) do, up to 0.99997
LARGEST = 1e150  # of a value; sums of a few thousand squares must fit


@dataclass(frozen=True, eq=False)
class Task:
    """A decision process in episodes: each begins in `start` and lasts `horizon` steps.

    Attributes
    ----------
    mdp : MDP
        The process, every action available in every state.  A state that no action leaves and that pays nothing
        is an end: its value is known to be zero.
    start : int
        First state of every episode.
    horizon : int
        Steps per episode.
    goal : int
        The state that is looked for.
    noise : (S, A) array_like, optional
        Standard deviation of the normal noise on each reward; none by default.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape or is out of range, or some action is unavailable.

    Examples
    --------
    >>> coin = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[-1.0], [0.0]], 0.9)
    >>> Task(coin, start=0, horizon=5, goal=1).noise
    array([[0.],
           [0.]])
    """

    mdp: MDP
    start: int
    horizon: int
    goal: int
    noise: ArrayLike | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.mdp, MDP):
            raise TypeError(f"mdp must be an MDP, got {type(self.mdp).__name__}")
        if not np.isfinite(self.mdp.reward).all():
            raise ValueError(
                "mdp must have every action available in every state, got a reward of -inf"
            )
        last, shape = self.mdp.states - 1, self.mdp.reward.shape
        check_integer("start", self.start, 0, last)
        check_integer("horizon", self.horizon, 1)
        check_integer("goal", self.goal, 0, last)
        given = np.zeros(shape) if self.noise is None else self.noise
        noise = real_array("noise", given, shape).copy()
        if noise.min() < 0 or noise.max() > LARGEST:
            raise ValueError(
                f"noise must lie in [0, {LARGEST:g}], got {noise.min():g} to {noise.max():g}"
            )
        noise.flags.writeable = False
        object.__setattr__(self, "noise", noise)


class Exploration(NamedTuple):
    """What several independent copies of a learner saw.

    Examples
    --------
    >>> Exploration._fields
    ('returns', 'first_visit', 'visits', 'values')
    """

    returns: Floats  # (copies, episodes) reward of each episode
    first_visit: (
        Integers  # (copies,) episode that first entered the goal, from 1; 0 if none
    )
    visits: Integers  # (copies, S, A) how often each action was taken in each state
    values: Floats  # (copies, S, A) what the learner believes in the end


def deep_sea(
    size: int,
    seed: int = 0,
    *,
    stochastic: bool = False,
    move_cost: float = 0.01,
    discount: float = 0.99,
) -> Task:
    r"""Return Deep Sea: a diver sinks through `N` rows, and a treasure lies at the end of `N` moves to the right.

    The diver starts at the top left.  Each step takes it one row down and one column to the right or to the left.
    A move to the right costs ``move_cost / N``.  Moving right `N` times pays 1, and nothing else pays anything.
    Which of the two actions is "right" differs from cell to cell.

    State ``N * row + column`` is a cell; state `N*N` is the end without the treasure, `N*N + 1` the end with it.

    Parameters
    ----------
    size : int
        `N`, at least 2.
    seed : int
        Of the action that means "right" in each cell; bsuite's ``mapping_seed``.
    stochastic : bool
        Whether a move to the right fails with probability ``1 / N``, so that the diver sinks in its column, and
        the last steps in the first and in the last column pay standard normal noise on top.
    move_cost : float
        What `N` moves to the right cost together.
    discount : float
        Worth of a reward one step later; bsuite leaves it to the agent.

    Returns
    -------
    Task
        ``N*N + 2`` states, 2 actions, sparse.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    References
    ----------
    Osband, I. et al. (2020). Behaviour suite for reinforcement learning. ICLR.

    Examples
    --------
    >>> task = deep_sea(10)
    >>> task.mdp.states, task.horizon, task.goal
    (102, 10, 101)
    """
    N = check_integer("size", size, 2)
    seed = check_integer("seed", seed, 0, 2**32 - 1)
    cost = check_number("move_cost", move_cost)
    # bsuite's own generator, so that the same seed gives the same cells.
    right = np.random.RandomState(seed).binomial(1, 0.5, (N, N)).ravel()
    cell = np.arange(N * N)
    row, column = np.divmod(cell, N)
    sunk = np.where(row == N - 1, N * N, cell + N)  # straight down
    to_left = np.where(row == N - 1, N * N, sunk - (column > 0))
    to_right = np.where(row == N - 1, N * N, sunk + (column < N - 1))
    treasure = (row == N - 1) & (column == N - 1)
    to_right[treasure] = N * N + 1
    slip = np.where(stochastic & (row < N - 1), 1 / N, 0.0)
    ends = np.arange(N * N, N * N + 2)
    moves = [
        (2 * cell + right, to_right, 1 - slip),
        (2 * cell + right, sunk, slip),
        (2 * cell + 1 - right, to_left, np.ones(N * N)),
        (2 * ends, ends, np.ones(2)),
        (2 * ends + 1, ends, np.ones(2)),
    ]
    pair, to, chance = (np.concatenate(part) for part in zip(*moves, strict=True))
    table = sparse.csr_array((chance, (pair, to)), shape=(2 * (N * N + 2), N * N + 2))
    table.eliminate_zeros()
    reward, noise = np.zeros((2, N * N + 2, 2))
    reward[cell, right] = treasure - cost / N
    noise[cell] = (stochastic & (row == N - 1) & (column % (N - 1) == 0))[:, None]
    return Task(MDP(table, reward, discount), 0, N, N * N + 1, noise)


def random_visits(task: Task, episodes: int, rng: np.random.Generator) -> Mask:
    """Say of many episodes of uniformly random actions, all at once, which enter the goal.

    Parameters
    ----------
    task : Task
        Where to look for what.
    episodes : int
        How many episodes.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    (episodes,) ndarray of bool
        Whether the episode entered the goal.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of that.

    Examples
    --------
    >>> found = random_visits(deep_sea(4), 100_000, np.random.default_rng(0))
    >>> bool(abs(found.mean() - 1 / 2**4) < 0.003)
    True
    """
    rng = check_generator("rng", rng)
    state = np.full(check_integer("episodes", episodes, 1), task.start)
    draw, found = _sampler(task.mdp), state == task.goal
    for _ in range(task.horizon):
        state = draw(state, rng.integers(task.mdp.actions, size=state.size), rng)
        found |= state == task.goal
    return np.asarray(found)


def q_exploration(
    task: Task,
    episodes: int,
    rng: np.random.Generator,
    *,
    copies: int = 1,
    optimism: float = 0.0,
    bonus: float = 0.0,
    epsilon: float = 0.0,
    learning_rate: float | None = None,
    stop: bool = False,
) -> Exploration:
    r"""Explore by Q-learning: with an optimistic start, with a count bonus, with random actions, or a mixture.

    After each episode its steps are learnt from last to first,

    .. math:: Q(s, a) \leftarrow Q(s, a) + \alpha_n \Big[ r + \frac{\beta}{\sqrt{n}}
              + \gamma \max_{a'} Q(s', a') - Q(s, a) \Big],

    where `n` counts the visits of `(s, a)`.  Ties between actions are broken at random.

    Parameters
    ----------
    task : Task
        Where to explore.
    episodes : int
        How many episodes at most.
    rng : numpy.random.Generator
        The source of randomness.
    copies : int
        How many independent learners, each with a table of its own.
    optimism : float
        The value that every action starts with.
    bonus : float
        :math:`\beta`, not negative.
    epsilon : float
        Probability of a uniformly random action, in [0, 1].
    learning_rate : float, optional
        A constant :math:`\alpha` in (0, 1].  By default :math:`(H + 1) / (H + n)` with `H` the horizon, which
        averages noise and still forgets the start; 1 is best where nothing is random.
    stop : bool
        Whether to end as soon as every copy has entered the goal.

    Returns
    -------
    Exploration
        What the copies saw and believe.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    Sutton, R. S. and Barto, A. G. (2018). Reinforcement Learning: An Introduction. Section 2.6.
    Jin, C. et al. (2018). Is Q-learning provably efficient? NeurIPS. The learning rate.

    Examples
    --------
    >>> seen = q_exploration(
    ...     deep_sea(6), 500, np.random.default_rng(0), copies=3, optimism=1.0, learning_rate=1.0, stop=True
    ... )
    >>> bool((seen.first_visit > 0).all())
    True
    """
    mdp, rng = task.mdp, check_generator("rng", rng)
    episodes = check_integer("episodes", episodes, 1)
    copies = check_integer("copies", copies, 1)
    optimism = check_number("optimism", optimism, -LARGEST, LARGEST)
    bonus = check_number("bonus", bonus, 0, LARGEST)
    epsilon = check_number("epsilon", epsilon, 0, 1)
    if learning_rate is not None:
        learning_rate = check_number("learning_rate", learning_rate, 0, 1, "(]")
    draw, one, live = _sampler(mdp), np.arange(copies), ~_ends(mdp)
    Q = np.full((copies, mdp.states, mdp.actions), optimism)
    Q[:, ~live] = 0.0
    visits = np.zeros(Q.shape, dtype=np.int64)
    first, returns = np.zeros(copies, dtype=np.int64), []
    for episode in range(1, episodes + 1):
        path = []
        state, total = np.full(copies, task.start), np.zeros(copies)
        for _ in range(task.horizon):
            action = _greedy(Q[one, state], rng)
            if epsilon > 0:
                other = rng.integers(mdp.actions, size=copies)
                action = np.where(rng.random(copies) < epsilon, other, action)
            reward, after = _step(task, draw, state, action, rng)
            path.append((state, action, reward, after))
            total += reward
            first[(first == 0) & (after == task.goal)] = episode
            state = after
        for state, action, reward, after in reversed(path):
            visits[one, state, action] += live[state]
            n = np.maximum(visits[one, state, action], 1)
            rate = learning_rate or (task.horizon + 1) / (task.horizon + n)
            target = reward + bonus / np.sqrt(n) + mdp.discount * Q[one, after].max(1)
            # after an end nothing follows, and nothing is learnt there
            change = np.where(live[state], target - Q[one, state, action], 0.0)
            Q[one, state, action] += rate * change
        returns.append(total)
        if stop and first.all():
            break
    return Exploration(np.array(returns).T, first, visits, Q)


def planned_exploration(
    task: Task,
    episodes: int,
    rng: np.random.Generator,
    *,
    optimism: float,
    known: int = 1,
    bonus: float = 0.0,
    stop: bool = False,
) -> Exploration:
    r"""Explore by planning in the model learnt so far, in which what is not known is worth `optimism` (R-MAX).

    Before each episode the agent solves, with the visits `n` and the averages :math:`\hat r, \hat P`,

    .. math:: Q(s, a) = \begin{cases}
              \text{optimism} & n(s, a) < \text{known} \\
              \hat r(s, a) + \beta / \sqrt{n(s, a)}
              + \gamma \sum_{s'} \hat P(s' \mid s, a) \max_{a'} Q(s', a') & \text{otherwise,}
              \end{cases}

    and acts greedily.  Without bonus this is R-MAX; ``known=1`` with a bonus is MBIE-EB.

    Parameters
    ----------
    task : Task
        Where to explore.
    episodes : int
        How many episodes at most.
    rng : numpy.random.Generator
        The source of randomness.
    optimism : float
        What an unknown action is taken to be worth, all its future included.
    known : int
        Visits after which an action's average is believed; 1 is right where nothing is random.
    bonus : float
        :math:`\beta`, not negative.
    stop : bool
        Whether to end as soon as the goal has been entered.

    Returns
    -------
    Exploration
        With one copy.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    RuntimeError
        If a plan does not settle, because the discount is nearly 1.

    References
    ----------
    Brafman, R. I. and Tennenholtz, M. (2002). R-MAX. Journal of Machine Learning Research 3.
    Strehl, A. L. and Littman, M. L. (2008). An analysis of model-based interval estimation for Markov decision
    processes. Journal of Computer and System Sciences 74(8).

    Examples
    --------
    >>> seen = planned_exploration(deep_sea(20), 200, np.random.default_rng(0), optimism=1.0, stop=True)
    >>> 20 < seen.first_visit[0] < 100
    np.True_
    """
    mdp, rng = task.mdp, check_generator("rng", rng)
    episodes = check_integer("episodes", episodes, 1)
    known = check_integer("known", known, 1)
    optimism = check_number("optimism", optimism, -LARGEST, LARGEST)
    bonus = check_number("bonus", bonus, 0, LARGEST)
    S, A = mdp.reward.shape
    draw, ends = _sampler(mdp), _ends(mdp)
    counts, paid = sparse.csr_array((S * A, S)), np.zeros(S * A)
    value, first, returns = np.where(ends, 0.0, optimism), 0, []
    for episode in range(1, episodes + 1):
        Q = _plan(counts, paid, value, optimism, known, bonus, mdp.discount, ends)
        value, pairs, later, rewards = Q.max(axis=1), [], [], []
        state = np.array([task.start])
        for _ in range(task.horizon):
            action = _greedy(Q[state], rng)
            reward, after = _step(task, draw, state, action, rng)
            pairs.append(int(state[0]) * A + int(action[0]))
            later.append(int(after[0]))
            rewards.append(float(reward[0]))
            state = after
        new = (np.ones(task.horizon), (pairs, later))
        counts = counts + sparse.csr_array(new, shape=counts.shape)
        np.add.at(paid, pairs, rewards)
        returns.append(sum(rewards))
        if first == 0 and task.goal in later:
            first = episode
        if stop and first:
            break
    visits = counts.sum(axis=1).reshape(1, S, A).astype(np.int64)
    visits[0, ends] = 0
    return Exploration(np.array([returns]), np.array([first]), visits, Q[None])


def _plan(
    counts: sparse.csr_array,
    paid: Floats,
    value: Floats,
    optimism: float,
    known: int,
    bonus: float,
    discount: float,
    ends: Mask,
) -> Floats:
    """Action values of the optimistic model: sweeps until nothing moves, which the discount brings about."""
    n = counts.sum(axis=1)
    seen = np.maximum(n, 1)
    average, extra = paid / seen, bonus / np.sqrt(seen)
    chance = sparse.diags_array(1 / seen) @ counts
    scale = max(abs(optimism), float(np.abs(average + extra).max()))
    for _ in range(MOST_SWEEPS):
        q = np.where(n < known, optimism, average + extra + discount * (chance @ value))
        q = q.reshape(len(value), -1)
        q[ends] = 0.0
        new = q.max(axis=1)
        change, value = np.abs(new - value).max(), new
        if change <= 1e-12 * scale:
            return q
    raise RuntimeError(
        f"a plan has not settled in {MOST_SWEEPS} sweeps: lower the discount"
    )


def _step(
    task: Task, draw: Draw, state: Integers, action: Integers, rng: np.random.Generator
) -> tuple[Floats, Integers]:
    """Reward and next state of each copy."""
    reward = task.mdp.reward[state, action]
    spread = np.asarray(task.noise)[state, action]
    if spread.any():
        reward = reward + spread * rng.standard_normal(state.size)
    return reward, draw(state, action, rng)


def _greedy(q: Floats, rng: np.random.Generator) -> Integers:
    """A best action of each row, any of several with the same probability."""
    ties = q == q.max(axis=1, keepdims=True)
    return np.asarray((ties * (1 + rng.random(q.shape))).argmax(axis=1))


def _ends(mdp: MDP) -> Mask:
    """The states that no action leaves and that pay nothing."""
    states = np.arange(mdp.states)
    stays = mdp.rows[np.arange(mdp.states * mdp.actions), states.repeat(mdp.actions)]
    quiet = (stays.reshape(mdp.reward.shape) == 1) & (mdp.reward == 0)
    return np.asarray(quiet.all(axis=1))


def _sampler(mdp: MDP) -> Draw:
    """A function that draws next states; the possible ones of each state and action stand side by side."""
    rows = sparse.csr_array(mdp.rows)
    length = np.diff(rows.indptr)[:, None]
    column = np.arange(length.max())
    place = rows.indptr[:-1, None] + np.minimum(column, length - 1)
    to = rows.indices[place].astype(np.int64)
    edge = np.cumsum(np.where(column < length, rows.data[place], 0.0), axis=1)
    edge /= edge[:, -1:]

    def draw(state: Integers, action: Integers, rng: np.random.Generator) -> Integers:
        pair = state * mdp.actions + action
        if len(column) == 1:  # nothing is random
            return np.asarray(to[pair, 0])
        u = rng.random((pair.size, 1))
        return np.asarray(to[pair, (edge[pair] <= u).sum(axis=1)])

    return draw
