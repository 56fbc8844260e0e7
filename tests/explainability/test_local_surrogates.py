"""The properties that make `companion.explainability.local_surrogates` correct."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from torch import nn

from companion.explainability.local_surrogates import (
    effective_share,
    lime,
    weighted_ridge,
)
from companion.scores import class_score
from tests.bad_input import TABLES
from tests.rounding import EPS, rounding
from tests.untouched import untouched

quick = settings(derandomize=True, deadline=None, max_examples=40)


def sample(seed: int, n: int = 12, d: int = 3):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    return X, y, rng.uniform(0.1, 1, n)


def condition(X, weights, ridge) -> float:
    """Of the least-squares problem, intercept and penalty included."""
    n, d = X.shape
    rows = np.sqrt(weights)[:, None] * np.column_stack([np.ones(n), X])
    penalty = np.column_stack([np.zeros(d), np.sqrt(ridge) * np.eye(d)])
    return float(np.linalg.cond(np.vstack([rows, penalty])))


def fit_error(X, y, weights, ridge) -> float:
    """Bound on two ways to one fit, one of them by normal equations: n d operations, condition squared."""
    n, d = X.shape
    scale = np.abs(y).max()
    return rounding(n * (d + 2) * condition(X, weights, ridge) ** 2, scale)


# The weighted ridge


def exact_ridge(X, y, w, ridge):
    """Normal equations in fractions: (A' W A + ridge I) b = A' W y, the intercept not penalised."""
    A = [[Fraction(1), *map(Fraction, row)] for row in X]
    k = len(A[0])
    M = [
        [sum(wi * a[i] * a[j] for wi, a in zip(w, A, strict=True)) for j in range(k)]
        + [sum(wi * a[i] * yi for wi, a, yi in zip(w, A, y, strict=True))]
        for i in range(k)
    ]
    for i in range(1, k):
        M[i][i] += ridge
    for i in range(k):
        M[i] = [m / M[i][i] for m in M[i]]
        for j in range(k):
            if j != i:
                M[j] = [a - M[j][i] * b for a, b in zip(M[j], M[i], strict=True)]
    return [float(row[-1]) for row in M]


@pytest.mark.parametrize("ridge", [0, 3])
def test_the_fit_is_the_exact_solution_of_the_normal_equations(ridge):
    X = [[1, 2], [0, -1], [3, 1], [-2, 2], [1, 1], [4, -3]]
    y, w = [1, 4, -2, 0, 5, 3], [1, 2, 3, 1, 4, 2]
    a, *b = exact_ridge(X, y, w, ridge)
    fit = weighted_ridge(X, y, w, ridge)
    # 6 x 4 operations, condition below 10, numbers below 5.
    bound = rounding(24 * condition(np.array(X), np.array(w), ridge), 5)
    np.testing.assert_allclose(fit.coefficients, b, rtol=0, atol=bound)
    assert fit.intercept == pytest.approx(a, rel=0, abs=bound)


@quick
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 10.0]))
def test_random_fits_solve_the_normal_equations(seed, ridge):
    X, y, w = sample(seed)
    A = np.column_stack([np.ones(len(X)), X])
    penalty = ridge * np.diag([0.0, 1, 1, 1])
    want = np.linalg.solve(A.T @ (w[:, None] * A) + penalty, A.T @ (w * y))
    fit = weighted_ridge(X, y, w, ridge)
    got = [fit.intercept, *fit.coefficients]
    np.testing.assert_allclose(got, want, rtol=0, atol=fit_error(X, y, w, ridge))


def test_an_integer_weight_is_that_many_copies():
    X, y, _ = sample(0)
    w = np.arange(1, 13)
    once = weighted_ridge(X, y, w, 0.5)
    copies = weighted_ridge(X.repeat(w, 0), y.repeat(w), np.ones(w.sum()), 0.5)
    bound = fit_error(X.repeat(w, 0), y, np.ones(w.sum()), 0.5)
    np.testing.assert_allclose(
        once.coefficients, copies.coefficients, rtol=0, atol=bound
    )


def test_the_intercept_is_free_and_the_penalty_shrinks_the_slopes_to_nothing():
    X, y, w = sample(1)
    free, far = weighted_ridge(X, y, w, 2.0), weighted_ridge(X, y + 100, w, 2.0)
    bound = fit_error(X, y + 100, w, 2.0)
    np.testing.assert_allclose(free.coefficients, far.coefficients, rtol=0, atol=bound)
    assert far.intercept == pytest.approx(free.intercept + 100, rel=0, abs=bound)
    flat = weighted_ridge(X, y, w, 1e12)
    np.testing.assert_allclose(flat.coefficients, 0, rtol=0, atol=1e-10)
    assert flat.intercept == pytest.approx(np.average(y, weights=w), rel=0, abs=1e-10)


def test_a_sample_without_weight_counts_for_nothing():
    X, y, w = sample(2)
    w[3] = 0
    y_other = y.copy()
    y_other[3] = 50.0
    one, other = weighted_ridge(X, y, w), weighted_ridge(X, y_other, w)
    bound = fit_error(X, y_other, w, 0)
    np.testing.assert_allclose(one.coefficients, other.coefficients, rtol=0, atol=bound)
    assert one.r2 == pytest.approx(other.r2, rel=0, abs=bound)
    assert one.effective_samples == pytest.approx(other.effective_samples, abs=0)


# Held out


def left_out_r2(X, y, w, ridge) -> float:
    """Refit without each sample in turn."""
    missed, mean_missed = 0.0, 0.0
    for i in range(len(X)):
        rest = np.arange(len(X)) != i
        fit = weighted_ridge(X[rest], y[rest], w[rest], ridge)
        missed += w[i] * (y[i] - fit.intercept - fit.coefficients @ X[i]) ** 2
        mean_missed += w[i] * (y[i] - np.average(y[rest], weights=w[rest])) ** 2
    return 1 - missed / mean_missed


@pytest.mark.parametrize("ridge", [0.0, 0.7])
@pytest.mark.parametrize("seed", range(5))
def test_r2_is_what_leaving_out_each_sample_in_turn_gives(seed, ridge):
    X, y, w = sample(seed, n=9)
    got = weighted_ridge(X, y, w, ridge).r2
    want = left_out_r2(X, y, w, ridge)
    # A residual is divided by 1 - h, which loses its inverse in digits; squared twice.
    A = np.sqrt(w)[:, None] * np.column_stack([np.ones(9), X])
    h = np.einsum("ij,ij->i", A @ np.linalg.pinv(A.T @ A), A)
    bound = fit_error(X, y, w, ridge) / (1 - h.max()) ** 2 * (1 + abs(want))
    assert got == pytest.approx(want, rel=0, abs=bound)


def _naive_r2(X, y, w) -> float:
    fit = weighted_ridge(X, y, w)
    residual = y - fit.intercept - X @ fit.coefficients
    return float(1 - w @ residual**2 / (w @ (y - np.average(y, weights=w)) ** 2))


def test_noise_looks_explained_on_the_fitting_samples_and_not_on_the_others():
    X, y, w = sample(3, n=8, d=6)
    assert _naive_r2(X, y, w) > 0.8
    assert weighted_ridge(X, y, w).r2 < 0


def test_a_constant_is_explained_and_what_cannot_be_left_out_is_not_a_number():
    X, _, w = sample(4)
    flat = weighted_ridge(X, np.full(12, 0.1), w)
    assert flat.r2 == 1
    np.testing.assert_allclose(flat.coefficients, 0, rtol=0, atol=rounding(50, 0.1))
    assert np.isnan(weighted_ridge(X[:4], [1.0, 2, 4, 8], w[:4]).r2)


def test_effective_samples_are_kishs():
    X, y, _ = sample(5)
    w = np.array([1.0, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 1])
    left = weighted_ridge(X, y, w).effective_samples
    assert left == pytest.approx(11**2 / 31, rel=20 * EPS, abs=0)
    even = weighted_ridge(X, y, np.full(12, 7.0)).effective_samples
    assert even == pytest.approx(12, rel=20 * EPS, abs=0)


@pytest.mark.parametrize("size", [1e-170, 1e170])
def test_the_fit_follows_the_scale_of_inputs_scores_and_weights(size):
    X, y, w = sample(6)
    plain = weighted_ridge(X, y, w)
    bound = fit_error(X, y, w, 0)
    for fit, factor in (
        (weighted_ridge(X, size * y, w), size),
        (weighted_ridge(size * X, y, w), 1 / size),
        (weighted_ridge(X, y, size * w), 1.0),
        (weighted_ridge(X, y, size * (1e138 if size > 1 else 1e-130) * w), 1.0),
    ):
        np.testing.assert_allclose(
            fit.coefficients / factor, plain.coefficients, rtol=0, atol=bound
        )
        assert fit.r2 == pytest.approx(plain.r2, rel=0, abs=bound * 100)


# LIME


def curved(X):
    return np.sin(X[:, 0]) + X[:, 0] * X[:, 1] - 0.5 * X[:, 2] ** 3


def test_a_linear_model_is_recovered_with_any_kernel_and_scale():
    slopes = np.array([1.0, -2, 0, 0.5])
    for width in (None, 1.0, 3.0, 1e200):
        for scale in (0.01, 1.0, np.array([1.0, 2, 3, 0.1])):
            fit = lime(
                lambda X: X @ slopes + 7,
                [1.0, 2, 3, 4],
                scale=scale,
                width=width,
                samples=200,
                rng=np.random.default_rng(0),
            )
            # 200 x 6 operations on scores below 20, condition below 10, divided by the scale.
            bound = rounding(1200 * 10, 20) / np.min(scale)
            np.testing.assert_allclose(fit.coefficients, slopes, rtol=0, atol=bound)
            assert fit.intercept == pytest.approx(6, rel=0, abs=bound)
            assert fit.r2 == pytest.approx(1, rel=0, abs=1e-12)


def test_lime_is_the_weighted_ridge_of_its_draws():
    x, scale = np.array([0.3, -1, 2]), np.array([0.5, 1, 2])
    fit = lime(
        curved,
        x,
        scale=scale,
        width=1.5,
        samples=50,
        ridge=0.3,
        rng=np.random.default_rng(1),
    )
    z = np.random.default_rng(1).standard_normal((50, 3))
    w = np.exp(-(z**2).sum(axis=1) / (2 * 1.5**2))
    want = weighted_ridge(z, curved(x + scale * z), w, 0.3)
    bound = fit_error(z, curved(x + scale * z), w, 0.3)
    np.testing.assert_allclose(
        fit.coefficients, want.coefficients / scale, rtol=0, atol=2 * bound
    )
    assert fit.intercept == pytest.approx(want.intercept, rel=0, abs=bound)
    assert fit.r2 == pytest.approx(want.r2, rel=0, abs=100 * bound)
    assert fit.effective_samples == pytest.approx(
        w.sum() ** 2 / (w @ w), rel=rounding(200, 1), abs=0
    )


def test_units_of_a_feature_change_its_coefficient_and_nothing_else():
    x, unit = np.array([0.3, -1, 2]), np.array([1.0, 100, 0.01])
    one = lime(curved, x, scale=1.0, width=2.0, ridge=1.0, rng=np.random.default_rng(2))
    other = lime(
        lambda X: curved(X / unit),
        x * unit,
        scale=unit,
        width=2.0,
        ridge=1.0,
        rng=np.random.default_rng(2),
    )
    np.testing.assert_allclose(
        other.coefficients * unit, one.coefficients, rtol=0, atol=1e-9
    )
    assert other.r2 == pytest.approx(one.r2, rel=0, abs=1e-9)


@pytest.mark.parametrize("nearby", [False, True])
def test_the_limit_is_the_mean_gradient_under_the_narrower_gaussian(nearby):
    # The mean of 3 t^2 for t ~ N(x, v) is 3 (x^2 + v); v = s^2 w^2 / (1 + w^2).
    x, s, w = 0.5, 0.8, 1.5
    v = s**2 * w**2 / (1 + w**2)
    told = []
    for seed in range(20):
        fit = lime(
            lambda X: X[:, 0] ** 3,
            [x],
            scale=np.sqrt(v) if nearby else s,
            width=None if nearby else w,
            samples=5000,
            rng=np.random.default_rng(seed),
        )
        told.append(fit.coefficients[0])
    error = np.std(told, ddof=1) / np.sqrt(len(told))
    assert abs(np.mean(told) - 3 * (x**2 + v)) < 5 * error
    for wrong in (s**2, w**2, s**2 * w**2 / (s**2 + w**2)):
        assert abs(np.mean(told) - 3 * (x**2 + wrong)) > 5 * error


def test_it_refuses_to_speak_for_fewer_effective_draws_than_unknowns():
    def call(width):
        return lime(
            lambda X: X.sum(axis=1),
            np.zeros(30),
            scale=1.0,
            width=width,
            samples=1000,
            rng=np.random.default_rng(0),
        )

    assert call(1.5).effective_samples > 31
    with pytest.raises(ValueError, match="at least d \\+ 1 = 31 effective samples"):
        call(0.5)
    # Every weight underflows here, and the refusal is the same.
    with pytest.raises(ValueError, match="effective samples, got 1 of"):
        call(1e-170)


def test_the_same_generator_gives_the_same_bits_and_nothing_global_moves():
    x = np.array([0.3, -1.0, 2.0])
    x.flags.writeable = False
    np.random.seed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    one, two = (
        lime(curved, x, scale=1.0, width=2.0, rng=np.random.default_rng(3))
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.coefficients, two.coefficients)
    assert one[1:] == two[1:]
    assert one.coefficients.dtype == np.float64
    assert (np.random.get_state()[1] == before[0]).all()
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_torch_model_behind_the_black_box_comes_back_as_it_was():
    model = nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2)
    ).double()
    score = class_score(model.train(), 1)

    def f(X):
        return score(torch.from_numpy(X)).detach().numpy()

    rng = np.random.default_rng(0)
    with untouched(model):
        lime(f, np.zeros(3), scale=1.0, width=2.0, rng=rng)
    with untouched(model), pytest.raises(ValueError, match="f must treat rows apart"):
        lime(lambda X: f(X) + X.mean(), np.zeros(3), scale=1.0, width=2.0, rng=rng)


# The effective share


@pytest.mark.parametrize("width", [0.3, 1.0, 2.5])
def test_the_share_is_the_quotient_of_the_kernels_moments(width):
    def moment(power):
        def inner(t):
            return np.exp(-power * t**2 / 2 / width**2 - t**2 / 2) / np.sqrt(2 * np.pi)

        return quad(inner, -12, 12, points=[0], epsabs=1e-13, epsrel=1e-13)[0]

    for d in (1, 2, 7):
        want = (moment(1) ** 2 / moment(2)) ** d
        # Two integrals to 1e-13, d-fold.
        assert effective_share(d, width) == pytest.approx(want, rel=1e-11, abs=0)


def test_the_share_is_the_published_form_and_holds_at_the_edges():
    w = np.array([0.2, 0.75, 1.0, 3.0])
    a = 1 / w**2
    np.testing.assert_allclose(
        effective_share(30, w), ((1 + 2 * a) / (1 + a) ** 2) ** 15, rtol=1e-12
    )
    # For a narrow kernel 2 w^2 to the power d / 2, for a wide one 1 - d / (2 w^4).
    assert effective_share(2, 1e-100) == pytest.approx(2e-200, rel=10 * EPS, abs=0)
    assert effective_share(30, 1e170) == 1
    assert (np.diff(effective_share(30, np.geomspace(0.01, 100, 200))) >= 0).all()


def test_the_share_is_what_draws_leave():
    z = np.random.default_rng(0).standard_normal((200_000, 6))
    w = np.exp(-(z**2).sum(axis=1) / 2 / 1.2**2)
    # Both means are over 200 000 draws; their relative spread is below 0.5 percent each.
    seen = w.sum() ** 2 / (w @ w) / len(w)
    assert effective_share(6, 1.2) == pytest.approx(seen, rel=0.03, abs=0)


# Bad input


@pytest.mark.parametrize(("bad", "error"), TABLES)
def test_no_table_is_refused(bad, error):
    if getattr(bad, "shape", None) == (1, 3):
        return  # one row is a table here
    with pytest.raises(error, match="X must"):
        weighted_ridge(bad, np.zeros(9), np.ones(9))


def explain(f=curved, x=(0.0, 0.0, 0.0), **changed):
    given = {"scale": 1.0, "width": 2.0, "rng": np.random.default_rng(0)}
    return lime(f, x, **(given | changed))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: explain(x=[]), ValueError, "x must have at least one"),
        (lambda: explain(x=[[0.0, 1]]), ValueError, "x must have shape"),
        (lambda: explain(x=[0.0, np.nan, 1]), ValueError, "x must be finite"),
        (lambda: explain(x=[2e300] * 3), ValueError, "x and scale must stay"),
        (lambda: explain(scale=0.0), ValueError, "scale must be positive"),
        (lambda: explain(scale=[1.0, 2.0]), ValueError, "scale must be positive"),
        (lambda: explain(scale=[1.0, -2, 1]), ValueError, "scale must be positive"),
        (lambda: explain(scale="wide"), TypeError, "scale must hold real"),
        (lambda: explain(width=0), ValueError, "width must lie in"),
        (lambda: explain(width=np.inf), ValueError, "width must be finite"),
        (lambda: explain(width="wide"), TypeError, "width must hold real"),
        (lambda: explain(samples=4), ValueError, "samples must be at least 5"),
        (lambda: explain(samples=10.0), TypeError, "samples must be an integer"),
        (lambda: explain(ridge=-1), ValueError, "ridge must lie in"),
        (lambda: explain(rng=0), TypeError, "rng must be a numpy.random.Generator"),
        (lambda: explain(f=lambda X: X), ValueError, "f\\(X\\) must have shape"),
        (lambda: explain(f=lambda X: X[:, 0] * np.nan), ValueError, "f\\(X\\) must be"),
        (lambda: explain(f=lambda X: ["a"] * len(X)), TypeError, "f\\(X\\) must hold"),
        (lambda: explain(f=lambda X: X[:, 0] - X.mean()), ValueError, "rows apart"),
        (lambda: effective_share(0, 1.0), ValueError, "d must be at least 1"),
        (lambda: effective_share(3, [1.0, 0.0]), ValueError, "width must be positive"),
        (lambda: effective_share(3, np.nan), ValueError, "width must be finite"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("y", "weights", "ridge", "message"),
    [
        ([1.0, 2], [1.0, 1, 1], 0.0, "y must have shape"),
        ([1.0, 2, np.inf], [1.0, 1, 1], 0.0, "y must be finite"),
        ([1.0, 2, 1e305], [1.0, 1, 1], 0.0, "y must stay below"),
        ([1.0, 2, 3], [1.0, 1], 0.0, "weights must have shape"),
        ([1.0, 2, 3], [1.0, 1, -1], 0.0, "weights must not be negative"),
        ([1.0, 2, 3], [0.0, 0, 0], 0.0, "weights must not be negative, nor all 0"),
        ([1.0, 2, 3], [1.0, 0, 0], 0.0, "the weighted rank is 1"),
        ([1.0, 2, 3], [1.0, 1, 1], -1.0, "ridge must lie in"),
    ],
)
def test_bad_samples_are_named(y, weights, ridge, message):
    with pytest.raises(ValueError, match=message):
        weighted_ridge([[0.0], [1.0], [2.0]], y, weights, ridge)


def test_a_penalty_closes_what_the_samples_leave_open_and_overflow_is_refused():
    fit = weighted_ridge(
        [[0.0, 0], [1, 1], [2, 2], [3, 3]], [0.0, 1, 2, 3], [1.0] * 4, 1e-3
    )
    assert fit.coefficients[0] == pytest.approx(fit.coefficients[1], rel=1e-9, abs=0)
    one = weighted_ridge([[0.0], [1.0], [2.0]], [0.0, 1, 2], [1.0, 0, 0], 1.0)
    assert one.coefficients[0] == 0
    assert np.isnan(one.r2)
    with pytest.raises(ValueError, match="weighted rank is 2"):
        weighted_ridge([[0.0, 0], [1, 1], [2, 2]], [0.0, 1, 2], [1.0] * 3)
    with pytest.raises(ValueError, match="below 1e300"):
        weighted_ridge([[0.0], [1e299], [2e299]], [0.0, 1, 2], [1e200] * 3)
