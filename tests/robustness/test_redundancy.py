"""The properties that make `companion.robustness.redundancy` correct."""

import itertools
from fractions import Fraction
from math import comb

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.mdp import MDP, sample_next
from companion.robustness.redundancy import (
    checkpoint_interval,
    checkpointed_time,
    k_of_n_reliability,
    mean_time_to_failure,
)

quick = settings(derandomize=True, deadline=None, max_examples=40)
EPS = np.finfo(np.float64).eps


# Reliability


@pytest.mark.parametrize(
    ("n", "k"), [(n, k) for n in range(1, 7) for k in range(1, n + 1)]
)
def test_reliability_is_the_enumeration_of_all_states(n, k):
    r = Fraction(3, 7)
    exact = sum(
        r ** sum(up) * (1 - r) ** (n - sum(up))
        for up in itertools.product([0, 1], repeat=n)
        if sum(up) >= k
    )
    # r is rounded once (eps/2, times at most n in a power) and the beta function
    # is right to a few units: (n + 5) eps, times ten.
    assert k_of_n_reliability(3 / 7, k, n) == pytest.approx(
        float(exact), rel=10 * (n + 5) * EPS, abs=0
    )


def _naive_reliability(r: float, k: int, n: int) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        j = np.arange(k, n + 1)
        coefficients = np.array([float(min(comb(n, i), 10**308)) for i in j])
        coefficients[coefficients >= 1e308] = np.inf
        return float((coefficients * r**j * (1 - r) ** (n - j)).sum())


def test_thousands_of_components_are_counted_and_the_plain_sum_overflows():
    exact = Fraction(sum(comb(2000, j) for j in range(1000, 2001)), 2**2000)
    # A sum of 1001 binomial terms written as one beta function: 100 units.
    assert k_of_n_reliability(0.5, 1000, 2000) == pytest.approx(
        float(exact), rel=100 * EPS, abs=0
    )
    assert round(float(exact), 5) == 0.50892
    assert not np.isfinite(_naive_reliability(0.5, 1000, 2000))


def test_a_million_components_follow_the_central_limit_theorem():
    n = 10**6
    # P(at least n/2 + 1 of a fair coin) = 1/2 - P(exactly n/2)/2, about 1/sqrt(2 pi n)
    half = 0.5 - 0.5 / np.sqrt(np.pi * n / 2)
    assert k_of_n_reliability(0.5, n // 2 + 1, n) == pytest.approx(half, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-170, 1e-300])
def test_a_component_that_hardly_ever_works_counts_at_its_own_scale(scale):
    assert k_of_n_reliability(scale, 1, 3) == pytest.approx(
        3 * scale, rel=100 * EPS, abs=0
    )
    assert k_of_n_reliability(0.0, 1, 3) == 0
    assert k_of_n_reliability(1.0, 3, 3) == 1


def test_two_of_three_beat_one_exactly_above_one_half():
    r = np.arange(1, 100) / 100
    gain = k_of_n_reliability(r, 2, 3) - r
    # r (2r - 1)(1 - r), by hand; the difference of two numbers below 1
    np.testing.assert_allclose(gain, r * (2 * r - 1) * (1 - r), atol=40 * EPS, rtol=0)
    np.testing.assert_array_equal(np.sign(np.round(gain, 12)), np.sign(r - 0.5))


def test_series_and_parallel_systems_are_the_ends():
    r = np.linspace(0, 1, 11)
    np.testing.assert_allclose(k_of_n_reliability(r, 5, 5), r**5, rtol=100 * EPS)
    np.testing.assert_allclose(
        k_of_n_reliability(r, 1, 5), 1 - (1 - r) ** 5, rtol=100 * EPS, atol=10 * EPS
    )


def test_one_more_that_must_work_costs_exactly_one_binomial_term():
    r, n = np.linspace(0.05, 0.95, 7), 12
    for k in range(1, n):
        term = comb(n, k) * r**k * (1 - r) ** (n - k)
        difference = k_of_n_reliability(r, k, n) - k_of_n_reliability(r, k + 1, n)
        np.testing.assert_allclose(difference, term, atol=40 * EPS, rtol=0)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32, np.bool_])
def test_numbers_of_every_width_are_the_same_numbers(dtype):
    r = np.array([0, 1], dtype)
    np.testing.assert_array_equal(k_of_n_reliability(r, 2, 3), [0.0, 1.0])
    assert k_of_n_reliability(0.9, np.int8(100), np.int16(200)) == k_of_n_reliability(
        0.9, 100, 200
    )


# Mean time to failure


def generator(rates: np.ndarray) -> np.ndarray:
    """Rates with the diagonal that makes every row sum to zero."""
    Q = np.array(rates, dtype=float)
    np.fill_diagonal(Q, 0)
    np.fill_diagonal(Q, -Q.sum(axis=1))
    return Q


def exact_times(Q: np.ndarray, failed: np.ndarray) -> np.ndarray:
    """Gauss' elimination in 80 digits, from the rates off the diagonal."""
    working = np.flatnonzero(~failed)
    with mpmath.workdps(80):
        A = mpmath.matrix(len(working))
        for i, s in enumerate(working):
            A[i, i] = mpmath.fsum(mpmath.mpf(Q[s, t]) for t in range(len(Q)) if t != s)
            for j, t in enumerate(working):
                if i != j:
                    A[i, j] = -mpmath.mpf(Q[s, t])
        times = mpmath.lu_solve(A, mpmath.ones(len(working), 1))
    return np.array([float(t) for t in times])


@pytest.mark.parametrize(("k", "n"), [(1, 1), (2, 3), (1, 4), (3, 5), (1, 60)])
def test_without_repair_the_mean_time_is_the_sum_of_the_stages(k, n):
    rate = 0.2
    working = np.arange(n, -1, -1)
    Q = np.diag(working[:-1] * rate, 1) - np.diag(working * rate)
    Q[-1] = 0
    time = mean_time_to_failure(Q, working < k)
    stages = sum(1 / (j * rate) for j in range(k, n + 1))
    # No subtraction: a few roundings for each of n stages, times ten.
    assert time[0] == pytest.approx(stages, rel=10 * 4 * n * EPS, abs=0)
    assert (time[working < k] == 0).all()


@quick
@given(fail=st.floats(1e-15, 10), repair=st.floats(0, 1e15))
def test_repair_of_a_voted_triple_has_its_closed_form(fail, repair):
    Q = np.array([[0, 3 * fail, 0], [repair, 0, 2 * fail], [0, 0, 0]])
    expected = 5 / (6 * fail) + repair / (6 * fail**2)
    time = mean_time_to_failure(generator(Q), np.array([False, False, True]))
    # About ten roundings, none of them a subtraction, times ten.
    assert time[0] == pytest.approx(expected, rel=100 * EPS, abs=0)


def test_repair_far_quicker_than_failure_keeps_every_digit_and_a_linear_solve_does_not():
    l, m = 1e-12, 3600.0  # noqa: E741
    Q = np.array([[-2 * l, 2 * l, 0], [m, -(l + m), l], [0, 0, 0]])
    expected = (3 * l + m) / (2 * l * l)
    time = mean_time_to_failure(Q, np.array([False, False, True]))
    assert expected == pytest.approx(1.8e27, rel=1e-12, abs=0)
    assert time[0] == pytest.approx(expected, rel=100 * EPS, abs=0)
    naive = np.linalg.solve(-Q[:2, :2], np.ones(2))
    assert abs(naive[0] / expected - 1) > 0.3


@pytest.mark.parametrize("size", [2, 7, 24, 25, 26, 60])
def test_rates_thirty_orders_apart_keep_every_digit(size):
    rng = np.random.default_rng(size)
    Q = 10.0 ** rng.uniform(-15, 15, (size + 1, size + 1))
    Q[-1] = 0
    Q, failed = generator(Q), np.arange(size + 1) == size
    # 3 roundings for each of `size` eliminations (O'Cinneide 1993), times ten.
    np.testing.assert_allclose(
        mean_time_to_failure(Q, failed)[:-1],
        exact_times(Q, failed),
        rtol=10 * 3 * size * EPS,
    )


@pytest.mark.parametrize("unit", [1e-170, 1e-3, 1e170])
def test_another_unit_of_time_only_rescales(unit):
    rng = np.random.default_rng(1)
    Q = generator(rng.exponential(size=(30, 30)))
    failed = np.arange(30) % 7 == 3
    base = mean_time_to_failure(Q, failed)
    np.testing.assert_allclose(
        mean_time_to_failure(generator(Q * unit * ~np.eye(30, dtype=bool)), failed),
        base / unit,
        rtol=10 * 3 * 30 * EPS,
    )


def test_numbering_the_states_otherwise_only_renumbers_the_times():
    rng = np.random.default_rng(2)
    Q, failed = generator(rng.exponential(size=(50, 50))), np.arange(50) >= 47
    order = rng.permutation(50)
    np.testing.assert_allclose(
        mean_time_to_failure(Q[np.ix_(order, order)], failed[order]),
        mean_time_to_failure(Q, failed)[order],
        rtol=10 * 3 * 50 * EPS,
    )


def test_a_chain_in_steps_agrees_with_its_simulation():
    P = np.array([[0.9, 0.08, 0.02], [0.5, 0.3, 0.2], [0, 0, 1]])
    exact = mean_time_to_failure(generator(P), np.array([False, False, True]))[0]
    rng = np.random.default_rng(0)
    mdp = MDP(P[:, None, :], np.zeros((3, 1)), 0.5)
    state, time = np.zeros(20_000, dtype=int), np.zeros(20_000)
    while (alive := state != 2).any():
        time += alive
        state = sample_next(mdp, state, np.zeros_like(state), rng)
    assert abs(time.mean() - exact) < 4 * time.std() / np.sqrt(len(time))


def test_where_failure_is_not_certain_the_mean_time_is_infinite():
    # 0 fails or retires to the safe state 1; 2 can only fail; 3 has failed.
    Q = np.array([[-2.0, 1, 0, 1], [0, 0, 0, 0], [0, 0, -0.5, 0.5], [0, 0, 0, 0]])
    time = mean_time_to_failure(Q, np.array([False, False, False, True]))
    np.testing.assert_array_equal(time, [np.inf, np.inf, 2.0, 0.0])


def test_what_happens_after_the_failure_does_not_matter():
    # A failed state may be left again, even for a safe one: the first failure counts.
    Q = np.array([[-1.0, 1, 0], [0, -5, 5], [0, 0, 0]])
    time = mean_time_to_failure(Q, np.array([False, True, False]))
    np.testing.assert_array_equal(time, [1.0, 0.0, np.inf])


def test_a_chain_with_all_or_no_states_failed():
    Q = generator(np.ones((3, 3)))
    np.testing.assert_array_equal(mean_time_to_failure(Q, np.ones(3, bool)), 0)
    np.testing.assert_array_equal(mean_time_to_failure(Q, np.zeros(3, bool)), np.inf)


def test_nothing_that_was_passed_is_changed():
    Q, failed = generator(np.ones((3, 3))), np.array([False, False, True])
    before = Q.copy()
    Q.flags.writeable = failed.flags.writeable = False
    mean_time_to_failure(Q, failed)
    np.testing.assert_array_equal(Q, before)


# Checkpoints


@quick
@given(cost=st.floats(1e-3, 100), mtbf=st.floats(10, 1e5))
def test_the_checkpoint_interval_is_the_minimum(cost, mtbf):
    best = checkpoint_interval(cost, mtbf)
    around = best * np.array([0.97, 1.0, 1.03])
    time = checkpointed_time(around, cost, mtbf)
    assert time[1] < time[0]
    assert time[1] < time[2]


@pytest.mark.parametrize("ratio", np.logspace(-30, 3, 67))
def test_the_checkpoint_interval_is_lamberts_function_in_eighty_digits(ratio):
    with mpmath.workdps(80):
        exact = 1 + mpmath.lambertw(-mpmath.exp(-1 - mpmath.mpf(ratio)))
        expected = float(exact.real)
    # From q = sqrt(2 ratio) = .1 on 1 + W loses eps / q to cancellation, twice.
    assert checkpoint_interval(ratio, 1.0) == pytest.approx(
        expected, rel=10 * 2 * EPS / 0.1, abs=0
    )


def test_a_checkpoint_that_costs_next_to_nothing_has_youngs_interval():
    assert checkpoint_interval(1e-3, 1e13) == pytest.approx(141421.356, abs=1e-3)
    naive = -np.exp(-1 - 1e-3 / 1e13)  # the branch point itself, or beyond it
    assert not np.exp(1) * naive > -1 + 1e-16


@pytest.mark.parametrize(
    ("cost", "mtbf", "expected"),
    [(1e-170, 1e170, np.sqrt(2)), (1e170, 1e-170, 1e-170), (1e170, 1e170, 1e170)],
)
def test_costs_and_lives_of_every_scale_have_an_interval(cost, mtbf, expected):
    shape = checkpoint_interval(1.0, 1.0) if cost == mtbf else 1.0
    assert checkpoint_interval(cost, mtbf) == pytest.approx(
        shape * expected, rel=100 * EPS, abs=0
    )


def test_youngs_interval_costs_about_three_in_a_hundred_thousand_more():
    best, young = checkpoint_interval(5, 1440), np.sqrt(2 * 5 * 1440)
    assert best == pytest.approx(116.690, abs=5e-4)
    assert young == pytest.approx(120, rel=10 * EPS, abs=0)
    times = checkpointed_time([best, young], 5, 1440)
    assert times[1] / times[0] - 1 == pytest.approx(3.2e-5, rel=0.02, abs=0)


def simulated_time(
    tau: float, cost: float, mtbf: float, restart: float, segments: int, seed: int
) -> np.ndarray:
    """Wall-clock time of each segment of `tau` work, failure by failure."""
    rng = np.random.default_rng(seed)
    times = np.zeros(segments)
    todo = np.arange(segments)
    needed = np.full(segments, tau + cost)
    while todo.size:
        failure = rng.exponential(mtbf, todo.size)
        done = failure >= needed[todo]
        times[todo] += np.where(done, needed[todo], failure)
        todo = todo[~done]
        # restart, then everything since the checkpoint again
        needed[todo] = restart + tau + cost
    return times / tau


@pytest.mark.parametrize("restart", [0.0, 10.0, 400.0])
def test_a_restart_stretches_the_time_by_its_own_exponential(restart):
    mtbf, tau, cost = 300.0, 60.0, 5.0
    ratio = checkpointed_time(tau, cost, mtbf, restart) / checkpointed_time(
        tau, cost, mtbf
    )
    # Two evaluations of a few roundings each, ten times over.
    assert abs(ratio / np.exp(restart / mtbf) - 1) <= 10 * 8 * EPS


@pytest.mark.parametrize("restart", [0.0, 40.0])
def test_the_expected_time_is_the_mean_of_a_simulation_with_failures(restart):
    times = simulated_time(60, 5, 300, restart, 200_000, seed=0)
    exact = float(checkpointed_time(60, 5, 300, restart))
    assert abs(times.mean() - exact) < 4 * times.std() / np.sqrt(times.size)


def test_where_failures_are_rare_only_the_checkpoints_cost_time():
    time = checkpointed_time([1e-170, 1.0, 3.0], cost=1e-170, mtbf=1e170)
    np.testing.assert_allclose(time, [2.0, 1.0, 1.0], rtol=10 * EPS)
    assert checkpointed_time(1e170, 1e170, 1e170) == pytest.approx(
        np.expm1(2), rel=100 * EPS, abs=0
    )


# Bad input

DOWN = [False, False, True]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: k_of_n_reliability(1.1, 1, 2), ValueError, r"r must lie in \[0, 1\]"),
        (lambda: k_of_n_reliability(np.nan, 1, 2), ValueError, "r must be finite"),
        (lambda: k_of_n_reliability("1", 1, 2), TypeError, "r must hold real"),
        (lambda: k_of_n_reliability(None, 1, 2), TypeError, "r must hold real"),
        (lambda: k_of_n_reliability(0.5, 3, 2), ValueError, "k must be between 1 and"),
        (lambda: k_of_n_reliability(0.5, 0, 2), ValueError, "k must be between"),
        (lambda: k_of_n_reliability(0.5, 1.5, 2), TypeError, "k must be an integer"),
        (lambda: k_of_n_reliability(0.5, 1, 0), ValueError, "n must be at least 1"),
        (
            lambda: mean_time_to_failure(np.eye(2), [False, True]),
            ValueError,
            "generator must have non-negative rates.*row 0",
        ),
        (
            lambda: mean_time_to_failure([[1, -1], [0, 0]], [False, True]),
            ValueError,
            "generator must have non-negative",
        ),
        (
            # Each row is held to its own scale, not to the largest rate of all.
            lambda: mean_time_to_failure(
                [[-1e12, 1e12, 0], [0, -1e-4, 1e-3], [0, 0, 0]], DOWN
            ),
            ValueError,
            "generator must have.*row 1",
        ),
        (
            lambda: mean_time_to_failure([[-1e-300, 1], [0, 0]], [False, True]),
            ValueError,
            "generator must have.*row 0",
        ),
        (
            lambda: mean_time_to_failure([[-1, 1], [0, 0]], [0, 1]),
            ValueError,
            "failed must be 2 booleans",
        ),
        (
            lambda: mean_time_to_failure([[-1, 1], [0, 0]], [False]),
            ValueError,
            "failed must be 2 booleans",
        ),
        (
            lambda: mean_time_to_failure(np.zeros((2, 3)), [False, True]),
            ValueError,
            "square",
        ),
        (
            lambda: mean_time_to_failure(np.zeros((0, 0)), np.zeros(0, bool)),
            ValueError,
            "generator must have at least one state",
        ),
        (
            lambda: mean_time_to_failure([[np.nan, 1], [0, 0]], [False, True]),
            ValueError,
            "finite",
        ),
        (
            # 1e-200 twice in a row, and repair between: 1e400 units of time
            lambda: mean_time_to_failure(
                generator([[0, 1e-200, 0], [1, 0, 1e-200], [0, 0, 0]]), DOWN
            ),
            ValueError,
            "mean times below 1e308",
        ),
        (
            lambda: mean_time_to_failure([[-1e-310, 1e-310], [0, 0]], [False, True]),
            ValueError,
            "mean times below 1e308",
        ),
        (lambda: checkpoint_interval(0, 10), ValueError, "cost must"),
        (lambda: checkpoint_interval(5, -1), ValueError, "mtbf must"),
        (lambda: checkpoint_interval(5, np.inf), ValueError, "mtbf must"),
        (lambda: checkpoint_interval([5], 10), (TypeError, ValueError), "cost must"),
        (lambda: checkpoint_interval(None, 10), TypeError, "cost must"),
        (
            lambda: checkpointed_time([1, 0], 5, 10),
            ValueError,
            "interval must be positive",
        ),
        (lambda: checkpointed_time(1, 0, 10), ValueError, "cost must"),
        (lambda: checkpointed_time(1, 5, 0), ValueError, "mtbf must"),
        (lambda: checkpointed_time(1, 5, 10, restart=-1), ValueError, "restart must"),
        (lambda: checkpointed_time(1e6, 5, 10), ValueError, "interval must keep"),
        (lambda: checkpointed_time([1, 1e6], 5, 10), ValueError, "interval must keep"),
        (lambda: checkpointed_time(1, 5, 1, 1e6), ValueError, "interval must keep"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
