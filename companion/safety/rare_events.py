r"""Rare events: importance sampling and splitting, for failures that random testing hardly ever meets.

With `n` random tests a failure of probability `p` is missed with probability :math:`(1 - p)^n`, so a budget of
tests sees down to about `1/n` and no further.  Importance sampling draws where failures are and divides by how
much more often it goes there; splitting walks towards them through levels, each of which is not rare given the
one before.  Both need a score that grows towards failure, and a law of inputs: a probability without one means
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.checks import (
    check_generator,
    check_integer,
    check_number,
    check_table,
    real_array,
)

__all__ = [
    "Importance",
    "Splitting",
    "importance_sampling",
    "normal_neighbour",
    "splitting",
    "uniform_neighbour",
]

Floats = NDArray[np.float64]
Score = Callable[[Floats], ArrayLike]
Neighbour = Callable[[Floats, Floats, np.random.Generator], Floats]


class Importance(NamedTuple):
    """An estimate from weighted draws, and what it can say about itself.

    Examples
    --------
    >>> Importance(0.1, 0.01, 50.0).probability
    0.1
    """

    probability: float  # unbiased
    error: float  # its standard error by its own draws: blind to what none of them met
    effective: float  # how many equally weighted failures would be worth as much


class Splitting(NamedTuple):
    """Independent estimates by splitting, one for each run.

    Examples
    --------
    >>> Splitting(*map(np.array, ([0.1], [9], [100], [True]))).reached
    array([ True])
    """

    probability: Floats  # (R,) of a score of at least the threshold, or of the last level where not reached
    killed: NDArray[np.int64]  # (R,) particles that were left behind
    evaluations: NDArray[
        np.int64
    ]  # (R,) scores that were computed, the first particles' included
    reached: NDArray[np.bool_]  # (R,) whether the run came up to the threshold


def importance_sampling(
    score: Score,
    centers: ArrayLike,
    samples: int,
    rng: np.random.Generator,
    threshold: float = 0.0,
) -> Importance:
    r"""Estimate the probability that a score of standard normal inputs reaches a threshold, from shifted draws.

    The draws come from :math:`q = \frac1k \sum_i N(c_i, I)` instead of :math:`\varphi = N(0, I)`, and

    .. math:: \hat p = \frac1n \sum_{s(x) \ge t} \frac{\varphi(x)}{q(x)}, \qquad
              \frac{\varphi(x)}{q(x)} = \Big(\frac1k \sum_i e^{c_i \cdot x - |c_i|^2 / 2}\Big)^{-1}

    is unbiased wherever the centers are.  It is of use if they are the *design points*, the failures nearest to
    the origin, one for each way to fail.  A way to fail that has no center is missed, and the reported error
    does not know it.

    Parameters
    ----------
    score : callable
        Maps (n, d) inputs to (n,) scores; a failure is a score of at least `threshold`.
    centers : (d,) or (k, d) array_like
        Where to draw, in standard deviations.
    samples : int
        How many draws, at least 2.
    rng : numpy.random.Generator
        Source of randomness.
    threshold : float
        Where failure begins.

    Returns
    -------
    Importance
        The estimate, its own standard error, and the effective number of failures.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or the score returns no finite number for each input.

    References
    ----------
    Kahn, H. and Harris, T. E. (1951). Estimation of particle transmission by random sampling. National Bureau
    of Standards Applied Mathematics Series 12.
    Owen, A. and Zhou, Y. (2000). Safe and effective importance sampling. Journal of the American Statistical
    Association 95(449).

    Examples
    --------
    The sum of two inputs beyond 7.07 is five standard deviations out: 2.9e-7.

    >>> rng = np.random.default_rng(0)
    >>> far = importance_sampling(lambda x: x.sum(axis=1), [3.54, 3.54], 10_000, rng, 7.0710678)
    >>> round(far.probability * 1e7, 1)
    2.9
    """
    c = real_array("centers", centers)
    c = check_table("centers", c[None] if c.ndim == 1 else c)
    n, t = check_integer("samples", samples, 2), check_number("threshold", threshold)
    rng = check_generator("rng", rng)
    if not callable(score):
        raise TypeError(f"score must be callable, got {score!r:.60}")
    x = rng.normal(size=(n, c.shape[1])) + c[rng.integers(len(c), size=n)]
    failed = _scores(score, x) >= t
    tilt = x[failed] @ c.T - (c**2).sum(axis=1) / 2
    log_weight = np.log(len(c)) - np.logaddexp.reduce(tilt, axis=1)
    # By the largest weight, so that squares do not vanish for far failures.
    unit = float(log_weight.max(initial=-np.inf))
    if not np.isfinite(unit):
        return Importance(0.0, 0.0, 0.0)
    weight = np.zeros(n)
    weight[failed] = np.exp(log_weight - unit)
    total, error = weight.sum() / n, weight.std(ddof=1) / np.sqrt(n)
    return Importance(
        float(total * np.exp(unit)),
        float(error * np.exp(unit)),
        float(weight.sum() ** 2 / (weight**2).sum()),
    )


def splitting(
    score: Score,
    particles: ArrayLike,
    neighbour: Neighbour,
    rng: np.random.Generator,
    threshold: float = 0.0,
    *,
    moves: int = 20,
    batch: int = 1,
    smallest: float = 1e-12,
) -> Splitting:
    r"""Estimate small probabilities by moving the worst particle up, over and over (last-particle splitting).

    Of `N` particles the lowest one is killed; a copy of another one takes its place and is moved `moves` times
    within the part of the space whose score is above the dead one's.  When all have reached the threshold,

    .. math:: \hat p = \prod_k \Big(1 - \frac{n_k}{N}\Big), \qquad
              \hat p = \Big(1 - \frac1N\Big)^K \text{ if no two scores are equal,}

    :math:`n_k` the number killed at step `k`.  Particles of equal score die together; counted one by one they
    bias the estimate.

    With *exact* draws above each level and continuous scores, :math:`\hat p` is unbiased and `K` follows the
    Poisson law of mean :math:`-N \log p`.  With a few Markov moves it does not: its mean may be right and its
    variance many times larger.  So run it several times and take the interval from the runs.

    Parameters
    ----------
    score : callable
        Maps (n, d) inputs to (n,) scores; a failure is a score of at least `threshold`.
    particles : (R, N, d) array_like
        `R` independent runs of `N` exact draws from the law of the inputs; N at least 2.
    neighbour : callable
        ``neighbour(x, level, rng) -> y`` for (n, d) inputs and the (n,) levels that they must exceed: a proposal
        that is symmetric under the law of the inputs, such as `normal_neighbour` or `uniform_neighbour`; `level`
        is only for exact draws.  It is taken if its score is above the level.
    rng : numpy.random.Generator
        Source of randomness.
    threshold : float
        Where failure begins.
    moves : int
        Proposals for each copy, at least 1.
    batch : int
        How many die at each step, below N.  A tenth of N is almost ten times as quick, and the estimate nearly as
        good; the Poisson law is for one.
    smallest : float
        A run whose estimate falls below this stops there, not `reached`.

    Returns
    -------
    Splitting
        For each run the estimate, how many were killed, how many scores that took, and whether it got there.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or the score or neighbour returns numbers of another shape or none.

    References
    ----------
    Guyader, A., Hengartner, N. and Matzner-Lober, E. (2011). Simulation and estimation of extreme quantiles and
    extreme probabilities. Applied Mathematics and Optimization 64(2).
    Walter, C. (2015). Rare event simulation and splitting for discontinuous random variables. ESAIM:
    Probability and Statistics 19.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> runs = splitting(lambda x: x[:, 0], rng.normal(size=(20, 50, 3)), normal_neighbour, rng, 4.0)
    >>> bool(1e-5 < runs.probability.mean() < 1e-4)  # the truth is 3.2e-5
    True
    """
    x = real_array("particles", particles, (None, None, None)).copy()
    runs, n, d = x.shape
    if min(runs, d) < 1 or n < 2:
        raise ValueError(f"particles must have shape (R, N, d), N > 1, got {x.shape}")
    for name, function in (("score", score), ("neighbour", neighbour)):
        if not callable(function):
            raise TypeError(f"{name} must be callable, got {function!r:.60}")
    t, moves = check_number("threshold", threshold), check_integer("moves", moves, 1)
    batch = check_integer("batch", batch, 1, n - 1)
    smallest = check_number("smallest", smallest, 0, 1, "()")
    rng = check_generator("rng", rng)
    s = _scores(score, x.reshape(-1, d)).reshape(runs, n)
    log_p, killed = np.zeros(runs), np.zeros(runs, dtype=np.int64)
    moved, reached = killed.copy(), np.zeros(runs, dtype=bool)
    active = np.arange(runs)
    # Every step takes at least a factor 1 - batch/n, so `smallest` ends the loop.
    while active.size:
        level = np.partition(s[active], batch - 1, axis=1)[:, batch - 1 : batch]
        last = level >= t
        alive = np.where(last, s[active] >= t, s[active] > level)
        dead = n - alive.sum(axis=1)
        with np.errstate(divide="ignore"):
            log_p[active] += np.log1p(-dead / n)
        killed[active] += dead
        reached[active] = last[:, 0]
        going = ~last[:, 0] & (log_p[active] >= np.log(smallest))
        active, alive, dead, level = (a[going] for a in (active, alive, dead, level))
        moved[active] += dead
        # Each place goes to a copy of a survivor of its own run, all equally likely.
        lost, empty = np.nonzero(~alive)
        pick = (rng.random(lost.size) * (n - dead[lost])).astype(np.int64)
        source = (alive.cumsum(axis=1)[lost] == pick[:, None] + 1).argmax(axis=1)
        run, above = active[lost], level[lost, 0]
        y, value = x[run, source], s[run, source]
        for _ in range(moves if lost.size else 0):
            z = real_array("neighbour's result", neighbour(y, above, rng), y.shape)
            new = _scores(score, z)
            taken = new > above
            y, value = np.where(taken[:, None], z, y), np.where(taken, new, value)
        x[run, empty], s[run, empty] = y, value
    return Splitting(np.exp(log_p), killed, n + moved * moves, reached)


def normal_neighbour(x: Floats, level: Floats, rng: np.random.Generator) -> Floats:
    r"""Propose a point near each point, symmetric under the standard normal law.

    .. math:: y = \rho\, x + \sqrt{1 - \rho^2}\; \xi, \qquad \xi \sim N(0, I)

    The step :math:`\sqrt{1 - \rho^2}` is drawn anew each time, evenly on a logarithmic scale from 0.1 to 1, so
    that some steps are large enough at the start and some small enough at the end.

    Parameters
    ----------
    x : (n, d) ndarray
        Where to start.
    level : (n,) ndarray
        Not used; `splitting` hands it over.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    (n, d) ndarray
        One proposal for each point.

    References
    ----------
    Au, S.-K. and Beck, J. L. (2001). Estimation of small failure probabilities in high dimensions by subset
    simulation. Probabilistic Engineering Mechanics 16(4).
    Cotter, S. L. et al. (2013). MCMC methods for functions. Statistical Science 28(3).

    Examples
    --------
    >>> normal_neighbour(np.zeros((2, 3)), np.zeros(2), np.random.default_rng(0)).shape
    (2, 3)
    """
    step = 0.1 ** rng.random((len(x), 1))
    return np.asarray(np.sqrt(1 - step**2) * x + step * rng.normal(size=x.shape))


def uniform_neighbour(x: Floats, level: Floats, rng: np.random.Generator) -> Floats:
    r"""Propose a point near each point, symmetric under the uniform law on the cube from -1 to 1.

    Each coordinate moves by a uniform step and is reflected at the walls.  The largest step is drawn anew each
    time, evenly on a logarithmic scale from 0.1 to 1.

    Parameters
    ----------
    x : (n, d) ndarray
        Where to start, entries from -1 to 1.
    level : (n,) ndarray
        Not used; `splitting` hands it over.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    (n, d) ndarray
        One proposal for each point.

    Examples
    --------
    >>> y = uniform_neighbour(np.ones((2, 3)), np.zeros(2), np.random.default_rng(0))
    >>> bool((np.abs(y) <= 1).all())
    True
    """
    step = 0.1 ** rng.random((len(x), 1))
    y = x + step * rng.uniform(-1, 1, x.shape)
    return np.asarray(np.where(np.abs(y) > 1, 2 * np.sign(y) - y, y))


def _scores(score: Score, x: Floats) -> Floats:
    """One finite score for each input, which the score can neither change nor share."""
    x = x.view()
    x.flags.writeable = False
    return real_array("score's result", score(x), (len(x),)).copy()
