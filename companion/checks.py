"""The few input checks that everything shares.

Each returns the value in the form that the caller computes with, or raises an error that says which
argument, what was expected and what came.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "check_fitted",
    "check_generator",
    "check_integer",
    "check_number",
    "check_probability",
    "check_seed",
    "check_stochastic",
    "check_table",
    "integer_array",
    "real_array",
]


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
        If `value` does not hold real numbers: nothing, text, rows of unequal length, a sparse matrix or a tensor
        that requires gradients.
    ValueError
        If the shape differs or an entry is NaN, infinite or too large for float64.

    Examples
    --------
    >>> real_array("start", [1, 2], (2,))
    array([1., 2.])
    """
    try:
        array = np.asarray(value)
        real = array.dtype.kind in "biuf"
    except (RuntimeError, TypeError, ValueError):  # a tensor's refusal, ragged rows
        real = False
    if not real:
        raise TypeError(f"{name} must hold real numbers, got {value!r:.60}")
    wanted = array.shape if shape is None else shape
    fits = len(wanted) == array.ndim and all(
        want in (None, have) for want, have in zip(wanted, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def check_number(
    name: str,
    value: object,
    low: float = -np.inf,
    high: float = np.inf,
    ends: str = "[]",
) -> float:
    """Return `value` as a float if it is one finite real number of an interval.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : float
        A number of Python or NumPy, or an array of no dimensions; a bool is refused.
    low, high : float
        The interval's ends.
    ends : {"[]", "[)", "(]", "()"}
        Its brackets: a square one includes the end, a round one leaves it out.

    Returns
    -------
    float
        The same number.

    Raises
    ------
    TypeError
        If `value` is no real number.
    ValueError
        If it is NaN, infinite or outside the interval.

    Examples
    --------
    >>> check_number("discount", 0.9, 0, 1, "[)")
    0.9
    >>> check_number("discount", 1, 0, 1, "[)")
    Traceback (most recent call last):
    ValueError: discount must lie in [0, 1), got 1
    """
    number = float(real_array(name, value, ()))  # type: ignore[arg-type]
    above = number > low or (number == low and ends[0] == "[")
    below = number < high or (number == high and ends[1] == "]")
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a number, got {value}")
    if not (above and below):
        interval = f"{ends[0]}{low:g}, {high:g}{ends[1]}"
        raise ValueError(f"{name} must lie in {interval}, got {number:g}")
    return number


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


def check_seed(name: str, value: object) -> int:
    """Return `value` as an int if it can seed NumPy and torch alike.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : int
        A Python or NumPy integer from 0 to ``2**63 - 1``.

    Returns
    -------
    int
        The same number.

    Raises
    ------
    TypeError, ValueError
        If `value` is no such integer.

    Examples
    --------
    >>> check_seed("seed", np.int32(7))
    7
    """
    return check_integer(name, value, 0, 2**63 - 1)


def check_generator(name: str, value: object) -> np.random.Generator:
    """Return `value` if it is a NumPy random generator.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : numpy.random.Generator
        A source of randomness that the caller keeps.

    Returns
    -------
    numpy.random.Generator
        The same.

    Raises
    ------
    TypeError
        If it is another thing, such as a seed.

    Examples
    --------
    >>> check_generator("rng", 0)
    Traceback (most recent call last):
    TypeError: rng must be a numpy.random.Generator, such as numpy.random.default_rng(0), got 0
    """
    if not isinstance(value, np.random.Generator):
        wanted = "a numpy.random.Generator, such as numpy.random.default_rng(0)"
        raise TypeError(f"{name} must be {wanted}, got {value!r:.60}")
    return value


def check_fitted(model: object, attribute: str) -> None:
    """Raise if a model has not learnt yet.

    Parameters
    ----------
    model : object
        What has a method `fit`.
    attribute : str
        The attribute that fitting sets.

    Raises
    ------
    RuntimeError
        If it is missing.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> check_fitted(SimpleNamespace(mean=0.0), "mean")
    >>> check_fitted(SimpleNamespace(), "mean")
    Traceback (most recent call last):
    RuntimeError: SimpleNamespace is not fitted: call fit first
    """
    if not hasattr(model, attribute):
        raise RuntimeError(f"{type(model).__name__} is not fitted: call fit first")


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


def integer_array(
    name: str, value: ArrayLike, low: int, high: int
) -> NDArray[np.int64]:
    """Return `value`, of any shape, as int64 if every entry is an integer from `low` to `high`.

    The range is checked before the conversion, so that no width of integers wraps around.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array_like
        Integers or bools.
    low, high : int
        The range, both ends included.

    Returns
    -------
    ndarray of int64
        The same numbers, in an array of their own.

    Raises
    ------
    TypeError
        If `value` does not hold integers: nothing, text, floats, rows of unequal length, a sparse matrix.
    ValueError
        If an entry is out of range.

    Examples
    --------
    >>> integer_array("word", np.array([1, 0], dtype=np.int8), 0, 1)
    array([1, 0])
    """
    try:
        array = np.asarray(value)
        whole = array.dtype.kind in "biu"
    except (RuntimeError, TypeError, ValueError):  # a tensor's refusal, ragged rows
        whole = False
    if not whole:
        raise TypeError(f"{name} must hold integers, got {value!r:.60}")
    if array.size and (array.min() < low or array.max() > high):
        raise ValueError(
            f"{name} must hold integers from {low} to {high}, "
            f"got {array.min()} to {array.max()}"
        )
    return array.astype(np.int64)
