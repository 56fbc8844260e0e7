"""The properties that make `companion.value_alignment.reward_shaping` correct."""

import itertools
from fractions import Fraction
from types import MappingProxyType

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from companion.environments import MDPVectorEnv
from companion.mdp import (
    MDP,
    action_values,
    linear_program,
    policy_iteration,
    policy_value,
)
from companion.problems import river_swim
from companion.value_alignment.reward_shaping import (
    ShapedEnv,
    ShapedVectorEnv,
    q_learning,
    shape,
)
from tests.rounding import EPS, rounding, solve_error

quick = settings(derandomize=True, deadline=None, max_examples=40)


def random_mdp(seed, states=6, actions=3, discount=0.9):
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.ones(states), (states, actions))
    return MDP(transition, rng.standard_normal((states, actions)), discount), rng


# Planning


@quick
@given(
    seed=st.integers(0, 10**6),
    discount=st.sampled_from([0.0, 0.5, 0.9, 0.99]),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_every_action_value_falls_by_exactly_the_potential(seed, discount, scale):
    mdp, rng = random_mdp(seed, discount=discount)
    phi = scale * rng.standard_normal(6)
    shaped = shape(mdp, phi)
    v, w = policy_iteration(mdp).value, policy_iteration(shaped).value
    # Two linear solves, the second on rewards of the size of the potential.
    bound = solve_error(mdp) + solve_error(shaped) + rounding(20, np.abs(phi).max())
    np.testing.assert_allclose(w, v - phi, rtol=0, atol=bound)
    q, q_shaped = action_values(mdp, v), action_values(shaped, w)
    np.testing.assert_allclose(q_shaped, q - phi[:, None], rtol=0, atol=2 * bound)


@quick
@given(seed=st.integers(0, 10**6))
def test_every_policy_falls_by_the_potential_not_only_the_best(seed):
    mdp, rng = random_mdp(seed)
    phi = rng.standard_normal(6)
    policy = rng.dirichlet(np.ones(3), 6)
    shaped = shape(mdp, phi)
    bound = solve_error(mdp) + solve_error(shaped)
    np.testing.assert_allclose(
        policy_value(shaped, policy),
        policy_value(mdp, policy) - phi,
        rtol=0,
        atol=bound,
    )


def exact_values(transition, reward, discount, policy):
    """The value of a policy in fractions: Gauss and Jordan, no rounding."""
    n = len(policy)
    rows = [
        [Fraction(i == j) - discount * transition[i][policy[i]][j] for j in range(n)]
        + [reward[i][policy[i]]]
        for i in range(n)
    ]
    for i in range(n):
        pivot = next(k for k in range(i, n) if rows[k][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for k in range(n):
            if k != i:
                rows[k] = [
                    x - rows[k][i] * y for x, y in zip(rows[k], rows[i], strict=True)
                ]
    return tuple(row[-1] for row in rows)


def exact_best(transition, reward, discount):
    """All optimal deterministic policies of a process in fractions."""
    states, actions = len(reward), len(reward[0])
    values = {
        policy: exact_values(transition, reward, discount, policy)
        for policy in itertools.product(range(actions), repeat=states)
    }
    top = tuple(max(v[s] for v in values.values()) for s in range(states))
    return {policy for policy, value in values.items() if value == top}


@pytest.mark.parametrize("seed", range(25))
def test_the_set_of_optimal_policies_is_the_same_without_any_rounding(seed):
    # Eighths everywhere, so that float64 makes the shaped reward without rounding, and
    # small integers as rewards, so that ties between policies happen.
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(8, np.ones(3) / 3, (3, 2))
    reward = rng.integers(-1, 2, (3, 2))
    if seed % 2:  # two actions that are one: every policy has its tie
        counts[:, 1], reward[:, 1] = counts[:, 0], reward[:, 0]
    phi = rng.integers(-5, 6, 3)
    shaped = shape(MDP(counts / 8, reward, 0.75), phi).reward
    exact = [[[Fraction(int(c), 8) for c in row] for row in s] for s in counts]
    before = [[Fraction(int(r)) for r in row] for row in reward]
    after = [[Fraction(float(r)) for r in row] for row in shaped]
    gamma = Fraction(3, 4)
    best = exact_best(exact, before, gamma)
    assert exact_best(exact, after, gamma) == best
    assert len(best) == 8 or not seed % 2


def _naive_shape(mdp, phi):
    """The discount forgotten."""
    return MDP(
        mdp.transition, mdp.reward + mdp.transition @ phi - phi[:, None], mdp.discount
    )


def test_forgetting_the_discount_adds_a_wage_for_good_looking_states():
    # gamma' = 1 pays gamma phi' - phi, and (1 - gamma) phi' on top: for ever.
    mdp, rng = random_mdp(0)
    phi = rng.standard_normal(6)
    wage = 0.1 * mdp.transition @ phi
    np.testing.assert_allclose(
        _naive_shape(mdp, phi).reward, shape(mdp, phi).reward + wage, rtol=0, atol=1e-14
    )


def share_changed(discount, scale, transform, count=40):
    changed = 0
    for seed in range(count):
        mdp, rng = random_mdp(seed, discount=discount)
        other = transform(mdp, scale * rng.standard_normal(6))
        changed += (
            policy_iteration(mdp).policy != policy_iteration(other).policy
        ).any()
    return changed


def test_the_right_discount_changes_no_optimum_and_a_forgotten_one_many():
    assert share_changed(0.5, 10.0, shape) == 0
    assert share_changed(0.9, 1.0, shape) == 0
    assert share_changed(0.5, 10.0, _naive_shape) > 30
    assert 0 < share_changed(0.9, 1.0, _naive_shape) < 20
    assert share_changed(0.99, 0.1, _naive_shape) == 0


def test_ties_stay_ties():
    # Two actions that are one: whatever the potential, neither becomes better.
    mdp, rng = random_mdp(3, actions=1)
    twice = MDP(np.repeat(mdp.transition, 2, 1), np.repeat(mdp.reward, 2, 1), 0.9)
    shaped = shape(twice, rng.standard_normal(6))
    np.testing.assert_array_equal(shaped.reward[:, 0], shaped.reward[:, 1])


def test_another_solver_finds_the_same_policies():
    for seed in range(20):
        mdp, rng = random_mdp(seed)
        shaped = shape(mdp, 5 * rng.standard_normal(6))
        np.testing.assert_array_equal(
            linear_program(shaped).policy, policy_iteration(mdp).policy
        )


def test_unavailable_actions_stay_unavailable_and_sparse_stays_sparse():
    transition = np.array([[[0, 1], [1, 0]], [[1, 0], [0, 1]]], float)
    mdp = MDP(transition, [[1, -np.inf], [0, 2]], 0.5)
    np.testing.assert_array_equal(
        shape(mdp, [4, 2]).reward, [[1 + 1 - 4, -np.inf], [0 + 2 - 2, 2 + 1 - 2]]
    )
    swim = river_swim()
    phi = np.arange(6.0)
    shaped = shape(swim, phi)
    assert sparse.issparse(shaped.transition)
    dense = MDP(swim.rows.toarray().reshape(6, 2, 6), swim.reward, swim.discount)
    # A product of six terms, in another order.
    np.testing.assert_allclose(
        shaped.reward, shape(dense, phi).reward, rtol=0, atol=rounding(8, 5)
    )


def test_nothing_that_was_passed_is_changed():
    mdp, rng = random_mdp(0)
    phi = rng.standard_normal(6)
    before, reward = phi.copy(), mdp.reward.copy()
    phi.flags.writeable = False
    shape(mdp, phi)
    np.testing.assert_array_equal(phi, before)
    np.testing.assert_array_equal(mdp.reward, reward)


@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_potentials_of_every_scale_are_added(scale):
    mdp = MDP(np.eye(2)[[[1, 0], [0, 1]]], np.zeros((2, 2)), 0.5)
    shaped = shape(mdp, [scale, 3 * scale])
    np.testing.assert_allclose(
        shaped.reward,
        scale * np.array([[0.5, -0.5], [-2.5, -1.5]]),
        rtol=10 * 4 * EPS,
    )


def test_a_state_that_pays_for_ever_is_no_end():
    # It stays, but pays 1 each time: the process goes on, and any potential will do.
    mdp = MDP(np.ones((1, 1, 1)), [[1.0]], 0.5)
    assert policy_iteration(shape(mdp, [3])).value[0] == pytest.approx(
        2 - 3, rel=0, abs=rounding(10, 4)
    )


def test_an_end_with_an_unavailable_action_is_an_end():
    there = np.eye(2)[[[1, 1], [1, 1]]]
    mdp = MDP(there, [[-1, 0], [0, -np.inf]], 0.5)
    with pytest.raises(ValueError, match="zero in terminal states, got 2 in state 1"):
        shape(mdp, [1, 2])
    assert shape(mdp, [1, 0]).reward[1, 0] == 0


# Environments


class Line(gymnasium.Env):
    """Walk along five cells; 0 and 4 end it, and the episode is cut after `limit` steps."""

    observation_space = gymnasium.spaces.Discrete(5)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, limit=100, reward=-1.0):
        self.limit, self.pay = limit, reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cell, self.age = 2, 0
        return self.cell, {}

    def step(self, action):
        self.cell += 1 if action else -1
        self.age += 1
        ended = self.cell in (0, 4)
        return self.cell, self.pay, ended, self.age >= self.limit, {"age": self.age}


def rollout(env, actions):
    env.reset(seed=0)
    steps = [env.step(a) for a in actions]
    return [s[1] for s in steps], steps[-1]


PHI = np.array([7.0, 1.0, 2.0, 4.0, 9.0])


def test_each_step_is_paid_gamma_phi_after_minus_phi_before():
    paid, last = rollout(ShapedEnv(Line(), PHI.__getitem__, 0.5), [1, 0, 0])
    assert paid == [-1 + 2 - 2, -1 + 1 - 4, -1 + 0.5 - 2]
    assert last[4] == {"age": 3}


def test_a_termination_counts_as_zero_and_a_truncation_keeps_its_potential():
    paid, last = rollout(ShapedEnv(Line(), PHI.__getitem__, 0.5), [1, 1])
    assert paid[-1] == -1 + 0 - 4
    assert last[2]
    paid, last = rollout(ShapedEnv(Line(limit=1), PHI.__getitem__, 0.5), [1])
    assert paid[-1] == -1 + 0.5 * 4 - 2
    assert last[2:4] == (False, True)
    # Both at once: the process is over, whoever stopped watching.
    paid, last = rollout(ShapedEnv(Line(limit=2), PHI.__getitem__, 0.5), [1, 1])
    assert paid[-1] == -1 + 0 - 4
    assert last[2:4] == (True, True)


@quick
@given(seed=st.integers(0, 10**6), length=st.integers(1, 30))
def test_the_payments_telescope_also_when_the_potential_changes_with_time(seed, length):
    rng = np.random.default_rng(seed)
    env = ShapedEnv(Line(reward=0.0), lambda s: float(rng.normal()), 0.9)
    env.reset(seed=0)
    first, total, factor = env.held, 0.0, 1.0
    for step in range(length):  # to and fro: never at an end
        total += factor * env.step(step % 2)[1]
        factor *= 0.9
    # length sums of numbers of a few units.
    assert total == pytest.approx(
        factor * env.held - first, rel=0, abs=rounding(4 * length, 5)
    )


def test_an_episode_starts_with_its_own_potential():
    env = ShapedEnv(Line(), PHI.__getitem__, 0.5)
    rollout(env, [1, 1])
    assert rollout(env, [0])[0] == [-1 + 0.5 * 1 - 2]


def test_many_copies_are_paid_as_one():
    make = lambda: gymnasium.wrappers.TimeLimit(Line(), 3)  # noqa: E731
    copies = ShapedVectorEnv(
        gymnasium.vector.SyncVectorEnv([make, make]), lambda s: PHI[s], 0.5
    )
    single = [ShapedEnv(make(), PHI.__getitem__, 0.5) for _ in range(2)]
    copies.reset(seed=0)
    for env in single:
        env.reset(seed=0)
    rng, fresh = np.random.default_rng(0), [False, False]
    kinds = set()
    for _ in range(200):
        actions = rng.integers(2, size=2)
        _, paid, terminated, truncated, _ = copies.step(actions)
        for i, env in enumerate(single):
            if fresh[i]:  # the copy only starts anew: nothing happened
                env.reset()
                assert paid[i] == 0
                fresh[i] = False
                continue
            _, mine, over, cut, _ = env.step(int(actions[i]))
            assert paid[i] == mine
            assert (terminated[i], truncated[i]) == (over, cut)
            fresh[i] = over or cut
            kinds.add((over, cut))
    assert kinds == {(False, False), (True, False), (False, True)}


def test_copies_of_an_mdp_earn_what_the_shaped_mdp_expects():
    mdp, rng = random_mdp(1, states=3, actions=2)
    phi = rng.standard_normal(3)
    plain = MDPVectorEnv(mdp, np.arange(3)[:, None], copies=20_000, horizon=10)
    env = ShapedVectorEnv(plain, lambda x: phi[x[:, 0].astype(int)], 0.9)
    seen, _ = env.reset(seed=0)
    state, action = seen[:, 0].astype(int), rng.integers(2, size=20_000)
    _, paid, *_ = env.step(action)
    for s, a in itertools.product(range(3), range(2)):
        mine = paid[(state == s) & (action == a)]
        error = mine.std() / np.sqrt(mine.size)
        assert abs(mine.mean() - shape(mdp, phi).reward[s, a]) < 5 * error


def test_the_caller_may_reuse_the_array_of_potentials():
    out = np.zeros(2)

    def potential(x):
        out[:] = x[:, 0]
        return out

    env = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point")
    env = ShapedVectorEnv(env, potential, 1.0)
    first, _ = env.reset(seed=0)
    first = first[:, 0].astype(float)
    seen, paid, *_ = env.step(np.array([0, 1]))
    np.testing.assert_allclose(
        paid, 1 + seen[:, 0].astype(float) - first, rtol=0, atol=rounding(4, 2)
    )


# Learning


def uneven_cliff(seed):
    """The cliff with a step cost of its own for every cell and direction, so that nothing ties."""
    env = gymnasium.make("CliffWalking-v1")
    rng = np.random.default_rng(seed)
    for moves in env.unwrapped.P.values():
        for action, outcomes in moves.items():
            extra = rng.random()
            moves[action] = [(p, s, r - extra, end) for p, s, r, end in outcomes]
    return env


@pytest.mark.parametrize("seed", range(5))
def test_shaping_is_initialisation_update_for_update(seed):
    phi = np.random.default_rng(seed).uniform(-20, 5, 48)
    steps, gamma = 5000, 0.95
    started = q_learning(
        uneven_cliff(seed), gamma, steps, seed, initial=np.tile(phi[:, None], 4)
    )
    shaped = q_learning(
        ShapedEnv(uneven_cliff(seed), phi.__getitem__, gamma), gamma, steps, seed
    )
    np.testing.assert_array_equal(shaped.action, started.action)
    np.testing.assert_array_equal(shaped.ended, started.ended)
    assert started.ended.sum() > 10
    # An update adds 10 roundings of the largest number, and passes on gamma of the error
    # that the values had: a geometric sum. Rewards go down to -101, values to -101/(1-gamma).
    bound = rounding(10, 101 / (1 - gamma) + 20) / (1 - gamma)
    np.testing.assert_allclose(shaped.error, started.error, rtol=0, atol=2 * bound)
    np.testing.assert_allclose(
        shaped.table + phi[:, None], started.table, rtol=0, atol=bound
    )


def test_a_truncated_episode_bootstraps_and_a_terminated_one_does_not():
    q = np.arange(10.0).reshape(5, 2)
    # From cell 2 (values 4, 5) right to cell 3 (6, 7), cut there.
    learnt = q_learning(Line(limit=1), 0.5, 1, 0, initial=q, epsilon=0.0)
    assert learnt.action[0] == 1
    assert learnt.error[0] == -1 + 0.5 * 7 - 5
    assert learnt.table[2, 1] == 5 + 0.5 * learnt.error[0]
    # On to cell 4, which ends it.
    learnt = q_learning(Line(), 0.5, 2, 0, initial=q, epsilon=0.0, learning_rate=1.0)
    assert learnt.error[1] == -1 - 7
    assert learnt.table[3, 1] == -1
    np.testing.assert_array_equal(learnt.ended, [False, True])
    np.testing.assert_array_equal(learnt.reward, [-1, -1])


def test_a_truncated_episode_starts_anew():
    learnt = q_learning(Line(limit=1), 0.5, 6, 0, initial=np.full((5, 2), 9.0))
    assert learnt.ended.all()
    # Every step was the first from cell 2, so no other row has been touched.
    np.testing.assert_array_equal(learnt.table[[0, 1, 3, 4]], 9.0)
    assert (learnt.table[2] != 9.0).any()


def test_q_learning_finds_the_optimum_of_the_cliff():
    learnt = q_learning(uneven_cliff(0), 0.95, 60_000, 0, epsilon=0.3)
    optimum = policy_iteration(MDP.from_gymnasium(uneven_cliff(0), 0.95))
    state, path = 36, []
    for _ in range(13):
        action = learnt.table[state].argmax()
        assert action == optimum.policy[state]
        state = uneven_cliff(0).unwrapped.P[state][action][0][1]
        path.append(state)
    assert state == 47


def test_exploration_is_as_frequent_as_asked_and_ties_are_broken_evenly():
    counts = np.bincount(q_learning(Line(), 0.5, 4000, 0, epsilon=1.0).action)
    assert abs(counts[0] - 2000) < 5 * np.sqrt(1000)
    # Nothing pays and nothing costs: every choice ties.
    free = q_learning(Line(reward=0.0), 0.5, 4000, 0, epsilon=0.0).action
    assert abs(free.sum() - 2000) < 5 * np.sqrt(1000)
    # Greedy nine times in ten, and half of the tenth.
    q = np.zeros((5, 2))
    q[:, 1] = 1e6
    greedy = q_learning(
        Line(), 0.0, 4000, 0, initial=q, epsilon=0.1, learning_rate=1e-9
    ).action
    assert abs(greedy.sum() - 0.95 * 4000) < 5 * np.sqrt(4000 * 0.05 * 0.95)


def test_a_seed_fixes_everything_and_the_start_is_left_alone():
    q = np.zeros((5, 2))
    q.flags.writeable = False
    a, b = (q_learning(Line(), 0.9, 100, 3, initial=q) for _ in range(2))
    np.testing.assert_array_equal(a.table, b.table)
    np.testing.assert_array_equal(a.action, b.action)
    c = q_learning(Line(), 0.9, 100, 4, initial=q)
    assert (a.action != c.action).any()


# Bad input

END = MDP([[[0, 1.0]], [[0, 1.0]]], [[-1], [0]], 0.5)
CARTPOLE = "CartPole-v1"


class FromOne(Line):
    action_space = gymnasium.spaces.Discrete(2, start=1)


class SameStep(gymnasium.vector.VectorWrapper):
    metadata = MappingProxyType({"autoreset_mode": AutoresetMode.SAME_STEP})


def vector(wrong=None):
    env = gymnasium.make_vec(CARTPOLE, 2, vectorization_mode="vector_entry_point")
    env = ShapedVectorEnv(env, lambda x: wrong, 0.9)
    env.reset(seed=0)


def single(wrong):
    ShapedEnv(Line(), lambda s: wrong, 0.9).reset(seed=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: shape(END, [1, 0, 0]), ValueError, "potential must have shape"),
        (lambda: shape(END, 1.0), ValueError, "potential must have shape"),
        (lambda: shape(END, [[1, 0]]), ValueError, "potential must have shape"),
        (
            lambda: shape(END, [1, 2]),
            ValueError,
            "potential must be zero in terminal states, got 2 in state 1",
        ),
        (lambda: shape(END, [np.nan, 0]), ValueError, "potential must be finite"),
        (lambda: shape(END, [np.inf, 0]), ValueError, "potential must be finite"),
        (lambda: shape(END, ["a", "b"]), TypeError, "potential must hold real"),
        (lambda: shape(END, None), TypeError, "potential must hold real"),
        (
            lambda: shape(END, torch.zeros(2, requires_grad=True)),
            TypeError,
            "potential must hold real",
        ),
        (lambda: shape(END, [1e308, 0]), ValueError, "potential must keep rewards"),
        (lambda: ShapedEnv(CARTPOLE, len, 0.9), TypeError, "env must be"),
        (lambda: ShapedEnv(Line(), PHI, 0.9), TypeError, "potential must be a func"),
        (lambda: ShapedEnv(Line(), len, 1.1), ValueError, "discount must lie in"),
        (lambda: ShapedEnv(Line(), len, -0.1), ValueError, "discount must lie in"),
        (lambda: ShapedEnv(Line(), len, np.nan), ValueError, "discount must"),
        (lambda: ShapedEnv(Line(), len, 0.9).step(0), RuntimeError, "call reset"),
        (lambda: single(np.nan), ValueError, "potential must be finite"),
        (lambda: single([1.0, 2.0]), ValueError, "potential must have shape"),
        (lambda: single(None), TypeError, "potential must hold real"),
        (lambda: ShapedVectorEnv(Line(), len, 0.9), TypeError, "env must be a gymn"),
        (
            lambda: ShapedVectorEnv(
                SameStep(gymnasium.make_vec(CARTPOLE, 2)), len, 0.9
            ),
            ValueError,
            "next-step autoreset",
        ),
        (
            lambda: ShapedVectorEnv(gymnasium.make_vec(CARTPOLE, 2), 3, 0.9),
            TypeError,
            "potential must be a func",
        ),
        (
            lambda: ShapedVectorEnv(gymnasium.make_vec(CARTPOLE, 2), len, 2),
            ValueError,
            "discount must lie in",
        ),
        (
            lambda: ShapedVectorEnv(gymnasium.make_vec(CARTPOLE, 2), len, 1).step(
                [0, 0]
            ),
            RuntimeError,
            "call reset",
        ),
        (lambda: vector([0.0]), ValueError, "potential must have shape"),
        (lambda: vector([0.0, np.nan]), ValueError, "potential must be finite"),
        (lambda: vector(), TypeError, "potential must hold real"),
        (lambda: q_learning(CARTPOLE, 0.9, 1, 0), TypeError, "env must be"),
        (
            lambda: q_learning(gymnasium.make(CARTPOLE), 0.9, 1, 0),
            TypeError,
            "discrete observation_space",
        ),
        (lambda: q_learning(FromOne(), 0.9, 1, 0), TypeError, "from 0 on"),
        (lambda: q_learning(Line(), 1.5, 1, 0), ValueError, "discount must lie"),
        (lambda: q_learning(Line(), 0.9, 0, 0), ValueError, "steps must be at least"),
        (lambda: q_learning(Line(), 0.9, 1.5, 0), TypeError, "steps must be an int"),
        (lambda: q_learning(Line(), 0.9, 1, -1), ValueError, "seed must be"),
        (
            lambda: q_learning(Line(), 0.9, 1, 0, initial=np.zeros(5)),
            ValueError,
            "initial must have shape",
        ),
        (
            lambda: q_learning(Line(), 0.9, 1, 0, initial=np.full((5, 2), np.nan)),
            ValueError,
            "initial must be finite",
        ),
        (
            lambda: q_learning(Line(), 0.9, 1, 0, learning_rate=0),
            ValueError,
            "learning_rate must lie",
        ),
        (
            lambda: q_learning(Line(), 0.9, 1, 0, learning_rate=1.1),
            ValueError,
            "learning_rate must lie",
        ),
        (
            lambda: q_learning(Line(), 0.9, 1, 0, epsilon=1.1),
            ValueError,
            "epsilon must lie",
        ),
        (
            lambda: q_learning(Line(reward=np.nan), 0.9, 5, 0),
            ValueError,
            "env must pay finite rewards",
        ),
        (
            lambda: q_learning(Line(reward=np.inf), 0.9, 1, 0),
            ValueError,
            "env must pay finite rewards",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
