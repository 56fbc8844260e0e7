r"""Induction heads: an attention-only transformer taken apart into what each of its parts writes.

Without layers of neurons a transformer is a sum: the token's embedding, the position's, and what every attention
head adds.  The logits are linear in that sum, so they split into one contribution for each part, exactly.  On
sequences that repeat themselves two layers learn what one layer of the same size does not: to look for the last
time that the present token occurred, and to copy what came next.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import cross_entropy, embedding, linear
from torch.nn.functional import scaled_dot_product_attention as attend
from tqdm import trange

from companion.checks import check_integer, check_number, check_seed

__all__ = [
    "AttentionOnlyTransformer",
    "Repeats",
    "attention_patterns",
    "direct_logit_attribution",
    "fit_repeats",
    "induction_score",
    "logit_lens",
    "previous_token_score",
    "repeat_accuracy",
    "repeated_sequences",
    "run",
]

Edit = torch.Tensor | Callable[[torch.Tensor], torch.Tensor]


class AttentionOnlyTransformer(nn.Module):
    r"""A causal transformer of attention alone: no layers of neurons, no normalisation.

    Called with tokens it returns logits of shape (n, L, vocabulary); those at position `t` predict token `t + 1`.
    The residual stream starts as embedding plus position, each head `h` of a layer adds what it found,

    .. math:: x \leftarrow x + b_O + \sum_h A_h\, (x W_V^h + b_V^h)\, W_O^h, \qquad
              A_h = \operatorname{softmax}\big(q_h k_h^{\mathsf T} / \sqrt{d}\big),

    and the logits are linear in it.  Position `t` sees the tokens up to `t`.

    Parameters
    ----------
    vocabulary, length : int
        How many tokens there are, and the longest sequence.
    generator : torch.Generator
        Draws every initial weight; the model is made on its device, in float32.
    width, heads, layers : int
        Numbers per position, a multiple of `heads`; attention heads of each layer; layers.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range; so does a call with anything but int64 sequences of
        1 to `length` of its tokens.

    References
    ----------
    Elhage, N. et al. (2021). A mathematical framework for transformer circuits. Transformer Circuits Thread.

    Examples
    --------
    >>> model = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
    >>> model(torch.tensor([[3, 1, 4, 1, 5]])).shape
    torch.Size([1, 5, 32])
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        generator: torch.Generator,
        width: int = 48,
        heads: int = 2,
        layers: int = 2,
    ):
        super().__init__()
        vocabulary = check_integer("vocabulary", vocabulary, 1)
        length = check_integer("length", length, 1)
        width = check_integer("width", width, 1)
        layers = check_integer("layers", layers, 1)
        self.heads = check_integer("heads", heads, 1)
        if width % self.heads:
            raise ValueError(f"width must be a multiple of {heads} heads, got {width}")
        _check_generator(generator)

        def drawn(bound: float, *shape: int) -> nn.Parameter:
            weights = torch.empty(shape, dtype=torch.float32, device=generator.device)
            return nn.Parameter(weights.uniform_(-bound, bound, generator=generator))

        bound = width**-0.5
        self.embedding = drawn(1, vocabulary, width)
        self.position = drawn(1, length, width)
        # Queries, keys and values of all heads stand one below the other.
        self.W_qkv = drawn(bound, layers, 3 * width, width)
        self.b_qkv = drawn(bound, layers, 3 * width)
        self.W_out = drawn(bound, layers, width, width)  # columns: head by head
        self.b_out = drawn(bound, layers, width)
        self.unembedding = drawn(bound, vocabulary, width)
        self.bias = drawn(bound, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logits of every next token."""
        _check_tokens(tokens, *self.embedding.shape[:1], *self.position.shape[:1])
        x = embedding(tokens, self.embedding) + self.position[: tokens.shape[1]]
        for W, b, W_O, b_O in zip(
            self.W_qkv, self.b_qkv, self.W_out, self.b_out, strict=True
        ):
            qkv = linear(x, W, b).unflatten(2, (3, self.heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (n, heads, L, width / heads) each
            found = attend(q, k, v, is_causal=True)
            x = x + linear(found.transpose(1, 2).flatten(2), W_O, b_O)
        return linear(x, self.unembedding, self.bias)


class Repeats(NamedTuple):
    """Sequences that repeat themselves, one in each row.

    Examples
    --------
    >>> Repeats._fields
    ('tokens', 'predictable', 'period')
    """

    tokens: torch.Tensor  # (n, L) int64
    predictable: torch.Tensor  # (n, L) bool: the next token has followed before
    period: torch.Tensor  # (n,) int64


def repeated_sequences(
    count: int,
    generator: torch.Generator,
    *,
    length: int = 40,
    vocabulary: int = 32,
    shortest: int = 8,
    longest: int = 20,
) -> Repeats:
    r"""Draw sequences that repeat a random word over and over, each with a period of its own.

    .. math:: x_t = w_{t \bmod p}, \qquad p \sim U\{\text{shortest}, \dots, \text{longest}\}

    and `w` a word of `p` distinct tokens.  From position `p` on the next token is determined by what came before:
    the present token has occurred before, and what followed it then follows again.  With one period for all
    sequences a model can cheat by counting positions.

    Parameters
    ----------
    count : int
        How many sequences.
    generator : torch.Generator
        The source of randomness; the sequences are made on its device.
    length, vocabulary : int
        Tokens in a sequence, and how many there are to draw from.
    shortest, longest : int
        The range of the periods, at most `vocabulary` and at most ``length - 2``.

    Returns
    -------
    Repeats
        `tokens` (count, length), `predictable` (count, length): true where the next token is determined, never in
        the last position, which has no next one; `period` (count,).

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    References
    ----------
    Olsson, C. et al. (2022). In-context learning and induction heads. Transformer Circuits Thread.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> drawn = repeated_sequences(1, generator, length=8, shortest=3, longest=3)
    >>> bool((drawn.tokens[0, 3:] == drawn.tokens[0, :-3]).all())
    True
    >>> drawn.predictable.int().tolist()
    [[0, 0, 0, 1, 1, 1, 1, 0]]
    """
    count = check_integer("count", count, 1)
    length = check_integer("length", length, 3)
    vocabulary = check_integer("vocabulary", vocabulary, 1)
    longest = check_integer("longest", longest, 1, min(vocabulary, length - 2))
    shortest = check_integer("shortest", shortest, 1, longest)
    _check_generator(generator)
    device = generator.device
    period = torch.randint(
        shortest, longest + 1, (count,), generator=generator, device=device
    )
    # The order of random numbers is a random order: distinct tokens.
    noise = torch.rand((count, vocabulary), generator=generator, device=device)
    t = torch.arange(length, device=device)
    tokens = noise.argsort(dim=1).gather(1, t % period[:, None])
    predictable = (t >= period[:, None]) & (t < length - 1)
    return Repeats(tokens, predictable, period)


def repeat_accuracy(logits: torch.Tensor, repeats: Repeats) -> float:
    """Return the share of predictable next tokens that get the largest logit.

    Copying a token of the word at random is right once in `p` times, far more often than one token of the whole
    vocabulary is.

    Parameters
    ----------
    logits : (n, L, vocabulary) Tensor
        A model's answer to ``repeats.tokens``.
    repeats : Repeats
        From `repeated_sequences`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If `logits` holds no finite floats or fits other sequences.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> model = AttentionOnlyTransformer(32, 40, generator)
    >>> drawn = repeated_sequences(100, generator)
    >>> repeat_accuracy(model(drawn.tokens), drawn) < 0.2  # it has learnt nothing yet
    True
    """
    _check_floats("logits", logits)
    if logits.ndim != 3 or logits.shape[:2] != repeats.tokens.shape:
        raise ValueError(
            f"logits must have shape (n, L, vocabulary) with n, L = "
            f"{tuple(repeats.tokens.shape)}, got {tuple(logits.shape)}"
        )
    right = logits.argmax(dim=2)[:, :-1] == repeats.tokens[:, 1:]
    return float(right[repeats.predictable[:, :-1]].double().mean())


def fit_repeats(
    model: AttentionOnlyTransformer,
    seed: int,
    *,
    steps: int = 400,
    batch: int = 64,
    learning_rate: float = 0.01,
    shortest: int = 8,
    longest: int = 20,
    watch: Callable[[int, AttentionOnlyTransformer], None] | None = None,
) -> AttentionOnlyTransformer:
    r"""Train a transformer to continue sequences that repeat themselves.

    .. math:: \min_\theta \; -\mathbb{E}\, \log p_\theta(x_{t+1} \mid x_{\le t})

    over fresh sequences in every step, at the positions whose next token is determined.  The learning rate of
    Adam falls to zero along half a cosine.

    Parameters
    ----------
    model : AttentionOnlyTransformer
        Trained in place, on its own device; its longest sequence and its tokens are used.
    seed : int
        Draws the sequences.
    steps, batch : int
        Steps of Adam, and sequences in each.
    learning_rate : float
        Its learning rate at the start.
    shortest, longest : int
        The range of the periods.
    watch : callable, optional
        Called as ``watch(step, model)`` before every step and after the last.

    Returns
    -------
    AttentionOnlyTransformer
        The same model.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.
    RuntimeError
        If the model diverges.

    References
    ----------
    Kingma, D. P. and Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.

    Examples
    --------
    Words of one token are learnt quickly.

    >>> model = AttentionOnlyTransformer(4, 8, torch.Generator().manual_seed(0))
    >>> model = fit_repeats(model, seed=0, steps=40, shortest=1, longest=1)
    >>> model(torch.tensor([[2, 2, 2]])).argmax(dim=2).tolist()
    [[2, 2, 2]]
    """
    _check_model(model)
    steps, batch = check_integer("steps", steps, 1), check_integer("batch", batch, 1)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    device = model.embedding.device
    generator = torch.Generator(device).manual_seed(check_seed("seed", seed))
    # Also inside a caller's inference_mode, where no gradient would be recorded.
    with torch.inference_mode(False), torch.enable_grad():
        optimiser = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for step in trange(steps, desc="fit", leave=False):
            if watch is not None:
                watch(step, model)
            tokens, predictable, _ = repeated_sequences(
                batch,
                generator,
                length=len(model.position),
                vocabulary=len(model.embedding),
                shortest=shortest,
                longest=longest,
            )
            optimiser.zero_grad(set_to_none=True)
            following = tokens[:, 1:][predictable[:, :-1]]
            cross_entropy(model(tokens)[predictable], following).backward()
            optimiser.step()
            schedule.step()
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise RuntimeError("the model diverged: lower learning_rate")
    if watch is not None:
        watch(steps, model)
    return model


def run(
    model: AttentionOnlyTransformer,
    tokens: torch.Tensor,
    edits: Mapping[str, Edit] | None = None,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    r"""Run a transformer and return its logits with what every part writes into the residual stream.

    .. math:: x_{\text{final}} = \text{embedding} + \text{position} +
              \sum_{\ell, h} \text{head}_{\ell h} + \sum_\ell b_O^\ell

    The parts are named ``embedding``, ``position``, ``layer0.head0``, ``layer0.head1``, ..., ``layer0.bias``,
    ``layer1.head0``, ... and sum to what the logits are read from.  An edit replaces a part, and everything after
    it is computed anew.  Gradients flow to what edits bring, none to the model.

    Parameters
    ----------
    model : AttentionOnlyTransformer
        The model; nothing of it is changed.
    tokens : (n, L) Tensor of int64
        Sequences, on the model's device.
    edits : mapping, optional
        From a part's name to what takes its place: a tensor (n, L, width), or a function from the part as it would
        be, given the edits before it, to such a tensor.

    Returns
    -------
    logits : (n, L, vocabulary) Tensor
        Of every next token.
    parts : dict of str to (n, L, width) Tensor
        What each part wrote, edits included, in the order of computation.

    Raises
    ------
    TypeError, ValueError
        If `tokens` are none of the model's, a name is unknown (the nearest is offered), an edit is no finite
        tensor of the part's shape and type, or the model's logits are not finite.

    References
    ----------
    Elhage, N. et al. (2021). A mathematical framework for transformer circuits. Transformer Circuits Thread.

    Examples
    --------
    >>> model = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
    >>> logits, parts = run(model, torch.tensor([[3, 1, 4]]), {"layer1.head0": torch.zeros_like})
    >>> list(parts)[:3], float(parts["layer1.head0"].abs().max())
    (['embedding', 'position', 'layer0.head0'], 0.0)
    """
    logits, parts, _ = _trace(model, tokens, edits)
    return logits, parts


def attention_patterns(
    model: AttentionOnlyTransformer,
    tokens: torch.Tensor,
    edits: Mapping[str, Edit] | None = None,
) -> torch.Tensor:
    r"""Return how much each head of each layer attends to which position.

    .. math:: A_{ts} = \operatorname{softmax}_{s \le t}\big(q_t \cdot k_s / \sqrt{d}\big)

    Parameters
    ----------
    model : AttentionOnlyTransformer
        The model; nothing of it is changed.
    tokens : (n, L) Tensor of int64
        Sequences, on the model's device.
    edits : mapping, optional
        As of `run`.

    Returns
    -------
    (layers, n, heads, L, L) Tensor
        Row `t` says where position `t` looks; it sums to one.

    Raises
    ------
    TypeError, ValueError
        As `run`.

    Examples
    --------
    >>> model = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
    >>> attention_patterns(model, torch.tensor([[3, 1, 4]])).shape
    torch.Size([2, 1, 2, 3, 3])
    """
    return torch.stack(_trace(model, tokens, edits, look=True)[2])


def direct_logit_attribution(
    model: AttentionOnlyTransformer,
    tokens: torch.Tensor,
    edits: Mapping[str, Edit] | None = None,
) -> dict[str, torch.Tensor]:
    r"""Split the logits into what each part of a transformer writes into them directly.

    .. math:: \text{logits} = x_{\text{final}} W_U^{\mathsf T} + b_U
              = \sum_{\text{parts}} \text{part} \, W_U^{\mathsf T} + b_U

    The sum is an identity, true of every weight that there could be, so it is no evidence that the model uses a
    part: a part that others build on may write nothing itself.

    Parameters
    ----------
    model : AttentionOnlyTransformer
        The model; nothing of it is changed.
    tokens : (n, L) Tensor of int64
        Sequences, on the model's device.
    edits : mapping, optional
        As of `run`.

    Returns
    -------
    dict of str to (n, L, vocabulary) Tensor
        A contribution for each part that `run` names and for ``unembedding.bias``; they sum to the logits.

    Raises
    ------
    TypeError, ValueError
        As `run`.

    References
    ----------
    Elhage, N. et al. (2021). A mathematical framework for transformer circuits. Transformer Circuits Thread.

    Examples
    --------
    >>> model = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
    >>> tokens = torch.tensor([[3, 1, 4]])
    >>> written = direct_logit_attribution(model, tokens)
    >>> bool((sum(written.values()) - model(tokens)).abs().max() < 1e-5)
    True
    """
    logits, parts = run(model, tokens, edits)
    direct = torch.stack(list(parts.values())) @ model.unembedding.detach().T
    bias = model.bias.detach().expand_as(logits).clone()
    return {**dict(zip(parts, direct, strict=True)), "unembedding.bias": bias}


def logit_lens(
    model: AttentionOnlyTransformer,
    tokens: torch.Tensor,
    edits: Mapping[str, Edit] | None = None,
) -> torch.Tensor:
    r"""Read the logits off the residual stream before every layer, as if the layers that follow were not there.

    .. math:: x_\ell W_U^{\mathsf T} + b_U, \qquad \ell = 0, \dots, \text{layers}

    Parameters
    ----------
    model : AttentionOnlyTransformer
        The model; nothing of it is changed.
    tokens : (n, L) Tensor of int64
        Sequences, on the model's device.
    edits : mapping, optional
        As of `run`.

    Returns
    -------
    (layers + 1, n, L, vocabulary) Tensor
        First from embedding and position alone; the last are the model's logits.

    Raises
    ------
    TypeError, ValueError
        As `run`.

    References
    ----------
    nostalgebraist (2020). Interpreting GPT: the logit lens. LessWrong.

    Examples
    --------
    >>> model = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
    >>> logit_lens(model, torch.tensor([[3, 1, 4]])).shape
    torch.Size([3, 1, 3, 32])
    """
    _, parts = run(model, tokens, edits)
    streams = _streams(parts, len(model.W_qkv))
    return linear(streams, model.unembedding.detach(), model.bias.detach())


def previous_token_score(
    patterns: torch.Tensor, last: int | None = None
) -> torch.Tensor:
    r"""Return how much attention each head pays to the position just before.

    .. math:: \frac{1}{n\,T} \sum_i \sum_{t=1}^{T} A^i_{t,\,t-1}

    Parameters
    ----------
    patterns : (..., n, heads, L, L) Tensor
        Attention of any transformer: non-negative, rows that sum to one.
    last : int, optional
        `T`, the last position that counts, from 1 to ``L - 1``: a head that only the first positions use may
        look anywhere later.  By default all count.

    Returns
    -------
    (..., heads) Tensor
        Between 0 and 1, means over sequences and positions.

    Raises
    ------
    TypeError, ValueError
        If `patterns` is no attention or `last` out of range.

    References
    ----------
    Olsson, C. et al. (2022). In-context learning and induction heads. Transformer Circuits Thread.

    Examples
    --------
    Attention to everything so far finds the previous token half the time, then a third of the time.

    >>> even = torch.ones(3, 3).tril() / torch.tensor([[1.0], [2.0], [3.0]])
    >>> previous_token_score(even[None, None])
    tensor([0.4167])
    """
    _check_patterns(patterns)
    longest = patterns.shape[-1] - 1
    last = longest if last is None else check_integer("last", last, 1, longest)
    before = patterns.diagonal(offset=-1, dim1=-2, dim2=-1)[..., :last]
    return before.mean(dim=(-3, -1))


def induction_score(patterns: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    r"""Return how much attention each head pays to what followed the present token before.

    .. math:: \text{mean over } i, t \text{ of} \sum_{s=1}^{t} A^i_{ts}\, \mathbf{1}[x^i_{s-1} = x^i_t]

    over the positions whose token has occurred before.

    Parameters
    ----------
    patterns : (..., n, heads, L, L) Tensor
        Attention of any transformer: non-negative, rows that sum to one.
    tokens : (n, L) Tensor of int64
        The sequences that were attended to.

    Returns
    -------
    (..., heads) Tensor
        Between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If `patterns` is no attention, `tokens` does not fit it, or no token occurs twice.

    References
    ----------
    Olsson, C. et al. (2022). In-context learning and induction heads. Transformer Circuits Thread.

    Examples
    --------
    In 7 8 7 the second 7 should look at the 8, which followed the first one.

    >>> even = torch.ones(3, 3).tril() / torch.tensor([[1.0], [2.0], [3.0]])
    >>> induction_score(even[None, None], torch.tensor([[7, 8, 7]]))
    tensor([0.3333])
    """
    _check_patterns(patterns)
    _check_tokens(tokens)
    n, length = patterns.shape[-4], patterns.shape[-1]
    if tokens.shape != (n, length):
        raise ValueError(
            f"tokens must have the shape {(n, length)} of what was attended to, "
            f"got {tuple(tokens.shape)}"
        )
    # (n, L, L): the token before s is the token at t, and s is not later than t
    after = (tokens[:, None, :-1] == tokens[:, :, None]).tril(-1)
    seen = after.any(dim=2)
    if not bool(seen.any()):
        raise ValueError("tokens must hold a token that occurs twice, got none")
    paid = (patterns[..., 1:] * after[:, None]).sum(dim=-1)  # (..., n, heads, L)
    return paid.sum(dim=(-3, -1)) / seen.sum()


def _trace(
    model: AttentionOnlyTransformer,
    tokens: torch.Tensor,
    edits: Mapping[str, Edit] | None,
    look: bool = False,
) -> tuple[torch.Tensor, dict[str, torch.Tensor], list[torch.Tensor]]:
    """The logits, what every part writes and, if asked for, where each layer's heads look."""
    _check_model(model)
    _check_tokens(tokens, len(model.embedding), len(model.position))
    weights = {name: p.detach() for name, p in model.named_parameters()}
    layers, heads = len(model.W_qkv), range(model.heads)
    names = ["embedding", "position"]
    for layer in range(layers):
        names += [f"layer{layer}.head{h}" for h in heads] + [f"layer{layer}.bias"]
    if not isinstance(edits, Mapping | None):
        raise TypeError(f"edits must be a mapping of names, got {edits!r:.60}")
    edits = dict(edits or {})
    for name in edits:
        if name not in names:
            (nearest,) = difflib.get_close_matches(str(name), names, 1, cutoff=0)
            raise ValueError(f"edits has no part {name!r}: the nearest is {nearest!r}")

    x = embedding(tokens, weights["embedding"])
    start = [x, weights["position"][: x.shape[1]].expand_as(x).clone()]
    parts = {n: _edited(n, p, edits) for n, p in zip(names[:2], start, strict=True)}
    patterns = []
    x = parts["embedding"] + parts["position"]
    for layer in range(layers):
        qkv = linear(x, weights["W_qkv"][layer], weights["b_qkv"][layer])
        q, k, v = qkv.unflatten(2, (3, len(heads), -1)).permute(2, 0, 3, 1, 4)
        if look:
            scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
            future = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
            patterns.append(scores.masked_fill_(future, -torch.inf).softmax(dim=3))
            found = patterns[-1] @ v  # (n, heads, L, width / heads)
        else:
            found = attend(q, k, v, is_causal=True)
        W_O = weights["W_out"][layer].unflatten(1, (len(heads), -1))
        written = torch.einsum("nhld,whd->hnlw", found, W_O)
        bias = weights["b_out"][layer].expand_as(x).clone()
        # The names of this layer's parts follow those of the parts so far.
        for name, part in zip(names[len(parts) :], [*written, bias], strict=False):
            parts[name] = _edited(name, part, edits)
            x = x + parts[name]
    logits = linear(x, weights["unembedding"], weights["bias"])
    if not bool(logits.isfinite().all()):
        raise ValueError("model must give finite logits, got NaN or infinity")
    return logits, parts, patterns


def _streams(parts: Mapping[str, torch.Tensor], layers: int) -> torch.Tensor:
    """The residual stream before every layer and after the last, (layers + 1, n, L, width)."""
    streams = [parts["embedding"] + parts["position"]]
    for layer in range(layers):
        own = [p for name, p in parts.items() if name.startswith(f"layer{layer}.")]
        streams.append(sum(own, streams[-1]))
    return torch.stack(streams)


def _edited(name: str, part: torch.Tensor, edits: Mapping[str, Edit]) -> torch.Tensor:
    """A part, or what takes its place."""
    if name not in edits:
        return part
    edit = edits[name]
    new = edit(part) if callable(edit) else edit
    _check_floats(f"the edit of {name}", new)
    if (new.shape, new.dtype, new.device) != (part.shape, part.dtype, part.device):
        raise ValueError(
            f"the edit of {name} must give a tensor of shape {tuple(part.shape)}, {part.dtype} on {part.device}, "
            f"got {tuple(new.shape)}, {new.dtype} on {new.device}"
        )
    return new


def _check_floats(name: str, value: object) -> None:
    """Refuse what is no tensor of finite floats."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        raise TypeError(f"{name} must be a tensor of floats, got {value!r:.60}")
    if not bool(value.isfinite().all()):
        raise ValueError(f"{name} must be finite, got NaN or infinity")


def _check_generator(generator: object) -> None:
    """Refuse what is no source of randomness of torch."""
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r:.60}")


def _check_model(model: object) -> None:
    """Refuse another model, whose parts are not known."""
    if not isinstance(model, AttentionOnlyTransformer):
        kind = type(model).__name__
        raise TypeError(f"model must be an AttentionOnlyTransformer, got {kind}")


def _check_patterns(patterns: object) -> None:
    """Refuse what is no attention of heads over sequences."""
    _check_floats("patterns", patterns)
    assert isinstance(patterns, torch.Tensor)
    shape = tuple(patterns.shape)
    if len(shape) < 4 or shape[-1] != shape[-2] or shape[-1] < 2 or 0 in shape:
        raise ValueError(
            f"patterns must have shape (..., n, heads, L, L), L > 1, got {shape}"
        )
    # Rows of L rounded numbers; half precision rounds them to 8 or 11 bits.
    off = (patterns.sum(dim=-1) - 1).abs().max()
    if bool((patterns < 0).any()) or off > 10 * torch.finfo(patterns.dtype).eps ** 0.5:
        raise ValueError("patterns must not be negative, and their rows sum to one")


def _check_tokens(
    tokens: object, vocabulary: int | None = None, length: int | None = None
) -> None:
    """Refuse what is no table of tokens with one sequence in each row."""
    if not isinstance(tokens, torch.Tensor) or tokens.dtype != torch.int64:
        found = getattr(tokens, "dtype", type(tokens).__name__)
        raise TypeError(f"tokens must be a tensor of int64, got {found}")
    shape = tuple(tokens.shape)
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"tokens must have shape (n, L), got {shape}")
    if length is not None and shape[1] > length:
        raise ValueError(f"tokens must be at most {length} in a row, got {shape[1]}")
    low, high = (int(end) for end in tokens.aminmax())
    if vocabulary is not None and (low < 0 or high >= vocabulary):
        raise ValueError(
            f"tokens must lie between 0 and {vocabulary - 1}, got {low} to {high}"
        )
