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
# # Mechanistic interpretability
#
# Induction heads, direct logit attribution and the logit lens, in a transformer that is trained on this page.
#
# In 2023 researchers asked ChatGPT to repeat one word for ever, and after a while it stopped repeating and wrote out pieces of its training data instead {cite}`nasr2023`.
# Two years later others opened language models that have this fault, found the parts that go wrong, built a new attack from what they had seen, and removed the fault by a patch to those parts alone {cite}`yona2025`.
#
# **How does a transformer copy what it has read, and what do you gain by seeing it?**
#
# You need the answer when a model passes all of your tests and you must still say where it will fail.
# On this page you do with a tiny transformer what they did with large ones: you find the parts at work, predict from them an input on which the model fails completely, and mend it.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | take a transformer apart into what each part writes, recognise an induction head and tell it from a look-alike, and predict a failure from where a head looks |
# | You need | PyTorch, Matplotlib; what an embedding, a logit, a softmax and attention (heads, queries, keys, values) are |
# | Time | 30 minutes to read, 25 for the exercises |
# | Code | `companion.explainability.mechanistic_interpretability` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown
from torch.nn.functional import linear

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
evidence = recorded("explainability/mechanistic_interpretability")

# %% [markdown]
# ## The answer in a picture
#
# Draw a random word of 8 to 20 different tokens out of 32, and write it down again and again until 40 tokens are full.
# Whoever has seen the word once can continue it.
# The next cell trains two transformers to do so, which differ only in that one has two layers of attention and the other has one.


# %%
def transformer(layers, **words):
    generator = torch.Generator().manual_seed(0)
    model = AttentionOnlyTransformer(32, 40, generator, layers=layers)
    return fit_repeats(model, seed=0, **words)


two, one = transformer(layers=2), transformer(layers=1)

# %% [markdown]
# **Guess before you look**: two layers continue every word.
# How often is one layer right, if a token of the word, taken at random, is right 8 times in 100?

# %% mystnb={"figure": {"caption": "Left: where a head of layer 0 looks, and where a head of layer 1 looks, while the model reads a word of 12 tokens three times; darker is more attention. Right: how often the next token is predicted where it can be known; each dot is one training, with its own random numbers (recorded); 5\u00d7 is five times as long, also at a third and at three times the learning rate.", "name": "fig-induction"}, "image": {"alt": "Three panels. In the first, a dark line runs just below the diagonal down to position 20 and then dissolves. In the second, from position 12 on, a dark line runs 11 positions below the diagonal. In the third, five dots for two layers lie at 100 percent; all dots for one layer, also when trained longer, at other learning rates or made wider, lie between 18 and 34 percent, above a dashed line at 8 percent."}} tags=["hide-input"]
drawn = repeated_sequences(500, torch.Generator().manual_seed(2000))
other = repeated_sequences(200, torch.Generator().manual_seed(1000))
looks = attention_patterns(two, other.tokens)  # to choose the heads by
back = int(previous_token_score(looks, last=19)[0].argmax())
copy = int(induction_score(looks, other.tokens)[1].argmax())
seen = int((drawn.period == 12).nonzero()[0])
looks = attention_patterns(two, drawn.tokens[seen : seen + 1])[:, 0]
dots = {"2 layers": [s["accuracy"] for s in evidence.results["seeds"]]}
for row, name in zip(
    evidence.results["one layer"],
    (
        "1 layer",
        "5× as long",
        "5×, rate ÷ 3",
        "5×, rate × 3",
        "2× as wide",
        "wide, long",
    ),
):
    dots[name] = [r["accuracy"] for r in row["results"]]
chance = evidence.results["seeds"][0]["random copy"]
fig, panels = plt.subplots(1, 3, figsize=(10, 3.6), width_ratios=[1, 1, 1.15])
for panel, image, title in (
    (panels[0], looks[0, back], "Layer 0: one token back"),
    (panels[1], looks[1, copy], "Layer 1: what came next"),
):
    panel.imshow(image[:37, :37], cmap="Blues", vmin=0, vmax=1)
    panel.set(xlabel="position looked at", ylabel="position that looks")
    panel.set_title(title)
    panel.grid(visible=False)
for place, (name, values) in enumerate(dots.items()):
    colour = COLOURS["blue" if place == 0 else "red"]
    panels[2].plot([place] * len(values), [100 * v for v in values], "o", color=colour)
panels[2].axhline(100 * chance, ls="--", color=COLOURS["grey"])
panels[2].text(6.1, 100 * chance - 6, "random token of the word", ha="right", size=9)
panels[2].set_xticks(range(7), dots, rotation=40, ha="right")
panels[2].set(ylabel="next token right (%)", ylim=(0, 105))
panels[2].set_title("Two layers against one")
plt.show()

# %% [markdown]
# On the left, the head of the first layer looks one token back, and it stops doing so at position 20; keep that in mind.
# The head beside it reads the word for the second time from position 12 on, and each position looks 11 back, which is where the token stood that came *next* the first time; from position 24 on it mostly looks there again, 23 back.
# A head that does that is called an **induction head** {cite}`elhage2021`.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
single = [v for name, values in dots.items() if name != "2 layers" for v in values]
claim(
    "Two layers are right more than 99 times in 100; one layer stays below 40, also if it "
    "trains five times as long, at three learning rates, or is twice as wide with twice "
    "the heads, or is wide and trains long.",
    min(dots["2 layers"]) > 0.99
    and max(single) < 0.4
    and repeat_accuracy(run(two, drawn.tokens)[0], drawn) > 0.99
    and repeat_accuracy(run(one, drawn.tokens)[0], drawn) < 0.4,
    over="5 seeds for two layers and for one, 3 for longer and for wider, 2 for each other "
    "rate, 1 for wide and long; recorded, the first of them live on this page",
)

# %% [markdown]
# One layer has not stopped learning where the record ends, and it gets further if it is wider still or the words are shorter, as you will see below.
# What is proved is a bound on size, for a more general task: to name what followed the present token the last time, in long sequences of any kind, one layer must be exponentially larger than two layers need to be {cite}`sanford2024`.
#
# ## The idea on four tokens: induction by hand
#
# You have read 7, 3, 9 and 7 again, so what comes next?
# Proceed in two steps.
# First, every position writes down which token stood just before it.
# Then the present token, 7, looks for the position whose note says 7, and copies the token that stands *there*.

# %%
word = [7, 3, 9, 7]
note = [None, *word[:-1]]  # step 1, layer 0: what stood just before
[word[s] for s in range(4) if note[s] == word[-1]]  # step 2, layer 1

# %% [markdown]
# The second step reads the notes of the first one, so it must come later, and the heads of one layer all work at the same time.
# Without the notes, a 7 can find the earlier 7, but not the 3 behind it.
#
# ## The equation: a transformer is a sum
#
# A transformer keeps a list of numbers for each position, the **residual stream** $x$, and every part only adds to it.
# It starts with the token's embedding and the position's, and head $h$ adds what it has found:
#
# $$\begin{gathered}
# x \leftarrow x + \sum_h A_h\,(x W_V^h + b_V^h)\,W_O^h + b_O, \\
# A_h = \operatorname{softmax}\!\big(Q_h K_h^{\mathsf T} / \sqrt d\big).
# \end{gathered}$$
#
# $A_h$ is the head's **attention**: row $t$ says where position $t$ looks, and it is zero for everything later than $t$.
# Queries $Q_h$, keys $K_h$ and values $x W_V^h + b_V^h$ are linear in $x$ and $d$ numbers wide; $W_O^h$ carries what was found back to the stream's width, and $b_O$ is the layer's bias.
# At the end the logits are read off by one more linear map, $x\,W_U^{\mathsf T} + b_U$.
# Our transformer has nothing else, no layers of neurons and no normalisation.


# %%
def plain(model, tokens):
    """Logits of one sequence, head by head."""
    x = model.embedding[tokens] + model.position[: len(tokens)]
    later = torch.ones(len(tokens), len(tokens), dtype=bool).triu(1)
    for W, b, W_O, b_O in zip(model.W_qkv, model.b_qkv, model.W_out, model.b_out):
        Q, K, V = (x @ W.T + b).chunk(3, dim=1)
        x = x + b_O
        for q, k, v, w in zip(*(m.chunk(model.heads, dim=1) for m in (Q, K, V, W_O))):
            A = (q @ k.T / q.shape[1] ** 0.5).masked_fill(later, -torch.inf).softmax(1)
            x = x + A @ v @ w.T
    return x @ model.unembedding.T + model.bias


with torch.no_grad():
    same = plain(two, drawn.tokens[0]) - two(drawn.tokens[:1])[0]
assert same.abs().max() < 1e-3  # float32, logits around 20

# %% [markdown]
# Because every part only adds, you can keep what each of them wrote.
# The package's `run` returns that beside the logits, for all heads at once, and it can put something else in the place of a part.

# %%
logits, parts = run(two, drawn.tokens)
final = sum(parts.values())
assert (final @ two.unembedding.T + two.bias - logits).abs().max() < 1e-3
list(parts)

# %%
show_source(run)

# %% [markdown]
# ## A standard test: random tokens, repeated
#
# Which heads do what?
# The test that is used on large models, too, is the one that this model was trained on: random tokens that repeat, so that nothing but the repetition can help {cite}`olsson2022`.
# Two numbers per head tell where it looks, both means over sequences and positions $t$ of attention $A_{ts}$.
#
# - The **previous-token score** is the attention to $s = t - 1$.
#   It is measured up to position 19, because no later note is ever needed, as you will work out below.
# - The **induction score** is the attention to all $s$ with $x_{s-1} = x_t$, which is what followed the present token earlier.

# %%
looks = attention_patterns(two, drawn.tokens)
assert looks.shape == (2, 500, 2, 40, 40)  # layers, sequences, heads, t, s
looks_back = previous_token_score(looks, last=19)  # layers, heads
looks_after = induction_score(looks, drawn.tokens)
looks_back.amax(dim=1) > 0.5, looks_after.amax(dim=1) > 0.5

# %% [markdown]
# The first layer has a head that spends more than half of its attention one token back, and the second one that spends it on what came next.
# One training could be luck, so here are the scores of five, with those of the same models before they had learnt anything.

# %%
rows = []
for s in evidence.results["seeds"]:
    before = s["scores before training"]
    untaught = [max(map(max, before[k])) for k in ("previous token", "induction")]
    first, second = s["scores"]["previous token"][0], s["scores"]["induction"][1]
    rows.append([s["seed"], *first, untaught[0], *second, untaught[1]])
header = ["seed", "one back: 0.0", "0.1", "untrained", "induction: 1.0", "1.1"]
table([*header, "untrained"], rows, digits=2)

# %% [markdown]
# The columns are named layer.head, and "untrained" is the best of all four heads before training.
# In every training the first layer has at least one head that looks back, and both heads of the second are induction heads.
# In some trainings both heads of the first layer look back, so "the" previous-token head is not always one.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
chosen = [s["chosen"] for s in evidence.results["seeds"]]
backs, copies = ([c[k] for c in chosen] for k in ("previous token", "induction"))
alone = [
    r["induction"] for row in evidence.results["one layer"] for r in row["results"]
]
claim(
    "The head that looks back most stands in the first layer and the one that looks at what "
    "came next in the second, with more than 75 and 90 % of their attention; no head of one "
    "layer pays that place more than 20 %.",
    all(b["layer"] == 0 and b["score"] > 0.75 for b in backs)
    and all(c["layer"] == 1 and c["score"] > 0.9 for c in copies)
    and max(alone) < 0.2
    and float(looks_after[1, copy]) > 0.9
    and float(looks_back[0, back]) > 0.75,
    over="5 seeds of two layers and 16 trainings of one, recorded, the first live; heads "
    "chosen on 200 sequences, measured on 500 others",
)

# %% [markdown]
# ## Direct logit attribution: who writes the answer?
#
# The logits are linear in the residual stream, and the stream is a sum, so the logits are a sum as well:
#
# $$\text{logits} = \sum_{\text{parts}} \text{part}\; W_U^{\mathsf T} + b_U.$$

# %%
written = direct_logit_attribution(two, drawn.tokens)
assert (sum(written.values()) - logits).abs().max() < 1e-3
written["layer1.head0"].shape  # sequences, positions, tokens

# %% [markdown]
# The table shows how far each part lifts the right next token above the mean of all tokens, where it can be known.

# %%
leads = [s["lead"] for s in evidence.results["seeds"]]
rows = []
for name in leads[0]:
    values = [round(lead[name], 1) + 0.0 for lead in leads]
    rows.append([name, min(values), max(values)])
table(["part", "least of 5 seeds", "most"], rows, digits=1)

# %% [markdown]
# Both induction heads write the answer, and no other part adds more than a trace.
# Do not conclude that the first layer is idle: its notes are read by the second layer, and only the *direct* way to the logits is counted here.
# Nor is it a discovery that the parts add up to the logits, because they do so for every weight that there could be, also before training.
# Whether the model *uses* a part you learn only by changing it, which is the subject of the next lesson, [Activation patching](activation_patching.ipynb).

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
heads = ("layer1.head0", "layer1.head1")
rest = [abs(v) for lead in leads for name, v in lead.items() if name not in heads]
blank = AttentionOnlyTransformer(32, 40, torch.Generator().manual_seed(0))
total = sum(direct_logit_attribution(blank, drawn.tokens).values())
claim(
    "Either head of the second layer lifts the right token by more than 5, every other part "
    "by less than 0.2; and the parts of an untrained model sum to its logits just as well.",
    min(lead[h] for lead in leads for h in heads) > 5
    and max(rest) < 0.2
    and bool((total - run(blank, drawn.tokens)[0]).abs().max() < 1e-5),
    over="5 seeds, recorded; the untrained model of the first seed on 500 sequences",
)

# %% [markdown]
# ## The logit lens: what if the model stopped here?
#
# You can also read the logits off the stream before it is finished, which is called the **logit lens** {cite}`nostalgebraist2020`.

# %%
[round(repeat_accuracy(early, drawn), 1) for early in logit_lens(two, drawn.tokens)]

# %% [markdown]
# After the embedding and after the first layer the lens sees nothing, and after the second everything.
# Yet half of the work was done by then: a note of what stood before is no prediction, so a lens that looks for predictions does not show it.
#
# ## Break it: a word that starts too late
#
# The head that looks back stopped at position 20, and you can work out why.
# A word of $p$ tokens is repeated for the first time at positions $t = p$ to $2p - 1$, and what comes next stands at $t - p + 1$, so not later than $p$.
# The last prediction is made at position 38, so it stands not later than $39 - p$ either.
# For words of 8 to 20 tokens that is at most 19, and in later rounds the first one can be read again, so no model ever had to copy from a later place.
# If that is the reason, other words and other lengths must move the point.

# %%
goes = evidence.results["lets go"]
rows = [[g["longest word"], g["length"], g["needed"], *g["last"]] for g in goes]
header = ["longest word", "sequence", "latest place needed"]
table([*header, "looks back up to: seed 0", "seed 1"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The first layer looks one token back no further than to the latest place from which a "
    "copy was needed in training, and stops at most two positions earlier.",
    all(0 <= g["needed"] - last <= 2 for g in goes for last in g["last"])
    and min(min(g["accuracy"]) for g in goes) > 0.95,
    over="four kinds of training, 2 seeds each, recorded",
)

# %% [markdown]
# Now predict a failure.
# Put twelve other tokens first, then a word of 14 twice, so that it stands at positions 12 to 25.
# The model must copy from positions 13 to 25, but from 20 on nobody writes down what stood before.
#
# **Guess before you go on**: up to which of these positions does it copy rightly?

# %%
order = torch.rand(500, 32, generator=torch.Generator().manual_seed(12)).argsort(dim=1)
late = torch.cat([order[:, :26], order[:, 12:26]], dim=1)  # 12, then 14 twice


def right(edits=None, further=0):
    """For the positions 13 to 25 to copy from: how often the copy is the token so much further on."""
    best = run(two, late, edits)[0].argmax(dim=2)[:, 26 : 39 - further]
    return (best == late[:, 27 + further :]).double().mean(dim=0)


# %% [markdown]
# To be sure of the cause, remove it: let the heads of the first layer write from position 20 on what they *would* write if they looked one token back.
# A head's values are the last of the three blocks of `W_qkv`, 24 rows for each head, so you can compute that, and `run` computes everything after it anew.
# The control makes them look two tokens back instead; if the notes are the cause, the model will then copy the token that stands one place further on.

# %%
_, parts = run(two, late)
stream = parts["embedding"] + parts["position"]
after = (torch.arange(40) >= 20)[:, None]


def looking(h, distance):
    """What head h of layer 0 writes, but from position 20 on looking back so far."""
    rows, columns = slice(96 + 24 * h, 120 + 24 * h), slice(24 * h, 24 * h + 24)
    values = linear(stream, two.W_qkv[0, rows], two.b_qkv[0, rows])
    write = (values @ two.W_out[0][:, columns].T).detach().roll(distance, dims=1)
    return torch.where(after, write, parts[f"layer0.head{h}"])


mended, control = (
    {f"layer0.head{h}": looking(h, distance) for h in (0, 1)} for distance in (1, 2)
)

# %% mystnb={"figure": {"caption": "How often the next token is copied rightly, against the position that it has to be copied from: as the model is, with the heads of layer 0 made to look one token back from position 20 on, and made to look two back, where the dotted line counts the token one place further on. The bars show how much attention the first layer pays to the token just before, at that position.", "name": "fig-late-word"}, "image": {"alt": "Against positions 13 to 25. Grey bars of attention are near one up to 19 and near zero from 20. The line of the model as it is lies at 100 percent up to 19 and at 0 from 20 on. The line of the mended model lies near 100 percent everywhere. The line of the control falls to almost 0 from position 19 on, and the dotted line of the token one place further on rises to almost 100 there."}} tags=["hide-input"]
source = torch.arange(13, 26)
paid = attention_patterns(two, late)[0].diagonal(-1, -2, -1).mean(dim=0).amax(dim=0)
paid = paid[source - 1]
as_is, mend, two_back = right(), right(mended), right(control)
further = right(control, further=1)
fig, axes = plt.subplots(figsize=(8, 3.6))
axes.bar(source, 100 * paid, color="#dddddd", label="attention one back")
axes.plot(source, 100 * as_is, "o-", color=COLOURS["red"], label="as it is")
axes.plot(
    source, 100 * mend, "s-", color=COLOURS["blue"], label="made to look one back"
)
axes.plot(source, 100 * two_back, "x--", color=COLOURS["black"], label="two back")
axes.plot(source[:-1], 100 * further, "x:", color=COLOURS["black"], label="one further")
axes.set(xlabel="position to copy from", ylabel="copied, and attention (%)")
axes.set(ylim=(-4, 119))
axes.set_xticks(range(13, 26, 2))
axes.legend(ncols=5, loc="upper center", fontsize=9, columnspacing=1, handlelength=1.6)
plt.show()

# %% [markdown]
# The model falls from all right to all wrong from one position to the next, just where its first layer stops looking back.
# The control does not just break it: the model copies what the false notes point to, one place further on. (At 19 two notes name the same token, the true one there and a false one at 20.)
# A test on sequences like those of the training cannot show that, because none of them needs a later place.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
lates = evidence.results["late words"]
cases = [(s["after 12"]["accuracy"], s["after 12"]["previous token"]) for s in lates]
cases.append((as_is.tolist(), paid.tolist()))
claim(
    "Up to position 19, where the first layer looks back, the copy is right more than 95 "
    "times in 100; from 20 on, where it does not, fewer than 5 times.",
    all(min(a[:7]) > 0.95 and max(a[7:]) < 0.05 for a, _ in cases)
    and all(min(p[:7]) > 0.8 and max(p[7:]) < 0.2 for _, p in cases)
    and all(min(s["after 4"]["accuracy"]) > 0.95 for s in lates),
    over="each of the 13 positions, 5 seeds, recorded, the first live; with 4 tokens before "
    "the word instead of 12 everything is right",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
made = [s["made to look"] for s in lates]
good = [m["both heads, one back"] for m in made] + [mend.tolist()]
bad = [m["both heads, two back"] for m in made] + [two_back.tolist()]
beyond = [s["two back, the token one further on"] for s in lates] + [further.tolist()]
claim(
    "Made to look one token back, the first layer lets the model copy from position 20 on, "
    "more than 90 times in 100; made to look two back, it lets it copy the token one place "
    "further on instead, also more than 90 times.",
    min(v for g in good for v in g[7:]) > 0.9
    and max(v for b in bad for v in b[7:]) < 0.05
    and min(v for b in beyond for v in b[7:]) > 0.9,
    over="positions 20 to 25, for the token further on to 24; 5 seeds, recorded, the first "
    "live",
)

# %% [markdown]
# ## Break it: a score without the mechanism
#
# Train one layer on words that all have 14 tokens, and measure it on such words.

# %%
counting = transformer(layers=1, shortest=14, longest=14)
rows = []
for name, span in (("14", (14, 14)), ("8 to 20", (8, 20))):
    generator = torch.Generator().manual_seed(3000)
    d = repeated_sequences(500, generator, shortest=span[0], longest=span[1])
    A = attention_patterns(counting, d.tokens)[0]  # sequences, heads, t, s
    after = induction_score(A, d.tokens)
    before = A.diagonal(-13, -2, -1)[..., 1:15]  # s = t - 13, for t = 14 to 27
    before = before.mean(dim=(0, 2))
    says = ["yes" if score.max() > 0.8 else "no" for score in (after, before)]
    share = repeat_accuracy(run(counting, d.tokens)[0], d)
    rows.append([name, share, *says])
table(["words of", "right", "what came next", "13 back"], rows, digits=1)

# %% [markdown]
# The two columns on the right say whether a head spends more than 80 % of its attention on what came next, and whether one spends as much on the place 13 positions back, at positions 14 to 27.
# By the first of them, which is the induction score, this single layer has an induction head, and its accuracy is perfect.
# But on words of other lengths it goes on looking 13 positions back, whatever stands there.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
period = evidence.results["one period"]
claim(
    "Trained on one length, one layer is right more than 99 times in 100 with an induction "
    "score above 0.8; on other lengths it is right as rarely as a random token of the word, "
    "fewer than 15 times.",
    all(
        p["accuracy"][0] > 0.99
        and p["induction"][0] > 0.8
        and p["accuracy"][1] < 0.15
        and p["induction"][1] < 0.15
        for p in period
    ),
    over="5 seeds, recorded, the first of them live on this page",
)

# %%
short, wide = evidence.results["short words"], evidence.results["one wide layer"]
values = [
    100 * min(s["accuracy"] for s in short),
    100 * max(s["random copy"] for s in short),
]
Markdown(
    "One layer is not helpless either: on words of 4 to 8 tokens out of 16 it is right at "
    f"least {values[0]:.0f} times in 100, where a random token of the word would be right "
    f"{values[1]:.0f} times (3 seeds, recorded). And with four times the width and the "
    f"heads it is right {100 * wide['accuracy']:.0f} times in 100 on words of 8 to 20 after "
    "1000 steps (1 seed, recorded)."
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "A head with an induction score near one is an induction head."
# > **The score says where a head looks on these sequences, not by what it finds the place.** The layer that counted 13 back scored as high, so vary what a look-alike could use.
# >
# > "The parts add up to the logits, so we know which parts the model uses."
# > **The sum is an identity and holds for random weights, too.** It shows who writes the answer, and is silent about those on whose notes the writers depend.
# >
# > "The lens shows nothing yet, so nothing has happened yet."
# > **The lens shows predictions only.** The first layer's notes are half of the work and look like nothing.
# >
# > "One layer cannot do induction."
# > **One layer of this size did not learn it here.** The theorem bounds the size from below, and on short words, or if it is wide, one layer gets far.
#
# **Strengths**: the decomposition is exact, costs one pass, and led here to a prediction that no test on training-like data would have made.
#
# **Limits**: most of a large model's parts have no such clean role, and a score finds only what it was written for. Layers of neurons count as further parts; where there is normalisation, the logits are a sum only as long as you hold its scale fixed.
#
# **Who is harmed when it fails**: people whose letters a model copies from its context to a stranger, while its makers trust a picture of attention that looked right on the sequences they drew.
#
# **In production** take TransformerLens or nnsight for models with pretrained weights; both record and replace parts as `run` does.

# %% [markdown]
# ## Check yourself
#
# **1.** All your test texts repeat themselves after the same number of tokens, and on them a head has an induction score near one. Does it look for the present token and take what followed?
#
# <details><summary>Yes, because to look there is what the score measures.</summary>
#
# **Not so.** A head of `counting` has a high `induction_score` on words of 14, and it looks 13 back, whatever stands there.
#
# </details>
#
# <details><summary>Yes, if the model also continues these texts without an error.</summary>
#
# **Not so.** `counting` is right on nearly all words of 14, and on other lengths as rarely as a random token of the word.
#
# </details>
#
# <details><summary>Perhaps: only texts that repeat after other numbers can tell.</summary>
#
# **Right.** If the number never varies, what followed the present token stands at a fixed distance, and a head that counts looks there as well.
#
# </details>
#
# **2.** The logit lens sees nothing of the answer before the last of twelve layers. Which of the eleven others may you leave out?
#
# <details><summary>All of them, because the answer is made in the last one.</summary>
#
# **Not so.** The `logit_lens` sees nothing after the first layer of `two` either, and where that layer stops looking back, `right` falls to almost nothing.
#
# </details>
#
# <details><summary>Those that write nothing to the answer by direct attribution.</summary>
#
# **Not so.** By `leads` the heads of the first layer write next to nothing to the answer, and where they stop looking back hardly a copy is right.
#
# </details>
#
# <details><summary>None, before you have changed them and looked at the answer.</summary>
#
# **Right.** An early layer may write notes that a later one reads, which are no predictions and do not reach the logits by themselves.
#
# </details>
#
# **3.** In training, a model never had to copy anything from the second half of its context, and it passes all tests on such texts. Now the passage to be copied stands there. What do you expect?
#
# <details><summary>It copies rightly, because it looks for tokens and not for places.</summary>
#
# **Not so.** In `late` the word stands at places from which nothing had to be copied, within the 40 positions, and from 20 on hardly a copy is right.
#
# </details>
#
# <details><summary>It may fail outright; look up to which place its heads write notes.</summary>
#
# **Right.** Nothing in training rewarded notes for places from which nothing was copied, and no test of that kind asks for them.
#
# </details>
#
# <details><summary>It gets a little worse with each position farther into that half.</summary>
#
# **Not so.** `as_is` falls from nearly all right to nearly all wrong from one position to the next.
#
# </details>

# %% [markdown]
# ## Exercise 1: how good is a random copy?
#
# *Easy, 10 minutes.*
# A word of $p$ tokens is repeated until `length` tokens are full, and $p$ is each of 8, 9, ..., 20 equally often.
# At every position from $p$ to `length - 2` somebody names a token of the word at random.
# Return how often that is right, over all of these positions of all words together.
#
# Hint: a short word has more such positions than a long one, so it counts more.


# %% tags=["exercise"]
def random_copy(length):
    """Share of right guesses over all positions of all words of 8 to 20 tokens."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
p = torch.arange(8, 21).double()


def weighted(count):
    """The share of right guesses if a word of p tokens has so many positions."""
    return float((count / p).sum() / count.sum())


wrong_copies = {
    "That is a random token of the vocabulary, but the guess comes from the word.": 1
    / 32,
    "Every word counts the same in yours; a short word has more positions.": float(
        (1 / p).mean()
    ),
    "A mean of 1/p is not one over the mean of p.": 1 / 14,
    "The last position has no next token: there are length - 1 - p positions.": weighted(
        40 - p
    ),
    "From p to length - 2 there are length - 1 - p positions, not one fewer.": weighted(
        38 - p
    ),
}


def check_random_copy(attempt):
    check_answer(attempt(40), weighted(39 - p), wrong_copies)


check_random_copy(random_copy)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def random_copy_solution(length):
    periods = range(8, 21)
    positions = [length - 1 - p for p in periods]
    right = [n / p for n, p in zip(positions, periods)]
    return sum(right) / sum(positions)


check_random_copy(random_copy_solution)
# Why: each guess among p different tokens is right once in p times, and a word of p has
# 39 - p positions. That is the dashed line of the first figure, and not 1/32.

# %% [markdown]
# ## Exercise 2: the induction score, by loops
#
# *Medium, 15 minutes.*
# You have the attention `A` of one head on one sequence, `A[t][s]` from position `t` to position `s`, and the sequence's tokens `x`.
# For every position `t` whose token has occurred earlier, add up the attention to the positions `s` from 1 to `t` that come just after an earlier occurrence of that token.
# Return the mean over these positions `t`.
#
# Hint: `s` comes just after an earlier occurrence if `x[s - 1] == x[t]` and `s - 1 < t`.


# %% tags=["exercise"]
def induction_by_loops(A, x):
    """Mean attention to what followed the present token, over tokens that repeat."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
x = torch.tensor([3, 5, 3, 3, 5, 4, 3, 5])
A = torch.rand(8, 8, generator=torch.Generator().manual_seed(1)).double().tril()
A = A / A.sum(dim=1, keepdim=True)
same = (x[:, None] == x).tril(-1)  # t, earlier s
after = same.roll(1, dims=1)
order, wrapped = after.cumsum(dim=1), after.clone()
wrapped[:, 0] = x == x[-1]
last, first = after & (order == order[:, -1:]), after & (order == 1)
mistakes = {
    "You took the earlier occurrence itself; what counts is just after it.": same,
    "You took the last earlier occurrence only, but all of them count.": last,
    "You took the first occurrence only, but all earlier ones count.": first,
    "s may be t itself, where a token stands twice in a row.": after.tril(-1),
    "Begin with s = 1: for s = 0, x[s - 1] is the last token.": wrapped,
}
total, repeats = float((A * after).sum()), after.any(dim=1)
each = (A * after).sum(dim=1)[repeats] / after.sum(dim=1)[repeats]
wrong_loops = {
    "You divided by all positions; only those whose token repeats count.": total / 8,
    "You divided by the number of pairs; divide by that of positions t.": total
    / int(after.sum()),
    "Add the attention of a position up; you took its mean.": float(each.mean()),
}
for why, places in mistakes.items():
    wrong_loops[why] = float((A * places).sum() / places.any(dim=1).sum())


def check_induction_by_loops(attempt):
    check_answer(
        attempt(A.tolist(), x.tolist()), total / int(repeats.sum()), wrong_loops
    )


check_induction_by_loops(induction_by_loops)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def induction_by_loops_solution(A, x):
    total, count = 0.0, 0
    for t in range(len(x)):
        after = [s for s in range(1, t + 1) if x[s - 1] == x[t]]
        total += sum(A[t][s] for s in after)
        count += len(after) > 0
    return total / count


check_induction_by_loops(induction_by_loops_solution)
# Why: a token that is new has nothing that followed it, so its position says nothing about
# the head. Summing over all earlier occurrences lets the head choose which one it reads.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]
agreement = evidence.results["agreement"]
gap = agreement["largest difference"]["logits"]
Markdown(
    "The book's transformer knows no pretrained weights, no layers of neurons and no "
    "normalisation, where TransformerLens knows dozens of families of models. On the same "
    f"small model with the same weights it takes {speed[0]['ratio']:.1f} times as long as "
    f"the book's code for the least favourable task ({speed[0]['name']}) and "
    f"{speed[-1]['ratio']:.1f} times for the most favourable; the logits, which reach "
    f"{agreement['largest logit']:.0f}, differ by at most {gap:.0e} in float32."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in speed]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
rows = [[k, f"{v:.0e}"] for k, v in agreement["largest difference"].items()]
rows += [
    [
        "contributions, summed, and logits",
        f"{max(s['gap'] for s in evidence.results['seeds']):.0e}",
    ],
    [
        "the same in float64",
        f"{max(s['gap in float64'] for s in evidence.results['seeds']):.0e}",
    ],
]
table(["what was compared", "largest difference"], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# The source's section on explainability breaks off in the middle of a sentence, before it names a technique:
#
# > To ensure
#
# So this page, like the whole [chapter](../../book/explainability.md), is the book's own completion.
#
# ## References
#
# The transformer as a sum, attribution and induction heads: {cite:t}`elhage2021`, then {cite:t}`olsson2022`; why one layer must be larger: {cite:t}`sanford2024`.
# The logit lens: {cite:t}`nostalgebraist2020`.
# Circuits in networks of vision, before them: {cite:t}`olah2020`.
# What happened: {cite:t}`nasr2023`, {cite:t}`yona2025`.
