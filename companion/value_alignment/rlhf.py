r"""RLHF: a language model learns from a reward and is held near the model that it started from.

The objective is the mean reward minus :math:`\beta` times the Kullback-Leibler divergence from a reference model.
Its optimum has a closed form, the Gibbs policy, which nobody can sample from where there are more strings than
atoms; the policy gradient climbs towards it from samples alone.  On a language of a thousand strings both are at
hand, so that the distance between them is a number.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from torch import nn
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed, real_array
from companion.language import sample_strings, sequence_log_probs

__all__ = [
    "best_of_n_policy",
    "gibbs_policy",
    "optimal_value",
    "policy_gradient_loss",
    "readability",
    "reward_and_kl",
    "rlhf",
]

Floats = NDArray[np.float64]
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]


def readability(strings: torch.Tensor) -> torch.Tensor:
    r"""Return how well each string over the letters a, e, n, t reads: the reward of this book's small language.

    One point wherever a vowel and a consonant stand side by side, and one if the string ends as it began.

    Parameters
    ----------
    strings : (N, L) Tensor of int64
        Letters 0 to 3, for a, e, n, t.

    Returns
    -------
    (N,) Tensor
        0 to L points, in torch's default type.

    Raises
    ------
    TypeError, ValueError
        If `strings` is no such tensor.

    Examples
    --------
    "tenet", "eaten" and "aeaea".

    >>> readability(torch.tensor([[3, 1, 2, 1, 3], [1, 0, 3, 1, 2], [0, 1, 0, 1, 0]]))
    tensor([5., 3., 1.])
    """
    if not isinstance(strings, torch.Tensor) or strings.dtype != torch.int64:
        raise TypeError("strings must be a tensor of int64")
    if strings.ndim != 2 or 0 in strings.shape:
        shape = tuple(strings.shape)
        raise ValueError(f"strings must have shape (N, L), got {shape}")
    if int(strings.min()) < 0 or int(strings.max()) > 3:
        raise ValueError("strings must hold letters from 0 to 3")
    consonant = strings >= 2
    changes = (consonant[:, 1:] != consonant[:, :-1]).sum(dim=1)
    rhymes = strings[:, 0] == strings[:, -1]
    return (changes + rhymes).to(torch.get_default_dtype())


def gibbs_policy(
    reference_log_probs: ArrayLike, reward: ArrayLike, beta: float
) -> Floats:
    r"""Return the policy with the largest mean reward minus `beta` times its divergence from a reference.

    .. math:: \pi^*(x) = \frac{\pi_\text{ref}(x)\, e^{r(x)/\beta}}{Z}, \qquad
              Z = \sum_x \pi_\text{ref}(x)\, e^{r(x)/\beta}

    Parameters
    ----------
    reference_log_probs : (n,) array_like
        :math:`\log \pi_\text{ref}` of every string; the probabilities sum to one.
    reward : (n,) array_like
        `r` of every string.
    beta : float
        Price of a nat of divergence, positive.

    Returns
    -------
    (n,) ndarray
        :math:`\log \pi^*`; what lies below -1.8e308 is given as that.

    Raises
    ------
    TypeError, ValueError
        If the lengths disagree, `beta` is not positive, a number is not finite, or `reference_log_probs` are no
        log-probabilities of a whole distribution.

    References
    ----------
    Todorov, E. (2006). Linearly-solvable Markov decision problems. NeurIPS.
    Korbak, T., Perez, E. and Buckley, C. L. (2022). RL with KL penalties is better viewed as Bayesian inference.
    EMNLP Findings.

    Examples
    --------
    Three strings; the reward makes the last one twice as likely, beside the others.

    >>> import numpy as np
    >>> np.exp(gibbs_policy(np.log([0.5, 0.25, 0.25]), [0, 0, np.log(2)], beta=1.0)).round(12)
    array([0.4, 0.2, 0.4])
    """
    log_ref, r, beta = _checked(reference_log_probs, reward, beta)
    tilted = log_ref + _below_best(r, beta)
    return np.asarray(tilted - logsumexp(tilted))


def optimal_value(
    reference_log_probs: ArrayLike, reward: ArrayLike, beta: float
) -> float:
    r"""Return the most that mean reward minus `beta` times the divergence can be, the value of the Gibbs policy.

    .. math:: J^* = \beta \log Z = \beta \log \sum_x \pi_\text{ref}(x)\, e^{r(x)/\beta}

    Parameters
    ----------
    reference_log_probs : (n,) array_like
        :math:`\log \pi_\text{ref}` of every string; the probabilities sum to one.
    reward : (n,) array_like
        `r` of every string.
    beta : float
        Price of a nat of divergence, positive.

    Returns
    -------
    float
        In units of reward: the best reward of all for a `beta` near zero, the reference's mean for a large one.

    Raises
    ------
    TypeError, ValueError
        If the lengths disagree, `beta` is not positive, a number is not finite, or `reference_log_probs` are no
        log-probabilities of a whole distribution.

    References
    ----------
    Donsker, M. D. and Varadhan, S. R. S. (1975). Asymptotic evaluation of certain Markov process expectations
    for large time. Communications on Pure and Applied Mathematics 28.

    Examples
    --------
    >>> import numpy as np
    >>> value = optimal_value(np.log([0.5, 0.25, 0.25]), [0, 0, np.log(2)], beta=1.0)
    >>> float(np.exp(value).round(12))
    1.25
    """
    log_ref, r, beta = _checked(reference_log_probs, reward, beta)
    below = _below_best(r, beta)
    # For a large beta Z is nearly one, and its logarithm wants the small part alone.
    less = float(np.exp(log_ref) @ np.expm1(below))
    log_z = np.log1p(less) if less > -0.5 else logsumexp(log_ref + below)
    return float(r.max() + beta * log_z)


def reward_and_kl(
    log_probs: ArrayLike, reference_log_probs: ArrayLike, reward: ArrayLike
) -> tuple[float, float]:
    r"""Return a policy's mean reward and its divergence from a reference, summed over every string.

    .. math:: \sum_x \pi(x)\, r(x) \qquad\text{and}\qquad
              \mathrm{KL}(\pi \,\|\, \pi_\text{ref}) = \sum_x \pi(x) \log \frac{\pi(x)}{\pi_\text{ref}(x)}

    Parameters
    ----------
    log_probs, reference_log_probs : (n,) array_like
        :math:`\log \pi` and :math:`\log \pi_\text{ref}` of every string; each sums to one in probability.
    reward : (n,) array_like
        `r` of every string.

    Returns
    -------
    tuple of two floats
        The mean reward, and the divergence in nats.

    Raises
    ------
    TypeError, ValueError
        If the lengths disagree, a number is not finite, such as the reference's where it has no support, or
        log-probabilities are none of a whole distribution.

    Examples
    --------
    >>> import numpy as np
    >>> mean, kl = reward_and_kl(np.log([0.25, 0.75]), np.log([0.5, 0.5]), [0.0, 1.0])
    >>> round(mean, 4), round(kl, 4)
    (0.75, 0.1308)
    """
    log_pi = _log_distribution("log_probs", log_probs)
    log_ref = _log_distribution("reference_log_probs", reference_log_probs)
    r = real_array("reward", reward, log_pi.shape)
    if log_ref.shape != log_pi.shape:
        raise ValueError(
            f"reference_log_probs must have shape {log_pi.shape}, got {log_ref.shape}"
        )
    pi = np.exp(log_pi)
    return float(pi @ r), float(pi @ (log_pi - log_ref))


def best_of_n_policy(
    reference_log_probs: ArrayLike, reward: ArrayLike, n: int
) -> Floats:
    r"""Return the distribution of the best of `n` strings that a reference draws, ties broken at random.

    With `F` the reference's distribution function of the reward and `F^-` the probability of a smaller one,

    .. math:: \pi_n(x) = \pi_\text{ref}(x)\, \frac{F(r)^n - F^-(r)^n}{F(r) - F^-(r)}.

    Parameters
    ----------
    reference_log_probs : (m,) array_like
        :math:`\log \pi_\text{ref}` of every string; the probabilities sum to one.
    reward : (m,) array_like
        `r` of every string.
    n : int
        Strings drawn for each answer.

    Returns
    -------
    (m,) ndarray
        :math:`\log \pi_n`.

    Raises
    ------
    TypeError, ValueError
        If the lengths disagree, `n` is no positive integer, a number is not finite, or `reference_log_probs` are
        no log-probabilities of a whole distribution.

    References
    ----------
    Stiennon, N. et al. (2020). Learning to summarize from human feedback. NeurIPS. Appendix G.3.

    Examples
    --------
    The better of two coins is heads unless both are tails.

    >>> import numpy as np
    >>> np.exp(best_of_n_policy(np.log([0.5, 0.5]), [0, 1], n=2)).round(12)
    array([0.25, 0.75])
    """
    n = check_integer("n", n, 1)
    log_ref, r, _ = _checked(reference_log_probs, reward, 1.0)
    values, level = np.unique(r, return_inverse=True)
    log_mass = np.full(len(values), -np.inf)
    np.logaddexp.at(log_mass, level.reshape(-1), log_ref)
    log_F = np.logaddexp.accumulate(log_mass)
    # With m = 1 - F^- / F the quotient is F^(n-1) (1 - (1 - m)^n) / m.
    m = np.exp(log_mass - log_F)
    with np.errstate(divide="ignore", invalid="ignore"):
        several = np.where(m > 0, -np.expm1(n * np.log1p(-m)) / m, float(n))
    return np.asarray(log_ref + ((n - 1) * log_F + np.log(several))[level.reshape(-1)])


def policy_gradient_loss(
    log_probs: torch.Tensor,
    reference_log_probs: torch.Tensor,
    reward: torch.Tensor,
    beta: float,
    baseline: bool = True,
) -> torch.Tensor:
    r"""Return a loss whose gradient is the policy gradient's, with the divergence in the reward.

    .. math:: -\frac{1}{n} \sum_i A_i \log \pi_\theta(x_i), \qquad
              R_i = r_i - \beta \log \frac{\pi_\theta(x_i)}{\pi_\text{ref}(x_i)}, \qquad
              A_i = R_i - \frac{1}{n-1} \sum_{j \ne i} R_j

    `A` is held constant under the gradient.  Its expectation is the exact gradient of the objective, whatever
    the baseline, because the other samples' mean knows nothing of `x_i` (RLOO, REINFORCE leave-one-out).

    Parameters
    ----------
    log_probs : (n,) Tensor
        :math:`\log \pi_\theta` of strings drawn from that policy.
    reference_log_probs, reward : (n,) Tensor
        :math:`\log \pi_\text{ref}` and `r` of the same strings.
    beta : float
        Price of a nat of divergence, not negative.
    baseline : bool
        Whether the mean of the others is subtracted; without it the estimator is plain REINFORCE.

    Returns
    -------
    Tensor of no dimensions
        The loss, to be minimised; only its gradient means something.

    Raises
    ------
    TypeError, ValueError
        If the shapes disagree, a reward is not finite, a log-probability is above zero or not finite, `beta` is
        negative, or a baseline is asked of one sample.

    References
    ----------
    Williams, R. J. (1992). Simple statistical gradient-following algorithms for connectionist reinforcement
    learning. Machine Learning 8.
    Kool, W., van Hoof, H. and Welling, M. (2019). Buy 4 REINFORCE samples, get a baseline for free! ICLR workshop.
    Ahmadian, A. et al. (2024). Back to basics: revisiting REINFORCE-style optimization for learning from human
    feedback in LLMs. ACL.

    Examples
    --------
    The second string earned more than the first, so its probability is to rise.

    >>> log_probs = torch.tensor([-1.0, -1.0], requires_grad=True)
    >>> policy_gradient_loss(log_probs, log_probs.detach(), torch.tensor([0.0, 2.0]), 1.0).backward()
    >>> log_probs.grad
    tensor([ 1., -1.])
    """
    beta = check_number("beta", beta, 0)
    _check_samples(log_probs, reference_log_probs, reward)
    if baseline and len(reward) < 2:
        raise ValueError("baseline needs at least two samples, got one")
    R = reward - beta * (log_probs.detach() - reference_log_probs)
    # R - (sum - R) / (n - 1) is n / (n - 1) times R minus the mean of all.
    A = (R - R.mean()) * (len(R) / (len(R) - 1)) if baseline else R
    # Detached: neither the reference nor a learnt reward is trained by it.
    return -(A.detach() * log_probs).mean()


def rlhf(
    model: nn.Module,
    reference: nn.Module,
    reward: Callable[[torch.Tensor], torch.Tensor],
    beta: float,
    seed: int,
    *,
    steps: int = 600,
    batch: int = 128,
    learning_rate: float = 0.003,
    loss: Loss = policy_gradient_loss,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    r"""Train a language model on a reward and hold it near a reference, by the policy gradient.

    .. math:: \max_\theta \; \mathbb{E}_{x \sim \pi_\theta} \Big[ r(x)
              - \beta \log \frac{\pi_\theta(x)}{\pi_\text{ref}(x)} \Big]

    Each step draws fresh strings from the model and follows `loss` once with Adam, whose learning rate falls to
    zero along half a cosine.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, L) letters to (N, L, letters) logits and has an attribute `length`, like
        `companion.language.TinyTransformer`; trained in place, usually from a copy of the reference.
    reference : torch.nn.Module
        Another such model, which stays as it is.
    reward : callable
        Maps (N, L) strings to (N,) rewards.
    beta : float
        Price of a nat of divergence, not negative; 0 trains on the reward alone.
    seed : int
        Seeds the strings that are drawn.
    steps, batch : int
        Updates, and strings drawn for each, at least two.
    learning_rate : float
        Of Adam, at the start.
    loss : callable
        ``loss(log_probs, reference_log_probs, reward, beta)`` of the strings that were drawn.
    watch : callable, optional
        Called as ``watch(step, model)`` before every step and after the last.

    Returns
    -------
    torch.nn.Module
        The same model.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, `model` is `reference`, or `reward` returns anything but finite rewards.
    RuntimeError
        If the model diverges.

    References
    ----------
    Stiennon, N. et al. (2020). Learning to summarize from human feedback. NeurIPS.
    Ouyang, L. et al. (2022). Training language models to follow instructions with human feedback. NeurIPS.
    Ahmadian, A. et al. (2024). Back to basics: revisiting REINFORCE-style optimization for learning from human
    feedback in LLMs. ACL.

    Examples
    --------
    The smallest model has one probability for each of two letters; letter 1 earns a point, and its odds become e.

    >>> class Letters(nn.Module):
    ...     length = 1
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.logits = nn.Parameter(torch.zeros(2))
    ...     def forward(self, strings):
    ...         return self.logits.expand(*strings.shape, 2)
    >>> model = rlhf(Letters(), Letters(), lambda x: x[:, 0].float(), 1.0, seed=0, learning_rate=0.05)
    >>> odds = (model.logits[1] - model.logits[0]).exp()
    >>> abs(odds.item() - 2.718) < 0.3
    True
    """
    beta, seed = check_number("beta", beta, 0), check_seed("seed", seed)
    steps, batch = check_integer("steps", steps, 1), check_integer("batch", batch, 2)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    if model is reference:
        raise ValueError("reference must be another model than the one in training")
    # Also inside a caller's inference_mode, where no gradient would be recorded.
    with torch.inference_mode(False), torch.enable_grad():
        device = next(model.parameters()).device
        generator = torch.Generator(device).manual_seed(seed)
        optimiser = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for step in trange(steps, desc="rlhf", leave=False):
            if watch is not None:
                watch(step, model)
            strings = sample_strings(model, batch, generator)
            with torch.no_grad():
                log_ref = sequence_log_probs(reference, strings)
                r = reward(strings)
            log_pi = sequence_log_probs(model, strings)
            optimiser.zero_grad(set_to_none=True)
            loss(log_pi, log_ref, r, beta).backward()
            optimiser.step()
            schedule.step()
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise RuntimeError("the model diverged: lower learning_rate")
    if watch is not None:
        watch(steps, model)
    return model


def _log_distribution(name: str, value: ArrayLike) -> Floats:
    """Log-probabilities of a whole distribution, normalised to the last digit."""
    log_p = real_array(name, value, (None,))
    if log_p.size == 0 or log_p.max() > 0:
        raise ValueError(
            f"{name} must be log-probabilities, at most 0, got {log_p.max() if log_p.size else 'none'}"
        )
    total = logsumexp(log_p)
    if abs(total) > 1e-3:
        raise ValueError(
            f"{name} must list every string: the probabilities sum to {np.exp(total):.4g}"
        )
    return np.asarray(log_p - total)


def _checked(
    reference_log_probs: ArrayLike, reward: ArrayLike, beta: float
) -> tuple[Floats, Floats, float]:
    """The three arguments of the closed form, in the form that it computes with."""
    log_ref = _log_distribution("reference_log_probs", reference_log_probs)
    r = real_array("reward", reward, log_ref.shape)
    return log_ref, r, check_number("beta", beta, 0, ends="(]")


def _below_best(r: Floats, beta: float) -> Floats:
    """How far each reward lies below the best, in units of `beta`: at most 0, and finite."""
    with np.errstate(over="ignore"):
        below = (r - r.max()) / beta
    return np.asarray(np.maximum(below, -np.finfo(np.float64).max / 4))


def _check_samples(
    log_probs: torch.Tensor, reference_log_probs: torch.Tensor, reward: torch.Tensor
) -> None:
    """Refuse samples from which no gradient can come, or a wrong one."""
    given = {"log_probs": log_probs, "reference_log_probs": reference_log_probs}
    for name, value in {**given, "reward": reward}.items():
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            raise TypeError(f"{name} must be a tensor of floats")
        if value.ndim != 1 or value.shape != log_probs.shape or not len(value):
            shape = tuple(value.shape)
            raise ValueError(f"{name} must have one entry per string, got {shape}")
        if not bool(value.isfinite().all()):
            raise ValueError(f"{name} must be finite")
    for name, value in given.items():
        if bool((value > 0).any()):
            raise ValueError(f"{name} must be at most 0, got {float(value.max()):g}")
