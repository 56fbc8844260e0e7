r"""Deep Q-learning: a policy learnt from samples alone, by the double estimate, replay and a target network.

The learner sees where the process was, what was done, what it paid and where it went.  It fits a network
:math:`Q(s, a)` to the reward plus the discounted value of what follows.  Where the process is known, as a
machine's can be, `companion.mdp` gives the optimum beside it, and the learnt policy's loss is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed
from companion.environments import check_vector_env
from companion.networks import mlp

__all__ = ["double_q_target", "dqn"]


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
        If `env` is no such environment, or a number is out of range.
    RuntimeError
        If the network diverges.

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
    inputs, actions = check_vector_env(env)
    discount = check_number("discount", discount, 0, 1, "[)")
    seed, steps = check_seed("seed", seed), check_integer("steps", steps, 1)
    batch, sync = check_integer("batch", batch, 1), check_integer("sync", sync, 1)
    memory = check_integer("memory", memory, env.num_envs)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    if isinstance(hidden, str) or not isinstance(hidden, Sequence):
        raise TypeError(
            f"hidden must list the layers' units, as (64, 64), got {hidden!r}"
        )
    sizes = [inputs, *(check_integer("hidden", units, 1) for units in hidden), actions]

    # Also inside a caller's inference_mode, where no gradient would be recorded.
    with torch.inference_mode(False), torch.enable_grad():
        generator = torch.Generator(device).manual_seed(seed)
        online, target = (mlp(sizes, generator) for _ in range(2))
        optimiser = torch.optim.Adam(online.parameters(), lr=rate, fused=True)
        replay = _Replay(memory, inputs, device)
        observation = replay.tensor(env.reset(seed=seed)[0])
        ended = np.zeros(env.num_envs, dtype=bool)
        for step in trange(steps, desc="dqn", leave=False):
            if step % sync == 0:
                target.load_state_dict(online.state_dict())
                if watch is not None:
                    watch(step, online)
            action = _explored(online, observation, 1 - 1.9 * step / steps, generator)
            after, reward, terminated, truncated, _ = env.step(action.cpu().numpy())
            after = replay.tensor(after)
            # The step after an end only starts the copy anew: no transition happened.
            replay.add(observation, action, reward, after, terminated, happened=~ended)
            observation, ended = after, terminated | truncated
            s, a, r, s_next, final = replay.draw(batch, generator)
            with torch.no_grad():
                q_next, q_minus = online(s_next), target(s_next)
                y = _double_q(r, final, discount, q_next, q_minus)
            optimiser.zero_grad(set_to_none=True)
            loss(online(s).gather(1, a[:, None]).squeeze(1), y).backward()
            optimiser.step()
    if not all(p.isfinite().all() for p in online.parameters()):
        raise RuntimeError(
            "the network diverged: lower learning_rate, or look for NaN and infinity in what env returns"
        )
    if watch is not None:
        watch(steps, online)
    return online.eval()


def double_q_target(
    reward: torch.Tensor,
    terminated: torch.Tensor,
    discount: float,
    online: torch.Tensor,
    target: torch.Tensor,
) -> torch.Tensor:
    r"""Return the targets of double Q-learning: one table chooses the next action, the other says its worth.

    .. math:: y = r + \gamma\, (1 - \text{terminated})\;
              Q^-\big(s', \arg\max_{a'} Q(s', a')\big)

    Parameters
    ----------
    reward : (N,) Tensor
        What each step paid, `r`.
    terminated : (N,) Tensor of bool or of 0 and 1
        Whether the process was over after it; not whether somebody stopped watching.
    discount : float
        :math:`\gamma`, ``0 <= discount < 1``.
    online, target : (N, A) Tensor
        :math:`Q(s', \cdot)`, which chooses, and :math:`Q^-(s', \cdot)`, which values.

    Returns
    -------
    (N,) Tensor
        The targets `y`.

    Raises
    ------
    ValueError
        If the shapes do not fit or `discount` is out of range.

    References
    ----------
    van Hasselt, H., Guez, A. and Silver, D. (2016). Deep reinforcement learning with double Q-learning. AAAI.

    Examples
    --------
    The online table prefers action 1; the target table finds it worth 2, and 1 + 0.5 * 2 is the target.

    >>> double_q_target(torch.tensor([1.0]), torch.tensor([False]), 0.5,
    ...                 online=torch.tensor([[0.0, 9.0]]), target=torch.tensor([[4.0, 2.0]]))
    tensor([2.])
    """
    discount = check_number("discount", discount, 0, 1, "[)")
    if online.ndim != 2 or online.shape != target.shape:
        raise ValueError(
            f"online and target must have one shape (N, A), got {tuple(online.shape)} and {tuple(target.shape)}"
        )
    if reward.shape != online.shape[:1] or terminated.shape != online.shape[:1]:
        raise ValueError(
            f"reward and terminated must have shape ({len(online)},), "
            f"got {tuple(reward.shape)} and {tuple(terminated.shape)}"
        )
    return _double_q(reward, terminated.bool(), discount, online, target)


def _double_q(
    reward: torch.Tensor,
    terminated: torch.Tensor,
    discount: float,
    online: torch.Tensor,
    target: torch.Tensor,
) -> torch.Tensor:
    """`double_q_target` without its checks, which have no place in a loop."""
    best = online.argmax(dim=1, keepdim=True)
    follows = target.gather(1, best).squeeze(1)
    return reward + discount * torch.where(terminated, 0.0, follows)


class _Replay:
    """The last `size` transitions, in tensors that are allocated once."""

    def __init__(self, size: int, inputs: int, device: str):
        self.size, self.added, self.device = size, 0, device
        self.columns = [
            self.tensor(np.zeros((size, inputs))),
            torch.zeros(size, dtype=torch.int64, device=device),
            self.tensor(np.zeros(size)),
            self.tensor(np.zeros((size, inputs))),
            torch.zeros(size, dtype=torch.bool, device=device),
        ]

    def tensor(self, values: Any) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self.device)

    def add(self, *transition: Any, happened: NDArray[np.bool_]) -> None:
        keep = torch.as_tensor(happened)
        place = (self.added + torch.arange(int(keep.sum()))) % self.size
        for column, values in zip(self.columns, transition, strict=True):
            column[place] = torch.as_tensor(values)[keep].to(column)
        self.added += len(place)

    def draw(self, count: int, generator: torch.Generator) -> list[torch.Tensor]:
        held = min(self.added, self.size)
        index = torch.randint(held, (count,), generator=generator, device=self.device)
        return [column[index] for column in self.columns]


def _explored(
    network: nn.Module,
    observation: torch.Tensor,
    chance: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Each copy's best action, or with `chance`, at least 0.05, a random one."""
    with torch.no_grad():
        values = network(observation)
    copies, actions = values.shape
    dice = torch.empty_like(values[:, 0]).uniform_(generator=generator)
    random = torch.empty(copies, dtype=torch.int64, device=values.device)
    random.random_(actions, generator=generator)
    return torch.where(dice < max(0.05, chance), random, values.argmax(dim=1))
