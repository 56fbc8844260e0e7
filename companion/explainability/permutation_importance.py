r"""Permutation importance: what a model loses when the entries of a column, or of several together, are shuffled.

Shuffling keeps what a column holds and breaks what it has to do with everything else, with the answer and also
with the other columns.  The loss of a model therefore rises by what it needs from that column *alone*: columns
that say the same can stand in for one another, and only shuffling them together shows what they are worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.checks import check_generator, check_integer, real_array
from companion.scores import array_scores

__all__ = ["exact_permutation_importance", "permutation_importance"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


def permutation_importance(
    f: Callable[[Floats], Floats],
    X: ArrayLike,
    y: ArrayLike,
    loss: Callable[[Floats, Floats], ArrayLike],
    *,
    repeats: int = 10,
    rng: np.random.Generator,
    groups: Sequence[Sequence[int]] | None = None,
) -> Floats:
    r"""Return by how much a model's loss rises when columns are shuffled, once for each shuffle.

    .. math:: I_{g,\pi} = \ell\big(y,\, f(X^{g,\pi})\big) - \ell\big(y,\, f(X)\big)

    where :math:`X^{g,\pi}` is `X` with row `i` of the columns `g` taken from row :math:`\pi(i)`.  All groups meet
    the same shuffles, so that they can be compared, and `f` is asked about many of them at once.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own.
    X : (n, d) array_like
        The rows on which the model is judged, at least two.
    y : (n,) array_like
        What is true of them: labels or numbers.
    loss : callable
        Maps (n,) truths and (n,) scores to a number that grows with badness or to (n,) losses, whose mean counts.
    repeats : int
        Number of shuffles.
    rng : numpy.random.Generator
        Draws them.
    groups : sequence of sequences of int, optional
        Columns to be shuffled together, by the same order; by default each column by itself.

    Returns
    -------
    (groups, repeats) ndarray
        The rises; their mean over the last axis is the importance.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, a column does not exist or stands twice in a group, `f` returns no scores or
        `loss` neither a number nor (n,) losses.

    References
    ----------
    Breiman, L. (2001). Random forests. Machine Learning 45. Section 10.
    Fisher, A., Rudin, C. and Dominici, F. (2019). All models are wrong, but many are useful. Journal of Machine
    Learning Research 20(177).

    Examples
    --------
    The first column is the answer, and twice its variance of 2/3 is lost; the second is not used.

    >>> X = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 9.0]])
    >>> rises = permutation_importance(lambda X: X[:, 0], X, X[:, 0], lambda y, s: (y - s) ** 2,
    ...                                repeats=20000, rng=np.random.default_rng(0))
    >>> rises.shape, rises.mean(axis=1).round(1)
    ((2, 20000), array([1.3, 0. ]))
    """
    X, y, columns = _checked(X, y, groups)
    repeats = check_integer("repeats", repeats, 1)
    rng = check_generator("rng", rng)
    orders = np.array([rng.permutation(len(X)) for _ in range(repeats)])
    base = _losses(loss, y, array_scores(f, X)).mean()
    rises: Floats = _broken(f, X, y, loss, columns, orders) - base
    return rises


def exact_permutation_importance(
    f: Callable[[Floats], Floats],
    X: ArrayLike,
    y: ArrayLike,
    loss: Callable[[Floats, Floats], ArrayLike],
    *,
    groups: Sequence[Sequence[int]] | None = None,
) -> Floats:
    r"""Return the mean of `permutation_importance` over all `n`! shuffles, without drawing one.

    .. math:: I_g = \frac{1}{n^2} \sum_{i=1}^n \sum_{k=1}^n \ell\big(y_i,\, f(x_i^{g,k})\big)
              - \frac{1}{n} \sum_{i=1}^n \ell\big(y_i,\, f(x_i)\big)

    where :math:`x_i^{g,k}` is row `i` with the columns `g` of row `k`, because a shuffle sends each row to each
    place equally often.  `f` sees :math:`n^2` rows for each group.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own.
    X : (n, d) array_like
        The rows on which the model is judged, at least two.
    y : (n,) array_like
        What is true of them: labels or numbers.
    loss : callable
        Maps (n,) truths and (n,) scores to (n,) losses.  A number for all rows together will not do, because it
        need not be the mean of anything.
    groups : sequence of sequences of int, optional
        Columns to be shuffled together; by default each column by itself.

    Returns
    -------
    (groups,) ndarray
        The expected rises.

    Raises
    ------
    TypeError, ValueError
        If an argument is unfit, a column does not exist or stands twice in a group, `f` returns no scores or
        `loss` not (n,) losses.

    References
    ----------
    Fisher, A., Rudin, C. and Dominici, F. (2019). All models are wrong, but many are useful. Journal of Machine
    Learning Research 20(177). Section 3 leaves out the pairs i = k, which multiplies the rise by n/(n - 1).

    Examples
    --------
    >>> X = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 9.0]])
    >>> exact_permutation_importance(lambda X: X[:, 0], X, X[:, 0], lambda y, s: (y - s) ** 2).round(4)
    array([1.3333, 0.    ])
    """
    X, y, columns = _checked(X, y, groups)
    base = _losses(loss, y, array_scores(f, X))
    if base.ndim == 0:
        raise ValueError(
            f"loss must return ({len(X)},) losses, one per row, got one number: take permutation_importance"
        )
    # Source k: every row gets the columns of row k.
    sources = np.broadcast_to(np.arange(len(X))[:, None], (len(X), len(X)))
    rises: Floats = _broken(f, X, y, loss, columns, sources).mean(axis=1) - base.mean()
    return rises


def _checked(
    X: ArrayLike, y: ArrayLike, groups: Sequence[Sequence[int]] | None
) -> tuple[Floats, Floats, list[Integers]]:
    """The rows, their truths, and the columns of each group."""
    X = real_array("X", X, (None, None))
    n, d = X.shape
    if n < 2 or d < 1:
        raise ValueError(f"X must have two rows and a column at least, got {X.shape}")
    if groups is None:
        groups = [[j] for j in range(d)]
    if not np.iterable(groups) or not all(np.iterable(group) for group in groups):
        raise TypeError(
            f"groups must be sequences of columns, such as [[0, 1], [2]], got {groups!r:.60}"
        )
    columns = [
        np.array([check_integer("groups", j, 0, d - 1) for j in group], dtype=np.intp)
        for group in groups
    ]
    if not columns or any(not len(c) or len(set(c)) < len(c) for c in columns):
        raise ValueError(
            f"groups must hold columns, each at most once in a group, got {groups!r:.60}"
        )
    return X, real_array("y", y, (n,)), columns


def _losses(
    loss: Callable[[Floats, Floats], ArrayLike], y: Floats, scores: Floats
) -> Floats:
    """What the loss says, one number or one for each row."""
    answer = real_array("loss(y, scores)", loss(y, scores))
    if answer.shape not in ((), y.shape):
        raise ValueError(
            f"loss must return a number or {y.shape} losses, got shape {answer.shape}"
        )
    return answer


def _broken(
    f: Callable[[Floats], Floats],
    X: Floats,
    y: Floats,
    loss: Callable[[Floats, Floats], ArrayLike],
    columns: list[Integers],
    sources: Integers,
) -> Floats:
    """Mean losses (groups, sources) where row i of a group's columns comes from row sources[s, i]."""
    n, d = X.shape
    jobs = [(g, s) for g in range(len(columns)) for s in range(len(sources))]
    own = [X[:, c] for c in columns]
    means = np.empty(len(jobs))
    together = max(1, 2**19 // X.size)  # four megabytes for the model at a time
    for start in range(0, len(jobs), together):
        part = jobs[start : start + together]
        copies = np.repeat(X[None], len(part), axis=0)  # (jobs, n, d)
        for copy, (g, s) in zip(copies, part, strict=True):
            copy[:, columns[g]] = np.take(own[g], sources[s], axis=0)
        scores = array_scores(f, copies.reshape(-1, d)).reshape(-1, n)
        means[start : start + len(part)] = [_losses(loss, y, s).mean() for s in scores]
    return means.reshape(len(columns), -1)
