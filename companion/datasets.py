"""Real data that ships inside scikit-learn, split and scaled once, so that lessons can be compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Split", "breast_cancer", "digits", "wisconsin_outliers"]


class Split(NamedTuple):
    """A labelled data set, cut once into what one learns from and what one tests on.

    Examples
    --------
    >>> Split._fields
    ('X_train', 'y_train', 'X_test', 'y_test')
    """

    X_train: NDArray[np.float64]  # (n, d) features
    y_train: NDArray[np.int64]  # (n,) labels, 0 to C - 1
    X_test: NDArray[np.float64]  # (m, d)
    y_test: NDArray[np.int64]  # (m,)


def breast_cancer() -> Split:
    """Return the breast cancer data of scikit-learn, standardised, a quarter held out class by class.

    Each feature has mean 0 and standard deviation 1 over the training rows; the names of the features are
    `feature_names` of ``sklearn.datasets.load_breast_cancer()``.

    Returns
    -------
    Split
        426 and 143 tumours with 30 features in standard deviations; label 0 is malignant, 1 benign.

    References
    ----------
    Street, W. N., Wolberg, W. H. and Mangasarian, O. L. (1993). Nuclear feature extraction for breast tumor
    diagnosis. Proc. SPIE 1905.

    Examples
    --------
    >>> data = breast_cancer()
    >>> data.X_train.shape, data.X_test.shape, data.y_test.sum()
    ((426, 30), (143, 30), np.int64(90))
    """
    from sklearn.datasets import load_breast_cancer

    split = _split(*load_breast_cancer(return_X_y=True))
    mean, deviation = split.X_train.mean(axis=0), split.X_train.std(axis=0)
    return split._replace(
        X_train=(split.X_train - mean) / deviation,
        X_test=(split.X_test - mean) / deviation,
    )


def digits() -> Split:
    """Return the handwritten digits of scikit-learn, pixels in [0, 1], a quarter held out class by class.

    Returns
    -------
    Split
        1347 and 450 images of 8 x 8 pixels, flattened by rows; labels 0 to 9.

    References
    ----------
    Alpaydin, E. and Kaynak, C. (1998). Optical recognition of handwritten digits. UCI Machine Learning
    Repository.

    Examples
    --------
    >>> data = digits()
    >>> data.X_train.shape, data.X_test.shape, float(data.X_train.max())
    ((1347, 64), (450, 64), 1.0)
    """
    from sklearn.datasets import (
        load_digits,
    )  # takes a second: not before it is asked for

    images, labels = load_digits(return_X_y=True)
    return _split(images / 16.0, labels)


def wisconsin_outliers() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Rebuild the benchmark `wbc` of the ODDS collection from the breast cancer data of scikit-learn.

    All 357 benign tumours are normal; 21 of the 212 malignant ones are the outliers, one of them drawn twice.
    The 30 features are scaled to [0, 1] over all 569 tumours.

    Returns
    -------
    X : (378, 30) ndarray of float64
        Features without unit.
    outlier : (378,) ndarray of bool
        True for the malignant ones, which come last.

    References
    ----------
    Rayana, S. (2016). ODDS library. Stony Brook University.

    Examples
    --------
    >>> X, outlier = wisconsin_outliers()
    >>> X.shape, int(outlier.sum())
    ((378, 30), 21)
    """
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    drawn = "41 369 414 22 239 162 214 236 91 468 105 9 536 28 182 30 26 41 108 0 501"
    malignant = [int(row) for row in drawn.split()]
    rows = np.concatenate([np.flatnonzero(data.target == 1), malignant])
    low, high = data.data.min(axis=0), data.data.max(axis=0)
    outlier = np.arange(len(rows)) >= len(rows) - len(malignant)
    return (data.data[rows] - low) / (high - low), outlier


def _split(X: NDArray[np.float64], y: NDArray[np.int64]) -> Split:
    """Hold out a quarter, stratified by class, always the same one."""
    from sklearn.model_selection import train_test_split

    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=0
    )
    return Split(X_train, y_train.astype(np.int64), X_test, y_test.astype(np.int64))
