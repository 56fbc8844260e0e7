"""The properties that make `companion.robustness.fault_tolerance` correct."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from companion.mdp import (
    MDP,
    policy_iteration,
    policy_value,
)
from companion.robustness.fault_tolerance import (
    health_levels,
    redundant_system,
    with_actuator_fault,
    with_sensor_fault,
)
from tests.rounding import solve_error

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


def test_only_the_last_level_is_failed():
    mdp, h = maintenance(), health_levels(4, 3)
    income = np.array([-4, -4, 0.6, 1])
    np.testing.assert_array_equal(mdp.reward[:, 0], income[(h < 3).sum(axis=1)])


def test_a_stuck_sensor_shows_the_state_at_which_it_is_stuck():
    mdp = maintenance()
    policy = np.arange(mdp.states) % mdp.actions
    stuck = 3
    found = with_sensor_fault(mdp, policy, 1.0, stuck)
    np.testing.assert_array_equal(
        found, np.tile(np.eye(mdp.actions)[policy[stuck]], (mdp.states, 1))
    )


def test_the_product_kernel_is_the_enumeration_of_its_components():
    mdp, h = maintenance(), health_levels(4, 3)
    for s, a, t in itertools.product(range(0, 64, 5), range(5), range(64)):
        chance = 1.0
        for i in range(3):
            repaired = a in (i + 1, 4)
            chance *= float(h[t, i] == 0) if repaired else WEAR[h[s, i], h[t, i]]
        assert mdp.transition[s, a, t] == pytest.approx(chance, abs=1e-15)


def test_a_kernel_is_refused_for_its_entries_and_not_for_its_levels():
    # 5 actions and 8**3 states: a hundredth of 2**27 entries.
    mdp = maintenance(wear=np.eye(8))
    assert mdp.transition.shape == (512, 5, 512)


def test_a_component_under_repair_does_not_work_and_costs_its_repair():
    mdp = maintenance()
    np.testing.assert_allclose(
        mdp.reward[0], [1, 0.6 - 1, 0.6 - 1, 0.6 - 1, -4 - 2], rtol=1e-12
    )


def test_equal_components_are_interchangeable():
    value, h = policy_iteration(maintenance()).value, health_levels(4, 3)
    index = {tuple(row): s for s, row in enumerate(h)}
    for order in itertools.permutations(range(3)):
        swapped = [index[tuple(row[list(order)])] for row in h]
        np.testing.assert_allclose(value[swapped], value, atol=1e-12, rtol=0)


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
        policy_value(faulty, policy), policy_value(mdp, mixed), atol=1e-9, rtol=0
    )


def test_an_actuator_without_fault_changes_nothing_and_a_stuck_one_takes_all_choice_away():
    mdp = maintenance()
    assert with_actuator_fault(mdp, 0.0, 0) is mdp
    stuck = with_actuator_fault(mdp, 1.0, stuck_action=4)
    np.testing.assert_allclose(
        stuck.transition, np.repeat(mdp.transition[:, [4]], 5, axis=1), rtol=1e-12
    )
    np.testing.assert_allclose(
        stuck.reward, np.repeat(mdp.reward[:, [4]], 5, axis=1), rtol=1e-12
    )


def test_two_faults_in_a_row_compose():
    once = with_actuator_fault(with_actuator_fault(maintenance(), 0.2, 0), 0.5, 0)
    np.testing.assert_allclose(
        once.rows, with_actuator_fault(maintenance(), 0.6, 0).rows, atol=1e-15, rtol=0
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
    np.testing.assert_allclose(faulty.sum(axis=1), 1, rtol=1e-12)
    for s in range(64):
        expected = np.zeros(5)
        expected[policy[s]] += 0.75
        expected[policy[0]] += 0.25
        np.testing.assert_allclose(faulty[s], expected, rtol=1e-12)
    np.testing.assert_array_equal(
        with_sensor_fault(mdp, policy, 0.0, 0), np.eye(5)[policy]
    )


def test_an_order_lost_and_a_reading_of_new_are_worth_the_same():
    # Both end in "run": the reading of a new machine makes the policy run it.
    mdp = maintenance()
    policy = policy_iteration(mdp).policy
    assert policy[0] == 0
    lost = policy_value(with_actuator_fault(mdp, 0.2, 0), policy)
    misread = policy_value(mdp, with_sensor_fault(mdp, policy, 0.2, 0))
    np.testing.assert_allclose(lost, misread, atol=solve_error(mdp), rtol=0)


@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_money_in_another_unit_only_rescales_the_value(scale):
    small = maintenance(
        income=np.array([-4, -4, 0.6, 1]) * scale,
        repair_cost=scale,
        overhaul_cost=2 * scale,
    )
    np.testing.assert_allclose(small.reward, maintenance().reward * scale, rtol=1e-14)
    faulty = with_actuator_fault(small, 0.2, 0)
    reward = with_actuator_fault(maintenance(), 0.2, 0).reward
    np.testing.assert_allclose(faulty.reward, reward * scale, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint64])
def test_policies_and_incomes_of_every_width_are_the_same_numbers(dtype):
    mdp = maintenance(income=np.array([0, 100, 120, 127], dtype), repair_cost=100)
    assert mdp.reward[0, 1] == 20
    policy = policy_iteration(mdp).policy
    np.testing.assert_array_equal(
        with_sensor_fault(mdp, policy.astype(dtype), 0.25, 0),
        with_sensor_fault(mdp, policy, 0.25, 0),
    )


def test_nothing_that_was_passed_is_changed_or_kept():
    wear, income = WEAR.copy(), np.array([-4.0, -4, 0.6, 1])
    wear.flags.writeable = income.flags.writeable = False
    mdp = maintenance(wear=wear, income=income)
    rows = sparse.csr_array(mdp.rows)
    kept = MDP(rows, mdp.reward, mdp.discount)
    before = rows.copy()
    with_actuator_fault(kept, 0.5, 0)
    with_sensor_fault(kept, np.zeros(64, int), 0.5, 0)
    np.testing.assert_array_equal(rows.indices, before.indices)
    np.testing.assert_array_equal(rows.data, before.data)


# Bad input

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
        (lambda: maintenance(discount=1.0), ValueError, "discount must lie in"),
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
            lambda: with_sensor_fault(MACHINE, np.full(64, 0.5), 0.2, 0),
            ValueError,
            "policy must hold one action",
        ),
        (
            lambda: with_sensor_fault(MACHINE, np.full(64, -1), 0.2, 0),
            ValueError,
            "actions from 0 to 4",
        ),
        (
            lambda: with_actuator_fault(MACHINE, [0.2], 0),
            ValueError,
            "probability must",
        ),
        (
            # -1e308 less 1e308 is -inf, which would mean: not available
            lambda: maintenance(income=[-1e308, 0, 0, 0], overhaul_cost=1e308),
            ValueError,
            "income less its costs must be finite",
        ),
        (
            lambda: maintenance(components=20, income=np.zeros(21)),
            ValueError,
            "components must leave a kernel of at most",
        ),
        (lambda: maintenance(components=True), TypeError, "components must be an"),
        (lambda: maintenance(wear=[[1.0]]), ValueError, "at least two levels"),
        (lambda: maintenance(wear=None), TypeError, "wear must hold real numbers"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
