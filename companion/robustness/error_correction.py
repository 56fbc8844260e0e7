r"""Codes that correct wrong bits: repetition, Hamming and SECDED; and CRC-32, which only notices them.

A **code** is a set of words that are far apart.  If any two differ in at least `d` places, then up to
:math:`t = \lfloor (d - 1) / 2 \rfloor` wrong places still leave the sent word the nearest one.  The decoder
here is a *bounded-distance* decoder.  It looks for a code word within distance `t` and either finds the only
one there or says that there is none:

* ``corrected >= 0``: so many bits were changed, and the result is a code word;
* ``corrected == -1``: detected but not correctable, the message is returned as it arrived.

With more than `t` errors the nearest code word may be a wrong one.  No decoder of this kind can know.

Words are rows of bits 0 and 1, and sums are taken modulo 2, so that addition is exclusive or.

References
----------
Hamming, R. W. (1950). Error detecting and error correcting codes. Bell System Technical Journal 29(2).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

from companion.checks import check_integer, check_probability, integer_array

__all__ = [
    "LinearCode",
    "crc32",
    "failure_probability",
    "hamming",
    "repetition",
    "secded",
]

Bits = NDArray[np.uint8]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def failure_probability(n: int, t: int, p: ArrayLike) -> Floats:
    r"""Probability that more than `t` of `n` symbols are wrong, each with probability `p` on its own.

    .. math:: P = \sum_{j > t} \binom{n}{j} p^j (1 - p)^{n - j} = I_p(t + 1, n - t)

    It is the chance that a bounded-distance decoder does not return the sent word.  With
    :math:`t = (n - 1) / 2` it is the error of a majority of `n`.  :math:`I` is the incomplete beta function.

    Parameters
    ----------
    n : int
        Length of a word.
    t : int
        How many errors are corrected, ``0 <= t <= n``.
    p : array_like
        Error probability per symbol.

    Returns
    -------
    ndarray of float64
        The probability, in the shape of `p`.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> failure_probability(3, 1, 0.1).round(6), failure_probability(7, 1, 0.05).round(6)
    (np.float64(0.028), np.float64(0.044381))
    """
    n = check_integer("n", n, 1)
    t = check_integer("t", t, 0, n)
    p = check_probability("p", p)
    return np.asarray(betainc(t + 1, n - t, p) if t < n else np.zeros_like(p))


class LinearCode:
    r"""A binary linear code, given by its parity checks, with a decoder that looks the error up.

    The code words are the solutions of :math:`H c = 0 \pmod 2`.  A received word :math:`y = c + e` has the
    **syndrome** :math:`H y = H e`: it depends on the error alone.  The code corrects `t` errors exactly if
    all patterns of at most `t` errors have different syndromes; a table from syndrome to pattern is then
    the decoder.  A syndrome that is not in the table is an error detected but not correctable.

    Parameters
    ----------
    parity_check : (n - k, n) array_like of bits
        `H`, with independent rows.  Row `i` gives bit `i` of the syndrome's number.
    corrects : int
        How many errors to correct, `t`.

    Attributes
    ----------
    n, k, t : int
        Length of a code word, of a message, and the number of errors corrected.
    parity_check : ndarray of uint8
        `H`.
    message_positions : (k,) ndarray of integers
        Where the bits of the message stand in the code word, unchanged.

    Raises
    ------
    TypeError, ValueError
        If `parity_check` is no such matrix or has dependent rows, if the code cannot correct so many errors,
        or if the table would need more than :math:`2^{26}` entries.

    References
    ----------
    Slepian, D. (1956). A class of binary signaling alphabets. Bell System Technical Journal 35(1).

    Examples
    --------
    >>> code = LinearCode([[1, 1, 0], [1, 0, 1]], corrects=1)
    >>> code.encode([[0], [1]])
    array([[0, 0, 0],
           [1, 1, 1]], dtype=uint8)
    >>> code.decode([1, 0, 1])
    (array([1], dtype=uint8), array(1))
    """

    def __init__(self, parity_check: ArrayLike, corrects: int) -> None:
        H = integer_array("parity_check", parity_check, 0, 1)
        if H.ndim != 2 or not 0 < H.shape[0] < H.shape[1]:
            raise ValueError(
                f"parity_check must have shape (n - k, n) with 0 < k < n, got {H.shape}"
            )
        checks, self.n = H.shape
        self.k = self.n - checks
        self.t = check_integer("corrects", corrects, 0, self.n)
        if self.n << checks > 2**26:
            raise ValueError(
                f"parity_check must have n * 2^rows <= 2^26 for its table, got {H.shape}"
            )
        reduced, self._parity_positions = _row_reduce(H)
        if len(self._parity_positions) < checks:
            raise ValueError(
                f"parity_check must have independent rows, got {checks} "
                f"of rank {len(self._parity_positions)}"
            )
        self.parity_check = H.astype(np.uint8)
        self.message_positions = np.setdiff1d(np.arange(self.n), self._parity_positions)
        # Each column as a number: a syndrome is the exclusive or of some columns.
        self._columns = (1 << np.arange(checks)) @ H
        # Row i of the reduced checks says what parity bit i must be.
        self._parities = ((1 << np.arange(checks)) @ reduced)[self.message_positions]
        self._fill_table()

    def _fill_table(self) -> None:
        """For each syndrome, the error with at most t ones that has it, and how many."""
        self._leaders = np.zeros((2 ** (self.n - self.k), self.n), dtype=np.uint8)
        self._weights = np.full(len(self._leaders), -1)
        for weight in range(self.t + 1):
            patterns = list(combinations(range(self.n), weight))
            places = np.array(patterns, dtype=np.int64)  # (patterns, weight)
            syndromes = np.bitwise_xor.reduce(self._columns[places], axis=1)
            taken = (self._weights[syndromes] >= 0).any()
            if taken or len(np.unique(syndromes)) < len(syndromes):
                raise ValueError(
                    f"corrects must be at most {weight - 1} for this parity_check, "
                    f"got {self.t}"
                )
            self._weights[syndromes] = weight
            self._leaders[syndromes[:, None], places] = 1

    def encode(self, messages: ArrayLike) -> Bits:
        """Return the code words of some messages.

        Parameters
        ----------
        messages : (..., k) array_like of bits
            The messages.

        Returns
        -------
        (..., n) ndarray of uint8
            Their code words.

        Raises
        ------
        TypeError, ValueError
            If the length is not `k` or an entry no bit.

        Examples
        --------
        >>> code = LinearCode([[1, 1, 0], [1, 0, 1]], corrects=1)
        >>> code.encode([1])
        array([1, 1, 1], dtype=uint8)
        """
        messages = _rows("messages", messages, self.k)
        parity = np.bitwise_xor.reduce(messages * self._parities, axis=-1)
        words = np.empty((*messages.shape[:-1], self.n), dtype=np.uint8)
        words[..., self.message_positions] = messages
        words[..., self._parity_positions] = (
            parity[..., None] >> np.arange(self.n - self.k) & 1
        )
        return words

    def syndrome(self, words: ArrayLike) -> Integers:
        """Return the number that the failed checks of a word spell; 0 for a code word.

        Parameters
        ----------
        words : (..., n) array_like of bits
            Received words.

        Returns
        -------
        (...) ndarray of integers
            Between 0 and ``2**(n - k) - 1``; bit `i` is check `i`.

        Raises
        ------
        TypeError, ValueError
            If the length is not `n` or an entry no bit.

        Examples
        --------
        >>> code = LinearCode([[1, 1, 0], [1, 0, 1]], corrects=1)
        >>> code.syndrome([[1, 1, 1], [1, 0, 1]])
        array([0, 1])
        """
        columns = _rows("words", words, self.n) * self._columns
        return np.asarray(np.bitwise_xor.reduce(columns, axis=-1))

    def decode(self, words: ArrayLike) -> tuple[Bits, Integers]:
        """Correct up to `t` errors per word and return the messages.

        Parameters
        ----------
        words : (..., n) array_like of bits
            Received words.

        Returns
        -------
        messages : (..., k) ndarray of uint8
            The decoded messages; as they arrived where `corrected` is -1.
        corrected : (...) ndarray of integers
            How many bits of the word were changed; -1 where an error was detected but not correctable.

        Raises
        ------
        TypeError, ValueError
            If the length is not `n` or an entry no bit.

        Examples
        --------
        >>> even = LinearCode([[1, 1, 1]], corrects=0)  # it can only notice
        >>> even.decode([[0, 1, 1], [1, 1, 1]])[1]
        array([ 0, -1])
        """
        words = _rows("words", words, self.n)
        syndrome = np.bitwise_xor.reduce(words * self._columns, axis=-1)
        fixed = words.astype(np.uint8) ^ self._leaders[syndrome]
        return fixed[..., self.message_positions], np.asarray(self._weights[syndrome])


def repetition(n: int) -> LinearCode:
    r"""Return the code that sends a bit `n` times and corrects :math:`(n - 1) / 2` errors.

    Check `i` compares bit `i` with the last one.  Decoding is the majority of the copies.

    Parameters
    ----------
    n : int
        Copies, odd, between 3 and 21.

    Returns
    -------
    LinearCode
        The :math:`(n, 1)` code.

    Raises
    ------
    TypeError, ValueError
        If `n` is even or out of range.

    Examples
    --------
    >>> repetition(5).decode([[1, 0, 1, 0, 1]])
    (array([[1]], dtype=uint8), array([2]))
    """
    if check_integer("n", n, 3, 21) % 2 == 0:
        raise ValueError(f"n must be odd, got {n}")
    copies = np.hstack([np.eye(n - 1, dtype=int), np.ones((n - 1, 1), dtype=int)])
    return LinearCode(copies, (n - 1) // 2)


def hamming(r: int) -> LinearCode:
    r"""Return Hamming's code of length :math:`2^r - 1`, whose syndrome is the position of the error.

    Column `p` of `H`, for :math:`p = 1, \dots, 2^r - 1`, is `p` written in binary.  One error at position `p`
    therefore has the syndrome `p`.  The parity bits stand at the powers of two.

    Parameters
    ----------
    r : int
        Number of parity bits, between 2 and 12.

    Returns
    -------
    LinearCode
        The :math:`(2^r - 1,\; 2^r - 1 - r)` code, which corrects one error.  Every word is within distance 1
        of a code word, so two errors are always miscorrected.

    Raises
    ------
    TypeError, ValueError
        If `r` is out of range.

    References
    ----------
    Hamming, R. W. (1950). Error detecting and error correcting codes. Bell System Technical Journal 29(2).

    Examples
    --------
    >>> code = hamming(3)
    >>> word = code.encode([1, 0, 1, 1])
    >>> word[4] ^= 1  # position 5, counted from 1
    >>> code.syndrome(word), code.decode(word)[0]
    (array(5), array([1, 0, 1, 1], dtype=uint8))
    """
    r = check_integer("r", r, 2, 12)
    return LinearCode(np.arange(1, 2**r) >> np.arange(r)[:, None] & 1, 1)


def secded(k: int) -> LinearCode:
    r"""Return the extended Hamming code of `k` bits: single errors corrected, double errors detected.

    Position 0 holds the parity of the whole word.  One error changes it; two errors do not, but leave a
    non-zero syndrome: detected, not correctable.  Positions beyond the `k`-th message bit are left out.

    Parameters
    ----------
    k : int
        Bits of a message, from 1 to 2036.

    Returns
    -------
    LinearCode
        The :math:`(k + r + 1, k)` code with the least `r` for which :math:`2^r - r - 1 \ge k`: (8, 4),
        (39, 32) and (72, 64) for 4, 32 and 64 bits.  The distance is 4.

    Raises
    ------
    TypeError, ValueError
        If `k` is out of range.

    References
    ----------
    Hamming, R. W. (1950). Error detecting and error correcting codes. Bell System Technical Journal 29(2).

    Examples
    --------
    >>> code = secded(4)
    >>> word = code.encode([1, 0, 1, 1])
    >>> word[[2, 6]] ^= 1
    >>> code.decode(word)[1]
    array(-1)
    """
    k = check_integer("k", k, 1, 2036)
    r = next(r for r in range(2, 12) if 2**r - r - 1 >= k)
    position = np.arange(k + r + 1)
    whole = np.ones_like(position)
    return LinearCode(np.vstack([position >> np.arange(r)[:, None] & 1, whole]), 1)


def crc32(data: bytes | bytearray | memoryview, value: int = 0) -> int:
    r"""Return the CRC-32 check sum of some bytes, as Ethernet, gzip and PNG use it.

    The remainder of the message polynomial divided by
    :math:`g(x) = x^{32} + x^{26} + x^{23} + \dots + 1` (0x04C11DB7), lowest bit first, with the register
    inverted before and after.  It detects every error burst of at most 32 bits; it corrects nothing, and it
    protects from accidents, not from an attacker.

    Parameters
    ----------
    data : bytes
        The message.
    value : int
        The check sum of what came before, to continue it; 0 at the start.

    Returns
    -------
    int
        The check sum, ``0 <= crc < 2**32``.

    Raises
    ------
    TypeError, ValueError
        If `data` is no bytes-like object or `value` no 32-bit number.

    Notes
    -----
    Equal to ``zlib.crc32``, which is hundreds of times as quick: use that one.  This one can be read.

    References
    ----------
    Peterson, W. W. and Brown, D. T. (1961). Cyclic codes for error detection. Proceedings of the IRE 49(1).

    Examples
    --------
    >>> hex(crc32(b"123456789"))
    '0xcbf43926'
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data must be bytes, got {type(data).__name__}")
    crc = check_integer("value", value, 0, 2**32 - 1) ^ 0xFFFFFFFF
    remainder = list(range(256))
    for _ in range(8):  # the remainder of every byte, one bit at a time
        remainder = [x >> 1 ^ (x & 1) * 0xEDB88320 for x in remainder]
    for byte in bytes(data):
        crc = remainder[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _row_reduce(matrix: Integers) -> tuple[Integers, Integers]:
    """Gauss and Jordan modulo 2: the reduced rows and the columns of their leading ones, leftmost first."""
    matrix = matrix.copy()
    pivots: list[int] = []
    for column in range(matrix.shape[1]):
        below = np.flatnonzero(matrix[len(pivots) :, column])
        if below.size:
            here = len(pivots)
            matrix[[here, here + below[0]]] = matrix[[here + below[0], here]]
            others = matrix[:, column].astype(bool)
            others[here] = False
            matrix[others] ^= matrix[here]
            pivots.append(column)
    return matrix, np.array(pivots, dtype=np.int64)


def _rows(name: str, value: ArrayLike, length: int) -> Integers:
    """Return rows of so many bits as a new array."""
    bits = integer_array(name, value, 0, 1)
    if bits.ndim == 0 or bits.shape[-1] != length:
        raise ValueError(
            f"{name} must have rows of length {length}, got shape {bits.shape}"
        )
    return bits
