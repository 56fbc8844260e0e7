"""The properties that make `companion.value_alignment.constrained_optimum` correct."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from companion.mdp import MDP, occupancy, policy_iteration, policy_value
from companion.problems import river_swim
from companion.value_alignment.constrained_optimum import (
    _at_most,
    constrained_optimum,
    deterministic_mixture,
    dual_value,
    hazard_grid,
    penalised,
)
from tests.rounding import EPS, largest, rounding, solve_error

quick = settings(derandomize=True, deadline=None, max_examples=40)
# One state for ever: the long way earns 0.4, the short way earns 1 and costs 1.
ROAD = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
SHORT = np.array([[0.0, 1.0]])
# The linear program keeps a limit to 1e-10 of the largest possible cost, and misses the best reward by as much of
# the largest reward, and by the price of what it keeps wrongly; times ten.
LP = 1e-9


def random_problem(seed: int, limits: int = 1, discount: float = 0.9):
    """A process, costs from 0 to 1, and limits between the least cost and that of the unconstrained optimum."""
    rng = np.random.default_rng(seed)
    states, actions = int(rng.integers(2, 9)), int(rng.integers(2, 5))
    transition = rng.dirichlet(np.ones(states), (states, actions))
    mdp = MDP(transition, rng.normal(size=(states, actions)), discount)
    cost = rng.random((limits, states, actions))
    start = rng.dirichlet(np.ones(states))
    free = sums(mdp, cost, policy_iteration(mdp).policy, start)[1]
    # The policy that is best for all costs together keeps every limit above its own costs.
    frugal = policy_iteration(MDP(transition, -cost.sum(axis=0), discount)).policy
    least = sums(mdp, cost, frugal, start)[1]
    limit = least + rng.random(limits) * np.maximum(free - least, 0)
    return mdp, cost, limit, start


def sums(mdp, cost, policy, start):
    """Discounted reward and costs of a policy."""
    d = occupancy(mdp, policy, start)
    reward = np.where(np.isfinite(mdp.reward), mdp.reward, 0)
    return float((d * reward).sum()), (np.asarray(cost) * d).sum(axis=(-2, -1))


def scale(mdp: MDP) -> float:
    """Of sums: what one per step is worth in all."""
    return 1 / (1 - mdp.discount)


def kinds(mdp: MDP):
    """All policies that are nowhere random."""
    every = itertools.product(range(mdp.actions), repeat=mdp.states)
    return [np.array(policy) for policy in every]


# The constrained optimum


def test_by_hand_one_step_in_four_goes_the_short_way_and_a_unit_of_cost_is_worth_six_tenths():
    optimum = constrained_optimum(ROAD, SHORT, 0.5, [1])
    np.testing.assert_allclose(optimum.policy, [[0.75, 0.25]], rtol=0, atol=LP)
    assert optimum.value == pytest.approx(0.8 + 0.6 * 0.5, abs=LP)
    assert optimum.cost == pytest.approx(0.5, abs=LP)
    assert optimum.multiplier == pytest.approx(0.6, abs=LP)
    np.testing.assert_allclose(optimum.occupancy, [[1.5, 0.5]], rtol=0, atol=LP)


@pytest.mark.parametrize("limits", [1, 2, 3])
@pytest.mark.parametrize("discount", [0.0, 0.5, 0.99])
def test_the_limits_are_kept_and_what_is_left_over_has_no_price(limits, discount):
    for seed in range(20):
        mdp, cost, limit, start = random_problem(seed, limits, discount)
        optimum = constrained_optimum(mdp, cost, limit, start)
        bound = LP * scale(mdp)
        assert (optimum.cost <= limit + bound).all()
        assert (optimum.multiplier >= 0).all()
        slack = optimum.multiplier * (limit - optimum.cost)
        assert np.abs(slack).max() <= bound * (1 + optimum.multiplier.max())


@pytest.mark.parametrize("guess", [-100.0, 0.0, 100.0])
def test_the_bound_holds_from_any_guess_at_the_value(guess):
    # Should the solver stop early, the bound is wide, and still a bound.
    for seed in range(5):
        mdp = random_problem(seed)[0]
        most = _at_most(mdp, np.full(mdp.states, guess))
        best = policy_iteration(mdp).value
        assert (most >= best - LP * largest(mdp)).all()


@pytest.mark.parametrize("limits", [1, 2, 3])
def test_the_value_is_the_dual_bound(limits):
    for seed in range(20):
        mdp, cost, limit, start = random_problem(seed, limits)
        optimum = constrained_optimum(mdp, cost, limit, start)
        gap = optimum.bound - optimum.value
        error = LP * largest(mdp) * (1 + optimum.multiplier.sum())
        assert -error <= gap <= error
        at = dual_value(mdp, cost, limit, optimum.multiplier, start)
        assert at == pytest.approx(optimum.bound, abs=error)


@pytest.mark.parametrize("limits", [1, 2, 3])
def test_the_policy_is_random_in_at_most_one_state_per_limit(limits):
    for seed in range(30):
        mdp, cost, limit, start = random_problem(seed, limits)
        policy = constrained_optimum(mdp, cost, limit, start).policy
        used = (policy > 0).sum(axis=1)
        assert (used - 1).sum() <= limits
        np.testing.assert_allclose(
            policy.sum(axis=1), 1, rtol=0, atol=mdp.actions * 4 * EPS
        )


def test_no_mixture_of_any_two_policies_that_keeps_the_limit_earns_more():
    # The optimum of one limit is a mixture of two policies that are nowhere random: try all pairs.
    for seed in range(6):
        rng = np.random.default_rng(seed)
        mdp = MDP(rng.dirichlet(np.ones(3), (3, 3)), rng.normal(size=(3, 3)), 0.8)
        cost, start = rng.random((3, 3)), rng.dirichlet(np.ones(3))
        points = np.array([sums(mdp, cost, p, start) for p in kinds(mdp)])
        value, spent = points[:, 0], points[:, 1]
        limit = float(np.quantile(spent, 0.3))
        best = value[spent <= limit].max()
        for i, j in itertools.product(range(len(points)), repeat=2):
            if spent[i] < limit < spent[j]:
                share = (limit - spent[i]) / (spent[j] - spent[i])
                best = max(best, (1 - share) * value[i] + share * value[j])
        optimum = constrained_optimum(mdp, cost, limit, start)
        assert optimum.value == pytest.approx(best, abs=LP * largest(mdp))


@given(seed=st.integers(0, 10**6))
@quick
def test_the_value_is_the_least_of_the_dual_function(seed):
    mdp, cost, limit, start = random_problem(seed)
    optimum = constrained_optimum(mdp, cost, limit, start)
    error = LP * largest(mdp) * (1 + float(optimum.multiplier[0]))
    for factor in (0, 0.5, 0.9, 1.1, 2):
        price = factor * optimum.multiplier + 0.1 * (factor > 1)
        assert dual_value(mdp, cost, limit, price, start) >= optimum.value - error


def test_off_the_breakpoints_the_multiplier_is_the_slope_of_the_value_in_the_limit():
    mdp, cost, start = hazard_grid()
    h = 1e-3
    for limit in (0.3, 0.5, 0.7):
        below, here, above = (
            constrained_optimum(mdp, cost, x, start)
            for x in (limit - h, limit, limit + h)
        )
        slope = (above.value - below.value) / (2 * h)
        assert here.multiplier == pytest.approx(slope, abs=10 * LP * scale(mdp) / h)


def test_at_a_breakpoint_the_multiplier_lies_between_the_two_slopes():
    mdp, cost, start = hazard_grid()
    corner = policy_iteration(penalised(mdp, cost, 0.2)).policy
    _, spent = sums(mdp, cost, corner, start)
    less, here, more = (
        constrained_optimum(mdp, cost, spent + e, start) for e in (-1e-3, 0.0, 1e-3)
    )
    assert less.multiplier > more.multiplier + 0.1
    assert more.multiplier - LP <= here.multiplier <= less.multiplier + LP
    # There the corner itself is optimal; nothing is random, up to what the solver's tolerance leaves.
    assert np.sort(here.policy, axis=1)[:, -2].max() < 1e-6


def test_the_value_is_concave_and_grows_with_the_limit():
    mdp, cost, start = hazard_grid()
    limits = np.linspace(0, 1.2, 41)
    value = [constrained_optimum(mdp, cost, d, start).value for d in limits]
    steps, error = np.diff(value), 10 * LP * scale(mdp)
    assert (steps >= -error).all()
    assert (np.diff(steps) <= error).all()


def test_a_limit_that_does_not_bind_leaves_the_unconstrained_optimum():
    for seed in range(10):
        mdp, cost, _, start = random_problem(seed)
        best = float(start @ policy_iteration(mdp).value)
        optimum = constrained_optimum(mdp, cost, [2 * scale(mdp)], start)
        assert optimum.value == pytest.approx(best, abs=LP * largest(mdp))
        assert optimum.multiplier == pytest.approx([0.0], abs=LP)


def test_the_smallest_feasible_limit_is_feasible_and_costs_what_the_frugal_policy_costs():
    for seed in range(10):
        mdp, cost, _, start = random_problem(seed)
        frugal = MDP(mdp.transition, -cost[0], mdp.discount)
        least = -float(start @ policy_iteration(frugal).value)
        assert constrained_optimum(mdp, cost[0], least, start).cost == pytest.approx(
            least, abs=LP * scale(mdp)
        )
        with pytest.raises(ValueError, match="the smallest feasible is") as caught:
            constrained_optimum(mdp, cost[0], least - 0.01, start)
        said = float(str(caught.value).rpartition(" ")[2])
        constrained_optimum(mdp, cost[0], said, start)
        assert said == pytest.approx(least, abs=LP * scale(mdp))


def test_limits_that_cannot_be_kept_together_are_refused_and_those_that_are_named_can():
    # The short way costs 1 of the first, the long way 1 of the second: together 2 for ever.
    cost = np.array([[[0.0, 1.0]], [[1.0, 0.0]]])
    with pytest.raises(ValueError, match="the smallest feasible is") as caught:
        constrained_optimum(ROAD, cost, [0.5, 0.9], [1])
    said = [float(x) for x in str(caught.value).rpartition("is ")[2].split(", ")]
    np.testing.assert_allclose(said, [0.8, 1.2], rtol=0, atol=10 * LP)
    kept = constrained_optimum(ROAD, cost, said, [1])
    np.testing.assert_allclose(kept.cost, [0.8, 1.2], rtol=0, atol=10 * LP)


@pytest.mark.parametrize("unit", [1e-150, 1e-9, 1e9, 1e150])
def test_rewards_and_costs_may_have_any_unit(unit):
    mdp, cost, start = hazard_grid()
    plain = constrained_optimum(mdp, cost, 0.5, start)
    # A power of two, so that no digit changes.
    unit = 2.0 ** round(np.log2(unit))
    dear = MDP(mdp.transition, mdp.reward * unit, mdp.discount)
    rich = constrained_optimum(dear, cost, 0.5, start)
    assert rich.value / unit == pytest.approx(plain.value, abs=LP)
    assert rich.multiplier / unit == pytest.approx(plain.multiplier, abs=LP)
    heavy = constrained_optimum(mdp, cost * unit, 0.5 * unit, start)
    assert heavy.value == pytest.approx(plain.value, abs=LP)
    assert heavy.cost / unit == pytest.approx(0.5, abs=LP)
    assert heavy.multiplier * unit == pytest.approx(plain.multiplier, abs=LP)


def test_costs_may_be_negative_and_a_limit_below_zero_is_then_kept():
    mdp, cost, start = hazard_grid()
    plain = constrained_optimum(mdp, cost, 0.5, start)
    # Cost 1 less in every step is 1 / (1 - discount) less in all.
    shifted = constrained_optimum(mdp, cost - 1.0, 0.5 - scale(mdp), start)
    assert shifted.value == pytest.approx(plain.value, abs=10 * LP * scale(mdp))


def test_an_unavailable_action_is_never_taken_whatever_it_would_cost():
    mdp, cost, start = hazard_grid()
    reward = mdp.reward.copy()
    reward[15, 1] = -np.inf  # not right from the start
    closed = MDP(mdp.transition, reward, mdp.discount)
    cost = cost.copy()
    cost[15, 1] = -100.0
    optimum = constrained_optimum(closed, cost, 0.5, start)
    assert optimum.policy[15, 1] == 0
    assert np.isfinite(optimum.value)
    assert optimum.bound == pytest.approx(optimum.value, abs=LP * scale(mdp))


def test_a_sparse_process_gives_what_a_dense_one_gives():
    river = river_swim()
    cost = np.zeros((6, 2))
    cost[:, 1] = 1.0  # each stroke against the current
    start = np.eye(6)[0]
    dense = MDP(river.rows.toarray().reshape(6, 2, 6), river.reward, river.discount)
    one, other = (constrained_optimum(m, cost, 20.0, start) for m in (river, dense))
    assert one.value == pytest.approx(other.value, abs=10 * LP * scale(river))
    assert one.cost == pytest.approx(20.0, abs=10 * LP * scale(river))


def test_where_the_policy_never_comes_it_takes_some_available_action():
    mdp, cost, _ = hazard_grid(slip=0.0)
    reward = mdp.reward.copy()
    reward[0, :3] = -np.inf
    closed = MDP(mdp.transition, reward, mdp.discount)
    optimum = constrained_optimum(closed, cost, 0.0, np.eye(25)[18])  # beside the goal
    unseen = optimum.occupancy.sum(axis=1) == 0
    assert unseen.sum() >= 20
    assert (np.sort(optimum.policy[unseen], axis=1) == [0, 0, 0, 1]).all()
    assert optimum.policy[0, 3] == 1


def test_nothing_that_was_passed_is_changed_and_read_only_input_works():
    mdp, cost, start = hazard_grid()
    for table in (cost, start):
        table.flags.writeable = False
    kept = cost.copy(), start.copy(), mdp.reward.copy()
    optimum = constrained_optimum(mdp, cost, np.float32(0.5), start)
    deterministic_mixture(mdp, optimum.policy, start)
    penalised(mdp, cost, 0.5)
    for table, before in zip((cost, start, mdp.reward), kept, strict=True):
        np.testing.assert_array_equal(table, before)


# A weight instead


def test_a_weight_never_reaches_the_limit_that_lies_between_two_policies():
    mdp, cost, start = hazard_grid()
    spent = [
        sums(mdp, cost, policy_iteration(penalised(mdp, cost, w)).policy, start)[1]
        for w in np.linspace(0, 1, 201)
    ]
    assert not any(0.1 < x < 0.9 for x in spent)
    assert min(spent) < 0.1
    assert max(spent) > 0.9
    assert (np.diff(spent) <= solve_error(mdp, scale(mdp))).all()


def test_at_the_multiplier_both_parts_of_the_mixture_are_best():
    mdp, cost, start = hazard_grid()
    optimum = constrained_optimum(mdp, cost, 0.5, start)
    _, parts = deterministic_mixture(mdp, optimum.policy, start)
    priced = penalised(mdp, cost, optimum.multiplier)
    best = start @ policy_iteration(priced).value
    for part in parts:
        assert start @ policy_value(priced, part) == pytest.approx(
            best, abs=LP * scale(mdp)
        )


# The mixture


def test_the_mixture_drawn_once_per_episode_visits_what_the_random_policy_visits():
    for seed in range(20):
        mdp, cost, limit, start = random_problem(seed, limits=2)
        policy = constrained_optimum(mdp, cost, limit, start).policy
        weights, parts = deterministic_mixture(mdp, policy, start)
        together = sum(
            w * occupancy(mdp, part, start)
            for w, part in zip(weights, parts, strict=True)
        )
        # Each weight is a quotient of two linear solves, in two states at most.
        error = 10 * solve_error(mdp, scale(mdp))
        np.testing.assert_allclose(
            together, occupancy(mdp, policy, start), rtol=0, atol=error
        )
        assert weights.sum() == pytest.approx(1, abs=error)
        assert len(parts) <= 4
        assert parts.shape == (len(weights), mdp.states)


def _naive_mixture(mdp, policy, start):
    """The probabilities of the random state taken for those of the episode."""
    (s,) = np.flatnonzero((policy > 0).sum(axis=1) > 1)
    actions = np.flatnonzero(policy[s])
    parts = [policy.argmax(axis=1) for _ in actions]
    for part, a in zip(parts, actions, strict=True):
        part[s] = a
    return policy[s, actions], parts


def test_the_probabilities_of_the_state_are_not_those_of_the_episode():
    mdp, cost, start = hazard_grid()
    policy = constrained_optimum(mdp, cost, 0.5, start).policy
    weights, parts = deterministic_mixture(mdp, policy, start)
    naive, same = _naive_mixture(mdp, policy, start)
    np.testing.assert_array_equal(np.sort(parts, axis=0), np.sort(same, axis=0))
    spent = [
        sum(
            w * sums(mdp, cost, part, start)[1]
            for w, part in zip(share, policies, strict=True)
        )
        for share, policies in ((weights, parts), (naive, same))
    ]
    assert spent[0] == pytest.approx(0.5, abs=LP * scale(mdp))
    assert abs(spent[1] - 0.5) > 0.005


def test_a_policy_that_is_nowhere_random_is_its_own_mixture():
    mdp, _, start = hazard_grid()
    policy = policy_iteration(mdp).policy
    weights, parts = deterministic_mixture(mdp, policy, start)
    np.testing.assert_array_equal(weights, [1.0])
    np.testing.assert_array_equal(parts, [policy])


def test_a_state_that_only_one_part_reaches_is_split_there_alone():
    # State 0 goes to 1 or to the end; state 1 is random, too.
    transition = np.zeros((3, 2, 3))
    transition[0, 0, 1] = transition[0, 1, 2] = transition[1, :, 2] = 1
    transition[2, :, 2] = 1
    mdp = MDP(transition, [[0, 0], [1, 2], [0, 0]], 0.5)
    policy = np.array([[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]])
    policy[2] = 1, 0
    weights, parts = deterministic_mixture(mdp, policy, [1, 0, 0])
    together = sum(
        w * occupancy(mdp, p, [1, 0, 0]) for w, p in zip(weights, parts, strict=True)
    )
    np.testing.assert_allclose(
        together, occupancy(mdp, policy, [1, 0, 0]), rtol=0, atol=rounding(20, 2)
    )
    assert sorted(weights) == pytest.approx([0.125, 0.375, 0.5], abs=rounding(10, 1))


# The grid


def test_the_grid_is_the_one_that_is_drawn():
    mdp, cost, start = hazard_grid(slip=0.2)
    assert start[15] == 1
    np.testing.assert_array_equal(np.flatnonzero(cost.any(axis=1)), [12, 17, 22])
    # Right from the start: one cell on, or to a side.
    np.testing.assert_allclose(
        mdp.transition[15, 1, [16, 10, 20]], [0.8, 0.1, 0.1], rtol=0, atol=4 * EPS
    )
    # Up in the upper left corner: the walls hold.
    np.testing.assert_allclose(
        mdp.transition[0, 0, [0, 1]], [0.9, 0.1], rtol=0, atol=4 * EPS
    )
    # Into the goal from the left, from above and from below; nothing in it.
    np.testing.assert_allclose(
        [mdp.reward[18, 1], mdp.reward[14, 2], mdp.reward[24, 0], mdp.reward[18, 0]],
        [0.8, 0.8, 0.8, 0.1],
        rtol=0,
        atol=4 * EPS,
    )
    assert (mdp.transition[19, :, 19] == 1).all()
    assert not mdp.reward[19].any()


def test_without_a_slip_the_short_way_takes_four_steps_and_the_long_way_eight():
    mdp, cost, start = hazard_grid(slip=0.0, discount=0.5)
    free = constrained_optimum(mdp, cost, 9.0, start)
    assert free.value == pytest.approx(0.5**3, abs=LP)
    assert free.cost == pytest.approx(0.5**2, abs=LP)
    assert constrained_optimum(mdp, cost, 0.0, start).value == pytest.approx(
        0.5**7, abs=LP
    )


# Bad input

GRID, COST, START = hazard_grid()


def optimum_of(**changed):
    given = {"mdp": GRID, "cost": COST, "limit": 0.5, "start": START}
    return constrained_optimum(**{**given, **changed})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optimum_of(cost=COST[:24]), ValueError, "cost must have shape"),
        (lambda: optimum_of(cost=[COST]), ValueError, "cost must have shape"),
        (lambda: optimum_of(limit=[0.5]), ValueError, "cost must have shape"),
        (lambda: optimum_of(cost=np.nan * COST), ValueError, "cost must be finite"),
        (lambda: optimum_of(cost=None), TypeError, "cost must hold real numbers"),
        (lambda: optimum_of(cost=sparse.csr_array(COST)), TypeError, "cost must hold"),
        (
            lambda: optimum_of(cost=torch.zeros(25, 4, requires_grad=True)),
            TypeError,
            "cost must hold",
        ),
        (lambda: optimum_of(limit=np.nan), ValueError, "limit must be finite"),
        (lambda: optimum_of(limit=None), TypeError, "limit must hold"),
        (
            lambda: optimum_of(limit=[]),
            ValueError,
            "limit must be a number or a vector",
        ),
        (lambda: optimum_of(limit=[[1.0]]), ValueError, "limit must be a number or a"),
        (lambda: optimum_of(limit=-0.1), ValueError, "smallest feasible is 0$"),
        (lambda: optimum_of(start=START[:24]), ValueError, "start must have shape"),
        (lambda: optimum_of(start=2 * START), ValueError, "start must lie in"),
        (lambda: optimum_of(start=0 * START), ValueError, "start must sum to 1"),
        (
            lambda: dual_value(GRID, COST, 0.5, -0.1, START),
            ValueError,
            "multiplier must not be negative",
        ),
        (
            lambda: dual_value(GRID, COST, 0.5, [0.1], START),
            ValueError,
            "multiplier must have shape",
        ),
        (
            lambda: dual_value(GRID, COST, 0.5, np.inf, START),
            ValueError,
            "multiplier must be finite",
        ),
        (lambda: penalised(GRID, COST[0], 1.0), ValueError, "cost must have shape"),
        (lambda: penalised(GRID, COST, np.nan), ValueError, "weight must be finite"),
        (lambda: penalised(GRID, COST, True), TypeError, "weight must be a number"),
        (
            lambda: deterministic_mixture(GRID, np.full((25, 4), 0.25), START),
            ValueError,
            "random in few visited states",
        ),
        (
            lambda: deterministic_mixture(GRID, np.ones((25, 4)), START),
            ValueError,
            "policy must sum to 1",
        ),
        (
            lambda: deterministic_mixture(GRID, np.zeros(25, int), 2 * START),
            ValueError,
            "start must lie in",
        ),
        (lambda: hazard_grid(slip=1.1), ValueError, "slip must"),
        (lambda: hazard_grid(discount=1.0), ValueError, "discount must"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
