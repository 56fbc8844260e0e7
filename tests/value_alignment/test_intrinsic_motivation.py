"""The properties that make `companion.value_alignment.intrinsic_motivation` correct."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.value_alignment.intrinsic_motivation import (
    Distillation,
    RandomNetworkDistillation,
    RunningMoments,
    Tally,
    count_bonus,
    discounted_sums,
    four_rooms,
    information_gain,
    model_error,
    surprise,
    walk,
)

quick = settings(derandomize=True, deadline=None, max_examples=60)
EPS = np.finfo(np.float64).eps


def rng(seed=0):
    return np.random.default_rng(seed)


# Counts and beliefs


def test_the_count_bonus_is_one_over_the_root():
    n = np.arange(1, 2000)
    np.testing.assert_allclose(count_bonus(n, 3.0) ** 2 * n, 9.0, rtol=10 * 4 * EPS)
    assert count_bonus(2**53) == pytest.approx(2.0**-26.5, rel=4 * EPS, abs=0)
    np.testing.assert_array_equal(count_bonus([1, 4], 0.5), [0.5, 0.25])
    np.testing.assert_array_equal(count_bonus([1, 4], 0.0), 0.0)
    assert count_bonus(np.uint8(255)) == pytest.approx(255**-0.5, rel=4 * EPS, abs=0)


@quick
@given(
    counts=st.lists(st.integers(0, 10**6), min_size=1, max_size=6),
    a=st.floats(1e-3, 10),
    data=st.data(),
)
def test_surprise_is_minus_the_log_of_the_predictive_probability(counts, a, data):
    k = data.draw(st.integers(0, len(counts) - 1))
    p = (counts[k] + a) / (sum(counts) + a * len(counts))
    scale = 1 + abs(np.log(counts[k] + a)) + abs(np.log(sum(counts) + 10))
    bound = 10 * 12 * EPS * scale
    assert surprise(counts, k, a) == pytest.approx(-np.log(p), rel=0, abs=bound)


def relative_entropy(after, before):
    """KL of two Dirichlet distributions in fifty digits, from the normalising constants."""
    with mpmath.workdps(50):
        after, before = ([mpmath.mpf(x) for x in v] for v in (after, before))
        A, B = mpmath.fsum(after), mpmath.fsum(before)
        kl = mpmath.loggamma(A) - mpmath.loggamma(B)
        for x, y in zip(after, before, strict=True):
            kl += mpmath.loggamma(y) - mpmath.loggamma(x)
            kl += (x - y) * (mpmath.digamma(x) - mpmath.digamma(A))
        return float(kl)


@pytest.mark.parametrize(
    ("counts", "a"),
    [
        ([0, 0], 1.0),
        ([3, 1], 1.0),
        ([5, 0, 2], 0.25),
        ([18, 19, 20, 21], 1.0),
        ([10**4, 3, 0], 1e-3),
        ([10**9, 10**9], 1.0),
        ([10**13, 10**12, 7], 0.5),
    ],
)
def test_information_gain_is_the_relative_entropy_of_the_two_beliefs(counts, a):
    alpha = np.array(counts) + a
    for k in range(len(counts)):
        after = alpha + np.eye(len(counts))[k]
        exact = relative_entropy(after.tolist(), alpha.tolist())
        # Two terms, each right to a few units of its own size, below 1 / (2 alpha_k)
        # or log(alpha_0) where alpha_k is small; alpha itself is rounded.
        size = 1 / alpha[k] if alpha[k] > 1 else 1 + abs(np.log(alpha[k]))
        bound = 10 * 10 * EPS * size
        assert information_gain(counts, k, a) == pytest.approx(exact, rel=0, abs=bound)


def test_the_two_branches_of_the_gain_meet():
    n = np.arange(10, 40)
    counts = np.stack([n, np.full_like(n, 10**6)], axis=-1)
    gain = information_gain(counts, np.zeros_like(n))
    exact = [
        relative_entropy([x + 2.0, 10**6 + 1.0], [x + 1.0, 10**6 + 1.0]) for x in n
    ]
    np.testing.assert_allclose(gain, exact, rtol=0, atol=10 * 10 * EPS)


@quick
@given(counts=st.lists(st.integers(0, 500), min_size=2, max_size=5))
def test_gain_is_surprise_minus_the_surprise_that_is_left(counts):
    # Left: the mean of -log p_k over the belief afterwards, by its Dirichlet law.
    k, alpha = 0, np.array(counts) + 1.0
    with mpmath.workdps(40):
        left = mpmath.digamma(alpha.sum() + 1) - mpmath.digamma(alpha[k] + 1)
    expected = surprise(counts, k) - float(left)
    bound = 10 * 20 * EPS * (1 + np.log(alpha.sum()))
    assert information_gain(counts, k) == pytest.approx(expected, rel=0, abs=bound)


def test_the_expected_gain_is_the_mutual_information_of_a_simulation():
    counts, many = np.array([4, 1, 0]), 200_000
    p = rng().dirichlet(counts + 1.0, size=many)
    mean = p.mean(axis=0)
    kl = (p * np.log(p / mean)).sum(axis=1)  # of the true law to the predictive one
    # Replacing the exact predictive law by the sample's costs K / (2 many).
    bound = 5 * kl.std() / np.sqrt(many) + 3 / many
    assert information_gain(counts) == pytest.approx(kl.mean(), rel=0, abs=bound)


@pytest.mark.parametrize("function", [surprise, information_gain])
def test_without_an_outcome_comes_the_mean_over_all(function):
    counts = rng().integers(0, 9, size=(7, 4))
    p = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 2)
    each = np.stack([function(counts, np.full(7, k), 0.5) for k in range(4)], axis=1)
    np.testing.assert_allclose(
        function(counts, concentration=0.5), (p * each).sum(axis=1), rtol=100 * EPS
    )


@pytest.mark.parametrize("K", [2, 16, 300])
def test_a_fair_die_stays_surprising_and_stops_teaching(K):
    counts = np.full(K, 10**6)
    assert surprise(counts) == pytest.approx(np.log(K), rel=1e-12, abs=0)
    n = K * 10**6
    # (K - 1) / 2n, and the next order is K/n of that.
    assert information_gain(counts) == pytest.approx((K - 1) / (2 * n), rel=1e-5, abs=0)
    assert model_error(counts) == pytest.approx(1 - 1 / K, rel=1e-12, abs=0)


def test_a_single_outcome_is_neither_surprising_nor_informative():
    for counts in ([0], [7], [10**12]):
        assert surprise(counts, 0) == information_gain(counts, 0) == 0
        assert model_error(counts) == 0


def test_what_always_happens_stops_paying_under_every_bonus():
    counts = np.array([[n, 0, 0, 0] for n in (0, 1, 10, 100, 1000, 10**6)])
    for bonus in (surprise, information_gain, model_error):
        values = bonus(counts)
        assert (np.diff(values) < 0).all()
        assert values[-1] < 1e-4


def test_the_model_error_is_the_mean_squared_distance_to_the_mean():
    counts = np.array([6, 3, 1])
    p = (counts + 1.0) / 13
    brute = sum(p[k] * ((np.eye(3)[k] - p) ** 2).sum() for k in range(3))
    assert model_error(counts) == pytest.approx(brute, rel=0, abs=100 * EPS)


# Normalisation


@pytest.mark.parametrize("scale", [1e-140, 1.0, 1e140])
def test_moments_of_batches_are_those_of_all_rows(scale):
    X = scale * (rng().normal(size=(500, 3)) + np.array([0.0, 5.0, -100.0]))
    moments = RunningMoments(3)
    for part in np.split(X, [1, 2, 70, 71, 300]):
        moments.update(part)
    assert moments.count == 500
    size = scale * 103
    np.testing.assert_allclose(
        moments.mean, X.mean(axis=0), rtol=0, atol=10 * 12 * EPS * size
    )
    np.testing.assert_allclose(
        moments.variance, X.var(axis=0), rtol=0, atol=10 * 500 * EPS * scale * size
    )


def test_a_large_mean_does_not_eat_the_variance():
    moments = RunningMoments(1)
    for x in 1e8 + rng().normal(size=(1000, 20, 1)):
        moments.update(x)
    assert moments.variance[0] == pytest.approx(1, rel=0, abs=0.05)


def plain_sums(r, discount, start):
    out, last = [], np.array(start, dtype=float)
    for row in r:
        last = discount * last + row
        out.append(last)
    return np.array(out)


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.99])
def test_discounted_sums_run_along_time_and_go_on_where_they_stopped(discount):
    r, start = rng().normal(size=(60, 4)), np.array([1.0, -2.0, 0.0, 9.0])
    exact = plain_sums(r, discount, start)
    bound = 10 * 60 * EPS * np.abs(exact).max()
    whole = discounted_sums(r, discount, start)
    np.testing.assert_allclose(whole, exact, rtol=0, atol=bound)
    first = discounted_sums(r[:25], discount, start)
    second = discounted_sums(r[25:], discount, first[-1])
    np.testing.assert_allclose(np.vstack([first, second]), exact, rtol=0, atol=bound)
    assert np.abs(discounted_sums(r.T, 0.5).T - discounted_sums(r, 0.5)).max() > 0.5


# Random network distillation


def test_the_novelty_is_the_mean_squared_difference_of_the_two_networks():
    rnd, X = RandomNetworkDistillation(5, seed=3), rng().normal(size=(40, 5)) * 3 + 2
    rnd.learn(X)
    x = np.clip((X - X.mean(axis=0)) / X.std(axis=0), -5, 5)
    with torch.no_grad():
        x = torch.as_tensor(x).float()
        error = ((rnd.predictor(x) - rnd.target(x)) ** 2).sum(dim=1) / 16
    np.testing.assert_allclose(rnd.novelty(X), error.numpy(), rtol=0, atol=1e-5)


def test_observations_are_clipped_at_five_deviations():
    rnd = RandomNetworkDistillation(2, seed=0)
    rnd.learn(rng().normal(size=(1000, 2)))
    mean, spread = rnd.moments.mean, np.sqrt(rnd.moments.variance)
    edge, far = mean + 5.0 * spread, mean + 500.0 * spread
    low = mean - np.array([5.0, 0.0]) * spread
    near = rnd.novelty([edge, far])
    assert near[0] == pytest.approx(near[1], rel=1e-4, abs=0)
    assert rnd.novelty([low])[0] == pytest.approx(
        rnd.novelty([low - [99 * spread[0], 0]])[0], rel=1e-4, abs=0
    )


def test_the_target_never_changes_and_the_predictor_learns_what_it_sees():
    rnd, X = RandomNetworkDistillation(6, seed=1), rng(1).normal(size=(16, 6))
    before = [p.clone() for p in rnd.target.parameters()]
    rnd.learn(X)
    start = rnd.novelty(X).mean()
    for _ in range(400):
        rnd.learn(X)
    assert all(
        torch.equal(a, b) for a, b in zip(before, rnd.target.parameters(), strict=True)
    )
    assert rnd.novelty(X).mean() < 0.02 * start
    assert all(p.grad is None for p in rnd.target.parameters())
    new = rng(2).normal(size=(200, 6))
    assert rnd.novelty(new).mean() > 5 * rnd.novelty(X).mean()


def test_looking_at_the_novelty_teaches_nothing():
    rnd, X = RandomNetworkDistillation(4, seed=0), rng().normal(size=(9, 4))
    rnd.learn(X)
    first = rnd.novelty(X)
    np.testing.assert_array_equal(first, rnd.novelty(X))
    assert rnd.moments.count == 9


def test_the_same_seed_gives_the_same_networks_whatever_the_global_state():
    torch.manual_seed(5)
    a = RandomNetworkDistillation(4, seed=2)
    torch.manual_seed(6)
    b, c = RandomNetworkDistillation(4, seed=2), RandomNetworkDistillation(4, seed=3)
    X = rng().normal(size=(3, 4))
    np.testing.assert_array_equal(a.novelty(X), b.novelty(X))
    assert (a.novelty(X) != c.novelty(X)).all()
    assert (a.novelty(X) > 0).all()  # predictor and target are two networks


def test_a_feature_that_never_varies_is_no_division_by_zero():
    rnd = RandomNetworkDistillation(2, seed=0)
    X = np.column_stack([np.full(8, 3.0), np.arange(8.0)])
    rnd.learn(X)
    assert np.isfinite(rnd.novelty(X)).all()


# Rooms and walkers


def test_the_rooms_are_four_with_four_doors():
    moves = four_rooms()
    assert moves.shape == (64, 5)
    np.testing.assert_array_equal(moves[:, 4], np.arange(64))
    row, column = np.divmod(np.arange(64), 8)
    room = 2 * (row // 4) + column // 4
    crossing = {
        (int(s), int(t)) for s in range(64) for t in moves[s] if room[s] != room[t]
    }
    assert len(crossing) == 4 * 2  # each door in both directions
    for s, t in crossing:
        assert (t, s) in crossing
        assert {row[s] - row[t], column[s] - column[t]} <= {-1, 0, 1}
        assert (column[s] in (1, 6)) if column[s] == column[t] else (row[s] in (1, 6))
    reached = {0}
    for _ in range(64):
        reached |= {int(t) for s in reached for t in moves[s]}
    assert len(reached) == 64
    np.testing.assert_array_equal(np.bincount(moves.ravel(), minlength=64), 5)


def line(length):
    """Places in a row: left, right, stay."""
    here = np.arange(length)
    return np.stack(
        [np.maximum(here - 1, 0), np.minimum(here + 1, length - 1), here], axis=1
    )


class Fixed:
    """A curiosity that never changes its mind."""

    def __init__(self, table):
        self.table, self.seen = np.array(table, dtype=float), []

    def see(self, place, picture):
        self.seen.append((place.copy(), picture.copy()))


def test_a_walker_goes_where_most_is_promised_and_stays():
    table = np.zeros((2, 9))
    table[0, 8], table[1, 3] = 1.0, 1.0
    seen = walk(Fixed(table), line(9), 5, 4, 60, rng(), sweeps=30)
    assert seen.visits.sum(axis=1).tolist() == [60, 60]
    assert seen.late.sum(axis=1).tolist() == [30, 30]
    assert seen.late[0, 8] == seen.late[1, 3] == 30
    assert (seen.visits[0, 1:8] == 1).all()  # straight there, one step each


def test_far_away_is_worth_less_by_the_discount():
    # To stay is worth 0.9 per step; 1 per step lies behind a step that promises nothing.
    table = np.array([[0.9, 0.0, 1.0]])
    for discount, place in ((0.85, 0), (0.95, 2)):
        seen = walk(
            Fixed(table), line(3), 1, 1, 80, rng(), discount=discount, sweeps=200
        )
        assert seen.late[0].argmax() == place


def test_without_any_promise_the_walk_is_uniform():
    seen = walk(Fixed(np.zeros((40, 64))), four_rooms(), 54, 3, 4000, rng())
    share = seen.late.sum(axis=0) / seen.late.sum()
    # The chain is symmetric, so the uniform law is its stationary one.
    np.testing.assert_allclose(share, 1 / 64, rtol=0.25)


@pytest.mark.parametrize("cyclic", [False, True])
def test_the_television_shows_its_pictures_and_every_other_place_the_first(cyclic):
    table = np.zeros((1, 3))
    table[0, 2] = 1.0
    fixed = Fixed(table)
    walk(fixed, line(3), 2, 5, 2000, rng(), cyclic=cyclic)
    place, picture = (np.concatenate(part) for part in zip(*fixed.seen, strict=True))
    assert (picture[place != 2] == 0).all()
    shows = picture[place == 2]
    counts = np.bincount(shows, minlength=5)
    if cyclic:
        assert (np.diff(shows) % 5 == 1).all()
    else:
        # Five standard deviations of a fifth of about 2000.
        np.testing.assert_allclose(counts, len(shows) / 5, rtol=0, atol=5 * 18)


class Fickle(Fixed):
    """Promises something at the last place first; at the first place, and back, after ten looks each."""

    def see(self, place, picture):
        super().see(place, picture)
        if len(self.seen) in (10, 20):
            self.table = self.table[:, ::-1].copy()


def test_a_place_that_is_not_the_television_shows_the_first_picture_afterwards_too():
    fickle = Fickle([[0.0, 0.0, 1.0]])
    walk(fickle, line(3), 2, 7, 60, rng(), cyclic=True)
    place, picture = (np.concatenate(part) for part in zip(*fickle.seen, strict=True))
    assert (place[12:20] == 0).all()
    assert (place[-30:] == 2).all()
    assert (picture[place != 2] == 0).all()
    # The order goes on where it was left: it waits while nobody looks.
    assert (np.diff(picture[place == 2]) % 7 == 1).all()


@pytest.mark.parametrize("conditional", [False, True])
def test_a_tally_counts_what_was_seen_and_promises_by_it(conditional):
    tally = Tally(information_gain, 2, 3, 4, conditional)
    story = [(0, 1, 3), (1, 2, 0), (0, 1, 3), (0, 1, 2), (0, 0, 1)]
    expected = np.zeros((2, 3, 4 if conditional else 1, 4), dtype=int)
    last = np.zeros((2, 3), dtype=int)
    for _, place, picture in story:
        both = np.array([place, (place + 1) % 3]), np.array([picture, picture])
        tally.see(*both)
        for copy in range(2):
            here = both[0][copy]
            expected[copy, here, last[copy, here] * conditional, picture] += 1
            last[copy, here] = picture
    np.testing.assert_array_equal(tally.counts, expected)
    for copy in range(2):
        for here in range(3):
            row = expected[copy, here, last[copy, here] * conditional]
            assert tally.table[copy, here] == information_gain(row)


def test_surprise_is_trapped_and_the_order_of_the_pictures_is_the_cause():
    moves, K = four_rooms(), 8
    share = {}
    for cyclic in (False, True):
        tally = Tally(surprise, 3, 64, K, conditional=True)
        seen = walk(tally, moves, 54, K, 6000, rng(), cyclic=cyclic)
        share[cyclic] = seen.late[:, 54] / seen.late.sum(axis=1)
    assert (share[False] > 0.9).all()
    assert (share[True] < 0.5).all()


@pytest.mark.parametrize("pictures", [4, 0])
def test_distillation_judges_every_place_and_learns_what_it_saw(pictures):
    drive = Distillation(64, pictures, 54, seed=0, every=2)
    first = drive.table.copy()
    assert first.shape == (1, 64)
    np.testing.assert_allclose(
        np.delete(first[0], 54),
        np.delete(drive.rnd.novelty(drive.rooms), 54),
        rtol=1e-5,
    )
    drive.see(np.array([3]), np.array([0]))
    np.testing.assert_array_equal(drive.table, first)
    assert drive.rnd.moments.count == 0
    for _ in range(400):
        drive.see(np.array([3]), np.array([0]))
        drive.see(np.array([54]), np.array([2 if pictures else 0]))
    assert drive.rnd.moments.count == 800
    if pictures:
        errors = drive.rnd.novelty(drive.shows)
        assert errors[2] < 0.05 * np.delete(errors, 2).mean()
    assert drive.table[0, 3] < 0.05 * np.delete(drive.table[0], [3, 54]).mean()


def test_the_television_is_judged_by_the_mean_over_its_pictures():
    drive = Distillation(5, 3, 2, seed=1)
    expected = drive.rnd.novelty(drive.shows).mean()
    assert drive.table[0, 2] == pytest.approx(expected, rel=1e-5, abs=0)


def test_nothing_that_was_passed_is_changed():
    moves, counts = four_rooms(), np.arange(6).reshape(2, 3)
    moves.flags.writeable = counts.flags.writeable = False
    for bonus in (surprise, information_gain, model_error):
        bonus(counts)
    walk(Tally(surprise, 2, 64, 3), moves, 54, 3, 20, rng())


# Bad input

MOVES = four_rooms()
TALLY = Tally(surprise, 2, 64, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: count_bonus([1, 0]), ValueError, "n must hold integers from 1"),
        (lambda: count_bonus(-3), ValueError, "n must hold integers from 1"),
        (lambda: count_bonus(1.5), TypeError, "n must hold integers"),
        (lambda: count_bonus(4, beta=-1), ValueError, "beta must lie"),
        (lambda: surprise([1, -1]), ValueError, "counts must hold integers from 0"),
        (lambda: surprise([0.5, 1]), TypeError, "counts must hold integers"),
        (lambda: surprise(3), ValueError, "counts must have a last axis"),
        (
            lambda: surprise(np.zeros((2, 0), int)),
            ValueError,
            "counts must have a last",
        ),
        (lambda: surprise([1, 2], 2), ValueError, "outcome must hold integers from 0"),
        (lambda: surprise([1, 2], [0, 1]), ValueError, "outcome must have shape"),
        (lambda: surprise([1, 2], 0, 0.0), ValueError, "concentration must lie"),
        (
            lambda: information_gain([1, 2], -1),
            ValueError,
            "outcome must hold integers",
        ),
        (lambda: information_gain(None), TypeError, "counts must hold integers"),
        (lambda: model_error([1, 2], np.nan), ValueError, "concentration must be"),
        (lambda: RunningMoments(0), ValueError, "features must be at least 1"),
        (lambda: RunningMoments(2).update([[1.0]]), ValueError, "X must have shape"),
        (lambda: RunningMoments(1).update([[np.nan]]), ValueError, "X must be finite"),
        (lambda: RunningMoments(1).update([[1e200]]), ValueError, "X must have rows"),
        (lambda: RunningMoments(1).update([[-1e200]]), ValueError, "X must have rows"),
        (
            lambda: RunningMoments(2).update(np.zeros((0, 2))),
            ValueError,
            "X must have rows",
        ),
        (lambda: discounted_sums([1.0], 0.5), ValueError, "rewards must have shape"),
        (
            lambda: discounted_sums([[np.nan]], 0.5),
            ValueError,
            "rewards must be finite",
        ),
        (lambda: discounted_sums([[1.0]], 1.0), ValueError, "discount must lie"),
        (
            lambda: discounted_sums([[1.0]], 0.5, [1.0, 2.0]),
            ValueError,
            "start must have shape",
        ),
        (
            lambda: RandomNetworkDistillation(0, seed=0),
            ValueError,
            "features, hidden and embedding must be at least 1",
        ),
        (lambda: RandomNetworkDistillation(3, seed=-1), ValueError, "seed must be"),
        (
            lambda: RandomNetworkDistillation(3, seed=0, learning_rate=0),
            ValueError,
            "learning_rate must lie",
        ),
        (
            lambda: RandomNetworkDistillation(3, seed=0).novelty([[1.0, 2.0]]),
            ValueError,
            "X must have shape",
        ),
        (
            lambda: RandomNetworkDistillation(1, seed=0).learn([[np.inf]]),
            ValueError,
            "X must be finite",
        ),
        (lambda: Tally(surprise, 0, 2, 2), ValueError, "copies must be"),
        (lambda: Tally(surprise, 1, 2, 0), ValueError, "pictures must be"),
        (lambda: Distillation(4, 2, 4, seed=0), ValueError, "television must be"),
        (lambda: Distillation(4, -1, 2, seed=0), ValueError, "pictures must be"),
        (
            lambda: walk(TALLY, MOVES[:9], 3, 3, 5, rng()),
            ValueError,
            "moves must hold integers from 0 to 8",
        ),
        (lambda: walk(TALLY, line(5), 3, 3, 5, rng()), ValueError, "moves must be"),
        (lambda: walk(TALLY, MOVES, 64, 3, 5, rng()), ValueError, "television must"),
        (lambda: walk(TALLY, MOVES, 54, 0, 5, rng()), ValueError, "pictures must"),
        (lambda: walk(TALLY, MOVES, 54, 3, 0, rng()), ValueError, "steps must"),
        (lambda: walk(TALLY, MOVES, 54, 3, 5, 0), TypeError, "rng must be"),
        (
            lambda: walk(TALLY, MOVES, 54, 3, 5, rng(), discount=1.0),
            ValueError,
            "discount must lie",
        ),
    ],
)
def test_bad_input_is_refused_with_a_reason(call, error, message):
    with pytest.raises(error, match=message):
        call()
