"""What makes a robust plan right: worst rows that are worst, and values, policies and kernels that agree.

Published numbers
-----------------
craam2 (marekpetrik/craam2, test/core_tests.hpp): test_l1_worst_case, test_randomized_mdp, test_robustification.
PRISM (prismmodelchecker/prism, prism-tests/functionality/verify/imdps): robot.prism.props,
imdp_total_reward.prism.props.  IntervalMDP.jl (Zinoex/IntervalMDP.jl, test/bellman.jl).
"""

from fractions import Fraction
from functools import partial

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog, minimize_scalar

from companion.mdp import (
    MDP,
    policy_iteration,
    policy_value,
    value_iteration,
)
from companion.problems import forest_management, river_swim, slippery_cliff
from companion.robustness.robust_planning import (
    WorstCase,
    robust_policy_value,
    robust_value_iteration,
    worst_case_interval,
    worst_case_kl,
    worst_case_l1,
)
from tests.rounding import rounding, solve_error


def band(kernel, value, radius):
    """Every probability of the support may be off by the radius: an ambiguity set of the reader's own."""
    low = np.maximum(kernel - radius[:, None], 0)
    high = np.where(kernel > 0, np.minimum(kernel + radius[:, None], 1), 0)
    return worst_case_interval(low, high, value)


# A worst row of up to 12 states: a cumulative sum, two differences, a division by the sum; all numbers at most 1.
ROW_ERROR = rounding(4 * 12, 1)
# The tilted one is exact to 64 units of precision a state.
KL_ERROR = rounding(64 * 12, 1)
anywhere_l1 = partial(worst_case_l1, support=True)
KINDS = [(worst_case_l1, 0.3), (worst_case_kl, 0.1), (band, 0.1), (anywhere_l1, 0.3)]
seeds = st.integers(0, 2**32 - 1)
examples = settings(derandomize=True, deadline=None, max_examples=60)


def random_rows(rng, rows, n, zeros=0.3):
    p = rng.dirichlet(np.full(n, 0.7), rows) * (rng.random((rows, n)) > zeros)
    p[np.arange(rows), rng.integers(n, size=rows)] += 0.1
    return p / p.sum(axis=1, keepdims=True)


def random_mdp(rng, states=6, actions=3, discount=0.9, closed=0.2):
    reward = rng.normal(size=(states, actions))
    reward[rng.random(reward.shape) < closed] = -np.inf
    reward[:, 0] = rng.normal(size=states)
    rows = random_rows(rng, states * actions, states)
    return MDP(rows.reshape(states, actions, states), reward, discount)


def relative_entropy(p, q):
    return np.where(
        p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(q > 0, q, 1)), 0
    ).sum(axis=-1)


def linear_program(p, v, radius, support):
    """Solve for p' and t >= |p' - p| with HiGHS at its tightest tolerances; support is where mass may arrive."""
    n = p.size
    eye = np.eye(n)
    answer = linprog(
        np.concatenate([v, np.zeros(n)]),
        A_ub=np.vstack(
            [
                np.hstack([eye, -eye]),
                np.hstack([-eye, -eye]),
                np.r_[np.zeros(n), np.ones(n)][None],
            ]
        ),
        b_ub=np.concatenate([p, -p, [radius]]),
        A_eq=np.r_[np.ones(n), np.zeros(n)][None],
        b_eq=[p.sum()],
        bounds=[(0, 1 if s else x) for s, x in zip(support, p, strict=True)]
        + [(0, None)] * n,
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": 1e-10,
            "dual_feasibility_tolerance": 1e-10,
        },
    )
    assert answer.status == 0
    return answer.fun


# ------------------------------------------------------------------------------------------------ worst rows


@given(
    seeds,
    st.integers(1, 12),
    st.floats(0, 2.5),
    st.sampled_from(["own", "all", "random"]),
)
@examples
def test_worst_l1_rows_equal_a_linear_program(seed, n, radius, where):
    rng = np.random.default_rng(seed)
    p, v = random_rows(rng, 3, n), rng.normal(size=n).round(int(rng.integers(0, 4)))
    support = {
        "own": p > 0,
        "all": np.ones(p.shape, bool),
        "random": rng.random(p.shape) < 0.5,
    }[where]
    answer = worst_case_l1(p, v, radius, support)
    expected = [
        linear_program(*row, radius, s)
        for row, s in zip(zip(p, [v] * 3, strict=True), support, strict=True)
    ]
    np.testing.assert_allclose(answer.value, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        (answer.kernel * v).sum(1), answer.value, rtol=0, atol=ROW_ERROR * 5
    )
    assert (np.abs(answer.kernel - p).sum(1) <= radius + ROW_ERROR).all()
    assert (answer.kernel >= 0).all()
    assert (answer.kernel <= np.where(support, 1, p) + ROW_ERROR).all()


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=7), st.integers(0, 20), st.data()
)
@examples
def test_worst_l1_value_equals_its_dual_in_exact_arithmetic(weights, tenths, data):
    """min = max over c >= 0 of sum_i P_i min(v_i, v_min + c) - radius c / 2, attained at a breakpoint."""
    weights[0] += 1
    v = data.draw(
        st.lists(st.integers(-9, 9), min_size=len(weights), max_size=len(weights))
    )
    p = [Fraction(w, sum(weights)) for w in weights]
    dual = max(
        sum(q * min(x, c) for q, x in zip(p, v, strict=True))
        - Fraction(tenths, 10) * (c - min(v)) / 2
        for c in v
    )
    answer = worst_case_l1([float(q) for q in p], v, tenths / 10, support=True)
    assert abs(float(answer.value) - float(dual)) < ROW_ERROR * 9


def test_no_mass_moves_where_nothing_gets_worse():
    """Between equally bad states nature leaves the model as it is, so absorbing rows and ties stay readable."""
    row = np.array([0.25, 0.25, 0.5])
    np.testing.assert_array_equal(worst_case_l1(row, [1, 1, 1], 1.0).kernel, row)
    kernel = worst_case_l1(row, [0, 0, 5], 0.25).kernel
    np.testing.assert_array_equal(kernel, [0.375, 0.25, 0.375])


def test_worst_l1_rows_reproduce_craam2():
    for radius, expected in ((0, 2.3), (1, 1.1), (2, 1.0)):
        assert (
            abs(
                worst_case_l1([0.4, 0.3, 0.1, 0.2], [1, 2, 5, 4], radius).value
                - expected
            )
            < ROW_ERROR * 5
        )
    for radius in (0, 0.01, 1, 2):
        assert worst_case_l1([1.0], [2.0], radius).value == 2.0


def _naive_worst_l1(p, v, radius):
    """Move the whole radius, not half of it: the L1 distance counts mass where it leaves and where it arrives."""
    return worst_case_l1(p, v, 2 * radius).value


def test_half_the_radius_moves_not_all_of_it():
    p, v = np.full(4, 0.25), np.arange(4.0)
    expected = linear_program(p, v, 0.2, p > 0)
    assert abs(worst_case_l1(p, v, 0.2).value - expected) < 1e-12
    assert abs(_naive_worst_l1(p, v, 0.2) - expected) > 0.1


@given(seeds, st.integers(2, 12), st.floats(-14, 1))
@examples
def test_worst_kl_rows_are_feasible_and_reach_the_dual_bound(seed, n, exponent):
    rng, radius = np.random.default_rng(seed), 10.0**exponent
    p, v = random_rows(rng, 4, n), rng.normal(size=n) * 10
    answer = worst_case_kl(p, v, radius)
    assert (relative_entropy(answer.kernel, p) <= radius + 1e-11).all()
    assert ((answer.kernel > 0) <= (p > 0)).all()

    def dual(log_rate, row):
        rate, cost = np.exp(log_rate), np.where(row > 0, v - v[row > 0].min(), 0)
        return (
            -(np.log1p((row * np.expm1(-rate * cost)).sum()) + radius) / rate
            + v[row > 0].min()
        )

    for row, value in zip(p, answer.value, strict=True):
        # Every rate is a lower bound, and the best one equals the value unless the worst state has all mass.
        log_rates = np.linspace(-20, 12, 129)
        best = log_rates[np.argmax([dual(x, row) for x in log_rates])]
        found = minimize_scalar(
            lambda x, row=row: -dual(x, row),
            bounds=(best - 0.25, best + 0.25),
            method="bounded",
            options={"xatol": 1e-9},
        )
        assert -found.fun <= value + 1e-9
        low = v[row > 0].min()
        if radius < -np.log(row[v == low].sum()):
            assert value + found.fun < 1e-9
        else:
            assert abs(value - low) < ROW_ERROR * abs(low)


def test_worst_kl_row_of_two_states_solves_the_scalar_equation():
    """For (1/2, 1/2) the worst q satisfies log 2 - H(q) = radius: bisected here to the last bit."""
    for radius in (1e-12, 1e-6, 1e-3, 0.1, 0.5, 0.69):
        low, high = 0.0, 0.5
        for _ in range(200):
            q = (low + high) / 2
            x = (
                1 - 2 * q
            )  # relative entropy ((1 + x) log(1 + x) + (1 - x) log(1 - x)) / 2
            entropy = (
                ((1 + x) * np.log1p(x) + (1 - x) * np.log1p(-x)) / 2
                if q > 0
                else np.log(2)
            )
            if radius < 1e-9:
                entropy = x * x / 2 + x**4 / 12  # the same without cancellation
            low, high = (q, high) if entropy > radius else (low, q)
        assert abs(worst_case_kl([0.5, 0.5], [0, 1], radius).value - q) < KL_ERROR


@pytest.mark.parametrize("radius", [1e-16, 1e-14, 1e-12])
def test_a_tiny_entropy_costs_the_root_of_twice_its_size_times_the_variance(radius):
    """Near the model relative entropy is a parabola in the tilt, and the mean falls along a straight line."""
    p, v = np.array([0.1, 0.2, 0.3, 0.4]), np.array([3.0, -1.0, 0.5, 2.0])
    spread = np.sqrt(p @ v**2 - (p @ v) ** 2)
    drop = p @ v - worst_case_kl(p, v, radius).value
    # The next term is of the order of the radius, and the difference keeps 8 digits at least.
    assert abs(drop / (np.sqrt(2 * radius) * spread) - 1) < 1e-5


def test_worst_kl_survives_rare_states_and_near_ties():
    rare = worst_case_kl([1e-12, 1 - 1e-12], [0, 1], 20.0)
    assert (
        abs(relative_entropy(rare.kernel, np.array([1e-12, 1 - 1e-12])) - 20)
        < KL_ERROR * 20
    )
    tie = worst_case_kl([0.5, 0.25, 0.25], [0, 1e-17, 1], 1.0)
    assert tie.value == 0
    with np.errstate(all="raise", under="ignore"):
        edge = worst_case_kl([0.5, 0.5], [0, 1], np.log(2) * (1 - 1e-15))
        assert 0 <= edge.value < KL_ERROR
        assert worst_case_kl([1e-300, 1.0], [0, 1], 300.0).value < 1


def test_worst_kl_rows_never_create_a_transition_and_l1_rows_may():
    p, v = [0.5, 0.5, 0.0], [1, 2, -100]
    assert worst_case_kl(p, v, 1e6).kernel[2] == 0
    assert worst_case_l1(p, v, 2.0).kernel[2] == 0
    assert worst_case_l1(p, v, 2.0, support=True).kernel[2] == 1


@given(seeds, st.integers(1, 10))
@examples
def test_worst_interval_rows_equal_a_linear_program(seed, n):
    rng = np.random.default_rng(seed)
    p, v = random_rows(rng, 1, n)[0], rng.normal(size=n).round(1)
    lower = p * rng.random(n)
    upper = p + (1 - p) * rng.random(n)
    answer = worst_case_interval(lower, upper, v)
    bounds = list(zip(lower, upper, strict=True))
    expected = linprog(
        v, A_eq=np.ones((1, n)), b_eq=[1], bounds=bounds, method="highs-ds"
    ).fun
    assert abs(answer.value - expected) < 1e-9
    assert (answer.kernel >= lower - ROW_ERROR).all()
    assert (answer.kernel <= upper + ROW_ERROR).all()


def test_worst_interval_rows_reproduce_intervalmdp():
    answer = worst_case_interval(
        [[0, 0.1, 0.2], [0.5, 0.3, 0.1]], [[0.5, 0.6, 0.7], [0.7, 0.5, 0.3]], [1, 2, 3]
    )
    np.testing.assert_allclose(
        answer.value,
        [0.5 * 1 + 0.3 * 2 + 0.2 * 3, 0.6 * 1 + 0.3 * 2 + 0.1 * 3],
        atol=ROW_ERROR * 3,
        rtol=0,
    )


@given(seeds)
@examples
def test_a_value_per_row_and_a_radius_per_row_equal_row_by_row_calls(seed):
    rng = np.random.default_rng(seed)
    p, v, radius = random_rows(rng, 6, 5), rng.normal(size=(6, 5)), rng.random(6)
    for worst in (worst_case_l1, worst_case_kl):
        together = worst(p.reshape(2, 3, 5), v.reshape(2, 3, 5), radius.reshape(2, 3))
        apart = [worst(*row) for row in zip(p, v, radius, strict=True)]
        np.testing.assert_array_equal(
            together.value.ravel(), [one.value for one in apart]
        )
        np.testing.assert_array_equal(
            together.kernel.reshape(6, 5), [one.kernel for one in apart]
        )
    interval = worst_case_interval(p * 0.5, np.minimum(1, p * 1.5), v)
    assert (np.abs(interval.kernel - p) <= 0.5 * p + ROW_ERROR).all()


@given(seeds)
@examples
def test_the_worst_value_falls_with_the_radius_from_the_mean_to_the_minimum(seed):
    rng = np.random.default_rng(seed)
    p, v = random_rows(rng, 3, 6), rng.normal(size=6)
    low = np.where(p > 0, v, np.inf).min(axis=1)
    for worst in (worst_case_l1, worst_case_kl):
        values = np.array(
            [worst(p, v, k).value for k in (0, 1e-9, 0.01, 0.1, 0.5, 1, 2, 50)]
        )
        np.testing.assert_allclose(values[0], p @ v, atol=ROW_ERROR * 5, rtol=0)
        np.testing.assert_allclose(values[-1], low, atol=ROW_ERROR * 5, rtol=0)
        assert (np.diff(values, axis=0) <= KL_ERROR * 5).all()


# --------------------------------------------------------------------------------------------- robust planning


@pytest.mark.parametrize(("kind", "radius"), KINDS)
@given(seed=seeds)
@settings(derandomize=True, deadline=None, max_examples=25)
def test_value_policy_and_worst_kernel_certify_one_another(kind, radius, seed):
    mdp = random_mdp(np.random.default_rng(seed))
    solution = robust_value_iteration(mdp, radius, kind, 1e-8)
    worst = MDP(solution.kernel, mdp.reward, mdp.discount)
    assert solution.converged
    assert (solution.upper - solution.lower).max() <= 1e-8
    # The value is what the policy earns under the kernel, the kernel is worst for it, and no policy is better.
    np.testing.assert_array_equal(solution.value, policy_value(worst, solution.policy))
    np.testing.assert_allclose(
        policy_iteration(worst).value, solution.value, atol=1e-8, rtol=0
    )
    reply = robust_policy_value(mdp, solution.policy, radius, kind, 1e-8)
    np.testing.assert_allclose(reply.value, solution.value, atol=2e-8, rtol=0)
    # Trusting the model costs in the worst case, doubting it costs in the nominal case.
    nominal = policy_iteration(mdp)
    trusting = robust_policy_value(mdp, nominal.policy, radius, kind, 1e-8)
    assert (trusting.value <= solution.value + 2e-8).all()
    assert (solution.value <= policy_value(mdp, solution.policy) + 1e-8).all()
    assert (policy_value(mdp, solution.policy) <= nominal.value + 1e-8).all()


def test_the_robust_value_equals_sweeps_with_a_linear_program_inside():
    mdp = random_mdp(
        np.random.default_rng(5), states=4, actions=2, discount=0.5, closed=0
    )
    value = np.zeros(4)
    for _ in range(45):  # 0.5 ** 45 = 3e-14
        inner = [linear_program(p, value, 0.3, p > 0) for p in mdp.rows]
        value = (mdp.reward + 0.5 * np.reshape(inner, (4, 2))).max(axis=1)
    np.testing.assert_allclose(
        robust_value_iteration(mdp, 0.3, tolerance=1e-10).value,
        value,
        atol=1e-9,
        rtol=0,
    )


@pytest.mark.parametrize("kind", [worst_case_l1, worst_case_kl, band])
def test_radius_zero_is_the_nominal_optimum(kind):
    for mdp in (
        random_mdp(np.random.default_rng(3)),
        forest_management(20),
        river_swim(12),
    ):
        robust = robust_value_iteration(mdp, 0.0, kind, 1e-9)
        nominal = policy_iteration(mdp)
        np.testing.assert_allclose(robust.value, nominal.value, atol=1e-9, rtol=0)
        np.testing.assert_array_equal(robust.policy, nominal.policy)


@pytest.mark.parametrize(("kind", "radius"), KINDS)
def test_the_robust_operator_is_monotone_and_shifts_constants_so_the_bounds_hold(
    kind, radius
):
    """Compare the certified value with thousands of plain sweeps of a separately written operator."""
    rng = np.random.default_rng(8)
    mdp = random_mdp(rng, closed=0)

    def operator(v):
        inner = kind(mdp.rows, v, np.full(len(mdp.rows), radius)).value
        return (mdp.reward + mdp.discount * inner.reshape(mdp.reward.shape)).max(axis=1)

    v, w = rng.normal(size=(2, mdp.states))
    assert (
        np.abs(operator(v) - operator(w)).max()
        <= mdp.discount * np.abs(v - w).max() + KL_ERROR * 9
    )
    assert (operator(np.maximum(v, w)) >= operator(v) - KL_ERROR * 9).all()
    np.testing.assert_allclose(
        operator(v + 7), operator(v) + mdp.discount * 7, atol=KL_ERROR * 9, rtol=0
    )
    for _ in range(400):
        v = operator(v)
    solution = robust_value_iteration(mdp, radius, kind, 1e-9)
    assert (solution.lower <= v + solve_error(mdp)).all()
    assert (v <= solution.upper + solve_error(mdp)).all()
    np.testing.assert_allclose(solution.value, v, atol=1e-9, rtol=0)


@pytest.mark.parametrize(("kind", "radius"), KINDS[:3])
def test_a_sparse_model_gives_the_same_answer_and_a_sparse_kernel(kind, radius):
    mdp = forest_management(15, discount=0.97)
    dense = MDP(mdp.rows.toarray().reshape(15, 2, 15), mdp.reward, mdp.discount)
    one, two = (robust_value_iteration(m, radius, kind, 1e-9) for m in (mdp, dense))
    np.testing.assert_allclose(one.value, two.value, atol=1e-11, rtol=0)
    assert sparse.issparse(one.kernel)
    np.testing.assert_allclose(
        one.kernel.toarray(),
        two.kernel.reshape(30, 15),
        atol=rounding(64 * 15, 1),
        rtol=0,
    )
    before = mdp.rows.toarray()
    assert (mdp.rows.toarray() == before).all()


def test_explicit_zeros_of_a_sparse_model_are_no_support_and_stay():
    rows = sparse.csr_array(
        (np.array([0.5, 0.5, 0.0, 1.0, 1.0]), [0, 1, 2, 1, 2], [0, 3, 4, 5]),
        shape=(3, 3),
    )
    mdp = MDP(rows, [[0.0], [1.0], [-9.0]], 0.9)
    assert (
        robust_value_iteration(mdp, 1.0).value[0] == 0
    )  # all mass to state 0, none to the costly state 2
    # A sparse model's nature keeps to the entries that are not zero, whatever the set allows.
    assert robust_value_iteration(mdp, 1.0, anywhere_l1).value[0] == 0
    assert mdp.rows.nnz == 5


@pytest.mark.parametrize("kind", [worst_case_l1, worst_case_kl, band])
def test_absorbing_states_keep_their_value(kind):
    mdp = MDP.from_gymnasium(gymnasium.make("FrozenLake-v1"), 0.99)
    ends = [5, 7, 11, 12, 15]
    solution = robust_value_iteration(mdp, 0.2, kind)
    # All values are at most 1.
    assert np.abs(solution.value[ends]).max() < solve_error(mdp, 1)
    np.testing.assert_array_equal(solution.kernel[ends], mdp.transition[ends])


def test_ambiguity_anywhere_makes_even_the_goal_a_bad_place():
    """Plain L1 balls let nature carry the walker out of the terminal state, for a fee that never ends."""
    mdp = MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"), 0.99)
    goal = [
        robust_value_iteration(mdp, r, anywhere_l1).value[47] for r in (0.01, 0.05, 0.2)
    ]
    np.testing.assert_allclose(goal, [-6.295, -27.814, -72.775], atol=1e-3, rtol=0)
    assert [robust_value_iteration(mdp, r).value[47] for r in (0.01, 0.05, 0.2)] == [
        0,
        0,
        0,
    ]
    # A radius per row exempts it again.
    exempt = np.full((48, 4), 0.2)
    exempt[47] = 0
    assert robust_value_iteration(mdp, exempt, anywhere_l1).value[47] == 0


def test_more_ambiguity_never_helps():
    mdp = random_mdp(np.random.default_rng(1))
    for kind, radii in (
        (worst_case_l1, [0, 0.1, 0.5, 2]),
        (worst_case_kl, [0, 0.01, 0.3, 9]),
        (band, [0, 0.05, 0.3, 1]),
    ):
        values = np.array(
            [robust_value_iteration(mdp, r, kind, 1e-9).value for r in radii]
        )
        assert (np.diff(values, axis=0) <= 1e-9).all()
        assert (np.diff(values, axis=0) < -1e-3).any()


def test_all_three_sets_agree_where_they_hold_everything():
    mdp = random_mdp(np.random.default_rng(2))
    values = [
        robust_value_iteration(mdp, r, kind, 1e-9).value
        for kind, r in ((worst_case_l1, 2), (worst_case_kl, 99), (band, 1))
    ]
    np.testing.assert_allclose(values[0], values[1], atol=1e-9, rtol=0)
    np.testing.assert_allclose(values[0], values[2], atol=1e-9, rtol=0)


def test_a_random_policy_mixes_its_actions_worst_values():
    rng = np.random.default_rng(4)
    mdp = random_mdp(rng, closed=0)
    policy = rng.dirichlet(np.ones(mdp.actions), mdp.states)
    solution = robust_policy_value(mdp, policy, 0.2, tolerance=1e-9)
    worst = MDP(solution.kernel, mdp.reward, mdp.discount)
    np.testing.assert_array_equal(solution.value, policy_value(worst, policy))
    for _ in range(30):  # no kernel in the set is worse
        other = worst_case_l1(
            mdp.rows, rng.normal(size=mdp.states), 0.2 * rng.random()
        ).kernel
        assert (
            policy_value(MDP(other.reshape(6, 3, 6), mdp.reward, 0.9), policy)
            >= solution.value - 1e-9
        ).all()


def test_a_slow_chain_needs_few_linear_solves():
    """Sweeps shrink the error by 0.999 each: 1e-6 would take over ten thousand of them."""
    solution = robust_value_iteration(river_swim(100, 0.999), 0.05, tolerance=1e-6)
    assert solution.converged
    assert solution.iterations < 500


# ------------------------------------------------------------------------------------------- published numbers


@pytest.mark.parametrize(
    ("radius", "expected"), [(2.0, 18), (1.0, 18), (0.5, 0.9 * 90 / 4), (0.0, 0.9 * 25)]
)
def test_craam2_randomised_mdp(radius, expected):
    transition = np.zeros((5, 2, 5))
    transition[0, 0, [1, 2]] = transition[0, 1, [3, 4]] = 0.5
    transition[1:, :, 1:] = np.eye(4)[:, None]
    reward = np.repeat([[0.0], [2], [3], [1], [4]], 2, axis=1)
    solution = robust_value_iteration(
        MDP(transition, reward, 0.9), radius, tolerance=1e-10
    )
    np.testing.assert_allclose(
        solution.value, [expected, 20, 30, 10, 40], atol=1e-9, rtol=0
    )


def test_craam2_robustification_with_and_without_new_transitions():
    """States 1 and 2 pay what craam2 puts on the transition, divided by the discount."""
    transition = np.zeros((4, 1, 4))
    transition[0, 0, [1, 2]] = 0.5
    transition[1:, 0, 3] = 1
    mdp = MDP(transition, [[0], [1 / 0.9], [2 / 0.9], [0]], 0.9)
    radius = [[0.5], [0], [0], [0]]
    np.testing.assert_allclose(
        robust_value_iteration(mdp, 0.0).value[0], 1.5, atol=solve_error(mdp), rtol=0
    )
    np.testing.assert_allclose(
        robust_value_iteration(mdp, radius).value[0],
        0.75 * 1 + 0.25 * 2,
        atol=solve_error(mdp),
        rtol=0,
    )
    np.testing.assert_allclose(
        robust_value_iteration(mdp, radius, anywhere_l1).value[0],
        0.5 + 0.5,
        atol=solve_error(mdp),
        rtol=0,
    )


def prism_robot(delta, discount=1 - 1e-6):
    """Model of robot.prism with a seventh state, where it ends: states 0 to 5, actions in the file's order."""
    transition, radius = np.zeros((7, 2, 7)), np.zeros((7, 2))
    transition[0, 0, [1, 0]] = 0.6, 0.4
    transition[0, 1, [3, 1, 4]] = 0.8, 0.1, 0.1
    transition[1, 0, [2, 1]], radius[1, 0] = (0.85, 0.15), 0.05
    transition[1, 1, [4, 2]], radius[1, 1] = (0.5, 0.5), delta
    transition[4, 0, 5] = 1
    transition[4, 1, [3, 4]] = 0.6, 0.4
    transition[[2, 3, 5, 6], :, 6] = 1
    return transition, radius, discount


@pytest.mark.parametrize("delta", [0.05, 0.25, 0.45])
def test_prism_robot(delta):
    transition, radius, discount = prism_robot(delta)
    p, q = 0.5 - delta, 0.5 + delta
    reach = np.zeros((7, 2))
    reach[5] = 1
    arrival = robust_value_iteration(
        MDP(transition, reach, discount), radius, band, 1e-8
    )
    assert (
        abs(arrival.value[0] - max(p, 0.1 + 0.1 * p)) < 1e-5
    )  # Pmaxmin=? [ F "goal1" ]
    best_case = -robust_policy_value(
        MDP(transition, -reach, discount), arrival.policy, radius, band
    ).value[0]
    assert best_case <= q + 1e-5  # Pmaxmax=? is q, and no policy of ours may exceed it
    time = np.zeros((7, 2))
    time[[0, 1, 4]] = -1
    steps = robust_value_iteration(MDP(transition, time, discount), radius, band, 1e-8)
    assert abs(-steps.value[0] - 98 / 80) < 1e-5  # Rminmax=? [ F "goal1"|"goal2" ]


def test_prism_discounted_total_reward():
    transition, reward = np.zeros((8, 3, 8)), np.zeros((8, 3))
    transition[0, 0, 1] = transition[0, 2, 4] = 1
    transition[0, 1, [2, 3]] = 0.5
    transition[4, :, 5] = transition[4, :, 6] = 0.5
    for state, after in ((1, 1), (2, 2), (3, 3), (5, 7), (6, 7), (7, 7)):
        transition[state, :, after] = 1
    reward[0], reward[2], reward[5], reward[6] = (100, 1, 0), 5, 2000, 10000
    most = robust_value_iteration(MDP(transition, reward, 0.9), 0.2, band).value
    np.testing.assert_allclose(
        most[[0, 4]], [3564, 3960], atol=1e-6, rtol=0
    )  # R{"r"}maxmin=?[C{discount=0.9}]
    least = robust_value_iteration(MDP(transition, -reward, 0.9), 0.2, band).value
    np.testing.assert_allclose(
        least[[0, 4]], [-32.5, -6840], atol=1e-6, rtol=0
    )  # R{"r"}minmax=?[C{discount=0.9}]


# ---------------------------------------------------------------------------------------------------- the cliff


def cliff_path(mdp, policy):
    path = [36]
    while path[-1] != 47 and len(path) < 48:
        path.append(int(mdp.transition[path[-1], policy[path[-1]]].argmax()))
    return path


def test_the_cliff_path_moves_inland_as_the_radius_grows():
    mdp = slippery_cliff(slip=0.01)
    paths = [
        cliff_path(mdp, robust_value_iteration(mdp, radius).policy)
        for radius in (0, 0.2, 0.5)
    ]
    assert [path[-1] for path in paths] == [47, 47, 47]
    assert [min(path) // 12 for path in paths] == [1, 1, 0]
    # On gymnasium's cliff every transition is certain: within the support nothing can move.
    plain = MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"), 0.99)
    nominal = cliff_path(plain, policy_iteration(plain).policy)
    assert cliff_path(plain, robust_value_iteration(plain, 0.2).policy) == nominal


# --------------------------------------------------------------------------------------------------- bad input

ROW, VALUE = [0.5, 0.5], [0.0, 1.0]
SMALL = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: worst_case_l1([0.5, 0.6], VALUE, 0.1),
            ValueError,
            "kernel must sum to 1",
        ),
        (
            lambda: worst_case_l1([-0.5, 1.5], VALUE, 0.1),
            ValueError,
            "kernel must lie in",
        ),
        (lambda: worst_case_l1([], [], 0.1), ValueError, "kernel must hold"),
        (lambda: worst_case_l1(1.0, [1.0], 0.1), ValueError, "kernel must hold"),
        (
            lambda: worst_case_l1(ROW, [0, np.nan], 0.1),
            ValueError,
            "value must be finite",
        ),
        (
            lambda: worst_case_l1(ROW, [0, np.inf], 0.1),
            ValueError,
            "value must be finite",
        ),
        (
            lambda: worst_case_l1(ROW, [0, 1, 2], 0.1),
            ValueError,
            "value must have shape",
        ),
        (
            lambda: worst_case_l1(ROW, VALUE, -0.1),
            ValueError,
            "radius must not be negative",
        ),
        (
            lambda: worst_case_l1(ROW, VALUE, np.nan),
            ValueError,
            "radius must be finite",
        ),
        (
            lambda: worst_case_l1(ROW, VALUE, [0.1, 0.2]),
            ValueError,
            "radius must have shape",
        ),
        (
            lambda: worst_case_l1(ROW, VALUE, 0.1, [1, 0]),
            TypeError,
            "support must be boolean",
        ),
        (
            lambda: worst_case_l1(ROW, VALUE, 0.1, [True] * 3),
            ValueError,
            "support must have shape",
        ),
        (
            lambda: worst_case_kl([0.5, 0.6], VALUE, 0.1),
            ValueError,
            "kernel must sum to 1",
        ),
        (
            lambda: worst_case_kl(ROW, VALUE, -1),
            ValueError,
            "radius must not be negative",
        ),
        (
            lambda: worst_case_kl(["a", "b"], VALUE, 1),
            TypeError,
            "kernel must hold real numbers",
        ),
        (
            lambda: worst_case_interval([0.6, 0.6], [1, 1], VALUE),
            ValueError,
            "lower and upper must hold",
        ),
        (
            lambda: worst_case_interval([[0, 0], [0.6, 0.6]], np.ones((2, 2)), VALUE),
            ValueError,
            "lower and upper must hold",
        ),
        (
            lambda: worst_case_interval([0, 0], [0.4, 0.4], VALUE),
            ValueError,
            "lower and upper must hold",
        ),
        (
            lambda: worst_case_interval([0.5, 0.2], [0.4, 1], VALUE),
            ValueError,
            "lower and upper must hold",
        ),
        (
            lambda: worst_case_interval([0, 0], [1, 1, 1], VALUE),
            ValueError,
            "one shape",
        ),
        (
            lambda: worst_case_interval([-0.1, 0], [1, 1], VALUE),
            ValueError,
            "lower must lie",
        ),
        (
            lambda: robust_value_iteration(SMALL, -0.1),
            ValueError,
            "radius must not be negative",
        ),
        (
            lambda: robust_value_iteration(SMALL, [0.1, 0.1]),
            ValueError,
            "radius must have shape",
        ),
        (
            lambda: robust_value_iteration(SMALL, 0.1, "l1"),
            TypeError,
            "ambiguity must be a function",
        ),
        (
            lambda: robust_value_iteration(SMALL, 0.1, tolerance=0),
            ValueError,
            "tolerance must lie in",
        ),
        (
            lambda: robust_policy_value(SMALL, [0, 0], 0.1, tolerance=np.nan),
            ValueError,
            "tolerance must be finite",
        ),
        (
            lambda: robust_policy_value(SMALL, [0, 2], 0.1),
            ValueError,
            "policy must lie",
        ),
        (
            lambda: robust_policy_value(SMALL, [0, 1, 0], 0.1),
            ValueError,
            "policy must hold",
        ),
        (
            lambda: worst_case_l1(sparse.csr_array([ROW]), VALUE, 0.1),
            TypeError,
            "kernel must hold real numbers",
        ),
        (lambda: worst_case_kl(ROW, None, 0.1), TypeError, "value must hold real"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_nothing_is_mutated_or_kept_and_read_only_input_works():
    p, v, radius = np.array([ROW, ROW]), np.array(VALUE), np.array([0.1, 0.2])
    given = p, v, radius
    copies = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    answers = [
        worst_case_l1(p, v, radius),
        worst_case_kl(p, v, radius),
        worst_case_interval(p * 0.5, p * 1.5, v),
        worst_case_l1(p, v, 0.0),
        worst_case_kl(p, v, 0.0),
    ]
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert not any(np.shares_memory(array, a.kernel) for a in answers)
    wide = np.full((2, 2), 0.1)
    wide.flags.writeable = False
    policy = np.array([0, 1])
    solution = robust_policy_value(SMALL, policy, wide)
    assert not np.shares_memory(solution.policy, policy)
    for mdp in (SMALL, MDP(sparse.csr_array(SMALL.rows), SMALL.reward, 0.9)):
        rows = mdp.rows.copy()
        kernel = robust_value_iteration(mdp, wide).kernel
        kernel *= 0  # the caller's own
        assert abs(mdp.rows - rows).max() == 0


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e170, 1e300])
@pytest.mark.parametrize("worst", [worst_case_l1, worst_case_kl, band])
def test_worst_rows_do_not_depend_on_the_unit_of_value(worst, scale):
    rng = np.random.default_rng(3)
    p, v, radius = random_rows(rng, 4, 6), rng.normal(size=6), np.full(4, 0.1)
    plain, scaled = worst(p, v, radius), worst(p, v * scale, radius)
    np.testing.assert_allclose(scaled.kernel, plain.kernel, rtol=0, atol=KL_ERROR)
    np.testing.assert_allclose(
        scaled.value / scale, plain.value, rtol=0, atol=KL_ERROR * 5
    )
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(worst(p, np.sign(v) * 1e308, radius).value).all()


@pytest.mark.parametrize(("kind", "radius"), KINDS)
def test_the_robust_plan_does_not_depend_on_the_unit_of_reward(kind, radius):
    mdp = random_mdp(np.random.default_rng(9))
    plain = robust_value_iteration(mdp, radius, kind, 1e-9)
    for scale in (1e-170, 1e170):
        other = MDP(mdp.transition, mdp.reward * scale, mdp.discount)
        scaled = robust_value_iteration(other, radius, kind, 1e-9 * scale)
        assert scaled.converged
        np.testing.assert_array_equal(scaled.policy, plain.policy)
        np.testing.assert_allclose(scaled.value / scale, plain.value, atol=1e-9, rtol=0)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32])
def test_values_and_radii_of_any_width_of_number_are_converted_first(dtype):
    value, radius = np.array([100, -100, 7], dtype), np.array(1, dtype)
    p = [0.25, 0.25, 0.5]
    for worst in (worst_case_l1, worst_case_kl):
        expected = worst(p, value.astype(float), 1.0)
        np.testing.assert_array_equal(worst(p, value, radius).kernel, expected.kernel)


@pytest.mark.parametrize(("kind", "radius"), KINDS)
def test_the_bounds_hold_the_optimum_from_the_first_step_on(kind, radius):
    """A tolerance that anything meets ends at v = 0, where the bounds are far from the value and must hold it."""
    for shift in (-3, 0, 3):  # all rewards of one sign, or of both
        mdp = random_mdp(np.random.default_rng(4), closed=0)
        mdp = MDP(mdp.transition, mdp.reward + shift, mdp.discount)
        policy = np.zeros(6, int)
        for solve, backup in (
            (partial(robust_value_iteration, mdp), mdp.reward.max(axis=1)),
            (partial(robust_policy_value, mdp, policy), mdp.reward[:, 0]),
        ):
            coarse = solve(radius, kind, 1e9)
            fine = solve(radius, kind, 1e-10)
            assert coarse.iterations == 1
            assert (coarse.lower <= fine.value).all()
            assert (fine.value <= coarse.upper).all()
            # MacQueen's, with T 0 = r: widened by 65 units, in each direction.
            wide = 2 * 65 * solve_error(mdp)
            bounds = backup + 9 * backup.min(), backup + 9 * backup.max()
            np.testing.assert_allclose(coarse.lower, bounds[0], rtol=0, atol=wide)
            np.testing.assert_allclose(coarse.upper, bounds[1], rtol=0, atol=wide)


@pytest.mark.parametrize(("kind", "radius"), KINDS)
def test_the_bounds_leave_room_for_the_rounding_of_the_worst_rows(kind, radius):
    mdp = random_mdp(np.random.default_rng(5), closed=0)
    for solution in (
        robust_value_iteration(mdp, radius, kind, 1e-9),
        robust_policy_value(mdp, np.zeros(6, int), radius, kind, 1e-9),
    ):
        # The worst value is exact to 64 units of precision, for ever: over 1 - discount.
        room = 64 * 2.2e-16 * np.abs(solution.value).max() / (1 - mdp.discount)
        assert (solution.upper - solution.lower).min() > 2 * room
        assert (solution.lower < solution.value).all()
        assert (solution.value < solution.upper).all()


def test_the_solution_says_why_it_ended():
    mdp = random_mdp(np.random.default_rng(0))
    assert robust_value_iteration(mdp, 0.1).ended == "certified"
    for tight in (
        robust_value_iteration(mdp, 0.1, tolerance=1e-15),
        robust_policy_value(mdp, np.zeros(6, int), 0.1, tolerance=1e-15),
    ):
        assert tight.ended == "rounding"
        assert not tight.converged
        assert (tight.upper - tight.lower).max() < 1e-10


def test_rows_of_a_thousand_states_keep_their_sum_and_their_value():
    rng = np.random.default_rng(11)
    p, v = rng.dirichlet(np.full(1000, 0.1), 3), rng.normal(size=1000)
    for worst in (worst_case_l1, worst_case_kl, band):
        answer = worst(p, v, np.full(3, 0.01))
        assert np.abs(answer.kernel.sum(axis=1) - 1).max() < rounding(1000, 1)
        assert (answer.value < p @ v).all()


def test_an_ambiguity_set_of_ones_own_is_planned_against():
    """A hand on the controls: with probability alpha nature takes the action, among all of them."""
    mdp, alpha = random_mdp(np.random.default_rng(6), closed=0), 0.2

    def hand(kernel, value, radius):
        worst = (mdp.rows @ value).reshape(6, 3).argmin(axis=1)
        taken = mdp.transition[np.arange(6), worst]
        rows = (1 - radius)[:, None] * kernel
        rows += radius[:, None] * taken[: len(kernel)].repeat(len(kernel) // 6, axis=0)
        return WorstCase(rows, rows @ value)

    state_paid = MDP(mdp.transition, np.repeat(mdp.reward[:, :1], 3, axis=1), 0.9)
    solution = robust_value_iteration(state_paid, alpha, hand, 1e-9)
    value = np.zeros(6)
    for _ in range(400):
        q = state_paid.reward + 0.9 * state_paid.transition @ value
        value = (1 - alpha) * q.max(axis=1) + alpha * q.min(axis=1)
    np.testing.assert_allclose(solution.value, value, atol=1e-9, rtol=0)


def test_sweeps_agree_with_the_ground_floor_solver():
    mdp = river_swim(8)
    np.testing.assert_allclose(
        robust_value_iteration(mdp, 0.0, tolerance=1e-9).value,
        value_iteration(mdp, 1e-9).value,
        atol=2e-9,
        rtol=0,
    )
