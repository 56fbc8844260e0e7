"""The properties that make `companion.robustness.fault_tolerance` correct."""

import itertools

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from scipy import sparse

from companion.environments import MDPVectorEnv
from companion.mdp import (
    MDP,
    action_values,
    policy_iteration,
    policy_value,
)
from companion.robustness.fault_tolerance import (
    dqn,
    health_levels,
    redundant_system,
    with_actuator_fault,
    with_sensor_fault,
)

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
            "learning_rate must",
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


def test_the_value_of_a_learnt_policy_is_never_above_the_optimum():
    mdp = maintenance()
    optimum = policy_iteration(mdp).value
    random = np.random.default_rng(0).integers(0, 5, size=(50, 64))
    assert all((policy_value(mdp, policy) <= optimum + 1e-9).all() for policy in random)
    np.testing.assert_allclose(
        action_values(mdp, optimum).max(axis=1), optimum, atol=1e-10
    )
