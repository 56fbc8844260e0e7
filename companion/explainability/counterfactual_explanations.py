r"""Counterfactual explanations: the nearest input that the model answers otherwise.

For a linear score the nearest one has a closed form in three norms, because a distance to a hyperplane is the gap
in the score over a dual norm of the weights.  For a network the same step is taken again and again on its tangent,
and what it finds is near in its surroundings, not nearest of all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from companion.checks import check_integer, check_number, real_array
from companion.scores import class_score, scores_and_gradients, tensor_scores

__all__ = [
    "ClosestCounterfactual",
    "Counterfactuals",
    "along_line",
    "class_margin",
    "closest_counterfactual_linear",
    "counterfactual",
]

Floats = NDArray[np.float64]
Score = Callable[[torch.Tensor], torch.Tensor]


class ClosestCounterfactual(NamedTuple):
    """The nearest input with the wanted score.

    Examples
    --------
    >>> ClosestCounterfactual._fields
    ('x', 'distance')
    """

    x: Floats  # (d,)
    distance: float  # to the original, in the norm and the scales that were asked for


class Counterfactuals(NamedTuple):
    """What a search found for each row, and whether it found anything.

    Examples
    --------
    >>> Counterfactuals._fields
    ('x', 'distance', 'valid')
    """

    x: torch.Tensor  # (n, ...) inputs; NaN where the search failed
    distance: torch.Tensor  # (n,) to the original; infinite where the search failed
    valid: torch.Tensor  # (n,) bool: the score reaches the target


def closest_counterfactual_linear(
    weights: ArrayLike,
    bias: float,
    x: ArrayLike,
    target: float = 0.0,
    *,
    norm: float,
    scale: ArrayLike = 1.0,
) -> ClosestCounterfactual:
    r"""Return the nearest input to which a linear model gives the wanted score.

    With :math:`f(x) = w^\top x + b`, scales `s` and the norm `q` dual to `p` (:math:`1/p + 1/q = 1`),

    .. math:: \min_{f(x') = t} \Big\|\frac{x' - x}{s}\Big\|_p = \frac{|t - f(x)|}{\|s w\|_q}

    In the Euclidean norm every feature moves in proportion to :math:`s_j^2 w_j`.  In the 1-norm one feature moves,
    the one with the largest :math:`|s_j w_j|` (the first among equals, though then any mixture is as near); in the
    maximum norm all move by as many of their scales.

    Parameters
    ----------
    weights : (d,) array_like
        `w`, in score per unit of each feature.
    bias : float
        `b`.
    x : (d,) array_like
        The input to be explained.
    target : float
        The wanted score `t`; 0 is the decision boundary of a logit.
    norm : {1, 2, inf}
        `p`.
    scale : float or (d,) array_like
        What counts as one step of a feature, in its unit, not negative; 0 for a feature that must not change.

    Returns
    -------
    ClosestCounterfactual
        The input and its distance.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or no change of the movable features reaches the target.

    References
    ----------
    Mangasarian, O. L. (1999). Arbitrary-norm separating plane. Operations Research Letters 24.
    Wachter, S., Mittelstadt, B. and Russell, C. (2018). Counterfactual explanations without opening the black box.
    Harvard Journal of Law & Technology 31(2).

    Examples
    --------
    >>> for p in (1, 2, np.inf):
    ...     closest_counterfactual_linear([3, 4], 0, [0, 0], 25, norm=p).x.round(3)
    array([0.  , 6.25])
    array([3., 4.])
    array([3.571, 3.571])
    """
    w = real_array("weights", weights, (None,))
    x = real_array("x", x, (len(w),))
    bias, target = check_number("bias", bias), check_number("target", target)
    norm, s = _norm(norm), real_array("scale", scale)
    if s.shape not in ((), w.shape) or (s.size and s.min() < 0):
        raise ValueError(
            f"scale must not be negative, one number or {len(w)}, got {scale!r:.60}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        gap = target - (w @ x + bias)
        v = w * s
    if not (np.isfinite(gap) and np.isfinite(v).all()):
        raise ValueError("weights must keep the score and weights * scale finite")
    if gap == 0:
        return ClosestCounterfactual(x.copy(), 0.0)
    largest = np.abs(v).max(initial=0.0)
    if largest == 0:
        raise ValueError(
            "target cannot be reached: no feature that may change has a weight"
        )
    v = v / largest
    direction, size = np.sign(v), np.abs(v).sum()
    if norm == 1:
        direction, size = np.zeros_like(v), 1.0
        j = np.abs(v).argmax()
        direction[j] = np.sign(v[j])
    elif norm == 2:
        size = np.sqrt(v @ v)
        direction = v / size
    with np.errstate(over="ignore", invalid="ignore"):
        distance = abs(gap) / largest / size
        moved = x + np.sign(gap) * distance * direction * s
    if not np.isfinite(moved).all():
        raise ValueError(
            "target cannot be reached below 1e308, the weights are too small"
        )
    return ClosestCounterfactual(moved, float(distance))


def class_margin(model: nn.Module, index: int) -> Score:
    r"""Return by how much one class leads all others, as a function of a batch.

    .. math:: f(x) = z_k(x) - \max_{j \ne k} z_j(x)

    Positive exactly where the model answers `k`, so a counterfactual with another answer is one with the target 0.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (n, ...) inputs to (n, C) logits; held still in each call and left as it was.
    index : int
        The class `k`, 0 to C - 1.

    Returns
    -------
    callable
        Maps (n, ...) inputs to (n,) margins, differentiably.

    Raises
    ------
    TypeError, ValueError
        If `model` is no module or `index` no integer from 0; when called, if the model has no such class or no
        other.

    Examples
    --------
    >>> class_margin(nn.Identity(), 1)(torch.tensor([[3.0, 4.0], [5.0, 2.0]]))
    tensor([ 1., -3.])
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    return class_score(_Margin(model), index)


def along_line(
    f: Score, x: torch.Tensor, end: torch.Tensor, target: float = 0.0
) -> Counterfactuals:
    r"""Return an input on the way from each row to a valid one, at the point where the score reaches the target.

    Bisection on :math:`t` in :math:`f(x + t (e - x)) \ge \text{target}`; where the score crosses the target more
    than once it finds one of the crossings.

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own.
    x, end : (n, ...) tensors of floats
        The inputs to be explained, and where to walk: inputs with the wanted answer, as a rule.
    target : float
        The wanted score.

    Returns
    -------
    Counterfactuals
        With Euclidean distances; not valid where the end of the way is not.

    Raises
    ------
    TypeError, ValueError
        If the tensors or scores are unfit as in `tensor_scores`, or `end` has another shape or type than `x`.

    Examples
    --------
    >>> found = along_line(lambda x: x.sum(dim=1) - 1, torch.zeros(1, 2), torch.ones(1, 2))
    >>> found.x, found.valid
    (tensor([[0.5000, 0.5000]]), tensor([True]))
    """
    target = check_number("target", target)
    with torch.no_grad():
        first = tensor_scores(f, x)
        if not isinstance(end, torch.Tensor) or end.shape != x.shape:
            raise ValueError(f"end must be a tensor of shape {tuple(x.shape)}")
        if end.dtype != x.dtype or end.device != x.device:
            raise TypeError(f"end must be {x.dtype} on {x.device}, like x")
        x = x.detach()
        way = end.detach() - x
        last = tensor_scores(f, end)
        valid = (first >= target) | (last >= target)
        eps = torch.finfo(x.dtype).eps
        goal = torch.minimum(_beyond(target, first, last), last.clamp(min=target))
        low, high = torch.zeros_like(first), torch.ones_like(first)
        for _ in range(int(-np.log2(eps)) + 8):
            middle = (low + high) / 2
            enough = tensor_scores(f, x + _each(middle, x) * way) >= goal
            low, high = (
                torch.where(enough, low, middle),
                torch.where(enough, middle, high),
            )
        t = torch.where(first >= target, torch.zeros_like(high), high)
        moved = torch.where(_each(t, x) == 1, end, x + _each(t, x) * way)
        return _result(f, x, moved, valid, target, 2.0, torch.ones_like(x[:1]))


def counterfactual(
    f: Score,
    x: torch.Tensor,
    target: float = 0.0,
    *,
    norm: float = 2,
    scale: torch.Tensor | float = 1.0,
    steps: int = 40,
    restarts: int = 0,
    spread: float = 1.0,
    generator: torch.Generator | None = None,
) -> Counterfactuals:
    r"""Search near each row for an input whose score reaches the target.

    At the current point `p` the score is replaced by its tangent, whose nearest valid input to `x` is known,

    .. math:: p \leftarrow p + \beta_k \Big(x + \arg\min_\delta \big\{\|\delta / s\| : f(p) + \nabla f(p)^\top
        (x + \delta - p) \ge t\big\} - p\Big), \quad \beta_k = \frac{1}{1 + k / 8}

    (until a first valid point is found, the nearest to `p`, with :math:`\beta_k = 1`), and of all valid points the
    nearest is drawn back to the boundary along the straight line to `x`.  The first search begins at `x`, and each
    restart at another draw around it.  The answer is valid or marked as a failure; that it is the nearest of all
    holds for linear `f` only.

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own, differentiably: `class_margin` of the wanted
        class with the target 0, for example.
    x : (n, ...) tensor of floats
        The inputs to be explained.
    target : float
        The wanted score `t`.
    norm : {1, 2, inf}
        In which distances are measured.
    scale : float or tensor of the shape of one row
        What counts as one step of a feature, in its unit, not negative; 0 for a feature that must not change.
    steps : int
        Steps of each search.
    restarts : int
        Further searches from random starts.
    spread : float
        Standard deviation of the starts around `x`, in units of `scale`.
    generator : torch.Generator, optional
        Source of the starts; needed for restarts only.

    Returns
    -------
    Counterfactuals
        Of the shape, type and device of `x`; a row that has the wanted score already is its own counterfactual.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or `f` is unfit as in `score_gradients`.

    References
    ----------
    Wachter, S., Mittelstadt, B. and Russell, C. (2018). Counterfactual explanations without opening the black box.
    Harvard Journal of Law & Technology 31(2).
    Croce, F. and Hein, M. (2020). Minimally distorted adversarial examples with a fast adaptive boundary attack.
    ICML.

    Examples
    --------
    >>> def ball(x):
    ...     return (x**2).sum(dim=1) - 25
    >>> found = counterfactual(ball, torch.tensor([[1.2, 1.6]]).double())
    >>> found.x.round(decimals=4).tolist(), found.valid
    ([[3.0, 4.0]], tensor([True]))
    """
    norm, target = _norm(norm), check_number("target", target)
    steps, restarts = (
        check_integer("steps", steps, 1),
        check_integer("restarts", restarts, 0),
    )
    spread = check_number("spread", spread, 0, ends="()")
    with torch.no_grad():
        first = tensor_scores(f, x)
    done = first >= target
    x = x.detach()
    s = _scale(scale, x)
    starts = [x]
    if restarts:
        if not isinstance(generator, torch.Generator):
            raise TypeError(f"generator must be a torch.Generator, got {generator!r}")
        noise = torch.randn(
            (restarts, *x.shape),
            generator=generator,
            device=generator.device,
            dtype=x.dtype,
        )
        starts += list(x + spread * s * noise.to(x.device))
    p, origin = torch.cat(starts), x.repeat(restarts + 1, *[1] * (x.ndim - 1))
    best, reach = (
        p.clone(),
        torch.full((len(p),), torch.inf, dtype=x.dtype, device=x.device),
    )
    for k in range(steps + 1):
        score, g = scores_and_gradients(f, p)
        with torch.no_grad():
            distance = _length((p - origin) / s, norm)
            enough = score >= _beyond(target, first.repeat(restarts + 1), score)
            nearer = enough & (distance < reach)
            reach = torch.where(nearer, distance, reach)
            best = torch.where(_each(nearer, p), p, best)
            # Until something valid is found the step starts at p, so that it arrives; afterwards at x, so that it
            # is short.  A hundredth more makes the point valid, not almost.
            base = torch.where(_each(reach.isinf(), p), p, origin)
            lack = target - score - (g * (base - p)).flatten(1).sum(dim=1)
            delta = _tangent_step(g * s, 1.01 * lack.clamp(min=0), norm)
            usable = delta.flatten(1).isfinite().all(dim=1)
            step = torch.where(_each(usable, p), base + s * delta - p, 0.0)
            p = p + torch.where(_each(reach.isinf(), p), step, step / (1 + k / 8))
    found = along_line(f, origin, best, target)
    with torch.no_grad():
        distance = _length((found.x - origin) / s, norm).nan_to_num(nan=torch.inf)
        distance = torch.where(found.valid, distance, torch.inf)
        winner = distance.view(restarts + 1, -1).argmin(dim=0)
        rows = winner * len(x) + torch.arange(len(x), device=x.device)
        nearest = torch.where(_each(done, x), x, found.x[rows])
        return _result(f, x, nearest, done | found.valid[rows], target, norm, s)


class _Margin(nn.Module):
    """Each class's logit less the largest of the others."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.model(x)
        if z.ndim != 2 or z.shape[1] < 2:
            raise ValueError(
                f"model must return (n, C) logits, C > 1, got {tuple(z.shape)}"
            )
        (first, second), best = z.topk(2, dim=1).values.T, z.argmax(dim=1, keepdim=True)
        others = first[:, None].expand_as(z).scatter(1, best, second[:, None])
        margins: torch.Tensor = z - others
        return margins


def _norm(norm: object) -> float:
    """Refuse every norm but the three with a closed form."""
    number = isinstance(norm, int | float | np.number) and not isinstance(norm, bool)
    if not number or norm not in (1, 2, np.inf):
        raise ValueError(f"norm must be 1, 2 or inf, got {norm!r:.60}")
    return float(norm)


def _scale(scale: torch.Tensor | float, x: torch.Tensor) -> torch.Tensor:
    """Scales of the features as a tensor that broadcasts over the rows."""
    s = torch.as_tensor(scale, dtype=x.dtype, device=x.device).detach()
    if s.shape not in (torch.Size([]), x.shape[1:]) or not bool(
        (s.isfinite() & (s >= 0)).all()
    ):
        raise ValueError(
            f"scale must be finite and not negative, one number or of shape {tuple(x.shape[1:])}"
        )
    if not bool((s > 0).any()):
        raise ValueError("scale must leave a feature that may change, all are 0")
    return s.expand(x.shape[1:])[None]


def _each(value: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One value for each row, shaped to broadcast over the rest of the row."""
    return value.view(-1, *[1] * (x.ndim - 1))


def _beyond(target: float, *scores: torch.Tensor) -> torch.Tensor:
    """Return a little more than the target, so that the rounding of another batch does not undo a valid answer."""
    largest = torch.stack([score.abs() for score in scores]).amax(dim=0)
    return target + 256 * torch.finfo(largest.dtype).eps * largest.clamp(
        min=abs(target)
    )


def _length(delta: torch.Tensor, norm: float) -> torch.Tensor:
    """Norm of each row; 0 / 0 belongs to a feature that may not change, and has not."""
    flat = torch.where(delta.isnan(), 0.0, delta).flatten(1)
    size = _size(flat)  # squares of 1e-170 and 1e170 are no numbers
    length: torch.Tensor = torch.linalg.vector_norm(flat / size, norm, dim=1)
    return size[:, 0] * length


def _size(flat: torch.Tensor) -> torch.Tensor:
    """Power of two by which a row is divided without rounding, so that its largest entry is between 1 and 2."""
    size = flat.abs().amax(dim=1, keepdim=True)
    power = size / torch.frexp(size).mantissa / 2
    return torch.where((power > 0) & power.isfinite(), power, 1.0)


def _tangent_step(v: torch.Tensor, lack: torch.Tensor, norm: float) -> torch.Tensor:
    """Shortest change of each row, in units of its scales, that raises its linear score by what it lacks."""
    flat = v.flatten(1)
    size = _size(flat)
    flat, lack = flat / size, lack / size[:, 0]
    if norm == 1:
        largest = flat.abs().argmax(dim=1, keepdim=True)
        step = torch.zeros_like(flat).scatter(1, largest, 1 / flat.gather(1, largest))
    elif norm == 2:
        step = flat / (flat**2).sum(dim=1, keepdim=True)
    else:
        step = flat.sign() / flat.abs().sum(dim=1, keepdim=True)
    return (lack[:, None] * step).view_as(v)


def _result(
    f: Score,
    x: torch.Tensor,
    moved: torch.Tensor,
    valid: torch.Tensor,
    target: float,
    norm: float,
    s: torch.Tensor,
) -> Counterfactuals:
    """Ask for the scores once more, and mark the failures so that nobody uses them unawares."""
    moved = torch.where(_each(valid, x), moved, x)
    valid = valid & (tensor_scores(f, moved) >= target)
    distance = torch.where(valid, _length((moved - x) / s, norm), torch.inf)
    return Counterfactuals(
        torch.where(_each(valid, x), moved, torch.nan), distance, valid
    )
