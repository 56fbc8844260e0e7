"""Worst-case weights beside cvxpy and SciPy, and how often the worst case covers a truth in and out of its set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from companion.safety.distributionally_robust_optimization import (
    chi2_weights,
    cvar_weights,
    kl_weights,
    wasserstein_logistic,
)
from evidence.record import interleaved

PEERS = ["cvxpy", "clarabel", "scikit-learn"]
SEEDS = range(5)
REPEATS = 9
OURS = {"CVaR": cvar_weights, "chi-squared": chi2_weights, "KL": kl_weights}
# Levels and radii: small, moderate, and beyond the corner of 20 losses.
SETTINGS = {
    "CVaR": (0.1, 0.5, 0.9, 0.99),
    "chi-squared": (0.01, 0.5, 3.0, 30.0),
    "KL": (0.01, 0.5, 2.0, 4.0),
}


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "speed": speed(),
        "coverage": coverage(),
    }


def generic(kind: str, n: int, setting: float) -> Callable[[Any], tuple[float, Any]]:
    """The same maximum by cvxpy, compiled once; called with losses it solves with them."""
    q, losses = cp.Variable(n, nonneg=True), cp.Parameter(n)
    limits = {
        "CVaR": lambda: q <= 1 / (n * (1 - setting)),
        "chi-squared": lambda: cp.norm(n * q - 1) <= np.sqrt(n * setting),
        "KL": lambda: -cp.sum(cp.entr(q)) + np.log(n) <= setting,
    }
    problem = cp.Problem(cp.Maximize(losses @ q), [cp.sum(q) == 1, limits[kind]()])

    def solve(values: Any) -> tuple[float, Any]:
        losses.value = values
        problem.solve(solver="CLARABEL")
        return float(problem.value), q.value

    return solve


def agreement() -> dict[str, Any]:
    """Largest difference of the values, and of the weights, from cvxpy's."""
    rows = []
    for kind, ours in OURS.items():
        values, weights = 0.0, 0.0
        for setting in SETTINGS[kind]:
            solve = generic(kind, 20, setting)
            for seed in range(20):
                rng = np.random.default_rng(seed)
                losses = rng.exponential(size=20)
                if seed % 4 == 3:  # several at the maximum
                    losses = np.minimum(losses, 1.0)
                theirs, q = solve(losses)
                mine = ours(losses, setting)
                values = max(values, abs(theirs - mine.value))
                # With ties the worst weights are not the only ones.
                if seed % 4 != 3:
                    weights = max(weights, float(np.abs(q - mine.weights).max()))
        if values > 1e-6:
            raise AssertionError(f"{kind} disagrees with cvxpy: {values}")
        rows.append({"set": kind, "samples": 80, "value": values, "weights": weights})
    X, y = cancer()
    values = 0.0
    for radius in (0.01, 0.1, 0.5):
        values = max(values, abs(logistic(X, y)(radius) - robust_value(X, y, radius)))
    if values > 1e-6:
        raise AssertionError(f"the robust regression disagrees with cvxpy: {values}")
    rows.append({"set": "Wasserstein, logistic", "samples": 3, "value": values})
    return {"rows": rows}


def cancer() -> tuple[Any, Any]:
    """scikit-learn's breast cancer data, standardised."""
    data = load_breast_cancer()
    X = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    return X, data.target


def robust_value(X: Any, y: Any, radius: float) -> float:
    """Our least worst loss."""
    return wasserstein_logistic(X, y, radius).value


def logistic(X: Any, y: Any) -> Callable[[float], float]:
    """The same minimum by cvxpy, compiled once."""
    w, b, radius = cp.Variable(X.shape[1]), cp.Variable(), cp.Parameter(nonneg=True)
    margins = cp.multiply(2 * y - 1, X @ w + b)
    loss = cp.sum(cp.logistic(-margins)) / len(y) + radius * cp.norm(w)
    problem = cp.Problem(cp.Minimize(loss))

    def solve(value: float) -> float:
        radius.value = value
        problem.solve(solver="CLARABEL")
        return float(problem.value)

    return solve


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same work; cvxpy's programs are compiled before."""
    rows = []
    for n in (20, 1000):
        losses = np.random.default_rng(0).exponential(size=n)
        for kind, setting in (("CVaR", 0.9), ("chi-squared", 0.5), ("KL", 0.5)):
            solve = generic(kind, n, setting)
            work = {
                "ours": lambda f=OURS[kind], x=losses, s=setting: f(x, s),
                "peer": lambda solve=solve, x=losses: solve(x),
            }
            rows.append(ratio(f"{kind}, {n} losses", "cvxpy, Clarabel", work))
        cap = 1 / (n * 0.1)
        work = {
            "ours": lambda x=losses: cvar_weights(x, 0.9),
            "peer": lambda x=losses, n=n, cap=cap: linprog(
                -x, A_eq=np.ones((1, n)), b_eq=[1], bounds=(0, cap), method="highs"
            ),
        }
        rows.append(ratio(f"CVaR, {n} losses", "scipy.optimize.linprog, HiGHS", work))
    X, y = cancer()
    solve = logistic(X, y)
    work = {
        "ours": lambda: robust_value(X, y, 0.1),
        "peer": lambda: solve(0.1),
        "ridge": lambda: LogisticRegression(max_iter=1000).fit(X, y),
    }
    times = interleaved(work, repeats=REPEATS)
    for name, peer in (("peer", "cvxpy, Clarabel"), ("ridge", "scikit-learn, ridge")):
        quotient = times[name]["median"] / times["ours"]["median"]
        row = {"name": "robust logistic, breast cancer", "peer": peer}
        rows.append({**row, "ratio": quotient, "ms": times})
    return rows


def ratio(name: str, peer: str, work: dict[str, Any]) -> dict[str, Any]:
    """One line of the comparison."""
    times = interleaved(work, repeats=REPEATS)
    quotient = times["peer"]["median"] / times["ours"]["median"]
    return {"name": name, "peer": peer, "ratio": quotient, "ms": times}


def coverage() -> dict[str, Any]:
    """How often the worst case of 100 losses is at least the mean of the law that they came from, and of another.

    The law is the 450 losses on held-out digits, the other law the losses on the same images inverted.
    """
    images, labels = load_digits(return_X_y=True)
    images, n, z = images / 16.0, 100, 1.645  # the normal law's 95 % point
    rows: dict[str, list[float]] = {
        name: []
        for name in ("mean", "chi-squared", "KL", "normal", "inverted", "mean inverted")
    }
    for seed in SEEDS:
        X, held, y, labels_held = train_test_split(
            images, labels, test_size=450, stratify=labels, random_state=seed
        )
        model = LogisticRegression(max_iter=1000).fit(X, y)
        law, other = (
            -model.predict_log_proba(x)[np.arange(450), labels_held]
            for x in (held, 1 - held)
        )
        rng = np.random.default_rng(seed)
        hits = np.zeros(5)
        for _ in range(2000):
            drawn = rng.choice(law, n)
            worst = chi2_weights(drawn, z**2 / n).value
            values = [
                drawn.mean(),
                worst,
                kl_weights(drawn, z**2 / n / 2).value,
                drawn.mean() + z * drawn.std(ddof=1) / np.sqrt(n),
            ]
            hits[:4] += np.array(values) >= law.mean()
            hits[4] += drawn.max() >= other.mean()
        for name, hit in zip(rows, hits, strict=False):
            rows[name].append(float(hit / 2000))
        rows["mean inverted"].append(float(other.mean()))
    return {"seeds": len(SEEDS), "samples": 2000, "losses in a sample": n, **rows}
