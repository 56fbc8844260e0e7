"""The properties that make `companion.value_alignment.preference_learning` correct."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from torch import nn

from companion.value_alignment.preference_learning import (
    bradley_terry,
    fit_reward,
    preference_loss,
)
from tests.rounding import EPS, rounding

quick = settings(derandomize=True, deadline=None, max_examples=40)
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()

# Citations between four statistical journals: cited in the row, citing in the column (Stigler 1994, as in
# Agresti 2002, p. 448), and what R's BradleyTerry2 1.1 prints for them with Biometrika as reference.
CITATIONS = np.array(
    [[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]]
)
PUBLISHED = [-2.94907, -0.47957, 0.26895]
PUBLISHED_ERRORS = [0.10255, 0.06059, 0.07083]


def random_wins(items: int, pairs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(items)
    # One win each way around a circle, so that the maximum is finite.
    wins = np.roll(np.eye(items), 1, axis=1) + np.roll(np.eye(items), -1, axis=1)
    wins[wins > 1] = 1
    i = rng.integers(items, size=pairs)
    j = (i + rng.integers(1, items, size=pairs)) % items
    first = rng.random(pairs) < expit(truth[i] - truth[j])
    np.add.at(wins, (np.where(first, i, j), np.where(first, j, i)), 1)
    return wins


def likelihood(wins: np.ndarray, r: np.ndarray) -> float:
    return float(-(wins * np.logaddexp(0, r - r[:, None])).sum())


def hessian(wins: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Minus the second derivatives of the log-likelihood, pair by pair."""
    H = np.zeros((len(r), len(r)))
    for i, j in itertools.combinations(range(len(r)), 2):
        e = np.zeros(len(r))
        e[i], e[j] = 1, -1
        p = expit(r[i] - r[j])
        H += (wins[i, j] + wins[j, i]) * p * (1 - p) * np.outer(e, e)
    return H


# Scores


@quick
@given(a=st.integers(1, 10**6), b=st.integers(1, 10**6))
def test_of_two_items_the_difference_is_the_log_of_the_ratio(a, b):
    fit = bradley_terry([[0, a], [b, 0]])
    # The gradient is right to 4 eps (n + |r|) of its size; by the curvature, half of
    # it, that is 8 eps (2 + 7) in the difference. Times ten.
    bound = rounding(8 * 9, 1)
    assert fit.scores[0] - fit.scores[1] == pytest.approx(np.log(a / b), abs=bound)
    # Var = 1 / (n p q) = 1/a + 1/b for the difference, and half the difference is r_0.
    expected = np.sqrt(1 / a + 1 / b) / 2
    np.testing.assert_allclose(fit.standard_errors, expected, rtol=100 * EPS)
    # Two items are saturated: p is the share of wins, and both errors are one.
    np.testing.assert_allclose(fit.robust_errors, expected, rtol=100 * EPS)


@pytest.mark.parametrize(("items", "pairs"), [(2, 5), (7, 100), (30, 3000)])
def test_expected_wins_are_the_wins(items, pairs):
    wins = random_wins(items, pairs, seed=items)
    fit = bradley_terry(wins)
    chance = expit(fit.scores[:, None] - fit.scores)
    expected = ((wins + wins.T) * chance).sum(axis=1)
    # n products of numbers up to the largest row, with scores up to 5.
    bound = rounding(5 * items, (wins + wins.T).sum(axis=1).max())
    np.testing.assert_allclose(expected, wins.sum(axis=1), rtol=0, atol=bound)
    assert fit.converged
    assert fit.residual <= rounding(4 * (items + 5), 1)
    assert abs(fit.scores.sum()) <= rounding(items, 5)


def test_the_scores_are_the_maximum_that_another_solver_finds():
    wins = random_wins(6, 60, seed=3)
    other = minimize(lambda r: -likelihood(wins, r), np.zeros(6), tol=1e-12)
    # BFGS stops where differences of the likelihood, about 50, drown: 1e-5.
    np.testing.assert_allclose(
        bradley_terry(wins).scores, other.x - other.x.mean(), rtol=0, atol=1e-5
    )


@quick
@given(seed=st.integers(0, 2**32 - 1))
def test_no_step_in_any_direction_is_likelier(seed):
    rng = np.random.default_rng(seed)
    wins = random_wins(5, 40, seed)
    r = bradley_terry(wins).scores
    for size in (1e-3, 1.0):
        other = r + size * rng.standard_normal(5)
        other -= other.mean()
        assert likelihood(wins, other) < likelihood(wins, r)


def test_wins_that_follow_the_model_give_its_scores_back():
    r = np.linspace(-3, 3, 9)
    wins = expit(r[:, None] - r) * (1 - np.eye(9))
    # The gradient's bound over the smallest curvature, sigma(6) sigma(-6) = 0.0025 each.
    np.testing.assert_allclose(
        bradley_terry(wins).scores, r, rtol=0, atol=rounding(4 * 12, 1 / 0.0025)
    )


def test_along_a_chain_the_logs_and_the_variances_add():
    wins = np.zeros((4, 4))
    counts = [(3, 1), (5, 2), (4, 7)]
    for i, (up, down) in enumerate(counts):
        wins[i, i + 1], wins[i + 1, i] = up, down
    fit = bradley_terry(wins)
    logs = [np.log(a / b) for a, b in counts]
    np.testing.assert_allclose(-np.diff(fit.scores), logs, rtol=0, atol=rounding(99, 1))
    c = fit.covariance
    end_to_end = c[0, 0] + c[3, 3] - 2 * c[0, 3]
    expected = sum(1 / a + 1 / b for a, b in counts)
    assert end_to_end == pytest.approx(expected, rel=1000 * EPS, abs=0)


def test_the_published_citations_of_four_journals_are_reproduced():
    fit = bradley_terry(CITATIONS)
    c = fit.covariance
    errors = np.sqrt(np.diag(c) + c[0, 0] - 2 * c[0])
    # Five decimals were printed.
    np.testing.assert_allclose(
        fit.scores[1:] - fit.scores[0], PUBLISHED, rtol=0, atol=5.1e-6
    )
    np.testing.assert_allclose(errors[1:], PUBLISHED_ERRORS, rtol=0, atol=5.1e-6)


def test_other_names_for_the_items_only_rename_the_scores():
    wins = random_wins(8, 200, seed=1)
    order = np.random.default_rng(0).permutation(8)
    fit, renamed = bradley_terry(wins), bradley_terry(wins[np.ix_(order, order)])
    bound = rounding(4 * 13 * 8, 1)
    np.testing.assert_allclose(
        renamed.scores, fit.scores[order], rtol=0, atol=100 * bound
    )
    np.testing.assert_allclose(
        renamed.covariance, fit.covariance[np.ix_(order, order)], rtol=0, atol=bound
    )


def test_losses_in_place_of_wins_turn_every_sign():
    wins = random_wins(8, 200, seed=2)
    np.testing.assert_allclose(
        bradley_terry(wins.T).scores,
        -bradley_terry(wins).scores,
        rtol=0,
        atol=rounding(4 * 13 * 100, 1),
    )


@pytest.mark.parametrize("scale", [1e-170, 4.0, 1e170])
def test_more_of_the_same_changes_no_score_and_narrows_the_errors(scale):
    wins = random_wins(6, 80, seed=4)
    fit, more = bradley_terry(wins), bradley_terry(wins * scale)
    bound = rounding(4 * 11 * 100, 1)
    np.testing.assert_allclose(more.scores, fit.scores, rtol=0, atol=bound)
    for name in ("standard_errors", "robust_errors"):
        expected = getattr(fit, name) / np.sqrt(scale)
        np.testing.assert_allclose(getattr(more, name), expected, rtol=bound)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32, np.bool_])
def test_counts_of_every_width_are_the_same_counts(dtype):
    wins = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0]])
    fit = bradley_terry(wins)
    np.testing.assert_array_equal(bradley_terry(wins.astype(dtype)).scores, fit.scores)


def test_a_count_of_200_in_eight_bits_does_not_wrap():
    wins = np.array([[0, 200], [100, 0]], dtype=np.uint8)
    assert np.ptp(bradley_terry(wins).scores) == pytest.approx(
        np.log(2), abs=rounding(72, 1)
    )


def test_nothing_that_was_passed_is_changed():
    wins = random_wins(4, 20, seed=5)
    before = wins.copy()
    wins.flags.writeable = False
    bradley_terry(wins)
    bradley_terry(np.stack([wins, wins]))
    np.testing.assert_array_equal(wins, before)


# The solver


def _naive_newton(wins: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Newton's method with full steps; infinite where it leaves or breaks down."""
    for _ in range(60):
        p = expit(r[:, None] - r)
        upset = wins * p.T
        gradient = upset.sum(axis=1) - upset.sum(axis=0)
        H = hessian(wins, r)
        try:
            r = r + np.linalg.solve(H + np.trace(H) / len(r) ** 2, gradient)
        except np.linalg.LinAlgError:
            return np.full(len(wins), np.inf)
        if not np.abs(r).max() < 1e4:
            return np.full(len(wins), np.inf)
    return r - r.mean()


# Found among random tables: the full step fails on the first from the logarithms of
# wins over losses, where the package starts, and on the second from zero.
SMALL = np.array([[0, 1, 42], [0, 0, 4], [1, 0, 0]])
SPARSE = np.array(
    [
        [0, 0, 54546, 12, 0],
        [4, 0, 2, 5626166, 291],
        [6584, 1591681, 0, 0, 523922],
        [0, 2, 0, 0, 21],
        [0, 0, 0, 116, 0],
    ]
)


def sparse(seed: int) -> np.ndarray:
    """Half of the pairs, with counts up to ten orders of magnitude apart."""
    rng = np.random.default_rng(seed)
    items = rng.integers(3, 7)
    wins = 10.0 ** rng.uniform(0, rng.uniform(1, 11), (items, items))
    wins *= rng.random((items, items)) < 0.5
    np.fill_diagonal(wins, 0)
    return wins + 0.5 * np.roll(np.eye(items), 1, axis=1)  # one circle of wins


@pytest.mark.parametrize(
    ("wins", "start"),
    [
        (SMALL, np.log(SMALL.sum(axis=1) / SMALL.sum(axis=0))),
        (SPARSE, np.zeros(5)),
    ],
)
def test_newtons_shortened_step_converges_where_the_full_step_does_not(wins, start):
    fit = bradley_terry(wins)
    assert fit.converged
    assert fit.iterations < 30
    naive = _naive_newton(wins, start)
    assert not np.allclose(naive, fit.scores, rtol=0, atol=1)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_lopsided_and_sparse_counts_converge(start):
    for seed in range(start, start + 50):
        wins = sparse(seed)
        fit = bradley_terry(wins, limit=200)
        assert fit.converged, seed
        # Of the largest item's comparisons: 6 sums of terms with scores up to 40.
        met = (wins + wins.T).sum(axis=1)
        upset = wins * expit(fit.scores - fit.scores[:, None])
        gradient = upset.sum(axis=1) - upset.sum(axis=0)
        assert np.abs(gradient).max() <= rounding(4 * 46, met.max())


@pytest.mark.parametrize(
    ("items", "ratio"), [(30, 1e-3), (30, 1e-6), (30, 1e-11), (70, 1e-11)]
)
def test_counts_far_apart_along_a_chain_keep_their_logs(items, ratio):
    # The longest spans 1700, where an exponential of a score would overflow.
    wins, k = np.zeros((items, items)), np.arange(items - 1)
    wins[k, k + 1], wins[k + 1, k] = 1.0, ratio
    fit = bradley_terry(wins)
    assert fit.converged
    # Scores up to 900 with an error of eps each in the gradient's bound.
    np.testing.assert_allclose(
        -np.diff(fit.scores), -np.log(ratio), rtol=0, atol=rounding(8 * 930, 1)
    )


def test_two_groups_that_hardly_met_have_the_variance_of_their_bridge():
    wins = 1.0 - np.eye(4)
    wins[:2, 2:] = wins[2:, :2] = 0
    wins[0, 2] = wins[2, 0] = 1e-9
    c = bradley_terry(wins).covariance
    # n p q = 2e-9 / 4 on the bridge; conditions of 1e9 cost nine digits of sixteen.
    bridge = c[0, 0] + c[2, 2] - 2 * c[0, 2]
    assert bridge == pytest.approx(2e9, rel=1e-5, abs=0)


def test_a_solver_that_is_stopped_says_so():
    wins = sparse(5)
    stopped, done = bradley_terry(wins, limit=1), bradley_terry(wins)
    assert not stopped.converged
    assert stopped.iterations == 1
    assert stopped.residual > 1e-6 > 1e-12 > done.residual
    # A share of the item's comparisons, by hand.
    upset = wins * expit(stopped.scores - stopped.scores[:, None])
    gradient = np.abs(upset.sum(axis=1) - upset.sum(axis=0))
    share = (gradient / (wins + wins.T).sum(axis=1)).max()
    assert stopped.residual == pytest.approx(share, rel=1e-6, abs=0)


# Standard errors


def test_the_covariance_is_the_pseudo_inverse_of_the_hessian():
    wins = random_wins(7, 150, seed=6)
    fit = bradley_terry(wins)
    expected = np.linalg.pinv(hessian(wins, fit.scores))
    # Condition about 100; 7^2 operations.
    bound = rounding(49 * 100, np.abs(expected).max())
    np.testing.assert_allclose(fit.covariance, expected, rtol=0, atol=bound)
    np.testing.assert_allclose(
        fit.standard_errors, np.sqrt(np.diag(expected)), rtol=0, atol=10 * bound
    )


def sandwich(wins: np.ndarray, r: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """From the gradients (m, n) of the sources."""
    bread = np.linalg.pinv(hessian(wins, r))
    return bread @ sources.T @ sources @ bread


def test_of_one_table_the_sandwich_takes_every_comparison_by_itself():
    wins = np.array([[0, 4, 2], [1, 0, 3], [2, 1, 0]])
    fit = bradley_terry(wins)
    sources = []
    for i, j in itertools.permutations(range(3), 2):
        gradient = np.zeros(3)
        gradient[i] = expit(fit.scores[j] - fit.scores[i])
        gradient[j] = -gradient[i]
        sources += [gradient] * wins[i, j]
    expected = sandwich(wins, fit.scores, np.array(sources))
    bound = rounding(13 * 9 * 10, np.abs(expected).max())
    np.testing.assert_allclose(fit.robust_covariance, expected, rtol=0, atol=bound)
    np.testing.assert_allclose(
        fit.robust_errors, np.sqrt(np.diag(expected)), rtol=0, atol=10 * bound
    )


def test_of_a_stack_the_sandwich_takes_every_table_for_one_source():
    tables = np.array([random_wins(4, 12, seed) for seed in range(5)])
    fit = bradley_terry(tables)
    wins = tables.sum(axis=0)
    np.testing.assert_allclose(
        fit.scores, bradley_terry(wins).scores, rtol=0, atol=rounding(4 * 9 * 10, 1)
    )
    sources = np.zeros((5, 4))
    for k, i, j in itertools.product(range(5), range(4), range(4)):
        chance = expit(fit.scores[i] - fit.scores[j])
        sources[k, i] += tables[k, i, j] * (1 - chance) - tables[k, j, i] * chance
    expected = sandwich(wins, fit.scores, sources) * 5 / 4
    bound = rounding(5 * 16 * 10, np.abs(expected).max())
    np.testing.assert_allclose(fit.robust_covariance, expected, rtol=0, atol=bound)


def test_people_who_all_repeat_themselves_are_noticed_by_the_sandwich_only():
    one = random_wins(3, 9, seed=7)
    people = np.array([one if k % 2 else one.T for k in range(20)])
    twice = bradley_terry(people * 9)
    once = bradley_terry(people)
    # Nine copies of every answer: the Hessian believes them, the sandwich does not.
    np.testing.assert_allclose(
        twice.standard_errors, once.standard_errors / 3, rtol=1e-12
    )
    np.testing.assert_allclose(twice.robust_errors, once.robust_errors, rtol=1e-12)


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    truth = np.array([-1.0, -0.2, 0.3, 0.9])
    chance = expit(truth[:, None] - truth)
    held = np.zeros(2)
    for _ in range(400):
        upper = np.triu(rng.binomial(40, chance), 1)
        fit = bradley_terry(upper + np.triu(40 - upper, 1).T)
        miss = np.abs(fit.scores - truth)
        held += [
            (miss < 1.96 * fit.standard_errors).mean(),
            (miss < 1.96 * fit.robust_errors).mean(),
        ]
    # 400 experiments, each with four intervals that depend on one another: 4 deviations
    # of sqrt(.95 .05 / 400).
    np.testing.assert_allclose(held / 400, 0.95, rtol=0, atol=0.044)


# The loss


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_is_the_mean_of_the_negative_log_probability(device, dtype):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, 50, 8, generator=generator, dtype=dtype)).to(device)
    y = torch.rand(50, generator=generator, dtype=dtype).to(device)
    z = (a - b).sum(dim=1).double()
    expected = (
        y.double() * torch.log1p(torch.exp(-z))
        + (1 - y.double()) * torch.log1p(torch.exp(z))
    ).mean()
    loss = preference_loss(a, b, y)
    assert loss.dtype == dtype
    assert loss.device.type == device
    # 16 additions of rewards up to 4, in the type's own epsilon, times ten.
    assert abs(float(loss - expected)) <= 10 * 16 * 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_is_the_probability_minus_the_answer_at_every_step(dtype):
    rewards = torch.tensor([[0.3, -1.0], [2.0, 0.5]], dtype=dtype, requires_grad=True)
    other = torch.zeros(2, 2, dtype=dtype, requires_grad=True)
    y = torch.tensor([1, 0])
    preference_loss(rewards, other, y).backward()
    z = rewards.detach().sum(dim=1)
    expected = ((torch.sigmoid(z) - y) / 2)[:, None].expand(2, 2)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(rewards.grad, expected, rtol=0, atol=100 * eps)
    torch.testing.assert_close(other.grad, -expected, rtol=0, atol=100 * eps)


@pytest.mark.parametrize("z", [17.0, 40.0, 1e4, -1e4])
def test_wrongly_sure_by_any_amount_keeps_its_loss_and_a_gradient_of_one(z):
    reward = torch.tensor([[z]], requires_grad=True)
    y = torch.tensor([float(z < 0)])
    loss = preference_loss(reward, torch.zeros(1, 1), y)
    loss.backward()
    assert loss.item() == pytest.approx(abs(z), rel=1e-6, abs=0)
    assert abs(float(reward.grad)) == pytest.approx(1, rel=1e-6, abs=0)


def _naive_loss(z: torch.Tensor) -> torch.Tensor:
    """First the probability, then its logarithm, as imitation 1.0.1 has it."""
    p = 1 / (1 + torch.exp(torch.clip(-z, -50, 50)))
    return nn.functional.binary_cross_entropy(p, torch.zeros_like(p))


def test_the_sigmoid_before_the_logarithm_loses_loss_and_gradient_in_float32():
    z = torch.tensor(17.0, requires_grad=True)
    loss = _naive_loss(z)
    loss.backward()
    assert loss.item() == 100
    assert float(z.grad) > 1e4
    z = torch.tensor(40.0, requires_grad=True)
    _naive_loss(z).backward()
    assert float(z.grad) < 1e-4


def test_a_constant_in_every_reward_changes_nothing_for_fragments_of_equal_length():
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 20, 5, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 2, (20,), generator=generator)
    shifted = preference_loss(a + 3, b + 3, y)
    assert abs(float(shifted - preference_loss(a, b, y))) <= rounding(11, 5 * 7)
    # With padding, so that one is longer, it does.
    longer = torch.cat([a, torch.zeros(20, 1, dtype=torch.float64)], dim=1)
    more = torch.cat([b, torch.randn(20, 1, generator=generator).double()], dim=1)
    moved = preference_loss(longer + 3 * torch.tensor([1, 1, 1, 1, 1, 0]), more + 3, y)
    assert abs(float(moved - preference_loss(longer, more, y))) > 0.1


def test_a_tie_is_half_of_each_answer():
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]])
    both = preference_loss(a, b, torch.tensor([1])) + preference_loss(
        a, b, torch.tensor([False])
    )
    tie = preference_loss(a, b, torch.tensor([0.5]))
    assert float(tie) == pytest.approx(float(both) / 2, rel=1e-6, abs=0)


def test_the_two_fragments_in_the_other_order_are_the_same_question():
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]])
    assert float(preference_loss(a, b, torch.tensor([0.8]))) == pytest.approx(
        float(preference_loss(b, a, torch.tensor([0.2]))), rel=1e-6, abs=0
    )


# The reward network


def test_the_reward_is_trained_with_the_preference_loss():
    generator = torch.Generator().manual_seed(0)
    clips = torch.randn(16, 2, 5, 3, generator=generator, dtype=torch.float64)
    second = torch.randint(0, 2, (16,), generator=generator)
    ours, other = nn.Linear(3, 1).double(), nn.Linear(3, 1).double()
    other.load_state_dict(ours.state_dict())
    fit_reward(ours, clips, second, 0, epochs=7, batch=16, learning_rate=0.1)
    optimiser = torch.optim.AdamW(other.parameters(), lr=0.1, weight_decay=1e-2)
    for _ in range(7):
        optimiser.zero_grad()
        rewards = other(clips).squeeze(-1)
        preference_loss(rewards[:, 0], rewards[:, 1], second == 0).backward()
        optimiser.step()
    # Seven steps of 0.1, each of a ratio of sums over 16 pairs of 5 steps.
    bound = rounding(7 * 160 * 10, 1)
    torch.testing.assert_close(ours.weight, other.weight, rtol=0, atol=bound)


@pytest.mark.parametrize("seed", range(3))
def test_a_linear_wish_is_recovered_up_to_a_constant(seed):
    generator = torch.Generator().manual_seed(seed)
    wish = torch.tensor([1.0, -2.0, 0.5])
    clips = torch.randn(4000, 2, 4, 3, generator=generator)
    worth = (clips @ wish).sum(dim=2)
    chance = torch.sigmoid(worth[:, 1] - worth[:, 0])
    second = (torch.rand(4000, generator=generator) < chance).long()
    network = nn.Linear(3, 1)
    returned = fit_reward(
        network, clips, second, seed, epochs=30, learning_rate=0.02, weight_decay=0
    )
    assert returned is network
    # Errors of about 0.07, which is 1 / sqrt(pairs times variance 8 times p q).
    torch.testing.assert_close(network.weight[0].detach(), wish, rtol=0, atol=0.3)


# Bad input

PAIR = torch.zeros(2, 3)
CLIPS = torch.zeros(4, 2, 5, 3)
ANSWERS = torch.tensor([0, 1, 0, 1])
CIRCLE = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("wins", "items"),
    [
        ([[0, 1, 1], [1, 0, 1], [0, 0, 0]], r"items \[2\] never won against"),
        ([[0, 1, 1], [0, 0, 1], [0, 1, 0]], r"items \[0\] were never beaten by"),
        ([[0, 0, 0], [1, 0, 1], [1, 1, 0]], r"items \[0\] never won against"),
        # A line: nobody beats the first, the last beats nobody; the first is named.
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], r"items \[0\] were never beaten by"),
        (
            [[0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
            r"items \[0, 1\] were never beaten by",
        ),
        (
            [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
            r"items \[0, 1\] never won against",
        ),
        (np.zeros((3, 3)), r"items \[0\] never won against"),
        (np.zeros((2, 3, 3)), r"items \[0\] never won against"),
    ],
)
def test_without_a_finite_maximum_the_items_are_named(wins, items):
    with pytest.raises(ValueError, match=f"wins must link all items.*{items}"):
        bradley_terry(wins)


def test_a_circle_of_wins_has_a_maximum():
    np.testing.assert_allclose(
        bradley_terry(CIRCLE).scores, 0, rtol=0, atol=rounding(12, 1)
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bradley_terry([[0, 1]]), ValueError, "wins must have shape"),
        (lambda: bradley_terry([0, 1]), ValueError, "wins must have shape"),
        (lambda: bradley_terry([[0]]), ValueError, "wins must compare two items"),
        (lambda: bradley_terry([CIRCLE]), ValueError, "wins must compare two items"),
        (lambda: bradley_terry([[0, -1], [1, 0]]), ValueError, "not be negative"),
        (lambda: bradley_terry([[1, 1], [1, 0]]), ValueError, "zero on the diagonal"),
        (lambda: bradley_terry([[0, np.nan], [1, 0]]), ValueError, "wins must be fin"),
        (lambda: bradley_terry([[0, np.inf], [1, 0]]), ValueError, "wins must be fin"),
        (lambda: bradley_terry([[0, 1e250], [1e250, 0]]), ValueError, "wins must lie"),
        (lambda: bradley_terry([[0, 1e-250], [1, 0]]), ValueError, "wins must lie"),
        (lambda: bradley_terry([[0, 1e13], [1, 0]]), ValueError, "wins must lie"),
        (lambda: bradley_terry([["a", "b"]] * 2), TypeError, "wins must hold real"),
        (lambda: bradley_terry(None), TypeError, "wins must hold real"),
        (lambda: bradley_terry(CIRCLE, 0), ValueError, "limit must"),
        (lambda: bradley_terry(CIRCLE, 1.5), TypeError, "limit must"),
        (
            lambda: preference_loss(PAIR, torch.zeros(2, 4), torch.zeros(2)),
            ValueError,
            r"one shape \(N, T\), fragments of equal length",
        ),
        (
            lambda: preference_loss(PAIR[0], PAIR[0], torch.zeros(3)),
            ValueError,
            "one shape",
        ),
        (
            lambda: preference_loss(PAIR[:0], PAIR[:0], torch.zeros(0)),
            ValueError,
            "one shape",
        ),
        (
            lambda: preference_loss(PAIR, PAIR, torch.zeros(3)),
            ValueError,
            r"preferred must have shape \(2,\)",
        ),
        (
            lambda: preference_loss(PAIR * torch.nan, PAIR, torch.zeros(2)),
            ValueError,
            "finite sums",
        ),
        (
            lambda: preference_loss(PAIR, PAIR + torch.inf, torch.zeros(2)),
            ValueError,
            "finite sums",
        ),
        (
            lambda: preference_loss(PAIR, PAIR, torch.tensor([0.0, 1.1])),
            ValueError,
            r"preferred must lie in \[0, 1\]",
        ),
        (
            lambda: preference_loss(PAIR, PAIR, torch.tensor([-0.1, 1])),
            ValueError,
            r"preferred must lie in \[0, 1\]",
        ),
        (
            lambda: preference_loss(PAIR, PAIR, torch.tensor([torch.nan, 1])),
            ValueError,
            r"preferred must lie in \[0, 1\]",
        ),
        (
            lambda: preference_loss(PAIR.long(), PAIR.long(), torch.zeros(2)),
            TypeError,
            "must hold floats",
        ),
        (
            lambda: preference_loss(PAIR.numpy(), PAIR, torch.zeros(2)),
            TypeError,
            "first must be a tensor",
        ),
        (
            lambda: preference_loss(PAIR, PAIR, [0, 1]),
            TypeError,
            "preferred must be a tensor",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 1), CLIPS[0], ANSWERS, 0),
            ValueError,
            "clips must have shape",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 1), CLIPS.repeat(1, 2, 1, 1), ANSWERS, 0),
            ValueError,
            "clips must have shape",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 1), CLIPS[:0], ANSWERS[:0], 0),
            ValueError,
            "clips must have shape",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 1), CLIPS, ANSWERS + 1, 0),
            ValueError,
            "preferred must hold 0 and 1",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 1), CLIPS, ANSWERS - 1, 0),
            ValueError,
            "not negative",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 1), CLIPS, ANSWERS[:3], 0),
            ValueError,
            "must have shape",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 1), CLIPS * torch.nan, ANSWERS, 0),
            ValueError,
            "finite",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 1), CLIPS.numpy(), ANSWERS, 0),
            TypeError,
            "must be tensors",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 4), CLIPS, ANSWERS, 0),
            ValueError,
            "network must map",
        ),
        (
            lambda: fit_reward(nn.Linear(3, 1), CLIPS, ANSWERS, -1),
            ValueError,
            "seed must",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
