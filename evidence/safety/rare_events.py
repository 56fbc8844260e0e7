"""Rare failures: splitting beside openturns and its law, and what a budget of random tests sees of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openturns as ot
import torch
from scipy.integrate import quad
from scipy.stats import norm

from companion.classifiers import accuracy
from companion.datasets import digits
from companion.networks import mlp
from companion.safety.adversarial_examples import margin_loss, pgd
from companion.safety.rare_events import (
    importance_sampling,
    normal_neighbour,
    splitting,
    uniform_neighbour,
)
from companion.safety.risk_assessment import fit_generalized_pareto, tail_probability
from companion.safety.robustness_evaluation import square_attack
from companion.training import train_classifier
from evidence.record import interleaved

PEERS = ["openturns"]
SIZES = (0.1, 0.15, 0.2, 0.25, 0.3)
BUDGET = 1000  # scores for each image
SEEDS = range(3)

Score = Callable[[Any], Any]


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "problems": problems(),
        "law": law(),
        "atoms": atoms(),
        "network": network(),
        "speed": speed(),
    }


# --- published problems --------------------------------------------------------------


def linear(x: Any) -> Any:
    """RP107: ten normal inputs, five standard deviations out."""
    return x.sum(axis=1) - 5 * np.sqrt(10)


def product(x: Any) -> Any:
    """RP28: a product of two normal variables below 146.14."""
    return 146.14 - (78064 + 11710 * x[:, 0]) * (0.0104 + 0.00156 * x[:, 1])


def branches(x: Any) -> Any:
    """The four-branch serial system of Waarts (2000)."""
    a, b = x[:, 0], x[:, 1]
    curve, sum_ = 3 + 0.1 * (a - b) ** 2, (a + b) / np.sqrt(2)
    far = 7 / np.sqrt(2) - np.abs(a - b)
    return -np.minimum(np.minimum(curve - sum_, curve + sum_), far)


def detour(x: Any) -> Any:
    """RP110: the likelier failure hides behind a score that hardly rises until shortly before it."""
    a, b = x[:, 0], x[:, 1]
    first = np.where(a <= 3.5, 0.85 - 0.1 * a, 4 - a)
    second = np.where(b <= 2, 2.3 - b, 0.5 - 0.1 * b)
    return -np.minimum(first, second)


def quadrature() -> float:
    """The product's probability, to ten digits."""

    def tail(u: float) -> float:
        cut = (146.14 / (78064 + 11710 * u) - 0.0104) / 0.00156
        return float(norm.pdf(u) * norm.cdf(cut))

    return float(quad(tail, -6.6, 8, epsabs=0, epsrel=1e-10, limit=200)[0])


def four_branches() -> float:
    """Waarts' system on a grid: given the difference of the inputs, the sum is normal."""

    def outside(v: float) -> float:
        # With u = (a + b)/sqrt 2 and v = (a - b)/sqrt 2, both standard normal.
        low = 3 + 0.2 * v**2
        missed = 1.0 if abs(v) > 3.5 else 2 * norm.sf(low)
        return float(norm.pdf(v) * missed)

    return float(
        2 * quad(outside, 0, 3.5, epsabs=0, epsrel=1e-10)[0] + 2 * norm.sf(3.5)
    )


def peer(score: Score, d: int, seed: int) -> tuple[float, int]:
    """Subset sampling by openturns, called with batches: probability and evaluations."""
    ot.RandomGenerator.SetSeed(seed)
    function = ot.PythonFunction(
        d, 1, func_sample=lambda x: score(np.asarray(x))[:, None]
    )
    inputs = ot.RandomVector(ot.Normal(d))
    event = ot.ThresholdEvent(
        ot.CompositeRandomVector(function, inputs), ot.GreaterOrEqual(), 0.0
    )
    algorithm = ot.SubsetSampling(event)
    algorithm.setMaximumOuterSampling(4)
    algorithm.setBlockSize(500)
    algorithm.run()
    used = function.getEvaluationCallsNumber()
    return algorithm.getResult().getProbabilityEstimate(), int(used)


def problems() -> list[dict[str, Any]]:
    """Twenty repeats of each method on four published problems, beside the truth."""
    truths = {
        "RP107, linear": (linear, 10, float(norm.sf(5))),
        "RP28, product": (product, 2, quadrature()),
        "four branches": (branches, 2, four_branches()),
        "RP110, detour": (
            detour,
            2,
            float(norm.sf(4) + norm.sf(5) - norm.sf(4) * norm.sf(5)),
        ),
    }
    rows = []
    for name, (score, d, truth) in truths.items():
        rng = np.random.default_rng(0)
        ours = splitting(
            score,
            rng.normal(size=(20, 100, d)),
            normal_neighbour,
            rng,
            moves=9,
            batch=10,
        )
        theirs = [peer(score, d, seed) for seed in range(20)]
        row = {
            "name": name,
            "truth": truth,
            "ours": ours.probability.tolist(),
            "scores": float(ours.evaluations.mean()),
            "openturns": [p for p, _ in theirs],
            "scores, openturns": float(np.mean([n for _, n in theirs])),
        }
        error = abs(ours.probability.mean() / truth - 1)
        if score is not detour and error > 0.5:
            raise AssertionError(f"{name}: {ours.probability.mean()}, truth {truth}")
        rows.append(row)
    return rows


# --- the law of the count ------------------------------------------------------------


def exact(x: Any, level: Any, rng: np.random.Generator) -> Any:
    """A fresh standard normal draw whose first entry exceeds the level."""
    y = rng.normal(size=x.shape)
    y[:, 0] = norm.isf(rng.random(len(x)) * norm.sf(level))
    return y


def small(x: Any, level: Any, rng: np.random.Generator) -> Any:
    """A neighbour at one tenth of a standard deviation."""
    return np.sqrt(1 - 0.01) * x + 0.1 * rng.normal(size=x.shape)


def law() -> list[dict[str, Any]]:
    """Mean and variance of the count, with exact draws and with Markov moves, five seeds of 100 runs."""
    p, n, d = 2.3e-4, 50, 8
    ways = [
        ("exact draws", exact, 1),
        ("1 move", normal_neighbour, 1),
        ("5 moves", normal_neighbour, 5),
        ("20 moves", normal_neighbour, 20),
        ("20 small moves", small, 20),
    ]
    rows = []
    for name, neighbour, moves in ways:
        means, variances = [], []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            done = splitting(
                lambda x: x[:, 0],
                rng.normal(size=(100, n, d)),
                neighbour,
                rng,
                float(norm.isf(p)),
                moves=moves,
            )
            means.append(float(done.killed.mean()))
            variances.append(float(done.killed.var(ddof=1)))
        rows.append({"name": name, "mean": means, "variance": variances})
    return [{"law": float(-n * np.log(p)), "runs": 100}, *rows]


def atoms() -> dict[str, Any]:
    """A score with half of its mass on one value: both ways to count, as a multiple of the truth."""
    rng = np.random.default_rng(0)
    done = splitting(
        lambda x: np.maximum(x[:, 0], 0),
        rng.normal(size=(4000, 10, 1)),
        exact,
        rng,
        float(norm.isf(0.01)),
        moves=1,
    )
    one_by_one = (1 - 1 / 10) ** done.killed / 0.01
    together = done.probability / 0.01
    return {
        "runs": 4000,
        "particles": 10,
        "one by one": float(one_by_one.mean()),
        "together": float(together.mean()),
        "error": float(together.std() / np.sqrt(4000)),
    }


# --- a network ------------------------------------------------------------------------


class Images:
    """Correctly named test images of one trained network, and its score of noise on them."""

    def __init__(self, seed: int):
        data = digits()
        X = torch.tensor(data.X_train, dtype=torch.float32)
        y = torch.tensor(data.y_train)
        generator = torch.Generator().manual_seed(seed)
        network = mlp([64, 128, 128, 10], generator)
        self.network = train_classifier(network, X, y, seed, epochs=40)
        x, labels = (
            torch.tensor(data.X_test, dtype=torch.float32),
            torch.tensor(data.y_test),
        )
        with torch.no_grad():
            right = self.network(x).argmax(dim=1) == labels
        self.x, self.y = x[right], labels[right]
        self.clean = accuracy(self.network, x, labels)

    def score(self, size: float) -> Score:
        """Margin of the best wrong class; the last column says which image."""

        def margin(z: Any) -> Any:
            image = torch.from_numpy(z[:, -1].astype(np.int64))
            noise = torch.from_numpy(np.array(z[:, :-1], dtype=np.float32))
            noisy = (self.x[image] + size * noise).clamp(0, 1)
            with torch.no_grad():
                return margin_loss(self.network(noisy), self.y[image]).double().numpy()

        return margin

    def draws(self, rng: np.random.Generator, image: int, n: int, corners: bool) -> Any:
        """Uniform noise in the cube or on its corners, for one image."""
        z = rng.uniform(-1, 1, (n, 65)).astype(np.float32)
        z[:, -1] = image
        if corners:
            z[:, :-1] = np.sign(z[:, :-1])
        return z


def neighbour(z: Any, level: Any, rng: np.random.Generator) -> Any:
    """Noise near the noise, for the same image."""
    return np.column_stack([uniform_neighbour(z[:, :-1], level, rng), z[:, -1]])


def start(rng: np.random.Generator, images: Any, particles: int) -> Any:
    """Exact draws: one run for each image."""
    noise = rng.uniform(-1, 1, (len(images), particles, 65))
    noise[:, :, -1] = np.asarray(images)[:, None]
    return noise


def network() -> dict[str, Any]:
    """What each way of testing sees of three networks, over all images that they name correctly."""
    rows = []
    for seed in SEEDS:
        images = Images(seed)
        for size in SIZES if seed == 0 else (0.2,):
            rows.append({"seed": seed, **seen(images, size, seed)})
    images = Images(0)
    return {
        "budget": BUDGET,
        "clean": images.clean,
        "rows": rows,
        "tails": tails(images),
    }


def seen(images: Images, size: float, seed: int) -> dict[str, Any]:
    """One network and one size of noise."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    score, count = images.score(size), len(images.x)
    uniform, corners, tail = np.zeros(count), np.zeros(count), np.zeros(count)
    for i in range(count):
        s = score(images.draws(rng, i, BUDGET, corners=False))
        uniform[i] = (s >= 0).mean()
        corners[i] = (score(images.draws(rng, i, BUDGET, corners=True)) >= 0).mean()
        tail[i] = extrapolated(s, 100)
    found = np.zeros(count, dtype=bool)
    with torch.no_grad():
        for _ in range(2):
            bad = pgd(
                images.network,
                images.x,
                images.y,
                size,
                steps=40,
                loss="margin",
                random_start=True,
                generator=generator,
            )
            logits = images.network(bad)
            found |= (margin_loss(logits, images.y) >= 0).numpy()
        bad = square_attack(
            images.network,
            images.x,
            images.y,
            size,
            image_shape=(1, 8, 8),
            queries=BUDGET,
            generator=generator,
        )
        square = (margin_loss(images.network(bad), images.y) >= 0).numpy()
    done = splitting(
        score, start(rng, np.arange(count), 25), neighbour, rng, moves=10, batch=3
    )
    return {
        "size": size,
        "images": count,
        "attack": float(found.mean()),
        "square": float(square.mean()),
        "corners": float((corners > 0).mean()),
        "uniform": float((uniform > 0).mean()),
        "splitting reached": float(done.reached.mean()),
        "scores of splitting": float(done.evaluations.mean()),
        "log10 splitting": np.log10(done.probability).round(3).tolist(),
        "reached": done.reached.tolist(),
        "uniform share": uniform.tolist(),
        "tail possible": float((tail > 0).mean()),
        "log10 tail": [float(np.log10(p).round(3)) if p > 0 else None for p in tail],
    }


def extrapolated(scores: Any, k: int) -> float:
    """The probability of a score above zero, by a generalised Pareto tail of the k largest."""
    threshold = float(np.sort(scores)[-k - 1])
    if threshold >= 0:
        return float((scores >= 0).mean())
    return float(tail_probability(fit_generalized_pareto(scores, threshold), 0.0))


def tails(images: Images) -> list[dict[str, Any]]:
    """Every fortieth image: extrapolation from six samples, and ten runs of splitting."""
    rows, size = [], 0.2
    score, rng = images.score(size), np.random.default_rng(0)
    chosen = np.arange(0, len(images.x), 40)
    runs = splitting(
        score, start(rng, np.repeat(chosen, 10), 50), neighbour, rng, moves=10, batch=5
    )
    log = np.log10(runs.probability).reshape(-1, 10)
    reached = runs.reached.reshape(-1, 10)
    for i, image in enumerate(chosen):
        fits = []
        for _ in range(6):
            s = score(images.draws(rng, int(image), 20_000, corners=False))
            fits += [extrapolated(s, k) for k in (200, 1000)]
        rows.append(
            {
                "image": int(image),
                "splitting": log[i].round(3).tolist(),
                "reached": int(reached[i].sum()),
                "scores": float(runs.evaluations.reshape(-1, 10)[i].mean()),
                "impossible": int(sum(p == 0 for p in fits)),
                "fits": [float(np.log10(p).round(3)) if p > 0 else None for p in fits],
            }
        )
    return rows


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours for one estimate each; the numbers of scores stand beside it."""
    rows = []
    for name, score, d in (("RP107", linear, 10), ("four branches", branches, 2)):

        def ours(score: Score = score, d: int = d) -> Any:
            rng = np.random.default_rng(0)
            particles = rng.normal(size=(1, 100, d))
            return splitting(score, particles, normal_neighbour, rng, moves=9, batch=10)

        def batch(score: Score = score, d: int = d) -> Any:
            rng = np.random.default_rng(0)
            particles = rng.normal(size=(20, 100, d))
            return splitting(score, particles, normal_neighbour, rng, moves=9, batch=10)

        times = interleaved(
            {
                "ours": ours,
                "twenty": batch,
                "peer": lambda score=score, d=d: peer(score, d, 0),
            },
            repeats=5,
        )
        rows.append(
            {
                "name": name,
                "one run": times["peer"]["median"] / times["ours"]["median"],
                "twenty runs": 20 * times["peer"]["median"] / times["twenty"]["median"],
                "ms": times,
            }
        )
    beta = 5.0
    a = np.full(10, beta / np.sqrt(10))
    got = importance_sampling(linear, a, 10_000, np.random.default_rng(0))
    if abs(got.probability / norm.sf(beta) - 1) > 0.1:
        raise AssertionError(f"importance sampling: {got}")
    return rows
