r"""Error-correcting output codes: many classes from yes-or-no learners, some of which may be wrong.

Give every class a code word of `L` bits and train one yes-or-no learner per bit.  To classify, ask all learners
and take the class whose word is nearest to their answers.  If any two words differ in at least `d` places, then
up to :math:`\lfloor (d - 1) / 2 \rfloor` wrong answers change no decision, whatever the learners are.

The guarantee counts wrong *answers*, so it protects from faults; it helps against mistakes only as far as the
learners err on different inputs.  Where a learner can name the class itself, a plain vote of several such
learners is the longer code: :math:`n` votes for one class differ from those for another in `n` places.

References
----------
Dietterich, T. G. and Bakiri, G. (1995). Solving multiclass learning problems via error-correcting output
codes. Journal of Artificial Intelligence Research 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.checks import (
    check_fitted,
    check_generator,
    check_integer,
    real_array,
)

__all__ = [
    "ErrorCorrectingOutputCode",
    "bch_15_5",
    "choose_words",
    "minimum_distance",
    "nearest_word",
]

Bits = NDArray[np.uint8]


def nearest_word(bits: ArrayLike, code: ArrayLike) -> NDArray[np.intp]:
    r"""Return for each row of answers which code word differs from it in the fewest places.

    .. math:: \hat{k} = \arg\min_k\; \big| \{ j : b_j \ne C_{kj} \} \big|

    Parameters
    ----------
    bits : (N, L) array_like of bits
        The learners' answers, :math:`b`, perhaps with faults.
    code : (K, L) array_like of bits
        One word per class, :math:`C`.

    Returns
    -------
    (N,) ndarray of intp
        The rows of `code`; the first of them where several are equally near.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such array, or there is no word.

    References
    ----------
    Dietterich, T. G. and Bakiri, G. (1995). Solving multiclass learning problems via error-correcting output
    codes. Journal of Artificial Intelligence Research 2.

    Examples
    --------
    >>> nearest_word([[0, 1, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 1]])
    array([0, 1])
    """
    code = _bits("code", code)
    if len(code) == 0:
        raise ValueError("code must hold at least one word, got none")
    return _nearest(_bits("bits", bits, code.shape[1]), code)


def minimum_distance(words: ArrayLike) -> int:
    r"""Return the least number of places in which two rows differ.

    .. math:: d = \min_{i < k}\; \big| \{ j : C_{ij} \ne C_{kj} \} \big|

    Parameters
    ----------
    words : (K, L) array_like of bits
        At least two words.

    Returns
    -------
    int
        :math:`d`; the words correct :math:`\lfloor (d - 1) / 2 \rfloor` errors.

    Raises
    ------
    TypeError, ValueError
        If `words` is no such array.

    Examples
    --------
    >>> minimum_distance([[0, 0, 0], [1, 1, 1]])
    3
    """
    words = _bits("words", words)
    if len(words) < 2:
        raise ValueError(f"words must hold at least two rows, got {len(words)}")
    return min(
        int(np.count_nonzero(words[i + 1 :] != word, axis=1).min())
        for i, word in enumerate(words[:-1])
    )


def bch_15_5() -> Bits:
    r"""Return the 32 words of the BCH code of length 15 and distance 7.

    They are the multiples of :math:`g(x) = x^{10} + x^8 + x^5 + x^4 + x^2 + x + 1` of degree below 15.

    Returns
    -------
    (32, 15) ndarray of uint8
        The words; row `i` is the multiple by the polynomial whose coefficients are the bits of `i`.

    References
    ----------
    Bose, R. C. and Ray-Chaudhuri, D. K. (1960). On a class of error correcting binary group codes.
    Information and Control 3(1).

    Examples
    --------
    >>> words = bch_15_5()
    >>> words.shape, int(words[1:].sum(axis=1).min())
    ((32, 15), 7)
    """
    words = np.zeros((32, 15), dtype=np.uint8)
    factor = np.arange(32)
    for shift in range(5):
        for power in (10, 8, 5, 4, 2, 1, 0):
            words[:, 14 - shift - power] ^= (factor >> shift & 1).astype(np.uint8)
    return words


def choose_words(
    words: ArrayLike, classes: int, rng: np.random.Generator, tries: int = 2000
) -> Bits:
    r"""Pick rows of a code for some classes, as far apart as random search finds.

    Among random picks the first is kept whose distance :math:`d` is largest and, among those, whose columns
    :math:`c_i` are problems as different as possible, which is where the least of

    .. math:: \min(|c_i - c_j|,\; K - |c_i - c_j|) \quad\text{and}\quad \min(|c_i|,\; K - |c_i|)

    is largest.  A pick where that is zero has a constant column or asks one question twice; it is never kept.

    Parameters
    ----------
    words : (N, L) array_like of bits
        The code to pick from.
    classes : int
        How many words to pick, `K`, from 2 to `N`.
    rng : numpy.random.Generator
        The source of randomness.
    tries : int
        How many picks to compare.

    Returns
    -------
    (K, L) ndarray of uint8
        The words of the classes.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or no pick was without constant, equal and opposite columns.

    Examples
    --------
    >>> code = choose_words(bch_15_5(), 10, np.random.default_rng(0))
    >>> code.shape, minimum_distance(code)
    ((10, 15), 7)
    """
    words = _bits("words", words)
    K = check_integer("classes", classes, 2, len(words))
    tries, rng = check_integer("tries", tries, 1), check_generator("rng", rng)
    best, most = words[:0], (0.0, 0.0)
    for _ in range(tries):
        pick = words[rng.choice(len(words), K, replace=False)]
        # The last column is constant: no column may be like it.
        signs = np.hstack([1.0 - 2.0 * pick, np.ones((K, 1))])
        separation = _least_distance(np.abs(signs.T @ signs), K)
        distance = _least_distance(signs @ signs.T, signs.shape[1])
        if separation > 0 and (distance, separation) > most:
            best, most = pick, (distance, separation)
    if len(best) == 0:
        raise ValueError(
            f"words must allow {K} rows without constant, equal or opposite columns"
        )
    return best


class ErrorCorrectingOutputCode:
    r"""A classifier that decodes the answers of yes-or-no learners.

    .. math:: \hat{y}(x) = \arg\min_k\; \big| \{ j : f_j(x) \ne C_{kj} \} \big|

    Parameters
    ----------
    make_learner : callable
        ``make_learner(j)`` returns a new classifier for bit `j`, with ``fit(X, y)`` and ``predict(X)`` for the
        labels 0 and 1.  Give learners that draw at random different seeds, or equal columns train equal
        learners.
    code : (K, L) array_like of bits
        `C`, one word per class in the order of the sorted labels; no two rows equal, no column constant.

    Attributes
    ----------
    code : (K, L) ndarray of uint8
        The words.
    classes : (K,) ndarray
        The sorted labels, after `fit`.
    learners : list
        The trained learners, one per bit, after `fit`.
    features : int
        How many features the inputs have, after `fit`.

    Raises
    ------
    TypeError, ValueError
        If `code` is no such array or `make_learner` cannot be called.

    References
    ----------
    Dietterich, T. G. and Bakiri, G. (1995). Solving multiclass learning problems via error-correcting output
    codes. Journal of Artificial Intelligence Research 2.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> code = [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
    >>> model = ErrorCorrectingOutputCode(lambda j: DecisionTreeClassifier(random_state=j), code)
    >>> model.fit([[0.0], [1.0]], ["no", "yes"]).predict([[0.9]])
    array(['yes'], dtype='<U3')
    >>> bits = model.bits([[0.9]])
    >>> bits[:, [0, 4]] ^= 1  # two of six learners break
    >>> model.classes[nearest_word(bits, code)]
    array(['yes'], dtype='<U3')
    """

    def __init__(self, make_learner: Callable[[int], Any], code: ArrayLike) -> None:
        if not callable(make_learner):
            raise TypeError(
                "make_learner must be a function of the bit's number that returns a new classifier, "
                f"got {make_learner!r}"
            )
        self.make_learner, self.code = make_learner, _bits("code", code)
        if len(self.code) < 2 or minimum_distance(self.code) == 0:
            raise ValueError("code must hold at least two rows, no two of them equal")
        constant = (self.code == self.code[0]).all(axis=0)
        if constant.any():
            raise ValueError(
                f"code must have no constant column, column {constant.argmax()} is one"
            )

    def fit(self, X: ArrayLike, y: ArrayLike) -> ErrorCorrectingOutputCode:
        """Train a learner for each bit of the labels' words.

        `X` is (N, F) and finite; `y` holds N labels, as many different ones as `code` has rows.  Returns the
        classifier itself.
        """
        X = real_array("X", X, (None, None))
        classes, index = _sorted_labels(y, len(X), len(self.code))
        learners = [self.make_learner(j) for j in range(self.code.shape[1])]
        if not all(hasattr(f, "fit") and hasattr(f, "predict") for f in learners):
            raise TypeError(
                f"make_learner must return classifiers with fit and predict, got {learners[0]!r}"
            )
        if len({id(learner) for learner in learners}) < len(learners):
            raise ValueError("make_learner must return a new classifier for each bit")
        for learner, column in zip(learners, self.code.T, strict=True):
            learner.fit(X, column[index])
        self.classes, self.learners, self.features = classes, learners, X.shape[1]
        return self

    def bits(self, X: ArrayLike) -> Bits:
        """Return the learners' answers for (N, F) inputs: an (N, L) array of 0 and 1, not yet decoded."""
        check_fitted(self, "learners")
        X = real_array("X", X, (None, self.features))
        answers = [learner.predict(X) for learner in self.learners]
        for answer in answers:
            if np.shape(answer) != (len(X),):
                raise ValueError(
                    f"a learner must give {len(X)} answers, got shape {np.shape(answer)}"
                )
        return _bits("the learners' answers", np.column_stack(answers))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the labels of (N, F) inputs: those whose words are nearest to the learners' answers."""
        bits = self.bits(X)
        return np.asarray(self.classes[_nearest(bits, self.code)])


def _bits(name: str, value: ArrayLike, length: int | None = None) -> Bits:
    """Return a checked table of bits, copied."""
    array = real_array(name, value, (None, length))
    if ((array != 0) & (array != 1)).any():
        raise ValueError(f"{name} must hold 0 and 1 only, got something else")
    return array.astype(np.uint8)


def _nearest(bits: Bits, code: Bits) -> NDArray[np.intp]:
    """Return the row of `code` nearest to each row of `bits`, the first of equals."""
    # |b - c| = |b| + |c| - 2 b.c, and |b| is the same for every word.  In whole numbers, so exact.
    products = bits.astype(np.float64) @ code.T.astype(np.float64)
    return np.asarray(np.argmin(code.sum(axis=1) - 2 * products, axis=1))


def _least_distance(products: NDArray[np.float64], length: int) -> float:
    """Return the least distance of two sign vectors, from the table of their inner products."""
    np.fill_diagonal(products, -length)
    return float(length - products.max()) / 2


def _sorted_labels(y: ArrayLike, N: int, K: int) -> tuple[Any, NDArray[np.intp]]:
    """Return the `K` sorted labels, and which of them each of `N` rows has."""
    try:
        y = np.asarray(y)
        classes, index = np.unique(y, return_inverse=True)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"y must hold labels that can be sorted: {error}") from None
    if y.shape != (N,):
        raise ValueError(
            f"y must hold one label for each of {N} rows, got shape {y.shape}"
        )
    # NaN and NaT differ from themselves, also inside an array of objects.
    lost = ~np.isfinite(classes) if y.dtype.kind in "fc" else classes != classes
    if lost.any():
        raise ValueError("y must be finite, got NaN or infinity")
    if len(classes) != K:
        raise ValueError(
            f"y must have {K} classes, one per row of code, got {len(classes)}"
        )
    return classes, index.reshape(-1)
