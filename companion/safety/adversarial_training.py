r"""Adversarial training: a classifier that learns from the worst image near each image it is given.

.. math:: \min_\theta \; \mathbb{E} \max_{\lVert x' - x \rVert_\infty \le \epsilon, \; x' \in [0, 1]^d}
          L(f_\theta(x'), y)

The methods differ in how they look for :math:`x'` and what they do with it, and each is one function here,
``loss(network, x, y, epsilon, generator)``: projected gradient steps (`pgd_loss`), one step (`fgsm_loss`), the
same with a second aim (`trades_loss`), or no search at all (`noise_loss`).  One loop, `adversarial_training`,
takes any of them, or one of your own.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed
from companion.classifiers import check_labelled_images, frozen

__all__ = [
    "adversarial_training",
    "fgsm_loss",
    "noise_loss",
    "pgd_loss",
    "trades_loss",
]

Loss = Callable[
    [nn.Module, torch.Tensor, torch.Tensor, float, torch.Generator], torch.Tensor
]


def adversarial_training(
    network: nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    seed: int,
    loss: Loss,
    epsilon: float,
    *,
    epochs: int = 40,
    batch: int = 128,
    learning_rate: float = 5e-3,
    warm_up: int = 10,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    r"""Train a classifier on a loss that may change its images, with Adam and a one-cycle learning rate.

    Each step lowers the loss of one batch, at a radius that grows over the first epochs,

    .. math:: \theta \leftarrow \theta - \eta_t \operatorname{Adam}\big(\nabla_\theta L(f_\theta, x, y,
              \epsilon_e)\big), \qquad \epsilon_e = \epsilon \min(1, e / w),

    for epochs :math:`e = 1, 2, \dots` and a warm-up of `w` epochs.

    Parameters
    ----------
    network : torch.nn.Module
        Maps (N, ...) images to (N, C) logits; it is trained in place, on its own device.
    X : (n, ...) tensor of floats
        Images in [0, 1], on the network's device.
    y : (n,) tensor of int64
        Labels, 0 to C - 1.
    seed : int
        Seeds the order of the images and, apart from it, what `loss` draws: two losses see the same batches.
    loss : callable
        Called as ``loss(network, x, y, epsilon, generator)`` on each batch; returns a mean over the batch.  The
        network is in training mode, and the call leaves it so.
    epsilon : float
        The radius :math:`\epsilon`, in the maximum norm, 0 to 1.
    epochs : int
        Passes over the data.
    batch : int
        Images per step; the last batch of an epoch may be smaller.
    learning_rate : float
        The largest one: the rate climbs to it from a 25th over the first three tenths of the steps, and then
        falls to nearly nothing.
    warm_up : int
        Epochs `w` until the radius is whole; 0 or 1 for none.
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
    RuntimeError
        If the network diverges.

    References
    ----------
    Madry, A. et al. (2018). Towards deep learning models resistant to adversarial attacks. ICLR.
    Smith, L. N. and Topin, N. (2018). Super-convergence. arXiv:1708.07120.

    Examples
    --------
    Two images that lie .6 apart are told apart with .2 to spare on each side:

    >>> X, y = torch.tensor([[0.2], [0.8]]), torch.tensor([0, 1])
    >>> net = adversarial_training(nn.Linear(1, 2), X, y, 0, fgsm_loss, 0.2, epochs=99, learning_rate=0.1)
    >>> net(torch.tensor([[0.2 + 0.2], [0.8 - 0.2]])).argmax(dim=1)
    tensor([0, 1])
    """
    epsilon = _checked(network, X, y, epsilon)
    if not callable(loss):
        raise TypeError(f"loss must be callable, got {type(loss).__name__}")
    epochs, batch = check_integer("epochs", epochs, 1), check_integer("batch", batch, 1)
    warm_up = check_integer("warm_up", warm_up, 0)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    # Drawn where the images are; the loss's draws do not move the order of the images.
    order = torch.Generator(X.device).manual_seed(check_seed("seed", seed))
    drawn = torch.randint(2**62, (1,), generator=order, device=X.device)
    generator = torch.Generator(X.device).manual_seed(int(drawn))
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=epochs * -(-len(X) // batch)
    )
    for epoch in trange(epochs, desc="train", leave=False):
        if watch is not None:
            watch(epoch, network.eval())
        network.train()
        radius = epsilon * min(1.0, (epoch + 1) / max(1, warm_up))
        rows = torch.randperm(len(X), generator=order, device=X.device)
        for row in rows.split(batch):
            with torch.enable_grad():  # also where the caller has switched it off
                value = loss(network, X[row], y[row], radius, generator)
                optimiser.zero_grad(set_to_none=True)
                value.backward()
            optimiser.step()
            cycle.step()
    network.eval()
    if not all(bool(p.isfinite().all()) for p in network.parameters()):
        raise RuntimeError("the network diverged: lower learning_rate")
    if watch is not None:
        watch(epochs, network)
    return network


def pgd_loss(
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epsilon: float,
    generator: torch.Generator,
    *,
    steps: int = 7,
    reach: float = 2.5,
) -> torch.Tensor:
    r"""Return the mean cross-entropy of a batch after projected gradient steps uphill.

    From a uniform random start in the box, with :math:`\alpha = r \epsilon / S`,

    .. math:: x' \leftarrow \Pi\big(x' + \alpha \operatorname{sign} \nabla_{x'} L(f(x'), y)\big), \qquad
              \Pi \text{ clips to } [x - \epsilon, x + \epsilon] \cap [0, 1],

    for `S` steps, and then :math:`L(f(x'), y)`, whose gradient for the parameters takes :math:`x'` as given
    (Danskin's theorem: right where :math:`x'` is the maximiser).

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits.  The search runs in evaluation mode, the loss itself in the mode in
        which the model is.
    x : (N, ...) tensor of floats
        Images in [0, 1], at least one.
    y : (N,) tensor of int64
        Labels.
    epsilon : float
        Radius in the maximum norm, 0 to 1.
    generator : torch.Generator
        Draws the start, on its own device.
    steps : int
        Steps `S`; each costs a gradient.
    reach : float
        How far all steps together could go, `r`, in units of epsilon.  ``steps=1, reach=1.25`` is "fast"
        adversarial training.

    Returns
    -------
    scalar tensor
        To call ``backward`` on.

    Raises
    ------
    TypeError, ValueError
        If the model or the images are unfit, or a number is out of range.

    References
    ----------
    Madry, A. et al. (2018). Towards deep learning models resistant to adversarial attacks. ICLR, section 2.
    Wong, E., Rice, L. and Kolter, J. Z. (2020). Fast is better than free. ICLR.

    Examples
    --------
    Logits x and 1 - x, label 0, and a model that does best at 1: the worst image lies at .5 - .2.

    >>> model = nn.Linear(1, 2)
    >>> _ = model.load_state_dict({"weight": torch.tensor([[1.0], [-1.0]]), "bias": torch.tensor([0.0, 1.0])})
    >>> x, y, generator = torch.tensor([[0.5]]), torch.tensor([0]), torch.Generator().manual_seed(0)
    >>> loss = pgd_loss(model, x, y, 0.2, generator)
    >>> torch.isclose(loss, nn.functional.cross_entropy(model(torch.tensor([[0.3]])), y)).item()
    True
    """
    epsilon = _checked(model, x, y, epsilon)
    noise = _blank(x, generator).uniform_(-1, 1, generator=generator)
    start = x + epsilon * noise.to(x)
    with frozen(model):
        x_adv = _climbed(
            lambda z: nn.functional.cross_entropy(model(z), y, reduction="sum"),
            *(start, x, epsilon, steps, reach),
        )
    return nn.functional.cross_entropy(model(x_adv), y)


def fgsm_loss(
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epsilon: float,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Return the mean cross-entropy of a batch after one whole step uphill.

    .. math:: L\big(f(\operatorname{clip}_{[0, 1]}(x + \epsilon \operatorname{sign} \nabla_x L(f(x), y))), y\big)

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits.  The step is taken in evaluation mode, the loss itself in the mode
        in which the model is.
    x : (N, ...) tensor of floats
        Images in [0, 1], at least one.
    y : (N,) tensor of int64
        Labels.
    epsilon : float
        Radius in the maximum norm, 0 to 1.
    generator : torch.Generator, optional
        Not used: nothing is drawn.

    Returns
    -------
    scalar tensor
        To call ``backward`` on.

    Raises
    ------
    TypeError, ValueError
        If the model or the images are unfit, or a number is out of range.

    References
    ----------
    Goodfellow, I., Shlens, J. and Szegedy, C. (2015). Explaining and harnessing adversarial examples. ICLR.

    Examples
    --------
    >>> model, x, y = nn.Identity(), torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> moved = nn.functional.cross_entropy(torch.tensor([[0.5, 0.5]]), y)
    >>> torch.isclose(fgsm_loss(model, x, y, 0.1), moved).item()
    True
    """
    epsilon = _checked(model, x, y, epsilon)
    with frozen(model):
        x_adv = _climbed(
            lambda z: nn.functional.cross_entropy(model(z), y, reduction="sum"),
            *(x, x, epsilon, 1, 1.0),
        )
    return nn.functional.cross_entropy(model(x_adv), y)


def noise_loss(
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epsilon: float,
    generator: torch.Generator,
    *,
    corners: bool = False,
) -> torch.Tensor:
    r"""Return the mean cross-entropy of a batch with random noise: the control, which searches for nothing.

    .. math:: L\big(f(\operatorname{clip}_{[0, 1]}(x + \epsilon u)), y\big), \qquad
              u \sim U[-1, 1]^d \text{ or } U\{-1, 1\}^d

    With ``epsilon=0`` this is standard training.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits; it is called in the mode in which it is.
    x : (N, ...) tensor of floats
        Images in [0, 1], at least one.
    y : (N,) tensor of int64
        Labels.
    epsilon : float
        Radius in the maximum norm, 0 to 1.
    generator : torch.Generator
        Draws the noise, on its own device.
    corners : bool
        Whether every pixel moves by the whole of epsilon, up or down at random.

    Returns
    -------
    scalar tensor
        To call ``backward`` on.

    Raises
    ------
    TypeError, ValueError
        If the images are unfit, or a number is out of range.

    Examples
    --------
    >>> x, y, generator = torch.tensor([[0.9, 0.1]]), torch.tensor([0]), torch.Generator().manual_seed(0)
    >>> noise_loss(nn.Identity(), x, y, 0.0, generator) == nn.functional.cross_entropy(x, y)
    tensor(True)
    """
    epsilon = _checked(model, x, y, epsilon)
    noise = _blank(x, generator).uniform_(-1, 1, generator=generator)
    noise = (torch.where(noise < 0, -1.0, 1.0) if corners else noise).to(x)
    return nn.functional.cross_entropy(model((x + epsilon * noise).clamp(0, 1)), y)


def trades_loss(
    model: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    epsilon: float,
    generator: torch.Generator,
    *,
    beta: float = 6.0,
    steps: int = 7,
    reach: float = 2.5,
) -> torch.Tensor:
    r"""Return the TRADES loss: right on the images, and of one opinion around them.

    .. math:: L(f(x), y) + \beta \max_{x'} \operatorname{KL}\big(p(x) \,\Vert\, p(x')\big), \qquad
              p = \operatorname{softmax} f,

    as means over the batch.  The label is not used in the search: :math:`x'` climbs away from what the model says
    about `x`.  At :math:`x' = x` the divergence is least and its gradient zero, so the search starts from a normal
    offset of size .001.  Gradients for the parameters run through both :math:`p(x)` and :math:`p(x')`.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, ...) images to (N, C) logits.  The search runs in evaluation mode, the loss itself in the mode in
        which the model is.
    x : (N, ...) tensor of floats
        Images in [0, 1], at least one.
    y : (N,) tensor of int64
        Labels.
    epsilon : float
        Radius in the maximum norm, 0 to 1.
    generator : torch.Generator
        Draws the start, on its own device.
    beta : float
        Weight of the divergence, not negative; 0 gives standard training.
    steps : int
        Steps `S`, each of size ``reach * epsilon / steps``; each costs a gradient.
    reach : float
        How far all steps together could go, in units of epsilon.

    Returns
    -------
    scalar tensor
        To call ``backward`` on.

    Raises
    ------
    TypeError, ValueError
        If the model or the images are unfit, or a number is out of range.

    References
    ----------
    Zhang, H. et al. (2019). Theoretically principled trade-off between robustness and accuracy. ICML.

    Examples
    --------
    >>> x, y, generator = torch.tensor([[0.6, 0.4]]), torch.tensor([0]), torch.Generator().manual_seed(0)
    >>> clean = nn.functional.cross_entropy(x, y)
    >>> [bool(trades_loss(nn.Identity(), x, y, 0.1, generator, beta=b) > clean) for b in (0.0, 6.0)]
    [False, True]
    """
    epsilon = _checked(model, x, y, epsilon)
    beta = check_number("beta", beta, 0)
    offset = _blank(x, generator).normal_(generator=generator)
    start = x + 0.001 * offset.to(x)
    with frozen(model):
        with torch.no_grad():
            log_p = model(x).log_softmax(dim=1)
        x_adv = _climbed(
            lambda z: _divergence(log_p, model(z).log_softmax(dim=1)).sum(),
            *(start, x, epsilon, steps, reach),
        )
    logits = model(x)
    away = _divergence(logits.log_softmax(dim=1), model(x_adv).log_softmax(dim=1))
    return nn.functional.cross_entropy(logits, y) + beta * away.mean()


def _checked(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, epsilon: float
) -> float:
    """Refuse images and labels of which the model has no mean loss; return the radius."""
    check_labelled_images(x, y)
    if not len(x):
        raise ValueError("x must hold at least one image, got none")
    with frozen(model), torch.no_grad():
        classes = model(x[:1]).shape[1]
    if int(y.max()) >= classes:
        raise ValueError(
            f"y must stay below the {classes} classes of the model, got {int(y.max())}"
        )
    return check_number("epsilon", epsilon, 0, 1)


def _blank(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Memory in the shape of `x` where the generator draws."""
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r}")
    return torch.empty_like(x, device=generator.device)


def _climbed(
    gain: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    x: torch.Tensor,
    epsilon: float,
    steps: int,
    reach: float,
) -> torch.Tensor:
    """Signed gradient steps uphill from `start`, inside the box around `x` (Madry et al. 2018)."""
    steps = check_integer("steps", steps, 1)
    step = check_number("reach", reach, 0, ends="()") * epsilon / steps
    low, high = (x - epsilon).clamp(min=0), (x + epsilon).clamp(max=1)
    z = start.detach().clamp(low, high)
    for _ in range(steps):
        (slope,) = torch.autograd.grad(gain(z.requires_grad_()), z)
        z = torch.clamp(z.detach() + step * slope.sign(), low, high)
    return z


def _divergence(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """Kullback and Leibler's KL(p || q) of each row, from logarithms."""
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)
