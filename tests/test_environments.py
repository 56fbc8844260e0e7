"""An MDP as an environment: what it keeps of the caller, and what it refuses."""

import numpy as np
import pytest

from companion.environments import MDPVectorEnv
from companion.mdp import MDP

TWO = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)


def environment(**changes) -> MDPVectorEnv:
    arguments = {"mdp": TWO, "features": np.eye(2), "copies": 3, "horizon": 10}
    return MDPVectorEnv(**{**arguments, **changes})


def test_a_start_that_is_edited_later_changes_no_reset():
    start = np.array([1.0, 0.0])
    env = environment(start=start, copies=50)
    start[:] = 0, 1
    observation, _ = env.reset(seed=0)
    assert (observation[:, 0] == 1).all()


def test_a_step_before_the_first_reset_says_so():
    with pytest.raises(RuntimeError, match="call reset before step"):
        environment().step(np.zeros(3, dtype=int))


@pytest.mark.parametrize(
    "actions", [[1], 1, [0, 0, 2], [0, 0, -1], [0.0, 0.0, 1.0], [[0, 0, 1]]]
)
def test_actions_are_one_for_each_copy_and_in_range(actions):
    env = environment()
    env.reset(seed=0)
    before = env.state.copy()
    with pytest.raises(ValueError, match="actions must"):
        env.step(actions)
    assert np.array_equal(before, env.state)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"copies": 0}, ValueError, "copies"),
        ({"horizon": 0}, ValueError, "horizon"),
        ({"start": [0.5, 0.4]}, ValueError, "start must sum to 1"),
        ({"features": np.eye(3)}, ValueError, "features must have shape"),
        (
            {"mdp": MDP(np.full((2, 2, 2), 0.5), [[0, -np.inf], [0, 1]], 0.9)},
            ValueError,
            "every action available",
        ),
    ],
)
def test_a_bad_argument_is_named(change, error, message):
    with pytest.raises(error, match=message):
        environment(**change)
