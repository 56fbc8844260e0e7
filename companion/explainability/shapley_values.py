r"""Shapley values: exact, by least squares (KernelSHAP) and by walking through permutations.

Dividing one answer of a model among its features takes two choices.  The first is a *game*: what the model would
say if it knew the features of a coalition `S` only.  Here it is the interventional one,

.. math:: v(S) = \frac{1}{m} \sum_{b \in B} f(x_S, b_{\bar S}),

the mean answer when the features of `S` are those of the case `x` and all others come from a row of the
background `B`.  The second is how the players of a game are paid, and Shapley's four axioms leave one way only:
each feature gets what it adds when it joins, averaged over all orders in which the features can come.

All functions ask `f` about whole batches, about no coalition twice in one call, and in blocks that fit the memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import comb

from companion.checks import (
    check_generator,
    check_integer,
    check_table,
    integer_array,
    real_array,
)
from companion.scores import array_scores

__all__ = [
    "all_coalitions",
    "coalition_values",
    "exact_shapley",
    "kernel_shap",
    "permutation_shapley",
    "shapley_of_game",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST = 20  # features that are enumerated: 2**20 coalitions are a million
NUMBERS = 2**17  # that one call of `f` is given: a megabyte, which a cache holds


def all_coalitions(d: int) -> Mask:
    r"""Return all coalitions of `d` features, numbered in binary.

    Feature `j` is in coalition `c` if the digit of :math:`2^j` in `c` is one: the empty coalition comes first, the
    one of all features last, and ``coalitions[::-1]`` are the complements.

    Parameters
    ----------
    d : int
        How many features, 1 to 20.

    Returns
    -------
    (2**d, d) ndarray of bool
        One coalition in each row.

    Raises
    ------
    TypeError, ValueError
        If `d` is no integer from 1 to 20.

    Examples
    --------
    >>> all_coalitions(2).astype(int)
    array([[0, 0],
           [1, 0],
           [0, 1],
           [1, 1]])
    """
    codes = np.arange(2 ** check_integer("d", d, 1, MOST), dtype="<u4")
    bits = np.unpackbits(codes.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    return bits[:, :d].astype(bool)


def coalition_values(
    f: Callable[[Floats], Floats],
    x: ArrayLike,
    background: ArrayLike,
    coalitions: ArrayLike,
) -> Floats:
    r"""Return the values of the interventional game for some coalitions of features.

    .. math:: v(S) = \frac{1}{m} \sum_{b \in B} f(x_S, b_{\bar S})

    A coalition that occurs more than once is asked once, and `f` is given a megabyte of rows at a time, or one
    whole background where that is larger.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own.
    x : (d,) array_like
        The case.
    background : (m, d) array_like
        The rows `B` from which absent features come.
    coalitions : (n, d) array_like of bool, or of 0 and 1
        In each row the features that are present.

    Returns
    -------
    (n,) ndarray
        In the unit of the scores.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together, or `f` does not give finite scores below 1e300, one per row.

    References
    ----------
    Janzing, D., Minorics, L. and Blöbaum, P. (2020). Feature relevance quantification in explainable AI: a causal
    problem. AISTATS.

    Examples
    --------
    >>> product = lambda X: X[:, 0] * X[:, 1]
    >>> coalition_values(product, [2, 3], [[0, 0], [1, 1]], [[0, 0], [1, 0], [0, 1], [1, 1]])
    array([0.5, 1. , 1.5, 6. ])
    """
    x, background = _case(x, background)
    present = np.asarray(coalitions)
    if present.dtype != np.bool_:
        present = integer_array("coalitions", coalitions, 0, 1).astype(bool)
    if present.ndim != 2 or present.shape[1] != len(x) or not len(present):
        raise ValueError(
            f"coalitions must have shape (n, {len(x)}), n > 0, got {present.shape}"
        )
    # Packed into bytes and read as words, so that equal rows are found by sorting words.
    packed = np.packbits(present, axis=1)
    _, first, where = np.unique(
        packed.view(f"S{packed.shape[1]}")[:, 0], return_index=True, return_inverse=True
    )
    distinct = present[first]
    at_once = max(1, NUMBERS // background.size)
    values = np.empty(len(distinct))
    for start in range(0, len(distinct), at_once):
        block = distinct[start : start + at_once, None]  # (n, 1, d)
        rows = np.where(block, x, background)  # (n, m, d)
        scores = array_scores(f, rows.reshape(-1, len(x)))
        if (largest := np.abs(scores).max()) > 1e300:
            raise ValueError(f"f must return scores below 1e300, got {largest:g}")
        values[start : start + at_once] = scores.reshape(len(block), -1).mean(axis=1)
    return values[where]


def shapley_of_game(values: ArrayLike) -> Floats:
    r"""Return the Shapley values of a game that is given by the value of every coalition.

    .. math:: \phi_i = \sum_{S \not\ni i} \frac{|S|!\,(d - |S| - 1)!}{d!} \big(v(S \cup \{i\}) - v(S)\big)

    They are the only payments that are efficient (they sum to :math:`v(N) - v(\emptyset)`), equal for players who
    add the same to every coalition, zero for a player who never adds anything, and additive over games.

    Parameters
    ----------
    values : (2**d,) array_like
        :math:`v`, in the order of `all_coalitions`: player `j` is in coalition `c` if the digit of :math:`2^j` in
        `c` is one.  From 1 to 20 players, numbers up to 1e300.

    Returns
    -------
    (d,) ndarray
        What each player gets, in the unit of `values`.

    Raises
    ------
    TypeError, ValueError
        If `values` are no such table.

    References
    ----------
    Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II. Theorem and (12).

    Examples
    --------
    One alone earns 0 or 12, both together 30: the 18 that neither earns alone are shared.

    >>> shapley_of_game([0, 0, 12, 30])
    array([ 9., 21.])
    """
    v = check_table("values", real_array("values", values, (None,))[:, None])[:, 0]
    d = len(v).bit_length() - 1
    if len(v) != 2**d or not 1 <= d <= MOST:
        raise ValueError(
            f"values must hold 2**d numbers, 1 <= d <= {MOST}, got {len(v)}"
        )
    size = np.bitwise_count(np.arange(2**d))
    weight = 1 / (d * comb(d - 1, np.arange(d)))  # of a coalition of 0 to d - 1 others
    phi = np.empty(d)
    for i in range(d):
        # Axis 1 is the digit of player i: without, with.
        split = v.reshape(-1, 2, 2**i)
        others = size.reshape(split.shape)[:, 0]
        phi[i] = (weight[others] * (split[:, 1] - split[:, 0])).sum()
    return phi


def exact_shapley(
    f: Callable[[Floats], Floats], x: ArrayLike, background: ArrayLike
) -> Floats:
    r"""Return the Shapley values of one answer of a model, from all :math:`2^d` coalitions of its features.

    .. math:: \phi_i = \sum_{S \not\ni i} \frac{|S|!\,(d - |S| - 1)!}{d!} \big(v(S \cup \{i\}) - v(S)\big),
              \qquad v(S) = \frac{1}{m} \sum_{b \in B} f(x_S, b_{\bar S})

    They sum to :math:`f(x)` minus the mean of `f` over the background.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own.  It is asked :math:`2^d m` rows.
    x : (d,) array_like
        The case to explain, at most 20 features.
    background : (m, d) array_like
        Rows from which absent features come.

    Returns
    -------
    (d,) ndarray
        The share of each feature, in the unit of the scores.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together, the features are too many, or `f` does not give finite scores, one
        per row.

    References
    ----------
    Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II.
    Štrumbelj, E. and Kononenko, I. (2010). An efficient explanation of individual classifications using game
    theory. JMLR 11.

    Examples
    --------
    >>> product = lambda X: X[:, 0] * X[:, 1]
    >>> exact_shapley(product, [2, 3], [[0, 0], [1, 1]])
    array([2.5, 3. ])
    """
    x, background = _case(x, background)
    _check_enumerable(len(x))
    return shapley_of_game(coalition_values(f, x, background, all_coalitions(len(x))))


def kernel_shap(
    f: Callable[[Floats], Floats],
    x: ArrayLike,
    background: ArrayLike,
    *,
    coalitions: int | None = None,
    rng: np.random.Generator | None = None,
    paired: bool = True,
) -> Floats:
    r"""Return Shapley values as the solution of a least-squares problem (KernelSHAP).

    .. math:: \min_\phi \sum_S w(S) \Big(v(S) - v(\emptyset) - \sum_{i \in S} \phi_i\Big)^2
              \quad\text{subject to}\quad \sum_i \phi_i = v(N) - v(\emptyset)

    With all coalitions and :math:`w(S) = (d - 1) / \big(\binom{d}{|S|} |S| (d - |S|)\big)` these are the exact
    values.  Otherwise coalitions are drawn in proportion to `w`, and each draw then counts as one: weighting the
    draws by `w` again would count it twice.  The constraint holds for every number of draws.  The estimate is
    consistent but not unbiased, because it is a ratio of two estimates.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own.
    x : (d,) array_like
        The case to explain.
    background : (m, d) array_like
        Rows from which absent features come; every distinct coalition asks `f` that many.
    coalitions : int, optional
        How many are drawn, with replacement; by default none is drawn but all :math:`2^d - 2` are taken, for at
        most 20 features.
    rng : numpy.random.Generator, optional
        Source of the draws; needed where `coalitions` is a number.
    paired : bool
        Whether half of the draws are the complements of the others.  Whatever a coalition and its complement have
        in common then cancels, and the values are exact where no more than two features interact at a time; where
        many do, pairs may be worse than as many single draws.

    Returns
    -------
    (d,) ndarray
        The share of each feature, in the unit of the scores.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together, the features are too many to take all coalitions, `coalitions` is
        below ``d - 1`` (paired ``2 (d - 1)``) or those drawn do not determine the values, or `f` does not give
        finite scores, one per row.

    References
    ----------
    Charnes, A., Golany, B., Keane, M. and Rousseau, J. (1988). Extremal principle solutions of games in
    characteristic function form. Econometrics of Planning and Efficiency.
    Lundberg, S. M. and Lee, S.-I. (2017). A unified approach to interpreting model predictions. NeurIPS.
    Covert, I. and Lee, S.-I. (2021). Improving KernelSHAP: practical Shapley value estimation using linear
    regression. AISTATS. Equation 7 and section 4.2.

    Examples
    --------
    >>> product = lambda X: X[:, 0] * X[:, 1]
    >>> kernel_shap(product, [2, 3], [[0, 0], [1, 1]]).round(9)
    array([2.5, 3. ])
    """
    x, background = _case(x, background)
    d = len(x)
    if coalitions is None:
        _check_enumerable(d)
        drawn = all_coalitions(d)[1:-1]
        size = drawn.sum(axis=1)
        root = np.sqrt((d - 1) / (comb(d, size) * size * (d - size)))
    else:
        pairs = 2 if paired else 1
        draws = check_integer("coalitions", coalitions, max(1, d - 1) * pairs)
        if draws % pairs:
            raise ValueError(f"coalitions must be even where paired, got {draws}")
        drawn = _draw(d, draws // pairs, check_generator("rng", rng))
        drawn = np.concatenate([drawn, ~drawn]) if paired else drawn
        root = np.ones(len(drawn))
    # phi = gain / d + beta, where beta sums to zero: that is the constraint.  So only
    # the d - 1 directions of beta count, and a coalition's row may be taken off its mean.
    share = drawn.mean(axis=1)
    U, s, Vt = np.linalg.svd(root[:, None] * (drawn - share[:, None]), False)
    if (s[: d - 1] < 1e-10).any():
        raise ValueError(
            f"coalitions must determine {d} values, but the {len(drawn)} drawn leave some open: draw more"
        )
    ends = np.array([[False], [True]]).repeat(d, axis=1)
    v = coalition_values(f, x, background, np.concatenate([ends, drawn]))
    gain = v[1] - v[0]
    y = root * (v[2:] - v[0] - share * gain)
    beta = Vt[: d - 1].T @ ((U.T @ y)[: d - 1] / s[: d - 1])
    return np.asarray(gain / d + beta)


def permutation_shapley(
    f: Callable[[Floats], Floats],
    x: ArrayLike,
    background: ArrayLike,
    *,
    permutations: int,
    rng: np.random.Generator,
) -> Floats:
    r"""Return Shapley values estimated from permutations, each of them walked forwards and backwards.

    .. math:: \hat\phi_i = \frac{1}{2 P} \sum_{\pi} \sum_{\sigma \in \{\pi, \bar\pi\}}
              \big(v(S_\sigma^i \cup \{i\}) - v(S_\sigma^i)\big)

    with :math:`S_\sigma^i` the features that come before `i`, and :math:`\bar\pi` the reverse of :math:`\pi`.  The
    estimate is unbiased, sums to :math:`v(N) - v(\emptyset)`, and is exact after one permutation if no more than
    two features interact at a time.

    Parameters
    ----------
    f : callable
        Maps (n, d) inputs to (n,) scores, each row on its own.
    x : (d,) array_like
        The case to explain.
    background : (m, d) array_like
        Rows from which absent features come; a permutation asks `f` about at most ``2 (d - 1)`` coalitions of that
        many rows, and the call about two more.
    permutations : int
        How many are drawn, `P`.
    rng : numpy.random.Generator
        Source of the permutations.

    Returns
    -------
    (d,) ndarray
        The share of each feature, in the unit of the scores.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit together, or `f` does not give finite scores, one per row.

    References
    ----------
    Castro, J., Gómez, D. and Tejada, J. (2009). Polynomial calculation of the Shapley value based on sampling.
    Computers and Operations Research 36(5).
    Mitchell, R., Cooper, J., Frank, E. and Holmes, G. (2022). Sampling permutations for Shapley value estimation.
    JMLR 23.

    Examples
    --------
    >>> product = lambda X: X[:, 0] * X[:, 1]
    >>> rng = np.random.default_rng(0)
    >>> permutation_shapley(product, [2, 3], [[0, 0], [1, 1]], permutations=1, rng=rng)
    array([2.5, 3. ])
    """
    x, background = _case(x, background)
    P, d = check_integer("permutations", permutations, 1), len(x)
    rank = check_generator("rng", rng).permuted(
        np.tile(np.arange(d), (P, 1)), axis=1
    )  # when each feature comes
    forward = rank[:, None] < np.arange(d + 1)[:, None]  # (P, d + 1, d)
    both = np.stack([forward, ~forward])  # backwards the last comes first
    v = coalition_values(f, x, background, both.reshape(-1, d)).reshape(both.shape[:3])
    # (P, d): what is gained at each place of the permutation, over both directions
    gains = (np.diff(v[0]) - np.diff(v[1])) / 2
    return np.asarray(np.take_along_axis(gains, rank, axis=1).mean(axis=0))


def _case(x: ArrayLike, background: ArrayLike) -> tuple[Floats, Floats]:
    """The case and its background as arrays that fit together."""
    case = check_table("x", real_array("x", x, (None,))[None])[0]
    return case, check_table("background", background, columns=len(case))


def _check_enumerable(d: int) -> None:
    """Refuse more features than can be enumerated, and say what to do."""
    if d > MOST:
        raise ValueError(
            f"x must have at most {MOST} features to take all coalitions, got {d}: draw some with "
            "kernel_shap(..., coalitions=...) or permutation_shapley"
        )


def _draw(d: int, n: int, rng: np.random.Generator) -> Mask:
    """Draw coalitions in proportion to the Shapley kernel: first a size, then the members."""
    if d == 1:
        return np.zeros((0, 1), dtype=bool)  # there is none between nothing and all
    size = np.arange(1, d)
    chance = 1 / (size * (d - size))
    sizes = rng.choice(size, n, p=chance / chance.sum())
    return rng.permuted(np.arange(d) < sizes[:, None], axis=1)
