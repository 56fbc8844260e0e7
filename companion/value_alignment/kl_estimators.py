r"""The estimators k1, k2 and k3 of a divergence, and what a model aims at that is trained with one of them.

A divergence that cannot be summed is estimated from samples, and three estimators are in use.  As *values* two of
them are right on average.  As part of a training loss what counts is the gradient, and the gradient of an estimate
is not an estimate of the gradient, because the samples come from the model that is being trained.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp

from companion.checks import check_number, real_array
from companion.value_alignment.rlhf import policy_gradient_loss

__all__ = [
    "KLEstimates",
    "forward_kl_policy",
    "kl_estimators",
    "kl_regularised_loss",
]

Floats = NDArray[np.float64]


class KLEstimates(NamedTuple):
    """Three estimates of KL(policy || reference) from each sample.

    Examples
    --------
    >>> KLEstimates(torch.zeros(2), torch.zeros(2), torch.zeros(2)).k2
    tensor([0., 0.])
    """

    k1: torch.Tensor  # the log-ratio: unbiased, of either sign
    k2: torch.Tensor  # half its square: biased, never negative
    k3: torch.Tensor  # the log-ratio and a control variate: unbiased, never negative


def kl_estimators(
    log_probs: torch.Tensor, reference_log_probs: torch.Tensor
) -> KLEstimates:
    r"""Return three estimates of the divergence of a policy from a reference, for samples of the policy.

    With :math:`\ell = \log \pi(x) - \log \pi_\text{ref}(x)`,

    .. math:: k_1 = \ell, \qquad k_2 = \tfrac12 \ell^2, \qquad k_3 = e^{-\ell} - 1 + \ell.

    The exponent of `k3` is held at a quarter of the largest that the type can take, 22 in float32, so that a
    sample which the policy gives much too rarely has a finite estimate.

    Parameters
    ----------
    log_probs, reference_log_probs : Tensor of any one shape
        :math:`\log \pi` and :math:`\log \pi_\text{ref}` of the samples, or of their letters.

    Returns
    -------
    KLEstimates
        Of the same shape each, differentiable in both arguments.

    Raises
    ------
    TypeError, ValueError
        If the shapes disagree, or a log-probability is above zero or not finite.

    References
    ----------
    Schulman, J. (2020). Approximating KL divergence. http://joschu.net/blog/kl-approx.html

    Examples
    --------
    >>> k = kl_estimators(torch.tensor([-1.0, -1.0]), torch.tensor([-1.0, -2.0]))
    >>> k.k1, k.k2
    (tensor([0., 1.]), tensor([0.0000, 0.5000]))
    """
    for name, value in (
        ("log_probs", log_probs),
        ("reference_log_probs", reference_log_probs),
    ):
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            raise TypeError(f"{name} must be a tensor of floats")
        if value.shape != log_probs.shape or not value.numel():
            raise ValueError(
                f"log_probs and reference_log_probs must have one shape and an entry, "
                f"got {tuple(log_probs.shape)} and {tuple(value.shape)}"
            )
        if not bool(value.isfinite().all()) or bool((value > 0).any()):
            raise ValueError(f"{name} must be finite and at most 0")
    k1 = log_probs - reference_log_probs
    largest = float(np.log(torch.finfo(k1.dtype).max)) / 4
    return KLEstimates(k1, k1**2 / 2, torch.expm1((-k1).clamp(max=largest)) + k1)


def kl_regularised_loss(
    log_probs: torch.Tensor,
    reference_log_probs: torch.Tensor,
    reward: torch.Tensor,
    beta: float,
    estimator: Literal["k1", "k2", "k3"] = "k1",
    place: Literal["reward", "loss"] = "reward",
) -> torch.Tensor:
    r"""Return a policy-gradient loss with an estimate of the divergence in the reward or in the loss.

    In the *reward* the estimate is a score, held constant under the gradient; in the *loss* it is differentiated:

    .. math:: L_\text{reward} = -\frac1n \sum_i A_i(r - \beta k) \log \pi_\theta(x_i), \qquad
              L_\text{loss} = -\frac1n \sum_i A_i(r) \log \pi_\theta(x_i) + \frac{\beta}{n} \sum_i k(x_i)

    with the leave-one-out advantage `A`.  For strings drawn from the policy itself, what is added to the expected
    gradient of the mean reward is, divided by :math:`-\beta`, with `D` for KL(policy || reference) and `F` for
    KL(reference || policy):

    ====  ==============================  ====================
    ..    in the reward                   in the loss
    ====  ==============================  ====================
    k1    :math:`\nabla D`                0
    k2    :math:`\nabla E[k_2]-\nabla D`  :math:`\nabla D`
    k3    :math:`\nabla D - \nabla F`     :math:`\nabla F`
    ====  ==============================  ====================

    Parameters
    ----------
    log_probs : (n,) Tensor
        :math:`\log \pi_\theta` of strings drawn from that policy.
    reference_log_probs, reward : (n,) Tensor
        :math:`\log \pi_\text{ref}` and `r` of the same strings.
    beta : float
        Price of a nat of divergence, not negative.
    estimator : {"k1", "k2", "k3"}
        Which estimate.
    place : {"reward", "loss"}
        Where it stands.

    Returns
    -------
    Tensor of no dimensions
        The loss, to be minimised; only its gradient means something.

    Raises
    ------
    TypeError, ValueError
        If the shapes disagree, a number is not finite or out of range, or a name is none of the above.

    References
    ----------
    Schulman, J. (2020). Approximating KL divergence. http://joschu.net/blog/kl-approx.html
    Shah, V. et al. (2025). A comedy of estimators: on KL regularization in RL training of LLMs. arXiv:2512.21852.

    Examples
    --------
    The log-ratio in the loss pushes every sample's probability down alike, wherever the reference lies.

    >>> log_probs = torch.tensor([-1.0, -1.0], requires_grad=True)
    >>> args = log_probs, torch.tensor([-3.0, -0.5]), torch.zeros(2), 1.0
    >>> kl_regularised_loss(*args, estimator="k1", place="loss").backward()
    >>> log_probs.grad
    tensor([0.5000, 0.5000])
    """
    beta = check_number("beta", beta, 0)
    if estimator not in KLEstimates._fields:
        raise ValueError(f"estimator must be k1, k2 or k3, got {estimator!r}")
    if place not in ("reward", "loss"):
        raise ValueError(f"place must be reward or loss, got {place!r}")
    k: torch.Tensor = getattr(kl_estimators(log_probs, reference_log_probs), estimator)
    in_reward = place == "reward"
    score = reward - beta * k.detach() if in_reward else reward
    loss = policy_gradient_loss(log_probs, reference_log_probs, score, 0.0)
    return loss if in_reward else loss + beta * k.mean()


def forward_kl_policy(
    reference_log_probs: ArrayLike, reward: ArrayLike, beta: float
) -> Floats:
    r"""Return the policy with the largest mean reward minus `beta` times the reference's divergence from it.

    It is to KL(reference || policy) what the Gibbs policy is to KL(policy || reference):

    .. math:: \max_\pi \sum_x \pi(x)\, r(x) - \beta\, \mathrm{KL}(\pi_\text{ref} \,\|\, \pi)
              \quad\Longrightarrow\quad \pi(x) = \frac{\beta\, \pi_\text{ref}(x)}{\lambda - r(x)}

    with :math:`\lambda` above every reward, such that the probabilities sum to one.

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
        The policy's log-probabilities.

    Raises
    ------
    TypeError, ValueError
        If the lengths disagree, `beta` is not positive, a number is not finite, `reference_log_probs` are no
        log-probabilities of a whole distribution, or `beta` lies more than 1e12 from the rewards' range.

    References
    ----------
    Grill, J.-B. et al. (2020). Monte-Carlo tree search as regularized policy optimization. ICML. Equation 8.

    Examples
    --------
    Two strings, the second worth one point: 1 / (lambda - r), with the golden ratio plus one for lambda.

    >>> import numpy as np
    >>> np.exp(forward_kl_policy(np.log([0.5, 0.5]), [0.0, 1.0], beta=2.0)).round(4)
    array([0.382, 0.618])
    """
    log_ref = real_array("reference_log_probs", reference_log_probs, (None,))
    if not log_ref.size or log_ref.max() > 0 or abs(logsumexp(log_ref)) > 1e-3:
        raise ValueError(
            "reference_log_probs must be the log-probabilities of every string"
        )
    log_ref = log_ref - logsumexp(log_ref)
    r = real_array("reward", reward, log_ref.shape)
    beta = check_number("beta", beta, 0, ends="()")
    below = (r.max() - r) / beta
    if not below.max() < 1e12:
        raise ValueError(f"beta must be above 1e-12 of the rewards' range, got {beta}")
    best = logsumexp(log_ref[below == 0])

    def log_policy(log_gap: float) -> Floats:  # numpydoc ignore=GL08
        # The gap lies between lambda and the best reward, in units of beta.
        return np.asarray(log_ref - np.logaddexp(log_gap, np.log(below)))

    with np.errstate(divide="ignore"):
        # The best strings alone need a gap of at least their probability; a gap of
        # one is enough for all.
        gap = brentq(lambda g: logsumexp(log_policy(g)), best, 0.0, xtol=1e-14)
        log_pi = log_policy(float(gap))
    return np.asarray(log_pi - logsumexp(log_pi))
