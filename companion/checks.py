"""The few input checks that everything shares.

Each returns the value in the form that the caller computes with, or raises an error that says which
argument, what was expected and what came.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["check_integer", "check_probability", "check_stochastic", "real_array"]


def real_array(
    name: str, value: ArrayLike, shape: tuple[int | None, ...] | None = None
) -> NDArray[np.float64]:
    """Return `value` as a finite float64 array, without a copy where it is one already.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array_like
        Real numbers.
    shape : tuple of (int or None), optional
        The expected shape; None stands for any length along that axis.

    Returns
    -------
    ndarray of float64
        The same numbers.

    Raises
    ------
    TypeError
        If `value` does not hold real numbers.
    ValueError
        If the shape differs or an entry is NaN or infinite.

    Examples
    --------
    >>> real_array("start", [1, 2], (2,))
    array([1., 2.])
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got {array.dtype}")
    fits = shape is None or (
        array.ndim == len(shape)
        and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        )
    )
    if not fits:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array.astype(np.float64, copy=False)


def check_integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return `value` as an int if ``low <= value <= high``.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : int
        A Python or NumPy integer; a bool is refused.
    low, high : int
        The range, both ends included; no upper end if `high` is None.

    Returns
    -------
    int
        The same number.

    Raises
    ------
    TypeError
        If `value` is no integer.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> check_integer("k", 2, 1, 3)
    2
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < low or (high is not None and value > high):
        wanted = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {wanted}, got {value}")
    return int(value)


def check_probability(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return `value`, of any shape, as float64 if every entry lies in [0, 1].

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array_like
        Probabilities.

    Returns
    -------
    ndarray of float64
        The same numbers.

    Raises
    ------
    TypeError, ValueError
        If an entry is no real number, not finite, or outside [0, 1].

    Examples
    --------
    >>> check_probability("r", 0.9)
    array(0.9)
    """
    array = real_array(name, value)
    if array.size and (array.min() < 0 or array.max() > 1):
        raise ValueError(
            f"{name} must lie in [0, 1], got values from {array.min():g} to {array.max():g}"
        )
    return array


def check_stochastic(name: str, value: ArrayLike) -> NDArray[np.float64]:
    r"""Return `value` as float64 if every vector along the last axis is a probability distribution.

    Sums may miss 1 by :math:`4 n \varepsilon` for `n` entries: normalising a row in float64 leaves an error
    of that order, a wrong model leaves far more.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : (..., n) array_like
        Distributions.

    Returns
    -------
    (..., n) ndarray of float64
        The same numbers.

    Raises
    ------
    TypeError, ValueError
        If an entry is no probability or a sum is not 1; the message names the worst row.

    Examples
    --------
    >>> check_stochastic("start", [0.25, 0.75])
    array([0.25, 0.75])
    """
    array = check_probability(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(
            f"{name} must hold at least one distribution, got shape {array.shape}"
        )
    error = np.abs(array.sum(axis=-1) - 1.0)
    if error.size and error.max() > 4 * array.shape[-1] * np.finfo(np.float64).eps:
        row = np.unravel_index(error.argmax(), error.shape)
        where = f" at {tuple(int(i) for i in row)}" if row else ""
        raise ValueError(
            f"{name} must sum to 1 along its last axis, got {array[row].sum():.12g}{where}"
        )
    return array


def check_table(
    name: str, value: ArrayLike, columns: int | None = None, rows: int = 1
) -> NDArray[np.float64]:
    """Return samples, one in each row, as a finite float64 table.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : (n, d) array_like
        Real numbers up to 1e300, so that differences are finite.
    columns : int, optional
        How many there must be; any number from 1 on by default.
    rows : int
        How many there must be at least.

    Returns
    -------
    (n, d) ndarray of float64
        The same numbers.

    Raises
    ------
    TypeError, ValueError
        If `value` is no such table.

    Examples
    --------
    >>> check_table("X", [[1, 2], [3, 4]], columns=2)
    array([[1., 2.],
           [3., 4.]])
    """
    table = real_array(name, value, (None, columns))
    if len(table) < rows or table.shape[1] == 0:
        need = f"at least {rows} rows and a column"
        raise ValueError(f"{name} must have {need}, got shape {table.shape}")
    if (largest := np.abs(table).max()) > 1e300:
        raise ValueError(f"{name} must stay below 1e300, got {largest:g}")
    return table
