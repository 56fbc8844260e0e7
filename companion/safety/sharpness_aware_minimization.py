r"""Sharpness-aware minimization: descend from the worst point near the parameters, not from where they stand.

.. math:: \min_\theta \; \max_{\|\delta\|_2 \le \rho} L(\theta + \delta)

The inner maximum is replaced by one step of length :math:`\rho` along the gradient, which is the maximum to first
order.  It is FGSM's idea, in the Euclidean norm and on the parameters instead of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from companion.checks import check_number

__all__ = ["sam_step", "sharpness"]

Closure = Callable[[], torch.Tensor]


def sam_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    closure: Closure,
    rho: float,
) -> float:
    r"""Make one step of an optimiser with the gradient at the worst nearby parameters.

    .. math:: g = \nabla L(\theta), \qquad
              \theta \leftarrow \theta - \eta \, \nabla L\big(\theta + \rho \, g / \|g\|_2\big)

    The norm is over all parameters that the optimiser holds.  Buffers, such as the statistics of batch
    normalisation, are those of the first evaluation, at the parameters themselves.  If anything raises, nothing
    of the model or the optimiser has changed.

    Parameters
    ----------
    model : torch.nn.Module
        What is trained; its mode is the caller's.
    optimizer : torch.optim.Optimizer
        Takes the step; it holds parameters of `model`.
    closure : callable
        Computes the loss, one number, without ``backward``; it is called twice, once if `rho` is 0.  It should use
        the same batch both times.
    rho : float
        Radius, in the unit of the parameters, not negative; 0 is the optimiser's own step.

    Returns
    -------
    float
        The loss at the parameters before the step.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, or a loss or gradient is not finite.

    References
    ----------
    Foret, P., Kleiner, A., Mobahi, H. and Neyshabur, B. (2021). Sharpness-aware minimization for efficiently
    improving generalization. ICLR. Equations 2 and 3.

    Examples
    --------
    The loss is half the square of one weight, 1; its gradient at 1 + 0.5 is 1.5.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> model.weight.data.fill_(1.0)
    tensor([[1.]])
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> sam_step(model, optimizer, lambda: model.weight.square().sum() / 2, rho=0.5)
    0.5
    >>> model.weight.data
    tensor([[0.8500]])
    """
    rho = check_number("rho", rho, 0)
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__}"
        )
    held = [p for group in optimizer.param_groups for p in group["params"]]
    own = {id(p) for p in model.parameters()}
    if any(id(p) not in own for p in held):
        raise ValueError("optimizer must hold parameters of the model only")
    learning = [p for p in held if p.requires_grad]
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        value, gradients, length = _loss_and_gradients(closure, learning)
        after = [buffer.clone() for buffer in model.buffers()]
        if rho > 0:
            with _moved(learning, gradients, length, rho):
                _, gradients, _ = _loss_and_gradients(closure, learning)
    except BaseException:
        _put(model, before)
        raise
    _put(model, after)
    for parameter, gradient in zip(learning, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    return value


def sharpness(model: nn.Module, closure: Closure, rho: float) -> float:
    r"""Return by how much the loss rises when the parameters take one step uphill.

    .. math:: L\big(\theta + \rho \, \nabla L(\theta) / \|\nabla L(\theta)\|_2\big) - L(\theta)

    To first order it is :math:`\rho \, \|\nabla L\|_2`.  It depends on the scale of the parameters: a network of
    rectifiers whose layers are multiplied by 2 and 1/2 computes the same and has another sharpness.

    Parameters
    ----------
    model : torch.nn.Module
        Its mode is the caller's; it is left as it was.
    closure : callable
        Computes the loss, one number, without ``backward``; it is called twice.
    rho : float
        Length of the step, not negative.

    Returns
    -------
    float
        In the unit of the loss.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, or a loss or gradient is not finite.

    References
    ----------
    Foret, P., Kleiner, A., Mobahi, H. and Neyshabur, B. (2021). Sharpness-aware minimization for efficiently
    improving generalization. ICLR.
    Dinh, L., Pascanu, R., Bengio, S. and Bengio, Y. (2017). Sharp minima can generalize for deep nets. ICML.

    Examples
    --------
    >>> model = nn.Linear(1, 1, bias=False)
    >>> model.weight.data.fill_(1.0)
    tensor([[1.]])
    >>> sharpness(model, lambda: model.weight.square().sum() / 2, rho=0.5)  # 1.5**2 / 2 - 1 / 2
    0.625
    """
    rho = check_number("rho", rho, 0)
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    learning = [p for p in model.parameters() if p.requires_grad]
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        here, gradients, length = _loss_and_gradients(closure, learning)
        with _moved(learning, gradients, length, rho):
            there, _, _ = _loss_and_gradients(closure, learning)
    finally:
        _put(model, before)
    return there - here


def _loss_and_gradients(
    closure: Closure, learning: list[nn.Parameter]
) -> tuple[float, list[torch.Tensor], float]:
    """The loss, its gradients and their length, without touching ``.grad``; what is not used has gradient zero."""
    if not learning:
        raise ValueError("model must have parameters that require gradients, got none")
    with torch.enable_grad():
        loss = closure()
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            raise TypeError(f"closure must return one loss, got {loss!r:.60}")
        if not loss.requires_grad:
            raise ValueError("closure must return a loss that depends on the model")
        found = torch.autograd.grad(loss, learning, allow_unused=True)
    gradients = [
        torch.zeros_like(p) if g is None else g
        for p, g in zip(learning, found, strict=True)
    ]
    value, length = float(loss.detach()), _length(gradients)
    # The length is not finite if a gradient is not, but its squares may overflow, too.
    if not math.isfinite(value + length) and not (
        math.isfinite(value) and all(bool(g.isfinite().all()) for g in gradients)
    ):
        raise ValueError("closure must return a finite loss with finite gradients")
    return value, gradients, length


@contextmanager
def _moved(
    learning: list[nn.Parameter],
    gradients: list[torch.Tensor],
    length: float,
    rho: float,
) -> Iterator[None]:
    """The parameters `rho` uphill, and afterwards bit for bit where they were."""
    if not 1e-4 < length < 1e4:
        # Squares of the entries may be lost; once divided by the largest they are not.
        largest = max((float(g.abs().max()) for g in gradients if g.numel()), default=0)
        gradients = [g / (largest or 1.0) for g in gradients]
        length = _length(gradients) or 1.0  # nowhere to go from a gradient of zero
    saved = [p.detach().clone() for p in learning]
    try:
        with torch.no_grad():
            for p, g in zip(learning, gradients, strict=True):
                p.add_(g * (rho / length))
        yield
    finally:
        with torch.no_grad():
            for p, there in zip(learning, saved, strict=True):
                p.copy_(there)


def _length(gradients: list[torch.Tensor]) -> float:
    """The Euclidean norm of all of them together."""
    norms = [torch.linalg.vector_norm(g) for g in gradients]
    return float(torch.linalg.vector_norm(torch.stack(norms)))


def _put(model: nn.Module, values: list[torch.Tensor]) -> None:
    """Set a model's buffers."""
    with torch.no_grad():
        for buffer, value in zip(model.buffers(), values, strict=True):
            buffer.copy_(value)
