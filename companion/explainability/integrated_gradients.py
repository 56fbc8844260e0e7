r"""Integrated gradients: by quadrature, exactly for piecewise-linear nets, over many baselines, in a hidden layer.

What did each input add to a score, compared with a baseline :math:`b`?  Walk from the baseline to the input on the
straight path :math:`\gamma(a) = b + a (x - b)` and add up what each coordinate's steps contribute,

.. math:: \phi_i = (x_i - b_i) \int_0^1 \partial_i f(\gamma(a)) \, da .

By the fundamental theorem of calculus the attributions are *complete*, :math:`\sum_i \phi_i = f(x) - f(b)`, as
those of every other path from :math:`b` to :math:`x` are: completeness is one equation for all of them.

A net of linear layers, rectifiers and pools is linear between the points of the path at which a unit switches.
There the gradient is constant, so the integral is a finite sum, and nothing has to be approximated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import roots_legendre
from torch import nn

from companion.checks import check_integer
from companion.classifiers import frozen
from companion.scores import class_score, score_gradients, tensor_scores

__all__ = [
    "conductance",
    "exact_integrated_gradients",
    "expected_gradients",
    "integrated_gradients",
    "quadrature",
]

Score = Callable[[torch.Tensor], torch.Tensor]


def quadrature(
    rule: str, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return nodes and weights that approximate an integral over [0, 1].

    .. math:: \int_0^1 g(a) \, da \approx \sum_{k=1}^n w_k \, g(a_k), \qquad \sum_{k=1}^n w_k = 1

    A constant is integrated exactly by every rule, a straight line by all but "left" and "right", and polynomials
    up to degree :math:`2n - 1` by "gauss".

    Parameters
    ----------
    rule : {"gauss", "midpoint", "trapezoid", "left", "right"}
        Gauss-Legendre, or one of the equidistant rules.
    steps : int
        How many nodes, `n`: at least 1, and 2 for the trapezoid.

    Returns
    -------
    nodes : (steps,) ndarray of float64
        Places in [0, 1], ascending.
    weights : (steps,) ndarray of float64
        Their weights, positive.

    Raises
    ------
    TypeError, ValueError
        If the rule is unknown or `steps` no integer that is large enough.

    References
    ----------
    Davis, P. J. and Rabinowitz, P. (1984). Methods of numerical integration, chapter 2. Academic Press.

    Examples
    --------
    >>> quadrature("trapezoid", 3)
    (array([0. , 0.5, 1. ]), array([0.25, 0.5 , 0.25]))
    """
    steps = check_integer("steps", steps, 2 if rule == "trapezoid" else 1)
    if rule == "gauss":
        nodes, weights = _gauss(steps)
        return nodes.copy(), weights.copy()
    if rule == "trapezoid":
        weights = np.full(steps, 1 / (steps - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, steps), weights
    shift = {"left": 0.0, "midpoint": 0.5, "right": 1.0}
    if rule not in shift:
        known = ["gauss", "trapezoid", *shift]
        raise ValueError(f"rule must be one of {known}, got {rule!r}")
    return (np.arange(steps) + shift[rule]) / steps, np.full(steps, 1 / steps)


def integrated_gradients(
    f: Score,
    x: torch.Tensor,
    baseline: torch.Tensor,
    *,
    steps: int = 50,
    rule: str = "gauss",
    batch: int = 512,
) -> torch.Tensor:
    r"""Return what each input adds to the score on the straight path from a baseline.

    .. math:: \phi_i = (x_i - b_i) \sum_{k=1}^n w_k \, \partial_i f\big(b + a_k (x - b)\big)

    The gap between the attributions' sum and :math:`f(x) - f(b)` is the error of the quadrature, summed over the
    inputs: where it is large there are too few steps.

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own, differentiably.
    x : (n, ...) tensor of floats
        Inputs, at least one.
    baseline : (...) or (n, ...) tensor
        Where the path begins: one for all rows, or one for each.
    steps : int
        Gradients for each row.
    rule : {"gauss", "midpoint", "trapezoid", "left", "right"}
        How the nodes and weights are chosen, as in `quadrature`.
    batch : int
        About how many points `f` is asked at once; it is never fewer than n.

    Returns
    -------
    (n, ...) tensor
        Attributions in the unit of the score, of the shape, type and device of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, `f` is no differentiable score of single rows, or its gradients are zero at every
        node although the score changes.

    References
    ----------
    Sundararajan, M., Taly, A. and Yan, Q. (2017). Axiomatic attribution for deep networks. ICML.
    Aumann, R. J. and Shapley, L. S. (1974). Values of non-atomic games. Princeton University Press.

    Examples
    --------
    >>> x, baseline = torch.tensor([[3.0, 2.0]]), torch.zeros(2)
    >>> integrated_gradients(lambda x: x[:, 0] * x[:, 1], x, baseline, steps=2, rule="midpoint")
    tensor([[3., 3.]])
    """
    start = _baseline(x, baseline)
    nodes, weights = quadrature(rule, steps)
    starts = start.expand(steps, *x.shape)
    total = _path_sum(f, x, starts, nodes, weights, check_integer("batch", batch, 1))
    still = ~total.flatten(1).any(dim=1)
    if bool(still.any()):
        _refuse_silent_zeros(f, x[still], start[still])
    return total


def exact_integrated_gradients(
    model: nn.Module,
    index: int,
    x: torch.Tensor,
    baseline: torch.Tensor,
    *,
    limit: int = 100_000,
) -> torch.Tensor:
    r"""Return the integrated gradients of a piecewise-linear net without any error of quadrature.

    .. math:: \phi_i = (x_i - b_i) \sum_s (a_{s+1} - a_s) \, \partial_i f\big(\gamma(\tfrac{a_s + a_{s+1}}{2})\big)

    with :math:`\gamma(a) = b + a (x - b)` and :math:`0 = a_0 < a_1 < \dots = 1` every place where a unit switches.
    They are found layer by layer, because between those of the layers below each unit is a linear function of `a`.
    A unit that stays exactly at its switch on a whole piece has no gradient there, and torch's convention decides.

    Parameters
    ----------
    model : torch.nn.Sequential
        Maps (n, ...) inputs to (n, C) outputs.  Linear layers, convolutions, ReLU, LeakyReLU, average and maximum
        pools, Flatten and Unflatten, and what is linear or nothing in evaluation mode: batch normalisation and
        dropout.  It is held still and left as it was.
    index : int
        Which output is explained, 0 to C - 1.
    x : (n, ...) tensor of floats
        Inputs, at least one, of the model's type; take float64 for all digits.
    baseline : (...) or (n, ...) tensor
        Where the path begins: one for all rows, or one for each.
    limit : int
        Most pieces of one path.

    Returns
    -------
    (n, ...) tensor
        Attributions in the unit of the output, of the shape, type and device of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, a layer is not piecewise linear, or a path has more pieces than `limit`.

    References
    ----------
    Sotoudeh, M. and Thakur, A. V. (2019). Computing linear restrictions of neural networks. NeurIPS.

    Examples
    --------
    >>> model = nn.Sequential(nn.ReLU(), nn.Flatten())
    >>> exact_integrated_gradients(model, 0, torch.tensor([[3.0]]), torch.tensor([-1.0]))
    tensor([[3.]])
    """
    start = _baseline(x, baseline)
    layers = _piecewise_linear_layers(model)
    for parameter in model.parameters():
        if parameter.dtype != x.dtype:
            raise TypeError(
                f"x must be of the model's type {parameter.dtype}, got {x.dtype}"
            )
    limit = check_integer("limit", limit, 1)
    f = class_score(model, index)
    for ends in (x, start):
        tensor_scores(f, ends)
    rows = []
    for row, origin in zip(x.detach().split(1), start.split(1), strict=True):
        with frozen(model), torch.no_grad():
            a = _breakpoints(layers, row, origin, limit)
        middles, lengths = (a[1:] + a[:-1]) / 2, a.diff()
        starts = origin.expand(len(middles), *row.shape)
        rows.append(_path_sum(f, row, starts, middles, lengths, batch=512))
    return torch.cat(rows)


def expected_gradients(
    f: Score,
    x: torch.Tensor,
    background: torch.Tensor,
    *,
    samples: int = 200,
    generator: torch.Generator,
    batch: int = 512,
) -> torch.Tensor:
    r"""Return integrated gradients averaged over a background of baselines, by sampling.

    .. math:: \phi_i = \mathbb{E}_{b \sim B,\; a \sim U(0, 1)} \big[(x_i - b_i) \, \partial_i f(b + a (x - b))\big]

    The mean over the samples is unbiased, and its error falls with the root of their number.  All rows share one
    set of samples.

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own, differentiably.
    x : (n, ...) tensor of floats
        Inputs, at least one.
    background : (m, ...) tensor
        Baselines, at least one, drawn with replacement.
    samples : int
        Gradients for each row.
    generator : torch.Generator
        Draws the baselines and the places on the paths, on its own device.
    batch : int
        About how many points `f` is asked at once; it is never fewer than n.

    Returns
    -------
    (n, ...) tensor
        Attributions in the unit of the score, of the shape, type and device of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, `f` is no differentiable score of single rows, or its gradients are zero at every
        place drawn although the score changes.

    References
    ----------
    Erion, G. et al. (2021). Improving performance of deep learning models with axiomatic attribution priors and
    expected gradients. Nature Machine Intelligence 3.

    Examples
    --------
    >>> x, background = torch.tensor([[3.0, 2.0]]), torch.tensor([[1.0, 0.0], [1.0, 4.0]])
    >>> weights = torch.tensor([1.0, 0.0])
    >>> expected_gradients(lambda x: x @ weights, x, background, generator=torch.Generator())
    tensor([[2., 0.]])
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r}")
    samples = check_integer("samples", samples, 1)
    start = _baseline(x, background, "background", rows=True)
    device = generator.device
    which = torch.randint(len(start), (samples,), generator=generator, device=device)
    nodes = torch.rand(samples, generator=generator, device=device, dtype=torch.float64)
    starts = start[which.to(start.device)][:, None].expand(samples, *x.shape)
    weights = np.full(samples, 1 / samples)
    total = _path_sum(f, x, starts, nodes, weights, check_integer("batch", batch, 1))
    still = ~total.flatten(1).any(dim=1)
    for origin in start[which.to(start.device).unique()] if bool(still.any()) else ():
        _refuse_silent_zeros(f, x[still], origin.expand_as(x[still]))
    return total


def conductance(
    front: nn.Module,
    back: Score,
    x: torch.Tensor,
    baseline: torch.Tensor,
    *,
    steps: int = 50,
    rule: str = "gauss",
    batch: int = 512,
) -> torch.Tensor:
    r"""Return what each unit of a hidden layer adds to the score on the straight path from a baseline.

    .. math:: c_j = \int_0^1 \frac{\partial f}{\partial h_j} \, \frac{d h_j(\gamma(a))}{da} \, da

    for a score :math:`f = \text{back} \circ h` of the layer :math:`h = \text{front}(x)`.  The first factor is a
    gradient of the back; the second comes from one forward-mode derivative of the front along the path, for all
    units at once.  Summed over any layer that the whole score passes through, they are complete.

    Parameters
    ----------
    front : torch.nn.Module
        Maps (n, ...) inputs to (n, ...) hidden units; it is held still and left as it was.
    back : callable
        Maps (n, ...) hidden units to (n,) scores, each row on its own, differentiably.
    x : (n, ...) tensor of floats
        Inputs, at least one.
    baseline : (...) or (n, ...) tensor
        Where the path begins: one for all rows, or one for each.
    steps : int
        Gradients for each row.
    rule : {"gauss", "midpoint", "trapezoid", "left", "right"}
        How the nodes and weights are chosen, as in `quadrature`.
    batch : int
        About how many points are asked at once; it is never fewer than n.

    Returns
    -------
    (n, ...) tensor
        Conductances in the unit of the score, of the shape of the hidden layer.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, front and back make no differentiable score of single rows, or nothing flows at
        any node although the score changes.

    References
    ----------
    Dhamdhere, K., Sundararajan, M. and Yan, Q. (2019). How important is a neuron? ICLR.

    Examples
    --------
    >>> x, baseline = torch.tensor([[3.0, 2.0]]), torch.zeros(2)
    >>> conductance(nn.Identity(), lambda h: h[:, 0] * h[:, 1], x, baseline, steps=2, rule="midpoint")
    tensor([[3., 3.]])
    """
    start = _baseline(x, baseline)
    nodes, weights = quadrature(rule, steps)
    size = max(1, check_integer("batch", batch, 1) // len(x))
    change = x.detach() - start
    parts = []
    with frozen(front):
        score_gradients(lambda z: back(front(z)), x)  # rows apart, a gradient flows
        for k in range(0, steps, size):
            a, w = (_column(v[k : k + size], x) for v in (nodes, weights))
            points = (start + a * change).flatten(0, 1)
            tangents = change.expand(len(a), *x.shape).flatten(0, 1)
            h, rate = torch.func.jvp(front, (points,), (tangents,))[:2]
            flow = score_gradients(back, h.detach()) * rate.detach()
            flow = flow.unflatten(0, (len(a), len(x)))  # (steps, n, ...)
            parts.append(torch.tensordot(w.flatten(), flow, dims=1))
        total = torch.stack(parts).sum(dim=0)
        still = ~total.flatten(1).any(dim=1)
        if bool(still.any()):
            _refuse_silent_zeros(lambda z: back(front(z)), x[still], start[still])
    return total


@lru_cache(maxsize=32)
def _gauss(steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre on [0, 1], remembered because its nodes are the zeros of a polynomial."""
    nodes, weights = roots_legendre(steps)
    return (nodes + 1) / 2, weights / weights.sum()


def _baseline(
    x: torch.Tensor, value: torch.Tensor, name: str = "baseline", rows: bool = False
) -> torch.Tensor:
    """Check where paths begin: as many rows as x, or a background of its own number of rows."""
    for what, tensor in (("x", x), (name, value)):
        if not isinstance(tensor, torch.Tensor) or tensor.is_complex():
            raise TypeError(f"{what} must be a tensor, got {tensor!r:.60}")
    if not x.is_floating_point() or x.ndim < 2 or not x.numel():
        raise ValueError(
            f"x must hold floats in shape (n, ...), n > 0, got {x.dtype} in {tuple(x.shape)}"
        )
    own = x.shape[1:]
    fits = value.shape in (x.shape, own)
    if rows:
        fits = value.ndim == x.ndim and value.shape[1:] == own and len(value) > 0
    if not fits:
        raise ValueError(
            f"{name} must have {'rows' if rows else 'the shape of x or'} of shape {tuple(own)}, "
            f"got {tuple(value.shape)}"
        )
    if not bool(value.isfinite().all()):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    value = value.detach().to(x)
    return value if rows else value.expand_as(x)


def _column(
    values: NDArray[np.float64] | torch.Tensor, x: torch.Tensor
) -> torch.Tensor:
    """Numbers along a path as a tensor that multiplies (steps, n, ...) points, on the device of x."""
    return torch.as_tensor(values).to(x).view(-1, *[1] * x.ndim)


def _path_sum(
    f: Score,
    x: torch.Tensor,
    starts: torch.Tensor,
    nodes: NDArray[np.float64] | torch.Tensor,
    weights: NDArray[np.float64] | torch.Tensor,
    batch: int,
) -> torch.Tensor:
    """Return the sum over k of w_k (x - b_k) grad f(b_k + a_k (x - b_k)), with starts b in (steps, n, ...)."""
    x = x.detach()
    total = torch.zeros_like(x)
    size = max(1, batch // len(x))
    for k in range(0, len(nodes), size):
        a, w = (_column(v[k : k + size], x) for v in (nodes, weights))
        change = x - starts[k : k + size]  # (steps, n, ...)
        points = starts[k : k + size] + a * change
        gradients = score_gradients(f, points.flatten(0, 1)).view_as(change)
        total += (w * change * gradients).sum(dim=0)
    return total


def _refuse_silent_zeros(f: Score, x: torch.Tensor, start: torch.Tensor) -> None:
    """Raise where the gradients are zero on the whole path, but the score is not the same at its ends."""
    with torch.no_grad():
        before, after = tensor_scores(f, torch.cat([start, x])).chunk(2)
    scale = 1 + float(torch.maximum(before.abs(), after.abs()).max())
    gap = float((after - before).abs().max())
    if gap > scale * torch.finfo(after.dtype).eps ** 0.5:
        raise ValueError(
            f"f must have gradients that account for its change, but they are zero at every node of a path on "
            f"which the score changes by {gap:.3g} (a threshold or a rounding on the way, or too few steps?)"
        )


def _piecewise_linear_layers(model: nn.Module) -> list[nn.Module]:
    """The layers of a chain, in order; refuse what is not piecewise linear."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if type(model) is nn.Sequential:
        return [layer for part in model for layer in _piecewise_linear_layers(part)]
    known = {
        *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
        *(nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.ReLU, nn.LeakyReLU),
    }
    pool = type(model) is nn.MaxPool2d and not (model.ceil_mode or model.return_indices)
    normed = (
        type(model) in (nn.BatchNorm1d, nn.BatchNorm2d) and model.track_running_stats
    )
    # The exact types, because a subclass may compute something else.
    if not (type(model) in known or pool or normed):
        raise ValueError(
            f"model must be a Sequential of piecewise-linear layers, got {model!r:.80}; "
            "ask integrated_gradients for anything else"
        )
    return [model]


def _breakpoints(
    layers: list[nn.Module], x: torch.Tensor, start: torch.Tensor, limit: int
) -> torch.Tensor:
    """Where on the path from start to x, both of one row, any unit switches, with 0 and 1."""
    a = torch.tensor([0.0, 1.0], dtype=x.dtype, device=x.device)
    h = torch.cat(
        [start, x]
    )  # the layer's inputs at each a: linear between two of them
    for layer in layers:
        if isinstance(layer, nn.ReLU | nn.LeakyReLU | nn.MaxPool2d):
            switches = _switches(layer, h)
            left, right = switches[:-1], switches[1:]
            piece, unit = (left.sign() * right.sign() < 0).nonzero(as_tuple=True)
            low, high = left[piece, unit], right[piece, unit]
            share = low / (low - high)
            inner = torch.lerp(
                h[piece], h[piece + 1], share.view(-1, *[1] * (h.ndim - 1))
            )
            a, order = torch.cat([a, torch.lerp(a[piece], a[piece + 1], share)]).sort()
            new = torch.cat([a.new_ones(1), a.diff()]) > 0
            a, h = a[new], torch.cat([h, inner])[order[new]]
            if len(a) > limit + 1:
                raise ValueError(
                    f"x must be reached in at most {limit} linear pieces (limit), but there are more; "
                    "ask integrated_gradients"
                )
        h = layer(h)
    return a


def _switches(layer: nn.Module, h: torch.Tensor) -> torch.Tensor:
    """Numbers (points, m) at whose changes of sign the layer changes from one linear function to another."""
    if not isinstance(layer, nn.MaxPool2d):
        return h.flatten(1)
    # Of every two entries in a window, which one is larger.
    rows, columns = np.broadcast_to(layer.padding, 2).tolist()
    padded = nn.functional.pad(h, (columns, columns, rows, rows), value=-torch.inf)
    windows = nn.functional.unfold(
        padded, layer.kernel_size, layer.dilation, stride=layer.stride
    ).unflatten(1, (h.shape[1], -1))  # (points, channels, entries, windows)
    pairs = torch.combinations(torch.arange(windows.shape[2], device=h.device))
    larger: torch.Tensor = windows[:, :, pairs[:, 0]] - windows[:, :, pairs[:, 1]]
    return larger.flatten(1)
