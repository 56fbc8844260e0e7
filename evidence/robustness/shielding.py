"""Random, half-trained and optimal policies on the large frozen lake, bare and shielded, over 20 seeds."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from companion.mdp import MDP, policy_iteration, sample_next
from companion.robustness.shielding import (
    harm_probability,
    safe_set,
    shield_action,
    shield_policy,
)
from evidence import record

PEERS = ["gymnasium"]
SEEDS = 20


def measure() -> dict[str, Any]:
    mdp = MDP.from_gymnasium(gymnasium.make("FrozenLake-v1", map_name="8x8"), 0.99)
    goal = np.arange(64) == 63
    holes = (mdp.transition[np.arange(64), :, np.arange(64)] == 1).all(axis=1) & ~goal
    safe = safe_set(mdp, holes)
    policies: dict[str, list[np.ndarray]] = {
        "uniformly random": [np.full((64, 4), 0.25)] * SEEDS,
        "random, drawn once": [
            np.random.default_rng(s).integers(4, size=64) for s in range(SEEDS)
        ],
        "half-trained (100 steps)": [
            _trained(mdp, holes, np.random.default_rng(s), 100) for s in range(SEEDS)
        ],
        "trained (1000 steps)": [
            _trained(mdp, holes, np.random.default_rng(s), 1000) for s in range(SEEDS)
        ],
        "optimal at discount 0.99": [policy_iteration(mdp).policy] * SEEDS,
    }
    out: dict[str, Any] = {
        "seeds": SEEDS,
        "safe_states": int(safe.states.sum()),
        "policies": {},
    }
    for name, tables in policies.items():
        bare = [harm_probability(mdp, table, holes)[0] for table in tables]
        through = [shield_policy(table, safe) for table in tables]
        solved = [
            harm_probability(mdp, table, holes)[safe.states].max() for table in through
        ]
        arrives = [harm_probability(mdp, table, goal)[0] for table in through]
        runs = [
            _violations(mdp, table, holes, safe, np.random.default_rng(s))
            for s, table in enumerate(tables)
        ]
        if max(solved) > 0 or sum(v for v, _ in runs) > 0:
            raise AssertionError(f"{name}: harm behind the shield")
        out["policies"][name] = {
            "harm_bare_median": float(np.median(bare)),
            "harm_bare_low": float(min(bare)),
            "harm_bare_high": float(max(bare)),
            "harm_shielded_solved": float(max(solved)),
            "violations_simulated": int(sum(v for v, _ in runs)),
            "steps_simulated": int(sum(n for _, n in runs)),
            "arrival_shielded_median": float(np.median(arrives)),
            "arrival_shielded_low": float(min(arrives)),
        }
    out["ms"] = record.interleaved(
        {
            "safe_set, 64 states": lambda: safe_set(mdp, holes),
            "shield_action, 1000 copies": lambda: shield_action(
                np.zeros(1000, int), np.zeros(1000, int), safe
            ),
            "harm_probability": lambda: harm_probability(
                mdp, policies["uniformly random"][0], holes
            ),
        }
    )
    return out


def _trained(
    mdp: MDP, holes: np.ndarray, rng: np.random.Generator, steps: int
) -> np.ndarray:
    """Tabular Q-learning by 256 copies, restarted anywhere when they end."""
    q, state, ends = (
        np.zeros((64, 4)),
        np.zeros(256, int),
        holes | (np.arange(64) == 63),
    )
    for _ in range(steps):
        greedy = (q[state] + 1e-9 * rng.random((256, 4))).argmax(axis=1)
        action = np.where(rng.random(256) < 0.5, rng.integers(4, size=256), greedy)
        after = sample_next(mdp, state, action, rng)
        q[state, action] += 0.1 * (
            mdp.reward[state, action] + 0.99 * q[after].max(axis=1) - q[state, action]
        )
        state = np.where(ends[after], rng.integers(64, size=256), after)
    return q.argmax(axis=1)


def _violations(
    mdp: MDP, policy: np.ndarray, holes: np.ndarray, safe: Any, rng: np.random.Generator
) -> tuple[int, int]:
    """Count visits to holes in 100 000 shielded steps, begun anew at the goal."""
    table = policy if policy.ndim == 2 else np.eye(4)[policy]
    state, harm, steps = np.zeros(1000, int), 0, 0
    for _ in range(100):
        wanted = (
            (rng.random((1000, 1)) > np.cumsum(table[state], axis=1))
            .sum(axis=1)
            .clip(max=3)
        )
        state = sample_next(mdp, state, shield_action(wanted, state, safe), rng)
        harm, steps = harm + int(holes[state].sum()), steps + state.size
        state = np.where(state == 63, 0, state)
    return harm, steps
