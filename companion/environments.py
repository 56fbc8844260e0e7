"""A finite Markov decision process as a gymnasium environment, and the environments that the learners accept."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from companion.checks import check_integer, check_stochastic, real_array
from companion.mdp import MDP, sample_next

__all__ = ["MDPVectorEnv", "check_vector_env"]


class MDPVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many independent copies of an MDP as one gymnasium vector environment, cut off after `horizon` steps.

    The cut is a *truncation*: the process would have gone on.  Only a state where every action stays for ever
    and pays nothing *terminates*.  A copy that has ended starts anew at its next step, which ignores the action
    (gymnasium's next-step autoreset).

    Parameters
    ----------
    mdp : MDP
        The process; every action available in every state.
    features : (S, F) array_like
        What is observed in each state.
    copies : int
        Number of copies N.
    horizon : int
        Steps until a copy is truncated.
    start : (S,) array_like, optional
        Distribution of the first state; uniform by default.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape or is out of range, or some action is unavailable.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> env = MDPVectorEnv(mdp, np.eye(2), copies=3, horizon=10)
    >>> observation, _ = env.reset(seed=0)
    >>> observation.shape, env.step(np.array([1, 1, 1]))[1]
    ((3, 2), array([-2., -2., -2.]))
    """

    def __init__(
        self,
        mdp: MDP,
        features: ArrayLike,
        copies: int,
        horizon: int,
        start: ArrayLike | None = None,
    ):
        if not np.isfinite(mdp.reward).all():
            raise ValueError(
                "mdp must have every action available in every state, got a reward of -inf"
            )
        self.mdp = mdp
        self.features = real_array("features", features, (mdp.states, None)).astype(
            np.float32
        )
        self.num_envs = check_integer("copies", copies, 1)
        self.horizon = check_integer("horizon", horizon, 1)
        if start is None:
            start = np.full(mdp.states, 1 / mdp.states)
        start = check_stochastic("start", real_array("start", start, (mdp.states,)))
        self.start = start.copy()
        stays = (
            mdp.rows[
                np.arange(mdp.states * mdp.actions),
                np.arange(mdp.states).repeat(mdp.actions),
            ]
            == 1
        )
        self.absorbing = (stays.reshape(mdp.reward.shape) & (mdp.reward == 0)).all(
            axis=1
        )
        low, high = self.features.min(axis=0), self.features.max(axis=0)
        self.single_observation_space = gymnasium.spaces.Box(low, high)
        self.single_action_space = gymnasium.spaces.Discrete(mdp.actions)
        self.observation_space = batch_space(
            self.single_observation_space, self.num_envs
        )
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start every copy anew; see `gymnasium.vector.VectorEnv.reset`."""
        super().reset(seed=seed)
        self.state = self._first(self.num_envs)
        self.age = np.zeros(self.num_envs, dtype=np.int64)
        self.ended = np.zeros(self.num_envs, dtype=bool)
        return self.features[self.state], {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Move every copy one step; see `gymnasium.vector.VectorEnv.step`."""
        if not hasattr(self, "state"):
            raise RuntimeError("the environment has no state: call reset before step")
        actions, fresh = np.asarray(actions), self.ended
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise ValueError(
                f"actions must be {self.num_envs} integers, got {actions.dtype} of shape {actions.shape}"
            )
        if actions.min() < 0 or actions.max() >= self.mdp.actions:
            raise ValueError(f"actions must lie between 0 and {self.mdp.actions - 1}")
        reward = np.where(fresh, 0.0, self.mdp.reward[self.state, actions])
        self.state = sample_next(self.mdp, self.state, actions, self.np_random)
        self.state[fresh] = self._first(int(fresh.sum()))
        self.age = np.where(fresh, 0, self.age + 1)
        terminated = self.absorbing[self.state] & ~fresh
        truncated = (self.age >= self.horizon) & ~terminated
        self.ended = terminated | truncated
        return self.features[self.state], reward, terminated, truncated, {}

    def _first(self, count: int) -> NDArray[np.int64]:
        return self.np_random.choice(self.mdp.states, size=count, p=self.start)


def check_vector_env(env: object) -> tuple[int, int]:
    """Return how many features and actions a vector environment has, if the book's learners can handle it.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        N copies with box observations of shape (F,), discrete actions from 0 on and next-step autoreset.

    Returns
    -------
    tuple of two ints
        F and A.

    Raises
    ------
    TypeError
        If `env` is no vector environment, or its observations or actions are others.
    ValueError
        If it starts its copies anew in another way.

    Examples
    --------
    >>> check_vector_env(gymnasium.make_vec("CartPole-v1", 3, vectorization_mode="vector_entry_point"))
    (4, 2)
    """
    if not isinstance(env, gymnasium.vector.VectorEnv):
        raise TypeError(
            f"env must be a vector environment, as of gymnasium.make_vec, got {env!r}"
        )
    observed, acted = env.single_observation_space, env.single_action_space
    if not isinstance(observed, gymnasium.spaces.Box) or len(observed.shape) != 1:
        raise TypeError(f"env must observe a box of shape (F,), got {observed}")
    if not isinstance(acted, gymnasium.spaces.Discrete) or acted.start != 0:
        raise TypeError(f"env must have discrete actions from 0 on, got {acted}")
    mode = env.metadata.get("autoreset_mode")
    if mode != AutoresetMode.NEXT_STEP:
        raise ValueError(f"env must use next-step autoreset, got {mode}")
    return observed.shape[0], int(acted.n)
