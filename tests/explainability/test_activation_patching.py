"""The properties that make `companion.explainability.activation_patching` correct."""

import pytest
import torch

from companion.explainability.activation_patching import (
    ablate,
    activation_patching,
    causal_effects,
    logit_lead,
)
from companion.explainability.mechanistic_interpretability import (
    AttentionOnlyTransformer,
    direct_logit_attribution,
    run,
)
from tests.rounding import rounding
from tests.untouched import untouched

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
V, L, WIDTH, HEADS = 7, 6, 8, 2
LAST = ["layer1.head0", "layer1.head1", "layer1.bias"]
FIRST = ["layer0.head0", "layer0.head1"]
KINDS = ["zero", "mean", "resample"]


def generator(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def network(seed=0, device="cpu", dtype=torch.float64):
    """Two layers with weights twice as large as at the start, so that attention is far from even."""
    model = AttentionOnlyTransformer(V, L, generator(seed, device), WIDTH, HEADS, 2)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    return model.to(dtype)


def sequences(n=5, seed=1, device="cpu"):
    return torch.randint(V, (n, L), generator=generator(seed)).to(device)


def pairs(n=5, device="cpu"):
    """Pairs that differ in every position but the last."""
    clean = sequences(n, 1)
    corrupted = (clean + torch.randint(1, V, (n, L), generator=generator(2))) % V
    corrupted[:, -1] = clean[:, -1]
    return clean.to(device), corrupted.to(device)


def score(logits):
    """Linear in the logits, other at every position, and of another size in every sequence."""
    weight = torch.arange(1, L * V + 1, dtype=logits.dtype, device=logits.device)
    rows = torch.arange(1, len(logits) + 1, dtype=logits.dtype, device=logits.device)
    return (logits * weight.cos().reshape(L, V)).sum(dim=(1, 2)) * rows


def plain_sum(logits):
    return logits.sum(dim=(1, 2))


def bound(model, *tensors):
    """What two ways to the same number may differ by.

    Two layers, each with sums over the width (queries, keys, values, output) and over the sequence, and the
    unembedding; the exponentials magnify what came before by the size of their argument, at most 20 here; in the
    end `score` adds L * V numbers, five times over at most.
    """
    steps = 2 * (4 * WIDTH + 2 * L) + WIDTH + L * V
    logits, parts = run(model, sequences(device=model.embedding.device))
    scale = max(float(t.abs().max()) for t in (logits, *parts.values(), *tensors))
    return rounding(steps * 20 * 20 * 5, scale)


# A second way: one sequence, one position, one head after the other


def by_hand(model, tokens, edit):
    """Logits of one sequence, with loops; `edit(name, t, vector)` may replace what a part writes."""
    E, P, U = model.embedding, model.position, model.unembedding
    x = [
        edit("embedding", t, E[k]) + edit("position", t, P[t])
        for t, k in enumerate(tokens)
    ]
    size = WIDTH // HEADS
    for layer in range(2):
        W, b, W_O = model.W_qkv[layer], model.b_qkv[layer], model.W_out[layer]
        q, k, v = ([(W @ y + b).split(WIDTH)[i] for y in x] for i in range(3))
        out = list(x)
        for h in range(HEADS):
            own = slice(h * size, (h + 1) * size)
            for t in range(len(x)):
                at = [q[t][own] @ k[s][own] / size**0.5 for s in range(t + 1)]
                a = torch.stack(at).softmax(0)
                found = sum(a[s] * v[s][own] for s in range(t + 1))
                out[t] = out[t] + edit(f"layer{layer}.head{h}", t, W_O[:, own] @ found)
        for t in range(len(x)):
            out[t] = out[t] + edit(f"layer{layer}.bias", t, model.b_out[layer])
        x = out
    return torch.stack([U @ y + model.bias for y in x])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("position", [None, 2])
def test_a_patched_run_is_the_network_computed_by_hand_with_one_part_replaced(
    device, position
):
    model = network(device=device)
    clean, corrupted = pairs(3, device)
    names = list(run(model, clean)[1])
    found = activation_patching(
        model, clean, corrupted, score, by_position=position is not None
    )
    with torch.no_grad():
        for p, part in enumerate(names):
            logits = []
            for good, bad in zip(clean, corrupted, strict=True):
                seen = {}

                def remember(name, t, value, seen=seen):
                    seen[name, t] = value
                    return value

                def patch(name, t, value, seen=seen, part=part):
                    hit = name == part and position in (None, t)
                    return seen[name, t] if hit else value

                by_hand(model, good, remember)
                logits.append(by_hand(model, bad, patch))
            expected = score(torch.stack(logits))
            got = found.patched[p] if position is None else found.patched[p, position]
            assert (got - expected).abs().max() <= bound(model, expected)


# Patching


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_patching_everything_restores_the_clean_logits_bit_for_bit(seed, dtype):
    model, (clean, corrupted) = network(seed, dtype=dtype), pairs()
    everything = tuple(run(model, clean)[1])
    logits, parts = run(model, clean)
    assert torch.equal(run(model, corrupted, parts)[0], logits)
    found = activation_patching(model, clean, corrupted, score, [everything])
    assert torch.equal(found.patched[0], found.clean)
    # The control: at a single position nothing like it happens.
    single = activation_patching(model, clean, corrupted, score, [everything], True)
    assert not torch.isclose(single.patched[0], found.clean, rtol=0, atol=1e-3).any()


def test_a_part_that_does_not_differ_changes_nothing():
    model, (clean, corrupted) = network(), pairs()
    found = activation_patching(model, clean, corrupted, score, ["position"])
    assert torch.equal(found.patched[0], found.corrupted)
    assert found.shares[0] == 0
    # At the last position the tokens agree, so the embedding does, too; the blocks of a large batch may round
    # in another order.
    last = activation_patching(model, clean, corrupted, score, ["embedding"], True)
    gap = (last.patched[0, -1] - last.corrupted).abs().max()
    assert gap <= bound(model, last.corrupted)


def test_what_a_part_writes_later_reaches_no_position_before_it():
    model, (clean, corrupted) = network(), pairs()

    def early(logits):
        return score(logits) * 0 + logits[:, 2].sum(dim=-1)

    found = activation_patching(model, clean, corrupted, early, by_position=True)
    gap = (found.patched[:, 3:] - found.corrupted).abs().max()
    assert gap <= bound(model, found.corrupted)
    assert ((found.patched[0, :3] - found.corrupted).abs() > 1e-3).all()


def test_positions_are_patched_one_by_one_whatever_the_size_of_the_batch():
    # 4096 rows are run at once: two positions of 1500 sequences, so three batches.
    model, (clean, corrupted) = network(), pairs(1500)
    found = activation_patching(model, clean, corrupted, score, FIRST[:1], True)
    donor = run(model, clean)[1][FIRST[0]]
    for t in range(L):
        where = torch.arange(L)[:, None] == t
        edit = {FIRST[0]: lambda old, where=where: torch.where(where, donor, old)}
        expected = score(run(model, corrupted, edit)[0])
        gap = (found.patched[0, t] - expected).abs().max()
        assert gap <= 300 * bound(model, expected)  # `score` weighs 1500 rows, not 5


def test_shares_are_a_ratio_of_means_not_a_mean_of_ratios():
    model, (clean, corrupted) = network(), pairs()
    found = activation_patching(model, clean, corrupted, score, FIRST)
    gap = found.clean.mean() - found.corrupted.mean()
    expected = (found.patched.mean(dim=1) - found.corrupted.mean()) / gap
    assert (found.shares - expected).abs().max() <= bound(model) / gap.abs()
    ratios = (found.patched - found.corrupted) / (found.clean - found.corrupted)
    assert not torch.isclose(ratios.mean(dim=1), expected, rtol=0, atol=1e-2).any()


def test_in_the_last_layer_both_directions_give_the_same_share_and_before_it_they_do_not():
    # Its parts go straight into the logits, so m changes by the same amount either way.
    model, (clean, corrupted) = network(), pairs()
    forward = activation_patching(model, clean, corrupted, score, LAST + FIRST)
    reverse = activation_patching(model, corrupted, clean, score, LAST + FIRST)
    gap = (forward.clean.mean() - forward.corrupted.mean()).abs()
    difference = (forward.shares - reverse.shares).abs()
    assert (difference[:3] <= bound(model, forward.clean) / gap).all()
    assert (difference[3:] > 1e-2).all()


def test_shares_add_up_in_the_last_layer_and_not_before_it():
    model, (clean, corrupted) = network(), pairs()
    both = [*LAST[:2], tuple(LAST[:2]), *FIRST, tuple(FIRST)]
    found = activation_patching(model, clean, corrupted, score, both)
    excess = found.shares[[0, 3]] + found.shares[[1, 4]] - found.shares[[2, 5]]
    gap = (found.clean.mean() - found.corrupted.mean()).abs()
    assert excess[0].abs() <= bound(model, found.clean) / gap
    assert excess[1].abs() > 1e-2


def test_by_default_every_part_is_patched_alone_in_the_order_of_computation():
    model, (clean, corrupted) = network(), pairs()
    names = list(run(model, clean)[1])
    default = activation_patching(model, clean, corrupted, score)
    named = activation_patching(model, clean, corrupted, score, names)
    assert torch.equal(default.patched, named.patched)
    assert default.patched.shape == (8, 5)
    assert default.shares.shape == (8,)
    positions = activation_patching(model, clean, corrupted, score, by_position=True)
    assert positions.patched.shape == (8, L, 5)
    assert positions.shares.shape == (8, L)


# Ablation


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("parts", ["embedding", "layer0.head1", tuple(FIRST)])
def test_zero_and_mean_are_zeros_and_the_mean_over_sequences(device, parts):
    model, tokens = network(device=device), sequences(device=device)
    _, written = run(model, tokens)
    names = [parts] if isinstance(parts, str) else parts
    zero = {name: torch.zeros_like(written[name]) for name in names}
    mean = {name: written[name].mean(dim=0, keepdim=True) for name in names}
    mean = {name: value.repeat(len(tokens), 1, 1) for name, value in mean.items()}
    for kind, edits in (("zero", zero), ("mean", mean)):
        got = ablate(model, tokens, parts, kind)
        assert torch.equal(got, run(model, tokens, edits)[0])
        assert (got - model(tokens)).abs().max() > 1e-2


def donors(model, tokens, reference, logits, parts):
    """For each sequence, the rows of the reference whose parts give the logits."""
    source = run(model, reference)[1]
    found = []
    for j in range(len(reference)):
        edits = {p: source[p][[j] * len(tokens)] for p in parts}
        gap = (run(model, tokens, edits)[0] - logits).abs().amax(dim=(1, 2))
        found.append(gap <= bound(model))
    return torch.stack(found, dim=1)  # (n, M)


@pytest.mark.parametrize("device", DEVICES)
def test_resampled_parts_come_from_another_sequence_the_same_one_for_all(device):
    model, tokens = network(device=device), sequences(device=device)
    counts = torch.zeros(5, 5)
    for seed in range(40):
        draw = generator(seed, device)
        logits = ablate(model, tokens, tuple(FIRST), "resample", generator=draw)
        found = donors(model, tokens, tokens, logits, FIRST).cpu()
        assert (found.sum(dim=1) == 1).all()
        counts += found
    assert (counts.diagonal() == 0).all()
    # 200 draws, of the four others each expects 10 of 40: within five standard deviations of sqrt(7.5).
    others = counts[~torch.eye(5, dtype=bool)]
    assert ((others - 10).abs() < 5 * 7.5**0.5).all()


def test_resampling_from_a_reference_draws_all_its_sequences():
    model, tokens, reference = network(), sequences(), sequences(3, seed=8)
    counts = torch.zeros(3)
    for seed in range(30):
        logits = ablate(
            model,
            tokens,
            "layer0.head0",
            "resample",
            reference=reference,
            generator=generator(seed),
        )
        found = donors(model, tokens, reference, logits, FIRST[:1])
        assert (found.sum(dim=1) == 1).all()
        counts += found.sum(dim=0)
    # 150 draws, 50 expected of each: within five standard deviations of sqrt(150 * 2 / 9).
    assert ((counts - 50).abs() < 5 * (150 * 2 / 9) ** 0.5).all()


def test_a_mean_over_a_reference_is_the_references():
    model, tokens, reference = network(), sequences(), sequences(3, seed=8)
    mean = run(model, reference)[1]["layer0.head0"].mean(dim=0)
    expected = run(model, tokens, {"layer0.head0": mean.repeat(5, 1, 1)})[0]
    got = ablate(model, tokens, "layer0.head0", "mean", reference=reference)
    assert torch.equal(got, expected)
    # With a reference a batch of one is a row of the batch.
    row = ablate(model, tokens[2:3], "layer0.head0", "mean", reference=reference)
    assert (row[0] - got[2]).abs().max() <= bound(model)


@pytest.mark.parametrize("kind", ["mean", "resample"])
def test_what_is_the_same_in_every_sequence_cannot_be_ablated_by_its_mean_or_by_resampling(
    kind,
):
    model, tokens = network(), sequences()
    for part in ("position", "layer0.bias"):
        got = ablate(model, tokens, part, kind, generator=generator())
        assert (got - model(tokens)).abs().max() <= bound(model)
        zeroed = ablate(model, tokens, part, "zero")
        assert (zeroed - model(tokens)).abs().max() > 1e-2


# Direct, indirect and total effects


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", ["embedding", "layer0.head0", tuple(FIRST), LAST[1]])
def test_the_total_effect_is_the_sum_of_direct_and_indirect_for_linear_metrics(
    kind, parts
):
    model, tokens = network(), sequences()
    e = causal_effects(model, tokens, parts, score, kind, generator=generator())
    gap = (e.total - e.direct - e.indirect).abs().max()
    assert gap <= bound(model, e.total, e.direct, e.indirect)
    # The sum is a fact about linear metrics, not about effects.
    squared = causal_effects(
        model, tokens, parts, lambda z: score(z) ** 2, kind, generator=generator()
    )
    if parts != LAST[1]:
        assert (squared.total - squared.direct - squared.indirect).abs().max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_the_total_effect_is_what_ablation_costs(kind):
    model, tokens = network(), sequences()
    for part in run(model, tokens)[1]:
        e = causal_effects(model, tokens, part, score, kind, generator=generator())
        left = score(ablate(model, tokens, part, kind, generator=generator()))
        expected = score(run(model, tokens)[0]) - left
        assert (e.total - expected).abs().max() <= bound(model, expected)


def test_the_direct_effect_is_what_a_part_writes_into_the_logits():
    model, tokens = network(), sequences()
    written = direct_logit_attribution(model, tokens)
    for part in run(model, tokens)[1]:
        direct = causal_effects(model, tokens, part, score).direct
        expected = score(written[part])
        assert (direct - expected).abs().max() <= bound(model, direct)


def test_the_last_layer_has_no_indirect_effect_and_earlier_ones_have():
    model, tokens = network(), sequences()
    for part in LAST:
        e = causal_effects(model, tokens, part, score)
        assert e.indirect.abs().max() <= bound(model, e.total)
        assert (e.total - e.direct).abs().max() <= bound(model, e.total)
    for part in FIRST:
        assert causal_effects(model, tokens, part, score).indirect.abs().min() > 1e-2


def test_direct_effects_of_several_parts_add_up_and_total_effects_do_not():
    model, tokens = network(), sequences()
    alone = [causal_effects(model, tokens, part, score) for part in FIRST]
    both = causal_effects(model, tokens, tuple(FIRST), score)
    gap = (alone[0].direct + alone[1].direct - both.direct).abs().max()
    assert gap <= bound(model, both.direct)
    assert (alone[0].total + alone[1].total - both.total).abs().min() > 1e-2


def test_the_total_of_a_first_layer_head_is_its_direct_effect_and_the_paths_through_the_last_layer():
    # The last layer is linear in what its heads write, so the paths through them add up.
    model, tokens = network(), sequences()
    logits, _ = run(model, tokens)
    _, after = run(model, tokens, {"layer0.head0": torch.zeros_like})
    e = causal_effects(model, tokens, "layer0.head0", score)
    paths = [
        score(logits) - score(run(model, tokens, {p: after[p]})[0]) for p in LAST[:2]
    ]
    gap = (e.total - e.direct - sum(paths)).abs().max()
    assert gap <= bound(model, e.total)


# The metric


def test_the_lead_is_the_answers_logit_minus_the_mean_of_the_others():
    logits = torch.tensor([[[1.0, 5, 3], [2, 0, 4]]], dtype=torch.float64)
    lead = logit_lead(logits, torch.tensor([[1, 0]]))
    assert lead.tolist() == [[3.0, 0.0]]


def test_the_lead_is_linear_and_does_not_see_what_is_added_to_all_logits():
    z = torch.randn(2, 4, 9, generator=generator(), dtype=torch.float64)
    y = torch.randint(9, (4,), generator=generator())
    together = logit_lead(z[0] + 2 * z[1], y)
    # Nine terms below 10.
    apart = logit_lead(z[0], y) + 2 * logit_lead(z[1], y)
    assert (together - apart).abs().max() <= rounding(9, 10)
    shifted = logit_lead(z[0] + 100, y)
    assert (shifted - logit_lead(z[0], y)).abs().max() <= rounding(9, 1000)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_lead_over_fifty_thousand_tokens_does_not_overflow(dtype):
    logits = torch.full((1, 50_000), 10.0, dtype=dtype)
    logits[0, 7] = 14
    lead = logit_lead(logits, torch.tensor([7]))
    assert float(lead) == pytest.approx(4, rel=0.01, abs=0)


@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_the_lead_scales_with_the_logits(scale):
    logits = scale * torch.tensor([[1.0, 5, 3]], dtype=torch.float64)
    lead = logit_lead(logits, torch.tensor([1]))
    assert float(lead) == pytest.approx(3 * scale, rel=1e-14, abs=0)


# What everything in the chapter keeps


def calls(model, clean, corrupted, metric=score):
    return [
        lambda: activation_patching(model, clean, corrupted, metric),
        lambda: activation_patching(model, clean, corrupted, metric, by_position=True),
        lambda: ablate(model, clean, FIRST[0], "resample", generator=generator()),
        lambda: ablate(model, clean, FIRST[0], "mean"),
        lambda: causal_effects(model, clean, FIRST[0], metric),
    ]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_the_sequences_and_the_random_state_stay_as_they_were(training):
    model, (clean, corrupted) = network().train(training), pairs()
    model.embedding.requires_grad_(False)
    model.position.grad = torch.ones_like(model.position)
    kept = clean.clone(), corrupted.clone()
    state = torch.random.get_rng_state()

    def broken(logits):
        raise RuntimeError("broken metric")

    for call in calls(model, clean, corrupted):
        with untouched(model):
            call()
    for call in (*calls(model, clean, corrupted, broken)[:2],):
        with untouched(model), pytest.raises(RuntimeError, match="broken"):
            call()
    with untouched(model), pytest.raises(RuntimeError, match="broken"):
        causal_effects(model, clean, FIRST[0], broken)
    with untouched(model), pytest.raises(ValueError, match="no part"):
        ablate(model, clean, "layer9.head0")
    assert torch.equal(clean, kept[0])
    assert torch.equal(corrupted, kept[1])
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("device", DEVICES)
def test_types_and_devices_follow_the_model_and_nothing_requires_gradients(
    dtype, device
):
    model, (clean, corrupted) = network(dtype=dtype, device=device), pairs(5, device)
    learnt = torch.nn.Parameter(torch.ones((), dtype=dtype, device=device))
    for call in calls(model, clean, corrupted, lambda z: score(z) * learnt):
        result = call()
        for value in [result] if isinstance(result, torch.Tensor) else result:
            assert value.dtype == dtype
            assert value.device.type == device
            assert not value.requires_grad


def test_the_same_generator_draws_the_same_bits():
    model, tokens = network(), sequences()
    runs = [
        ablate(model, tokens, FIRST[0], "resample", generator=generator(s))
        for s in (3, 3, 4)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_a_pair_alone_is_a_row_of_the_batch():
    model, (clean, corrupted) = network(), pairs()
    found = activation_patching(model, clean, corrupted, plain_sum)
    alone = activation_patching(model, clean[1:2], corrupted[1:2], plain_sum)
    gap = (found.patched[:, 1:2] - alone.patched).abs().max()
    assert gap <= bound(model, found.patched)
    e = causal_effects(model, clean, FIRST[0], plain_sum)
    one = causal_effects(model, clean[1:2], FIRST[0], plain_sum)
    assert (e.total[1:2] - one.total).abs().max() <= bound(model, found.patched)


# Bad input


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": torch.nn.Linear(2, 2)}, TypeError, "AttentionOnlyTransformer"),
        ({"clean": None}, TypeError, "tokens must be"),
        ({"clean": torch.zeros(5, L)}, TypeError, "tokens must be a tensor of int64"),
        ({"clean": sequences()[0]}, ValueError, "tokens must have shape"),
        ({"clean": sequences() + V}, ValueError, "tokens must lie between"),
        ({"corrupted": sequences(4)}, ValueError, "must have one shape"),
        ({"corrupted": sequences()[:, :-1]}, ValueError, "must have one shape"),
        ({"corrupted": sequences()}, ValueError, "must score differently"),
        ({"parts": ["layer0.haed1"]}, ValueError, "no 'layer0.haed1'.*'layer0.head1'"),
        ({"parts": [("embedding", "pos")]}, ValueError, "no 'pos': .*'position'"),
        ({"parts": [3]}, TypeError, "parts must be"),
        ({"parts": []}, ValueError, "at least one part"),
        ({"parts": [()]}, ValueError, "at least one part"),
        ({"parts": "embedding"}, TypeError, "parts must be a sequence"),
        (
            {"metric": lambda z: z.mean()},
            ValueError,
            r"metric must return shape \(5,\)",
        ),
        ({"metric": lambda z: z[:, 0]}, ValueError, r"shape \(5,\)"),
        ({"metric": lambda z: [0.0] * 5}, TypeError, "metric must return a tensor"),
        ({"metric": lambda z: z.argmax(2)[:, 0]}, TypeError, "metric must return"),
        ({"metric": lambda z: z[:, :, 0].flatten()}, ValueError, r"got \(30,\)"),
        ({"metric": lambda z: score(z) * torch.nan}, ValueError, "finite"),
        (
            {"metric": lambda z: score(z) / z.new_tensor([0, 1, 1, 1, 1])},
            ValueError,
            "finite",
        ),
        ({"metric": lambda z: score(z) * 0 + 7}, ValueError, "got 7 for both"),
    ],
)
def test_patching_says_what_is_wrong(change, error, message):
    clean, corrupted = pairs()
    arguments = {"model": network(), "clean": clean, "corrupted": corrupted}
    arguments |= {"metric": score} | change
    with pytest.raises(error, match=message):
        activation_patching(**arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"tokens": None}, TypeError, "tokens must be"),
        ({"tokens": sequences() - V}, ValueError, "tokens must lie between"),
        ({"parts": "layer1.head5"}, ValueError, "no.*'layer1.head5'.*'layer1.head"),
        ({"parts": ()}, ValueError, "at least one part"),
        ({"parts": 3}, TypeError, "parts must be"),
        ({"kind": "noise"}, ValueError, "kind must be zero, mean or resample"),
        ({"kind": None}, ValueError, "kind must be"),
        ({"kind": "resample"}, TypeError, "generator must be a torch.Generator"),
        (
            {"kind": "resample", "generator": 0},
            TypeError,
            "generator must be a torch.Generator, got 0",
        ),
        ({"kind": "mean", "tokens": sequences(1)}, ValueError, "at least two"),
        (
            {"kind": "resample", "tokens": sequences(1), "generator": generator()},
            ValueError,
            "at least two",
        ),
        ({"kind": "mean", "reference": sequences()[:, 1:]}, ValueError, "reference"),
        ({"kind": "mean", "reference": sequences() + V}, ValueError, "lie between"),
        ({"kind": "mean", "reference": [[0] * L]}, TypeError, "must be a tensor"),
    ],
)
def test_ablation_and_effects_say_what_is_wrong(change, error, message):
    arguments = {"model": network(), "tokens": sequences(), "parts": "layer0.head0"}
    arguments |= change
    with pytest.raises(error, match=message):
        ablate(**arguments)
    with pytest.raises(error, match=message):
        causal_effects(**arguments, metric=score)


@pytest.mark.parametrize("reference", [sequences(), sequences()[:, 1:]])
def test_a_reference_that_nothing_is_taken_from_is_refused(reference):
    with pytest.raises(
        ValueError, match="reference is for the kinds mean and resample"
    ):
        ablate(network(), sequences(), "layer0.head0", "zero", reference=reference)


@pytest.mark.parametrize(
    ("logits", "answers", "error", "message"),
    [
        ([[0.0]], torch.zeros(1, dtype=int), TypeError, "logits must be a tensor"),
        (torch.zeros(2, 3, dtype=int), torch.zeros(2, dtype=int), TypeError, "logits"),
        (torch.zeros(2, 3), torch.zeros(2), TypeError, "answers must be a tensor of"),
        (torch.zeros(2, 3), [0, 0], TypeError, "answers must be a tensor of int64"),
        (torch.zeros(2, 3), torch.zeros(3, dtype=int), ValueError, "must have shape"),
        (torch.zeros(2, 1), torch.zeros(2, dtype=int), ValueError, "V > 1"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), ValueError, "from 0 to 2"),
        (torch.zeros(2, 3), torch.tensor([0, -1]), ValueError, "from 0 to 2"),
        (torch.tensor([[torch.nan, 0]]), torch.tensor([0]), ValueError, "be finite"),
        (torch.tensor([[0, -torch.inf]]), torch.tensor([0]), ValueError, "be finite"),
    ],
)
def test_the_lead_says_what_is_wrong(logits, answers, error, message):
    with pytest.raises(error, match=message):
        logit_lead(logits, answers)
