"""The properties that make `companion.explainability.mechanistic_interpretability` correct."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from companion.explainability.mechanistic_interpretability import (
    AttentionOnlyTransformer,
    Repeats,
    attention_patterns,
    direct_logit_attribution,
    fit_repeats,
    induction_score,
    logit_lens,
    previous_token_score,
    repeat_accuracy,
    repeated_sequences,
    run,
)
from tests.untouched import untouched

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
EPS = torch.finfo(torch.float64).eps
# Logits here stay below 20, and each is a sum of fewer than 2000 products along the way (a
# width of 12, three layers deep): 2000 eps of 20, times ten.
ROUNDING = 10 * 2000 * EPS * 20


def fresh(seed=0, layers=3, heads=3, width=12, vocabulary=9, length=7, device="cpu"):
    generator = torch.Generator(device).manual_seed(seed)
    model = AttentionOnlyTransformer(
        vocabulary, length, generator, width, heads, layers
    )
    return model.double()


def some_tokens(n=4, length=7, vocabulary=9, seed=1, device="cpu"):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocabulary, (n, length), generator=generator).to(device)


def names_of(model):
    return list(run(model, some_tokens())[1])


# The model, taken apart


def by_hand(model, sequence):
    """One sequence, one head and one position after the other."""
    value = {name: p.detach().numpy() for name, p in model.named_parameters()}
    width = value["embedding"].shape[1]
    d = width // model.heads
    T = len(sequence)
    parts = {
        "embedding": np.array([value["embedding"][t] for t in sequence]),
        "position": value["position"][:T],
    }
    x = parts["embedding"] + parts["position"]
    patterns = np.zeros((len(value["W_qkv"]), model.heads, T, T))
    for layer in range(len(value["W_qkv"])):
        added = np.zeros_like(x)
        for h in range(model.heads):
            q, k, v = (
                x @ value["W_qkv"][layer][rows].T + value["b_qkv"][layer][rows]
                for rows in (
                    slice(kind * width + h * d, kind * width + (h + 1) * d)
                    for kind in range(3)
                )
            )
            head = np.zeros_like(x)
            for t in range(T):
                weights = [math.exp(q[t] @ k[s] / math.sqrt(d)) for s in range(t + 1)]
                for s in range(t + 1):
                    patterns[layer, h, t, s] = weights[s] / sum(weights)
                found = sum(patterns[layer, h, t, s] * v[s] for s in range(t + 1))
                head[t] = value["W_out"][layer][:, h * d : (h + 1) * d] @ found
            parts[f"layer{layer}.head{h}"] = head
            added += head
        parts[f"layer{layer}.bias"] = np.tile(value["b_out"][layer], (T, 1))
        x = x + added + value["b_out"][layer]
    return x @ value["unembedding"].T + value["bias"], parts, patterns


def test_logits_parts_and_attention_are_those_of_a_plain_loop():
    model, tokens = fresh(), some_tokens()
    logits, parts = run(model, tokens)
    patterns = attention_patterns(model, tokens)
    for i, sequence in enumerate(tokens.tolist()):
        slow, slow_parts, slow_patterns = by_hand(model, sequence)
        np.testing.assert_allclose(logits[i], slow, rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(patterns[:, i], slow_patterns, rtol=0, atol=ROUNDING)
        assert list(parts) == list(slow_parts)
        for name, part in slow_parts.items():
            np.testing.assert_allclose(parts[name][i], part, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("length", [1, 4, 7])
def test_running_in_parts_gives_the_models_own_logits(device, length):
    model = fresh(device=device)
    tokens = some_tokens(length=length, device=device)
    logits, parts = run(model, tokens)
    torch.testing.assert_close(logits, model(tokens), rtol=0, atol=ROUNDING)
    final = sum(parts.values())
    read = final @ model.unembedding.T + model.bias
    torch.testing.assert_close(logits, read, rtol=0, atol=ROUNDING)
    assert logits.device.type == device
    assert not logits.requires_grad
    assert all(p.shape == (4, length, 12) for p in parts.values())


def test_no_position_sees_a_later_token():
    model, tokens = fresh(), some_tokens()
    changed = tokens.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % 9
    before, after = (run(model, t) for t in (tokens, changed))
    for one, two in [(before[0], after[0])] + [
        (before[1][name], after[1][name]) for name in before[1]
    ]:
        torch.testing.assert_close(one[:, :4], two[:, :4], rtol=0, atol=ROUNDING)
    assert not torch.allclose(before[0][:, 4:], after[0][:, 4:], rtol=0, atol=1e-3)


def test_attention_is_a_distribution_over_what_has_been():
    patterns = attention_patterns(fresh(), some_tokens())
    assert patterns.shape == (3, 4, 3, 7, 7)
    torch.testing.assert_close(
        patterns.sum(-1), torch.ones(3, 4, 3, 7).double(), rtol=0, atol=10 * 7 * EPS
    )
    assert (patterns.triu(1) == 0).all()
    assert (patterns.tril() >= 0).all()


def test_a_batch_of_one_is_a_row_of_the_batch():
    model, tokens = fresh(), some_tokens()
    for call in (
        lambda t: run(model, t)[0],
        lambda t: attention_patterns(model, t).transpose(0, 1),
        lambda t: logit_lens(model, t).transpose(0, 1),
        lambda t: direct_logit_attribution(model, t)["layer1.head2"],
    ):
        torch.testing.assert_close(
            call(tokens)[2:3], call(tokens[2:3]), rtol=0, atol=ROUNDING
        )


# Edits


def test_a_part_replaced_by_itself_changes_no_bit():
    model, tokens = fresh(), some_tokens()
    logits, parts = run(model, tokens)
    for edits in (parts, {name: lambda part: part for name in parts}):
        again, same = run(model, tokens, edits)
        assert torch.equal(again, logits)
        assert all(torch.equal(same[name], parts[name]) for name in parts)


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("head", [0, 1, 2])
def test_removing_a_head_is_running_a_model_without_its_output_weights(layer, head):
    model, tokens = fresh(), some_tokens()
    without = copy.deepcopy(model)
    with torch.no_grad():
        without.W_out[layer][:, 4 * head : 4 * head + 4] = 0
    edits = {f"layer{layer}.head{head}": torch.zeros_like}
    logits, parts = run(model, tokens, edits)
    expected, expected_parts = run(without, tokens)
    torch.testing.assert_close(logits, expected, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(parts, expected_parts, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(
        attention_patterns(model, tokens, edits),
        attention_patterns(without, tokens),
        rtol=0,
        atol=ROUNDING,
    )


@pytest.mark.parametrize(
    ("name", "parameter"),
    [("position", "position"), ("embedding", "embedding"), ("layer1.bias", "b_out")],
)
def test_removing_another_part_is_running_a_model_without_its_weights(name, parameter):
    model, tokens = fresh(), some_tokens()
    without = copy.deepcopy(model)
    with torch.no_grad():
        weights = getattr(without, parameter)
        (weights[1] if parameter == "b_out" else weights).zero_()
    torch.testing.assert_close(
        run(model, tokens, {name: torch.zeros_like})[0],
        run(without, tokens)[0],
        rtol=0,
        atol=ROUNDING,
    )


def test_an_edit_reaches_what_comes_after_it_and_nothing_before():
    model, tokens = fresh(), some_tokens()
    _, clean = run(model, tokens)
    _, edited = run(model, tokens, {"layer1.head0": clean["layer1.head0"] + 1})
    order = list(clean)
    for name in order:
        later = name.startswith("layer2.head") or name == "layer1.head0"
        assert torch.equal(clean[name], edited[name]) != later, name


def test_an_edit_sees_the_part_as_the_edits_before_it_have_made_it():
    model, tokens = fresh(), some_tokens()
    seen = []
    first = {"layer0.head1": torch.zeros_like}
    run(model, tokens, {**first, "layer2.head0": lambda p: seen.append(p) or p})
    assert torch.equal(seen[0], run(model, tokens, first)[1]["layer2.head0"])


def test_with_every_part_removed_the_bias_is_left():
    model, tokens = fresh(), some_tokens()
    logits, _ = run(model, tokens, dict.fromkeys(names_of(model), torch.zeros_like))
    assert torch.equal(logits, model.bias.detach().expand_as(logits))


def test_gradients_flow_to_an_edit_and_none_to_the_model():
    model, tokens = fresh(), some_tokens()
    value = run(model, tokens)[1]["layer0.head0"].requires_grad_()
    run(model, tokens, {"layer0.head0": value})[0].sum().backward()
    assert value.grad is not None
    assert value.grad.abs().max() > 0
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("layer0.haed1", "layer0.head1"),
        ("Layer2.bias", "layer2.bias"),
        ("embed", "embedding"),
        ("positions", "position"),
    ],
)
def test_an_unknown_part_gets_the_nearest_name(wrong, nearest):
    for call in (run, attention_patterns, logit_lens, direct_logit_attribution):
        with pytest.raises(ValueError, match=f"the nearest is '{nearest}'"):
            call(fresh(), some_tokens(), {wrong: torch.zeros_like})


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (torch.zeros(4, 7, 11).double(), ValueError),
        (torch.zeros(4, 7, 12), ValueError),  # float32 for a float64 model
        (torch.zeros(4, 1, 12).double(), ValueError),
        (torch.full((4, 7, 12), torch.nan).double(), ValueError),
        (lambda part: part / 0, ValueError),
        (lambda part: part[:1], ValueError),
        (lambda part: None, TypeError),
        (lambda part: part.numpy(), TypeError),
        (0.0, TypeError),
        (None, TypeError),
        (torch.zeros(4, 7, 12, dtype=torch.int64), TypeError),
    ],
)
def test_an_edit_that_is_no_part_is_refused(edit, error):
    with pytest.raises(error, match="the edit of layer1.head1 must"):
        run(fresh(), some_tokens(), {"layer1.head1": edit})


def test_edits_that_name_no_parts_are_refused():
    with pytest.raises(TypeError, match="edits must be a mapping"):
        run(fresh(), some_tokens(), ["layer0.head0"])


# Attribution and lens


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-5)]
)
@pytest.mark.parametrize("edits", [None, {"layer0.head0": torch.zeros_like}])
def test_contributions_sum_to_the_logits(dtype, bound, edits):
    model, tokens = fresh().to(dtype), some_tokens()
    written = direct_logit_attribution(model, tokens, edits)
    logits, parts = run(model, tokens, edits)
    total = sum(written.values())
    assert total.dtype == dtype
    assert (total - logits).abs().max() < bound
    assert list(written) == [*parts, "unembedding.bias"]
    for name, part in parts.items():
        torch.testing.assert_close(
            written[name], part @ model.unembedding.T, rtol=0, atol=bound
        )


@pytest.mark.parametrize("dropped", ["unembedding.bias", "layer1.bias", "position"])
def test_without_its_biases_the_sum_misses_the_logits(dropped):
    written = direct_logit_attribution(fresh(), some_tokens())
    naive = sum(part for name, part in written.items() if name != dropped)
    assert (naive - fresh()(some_tokens())).abs().max() > 0.01


def test_the_lens_ends_at_the_logits_and_stops_where_a_shorter_model_would():
    model, tokens = fresh(), some_tokens()
    seen = logit_lens(model, tokens)
    assert seen.shape == (4, 4, 7, 9)
    assert torch.equal(seen[-1], run(model, tokens)[0])
    for layers in (1, 2):
        shorter = fresh(layers=layers)
        whole = model.state_dict()
        stacked = ("W_qkv", "b_qkv", "W_out", "b_out")
        shorter.load_state_dict(
            {k: v[:layers] if k in stacked else v for k, v in whole.items()}
        )
        torch.testing.assert_close(seen[layers], shorter(tokens), rtol=0, atol=ROUNDING)
    start = model.embedding[tokens] + model.position
    torch.testing.assert_close(
        seen[0], start @ model.unembedding.T + model.bias, rtol=0, atol=ROUNDING
    )


def test_the_lens_sees_edits():
    model, tokens = fresh(), some_tokens()
    edits = {"layer1.head0": torch.zeros_like}
    clean, edited = logit_lens(model, tokens), logit_lens(model, tokens, edits)
    assert torch.equal(clean[:2], edited[:2])
    assert not torch.equal(clean[2], edited[2])


# Sequences


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_predictable_is_what_followed_the_last_time(device):
    drawn = repeated_sequences(200, torch.Generator(device).manual_seed(0))
    assert drawn.tokens.device.type == device
    for row, predictable in zip(
        drawn.tokens.tolist(), drawn.predictable.tolist(), strict=True
    ):
        for t in range(39):
            earlier = [s for s in range(t) if row[s] == row[t]]
            assert bool(earlier) == predictable[t]
            if earlier:
                assert row[t + 1] == row[earlier[-1] + 1]
        assert not predictable[39]


def test_a_word_has_distinct_tokens_and_repeats_with_its_period():
    drawn = repeated_sequences(200, torch.Generator().manual_seed(0))
    for row, p in zip(drawn.tokens.tolist(), drawn.period.tolist(), strict=True):
        assert len(set(row[:p])) == p
        assert row[p:] == row[:-p]


def test_periods_and_tokens_are_drawn_evenly():
    n = 13_000
    drawn = repeated_sequences(n, torch.Generator().manual_seed(0))
    periods = torch.bincount(drawn.period, minlength=22)
    assert (periods[:8] == 0).all()
    assert (periods[21:] == 0).all()
    # Binomial counts: six standard deviations.
    assert (periods[8:21] - n / 13).abs().max() < 6 * math.sqrt(n / 13)
    for t in (0, 7):
        counts = torch.bincount(drawn.tokens[:, t], minlength=32)
        assert len(counts) == 32
        assert (counts - n / 32).abs().max() < 6 * math.sqrt(n / 32)


def test_one_period_for_all_can_be_asked_for():
    drawn = repeated_sequences(
        5, torch.Generator(), length=9, vocabulary=4, shortest=3, longest=3
    )
    assert drawn.period.tolist() == [3] * 5
    assert drawn.predictable.sum(dim=1).tolist() == [5] * 5
    assert int(drawn.tokens.max()) <= 3


def test_accuracy_counts_the_predictable_positions_only():
    tokens = torch.tensor([[0, 1, 0, 1], [2, 3, 2, 3]])
    predictable = torch.tensor([[False, False, True, False]] * 2)
    repeats = Repeats(tokens, predictable, torch.tensor([2, 2]))
    logits = torch.zeros(2, 4, 5)
    logits[0, 2, 1] = 1  # right
    logits[1, 2, 2] = 1  # wrong
    logits[:, :2, 4] = 1  # wrong, and not asked
    logits[:, 3, 4] = 1
    assert repeat_accuracy(logits, repeats) == 0.5
    logits[1, 2, 3] = 2
    assert repeat_accuracy(logits, repeats) == 1.0


# Scores


def even(n, length):
    pattern = torch.ones(length, length).double().tril()
    return (pattern / pattern.sum(1, keepdim=True)).expand(n, 1, length, length)


def test_even_attention_scores_what_it_must():
    tokens = torch.tensor([[5, 6, 5, 6, 5, 7]])
    patterns = even(1, 6)
    # The previous position gets 1 / (t + 1) of even attention.
    expected = sum(1 / (t + 1) for t in range(1, 6)) / 5
    assert float(previous_token_score(patterns)) == pytest.approx(expected, abs=1e-15)
    assert float(previous_token_score(patterns, last=2)) == pytest.approx(
        (1 / 2 + 1 / 3) / 2, abs=1e-15
    )
    # Position 2 has seen one 5, 3 one 6, 4 two of 5; 0, 1 and 5 none of theirs.
    expected = (1 / 3 + 1 / 4 + 2 / 5) / 3
    assert float(induction_score(patterns, tokens)) == pytest.approx(
        expected, abs=1e-15
    )


def test_a_head_that_does_nothing_else_scores_one_and_another_none():
    drawn = repeated_sequences(50, torch.Generator().manual_seed(0))
    t = torch.arange(40)
    back = torch.zeros(50, 40, 40)
    back[:, t, (t - 1).clamp(min=0)] = 1
    follow = torch.zeros(50, 40, 40)
    source = t - drawn.period[:, None] + 1  # what followed the last time
    source = torch.where(source > 0, source, 0)
    follow.scatter_(2, source[:, :, None], 1)
    patterns = torch.stack([back, follow], dim=1)  # (n, heads, L, L)
    assert previous_token_score(patterns).tolist() == [
        1.0,
        pytest.approx(1 / 39, abs=0.1),
    ]
    assert induction_score(patterns, drawn.tokens).tolist() == [0.0, 1.0]
    stacked = torch.stack([patterns, patterns.flip(1)])  # (layers, n, heads, L, L)
    assert induction_score(stacked, drawn.tokens).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert previous_token_score(stacked)[:, 0].tolist()[0] == 1.0


def test_scores_are_means_over_sequences():
    tokens = torch.cat([some_tokens(), some_tokens(seed=2)])
    patterns = attention_patterns(fresh(), tokens)
    half = [previous_token_score(p) for p in (patterns[:, :4], patterns[:, 4:])]
    torch.testing.assert_close(
        previous_token_score(patterns), sum(half) / 2, rtol=0, atol=100 * EPS
    )
    seen = (tokens[:, None] == tokens[:, :, None]).tril(-1).any(2).sum(1)
    apart = [
        induction_score(patterns[:, i : i + 1], tokens[i : i + 1]) * seen[i]
        for i in range(8)
        if seen[i]
    ]
    torch.testing.assert_close(
        induction_score(patterns, tokens),
        sum(apart) / seen.sum(),
        rtol=0,
        atol=100 * EPS,
    )


def test_scores_take_the_half_precision_of_other_models():
    patterns = attention_patterns(fresh(), some_tokens())
    for dtype in (torch.float16, torch.bfloat16):
        rough = previous_token_score(patterns.to(dtype)).double()
        # Means of numbers up to 1, each rounded to a few eps.
        assert (rough - previous_token_score(patterns)).abs().max() < 10 * torch.finfo(
            dtype
        ).eps


# Training


def test_training_is_adam_on_the_predictable_positions():
    model = fresh(layers=2, width=6, length=8)
    other = copy.deepcopy(model)
    fit_repeats(model, 5, steps=3, batch=4, learning_rate=0.1, shortest=2, longest=4)
    generator = torch.Generator().manual_seed(5)
    moments = {name: (0.0, 0.0) for name, _ in other.named_parameters()}
    for step in range(3):
        tokens, predictable, _ = repeated_sequences(
            4, generator, length=8, vocabulary=9, shortest=2, longest=4
        )
        log_p = other(tokens).log_softmax(dim=2)
        lost = [
            -log_p[i, t, tokens[i, t + 1]]
            for i in range(4)
            for t in range(7)
            if predictable[i, t]
        ]
        other.zero_grad()
        (sum(lost) / len(lost)).backward()
        rate = 0.1 * (1 + math.cos(math.pi * step / 3)) / 2
        with torch.no_grad():
            for name, p in other.named_parameters():
                m = 0.9 * moments[name][0] + 0.1 * p.grad
                v = 0.999 * moments[name][1] + 0.001 * p.grad**2
                moments[name] = (m, v)
                m, v = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
                p -= rate * m / (v.sqrt() + 1e-8)
    for (name, p), q in zip(model.named_parameters(), other.parameters(), strict=True):
        # Adam divides by the size of the gradient, so its small entries lose digits: a gradient
        # of 1e-6 keeps 1e-15 / 1e-6 of the rate, and the key's bias has none at all.
        if name != "b_qkv":
            torch.testing.assert_close(p, q, rtol=0, atol=1e-6, msg=name)


SMALL = {"shortest": 4, "longest": 8}


@pytest.fixture(scope="module")
def learnt():
    """Two layers and one, trained alike on words of 4 to 8 tokens out of 16."""
    models = {}
    for layers in (1, 2):
        generator = torch.Generator().manual_seed(0)
        model = AttentionOnlyTransformer(16, 18, generator, layers=layers)
        models[layers] = fit_repeats(model, 0, steps=250, batch=32, **SMALL)
    return models


def test_two_layers_learn_to_copy_and_one_does_not(learnt):
    drawn = repeated_sequences(
        500, torch.Generator().manual_seed(9), length=18, vocabulary=16, **SMALL
    )
    score = {n: repeat_accuracy(m(drawn.tokens), drawn) for n, m in learnt.items()}
    # Measured over three seeds: 1.00, and 0.69 to 0.72 (words as short as these leave one layer
    # more than the lesson's longer ones do); heads 0.94 to 0.96 and 0.98, against 0.27 at most.
    assert score[2] > 0.95
    assert score[1] < 0.85
    patterns = attention_patterns(learnt[2], drawn.tokens)
    assert previous_token_score(patterns, last=8)[0].max() > 0.6
    assert induction_score(patterns, drawn.tokens)[1].max() > 0.6
    alone = attention_patterns(learnt[1], drawn.tokens)
    assert induction_score(alone, drawn.tokens).max() < 0.5


def test_a_trained_models_contributions_sum_to_its_logits(learnt):
    tokens = some_tokens(length=18, vocabulary=16)
    for model, bound in ((learnt[2], 1e-5), (copy.deepcopy(learnt[2]).double(), 1e-12)):
        # Relative to the largest contribution, which a trained model makes larger than one.
        written = direct_logit_attribution(model, tokens)
        largest = max(float(part.abs().max()) for part in written.values())
        gap = (sum(written.values()) - model(tokens)).abs().max()
        assert gap < bound * max(1, largest)


def test_a_seed_decides_every_bit_and_leaves_the_global_state_alone():
    state = torch.get_rng_state()
    models = [
        fit_repeats(fresh(length=12), 3, steps=5, batch=8, shortest=3, longest=6)
        for _ in range(2)
    ]
    for p, q in zip(*(m.parameters() for m in models), strict=True):
        assert torch.equal(p, q)
    drawn = [repeated_sequences(9, torch.Generator().manual_seed(4)) for _ in range(2)]
    assert torch.equal(drawn[0].tokens, drawn[1].tokens)
    assert torch.equal(state, torch.get_rng_state())
    other = fit_repeats(fresh(length=12), 4, steps=5, batch=8, shortest=3, longest=6)
    assert not torch.equal(other.W_out, models[0].W_out)


def test_training_is_watched_before_every_step_and_after_the_last():
    seen = []
    model = fresh(length=12)
    start = model.W_out.detach().clone()
    fitted = fit_repeats(
        model,
        0,
        steps=2,
        batch=4,
        shortest=3,
        longest=6,
        watch=lambda step, m: seen.append((step, m.W_out.detach().clone())),
    )
    assert fitted is model
    assert [step for step, _ in seen] == [0, 1, 2]
    assert torch.equal(seen[0][1], start)
    assert torch.equal(seen[2][1], model.W_out)
    assert not torch.equal(seen[1][1], seen[2][1])


def test_training_works_where_the_caller_has_switched_gradients_off():
    for off in (torch.no_grad(), torch.inference_mode()):
        model = fresh(length=12)
        start = model.W_out.detach().clone()
        with off:
            fit_repeats(model, 0, steps=1, batch=4, shortest=3, longest=6)
        assert not torch.equal(start, model.W_out)


def test_a_model_that_diverges_is_reported():
    with pytest.raises(RuntimeError, match="diverged: lower learning_rate"):
        fit_repeats(
            fresh(length=12).float(),
            0,
            steps=20,
            learning_rate=1e30,
            shortest=3,
            longest=6,
        )


@pytest.mark.parametrize("layers", [1, 3])
def test_weights_are_drawn_evenly_within_their_bounds(layers):
    model = AttentionOnlyTransformer(
        50, 60, torch.Generator().manual_seed(0), width=48, heads=4, layers=layers
    )
    for name, p in model.named_parameters():
        bound = 1 if name in ("embedding", "position") else 48**-0.5
        assert p.dtype == torch.float32
        assert p.abs().max() <= bound
        # Uniform: mean 0 to six deviations of bound / sqrt(3 n), and nearly all of the range.
        assert p.mean().abs() < 6 * bound / math.sqrt(3 * p.numel())
        assert p.abs().max() > 0.9 * bound


# Nothing is changed


@pytest.mark.parametrize(
    "call",
    [
        run,
        attention_patterns,
        direct_logit_attribution,
        logit_lens,
        lambda model, tokens, edits=None: model(tokens),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_the_tokens_come_back_as_they_were(call, training):
    model, tokens = fresh().train(training), some_tokens()
    model.W_out.grad = torch.ones_like(model.W_out)
    model.bias.requires_grad_(False)
    before, state = tokens.clone(), torch.get_rng_state()
    with untouched(model):
        call(model, tokens, {"layer0.head0": lambda part: part.mul_(0)})
    with untouched(model), pytest.raises(ValueError, match="tokens must lie"):
        call(model, tokens + 5)
    assert torch.equal(tokens, before)
    assert torch.equal(state, torch.get_rng_state())


def test_the_model_survives_an_edit_that_raises_or_writes_into_its_part():
    model, tokens = fresh(), some_tokens()

    def broken(part):
        raise KeyError("mine")

    for name in names_of(model):
        with untouched(model), pytest.raises(KeyError, match="mine"):
            run(model, tokens, {name: broken})
        with untouched(model):
            run(model, tokens, {name: lambda part: part.add_(1)})
    with untouched(model):
        for part in (
            *run(model, tokens)[1].values(),
            *direct_logit_attribution(model, tokens).values(),
        ):
            part += 1


# Bad input

GENERATOR = torch.Generator()
REPEATS = repeated_sequences(3, torch.Generator(), length=9, shortest=2, longest=4)


@pytest.mark.parametrize("width", [0, -1, 7])
def test_a_width_that_the_heads_do_not_share_is_refused(width):
    with pytest.raises(ValueError, match="width must be"):
        AttentionOnlyTransformer(9, 7, GENERATOR, width=width)


@pytest.mark.parametrize("name", ["vocabulary", "length", "heads", "layers"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (1.5, TypeError)])
def test_a_size_that_is_no_count_is_refused(name, value, error):
    sizes = {"vocabulary": 9, "length": 7, "heads": 2, "layers": 1, name: value}
    with pytest.raises(error, match=f"{name} must be"):
        AttentionOnlyTransformer(generator=GENERATOR, **sizes)


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        (torch.zeros(2, 3), TypeError, "tensor of int64, got torch.float32"),
        (torch.zeros(2, 3, dtype=torch.int32), TypeError, "int64"),
        (np.zeros((2, 3), dtype=np.int64), TypeError, "int64"),
        (None, TypeError, "int64, got NoneType"),
        (torch.zeros(3, dtype=torch.int64), ValueError, r"shape \(n, L\)"),
        (torch.zeros(0, 3, dtype=torch.int64), ValueError, r"shape \(n, L\)"),
        (torch.zeros(3, 0, dtype=torch.int64), ValueError, r"shape \(n, L\)"),
        (torch.zeros(1, 8, dtype=torch.int64), ValueError, "at most 7 in a row, got 8"),
        (torch.full((1, 2), 9), ValueError, "between 0 and 8, got 9 to 9"),
        (torch.full((1, 2), -1), ValueError, "between 0 and 8, got -1 to -1"),
    ],
)
def test_tokens_that_the_model_does_not_know_are_refused(tokens, error, message):
    model = fresh()
    for call in (run, attention_patterns, logit_lens, direct_logit_attribution):
        with pytest.raises(error, match=f"tokens must.*{message}"):
            call(model, tokens)
    with pytest.raises(error, match=f"tokens must.*{message}"):
        model(tokens)


@pytest.mark.parametrize(
    "call",
    [
        run,
        attention_patterns,
        logit_lens,
        direct_logit_attribution,
        lambda model, tokens: fit_repeats(model, 0),
    ],
)
def test_another_model_is_refused(call):
    for other in (nn.Linear(2, 2), None, fresh):
        with pytest.raises(TypeError, match="model must be an AttentionOnlyTransf"):
            call(other, some_tokens())


@pytest.mark.parametrize("name", ["embedding", "W_qkv", "bias"])
def test_a_model_with_broken_weights_gets_no_answer(name):
    model = fresh()
    with torch.no_grad():
        getattr(model, name).fill_(torch.nan)
    for call in (run, attention_patterns, logit_lens, direct_logit_attribution):
        with pytest.raises(ValueError, match="model must give finite logits"):
            call(model, some_tokens())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"count": 0}, ValueError, "count must be at least 1"),
        ({"count": 2.0}, TypeError, "count must be an integer"),
        ({"generator": 0}, TypeError, "generator must be a torch.Generator, got 0"),
        ({"length": 2}, ValueError, "length must be at least 3"),
        ({"vocabulary": 0}, ValueError, "vocabulary must be at least 1"),
        ({"longest": 33}, ValueError, "longest must be between 1 and 32"),
        ({"length": 21}, ValueError, "longest must be between 1 and 19"),
        ({"shortest": 0}, ValueError, "shortest must be between 1 and 20"),
        ({"shortest": 21}, ValueError, "shortest must be between 1 and 20"),
    ],
)
def test_sequences_that_cannot_be_drawn_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        repeated_sequences(**{"count": 2, "generator": GENERATOR, **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed must be"),
        ({"seed": None}, TypeError, "seed must be"),
        ({"steps": 0}, ValueError, "steps must be"),
        ({"batch": 0}, ValueError, "batch must be"),
        ({"learning_rate": 0}, ValueError, "learning_rate must"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate must"),
        ({"longest": 6}, ValueError, "longest must be between 1 and 5"),
        ({"shortest": 5, "longest": 4}, ValueError, "shortest must be"),
    ],
)
def test_training_that_makes_no_sense_is_refused_before_it_starts(
    arguments, error, message
):
    model = fresh()
    defaults = {"seed": 0, "shortest": 2, "longest": 4}
    with untouched(model), pytest.raises(error, match=message):
        fit_repeats(model, **{**defaults, **arguments})


@pytest.mark.parametrize(
    ("logits", "error", "message"),
    [
        (torch.zeros(3, 8, 5), ValueError, r"n, L = \(3, 9\), got \(3, 8, 5\)"),
        (torch.zeros(3, 9), ValueError, "logits must have shape"),
        (torch.full((3, 9, 5), torch.nan), ValueError, "logits must be finite"),
        (torch.zeros(3, 9, 5, dtype=torch.int64), TypeError, "logits must be a tensor"),
        (np.zeros((3, 9, 5)), TypeError, "logits must be a tensor of floats"),
    ],
)
def test_logits_of_other_sequences_are_refused(logits, error, message):
    with pytest.raises(error, match=message):
        repeat_accuracy(logits, REPEATS)


@pytest.mark.parametrize(
    ("patterns", "error", "message"),
    [
        (even(2, 5)[0], ValueError, "patterns must have shape"),
        (even(2, 5)[..., :4], ValueError, "patterns must have shape"),
        (even(2, 1), ValueError, "patterns must have shape"),
        (even(2, 5)[:0], ValueError, "patterns must have shape"),
        (2 * even(2, 5), ValueError, "rows sum to one"),
        (3 * even(2, 5) - 2 * torch.eye(5), ValueError, "must not be negative"),
        (even(2, 5) * torch.nan, ValueError, "patterns must be finite"),
        (even(2, 5).numpy(), TypeError, "patterns must be a tensor of floats"),
        (even(2, 5).long(), TypeError, "patterns must be a tensor of floats"),
    ],
)
def test_what_is_no_attention_is_refused(patterns, error, message):
    with pytest.raises(error, match=message):
        previous_token_score(patterns)
    with pytest.raises(error, match=message):
        induction_score(patterns, torch.zeros(2, 5, dtype=torch.int64))


def test_tokens_that_the_attention_was_not_paid_to_are_refused():
    with pytest.raises(ValueError, match=r"tokens must have the shape \(2, 5\)"):
        induction_score(even(2, 5), torch.zeros(3, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="a token that occurs twice"):
        induction_score(even(2, 5), torch.arange(10).reshape(2, 5))
    with pytest.raises(TypeError, match="tokens must be a tensor of int64"):
        induction_score(even(2, 5), torch.zeros(2, 5))


@pytest.mark.parametrize(
    ("last", "error"), [(0, ValueError), (5, ValueError), (1.0, TypeError)]
)
def test_a_last_position_that_is_none_is_refused(last, error):
    with pytest.raises(error, match="last must be"):
        previous_token_score(even(2, 5), last)
