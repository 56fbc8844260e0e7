r"""Group robustness: group DRO, which learns the weights of groups, and the plain baselines beside it.

A mean over the data is a mean over its large groups.  Three remedies weigh the groups alike: weights, balanced
batches, and a subsample in which all groups are equally large.  Group distributionally robust optimization (group
DRO) instead plays a game: the weights of the groups climb towards the group that is worst off, and the model
descends on the weighted loss.  For a convex model the game has a value, and weak duality says how far away it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed
from companion.classifiers import frozen
from companion.datasets import digits

__all__ = [
    "GroupTrained",
    "Grouped",
    "group_accuracy",
    "group_dro",
    "group_dro_gap",
    "marked_digits",
    "subsample_groups",
    "worst_group_accuracy",
]


class GroupTrained(NamedTuple):
    """A classifier trained on groups, and the weights that the groups had in the end.

    Examples
    --------
    >>> GroupTrained._fields
    ('network', 'weights')
    """

    network: nn.Module  # in evaluation mode
    weights: torch.Tensor  # (G,) the distribution over the groups after the last step


def group_dro(
    network: nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    group: torch.Tensor,
    seed: int,
    *,
    steps: int = 1000,
    batch: int = 64,
    learning_rate: float = 1e-3,
    l2: float = 0.0,
    group_rate: float = 0.01,
    start: torch.Tensor | None = None,
    balanced: bool = False,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> GroupTrained:
    r"""Train a classifier for its worst group: exponentiated gradient on the groups, Adam on the network.

    .. math:: \min_\theta \max_{q \in \Delta} \sum_g q_g L_g(\theta) + \tfrac{\lambda}{2} \|\theta\|^2, \qquad
        q_g \leftarrow q_g e^{\eta \hat L_g(\theta)} \Big/ \sum_h q_h e^{\eta \hat L_h(\theta)}

    where :math:`L_g` is the mean cross-entropy of group `g`.  A batch estimates it without bias, by the group's
    losses in the batch over the number that it has there on average; a batch of all rows gives it exactly.

    With a `group_rate` of 0 the weights stay as they start, and the same loop is a baseline: equal weights are
    *reweighting*, equal weights with balanced batches *oversampling*, and each group's share of the rows as its
    weight is plain training (empirical risk minimisation).

    Parameters
    ----------
    network : torch.nn.Module
        Maps (N, ...) inputs to (N, C) logits; it is trained in place, on its own device.
    X : (n, ...) tensor of floats
        Inputs, on the network's device.
    y, group : (n,) tensors of int64
        Labels, 0 to C - 1, and the group of each row, 0 to G - 1; no group may be empty.
    seed : int
        Seeds the draws of the batches, and nothing else.
    steps, batch : int
        Steps of the optimiser, and rows in each.  From n on, a batch is all rows.
    learning_rate, l2, group_rate : float
        Adam's rate, :math:`\lambda` and :math:`\eta`.
    start : (G,) tensor of floats, optional
        The first weights `q`, positive, summing to 1; equal ones by default.
    balanced : bool
        Draw each row of a batch from a group that is drawn first, all with the same probability.
    watch : callable, optional
        Called as ``watch(step, network)`` before the first step and after each, in evaluation mode.

    Returns
    -------
    GroupTrained
        The same network, in evaluation mode, and the last weights.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, a number is out of range, or a group is empty.
    FloatingPointError
        If the losses stop being finite: the learning rate is too large.

    References
    ----------
    Sagawa, S., Koh, P. W., Hashimoto, T. B. and Liang, P. (2020). Distributionally robust neural networks for
    group shifts. ICLR. Algorithm 1.

    Examples
    --------
    Nine of ten rows say 1 and one says 0, on the same input: only even odds serve both groups alike.

    >>> X, y = torch.ones(10, 1), torch.tensor([1] * 9 + [0])
    >>> model = nn.Linear(1, 2)
    >>> weights = group_dro(model, X, y, y, 0, batch=10, learning_rate=0.02, l2=0.01, group_rate=0.1).weights
    >>> model(X[:1]).detach().softmax(dim=1).round(decimals=1)
    tensor([[0.5000, 0.5000]])
    """
    counts = _check_groups(X, y, group)
    _check_classes(network, X, y)
    steps, batch = check_integer("steps", steps, 1), check_integer("batch", batch, 1)
    l2 = check_number("l2", l2, 0)
    group_rate = check_number("group_rate", group_rate, 0)
    optimiser = torch.optim.Adam(
        network.parameters(),
        lr=check_number("learning_rate", learning_rate, 0, ends="()"),
    )
    even = torch.full_like(counts, 1 / len(counts))
    log_q = (even if start is None else _check_weights("start", start, counts)).log()
    # What share of a batch each group has on average, and the batches themselves.
    share = even if balanced else counts / len(y)
    generator = torch.Generator(X.device).manual_seed(check_seed("seed", seed))
    chance = (1 / counts)[group] if balanced else None
    queue: list[torch.Tensor] = []
    for step in trange(steps, desc="train", leave=False):
        if watch is not None:
            watch(step, network.eval())
        network.train()
        if chance is not None:
            rows = torch.multinomial(chance, batch, True, generator=generator)
        else:
            if not queue:
                order = torch.randperm(len(y), generator=generator, device=y.device)
                queue = list(order.split(batch))
            rows = queue.pop()
        # What the counts of the groups are on average, in a batch of this size.
        mean = share * len(rows)
        losses = _group_means(network(X[rows]), y[rows], group[rows], mean)
        if not bool(losses.isfinite().all()):
            raise FloatingPointError(
                f"losses must stay finite, but after {step} steps they are not"
            )
        log_q = (log_q + group_rate * losses.detach()).log_softmax(dim=0)
        size = sum(p.square().sum() for p in network.parameters())
        optimiser.zero_grad(set_to_none=True)
        (log_q.exp() @ losses + l2 / 2 * size).backward()
        optimiser.step()
    network.eval()
    if watch is not None:
        watch(steps, network)
    return GroupTrained(network, log_q.exp())


def group_dro_gap(
    model: nn.Linear,
    X: torch.Tensor,
    y: torch.Tensor,
    group: torch.Tensor,
    weights: torch.Tensor,
    l2: float,
) -> float:
    r"""Return how far a linear model's worst group may be from the best that any linear model reaches.

    .. math:: \max_g L_g(\theta) - q \cdot L(\theta) + \frac{1}{2 \lambda}
        \big\| \nabla_\theta (q \cdot L)(\theta) + \lambda \theta \big\|^2

    By weak duality no model's :math:`\max_g L_g + \tfrac{\lambda}{2} \|\theta\|^2` lies further below this
    one's, whatever the weights `q`: the penalised mean under `q` is strongly convex, so a small gradient bounds
    what is left.  The penalty counts the biases, as `group_dro` does.

    Parameters
    ----------
    model : torch.nn.Linear
        The model; it is left as it was.
    X : (n, d) tensor of floats
        Inputs.
    y, group : (n,) tensors of int64
        Labels, and the group of each row.
    weights : (G,) tensor of floats
        The weights `q` of the groups, positive, summing to 1: those that `group_dro` returns.
    l2 : float
        :math:`\lambda`, positive.

    Returns
    -------
    float
        The certificate in nats: zero at the optimum of both players.

    Raises
    ------
    TypeError, ValueError
        If the model is not linear, or the data, weights or `l2` are unfit.

    References
    ----------
    Boyd, S. and Vandenberghe, L. (2004). Convex Optimization. Equation 9.9 and section 5.2.2.

    Examples
    --------
    >>> X, y = torch.ones(10, 1), torch.tensor([1] * 9 + [0])
    >>> model = nn.Linear(1, 2)
    >>> model.load_state_dict({"weight": torch.zeros(2, 1), "bias": torch.zeros(2)})
    <All keys matched successfully>
    >>> round(group_dro_gap(model, X, y, y, torch.tensor([0.5, 0.5]), l2=1.0), 4)
    0.0
    >>> round(group_dro_gap(model, X, y, y, torch.tensor([0.1, 0.9]), l2=1.0), 4)
    0.32
    """
    if not isinstance(model, nn.Linear):
        raise TypeError(f"model must be a torch.nn.Linear, got {type(model).__name__}")
    counts = _check_groups(X, y, group)
    _check_classes(model, X, y)
    q = _check_weights("weights", weights, counts)
    l2 = check_number("l2", l2, 0, ends="()")
    theta = [p.detach().double().requires_grad_() for p in model.parameters()]
    with torch.enable_grad():
        logits = nn.functional.linear(X.detach().double(), *theta)
        losses = _group_means(logits, y, group, counts)
        size = sum(p.square().sum() for p in theta)
        slopes = torch.autograd.grad(q @ losses + l2 / 2 * size, theta)
    slope = sum(float(g.square().sum()) for g in slopes)
    losses = losses.detach()
    return float(losses.max() - q @ losses) + slope / (2 * l2)


def subsample_groups(group: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return rows in which every group is as large as the smallest, drawn without replacement.

    Parameters
    ----------
    group : (n,) tensor of int64
        The group of each row, 0 to G - 1; no group may be empty.
    generator : torch.Generator
        The source of randomness.

    Returns
    -------
    tensor of int64
        Indices of the rows that are kept, rising.

    Raises
    ------
    TypeError, ValueError
        If `group` holds no such groups, or `generator` is no torch generator.

    References
    ----------
    Idrissi, B. Y., Arjovsky, M., Pezeshki, M. and Lopez-Paz, D. (2022). Simple data balancing achieves
    competitive worst-group-accuracy. CLeaR.

    Examples
    --------
    >>> group = torch.tensor([0, 0, 0, 0, 1, 1])
    >>> group[subsample_groups(group, torch.Generator().manual_seed(0))]
    tensor([0, 0, 1, 1])
    """
    counts = _group_counts(group)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r}")
    # In a random order each group's first rows are a draw of it.
    order = torch.randperm(len(group), generator=generator, device=generator.device)
    order = order.to(group.device)
    order = order[group[order].argsort(stable=True)]
    starts = (counts.cumsum(dim=0) - counts).long()
    kept = starts[:, None] + torch.arange(int(counts.min()), device=group.device)
    return order[kept.flatten()].sort().values


def group_accuracy(
    model: nn.Module, X: torch.Tensor, y: torch.Tensor, group: torch.Tensor
) -> torch.Tensor:
    r"""Return the share of rows that a classifier names correctly, group by group.

    .. math:: \frac{1}{n_g} \sum_{i: g_i = g} \mathbf{1}\big[\operatorname{argmax}_k f_k(x_i) = y_i\big]

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) inputs to (N, C) logits; it is left as it was.
    X : (n, ...) tensor of floats
        Inputs.
    y, group : (n,) tensors of int64
        Labels, and the group of each row, 0 to G - 1; no group may be empty.

    Returns
    -------
    (G,) tensor of float64
        Between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If the data are unfit, or a logit is NaN.

    Examples
    --------
    >>> X = torch.tensor([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]])
    >>> group_accuracy(nn.Identity(), X, torch.tensor([1, 0, 0]), torch.tensor([0, 0, 1]))
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    counts = _check_groups(X, y, group)
    with frozen(model), torch.no_grad():
        logits = model(X)
    if bool(logits.isnan().any()):
        raise ValueError("model must return numbers as logits, got NaN")
    right = (logits.argmax(dim=1) == y).double()
    return torch.zeros_like(counts).index_add(0, group, right) / counts


def worst_group_accuracy(
    model: nn.Module, X: torch.Tensor, y: torch.Tensor, group: torch.Tensor
) -> float:
    """Return the accuracy of a classifier on the group on which it is lowest.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) inputs to (N, C) logits; it is left as it was.
    X : (n, ...) tensor of floats
        Inputs.
    y, group : (n,) tensors of int64
        Labels, and the group of each row, 0 to G - 1; no group may be empty.

    Returns
    -------
    float
        Between 0 and 1, in steps of one over that group's size.

    Raises
    ------
    TypeError, ValueError
        If the data are unfit, or a logit is NaN.

    Examples
    --------
    >>> X = torch.tensor([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]])
    >>> worst_group_accuracy(nn.Identity(), X, torch.tensor([1, 0, 0]), torch.tensor([0, 0, 1]))
    0.5
    """
    return float(group_accuracy(model, X, y, group).min())


class Grouped(NamedTuple):
    """Labelled rows, each with the group it belongs to.

    Examples
    --------
    >>> Grouped._fields
    ('X', 'y', 'group')
    """

    X: torch.Tensor  # (n, d) features, float32
    y: torch.Tensor  # (n,) labels, int64
    group: torch.Tensor  # (n,) groups, int64, 0 to G - 1


def marked_digits(seed: int, aligned: float = 0.95) -> tuple[Grouped, Grouped, Grouped]:
    """Return digits, odd or even, with a mark in the margin that gives the answer away, nearly always.

    Three pixels of the left margin are white on most odd digits and black on most even ones in what one learns
    from.  In what one chooses and tests with they are white on half of either.  The group is
    ``2 * odd + marked``, so groups 1 and 2 are the rare ones.

    Parameters
    ----------
    seed : int
        Seeds which images are learnt from, and which are marked.
    aligned : float
        The share of the images to learn from whose mark agrees with the label, between 0 and 1.

    Returns
    -------
    tuple of three Grouped
        1097 images to learn from, 250 to choose with and 450 to test on, those of `companion.datasets.digits`.

    Raises
    ------
    TypeError, ValueError
        If `seed` is no seed or `aligned` not between 0 and 1.

    References
    ----------
    Sagawa, S., Koh, P. W., Hashimoto, T. B. and Liang, P. (2020). Distributionally robust neural networks for
    group shifts. ICLR.

    Examples
    --------
    >>> train, validation, test = marked_digits(0)
    >>> torch.bincount(train.group)
    tensor([521,  28,  26, 522])
    """
    rng = np.random.default_rng(check_seed("seed", seed))
    aligned = check_number("aligned", aligned, 0, 1)
    data = digits()
    order = rng.permutation(len(data.y_train))

    learn, choose = order[:1097], order[1097:]
    return (
        _marked(data.X_train[learn], data.y_train[learn], aligned, rng),
        _marked(data.X_train[choose], data.y_train[choose], 0.5, rng),
        _marked(data.X_test, data.y_test, 0.5, rng),
    )


def _marked(
    X: NDArray[np.float64],
    y: NDArray[np.int64],
    share: float,
    rng: np.random.Generator,
) -> Grouped:
    """Images, odd or even, whose mark agrees with the label in a share of them."""
    images, odd = X.copy(), y % 2
    mark = np.where(rng.random(len(y)) < share, odd, 1 - odd)
    images[:, [0, 8, 16]] = mark[:, None]
    return Grouped(
        torch.tensor(images, dtype=torch.float32),
        torch.tensor(odd),
        torch.tensor(2 * odd + mark),
    )


def _group_means(
    logits: torch.Tensor, y: torch.Tensor, group: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    """Each group's sum of losses over a count."""
    loss = nn.functional.cross_entropy(logits, y, reduction="none").double()
    return torch.zeros_like(counts).index_add(0, group, loss) / counts


def _group_counts(group: torch.Tensor) -> torch.Tensor:
    """The sizes of the groups; refuses what are none."""
    if not isinstance(group, torch.Tensor) or group.dtype != torch.int64:
        raise TypeError(f"group must be a tensor of int64, got {group!r:.60}")
    if group.ndim != 1 or not len(group) or int(group.min()) < 0:
        raise ValueError(
            f"group must be at least one row of groups from 0 on, got shape {tuple(group.shape)}"
        )
    counts = torch.bincount(group).double()
    if not bool(counts.all()):
        raise ValueError(f"group must leave no group empty, {int(counts.argmin())} is")
    return counts


def _check_groups(
    X: torch.Tensor, y: torch.Tensor, group: torch.Tensor
) -> torch.Tensor:
    """The sizes of the groups; refuses rows, labels and groups that do not fit together."""
    counts = _group_counts(group)
    for name, value in (("X", X), ("y", y)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not X.is_floating_point() or y.dtype != torch.int64:
        raise TypeError(
            f"X must hold floats and y int64 labels, got {X.dtype} and {y.dtype}"
        )
    if X.ndim < 2 or not len(X) == len(y) == len(group) or y.ndim != 1:
        raise ValueError(
            "X, y and group must have one row for each sample, got shapes "
            f"{tuple(X.shape)}, {tuple(y.shape)} and {tuple(group.shape)}"
        )
    if not X.device == y.device == group.device:
        raise ValueError("X, y and group must be on one device")
    if not bool(X.isfinite().all()) or int(y.min()) < 0:
        raise ValueError("X must be finite and y not negative")
    return counts


def _check_classes(network: nn.Module, X: torch.Tensor, y: torch.Tensor) -> None:
    """Refuse a network whose logits are none for these labels."""
    with frozen(network), torch.no_grad():
        shape = network(X[:1]).shape
    if len(shape) != 2 or shape[1] <= int(y.max()):
        raise ValueError(
            f"y must be below the number of logits, got {int(y.max())} and logits of shape {tuple(shape)}"
        )


def _check_weights(
    name: str, weights: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    """A positive distribution over the groups, in float64, where the counts are."""
    if not isinstance(weights, torch.Tensor) or not weights.is_floating_point():
        raise TypeError(f"{name} must be a tensor of floats, got {weights!r:.60}")
    if weights.shape != counts.shape:
        raise ValueError(
            f"{name} must have shape {tuple(counts.shape)}, got {tuple(weights.shape)}"
        )
    q = weights.detach().to(counts)
    if not bool((q > 0).all()) or abs(float(q.sum()) - 1) > 1e-6:
        raise ValueError(f"{name} must be positive and sum to 1, got {q.tolist()}")
    return q
