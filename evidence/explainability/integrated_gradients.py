"""Integrated gradients beside captum; the exact integral, the rules and other paths over several seeds."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from captum.attr import GradientShap, IntegratedGradients, LayerConductance
from torch import nn

from companion.datasets import digits
from companion.explainability.integrated_gradients import (
    conductance,
    exact_integrated_gradients,
    expected_gradients,
    integrated_gradients,
)
from companion.networks import convnet, mlp
from companion.scores import class_score, score_gradients
from companion.training import train_classifier
from evidence.record import interleaved

PEERS = ["captum"]
SEEDS = range(5)
STEPS = (2, 4, 8, 16, 32, 64, 128, 256)
REPEATS = 9
THEIRS = {
    "gauss": "gausslegendre",
    "midpoint": "riemann_middle",
    "left": "riemann_left",
    "right": "riemann_right",
    "trapezoid": "riemann_trapezoid",
}
DATA = digits()
X_TEST = torch.from_numpy(DATA.X_test)
Y_TEST = torch.from_numpy(DATA.y_test)
BLACK = torch.zeros(64, dtype=torch.float64)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "exact": exact(),
        "rules": rules(),
        "paths": paths(),
        "speed": speed(),
    }


def trained(network: nn.Module, seed: int, epochs: int) -> nn.Module:
    """A classifier of the digits, in float64."""
    X = torch.from_numpy(DATA.X_train).float()
    y = torch.from_numpy(DATA.y_train)
    return train_classifier(network, X, y, seed, epochs=epochs).double()


def digit_mlp(seed: int, activation: Any = nn.ReLU) -> nn.Module:
    """The lesson's model."""
    network = mlp([64, 128, 128, 10], torch.Generator().manual_seed(seed), activation)
    return trained(network, seed, epochs=15)


def agreement() -> dict[str, Any]:
    """Largest differences from captum in float64, rule by rule; its trapezoid lacks 1/n of its weight."""
    worst = dict.fromkeys(THEIRS, 0.0)
    x, b = X_TEST[:16], X_TEST[16]
    for model in (digit_mlp(0), trained(convnet(torch.Generator()), 0, epochs=1)):
        f, peer = class_score(model, 3), IntegratedGradients(model)
        for rule, name in THEIRS.items():
            for steps in (2, 7, 50):
                ours = integrated_gradients(f, x, b, steps=steps, rule=rule)
                if rule == "trapezoid":
                    ours = ours * (steps - 1) / steps
                theirs = peer.attribute(
                    x, b[None], target=3, n_steps=steps, method=name
                )
                gap = float((ours - theirs).abs().max())
                worst[rule] = max(worst[rule], gap)
    if max(worst.values()) > 1e-6:
        raise AssertionError(f"integrated gradients disagree: {worst}")
    return {
        "largest difference": worst,
        "share of weight in captum's trapezoid": {
            str(n): (n - 1) / n for n in (2, 10, 50)
        },
        "expected gradients": sampled(),
        "conductance": hidden(),
    }


def sampled() -> dict[str, Any]:
    """Expected gradients and captum's GradientShap: the means of twenty runs, in joint standard errors."""
    model = digit_mlp(0, nn.Tanh)
    x, background, f = X_TEST[:3], X_TEST[50:70], class_score(model, 3)
    peer = GradientShap(model)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 (captum draws its places on the paths from here)
    runs = {
        "ours": [
            expected_gradients(
                f,
                x,
                background,
                samples=500,
                generator=torch.Generator().manual_seed(s),
            )
            for s in range(20)
        ],
        "theirs": [
            peer.attribute(x, background, n_samples=500, stdevs=0.0, target=3)
            for _ in range(20)
        ],
    }
    means = {name: torch.stack(r).mean(dim=0) for name, r in runs.items()}
    variance = sum(torch.stack(r).var(dim=0) / 20 for r in runs.values())
    gap = (means["ours"] - means["theirs"]).abs()
    moved = variance > 0
    z = float((gap[moved] / variance[moved].sqrt()).max())
    if z > 6 or float(gap[~moved].max() if (~moved).any() else 0) > 1e-12:
        raise AssertionError(f"expected gradients disagree: {z} standard errors")
    return {"runs": 20, "samples": 500, "largest difference in standard errors": z}


def hidden() -> dict[str, Any]:
    """How far the conductances of a layer of a smooth net are from adding up, in our code and in captum's."""
    gaps: dict[str, list[float]] = {"ours": [], "captum": []}
    difference: dict[int, list[float]] = {50: [], 500: []}
    for seed in SEEDS:
        model = digit_mlp(seed, nn.Tanh)
        f, x = class_score(model, 3), X_TEST[:16]
        with torch.no_grad():
            change = f(x) - f(BLACK[None])
        ours = conductance(model[:2], class_score(model[2:], 3), x, BLACK, steps=50)
        gaps["ours"].append(float((ours.sum(dim=1) - change).abs().max()))
        peer = LayerConductance(model, model[1])
        for steps, far in difference.items():
            theirs = peer.attribute(x, BLACK[None], target=3, n_steps=steps).detach()
            far.append(float((theirs - ours).abs().max()))
            if steps == 50:
                gaps["captum"].append(float((theirs.sum(dim=1) - change).abs().max()))
    if max(gaps["ours"]) > 1e-10:
        raise AssertionError(f"conductance does not add up: {gaps}")
    worst = {str(steps): max(far) for steps, far in difference.items()}
    if worst["500"] > worst["50"] / 5:
        raise AssertionError(f"captum's conductance does not approach ours: {worst}")
    return {"steps": 50, "seeds": len(SEEDS), "gap": gaps, "difference": worst}


def pieces(model: nn.Module, index: int, x: torch.Tensor, b: torch.Tensor) -> int:
    """How many gradients the exact integral of one row asks for."""
    asked: list[int] = []
    hook = model.register_forward_pre_hook(lambda _, given: asked.append(len(given[0])))
    exact_integrated_gradients(model, index, x, b)
    hook.remove()
    return sum(rows for rows in asked if rows > 1)


def exact() -> list[dict[str, Any]]:
    """Completeness of the exact integral, and each attribution beside a very fine midpoint rule."""
    results = []
    for name, count, steps in (
        ("MLP 10-64-64-1, random", 5, 100_000),
        ("digits MLP", 5, 20_000),
        ("digits convnet", 3, 10_000),
    ):
        gap = fine = 0.0
        most, moved = 0, 0.0
        for seed in range(count):
            g = torch.Generator().manual_seed(seed)
            if name.startswith("MLP"):
                model, index = mlp([10, 64, 64, 1], g).double(), 0
                x, b = torch.randn(2, 3, 10, generator=g, dtype=torch.float64)
            else:
                model = (
                    digit_mlp(seed) if "MLP" in name else trained(convnet(g), seed, 3)
                )
                index, x, b = int(Y_TEST[seed]), X_TEST[seed : seed + 3], BLACK
            f = class_score(model, index)
            found = exact_integrated_gradients(model, index, x, b)
            change = f(x) - f(b.expand_as(x))
            near = integrated_gradients(f, x, b, steps=steps, rule="midpoint")
            gap = max(gap, float((found.sum(dim=1) - change).abs().max()))
            fine = max(fine, float((found - near).abs().max()))
            moved = max(moved, float(found.abs().max()))
            rows = zip(x.split(1), b.expand_as(x).split(1), strict=True)
            most = max(most, *(pieces(model, index, *row) for row in rows))
        if gap > 1e-10 or fine > 100 * moved / steps:
            raise AssertionError(f"{name}: gap {gap}, from fine quadrature {fine}")
        results.append(
            {
                "net": name,
                "seeds": count,
                "rows": 3 * count,
                "gap": gap,
                "largest difference": fine,
                "steps of the fine quadrature": steps,
                "largest attribution": moved,
                "most pieces": most,
            }
        )
    return results


def rules() -> dict[str, Any]:
    """Mean over 20 digits of the largest error of an attribution, by rule, steps and seed."""
    errors: dict[str, dict[str, list[list[float]]]] = {}
    counts = []
    for name, activation in (("tanh", nn.Tanh), ("relu", nn.ReLU)):
        errors[name] = {"gauss": [], "midpoint": []}
        for seed in SEEDS:
            model = digit_mlp(seed, activation)
            f, x = class_score(model, 3), X_TEST[:20]
            if name == "relu":
                truth = exact_integrated_gradients(model, 3, x, BLACK)
                counts += [pieces(model, 3, row, BLACK[None]) for row in x.split(1)]
            else:
                truth = integrated_gradients(f, x, BLACK, steps=400)
            for rule, curves in errors[name].items():
                curves.append(
                    [
                        float(
                            (
                                integrated_gradients(
                                    f, x, BLACK, steps=steps, rule=rule
                                )
                                - truth
                            )
                            .abs()
                            .amax(dim=1)
                            .mean()
                        )
                        for steps in STEPS
                    ]
                )
    return {
        "seeds": len(SEEDS),
        "images": 20,
        "steps": STEPS,
        "error": errors,
        "pieces of the exact integral": {
            "mean": float(np.mean(counts)),
            "most": max(counts),
        },
    }


def along(model: nn.Module, index: int, corners: list[torch.Tensor]) -> torch.Tensor:
    """The exact attributions of a path with corners, leg by leg."""
    legs = itertools.pairwise(corners)
    return sum(
        exact_integrated_gradients(model, index, end, start) for start, end in legs
    )


def paths() -> dict[str, Any]:
    """Complete maps of the same digits beside the straight one: correlation and greatest difference."""
    names = (
        *("upper half first", "row by row", "by way of white"),
        *("scaled gradient", "scaled gradient times input", "scaled image"),
    )
    likeness: dict[str, list[float]] = {name: [] for name in names}
    difference: dict[str, list[float]] = {name: [] for name in names}
    worst, flipped, accuracy = 0.0, [], []
    for seed in SEEDS:
        model = digit_mlp(seed)
        with torch.no_grad():
            right = model(X_TEST).argmax(dim=1) == Y_TEST
        accuracy.append(float(right.double().mean()))
        per_image: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for x, k in zip(X_TEST[:30].split(1), Y_TEST[:30].tolist(), strict=True):
            f, black = class_score(model, k), BLACK[None]
            with torch.no_grad():
                change = f(x) - f(black)
            straight = exact_integrated_gradients(model, k, x, black)
            rows = [x * (torch.arange(64) < 8 * r) for r in range(9)]
            slope = score_gradients(f, x)
            maps = {
                "upper half first": along(model, k, [black, rows[4], x]),
                "row by row": along(model, k, rows),
                "by way of white": along(model, k, [black, torch.ones_like(x), x]),
                "scaled gradient": slope * change / slope.sum(),
                "scaled gradient times input": x * slope * change / (x * slope).sum(),
                "scaled image": x * change / x.sum(),  # asks the net for its sum only
            }
            for name, found in maps.items():
                scale = max(1.0, float(found.abs().sum()))
                worst = max(worst, float((found.sum() - change).abs()) / scale)
                alike = float(np.corrcoef(found[0], straight[0])[0, 1])
                far = (found - straight).abs().max() / straight.abs().max()
                per_image[name].append((alike, float(far)))
        for name, values in per_image.items():
            alike, far = np.median(values, axis=0)
            likeness[name].append(float(alike))
            difference[name].append(float(far))
        turned = []
        for k in range(10):
            x = X_TEST[torch.eq(Y_TEST, k)]
            f = class_score(model, k)
            slope = score_gradients(f, x).sum(dim=1)
            with torch.no_grad():
                turned.append(((f(x) - f(BLACK[None])) * slope < 0).double())
        flipped.append(float(torch.cat(turned).mean()))
    if worst > 1e-10:
        raise AssertionError(f"a path is not complete: {worst}")
    return {
        "seeds": len(SEEDS),
        "images": 30,
        "accuracy": accuracy,
        "median correlation with the straight path": likeness,
        "median largest difference over largest attribution": difference,
        "share of scaled gradients with every sign turned": flipped,
        "largest relative gap": worst,
    }


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same work, in float32."""
    results = []
    g = torch.Generator().manual_seed(0)
    nets = {"MLP": mlp([64, 128, 128, 10], g), "convnet": convnet(g)}
    for name, model in nets.items():
        f, peer = class_score(model.eval(), 3), IntegratedGradients(model)
        for count in (1, 64):
            x = X_TEST[:count].float()
            b = torch.zeros_like(x)
            work = {
                "ours": lambda f=f, x=x, b=b: integrated_gradients(f, x, b, steps=50),
                "peer": lambda p=peer, x=x, b=b: p.attribute(
                    x, b, target=3, n_steps=50
                ),
            }
            for size in (256, 1024) if count > 1 else ():
                work[f"peer, {size} points at once"] = lambda p=peer, x=x, b=b, s=size: (
                    p.attribute(x, b, target=3, n_steps=50, internal_batch_size=s)
                )
            images = "one image" if count == 1 else f"{count} images"
            results.append(
                ratio(f"50 steps, {name}, {images}", "IntegratedGradients", work)
            )
        cut = 2 if name == "MLP" else 3
        back, layer = (
            class_score(model[cut:], 3),
            LayerConductance(model, model[cut - 1]),
        )
        work = {
            "ours": lambda m=model[:cut], k=back, x=x, b=b: conductance(
                m, k, x[:8], b[:8], steps=50
            ),
            "peer": lambda p=layer, x=x, b=b: p.attribute(
                x[:8], b[:8], target=3, n_steps=50
            ),
        }
        results.append(
            ratio(f"conductance, {name}, 8 images", "LayerConductance", work)
        )
        x64, b64 = X_TEST[:1], BLACK[None]
        double = {"MLP": digit_mlp(0), "convnet": trained(convnet(g), 0, 1)}[name]
        standard = IntegratedGradients(double)
        work = {
            "ours": lambda m=double, x=x64, b=b64: exact_integrated_gradients(
                m, 3, x, b
            ),
            "peer": lambda p=standard, x=x64, b=b64: p.attribute(
                x, b, target=3, n_steps=50
            ),
        }
        results.append(
            ratio(
                f"exact, {name}, one image", "IntegratedGradients with 50 steps", work
            )
        )
    return results


def ratio(name: str, peer: str, work: dict[str, Any]) -> dict[str, Any]:
    """One line of the comparison, against the quickest of the peer's settings."""
    calls = 10 if "one image" in name else 1
    times = interleaved(
        {n: lambda w=w: [w() for _ in range(calls)] for n, w in work.items()}, REPEATS
    )
    theirs = min(t["median"] for key, t in times.items() if key != "ours")
    quotient = theirs / times["ours"]["median"]
    return {"name": name, "peer": f"captum, {peer}", "ratio": quotient, "ms": times}
