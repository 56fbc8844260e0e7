r"""Reward shaping by potentials: a hint that speeds learning up and cannot change what is best.

A potential :math:`\Phi(s)` says how promising a state looks.  Each step from `s` to `s'` is paid

.. math:: F(s, s') = \gamma\, \Phi(s') - \Phi(s)

on top.  Along any path the discounted sum of these payments telescopes to :math:`-\Phi` of the first state,
whatever was done on the way, so no policy gains on another.  That needs the learner's own discount, a potential
of zero after the end of an episode, and one that counts a state the same when it is left as when it was entered.
What a potential does change is where a learner starts: it is an initial table of values in disguise.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from companion.checks import check_integer, check_number, check_seed, real_array
from companion.mdp import MDP

__all__ = ["QLearning", "ShapedEnv", "ShapedVectorEnv", "q_learning", "shape"]

Floats = NDArray[np.float64]


def shape(mdp: MDP, potential: ArrayLike) -> MDP:
    r"""Return the same process with the expected shaping of a potential added to its reward.

    .. math:: r_\Phi(s, a) = r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, \Phi(s') - \Phi(s)

    Every policy's value falls by :math:`\Phi`, and so does every action's: :math:`q_\Phi = q - \Phi`.  The best
    policies of the two processes are therefore the same.

    Parameters
    ----------
    mdp : MDP
        The process.
    potential : (S,) array_like
        :math:`\Phi`, in units of reward.  Zero in every terminal state, that is where every available action
        stays for ever and pays nothing: there an episode ends, and the last payment would be missing.

    Returns
    -------
    MDP
        With the same transitions, discount and unavailable actions.

    Raises
    ------
    TypeError, ValueError
        If `potential` is not S finite numbers, is not zero in a terminal state, or is too large for float64.

    References
    ----------
    Ng, A. Y., Harada, D. and Russell, S. (1999). Policy invariance under reward transformations: theory and
    application to reward shaping. ICML. Theorem 1.

    Examples
    --------
    A step costs 1, and state 1 is the end.  The potential pays for the first step what it is worth to be there.

    >>> mdp = MDP([[[0, 1], [1, 0]], [[0, 1], [0, 1]]], [[-1, -1], [0, 0]], 0.5)
    >>> shape(mdp, [-2, 0]).reward
    array([[1., 0.],
           [0., 0.]])
    """
    phi = real_array("potential", potential, (mdp.states,))
    closed = np.isneginf(mdp.reward)
    own = np.arange(mdp.states).repeat(mdp.actions)
    stays = np.asarray(mdp.rows[np.arange(own.size), own]).reshape(closed.shape) == 1
    terminal = (closed | (stays & (mdp.reward == 0))).all(axis=1)
    if phi[terminal].any():
        state = int(np.flatnonzero(terminal & (phi != 0))[0])
        raise ValueError(
            f"potential must be zero in terminal states, got {phi[state]:g} in state {state}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        after = np.asarray(mdp.rows @ phi).reshape(closed.shape)
        reward = mdp.reward + (mdp.discount * after - phi[:, None])
    limit = np.finfo(np.float64).max / 16 * (1 - mdp.discount)
    if not np.abs(reward[~closed]).max() <= limit:
        raise ValueError(
            f"potential must keep rewards below {limit:.3g} at this discount, it does not"
        )
    return MDP(mdp.transition, reward, mdp.discount)


class ShapedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    r"""A gymnasium environment whose steps are paid :math:`\gamma\, \Phi(s') - \Phi(s)` on top.

    The potential counts as zero where the process *terminates*; where it is only *truncated* it would have gone
    on, and :math:`\Phi(s')` is kept.  A potential may change with time: what is taken back on leaving a state is
    what it was worth when it was entered.

    Parameters
    ----------
    env : gymnasium.Env
        The environment; time limits inside, statistics of the true return as well.
    potential : callable
        :math:`\Phi`: takes an observation, returns a number in units of reward.
    discount : float
        :math:`\gamma` of the learner, ``0 <= discount <= 1``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such thing, or the potential is ever no finite number.
    RuntimeError
        If a step is taken before a reset.

    References
    ----------
    Ng, A. Y., Harada, D. and Russell, S. (1999). Policy invariance under reward transformations: theory and
    application to reward shaping. ICML.
    Devlin, S. and Kudenko, D. (2012). Dynamic potential-based reward shaping. AAMAS.
    Grzes, M. (2017). Reward shaping in episodic reinforcement learning. AAMAS.

    Examples
    --------
    On the cliff, the potential is minus the steps that are left if nothing is in the way.

    >>> env = ShapedEnv(gymnasium.make("CliffWalking-v1"), lambda s: s // 12 + s % 12 - 14.0, 1.0)
    >>> start, _ = env.reset(seed=0)
    >>> up, right = env.step(0)[1], env.step(1)[1]
    >>> up, right
    (-2.0, 0.0)
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        potential: Callable[[Any], float],
        discount: float,
    ):
        if not isinstance(env, gymnasium.Env):
            raise TypeError(f"env must be a gymnasium environment, got {env!r:.60}")
        super().__init__(env)
        self.potential = _callable(potential)
        self.discount = check_number("discount", discount, 0, 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; see `gymnasium.Env.reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.held = self._potential(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step and pay for it; see `gymnasium.Env.step`."""
        if not hasattr(self, "held"):
            raise RuntimeError("the environment has no state: call reset before step")
        observation, reward, terminated, truncated, info = self.env.step(action)
        left = self.held
        self.held = 0.0 if terminated else self._potential(observation)
        paid = float(reward) + (self.discount * self.held - left)
        return observation, paid, terminated, truncated, info

    def _potential(self, observation: Any) -> float:
        value = self.potential(observation)
        # A finite float, as it is in nearly every step, needs no further check.
        if isinstance(value, float) and isfinite(value):
            return value
        return check_number("potential", value)


class ShapedVectorEnv(gymnasium.vector.VectorWrapper):
    r"""`ShapedEnv` for the many copies of a gymnasium vector environment.

    The step that only starts a copy anew (gymnasium's next-step autoreset) is no transition and is paid nothing.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        N copies, with next-step autoreset.
    potential : callable
        :math:`\Phi`: takes the observations of all copies, returns (N,) numbers in units of reward.
    discount : float
        :math:`\gamma` of the learner, ``0 <= discount <= 1``.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such thing, or the potential is ever not N finite numbers.
    RuntimeError
        If a step is taken before a reset.

    References
    ----------
    Ng, A. Y., Harada, D. and Russell, S. (1999). Policy invariance under reward transformations: theory and
    application to reward shaping. ICML.

    Examples
    --------
    >>> env = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point")
    >>> env = ShapedVectorEnv(env, lambda x: -abs(x[:, 2]), 0.99)
    >>> _ = env.reset(seed=0)
    >>> env.step(np.array([0, 1]))[1].shape
    (2,)
    """

    def __init__(
        self,
        env: gymnasium.vector.VectorEnv[Any, Any, Any],
        potential: Callable[[Any], ArrayLike],
        discount: float,
    ):
        if not isinstance(env, gymnasium.vector.VectorEnv):
            raise TypeError(
                f"env must be a gymnasium vector environment, got {env!r:.60}"
            )
        mode = env.metadata.get("autoreset_mode")
        if mode != AutoresetMode.NEXT_STEP:
            raise ValueError(f"env must use next-step autoreset, got {mode}")
        super().__init__(env)
        self.potential = _callable(potential)
        self.discount = check_number("discount", discount, 0, 1)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start every copy anew; see `gymnasium.vector.VectorEnv.reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.held = self._potential(observation)
        self.ended = np.zeros(self.num_envs, dtype=bool)
        return observation, info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Move every copy and pay for it; see `gymnasium.vector.VectorEnv.step`."""
        if not hasattr(self, "held"):
            raise RuntimeError("the environment has no state: call reset before step")
        observation, reward, terminated, truncated, info = self.env.step(actions)
        left, fresh = self.held, self.ended
        self.held = self._potential(observation)
        self.ended = terminated | truncated
        shaping = self.discount * np.where(terminated, 0.0, self.held) - left
        paid = reward + np.where(fresh, 0.0, shaping)
        return observation, paid, terminated, truncated, info

    def _potential(self, observation: Any) -> Floats:
        # A copy: the caller may fill and return one array again and again.
        values = real_array("potential", self.potential(observation), (self.num_envs,))
        return values.copy()


class QLearning(NamedTuple):
    """What tabular Q-learning did.

    Examples
    --------
    >>> q_learning(gymnasium.make("CliffWalking-v1"), 0.99, steps=3, seed=0).error.shape
    (3,)
    """

    table: Floats  # (S, A) the action values it ended with
    action: NDArray[np.int64]  # (T,) what it did in each step
    reward: Floats  # (T,) what the step paid
    error: Floats  # (T,) temporal-difference error, what the update was made of
    ended: NDArray[np.bool_]  # (T,) whether the episode ended with the step


def q_learning(
    env: gymnasium.Env[Any, Any],
    discount: float,
    steps: int,
    seed: int,
    *,
    initial: ArrayLike | None = None,
    learning_rate: float = 0.5,
    epsilon: float = 0.1,
) -> QLearning:
    r"""Learn a table of action values from an environment with finitely many states, step by step.

    .. math:: \delta = r + \gamma\, (1 - \text{terminated}) \max_{a'} Q(s', a') - Q(s, a),
              \qquad Q(s, a) \leftarrow Q(s, a) + \alpha\, \delta

    With probability :math:`\varepsilon` the action is random, otherwise one of the best; ties are broken at
    random.  A shaped environment and the start 0 make the same errors :math:`\delta` as the plain environment
    and the start :math:`Q(s, a) = \Phi(s)`.

    Parameters
    ----------
    env : gymnasium.Env
        With discrete observations and actions that count from 0.
    discount : float
        :math:`\gamma`, ``0 <= discount <= 1``.
    steps : int
        Steps T, over as many episodes as it takes.
    seed : int
        Seeds the environment and the learner.
    initial : (S, A) array_like, optional
        The table to start with, in units of return; zeros by default.
    learning_rate : float
        :math:`\alpha`, above 0 and at most 1.
    epsilon : float
        :math:`\varepsilon`, from 0 to 1.

    Returns
    -------
    QLearning
        The table, and what happened in each step.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such thing or out of range, or a reward was not finite.

    References
    ----------
    Watkins, C. J. C. H. and Dayan, P. (1992). Q-learning. Machine Learning 8.
    Wiewiora, E. (2003). Potential-based shaping and Q-value initialization are equivalent. Journal of
    Artificial Intelligence Research 19.

    Examples
    --------
    >>> env = gymnasium.make("CliffWalking-v1")
    >>> learnt = q_learning(env, 0.99, steps=5000, seed=0)
    >>> int(learnt.table[36].argmax())  # from the start, up
    0
    """
    states, actions = _counts(env)
    discount = check_number("discount", discount, 0, 1)
    steps, seed = check_integer("steps", steps, 1), check_seed("seed", seed)
    rate = check_number("learning_rate", learning_rate, 0, 1, "(]")
    epsilon = check_number("epsilon", epsilon, 0, 1)
    start = np.zeros((states, actions)) if initial is None else initial
    # Lists, because a table is read number by number; the same draws in every
    # step, so that two learners that agree never lose step.
    q = real_array("initial", start, (states, actions)).tolist()
    draws = np.random.default_rng(seed).random((steps, 2)).tolist()
    every = range(actions)
    log: list[tuple[int, float, float, bool]] = []
    state, _ = env.reset(seed=seed)
    for explore, pick in draws:
        row = q[state]
        best = max(row)
        choice = every if explore < epsilon else [a for a in every if row[a] == best]
        action = choice[int(pick * len(choice))]
        after, reward, terminated, truncated, _ = env.step(action)
        follows = 0.0 if terminated else discount * max(q[after])
        error = float(reward) + follows - row[action]
        if not isfinite(error):
            raise ValueError(f"env must pay finite rewards, got {reward}")
        row[action] += rate * error
        ended = bool(terminated or truncated)
        log.append((action, float(reward), error, ended))
        state = env.reset()[0] if ended else after
    columns = (np.array(column) for column in zip(*log, strict=True))
    return QLearning(np.array(q), *columns)


def _counts(env: Any) -> tuple[int, int]:
    """How many states and actions an environment has; refuses what no table can hold."""
    if not isinstance(env, gymnasium.Env):
        raise TypeError(f"env must be a gymnasium environment, got {env!r:.60}")
    counts = []
    for name in ("observation_space", "action_space"):
        space = getattr(env, name)
        if not isinstance(space, gymnasium.spaces.Discrete) or space.start != 0:
            raise TypeError(f"env must have a discrete {name} from 0 on, got {space}")
        counts.append(int(space.n))
    return counts[0], counts[1]


def _callable(potential: Any) -> Any:
    """The potential, if it can be called."""
    if not callable(potential):
        raise TypeError(
            f"potential must be a function of the observation, got {potential!r:.60}"
        )
    return potential
