"""Activation patching beside TransformerLens with the same weights, and what the parts of seven networks do."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig, patching

from companion.explainability.activation_patching import (
    ablate,
    activation_patching,
    causal_effects,
    logit_lead,
)
from companion.explainability.mechanistic_interpretability import (
    AttentionOnlyTransformer,
    attention_patterns,
    fit_repeats,
    induction_score,
    previous_token_score,
    repeat_accuracy,
    repeated_sequences,
    run,
)
from evidence.record import interleaved

os.environ["TQDM_DISABLE"] = "1"

PEERS = ["transformer-lens"]
SEEDS = range(7)
KINDS = ("zero", "mean", "resample")
VOCABULARY, LENGTH = 32, 40
REPEATS = 9  # of what takes long; what is over in milliseconds is repeated five times as often


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    networks = [trained(seed) for seed in SEEDS]
    return {
        "seeds": [anatomy(seed, model) for seed, model in enumerate(networks)],
        "patching": [patched(model) for model in networks],
        "agreement": agreement(networks[0]),
        "speed": speed(networks[0]),
    }


def trained(seed: int) -> AttentionOnlyTransformer:
    """The lesson's network, from another seed."""
    generator = torch.Generator().manual_seed(seed)
    model = AttentionOnlyTransformer(VOCABULARY, LENGTH, generator)
    return fit_repeats(model, seed)


def roles(model: AttentionOnlyTransformer, seed: int) -> dict[str, Any]:
    """The parts under the names of what they attend to, by scores on sequences of their own."""
    fresh = repeated_sequences(128, torch.Generator().manual_seed(500 + seed))
    patterns = attention_patterns(model, fresh.tokens)
    # No period exceeds 20, so no later position needs the token before it.
    first, last = previous_token_score(patterns, 19)[0], patterns
    copying = induction_score(last, fresh.tokens)[1]
    a, b = int(first.argmax()), int(copying.argmax())
    head = "layer{}.head{}".format
    return {
        "embedding": "embedding",
        "position": "position",
        "previous-token head": head(0, a),
        "other layer-0 head": head(0, 1 - a),
        "layer-0 bias": "layer0.bias",
        "first layer-1 head": head(1, b),
        "second layer-1 head": head(1, 1 - b),
        "layer-1 bias": "layer1.bias",
        "both layer-0 heads": (head(0, 0), head(0, 1)),
        "both layer-1 heads": (head(1, 0), head(1, 1)),
        "scores": {"previous token": first.tolist(), "induction": copying.tolist()},
    }


def anatomy(seed: int, model: AttentionOnlyTransformer) -> dict[str, Any]:
    """What each part of one network writes, and what is lost without it, on 256 fresh sequences."""
    named = roles(model, seed)
    scores = named.pop("scores")
    repeats = repeated_sequences(256, torch.Generator().manual_seed(1000 + seed))
    weight = repeats.predictable[:, :-1].float()

    def lead(logits: torch.Tensor) -> torch.Tensor:
        ahead = logit_lead(logits[:, :-1], repeats.tokens[:, 1:])
        return (ahead * weight).sum(dim=1) / weight.sum(dim=1)

    logits, _ = run(model, repeats.tokens)
    parts = {}
    for name, part in named.items():
        row: dict[str, Any] = {}
        for kind in KINDS:
            draw = {"generator": torch.Generator().manual_seed(2000 + seed)}
            effects = causal_effects(model, repeats.tokens, part, lead, kind, **draw)
            draw["generator"].manual_seed(2000 + seed)
            left = ablate(model, repeats.tokens, part, kind, **draw)
            row[kind] = {
                "direct": float(effects.direct.mean()),
                "indirect": float(effects.indirect.mean()),
                "total": float(effects.total.mean()),
                "accuracy left": repeat_accuracy(left, repeats),
            }
        parts[name] = row
    return {
        "seed": seed,
        "accuracy": repeat_accuracy(logits, repeats),
        "lead": float(lead(logits).mean()),
        "scores": scores,
        "parts": parts,
    }


def pair(
    where: int, seed: int = 3000
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Words of twelve tokens, one and a half times; a token of the first time is another in the partner."""
    generator = torch.Generator().manual_seed(seed)
    drawn = repeated_sequences(64, generator, length=15, shortest=13, longest=13)
    word = drawn.tokens[:, :13]
    clean = word[:, torch.arange(18) % 12]
    corrupted = clean.clone()
    corrupted[:, where] = word[:, 12]
    return clean, corrupted, clean[:, 6]


def patched(model: AttentionOnlyTransformer) -> dict[str, Any]:
    """Shares of every part both ways, where they lie, and what the same patches say by accuracy."""
    names = [name for name in run(model, pair(5)[0])[1] if "bias" not in name]
    groups = [*names, tuple(names[2:4]), tuple(names[4:])]
    labels = [*names, "both layer-0 heads", "both layer-1 heads"]
    result: dict[str, Any] = {}
    for where, what in ((5, "before the answer"), (6, "the answer")):
        clean, corrupted, answer = pair(where)

        def lead(logits: torch.Tensor, answer: torch.Tensor = answer) -> torch.Tensor:
            return logit_lead(logits[:, -1], answer)

        def right(logits: torch.Tensor, answer: torch.Tensor = answer) -> torch.Tensor:
            return (logits[:, -1].argmax(dim=1) == answer).float()

        rows = {}
        for metric_name, metric in (("lead", lead), ("accuracy", right)):
            forward = activation_patching(model, clean, corrupted, metric, groups)
            reverse = activation_patching(model, corrupted, clean, metric, groups)
            rows[metric_name] = {
                "clean": float(forward.clean.mean()),
                "corrupted": float(forward.corrupted.mean()),
                "into corrupted": dict(
                    zip(labels, forward.shares.tolist(), strict=True)
                ),
                "into clean": dict(zip(labels, reverse.shares.tolist(), strict=True)),
            }
        everything = tuple(run(model, clean)[1])
        whole = activation_patching(model, clean, corrupted, lead, [everything])
        if not torch.equal(whole.patched[0], whole.clean):
            raise AssertionError("patching everything does not restore the answer")
        maps = activation_patching(
            model, clean, corrupted, lead, [*names, everything], by_position=True
        )
        rows["map"] = {
            name: {
                "largest": float(shares.max()),
                "at": int(shares.argmax()),
                "elsewhere": float(shares.abs().sort().values[-2]),
            }
            for name, shares in zip(names, maps.shares, strict=False)
        }
        rows["map"]["everything at one position"] = maps.shares[-1].tolist()
        result[what] = rows
    return result


def hooked(model: AttentionOnlyTransformer) -> HookedTransformer:
    """TransformerLens' network with the same weights."""
    vocabulary, width = model.embedding.shape
    layers, heads = len(model.W_qkv), model.heads
    size = width // heads
    config = HookedTransformerConfig(
        n_layers=layers,
        d_model=width,
        n_ctx=len(model.position),
        d_head=size,
        n_heads=heads,
        d_vocab=vocabulary,
        attn_only=True,
        normalization_type=None,
        default_prepend_bos=False,
        device="cpu",
        dtype=model.embedding.dtype,
        seed=0,
    )
    theirs = HookedTransformer(config)
    state = theirs.state_dict()
    state["embed.W_E"] = model.embedding
    state["pos_embed.W_pos"] = model.position
    state["unembed.W_U"] = model.unembedding.T
    state["unembed.b_U"] = model.bias
    for layer in range(layers):
        W = model.W_qkv[layer].unflatten(0, (3, heads, size)).transpose(2, 3)
        b = model.b_qkv[layer].unflatten(0, (3, heads, size))
        for i, kind in enumerate("QKV"):
            state[f"blocks.{layer}.attn.W_{kind}"] = W[i]
            state[f"blocks.{layer}.attn.b_{kind}"] = b[i]
        W_O = model.W_out[layer].unflatten(1, (heads, size)).permute(1, 2, 0)
        state[f"blocks.{layer}.attn.W_O"] = W_O
        state[f"blocks.{layer}.attn.b_O"] = model.b_out[layer]
    theirs.load_state_dict({name: value.detach() for name, value in state.items()})
    return theirs.eval()


HEADS = [f"layer{layer}.head{h}" for layer in range(2) for h in range(2)]


def their_map(
    theirs: HookedTransformer,
    clean: torch.Tensor,
    corrupted: torch.Tensor,
    metric: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Shares of every head at every position, (layer, position, head), by TransformerLens."""
    with torch.no_grad():
        right, cache = theirs.run_with_cache(clean)
        wrong = theirs(corrupted)
        scores = patching.get_act_patch_attn_head_out_by_pos(
            theirs, corrupted, cache, lambda logits: metric(logits).mean()
        )
        low, high = metric(wrong).mean(), metric(right).mean()
    return (scores - low) / (high - low)


def silenced(
    theirs: HookedTransformer, tokens: torch.Tensor, layer: int, head: int
) -> torch.Tensor:
    """Logits with a head that writes zeros, by TransformerLens."""

    def hook(z: torch.Tensor, hook: object) -> torch.Tensor:
        z[:, :, head] = 0
        return z

    with torch.no_grad():
        return theirs.run_with_hooks(
            tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", hook)]
        )


def agreement(model: AttentionOnlyTransformer) -> dict[str, Any]:
    """Largest differences from TransformerLens on the same work, in both precisions."""
    result: dict[str, Any] = {"heads": HEADS}
    clean, corrupted, answer = pair(5)
    tokens = repeated_sequences(64, torch.Generator().manual_seed(4000)).tokens

    def lead(logits: torch.Tensor) -> torch.Tensor:
        return logit_lead(logits[:, -1], answer)

    # Logits up to 20 from two orders of addition, and shares of a difference of about 15.
    for dtype, limit in ((torch.float32, 1e-5), (torch.float64, 1e-13)):
        mine = copy.deepcopy(model).to(dtype)
        theirs = hooked(mine)
        logits, _ = run(mine, tokens)
        scale = float(logits.abs().max())
        with torch.no_grad():
            plain = float((logits - theirs(tokens)).abs().max())
        found = activation_patching(mine, clean, corrupted, lead, HEADS, True)
        shares = found.shares.reshape(2, 2, -1).transpose(1, 2)
        silent = [
            ablate(mine, tokens, f"layer{layer}.head{head}")
            - silenced(theirs, tokens, layer, head)
            for layer in range(2)
            for head in range(2)
        ]
        worst = {
            "logits, relative": plain / scale,
            "logits with a silent head, relative": float(
                max(gap.abs().max() for gap in silent) / scale
            ),
            "shares of the map": float(
                (shares - their_map(theirs, clean, corrupted, lead)).abs().max()
            ),
        }
        for name, difference in worst.items():
            # TransformerLens keeps the shares in float32, whatever the network's type.
            if not difference < (1e-6 if "shares" in name else limit):
                raise AssertionError(f"{dtype}: {name} differ by {difference}")
        result[str(dtype).removeprefix("torch.")] = worst
    return result


def speed(model: AttentionOnlyTransformer) -> list[dict[str, Any]]:
    """Their time over ours on the same work."""
    theirs = hooked(model)
    rows = []
    clean, corrupted, answer = pair(5)
    for n in (1, 64):
        x, y = clean[:n], corrupted[:n]

        def lead(logits: torch.Tensor, n: int = n) -> torch.Tensor:
            return logit_lead(logits[:, -1], answer[:n])

        rows.append(
            ratio(
                f"map of 4 heads x 18 positions, {n} pair{'s' * (n > 1)}",
                {
                    "ours": lambda x=x, y=y, lead=lead: activation_patching(
                        model, x, y, lead, HEADS, by_position=True
                    ),
                    "peer": lambda x=x, y=y, lead=lead: their_map(theirs, x, y, lead),
                },
            )
        )
    tokens = repeated_sequences(64, torch.Generator().manual_seed(4000)).tokens
    for n in (1, 64):
        x = tokens[:n]
        rows.append(
            ratio(
                f"one head silenced, {n} sequence{'s' * (n > 1)}",
                {
                    "ours": lambda x=x: [ablate(model, x, HEADS[0]) for _ in range(5)],
                    "peer": lambda x=x: [silenced(theirs, x, 0, 0) for _ in range(5)],
                },
                repeats=5 * REPEATS,
            )
        )
    return rows


def ratio(
    name: str, work: dict[str, Callable[[], object]], repeats: int = REPEATS
) -> dict[str, Any]:
    """One line of the comparison."""
    times = interleaved(work, repeats=repeats)
    quotient = times["peer"]["median"] / times["ours"]["median"]
    return {"name": name, "peer": "TransformerLens", "ratio": quotient, "ms": times}
