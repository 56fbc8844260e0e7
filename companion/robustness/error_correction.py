r"""Codes that correct errors: repetition, Hamming, SECDED, CRC-32 and Reed-Solomon.

A **code** is a set of words that are far apart.  If any two differ in at least `d` places, then up to
:math:`t = \lfloor (d - 1) / 2 \rfloor` wrong places still leave the sent word the nearest one.  All decoders
here are *bounded-distance* decoders.  They look for a code word within distance `t` and either find the only
one there or say that there is none:

* ``corrected >= 0``: so many places were changed, and the result is a code word;
* ``corrected == -1``: detected but not correctable, the message is returned as it arrived.

With more than `t` errors the nearest code word may be a wrong one.  No decoder of this kind can know;
`miscorrection_rate` says how often it happens.

Words are rows.  Bits are 0 and 1; symbols of :math:`GF(2^m)` are the integers below :math:`2^m` whose bits
are the coefficients of a polynomial, so that addition is exclusive or.

References
----------
Hamming, R. W. (1950). Error detecting and error correcting codes. Bell System Technical Journal 29(2).
Reed, I. S. and Solomon, G. (1960). Polynomial codes over certain finite fields. Journal of the SIAM 8(2).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from companion.checks import check_integer, check_probability

__all__ = [
    "LinearCode",
    "ReedSolomon",
    "crc32",
    "failure_probability",
    "hamming",
    "majority",
    "miscorrection_rate",
    "repetition",
    "secded",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Symbols = NDArray[np.uint8 | np.uint16]


def majority(votes: ArrayLike) -> Symbols:
    r"""Return what most of an odd number of copies say, along the last axis.

    .. math:: \hat{x} = \big[\, \textstyle\sum_i v_i > n / 2 \,\big]

    Parameters
    ----------
    votes : (..., n) array_like of bits
        The copies, `n` odd, so that there is no tie.

    Returns
    -------
    (...) ndarray of uint8
        The bit that the majority of the copies has.

    Raises
    ------
    TypeError, ValueError
        If an entry is no bit or `n` is even.

    References
    ----------
    von Neumann, J. (1956). Probabilistic logics and the synthesis of reliable organisms from unreliable
    components.

    Examples
    --------
    >>> majority([[1, 0, 1], [0, 0, 1]])
    array([1, 0], dtype=uint8)
    """
    votes = _symbols("votes", votes, None, 2)
    if votes.shape[-1] % 2 == 0:
        raise ValueError(
            f"votes must hold an odd number of copies, got {votes.shape[-1]}"
        )
    return np.asarray(
        2 * votes.sum(axis=-1, dtype=np.int64) > votes.shape[-1], dtype=np.uint8
    )


def failure_probability(n: int, t: int, p: ArrayLike) -> Floats:
    r"""Probability that more than `t` of `n` symbols are wrong, each with probability `p` on its own.

    .. math:: P = \sum_{j > t} \binom{n}{j} p^j (1 - p)^{n - j}

    It is the chance that a bounded-distance decoder does not return the sent word.  With
    :math:`t = (n - 1) / 2` it is the error of a majority of `n`.

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
    return np.asarray(binom.sf(t, n, check_probability("p", p)))


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
    parity_check, generator : ndarray of uint8
        `H`, and `G` of shape (k, n) with :math:`H G^T = 0`; a message `m` is encoded as :math:`m G`.
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
        H = _symbols("parity_check", parity_check, None, 2)
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
        reduced, pivots = _row_reduce(H)
        if len(pivots) < checks:
            raise ValueError(
                f"parity_check must have independent rows, got {checks} "
                f"of rank {len(pivots)}"
            )
        self.parity_check = H
        self.message_positions = np.setdiff1d(np.arange(self.n), pivots)
        # reduced @ c = 0 reads: c[pivot] = sum of the message bits in that row.
        self.generator = np.zeros((self.k, self.n), dtype=np.uint8)
        self.generator[np.arange(self.k), self.message_positions] = 1
        self.generator[:, pivots] = reduced[:, self.message_positions].T
        self._fill_table()

    def _fill_table(self) -> None:
        self._leaders = np.zeros((2 ** (self.n - self.k), self.n), dtype=np.uint8)
        self._weights = np.full(len(self._leaders), -1)
        columns = self.syndrome(np.eye(self.n, dtype=np.uint8))
        for weight in range(self.t + 1):
            patterns = list(combinations(range(self.n), weight))
            places = np.array(patterns, dtype=np.int64)  # (patterns, weight)
            syndromes = np.bitwise_xor.reduce(columns[places], axis=1)
            taken = (self._weights[syndromes] >= 0).any()
            if taken or len(np.unique(syndromes)) < len(syndromes):
                raise ValueError(
                    f"corrects must be at most {weight - 1} for this parity_check, "
                    f"got {self.t}"
                )
            self._weights[syndromes] = weight
            self._leaders[syndromes[:, None], places] = 1

    def encode(self, messages: ArrayLike) -> Symbols:
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
        return _product(_symbols("messages", messages, self.k, 2), self.generator)

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
        failed = _product(_symbols("words", words, self.n, 2), self.parity_check.T)
        return np.asarray(failed @ (1 << np.arange(self.n - self.k)))

    def decode(self, words: ArrayLike) -> tuple[Symbols, Integers]:
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
        words = _symbols("words", words, self.n, 2)
        syndrome = self.syndrome(words)
        message = (words ^ self._leaders[syndrome])[..., self.message_positions]
        return message, np.asarray(self._weights[syndrome])


def repetition(n: int) -> LinearCode:
    r"""Return the code that sends a bit `n` times and corrects :math:`(n - 1) / 2` errors.

    Check `i` compares bit 0 with bit `i`.  Decoding is the `majority` of the copies.

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
    # The message is the last bit, so that the n - 1 others are the parity bits.
    return LinearCode(
        np.eye(n - 1, n, dtype=np.uint8) | np.eye(1, n, n - 1, dtype=np.uint8),
        (n - 1) // 2,
    )


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
    Equal to ``zlib.crc32``, which is hundreds of times faster: use that one.  This one can be read.

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
    table = np.arange(256)
    for _ in range(8):  # the remainder of every byte, one bit at a time
        table = (table >> 1) ^ (table & 1) * 0xEDB88320
    remainder = table.tolist()
    for byte in bytes(data):
        crc = remainder[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class ReedSolomon:
    r"""A Reed-Solomon code over :math:`GF(2^m)`: `n - k` check symbols correct half as many wrong ones.

    A word :math:`(c_0, \dots, c_{n-1})` is the polynomial :math:`c_0 x^{n-1} + \dots + c_{n-1}`.  Code words
    are the multiples of

    .. math:: g(x) = \prod_{j=0}^{n-k-1} (x - \alpha^{b+j}),

    and any two differ in at least :math:`n - k + 1` symbols, the most that is possible.  The message stands
    in front, then the check symbols.

    The decoder computes the syndromes :math:`S_j = y(\alpha^{b+j})` of the received word `y`, and finds
    Berlekamp and Massey's shortest recurrence :math:`\Lambda` that generates them.  Its roots :math:`X^{-1}`
    say where the errors are (Chien), and Forney's formula what they are:

    .. math:: Y = X^{1-b}\, \Omega(X^{-1}) \,/\, \Lambda'(X^{-1}), \qquad \Omega = S \Lambda \bmod x^{n-k}.

    All words of a batch take each step together.  The result is believed only if it is a code word.

    Parameters
    ----------
    n, k : int
        Symbols of a code word and of a message, ``1 <= k < n <= 2**m - 1``; shortened where n is smaller.
    polynomial : int, optional
        The primitive polynomial of the field, its coefficients as bits, of degree `m` from 2 to 16; 0x11d is
        :math:`x^8 + x^4 + x^3 + x^2 + 1`.  By default the Conway polynomial of the smallest field that holds
        `n`, as in galois.  :math:`\alpha` is the element 2, the polynomial `x`.
    first_root : int
        The exponent `b` of the first root: 1 as in galois (``c``), 0 is the default of reedsolo (``fcr``).

    Attributes
    ----------
    n, k, t : int
        Length of a code word, of a message, and the number of wrong symbols corrected.
    q : int
        The number of symbols, :math:`2^m`.

    Raises
    ------
    TypeError, ValueError
        If no such code exists, the polynomial is not primitive, or the encoder's table of ``(n - k) * q``
        symbols would exceed :math:`2^{27}`.

    References
    ----------
    Reed, I. S. and Solomon, G. (1960). Polynomial codes over certain finite fields. Journal of the SIAM 8(2).
    Massey, J. L. (1969). Shift-register synthesis and BCH decoding. IEEE Trans. Inf. Theory 15(1).
    Chien, R. T. (1964). Cyclic decoding procedures for Bose-Chaudhuri-Hocquenghem codes. IEEE Trans. Inf.
    Theory 10(4).
    Forney, G. D. (1965). On decoding BCH codes. IEEE Trans. Inf. Theory 11(4).

    Examples
    --------
    >>> code = ReedSolomon(7, 3)
    >>> words = code.encode([[1, 2, 3], [4, 5, 6]])
    >>> words[0, [0, 5]] ^= 7
    >>> code.decode(words)
    (array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8), array([2, 0]))
    """

    def __init__(
        self, n: int, k: int, polynomial: int | None = None, first_root: int = 1
    ) -> None:
        self.n = check_integer("n", n, 2, 2**16 - 1)
        self.k = check_integer("k", k, 1, self.n - 1)
        self.t = (self.n - self.k) // 2
        if polynomial is None:
            small = (0x7, 0xB, 0x13, 0x25, 0x5B, 0x83, 0x11D)
            large = (0x211, 0x46F, 0x805, 0x10EB, 0x201B, 0x40A9, 0x8035, 0x1002D)
            polynomial = (*small, *large)[self.n.bit_length() - 2]
        self.polynomial = check_integer("polynomial", polynomial, 2**2, 2**17 - 1)
        self._exp, self._log = _field(self.polynomial)
        self.q = len(self._log)
        if self.n >= self.q:
            raise ValueError(
                f"n must be at most {self.q - 1} in a field of {self.q} symbols, got {n}"
            )
        if (self.n - self.k) * self.q > 2**27:
            raise ValueError(
                f"n - k must be at most 2^27 / {self.q} for the table, got {self.n - self.k}"
            )
        self.first_root = check_integer("first_root", first_root, 0, self.q - 2)
        # The roots of g, as exponents of alpha.
        self._roots = self.first_root + np.arange(self.n - self.k)
        generator = np.ones(1, dtype=self._exp.dtype)
        for root in self._roots:  # times (x - alpha^root)
            generator = np.append(generator, 0) ^ np.append(
                0, self._times_power(generator, root)
            )
        # What each leading symbol takes off the rest in a step of long division.
        table = self._log[:, None] + self._log[generator[1:]]  # (q, n - k)
        self._multiples = self._exp[table]

    def _times_power(self, a: Symbols, exponent: ArrayLike) -> Symbols:
        """Return ``a * alpha^exponent``, broadcast."""
        return self._exp.take(self._log.take(a) + np.mod(exponent, self.q - 1))

    def _times(self, a: Symbols, b: Symbols) -> Symbols:
        return self._exp.take(self._log.take(a) + self._log.take(b))

    def _check_symbols(self, messages: Symbols) -> Symbols:
        """Divide ``message(x) * x^(n-k)`` by g and return the remainder: (B, k) to (B, n - k)."""
        remainder = np.zeros((len(messages), self.n - self.k), dtype=self._exp.dtype)
        for symbol in messages.T:
            step = self._multiples.take(remainder[:, 0] ^ symbol, axis=0)
            # step[:, :-1] ^= remainder[:, 1:], but on one stretch of memory.
            remainder[:, 0] = 0
            step.ravel()[:-1] ^= remainder.ravel()[1:]
            remainder = step
        return remainder

    def encode(self, words: ArrayLike) -> Symbols:
        """Append the check symbols to some messages.

        Parameters
        ----------
        words : (..., k) array_like of integers
            The messages, symbols from 0 to ``q - 1``.

        Returns
        -------
        (..., n) ndarray of uint8, or uint16 where m > 8
            Their code words.

        Raises
        ------
        TypeError, ValueError
            If the length is not `k` or a symbol is outside the field.

        Examples
        --------
        >>> ReedSolomon(7, 3).encode([1, 2, 3])[:3]
        array([1, 2, 3], dtype=uint8)
        """
        words = _symbols("words", words, self.k, self.q)
        checks = self._check_symbols(words.reshape(-1, self.k))
        return np.concatenate(
            [words, checks.reshape(*words.shape[:-1], self.n - self.k)], axis=-1
        )

    def decode(self, words: ArrayLike) -> tuple[Symbols, Integers]:
        """Correct up to `t` wrong symbols per word and return the messages.

        Parameters
        ----------
        words : (..., n) array_like of integers
            Received words, symbols from 0 to ``q - 1``.

        Returns
        -------
        messages : (..., k) ndarray of uint8, or uint16 where m > 8
            The decoded messages; as they arrived where `corrected` is -1.
        corrected : (...) ndarray of integers
            How many symbols of the word were changed; -1 where errors were detected but not correctable.

        Raises
        ------
        TypeError, ValueError
            If the length is not `n` or a symbol is outside the field.

        Examples
        --------
        >>> ReedSolomon(7, 3).decode([[0, 5, 0, 0, 0, 1, 0], [1, 2, 3, 4, 5, 6, 0]])[1]
        array([ 2, -1])
        """
        words = _symbols("words", words, self.n, self.q)
        fixed = words.reshape(-1, self.n).copy()
        corrected = np.zeros(len(fixed), dtype=np.int64)
        remainder = self._check_symbols(fixed[:, : self.k]) ^ fixed[:, self.k :]
        wrong = np.flatnonzero(remainder.any(axis=1))
        for start in range(0, len(wrong), 1024):  # so that the work stays in the cache
            rows = wrong[start : start + 1024]
            error = self._error(remainder[rows])
            attempt = fixed[rows] ^ error
            # At most t symbols changed: if this is a code word, it is the one.
            is_code_word = (
                self._check_symbols(attempt[:, : self.k]) == attempt[:, self.k :]
            ).all(axis=1)
            corrected[rows] = np.where(
                is_code_word, np.count_nonzero(error, axis=1), -1
            )
            fixed[rows[is_code_word]] = attempt[is_code_word]
        message = fixed[:, : self.k].reshape(*words.shape[:-1], self.k)
        return message, corrected.reshape(words.shape[:-1])

    def _error(self, remainder: Symbols) -> Symbols:
        """Propose an error of at most t symbols: the one with this remainder, if there is one."""
        # The remainder differs from the word by a multiple of g: same syndromes.
        # From here on the words of the batch are the last axis: (..., B).
        S = np.zeros((self.n - self.k, len(remainder)), dtype=self._exp.dtype)
        for symbol in remainder.T:  # Horner's rule
            S = self._times_power(S, self._roots[:, None]) ^ symbol
        locator = self._shortest_recurrence(S)
        # Position p stands for X = alpha^(n - 1 - p).
        exponent = np.arange(self.n - 1, -1, -1)
        values = np.zeros((self.n, len(remainder)), dtype=self._exp.dtype)
        for i in range(self.t + 1):
            values ^= self._times_power(locator[i], -i * exponent[:, None])
        place, word = np.nonzero(values == 0)  # at most t per word
        evaluator = np.zeros((self.t, len(remainder)), dtype=self._exp.dtype)
        for i in range(self.t):
            evaluator[i:] ^= self._times(locator[i], S[: self.t - i])
        numerator, derivative = np.zeros((2, len(place)), dtype=self._exp.dtype)
        for i in range(self.t):
            numerator ^= self._times_power(
                evaluator[i, word], (1 - self.first_root - i) * exponent[place]
            )
            if i % 2 == 0:  # even powers of x have no derivative in this field
                derivative ^= self._times_power(
                    locator[i + 1, word], -i * exponent[place]
                )
        error = np.zeros_like(values)
        error[place, word] = self._times_power(numerator, -self._log[derivative])
        return error.T

    def _shortest_recurrence(self, S: Symbols) -> Symbols:
        """Berlekamp and Massey: the shortest Lambda that generates S, cut at degree t; (t + 1, B)."""
        locator = np.zeros((self.t + 1, S.shape[1]), dtype=S.dtype)
        locator[0] = 1
        previous, length = locator.copy(), np.zeros(S.shape[1], dtype=np.int64)
        for j in range(len(S)):
            top = min(j, self.t)
            terms = self._times(locator[: top + 1], S[j - top : j + 1][::-1])
            discrepancy = np.bitwise_xor.reduce(terms, axis=0)
            # Multiply by x.
            previous = np.concatenate([np.zeros_like(previous[:1]), previous[:-1]])
            following = locator ^ self._times(previous, discrepancy)
            grows = (discrepancy != 0) & (2 * length <= j)
            previous[:, grows] = self._times_power(
                locator[:, grows], -self._log[discrepancy[grows]]
            )
            length[grows] = j + 1 - length[grows]
            locator = following
        return locator


def miscorrection_rate(n: int, k: int, q: int, errors: int) -> float:
    r"""Probability that a Reed-Solomon decoder returns a wrong code word after so many random symbol errors.

    With :math:`d = n - k + 1`, the number of code words of weight `w` is

    .. math:: A_w = \binom{n}{w} \sum_{j=0}^{w-d} (-1)^j \binom{w}{j} \big( q^{w-d+1-j} - 1 \big).

    Around each, the error patterns of weight `e` within distance `t` are counted; the rate is their share of
    all :math:`\binom{n}{e} (q-1)^e` patterns.

    Parameters
    ----------
    n, k : int
        Symbols of a code word and of a message.
    q : int
        Size of the field, more than `n`.
    errors : int
        How many symbols are wrong, all such patterns equally likely.

    Returns
    -------
    float
        The probability, the fraction of integers rounded once.  0 if `errors` is at most `t`.

    Raises
    ------
    TypeError, ValueError
        If there is no such code or `errors` is not between 0 and `n`.

    References
    ----------
    MacWilliams, F. J. and Sloane, N. J. A. (1977). The Theory of Error-Correcting Codes. Chapter 11.

    Examples
    --------
    >>> miscorrection_rate(7, 5, 8, 2) == 735 / 1029
    True
    """
    n = check_integer("n", n, 2)
    k, q = check_integer("k", k, 1, n - 1), check_integer("q", q, n + 1)
    e = check_integer("errors", errors, 0, n)
    d, t = n - k + 1, (n - k) // 2
    near = 0
    for w in range(max(d, e - t), min(n, e + t) + 1):
        signed = (
            (-1) ** j * comb(w, j) * (q ** (w - d + 1 - j) - 1)
            for j in range(w - d + 1)
        )
        words = comb(n, w) * sum(signed)
        # Of a code word's symbols `out` become zero and `other` change; `new` zeros
        # become non-zero.
        for out in range(max(0, w - e), t + 1):
            new = e - w + out
            for other in range(t - out - new + 1):
                ways = comb(w, out) * comb(w - out, other) * comb(n - w, new)
                near += words * ways * (q - 2) ** other * (q - 1) ** new
    return float(Fraction(near, comb(n, e) * (q - 1) ** e))


def _field(polynomial: int) -> tuple[Symbols, Integers]:
    """Powers and logarithms of alpha, with ``exp[log[a] + log[b]] == a * b`` for zeros too."""
    order = 2 ** (polynomial.bit_length() - 1) - 1
    exp = np.zeros(4 * order + 1, dtype=np.uint8 if order < 256 else np.uint16)
    log = np.full(order + 1, -1)
    log[0] = 2 * order  # far enough out that exp is zero there
    power = 1
    for i in range(order):
        if log[power] >= 0:
            raise ValueError(
                f"polynomial must be primitive, {polynomial:#x} is not: x has only {i} powers"
            )
        exp[[i, i + order]], log[power] = power, i
        power = power << 1 if power << 1 <= order else power << 1 ^ polynomial
    return exp, log


def _row_reduce(matrix: Symbols) -> tuple[Symbols, Integers]:
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


def _product(a: Symbols, b: Symbols) -> Symbols:
    """Multiply matrices modulo 2; float32 sums of so few ones are exact, and BLAS is fast."""
    product = a.astype(np.float32) @ b.astype(np.float32)
    return np.asarray(product.astype(np.int64) & 1, dtype=np.uint8)


def _symbols(name: str, value: ArrayLike, length: int | None, q: int) -> Symbols:
    """Return rows of symbols below `q` as a new uint8 or uint16 array."""
    array = np.asarray(value)
    if array.dtype.kind not in "biu":
        raise TypeError(f"{name} must hold integers, got {array.dtype}")
    if array.ndim == 0 or array.shape[-1] == 0 or length not in (None, array.shape[-1]):
        raise ValueError(
            f"{name} must have rows of length {length or 'at least 1'}, got shape {array.shape}"
        )
    if array.size and (array.min() < 0 or array.max() >= q):
        raise ValueError(
            f"{name} must hold symbols from 0 to {q - 1}, got {array.min()} to {array.max()}"
        )
    return array.astype(np.uint8 if q <= 256 else np.uint16)
