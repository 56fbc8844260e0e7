"""SAM beside plain descent, decay, a lower rate, early stopping and random directions, at equal gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from companion.classifiers import accuracy
from companion.datasets import digits
from companion.networks import mlp
from companion.safety.sharpness_aware_minimization import sam_step, sharpness
from evidence.record import interleaved

PEERS: list[str] = []
SEEDS = range(5)
NOISE = 0.4
HELD_OUT = 270
GRADIENTS = 60  # passes over the data, in gradients
RATE = 0.05
CHECKS = 15

DATA = digits()
X, Y = torch.tensor(DATA.X_train, dtype=torch.float32), torch.tensor(DATA.y_train)
TEST, LABELS = torch.tensor(DATA.X_test, dtype=torch.float32), torch.tensor(DATA.y_test)

# Three settings for each method, chosen among on noisy labels that were held out.
SETTINGS: dict[str, list[dict[str, float]]] = {
    "plain": [{}],
    "lower rate": [{"rate": 0.02}, {"rate": 0.01}, {"rate": 0.005}],
    "weight decay": [{"decay": 0.002}, {"decay": 0.005}, {"decay": 0.01}],
    "random direction": [{"noise": 0.1}, {"noise": 0.3}, {"noise": 1.0}],
    "SAM": [{"rho": 0.1}, {"rho": 0.3}, {"rho": 0.5}],
}


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where the second way disagrees."""
    race = compared(NOISE, list(SETTINGS))
    return {
        "agreement": agreement(),
        "speed": speed(),
        "seeds": len(SEEDS),
        "passes": GRADIENTS,
        "held out": HELD_OUT,
        "noisy": race,
        "clean": compared(0.0, ["plain", "SAM"]),
        "harder": {
            name: harder(race[name]["setting"])
            for name in ("plain", "lower rate", "SAM")
        },
    }


def noisy(seed: int, share: float, following: bool = False) -> tuple[torch.Tensor, ...]:
    """Training and held-out images, a share of whose labels is another digit, any or the following one."""
    g = torch.Generator().manual_seed(seed)
    wrong = torch.rand(len(Y), generator=g) < share
    shift = torch.randint(1, 10, Y.shape, generator=g)
    other = (Y + (1 if following else shift)) % 10
    y = torch.where(wrong, other, Y)
    order = torch.randperm(len(Y), generator=g)
    held, kept = order[:HELD_OUT], order[HELD_OUT:]
    return X[kept], y[kept], X[held], y[held]


def random_step(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    closure: Callable[[], torch.Tensor],
    size: float,
    g: torch.Generator,
) -> None:
    """One step with the gradient at a random point at distance `size`: the ablation of the direction."""
    parameters = list(net.parameters())
    noise = [torch.randn(p.shape, generator=g) for p in parameters]
    length = torch.cat([n.flatten() for n in noise]).norm()
    saved = [p.detach().clone() for p in parameters]
    optimizer.zero_grad()
    with torch.no_grad():
        for p, n in zip(parameters, noise, strict=True):
            p.add_(n, alpha=float(size / length))
    closure().backward()
    with torch.no_grad():
        for p, there in zip(parameters, saved, strict=True):
            p.copy_(there)
    optimizer.step()


def train(
    seed: int,
    share: float,
    rho: float = 0.0,
    rate: float = RATE,
    decay: float = 0.0,
    noise: float = 0.0,
    passes: int = GRADIENTS,
    following: bool = False,
) -> dict[str, Any]:
    """One network: accuracies on the way and at the end, and how sharp its loss is; SAM makes half the passes."""
    x, y, held, held_y = noisy(seed, share, following)
    net = mlp([64, 128, 128, 10], torch.Generator().manual_seed(seed))
    optimizer = torch.optim.SGD(
        net.parameters(), lr=rate, momentum=0.9, weight_decay=decay
    )
    g = torch.Generator().manual_seed(seed)
    epochs = passes // 2 if rho else passes
    path = []
    for epoch in range(1, epochs + 1):
        for rows in torch.randperm(len(x), generator=g).split(64):

            def closure(rows: torch.Tensor = rows) -> torch.Tensor:
                return nn.functional.cross_entropy(net(x[rows]), y[rows])

            if noise:
                random_step(net, optimizer, closure, noise, g)
            elif rho:
                sam_step(net, optimizer, closure, rho)
            else:
                optimizer.zero_grad()
                closure().backward()
                optimizer.step()
        if epoch % (epochs // CHECKS) == 0:
            path.append([accuracy(net, held, held_y), accuracy(net, TEST, LABELS)])
    steep = sharpness(net, lambda: nn.functional.cross_entropy(net(x), y), 0.1)
    return {"path": path, "fit": accuracy(net, x, y), "sharpness": steep}


def compared(share: float, methods: list[str]) -> dict[str, Any]:
    """Every method with the setting of the best mean accuracy on held-out noisy labels, last and early stopped."""
    results = {}
    for method in methods:
        settings = SETTINGS[method]
        runs = [
            [train(seed, share, **setting) for seed in SEEDS] for setting in settings
        ]
        paths = np.array([[run["path"] for run in row] for row in runs])
        # (settings, seeds, checks, held out or test)
        best = int(paths[:, :, -1, 0].mean(axis=1).argmax())
        path = paths[best]
        stop = path[:, :, 0].argmax(axis=1)
        results[method] = {
            "setting": settings[best],
            "held out": (100 * paths[:, :, -1, 0].mean(axis=1)).round(2).tolist(),
            "path": (100 * path[:, :, 1]).round(2).tolist(),
            "last": (100 * path[:, -1, 1]).tolist(),
            "stopped": (100 * path[np.arange(len(stop)), stop, 1]).tolist(),
            "fit": [100 * run["fit"] for run in runs[best]],
            "sharpness": [run["sharpness"] for run in runs[best]],
        }
    return results


def harder(setting: dict[str, float]) -> dict[str, list[float]]:
    """Accuracy at the end after twice the gradients, and where each wrong label is the following digit."""
    changes: dict[str, dict[str, Any]] = {
        "twice as long": {"passes": 2 * GRADIENTS},
        "following digit": {"following": True},
    }
    return {
        name: [
            100 * train(seed, NOISE, **setting, **change)["path"][-1][1]
            for seed in SEEDS
        ]
        for name, change in changes.items()
    }


def two_passes(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    closure: Callable[[], torch.Tensor],
    rho: float,
) -> None:
    """The published algorithm in its usual form: two backward passes, the ascent added and taken away again."""
    optimizer.zero_grad()
    closure().backward()
    parameters = list(net.parameters())
    with torch.no_grad():
        length = torch.stack([p.grad.norm() for p in parameters]).norm()
        ascent = [p.grad * rho / (length + 1e-12) for p in parameters]
        for p, e in zip(parameters, ascent, strict=True):
            p.add_(e)
    optimizer.zero_grad()
    closure().backward()
    with torch.no_grad():
        for p, e in zip(parameters, ascent, strict=True):
            p.sub_(e)
    optimizer.step()


def agreement() -> dict[str, Any]:
    """Largest difference of a parameter after 50 steps, from the usual form and from the closed form."""
    x, y, _, _ = noisy(0, NOISE)
    x, worst = x.double(), {}
    for name in ("SGD", "Adam"):
        nets = []
        for step in (sam_step, two_passes):
            net = mlp([64, 32, 10], torch.Generator().manual_seed(0)).double()
            optimizer: torch.optim.Optimizer = (
                torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
                if name == "SGD"
                else torch.optim.Adam(net.parameters())
            )
            for _ in range(50):
                step(
                    net,
                    optimizer,
                    lambda n=net: nn.functional.cross_entropy(n(x), y),
                    0.3,
                )
            nets.append(nn.utils.parameters_to_vector(net.parameters()).detach())
        worst[f"two passes, {name}"] = float((nets[0] - nets[1]).abs().max())
    if max(worst.values()) > 1e-9:
        raise AssertionError(f"the two forms differ: {worst}")
    return worst


def speed() -> dict[str, Any]:
    """The time of the usual form, and of a plain step, over ours; one batch of 64."""
    work: dict[str, Callable[[], object]] = {}
    for name, step in (("ours", sam_step), ("two passes", two_passes), ("plain", None)):
        net = mlp([64, 128, 128, 10], torch.Generator().manual_seed(0))
        optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=0.9)
        work[name] = lambda n=net, o=optimizer, s=step: fifty(n, o, s)
    times = interleaved(work, repeats=9)
    ratio = {k: v["median"] / times["ours"]["median"] for k, v in times.items()}
    return {"ratio": ratio, "ms": times}


def fifty(net: nn.Module, optimizer: torch.optim.Optimizer, step: Any) -> None:
    """Fifty steps of one kind."""

    def closure() -> torch.Tensor:
        return nn.functional.cross_entropy(net(X[:64]), Y[:64])

    for _ in range(50):
        if step is None:
            optimizer.zero_grad()
            closure().backward()
            optimizer.step()
        else:
            step(net, optimizer, closure, 0.05)
