"""An MDP as an environment: what it keeps of the caller, and what it refuses."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from companion.environments import MDPVectorEnv, check_vector_env
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


def changed(**attributes: object) -> MDPVectorEnv:
    env = environment()
    for name, value in attributes.items():
        setattr(env, name, value)
    return env


def test_an_environment_that_learners_can_handle_says_its_sizes():
    features = np.zeros((2, 5))
    assert check_vector_env(environment(features=features)) == (5, 2)


@pytest.mark.parametrize(
    ("env", "error", "message"),
    [
        (TWO, TypeError, "must be a vector environment"),
        (gymnasium.make("CartPole-v1"), TypeError, "must be a vector environment"),
        (
            changed(single_observation_space=gymnasium.spaces.Discrete(2)),
            TypeError,
            "must observe a box",
        ),
        (
            changed(single_observation_space=gymnasium.spaces.Box(0, 1, (2, 2))),
            TypeError,
            "must observe a box",
        ),
        (
            changed(single_action_space=gymnasium.spaces.Discrete(2, start=1)),
            TypeError,
            "discrete actions from 0 on",
        ),
        (
            changed(metadata={"autoreset_mode": AutoresetMode.SAME_STEP}),
            ValueError,
            "next-step autoreset",
        ),
        (changed(metadata={}), ValueError, "next-step autoreset, got None"),
    ],
)
def test_an_environment_that_learners_cannot_handle_is_refused(env, error, message):
    with pytest.raises(error, match=message):
        check_vector_env(env)
