"""The properties that make `companion.value_alignment.optimistic_exploration` correct."""

import numpy as np
import pytest

from companion.mdp import MDP, policy_chain, policy_iteration
from companion.problems import river_swim
from companion.value_alignment import optimistic_exploration
from companion.value_alignment.optimistic_exploration import (
    Task,
    deep_sea,
    planned_exploration,
    q_exploration,
    random_visits,
)

EPS = np.finfo(np.float64).eps


def rng(seed=0):
    return np.random.default_rng(seed)


def bandit(pays, discount=0.5):
    """One state in which every action stays, one step per episode; a second state that nobody enters."""
    pays = np.array([pays, np.ones(len(pays))], dtype=float)
    stay = np.eye(2)[:, None, :].repeat(pays.shape[1], axis=1)
    return Task(MDP(stay, pays, discount), start=0, horizon=1, goal=1)


# Deep Sea


def dive(size, cost, right, actions):
    """The rules as they are told: the cells, the rewards, and whether the treasure was reached."""
    column, cells, rewards = 0, [], []
    for row, action in enumerate(actions):
        cells.append(size * row + column)
        goes_right = action == right[row, column]
        rich = goes_right and column == size - 1 and row == size - 1
        rewards.append(rich - cost / size * goes_right)
        column = min(column + 1, size - 1) if goes_right else max(column - 1, 0)
    return cells, rewards, rich


@pytest.mark.parametrize(("size", "seed"), [(2, 0), (3, 5), (7, 1), (12, 2)])
def test_random_dives_follow_the_rules_cell_by_cell(size, seed):
    task = deep_sea(size, seed, move_cost=0.05)
    right = np.random.RandomState(seed).binomial(1, 0.5, (size, size))
    table = task.mdp.rows.toarray().argmax(axis=1).reshape(-1, 2)
    for actions in rng(seed).integers(2, size=(200, size)):
        cells, rewards, rich = dive(size, 0.05, right, actions)
        state = task.start
        for cell, reward, action in zip(cells, rewards, actions, strict=True):
            assert state == cell
            assert task.mdp.reward[state, action] == reward
            state = table[state, action]
        assert state == size**2 + rich
    assert task.goal == size**2 + 1
    assert task.horizon == size


def test_the_dive_that_only_moves_right_finds_the_treasure():
    right = np.random.RandomState(3).binomial(1, 0.5, (6, 6))
    _, rewards, rich = dive(6, 0.01, right, np.diag(right))
    assert rich
    # Six subtractions of numbers below one.
    assert sum(rewards) == pytest.approx(0.99, rel=0, abs=10 * 6 * EPS)


@pytest.mark.parametrize("size", [2, 3, 6, 11])
def test_uniform_actions_find_the_treasure_once_in_two_to_the_size(size):
    task = deep_sea(size)
    chain, _ = policy_chain(task.mdp, np.full((task.mdp.states, 2), 0.5))
    chance = np.eye(task.mdp.states)[task.start]
    for _ in range(task.horizon):
        chance = chain.T @ chance
    assert chance[task.goal] == 2.0**-size  # powers of two: no rounding at all


def test_walls_hold_the_diver_in_every_cell_of_the_table():
    task, size = deep_sea(4, 1), 4
    right = np.random.RandomState(1).binomial(1, 0.5, (size, size))
    table = task.mdp.rows.toarray().argmax(axis=1).reshape(-1, 2)
    for row in range(size - 1):
        assert table[size * row, 1 - right[row, 0]] == size * (row + 1)
        last = size * row + size - 1
        assert table[last, right[row, -1]] == last + size


def test_the_best_policy_pays_the_way_and_takes_the_treasure():
    size, discount = 9, 0.97
    task = deep_sea(size, discount=discount, move_cost=0.2)
    powers = discount ** np.arange(size)
    expected = powers[-1] - 0.2 / size * powers.sum()
    best = policy_iteration(task.mdp).value[task.start]
    # A linear solve of 83 unknowns whose inverse has rows of sum below 34.
    assert best == pytest.approx(expected, rel=0, abs=10 * 83 * 2 * 34 * EPS)


def test_a_treasure_that_costs_more_than_it_pays_is_left_alone():
    assert policy_iteration(deep_sea(5, move_cost=1.5).mdp).value[0] == 0


def test_in_the_stochastic_variant_moves_to_the_right_fail_once_in_size():
    size, seed = 5, 2
    task, calm = deep_sea(size, seed, stochastic=True), deep_sea(size, seed)
    right = np.random.RandomState(seed).binomial(1, 0.5, (size, size)).ravel()
    rows = task.mdp.rows.toarray().reshape(-1, 2, size**2 + 2)
    still = calm.mdp.rows.toarray().reshape(-1, 2, size**2 + 2)
    for cell in range(size**2):
        row, column = divmod(cell, size)
        expected = still[cell].copy()
        if row < size - 1:
            expected[right[cell]] *= 1 - 1 / size
            expected[right[cell], cell + size] += 1 / size  # straight down
        np.testing.assert_allclose(rows[cell], expected, rtol=0, atol=2 * EPS)
        noisy = row == size - 1 and column in (0, size - 1)
        assert (task.noise[cell] == noisy).all()
    np.testing.assert_array_equal(task.mdp.reward, calm.mdp.reward)
    assert not calm.noise.any()
    assert not task.noise[size**2 :].any()


def test_the_seed_says_which_action_is_right_and_changes_nothing_else():
    a, b, c = (deep_sea(8, seed).mdp for seed in (1, 1, 2))
    assert (a.rows != b.rows).nnz == 0
    assert (a.rows != c.rows).nnz > 0
    np.testing.assert_array_equal(np.sort(a.reward, axis=1), np.sort(c.reward, axis=1))


# Uniform actions


@pytest.mark.parametrize("stochastic", [False, True])
def test_the_share_of_random_visits_is_the_probability(stochastic):
    size, many = 5, 200_000
    p = 2.0**-size * (1 - stochastic / size) ** (size - 1)
    found = random_visits(deep_sea(size, stochastic=stochastic), many, rng())
    assert found.shape == (many,)
    assert abs(found.mean() - p) < 5 * np.sqrt(p / many)


def test_a_goal_that_is_passed_on_the_way_counts_and_so_does_the_start():
    task = deep_sea(4)
    second_row = Task(task.mdp, 0, 4, 4)  # straight down or left from the start
    assert random_visits(second_row, 10_000, rng()).mean() == pytest.approx(
        0.5, rel=0, abs=5 * 0.5 / 100
    )
    assert random_visits(Task(task.mdp, 0, 4, 0), 10, rng()).all()


def test_random_visits_in_a_river_are_those_of_its_chain():
    task, many = Task(river_swim(4), 0, 6, 3), 100_000
    chain, _ = policy_chain(task.mdp, np.full((4, 2), 0.5))
    chain = np.array(chain.todense())
    chain[3] = np.eye(4)[3]  # whoever has been there stays
    p = np.linalg.matrix_power(chain, 6)[0, 3]
    share = random_visits(task, many, rng()).mean()
    assert abs(share - p) < 5 * np.sqrt(p * (1 - p) / many)


# Q-learning


def plain(task, episodes, source, optimism=0.0, bonus=0.0, rate=None):
    """Q-learning of one copy, as it is written in books; the random numbers are drawn in the same order."""
    S, A = task.mdp.reward.shape
    rows, Q = task.mdp.rows.toarray(), np.full((S, A), optimism)
    ends = [s for s in range(S) if (rows[s * A : s * A + A, s] == 1).all()]
    ends = [s for s in ends if not task.mdp.reward[s].any()]
    Q[ends] = 0
    n = np.zeros((S, A), dtype=int)
    returns = []
    for _ in range(episodes):
        state, path, total = task.start, [], 0.0
        for _ in range(task.horizon):
            lots = source.random(A)
            action = max(range(A), key=lambda a: (Q[state, a], lots[a]))
            reward = task.mdp.reward[state, action]
            if task.noise[state, action]:
                reward += task.noise[state, action] * source.standard_normal()
            after = int(rows[state * A + action].argmax())
            if (np.count_nonzero(rows, axis=1) > 1).any():
                edges = rows[state * A + action].cumsum()
                after = int((edges / edges[-1] <= source.random()).sum())
            path.append((state, action, reward, after))
            total += reward
            state = after
        for s, a, r, t in path[::-1]:
            if s in ends:
                continue
            n[s, a] += 1
            step = rate or (task.horizon + 1) / (task.horizon + n[s, a])
            target = r + bonus / np.sqrt(n[s, a]) + task.mdp.discount * Q[t].max()
            Q[s, a] += step * (target - Q[s, a])
        returns.append(total)
    return Q, n, returns


@pytest.mark.parametrize(
    "options",
    [
        {"optimism": 1.0, "learning_rate": 1.0},
        {"optimism": 1.0},
        {"optimism": 0.5, "bonus": 0.2, "learning_rate": 0.1},
        {"bonus": 1.0},
    ],
)
@pytest.mark.parametrize("which", ["sea", "windy sea", "river", "long sea"])
def test_the_learner_is_the_plain_loop_step_for_step(options, which):
    sea = deep_sea(5)
    task = {
        "sea": sea,
        "windy sea": deep_sea(5, stochastic=True),
        "river": Task(river_swim(), 0, 20, 5),
        "long sea": Task(sea.mdp, 0, 8, sea.goal),  # three steps after the end
    }[which]
    seen = q_exploration(task, 60, rng(3), **options)
    named = {"rate" if k == "learning_rate" else k: v for k, v in options.items()}
    Q, n, returns = plain(task, 60, rng(3), **named)
    # The same operations in the same order: at most the order of a sum differs.
    bound = 10 * 60 * EPS * max(1.0, np.abs(Q).max())
    np.testing.assert_allclose(seen.values[0], Q, rtol=0, atol=bound)
    np.testing.assert_array_equal(seen.visits[0], n)
    np.testing.assert_allclose(seen.returns[0], returns, rtol=0, atol=bound)


@pytest.mark.parametrize("discount", [0.6, 0.99, 0.999999])
@pytest.mark.parametrize("size", [2, 3, 5, 8, 13])
def test_optimism_finds_the_treasure_within_one_episode_more_than_there_are_cells(
    size, discount
):
    cells = size * (size + 1) // 2
    seen = q_exploration(
        deep_sea(size, size, discount=discount),
        2 * cells,
        rng(size),
        copies=200,
        optimism=1.0,
        learning_rate=1.0,
    )
    assert (seen.first_visit > 0).all()
    assert seen.first_visit.max() <= cells + 1
    if discount > 0.9:
        assert seen.first_visit.max() == cells + 1  # the bound is attained


@pytest.mark.parametrize("actions", [2, 3, 5])
def test_the_bound_holds_in_any_world_without_chance_or_return(actions):
    source = rng(actions)
    for _ in range(20):
        layers, width = 5, 3
        S = layers * width + 2
        after = np.full((S, actions), S - 2)
        after[S - 1] = S - 1
        for layer in range(layers - 1):
            here = slice(layer * width, (layer + 1) * width)
            below = source.integers(width, size=(width, actions))
            after[here] = (layer + 1) * width + below
        last = (layers - 1) * width + source.integers(width)
        reward = -0.01 * source.random((S, actions)) / layers
        reward[S - 2 :] = 0
        after[last, 0], reward[last, 0] = S - 1, 1.0
        task = Task(MDP(np.eye(S)[after], reward, 0.999), 0, layers, S - 1)
        seen = q_exploration(
            task, 200, source, copies=30, optimism=1.0, learning_rate=1.0
        )
        cells = np.count_nonzero(seen.visits.sum(axis=(0, 2)))
        if (seen.first_visit > 0).all():  # else the treasure is out of reach
            assert seen.first_visit.max() <= (actions - 1) * cells + 1


@pytest.mark.parametrize("size", [3, 6])
def test_optimistic_values_never_fall_below_the_truth_where_nothing_is_random(size):
    task = deep_sea(size)
    best = policy_iteration(task.mdp)
    q = task.mdp.reward + task.mdp.discount * (task.mdp.rows @ best.value).reshape(
        -1, 2
    )
    for episodes in (1, 5, 20, 100):
        seen = q_exploration(
            task, episodes, rng(episodes), copies=20, optimism=1.0, learning_rate=1.0
        )
        # The truth comes from a linear solve of 38 unknowns, inverse below 100.
        assert (seen.values >= q - 10 * 38 * 200 * EPS).all()


def test_every_step_is_counted_and_none_after_the_end():
    sea = deep_sea(4)
    for task in (sea, Task(sea.mdp, 0, 9, sea.goal)):
        seen = q_exploration(task, 30, rng(), copies=3, epsilon=0.5)
        plan = planned_exploration(task, 30, rng(), optimism=1.0)
        for visits in (*seen.visits, *plan.visits):
            assert visits.sum() == 30 * 4
            assert visits[sea.start].sum() == 30
            assert not visits[16:].any()


def test_epsilon_is_the_share_of_uniform_actions():
    # Action 1 pays, so a greedy copy takes it for ever once it knows.
    seen = q_exploration(bandit([0, 1]), 4000, rng(), copies=50, epsilon=0.3)
    share = seen.visits[:, 0, 0].sum() / (50 * 4000)
    assert share == pytest.approx(0.15, rel=0, abs=0.005)
    always = q_exploration(bandit([0, 1]), 2000, rng(), copies=20, epsilon=1.0)
    assert always.visits[:, 0, 0].mean() == pytest.approx(1000, rel=0, abs=5 * 5 * 5)


def test_each_copy_tosses_its_own_coin():
    # Greedy copies take action 1 for ever; in one episode about a third do not.
    task = Task(bandit([0, 1]).mdp, 0, 1, 1)
    seen = q_exploration(task, 300, rng(2), copies=40, epsilon=0.6, learning_rate=1.0)
    together = (seen.returns[:, 100:] == seen.returns[0, 100:]).all(axis=0).mean()
    assert together < 0.05


def test_a_state_that_costs_for_ever_is_no_end():
    stay = np.eye(1)[:, None, :].repeat(2, axis=1)
    task = Task(MDP(stay, [[-1.0, -1.0]], 0.5), 0, 3, 0)
    seen = q_exploration(task, 200, rng(), learning_rate=1.0)
    # The fixed point of q = -1 + q / 2; the gap halves with every step.
    np.testing.assert_allclose(seen.values[0], -2.0, rtol=0, atol=1e-9)
    assert seen.visits.sum() == 600


def test_ties_fall_to_every_action_alike():
    seen = q_exploration(bandit([1, 1, 1]), 1, rng(), copies=9000)
    share = seen.visits[:, 0].mean(axis=0)
    # Five standard deviations of a share of one third among 9000.
    np.testing.assert_allclose(share, 1 / 3, rtol=0, atol=5 * 0.005)


def test_an_honest_table_repeats_what_pays_first_and_an_optimistic_one_tries_all():
    greedy = q_exploration(bandit([1, 2, 3]), 40, rng(), copies=60, learning_rate=1.0)
    assert set(np.count_nonzero(greedy.visits[:, 0], axis=1)) == {1}
    hopeful = q_exploration(
        bandit([1, 2, 3]), 40, rng(), copies=60, optimism=9.0, learning_rate=1.0
    )
    assert (hopeful.visits[:, 0] > 0).all()
    assert (hopeful.values[:, 0].argmax(axis=1) == 2).all()


def test_the_reward_has_the_noise_of_the_task():
    one = bandit([2.0])
    task = Task(one.mdp, 0, 1, 1, noise=[[0.5], [0.0]])
    seen = q_exploration(task, 4000, rng(), copies=5)
    assert seen.returns.mean() == pytest.approx(2, rel=0, abs=5 * 0.5 / np.sqrt(20_000))
    assert seen.returns.std() == pytest.approx(0.5, rel=0, abs=0.02)
    plan = planned_exploration(task, 2000, rng(), optimism=9.0)
    assert plan.returns.std() == pytest.approx(0.5, rel=0, abs=0.05)


@pytest.mark.parametrize("scale", [2.0**-400, 2.0**400])
def test_another_unit_of_reward_changes_no_step(scale):
    task = deep_sea(6, stochastic=True)
    mdp = MDP(task.mdp.transition, task.mdp.reward * scale, task.mdp.discount)
    other = Task(mdp, task.start, task.horizon, task.goal, task.noise * scale)
    for run, unit in ((q_exploration, {"copies": 4}), (planned_exploration, {})):
        a = run(task, 80, rng(), optimism=1.0, bonus=0.1, **unit)
        b = run(other, 80, rng(), optimism=scale, bonus=0.1 * scale, **unit)
        np.testing.assert_array_equal(a.returns * scale, b.returns)
        np.testing.assert_array_equal(a.first_visit, b.first_visit)


def test_to_stop_ends_with_the_episode_in_which_the_last_copy_finds_the_goal():
    task = deep_sea(6)
    options = {"optimism": 1.0, "learning_rate": 1.0}
    seen = q_exploration(task, 200, rng(1), copies=8, stop=True, **options)
    full = q_exploration(task, 200, rng(1), copies=8, **options)
    assert seen.returns.shape == (8, seen.first_visit.max())
    np.testing.assert_array_equal(seen.first_visit, full.first_visit)
    for copy, episode in enumerate(seen.first_visit):
        assert full.returns[copy, episode - 1] > 0.9
        assert (full.returns[copy, : episode - 1] < 0.5).all()
    plan = planned_exploration(task, 200, rng(1), optimism=1.0, stop=True)
    assert plan.returns.shape == (1, plan.first_visit[0])


def test_what_is_never_found_is_reported_as_zero():
    seen = q_exploration(deep_sea(12), 3, rng(), copies=4)
    plan = planned_exploration(deep_sea(12), 3, rng(), optimism=1.0)
    assert (seen.first_visit == 0).all()
    assert plan.first_visit.tolist() == [0]


# Planning


@pytest.mark.parametrize("size", [2, 5, 9, 14])
def test_every_planned_dive_tries_something_new_or_is_the_best_one(size):
    task = deep_sea(size, size)
    right = 0.99  # the return of the best dive
    tried = 0
    for episodes in range(1, size * (size + 1)):
        seen = planned_exploration(task, episodes, rng(7), optimism=1.0)
        now = np.count_nonzero(seen.visits)
        best = abs(seen.returns[0, -1] - right) < 1e-9
        assert now > tried or best
        tried = now
        if best and now == tried and episodes > seen.first_visit[0] + 1 > 1:
            break
    assert 0 < seen.first_visit[0] <= size * (size + 1) // 2 + 1


def test_a_known_world_is_solved_exactly():
    task = deep_sea(5, move_cost=0.3)
    seen = planned_exploration(task, 200, rng(), optimism=1.0)
    best = policy_iteration(task.mdp)
    q = task.mdp.reward + task.mdp.discount * (task.mdp.rows @ best.value).reshape(
        -1, 2
    )
    # Where all that follows is known the plan is the truth, else at least that.
    gap = seen.values[0] - q
    assert gap.min() >= -1e-9
    path, state = [], task.start
    table = task.mdp.rows.toarray().argmax(axis=1).reshape(-1, 2)
    for _ in range(5):
        path.append((state, int(seen.values[0, state].argmax())))
        state = table[path[-1]]
    assert max(abs(gap[step]) for step in path) < 1e-9


@pytest.mark.parametrize("known", [1, 2, 7])
def test_an_action_is_tried_as_often_as_knowledge_needs_and_then_judged(known):
    seen = planned_exploration(
        bandit([0.2, 1.0, 0.5]), 100, rng(), optimism=9.0, known=known
    )
    assert seen.visits[0, 0].tolist() == [known, 100 - 2 * known, known]


def test_a_plan_that_does_not_settle_says_so(monkeypatch):
    monkeypatch.setattr(optimistic_exploration, "MOST_SWEEPS", 100)
    slow = Task(river_swim(6, discount=0.9999), start=0, horizon=20, goal=5)
    with pytest.raises(RuntimeError, match="not settled in 100 sweeps"):
        planned_exploration(slow, 30, rng(), optimism=1e4)


def test_the_plan_is_the_equation_of_the_bonus():
    task, beta = bandit([0.2, 1.0], discount=0.8), 0.7
    before = planned_exploration(task, 30, rng(1), optimism=50.0, bonus=beta)
    after = planned_exploration(task, 31, rng(1), optimism=50.0, bonus=beta)
    n = before.visits[0, 0]
    assert n.sum() == 30
    index = np.array([0.2, 1.0]) + beta / np.sqrt(n)
    expected = index + 0.8 * index.max() / (1 - 0.8)
    # Sweeps stop at a change of 1e-12 of the optimism: 0.8 / 0.2 times that from the end.
    bound = 1.01 * 4 * 50e-12
    np.testing.assert_allclose(after.values[0, 0], expected, rtol=0, atol=bound)
    assert after.visits[0, 0, index.argmax()] == n[index.argmax()] + 1


def test_a_river_is_crossed_by_averages_and_not_by_single_visits():
    task = Task(river_swim(), 0, 50, 5)
    options = {"episodes": 40, "optimism": 100.0}
    hasty = [planned_exploration(task, rng=rng(s), **options) for s in range(3)]
    slow = [planned_exploration(task, rng=rng(s), known=10, **options) for s in (0, 1)]
    assert min(run.returns[0, -10:].mean() for run in hasty) < 1
    assert min(run.returns[0, -10:].mean() for run in slow) > 5


def test_nothing_that_was_passed_is_changed_or_kept():
    noise = np.ones((2, 1))
    task = Task(bandit([1.0]).mdp, 0, 1, 1, noise)
    noise[:] = 7
    assert (task.noise == 1).all()
    assert not task.noise.flags.writeable
    before = task.mdp.reward.copy()
    q_exploration(task, 5, rng(), optimism=3.0)
    planned_exploration(task, 5, rng(), optimism=3.0)
    np.testing.assert_array_equal(task.mdp.reward, before)


# Bad input

SEA = deep_sea(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: deep_sea(1), ValueError, "size must be at least 2"),
        (lambda: deep_sea(3.0), TypeError, "size must be an integer"),
        (lambda: deep_sea(3, -1), ValueError, "seed must be between"),
        (lambda: deep_sea(3, 2**32), ValueError, "seed must be between"),
        (lambda: deep_sea(3, move_cost=np.nan), ValueError, "move_cost must"),
        (lambda: deep_sea(3, discount=1.0), ValueError, "discount must lie"),
        (lambda: Task(SEA, 0, 3, 1), TypeError, "mdp must be an MDP"),
        (lambda: Task(SEA.mdp, 11, 3, 1), ValueError, "start must be between 0 and 10"),
        (lambda: Task(SEA.mdp, 0, 0, 1), ValueError, "horizon must be at least 1"),
        (lambda: Task(SEA.mdp, 0, 3, -1), ValueError, "goal must be between"),
        (
            lambda: Task(SEA.mdp, 0, 3, 1, np.zeros((2, 2))),
            ValueError,
            "noise must have shape",
        ),
        (
            lambda: Task(SEA.mdp, 0, 3, 1, np.full((11, 2), -1.0)),
            ValueError,
            "noise must lie in",
        ),
        (
            lambda: Task(SEA.mdp, 0, 3, 1, np.full((11, 2), 1e200)),
            ValueError,
            "noise must lie in",
        ),
        (
            lambda: Task(SEA.mdp, 0, 3, 1, np.full((11, 2), np.nan)),
            ValueError,
            "noise must be finite",
        ),
        (
            lambda: Task(MDP([[[1.0], [1.0]]], [[0, -np.inf]], 0.9), 0, 1, 0),
            ValueError,
            "every action available",
        ),
        (lambda: random_visits(SEA, 0, rng()), ValueError, "episodes must be at least"),
        (lambda: random_visits(SEA, 5, 0), TypeError, "rng must be a numpy"),
        (lambda: q_exploration(SEA, 0, rng()), ValueError, "episodes must be"),
        (lambda: q_exploration(SEA, 5, None), TypeError, "rng must be a numpy"),
        (lambda: q_exploration(SEA, 5, rng(), copies=0), ValueError, "copies must be"),
        (
            lambda: q_exploration(SEA, 5, rng(), optimism=np.inf),
            ValueError,
            "optimism must be finite",
        ),
        (
            lambda: q_exploration(SEA, 5, rng(), optimism=1e200),
            ValueError,
            "optimism must lie",
        ),
        (lambda: q_exploration(SEA, 5, rng(), bonus=-1), ValueError, "bonus must lie"),
        (
            lambda: q_exploration(SEA, 5, rng(), epsilon=1.1),
            ValueError,
            "epsilon must lie",
        ),
        (
            lambda: q_exploration(SEA, 5, rng(), learning_rate=0),
            ValueError,
            r"learning_rate must lie in \(0, 1\]",
        ),
        (
            lambda: planned_exploration(SEA, 5, rng(), optimism=None),
            TypeError,
            "optimism must hold",
        ),
        (
            lambda: planned_exploration(SEA, 5, rng(), optimism=1.0, known=0),
            ValueError,
            "known must be at least 1",
        ),
        (
            lambda: planned_exploration(SEA, 5, rng(), optimism=1.0, bonus=-0.1),
            ValueError,
            "bonus must lie",
        ),
        (
            lambda: planned_exploration(SEA, 0, rng(), optimism=1.0),
            ValueError,
            "episodes must be",
        ),
        (
            lambda: planned_exploration(SEA, 5, 3, optimism=1.0),
            TypeError,
            "rng must be",
        ),
    ],
)
def test_bad_input_is_refused_with_a_reason(call, error, message):
    with pytest.raises(error, match=message):
        call()
