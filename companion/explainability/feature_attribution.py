r"""Feature attribution: saliency, gradient times input, SmoothGrad, occlusion and Grad-CAM.

A score :math:`f` gives one number for each image, such as the logit of one class.  An attribution gives each pixel
a number that says how much the score owes to it, and each method means something else by that: how steep the score
is at the pixel, or how far it falls when the pixel is covered.  None of them says why the score was learnt.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from companion.checks import check_integer, check_number
from companion.classifiers import frozen
from companion.scores import check_batch, score_gradients, tensor_scores

__all__ = [
    "grad_cam",
    "gradient_times_input",
    "occlusion",
    "pointing_game",
    "saliency",
    "smooth_grad",
]

Score = Callable[[torch.Tensor], torch.Tensor]


def saliency(f: Score, x: torch.Tensor) -> torch.Tensor:
    r"""Return how steeply the score of each image rises with each of its pixels.

    .. math:: \phi_i(x) = \frac{\partial f}{\partial x_i}(x)

    The sign is kept; maps of where the score is sensitive show the absolute value.

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own, differentiably.
    x : (n, ...) tensor of floats
        Inputs, at least one.

    Returns
    -------
    (n, ...) tensor
        In units of the score per unit of the input.

    Raises
    ------
    TypeError, ValueError
        If `x` is unfit or `f` is no differentiable score.

    References
    ----------
    Baehrens, D. et al. (2010). How to explain individual classification decisions. JMLR 11.

    Examples
    --------
    >>> saliency(lambda x: x[:, 0] * x[:, 1], torch.tensor([[2.0, 3.0]]))
    tensor([[3., 2.]])
    """
    return score_gradients(f, x)


def gradient_times_input(f: Score, x: torch.Tensor) -> torch.Tensor:
    r"""Return each input value times the score's slope there.

    .. math:: \phi_i(x) = x_i \, \frac{\partial f}{\partial x_i}(x)

    For a linear score it is what each value adds.  A value of 0 gets 0 from every model.

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own, differentiably.
    x : (n, ...) tensor of floats
        Inputs, at least one.

    Returns
    -------
    (n, ...) tensor
        In the unit of the score.

    Raises
    ------
    TypeError, ValueError
        If `x` is unfit or `f` is no differentiable score.

    References
    ----------
    Shrikumar, A. et al. (2017). Learning important features through propagating activation differences. ICML.

    Examples
    --------
    >>> gradient_times_input(lambda x: 5 * x[:, 0] - x[:, 1], torch.tensor([[2.0, 3.0]]))
    tensor([[10., -3.]])
    """
    return x * score_gradients(f, x)


def smooth_grad(
    f: Score,
    x: torch.Tensor,
    *,
    sigma: float,
    generator: torch.Generator,
    samples: int = 50,
    batch: int = 512,
) -> torch.Tensor:
    r"""Return the mean gradient at noisy copies of each input (SmoothGrad).

    .. math:: \phi(x) = \frac{1}{S} \sum_{s=1}^S \nabla f(x + \sigma \varepsilon_s),
              \qquad \varepsilon_s \sim N(0, I)

    Where the score has no jumps, its mean over the draws is the gradient of another function: the score blurred
    by a Gaussian of width :math:`\sigma`.  All rows get the same draws, so that the map of an image does not
    depend on the other images of the batch.

    Parameters
    ----------
    f : callable
        Maps (n, ...) inputs to (n,) scores, each row on its own, differentiably.
    x : (n, ...) tensor of floats
        Inputs, at least one.
    sigma : float
        Standard deviation of the noise, in the unit of the input; 0 gives the gradient itself.
    generator : torch.Generator
        The source of randomness; the draws are moved from its device to that of `x`.
    samples : int
        Noisy copies of each input.
    batch : int
        Rows that `f` sees at once, but at least one copy of each input.

    Returns
    -------
    (n, ...) tensor
        In units of the score per unit of the input.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit or `f` is no differentiable score.

    References
    ----------
    Smilkov, D. et al. (2017). SmoothGrad: removing noise by adding noise. arXiv:1706.03825.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> smooth_grad(lambda x: 5 * x[:, 0] - x[:, 1], torch.zeros(1, 2), sigma=0.1, generator=generator)
    tensor([[ 5., -1.]])
    """
    sigma = check_number("sigma", sigma, 0)
    samples = check_integer("samples", samples, 1)
    batch = check_integer("batch", batch, 1)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r:.60}")
    check_batch(x)
    shape = (samples, 1, *x.shape[1:])
    noise = torch.randn(
        shape, generator=generator, device=generator.device, dtype=x.dtype
    ).to(x.device)
    total = torch.zeros_like(x)
    for part in noise.split(max(1, batch // len(x))):
        near = (x.detach() + sigma * part).flatten(0, 1)  # (draws * n, ...)
        total += score_gradients(f, near).unflatten(0, (-1, len(x))).sum(dim=0)
    return total / samples


def occlusion(
    f: Score,
    x: torch.Tensor,
    *,
    window: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] = 1,
    fill: float | torch.Tensor = 0.0,
    batch: int = 512,
) -> torch.Tensor:
    r"""Return how far the score falls when a window that covers the pixel is filled, averaged over the windows.

    .. math:: \phi_i(x) = \frac{1}{|\{W \ni i\}|} \sum_{W \ni i} \big( f(x) - f(x_{W \leftarrow b}) \big)

    with :math:`x_{W \leftarrow b}` the image whose window `W` is filled with :math:`b`.  Windows start at the
    first row and column and every `stride` pixels after it until the image is covered; what sticks out of the last
    one is cut off.  A window whose pixels equal the filling gets 0 from every model.

    Parameters
    ----------
    f : callable
        Maps (n, ...) images to (n,) scores, each row on its own; it need not be differentiable.
    x : (n, ..., rows, columns) tensor of floats
        Images, at least one; all channels of a window are filled together.
    window, stride : int or (int, int)
        Rows and columns of a window, and of a step, which must not be longer.
    fill : float or tensor of the shape of `x` or of one image
        What the window is filled with.
    batch : int
        Rows that `f` sees at once, but at least one copy of each image.

    Returns
    -------
    (n, ..., rows, columns) tensor
        In the unit of the score, the same for all channels of a pixel.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit or `f` is no score.

    References
    ----------
    Zeiler, M. D. and Fergus, R. (2014). Visualizing and understanding convolutional networks. ECCV. Section 4.2.

    Examples
    --------
    >>> image = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    >>> occlusion(lambda x: 5 * x[:, 0, 0] - x[:, 1, 1], image, window=1)
    tensor([[[ 5.,  0.],
             [ 0., -4.]]])
    """
    batch = check_integer("batch", batch, 1)
    check_batch(x, 3)
    with torch.no_grad():
        filling = _filling(fill, x)
        masks = _windows(x, window, stride)  # (windows, rows, columns)
        # No window comes first: the score of the image as it is.
        every = torch.cat([torch.zeros_like(masks[:1]), masks])
        every = every.view(len(every), *[1] * (x.ndim - 2), *x.shape[-2:])
        scores = [
            tensor_scores(f, torch.where(part, filling, x).flatten(0, 1))
            for part in every.split(max(1, batch // len(x)))
        ]
        score = torch.cat(scores).view(len(every), len(x))
        weight = masks.flatten(1).to(score)  # (windows, pixels)
        mean = (score[0] - score[1:]).T @ (weight / weight.sum(dim=0))
        images = mean.to(x.dtype).view(len(x), *[1] * (x.ndim - 3), *x.shape[-2:])
        return images.expand_as(x).clone()


def grad_cam(
    front: nn.Module, back: Score, x: torch.Tensor, *, relu: bool = True
) -> torch.Tensor:
    r"""Return the weighted sum of a network's feature maps, each weighed by its mean gradient (Grad-CAM).

    .. math:: \phi(x) = \operatorname{ReLU}\Big( \sum_k w_k A_k \Big), \qquad
              w_k = \frac{1}{|A_k|} \sum_{p} \frac{\partial f}{\partial A_{kp}}

    The network is cut in two: the front makes the maps :math:`A` of the image, the back makes the score of the
    maps.  Where the back averages each map over its positions and is linear after that, :math:`w_k` is the linear
    weight over the number of positions, and the sum before the rectifier is proportional to CAM.

    Parameters
    ----------
    front : torch.nn.Module
        Maps (n, ...) images to (n, K, rows, columns) feature maps; it is held still and left as it was.
    back : callable
        Maps feature maps to (n,) scores, each row on its own, differentiably.
    x : (n, ...) tensor of floats
        Images, at least one.
    relu : bool
        Whether negative sums are cut to 0.

    Returns
    -------
    (n, rows, columns) tensor
        One value for each position of the feature maps, which are coarser than the image as a rule.

    Raises
    ------
    TypeError, ValueError
        If `x` is unfit, `front` returns no feature maps or mixes rows, or `back` is no differentiable score.

    References
    ----------
    Selvaraju, R. R. et al. (2017). Grad-CAM: visual explanations from deep networks via gradient-based
    localization. ICCV. Equations 1 and 2.

    Examples
    --------
    >>> front = nn.Conv2d(1, 1, 1, bias=False)
    >>> _ = nn.init.constant_(front.weight, 2.0)
    >>> image = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    >>> grad_cam(front, lambda maps: 8 * maps.mean(dim=(1, 2, 3)), image)
    tensor([[[4., 0.],
             [0., 4.]]])
    """
    if not isinstance(front, nn.Module):
        raise TypeError(f"front must be a torch.nn.Module, got {type(front).__name__}")

    def _sums(images: torch.Tensor) -> torch.Tensor:
        maps.append(front(images))
        if maps[-1].ndim != 4:
            got = tuple(maps[-1].shape)
            raise ValueError(
                f"front must return (n, K, rows, columns) maps, got shape {got}"
            )
        return maps[-1].sum(dim=(1, 2, 3))

    maps: list[torch.Tensor] = []
    with frozen(front), torch.no_grad():
        tensor_scores(_sums, x)
    features = maps[0]
    weight = score_gradients(back, features).mean(dim=(2, 3), keepdim=True)
    cam = (weight * features).sum(dim=1)
    return cam.relu() if relu else cam


def pointing_game(maps: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    r"""Return for each map how much of its maximum lies in a region: 1 inside, 0 outside, ties split fairly.

    .. math:: \frac{|M \cap R|}{|M|}, \qquad M = \{ i : \phi_i = \max_j \phi_j \}

    A map that is the same everywhere gets the region's share of the pixels, which is chance.

    Parameters
    ----------
    maps : (n, ...) tensor of floats
        Attributions whose largest value is looked for; pass ``maps.abs()`` where the sign is of no matter.
    region : (...) tensor of bool
        Where the maximum should lie, of the shape of one map.

    Returns
    -------
    (n,) tensor of float64
        Between 0 and 1; the mean over images is the pointing game's score.

    Raises
    ------
    TypeError, ValueError
        If `maps` are no finite floats, there is none, or `region` is no mask of the shape of one map.

    References
    ----------
    Zhang, J. et al. (2016). Top-down neural attention by excitation backprop. ECCV. Section 4.1.

    Examples
    --------
    >>> maps = torch.tensor([[3.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    >>> pointing_game(maps, torch.tensor([True, False, False]))
    tensor([1.0000, 0.5000, 0.3333], dtype=torch.float64)
    """
    if not isinstance(maps, torch.Tensor) or not maps.is_floating_point():
        raise TypeError(f"maps must be a tensor of floats, got {maps!r:.60}")
    if not isinstance(region, torch.Tensor) or region.dtype != torch.bool:
        raise TypeError(f"region must be a tensor of bool, got {region!r:.60}")
    if maps.ndim < 2 or not maps.numel() or region.shape != maps.shape[1:]:
        shapes = f"{tuple(maps.shape)} and {tuple(region.shape)}"
        raise ValueError(f"maps must be (n, ...) and region (...), got {shapes}")
    if not bool(maps.isfinite().all()):
        raise ValueError("maps must be finite, got NaN or infinity")
    flat = maps.flatten(1)
    top = flat == flat.max(dim=1, keepdim=True).values
    inside = top & region.flatten().to(maps.device)
    return inside.sum(dim=1).double() / top.sum(dim=1)


def _filling(fill: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return what windows are filled with, as images of the shape of `x` or of one of them."""
    if not isinstance(fill, torch.Tensor) or fill.ndim == 0:
        number = fill.item() if isinstance(fill, torch.Tensor) else fill
        return torch.full_like(x[0], check_number("fill", number))
    if fill.shape not in (x.shape, x.shape[1:]):
        want = f"{tuple(x.shape)} or {tuple(x.shape[1:])}"
        raise ValueError(
            f"fill must be a number or have shape {want}, got {tuple(fill.shape)}"
        )
    if not bool(fill.isfinite().all()):
        raise ValueError("fill must be finite, got NaN or infinity")
    return fill.to(x)


def _windows(
    x: torch.Tensor, window: int | tuple[int, int], stride: int | tuple[int, int]
) -> torch.Tensor:
    """Return the windows that cover an image, each as a mask of its rows and columns."""
    sizes = window if isinstance(window, tuple) else (window, window)
    steps = stride if isinstance(stride, tuple) else (stride, stride)
    if len(sizes) != 2 or len(steps) != 2:
        raise ValueError(
            f"window and stride must be one or two integers, got {window}, {stride}"
        )
    covered = []
    for length, size, step in zip(x.shape[-2:], sizes, steps, strict=True):
        size = check_integer("window", size, 1, length)
        step = check_integer("stride", step, 1, size)
        start = torch.arange(0, length - size + step, step, device=x.device)[:, None]
        place = torch.arange(length, device=x.device)
        covered.append((place >= start) & (place < start + size))  # (starts, length)
    rows, columns = covered
    return (rows[:, None, :, None] & columns[None, :, None, :]).flatten(0, 1)
