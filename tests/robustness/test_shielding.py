"""What makes a shield right: the set is the greatest, the promise is kept exactly, and nothing else is touched."""

import itertools
from fractions import Fraction

import gymnasium
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse

from companion.mdp import MDP, policy_chain, policy_iteration, sample_next
from companion.robustness.shielding import (
    SafeSet,
    harm_probability,
    safe_set,
    shield_action,
    shield_policy,
)
from tests.rounding import rounding

seeds = st.integers(0, 2**32 - 1)
examples = settings(derandomize=True, deadline=None, max_examples=60)


def random_problem(rng, states=6, actions=2):
    rows = rng.random((states, actions, states)) * (
        rng.random((states, actions, states)) < 0.3
    )
    rows[np.arange(states), :, rng.integers(states, size=states)] += 0.1
    reward = rng.normal(size=(states, actions))
    reward[:, 1:][rng.random((states, actions - 1)) < 0.2] = -np.inf
    return MDP(rows / rows.sum(axis=2, keepdims=True), reward, 0.9), rng.random(
        states
    ) < 0.25


def frozen_lake(discount=0.99):
    mdp = MDP.from_gymnasium(gymnasium.make("FrozenLake-v1", map_name="8x8"), discount)
    ends = (mdp.transition[np.arange(64), :, np.arange(64)] == 1).all(axis=1)
    ends[63] = False
    return mdp, ends  # the holes


@given(seeds)
@examples
def test_the_safe_set_is_the_union_of_all_sets_in_which_one_can_stay(seed):
    mdp, harmful = random_problem(np.random.default_rng(seed))
    union = np.zeros(6, bool)
    for members in itertools.product([False, True], repeat=6):
        inside = np.array(members)
        stays = (mdp.transition[:, :, ~inside].sum(axis=2) == 0) & np.isfinite(
            mdp.reward
        )
        if not (inside & harmful).any() and (stays.any(axis=1) | ~inside).all():
            union |= inside
    if not union.any():
        with pytest.raises(ValueError, match="empty"):
            safe_set(mdp, harmful)
        return
    safe = safe_set(mdp, harmful)
    np.testing.assert_array_equal(safe.states, union)
    np.testing.assert_array_equal(safe.actions.any(axis=1), union)
    for state, action in zip(*np.nonzero(safe.actions), strict=True):
        assert np.isfinite(mdp.reward[state, action])
        assert mdp.transition[state, action, ~union].sum() == 0


def exact_harm(chain, harmful):
    """Absorption in rational arithmetic; a row counts as what leaves its state, so its sum need not be 1."""
    n = len(harmful)
    flow = [[Fraction(float(x)) for x in row] for row in chain]
    reach = set(np.flatnonzero(harmful))
    for _ in range(n):
        reach |= {s for s in range(n) if any(flow[s][t] > 0 for t in reach)}
    todo = [s for s in sorted(reach) if not harmful[s]]
    rows = []
    for s in todo:
        leaving = sum(flow[s][t] for t in range(n) if t != s)
        row = [leaving if t == s else -flow[s][t] for t in todo]
        rows.append([*row, sum(flow[s][t] for t in range(n) if harmful[t])])
    for i in range(len(rows)):
        pivot = next(r for r in range(i, len(rows)) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for r in range(len(rows)):
            if r != i:
                factor = rows[r][i]
                rows[r] = [
                    x - factor * y for x, y in zip(rows[r], rows[i], strict=True)
                ]
    harm = np.asarray(harmful, float)
    harm[todo] = [float(row[-1]) for row in rows]
    return harm


# One pivot may lose 1e4 units, where the code changes its method.
PRECISION = rounding(1e4, 1)


@given(seeds, st.sampled_from([0, 1, 5, 12, 60]))
@examples
def test_the_probability_of_harm_is_the_exact_one_however_rare_the_ways_out(seed, rare):
    rng = np.random.default_rng(seed)
    mdp, harmful = random_problem(rng)
    weights = 10.0 ** -(rare * rng.random(mdp.transition.shape))
    rows = mdp.transition * weights
    mdp = MDP(rows / rows.sum(axis=2, keepdims=True), mdp.reward, 0.9)
    policy = np.where(np.isfinite(mdp.reward), rng.random(mdp.reward.shape), 0)
    policy /= policy.sum(axis=1, keepdims=True)
    chain = policy_chain(mdp, policy)[0]
    expected = exact_harm(chain, harmful)
    for rows in (mdp.transition, sparse.csr_array(mdp.rows)):
        harm = harm_probability(MDP(rows, mdp.reward, 0.9), policy, harmful)
        np.testing.assert_allclose(harm, expected, rtol=PRECISION, atol=0)


@pytest.mark.parametrize("leak", [1e-3, 1e-8, 1e-14, 1e-17, 1e-170, 1e-300])
def test_two_equal_leaks_are_equally_likely_however_small(leak):
    """One minus twice 1e-17 is one: whoever computes the diagonal by subtraction divides 0 by 0."""
    still = MDP([[[1 - 2 * leak, leak, leak]], [[0, 1, 0]], [[0, 0, 1]]], [[0]] * 3, 0)
    harm = harm_probability(still, [0, 0, 0], [False, True, False])
    np.testing.assert_allclose(harm, [0.5, 1, 0], rtol=PRECISION)
    rows = np.zeros((4, 1, 4))
    rows[0, 0, 1] = rows[2, 0, 2] = rows[3, 0, 3] = 1
    rows[1, 0] = 1 - 4 * leak, 0, leak, 3 * leak
    rocking = MDP(rows, np.zeros((4, 1)), 0)
    harm = harm_probability(rocking, [0] * 4, np.arange(4) == 2)
    np.testing.assert_allclose(harm, [0.25, 0.25, 1, 0], rtol=PRECISION)


@given(seeds, st.sampled_from([6, 9, 13, 40]))
@examples
def test_long_walks_with_idle_steps_end_where_the_exact_ones_do(seed, rare):
    """So many moves that states are eliminated one by one, and in every state one may also stay."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((7, 7))
    rows[:5, :5] = rng.dirichlet(np.full(5, 0.5), 5)
    rows[:5, 5:] = 10.0**-rare * rng.random((5, 2))
    rows[5, 5] = rows[6, 6] = 1
    rows /= rows.sum(axis=1, keepdims=True)
    harmful = np.arange(7) == 5
    harm = harm_probability(MDP(rows[:, None], np.zeros((7, 1)), 0), [0] * 7, harmful)
    np.testing.assert_allclose(harm, exact_harm(rows, harmful), rtol=PRECISION)


def test_a_certain_harm_is_one_however_long_it_takes():
    """A ladder that mostly leads back: 10 ** 150 steps on average, and no other end."""
    rows = np.zeros((12, 1, 12))
    for state in range(11):
        rows[state, 0, 0], rows[state, 0, state + 1] = 1 - 1e-15, 1e-15
    rows[11, 0, 11] = 1
    ladder = MDP(rows, np.zeros((12, 1)), 0)
    np.testing.assert_array_equal(
        harm_probability(ladder, [0] * 12, np.arange(12) == 11), 1
    )


def test_a_rare_harm_keeps_its_relative_precision():
    """Uphill with 1e-30 a step: from step s the top is reached with 1e-30 ** (n - s), but for a share of 1e-30."""
    n = 9
    rows = np.zeros((n, 1, n))
    rows[0, 0, 0] = rows[-1, 0, -1] = 1
    for state in range(1, n - 1):
        rows[state, 0, state + 1], rows[state, 0, state - 1] = 1e-30, 1
    harm = harm_probability(
        MDP(rows, np.zeros((n, 1)), 0), [0] * n, np.arange(n) == n - 1
    )
    expected = 10.0 ** (-30.0 * (n - 1 - np.arange(1, n)))
    np.testing.assert_allclose(harm[1:], expected, rtol=PRECISION)


def test_what_vanishes_in_float64_is_refused_not_called_impossible():
    rows = [[[1, 0], [1, 1e-170]], [[0, 1], [0, 1]]]
    mdp = MDP(rows, np.zeros((2, 2)), 0)
    policy = [[1, 1e-170], [1, 0]]  # the only way out has probability 1e-340 a step
    with pytest.raises(ValueError, match="must not vanish in float64"):
        harm_probability(mdp, policy, [False, True])
    rows = np.zeros((4, 1, 4))
    rows[0, 0, 1] = rows[3, 0, 3] = 1
    rows[1, 0, [0, 2]], rows[2, 0, [0, 3]] = (1, 1e-200), (1, 1e-200)
    with pytest.raises(ValueError, match="policy must leave its states in float64"):
        harm_probability(MDP(rows, np.zeros((4, 1)), 0), [0] * 4, np.arange(4) == 3)


def test_zeros_written_out_in_a_sparse_process_are_no_transitions():
    rows = sparse.csr_array(
        (np.array([1.0, 0.0, 1.0]), [0, 1, 1], [0, 2, 3]), shape=(2, 2)
    )
    mdp = MDP(rows, np.zeros((2, 1)), 0.9)
    harmful = [False, True]
    assert safe_set(mdp, harmful).states.tolist() == [True, False]
    assert harm_probability(mdp, [0, 0], harmful).tolist() == [0, 1]
    assert mdp.rows.nnz == 3


@given(seeds)
@example(156892)  # three probabilities whose sum rounds to more than 1
@examples
def test_no_policy_through_the_shield_can_reach_harm_from_a_safe_state(seed):
    rng = np.random.default_rng(seed)
    mdp, harmful = random_problem(rng)
    try:
        safe = safe_set(mdp, harmful)
    except ValueError:
        return
    available = np.isfinite(mdp.reward)
    policy = np.where(available, rng.random(mdp.reward.shape), 0)
    shielded = shield_policy(policy / policy.sum(axis=1, keepdims=True), safe)
    assert (harm_probability(mdp, shielded, harmful)[safe.states] == 0).all()
    # The set is greatest: from outside, no policy is sure to avoid harm.
    if not safe.states.all():
        for actions in itertools.product(*[np.flatnonzero(row) for row in available]):
            assert (
                harm_probability(mdp, np.array(actions), harmful)[~safe.states] > 0
            ).all()


def test_gamblers_ruin_has_its_closed_form():
    n, p = 20, 0.45
    transition = np.zeros((n + 1, 1, n + 1))
    transition[0, 0, 0] = transition[n, 0, n] = 1
    for s in range(1, n):
        transition[s, 0, [s + 1, s - 1]] = p, 1 - p
    ratio = (1 - p) / p
    ruin = 1 - (ratio ** np.arange(n + 1) - 1) / (ratio**n - 1)
    for rows in (transition, sparse.csr_array(transition[:, 0])):
        walk = MDP(rows, np.zeros((n + 1, 1)), 0.5)
        harm = harm_probability(walk, np.zeros(n + 1, int), np.arange(n + 1) == 0)
        np.testing.assert_allclose(harm, ruin, rtol=PRECISION)


def _naive_harm_probability(mdp, policy, harmful):
    """Solve on all harmless states: singular as soon as there is a closed safe set."""
    chain = policy_chain(mdp, policy)[0]
    rest = ~harmful
    return np.linalg.solve(
        np.eye(rest.sum()) - chain[np.ix_(rest, rest)],
        chain[np.ix_(rest, harmful)].sum(axis=1),
    )


def test_solving_on_all_states_is_singular_exactly_when_the_shield_works():
    mdp, holes = frozen_lake()
    shielded = shield_policy(np.full((64, 4), 0.25), safe_set(mdp, holes))
    with pytest.raises(np.linalg.LinAlgError):
        _naive_harm_probability(mdp, shielded, holes)
    assert (
        harm_probability(mdp, shielded, holes)[safe_set(mdp, holes).states] == 0
    ).all()


def run(mdp, actions_of, safe, steps, copies, rng):
    """Simulate copies from the start, beginning anew at the goal; return the states visited."""
    state, visited = np.zeros(copies, int), []
    for _ in range(steps):
        action = actions_of(state)
        if safe is not None:
            action = shield_action(action, state, safe)
        state = sample_next(mdp, state, action, rng)
        visited.append(state)
        state = np.where(state == 63, 0, state)
    return np.array(visited)


def trained(mdp, holes, rng, steps=100):
    """Tabular Q-learning, stopped early: a policy that has learned something, but not enough."""
    q, state, ends = (
        np.zeros((64, 4)),
        np.zeros(256, int),
        holes | (np.arange(64) == 63),
    )
    for _ in range(steps):
        greedy = (q[state] + 1e-9 * rng.random((256, 4))).argmax(axis=1)
        action = np.where(rng.random(256) < 0.5, rng.integers(4, size=256), greedy)
        after = sample_next(mdp, state, action, rng)
        q[state, action] += 0.1 * (
            mdp.reward[state, action] + 0.99 * q[after].max(axis=1) - q[state, action]
        )
        state = np.where(ends[after], rng.integers(64, size=256), after)
    return q.argmax(axis=1)


def test_random_and_trained_policies_act_through_the_shield_without_a_violation():
    mdp, holes = frozen_lake()
    safe = safe_set(mdp, holes)
    assert safe.states[0]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        learned = trained(mdp, holes, rng)
        for policy in (
            lambda state, rng=rng: rng.integers(4, size=state.size),
            lambda state, learned=learned: learned[state],
        ):
            visited = run(mdp, policy, safe, 110, 1000, rng)
            assert visited.size >= 1e5
            assert not holes[visited].any()
        for table in (np.full((64, 4), 0.25), learned):
            assert (
                harm_probability(mdp, shield_policy(table, safe), holes)[safe.states]
                == 0
            ).all()
            assert harm_probability(mdp, table, holes)[0] > 0.4
        bare = run(
            mdp,
            lambda state, rng=rng: rng.integers(4, size=state.size),
            None,
            110,
            1000,
            rng,
        )
        assert holes[bare].any()


def test_even_the_optimal_policy_may_be_harmful_and_behind_the_shield_it_still_arrives():
    mdp, holes = frozen_lake()
    goal = np.arange(64) == 63
    policy = policy_iteration(mdp).policy
    shielded = shield_policy(policy, safe_set(mdp, holes))
    assert harm_probability(mdp, policy, holes)[0] > 0.1
    assert harm_probability(mdp, shielded, holes)[0] == 0
    assert harm_probability(mdp, shielded, goal)[0] > 1 - PRECISION


def test_on_the_small_lake_safety_means_never_arriving():
    mdp = MDP.from_gymnasium(gymnasium.make("FrozenLake-v1"), 0.99)
    holes = np.isin(np.arange(16), [5, 7, 11, 12])
    shielded = shield_policy(policy_iteration(mdp).policy, safe_set(mdp, holes))
    assert harm_probability(mdp, shielded, holes)[0] == 0
    assert harm_probability(mdp, shielded, np.arange(16) == 15)[0] == 0


def test_planning_inside_the_shield_still_reaches_the_goal_of_the_large_lake():
    mdp, holes = frozen_lake(1 - 1e-6)
    safe = safe_set(mdp, holes)
    reward = np.where(safe.actions | ~safe.states[:, None], mdp.reward, -np.inf)
    plan = policy_iteration(MDP(mdp.transition, reward, mdp.discount))
    assert plan.value[0] > 0.999
    assert harm_probability(mdp, plan.policy, holes)[0] == 0
    # A fallback of that plan makes even a random policy arrive; the first safe action need not.
    with_plan = shield_policy(np.full((64, 4), 0.25), safe, fallback=plan.policy)
    assert harm_probability(mdp, with_plan, holes)[0] == 0


@given(seeds)
@examples
def test_shielded_actions_have_the_distribution_of_the_shielded_policy(seed):
    rng = np.random.default_rng(seed)
    actions = rng.random((5, 3)) < 0.5
    safe = SafeSet(actions.any(axis=1), actions)
    if not safe.states.any():
        return
    policy = rng.dirichlet(np.ones(3), 5)
    expected = np.zeros((5, 3))
    for state in np.flatnonzero(safe.states):
        for action in range(3):
            expected[state, shield_action([action], [state], safe)[0]] += policy[
                state, action
            ]
    np.testing.assert_allclose(
        shield_policy(policy, safe)[safe.states],
        expected[safe.states],
        atol=rounding(3, 1),
        rtol=0,
    )
    np.testing.assert_array_equal(
        shield_policy(policy, safe)[~safe.states], policy[~safe.states]
    )


def test_a_safe_policy_passes_unchanged():
    mdp, holes = frozen_lake()
    safe = safe_set(mdp, holes)
    policy = safe.actions.argmax(axis=1)
    np.testing.assert_array_equal(shield_policy(policy, safe), np.eye(4)[policy])
    state = np.flatnonzero(safe.states)
    np.testing.assert_array_equal(
        shield_action(policy[state], state, safe), policy[state]
    )


def test_probabilities_do_not_matter_to_the_safe_set_but_supports_do():
    mdp, holes = frozen_lake()
    rng = np.random.default_rng(0)
    other = mdp.transition * rng.uniform(0.01, 1, mdp.transition.shape)
    other = MDP(other / other.sum(axis=2, keepdims=True), mdp.reward, 0.9)
    np.testing.assert_array_equal(
        safe_set(other, holes).actions, safe_set(mdp, holes).actions
    )
    csr = MDP(sparse.csr_array(mdp.rows), mdp.reward, 0.9)
    np.testing.assert_array_equal(
        safe_set(csr, holes).actions, safe_set(mdp, holes).actions
    )


SMALL = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
SAFE = safe_set(SMALL, np.array([False, True]))


def test_one_environment_is_shielded_like_many():
    assert shield_action(0, 0, SAFE) == 1
    assert shield_action(np.uint8(0), np.int16(0), SAFE) == 1
    np.testing.assert_array_equal(
        shield_action([[0], [1]], [[0], [0]], SAFE), [[1], [1]]
    )


def test_a_fallback_replaces_unsafe_actions_and_nothing_else():
    actions = np.array([[False, True, True], [True, True, False]])
    safe = SafeSet(np.array([True, True]), actions)
    np.testing.assert_array_equal(
        shield_action([0, 1, 2, 2], [0, 0, 0, 1], safe, [2, 1]), [2, 1, 2, 1]
    )
    np.testing.assert_array_equal(
        shield_policy([[0.5, 0.25, 0.25], [0.5, 0, 0.5]], safe, [2, 1]),
        [[0, 0.25, 0.75], [0.5, 0.5, 0]],
    )


def test_nothing_is_mutated_or_kept_and_read_only_input_works():
    harmful, policy = np.array([False, True]), np.full((2, 2), 0.5)
    state, proposed, fallback = np.zeros(3, int), np.zeros(3, int), np.array([1, 0])
    given_arrays = harmful, policy, state, proposed, fallback
    copies = [array.copy() for array in given_arrays]
    for array in given_arrays:
        array.flags.writeable = False
    for mdp in (SMALL, MDP(sparse.csr_array(SMALL.rows), SMALL.reward, 0.9)):
        safe = safe_set(mdp, harmful)
        results = (
            *safe,
            harm_probability(mdp, policy, harmful),
            shield_policy(policy, safe, fallback),
            shield_action(proposed, state, safe, fallback),
        )
        for array, copy in zip(given_arrays, copies, strict=True):
            np.testing.assert_array_equal(array, copy)
            assert not any(np.shares_memory(array, result) for result in results)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: safe_set(SMALL, [True, True]),
            ValueError,
            "harmful must leave a safe set, got an empty one",
        ),
        (lambda: safe_set(SMALL, [0, 1]), TypeError, "harmful must be boolean"),
        (lambda: safe_set(SMALL, [True]), ValueError, "harmful must have shape"),
        (
            lambda: harm_probability(SMALL, [0, 0], [True]),
            ValueError,
            "harmful must have shape",
        ),
        (
            lambda: harm_probability(SMALL, [0, 5], [False, True]),
            ValueError,
            "policy must lie",
        ),
        (
            lambda: shield_action([0], [1], SAFE),
            ValueError,
            "state must be safe, got 1",
        ),
        (
            lambda: shield_action([0, 1], [0], SAFE),
            ValueError,
            "proposed must have the shape",
        ),
        (
            lambda: shield_action([2], [0], SAFE),
            ValueError,
            "proposed must hold integers from 0",
        ),
        (
            lambda: shield_action([0], [2], SAFE),
            ValueError,
            "state must hold integers from 0",
        ),
        (
            lambda: shield_action([0.0], [0], SAFE),
            TypeError,
            "proposed must hold integers",
        ),
        (
            lambda: shield_action([0], [0], SAFE, fallback=[0, 0]),
            ValueError,
            "fallback must hold",
        ),
        (
            lambda: shield_policy([0, 0], SAFE, fallback=[1]),
            ValueError,
            "fallback must hold",
        ),
        (lambda: shield_policy([0], SAFE), ValueError, "policy must hold"),
        (lambda: shield_policy([0, 2], SAFE), ValueError, "policy must"),
        (
            lambda: shield_policy([[0.5, 0.6], [1, 0]], SAFE),
            ValueError,
            "policy must sum to 1",
        ),
        (
            lambda: shield_policy([[0.5, 0.5]], SAFE),
            ValueError,
            "policy must have shape",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()
