"""The properties that make `companion.robustness.fault_tolerance` correct."""

import itertools
from fractions import Fraction
from math import comb

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
    policy_iteration,
    policy_value,
    sample_next,
)
from companion.robustness.fault_tolerance import (
    checkpoint_interval,
    checkpointed_time,
    dqn,
    health_levels,
    k_of_n_reliability,
    mean_time_to_failure,
    redundant_system,
    with_actuator_fault,
    with_sensor_fault,
)

quick = settings(derandomize=True, deadline=None, max_examples=40)
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
WEAR = np.array(
    [[0.85, 0.15, 0, 0], [0, 0.85, 0.15, 0], [0, 0, 0.85, 0.15], [0, 0, 0, 1]]
)


def maintenance(**changed) -> MDP:
    arguments = {
        "wear": WEAR,
        "components": 3,
        "income": [-4, -4, 0.6, 1],
        "repair_cost": 1.0,
        "overhaul_cost": 2.0,
        "discount": 0.95,
    }
    return redundant_system(**{**arguments, **changed})


# Reliability


@pytest.mark.parametrize(
    ("n", "k"), [(n, k) for n in range(1, 7) for k in range(1, n + 1)]
)
def test_reliability_is_the_enumeration_of_all_states(n, k):
    r = Fraction(3, 7)
    exact = sum(
        r ** sum(up) * (1 - r) ** (n - sum(up))
        for up in itertools.product([0, 1], repeat=n)
        if sum(up) >= k
    )
    assert k_of_n_reliability(3 / 7, k, n) == pytest.approx(float(exact), rel=1e-14)


@quick
@given(r=st.floats(0, 1))
def test_triple_modular_redundancy_helps_exactly_above_one_half(r):
    voted = float(k_of_n_reliability(r, 2, 3))
    assert voted == pytest.approx(3 * r**2 - 2 * r**3, abs=1e-15)
    assert (voted > r) == (0.5 < r < 1) or abs(voted - r) < 1e-12


def test_series_and_parallel_systems_are_the_ends():
    r = np.linspace(0, 1, 11)
    np.testing.assert_allclose(k_of_n_reliability(r, 5, 5), r**5, atol=1e-16)
    np.testing.assert_allclose(
        k_of_n_reliability(r, 1, 5), 1 - (1 - r) ** 5, atol=1e-15
    )


# Mean time to failure


@pytest.mark.parametrize(("k", "n"), [(1, 1), (2, 3), (1, 4), (3, 5)])
def test_without_repair_the_mean_time_is_the_sum_of_the_stages(k, n):
    rate = 0.2
    working = np.arange(n, -1, -1)
    Q = np.diag(working[:-1] * rate, 1) - np.diag(working * rate)
    time = mean_time_to_failure(Q, working < k)
    assert time[0] == pytest.approx(
        sum(1 / (j * rate) for j in range(k, n + 1)), rel=1e-13
    )


@quick
@given(fail=st.floats(1e-3, 10), repair=st.floats(0, 1000))
def test_repair_of_a_voted_triple_has_its_closed_form(fail, repair):
    Q = np.array(
        [[-3 * fail, 3 * fail, 0], [repair, -2 * fail - repair, 2 * fail], [0, 0, 0]]
    )
    expected = 5 / (6 * fail) + repair / (6 * fail**2)
    assert mean_time_to_failure(Q, np.array([False, False, True]))[0] == pytest.approx(
        expected, rel=1e-9
    )


def test_a_chain_in_steps_agrees_with_its_simulation():
    P = np.array([[0.9, 0.08, 0.02], [0.5, 0.3, 0.2], [0, 0, 1]])
    exact = mean_time_to_failure(P - np.eye(3), np.array([False, False, True]))[0]
    rng = np.random.default_rng(0)
    mdp = MDP(P[:, None, :], np.zeros((3, 1)), 0.5)
    state, time = np.zeros(20_000, dtype=int), np.zeros(20_000)
    while (alive := state != 2).any():
        time += alive
        state = sample_next(mdp, state, np.zeros_like(state), rng)
    assert abs(time.mean() - exact) < 4 * time.std() / np.sqrt(len(time))


def test_where_failure_is_not_certain_the_mean_time_is_infinite():
    # 0 fails or retires to the safe state 1; 2 can only fail; 3 has failed.
    Q = np.array([[-2.0, 1, 0, 1], [0, 0, 0, 0], [0, 0, -0.5, 0.5], [0, 0, 0, 0]])
    time = mean_time_to_failure(Q, np.array([False, False, False, True]))
    np.testing.assert_array_equal(time, [np.inf, np.inf, 2.0, 0.0])


# Checkpoints


@quick
@given(cost=st.floats(1e-3, 100), mtbf=st.floats(10, 1e5))
def test_the_checkpoint_interval_is_the_minimum(cost, mtbf):
    best = checkpoint_interval(cost, mtbf)
    around = best * np.array([0.97, 1.0, 1.03])
    time = checkpointed_time(around, cost, mtbf)
    assert time[1] < time[0]
    assert time[1] < time[2]


def test_youngs_interval_costs_about_three_in_a_hundred_thousand_more():
    best, young = checkpoint_interval(5, 1440), np.sqrt(2 * 5 * 1440)
    assert best == pytest.approx(116.690, abs=5e-4)
    assert young == pytest.approx(120)
    times = checkpointed_time([best, young], 5, 1440)
    assert times[1] / times[0] - 1 == pytest.approx(3.2e-5, rel=0.02)


def simulated_time(
    tau: float, cost: float, mtbf: float, restart: float, segments: int, seed: int
) -> np.ndarray:
    """Wall-clock time of each segment of `tau` work, failure by failure."""
    rng = np.random.default_rng(seed)
    times = np.zeros(segments)
    todo = np.arange(segments)
    needed = np.full(segments, tau + cost)
    while todo.size:
        failure = rng.exponential(mtbf, todo.size)
        done = failure >= needed[todo]
        times[todo] += np.where(done, needed[todo], failure)
        todo = todo[~done]
        needed[todo] = (
            restart + tau + cost
        )  # restart, then everything since the checkpoint again
    return times / tau


@pytest.mark.parametrize("restart", [0.0, 40.0])
def test_the_expected_time_is_the_mean_of_a_simulation_with_failures(restart):
    times = simulated_time(60, 5, 300, restart, 200_000, seed=0)
    exact = float(checkpointed_time(60, 5, 300, restart))
    assert abs(times.mean() - exact) < 4 * times.std() / np.sqrt(times.size)


# The maintenance problem


def test_the_product_kernel_is_the_enumeration_of_its_components():
    mdp, h = maintenance(), health_levels(4, 3)
    for s, a, t in itertools.product(range(0, 64, 5), range(5), range(64)):
        chance = 1.0
        for i in range(3):
            repaired = a in (i + 1, 4)
            chance *= float(h[t, i] == 0) if repaired else WEAR[h[s, i], h[t, i]]
        assert mdp.transition[s, a, t] == pytest.approx(chance, abs=1e-15)


def test_a_component_under_repair_does_not_work_and_costs_its_repair():
    mdp = maintenance()
    np.testing.assert_allclose(mdp.reward[0], [1, 0.6 - 1, 0.6 - 1, 0.6 - 1, -4 - 2])


def test_equal_components_are_interchangeable():
    value, h = policy_iteration(maintenance()).value, health_levels(4, 3)
    index = {tuple(row): s for s, row in enumerate(h)}
    for order in itertools.permutations(range(3)):
        swapped = [index[tuple(row[list(order)])] for row in h]
        np.testing.assert_allclose(value[swapped], value, atol=1e-12)


def test_worse_health_and_dearer_repair_are_never_worth_more():
    value, h = policy_iteration(maintenance()).value, health_levels(4, 3)
    worse = (h[:, None, :] <= h[None, :, :]).all(axis=2)
    assert (value[:, None] - value[None, :])[worse].min() >= -1e-12
    dearer = policy_iteration(maintenance(repair_cost=1.5)).value
    assert (dearer <= value + 1e-12).all()
    assert (dearer < value - 0.1).any()


def test_one_component_is_replaced_from_a_limit_of_wear_on():
    # Derman's control limit: costs of running that grow with wear, and a chain that wears monotonically.
    levels = 12
    wear = 0.7 * np.eye(levels) + 0.3 * np.eye(levels, k=1)
    wear[-1] = np.eye(levels)[-1]
    for cost in (0.5, 3.0, 10.0):
        base = redundant_system(wear, 1, [-2.0, 1.0], cost, cost, 0.97)
        reward = base.reward.copy()
        reward[:, 0] -= 0.1 * np.arange(levels)
        policy = policy_iteration(MDP(base.transition, reward, 0.97)).policy
        repair = policy > 0
        assert (np.diff(repair.astype(int)) >= 0).all()


# Faults as transforms


@pytest.mark.parametrize("sparse_rows", [False, True])
def test_an_actuator_fault_is_the_mixture_of_two_policies(sparse_rows):
    mdp = maintenance()
    if sparse_rows:
        mdp = MDP(sparse.csr_array(mdp.rows), mdp.reward, mdp.discount)
    policy, p = policy_iteration(mdp).policy, 0.3
    mixed = (1 - p) * np.eye(5)[policy] + p * np.eye(5)[0]
    faulty = with_actuator_fault(mdp, p, stuck_action=0)
    np.testing.assert_allclose(
        policy_value(faulty, policy), policy_value(mdp, mixed), atol=1e-9
    )


def test_an_actuator_without_fault_changes_nothing_and_a_stuck_one_takes_all_choice_away():
    mdp = maintenance()
    assert with_actuator_fault(mdp, 0.0, 0) is mdp
    stuck = with_actuator_fault(mdp, 1.0, stuck_action=4)
    np.testing.assert_allclose(
        stuck.transition, np.repeat(mdp.transition[:, [4]], 5, axis=1)
    )
    np.testing.assert_allclose(stuck.reward, np.repeat(mdp.reward[:, [4]], 5, axis=1))


def test_two_faults_in_a_row_compose():
    once = with_actuator_fault(with_actuator_fault(maintenance(), 0.2, 0), 0.5, 0)
    np.testing.assert_allclose(
        once.rows, with_actuator_fault(maintenance(), 0.6, 0).rows, atol=1e-15
    )


def test_an_actuator_fault_never_makes_an_unavailable_action_available():
    mdp = MDP(np.full((2, 2, 2), 0.5), [[0, -np.inf], [0, 1]], 0.9)
    for p in (0.0, 0.5, 1.0):
        faulty = with_actuator_fault(mdp, p, stuck_action=0)
        assert not np.isnan(faulty.reward).any()
        assert faulty.reward[0, 1] == -np.inf


def test_a_faulty_actuator_is_never_worth_more_than_a_sound_one():
    mdp = maintenance()
    values = [
        policy_iteration(with_actuator_fault(mdp, p, 0)).value
        for p in (0, 0.1, 0.3, 0.6)
    ]
    assert all(
        (worse <= better + 1e-9).all() for better, worse in itertools.pairwise(values)
    )


def test_a_sensor_fault_acts_on_the_reading_not_on_the_state():
    mdp = maintenance()
    policy = policy_iteration(mdp).policy
    faulty = with_sensor_fault(mdp, policy, 0.25, stuck_state=0)
    np.testing.assert_allclose(faulty.sum(axis=1), 1)
    for s in range(64):
        expected = np.zeros(5)
        expected[policy[s]] += 0.75
        expected[policy[0]] += 0.25
        np.testing.assert_allclose(faulty[s], expected)
    np.testing.assert_array_equal(
        with_sensor_fault(mdp, policy, 0.0, 0), np.eye(5)[policy]
    )


# Deep Q-learning


def env_of(mdp: MDP, copies: int = 64, horizon: int = 10) -> MDPVectorEnv:
    return MDPVectorEnv(mdp, one_hot_health(), copies, horizon)


def one_hot_health() -> np.ndarray:
    return np.eye(4)[health_levels(4, 3)].reshape(64, 12)


class TruncationTakenForTermination(MDPVectorEnv):
    """The popular wrong form: the cut at the horizon is reported as an end of the process."""

    def step(self, actions):
        observation, reward, terminated, truncated, info = super().step(actions)
        return observation, reward, terminated | truncated, truncated & False, info


def learnt_value(env: MDPVectorEnv, seed: int) -> tuple[np.ndarray, np.ndarray]:
    network = dqn(env, env.mdp.discount, seed)
    q = network(torch.as_tensor(env.features)).detach().numpy()
    return policy_value(env.mdp, q.argmax(axis=1)), q.max(axis=1)


def test_dqn_reaches_the_exact_optimum_and_the_naive_end_of_episodes_does_not():
    mdp = maintenance()
    optimum = policy_iteration(mdp).value
    reached, estimate = learnt_value(env_of(mdp), seed=0)
    assert (optimum - reached).max() < 0.5
    assert np.abs(estimate - optimum).max() < 1.5
    _, naive = learnt_value(
        TruncationTakenForTermination(mdp, one_hot_health(), 64, 10), seed=0
    )
    assert np.abs(naive - optimum).max() > 8


@pytest.mark.parametrize("device", DEVICES)
def test_the_same_seed_learns_the_same_and_another_seed_does_not(device):
    first, again, other = (
        torch.cat(
            [
                p.flatten()
                for p in dqn(
                    env_of(maintenance()), 0.95, s, steps=30, device=device
                ).parameters()
            ]
        )
        for s in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_dqn_leaves_the_global_random_state_alone():
    torch.manual_seed(7)
    np.random.seed(7)
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    dqn(env_of(maintenance()), 0.95, 0, steps=30)
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(legacy, np.random.get_state()[1])


def test_dqn_runs_in_gymnasiums_own_vector_environments():
    env = gymnasium.make_vec(
        "CartPole-v1", num_envs=8, vectorization_mode="vector_entry_point"
    )
    network = dqn(env, 0.99, seed=0, steps=60)
    assert network(torch.zeros(5, 4)).shape == (5, 2)


def test_copies_are_truncated_at_the_horizon_and_start_anew_without_a_reward():
    env = env_of(maintenance(), copies=5, horizon=3)
    env.reset(seed=0)
    ends = []
    for _ in range(9):
        _, reward, terminated, truncated, _ = env.step(np.full(5, 4))
        ends.append(truncated.all())
        assert not terminated.any()
        assert (reward == 0).all() == (
            len(ends) in (4, 8)
        )  # the step that only starts anew
    assert ends == [False, False, True, False, False, False, True, False, False]


def test_an_absorbing_state_terminates_and_is_not_truncated_too():
    mdp = MDP([[[0.0, 1.0]], [[0.0, 1.0]]], [[1.0], [0.0]], 0.9)
    env = MDPVectorEnv(mdp, np.eye(2), copies=4, horizon=1, start=[1.0, 0.0])
    env.reset(seed=0)
    observation, reward, terminated, truncated, _ = env.step(np.zeros(4, int))
    assert terminated.all()
    assert not truncated.any()
    np.testing.assert_array_equal(reward, 1)
    np.testing.assert_array_equal(observation, np.eye(2)[[1] * 4])


def test_the_environment_follows_the_kernel():
    mdp = maintenance()
    env = env_of(mdp, copies=20_000, horizon=100)
    env.reset(seed=0)
    start = env.state.copy()
    env.step(np.zeros(20_000, int))
    for s in (0, 21):
        seen = np.bincount(env.state[start == s], minlength=64)
        n = seen.sum()
        p = mdp.transition[s, 0]
        assert np.abs((seen - n * p)[p > 0] / np.sqrt(n * p * (1 - p))[p > 0]).max() < 5
        assert (seen[p == 0] == 0).all()


# Bad input


class WithMode(MDPVectorEnv):
    mode: object = AutoresetMode.SAME_STEP

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.metadata = {"autoreset_mode": self.mode}


MACHINE = maintenance()
CLOSED = MDP(np.full((2, 2, 2), 0.5), [[0, -np.inf], [0, 1]], 0.9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: k_of_n_reliability(1.1, 1, 2), ValueError, r"r must lie in \[0, 1\]"),
        (lambda: k_of_n_reliability(np.nan, 1, 2), ValueError, "r must be finite"),
        (
            lambda: k_of_n_reliability(0.5, 3, 2),
            ValueError,
            "k must be between 1 and 2, got 3",
        ),
        (lambda: k_of_n_reliability(0.5, 0, 2), ValueError, "k must be between"),
        (lambda: k_of_n_reliability(0.5, 1.5, 2), TypeError, "k must be an integer"),
        (
            lambda: mean_time_to_failure(np.eye(2), [False, True]),
            ValueError,
            "generator must have",
        ),
        (
            lambda: mean_time_to_failure([[-1, 1], [0, 0]], [0, 1]),
            ValueError,
            "failed must be 2 booleans",
        ),
        (
            lambda: mean_time_to_failure(np.zeros((2, 3)), [False, True]),
            ValueError,
            "square",
        ),
        (
            lambda: mean_time_to_failure([[np.nan, 1], [0, 0]], [False, True]),
            ValueError,
            "finite",
        ),
        (lambda: checkpoint_interval(0, 10), ValueError, "cost must be positive"),
        (lambda: checkpoint_interval(5, -1), ValueError, "mtbf must be positive"),
        (
            lambda: checkpointed_time([1, 0], 5, 10),
            ValueError,
            "interval must be positive",
        ),
        (
            lambda: checkpointed_time(1, 5, 10, restart=-1),
            ValueError,
            "restart must not be negative",
        ),
        (
            lambda: maintenance(wear=[[0.5, 0.4], [0, 1]]),
            ValueError,
            "wear must sum to 1",
        ),
        (lambda: maintenance(wear=[[0.5, 0.5]]), ValueError, "square matrix"),
        (
            lambda: maintenance(income=[1, 2]),
            ValueError,
            r"income must have shape \(4,\)",
        ),
        (
            lambda: maintenance(components=0),
            ValueError,
            "components must be at least 1",
        ),
        (
            lambda: maintenance(repair_cost=np.inf),
            ValueError,
            "repair_cost must be finite",
        ),
        (lambda: maintenance(discount=1.0), ValueError, "discount must satisfy"),
        (lambda: health_levels(0, 2), ValueError, "levels must be at least 1"),
        (
            lambda: with_actuator_fault(MACHINE, 1.2, 0),
            ValueError,
            "probability must lie",
        ),
        (
            lambda: with_actuator_fault(MACHINE, 0.2, 5),
            ValueError,
            "stuck_action must be between 0 and 4",
        ),
        (
            lambda: with_actuator_fault(CLOSED, 0.2, 1),
            ValueError,
            "available in every state, action 1",
        ),
        (
            lambda: with_sensor_fault(MACHINE, [0], 0.2, 0),
            ValueError,
            "one action for each of 64",
        ),
        (
            lambda: with_sensor_fault(MACHINE, np.full(64, 5), 0.2, 0),
            ValueError,
            "actions from 0 to 4",
        ),
        (
            lambda: with_sensor_fault(MACHINE, np.zeros(64, int), 0.2, 64),
            ValueError,
            "stuck_state must be",
        ),
        (
            lambda: MDPVectorEnv(CLOSED, np.eye(2), 4, 10),
            ValueError,
            "every action available",
        ),
        (
            lambda: MDPVectorEnv(MACHINE, np.eye(2), 4, 10),
            ValueError,
            "features must have shape",
        ),
        (
            lambda: MDPVectorEnv(MACHINE, np.eye(64), 0, 10),
            ValueError,
            "copies must be at least 1",
        ),
        (
            lambda: MDPVectorEnv(MACHINE, np.eye(64), 4, 10, start=np.ones(64)),
            ValueError,
            "start must",
        ),
        (lambda: dqn(env_of(MACHINE), 1.0, 0), ValueError, "discount must satisfy"),
        (
            lambda: dqn(env_of(MACHINE), 0.9, 0, steps=0),
            ValueError,
            "steps must be at least 1",
        ),
        (
            lambda: dqn(env_of(MACHINE), 0.9, 0, learning_rate=0),
            ValueError,
            "learning_rate must be positive",
        ),
        (
            lambda: dqn(WithMode(MACHINE, np.eye(64), 4, 10), 0.9, 0),
            ValueError,
            "next-step autoreset",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_dqn_refuses_an_environment_with_continuous_actions():
    env = gymnasium.make_vec("Pendulum-v1", num_envs=2, vectorization_mode="sync")
    with pytest.raises(TypeError, match="discrete actions"):
        dqn(env, 0.9, 0)


def test_a_binomial_is_what_the_package_computes():
    # the coefficients themselves, so that a change of library function is noticed
    assert k_of_n_reliability(0.5, 3, 10) == pytest.approx(
        sum(comb(10, j) for j in range(3, 11)) / 1024
    )


def test_the_value_of_a_learnt_policy_is_never_above_the_optimum():
    mdp = maintenance()
    optimum = policy_iteration(mdp).value
    random = np.random.default_rng(0).integers(0, 5, size=(50, 64))
    assert all((policy_value(mdp, policy) <= optimum + 1e-9).all() for policy in random)
    np.testing.assert_allclose(
        action_values(mdp, optimum).max(axis=1), optimum, atol=1e-10
    )
