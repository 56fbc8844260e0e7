r"""Intrinsic motivation: what a learner can be paid for when the world pays nothing, and the noisy television.

A bonus for what is new drives a learner through a world without reward.  The bonuses differ in what they call
new.  With `n` visits, `n_k` of them with outcome `k`, and a Dirichlet belief of concentration `a` per outcome:

* a count bonus, :math:`\beta / \sqrt{n}`,
* surprise, :math:`-\log \hat p_k`, where :math:`\hat p_k = (n_k + a) / (n + K a)`,
* information gain, by how much the outcome changes the belief,
* the error of a forward model, and that of a network that imitates a random one (random network distillation).

A television that shows random pictures can never be predicted, and what is paid for its own mistakes sits down
before it.  The module has the bonuses, and a walker in four rooms that shows which of them do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter
from scipy.special import digamma

from companion.checks import (
    check_generator,
    check_integer,
    check_number,
    check_seed,
    check_table,
    integer_array,
    real_array,
)
from companion.networks import mlp

__all__ = [
    "Distillation",
    "RandomNetworkDistillation",
    "RunningMoments",
    "Tally",
    "Walk",
    "count_bonus",
    "discounted_sums",
    "four_rooms",
    "information_gain",
    "model_error",
    "surprise",
    "walk",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MOST = 2**53  # counts up to here are float64 numbers


def count_bonus(n: ArrayLike, beta: float = 1.0) -> Floats:
    r"""Return the count bonus :math:`\beta / \sqrt{n}`.

    Parameters
    ----------
    n : array_like of integers
        Visits, the present one included, so at least 1.
    beta : float
        Its size, not negative.

    Returns
    -------
    ndarray of the shape of `n`
        The bonus.

    References
    ----------
    Strehl, A. L. and Littman, M. L. (2008). An analysis of model-based interval estimation. JCSS 74(8).

    Examples
    --------
    >>> count_bonus([1, 4, 100])
    array([1. , 0.5, 0.1])
    """
    beta = check_number("beta", beta, 0)
    return np.asarray(beta / np.sqrt(integer_array("n", n, 1, MOST)))


def surprise(
    counts: ArrayLike, outcome: ArrayLike | None = None, concentration: float = 1.0
) -> Floats:
    r"""Return how improbable an outcome was, :math:`-\log \hat p_k`, in nats.

    The belief is Dirichlet: :math:`\hat p_k = (n_k + a) / (n + K a)`.

    Parameters
    ----------
    counts : (..., K) array_like of integers
        How often each outcome was seen before.
    outcome : (...) array_like of integers, optional
        Which came now.  Without it, the surprise to be expected: the entropy of :math:`\hat p`.
    concentration : float
        `a`, positive: how often each outcome counts as seen from the start.

    Returns
    -------
    (...) ndarray
        Surprise, not negative.

    Raises
    ------
    TypeError, ValueError
        If counts are negative, an outcome is none of K, or `concentration` is not positive.

    References
    ----------
    Schmidhuber, J. (1991). A possibility for implementing curiosity and boredom in model-building neural
    controllers.  From Animals to Animats.

    Examples
    --------
    >>> print(surprise([3, 1], outcome=1).round(4), surprise([3, 1]).round(4))
    1.0986 0.6365
    """
    alpha, total, weight = _belief(counts, outcome, concentration)
    return np.asarray((weight * (np.log(total) - np.log(alpha))).sum(axis=-1))


def information_gain(
    counts: ArrayLike, outcome: ArrayLike | None = None, concentration: float = 1.0
) -> Floats:
    r"""Return how much an outcome teaches: the relative entropy of the belief after it to that before it, in nats.

    For a Dirichlet belief it has a closed form.  With :math:`\alpha_k = n_k + a`, their sum :math:`\alpha_0` and
    the digamma function :math:`\psi`,

    .. math:: D = \log \frac{\alpha_0}{\alpha_k} - \big( \psi(\alpha_0 + 1) - \psi(\alpha_k + 1) \big),

    which is the surprise now minus the surprise that is still expected of the same outcome afterwards.

    Parameters
    ----------
    counts : (..., K) array_like of integers
        How often each outcome was seen before.
    outcome : (...) array_like of integers, optional
        Which came now.  Without it, the gain to be expected before looking, a mutual information.
    concentration : float
        `a`, positive.

    Returns
    -------
    (...) ndarray
        Gain, not negative.

    Raises
    ------
    TypeError, ValueError
        As in `surprise`.

    References
    ----------
    Storck, J., Hochreiter, S. and Schmidhuber, J. (1995). Reinforcement driven information acquisition in
    non-deterministic environments. ICANN.
    Itti, L. and Baldi, P. (2009). Bayesian surprise attracts human attention. Vision Research 49(10).

    Examples
    --------
    >>> print(*(information_gain([3 * n, n], outcome=1).round(4) for n in (1, 100)))
    0.1486 0.0037
    """
    alpha, total, weight = _belief(counts, outcome, concentration)
    gain = np.maximum(_left(alpha) - _left(total), 0.0)
    return np.asarray((weight * gain).sum(axis=-1))


def model_error(counts: ArrayLike, concentration: float = 1.0) -> Floats:
    r"""Return the squared error that a forward model expects of its own prediction, :math:`1 - \sum_k \hat p_k^2`.

    The outcomes are one-hot vectors, the prediction is their mean :math:`\hat p`; the error is what least squares
    leaves, and a fair die of `K` sides keeps it at :math:`1 - 1/K` for ever.

    Parameters
    ----------
    counts : (..., K) array_like of integers
        How often each outcome was seen.
    concentration : float
        `a`, positive.

    Returns
    -------
    (...) ndarray
        Squared error.

    Raises
    ------
    TypeError, ValueError
        If counts are negative or `concentration` is not positive.

    References
    ----------
    Pathak, D., Agrawal, P., Efros, A. A. and Darrell, T. (2017). Curiosity-driven exploration by self-supervised
    prediction. ICML.  Theirs predicts learnt features, not outcomes.

    Examples
    --------
    >>> print(model_error([50, 50]), model_error([1000, 0]).round(3))
    0.5 0.002
    """
    _, _, p = _belief(counts, None, concentration)
    return np.asarray(1 - (p**2).sum(axis=-1))


class RunningMoments:
    """Mean and variance of everything seen so far, batch by batch, without keeping it.

    Parameters
    ----------
    features : int
        Columns D of the batches.

    Attributes
    ----------
    mean, variance : (D,) ndarray
        Over all rows so far; the variance divides by their number.
    count : int
        How many.

    References
    ----------
    Chan, T. F., Golub, G. H. and LeVeque, R. J. (1983). Algorithms for computing the sample variance. The American
    Statistician 37(3).

    Examples
    --------
    >>> moments = RunningMoments(1)
    >>> moments.update([[1.0], [2.0]])
    >>> moments.update([[6.0]])
    >>> moments.mean, moments.variance.round(4)
    (array([3.]), array([4.6667]))
    """

    def __init__(self, features: int):
        features = check_integer("features", features, 1)
        self.mean, self.variance = np.zeros(features), np.zeros(features)
        self.count = 0

    def update(self, X: ArrayLike) -> None:
        """Take in the rows of an (n, D) array."""
        X = real_array("X", X, (None, len(self.mean)))
        if len(X) == 0 or max(X.max(), -X.min()) > 1e150:
            raise ValueError("X must have rows, and stay below 1e150 in size")
        count = self.count + len(X)
        share, mean = len(X) / count, X.mean(axis=0)
        off, step = X - mean, mean - self.mean
        spread = np.einsum("ij,ij->j", off, off) / len(X)
        within = (1 - share) * self.variance + share * spread
        self.variance = within + share * (1 - share) * step**2
        self.mean, self.count = self.mean + share * step, count


def discounted_sums(
    rewards: ArrayLike, discount: float, start: ArrayLike | None = None
) -> Floats:
    r"""Return the running discounted sums :math:`R_t = \gamma R_{t-1} + r_t` along *time*.

    Their spread is what bonuses are divided by in random network distillation.  The filter must run over time
    and not over environments: a transposed array gives no error, only another number.

    Parameters
    ----------
    rewards : (T, N) array_like
        Row `t` holds the rewards of N environments at time `t`.
    discount : float
        :math:`\gamma`, ``0 <= discount < 1``.
    start : (N,) array_like, optional
        :math:`R_{-1}`, the last row of the call before; zero by default.

    Returns
    -------
    (T, N) ndarray
        The sums.

    References
    ----------
    Burda, Y. et al. (2018). Exploration by random network distillation. arXiv:1810.12894. Section 2.4.

    Examples
    --------
    >>> discounted_sums([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], 0.5)
    array([[1.  , 0.  ],
           [0.5 , 1.  ],
           [0.25, 1.5 ]])
    """
    r = real_array("rewards", rewards, (None, None))
    gamma = check_number("discount", discount, 0, 1, "[)")
    last = np.zeros(r.shape[1]) if start is None else start
    last = real_array("start", last, (r.shape[1],))
    return np.asarray(
        lfilter([1.0], [1.0, -gamma], r, axis=0, zi=gamma * last[None])[0]
    )


class RandomNetworkDistillation:
    r"""Novelty as the error of a network that learns to imitate a random one.

    .. math:: b(x) = \frac{1}{M} \big\Vert \hat f(\bar x) - f(\bar x) \big\Vert^2, \qquad
              \bar x = \mathrm{clip}\Big(\frac{x - \mu}{\sigma}, -5, 5\Big)

    The target `f` is drawn once and never changes; :math:`\hat f` learns it on what is seen, with the running mean
    :math:`\mu` and deviation :math:`\sigma` of all observations so far.

    Parameters
    ----------
    features : int
        Length D of an observation.
    seed : int
        Of both networks.
    embedding : int
        Outputs M.
    hidden : sequence of int
        Hidden units of both networks.
    learning_rate : float
        Of Adam.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    Burda, Y., Edwards, H., Storkey, A. and Klimov, O. (2018). Exploration by random network distillation.
    arXiv:1810.12894. Sections 2.2 and 2.4.

    Examples
    --------
    >>> rnd = RandomNetworkDistillation(8, seed=0)
    >>> seen, new = np.random.default_rng(0).normal(size=(2, 4, 8))
    >>> for _ in range(300):
    ...     rnd.learn(seen)
    >>> bool(rnd.novelty(seen).max() < rnd.novelty(new).min())
    True
    """

    def __init__(
        self,
        features: int,
        seed: int,
        *,
        embedding: int = 16,
        hidden: Sequence[int] = (64, 64),
        learning_rate: float = 1e-3,
    ):
        rate = check_number("learning_rate", learning_rate, 0, ends="()")
        generator = torch.Generator().manual_seed(check_seed("seed", seed))
        sizes = [features, *hidden, embedding]
        sizes = [check_integer("features, hidden and embedding", n, 1) for n in sizes]
        self.target = mlp(sizes, generator).requires_grad_(False)
        self.predictor = mlp(sizes, generator)
        self.optimizer = torch.optim.Adam(self.predictor.parameters(), lr=rate)
        self.moments = RunningMoments(features)

    def novelty(self, X: ArrayLike) -> Floats:
        """Return the error on each row of an (n, D) array, learning nothing."""
        with torch.no_grad():
            return np.asarray(self._errors(X).numpy().astype(np.float64))

    def learn(self, X: ArrayLike) -> None:
        """Take in the rows of an (n, D) array: the moments first, then one step of the predictor."""
        self.moments.update(X)
        self.optimizer.zero_grad()
        self._errors(X).mean().backward()
        self.optimizer.step()

    def _errors(self, X: ArrayLike) -> torch.Tensor:
        X = check_table("X", X, len(self.moments.mean))
        spread = np.sqrt(self.moments.variance)
        # What never varied carries no news; before the first batch nothing is known.
        scale = np.where(spread > 0, spread, 1.0)
        x = torch.as_tensor(np.clip((X - self.moments.mean) / scale, -5, 5)).float()
        error: torch.Tensor = self.predictor(x) - self.target(x)
        return error.square().mean(dim=1)


class _Curiosity(Protocol):
    """What drives a walker: what each place promises, and a way to tell what was seen."""

    table: Floats  # (copies, places)

    def see(self, place: Integers, picture: Integers) -> None:
        """Each copy saw a picture at a place."""


class Tally:
    """Curiosity by counts: how often each picture was seen at each place.

    Parameters
    ----------
    bonus : callable
        Maps counts (copies, K) of the pictures of one place to what looking there once more promises, (copies,).
    copies, places, pictures : int
        How many walkers, places, and pictures K.
    conditional : bool
        Whether to count apart what followed each picture, so that an order of the pictures can be learnt.

    Attributes
    ----------
    table : (copies, places) ndarray
        What each place promises.
    counts : (copies, places, 1 or K, K) ndarray
        How often each picture was seen; with `conditional`, after which one.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Examples
    --------
    >>> tally = Tally(information_gain, copies=1, places=2, pictures=3)
    >>> tally.see(np.array([0]), np.array([2]))
    >>> bool(tally.table[0, 0] < tally.table[0, 1])
    True
    """

    def __init__(
        self,
        bonus: Callable[[Integers], Floats],
        copies: int,
        places: int,
        pictures: int,
        conditional: bool = False,
    ):
        copies = check_integer("copies", copies, 1)
        places = check_integer("places", places, 1)
        K = check_integer("pictures", pictures, 1)
        self.bonus, self.conditional = bonus, bool(conditional)
        rows = K if conditional else 1
        self.counts = np.zeros((copies, places, rows, K), dtype=np.int64)
        self.last = np.zeros((copies, places), dtype=np.int64)
        self.table = np.repeat(bonus(self.counts[:, 0, 0])[:, None], places, axis=1)

    def see(self, place: Integers, picture: Integers) -> None:
        """Count what each copy saw, and what its place promises from now on."""
        copy = np.arange(len(self.table))
        self.counts[copy, place, self.last[copy, place], picture] += 1
        if self.conditional:
            self.last[copy, place] = picture
        row = self.counts[copy, place, self.last[copy, place]]
        self.table[copy, place] = self.bonus(row)


class Distillation:
    """Curiosity by random network distillation: every picture of every place is a vector of random numbers.

    Parameters
    ----------
    places, pictures : int
        How many places there are, and how many pictures the television has; 0 if no picture ever comes twice.
    television : int
        Its place.
    seed : int
        Of the pictures and of the networks.
    features : int
        Numbers in a picture.
    every : int
        Steps between two updates, each of which learns what was seen since the last one.

    Attributes
    ----------
    table : (1, places) ndarray
        The error on the picture of each place; at the television, the mean over up to 64 of its pictures.
    rnd : RandomNetworkDistillation
        The networks.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Examples
    --------
    >>> Distillation(places=64, pictures=4, television=54, seed=0).table.shape
    (1, 64)
    """

    def __init__(
        self,
        places: int,
        pictures: int,
        television: int,
        seed: int,
        *,
        features: int = 32,
        every: int = 4,
    ):
        places = check_integer("places", places, 1)
        self.television = check_integer("television", television, 0, places - 1)
        self.fresh = check_integer("pictures", pictures, 0) == 0
        self.every = check_integer("every", every, 1)
        self.rng = np.random.default_rng(check_seed("seed", seed))
        self.rooms = self.rng.normal(size=(places, features))
        self.shows = self.rng.normal(size=(max(pictures, 1), features))
        self.rnd = RandomNetworkDistillation(features, seed)
        self.recent: list[Floats] = []
        self._judge()

    def see(self, place: Integers, picture: Integers) -> None:
        """Remember what was seen; after every few steps, learn it."""
        here, features = int(place[0]), self.rooms.shape[1]
        if here != self.television:
            self.recent.append(self.rooms[here])
        elif self.fresh:
            self.recent.append(self.rng.normal(size=(features,)))
        else:
            self.recent.append(self.shows[int(picture[0])])
        if len(self.recent) == self.every:
            self.rnd.learn(np.array(self.recent))
            self.recent = []
            self._judge()

    def _judge(self) -> None:
        """Measure what each place promises now."""
        table = self.rnd.novelty(self.rooms)
        shows = self.shows[self.rng.permutation(len(self.shows))[:64]]
        if self.fresh:
            shows = self.rng.normal(size=(64, self.rooms.shape[1]))
        table[self.television] = self.rnd.novelty(shows).mean()
        self.table = table[None]


def four_rooms() -> Integers:
    """Return where the five moves lead from each of 64 cells: four rooms of 4 by 4 cells with thin walls.

    Cell ``8 * row + column``; moves up, right, down, left, stay.  A wall or the edge holds the walker.  The doors
    lie between rows or columns 3 and 4, at 1 and at 6.

    Returns
    -------
    (64, 5) ndarray of integers
        The next cell.

    Examples
    --------
    >>> four_rooms()[[0, 25, 26]]  # a corner, a cell at a door, one at a wall
    array([[ 0,  1,  8,  0,  0],
           [17, 26, 33, 24, 25],
           [18, 27, 26, 25, 26]])
    """
    row, column = np.divmod(np.arange(64), 8)
    moves = []
    for down, right in ((-1, 0), (0, 1), (1, 0), (0, -1), (0, 0)):
        r, c = row + down, column + right
        inside = (r >= 0) & (r < 8) & (c >= 0) & (c < 8)
        walled = ((row < 4) != (r < 4)) & ~np.isin(column, (1, 6))
        walled |= ((column < 4) != (c < 4)) & ~np.isin(row, (1, 6))
        moves.append(np.where(inside & ~walled, 8 * r + c, np.arange(64)))
    return np.stack(moves, axis=1)


class Walk(NamedTuple):
    """Where several independent walkers were.

    Examples
    --------
    >>> Walk._fields
    ('visits', 'late')
    """

    visits: Integers  # (copies, places) in all steps
    late: Integers  # (copies, places) in the second half of the steps


def walk(
    curiosity: _Curiosity,
    moves: ArrayLike,
    television: int,
    pictures: int,
    steps: int,
    rng: np.random.Generator,
    *,
    cyclic: bool = False,
    discount: float = 0.95,
    sweeps: int = 10,
) -> Walk:
    r"""Let walkers plan, step after step, for what their curiosity promises.

    Every place shows picture 0, but the television shows one of K.  The walker knows the floor plan and not what
    it will see.  Before each step it improves its plan by some sweeps of

    .. math:: V(s) \leftarrow \max_a \big[ b(s'_a) + \gamma V(s'_a) \big],

    where :math:`b` is the table of promises, and takes the best move, any of the best on ties.

    Parameters
    ----------
    curiosity : Tally or Distillation
        Or what else has a table and sees.
    moves : (S, A) array_like of integers
        Where each move leads, as `four_rooms` returns it.
    television : int
        Its place.
    pictures : int
        How many pictures K it has.
    steps : int
        How many steps.
    rng : numpy.random.Generator
        The source of randomness.
    cyclic : bool
        Whether the pictures come in a fixed order instead of by chance.
    discount : float
        :math:`\gamma` of the plan.
    sweeps : int
        Sweeps before each step; each goes on from the last plan.

    Returns
    -------
    Walk
        Visits of each walker.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or the shapes do not fit.

    Examples
    --------
    >>> moves, rng = four_rooms(), np.random.default_rng(0)
    >>> tally = Tally(surprise, copies=3, places=64, pictures=16)
    >>> seen = walk(tally, moves, television=54, pictures=16, steps=2000, rng=rng)
    >>> bool((seen.late[:, 54] > 900).all())
    True
    """
    S = len(np.atleast_1d(np.asarray(moves)))
    to = integer_array("moves", moves, 0, S - 1)
    if to.ndim != 2 or curiosity.table.shape[1] != S:
        raise ValueError(
            f"moves must be (S, A) with the {curiosity.table.shape[1]} places of the table, got shape {to.shape}"
        )
    television = check_integer("television", television, 0, S - 1)
    pictures, steps = (
        check_integer("pictures", pictures, 1),
        check_integer("steps", steps, 1),
    )
    discount = check_number("discount", discount, 0, 1, "[)")
    sweeps, rng = check_integer("sweeps", sweeps, 1), check_generator("rng", rng)
    copies = len(curiosity.table)
    copy, place = np.arange(copies), np.zeros(copies, dtype=np.int64)
    value, shown = np.zeros((copies, S)), np.zeros(copies, dtype=np.int64)
    visits = np.zeros((2, copies, S), dtype=np.int64)
    for step in range(steps):
        for _ in range(sweeps):
            value = (curiosity.table + discount * value)[:, to].max(axis=2)
        promise = (curiosity.table + discount * value)[copy[:, None], to[place]]
        ties = promise == promise.max(axis=1, keepdims=True)
        choice = (ties * (1 + rng.random(ties.shape))).argmax(axis=1)
        place = to[place, choice]
        watching = place == television
        other = (
            (shown + 1) % pictures if cyclic else rng.integers(pictures, size=copies)
        )
        shown = np.where(watching, other, shown)
        curiosity.see(place, np.where(watching, shown, 0))
        visits[int(2 * step >= steps), copy, place] += 1
    return Walk(visits.sum(axis=0), visits[1])


def _belief(
    counts: ArrayLike, outcome: ArrayLike | None, concentration: float
) -> tuple[Floats, Floats, Floats]:
    """Alpha of the outcome that came, or of all; their sum; and the weight of each: one, or its probability."""
    a = check_number("concentration", concentration, 0, ends="()")
    n = integer_array("counts", counts, 0, MOST)
    if n.ndim == 0 or n.shape[-1] == 0:
        raise ValueError(
            f"counts must have a last axis of outcomes, got shape {n.shape}"
        )
    alpha = np.asarray(n + a, dtype=np.float64)
    total = np.asarray(alpha.sum(axis=-1, keepdims=True))
    if outcome is None:
        return alpha, total, alpha / total
    k = integer_array("outcome", outcome, 0, n.shape[-1] - 1)
    if k.shape != n.shape[:-1]:
        raise ValueError(
            f"outcome must have shape {n.shape[:-1]}, as counts without its last axis, got {k.shape}"
        )
    alpha = np.take_along_axis(alpha, k[..., None], axis=-1)
    return alpha, total, np.ones_like(alpha)


def _left(x: Floats) -> Floats:
    """Digamma(x + 1) - log(x), by its asymptotic series where the two would cancel."""
    y = 1 / np.maximum(x, 20.0) ** 2
    series = 0.5 * np.sqrt(y) - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y / 240)))
    return np.where(x < 20, digamma(x + 1) - np.log(x), series)
