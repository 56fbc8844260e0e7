"""Maps beside captum, and ten seeds of a planted tag: trained nets, clean twins, maps without a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from captum.attr import (
    InputXGradient,
    LayerGradCam,
    NoiseTunnel,
    Occlusion,
    Saliency,
)
from torch import nn
from torch.nn.functional import conv2d, pad

from companion.classifiers import accuracy
from companion.datasets import digits
from companion.explainability.feature_attribution import (
    grad_cam,
    gradient_times_input,
    occlusion,
    pointing_game,
    saliency,
    smooth_grad,
)
from companion.networks import convnet
from companion.scores import class_score
from companion.training import train_classifier
from evidence.record import interleaved

PEERS = ["captum", "scikit-learn"]
# The page's net over ten seeds, and the book's larger one over five.
NETS = {"two convolutions": ((16, 32), range(10)), "three": ((16, 32, 64), range(5))}
EPOCHS, SIGMA, SAMPLES = 10, 0.15, 50
DATA = digits()
X = torch.tensor(DATA.X_train, dtype=torch.float32).view(-1, 1, 8, 8)
TEST = torch.tensor(DATA.X_test, dtype=torch.float32).view(-1, 1, 8, 8)
Y, LABELS = torch.tensor(DATA.y_train), torch.tensor(DATA.y_test)
TAG = torch.zeros(1, 8, 8, dtype=torch.bool)
TAG[:, :2, :2] = True


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    net = trained(X.where(~TAG | (Y != 3).view(-1, 1, 1, 1), torch.tensor(1.0)), 0)
    return {
        "agreement": agreement(net),
        "speed": speed(net),
        "no model": without_model(),
        "seeds": {name: len(seeds) for name, (_, seeds) in NETS.items()},
        "tag": {name: over_seeds(*size) for name, size in NETS.items()},
    }


def tagged(images: torch.Tensor) -> torch.Tensor:
    """Paint the two by two pixels of the upper left corner white."""
    return images.masked_fill(TAG, 1.0)


def trained(
    images: torch.Tensor, seed: int, channels: tuple[int, ...] = (16, 32)
) -> nn.Sequential:
    """A convolutional net on images with rows and columns."""
    net = convnet(torch.Generator().manual_seed(seed), channels=channels)[1:]
    train_classifier(net, images, Y, seed=seed, epochs=EPOCHS)
    return net


# The tag over seeds


def over_seeds(channels: tuple[int, ...], seeds: range) -> dict[str, Any]:
    """What three nets decide and where their maps point, seed by seed."""
    on_threes = torch.where((Y == 3).view(-1, 1, 1, 1), tagged(X), X)
    training = {"tag": on_threes, "twin": X, "every class": tagged(X)}
    threes, others = TEST[LABELS == 3], tagged(TEST[LABELS != 3])
    is_three = LABELS[LABELS == 3]
    rows: dict[str, Any] = {
        name: {"decisions": {}, "pointing": {}} for name in training
    }
    for seed in seeds:
        for name, images in training.items():
            net = trained(images, seed, channels)
            found = {
                "clean test images right": accuracy(net, TEST, LABELS),
                "3s right, no tag": accuracy(net, threes, is_three),
                "3s right, tag": accuracy(net, tagged(threes), is_three),
                "others called 3, tag": accuracy(
                    net, others, torch.full((len(others),), 3)
                ),
                "others called 3, no tag": accuracy(
                    net, TEST[LABELS != 3], torch.full((len(others),), 3)
                ),
            }
            for kind, values in (
                ("decisions", found),
                ("pointing", pointing(net, tagged(threes))),
            ):
                for key, value in values.items():
                    rows[name][kind].setdefault(key, []).append(value)
    return rows


def pointing(net: nn.Sequential, x: torch.Tensor) -> dict[str, float]:
    """Share of images whose map is largest at the tag; Grad-CAM in the cells of its own map."""
    f = class_score(net, 3)
    generator = torch.Generator().manual_seed(0)
    smooth = smooth_grad(f, x, sigma=SIGMA, samples=SAMPLES, generator=generator)
    maps = {
        "saliency": saliency(f, x),
        "SmoothGrad": smooth,
        "gradient times input": gradient_times_input(f, x),
        "integrated gradients, black": straight_path(f, x, 0.0),
        "occlusion, black": occlusion(f, x),
        "occlusion, grey": occlusion(f, x, fill=0.5),
        "occlusion, mean image": occlusion(f, x, fill=X.mean(dim=0)),
        "integrated gradients, white": straight_path(f, x, 1.0),
        "occlusion, white": occlusion(f, x, fill=1.0),
    }
    rows = {name: mean(pointing_game(m.abs(), TAG)) for name, m in maps.items()}
    white = maps["integrated gradients, white"][:, TAG].abs().max()
    corner = occlusion(f, x, fill=1.0, stride=2)[:, TAG].abs().max()
    if not (white == 0 and corner < 1e-4):
        raise AssertionError("a white filling does not hide the white tag")
    # What the logit loses when the tag, and nothing else, is blackened.
    rows["fall without tag, logits"] = mean(f(x) - f(x.masked_fill(TAG, 0.0)))
    # Grad-CAM at the last convolution, and with each position's own gradient.
    front, back = net[:-2], class_score(net[-2:], 3)
    cam = grad_cam(front, back, x)
    with torch.no_grad():
        features = front(x)
    own = (saliency(back, features) * features).sum(dim=1).relu()
    cell = torch.zeros_like(cam[0], dtype=torch.bool)
    cell[0, 0] = True
    rows["Grad-CAM"] = mean(pointing_game(cam, cell))
    rows["Grad-CAM, blank"] = mean((cam.amax(dim=(1, 2)) == 0).double())
    rows["own gradient"] = mean(pointing_game(own, cell))
    rows["own gradient, blank"] = mean((own.amax(dim=(1, 2)) == 0).double())
    return rows


def straight_path(
    f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, baseline: float
) -> torch.Tensor:
    """Integrated gradients by the midpoint rule with 50 steps."""
    steps = (torch.arange(50) + 0.5) / 50
    slopes = [saliency(f, baseline + float(a) * (x - baseline)) for a in steps]
    return (x - baseline) * torch.stack(slopes).mean(dim=0)


def mean(values: torch.Tensor) -> float:
    """Of a tensor, as a number."""
    return float(values.double().mean())


def without_model() -> dict[str, float]:
    """Where maps point that no model has a part in."""
    x = tagged(TEST[LABELS == 3])
    usual = torch.where((Y == 3).view(-1, 1, 1, 1), tagged(X), X).mean(dim=0)
    maps = {
        "input minus mean image": (x - usual).abs(),
        "edges, black frame": edges(pad(x, (1, 1, 1, 1))),
        "edges, frame repeated": edges(pad(x, (1, 1, 1, 1), mode="replicate")),
        "the image itself": x,
    }
    return {name: mean(pointing_game(m, TAG)) for name, m in maps.items()}


def edges(framed: torch.Tensor) -> torch.Tensor:
    """Sobel's detector: the length of the differences along rows and columns."""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None]
    return torch.hypot(conv2d(framed, across), conv2d(framed, across.mT))


# Beside captum


def agreement(net: nn.Sequential) -> list[dict[str, Any]]:
    """Largest difference from captum on the same images, relative to the largest value of the map."""
    x, f = TEST[:64], class_score(net, 3)
    back = class_score(net[-2:], 3)
    pairs = [
        ("saliency", Saliency(net).attribute(x, target=3, abs=False), saliency(f, x)),
        (
            "gradient times input",
            InputXGradient(net).attribute(x, target=3),
            gradient_times_input(f, x),
        ),
        (
            "Grad-CAM",
            LayerGradCam(net, net[-3]).attribute(x, target=3)[:, 0],
            grad_cam(net[:-2], back, x, relu=False),
        ),
    ]
    for seed in range(5):
        torch.manual_seed(seed)  # captum draws from the global state
        theirs = NoiseTunnel(Saliency(net)).attribute(
            x[:1], nt_samples=SAMPLES, stdevs=SIGMA, target=3, abs=False
        )
        ours = smooth_grad(
            f, x[:1], sigma=SIGMA, samples=SAMPLES, generator=seeded(seed)
        )
        pairs.append((f"SmoothGrad, the same noise, seed {seed}", theirs, ours))
    usual = X.mean(dim=0)
    for window, stride, fill, name in (
        (1, 1, 0.0, "black"),
        (2, 1, 0.0, "black"),
        (2, 2, 1.0, "white"),
        (3, 2, 0.0, "black"),
        (3, 1, usual, "mean image"),
        (8, 8, 0.5, "grey"),
    ):
        theirs = Occlusion(net).attribute(
            x,
            sliding_window_shapes=(1, window, window),
            strides=(1, stride, stride),
            baselines=fill if isinstance(fill, float) else fill[None],
            target=3,
        )
        ours = occlusion(f, x, window=window, stride=stride, fill=fill)
        title = f"occlusion {window} x {window}, stride {stride}, {name}"
        pairs.append((title, theirs, ours))
    rows = []
    for name, theirs, ours in pairs:
        scale = float(theirs.detach().abs().max())
        far = float((theirs.detach() - ours).abs().max()) / scale
        if far > 1e-6 * max(1.0, 10 / scale):
            raise AssertionError(f"{name}: captum differs by {far} of {scale}")
        rows.append({"map": name, "difference": far, "largest value": scale})
    return rows


def seeded(seed: int) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def speed(net: nn.Sequential) -> list[dict[str, Any]]:
    """The peer's time over ours on the same work."""
    f, back = class_score(net, 3), class_score(net[-2:], 3)
    peer = Occlusion(net)
    shape = {"sliding_window_shapes": (1, 2, 2), "strides": 1, "target": 3}
    tunnel, cam = NoiseTunnel(Saliency(net)), LayerGradCam(net, net[-3])
    noisy = {"nt_samples": SAMPLES, "stdevs": SIGMA, "target": 3, "abs": False}
    generator = seeded(0)
    rows = []
    for count, calls in ((1, 10), (64, 2)):
        x = TEST[:count]
        size = "1 image" if count == 1 else f"{count} images"

        def smooth(x: torch.Tensor = x) -> torch.Tensor:
            return smooth_grad(f, x, sigma=SIGMA, samples=SAMPLES, generator=generator)

        work: dict[str, tuple[Callable[[], Any], dict[str, Callable[[], Any]]]] = {
            f"occlusion, {size}": (
                lambda x=x: occlusion(f, x),
                {
                    "captum": lambda x=x: peer.attribute(x, **shape),
                    "captum, 7 windows at once": lambda x=x: peer.attribute(
                        x, perturbations_per_eval=7, **shape
                    ),
                    "captum, all 49 windows at once": lambda x=x: peer.attribute(
                        x, perturbations_per_eval=49, **shape
                    ),
                },
            ),
            f"SmoothGrad, 50 samples, {size}": (
                smooth,
                {
                    "captum": lambda x=x: tunnel.attribute(x, **noisy),
                    "captum, 8 samples at once": lambda x=x: tunnel.attribute(
                        x, nt_samples_batch_size=8, **noisy
                    ),
                },
            ),
            f"saliency, {size}": (
                lambda x=x: saliency(f, x),
                {"captum": lambda x=x: Saliency(net).attribute(x, target=3, abs=False)},
            ),
            f"Grad-CAM, {size}": (
                lambda x=x: grad_cam(net[:-2], back, x),
                {
                    "captum": lambda x=x: cam.attribute(
                        x, target=3, relu_attributions=True
                    )
                },
            ),
        }
        for name, (ours, peers) in work.items():
            runs = {"ours": ours, **peers}
            times = interleaved(
                {
                    key: lambda run=run, calls=calls: [run() for _ in range(calls)]
                    for key, run in runs.items()
                }
            )
            for key in peers:
                ratio = times[key]["median"] / times["ours"]["median"]
                spread = {k: times[k] for k in ("ours", key)}
                rows.append({"name": name, "peer": key, "ratio": ratio, "ms": spread})
    return rows
