"""The few small networks that more than one chapter trains."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import nn

from companion.checks import check_integer

__all__ = ["mlp"]


def mlp(
    sizes: Sequence[int],
    generator: torch.Generator,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    r"""Return a multi-layer perceptron, initialised from `generator` alone.

    Each layer is :math:`x \mapsto W x + b` with entries drawn from
    :math:`U(-1/\sqrt{n}, 1/\sqrt{n})`, `n` the layer's inputs: torch's own default for linear layers, which
    cannot be asked of torch without drawing from its global random state.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden units, ..., outputs; at least two.
    generator : torch.Generator
        The source of randomness; the network is made on its device.
    activation : callable
        Makes the module that stands between two layers, such as ``torch.nn.Tanh``.

    Returns
    -------
    torch.nn.Sequential
        Maps (N, sizes[0]) to (N, sizes[-1]), in float32 whatever torch's default type is.

    Raises
    ------
    TypeError, ValueError
        If `sizes` is no sequence of at least two positive integers, or `generator` no torch generator.

    Examples
    --------
    >>> network = mlp([4, 16, 2], torch.Generator().manual_seed(0))
    >>> network(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """
    if not isinstance(sizes, Sequence) or isinstance(sizes, str):
        raise TypeError(f"sizes must be a sequence of integers, got {sizes!r}")
    if len(sizes) < 2:
        raise ValueError(
            f"sizes must name at least inputs and outputs, got {list(sizes)}"
        )
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r}")
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(
        [check_integer("sizes", size, 1) for size in sizes]
    ):
        # On the meta device a layer is made without drawing from torch's global
        # random state.
        layer = nn.Linear(inputs, outputs, device="meta", dtype=torch.float32)
        layer = layer.to_empty(device=generator.device)
        for parameter in layer.parameters():
            nn.init.uniform_(
                parameter, -(inputs**-0.5), inputs**-0.5, generator=generator
            )
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1])
