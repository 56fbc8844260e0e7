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
# # Output codes
#
# A classifier made of many yes-or-no learners keeps its accuracy when some of them break.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | give every class a code word, train one learner per bit, decode wrong answers away, and tell faults that a code survives from mistakes that it does not |
# | You need | NumPy, and to have trained a classifier once; no coding theory |
# | Time | 20 minutes to read, 35 for the exercises |
# | Code | `companion.robustness.output_codes` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
import companion

# %% tags=["hide-input"]
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binom
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from companion.lesson import (
    COLOURS,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.robustness.output_codes import (
    ErrorCorrectingOutputCode,
    bch_15_5,
    choose_words,
    minimum_distance,
)

figure_style()

# %% [markdown]
# ## What the source says
#
# > **Error Correction**: Developing AI systems that can correct errors and inaccuracies.
#
# It gives no method and no listing.
# Codes usually protect *data* on the way from one place to another, as in [error correction](error_correction.ipynb).
# Here a code sits inside the classifier and protects its *decisions* {cite}`dietterich1995`.

# %% [markdown]
# ## The idea on four classes
#
# Four classes get a word of seven bits each.
# Any two words differ in four places.

# %%
words = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 1],
        [0, 0, 1, 1, 0, 0, 1],
        [0, 1, 0, 1, 0, 1, 0],
    ]
)
claim("The least distance is 4.", minimum_distance(words) == 4)

# %% [markdown]
# Seven **learners** are trained, one per column.
# The third, say, learns to answer *yes* for the classes 0 and 2, and *no* for 1 and 3.
#
# Now an input of class 2 comes, whose word is `0 0 1 1 0 0 1`.
# One learner errs, and the answers are `0 0 1 0 0 0 1`.
# In how many places does each word differ from them?

# %%
answers = np.array([0, 0, 1, 0, 0, 0, 1])
places = (words != answers).sum(axis=1)
table(["class", "differs in"], enumerate(places.tolist()))

# %%
claim(
    "The word of class 2 is the nearest, by a clear margin.",
    places[2] == 1 and np.delete(places, 2).min() == 3,
)

# %% [markdown]
# That holds for every word and every single error.

# %%
single = words[:, None] ^ np.eye(7, dtype=int)  # (class, wrong learner, bit)
nearest = (single[:, :, None] != words).sum(axis=3).argmin(axis=2)
claim(
    f"All {nearest.size} single errors are decoded to the right class.",
    (nearest == np.arange(4)[:, None]).all(),
)

# %% [markdown]
# In general let $C_{kj}$ be bit $j$ of the word of class $k$, and $f_j(x)$ the answer of learner $j$.
# The decision is the class with the fewest differences:
#
# $$\hat{y}(x) = \arg\min_k\; \big| \{ j : f_j(x) \ne C_{kj} \} \big|$$
#
# If any two words differ in at least $d$ places, then up to $t = \lfloor (d - 1) / 2 \rfloor$ wrong answers never change a decision: the right word is still nearer than half-way.

# %%
show_source(ErrorCorrectingOutputCode)

# %% [markdown]
# ## A code for ten classes
#
# Where do good words come from?
# From coding theory: the BCH code of length 15 has 32 words, any two at least $d = 7$ apart {cite}`bose1960`.
# So $t = 3$ of 15 learners may be wrong.
#
# Ten of its words are needed, and not any ten.
# Two *columns* that are equal, or opposite, would train two learners on one and the same problem.

# %%
show_source(choose_words)

# %%
code = choose_words(bch_15_5(), 10, np.random.default_rng(10))
columns = np.vstack([code.T, 1 - code.T])  # each column and its opposite
rows = [[digit, " ".join(map(str, word))] for digit, word in enumerate(code)]
table(["digit", "word"], rows)

# %%
claim(
    f"Two words differ in at least {minimum_distance(code)} of 15 places.",
    minimum_distance(code) == 7,
)
claim(
    f"Two columns differ in at least {minimum_distance(columns)} of 10 digits, "
    "also if one is turned over.",
    minimum_distance(columns) >= 2,
)

# %% [markdown]
# ## On handwritten digits
#
# The data are 1797 scanned digits of 8 by 8 pixels.
# The learners are decision trees.
# Against them stand one tree that names the digit directly, and **one versus rest**: ten learners, one per digit, each asking "is it mine?".
#
# Five seeds; each draws the split, the code and the trees anew.

# %%
images, digits = load_digits(return_X_y=True)


def trained(seed, code):
    """Coded trees with the answers to the test digits, and the digits they are."""
    x, test, y, truth = train_test_split(
        images, digits, test_size=0.3, random_state=seed, stratify=digits
    )
    tree = DecisionTreeClassifier(random_state=seed)
    model = ErrorCorrectingOutputCode(tree, code).fit(x, y)
    direct = tree.fit(x, y).score(test, truth)
    return model, model.bits(test), truth, direct


# %%
seeds, bch, rest = range(10, 15), {}, {}
for s in seeds:
    chosen = choose_words(bch_15_5(), 10, np.random.default_rng(s))
    bch[s] = trained(s, chosen)
    rest[s] = trained(s, np.eye(10, dtype=int))

# %%
rows = []
for s in seeds:
    coded, apart = ((m.decode(b) == y).mean() for m, b, y, _ in (bch[s], rest[s]))
    rows.append([s, bch[s][3], apart, coded])
table(["seed", "direct tree", "one versus rest", "BCH words"], rows, digits=3)

# %%
claim(
    "The coded trees beat the direct tree by at least 0.05 in each of five seeds.",
    all(coded > direct + 0.05 for _, direct, _, coded in rows),
)
claim(
    "One versus rest never beats the direct tree by as much.",
    all(apart < direct + 0.05 for _, direct, apart, _ in rows),
)

# %% [markdown]
# The guarantee can be watched: count the wrong bits of every test digit.

# %%
within = mistaken = 0
for model, bits, truth, _ in bch.values():
    wrong_bits = (bits != model.code[truth]).sum(axis=1)
    within += int((wrong_bits <= 3).sum())
    mistaken += int(((wrong_bits <= 3) & (model.decode(bits) != truth)).sum())
claim(
    f"Of {within} digits with at most three wrong bits, {mistaken} were misread.",
    mistaken == 0 and within > 2000,
)

# %% [markdown]
# ## When learners break
#
# Now something worse than a mistake: a learner's wire is crossed, and it says *yes* for *no* on every input.
#
# **Guess first**: ten learners in one versus rest, fifteen in the code.
# One of them is inverted.
# How much of the accuracy goes in each?
#
# Which one breaks is not left to chance: the mean is taken over *every* choice.


# %%
def accuracy(model, bits, truth, inverted):
    """Mean accuracy over every choice of that many inverted learners."""
    hits = []
    for broken in combinations(range(bits.shape[1]), inverted):
        turned = bits.copy()
        turned[:, broken] ^= 1
        hits.append((model.decode(turned) == truth).mean())
    return np.mean(hits)


# %% [markdown]
# A third competitor shows what the words are worth: fifteen bits per digit by coin toss.


# %%
def coin_words(rng):
    """Fifteen random bits per digit; no two words equal, no column constant."""
    while True:
        words = rng.integers(0, 2, (10, 15))
        constant = (words == words[0]).all(axis=0).any()
        if minimum_distance(words) > 0 and not constant:
            return words


# %%
coins = {s: trained(s, coin_words(np.random.default_rng(s))) for s in seeds}

# %%
live = {}
for name, fitted in (("bch", bch), ("random", coins), ("one_versus_rest", rest)):
    live[name] = np.array(
        [[accuracy(*fitted[s][:3], k) for k in range(3)] for s in seeds]
    )
direct = np.mean([bch[s][3] for s in seeds])

# %% tags=["hide-input"] mystnb={"image": {"alt": "Accuracy on handwritten digits against the number of inverted learners, from zero to four. BCH words start highest, at 0.93, and fall slowly, to 0.75 with three inverted. Random words run a little below. One versus rest starts at 0.81 and falls at once to 0.41, then to 0.12. A dashed line at 0.84 is a single direct tree; BCH words stay above it up to two inverted learners."}, "figure": {"caption": "Accuracy with inverted learners, exact over every choice of them. Lines and bands: mean, lowest and highest of ten recorded seeds. Crosses: mean of five other seeds, run here.", "name": "fig-output-codes"}}
evidence = recorded("robustness/output_codes")
inverted = evidence.results["inverted_bits"]
kinds = {
    "bch": ("BCH words, 15 learners", "blue", "o"),
    "random": ("random words, 15 learners", "orange", "s"),
    "one_versus_rest": ("one versus rest, 10 learners", "red", "^"),
}
fig, axes = plt.subplots(figsize=(7, 4.4))
for name, (label, colour, marker) in kinds.items():
    seen, k = inverted["accuracy"][name], inverted["inverted"]
    paint = COLOURS[colour]
    axes.fill_between(k, seen["low"], seen["high"], color=paint, alpha=0.2, lw=0)
    axes.plot(k, seen["mean"], color=paint, marker=marker, label=label)
    axes.plot(range(3), live[name].mean(axis=0), "x", color="black", markersize=9)
tree = inverted["accuracy"]["direct_tree"]["mean"][0]
axes.axhline(tree, color=COLOURS["grey"], linestyle="--", label="one direct tree")
axes.set(xlabel="inverted learners", ylabel="accuracy", xticks=k, ylim=(0, 1))
axes.legend(loc="lower left", fontsize=10)
plt.show()

# %%
now = {name: values.mean(axis=0) for name, values in live.items()}
then = {name: np.array(inverted["accuracy"][name]["mean"]) for name in kinds}
rows = [[kinds[name][0].split(",")[0], *then[name]] for name in kinds]
header = [f"{inverted['seeds']} seeds; inverted:", *map(str, range(5))]
table(header, rows, digits=3)

# %% [markdown]
# Each claim below holds for the five seeds here and for the ten recorded ones.

# %%
for name, sample in (("here", now), ("recorded", then)):
    code_lost, rest_lost = (
        sample[kind][0] - sample[kind][1] for kind in ("bch", "one_versus_rest")
    )
    claim(
        f"One inverted learner costs the code {code_lost:.2f} of its accuracy, "
        f"one versus rest {rest_lost:.2f} ({name}).",
        code_lost < 0.05 and rest_lost > 0.3,
    )

# %%
claim(
    f"With two of fifteen inverted the code reads {then['bch'][2]:.3f} right, "
    f"no worse than a sound direct tree with {tree:.3f}.",
    then["bch"][2] >= tree and now["bch"][2] >= direct,
)
claim(
    "Words from coding theory beat random ones with any number inverted.",
    (then["bch"] > then["random"]).all() and (now["bch"] > now["random"]).all(),
)

# %% [markdown]
# Two words of one versus rest differ in two places only: $d = 2$, so $t = 0$.
# A learner that is inverted says *yes* to nearly everything, and ties with the right one.
# In practice one versus rest compares scores instead of bare answers, which settles ties; but an inverted learner then has a high score nearly everywhere, and wins.
#
# Why does the code lose anything at all, if three wrong bits are free?
# Because the trees make mistakes of their own, and these use the margin up first.

# %% [markdown]
# ## Break it
#
# If distance is all that counts, it is cheap to have.
# Take one versus rest, and write every column three times.


# %%
copied = np.repeat(np.eye(10, dtype=int), 3, axis=1)
claim(
    f"Thirty learners, distance {minimum_distance(copied)}: two errors corrected.",
    minimum_distance(copied) == 6,
)

# %% [markdown]
# Train them as before.

# %%
copies = {s: trained(s, copied) for s in seeds}
once, thrice = (
    np.array([(m.decode(b) == y).mean() for m, b, y, _ in fitted.values()])
    for fitted in (rest, copies)
)
claim(
    f"Three times the learners read {thrice.mean():.3f} right, as before: "
    f"{once.mean():.3f}, in every seed the same.",
    (once == thrice).all(),
)

# %% [markdown]
# The three copies saw the same data and the same question, so they make the same mistakes.
# Against a *fault* that strikes one of them they do help; against what they all got wrong, not at all.

# %%
crossed = np.mean([accuracy(*copies[s][:3], 1) for s in seeds])
claim(
    f"With one of thirty inverted they still read {crossed:.2f}; "
    f"one versus rest alone read {now['one_versus_rest'][1]:.2f}.",
    crossed > once.mean() - 0.02 and crossed > now["one_versus_rest"][1] + 0.3,
)

# %% [markdown]
# Even different questions do not make learners independent.
# If each bit were wrong by chance alone, how often would more than three of fifteen be wrong?

# %%
expected, seen = [], []
for model, bits, truth, _ in bch.values():
    wrong = bits != model.code[truth]
    expected.append(binom.sf(3, 15, wrong.mean()))
    seen.append((wrong.sum(axis=1) > 3).mean())
claim(
    f"By chance {100 * np.mean(expected):.1f} % of digits would have more than "
    f"three wrong bits; {100 * np.mean(seen):.1f} % have.",
    all(s > 2 * e for s, e in zip(seen, expected)),
)

# %% [markdown]
# A badly written digit is hard for all learners at once.
# That is the **common cause** which no formula for independent faults knows of.

# %% [markdown]
# > **You should know**
# >
# > *An output code beats the direct classifier.* With trees here, yes.
# > With logistic regression it is clearly worse, as the next claim shows.
# >
# > *A larger distance is a better code.* Only if the columns are different problems: copies add distance and nothing else.
# >
# > *Three wrong learners are harmless.* Three wrong *bits* of one input are.
# > Learners that err by themselves have used up part of the margin.
# >
# > *Random words are good enough.* Often, but the distance is then luck.

# %%
logistic = evidence.results["logistic_regression"]
plain, coded = logistic["direct"], logistic["bch"]
claim(
    f"Logistic regression reads {plain['mean'][0]:.3f} of the digits directly, "
    f"but only {coded['mean'][0]:.3f} with BCH words ({logistic['seeds']} seeds).",
    coded["high"][0] < plain["low"][0],
)

# %% [markdown]
# One digit can mostly be told from the other nine by a weighted sum of pixels.
# A bit of the code asks for something odder, such as the first column above: *is it a 6, 7, 8 or 9?*
# A tree can ask several questions for that; a single weighted sum often cannot.
#
# **Strengths**: faults of learners are survived without being found first, and the distance to the nearest word warns of doubtful inputs (exercise 3).
#
# **Limits**: more learners, harder questions for each, and no help against what all of them get wrong.
#
# **Who is harmed when it fails**: people whose inputs all learners find hard together.
# If every learner was trained on the handwriting of one country, that of another may be misread in full agreement, and the code reports no doubt.

# %% [markdown]
# ## How it compares
#
# scikit-learn has the same method, `OutputCodeClassifier`.
# With *its* words and the same trees it must decide as ours does, unless two words are equally near; there ours takes the first.

# %%
agreement, speed = evidence.results["agreement"], evidence.results["speed"]
ratio = speed["sklearn_over_ours"]
rows = [["decisions compared", agreement["decisions"]]]
rows += [["of these different", agreement["decisions_that_differ"]]]
rows += [["ties, not compared", agreement["ties_not_compared"]]]
rows += [[f"sklearn's time / ours, {k}", f"{v:.2f}"] for k, v in ratio.items()]
table(["15 bits, decision trees, digits", ""], rows)

# %%
evidence

# %%
claim(
    f"None of {agreement['decisions']} decisions differs.",
    agreement["decisions_that_differ"] == 0,
)
claim("The times are about equal.", all(0.8 < v < 1.25 for v in ratio.values()))

# %% [markdown]
# scikit-learn draws its words at random, and they cannot be handed in.
# What distance do they have?

# %%
books = evidence.results["random_codes"]
counts = books["codes_by_distance"]
rows = [["random books", *counts]]
header = [f"{books['seeds']} seeds; distance:", *map(str, range(len(counts)))]
table(header, rows)

# %%
claim(
    f"None reaches the {books['bch_distance']} of the BCH words, "
    f"and in {counts[0]} of them two classes share one word.",
    len(counts) <= books["bch_distance"] and counts[0] > 0,
)

# %% [markdown]
# In production use `OutputCodeClassifier` if random words will do, and check `code_book_` for its distance.
# With words of your own, copy the class above.
# First of all, compare with the direct classifier.

# %% [markdown]
# ## Exercise 1: every question there is
#
# *Easy, 10 minutes.*
# The four words at the top contain every way to split four classes in two.
# Build such a code for $K$ classes: how long are its words, and what is its distance?
#
# Hint: write the numbers $2^{K-1}, \dots, 2^K - 2$ in binary, one per column.
# Who takes all $2^K$ numbers gets each question twice, once turned over, and two constant columns that ask nothing.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
shapes = []
for K in range(3, 8):
    numbers, places = np.arange(2 ** (K - 1), 2**K - 1), np.arange(K)[::-1, None]
    splits = numbers >> places & 1
    shapes.append((K, splits.shape[1], minimum_distance(splits)))
claim(
    "$2^{K-1} - 1$ columns give distance $2^{K-2}$, for $K$ from 3 to 7.",
    all(L == 2 ** (K - 1) - 1 and d == 2 ** (K - 2) for K, L, d in shapes),
)

# %% [markdown]
# ## Exercise 2: broken, silent or lying?
#
# *Medium, 15 minutes.*
# Three of the fifteen learners fail.
# Compare three ways: they answer the opposite, they always answer 0, or they are known to be broken and left out of the count.
#
# Hint: every choice of three, as in `accuracy`.
# To leave columns out, drop them from the answers *and* from the words; setting the answers to 0 is the second way, not the third.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
means = []
for model, bits, truth, _ in bch.values():
    hits = []
    for broken in combinations(range(15), 3):
        opposite, stuck = bits.copy(), bits.copy()
        opposite[:, broken] ^= 1
        stuck[:, broken] = 0
        kept = np.delete(bits, broken, axis=1)[:, None]
        words = np.delete(model.code, broken, axis=1)
        left = (kept != words).sum(axis=2).argmin(axis=1)
        read = (model.decode(opposite), model.decode(stuck), left)
        hits.append([(answer == truth).mean() for answer in read])
    means.append(np.mean(hits, axis=0))
lying, silent, known = np.mean(means, axis=0)
claim(
    f"Opposite {lying:.2f}, stuck {silent:.2f}, left out {known:.2f}: "
    "to know a fault is worth most.",
    all(a < b < c for a, b, c in means),
)

# %% [markdown]
# ## Exercise 3: the right to refuse
#
# *Medium, 10 minutes.*
# Let the classifier refuse an input whose answers differ from the nearest word in more than $t = 3$ places.
# How many does it refuse, and how right is it on the others?
#
# Hint: the distance to the nearest word is `(bits[:, None] != model.code).sum(axis=2).min(axis=1)`.
# That no refusal happens does not mean that the answer is right: four wrong bits can lie within three of another word.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
refused, kept, before = [], [], []
for model, bits, truth, _ in bch.values():
    far = (bits[:, None] != model.code).sum(axis=2).min(axis=1) > 3
    hit = model.decode(bits) == truth
    refused.append(far.mean())
    kept.append(hit[~far].mean())
    before.append(hit.mean())
claim(
    f"It refuses {100 * np.mean(refused):.0f} % and reads {np.mean(kept):.3f} "
    f"of the rest right, instead of {np.mean(before):.3f} of all.",
    all(k > b + 0.02 for k, b in zip(kept, before)),
)

# %% [markdown]
# ## References
#
# Output codes: {cite:t}`dietterich1995`; other decoders for them: {cite:t}`allwein2000`.
# The BCH code: {cite:t}`bose1960`.
