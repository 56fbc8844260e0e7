"""The properties that make `companion.value_alignment.kl_estimators` correct."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from torch import nn

from companion.language import (
    all_strings,
    sequence_log_probs,
    token_log_probs,
)
from companion.value_alignment.kl_estimators import (
    forward_kl_policy,
    kl_estimators,
    kl_regularised_loss,
)
from companion.value_alignment.rlhf import gibbs_policy, policy_gradient_loss
from tests.rounding import rounding

quick = settings(derandomize=True, deadline=None, max_examples=40)
NAMES = ["k1", "k2", "k3"]


def world(seed: int = 0, n: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of a policy, log-probabilities of a reference, and a reward."""
    g = torch.Generator().manual_seed(seed)
    u = torch.rand(3, n, generator=g, dtype=torch.float64)
    return (4 * u[0]).requires_grad_(), (4 * u[1]).log_softmax(0), 3 * u[2]


def gradient(value: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
    grads = torch.autograd.grad(value, inputs, retain_graph=True)
    return torch.cat([g.flatten() for g in grads])


def divergences(log_pi, log_ref) -> tuple[torch.Tensor, torch.Tensor]:
    """KL(policy || reference) and KL(reference || policy)."""
    return (log_pi.exp() * (log_pi - log_ref)).sum(), (
        log_ref.exp() * (log_ref - log_pi)
    ).sum()


# Values


@quick
@given(seed=st.integers(0, 10**6))
def test_k1_and_k3_are_unbiased_and_k2_is_not(seed):
    logits, log_ref, _ = world(seed)
    log_pi = logits.log_softmax(0).detach()
    k = kl_estimators(log_pi, log_ref)
    mean = {name: float(log_pi.exp() @ getattr(k, name)) for name in NAMES}
    D = float(divergences(log_pi, log_ref)[0].detach())
    # Five products of numbers up to e^5.
    assert mean["k1"] == pytest.approx(D, abs=rounding(30, 5))
    assert mean["k3"] == pytest.approx(D, abs=rounding(30, 150))
    assert abs(mean["k2"] - D) > 1e-6
    assert float(k.k2.min()) >= 0
    assert float(k.k3.min()) >= 0
    assert float(k.k1.min()) < 0


def test_all_three_agree_to_second_order():
    log_pi, small = torch.tensor([-1.0], dtype=torch.float64), 1e-4
    k = kl_estimators(log_pi, log_pi - small)
    assert float(k.k1) == pytest.approx(small, abs=rounding(4, 1))
    # The third order is small^3 / 6; 1 - e^-small is told to a rounding of 1e-4.
    assert float(k.k2) == pytest.approx(small**2 / 2, abs=rounding(10, small))
    assert float(k.k3) == pytest.approx(small**2 / 2, abs=2e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_probabilities_of_minus_ten_thousand_have_finite_estimates_and_gradients(
    dtype,
):
    log_pi = torch.tensor([-1e4, -1.0, -1.0], dtype=dtype, requires_grad=True)
    log_ref = torch.tensor([-1.0, -1e4, -1.0], dtype=dtype)
    k = kl_estimators(log_pi, log_ref)
    sum(x.sum() for x in k).backward()
    assert all(bool(x.isfinite().all()) for x in (*k, log_pi.grad))
    assert float(k.k1[1].detach()) == 9999


def test_k3_follows_its_formula_far_beyond_what_a_policy_would_sample():
    for log_ratio in (20.0, -20.0):
        k3 = kl_estimators(
            torch.tensor([-30.0 + log_ratio / 2]), torch.tensor([-30.0 - log_ratio / 2])
        ).k3
        expected = math.exp(-log_ratio) - 1 + log_ratio
        assert float(k3) == pytest.approx(expected, rel=1e-5, abs=0)


def test_any_shape_will_do():
    k = kl_estimators(-torch.ones(2, 3), -2 * torch.ones(2, 3))
    assert all(x.shape == (2, 3) for x in k)


# Gradients


def added_gradients(logits, log_ref) -> dict[tuple[str, str], torch.Tensor]:
    """What each estimator adds to the expected gradient, over minus beta, by summing over all strings."""
    log_pi = logits.log_softmax(0)
    p = log_pi.detach().exp()
    k = kl_estimators(log_pi, log_ref)
    found = {}
    for name in NAMES:
        value = getattr(k, name)
        found[name, "reward"] = gradient((p * value.detach() * log_pi).sum(), logits)
        found[name, "loss"] = gradient((p * value).sum(), logits)
    return found


@quick
@given(seed=st.integers(0, 10**6))
def test_the_table_of_the_six_gradients(seed):
    logits, log_ref, _ = world(seed)
    log_pi = logits.log_softmax(0)
    D, F = (gradient(v, logits) for v in divergences(log_pi, log_ref))
    k2 = gradient((log_pi.exp() * kl_estimators(log_pi, log_ref).k2).sum(), logits)
    expected = {
        ("k1", "reward"): D,
        ("k1", "loss"): torch.zeros_like(D),
        ("k2", "reward"): k2 - D,
        ("k2", "loss"): D,
        ("k3", "reward"): D - F,
        ("k3", "loss"): F,
    }
    for key, value in added_gradients(logits, log_ref).items():
        np.testing.assert_allclose(
            value, expected[key], rtol=0, atol=rounding(100, 150)
        )
    # None of the wrong ones is the right one by accident.
    for key in (("k1", "loss"), ("k2", "reward"), ("k3", "reward"), ("k3", "loss")):
        assert float((expected[key] - D).abs().max()) > 1e-4


@pytest.mark.parametrize("place", ["reward", "loss"])
@pytest.mark.parametrize("estimator", NAMES)
def test_the_loss_has_the_gradient_of_the_table(estimator, place):
    logits, log_ref, r = world(1, n=4)
    beta, n = 0.7, 2
    total = torch.zeros_like(logits)
    for draw in itertools.product(range(4), repeat=n):
        rows = torch.tensor(draw)
        log_pi = logits.log_softmax(0)
        loss = kl_regularised_loss(
            log_pi[rows], log_ref[rows], r[rows], beta, estimator, place
        )
        total -= log_pi[rows].detach().sum().exp() * gradient(loss, logits)
    log_pi = logits.log_softmax(0)
    plain = gradient((log_pi.exp() * r).sum(), logits)
    added = added_gradients(logits, log_ref)[estimator, place]
    np.testing.assert_allclose(
        total, plain - beta * added, rtol=0, atol=rounding(16 * 30, 150)
    )


def test_k1_in_the_reward_is_the_policy_gradient_of_rlhf():
    logits, log_ref, r = world(2)
    log_pi = logits.log_softmax(0)
    one, other = (
        gradient(loss(log_pi, log_ref, r, 0.7), logits)
        for loss in (kl_regularised_loss, policy_gradient_loss)
    )
    np.testing.assert_allclose(one, other, rtol=0, atol=rounding(30, 10))


def test_off_policy_the_gradient_of_k1_in_the_loss_is_no_longer_zero():
    logits, log_ref, _ = world(3)
    old = world(4)[0].detach().softmax(0)
    k1 = kl_estimators(logits.log_softmax(0), log_ref).k1
    assert float(gradient((old * k1).sum(), logits).abs().max()) > 0.01


class Tree(nn.Module):
    """A language model of three letters in threes, with free logits after each of the 13 beginnings."""

    def __init__(self, seed: int):
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        logits = 6 * torch.rand(13, 3, generator=g, dtype=torch.float64)
        self.logits = nn.Parameter(logits)

    def forward(self, strings: torch.Tensor) -> torch.Tensor:
        first, second = strings[:, 0], strings[:, 1]
        begun = [torch.zeros_like(first), 1 + first, 4 + 3 * first + second]
        return self.logits[torch.stack(begun, dim=1)]


def test_summed_over_letters_the_future_is_missing():
    model, reference = Tree(0), Tree(1)
    strings, parameters = all_strings(3, 3), [model.logits]
    log_pi = sequence_log_probs(model, strings)
    log_ref = sequence_log_probs(reference, strings).detach()
    p = log_pi.detach().exp()
    by_letter = kl_estimators(
        token_log_probs(model, strings), token_log_probs(reference, strings).detach()
    )
    D, F = (gradient(v, *parameters) for v in divergences(log_pi, log_ref))
    k = kl_estimators(log_pi, log_ref)

    def expected(values: torch.Tensor) -> torch.Tensor:
        return gradient((p * values).sum(), *parameters)

    # 27 strings, hundreds of operations on gradients of size about one.
    close = rounding(27 * 400, 10)
    for whole, aim in ((k.k2, D), (k.k3, F)):
        np.testing.assert_allclose(expected(whole), aim, rtol=0, atol=close)
    assert float(expected(by_letter.k1.sum(1)).abs().max()) < close
    for letters, aim in ((by_letter.k2, D), (by_letter.k3, F)):
        got = expected(letters.sum(1))
        cosine = float(torch.cosine_similarity(got, aim, dim=0))
        assert 0 < cosine < 0.99
    # The values need no future: per letter or whole, k1 and k3 have one mean.
    for letters in (by_letter.k1, by_letter.k3):
        value = float(p @ letters.sum(1).detach())
        assert value == pytest.approx(
            float(divergences(log_pi, log_ref)[0].detach()), abs=rounding(400, 10)
        )


# The other optimum


@quick
@given(seed=st.integers(0, 10**6), beta=st.floats(0.05, 20))
def test_the_forward_optimum_beats_every_other_policy(seed, beta):
    rng = np.random.default_rng(seed)
    log_ref, r = log_softmax(2 * rng.normal(size=20)), rng.normal(size=20)

    def value(log_pi: np.ndarray) -> float:
        return np.exp(log_pi) @ r - beta * np.exp(log_ref) @ (log_ref - log_pi)

    best = forward_kl_policy(log_ref, r, beta)
    assert np.exp(best).sum() == pytest.approx(1, abs=rounding(40, 1))
    for step in (1e-3, 0.1, 3.0):
        other = log_softmax(best + step * rng.normal(size=20))
        assert value(other) < value(best)


@pytest.mark.parametrize("beta", [1e-9, 0.3, 1.0, 1e9])
def test_the_forward_optimum_has_its_closed_form(beta):
    rng = np.random.default_rng(5)
    log_ref, r = log_softmax(2 * rng.normal(size=20)), rng.normal(size=20)
    pi = np.exp(forward_kl_policy(log_ref, r, beta))
    level = beta * np.exp(log_ref) / pi + r  # lambda, at every string
    assert level.min() > r.max() - rounding(100, 3)
    # The quotient loses what the search for lambda leaves: 1e-14 of the gap.
    np.testing.assert_allclose(level, level[0], rtol=0, atol=1e-12 * max(beta, 3))


def test_a_dear_divergence_keeps_the_reference_and_a_cheap_one_leaves_the_best():
    rng = np.random.default_rng(6)
    log_ref, r = log_softmax(2 * rng.normal(size=20)), rng.normal(size=20)
    np.testing.assert_allclose(
        forward_kl_policy(log_ref, r, 1e12), log_ref, rtol=0, atol=1e-9
    )
    cheap = np.exp(forward_kl_policy(log_ref, r, 1e-9))
    assert cheap[r.argmax()] > 1 - 1e-6
    # It is not the Gibbs policy, whose other strings vanish at once.
    assert cheap.min() > 1e-14
    assert np.exp(gibbs_policy(log_ref, r, 1e-9)).min() == 0


def test_equal_rewards_keep_the_reference():
    log_ref = log_softmax(np.random.default_rng(7).normal(size=9))
    np.testing.assert_allclose(
        forward_kl_policy(log_ref, np.full(9, 1e170), 1.0),
        log_ref,
        rtol=0,
        atol=rounding(40, 10),
    )


# Bad input


def scores(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


GOOD = scores(-1, -1), scores(-1, -2), scores(1, 2)
HALF = np.log([0.5, 0.5])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kl_estimators([-1.0], scores(-1)), TypeError, "log_probs must be"),
        (lambda: kl_estimators(scores(-1), [-1.0]), TypeError, "reference_log_probs"),
        (
            lambda: kl_estimators(torch.tensor([-1]), scores(-1)),
            TypeError,
            "log_probs must be a tensor of floats",
        ),
        (lambda: kl_estimators(scores(-1), scores(-1, -1)), ValueError, "one shape"),
        (lambda: kl_estimators(scores(), scores()), ValueError, "one shape and an"),
        (lambda: kl_estimators(scores(0.1), scores(-1)), ValueError, "^log_probs must"),
        (lambda: kl_estimators(scores(-1), scores(0.1)), ValueError, "^reference_log"),
        (lambda: kl_estimators(scores(math.nan), scores(-1)), ValueError, "finite"),
        (lambda: kl_estimators(scores(-1), scores(-math.inf)), ValueError, "finite"),
        (lambda: kl_regularised_loss(*GOOD, -1.0), ValueError, "beta must lie"),
        (lambda: kl_regularised_loss(*GOOD, math.nan), ValueError, "beta must be"),
        (lambda: kl_regularised_loss(*GOOD, 1.0, "k4"), ValueError, "k1, k2 or k3"),
        (
            lambda: kl_regularised_loss(*GOOD, 1.0, "k1", "both"),
            ValueError,
            "place must be reward or loss",
        ),
        (
            lambda: kl_regularised_loss(*GOOD[:2], scores(1), 1.0, "k1", "loss"),
            ValueError,
            "reward must have one entry",
        ),
        (
            lambda: kl_regularised_loss(*GOOD[:2], scores(1, math.nan), 1.0),
            ValueError,
            "reward must be finite",
        ),
        (lambda: forward_kl_policy(HALF, [1, 2], 0), ValueError, "beta must lie"),
        (lambda: forward_kl_policy(HALF, [1, 2], -1), ValueError, "beta must lie"),
        (lambda: forward_kl_policy(HALF, [1, 2], 1e-13), ValueError, "beta must be"),
        (lambda: forward_kl_policy(HALF, [1, 2, 3], 1), ValueError, "reward must have"),
        (lambda: forward_kl_policy(HALF, [1, np.nan], 1), ValueError, "must be finite"),
        (lambda: forward_kl_policy([0.1, -9], [1, 2], 1), ValueError, "every string"),
        (lambda: forward_kl_policy([-9, -9], [1, 2], 1), ValueError, "every string"),
        (lambda: forward_kl_policy([], [], 1), ValueError, "every string"),
        (
            lambda: forward_kl_policy([-np.inf, 0], [1, 2], 1),
            ValueError,
            "reference_log_probs must be finite",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
