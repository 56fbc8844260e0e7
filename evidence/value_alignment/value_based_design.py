"""Deep Sea Treasure beside mo-gymnasium's, a scalarised Q-learner over ten seeds, and dominance timed."""

from __future__ import annotations

from typing import Any

import mo_gymnasium
import numpy as np
from mo_gymnasium.envs.minecart.minecart import pareto_filter

from companion.value_alignment.value_based_design import (
    deep_sea_treasure,
    hypervolume,
    mixing_range,
    nondominated,
    pareto_values,
    weight_range,
)
from evidence.record import interleaved

PEERS = ["mo-gymnasium", "gymnasium"]
SEEDS = range(10)
REPEATS = 9
LAYOUTS = {
    "concave": "deep-sea-treasure-concave-v0",
    "convex": "deep-sea-treasure-v0",
}
DISCOUNTS = [round(1 - 0.01 * i, 2) for i in range(31)]


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "discounts": discounts(),
        "learners": learners(),
        "speed": speed(),
    }


def agreement() -> dict[str, Any]:
    """Every move on both maps, and the fronts at 31 discounts, as mo-gymnasium has them."""
    moves, worst = 0, 0.0
    for layout, name in LAYOUTS.items():
        sea = deep_sea_treasure(layout)
        env = mo_gymnasium.make(name).unwrapped
        env.reset()
        for state in np.flatnonzero(sea.reward[:, 0, 1] < 0):
            for action in range(4):
                env.current_state = np.array(divmod(int(state), 11), dtype=np.int32)
                place, paid, terminated, _, _ = env.step(action)
                after = 11 * int(place[0]) + int(place[1])
                same = sea.transition[state, action, after] == 1
                same &= bool((sea.reward[after] == 0).all()) == terminated
                if not same or np.abs(paid - sea.reward[state, action]).max() > 1e-5:
                    raise AssertionError(f"{layout}: a move from {state} differs")
                moves += 1
        for discount in DISCOUNTS:
            theirs = np.array(env.pareto_front(gamma=discount))
            ours = pareto_values(sea.transition, sea.reward, discount).fronts[0]
            front = np.unique(theirs[nondominated(theirs)], axis=0)
            if front.shape != ours.shape:
                raise AssertionError(f"{layout}: another front at {discount}")
            worst = max(worst, float(np.abs(front - ours).max()))
    if worst > 1e-12:
        raise AssertionError(f"the fronts differ by {worst}")
    return {"moves": moves, "discounts": len(DISCOUNTS), "largest difference": worst}


def discounts() -> dict[str, list[dict[str, float]]]:
    """How many points are undominated, reached by weights, and dominated by mixtures of the two ends."""
    rows: dict[str, list[dict[str, float]]] = {}
    for layout in LAYOUTS:
        sea = deep_sea_treasure(layout)
        rows[layout] = []
        for discount in DISCOUNTS:
            front = pareto_values(sea.transition, sea.reward, discount).fronts[0]
            width = np.diff(weight_range(front))
            mixed = np.diff(mixing_range(front, front[-1], front[0]))
            rows[layout].append(
                {
                    "discount": discount,
                    "undominated": len(front),
                    "by weights": int((width > 1e-9).sum()),
                    "tied": int((np.abs(width) <= 1e-9).sum()),
                    "by mixtures": int((mixed > 1e-9).sum()),
                    "hypervolume": hypervolume(front, [0, -25]),
                }
            )
    return rows


def learners(weights: int = 1001, updates: int = 30_000) -> dict[str, Any]:
    """Which treasures do Q-learners end at, one for each of many weights, per seed and map?"""
    share = np.linspace(0, 1, weights)
    found: dict[str, list[list[float]]] = {layout: [] for layout in LAYOUTS}
    optimal: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
    for layout in LAYOUTS:
        sea = deep_sea_treasure(layout)
        front = pareto_values(sea.transition, sea.reward, 0.99).fronts[0]
        best = (front @ np.stack([share, 1 - share])).max(axis=0)
        paid = sea.reward @ np.stack([share, 1 - share])
        to = sea.transition.argmax(axis=2)
        water = np.flatnonzero(sea.reward[:, 0, 1] < 0)
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            q = np.zeros((121, 4, weights))
            for s, a in zip(
                rng.choice(water, updates), rng.integers(0, 4, updates), strict=True
            ):
                q[s, a] = paid[s, a] + 0.99 * q[to[s, a]].max(axis=0)
            state, worth = np.zeros(weights, dtype=int), np.zeros(weights)
            value = np.zeros((weights, 2))
            for step in range(100):
                action = q[state, :, np.arange(weights)].argmax(axis=1)
                value += 0.99**step * sea.reward[state, action]
                worth += sea.reward[state, action, 0]
                state = to[state, action]
            reached = value[:, 0] * share + value[:, 1] * (1 - share)
            found[layout].append(np.unique(worth).tolist())
            optimal[layout].append(float((reached > best - 1e-9).mean()))
    return {
        "seeds": len(SEEDS),
        "weights": weights,
        "updates": updates,
        "treasures": found,
        "share optimal": optimal,
    }


def speed() -> list[dict[str, Any]]:
    """The filter's time over ours on the same points, and the same answer."""
    rows = []
    rng = np.random.default_rng(0)
    sets = {
        "100 random points of 2 respects": rng.random((100, 2)),
        "10 000 random points of 2 respects": rng.random((10_000, 2)),
        "10 000 random points of 3 respects": rng.random((10_000, 3)),
        "10 000 random points of 5 respects": rng.random((10_000, 5)),
    }
    sphere = np.abs(rng.normal(size=(2000, 3)))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    sets["2000 points on a sphere, none dominated"] = sphere
    for name, points in sets.items():
        theirs = np.array(pareto_filter(points, minimize=False))
        if not np.array_equal(theirs, points[nondominated(points)]):
            raise AssertionError(f"another answer on {name}")
        times = interleaved(
            {
                "ours": lambda p=points: [nondominated(p) for _ in range(5)],
                "peer": lambda p=points: [
                    pareto_filter(p, minimize=False) for _ in range(5)
                ],
            },
            repeats=REPEATS,
        )
        ratio = times["peer"]["median"] / times["ours"]["median"]
        peer = "mo_gymnasium's pareto_filter"
        rows.append({"name": name, "peer": peer, "ratio": ratio, "ms": times})
    sea = deep_sea_treasure()
    times = interleaved(
        {"ours": lambda: pareto_values(sea.transition, sea.reward, 1.0)},
        repeats=REPEATS,
    )
    rows.append({"name": "the whole front of Deep Sea Treasure", "ms": times})
    return rows
