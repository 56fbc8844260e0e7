r"""Generative adversarial training: a network that writes perturbations, and a classifier that learns from them.

A feed-forward attack is a network `g` that turns an image into a bad one in a single pass.  Its output is placed
*inside* the set of allowed images, between the lowest and the highest value that each pixel may take,

.. math:: x' = l + (h - l)\, \sigma(g(x)), \qquad l = \max(x - \epsilon, 0), \quad h = \min(x + \epsilon, 1),

so nothing is ever clipped.  Trained against a classifier that stands still it is an attack; trained in turn with a
classifier that learns from it, it is one player of a game whose other player is the defence.  In code the network
`g` is called ``attacker``, because a ``generator`` is torch's source of random numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed
from companion.classifiers import check_labelled_images, frozen
from companion.safety.adversarial_examples import margin_loss

__all__ = ["attacker_loss", "in_box", "train_attacker"]


def in_box(x: torch.Tensor, raw: torch.Tensor, epsilon: float) -> torch.Tensor:
    r"""Place a network's output between the lowest and the highest value that each pixel may take.

    .. math:: x' = l + (h - l)\, \sigma(g), \qquad l = \max(x - \epsilon, 0), \quad h = \min(x + \epsilon, 1)

    Every output is allowed, whatever the network says, and the gradient
    :math:`\partial x' / \partial g = (h - l)\, \sigma (1 - \sigma)` is positive wherever the pixel may move at
    all; that of an image that is clipped afterwards is zero where the clipping bites.

    Parameters
    ----------
    x : (N, ...) tensor of floats
        Images in [0, 1].
    raw : (N, ...) tensor of floats
        What the network returned for them, any numbers; infinite ones reach the ends exactly.
    epsilon : float
        Largest change of a pixel, 0 to 1.

    Returns
    -------
    tensor of the shape, type and device of `x`
        Images in [0, 1] and within `epsilon` of `x`, up to the rounding of :math:`x \pm \epsilon`.

    Raises
    ------
    TypeError, ValueError
        If the images are unfit, the shapes or types differ, or an output is NaN.

    References
    ----------
    Baluja, S. and Fischer, I. (2018). Learning to attack: adversarial transformation networks. AAAI.

    Examples
    --------
    A pixel of .1 may move from 0 to .3; 0 is the middle of that, not of the ball:

    >>> in_box(torch.tensor([[0.1, 0.5]]), torch.tensor([[0.0, torch.inf]]), 0.2)
    tensor([[0.1500, 0.7000]])
    """
    for name, value in (("x", x), ("raw", raw)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    _check_raw(x, raw)
    if x.numel() and not bool((x.amin() >= 0) & (x.amax() <= 1)):
        raise ValueError("x must lie in [0, 1], with no NaN")
    if bool(raw.isnan().any()):
        raise ValueError("raw must hold numbers, got NaN")
    return _placed(x, raw, check_number("epsilon", epsilon, 0, 1))


def train_attacker(
    attacker: nn.Module,
    model: nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    epsilon: float,
    seed: int,
    *,
    epochs: int = 20,
    batch: int = 128,
    learning_rate: float = 1e-3,
) -> nn.Module:
    r"""Train a network to fool a classifier that stands still, in one pass and without seeing the labels.

    With Adam, batch by batch, it raises the margin of the images that are not fooled yet,

    .. math:: \max_\phi \; \frac{1}{|B|} \sum_{i \in B} \min\big(\ell(f(x'_i), y_i),\, 0\big), \qquad
              \ell(z, y) = \max_{j \ne y} z_j - z_y,

    where :math:`x'_i` is `in_box` of :math:`g_\phi(x_i)`.  An image with a positive margin is fooled and no longer
    counts.  The margin is Carlini and Wagner's; AdvGAN has a second network besides, which asks that images look
    real, left out here.

    Parameters
    ----------
    attacker : torch.nn.Module
        Maps (N, ...) images to raw outputs of the same shape; it is trained in place, on its own device.
    model : torch.nn.Module
        The classifier: maps (N, ...) images to (N, C) logits, is questioned in evaluation mode and left as it was.
    X : (n, ...) tensor of floats
        Images in [0, 1], on both networks' device.
    y : (n,) tensor of int64
        Their labels, needed for training only.
    epsilon : float
        Largest change of a pixel, 0 to 1.
    seed : int
        Seeds the order of the images, and nothing else.
    epochs : int
        Passes over the images; each costs one gradient through the classifier for each image.
    batch : int
        Images per step; the last batch of an epoch may be smaller.
    learning_rate : float
        Of Adam.

    Returns
    -------
    torch.nn.Module
        The same attacker, in evaluation mode.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, or a number is out of range.
    RuntimeError
        If the attacker diverges.

    References
    ----------
    Xiao, C. et al. (2018). Generating adversarial examples with adversarial networks. IJCAI.
    Carlini, N. and Wagner, D. (2017). Towards evaluating the robustness of neural networks. IEEE S&P.

    Examples
    --------
    A classifier that asks whether a pixel exceeds .5; the attacker learns to move both images across.

    >>> model = nn.Linear(1, 2)
    >>> _ = model.load_state_dict({"weight": torch.tensor([[-1.0], [1.0]]), "bias": torch.tensor([0.5, -0.5])})
    >>> X, y = torch.tensor([[0.45], [0.55]]), torch.tensor([0, 1])
    >>> attacker = nn.Linear(1, 1)
    >>> _ = attacker.load_state_dict({"weight": torch.tensor([[1.0]]), "bias": torch.tensor([0.0])})
    >>> attacker = train_attacker(attacker, model, X, y, 0.2, seed=0, epochs=400, learning_rate=0.1)
    >>> (in_box(X, attacker(X), 0.2) > 0.5).flatten().tolist()
    [True, False]
    """
    _check_attacker(attacker)
    check_labelled_images(X, y)
    if not len(X):
        raise ValueError("X must hold at least one image, got none")
    epsilon = check_number("epsilon", epsilon, 0, 1)
    epochs, batch = check_integer("epochs", epochs, 1), check_integer("batch", batch, 1)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    order = torch.Generator(X.device).manual_seed(check_seed("seed", seed))
    optimiser = torch.optim.Adam(attacker.parameters(), lr=rate, fused=True)
    with frozen(model):
        attacker.train()
        for _ in trange(epochs, desc="attacker", leave=False):
            rows = torch.randperm(len(X), generator=order, device=X.device)
            for row in rows.split(batch):
                _step(attacker, optimiser, model, X[row], y[row], epsilon)
    _check_finite(attacker)
    return attacker.eval()


def attacker_loss(
    attacker: nn.Module, *, steps: int = 1, learning_rate: float = 1e-3
) -> Callable[
    [nn.Module, torch.Tensor, torch.Tensor, float, torch.Generator], torch.Tensor
]:
    r"""Return a loss for `adversarial_training`: the classifier learns from an attacker that learns in turn.

    On each batch the attacker takes `steps` steps of `train_attacker`'s kind against the classifier as it is; then
    the classifier pays for the images and, in equal shares, for what the attacker makes of them,

    .. math:: \min_\theta \max_\phi \; \frac12 \big( L(f_\theta(x), y) + L(f_\theta(x'_\phi), y) \big),

    with the cross-entropy `L`.  The attacker's aim is the margin, which runs out of digits later.

    Parameters
    ----------
    attacker : torch.nn.Module
        Maps (N, ...) images to raw outputs of the same shape; the loss trains it in place, and it stays with the
        caller, who can ask afterwards what the classifier has learnt to withstand.
    steps : int
        The attacker's steps for each batch, each one gradient through the classifier; 0 leaves it as it is.
    learning_rate : float
        Of the attacker's Adam.

    Returns
    -------
    callable
        ``loss(network, x, y, epsilon, generator)``, the form that `adversarial_training` takes.  The random
        generator is not used.  The loss remembers Adam's state: one for each training.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or a number is out of range; the loss itself does so for its images.

    References
    ----------
    Lee, H., Han, S. and Lee, J. (2017). Generative adversarial trainer: defense to adversarial perturbations with
    GAN. arXiv:1705.03387 (whose attacker is given the gradient of the image as well).
    Wang, H. and Yu, C.-N. (2019). A direct approach to robust deep learning using adversarial networks. ICLR.

    Examples
    --------
    >>> network, attacker, draw = nn.Linear(4, 2), nn.Linear(4, 4), torch.Generator()
    >>> loss = attacker_loss(attacker, steps=2)
    >>> loss(network, torch.rand(5, 4, generator=draw), torch.tensor([0, 1, 0, 1, 1]), 0.1, draw).shape
    torch.Size([])
    """
    steps = check_integer("steps", steps, 0)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    _check_attacker(attacker, learns=steps > 0)
    optimiser = (
        torch.optim.Adam(attacker.parameters(), lr=rate, fused=True) if steps else None
    )

    def loss(
        network: nn.Module,
        x: torch.Tensor,
        y: torch.Tensor,
        epsilon: float,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """Return the loss of one batch, after the attacker's steps on it.

        Parameters
        ----------
        network : torch.nn.Module
            The classifier: maps (N, ...) images to (N, C) logits.
        x : (N, ...) tensor of floats
            Images in [0, 1], at least one.
        y : (N,) tensor of int64
            Labels.
        epsilon : float
            Largest change of a pixel, 0 to 1.
        generator : torch.Generator
            Not used.

        Returns
        -------
        scalar tensor
            To call ``backward`` on.

        Raises
        ------
        TypeError, ValueError
            If an argument is unfit.

        Examples
        --------
        Those of `attacker_loss`.
        """
        check_labelled_images(x, y)
        if not len(x):
            raise ValueError("x must hold at least one image, got none")
        epsilon = check_number("epsilon", epsilon, 0, 1)
        if optimiser is not None:
            with frozen(network):
                for _ in range(steps):
                    _step(attacker, optimiser, network, x, y, epsilon)
        with torch.no_grad():
            x_adv = in_box(x, attacker(x), epsilon)
        clean, hard = (
            nn.functional.cross_entropy(network(images), y) for images in (x, x_adv)
        )
        return (clean + hard) / 2

    return loss


def _step(
    attacker: nn.Module,
    optimiser: torch.optim.Optimizer,
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epsilon: float,
) -> None:
    """One step up the margin of the images that are not fooled yet; the model stands still (Xiao et al. 2018)."""
    raw = attacker(x)
    _check_raw(x, raw)
    margins = margin_loss(model(_placed(x, raw, epsilon)), y)
    optimiser.zero_grad(set_to_none=True)
    (-margins.clamp(max=0).mean()).backward()
    optimiser.step()


def _placed(x: torch.Tensor, raw: torch.Tensor, epsilon: float) -> torch.Tensor:
    """`in_box` without its checks, which have no place in a loop."""
    low, high = (x - epsilon).clamp(min=0), (x + epsilon).clamp(max=1)
    # Exact at both ends, so that no rounding leaves the box.
    return torch.lerp(low, high, raw.sigmoid())


def _check_raw(x: torch.Tensor, raw: torch.Tensor) -> None:
    """Refuse an output that does not fit its images."""
    if not x.is_floating_point() or raw.dtype != x.dtype:
        raise TypeError(
            f"x and raw must hold floats of one type, got {x.dtype} and {raw.dtype}"
        )
    if raw.shape != x.shape or raw.device != x.device:
        raise ValueError(
            f"raw must have the shape and the device of x, {tuple(x.shape)} on {x.device}, "
            f"got {tuple(raw.shape)} on {raw.device}"
        )


def _check_attacker(attacker: nn.Module, learns: bool = True) -> None:
    """Refuse what cannot be trained."""
    if not isinstance(attacker, nn.Module):
        raise TypeError(
            f"attacker must be a torch.nn.Module, got {type(attacker).__name__}"
        )
    if learns and not any(p.requires_grad for p in attacker.parameters()):
        raise ValueError("attacker must have parameters to learn, got none")


def _check_finite(attacker: nn.Module) -> None:
    """Refuse an attacker that has diverged."""
    if not all(bool(p.isfinite().all()) for p in attacker.parameters()):
        raise RuntimeError("the attacker diverged: lower learning_rate")
