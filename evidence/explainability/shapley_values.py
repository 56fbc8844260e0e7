"""Shapley values beside shap's Python explainers: agreement, speed, errors; bias and pairs over many seeds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import shap
import torch
from sklearn.ensemble import GradientBoostingClassifier

from companion.datasets import breast_cancer
from companion.explainability.shapley_values import (
    all_coalitions,
    coalition_values,
    exact_shapley,
    kernel_shap,
    permutation_shapley,
    shapley_of_game,
)
from companion.networks import mlp
from companion.scores import class_score
from companion.training import train_classifier
from evidence.record import interleaved

PEERS = ["shap", "scikit-learn"]
D = 12
SEEDS = range(20)
PATIENTS = range(20)
NETWORKS = range(5)
GAMES = range(5)
REPEATS = 5

Array = np.ndarray[Any, Any]
Score = Callable[[Array], Array]

logging.getLogger("shap").setLevel(logging.ERROR)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    data = breast_cancer()
    X, cases = data.X_train[:, :D], data.X_test[:, :D]
    background = X[np.random.default_rng(0).choice(len(X), 50, replace=False)]
    scores, boosted = trained(X, data.y_train)
    return {
        "agreement": agreement(scores, cases[:5], background),
        "speed": [
            *speed(scores, cases[0], background),
            compiled(boosted, scores["boosted trees"], cases[0], background),
        ],
        "errors": errors(scores["log-odds"], cases[0], background),
        "bias": bias(),
        "pairs": {
            "seeds": len(SEEDS),
            "networks": len(NETWORKS),
            "games": pairs(X, data.y_train, scores, cases, background),
        },
    }


def network_scores(X: Array, y: Array, seed: int) -> dict[str, Score]:
    """The page's network as log-odds and as probability; seed 0 is the one on the page."""
    network = mlp([D, 32, 32, 2], torch.Generator().manual_seed(seed))
    train_classifier(
        network, torch.from_numpy(X).float(), torch.from_numpy(y), seed=seed, epochs=30
    )
    logits = [class_score(network.double(), k) for k in (0, 1)]

    def log_odds(X: Array) -> Array:
        rows = torch.from_numpy(X)
        return np.asarray((logits[0](rows) - logits[1](rows)).numpy())

    return {
        "log-odds": log_odds,
        "probability": lambda X: 1 / (1 + np.exp(-log_odds(X))),
    }


def trained(X: Array, y: Array) -> tuple[dict[str, Score], Any]:
    """The page's network on both scales, gradient boosting's log-odds, and its trees."""
    boosted = GradientBoostingClassifier(random_state=0).fit(X, y)
    trees: dict[str, Score] = {"boosted trees": lambda X: -boosted.decision_function(X)}
    return network_scores(X, y, 0) | trees, boosted


class Dealt(np.random.Generator):
    """A generator that deals one permutation: the places at which the features come."""

    def __init__(self, order: Array):
        super().__init__(np.random.PCG64(0))
        self.places = np.argsort(order)[None]

    def permuted(self, table: Array, axis: int) -> Array:
        return self.places


def explainers(f: Score, background: Array) -> dict[str, Any]:
    """The peer's three, told to use the whole background and no selection of features."""
    masker = shap.maskers.Independent(background, max_samples=len(background))
    return {
        "exact": shap.explainers.Exact(f, masker),
        "kernel": shap.KernelExplainer(f, background),
        "permutation": shap.explainers.Permutation(f, masker),
    }


def kernel_values(explainer: Any, x: Array, draws: int) -> Array:
    return np.asarray(
        explainer.shap_values(x[None], nsamples=draws, l1_reg=0, silent=True)[0]
    )


def agreement(
    scores: dict[str, Score], cases: Array, background: Array
) -> dict[str, Any]:
    """Largest differences from the peer on identical work."""
    worst = {"exact": 0.0, "kernel, all coalitions": 0.0, "one permutation": 0.0}
    for f in scores.values():
        theirs = explainers(f, background)
        for x in cases:
            exact = exact_shapley(f, x, background)
            # The peer shuffles the features in place, with the global generator.
            np.random.seed(0)  # noqa: NPY002
            order = np.arange(D)
            np.random.shuffle(order)  # noqa: NPY002
            np.random.seed(0)  # noqa: NPY002
            walked = theirs["permutation"](
                x[None], max_evals=2 * D + 1, silent=True
            ).values[0]
            ours = permutation_shapley(
                f, x, background, permutations=1, rng=Dealt(order)
            )
            differences = {
                "exact": theirs["exact"](x[None], silent=True).values[0] - exact,
                "kernel, all coalitions": kernel_values(theirs["kernel"], x, 2**D - 2)
                - kernel_shap(f, x, background),
                "one permutation": walked - ours,
            }
            for name, gap in differences.items():
                worst[name] = max(worst[name], float(np.abs(gap).max()))
            apart = np.abs(kernel_shap(f, x, background) - exact).max()
            if apart > 1e-8:
                raise AssertionError(f"least squares is not enumeration: {apart}")
    if max(worst.values()) > 1e-10:
        raise AssertionError(f"shap disagrees: {worst}")
    return {
        "models": len(scores),
        "cases": len(cases),
        "features": D,
        "background": len(background),
        "largest difference": worst,
    }


def speed(
    scores: dict[str, Score], x: Array, background: Array
) -> list[dict[str, Any]]:
    """The peer's time over ours on the same work."""
    rows = []
    for model in ("log-odds", "boosted trees"):
        f = scores[model]
        theirs = explainers(f, background)
        rng = np.random.default_rng(0)
        work: dict[str, dict[str, Callable[[], object]]] = {
            "exact, 4096 coalitions": {
                "ours": lambda: exact_shapley(f, x, background),
                "peer": lambda: theirs["exact"](x[None], silent=True),
            },
            "least squares, 4094 coalitions": {
                "ours": lambda: kernel_shap(f, x, background),
                "peer": lambda: kernel_values(theirs["kernel"], x, 2**D - 2),
            },
        }
        for draws in (200, 1000):
            work[f"least squares, {draws} coalitions"] = {
                "ours": lambda n=draws: kernel_shap(  # type: ignore[misc]
                    f, x, background, coalitions=n, rng=rng
                ),
                "peer": lambda n=draws: kernel_values(theirs["kernel"], x, n),  # type: ignore[misc]
            }
        for P in (1, 10, 40):
            work[f"permutations, {P} there and back"] = {
                "ours": lambda P=P: permutation_shapley(  # type: ignore[misc]
                    f, x, background, permutations=P, rng=rng
                ),
                "peer": lambda P=P: theirs["permutation"](  # type: ignore[misc]
                    x[None], max_evals=P * (2 * D + 1), silent=True
                ),
            }
        for name, pair in work.items():
            times = interleaved(pair, repeats=REPEATS)
            ratio = times["peer"]["median"] / times["ours"]["median"]
            label = "network" if model == "log-odds" else model
            rows.append({"model": label, "work": name, "ratio": ratio, "ms": times})
    return rows


def compiled(boosted: Any, f: Score, x: Array, background: Array) -> dict[str, Any]:
    """The peer's compiled explainer, which reads the trees instead of asking them."""
    trees = shap.TreeExplainer(
        boosted, background, feature_perturbation="interventional"
    )
    gap = np.abs(exact_shapley(f, x, background) + trees.shap_values(x[None])[0]).max()
    if gap > 1e-5:  # float32 inside
        raise AssertionError(f"shap's trees disagree: {gap}")
    times = interleaved(
        {
            "ours": lambda: exact_shapley(f, x, background),
            "peer": lambda: trees.shap_values(x[None]),
        },
        repeats=REPEATS,
    )
    ratio = times["peer"]["median"] / times["ours"]["median"]
    return {
        "model": "boosted trees",
        "work": "exact, shap.TreeExplainer in C++",
        "ratio": ratio,
        "ms": times,
    }


def rmse(values: list[Array], exact: Array) -> float:
    return float(np.sqrt(np.mean((np.array(values) - exact) ** 2)))


def errors(f: Score, x: Array, background: Array) -> list[dict[str, Any]]:
    """Root mean square errors at equal numbers of coalitions, ours and the peer's."""
    exact, theirs = exact_shapley(f, x, background), explainers(f, background)
    rows = []
    for draws in (50, 200, 1000):
        ours, peer = [], []
        for seed in SEEDS[:10]:
            rng = np.random.default_rng(seed)
            ours.append(kernel_shap(f, x, background, coalitions=draws, rng=rng))
            np.random.seed(seed)  # noqa: NPY002
            peer.append(kernel_values(theirs["kernel"], x, draws))
        row = {"ours": rmse(ours, exact), "peer": rmse(peer, exact)}
        rows.append({"coalitions": draws, "seeds": 10, **row})
    return rows


def black_box(values: Array) -> tuple[Score, Array, Array]:
    """A model whose game, for a case of ones before a background of zeros, is the given one."""
    place = 2.0 ** np.arange(len(values).bit_length() - 1)
    return (
        lambda Z: values[(Z @ place).astype(int)],
        np.ones(len(place)),
        np.zeros((1, len(place))),
    )


def bias() -> dict[str, Any]:
    """Mean and size of the error over many repeats, as root mean squares over random games of six players."""
    repeats, d, rows = 4000, 6, []
    for name, draws in (
        ("least squares", 32),
        ("least squares", 64),
        ("least squares", 256),
        ("permutations", 6),
    ):
        found = []
        for seed in GAMES:
            values = np.random.default_rng(seed).normal(size=2**d)
            case, rng = black_box(values), np.random.default_rng([seed, draws])
            runs = [
                permutation_shapley(*case, permutations=draws, rng=rng)
                if name == "permutations"
                else kernel_shap(*case, coalitions=draws, rng=rng, paired=False)
                for _ in range(repeats)
            ]
            wrong = np.array(runs) - shapley_of_game(values)
            found.append(
                [
                    (wrong.mean(axis=0) ** 2).sum(),
                    # what that would be on average if there were no bias
                    wrong.var(axis=0, ddof=1).sum() / repeats,
                    (wrong**2).sum(axis=1).mean(),
                ]
            )
        squares = np.array(found)
        means = np.sqrt(squares.mean(axis=0)).tolist()
        rows.append(
            {
                "estimate": name,
                "draws": draws,
                "bias": means[0],
                "noise": means[1],
                "rmse": means[2],
                "largest share": float(np.sqrt(squares[:, 0] / squares[:, 2]).max()),
            }
        )
    return {"players": d, "repeats": repeats, "games": len(GAMES), "rows": rows}


def pairs(
    X: Array, y: Array, scores: dict[str, Score], cases: Array, background: Array
) -> dict[str, list[list[float]]]:
    """Errors of plain and of paired draws and of permutations, at about equal effort, game by game."""
    networks = [network_scores(X, y, seed) for seed in NETWORKS]
    found: dict[str, list[list[float]]] = {}
    for name in ("log-odds", "probability", "boosted trees"):
        models = [scores] if name == "boosted trees" else networks
        found[name] = [
            compared(coalition_values(model[name], x, background, all_coalitions(D)))
            for model in models
            for x in cases[PATIENTS.start : PATIENTS.stop]
        ]
    S = all_coalitions(D) * 2.0 - 1  # absent -1, present 1
    rng = np.random.default_rng(0)
    triples = [rng.permuted(np.arange(D))[:3] for _ in range(40)]
    found["pairs only"] = [
        compared(np.einsum("si,ij,sj->s", S, rng.normal(size=(D, D)), S) + S @ w)
        for w in rng.normal(size=(10, D))
    ]
    found["triples only"] = [
        compared(sum(rng.normal() * S[:, t].prod(axis=1) for t in triples) + S @ w)
        for w in rng.normal(size=(10, D))
    ]
    found["all orders alike"] = [compared(rng.normal(size=2**D)) for _ in range(10)]
    return found


def compared(values: Array) -> list[float]:
    """Over the seeds, 176 draws or 8 permutations there and back: plain, paired, permutations."""
    f, x, background = black_box(values)
    exact = shapley_of_game(values)
    runs: list[list[Array]] = [[], [], []]
    for seed in SEEDS:
        for paired in (False, True):
            rng = np.random.default_rng(seed)
            runs[paired].append(
                kernel_shap(f, x, background, coalitions=176, rng=rng, paired=paired)
            )
        rng = np.random.default_rng(seed)
        runs[2].append(permutation_shapley(f, x, background, permutations=8, rng=rng))
    return [rmse(values, exact) for values in runs]
