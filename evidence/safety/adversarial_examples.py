"""Attacks beside torchattacks, foolbox and ART, and over seeds beside noise and at equal gradients."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable
from typing import Any

import foolbox
import numpy as np
import torch
import torchattacks
from art.attacks.evasion import ProjectedGradientDescentPyTorch
from art.estimators.classification import PyTorchClassifier
from torch import nn

from companion.classifiers import accuracy, frozen
from companion.datasets import digits
from companion.networks import convnet, mlp
from companion.safety.adversarial_examples import (
    carlini_wagner_l2,
    fgsm,
    margin_loss,
    pgd,
)
from companion.training import train_classifier
from evidence.record import interleaved

PEERS = ["torchattacks", "foolbox", "adversarial-robustness-toolbox"]
SEEDS = range(5)
MANY = range(10)  # for the attacks of one radius, which are quick
Distances = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
RADII = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3]
STEP, STEPS = 0.025, 20

warnings.filterwarnings("ignore")
logging.getLogger("art").setLevel(logging.ERROR)
DATA = digits()
X, Y = torch.tensor(DATA.X_train, dtype=torch.float32), torch.tensor(DATA.y_train)
TEST, LABELS = torch.tensor(DATA.X_test, dtype=torch.float32), torch.tensor(DATA.y_test)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    nets = {
        "MLP": mlp([64, 128, 128, 10], torch.Generator().manual_seed(0)),
        "CNN": convnet(torch.Generator().manual_seed(0)),
    }
    for net in nets.values():
        train_classifier(net, X, Y, seed=0)
    return {
        "agreement": [row for name in nets for row in agreement(name, nets[name])],
        "speed": [row for name in nets for row in speed(name, nets[name])],
        "seeds": len(MANY),
        "radii": RADII,
        "left": over_seeds(),
        "nearest": nearest(),
    }


def agreement(name: str, net: nn.Module) -> list[dict[str, Any]]:
    """Largest difference of a pixel from the peers, with the same start, step and number of steps."""
    fb = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    images, shaped = TEST[:64], TEST[:64].view(-1, 1, 8, 8)
    y = LABELS[:64]
    # In the Euclidean norm rounding is carried along from step to step: in float64.
    exact = copy.deepcopy(net).double()
    square = nn.Sequential(nn.Flatten(), exact)
    shaped = shaped.double()
    same = {"step": STEP, "steps": STEPS, "best": False}
    l2 = {"step": 0.1, "steps": STEPS, "norm": "l2", "best": False}
    linf = torchattacks.PGD(net, 0.2, STEP, STEPS, random_start=False)
    linf_random = torchattacks.PGD(net, 0.2, STEP, STEPS)
    # The peer adds 1e-10 to every length of a gradient unless told otherwise.
    theirs_l2 = {"eps": 0.9, "alpha": 0.1, "steps": STEPS, "eps_for_division": 1e-30}
    l2_theirs = torchattacks.PGDL2(square, random_start=False, **theirs_l2)
    l2_random = torchattacks.PGDL2(square, **theirs_l2)
    art = art_pgd(net)

    def seeded(attack: Callable[..., torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(7)
        return attack(x, y)

    def start() -> dict[str, Any]:
        return {"random_start": True, "generator": torch.Generator().manual_seed(7)}

    ours = pgd(net, images, y, 0.2, **same)
    two = pgd(square, shaped, y, 0.9, **l2)
    fb_exact = foolbox.PyTorchModel(square, bounds=(0, 1), device="cpu")
    fb_l2 = foolbox.attacks.L2PGD(
        abs_stepsize=0.1, steps=STEPS, random_start=False
    ).run(fb_exact, shaped, y, epsilon=0.9)
    cw = carlini_wagner_l2(net, images, y, searches=5)
    cw_theirs = foolbox_cw(5).run(fb, images, y)
    random = pgd(net, images, y, 0.2, **same, **start())
    random_l2 = pgd(square, shaped, y, 0.9, **l2, **start())
    fb_linf = foolbox_pgd().run(fb, images, y, epsilon=0.2)
    arts = torch.tensor(art.generate(images.numpy(), y.numpy()))
    one = torchattacks.FGSM(net, 0.2)(images, y)
    length = (cw_theirs - images).norm(dim=1)
    pairs = [
        ("FGSM", "torchattacks", one, fgsm(net, images, y, 0.2)),
        ("PGD linf", "torchattacks", linf(images, y), ours),
        ("PGD linf", "foolbox", fb_linf, ours),
        ("PGD linf", "ART", arts, ours),
        ("PGD linf, random start", "torchattacks", seeded(linf_random, images), random),
        ("PGD l2", "torchattacks", l2_theirs(shaped, y), two),
        ("PGD l2", "foolbox", fb_l2, two),
        ("PGD l2, random start", "torchattacks", seeded(l2_random, shaped), random_l2),
        ("Carlini-Wagner, length", "foolbox", length, cw.distance),
    ]
    rows = []
    for attack, peer, theirs, mine in pairs:
        far = float((theirs - mine).abs().max())
        if far > 1e-6:
            raise AssertionError(f"{attack} on the {name}: {peer} differs by {far}")
        rows.append({"attack": attack, "net": name, "peer": peer, "difference": far})
    return rows


def foolbox_pgd() -> Any:
    """The peer's PGD with the step and the number of steps of this program."""
    return foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=False)


def foolbox_cw(searches: int) -> Any:
    """The peer's Carlini-Wagner attack with the package's defaults, never stopped early."""
    return foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=searches,
        steps=100,
        stepsize=0.1,
        initial_const=1e-3,
        abort_early=False,
    )


def art_pgd(net: nn.Module) -> Any:
    """ART's PGD in its form for PyTorch, one batch."""
    wrapped = PyTorchClassifier(
        net, nn.CrossEntropyLoss(), (64,), 10, clip_values=(0, 1), device_type="cpu"
    )
    options = {"eps": 0.2, "eps_step": STEP, "max_iter": STEPS, "batch_size": 450}
    return ProjectedGradientDescentPyTorch(
        wrapped, norm=np.inf, verbose=False, **options
    )


def speed(name: str, net: nn.Module) -> list[dict[str, Any]]:
    """The peers' time over ours: the same iterates, so the last one, not the best."""
    fb = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    theirs = torchattacks.PGD(net, 0.2, STEP, STEPS, random_start=False)
    art, fool = art_pgd(net), foolbox_pgd()
    same = {"step": STEP, "steps": STEPS}
    rows = []
    for n in (1, 64, 450):
        x, y = TEST[:n], LABELS[:n]
        work = {
            "ours": lambda x=x, y=y: pgd(net, x, y, 0.2, best=False, **same),
            "ours, best kept": lambda x=x, y=y: pgd(net, x, y, 0.2, **same),
            "torchattacks": lambda x=x, y=y: theirs(x, y),
            "foolbox": lambda x=x, y=y: fool.run(fb, x, y, epsilon=0.2),
            "ART": lambda x=x, y=y: art.generate(x.numpy(), y.numpy()),
        }
        times = interleaved(work, repeats={1: 51, 64: 21, 450: 5}[n])
        rows += ratios(f"PGD, 20 steps, {name}, batch {n}", times)
    work = {
        "ours": lambda: carlini_wagner_l2(net, TEST[:64], LABELS[:64], searches=3),
        "foolbox": lambda: foolbox_cw(3).run(fb, TEST[:64], LABELS[:64]),
    }
    times = interleaved(work, repeats=3)
    return rows + ratios(f"Carlini-Wagner, {name}, batch 64", times)


def ratios(name: str, times: dict[str, Any]) -> list[dict[str, Any]]:
    """One line for each peer."""
    own = times["ours"]["median"]
    return [
        {"name": name, "peer": peer, "ratio": t["median"] / own, "ms": [own, t]}
        for peer, t in times.items()
        if peer != "ours"
    ]


def universal(net: nn.Module, epsilon: float) -> torch.Tensor:
    """One change for all images, learnt on the training images by 100 signed steps."""
    change = torch.zeros(64)
    with frozen(net):
        for _ in range(100):
            change.requires_grad_()
            loss = nn.functional.cross_entropy(net((X + change).clamp(0, 1)), Y)
            (gradient,) = torch.autograd.grad(loss, change)
            change = change.detach() + epsilon / 20 * gradient.sign()
            change = change.clamp(-epsilon, epsilon)
    return change


def over_seeds() -> dict[str, Any]:
    """Percent of 450 test images that are still named correctly, by attack, radius and seed."""
    left: dict[str, list[list[float]]] = {}
    pairs: dict[str, list[list[int]]] = {
        name: [[] for _ in MANY] for name in ("FGSM alone", "PGD alone")
    }
    for seed in MANY:
        net = mlp([64, 128, 128, 10], torch.Generator().manual_seed(seed))
        train_classifier(net, X, Y, seed)
        for epsilon in RADII:
            signs = torch.Generator().manual_seed(seed)
            noise = torch.randint(0, 2, TEST.shape, generator=signs) * 2 - 1
            start = {"random_start": True, "generator": signs}
            tries = [
                pgd(net, TEST, LABELS, epsilon, steps=5, **start) for _ in range(4)
            ]
            one = fgsm(net, TEST, LABELS, epsilon)
            last = pgd(net, TEST, LABELS, epsilon, best=False)
            best = pgd(net, TEST, LABELS, epsilon)
            found = {
                "random signs": (TEST + epsilon * noise).clamp(0, 1),
                "universal": (TEST + universal(net, epsilon)).clamp(0, 1),
                "FGSM": one,
                "PGD-20": best,
                "PGD-20, long steps": pgd(net, TEST, LABELS, epsilon, step=epsilon / 2),
                "PGD-20, last": last,
                "PGD-20, margin": pgd(net, TEST, LABELS, epsilon, loss="margin"),
            }
            percent = {k: 100 * accuracy(net, v, LABELS) for k, v in found.items()}
            survive = torch.stack([correct(net, x) for x in tries]).all(dim=0)
            percent["PGD-5, 4 starts"] = 100 * float(survive.double().mean())
            for name, value in percent.items():
                left.setdefault(name, [[] for _ in MANY])[seed].append(value)
            ok = correct(net, one), correct(net, best)
            pairs["FGSM alone"][seed].append(int((~ok[0] & ok[1]).sum()))
            pairs["PGD alone"][seed].append(int((ok[0] & ~ok[1]).sum()))
    return {"percent": left, "images": pairs}


def correct(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Which test images are named correctly."""
    with torch.no_grad():
        return net(x).argmax(dim=1) == LABELS[: len(x)]


def shrinking_pgd(
    net: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    rounds: int,
    steps: int,
    pace: float,
) -> torch.Tensor:
    """Smallest Euclidean change that PGD finds when each image's radius is bisected from 2."""
    low, high = torch.zeros(len(x)), torch.full((len(x),), 2.0)
    distance = torch.full((len(x),), torch.inf)
    for turn in range(rounds):
        radius = high if turn == 0 else (low + high) / 2
        found = pgd(
            net,
            x,
            y,
            radius,
            step=pace * radius / steps,
            steps=steps,
            norm="l2",
            loss="margin",
        )
        with torch.no_grad():
            fooled = margin_loss(net(found), y) > 0
        length = (found - x).norm(dim=1)
        distance = torch.where(fooled, torch.minimum(distance, length), distance)
        high, low = torch.where(fooled, radius, high), torch.where(fooled, low, radius)
    return distance


def nearest() -> dict[str, Any]:
    """Carlini-Wagner beside PGD with a bisected radius: 900 gradients for an image each, 3 settings tried each."""
    settings: dict[str, Distances] = {}
    for rate in (0.03, 0.1, 0.3):
        settings[f"Carlini-Wagner, rate {rate}"] = lambda net, x, y, rate=rate: (
            carlini_wagner_l2(net, x, y, learning_rate=rate).distance
        )
    for pace in (2.5, 5.0, 10.0):
        settings[f"PGD, pace {pace}"] = lambda net, x, y, pace=pace: shrinking_pgd(
            net, x, y, 9, 100, pace
        )
    nets = []
    for seed in SEEDS:
        net = mlp([64, 128, 128, 10], torch.Generator().manual_seed(seed))
        nets.append(train_classifier(net, X, Y, seed))
    tried = {
        name: float(attack(nets[0], X[:100], Y[:100]).median())
        for name, attack in settings.items()
    }
    chosen = {
        kind: min((n for n in tried if n.startswith(kind)), key=tried.__getitem__)
        for kind in ("Carlini-Wagner", "PGD")
    }
    results: dict[str, Any] = {
        "images": 100,
        "gradients": 900,
        "median on training images": tried,
        "chosen": chosen,
        "median": {kind: [] for kind in chosen},
        "found": {kind: [] for kind in chosen},
        "nearer by a hundredth": {kind: [] for kind in chosen},
        "weak": [],
    }
    for net in nets:
        found = {
            kind: settings[name](net, TEST[:100], LABELS[:100])
            for kind, name in chosen.items()
        }
        cw, bisected = found["Carlini-Wagner"], found["PGD"]
        for kind, mine, other in (
            ("Carlini-Wagner", cw, bisected),
            ("PGD", bisected, cw),
        ):
            results["median"][kind].append(float(mine.median()))
            results["found"][kind].append(int(mine.isfinite().sum()))
            nearer = int((mine < 0.99 * other).sum())
            results["nearer by a hundredth"][kind].append(nearer)
    # Too few and too small steps: a mean over the successes says that images are near.
    for net in nets:
        x, y = TEST[:100], LABELS[:100]
        weak = carlini_wagner_l2(net, x, y, learning_rate=0.01, steps=30).distance
        full = carlini_wagner_l2(net, x, y).distance
        ok = weak.isfinite()
        # The last but one: what the full attack needs for the same, easy images.
        means = weak[ok].mean(), full[ok].mean(), full.mean()
        row = [ok.double().mean(), weak.median(), *means]
        results["weak"].append([float(value) for value in row])
    return results
