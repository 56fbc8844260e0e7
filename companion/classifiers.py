"""What every method needs that questions a trained classifier: checked images, and a model left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["accuracy", "check_labelled_images", "frozen"]


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """Hold a model still: evaluation mode and no gradients for its parameters; afterwards it is as it was.

    Gradients with respect to the *inputs* are on inside, also where the caller has switched gradients off, and a
    backward pass is quicker because none is computed for the parameters.  What the model itself writes into
    its buffers is undone.

    Parameters
    ----------
    model : torch.nn.Module
        Any module; the modes of its parts may differ, and each gets its own back.

    Yields
    ------
    torch.nn.Module
        The same model.

    Raises
    ------
    TypeError
        If `model` is no module.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    >>> with frozen(model):
    ...     model.training, model[0].weight.requires_grad
    (False, False)
    >>> model.training, model[0].weight.requires_grad
    (True, True)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    modes = [(part, part.training) for part in model.modules()]
    learning = [p for p in model.parameters() if p.requires_grad]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        model.eval()
        for parameter in learning:
            parameter.requires_grad_(False)
        with torch.enable_grad():
            yield model
    finally:
        for part, mode in modes:
            part.training = mode
        for parameter in learning:
            parameter.requires_grad_(True)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


def check_labelled_images(x: torch.Tensor, y: torch.Tensor) -> None:
    """Refuse a batch that no classifier of images was trained on, before anything is computed.

    Parameters
    ----------
    x : (N, ...) tensor of floats
        Images with entries in [0, 1]; N may be 0.
    y : (N,) tensor of int64
        Labels, not negative, on the device of `x`.

    Raises
    ------
    TypeError
        If `x` is no tensor of floats or `y` no tensor of int64.
    ValueError
        If the shapes or devices differ, an entry of `x` is NaN or outside [0, 1], or a label is negative.

    Examples
    --------
    >>> check_labelled_images(torch.tensor([[0.2, 1.2]]), torch.tensor([0]))
    Traceback (most recent call last):
        ...
    ValueError: x must lie in [0, 1], got 0.2 to 1.2
    """
    for name, value in (("x", x), ("y", y)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not x.is_floating_point() or y.dtype != torch.int64:
        raise TypeError(
            f"x must hold floats and y int64 labels, got {x.dtype} and {y.dtype}"
        )
    if x.ndim < 2 or y.shape != x.shape[:1]:
        raise ValueError(
            f"x must have shape (N, ...) and y shape (N,), got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if x.device != y.device:
        raise ValueError(f"x and y must be on one device, got {x.device}, {y.device}")
    if bool(x.isnan().any()):
        raise ValueError("x must be finite, got NaN")
    if x.numel() and not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(
            f"x must lie in [0, 1], got {float(x.min()):.4g} to {float(x.max()):.4g}"
        )
    if len(y) and int(y.min()) < 0:
        raise ValueError(f"y must not be negative, got {int(y.min())}")


def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    r"""Return the share of images that a classifier names correctly.

    .. math:: \frac{1}{N} \sum_{i=1}^N \mathbf{1}\big[\operatorname{argmax}_k f_k(x_i) = y_i\big]

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits; it is left as it was.
    x : (N, ...) tensor of floats
        Images in [0, 1], at least one.
    y : (N,) tensor of int64
        Labels.

    Returns
    -------
    float
        Between 0 and 1, in steps of 1/N.

    Raises
    ------
    TypeError, ValueError
        If the model or the images are unfit, there is no image, or a logit is NaN.

    Examples
    --------
    >>> accuracy(nn.Identity(), torch.tensor([[0.1, 0.9], [0.2, 0.8]]), torch.tensor([1, 0]))
    0.5
    """
    check_labelled_images(x, y)
    if not len(x):
        raise ValueError("x must hold at least one image, got none")
    with frozen(model), torch.no_grad():
        logits = model(x)
    if bool(logits.isnan().any()):
        raise ValueError("model must return numbers as logits, got NaN")
    return float((logits.argmax(dim=1) == y).double().mean())
