"""The properties that make `companion.value_alignment.direct_preference_optimization` correct."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from torch import nn

from companion.language import TinyTransformer, all_strings, token_log_probs
from companion.value_alignment.direct_preference_optimization import (
    dpo,
    dpo_loss,
    ipo_loss,
)

EPS = float(np.finfo(np.float64).eps)
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def batch(seed, pairs=7, length=6, other=4, scale=3.0, dtype=torch.float64):
    """Random log-probabilities of tokens, and masks with at least one token in every row."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(pairs, length), (pairs, other)] * 2
    tokens = [
        -scale * torch.rand(shape, generator=generator, dtype=dtype) for shape in shapes
    ]
    masks = []
    for shape in shapes[:2]:
        mask = torch.rand(shape, generator=generator) < 0.5
        mask[torch.arange(shape[0]), torch.arange(shape[0]) % shape[1]] = True
        masks.append(mask)
    return tokens, masks


def exact_log_ratios(tokens, masks, row):
    """Chosen's and rejected's log-ratio in fifty digits, and their numbers of tokens."""
    ratios, lengths = [], []
    for policy, reference, mask in zip(tokens[:2], tokens[2:], masks, strict=True):
        kept = [t for t in range(mask.shape[1]) if mask[row, t]]
        ratios.append(
            mpmath.fsum(
                mpmath.mpf(policy[row, t].item()) - mpmath.mpf(reference[row, t].item())
                for t in kept
            )
        )
        lengths.append(len(kept))
    return ratios, lengths


# The losses


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("beta", [1e-3, 0.5, 4.0])
def test_both_losses_are_their_equations_in_fifty_digits(seed, beta):
    tokens, masks = batch(seed)
    with mpmath.workdps(50):
        logistic, squared, averaged = [], [], []
        for row in range(7):
            (w, l), (n, m) = exact_log_ratios(tokens, masks, row)  # noqa: E741
            logistic.append(mpmath.log1p(mpmath.exp(-beta * (w - l))))
            squared.append((w - l - 1 / (2 * mpmath.mpf(beta))) ** 2)
            averaged.append((w / n - l / m - 1 / (2 * mpmath.mpf(beta))) ** 2)
        exact = [float(mpmath.fsum(x) / 7) for x in (logistic, squared, averaged)]
    losses = [
        dpo_loss(*tokens, beta, *masks),
        ipo_loss(*tokens, beta, *masks),
        ipo_loss(*tokens, beta, *masks, average=True),
    ]
    # 20 tokens of at most 3 are added up: 20 * 60 eps of each log-ratio, times its
    # weight in the loss, beta or twice the distance from the target; times ten.
    reach = 60 + 1 / (2 * beta)
    bounds = [10 * 20 * 60 * EPS * max(beta, 1.0)] + [10 * 20 * reach**2 * EPS] * 2
    for loss, value, bound in zip(losses, exact, bounds, strict=True):
        assert loss.shape == ()
        assert abs(loss.item() - value) <= bound


@pytest.mark.parametrize("device", DEVICES)
def test_a_policy_that_is_its_reference_pays_log_two_and_the_whole_margin(device):
    (chosen, rejected, *_), masks = batch(0)
    moved = [t.to(device) for t in (chosen, rejected, chosen, rejected)]
    masks = [m.to(device) for m in masks]
    loss = dpo_loss(*moved, 0.7, *masks)
    assert loss.device.type == device
    assert abs(loss.item() - math.log(2)) <= 10 * EPS
    assert abs(ipo_loss(*moved, 0.25, *masks).item() - 4.0) <= 10 * 4 * EPS


def test_only_the_difference_counts_so_both_answers_may_lose_any_factor():
    tokens, masks = batch(1)
    lower = [t.clone() for t in tokens]
    # Every chosen and every rejected answer becomes e^-40 times as probable.
    for side, mask in zip((0, 1), masks, strict=True):
        first = mask.int().argmax(dim=1)
        lower[side][torch.arange(7), first] -= 40.0
    for loss in (dpo_loss, ipo_loss):
        before, after = (loss(*t, 0.5, *masks).item() for t in (tokens, lower))
        # 20 sums of numbers up to 100; the squared loss is up to 60 times as steep.
        assert abs(after - before) <= 10 * 20 * 100 * 120 * EPS


def test_exchanging_the_answers_changes_the_loss_by_the_margin():
    (w, l, rw, rl), (mw, ml) = batch(2, pairs=1)  # noqa: E741
    there = dpo_loss(w, l, rw, rl, 0.3, mw, ml)
    back = dpo_loss(l, w, rl, rw, 0.3, ml, mw)
    margin = ((w - rw) * mw).sum() - ((l - rl) * ml).sum()
    assert abs((back - there - 0.3 * margin).item()) <= 10 * 40 * 30 * EPS


def test_the_gradient_is_minus_beta_times_how_wrong_the_policy_is():
    tokens, masks = batch(3)
    for t in tokens:
        t.requires_grad_(True)
    dpo_loss(*tokens, 0.8, *masks).backward()
    w, l, rw, rl = (t.detach() for t in tokens)  # noqa: E741
    margin = ((w - rw) * masks[0]).sum(dim=1) - ((l - rl) * masks[1]).sum(dim=1)
    pull = 0.8 * torch.sigmoid(-0.8 * margin) / 7
    expected = [-pull[:, None] * masks[0], pull[:, None] * masks[1]]
    for t, e in zip(tokens[:2], expected, strict=True):
        np.testing.assert_allclose(t.grad, e, rtol=0, atol=10 * 20 * 60 * EPS)
    # The reference is frozen, also where somebody left its gradients on.
    assert tokens[2].grad is None
    assert tokens[3].grad is None


def test_the_gradient_of_the_squared_loss_is_twice_the_distance_from_its_target():
    tokens, masks = batch(4)
    for t in tokens:
        t.requires_grad_(True)
    ipo_loss(*tokens, 0.2, *masks).backward()
    w, l, rw, rl = (t.detach() for t in tokens)  # noqa: E741
    margin = ((w - rw) * masks[0]).sum(dim=1) - ((l - rl) * masks[1]).sum(dim=1)
    pull = 2 * (margin - 2.5) / 7
    expected = [pull[:, None] * masks[0], -pull[:, None] * masks[1]]
    for t, e in zip(tokens[:2], expected, strict=True):
        np.testing.assert_allclose(t.grad, e, rtol=0, atol=10 * 20 * 60 * EPS)
    assert tokens[2].grad is None


@pytest.mark.parametrize("loss", [dpo_loss, ipo_loss])
@pytest.mark.parametrize("rubbish", [math.nan, math.inf, -math.inf, 5.0])
def test_what_stands_at_the_prompt_and_the_padding_does_not_matter(loss, rubbish):
    tokens, masks = batch(5)
    spoilt = [
        torch.where(mask, t, rubbish).requires_grad_(True)
        for t, mask in zip(tokens, masks * 2, strict=True)
    ]
    clean, dirty = loss(*tokens, 0.5, *masks), loss(*spoilt, 0.5, *masks)
    assert dirty.item() == clean.item()
    dirty.backward()
    for t, mask in zip(spoilt[:2], masks, strict=True):
        assert bool(t.grad.isfinite().all())
        assert bool((t.grad[~mask] == 0).all())


def _naive_mean_loss(w, l, rw, rl, beta):  # noqa: E741
    """The popular wrong form: the mean over the tokens instead of the sum."""
    h = (w - rw).mean(dim=1) - (l - rl).mean(dim=1)
    return -nn.functional.logsigmoid(beta * h).mean()


def test_a_token_cut_in_two_changes_nothing_and_the_mean_over_tokens_changes():
    tokens, _ = batch(6)
    cut = [torch.cat([t[:, :1] / 4, 3 * t[:, :1] / 4, t[:, 1:]], dim=1) for t in tokens]
    whole, halves = dpo_loss(*tokens, 0.5).item(), dpo_loss(*cut, 0.5).item()
    assert abs(whole - halves) <= 10 * 20 * 60 * EPS
    naive = _naive_mean_loss(*tokens, 0.5).item(), _naive_mean_loss(*cut, 0.5).item()
    assert abs(naive[0] - naive[1]) > 1e-3


def test_a_common_prompt_left_in_cancels_in_the_sum_and_not_in_the_average():
    tokens, masks = batch(7)
    generator = torch.Generator().manual_seed(8)
    prompt = -torch.rand((2, 7, 3), generator=generator, dtype=torch.float64)
    longer = [
        torch.cat([prompt[i // 2], t], dim=1)  # the same before both answers
        for i, t in enumerate(tokens)
    ]
    masked, left_in = (
        [nn.functional.pad(m, (3, 0), value=value) for m in masks]
        for value in (False, True)
    )
    bound = 10 * 26 * 70 * EPS
    right = dpo_loss(*longer, 0.5, *masked).item()
    assert abs(right - dpo_loss(*tokens, 0.5, *masks).item()) <= bound
    assert abs(right - dpo_loss(*longer, 0.5, *left_in).item()) <= bound
    averages = [
        ipo_loss(*longer, 0.5, *m, average=True).item() for m in (masked, left_in)
    ]
    assert abs(averages[0] - averages[1]) > 1e-3


def _naive_loss(w, l, rw, rl, beta):  # noqa: E741
    """The popular wrong form: the logarithm of a sigmoid that has become zero."""
    h = (w - rw).sum(dim=1) - (l - rl).sum(dim=1)
    return -torch.sigmoid(beta * h).log().mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1, -1])
def test_logits_of_ten_thousand_give_finite_losses_and_gradients(dtype, sign):
    logits = torch.tensor([[[1e4, -1e4]], [[-1e4, 1e4]]], dtype=dtype)
    logits = (sign * logits).requires_grad_(True)
    log_probs = logits.log_softmax(dim=-1)[..., 0]  # 0 and -2e4
    fair = torch.full((1, 1), -math.log(2), dtype=dtype)
    pair = (*log_probs.split(1), fair, fair)
    loss = dpo_loss(*pair, 0.5)
    # 0.5 * 2e4 on the wrong side costs just that; on the right side nothing.
    expected = 0.0 if sign == 1 else 1e4
    assert loss.item() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
    assert bool(gradient.isfinite().all())
    (tokens,) = torch.autograd.grad(loss, log_probs, retain_graph=True)
    pull = 0.0 if sign == 1 else 0.5
    assert tokens.flatten().tolist() == pytest.approx([-pull, pull], rel=1e-6, abs=1e-6)
    squared = ipo_loss(*pair, 0.5)
    assert squared.item() == pytest.approx((2e4 - sign) ** 2, rel=1e-6, abs=0)
    assert bool(torch.autograd.grad(squared, logits)[0].isfinite().all())
    if sign == -1:
        assert not math.isfinite(_naive_loss(*pair, 0.5).item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_added_up_in_float32(dtype):
    # 4096 tokens of -1 / 4: in half precision the sum would stop at -512 or before.
    w = torch.full((1, 4096), -0.25, dtype=dtype)
    loss = ipo_loss(w, torch.zeros_like(w), torch.zeros_like(w), torch.zeros_like(w), 1)
    assert loss.dtype == torch.float32
    assert loss.item() == 1024.5**2


def test_log_softmax_of_huge_logits_is_not_taken_for_a_mistake():
    logits = torch.tensor([[1e4, 1e4 - 30.0]])
    rounded = (logits - logits.logsumexp(dim=1, keepdim=True) + 5e-4)[:, :1]
    assert rounded.item() > 0
    assert math.isfinite(dpo_loss(rounded, rounded, rounded, rounded, 1.0).item())


# Tabular: a policy that is one probability for each answer


def minimised(loss, reference, pairs, price):
    """The policy's log-probabilities where the gradient over the pairs (winner, loser) vanishes."""
    w, l = torch.as_tensor(pairs).T  # noqa: E741

    def value(scores):
        log_pi, ref = scores.log_softmax(dim=0)[:, None], reference[:, None]
        return loss(log_pi[w], log_pi[l], ref[w], ref[l], price)

    scores = reference.clone()
    for _ in range(30):  # Newton's method; a constant added to all scores is free
        gradient = torch.autograd.functional.jacobian(value, scores)
        curvature = torch.autograd.functional.hessian(value, scores)
        scores = scores - torch.linalg.pinv(curvature, rtol=1e-9) @ gradient
    assert gradient.abs().max() < 1e-12
    return scores.log_softmax(dim=0)


def gibbs(reference, reward, price):
    return (reference + torch.as_tensor(reward) / price).log_softmax(dim=0)


REFERENCE = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64).log()


def counted(wins):
    """Pairs (winner, loser), each as often as the matrix says."""
    return [
        (i, j)
        for i, j in itertools.product(range(len(wins)), repeat=2)
        for _ in range(int(wins[i][j]))
    ]


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_in_the_population_the_optimum_is_the_gibbs_policy(beta):
    # Strengths 1, 2, 3, 6: i beats j with probability s_i / (s_i + s_j).  As 2520 is a
    # multiple of every sum, counts out of 2520 are those probabilities exactly.
    s = np.array([1, 2, 3, 6])
    wins = 2520 * s[:, None] // (s[:, None] + s) * (1 - np.eye(4, dtype=int))
    assert wins[1, 0] == 1680
    pairs = counted(wins)
    found = minimised(dpo_loss, REFERENCE, pairs, beta)
    expected = gibbs(REFERENCE, np.log(s), beta)
    # A gradient below 1e-12 with curvature above 1e-3 leaves 1e-9 of the scores.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def bradley_terry_by_minorisation(wins, rounds=20_000):
    """Scores of largest likelihood, by Hunter's (2004) fixed point; sum of the strengths 1."""
    strengths, games = np.ones(len(wins)), wins + wins.T
    for _ in range(rounds):
        shared = games / (strengths[:, None] + strengths)
        strengths = wins.sum(axis=1) / shared.sum(axis=1)
        strengths /= strengths.sum()
    return np.log(strengths)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_on_data_it_is_the_bradley_terry_fit_and_then_its_gibbs_policy(seed, beta):
    rng = np.random.default_rng(seed)
    wins = rng.integers(1, 20, (4, 4)) * (1 - np.eye(4, dtype=int))
    found = minimised(dpo_loss, REFERENCE, counted(wins), beta)
    reward = bradley_terry_by_minorisation(wins)
    np.testing.assert_allclose(found, gibbs(REFERENCE, reward, beta), rtol=0, atol=1e-9)


def test_an_answer_that_never_loses_has_no_best_probability():
    # 0 beats 1; 2 and 3 are never compared.  The loss falls for ever.
    ratios = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
    losses = []
    for ratio in ratios:
        log_pi = (REFERENCE + torch.tensor([ratio, 0, 0, 0])).log_softmax(dim=0)
        w, l, rw, rl = log_pi[:1], log_pi[1:2], REFERENCE[:1], REFERENCE[1:2]  # noqa: E741
        losses.append(dpo_loss(*(t[None] for t in (w, l, rw, rl)), 1.0).item())
    assert losses[0] > losses[1] > losses[2] > 0


@pytest.mark.parametrize("loss", [dpo_loss, ipo_loss])
@pytest.mark.parametrize("unseen", [1e-6, 0.3, 1 - 1e-6])
def test_the_mass_on_answers_never_compared_is_free(loss, unseen):
    w, l = torch.tensor([[0], [0], [1]]), torch.tensor([[1], [1], [0]])  # noqa: E741
    pi = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64)
    moved = torch.cat([pi[:2] / 0.7 * (1 - unseen), pi[2:] / 0.3 * unseen])
    assert abs(moved.sum().item() - 1) <= 10 * EPS
    values = [
        loss(q.log()[w], q.log()[l], REFERENCE[w], REFERENCE[l], 0.5).item()
        for q in (pi, moved)
    ]
    # Logarithms up to 14 and a few sums of them; the squared loss is 20 times as steep.
    assert abs(values[0] - values[1]) <= 10 * 10 * 14 * 20 * EPS


@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_ipo_on_uniform_pairs_is_the_gibbs_policy_of_the_mean_win_probability(tau):
    rng = np.random.default_rng(0)
    wins = rng.integers(0, 21, (4, 4))
    wins = np.triu(wins, 1) + np.tril(20 - wins.T, -1)  # 20 comparisons of every pair
    probability = wins / 20 + np.eye(4) / 2
    found = minimised(ipo_loss, REFERENCE, counted(wins), tau)
    expected = gibbs(REFERENCE, probability.mean(axis=1), tau)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_ipo_asks_for_a_finite_margin_where_one_answer_always_wins():
    reference = torch.tensor([0.9, 0.1], dtype=torch.float64).log()
    found = minimised(ipo_loss, reference, [(0, 1)], 0.25)
    margin = (found - reference)[0] - (found - reference)[1]
    assert margin.item() == pytest.approx(2.0, rel=1e-9, abs=0)


# Training


def small_model(seed=0, letters=2, length=1):
    return TinyTransformer(letters, length, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_training_moves_the_odds_by_those_of_winning_to_the_power_one_over_beta(beta):
    model = small_model()
    chosen = torch.tensor([[0], [0], [0], [1]])
    policy = dpo(
        model, chosen, 1 - chosen, beta, 0, steps=150, batch=512, learning_rate=3e-3
    )
    with torch.no_grad():
        both = torch.tensor([[0], [1]])
        ratio = (token_log_probs(policy, both) - token_log_probs(model, both))[:, 0]
    # A batch's share of wins varies by sqrt(3 / 16 / 512) = 0.02 around 3/4, the odds'
    # logarithm by 0.1; Adam averages over several batches.
    odds = beta * (ratio[0] - ratio[1]).item()
    assert odds == pytest.approx(math.log(3), rel=0, abs=0.2)


def test_training_lowers_the_loss_on_its_pairs_and_reaches_the_squared_losss_margin():
    model = small_model(1, letters=3, length=3)
    strings = all_strings(3, 3)
    chosen, rejected = strings[:5], strings[9:14]
    for loss, margin in ((dpo_loss, None), (ipo_loss, 2.0)):
        policy = dpo(
            model, chosen, rejected, 0.25, 0, loss=loss, learning_rate=3e-3, batch=16
        )
        with torch.no_grad():
            w, l, rw, rl = (  # noqa: E741
                token_log_probs(m, s)
                for m in (policy, model)
                for s in (chosen, rejected)
            )
        assert loss(w, l, rw, rl, 0.25) < loss(rw, rl, rw, rl, 0.25) / 2
        if margin is not None:
            h = (w - rw).sum(dim=1) - (l - rl).sum(dim=1)
            np.testing.assert_allclose(h, margin, rtol=0, atol=0.3)


def test_training_on_one_pair_is_adam_on_its_loss_step_by_step():
    model = small_model(2, letters=3, length=2)
    chosen, rejected = torch.tensor([[0, 1]]), torch.tensor([[2, 2]])
    policy = dpo(model, chosen, rejected, 0.7, 0, steps=3, batch=1, learning_rate=2e-3)
    with torch.no_grad():
        frozen = [token_log_probs(model, s) for s in (chosen, rejected)]
    before = [p.detach().clone() for p in model.parameters()]
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(3):
        optimiser.zero_grad()
        tokens = [token_log_probs(model, s) for s in (chosen, rejected)]
        dpo_loss(*tokens, *frozen, 0.7).backward()
        optimiser.step()
    for old, by_hand, new in zip(
        before, model.parameters(), policy.parameters(), strict=True
    ):
        # Where the gradient is rounding alone, Adam's direction is rounding, too.
        told = by_hand.grad.abs() > 1e-4
        np.testing.assert_allclose(
            new[told].detach(), by_hand[told].detach(), rtol=0, atol=1e-5
        )
        assert not torch.equal(new, old)


def test_the_reference_stays_as_it_was_and_nothing_global_is_drawn():
    model = small_model(3).train()
    for p in model.parameters():
        p.requires_grad_(False)
    before = {name: p.clone() for name, p in model.named_parameters()}
    chosen = torch.tensor([[0], [1]])
    state = torch.get_rng_state()
    seen = []
    policies = [
        dpo(model, chosen, 1 - chosen, 1, s, steps=3, watch=lambda *a: seen.append(a))
        for s in (0, 0, 1)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())
    assert not any(policy.training for policy in policies)
    first, same, other = (next(policy.parameters()) for policy in policies)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert [step for step, _ in seen] == [0, 1, 2, 3] * 3
    assert all(policy is policies[0] for _, policy in seen[:4])


def test_training_works_where_no_gradient_is_recorded():
    chosen = torch.tensor([[0], [1]])
    with torch.inference_mode():
        policy = dpo(small_model(4), chosen, 1 - chosen, 1, 0, steps=2)
    with torch.no_grad():
        other = dpo(small_model(4), chosen, 1 - chosen, 1, 0, steps=2)
    for a, b in zip(policy.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


# Bad input

P = torch.full((2, 3), -1.0)
HOLE = P.clone()
HOLE[1, 2] = math.nan
MASK = torch.ones(2, 3, dtype=torch.bool)
EMPTY = MASK.clone()
EMPTY[1] = False


@pytest.mark.parametrize("loss", [dpo_loss, ipo_loss])
@pytest.mark.parametrize(
    "price", [0, -1, math.nan, math.inf, 1.1e6, "1", None, [1], True]
)
def test_a_price_that_is_no_positive_number_is_refused(loss, price):
    with pytest.raises((TypeError, ValueError), match="beta must|tau must"):
        loss(P, P, P, P, price)


@pytest.mark.parametrize("loss", [dpo_loss, ipo_loss])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((HOLE, P, P, P), ValueError, "^chosen must hold finite log-probabilities"),
        ((P, HOLE, P, P), ValueError, "^rejected must hold finite"),
        ((P, P, HOLE, P), ValueError, "reference_chosen must hold finite"),
        ((P, P, P, HOLE), ValueError, "reference_rejected must hold finite"),
        ((-P, P, P, P), ValueError, "^chosen must hold.*none above zero, got up to 1"),
        ((P, P, P, P * 0 + 0.01), ValueError, "reference_rejected.*none above zero"),
        ((P - math.inf, P, P, P), ValueError, "^chosen must hold finite"),
        ((P, P + math.inf, P, P), ValueError, "^rejected must hold finite"),
        ((P * 1e16, P, P, P), ValueError, "^chosen must hold finite"),
        ((P[0], P, P, P), ValueError, "^chosen must have"),
        ((P, P, P[:, :2], P), ValueError, "reference_chosen must have the shape"),
        ((P, P, P, P[:1]), ValueError, "reference_rejected must have the shape"),
        ((P[:, :0], P, P[:, :0], P), ValueError, "^chosen must have"),
        ((P[:0], P[:0], P[:0], P[:0]), ValueError, "^chosen must have"),
        ((P, P[:1], P, P[:1]), ValueError, "must be as many, got 2 and 1"),
        ((P.int(), P, P, P), TypeError, "^chosen must be a tensor of floats"),
        ((P, P.tolist(), P, P), TypeError, "^rejected must be a tensor of floats"),
        ((P, P, None, P), TypeError, "reference_chosen must be a tensor of floats"),
        (
            (P, P, P, P, MASK[:, :2]),
            ValueError,
            "chosen_mask must have the shape",
        ),
        ((P, P, P, P, MASK[:1]), ValueError, "chosen_mask must have the shape"),
        ((P, P, P, P, MASK, MASK[0]), ValueError, "rejected_mask must have the shape"),
        (
            (P, P, P, P, MASK, EMPTY),
            ValueError,
            "rejected_mask must leave every answer a token",
        ),
        ((P, P, P, P, ~MASK), ValueError, "chosen_mask must leave every answer"),
        ((P, P, P, P, MASK.int()), TypeError, "chosen_mask must be a tensor of bools"),
        ((P, P, P, P, None, [[True]]), TypeError, "rejected_mask must be a tensor"),
    ],
)
def test_bad_arguments_of_the_losses_are_named(loss, arguments, error, message):
    with pytest.raises(error, match=message):
        loss(*arguments[:4], 0.5, *arguments[4:])


A = torch.tensor([[0], [1]])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"chosen": A.int()}, TypeError, "chosen must be an int64 tensor"),
        ({"rejected": [[1], [0]]}, TypeError, "rejected must be an int64 tensor"),
        ({"rejected": A[:1]}, ValueError, "chosen and rejected must have one shape"),
        ({"chosen": A[:, 0], "rejected": A[:, 0]}, ValueError, "must have one shape"),
        ({"chosen": A[:0], "rejected": A[:0]}, ValueError, "must have one shape"),
        ({"chosen": A + 1}, ValueError, "strings must hold letters from 0 to 1"),
        ({"beta": 0}, ValueError, "beta must"),
        ({"beta": math.nan}, ValueError, "beta must"),
        ({"seed": -1}, ValueError, "seed must"),
        ({"seed": 0.5}, TypeError, "seed must"),
        ({"steps": 0}, ValueError, "steps must"),
        ({"batch": 0}, ValueError, "batch must"),
        ({"learning_rate": 0}, ValueError, "learning_rate must"),
        ({"learning_rate": math.inf}, ValueError, "learning_rate must"),
    ],
)
def test_bad_arguments_of_the_training_are_named(change, error, message):
    given = {"chosen": A, "rejected": 1 - A, "beta": 1, "seed": 0, "steps": 2} | change
    with pytest.raises(error, match=message):
        dpo(small_model(), **given)


def test_a_policy_that_diverges_is_refused():
    with pytest.raises(ValueError, match="must hold finite log-probabilities"):
        dpo(small_model(), A, 1 - A, 1, 0, steps=20, learning_rate=1e30)


def test_a_policy_that_diverges_in_the_last_step_is_refused():
    with pytest.raises(RuntimeError, match="the policy diverged: lower learning_rate"):
        dpo(small_model(), A, 1 - A, 1, 0, steps=1, learning_rate=1e39)
