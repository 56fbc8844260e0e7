"""The few small networks that more than one chapter trains."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import nn

from companion.checks import check_integer

__all__ = ["convnet", "mlp"]


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


def convnet(
    generator: torch.Generator,
    shape: tuple[int, int, int] = (1, 8, 8),
    channels: Sequence[int] = (16, 32, 64),
    classes: int = 10,
) -> nn.Sequential:
    r"""Return a small convolutional classifier of flattened images, initialised from `generator` alone.

    One 3 x 3 convolution for each entry of `channels`, each but the first halving the image's sides (rounded
    up), a rectifier after each, and one linear layer.  Weights and biases are drawn from
    :math:`U(-1/\sqrt{n}, 1/\sqrt{n})`, `n` the inputs of one unit: torch's own default.

    Parameters
    ----------
    generator : torch.Generator
        The source of randomness; the network is made on its device.
    shape : (int, int, int)
        Channels, rows and columns of an image.
    channels : sequence of int
        Channels of each convolution, at least one.
    classes : int
        How many logits.

    Returns
    -------
    torch.nn.Sequential
        Maps (N, channels x rows x columns) to (N, classes), in float32.  Its first part gives the pixels their
        rows and columns back.

    Raises
    ------
    TypeError, ValueError
        If a size is no positive integer, or `generator` no torch generator.

    Examples
    --------
    >>> network = convnet(torch.Generator().manual_seed(0))
    >>> network(torch.zeros(3, 64)).shape
    torch.Size([3, 10])
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r}")
    inputs, rows, columns = (check_integer("shape", size, 1) for size in shape)
    classes = check_integer("classes", classes, 1)
    if not len(channels):
        raise ValueError("channels must name at least one convolution, got none")
    layers: list[nn.Module] = [nn.Unflatten(1, (inputs, rows, columns))]
    for i, outputs in enumerate([check_integer("channels", c, 1) for c in channels]):
        stride = 1 if i == 0 else 2
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, device="meta"), nn.ReLU()]
        inputs, rows, columns = outputs, -(-rows // stride), -(-columns // stride)
    width = inputs * rows * columns
    layers += [nn.Flatten(), nn.Linear(width, classes, device="meta")]
    # As in `mlp`: nothing is drawn from torch's global random state.
    network = nn.Sequential(*layers).float().to_empty(device=generator.device)
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = layer.weight[0].numel() ** -0.5
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return network
