r"""Activation patching and ablation: what a part of a network does, found out by replacing it.

Each part of an attention-only transformer (the embeddings, every head) writes a vector into the residual stream,
later parts read the sum, and the logits are a linear function of all of it.  What a part *writes* into the answer
is its direct effect; what the answer loses when the part is replaced and everything after it reacts is its total
effect.  The two differ by what goes through later parts, and neither says what the other does.

A part can be replaced by nothing, by its mean, by what it writes on another sequence (ablation), or by what it
writes on a chosen partner of the sequence (patching).
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

from companion.explainability.mechanistic_interpretability import (
    AttentionOnlyTransformer,
    run,
)

__all__ = [
    "Effects",
    "Patching",
    "ablate",
    "activation_patching",
    "causal_effects",
    "logit_lead",
]

Metric = Callable[[torch.Tensor], torch.Tensor]
Edit = torch.Tensor | Callable[[torch.Tensor], torch.Tensor]


class Patching(NamedTuple):
    """What `activation_patching` measured, for P parts and n sequences, with or without the T positions.

    Examples
    --------
    >>> Patching._fields
    ('clean', 'corrupted', 'patched', 'shares')
    """

    clean: torch.Tensor  # (n,) metric of the clean run
    corrupted: torch.Tensor  # (n,) metric of the corrupted run
    patched: torch.Tensor  # (P, n) or (P, T, n) metric of the corrupted run, patched
    shares: (
        torch.Tensor
    )  # (P,) or (P, T) how much of the difference came back, 1 for all


class Effects(NamedTuple):
    """What the metric of each of n sequences loses when a part is replaced.

    Examples
    --------
    >>> Effects._fields
    ('total', 'direct', 'indirect')
    """

    total: torch.Tensor  # (n,) later parts react
    direct: torch.Tensor  # (n,) every other part stays as it was
    indirect: (
        torch.Tensor
    )  # (n,) the part stays, and later parts react as if it had not


def logit_lead(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    r"""Return by how much the logit of the right answer leads the mean of the others.

    .. math:: m = z_a - \frac{1}{V - 1} \sum_{k \ne a} z_k

    It is linear in the logits `z`, so the leads that the parts of a network write add up, and it does not
    saturate: once the answer is the largest logit accuracy sees no difference any more, but the lead does.

    Parameters
    ----------
    logits : (..., V) tensor of floats
        Logits over at least two tokens.
    answers : (...) tensor of int64
        The right token of each, on the same device.

    Returns
    -------
    (...) tensor
        The lead, in logits.

    Raises
    ------
    TypeError, ValueError
        If the types or shapes do not fit, an answer is no token, or the lead is not finite.

    References
    ----------
    Zhang, F. and Nanda, N. (2024). Towards best practices of activation patching in language models. ICLR.

    Examples
    --------
    >>> logit_lead(torch.tensor([[5.0, 1.0, 3.0]]), torch.tensor([0]))
    tensor([3.])
    """
    if not isinstance(logits, torch.Tensor) or not logits.is_floating_point():
        raise TypeError(f"logits must be a tensor of floats, got {logits!r:.60}")
    if not isinstance(answers, torch.Tensor) or answers.dtype != torch.int64:
        raise TypeError(f"answers must be a tensor of int64, got {answers!r:.60}")
    if logits.ndim < 1 or answers.shape != logits.shape[:-1] or logits.shape[-1] < 2:
        raise ValueError(
            f"logits must have shape (..., V), V > 1, and answers (...), "
            f"got {tuple(logits.shape)} and {tuple(answers.shape)}"
        )
    count = logits.shape[-1]
    if answers.numel() and not (answers.min() >= 0 and answers.max() < count):
        raise ValueError(f"answers must be tokens from 0 to {count - 1}")
    # The mean of the differences: a sum of all logits would overflow in half precision.
    ahead = logits.gather(-1, answers[..., None]) - logits
    lead = ahead.mean(dim=-1) * (count / (count - 1))
    if not bool(lead.isfinite().all()):
        raise ValueError("logits must be finite and so must be their lead, got others")
    return lead


def activation_patching(
    model: AttentionOnlyTransformer,
    clean: torch.Tensor,
    corrupted: torch.Tensor,
    metric: Metric,
    parts: Sequence[str | tuple[str, ...]] | None = None,
    by_position: bool = False,
) -> Patching:
    r"""Give parts of the corrupted runs what they write on the clean ones, and return how much that brings back.

    .. math:: \text{share}_c = \frac{m(x' \mid c(x)) - m(x')}{m(x) - m(x')}

    for the metric `m`, a clean sequence `x`, its corrupted partner `x'`, and what part `c` writes, averaged over
    the sequences above and below the line, with everything after the part computed afresh.  Clean into corrupted
    asks what suffices to bring the answer back; with the two exchanged, corrupted into clean, the share is what
    is lost, which asks what is needed.  Shares of several parts need not sum to one.

    Parameters
    ----------
    model : AttentionOnlyTransformer
        Left as it was.
    clean, corrupted : (n, T) tensors of int64
        Pairs of sequences, aligned position by position.
    metric : callable
        Maps (n, T, V) logits to (n,) numbers, one for each sequence.
    parts : sequence of str or tuple of str, optional
        What to patch, one after the other; the parts of a tuple together.  By default each part alone.
    by_position : bool
        Whether to patch one position at a time instead of all of them at once.

    Returns
    -------
    Patching
        The metric of both runs and of each patched one, and the shares.

    Raises
    ------
    TypeError, ValueError
        If the sequences do not fit the model or each other, a part does not exist (the message offers the
        nearest), the metric does not return (n,) finite numbers, or both runs score the same.

    References
    ----------
    Vig, J. et al. (2020). Investigating gender bias in language models using causal mediation analysis. NeurIPS.
    Geiger, A. et al. (2021). Causal abstractions of neural networks. NeurIPS.
    Meng, K. et al. (2022). Locating and editing factual associations in GPT. NeurIPS.

    Examples
    --------
    The pair differs in one token, so its embedding alone brings everything back, and the positions nothing.

    >>> model = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
    >>> clean, corrupted = torch.tensor([[3, 1, 4, 3]]), torch.tensor([[7, 1, 4, 3]])
    >>> lead = lambda logits: logit_lead(logits[:, -1], torch.tensor([1]))
    >>> found = activation_patching(model, clean, corrupted, lead, ["embedding", "position"])
    >>> found.shares.abs()
    tensor([1., 0.])
    """
    if isinstance(parts, str):
        raise TypeError(f"parts must be a sequence of names, got {parts!r}")
    right, donor = run(model, clean)
    wrong, _ = run(model, corrupted)
    if clean.shape != corrupted.shape:
        raise ValueError(
            f"clean and corrupted must have one shape, got {tuple(clean.shape)} "
            f"and {tuple(corrupted.shape)}"
        )
    news = [_taken(donor, _names(p)) for p in (donor if parts is None else parts)]
    if not news:
        raise ValueError("parts must name at least one part, got none")
    best = _scored(metric, right, len(clean))
    worst = _scored(metric, wrong, len(clean))
    gap = float(best.mean() - worst.mean())
    scale = float(torch.stack([best, worst]).abs().max())
    if abs(gap) <= 100 * torch.finfo(best.dtype).eps * scale:
        raise ValueError(
            "clean and corrupted must score differently, got "
            f"{float(best.mean()):.4g} for both"
        )
    patched = []
    for new in news:
        if by_position:
            patched.append(_at_each_position(model, corrupted, new, metric))
        else:
            logits, _ = run(model, corrupted, new)
            patched.append(_scored(metric, logits, len(clean)))
    scores = torch.stack(patched)
    return Patching(best, worst, scores, (scores.mean(dim=-1) - worst.mean()) / gap)


def ablate(
    model: AttentionOnlyTransformer,
    tokens: torch.Tensor,
    parts: str | tuple[str, ...],
    kind: str = "zero",
    *,
    reference: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Return the logits of a network one of whose parts no longer says what it said.

    With :math:`c(x)` what the part writes on the sequence `x`, it writes instead

    .. math:: 0, \qquad \tfrac{1}{M} \sum_j c(r_j), \qquad c(r_J) \text{ with } J \text{ random}

    for the kinds ``"zero"``, ``"mean"`` and ``"resample"``, position by position, and every later part is
    computed afresh.  Zero asks what the part's presence is worth, the mean what its variation over sequences is
    worth, and a resampled part speaks as loudly as before, of another sequence.

    Parameters
    ----------
    model : AttentionOnlyTransformer
        Left as it was.
    tokens : (n, T) tensor of int64
        Sequences.
    parts : str or tuple of str
        The part; several are replaced together.
    kind : {"zero", "mean", "resample"}
        By what.
    reference : (M, T) tensor of int64, optional
        The sequences `r` of the mean and of the draws.  By default those of `tokens`, at least two; none is then
        given its own.
    generator : torch.Generator, optional
        Draws the sequence whose part each one gets; needed to resample, the same for all `parts`.

    Returns
    -------
    (n, T, V) tensor
        Logits.

    Raises
    ------
    TypeError, ValueError
        If the sequences do not fit the model, a part does not exist (the message offers the nearest), the kind is
        unknown, or what it needs is missing.

    References
    ----------
    Zhang, F. and Nanda, N. (2024). Towards best practices of activation patching in language models. ICLR.
    Wang, K. et al. (2023). Interpretability in the wild: a circuit for indirect object identification in GPT-2
    small. ICLR.

    Examples
    --------
    The positions are the same in every sequence, so their mean is what they were.

    >>> model = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
    >>> tokens = torch.tensor([[3, 1, 4], [5, 9, 2]])
    >>> bool((ablate(model, tokens, "position", "mean") - model(tokens)).abs().max() < 1e-5)
    True
    >>> bool((ablate(model, tokens, "position", "zero") - model(tokens)).abs().max() < 1e-5)
    False
    """
    # Nothing needs to be known of a part that is to write zeros.
    written = {} if kind == "zero" else run(model, tokens)[1]
    new = _replacements(model, written, parts, kind, reference, generator)
    return run(model, tokens, new)[0]


def causal_effects(
    model: AttentionOnlyTransformer,
    tokens: torch.Tensor,
    parts: str | tuple[str, ...],
    metric: Metric,
    kind: str = "zero",
    *,
    reference: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Effects:
    r"""Return the total, the direct and the indirect effect of a part on a metric.

    With `c` what the part writes, `c'` what it writes once it is replaced as by `ablate`, and `l` what all other
    parts write,

    .. math::
        \text{total} &= m(c, l(c)) - m(c', l(c')) \\
        \text{direct} &= m(c, l(c)) - m(c', l(c)) \\
        \text{indirect} &= m(c, l(c)) - m(c, l(c'))

    Without a normalisation before the unembedding the logits are a sum of what the parts write, so for a metric
    that is linear in them the total is the sum of the other two.  In general it is not.

    Parameters
    ----------
    model : AttentionOnlyTransformer
        Left as it was.
    tokens : (n, T) tensor of int64
        Sequences.
    parts : str or tuple of str
        The part; several are replaced together.
    metric : callable
        Maps (n, T, V) logits to (n,) numbers, one for each sequence.
    kind : {"zero", "mean", "resample"}
        By what the part is replaced, as in `ablate`.
    reference : (M, T) tensor of int64, optional
        The sequences of the mean and of the draws, as in `ablate`.
    generator : torch.Generator, optional
        Needed to resample.

    Returns
    -------
    Effects
        The three, positive where the part helps.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit as in `ablate`, or the metric does not return (n,) finite numbers.

    References
    ----------
    Pearl, J. (2001). Direct and indirect effects. UAI.
    Vig, J. et al. (2020). Investigating gender bias in language models using causal mediation analysis. NeurIPS.
    McGrath, T. et al. (2023). The Hydra effect: emergent self-repair in language model computations. arXiv.

    Examples
    --------
    Nothing comes after the last layer, so all that its heads do is direct.

    >>> model = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
    >>> lead = lambda logits: logit_lead(logits[:, -1], torch.tensor([1]))
    >>> effects = causal_effects(model, torch.tensor([[3, 1, 4, 3]]), "layer1.head0", lead)
    >>> bool((effects.total - effects.direct).abs() < 1e-5), bool(effects.indirect.abs() < 1e-5)
    (True, True)
    """
    logits, before = run(model, tokens)
    new = _replacements(model, before, parts, kind, reference, generator)
    changed, after = run(model, tokens, new)
    # Every part is given, so nothing reacts: what was written, but for the part (direct) or for the others.
    direct, _ = run(model, tokens, {**before, **new})
    indirect, _ = run(model, tokens, {**after, **_taken(before, tuple(new))})
    whole = _scored(metric, logits, len(tokens))
    left = [_scored(metric, z, len(tokens)) for z in (changed, direct, indirect)]
    return Effects(*(whole - score for score in left))


def _names(parts: str | tuple[str, ...]) -> tuple[str, ...]:
    """The names of one part, or of several that belong together."""
    names = (parts,) if isinstance(parts, str) else parts
    if not isinstance(names, tuple) or not all(isinstance(n, str) for n in names):
        raise TypeError(f"parts must be names or tuples of names, got {parts!r:.60}")
    if not names:
        raise ValueError("parts must name at least one part, got none")
    return names


def _taken(
    written: Mapping[str, torch.Tensor], names: tuple[str, ...]
) -> dict[str, torch.Tensor]:
    """What some parts have written; the nearest name is offered where there is none."""
    for name in names:
        if name not in written:
            (near,) = difflib.get_close_matches(name, written, 1, cutoff=0)
            raise ValueError(f"parts has no {name!r}: the nearest is {near!r}")
    return {name: written[name] for name in names}


def _replacements(
    model: AttentionOnlyTransformer,
    written: Mapping[str, torch.Tensor],
    parts: str | tuple[str, ...],
    kind: str,
    reference: torch.Tensor | None,
    generator: torch.Generator | None,
) -> dict[str, Edit]:
    """What takes the place of parts that are ablated."""
    names = _names(parts)
    if kind not in ("zero", "mean", "resample"):
        raise ValueError(f"kind must be zero, mean or resample, got {kind!r}")
    if kind == "zero":
        if reference is not None:
            raise ValueError("reference is for the kinds mean and resample, got zero")
        return dict.fromkeys(names, torch.zeros_like)
    own = _taken(written, names)
    source = own if reference is None else _taken(run(model, reference)[1], names)
    n, count = len(own[names[0]]), len(source[names[0]])
    if own[names[0]].shape[1:] != source[names[0]].shape[1:]:
        lengths = own[names[0]].shape[1], source[names[0]].shape[1]
        raise ValueError(
            "reference must hold sequences of length {}, got {}".format(*lengths)
        )
    if reference is None and count < 2:
        raise ValueError(
            f"tokens must hold at least two sequences to {kind}, or reference be given"
        )
    if kind == "mean":
        return {name: part.mean(0).expand(n, -1, -1) for name, part in source.items()}
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r:.60}")
    device = generator.device
    if reference is None:  # another sequence than its own
        drawn = torch.randint(1, count, (n,), generator=generator, device=device)
        drawn = (drawn + torch.arange(n, device=device)) % count
    else:
        drawn = torch.randint(count, (n,), generator=generator, device=device)
    return {name: part[drawn.to(part.device)] for name, part in source.items()}


def _at_each_position(
    model: AttentionOnlyTransformer,
    tokens: torch.Tensor,
    new: dict[str, torch.Tensor],
    metric: Metric,
    rows: int = 4096,
) -> torch.Tensor:
    """The metric (T, n) with new values at one position after the other, many positions in one batch."""
    n, length = tokens.shape
    scores = []
    for some in torch.arange(length, device=tokens.device).split(max(1, rows // n)):
        # Block after block of n rows; each is patched at a position of its own.
        here = some.repeat_interleave(n)[:, None]  # (k n, 1)
        mask = (here == torch.arange(length, device=tokens.device))[..., None]
        edits = {
            name: functools.partial(_where, mask, value.repeat(len(some), 1, 1))
            for name, value in new.items()
        }
        logits, _ = run(model, tokens.repeat(len(some), 1), edits)
        scores += [_scored(metric, block, n) for block in logits.split(n)]
    return torch.stack(scores)


def _where(mask: torch.Tensor, new: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The new value where the mask says so."""
    return torch.where(mask, new, value)


def _scored(metric: Metric, logits: torch.Tensor, n: int) -> torch.Tensor:
    """The metric of n sequences, one finite number for each."""
    with torch.no_grad():
        scores = metric(logits)
    if not isinstance(scores, torch.Tensor) or not scores.is_floating_point():
        raise TypeError(f"metric must return a tensor of floats, got {scores!r:.60}")
    if scores.shape != (n,):
        raise ValueError(
            f"metric must return shape ({n},), one number per sequence, got {tuple(scores.shape)}"
        )
    if not bool(scores.isfinite().all()):
        raise ValueError("metric must return finite numbers, got NaN or infinity")
    return scores
