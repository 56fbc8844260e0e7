"""The properties that make the MDP solvers correct."""

import itertools
from fractions import Fraction

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from companion.mdp import (
    MDP,
    _certified,
    action_values,
    linear_program,
    modified_policy_iteration,
    occupancy,
    policy_chain,
    policy_iteration,
    policy_probabilities,
    policy_value,
    sample_next,
    value_iteration,
)
from companion.problems import forest_management, river_swim
from tests.rounding import backup_error, largest, rounding, solve_error

# So near to one that what is left of discounting is counted, so far from it that a solve is still accurate.
NEARLY_ONE = 1 - 1e-6
SOLVERS = [value_iteration, modified_policy_iteration, policy_iteration, linear_program]
quick = settings(derandomize=True, deadline=None, max_examples=40)


def random_mdp(
    seed: int,
    states: int = 6,
    actions: int = 3,
    discount: float = 0.9,
    closed: float = 0.2,
) -> MDP:
    """A random process; a share `closed` of the actions is unavailable, half the entries are zero."""
    rng = np.random.default_rng(seed)
    transition = rng.random((states, actions, states)) * (
        rng.random((states, actions, states)) < 0.5
    )
    transition[..., 0] += 1e-3
    transition /= transition.sum(axis=2, keepdims=True)
    reward = rng.normal(size=(states, actions))
    reward[rng.random(reward.shape) < closed] = -np.inf
    reward[:, 0] = rng.normal(size=states)
    return MDP(transition, reward, discount)


def as_sparse(mdp: MDP) -> MDP:
    return MDP(sparse.csr_array(mdp.rows), mdp.reward, mdp.discount)


def brute_force(mdp: MDP) -> np.ndarray:
    """The best value over every deterministic policy, each evaluated by its own linear solve."""
    available = [np.flatnonzero(np.isfinite(row)) for row in mdp.reward]
    best = np.full(mdp.states, -np.inf)
    dense = np.asarray(mdp.transition).reshape(mdp.states, mdp.actions, mdp.states)
    for policy in itertools.product(*available):
        kernel = np.array([dense[s, a] for s, a in enumerate(policy)])
        paid = np.array([mdp.reward[s, a] for s, a in enumerate(policy)])
        best = np.maximum(
            best, np.linalg.solve(np.eye(mdp.states) - mdp.discount * kernel, paid)
        )
    return best


def promised(solver, mdp: MDP) -> float:
    """The accuracy that a solver's documentation promises, rounding apart."""
    if solver is linear_program:
        # HiGHS lets a row be violated by 1e-7; a value sums such errors for ever.
        return 1e-7 / (1 - mdp.discount)
    return 0.0 if solver is policy_iteration else 1e-6


mdps = st.builds(
    random_mdp,
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5, 0.9, 0.99]),
)


@pytest.mark.parametrize("solver", SOLVERS)
@quick
@given(mdp=mdps)
def test_every_solver_finds_the_best_policy_of_all(solver, mdp):
    expected = brute_force(mdp)
    accuracy = promised(solver, mdp) + solve_error(mdp)
    for problem in (mdp, as_sparse(mdp)):
        solution = solver(problem)
        assert solution.converged
        np.testing.assert_allclose(solution.value, expected, rtol=0, atol=accuracy)
        # A greedy policy loses at most the distance of the bounds, twice the tolerance.
        np.testing.assert_allclose(
            policy_value(problem, solution.policy), expected, rtol=0, atol=2 * accuracy
        )


@pytest.mark.parametrize("solver", SOLVERS)
@quick
@given(mdp=mdps)
def test_the_bounds_hold_the_optimum_between_them(solver, mdp):
    expected = policy_value(mdp, policy_iteration(mdp).policy)
    solution, slack = solver(mdp), solve_error(mdp)  # the slack is that of `expected`
    assert (solution.lower <= expected + slack).all()
    assert (expected - slack <= solution.upper).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("discount", [0.1, 0.7, 0.99, 0.9999])
def test_the_bounds_hold_the_value_in_exact_arithmetic(solver, discount):
    # One state that pays one third for ever; without allowance for rounding the bounds would be one float.
    solution = solver(MDP([[[1.0]]], [[1 / 3]], discount))
    exact = Fraction(1 / 3) / (1 - Fraction(discount))
    assert Fraction(float(solution.lower[0])) <= exact <= solution.upper[0]


@quick
@given(mdp=mdps, seed=st.integers(0, 1000))
def test_macqueens_bounds_hold_at_every_iterate_from_any_start(mdp, seed):
    value = 10 * np.random.default_rng(seed).normal(size=mdp.states)
    optimum = policy_iteration(mdp).value
    reach = mdp.discount / (1 - mdp.discount)
    for _ in range(20):
        backup = action_values(mdp, value).max(axis=1)
        change = backup - value
        # The bounds reach `reach` times as far as the change, whose rounding is that of a backup.
        scale = largest(mdp) + np.abs(value).max()
        slack = solve_error(mdp) + (1 + reach) * backup_error(mdp, scale)
        assert (backup + reach * change.min() <= optimum + slack).all()
        assert (optimum - slack <= backup + reach * change.max()).all()
        value = backup


@quick
@given(mdp=mdps, seed=st.integers(0, 1000))
def test_the_bellman_operator_contracts_by_the_discount(mdp, seed):
    v, w = np.random.default_rng(seed).normal(size=(2, mdp.states))
    after = action_values(mdp, v).max(axis=1) - action_values(mdp, w).max(axis=1)
    scale = largest(mdp) + np.abs([v, w]).max()
    slack = 2 * backup_error(mdp, scale)  # each of the two was backed up
    assert np.abs(after).max() <= mdp.discount * np.abs(v - w).max() + slack


@quick
@given(mdp=mdps)
def test_the_linear_programs_dual_is_the_occupancy_of_its_policy(mdp):
    solution = linear_program(mdp)
    visits = (
        occupancy(mdp, solution.policy, np.full(mdp.states, 1 / mdp.states))
        * mdp.states
    )
    paid = np.where(visits > 0, mdp.reward, 0.0)
    # Strong duality: the sum of the values is the reward that the visits collect.
    accuracy = mdp.states * (promised(linear_program, mdp) + solve_error(mdp))
    assert solution.value.sum() == pytest.approx(
        (visits * paid).sum(), rel=0, abs=accuracy
    )


def _naive_value_iteration(mdp: MDP, epsilon: float) -> tuple[np.ndarray, int]:
    """Stop on the span and return the last iterate as it is, as pymdptoolbox does."""
    value, sweeps = np.zeros(mdp.states), 0
    while True:
        backup = action_values(mdp, value).max(axis=1)
        sweeps += 1
        if np.ptp(backup - value) < epsilon * (1 - mdp.discount) / mdp.discount:
            return backup, sweeps
        value = backup


def test_the_same_sweeps_without_the_centre_are_far_from_the_optimum():
    mdp = forest_management(discount=0.96)
    naive, sweeps = _naive_value_iteration(mdp, 0.01)
    # pymdptoolbox's documented answer, to the eight decimals that it prints.
    np.testing.assert_allclose(
        naive, [5.93215488, 9.38815488, 13.38815488], rtol=0, atol=5e-9
    )
    assert sweeps == 4
    optimum = policy_iteration(mdp).value
    np.testing.assert_allclose(optimum, [74.6496, 78.1056, 82.1056], rtol=0, atol=5e-5)
    ours = value_iteration(mdp, tolerance=0.01)
    assert ours.iterations <= sweeps
    assert np.abs(ours.value - optimum).max() <= 0.01
    assert np.abs(naive - optimum).max() > 68


@pytest.mark.parametrize("solver", SOLVERS)
def test_forest_management_has_its_documented_values(solver):
    mdp = forest_management()
    accuracy = promised(solver, mdp) + solve_error(mdp)
    np.testing.assert_allclose(
        solver(mdp).value, [26.244, 29.484, 33.484], rtol=0, atol=accuracy
    )


def test_the_gamblers_bold_play_has_its_closed_form():
    # Sutton and Barto, Example 4.3; with p < 1/2 bold play is optimal: v(1/4) = p^2, v(1/2) = p, v(3/4) = p + pq.
    goal, p = 100, 0.4
    transition, reward = np.zeros((101, 51, 101)), np.full((101, 51), -np.inf)
    for s in range(101):
        for stake in range(51):
            if 0 < s < goal and 1 <= stake <= min(s, goal - s):
                transition[s, stake, s + stake] += p
                transition[s, stake, s - stake] += 1 - p
                reward[s, stake] = p * (s + stake == goal)
            else:
                transition[s, stake, s] = 1.0
    reward[[0, goal], 0] = 0.0
    mdp = MDP(transition, reward, NEARLY_ONE)
    value = policy_iteration(mdp).value
    # From these states bold play ends within two plays; each may be discounted once.
    accuracy = 2 * (1 - NEARLY_ONE) + solve_error(mdp, scale=1.0)
    np.testing.assert_allclose(
        value[[25, 50, 75]], [0.16, 0.4, 0.64], rtol=0, atol=accuracy
    )


def test_the_frozen_lake_is_crossed_with_probability_14_of_17():
    env = gymnasium.make("FrozenLake-v1")
    discounted = value_iteration(MDP.from_gymnasium(env, 0.99)).value[0]
    assert discounted == pytest.approx(0.5420, rel=0, abs=5e-5)
    mdp = MDP.from_gymnasium(env, NEARLY_ONE)
    solution = policy_iteration(mdp)
    # 1 - discount^T = (1 - discount) * (the discounted number of steps before the walk ends).
    visits = occupancy(mdp, solution.policy, np.eye(16)[0]).sum(axis=1)
    ends = (np.einsum("sas->sa", mdp.transition) == 1).all(axis=1)
    accuracy = (1 - NEARLY_ONE) * visits[~ends].sum() + solve_error(mdp, scale=1.0)
    assert accuracy < 1e-3
    assert solution.value[0] == pytest.approx(14 / 17, rel=0, abs=accuracy)


def test_the_cliff_walk_takes_13_steps_and_its_goal_absorbs():
    mdp = MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"), 0.99)
    value = policy_iteration(mdp).value
    thirteen = -(1 - 0.99**13) / (1 - 0.99)
    accuracy = solve_error(mdp, np.abs(value).max())
    assert value[36] == pytest.approx(thirteen, rel=0, abs=accuracy)
    assert value[47] == 0.0
    assert (mdp.transition[47, :, 47] == 1).all()


def test_policy_evaluation_agrees_with_sutton_and_bartos_gridworld():
    # Figure 4.1: the equiprobable policy, -1 a step, undiscounted.
    def move(s, dr, dc):
        r, c = divmod(s, 4)
        return 4 * min(max(r + dr, 0), 3) + min(max(c + dc, 0), 3)

    transition, reward = np.zeros((16, 4, 16)), np.full((16, 4), -1.0)
    for s in range(16):
        for a, step in enumerate([(-1, 0), (1, 0), (0, -1), (0, 1)]):
            transition[s, a, s if s in (0, 15) else move(s, *step)] = 1.0
    reward[[0, 15]] = 0.0
    mdp = MDP(transition, reward, NEARLY_ONE)
    value = policy_value(mdp, np.full((16, 4), 0.25))
    printed = [
        0,
        -14,
        -20,
        -22,
        -14,
        -18,
        -20,
        -20,
        -20,
        -20,
        -18,
        -14,
        -22,
        -20,
        -14,
        0,
    ]
    # A walk of T steps loses (1 - discount) T^2 / 2 to the discount, and E[T^2] <= 2 * 22^2.
    accuracy = (1 - NEARLY_ONE) * 22**2 + solve_error(mdp, scale=22)
    np.testing.assert_allclose(value, printed, rtol=0, atol=accuracy)


@quick
@given(mdp=mdps, seed=st.integers(0, 1000))
def test_policy_value_solves_its_own_equation(mdp, seed):
    rng = np.random.default_rng(seed)
    weight = rng.random(mdp.reward.shape) * np.isfinite(mdp.reward) + 1e-9 * (
        np.arange(mdp.actions) == 0
    )
    policy = weight / weight.sum(axis=1, keepdims=True)
    for problem in (mdp, as_sparse(mdp)):
        value = policy_value(problem, policy)
        q = action_values(problem, value)
        mean = np.where(policy > 0, policy * np.where(policy > 0, q, 0), 0).sum(axis=1)
        # Elimination solves a system that differs by S roundings; then one backup and a mean of A.
        scale = largest(mdp)
        accuracy = rounding(2 * mdp.states + mdp.actions, scale) + backup_error(mdp)
        np.testing.assert_allclose(value, mean, rtol=0, atol=accuracy)


@quick
@given(mdp=mdps)
def test_a_deterministic_policy_is_the_distribution_that_puts_all_on_one_action(mdp):
    policy = policy_iteration(mdp).policy
    for problem in (mdp, as_sparse(mdp)):
        np.testing.assert_allclose(
            policy_value(problem, policy),
            policy_value(problem, np.eye(mdp.actions)[policy]),
            rtol=0,
            atol=2 * solve_error(mdp),
        )


@quick
@given(mdp=mdps)
def test_occupancy_balances_its_flow_and_pays_the_value(mdp):
    policy = policy_iteration(mdp).policy
    start = np.random.default_rng(0).dirichlet(np.ones(mdp.states))
    for problem in (mdp, as_sparse(mdp)):
        visits, total = occupancy(problem, policy, start), 1 / (1 - mdp.discount)
        accuracy = solve_error(mdp, scale=total)
        assert visits.sum() == pytest.approx(total, rel=0, abs=accuracy)
        inflow = start + mdp.discount * np.asarray(problem.rows.T @ visits.ravel())
        np.testing.assert_allclose(visits.sum(axis=1), inflow, rtol=0, atol=accuracy)
        paid = (visits * np.where(visits > 0, mdp.reward, 0)).sum()
        accuracy = 2 * solve_error(mdp, mdp.states * largest(mdp))
        worth = start @ policy_value(problem, policy)
        assert paid == pytest.approx(worth, rel=0, abs=accuracy)


def test_sampling_draws_each_next_state_as_often_as_the_kernel_says():
    for mdp in (
        random_mdp(3, states=5, closed=0.0),
        as_sparse(random_mdp(3, states=5, closed=0.0)),
    ):
        n = 200_000
        drawn = sample_next(mdp, np.full(n, 2), np.full(n, 1), np.random.default_rng(0))
        p = np.asarray(
            mdp.rows[[2 * mdp.actions + 1]].todense()
            if sparse.issparse(mdp.rows)
            else mdp.rows[[7]]
        )[0]
        seen = np.bincount(drawn, minlength=5)
        assert (seen[p == 0] == 0).all()
        z = (seen - n * p)[p > 0] / np.sqrt(n * p * (1 - p) + 1e-300)[p > 0]
        assert np.abs(z).max() < 5


def test_sampling_never_reaches_a_state_of_probability_zero_at_either_end():
    mdp = MDP(
        [[[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]], np.zeros((3, 1)), 0.5
    )

    class Extreme(np.random.Generator):
        def random(self, shape):
            u = np.zeros(shape)
            u.ravel()[1::2] = 1 - 2**-53
            return u

    drawn = sample_next(
        mdp, np.zeros(4, int), np.zeros(4, int), Extreme(np.random.PCG64(0))
    )
    assert (drawn == 1).all()


@pytest.mark.parametrize("solver", [value_iteration, modified_policy_iteration])
def test_a_tolerance_below_what_float64_can_certify_is_not_called_converged(solver):
    mdp = river_swim(20, discount=0.9999)
    solution = solver(mdp, tolerance=1e-14)
    assert not solution.converged
    optimum, slack = policy_iteration(mdp).value, solve_error(mdp)
    assert (solution.lower <= optimum + slack).all()
    assert (optimum - slack <= solution.upper).all()
    # Sweeps end where rounding outweighs the change; the bounds magnify both by 1 / (1 - discount).
    rest = backup_error(mdp, np.abs(optimum).max()) / (1 - mdp.discount)
    assert (solution.upper - solution.lower).max() < rest


def _howard_iterations(mdp: MDP) -> int:
    """Policy iteration without looking ahead: solve, be greedy, repeat."""
    greedy, policy, solves = mdp.reward.argmax(axis=1), None, 0
    while not np.array_equal(greedy, policy):
        policy = greedy
        greedy = action_values(mdp, policy_value(mdp, policy)).argmax(axis=1)
        solves += 1
    return solves


def test_more_sweeps_need_fewer_improvements_and_many_sweeps_are_policy_iteration():
    mdp = river_swim(30)
    needed = [
        modified_policy_iteration(mdp, 1e-6, sweeps=k).iterations
        for k in (0, 5, 50, 2000)
    ]
    assert needed == sorted(needed, reverse=True)
    assert abs(needed[-1] - _howard_iterations(mdp)) <= 1


def test_looking_ahead_saves_solves_where_news_travels_slowly():
    for mdp in (river_swim(100), forest_management(300, fire=0.001, discount=0.99)):
        assert policy_iteration(mdp).iterations * 5 < _howard_iterations(mdp)


def test_policy_iteration_keeps_the_incumbent_on_ties_and_stops():
    mdp = MDP(np.full((4, 3, 4), 0.25), np.ones((4, 3)), 0.999)
    solution = policy_iteration(mdp)
    assert solution.iterations == 1
    np.testing.assert_array_equal(solution.policy, 0)


def test_a_reward_of_zero_everywhere_is_worth_nothing():
    solution = value_iteration(MDP(np.full((2, 1, 2), 0.5), np.zeros((2, 1)), 0.9))
    np.testing.assert_array_equal(solution.value, 0)
    assert solution.converged


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_the_mdp_keeps_nothing_of_the_caller_and_cannot_be_written_through(form):
    transition, reward = np.full((2, 2, 2), 0.5), np.zeros((2, 2))
    given = (
        transition if form == "dense" else sparse.csr_array(transition.reshape(4, 2))
    )
    mdp = MDP(given, reward, 0.9)
    (given if form == "dense" else given.data)[0] = 7
    reward[0, 0] = 7
    assert policy_iteration(mdp).value.tolist() == [0, 0]
    with pytest.raises(ValueError, match="read-only"):
        mdp.reward[0, 0] = 2
    read_only = np.full((2, 2, 2), 0.5)
    read_only.flags.writeable = False
    assert MDP(read_only, np.zeros((2, 2)), 0.9).states == 2


def test_the_toolboxes_order_of_the_axes_is_named_where_the_shape_tells():
    with pytest.raises(ValueError, match=r"\(A, S, S\) of the MDP toolboxes"):
        MDP(np.full((3, 2, 2), 0.5), np.zeros((2, 3)), 0.9)


class Table:
    """An environment that is nothing but its table."""

    def __init__(self, P, start=None):
        self.P = P
        if start is not None:
            self.initial_state_distrib = np.array(start)


def test_a_state_that_is_lived_in_keeps_its_moves_though_a_walk_may_end_there():
    table = {
        0: {0: [(1.0, 0, 5.0, True)], 1: [(1.0, 1, 0.0, False)]},
        1: {0: [(1.0, 0, 10.0, True)], 1: [(1.0, 0, 0.0, False)]},
    }
    mdp = MDP.from_gymnasium(Table(table), 0.9)
    # From 1 the best is 10 and the end; from 0 it is to go there, 0.9 * 10.
    assert policy_iteration(mdp).value == pytest.approx([9, 10, 0], abs=1e-13)
    # A start that is only ever entered as terminal is lived in, too.
    loop = {0: {0: [(1.0, 1, 0.0, False)]}, 1: {0: [(1.0, 0, 1.0, True)]}}
    for start in (None, [1, 0]):
        found = policy_iteration(MDP.from_gymnasium(Table(loop, start), 0.9)).value
        assert found == pytest.approx([0.9, 1, 0], abs=1e-13)
    # Where the walk starts elsewhere, it is an end, whatever its row says.
    found = policy_iteration(MDP.from_gymnasium(Table(loop, [0, 1]), 0.9)).value
    assert found == pytest.approx([0, 1], abs=1e-13)


def test_rewards_whose_values_could_overflow_are_refused():
    with pytest.raises(ValueError, match="reward must be -inf or of size at most"):
        MDP([[[1.0]]], [[1e308]], 0.9)
    assert np.isfinite(policy_iteration(MDP([[[1.0]]], [[1e305]], 0.9)).upper).all()


@pytest.mark.parametrize("scale", [1e-170, 1e170])
@pytest.mark.parametrize("solver", [policy_iteration, linear_program])
def test_the_unit_of_reward_does_not_matter(solver, scale):
    mdp = random_mdp(3)
    scaled = solver(MDP(mdp.transition, mdp.reward * scale, mdp.discount))
    assert scaled.converged
    assert np.array_equal(scaled.policy, solver(mdp).policy)
    # HiGHS promises 1e-7 of the largest reward, at most ten times that in the value.
    assert scaled.value / scale == pytest.approx(policy_iteration(mdp).value, abs=1e-5)


def test_a_process_that_never_mixes_ends_at_the_limit_and_names_the_better_solver():
    swap = MDP([[[0, 1]], [[1, 0]]], [[1], [-1]], 0.999999)
    with pytest.warns(RuntimeWarning, match="policy_iteration is the solver"):
        answer = value_iteration(swap, limit=1000)
    assert not answer.converged
    assert answer.iterations == 1000
    exact = policy_iteration(swap)
    # v = 1 - g v, so v = 1 / (1 + g).
    assert exact.converged
    accuracy = solve_error(swap, scale=1)
    assert exact.value == pytest.approx([1 / 1.999999, -1 / 1.999999], abs=accuracy)
    assert (answer.lower <= exact.value).all()
    assert (exact.value <= answer.upper).all()


def test_a_wrong_value_is_not_called_converged():
    mdp = random_mdp(5)
    right = policy_iteration(mdp)
    wrong = right.value + np.linspace(0, 1e-3, mdp.states)
    backup = action_values(mdp, wrong).max(axis=1)
    assert not _certified(mdp, wrong, backup, right.policy, 1).converged


@pytest.mark.parametrize(
    ("state", "action"), [([0, 1, 0], [1]), ([0], [1, 0, 1]), (0, [1])]
)
def test_copies_and_actions_are_paired_and_never_broadcast(state, action):
    mdp = MDP(np.full((2, 2, 2), 0.5), np.zeros((2, 2)), 0.9)
    with pytest.raises(ValueError, match=r"action must hold one|must be a vector"):
        sample_next(mdp, state, action, np.random.default_rng(0))


GOOD = {
    "transition": np.full((2, 2, 2), 0.5),
    "reward": np.zeros((2, 2)),
    "discount": 0.9,
}
ROW = np.full((2, 2, 2), 0.5)


def spoiled(entry) -> np.ndarray:
    bad = ROW.copy()
    bad[1, 1] = entry  # an action that nobody would choose is no excuse
    return bad


@pytest.mark.parametrize(
    ("argument", "value", "error", "message"),
    [
        (
            "transition",
            spoiled([1.5, -0.5]),
            ValueError,
            r"transition must lie in \[0, 1\]",
        ),
        ("transition", spoiled([np.nan, 1]), ValueError, "transition must be finite"),
        ("transition", spoiled([np.inf, 0]), ValueError, "transition must be finite"),
        (
            "transition",
            spoiled([0.5, 0.4966]),
            ValueError,
            r"transition must sum to 1 .* 0.9966 at \(1, 1\)",
        ),
        (
            "transition",
            np.random.default_rng(0).normal(size=(2, 2, 2)),
            ValueError,
            "transition must lie",
        ),
        (
            "transition",
            np.full((2, 3, 2), 0.5),
            ValueError,
            "transition must have shape",
        ),
        ("transition", ROW.astype(str), TypeError, "transition must hold real numbers"),
        (
            "transition",
            sparse.csr_array(spoiled([1.5, -0.5]).reshape(4, 2)),
            ValueError,
            "non-negative",
        ),
        (
            "transition",
            sparse.csr_array(spoiled([0.5, 0.4]).reshape(4, 2)),
            ValueError,
            "row 3 misses by 0.1",
        ),
        (
            "transition",
            sparse.csr_array(spoiled([0.5, 0.5 + 1e-12]).reshape(4, 2)),
            ValueError,
            "row 3 misses by 1",
        ),
        ("transition", spoiled([0.5, 0.5 + 1e-12]), ValueError, "must sum to 1"),
        (
            "transition",
            sparse.csr_array(np.full((3, 2), 0.5)),
            ValueError,
            "transition must have shape",
        ),
        ("reward", np.zeros((2, 3)), ValueError, "transition must have shape"),
        ("reward", np.zeros(2), ValueError, r"reward must have shape \(S, A\)"),
        ("reward", [[0, np.nan], [0, 0]], ValueError, "reward must be -inf or of size"),
        ("reward", [[0, np.inf], [0, 0]], ValueError, "reward must be -inf or of size"),
        ("reward", [[0, 0], [-np.inf, -np.inf]], ValueError, "state 1 has none"),
        (
            "reward",
            [["a", "b"], ["c", "d"]],
            TypeError,
            "reward must hold real numbers",
        ),
        ("discount", 1.0, ValueError, r"discount must lie in \[0, 1\), got 1"),
        ("discount", 1.5, ValueError, r"discount must lie in \[0, 1\)"),
        ("discount", -0.1, ValueError, r"discount must lie in \[0, 1\)"),
        ("discount", np.nan, ValueError, "discount must be finite"),
        ("discount", "0.9", TypeError, "discount must hold real numbers"),
    ],
)
def test_a_process_that_is_none_is_refused(argument, value, error, message):
    with pytest.raises(error, match=message):
        MDP(**{**GOOD, argument: value})


def test_rows_normalised_in_float64_are_accepted_at_any_size():
    rows = np.random.default_rng(0).random((2000, 1, 2000))
    MDP(rows / rows.sum(axis=2, keepdims=True), np.zeros((2000, 1)), 0.9)


CLOSED = MDP(np.full((2, 2, 2), 0.5), [[0, -np.inf], [0, 1]], 0.9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: policy_value(CLOSED, [1, 0]),
            ValueError,
            "1 is not available in state 0",
        ),
        (
            lambda: policy_value(CLOSED, [[0.5, 0.5], [1, 0]]),
            ValueError,
            "unavailable actions no probability",
        ),
        (
            lambda: policy_value(CLOSED, [[0.5, 0.4], [1, 0]]),
            ValueError,
            "policy must sum to 1",
        ),
        (
            lambda: policy_value(CLOSED, [0]),
            ValueError,
            "one action for each of 2 states",
        ),
        (
            lambda: policy_value(CLOSED, [0, 2]),
            ValueError,
            "policy must lie between 0 and 1",
        ),
        (
            lambda: policy_value(CLOSED, [0.0, 1.0]),
            ValueError,
            "policy must be a vector of integers",
        ),
        (
            lambda: occupancy(CLOSED, [0, 0], [0.5, 0.6]),
            ValueError,
            "start must sum to 1",
        ),
        (lambda: occupancy(CLOSED, [0, 0], [1.0]), ValueError, "start must have shape"),
        (
            lambda: action_values(CLOSED, [0, np.nan]),
            ValueError,
            "value must be finite",
        ),
        (lambda: action_values(CLOSED, [0]), ValueError, "value must have shape"),
        (
            lambda: value_iteration(CLOSED, 0),
            ValueError,
            r"tolerance must lie in \(0, inf\)",
        ),
        (
            lambda: value_iteration(CLOSED, -1e-6),
            ValueError,
            r"tolerance must lie in \(0, inf\)",
        ),
        (
            lambda: value_iteration(CLOSED, np.nan),
            ValueError,
            "tolerance must be finite",
        ),
        (
            lambda: modified_policy_iteration(CLOSED, 1e-6, -1),
            ValueError,
            "sweeps must be at least 0",
        ),
        (
            lambda: modified_policy_iteration(CLOSED, 1e-6, 1.5),
            TypeError,
            "sweeps must be an integer",
        ),
        (
            lambda: sample_next(CLOSED, [0], [1], np.random.default_rng(0)),
            ValueError,
            "unavailable",
        ),
        (
            lambda: sample_next(CLOSED, [2], [0], np.random.default_rng(0)),
            ValueError,
            "state must lie",
        ),
        (lambda: MDP.from_gymnasium(object(), 0.9), TypeError, "transition table"),
        (lambda: forest_management(ages=1), ValueError, "ages must be at least 2"),
        (lambda: forest_management(fire=1.5), ValueError, r"fire must lie in \[0, 1\]"),
        (lambda: river_swim(1), ValueError, "states must be at least 2"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_policy_iteration_ends_where_rounding_flips_between_tied_actions():
    """On the small frozen lake two actions of state 6 tie; without care they alternate for ever."""
    mdp = MDP.from_gymnasium(gymnasium.make("FrozenLake-v1"), 0.99)
    solution = policy_iteration(mdp)
    assert abs(solution.value[0] - 0.5420) < 5e-5
    # The bounds are as wide as the residual of one solve over 1 - discount.
    residual = rounding(2 * mdp.states, solution.value.max()) + backup_error(mdp, 1.0)
    assert (solution.upper - solution.lower).max() < 2 * residual / (1 - mdp.discount)


def test_the_chain_of_a_policy_mixes_rows_and_rewards():
    rng = np.random.default_rng(0)
    rows, policy = rng.dirichlet(np.ones(4), (4, 3)), rng.dirichlet(np.ones(3), 4)
    policy[0] = 1, 0, 0
    reward = rng.normal(size=(4, 3))
    reward[0, 1] = -np.inf  # not available, and not chosen
    for table in (rows, sparse.csr_array(rows.reshape(12, 4))):
        mdp = MDP(table, reward, 0.9)
        kernel, paid = policy_chain(mdp, policy)
        kernel = kernel.toarray() if sparse.issparse(kernel) else kernel
        # A sum of three products: three eps, times ten.
        np.testing.assert_allclose(
            kernel, np.einsum("sa,san->sn", policy, rows), atol=7e-15, rtol=0
        )
        finite = np.where(policy > 0, reward, 0)
        np.testing.assert_allclose(paid, (policy * finite).sum(1), atol=7e-15, rtol=0)
        np.testing.assert_array_equal(policy_probabilities(mdp, policy), policy)
        chosen = policy_probabilities(mdp, [0, 1, 2, 0])
        np.testing.assert_array_equal(chosen, np.eye(3)[[0, 1, 2, 0]])
        with pytest.raises(ValueError, match="policy must choose available"):
            policy_chain(mdp, [1, 0, 0, 0])
