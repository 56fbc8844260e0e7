"""What every explanation starts from: a function that gives one number, the score, for each row of a batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.func import functional_call

from companion.checks import check_integer, real_array
from companion.classifiers import frozen

__all__ = [
    "array_scores",
    "check_batch",
    "class_score",
    "score_gradients",
    "scores_and_gradients",
    "tensor_scores",
]


def class_score(model: nn.Module, index: int) -> Callable[[torch.Tensor], torch.Tensor]:
    r"""Return one output of a model as a function of a batch: what is explained.

    .. math:: f(x) = z_k(x)

    with :math:`z` the model's outputs, logits as a rule, and `k` the `index`.  The model is held still in each
    call (evaluation mode, no gradients for its parameters) and left as it was.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (n, ...) inputs to (n, C) outputs.
    index : int
        Which output, 0 to C - 1.

    Returns
    -------
    callable
        Maps (n, ...) inputs to (n,) scores, differentiably.

    Raises
    ------
    TypeError, ValueError
        If `model` is no module or `index` no integer from 0; when called, if the model has no such output.

    Examples
    --------
    >>> f = class_score(nn.Identity(), 1)
    >>> f(torch.tensor([[3.0, 4.0], [5.0, 6.0]]))
    tensor([4., 6.])
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    index = check_integer("index", index, 0)

    def _score(x: torch.Tensor) -> torch.Tensor:
        # On copies of the buffers, because a later backward pass needs them as they were in this call.
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        with frozen(model):
            outputs: torch.Tensor = functional_call(model, buffers, (x,))
        if outputs.ndim != 2 or index >= outputs.shape[1]:
            raise ValueError(
                f"model must return (n, C) outputs with C above index {index}, "
                f"got shape {tuple(outputs.shape)}"
            )
        return outputs[:, index]

    return _score


def check_batch(x: torch.Tensor, dimensions: int = 2) -> None:
    """Refuse what is no batch of finite floats, before anything is asked of it.

    Parameters
    ----------
    x : (n, ...) tensor of floats
        Inputs, at least one; (n, ..., rows, columns) images if there have to be three dimensions.
    dimensions : {2, 3}
        Fewest dimensions.

    Raises
    ------
    TypeError
        If `x` is no tensor of floats.
    ValueError
        If it is empty or not finite, or has too few dimensions.

    Examples
    --------
    >>> check_batch(torch.zeros(3))
    Traceback (most recent call last):
        ...
    ValueError: x must have shape (n, ...), n > 0, got (3,)
    """
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        raise TypeError(f"x must be a tensor of floats, got {x!r:.60}")
    if x.ndim < dimensions or not x.numel():
        want = "(n, ...)" if dimensions == 2 else "(n, ..., rows, columns)"
        raise ValueError(f"x must have shape {want}, n > 0, got {tuple(x.shape)}")
    if not bool(x.isfinite().all()):
        raise ValueError("x must be finite, got NaN or infinity")


def tensor_scores(
    f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> torch.Tensor:
    """Ask a function of tensors for its scores, and refuse what is no score.

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own; several rows are compared with the last one
        asked alone.
    x : (n, ...) tensor of floats
        Inputs, at least one.

    Returns
    -------
    (n,) tensor
        The scores, differentiable where `f` is.

    Raises
    ------
    TypeError
        If `x` or the answer is no tensor of floats.
    ValueError
        If `x` is empty or not finite, the answer is not (n,) finite numbers, or `f` mixes the rows of a batch.

    Examples
    --------
    >>> tensor_scores(lambda x: x.sum(dim=1), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([3., 7.])
    """
    check_batch(x)
    answer = f(x)
    if not isinstance(answer, torch.Tensor) or not answer.is_floating_point():
        raise TypeError(f"f must return a tensor of floats, got {answer!r:.60}")
    if answer.shape != x.shape[:1]:
        raise ValueError(
            f"f must return shape ({len(x)},), one score per row, got {tuple(answer.shape)}"
        )
    if not bool(answer.isfinite().all()):
        raise ValueError("f must return finite scores, got NaN or infinity")
    if len(x) > 1:
        with torch.no_grad():
            gap = abs(float(f(x[-1:])[0]) - float(answer[-1]))
        # A batch adds in another order than a row, and a GPU rounds factors to 10 bits.
        rounding = 10 * torch.finfo(answer.dtype).eps ** 0.5
        if not gap <= rounding * (1 + float(answer.detach().abs().max())):
            raise ValueError(
                f"f must treat rows apart, but a row alone scores {gap:.3g} away from its score in the batch "
                "(a model in training mode?)"
            )
    return answer


def score_gradients(
    f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> torch.Tensor:
    r"""Return the gradient of each row's score with respect to that row.

    .. math:: g_i = \nabla f(x_i)

    in one backward pass, because no score depends on another row.  Nothing is added to the gradients that `x`
    or a model holds.

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own, differentiably.
    x : (n, ...) tensor of floats
        Inputs, at least one.

    Returns
    -------
    (n, ...) tensor
        The gradients, of the shape and type of `x`.

    Raises
    ------
    TypeError, ValueError
        If `x` or the scores are unfit as in `tensor_scores`, `f` is not differentiable or does not depend on `x`
        through torch, or a gradient is not finite.

    Examples
    --------
    >>> score_gradients(lambda x: (x**2).sum(dim=1), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[2., 4.],
            [6., 8.]])
    """
    return scores_and_gradients(f, x)[1]


def scores_and_gradients(
    f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Return the score of each row and its gradient with respect to that row, from one pass through `f`.

    .. math:: f(x_i), \qquad \nabla f(x_i)

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own, differentiably.
    x : (n, ...) tensor of floats
        Inputs, at least one.

    Returns
    -------
    scores : (n,) tensor
        As of `tensor_scores`, without a graph.
    gradients : (n, ...) tensor
        As of `score_gradients`.

    Raises
    ------
    TypeError, ValueError
        As in `score_gradients`.

    Examples
    --------
    >>> scores_and_gradients(lambda x: (x**2).sum(dim=1), torch.tensor([[1.0, 2.0]]))
    (tensor([5.]), tensor([[2., 4.]]))
    """
    with torch.enable_grad():
        if isinstance(x, torch.Tensor) and x.is_floating_point():
            x = x.detach().requires_grad_()
        scores = tensor_scores(f, x)
        gradients = (
            torch.autograd.grad(scores.sum(), x, allow_unused=True)[0]
            if scores.requires_grad
            else None
        )
    if gradients is None:
        raise ValueError(
            "f must be differentiable with respect to its input, but no gradient flows back "
            "(a detach, an argmax or NumPy on the way?)"
        )
    if not bool(gradients.isfinite().all()):
        raise ValueError("f must have finite gradients, got NaN or infinity")
    return scores.detach(), gradients


def array_scores(
    f: Callable[[NDArray[np.float64]], NDArray[np.float64]], X: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Ask a function of NumPy arrays, a black box, for its scores, and refuse what is no score.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own; several rows are compared with the last one
        asked alone.
    X : (n, d) ndarray of float64
        Inputs, at least one.

    Returns
    -------
    (n,) ndarray of float64
        The scores.

    Raises
    ------
    TypeError
        If the answer does not hold real numbers.
    ValueError
        If the answer is not (n,) finite numbers, or `f` mixes the rows of a batch.

    Examples
    --------
    >>> array_scores(lambda X: X.sum(axis=1), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    answer = real_array("f(X)", f(X), (len(X),))
    if len(X) > 1:
        gap = abs(float(real_array("f(X)", f(X[-1:]), (1,))[0]) - answer[-1])
        # A batch adds in another order than a row, and f may compute in float32 inside.
        if gap > 10 * np.finfo(np.float32).eps ** 0.5 * (1 + np.abs(answer).max()):
            raise ValueError(
                f"f must treat rows apart, but a row alone scores {gap:.3g} away from its score in the batch"
            )
    return answer
