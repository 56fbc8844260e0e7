"""The properties that make `companion.value_alignment.rlhf` correct."""

import copy
import functools
import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, rel_entr
from torch import nn

from companion.language import TinyTransformer, all_strings, sequence_log_probs
from companion.value_alignment.rlhf import (
    best_of_n_policy,
    gibbs_policy,
    optimal_value,
    policy_gradient_loss,
    readability,
    reward_and_kl,
    rlhf,
)
from tests.rounding import rounding

quick = settings(derandomize=True, deadline=None, max_examples=40)
EPS32 = float(torch.finfo(torch.float32).eps)


def world(seed: int, n: int = 50, scale: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """A random reference and a random reward."""
    rng = np.random.default_rng(seed)
    return log_softmax(scale * rng.normal(size=n)), rng.normal(size=n)


# The reward


def test_readability_counts_changes_and_the_rhyme():
    strings = all_strings(4, 4)
    for row, points in zip(
        strings.tolist(), readability(strings).tolist(), strict=True
    ):
        word = ["aent"[i] for i in row]
        kinds = [letter in "ae" for letter in word]
        changes = sum(a != b for a, b in itertools.pairwise(kinds))
        assert points == changes + (word[0] == word[-1])


# The optimum


@quick
@given(seed=st.integers(0, 10**6), beta=st.floats(0.05, 20))
def test_every_policy_falls_short_of_the_optimum_by_beta_times_its_divergence(
    seed, beta
):
    log_ref, r = world(seed)
    log_pi = world(seed + 1)[0]
    optimum = gibbs_policy(log_ref, r, beta)
    mean, kl = reward_and_kl(log_pi, log_ref, r)
    short = optimal_value(log_ref, r, beta) - (mean - beta * kl)
    # Sums of 50 products on numbers of the rewards' and log-ratios' size.
    scale = np.abs(r).max() + beta * np.abs(log_pi - log_ref).max() + 20 * beta
    assert short >= 0
    assert short == pytest.approx(
        beta * reward_and_kl(log_pi, optimum, r)[1], abs=rounding(200, scale)
    )


@quick
@given(seed=st.integers(0, 10**6), beta=st.floats(0.05, 20))
def test_the_optimum_attains_beta_log_z(seed, beta):
    log_ref, r = world(seed)
    mean, kl = reward_and_kl(gibbs_policy(log_ref, r, beta), log_ref, r)
    z = (np.exp(log_ref) * np.exp(r / beta)).sum()
    scale = np.abs(r).max() + beta * 20
    value = optimal_value(log_ref, r, beta)
    assert value == pytest.approx(beta * np.log(z), abs=rounding(200, scale))
    assert mean - beta * kl == pytest.approx(value, abs=rounding(200, scale))


def test_the_odds_of_two_strings_change_by_their_difference_in_reward_over_beta():
    log_ref, r = world(3)
    tilt = gibbs_policy(log_ref, r, 0.7) - log_ref
    np.testing.assert_allclose(
        tilt - tilt[0], (r - r[0]) / 0.7, rtol=0, atol=rounding(60, 20)
    )


def test_a_constant_on_the_reward_changes_the_value_and_no_policy():
    log_ref, r = world(4)
    np.testing.assert_allclose(
        gibbs_policy(log_ref, r + 8, 0.5),
        gibbs_policy(log_ref, r, 0.5),
        rtol=0,
        atol=rounding(60, 40),
    )
    difference = optimal_value(log_ref, r + 8, 0.5) - optimal_value(log_ref, r, 0.5)
    assert difference == pytest.approx(8, abs=rounding(200, 10))


@pytest.mark.parametrize("beta", [1e-300, 1e-8, 1.0, 1e8, 1e300])
def test_every_beta_has_a_finite_policy_that_sums_to_one(beta):
    for log_ref, r in (world(5), world(5, scale=1e4), (world(6)[0], 1e4 * world(6)[1])):
        log_pi = gibbs_policy(log_ref, r, beta)
        assert np.isfinite(log_pi).all()
        assert np.exp(log_pi).sum() == pytest.approx(1, abs=rounding(60, 1))
        assert math.isfinite(optimal_value(log_ref, r, beta))


def test_a_small_beta_takes_the_best_and_a_large_one_keeps_the_reference():
    log_ref, r = world(7)
    r[[3, 9]] = r.max() + 1
    best = gibbs_policy(log_ref, r, 1e-300)
    pair = np.exp(log_ref[[3, 9]])
    np.testing.assert_allclose(
        np.exp(best[[3, 9]]), pair / pair.sum(), rtol=rounding(60, 1)
    )
    assert np.exp(np.delete(best, [3, 9])).max() == 0
    assert optimal_value(log_ref, r, 1e-300) == r.max()
    np.testing.assert_allclose(
        gibbs_policy(log_ref, r, 1e300), log_ref, rtol=0, atol=rounding(60, 20)
    )


@pytest.mark.parametrize("beta", np.logspace(-12, 12, 9).tolist())
def test_the_value_is_that_of_sixty_digits_and_the_plain_formula_is_not(beta):
    log_ref, r = world(8)
    with mpmath.workdps(60):
        weights = [mpmath.exp(mpmath.mpf(float(v))) for v in log_ref]
        z = mpmath.fsum(
            w * mpmath.exp(mpmath.mpf(float(x)) / mpmath.mpf(beta))
            for w, x in zip(weights, r, strict=True)
        ) / mpmath.fsum(weights)
        exact = float(mpmath.mpf(beta) * mpmath.log(z))
    # 50 products of the rewards' size; the reference is normalised once more.
    assert optimal_value(log_ref, r, beta) == pytest.approx(
        exact, abs=rounding(200, np.abs(r).max())
    )
    with np.errstate(over="ignore"):
        naive = beta * np.log((np.exp(log_ref) * np.exp(r / beta)).sum())
    if beta in (1e-12, 1e12):
        assert not abs(naive - exact) < 1e-6


def test_huge_rewards_and_tiny_ones_are_tilted_at_their_own_scale():
    log_ref, r = world(9)
    expected = gibbs_policy(log_ref, r, 1.0)
    for scale in (1e-170, 1e170):
        np.testing.assert_allclose(
            gibbs_policy(log_ref, r * scale, scale),
            expected,
            rtol=0,
            atol=rounding(60, 40),
        )
    assert np.isfinite(gibbs_policy(log_ref, np.sign(r) * 1.7e308, 1.0)).all()


# Divergence


def test_the_divergence_is_the_sum_over_all_strings():
    log_pi, r = world(10)
    log_ref = world(11)[0]
    mean, kl = reward_and_kl(log_pi, log_ref, r)
    assert mean == pytest.approx(np.exp(log_pi) @ r, abs=rounding(60, 3))
    expected = rel_entr(np.exp(log_pi), np.exp(log_ref)).sum()
    assert kl == pytest.approx(expected, abs=rounding(200, 10))
    assert kl > 0.1
    assert abs(kl - reward_and_kl(log_ref, log_pi, r)[1]) > 0.01
    assert reward_and_kl(log_ref, log_ref, r)[1] == 0


def test_the_rounding_of_a_float32_model_is_no_divergence():
    log_ref = world(12)[0]
    shifted = log_ref - 2e-6  # sums to one in float32
    assert abs(reward_and_kl(shifted, log_ref, log_ref)[1]) < rounding(200, 10)


# Best of n


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_best_of_n_is_the_enumeration_of_all_draws(n):
    p = np.array([0.4, 0.1, 0.2, 0.3])
    r = np.array([1.0, 2.0, 2.0, 0.5])
    expected = np.zeros(4)
    for draw in itertools.product(range(4), repeat=n):
        best = [i for i in draw if r[i] == max(r[j] for j in draw)]
        for i in best:
            expected[i] += p[list(draw)].prod() / len(best)
    np.testing.assert_allclose(
        np.exp(best_of_n_policy(np.log(p), r, n)), expected, rtol=rounding(50, 1)
    )


def test_the_best_of_many_is_the_best_and_no_probability_is_too_small_for_it():
    log_ref, r = world(13, scale=1e4)
    for n in (1, 16, 10**9):
        log_p = best_of_n_policy(log_ref, r, n)
        assert np.isfinite(log_p).all()
        assert np.exp(log_p).sum() == pytest.approx(1, abs=rounding(200, 10))
    even = np.full(50, -np.log(50))
    assert best_of_n_policy(even, r, 10**9)[r.argmax()] == pytest.approx(
        0, abs=rounding(50, 1e9)
    )


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(1, 64))
def test_the_best_of_n_diverges_by_no_more_than_the_usual_formula(seed, n):
    log_ref, r = world(seed)
    _, kl = reward_and_kl(best_of_n_policy(log_ref, r.round(1), n), log_ref, r)
    assert kl <= np.log(n) - (n - 1) / n + rounding(200, 10)


# The policy gradient


def exact_gradient(logits: torch.Tensor, log_ref, r, beta: float) -> torch.Tensor:
    log_pi = logits.log_softmax(0)
    value = (log_pi.exp() * (r - beta * (log_pi - log_ref))).sum()
    return torch.autograd.grad(value, logits)[0]


def expected_gradient(logits: torch.Tensor, log_ref, r, beta, n, loss) -> torch.Tensor:
    """Minus the loss's gradient, summed over all samples of `n` strings with their probabilities."""
    total = torch.zeros_like(logits)
    for draw in itertools.product(range(len(logits)), repeat=n):
        rows = torch.tensor(draw)
        log_pi = logits.log_softmax(0)
        probability = log_pi[rows].detach().sum().exp()
        value = loss(log_pi[rows], log_ref[rows], r[rows], beta)
        total -= probability * torch.autograd.grad(value, logits)[0]
    return total


def small_world() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    u = torch.rand(3, 4, generator=g, dtype=torch.float64)
    return (3 * u[0]).requires_grad_(), (3 * u[1]).log_softmax(0), 4 * u[2]


@pytest.mark.parametrize("beta", [0.0, 0.7])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("baseline", [True, False])
def test_the_expected_gradient_is_the_exact_one(baseline, n, beta):
    logits, log_ref, r = small_world()
    loss = functools.partial(policy_gradient_loss, baseline=baseline)
    got = expected_gradient(logits, log_ref, r, beta, n, loss)
    # 4^n samples, some 20 operations each, on numbers up to about 5.
    np.testing.assert_allclose(
        got,
        exact_gradient(logits, log_ref, r, beta),
        rtol=0,
        atol=rounding(20 * 4**n, 5),
    )


def _naive_mean_baseline(log_probs, log_ref, reward, beta):
    R = (reward - beta * (log_probs - log_ref)).detach()
    return -((R - R.mean()) * log_probs).mean()


def _naive_without_detach(log_probs, log_ref, reward, beta):
    R = reward - beta * (log_probs - log_ref)
    return -(R * log_probs).mean()


def test_a_mean_that_includes_the_sample_shrinks_the_gradient_by_one_nth():
    logits, log_ref, r = small_world()
    exact = exact_gradient(logits, log_ref, r, 0.7)
    for n in (2, 3):
        got = expected_gradient(logits, log_ref, r, 0.7, n, _naive_mean_baseline)
        np.testing.assert_allclose(
            got, exact * (n - 1) / n, rtol=0, atol=rounding(20 * 4**n, 5)
        )


def test_neither_the_reference_nor_a_learnt_reward_is_trained():
    log_pi, log_ref, r = (
        torch.tensor(x, requires_grad=True)
        for x in ([-1.0, -2.0], [-2.0, -1.0], [0.0, 3.0])
    )
    policy_gradient_loss(log_pi, log_ref, r, 0.5).backward()
    assert log_pi.grad is not None
    assert log_ref.grad is None
    assert r.grad is None


def test_a_reward_that_is_not_held_constant_follows_another_gradient():
    logits, log_ref, r = small_world()
    got = expected_gradient(logits, log_ref, r, 0.7, 2, _naive_without_detach)
    assert float((got - exact_gradient(logits, log_ref, r, 0.7)).abs().max()) > 0.05


def test_the_baseline_makes_a_constant_on_the_reward_irrelevant():
    log_probs = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    reward = torch.tensor([1.0, 0.0, 5.0])

    def gradient(shift: float, baseline: bool) -> torch.Tensor:
        loss = policy_gradient_loss(
            log_probs, -torch.ones(3), reward + shift, 1.0, baseline
        )
        return torch.autograd.grad(loss, log_probs)[0]

    np.testing.assert_allclose(
        gradient(8.0, True), gradient(0.0, True), rtol=0, atol=10 * 10 * EPS32 * 13
    )
    difference = gradient(8.0, False) - gradient(0.0, False)
    np.testing.assert_allclose(difference, -8 / 3 * np.ones(3), rtol=20 * EPS32)


def test_the_advantage_leaves_the_sample_itself_out():
    log_probs = torch.full((3,), -1.0, requires_grad=True)
    reward = torch.tensor([1.0, 2.0, 6.0])
    policy_gradient_loss(log_probs, -torch.ones(3), reward, 1.0).backward()
    # 1 - (2 + 6)/2, 2 - (1 + 6)/2 and 6 - (1 + 2)/2, over -3
    np.testing.assert_allclose(log_probs.grad, [1, 0.5, -1.5], rtol=20 * EPS32)


def test_logits_of_ten_thousand_have_a_finite_loss_and_gradient():
    logits = torch.tensor([1e4, 0.0, -1e4], requires_grad=True)
    log_probs = logits.log_softmax(0)
    loss = policy_gradient_loss(
        log_probs, torch.full((3,), -1e4), torch.tensor([1.0, -1e4, 1e4]), 0.5
    )
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert bool(logits.grad.isfinite().all())


# The trainer


def tiny(seed: int = 0) -> TinyTransformer:
    return TinyTransformer(3, 3, torch.Generator().manual_seed(seed), 16)


def zeros(strings: torch.Tensor) -> torch.Tensor:
    return (strings == 0).sum(dim=1).float()


def table(model: nn.Module) -> np.ndarray:
    with torch.no_grad():
        return sequence_log_probs(model, all_strings(3, 3)).double().numpy()


def test_training_ends_at_the_gibbs_policy():
    reference = tiny()
    before = table(reference)
    model = rlhf(
        copy.deepcopy(reference), reference, zeros, 1.0, 0, steps=150, batch=64
    )
    optimum = gibbs_policy(before, zeros(all_strings(3, 3)), 1.0)
    end, start = (
        np.abs(np.exp(p) - np.exp(optimum)).sum() / 2 for p in (table(model), before)
    )
    assert start > 0.2
    assert end < 0.05
    # The reference is as it was.
    np.testing.assert_array_equal(table(reference), before)
    assert all(p.grad is None for p in reference.parameters())


def test_without_a_price_the_model_keeps_nothing_but_the_best():
    reference = tiny()
    model = rlhf(
        copy.deepcopy(reference), reference, zeros, 0.0, 0, steps=100, batch=64
    )
    assert np.exp(table(model))[0] > 0.95


def test_a_run_comes_from_its_seed_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    reference = tiny()
    runs = [
        rlhf(copy.deepcopy(reference), reference, zeros, 1.0, seed, steps=3, batch=2)
        for seed in (0, 0, 1)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    one, same, other = map(table, runs)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_loss_sees_both_log_probabilities_and_the_reward_of_one_sample():
    reference, start = tiny(0), tiny(1)
    fresh = copy.deepcopy(start)
    seen, steps = [], []

    def loss(log_probs, log_ref, reward, beta):
        seen.append((log_probs.detach(), log_ref, reward, beta))
        assert log_probs.requires_grad
        assert not log_ref.requires_grad
        return policy_gradient_loss(log_probs, log_ref, reward, beta)

    rlhf(
        start,
        reference,
        lambda x: (x * torch.tensor([9, 3, 1])).sum(dim=1).float(),
        0.5,
        0,
        steps=2,
        batch=8,
        loss=loss,
        watch=lambda step, model: steps.append(step),
    )
    assert steps == [0, 1, 2]
    assert len(seen) == 2
    log_probs, log_ref, number, beta = seen[0]
    assert beta == 0.5
    np.testing.assert_allclose(
        log_probs, table(fresh)[number.long()], rtol=0, atol=10 * 200 * EPS32
    )
    np.testing.assert_allclose(
        log_ref, table(reference)[number.long()], rtol=0, atol=10 * 200 * EPS32
    )


def test_training_works_inside_inference_mode():
    reference = tiny()
    model = copy.deepcopy(reference)
    with torch.inference_mode():
        rlhf(model, reference, zeros, 1.0, 0, steps=2, batch=4)
    assert not np.array_equal(table(model), table(reference))


def test_a_run_that_diverges_says_so():
    reference = tiny()
    with pytest.raises(RuntimeError, match=r"not finite|diverged"):
        rlhf(
            copy.deepcopy(reference),
            reference,
            zeros,
            1.0,
            0,
            steps=20,
            batch=4,
            learning_rate=1e30,
        )


# Bad input

HALF = np.log([0.5, 0.5])


@pytest.mark.parametrize("f", [gibbs_policy, optimal_value, best_of_n_policy])
@pytest.mark.parametrize(
    ("log_ref", "reward", "error", "message"),
    [
        (HALF, [1, 2, 3], ValueError, "reward must have shape"),
        (HALF, [1, np.nan], ValueError, "reward must be finite"),
        (HALF, [1, np.inf], ValueError, "reward must be finite"),
        (HALF, ["a", "b"], TypeError, "reward must hold real"),
        ([0.1, -9], [1, 2], ValueError, "log-probabilities, at most 0"),
        ([0.5, 0.5], [1, 2], ValueError, "log-probabilities, at most 0"),
        ([-9, -9], [1, 2], ValueError, "reference_log_probs must list every string"),
        ([-np.inf, 0], [1, 2], ValueError, "reference_log_probs must be finite"),
        ([], [], ValueError, "log-probabilities"),
        ([HALF], [[1, 2]], ValueError, "reference_log_probs must have shape"),
        (None, [1, 2], TypeError, "reference_log_probs must hold real"),
    ],
)
def test_no_distribution_and_no_reward_are_refused(f, log_ref, reward, error, message):
    with pytest.raises(error, match=message):
        f(log_ref, reward, 1)


def scores(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        *[
            (functools.partial(f, HALF, [1, 2], beta), error, "beta must")
            for f in (gibbs_policy, optimal_value)
            for beta, error in [
                (0, ValueError),
                (-1, ValueError),
                (np.nan, ValueError),
                (np.inf, ValueError),
                ("1", TypeError),
                (True, TypeError),
                ([1, 2], ValueError),
            ]
        ],
        (lambda: best_of_n_policy(HALF, [1, 2], 0), ValueError, "n must be at least"),
        (
            lambda: best_of_n_policy(HALF, [1, 2], 1.5),
            TypeError,
            "n must be an integer",
        ),
        (
            lambda: reward_and_kl(HALF, np.log([0.2, 0.3, 0.5]), [1, 2]),
            ValueError,
            "reference_log_probs must have shape",
        ),
        (
            lambda: reward_and_kl(HALF, [-np.inf, 0], [1, 2]),
            ValueError,
            "reference_log_probs must be finite",
        ),
        (lambda: reward_and_kl([0.3, -1], HALF, [1, 2]), ValueError, "^log_probs must"),
        (lambda: reward_and_kl(HALF, HALF, [1]), ValueError, "reward must have shape"),
        (lambda: readability([[0]]), TypeError, "strings must be a tensor of int64"),
        (lambda: readability(torch.zeros(2, 2)), TypeError, "strings must be a tensor"),
        (lambda: readability(torch.tensor([0])), ValueError, r"shape \(N, L\)"),
        (lambda: readability(torch.tensor([[4]])), ValueError, "letters from 0 to 3"),
        (lambda: readability(torch.tensor([[-1]])), ValueError, "letters from 0 to 3"),
        (
            lambda: policy_gradient_loss(scores(-1), scores(-1), scores(1), 1.0),
            ValueError,
            "at least two samples",
        ),
        (
            lambda: policy_gradient_loss(scores(-1, -1), scores(-1), scores(1, 2), 1.0),
            ValueError,
            "reference_log_probs must have one entry",
        ),
        (
            lambda: policy_gradient_loss(
                scores(-1, -1), scores(-1, -1), scores(1, 2)[:, None], 1.0
            ),
            ValueError,
            "reward must have one entry",
        ),
        (
            lambda: policy_gradient_loss(
                scores(-1, -1), scores(-1, -1), scores(1, math.nan), 1.0
            ),
            ValueError,
            "reward must be finite",
        ),
        (
            lambda: policy_gradient_loss(
                scores(-1, -1), scores(-1, -math.inf), scores(1, 2), 1.0
            ),
            ValueError,
            "reference_log_probs must be finite",
        ),
        (
            lambda: policy_gradient_loss(
                scores(-1, 0.5), scores(-1, -1), scores(1, 2), 1.0
            ),
            ValueError,
            "^log_probs must be at most 0",
        ),
        (
            lambda: policy_gradient_loss(
                scores(-1, -1), scores(-1, 0.5), scores(1, 2), 1.0
            ),
            ValueError,
            "reference_log_probs must be at most 0",
        ),
        (
            lambda: policy_gradient_loss(
                scores(-1, -1), scores(-1, -1), scores(1, 2), -0.1
            ),
            ValueError,
            "beta must lie",
        ),
        (
            lambda: policy_gradient_loss(
                scores(-1, -1), scores(-1, -1), torch.tensor([1, 2]), 1.0
            ),
            TypeError,
            "reward must be a tensor of floats",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"beta": -1}, ValueError, "beta must lie"),
        ({"beta": math.nan}, ValueError, "beta must be finite"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"seed": 0.5}, TypeError, "seed must be an integer"),
        ({"steps": 0}, ValueError, "steps must be"),
        ({"batch": 1}, ValueError, "batch must be"),
        ({"learning_rate": 0}, ValueError, "learning_rate must"),
        ({"reward": lambda x: zeros(x)[:1]}, ValueError, "reward must have one entry"),
        (
            {"reward": lambda x: zeros(x) * math.nan},
            ValueError,
            "reward must be finite",
        ),
        ({"reward": lambda x: x[:, 0]}, TypeError, "reward must be a tensor of floats"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_changes(changes, error, message):
    reference, model = tiny(), tiny()
    options = {"reward": zeros, "beta": 1.0, "seed": 0, "steps": 2, "batch": 4}
    with pytest.raises(error, match=message):
        rlhf(model, reference, **{**options, **changes})
    np.testing.assert_array_equal(table(model), table(reference))


def test_a_model_is_not_its_own_reference():
    model = tiny()
    with pytest.raises(ValueError, match="reference must be another model"):
        rlhf(model, model, zeros, 1.0, 0)


def test_nothing_that_was_passed_is_changed():
    log_ref, r = world(14)
    copies = log_ref.copy(), r.copy()
    log_ref.flags.writeable = r.flags.writeable = False
    gibbs_policy(log_ref, r, 0.5)
    best_of_n_policy(log_ref, r, 3)
    reward_and_kl(log_ref, log_ref, r)
    np.testing.assert_array_equal(log_ref, copies[0])
    np.testing.assert_array_equal(r, copies[1])
