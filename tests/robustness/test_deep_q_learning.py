"""The properties that make `companion.robustness.deep_q_learning` correct."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from companion.environments import MDPVectorEnv
from companion.mdp import MDP, action_values, policy_iteration, policy_value
from companion.robustness.deep_q_learning import double_q_target, dqn
from companion.robustness.fault_tolerance import health_levels, redundant_system

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
WEAR = np.array(
    [[0.85, 0.15, 0, 0], [0, 0.85, 0.15, 0], [0, 0, 0.85, 0.15], [0, 0, 0, 1]]
)


def maintenance() -> MDP:
    return redundant_system(WEAR, 3, [-4, -4, 0.6, 1], 1.0, 2.0, 0.95)


# The target


def _naive_target(reward, terminated, discount, online, target):
    """Q-learning without the double estimate: the same table chooses and values."""
    return reward + discount * torch.where(terminated, 0.0, target.max(dim=1).values)


def tables(seed: int, rows: int = 1000, actions: int = 5):
    generator = torch.Generator().manual_seed(seed)
    reward = torch.randn(rows, generator=generator)
    over = torch.rand(rows, generator=generator) < 0.2
    online = torch.randn(rows, actions, generator=generator)
    return reward, over, online, torch.randn(rows, actions, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("device", DEVICES)
def test_the_target_is_its_equation_row_by_row(device, dtype):
    r, over, online, target = (x.to(device) for x in tables(0))
    r, online, target = r.to(dtype), online.to(dtype), target.to(dtype)
    y = double_q_target(r, over, 0.9, online, target)
    assert (y.dtype, y.device) == (dtype, r.device)
    for i in range(len(r)):
        after = 0.0 if over[i] else float(target[i, int(online[i].argmax())])
        # one product and one sum
        expected = float(r[i]) + 0.9 * after
        error = 20 * torch.finfo(dtype).eps * (abs(float(r[i])) + abs(after))
        assert abs(float(y[i]) - expected) <= error


def test_with_equal_tables_the_double_estimate_is_the_single_one():
    r, over, online, _ = tables(1)
    y = double_q_target(r, over, 0.9, online, online)
    assert torch.equal(y, _naive_target(r, over, 0.9, online, online))


def test_the_double_estimate_of_noise_is_not_too_high_and_the_single_one_is():
    # Every action is worth 0; the tables hold independent noise around it.
    r, over, online, target = tables(2, rows=40_000)
    r, over = torch.zeros_like(r), torch.zeros_like(over)
    double = double_q_target(r, over, 0.9, online, target)
    single = _naive_target(r, over, 0.9, online, target)
    error = float(double.std()) / 40_000**0.5
    assert abs(float(double.mean())) < 5 * error
    assert float(single.mean()) > 0.9  # .9 times 1.163, the mean of the largest of five


def test_the_optimal_action_values_are_their_own_expected_target():
    mdp = maintenance()
    optimum = policy_iteration(mdp).value
    q = torch.as_tensor(action_values(mdp, optimum))
    zero, never = torch.zeros(64, dtype=q.dtype), torch.zeros(64, dtype=torch.bool)
    after = double_q_target(zero, never, 0.95, q, q).numpy()
    expected = mdp.reward + mdp.transition @ after
    # 64 products of numbers up to 20, and one linear solve before them
    np.testing.assert_allclose(expected, q.numpy(), atol=1e-10, rtol=0)


def test_a_terminated_step_does_not_look_ahead_even_at_infinity():
    inf = torch.tensor([[torch.inf, 0.0]])
    one, ended = torch.ones(1), torch.ones(1)
    assert float(double_q_target(one, ended, 0.9, inf, inf)) == 1.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"discount": 1.0}, "discount must"),
        ({"reward": torch.zeros(3, 1)}, "reward and terminated must have shape"),
        ({"terminated": torch.zeros(2)}, "reward and terminated must have shape"),
        ({"target": torch.zeros(3, 3)}, "online and target must have one shape"),
        ({"online": torch.zeros(3), "target": torch.zeros(3)}, "online and target"),
    ],
)
def test_targets_of_shapes_that_do_not_fit_are_refused(changed, message):
    given = {
        "reward": torch.zeros(3),
        "terminated": torch.zeros(3),
        "discount": 0.9,
        "online": torch.zeros(3, 2),
        "target": torch.zeros(3, 2),
    }
    with pytest.raises(ValueError, match=message):
        double_q_target(**{**given, **changed})


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


def flat(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_integers_of_numpy_seed_like_those_of_python():
    seeds = [0, np.int64(0), np.uint8(0)]
    first, *others = (
        flat(dqn(env_of(maintenance()), 0.95, s, steps=20)) for s in seeds
    )
    assert all(torch.equal(first, other) for other in others)


def test_dqn_learns_under_inference_mode_and_with_another_default_type():
    plain = flat(dqn(env_of(maintenance()), 0.95, 0, steps=30))
    with torch.inference_mode():
        inside = dqn(env_of(maintenance()), 0.95, 0, steps=30)
    assert torch.equal(plain, flat(inside))
    with torch.no_grad():
        assert torch.equal(plain, flat(dqn(env_of(maintenance()), 0.95, 0, steps=30)))
    try:
        torch.set_default_dtype(torch.float64)
        other = flat(dqn(env_of(maintenance()), 0.95, 0, steps=30))
    finally:
        torch.set_default_dtype(torch.float32)
    assert other.dtype == torch.float32
    assert torch.equal(plain, other)


def test_the_memory_forgets_the_oldest_and_never_holds_a_step_that_only_starts_anew():
    class Counting(MDPVectorEnv):
        # The observation is the step's number; the reward repeats it.
        def step(self, actions):
            _, _, terminated, truncated, info = super().step(actions)
            self.now = getattr(self, "now", 0) + 1
            seen = np.full((self.num_envs, 12), self.now, np.float32)
            return seen, np.full(self.num_envs, self.now), terminated, truncated, info

    drawn = []

    def loss(predicted, target):
        drawn.append(target.detach().numpy().copy())
        return nn_loss(predicted, target)

    nn_loss = torch.nn.functional.mse_loss
    env = Counting(maintenance(), one_hot_health(), 4, 3)
    dqn(env, 0.0, 0, steps=40, batch=500, memory=8, loss=loss)
    # With discount 0 the target is the reward: the number of the step.
    for step, seen in enumerate(drawn, 1):
        counted = [n for n in range(1, step + 1) if n % 4]  # each fourth starts anew
        assert set(seen.astype(int)) == set(counted[-2:])  # 8 transitions, 4 a step


def test_the_target_network_is_renewed_every_sync_updates():
    seen = []
    dqn(
        env_of(maintenance()),
        0.95,
        0,
        steps=50,
        sync=20,
        watch=lambda step, network: seen.append(step),
    )
    assert seen == [0, 20, 40, 50]


def test_what_is_learnt_depends_on_how_old_the_copy_is():
    # The copy draws no random number, so all that differs is its age.
    fresh, old = (
        dqn(env_of(maintenance()), 0.95, 0, steps=30, sync=sync) for sync in (1, 30)
    )
    assert not torch.equal(
        next(fresh.parameters()).flatten(), next(old.parameters()).flatten()
    )


def test_the_share_of_random_actions_falls_from_all_to_one_in_twenty():
    # One action is always best: whatever else is done was drawn at random.
    mdp = MDP(np.full((1, 2, 1), 1.0), [[1.0, 0.0]], 0.0)
    taken = []

    class Watched(MDPVectorEnv):
        def step(self, actions):
            taken.append(np.asarray(actions).mean())
            return super().step(actions)

    dqn(Watched(mdp, [[1.0]], 400, 1000), 0.0, 0, steps=400, learning_rate=0.01)
    assert abs(np.mean(taken[:20]) - 0.5) < 0.05  # all at random: half are wrong
    assert abs(np.mean(taken[100:140]) - 0.5 * (1 - 1.9 * 120 / 400)) < 0.03
    assert abs(np.mean(taken[-100:]) - 0.025) < 0.01


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_one_step_rewards_are_learnt_in_their_own_unit(scale):
    mdp = MDP(np.full((2, 2, 2), 0.5), scale * np.array([[1.0, 0.0], [0.0, 1.0]]), 0.0)
    network = dqn(
        MDPVectorEnv(mdp, np.eye(2), 16, 10), 0.0, 0, steps=300, learning_rate=0.01
    )
    greedy = network(torch.eye(2)).argmax(dim=1)
    assert greedy.tolist() == [0, 1]


def test_where_there_is_no_choice_the_one_action_is_valued():
    mdp = MDP([[[1.0]]], [[1.0]], 0.0)
    network = dqn(
        MDPVectorEnv(mdp, [[1.0]], 8, 10), 0.0, 0, steps=40, learning_rate=0.01
    )
    assert network(torch.ones(1, 1)).item() == pytest.approx(1, abs=0.1)


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


def learn(**changed):
    arguments = {"env": env_of(MACHINE), "discount": 0.9, "seed": 0, "steps": 2}
    return dqn(**{**arguments, **changed})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
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
        (lambda: learn(discount=1.0), ValueError, "discount must"),
        (lambda: learn(discount=None), TypeError, "discount must"),
        (lambda: learn(seed=-1), ValueError, "seed must be"),
        (lambda: learn(seed=np.random.default_rng(0)), TypeError, "seed must be an"),
        (lambda: learn(seed=0.5), TypeError, "seed must be an integer"),
        (lambda: learn(steps=0), ValueError, "steps must be at least 1"),
        (lambda: learn(batch=0), ValueError, "batch must be at least 1"),
        (lambda: learn(batch=1.5), TypeError, "batch must be an integer"),
        (lambda: learn(sync=0), ValueError, "sync must be at least 1"),
        (lambda: learn(memory=63), ValueError, "memory must be at least 64"),
        (lambda: learn(learning_rate=0), ValueError, "learning_rate must"),
        (lambda: learn(learning_rate=np.inf), ValueError, "learning_rate must"),
        (lambda: learn(hidden=8), TypeError, "hidden must list"),
        (lambda: learn(hidden="64"), TypeError, "hidden must list"),
        (lambda: learn(hidden=(x for x in [8])), TypeError, "hidden must list"),
        (lambda: learn(hidden=(0,)), ValueError, "hidden must be at least 1"),
        (
            lambda: learn(env=WithMode(MACHINE, np.eye(64), 4, 10)),
            ValueError,
            "next-step autoreset",
        ),
        (
            lambda: learn(env=gymnasium.make("CartPole-v1")),
            TypeError,
            "env must be a vector environment",
        ),
        (lambda: learn(env=MACHINE), TypeError, "env must be a vector environment"),
        (
            lambda: learn(
                env=gymnasium.make_vec(
                    "Pendulum-v1", num_envs=2, vectorization_mode="sync"
                )
            ),
            TypeError,
            "env must have discrete actions",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_everything_is_refused_before_the_first_step():
    class Untouched(MDPVectorEnv):
        def reset(self, **_):
            raise AssertionError("the environment was reset")

    env = Untouched(MACHINE, one_hot_health(), 4, 10)
    for wrong in ({"sync": 0}, {"batch": 0}, {"memory": 3}, {"hidden": (0,)}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            learn(env=env, **wrong)


def test_a_network_that_diverges_is_no_answer():
    class Broken(MDPVectorEnv):
        def step(self, actions):
            seen, reward, *rest = super().step(actions)
            return seen, reward * np.nan, *rest

    with pytest.raises(RuntimeError, match="diverged"):
        learn(env=Broken(MACHINE, one_hot_health(), 4, 10))


def test_the_value_of_a_learnt_policy_is_never_above_the_optimum():
    mdp = maintenance()
    optimum = policy_iteration(mdp).value
    random = np.random.default_rng(0).integers(0, 5, size=(50, 64))
    assert all((policy_value(mdp, policy) <= optimum + 1e-9).all() for policy in random)
    np.testing.assert_allclose(
        action_values(mdp, optimum).max(axis=1), optimum, atol=1e-10, rtol=0
    )
