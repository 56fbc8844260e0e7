"""PPO-Lagrangian beside the exact optimum, five seeds each: damped, undamped, Adam on the price, fixed weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from companion.mdp import occupancy, policy_iteration
from companion.value_alignment.constrained_optimum import (
    constrained_optimum,
    hazard_grid,
    penalised,
)
from companion.value_alignment.constrained_reinforcement_learning import (
    CostVectorEnv,
    DampedMultiplier,
    lagrangian_iteration,
    ppo_lagrangian,
)

PEERS = ["gymnasium"]
SEEDS = range(5)
LIMIT = 0.5
COPIES, HORIZON, UPDATES = 128, 32, 150
DUAL_RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # of the exact game
RATES = (0.05, 0.2)
DAMPING = 1.0
WEIGHTS = (0.05, 0.1, 0.15, 0.2, 0.25)
Price = Callable[[float], float]


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded."""
    mdp, cost, start = hazard_grid()
    optimum = constrained_optimum(mdp, cost, LIMIT, start)
    exact = {"value": optimum.value, "multiplier": float(optimum.multiplier)}
    kinds: dict[str, list[Callable[[], Price]]] = {
        "damped": [lambda rate=r: damped(rate, DAMPING) for r in RATES],
        "undamped": [lambda rate=r: damped(rate, 0.0) for r in RATES],
        "Adam": [lambda: AdamMultiplier(RATES[0])],
        "exact price, fixed": [lambda: damped(0.0, 0.0, exact["multiplier"])],
    }
    agents = {name: [learnt(make) for make in makes] for name, makes in kinds.items()}
    grid = [
        learnt(lambda w=w: damped(0.0, 0.0, w), UPDATES // len(WEIGHTS))
        for w in WEIGHTS
    ]
    return {
        "seeds": len(SEEDS),
        "steps": COPIES * HORIZON * UPDATES,
        "exact": exact,
        "limit": LIMIT,
        "rates": RATES,
        "agents": agents,
        "weights": {"weights": WEIGHTS, "agents": grid},
        "iteration": iteration(),
    }


def damped(rate: float, damping: float, value: float = 0.0) -> DampedMultiplier:
    """A fresh price."""
    return DampedMultiplier(LIMIT, rate, damping, value)


class AdamMultiplier:
    """The multiplier as programs often move it: by Adam, whose steps hardly depend on the size of the excess."""

    def __init__(self, rate: float):
        self.value = torch.zeros((), requires_grad=True)
        self.optimiser = torch.optim.Adam([self.value], lr=rate)

    def __call__(self, cost: float) -> float:
        price = self.value.item()
        self.value.grad = torch.tensor(LIMIT - cost)
        self.optimiser.step()
        with torch.no_grad():
            self.value.clamp_(min=0.0)
        return price


def learnt(make: Callable[[], Price], updates: int = UPDATES) -> dict[str, Any]:
    """Five agents: exact discounted reward and cost of the policy after every rollout and at the end."""
    mdp, cost, start = hazard_grid()
    seen = torch.eye(25)
    paths, prices = [], []
    for seed in SEEDS:
        path: list[tuple[float, float]] = []
        price: list[float] = []

        def judge(agent: torch.nn.Module, path=path) -> None:
            with torch.no_grad():
                policy = agent(seen).double().softmax(dim=1).numpy()
            d = occupancy(mdp, policy, start)
            path.append((float((d * mdp.reward).sum()), float((d * cost).sum())))

        def watch(steps: int, agent: Any, u: float, _: float, price=price) -> None:
            judge(agent)
            price.append(u)

        env = CostVectorEnv(mdp, np.eye(25), COPIES, 100, start, cost=cost)
        steps = COPIES * HORIZON * updates
        judge(ppo_lagrangian(env, 0.95, make(), seed, steps=steps, watch=watch))
        paths.append(path)
        prices.append(price)
    every = np.array(paths)  # (seeds, updates + 1, 2)
    return {
        "path": np.round(every[:, ::2], 4).tolist(),
        "price": np.round(np.array(prices)[:, ::2], 4).tolist(),
        "last": every[:, -1].tolist(),
        "average of the last 30": every[:, -30:].mean(axis=1).tolist(),
        "spread of the last 30": every[:, -30:, 1].std(axis=1).tolist(),
        "largest of the last 30": every[:, -30:, 1].max(axis=1).tolist(),
        "above the limit": (every[:, -30:, 1] > LIMIT).mean(axis=1).tolist(),
    }


def iteration() -> list[dict[str, Any]]:
    """The exact game for many step sizes: last hundred policies and the average one."""
    mdp, cost, start = hazard_grid()
    rows = []
    for rate in DUAL_RATES:
        for damping in (0.0, 0.2):
            path = lagrangian_iteration(
                mdp,
                cost,
                LIMIT,
                start,
                policy_rate=1.0,
                dual_rate=rate,
                damping=damping,
                steps=1000,
            )
            rows.append(summary("gradient", rate, damping, path.value, path.cost))
            price, spent, paid = damped(rate, damping), [], []
            policy = np.full(mdp.reward.shape, 1 / mdp.actions)
            for _ in range(1000):
                d = occupancy(mdp, policy, start)
                spent.append(float((d * cost).sum()))
                paid.append(float((d * mdp.reward).sum()))
                best = policy_iteration(penalised(mdp, cost, price(spent[-1]))).policy
                policy = np.eye(mdp.actions)[best]
            rows.append(summary("best answer", rate, damping, paid, spent))
    return rows


def summary(
    answer: str, rate: float, damping: float, value: Any, cost: Any
) -> dict[str, Any]:
    """What the last policies and the average occupancy spend and earn."""
    return {
        "answer": answer,
        "rate": rate,
        "damping": damping,
        "least of the last 100": float(np.min(cost[-100:])),
        "most of the last 100": float(np.max(cost[-100:])),
        "average cost": float(np.mean(cost)),
        "average value": float(np.mean(value)),
    }
