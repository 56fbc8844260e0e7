"""The properties that make `companion.language` correct."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from companion.language import (
    TinyTransformer,
    all_strings,
    fit_language_model,
    random_language,
    sample_strings,
    sequence_log_probs,
    token_log_probs,
)

EPS32 = float(torch.finfo(torch.float32).eps)
EPS = float(torch.finfo(torch.float64).eps)
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def seeded(seed: int = 0, device: str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def tiny(letters: int = 3, length: int = 4, seed: int = 0) -> TinyTransformer:
    return TinyTransformer(letters, length, seeded(seed), width=8, heads=2, layers=2)


class Table(nn.Module):
    """A language model whose next letter has the same logits whatever came before."""

    def __init__(self, logits: list[float], length: int):
        super().__init__()
        self.letters, self.length = len(logits), length
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, strings: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(*strings.shape, -1)


# The strings


@pytest.mark.parametrize(
    ("letters", "length"), [(1, 1), (1, 4), (4, 1), (2, 7), (4, 5)]
)
def test_all_strings_are_the_words_of_a_dictionary_in_order(letters, length):
    strings = all_strings(letters, length)
    expected = list(itertools.product(range(letters), repeat=length))
    assert strings.dtype == torch.int64
    assert [tuple(row) for row in strings.tolist()] == expected


def test_a_million_strings_are_listed_and_more_are_refused():
    assert len(all_strings(10, 6)) == 10**6
    for letters, length in [(10, 7), (1001, 2), (10**200, 10**9), (2, 10**12)]:
        with pytest.raises(ValueError, match="at most a million strings"):
            all_strings(letters, length)


# The random language


def test_a_random_language_is_a_markov_chain():
    letters, length = 3, 4
    p = random_language(letters, length, seeded(1)).exp().reshape([letters] * length)
    assert float(p.sum()) == pytest.approx(1, abs=10 * letters**length * EPS)
    # P(x4 | x1, x2, x3) and P(x2 | x1) are one table: the last letter decides alone.
    last = p / p.sum(dim=3, keepdim=True)
    pairs = p.sum(dim=(2, 3))
    first = pairs / pairs.sum(dim=1, keepdim=True)
    # Sums of up to 27 products, and a quotient.
    np.testing.assert_allclose(
        last, first.expand(3, 3, 3, 3), rtol=10 * 30 * EPS, atol=0
    )
    # Rows differ, or the letter before would not matter.
    assert float((first[0] - first[1]).abs().max()) > 0.01


def test_the_first_letter_has_a_law_of_its_own():
    p = random_language(3, 2, seeded(1)).exp().reshape(3, 3)
    first = p.sum(dim=1)
    for letter in range(3):
        assert float((p[letter] / first[letter] - first).abs().max()) > 0.01


def test_sharpness_bounds_the_odds_and_zero_is_uniform():
    log_p = random_language(4, 3, seeded(), sharpness=0)
    np.testing.assert_allclose(log_p, -3 * math.log(4), rtol=10 * 9 * EPS)
    for sharpness in (1.0, 100.0):
        log_p = random_language(4, 1, seeded(), sharpness)
        assert bool(log_p.isfinite().all())
        odds = float(log_p.max() - log_p.min())
        assert 0.1 * sharpness < odds <= 2 * sharpness


def test_two_seeds_give_two_languages_and_one_seed_gives_one():
    one, same, other = (random_language(4, 5, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


# The transformer


def by_hand(model: TinyTransformer, string: list[int]) -> np.ndarray:
    """The logits of one string, position by position and head by head, in float64."""

    def array(p):
        return p.detach().double().numpy()

    def norm(v):
        return (v - v.mean()) / np.sqrt(v.var() + 1e-5)

    def linear(layer, v):
        return array(layer.weight) @ v + array(layer.bias)

    before = [model.letters, *string[:-1]]
    x = [array(model.letter)[a] + array(model.place)[t] for t, a in enumerate(before)]
    for attend, mix, think in zip(model.attend, model.mix, model.think, strict=True):
        width, size = len(x[0]), len(x[0]) // model.heads
        qkv = [linear(attend[0], norm(v)) for v in x]
        new = []
        for t, v in enumerate(x):
            found = []
            for h in range(model.heads):
                q, k, val = (
                    slice(i * width + h * size, i * width + (h + 1) * size)
                    for i in range(3)
                )
                scores = np.array([qkv[t][q] @ qkv[s][k] for s in range(t + 1)])
                weight = np.exp(scores / np.sqrt(size))
                weight /= weight.sum()
                found += list(sum(w * qkv[s][val] for s, w in enumerate(weight)))
            v = v + linear(mix[0], np.array(found))
            inner = np.maximum(linear(think[0], norm(v)), 0)
            new.append(v + linear(think[2], inner))
        x = new
    return np.array([linear(model.read[0], norm(v)) for v in x])


def test_the_transformer_is_the_one_written_out_by_hand():
    model = tiny()
    for string in ([0, 1, 2, 2], [2, 0], [1]):
        with torch.no_grad():
            logits = model(torch.tensor([string]))[0]
        # Two layers of four products over 8 to 24 numbers of size about 1, each
        # renormalised: some 200 operations in float32, times ten.
        np.testing.assert_allclose(
            logits, by_hand(model, string), rtol=0, atol=10 * 200 * EPS32
        )


def test_a_prediction_sees_the_letters_before_it_and_no_others():
    model = tiny().double()
    strings = all_strings(3, 4)
    logits = model(strings).detach()
    for t in range(4):
        changed = strings.clone()
        changed[:, t] = (changed[:, t] + 1) % 3
        difference = (model(changed).detach() - logits).abs().amax(dim=(0, 2))
        assert bool((difference[: t + 1] < 10 * 200 * EPS).all())
        assert bool((difference[t + 1 :] > 1e-3).all())
        # The beginning of a string has the logits of the whole string's beginning.
        short = model(strings[:, : t + 1]).detach()
        np.testing.assert_allclose(
            short, logits[:, : t + 1], rtol=0, atol=10 * 200 * EPS
        )


def test_the_model_of_the_book_has_thirteen_thousand_parameters():
    model = TinyTransformer(4, 5, seeded())
    assert sum(p.numel() for p in model.parameters()) == 13_124
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_model_comes_from_its_generator_alone():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one, same, other = tiny(), tiny(), tiny(seed=1)
    sample_strings(one, 5, seeded())
    fit_language_model(one, all_strings(3, 4), steps=1)
    assert torch.equal(torch.get_rng_state(), state)
    fresh = tiny()
    for a, b, c in zip(
        fresh.parameters(), same.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_the_default_dtype_changes_no_model(default):
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        model = tiny()
    finally:
        torch.set_default_dtype(before)
    for a, b in zip(model.parameters(), tiny().parameters(), strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(a, b)


# Probabilities


def test_the_probabilities_of_all_strings_sum_to_one():
    model = tiny().double()
    p = sequence_log_probs(model, all_strings(3, 4)).exp().detach()
    assert float(p.sum()) == pytest.approx(1, abs=10 * 200 * EPS)
    assert float(p.max() / p.min()) > 2


def test_a_strings_log_probability_is_the_sum_of_its_letters():
    model = Table([0.0, math.log(2), math.log(3)], length=2)
    strings = torch.tensor([[0, 2], [1, 1]])
    tokens = token_log_probs(model, strings).exp()
    np.testing.assert_allclose(
        tokens.detach(), [[1 / 6, 3 / 6], [2 / 6, 2 / 6]], rtol=100 * EPS32
    )
    np.testing.assert_allclose(
        sequence_log_probs(model, strings).exp().detach(),
        [3 / 36, 4 / 36],
        rtol=100 * EPS32,
    )


def test_logits_of_ten_thousand_have_finite_log_probabilities_and_gradients():
    model = Table([-1e4, 0.0, 1e4], length=3)
    log_p = sequence_log_probs(model, all_strings(3, 3))
    assert log_p.tolist()[0] == -6e4
    log_p.mean().backward()
    assert bool(model.logits.grad.isfinite().all())


# Samples


@pytest.mark.parametrize("device", DEVICES)
def test_samples_have_the_models_probabilities(device):
    model = tiny().to(device)
    p = sequence_log_probs(model, all_strings(3, 4).to(device)).exp().detach().cpu()
    n = 20_000
    strings = sample_strings(model, n, seeded(3)).cpu()
    count = torch.zeros(81).index_add_(
        0, (strings * torch.tensor([27, 9, 3, 1])).sum(dim=1), torch.ones(n)
    )
    # Pearson's statistic has mean 80 and standard deviation sqrt(160).
    statistic = float(((count - n * p) ** 2 / (n * p)).sum())
    assert abs(statistic - 80) < 5 * math.sqrt(160)


def test_sharing_beginnings_draws_what_one_evaluation_per_string_draws():
    model = tiny()
    generator = seeded(5)
    strings = torch.zeros(64, 4, dtype=torch.int64)
    with torch.no_grad():
        for t in range(4):
            below = model(strings[:, : t + 1])[:, -1].softmax(dim=-1).cumsum(dim=-1)
            u = torch.rand(64, 1, generator=generator)
            strings[:, t] = (below <= u * below[:, -1:]).sum(dim=1)
    assert torch.equal(strings, sample_strings(model, 64, seeded(5)))


@pytest.mark.parametrize("letter", [0, 1, 2])
def test_a_letter_without_probability_is_never_drawn(letter):
    logits = [0.0, 0.0, 0.0]
    logits[letter] = -1e4
    drawn = sample_strings(Table(logits, length=5), 4000, seeded())
    assert sorted(set(drawn.flatten().tolist())) == sorted({0, 1, 2} - {letter})


@pytest.mark.parametrize("u", [0.0, 1 - 2**-24])
def test_the_ends_of_the_unit_interval_draw_letters_that_have_probability(
    u, monkeypatch
):
    def rand(shape, **_):
        return torch.full(shape, u)

    monkeypatch.setattr(torch, "rand", rand)
    for logits in (
        [-1e4, 0.1, 0.7, -1e4],
        [-1e4, 0.3, 0.3, 0.3],
        [0.1, 0.2, 0.3, -1e4],
    ):
        drawn = sample_strings(Table(logits, length=1), 8, seeded())
        assert logits[int(drawn[0])] > -1e4


@pytest.mark.parametrize("seed", range(5))
def test_a_sum_of_probabilities_that_rounds_below_one_draws_no_letter_beyond_the_last(
    seed, monkeypatch
):
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, 1 - 2**-24))
    u = np.random.default_rng(seed).random(1000)
    drawn = sample_strings(Table(u.tolist(), length=1), 1, seeded())
    assert int(drawn) < 1000


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_model_of_any_precision_draws_its_own_letters_alone(dtype, monkeypatch):
    # The largest u rounds to one in half precision, where no sum lies above it.
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, 1 - 2**-24))
    drawn = sample_strings(tiny().to(dtype), 4, seeded())
    assert int(drawn.max()) < 3


def test_sampling_leaves_the_model_as_it_found_it():
    model = tiny().train()
    before = [p.clone() for p in model.parameters()]
    drawn = sample_strings(model, 8, seeded())
    assert not drawn.requires_grad
    assert model.training
    for p, old in zip(model.parameters(), before, strict=True):
        assert p.grad is None
        assert p.requires_grad
        assert torch.equal(p, old)


# Fitting


@pytest.mark.parametrize("seed", range(2))
def test_a_fitted_model_is_the_language_that_it_was_fitted_to(seed):
    log_p = random_language(4, 5, seeded(seed))
    model = TinyTransformer(4, 5, seeded(seed))
    strings = all_strings(4, 5)
    fitted = fit_language_model(model, strings, log_p.exp())
    assert fitted is model
    log_q = sequence_log_probs(model, strings).detach().double()
    # Measured: 3e-5 to 5e-5 nats; the language lies 1.0 nats from uniform.
    assert float((log_p.exp() * (log_p - log_q)).sum()) < 5e-4


def _gradient(model: nn.Module, loss: torch.Tensor) -> torch.Tensor:
    return torch.cat(
        [g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]
    )


def test_shared_beginnings_have_the_gradient_of_the_plain_likelihood(monkeypatch):
    strings = torch.randint(3, (50, 4), generator=seeded(2))
    w = torch.rand(50, generator=seeded(3), dtype=torch.float64)
    model = tiny()
    expected = _gradient(
        model, -(w / w.sum() * sequence_log_probs(model, strings)).sum()
    )
    seen = []

    def step(optimiser, *_):
        (group,) = optimiser.param_groups
        seen.append(torch.cat([p.grad.flatten() for p in group["params"]]))

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    fit_language_model(model, strings, w, steps=1)
    # 50 strings of some 400 float32 operations on gradients of size about 0.1.
    np.testing.assert_allclose(
        seen[0], expected.detach(), rtol=0, atol=10 * 450 * EPS32 * 0.1
    )


def test_strings_that_differ_in_the_last_letter_alone_share_one_evaluation():
    model, rows = tiny(), []
    model.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    fit_language_model(model, all_strings(3, 4), steps=2)
    assert rows[-2:] == [27, 27]
    rows.clear()
    sample_strings(model, 200, seeded())
    assert rows[0] == 1
    assert max(rows) <= 27


def test_only_the_proportions_of_the_weights_count():
    strings = all_strings(3, 4)
    w = torch.rand(81, generator=seeded(), dtype=torch.float64)
    fits = [fit_language_model(tiny(), strings, c * w, steps=3) for c in (1, 2.0**200)]
    for a, b in zip(*(m.parameters() for m in fits), strict=True):
        assert torch.equal(a, b)


def test_samples_count_as_often_as_they_occur():
    strings = torch.tensor([[0, 1], [0, 1], [1, 0]])
    once = fit_language_model(
        tiny(2, 2), strings[1:], torch.tensor([2.0, 1.0]), steps=200
    )
    often = fit_language_model(tiny(2, 2), strings, steps=200)
    p, q = (
        sequence_log_probs(m, all_strings(2, 2)).exp().detach() for m in (once, often)
    )
    # Two hundred steps on losses that differ by a rounding of float32.
    np.testing.assert_allclose(p, q, rtol=0, atol=1e-3)
    np.testing.assert_allclose(q, [0, 2 / 3, 1 / 3, 0], rtol=0, atol=0.05)


def test_the_watcher_sees_every_step_and_the_end():
    seen = []
    fit_language_model(
        tiny(), all_strings(3, 4), steps=3, watch=lambda step, model: seen.append(step)
    )
    assert seen == [0, 1, 2, 3]


def test_a_fit_that_diverges_says_so():
    with pytest.raises(RuntimeError, match="the model diverged: lower learning_rate"):
        fit_language_model(tiny(), all_strings(3, 4), steps=5, learning_rate=1e38)


def test_fitting_works_inside_inference_mode():
    model = tiny()
    before = model.place.detach().clone()
    with torch.inference_mode():
        fit_language_model(model, all_strings(3, 4), torch.arange(81.0), steps=2)
    assert not torch.equal(before, model.place)


# Bad input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: all_strings(0, 5), ValueError, "letters must be at least 1"),
        (lambda: all_strings(4, 0), ValueError, "length must be at least 1"),
        (lambda: all_strings(4.0, 5), TypeError, "letters must be an integer"),
        (lambda: random_language(4, 5, 0), TypeError, "generator must be a torch"),
        (lambda: random_language(4, 5, seeded(), -1), ValueError, "sharpness must"),
        (lambda: random_language(4, 5, seeded(), math.nan), ValueError, "sharpness"),
        (lambda: random_language(4, 5, seeded(), 101), ValueError, "sharpness must"),
        (lambda: TinyTransformer(4, 5, 0), TypeError, "generator must be a torch"),
        (lambda: TinyTransformer(0, 5, seeded()), ValueError, "letters must be"),
        (lambda: TinyTransformer(4, 0, seeded()), ValueError, "length must be"),
        (lambda: TinyTransformer(4, 5, seeded(), 32, 3), ValueError, "multiple of 3"),
        (lambda: TinyTransformer(4, 5, seeded(), 0), ValueError, "width must be"),
        (lambda: TinyTransformer(4, 5, seeded(), 32, 0), ValueError, "heads must be"),
        (lambda: TinyTransformer(4, 5, seeded(), layers=0), ValueError, "layers must"),
        (lambda: tiny()([[0, 1]]), TypeError, "strings must be a tensor of int64"),
        (lambda: tiny()(torch.zeros(2, 4)), TypeError, "strings must be a tensor of"),
        (lambda: tiny()(torch.zeros(4).long()), ValueError, r"shape \(N, L\)"),
        (lambda: tiny()(torch.zeros(0, 4).long()), ValueError, r"shape \(N, L\)"),
        (lambda: tiny()(torch.zeros(4, 0).long()), ValueError, r"shape \(N, L\)"),
        (lambda: tiny()(torch.zeros(1, 5).long()), ValueError, "at most 4 letters"),
        (
            lambda: tiny()(torch.tensor([[0, 3]])),  # would be read as the beginning
            ValueError,
            "letters from 0 to 2, got 0 to 3",
        ),
        (lambda: tiny()(torch.tensor([[0, 9]])), ValueError, "got 0 to 9"),
        (lambda: token_log_probs(tiny(), "aba"), TypeError, "strings must be a tensor"),
        (
            lambda: token_log_probs(tiny(), torch.tensor([[0, 3]])),
            ValueError,
            "letters from 0 to 2, got 0 to 3",
        ),
        (
            lambda: sequence_log_probs(tiny(), torch.tensor([[0, -1]])),
            ValueError,
            "letters from 0 to 2, got -1 to 0",
        ),
        (lambda: sample_strings(tiny(), 0, seeded()), ValueError, "count must be"),
        (
            lambda: sample_strings(nn.Linear(2, 2), 1, seeded()),
            TypeError,
            "model.length must be an integer",
        ),
        (lambda: sample_strings(tiny(), 1, 7), TypeError, "generator must be a torch"),
        (
            lambda: sample_strings(Table([math.nan, 0.0], 2), 1, seeded()),
            RuntimeError,
            "logits are not finite",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("strings", "weights", "options", "error", "message"),
    [
        ([[0]], None, {}, TypeError, "strings must be a tensor of int64"),
        (torch.tensor([[3]]), None, {}, ValueError, "letters from 0 to 2"),
        (torch.tensor([[-1, 0]]), None, {}, ValueError, "letters from 0 to 2"),
        (
            torch.tensor([[1]]),
            torch.ones(2),
            {},
            ValueError,
            "weights must be a tensor of 1",
        ),
        (torch.tensor([[1]]), [1.0], {}, ValueError, "weights must be a tensor of 1"),
        (
            torch.tensor([[1]]),
            torch.ones(1, dtype=torch.complex64),
            {},
            ValueError,
            "weights must be a tensor of 1",
        ),
        (torch.tensor([[1]]), torch.zeros(1), {}, ValueError, "not all zero"),
        (
            torch.tensor([[1], [2]]),
            torch.tensor([2.0, -1]),
            {},
            ValueError,
            "not negative",
        ),
        (torch.tensor([[1]]), torch.tensor([math.nan]), {}, ValueError, "finite"),
        (torch.tensor([[1]]), torch.tensor([math.inf]), {}, ValueError, "finite"),
        (torch.tensor([[1]]), None, {"steps": 0}, ValueError, "steps must be"),
        (torch.tensor([[1]]), None, {"learning_rate": 0}, ValueError, "learning_rate"),
        (torch.zeros(1, 9).long(), None, {}, ValueError, "at most 4 letters"),
    ],
)
def test_what_cannot_be_fitted_is_refused_and_nothing_changes(
    strings, weights, options, error, message
):
    model = tiny()
    with pytest.raises(error, match=message):
        fit_language_model(model, strings, weights, **options)
    for a, b in zip(model.parameters(), tiny().parameters(), strict=True):
        assert torch.equal(a, b)
