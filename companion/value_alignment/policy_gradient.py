r"""Policy gradients: from the exact gradient of the return to REINFORCE and proximal policy optimisation (PPO).

A policy :math:`\pi_\theta(a \mid s)` is a network, and its parameters climb the discounted return
:math:`J = \mathbb{E} \sum_t \gamma^t r_t`.  The policy gradient theorem says where up is:

.. math:: \nabla J = \mathbb{E} \sum_t \gamma^t\, A(s_t, a_t)\, \nabla \log \pi(a_t \mid s_t),

where the advantage :math:`A = Q - V` is how much better an action is than the policy's average in that state.
REINFORCE puts the return of the episode in the place of `A`.  PPO estimates `A` with a second network, takes
several steps with the same samples, and clips what would move the policy too far.  Like nearly all programs, both
drop the factor :math:`\gamma^t`; `policy_gradient` has it and is exact where the process is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from torch import nn
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed, real_array
from companion.environments import check_vector_env
from companion.mdp import MDP, action_values, occupancy, policy_value
from companion.networks import mlp

__all__ = [
    "ActorCritic",
    "Rollout",
    "clipped_loss",
    "gae",
    "normalised",
    "policy_gradient",
    "ppo",
    "ppo_update",
    "reinforce",
    "rollout",
]


def policy_gradient(
    mdp: MDP, logits: ArrayLike, start: ArrayLike
) -> NDArray[np.float64]:
    r"""Return the exact gradient of the discounted return of a softmax policy.

    With :math:`\pi(\cdot \mid s) = \operatorname{softmax}(\theta_s)` and the occupancy `d`,

    .. math:: \frac{\partial J}{\partial \theta_{s a}} = d(s, a)\, \big(q_\pi(s, a) - v_\pi(s)\big).

    Parameters
    ----------
    mdp : MDP
        The process.
    logits : (S, A) array_like
        The parameters :math:`\theta`; those of unavailable actions do not matter.
    start : (S,) array_like
        Distribution of the first state.

    Returns
    -------
    (S, A) ndarray
        The gradient, 0 for unavailable actions.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape, is not finite, or `start` is no distribution.

    References
    ----------
    Sutton, R. S. et al. (2000). Policy gradient methods for reinforcement learning with function approximation.
    NeurIPS 12.  Theorem 1.

    Examples
    --------
    One state, two actions that pay 1 and 0 and stay: the first should be taken more often.

    >>> policy_gradient(MDP([[[1.0], [1.0]]], [[1, 0]], 0.5), [[0.0, 0.0]], [1.0])
    array([[ 0.5, -0.5]])
    """
    theta = real_array("logits", logits, mdp.reward.shape)
    available = ~np.isneginf(mdp.reward)
    policy = softmax(np.where(available, theta, -np.inf), axis=1)
    value = policy_value(mdp, policy)
    advantage = np.zeros_like(policy)
    np.subtract(
        action_values(mdp, value), value[:, None], out=advantage, where=available
    )
    gradient: NDArray[np.float64] = occupancy(mdp, policy, start) * advantage
    return gradient


def gae(
    rewards: torch.Tensor,
    values: torch.Tensor,
    next_values: torch.Tensor,
    terminated: torch.Tensor,
    ended: torch.Tensor,
    discount: float,
    lam: float,
) -> torch.Tensor:
    r"""Return the generalised advantage estimate of every step.

    .. math:: \delta_t = r_t + \gamma\, (1 - \text{terminated}_t)\, V(s_{t+1}) - V(s_t), \qquad
              A_t = \delta_t + \gamma \lambda\, (1 - \text{ended}_t)\, A_{t+1}.

    With :math:`\lambda = 0` this is the error of one step, with :math:`\lambda = 1` the rest of the return
    less :math:`V(s_t)`.  After a *truncation* the value of what would have followed still counts.

    Parameters
    ----------
    rewards, values, next_values : (T, N) Tensor
        What each step of N copies paid, and the critic's opinion before and after it.
    terminated : (T, N) Tensor of bool
        Whether the process was over after the step.
    ended : (T, N) Tensor of bool
        Whether the episode was: terminated, or truncated by somebody who stopped watching.
    discount, lam : float
        :math:`\gamma` and :math:`\lambda`, both in [0, 1].

    Returns
    -------
    (T, N) Tensor
        The advantages.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a number is out of range or not finite, or a step terminates without an end.

    References
    ----------
    Schulman, J. et al. (2016). High-dimensional continuous control using generalized advantage estimation. ICLR.
    Equation 16.

    Examples
    --------
    Two steps of one copy, then a time limit: what follows is worth 2.

    >>> flags = torch.tensor([[False], [False]]), torch.tensor([[False], [True]])
    >>> gae(torch.ones(2, 1), torch.zeros(2, 1), torch.tensor([[0.0], [2.0]]), *flags, discount=0.5, lam=1.0)
    tensor([[2.],
            [2.]])
    """
    gamma = check_number("discount", discount, 0, 1)
    decay = gamma * check_number("lam", lam, 0, 1)
    given = rewards, values, next_values, terminated, ended
    shapes = [tuple(x.shape) for x in given]
    if len(set(shapes)) != 1 or rewards.ndim != 2 or not len(rewards):
        raise ValueError(f"all tensors must have one shape (T, N), got {shapes}")
    over, last = terminated.bool(), ended.bool()
    if bool((over & ~last).any()):
        raise ValueError("ended must be true where terminated is")
    delta = rewards + gamma * torch.where(over, 0.0, next_values) - values
    if not bool(delta.isfinite().all()):
        raise ValueError("rewards, values and next_values must be finite")
    advantages, trace = torch.empty_like(delta), torch.zeros_like(delta[0])
    keep = decay * (~last).to(delta)
    for t in range(len(delta) - 1, -1, -1):
        trace = torch.addcmul(delta[t], keep[t], trace)
        advantages[t] = trace
    return advantages


def clipped_loss(
    log_probs: torch.Tensor,
    old_log_probs: torch.Tensor,
    advantages: torch.Tensor,
    clip: float | None = 0.2,
) -> torch.Tensor:
    r"""Return PPO's clipped objective with its sign turned, so that lower is better.

    .. math:: L = -\frac{1}{n} \sum_i \min\big(\rho_i A_i,\; \operatorname{clip}(\rho_i,
              1 - \varepsilon, 1 + \varepsilon)\, A_i\big), \qquad \rho_i = \pi(a_i) / \pi_{\text{old}}(a_i).

    Before the policy has moved, its gradient is the policy gradient's.

    Parameters
    ----------
    log_probs, old_log_probs : (n,) Tensor
        Log-probabilities of the actions taken, now and when they were taken.
    advantages : (n,) Tensor
        How much better than average each action was.
    clip : float or None
        :math:`\varepsilon > 0`; None does not clip.

    Returns
    -------
    () Tensor
        The loss.

    Raises
    ------
    ValueError
        If the shapes differ or `clip` is out of range.

    References
    ----------
    Schulman, J. et al. (2017). Proximal policy optimization algorithms, equation 7.

    Examples
    --------
    >>> clipped_loss(torch.tensor([0.5]).log(), torch.tensor([0.25]).log(), torch.tensor([1.0]))
    tensor(-1.2000)
    """
    if not log_probs.shape == old_log_probs.shape == advantages.shape != (0,):
        raise ValueError("all tensors must have one shape, and not be empty")
    ratio = (log_probs - old_log_probs).exp()
    gain = ratio * advantages
    if clip is not None:
        if not 0 < clip < float("inf"):
            raise ValueError(f"clip must be positive and finite, got {clip}")
        near = ratio.clamp(1 - clip, 1 + clip)
        gain = torch.minimum(gain, near * advantages)
    return -gain.mean()


def normalised(advantages: torch.Tensor) -> torch.Tensor:
    """Return advantages with mean 0 and standard deviation 1, or zeros if nothing but rounding tells them apart.

    Parameters
    ----------
    advantages : (n,) Tensor
        Of a minibatch.

    Returns
    -------
    (n,) Tensor
        What `ppo_update` weighs the actions with.

    Examples
    --------
    >>> normalised(torch.tensor([1.0, 3.0])), normalised(torch.full((3,), 0.1))
    (tensor([-1.,  1.]), tensor([0., 0., 0.]))
    """
    centred = advantages - advantages.mean()
    spread = centred.square().mean().sqrt()
    noise = len(advantages) * torch.finfo(advantages.dtype).eps
    told = ~(spread <= noise * advantages.abs().max())  # so that NaN stays NaN
    return torch.where(told, centred / spread, 0.0)


class ActorCritic(nn.Module):
    """A policy and its critic: one network for the logits of the actions, one for the values.

    Parameters
    ----------
    inputs, actions : int
        Observed features F, and actions A.
    generator : torch.Generator
        Draws the first parameters, on its device.
    hidden : sequence of int
        Hidden units of each of the two networks.
    values : int
        How many values K the critic has; two if a cost is to be predicted as well.

    Examples
    --------
    >>> agent = ActorCritic(4, 2, torch.Generator().manual_seed(0), values=2)
    >>> agent(torch.zeros(3, 4)).shape, agent.critic(torch.zeros(3, 4)).shape
    (torch.Size([3, 2]), torch.Size([3, 2]))
    """

    def __init__(
        self,
        inputs: int,
        actions: int,
        generator: torch.Generator,
        hidden: Sequence[int] = (64, 64),
        values: int = 1,
    ):
        super().__init__()
        if isinstance(hidden, str) or not isinstance(hidden, Sequence):
            raise TypeError(
                f"hidden must list the layers' units, as (64, 64), got {hidden!r}"
            )
        self.policy = mlp([inputs, *hidden, actions], generator, nn.Tanh)
        self.critic = mlp([inputs, *hidden, values], generator, nn.Tanh)
        with torch.no_grad():  # so that all actions start out about equally likely
            for parameter in self.policy[-1].parameters():
                parameter.mul_(0.01)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return the logits (..., A) of the actions."""
        logits: torch.Tensor = self.policy(observations)
        return logits


class Rollout(NamedTuple):
    """T steps of N copies of an environment, and what the agent thought of them.

    Examples
    --------
    >>> Rollout._fields[:3]
    ('observations', 'actions', 'log_probs')
    """

    observations: torch.Tensor  # (T, N, F) before each step
    actions: torch.Tensor  # (T, N)
    log_probs: torch.Tensor  # (T, N) of the actions taken
    rewards: torch.Tensor  # (T, N)
    costs: torch.Tensor  # (T, N) info["cost"], 0 where the environment gives none
    values: torch.Tensor  # (T, N, K) the critic's, before each step
    next_values: torch.Tensor  # (T, N, K) and after it, in the state it led to
    terminated: torch.Tensor  # (T, N) the process was over after the step
    ended: torch.Tensor  # (T, N) the episode was: terminated or truncated
    valid: torch.Tensor  # (T, N) False for the step that only starts a copy anew
    last: torch.Tensor  # (N, F) observation after the last step


def rollout(
    env: gymnasium.vector.VectorEnv[Any, Any, Any],
    agent: ActorCritic,
    steps: int,
    generator: torch.Generator,
    after: Rollout | None = None,
) -> Rollout:
    """Let an agent act in a vector environment, with actions drawn from its policy.

    With gymnasium's next-step autoreset the observation after an episode's last step is still that episode's,
    so its value can be asked for; the step that follows ignores the action and only starts the copy anew.
    That step is no transition: `valid` is False there, and whoever learns from the rollout must leave it out.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        N copies with box observations of shape (F,), discrete actions and next-step autoreset.
    agent : ActorCritic
        Who acts; unchanged.
    steps : int
        Steps T of each copy.
    generator : torch.Generator
        On the agent's device; draws the actions, and the environment's seed where it is reset.
    after : Rollout, optional
        The rollout before, to go on from where it stopped; by default the environment is reset.

    Returns
    -------
    Rollout
        On the agent's device.

    Raises
    ------
    TypeError, ValueError
        If `env` is no such environment or `steps` no positive integer.

    Examples
    --------
    >>> env = gymnasium.make_vec("CartPole-v1", 3, vectorization_mode="vector_entry_point")
    >>> generator = torch.Generator().manual_seed(0)
    >>> batch = rollout(env, ActorCritic(4, 2, generator), 50, generator)
    >>> batch.observations.shape, batch.values.shape, bool(batch.valid.all())
    (torch.Size([50, 3, 4]), torch.Size([50, 3, 1]), False)
    """
    _, actions = check_vector_env(env)
    steps, device = check_integer("steps", steps, 1), generator.device
    seen, done, taken, thought = [], [], [], []
    paid = np.zeros((2, steps, env.num_envs))  # rewards and costs
    if after is None:
        seed = int(torch.randint(2**31, (), generator=generator, device=device))
        observation = _tensor(env.reset(seed=seed)[0], device)
        fresh = np.zeros(env.num_envs, dtype=bool)
    else:
        observation, fresh = after.last, after.ended[-1].cpu().numpy()
    # The largest of logit + Gumbel noise is a draw from the softmax, and minus the
    # logarithm of an exponential draw is Gumbel noise.
    noise = torch.empty(
        steps, env.num_envs, actions, dtype=torch.float32, device=device
    )
    noise = noise.exponential_(generator=generator).log_()
    with torch.no_grad():
        for t in range(steps):
            seen.append(observation)
            thought.append(agent(observation))
            taken.append((thought[-1] - noise[t]).argmax(dim=1))
            move = taken[-1].cpu().numpy()
            after_step, paid[0, t], terminated, truncated, info = env.step(move)
            paid[1, t] = info.get("cost", 0.0)
            done.append(
                (terminated & ~fresh, (terminated | truncated) & ~fresh, ~fresh)
            )
            observation, fresh = _tensor(after_step, device), done[-1][1]
        observations = torch.stack([*seen, observation])
        values = agent.critic(observations)
        action = torch.stack(taken)
        logs = torch.stack(thought).log_softmax(dim=-1)
    over, ended, valid = torch.as_tensor(np.array(done), device=device).unbind(1)
    rewards, costs = _tensor(paid, device)
    return Rollout(
        observations[:-1],
        action,
        logs.gather(-1, action[..., None]).squeeze(-1),
        rewards,
        costs,
        values[:-1],
        values[1:],
        over,
        ended,
        valid,
        observation,
    )


def ppo_update(
    agent: ActorCritic,
    optimiser: torch.optim.Optimizer,
    batch: Rollout,
    advantages: torch.Tensor,
    returns: torch.Tensor,
    generator: torch.Generator,
    *,
    clip: float | None = 0.2,
    epochs: int = 8,
    minibatch: int = 256,
    entropy: float = 0.0,
) -> None:
    r"""Improve an agent on one rollout: its policy by the clipped objective, its critic by squared error.

    Each step of the optimiser lowers

    .. math:: L_{\text{clip}} + \tfrac{1}{2} \operatorname{mean} (V - \hat{R})^2 - c\, H(\pi)

    on a minibatch of valid steps, whose advantages are brought to mean 0 and standard deviation 1 first; where
    they are all equal they say nothing and become 0.  Gradients longer than 0.5 are shortened to it.

    Parameters
    ----------
    agent : ActorCritic
        Trained in place.
    optimiser : torch.optim.Optimizer
        Of the agent's parameters.
    batch : Rollout
        What the agent did.
    advantages : (T, N) Tensor
        How much better than average each step was, as of `gae`.
    returns : (T, N) or (T, N, K) Tensor
        What the critic should have said, :math:`\hat{R}`.
    generator : torch.Generator
        Shuffles the steps, on the agent's device.
    clip : float or None
        :math:`\varepsilon` of `clipped_loss`.
    epochs : int
        Passes over the rollout.
    minibatch : int
        Valid steps per step of the optimiser, at least; all of them if there are fewer than twice as many.
    entropy : float
        Weight `c` of the policy's entropy, which keeps it from becoming certain too early.

    Raises
    ------
    ValueError
        If shapes differ, no step is valid, an advantage or return is not finite, or a number is out of range.

    References
    ----------
    Schulman, J. et al. (2017). Proximal policy optimization algorithms. arXiv:1707.06347, algorithm 1.

    Examples
    --------
    >>> env = gymnasium.make_vec("CartPole-v1", 8, vectorization_mode="vector_entry_point")
    >>> generator = torch.Generator().manual_seed(0)
    >>> agent = ActorCritic(4, 2, generator)
    >>> batch = rollout(env, agent, 16, generator)
    >>> values, after = batch.values[..., 0], batch.next_values[..., 0]
    >>> advantages = gae(batch.rewards, values, after, batch.terminated, batch.ended, 0.98, 0.95)
    >>> optimiser = torch.optim.Adam(agent.parameters())
    >>> before = agent(batch.last)
    >>> ppo_update(agent, optimiser, batch, advantages, advantages + values, generator)
    >>> torch.equal(before, agent(batch.last))
    False
    """
    epochs = check_integer("epochs", epochs, 1)
    minibatch = check_integer("minibatch", minibatch, 1)
    weight = check_number("entropy", entropy, 0, ends="[)")
    shape = batch.valid.shape
    wanted = (*shape, batch.values.shape[-1])
    if returns.shape == shape:
        returns = returns[..., None]
    if advantages.shape != shape or returns.shape != wanted:
        raise ValueError(
            f"advantages and returns must have shapes {tuple(shape)} and {wanted}, "
            f"got {tuple(advantages.shape)} and {tuple(returns.shape)}"
        )
    columns = batch.observations, batch.actions, batch.log_probs, advantages, returns
    flat = [column[batch.valid] for column in columns]  # (n, ...)
    count = len(flat[0])
    if not count:
        raise ValueError("batch must have a valid step, got none")
    if not all(bool(column.isfinite().all()) for column in flat[2:]):
        raise ValueError("advantages and returns must be finite")
    parameters = list(agent.parameters())
    for _ in range(epochs):
        order = torch.randperm(count, generator=generator, device=generator.device)
        for rows in order.tensor_split(max(1, count // minibatch)):
            observation, action, old, advantage, target = (x[rows] for x in flat)
            logs = agent(observation).log_softmax(dim=1)
            log_prob = logs.gather(1, action[:, None]).squeeze(1)
            loss = clipped_loss(log_prob, old, normalised(advantage), clip)
            miss = nn.functional.mse_loss(agent.critic(observation), target)
            loss = loss + 0.5 * miss
            if weight:
                loss = loss + weight * (logs.exp() * logs).sum(dim=1).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 0.5)
            optimiser.step()


def ppo(
    env: gymnasium.vector.VectorEnv[Any, Any, Any],
    discount: float,
    seed: int,
    *,
    steps: int = 100_000,
    horizon: int = 64,
    lam: float = 0.95,
    learning_rate: float = 2e-3,
    baseline: bool = True,
    hidden: Sequence[int] = (64, 64),
    device: str = "cpu",
    watch: Callable[[int, ActorCritic, Rollout], None] | None = None,
    **update: Any,
) -> ActorCritic:
    r"""Learn a policy by proximal policy optimisation in a vector environment.

    In turn the agent acts for `horizon` steps (`rollout`), every step's advantage is estimated (`gae`), and
    policy and critic are improved on these samples (`ppo_update`).

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        N copies with box observations of shape (F,), discrete actions and gymnasium's default next-step
        autoreset.
    discount : float
        :math:`\gamma`, ``0 <= discount < 1``.
    seed : int
        Seeds the environment, the networks, the actions and the order of the samples.
    steps : int
        Steps of all copies together, at least ``horizon * N``; a last rollout that would exceed them is not made.
    horizon : int
        Steps of each copy between two updates.
    lam : float
        :math:`\lambda` of `gae`, from 0 to 1.
    learning_rate : float
        Of Adam at the start; it falls to 0 in a straight line.
    baseline : bool
        Whether the critic's value is subtracted from the return.  Without it the critic serves only to say what
        would have followed where an episode was cut off.
    hidden : sequence of int
        Hidden units of each network.
    device : str
        Where the agent lives.
    watch : callable, optional
        Called as ``watch(steps, agent, rollout)`` after each rollout, before the agent learns from it.
    **update : Any
        `clip`, `epochs`, `minibatch` and `entropy` of `ppo_update`.

    Returns
    -------
    ActorCritic
        In evaluation mode; ``agent(observations).argmax(-1)`` is its most likely action.

    Raises
    ------
    TypeError, ValueError
        If `env` is no such environment, a number is out of range, or a reward is not finite.
    RuntimeError
        If a network diverges.

    Notes
    -----
    The factor :math:`\gamma^t` of the policy gradient is dropped, as everywhere: late steps count as much as early
    ones, because a policy is wanted that is good in them, too.

    References
    ----------
    Schulman, J. et al. (2017). Proximal policy optimization algorithms. arXiv:1707.06347.
    Pardo, F. et al. (2018). Time limits in reinforcement learning. ICML.

    Examples
    --------
    >>> env = gymnasium.make_vec("CartPole-v1", 8, vectorization_mode="vector_entry_point")
    >>> agent = ppo(env, 0.98, seed=0, steps=512)
    >>> agent(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """
    inputs, actions = check_vector_env(env)
    discount = check_number("discount", discount, 0, 1, "[)")
    seed, horizon = check_seed("seed", seed), check_integer("horizon", horizon, 1)
    size = horizon * env.num_envs
    steps = check_integer("steps", steps, size)
    check_number("lam", lam, 0, 1)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")

    # Also inside a caller's inference_mode, where no gradient would be recorded.
    with torch.inference_mode(False), torch.enable_grad():
        generator = torch.Generator(device).manual_seed(seed)
        agent = ActorCritic(inputs, actions, generator, hidden)
        optimiser = torch.optim.Adam(agent.parameters(), lr=rate, fused=True)
        batch = None
        for done in trange(steps // size, desc="ppo", leave=False):
            batch = rollout(env, agent, horizon, generator, batch)
            if watch is not None:
                watch((done + 1) * size, agent, batch)
            if not bool(batch.values.isfinite().all()):
                raise RuntimeError("the network diverged: lower learning_rate")
            values, after = batch.values[..., 0], batch.next_values[..., 0]
            flags = batch.terminated, batch.ended
            advantages = gae(batch.rewards, values, after, *flags, discount, lam)
            returns = advantages + values
            optimiser.param_groups[0]["lr"] = rate * (1 - done * size / steps)
            weights = advantages if baseline else returns
            ppo_update(agent, optimiser, batch, weights, returns, generator, **update)
    if not all(p.isfinite().all() for p in agent.parameters()):
        raise RuntimeError("the network diverged: lower learning_rate")
    return agent.eval()


def reinforce(
    env: gymnasium.vector.VectorEnv[Any, Any, Any],
    discount: float,
    seed: int,
    *,
    learning_rate: float = 1e-2,
    baseline: bool = False,
    **options: Any,
) -> ActorCritic:
    r"""Learn a policy by REINFORCE: one step along the sampled gradient of each rollout.

    It is `ppo` with everything taken out that is not needed: whole returns (:math:`\lambda = 1`), every sample
    used once, nothing clipped and, by default, no critic subtracted.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        As of `ppo`.
    discount : float
        :math:`\gamma`, ``0 <= discount < 1``.
    seed : int
        Seeds everything.
    learning_rate : float
        Of Adam at the start; it falls to 0 in a straight line.
    baseline : bool
        Whether the critic's value is subtracted from the return.
    **options : Any
        `steps`, `horizon`, `entropy`, `hidden`, `device` and `watch` of `ppo`.

    Returns
    -------
    ActorCritic
        In evaluation mode.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As of `ppo`.

    Notes
    -----
    Williams' algorithm waits for the end of every episode.  Here the critic says what would have followed where
    the rollout or a time limit cuts one off.  Returns are normalised, so their mean is a constant baseline.

    References
    ----------
    Williams, R. J. (1992). Simple statistical gradient-following algorithms for connectionist reinforcement
    learning. Machine Learning 8.

    Examples
    --------
    >>> env = gymnasium.make_vec("CartPole-v1", 8, vectorization_mode="vector_entry_point")
    >>> reinforce(env, 0.98, seed=0, steps=512)(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """
    options |= {"learning_rate": learning_rate, "baseline": baseline}
    whole: dict[str, Any] = {"lam": 1.0, "clip": None, "epochs": 1, "minibatch": 2**62}
    return ppo(env, discount, seed, **whole, **options)


def _tensor(values: Any, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float32, device=device)
