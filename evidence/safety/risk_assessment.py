"""Tail fits and portfolios beside SciPy, OpenTURNS and CVXPY; errors of extrapolation; what held-out data say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import openturns as ot
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from companion.safety.risk_assessment import (
    conditional_value_at_risk,
    fit_generalized_pareto,
    minimum_cvar_portfolio,
    tail_risk,
    value_at_risk,
)
from evidence.record import interleaved

ot.Log.Show(ot.Log.NONE)

PEERS = ["openturns", "cvxpy", "scikit-learn"]
Floats = NDArray[np.float64]


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "fit": fits(),
        "portfolio": programs(),
        "speed": speed(),
        "extrapolation": extrapolation(),
        "interval": interval(),
        "held out": held_out(),
        "ensemble": ensemble(),
        "assets": assets(),
    }


def excesses(shape: float, n: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    y: Floats = stats.genpareto.rvs(shape, size=n, random_state=rng)
    return y


def peer_fit(sample: Any) -> tuple[float, float]:
    """Shape and scale by OpenTURNS."""
    factory = ot.GeneralizedParetoFactory()
    found = factory.buildMethodOfLikelihoodMaximization(sample, 0.0)
    return found.getXi(), found.getSigma()


def fits() -> dict[str, Any]:
    """Our greatest likelihood beside SciPy's simplex and OpenTURNS' optimiser."""
    seen: dict[str, Any] = {}
    ours_less, ours_more = 0.0, {"scipy": 0, "openturns": 0}
    apart = {"scipy": 0.0, "openturns": 0.0}
    samples = gave_up = 0
    for shape in (-0.7, -0.3, 0.0, 0.3, 1.0):
        for n in (20, 100, 1000):
            for seed in range(10):
                y = excesses(shape, n, seed)
                samples += 1
                ours = fit_generalized_pareto(y, 0.0)
                c, _, s = stats.genpareto.fit(y, floc=0)
                found = {"scipy": (c, s)}
                try:
                    found["openturns"] = peer_fit(ot.Sample(y[:, None]))
                except TypeError:  # what its exceptions arrive as
                    gave_up += 1
                for name, (xi, sigma) in found.items():
                    with np.errstate(all="ignore"):
                        theirs = stats.genpareto.logpdf(y, xi, 0, sigma).sum()
                    if xi < -1:  # where the likelihood has no bound
                        continue
                    ours_less = max(ours_less, float(theirs - ours.log_likelihood))
                    if not theirs > ours.log_likelihood - 1e-4:
                        ours_more[name] += 1
                    elif ours.regular and n >= 100:
                        apart[name] = max(apart[name], abs(ours.shape - xi))
    if ours_less > 1e-7 or max(apart.values()) > 2e-2:
        raise AssertionError(f"the fit disagrees: {ours_less}, {apart}")
    seen["samples"] = samples
    seen["OpenTURNS gave up, samples"] = gave_up
    seen["peer's likelihood above ours, at most"] = ours_less
    seen["ours above the peer's by more than 1e-4, samples"] = ours_more
    seen["largest difference of regular shapes, 100 or 1000 excesses"] = apart
    return seen


def returns(n: int, d: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.standard_t(4, (n, d)) * rng.uniform(0.5, 2, d) + rng.uniform(0, 0.3, d)


def peer_program(R: Floats, level: float) -> Callable[[], float]:
    """The same portfolio in CVXPY's own atom for the mean of the largest."""
    d = R.shape[1]

    def solve() -> float:
        w = cp.Variable(d, nonneg=True)
        problem = cp.Problem(cp.Minimize(cp.cvar(-R @ w, level)), [cp.sum(w) == 1])
        return float(problem.solve(solver="HIGHS"))

    return solve


def programs() -> dict[str, Any]:
    """Optimal values beside CVXPY's."""
    worst = gap = 0.0
    for seed in range(10):
        for level in (0.5, 0.9, 0.95):
            R = returns(200, 8, seed)
            found = minimum_cvar_portfolio(R, level)
            worst = max(worst, abs(found.cvar - peer_program(R, level)()))
            gap = max(gap, abs(found.gap))
    if worst > 1e-6 or gap > 1e-6:
        raise AssertionError(f"the portfolio disagrees: {worst}, gap {gap}")
    return {"problems": 30, "largest difference": worst, "largest gap": gap}


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same work."""
    rows = []
    for n in (50, 500, 5000):
        y = excesses(0.2, n, 0)
        sample = ot.Sample(y[:, None])
        times = interleaved(
            {
                "ours": lambda y=y: fit_generalized_pareto(y, 0.0),
                "scipy": lambda y=y: stats.genpareto.fit(y, floc=0),
                "openturns": lambda sample=sample: peer_fit(sample),
            },
            repeats=15,
        )
        for peer in ("scipy", "openturns"):
            quotient = times[peer]["median"] / times["ours"]["median"]
            rows.append(
                {"name": f"tail fit, {n}", "peer": peer, "ratio": quotient, "ms": times}
            )
    for n, d in ((250, 10), (2000, 10)):
        R = returns(n, d, 0)
        times = interleaved(
            {
                "ours": lambda R=R: minimum_cvar_portfolio(R, 0.95),
                "cvxpy": peer_program(R, 0.95),
            },
            repeats=7,
        )
        quotient = times["cvxpy"]["median"] / times["ours"]["median"]
        rows.append(
            {
                "name": f"portfolio, {n} scenarios",
                "peer": "cvxpy",
                "ratio": quotient,
                "ms": times,
            }
        )
    return rows


def quantiles(x: Floats, level: float, tail: float) -> dict[str, float]:
    """One quantile in four ways; the last three look at the worst `tail` of the sample."""
    u = value_at_risk(x, 1 - tail)
    over = x[x > u] - u
    depth = np.log(len(over) / len(x) / (1 - level))
    return {
        "empirical": value_at_risk(x, level),
        "generalised Pareto": float(tail_risk(fit_generalized_pareto(x, u), level).var),
        "exponential tail": float(u + over.mean() * depth),
        "normal law": float(x.mean() + x.std() * stats.norm.ppf(level)),
    }


LAWS = {"Student, 4 degrees": stats.t(4), "lognormal": stats.lognorm(1.0)}


def extrapolation() -> list[dict[str, Any]]:
    """Root mean square error, mean error and spread of a quantile, over 150 samples."""
    rows = []
    cells = [
        ("Student, 4 degrees", 500, 0.9995),
        ("Student, 4 degrees", 2000, 0.9995),
        ("Student, 4 degrees", 2000, 0.99),
        ("lognormal", 500, 0.9995),
        ("lognormal", 2000, 0.9995),
    ]
    for law, n, level in cells:
        truth = float(LAWS[law].ppf(level))
        for tail in (0.1, 0.05):
            found = [
                quantiles(
                    LAWS[law].rvs(n, random_state=np.random.default_rng(seed)),
                    level,
                    tail,
                )
                for seed in range(150)
            ]
            for method in found[0]:
                errors = np.array([one[method] for one in found]) - truth
                rows.append(
                    {
                        "law": law,
                        "n": n,
                        "level": level,
                        "tail": tail,
                        "method": method,
                        "truth": truth,
                        "rmse": float(np.sqrt((errors**2).mean())),
                        "mean error": float(errors.mean()),
                        "spread": float(errors.std()),
                    }
                )
    return rows


def bootstrap(
    x: Floats, u: float, level: float, rng: np.random.Generator, draws: int
) -> tuple[float, float]:
    """The middle 90 % of the refitted quantile; the number of exceedances varies, too."""
    found = []
    for _ in range(draws):
        again = rng.choice(x, len(x))
        try:
            found.append(float(tail_risk(fit_generalized_pareto(again, u), level).var))
        except ValueError:  # too few exceedances in this draw
            continue
    low, high = np.quantile(found, [0.05, 0.95])
    return float(low), float(high)


def interval() -> dict[str, Any]:
    """How often the bootstrap's 90 % interval holds the true quantile."""
    rows = {}
    for n in (500, 2000):
        truth = float(stats.t(4).ppf(0.999))
        held, widths = [], []
        for seed in range(60):
            rng = np.random.default_rng(seed)
            x = stats.t(4).rvs(n, random_state=rng)
            low, high = bootstrap(x, value_at_risk(x, 0.9), 0.999, rng, 150)
            held.append(low <= truth <= high)
            widths.append((high - low) / truth)
        rows[str(n)] = {
            "held": float(np.mean(held)),
            "median width over truth": float(np.median(widths)),
        }
    return {
        "law": "Student, 4 degrees",
        "level": 0.999,
        "samples": 60,
        "draws": 150,
        **rows,
    }


def digit_losses() -> Floats:
    """The negative log-likelihood of each of the 1797 digits, from a model that has not seen it."""
    X, y = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=1000)
    logs = cross_val_predict(model, X / 16, y, cv=5, method="predict_log_proba")
    return -logs[np.arange(len(y)), y]


def held_out() -> dict[str, Any]:
    """A quantile from one half of the digits' losses, and how many of the other half exceed it."""
    losses = digit_losses()
    half = len(losses) // 2
    rows = []
    for level in (0.99, 0.995):
        for tail in (0.2, 0.1):
            counts: dict[str, list[int]] = {}
            shapes, lows, highs = [], [], []
            for seed in range(40):
                rng = np.random.default_rng(seed)
                order = rng.permutation(len(losses))
                seen, rest = losses[order[:half]], losses[order[half : 2 * half]]
                for method, q in quantiles(seen, level, tail).items():
                    counts.setdefault(method, []).append(int((rest > q).sum()))
                u = value_at_risk(seen, 1 - tail)
                shapes.append(fit_generalized_pareto(seen, u).shape)
                if level == 0.995 and seed < 10:
                    low, high = bootstrap(seen, u, level, rng, 200)
                    lows.append(low)
                    highs.append(high)
            rows.append(
                {
                    "level": level,
                    "tail": tail,
                    "expected": half * (1 - level),
                    "mean exceedances": {
                        m: float(np.mean(c)) for m, c in counts.items()
                    },
                    "standard deviation": {
                        m: float(np.std(c)) for m, c in counts.items()
                    },
                    "shape, mean and range": [
                        float(np.mean(shapes)),
                        min(shapes),
                        max(shapes),
                    ],
                    "bootstrap 90 %, mean ends": [
                        float(np.mean(lows)),
                        float(np.mean(highs)),
                    ]
                    if lows
                    else None,
                }
            )
    return {"digits": len(losses), "splits": 40, "half": half, "rows": rows}


def least_variance(losses: Floats) -> Floats:
    """Non-negative weights of least variance."""
    covariance = np.cov(losses.T)
    d = len(covariance)
    scale = 1 / np.trace(covariance)
    found = minimize(
        lambda w: scale * w @ covariance @ w,
        np.full(d, 1 / d),
        jac=lambda w: 2 * scale * covariance @ w,
        bounds=[(0, 1)] * d,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    weights: Floats = np.maximum(found.x, 0) / np.maximum(found.x, 0).sum()
    return weights


def rules(losses: Floats, level: float) -> dict[str, Floats]:
    """Weights by four rules, from the same scenarios."""
    d = losses.shape[1]
    alone = [conditional_value_at_risk(losses[:, j], level) for j in range(d)]
    return {
        "least CVaR": minimum_cvar_portfolio(-losses, level).weights,
        "least variance": least_variance(losses),
        "equal weights": np.full(d, 1 / d),
        "best alone": np.eye(d)[int(np.argmin(alone))],
    }


def compared(pairs: list[tuple[Floats, Floats]], level: float) -> dict[str, Any]:
    """CVaR of each rule where it was chosen and where it was not."""
    rows: dict[str, Any] = {}
    for seen, unseen in pairs:
        for rule, w in rules(seen, level).items():
            row = rows.setdefault(rule, {"seen": [], "unseen": []})
            row["seen"].append(conditional_value_at_risk(seen @ w, level))
            row["unseen"].append(conditional_value_at_risk(unseen @ w, level))
    return rows


def ensemble() -> dict[str, Any]:
    """Five classifiers, mixed: the loss 1 - p(right class) is linear in the weights."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    models = [
        LogisticRegression(max_iter=1000),
        LinearDiscriminantAnalysis(),
        KNeighborsClassifier(5),
        DecisionTreeClassifier(min_samples_leaf=5, random_state=0),
        GaussianNB(var_smoothing=1e-2),
    ]
    pairs = []
    for seed in range(20):
        parts = np.array_split(np.random.default_rng(seed).permutation(len(y)), 3)
        for model in models:
            model.fit(X[parts[0]], y[parts[0]])
        seen, unseen = (
            np.column_stack(
                [1 - m.predict_proba(X[p])[np.arange(len(p)), y[p]] for m in models]
            )
            for p in parts[1:]
        )
        pairs.append((seen, unseen))
    return {"splits": 20, "images": len(pairs[0][0]), **compared(pairs, 0.95)}


def market(n: int, rng: np.random.Generator) -> Floats:
    """Losses of two quiet assets that crash now and then and two restless ones that do not."""
    quiet = -0.2 + 0.4 * rng.standard_normal((n, 2)) + 6 * (rng.random((n, 2)) < 0.02)
    restless = rng.standard_normal((n, 2))
    return np.column_stack([quiet, restless])


def assets() -> dict[str, Any]:
    """Skewed assets whose law is known: chosen from few and from many scenarios."""
    truth = market(200_000, np.random.default_rng(99))
    rows: dict[str, Any] = {"seeds": 20}
    for n in (100, 250, 2000):
        pairs = [(market(n, np.random.default_rng(seed)), truth) for seed in range(20)]
        rows[str(n)] = compared(pairs, 0.95)
    return rows
