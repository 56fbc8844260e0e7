"""Robust programs beside cvxpy, plans under drawn numbers, robust least squares beside tuned ridge regression."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from companion.safety.robust_optimization import (
    robust_least_squares,
    robust_linear_program,
    worst_perturbation,
)
from evidence.record import interleaved

PEERS = ["cvxpy", "scikit-learn"]
SEEDS = range(20)
DRAWS = 100_000
REPEATS = 9
STOCKS = 150


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "portfolio": portfolio(),
        "regression": regression(),
        "speed": speed(),
    }


def program(seed: int, m: int, n: int) -> dict[str, Any]:
    """A program with variables of both signs, feasible at zero and bounded by its last rows."""
    rng = np.random.default_rng(seed)
    A = np.vstack([rng.normal(size=(m, n)), np.eye(n), -np.eye(n)])
    D = np.vstack([np.abs(rng.normal(size=(m, n))) / 5, np.zeros((2 * n, n))])
    return {
        "c": rng.normal(size=n),
        "A": A,
        "b": np.concatenate([rng.random(m), np.full(2 * n, 10.0)]),
        "deviation": D,
        "budget": rng.uniform(0, n, len(A)),
        "nonnegative": rng.random(n) < 0.5,
    }


def cvxpy_program(case: dict[str, Any]) -> float:
    """The same program written with cvxpy's own norms: the budget as a sum of largest and its fraction."""
    A, D, gamma = case["A"], case["deviation"], case["budget"]
    x = cp.Variable(A.shape[1])
    rows = [x[np.flatnonzero(case["nonnegative"])] >= 0]
    for a, d, b, g in zip(A, D, case["b"], gamma, strict=True):
        size, whole = cp.multiply(d, cp.abs(x)), int(g)
        worst = cp.sum_largest(size, whole) * (1 - g + whole) if whole else 0
        if whole < len(a):
            worst += cp.sum_largest(size, whole + 1) * (g - whole)
        rows.append(a @ x + (worst if d.any() else 0) <= b)
    problem = cp.Problem(cp.Minimize(case["c"] @ x), rows)
    problem.solve(solver=cp.CLARABEL)
    return float(problem.value)


def cvxpy_least_squares(X: Any, y: Any, radius: float) -> float:
    """The sum of two norms, as a cone program."""
    w = cp.Variable(X.shape[1])
    problem = cp.Problem(cp.Minimize(cp.norm(X @ w - y) + radius * cp.norm(w)))
    problem.solve(solver=cp.CLARABEL)
    return float(problem.value)


def agreement() -> dict[str, Any]:
    """Largest relative difference of the optimal values from cvxpy's."""
    worst = {"linear program": 0.0, "least squares": 0.0}
    for seed in SEEDS:
        case = program(seed, 8, 6)
        ours, theirs = robust_linear_program(**case).value, cvxpy_program(case)
        error = abs(ours - theirs) / max(1.0, abs(theirs))
        worst["linear program"] = max(worst["linear program"], error)
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(30, 5 + 2 * seed)), rng.normal(size=30)
        radius = float(rng.uniform(0, 4))
        ours = robust_least_squares(X, y, radius).value
        theirs = cvxpy_least_squares(X, y, radius)
        error = abs(ours - theirs) / max(1.0, abs(theirs))
        worst["least squares"] = max(worst["least squares"], error)
    if max(worst.values()) > 1e-6:
        raise AssertionError(f"cvxpy disagrees: {worst}")
    return {"programs": len(SEEDS), "largest difference": worst}


def stocks() -> tuple[Any, Any]:
    """Mean return and half the range of each of the 150 stocks of Bertsimas and Sim (2004)."""
    i = np.arange(1, STOCKS + 1)
    return 1.15 + i * 0.05 / STOCKS, 0.05 / 450 * np.sqrt(2 * i * STOCKS * (STOCKS + 1))


def invest(mean: Any, spread: Any, budget: float | None) -> tuple[Any, float]:
    """Weights with the best guaranteed return, and that return."""
    n = len(mean)
    plan = robust_linear_program(
        np.append(np.zeros(n), -1.0),
        np.vstack([np.append(-mean, 1.0), np.append(np.ones(n), 0.0)]),
        [0.0, 1.0],
        np.vstack([np.append(spread, 0.0), np.zeros(n + 1)]),
        budget=None if budget is None else [budget, 0.0],
        nonnegative=np.arange(n + 1) < n,
    )
    return plan.x[:n], -plan.value


def portfolio() -> dict[str, Any]:
    """How often a guaranteed return is missed, for a budget and for a smaller box missed as often."""
    mean, spread = stocks()
    rows = []
    for gamma in (1.0, 2.0, 5.0, 10.0, 15.0, 20.0):
        x, promised = invest(mean, spread, gamma)
        missed: dict[str, list[float]] = {"independent": [], "together": []}
        evenly: list[float] = []
        for seed in SEEDS[:5]:
            rng = np.random.default_rng(seed)
            short, common, even = 0.0, 0.0, []
            for _ in range(10):
                z = rng.uniform(-1, 1, (DRAWS // 10, STOCKS))
                returns = mean + spread * z
                short += float((returns @ x < promised - 1e-12).mean()) / 10
                same = (mean + spread * z[:, :1]) @ x
                common += float((same < promised - 1e-12).mean()) / 10
                even.append(returns.mean(axis=1))
            missed["independent"].append(short)
            missed["together"].append(common)
            evenly.append(float(np.quantile(np.concatenate(even), short)))
        # A box of width theta puts everything into one stock, and that one is
        # below its lower end with probability (1 - theta) / 2.
        theta = 1 - 2 * float(np.mean(missed["independent"]))
        box, box_promised = invest(mean, theta * spread, None)
        rows.append(
            {
                "budget": gamma,
                "promised": promised,
                "mean": float(mean @ x),
                "missed": missed,
                "even split": evenly,
                "bound": float(np.exp(-(gamma**2) / (2 * STOCKS))),
                "box": box_promised,
                "box, mean": float(mean @ box),
                "box, stocks": int((box > 1e-9).sum()),
            }
        )
    whole, nothing = invest(mean, spread, None), invest(mean, spread, 0.0)
    return {
        "draws": DRAWS,
        "rows": rows,
        "whole box": whole[1],
        "nominal": nothing[1],
        "seeds": 5,
    }


def regression() -> dict[str, Any]:
    """Diabetes: error on held-out patients, and residuals under random and worst changes of the data."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    radii, penalties = np.linspace(0, 6, 13), np.geomspace(0.1, 1000, 13)
    rows: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(float(value))

    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(y))
        train, test = order[:40], order[40:]
        mean, sd = X[train].mean(axis=0), X[train].std(axis=0)
        A, B = (X[train] - mean) / sd, (X[test] - mean) / sd
        middle, scale = y[train].mean(), y[train].std()
        u, v = (y[train] - middle) / scale, (y[test] - middle) / scale
        scores = np.zeros(len(radii))
        folds = list(KFold(5, shuffle=True, random_state=seed).split(A))
        for inner, outer in folds:
            for k, radius in enumerate(radii):
                w = robust_least_squares(A[inner], u[inner], radius).w
                scores[k] += float(((A[outer] @ w - u[outer]) ** 2).sum())
        ridge = RidgeCV(penalties, fit_intercept=False, cv=folds).fit(A, u)
        fits = {
            "least squares": robust_least_squares(A, u, 0.0).w,
            "radius 2": robust_least_squares(A, u, 2.0).w,
            "radius by cross-validation": robust_least_squares(
                A, u, radii[scores.argmin()]
            ).w,
            "ridge by cross-validation": ridge.coef_,
        }
        noise = rng.normal(size=(200, *A.shape))
        noise *= 2 / np.linalg.norm(noise, axis=(1, 2), keepdims=True)
        for name, w in fits.items():
            note(f"{name}: test", ((B @ w - v) ** 2).mean())
            worst = worst_perturbation(w, A, u, 2.0)
            note(f"{name}: worst", np.linalg.norm((A + worst) @ w - u))
            note(
                f"{name}: random",
                np.linalg.norm((A + noise) @ w - u, axis=1).mean(),
            )
            note(f"{name}: unchanged", np.linalg.norm(A @ w - u))
    return {"splits": len(SEEDS), "train": 40, "radius": 2.0, **rows}


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours: to build and solve one program."""
    rows = []
    for m, n in ((8, 6), (40, 30)):
        case = program(0, m, n)
        rows.append(
            ratio(
                f"budgeted program, {m} uncertain rows, {n} variables",
                "cvxpy (Clarabel)",
                {
                    "ours": lambda case=case: robust_linear_program(**case),
                    "peer": lambda case=case: cvxpy_program(case),
                },
                repeats=5,
            )
        )
    rng = np.random.default_rng(0)
    for n, d in ((40, 10), (400, 100)):
        X, y = rng.normal(size=(n, d)), rng.normal(size=n)
        rows.append(
            ratio(
                f"robust least squares, {n} x {d}",
                "cvxpy (Clarabel)",
                {
                    "ours": lambda X=X, y=y: robust_least_squares(X, y, 2.0),
                    "peer": lambda X=X, y=y: cvxpy_least_squares(X, y, 2.0),
                },
            )
        )
        penalties = np.geomspace(0.1, 1000, 13)
        ridge = RidgeCV(penalties, fit_intercept=False)
        rows.append(
            ratio(
                f"robust least squares, {n} x {d}, beside tuned ridge",
                "scikit-learn RidgeCV",
                {
                    "ours": lambda X=X, y=y: robust_least_squares(X, y, 2.0),
                    "peer": lambda X=X, y=y, ridge=ridge: ridge.fit(X, y),
                },
            )
        )
    return rows


def ratio(
    name: str, peer: str, work: dict[str, Any], repeats: int = REPEATS
) -> dict[str, Any]:
    """One line of the comparison."""
    times = interleaved(work, repeats=repeats)
    quotient = times["peer"]["median"] / times["ours"]["median"]
    return {"name": name, "peer": peer, "ratio": quotient, "ms": times}
