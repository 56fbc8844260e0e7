r"""Preference aggregation: whose preferences win, where many people answer and one reward is fitted.

Each person has utilities of their own; what the fit sees is the share of all answers by which one option is
preferred to another.  Fitting Bradley-Terry scores to these shares is a voting rule, Borda's, as long as every
pair is compared equally often, and there are others: the option that beats every other one, or the lottery that
does where no option can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.special import expit

from companion.checks import check_stochastic, check_table, real_array

__all__ = ["Lottery", "borda", "pooled_preferences", "von_neumann_winner"]

Floats = NDArray[np.float64]


def pooled_preferences(
    utilities: ArrayLike, weights: ArrayLike | None = None
) -> Floats:
    r"""Return how often each option is preferred to each other one, over people who answer by their own utilities.

    .. math:: P_{ij} = \sum_k w_k\, \sigma(u_{ki} - u_{kj})

    Parameters
    ----------
    utilities : (m, n) array_like
        Utility of each of `n` options to each of `m` people, in the unit in which a difference of 1 is preferred
        with odds of e to 1.
    weights : (m,) array_like, optional
        Share of each person, or kind of person, in the answers; all alike by default.

    Returns
    -------
    (n, n) ndarray
        Shares: entry `i, j` and entry `j, i` sum to 1, the diagonal is zero.  A table of wins for
        `bradley_terry`, `borda` and `von_neumann_winner`.

    Raises
    ------
    TypeError, ValueError
        If `utilities` is no such table, or `weights` no distribution over its rows.

    References
    ----------
    Siththaranjan, A., Laidlaw, C. and Hadfield-Menell, D. (2024). Distributional preference learning:
    understanding and accounting for hidden context in RLHF. ICLR.

    Examples
    --------
    Two people of opposite opinions, the first heard three times as often:

    >>> pooled_preferences([[1.0986, 0], [-1.0986, 0]], weights=[0.75, 0.25]).round(4)
    array([[0.   , 0.625],
           [0.375, 0.   ]])
    """
    u = check_table("utilities", utilities)
    if weights is None:
        weights = np.full(len(u), 1 / len(u))
    w = check_stochastic("weights", real_array("weights", weights, (len(u),)))
    shares: Floats = np.einsum("k,kij->ij", w, expit(u[:, :, None] - u[:, None, :]))
    np.fill_diagonal(shares, 0.0)
    return shares


def borda(wins: ArrayLike) -> Floats:
    r"""Return each option's Borda score: the mean share in which it is preferred, over all other options.

    .. math:: b_i = \frac{1}{n - 1} \sum_{j \ne i} \frac{w_{ij}}{w_{ij} + w_{ji}}

    Its order is that of Bradley-Terry scores where every pair was compared equally often: they solve
    :math:`\sum_j \sigma(r_i - r_j) = (n - 1)\, b_i`, and the left side grows with :math:`r_i`.

    Parameters
    ----------
    wins : (n, n) array_like
        Entry `i, j` counts how often `i` was preferred to `j`, or is the share; the diagonal is zero.

    Returns
    -------
    (n,) ndarray
        Between 0 and 1; 1/2 on average.

    Raises
    ------
    TypeError, ValueError
        If `wins` is no such table, or two options were never compared.

    References
    ----------
    Borda, J.-C. de (1781). Mémoire sur les élections au scrutin. Histoire de l'Académie Royale des Sciences.

    Examples
    --------
    Three people prefer a to b to c, and two b to c to a: b is second or better with everybody.

    >>> borda([[0, 3, 3], [2, 0, 5], [2, 0, 0]])
    array([0.6, 0.7, 0.2])
    """
    shares = _shares(wins)
    return np.asarray(shares.sum(axis=1) / (len(shares) - 1))


@dataclass(frozen=True)
class Lottery:
    """Probabilities with which to draw an option, and what they guarantee.

    Examples
    --------
    >>> von_neumann_winner([[0, 2], [1, 0]]).probabilities
    array([1., 0.])
    """

    probabilities: Floats  # (n,)
    guarantee: float  # smallest share, over all opponents, that prefers what is drawn


def von_neumann_winner(wins: ArrayLike) -> Lottery:
    r"""Return the lottery over options that no option beats on average: a maximal lottery.

    .. math:: \max_p \min_j \sum_i p_i P_{ij}, \qquad P_{ij} = \frac{w_{ij}}{w_{ij} + w_{ji}}, \quad
              P_{ii} = \tfrac12

    by linear programming.  The game is symmetric, so its value is 1/2: against every option, what is drawn is
    preferred by half of the answers at least.  An option that beats every other one is drawn for certain.  Where
    margins are tied there may be several such lotteries, and one of them is returned.

    Parameters
    ----------
    wins : (n, n) array_like
        Entry `i, j` counts how often `i` was preferred to `j`, or is the share; the diagonal is zero.

    Returns
    -------
    Lottery
        The probabilities, and the share that they guarantee: 1/2 up to rounding.

    Raises
    ------
    TypeError, ValueError
        If `wins` is no such table, or two options were never compared.
    RuntimeError
        If the solver fails.

    References
    ----------
    Kreweras, G. (1965). Aggregation of preference orderings. Mathematics and Social Sciences I.
    Fishburn, P. C. (1984). Probabilistic social choice based on simple voting comparisons. Review of Economic
    Studies 51(4).
    Dudík, M. et al. (2015). Contextual dueling bandits. COLT.

    Examples
    --------
    A cycle: 70 % prefer a to b, 65 % b to c, and 65 % c to a.

    >>> winner = von_neumann_winner([[0, 70, 35], [30, 0, 65], [65, 35, 0]])
    >>> winner.probabilities.round(4), round(winner.guarantee, 4)
    (array([0.3, 0.3, 0.4]), 0.5)
    """
    margins = _shares(wins) - 0.5
    np.fill_diagonal(margins, 0.0)
    n = len(margins)
    # Variables p and v: maximise v, where v is at most p's margin over each option.
    found = linprog(
        np.append(np.zeros(n), -1.0),
        A_ub=np.column_stack([-margins.T, np.ones(n)]),
        b_ub=np.zeros(n),
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n + [(None, None)],
        method="highs",
    )
    if found.x is None:
        raise RuntimeError(f"the linear program failed: {found.message}")
    p = np.clip(found.x[:n], 0, None)
    p /= p.sum()
    return Lottery(p, 0.5 + float((p @ margins).min()))


def _shares(wins: ArrayLike) -> Floats:
    """Counts as shares of each pair's comparisons; the diagonal is zero."""
    w = real_array("wins", wins)
    if w.ndim != 2 or w.shape[0] != w.shape[1] or len(w) < 2:
        raise ValueError(
            f"wins must have shape (n, n), two options at least, got {w.shape}"
        )
    if w.min() < 0 or np.diag(w).any():
        raise ValueError(
            "wins must not be negative, and zero on the diagonal: nothing beats itself"
        )
    w = w / (w.max() or 1.0)
    met = w + w.T + np.eye(len(w))
    if (met == 0).any():
        i, j = np.argwhere(met == 0)[0].tolist()
        raise ValueError(f"wins must compare every pair, options {i} and {j} never met")
    return np.asarray(w / met)
