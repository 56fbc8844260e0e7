"""The properties that make `companion.safety.robust_optimization` correct."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog, minimize

from companion.safety.robust_optimization import (
    robust_least_squares,
    robust_linear_program,
    worst_coefficients,
    worst_perturbation,
)
from tests.rounding import EPS, rounding

quick = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 10**6)
# HiGHS stops at violations of 1e-10 in scaled numbers; a thousand of them is ours.
SOLVER = 1e-7

# The drug-production problem: raw I, raw II (kg), drug I, drug II (1000 packs).
COST = np.array([100, 199.9, -5500, -6100])
ROWS = np.array(
    [
        [-0.01, -0.02, 0.5, 0.6],
        [1, 1, 0, 0],
        [0, 0, 90, 100],
        [0, 0, 40, 50],
        [100, 199.9, 700, 800],
    ]
)
LIMIT = np.array([0.0, 1000, 2000, 800, 100_000])
ERROR = np.zeros((5, 4))
ERROR[0, :2] = 0.01 * 0.005, 0.02 * 0.02


def random_program(seed: int, m: int = 4, n: int = 3) -> dict:
    """Feasible at zero, bounded by a box of certain rows, signs of the variables mixed."""
    rng = np.random.default_rng(seed)
    A = np.vstack([rng.normal(size=(m, n)), np.eye(n), -np.eye(n)])
    D = np.vstack([np.abs(rng.normal(size=(m, n))), np.zeros((2 * n, n))])
    D[rng.random(D.shape) < 0.2] = 0
    return {
        "c": rng.normal(size=n),
        "A": A,
        "b": np.concatenate([rng.random(m), np.full(2 * n, 10.0)]),
        "deviation": D,
        "nonnegative": rng.random(n) < 0.4,
    }


def vertices(D: np.ndarray, budget: int) -> np.ndarray:
    """Every way in which at most `budget` entries of one row go all the way, up or down."""
    signs = itertools.product([-1, 0, 1], repeat=D.size)
    return np.array([s for s in signs if np.abs(s).sum() <= budget]) * D


def enumerated(case: dict, budget: int) -> float:
    """The program with one row for every vertex of every row's set."""
    rows = [
        a + vertices(d, budget)
        for a, d in zip(case["A"], case["deviation"], strict=True)
    ]
    b = np.repeat(case["b"], [len(row) for row in rows])
    bounds = [(0 if s else None, None) for s in case["nonnegative"]]
    done = linprog(case["c"], np.vstack(rows), b, bounds=bounds)
    assert done.status == 0
    return done.fun


# Linear programs


def test_the_published_drug_production_plans():
    nominal = robust_linear_program(COST, ROWS, LIMIT)
    robust = robust_linear_program(COST, ROWS, LIMIT, ERROR)
    assert -nominal.value == pytest.approx(8819.658, abs=5e-4)
    assert nominal.x == pytest.approx([0, 438.789, 17.552, 0], abs=6e-4)
    assert -robust.value == pytest.approx(8294.567, abs=5e-4)
    assert robust.x == pytest.approx([877.7319, 0, 17.4669, 0], abs=6e-5)


def test_without_negative_variables_the_box_is_its_pessimistic_corner():
    corner = robust_linear_program(COST, ROWS + ERROR, LIMIT)
    robust = robust_linear_program(COST, ROWS, LIMIT, ERROR)
    assert robust.value == pytest.approx(corner.value, abs=1e4 * SOLVER)


def test_with_both_signs_the_bad_corner_depends_on_the_plan():
    # Maximise x - 3 y below x - y <= 1, each coefficient off by 1/2, |x|, |y| <= 10:
    # for x >= 0 >= y the worst row is 1.5 x - 1.5 y, for y >= 0 it is 1.5 x - 0.5 y.
    A = np.vstack([[1.0, -1.0], np.eye(2), -np.eye(2)])
    D = np.vstack([[0.5, 0.5], np.zeros((4, 2))])
    limit = [1.0, 10, 10, 10, 10]
    for c, expected in (([-1.0, 3.0], -2.0), ([-1.0, -0.1], -5.0)):
        robust = robust_linear_program(c, A, limit, D, nonnegative=False)
        assert robust.value == pytest.approx(expected, abs=SOLVER)
    # (0, -2/3) costs -2; (4, 10) costs -5: 1.5 * 4 - 0.5 * 10 = 1
    fixed = A + D * np.array([1.0, -1.0])  # right for the first plan only
    wrong = robust_linear_program([-1.0, -0.1], fixed, limit, nonnegative=False)
    assert wrong.value < -9  # it promises what the set does not allow


@pytest.mark.parametrize("budget", [0, 1, 2, 3])
@quick
@given(seed=seeds)
def test_a_whole_budget_equals_the_enumeration_of_all_vertices(budget, seed):
    case = random_program(seed)
    plan = robust_linear_program(**case, budget=budget)
    # HiGHS' own default tolerance in the enumeration is 1e-7 in numbers up to 10.
    assert plan.value == pytest.approx(enumerated(case, budget), abs=1e-5)


@quick
@given(seed=seeds)
def test_budget_zero_is_the_nominal_program_and_n_is_the_box(seed):
    case = random_program(seed)
    nominal = robust_linear_program(**{**case, "deviation": 0.0})
    trusting = robust_linear_program(**case, budget=0)
    box = robust_linear_program(**case)
    full = robust_linear_program(**case, budget=3)
    almost = robust_linear_program(**case, budget=3 - 1e-9)  # the other branch
    assert trusting.value == pytest.approx(nominal.value, abs=100 * SOLVER)
    assert full.value == pytest.approx(box.value, abs=100 * SOLVER)
    assert almost.value == pytest.approx(box.value, abs=100 * SOLVER)


@quick
@given(seed=seeds, budget=st.floats(0, 3))
def test_the_plan_keeps_every_constraint_at_every_vertex(seed, budget):
    case = random_program(seed)
    plan = robust_linear_program(**case, budget=budget)
    for a, d, b in zip(case["A"], case["deviation"], case["b"], strict=True):
        worst = max((a + v) @ plan.x for v in vertices(d, int(budget)))
        assert worst <= b + 100 * SOLVER


@quick
@given(seed=seeds, budget=st.floats(0, 3))
def test_slack_is_what_the_worst_case_leaves_and_prices_prove_the_optimum(seed, budget):
    case = random_program(seed)
    plan = robust_linear_program(**case, budget=budget)
    for a, d, b, slack in zip(
        case["A"], case["deviation"], case["b"], plan.slack, strict=True
    ):
        size = np.sort(d * np.abs(plan.x))[::-1]
        share = np.clip(budget - np.arange(3), 0, 1)
        expected = b - a @ plan.x - share @ size
        scale = b + (np.abs(a) + d) @ np.abs(plan.x)
        assert abs(slack - expected) <= rounding(10, scale)
    assert (plan.slack >= -100 * SOLVER).all()
    assert (plan.price >= -SOLVER).all()
    assert plan.value == pytest.approx(-plan.price @ case["b"], abs=100 * SOLVER)
    assert plan.price * plan.slack == pytest.approx(0, abs=1000 * SOLVER)


def test_the_value_grows_with_the_budget():
    case = random_program(3)
    values = [
        robust_linear_program(**case, budget=g).value for g in np.linspace(0, 3, 13)
    ]
    assert (np.diff(values) >= -100 * SOLVER).all()
    assert values[-1] > values[0] + 0.01


def test_each_row_has_a_budget_of_its_own():
    A, D = np.eye(2), np.eye(2)
    plan = robust_linear_program([-1, -1], A, [1, 1], D, budget=[0, 0.5])
    # x <= 1 and y + 0.5 y <= 1
    assert plan.x == pytest.approx([1, 2 / 3], abs=SOLVER)


def test_a_price_is_what_one_more_unit_of_a_limit_is_worth():
    plan = robust_linear_program(COST, ROWS, LIMIT, ERROR)
    more = robust_linear_program(COST, ROWS, LIMIT + np.eye(5)[4], ERROR)
    assert plan.price[4] == pytest.approx(plan.value - more.value, abs=1e4 * SOLVER)
    assert plan.price[4] > 0.08


@pytest.mark.parametrize("unit", [1e-170, 1e-9, 1e9, 1e150])
def test_other_units_only_rescale(unit):
    base = robust_linear_program(COST, ROWS, LIMIT, ERROR)
    rows = robust_linear_program(COST, ROWS * unit, LIMIT * unit, ERROR * unit)
    assert rows.x == pytest.approx(base.x, rel=SOLVER, abs=1000 * SOLVER)
    costs = robust_linear_program(COST * unit, ROWS, LIMIT, ERROR)
    assert costs.value / unit == pytest.approx(base.value, rel=SOLVER, abs=0)
    columns = robust_linear_program(COST / unit, ROWS / unit, LIMIT, ERROR / unit)
    assert columns.value == pytest.approx(base.value, rel=SOLVER, abs=0)
    limits = robust_linear_program(COST, ROWS, LIMIT * unit, ERROR)
    assert limits.value / unit == pytest.approx(base.value, rel=SOLVER, abs=0)


def test_one_column_in_milligrams_changes_nothing():
    unit = np.array([1e-6, 1.0, 1.0, 1e6])
    base = robust_linear_program(COST, ROWS, LIMIT, ERROR)
    plan = robust_linear_program(COST * unit, ROWS * unit, LIMIT, ERROR * unit)
    assert plan.x * unit == pytest.approx(base.x, rel=SOLVER, abs=1000 * SOLVER)


def test_the_published_portfolio_diversifies_under_a_budget_and_not_under_a_box():
    # Bertsimas and Sim (2004), section 6.2; the box in closed form.
    i = np.arange(1, 151)
    p, s = 1.15 + i * 0.05 / 150, 0.05 / 450 * np.sqrt(2 * i * 150 * 151)
    A = np.vstack([np.append(-p, 1), np.append(np.ones(150), 0)])
    D = np.vstack([np.append(s, 0), np.zeros(151)])
    stock, c = np.arange(151) < 150, -np.eye(151)[150]
    box = robust_linear_program(c, A, [0, 1], D, nonnegative=stock)
    assert -box.value == pytest.approx((p - s).max(), abs=SOLVER)
    assert (box.x[:150] > 1e-6).sum() == 1
    some = robust_linear_program(c, A, [0, 1], D, budget=[5, 0], nonnegative=stock)
    assert (some.x[:150] > 1e-6).sum() > 50
    assert -some.value > -box.value + 0.04


@pytest.mark.parametrize("budget", range(5))
def test_the_worst_coefficients_are_the_worst_of_all_vertices(budget):
    rng = np.random.default_rng(budget)
    A, D, x = rng.normal(size=(1, 4)), rng.random((1, 4)), rng.normal(size=4)
    worst = worst_coefficients(x, A, D, budget)
    best = max((A[0] + v) @ x for v in vertices(D[0], budget))
    assert worst[0] @ x == pytest.approx(best, abs=rounding(8, 10))
    assert (np.abs(worst - A) <= D + 4 * EPS).all()


def test_a_fraction_of_a_budget_goes_to_the_next_largest():
    worst = worst_coefficients([1, -3, 2], [[0, 0, 0]], [[1, 1, 1]], budget=1.25)
    assert worst.tolist() == [[0.0, -1.0, 0.25]]
    beyond = worst_coefficients([1, -3, 0], [[0, 0, 0]], [[1, 1, 1]], budget=99)
    assert beyond.tolist() == [[1.0, -1.0, 0.0]]


# Programs without a plan


def test_what_is_infeasible_is_told_apart_from_what_is_unbounded():
    with pytest.raises(ValueError, match=r"infeasible.*nominal ones it is infeasible"):
        robust_linear_program([1.0], [[1.0]], [-1.0])
    with pytest.raises(ValueError, match=r"infeasible.*nominal ones it is feasible"):
        # 1 <= x <= 1 for certain, and not if either one may be off
        robust_linear_program([1.0], [[1.0], [-1.0]], [1.0, -1.0], 0.1)
    with pytest.raises(ValueError, match="unbounded"):
        robust_linear_program([-1.0], [[-1.0]], [1.0])
    with pytest.raises(ValueError, match="unbounded"):
        robust_linear_program([1.0, 0], [[0.0, 1.0]], [1.0], 0.1, nonnegative=False)


def test_an_infeasible_program_with_costs_without_limit_is_infeasible():
    A = np.array([[1.0, 0], [-1.0, 0]])
    with pytest.raises(ValueError, match="infeasible"):
        robust_linear_program([0.0, -1.0], A, [-1.0, -1.0], 0.1, nonnegative=False)


def test_numbers_too_far_apart_for_the_solver_are_refused():
    # HiGHS takes what is below 1e-9 of its neighbours for zero: y <= 1e11 is lost.
    A = np.array([[1.0, 1e-14], [0.0, 1.0]])
    alone = robust_linear_program([0.0, -1.0], A[:1], [1e-3])
    assert alone.value == pytest.approx(-1e11, rel=SOLVER, abs=0)
    with pytest.raises(ValueError, match="lie too far apart"):
        robust_linear_program([0.0, -1.0], A, [1e-3, 1e15])


# Least squares


def draw(seed: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=n)


@pytest.mark.parametrize("shape", [(20, 5), (5, 5), (5, 20), (1, 1), (7, 1)])
@quick
@given(seed=seeds, radius=st.floats(0, 6))
def test_the_lower_bound_of_the_dual_meets_the_value(shape, seed, radius):
    X, y = draw(seed, *shape)
    fit = robust_least_squares(X, y, radius)
    # About 400 operations on numbers below 100; a nearly singular X leaves w long.
    scale = 100 + radius * np.linalg.norm(fit.w)
    assert fit.bound <= fit.value + rounding(400, scale)
    assert fit.value - fit.bound <= 1e-9 * max(1.0, fit.value)


@quick
@given(seed=seeds, radius=st.floats(0.01, 6))
def test_no_coefficients_nearby_do_better(seed, radius):
    X, y = draw(seed, 12, 4)
    fit = robust_least_squares(X, y, radius)
    rng = np.random.default_rng(seed)
    for step in (1e-3, 1e-1, 1.0):
        w = fit.w + step * rng.normal(size=(20, 4))
        other = np.linalg.norm(w @ X.T - y, axis=1) + radius * np.linalg.norm(w, axis=1)
        assert (other >= fit.value - rounding(50, 100)).all()


@pytest.mark.parametrize("shape", [(12, 4), (4, 12)])
@quick
@given(seed=seeds, radius=st.floats(0, 6))
def test_the_worst_perturbation_attains_the_value_and_no_random_one_exceeds_it(
    shape, seed, radius
):
    X, y = draw(seed, *shape)
    fit = robust_least_squares(X, y, radius)
    worst = worst_perturbation(fit.w, X, y, radius)
    scale = 10 + fit.value
    reached = np.linalg.norm((X + worst) @ fit.w - y)
    assert reached == pytest.approx(fit.value, abs=rounding(200, scale))
    if fit.w.any():
        assert np.linalg.norm(worst) == pytest.approx(radius, abs=rounding(50, 10))
    noise = np.random.default_rng(seed).normal(size=(50, *shape))
    noise *= radius / np.linalg.norm(noise, axis=(1, 2), keepdims=True)
    random = np.linalg.norm((X + noise) @ fit.w - y, axis=1)
    assert (random <= fit.value + rounding(200, scale)).all()


@quick
@given(seed=seeds, radius=st.floats(0.05, 0.8))
def test_it_is_ridge_regression_with_its_own_penalty(seed, radius):
    X, y = draw(seed, 20, 5)
    fit = robust_least_squares(X, y, radius)
    if not fit.w.any():
        return
    ridge = np.linalg.solve(X.T @ X + fit.ridge * np.eye(5), X.T @ y)
    # The normal equations square the condition, below 1e4 for these matrices.
    assert fit.w == pytest.approx(ridge, abs=rounding(100, 1e4))
    penalty = radius * np.linalg.norm(X @ fit.w - y) / np.linalg.norm(fit.w)
    assert fit.ridge == pytest.approx(penalty, rel=1e-9, abs=0)


def test_a_generic_minimiser_finds_the_same_value():
    X, y = draw(1, 20, 5)
    fit = robust_least_squares(X, y, 0.5)
    done = minimize(
        lambda w: np.linalg.norm(X @ w - y) + 0.5 * np.linalg.norm(w), fit.w + 0.1
    )
    assert fit.value <= done.fun + rounding(100, 10)
    assert fit.value == pytest.approx(done.fun, abs=1e-6)


@pytest.mark.parametrize("shape", [(20, 5), (5, 20)])
def test_radius_zero_is_least_squares_and_a_large_one_gives_up(shape):
    X, y = draw(2, *shape)
    plain = robust_least_squares(X, y, 0.0)
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    assert plain.w == pytest.approx(expected, abs=rounding(1000, 10))
    assert plain.ridge == 0
    limit = np.linalg.norm(X.T @ y) / np.linalg.norm(y)
    above = robust_least_squares(X, y, limit * 1.001)
    assert (above.w == 0).all()
    assert above.ridge == np.inf
    assert above.value == pytest.approx(np.linalg.norm(y), abs=rounding(30, 10))
    assert robust_least_squares(X, y, limit * 0.999).w.any()


def test_with_more_columns_than_rows_a_small_radius_keeps_the_shortest_interpolant():
    X, y = draw(3, 5, 20)
    inverse = np.linalg.pinv(X)
    w = inverse @ y
    limit = np.linalg.norm(w) / np.linalg.norm(inverse.T @ w)
    inside = robust_least_squares(X, y, 0.999 * limit)
    assert inside.w == pytest.approx(w, abs=rounding(1000, 10))
    assert inside.ridge == 0
    assert robust_least_squares(X, y, 1.001 * limit).ridge > 0


def test_equal_and_useless_columns_are_shared_and_left_alone():
    column = np.array([[1.0], [2.0], [3.0]])
    X = np.hstack([column, column, 0 * column])
    fit = robust_least_squares(X, [1.0, 1.0, 2.0], 0.5)
    assert fit.w[0] == pytest.approx(fit.w[1], abs=rounding(20, 1))
    assert fit.w[2] == pytest.approx(0, abs=rounding(20, 1))
    nothing = robust_least_squares(0 * X, [1.0, 1.0, 2.0], 0.5)
    assert (nothing.w == 0).all()
    assert nothing.bound == pytest.approx(np.sqrt(6), abs=rounding(20, 3))
    assert nothing.value == pytest.approx(np.sqrt(6), abs=rounding(20, 3))


@pytest.mark.parametrize("unit", [1e-170, 1e-3, 1e150])
def test_other_units_of_data_and_targets_only_rescale_the_fit(unit):
    X, y = draw(4, 20, 5)
    base = robust_least_squares(X, y, 0.4)
    assert base.w.any()
    data = robust_least_squares(X * unit, y, 0.4 * unit)
    assert data.w * unit == pytest.approx(base.w, rel=rounding(1000, 1), abs=0)
    targets = robust_least_squares(X, y * unit, 0.4)
    assert targets.w / unit == pytest.approx(base.w, rel=rounding(1000, 1), abs=0)
    assert data.value == pytest.approx(base.value, rel=1e-12, abs=0)
    assert targets.value / unit == pytest.approx(base.value, rel=1e-12, abs=0)
    assert targets.bound / unit == pytest.approx(base.bound, rel=1e-9, abs=0)
    assert targets.ridge == pytest.approx(base.ridge, rel=1e-9, abs=0)


def test_the_worst_perturbation_of_nothing_is_nothing():
    X, y = draw(5, 4, 3)
    assert (worst_perturbation(np.zeros(3), X, y, 1.0) == 0).all()
    exact = worst_perturbation([1.0], [[2.0], [3.0]], [2.0, 3.0], 0.5)
    assert exact.tolist() == [[0.5], [0.0]]
    tiny = worst_perturbation([1e-200], [[0.0]], [1e-200], 2.0)
    assert tiny.tolist() == [[-2.0]]


# What callers passed, and bad input


def test_nothing_that_was_passed_is_changed():
    arrays = [COST.copy(), ROWS.copy(), LIMIT.copy(), ERROR.copy()]
    for array in arrays:
        array.flags.writeable = False
    robust_linear_program(*arrays, budget=1)
    X, y = draw(0, 6, 2)
    X.flags.writeable = y.flags.writeable = False
    robust_least_squares(X, y, 1.0)
    worst_perturbation(np.ones(2), X, y, 1.0)


def test_integers_of_every_width_are_the_same_numbers():
    A = np.array([[100, 100]], dtype=np.int8)
    plan = robust_linear_program([-1, -1], A, [100], np.array([[100, 0]], np.int8))
    assert plan.value == pytest.approx(-1.0, abs=SOLVER)
    fit = robust_least_squares(A, np.array([100], np.uint8), 1)
    assert fit.w == pytest.approx([0.5, 0.5], abs=rounding(100, 1))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: robust_linear_program([1], [[np.nan]], [1]), ValueError, "A must be"),
        (lambda: robust_linear_program([1], [1], [1]), ValueError, "A must have shape"),
        (lambda: robust_linear_program([1], "x", [1]), TypeError, "A must hold"),
        (
            lambda: robust_linear_program([1], sparse.csr_array([[1.0]]), [1]),
            TypeError,
            "A must hold",
        ),
        (
            lambda: robust_linear_program([1, 2], [[1]], [1]),
            ValueError,
            "c must have shape",
        ),
        (
            lambda: robust_linear_program([np.inf], [[1]], [1]),
            ValueError,
            "c must be finite",
        ),
        (
            lambda: robust_linear_program([1], [[1]], [1, 2]),
            ValueError,
            "b must have shape",
        ),
        (lambda: robust_linear_program([1], [[1]], None), TypeError, "b must hold"),
        (
            lambda: robust_linear_program([1], [[1]], [1], -0.1),
            ValueError,
            "deviation must not be negative",
        ),
        (
            lambda: robust_linear_program([1], [[1]], [1], [0.1]),
            ValueError,
            "deviation must have shape",
        ),
        (
            lambda: robust_linear_program([1], [[1]], [1], 0.1, budget=-1),
            ValueError,
            "budget must not be negative",
        ),
        (
            lambda: robust_linear_program([1], [[1]], [1], 0.1, budget=[1, 1]),
            ValueError,
            "budget must have shape",
        ),
        (
            lambda: robust_linear_program([1], [[1]], [1], nonnegative=1),
            TypeError,
            "nonnegative must hold booleans",
        ),
        (
            lambda: robust_linear_program([1], [[1]], [1], nonnegative=[True, True]),
            ValueError,
            "nonnegative must have shape",
        ),
        (
            lambda: worst_coefficients([1, 2], [[1]], [[1]]),
            ValueError,
            "x must have shape",
        ),
        (
            lambda: robust_least_squares([[1.0]], [1.0], -1),
            ValueError,
            "radius must lie",
        ),
        (
            lambda: robust_least_squares([[1.0]], [1.0, 2.0], 1),
            ValueError,
            "y must have",
        ),
        (
            lambda: robust_least_squares([[np.inf]], [1.0], 1),
            ValueError,
            "X must be finite",
        ),
        (
            lambda: robust_least_squares(np.zeros((0, 2)), [], 1),
            ValueError,
            "X must have at least",
        ),
        (
            lambda: robust_least_squares(torch.ones(1, 1, requires_grad=True), [1], 1),
            TypeError,
            "X must hold",
        ),
        (
            lambda: worst_perturbation([1, 2], [[1.0]], [1.0], 1),
            ValueError,
            "w must have",
        ),
        (
            lambda: worst_perturbation([1], [[1.0]], [1.0], np.nan),
            ValueError,
            "radius must",
        ),
        (
            lambda: worst_perturbation([1], [[1.0]], [1.0], True),
            TypeError,
            "radius must",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
