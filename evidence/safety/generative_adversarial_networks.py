"""A GAN on digits over seeds, beside densities without a GAN and copies; SciPy and a second program agree."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.linalg import LinAlgWarning, sqrtm
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from companion.datasets import digits
from companion.networks import mlp
from companion.safety.generative_adversarial_networks import (
    GAN,
    discriminator_loss,
    frechet_distance,
    generator_loss,
    saturating_generator_loss,
    train_gan,
)
from companion.training import train_classifier
from evidence.record import interleaved

PEERS = ["scikit-learn"]
DRAWS = range(10)
STEPS = 2000
REPEATS = 9

DATA = digits()
X, Y = torch.tensor(DATA.X_train, dtype=torch.float32), torch.tensor(DATA.y_train)
TEST = torch.tensor(DATA.X_test, dtype=torch.float32)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    judge = trained_judge(0)
    models = baselines()
    trained, sweep, own = gans(judge)
    rows = {name: judged(judge, draw) for name, draw in {**models, **trained}.items()}
    return {
        "agreement": agreement(judge),
        "speed": speed(judge),
        "floor": floors(judge),
        "test images": described(judge, TEST),
        "models": rows,
        "second judge": second_opinion({**models, **trained}),
        "own discriminator": own,
        "sweep": sweep,
        "steps": STEPS,
    }


# --- what judges -------------------------------------------------------------------


def trained_judge(seed: int) -> nn.Sequential:
    """The classifier of digits whose last hidden layer gives the features."""
    network = mlp([64, 128, 128, 10], torch.Generator().manual_seed(seed))
    train_classifier(network, X, Y, seed, epochs=40)
    return network


@torch.no_grad()
def features(judge: nn.Sequential, images: torch.Tensor) -> np.ndarray:
    return judge[:-1](images).double().numpy()


@torch.no_grad()
def described(judge: nn.Sequential, images: torch.Tensor) -> dict[str, Any]:
    """The share of each class, and the median distance to the nearest training image."""
    shares = np.bincount(judge(images).argmax(dim=1).numpy(), minlength=10)
    nearest = cdist(images.double().numpy(), DATA.X_train).min(axis=1)
    return {
        "class shares": (shares / len(images)).round(4).tolist(),
        "nearest": float(np.median(nearest)),
    }


def told_apart(make: Any, seed: int) -> tuple[float, float]:
    """How well a fresh discriminator tells images that it never saw from the test images.

    A lower bound on JS in nats, log 2 - loss / 2, and the share of both kinds that it names correctly.
    """
    rng = np.random.default_rng(100 + seed)
    fresh = mlp([64, 128, 128, 2], torch.Generator().manual_seed(100 + seed))
    images = torch.cat([X, make(len(X), rng)])
    real = torch.arange(len(images)) < len(X)
    train_classifier(fresh, images, real.long(), seed, epochs=20)
    with torch.no_grad():
        D_real, D_fake = (
            z[:, 1] - z[:, 0] for z in map(fresh, (TEST, make(len(TEST), rng)))
        )
    right = ((D_real > 0).double().mean() + (D_fake <= 0).double().mean()) / 2
    return float(np.log(2) - discriminator_loss(D_real, D_fake) / 2), float(right)


def judged(judge: nn.Sequential, draws: list[Any]) -> dict[str, Any]:
    """Fréchet distance to the test images at two sizes, classes, nearest image and how well told apart."""
    out: dict[str, Any] = {"450": [], "150": [], "classes": [], "least share": []}
    out |= {"nearest": [], "shares": []}
    reference = features(judge, TEST)
    for i, make in enumerate(draws):
        rng = np.random.default_rng(1000 + i)
        images = make(450, rng)
        some = rng.permutation(450)[:150]
        about = described(judge, images)
        mapped = features(judge, images)
        out["450"].append(frechet_distance(mapped, reference))
        out["150"].append(frechet_distance(mapped[:150], reference[some]))
        out["classes"].append(int((np.array(about["class shares"]) >= 0.01).sum()))
        out["least share"].append(min(about["class shares"]))
        out["nearest"].append(about["nearest"])
        out["shares"].append(about["class shares"])
    out["shares"] = np.mean(out["shares"], axis=0).round(4).tolist()
    told = [told_apart(make, seed) for seed, make in enumerate(draws[:5])]
    out["divergence at least"], out["told apart"] = map(list, zip(*told, strict=True))
    return out


def second_opinion(models: dict[str, list[Any]]) -> dict[str, list[float]]:
    """The same distances in the features of two other networks."""
    out: dict[str, list[float]] = {}
    for seed in (1, 2):
        judge = trained_judge(seed)
        reference = features(judge, TEST)
        for name, draws in models.items():
            images = draws[0](450, np.random.default_rng(7))
            out.setdefault(name, []).append(
                frechet_distance(features(judge, images), reference)
            )
    return out


def floors(judge: nn.Sequential) -> dict[str, Any]:
    """Fréchet distance of two sets of real images, disjoint and of equal size, over random splits."""
    everything = features(judge, torch.cat([X, TEST]))
    rows: dict[str, Any] = {}
    for n in (450, 150):
        values = []
        for seed in DRAWS:
            order = np.random.default_rng(seed).permutation(len(everything))
            halves = everything[order[:n]], everything[order[n : 2 * n]]
            values.append(frechet_distance(*halves))
        rows[str(n)] = values
    return rows


# --- what is judged ----------------------------------------------------------------


def grey(images: np.ndarray) -> torch.Tensor:
    """Images with the 17 grey levels of the data."""
    levels = (np.asarray(images).clip(0, 1) * 16).round() / 16
    return torch.tensor(levels, dtype=torch.float32)


def baselines() -> dict[str, list[Any]]:
    """Samplers of digits without a GAN, ten draws each."""
    images, labels = DATA.X_train, DATA.y_train
    per_class = [
        (images[labels == c].mean(axis=0), np.cov(images[labels == c].T))
        for c in range(10)
    ]
    whole = images.mean(axis=0), np.cov(images.T)
    pca = PCA(30, random_state=0).fit(images)
    mixture = GaussianMixture(20, random_state=0, reg_covar=1e-4)
    mixture.fit(pca.transform(images))
    weights = np.bincount(labels) / len(labels)

    def copies(n, rng):
        return images[rng.permutation(len(images))[:n]]

    def gaussians(n, rng):
        counts = rng.multinomial(n, weights)
        parts = [
            rng.multivariate_normal(*law, size=count, method="eigh")
            for law, count in zip(per_class, counts, strict=True)
        ]
        return rng.permutation(np.concatenate(parts))

    def mixed(n, rng):
        counts = rng.multinomial(n, mixture.weights_)
        parts = [
            rng.multivariate_normal(m, c, size=count)
            for m, c, count in zip(
                mixture.means_, mixture.covariances_, counts, strict=True
            )
        ]
        return pca.inverse_transform(rng.permutation(np.concatenate(parts)))

    samplers: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
        "copies": copies,
        "copies, jittered": lambda n, rng: (
            copies(n, rng) + rng.normal(0, 1 / 16, (n, 64))
        ),
        "Gaussian per class": gaussians,
        "PCA and mixture": mixed,
        "one Gaussian": lambda n, rng: rng.multivariate_normal(
            *whole, size=n, method="eigh"
        ),
        "copies without 8s": lambda n, rng: rng.choice(images[labels != 8], n),
        "noise": lambda n, rng: rng.random((n, 64)),
    }
    return {
        name: [lambda n, rng, f=f: grey(f(n, rng)) for _ in DRAWS]
        for name, f in samplers.items()
    }


def sampler(gan: GAN) -> Callable[[int, np.random.Generator], torch.Tensor]:
    def make(n: int, rng: np.random.Generator) -> torch.Tensor:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return grey(gan.sample(n, generator).numpy())

    return make


def game(seed: int, **options: Any) -> GAN:
    return train_gan(X, seed, steps=STEPS, output=nn.Sigmoid, **options)


def gans(
    judge: nn.Sequential,
) -> tuple[dict[str, list[Any]], list[dict[str, Any]], list[float]]:
    """Trained generators, the sweep of penalty and rate at equal steps, and the game's own discriminators."""
    variants: dict[str, tuple[int, dict[str, Any]]] = {
        "GAN": (5, {}),
        "GAN, last weights": (3, {"average": 0.0}),
        "GAN without R1": (5, {"gamma": 0.0}),
        "without R1, last weights": (3, {"gamma": 0.0, "average": 0.0}),
        "noise instead of R1": (3, {"gamma": 0.0, "noise": 0.1}),
        "GAN, saturating loss": (3, {"loss": saturating_generator_loss}),
    }
    kept = {
        name: [game(seed, **options) for seed in range(count)]
        for name, (count, options) in variants.items()
    }
    with torch.no_grad():
        own = [
            float(np.log(2) - discriminator_loss(D(TEST), D(fakes)) / 2)
            for gan in kept["GAN"]
            for D, fakes in [(gan.discriminator, gan.sample(450, torch.Generator()))]
        ]
    known = {(0.0, 1e-3): kept["GAN without R1"], (1.0, 1e-3): kept["GAN"]}
    rows = []
    for cell in itertools.product((0.0, 0.1, 1.0), (2e-4, 1e-3, 5e-3)):
        gamma, rate = cell
        found = known.get(cell) or [
            game(seed, gamma=gamma, learning_rate=rate) for seed in range(3)
        ]
        about = [fitness(judge, sampler(gan)) for gan in found[:3]]
        distances, classes = map(list, zip(*about, strict=True))
        row = {"gamma": gamma, "rate": rate, "frechet": distances, "classes": classes}
        rows.append(row)
    return {name: [sampler(g) for g in g_s] for name, g_s in kept.items()}, rows, own


def fitness(judge: nn.Sequential, make: Any) -> tuple[float, int]:
    """Fréchet distance to the test images, and classes with at least one sample in a hundred."""
    images = make(450, np.random.default_rng(5))
    distance = frechet_distance(features(judge, images), features(judge, TEST))
    shares = np.array(described(judge, images)["class shares"])
    return distance, int((shares >= 0.01).sum())


# --- agreement and speed -----------------------------------------------------------


def printed_formula(a: np.ndarray, b: np.ndarray) -> float:
    """The Fréchet distance as most programs compute it, with SciPy's matrix square root."""
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    with warnings.catch_warnings():  # SciPy says that a product of these is singular
        warnings.simplefilter("ignore", LinAlgWarning)
        root = np.real(sqrtm(cov_a @ cov_b))
    gap = a.mean(axis=0) - b.mean(axis=0)
    return float(gap @ gap + np.trace(cov_a + cov_b - 2 * root))


def agreement(judge: nn.Sequential) -> dict[str, float]:
    """Largest differences from torch's cross-entropy, SciPy's square root, and a second program of the game."""
    generator = torch.Generator().manual_seed(0)
    real, fake = 10 * torch.randn(2, 1000, generator=generator, dtype=torch.float64)
    one, zero = torch.ones_like(real), torch.zeros_like(fake)
    theirs = binary_cross_entropy_with_logits
    loss = max(
        abs(
            float(
                discriminator_loss(real, fake) - theirs(real, one) - theirs(fake, zero)
            )
        ),
        abs(float(generator_loss(fake) - theirs(fake, one))),
    )
    pixels = DATA.X_train[:450], DATA.X_test
    pairs = [pixels, (features(judge, X[:450]), features(judge, TEST))]
    frechet = max(abs(frechet_distance(*p) / printed_formula(*p) - 1) for p in pairs)
    ours = train_gan(X.double(), 0, steps=5, average=0.0, learning_rate=1e-3)
    networks = plain_game(X.double(), 0, steps=5)
    step = max(
        float((p - q).detach().abs().max())
        for mine, other in zip(ours[:2], networks, strict=True)
        for p, q in zip(mine.parameters(), other.parameters(), strict=True)
    )
    if loss > 1e-12 or frechet > 1e-4 or step > 1e-7:
        raise AssertionError(f"no agreement: {loss}, {frechet}, {step}")
    return {"losses": loss, "frechet, relative": frechet, "five steps": step}


def plain_game(
    X: torch.Tensor, seed: int, steps: int, batch: int = 64
) -> tuple[nn.Module, nn.Module]:
    """The game as a PyTorch tutorial would write it: labels, BCE with logits, R1, Adam."""
    random = torch.Generator().manual_seed(seed)
    G = mlp([16, 128, 128, 64], random).to(X)
    D = mlp([64, 128, 128, 1], random, lambda: nn.LeakyReLU(0.2)).to(X)
    mlp([16, 128, 128, 64], random)
    play_D, play_G = (
        torch.optim.Adam(n.parameters(), 1e-3, betas=(0.0, 0.99)) for n in (D, G)
    )
    one, zero = torch.ones(batch, 1).to(X), torch.zeros(batch, 1).to(X)
    bce = nn.BCEWithLogitsLoss()

    def normal() -> torch.Tensor:
        return torch.empty(batch, 16, dtype=X.dtype).normal_(generator=random)

    for _ in range(steps):
        rows = torch.randint(len(X), (batch,), generator=random)
        fake = G(normal()).detach()
        real = X[rows].requires_grad_()
        judged_real = D(real)
        slope = torch.autograd.grad(judged_real.sum(), real, create_graph=True)[0]
        penalty = (slope**2).sum(dim=1).mean()
        loss = bce(judged_real, one) + bce(D(fake), zero) + 0.5 * penalty
        play_D.zero_grad()
        loss.backward()
        play_D.step()
        loss = bce(D(G(normal())), one)
        play_G.zero_grad()
        loss.backward()
        play_G.step()
    return G, D


def speed(judge: nn.Sequential) -> list[dict[str, Any]]:
    """The peer's time over ours on the same work."""
    mapped = features(judge, X[:450]), features(judge, TEST)
    pixels = DATA.X_train[:450], DATA.X_test
    work = {
        "Fréchet distance, 450 x 128": (
            "scipy.linalg.sqrtm",
            lambda: frechet_distance(*mapped),
            lambda: printed_formula(*mapped),
        ),
        "Fréchet distance, 450 x 64": (
            "scipy.linalg.sqrtm",
            lambda: frechet_distance(*pixels),
            lambda: printed_formula(*pixels),
        ),
        "100 steps of the game": (
            "plain PyTorch loop",
            lambda: train_gan(X, 0, steps=100, average=0.0),
            lambda: plain_game(X, 0, steps=100),
        ),
    }
    rows = []
    for name, (peer, ours, theirs) in work.items():
        times = interleaved({"ours": ours, "peer": theirs}, repeats=REPEATS)
        ratio = times["peer"]["median"] / times["ours"]["median"]
        rows.append({"name": name, "peer": peer, "ratio": ratio, "ms": times})
    whole = interleaved({"ours": lambda: game(0)}, repeats=1)
    rows.append({"name": "training", "seconds": whole["ours"]["median"] / 1000})
    return rows
