"""Redundancy beside SciPy and 60-digit arithmetic, voting classifiers over twenty seeds, simulated rollback."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegression

from companion.datasets import digits
from companion.robustness.redundancy import (
    checkpoint_interval,
    checkpointed_time,
    k_of_n_reliability,
    mean_time_to_failure,
)
from evidence.record import interleaved

PEERS = ["scikit-learn", "mpmath"]
SEEDS = range(20)
REPEATS = 9


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "elimination": elimination(),
        "speed": speed(),
        "voters": voters(),
        "rollback": rollback(),
    }


def agreement() -> dict[str, Any]:
    """Largest relative difference from SciPy's binomial law, where it is no smaller than 1e-250."""
    worst = 0.0
    r = np.linspace(0.01, 0.99, 99)
    systems = [(1, 1), (2, 3), (8, 12), (500, 1000), (600_000, 1_000_000)]
    for k, n in systems:
        theirs = stats.binom.sf(k - 1, n, r)
        told = theirs > 1e-250
        ours = k_of_n_reliability(r, k, n)
        worst = max(worst, float(np.abs(ours[told] / theirs[told] - 1).max()))
    if worst > 1e-9:
        raise AssertionError(f"the binomial law disagrees: {worst}")
    return {"systems": systems, "values of r": len(r), "largest difference": worst}


def random_chain(seed: int, states: int, orders: float) -> tuple[Any, Any]:
    """A generator whose rates lie up to ten to the `orders` apart; the last state has failed."""
    rng = np.random.default_rng(seed)
    Q = 10.0 ** rng.uniform(-orders / 2, orders / 2, (states, states))
    Q[-1] = 0
    np.fill_diagonal(Q, 0)
    np.fill_diagonal(Q, -Q.sum(axis=1))
    return Q, np.arange(states) == states - 1


def elimination() -> dict[str, Any]:
    """Relative errors of our elimination and of a linear solve on stiff chains, against sixty digits."""
    errors: dict[str, list[float]] = {"elimination": [], "linear solve": []}
    for seed in range(100):
        Q, failed = random_chain(seed, states=8, orders=30)
        with mpmath.workdps(60):
            A = -mpmath.matrix(Q[:-1, :-1].tolist())
            for i in range(7):
                row = [mpmath.mpf(q) for j, q in enumerate(Q[i].tolist()) if j != i]
                A[i, i] = mpmath.fsum(row)
            exact = mpmath.lu_solve(A, mpmath.ones(7, 1))
            for name, times in (
                ("elimination", mean_time_to_failure(Q, failed)[:-1]),
                ("linear solve", np.linalg.solve(-Q[:-1, :-1], np.ones(7))),
            ):
                wrong = [abs(t / e - 1) for t, e in zip(times, exact, strict=True)]
                errors[name].append(float(max(wrong)))
    if max(errors["elimination"]) > 1e-14:
        raise AssertionError(f"elimination lost digits: {max(errors['elimination'])}")
    worst = {name: max(values) for name, values in errors.items()}
    return {
        "chains": 100,
        "states": 8,
        "orders of magnitude": 30,
        "largest error": worst,
    }


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same work."""
    rows = []
    r = np.random.default_rng(0).random(100_000)
    for name, values in (("100 000 values of r", r), ("one value of r", 0.9)):
        work = {
            "ours": lambda v=values: [k_of_n_reliability(v, 8, 12) for _ in range(3)],
            "peer": lambda v=values: [stats.binom.sf(7, 12, v) for _ in range(3)],
        }
        rows.append(ratio(f"8 of 12, {name}", "scipy.stats.binom.sf", work))
    for states in (100, 1000):
        Q, failed = random_chain(0, states, orders=2)
        work = {
            "ours": lambda Q=Q, failed=failed: mean_time_to_failure(Q, failed),
            "peer": lambda Q=Q: np.linalg.solve(-Q[:-1, :-1], np.ones(len(Q) - 1)),
        }
        rows.append(ratio(f"mean life, {states} states", "numpy.linalg.solve", work))
    return rows


def ratio(name: str, peer: str, work: dict[str, Any]) -> dict[str, Any]:
    """One line of the comparison."""
    times = interleaved(work, repeats=REPEATS)
    quotient = times["peer"]["median"] / times["ours"]["median"]
    return {"name": name, "peer": peer, "ratio": quotient, "ms": times}


def voters() -> dict[str, Any]:
    """Three logistic regressions on disjoint thirds of the digits: how often are two of three wrong?"""
    data = digits()
    rows: dict[str, list[float]] = {
        name: [] for name in ("alone", "independent", "two wrong", "shuffled")
    }
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        thirds = np.array_split(rng.permutation(len(data.y_train)), 3)
        wrong = np.array(
            [
                LogisticRegression(max_iter=1000)
                .fit(data.X_train[part], data.y_train[part])
                .predict(data.X_test)
                != data.y_test
                for part in thirds
            ]
        )  # (3, 450)
        p = wrong.mean(axis=1)
        pairs = p[0] * p[1] + p[0] * p[2] + p[1] * p[2] - 2 * p.prod()
        shuffled = [
            (rng.permuted(wrong, axis=1).sum(axis=0) >= 2).mean() for _ in range(1000)
        ]
        rows["alone"].append(float(p.mean()))
        rows["independent"].append(float(pairs))
        rows["two wrong"].append(float((wrong.sum(axis=0) >= 2).mean()))
        rows["shuffled"].append(float(np.mean(shuffled)))
    return {"seeds": len(SEEDS), "test images": len(data.y_test), **rows}


def rollback() -> dict[str, Any]:
    """A long computation that fails, rolls back and goes on, simulated, beside the formula."""
    cost, mtbf, restart, segments = 1.0, 54 * 24 * 60 / 419, 5.0, 4000
    interval = checkpoint_interval(cost, mtbf)
    formula = float(checkpointed_time(interval, cost, mtbf, restart))
    simulated = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        spent, needed = 0.0, np.full(segments, interval + cost)
        while needed.size:
            failure = rng.exponential(mtbf, needed.size)
            spent += float(np.minimum(failure, needed).sum())
            needed = np.full((failure < needed).sum(), restart + interval + cost)
        simulated.append(spent / (segments * interval))
    if abs(np.mean(simulated) - formula) > 5 * np.std(simulated) / np.sqrt(len(SEEDS)):
        raise AssertionError(f"simulation {np.mean(simulated)}, formula {formula}")
    return {"seeds": len(SEEDS), "formula": formula, "simulated": simulated}
