r"""Reed-Solomon codes: whole symbols, such as bytes, found wrong and put right.

Symbols of the field :math:`GF(2^m)` are the integers below :math:`2^m`, whose bits are the coefficients of a
polynomial, so that addition is exclusive or.  Words are rows of symbols.

The decoder is a *bounded-distance* decoder.  It looks for a code word within distance
:math:`t = \lfloor (n - k) / 2 \rfloor` and either finds the only one there or says that there is none:

* ``corrected >= 0``: so many symbols were changed, and the result is a code word;
* ``corrected == -1``: detected but not correctable, the message is returned as it arrived.

With more than `t` errors the nearest code word may be a wrong one.  No decoder of this kind can know;
`miscorrection_rate` says how often it happens.

References
----------
Reed, I. S. and Solomon, G. (1960). Polynomial codes over certain finite fields. Journal of the SIAM 8(2).
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.checks import check_integer, integer_array

__all__ = ["ReedSolomon", "miscorrection_rate"]

Integers = NDArray[np.int64]
Symbols = NDArray[np.uint8 | np.uint16]


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
        # Row i: the remainder of x^(n - 1 - i), what a 1 at place i adds to the checks.
        self._rows_of_one = np.tile(generator[1:], (self.k, 1))
        for i in range(self.k - 2, -1, -1):  # times x
            row = self._rows_of_one[i + 1]
            self._rows_of_one[i] = np.append(row[1:], 0) ^ self._multiples[row[0]]

    def _rows(self, words: ArrayLike, length: int) -> Symbols:
        """Return rows of so many symbols as a new array."""
        symbols = integer_array("words", words, 0, self.q - 1)
        if symbols.ndim == 0 or symbols.shape[-1] != length:
            raise ValueError(
                f"words must have rows of length {length}, got shape {symbols.shape}"
            )
        return symbols.astype(self._exp.dtype)

    def _times_power(self, a: Symbols, exponent: ArrayLike) -> Symbols:
        """Return ``a * alpha^exponent``, broadcast."""
        return self._exp.take(self._log.take(a) + np.mod(exponent, self.q - 1))

    def _times(self, a: Symbols, b: Symbols) -> Symbols:
        """Return ``a * b``, broadcast."""
        return self._exp.take(self._log.take(a) + self._log.take(b))

    def _check_symbols(self, messages: Symbols) -> Symbols:
        """Divide ``message(x) * x^(n-k)`` by g and return the remainder: (B, k) to (B, n - k)."""
        if len(messages) <= 8:  # too few to be worth a loop over the symbols
            terms = self._times(messages[:, :, None], self._rows_of_one)
            return np.asarray(np.bitwise_xor.reduce(terms, axis=1))
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
        words = self._rows(words, self.k)
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
        words = self._rows(words, self.n)
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
        Symbols of a code word and of a message, `n` at most 1023: the count takes some :math:`(n - k)^3` steps.
    q : int
        Size of the field, more than `n` and at most :math:`2^{16}`.
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
    n = check_integer("n", n, 2, 1023)
    k, q = check_integer("k", k, 1, n - 1), check_integer("q", q, n + 1, 2**16)
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
            changed = sum(
                comb(w - out, other) * (q - 2) ** other
                for other in range(t - out - new + 1)
            )
            near += words * comb(w, out) * comb(n - w, new) * (q - 1) ** new * changed
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
