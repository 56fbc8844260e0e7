"""The properties that make `companion.safety.risk_assessment` correct."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, sparse, stats

from companion.safety import risk_assessment
from companion.safety.risk_assessment import (
    TailFit,
    conditional_value_at_risk,
    fit_generalized_pareto,
    minimum_cvar_portfolio,
    tail_probability,
    tail_risk,
    value_at_risk,
)
from tests.bad_input import TABLES
from tests.rounding import EPS, rounding

quick = settings(derandomize=True, deadline=None, max_examples=60)
small_losses = st.lists(st.integers(-9, 9), min_size=1, max_size=12)
levels = st.integers(1, 99).map(lambda percent: percent / 100)


# Value at risk, and the mean beyond it


@quick
@given(small_losses, levels)
def test_value_at_risk_is_the_smallest_loss_with_the_level_at_or_below_it(losses, a):
    exact = Fraction(round(100 * a), 100)
    enough = [
        x for x in losses if Fraction(sum(y <= x for y in losses), len(losses)) >= exact
    ]
    assert value_at_risk(losses, a) == min(enough)


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_a_level_that_is_a_whole_number_of_losses_is_met_exactly(n):
    x = np.arange(1, n + 1)
    for j in range(1, n):
        assert value_at_risk(x, j / n) == j
        assert value_at_risk(x, 1 - (n - j) / n) == j  # (1 - 0.95) * 100 is not 5
        assert value_at_risk(x, j / n, np.full(n, 1 / n)) == j


def test_the_rounding_of_thousands_of_weights_does_not_move_the_value_at_risk():
    n = 3000
    for j in range(1, n, 60):
        assert value_at_risk(np.arange(1, n + 1), j / n, np.full(n, 1 / n)) == j


@pytest.mark.parametrize("seed", range(20))
def test_value_at_risk_is_numpys_inverted_distribution_function(seed):
    rng = np.random.default_rng(seed)
    x, level = rng.standard_normal(50), float(rng.random())
    w = rng.dirichlet(np.ones(50))
    assert value_at_risk(x, level) == np.quantile(x, level, method="inverted_cdf")
    assert value_at_risk(x, level, w) == np.quantile(
        x, level, method="inverted_cdf", weights=w
    )


def test_an_interpolated_quantile_is_no_value_at_risk():
    losses = [0.0] * 95 + [100.0] * 5
    assert value_at_risk(losses, 0.95) == 0.0
    assert 0 < np.quantile(losses, 0.95) < 100  # between two losses: it never happens


@quick
@given(small_losses, levels)
def test_cvar_is_the_minimum_of_rockafellar_and_uryasev(losses, a):
    x = np.array(losses, dtype=float)
    values = [t + np.maximum(x - t, 0).mean() / (1 - a) for t in x]
    # A mean of n numbers up to 9, divided by 1 - a once: n + 3 operations.
    assert conditional_value_at_risk(losses, a) == pytest.approx(
        min(values), abs=rounding(len(x) + 3, 9 / (1 - a))
    )
    t = value_at_risk(losses, a)  # and the value at risk is where it is reached
    assert t + np.maximum(x - t, 0).mean() / (1 - a) == pytest.approx(
        min(values), abs=rounding(len(x) + 3, 9 / (1 - a))
    )


@quick
@given(small_losses, levels)
def test_cvar_is_the_mean_of_value_at_risk_over_all_higher_levels(losses, a):
    """Each loss holds 1/n of the levels: the integral is a sum of rectangles."""
    exact, alpha = Fraction(0), Fraction(round(100 * a), 100)
    for j, x in enumerate(sorted(losses)):
        low, high = Fraction(j, len(losses)), Fraction(j + 1, len(losses))
        exact += max(Fraction(0), high - max(low, alpha)) * x
    exact /= 1 - alpha
    assert conditional_value_at_risk(losses, a) == pytest.approx(
        float(exact), abs=rounding(len(losses) + 3, 9 / (1 - a))
    )


def _naive_cvar(losses, level):
    """The mean from the value at risk up, which counts the whole atom."""
    x = np.asarray(losses, dtype=float)
    return x[x >= value_at_risk(losses, level)].mean()


def test_an_atom_is_cut_in_two_where_the_naive_mean_is_wrong():
    losses = [0.0] * 90 + [1.0] * 9 + [100.0]
    # The worst 5 %: one loss of 100 and four of the nine ones.
    assert conditional_value_at_risk(losses, 0.95) == pytest.approx(
        (100 + 4) / 5, abs=rounding(104, 100)
    )
    assert _naive_cvar(losses, 0.95) == pytest.approx(10.9, abs=1e-12)


@quick
@given(small_losses, levels, st.integers(0, 99))
def test_weights_mean_the_same_as_repeating_a_loss(losses, a, seed):
    counts = np.random.default_rng(seed).integers(0, 4, len(losses))
    counts[0] += 1
    repeated = np.repeat(losses, counts)
    weights = counts / counts.sum()
    assert value_at_risk(losses, a, weights) == value_at_risk(repeated, a)
    assert conditional_value_at_risk(losses, a, weights) == pytest.approx(
        conditional_value_at_risk(repeated, a),
        abs=rounding(len(repeated) + 3, 9 / (1 - a)),
    )


def test_a_loss_without_weight_counts_for_nothing():
    assert value_at_risk([1, 2, 900], 0.9, [0.5, 0.5, 0]) == 2
    assert conditional_value_at_risk([1, 2, 900], 0.9, [0.5, 0.5, 0]) == 2
    for level in (1e-12, 1e-16):
        assert value_at_risk([-900, 1, 2], level, [0, 0.5, 0.5]) == 1


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_the_quantiles_of_a_normal_law_reach_its_closed_form(level):
    """VaR = z and CVaR = phi(z) / (1 - level), from 200 000 equally likely quantiles."""
    n = 200_000
    x = stats.norm.ppf((np.arange(n) + 0.5) / n)
    z = stats.norm.ppf(level)
    step = 1 / (n * stats.norm.pdf(z))  # between two quantiles there
    assert value_at_risk(x, level) == pytest.approx(z, abs=step)
    # Of the mean, only the half-step at both ends is missed: below 5 / n (1 - level).
    assert conditional_value_at_risk(x, level) == pytest.approx(
        stats.norm.pdf(z) / (1 - level), abs=5 / (n * (1 - level))
    )


@quick
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=9),
    levels,
)
def test_cvar_is_coherent(pairs, a):
    """Subadditive, monotone, positively homogeneous, and translated by a certain loss."""
    x, y = np.array(pairs, dtype=float).T
    cvar = [conditional_value_at_risk(v, a) for v in (x, y, x + y)]
    bound = rounding(len(x) + 3, 36 / (1 - a))
    assert cvar[2] <= cvar[0] + cvar[1] + bound
    assert conditional_value_at_risk(np.maximum(x, y), a) >= max(cvar[:2]) - bound
    assert conditional_value_at_risk(3 * x + 5, a) == pytest.approx(
        3 * cvar[0] + 5, abs=bound
    )
    assert cvar[0] >= value_at_risk(x, a) - bound


def test_value_at_risk_can_punish_spreading():
    """Two independent loans of 4 % each: none is seen at 95 %, half of both is."""
    p = 0.04
    assert value_at_risk([0, 100], 0.95, [1 - p, p]) == 0
    both = [(1 - p) ** 2, 2 * p * (1 - p), p**2]
    assert value_at_risk([0, 50, 100], 0.95, both) == 50
    alone = conditional_value_at_risk([0, 100], 0.95, [1 - p, p])
    assert conditional_value_at_risk([0, 50, 100], 0.95, both) < alone


@pytest.mark.parametrize("scale", [1e-170, 1e170, 1e307])
def test_the_unit_of_the_losses_does_not_matter(scale):
    x = np.array([1.0, -3, 2, 7, 5])
    assert value_at_risk(x * scale, 0.7) == 5 * scale
    assert conditional_value_at_risk(x * scale, 0.7) / scale == pytest.approx(
        (7 + 5 / 2) / 1.5, abs=rounding(9, 7)
    )


def test_a_level_within_rounding_of_one_is_the_largest_loss():
    assert conditional_value_at_risk([1, 2], 1 - EPS / 2) == 2
    assert value_at_risk([1, 2], 1 - EPS / 2) == 2
    assert conditional_value_at_risk([1, 2], 1 - EPS / 2, [0.5, 0.5]) == 2


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float32])
def test_losses_of_every_width_are_the_same_losses(dtype):
    x = np.array([100, 120, 7, 90], dtype)
    x.flags.writeable = False
    assert value_at_risk(x, 0.5) == 90
    assert conditional_value_at_risk(x, 0.5) == 110
    np.testing.assert_array_equal(x, [100, 120, 7, 90])


# The portfolio


def random_returns(seed, n=60, d=4):
    rng = np.random.default_rng(seed)
    return rng.standard_t(4, (n, d)) * rng.uniform(0.5, 2, d) + rng.uniform(0, 0.3, d)


def primal(R, level, target=None):
    """Rockafellar and Uryasev's own linear program: weights, t and a shortfall per scenario."""
    n, d = R.shape
    cost = np.concatenate([np.zeros(d), [1], np.full(n, 1 / ((1 - level) * n))])
    rows = np.column_stack([-R, -np.ones(n), -np.eye(n)])
    right = np.zeros(n)
    if target is not None:
        rows = np.vstack([rows, np.concatenate([-R.mean(axis=0), np.zeros(n + 1)])])
        right = np.append(right, -target)
    equal = np.concatenate([np.ones(d), np.zeros(n + 1)])[None]
    bounds = [(0, None)] * d + [(None, None)] + [(0, None)] * n
    return optimize.linprog(cost, rows, right, equal, [1.0], bounds).fun


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("level", [0.5, 0.9, 0.97])
def test_the_portfolio_reaches_the_value_of_the_primal_program(seed, level):
    R = random_returns(seed)
    for target in (None, float(np.quantile(R.mean(axis=0), 0.8))):
        found = minimum_cvar_portfolio(R, level, target)
        # HiGHS promises its rows and multipliers to 1e-7 of the unit.
        size = np.abs(R).max()
        assert found.cvar == pytest.approx(primal(R, level, target), abs=1e-5 * size)
        assert abs(found.gap) < 1e-5 * size
        assert found.weights.min() >= 0
        assert found.weights.sum() == pytest.approx(1, abs=rounding(4, 1))
        assert found.cvar == conditional_value_at_risk(-R @ found.weights, level)
        if target is not None:
            assert R.mean(axis=0) @ found.weights >= target - 1e-5 * size


def test_a_target_binds_and_costs():
    R = random_returns(3)
    free = minimum_cvar_portfolio(R, 0.9)
    wanted = float(R.mean(axis=0).max())
    most = minimum_cvar_portfolio(R, 0.9, wanted)
    assert most.cvar > free.cvar + 0.1
    assert most.weights.max() == pytest.approx(1, abs=1e-6)


def test_for_a_normal_law_the_portfolio_is_that_of_least_variance():
    """Elliptical and without a mean, CVaR is a multiple of the standard deviation."""
    spread = np.array([[1.0, 0.2, 0], [0.2, 2.0, 0.3], [0, 0.3, 3.0]])
    rng = np.random.default_rng(0)
    R = rng.standard_normal((6000, 3)) @ np.linalg.cholesky(spread).T
    least = np.linalg.solve(spread, np.ones(3))
    # 300 losses in the tail: a weight's standard error is near 1 / sqrt(300).
    np.testing.assert_allclose(
        minimum_cvar_portfolio(R, 0.95).weights, least / least.sum(), rtol=0, atol=0.15
    )


def test_the_gap_certifies_and_shows_weights_that_are_not_the_best(monkeypatch):
    """With multipliers of another portfolio the bound stays and the gap is what was lost."""
    R = random_returns(5)
    best = minimum_cvar_portfolio(R, 0.9)
    solver = risk_assessment.linprog

    def spoiled(*args, **options):
        solved = solver(*args, **options)
        solved.ineqlin.marginals[:] = [-1.0, 0, 0, 0]
        return solved

    monkeypatch.setattr(risk_assessment, "linprog", spoiled)
    worse = minimum_cvar_portfolio(R, 0.9)
    np.testing.assert_array_equal(worse.weights, [1, 0, 0, 0])
    assert worse.gap == pytest.approx(worse.cvar - best.cvar, abs=1e-6)
    assert worse.gap > 0.1


@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_the_unit_of_the_returns_does_not_matter(scale):
    R = random_returns(1)
    ours, scaled = (minimum_cvar_portfolio(r, 0.9) for r in (R, R * scale))
    np.testing.assert_allclose(scaled.weights, ours.weights, rtol=0, atol=1e-6)
    assert scaled.cvar / scale == pytest.approx(ours.cvar, abs=1e-6)
    assert abs(scaled.gap) / scale < 1e-6


def test_assets_that_never_move_may_be_held_in_any_way():
    found = minimum_cvar_portfolio(np.zeros((5, 3)), 0.9)
    assert found.cvar == 0
    assert found.weights.sum() == pytest.approx(1, abs=rounding(3, 1))


# The tail


def pareto(shape, scale, n, seed):
    rng = np.random.default_rng(seed)
    return stats.genpareto.rvs(shape, 0, scale, size=n, random_state=rng)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2, 0.6, 1.5])
@pytest.mark.parametrize("n", [50, 1000])
def test_the_fit_is_scipys_and_no_less_likely(shape, n):
    for seed in range(4):
        y = pareto(shape, 2.0, n, seed)
        ours = fit_generalized_pareto(y, 0.0)
        c, _, s = stats.genpareto.fit(y, floc=0)
        # SciPy's simplex stops at steps of 1e-4.
        assert ours.shape == pytest.approx(c, abs=1e-3)
        assert ours.scale == pytest.approx(s, rel=1e-3, abs=0)
        theirs = stats.genpareto.logpdf(y, c, 0, s).sum()
        # n logarithms of size below 50, each summed once
        assert ours.log_likelihood >= theirs - rounding(n + 20, 50 * n)
        assert ours.log_likelihood == pytest.approx(
            stats.genpareto.logpdf(y, ours.shape, 0, ours.scale).sum(),
            abs=rounding(n + 20, 50 * n),
        )


def likelihoods(y, shapes, scales):
    with np.errstate(all="ignore"):
        return stats.genpareto.logpdf(
            y, shapes[:, None, None], 0, scales[None, :, None]
        ).sum(axis=-1)


@pytest.mark.parametrize("seed", range(30))
def test_no_shape_above_minus_one_and_no_scale_are_more_likely(seed):
    rng = np.random.default_rng(seed)
    y = pareto(rng.uniform(-1, 2), 1.0, int(rng.integers(10, 40)), seed)
    ours = fit_generalized_pareto(y, 0.0)
    shapes = np.append(np.linspace(-1, 3, 161), ours.shape + np.array([-1e-3, 1e-3]))
    shapes = shapes[shapes >= -1]
    scales = np.append(np.geomspace(0.05, 20, 121) * y.mean(), [y.max(), ours.scale])
    best = np.nanmax(likelihoods(y, shapes, scales))
    assert ours.log_likelihood >= best - rounding(len(y) + 20, 50 * len(y))


@pytest.mark.parametrize("shape", [-0.4, -0.1, 0.0, 0.3, 0.9])
def test_the_likelihood_is_flat_at_the_fit(shape):
    """mean(1 / (1 + theta y)) (1 + shape) = 1 and shape = mean log(1 + theta y)."""
    y = pareto(shape, 3.0, 400, seed=1)
    fit = fit_generalized_pareto(y, 0.0)
    theta = fit.shape / fit.scale
    # theta is known to eps / theta, and so are the two means.
    bound = rounding(400, 1 + 1 / abs(theta * y.max()))
    assert (1 / (1 + theta * y)).mean() * (1 + fit.shape) == pytest.approx(1, abs=bound)
    assert np.log1p(theta * y).mean() == pytest.approx(fit.shape, abs=bound)


@pytest.mark.parametrize(
    ("law", "shape"),
    [
        (stats.expon(), 0.0),
        (stats.genpareto(0.5), 0.5),
        (stats.genpareto(-0.3), -0.3),
        (stats.pareto(4, loc=-1), 0.25),
    ],
)
def test_exact_quantiles_give_the_exact_shape_at_two_thresholds(law, shape):
    """The law is stable: above u the shape stays and the scale grows by shape * u."""
    n = 100_000
    x = law.ppf((np.arange(n) + 0.5) / n)
    low, high = (fit_generalized_pareto(x, law.ppf(q)) for q in (0.5, 0.9))
    # The quantiles miss half a step, 1 / 2k, at the largest: about log(k) / k of the shape.
    for fit in (low, high):
        assert fit.shape == pytest.approx(shape, abs=20 / fit.exceedances)
    step = shape * (high.threshold - low.threshold)
    assert high.scale == pytest.approx(low.scale + step, abs=2e-3)
    assert (low.exceedances, high.exceedances, low.samples) == (n // 2, n // 10, n)


def test_a_uniform_law_is_held_at_the_boundary_and_called_irregular():
    n = 2000
    y = np.random.default_rng(0).random(n)
    fit = fit_generalized_pareto(y, 0.0)
    assert -1 <= fit.shape < -0.9
    assert not fit.regular
    assert fit.scale / -fit.shape >= y.max()  # the end is at the largest or beyond
    # Below -1 the likelihood has no bound: the end moves onto the largest loss.
    unbounded = [
        stats.genpareto.logpdf(y, -3.0, 0, 3 * y.max() * (1 + tiny)).sum()
        for tiny in (1e-4, 1e-200, 0.0)
    ]
    assert unbounded[2] == np.inf or unbounded[1] > unbounded[0]


@pytest.mark.parametrize(
    ("shape", "regular"), [(-0.75, False), (-0.3, True), (0.2, True)]
)
def test_the_usual_theory_is_promised_above_minus_one_half_only(shape, regular):
    fit = fit_generalized_pareto(pareto(shape, 1.0, 2000, seed=0), 0.0)
    assert abs(fit.shape - shape) < 0.15
    assert fit.shape > -1
    assert fit.regular is regular


def test_the_corner_is_the_uniform_law_up_to_the_largest():
    y = np.array([0.2, 0.9, 1.0, 0.95, 0.97, 0.99, 0.98, 0.96, 0.93, 0.94]) * 5
    fit = fit_generalized_pareto(y, 0.0)
    assert (fit.shape, fit.regular) == (-1.0, False)
    assert fit.scale == 5.0
    assert fit.log_likelihood == pytest.approx(-10 * np.log(5), abs=rounding(10, 20))


@pytest.mark.parametrize("scale", [1e-170, 1e170])
@pytest.mark.parametrize("shape", [-0.9, -0.2, 0.4])
def test_the_fit_does_not_depend_on_the_unit(scale, shape):
    y = pareto(shape, 1.0, 300, seed=2)
    one, other = (fit_generalized_pareto(v, 0.0) for v in (y, y * scale))
    # theta is solved to 1e-14 and known to eps / theta: 1e-9 is ample.
    assert other.shape == pytest.approx(one.shape, abs=1e-9)
    assert other.scale / scale == pytest.approx(one.scale, rel=1e-9, abs=0)
    assert other.log_likelihood == pytest.approx(
        one.log_likelihood - 300 * np.log(scale), abs=1e-6
    )


def test_losses_three_hundred_orders_apart_are_fitted():
    y = np.exp(np.random.default_rng(0).uniform(-340, 340, 200))
    fit = fit_generalized_pareto(y, 0.0)
    theta = fit.shape / fit.scale
    # y / largest has one rounding, its logarithm hundreds of units: 1e-9 again.
    assert np.log1p(theta * y).mean() == pytest.approx(fit.shape, rel=1e-9, abs=0)
    assert (1 / (1 + theta * y)).mean() * (1 + fit.shape) == pytest.approx(1, abs=1e-9)


def test_integers_and_read_only_losses_are_fitted_and_left_alone():
    x = np.random.default_rng(0).integers(-100, 127, 500).astype(np.int8)
    x.flags.writeable = False
    before = x.copy()
    same = fit_generalized_pareto(x.astype(float), -50)
    assert fit_generalized_pareto(x, -50) == same
    np.testing.assert_array_equal(x, before)
    assert same.exceedances == (x.astype(int) > -50).sum()


def test_a_loss_at_the_threshold_does_not_exceed_it():
    x = np.concatenate([np.zeros(50), np.ones(5), 2 + np.arange(20.0)])
    assert fit_generalized_pareto(x, 1.0).exceedances == 20


def made(shape, scale=2.0, threshold=10.0, k=100, n=1000):
    return TailFit(threshold, shape, scale, k, n, 0.0, shape > -0.5)


SHAPES = [-0.9, -0.2, -1e-11, 0.0, 1e-11, 1e-13, 0.3, 0.95, 1.7]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_tail_is_the_generalised_pareto_law_of_scipy(shape):
    fit = made(shape)
    x = 10 + np.geomspace(1e-3, 1e3, 60)
    theirs = 0.1 * stats.genpareto.sf(x - 10, shape, 0, 2.0)
    # The power -1/shape multiplies what log1p loses; its own 700 at most.
    np.testing.assert_allclose(
        tail_probability(fit, x), theirs, rtol=rounding(10, 700 + 40 / 0.2), atol=1e-300
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_value_at_risk_undoes_the_probability(shape):
    fit = made(shape)
    level = np.array([0.9, 0.95, 0.99, 0.9999])
    var = tail_risk(fit, level).var
    assert var[0] == pytest.approx(10, abs=rounding(10, 10))
    # 1 - level has lost up to eps / 1e-4 of its size, and the far end as much.
    np.testing.assert_allclose(
        tail_probability(fit, var), 1 - level, rtol=rounding(10, 1e4), atol=0
    )


@pytest.mark.parametrize("shape", [s for s in SHAPES if s < 0.9])
@pytest.mark.parametrize("level", [0.9, 0.99, 0.9999])
def test_cvar_is_the_integral_of_value_at_risk(shape, level):
    """With 1 - p = (1 - level) e^-s the integral is smooth."""
    fit = made(shape)

    def rest(s):
        depth = np.log(0.1 / (1 - level)) + s
        steep = np.expm1(shape * depth) / shape if shape else depth
        return (10 + 2 * steep) * np.exp(-s)

    integral, error = integrate.quad(rest, 0, 400, limit=400)
    assert tail_risk(fit, level).cvar == pytest.approx(
        integral, rel=1e-7, abs=10 * error
    )


def test_an_exponential_tail_forgets_and_a_uniform_one_ends():
    var, cvar = tail_risk(made(0.0), [0.9, 0.99, 0.999])
    np.testing.assert_allclose(
        var, 10 + 2 * np.log([1, 10, 100]), rtol=1e-13, atol=rounding(20, 20)
    )
    np.testing.assert_allclose(cvar - var, 2.0, rtol=1e-13, atol=rounding(20, 20))
    end = made(-1.0)  # uniform from 10 to 12
    np.testing.assert_allclose(tail_probability(end, 11), 0.05, rtol=1e-13)
    np.testing.assert_allclose(
        tail_probability(end, [12, 13, 1e308]), 0.0, rtol=0, atol=1e-17
    )
    np.testing.assert_allclose(tail_risk(end, 0.95).cvar, 11.5, rtol=1e-13)


def test_a_tail_without_a_mean_has_an_infinite_cvar():
    for shape in (1.0, 1.7):
        risk = tail_risk(made(shape), [0.95, 0.99])
        assert np.isfinite(risk.var).all()
        assert np.isposinf(risk.cvar).all()


def test_fit_and_risk_together_reach_the_truth_of_a_student_law():
    """A shape of 1/4, only far out; the quantile at 0.999 from the worst tenth of many."""
    n = 200_000
    x = stats.t(4).ppf((np.arange(n) + 0.5) / n)
    fit = fit_generalized_pareto(x, value_at_risk(x, 0.9))
    assert fit.exceedances == n // 10
    assert tail_risk(fit, 0.999).var == pytest.approx(
        stats.t(4).ppf(0.999), rel=0.02, abs=0
    )
    assert 0.15 < fit.shape < 0.25


# Bad input

GOOD = made(0.2)
TEN = np.arange(1.0, 11.0)
ONE_ROW = 7  # of the tables that others refuse; a single scenario is allowed here


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.1, np.nan, True, "a", None, [0.5]])
@pytest.mark.parametrize(
    "call",
    [
        lambda a: value_at_risk(TEN, a),
        lambda a: conditional_value_at_risk(TEN, a),
        lambda a: minimum_cvar_portfolio(np.eye(3), a),
    ],
)
def test_levels_outside_zero_and_one_are_refused(call, level):
    with pytest.raises((TypeError, ValueError), match="level must"):
        call(level)


@pytest.mark.parametrize(
    ("losses", "error"),
    [
        ([], ValueError),
        ([1.0, np.nan], ValueError),
        ([np.inf], ValueError),
        (3.0, ValueError),
        ([[1.0]], ValueError),
        (["a"], TypeError),
        (None, TypeError),
        ([1j], TypeError),
        (sparse.csr_array(np.eye(2)), TypeError),
        (torch.ones(3, requires_grad=True), TypeError),
    ],
)
def test_what_is_no_list_of_losses_is_refused(losses, error):
    for call in (value_at_risk, conditional_value_at_risk):
        with pytest.raises(error, match="losses must"):
            call(losses, 0.5)
    with pytest.raises((TypeError, ValueError), match=r"losses must"):
        fit_generalized_pareto(losses, 0.0)


@pytest.mark.parametrize(
    "weights", [[0.5, 0.6], [-0.1, 1.1], [1.0], [np.nan, 1], [[0.5, 0.5]], "ab", 1.0]
)
def test_weights_that_are_no_distribution_are_refused(weights):
    for call in (value_at_risk, conditional_value_at_risk):
        with pytest.raises((TypeError, ValueError), match="weights must"):
            call([1.0, 2.0], 0.5, weights)


@pytest.mark.parametrize(
    ("table", "error"), [t for n, t in enumerate(TABLES) if n != ONE_ROW]
)
def test_returns_that_are_no_table_are_refused(table, error):
    with pytest.raises(error, match="returns must"):
        minimum_cvar_portfolio(table, 0.9)


@pytest.mark.parametrize("target", [0.5, np.nan, "a", True])
def test_a_target_that_no_portfolio_reaches_is_refused(target):
    with pytest.raises((TypeError, ValueError), match="target must"):
        minimum_cvar_portfolio(np.eye(3), 0.9, target)


def test_too_few_exceedances_are_refused():
    with pytest.raises(
        ValueError, match="must exceed the threshold at least 10 times, got 9"
    ):
        fit_generalized_pareto(TEN, 1.0)
    assert fit_generalized_pareto(TEN, 0.5).exceedances == 10


def test_a_threshold_that_is_no_number_is_refused():
    for threshold in (np.nan, np.inf, "a", None, [1.0]):
        with pytest.raises((TypeError, ValueError), match="threshold must"):
            fit_generalized_pareto(TEN, threshold)


def test_excesses_beyond_float64_are_refused():
    with pytest.raises(ValueError, match="1e300"):
        fit_generalized_pareto(np.append(TEN, 1e-303), 0.0)
    with pytest.raises(ValueError, match="1e300"):
        fit_generalized_pareto(TEN * 1e307, -1e308)


@pytest.mark.parametrize("fit", [None, (1, 2, 3), GOOD._replace(scale=0.0)])
def test_what_is_no_fit_is_refused(fit):
    for call in (tail_probability, tail_risk):
        with pytest.raises((TypeError, ValueError), match="fit"):
            call(fit, 0.95)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": np.nan},
        {"threshold": np.inf},
        {"exceedances": 0},
        {"exceedances": 1001},
    ],
)
def test_a_fit_with_impossible_numbers_is_refused(change):
    for call, value in ((tail_probability, 12.0), (tail_risk, 0.95)):
        with pytest.raises((TypeError, ValueError), match="fit must"):
            call(GOOD._replace(**change), value)


def test_the_tail_is_not_asked_below_its_threshold():
    with pytest.raises(ValueError, match="loss must be at or above the threshold 10"):
        tail_probability(GOOD, [11, 9.9])
    for level in (0.89, 1.0, [0.95, 1.2]):
        with pytest.raises(ValueError, match="level must lie in"):
            tail_risk(GOOD, level)
    with pytest.raises(ValueError, match="level must be finite"):
        tail_risk(GOOD, np.nan)
    with pytest.raises(TypeError, match="loss must"):
        tail_probability(GOOD, None)


def test_nothing_asked_is_nothing_answered():
    assert tail_probability(GOOD, []).shape == (0,)
    assert tail_risk(GOOD, np.ones((2, 0)) / 2).var.shape == (2, 0)
