r"""Constrained reinforcement learning: a limit kept by a price that follows the cost (PPO-Lagrangian).

The policy climbs the reward minus a price times the cost, and the price rises while the limit is broken:

.. math:: \max_\pi \; \min_{\lambda \ge 0} \; J_r(\pi) - \lambda\, \big(J_c(\pi) - d\big).

Two players who each follow their own slope circle around the solution; **damping**, a price that also answers what
is exceeded right now, lets them settle.  `lagrangian_iteration` plays the game with exact values, `ppo_lagrangian`
from samples.  What they should reach is known: `companion.value_alignment.constrained_optimum`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed, real_array
from companion.environments import MDPVectorEnv, check_vector_env
from companion.mdp import MDP, action_values, occupancy, policy_value
from companion.value_alignment.constrained_optimum import penalised
from companion.value_alignment.policy_gradient import (
    ActorCritic,
    Rollout,
    gae,
    ppo_update,
    rollout,
)

__all__ = [
    "CostVectorEnv",
    "DampedMultiplier",
    "LagrangianPath",
    "lagrangian_iteration",
    "ppo_lagrangian",
]

Floats = NDArray[np.float64]


class DampedMultiplier:
    r"""The price of a cost, which rises while a limit is broken and falls while it is kept.

    With :math:`e_t = J_c(\pi_t) - d`, how far the limit is exceeded, the price is

    .. math:: u_t = [\lambda_t + \kappa\, e_t]_+, \qquad \lambda_{t+1} = [\lambda_t + \eta\, e_t]_+.

    The multiplier :math:`\lambda` adds up what has been exceeded (I control), the damping answers the present (P).

    Parameters
    ----------
    limit : float
        :math:`d`.
    rate, damping : float
        :math:`\eta` and :math:`\kappa`, in units of price per unit of cost, not negative.
    value : float
        The first :math:`\lambda \ge 0`; with ``rate=0`` it stays a fixed weight.

    Raises
    ------
    TypeError, ValueError
        If a number is not finite or negative.

    References
    ----------
    Stooke, A., Achiam, J. and Abbeel, P. (2020). Responsive safety in RL by PID Lagrangian methods. ICML.

    Examples
    --------
    >>> price = DampedMultiplier(limit=0.5, rate=0.1, damping=0.2)
    >>> [round(price(cost), 3) for cost in (1.0, 1.0, 0.5, 0.0)]
    [0.1, 0.15, 0.1, 0.0]
    """

    def __init__(
        self, limit: float, rate: float, damping: float = 0.0, value: float = 0.0
    ):
        self.limit = check_number("limit", limit)
        self.rate = check_number("rate", rate, 0)
        self.damping = check_number("damping", damping, 0)
        self.value = check_number("value", value, 0)

    def __call__(self, cost: float) -> float:
        """Return the price of a policy that costs so much, and move the multiplier."""
        excess = check_number("cost", cost) - self.limit
        price = max(0.0, self.value + self.damping * excess)
        self.value = max(0.0, self.value + self.rate * excess)
        return price


class LagrangianPath(NamedTuple):
    """The way of a policy and of the price that it answers.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
    >>> lagrangian_iteration(mdp, [[0, 1]], 0.5, [1], policy_rate=2, dual_rate=1, steps=3).cost.round(2)
    array([1.  , 1.54, 1.6 ])
    """

    value: Floats  # (T,) discounted reward of each policy
    cost: Floats  # (T,) discounted cost of each policy
    multiplier: Floats  # (T,) the price that the policy answers next
    policy: Floats  # (S, A) the last policy
    average: Floats  # (S, A) the policy whose occupancy is the average one
    bound: float  # no policy within the limit has a larger value, by the last price


def lagrangian_iteration(
    mdp: MDP,
    cost: ArrayLike,
    limit: float,
    start: ArrayLike,
    *,
    policy_rate: float,
    dual_rate: float,
    damping: float = 0.0,
    steps: int = 1000,
) -> LagrangianPath:
    r"""Let a policy climb and the price of the cost follow, with exact values.

    .. math:: \pi_{t+1}(a \mid s) \propto \pi_t(a \mid s)\, e^{\alpha\, q_t(s, a)},

    where :math:`q_t` are the action values of :math:`\pi_t` for the reward :math:`r - u_t c`, a natural gradient
    step, and :math:`u_t` is the price that a `DampedMultiplier` asks for the cost of :math:`\pi_t`.  Undamped, the
    policy circles around the optimum while the average occupancy approaches it; with damping it settles.

    Parameters
    ----------
    mdp : MDP
        The process with its reward.
    cost : (S, A) array_like
        Expected cost per step.
    limit : float
        Most that its discounted sum may be.
    start : (S,) array_like
        The distribution of the first state.
    policy_rate : float
        :math:`\alpha > 0`, per unit of reward.
    dual_rate, damping : float
        :math:`\eta` and :math:`\kappa` of the multiplier.
    steps : int
        Policies T; the first one is uniform.

    Returns
    -------
    LagrangianPath
        The path, the last and the average policy, and a bound.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit or a number is out of range.

    References
    ----------
    Ding, D. et al. (2020). Natural policy gradient primal-dual method for constrained Markov decision processes.
    NeurIPS.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
    >>> path = lagrangian_iteration(mdp, [[0, 1]], 0.5, [1], policy_rate=1.0, dual_rate=0.1, damping=1.0)
    >>> path.policy.round(4), path.multiplier[-1].round(4), round(path.bound, 4)
    (array([[0.75, 0.25]]), np.float64(0.6), 1.1)
    """
    price = DampedMultiplier(limit, rate=dual_rate, damping=damping)
    cost = real_array("cost", cost, mdp.reward.shape)
    alpha = check_number("policy_rate", policy_rate, 0, ends="()")
    steps = check_integer("steps", steps, 1)
    available = np.isfinite(mdp.reward)
    reward = np.where(available, mdp.reward, 0.0)
    logits = np.where(available, 0.0, -np.inf)
    path, average = np.empty((3, steps)), np.zeros(logits.shape)
    for t in range(steps):
        policy = softmax(logits, axis=1)
        d = occupancy(mdp, policy, start)
        average += d / steps
        spent = float((d * cost).sum())
        u = price(spent)
        path[:, t] = (d * reward).sum(), spent, u
        priced = penalised(mdp, cost, u)
        value = policy_value(priced, policy)
        q = action_values(priced, value)
        logits += alpha * q
        logits -= logits.max(axis=1, keepdims=True)
    total = average.sum(axis=1, keepdims=True)
    mixed = np.divide(average, total, out=policy.copy(), where=total > 0)
    # MacQueen's upper bound on the best value at the last price.
    gain = q.max(axis=1) - value
    most = value + gain + mdp.discount / (1 - mdp.discount) * gain.max()
    bound = float(np.dot(start, most))
    return LagrangianPath(
        path[0], path[1], path[2], policy, mixed, bound + u * price.limit
    )


class CostVectorEnv(MDPVectorEnv):
    """Copies of a finite process as a vector environment that reports what each step costs.

    Parameters
    ----------
    mdp : MDP
        The process; every action available in every state.
    features : (S, F) array_like
        What is observed in each state.
    copies, horizon : int
        Number of copies N, and steps until one is truncated.
    start : (S,) array_like, optional
        Distribution of the first state; uniform by default.
    cost : (S, A) array_like
        Cost per step; put into ``info["cost"]``; 0 in the step that only starts a copy anew.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape or is out of range.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
    >>> env = CostVectorEnv(mdp, [[1.0]], copies=3, horizon=10, cost=[[0, 1]])
    >>> _ = env.reset(seed=0)
    >>> env.step(np.array([1, 0, 1]))[4]
    {'cost': array([1., 0., 1.])}
    """

    def __init__(
        self,
        mdp: MDP,
        features: ArrayLike,
        copies: int,
        horizon: int,
        start: ArrayLike | None = None,
        *,
        cost: ArrayLike,
    ):
        super().__init__(mdp, features, copies, horizon, start)
        self.cost = real_array("cost", cost, mdp.reward.shape).copy()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Move every copy one step; see `gymnasium.vector.VectorEnv.step`."""
        before, fresh = getattr(self, "state", 0), getattr(self, "ended", False)
        seen, reward, terminated, truncated, info = super().step(actions)
        paid = np.where(fresh, 0.0, self.cost[before, actions])
        return seen, reward, terminated, truncated, {**info, "cost": paid}


def ppo_lagrangian(
    env: gymnasium.vector.VectorEnv[Any, Any, Any],
    discount: float,
    price: Callable[[float], float],
    seed: int,
    *,
    steps: int = 600_000,
    horizon: int = 32,
    lam: float = 0.9,
    learning_rate: float = 3e-3,
    hidden: Sequence[int] = (32, 32),
    device: str = "cpu",
    watch: Callable[[int, ActorCritic, float, float], None] | None = None,
    **options: Any,
) -> ActorCritic:
    r"""Learn a policy that keeps a limit: proximal policy optimisation with a price on the cost.

    The critic predicts reward and cost, and the policy climbs

    .. math:: A_t = \frac{A^r_t - u\, A^c_t}{1 + u},

    where the price `u` answers an estimate of the discounted cost :math:`J_c`, the mean over the episodes that
    began in the last rollout.  The denominator keeps the size of the advantages when the price is high.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        As of `ppo`, with the cost of each copy's step in ``info["cost"]``.
    discount : float
        :math:`\gamma` of rewards and costs, ``0 <= discount < 1``.
    price : callable
        Maps the estimated discounted cost to the price :math:`u \ge 0`, such as a `DampedMultiplier`.
    seed : int
        Seeds everything.
    steps, horizon : int
        Steps of all copies together, and of each copy between two updates.
    lam : float
        :math:`\lambda` of `gae`.
    learning_rate : float
        Of Adam at the start; it falls to 0 with the square of what is left, so that the last steps are small.
    hidden : sequence of int
        Hidden units of each network.
    device : str
        Where the agent lives.
    watch : callable, optional
        Called as ``watch(steps, agent, price, cost)`` after each rollout, before the agent learns from it.
    **options
        Of `ppo_update`; here four epochs and minibatches of 1024 by default.

    Returns
    -------
    ActorCritic
        In evaluation mode; its policy is the *softmax* of its logits: the likeliest action alone keeps no limit.

    Raises
    ------
    TypeError, ValueError
        If `env` is no such environment, a number is out of range, or a price is negative or not finite.
    RuntimeError
        If a network diverges.

    References
    ----------
    Ray, A., Achiam, J. and Amodei, D. (2019). Benchmarking safe exploration in deep reinforcement learning.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
    >>> env = CostVectorEnv(mdp, [[1.0]], copies=8, horizon=20, cost=[[0, 1]])
    >>> price = DampedMultiplier(limit=0.5, rate=0.05, damping=1.0)
    >>> ppo_lagrangian(env, 0.5, price, seed=0, steps=512)(torch.ones(1, 1)).shape
    torch.Size([1, 2])
    """
    discount = check_number("discount", discount, 0, 1, "[)")
    seed, horizon = check_seed("seed", seed), check_integer("horizon", horizon, 1)
    check_number("lam", lam, 0, 1)
    inputs, actions = check_vector_env(env)
    _check_reports_cost(env, seed)
    size = horizon * env.num_envs
    steps = check_integer("steps", steps, size)
    options = {"epochs": 4, "minibatch": 1024, **options}
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    if not callable(price):
        raise TypeError(f"price must map a cost to a price, got {price!r}")

    # Also inside a caller's inference_mode, where no gradient would be recorded.
    with torch.inference_mode(False), torch.enable_grad():
        generator = torch.Generator(device).manual_seed(seed)
        agent = ActorCritic(inputs, actions, generator, hidden, values=2)
        optimiser = torch.optim.Adam(agent.parameters(), lr=rate, fused=True)
        batch, cost = None, 0.0
        begins = torch.ones(env.num_envs, dtype=torch.bool, device=device)
        for done in trange(steps // size, desc="ppo_lagrangian", leave=False):
            batch = rollout(env, agent, horizon, generator, batch)
            if not bool(batch.values.isfinite().all()):
                raise RuntimeError("the network diverged: lower learning_rate")
            advantages = _advantages(batch, discount, lam)
            # An episode begins after each step that only starts a copy anew.
            begins = torch.cat([begins[None], ~batch.valid])
            first, begins = begins[:-1] & batch.valid, begins[-1]
            if bool(first.any()):
                returns = _advantages(batch, discount, 1.0) + batch.values
                cost = float(returns[..., 1][first].mean())
            u = check_number("price", price(cost), 0)
            if watch is not None:
                watch((done + 1) * size, agent, u, cost)
            optimiser.param_groups[0]["lr"] = rate * (1 - done * size / steps) ** 2
            ppo_update(
                agent,
                optimiser,
                batch,
                (advantages[..., 0] - u * advantages[..., 1]) / (1 + u),
                advantages + batch.values,
                generator,
                **options,
            )
    if not all(p.isfinite().all() for p in agent.parameters()):
        raise RuntimeError("the network diverged: lower learning_rate")
    return agent.eval()


def _advantages(batch: Rollout, discount: float, lam: float) -> torch.Tensor:
    """Of reward and cost, (T, N, 2)."""
    values, after = batch.values.unbind(-1), batch.next_values.unbind(-1)
    flags = batch.terminated, batch.ended
    paid = batch.rewards, batch.costs
    return torch.stack(
        [
            gae(r, v, v_next, *flags, discount, lam)
            for r, v, v_next in zip(paid, values, after, strict=True)
        ],
        dim=-1,
    )


def _check_reports_cost(
    env: gymnasium.vector.VectorEnv[Any, Any, Any], seed: int
) -> None:
    """Refuse an environment whose costs would be taken for none."""
    env.reset(seed=seed)
    info = env.step(np.zeros_like(env.action_space.sample()))[4]
    if "cost" not in info:
        raise ValueError("env must put each step's cost into info['cost'], got none")
