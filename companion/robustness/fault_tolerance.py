r"""Machines that wear, fail and are repaired: faults, exact maintenance, and deep RL beside it.

A system of `n` components, each with its own health, is a product of Markov chains.  Choosing what to repair
makes it a Markov decision process, which is solved exactly.  Faults of actuators and sensors are transforms of
its kernel and of the policy.  Reliability and the mean time to failure follow from the same chains without any
choice in them.  Deep Q-learning has to find the policy from samples; because the process is known, its loss
against the optimum is computed exactly instead of estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray
from torch import nn
from tqdm import trange

from companion.checks import (
    check_integer,
    check_number,
    check_probability,
    check_stochastic,
    real_array,
)
from companion.mdp import MDP
from companion.networks import mlp

__all__ = [
    "dqn",
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
        If `wear` is no square stochastic matrix, or another argument has the wrong shape or is not finite.

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
    repair = float(real_array("repair_cost", repair_cost, ()))
    overhaul = float(real_array("overhaul_cost", overhaul_cost, ()))
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
    cost = np.r_[0.0, np.full(n, repair), overhaul]
    return MDP(np.stack(kernels, axis=1), income[working] - cost, discount)


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
    p = float(
        check_probability("probability", real_array("probability", probability, ()))
    )
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
    p = float(
        check_probability("probability", real_array("probability", probability, ()))
    )
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


def dqn(
    env: gymnasium.vector.VectorEnv[Any, Any, Any],
    discount: float,
    seed: int,
    *,
    steps: int = 2000,
    batch: int = 256,
    learning_rate: float = 1e-3,
    sync: int = 25,
    memory: int = 100_000,
    hidden: Sequence[int] = (64, 64),
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = nn.functional.mse_loss,
    device: str = "cpu",
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    r"""Learn action values by double deep Q-learning in a vector environment.

    Each update lowers the squared error of :math:`Q(s, a)` against

    .. math:: y = r + \gamma\, (1 - \text{terminated})\;
              Q^-\big(s', \arg\max_{a'} Q(s', a')\big),

    over a batch from the replay memory; :math:`Q^-` is a copy of `Q` from the last of every `sync` updates.  A
    *truncated* episode would have gone on, so its last step bootstraps like any other.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        N copies with box observations of shape (F,), discrete actions and gymnasium's default next-step
        autoreset.
    discount : float
        :math:`\gamma`, ``0 <= discount < 1``.
    seed : int
        Seeds the environment, the network and the exploration.
    steps : int
        Steps of all copies together; one update each.  The chance of a random action falls from 1 to 0.05 over
        the first half.
    batch : int
        Transitions per update.
    learning_rate : float
        Of Adam.
    sync : int
        Updates between two copies of `Q` into :math:`Q^-`.
    memory : int
        Transitions kept.
    hidden : sequence of int
        Hidden units.
    loss : callable
        Distance of predictions and targets.  The squared error aims at the mean that the equation asks for;
        a robust loss such as Huber's aims at something between mean and median.
    device : str
        Where the network and the memory live.
    watch : callable, optional
        Called as ``watch(step, network)`` each time the target network is renewed, and at the end.

    Returns
    -------
    torch.nn.Module
        Maps (N, F) observations to (N, A) action values, in evaluation mode.

    Raises
    ------
    TypeError, ValueError
        If the spaces or the autoreset mode are others, or a number is out of range.

    References
    ----------
    Mnih, V. et al. (2015). Human-level control through deep reinforcement learning. Nature 518.
    van Hasselt, H., Guez, A. and Silver, D. (2016). Deep reinforcement learning with double Q-learning. AAAI.
    Pardo, F. et al. (2018). Time limits in reinforcement learning. ICML.

    Examples
    --------
    Any gymnasium vector environment will do; 20 steps only show the call.

    >>> env = gymnasium.make_vec("CartPole-v1", 4, vectorization_mode="vector_entry_point")
    >>> network = dqn(env, 0.99, seed=0, steps=20)
    >>> network(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """
    inputs, actions = _spaces(env)
    discount = float(real_array("discount", discount, ()))
    if not 0 <= discount < 1:
        raise ValueError(f"discount must satisfy 0 <= discount < 1, got {discount:g}")
    check_integer("steps", steps, 1)
    generator = torch.Generator(device).manual_seed(seed)
    online, target = (
        mlp([inputs, *hidden, actions], generator).to(device) for _ in range(2)
    )
    optimiser = torch.optim.Adam(
        online.parameters(), lr=_positive("learning_rate", learning_rate), fused=True
    )
    replay = _Replay(check_integer("memory", memory, env.num_envs), inputs, device)
    observation = torch.as_tensor(
        env.reset(seed=seed)[0], dtype=torch.float32, device=device
    )
    ended = np.zeros(env.num_envs, dtype=bool)
    for step in trange(steps, desc="dqn", leave=False):
        if step % check_integer("sync", sync, 1) == 0:
            target.load_state_dict(online.state_dict())
            if watch is not None:
                watch(step, online)
        chance = max(0.05, 1 - 1.9 * step / steps)
        with torch.no_grad():
            greedy = online(observation).argmax(dim=1)
        dice = torch.rand(env.num_envs, generator=generator, device=device)
        explored = torch.randint(
            actions, (env.num_envs,), generator=generator, device=device
        )
        action = torch.where(dice < chance, explored, greedy)
        after, reward, terminated, truncated, _ = env.step(action.cpu().numpy())
        after = torch.as_tensor(after, dtype=torch.float32, device=device)
        # The step after an end only starts the copy anew: no transition happened.
        replay.add(observation, action, reward, after, terminated, happened=~ended)
        observation, ended = after, terminated | truncated
        s, a, r, s_next, final = replay.draw(
            check_integer("batch", batch, 1), generator
        )
        with torch.no_grad():
            best = online(s_next).argmax(dim=1, keepdim=True)
            y = r + discount * (1 - final) * target(s_next).gather(1, best).squeeze(1)
        optimiser.zero_grad(set_to_none=True)
        loss(online(s).gather(1, a[:, None]).squeeze(1), y).backward()
        optimiser.step()
    if watch is not None:
        watch(steps, online)
    return online.eval()


class _Replay:
    """The last `size` transitions, in tensors that are allocated once."""

    def __init__(self, size: int, inputs: int, device: str):
        self.size, self.added = size, 0
        self.columns = [
            torch.zeros((size, inputs), device=device),
            torch.zeros(size, dtype=torch.int64, device=device),
            torch.zeros(size, device=device),
            torch.zeros((size, inputs), device=device),
            torch.zeros(size, device=device),
        ]

    def add(self, *transition: Any, happened: NDArray[np.bool_]) -> None:
        keep = torch.as_tensor(happened)
        place = (self.added + torch.arange(int(keep.sum()))) % self.size
        for column, values in zip(self.columns, transition, strict=True):
            column[place] = torch.as_tensor(values)[keep].to(column)
        self.added += len(place)

    def draw(self, count: int, generator: torch.Generator) -> list[torch.Tensor]:
        index = torch.randint(
            min(self.added, self.size),
            (count,),
            generator=generator,
            device=self.columns[0].device,
        )
        return [column[index] for column in self.columns]


def _spaces(env: gymnasium.vector.VectorEnv[Any, Any, Any]) -> tuple[int, int]:
    """The number of observed features and of actions; refuses what `dqn` does not handle."""
    observed, acted = env.single_observation_space, env.single_action_space
    if not isinstance(observed, gymnasium.spaces.Box) or len(observed.shape) != 1:
        raise TypeError(f"env must observe a box of shape (F,), got {observed}")
    if not isinstance(acted, gymnasium.spaces.Discrete) or acted.start != 0:
        raise TypeError(f"env must have discrete actions from 0 on, got {acted}")
    if env.metadata.get("autoreset_mode") != AutoresetMode.NEXT_STEP:
        raise ValueError(
            f"env must use next-step autoreset, got {env.metadata.get('autoreset_mode')}"
        )
    return observed.shape[0], int(acted.n)


def _positive(name: str, value: float) -> float:
    return check_number(name, value, 0, ends="()")
