"""The properties that make `companion.safety.distributionally_robust_optimization` correct."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize_scalar
from scipy.special import logsumexp, rel_entr
from sklearn.linear_model import LogisticRegression

from companion.safety import distributionally_robust_optimization as module
from companion.safety.distributionally_robust_optimization import (
    chi2_weights,
    cvar_weights,
    effective_sample_size,
    kl_weights,
    wasserstein_logistic,
)
from companion.safety.risk_assessment import conditional_value_at_risk
from tests.bad_input import TABLES
from tests.rounding import EPS, rounding

quick = settings(derandomize=True, deadline=None, max_examples=60)
# Six decimals: other scales have tests of their own.
numbers = st.floats(-100, 100).map(lambda x: round(x, 6))
samples = st.lists(numbers, min_size=1, max_size=12)
# Divergences are compared to the tolerance of the root that `kl_weights` finds.
ROOT = 1e-12


def chi2_distance(q):
    return float(((len(q) * q - 1) ** 2).mean())


def divergence(q):
    return float(rel_entr(q, 1 / len(q)).sum())


def cvar_dual(losses, level):
    """The minimum over t is at one of the losses, where the function has its kinks."""
    tail = len(losses) * (1 - level)
    return min(t + np.maximum(losses - t, 0).sum() / tail for t in losses)


def chi2_dual(losses, radius):
    """The least of the dual's values, which is convex in eta: a bounded search by SciPy."""
    spread = np.ptp(losses) or 1.0

    def value(eta):
        above = np.maximum(losses - eta, 0)
        return eta + np.sqrt((1 + radius) * (above**2).mean())

    reach = losses.min() - 1e3 * spread, losses.max()
    return minimize_scalar(value, bounds=reach, options={"xatol": 1e-9 * spread}).fun


def kl_dual(losses, radius):
    """The same for the divergence, convex in lambda and searched in its logarithm."""
    spread = np.ptp(losses) or 1.0

    def value(log_lam):
        lam = spread * np.exp(log_lam)
        return lam * (radius + logsumexp(losses / lam) - np.log(len(losses)))

    return minimize_scalar(value, bounds=(-15, 15), options={"xatol": 1e-10}).fun


# Weights


@quick
@given(losses=samples, level=st.floats(0.001, 0.999))
def test_cvar_weights_are_feasible_and_reach_the_dual(losses, level):
    x, worst = np.array(losses), cvar_weights(losses, level)
    cap = 1 / (len(x) * (1 - level))
    # The sum of n quotients and the share left over lose n roundings.
    assert worst.weights.min() >= 0
    assert abs(worst.weights.sum() - 1) <= rounding(len(x), 1)
    assert worst.weights.max() <= max(cap, 0) * (1 + rounding(len(x), 1))
    scale = np.abs(x).max()
    assert worst.value <= worst.bound + rounding(3 * len(x), scale)
    # A cap above 1 binds nobody, but the dual's sums grow with it.
    assert worst.bound == pytest.approx(
        cvar_dual(x, level), rel=0, abs=rounding(3 * len(x), scale * max(cap, 1))
    )
    assert worst.bound - worst.value <= rounding(3 * len(x), scale)


@quick
@given(losses=samples, radius=st.floats(0, 20))
def test_chi2_weights_are_feasible_and_reach_the_dual(losses, radius):
    x, worst = np.array(losses), chi2_weights(losses, radius)
    scale = np.abs(x).max()
    assert worst.weights.min() >= 0
    assert abs(worst.weights.sum() - 1) <= rounding(len(x), 1)
    # n weights of up to 1, squared and summed, each with a few roundings.
    assert chi2_distance(worst.weights) <= radius + rounding(8 * len(x), len(x))
    # A sum of n, and the mean minus a multiple of the deviation, taken apart again.
    assert abs(worst.bound - worst.value) <= rounding(8 * len(x), scale)
    # The other way is good to the tolerance of its search, in a reach of 1000 spreads.
    other = chi2_dual(x, radius)
    reach = 1e3 * (np.ptp(x) or 1.0) + scale
    assert worst.value <= other + rounding(8 * len(x), reach)
    if radius > 1e-4 and np.ptp(x) > 1e-6 * scale:
        assert worst.value >= other - 1e-6 * scale


@quick
@given(losses=samples, radius=st.floats(0, 4))
def test_kl_weights_are_feasible_and_reach_the_dual(losses, radius):
    x, worst = np.array(losses), kl_weights(losses, radius)
    scale = np.abs(x).max()
    assert worst.weights.min() >= 0
    assert abs(worst.weights.sum() - 1) <= rounding(len(x), 1)
    assert divergence(worst.weights) <= radius + ROOT + rounding(8 * len(x), 1)
    assert abs(worst.bound - worst.value) <= ROOT * scale + rounding(8 * len(x), scale)
    other = kl_dual(x, radius)
    # At the dual's search the logarithm loses eps times lambda's e^15 spreads.
    reach = np.exp(15) * (np.ptp(x) or 1.0) + scale
    assert worst.value <= other + rounding(8 * len(x), reach)
    if radius > 1e-4 and np.ptp(x) > 1e-6 * scale:
        assert worst.value >= other - 1e-5 * scale


def random_weights(rng, n):
    return rng.dirichlet(np.full(n, rng.choice([0.1, 1.0, 10.0])))


@pytest.mark.parametrize("seed", range(5))
def test_no_other_weights_of_the_set_cost_more(seed):
    rng = np.random.default_rng(seed)
    losses = rng.normal(size=6)
    for _ in range(400):
        q = random_weights(rng, 6)
        level = 1 - 1 / (6 * q.max())
        cost = q @ losses
        # q is in each set by construction, and its distance is good to n roundings.
        if 0 < level < 1:
            assert cost <= cvar_weights(losses, level).value + rounding(60, 3)
        assert cost <= chi2_weights(losses, chi2_distance(q)).value + rounding(600, 3)
        assert cost <= kl_weights(losses, divergence(q)).value + 1e-10


@pytest.mark.parametrize(("n", "level"), [(4, 0.625), (7, 0.5), (5, 0.9), (6, 0.01)])
def test_cvar_weights_are_the_linear_program(n, level):
    losses = np.random.default_rng(n).normal(size=n)
    cap = min(1 / (n * (1 - level)), 1)
    program = linprog(-losses, A_eq=np.ones((1, n)), b_eq=[1], bounds=(0, cap))
    # HiGHS stops at a violation of 1e-7.
    assert cvar_weights(losses, level).value == pytest.approx(-program.fun, abs=1e-6)


def test_chi2_weights_are_the_best_over_every_set_of_positive_ones():
    rng = np.random.default_rng(0)
    for radius in (0.05, 0.5, 1.5, 4.0):
        losses = rng.exponential(size=5)
        size = 5 / (1 + radius)
        best = -np.inf
        for k in range(1, 6):
            for chosen in itertools.combinations(losses, k):
                part = np.array(chosen)
                if k < size:
                    continue
                reach = np.sqrt((k - size) / size)
                slope = reach / part.std() if k > 1 else 0.0
                q = (1 + slope * (part - part.mean())) / k
                if q.min() >= 0:
                    best = max(best, q @ part)
        if size <= 1:
            best = losses.max()
        # Five terms of a few roundings.
        assert chi2_weights(losses, radius).value == pytest.approx(
            best, rel=rounding(50, 1), abs=0
        )


@quick
@given(losses=samples, radius=st.floats(1e-6, 3))
def test_the_variance_form_is_exact_iff_no_weight_would_be_negative(losses, radius):
    x = np.array(losses)
    if np.ptp(x) < 1e-3:
        return
    form = x.mean() + np.sqrt(radius) * x.std()
    value = chi2_weights(x, radius).value
    room = x.std() - np.sqrt(radius) * (x.mean() - x.min())
    scale = np.abs(x).max()
    if room >= 0:
        assert value == pytest.approx(form, rel=0, abs=rounding(10 * len(x), scale))
    if room < -1e-3 * scale:
        # What is missing is of the second order in the room.
        assert value < form - 1e-9 * scale


def test_the_variance_form_written_for_every_radius_is_wrong():
    x = np.array([0.0, 0.0, 0.0, 1.0])

    def naive(radius):
        return x.mean() + np.sqrt(radius) * x.std()

    # The limit is (sd / (mean - min))^2 = (3/16) / (1/16).
    assert chi2_weights(x, 3.0).value == pytest.approx(1.0, rel=rounding(8, 1), abs=0)
    assert naive(3.0) == pytest.approx(1.0, rel=rounding(8, 1), abs=0)
    assert naive(3.5) > 1.05
    assert chi2_weights(x, 3.5).value == 1.0


# Corners


@pytest.mark.parametrize("worst", [chi2_weights, kl_weights])
def test_ties_at_the_maximum_share_the_weight_from_the_corner_on(worst):
    x = np.array([0.0, 2.0, 1.0, 2.0, 0.5])
    corner = 5 / 2 - 1 if worst is chi2_weights else np.log(5 / 2)
    for radius in (corner, corner * (1 + 1e-12), corner + 1, 1e300):
        got = worst(x, radius)
        np.testing.assert_array_equal(got.weights, [0, 0.5, 0, 0.5, 0])
        assert got.value == got.bound == 2.0
    before = worst(x, corner * 0.999)
    assert before.weights[2] > 0
    assert before.value < 2.0


def test_the_naive_kl_root_does_not_exist_beyond_the_corner():
    x = np.array([0.0, 2.0, 1.0, 2.0, 0.5])

    def naive(lam):
        q = np.exp((x - x.max()) / lam)
        return divergence(q / q.sum())

    # However small lambda is, the divergence of the softmax stays at log(n / m).
    assert (
        max(naive(lam) for lam in np.geomspace(1e-8, 10, 100)) < np.log(5 / 2) + 1e-12
    )
    assert kl_weights(x, 1.0).value == 2.0


@pytest.mark.parametrize("worst", [chi2_weights, kl_weights, cvar_weights])
@pytest.mark.parametrize("sample", [[3.0], [7.0, 7.0, 7.0], [0.0, 0.0], [-1e300] * 4])
def test_one_sample_and_constant_losses_keep_equal_weights(worst, sample):
    got = worst(sample, 0.7)
    np.testing.assert_allclose(got.weights, 1 / len(sample), rtol=4 * EPS)
    assert got.value == pytest.approx(sample[0], rel=4 * EPS, abs=0)
    assert got.bound == pytest.approx(sample[0], rel=4 * EPS, abs=0)


@pytest.mark.parametrize("worst", [chi2_weights, kl_weights])
def test_a_radius_of_zero_is_the_mean_and_a_tiny_one_the_variance_form(worst):
    x = np.random.default_rng(1).normal(size=50)
    assert worst(x, 0).value == pytest.approx(x.mean(), rel=0, abs=rounding(50, 3))
    for radius in (1e-300, 1e-30, 1e-20, 1e-12, 1e-8):
        # To first order both sets are one ellipsoid; a divergence is half a chi2.
        twice = radius if worst is chi2_weights else 2 * radius
        got = worst(x, radius)
        lean = (got.weights * 50 - 1) @ (x - x.mean()) / 50
        expected = np.sqrt(twice) * x.std()
        assert lean == pytest.approx(
            expected, rel=1e-3, abs=rounding(50, 3)
        )  # the third moment enters in the second order, 1e-4 of the first
        assert got.bound - got.value <= rounding(100, 3)


def test_a_small_kl_radius_is_used_up_to_many_digits():
    # One loss in ten lies far below the rest, and the tilt is just small enough for the series.
    q = kl_weights([0.0] + [1.0] * 9, 4.4e-6).weights.astype(np.longdouble)
    # Where a long double is a double, the logarithms lose eps of 1e-6, ten times.
    spent = float((q * np.log(10 * q) - q).sum() + 1)
    assert spent == pytest.approx(4.4e-6, rel=10 * EPS / 4.4e-6, abs=0)


@pytest.mark.parametrize("radius", [0.01, 0.5, 2.5])
def test_a_search_that_is_cut_short_still_returns_a_bound(monkeypatch, radius):
    x = np.random.default_rng(6).exponential(size=20)
    exact = kl_weights(x, radius).value
    for steps in (1, 2, 3):
        # The name is looked up in the module before the builtins.
        monkeypatch.setattr(module, "range", lambda _, n=steps: range(n), raising=False)
        cut = kl_weights(x, radius)
        assert cut.bound >= exact - rounding(160, x.max())
        # What is missing shows in the certificate, in the first step for certain.
        assert steps > 1 or abs(cut.bound - cut.value) > 1e-6


def test_a_tail_of_less_than_one_sample_is_the_maximum():
    got = cvar_weights([1.0, 4.0, 4.0, 2.0], 0.9)
    np.testing.assert_array_equal(got.weights, [0, 0.5, 0.5, 0])
    assert got.value == got.bound == 4.0


def test_losses_that_tie_where_the_cap_runs_out_share_the_rest():
    # n (1 - level) = 2: one above, and one to be shared by two.
    got = cvar_weights([5.0, 3.0, 1.0, 3.0], 0.5)
    np.testing.assert_allclose(got.weights, [0.5, 0.25, 0, 0.25], rtol=8 * EPS)


@pytest.mark.parametrize("unit", [1e-170, 1e-300, 1e170, 1e299])
def test_another_unit_of_the_losses_keeps_the_weights(unit):
    x = np.random.default_rng(2).exponential(size=40)
    for worst, setting in ((cvar_weights, 0.8), (chi2_weights, 0.7), (kl_weights, 0.7)):
        base, got = worst(x, setting), worst(x * unit, setting)
        # The products are rounded once each, and the root is found anew.
        np.testing.assert_allclose(got.weights, base.weights, rtol=0, atol=ROOT)
        assert got.value == pytest.approx(base.value * unit, rel=ROOT, abs=0)
        assert got.bound == pytest.approx(base.bound * unit, rel=ROOT, abs=0)


@pytest.mark.parametrize("seed", range(20))
def test_losses_hundreds_of_orders_apart_keep_their_certificate(seed):
    rng = np.random.default_rng(seed)
    x = rng.choice([-1, 1]) * 10.0 ** rng.uniform(-170, 170, 30)
    for radius in (1e-9, 0.01, 0.5, 3.0, 20.0):
        for worst, distance in (
            (chi2_weights, chi2_distance),
            (kl_weights, divergence),
        ):
            got = worst(x, radius)
            assert distance(got.weights) <= radius * (1 + ROOT) + rounding(240, 30)
            assert abs(got.bound - got.value) <= ROOT * np.abs(x).max()


def test_losses_on_a_large_offset_keep_their_differences():
    x = np.random.default_rng(3).exponential(size=30)
    for worst in (chi2_weights, kl_weights):
        base, got = worst(x, 0.5), worst(x + 2.0**30, 0.5)
        # Adding 2^30 rounds each loss by 2^-23: that much of the differences is gone.
        np.testing.assert_allclose(got.weights, base.weights, rtol=0, atol=1e-6)


@pytest.mark.parametrize("worst", [chi2_weights, kl_weights, cvar_weights])
def test_order_and_integer_width_do_not_matter_and_nothing_is_changed(worst):
    x = np.array([3, 100, -100, 7], np.int8)
    order = np.array([2, 0, 3, 1])
    base = worst(x.astype(float), 0.6)
    np.testing.assert_array_equal(worst(x, 0.6).weights, base.weights)
    # Sums in another order: four terms.
    np.testing.assert_allclose(
        worst(x[order], 0.6).weights, base.weights[order], rtol=0, atol=rounding(40, 1)
    )
    x.flags.writeable = False
    worst(x, 0.6)
    np.testing.assert_array_equal(x, [3, 100, -100, 7])


def test_the_chi2_set_is_the_set_of_effective_sample_sizes():
    x = np.random.default_rng(4).exponential(size=60)
    for size in (59.0, 30.0, 10.0, 2.5, 1.5):
        chi2 = chi2_weights(x, 60 / size - 1)
        # 1 / (n sum q^2 / n): n squares, times the size itself.
        assert effective_sample_size(chi2.weights) == pytest.approx(
            size, rel=rounding(60 * 8, 1), abs=0
        )
        cvar = cvar_weights(x, 1 - size / 60)
        assert effective_sample_size(cvar.weights) >= size * (1 - rounding(240, 1))
        assert cvar.value < chi2.value


@quick
@given(losses=samples, level=st.floats(0.001, 0.999))
def test_the_value_is_the_conditional_value_at_risk_of_the_sample(losses, level):
    scale = np.abs(losses).max()
    cap = 1 / (1 - level)
    # A tail of a thousandth is divided by itself: the error grows with the cap.
    assert cvar_weights(losses, level).value == pytest.approx(
        conditional_value_at_risk(losses, level),
        rel=0,
        abs=rounding(4 * len(losses), scale * cap),
    )


def test_cvar_bounds_the_mean_of_every_group_of_that_share():
    x = np.random.default_rng(5).normal(size=8)
    for k in range(1, 8):
        groups = itertools.combinations(x, k)
        worst = max(np.mean(group) for group in groups)
        assert cvar_weights(x, 1 - k / 8).value == pytest.approx(
            worst, rel=0, abs=rounding(60, 3)
        )


def test_effective_sample_size_counts_equal_weights_and_no_unit():
    w = np.array([0, 3, 3, 3, 0])
    assert effective_sample_size(w) == effective_sample_size(w * 1e170) == 3
    assert effective_sample_size([1e-170, 1e-170]) == 2
    # (1 + 2)^2 / (1 + 4)
    assert effective_sample_size([1, 2]) == pytest.approx(9 / 5, rel=4 * EPS, abs=0)


# Wasserstein


def data(seed=0, n=60, d=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = (X @ np.arange(1, d + 1) + rng.normal(size=n) > 0.5).astype(int)
    return X, y


def worst_loss(X, y, w, b, radius):
    s = 2 * y - 1
    return np.logaddexp(0, -s * (X @ w + b)).mean() + radius * np.linalg.norm(w)


@pytest.mark.parametrize("radius", [1e-6, 1e-3, 0.05, 0.3])
def test_the_robust_fit_is_certified_and_no_neighbour_is_better(radius):
    X, y = data()
    fit = wasserstein_logistic(X, y, radius)
    # The dual's point is the primal's residuals; Newton stops at what float64 tells.
    assert abs(fit.value - fit.bound) <= 1e-9
    here = worst_loss(X, y, fit.coefficients, fit.intercept, radius)
    assert fit.value == pytest.approx(here, rel=0, abs=rounding(500, 1))
    rng = np.random.default_rng(1)
    for size in (1e-4, 1e-2, 1.0):
        for _ in range(30):
            w = fit.coefficients + size * rng.normal(size=3)
            b = fit.intercept + size * rng.normal()
            assert worst_loss(X, y, w, b, radius) >= fit.bound - rounding(500, 1)


def lopsided():
    """Six ones in sixty, and one feature that is 1 in one of them and else 0."""
    y = (np.arange(60) < 6).astype(int)
    return (np.arange(60) == 0)[:, None].astype(float), y


@pytest.mark.parametrize(
    ("sample", "radius"),
    [(data(), 1e-3), (data(), 0.05), (data(), 0.3), (lopsided(), 0.014)],
)
def test_a_fit_that_is_cut_short_still_returns_a_bound(monkeypatch, sample, radius):
    best = wasserstein_logistic(*sample, radius)
    for offset in (-2.0, -0.3, 0.3, 2.2):
        for size in (0.0, 1.0, 10.0):

            def cut(_A, theta, _epsilon, offset=offset, size=size):
                last = np.arange(len(theta)) == len(theta) - 1
                return np.where(last, theta + offset, size * theta)

            with monkeypatch.context() as patched:
                patched.setattr(module, "_newton", cut)
                short = wasserstein_logistic(*sample, radius)
            assert short.value >= best.value - rounding(500, 1)
            assert short.bound <= best.value + rounding(500, 1)


@pytest.mark.parametrize("radius", [1e-3, 0.05, 0.3])
def test_newtons_method_needs_few_steps(monkeypatch, radius):
    steps = []
    solve = np.linalg.solve

    def counted(*args):
        steps.append(1)
        return solve(*args)

    monkeypatch.setattr(np.linalg, "solve", counted)
    wasserstein_logistic(*data(), radius)
    # Digits double with every step near the optimum; a wrong curvature adds one at a time.
    assert 1 <= len(steps) <= 15


def test_moving_one_point_far_attains_the_worst_case_in_the_limit():
    X, y = data()
    radius, s = 0.2, 2 * y - 1
    fit = wasserstein_logistic(X, y, radius)
    w, n = fit.coefficients, len(y)
    plain = np.logaddexp(0, -s * (X @ w + fit.intercept)).mean()
    reached = []
    for share in (1e-2, 1e-4, 1e-6):
        # A share of point 0's mass is moved so far that the transport costs radius.
        far = X[0] - s[0] * (n * radius / share) * w / np.linalg.norm(w)
        loss = np.logaddexp(0, -s[0] * (np.array([X[0], far]) @ w + fit.intercept))
        reached.append(plain + share * (loss[1] - loss[0]) / n)
    assert max(reached) < fit.value
    assert reached == sorted(reached)
    assert fit.value - reached[-1] < 1e-5


def test_from_some_radius_on_no_coefficient_is_worth_its_norm():
    X, y = data()
    rate = y.mean()
    edge = np.linalg.norm(X.T @ (rate - y)) / len(y)
    at = wasserstein_logistic(X, y, edge * (1 + 1e-9))
    np.testing.assert_array_equal(at.coefficients, 0)
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    assert at.value == pytest.approx(entropy, rel=rounding(100, 1), abs=0)
    assert at.bound == pytest.approx(entropy, rel=rounding(100, 1), abs=0)
    below = wasserstein_logistic(X, y, edge * 0.999)
    assert 0 < np.linalg.norm(below.coefficients) < 0.1
    assert below.value < entropy


def test_the_norm_is_not_the_square_of_ridge():
    X, y = data()
    fit = wasserstein_logistic(X, y, 0.1)
    norm = np.linalg.norm(fit.coefficients)
    # At the optimum the gradient of eps |w| is that of eps / (2 |w|) |w|^2.
    ridge = LogisticRegression(C=norm / (0.1 * len(y)), tol=1e-10, max_iter=10_000)
    ridge.fit(X, y)
    np.testing.assert_allclose(ridge.coef_[0], fit.coefficients, rtol=0, atol=1e-5)
    other = LogisticRegression(C=1 / (0.1 * len(y)), tol=1e-10, max_iter=10_000)
    assert np.abs(other.fit(X, y).coef_[0] - fit.coefficients).max() > 0.01


@pytest.mark.parametrize("unit", [1e-170, 1e170])
def test_another_unit_of_the_features_only_rescales_the_fit(unit):
    X, y = data()
    base = wasserstein_logistic(X, y, 0.1)
    got = wasserstein_logistic(X * unit, y, 0.1 * unit)
    assert got.value == pytest.approx(base.value, rel=1e-12, abs=0)
    np.testing.assert_allclose(
        got.coefficients * unit, base.coefficients, rtol=0, atol=1e-6
    )


def test_separable_and_constant_features_have_a_certified_fit():
    X = np.array([[-2.0, 0], [-1, 0], [1, 0], [3, 0]])
    fit = wasserstein_logistic(X, [0, 0, 1, 1], 1e-4)
    assert fit.value - fit.bound <= 1e-9
    assert fit.coefficients[1] == 0
    flat = wasserstein_logistic(np.zeros((4, 2)), [0, 1, 1, 1], 1e-9)
    np.testing.assert_array_equal(flat.coefficients, 0)
    assert flat.intercept == pytest.approx(np.log(3), rel=8 * EPS, abs=0)


# Bad input

BAD = [
    ([], ValueError),
    ([np.nan, 1.0], ValueError),
    ([np.inf, 1.0], ValueError),
    ([1e301, 1.0], ValueError),
    ([[1.0, 2.0]], ValueError),
    (3.0, ValueError),
    (None, TypeError),
    (["a"], TypeError),
    ([1j], TypeError),
]


@pytest.mark.parametrize("worst", [cvar_weights, chi2_weights, kl_weights])
@pytest.mark.parametrize(("losses", "error"), BAD, ids=str)
def test_losses_that_are_no_sample_are_refused(worst, losses, error):
    with pytest.raises(error, match="losses must"):
        worst(losses, 0.5)


@pytest.mark.parametrize(("weights", "error"), BAD, ids=str)
def test_weights_that_are_none_are_refused(weights, error):
    with pytest.raises(error, match="weights must"):
        effective_sample_size(weights)
    for bad in ([-0.5, 1.5], [0, 0]):
        with pytest.raises(ValueError, match="weights must not be negative or all"):
            effective_sample_size(bad)


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.1, 95, np.nan])
def test_a_level_outside_zero_and_one_is_refused(level):
    with pytest.raises(ValueError, match="level must"):
        cvar_weights([1.0, 2.0], level)


@pytest.mark.parametrize("worst", [chi2_weights, kl_weights])
@pytest.mark.parametrize(
    ("radius", "error"),
    [(-1e-9, ValueError), (np.inf, ValueError), (None, TypeError), (True, TypeError)],
)
def test_a_radius_that_is_none_is_refused(worst, radius, error):
    with pytest.raises(error, match="radius must"):
        worst([1.0, 2.0], radius)


@pytest.mark.parametrize(("X", "error"), TABLES)
def test_features_that_are_no_table_are_refused(X, error):
    labels = [0, 1] * 4 + [1]
    with pytest.raises(error, match="must"):
        wasserstein_logistic(X, labels, 0.1)


@pytest.mark.parametrize(
    ("y", "radius", "error", "message"),
    [
        ([0, 1], 0, ValueError, "radius must"),
        ([0, 1], -1, ValueError, "radius must"),
        ([0, 0], 0.1, ValueError, "y must hold 2 labels, both"),
        ([1, 1], 0.1, ValueError, "y must hold 2 labels, both"),
        ([0, 1, 1], 0.1, ValueError, "y must hold 2 labels"),
        ([], 0.1, TypeError, "y must"),
        ([-1, 1], 0.1, ValueError, "y must hold integers from 0 to 1"),
        ([0.0, 1.0], 0.1, TypeError, "y must hold integers"),
        (None, 0.1, TypeError, "y must hold integers"),
    ],
)
def test_labels_or_a_radius_that_are_none_are_refused(y, radius, error, message):
    with pytest.raises(error, match=message):
        wasserstein_logistic([[0.0], [1.0]], y, radius)
