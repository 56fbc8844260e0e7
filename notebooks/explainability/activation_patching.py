# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: all,-trusted,-execution,-collapsed
#     formats: ipynb,py:percent
#     notebook_metadata_filter: jupytext,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Activation patching
#
# Ablation and patching: the direct and the total effect of a network's parts.
#
# When researchers at Google DeepMind switched off a single attention layer of a language model, another layer took up a part of its work {cite}`mcgrath2023`.
# So whoever looked at what was lost without that layer saw less than what it had been writing into the answer.
#
# **Which part of a network does the work?**
#
# You need the answer before you believe anyone, yourself included, who has found the place where a model keeps a fact, a bias or a lie, and before you cut that place out.
# On a network small enough to take apart you will see that *this part writes the answer*, *the answer needs this part* and *this part brings the answer back* are three different statements.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | silence a part of a network in three ways, patch it from one input into another, tell its direct from its total effect, and say what each of these does not show |
# | You need | PyTorch, NumPy, Matplotlib; the two heads that copy, from [Mechanistic interpretability](mechanistic_interpretability.ipynb); what a transformer, an attention head and a logit are |
# | Time | 25 minutes to read, 30 for the exercises |
# | Code | `companion.explainability.activation_patching` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from companion.explainability.activation_patching import (
    ablate,
    activation_patching,
    causal_effects,
    logit_lead,
)
from companion.explainability.mechanistic_interpretability import (
    AttentionOnlyTransformer,
    fit_repeats,
    repeat_accuracy,
    repeated_sequences,
    run,
)
from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A small transformer has learnt to continue words that repeat themselves: after `k q d b k q` comes `d`.
# Its two layers have two attention heads each.
# Layer 0 notes at every position which token came just before.
# Layer 1 looks for the place whose note names the present token and copies what stands there: the last `q` finds `d`, whose note says `q`.
# The heads of layer 1 are called [induction heads](mechanistic_interpretability.ipynb) {cite}`elhage2021,olsson2022`.
#
# Every part, that is the embeddings and each head, adds a vector to a running sum, the **residual stream**, one for each position.
# The logits, one number for each token that could come next, are read from the sum at the end.
# So each part writes something into the answer itself, its **direct effect**, and its **total effect** is what the answer loses if the part is silenced and everything after it reacts.
#
# **Guess before you look**: one head of layer 1 writes half of the answer. How many answers are still right without it?

# %% mystnb={"figure": {"caption": "Seven networks that differ in their seed, one dot each. Left: by how many logits a part itself puts the right token ahead of the mean of the others. Middle: how many logits of that lead are lost when the part writes zeros. Right: the percentage of answers that are still right then. Orange: both heads of a layer together.", "name": "fig-activation-patching"}, "image": {"alt": "Three panels of dots over eight rows of parts. Left, direct effects: near zero for both embeddings and both layer-0 heads, about eight logits for each layer-1 head, sixteen for both. Middle, total effects: sixteen for the embedding, fourteen to fifteen for the position, six to fifteen for the previous-token head, one to four for the other layer-0 head, fifteen for both, and the same as on the left for layer 1. Right, accuracy left: near zero without the embedding, seventeen to ninety-three percent without the previous-token head, almost one hundred without either layer-1 head, and below ten percent without both heads of either layer."}} tags=["hide-input"]
evidence = recorded("explainability/activation_patching")
seeds = evidence.results["seeds"]
rows = ["embedding", "position", "previous-token head", "other layer-0 head"]
rows += ["both layer-0 heads", "first layer-1 head", "second layer-1 head"]
rows += ["both layer-1 heads"]
panels = {"direct": "written (logits)", "total": "lost without it (logits)"}
panels |= {"accuracy left": "right without it (%)"}
fig, axes = plt.subplots(1, 3, figsize=(9, 4), sharey=True)
for ax, (what, label) in zip(axes, panels.items()):
    for y, part in enumerate(rows):
        x = np.array([seed["parts"][part]["zero"][what] for seed in seeds])
        x = 100 * x if what == "accuracy left" else x
        colour = COLOURS["orange" if "both" in part else "blue"]
        ax.plot(x, np.full(len(x), y), "o", color=colour, alpha=0.6, markersize=6)
    ax.set(xlabel=label, xlim=(-5, 105) if what == "accuracy left" else (-1, 18))
axes[0].set_yticks(range(len(rows)), rows)
axes[0].invert_yaxis()
for ax, title in zip(axes, ("Direct effect", "Total effect", "Accuracy left")):
    ax.set_title(title)
plt.show()

# %% [markdown]
# Read one row across all three panels.
# The heads of layer 0 write next to nothing, but without both of them hardly an answer is right.
# A head of layer 1 writes half of everything, but hardly an answer is lost without it.
# The orange dots show why: of two heads that do the same job either one is dispensable, and both together are not.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
first = ["embedding", "position", "layer-0 bias", "previous-token head"]
first += ["other layer-0 head", "both layer-0 heads"]
claim(
    "Every part of layer 0 and before it writes less than 0.2 logits of lead, and the "
    "heads of layer 1 together write more than 95 % of the lead.",
    all(
        abs(seed["parts"][part]["zero"]["direct"]) < 0.2
        for seed in seeds
        for part in first
    )
    and all(
        seed["parts"]["both layer-1 heads"]["zero"]["direct"] > 0.95 * seed["lead"]
        for seed in seeds
    ),
    over="7 seeds, recorded, 256 sequences each",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
left = {
    part: [seed["parts"][part]["zero"]["accuracy left"] for seed in seeds]
    for part in rows
}
claim(
    "Without any one head of layer 1 more than 98 % of the answers are right, and "
    "without both fewer than 10 %.",
    min(left["first layer-1 head"] + left["second layer-1 head"]) > 0.98
    and max(left["both layer-1 heads"]) < 0.1,
    over="7 seeds, recorded, 256 sequences each",
)

# %% [markdown]
# ## The idea on three numbers: direct and total effect
#
# Take a network of three parts that you can compute in your head.
# For the input $x = 1$, part A writes $a = x$, part B reads that and writes $b = 4a$, and part C is a spare, which writes what is missing: $c = 4a - b$.
# The answer is what B and C write, $b + c$.


# %%
def toy(silent=""):
    a = 0 if "A" in silent else 1
    b = 0 if "B" in silent else 4 * a
    c = 0 if "C" in silent else 4 * a - b
    return a, b, c, b + c


rows = [[s or "nobody", *toy(s)] for s in ("", "A", "B", "C", "BC")]
table(["silent", "a", "b", "c", "answer"], rows)

# %% [markdown]
# A writes nothing into the answer, and yet all of it is lost without A, so its direct effect is 0 and its total effect is 4.
# B is the other way round: it writes the whole answer, and nothing is lost without it, because C steps in.
# C would pass for idle by either measure, until B is silent.
#
# The bookkeeping is exact: B's total effect of 0 is a direct effect of 4 and an **indirect effect** of −4, which is what the others' reaction adds.
#
# ## The equation: total, direct and indirect effects
#
# Write $c$ for what a part writes, $c'$ for what it writes once it is silenced, and $l(c)$ for what all the other parts write when they have read $c$.
# With a number $m$ that says how good the answer is, the effects are {cite}`pearl2001,vig2020`
#
# $$\begin{aligned}
# \text{total} &= m\big(c,\, l(c)\big) - m\big(c',\, l(c')\big),\\
# \text{direct} &= m\big(c,\, l(c)\big) - m\big(c',\, l(c)\big),\\
# \text{indirect} &= m\big(c,\, l(c)\big) - m\big(c,\, l(c')\big).
# \end{aligned}$$
#
# The direct effect asks for something that never happens by itself: the part is silent, and the others write what they wrote when it was not.
# That is what makes it an experiment and not an observation.
#
# As $m$ this page takes the **lead**, the logit of the right token minus the mean of the others.
# The lead is linear in the logits, so what the parts write adds up, and it goes on counting where accuracy has reached its limit.
# Here is the network, trained in front of you, and the lead on fresh sequences; `predictable` marks the positions whose next token can be known, because its word has been seen once.

# %%
model = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
model = fit_repeats(model, seed=0)
repeats = repeated_sequences(64, torch.Generator().manual_seed(1))
tokens, seen = repeats.tokens, repeats.predictable[:, :-1].float()


def lead(logits):
    """Mean lead of each sequence, where the next token can be known."""
    ahead = logit_lead(logits[:, :-1], tokens[:, 1:])
    return (ahead * seen).sum(dim=1) / seen.sum(dim=1)


# %% [markdown]
# The package's `run(model, tokens, edits)` returns the logits and what each part wrote; a part that `edits` names writes what you say, and everything after it is computed afresh.
# So the three effects take four runs.


# %%
def effects(part):
    logits, before = run(model, tokens)
    silent = {part: torch.zeros_like(before[part])}
    changed, after = run(model, tokens, silent)
    direct, _ = run(model, tokens, {**before, **silent})
    indirect, _ = run(model, tokens, {**after, part: before[part]})
    return [lead(logits) - lead(z) for z in (changed, direct, indirect)]


parts = list(run(model, tokens)[1])
for part in parts:
    theirs = causal_effects(model, tokens, part, lead)
    for mine, package in zip(effects(part), theirs):
        np.testing.assert_allclose(mine, package, rtol=0, atol=1e-4)
parts


# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
def log_probability(logits):
    """Mean log-probability of the right token: not linear in the logits."""
    next_token = logits[:, :-1].log_softmax(2).gather(2, tokens[:, 1:, None])[..., 0]
    return (next_token * seen).sum(dim=1) / seen.sum(dim=1)


def gap(metric):
    found = (causal_effects(model, tokens, part, metric) for part in parts)
    gaps = [effect.total - effect.direct - effect.indirect for effect in found]
    return float(torch.stack(gaps).abs().max())


claim(
    "By the lead, which is linear in what the parts write, the total effect is the direct "
    "plus the indirect one; by the logarithm of the right token's probability, which is "
    "not, the sum is off by more than 0.1.",
    gap(lead) < 1e-3 and gap(log_probability) > 0.1,
    over="the 8 parts and 64 sequences above, the largest difference",
)

# %%
show_source(causal_effects)

# %% [markdown]
# ## Ablation: zero, mean and resample
#
# Silencing is called **ablation**, and there is more than one silence.
# A part can write zeros, or the mean of what it writes on other sequences, or what it writes on one other sequence, drawn at random.
# Zero asks what the part's presence is worth; the mean asks what it is worth that the part tells sequences apart; and a resampled part speaks as loudly as ever, but of something else.
# The choice changes results, so state it {cite}`zhang2024`.
#
# The table holds all parts, over seven seeds, and you should read it before you believe any sentence about one part.


# %%
def span(part, kind, what, digits):
    values = [seed["parts"][part][kind][what] for seed in seeds]
    low, high = (round(v, digits) + 0.0 for v in (min(values), max(values)))
    return f"{low:.{digits}f} to {high:.{digits}f}"


rows = [
    [part, *(span(part, "zero", what, 1) for what in ("direct", "total"))]
    + [span(part, kind, "accuracy left", 2) for kind in ("zero", "mean", "resample")]
    for part in seeds[0]["parts"]
]
kinds = ["accuracy left: zero", "mean", "resample"]
table(["part", "direct effect", "total effect", *kinds], rows)

# %% [markdown]
# In layer 1 the total effect of a head *is* its direct effect, because nothing comes after it that could react.
# So no head steps in for the other; what one of them writes is simply enough, and accuracy does not notice the half that is gone.
# A resampled head costs far more answers than a silent one, because it still puts a token ahead, but the one that another sequence needs.
# Let one sequence, `stranger`, give its head to all others, and count which of the wrong answers are the stranger's next token; a token at random would be it once in 32 times.

# %%
stranger = repeated_sequences(1, torch.Generator().manual_seed(4), longest=8)
draw = torch.Generator().manual_seed(5)
given = {"reference": stranger.tokens, "generator": draw}
best = ablate(model, tokens, "layer1.head0", "resample", **given).argmax(dim=2)
wrong = repeats.predictable & stranger.predictable
wrong[:, :-1] &= best[:, :-1] != tokens[:, 1:]
named = (best == stranger.tokens.roll(-1, dims=1))[wrong]
round(float(named.double().mean()), 1)

# %% [markdown]
# In layer 0 the networks differ from one another, so here is each of them.
# The heads were told apart by where they look, on other sequences than those of the table.

# %%
rows = [
    [str(seed["seed"]), p["previous-token head"]["zero"]["total"]]
    + [
        p[name]["zero"]["accuracy left"]
        for name in ("previous-token head", "other layer-0 head", "both layer-0 heads")
    ]
    for seed in seeds
    for p in [seed["parts"]]
]
table(
    ["seed", "lead lost", "accuracy without previous-token head", "other", "both"],
    rows,
    digits=2,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
alone = left["previous-token head"]
claim(
    "Without both heads of layer 0 fewer than 12 % of the answers are right in every "
    "network, but without the previous-token head alone it is fewer than 20 % in one "
    "and more than 90 % in another.",
    max(left["both layer-0 heads"]) < 0.12 and min(alone) < 0.2 and max(alone) > 0.9,
    over="7 seeds, recorded, 256 sequences each",
)

# %% [markdown]
# The same training gives one network a specialist and another network two heads that share the job.
# What you find in one model is a fact about that model.
#
# ## Activation patching: clean into corrupted
#
# Ablation asks what a part is worth on average.
# **Activation patching** asks what it carries from one place to another, and for that you need a pair of inputs that differ in one thing {cite}`vig2020,geiger2021,meng2022`.
#
# The clean sequence is a word of twelve tokens, one and a half times over.
# It is asked at position 17 what comes next, where it sees the same token as at position 5, so the answer stands at position 6.
# In the corrupted partner the token at position 5 is another one, which occurs nowhere else, so the network cannot know.

# %%
drawn = repeated_sequences(
    64, torch.Generator().manual_seed(2), length=15, shortest=13, longest=13
)
word = drawn.tokens[:, :13]  # thirteen distinct tokens
clean = word[:, torch.arange(18) % 12]
corrupted = clean.clone()
corrupted[:, 5] = word[:, 12]  # the thirteenth, which the clean sequence never shows
answer = clean[:, 6]

# %% [markdown]
# Patching runs the network on the corrupted sequence, but lets one part write what it wrote on the clean one.
# How much of the lost lead comes back is the part's share:
#
# $$\text{share} = \frac{m(\text{patched}) - m(\text{corrupted})}{m(\text{clean}) - m(\text{corrupted})}.$$


# %%
def last_lead(logits):
    return logit_lead(logits[:, -1], answer)


def share(part):
    good, donor = run(model, clean)
    bad, _ = run(model, corrupted)
    mixed, _ = run(model, corrupted, {part: donor[part]})
    high, low, now = (last_lead(z).mean() for z in (good, bad, mixed))
    return (now - low) / (high - low)


package = activation_patching(model, clean, corrupted, last_lead, parts)
np.testing.assert_allclose([share(p) for p in parts], package.shares, rtol=0, atol=1e-4)

# %%
show_source(activation_patching)

# %% [markdown]
# Patched at one position at a time, the parts draw a map of where the information goes.

# %% mystnb={"figure": {"caption": "The share of the lead that comes back when one part (row) is patched at one position (column), for the network trained above. The clean and the corrupted sequence differ at position 5 only, the answer stands at position 6, and the question is asked at position 17.", "name": "fig-patching-map"}, "image": {"alt": "A map of six parts by eighteen positions, white almost everywhere. The embedding is dark at position 5. The two heads of layer 0 are coloured at position 6 only, one of them darker. The two heads of layer 1 are coloured at position 17 only, about half each. The row of the positions is white."}} tags=["hide-input"]
names = [part for part in parts if "bias" not in part]
found = activation_patching(model, clean, corrupted, last_lead, names, by_position=True)
fig, ax = plt.subplots(figsize=(8, 3))
image = ax.imshow(found.shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
ax.set_yticks(range(len(names)), names)
ax.set_xticks(range(18))
ax.set(xlabel="position that is patched")
ax.grid(visible=False)
fig.colorbar(image, label="share that comes back")
plt.show()

# %% [markdown]
# You can read the algorithm off the map.
# The token at position 5 comes in through the embedding; the heads of layer 0 note it one position later; and at the end the heads of layer 1 find the note.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
where = {"embedding": 5, "layer0": 6, "layer1": 17}
maps = [p["before the answer"]["map"] for p in evidence.results["patching"]]
together = ["embedding", tuple(names[2:4]), tuple(names[4:])]
whole = activation_patching(model, clean, corrupted, last_lead, together, True).shares
off = torch.ones_like(found.shares, dtype=torch.bool)
for row, name in enumerate(names):
    if name != "position":
        off[row, where[name.split(".")[0]]] = False
claim(
    "Three places bring back more than 95 % each: the embedding at position 5, both heads "
    "of layer 0 together at 6, both of layer 1 at 17. Every other cell is below 0.1.",
    float(min(whole[0, 5], whole[1, 6], whole[2, 17])) > 0.95
    and float(found.shares[off].abs().max()) < 0.1
    and all(
        m[name]["elsewhere"] < 0.1
        and (m[name]["largest"] < 0.1 or m[name]["at"] == where[name.split(".")[0]])
        for m in maps
        for name in names
    ),
    over="the 108 cells of this network, and its other cells in 7 seeds, recorded",
)

# %% [markdown]
# Two checks belong to every patching experiment.
# If all parts are patched everywhere, the clean logits must be back to the last bit; that is so whatever the weights are, so it tests your code and says nothing about the network.
# The control that could fail is to patch everything at a position that you did not expect.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
everything = tuple(parts)
logits, donor = run(model, clean)
whole = activation_patching(model, clean, corrupted, last_lead, [everything])
single = activation_patching(model, clean, corrupted, last_lead, [everything], True)
shares = np.array(
    [*single.shares.tolist(), *(m["everything at one position"] for m in maps)]
)
matter = np.isin(np.arange(18), [5, 6, 17])
claim(
    "All parts patched at all positions restore the clean logits bit for bit; at a "
    "single position they restore more than 95 % at 5, 6 and 17, and less than 5 % at "
    "each of the other fifteen.",
    torch.equal(run(model, corrupted, donor)[0], logits)
    and torch.equal(whole.patched[0], whole.clean)
    and bool(
        (shares[:, matter] > 0.95).all() and (abs(shares[:, ~matter]) < 0.05).all()
    ),
    over="this network and 7 recorded ones, each of the 18 positions",
)

# %% [markdown]
# ## Clean into corrupted, and corrupted into clean
#
# The experiment can be turned round: run the clean sequence, and let one part write what it wrote on the corrupted one.
# Clean into corrupted asks whether a part *suffices* to bring the answer back, and corrupted into clean whether it is *needed* to keep it.
# Where two parts do the same job, each suffices and neither is needed; where two parts must work together, each is needed and neither suffices.
#
# Here is the mean over seven seeds of the share, by lead and by accuracy, with the heads under the names that they have in the picture.

# %%
ways = [(m, d) for m in ("lead", "accuracy") for d in ("into corrupted", "into clean")]
heads = ["previous-token head", "other layer-0 head", "both layer-0 heads"]
heads += ["first layer-1 head", "second layer-1 head", "both layer-1 heads"]


def recorded_share(metric, direction, part, changed="before the answer"):
    values = []
    for seed, found in zip(seeds, evidence.results["patching"]):
        a, b = (int(np.argmax(score)) for score in seed["scores"].values())
        numbers = [f"layer0.head{a}", f"layer0.head{1 - a}", heads[2]]
        numbers += [f"layer1.head{b}", f"layer1.head{1 - b}", heads[5]]
        values.append(found[changed][metric][direction][numbers[heads.index(part)]])
    return np.array(values)


rows = [
    [part, *(float(recorded_share(*w, part).mean()) for w in ways)] for part in heads
]
header = ["part", "lead: into corrupted", "into clean"]
table([*header, "accuracy: into corrupted", "into clean"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
pair = heads[3:5]
accuracy_back, accuracy_lost = (
    np.array([recorded_share(*way, part) for part in pair]) for way in ways[2:]
)
claim(
    "By accuracy each head of layer 1 brings back more than 65 % of the answers, and what "
    "one brings back into the corrupted runs and the other costs in the clean ones are "
    "together all of them, to 2 %.",
    bool(
        (accuracy_back > 0.65).all()
        and (abs(accuracy_back + accuracy_lost[::-1] - 1) < 0.02).all()
    ),
    over="7 seeds, recorded, 64 pairs each, both heads",
)

# %% [markdown]
# So by accuracy these heads look like two that do the same job, each sufficient and neither needed; by lead each does its half.
# But do not count that as two findings.
# Where two heads carry everything, a clean run in which one of them is corrupted *is* a corrupted run in which the other is clean.
# So each column follows from the one beside it, with the heads exchanged; with a third part it would not.
#
# By lead the two columns of these heads are equal and their shares sum to one, because everything from these heads to the logits is linear.
# That is a gift of the last layer: in layer 0 the shares of two heads need not sum to one, and in the network of seed 4 they do not.

# %%
rows = []
for way in ("into corrupted", "into clean"):
    x, y = (float(recorded_share("lead", way, part)[4]) for part in heads[:2])
    rows.append([way, x, y, x + y])
table(["seed 4, by lead", *heads[:2], "sum"], rows, digits=2)

# %% [markdown]
# And the pair decides what can be found at all.
# If you change the token at position 6, the answer itself, instead of the one before it, layer 0 notes the same as ever, so there is nothing in its heads to bring back.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
both = "both layer-0 heads"
claim(
    "The heads of layer 0 bring back more than 95 % of the lead if the token before "
    "the answer was changed, and less than 20 % if the answer was.",
    bool(
        (recorded_share("lead", "into corrupted", both) > 0.95).all()
        and (recorded_share("lead", "into corrupted", both, "the answer") < 0.2).all()
    ),
    over="7 seeds, recorded, 64 pairs each",
)

# %% [markdown]
# ## Break it: the wrong kind of silence
#
# Does the network need to know where each token stands?
# Ablate the position embeddings, in all three ways, and count the right answers, which is what `repeat_accuracy` does.

# %%
rows = []
for kind in ("zero", "mean", "resample"):
    logits = ablate(
        model, tokens, "position", kind, generator=torch.Generator().manual_seed(3)
    )
    rows.append([kind, repeat_accuracy(logits, repeats)])
table(["ablation of the positions", "accuracy left"], rows, digits=1)

# %% [markdown]
# One experiment says that hardly anything works without positions, and two say that they do not matter at all.
# All three are right, but two of them could not have come out otherwise: position 7 is position 7 in every sequence, so the mean and the resampled part are what was there before.
# Whoever had picked the mean ablation, and reported one number, would have struck the positions off the list.
#
# Before you believe an effect of zero, ask whether the experiment could have found another.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "The part that writes the answer is the part that computes it."
# > **The heads of layer 0 write next to nothing into the answer, and without them there is none.** What a part writes is its direct effect alone.
# >
# > "What can be removed without loss does nothing."
# > **Each head of layer 1 writes half of the lead, and the other half is enough.** Ablate both before you call either of them idle, and look at the lead, not only at accuracy.
# >
# > "Ablation is ablation."
# > **Zero, mean and resampling ask different questions, and some of them cannot answer yours.** Say which one you used, and show a second.
# >
# > "Patching shows where a fact is stored, so that is where to edit it."
# > **Patching shows where information passes, for one kind of pair.** In a study of editing facts, what causal tracing had found said nothing about which layer was the best to edit {cite}`hase2023`.
#
# **Strengths**: patching and ablation are experiments, so they say what a part *does* and not what it looks like, and on a small network they are exact.
#
# **Limits**: the answer depends on the parts that you cut the network into, the kind of ablation, the metric and the pair; groups of parts that stand in for each other are too many to try; and a silenced part puts the network where it has never been.
#
# **Who is harmed when it fails**: people whom a model judges after "the heads that carry gender" were removed from it, because the audit that showed no effect used the same pairs as the search, and a spare head was never asked.
#
# **In production** take TransformerLens or nnsight, which reach into most open language models; the first has patching functions ready.

# %% [markdown]
# ## Check yourself
#
# **1.** You silence the heads of a layer one at a time, and each time nearly all answers stay right. Which of them may you cut out together?
#
# <details><summary>All of them, because none of them is needed.</summary>
#
# **Not so.** In `left` either head of layer 1 can be missed, and without both hardly an answer is right.
#
# </details>
#
# <details><summary>Those that write next to nothing to the answer, too.</summary>
#
# **Not so.** In the network of seed 4 both heads of layer 0 write next to nothing and either costs few answers, but without both (`both layer-0 heads`) hardly one is right.
#
# </details>
#
# <details><summary>None, before you have silenced them together.</summary>
#
# **Right.** Parts that can do the same job are each dispensable, and all of them together are not.
#
# </details>
#
# **2.** A part writes the same vector on every input, and the mean ablation shows no effect at all. What have you learnt about the part?
#
# <details><summary>That the network can do without this part.</summary>
#
# **Not so.** The part `position` shows no effect with `mean` either, and with `zero` most answers are lost.
#
# </details>
#
# <details><summary>Nothing, because it could not come out otherwise.</summary>
#
# **Right.** The mean of a constant is the constant, so the part was replaced by itself. Ask with zeros.
#
# </details>
#
# <details><summary>Little, so let resampling decide the matter.</summary>
#
# **Not so.** With `resample` the part `position` shows no effect, too: another input gives it the same vector.
#
# </details>
#
# **3.** Patched from clean into corrupted runs, one head brings most of the answers back. Is that head needed in the clean runs?
#
# <details><summary>That is another question: patch corrupted into clean.</summary>
#
# **Right.** To bring the answer back is to suffice. Others may suffice as well, and then the head is not needed.
#
# </details>
#
# <details><summary>Yes, because only the few other answers hang on the rest.</summary>
#
# **Not so.** By accuracy either head of layer 1 brings most answers back, and few are lost if one of them is corrupted (`into clean`).
#
# </details>
#
# <details><summary>No, because what suffices has spares and is never needed.</summary>
#
# **Not so.** By accuracy the `previous-token head` brings most answers back, and most are lost if it alone is corrupted.
#
# </details>

# %% [markdown]
# ## Exercise 1: sufficient or needed?
#
# *Easy, 10 minutes.*
# Two parts write 1 on the clean input and 0 on the corrupted one, and the answer is `gate(a, b)`, where `gate` is Python's `min` (both parts must work) or `max` (one is enough).
# Return the two shares of part `a`: clean into corrupted, which is what comes back of what corruption took, and corrupted into clean, which is what is lost of it.
#
# Hint: the clean run is `gate(1, 1)`, the corrupted one `gate(0, 0)`, and patching `a` changes the first argument only.


# %% tags=["exercise"]
def gate_shares(gate):
    """Return [share clean into corrupted, share corrupted into clean] of part a."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_gate_shares(attempt):
    answers = [attempt(min), attempt(max)]
    mistakes = {
        "You exchanged the directions: clean into corrupted starts from gate(0, 0).": [
            [1, 0],
            [0, 1],
        ],
        "The second share is what is lost, not what is left.": [[0, 0], [1, 1]],
        "You patched b and a together.": [[1, 1], [1, 1]],
        "What is lost is the clean score minus the patched one.": [[0, -1], [1, 0]],
    }
    check_answer(
        None if any(a is None or a is ... for a in answers) else answers,
        [[0, 1], [1, 0]],
        mistakes,
    )


check_gate_shares(gate_shares)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def gate_shares_solution(gate):
    gap = gate(1, 1) - gate(0, 0)
    back = gate(1, 0) - gate(0, 0)
    lost = gate(1, 1) - gate(0, 1)
    return [back / gap, lost / gap]


check_gate_shares(gate_shares_solution)
# Why: with min neither part suffices and each is needed, with max the other way round.
# So one direction alone calls a part of one of the two circuits useless.

# %% [markdown]
# ## Exercise 2: path patching
#
# *Medium, 20 minutes.*
# A head of layer 0 acts through the heads of layer 1, but through which of them?
# Silence the head with zeros, and let only *one* later part, the `reader`, notice; all other parts write what they wrote before.
# Return the mean lead over the sequences `tokens` that is lost that way, as a float.
#
# Hint: two runs with edits. The first tells you what the reader writes when the head is silent; in the second the reader is the only part that is edited, so the head itself speaks as ever. The metric is `lead` from above.


# %% tags=["exercise"]
def path_effect(head, reader):
    """Mean lead that is lost through `reader` when `head` is silent."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def means(values):
    return [float(v.mean()) for v in values]


head, readers = "layer0.head0", ["layer1.head0", "layer1.head1"]
original, before = run(model, tokens)
_, after = run(model, tokens, {head: torch.zeros_like})
# A second way: how much less a reader writes of the right token, by the unembedding.
less = [lead((before[r] - after[r]) @ model.unembedding.detach().T) for r in readers]
own = causal_effects(model, tokens, head, lead)
worth = [causal_effects(model, tokens, r, lead).total for r in readers]
wrong_paths = {
    "That is the lead that is left; asked for is what is lost.": means(
        [lead(original) - z for z in less]
    ),
    "What is lost is the old lead minus the new one.": means([-z for z in less]),
    "The head must speak as ever; only the reader is edited.": means(
        [z + own.direct for z in less]
    ),
    "That is the head's total effect: everything noticed.": means([own.total] * 2),
    "That is what the reader is worth: it was silenced itself.": means(worth),
    "That is the head's direct effect: nobody noticed.": means([own.direct] * 2),
    "Everyone but the reader noticed.": means([own.total - z for z in less]),
}


def check_path_effect(attempt):
    answers = [attempt(head, reader) for reader in readers]
    waiting = any(a is None or a is ... for a in answers)
    found = None if waiting else answers
    check_answer(found, means(less), wrong_paths, tolerance=1e-2)


check_path_effect(path_effect)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def path_effect_solution(head, reader):
    logits, before = run(model, tokens)
    _, after = run(model, tokens, {head: torch.zeros_like(before[head])})
    changed, _ = run(model, tokens, {reader: after[reader]})
    return float((lead(logits) - lead(changed)).mean())


check_path_effect(path_effect_solution)
# Why: only the reader's message differs, so what is lost went through it. The paths through
# both heads of layer 1 and the direct effect sum to the total, as what comes last is linear.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
one, many = (
    speed[f"map of 4 heads x 18 positions, {n}"] for n in ("1 pair", "64 pairs")
)
silent = speed["one head silenced, 1 sequence"]
apart = evidence.results["agreement"]["float64"]["shares of the map"]
Markdown(
    "The book's code knows one small architecture, where TransformerLens works in most "
    f"open models. With the same weights both draw the same map, to {apart:.0e}. "
    f"TransformerLens takes {silent:.1f} times as long as the book's code to silence a "
    f"head in one sequence, and for a map of 64 pairs {many:.1f} times; for a map of one "
    f"pair it is {one:.0f} times, because the book's takes all positions in one batch."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > Explainability is the ability of AI systems to provide clear and understandable explanations for their decisions and actions. To ensure
#
# There [the source](../../book/explainability.md) breaks off, before it names a technique; this page is the book's own completion.
#
# ## References
#
# Direct and indirect effects: {cite:t}`pearl2001`; in language models: {cite:t}`vig2020`.
# Patching: {cite:t}`geiger2021` (interchange interventions), {cite:t}`meng2022` (causal tracing); its choices: {cite:t}`zhang2024`; what it does not say about editing: {cite:t}`hase2023`.
# Induction heads: {cite:t}`elhage2021`, {cite:t}`olsson2022`.
# Parts that stand in for one another: {cite:t}`wang2023ioi` found backup heads in GPT-2 small, {cite:t}`mcgrath2023` compensating layers.
