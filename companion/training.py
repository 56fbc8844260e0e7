"""One loop that trains a classifier, for every lesson that needs one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed

__all__ = ["train_classifier"]


def train_classifier(
    network: nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    seed: int,
    *,
    epochs: int = 20,
    batch: int = 64,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    r"""Train a network to classify, with Adam on the mean cross-entropy of each batch.

    .. math:: L(\theta) = -\frac{1}{|B|} \sum_{i \in B} \log \operatorname{softmax}(f_\theta(x_i))_{y_i}

    Parameters
    ----------
    network : torch.nn.Module
        Maps (N, ...) inputs to (N, C) logits; it is trained in place, on its own device.
    X : (n, ...) tensor of floats
        Inputs, on the network's device.
    y : (n,) tensor of int64
        Labels, 0 to C - 1.
    seed : int
        Seeds the order of the samples, and nothing else.
    epochs : int
        Passes over the data.
    batch : int
        Samples per step; the last batch of an epoch may be smaller.
    learning_rate, weight_decay : float
        Of Adam, with the decay decoupled from the gradient (AdamW).
    watch : callable, optional
        Called as ``watch(epoch, network)`` before the first epoch and after each, in evaluation mode.

    Returns
    -------
    torch.nn.Module
        The same network, in evaluation mode.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, or a number is out of range.

    References
    ----------
    Kingma, D. P. and Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.
    Loshchilov, I. and Hutter, F. (2019). Decoupled weight decay regularization. ICLR.

    Examples
    --------
    >>> X, y = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    >>> trained = train_classifier(nn.Linear(1, 2), X, y, seed=0, epochs=99, learning_rate=0.1)
    >>> trained(X).argmax(dim=1)
    tensor([0, 0, 1, 1])
    """
    _check_samples(X, y)
    epochs, batch = check_integer("epochs", epochs, 1), check_integer("batch", batch, 1)
    # Drawn where the samples are, so that no index has to travel.
    generator = torch.Generator(X.device).manual_seed(check_seed("seed", seed))
    optimiser = torch.optim.AdamW(
        network.parameters(),
        lr=check_number("learning_rate", learning_rate, 0, ends="()"),
        weight_decay=check_number("weight_decay", weight_decay, 0, ends="[)"),
    )
    for epoch in trange(epochs, desc="train", leave=False):
        if watch is not None:
            watch(epoch, network.eval())
        network.train()
        order = torch.randperm(len(X), generator=generator, device=X.device)
        for rows in order.split(batch):
            optimiser.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(network(X[rows]), y[rows]).backward()
            optimiser.step()
    network.eval()
    if watch is not None:
        watch(epochs, network)
    return network


def _check_samples(X: torch.Tensor, y: torch.Tensor) -> None:
    """Refuse samples that the loop would fail on later, or learn nonsense from."""
    for name, value in (("X", X), ("y", y)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not X.is_floating_point() or y.dtype != torch.int64:
        raise TypeError(
            f"X must hold floats and y int64 labels, got {X.dtype} and {y.dtype}"
        )
    if X.ndim < 2 or y.shape != X.shape[:1] or not len(y):
        raise ValueError(
            f"X must have shape (n, ...) and y shape (n,), got {tuple(X.shape)} and {tuple(y.shape)}"
        )
    if not bool(X.isfinite().all()) or int(y.min()) < 0:
        raise ValueError("X must be finite and y not negative")
