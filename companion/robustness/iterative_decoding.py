r"""Low-density parity checks: long codes decoded by messages between bits and checks.

A long code cannot look its errors up in a table.  Gallager's answer is a parity-check matrix with few ones:
`l` in each column, `r` in each row.  Every check is a small code that is easy to decode, every bit sits in
`l` of them, and they tell one another what they believe.

* On an *erasure* channel a check with a single unknown bit determines it.  `peel` repeats that.
* On any binary channel the beliefs are log-likelihood ratios, and `sum_product` passes them along the edges.

For long codes there is a sharp **threshold** of the channel up to which this works.  **Density evolution**
computes it without building a code: it follows the fraction of wrong messages, which goes to zero below the
threshold and stays above zero beyond it.

A parity-check matrix is an ``(m, n)`` array or SciPy sparse array of zeros and ones.

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

from companion.checks import check_integer, real_array

__all__ = [
    "Beliefs",
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
        Checks per bit and bits per check, ``2 <= l <= m`` and ``l < r <= n``.
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
    if n * l % r or n * l // r < l:
        raise ValueError(
            f"n * l must be a multiple of r and n at least r, got n={n}, l={l}, r={r}"
        )
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


def peel(
    parity_check: Any, words: ArrayLike, erased: ArrayLike
) -> tuple[Bits, Booleans]:
    """Fill erased bits in from checks that miss only one, again and again, until no check helps.

    What remains erased is the largest *stopping set* among the erased bits: a set that every check meets not
    at all or at least twice.  A bit that is not erased is trusted.

    Parameters
    ----------
    parity_check : (m, n) array_like or SciPy sparse array
        The parity checks.
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
    H = _checks(parity_check)
    bits, unknown = _received(words, erased, H.shape[1])
    # One column per word. An unknown bit counts as 0 in `value`.
    value = np.where(unknown, 0, bits).reshape(-1, H.shape[1]).T.astype(np.int32)
    missing = unknown.reshape(-1, H.shape[1]).T.astype(np.int32)
    active = np.arange(value.shape[1])
    while active.size:
        alone = (H @ missing[:, active]) == 1  # (m, B): checks that miss one bit
        solved = missing[:, active] * (H.T @ alone.astype(np.int32)) > 0
        # The parity of a check's known bits is what its missing bit must be.
        odd = alone & (H @ value[:, active] % 2 == 1)
        value[:, active] += solved & ((H.T @ odd.astype(np.int32)) > 0)
        missing[:, active] -= solved
        active = active[solved.any(axis=0)]
    filled, left = value.T.astype(np.uint8), missing.T.astype(bool)
    return filled.reshape(bits.shape), left.reshape(bits.shape)


@dataclass(frozen=True)
class Beliefs:
    """What `sum_product` concluded.

    Examples
    --------
    >>> one = np.array([1], dtype=np.uint8)
    >>> Beliefs(one, np.array([-2.5]), np.array(3), np.array(True)).bits
    array([1], dtype=uint8)
    """

    bits: Bits  # (..., n) the more likely value of each bit
    llr: Floats  # (..., n) log-likelihood ratio of each bit, positive for 0
    iterations: Integers  # (...) rounds of messages
    converged: Booleans  # (...) whether `bits` satisfies every check


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
    parity_check : (m, n) array_like or SciPy sparse array
        The parity checks, at least one bit in each.
    llr : (..., n) array_like
        :math:`\lambda`, finite.  For a binary symmetric channel with crossover `p`:
        ``(1 - 2 * y) * log((1 - p) / p)``.
    iterations : int
        The most rounds to make, at least 1.
    early_stop : bool
        Whether a word is finished as soon as all its checks are satisfied.

    Returns
    -------
    Beliefs
        ``bits``, ``llr``, ``iterations`` and ``converged``.  Where ``converged`` is False the word was not
        decoded.

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
    H = _checks(parity_check)
    check_integer("iterations", iterations, 1)
    channel = real_array("llr", llr)
    if channel.ndim == 0 or channel.shape[-1] != H.shape[1]:
        raise ValueError(
            f"llr must have rows of {H.shape[1]}, got shape {channel.shape}"
        )
    slot, bit, gather = _edges(H)
    shape, channel = channel.shape, channel.reshape(-1, H.shape[1]).T  # (n, B)
    words = channel.shape[1]
    total, belief = channel.copy(), channel
    used, done = np.zeros(words, np.int64), np.zeros(words, np.bool_)
    active = np.arange(words)  # words still in work
    u = np.zeros((gather.shape[1], words))  # messages from checks, by slot
    while active.size and used[active[0]] < iterations:
        x = np.ones_like(u)
        x[slot] = np.tanh((belief[bit] - u[slot]) / 2)  # less what the check said
        u = _all_but_one(x.reshape(-1, H.shape[0], active.size)).reshape(u.shape)
        belief = channel[:, active] + gather @ u
        total[:, active] = belief
        used[active] += 1
        done[active] = satisfied = ~(H @ (belief < 0) % 2).any(axis=0)
        if early_stop and satisfied.any():
            active = active[~satisfied]
            u, belief = u[:, ~satisfied], belief[:, ~satisfied]
    bits, total = (total < 0).T.astype(np.uint8), total.T
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

    .. math:: \varepsilon^* = \min_{0 < x \le 1} \frac{x}{(1 - (1 - x)^{r-1})^{l-1}}.

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
    # 1 - (1 - x)^(r - 1) without cancellation for small x.
    return _lowest(lambda x: x / (-np.expm1((r - 1) * np.log1p(-x))) ** (l - 1), 1.0)


def gallager_a_threshold(l: int, r: int) -> float:
    r"""Crossover probability below which Gallager's algorithm A decodes a long random (l, r)-regular code.

    A bit sends its received value to a check unless all its other checks say the opposite.  With
    :math:`b = (1 - (1 - 2x)^{r-1}) / 2`, the chance that a check is wrong, the fraction of wrong messages
    follows

    .. math:: x \leftarrow p \big( 1 - (1 - b)^{l-1} \big) + (1 - p)\, b^{\,l-1},

    starting at `p`.  The map rises with `p`, and :math:`x` is its fixed point for one value :math:`p(x)`.
    The walk from `p` gets stuck at `x` or above it if :math:`p \ge p(x)` and :math:`p \ge x`, so

    .. math:: p^* = \min_{0 < x < 1/2} \max\{p(x), x\}.

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


def _received(words: ArrayLike, erased: ArrayLike, n: int) -> tuple[Any, Booleans]:
    """Return words and erasures as arrays, once they fit each other and the code."""
    bits, unknown = np.asarray(words), np.asarray(erased)
    if unknown.dtype != np.bool_:
        raise TypeError(f"erased must hold booleans, got {unknown.dtype}")
    if bits.dtype.kind not in "biu":
        raise TypeError(f"words must hold bits, got {bits.dtype}")
    if bits.shape != unknown.shape or bits.ndim == 0 or bits.shape[-1] != n:
        raise ValueError(
            f"words and erased must have rows of {n}, got {bits.shape} and {unknown.shape}"
        )
    if ((bits != 0) & (bits != 1) & ~unknown).any():
        raise ValueError(
            "words must hold 0 and 1 wherever they are not erased, got something else"
        )
    return bits, unknown


def _edges(H: Any) -> tuple[Integers, Integers, Any]:
    """Give each edge a slot (position in its check, check); return slots, bits, and the sum over a bit's slots."""
    degree = np.diff(H.indptr)
    if (degree == 0).any():
        raise ValueError(
            "parity_check must have a bit in every check, got an empty row"
        )
    # Position-major. Checks with fewer bits leave slots empty, which always say +1.
    slot = np.flatnonzero((np.arange(degree.max()) < degree[:, None]).T.ravel())
    position, check = slot // len(degree), slot % len(degree)
    bit = H.indices[H.indptr[check] + position]
    slots = degree.size * degree.max()
    ones = np.ones(slot.size)
    return slot, bit, sparse.csr_array((ones, (bit, slot)), (H.shape[1], slots))


def _all_but_one(x: Floats) -> Floats:
    """Combine a check's bits: 2 artanh of the product of all others along axis 0, without a division."""
    product, right = np.ones_like(x), np.ones_like(x[0])
    for i in range(1, len(x)):
        product[i] = product[i - 1] * x[i - 1]
    for i in range(len(x) - 1, -1, -1):
        product[i] *= right
        right *= x[i]
    largest = np.nextafter(1.0, 0.0)
    return np.asarray(2 * np.arctanh(np.clip(product, -largest, largest, out=product)))


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
    l = check_integer("l", l, 2)
    return l, check_integer("r", r, l + 1)


def _checks(parity_check: Any) -> Any:
    """Return a parity-check matrix as a csr_array of uint8 that stores its ones only."""
    matrix = sparse.csr_array(
        parity_check if sparse.issparse(parity_check) else np.asarray(parity_check)
    )
    if matrix.dtype.kind not in "biu":
        raise TypeError(f"parity_check must hold bits, got {matrix.dtype}")
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"parity_check must have shape (m, n) with m, n >= 1, got {matrix.shape}"
        )
    matrix.sum_duplicates()
    if ((matrix.data != 0) & (matrix.data != 1)).any():
        raise ValueError("parity_check must hold 0 and 1 only")
    matrix = matrix.astype(np.uint8)
    matrix.eliminate_zeros()
    return matrix
