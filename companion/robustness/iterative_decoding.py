r"""Low-density parity checks: long codes decoded by messages between bits and checks.

A long code cannot look its errors up in a table.  Gallager's answer is a parity-check matrix with few ones:
`l` in each column, `r` in each row.  Every check is a small code that is easy to decode, every bit sits in
`l` of them, and they tell one another what they believe.

* On an *erasure* channel a check with a single unknown bit determines it.  `peel` repeats that.
* On any binary channel the beliefs are log-likelihood ratios, and `sum_product` passes them along the edges.

For long codes there is a sharp **threshold** of the channel up to which this works.  **Density evolution**
computes it without building a code: it follows the fraction of wrong messages, which goes to zero below the
threshold and stays above zero beyond it.

A parity-check matrix is an ``(m, n)`` array or SciPy sparse array of zeros and ones.  Whoever decodes with one
code again and again builds its `TannerGraph` once and passes that.

References
----------
Gallager, R. G. (1962). Low-density parity-check codes. IRE Transactions on Information Theory 8(1).
Richardson, T. J. and Urbanke, R. L. (2001). The capacity of low-density parity-check codes under
message-passing decoding. IEEE Transactions on Information Theory 47(2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.optimize import minimize_scalar

from companion.checks import (
    check_generator,
    check_integer,
    integer_array,
    real_array,
)

__all__ = [
    "Beliefs",
    "TannerGraph",
    "bec_threshold",
    "gallager_a_threshold",
    "peel",
    "regular_ldpc",
    "sum_product",
]

Bits = NDArray[np.uint8]
Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def regular_ldpc(n: int, l: int, r: int, rng: np.random.Generator) -> Any:
    r"""Draw the parity checks of a random code with `l` ones per column and `r` per row.

    The `n l` ends of the edges at the bits are joined to those at the :math:`m = n l / r` checks by a random
    permutation.  Where an edge would be drawn twice, its end is swapped with that of a random other edge.

    Parameters
    ----------
    n : int
        Number of bits; `r` divides ``n * l``.
    l, r : int
        Checks per bit and bits per check, ``2 <= l < r <= n``.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    (m, n) csr_array of uint8
        The parity checks.  The rate of the code is at least :math:`1 - l / r`, more if checks are dependent.

    Raises
    ------
    TypeError, ValueError
        If there is no such matrix.

    References
    ----------
    Richardson, T. J. and Urbanke, R. L. (2001). The capacity of low-density parity-check codes under
    message-passing decoding. IEEE Transactions on Information Theory 47(2).

    Examples
    --------
    >>> checks = regular_ldpc(12, 3, 6, np.random.default_rng(0)).toarray()
    >>> checks.sum(axis=0), checks.sum(axis=1)
    (array([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], dtype=uint64), array([6, 6, 6, 6, 6, 6], dtype=uint64))
    """
    l, r = _degrees(l, r)
    n = check_integer("n", n, r)
    if n * l % r:
        raise ValueError(
            f"n * l must be a multiple of r and n at least r, got n={n}, l={l}, r={r}"
        )
    rng = check_generator("rng", rng)
    bit = rng.permutation(np.repeat(np.arange(n), l))  # the bit at each edge
    check = np.repeat(np.arange(n * l // r), r)
    for _ in range(10_000):
        edge = check * n + bit
        order = np.argsort(edge, kind="stable")
        twice = order[1:][np.diff(edge[order]) == 0]
        if not twice.size:
            ones = np.ones(bit.size, np.uint8)
            return sparse.csr_array((ones, (check, bit)), shape=(n * l // r, n))
        others = rng.integers(0, bit.size, twice.size)
        for here, there in zip(twice, others, strict=True):
            bit[[here, there]] = bit[[there, here]]
    raise ValueError(
        f"n must be larger to avoid double edges at random, got n={n}, l={l}, r={r}"
    )


class TannerGraph:
    """The graph of a code: which bits each check holds, and which checks each bit sits in.

    Both decoders build it from a matrix; given one, they do not build it again.  An edge has a **slot**, its
    place among the bits of its check.

    Parameters
    ----------
    parity_check : (m, n) array_like or SciPy sparse array
        The parity checks, at least one bit in each.  It is copied, and no later edit of it is seen.

    Attributes
    ----------
    m, n : int
        Number of checks and of bits.
    bit_at : (r, m) ndarray of integers
        The bit at slot `i` of check `j`; `n` where a check has fewer bits than the longest.
    slots_of : (l, n) ndarray of integers
        The slots of each bit, slot `i` of check `j` counted as ``i * m + j``; ``r * m`` where a bit has fewer.

    Raises
    ------
    TypeError, ValueError
        If `parity_check` is no such matrix.

    References
    ----------
    Tanner, R. M. (1981). A recursive approach to low complexity codes. IEEE Transactions on Information
    Theory 27(5).

    Examples
    --------
    >>> graph = TannerGraph([[1, 1, 1, 0], [0, 0, 1, 1]])
    >>> graph.bit_at
    array([[0, 2],
           [1, 3],
           [2, 4]])
    """

    def __init__(self, parity_check: Any) -> None:
        if sparse.issparse(parity_check):
            if parity_check.dtype.kind not in "biu":
                raise TypeError(
                    f"parity_check must hold integers, got {parity_check.dtype}"
                )
            # A copy first: to bring the indices into order happens in place.
            matrix = parity_check.astype(np.int64, copy=True)
        else:
            matrix = integer_array("parity_check", parity_check, 0, 1)
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ValueError(
                f"parity_check must have shape (m, n) with m, n >= 1, got {matrix.shape}"
            )
        matrix = sparse.csr_array(matrix)
        matrix.sum_duplicates()
        integer_array("parity_check", matrix.data, 0, 1)
        check, bit = matrix.nonzero()
        self.m, self.n = matrix.shape
        sizes = np.bincount(check, minlength=self.m)
        if (sizes == 0).any():
            raise ValueError(
                "parity_check must have a bit in every check, got an empty row"
            )
        slot = _rank(check) * self.m + check
        self.bit_at = np.full((sizes.max(), self.m), self.n)
        self.bit_at.ravel()[slot] = bit
        order = np.argsort(bit, kind="stable")
        self.slots_of = np.full((np.bincount(bit).max(), self.n), self.bit_at.size)
        self.slots_of[_rank(bit[order]), bit[order]] = slot[order]


def peel(
    parity_check: Any, words: ArrayLike, erased: ArrayLike
) -> tuple[Bits, Booleans]:
    """Fill erased bits in from checks that miss only one, again and again, until no check helps.

    What remains erased is the largest *stopping set* among the erased bits: a set that every check meets not
    at all or at least twice.  A bit that is not erased is trusted.

    Parameters
    ----------
    parity_check : (m, n) array_like, SciPy sparse array or TannerGraph
        The parity checks, at least one bit in each.
    words : (..., n) array_like of bits
        The received words; the values at erased places do not matter.
    erased : (..., n) array_like of bool
        Which bits did not arrive.

    Returns
    -------
    words : (..., n) ndarray of uint8
        The words with the erasures filled in; 0 where they could not be.
    erased : (..., n) ndarray of bool
        Which bits are still unknown.

    Raises
    ------
    TypeError, ValueError
        If shapes disagree or `words` and `erased` are not bits and booleans.

    References
    ----------
    Luby, M. G., Mitzenmacher, M., Shokrollahi, M. A. and Spielman, D. A. (2001). Efficient erasure correcting
    codes. IEEE Transactions on Information Theory 47(2).

    Examples
    --------
    >>> checks = [[1, 1, 1, 0], [0, 0, 1, 1]]
    >>> peel(checks, [1, 1, 0, 0], [False, False, True, True])[0]
    array([1, 1, 0, 0], dtype=uint8)
    >>> peel(checks, [1, 1, 0, 0], [True, True, False, False])[1]
    array([ True,  True, False, False])
    """
    graph = _graph(parity_check)
    value, missing = _received(words, erased, graph.n)
    shape = value.shape
    # One column per word, and a last row for the empty slots: known to be 0.
    value, missing = (
        np.pad(x.reshape(-1, graph.n).T, ((0, 1), (0, 0))) for x in (value, missing)
    )
    # The check at each slot of a bit; m, which never helps, at an empty one.
    check_at = graph.slots_of % graph.m
    check_at[graph.slots_of == graph.bit_at.size] = graph.m
    active = np.arange(value.shape[1])
    while active.size:
        unknown = missing[:, active]
        # (m + 1, B): checks that miss one bit, and the parity of their known bits
        alone = unknown[graph.bit_at].sum(axis=0, dtype=np.int64) == 1
        odd = np.bitwise_xor.reduce(value[:, active][graph.bit_at], axis=0) & alone
        alone, odd = (np.pad(x, ((0, 1), (0, 0))) for x in (alone, odd))
        solved = unknown[:-1] & alone[check_at].any(axis=0)
        value[:-1, active] |= solved & odd[check_at].any(axis=0)
        missing[:-1, active] = unknown[:-1] & ~solved
        active = active[solved.any(axis=0)]
    filled, left = value[:-1].T.astype(np.uint8), missing[:-1].T
    return filled.reshape(shape), left.reshape(shape)


@dataclass(frozen=True)
class Beliefs:
    """What `sum_product` concluded.

    Examples
    --------
    >>> one = np.array([1], dtype=np.uint8)
    >>> Beliefs(one, np.array([-2.5]), np.array(3), np.array(True)).bits
    array([1], dtype=uint8)
    """

    bits: Bits  # (..., n) the more likely value of each bit; 0 where llr is 0
    llr: Floats  # (..., n) log-likelihood ratio of each bit, positive for 0
    iterations: Integers  # (...) rounds of messages
    converged: Booleans  # (...) whether `bits` satisfies every check and no llr is 0


def sum_product(
    parity_check: Any, llr: ArrayLike, iterations: int = 50, early_stop: bool = True
) -> Beliefs:
    r"""Decode by belief propagation: exact where the graph is a tree, excellent where its cycles are long.

    In each round bits and checks exchange log-likelihood ratios along the edges of the graph,

    .. math::
        v_{b \to c} = \lambda_b + \sum_{c' \ne c} u_{c' \to b}, \qquad
        \tanh \tfrac{u_{c \to b}}{2} = \prod_{b' \ne b} \tanh \tfrac{v_{b' \to c}}{2},

    where :math:`\lambda_b = \log p(y_b \mid 0) - \log p(y_b \mid 1)` comes from the channel.

    Parameters
    ----------
    parity_check : (m, n) array_like, SciPy sparse array or TannerGraph
        The parity checks, at least one bit in each.
    llr : (..., n) array_like
        :math:`\lambda`, finite.  For a binary symmetric channel with crossover `p`:
        ``(1 - 2 * y) * log((1 - p) / p)``; 0 for a bit that did not arrive.
    iterations : int
        The most rounds to make, at least 1.
    early_stop : bool
        Whether a word is finished as soon as it has converged.

    Returns
    -------
    Beliefs
        ``bits``, ``llr``, ``iterations`` and ``converged``.  Where ``converged`` is False the word was not
        decoded: a check fails, or nothing is known about some bit.

    Raises
    ------
    TypeError, ValueError
        If `llr` is not finite, shapes disagree, or an argument is out of range.

    Notes
    -----
    Messages from checks are bounded by 37.4 in size: their tanh stays below 1 in float64.

    References
    ----------
    Gallager, R. G. (1962). Low-density parity-check codes. IRE Transactions on Information Theory 8(1).
    Kschischang, F. R., Frey, B. J. and Loeliger, H.-A. (2001). Factor graphs and the sum-product algorithm.
    IEEE Transactions on Information Theory 47(2).

    Examples
    --------
    >>> checks = [[1, 1, 0], [0, 1, 1]]  # three copies of one bit
    >>> result = sum_product(checks, [2.0, -0.5, 1.0], iterations=2, early_stop=False)
    >>> result.bits, result.llr.round(6)
    (array([0, 0, 0], dtype=uint8), array([2.5, 2.5, 2.5]))
    """
    graph = _graph(parity_check)
    iterations = check_integer("iterations", iterations, 1)
    channel = real_array("llr", llr)
    if channel.ndim == 0 or channel.shape[-1] != graph.n:
        raise ValueError(f"llr must have rows of {graph.n}, got shape {channel.shape}")
    shape, channel = channel.shape, channel.reshape(-1, graph.n)
    total, used = np.empty(channel.shape), np.empty(len(channel), np.int64)
    done = np.empty(len(channel), np.bool_)
    for start in range(0, len(channel), 32):  # so that the messages stay in the cache
        part = slice(start, start + 32)
        total[part], used[part], done[part] = _propagate(
            graph, channel[part].T, iterations, early_stop
        )
    bits = (total < 0).astype(np.uint8)
    outer = shape[:-1]
    return Beliefs(
        bits.reshape(shape),
        total.reshape(shape),
        used.reshape(outer),
        done.reshape(outer),
    )


def bec_threshold(l: int, r: int) -> float:
    r"""Erasure probability below which peeling a long random (l, r)-regular code succeeds.

    Density evolution follows the fraction of erased messages, :math:`x \leftarrow \varepsilon\, y(x)` with
    :math:`y(x) = (1 - (1 - x)^{r-1})^{l-1}`.  It goes to zero unless it meets a fixed point.  So

    .. math:: \varepsilon^* = \inf_{0 < x \le 1} \frac{x}{(1 - (1 - x)^{r-1})^{l-1}}.

    For :math:`l = 2` the quotient falls all the way to :math:`x = 0`, and its limit :math:`1 / (r - 1)` is the
    threshold; for more checks per bit it has a minimum inside.

    Parameters
    ----------
    l, r : int
        Checks per bit and bits per check, ``2 <= l < r``.

    Returns
    -------
    float
        The threshold, to about 1e-11.

    Raises
    ------
    TypeError, ValueError
        If the degrees are out of range.

    References
    ----------
    Luby, M. G., Mitzenmacher, M., Shokrollahi, M. A. and Spielman, D. A. (2001). Efficient erasure correcting
    codes. IEEE Transactions on Information Theory 47(2).

    Examples
    --------
    >>> round(bec_threshold(3, 6), 4)
    0.4294
    """
    l, r = _degrees(l, r)
    return float(np.exp(_lowest(lambda x: _log_quotient(x, l, r), 1.0)))


def gallager_a_threshold(l: int, r: int) -> float:
    r"""Crossover probability below which Gallager's algorithm A decodes a long random (l, r)-regular code.

    A bit sends its received value to a check unless all its other checks say the opposite.  With
    :math:`b = (1 - (1 - 2x)^{r-1}) / 2`, the chance that a check is wrong, the fraction of wrong messages
    follows

    .. math:: x \leftarrow p \big( 1 - (1 - b)^{l-1} \big) + (1 - p)\, b^{\,l-1},

    starting at `p`.  The map rises with `p`, and :math:`x` is its fixed point for one value :math:`p(x)`.
    The walk from `p` gets stuck at `x` or above it if :math:`p \ge p(x)` and :math:`p \ge x`, so

    .. math:: p^* = \inf_{0 < x < 1/2} \max\{p(x), x\}.

    Parameters
    ----------
    l, r : int
        Checks per bit and bits per check, ``3 <= l < r``.

    Returns
    -------
    float
        The threshold, to about 1e-11.

    Raises
    ------
    TypeError, ValueError
        If the degrees are out of range.

    References
    ----------
    Gallager, R. G. (1962). Low-density parity-check codes. IRE Transactions on Information Theory 8(1).
    Bazzi, L., Richardson, T. J. and Urbanke, R. L. (2004). Exact thresholds and optimal codes for the
    binary-symmetric channel and Gallager's decoding algorithm A. IEEE Transactions on Information Theory
    50(9).

    Examples
    --------
    >>> round(gallager_a_threshold(3, 6), 5)
    0.03946
    """
    l, r = _degrees(l, r)
    check_integer("l", l, 3)

    return _lowest(lambda x: _least_p(x, l, r), 0.5)


def _graph(parity_check: Any) -> TannerGraph:
    """Return the graph of a code, built unless it is one already."""
    built = isinstance(parity_check, TannerGraph)
    return parity_check if built else TannerGraph(parity_check)


def _rank(group: Integers) -> Integers:
    """Number the members of each group from 0; equal entries stand together."""
    return np.arange(len(group)) - np.searchsorted(group, group)


def _received(words: ArrayLike, erased: ArrayLike, n: int) -> tuple[Booleans, Booleans]:
    """Return words and erasures as truth values, once they fit each other and the code."""
    unknown = integer_array("erased", erased, 0, 1) == 1
    # Integers are refused, because words and erasures are easily swapped.
    if (kind := np.asarray(erased).dtype) != np.bool_:
        raise TypeError(f"erased must hold booleans, got {kind}")
    bits = integer_array("words", words, -(2**63), 2**64)
    if bits.shape != unknown.shape or bits.ndim == 0 or bits.shape[-1] != n:
        raise ValueError(
            f"words and erased must have rows of {n}, got {bits.shape} and {unknown.shape}"
        )
    if ((bits != 0) & (bits != 1) & ~unknown).any():
        raise ValueError(
            "words must hold 0 and 1 wherever they are not erased, got something else"
        )
    return (bits == 1) & ~unknown, unknown


def _propagate(
    graph: TannerGraph, channel: Floats, iterations: int, early_stop: bool
) -> tuple[Floats, Integers, Booleans]:
    """Pass messages for some words, one per column: their beliefs, rounds, and whether they converged."""
    total = np.empty(channel.shape)
    used = np.full(channel.shape[1], iterations)
    done = np.zeros(channel.shape[1], np.bool_)
    active = np.arange(channel.shape[1])  # words still in work
    belief = np.vstack(
        [channel, np.full(active.size, 1e3)]
    )  # an empty slot is a sure 0
    u = np.zeros((graph.bit_at.size + 1, active.size))  # what checks say, and nothing
    for turn in range(1, iterations + 1):
        # heard: (r, m, B), less what the check said itself
        heard = belief.take(graph.bit_at, axis=0)
        heard -= u[:-1].reshape(heard.shape)
        _all_but_one(heard, out=u[:-1].reshape(heard.shape))
        belief[:-1] = channel
        for slot in graph.slots_of:
            belief[:-1] += u.take(slot, axis=0)
        ones = (belief < 0).take(graph.bit_at, axis=0)
        satisfied = ~np.logical_xor.reduce(ones, axis=0).any(axis=0)
        satisfied &= (belief != 0).all(axis=0)
        finished = satisfied if early_stop else np.zeros_like(satisfied)
        if turn == iterations or finished.any():
            total[:, active], done[active] = belief[:-1], satisfied
            used[active[finished]] = turn
            active, going = active[~finished], ~finished
            channel, belief, u = channel[:, going], belief[:, going], u[:, going]
        if not active.size:
            break
    return total.T, used, done


def _all_but_one(v: Floats, out: Floats) -> None:
    """Write 2 artanh of the product of all other tanh(v / 2) along axis 0, without a division; v is spent."""
    v *= 0.5
    x = np.tanh(v, out=v)
    out[0] = 1.0
    for i in range(1, len(x)):
        np.multiply(out[i - 1], x[i - 1], out=out[i])
    right = np.ones_like(x[0])
    for i in range(len(x) - 1, -1, -1):
        out[i] *= right
        right *= x[i]
    largest = np.nextafter(1.0, 0.0)
    np.clip(out, -largest, largest, out=out)
    np.arctanh(out, out=out)
    out *= 2


def _log_quotient(x: Floats, l: int, r: int) -> Floats:
    """Return the logarithm of x / y(x), which neither overflows nor divides by zero."""
    # 1 - (1 - x)^(r - 1) without cancellation for small x.
    return np.asarray(np.log(x) - (l - 1) * np.log(-np.expm1((r - 1) * np.log1p(-x))))


def _least_p(x: Floats, l: int, r: int) -> Floats:
    """Return the crossover probability at which algorithm A's walk gets stuck at x."""
    b = -np.expm1((r - 1) * np.log1p(-2 * x)) / 2
    slope = -np.expm1((l - 1) * np.log1p(-b)) - b ** (l - 1)
    return np.asarray(np.maximum((x - b ** (l - 1)) / slope, x))


def _lowest(f: Callable[[Floats], Floats], top: float) -> float:
    """Minimise f over (0, top): a fine grid, then Brent's method around its best point."""
    grid = np.geomspace(1e-12, top * (1 - 1e-12), 4000)
    best = int(f(grid).argmin())
    bracket = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    refined = minimize_scalar(
        f, bounds=bracket, method="bounded", options={"xatol": 1e-14}
    )
    return float(min(refined.fun, f(grid[best])))


def _degrees(l: int, r: int) -> tuple[int, int]:
    """Return the degrees of a code once they are possible."""
    l = check_integer("l", l, 2)
    return l, check_integer("r", r, l + 1)
