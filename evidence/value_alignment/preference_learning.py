"""Scores and losses beside choix and imitation, how errors shrink, and a wish that CartPole learns by answers."""

from __future__ import annotations

from functools import partial
from typing import Any

import choix
import gymnasium
import numpy as np
import torch
from imitation.algorithms.preference_comparisons import (
    CrossEntropyRewardLoss,
    PreferenceModel,
)
from imitation.data.types import Trajectory
from imitation.rewards.reward_nets import RewardNet
from scipy.special import expit

from companion.networks import mlp
from companion.value_alignment.preference_learning import (
    bradley_terry,
    fit_reward,
    preference_loss,
)
from evidence.record import interleaved

PEERS = ["choix", "imitation", "gymnasium", "stable-baselines3"]
SEEDS = range(10)
REPEATS = 9


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "scores": scores(),
        "loss": loss(),
        "error": error(),
        "coverage": coverage(),
        "cart": cart(),
    }


def compared(items: int, pairs: int, seed: int, spread: float = 1.0) -> Any:
    """True scores of `items`, and a table of `pairs` comparisons of random pairs, judged by them."""
    rng = np.random.default_rng(seed)
    truth = spread * rng.standard_normal(items)
    i = rng.integers(items, size=pairs)
    j = (i + rng.integers(1, items, size=pairs)) % items
    first = rng.random(pairs) < expit(truth[i] - truth[j])
    wins = np.zeros((items, items))
    np.add.at(wins, (np.where(first, i, j), np.where(first, j, i)), 1)
    return truth - truth.mean(), wins


def gradient(wins: Any, r: Any) -> float:
    """Largest wins minus expected wins."""
    upset = wins * expit(r - r[:, None])
    return float(np.abs(upset.sum(axis=1) - upset.sum(axis=0)).max())


def scores() -> dict[str, Any]:
    """Ours beside choix: largest difference, and time at equal final gradient or a smaller one of ours."""
    rows = []
    for items, pairs in ((10, 2000), (50, 20_000), (200, 200_000)):
        _, wins = compared(items, pairs, seed=0)
        listed = [
            (i, j)
            for i, j in np.argwhere(wins).tolist()
            for _ in range(int(wins[i, j]))
        ]
        peers = {
            "choix.ilsr_pairwise_dense": partial(
                choix.ilsr_pairwise_dense, wins, max_iter=1000, tol=1e-12
            ),
            "choix.ilsr_pairwise": partial(
                choix.ilsr_pairwise, items, listed, max_iter=1000, tol=1e-12
            ),
        }
        if items == 10:
            peers["choix.opt_pairwise"] = partial(
                choix.opt_pairwise, items, listed, tol=1e-12
            )
        ours = bradley_terry(wins)
        for name, peer in peers.items():
            theirs = peer()
            apart = float(np.abs(ours.scores - (theirs - theirs.mean())).max())
            if apart > 1e-7 or not ours.converged:
                raise AssertionError(f"{name} disagrees by {apart}")
            times = interleaved(
                {"ours": partial(bradley_terry, wins), "peer": peer}, REPEATS
            )
            rows.append(
                {
                    "name": f"{items} items, {pairs} comparisons",
                    "peer": name,
                    "ratio": times["peer"]["median"] / times["ours"]["median"],
                    "largest difference": apart,
                    "our gradient": gradient(wins, ours.scores),
                    "their gradient": gradient(wins, theirs),
                    "ms": times,
                }
            )
    return {"rows": rows}


class Peer(RewardNet):
    """Imitation's reward network around a given one."""

    def __init__(self, network: torch.nn.Module, low: float = -10, high: float = 10):
        box = gymnasium.spaces.Box(low, high, (4,))
        super().__init__(box, gymnasium.spaces.Discrete(2), normalize_images=False)
        self.network = network

    def forward(self, state: Any, action: Any, next_state: Any, done: Any) -> Any:
        return self.network(state).squeeze(-1)


def fragments(clips: Any) -> list[Any]:
    """The clips (N, 2, T, 4) as imitation wants them: T steps need T + 1 observations."""
    steps = clips.shape[2]
    acts = np.zeros(steps, dtype=int)
    longer = np.concatenate([clips, clips[:, :, -1:]], axis=2)
    return [
        tuple(Trajectory(obs, acts, None, terminal=False) for obs in pair)
        for pair in longer
    ]


def loss() -> dict[str, Any]:
    """Our preference loss beside imitation's: values, gradients, time, and the gradient when wrongly sure."""
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((256, 2, 25, 4)).astype(np.float32)
    preferred = rng.integers(0, 2, 256)
    # Two layers of 32 units, as imitation's own reward network has by default.
    network = mlp([4, 32, 32, 1], torch.Generator().manual_seed(0))
    pairs, tensor = fragments(clips), torch.as_tensor(clips)
    y = torch.as_tensor(preferred)
    criterion, model = CrossEntropyRewardLoss(), PreferenceModel(Peer(network))

    def ours() -> Any:
        network.zero_grad()
        rewards = network(tensor).squeeze(-1)
        value = preference_loss(rewards[:, 0], rewards[:, 1], y)
        value.backward()
        return value.item(), [p.grad.clone() for p in network.parameters()]

    def peer() -> Any:
        network.zero_grad()
        value = criterion(pairs, preferred, model).loss
        value.backward()
        return value.item(), [p.grad.clone() for p in network.parameters()]

    (a, slopes), (b, others) = ours(), peer()
    apart = max(float((s - o).abs().max()) for s, o in zip(slopes, others, strict=True))
    if abs(a - b) > 1e-5 or apart > 1e-5:
        raise AssertionError(f"imitation disagrees by {abs(a - b)}, {apart}")
    times = interleaved({"ours": ours, "peer": peer}, REPEATS)
    sure = []
    for z in (5.0, 10.0, 15.0, 17.0, 20.0, 40.0):
        row = {"z": z}
        for name in ("ours", "imitation"):
            reward = torch.tensor([[z]], requires_grad=True)
            none = torch.zeros(1, 1)
            if name == "ours":
                value = preference_loss(reward, none, torch.zeros(1))
            else:
                p = model.probability(reward[0], none[0])
                value = torch.nn.functional.binary_cross_entropy(p, torch.zeros(()))
            value.backward()
            row[f"{name}, loss"] = value.item()
            row[f"{name}, gradient"] = reward.grad.item()
        sure.append(row)
    return {
        "pairs": 256,
        "steps": 25,
        "ratio": times["peer"]["median"] / times["ours"]["median"],
        "ms": times,
        "difference of the loss": abs(a - b),
        "difference of the gradient": apart,
        "wrongly sure": sure,
    }


def error() -> dict[str, Any]:
    """How the scores' error shrinks with the number of comparisons: 20 items, 40 seeds."""
    pairs = [1000, 4000, 16_000, 64_000, 256_000]
    errors = []
    for count in pairs:
        of_seeds = []
        for seed in range(40):
            truth, wins = compared(20, count, seed)
            difference = bradley_terry(wins).scores - truth
            of_seeds.append(float(np.sqrt((difference**2).mean())))
        errors.append(of_seeds)
    logs = np.log(np.sqrt((np.array(errors) ** 2).mean(axis=1)))
    slope = float(np.polyfit(np.log(pairs), logs, 1)[0])
    return {"items": 20, "seeds": 40, "pairs": pairs, "rms": errors, "slope": slope}


def coverage() -> dict[str, Any]:
    """How often a 95 % interval holds the true score, if the model is right: 6 items, 4000 experiments."""
    rng = np.random.default_rng(0)
    truth = np.array([-1.0, -0.6, -0.2, 0.2, 0.6, 1.0])
    each = 40
    above = np.triu(np.ones((6, 6), dtype=bool), 1)
    chance = expit(truth[:, None] - truth)
    held = {"Hessian": np.zeros(6), "sandwich": np.zeros(6)}
    experiments = 4000
    for _ in range(experiments):
        upper = np.where(above, rng.binomial(each, chance), 0)
        wins = upper + np.where(above, each - upper, 0).T
        fit = bradley_terry(wins)
        miss = np.abs(fit.scores - truth)
        held["Hessian"] += miss < 1.96 * fit.standard_errors
        held["sandwich"] += miss < 1.96 * fit.robust_errors
    shares = {name: (h / experiments).tolist() for name, h in held.items()}
    return {"experiments": experiments, "comparisons of a pair": each, **shares}


def random_rules(count: int, rng: np.random.Generator) -> Any:
    """Linear rules that balance the pole, each about a place of its own between -2 and 2."""
    weights = np.array([0.05, 0.2, 1, 1]) * rng.uniform(0.5, 1.5, (count, 4))
    place = rng.uniform(-2, 2, count)
    return np.column_stack([weights, weights[:, 0] * place])


def ride(rules: Any, seed: int, steps: int = 200) -> Any:
    """Observations (rules, steps, 4) of CartPole under each rule, of those that never fall."""
    env = gymnasium.make_vec(
        "CartPole-v1", len(rules), vectorization_mode="vector_entry_point"
    )
    state, seen = env.reset(seed=seed)[0], []
    standing = np.ones(len(rules), dtype=bool)
    for _ in range(steps):
        seen.append(state)
        push = (state * rules[:, :4]).sum(axis=1) > rules[:, 4]
        state, _, fallen, _, _ = env.step(push.astype(int))
        standing &= ~fallen
    return np.stack(seen, axis=1)[standing]


def wish(state: Any) -> Any:
    """What the teacher has in mind and never says: the cart should stand at one metre."""
    return -((state[..., 0] - 1) ** 2)


def answers(pairs: int, rng: np.random.Generator, steps: int = 20) -> Any:
    """Pairs of clips of rides, and which one the teacher prefers."""
    rides = ride(random_rules(3 * pairs + 40, rng), int(rng.integers(2**31)))
    start = rng.integers(0, rides.shape[1] - steps, 2 * pairs)
    clips = np.stack([r[s : s + steps] for r, s in zip(rides, start, strict=False)])
    clips = clips.reshape(pairs, 2, steps, 4)
    worth = wish(clips).sum(axis=2)
    second = rng.random(pairs) < expit(worth[:, 1] - worth[:, 0])
    return clips, second.astype(int)


def cart() -> dict[str, Any]:
    """Choose one of 500 rules by a reward learnt from answers; how well does it grant the wish?"""
    counts = [10, 30, 100, 300, 1000]
    rows: dict[str, list[Any]] = {"learnt": [], "dealt out": [], "mean": [], "best": []}
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        rides = ride(random_rules(500, rng), seed)
        granted = wish(rides).mean(axis=1)
        rows["mean"].append(float(granted.mean()))
        rows["best"].append(float(granted.max()))
        of_seed = []
        for count in counts:
            clips, second = answers(count, rng)
            of_seed.append(chosen(rides, granted, clips, second, seed))
        rows["learnt"].append(of_seed)
        # The cause removed: the same clips, the answers dealt out at random.
        dealt = rng.permutation(second)
        rows["dealt out"].append(chosen(rides, granted, clips, dealt, seed))
    return {"seeds": len(SEEDS), "rules": 500, "counts": counts, **rows}


def chosen(rides: Any, granted: Any, clips: Any, second: Any, seed: int) -> float:
    """What the wish says of the rule with the largest learnt reward."""
    network = mlp([4, 64, 64, 1], torch.Generator().manual_seed(seed))
    fit_reward(
        network,
        torch.as_tensor(clips),
        torch.as_tensor(second),
        seed,
        epochs=max(30, 20_000 // len(clips)) if len(clips) > 64 else 300,
    )
    with torch.no_grad():
        learnt = network(torch.as_tensor(rides)).mean(dim=(1, 2)).numpy()
    return float(granted[learnt.argmax()])
