"""Metrics beside scikit-learn, false alarms beside their exact law, and with pyod's thresholds."""

from __future__ import annotations

import warnings
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
from pyod.models.gmm import GMM
from pyod.models.iforest import IForest
from pyod.models.kde import KDE
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.mcd import MCD
from pyod.models.ocsvm import OCSVM
from pyod.models.pca import PCA
from scipy import stats
from sklearn import metrics
from sklearn.covariance import EmpiricalCovariance
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from companion.robustness.calibrated_alarms import (
    auroc,
    average_precision,
    conformal_threshold,
    fpr_at_tpr,
)
from evidence.record import interleaved

PEERS = ["scikit-learn", "pyod"]


def measure() -> dict[str, Any]:
    return {
        "agreement": _agreement(),
        "false_alarms": _false_alarms(),
        "detectors": _detectors(),
        "own_row": _own_row(),
        "digits_law": _digits_law(),
        "fpr_conventions": _fpr_conventions(),
        "speed": _speed(),
    }


def _agreement(cases: int = 2000) -> dict[str, Any]:
    """Metrics on random scores, in half of the cases with many ties."""
    rng = np.random.default_rng(0)
    worst = dict.fromkeys(("auroc", "average_precision", "fpr_at_tpr"), 0.0)
    for case in range(cases):
        size = int(rng.integers(2, 200))
        positive = rng.random(size) < rng.random()
        positive[:2] = True, False
        scores = (
            rng.normal(size=size)
            if case % 2
            else rng.integers(0, 5, size).astype(float)
        )
        fpr, tpr, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
        pairs = {
            "auroc": (auroc(scores, positive), metrics.roc_auc_score(positive, scores)),
            "average_precision": (
                average_precision(scores, positive),
                metrics.average_precision_score(positive, scores),
            ),
            "fpr_at_tpr": (fpr_at_tpr(scores, positive, 0.95), fpr[tpr >= 0.95][0]),
        }
        for name, (ours, theirs) in pairs.items():
            worst[name] = max(worst[name], abs(ours - float(theirs)))
    if max(worst.values()) > 1e-12:
        raise AssertionError(f"metrics differ from scikit-learn: {worst}")
    return {"cases": cases, "largest_difference": worst}


def _false_alarms(
    runs: int = 2000, fresh: int = 200, d: int = 30, level: float = 0.05
) -> dict[str, Any]:
    """Mahalanobis on standard normal rows: the rate of alarms among new rows of the same law.

    It does not depend on mean and covariance, because the detector does not.
    """
    out: dict[str, Any] = {"resamples": runs, "dimensions": d, "level": level}
    for n in (60, 100, 150, 200, 400, 1000):
        rng = np.random.default_rng(n)
        rate = dict.fromkeys(("training_quantile", "training_quantile_higher"), 0.0)
        alarms = np.empty(runs, int)
        for i in range(runs):
            X = rng.normal(size=(n, d))
            score = EmpiricalCovariance().fit(X).mahalanobis
            seen, new = score(X), score(rng.normal(size=(fresh, d)))
            rate["training_quantile"] += (
                float((new > np.quantile(seen, 1 - level)).mean()) / runs
            )
            higher = np.quantile(seen, 1 - level, method="higher")
            rate["training_quantile_higher"] += float((new > higher).mean()) / runs
            calibration = score(rng.normal(size=(n, d)))
            alarms[i] = (new > conformal_threshold(calibration, level)).sum()
        out[f"n={n}"] = {**rate, **_against_law(alarms, n, fresh, level)}
    return out


def _against_law(alarms: Any, n: int, fresh: int, level: float) -> dict[str, float]:
    """Compare the numbers of alarms among `fresh` rows with the beta-binomial law of n calibration scores."""
    m = floor(Fraction(str(level)) * (n + 1))
    law = stats.betabinom(fresh, m, n + 1 - m)
    edges = np.unique(law.ppf(np.linspace(0, 1, 11)[1:-1]))
    bins = np.concatenate([[-1], edges, [fresh]])
    expected = len(alarms) * np.diff(law.cdf(bins))
    observed = np.histogram(alarms, bins + 0.5)[0]
    keep = expected > 0
    p = float(stats.chisquare(observed[keep], expected[keep]).pvalue)
    z = (alarms.mean() - law.mean()) / (law.std() / len(alarms) ** 0.5)
    if p < 1e-4 or abs(z) > 4:
        raise AssertionError(
            f"false alarms leave their law at n={n}: p={p:.2g}, z={z:.2f}"
        )
    return {
        "conformal": float(alarms.mean() / fresh),
        "conformal_exact": m / (n + 1),
        "conformal_z": float(z),
        "law_p_value": p,
    }


def _detectors(
    runs: int = 200, n: int = 100, d: int = 30, level: float = 0.05
) -> dict[str, Any]:
    """pyod's detectors fitted to n normal rows: alarms on new rows of the same law, with two thresholds.

    The library's own, `contamination=0.05`, and a conformal one from n further rows.
    """
    makers: dict[str, Any] = {
        "KNN": lambda i: KNN(contamination=level),
        "LOF": lambda i: LOF(contamination=level),
        "IForest": lambda i: IForest(contamination=level, random_state=i),
        "PCA": lambda i: PCA(contamination=level),
        "MCD": lambda i: MCD(contamination=level, random_state=i),
        "OCSVM": lambda i: OCSVM(contamination=level),
        "GMM": lambda i: GMM(contamination=level, random_state=i),
        "KDE": lambda i: KDE(contamination=level),
    }
    rates: dict[str, Any] = {}
    for name, make in makers.items():
        rng = np.random.default_rng(0)
        library, conformal = np.empty(runs), np.empty(runs)
        for i in range(runs):
            X, calibration, new = (rng.normal(size=(m, d)) for m in (n, n, 200))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                detector = make(i).fit(X)
                library[i] = detector.predict(new).mean()
                score = detector.decision_function(new)
                kept = detector.decision_function(calibration)
            conformal[i] = (score > conformal_threshold(kept, level)).mean()
        rates[name] = {"library": _mean(library), "conformal": _mean(conformal)}
    return {
        "resamples": runs,
        "rows": n,
        "dimensions": d,
        "level": level,
        "rate": rates,
    }


def _own_row(runs: int = 200, n: int = 100, d: int = 30) -> dict[str, Any]:
    """Fifth nearest neighbour, 5 % training quantile: a row's own copy among its neighbours, and left out."""
    rng, counted, left_out = np.random.default_rng(0), np.empty(runs), np.empty(runs)
    for i in range(runs):
        X, new = rng.normal(size=(n, d)), rng.normal(size=(200, d))
        score = _fifth_neighbour(X)
        counted[i] = (score(new) > np.quantile(score(X), 0.95)).mean()
        left_out[i] = (score(new) > np.quantile(score(None), 0.95)).mean()
    return {"resamples": runs, "counted": _mean(counted), "left out": _mean(left_out)}


def _fifth_neighbour(X: Any) -> Any:
    """Return the score "distance to the fifth nearest row of X"; with None, of its own rows, left out."""
    search = NearestNeighbors(n_neighbors=5).fit(X)
    return lambda rows: search.kneighbors(rows)[0][:, -1]


def _mean(rates: Any) -> dict[str, float]:
    return {
        "mean": float(rates.mean()),
        "error": float(rates.std(ddof=1) / len(rates) ** 0.5),
    }


def _digits_law(runs: int = 1000) -> dict[str, Any]:
    """Real data: normal are the digits 0 to 7, dealt at random into fitted, calibration and new rows."""
    X, digit = load_digits(return_X_y=True)
    normal, strange = X[digit < 8], X[digit >= 8]
    rng, out = np.random.default_rng(0), {"resamples": runs}
    for n, level in ((99, 0.01), (199, 0.05), (20, 0.05), (20, 0.1)):
        alarms, found = np.empty(runs, int), np.empty(runs)
        for i in range(runs):
            order = rng.permutation(len(normal))
            fit, calibration, new = np.split(
                normal[order[: 300 + n + 200]], [300, 300 + n]
            )
            score = _fifth_neighbour(fit)
            threshold = conformal_threshold(score(calibration), level)
            alarms[i] = (score(new) > threshold).sum()
            found[i] = (score(strange) > threshold).mean()
        out[f"n={n}, level={level}"] = {
            **_against_law(alarms, n, 200, level),
            "found": float(found.mean()),
        }
    return out


def _fpr_conventions(runs: int = 20) -> dict[str, Any]:
    """The same scores under two conventions, both called FPR at 95 % TPR in print."""
    X, digit = load_digits(return_X_y=True)
    catch, keep = [], []
    for seed in range(runs):
        order = np.random.default_rng(seed).permutation(np.flatnonzero(digit < 8))
        new = np.concatenate([order[700:], np.flatnonzero(digit >= 8)])
        score = _fifth_neighbour(X[order[:700]])(X[new])
        catch.append(fpr_at_tpr(score, digit[new] >= 8, 0.95))
        keep.append(fpr_at_tpr(-score, digit[new] < 8, 0.95))
    return {"seeds": runs, "anomalous_positive": catch, "normal_positive": keep}


def _speed() -> dict[str, Any]:
    rng, out = np.random.default_rng(0), {}
    positive = rng.random(100_000) < 0.05
    scores = rng.normal(size=100_000) + positive
    for name, ours, theirs in (
        ("auroc", auroc, metrics.roc_auc_score),
        ("average_precision", average_precision, metrics.average_precision_score),
    ):
        ms = interleaved(
            {
                "ours": lambda f=ours: f(scores, positive),
                "sklearn": lambda f=theirs: f(positive, scores),
            },
            9,
        )
        ratio = ms["sklearn"]["median"] / ms["ours"]["median"]
        out[name] = {"rows": len(scores), "ms": ms, "times_faster": ratio}
        if ratio < 0.8:
            raise AssertionError(
                f"{name} clearly slower than scikit-learn: {ratio:.2f}"
            )
    return out
