"""Optimistic exploration beside bsuite's Deep Sea, and how long each learner searches, over many seeds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from bsuite.environments.deep_sea import DeepSea

from companion.problems import river_swim
from companion.value_alignment.optimistic_exploration import (
    Task,
    deep_sea,
    planned_exploration,
    q_exploration,
    random_visits,
)
from evidence.record import interleaved

PEERS = ["bsuite"]
SEEDS = 20
PLANS = 10  # seeds of what plans before every episode
REPEATS = 5


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "speed": speed(),
        "search": search(),
        "bound": bound(),
        "epsilon": epsilon(),
        "naive": naive(),
        "stochastic": stochastic(),
        "river": river(),
    }


def fixed(rand: float) -> Any:
    """A source of randomness that returns what it is told, and no noise."""
    return SimpleNamespace(rand=lambda: rand, randn=lambda: 0.0)


def agreement() -> dict[str, Any]:
    """Every move of every cell that can be reached, and random episodes, as in bsuite."""
    cells, worst = 0, 0.0
    for size in (2, 3, 10, 20):
        for seed in range(3):
            for windy in (False, True):
                theirs = DeepSea(size, not windy, seed=0, mapping_seed=seed)
                ours = deep_sea(size, seed, stochastic=windy)
                cells, gap = compared(theirs, ours, size, cells)
                worst = max(worst, gap)
    episodes = 0
    for size in (5, 10, 30):
        for seed in range(20):
            theirs = DeepSea(size, mapping_seed=seed)
            ours = deep_sea(size, seed)
            table = ours.mdp.rows.indices.reshape(-1, 2)
            state, rng = ours.start, np.random.default_rng(seed)
            theirs.reset()
            for action in rng.integers(2, size=size):
                seen = theirs.step(int(action))
                worst = max(worst, abs(seen.reward - ours.mdp.reward[state, action]))
                state = table[state, action]
                here = np.flatnonzero(seen.observation.ravel())
                if len(here) != (state < size**2) or (len(here) and here[0] != state):
                    raise AssertionError("the diver is elsewhere than in bsuite")
            episodes += 1
    if worst > 1e-15:
        raise AssertionError(f"rewards differ from bsuite's by {worst}")
    return {"moves": cells, "episodes": episodes, "largest difference": worst}


def compared(theirs: Any, ours: Task, size: int, cells: int) -> tuple[int, float]:
    """Put bsuite's diver into every cell, let both actions succeed and fail, and compare."""
    worst = 0.0
    for row in range(size):
        for column in range(row + 1):
            for action in (0, 1):
                state = size * row + column
                chance = dict.fromkeys(ours.mdp.rows[[2 * state + action]].indices, 0.0)
                for luck, weight in ((1.0, 1 - 1 / size), (0.0, 1 / size)):
                    theirs._rng = fixed(luck)
                    theirs._reset()
                    theirs._row, theirs._column = row, column
                    seen = theirs._step(action)
                    gap = abs(seen.reward - ours.mdp.reward[state, action])
                    worst = max(worst, float(gap))
                    rich = row == size - 1 and seen.reward > 0.5
                    to = size**2 + rich
                    if row < size - 1:
                        to = int(np.flatnonzero(seen.observation.ravel())[0])
                    chance[to] = chance.get(to, 0.0) + weight
                for to, weight in chance.items():
                    have = ours.mdp.rows[[2 * state + action]].toarray()[0, to]
                    if abs(have - weight) > 1e-15:
                        raise AssertionError(f"cell {row}, {column} moves otherwise")
                cells += 1
    return cells, worst


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours for episodes of random actions."""
    size, many = 20, 2000
    task, env = deep_sea(size), DeepSea(size, mapping_seed=0)
    rng = np.random.default_rng(0)

    def peer(episodes: int) -> None:
        for _ in range(episodes):
            env.reset()
            for action in rng.integers(2, size=size):
                env.step(int(action))

    work = {
        f"{many} episodes at once": {
            "ours": lambda: random_visits(task, many, rng),
            "peer": lambda: peer(many),
        },
        "100 episodes, one after another": {
            "ours": lambda: q_exploration(task, 100, rng, epsilon=1.0),
            "peer": lambda: peer(100),
        },
    }
    rows = []
    for name, pair in work.items():
        times = interleaved(pair, repeats=REPEATS)
        ratio = times["peer"]["median"] / times["ours"]["median"]
        rows.append({"name": name, "peer": "bsuite", "ratio": ratio, "ms": times})
    return rows


def uniform_first_visit(task: Task, rng: np.random.Generator) -> int:
    """Episode of the first visit under uniform actions."""
    chunk, before = 2**task.horizon, 0
    while not (found := random_visits(task, chunk, rng)).any():
        before += chunk
    return before + int(found.argmax()) + 1


def search() -> dict[str, Any]:
    """First visit to the treasure, deterministic Deep Sea, against its size."""
    rows: dict[str, dict[str, list[int]]] = {}
    sizes = {
        "uniform": (2, 4, 6, 8, 10, 12, 14),
        "optimistic": (5, 10, 20, 30, 40, 50),
        "bonus": (5, 10, 20, 30, 40),
        "planner": (5, 10, 20, 30, 40, 50),
    }
    for name, all_sizes in sizes.items():
        rows[name] = {}
        for size in all_sizes:
            task = deep_sea(size)
            rngs = [np.random.default_rng(seed) for seed in range(SEEDS)]
            if name == "uniform":
                first = [uniform_first_visit(task, rng) for rng in rngs]
            elif name == "optimistic":
                seen = q_exploration(
                    task,
                    size**2,
                    rngs[0],
                    copies=SEEDS,
                    optimism=1.0,
                    learning_rate=1.0,
                    stop=True,
                )
                first = seen.first_visit.tolist()
            else:
                first = [
                    int(
                        planned_exploration(
                            task,
                            3000,
                            rng,
                            optimism=1.0,
                            bonus=0.1 * (name == "bonus"),
                            stop=True,
                        ).first_visit[0]
                    )
                    for rng in rngs[:PLANS]
                ]
            if min(first) == 0:
                raise AssertionError(f"{name} did not find the treasure at {size}")
            rows[name][str(size)] = first
    return rows


def bound() -> dict[str, Any]:
    """The latest first visit of an optimistic start among many copies, and the number of cells."""
    latest = {}
    for size in range(2, 21):
        seen = q_exploration(
            deep_sea(size, seed=size),
            size**2,
            np.random.default_rng(size),
            copies=100,
            optimism=1.0,
            learning_rate=1.0,
            stop=True,
        )
        if not seen.first_visit.all():
            raise AssertionError(f"an optimistic copy found nothing at {size}")
        latest[str(size)] = int(seen.first_visit.max())
    return {"copies": 100, "latest": latest}


def epsilon() -> dict[str, Any]:
    """Epsilon-greedy Q-learning with the move cost and without it; 0 is no visit in 4000 episodes."""
    rows: dict[str, Any] = {"episodes": 4000, "seeds": SEEDS}
    for cost in (0.01, 0.0):
        for share in (0.1, 0.3, 1.0):
            for size in (4, 6, 8):
                seen = q_exploration(
                    deep_sea(size, move_cost=cost),
                    4000,
                    np.random.default_rng(size),
                    copies=SEEDS,
                    epsilon=share,
                    learning_rate=1.0,
                    stop=True,
                )
                rows[f"{cost} {share} {size}"] = seen.first_visit.tolist()
    return rows


def naive() -> dict[str, Any]:
    """A bonus on the reward, the table starting at zero or at one; 0 is no visit in 1000 episodes."""
    rows: dict[str, Any] = {"episodes": 1000, "seeds": SEEDS}
    for start in (0.0, 1.0):
        for bonus in (0.01, 0.1, 1.0):
            for rate, share in ((1.0, 0.0), (0.1, 0.0), (1.0, 0.1)):
                seen = q_exploration(
                    deep_sea(10),
                    1000,
                    np.random.default_rng(0),
                    copies=SEEDS,
                    optimism=start,
                    bonus=bonus,
                    epsilon=share,
                    learning_rate=rate,
                    stop=True,
                )
                rows[f"{start:g} {bonus:g} {rate:g} {share:g}"] = (
                    seen.first_visit.tolist()
                )
    return rows


def best_return(task: Task) -> float:
    """The largest expected reward of an episode, undiscounted, by backward induction."""
    mdp, value = task.mdp, np.zeros(task.mdp.states)
    for _ in range(task.horizon):
        value = (mdp.reward.ravel() + mdp.rows @ value).reshape(-1, mdp.actions).max(1)
    return float(value[task.start])


LEARNERS: dict[str, dict[str, Any]] = {
    "uniform": {"epsilon": 1.0},
    "optimistic, last visit counts": {"optimism": 1.0, "learning_rate": 1.0},
    "optimistic, averaging": {"optimism": 1.0},
    "optimistic, averaging, and bonus 0.3": {"optimism": 1.0, "bonus": 0.3},
    "optimistic, averaging, and bonus 1": {"optimism": 1.0, "bonus": 1.0},
}
PLANNERS: dict[str, dict[str, Any]] = {
    "planner, one visit is knowledge": {"known": 1},
    "planner, ten visits are": {"known": 10},
    "planner, bonus 0.1": {"bonus": 0.1},
    "planner, bonus 1": {"bonus": 1.0},
}


def stochastic() -> dict[str, Any]:
    """Stochastic Deep Sea: first visit, and what the last 500 of 2000 episodes earn."""
    task, episodes = deep_sea(10, stochastic=True), 2000
    rows = {}
    for name, options in LEARNERS.items():
        seen = q_exploration(
            task, episodes, np.random.default_rng(0), copies=SEEDS, **options
        )
        rows[name] = {
            "first": seen.first_visit.tolist(),
            "late": seen.returns[:, -500:].mean(axis=1).tolist(),
        }
    for name, options in PLANNERS.items():
        runs = [
            planned_exploration(
                task, episodes, np.random.default_rng(seed), optimism=1.0, **options
            )
            for seed in range(PLANS)
        ]
        rows[name] = {
            "first": [int(run.first_visit[0]) for run in runs],
            "late": [float(run.returns[0, -500:].mean()) for run in runs],
        }
    return {"size": 10, "episodes": episodes, "best": best_return(task), "rows": rows}


def river() -> dict[str, Any]:
    """River swim: reward of 100 episodes of 50 steps each, from the left bank."""
    task, episodes = Task(river_swim(), 0, 50, 5), 100
    learners: dict[str, dict[str, Any]] = {
        "uniform": {"epsilon": 1.0},
        "epsilon-greedy, 0.1": {"epsilon": 0.1},
        "optimistic start at 1": {"optimism": 1.0},
        "optimistic start at 10": {"optimism": 10.0},
        "optimistic start at 100": {"optimism": 100.0},
    }
    planners: dict[str, dict[str, Any]] = {
        "planner, one visit is knowledge": {"known": 1},
        "planner, ten visits are": {"known": 10},
        "planner, bonus 1": {"bonus": 1.0},
    }
    rows = {}
    for name, options in learners.items():
        seen = q_exploration(
            task, episodes, np.random.default_rng(0), copies=PLANS, **options
        )
        rows[name] = seen.returns.sum(axis=1).tolist()
    for name, options in planners.items():
        rows[name] = [
            float(
                planned_exploration(
                    task,
                    episodes,
                    np.random.default_rng(seed),
                    optimism=100.0,
                    **options,
                ).returns.sum()
            )
            for seed in range(PLANS)
        ]
    return {
        "episodes": episodes,
        "horizon": 50,
        "seeds": PLANS,
        "best": episodes * best_return(task),
        "rows": rows,
    }
