"""APGD and square attack beside torchattacks and ART; scaled logits, masked gradients and ensembles over seeds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torchattacks
from art.attacks.evasion import AutoProjectedGradientDescent, SquareAttack
from art.estimators.classification import PyTorchClassifier
from torch import nn

from companion.classifiers import accuracy
from companion.datasets import digits
from companion.networks import convnet, mlp
from companion.safety.adversarial_examples import margin_loss, pgd
from companion.safety.robustness_evaluation import (
    apgd,
    dlr_loss,
    masking_report,
    robust_accuracy,
    square_attack,
)
from companion.training import train_classifier
from evidence.record import interleaved

PEERS = ["torchattacks", "adversarial-robustness-toolbox"]
SHAPE = (1, 8, 8)
SMALL, LARGE = 0.1, 0.2  # for plain nets, and for those trained against PGD
SETTING, CHECKING = range(3), range(3, 8)  # seeds that set thresholds, and that check
SCALES = (1, 10, 100)
QUERIES = 500

data = digits()
X, Y = torch.tensor(data.X_train).float(), torch.tensor(data.y_train)
x, y = torch.tensor(data.X_test).float(), torch.tensor(data.y_test)
square = partial(square_attack, image_shape=SHAPE)
margin = partial(apgd, loss="margin")


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    plain = [plain_net(seed) for seed in range(8)]
    hard = [hard_net(seed) for seed in range(8)]
    return {
        "images": len(y),
        "agreement": agreement(hard[:2]),
        "strength": strength(hard[:2]),
        "speed": speed(hard[0]),
        "last pixel": last_pixel(),
        "scales": scales(plain[:5]),
        "convolutional": convolutional([conv_net(seed) for seed in range(2)]),
        "ensemble": ensemble(hard[:5]),
        "masking": masking(plain, hard),
    }


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain_net(seed: int) -> nn.Module:
    """The chapter's small net, trained as usual."""
    net = mlp([64, 128, 128, 10], seeded(seed))
    return train_classifier(net, X, Y, seed, epochs=40, learning_rate=2e-3)


def conv_net(seed: int) -> nn.Module:
    """The chapter's convolutional net."""
    net = convnet(seeded(seed))
    return train_classifier(net, X, Y, seed, epochs=15, learning_rate=5e-3)


def hard_net(seed: int) -> nn.Module:
    """The same net, trained on what five steps of PGD make of each batch."""
    net, draws = mlp([64, 128, 128, 10], seeded(seed)), seeded(seed)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(15):
        radius = LARGE * min(1.0, (epoch + 1) / 5)
        for rows in torch.randperm(len(X), generator=draws).split(64):
            worse = pgd(
                net,
                X[rows],
                Y[rows],
                radius,
                steps=5,
                random_start=True,
                generator=draws,
                best=False,
            )
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(worse), Y[rows]).backward()
            optimiser.step()
    return net.eval()


def cross_entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(logits, y, reduction="none")


class Square8(nn.Module):
    """A net of flat images, asked about square ones, as the peers want them."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images.flatten(1))


class Around(nn.Module):
    """A net behind something, or with something behind it."""

    def __init__(self, net: nn.Module, before: Callable | None, scale: float = 1.0):
        super().__init__()
        self.net, self.before, self.scale = net, before, scale

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.before is not None:
            images = self.before(images)
        return self.scale * self.net(images)


def left(net: nn.Module, radius: float, attack: Callable, seed: int = 0) -> float:
    """The accuracy that one attack leaves."""
    return robust_accuracy(
        net, x, y, radius, attacks={"it": attack}, generator=seeded(seed)
    ).accuracy


def survivors(net: nn.Module, adversarial: Any) -> float:
    """The accuracy on images that a peer returned."""
    flat = torch.as_tensor(adversarial).reshape(len(x), -1)
    far = float((flat.detach() - x).abs().max())
    if far > LARGE + 1e-6 or flat.min() < 0 or flat.max() > 1:
        raise AssertionError(f"a peer left its bounds: {far}")
    return accuracy(net, flat, y)


# The peers


def agreement(nets: list[nn.Module]) -> list[dict[str, Any]]:
    """APGD's answers beside torchattacks' points of largest loss, from the same start, image by image.

    The peer's point of largest loss need not fool where another did; ours then does.  With a loss that can be
    negative the peer's first comparison differs, because it is with zero instead of the start's loss.
    """
    rows = []
    for name, ours, theirs in (
        ("cross-entropy", cross_entropy, "ce"),
        ("DLR", dlr_loss, "dlr"),
    ):
        row = {"images": 0, "equal": 0, "only ours fools": 0, "equal loss": 0}
        largest = 0.0
        for seed, net in enumerate(nets):
            model = Square8(net).eval()
            mine = apgd(net, x, y, LARGE, steps=100, loss=ours, generator=seeded(seed))
            peer = torchattacks.APGD(model, eps=LARGE, steps=100, loss=theirs)
            torch.manual_seed(seed)
            _, best = peer.perturb(x.view(-1, *SHAPE), y, best_loss=True)
            best = best.flatten(1)
            with torch.no_grad():
                z, own = net(best), net(mine)
            far = (best - mine).abs().amax(dim=1)
            same = far <= 1e-6
            only = ~same & (z.argmax(dim=1) == y) & (own.argmax(dim=1) != y)
            level = ~same & ~only & ((ours(z, y) - ours(own, y)).abs() < 1e-5)
            largest = max(largest, float(far[same].max()))
            for count, images in (
                ("images", same | ~same),
                ("equal", same),
                ("only ours fools", only),
                ("equal loss", level),
            ):
                row[count] += int(images.sum())
        if row["equal"] < 0.9 * row["images"]:
            raise AssertionError(f"APGD on {name}: {row}")
        rows.append({"loss": name, **row, "largest difference": largest})
    return rows


def peers(
    net: nn.Module, queries: int = QUERIES
) -> dict[str, dict[str, Callable[[], Any]]]:
    """The same attack with the same budget, by each program."""
    model, images = Square8(net).eval(), x.view(-1, *SHAPE)
    classifier = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), SHAPE, 10, clip_values=(0, 1), device_type="cpu"
    )
    name = f"square, {queries} queries"
    art = {
        "APGD, 50 steps": AutoProjectedGradientDescent(
            classifier,
            eps=LARGE,
            eps_step=2 * LARGE,
            max_iter=50,
            nb_random_init=1,
            batch_size=len(x),
            loss_type="cross_entropy",
            verbose=False,
        ),
        name: SquareAttack(
            classifier,
            eps=LARGE,
            max_iter=queries - 1,
            nb_restarts=1,
            batch_size=len(x),
            verbose=False,
        ),
    }
    other = {
        "APGD, 50 steps": torchattacks.APGD(model, eps=LARGE, steps=50),
        name: torchattacks.Square(model, eps=LARGE, n_queries=queries - 1),
    }
    ours = {"APGD, 50 steps": apgd, name: partial(square, queries=queries)}
    labels = np.eye(10)[y.numpy()]
    return {
        name: {
            "ours": partial(ours[name], net, x, y, LARGE, generator=seeded(0)),
            "torchattacks": partial(other[name], images, y),
            "ART": partial(art[name].generate, images.numpy(), labels),
        }
        for name in ours
    }


def strength(nets: list[nn.Module]) -> list[dict[str, Any]]:
    """The accuracy that each program leaves, over the nets."""
    rows: dict[str, dict[str, list[float]]] = {}
    for seed, net in enumerate(nets):
        for attack, programs in peers(net).items():
            for program, run in programs.items():
                np.random.seed(seed)  # noqa: NPY002  (what ART draws from)
                torch.manual_seed(seed)
                row = rows.setdefault(attack, {}).setdefault(program, [])
                row.append(survivors(net, run()))
    return [{"attack": attack, "left": by} for attack, by in rows.items()]


def speed(net: nn.Module) -> list[dict[str, Any]]:
    """The peers' time over ours, on all test images at once."""
    rows = []
    for attack, work in peers(net, queries=100).items():
        times = interleaved(work, repeats=3)
        for program in ("torchattacks", "ART"):
            quotient = times[program]["median"] / times["ours"]["median"]
            rows.append({"attack": attack, "peer": program, "ratio": quotient})
        rows[-1]["ms"] = times
    return rows


def last_pixel() -> dict[str, float]:
    """A net that hears the last pixel alone: how many of the images can each square attack fool?"""

    class Last(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            heard = images.flatten(1)[:, -1]
            return torch.stack([0.5 - heard, heard - 0.5], dim=1)

    net = Last()
    images, labels = torch.full((400, 64), 0.45), torch.zeros(400, dtype=torch.int64)
    stacked = images.view(-1, *SHAPE)
    classifier = PyTorchClassifier(
        net, nn.CrossEntropyLoss(), SHAPE, 2, clip_values=(0, 1), device_type="cpu"
    )
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  (what ART draws from)
    found = {
        "ours": square(net, images, labels, SMALL, generator=seeded(0)),
        "torchattacks": torchattacks.Square(
            net, eps=SMALL, n_queries=QUERIES - 1, seed=0
        )(stacked, labels),
        "ART": torch.tensor(
            SquareAttack(
                classifier,
                eps=SMALL,
                max_iter=QUERIES - 1,
                batch_size=400,
                verbose=False,
            ).generate(stacked.numpy(), np.eye(2)[labels.numpy()])
        ),
    }
    return {
        name: 1 - accuracy(net, f.view(400, 64), labels) for name, f in found.items()
    }


# Logits times a hundred


def float64(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    generator: torch.Generator,
) -> torch.Tensor:
    """Untargeted cross-entropy with sixteen digits instead of seven."""
    found = apgd(
        model.double(), images.double(), labels, epsilon, generator=generator
    ).float()
    model.float()
    return torch.clamp(
        found, (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)
    )


def standardised(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits that the attacker has scaled to a deviation of one."""
    return cross_entropy(logits / logits.detach().std(dim=1, keepdim=True), y)


def aimed(label: int) -> Callable:
    def loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return -cross_entropy(logits, torch.full_like(y, label))

    return partial(apgd, steps=20, loss=loss)


def towards(label: int, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return -margin_loss(logits, torch.full_like(y, label))


# APGD towards each class in turn: as many gradients as four starts of 50 steps.
TARGETS: dict[str, Callable] = {
    str(c): partial(apgd, steps=20, loss=partial(towards, c)) for c in range(10)
}
LOSSES: dict[str, dict[str, Callable]] = {
    "untargeted cross-entropy": {"it": apgd},
    "the same in float64": {"it": float64},
    "the same, logits rescaled": {"it": partial(apgd, loss=standardised)},
    "untargeted cross-entropy, 4 starts": {str(i): apgd for i in range(4)},
    "margin, 4 starts": {str(i): margin for i in range(4)},
    "targeted cross-entropy": {str(c): aimed(c) for c in range(10)},
    "targeted margin": TARGETS,
    "margin": {"it": margin},
    "DLR": {"it": partial(apgd, loss=dlr_loss)},
}


def scales(nets: list[nn.Module]) -> dict[str, Any]:
    """What each loss leaves of plain nets whose logits are multiplied, and where the gradient is zero."""
    rows: dict[str, Any] = {name: {str(s): [] for s in SCALES} for name in LOSSES}
    still: dict[str, list[float]] = {str(s): [] for s in SCALES}
    above, below = [], []
    for seed, net in enumerate(nets):
        for scale in SCALES:
            model = Around(net, None, scale)
            for name, attacks in LOSSES.items():
                result = robust_accuracy(
                    model, x, y, SMALL, attacks=attacks, generator=seeded(seed)
                )
                rows[name][str(scale)].append(result.accuracy)
            images = x.clone().requires_grad_()
            logits = model(images)
            (slope,) = torch.autograd.grad(cross_entropy(logits, y).sum(), images)
            zero = (slope == 0).all(dim=1)
            gap = -margin_loss(logits.detach(), y)
            above += gap[zero].tolist()
            below += gap[~zero].tolist()
            still[str(scale)].append(float(zero.double().mean()))
    return {
        "nets": len(nets),
        "scales": SCALES,
        "left": rows,
        "zero gradient": still,
        "smallest gap with zero gradient": min(above),
        "largest gap without": max(below),
        "images": len(above) + len(below),
    }


def convolutional(nets: list[nn.Module]) -> dict[str, Any]:
    """The two losses on convolutional nets, as they are and times 100."""
    return {
        name: {
            str(scale): [
                left(Around(net, None, scale), SMALL, attack, seed)
                for seed, net in enumerate(nets)
            ]
            for scale in (1, 100)
        }
        for name, attack in (("untargeted cross-entropy", apgd), ("margin", margin))
    }


# The ensemble


def ensemble(nets: list[nn.Module]) -> dict[str, Any]:
    """The worst for each image beside the lowest average of one attack, and beside far more effort."""
    single = {
        "APGD, cross-entropy": {"it": apgd},
        "APGD, margin": {"it": margin},
        "square": {"it": square},
        # As many gradients as the ensemble, and the part of it that aims.
        "APGD, cross-entropy, 6 starts": {str(i): apgd for i in range(6)},
        "APGD, each class": TARGETS,
    }
    default, tuned = "PGD, default step", "PGD, best of three steps"
    rows: dict[str, list[float]] = {
        name: [] for name in (default, tuned, *single, "worst")
    }
    broken: dict[str, int] = {}
    for seed, net in enumerate(nets):
        steps = [
            left(net, LARGE, partial(climb, LARGE * share), seed)
            for share in (0.05, 0.1, 0.25)
        ]
        rows[default].append(steps[0])
        rows[tuned].append(min(steps))
        for name, attacks in single.items():
            found = robust_accuracy(
                net, x, y, LARGE, attacks=attacks, generator=seeded(seed)
            )
            rows[name].append(found.accuracy)
        result = robust_accuracy(
            net, x, y, LARGE, image_shape=SHAPE, generator=seeded(seed)
        )
        rows["worst"].append(result.accuracy)
        for name in result.broken_by:
            broken[name] = broken.get(name, 0) + 1
    more: dict[str, Callable] = {f"ce {i}": partial(apgd, steps=100) for i in range(3)}
    for i in range(3):
        for label in range(10):
            aim = partial(towards, label)
            more[f"{label} {i}"] = partial(apgd, steps=50, loss=aim)
    more["square"] = partial(square, queries=3000)
    effort = [
        robust_accuracy(
            net, x, y, LARGE, attacks=more, generator=seeded(100 + seed)
        ).accuracy
        for seed, net in enumerate(nets[:2])
    ]
    auto = torchattacks.AutoAttack(Square8(nets[0]).eval(), eps=LARGE, seed=0)
    images = x.view(-1, *SHAPE)
    times = interleaved(
        {
            "ours": lambda: robust_accuracy(
                nets[0], x, y, LARGE, image_shape=SHAPE, generator=seeded(0)
            ),
        },
        repeats=3,
    )
    return {
        "nets": len(nets),
        "left": rows,
        "broken by": broken,
        "more effort": effort,
        "AutoAttack": survivors(nets[0], auto(images, y)),
        "seconds": times["ours"]["median"] / 1000,
    }


def climb(
    step: float,
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    generator: torch.Generator,
) -> torch.Tensor:
    """PGD with as many gradients as APGD, and the best point kept."""
    return pgd(
        model,
        images,
        labels,
        epsilon,
        step=step,
        steps=51,
        random_start=True,
        generator=generator,
    )


# Masked gradients


class Backwards(torch.autograd.Function):
    """The identity, whose gradient points the wrong way."""

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor) -> torch.Tensor:
        return images.clone()

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> torch.Tensor:
        return -slopes[0]


def grey(images: torch.Tensor) -> torch.Tensor:
    return (images * 16).round() / 16


def wobble(strength: float, images: torch.Tensor) -> torch.Tensor:
    """Moves each pixel by at most a fiftieth; the slope is 1 + strength times a cosine."""
    return images + 0.02 * torch.sin(images * strength / 0.02)


DEFECTS: dict[str, Callable[[nn.Module], Around]] = {
    "logits x 100": lambda net: Around(net, None, 100),
    "logits x 10": lambda net: Around(net, None, 10),
    "logits x 3": lambda net: Around(net, None, 3),
    "pixels rounded": lambda net: Around(net, grey),
    "pixels wobble": lambda net: Around(net, partial(wobble, 20.0)),
    "pixels wobble a little": lambda net: Around(net, partial(wobble, 2.0)),
    "gradient reversed": lambda net: Around(net, Backwards.apply),
}


def left_by_own(model: Around, found: torch.Tensor) -> float:
    """What the attacks made for these defects leave: climb the net inside, and keep what fools the whole.

    Where something bends each pixel, a second try moves it to where it comes out largest or smallest.
    """
    bent = (lambda pixels: pixels) if model.before is None else model.before
    low, high = (x - SMALL).clamp(min=0), (x + SMALL).clamp(max=1)
    ways = low + (high - low) * torch.linspace(0, 1, 201)[:, None, None]
    ends = bent(ways)
    best = torch.where(found > x, ends.argmax(dim=0), ends.argmin(dim=0))
    moved = ways.gather(0, best[None])[0].clamp(low, high)
    standing = torch.ones(len(x), dtype=torch.bool)
    with torch.no_grad():
        for tried in (x, found, moved):
            standing &= model(tried).argmax(dim=1) == y
    return float(standing.double().mean())


def masking(plain: list[nn.Module], hard: list[nn.Module]) -> dict[str, Any]:
    """The signs of honest nets, of which some set the thresholds, and misses on planted defects."""
    honest = [(plain[s], SMALL, s) for s in range(8)]
    honest += [(hard[s], LARGE, s) for s in range(8)]
    shares: dict[str, list[list[float]]] = {"setting": [], "checking": []}
    alarms = 0
    for net, radius, seed in honest:
        found, flags = signs(net, radius, seed)
        shares["setting" if seed in SETTING else "checking"].append(found)
        alarms += bool(flags) and seed in CHECKING
    undefended = {
        seed: robust_accuracy(
            plain[seed], x, y, SMALL, image_shape=SHAPE, generator=seeded(seed)
        )
        for seed in CHECKING
    }
    alone = {seed: left(plain[seed], SMALL, apgd, seed) for seed in CHECKING}
    defects = {}
    for name, plant in DEFECTS.items():
        rows = []
        for seed in CHECKING:
            net = plant(plain[seed])
            found, flags = signs(net, SMALL, seed)
            rows.append(
                {
                    "clean": accuracy(net, x, y),
                    "signs": found,
                    "flags": flags,
                    "APGD": left(net, SMALL, apgd, seed),
                    "APGD, honest": alone[seed],
                    "made for it": left_by_own(net, undefended[seed].adversarial),
                    "honest": undefended[seed].accuracy,
                }
            )
        defects[name] = rows
    return {
        "signs": ["zero gradient", "unlimited", "random search"],
        "setting nets": len(shares["setting"]),
        "checking nets": len(shares["checking"]),
        "largest on setting nets": np.max(shares["setting"], axis=0).tolist(),
        "largest on checking nets": np.max(shares["checking"], axis=0).tolist(),
        "false alarms": alarms,
        "defects": defects,
        "caught": {
            name: sum(bool(row["flags"]) for row in rows)
            for name, rows in defects.items()
        },
        "defect seeds": len(CHECKING),
    }


def signs(net: nn.Module, radius: float, seed: int) -> tuple[list[float], list[str]]:
    """The three shares of the report, and its flags."""
    report = masking_report(
        net, x, y, radius, image_shape=SHAPE, generator=seeded(seed)
    )
    shares = [report.zero_gradient, report.unlimited, report.random_search]
    return shares, list(report.flags)
