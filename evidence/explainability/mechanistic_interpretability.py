"""Induction heads beside TransformerLens, one layer and two over five seeds, longer and wider controls."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig

from companion.explainability.mechanistic_interpretability import (
    AttentionOnlyTransformer,
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
from evidence.record import interleaved

PEERS = ["transformer-lens"]
SEEDS = range(5)
REPEATS = 15
VOCABULARY, LENGTH = 32, 40
LAST = 19  # from no later position did a model have to copy


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    two = {seed: trained(seed) for seed in SEEDS}
    return {
        "agreement": agreement(two[0]),
        "speed": speed(two[0]),
        "seeds": [{"seed": seed, **heads(seed, two[seed])} for seed in SEEDS],
        "one layer": one_layer(),
        "one wide layer": wide_layer(0),
        "short words": [short_words(seed) for seed in range(3)],
        "lets go": lets_go(two),
        "one period": [one_period(seed) for seed in SEEDS],
        "late words": [late_words(seed, two[seed]) for seed in SEEDS],
    }


def fresh(seed: int, length: int = LENGTH, **shape: int) -> AttentionOnlyTransformer:
    """A transformer that has learnt nothing."""
    generator = torch.Generator().manual_seed(seed)
    return AttentionOnlyTransformer(VOCABULARY, length, generator, **shape)


def trained(
    seed: int,
    words: tuple[int, int] = (8, 20),
    steps: int = 400,
    learning_rate: float = 0.01,
    **shape: int,
) -> AttentionOnlyTransformer:
    """The lesson's transformer, or another shape, or for shorter words."""
    return fit_repeats(
        fresh(seed, **shape),
        seed,
        steps=steps,
        learning_rate=learning_rate,
        shortest=words[0],
        longest=words[1],
    )


def sequences(seed: int, count: int = 500, **span: int) -> Any:
    """Fresh sequences, not those of the training."""
    return repeated_sequences(count, torch.Generator().manual_seed(seed), **span)


def copied(model: AttentionOnlyTransformer, parts: bool) -> HookedTransformer:
    """The same weights in TransformerLens."""
    layers, width = model.b_out.shape
    config = HookedTransformerConfig(
        n_layers=layers,
        d_model=width,
        n_ctx=LENGTH,
        d_head=width // model.heads,
        n_heads=model.heads,
        d_vocab=VOCABULARY,
        attn_only=True,
        normalization_type=None,
        init_weights=False,
        device="cpu",
        use_attn_result=parts,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = HookedTransformer(config)
    state = {
        "embed.W_E": model.embedding,
        "pos_embed.W_pos": model.position,
        "unembed.W_U": model.unembedding.T,
        "unembed.b_U": model.bias,
    }
    for i in range(layers):
        W = model.W_qkv[i].unflatten(0, (3, model.heads, -1)).transpose(2, 3)
        b = model.b_qkv[i].unflatten(0, (3, model.heads, -1))
        for kind, name in enumerate("QKV"):
            state[f"blocks.{i}.attn.W_{name}"] = W[kind]
            state[f"blocks.{i}.attn.b_{name}"] = b[kind]
        W_O = model.W_out[i].T.unflatten(0, (model.heads, -1))
        state[f"blocks.{i}.attn.W_O"], state[f"blocks.{i}.attn.b_O"] = (
            W_O,
            model.b_out[i],
        )
    own = {name: value.detach().clone() for name, value in state.items()}
    theirs.load_state_dict(own, strict=False)
    return theirs


def agreement(model: AttentionOnlyTransformer) -> dict[str, Any]:
    """Largest differences from TransformerLens on trained weights, in float32, against the size of the numbers."""
    drawn = sequences(7, 64)
    theirs = copied(model, parts=True)
    with torch.no_grad():
        logits, cache = theirs.run_with_cache(drawn.tokens)
        ours, parts = run(model, drawn.tokens)
        gaps = {
            "logits": [ours - logits, model(drawn.tokens) - logits],
            "parts": [parts["embedding"] - cache["hook_embed"]],
            "attention": [],
            "logit lens": [],
        }
        patterns = attention_patterns(model, drawn.tokens)
        lens = logit_lens(model, drawn.tokens)
        streams = cache.accumulated_resid(layer=-1, incl_mid=False)
        gaps["logit lens"].append(theirs.unembed(streams) - lens)
        for i in range(2):
            result = cache[f"blocks.{i}.attn.hook_result"]
            gaps["attention"].append(
                patterns[i] - cache[f"blocks.{i}.attn.hook_pattern"]
            )
            gaps["parts"] += [
                parts[f"layer{i}.head{h}"] - result[:, :, h] for h in range(2)
            ]
        zeroed = theirs.run_with_hooks(
            drawn.tokens,
            fwd_hooks=[("blocks.0.attn.hook_result", zero_head)],
        )
        edited, _ = run(model, drawn.tokens, {"layer0.head0": torch.zeros_like})
        gaps["logits without a head"] = [edited - zeroed]
    worst = {name: max(float(g.abs().max()) for g in gap) for name, gap in gaps.items()}
    largest = float(logits.abs().max())
    if worst["attention"] > 1e-5 or max(worst.values()) > 1e-5 * largest:
        raise AssertionError(f"TransformerLens disagrees: {worst}")
    untrained = fresh(1)
    gap = copied(untrained, parts=False)(drawn.tokens) - untrained(drawn.tokens)
    worst["logits before training"] = float(gap.abs().max())
    if worst["logits before training"] > 1e-5:
        raise AssertionError(f"TransformerLens disagrees: {worst}")
    return {"sequences": 64, "largest difference": worst, "largest logit": largest}


def zero_head(result: torch.Tensor, hook: object) -> torch.Tensor:
    """TransformerLens's way of removing head 0."""
    result = result.clone()
    result[:, :, 0] = 0
    return result


def speed(model: AttentionOnlyTransformer) -> list[dict[str, Any]]:
    """TransformerLens's time over ours on the same work, one thread."""
    plain, whole = copied(model, parts=False), copied(model, parts=True)
    edits = {"layer0.head0": torch.zeros_like}
    hooks = [("blocks.0.attn.hook_result", zero_head)]
    rows = []
    for count in (64, 1):
        tokens = sequences(8, count).tokens
        rows += [
            row(
                f"logits, {count} x 40 tokens",
                lambda t=tokens: model(t),
                lambda t=tokens: plain(t),
            ),
            row(
                f"logits and every part, {count} x 40",
                lambda t=tokens: run(model, t),
                lambda t=tokens: whole.run_with_cache(t, names_filter=is_part),
            ),
            row(
                f"attention, {count} x 40",
                lambda t=tokens: attention_patterns(model, t),
                lambda t=tokens: plain.run_with_cache(t, names_filter=is_pattern),
            ),
            row(
                f"one head removed, {count} x 40",
                lambda t=tokens: run(model, t, edits),
                lambda t=tokens: whole.run_with_hooks(t, fwd_hooks=hooks),
            ),
        ]
    ours, theirs = copy.deepcopy(model), copied(model, parts=False)
    drawn = sequences(9, 64)
    rows.append(
        row("a step of training, 64 x 40", step_of(ours, drawn), step_of(theirs, drawn))
    )
    return sorted(rows, key=lambda r: float(r["ratio"]))


def is_part(name: str) -> bool:
    """What `run` returns."""
    return name in ("hook_embed", "hook_pos_embed") or name.endswith("hook_result")


def is_pattern(name: str) -> bool:
    """What `attention_patterns` returns."""
    return name.endswith("hook_pattern")


def step_of(model: Any, drawn: Any) -> Any:
    """One step of Adam on given sequences."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    following = drawn.tokens[:, 1:][drawn.predictable[:, :-1]]

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        logits = model(drawn.tokens)[drawn.predictable]
        torch.nn.functional.cross_entropy(logits, following).backward()
        optimiser.step()

    return step


def row(name: str, ours: Any, theirs: Any) -> dict[str, Any]:
    """One line of the comparison; reading needs no gradients, training sets them itself."""
    with torch.set_grad_enabled("training" in name):
        times = interleaved({"ours": ours, "peer": theirs}, repeats=REPEATS)
    ratio = times["peer"]["median"] / times["ours"]["median"]
    return {"name": name, "peer": "TransformerLens", "ratio": ratio, "ms": times}


def scores(model: AttentionOnlyTransformer, drawn: Any) -> dict[str, Any]:
    """Every head's two scores, layer by layer."""
    patterns = attention_patterns(model, drawn.tokens)
    return {
        "previous token": previous_token_score(patterns, LAST).tolist(),
        "induction": induction_score(patterns, drawn.tokens).tolist(),
    }


def heads(seed: int, model: AttentionOnlyTransformer) -> dict[str, Any]:
    """The accuracy, the heads chosen on other sequences, and what every part writes, of one seed."""
    drawn, other = sequences(2000 + seed), sequences(1000 + seed, 200)
    chosen = scores(model, other)
    found = {
        name: max(
            (value, layer, h)
            for layer, row in enumerate(rows)
            for h, value in enumerate(row)
        )
        for name, rows in chosen.items()
    }
    measured = scores(model, drawn)
    blank = fresh(seed)
    written = direct_logit_attribution(model, drawn.tokens)
    logits, _ = run(model, drawn.tokens)
    exact = copy.deepcopy(model).double()
    total = sum(direct_logit_attribution(exact, drawn.tokens).values())
    doubled, _ = run(exact, drawn.tokens)
    return {
        "accuracy": repeat_accuracy(logits, drawn),
        "before training": repeat_accuracy(run(blank, drawn.tokens)[0], drawn),
        "random copy": random_copy(drawn),
        "scores": measured,
        "scores before training": scores(blank, drawn),
        "previous token, all positions": previous_token_score(
            attention_patterns(model, drawn.tokens)
        ).tolist(),
        "chosen": {
            name: {"layer": layer, "head": h, "score": measured[name][layer][h]}
            for name, (_, layer, h) in found.items()
        },
        "lead": {name: lead(part, drawn) for name, part in written.items()},
        "lens": [repeat_accuracy(x, drawn) for x in logit_lens(model, drawn.tokens)],
        "gap": float((sum(written.values()) - logits).abs().max()),
        "gap in float64": float((total - doubled).abs().max()),
        "largest logit": float(logits.abs().max()),
    }


def lead(part: torch.Tensor, drawn: Any) -> float:
    """What a part adds to the right token's logit, less what it adds to the mean one."""
    right = part[:, :-1].gather(2, drawn.tokens[:, 1:, None]).squeeze(2)
    gained = right - part[:, :-1].mean(dim=2)
    return float(gained[drawn.predictable[:, :-1]].mean())


def random_copy(drawn: Any) -> float:
    """How often a token of the word, taken at random, is the next one."""
    chance = (1 / drawn.period.double())[:, None].expand(drawn.tokens.shape)
    return float(chance[drawn.predictable].mean())


def one_layer() -> list[dict[str, Any]]:
    """Accuracy of one layer: as the lesson's, longer, at other learning rates, and wider."""
    rows = []
    for name, seeds, options in (
        ("as wide, as long", SEEDS, {}),
        ("5 times as long", range(3), {"steps": 2000}),
        ("a third of the rate", range(2), {"steps": 2000, "learning_rate": 0.003}),
        ("three times the rate", range(2), {"steps": 2000, "learning_rate": 0.03}),
        ("twice as wide, 4 heads", range(3), {"width": 96, "heads": 4}),
        ("both", range(1), {"steps": 2000, "width": 96, "heads": 4}),
    ):
        results = []
        for seed in seeds:
            model, drawn = trained(seed, layers=1, **options), sequences(2000 + seed)
            results.append(
                {
                    "seed": seed,
                    "accuracy": repeat_accuracy(run(model, drawn.tokens)[0], drawn),
                    "induction": max(scores(model, drawn)["induction"][0]),
                }
            )
        numbers = sum(p.numel() for p in model.parameters())
        rows.append({"name": name, "parameters": numbers, "results": results})
    return rows


def wide_layer(seed: int) -> dict[str, Any]:
    """One layer of four times the width and heads, 1000 steps: it gets further, and is not done."""
    model = trained(seed, steps=1000, layers=1, width=192, heads=8)
    drawn = sequences(2000 + seed)
    return {
        "seed": seed,
        "parameters": sum(p.numel() for p in model.parameters()),
        "accuracy": repeat_accuracy(run(model, drawn.tokens)[0], drawn),
    }


def short_words(seed: int) -> dict[str, Any]:
    """One layer on words of 4 to 8 tokens out of 16, in sequences of 18."""
    span = {"shortest": 4, "longest": 8}
    generator = torch.Generator().manual_seed(seed)
    model = AttentionOnlyTransformer(16, 18, generator, layers=1)
    fit_repeats(model, seed, **span)
    drawn = sequences(2000 + seed, length=18, vocabulary=16, **span)
    return {
        "seed": seed,
        "accuracy": repeat_accuracy(run(model, drawn.tokens)[0], drawn),
        "random copy": random_copy(drawn),
    }


def lets_go(two: dict[int, AttentionOnlyTransformer]) -> list[dict[str, Any]]:
    """Up to which position two layers look one token back, if words and sequences are shorter or longer."""
    rows = []
    for longest, length in ((14, 40), (20, 40), (26, 40), (26, 60)):
        # Position t first repeats what stands p earlier, t < 2p, and t has a next token.
        needed = max(min(p, length - 1 - p) for p in range(8, longest + 1))
        last, right = [], []
        for seed in range(2):
            model = (
                two[seed]
                if (longest, length) == (20, 40)
                else trained(seed, (8, longest), length=length)
            )
            drawn = sequences(4000 + seed, length=length, longest=longest)
            looks = attention_patterns(model, drawn.tokens)[0].diagonal(-1, -2, -1)
            most = looks.mean(dim=0).max(dim=0).values  # of position 1, 2, ...
            last.append(int((most > 0.5).nonzero().max()) + 1)
            right.append(repeat_accuracy(run(model, drawn.tokens)[0], drawn))
        rows.append(
            {
                "longest word": longest,
                "length": length,
                "needed": needed,
                "last": last,
                "accuracy": right,
            }
        )
    return rows


def one_period(seed: int) -> dict[str, Any]:
    """One layer that has only seen words of 14 tokens, on those and on words of 8 to 20."""
    model = trained(seed, (14, 14), layers=1)
    same, other = (
        sequences(3000 + seed, shortest=14, longest=14),
        sequences(2000 + seed),
    )
    return {
        "seed": seed,
        "accuracy": [
            repeat_accuracy(run(model, d.tokens)[0], d) for d in (same, other)
        ],
        "induction": [max(scores(model, d)["induction"][0]) for d in (same, other)],
    }


def late_words(seed: int, model: AttentionOnlyTransformer) -> dict[str, Any]:
    """A word of 14 that starts after other tokens: accuracy by the position that has to be copied from."""
    found: dict[str, Any] = {"seed": seed}
    for prefix in (4, 12):
        tokens = late_sequences(prefix)
        looks = attention_patterns(model, tokens)[0].diagonal(-1, -2, -1).mean(dim=0)
        # From position prefix + 14 on a token repeats; what followed it stands 13 earlier.
        source = list(range(prefix + 1, prefix + 14))
        found[f"after {prefix}"] = {
            "source": source,
            "accuracy": late_accuracy(model, tokens, {}),
            "previous token": looks.max(dim=0).values[[s - 1 for s in source]].tolist(),
        }
    layer0 = scores(model, sequences(1000 + seed, 200))["previous token"][0]
    chosen = [max(range(2), key=layer0.__getitem__)]
    found["made to look"] = {
        name: late_accuracy(model, tokens, made_to_look(model, tokens, which, back))
        for name, which, back in (
            ("the chosen head, one back", chosen, 1),
            ("both heads, one back", [0, 1], 1),
            ("both heads, two back", [0, 1], 2),
        )
    }
    # Two back, the place that is found is one further on, so the copy should be, too.
    edits = made_to_look(model, tokens, [0, 1], 2)
    found["two back, the token one further on"] = late_accuracy(
        model, tokens, edits, further=1
    )
    return found


def late_sequences(prefix: int) -> torch.Tensor:
    """Some tokens, then a word of 14 others, twice."""
    generator = torch.Generator().manual_seed(prefix)
    order = torch.rand(500, VOCABULARY, generator=generator).argsort(dim=1)
    return torch.cat([order[:, : prefix + 14], order[:, prefix : prefix + 14]], dim=1)


def late_accuracy(
    model: AttentionOnlyTransformer, tokens: torch.Tensor, edits: Any, further: int = 0
) -> list[float]:
    """Accuracy from the word's second beginning on, or how often a token further on is named instead."""
    best = run(model, tokens, edits)[0].argmax(dim=2)
    start = tokens.shape[1] - 14  # whose next token is known: the second beginning
    right = best[:, start : -1 - further] == tokens[:, start + 1 + further :]
    return right.double().mean(dim=0).tolist()


def made_to_look(
    model: AttentionOnlyTransformer, tokens: torch.Tensor, which: list[int], back: int
) -> dict[str, torch.Tensor]:
    """What heads of layer 0 would write from position 20 on if they looked just `back` positions back."""
    _, parts = run(model, tokens)
    stream = parts["embedding"] + parts["position"]
    edits = {}
    for h in which:
        rows = slice(2 * 48 + 24 * h, 2 * 48 + 24 * (h + 1))
        value = stream @ model.W_qkv[0, rows].T + model.b_qkv[0, rows]
        write = (value @ model.W_out[0][:, 24 * h : 24 * (h + 1)].T).detach()
        new = parts[f"layer0.head{h}"].clone()
        new[:, LAST + 1 :] = write[:, LAST + 1 - back : -back]
        edits[f"layer0.head{h}"] = new
    return edits
