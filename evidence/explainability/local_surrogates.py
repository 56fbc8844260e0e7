"""LIME beside lime on the same draws, and how stable, local and predictive it is over models and patients."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lime.lime_tabular import LimeTabularExplainer
from sklearn.ensemble import RandomForestClassifier

from companion.datasets import breast_cancer
from companion.explainability.local_surrogates import (
    effective_share,
    lime,
    weighted_ridge,
)
from companion.networks import mlp
from companion.scores import class_score, score_gradients
from companion.training import train_classifier
from evidence.record import interleaved

PEERS = ["lime", "scikit-learn"]
REPEATS = 9
SEEDS = range(5)
PATIENTS = 10
DRAWS = 5
SAMPLES = 1000
WIDTHS = [0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0]
DATA = breast_cancer()
Scores = Callable[[np.ndarray], np.ndarray]


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "speed": speed(),
        "stability": stability(),
        "one place": one_place(),
        "held out": held_out(),
        "share": share(),
        "price": price(),
    }


@functools.cache
def network(seed: int) -> Any:
    """The logit of a benign tumour less that of a malignant one, by a network trained from this seed."""
    model = mlp([30, 32, 32, 2], torch.Generator().manual_seed(seed))
    X, y = torch.from_numpy(DATA.X_train).float(), torch.from_numpy(DATA.y_train)
    model = train_classifier(model, X, y, seed, epochs=100).double()
    benign, malignant = class_score(model, 1), class_score(model, 0)
    return lambda x: benign(x) - malignant(x)


def black_box(f: Any) -> Scores:
    """The same function of arrays, as LIME asks it."""
    return lambda X: f(torch.from_numpy(X)).numpy()


def explainer(X: np.ndarray, width: float | None) -> LimeTabularExplainer:
    """Return lime's explainer with everything off that is not the weighted ridge."""
    return LimeTabularExplainer(
        X,
        mode="regression",
        discretize_continuous=False,
        sample_around_instance=True,
        feature_selection="none",
        kernel_width=width,
        random_state=0,
    )


def agreement() -> dict[str, Any]:
    """Coefficients, R2 of the fitting draws and value at x, lime's own draws given to our estimator."""
    f, worst, cases = black_box(network(0)), 0.0, 0
    for row, width in itertools.product(range(5), (2.0, 0.75 * np.sqrt(30), 10.0)):
        seen: list[np.ndarray] = []

        def watched(X: np.ndarray, seen: list[np.ndarray] = seen) -> np.ndarray:
            seen.append(X.copy())
            return f(X)

        peer = explainer(DATA.X_train, width)
        x = DATA.X_test[row]
        told = peer.explain_instance(x, watched, num_features=30, num_samples=SAMPLES)
        theirs = np.zeros(30)
        for feature, value in told.local_exp[1]:
            theirs[feature] = value
        z = (seen[0] - peer.scaler.mean_) / peer.scaler.scale_
        distance = np.linalg.norm(z - z[0], axis=1)
        weights = np.exp(-(distance**2) / 2 / width**2)
        ours = weighted_ridge(z - z[0], f(seen[0]), weights, ridge=1.0)
        gaps = [np.abs(theirs - ours.coefficients).max() / np.abs(theirs).max()]
        gaps.append(abs(told.local_pred[0] / ours.intercept - 1))
        worst, cases = max(worst, *gaps), cases + 1
    if worst > 1e-9:
        raise AssertionError(f"lime disagrees: {worst}")
    return {"cases": cases, "samples": SAMPLES, "largest relative difference": worst}


def speed() -> list[dict[str, Any]]:
    """Time of lime over ours: draw, ask, weigh and fit."""
    rows, direction = [], np.random.default_rng(0).standard_normal(30)

    def f(X: np.ndarray) -> np.ndarray:
        return np.tanh(X @ direction)

    peer, x = explainer(DATA.X_train, None), DATA.X_test[0]
    width = 0.75 * np.sqrt(30)
    for samples in (1000, 5000):
        rng = np.random.default_rng(0)
        work: dict[str, Callable[[], object]] = {
            "ours": lambda n=samples, rng=rng: lime(
                f, x, scale=1.0, width=width, samples=n, ridge=1.0, rng=rng
            ),
            "peer": lambda n=samples: peer.explain_instance(
                x, f, num_features=30, num_samples=n
            ),
        }
        times = interleaved(work, REPEATS)
        quotient = times["peer"]["median"] / times["ours"]["median"]
        rows.append(
            {"name": f"{samples} draws", "peer": "lime", "ratio": quotient, "ms": times}
        )
    return rows


def overlap(answers: list[np.ndarray]) -> float:
    """Mean Jaccard index of the five largest coefficients over all pairs of answers."""
    top = [set(np.argsort(-np.abs(b))[:5].tolist()) for b in answers]
    pairs = itertools.combinations(top, 2)
    return float(np.mean([len(a & b) / len(a | b) for a, b in pairs]))


def gaussian_fit(
    f: Scores,
    x: np.ndarray,
    scale: float,
    width: float | None,
    ridge: float,
    rng: Any,
    samples: int = SAMPLES,
) -> Any:
    """LIME without its refusal."""
    z = rng.standard_normal((samples, len(x)))
    w = np.ones(samples)
    if width is not None:
        w = np.exp(-(z**2).sum(axis=1) / 2 / width**2)
    fit = weighted_ridge(z, f(x + scale * z), w, ridge)
    return fit._replace(coefficients=fit.coefficients / scale)


def stability() -> dict[str, Any]:
    """Overlap of repetitions and distance to the gradient: a kernel, a penalty as well, draws nearby."""
    kinds = ("kernel", "kernel, ridge 1", "nearby")
    models = {f"network {seed}": network(seed) for seed in SEEDS}
    forest = RandomForestClassifier(100, random_state=0).fit(DATA.X_train, DATA.y_train)
    rows: dict[str, Any] = {}
    for name in [*models, "forest"]:
        if name == "forest":
            f: Scores = lambda X: forest.predict_proba(X)[:, 1]  # noqa: E731
        else:
            f = black_box(models[name])
        widths = [0.5, 1.0, 2.0, 5.0] if name == "forest" else WIDTHS
        patients = 5 if name == "forest" else PATIENTS
        x = DATA.X_test[:patients]
        slopes = None
        if name != "forest":
            slopes = score_gradients(models[name], torch.from_numpy(x)).numpy()
        table: dict[str, Any] = {"widths": widths}
        for kind in kinds:
            lines: dict[str, list[float]] = {"overlap": [], "error": [], "size": []}
            for width in widths:
                agree, far, size = [], [], []
                for row in range(patients):
                    rng = np.random.default_rng(row)
                    scale, kernel = 1.0, float(width)
                    if kind == "nearby":
                        scale, kernel = width / np.hypot(1, width), None
                    ridge = 1.0 if "ridge" in kind else 0.0
                    answers = [
                        gaussian_fit(f, x[row], scale, kernel, ridge, rng).coefficients
                        for _ in range(DRAWS)
                    ]
                    agree.append(overlap(answers))
                    size.append(np.mean([np.linalg.norm(b) for b in answers]))
                    if slopes is not None:
                        g = slopes[row]
                        gaps = [np.linalg.norm(b - g) for b in answers]
                        far.append(np.mean(gaps) / np.linalg.norm(g))
                lines["overlap"].append(float(np.mean(agree)))
                lines["size"].append(float(np.mean(size)))
                if far:
                    lines["error"].append(float(np.mean(far)))
            table[kind] = lines
        rows[name] = table
    return {"patients": PATIENTS, "draws": DRAWS, "samples": SAMPLES, "models": rows}


def one_place() -> list[dict[str, Any]]:
    """One neighbourhood, standard deviation 0.5, reached by ever wider draws and ever narrower kernels."""
    rows = []
    for scale in (0.5, 0.525, 0.575, 0.65, 0.75, 1.0):
        r = 0.5 / scale
        width = None if r == 1 else r / np.sqrt(1 - r * r)
        agree, left = [], []
        for seed in SEEDS:
            f = black_box(network(seed))
            for row in range(PATIENTS):
                rng = np.random.default_rng(row)
                x = DATA.X_test[row]
                fits = [
                    gaussian_fit(f, x, scale, width, 0.0, rng) for _ in range(DRAWS)
                ]
                agree.append(overlap([fit.coefficients for fit in fits]))
                left.append(np.mean([fit.effective_samples for fit in fits]))
        rows.append(
            {
                "scale": scale,
                "width": width,
                "effective samples": float(np.mean(left)),
                "overlap": float(np.mean(agree)),
            }
        )
    return rows


def held_out() -> list[dict[str, float]]:
    """R2 of the fitting draws, of each draw predicted from the others, and of fresh draws from the place."""
    rows = []
    for width in (0.75, 1.0, 1.5, 2.0, 3.0, 10.0):
        kinds: dict[str, list[float]] = {"fitted": [], "left out": [], "fresh": []}
        left = []
        for seed in SEEDS:
            f = black_box(network(seed))
            for row in range(PATIENTS):
                rng, x = np.random.default_rng(row), DATA.X_test[row]
                z = rng.standard_normal((SAMPLES, 30))
                w = np.exp(-(z**2).sum(axis=1) / 2 / width**2)
                y = f(x + z)
                fit = weighted_ridge(z, y, w)
                near = (
                    rng.standard_normal((4 * SAMPLES, 30)) * width / np.hypot(1, width)
                )
                for kind, Z, Y, W in (
                    ("fitted", z, y, w),
                    ("fresh", near, f(x + near), np.ones(4 * SAMPLES)),
                ):
                    mean = W @ Y / W.sum()
                    miss = Y - fit.intercept - Z @ fit.coefficients
                    kinds[kind].append(
                        1 - float(W @ miss**2) / float(W @ (Y - mean) ** 2)
                    )
                kinds["left out"].append(fit.r2)
                left.append(fit.effective_samples)
        rows.append(
            {"width": width, "effective samples": float(np.mean(left))}
            | {kind: float(np.nanmedian(values)) for kind, values in kinds.items()}
            | {"undefined": float(np.isnan(kinds["left out"]).mean())}
        )
    return rows


def share() -> list[dict[str, float]]:
    """The formula for the effective share beside five samples of a million draws."""
    rows = []
    for seed in SEEDS:
        z = np.random.default_rng(seed).standard_normal((1_000_000, 30))
        square = np.einsum("ij,ij->i", z, z)
        for width in (1.0, 1.5, 2.0, 5.0):
            w = np.exp(-square / 2 / width**2)
            seen = float(w.sum() ** 2 / (w @ w) / len(w))
            told = float(effective_share(30, width))
            rows.append({"width": width, "formula": told, "drawn": seen})
    return rows


def price() -> list[dict[str, Any]]:
    """Distance from SmoothGrad at one place: a kernel as wide as the draws, and draws made nearby.

    The kernel has as many draws as leave ten effective ones for each of the 31 unknowns.
    """
    tau = float(np.sqrt(0.5))
    many = int(np.ceil(310 / effective_share(30, 1.0)))
    plans = [
        ("wide, with a kernel", many, 1.0, 1.0),
        ("nearby", 310, tau, None),
        ("nearby", 1000, tau, None),
        ("nearby", 2000, tau, None),
    ]
    found: list[list[float]] = [[] for _ in plans]
    left: list[list[float]] = [[] for _ in plans]
    for seed, row in itertools.product(SEEDS, range(4)):
        smooth, x = network(seed), DATA.X_test[row]
        rng, parts = np.random.default_rng(row), []
        for _ in range(4):
            draws = torch.from_numpy(x + tau * rng.standard_normal((50_000, 30)))
            parts.append(score_gradients(smooth, draws).numpy().mean(axis=0))
        truth, f = np.mean(parts, axis=0), black_box(smooth)
        for k, (_, n, scale, width) in enumerate(plans):
            for _ in range(4):
                fit = gaussian_fit(f, x, scale, width, 0.0, rng, n)
                gap = np.linalg.norm(fit.coefficients - truth)
                found[k].append(float(gap / np.linalg.norm(truth)))
                left[k].append(fit.effective_samples)
    return [
        {
            "how": how,
            "draws": n,
            "effective samples": float(np.mean(left[k])),
            "distance": float(np.mean(found[k])),
        }
        for k, (how, n, _, _) in enumerate(plans)
    ]
