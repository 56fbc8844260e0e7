"""The properties that make `companion.value_alignment.constrained_reinforcement_learning` correct."""

import itertools

import gymnasium
import numpy as np
import pytest
import torch

from companion.environments import MDPVectorEnv
from companion.mdp import MDP, occupancy, policy_iteration
from companion.value_alignment.constrained_optimum import (
    constrained_optimum,
    dual_value,
    hazard_grid,
)
from companion.value_alignment.constrained_reinforcement_learning import (
    CostVectorEnv,
    DampedMultiplier,
    lagrangian_iteration,
    ppo_lagrangian,
)
from tests.rounding import rounding, solve_error

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
# One state for ever: the long way earns 0.4, the short way earns 1 and costs 1.
ROAD = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], 0.5)
SHORT = np.array([[0.0, 1.0]])
LP = 1e-9  # what the linear program may miss of the optimum
GRID, COST, START = hazard_grid()


def sums(mdp, cost, policy, start):
    """Discounted reward and cost of a policy."""
    d = occupancy(mdp, policy, start)
    return float((d * mdp.reward).sum()), float((d * cost).sum())


def scale(mdp: MDP) -> float:
    """Of sums: what one per step is worth in all."""
    return 1 / (1 - mdp.discount)


# The price


def test_the_multiplier_adds_up_what_was_exceeded_and_the_damping_is_ahead_of_it():
    price = DampedMultiplier(0.5, rate=0.1, damping=0.2)
    prices = [price(cost) for cost in (1.0, 2.0, 2.0)]
    expected = [0.2 * 0.5, 0.1 * 0.5 + 0.2 * 1.5, 0.1 * (0.5 + 1.5) + 0.2 * 1.5]
    np.testing.assert_allclose(prices, expected, rtol=0, atol=rounding(10, 2))
    assert price.value == pytest.approx(0.1 * 3.5, abs=rounding(10, 2))


def test_the_price_and_the_multiplier_stop_at_zero_each_by_itself():
    price = DampedMultiplier(1.0, rate=0.1, damping=1.0, value=0.3)
    assert price(0.0) == 0.0
    assert price.value == pytest.approx(0.2, abs=rounding(10, 1))
    for _ in range(3):
        price(0.0)
    assert price.value == 0.0
    assert price(2.0) == pytest.approx(1.0, abs=rounding(10, 1))


def test_with_no_rate_it_is_a_fixed_weight():
    price = DampedMultiplier(0.5, rate=0, value=0.7)
    assert [price(cost) for cost in (0.0, 1.0, 100.0)] == [0.7] * 3


# The Lagrangian iteration


def circling(damping: float, **changed):
    options = {"policy_rate": 1.0, "dual_rate": 0.05, "steps": 1000, **changed}
    return lagrangian_iteration(GRID, COST, 0.5, START, damping=damping, **options)


def test_undamped_steps_circle_and_damped_ones_settle_on_the_optimum():
    mdp, cost, start = hazard_grid()
    optimum = constrained_optimum(mdp, cost, 0.5, start)
    wild, calm = circling(0.0), circling(0.2)
    assert np.ptp(wild.cost[-200:]) > 0.3
    assert np.ptp(calm.cost[-200:]) < 1e-3
    assert calm.cost[-1] == pytest.approx(0.5, abs=1e-3)
    assert calm.value[-1] == pytest.approx(optimum.value, abs=1e-3)
    assert calm.multiplier[-1] == pytest.approx(optimum.multiplier, abs=1e-3)


def test_the_average_policy_has_the_average_reward_and_cost():
    mdp, cost, start = hazard_grid()
    path = circling(0.0, steps=50)
    value, spent = sums(mdp, cost, path.average, start)
    error = solve_error(mdp, scale(mdp))
    assert value == pytest.approx(path.value.mean(), abs=error)
    assert spent == pytest.approx(path.cost.mean(), abs=error)
    np.testing.assert_allclose(
        path.average.sum(axis=1), 1, rtol=0, atol=rounding(100, 1)
    )


def test_the_last_policy_is_the_one_whose_sums_stand_last():
    mdp, cost, start = hazard_grid()
    path = circling(0.1, steps=30)
    value, spent = sums(mdp, cost, path.policy, start)
    error = solve_error(mdp, scale(mdp))
    assert value == pytest.approx(path.value[-1], abs=error)
    assert spent == pytest.approx(path.cost[-1], abs=error)


def test_two_gradient_steps_by_hand():
    # The probabilities are multiplied by the exponential of the action values.
    path = lagrangian_iteration(
        ROAD, SHORT, 0.5, [1], policy_rate=0.7, dual_rate=0.1, damping=0.2, steps=3
    )
    one = 1 / (1 + np.exp(-0.7 * (1 - 0.1 - 0.4)))  # the short way, at the price 0.1
    assert path.cost[1] == pytest.approx(2 * one, abs=rounding(50, 2))
    price = 0.05 + 0.2 * (2 * one - 0.5)
    assert path.multiplier[1] == pytest.approx(price, abs=rounding(50, 2))
    odds = path.policy[0, 1] / path.policy[0, 0]
    expected = np.exp(0.7 * (1 - 0.1 - 0.4) + 0.7 * (1 - price - 0.4))
    assert odds == pytest.approx(expected, abs=rounding(50, 2))


def test_the_price_never_falls_below_zero():
    mdp, cost, start = hazard_grid()
    path = lagrangian_iteration(
        mdp, cost, 3.0, start, policy_rate=1.0, dual_rate=0.1, damping=1.0, steps=300
    )
    assert path.multiplier.min() == path.multiplier.max() == 0
    best = start @ policy_iteration(mdp).value
    assert path.value[-1] == pytest.approx(best, abs=1e-3)
    assert best - LP <= path.bound <= best + 0.05


@pytest.mark.parametrize("steps", [1, 10, 1000])
def test_the_bound_of_the_last_price_is_a_bound(steps):
    mdp, cost, start = hazard_grid()
    optimum = constrained_optimum(mdp, cost, 0.5, start)
    path = circling(0.2, steps=steps)
    dual = dual_value(mdp, cost, 0.5, path.multiplier[-1], start)
    assert path.bound >= dual - LP >= optimum.value - 2 * LP
    if steps == 1000:
        assert path.bound == pytest.approx(optimum.value, abs=0.02)


def test_an_unavailable_action_is_never_taken():
    reward = GRID.reward.copy()
    reward[15, 1] = -np.inf  # not right from the start
    closed = MDP(GRID.transition, reward, GRID.discount)
    options = {"policy_rate": 1.0, "dual_rate": 0.1, "steps": 5}
    path = lagrangian_iteration(closed, COST, 0.5, START, **options)
    assert path.policy[15, 1] == path.average[15, 1] == 0
    assert np.isfinite([*path.value, path.bound]).all()


def test_nothing_that_was_passed_is_changed_and_read_only_input_works():
    mdp, cost, start = hazard_grid()
    kept = cost.copy(), start.copy()
    for table in (cost, start):
        table.flags.writeable = False
    options = {"policy_rate": 1.0, "dual_rate": 0.1, "steps": 3}
    lagrangian_iteration(mdp, cost, 0.5, start, **options)
    CostVectorEnv(mdp, np.eye(25), 2, 10, start, cost=cost)
    np.testing.assert_array_equal(cost, kept[0])
    np.testing.assert_array_equal(start, kept[1])


# The environment


def env_of(copies: int = 64, horizon: int = 100, start=START) -> CostVectorEnv:
    return CostVectorEnv(GRID, np.eye(25), copies, horizon, start, cost=COST)


def test_a_step_costs_what_its_state_and_action_cost_and_a_fresh_start_nothing():
    cost = np.arange(100.0).reshape(25, 4) + 1
    env = CostVectorEnv(GRID, np.eye(25), 50, 3, cost=cost)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for step in range(1, 13):
        before, fresh = env.state.copy(), env.ended.copy()
        actions = rng.integers(0, 4, 50)
        _, reward, _, _, info = env.step(actions)
        expected = np.where(fresh, 0, cost[before, actions])
        np.testing.assert_array_equal(info["cost"], expected)
        np.testing.assert_array_equal(
            reward, np.where(fresh, 0, GRID.reward[before, actions])
        )
        if step % 4 == 0:
            assert fresh[env.age == 0].all()


def test_the_costs_of_the_environment_are_a_copy():
    cost = COST.copy()
    env = CostVectorEnv(GRID, np.eye(25), 2, 10, START, cost=cost)
    cost[:] = 7
    env.reset(seed=0)
    assert not env.step(np.array([0, 0]))[4]["cost"].any()


# PPO-Lagrangian


def learnt(seed=0, *, price=None, **changed):
    price = price or DampedMultiplier(0.5, rate=0.05, damping=1.0)
    options = {"steps": 2048 * 4, **changed}
    return ppo_lagrangian(env_of(), 0.95, price, seed, **options)


def flat(agent: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in agent.parameters()])


def policy_of(agent: torch.nn.Module) -> np.ndarray:
    with torch.no_grad():
        return agent(torch.eye(25)).double().softmax(dim=1).numpy()


def test_it_settles_near_the_exact_optimum():
    # The tolerances of the lesson are checked over ten seeds in the evidence; this one is quick.
    optimum = constrained_optimum(GRID, COST, 0.5, START)
    spent, value = [], []

    def watch(steps, agent, price, cost):
        a, b = sums(GRID, COST, policy_of(agent), START)
        value.append(a)
        spent.append(b)

    learnt(steps=2048 * 100, minibatch=512, watch=watch)
    assert np.mean(spent[-20:]) == pytest.approx(0.5, abs=0.1)
    assert np.mean(value[-20:]) == pytest.approx(optimum.value, abs=0.03)


def test_the_estimated_cost_is_that_of_the_policy_from_the_start():
    pairs = []

    def watch(steps, agent, price, cost):
        pairs.append((cost, sums(GRID, COST, policy_of(agent), START)[1]))

    price = DampedMultiplier(0.5, rate=0.0)
    agent = learnt(price=price, steps=2048 * 40, watch=watch)
    estimated, exact = np.array(pairs[10:]).T
    # About 200 episodes in each rollout, whose cost has a standard deviation below 1.
    assert np.abs(estimated - exact).max() < 5 / np.sqrt(200)
    assert abs((estimated - exact).mean()) < 5 / np.sqrt(200 * 30)
    # The critic has learnt both sums of the start; without either it would say 0.
    critic = agent.critic(torch.eye(25))[15].detach().numpy()
    expected = sums(GRID, COST, policy_of(agent), START)
    np.testing.assert_allclose(critic, expected, rtol=0, atol=0.2)
    assert min(expected) > 0.5


def test_the_price_sees_the_estimate_and_the_policy_answers_the_price():
    seen, told = [], []

    def price(cost):
        seen.append(cost)
        return 3.0

    dear = learnt(
        price=price,
        steps=2048 * 30,
        watch=lambda steps, agent, u, cost: told.append((steps, u, cost)),
    )
    assert [cost for _, _, cost in told] == seen
    assert [steps for steps, _, _ in told] == [2048 * (i + 1) for i in range(30)]
    assert {u for _, u, _ in told} == {3.0}
    free = learnt(price=lambda cost: 0.0, steps=2048 * 30)
    costs = [sums(GRID, COST, policy_of(agent), START)[1] for agent in (free, dear)]
    assert costs[0] > 0.7
    assert costs[1] < 0.3


def test_where_no_episode_begins_the_last_estimate_stands():
    seen = []
    env = CostVectorEnv(GRID, np.eye(25), 8, 1000, np.eye(25)[0], cost=0 * COST + 1)
    # Walls hold the walker: with one step in each rollout none begins after the first.
    ppo_lagrangian(env, 0.5, lambda c: seen.append(c) or 0.0, 0, steps=8 * 5, horizon=1)
    assert len(seen) == 5
    assert len(set(seen)) == 1
    assert seen[0] != 0


def test_the_steps_shrink_with_the_square_of_what_is_left():
    seen = []
    learnt(
        steps=2048 * 20, watch=lambda steps, agent, u, cost: seen.append(flat(agent))
    )
    moved = [float((b - a).abs().max()) for a, b in itertools.pairwise(seen)]
    # The last of these steps is made at (2/20)^2 of the first rate, a hundredth; the cube would be a thousandth.
    assert moved[0] / 200 < moved[-1] < moved[0] / 10


@pytest.mark.parametrize("device", DEVICES)
def test_the_same_seed_learns_the_same_and_another_seed_does_not(device):
    first, again, other = (flat(learnt(s, device=device)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_it_leaves_the_global_random_state_alone_and_learns_in_inference_mode():
    torch.manual_seed(7)
    np.random.seed(7)
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    plain = flat(learnt())
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(legacy, np.random.get_state()[1])
    with torch.inference_mode():
        inside = learnt()
    assert torch.equal(plain, flat(inside))


# Bad input


def iterated(**changed):
    given = {"mdp": GRID, "cost": COST, "limit": 0.5, "start": START, "dual_rate": 0.1}
    return lagrangian_iteration(**{**given, "policy_rate": 1, "steps": 2, **changed})


class NoBox(CostVectorEnv):
    def __init__(self):
        super().__init__(GRID, np.eye(25), 2, 9, START, cost=COST)
        self.single_observation_space = gymnasium.spaces.Discrete(25)


def run(env=None, discount=0.9, price=lambda cost: 0.0, seed=0, **changed):
    options = {"steps": 64, "horizon": 8, **changed}
    return ppo_lagrangian(env or env_of(2), discount, price, seed, **options)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: iterated(cost=[COST]), ValueError, "cost must have shape"),
        (lambda: iterated(cost=COST.T), ValueError, "cost must have shape"),
        (lambda: iterated(limit=[0.5]), ValueError, "limit must have shape"),
        (lambda: iterated(limit=np.inf), ValueError, "limit must be finite"),
        (lambda: iterated(start=2 * START), ValueError, "start must lie in"),
        (lambda: iterated(dual_rate=-1), ValueError, "rate must lie in"),
        (lambda: iterated(dual_rate="1"), TypeError, "rate must hold"),
        (lambda: iterated(dual_rate=np.nan), ValueError, "rate must be finite"),
        (lambda: iterated(damping=-1), ValueError, "damping must"),
        (lambda: iterated(policy_rate=0), ValueError, "policy_rate must"),
        (lambda: iterated(policy_rate=np.inf), ValueError, "policy_rate must"),
        (lambda: iterated(steps=0), ValueError, "steps must be at least 1"),
        (lambda: iterated(steps=1.0), TypeError, "steps must be an integer"),
        (lambda: DampedMultiplier(np.nan, 0.1), ValueError, "limit must be finite"),
        (lambda: DampedMultiplier(None, 0.1), TypeError, "limit must hold"),
        (lambda: DampedMultiplier(0.5, 0.1)(np.nan), ValueError, "cost must be finite"),
        (lambda: DampedMultiplier(0.5, -0.1), ValueError, "rate must lie in"),
        (lambda: DampedMultiplier(0.5, 1, -1), ValueError, "damping must lie in"),
        (lambda: DampedMultiplier(0.5, 1, 1, -1), ValueError, "value must lie in"),
        (
            lambda: CostVectorEnv(GRID, np.eye(25), 2, 9, cost=COST[:3]),
            ValueError,
            "cost must have shape",
        ),
        (
            lambda: CostVectorEnv(GRID, np.eye(25), 2, 9, cost=np.nan * COST),
            ValueError,
            "cost must be finite",
        ),
        (lambda: env_of().step(np.zeros(64, int)), RuntimeError, "call reset before"),
        (
            lambda: run(MDPVectorEnv(GRID, np.eye(25), 2, 9)),
            ValueError,
            "env must put each step's cost",
        ),
        (lambda: run(GRID), TypeError, "env must be a vector environment"),
        (lambda: run(NoBox()), TypeError, "env must observe a box"),
        (lambda: run(discount=1.0), ValueError, "discount must"),
        (lambda: run(price=0.5), TypeError, "price must map a cost to a price"),
        (lambda: run(price=lambda c: -1.0), ValueError, "price must lie in"),
        (lambda: run(price=lambda c: np.nan), ValueError, "price must be finite"),
        (lambda: run(seed=-1), ValueError, "seed must be"),
        (lambda: run(horizon=0), ValueError, "horizon must be at least 1"),
        (lambda: run(steps=15), ValueError, "steps must be at least 16"),
        (lambda: run(lam=1.1), ValueError, "lam must"),
        (lambda: run(learning_rate=0), ValueError, "learning_rate must"),
        (lambda: run(hidden=8), TypeError, "hidden must list"),
        (lambda: run(epochs=0), ValueError, "epochs must be at least 1"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_agent_that_diverges_is_no_answer():
    class Broken(CostVectorEnv):
        def step(self, actions):
            seen, *rest = super().step(actions)
            return seen * np.nan, *rest

    broken = Broken(GRID, np.eye(25), 2, 9, START, cost=COST)
    with pytest.raises(RuntimeError, match="diverged"):
        run(broken)
