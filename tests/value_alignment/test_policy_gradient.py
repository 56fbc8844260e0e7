"""The properties that make `companion.value_alignment.policy_gradient` correct."""

import itertools

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.environments import MDPVectorEnv
from companion.mdp import MDP, action_values, policy_iteration, policy_value
from companion.value_alignment import policy_gradient as module
from companion.value_alignment.policy_gradient import (
    ActorCritic,
    clipped_loss,
    gae,
    normalised,
    policy_gradient,
    ppo,
    ppo_update,
    reinforce,
    rollout,
)
from tests.rounding import EPS, largest, rounding, solve_error

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def softmax(logits: np.ndarray) -> np.ndarray:
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def random_mdp(rng: np.random.Generator, states: int = 5, actions: int = 3) -> MDP:
    transition = rng.dirichlet(np.ones(states), (states, actions))
    return MDP(transition, rng.normal(size=(states, actions)), rng.uniform(0, 0.95))


def process(seed: int, states: int = 5, actions: int = 3):
    rng = np.random.default_rng(seed)
    mdp = random_mdp(rng, states, actions)
    return mdp, rng.normal(size=(states, actions)), rng.dirichlet(np.ones(states))


# The exact gradient


def _naive_gradient(mdp, logits, start):
    """The textbook's sum with the undiscounted share of visits of a long run: no gradient of this return."""
    policy = softmax(logits)
    value = policy_value(mdp, policy)
    kernel = np.einsum("sa,sat->st", policy, mdp.transition)
    share = start @ np.linalg.matrix_power(kernel, 10_000)
    scale = share[:, None] / (1 - mdp.discount)
    return scale * policy * (action_values(mdp, value) - value[:, None])


@given(seed=st.integers(0, 10_000))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_the_exact_gradient_is_what_automatic_differentiation_finds(seed):
    mdp, logits, start = process(seed)
    theta = torch.tensor(logits, requires_grad=True)
    policy = theta.softmax(dim=1)
    transition, reward = torch.tensor(mdp.transition), torch.tensor(mdp.reward)
    kernel = torch.einsum("sa,sat->st", policy, transition)
    value = torch.linalg.solve(
        torch.eye(5, dtype=torch.float64) - mdp.discount * kernel,
        (policy * reward).sum(dim=1),
    )
    (torch.tensor(start) @ value).backward()
    # Two solves each, one of them of a right-hand side that sums to 1 and with
    # values in its product.
    error = 2 * solve_error(mdp) / (1 - mdp.discount)
    gradient = policy_gradient(mdp, logits, start)
    np.testing.assert_allclose(gradient, theta.grad.numpy(), rtol=0, atol=error)


def test_the_exact_gradient_is_the_finite_difference_of_the_return_and_the_naive_is_not():
    for seed in range(5):
        mdp, logits, start = process(seed)
        h, expected = 1e-4, np.empty_like(logits)
        for s, a in np.ndindex(*logits.shape):
            up, down = logits.copy(), logits.copy()
            up[s, a] += h
            down[s, a] -= h
            values = [policy_value(mdp, softmax(x)) for x in (up, down)]
            expected[s, a] = start @ (values[0] - values[1]) / (2 * h)
        # The third derivative of a softmax's return: at most 6 values over (1 - discount)
        # squared; and rounding of both values, divided by h.
        scale = largest(mdp) / (1 - mdp.discount) ** 2
        error = h**2 * 6 * scale + solve_error(mdp) / h
        gradient = policy_gradient(mdp, logits, start)
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=error)
        naive = _naive_gradient(mdp, logits, start)
        assert np.abs(naive - gradient).max() > 1e-2 * np.abs(gradient).max()


def every_path(mdp, policy, start, steps):
    """All ways in which `steps` steps can go: (states, actions) and the probability of each."""
    for states in itertools.product(range(mdp.states), repeat=steps + 1):
        for actions in itertools.product(range(mdp.actions), repeat=steps):
            chance = start[states[0]]
            for t in range(steps):
                s, a = states[t], actions[t]
                chance *= policy[s, a] * mdp.transition[s, a, states[t + 1]]
            if chance > 0:
                yield states, actions, chance


@pytest.mark.parametrize("baseline", ["none", "constant", "value"])
def test_the_sampled_gradient_is_unbiased_with_the_discount_to_the_t_and_only_with_it(
    baseline,
):
    # Two states that lead only upwards, and one that ends: over after two steps.
    transition = [
        [[0, 0.6, 0.4], [0, 0.1, 0.9]],
        [[0, 0, 1], [0, 0, 1]],
        [[0, 0, 1], [0, 0, 1]],
    ]
    mdp = MDP(transition, [[1.0, -2.0], [3.0, 0.5], [0.0, 0.0]], 0.7)
    logits, start = np.array([[0.3, -0.2], [0.5, 0.1], [0.0, 0.0]]), np.eye(3)[0]
    policy = softmax(logits)
    below = {
        "none": np.zeros(3),
        "constant": np.full(3, 5.0),
        "value": policy_value(mdp, policy),
    }[baseline]
    right, dropped = np.zeros((3, 2)), np.zeros((3, 2))
    for states, actions, chance in every_path(mdp, policy, start, 2):
        paid = [mdp.reward[s, a] for s, a in zip(states, actions, strict=False)]
        for t in range(2):
            s, a = states[t], actions[t]
            rest = sum(0.7 ** (k - t) * paid[k] for k in range(t, 2))
            score = np.eye(2)[a] - policy[s]  # gradient of log softmax
            right[s] += chance * 0.7**t * score * (rest - below[s])
            dropped[s] += chance * score * (rest - below[s])
    exact = policy_gradient(mdp, logits, start)
    # 4 paths of some thirty operations on numbers up to 10
    np.testing.assert_allclose(right, exact, rtol=0, atol=rounding(200, 10))
    assert np.abs(dropped - exact)[1].max() > 0.05


def test_every_rows_gradient_sums_to_zero():
    mdp, logits, start = process(3)
    gradient = policy_gradient(mdp, logits, start)
    error = 2 * solve_error(mdp) / (1 - mdp.discount)
    np.testing.assert_allclose(gradient.sum(axis=1), 0, rtol=0, atol=error)


def test_unavailable_actions_have_no_gradient_and_their_logits_do_not_matter():
    reward = [[1.0, -np.inf, 0.0], [0.0, 2.0, 1.0]]
    mdp = MDP(np.full((2, 3, 2), 0.5), reward, 0.9)
    two = np.array([[0.2, 0.0, -0.1], [0.0, 0.3, 0.1]])
    gradient = policy_gradient(mdp, two, [0.5, 0.5])
    assert gradient[0, 1] == 0
    two[0, 1] = 700.0
    np.testing.assert_array_equal(policy_gradient(mdp, two, [0.5, 0.5]), gradient)


def test_a_policy_without_doubt_has_a_finite_gradient_of_zero():
    mdp, _, start = process(0)
    certain = np.full((5, 3), -1e4)
    certain[:, 1] = 1e4
    np.testing.assert_allclose(
        policy_gradient(mdp, certain, start), 0, rtol=0, atol=solve_error(mdp) * 20
    )


def test_small_steps_up_the_gradient_never_lower_the_return():
    mdp, logits, start = process(1)
    before = start @ policy_value(mdp, softmax(logits))
    first = before
    for _ in range(200):
        logits = logits + 0.05 * policy_gradient(mdp, logits, start)
        now = start @ policy_value(mdp, softmax(logits))
        assert now >= before - 2 * solve_error(mdp)
        before = now
    assert before > first + 0.01


# Generalised advantage estimation


def history(seed: int, steps: int = 30, copies: int = 4, dtype=torch.float64):
    """Rewards, a critic's opinions and episodes of random lengths."""
    generator = torch.Generator().manual_seed(seed)

    def draw(f, *shape):
        return f(*shape, generator=generator, dtype=dtype)

    rewards = draw(torch.randn, steps, copies)
    values, next_values = draw(torch.randn, 2, steps, copies)
    dice = draw(torch.rand, steps, copies)
    return rewards, values, next_values, dice < 0.1, dice < 0.25


def by_hand(rewards, values, next_values, terminated, ended, discount, lam):
    """The definition: errors of one step, weighted, summed until the episode ends."""
    steps, copies = rewards.shape
    out = torch.zeros_like(rewards)
    for n in range(copies):
        for t in range(steps):
            for k in range(t, steps):
                after = 0.0 if terminated[k, n] else next_values[k, n]
                error = rewards[k, n] + discount * after - values[k, n]
                out[t, n] += (discount * lam) ** (k - t) * error
                if ended[k, n]:
                    break
    return out


def _naive_gae(rewards, values, next_values, terminated, ended, discount, lam):
    """The popular wrong form: every end is taken for a termination."""
    return by_hand(rewards, values, next_values, ended, ended, discount, lam)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("discount", "lam"), [(0.9, 0.8), (0.98, 1.0), (1.0, 0.5)])
def test_gae_is_its_definition_and_the_naive_end_is_not(discount, lam, device):
    data = history(0)
    advantages = gae(*(x.to(device) for x in data), discount, lam)
    expected = by_hand(*data, discount, lam)
    # up to 30 errors of three numbers below 5, weights at most 1
    torch.testing.assert_close(
        advantages.cpu(), expected, rtol=0, atol=rounding(4 * 30, 30 * 15)
    )
    assert (_naive_gae(*data, discount, lam) - expected).abs().max() > 0.1


@given(seed=st.integers(0, 10_000), steps=st.integers(1, 40), discount=st.floats(0, 1))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_gae_of_one_is_the_return_less_the_value_and_gae_of_zero_the_error_of_a_step(
    seed, steps, discount
):
    rewards, values, after, over, ended = data = history(seed, steps)
    # within an episode the value after a step is that before the next
    after[:-1] = torch.where(ended[:-1], after[:-1], values[1:])
    error = rewards + discount * torch.where(over, 0.0, after) - values
    assert torch.equal(gae(*data, discount, 0.0), error)
    rest = after[-1]
    returns = torch.empty_like(rewards)
    for t in reversed(range(steps)):
        # the critic speaks where the episode was cut, and at the end of the record
        cut = ended[t] | (t == steps - 1)
        rest = torch.where(over[t], 0.0, torch.where(cut, after[t], rest))
        rest = rewards[t] + discount * rest
        returns[t] = rest
    torch.testing.assert_close(
        gae(*data, discount, 1.0),
        returns - values,
        rtol=0,
        atol=rounding(4 * steps, 15 * steps),
    )


@pytest.mark.parametrize(("lam", "wrong"), [(0.0, 45.54), (1.0, 45.10)])
def test_at_perfect_play_a_constant_observation_is_worth_fifty_iff_truncation_bootstraps(
    lam, wrong
):
    # Reward 1 for 500 steps, then a time limit. Nothing observed changes, so the critic
    # has one number, and learns it as the mean of its targets.
    reward, never = torch.ones(500, 1, dtype=torch.float64), torch.zeros(500, 1).bool()
    last = never.clone()
    last[-1] = True

    def fixed_point(terminated):
        def target(number):
            worth = torch.full_like(reward, number)
            advantage = gae(reward, worth, worth, terminated, last, 0.98, lam)
            return float((advantage + worth).mean())

        # The mean target is a + b V, and V = a + b V is solved at a / (1 - b).
        a, b = target(0.0), target(1.0) - target(0.0)
        return a / (1 - b)

    assert abs(fixed_point(never) - 50) < 1e-9
    assert abs(fixed_point(last) - wrong) < 0.005


def test_a_terminated_step_does_not_look_ahead_even_at_infinity():
    one, over = torch.ones(1, 1), torch.tensor([[True]])
    assert float(gae(one, one, one * torch.inf, over, over, 0.9, 0.9)) == 0.0


def test_gae_keeps_type_and_input():
    data = history(1, dtype=torch.float32)
    before = [x.clone() for x in data]
    assert gae(*data, 0.9, 0.9).dtype == torch.float32
    assert all(torch.equal(a, b) for a, b in zip(before, data, strict=True))


# The clipped objective


def log_probs(*probabilities: float) -> torch.Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log()


def test_the_clipped_loss_is_its_definition_sample_by_sample():
    generator = torch.Generator().manual_seed(0)
    now, old = torch.rand(2, 200, generator=generator, dtype=torch.float64)
    gain = torch.randn(200, generator=generator, dtype=torch.float64)
    total = 0.0
    for p, q, a in zip(now.tolist(), old.tolist(), gain.tolist(), strict=True):
        total -= min(p / q * a, min(max(p / q, 0.7), 1.3) * a) / 200
    loss = clipped_loss(now.log(), old.log(), gain, 0.3)
    scale = float((now / old * gain).abs().max())
    # exponentials of differences of logarithms down to log(1e-4): relative error 10 eps
    assert abs(float(loss) - total) <= rounding(220, scale)
    assert float(loss) >= float(clipped_loss(now.log(), old.log(), gain, None))


def test_before_the_policy_moves_the_gradient_is_the_policy_gradients():
    logits = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    logits = logits.double().requires_grad_()
    taken = torch.arange(50) % 3
    gain = torch.linspace(-2, 2, 50, dtype=torch.float64)
    logs = logits.log_softmax(dim=1).gather(1, taken[:, None]).squeeze(1)
    (surrogate,) = torch.autograd.grad(
        clipped_loss(logs, logs.detach(), gain), logits, retain_graph=True
    )
    (plain,) = torch.autograd.grad(-(gain * logs).mean(), logits)
    torch.testing.assert_close(surrogate, plain, rtol=0, atol=rounding(10, 2))


@pytest.mark.parametrize(
    ("ratio", "gain", "slope"),
    [(1.5, 1.0, 0), (1.5, -1.0, 1), (0.5, -1.0, 0), (0.5, 1.0, 1), (1.1, 1.0, 1)],
)
def test_the_clip_stops_only_what_has_gone_far_enough(ratio, gain, slope):
    log = torch.tensor([np.log(ratio)], requires_grad=True)
    clipped_loss(log, torch.zeros(1, dtype=log.dtype), torch.tensor([gain])).backward()
    assert bool(log.grad.abs() > 0) == bool(slope)


# Acting


class Diary(MDPVectorEnv):
    """Observes the number of the step, pays its square and costs its half; every fourth step starts anew."""

    def __init__(self, copies: int = 2, horizon: int = 3):
        stay = MDP(np.ones((1, 2, 1)), [[1.0, 1.0]], 0.9)
        super().__init__(stay, [[0.0]], copies, horizon)

    def reset(self, **kwargs):
        super().reset(**kwargs)
        self.now = 0
        return np.zeros((self.num_envs, 1), np.float32), {}

    def step(self, actions):
        _, _, terminated, truncated, info = super().step(actions)
        self.now += 1
        shape = self.num_envs
        info["cost"] = np.full(shape, self.now / 2)
        seen = np.full((shape, 1), self.now, np.float32)
        return seen, np.full(shape, self.now**2), terminated, truncated, info


def agent_of(env, seed: int = 0, values: int = 1) -> ActorCritic:
    generator = torch.Generator().manual_seed(seed)
    inputs = env.single_observation_space.shape[0]
    actions = int(env.single_action_space.n)
    return ActorCritic(inputs, actions, generator, (8,), values)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cart_pole(copies: int = 8):
    return gymnasium.make_vec(
        "CartPole-v1", copies, vectorization_mode="vector_entry_point"
    )


def test_a_rollout_holds_each_step_beside_what_it_led_to():
    env = Diary()
    agent = agent_of(env, values=2)
    batch = rollout(env, agent, 10, generator())
    step = torch.arange(10.0)
    for n in range(2):
        assert torch.equal(batch.observations[:, n, 0], step)
        assert torch.equal(batch.rewards[:, n], (step + 1) ** 2)
        assert torch.equal(batch.costs[:, n], (step + 1) / 2)
        # 3 steps, and a fourth that only starts anew
        assert torch.equal(batch.ended[:, n], step % 4 == 2)
        assert torch.equal(batch.valid[:, n], step % 4 != 3)
    assert not batch.terminated.any()
    assert torch.equal(batch.last, torch.full((2, 1), 10.0))
    with torch.no_grad():
        ahead = agent.critic((step + 1)[:, None])  # (T, K)
        behind = agent.critic(step[:, None])
        logs = agent(step[:, None]).log_softmax(dim=1)
    for n in range(2):
        # the same network on the same numbers, in batches of another size
        for mine, wanted in ((batch.next_values, ahead), (batch.values, behind)):
            torch.testing.assert_close(mine[:, n], wanted, rtol=0, atol=1e-5)
        taken = logs.gather(1, batch.actions[:, n, None]).squeeze(1)
        torch.testing.assert_close(batch.log_probs[:, n], taken, rtol=0, atol=1e-5)


def test_a_rollout_goes_on_where_the_last_one_stopped_also_between_an_end_and_a_start():
    env = Diary()
    agent, dice = agent_of(env), generator()
    whole = rollout(env, agent, 12, generator())
    parts = [rollout(env, agent, 3, dice)]
    for _ in range(3):
        parts.append(rollout(env, agent, 3, dice, parts[-1]))
    for name in ("observations", "rewards", "ended", "valid"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(whole, name)), name


def test_without_a_cost_there_is_none():
    env = cart_pole()
    assert not rollout(env, agent_of(env), 4, generator()).costs.any()


@pytest.mark.parametrize("device", DEVICES)
def test_actions_are_drawn_from_the_policy(device):
    env = MDPVectorEnv(MDP(np.ones((1, 3, 1)), [[1.0] * 3], 0.9), [[1.0]], 200, 1000)
    dice = torch.Generator(device).manual_seed(0)
    agent = ActorCritic(1, 3, dice, (8,))
    with torch.no_grad():
        agent.policy[-1].weight.zero_()
        agent.policy[-1].bias.copy_(torch.tensor([0.2, 0.3, 0.5]).log())
    batch = rollout(env, agent, 100, dice)
    assert batch.actions.device.type == device
    share = batch.actions.flatten().bincount(minlength=3).cpu().numpy() / 20_000
    p = np.array([0.2, 0.3, 0.5])
    assert (np.abs(share - p) < 5 * np.sqrt(p * (1 - p) / 20_000)).all()
    copies = batch.actions.float().mean(dim=0).cpu().numpy()
    assert len(np.unique(copies)) > 10  # not one draw for all


def test_the_environment_is_started_with_the_generators_seed():
    def first(seed):
        env = cart_pole()
        return rollout(env, agent_of(env), 1, generator(seed)).observations

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def test_acting_leaves_the_agent_and_the_global_random_state_alone():
    torch.manual_seed(7)
    np.random.seed(7)
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    env = cart_pole()
    agent = agent_of(env)
    parameters = flat(agent).clone()
    rollout(env, agent, 30, generator())
    ppo(cart_pole(), 0.9, 0, steps=512)
    assert torch.equal(parameters, flat(agent))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(legacy, np.random.get_state()[1])


# One improvement


def flat(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def one_update(change=None, **options) -> tuple[ActorCritic, ActorCritic, object]:
    """An agent before and after an update with random advantages, which `change` may change first."""
    env = Diary(copies=4)
    agents = [agent_of(env) for _ in range(2)]
    batch = rollout(env, agents[0], 12, generator())
    dice = generator(1)
    advantages, returns = torch.randn(2, 12, 4, generator=dice)
    if change is not None:
        batch, advantages, returns = change(batch, advantages, returns)
    sgd = torch.optim.SGD(agents[1].parameters(), lr=0.1)
    options = {"epochs": 2, "minibatch": 8, **options}
    ppo_update(agents[1], sgd, batch, advantages, returns, dice, **options)
    return *agents, (batch, advantages, returns)


def test_steps_that_only_start_anew_teach_nothing():
    def spoil(batch, advantages, returns):
        out = ~batch.valid
        assert out.sum() == 12
        advantages[out], returns[out] = torch.nan, 1e30
        batch.observations[out] = 1e30
        return batch, advantages, returns

    assert torch.equal(flat(one_update()[1]), flat(one_update(spoil)[1]))


def test_one_unclipped_update_is_one_step_down_the_loss_of_its_definition():
    options = {"clip": None, "epochs": 1, "minibatch": 1000, "entropy": 0.3}
    before, after, (batch, advantages, returns) = one_update(**options)
    keep = batch.valid
    gain = advantages[keep].double()
    gain = (gain - gain.mean()) / gain.std(correction=0)
    before = before.double()
    logs = before(batch.observations[keep].double()).log_softmax(dim=1)
    values = before.critic(batch.observations[keep].double()).squeeze(1)
    chosen = logs[torch.arange(len(gain)), batch.actions[keep]]
    loss = -(gain * chosen).mean() + 0.5 * (values - returns[keep]).square().mean()
    loss = loss + 0.3 * (logs.exp() * logs).sum(dim=1).mean()
    slope = torch.cat(
        [g.flatten() for g in torch.autograd.grad(loss, list(before.parameters()))]
    )
    slope = slope * min(1.0, 0.5 / float(slope.norm()))
    expected = flat(before) - 0.1 * slope
    # float32: some hundred operations on parameters and slopes below 1
    torch.testing.assert_close(flat(after).double(), expected, rtol=0, atol=1e-4)
    assert float((flat(after) - flat(before)).abs().max()) > 1e-2


def test_the_gradient_is_never_longer_than_one_half():
    def large(batch, advantages, returns):
        return batch, advantages, returns * 1e6

    for change in (None, large):
        before, after, _ = one_update(change, epochs=1, minibatch=1000)
        moved = float((flat(after) - flat(before)).norm())
        assert moved <= 0.1 * 0.5 * (1 + 1e-4)  # learning rate times length, in float32
    assert moved > 0.1 * 0.49


def test_normalised_advantages_have_mean_zero_and_deviation_one():
    for shift, scale in ((0.0, 1.0), (100.0, 1e-3), (-5.0, 1e20), (0.0, 1e-20)):
        draws = torch.randn(500, generator=generator(), dtype=torch.float64)
        told = normalised(shift + scale * draws)
        # 500 numbers up to 5 in size; a shift costs its size over the scale
        error = rounding(1000, 5 * max(1.0, abs(shift) / scale))
        assert abs(float(told.mean())) < error
        assert abs(float(told.std(correction=0)) - 1) < error


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
@pytest.mark.parametrize("number", [0.0, 0.1, -1e6 / 3])
def test_equal_advantages_are_normalised_to_zero(number, count):
    assert not normalised(torch.full((count,), number)).any()


def test_advantages_that_are_no_numbers_are_not_taken_for_equal_ones():
    assert normalised(torch.tensor([1.0, torch.nan, 2.0])).isnan().all()


def test_the_clipped_loss_of_nothing_is_refused():
    nothing = torch.zeros(0)
    with pytest.raises(ValueError, match="not be empty"):
        clipped_loss(nothing, nothing, nothing)


@pytest.mark.parametrize("size", [0.0, 0.1, 1e6, -3e-9])
def test_equal_advantages_say_nothing_and_leave_the_policy_as_it_was(size):
    def same(batch, advantages, returns):
        return batch, torch.full_like(advantages, size), returns

    before, after, _ = one_update(same)
    assert torch.equal(flat(before.policy), flat(after.policy))
    assert not torch.equal(flat(before.critic), flat(after.critic))


def test_the_scale_and_the_origin_of_the_advantages_do_not_matter():
    def other(batch, advantages, returns):
        return batch, 4.0 * advantages, returns

    def shifted(batch, advantages, returns):
        return batch, advantages + 1.0, returns

    plain = flat(one_update()[1])
    assert torch.equal(plain, flat(one_update(other)[1]))  # a power of two is exact
    torch.testing.assert_close(plain, flat(one_update(shifted)[1]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("minibatch", "wanted"), [(8, 4), (36, 1), (30, 1), (5, 7), (13, 2)]
)
def test_every_epoch_goes_once_through_the_valid_steps(minibatch, wanted):
    env = Diary(copies=4)
    agent = agent_of(env)
    batch = rollout(env, agent, 12, generator())
    sizes = []
    agent.critic.register_forward_hook(lambda m, x, y: sizes.append(len(x[0])))
    optimiser = torch.optim.SGD(agent.parameters(), lr=0.1)
    ppo_update(
        agent,
        optimiser,
        batch,
        batch.rewards,
        batch.rewards,
        generator(),
        epochs=3,
        minibatch=minibatch,
    )
    assert len(sizes) == 3 * wanted
    assert sum(sizes) == 3 * 36
    assert min(sizes) >= min(minibatch, 36)


def test_the_critic_learns_each_of_its_values():
    env = Diary(copies=4)
    agent = agent_of(env, values=2)
    batch = rollout(env, agent, 12, generator())
    targets = torch.stack([torch.full((12, 4), 3.0), torch.full((12, 4), -2.0)], -1)
    optimiser = torch.optim.Adam(agent.parameters(), lr=0.03)
    for _ in range(20):
        ppo_update(agent, optimiser, batch, batch.rewards, targets, generator())
    with torch.no_grad():
        told = agent.critic(batch.observations[batch.valid]).mean(dim=0)
    assert (told - torch.tensor([3.0, -2.0])).abs().max() < 0.2


def test_a_clipped_policy_stays_nearer_to_where_it_was():
    moved = {}
    for clip in (0.05, None):
        before, after, (batch, *_) = one_update(clip=clip, epochs=200)
        seen = batch.observations[batch.valid]
        with torch.no_grad():
            p, q = (a(seen).softmax(dim=1) for a in (before, after))
        moved[clip] = float((q / p - 1).abs().max())
    assert moved[0.05] < moved[None] / 2


# Learning


def forest(copies: int = 32, kind: type[MDPVectorEnv] = MDPVectorEnv) -> MDPVectorEnv:
    """Two states; staying in the second pays, but only whoever pays first gets there."""
    mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [[0, -1], [1, 0]], 0.9)
    return kind(mdp, np.eye(2), copies, 10)


# With a third of its steps, REINFORCE gets there from five seeds of eight.
@pytest.mark.parametrize(("learn", "steps"), [(ppo, 20_480), (reinforce, 61_440)])
def test_learning_reaches_the_exact_optimum_of_a_small_process(learn, steps):
    env = forest()
    agent = learn(env, 0.9, seed=0, steps=steps, horizon=32, learning_rate=1e-2)
    with torch.no_grad():
        policy = agent(torch.eye(2)).argmax(dim=1).numpy()
    np.testing.assert_array_equal(policy, policy_iteration(env.mdp).policy)


class TruncationTakenForTermination(MDPVectorEnv):
    """The popular wrong form: the cut at the horizon is reported as an end of the process."""

    def step(self, actions):
        observation, reward, terminated, truncated, info = super().step(actions)
        return observation, reward, terminated | truncated, truncated & False, info


def test_the_critic_of_a_constant_world_learns_its_worth_iff_truncation_bootstraps():
    stay = MDP(np.ones((1, 2, 1)), [[1.0, 1.0]], 0.9)

    def worth(kind):
        env = kind(stay, [[1.0]], 32, 10)
        agent = ppo(env, 0.9, 0, steps=20_480, learning_rate=1e-2, lam=1.0)
        with torch.no_grad():
            return float(agent.critic(torch.ones(1, 1)))

    assert abs(worth(MDPVectorEnv) - 10) < 0.2
    # To the critic 1 to 10 steps are left, all equally often.
    left = np.mean([(1 - 0.9**k) / 0.1 for k in range(1, 11)])
    assert abs(worth(TruncationTakenForTermination) - left) < 0.3


def test_ppo_holds_the_pole_for_500_steps():
    agent = ppo(cart_pole(32), 0.98, seed=0)

    env = cart_pole(100)
    seen, _ = env.reset(seed=1)
    held, up = np.zeros(100), np.ones(100, dtype=bool)
    for _ in range(500):
        with torch.no_grad():
            action = agent(torch.as_tensor(seen)).argmax(dim=1).numpy()
        seen, reward, terminated, truncated, _ = env.step(action)
        held += reward * up
        up &= ~(terminated | truncated)
    assert held.mean() > 475  # one seed, on any CPU; ten are recorded


def test_the_same_seed_learns_the_same_and_another_seed_does_not():
    first, again, other = (
        flat(ppo(cart_pole(), 0.9, seed, steps=1024)) for seed in (0, np.int64(0), 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_ppo_learns_under_inference_mode_and_with_another_default_type():
    plain = flat(ppo(cart_pole(), 0.9, 0, steps=512))
    with torch.inference_mode():
        inside = ppo(cart_pole(), 0.9, 0, steps=512)
    assert torch.equal(plain, flat(inside))
    try:
        torch.set_default_dtype(torch.float64)
        other = flat(ppo(cart_pole(), 0.9, 0, steps=512))
    finally:
        torch.set_default_dtype(torch.float32)
    assert other.dtype == torch.float32
    assert torch.equal(plain, other)


@pytest.mark.parametrize("baseline", [True, False])
def test_without_a_baseline_the_whole_returns_weigh_the_steps(baseline, monkeypatch):
    seen = []

    def update(agent, optimiser, batch, weights, returns, generator, **options):
        value = batch.values[..., 0] if baseline else 0.0
        seen.append(torch.allclose(weights + value, returns, rtol=1e-5, atol=1e-5))
        assert not torch.allclose(batch.values, torch.zeros(1), rtol=0, atol=1e-3)

    monkeypatch.setattr(module, "ppo_update", update)
    ppo(forest(), 0.9, 0, steps=2048, horizon=32, baseline=baseline)
    assert seen
    assert all(seen)


def test_reinforce_is_ppo_with_everything_taken_out():
    plain = reinforce(cart_pole(), 0.9, 0, steps=1024, learning_rate=0.01)
    options = {"lam": 1.0, "clip": None, "epochs": 1, "minibatch": 512}
    same = ppo(
        cart_pole(), 0.9, 0, steps=1024, learning_rate=0.01, baseline=False, **options
    )
    assert torch.equal(flat(plain), flat(same))


@pytest.mark.parametrize(
    "change",
    [
        {"lam": 0.5},
        {"discount": 0.8},
        {"clip": 0.01},
        {"epochs": 2},
        {"minibatch": 64},
        {"entropy": 0.1},
        {"baseline": False},
        {"learning_rate": 0.01},
        {"horizon": 16},
        {"hidden": (8,)},
    ],
)
def test_every_argument_changes_what_is_learnt(change):
    same = {"discount": 0.9, "seed": 0, "steps": 1024, "epochs": 4, "horizon": 32}
    plain, other = (
        flat(ppo(cart_pole(), **same)),
        flat(ppo(cart_pole(), **same | change)),
    )
    assert plain.shape != other.shape or not torch.equal(plain, other)


def test_steps_of_all_copies_count_together_and_are_never_exceeded():
    seen = []
    ppo(
        cart_pole(),
        0.9,
        0,
        steps=1000,
        horizon=32,
        watch=lambda steps, agent, batch: seen.append((steps, batch.rewards.shape)),
    )
    assert seen == [(256 * k, (32, 8)) for k in (1, 2, 3)]


def test_the_learning_rate_falls_to_zero(monkeypatch):
    rates = []
    step = torch.optim.Adam.step

    def spy(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    ppo(cart_pole(), 0.9, 0, steps=2048, epochs=1, minibatch=512, learning_rate=0.4)
    np.testing.assert_allclose(rates, [0.4, 0.3, 0.2, 0.1], rtol=4 * EPS)


# Bad input


class SameStep(Diary):
    def __init__(self):
        super().__init__()
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}


def advantage(**changed):
    rewards, values, after, over, ended = history(0)
    arguments = {
        "rewards": rewards,
        "values": values,
        "next_values": after,
        "terminated": over,
        "ended": ended,
        "discount": 0.9,
        "lam": 0.9,
    }
    return gae(**{**arguments, **changed})


def with_nan() -> torch.Tensor:
    rewards = history(0)[0]
    rewards[3, 1] = torch.nan
    return rewards


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"discount": 1.01}, ValueError, "discount must"),
        ({"discount": np.nan}, ValueError, "discount must"),
        ({"lam": -0.1}, ValueError, "lam must"),
        ({"lam": None}, TypeError, "lam must"),
        ({"values": torch.zeros(29, 4)}, ValueError, "one shape"),
        ({"next_values": torch.zeros(30, 3)}, ValueError, "one shape"),
        ({"terminated": torch.zeros(4, 30)}, ValueError, "one shape"),
        ({"ended": torch.zeros(30, 4, 1)}, ValueError, "one shape"),
        ({"rewards": torch.zeros(30)}, ValueError, "one shape"),
        ({"rewards": with_nan()}, ValueError, "rewards, values and next_values"),
        ({"next_values": history(0)[2] / 0}, ValueError, "must be finite"),
        ({"ended": torch.zeros(30, 4)}, ValueError, "ended must be true where"),
    ],
)
def test_records_that_do_not_fit_are_refused(changed, error, message):
    with pytest.raises(error, match=message):
        advantage(**changed)


def test_an_empty_record_is_refused():
    nothing = torch.zeros(0, 3)
    with pytest.raises(ValueError, match="one shape"):
        gae(*[nothing] * 5, 0.9, 0.9)


def learn(**changed):
    arguments = {"env": Diary(), "discount": 0.9, "seed": 0, "steps": 128}
    return ppo(**{**arguments, **changed})


def update(**changed):
    env = Diary()
    agent = agent_of(env)
    batch = rollout(env, agent, 8, generator())
    arguments = {
        "agent": agent,
        "optimiser": torch.optim.SGD(agent.parameters(), lr=0.1),
        "batch": batch,
        "advantages": batch.rewards,
        "returns": batch.rewards,
        "generator": generator(),
    }
    return ppo_update(**{**arguments, **changed})


def batch_without_a_step():
    batch = rollout(Diary(), agent_of(Diary()), 8, generator())
    return batch._replace(valid=torch.zeros(8, 2, dtype=torch.bool))


PROCESS = MDP(np.full((2, 2, 2), 0.5), [[0, 1], [0, 1]], 0.9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: learn(discount=1.0), ValueError, "discount must"),
        (lambda: learn(discount=None), TypeError, "discount must"),
        (lambda: learn(seed=-1), ValueError, "seed must be"),
        (lambda: learn(seed=0.5), TypeError, "seed must be an integer"),
        (lambda: learn(steps=127), ValueError, "steps must be at least 128"),
        (lambda: learn(horizon=0), ValueError, "horizon must be at least 1"),
        (lambda: learn(lam=1.5), ValueError, "lam must"),
        (lambda: learn(clip=0.0), ValueError, "clip must"),
        (lambda: learn(clip=np.nan), ValueError, "clip must"),
        (lambda: learn(epochs=0), ValueError, "epochs must be at least 1"),
        (lambda: learn(minibatch=0), ValueError, "minibatch must be at least 1"),
        (lambda: learn(entropy=-1), ValueError, "entropy must"),
        (lambda: learn(learning_rate=0), ValueError, "learning_rate must"),
        (lambda: learn(hidden=8), TypeError, "hidden must list"),
        (lambda: learn(hidden=(0,)), ValueError, "sizes must be at least 1"),
        (lambda: learn(env=SameStep()), ValueError, "next-step autoreset"),
        (
            lambda: learn(env=gymnasium.make("CartPole-v1")),
            TypeError,
            "env must be a vector environment",
        ),
        (
            lambda: learn(
                env=gymnasium.make_vec("Pendulum-v1", 2, vectorization_mode="sync")
            ),
            TypeError,
            "env must have discrete actions",
        ),
        (
            lambda: reinforce(None, 0.9, 0),
            TypeError,
            "env must be a vector environment",
        ),
        (lambda: reinforce(Diary(), 0.9, 0, horizon=0), ValueError, "horizon must"),
        (
            lambda: rollout(Diary(), agent_of(Diary()), 0, generator()),
            ValueError,
            "steps must be at least 1",
        ),
        (
            lambda: update(advantages=torch.zeros(8, 3)),
            ValueError,
            "advantages and returns must have shapes",
        ),
        (
            lambda: update(returns=torch.zeros(8, 2, 2)),
            ValueError,
            "advantages and returns must have shapes",
        ),
        (
            lambda: update(returns=torch.full((8, 2), torch.inf)),
            ValueError,
            "advantages and returns must be finite",
        ),
        (
            lambda: update(advantages=torch.full((8, 2), torch.nan)),
            ValueError,
            "advantages and returns must be finite",
        ),
        (lambda: update(batch=batch_without_a_step()), ValueError, "a valid step"),
        (lambda: update(clip=-0.2), ValueError, "clip must"),
        (lambda: update(epochs=0), ValueError, "epochs must"),
        (lambda: update(minibatch=0), ValueError, "minibatch must"),
        (lambda: update(entropy=np.inf), ValueError, "entropy must"),
        (
            lambda: clipped_loss(torch.zeros(3), torch.zeros(2), torch.zeros(3)),
            ValueError,
            "one shape",
        ),
        (
            lambda: clipped_loss(*[torch.zeros(3)] * 3, clip=0),
            ValueError,
            "clip must",
        ),
        (
            lambda: policy_gradient(PROCESS, np.zeros((2, 3)), [0.5, 0.5]),
            ValueError,
            "logits must have shape",
        ),
        (
            lambda: policy_gradient(PROCESS, [[0, np.nan], [0, 0]], [0.5, 0.5]),
            ValueError,
            "logits must be finite",
        ),
        (
            lambda: policy_gradient(PROCESS, np.zeros((2, 2)), [0.5, 0.6]),
            ValueError,
            "start must sum",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_everything_is_refused_before_the_first_step():
    class Untouched(Diary):
        def reset(self, **_):
            raise AssertionError("the environment was reset")

    for wrong in ({"lam": 2}, {"horizon": 0}, {"learning_rate": 0}, {"discount": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            learn(env=Untouched(), **wrong)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_rewards_that_are_no_numbers_are_no_lesson(wrong):
    class Broken(Diary):
        def step(self, actions):
            seen, reward, *rest = super().step(actions)
            return seen, reward * wrong, *rest

    with pytest.raises(ValueError, match="must be finite"):
        learn(env=Broken())


def test_a_network_that_diverges_is_no_answer():
    class Blind(Diary):
        def step(self, actions):
            seen, *rest = super().step(actions)
            return seen * np.nan, *rest

    with pytest.raises(RuntimeError, match="diverged"):
        learn(env=Blind())
