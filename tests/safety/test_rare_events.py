"""The properties that make `companion.safety.rare_events` correct.

The seeds are fixed, so a test fails or passes for good; bounds on estimates are five standard errors, which
a correct estimate exceeds once in two million tests.
"""

import signal

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.integrate import quad
from scipy.stats import kstest, norm

from companion.safety.rare_events import (
    importance_sampling,
    normal_neighbour,
    splitting,
    uniform_neighbour,
)
from tests.rounding import EPS


@pytest.fixture(autouse=True)
def no_endless_loop():
    """Splitting loops until its runs are done: a fault there must fail and not hang."""
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    def give_up(number, frame):
        raise TimeoutError("the loop of splitting does not end")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20)  # of computing: others do not count
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def first(x: np.ndarray) -> np.ndarray:
    return x[:, 0]


def exact(x: np.ndarray, level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fresh standard normal draw, given that its first entry exceeds the level."""
    y = rng.normal(size=x.shape)
    y[:, 0] = norm.isf(rng.random(len(x)) * norm.sf(level))
    return y


def within(values: np.ndarray, truth: float, errors: float = 5) -> bool:
    """Whether a mean lies within so many of its own standard errors."""
    spread = values.std(ddof=1) / np.sqrt(len(values))
    return bool(abs(values.mean() - truth) <= errors * spread)


# Importance sampling


@pytest.mark.parametrize("beta", [0.5, 2.0, 4.0, 6.0, 30.0])
@pytest.mark.parametrize("d", [1, 10])
def test_a_linear_limit_state_has_the_normal_tail(beta, d):
    a = np.ones(d) / np.sqrt(d)
    got = importance_sampling(lambda x: x @ a, beta * a, 20_000, rng(), beta)
    assert abs(got.probability - norm.sf(beta)) <= 5 * got.error
    assert got.error < 0.1 * got.probability


def test_it_is_unbiased_wherever_the_center_is():
    truth = norm.sf(1.5)
    for center in ([1.0, 0.0], [2.0, 0.5], [1.5, -0.5]):
        runs = [
            importance_sampling(first, center, 500, rng(s), 1.5).probability
            for s in range(400)
        ]
        assert within(np.array(runs), truth)


def test_its_own_error_is_that_of_repeats_where_all_failures_are_met():
    runs = [importance_sampling(first, [3.0], 500, rng(s), 3.0) for s in range(400)]
    spread = np.std([r.probability for r in runs], ddof=1)
    # The standard deviation of 400 runs is known to 1 / sqrt(800) = 3.5 %.
    assert np.mean([r.error for r in runs]) == pytest.approx(spread, rel=0.18, abs=0)


def test_one_design_point_misses_the_other_side_and_its_error_does_not_know():
    def score(x):
        return np.abs(x[:, 0])

    truth = 2 * norm.sf(4)
    one = importance_sampling(score, [4.0], 5000, rng(), 4.0)
    assert one.probability == pytest.approx(truth / 2, rel=0.15, abs=0)
    assert one.error < 0.05 * one.probability
    both = importance_sampling(score, [[4.0], [-4.0]], 5000, rng(), 4.0)
    assert abs(both.probability - truth) <= 5 * both.error


def test_draws_come_from_every_center():
    # A failure on one side only, and a second center where nothing fails.
    for centers in ([[4.0], [-4.0]], [[-4.0], [4.0]]):
        got = importance_sampling(first, centers, 5000, rng(), 4.0)
        assert abs(got.probability - norm.sf(4)) <= 5 * got.error


def test_without_a_shift_it_is_monte_carlo_itself():
    got = importance_sampling(first, [0.0], 1000, rng(1), 1.0)
    share = got.probability * 1000
    assert share == pytest.approx(round(share), abs=1000 * EPS * 10)
    assert got.effective == pytest.approx(share, abs=1000 * EPS * 10)
    p = got.probability
    plain = np.sqrt(p * (1 - p) / 999)
    assert got.error == pytest.approx(plain, rel=1e-12, abs=0)


def test_where_nothing_fails_the_estimate_is_zero():
    got = importance_sampling(first, [0.0], 100, rng(), 50.0)
    assert got == (0.0, 0.0, 0.0)


def test_a_score_equal_to_the_threshold_is_a_failure():
    got = importance_sampling(lambda x: 0 * x[:, 0], [0.0], 10, rng())
    assert got.probability == pytest.approx(1.0, abs=100 * EPS)


# Splitting


def test_with_exact_draws_the_count_has_its_poisson_law():
    # Mean and variance are -N log p; of 2000 runs the variance is known to
    # sqrt(2 / 2000) = 3.2 % and the mean to sqrt(mean / 2000).
    p, n, runs = 1e-4, 20, 2000
    done = splitting(
        first, rng().normal(size=(runs, n, 1)), exact, rng(1), norm.isf(p), moves=1
    )
    law = -n * np.log(p)
    assert done.reached.all()
    assert abs(done.killed.mean() - law) <= 5 * np.sqrt(law / runs)
    assert done.killed.var() == pytest.approx(law, rel=0.16, abs=0)
    np.testing.assert_allclose(
        done.probability, (1 - 1 / n) ** done.killed, rtol=1000 * EPS
    )
    assert (done.evaluations == n + done.killed).all()


def test_with_exact_draws_the_estimate_is_unbiased():
    p, n, runs = 1e-3, 10, 4000
    done = splitting(
        first, rng(2).normal(size=(runs, n, 1)), exact, rng(3), norm.isf(p), moves=1
    )
    assert within(done.probability, p)
    assert not within(np.exp(-done.killed / n), p)  # e^(-K/N) is not


@pytest.mark.parametrize("batch", [2, 5, 9])
def test_several_that_die_at_once_leave_the_estimate_unbiased_in_fewer_steps(batch):
    p, n, runs, calls = 1e-3, 10, 3000, []

    def counted(x, level, rng):
        calls.append(len(x))
        return exact(x, level, rng)

    start = rng(14).normal(size=(runs, n, 1))
    done = splitting(first, start, counted, rng(15), norm.isf(p), moves=1, batch=batch)
    assert within(done.probability, p)
    assert done.reached.all()
    assert sum(calls) == (done.evaluations - n).sum()
    one = []

    def single(x, level, rng):
        one.append(len(x))
        return exact(x, level, rng)

    splitting(first, start, single, rng(15), norm.isf(p), moves=1)
    assert len(calls) < len(one) * 1.3 / batch + 5


def test_a_few_markov_moves_leave_the_variance_too_large_and_many_do_not():
    p, n, runs, d = 2.3e-4, 50, 100, 8
    law = -n * np.log(p)
    spread = {}
    for moves in (1, 20):
        done = splitting(
            lambda x: x.sum(axis=1) / np.sqrt(d),
            rng().normal(size=(runs, n, d)),
            normal_neighbour,
            rng(1),
            norm.isf(p),
            moves=moves,
        )
        spread[moves] = done.killed.var()
        assert (done.evaluations == n + done.killed * moves).all()
        assert done.killed.mean() == pytest.approx(law, rel=0.35, abs=0)
    assert spread[1] > 8 * law
    assert spread[20] < 1.8 * law


@pytest.mark.parametrize("beta", [2.0, 4.0])
def test_a_linear_limit_state_is_met_by_splitting(beta):
    done = splitting(
        lambda x: x @ np.array([0.6, 0.8]),
        rng(4).normal(size=(40, 50, 2)),
        normal_neighbour,
        rng(5),
        beta,
    )
    assert within(done.probability, norm.sf(beta))


def test_the_uniform_law_of_a_cube_is_met_by_splitting():
    # The sum of three uniform numbers on [-1, 1] exceeds 2.8 in a corner of volume
    # 0.2^3 / 6 of 2^3.
    done = splitting(
        lambda x: x.sum(axis=1),
        rng(6).uniform(-1, 1, (60, 50, 3)),
        uniform_neighbour,
        rng(7),
        2.8,
    )
    assert within(done.probability, 0.2**3 / 6 / 8)


def test_a_published_product_of_two_normals_is_met_by_both():
    # Problem RP28 of the reliability benchmark of openturns; the truth by quadrature.
    def tail(u):
        return norm.pdf(u) * norm.cdf((146.14 / (78064 + 11710 * u) - 0.0104) / 0.00156)

    truth = quad(tail, -6.6, 8, epsabs=0, epsrel=1e-10, limit=200)[0]
    assert truth == pytest.approx(1.4531e-7, rel=1e-4, abs=0)

    def score(x):
        return 146.14 - (78064 + 11710 * x[:, 0]) * (0.0104 + 0.00156 * x[:, 1])

    start = rng(8).normal(size=(40, 100, 2))
    done = splitting(score, start, normal_neighbour, rng(9))
    assert within(done.probability, truth)


def test_particles_of_equal_score_die_together_and_leave_the_estimate_unbiased():
    # The score is max(x, 0) of a normal x: half of the mass sits at 0.
    def score(x):
        return np.maximum(x[:, 0], 0)

    start = rng(10).normal(size=(4000, 10, 1))
    done = splitting(score, start, exact, rng(11), norm.isf(0.01), moves=1)
    assert within(done.probability, 0.01)
    # Counted one by one, the tied ones take (1 - 1/N)^k instead of 1 - k/N.
    assert not within((1 - 1 / 10) ** done.killed, 0.01)


def test_a_run_whose_particles_all_tie_ends_with_zero():
    start = np.zeros((3, 5, 1))
    done = splitting(first, start, exact, rng(), 1.0)
    assert (done.probability == 0).all()
    assert not done.reached.any()
    assert (done.killed == 5).all()


def test_what_cannot_fail_stops_at_the_smallest_probability():
    done = splitting(
        lambda x: np.tanh(x[:, 0]),
        rng(12).normal(size=(5, 20, 1)),
        exact_tanh,
        rng(13),
        2.0,
        moves=1,
        smallest=1e-6,
    )
    assert not done.reached.any()
    assert (done.probability < 1e-6).all()
    assert (done.probability >= 1e-6 * (1 - 1 / 20) ** 1.001).all()


def exact_tanh(x, level, rng):
    return norm.isf(rng.random((len(x), 1)) * norm.sf(np.arctanh(level))[:, None])


def test_what_fails_always_needs_no_step():
    start = rng().normal(size=(2, 3, 4))
    done = splitting(lambda x: 0 * x[:, 0], start, normal_neighbour, rng(1))
    assert (done.probability == 1).all()
    assert (done.killed == 0).all()
    assert (done.evaluations == 3).all()
    assert done.reached.all()


def test_runs_in_lockstep_do_not_mix():
    # Every second run starts in a world whose score never reaches the threshold.
    start = np.concatenate([rng().normal(size=(6, 20, 1)), np.zeros((6, 20, 1))], 2)
    start[::2, :, 1] = 100.0

    def score(x):
        return x[:, 0] - x[:, 1]

    def propose(x, level, rng):
        y = exact(x, level + x[:, 1], rng)
        y[:, 1] = x[:, 1]
        return y

    done = splitting(score, start, propose, rng(1), 3.0, moves=1, smallest=1e-4)
    assert (done.reached == np.arange(6) % 2).all()


def test_a_survivor_is_copied_with_equal_chances():
    # After one step from 0, 1, 2, 3 with a neighbour that moves nowhere, the dead
    # one's place is taken by 1, 2 or 3.
    start = np.tile(np.arange(4.0)[:, None], (3000, 1, 1))
    seen = []

    def stay(x, level, rng):
        seen.append(x[:, 0].copy())
        return x

    splitting(first, start, stay, rng(), 0.5, moves=1)
    counts = np.array([(seen[0] == k).sum() for k in range(4)])
    assert counts[0] == 0
    # 1000 each, standard deviation sqrt(3000 * 1/3 * 2/3) = 26
    assert (np.abs(counts[1:] - 1000) < 5 * 26).all()


def test_a_proposal_at_the_level_itself_is_not_taken():
    # Both particles at 1 survive one at 0; a neighbour that goes back to the level
    # must be refused, or the loop would never rise.
    start = np.array([[[0.0], [1.0]]])
    done = splitting(first, start, lambda x, level, g: level[:, None] * 1.0, rng(), 0.5)
    assert done.killed.tolist() == [1]
    assert done.probability.tolist() == pytest.approx([0.5], abs=10 * EPS)


# Neighbours


def test_a_normal_neighbour_leaves_the_normal_law_as_it_is():
    x = rng().normal(size=(20_000, 2))
    y = normal_neighbour(x, np.zeros(len(x)), rng(1))
    assert kstest(y.ravel(), "norm").pvalue > 1e-4
    # Symmetric: x and y may change places, so every mixed moment does as well.
    odd = (x**2 * y - y**2 * x).ravel()
    assert abs(odd.mean()) < 5 * odd.std() / np.sqrt(odd.size)
    # Steps from 0.1 to 1, evenly in the logarithm.
    step = np.sqrt(((y - x) ** 2).mean(axis=1))
    assert np.quantile(step, 0.1) < 0.2
    assert np.quantile(step, 0.9) > 0.6


def test_a_uniform_neighbour_leaves_the_cube_as_it_is():
    x = rng().uniform(-1, 1, (20_000, 2))
    y = uniform_neighbour(x, np.zeros(len(x)), rng(1))
    assert np.abs(y).max() <= 1
    assert kstest(y.ravel(), "uniform", args=(-1, 2)).pvalue > 1e-4
    odd = (x**2 * y - y**2 * x).ravel()
    assert abs(odd.mean()) < 5 * odd.std() / np.sqrt(odd.size)
    step = np.abs(y - x).max(axis=1)
    assert np.quantile(step, 0.1) < 0.2
    assert np.quantile(step, 0.9) > 0.4


# What callers passed, and bad input


def test_nothing_that_was_passed_is_changed_and_the_same_seed_gives_the_same_run():
    start = rng().normal(size=(3, 10, 2))
    before = start.copy()
    start.flags.writeable = False
    one = splitting(first, start, normal_neighbour, rng(1), 2.0)
    two = splitting(first, start, normal_neighbour, rng(1), 2.0)
    np.testing.assert_array_equal(start, before)
    np.testing.assert_array_equal(one.probability, two.probability)


def test_a_score_cannot_change_the_particles():
    def meddling(x):
        x += 1
        return x[:, 0]

    with pytest.raises(ValueError, match="read-only"):
        splitting(meddling, rng().normal(size=(2, 4, 1)), normal_neighbour, rng())
    with pytest.raises(ValueError, match="read-only"):
        importance_sampling(meddling, [1.0], 10, rng())


START = np.zeros((2, 4, 1))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: importance_sampling(first, [np.nan], 9, rng()),
            ValueError,
            "centers must",
        ),
        (
            lambda: importance_sampling(first, [[]], 9, rng()),
            ValueError,
            "centers must",
        ),
        (
            lambda: importance_sampling(first, None, 9, rng()),
            TypeError,
            "centers must",
        ),
        (
            lambda: importance_sampling(first, sparse.csr_array([[1.0]]), 9, rng()),
            TypeError,
            "centers must",
        ),
        (
            lambda: importance_sampling(first, [1.0], 1, rng()),
            ValueError,
            "samples must",
        ),
        (
            lambda: importance_sampling(first, [1.0], 9.0, rng()),
            TypeError,
            "samples must",
        ),
        (lambda: importance_sampling(first, [1.0], 9, 0), TypeError, "rng must"),
        (
            lambda: importance_sampling(first, [1.0], 9, rng(), np.inf),
            ValueError,
            "threshold must",
        ),
        (lambda: importance_sampling(3, [1.0], 9, rng()), TypeError, "score must"),
        (
            lambda: importance_sampling(lambda x: x, [1.0], 9, rng()),
            ValueError,
            "score's result must have shape",
        ),
        (
            lambda: importance_sampling(lambda x: x[:, 0] * np.nan, [1.0], 9, rng()),
            ValueError,
            "score's result must be finite",
        ),
        (
            lambda: splitting(first, START[0], normal_neighbour, rng()),
            ValueError,
            "particles must have shape",
        ),
        (
            lambda: splitting(first, START[:, :1], normal_neighbour, rng()),
            ValueError,
            "particles must have shape",
        ),
        (
            lambda: splitting(first, START[:0], normal_neighbour, rng()),
            ValueError,
            "particles must have shape",
        ),
        (
            lambda: splitting(first, START * np.nan, normal_neighbour, rng()),
            ValueError,
            "particles must be finite",
        ),
        (
            lambda: splitting(
                first, torch.zeros(1, 2, 1, requires_grad=True), normal_neighbour, rng()
            ),
            TypeError,
            "particles must hold",
        ),
        (lambda: splitting(first, START, 1, rng()), TypeError, "neighbour must"),
        (
            lambda: splitting(None, START, normal_neighbour, rng()),
            TypeError,
            "score must",
        ),
        (lambda: splitting(first, START, normal_neighbour, 1), TypeError, "rng must"),
        (
            lambda: splitting(first, START, normal_neighbour, rng(), moves=0),
            ValueError,
            "moves must",
        ),
        (
            lambda: splitting(first, START, normal_neighbour, rng(), batch=4),
            ValueError,
            "batch must",
        ),
        (
            lambda: splitting(first, START, normal_neighbour, rng(), batch=0),
            ValueError,
            "batch must",
        ),
        (
            lambda: splitting(first, START, normal_neighbour, rng(), smallest=0),
            ValueError,
            "smallest must",
        ),
        (
            lambda: splitting(first, START, normal_neighbour, rng(), smallest=1),
            ValueError,
            "smallest must",
        ),
        (
            lambda: splitting(first, START, normal_neighbour, rng(), np.nan),
            ValueError,
            "threshold must",
        ),
        (
            lambda: splitting(
                first, rng().normal(size=(1, 4, 1)), lambda x, s, g: x[0], rng(), 9.0
            ),
            ValueError,
            "neighbour's result must have shape",
        ),
        (
            lambda: splitting(
                first,
                rng().normal(size=(1, 4, 1)),
                lambda x, s, g: x * np.inf,
                rng(),
                9.0,
            ),
            ValueError,
            "neighbour's result must be finite",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
