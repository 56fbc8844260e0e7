r"""A language so small that every expectation over it is a sum, and a transformer that learns it.

Four letters and strings of length five make 1024 strings.  A model of that language is a list of 1024
probabilities, so that what a large language model can only estimate from samples (a mean reward, a divergence, a
gradient, the mass on strings that nobody has seen) is computed here exactly, by summing over all strings.  The
transformer is an ordinary one, decoder-only with causal attention; only its size is small.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from tqdm import trange

from companion.checks import check_integer, check_number
from companion.networks import mlp

__all__ = [
    "TinyTransformer",
    "all_strings",
    "fit_language_model",
    "random_language",
    "sample_strings",
    "sequence_log_probs",
    "token_log_probs",
]


def all_strings(letters: int, length: int) -> torch.Tensor:
    """Return every string of an alphabet, in the order of a dictionary.

    Parameters
    ----------
    letters : int
        Size of the alphabet; a letter is a number from 0 to ``letters - 1``.
    length : int
        Letters in a string.

    Returns
    -------
    (letters**length, length) Tensor of int64
        One string in each row; row `i` is `i` written in base `letters`.

    Raises
    ------
    TypeError, ValueError
        If an argument is no positive integer, or there are more than a million strings.

    Examples
    --------
    >>> all_strings(letters=2, length=2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    letters = check_integer("letters", letters, 1)
    length = check_integer("length", length, 1)
    # The power of two huge numbers would take for ever; its logarithm does not.
    if length * math.log(letters) > math.log(1.01e6) or letters**length > 10**6:
        raise ValueError(
            f"letters and length must make at most a million strings, got {letters}**{length}"
        )
    powers = torch.tensor([letters**i for i in reversed(range(length))])
    return torch.arange(letters**length)[:, None] // powers % letters


def random_language(
    letters: int, length: int, generator: torch.Generator, sharpness: float = 2.0
) -> torch.Tensor:
    r"""Return a random language: the log-probabilities of a Markov chain for every string.

    .. math:: \log p(x) = \log s(x_1) + \sum_{t=2}^{L} \log P(x_t \mid x_{t-1})

    with `s` and each row of `P` a softmax of numbers drawn from :math:`U(-c, c)`.

    Parameters
    ----------
    letters, length : int
        Size of the alphabet, and letters in a string.
    generator : torch.Generator
        The source of randomness.
    sharpness : float
        `c`, at most 100; the language is uniform at 0.

    Returns
    -------
    (letters**length,) Tensor of float64
        :math:`\log p`, in the order of `all_strings`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    Examples
    --------
    >>> log_p = random_language(4, 5, torch.Generator().manual_seed(0))
    >>> log_p.shape, round(log_p.exp().sum().item(), 12)
    (torch.Size([1024]), 1.0)
    """
    strings = all_strings(letters, length)
    width = check_number("sharpness", sharpness, 0, 100)
    _check_generator(generator)
    # Row 0 starts a string, row 1 + i follows letter i.
    u = torch.rand(
        (letters + 1, letters),
        generator=generator,
        dtype=torch.float64,
        device=generator.device,
    )
    log_P = (width * (2 * u - 1)).log_softmax(dim=1).cpu()
    before = nn.functional.pad(strings[:, :-1] + 1, (1, 0))
    return log_P[before, strings].sum(dim=1)


class TinyTransformer(nn.Module):
    r"""A causal transformer over strings of at most `length` letters.

    Called with strings it returns logits of shape (N, L, letters): those at position `t` predict letter `t` from
    the letters before it, the first from a token that marks the beginning.  Each layer adds to its input what
    attention over the earlier positions finds, then what a small network makes of that,

    .. math:: x \leftarrow x + A(\operatorname{norm}(x)), \qquad x \leftarrow x + F(\operatorname{norm}(x)).

    Parameters
    ----------
    letters, length : int
        Size of the alphabet, and the longest string.
    generator : torch.Generator
        Draws every initial weight; the model is made on its device, in float32.
    width, heads, layers : int
        Numbers per position, a multiple of `heads`; attention heads; layers.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range; so does a call with anything but int64 strings of 1
        to `length` of its letters.

    References
    ----------
    Vaswani, A. et al. (2017). Attention is all you need. NeurIPS.
    Radford, A. et al. (2019). Language models are unsupervised multitask learners. Section 2.3.

    Examples
    --------
    >>> model = TinyTransformer(4, 5, torch.Generator().manual_seed(0))
    >>> model(torch.tensor([[0, 1, 2, 3, 3]])).shape
    torch.Size([1, 5, 4])
    """

    def __init__(
        self,
        letters: int,
        length: int,
        generator: torch.Generator,
        width: int = 32,
        heads: int = 2,
        layers: int = 2,
    ):
        super().__init__()
        self.letters = check_integer("letters", letters, 1)
        self.length = check_integer("length", length, 1)
        self.heads = check_integer("heads", heads, 1)
        width = check_integer("width", width, 1)
        if width % self.heads:
            raise ValueError(f"width must be a multiple of {heads} heads, got {width}")
        _check_generator(generator)

        def table(rows: int) -> nn.Parameter:
            weights = torch.empty(
                rows, width, dtype=torch.float32, device=generator.device
            )
            return nn.Parameter(weights.uniform_(-1, 1, generator=generator))

        self.letter = table(letters + 1)  # the last row marks the beginning
        self.place = table(length)
        depth = range(check_integer("layers", layers, 1))
        self.attend = nn.ModuleList(mlp([width, 3 * width], generator) for _ in depth)
        self.mix = nn.ModuleList(mlp([width, width], generator) for _ in depth)
        self.think = nn.ModuleList(mlp([width] * 3, generator) for _ in depth)
        self.read = mlp([width, letters], generator)

    def forward(self, strings: torch.Tensor) -> torch.Tensor:
        """Return the logits of every next letter."""
        _check_strings("strings", strings, self.length)
        # The index after the last letter would be taken for the beginning.
        _check_letters(strings, self.letters)
        # Shifted by one, so that position t sees the letters before t.
        before = nn.functional.pad(strings[:, :-1], (1, 0), value=self.letters)
        x = nn.functional.embedding(before, self.letter)  # (N, L, width)
        x = x + self.place[: x.shape[1]]
        for attend, mix, think in zip(self.attend, self.mix, self.think, strict=True):
            qkv = attend(_norm(x)).unflatten(2, (3, self.heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (N, heads, L, width / heads) each
            found = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + mix(found.transpose(1, 2).flatten(2))
            x = x + think(_norm(x))
        logits: torch.Tensor = self.read(_norm(x))
        return logits


def token_log_probs(model: nn.Module, strings: torch.Tensor) -> torch.Tensor:
    r"""Return the log-probability of each letter of each string, given the letters before it.

    .. math:: \log \pi(x_t \mid x_{<t})

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, L) letters to (N, L, letters) logits, like `TinyTransformer`.
    strings : (N, L) Tensor of int64
        The strings.

    Returns
    -------
    (N, L) Tensor
        Log-probabilities, differentiable in the model's parameters.

    Raises
    ------
    TypeError, ValueError
        If `strings` holds anything but letters of the model.

    Examples
    --------
    >>> model = TinyTransformer(4, 5, torch.Generator().manual_seed(0))
    >>> token_log_probs(model, torch.tensor([[0, 1, 2, 3, 3]])).shape
    torch.Size([1, 5])
    """
    _check_strings("strings", strings)
    log_probs = model(strings).log_softmax(dim=-1)
    _check_letters(strings, log_probs.shape[-1])
    chosen: torch.Tensor = log_probs.gather(2, strings[:, :, None]).squeeze(2)
    return chosen


def sequence_log_probs(model: nn.Module, strings: torch.Tensor) -> torch.Tensor:
    r"""Return the log-probability of each string, the sum over its letters.

    .. math:: \log \pi(x) = \sum_t \log \pi(x_t \mid x_{<t})

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, L) letters to (N, L, letters) logits, like `TinyTransformer`.
    strings : (N, L) Tensor of int64
        The strings.

    Returns
    -------
    (N,) Tensor
        Log-probabilities, differentiable in the model's parameters.

    Raises
    ------
    TypeError, ValueError
        If `strings` holds anything but letters of the model.

    Examples
    --------
    The probabilities of all strings sum to one.

    >>> model = TinyTransformer(4, 5, torch.Generator().manual_seed(0))
    >>> log_pi = sequence_log_probs(model, all_strings(4, 5))
    >>> round(log_pi.exp().sum().item(), 4)
    1.0
    """
    return token_log_probs(model, strings).sum(dim=1)


@torch.no_grad()
def sample_strings(
    model: nn.Module, count: int, generator: torch.Generator
) -> torch.Tensor:
    r"""Draw strings from a model, letter by letter.

    Strings that have begun alike share one evaluation of the model, which is most of them while they are short.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, L) letters to (N, L, letters) logits and has an attribute `length`, like `TinyTransformer`.
    count : int
        How many, independent of one another.
    generator : torch.Generator
        The source of randomness; it draws on its own device.

    Returns
    -------
    (count, length) Tensor of int64
        The strings, on the model's device.

    Raises
    ------
    TypeError, ValueError
        If `count` or `model.length` is no positive integer, or `generator` no torch generator.
    RuntimeError
        If the model's logits are not finite.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> model = TinyTransformer(4, 5, generator)
    >>> sample_strings(model, 3, generator).shape
    torch.Size([3, 5])
    """
    count = check_integer("count", count, 1)
    length = check_integer("model.length", getattr(model, "length", None), 1)
    _check_generator(generator)
    device = next(model.parameters()).device
    strings = torch.zeros(count, length, dtype=torch.int64, device=device)
    for t in range(length):
        # Letter t is still zero everywhere, and the model does not look at it.
        begun, row = strings[:, : t + 1].unique(dim=0, return_inverse=True)
        # At least float32: half precision would round some u up to one.
        logits = model(begun)[:, -1]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        below = logits.softmax(dim=-1).cumsum(dim=-1)[row]
        if not bool(below.isfinite().all()):
            raise RuntimeError("the model's logits are not finite")
        u = torch.rand((count, 1), generator=generator, device=generator.device)
        # u < 1, so that neither the first nor the last letter is drawn if its
        # probability is zero.
        u = u.to(below) * below[:, -1:]
        strings[:, t] = (below <= u).sum(dim=1)
    return strings


def fit_language_model(
    model: nn.Module,
    strings: torch.Tensor,
    weights: torch.Tensor | None = None,
    *,
    steps: int = 300,
    learning_rate: float = 0.01,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    r"""Fit a language model to a distribution or to samples, by maximum likelihood.

    .. math:: \min_\theta \; -\sum_i w_i \log \pi_\theta(x_i)

    Every step of Adam takes the whole sum, so nothing is random; strings that differ only in their last letter
    share one evaluation.  The learning rate falls to zero along half a cosine.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (N, L) letters to (N, L, letters) logits, like `TinyTransformer`; trained in place, on its own device.
    strings : (n, L) Tensor of int64
        Samples, or all strings.
    weights : (n,) Tensor, optional
        Non-negative: how much each string counts, such as its probability; by default all count the same.
    steps : int
        Of Adam.
    learning_rate : float
        Its learning rate at the start.
    watch : callable, optional
        Called as ``watch(step, model)`` before every step and after the last.

    Returns
    -------
    torch.nn.Module
        The same model.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, or a number is out of range.
    RuntimeError
        If the model diverges.

    References
    ----------
    Kingma, D. P. and Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.
    Loshchilov, I. and Hutter, F. (2017). SGDR: stochastic gradient descent with warm restarts. ICLR. Equation 5.

    Examples
    --------
    >>> model = TinyTransformer(2, 3, torch.Generator().manual_seed(0))
    >>> strings = torch.tensor([[0, 0, 0], [0, 1, 1], [0, 1, 1], [0, 1, 1]])
    >>> fitted = fit_language_model(model, strings, steps=100)
    >>> [round(p, 2) for p in sequence_log_probs(fitted, strings[:2]).exp().tolist()]
    [0.25, 0.75]
    """
    steps = check_integer("steps", steps, 1)
    rate = check_number("learning_rate", learning_rate, 0, ends="()")
    _check_strings("strings", strings)
    # Also inside a caller's inference_mode, where no gradient would be recorded.
    with torch.inference_mode(False), torch.enable_grad():
        letters = model(torch.zeros_like(strings[:1])).shape[-1]
        begun, share = _next_letters(strings, weights, letters)
        optimiser = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for step in trange(steps, desc="fit", leave=False):
            if watch is not None:
                watch(step, model)
            optimiser.zero_grad(set_to_none=True)
            (-(share * model(begun).log_softmax(dim=-1)).sum()).backward()
            optimiser.step()
            schedule.step()
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise RuntimeError("the model diverged: lower learning_rate")
    if watch is not None:
        watch(steps, model)
    return model


def _next_letters(
    strings: torch.Tensor, weights: torch.Tensor | None, letters: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The distinct beginnings, and of each position's next letters the share of the total weight."""
    _check_letters(strings, letters)
    w = torch.ones(len(strings)) if weights is None else weights
    real = isinstance(w, torch.Tensor) and not w.is_complex()
    if not real or w.shape != strings.shape[:1]:
        raise ValueError(f"weights must be a tensor of {len(strings)} numbers")
    total = w.double().sum()
    if not (bool((w >= 0).all()) and 0 < float(total) < torch.inf):
        raise ValueError("weights must be finite, not negative and not all zero")
    share = (w.detach().double() / total).float().to(strings.device)
    before = nn.functional.pad(strings[:, :-1], (0, 1))
    begun, row = before.unique(dim=0, return_inverse=True)
    chosen = nn.functional.one_hot(strings, letters) * share[:, None, None]
    sums = torch.zeros(len(begun), *chosen.shape[1:], device=strings.device)
    return begun, sums.index_add_(0, row, chosen)


def _norm(x: torch.Tensor) -> torch.Tensor:
    """Mean 0 and variance 1 at every position (Ba, Kiros and Hinton 2016, without gain and bias)."""
    return nn.functional.layer_norm(x, x.shape[-1:])


def _check_generator(value: object) -> None:
    """Refuse what is no torch generator."""
    if not isinstance(value, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {value!r:.60}")


def _check_strings(name: str, value: object, longest: int | None = None) -> None:
    """Refuse what is no table of letters with one string in each row."""
    if not isinstance(value, torch.Tensor) or value.dtype != torch.int64:
        found = getattr(value, "dtype", type(value).__name__)
        raise TypeError(f"{name} must be a tensor of int64, got {found}")
    if value.ndim != 2 or 0 in value.shape:
        shape = tuple(value.shape)
        raise ValueError(f"{name} must have shape (N, L), got {shape}")
    if longest is not None and value.shape[1] > longest:
        raise ValueError(
            f"{name} must have at most {longest} letters, got {value.shape[1]}"
        )


def _check_letters(strings: torch.Tensor, letters: int) -> None:
    """Refuse strings with a letter that the alphabet does not have."""
    low, high = int(strings.min()), int(strings.max())
    if low < 0 or high >= letters:
        raise ValueError(
            f"strings must hold letters from 0 to {letters - 1}, got {low} to {high}"
        )
