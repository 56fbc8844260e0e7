"""Capacities beside cvxpy and closed forms, empowerment on gymnasium maps, its ranking beside a plain count."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import gymnasium
import numpy as np

from companion.mdp import MDP
from companion.value_alignment.empowerment import (
    action_channel,
    channel_capacity,
    empowerment,
)
from evidence.record import interleaved

PEERS = ["cvxpy", "clarabel", "gymnasium"]
SEEDS = range(20)
REPEATS = 7


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "closed forms": closed_forms(),
        "certain": certain(),
        "ice": ice(),
        "rounds": rounds(),
        "speed": speed(),
    }


def random_channels(seed: int, *shape: int) -> Any:
    """Rows drawn evenly from all distributions."""
    W = np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])
    return W / W.sum(axis=-1, keepdims=True)


class Cone:
    """The capacity as an exponential-cone program that is compiled once for its shape."""

    def __init__(self, inputs: int, outputs: int):
        self.W = cp.Parameter((inputs, outputs), nonneg=True)
        self.cost = cp.Parameter(inputs, nonneg=True)
        self.p = cp.Variable(inputs, nonneg=True)
        goal = cp.sum(cp.entr(self.W.T @ self.p)) - self.cost @ self.p
        self.problem = cp.Problem(cp.Maximize(goal), [cp.sum(self.p) == 1])

    def __call__(self, W: Any) -> float:
        self.W.value = W
        log = np.log(W, out=np.zeros_like(W), where=W > 0)
        self.cost.value = -(W * log).sum(axis=1)
        return float(self.problem.solve(solver=cp.CLARABEL)) / np.log(2)


def agreement() -> dict[str, Any]:
    """Largest difference from cvxpy's optimum, over seeds and shapes."""
    worst, shapes = 0.0, [(2, 2), (4, 9), (9, 4), (16, 16)]
    for shape in shapes:
        cone = Cone(*shape)
        for seed in SEEDS:
            W = random_channels(seed, *shape)
            worst = max(worst, abs(cone(W) - float(channel_capacity(W).bits)))
    if worst > 1e-6:
        raise AssertionError(f"cvxpy's capacities differ by {worst}")
    return {"seeds": len(SEEDS), "shapes": shapes, "largest difference": worst}


def closed_forms() -> dict[str, float]:
    """Largest difference from the symmetric, the erasure and the Z channel's formulas."""
    f = np.arange(1, 100) / 100
    zero = np.zeros_like(f)
    stack = {
        "symmetric": (
            [[1 - f, f], [f, 1 - f]],
            1 + f * np.log2(f) + (1 - f) * np.log2(1 - f),
        ),
        "erasure": ([[1 - f, f, zero], [zero, f, 1 - f]], 1 - f),
        "Z": (
            [[1 + zero, zero], [f, 1 - f]],
            np.log2(1 + (1 - f) * f ** (f / (1 - f))),
        ),
    }
    result = {}
    for name, (W, formula) in stack.items():
        bits = channel_capacity(np.moveaxis(np.array(W), 2, 0)).bits
        result[name] = float(np.abs(bits - formula).max())
        if result[name] > 1e-9:
            raise AssertionError(f"the {name} channel is off by {result[name]}")
    return result


def certain() -> list[dict[str, Any]]:
    """Where every step is certain: the largest difference from the logarithm of the reachable states."""
    rows = []
    maps: list[tuple[str, dict[str, Any], int]] = [
        ("FrozenLake-v1", {"map_name": "8x8", "is_slippery": False}, 4),
        ("CliffWalking-v1", {}, 4),
        ("Taxi-v4", {}, 2),
    ]
    for name, options, longest in maps:
        mdp = MDP.from_gymnasium(gymnasium.make(name, **options), 0.9)
        worst = 0.0
        for steps in range(1, longest + 1):
            found = empowerment(mdp, steps)
            worst = max(
                worst, float(np.abs(found.bits - np.log2(found.reachable)).max())
            )
        if worst > 1e-9:
            raise AssertionError(f"{name}: differs from the count by {worst}")
        rows.append(
            {
                "map": name,
                "states": mdp.states,
                "steps": longest,
                "largest difference": worst,
            }
        )
    return rows


def ice() -> list[dict[str, Any]]:
    """On the slippery lakes: pairs of cells that the count and the capacity order differently."""
    rows = []
    for name in ("4x4", "8x8"):
        env = gymnasium.make("FrozenLake-v1", map_name=name, is_slippery=True)
        mdp = MDP.from_gymnasium(env, 0.9)
        for steps in (1, 2, 3, 4):
            found = empowerment(mdp, steps)
            bits, count = found.bits, found.reachable
            i, j = np.triu_indices(len(bits), 1)
            differ = (np.abs(bits[i] - bits[j]) > 1e-6) & (count[i] != count[j])
            against = differ & ((bits[i] > bits[j]) != (count[i] > count[j]))
            best, most = np.flatnonzero(bits > bits.max() - 1e-6), count == count.max()
            rows.append(
                {
                    "map": name,
                    "steps": steps,
                    "against": float(against.sum() / max(differ.sum(), 1)),
                    "best cells": best.tolist(),
                    "best has most reachable": bool(most[best].any()),
                    "most bits": float(bits.max()),
                    "lost by uniform actions": float((bits - found.uniform).max()),
                    "converged": bool(found.converged.all()),
                }
            )
    return rows


def plain_rounds(W: Any, tolerance: float, limit: int) -> int:
    """Rounds of the published iteration until its bounds are so close, or the limit."""
    p = np.full(len(W), 1 / len(W))
    entropy = (W * np.log2(np.where(W > 0, W, 1.0))).sum(axis=1)
    for count in range(1, limit + 1):
        q = p @ W
        D = entropy - W @ np.log2(np.where(q > 0, q, 1.0))
        if D.max() - p @ D <= tolerance:
            return count
        p = p * 2.0**D
        p /= p.sum()
    return limit


def rounds() -> list[dict[str, Any]]:
    """How many rounds the published iteration takes, and how many Newton steps we do, to 1e-9 bits."""
    lake = MDP.from_gymnasium(
        gymnasium.make("FrozenLake-v1", map_name="8x8", is_slippery=True), 0.9
    )
    sets = {
        "20 random channels, 16 by 16": [random_channels(s, 16, 16) for s in SEEDS],
        "20 cells of the icy lake, 3 steps": [
            action_channel(lake, s, 3)[0] for s in range(19)
        ]
        + [action_channel(lake, 32, 3)[0]],
    }
    rows = []
    for name, channels in sets.items():
        plain = [plain_rounds(W, 1e-9, 50_000) for W in channels]
        ours = [channel_capacity(W).iterations for W in channels]
        rows.append(
            {
                "name": name,
                "median": float(np.median(plain)),
                "most": max(plain),
                "limit": 50_000,
                "ours most": max(ours),
            }
        )
    return rows


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same channels."""
    rows = []
    for name, W in {
        "one channel, 16 by 16": random_channels(0, 1, 16, 16),
        "one channel, 64 by 64": random_channels(0, 1, 64, 64),
        "100 channels, 16 by 16": random_channels(0, 100, 16, 16),
    }.items():
        cone = Cone(*W.shape[1:])
        cone(W[0])
        times = interleaved(
            {
                "ours": lambda W=W: channel_capacity(W),
                "peer": lambda W=W, cone=cone: [cone(w) for w in W],
            },
            repeats=REPEATS,
        )
        ratio = times["peer"]["median"] / times["ours"]["median"]
        rows.append({"name": name, "peer": "cvxpy", "ratio": ratio, "ms": times})
    W = random_channels(0, 16, 16)
    times = interleaved(
        {
            "ours": lambda: channel_capacity(W),
            "peer": lambda: plain_rounds(W, 1e-9, 50_000),
        },
        repeats=REPEATS,
    )
    ratio = times["peer"]["median"] / times["ours"]["median"]
    rows.append(
        {
            "name": "one channel, 16 by 16",
            "peer": "Blahut-Arimoto in NumPy",
            "ratio": ratio,
            "ms": times,
        }
    )
    # A channel that the published iteration finishes at once.
    easy = np.array([[0.9, 0.1], [0.1, 0.9]])
    times = interleaved(
        {
            "ours": lambda: [channel_capacity(easy) for _ in range(20)],
            "peer": lambda: [plain_rounds(easy, 1e-9, 50_000) for _ in range(20)],
        },
        repeats=REPEATS,
    )
    ratio = times["peer"]["median"] / times["ours"]["median"]
    rows.append(
        {
            "name": "one symmetric channel, 2 by 2",
            "peer": "Blahut-Arimoto in NumPy",
            "ratio": ratio,
            "ms": times,
        }
    )
    return rows
