r"""Adversarial examples: FGSM, projected gradient descent in the maximum and Euclidean norm, Carlini-Wagner L2.

An image :math:`x` with label `y` is attacked by looking for the worst point of a small set around it,

.. math:: \max_{x'} \; \ell\big(f(x'), y\big) \quad \text{with} \; \|x' - x\|_p \le \epsilon, \; 0 \le x' \le 1 .

One step of steepest ascent is FGSM, several projected ones are PGD.  Carlini and Wagner turn the question round
and look for the nearest point of another class.  All of them walk along gradients and can stop in a local
optimum: what they find proves that an image can be fooled, what they do not find proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from companion.checks import check_integer, check_number
from companion.classifiers import check_labelled_images, frozen

__all__ = ["Nearest", "carlini_wagner_l2", "fgsm", "margin_loss", "pgd"]

Loss = str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Nearest(NamedTuple):
    """The nearest adversarial images that an attack found.

    Examples
    --------
    >>> Nearest._fields
    ('images', 'distance')
    """

    images: torch.Tensor  # (N, ...) in [0, 1]; the image itself where none was found
    distance: torch.Tensor  # (N,) Euclidean, infinite where none was found


def margin_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    r"""Return by how much the best wrong class leads, image by image.

    .. math:: \ell(z, y) = \max_{j \ne y} z_j - z_y

    It is positive exactly where the image is misclassified, and grows with the logits where the cross-entropy
    runs out of digits.

    Parameters
    ----------
    logits : (N, C) tensor of floats
        At least two classes.
    y : (N,) tensor of int64
        Labels, 0 to C - 1.

    Returns
    -------
    (N,) tensor
        In the unit of the logits.

    Raises
    ------
    TypeError, ValueError
        If shapes or types do not fit, a logit is NaN, or a label is none of the classes.

    References
    ----------
    Carlini, N. and Wagner, D. (2017). Towards evaluating the robustness of neural networks. IEEE S&P.
    Section V-A, f_6.

    Examples
    --------
    >>> margin_loss(torch.tensor([[3.0, 1.0, 2.5], [0.0, 4.0, 1.0]]), torch.tensor([0, 2]))
    tensor([-0.5000,  3.0000])
    """
    _check_logits(logits, y)
    return _margin(logits, y)


def fgsm(
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epsilon: float | torch.Tensor,
    *,
    loss: Loss = "cross_entropy",
    targeted: bool = False,
) -> torch.Tensor:
    r"""Attack each image by one step along the sign of the gradient (the fast gradient sign method).

    .. math:: x' = \operatorname{clip}_{[0,1]}\big(x + \epsilon \operatorname{sign} \nabla_x \ell(f(x), y)\big)

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits; it is questioned in evaluation mode and left as it was.
    x : (N, ...) tensor of floats
        Images in [0, 1].
    y : (N,) tensor of int64
        True labels; the labels to be reached if `targeted`.
    epsilon : float or (N,) tensor
        Largest change of a pixel, for all images or for each.
    loss : {"cross_entropy", "margin"} or callable
        What is increased (decreased if `targeted`): a name, or a function of (logits, y) that returns one loss for
        each image.
    targeted : bool
        Whether `y` is where to go instead of what to leave.

    Returns
    -------
    tensor of the shape, type and device of `x`
        The attacked images, in [0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, or the model's logits or gradients are.

    References
    ----------
    Goodfellow, I. J., Shlens, J. and Szegedy, C. (2015). Explaining and harnessing adversarial examples. ICLR.

    Examples
    --------
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> fgsm(nn.Identity(), x, y, epsilon=0.1)
    tensor([[0.5000, 0.5000]])
    """
    check_labelled_images(x, y)
    objective = _objective(loss)
    radius = _per_image("epsilon", epsilon, x)
    here = x.detach().requires_grad_()
    if not len(x):
        return x.detach().clone()
    with frozen(model):
        logits = model(here)
        _check_logits(logits, y)
        losses = objective(logits, y)
        _check_losses(losses, x)
        (gradient,) = torch.autograd.grad(losses.sum(), here)
    if bool(gradient.isnan().any()):
        raise ValueError("model must have finite gradients, got NaN")
    way = -gradient.sign() if targeted else gradient.sign()
    return (x.detach() + radius * way).clamp_(0, 1)


def pgd(
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epsilon: float | torch.Tensor,
    *,
    step: float | torch.Tensor | None = None,
    steps: int = 20,
    norm: str = "linf",
    loss: Loss = "cross_entropy",
    targeted: bool = False,
    random_start: bool = False,
    generator: torch.Generator | None = None,
    best: bool = True,
) -> torch.Tensor:
    r"""Attack each image by projected gradient descent: steps of steepest ascent, each back into the feasible set.

    .. math:: x_{t+1} = \Pi\big(x_t + \alpha \operatorname{sign} \nabla_x \ell(f(x_t), y)\big)

    In the Euclidean norm the step is :math:`\alpha` times the gradient of length one.  The feasible set is the
    ball of radius :math:`\epsilon` around the image, cut with [0, 1].  In the maximum norm the projection is
    exact; in the Euclidean norm it is onto the ball and then clipped, which is feasible but not the nearest point.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits; it is questioned in evaluation mode and left as it was.
    x : (N, ...) tensor of floats
        Images in [0, 1].
    y : (N,) tensor of int64
        True labels; the labels to be reached if `targeted`.
    epsilon : float or (N,) tensor
        Radius, for all images or for each.
    step : float or (N,) tensor, optional
        Length :math:`\alpha` of a step; ``2.5 * epsilon / steps`` by default, enough to cross the set.
    steps : int
        How many, and how many gradients are computed.
    norm : {"linf", "l2"}
        Largest change of a pixel, or Euclidean length of the change.
    loss : {"cross_entropy", "margin"} or callable
        What is increased (decreased if `targeted`): a name, or a function of (logits, y) that returns one loss for
        each image.
    targeted : bool
        Whether `y` is where to go instead of what to leave.
    random_start : bool
        Whether to start at a random point: in the maximum norm uniform, in the Euclidean norm of uniform direction
        and length; clipped to [0, 1].
    generator : torch.Generator, optional
        The source of the start, on any device; needed where `random_start` is true.
    best : bool
        Whether to return for each image the best point visited, which takes one more evaluation: one that
        fools before one that does not, then the one of larger loss.  Otherwise the last.

    Returns
    -------
    tensor of the shape, type and device of `x`
        The attacked images, in [0, 1] and within `epsilon` up to rounding.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, or the model's logits or gradients are.

    References
    ----------
    Kurakin, A., Goodfellow, I. and Bengio, S. (2017). Adversarial examples in the physical world. ICLR workshop.
    Madry, A. et al. (2018). Towards deep learning models resistant to adversarial attacks. ICLR.

    Examples
    --------
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> pgd(nn.Identity(), x, y, epsilon=0.2)
    tensor([[0.4000, 0.6000]])
    """
    check_labelled_images(x, y)
    objective = _objective(loss)
    steps = check_integer("steps", steps, 1)
    if norm not in ("linf", "l2"):
        raise ValueError(f"norm must be 'linf' or 'l2', got {norm!r}")
    radius = _per_image("epsilon", epsilon, x)
    pace = 2.5 * radius / steps if step is None else _per_image("step", step, x)
    if random_start and not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator must be a torch.Generator for a random start, got {generator!r}"
        )
    x = x.detach()
    if not len(x):
        return x.clone()
    low, high = (x - radius).clamp_(min=0), (x + radius).clamp_(max=1)
    here = x
    if random_start and generator is not None:
        start = _start(x, radius, norm, generator)
        here = torch.clamp(start, low, high) if norm == "linf" else start.clamp_(0, 1)
    ones = x.new_ones(len(x))
    total = x.new_zeros(())  # NaN as soon as one gradient holds a NaN
    chosen, fooled_then, loss_then = here, ones < 0, ones * -torch.inf
    with frozen(model):
        for turn in range(steps + best):
            moving = turn < steps
            here = here.detach().requires_grad_(moving)
            logits = model(here)
            if turn == 0:
                _check_logits(logits, y)
            losses = -objective(logits, y) if targeted else objective(logits, y)
            if turn == 0:
                _check_losses(losses, x)
            if best:
                now = losses.detach()
                fooled = (logits.detach().argmax(dim=1) == y) == targeted
                better = (fooled > fooled_then) | (
                    (fooled == fooled_then) & (now > loss_then)
                )
                chosen = torch.where(_column(better, x), here.detach(), chosen)
                loss_then = torch.where(better, now, loss_then)
                fooled_then = fooled_then | fooled
            if not moving:
                break
            (gradient,) = torch.autograd.grad(losses, here, ones)
            total += gradient.sum()
            here = here.detach()
            if norm == "linf":
                here = torch.clamp(here + pace * gradient.sign(), low, high)
            else:
                here = _l2_step(x, here, gradient, pace, radius)
    if bool(total.isnan()):
        raise ValueError("model must have finite gradients, got NaN")
    return (chosen if best else here).detach().clone()


def carlini_wagner_l2(
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    targeted: bool = False,
    confidence: float = 0.0,
    searches: int = 9,
    steps: int = 100,
    learning_rate: float = 0.1,
    constant: float = 1e-3,
) -> Nearest:
    r"""Look for the nearest adversarial image in the Euclidean norm (Carlini and Wagner's attack).

    .. math:: \min_w \; \|x' - x\|_2^2 + c \, \big(\kappa - m(x')\big)_+, \qquad x' = \tfrac12(\tanh w + 1)

    Here `m` is the lead of the best wrong class (if `targeted`, of class `y`), so the second term vanishes once
    the image is misclassified by the confidence :math:`\kappa`; `w` is free because `x'` stays in [0, 1] anyway.
    Adam minimises; `c` is multiplied by ten until it is large enough, then halved between its bounds, for each
    image.  What is found is an upper bound of the smallest change.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits; it is questioned in evaluation mode and left as it was.
    x : (N, ...) tensor of floats
        Images in [0, 1].
    y : (N,) tensor of int64
        True labels; the labels to be reached if `targeted`.
    targeted : bool
        Whether `y` is where to go instead of what to leave.
    confidence : float
        The lead :math:`\kappa` of the logits that counts as success, not negative.
    searches : int
        How many values of `c` are tried.
    steps : int
        Steps of Adam for each; the attack computes ``searches * steps`` gradients.
    learning_rate : float
        Of Adam, in the unit of `w`.  Pixels at 0 or 1 lie 7 units from grey.
    constant : float
        The first `c`, positive.

    Returns
    -------
    Nearest
        The images, and how far each was moved.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, or the model's logits or gradients are.

    References
    ----------
    Carlini, N. and Wagner, D. (2017). Towards evaluating the robustness of neural networks. IEEE S&P.

    Examples
    --------
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> nearest = carlini_wagner_l2(nn.Identity(), x, y)
    >>> nearest.images.round(decimals=2), nearest.distance.round(decimals=2)
    (tensor([[0.5000, 0.5000]]), tensor([0.1400]))
    """
    check_labelled_images(x, y)
    confidence = check_number("confidence", confidence, 0)
    searches = check_integer("searches", searches, 1)
    steps = check_integer("steps", steps, 1)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    first = check_number("constant", constant, 0, ends="()")
    x = x.detach()
    images = x.clone()
    distance = x.new_full((len(x),), torch.inf)
    if not len(x):
        return Nearest(images, distance)
    c = x.new_full((len(x),), first, dtype=torch.float64)
    low, high = torch.zeros_like(c), torch.full_like(c, torch.inf)
    origin = torch.atanh((2 * x - 1) * 0.999999)
    around = origin.tanh() * 0.5 + 0.5  # x, but for the factor
    total = x.new_zeros(())
    with frozen(model):
        for search in range(searches):
            found = torch.zeros_like(distance, dtype=torch.bool)
            weight = -c.to(x.dtype)
            w, m, v = origin.clone(), torch.zeros_like(x), torch.zeros_like(x)
            for t in range(1, steps + 1):
                bent = w.tanh()
                here = (bent * 0.5 + 0.5).requires_grad_()
                logits = model(here)
                if search == 0 and t == 1:
                    _check_logits(logits, y)
                lead = -_margin(logits, y) if targeted else _margin(logits, y)
                if search == 0 and t == 1:
                    _check_losses(lead, x)
                # Where the lead is long enough, its term is constant.
                pull = torch.where(lead.detach() < confidence, weight, 0)
                (gradient,) = torch.autograd.grad(lead, here, pull)
                here, ahead = here.detach(), lead.detach() > confidence
                length = torch.linalg.vector_norm((here - x).flatten(1), dim=1)
                closer = ahead & (length < distance)
                found |= ahead
                images = torch.where(_column(closer, x), here, images)
                distance = torch.where(closer, length, distance)
                # The chain rule through tanh, then one step of Adam.
                gradient = gradient.add(here - around, alpha=2)
                gradient *= 0.5 - 0.5 * bent * bent
                m.lerp_(gradient, 0.1)
                v.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
                size = (v / (1 - 0.999**t)).sqrt_().add_(1e-8)
                w.addcdiv_(m, size, value=-rate / (1 - 0.9**t))
            total += w.sum()
            high = torch.where(found, c, high)
            low = torch.where(found, low, c)
            c = torch.where(high.isinf(), c * 10, (low + high) / 2)
    if bool(total.isnan()):
        raise ValueError("model must have finite gradients, got NaN")
    return Nearest(images, distance)


def _margin(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The lead of the best wrong class, unchecked."""
    own = y[:, None]
    others = logits.scatter(1, own, -torch.inf).max(dim=1).values
    return others - logits.gather(1, own)[:, 0]


def _cross_entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of each image."""
    return nn.functional.cross_entropy(logits, y, reduction="none")


def _objective(loss: Loss) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The loss that a name stands for, or the function itself."""
    if callable(loss):
        return loss
    named = {"cross_entropy": _cross_entropy, "margin": _margin}
    if loss not in named:
        raise ValueError(
            f"loss must be 'cross_entropy', 'margin' or a function, got {loss!r}"
        )
    return named[loss]


def _column(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One value for each image, shaped so that it goes with the images."""
    return values.view(-1, *[1] * (x.ndim - 1))


def _per_image(name: str, value: object, x: torch.Tensor) -> float | torch.Tensor:
    """A number that is not negative, or one for each image."""
    if not isinstance(value, torch.Tensor) or value.ndim == 0:
        return check_number(name, value, 0)
    if value.shape != x.shape[:1] or not value.is_floating_point():
        raise ValueError(
            f"{name} must be a number or {len(x)} floats, got {value.dtype} of shape {tuple(value.shape)}"
        )
    if not bool(((value >= 0) & value.isfinite()).all()):
        raise ValueError(f"{name} must be finite and not negative, got {value!r:.60}")
    return _column(value.detach().to(x), x)


def _start(
    x: torch.Tensor,
    radius: float | torch.Tensor,
    norm: str,
    generator: torch.Generator,
) -> torch.Tensor:
    """A random point of the ball, drawn on the generator's device and then moved."""
    noise = torch.empty(x.shape, dtype=x.dtype, device=generator.device)
    if norm == "linf":
        if isinstance(radius, float):
            return x + noise.uniform_(-radius, radius, generator=generator).to(x.device)
        return x + radius * noise.uniform_(-1, 1, generator=generator).to(x.device)
    flat = noise.normal_(generator=generator).flatten(1)
    share = torch.empty_like(flat[:, :1]).uniform_(0, 1, generator=generator)
    flat *= share / torch.linalg.vector_norm(flat, dim=1, keepdim=True)
    return x + radius * noise.to(x.device)


def _l2_step(
    x: torch.Tensor,
    here: torch.Tensor,
    gradient: torch.Tensor,
    pace: float | torch.Tensor,
    radius: float | torch.Tensor,
) -> torch.Tensor:
    """A step of length `pace` along the gradient, back into the ball, then clipped."""
    tiny = torch.finfo(x.dtype).tiny
    # First by the largest entry, because the square of a small one is zero.
    largest = gradient.flatten(1).abs().amax(dim=1).clamp_min_(tiny)
    gradient = gradient / _column(largest, x)
    length = torch.linalg.vector_norm(gradient.flatten(1), dim=1).clamp_min_(tiny)
    change = here + pace * gradient / _column(length, x) - x
    length = torch.linalg.vector_norm(change.flatten(1), dim=1).clamp_min_(tiny)
    change *= (radius / _column(length, x)).clamp_(max=1)
    return (x + change).clamp_(0, 1)


def _check_logits(logits: torch.Tensor, y: torch.Tensor) -> None:
    """Refuse what is no table of logits for these labels."""
    if not isinstance(logits, torch.Tensor) or not logits.is_floating_point():
        raise TypeError(
            f"logits must be a tensor of floats, got {type(logits).__name__}"
        )
    if not isinstance(y, torch.Tensor) or y.dtype != torch.int64:
        raise TypeError(f"y must hold int64 labels, got {y!r:.60}")
    if logits.ndim != 2 or logits.shape[1] < 2 or y.shape != logits.shape[:1]:
        raise ValueError(
            "logits must have shape (N, C) with C at least 2 and y shape (N,), got "
            f"{tuple(logits.shape)} and {tuple(y.shape)}"
        )
    if bool(logits.detach().isnan().any()):
        raise ValueError("logits must be numbers, got NaN")
    if len(y) and not (int(y.min()) >= 0 and int(y.max()) < logits.shape[1]):
        raise ValueError(
            f"y must lie in 0 to {logits.shape[1] - 1}, got {int(y.min())} to {int(y.max())}"
        )


def _check_losses(losses: torch.Tensor, x: torch.Tensor) -> None:
    """Refuse a loss that is not one number for each image, or does not depend on them."""
    if not isinstance(losses, torch.Tensor) or losses.shape != x.shape[:1]:
        raise ValueError(
            f"loss must return one number for each of {len(x)} images, got {getattr(losses, 'shape', losses)}"
        )
    if not losses.requires_grad:
        raise ValueError("loss and model must be differentiable in the images")
