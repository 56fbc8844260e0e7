"""Permutation importance beside scikit-learn on the same shuffles; forests over ten splits, and their controls."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance as peer_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split

from companion.explainability.permutation_importance import permutation_importance
from evidence.record import interleaved

PEERS = ["scikit-learn"]
SPLITS = range(10)
RANDOM = 50  # groups of as many columns as the cluster has, drawn at random
REPEATS = 10


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "speed": speed(),
        "splits": splits(),
        "independent": independent(),
        "diabetes": diabetes(),
    }


def squared(y: Any, scores: Any) -> Any:
    return (y - scores) ** 2


def wrong(y: Any, scores: Any) -> Any:
    return (scores > 0.5) != y


def log_loss(y: Any, scores: Any) -> Any:
    """A forest of a hundred trees may say 0; half a vote is given back."""
    said = np.clip(scores, 0.005, 0.995)
    return -np.log(np.where(y == 1, said, 1 - said))


class Replayed(np.random.Generator):
    """Draws the shuffles that scikit-learn draws: each shuffles the one before, all columns alike."""

    def __new__(cls, seed: int) -> Replayed:
        return super().__new__(cls, np.random.PCG64(0))

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(0))
        first = np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1)
        self.state = np.random.RandomState(first)
        self.order: Any = None

    def permutation(self, n: int) -> Any:  # type: ignore[override]
        if self.order is None:
            self.index, self.order = np.arange(n), np.arange(n)
        self.state.shuffle(self.index)
        self.order = self.order[self.index]
        return self.order


class Asked:
    """What scikit-learn takes for a fitted estimator; it is only ever asked."""

    def fit(self, X: Any, y: Any) -> Asked:
        return self


def theirs(f: Any, X: Any, y: Any, loss: Any, repeats: int, seed: int) -> Any:
    """scikit-learn's rises of the same loss of the same function."""

    def scoring(estimator: Any, X: Any, y: Any) -> float:
        return -float(loss(y, f(X)).mean())

    found = peer_importance(
        Asked(), X, y, scoring=scoring, n_repeats=repeats, random_state=seed
    )
    return found.importances


def cut(seed: int, data: Any = None) -> Any:
    """A split of the breast cancer data, standardised on its training rows."""
    X, y = load_breast_cancer(return_X_y=True) if data is None else data
    A, B, a, b = train_test_split(X, y, stratify=y, random_state=seed)
    mean, deviation = A.mean(axis=0), A.std(axis=0)
    return (A - mean) / deviation, (B - mean) / deviation, a, b


def forest(X: Any, y: Any, seed: int) -> Any:
    """The probability of a benign tumour that a random forest gives."""
    model = RandomForestClassifier(100, random_state=seed).fit(X, y)
    return lambda X: model.predict_proba(X)[:, 1]


def logistic(X: Any, y: Any) -> Any:
    model = LogisticRegression(max_iter=2000).fit(X, y)
    return lambda X: model.predict_proba(X)[:, 1]


def works() -> list[tuple[str, Any, Any, Any, Any, int]]:
    """The pieces of work on which both are compared."""
    A, B, a, b = cut(0)
    X, y = load_diabetes(return_X_y=True)
    ols = LinearRegression().fit(X, y).predict
    rng = np.random.default_rng(0)
    large = rng.normal(size=(20_000, 20))
    label = (large[:, :5].sum(axis=1) + rng.normal(size=20_000) > 0).astype(int)
    return [
        ("forest, 143 rows, 30 columns", forest(A, a, 0), B, b, wrong, 10),
        ("logistic, 143 rows, 30 columns", logistic(A, a), B, b, log_loss, 10),
        ("least squares, 442 rows, 10 columns", ols, X, y, squared, 30),
        (
            "logistic, 20 000 rows, 20 columns",
            logistic(large, label),
            large,
            label,
            log_loss,
            5,
        ),
    ]


def agreement() -> dict[str, Any]:
    """Largest difference from scikit-learn on the same shuffles, relative to the loss."""
    worst = 0.0
    for name, f, X, y, loss, repeats in works():
        ours = permutation_importance(f, X, y, loss, repeats=repeats, rng=Replayed(1))
        peers = theirs(f, X, y, loss, repeats, seed=1)
        scale = loss(y, f(X)).mean() + np.abs(peers).max()
        worst = max(worst, float(np.abs(ours - peers).max() / scale))
        if worst > 1e-12:
            raise AssertionError(f"scikit-learn disagrees on {name}: {worst}")
    return {"works": [work[0] for work in works()], "largest difference": worst}


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same work."""
    rows = []
    for name, f, X, y, loss, repeats in works():
        times = interleaved(
            {
                "ours": lambda: permutation_importance(
                    f, X, y, loss, repeats=repeats, rng=np.random.default_rng(0)
                ),
                "peer": lambda: theirs(f, X, y, loss, repeats, seed=0),
            },
            repeats=5,
        )
        quotient = times["peer"]["median"] / times["ours"]["median"]
        rows.append(
            {"name": f"{name}, {repeats} shuffles", "ratio": quotient, "ms": times}
        )
    return rows


def clusters(X: Any, height: float = 0.3) -> list[Any]:
    """Columns whose rank correlations are 0.7 or more in size, on average."""
    rho = np.abs(spearmanr(X).statistic)
    tree = linkage(squareform(1 - rho, checks=False), "average")
    label = fcluster(tree, height, "distance")
    return [np.flatnonzero(label == c) for c in np.unique(label)]


def splits() -> dict[str, Any]:
    """One forest for each split: its columns alone, in clusters, in random groups, all; and its rivals."""
    rows: dict[str, list[float]] = {}

    def put(name: str, value: float) -> None:
        rows.setdefault(name, []).append(float(value))

    for seed in SPLITS:
        A, B, a, b = cut(seed)
        f, rng = forest(A, a, seed), np.random.default_rng(seed)

        def mean(
            f: Any, X: Any, y: Any, loss: Any, groups: Any = None, rng: Any = rng
        ) -> Any:
            return permutation_importance(
                f, X, y, loss, repeats=REPEATS, rng=rng, groups=groups
            ).mean(axis=1)

        rho = np.abs(spearmanr(A).statistic) - np.eye(30)
        groups = clusters(A)
        alone = mean(f, B, b, wrong)
        joint = mean(f, B, b, wrong, groups)
        top = int(joint.argmax())
        size = len(groups[top])
        drawn = [rng.permutation(30)[:size] for _ in range(RANDOM)]
        chance = mean(f, B, b, wrong, drawn)
        kept = mean(f, B, b, wrong, [np.delete(groups[top], i) for i in range(size)])
        put("accuracy", 1 - wrong(b, f(B)).mean())
        put("largest alone", alone.max())
        put("sum alone", alone.sum())
        put("largest alone, training rows", mean(f, A, a, wrong).max())
        put("clusters", len(groups))
        put("columns in the largest cluster", size)
        put("largest cluster", joint.max())
        put("random group", np.median(chance))
        put("random groups below the cluster", (chance < joint[top]).mean())
        put("one left in place", kept.mean())
        put("best one left in place", kept.min())
        put("all", mean(f, B, b, wrong, [range(30)])[0])
        put("log-loss", log_loss(b, f(B)).mean())
        put("largest alone, log-loss", mean(f, B, b, log_loss).max())
        put("median closest correlation", np.median(rho.max(axis=0)))
        put("least closest correlation", rho.max(axis=0).min())
        g = logistic(A, a)
        put("logistic accuracy", 1 - wrong(b, g(B)).mean())
        put("logistic largest alone", mean(g, B, b, wrong).max())
        white = PCA(whiten=True).fit(A)
        h, W = forest(white.transform(A), a, seed), white.transform(B)
        put("whitened accuracy", 1 - wrong(b, h(W)).mean())
        put("whitened largest alone", mean(h, W, b, wrong).max())
        put("whitened sum alone", mean(h, W, b, wrong).sum())
        put("whitened all", mean(h, W, b, wrong, [range(30)])[0])
        first = [int(c[0]) for c in groups]  # one measurement of each cluster
        k, S = forest(A[:, first], a, seed), B[:, first]
        bars = mean(k, S, b, wrong)
        put("single accuracy", 1 - wrong(b, k(S)).mean())
        put("single largest alone", bars.max())
        put("single sum alone", bars.sum())
        put("single all", mean(k, S, b, wrong, [range(len(first))])[0])
    return {"splits": len(SPLITS), "shuffles": REPEATS, "random groups": RANDOM, **rows}


def independent() -> dict[str, Any]:
    """Equal weights on independent columns: a hundred of them are worth little each, and none is redundant."""
    rows: dict[str, Any] = {}
    for d in (5, 100):
        found = []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            X = rng.normal(size=(8000, d))
            y = (X.sum(axis=1) / np.sqrt(d) + 0.1 * rng.normal(size=8000) > 0).astype(
                int
            )
            f = logistic(X[:4000], y[:4000])
            B, b = X[4000:], y[4000:]
            alone = permutation_importance(f, B, b, wrong, repeats=5, rng=rng)
            joint = permutation_importance(
                f, B, b, wrong, repeats=5, rng=rng, groups=[range(d)]
            )
            alone = alone.mean(axis=1)
            found.append(
                [1 - wrong(b, f(B)).mean(), alone.max(), alone.sum(), joint.mean()]
            )
        names = ("accuracy", "largest alone", "sum alone", "all")
        rows[str(d)] = dict(zip(names, np.array(found).T.tolist(), strict=True))
    return {"seeds": 5, "rows": 4000, **rows}


def diabetes() -> dict[str, Any]:
    """Least squares on ten splits: total cholesterol shuffled, and the model refitted without it."""
    X, y = load_diabetes(return_X_y=True)
    rows: dict[str, list[float]] = {"base": [], "shuffled": [], "refitted": []}
    column = 4
    for seed in SPLITS:
        A, B, a, b = train_test_split(X, y, random_state=seed)
        f = LinearRegression().fit(A, a).predict
        rng = np.random.default_rng(seed)
        rise = permutation_importance(
            f, B, b, squared, repeats=30, rng=rng, groups=[[column]]
        )
        rest = [j for j in range(10) if j != column]
        g = LinearRegression().fit(A[:, rest], a)
        base = squared(b, f(B)).mean()
        rows["base"].append(float(base))
        rows["shuffled"].append(float(rise.mean() / base))
        rows["refitted"].append(
            float(squared(b, g.predict(B[:, rest])).mean() / base - 1)
        )
    return {"splits": len(SPLITS), "shuffles": 30, "column": "s1", **rows}
