"""Counterfactuals beside solvers and obvious baselines, over networks, starts and norms, with failures counted."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import linprog, minimize

from companion.datasets import breast_cancer
from companion.explainability.counterfactual_explanations import (
    along_line,
    class_margin,
    closest_counterfactual_linear,
    counterfactual,
)
from companion.networks import mlp
from companion.scores import score_gradients
from companion.training import train_classifier
from evidence.record import interleaved

PEERS = ["scikit-learn"]
REPEATS = 9
SEEDS = range(5)
RESTARTS = 20
DATA = breast_cancer()
X_TRAIN = torch.from_numpy(DATA.X_train)
X_TEST = torch.from_numpy(DATA.X_test)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "speed": speed(),
        "search": search(),
        "one feature": one_feature(),
        "near the data": near_the_data(),
        "solver": solver(),
    }


def random_linear(seed: int) -> tuple[Any, float, Any, Any]:
    """Weights, bias, input and scales in 30 dimensions."""
    rng = np.random.default_rng(seed)
    w, x = rng.standard_normal((2, 30))
    return w, float(rng.standard_normal()), x, rng.uniform(0.2, 3, 30)


def program(w: Any, gap: float, s: Any, norm: float) -> float:
    """The distance by linear programming: u+ and u-, and their bound for the maximum norm."""
    d, v = len(w), w * s
    if norm == 1:
        return float(linprog(np.ones(2 * d), A_eq=[[*v, *-v]], b_eq=[gap]).fun)
    above = np.hstack([np.eye(d), -np.eye(d), -np.ones((d, 1))])
    below = np.hstack([-np.eye(d), np.eye(d), -np.ones((d, 1))])
    answer = linprog(
        [*np.zeros(2 * d), 1.0],
        A_ub=np.vstack([above, below]),
        b_ub=np.zeros(2 * d),
        A_eq=[[*v, *-v, 0.0]],
        b_eq=[gap],
    )
    return float(answer.fun)


def agreement() -> dict[str, Any]:
    """Largest relative difference of the closed forms from SciPy's solvers on random linear models."""
    worst = {"1": 0.0, "2": 0.0, "inf": 0.0}
    for seed in range(20):
        w, b, x, s = random_linear(seed)
        for norm in (1, 2, np.inf):
            ours = closest_counterfactual_linear(w, b, x, norm=norm, scale=s).distance
            if norm == 2:
                plane = {"type": "eq", "fun": lambda u: w @ (x + s * u) + b}
                answer = minimize(
                    lambda u: u @ u,
                    np.zeros(30),
                    jac=lambda u: 2 * u,
                    constraints=[plane],
                    method="SLSQP",
                    options={"ftol": 1e-14},
                )
                theirs = float(np.sqrt(answer.fun))
            else:
                theirs = program(w, -(w @ x + b), s, norm)
            name = f"{norm:g}"
            worst[name] = max(worst[name], abs(theirs / ours - 1))
    if max(worst.values()) > 1e-6:
        raise AssertionError(f"the solvers disagree: {worst}")
    return {"models": 20, "features": 30, "largest relative difference": worst}


@functools.cache
def network(seed: int) -> Any:
    """A network that judges tumours, trained from this seed."""
    model = mlp([30, 32, 32, 2], torch.Generator().manual_seed(seed))
    y = torch.from_numpy(DATA.y_train)
    return train_classifier(model, X_TRAIN.float(), y, seed, epochs=100).double()


def starts(seed: int, k: int) -> tuple[Any, Any, Any]:
    """The margin of class k, the test rows given to the other class, the training rows given to k."""
    model = network(seed)
    with torch.no_grad():
        named, trained = model(X_TEST).argmax(1), model(X_TRAIN).argmax(1)
    return class_margin(model, k), X_TEST[named != k], X_TRAIN[trained == k]


def slsqp(f: Any, x: Any) -> tuple[float, bool]:
    """SciPy's sequential quadratic programming from x; whether its answer is valid, to 1e-6."""

    def ask(u: Any) -> float:
        return float(f(torch.from_numpy(u[None]))[0].detach())

    def slope(u: Any) -> Any:
        return score_gradients(f, torch.from_numpy(u[None])).numpy()[0]

    answer = minimize(
        lambda u: (u - x) @ (u - x),
        x.copy(),
        jac=lambda u: 2 * (u - x),
        constraints=[{"type": "ineq", "fun": ask, "jac": slope}],
        method="SLSQP",
        options={"maxiter": 200},
    )
    return float(np.linalg.norm(answer.x - x)), ask(answer.x) >= -1e-6


def speed() -> list[dict[str, Any]]:
    """Time of a solver over ours on the same work."""
    w, b, x, s = random_linear(0)
    f, rows, _ = starts(0, 1)
    few = rows[:5]
    jobs: list[tuple[str, str, dict[str, Callable[[], object]]]] = [
        (
            "linear, 1-norm, 30 features",
            "scipy.optimize.linprog",
            {
                "ours": lambda: closest_counterfactual_linear(w, b, x, norm=1, scale=s),
                "peer": lambda: program(w, -(w @ x + b), s, 1),
            },
        ),
        (
            "network, 5 rows",
            "scipy.optimize.minimize, SLSQP, row by row",
            {
                "ours": lambda: counterfactual(f, few),
                "peer": lambda: [slsqp(f, row.numpy()) for row in few],
            },
        ),
        (
            "network, 1 row",
            "scipy.optimize.minimize, SLSQP",
            {
                "ours": lambda: counterfactual(f, few[:1]),
                "peer": lambda: slsqp(f, few[0].numpy()),
            },
        ),
    ]
    rows_ = []
    for name, peer, work in jobs:
        times = interleaved(work, REPEATS)
        quotient = times["peer"]["median"] / times["ours"]["median"]
        rows_.append({"name": name, "peer": peer, "ratio": quotient, "ms": times})
    return rows_


def search() -> list[dict[str, Any]]:
    """Failures and mean distance over all test rows of five networks, both directions, for every way and norm."""
    rows = []
    for norm in (1, 2, np.inf):
        kinds: dict[str, list[Any]] = {}
        for seed, k in itertools.product(SEEDS, (0, 1)):
            f, x, there = starts(seed, k)
            nearest = there[torch.cdist(x, there, p=norm).argmin(dim=1)]
            line = along_line(f, x, nearest)
            g = torch.Generator().manual_seed(seed)
            found = {
                "nearest training row": (nearest, torch.ones(len(x), dtype=torch.bool)),
                "straight line to it": (line.x, line.valid),
            }
            for name, restarts in (("search", 0), ("search, 20 restarts", RESTARTS)):
                c = counterfactual(f, x, norm=norm, restarts=restarts, generator=g)
                found[name] = (c.x, c.valid)
            for name, (moved, valid) in found.items():
                far = torch.linalg.vector_norm(moved - x, norm, dim=1)
                kinds.setdefault(name, []).append((far, valid))
        for name, parts in kinds.items():
            far = torch.cat([p[0] for p in parts])
            valid = torch.cat([p[1] for p in parts])
            by_network = [
                float(torch.cat([q[0][q[1]] for q in parts[2 * i : 2 * i + 2]]).mean())
                for i in range(len(SEEDS))
            ]
            rows.append(
                {
                    "norm": f"{norm:g}",
                    "way": name,
                    "starts": len(far),
                    "failures": int((~valid).sum()),
                    "distance": float(far[valid].mean()),
                    "by network": by_network,
                }
            )
    return rows


def one_feature() -> dict[str, Any]:
    """The obvious rival in the 1-norm: change one feature only, every feature, in steps of a tenth up to 15."""
    ours, theirs, failures, missed, count, changed = [], [], 0, 0, 0, []
    grid = torch.linspace(-15, 15, 301, dtype=torch.float64)
    for seed, k in itertools.product(SEEDS, (0, 1)):
        f, x, _ = starts(seed, k)
        x = x[:20]
        z = x[:, None, None, :].repeat(1, 30, len(grid), 1)
        for j in range(30):
            z[:, j, :, j] += grid
        with torch.no_grad():
            valid = (f(z.view(-1, 30)) >= 0).view(len(x), 30, -1)
        best = torch.where(valid, grid.abs(), torch.inf).amin(dim=(1, 2))
        g = torch.Generator().manual_seed(seed)
        found = counterfactual(f, x, norm=1, restarts=RESTARTS, generator=g)
        reached = best.isfinite() & found.valid
        failures += int((~best.isfinite()).sum())
        missed += int((~found.valid).sum())
        count += len(x)
        ours += found.distance[reached].tolist()
        theirs += best[reached].tolist()
        moved = ((found.x - x).abs() > 1e-9).sum(dim=1)[found.valid]
        changed += moved.tolist()
    return {
        "starts": count,
        "failures of one feature": failures,
        "failures of the search": missed,
        "one feature": float(np.mean(theirs)),
        "search, 20 restarts": float(np.mean(ours)),
        "features changed by the search": float(np.mean(changed)),
        "questions for each row": 30 * len(grid),
    }


def near_the_data() -> dict[str, Any]:
    """Distance to the nearest training row of the wanted class: counterfactuals beside real rows of that class.

    A counterfactual stands on the boundary, so the ten real rows with the smallest margins stand beside it, too.
    """
    names = ("counterfactuals", "real rows", "borderline rows", "line", "starts")
    kinds: dict[str, list[float]] = {name: [] for name in names}
    for seed, k in itertools.product(SEEDS, (0, 1)):
        f, x, there = starts(seed, k)
        found = counterfactual(f, x)
        margin = f(X_TEST).detach()
        real = X_TEST[margin >= 0]
        narrow = real[margin[margin >= 0].argsort()[:10]]
        nearest = there[torch.cdist(x, there).argmin(dim=1)]
        for name, points in (
            ("counterfactuals", found.x[found.valid]),
            ("line", along_line(f, x, nearest).x),
            ("real rows", real),
            ("borderline rows", narrow),
            ("starts", x),
        ):
            kinds[name].append(float(torch.cdist(points, there).amin(dim=1).mean()))
    return kinds


def solver() -> dict[str, Any]:
    """SciPy's SLSQP and ours from the same 100 starts."""
    ours, theirs, failures, count = [], [], {"ours": 0, "SLSQP": 0}, 0
    for seed, k in itertools.product(SEEDS, (0, 1)):
        f, x, _ = starts(seed, k)
        x = x[:10]
        found = counterfactual(f, x)
        for row, distance, valid in zip(x, found.distance, found.valid, strict=True):
            far, reached = slsqp(f, row.numpy())
            count += 1
            failures["ours"] += int(not valid)
            failures["SLSQP"] += int(not reached)
            if valid and reached:
                ours.append(float(distance))
                theirs.append(far)
    quotient = np.array(ours) / np.array(theirs)
    return {
        "starts": count,
        "failures": failures,
        "ours": float(np.mean(ours)),
        "SLSQP": float(np.mean(theirs)),
        "ours nearer": int((quotient < 0.999).sum()),
        "SLSQP nearer": int((quotient > 1.001).sum()),
    }
