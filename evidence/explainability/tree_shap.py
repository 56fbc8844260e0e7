"""TreeSHAP beside shap's C++ and enumeration, on two scales, with copies of a feature."""

from __future__ import annotations

from typing import Any

import numpy as np
import shap
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeRegressor

from companion.explainability.shapley_values import exact_shapley
from companion.explainability.tree_shap import tree_shap
from evidence.record import interleaved

PEERS = ["scikit-learn", "shap"]
SEEDS = range(5)
SPLITS = range(10)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "enumeration": enumeration(),
        "agreement": agreement(),
        "kept of 200": kept(),
        "speed": speed(),
        "scales": scales(),
        "copies": copies(),
        "path dependent": path_dependent(),
    }


def ranks(X: Any) -> Any:
    """Each value's rank in its column: whole numbers, so that a cut between two is exact in float32, too."""
    return X.argsort(axis=0).argsort(axis=0).astype(float)


def models(ranked: bool = False) -> dict[str, tuple[Any, Any, int]]:
    """Fitted models at their defaults, with their rows and the output that is explained."""
    X, y = load_diabetes(return_X_y=True)
    C, z = load_breast_cancer(return_X_y=True)
    if ranked:
        X, C = ranks(X), ranks(C)
    kept = {"random_state": 0}
    return {
        "decision tree": (DecisionTreeRegressor(max_depth=5, **kept).fit(X, y), X, 0),
        "boosted regression": (GradientBoostingRegressor(**kept).fit(X, y), X, 0),
        "boosted classes": (GradientBoostingClassifier(**kept).fit(C, z), C, 0),
        "forest of depth 5": (
            RandomForestRegressor(max_depth=5, **kept).fit(X, y),
            X,
            0,
        ),
        "forest of classes": (RandomForestClassifier(**kept).fit(C, z), C, 1),
        "extra trees": (ExtraTreesClassifier(**kept).fit(C, z), C, 1),
        "deep forest": (RandomForestRegressor(**kept).fit(X, y), X, 0),
    }


def enumeration() -> dict[str, Any]:
    """Largest difference from all 1024 coalitions of ten features, in shares of the largest value."""
    X, y = load_diabetes(return_X_y=True)
    worst = 0.0
    for seed in SEEDS:
        for kind in (
            DecisionTreeRegressor,
            GradientBoostingRegressor,
            RandomForestRegressor,
        ):
            size = {} if kind is DecisionTreeRegressor else {"n_estimators": 30}
            model = kind(random_state=seed, **size).fit(X, y)
            rows = np.random.default_rng(seed).permutation(len(X))[:23]
            background = X[rows[3:]]
            ours = tree_shap(model, X[rows[:3]], background)
            exact = [exact_shapley(model.predict, x, background) for x in X[rows[:3]]]
            worst = max(worst, float(np.abs(ours - exact).max() / np.abs(exact).max()))
    if worst > 1e-10:
        raise AssertionError(f"enumeration disagrees: {worst}")
    return {"models": 3 * len(SEEDS), "cases": 3, "largest difference": worst}


def peer_values(explainer: Any, X: Any, output: int) -> Any:
    """What shap returns for one output."""
    values = np.asarray(explainer.shap_values(X, check_additivity=False))
    return values[:, :, output] if values.ndim == 3 else values


def explainer(model: Any, background: Any) -> Any:
    """An interventional one that keeps all rows of the background; by default it keeps 100."""
    masker = shap.maskers.Independent(background, max_samples=len(background))
    return shap.TreeExplainer(model, data=masker, feature_perturbation="interventional")


def agreement() -> list[dict[str, Any]]:
    """Largest difference from shap, in shares of the largest value, on ranks and on the rows as they are.

    Shap's C++ keeps thresholds in float32, in which a cut between two neighbouring values may fall on one of them,
    and then that row goes the other way than in the model.  Between ranks this cannot happen.
    """
    lines: list[dict[str, Any]] = []
    for kind, ranked in (("ranks", True), ("as they are", False)):
        for row, (name, (model, X, output)) in enumerate(models(ranked).items()):
            ours = tree_shap(model, X[100:150], X[:100], output)
            theirs = peer_values(explainer(model, X[:100]), X[100:150], output)
            gap = float(np.abs(ours - theirs).max() / np.abs(ours).max())
            if ranked:
                lines.append({"model": name})
                if gap > 1e-5:
                    raise AssertionError(f"shap disagrees with {name}: {gap}")
            lines[row][kind] = gap
    return lines


def kept() -> int:
    """How many of 200 background rows shap keeps by default."""
    model, X, _ = models()["decision tree"]
    plain = shap.TreeExplainer(
        model, data=X[:200], feature_perturbation="interventional"
    )
    return len(plain.data)


def speed() -> list[dict[str, Any]]:
    """Shap's time over ours; its explainer is built once, outside the clock, ours reads the model each time."""
    lines = []
    for name, (model, X, output) in models().items():
        for n, m in ((1, 100), (20, 100), (200, 200)):
            if name == "deep forest" and n == 200:
                continue
            cases, background = X[m : m + n], X[:m]
            theirs = explainer(model, background)
            work = {
                "ours": lambda: tree_shap(model, cases, background, output),
                "peer": lambda: theirs.shap_values(cases, check_additivity=False),
            }
            times = interleaved(
                work, repeats=3 if n == 200 or name == "deep forest" else 7
            )
            ratio = times["peer"]["median"] / times["ours"]["median"]
            lines.append(
                {
                    "model": name,
                    "cases": n,
                    "background": m,
                    "ratio": ratio,
                    "ms": times,
                }
            )
    X, y = load_diabetes(return_X_y=True)
    model = GradientBoostingRegressor(random_state=0).fit(X, y)
    work = {
        "ours": lambda: tree_shap(model, X[100:101], X[:100]),
        "peer": lambda: exact_shapley(model.predict, X[100], X[:100]),
    }
    times = interleaved(work, repeats=5)
    ratio = times["peer"]["median"] / times["ours"]["median"]
    lines.append(
        {
            "model": "boosted regression, enumerated",
            "cases": 1,
            "background": 100,
            "ratio": ratio,
            "ms": times,
        }
    )
    return lines


def split(seed: int) -> tuple[Any, Any, Any, Any]:
    """The first eight features of the tumours, label 1 malignant."""
    X, y = load_breast_cancer(return_X_y=True)
    return train_test_split(
        X[:, :8], 1 - y, test_size=0.25, stratify=y, random_state=seed
    )


def scales() -> dict[str, Any]:
    """Shapley values of the log-odds and of the probability, of the same model and patients."""
    rows: dict[str, list[float]] = {
        "other top feature": [],
        "other sign": [],
        "above one": [],
    }
    for seed in SPLITS:
        A, B, a, _ = split(seed)
        model = GradientBoostingClassifier(random_state=seed).fit(A, a)
        background, cases = A[:30], B
        odds = tree_shap(model, cases, background)
        chance = np.array(
            [
                exact_shapley(lambda X: model.predict_proba(X)[:, 1], x, background)
                for x in cases
            ]
        )
        top = np.abs(odds).argmax(axis=1) != np.abs(chance).argmax(axis=1)
        large = np.abs(chance) > 0.01
        rows["other top feature"].append(float(top.mean()))
        rows["other sign"].append(
            float((np.sign(odds) != np.sign(chance))[large].mean())
        )
        rows["above one"].append(float((np.abs(odds) > 1).any(axis=1).mean()))
    return {"splits": len(SPLITS), "patients": len(cases), **rows}


def copies() -> dict[str, Any]:
    """The diabetes patients' body mass once, twice, three and four times, on other patients for each seed."""
    X, y = load_diabetes(return_X_y=True)
    makers = {
        "boosting": lambda seed: GradientBoostingRegressor(random_state=seed),
        "boosting, 3 features drawn": lambda seed: GradientBoostingRegressor(
            max_features=3, random_state=seed
        ),
        "forest": lambda seed: RandomForestRegressor(
            50, max_depth=6, random_state=seed
        ),
        "forest, 3 features drawn": lambda seed: RandomForestRegressor(
            50, max_features=3, max_depth=6, random_state=seed
        ),
    }
    bmi = 2
    rows: dict[str, Any] = {
        name: {"largest": [], "together": [], "rank": []} for name in makers
    }
    for name, make in makers.items():
        for k in (1, 2, 3, 4):
            largest, together, rank = [], [], []
            for seed in SPLITS:
                more = np.column_stack([X, *[X[:, bmi]] * (k - 1)])
                order = np.random.default_rng(seed).permutation(len(X))
                cases, train = order[:100], order[100:]
                model = make(seed).fit(more[train], y[train])
                phi = tree_shap(model, more[cases], more[train[:100]])
                same = [bmi, *range(10, 9 + k)]
                credit = np.abs(phi).mean(axis=0)
                largest.append(float(credit[same].max()))
                together.append(float(np.abs(phi[:, same].sum(axis=1)).mean()))
                others = np.delete(credit, same)
                rank.append(1 + int((others > credit[same].max()).sum()))
            rows[name]["largest"].append(largest)
            rows[name]["together"].append(together)
            rows[name]["rank"].append(rank)
    return {"copies": [1, 2, 3, 4], "seeds": len(SPLITS), **rows}


def path_dependent() -> dict[str, Any]:
    """How often shap's default without a background names another top feature than the interventional values."""
    other, distance = [], []
    for seed in SEEDS:
        A, B, a, _ = split(seed)
        model = GradientBoostingClassifier(random_state=seed).fit(A, a)
        ours = tree_shap(model, B, A)
        theirs = shap.TreeExplainer(model).shap_values(B, check_additivity=False)
        other.append(
            float((np.abs(ours).argmax(axis=1) != np.abs(theirs).argmax(axis=1)).mean())
        )
        distance.append(float(np.abs(ours - theirs).mean() / np.abs(ours).mean()))
    return {"splits": len(SEEDS), "other top feature": other, "distance": distance}
