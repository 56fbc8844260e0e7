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
# Error-correcting output codes (ECOC): many classes from yes-or-no learners, with one versus rest, one versus one and plain voting beside them.
#
# In 2004 the capsule Genesis came home from space, and its own electronics had to open the parachute as soon as redundant switches felt the air brake it.
# The switches had been drawn upside down, so they never closed, and the capsule hit the desert without a parachute {cite}`genesis2006`.
#
# **How many of your yes-or-no answers may be wrong before your decision is?**
#
# You meet the question whenever many outcomes are told apart by yes-or-no answers, because somebody has to put the answers together: support vector machines, threshold sensors, crowd workers, or a language model that is asked twenty questions about a document.
# How you put them together decides how many of them may lie.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | give every class a code word, train one learner per bit and decode wrong answers away; say how many wrong answers a design survives; recognise when a plain vote is better |
# | You need | NumPy, Matplotlib, scikit-learn; what a classifier is; no coding theory |
# | Time | 20 minutes to read, 35 for the exercises |
# | Code | `companion.robustness.output_codes` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from math import prod

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from sklearn.svm import SVC

from companion.datasets import digits
from companion.lesson import (
    COLOURS,
    check_answer,
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
    nearest_word,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Ten handwritten digits are to be told apart by fifteen learners that can only say yes or no.
# Then the wires of some learners are crossed, so that they say *yes* for *no* on every input.
#
# **Guess before you look**: if three of the fifteen lie like that, how many of a hundred digits are still read right?
# And how many, if there is one learner per digit that asks *is it mine?*, and one of the ten lies?

# %% mystnb={"figure": {"caption": "Share of handwritten digits read right, against the number of broken learners: the mean over ten seeds, bands from lowest to highest, recorded. Left: support vector machines that say yes or no; a broken one says the opposite. Right: decision trees; a broken tree of the vote names the next digit, a broken tree of the code says the opposite. Every choice of broken learners counts; where there are more than 1500, so many drawn at random.", "name": "fig-output-codes"}, "image": {"alt": "Two panels of accuracy against zero to four broken learners. Left: BCH words with 15 learners start at 0.98 and stay above 0.95 until three are broken, then fall to 0.75. One versus one with 45 learners starts a little higher and falls to 0.91 at the first. One versus rest with 10 learners falls from 0.96 to 0.45 at the first and on to 0.12. Three copies of it with 30 learners lie just below the BCH words up to three, and above all others at four with 0.89. Right: a plain vote of 15 trees stays level at 0.93, the BCH words fall from 0.93 to 0.56, one tree alone has 0.84."}} tags=["hide-input"]
evidence = recorded("robustness/output_codes")
yes_no, naming = (evidence.results[name]["accuracy"] for name in ("yes_no", "naming"))
styles = [
    ("BCH words", "blue", "o-", yes_no),
    ("one versus one", "green", "s--", yes_no),
    ("one versus rest, three times", "sky", "v-.", yes_no),
    ("one versus rest", "red", "^:", yes_no),
    ("plain vote", "orange", "D--", naming),
    ("BCH words", "blue", "o-", naming),
]
fig, panels = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True)
for name, colour, line, seen in styles:
    axes, row = panels[int(seen is naming)], seen[name]
    label = f"{name} ({row['learners']})"
    axes.plot(row["mean"], line, color=COLOURS[colour], label=label)
    axes.fill_between(
        range(5), row["low"], row["high"], color=COLOURS[colour], alpha=0.2, lw=0
    )
panels[1].axhline(
    naming["one tree"]["mean"][0], color=COLOURS["grey"], ls="--", label="one tree (1)"
)
for axes, title in zip(panels, ("Learners say yes or no", "Learners name the digit")):
    axes.set(xlabel="broken learners", ylim=(0, 1.02), xticks=range(5), title=title)
    axes.legend(loc="lower left", fontsize=9)
panels[0].set_ylabel("digits read right")
plt.show()

# %% [markdown]
# On the left, follow the blue line: three liars of fifteen hardly matter, and the fourth does.
# With one learner per digit the first liar already ruins the classifier, although that is the reduction most people would write.
# On the right the same code meets learners that can *name* the digit, and there a plain vote is the tougher design, because fifteen votes leave room for seven liars.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
bch = np.array(yes_no["BCH words"]["seeds"])  # (seed, broken learners)
rest = np.array(yes_no["one versus rest"]["seeds"])
claim(
    "Three liars cost the code less than a twentieth, and the fourth alone costs more; "
    "one liar costs one versus rest about half.",
    bool(
        (bch[:, 0] - bch[:, 3] < 0.05).all()
        and (bch[:, 3] - bch[:, 4] > 0.05).all()
        and (np.abs(rest[:, 0] - rest[:, 1] - 0.5) < 0.05).all()
    ),
    over="10 seeds, recorded; every choice of liars",
)

# %% [markdown]
# ## The idea on four classes: code words
#
# Give each of four classes a **code word** of seven bits, and train seven learners, one per column.
# The third, for example, learns to say *yes* to the classes 0 and 2 and *no* to the other two.

# %%
words = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 1],
        [0, 0, 1, 1, 0, 0, 1],
        [0, 1, 0, 1, 0, 1, 0],
    ]
)

# %% [markdown]
# Now comes an input of class 2, whose word is `0 0 1 1 0 0 1`, but the fourth learner errs.
# Count by hand in how many places each word differs from the answers.

# %%
answers = np.array([0, 0, 1, 0, 0, 0, 1])
differs = (words != answers).sum(axis=1)
table(["class", "differs in"], enumerate(differs.tolist()))

# %% [markdown]
# Class 2 wins with one difference against three, so the error has been corrected without anybody knowing where it was.
#
# ## The equation: the nearest word
#
# Let $C_{kj}$ be bit $j$ of the word of class $k$, and $b_j$ the answer of learner $j$.
# The decision is the class whose word differs in the fewest places:
#
# $$\hat{k} = \arg\min_k\; \big| \{ j : b_j \ne C_{kj} \} \big|.$$
#
# Let any two words differ in at least $d$ places, and let $t$ answers be wrong.
# Then the right word differs from the answers in $t$ places, and every other word in at least $d - t$, so the right one is nearer as long as $2 t < d$:
#
# $$t \le \Big\lfloor \frac{d - 1}{2} \Big\rfloor .$$
#
# That holds whatever the learners are and whichever of them err.


# %%
def decode(bits, words):
    decisions = []
    for answers in bits:
        differs = [(answers != word).sum() for word in words]
        decisions.append(np.argmin(differs))
    return np.array(decisions)


patterns = np.arange(128)[:, None] >> np.arange(7) & 1  # all answers there are
np.testing.assert_array_equal(decode(patterns, words), nearest_word(patterns, words))

# %% [markdown]
# The package does the same with one product of matrices, because $|b - c| = |b| + |c| - 2\,b \cdot c$.

# %%
show_source(nearest_word)

# %% [markdown]
# ## Where good words come from: a BCH code
#
# Words far apart are what coding theory has been collecting since 1950, so you need not search long.
# The BCH code of length 15 has 32 words, any two of which differ in at least seven places {cite}`bose1960`, so it survives three wrong answers.
# Ten of them are needed here.

# %%
code = choose_words(bch_15_5(), 10, np.random.default_rng(0))
rows = [[digit, " ".join(map(str, word))] for digit, word in enumerate(code)]
table(["digit", "word"], rows)

# %% [markdown]
# Not *any* ten will do, because two equal or opposite columns would put the same question to two learners.
# `choose_words` compares random picks and takes care of that.

# %%
show_source(choose_words)

# %% [markdown]
# Must they come from coding theory?
# Let the same search, with the same 2000 tries, pick from all 32,768 words of fifteen bits.

# %%
names = ("BCH words", "random words")
rows = []
for name in names:
    d = sorted(set(yes_no[name]["distance"]))
    rows.append([name, " or ".join(map(str, d)), *yes_no[name]["mean"]])
table(["best of 2000 picks; broken:", "distance", *range(5)], rows, digits=3)

# %% [markdown]
# For two liars the random words are nearly as good, and you also see why they stop being so: their distance is 5 or 6, which corrects two errors and not three.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
random = np.array(yes_no["random words"]["seeds"])
gap = (bch - random).mean(axis=0)
claim(
    "Up to two liars, random words chosen with equal effort stay within one percentage "
    "point of the BCH words on average; with three the BCH words are ahead each time.",
    bool((np.abs(gap[:3]) < 0.01).all() and (bch[:, 3] > random[:, 3]).all()),
    over="10 seeds, recorded",
)

# %% [markdown]
# ## Real data: handwritten digits and support vector machines
#
# A support vector machine separates two classes, so it is a yes-or-no learner by birth.
# Train fifteen of them, one per column, and let more and more of them lie about every test image.

# %%
data = digits()
model = ErrorCorrectingOutputCode(lambda bit: SVC(tol=1e-6), code)
bits = model.fit(data.X_train, data.y_train).bits(data.X_test)
rows = []
for liars in range(6):
    turned = bits.copy()
    turned[:, :liars] ^= 1
    right = (nearest_word(turned, code) == data.y_test).mean()
    rows.append([liars, f"{100 * right:.0f}"])
table(["liars of 15", "read right (%)"], rows)

# %% [markdown]
# Why does the code lose anything at all while three errors are free?
# Because the machines also make honest mistakes, and on a hard image these have used up part of the margin before the liars come.

# %%
show_source(ErrorCorrectingOutputCode)

# %% [markdown]
# ## The alternatives: one versus rest, one versus one
#
# One versus rest is a code, too.
# Its words have a single 1, so two of them differ in two places, and $t = 0$.
# A liar among its learners says *yes* to nearly everything and ties with the right one.
# Libraries therefore compare scores instead of bare answers, which reads more digits right, but a liar's score is then high nearly everywhere, and it wins alone.
#
# One versus one trains a learner for each of the 45 pairs of digits and takes a vote.
# scikit-learn does that for support vector machines.

# %%
rows = [
    [name, row["learners"], *row["mean"]]
    for name, row in yes_no.items()
    if name != "random words"
]
table(["broken:", "learners", *range(5)], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
pairs = np.array(yes_no["one versus one"]["seeds"])
claim(
    "One versus one reads more digits right than the code on average if no learner "
    "lies, and fewer each time if one does.",
    bool(pairs[:, 0].mean() > bch[:, 0].mean() and (pairs[:, 1] < bch[:, 1]).all()),
    over="10 seeds, recorded; every choice of the liar",
)

# %% [markdown]
# So if nothing ever breaks, take one versus one.
# The code is for you if answers may be plainly wrong, or if learners are expensive and classes are many: the fifteen columns have words for 32 classes, for which one versus one would need 496 learners.
# If you can afford three learners for each digit, each trained on rows of its own, their vote reads a little less than the code up to three liars and much more with the fourth; but these are thirty.
#
# ## Where a plain vote is better
#
# A decision tree can name the digit itself, and then there is nothing to reduce.
# Fifteen trees, each trained on rows drawn anew {cite}`breiman1996`, simply vote.
# Their vote is a code as well, over ten letters instead of two: the word of class $k$ is $k$ fifteen times, the distance is $d = 15$, and $t = 7$.
# A broken tree names the next digit here, which is hard on the vote, because all the liars agree.

# %%
rows = [[name, row["learners"], *row["mean"]] for name, row in naming.items()]
rows = [row + [""] * (7 - len(row)) for row in rows]
table(["decision trees; broken:", "learners", *range(5)], rows, digits=3)

# %% [markdown]
# Read the last line beside the second.
# The coded trees are much better than one tree, which looks like the merit of the code until you see the vote do it, too: it is the merit of asking fifteen different learners instead of one.
# The line in between has the cause removed: the same fifteen trees on the *same* rows are nearly one tree, and their vote gains little.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
vote, coded, same = (
    np.array(naming[name]["seeds"])
    for name in ("plain vote", "BCH words", "plain vote, same rows")
)
claim(
    "Sound, the vote is as good as the code on average; with one to four broken trees "
    "it is better each time. Trees on the same rows gain less than half as much.",
    bool(
        vote[:, 0].mean() > coded[:, 0].mean() - 0.005
        and (vote[:, 1:] > coded[:, 1:]).all()
        and 2 * (same[:, 0].mean() - naming["one tree"]["mean"][0])
        < vote[:, 0].mean() - naming["one tree"]["mean"][0]
    ),
    over="10 seeds, recorded; every choice of broken trees",
)

# %% [markdown]
# ## Break it: distance bought with copies
#
# If distance is what counts, it is cheap to have: write every column of one versus rest three times.

# %%
copied = np.repeat(np.eye(10, dtype=int), 3, axis=1)
minimum_distance(copied)  # corrects two errors

# %% [markdown]
# The table shows thirty trees made in three ways: copies with the same seed, copies with seeds of their own, and copies that also see other rows.

# %%
made = evidence.results["copies"]["accuracy"]
rows = [[name, row["learners"], *row["mean"]] for name, row in made.items()]
table(["one versus rest, trees; broken:", "learners", 0, 1], rows, digits=3)

# %% [markdown]
# Copies with the same seed are one tree three times over, so they make every mistake together and read not one digit more.
# They do outvote a liar among them, because a *fault* strikes one copy while a *mistake* strikes all.
# Distance protects from faults; only learners that err differently protect from mistakes.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
once, exact, other, drawn = (np.array(row["seeds"]) for row in made.values())
claim(
    "Three equal copies read exactly as many digits right as one, and lose less than "
    "0.02 to a liar where one loses a third; copies with other rows gain each time.",
    bool(
        (exact[:, 0] == once[:, 0]).all()
        and (np.abs(exact[:, 0] - exact[:, 1]) < 0.02).all()
        and (once[:, 0] - once[:, 1] > 1 / 3).all()
        and (drawn[:, 0] > other[:, 0]).all()
    ),
    over="10 seeds, recorded",
)

# %% [markdown]
# ## Break it: questions that are too hard
#
# A column of a code groups the classes as it likes.
# A learner that can only draw straight borders may tell every digit from the others and yet fail at *is it a 0, 3, 4 or 7?*

# %%
harder = evidence.results["harder_questions"]["accuracy"]
rows = [[name, row["learners"], row["mean"][0]] for name, row in harder.items()]
table(["logistic regression", "learners", "read right"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Logistic regression reads more digits right by itself than through BCH words.",
    min(harder["direct"]["low"]) > max(harder["BCH words"]["high"]),
    over="10 seeds, recorded: the worst of the one against the best of the other",
)

# %% [markdown]
# It is the questions, not the words: with the same kind of words the support vector machines above lost almost nothing, because their borders may bend.
#
# > **Often believed, and wrong**
# >
# > "An output code beats the direct classifier."
# > **Fifteen learners beat one.** Compare with fifteen direct classifiers that vote, and the advantage is gone.
# >
# > "A larger distance makes a more accurate classifier."
# > **Distance counts wrong answers, not the reasons for them.** Equal copies have distance and the same mistakes.
# >
# > "Three broken learners are harmless, because the code corrects three."
# > **It corrects three wrong bits per input.** What the learners get wrong by themselves counts as well.
# >
# > "The words must come from coding theory."
# > **A search among random words comes close.** A single random draw seldom does, so look at the distance before you train.
#
# **Strengths**: faults are survived without being found, the margin $t$ is a theorem that holds for every learner, and the distance to the nearest word warns of doubtful inputs (exercise 3).
#
# **Limits**: more learners with harder questions, and no promise any more when more than $t$ of them are wrong, for instance all for the same reason.
# At Genesis *all* switches were upside down, and no code and no vote decodes that.
#
# **Who is harmed when it fails**: people whose inputs all learners find hard together.
# If every learner saw the handwriting of one country, that of another may be misread in full agreement, and the code reports no doubt.
#
# **In production** take scikit-learn's `SVC` or `OneVsOneClassifier` where nothing breaks, `BaggingClassifier` where learners can name the class, and `OutputCodeClassifier` where random words will do; for words of your own, copy the class above.

# %% [markdown]
# ## Check yourself
#
# **1.** You ask a language model each yes-or-no question three times, with all randomness turned off, and take the majority of the answers. What does that protect you from?
#
# <details><summary>The model's mistakes, because two answers of three must be wrong.</summary>
#
# **Not so.** In `made` the three copies with the same seed read exactly as many digits right as one: they make each mistake together.
#
# </details>
#
# <details><summary>Nothing, because three equal answers are worth one.</summary>
#
# **Not so.** In the same table of `made` a liar cost the three copies next to nothing, and the single learners much of what they read.
#
# </details>
#
# <details><summary>Answers that are spoiled on their way to you.</summary>
#
# **Right.** A fault strikes one of the three copies, and the other two outvote it. A mistake is in all three, because the same learner made them.
#
# </details>
#
# **2.** To tell ten birds apart you may ask seven people to name the bird, or seven people one yes-or-no question each, with words that differ in at least three places. Which survives more liars?
#
# <details><summary>The questions, because a code corrects where a vote only counts.</summary>
#
# **Not so.** In `naming`, broken trees cost `plain vote` next to nothing and the code much.
#
# </details>
#
# <details><summary>The names, because three liars may agree and still lose.</summary>
#
# **Right.** Two different names differ in all seven places, so $t = 3$; with three places it is $t = 1$. A vote is a code, too, with the largest distance there is.
#
# </details>
#
# <details><summary>Both as many, because both rest on seven answers.</summary>
#
# **Not so.** What counts is in how many places two words differ: in `naming` both designs have fifteen trees, and with one to four of them broken the vote was ahead each time.
#
# </details>
#
# **3.** A filter has one detector per kind of harm and reports the kind whose score is highest. One detector breaks and now scores high where it should score low, and the other way round. Which reports are wrong?
#
# <details><summary>Most of them, because the broken detector wins nearly everywhere.</summary>
#
# **Right.** Most inputs are not of its kind, so that its score is high on most inputs. The highest score decides alone, and nobody outvotes it.
#
# </details>
#
# <details><summary>Those on its own kind of harm, and few others.</summary>
#
# **Not so.** In `yes_no` one liar of ten, decoded by score, cost most of all digits and not a tenth of them.
#
# </details>
#
# <details><summary>Few, because all the other scores stand against a single one.</summary>
#
# **Not so.** They do not add up against it: in `yes_no` one liar cost even more by score than by bare answers.
#
# </details>

# %% [markdown]
# ## Exercise 1: every question there is
#
# *Easy, 10 minutes.*
# The four words at the top contain every way to split four classes in two.
# Return such a code for `K` classes as an array with one row per class.
#
# Hint: write the numbers $2^{K-1}, \dots, 2^K - 2$ in binary, one per *column*; class 0 then has only ones.


# %% tags=["exercise"]
def every_question(K):
    """The (K, L) words of the code that asks every question once."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def shape(code):
    """Classes, learners, distance, and different questions of a code."""
    code = np.asarray(code, dtype=int)
    questions = np.unique(code ^ code[0], axis=1)
    return [*code.shape, minimum_distance(code), questions.shape[1]]


def check_every_question(attempt):
    sizes = (3, 4, 5, 6)
    all_columns = [np.arange(2**K) >> np.arange(K)[::-1, None] & 1 for K in sizes]
    half = [code[:, code.shape[1] // 2 :] for code in all_columns]
    every = [shape(code[:, :-1]) for code in half]
    mistakes = {
        "All numbers ask each question twice, the second time turned over, and two "
        "columns ask nothing.": [shape(code) for code in all_columns],
        "The last number is all ones, so nobody learns anything from that column.": [
            shape(code) for code in half
        ],
        "The numbers are the columns; you made them rows.": [
            shape(code[:, :-1].T) for code in half
        ],
    }
    codes = [attempt(K) for K in sizes]
    answer = None if codes[0] is None else [shape(code) for code in codes]
    check_answer(answer, every, mistakes)


check_every_question(every_question)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def every_question_solution(K):
    numbers = np.arange(2 ** (K - 1), 2**K - 1)
    return numbers >> np.arange(K)[::-1, None] & 1


check_every_question(every_question_solution)
# Why: of each question and its opposite only the one with a 1 for class 0 is kept, and
# two classes get different answers to 2^(K - 2) of them, which is the distance.

# %% [markdown]
# ## Exercise 2: broken and known to be
#
# *Medium, 15 minutes.*
# Suppose that you *know* which learners are broken, because they do not answer at all.
# Return the nearest word when the columns in `broken` are left out of the count.
#
# Hint: drop the columns from the answers *and* from the words; writing 0 into the answers is something else.


# %% tags=["exercise"]
def decode_without(bits, code, broken):
    """The row of `code` nearest to each row of `bits`, without the broken columns."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_decode_without(attempt):
    code, broken, kept = words.copy(), [1, 4, 6], [0, 2, 3, 5]
    silent = patterns.copy()
    silent[:, broken] = 0
    mistakes = {
        "You counted the broken columns as answers of 0.": decode(silent, code),
        "You kept the broken columns and left out the others.": decode(
            patterns[:, broken], code[:, broken]
        ),
        "Nothing was left out.": decode(patterns, code),
    }
    right = decode(patterns[:, kept], code[:, kept])
    check_answer(attempt(patterns, code, broken), right, mistakes)


check_decode_without(decode_without)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def decode_without_solution(bits, code, broken):
    bits = np.delete(bits, broken, axis=1)
    return nearest_word(bits, np.delete(code, broken, axis=1))


check_decode_without(decode_without_solution)
# Why: leaving out e columns leaves words that differ in at least d - e places, so up
# to d - 1 known faults can be survived, twice as many as unknown ones.

# %% [markdown]
# ## Exercise 3: the right to refuse
#
# *Medium, 10 minutes.*
# Return -1 instead of a class where the answers differ from the nearest word in more than `t` places.
#
# Hint: `(bits[:, None] != code).sum(axis=2)` holds all differences, one row per input.


# %% tags=["exercise"]
def decode_or_refuse(bits, code, t):
    """The row of `code` nearest to each row of `bits`, -1 if farther than `t`."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_decode_or_refuse(attempt):
    differs = (patterns[:, None] != words).sum(axis=2)
    far, nearest = differs.min(axis=1), differs.argmin(axis=1)
    mistakes = {
        "Exactly t wrong answers are corrected; refuse only above t.": far >= 1,
        "You refuse the near ones and keep the far ones.": far <= 1,
        "Nothing was refused.": far < 0,
        "You compared with the farthest word.": differs.max(axis=1) > 1,
    }
    mistakes = {why: np.where(no, -1, nearest) for why, no in mistakes.items()}
    right = np.where(far > 1, -1, nearest)
    check_answer(attempt(patterns, words, 1), right, mistakes)


check_decode_or_refuse(decode_or_refuse)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def decode_or_refuse_solution(bits, code, t):
    differs = (bits[:, None] != code).sum(axis=2)
    return np.where(differs.min(axis=1) > t, -1, differs.argmin(axis=1))


check_decode_or_refuse(decode_or_refuse_solution)
# Why: answers farther than t from every word cannot come from t errors or fewer. The
# converse fails: d - t errors or more may lead into the ball of t around a wrong word.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]["sklearn_over_ours"]
agreement = evidence.results["agreement"]
Markdown(
    "The book's class is less able than scikit-learn's `OutputCodeClassifier`, which "
    "also decodes scores and trains in parallel; with the same words and trees "
    f"scikit-learn takes {speed['fit']:.2f} times as long to train and "
    f"{speed['predict']:.2f} times as long to predict, and of "
    f"{agreement['decisions']} decisions without a tie "
    f"{agreement['decisions_that_differ']} differ."
)

# %% tags=["hide-output"]
rows = [[name, value] for name, value in agreement.items()]
rows += [[f"scikit-learn's time / ours, {k}", f"{v:.2f}"] for k, v in speed.items()]
table(["15 bits, decision trees", ""], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# scikit-learn draws its words by tossing coins, once, and you cannot hand it better ones.
# What distance do ten such words of fifteen bits have, and how often do two classes share one word, so that they can never be told apart?

# %%
books = evidence.results["random_books"]
shared = 1 - prod(1 - i / 2**15 for i in range(10))
rows = [["random books", *books["by_distance"]]]
table([f"of {books['books']}; distance:", *range(len(rows[0]) - 1)], rows)

# %%
Markdown(
    f"Two of ten classes share a word with probability {shared:.5f}, that is in "
    f"{shared * books['books']:.0f} of {books['books']} books on average; "
    f"in those drawn it were {books['by_distance'][0]}."
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
spread = np.sqrt(books["books"] * shared * (1 - shared))
claim(
    "No random book reaches the distance 7 of the BCH words, and as many have two "
    "equal words as the formula says, within three standard deviations.",
    bool(
        len(books["by_distance"]) <= 7
        and abs(books["by_distance"][0] - shared * books["books"]) < 3 * spread
    ),
    over="20,000 books, recorded, drawn as scikit-learn draws them",
)

# %% [markdown]
# Look at `code_book_` before you trust a fitted `OutputCodeClassifier`.
#
# ## What the source says
#
# > **Error Correction**: Developing AI systems that can correct errors and inaccuracies.
#
# It gives no method and no listing.
# Codes usually protect *data*, as in [Error correction](error_correction.ipynb); here a code protects *decisions*.
#
# ## References
#
# Output codes: {cite:t}`dietterich1995`; decoders for scores, and codes with pairs: {cite:t}`allwein2000`.
# The BCH code: {cite:t}`bose1960`; trees that vote, each with rows of its own: {cite:t}`breiman1996`.
# What happened: {cite:t}`genesis2006`.
