"""Deep Q-learning against the exact optimum, ten seeds: right, and with one part taken away."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from companion.environments import MDPVectorEnv
from companion.mdp import MDP, policy_iteration, policy_value
from companion.robustness.deep_q_learning import dqn
from companion.robustness.fault_tolerance import health_levels, redundant_system

PEERS = ["gymnasium"]
SEEDS = range(10)
COPIES = 64


class TruncationTakenForTermination(MDPVectorEnv):
    """The popular wrong form: the cut at the horizon is reported as an end of the process."""

    def step(self, actions: Any) -> Any:
        observation, reward, terminated, truncated, info = super().step(actions)
        return observation, reward, terminated | truncated, truncated & False, info


# What is changed: the environment's class, and arguments of dqn.
VARIANTS: dict[str, tuple[type[MDPVectorEnv], dict[str, Any]]] = {
    "right": (MDPVectorEnv, {}),
    "wrong end": (TruncationTakenForTermination, {}),
    "no memory": (MDPVectorEnv, {"memory": COPIES}),
    "no target network": (MDPVectorEnv, {"sync": 1}),
}


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded."""
    wear = 0.85 * np.eye(4) + 0.15 * np.eye(4, k=1)
    wear[-1, -1] = 1.0
    mdp = redundant_system(
        wear, 3, [-4, -4, 0.6, 1], repair_cost=1, overhaul_cost=2, discount=0.95
    )
    results = {
        name: learnt(mdp, kind, options) for name, (kind, options) in VARIANTS.items()
    }
    return {"seeds": len(SEEDS), "variants": results}


def learnt(
    mdp: MDP, kind: type[MDPVectorEnv], options: dict[str, Any]
) -> dict[str, Any]:
    """Ten seeds of one variant: the policy's exact loss on the way, the values' error at the end."""
    features = np.eye(4)[health_levels(4, 3)].reshape(64, 12)
    observed = torch.as_tensor(features, dtype=torch.float32)
    optimum = policy_iteration(mdp).value
    curves, errors, steps = [], [], []
    for seed in SEEDS:
        gaps: dict[int, float] = {}

        def watch(step: int, network: torch.nn.Module, gaps=gaps) -> None:
            if step % 25 == 0:
                with torch.no_grad():
                    policy = network(observed).argmax(dim=1).numpy()
                gaps[step] = float((optimum - policy_value(mdp, policy)).max())

        env = kind(mdp, features, copies=COPIES, horizon=10)
        network = dqn(env, mdp.discount, seed, watch=watch, **options)
        with torch.no_grad():
            value = network(observed).max(dim=1).values.numpy()
        errors.append(float(np.abs(value - optimum).max()))
        steps, curves = list(gaps), [*curves, list(gaps.values())]
    return {
        "steps": steps,
        "gaps": np.round(curves, 6).tolist(),
        "final gap": [curve[-1] for curve in curves],
        "value error": errors,
    }
