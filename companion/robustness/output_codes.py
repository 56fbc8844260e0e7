r"""Error-correcting output codes: many classes from binary learners, some of which may be wrong.

Give every class a code word of `L` bits and train one binary learner per bit.  To classify, let all learners
speak and take the class whose word is nearest.  If any two words differ in at least `d` places, then up to
:math:`\lfloor (d - 1) / 2 \rfloor` wrong learners change no decision.

The guarantee counts wrong bits.  It helps as far as the learners err on different inputs, so the *columns* of
the code should differ as well: equal or complementary columns pose the same problem twice.

References
----------
Dietterich, T. G. and Bakiri, G. (1995). Solving multiclass learning problems via error-correcting output
codes. Journal of Artificial Intelligence Research 2.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.checks import check_integer, real_array

__all__ = ["ErrorCorrectingOutputCode", "bch_15_5", "choose_words", "minimum_distance"]

Bits = NDArray[np.uint8]
Floats = NDArray[np.float64]


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
    >>> minimum_distance(bch_15_5())
    7
    """
    words = np.zeros((32, 15), dtype=np.uint8)
    factor = np.arange(32)
    for shift in range(5):
        for power in (10, 8, 5, 4, 2, 1, 0):
            words[:, 14 - shift - power] ^= (factor >> shift & 1).astype(np.uint8)
    return words


def minimum_distance(words: ArrayLike) -> int:
    r"""Return the least number of places in which two rows differ.

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
    first, second = np.triu_indices(len(words), 1)
    return int(np.count_nonzero(words[first] != words[second], axis=1).min())


def choose_words(
    words: ArrayLike, classes: int, rng: np.random.Generator, tries: int = 2000
) -> Bits:
    r"""Pick rows of a code for some classes, so that the columns are problems as different as possible.

    Among random picks the first is kept for which the least of

    .. math:: \min(|c_i - c_j|,\; K - |c_i - c_j|) \quad\text{and}\quad \min(|c_i|,\; K - |c_i|)

    over all columns :math:`c_i \ne c_j` is largest: no two columns equal or complementary, none constant.

    Parameters
    ----------
    words : (N, L) array_like of bits
        The code, with at least two columns.
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
        If an argument is out of range, or every pick has a constant column or the same column twice.

    Examples
    --------
    >>> code = choose_words(bch_15_5(), 10, np.random.default_rng(0))
    >>> code.shape, minimum_distance(code)
    ((10, 15), 7)
    """
    words = _bits("words", words)
    K = check_integer("classes", classes, 2, len(words))
    best, most = words[:K], 0.0
    for _ in range(check_integer("tries", tries, 1)):
        pick = words[rng.permutation(len(words))[:K]]
        # The last column is constant: no column may be like it.
        signs = np.hstack([1.0 - 2.0 * pick, np.ones((K, 1))])
        agreement = np.abs(signs.T @ signs) - K * np.eye(signs.shape[1])
        separation = (K - agreement.max()) / 2
        if separation > most:
            best, most = pick, separation
    if most == 0:
        raise ValueError(
            f"words must allow {K} rows without constant, equal or opposite columns"
        )
    return best


class ErrorCorrectingOutputCode:
    r"""A classifier that decodes the answers of binary learners.

    .. math:: \hat{y}(x) = \arg\min_k\; \big| \{ j : f_j(x) \ne C_{kj} \} \big|

    Parameters
    ----------
    learner : object
        Any binary classifier with ``fit(X, y)`` and ``predict(X)`` for labels 0 and 1.  It is copied for each
        bit, and stays untrained itself.
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

    Raises
    ------
    TypeError, ValueError
        If `code` is no such array or `learner` lacks a method.

    References
    ----------
    Dietterich, T. G. and Bakiri, G. (1995). Solving multiclass learning problems via error-correcting output
    codes. Journal of Artificial Intelligence Research 2.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> code = [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
    >>> model = ErrorCorrectingOutputCode(DecisionTreeClassifier(random_state=0), code)
    >>> bits = model.fit([[0.0], [1.0]], ["no", "yes"]).bits([[0.9]])
    >>> bits[:, [0, 4]] ^= 1  # two of six learners break
    >>> model.decode(bits)
    array(['yes'], dtype='<U3')
    """

    def __init__(self, learner: Any, code: ArrayLike) -> None:
        if not (hasattr(learner, "fit") and hasattr(learner, "predict")):
            raise TypeError(f"learner must have fit and predict, got {learner!r}")
        self.learner, self.code = learner, _class_words(code)
        self.learners: list[Any] = []

    def fit(self, X: ArrayLike, y: ArrayLike) -> ErrorCorrectingOutputCode:
        """Train one copy of the learner on each bit of the labels' words.

        Parameters
        ----------
        X : (N, F) array_like
            The inputs.
        y : (N,) array_like
            The labels; as many different ones as `code` has rows.

        Returns
        -------
        ErrorCorrectingOutputCode
            This classifier.

        Raises
        ------
        TypeError, ValueError
            If `X` is not finite, the lengths differ or the number of classes is another.

        Examples
        --------
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> code = [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
        >>> model = ErrorCorrectingOutputCode(DecisionTreeClassifier(), code)
        >>> len(model.fit([[0.0], [1.0]], ["no", "yes"]).learners)
        6
        """
        X, classes, index = _labelled(X, y, len(self.code))
        learners = [copy.deepcopy(self.learner) for _ in self.code.T]
        for learner, column in zip(learners, self.code.T, strict=True):
            learner.fit(X, column[index])
        self.classes, self.learners = classes, learners
        self._features = X.shape[1]
        return self

    def bits(self, X: ArrayLike) -> Bits:
        """Ask every learner for its bit.

        Parameters
        ----------
        X : (N, F) array_like
            The inputs.

        Returns
        -------
        (N, L) ndarray of uint8
            The answers, before decoding.

        Raises
        ------
        TypeError, ValueError
            If it is not fitted, `X` is not finite or has another number of features.

        Examples
        --------
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> code = [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
        >>> model = ErrorCorrectingOutputCode(DecisionTreeClassifier(), code)
        >>> model = model.fit([[0.0], [1.0]], ["no", "yes"])
        >>> model.bits([[0.1]])
        array([[0, 0, 0, 1, 1, 1]], dtype=uint8)
        """
        _check_fitted(self.learners)
        X = real_array("X", X, (None, self._features))
        answers = [learner.predict(X) for learner in self.learners]
        return _bits("the learners' answers", np.column_stack(answers))

    def decode(self, bits: ArrayLike) -> NDArray[Any]:
        """Return the labels whose words are nearest; the first of them where several are.

        Parameters
        ----------
        bits : (N, L) array_like of bits
            The learners' answers, perhaps with faults.

        Returns
        -------
        (N,) ndarray
            The labels.

        Raises
        ------
        TypeError, ValueError
            If it is not fitted or `bits` is no such array.

        Examples
        --------
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> code = [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
        >>> model = ErrorCorrectingOutputCode(DecisionTreeClassifier(), code)
        >>> model = model.fit([[0.0], [1.0]], ["no", "yes"])
        >>> model.decode([[0, 1, 0, 1, 1, 0]])
        array(['no'], dtype='<U3')
        """
        _check_fitted(self.learners)
        bits = _bits("bits", bits, self.code.shape[1])
        distance = np.count_nonzero(bits[:, None] != self.code, axis=2)  # (N, K)
        return np.asarray(self.classes[distance.argmin(axis=1)])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Classify some inputs.

        Parameters
        ----------
        X : (N, F) array_like
            The inputs.

        Returns
        -------
        (N,) ndarray
            The labels.

        Raises
        ------
        TypeError, ValueError
            If it is not fitted, `X` is not finite or has another number of features.

        Examples
        --------
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> code = [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
        >>> model = ErrorCorrectingOutputCode(DecisionTreeClassifier(), code)
        >>> model = model.fit([[0.0], [1.0]], ["no", "yes"])
        >>> model.predict([[0.1], [0.9]])
        array(['no', 'yes'], dtype='<U3')
        """
        return self.decode(self.bits(X))


def _labelled(X: ArrayLike, y: ArrayLike, K: int) -> tuple[Floats, Any, Any]:
    """Return checked inputs, the sorted labels, and which of them each input has."""
    X, y = real_array("X", X, (None, None)), np.asarray(y)
    if y.shape != X.shape[:1]:
        raise ValueError(
            f"y must hold one label for each of {len(X)} rows, got shape {y.shape}"
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("y must be finite, got NaN or infinity")
    classes, index = np.unique(y, return_inverse=True)
    if len(classes) != K:
        raise ValueError(
            f"y must have {K} classes, one per row of code, got {len(classes)}"
        )
    return X, classes, index


def _class_words(code: ArrayLike) -> Bits:
    words = _bits("code", code)
    if len(words) < 2 or minimum_distance(words) == 0:
        raise ValueError("code must hold at least two rows, no two of them equal")
    constant = (words == words[0]).all(axis=0)
    if constant.any():
        raise ValueError(
            f"code must have no constant column, column {constant.argmax()} is one"
        )
    return words


def _check_fitted(learners: list[Any]) -> None:
    if not learners:
        raise ValueError("the classifier must be fitted first, call fit")


def _bits(name: str, value: ArrayLike, length: int | None = None) -> Bits:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold bits, got {array.dtype}")
    if array.ndim != 2 or 0 in array.shape[1:]:
        raise ValueError(f"{name} must be a table of bits, got shape {array.shape}")
    if ((array != 0) & (array != 1)).any():
        raise ValueError(f"{name} must hold 0 and 1 only, got something else")
    if length not in (None, array.shape[1]):
        raise ValueError(
            f"{name} must have rows of length {length}, got shape {array.shape}"
        )
    return array.astype(np.uint8)
