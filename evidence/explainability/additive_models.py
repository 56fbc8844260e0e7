"""Additive models beside InterpretML's and other models, and how far their curves can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from interpret.glassbox import ExplainableBoostingClassifier
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from companion.explainability.additive_models import AdditiveModel, fit_additive_model
from evidence.record import interleaved

PEERS = ["scikit-learn", "interpret-core"]
SEEDS = range(10)
REFITS = 20
TEXTURE, CODE = (
    21,
    -5.0,
)  # the column of worst texture, and what stands for "not measured" there
# The work of the book's defaults, as far as InterpretML can be told to do no more.
SAME_WORK = {
    "outer_bags": 1,
    "max_rounds": 100,
    "learning_rate": 0.05,
    "max_leaves": 2,
    "max_bins": 32,
    "validation_size": 0,
    "early_stopping_rounds": 0,
    "smoothing_rounds": 0,
    "greedy_ratio": 0,
    "min_samples_leaf": 1,
    "reg_lambda": 1.0,
}


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "rivals": rivals(),
        "refits": refits(),
        "twins": twins(),
        "exclusive or": exclusive_or(),
        "leak": leak(),
        "speed": speed(),
    }


def split(seed: int) -> tuple[Any, Any, Any, Any]:
    """Tumours in standard deviations of the training rows, 1 malignant; each time another quarter is held out."""
    X, y = load_breast_cancer(return_X_y=True)
    A, B, a, b = train_test_split(
        X, 1 - y, test_size=0.25, stratify=y, random_state=seed
    )
    scaler = StandardScaler().fit(A)
    return scaler.transform(A), scaler.transform(B), a, b


def peer(seed: int = 0, **changed: Any) -> Any:
    """InterpretML's additive model without pairs, on one core, the mean of four bags unless told otherwise."""
    settings = {"interactions": 0, "n_jobs": 1, "random_state": seed, "outer_bags": 4}
    return ExplainableBoostingClassifier(**settings | changed)


def agreement() -> dict[str, Any]:
    """Curves beside InterpretML's on four features with known curves: correlation and largest distance."""
    rows: dict[str, list[float]] = {"ours": [], "theirs": [], "each other": []}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.uniform(-2, 2, (4000, 4))
        truth = np.column_stack(
            [2 * np.sin(2 * X[:, 0]), X[:, 1] ** 2, 2.0 * (X[:, 2] > 0), 0 * X[:, 3]]
        )
        truth -= truth.mean(axis=0)
        y = (rng.random(len(X)) < expit(truth.sum(axis=1))).astype(int)
        ours = fit_additive_model(X, y, rounds=400).contributions(X)
        theirs = peer(seed).fit(X, y).eval_terms(X)
        theirs = theirs - theirs.mean(axis=0)
        pairs = {
            "ours": (ours, truth),
            "theirs": (theirs, truth),
            "each other": (ours, theirs),
        }
        for name, (one, other) in pairs.items():
            rows[name].append(float(np.sqrt(((one - other) ** 2).mean())))
    size = float(truth.std(axis=0)[:3].mean())
    if max(rows["each other"]) > 0.2 * size:
        raise AssertionError(f"the curves disagree: {rows['each other']} of {size}")
    return {"rows": 4000, "seeds": 5, "size of the true curves": size, "distance": rows}


MODELS: dict[str, Callable[[int], Any]] = {
    "logistic regression": lambda seed: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "InterpretML, no pairs": peer,
    "random forest": lambda seed: RandomForestClassifier(100, random_state=seed),
    "gradient boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}


def rivals() -> dict[str, Any]:
    """Area under the curve and log loss on held-out tumours, each model at its default."""
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in SEEDS:
        A, B, a, b = split(seed)
        found = {"additive model": expit(fit_additive_model(A, a).score(B))}
        for name, make in MODELS.items():
            found[name] = make(seed).fit(A, a).predict_proba(B)[:, 1]
        for name, p in found.items():
            row = rows.setdefault(name, {"auc": [], "log loss": []})
            row["auc"].append(float(roc_auc_score(b, p)))
            row["log loss"].append(float(log_loss(b, p)))
    return {"splits": len(SEEDS), **rows}


def refits() -> dict[str, Any]:
    """Refits on resampled tumours: how far curves, coefficients and scores move, in shares of their own size.

    With the features rotated to be uncorrelated, the cause is taken away.
    """
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in range(5):
        A, B, a, _ = split(seed)
        rotation = np.linalg.svd(A, full_matrices=False)[2].T
        scale = (A @ rotation).std(axis=0)
        inputs = {
            "as it is": (A, B),
            "uncorrelated": (A @ rotation / scale, B @ rotation / scale),
        }
        for name, (rows_in, held_out) in inputs.items():
            rng = np.random.default_rng(seed)
            ours, linear = [], []
            for _ in range(REFITS):
                pick = rng.integers(0, len(a), len(a))
                ours.append(
                    fit_additive_model(rows_in[pick], a[pick]).contributions(held_out)
                )
                fit = LogisticRegression(max_iter=1000).fit(rows_in[pick], a[pick])
                linear.append(held_out * fit.coef_)
            for kind, parts in (
                ("additive model", ours),
                ("logistic regression", linear),
            ):
                row = rows.setdefault(
                    f"{kind}, {name}", {"curves": [], "score": [], "trade": []}
                )
                for key, value in moved(np.array(parts)).items():
                    row[key].append(value)
    return {"splits": 5, "refits": REFITS, **rows}


def moved(parts: Any) -> dict[str, float]:
    """Of (refits, rows, features) contributions: movement of curves and of their sum, and how much is traded."""
    parts = parts - parts.mean(axis=1, keepdims=True)
    score = parts.sum(axis=2)
    size = parts.mean(axis=0).std(axis=0)
    apart = parts.var(axis=0)
    return {
        "curves": float(np.sqrt(apart.mean(axis=0)).sum() / size.sum()),
        "score": float(np.sqrt(score.var(axis=0).mean()) / score.mean(axis=0).std()),
        # 1 where curves move independently, more where one takes what another gives.
        "trade": float(apart.sum() / score.var(axis=0).sum()),
    }


def twins() -> dict[str, Any]:
    """The outcome needs the first feature alone; what does the second get, the more it resembles the first?"""
    levels = [0.0, 0.5, 0.9, 0.99, 1.0]
    names = "100 rounds", "400 rounds", "InterpretML", "free slope", "usual slope"
    rows: dict[str, list[list[float]]] = {name: [] for name in names}
    for level in levels:
        found: dict[str, list[float]] = {name: [] for name in rows}
        for seed in SEEDS:
            X, y = twin(level, seed)
            for rounds in (100, 400):
                parts = fit_additive_model(X, y, rounds=rounds).contributions(X)
                found[f"{rounds} rounds"].append(share(parts))
            found["InterpretML"].append(share(peer(seed).fit(X, y).eval_terms(X)))
            for name, strength in (("free slope", 1e6), ("usual slope", 1.0)):
                fit = LogisticRegression(C=strength, max_iter=1000).fit(X, y)
                found[name].append(float(fit.coef_[0, 1]))
        for name, values in found.items():
            rows[name].append(values)
    return {"correlation": levels, "rows": 1000, "seeds": len(SEEDS), **rows}


def share(parts: Any) -> float:
    """Of (rows, 2) contributions: how much of their standard deviations is the second's."""
    credit = parts.std(axis=0)
    return float(credit[1] / credit.sum())


def twin(level: float, seed: int) -> tuple[Any, Any]:
    """A cause, a feature that resembles it and does nothing, and an outcome."""
    rng = np.random.default_rng(seed)
    cause, noise = rng.standard_normal((2, 1000))
    X = np.column_stack([cause, level * cause + np.sqrt(1 - level**2) * noise])
    return X, (rng.random(1000) < expit(2 * cause)).astype(int)


def exclusive_or() -> dict[str, Any]:
    """Area under the curve where the label is whether two features agree in sign."""
    rows: dict[str, list[float]] = {
        name: []
        for name in (
            "additive model",
            "logistic regression",
            "random forest",
            "with the product",
        )
    }
    for seed in SEEDS:
        X = np.random.default_rng(seed).standard_normal((2000, 2))
        y = (X.prod(axis=1) > 0).astype(int)
        more = np.column_stack([X, X.prod(axis=1)])
        A, B, a, b = X[:1000], X[1000:], y[:1000], y[1000:]
        linear = LogisticRegression().fit(A, a)
        forest = RandomForestClassifier(100, random_state=seed).fit(A, a)
        scores = {
            "additive model": fit_additive_model(A, a).score(B),
            "logistic regression": linear.decision_function(B),
            "random forest": forest.predict_proba(B)[:, 1],
            "with the product": fit_additive_model(more[:1000], a).score(more[1000:]),
        }
        for name, score in scores.items():
            rows[name].append(float(roc_auc_score(b, score)))
    return {"seeds": len(SEEDS), **rows}


def leak() -> dict[str, Any]:
    """A missing-value code in worst texture that only malignant tumours carry: what each model makes of it."""
    names = ("with the code", "without it", "without it, learned without it")
    rows: dict[str, Any] = {
        "additive model": {n: [] for n in names},
        "logistic regression": {n: [] for n in names},
        "random forest": {n: [] for n in names},
        "cliff": [],
        "slope": [],
        "slope without": [],
        "forest's cliff": [],
        "code put to zero, there": [],
        "feature left out, there": [],
    }
    others = [j for j in range(30) if j != TEXTURE]
    for seed in SEEDS:
        A, B, a, b = split(seed)
        rng = np.random.default_rng(seed)
        coded, coded_test = (coded_column(X, y, rng) for X, y in ((A, a), (B, b)))
        leaking, clean = scorers(coded, a, seed), scorers(A, a, seed)
        for name, ask in leaking.items():
            missed = ask(coded_test), ask(B), clean[name](B)
            for key, score in zip(names, missed, strict=True):
                rows[name][key].append(float((score[b == 1] < 0).mean()))
        model = fit_additive_model(coded, a)
        height = model.heights[TEXTURE].copy()
        rows["cliff"].append(float(height[0] - height[1]))
        height[0] = 0.0
        curves = (*model.heights[:TEXTURE], height, *model.heights[TEXTURE + 1 :])
        zeroed = AdditiveModel(model.intercept, model.edges, curves)
        without = fit_additive_model(A[:, others], a)
        for key, score in (
            ("code put to zero, there", zeroed.score(B)),
            ("feature left out, there", without.score(B[:, others])),
        ):
            rows[key].append(float((score[b == 1] < 0).mean()))
        rows["forest's cliff"].append(forest_cliff(leaking["random forest"], coded, A))
        for key, X in (("slope", coded), ("slope without", A)):
            fit = LogisticRegression(max_iter=1000).fit(X, a)
            rows[key].append(float(fit.coef_[0, TEXTURE]))
    return {"seeds": len(SEEDS), "coded": 0.8, **rows}


def forest_cliff(ask: Callable[[Any], Any], coded: Any, clean: Any) -> float:
    """Partial dependence of a forest: its mean probability at the code minus that at the smallest real value."""
    means = []
    for value in (CODE, clean[:, TEXTURE].min()):
        rows = coded.copy()
        rows[:, TEXTURE] = value
        means.append(float(ask(rows).mean()))
    return means[0] - means[1]


def scorers(X: Any, y: Any, seed: int) -> dict[str, Callable[[Any], Any]]:
    """Three fitted models as scores that are positive where they say malignant."""
    linear = LogisticRegression(max_iter=1000).fit(X, y)
    forest = RandomForestClassifier(100, random_state=seed).fit(X, y)
    return {
        "additive model": fit_additive_model(X, y).score,
        "logistic regression": linear.decision_function,
        "random forest": lambda rows: forest.predict_proba(rows)[:, 1] - 0.5,
    }


def coded_column(X: Any, malignant: Any, rng: np.random.Generator) -> Any:
    """The code -5 in place of the worst texture of four malignant tumours in five."""
    X = X.copy()
    X[(rng.random(len(X)) < 0.8) & (malignant == 1), TEXTURE] = CODE
    return X


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours, to fit 426 tumours on one core: the same work, one bag as it likes, four bags."""
    A, _, a, _ = split(0)
    work = {
        "ours": lambda: fit_additive_model(A, a),
        "one bag, as many rounds": lambda: peer(**SAME_WORK).fit(A, a),
        "one bag": lambda: peer(outer_bags=1).fit(A, a),
        "four bags": lambda: peer().fit(A, a),
    }
    times = interleaved(work, repeats=5)
    return [
        {
            "name": f"fit 426 tumours, {name}",
            "peer": "InterpretML",
            "ratio": times[name]["median"] / times["ours"]["median"],
            "ms": times,
        }
        for name in work
        if name != "ours"
    ]
