r"""Direct preference optimization: learning from preferences without a reward model, by DPO and IPO.

Maximising a reward `r` while the Kullback-Leibler divergence from a reference stays dear has a known optimum, the
Gibbs policy :math:`\pi \propto \pi_{\text{ref}}\, e^{r / \beta}`.  Solved for the reward it reads
:math:`r = \beta \log(\pi / \pi_{\text{ref}}) + \text{const}`, so a policy *is* a reward, and comparisons can be
fitted by it directly.  The constant cancels in every comparison: what the losses see is the difference of two
log-ratios and nothing else, neither how far both have fallen nor who received the probability.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed
from companion.language import token_log_probs

__all__ = ["dpo", "dpo_loss", "ipo_loss"]


def dpo_loss(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    beta: float,
    chosen_mask: torch.Tensor | None = None,
    rejected_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""Return the loss of direct preference optimization, from log-probabilities of tokens.

    .. math:: L = -\frac{1}{N} \sum_{i=1}^{N} \log \sigma\Big( \beta \Big[
              \log \frac{\pi(y_i^w)}{\pi_{\text{ref}}(y_i^w)} - \log \frac{\pi(y_i^l)}{\pi_{\text{ref}}(y_i^l)}
              \Big] \Big), \qquad \log \pi(y) = \sum_{t:\, \text{mask}_t} \log \pi(y_t \mid y_{<t})

    The log-probability of an answer is the *sum* over its tokens, not their mean: the derivation is about the
    probability of the whole answer.

    Parameters
    ----------
    chosen : (N, L) Tensor
        The policy's log-probability of each token of the preferred answers.
    rejected : (N, M) Tensor
        The same for the other answers.
    reference_chosen, reference_rejected : (N, L) and (N, M) Tensor
        The same tokens under the frozen reference; no gradient flows into them.
    beta : float
        :math:`\beta`, the price of the divergence from the reference, positive and at most 1e6.
    chosen_mask, rejected_mask : (N, L) and (N, M) Tensor of bool, optional
        True where a token belongs to the answer, False at the prompt and the padding, whose values do not matter.
        By default every token counts.

    Returns
    -------
    Tensor
        The mean over the N pairs, a scalar, in float32 at least.

    Raises
    ------
    TypeError, ValueError
        If a shape differs, a mask is not of bools or leaves an answer without a token, `beta` is out of range, or
        log-probabilities that count are NaN, infinite, or above zero by more than rounding.

    References
    ----------
    Rafailov, R. et al. (2023). Direct preference optimization: your language model is secretly a reward model.
    NeurIPS. Equation 7.

    Examples
    --------
    The policy has doubled the odds of the preferred answer: -log(2 / 3).

    >>> loss = dpo_loss(torch.tensor([[0.5]]).log(), torch.tensor([[0.2]]).log(),
    ...                 torch.tensor([[0.5]]).log(), torch.tensor([[0.4]]).log(), beta=1)
    >>> round(loss.item(), 4)
    0.4055
    """
    beta = check_number("beta", beta, 0, 1e6, "(]")
    ratio, _ = _log_ratio("chosen", chosen, reference_chosen, chosen_mask)
    other, _ = _log_ratio("rejected", rejected, reference_rejected, rejected_mask)
    _check_pairs(ratio, other)
    # From the logit: the sigmoid itself would be 0 at -104 in float32, its logarithm -inf.
    return -nn.functional.logsigmoid(beta * (ratio - other)).mean()


def ipo_loss(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    tau: float,
    chosen_mask: torch.Tensor | None = None,
    rejected_mask: torch.Tensor | None = None,
    average: bool = False,
) -> torch.Tensor:
    r"""Return the loss of identity preference optimization, from log-probabilities of tokens.

    .. math:: L = \frac{1}{N} \sum_{i=1}^{N} \Big( \log \frac{\pi(y_i^w)}{\pi_{\text{ref}}(y_i^w)}
              - \log \frac{\pi(y_i^l)}{\pi_{\text{ref}}(y_i^l)} - \frac{1}{2 \tau} \Big)^2

    A logistic loss asks for an ever larger difference where one answer always wins; this one asks for
    :math:`1 / (2 \tau)` and no more.

    Parameters
    ----------
    chosen : (N, L) Tensor
        The policy's log-probability of each token of the preferred answers.
    rejected : (N, M) Tensor
        The same for the other answers.
    reference_chosen, reference_rejected : (N, L) and (N, M) Tensor
        The same tokens under the frozen reference; no gradient flows into them.
    tau : float
        :math:`\tau`, the price of the divergence from the reference, from 1e-6 to 1e6.
    chosen_mask, rejected_mask : (N, L) and (N, M) Tensor of bool, optional
        True where a token belongs to the answer; by default every token counts.
    average : bool
        Whether each log-ratio is divided by the answer's number of tokens, as TRL does.  The derivation has sums.

    Returns
    -------
    Tensor
        The mean over the N pairs, a scalar, in float32 at least.

    Raises
    ------
    TypeError, ValueError
        As of `dpo_loss`.

    References
    ----------
    Azar, M. G. et al. (2024). A general theoretical paradigm to understand learning from human preferences.
    AISTATS. Equation 17.

    Examples
    --------
    The policy has doubled the odds of the preferred answer; at tau = 1 it should reach exp(1/2) of them.

    >>> loss = ipo_loss(torch.tensor([[0.5]]).log(), torch.tensor([[0.2]]).log(),
    ...                 torch.tensor([[0.5]]).log(), torch.tensor([[0.4]]).log(), tau=1)
    >>> round(loss.item(), 4)
    0.0373
    """
    tau = check_number("tau", tau, 1e-6, 1e6)
    ratio, length = _log_ratio("chosen", chosen, reference_chosen, chosen_mask)
    other, size = _log_ratio("rejected", rejected, reference_rejected, rejected_mask)
    _check_pairs(ratio, other)
    if average:
        ratio, other = ratio / length, other / size
    return (ratio - other - 1 / (2 * tau)).square().mean()


def dpo(
    reference: nn.Module,
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    beta: float,
    seed: int,
    *,
    steps: int = 200,
    batch: int = 128,
    learning_rate: float = 1e-3,
    loss: Callable[..., torch.Tensor] = dpo_loss,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    r"""Train a copy of a language model on preferred and other answers.

    Each step draws `batch` pairs, with replacement, and follows Adam down ``loss(chosen, rejected,
    reference_chosen, reference_rejected, beta)`` of their tokens' log-probabilities.  The loss does not say how
    much probability the answers that nobody compared shall have, so `steps` and `learning_rate` are part of the
    result.

    Parameters
    ----------
    reference : torch.nn.Module
        Maps (N, L) tokens to (N, L, K) logits, those of each token before it is seen; it stays as it is.
    chosen, rejected : (n, L) tensor of int64
        The preferred answer of each pair and the other one, on the model's device.
    beta : float
        The price of the divergence from the reference, positive; tau if `loss` is `ipo_loss`.
    seed : int
        Seeds the choice of the pairs.
    steps : int
        Updates.
    batch : int
        Pairs per update.
    learning_rate : float
        Of Adam.
    loss : callable
        `dpo_loss`, `ipo_loss`, or another of their signature.
    watch : callable, optional
        Called as ``watch(step, policy)`` before every update and at the end.

    Returns
    -------
    torch.nn.Module
        The trained copy, in evaluation mode.

    Raises
    ------
    TypeError, ValueError
        If the answers are no int64 tensors of one shape, a number is out of range, or the policy diverges so far
        that its log-probabilities are not finite.
    RuntimeError
        If the last step takes it that far.

    References
    ----------
    Rafailov, R. et al. (2023). Direct preference optimization: your language model is secretly a reward model.
    NeurIPS.

    Examples
    --------
    A language of two strings, 0 and 1.  The first was preferred three times in four, so its odds become 3.

    >>> class Coin(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.logits = nn.Parameter(torch.zeros(2))
    ...     def forward(self, strings):
    ...         return self.logits.expand(*strings.shape, 2)
    >>> chosen = torch.tensor([[0], [0], [0], [1]])
    >>> policy = dpo(Coin(), chosen, 1 - chosen, beta=1, seed=0, learning_rate=0.01)
    >>> bool(2 < (policy.logits[0] - policy.logits[1]).exp() < 4)
    True
    """
    for name, strings in (("chosen", chosen), ("rejected", rejected)):
        if not isinstance(strings, torch.Tensor) or strings.dtype != torch.int64:
            raise TypeError(f"{name} must be an int64 tensor, got {strings!r:.60}")
    if chosen.ndim != 2 or chosen.shape != rejected.shape or not chosen.numel():
        raise ValueError(
            "chosen and rejected must have one shape (n, L), "
            f"got {tuple(chosen.shape)} and {tuple(rejected.shape)}"
        )
    beta = check_number("beta", beta, 0, ends="()")
    seed, steps = check_seed("seed", seed), check_integer("steps", steps, 1)
    batch = check_integer("batch", batch, 1)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    # Also inside a caller's inference_mode, where no gradient would be recorded.
    with torch.inference_mode(False), torch.enable_grad():
        policy = copy.deepcopy(reference).requires_grad_(True).eval()
        with torch.no_grad():
            frozen = [token_log_probs(policy, s) for s in (chosen, rejected)]
        generator = torch.Generator(chosen.device).manual_seed(seed)
        optimiser = torch.optim.Adam(policy.parameters(), lr=rate, fused=True)
        for step in trange(steps, desc="dpo", leave=False):
            if watch is not None:
                watch(step, policy)
            rows = torch.randint(
                len(chosen), (batch,), generator=generator, device=chosen.device
            )
            # Both answers in one pass through the network.
            tokens = token_log_probs(policy, torch.cat([chosen[rows], rejected[rows]]))
            optimiser.zero_grad(set_to_none=True)
            loss(*tokens.chunk(2), *(f[rows] for f in frozen), beta).backward()
            optimiser.step()
    if not all(bool(p.isfinite().all()) for p in policy.parameters()):
        raise RuntimeError("the policy diverged: lower learning_rate")
    if watch is not None:
        watch(steps, policy)
    return policy


def _log_ratio(
    name: str,
    policy: torch.Tensor,
    reference: torch.Tensor,
    mask: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The log-ratio of each answer, (N,), and its number of tokens; refuses what has none."""
    if mask is None and isinstance(policy, torch.Tensor):
        mask = torch.ones_like(policy, dtype=torch.bool)
    named = {name: policy, f"reference_{name}": reference, f"{name}_mask": mask}
    for kind, value in named.items():
        wanted = "bools" if value is mask else "floats"
        if not isinstance(value, torch.Tensor) or (
            value.dtype != torch.bool
            if value is mask
            else not value.is_floating_point()
        ):
            raise TypeError(f"{kind} must be a tensor of {wanted}, got {value!r:.60}")
        if value.ndim != 2 or value.shape != policy.shape or not value.numel():
            shape = tuple(value.shape)
            raise ValueError(
                f"{kind} must have the shape (N, L) of {name}, got {shape}"
            )
    length = mask.sum(dim=1)
    if not bool(length.all()):
        raise ValueError(f"{name}_mask must leave every answer a token, got none")
    sums = []
    for kind, value in ((name, policy), (f"reference_{name}", reference.detach())):
        # What does not count is replaced before it can spoil a sum or a gradient.
        kept = torch.where(mask, value, 0.0)
        kept = kept.to(torch.promote_types(value.dtype, torch.float32))
        sums.append(kept.sum(dim=1))
        # Rounding lets the log-softmax of logits up to 1e4 end a little above zero.
        above = 1e4 * torch.finfo(value.dtype).eps
        if not bool((kept.amax(dim=1) <= above).logical_and(sums[-1] > -1e15).all()):
            wanted = "finite log-probabilities, none above zero"
            raise ValueError(f"{kind} must hold {wanted}, got up to {kept.max():g}")
    return sums[0] - sums[1], length


def _check_pairs(ratio: torch.Tensor, other: torch.Tensor) -> None:
    """Refuse answers that are no pairs."""
    if len(ratio) != len(other):
        raise ValueError(
            f"chosen and rejected must be as many, got {len(ratio)} and {len(other)}"
        )
