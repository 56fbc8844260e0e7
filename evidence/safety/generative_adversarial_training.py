"""Generators of perturbations over five seeds: as an attack, as an opponent in training, and what each costs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torchattacks
from art.attacks.evasion import FastGradientMethod
from art.estimators.classification import PyTorchClassifier
from torch import nn

from companion.classifiers import accuracy, frozen
from companion.datasets import digits
from companion.networks import mlp
from companion.safety.adversarial_examples import fgsm, pgd
from companion.safety.adversarial_training import (
    adversarial_training,
    fgsm_loss,
    noise_loss,
    pgd_loss,
)
from companion.safety.generative_adversarial_training import (
    attacker_loss,
    in_box,
    train_attacker,
)
from companion.safety.robustness_evaluation import robust_accuracy
from evidence.record import interleaved

PEERS = ["torchattacks", "adversarial-robustness-toolbox"]
SEEDS = range(5)
RADII = (0.1, 0.2)
EPOCHS = 20  # of a classifier, and of a fresh attacker: 11 batches of 128 each
WARM_UP = 5
RATE = 1e-3  # of an attacker; `rates` compares it with a third and three times of it

data = digits()
X, y = torch.tensor(data.X_train, dtype=torch.float32), torch.tensor(data.y_train)
X_test, y_test = (
    torch.tensor(data.X_test, dtype=torch.float32),
    torch.tensor(data.y_test),
)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "seeds": len(SEEDS),
        "test images": len(X_test),
        "training images": len(X),
        "agreement": agreement(),
        "rates": rates(),
        "attack": attack(),
        "forms": forms(),
        "training": training(),
        "time": times(),
    }


def random(seed: int) -> torch.Generator:
    """A source of random numbers."""
    return torch.Generator().manual_seed(seed)


def classifier(seed: int) -> nn.Module:
    """The chapter's quick network, untrained."""
    return mlp([64, 128, 128, 10], random(seed))


def new_attacker(seed: int) -> nn.Module:
    """A generator of perturbations, untrained; its seeds lie far from the classifiers'."""
    return mlp([64, 128, 128, 64], random(10_000 + seed))


class Universal(nn.Module):
    """An attacker that does not look at the image: one perturbation for all."""

    def __init__(self) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.raw.expand_as(x)


def left(
    model: nn.Module, attacker: nn.Module, epsilon: float, x: Any = None, y: Any = None
) -> float:
    """Percent of images named correctly after the attacker's one pass."""
    x, y = (X_test, y_test) if x is None else (x, y)
    with torch.no_grad():
        return 100 * accuracy(model, in_box(x, attacker(x), epsilon), y)


def standard(seed: int, rows: slice = slice(None)) -> nn.Module:
    """A classifier that was trained on images as they are."""
    return adversarial_training(
        classifier(seed), X[rows], y[rows], seed, noise_loss, 0.0, epochs=EPOCHS
    )


# Agreement


def plain_attack(
    form: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor],
    attacker: nn.Module,
    model: nn.Module,
    epsilon: float,
    seed: int,
    *,
    epochs: int = EPOCHS,
    rate: float = RATE,
    x: Any = None,
) -> nn.Module:
    """The training of an attacker in plain torch, with the form of its output passed in."""
    x = X if x is None else x
    optimiser = torch.optim.Adam(attacker.parameters(), lr=rate)
    order = random(seed)
    model.requires_grad_(False)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=order).split(128):
            logits = model(form(x[rows], attacker(x[rows]), epsilon))
            own = torch.nn.functional.one_hot(y[rows], 10).bool()
            lead = logits.masked_fill(own, -torch.inf).amax(1) - logits[own]
            loss = torch.relu(-lead).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.requires_grad_(True)
    return attacker


def sigmoid_box(x: torch.Tensor, raw: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Inside the box by construction."""
    low, high = torch.clamp(x - epsilon, 0, 1), torch.clamp(x + epsilon, 0, 1)
    return low + (high - low) * torch.sigmoid(raw)


def clamped_tanh(x: torch.Tensor, raw: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Into the ball, then clipped to [0, 1]: no gradient where the clipping bites."""
    return (x + epsilon * torch.tanh(raw)).clamp(0, 1)


def through_tanh(x: torch.Tensor, raw: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The same values, but with the gradient of what was not clipped."""
    free = x + epsilon * torch.tanh(raw)
    return free + (free.clamp(0, 1) - free).detach()


def agreement() -> dict[str, Any]:
    """One game and one attack against independent programs; FGSM against two libraries."""
    plain = _plain_game()
    network, attacker = classifier(0).double(), new_attacker(0).double()
    adversarial_training(
        network,
        X.double(),
        y,
        0,
        attacker_loss(attacker, steps=2),
        0.2,
        epochs=2,
        warm_up=0,
    )
    game = max(
        float((ours - theirs).detach().abs().max())
        for ours, theirs in zip(
            [*network.parameters(), *attacker.parameters()], plain, strict=True
        )
    )
    model = standard(0)
    exact = copy.deepcopy(model).double()
    pair = [
        train_attacker(
            new_attacker(1).double(), exact, X.double(), y, 0.2, seed=0, epochs=2
        ),
        plain_attack(
            sigmoid_box,
            new_attacker(1).double(),
            exact,
            0.2,
            0,
            epochs=2,
            x=X.double(),
        ),
    ]
    alone = max(
        float((a - b).detach().abs().max())
        for a, b in zip(pair[0].parameters(), pair[1].parameters(), strict=True)
    )
    ours = fgsm(model, X_test, y_test, 0.2)
    art = PyTorchClassifier(model, nn.CrossEntropyLoss(), (64,), 10, clip_values=(0, 1))
    theirs = {
        "torchattacks": torchattacks.FGSM(model, eps=0.2)(X_test, y_test),
        "adversarial-robustness-toolbox": torch.as_tensor(
            FastGradientMethod(art, eps=0.2).generate(X_test.numpy(), y_test.numpy())
        ),
    }
    far = {name: float((x - ours).abs().max()) for name, x in theirs.items()}
    # Adam divides by the size of a gradient, so the rounding of float64 grows from step to step.
    if max(game, alone) > 1e-9 or max(far.values()) > 1e-6:
        raise AssertionError(f"disagreement: {game}, {alone}, {far}")
    return {
        "game, 22 batches, float64": game,
        "attack, 22 batches, float64": alone,
        "fgsm": far,
    }


def _plain_game() -> list[torch.Tensor]:
    """Two epochs of the game in plain torch: the weights of classifier and attacker."""
    network, attacker, x = (
        classifier(0).double(),
        new_attacker(0).double(),
        X.double(),
    )
    order = random(0)
    torch.randint(2**62, (1,), generator=order)  # drawn for losses that draw
    theirs = torch.optim.Adam(network.parameters(), lr=5e-3)
    cycle = torch.optim.lr_scheduler.OneCycleLR(theirs, 5e-3, total_steps=22)
    its = torch.optim.Adam(attacker.parameters(), lr=RATE)
    for _ in range(2):
        for rows in torch.randperm(len(x), generator=order).split(128):
            labels = y[rows]
            for _ in range(2):
                logits = network(sigmoid_box(x[rows], attacker(x[rows]), 0.2))
                own = torch.nn.functional.one_hot(labels, 10).bool()
                lead = logits.masked_fill(own, -torch.inf).amax(1) - logits[own]
                its.zero_grad()
                torch.relu(-lead).mean().backward()
                its.step()
            bad = sigmoid_box(x[rows], attacker(x[rows]), 0.2).detach()
            both = network(torch.cat([x[rows], bad])).log_softmax(1)
            theirs.zero_grad()
            (-both.gather(1, labels.repeat(2)[:, None]).mean()).backward()
            theirs.step()
            cycle.step()
    return [*network.parameters(), *attacker.parameters()]


# An attack on a classifier that stands still


def rates() -> dict[str, Any]:
    """The rate of each attacker, chosen on a quarter of the training images and other seeds: three tries each."""
    learn, judge = slice(0, 1010), slice(1010, None)
    tries = {"generator": (3e-4, 1e-3, 3e-3), "universal": (0.03, 0.1, 0.3)}
    makers = {"generator": new_attacker, "universal": lambda seed: Universal()}
    found: dict[str, Any] = {name: {} for name in tries}
    for name, candidates in tries.items():
        for rate in candidates:
            remaining = []
            for seed in (100, 101, 102):
                model = standard(seed, learn)
                attacker = train_attacker(
                    makers[name](seed),
                    model,
                    X[learn],
                    y[learn],
                    0.2,
                    seed,
                    epochs=EPOCHS,
                    learning_rate=rate,
                )
                remaining.append(left(model, attacker, 0.2, X[judge], y[judge]))
            found[name][str(rate)] = remaining
    return found


def attack() -> dict[str, Any]:
    """Accuracy of standard classifiers under each attack: five classifiers, both radii."""
    result: dict[str, Any] = {}
    for epsilon in RADII:
        rows: dict[str, list[float]] = {}
        for seed in SEEDS:
            model = standard(seed)
            learnt = {
                "universal": train_attacker(
                    Universal(), model, X, y, epsilon, seed, learning_rate=0.1
                ),
                "generator": train_attacker(
                    new_attacker(seed), model, X, y, epsilon, seed
                ),
            }
            signs = 2.0 * torch.randint(2, X_test.shape, generator=random(seed)) - 1
            images = {
                "clean": X_test,
                "random signs": (X_test + epsilon * signs).clamp(0, 1),
                "fgsm": fgsm(model, X_test, y_test, epsilon),
                "pgd": pgd(
                    model, X_test, y_test, epsilon, steps=20, generator=random(seed)
                ),
            }
            for name, x in images.items():
                rows.setdefault(name, []).append(100 * accuracy(model, x, y_test))
            for name, attacker in learnt.items():
                rows.setdefault(name, []).append(left(model, attacker, epsilon))
        result[str(epsilon)] = rows
    return result


def forms() -> list[dict[str, Any]]:
    """Three forms of an attacker's output, four rates, five classifiers, radius .2; how saturated it is."""
    rows = []
    shapes = {
        "box": sigmoid_box,
        "clamped tanh": clamped_tanh,
        "straight-through": through_tanh,
    }
    models = [standard(seed) for seed in SEEDS]
    for name, form in shapes.items():
        for rate in (1e-3, 5e-3, 1e-2, 3e-2):
            remaining, saturated = [], []
            for seed, model in zip(SEEDS, models, strict=True):
                attacker = plain_attack(
                    form, new_attacker(seed), model, 0.2, seed, rate=rate
                )
                with torch.no_grad():
                    raw = attacker(X_test)
                    x = form(X_test, raw, 0.2).clamp(0, 1)
                # of the box 2 sigmoid - 1 = tanh(raw / 2) lies in [-1, 1], too
                inner = torch.tanh(raw / 2 if name == "box" else raw)
                remaining.append(100 * accuracy(model, x, y_test))
                saturated.append(float((inner.abs() > 0.999).float().mean()))
            rows.append(
                {
                    "form": name,
                    "rate": rate,
                    "accuracy": remaining,
                    "saturated": saturated,
                }
            )
    return rows


# A classifier that learns from it


def half(loss: Any) -> Any:
    """Clean images and changed ones in equal shares, as in `attacker_loss`."""

    def both(network: Any, x: Any, y: Any, epsilon: float, generator: Any) -> Any:
        clean = nn.functional.cross_entropy(network(x), y)
        return (clean + loss(network, x, y, epsilon, generator)) / 2

    return both


# What the classifier learns from, epochs, and gradients through it for each image and
# epoch: the search's, one for the clean image and one for the changed.
OTHERS: dict[str, tuple[Any, int, int]] = {
    "none": (noise_loss, EPOCHS, 1),
    "random signs": (half(partial(noise_loss, corners=True)), 30, 2),
    "fgsm": (half(fgsm_loss), EPOCHS, 3),
    "random signs, long": (half(partial(noise_loss, corners=True)), 70, 2),
    "fgsm, long": (half(fgsm_loss), 47, 3),
    "pgd": (half(partial(pgd_loss, steps=5)), EPOCHS, 7),
}
GAMES: dict[str, tuple[int, int]] = {  # steps of the attacker, epochs until a new one
    "generator, 1 step": (1, EPOCHS),
    "generator, 5 steps": (5, EPOCHS),
    "generator, reset": (5, 2),
}


def training() -> dict[str, Any]:
    """Every way of training, both radii, five seeds."""
    result: dict[str, Any] = {}
    for epsilon in RADII:
        rows: dict[str, Any] = {}
        for name, (loss, epochs, cost) in OTHERS.items():
            rows[name] = {"gradients": epochs * cost}
            for seed in SEEDS:
                network = adversarial_training(
                    classifier(seed),
                    X,
                    y,
                    seed,
                    loss,
                    0.0 if name == "none" else epsilon,
                    epochs=epochs,
                    warm_up=WARM_UP,
                )
                judged(rows[name], network, None, epsilon, seed, name)
        for name, (steps, life) in GAMES.items():
            rows[name] = {"gradients": EPOCHS * (steps + 2)}
            for seed in SEEDS:
                network, attacker = game(seed, epsilon, steps, life)
                judged(rows[name], network, attacker, epsilon, seed, name)
        result[str(epsilon)] = rows
    return result


def game(
    seed: int, epsilon: float, steps: int, life: int, epochs: int = EPOCHS
) -> tuple[nn.Module, nn.Module]:
    """A classifier and the last attacker it met; a new one enters every `life` epochs."""
    now: dict[str, Any] = {}

    def watch(epoch: int, network: nn.Module) -> None:
        if epoch % life == 0 and epoch < epochs:
            now["attacker"] = new_attacker(1000 * (epoch // life) + seed)
            now["loss"] = attacker_loss(
                now["attacker"], steps=steps, learning_rate=RATE
            )

    network = adversarial_training(
        classifier(seed),
        X,
        y,
        seed,
        lambda *given: now["loss"](*given),
        epsilon,
        epochs=epochs,
        warm_up=WARM_UP,
        watch=watch,
    )
    return network, now["attacker"]


def judged(
    row: dict[str, Any],
    network: nn.Module,
    attacker: nn.Module | None,
    epsilon: float,
    seed: int,
    name: str,
) -> None:
    """Add a seed: clean, own, own trained on, the best of three fresh attackers, FGSM, the worst of all."""
    survived = robust_accuracy(
        network,
        X_test,
        y_test,
        epsilon,
        image_shape=(1, 8, 8),
        generator=random(seed),
    ).survived
    attackers: dict[str, list[nn.Module]] = {}
    if not (name == "none" or name.endswith("long")):
        attackers["fresh"] = [
            train_attacker(
                new_attacker(50_000 + 3 * seed + start), network, X, y, epsilon, start
            )
            for start in range(3)
        ]
    if attacker is not None:
        attackers["own"] = [attacker]
        further = copy.deepcopy(attacker)
        train_attacker(further, network, X, y, epsilon, seed + 7)
        attackers["trained on"] = [further]
    values = {
        "clean": 100 * accuracy(network, X_test, y_test),
        "fgsm": 100 * accuracy(network, fgsm(network, X_test, y_test, epsilon), y_test),
    }
    for kind, those in attackers.items():
        values[kind] = min(left(network, other, epsilon) for other in those)
        for other in those:
            survived = survived & survives(network, other, epsilon)
    if name.startswith("fgsm"):
        values["own"] = values["fgsm"]
    elif name == "pgd":  # the search of pgd_loss, which climbs half of epsilon a step
        x = pgd(
            network,
            X_test,
            y_test,
            epsilon,
            step=0.5 * epsilon,
            steps=5,
            best=False,
            random_start=True,
            generator=random(seed),
        )
        values["own"] = 100 * accuracy(network, x, y_test)
    values["worst"] = 100 * float(survived.double().mean())
    for key, value in values.items():
        row.setdefault(key, []).append(value)


def survives(network: nn.Module, attacker: nn.Module, epsilon: float) -> torch.Tensor:
    """Which test images are still named correctly after the attacker's one pass."""
    with frozen(network), torch.no_grad():
        return network(in_box(X_test, attacker(X_test), epsilon)).argmax(1) == y_test


# Time


def times() -> dict[str, Any]:
    """Training and attacking, interleaved; ratios to standard training and to FGSM."""
    work: dict[str, Callable[[], object]] = {
        name: partial(adversarial_training, classifier(0), X, y, 0, loss, 0.2, epochs=2)
        for name, (loss, _, _) in OTHERS.items()
        if not name.endswith("long")
    }
    work |= {
        name: partial(game, 0, 0.2, steps, life, 2)
        for name, (steps, life) in GAMES.items()
    }
    train = interleaved(work, repeats=5)
    model, attacker = standard(0), new_attacker(0)

    def one_pass() -> torch.Tensor:
        with torch.no_grad():
            return in_box(X_test, attacker(X_test), 0.2)

    use = interleaved(
        {
            "generator": one_pass,
            "fgsm": lambda: fgsm(model, X_test, y_test, 0.2),
            "pgd": lambda: pgd(
                model, X_test, y_test, 0.2, steps=20, generator=random(0)
            ),
        },
        repeats=25,
    )
    ours, plain = (
        lambda: train_attacker(new_attacker(0), model, X, y, 0.2, 0, epochs=2),
        lambda: plain_attack(sigmoid_box, new_attacker(0), model, 0.2, 0, epochs=2),
    )
    same = interleaved({"ours": ours, "plain": plain}, repeats=9)
    return {
        "training, times standard": {
            name: t["median"] / train["none"]["median"] for name, t in train.items()
        },
        "one pass, times fgsm": {
            name: t["median"] / use["fgsm"]["median"] for name, t in use.items()
        },
        "plain program over ours": same["plain"]["median"] / same["ours"]["median"],
        "ms": {"training": train, "attacking": use, "same work": same},
    }
