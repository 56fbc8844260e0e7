r"""Generative adversarial networks: two networks that train each other, and the distance that judges the outcome.

A discriminator learns to tell samples of the data, `p`, from samples of a generator, `q`; the generator learns
to be taken for the data.  The best discriminator has the logit :math:`\log p - \log q`, and its loss,
:math:`2 \log 2 - 2\,\mathrm{JS}(p, q)`, would say exactly how far the two still lie apart.  A discriminator that
was trained is not the best one, so its loss says only that they are *at least* so far apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr, svd
from scipy.special import rel_entr
from torch import nn
from tqdm import trange

from companion.checks import (
    check_integer,
    check_number,
    check_seed,
    check_table,
    real_array,
)
from companion.networks import mlp

__all__ = [
    "GAN",
    "discriminator_loss",
    "frechet_distance",
    "gaussian_frechet_distance",
    "generator_loss",
    "optimal_discriminator_loss",
    "r1_penalty",
    "saturating_generator_loss",
    "train_gan",
]

Floats = NDArray[np.float64]


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    r"""Return the loss of a discriminator from its logits: real samples are class 1, generated ones class 0.

    .. math:: L_D = \operatorname{mean} \log(1 + e^{-D(x)}) + \operatorname{mean} \log(1 + e^{D(G(z))})

    Parameters
    ----------
    real, fake : tensor of floats, any shape
        Logits, not probabilities, of real and of generated samples; at least one each.

    Returns
    -------
    scalar tensor
        The sum of the two mean cross-entropies; :math:`2 \log 2 \approx 1.386` where every logit is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is no tensor of floats, or is empty.

    References
    ----------
    Goodfellow, I. et al. (2014). Generative adversarial nets. NeurIPS. Equation 1.

    Examples
    --------
    >>> discriminator_loss(torch.tensor([0.0, 0.0]), torch.tensor([0.0]))
    tensor(1.3863)
    """
    _check_logits("real", real)
    _check_logits("fake", fake)
    # torch's softplus forgets the last digits from 20 on; its logsigmoid does not.
    log_sigmoid = nn.functional.logsigmoid
    return -log_sigmoid(real).mean() - log_sigmoid(-fake).mean()


def generator_loss(fake: torch.Tensor) -> torch.Tensor:
    r"""Return the non-saturating loss of a generator: its samples should be taken for real ones.

    .. math:: L_G = \operatorname{mean} \log(1 + e^{-D(G(z))}) = -\operatorname{mean} \log \sigma(D(G(z)))

    Its slope in a logit is :math:`-\sigma(-D)`: large where the discriminator is sure of the fake.

    Parameters
    ----------
    fake : tensor of floats, any shape
        Logits of generated samples, at least one.

    Returns
    -------
    scalar tensor
        The mean cross-entropy towards class 1.

    Raises
    ------
    TypeError, ValueError
        If `fake` is no tensor of floats, or is empty.

    References
    ----------
    Goodfellow, I. et al. (2014). Generative adversarial nets. NeurIPS. Section 3.

    Examples
    --------
    >>> generator_loss(torch.tensor([0.0, -100.0]))
    tensor(50.3466)
    """
    _check_logits("fake", fake)
    return -nn.functional.logsigmoid(fake).mean()


def saturating_generator_loss(fake: torch.Tensor) -> torch.Tensor:
    r"""Return the loss of the two-player game itself, whose slope dies where the fakes are bad.

    .. math:: \operatorname{mean} \log(1 - \sigma(D(G(z)))) = -\operatorname{mean} \log(1 + e^{D(G(z))})

    Its slope in a logit is :math:`-\sigma(D)`, which is that of `generator_loss` times :math:`e^{D}`.

    Parameters
    ----------
    fake : tensor of floats, any shape
        Logits of generated samples, at least one.

    Returns
    -------
    scalar tensor
        What the generator would lower if it played the discriminator's own game; never positive.

    Raises
    ------
    TypeError, ValueError
        If `fake` is no tensor of floats, or is empty.

    References
    ----------
    Goodfellow, I. et al. (2014). Generative adversarial nets. NeurIPS. Equation 1 and section 3.

    Examples
    --------
    >>> saturating_generator_loss(torch.tensor([0.0]))
    tensor(-0.6931)
    """
    _check_logits("fake", fake)
    return nn.functional.logsigmoid(-fake).mean()


def r1_penalty(discriminator: nn.Module, x: torch.Tensor) -> torch.Tensor:
    r"""Return the mean squared slope of a discriminator's logit at real samples.

    .. math:: R_1 = \operatorname{mean}_i \| \nabla_x D(x_i) \|^2

    It is added to the discriminator's loss with the factor :math:`\gamma / 2`, and keeps its gradient: the
    penalty can be differentiated for the discriminator's parameters.

    Parameters
    ----------
    discriminator : torch.nn.Module
        Maps (N, ...) samples to N logits, each from its own sample alone.
    x : (N, ...) tensor of floats
        Real samples, at least one; it may but need not require gradients.

    Returns
    -------
    scalar tensor
        The penalty, not negative.

    Raises
    ------
    TypeError, ValueError
        If the arguments are of another type, `x` is empty or not finite, or there is not one logit a sample.

    References
    ----------
    Mescheder, L., Geiger, A. and Nowozin, S. (2018). Which training methods for GANs do actually converge?
    ICML. Equation 9.

    Examples
    --------
    A logit of 3 a + 4 b has the slope (3, 4) everywhere, whose square is 25.

    >>> linear = nn.Linear(2, 1)
    >>> linear.weight.data = torch.tensor([[3.0, 4.0]])
    >>> r1_penalty(linear, torch.zeros(5, 2)).detach()
    tensor(25.)
    """
    if not isinstance(discriminator, nn.Module):
        kind = type(discriminator).__name__
        raise TypeError(f"discriminator must be a torch.nn.Module, got {kind}")
    _check_samples("x", x)
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = discriminator(x)
        if logits.numel() != len(x):
            raise ValueError(
                f"discriminator must return one logit a sample, got shape {tuple(logits.shape)} for {len(x)}"
            )
        return _squared_slope(logits, x)


def optimal_discriminator_loss(
    p: ArrayLike, q: ArrayLike, weights: ArrayLike = 1.0
) -> float:
    r"""Return the smallest loss that any discriminator can have between two known densities.

    .. math:: \min_D L_D = -\int p \log \frac{p}{p + q} - \int q \log \frac{q}{p + q}
              = 2 \log 2 - 2\,\mathrm{JS}(p, q)

    It is attained by the logit :math:`\log p - \log q`, and it lies between 0, for densities that never meet,
    and :math:`2 \log 2`, for equal ones.

    Parameters
    ----------
    p, q : array_like of one shape
        Two densities at the nodes of a quadrature, or the probabilities of outcomes.
    weights : array_like
        The quadrature's weights, of the shape of `p` or one for all; 1 for outcomes.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    TypeError, ValueError
        If a density or a weight is negative, the shapes do not fit, or a density does not sum to 1 within 1e-6.

    References
    ----------
    Goodfellow, I. et al. (2014). Generative adversarial nets. NeurIPS. Proposition 1 and theorem 1.

    Examples
    --------
    >>> round(optimal_discriminator_loss([0.5, 0.5], [0.5, 0.5]), 4)
    1.3863
    >>> round(optimal_discriminator_loss([0.75, 0.25], [0.25, 0.75]), 4)
    1.1247
    """
    p, q, w = (
        real_array(name, value)
        for name, value in (("p", p), ("q", q), ("weights", weights))
    )
    if p.shape != q.shape or w.shape not in ((), p.shape):
        raise ValueError(
            f"p, q and weights must have one shape, got {p.shape}, {q.shape} and {w.shape}"
        )
    for name, value in (("p", p), ("q", q), ("weights", w)):
        if value.size and value.min() < 0:
            raise ValueError(f"{name} must not be negative, got {value.min():g}")
    mass_p, mass_q = w * p, w * q
    for name, mass in (("p", mass_p), ("q", mass_q)):
        if abs(mass.sum() - 1) > 1e-6:
            raise ValueError(f"{name} must sum to 1 under weights, got {mass.sum():g}")
    middle = (mass_p + mass_q) / 2
    twice_js = rel_entr(mass_p, middle) + rel_entr(mass_q, middle)  # node by node
    return float((2 * np.log(2) * middle - twice_js).sum())


def gaussian_frechet_distance(
    mean_a: ArrayLike, cov_a: ArrayLike, mean_b: ArrayLike, cov_b: ArrayLike
) -> float:
    r"""Return the squared Fréchet (2-Wasserstein) distance of two Gaussians.

    .. math:: |\mu_a - \mu_b|^2 + \operatorname{tr}\big(\Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2}\big)
              = |\mu_a - \mu_b|^2 + \min_{U^\top U = I} \|F_a - U F_b\|_F^2

    with any factors :math:`F^\top F = \Sigma`.  The second form is what is computed: nothing cancels, so the
    result is never negative, singular covariances are nothing special, and no matrix square root can turn complex.

    Parameters
    ----------
    mean_a : (d,) array_like
        Mean of the first.
    cov_a : (d, d) array_like
        Its covariance, symmetric and positive semi-definite.
    mean_b : (d,) array_like
        Mean of the second.
    cov_b : (d, d) array_like
        Its covariance.

    Returns
    -------
    float
        In the squared unit of the samples.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit, a covariance is none, or the distance is too large for float64.

    References
    ----------
    Dowson, D. C. and Landau, B. V. (1982). The Fréchet distance between multivariate normal distributions.
    Journal of Multivariate Analysis 12(3).

    Examples
    --------
    In one dimension it is the squared distance of the means plus that of the standard deviations.

    >>> round(gaussian_frechet_distance([0], [[1]], [3], [[4]]), 9)
    10.0
    """
    a, b = real_array("mean_a", mean_a, (None,)), real_array("mean_b", mean_b, (None,))
    factors = _factor("cov_a", cov_a, len(a)), _factor("cov_b", cov_b, len(a))
    if a.shape != b.shape or not len(a):
        raise ValueError(
            f"mean_a and mean_b must have one length, at least 1, got {len(a)} and {len(b)}"
        )
    return _frechet(a, factors[0], b, factors[1])


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    r"""Return the squared Fréchet distance of the Gaussians with the means and covariances of two samples.

    .. math:: |\bar a - \bar b|^2 + \operatorname{tr}\big(S_a + S_b - 2 (S_a S_b)^{1/2}\big)

    with :math:`S = \sum_i (x_i - \bar x)(x_i - \bar x)^\top / (n - 1)`, which is never formed: the triangular
    factor of the centred samples takes its place.  The estimate is too high, by an amount that falls with `n` and
    depends on both laws; compare at equal `n`, with the value for two samples of one law beside it.

    Parameters
    ----------
    a, b : (n, d) and (m, d) array_like
        Features of two sets of samples, at least two each.

    Returns
    -------
    float
        In the squared unit of the features; on Inception features it is called FID.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such table, the columns differ, or the distance is too large for float64.

    References
    ----------
    Heusel, M. et al. (2017). GANs trained by a two time-scale update rule converge to a local Nash equilibrium.
    NeurIPS.
    Chong, M. J. and Forsyth, D. (2020). Effectively unbiased FID and Inception score and where to find them.
    CVPR.

    Examples
    --------
    >>> round(frechet_distance([[0.0], [2.0]], [[4.0], [6.0]]), 9)
    16.0
    """
    a = check_table("a", a, rows=2)
    b = check_table("b", b, columns=a.shape[1], rows=2)
    parts: list[Floats] = []
    for sample in (a, b):
        mean = (sample / len(sample)).sum(axis=0)
        centred = (sample - mean) / np.sqrt(len(sample) - 1)
        (triangle,) = qr(centred, mode="r", overwrite_a=True, check_finite=False)
        missing = max(sample.shape[1] - len(triangle), 0)
        square = np.pad(triangle[: sample.shape[1]], ((0, missing), (0, 0)))
        parts += [mean, square]
    return _frechet(*parts)


class GAN(NamedTuple):
    """Two networks that have trained each other.

    Examples
    --------
    >>> gan = train_gan(torch.randn(100, 4, generator=torch.Generator().manual_seed(0)), 0, steps=2)
    >>> gan.sample(3, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 4])
    """

    generator: nn.Module  # maps (N, latent) normal numbers to (N, d) samples
    discriminator: nn.Module  # maps (N, d) samples to (N, 1) logits, real ones high
    latent: int  # numbers that a sample is made from

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Return (count, d) new samples, made from normal numbers drawn with `generator`."""
        count = check_integer("count", count, 0)
        if not isinstance(generator, torch.Generator):
            raise TypeError(f"generator must be a torch.Generator, got {generator!r}")
        first = next(self.generator.parameters())
        z = torch.randn(
            count, self.latent, generator=generator, device=generator.device
        )
        with torch.no_grad():
            made: torch.Tensor = self.generator(z.to(first))
        return made


def train_gan(
    X: torch.Tensor,
    seed: int,
    *,
    steps: int = 2500,
    batch: int = 64,
    gamma: float = 1.0,
    learning_rate: float = 1e-3,
    latent: int = 16,
    hidden: Sequence[int] = (128, 128),
    output: Callable[[], nn.Module] = nn.Identity,
    loss: Callable[[torch.Tensor], torch.Tensor] = generator_loss,
    noise: float = 0.0,
    average: float = 0.99,
    watch: Callable[[int, GAN], None] | None = None,
) -> GAN:
    r"""Train a generator and a discriminator against each other on samples of any kind.

    Each step first lowers the discriminator's loss with the penalty of its slope at real samples,

    .. math:: L_D + \tfrac{\gamma}{2} \operatorname{mean} \|\nabla_x D(x)\|^2,

    on a batch of real samples and one of fakes, and then the generator's loss on new fakes, both by Adam.

    Parameters
    ----------
    X : (n, d) tensor of floats
        Real samples; device and dtype of the networks follow it.
    seed : int
        Seeds the networks, the batches and the fakes.
    steps, batch : int
        Updates of each network, and samples of each kind in one.
    gamma : float
        :math:`\gamma`, the weight of the penalty; 0 is training without it.
    learning_rate : float
        Of Adam, for both networks; its momentum is 0, because the loss that a player descends moves under it.
    latent : int
        Normal numbers from which the generator makes a sample.
    hidden : sequence of int
        Hidden units of each network.
    output : callable
        Makes the generator's last module, such as ``torch.nn.Sigmoid`` for images in [0, 1].
    loss : callable
        The generator's loss, of the logits of its fakes.
    noise : float
        Standard deviation of normal noise on all that the discriminator is shown (instance noise).
    average : float
        The returned generator's weights are a running mean, ``average`` times itself plus the rest of the newest
        after every step; 0 returns the last ones.
    watch : callable, optional
        Called as ``watch(step, gan)`` before the first step, after every hundredth, and at the end.

    Returns
    -------
    GAN
        Generator and discriminator, in evaluation mode.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, or a number is out of range.
    RuntimeError
        If a network diverges.

    References
    ----------
    Goodfellow, I. et al. (2014). Generative adversarial nets. NeurIPS. Algorithm 1.
    Mescheder, L., Geiger, A. and Nowozin, S. (2018). Which training methods for GANs do actually converge? ICML.

    Examples
    --------
    >>> gan = train_gan(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), seed=0, steps=3)
    >>> gan.discriminator(torch.zeros(5, 2)).shape
    torch.Size([5, 1])
    """
    _check_samples("X", X)
    if X.ndim != 2 or not X.shape[1]:
        raise ValueError(
            f"X must have one sample in each row, got shape {tuple(X.shape)}"
        )
    seed, latent = check_seed("seed", seed), check_integer("latent", latent, 1)
    steps, batch = check_integer("steps", steps, 1), check_integer("batch", batch, 1)
    gamma, noise = check_number("gamma", gamma, 0), check_number("noise", noise, 0)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    average = check_number("average", average, 0, 1, "[)")
    if isinstance(hidden, str) or not isinstance(hidden, Sequence):
        raise TypeError(
            f"hidden must list the layers' units, as (128, 128), got {hidden!r}"
        )
    units = [check_integer("hidden", width, 1) for width in hidden]
    for name, value in (("output", output), ("loss", loss)):
        if not callable(value):
            raise TypeError(f"{name} must be callable, got {value!r:.60}")

    # Also inside a caller's inference_mode, where no gradient would be recorded.
    with torch.inference_mode(False), torch.enable_grad():
        random = torch.Generator(X.device).manual_seed(seed)
        X = X.detach().clone()
        inputs = X.shape[1]
        G = nn.Sequential(*mlp([latent, *units, inputs], random), output()).to(X)
        D = mlp([inputs, *units, 1], random, _leaky).to(X)
        smooth = nn.Sequential(*mlp([latent, *units, inputs], random), output()).to(X)
        smooth.load_state_dict(G.state_dict())
        gan = GAN(smooth, D, latent)
        play_D, play_G = (
            torch.optim.Adam(net.parameters(), rate, betas=(0.0, 0.99), fused=True)
            for net in (D, G)
        )

        def draw(*shape: int) -> torch.Tensor:
            made = torch.empty(shape, dtype=X.dtype, device=X.device)
            return made.normal_(generator=random)

        def blurred(x: torch.Tensor) -> torch.Tensor:
            return x + noise * draw(*x.shape) if noise else x

        for step in trange(steps, desc="train_gan", leave=False):
            if watch is not None and step % 100 == 0:
                watch(step, gan)
            rows = torch.randint(len(X), (batch,), generator=random, device=X.device)
            with torch.no_grad():
                fake = G(draw(batch, latent))
            real = blurred(X[rows]).requires_grad_(gamma > 0)
            D_real = D(real)
            L_D = discriminator_loss(D_real, D(blurred(fake)))
            if gamma:
                L_D = L_D + gamma / 2 * _squared_slope(D_real, real)
            play_D.zero_grad(set_to_none=True)
            L_D.backward()
            play_D.step()

            D.requires_grad_(False)  # only the generator's gradient is wanted now
            play_G.zero_grad(set_to_none=True)
            loss(D(blurred(G(draw(batch, latent))))).backward()
            play_G.step()
            D.requires_grad_(True)
            with torch.no_grad():
                torch._foreach_lerp_(
                    list(smooth.parameters()), list(G.parameters()), 1 - average
                )
    networks = [*smooth.parameters(), *D.parameters()]
    if not all(p.isfinite().all() for p in networks):
        raise RuntimeError("the networks diverged: lower learning_rate or raise gamma")
    smooth.eval()
    D.eval()
    if watch is not None:
        watch(steps, gan)
    return gan


def _leaky() -> nn.Module:
    """The discriminator's activation: where a unit is off, a fifth of the slope still passes to the generator."""
    return nn.LeakyReLU(0.2)


def _squared_slope(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean squared gradient of the logits at the samples that they were computed from."""
    (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(dim=1).mean()


def _factor(name: str, value: ArrayLike, d: int) -> Floats:
    """F with F^T F = a covariance, which is refused if it is none."""
    cov = real_array(name, value, (d, d))
    largest = float(np.abs(cov).max(initial=0.0))
    if largest == 0:
        return cov
    unit = cov / largest
    error = 10 * d * np.finfo(np.float64).eps  # rounding of a sum of d products
    if np.abs(unit - unit.T).max() > error:
        raise ValueError(f"{name} must be symmetric")
    values, vectors = np.linalg.eigh(unit)
    if values[0] < -error * d:
        least = values[0] * largest
        raise ValueError(f"{name} must have no negative eigenvalue, got {least:g}")
    roots = np.sqrt(values.clip(0)) * np.sqrt(largest)
    return np.asarray(roots[:, None] * vectors.T)


def _frechet(mean_a: Floats, F_a: Floats, mean_b: Floats, F_b: Floats) -> float:
    """Squared distance of the means, and of the factors after the best rotation (Procrustes)."""
    scale = max(float(np.abs(part).max()) for part in (mean_a, F_a, mean_b, F_b)) or 1.0
    left, _, right = svd(F_a / scale @ (F_b / scale).T, check_finite=False)
    parts = (
        (mean_a / scale - mean_b / scale),
        F_a / scale - left @ right @ (F_b / scale),
    )
    with np.errstate(over="ignore", under="ignore"):
        distance = sum(float((part**2).sum()) for part in parts)
        answer = distance * scale * scale
    if not np.isfinite(answer) or scale * scale < np.finfo(np.float64).tiny:
        raise ValueError(
            f"the distance must fit into float64, got {distance:g} * {scale:g}^2"
        )
    return answer


def _check_samples(name: str, x: torch.Tensor) -> None:
    """Refuse what is no batch of finite floats."""
    _check_logits(name, x)
    if x.ndim < 2 or not bool(x.isfinite().all()):
        raise ValueError(
            f"{name} must be finite and of shape (N, ...), got {tuple(x.shape)}"
        )


def _check_logits(name: str, value: torch.Tensor) -> None:
    """Refuse what is no tensor of floats, or empty."""
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not value.is_floating_point():
        raise TypeError(f"{name} must hold floats, got {value.dtype}")
    if not value.numel():
        raise ValueError(f"{name} must not be empty, got shape {tuple(value.shape)}")
