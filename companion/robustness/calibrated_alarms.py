r"""From scores to alarms: how good a ranking is, and a threshold that keeps its promise.

Scores grow with badness, and an alarm is raised for a score **above** a threshold.  Two questions remain.

*How well do the scores rank?*  `auroc`, `average_precision` and `fpr_at_tpr` answer, each for the class that
the caller names as **positive**: published code disagrees on which one that is, and the same scores then give
another number under the same name.

*Where is the threshold?*  A quantile of the scores of the fitted samples breaks its promise, because a
detector finds the samples normal that it has seen.  With scores of normal samples that it has *not* seen, the
**conformal** threshold keeps the rate of false alarms at most :math:`\alpha`, for every detector and every
law of the data.  All it asks is that the order of calibration and new samples says nothing (exchangeability).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from companion.checks import check_number, real_array

__all__ = [
    "auroc",
    "average_precision",
    "conformal_p_values",
    "conformal_threshold",
    "fpr_at_tpr",
]

Floats = NDArray[np.float64]


def auroc(scores: ArrayLike, positive: ArrayLike) -> float:
    r"""Probability that a random positive sample scores above a random negative one, ties counting one half.

    .. math:: \mathrm{AUROC} = \frac{1}{n_+ n_-} \sum_{i \in +} \sum_{j \in -}
              \big[ 1\{s_i > s_j\} + \tfrac12 1\{s_i = s_j\} \big]
              = \frac{\sum_{i \in +} r_i - n_+ (n_+ + 1) / 2}{n_+ n_-},

    with mid-ranks :math:`r_i`.  It does not depend on how rare the positive class is.

    Parameters
    ----------
    scores : (N,) array_like
        Scores.
    positive : (N,) array_like of bool
        Which samples belong to the positive class: the one that is to score high.

    Returns
    -------
    float
        1 ranks perfectly, 0.5 says nothing, 0 ranks the wrong way round.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a score is not finite, `positive` is not boolean, or a class is absent.

    References
    ----------
    Hanley, J. A. and McNeil, B. J. (1982). The meaning and use of the area under a receiver operating
    characteristic (ROC) curve. Radiology 143(1), 29-36.

    Examples
    --------
    >>> auroc([1, 2, 2, 3], [False, False, True, True])
    0.875
    """
    s, plus = _classes(scores, positive)
    count = int(plus.sum())
    above = rankdata(s)[plus].sum() - count * (count + 1) / 2
    return float(above / (count * (len(s) - count)))


def average_precision(scores: ArrayLike, positive: ArrayLike) -> float:
    r"""Area under the curve of precision over recall, as a step function.

    .. math:: \mathrm{AP} = \sum_k (R_k - R_{k-1}) P_k,

    over the different scores in falling order; :math:`P_k` is the share of positive samples among those that
    score at least the `k`-th, and :math:`R_k` the share of all positive samples that they are.  A ranking
    that says nothing gets about the share of positive samples, so compare it only at the same share.

    Parameters
    ----------
    scores : (N,) array_like
        Scores.
    positive : (N,) array_like of bool
        Which samples belong to the positive class: the one that is to score high.

    Returns
    -------
    float
        At most 1, where all positive samples come first.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a score is not finite, `positive` is not boolean, or a class is absent.

    References
    ----------
    Davis, J. and Goadrich, M. (2006). The relationship between precision-recall and ROC curves. ICML,
    233-240.

    Examples
    --------
    >>> average_precision([4, 3, 2, 1], [True, False, True, False]).__round__(4)
    0.8333
    """
    s, plus = _classes(scores, positive)
    order = np.argsort(-s, kind="stable")
    falling = s[order]
    # The end of each group of equal scores; compared, because a difference may overflow.
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    found = np.cumsum(plus[order])[last]
    precision, recall = found / (last + 1), found / plus.sum()
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def fpr_at_tpr(scores: ArrayLike, positive: ArrayLike, tpr: float) -> float:
    r"""Share of negative samples that are flagged when the threshold catches `tpr` of the positive ones.

    .. math:: \mathrm{FPR} = \frac{1}{n_-} \#\{j \in - : s_j \ge t\}, \qquad
              t = \max\{t : \#\{i \in + : s_i \ge t\} \ge \mathrm{tpr} \cdot n_+\}.

    Parameters
    ----------
    scores : (N,) array_like
        Scores.
    positive : (N,) array_like of bool
        Which samples belong to the positive class: the one that is to score high.  To take the normal samples
        as positive, as some papers do, pass ``-scores`` too.
    tpr : float
        Share of positive samples to catch, in (0, 1].

    Returns
    -------
    float
        A share in [0, 1]; smaller is better.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a number is not finite or out of range, `positive` is not boolean, or a class is
        absent.

    References
    ----------
    Liang, S., Li, Y. and Srikant, R. (2018). Enhancing the reliability of out-of-distribution image detection in
    neural networks. ICLR: normal samples are the positive ones.
    Hendrycks, D., Mazeika, M. and Dietterich, T. (2019). Deep anomaly detection with outlier exposure. ICLR:
    anomalies are.

    Examples
    --------
    >>> scores, anomalous = np.array([1, 2, 3, 4, 5, 6]), np.array([0, 0, 1, 0, 1, 1], bool)
    >>> fpr_at_tpr(scores, anomalous, 0.95).__round__(4), fpr_at_tpr(-scores, ~anomalous, 0.66).__round__(4)
    (0.3333, 0.0)
    """
    s, plus = _classes(scores, positive)
    share = check_number("tpr", tpr, 0, 1, "(]")
    caught = np.sort(s[plus])[::-1]
    # The first k with k / n >= tpr.
    # ceil(tpr * n) would be one too many for tpr = 0.07, n = 100.
    k = np.searchsorted(np.arange(1, len(caught) + 1) / len(caught), share)
    return float(np.mean(s[~plus] >= caught[k]))


def conformal_threshold(calibration_scores: ArrayLike, level: float) -> float:
    r"""Threshold that a new normal sample exceeds with probability at most `level`.

    .. math:: t = s_{(k)}, \qquad k = n + 1 - m, \qquad m = \lfloor \alpha (n + 1) \rfloor,

    the `k`-th smallest of the `n` calibration scores; infinity if `m` is 0, that is,
    :math:`n < 1/\alpha - 1`.  A new score, exchangeable with them, takes each of the `n + 1` ranks with equal
    probability, so without ties :math:`P(s > t) = m / (n + 1) \le \alpha` exactly; ties only lower it.  This is
    an average over calibration samples.  If the calibration scores and all new ones are independent, of one
    continuous law, then the rate of false alarms of one calibration sample is a draw from Beta(m, n + 1 - m).

    Parameters
    ----------
    calibration_scores : (n,) array_like
        Scores of normal samples on which the detector was not fitted.
    level : float
        Accepted probability of a false alarm, :math:`\alpha` in (0, 1).

    Returns
    -------
    float
        Raise the alarm where ``score > threshold``, strictly.

    Raises
    ------
    TypeError, ValueError
        If there are no scores, one is not finite, or `level` is out of range.

    References
    ----------
    Vovk, V., Gammerman, A. and Shafer, G. (2005). Algorithmic Learning in a Random World. Springer.
    Bates, S., Candès, E., Lei, L., Romano, Y. and Sesia, M. (2023). Testing for outliers with conformal
    p-values. Annals of Statistics 51(1), 149-178.

    Examples
    --------
    >>> conformal_threshold(range(1, 20), 0.1), conformal_threshold(range(1, 9), 0.1)
    (18.0, inf)
    """
    s = _calibration(calibration_scores)
    alpha = check_number("level", level, 0, 1, "()")
    # The last m with m / (n + 1) <= level.
    # floor(level * (n + 1)) would be one too few for 0.29 and n = 99.
    m = int(
        np.searchsorted(np.arange(1, len(s) + 2) / (len(s) + 1), alpha, side="right")
    )
    return float(s[len(s) - m]) if m else float("inf")


def conformal_p_values(calibration_scores: ArrayLike, scores: ArrayLike) -> Floats:
    r"""Probability that a normal sample looks at least as strange.

    .. math:: p(s) = \frac{1 + \#\{i : s_i \ge s\}}{n + 1}.

    For a normal sample :math:`P(p \le \alpha) \le \alpha` at every :math:`\alpha`; ``p <= level`` where, and
    only where, the score exceeds ``conformal_threshold(calibration_scores, level)``.

    Parameters
    ----------
    calibration_scores : (n,) array_like
        Scores of normal samples on which the detector was not fitted.
    scores : (N,) array_like
        Scores of new samples.

    Returns
    -------
    (N,) ndarray of float64
        The p-values, from ``1 / (n + 1)`` to 1.

    Raises
    ------
    TypeError, ValueError
        If there are no calibration scores, or a score is not finite.

    References
    ----------
    Vovk, V., Gammerman, A. and Shafer, G. (2005). Algorithmic Learning in a Random World. Springer.
    Bates, S., Candès, E., Lei, L., Romano, Y. and Sesia, M. (2023). Testing for outliers with conformal
    p-values. Annals of Statistics 51(1), 149-178.

    Examples
    --------
    >>> conformal_p_values([1, 2, 3, 4], [0, 3, 5])
    array([1. , 0.6, 0.2])
    """
    s, new = _calibration(calibration_scores), _scores("scores", scores)
    smaller = np.searchsorted(s, new, side="left")
    return np.asarray((len(s) + 1 - smaller) / (len(s) + 1))


def _classes(
    scores: ArrayLike, positive: ArrayLike
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return checked scores, and which of them belong to the positive class, neither class empty."""
    s, plus = _scores("scores", scores), np.asarray(positive)
    if plus.dtype != bool:
        raise TypeError(
            f"positive must be boolean, True for the positive class, got {plus.dtype}"
        )
    if plus.shape != s.shape:
        raise ValueError(
            f"positive must have shape {s.shape} like scores, got {plus.shape}"
        )
    if plus.all() or not plus.any():
        raise ValueError(
            f"positive must name two classes, got {int(plus.sum())} positive of {len(s)} samples"
        )
    return s, plus


def _calibration(scores: ArrayLike) -> Floats:
    """Return checked calibration scores, at least one, sorted."""
    s = _scores("calibration_scores", scores)
    if len(s) == 0:
        raise ValueError("calibration_scores must hold at least one score, got none")
    return np.sort(s)


def _scores(name: str, value: ArrayLike) -> Floats:
    """Return scores as finite float64 numbers that keep their order."""
    s = real_array(name, value, (None,))
    if np.asarray(value).dtype.kind in "iu" and (np.abs(s) >= 2.0**53).any():
        raise ValueError(
            f"{name} must lie below 2**53 where they are integers: float64 cannot tell larger ones apart"
        )
    return s
