"""Ways of training, five seeds each, under the worst of the ensemble; a validation split chooses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torchattacks
from art.attacks.evasion import FastGradientMethod
from art.estimators.classification import PyTorchClassifier
from torch import nn

from companion.classifiers import accuracy, frozen
from companion.datasets import digits
from companion.networks import convnet, mlp
from companion.safety.adversarial_examples import pgd
from companion.safety.adversarial_training import (
    adversarial_training,
    fgsm_loss,
    noise_loss,
    pgd_loss,
    trades_loss,
)
from companion.safety.robustness_evaluation import robust_accuracy
from evidence.record import interleaved

PEERS = ["torchattacks", "adversarial-robustness-toolbox"]
SEEDS = range(5)
EPSILON, BATCH, EPOCHS, WARM_UP = 0.2, 128, 20, 5
RATES = (0.01, 0.02)  # tried on the validation split, for each method
SMALL_RATE = 0.01
CURVE_EPSILON = 0.3
SHOWN = ("standard", "FGSM", "PGD", "TRADES")
fast_loss = partial(pgd_loss, steps=1, reach=1.25)

Images = tuple[torch.Tensor, torch.Tensor]


def standard(model, x, y, epsilon, generator):
    return nn.functional.cross_entropy(model(x), y)


def shifted(model, x, y, epsilon, generator):
    """PGD on images moved by at most one pixel each way, the rows and columns that come in being black."""
    pictures = nn.functional.pad(x.view(-1, 8, 8), (1, 1, 1, 1))
    down, right = torch.randint(3, (2, len(x)), generator=generator)
    moved = [
        p[i : i + 8, j : j + 8] for p, i, j in zip(pictures, down, right, strict=True)
    ]
    return pgd_loss(model, torch.stack(moved).flatten(1), y, epsilon, generator)


# Loss, and how many times the epochs.
LARGE: dict[str, tuple[Callable, int]] = {
    "standard": (standard, 1),
    "uniform noise": (noise_loss, 1),
    "random signs": (partial(noise_loss, corners=True), 1),
    "FGSM": (fgsm_loss, 1),
    "FGSM, 4 times the epochs": (fgsm_loss, 4),
    "PGD": (pgd_loss, 1),
    "TRADES": (trades_loss, 1),
}
SMALL: dict[str, tuple[Callable, int]] = {
    "standard": (standard, 1),
    "standard, 4 times the epochs": (standard, 4),
    "FGSM": (fgsm_loss, 1),
    "FGSM, 4 times the epochs": (fgsm_loss, 4),
    "PGD": (pgd_loss, 1),
    "PGD, 4 times the epochs": (pgd_loss, 4),
    "PGD on shifted images, 4 times the epochs": (shifted, 4),
    "TRADES": (trades_loss, 1),
    "TRADES, 4 times the epochs": (trades_loss, 4),
}
PAIRS = {
    "large": [("PGD", "FGSM, 4 times the epochs"), ("PGD", "FGSM"), ("PGD", "TRADES")],
    "small": [
        ("PGD, 4 times the epochs", "PGD"),
        ("PGD, 4 times the epochs", "FGSM, 4 times the epochs"),
        ("PGD, 4 times the epochs", "TRADES, 4 times the epochs"),
    ],
}


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded."""
    data = digits()
    train = (torch.as_tensor(data.X_train).float(), torch.as_tensor(data.y_train))
    test = (torch.as_tensor(data.X_test).float(), torch.as_tensor(data.y_test))
    found = agreement(train)  # first, because it raises where it fails
    tried, rates = validation(train)
    large, pairs, shown = compared("large", LARGE, rates, train, test)
    small, small_pairs, _ = compared("small", SMALL, {}, train, test)
    return {
        "seeds": len(SEEDS),
        "settings": {
            "epsilon": EPSILON,
            "epochs": EPOCHS,
            "warm-up": WARM_UP,
            "batch": BATCH,
        },
        "agreement": found,
        "speed": speed(train),
        "validation": tried,
        "large": large,
        "small": small,
        "pairs": pairs + small_pairs,
        "shown": shown,
        "curves": curves(rates, train, test),
    }


def trained(
    size: str,
    loss: Callable,
    times: int,
    rate: float,
    seed: int,
    images: Images,
    epsilon: float = EPSILON,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    """One network of one of the two sizes."""
    generator = torch.Generator().manual_seed(seed)
    small = size == "small"
    net = mlp([64, 128, 128, 10], generator) if small else convnet(generator)
    return adversarial_training(
        net,
        *images,
        seed,
        loss,
        epsilon,
        epochs=times * EPOCHS,
        warm_up=times * WARM_UP,
        batch=BATCH,
        learning_rate=rate,
        watch=watch,
    )


def survivors(
    model: nn.Module, images: Images, epsilon: float, losses: tuple[str, ...]
) -> torch.Tensor:
    """Which images survive PGD with each of some losses: cheaper than the ensemble, and more optimistic."""
    x, y = images
    left = torch.ones(len(x), dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    for loss in losses:
        found = pgd(
            *(model, x, y, epsilon),
            steps=20, loss=loss, random_start=True, generator=generator,
        )  # fmt: skip
        with frozen(model), torch.no_grad():
            left &= model(found).argmax(dim=1) == y
    return left


def validation(train: Images) -> tuple[dict[str, Any], dict[str, float]]:
    """Choose each method's rate, with equal tries, on a fifth of the training images."""
    order = torch.randperm(len(train[0]), generator=torch.Generator().manual_seed(99))
    held, rest = order[: len(order) // 5], order[len(order) // 5 :]
    tried: dict[str, Any] = {}
    for name in SHOWN:
        loss, times = LARGE[name]
        tried[name] = {}
        for rate in RATES:
            part = tuple(v[rest] for v in train)
            model = trained("large", loss, times, rate, 99, part)
            out = tuple(v[held] for v in train)
            left = survivors(model, out, EPSILON, ("cross_entropy", "margin"))
            clean = accuracy(model, *out)
            # Standard training has nothing to survive with: its clean accuracy.
            chosen = clean if name == "standard" else float(left.double().mean())
            tried[name][str(rate)] = {"clean": clean, "decides": chosen}
    best = {
        name: float(max(tries, key=lambda r: tries[r]["decides"]))
        for name, tries in tried.items()
    }
    best |= dict.fromkeys(("uniform noise", "random signs"), best["standard"])
    best["FGSM, 4 times the epochs"] = best["FGSM"]
    return tried, best


def compared(
    size: str,
    methods: dict[str, tuple[Callable, int]],
    rates: dict[str, float],
    train: Images,
    test: Images,
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Every method over all seeds: accuracies, images of one network that only another loses, and examples."""
    kinds = ("clean", "PGD-20", "worst", "worst at .1")
    rows = {name: {kind: [] for kind in kinds} for name in methods}
    alive: dict[str, list[torch.Tensor]] = {name: [] for name in methods}
    fooling: dict[str, torch.Tensor] = {}
    for seed in SEEDS:
        for name, (loss, times) in methods.items():
            rate = rates.get(name, SMALL_RATE)
            model = trained(size, loss, times, rate, seed, train)
            result = robust_accuracy(
                *(model, *test, EPSILON),
                image_shape=(1, 8, 8),
                generator=torch.Generator().manual_seed(seed),
            )
            half = survivors(model, test, 0.1, ("cross_entropy", "margin"))
            alone = survivors(model, test, EPSILON, ("cross_entropy",))
            values = (
                accuracy(model, *test),
                float(alone.double().mean()),
                result.accuracy,
                float(half.double().mean()),
            )
            for kind, value in zip(kinds, values, strict=True):
                rows[name][kind].append(round(value, 4))
            alive[name].append(result.survived)
            if seed == 0 and name in SHOWN:
                with torch.no_grad():
                    fooling[name] = torch.cat(
                        [result.adversarial, model(result.adversarial)], dim=1
                    )
    for name, (_, times) in methods.items():
        rows[name]["epochs"] = times * EPOCHS
        rows[name]["gradients"] = times * EPOCHS * gradients(methods[name][0])
        rows[name]["rate"] = rates.get(name, SMALL_RATE)
    pairs = [
        {
            "network": size,
            "first": a,
            "second": b,
            "only first": [int((p & ~q).sum()) for p, q in both(alive, a, b)],
            "only second": [int((q & ~p).sum()) for p, q in both(alive, a, b)],
        }
        for a, b in PAIRS[size]
    ]
    return rows, pairs, examples(fooling, test) if size == "large" else {}


def gradients(loss: Callable) -> int:
    """Gradients that one image costs: the search's, and the one that learns, through two images for TRADES."""
    return {pgd_loss: 8, shifted: 8, trades_loss: 9, fgsm_loss: 2}.get(loss, 1)


def both(alive: dict[str, list[torch.Tensor]], a: str, b: str) -> Any:
    return list(zip(alive[a], alive[b], strict=True))


def examples(fooling: dict[str, torch.Tensor], test: Images) -> dict[str, Any]:
    """The first two test images that fool all four networks of seed 0, each as each network met it."""
    y = test[1]
    wrong = [v[:, 64:].argmax(dim=1) != y for v in fooling.values()]
    rows = torch.stack(wrong).all(dim=0).nonzero().squeeze(1)[:2]
    return {
        "rows": rows.tolist(),
        "images": {
            name: {
                "pixels": v[rows, :64].double().numpy().round(3).tolist(),
                "taken for": v[rows, 64:].argmax(dim=1).tolist(),
            }
            for name, v in fooling.items()
        },
    }


def curves(rates: dict[str, float], train: Images, test: Images) -> dict[str, Any]:
    """Epoch by epoch at the larger radius: what one step and what ten steps leave, for all seeds."""
    methods = {"FGSM": fgsm_loss, "random start": fast_loss, "PGD": pgd_loss}
    out: dict[str, Any] = {}
    for name, loss in methods.items():
        rate = rates["PGD" if name == "PGD" else "FGSM"]
        seen = {kind: np.zeros((len(SEEDS), EPOCHS + 1)) for kind in ("one", "ten")}
        for seed in SEEDS:

            def watch(epoch: int, model: nn.Module, seed: int = seed) -> None:
                for kind, steps in (("one", 1), ("ten", 10)):
                    found = pgd(
                        *(model, *test, CURVE_EPSILON),
                        step=CURVE_EPSILON if steps == 1 else None,
                        steps=steps,
                    )
                    seen[kind][seed, epoch] = accuracy(model, found, test[1])

            trained("large", loss, 1, rate, seed, train, CURVE_EPSILON, watch)
        out[name] = {kind: v.round(4).tolist() for kind, v in seen.items()}
    return {"epsilon": CURVE_EPSILON, **out}


def agreement(train: Images) -> dict[str, Any]:
    """The gradient that one training step takes, here and with images made by two peers."""
    x, y = (v[:BATCH] for v in train)
    model = trained("small", standard, 1, SMALL_RATE, 0, train)
    model.train()
    wrapped = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), (64,), 10, clip_values=(0, 1), device_type="cpu"
    )
    art = FastGradientMethod(wrapped, eps=EPSILON)
    step = 2.5 * EPSILON / 7

    def by_torchattacks():
        torch.manual_seed(3)
        attack = torchattacks.PGD(model, EPSILON, step, 7, random_start=True)
        return attack(x, y)

    peers = {
        "PGD, torchattacks": (pgd_loss, by_torchattacks),
        "FGSM, torchattacks": (
            fgsm_loss,
            lambda: torchattacks.FGSM(model, EPSILON)(x, y),
        ),
        "FGSM, ART": (
            fgsm_loss,
            lambda: torch.as_tensor(art.generate(x.numpy(), y.numpy())),
        ),
    }
    differences = {}
    for name, (loss, images) in peers.items():
        generator = torch.Generator().manual_seed(3)
        ours = slopes(model, loss(model, x, y, EPSILON, generator))
        value = nn.functional.cross_entropy(model(images()), y)
        differences[name] = relative(ours, slopes(model, value))
    # In float64: where a network is sure, the divergence's first slopes are float32's rounding.
    model, x = model.double(), x.double()
    generator = torch.Generator().manual_seed(3)
    ours = slopes(model, trades_loss(model, x, y, EPSILON, generator))
    differences["TRADES, its formula"] = relative(
        ours, slopes(model, formula(model, x, y))
    )
    # Images agree to 1e-7 of rounding; a sign that flips would show as 1e-3.
    assert max(differences.values()) < 1e-4, differences
    return {"largest relative difference": differences}


def formula(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """TRADES from its definition, p log(p / q), and its search written out."""
    generator = torch.Generator().manual_seed(3)
    z = x + 0.001 * torch.empty_like(x).normal_(generator=generator)
    z = z.clamp(0, 1)

    def kl(at):
        p, q = (model(v).softmax(dim=1) for v in (x, at))
        return (p * (p / q).log()).sum()

    for _ in range(7):
        z = z.detach().requires_grad_()
        (slope,) = torch.autograd.grad(kl(z), z)
        z = z.detach() + 2.5 * EPSILON / 7 * slope.sign()
        z = torch.min(torch.max(z, x - EPSILON), x + EPSILON).clamp(0, 1)
    return nn.functional.cross_entropy(model(x), y) + 6 * kl(z.detach()) / len(x)


def slopes(model: nn.Module, value: torch.Tensor) -> torch.Tensor:
    return torch.cat(
        [g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))]
    )


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def speed(train: Images) -> list[dict[str, Any]]:
    """One step's gradient with seven steps of PGD, images made here and by torchattacks, otherwise the same."""
    x, y = (v[:BATCH] for v in train)
    rows = []
    for name in ("small", "large"):
        model = trained(name, standard, 1, SMALL_RATE, 0, train).train()
        attack = torchattacks.PGD(model, EPSILON, 2.5 * EPSILON / 7, 7)
        generator = torch.Generator().manual_seed(0)

        def peer(model=model, attack=attack):
            slopes(model, nn.functional.cross_entropy(model(attack(x, y)), y))

        def ours(model=model, generator=generator):
            slopes(model, pgd_loss(model, x, y, EPSILON, generator))

        times = interleaved({"ours": ours, "theirs": peer}, repeats=15)
        ratio = times["theirs"]["median"] / times["ours"]["median"]
        rows.append(
            {
                "name": f"one step of PGD training, {name} network",
                "peer": "torchattacks",
                "ratio": ratio,
                "times": times,
            }
        )
    return rows
