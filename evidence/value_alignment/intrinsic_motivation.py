"""Curiosity beside torch and stable-baselines3, the noisy television over many seeds, and a frozen lake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch.distributions import Dirichlet, kl_divergence

from companion.mdp import MDP
from companion.value_alignment.intrinsic_motivation import (
    Distillation,
    RunningMoments,
    Tally,
    count_bonus,
    discounted_sums,
    four_rooms,
    information_gain,
    model_error,
    surprise,
    walk,
)
from evidence.record import interleaved

PEERS = ["stable-baselines3", "gymnasium"]
SEEDS = 5
CHANNELS = (4, 16, 64, 256)
STEPS = 8000
TELEVISION = 54
REPEATS = 7


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "speed": speed(),
        "television": television(),
        "distillation": distillation(),
        "order": order(),
        "lake": lake(),
    }


# What is compared ------------------------------------------------------------------


def vec_normalize(envs: int, discount: float) -> VecNormalize:
    """The library's wrapper, around environments that it never steps."""
    makers = [lambda: gymnasium.make("CartPole-v1")] * envs
    return VecNormalize(DummyVecEnv(makers), norm_obs=False, gamma=discount)


def agreement() -> dict[str, Any]:
    """Information gain, running moments and discounted sums as torch and stable-baselines3 have them."""
    rng = np.random.default_rng(0)
    worst: dict[str, float] = {}
    counts = rng.integers(0, 50, size=(200, 8))
    alpha = torch.as_tensor(counts + 1.0, dtype=torch.float64)
    gaps = []
    for k in range(8):
        after = alpha + torch.eye(8, dtype=torch.float64)[k]
        theirs = kl_divergence(Dirichlet(after), Dirichlet(alpha)).numpy()
        ours = information_gain(counts, np.full(200, k))
        gaps.append(np.abs(ours - theirs).max())
    worst["information gain, torch"] = float(max(gaps))
    moments, peer = RunningMoments(6), RunningMeanStd(epsilon=1e-12, shape=(6,))
    for _ in range(50):
        batch = rng.normal(3, 2, size=(32, 6))
        moments.update(batch)
        peer.update(batch)
    worst["mean"] = float(np.abs(moments.mean - peer.mean).max())
    worst["variance"] = float(np.abs(moments.variance - peer.var).max())
    wrapper, rewards = vec_normalize(8, 0.99), rng.random((200, 8))
    sums = []
    for row in rewards:
        wrapper._update_reward(row)
        sums.append(wrapper.returns.copy())
    gap = np.abs(discounted_sums(rewards, 0.99) - np.array(sums)).max()
    worst["discounted sums"] = float(gap)
    if max(worst.values()) > 1e-10:
        raise AssertionError(f"the libraries disagree: {worst}")
    return {"largest difference": worst, "their initial count": 1e-12}


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same work."""
    rng = np.random.default_rng(0)
    counts, outcome = (
        rng.integers(0, 50, size=(10_000, 16)),
        rng.integers(16, size=10_000),
    )
    alpha = torch.as_tensor(counts + 1.0, dtype=torch.float64)
    after = alpha.clone()
    after[torch.arange(10_000), torch.as_tensor(outcome)] += 1
    rewards, batch = rng.random((512, 8)), rng.normal(size=(256, 32))
    moments, peer = RunningMoments(32), RunningMeanStd(shape=(32,))
    wrapper = vec_normalize(8, 0.99)

    def theirs() -> None:
        for row in rewards:
            wrapper._update_reward(row)

    work: dict[str, tuple[str, dict[str, Callable[[], object]]]] = {
        "gain of 10 000 outcomes": (
            "torch.distributions",
            {
                "ours": lambda: information_gain(counts, outcome),
                "peer": lambda: kl_divergence(Dirichlet(after), Dirichlet(alpha)),
            },
        ),
        "moments of 100 batches": (
            "RunningMeanStd",
            {
                "ours": lambda: [moments.update(batch) for _ in range(100)],
                "peer": lambda: [peer.update(batch) for _ in range(100)],
            },
        ),
        "discounted sums, 512 steps": (
            "VecNormalize",
            {"ours": lambda: spread_of_sums(rewards), "peer": theirs},
        ),
    }
    rows = []
    for name, (library, pair) in work.items():
        times = interleaved(pair, repeats=REPEATS)
        ratio = times["peer"]["median"] / times["ours"]["median"]
        rows.append({"name": name, "peer": library, "ratio": ratio, "ms": times})
    return rows


def spread_of_sums(rewards: Any) -> Any:
    """The sums and their spread, as the wrapper keeps it."""
    moments = RunningMoments(1)
    moments.update(discounted_sums(rewards, 0.99).reshape(-1, 1))
    return np.sqrt(moments.variance)


# The noisy television --------------------------------------------------------------


def per_picture(n: Any) -> Any:
    """Counts over what is observed, by what the belief expects to see."""
    K = n.shape[-1]
    p = (n + 1 / K) / (n.sum(axis=-1, keepdims=True) + 1)
    return (p * count_bonus(n + 1)).sum(axis=-1)


def per_place(n: Any) -> Any:
    """Counts over places, whatever they show."""
    return count_bonus(n.sum(axis=-1) + 1)


BONUSES: dict[str, Callable[[Any], Any]] = {
    "none": lambda n: np.zeros(len(n)),
    "count per place": per_place,
    "count per picture": per_picture,
    "information gain": lambda n: information_gain(n, concentration=1 / n.shape[-1]),
    "model error": lambda n: model_error(n, 1 / n.shape[-1]),
    "surprise": lambda n: surprise(n, concentration=1 / n.shape[-1]),
}


def summary(walks: list[Any]) -> dict[str, Any]:
    """Shares of the second half before the television, and places never seen."""
    late = np.concatenate([w.late for w in walks])
    visits = np.concatenate([w.visits for w in walks])
    return {
        "share": (late[:, TELEVISION] / late.sum(axis=1)).tolist(),
        "never": (visits == 0).sum(axis=1).tolist(),
        "map": (late.sum(axis=0) / late.sum()).tolist(),
    }


def television() -> dict[str, Any]:
    """Share of the late steps before the television, for bonuses that count."""
    rows: dict[str, Any] = {}
    for name, bonus in BONUSES.items():
        rows[name] = {}
        for K in CHANNELS:
            tally = Tally(bonus, SEEDS, 64, K)
            seen = walk(
                tally, four_rooms(), TELEVISION, K, STEPS, np.random.default_rng(K)
            )
            rows[name][str(K)] = summary([seen])
    return {"steps": STEPS, "seeds": SEEDS, "rows": rows}


def distillation() -> dict[str, Any]:
    """The same for random network distillation; 0 channels are pictures that never come twice."""
    rows: dict[str, Any] = {}
    for K in (*CHANNELS, 0):
        walks, shown, unseen, start = [], [], [], []
        for seed in range(SEEDS):
            drive = Distillation(64, K, TELEVISION, seed, every=8)
            pictures = np.random.default_rng(1000 + seed).normal(size=(512, 32))
            start.append(float(drive.rnd.novelty(pictures).mean()))
            walks.append(
                walk(
                    drive,
                    four_rooms(),
                    TELEVISION,
                    max(K, 1),
                    STEPS,
                    np.random.default_rng(seed),
                )
            )
            shown.append(float(drive.table[0, TELEVISION]))
            unseen.append(float(drive.rnd.novelty(pictures).mean()))
        rows[str(K)] = summary(walks)
        rows[str(K)] |= {"start": start, "shown": shown, "unseen": unseen}
    return {"steps": STEPS, "seeds": SEEDS, "rows": rows}


def order() -> dict[str, Any]:
    """Pictures in a fixed order, for a belief that asks which picture came before."""
    rows: dict[str, Any] = {}
    for name, bonus in BONUSES.items():
        rows[name] = {}
        for cyclic in (False, True):
            tally = Tally(bonus, SEEDS, 64, 16, conditional=True)
            rng = np.random.default_rng(0)
            seen = walk(tally, four_rooms(), TELEVISION, 16, STEPS, rng, cyclic=cyclic)
            rows[name]["cyclic" if cyclic else "random"] = summary([seen])["share"]
    return {"channels": 16, "rows": rows}


# A standard environment ------------------------------------------------------------


def lake() -> dict[str, Any]:
    """Steps until the goal of FrozenLake8x8 is first entered, without any reward; 0 if in none of 15000."""
    table = MDP.from_gymnasium(gymnasium.make("FrozenLake8x8-v1"), 0.99).transition
    kernel = table.copy()
    ends = [s for s in range(64) if (table[s, :, s] == 1).all()]
    kernel[ends], limit, seeds = np.eye(64)[0], 15_000, 15
    edges = kernel.cumsum(axis=-1)
    rows = {}
    for name in (
        "none",
        "count per place",
        "information gain",
        "model error",
        "surprise",
    ):
        rows[name] = [
            crossing(edges, BONUSES[name], limit, np.random.default_rng(seed))
            for seed in range(seeds)
        ]
    return {"limit": limit, "seeds": seeds, "rows": rows}


def crossing(edges: Any, bonus: Any, limit: int, rng: np.random.Generator) -> int:
    """Plan in the model learnt so far for the bonus of each state and action, and nothing else."""
    S, A = edges.shape[:2]
    counts = np.zeros((S, A, S), dtype=np.int64)
    promise = np.full((S, A), float(bonus(counts[0, :1])[0]))
    belief, value, state = np.full((S * A, S), 1 / S), np.zeros(S), 0
    for step in range(1, limit + 1):
        for _ in range(10):
            Q = promise + 0.98 * (belief @ value).reshape(S, A)
            value = Q.max(axis=1)
        ties = Q[state] == Q[state].max()
        action = int((ties * (1 + rng.random(A))).argmax())
        edge = edges[state, action]
        after = int((edge <= rng.random() * edge[-1]).sum())
        counts[state, action, after] += 1
        row = counts[state, action]
        promise[state, action] = bonus(row[None])[0]
        belief[state * A + action] = (row + 1 / S) / (row.sum() + 1)
        if after == S - 1:
            return step
        state = after
    return 0
