"""EPIC beside sampling and SciPy, the digits of its two forms, how near is near, and its speed."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from companion.mdp import MDP, action_values, policy_iteration, policy_value
from companion.value_alignment.reward_equivalence import canonical_reward, epic_distance
from evidence.record import interleaved

PEERS = ["scipy"]
DISCOUNT = 0.9
WORLDS = 200


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "sampling": sampling(),
        "digits": digits(),
        "noise": noise(),
        "impossible": impossible(),
        "speed": speed(),
    }


def plain_canonical(R: np.ndarray) -> np.ndarray:
    """The definition, term by term, each as a table of its own."""
    S, A, _ = R.shape
    mu, nu = np.full(S, 1 / S), np.full(A, 1 / A)
    after = np.einsum("tbv,b,v->t", R, nu, mu)
    before = np.einsum("sbv,b,v->s", R, nu, mu)
    anywhere = np.einsum("ubv,u,b,v->", R, mu, nu, mu)
    return (
        R
        + DISCOUNT * after[None, None, :]
        - before[:, None, None]
        - DISCOUNT * anywhere
    )


def agreement() -> dict[str, Any]:
    """Pearson's distance by SciPy, of canonical rewards by the definition."""
    worst = 0.0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        R, other = rng.standard_normal((2, 6, 3, 6))
        x, y = plain_canonical(R).ravel(), plain_canonical(other).ravel()
        theirs = np.sqrt((1 - stats.pearsonr(x, y).statistic) / 2)
        worst = max(worst, abs(epic_distance(R, other, DISCOUNT) - theirs))
    if worst > 1e-12:
        raise AssertionError(f"SciPy finds another distance: {worst}")
    return {"pairs": 100, "states": 6, "actions": 3, "largest difference": worst}


def sampling() -> dict[str, Any]:
    """The distance estimated as one must where no table exists: from sampled transitions."""
    rng = np.random.default_rng(0)
    R, other = rng.standard_normal((2, 6, 3, 6))
    exact = epic_distance(R, other, DISCOUNT)
    rows = []
    for count in (30, 300, 3000):
        found = []
        for seed in range(50):
            rng = np.random.default_rng(seed)
            s, t, u, v = rng.integers(6, size=(4, count))
            a, b = rng.integers(3, size=(2, count))
            x, y = (sampled(r, (s, a, t), (u, b, v)) for r in (R, other))
            rho = stats.pearsonr(x, y).statistic
            found.append(float(np.sqrt((1 - rho) / 2)))
        rows.append(
            {
                "samples": count,
                "mean": float(np.mean(found)),
                "sd": float(np.std(found)),
            }
        )
    if abs(rows[-1]["mean"] - exact) > 0.01:
        raise AssertionError(f"sampling finds {rows[-1]['mean']}, not {exact}")
    return {"exact": exact, "seeds": 50, "estimates": rows}


def sampled(R: np.ndarray, transition: Any, draws: Any) -> np.ndarray:
    """Canonical rewards of some transitions, each expectation a mean over the same draws."""
    (s, a, t), (u, b, v) = transition, draws
    step = R[:, b, v].mean(axis=1)  # what a step from each state pays
    return R[s, a, t] + DISCOUNT * step[t] - step[s] - DISCOUNT * R[u, b, v].mean()


def digits() -> dict[str, Any]:
    """The distance of a reward and its shaped, scaled self, in both forms; the truth is 0."""
    found: dict[str, list[float]] = {"difference": [], "correlation": []}
    for seed in range(WORLDS):
        rng = np.random.default_rng(seed)
        R, phi = rng.standard_normal((8, 3, 8)), rng.standard_normal(8)
        same = 3.7 * R + DISCOUNT * phi - phi[:, None, None] + 1
        found["difference"].append(epic_distance(R, same, DISCOUNT))
        x, y = (canonical_reward(r, DISCOUNT).ravel() for r in (R, same))
        rho = float(np.corrcoef(x, y)[0, 1])
        found["correlation"].append(float(np.sqrt(max(0.0, 1 - rho) / 2)))
    worst = {name: max(values) for name, values in found.items()}
    if max(worst.values()) > 1e-7:
        raise AssertionError(f"equal rewards lie apart: {worst}")
    return {"pairs": WORLDS, "largest distance": worst}


def world(seed: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Eight states, three actions, each leading to two states; normal rewards of all transitions."""
    rng = np.random.default_rng(seed)
    P = np.zeros((8, 3, 8))
    for s in range(8):
        for a in range(3):
            P[s, a, rng.choice(8, 2, replace=False)] = rng.dirichlet(np.ones(2))
    return P, rng.standard_normal((8, 3, 8)), rng


def process(P: np.ndarray, R: np.ndarray) -> MDP:
    return MDP(P, (P * R).sum(axis=2), DISCOUNT)


def regret(P: np.ndarray, R: np.ndarray, other: np.ndarray) -> tuple[bool, float]:
    """Whether the optimum changes, and what it loses of what there is to lose."""
    mdp = process(P, R)
    best, policy = policy_iteration(mdp), policy_iteration(process(P, other)).policy
    worst = -policy_iteration(process(P, -R)).value
    lost = (best.value - policy_value(mdp, policy)).mean()
    return bool((best.policy != policy).any()), float(
        lost / (best.value - worst).mean()
    )


def noise() -> list[dict[str, Any]]:
    """Rewards with noise: the distance, how often the optimum changes, what it costs."""
    rows = []
    for sd in (0.01, 0.03, 0.1, 0.3, 1.0):
        distance, changed, lost = [], 0, []
        for seed in range(WORLDS):
            P, R, rng = world(seed)
            noisy = R + sd * rng.standard_normal(R.shape)
            distance.append(epic_distance(R, noisy, DISCOUNT))
            other, share = regret(P, R, noisy)
            changed += other
            lost.append(share)
        rows.append(
            {
                "sd": sd,
                "distance": float(np.mean(distance)),
                "changed": changed,
                "worst loss": max(lost),
            }
        )
    return rows


def advantage_distance(P: np.ndarray, R: np.ndarray, other: np.ndarray) -> float:
    """The same distance of what each action is worth more than the average one."""
    found = []
    for x in (R, other):
        mdp = process(P, x)
        v = policy_value(mdp, np.full((8, 3), 1 / 3))
        z = action_values(mdp, v) - v[:, None]
        found.append((z - z.mean()) / z.std())
    return float(np.sqrt(((found[0] - found[1]) ** 2).mean()) / 2)


def impossible() -> dict[str, Any]:
    """Rewards that differ on impossible transitions only, by three distances."""
    found: dict[str, list[float]] = {
        "uniform": [],
        "possible only": [],
        "advantage": [],
    }
    changed = 0
    for seed in range(WORLDS):
        P, R, rng = world(seed)
        other = np.where(P > 0, R, rng.standard_normal(R.shape))
        found["uniform"].append(epic_distance(R, other, DISCOUNT))
        found["possible only"].append(
            epic_distance(R, other, DISCOUNT, coverage=(P > 0) / (P > 0).sum())
        )
        found["advantage"].append(advantage_distance(P, R, other))
        changed += regret(P, R, other)[0]
    rows = {
        name: {"least": min(v), "mean": float(np.mean(v)), "most": max(v)}
        for name, v in found.items()
    }
    return {"worlds": WORLDS, "optimum changed": changed, "distance": rows}


def plain_distance(R: np.ndarray, other: np.ndarray) -> float:
    """EPIC as one writes it down: the definition's tables, and NumPy's correlation."""
    x, y = plain_canonical(R).ravel(), plain_canonical(other).ravel()
    return float(np.sqrt((1 - np.corrcoef(x, y)[0, 1]) / 2))


def speed() -> list[dict[str, Any]]:
    """Plain NumPy's time over ours on the same tables."""
    rows = []
    for states, actions in ((8, 3), (64, 4), (300, 4)):
        rng = np.random.default_rng(0)
        R, other = rng.standard_normal((2, states, actions, states))
        if abs(epic_distance(R, other, DISCOUNT) - plain_distance(R, other)) > 1e-10:
            raise AssertionError("plain NumPy finds another distance")
        work = {
            "ours": lambda R=R, other=other: epic_distance(R, other, DISCOUNT),
            "peer": lambda R=R, other=other: plain_distance(R, other),
        }
        times = interleaved(work, repeats=15)
        ratio = times["peer"]["median"] / times["ours"]["median"]
        rows.append(
            {"name": f"{states} states, {actions} actions", "ratio": ratio, "ms": times}
        )
    return rows
