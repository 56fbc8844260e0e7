r"""Distributionally robust optimization: the worst weights of a sample, and the worst shift of its points.

A mean loss gives every sample the weight `1/n`.  The distributionally robust loss gives the sample the worst
weights of a set around those, :math:`\max_{q \in \mathcal{Q}} q \cdot \ell`.  For the three usual sets, the cap
on a weight (CVaR), the chi-squared and the Kullback-Leibler distance, the maximum is a sort and a formula, or
the root of one monotone function.  Each function returns a certificate beside it: by weak duality no weights of
the set reach more than `bound`.

Weights cannot leave the sample.  A Wasserstein ball moves the points themselves, and for logistic regression with
unbounded features its worst case is the mean loss plus a norm of the coefficients.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, expit

from companion.checks import check_number, check_table, integer_array, real_array

__all__ = [
    "WassersteinLogistic",
    "WorstCase",
    "chi2_weights",
    "cvar_weights",
    "effective_sample_size",
    "kl_weights",
    "wasserstein_logistic",
]

Floats = NDArray[np.float64]


class WorstCase(NamedTuple):
    """The worst weights of a sample, what it costs under them, and the certificate.

    Examples
    --------
    >>> WorstCase._fields
    ('weights', 'value', 'bound')
    """

    weights: Floats  # (n,) a distribution over the sample, in its order
    value: float  # the mean loss under these weights
    bound: float  # the dual's value: no weights of the set cost more, up to rounding


def cvar_weights(losses: ArrayLike, level: float) -> WorstCase:
    r"""Return the worst weights of a sample when no weight may exceed a cap: the conditional value-at-risk.

    .. math:: \max_q \; q \cdot \ell \quad \text{with} \quad 0 \le q_i \le \frac{1}{n (1 - \alpha)}, \;
        \sum_i q_i = 1, \qquad = \; \min_t \; t + \frac{1}{n (1 - \alpha)} \sum_i (\ell_i - t)_+

    The largest losses get the cap until nothing is left; losses that tie where it runs out share the rest.

    Parameters
    ----------
    losses : (n,) array_like
        The sample, between -1e300 and 1e300.
    level : float
        :math:`\alpha`, between 0 and 1: the share of the sample that is left out, were it a multiple of `1/n`.

    Returns
    -------
    WorstCase
        Weights, the mean of the worst :math:`1 - \alpha` of the sample, and the dual's value.

    Raises
    ------
    TypeError, ValueError
        If `losses` is no such sample, or `level` not between 0 and 1.

    References
    ----------
    Rockafellar, R. T. and Uryasev, S. (2002). Conditional value-at-risk for general loss distributions. Journal
    of Banking and Finance 26(7).

    Examples
    --------
    The worst 1.5 of four losses: two thirds of the weight on the largest, the rest on the next.

    >>> worst = cvar_weights([1, 5, 3, 2], level=0.625)
    >>> worst.weights.round(4), round(worst.value, 4)
    (array([0.    , 0.6667, 0.3333, 0.    ]), 4.3333)
    """
    l = _check_losses(losses)  # noqa: E741
    tail = len(l) * (1 - check_number("level", level, 0, 1, "()"))  # n (1 - alpha)
    k = min(max(ceil(tail), 1), len(l))
    t = np.partition(l, len(l) - k)[len(l) - k]  # the k-th largest
    # Above the largest loss there is nothing, however short the tail.
    above, ties = l > t, l == t
    q = above / tail
    q[ties] = max(1 - above.sum() / tail, 0) / ties.sum()
    over = np.where(above, l - t, 0.0) / tail
    return WorstCase(q, float(q @ l), float(t + over.sum()))


def chi2_weights(losses: ArrayLike, radius: float) -> WorstCase:
    r"""Return the worst weights of a sample within a chi-squared distance of equal weights.

    .. math:: \max_q \; q \cdot \ell \quad \text{with} \quad \frac1n \sum_i (n q_i - 1)^2 \le \rho, \;
        q \ge 0, \; \sum_i q_i = 1, \qquad = \; \min_\eta \; \eta + \sqrt{1 + \rho} \,
        \Big( \frac1n \sum_i (\ell_i - \eta)_+^2 \Big)^{1/2}

    The set holds exactly the weights whose `effective_sample_size` is at least :math:`n / (1 + \rho)`.  The worst
    ones are proportional to :math:`(\ell_i - \eta)_+`: a search finds how many losses lie above :math:`\eta`,
    and their mean and variance give the rest.  While all of them do, the value is mean
    :math:`+ \sqrt{\rho}` standard deviations, which holds iff :math:`\sqrt\rho` times the standard deviation is
    at most the mean minus the minimum.

    Parameters
    ----------
    losses : (n,) array_like
        The sample, between -1e300 and 1e300.
    radius : float
        :math:`\rho`, not negative.  Some authors write :math:`\rho / 2` for it.

    Returns
    -------
    WorstCase
        Weights, their mean loss, and the dual's value.  Where the radius lets the weight shrink to the largest
        losses alone, they share it.

    Raises
    ------
    TypeError, ValueError
        If `losses` is no such sample, or `radius` negative.

    References
    ----------
    Duchi, J. and Namkoong, H. (2019). Variance-based regularization with convex objectives. Journal of Machine
    Learning Research 20(68).

    Examples
    --------
    >>> worst = chi2_weights([0, 1, 2, 3], radius=0.2)
    >>> worst.weights.round(3), round(worst.value, 4)
    (array([0.1, 0.2, 0.3, 0.4]), 2.0)
    """
    l = _check_losses(losses)  # noqa: E741
    n, rho = len(l), check_number("radius", radius, 0)
    size = n / (1 + rho)  # effective, at least
    order = np.argsort(l)[::-1]
    y = l[order] - l.max()  # 0 first, falling
    ties = int((y == 0).sum())
    q = np.zeros(n)
    if size <= ties:  # the corner, or losses that are all the same
        q[order[:ties]] = 1 / ties
        return WorstCase(q, float(q @ l), float(l.max()))
    # The least k whose losses, weighed by how far they exceed the next, have that size.
    low, k = ties, n
    while k - low > 1:
        middle = (low + k) // 2
        x = 1 - y[:middle] / y[middle]
        if x.sum() ** 2 >= size * (x @ x):
            k = middle
        else:
            low = middle
    x = y[:k] / -y[k - 1]  # from 0 down to -1
    mean, sd = x.mean(), x.std()
    slope = np.sqrt((k - n + k * rho) / n) / sd  # the root of k / size - 1
    q[order[:k]] = np.maximum(1 + slope * (x - mean), 0)
    q /= q.sum()
    if k == n:  # the variance form, a bound by Cauchy and Schwarz
        excess = -y[-1] * (mean + slope * sd * sd)
    else:
        with np.errstate(divide="ignore"):
            eta = np.clip(-y[k - 1] * (mean - 1 / slope), y[k], y[k - 1])
        excess = eta * (1 - np.linalg.norm(1 - y[:k] / eta) / np.sqrt(size))
    return WorstCase(q, float(q @ l), float(l.max() + excess))


def kl_weights(losses: ArrayLike, radius: float) -> WorstCase:
    r"""Return the worst weights of a sample within a Kullback-Leibler divergence of equal weights.

    .. math:: \max_q \; q \cdot \ell \quad \text{with} \quad \sum_i q_i \log (n q_i) \le \rho, \;
        q \ge 0, \; \sum_i q_i = 1, \qquad = \; \inf_{\lambda > 0} \; \lambda \rho + \lambda \log
        \frac1n \sum_i e^{\ell_i / \lambda}

    The worst weights are a softmax of the losses, :math:`q \propto e^{\ell / \lambda}`, and their divergence
    falls with :math:`\lambda`: Newton's method finds the root.  With `m` losses tied at the maximum there is a
    root only for :math:`\rho < \log (n / m)`; from there on the largest losses share the weight.

    Parameters
    ----------
    losses : (n,) array_like
        The sample, between -1e300 and 1e300.
    radius : float
        :math:`\rho` in nats, not negative.

    Returns
    -------
    WorstCase
        Weights, their mean loss, and the dual's value.

    Raises
    ------
    TypeError, ValueError
        If `losses` is no such sample, or `radius` negative.

    References
    ----------
    Hu, Z. and Hong, L. J. (2013). Kullback-Leibler divergence constrained distributionally robust optimization.
    Optimization Online.

    Examples
    --------
    >>> worst = kl_weights([0, 1, 2, 3], radius=0.2)
    >>> worst.weights.round(3), round(worst.value, 4)
    (array([0.08 , 0.148, 0.272, 0.5  ]), 2.1907)
    """
    l = _check_losses(losses)  # noqa: E741
    rho = check_number("radius", radius, 0)
    scale = l.max() - l.min()
    y = (l - l.max()) / (scale or 1.0)  # from 0 down to -1
    ties = y > -1e-300  # closer to the maximum than any weight could tell
    if rho == 0 or ties.all():
        mean = float(l.max() + scale * y.mean())
        return WorstCase(np.full(len(l), 1 / len(l)), mean, mean)
    if rho >= np.log(len(l) / ties.sum()):
        q = ties / ties.sum()
        return WorstCase(q, float(q @ l), float(l.max()))
    # The divergence at b = scale / lambda is at most b^2 / 8 (Hoeffding), and beyond
    # the upper end all of the weight that float64 can tell is on the maximum.
    low, high = np.sqrt(8 * rho), 800 / -y[~ties].max()
    b = float(np.clip(np.sqrt(2 * rho) / y.std(), low, high))
    for _ in range(200):
        q, divergence = _tilted(y, b)
        # The dual at b is the mean under q, and what the divergence has left.
        excess = q @ y + (rho - divergence) / b
        low, high = (b, high) if divergence < rho else (low, b)
        # Newton on the root of the divergence, which is nearly linear in b.
        slope = b * (q @ (y - q @ y) ** 2) or np.nan
        new = b + 2 * (np.sqrt(rho * divergence) - divergence) / slope
        if not low < new < high:
            new = np.sqrt(low) * np.sqrt(high)
        if abs(divergence - rho) <= 1e-13 * rho or abs(new - b) <= 1e-13 * b:
            break
        b = new
    return WorstCase(q, float(q @ l), float(l.max() + scale * excess))


def effective_sample_size(weights: ArrayLike) -> float:
    r"""Return how many equal weights would spread a mean as little as these: Kish's effective sample size.

    .. math:: \Big( \sum_i w_i \Big)^2 \Big/ \sum_i w_i^2

    Parameters
    ----------
    weights : (n,) array_like
        Not negative, up to 1e300, at least one of them positive.

    Returns
    -------
    float
        Between 1 and n.

    Raises
    ------
    TypeError, ValueError
        If `weights` are no such weights.

    References
    ----------
    Kish, L. (1965). Survey Sampling.

    Examples
    --------
    >>> effective_sample_size([0.5, 0.5, 0, 0]), round(effective_sample_size([0.4, 0.3, 0.2, 0.1]), 3)
    (2.0, 3.333)
    """
    w = _check_losses(weights, "weights")
    if w.min() < 0 or w.max() == 0:
        raise ValueError(
            f"weights must not be negative or all zero, got {w.min():g} to {w.max():g}"
        )
    w = w / w.max()
    return float(w.sum() ** 2 / (w @ w))


class WassersteinLogistic(NamedTuple):
    """A logistic regression that is robust to moved features, and its certificate.

    Examples
    --------
    >>> WassersteinLogistic._fields
    ('coefficients', 'intercept', 'value', 'bound')
    """

    coefficients: Floats  # (d,)
    intercept: float
    value: float  # the worst mean loss within the ball, in nats
    bound: float  # the dual's value: no coefficients have a lower worst loss


def wasserstein_logistic(
    X: ArrayLike, y: ArrayLike, radius: float
) -> WassersteinLogistic:
    r"""Fit the logistic regression whose worst mean loss in a Wasserstein ball around the sample is least.

    The ball holds every distribution that the sample becomes when its features move by at most `radius` on
    average, in Euclidean distance, and no label changes.  Its worst case has a closed form,

    .. math:: \min_{w, b} \; \frac1n \sum_i \log \big( 1 + e^{-s_i (w \cdot x_i + b)} \big)
        + \epsilon \|w\|_2, \qquad s_i = 2 y_i - 1,

    as long as features may move anywhere; where they are bounded it is an upper bound.

    Parameters
    ----------
    X : (n, d) array_like
        Features.
    y : (n,) array_like of int
        Labels, 0 or 1, both of them present.
    radius : float
        :math:`\epsilon`, positive, in the unit of the features.

    Returns
    -------
    WassersteinLogistic
        Coefficients, intercept, the worst mean loss, and a lower bound on it from the dual: the mean entropy of
        weights :math:`\alpha_i` with :math:`\sum_i \alpha_i s_i = 0` and
        :math:`\| \sum_i \alpha_i s_i x_i \| \le n \epsilon`.

    Raises
    ------
    TypeError, ValueError
        If `X` and `y` are no such sample, or `radius` is not positive.

    References
    ----------
    Shafieezadeh-Abadeh, S., Mohajerin Esfahani, P. and Kuhn, D. (2015). Distributionally robust logistic
    regression. NIPS.

    Examples
    --------
    >>> fit = wasserstein_logistic([[-2.0], [-1.0], [0.0], [2.0]], [0, 0, 1, 1], radius=0.1)
    >>> fit.coefficients.round(3), round(fit.value, 4), fit.value - fit.bound < 1e-9
    (array([1.819]), 0.3689, True)
    """
    table = check_table("X", X)
    labels = integer_array("y", y, 0, 1)
    if labels.shape != table.shape[:1] or labels.min() == labels.max():
        raise ValueError(
            f"y must hold {len(table)} labels, both 0 and 1, got shape {labels.shape}"
        )
    unit = np.abs(table).max() or 1.0
    epsilon = check_number("radius", radius, 0, ends="()") / unit
    s = 2.0 * labels - 1
    A = np.column_stack([table / unit, np.ones(len(s))]) * s[:, None]
    theta = np.zeros(A.shape[1])
    theta[-1] = np.log(labels.sum() / (1 - labels).sum())
    gradient = -(expit(-A @ theta) @ A[:, :-1]) / len(A)
    slope = np.linalg.norm(gradient)
    if slope > epsilon:  # else no coefficient is worth its norm
        # The loss curves by at most d / 4, so this much of a step lowers it.
        theta[:-1] = -gradient / slope * 2 * (slope - epsilon) / A.shape[1]
        theta = _newton(A, theta, epsilon)
    value, bound = _robust_loss(A, theta, epsilon), _dual(A, theta, epsilon)
    return WassersteinLogistic(theta[:-1] / unit, float(theta[-1]), value, bound)


def _tilted(y: Floats, b: float) -> tuple[Floats, float]:
    """Weights proportional to ``exp(b y)``, y from -1 to 0, and their divergence from equal weights."""
    if b < 1:
        z = b * (y - y.mean())
        t = z - np.log1p(np.expm1(z).mean())
    else:
        z = b * y
        t = z - np.log(np.exp(z).mean())
    q = np.exp(t)  # n times the weights, before their last rounding
    # The divergence is the mean of t e^t - e^t + 1, none of which is negative; where
    # all t are small these cancel, and their series does not.
    if b < 0.01:
        terms = t**2 * (1 / 2 + t * (1 / 3 + t * (1 / 8 + t * (1 / 30 + t / 144))))
    else:
        terms = t * q - np.expm1(t)
    return q / q.sum(), float(terms.mean())


def _robust_loss(A: Floats, theta: Floats, epsilon: float) -> float:
    """Mean logistic loss plus the norm; the rows of A are features and a one, times the sign of the label."""
    norm = epsilon * np.linalg.norm(theta[:-1])
    return float(np.logaddexp(0, -A @ theta).mean() + norm)


def _newton(A: Floats, theta: Floats, epsilon: float) -> Floats:
    """Newton's method with step halving, from coefficients that are not zero and better than zero."""
    for _ in range(200):
        p = expit(-A @ theta)
        norm = np.linalg.norm(theta[:-1])
        u = np.append(theta[:-1] / norm, 0)
        gradient = -(p @ A) / len(A) + epsilon * u
        curved = np.diag(np.append(np.ones(len(u) - 1), 0)) - np.outer(u, u)
        hessian = (A.T * (p * (1 - p))) @ A / len(A) + epsilon / norm * curved
        hessian[np.diag_indices_from(hessian)] += 1e-14 * np.trace(hessian)
        step = -np.linalg.solve(hessian, gradient)
        now, t, slope = _robust_loss(A, theta, epsilon), 1.0, float(gradient @ step)
        if -slope <= np.finfo(np.float64).eps * now:
            break  # half of it is what a step would gain: less than float64 tells
        while t > 1e-9 and (
            _robust_loss(A, theta + t * step, epsilon) > now + 0.1 * t * slope
        ):
            t /= 2
        theta = theta + t * step
    return theta


def _dual(A: Floats, theta: Floats, epsilon: float) -> float:
    """A lower bound on every robust loss: the mean entropy of weights made feasible."""
    alpha, positive = expit(-A @ theta), A[:, -1] > 0
    sides = alpha[positive].sum(), alpha[~positive].sum()
    alpha *= np.where(positive, min(sides) / sides[0], min(sides) / sides[1])
    slope = np.linalg.norm(alpha @ A[:, :-1]) / len(A)
    alpha *= min(1.0, epsilon / slope if slope else 1.0)
    return float((entr(alpha) + entr(1 - alpha)).mean())


def _check_losses(value: ArrayLike, name: str = "losses") -> Floats:
    """A finite sample of at least one number, whose differences are finite, too."""
    sample = real_array(name, value, (None,))
    if not len(sample) or np.abs(sample).max() > 1e300:
        raise ValueError(f"{name} must be at least one number up to 1e300 in size")
    return sample
