r"""How robust is a classifier? APGD, the square attack, the worst over both, and signs of masked gradients.

An attack that fails proves nothing: it may have been given a step that is too long, a loss whose gradient has
vanished, or a network that hides its slope.  So these attacks choose their own step, their losses do not vanish
where the network is sure, one of them asks for no gradient, and an image counts as surviving only if it
survives all of them.  What survives is an upper bound on the truth, never a proof.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from companion.checks import check_integer, check_number
from companion.classifiers import check_labelled_images, frozen
from companion.safety.adversarial_examples import margin_loss

__all__ = [
    "MaskingReport",
    "RobustAccuracy",
    "apgd",
    "dlr_loss",
    "masking_report",
    "robust_accuracy",
    "square_attack",
]

Loss = str | Callable[[Tensor, Tensor], Tensor]
# Called as attack(model, x, y, epsilon, generator=...); images in [0, 1], within epsilon of x.
Attack = Callable[..., Tensor]


# Of 10 000 queries, those after which the square attack halves its windows.
_HALVED = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


@dataclass(frozen=True)
class RobustAccuracy:
    """What is left of a classifier's accuracy under several attacks, image by image.

    Examples
    --------
    >>> list(RobustAccuracy.__dataclass_fields__)
    ['accuracy', 'survived', 'broken_by', 'adversarial']
    """

    accuracy: float  # share of images that survived: an upper bound on the truth
    survived: Tensor  # (N,) bool
    broken_by: tuple[str, ...]  # (N,) names; "clean": wrong unattacked, "": survived
    adversarial: Tensor  # (N, ...) what fooled the model, else x itself


def dlr_loss(logits: Tensor, y: Tensor) -> Tensor:
    r"""Return the difference-of-logits ratio of each image: a margin that no rescaling of the logits changes.

    With the logits sorted, :math:`z_{(1)} \ge z_{(2)} \ge \dots`,

    .. math:: \frac{\max_{j \ne y} z_j - z_y}{z_{(1)} - z_{(3)}}.

    It is positive exactly where another class has the larger logit.  Where the denominator is zero the numerator
    stands alone.

    Parameters
    ----------
    logits : (N, C) tensor of floats
        At least three classes.
    y : (N,) tensor of int64
        Labels, 0 to C - 1.

    Returns
    -------
    (N,) tensor
        Without unit; an attack raises it.

    Raises
    ------
    TypeError, ValueError
        If there are too few classes, or a label is unfit.

    References
    ----------
    Croce, F. and Hein, M. (2020). Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks. ICML. Equation 6.

    Examples
    --------
    >>> logits, y = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([0])
    >>> dlr_loss(logits, y), dlr_loss(100 * logits + 7, y)
    (tensor([-0.5000]), tensor([-0.5000]))
    """
    margin_loss(logits, y)  # refuses what does not fit
    if logits.shape[1] < 3:
        raise ValueError(f"logits must have at least 3 classes, got {logits.shape[1]}")
    # The ratio does not change with the scale, so take out the scale: no difference overflows or vanishes.
    scale = logits.detach().abs().amax(dim=1, keepdim=True)
    z = logits / torch.where(scale > 0, scale, 1.0)
    top = z.topk(3, dim=1).values
    spread = top[:, 0] - top[:, 2]
    return margin_loss(z, y) / torch.where(spread > 0, spread, 1.0)


def apgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    epsilon: float,
    *,
    steps: int = 50,
    loss: Loss = "cross_entropy",
    generator: torch.Generator,
) -> Tensor:
    r"""Attack by projected gradient ascent that chooses its own step (auto-PGD, in the maximum norm).

    With `P` the projection onto :math:`\{x' \in [0, 1]^d : |x' - x|_\infty \le \varepsilon\}`,

    .. math:: z^{k+1} = P\big(x^k + \eta\, \operatorname{sign} \nabla L(x^k)\big), \qquad
              x^{k+1} = P\big(x^k + 0.75\,(z^{k+1} - x^k) + 0.25\,(x^k - x^{k-1})\big).

    The step starts at :math:`\eta = 2 \varepsilon`.  At the checkpoints it is halved, image by image, and the
    search returns to the best point so far, if the loss rose in at most three quarters of the steps since the
    last checkpoint, or if neither the step nor the best loss has changed since.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits; it is left as it was.
    x : (N, ...) tensor of floats
        Images in [0, 1].
    y : (N,) tensor of int64
        Labels, 0 to C - 1.
    epsilon : float
        Largest change of a pixel.
    steps : int
        Gradients, besides the one at the random start.  It ends early once every image is fooled.
    loss : {"cross_entropy", "margin"} or callable
        What is raised: a name, or a function of (logits, y) that returns one loss for each image, such as
        `dlr_loss`.  To aim at classes `t`, ``lambda logits, y: -margin_loss(logits, t)``; an image that becomes
        any wrong class is fooled all the same.
    generator : torch.Generator
        Draws the start.

    Returns
    -------
    (N, ...) tensor
        For each image an iterate that fools the model if any did, the one of largest loss among those; otherwise
        the iterate of largest loss.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, or the model returns NaN or cannot be differentiated.

    References
    ----------
    Croce, F. and Hein, M. (2020). Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks. ICML. Algorithm 1.

    Examples
    --------
    >>> model, x, y = nn.Identity(), torch.tensor([[0.6, 0.4, 0.1]]), torch.tensor([0])
    >>> apgd(model, x, y, 0.125, generator=torch.Generator().manual_seed(0))
    tensor([[0.4750, 0.5250, 0.2250]])
    """
    x, epsilon = _check_attack(x, y, epsilon, generator)
    steps = check_integer("steps", steps, 1)
    named = {"cross_entropy": _each_cross_entropy, "margin": margin_loss}
    if not callable(loss) and loss not in named:
        known = "'cross_entropy', 'margin' or a function"
        raise ValueError(f"loss must be {known}, got {loss!r}")
    objective = loss if callable(loss) else named[loss]
    if not len(x):
        return x.clone()
    low, high = (x - epsilon).clamp(min=0), (x + epsilon).clamp(max=1)
    each = (-1, *[1] * (x.ndim - 1))  # one number for each image, beside its pixels
    noise = torch.empty(x.shape, dtype=x.dtype, device=generator.device)
    noise = 2 * noise.uniform_(generator=generator).to(x.device) - 1
    # Stretched so that one pixel starts at the edge, as in the authors' program.
    noise = noise / noise.abs().flatten(1).amax(dim=1).view(each)
    at = before = torch.clamp(x + epsilon * noise, low, high)
    step = torch.full((len(x),), 2 * epsilon, dtype=x.dtype, device=x.device).view(each)
    with frozen(model):
        value, slope, fooled = _ascent(model, at, y, objective)
        peak, peak_value, peak_slope = at, value, slope  # the best for the search
        found, found_value, broken = at, value, fooled  # the best for the answer
        rises, checked_value = torch.zeros_like(y), value
        halved = torch.ones_like(fooled)
        gap, shorter, least = (max(int(p * steps), 1) for p in (0.22, 0.03, 0.06))
        checkpoint = gap
        for k in range(steps):
            if bool(broken.all()):
                break
            after = (at + step * slope.sign()).clamp(low, high)
            if k:  # the first step, of twice epsilon, goes to a corner
                after = at + (after - at) * 0.75 + (at - before) * 0.25
            before, at, last = at, after.clamp(low, high), value
            value, slope, fooled = _ascent(model, at, y, objective)
            better = value > peak_value
            peak = torch.where(better.view(each), at, peak)
            peak_slope = torch.where(better.view(each), slope, peak_slope)
            peak_value = torch.where(better, value, peak_value)
            # A fooled iterate is never given up for one of higher loss that does not fool.
            better = (fooled & ~broken) | ((fooled == broken) & (value > found_value))
            found = torch.where(better.view(each), at, found)
            found_value = torch.where(better, value, found_value)
            broken = broken | fooled
            rises = rises + (value > last)
            if k + 1 == checkpoint:
                stuck = ~halved & (peak_value <= checked_value)
                halved = (rises <= 0.75 * gap) | stuck
                step = torch.where(halved.view(each), step / 2, step)
                at = torch.where(halved.view(each), peak, at)
                slope = torch.where(halved.view(each), peak_slope, slope)
                rises, checked_value = torch.zeros_like(y), peak_value
                gap = max(gap - shorter, least)
                checkpoint += gap
    return found


def square_attack(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    epsilon: float,
    *,
    image_shape: tuple[int, int, int] | None = None,
    queries: int = 500,
    share: float = 0.8,
    generator: torch.Generator,
) -> Tensor:
    r"""Attack by random squares, asking for logits and never for a gradient (in the maximum norm).

    It starts from vertical stripes of :math:`\pm\varepsilon`.  Each query sets one random square window of each
    image to :math:`x + \varepsilon` or :math:`x - \varepsilon`, clipped to [0, 1], with one random sign for
    each channel, and keeps it if the margin :math:`\max_{j \ne y} f_j - f_y` rises.  The window covers a share
    of the image that is halved nine times.  Every position is drawn, the last row and column included.

    Parameters
    ----------
    model : torch.nn.Module
        Maps tensors of the shape of `x` to (N, C) logits; it is left as it was.
    x : (N, channels, rows, columns) or (N, ...) tensor of floats
        Images in [0, 1].
    y : (N,) tensor of int64
        Labels, 0 to C - 1.
    epsilon : float
        Largest change of a pixel.
    image_shape : (int, int, int), optional
        Channels, rows and columns of one image, such as ``(1, 8, 8)``; needed where `x` is flattened.
    queries : int
        Most evaluations of the model for each image; a fooled image is asked about no more.
    share : float
        Share of the pixels in the first windows, in (0, 1].
    generator : torch.Generator
        Draws stripes, windows and signs.

    Returns
    -------
    (N, ...) tensor
        For each image one that fools the model, or the one of largest margin that was found.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, or the model returns NaN.

    References
    ----------
    Andriushchenko, M., Croce, F., Flammarion, N. and Hein, M. (2020). Square Attack: a query-efficient black-box
    adversarial attack via random search. ECCV. Algorithms 1 and 2.

    Examples
    --------
    >>> model, x, y = nn.Identity(), torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> generator = torch.Generator().manual_seed(0)
    >>> square_attack(model, x, y, 0.125, image_shape=(1, 1, 2), generator=generator)
    tensor([[0.4750, 0.5250]])
    """
    x, epsilon = _check_attack(x, y, epsilon, generator)
    queries = check_integer("queries", queries, 1)
    share = check_number("share", share, 0, 1, "(]")
    channels, rows, columns = _image_shape(x, image_shape)
    if not len(x):
        return x.clone()
    images = x.reshape(-1, channels, rows, columns)
    low, high = (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)
    line = torch.arange(max(rows, columns), device=x.device)
    draw = partial(torch.randint, generator=generator, device=generator.device)
    with frozen(model), torch.no_grad():
        up = draw(2, (len(x), channels, 1, columns)).to(x.device) == 1
        best = torch.where(up, high, low)
        margin, fooled = _lead(model, best.view(x.shape), y)
        for query in range(1, queries):
            left = (~fooled).nonzero().squeeze(1)
            n = len(left)
            if n == 0:
                break
            side = _side(share, query / queries, rows, columns)
            top = draw(rows - side + 1, (n, 1)).to(x.device)
            first = draw(columns - side + 1, (n, 1)).to(x.device)
            tall = (line[:rows] >= top) & (line[:rows] < top + side)  # (n, rows)
            wide = (line[:columns] >= first) & (line[:columns] < first + side)
            window = (tall[:, :, None] & wide[:, None, :])[:, None]
            up = draw(2, (n, channels, 1, 1)).to(x.device) == 1
            lowest, highest, now = low[left], high[left], best[left]
            trial = torch.where(window, torch.where(up, highest, lowest), now)
            # What stands there already would waste the query: then the other sign.
            same = (trial == now).flatten(1).all(dim=1).view(-1, 1, 1, 1)
            other = torch.where(up, lowest, highest)
            trial = torch.where(window & same, other, trial)
            value, wrong = _lead(model, trial.view(n, *x.shape[1:]), y[left])
            better = (value > margin[left]) | wrong
            best[left] = torch.where(better.view(-1, 1, 1, 1), trial, now)
            margin[left] = torch.where(better, value, margin[left])
            fooled[left] = wrong
    return best.view(x.shape)


def robust_accuracy(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    epsilon: float,
    *,
    image_shape: tuple[int, int, int] | None = None,
    attacks: Mapping[str, Attack] | None = None,
    generator: torch.Generator,
) -> RobustAccuracy:
    r"""Return the share of images that survive every attack of an ensemble: the worst case of each image.

    .. math:: \frac{1}{N} \sum_{i=1}^N \min_{a} \mathbf{1}\big[\operatorname{argmax}_k f_k(a(x_i)) = y_i\big]

    The attacks run one after the other, each only on what still survives.  An attack's image counts if it lies in
    [0, 1], within `epsilon` of the original, and the model, asked again, is wrong about it.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits, the same every time; it is left as it was.
    x : (N, ...) tensor of floats
        Images in [0, 1], at least one.
    y : (N,) tensor of int64
        Labels, 0 to C - 1.
    epsilon : float
        Largest change of a pixel.
    image_shape : (int, int, int), optional
        Channels, rows and columns of one image, for the square attack; needed where `x` is flattened.
    attacks : mapping of str to callable, optional
        Called as ``attack(model, x, y, epsilon, generator=generator)``.  By default `apgd` with the cross-entropy
        and with the margin, with the margin of each of the nine likeliest wrong classes (20 steps each), and
        `square_attack`.
    generator : torch.Generator
        Given to the attacks.

    Returns
    -------
    RobustAccuracy
        With the images that survived and, for each other image, the first attack that broke it.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, the model answers one question in two ways, or an attack leaves its bounds.

    References
    ----------
    Croce, F. and Hein, M. (2020). Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks. ICML.

    Examples
    --------
    >>> model, x, y = nn.Identity(), torch.tensor([[0.6, 0.4], [0.9, 0.1]]), torch.tensor([0, 0])
    >>> generator = torch.Generator().manual_seed(0)
    >>> result = robust_accuracy(model, x, y, 0.2, image_shape=(1, 1, 2), generator=generator)
    >>> result.accuracy, result.broken_by
    (0.5, ('apgd-ce', ''))
    """
    x, epsilon = _check_attack(x, y, epsilon, generator)
    if not len(x):
        raise ValueError("x must hold at least one image, got none")
    if attacks is None:
        shape = _image_shape(x, image_shape)
        attacks = {"apgd-ce": apgd, "apgd-margin": partial(apgd, loss="margin")}
        attacks["apgd-targeted"] = _targeted
        attacks["square"] = partial(square_attack, image_shape=shape)
    if not isinstance(attacks, Mapping):
        raise TypeError(f"attacks must map names to functions, got {attacks!r:.60}")
    fooled = _fooled_alike(model, x, y)
    broken_by = ["clean" if wrong else "" for wrong in fooled.tolist()]
    adversarial = x.clone()
    for name, attack in attacks.items():
        left = (~fooled).nonzero().squeeze(1)
        if not len(left):
            break
        tried = attack(model, x[left], y[left], epsilon, generator=generator)
        _check_bounds(name, tried, x[left], epsilon)
        with frozen(model), torch.no_grad():
            hit = _lead(model, tried, y[left])[1]
        adversarial[left[hit]] = tried[hit]
        fooled[left[hit]] = True
        for i in left[hit].tolist():
            broken_by[i] = name
    survived = ~fooled
    return RobustAccuracy(
        float(survived.double().mean()), survived, tuple(broken_by), adversarial
    )


@dataclass(frozen=True)
class MaskingReport:
    """Three signs that a model's gradients mislead, each a share of the images it names correctly.

    Examples
    --------
    >>> MaskingReport(("zero gradient",), 0.9, 0.0, 0.0).flags
    ('zero gradient',)
    """

    flags: tuple[str, ...]  # those above the threshold; none proves nothing
    zero_gradient: float  # share whose cross-entropy has a gradient of exactly zero
    unlimited: float  # survives a gradient attack that may change any pixel to anything
    random_search: float  # broken by the square attack, but by no gradient attack


def masking_report(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    epsilon: float,
    *,
    image_shape: tuple[int, int, int] | None = None,
    threshold: float = 0.01,
    generator: torch.Generator,
) -> MaskingReport:
    r"""Look for three signs that a model hides its gradients instead of being robust.

    Of the images that the model names correctly, which share

    - has a gradient of the cross-entropy that is exactly zero, so that an attack stands still;
    - survives a gradient attack with :math:`\varepsilon = 1`, which may turn any image into any other;
    - is broken by random squares, but by no gradient attack with the same :math:`\varepsilon`?

    A share above the threshold is a flag.  Honest models can raise one and masked models none, so a flag is a
    reason to attack again, and silence is no reason to stop.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits, the same every time; it is left as it was.
    x : (N, ...) tensor of floats
        Images in [0, 1], of which the model names at least one correctly.
    y : (N,) tensor of int64
        Labels, 0 to C - 1.
    epsilon : float
        Largest change of a pixel.
    image_shape : (int, int, int), optional
        Channels, rows and columns of one image; needed where `x` is flattened.
    threshold : float
        In [0, 1]; the default was set on honest nets of handwritten digits.
    generator : torch.Generator
        Given to the attacks.

    Returns
    -------
    MaskingReport
        The three shares, and the names of those above the threshold.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, the model answers the same question in two ways or cannot be differentiated.

    References
    ----------
    Athalye, A., Carlini, N. and Wagner, D. (2018). Obfuscated gradients give a false sense of security. ICML.
    Section 3.1.
    Carlini, N. et al. (2019). On evaluating adversarial robustness. arXiv:1902.06705.

    Examples
    --------
    >>> x, y = torch.tensor([[0.6, 0.4], [0.9, 0.1]]), torch.tensor([0, 0])
    >>> generator = torch.Generator().manual_seed(0)
    >>> masking_report(nn.Identity(), x, y, 0.2, image_shape=(1, 1, 2), generator=generator).flags
    ()
    >>> scaled = nn.Linear(2, 2, bias=False, device="meta").to_empty(device="cpu")
    >>> _ = scaled.weight.data.copy_(1000 * torch.eye(2))
    >>> masking_report(scaled, x, y, 0.2, image_shape=(1, 1, 2), generator=generator).flags
    ('zero gradient',)
    """
    x, epsilon = _check_attack(x, y, epsilon, generator)
    threshold = check_number("threshold", threshold, 0, 1)
    square = partial(square_attack, image_shape=_image_shape(x, image_shape))
    if not len(x):
        raise ValueError("x must hold at least one image, got none")
    right = ~_fooled_alike(model, x, y)
    if not bool(right.any()):
        raise ValueError("x must hold an image that the model names correctly")
    x, y = x[right], y[right]
    with frozen(model):
        still = (_ascent(model, x, y, _each_cross_entropy)[1] == 0).flatten(1).all(1)

    def fooled(attack: Attack, radius: float) -> Tensor:  # numpydoc ignore=GL08
        tried = attack(model, x, y, radius, generator=generator)
        with frozen(model), torch.no_grad():
            return _lead(model, tried, y)[1]

    climbed = fooled(apgd, epsilon) | fooled(_targeted, epsilon)
    signs = still, ~fooled(_targeted, 1.0), fooled(square, epsilon) & ~climbed
    shares = [float(sign.double().mean()) for sign in signs]
    names = ("zero gradient", "unlimited", "random search")
    flags = [n for n, share in zip(names, shares, strict=True) if share > threshold]
    return MaskingReport(tuple(flags), *shares)


def _check_attack(
    x: Tensor, y: Tensor, epsilon: float, generator: torch.Generator
) -> tuple[Tensor, float]:
    """Refuse what no attack here can start from."""
    check_labelled_images(x, y)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r:.60}")
    return x.detach(), check_number("epsilon", epsilon, 0)


def _image_shape(
    x: Tensor, image_shape: tuple[int, int, int] | None
) -> tuple[int, int, int]:
    """Channels, rows and columns of one image."""
    shape = x.shape[1:] if image_shape is None else image_shape
    sizes = [check_integer("image_shape", size, 1) for size in shape]
    if len(sizes) != 3 or math.prod(sizes) != math.prod(x.shape[1:]):
        fit = f"channels, rows and columns of images of shape {tuple(x.shape[1:])}"
        raise ValueError(f"image_shape must name {fit}, got {tuple(sizes)}")
    return sizes[0], sizes[1], sizes[2]


def _each_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """The cross-entropy of each image."""
    return nn.functional.cross_entropy(logits, y, reduction="none")


def _ascent(
    model: nn.Module,
    at: Tensor,
    y: Tensor,
    objective: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """The objective of each image, its gradient, and whether the model is wrong."""
    at = at.detach().requires_grad_()
    logits = model(at)
    margin_loss(logits.detach(), y)  # refuses NaN and labels that are no class
    values = objective(logits, y)
    if values.shape != y.shape:
        raise ValueError(
            f"loss must return one number for each image, got {values!r:.60}"
        )
    if not values.requires_grad:
        raise ValueError(
            "model must be differentiable (square_attack needs no gradient)"
        )
    (slope,) = torch.autograd.grad(values, at, torch.ones_like(values))
    if bool(slope.isnan().any()):
        raise ValueError("model must have finite gradients, got NaN")
    return values.detach(), slope, logits.detach().argmax(dim=1) != y


def _lead(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """By how much the best wrong class leads, and whether the model is wrong."""
    logits = model(x)
    return margin_loss(logits, y), logits.argmax(dim=1) != y


def _fooled_alike(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Whether the model is wrong about each image; refused if it does not answer twice alike."""
    with frozen(model), torch.no_grad():
        (lead, fooled), (again, _) = _lead(model, x, y), _lead(model, x, y)
    if bool(((lead - again).abs() > 1e-3 * lead.abs().max()).any()):
        raise ValueError("model must answer the same images alike, got two answers")
    return fooled


def _side(share: float, spent: float, rows: int, columns: int) -> int:
    """The side of a window of which `share` is halved nine times as the queries are spent."""
    halvings = sum(10_000 * spent > at for at in _HALVED)
    side = round(math.sqrt(share / 2**halvings * rows * columns))
    return min(max(side, 1), rows, columns)


def _targeted(
    model: nn.Module, x: Tensor, y: Tensor, epsilon: float, **draws: Any
) -> Tensor:
    """APGD at each of the nine likeliest wrong classes; of each image one that fools, if any does."""
    with frozen(model), torch.no_grad():
        others = model(x).scatter(1, y[:, None], -torch.inf)
    classes = others.argsort(dim=1, descending=True)[:, :-1][:, :9]  # (N, K)
    n, k = classes.shape
    many, label = x.repeat_interleave(k, 0), y.repeat_interleave(k)

    def towards(logits: Tensor, _: Tensor) -> Tensor:
        return -margin_loss(logits, classes.flatten())

    tried = apgd(model, many, label, epsilon, steps=20, loss=towards, **draws)
    with frozen(model), torch.no_grad():
        wrong = _lead(model, tried, label)[1].view(n, k)
    first = wrong.int().argmax(dim=1) + k * torch.arange(n, device=x.device)
    return tried[first]


def _check_bounds(name: str, tried: object, x: Tensor, epsilon: float) -> None:
    """Refuse an attack's images that lie outside what was allowed, rounding aside."""
    if not isinstance(tried, Tensor) or tried.shape != x.shape:
        raise ValueError(f"{name!r} must return images of shape {tuple(x.shape)}")
    far = float((tried - x).abs().max())
    allowed = far <= epsilon + 4 * torch.finfo(x.dtype).eps
    if not (allowed and tried.min() >= 0 and tried.max() <= 1):
        raise ValueError(
            f"{name!r} must stay within {epsilon:g} and [0, 1], moved {far:g}"
        )
