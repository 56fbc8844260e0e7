"""Effect curves beside scikit-learn and PyALE on the same work, and beside known truth as correlation grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from PyALE._src.ALE_1D import aleplot_1D_continuous
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.inspection import partial_dependence as peer_dependence
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor

from companion.explainability.feature_effects import (
    accumulated_local_effects,
    partial_dependence,
)
from evidence.record import interleaved

PEERS = ["scikit-learn", "PyALE"]
SEEDS = range(10)
CORRELATIONS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
BINS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
ROWS = 1000


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "speed": speed(),
        "correlation": correlation(),
        "bins": bins(),
        "diabetes": diabetes(),
    }


class Asked(RegressorMixin, BaseEstimator):
    """What scikit-learn takes for a fitted regressor: a function that is asked."""

    def __init__(self, f: Any = None) -> None:
        self.f = f

    def fit(self, X: Any, y: Any) -> Asked:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> Any:
        return self.f(X)


def boosted(X: Any, y: Any, seed: int) -> Any:
    model = GradientBoostingRegressor(
        n_estimators=200, max_depth=4, subsample=0.5, random_state=seed
    )
    return model.fit(X, y).predict


def works() -> list[tuple[str, Any, Any]]:
    """The functions that are asked, and their rows."""
    X, y = load_diabetes(return_X_y=True)
    return [
        ("gradient boosting, 442 rows", boosted(X, y, 0), X),
        ("linear, 442 rows", LinearRegression().fit(X, y).predict, X),
    ]


def theirs(f: Any, X: Any, feature: int, grid: Any) -> Any:
    """scikit-learn's curves, by the brute method, which is the only one for any function."""
    return peer_dependence(
        Asked(f),
        X,
        [feature],
        custom_values={feature: grid},
        method="brute",
        kind="both",
    )


class OnFrames:
    """PyALE hands a frame to `predict`; `f` wants an array."""

    def __init__(self, f: Any) -> None:
        self.f = f

    def predict(self, frame: Any) -> Any:
        return self.f(frame.to_numpy())


def pyale(f: Any, frame: Any, feature: int, bins: int) -> Any:
    return aleplot_1D_continuous(frame, OnFrames(f), feature, bins, include_CI=False)


def agreement() -> dict[str, Any]:
    """Largest differences from the peers, relative to the scores."""
    worst = {"partial dependence": 0.0, "individual curves": 0.0, "ALE": 0.0}
    other_edges = []
    for name, f, X in works():
        scale = np.abs(f(X)).max()
        for feature in (0, 2, 3, 8):
            ours = partial_dependence(f, X, feature)
            peer = theirs(f, X, feature, ours.grid)
            gaps = {
                "partial dependence": ours.curve - peer["average"][0],
                "individual curves": ours.individual - peer["individual"][0],
            }
            found = pyale(f, pd.DataFrame(X), feature, 20)
            edges = found.index.to_numpy()
            local = accumulated_local_effects(f, X, feature, bins=edges)
            gaps["ALE"] = local.curve - found["eff"].to_numpy()
            for key, gap in gaps.items():
                worst[key] = max(worst[key], float(np.abs(gap).max() / scale))
            if max(worst.values()) > 1e-12:
                raise AssertionError(f"a peer disagrees on {name}: {worst}")
            own = accumulated_local_effects(f, X, feature, bins=20).grid
            other_edges.append(len(own) != len(edges) or bool((own != edges).any()))
    return {
        "works": [work[0] for work in works()],
        "features": 4,
        "largest difference": worst,
        "intended": "PyALE counts n - 1 rows where the quantile of type 1 counts n; its edges were given to ours",
        "curves whose own edges differ": [sum(other_edges), len(other_edges)],
    }


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same work."""
    rng = np.random.default_rng(0)
    large = rng.normal(size=(20_000, 20))
    weights = rng.normal(size=20)
    rows = [against_recursion()]
    for name, f, X in [
        *works(),
        ("linear, 20 000 rows", lambda X: X @ weights, large),
    ]:
        frame = pd.DataFrame(X)
        grid = np.linspace(X[:, 2].min(), X[:, 2].max(), 20)
        tasks = {
            "partial dependence and individual curves, 20 points": (
                "scikit-learn, brute",
                lambda: partial_dependence(f, X, 2, grid=grid),
                lambda: theirs(f, X, 2, grid),
            ),
            "accumulated local effects, 20 bins": (
                "PyALE",
                lambda: accumulated_local_effects(f, X, 2, bins=20),
                lambda: pyale(f, frame, 2, 20),
            ),
        }
        for task, (peer, ours, other) in tasks.items():
            times = interleaved({"ours": ours, "peer": other}, repeats=7)
            quotient = times["peer"]["median"] / times["ours"]["median"]
            rows.append(
                {
                    "name": f"{task}: {name}",
                    "peer": peer,
                    "ratio": quotient,
                    "ms": times,
                }
            )
    return rows


def against_recursion() -> dict[str, Any]:
    """The peer's way through its own trees: for them only, no single curves, weighted by the training rows."""
    X, y = load_diabetes(return_X_y=True)
    model = GradientBoostingRegressor(n_estimators=200, max_depth=4, random_state=0)
    model.fit(X, y)
    grid = np.linspace(X[:, 2].min(), X[:, 2].max(), 20)
    times = interleaved(
        {
            "ours": lambda: partial_dependence(model.predict, X, 2, grid=grid),
            "peer": lambda: peer_dependence(
                model,
                X,
                [2],
                custom_values={2: grid},
                method="recursion",
                kind="average",
            ),
        },
        repeats=7,
    )
    return {
        "name": "partial dependence, 20 points: gradient boosting, 442 rows",
        "peer": "scikit-learn, recursion",
        "ratio": times["peer"]["median"] / times["ours"]["median"],
        "ms": times,
    }


def product(X: Any) -> Any:
    return X[:, 0] * X[:, 1]


def correlated(rho: float, seed: int) -> tuple[Any, Any]:
    """Two standard normal features with correlation rho, and their noisy product."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(ROWS, 2))
    X[:, 1] = rho * X[:, 0] + np.sqrt(1 - rho**2) * X[:, 1]
    return X, product(X) + 0.1 * rng.normal(size=ROWS)


def miss(curve: Any, truth: Any) -> float:
    """Root of the mean squared distance of two curves, both centred, without the two outermost points."""
    gap = (curve - truth)[1:-1]
    return float(np.sqrt(((gap - gap.mean()) ** 2).mean()))


def errors(f: Any, X: Any, rho: float) -> tuple[float, float]:
    """How far both curves of the first feature miss what they mean for the product.

    That is 0 for partial dependence (the mean of the other factor), and for accumulated effects the integral of
    its mean given the first, rho x.
    """
    local = accumulated_local_effects(f, X, 0, bins=20)
    partial = partial_dependence(f, X, 0, grid=local.grid)
    return (
        miss(partial.curve, 0 * local.grid),
        miss(local.curve, rho * local.grid**2 / 2),
    )


def correlation() -> dict[str, Any]:
    """Errors of both curves of fitted models and of the product itself, for growing correlation.

    The trees that learnt apart saw as many rows, but without correlation, so that they know the whole plane.
    """
    found: dict[str, Any] = {}
    for rho in CORRELATIONS:
        rows: dict[str, list[float]] = {}
        for seed in SEEDS:
            X, y = correlated(rho, seed)
            fresh, _ = correlated(rho, seed + 1000)
            f = boosted(X, y, seed)
            apart = boosted(*correlated(0.0, seed + 2000), seed)
            both = {
                "boosting": errors(f, X, rho),
                "apart": errors(apart, X, rho),
                "product": errors(product, X, rho),
            }
            if seed < 5 and rho == 0.95:
                net = MLPRegressor(
                    hidden_layer_sizes=(32, 32), max_iter=500, random_state=seed
                )
                both["network"] = errors(net.fit(X, y).predict, X, rho)
            for name, (partial, local) in both.items():
                rows.setdefault(f"{name}, partial dependence", []).append(partial)
                rows.setdefault(f"{name}, ALE", []).append(local)
            gap = f(fresh) - product(fresh)
            rows.setdefault("r2 on fresh rows", []).append(
                float(1 - (gap**2).mean() / product(fresh).var())
            )
        found[str(rho)] = rows
    return {"seeds": len(SEEDS), "rows": ROWS, "seeds of the network": 5, **found}


def bins() -> dict[str, Any]:
    """Error of the accumulated effects for growing numbers of bins, correlation 0.95."""
    rows: dict[str, list[float]] = {str(k): [] for k in BINS}
    grid = np.linspace(-1.5, 1.5, 31)
    for seed in SEEDS:
        X, y = correlated(0.95, seed)
        f = boosted(X, y, seed)
        for k in BINS:
            local = accumulated_local_effects(f, X, 0, bins=k)
            curve = np.interp(grid, local.grid, local.curve)
            rows[str(k)].append(miss(curve, 0.95 * grid**2 / 2))
    return {"seeds": len(SEEDS), "correlation": 0.95, **rows}


def diabetes() -> dict[str, Any]:
    """Gradient boosting on bootstraps of the diabetes data: how far both curves of two features rise."""
    X, y = load_diabetes(return_X_y=True)
    found: dict[str, Any] = {}
    for feature, name in ((2, "bmi"), (4, "s1")):
        ends = np.quantile(X[:, feature], [0.1, 0.9])
        rises: dict[str, list[float]] = {"partial dependence": [], "ALE": []}
        for seed in SEEDS:
            pick = np.random.default_rng(seed).integers(0, len(X), len(X))
            f = boosted(X[pick], y[pick], seed)
            partial = partial_dependence(f, X, feature, grid=ends).curve
            local = accumulated_local_effects(f, X, feature, bins=20)
            rises["partial dependence"].append(float(np.diff(partial)[0]))
            rises["ALE"].append(
                float(np.diff(np.interp(ends, local.grid, local.curve))[0])
            )
        found[name] = rises
    return {"bootstraps": len(SEEDS), **found}
