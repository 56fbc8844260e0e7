r"""Preference learning: rewards from comparisons, by the model of Bradley and Terry.

Nobody can say what a clip of behaviour is worth, but most people can say which of two clips is better.  The model
turns such answers into numbers: the logit of "i is preferred to j" is the difference of two scores.  Where the
things compared are few, the scores are found exactly, with standard errors; where they are clips of behaviour, the
score is the sum of a learnt reward, and the loss is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.csgraph import connected_components
from scipy.special import expit
from torch import nn

from companion.checks import check_integer, real_array
from companion.training import train_classifier

__all__ = ["BradleyTerry", "bradley_terry", "fit_reward", "preference_loss"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BradleyTerry:
    """Scores of the model of Bradley and Terry, and how sure they are; the scores sum to zero.

    Examples
    --------
    >>> bradley_terry([[0, 3], [1, 0]]).converged
    True
    """

    scores: Floats  # (n,)
    standard_errors: Floats  # (n,), of the scores, if the model is right
    robust_errors: Floats  # (n,), by the sandwich, also if it is wrong
    covariance: Floats  # (n, n), whose diagonal holds the squared standard errors
    robust_covariance: Floats  # (n, n), the same of the robust ones
    residual: (
        float  # largest wins minus expected wins, as a share of the item's comparisons
    )
    iterations: int
    converged: bool  # whether residual or step are as small as rounding allows


def bradley_terry(wins: ArrayLike, limit: int = 2000) -> BradleyTerry:
    r"""Fit scores to counted comparisons, by maximum likelihood.

    .. math:: P(i \succ j) = \sigma(r_i - r_j), \qquad
              \max_r \sum_{i \ne j} w_{ij} \log \sigma(r_i - r_j), \qquad \sum_i r_i = 0

    by Newton's method.  A step `d` that changes a compared difference by `R` at most is shortened to
    :math:`d \log(1 + R) / R`, with which it converges from anywhere.  Only differences of scores mean anything,
    so a gauge must be chosen: they sum to zero, and the standard errors are those of that gauge.  The variance
    of :math:`r_i - r_j` is ``c[i, i] + c[j, j] - 2 * c[i, j]`` in every gauge.

    The covariance is :math:`H^+`, the pseudo-inverse of the Hessian, which is right if the model is; the robust
    one is :math:`H^+ M H^+` with `M` the sum of squared scores of independent sources.  For one table a source is
    a single comparison; for a stack of tables it is a table, such as one person's answers, which may depend on
    one another in any way.

    Parameters
    ----------
    wins : (n, n) or (m, n, n) array_like
        Entry `i, j` counts how often `i` was preferred to `j`; the diagonal is zero.  A tie is half a win for
        both.  Shares or weights give the same scores as counts in proportion, but no meaningful errors.  Of a
        stack, the sum is fitted, and the robust errors take each of its `m` tables, at least two, for one source.
    limit : int
        Largest number of Newton's steps; about ten are usual.

    Returns
    -------
    BradleyTerry
        Scores, two kinds of standard errors and covariances, and the solver's certificate.

    Raises
    ------
    TypeError, ValueError
        If `wins` holds no such counts, or the scores have no finite maximum: some items were never beaten by the
        others, which the message names.

    References
    ----------
    Zermelo, E. (1929). Die Berechnung der Turnier-Ergebnisse als ein Maximumproblem der
    Wahrscheinlichkeitsrechnung. Mathematische Zeitschrift 29.
    Bradley, R. A. and Terry, M. E. (1952). Rank analysis of incomplete block designs I. Biometrika 39.
    Ford, L. R. (1957). Solution of a ranking problem from binary comparisons. American Mathematical Monthly 64(8).
    White, H. (1982). Maximum likelihood estimation of misspecified models. Econometrica 50(1).
    Sun, T. and Tran-Dinh, Q. (2019). Generalized self-concordant functions. Mathematical Programming 178.

    Examples
    --------
    Three wins to one: the difference is log 3.

    >>> fit = bradley_terry([[0, 3], [1, 0]])
    >>> fit.scores.round(4), fit.standard_errors.round(4)
    (array([ 0.5493, -0.5493]), array([0.5774, 0.5774]))
    """
    tables = _checked_wins(wins)
    limit = check_integer("limit", limit, 1)
    _check_connected(tables.sum(axis=0))
    unit = tables.max()
    tables = tables / unit
    w = tables.sum(axis=0)
    met = w + w.T
    n, eps = len(w), np.finfo(np.float64).eps
    r = np.log(w.sum(axis=1) / w.sum(axis=0))  # right for equally strong opponents
    R, stalled = np.inf, False
    for iterations in range(limit + 1):
        p = _chances(r)
        upset = w * p.T  # wins that the model did not expect: w_ij sigma(r_j - r_i)
        won, lost = upset.sum(axis=1), upset.sum(axis=0)
        gradient = won - lost
        # What rounding leaves: n terms, each off by eps and by the scores' own eps.
        enough = 4 * eps * (n + np.abs(r).max()) * (won + lost)
        converged = stalled or (np.abs(gradient) <= enough).all()
        if converged or iterations == limit:
            break
        step = _solved(met * p * p.T, gradient[:, None])[:, 0]
        last, R = R, (np.abs(step[:, None] - step) * (met > 0)).max()
        # So small, and no longer shrinking: counts far apart leave more rounding.
        stalled = last <= R < 1e-6
        r = r + step * (np.log1p(R) / R if R > 0 else 1.0)
        r -= r.mean()
    inverse = _solved(met * p * p.T, np.eye(n) - 1 / n)
    if len(tables) > 1:
        upsets = tables * p.T
        sources = upsets.sum(axis=2) - upsets.sum(axis=1)  # (m, n) gradients
        meat = sources.T @ sources * len(tables) / (len(tables) - 1)
    else:
        squares = w * p.T**2  # of one comparison's gradient, (1 - p)^2 for each win
        meat = _laplacian(squares + squares.T) / unit
    covariance = inverse / unit
    robust = inverse @ meat @ inverse
    return BradleyTerry(
        scores=r,
        standard_errors=np.sqrt(np.diag(covariance)),
        robust_errors=np.sqrt(np.diag(robust)),
        covariance=covariance,
        robust_covariance=robust,
        residual=float((np.abs(gradient) / met.sum(axis=1)).max()),
        iterations=iterations,
        converged=bool(converged),
    )


def preference_loss(
    first: torch.Tensor, second: torch.Tensor, preferred: torch.Tensor
) -> torch.Tensor:
    r"""Return the mean cross-entropy of preferences between fragments, from the rewards of their steps.

    .. math:: z = \sum_t r(a_t) - \sum_t r(b_t), \qquad
              L = -y \log \sigma(z) - (1 - y) \log \sigma(-z)

    It is computed from the logit `z` itself: first the sigmoid and then its logarithm would lose every digit in
    float32 beyond a `z` of 17, and the gradient with them.

    Parameters
    ----------
    first, second : (N, T) Tensor
        Rewards of the T steps of both fragments of each pair.  A whole answer with one reward has T = 1.  The
        fragments must be equally long, because otherwise a constant added to every reward would change `z`,
        although it changes nothing in what one prefers.
    preferred : (N,) Tensor
        Probability `y` that the first is preferred: 1, 0, or 0.5 for a tie; floats, integers or bools.

    Returns
    -------
    () Tensor
        The loss, a mean over pairs, in nats, on the device and of the type of the rewards.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not agree, a reward is not finite or a probability is none.

    References
    ----------
    Christiano, P. et al. (2017). Deep reinforcement learning from human preferences. NeurIPS. Equation 1.

    Examples
    --------
    One step better by log 3, and preferred: -log 0.75.

    >>> r = torch.tensor([[1.0986, 0.0]])
    >>> preference_loss(r, torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.2877)
    """
    for name, value in (("first", first), ("second", second), ("preferred", preferred)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not (first.is_floating_point() and second.is_floating_point()):
        raise TypeError(
            f"first and second must hold floats, got {first.dtype} and {second.dtype}"
        )
    if first.ndim != 2 or first.shape != second.shape or not first.numel():
        raise ValueError(
            "first and second must have one shape (N, T), fragments of equal length, "
            f"got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    if preferred.shape != first.shape[:1]:
        raise ValueError(
            f"preferred must have shape ({len(first)},), got {tuple(preferred.shape)}"
        )
    z = first.sum(dim=1) - second.sum(dim=1)
    if not bool(z.isfinite().all()):
        raise ValueError("first and second must have finite sums, got NaN or infinity")
    y = preferred.to(z.dtype)
    if not bool(((y >= 0) & (y <= 1)).all()):
        raise ValueError("preferred must lie in [0, 1]")
    return nn.functional.binary_cross_entropy_with_logits(z, y)


def fit_reward(
    network: nn.Module,
    clips: torch.Tensor,
    preferred: torch.Tensor,
    seed: int,
    *,
    epochs: int = 100,
    batch: int = 64,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-2,
) -> nn.Module:
    r"""Fit a reward network to preferences between two clips of behaviour.

    A preference is a classification in which the logit of a clip is the sum of its rewards,

    .. math:: \log \operatorname{softmax}\Big(\sum_t r_\theta(a_t), \sum_t r_\theta(b_t)\Big)_1
              = \log \sigma\Big(\sum_t r_\theta(a_t) - \sum_t r_\theta(b_t)\Big),

    so the classifier's loss is `preference_loss`, and the classifier's loop trains it.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (..., F) observations to (..., 1) rewards; it is trained in place, on its own device.
    clips : (N, 2, T, F) tensor of floats
        N pairs of clips of T steps.
    preferred : (N,) tensor of int64
        Which of the two was preferred: 0 or 1.
    seed : int
        Seeds the order of the pairs, and nothing else.
    epochs, batch, learning_rate, weight_decay : int and float
        As in `companion.training.train_classifier`.

    Returns
    -------
    torch.nn.Module
        The same network, in evaluation mode.  Its rewards are known up to a constant.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, or a number is out of range.

    References
    ----------
    Christiano, P. et al. (2017). Deep reinforcement learning from human preferences. NeurIPS.

    Examples
    --------
    The first clip has the larger numbers, and is preferred.

    >>> clips = torch.tensor([[[[2.0], [1.0]], [[0.0], [1.0]]]])
    >>> reward = fit_reward(nn.Linear(1, 1), clips, torch.tensor([0]), seed=0, learning_rate=0.1)
    >>> bool(reward.weight > 0)
    True
    """
    if not isinstance(clips, torch.Tensor) or not isinstance(preferred, torch.Tensor):
        raise TypeError(
            f"clips and preferred must be tensors, got {type(clips).__name__} and {type(preferred).__name__}"
        )
    if clips.ndim != 4 or clips.shape[1] != 2 or not clips.numel():
        raise ValueError(
            f"clips must have shape (N, 2, T, F), got {tuple(clips.shape)}"
        )
    if preferred.dtype == torch.int64 and preferred.numel() and preferred.max() > 1:
        raise ValueError(f"preferred must hold 0 and 1, got {int(preferred.max())}")
    returns = _Returns(network)
    with torch.no_grad():
        # By its name, so that a copy of this function brings it along.
        shape = tuple(returns.forward(clips[:1]).shape)
    if shape != (1, 2):
        raise ValueError("network must map (..., F) to (..., 1), it does not")
    train_classifier(
        returns,
        clips,
        preferred,
        seed,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )
    return network


class _Returns(nn.Module):
    """Sums of a network's rewards over clips: (N, 2, T, F) to (N, 2)."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.network(clips).squeeze(-1).sum(dim=-1)
        return total


def _checked_wins(wins: ArrayLike) -> Floats:
    """Tables (m, n, n) of counts; m is 1 for a single table."""
    tables = real_array("wins", wins)
    if tables.ndim not in (2, 3) or tables.shape[-1] != tables.shape[-2]:
        raise ValueError(
            f"wins must have shape (n, n) or (m, n, n), got {tables.shape}"
        )
    if tables.shape[-1] < 2 or (tables.ndim == 3 and len(tables) < 2):
        raise ValueError(
            f"wins must compare two items at least, and a stack hold two tables, got shape {tables.shape}"
        )
    if tables.min() < 0 or np.diagonal(tables, axis1=-2, axis2=-1).any():
        raise ValueError(
            "wins must not be negative, and zero on the diagonal: nothing beats itself"
        )
    positive = tables[tables > 0]
    if positive.size and not (
        1e-200 < positive.max() < 1e200 and positive.min() / positive.max() > 1e-12
    ):
        raise ValueError(
            "wins must lie between 1e-200 and 1e200, and within a factor of 1e12, "
            f"got {positive.min():g} to {positive.max():g}"
        )
    return tables.reshape(-1, *tables.shape[-2:])


def _check_connected(w: Floats) -> None:
    """Refuse tables without a finite maximum, by Ford's condition, and name the items."""
    won = w > 0
    if _reached(won) == _reached(won.T) == len(w):
        return
    count, labels = connected_components(won, connection="strong")
    found = []
    for label in range(count):
        inside = labels == label
        items = np.flatnonzero(inside).tolist()
        if not w[np.ix_(~inside, inside)].any():
            found.append((len(items), items, "were never beaten by"))
        if not w[np.ix_(inside, ~inside)].any():
            found.append((len(items), items, "never won against"))
    _, items, what = min(found)
    raise ValueError(
        "wins must link all items by wins in both directions, or the scores have no finite maximum: "
        f"items {items} {what} the others"
    )


def _reached(won: NDArray[np.bool_]) -> int:
    """How many items can be reached from the first one along wins; itself included."""
    reached, count = np.arange(len(won)) == 0, 0
    while reached.sum() > count:
        count = int(reached.sum())
        reached = reached | won[reached].any(axis=0)
    return count


def _chances(r: Floats) -> Floats:
    """The model's probabilities, sigma(r_i - r_j)."""
    if np.ptp(r) > 600:  # where a ratio of exponentials would underflow
        return np.asarray(expit(r[:, None] - r))
    strength = np.exp(r - r.mean())
    return np.asarray(strength[:, None] / (strength[:, None] + strength))


def _laplacian(weights: Floats) -> Floats:
    """The sum over pairs i < j of ``weights[i, j]`` times the square of e_i - e_j."""
    return np.diag(weights.sum(axis=1)) - weights


def _solved(weights: Floats, right: Floats) -> Floats:
    """Solve a connected graph's Laplacian for columns that sum to zero; so does each solution."""
    scale = np.sqrt(weights.sum(axis=1))[:, None]
    # Each row at its own scale; the ones fill the null space and leave the solutions.
    factor = cho_factor(_laplacian(weights) / (scale * scale.T) + 1.0, overwrite_a=True)
    solution: Floats = cho_solve(factor, right / scale) / scale
    return np.asarray(solution - solution.mean(axis=0))
