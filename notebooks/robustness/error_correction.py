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
# # Error correction
#
# A few added symbols let wrong ones be found and put right, up to a limit; this lesson also shows what happens beyond it.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | add check symbols to data, correct what a noisy channel did to them, say how often that fails, and tell a refusal from a confident mistake |
# | You need | NumPy and a little probability; no algebra of finite fields |
# | Time | 35 minutes to read, 35 for the exercises |
# | Code | `companion.robustness.error_correction` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
import companion

# %% tags=["hide-input"]
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from companion.lesson import COLOURS, claim, figure_style, recorded, show_source, table
from companion.robustness.error_correction import (
    LinearCode,
    ReedSolomon,
    crc32,
    failure_probability,
    hamming,
    miscorrection_rate,
    repetition,
    secded,
)

figure_style()

# %% [markdown]
# ## What the source says
#
# > **Error Correction**: Developing AI systems that can correct errors and inaccuracies.
#
# It has no listing for this technique.
# Nothing can be corrected without something to compare it with.
# This lesson takes the case that is solved exactly: symbols that are stored or sent, and come back changed.
# The weights of a network are such symbols.

# %% [markdown]
# ## The idea on seven bits
#
# Send every bit three times, and let the majority decide, like the [voting computers](fault_tolerance.ipynb).
# That corrects one wrong copy, and triples the cost.
#
# Richard Hamming found something cheaper {cite}`hamming1950`.
# Number seven places from 1 to 7.
# Places 3, 5, 6 and 7 carry the message; places 1, 2 and 4 are **parity bits**, chosen so that each of three checks counts an even number of ones:
#
# | check | places it counts |
# | :--- | :--- |
# | 1 | 1, 3, 5, 7 |
# | 2 | 2, 3, 6, 7 |
# | 4 | 4, 5, 6, 7 |
#
# Take the message 1011.
# Check 1 sees places 3, 5, 7 with 1, 0, 1, so place 1 must be 0.
# In the same way place 2 is 1 and place 4 is 0.

# %%
code = hamming(3)
word = code.encode([1, 0, 1, 1])
word

# %% [markdown]
# Now flip place 5.
# Checks 1 and 4 count it, and fail; check 2 does not.
# And $1 + 4 = 5$.

# %%
received = word.copy()
received[5 - 1] ^= 1  # Python counts from 0
code.syndrome(received), code.decode(received)

# %% [markdown]
# The failed checks spell the address of the error.
# The decoder returned the message, and says that it changed one bit.

# %%
messages = np.arange(16)[:, None] >> np.arange(4) & 1  # all 16
flipped = code.encode(messages)[:, None] ^ np.eye(7, dtype=np.uint8)  # (16, 7, 7)
decoded, corrected = code.decode(flipped)
claim(
    f"In all {corrected.size} cases the failed checks spell the place.",
    (code.syndrome(flipped) == np.arange(1, 8)).all(),
)
claim("And the message comes back right.", (decoded == messages[:, None]).all())

# %% [markdown]
# ## Distance, and what it buys
#
# A **code word** is a word that may be sent.
# The **distance** of two words is the number of places in which they differ.
# If any two code words have a distance of at least $d$, then up to
#
# $$t = \lfloor (d - 1) / 2 \rfloor$$
#
# wrong symbols leave the sent word nearer than any other.
# A code with $n$ symbols for $k$ symbols of message is written $(n, k)$, and $k/n$ is its **rate**.
#
# Write the checks as the rows of a matrix $H$ of zeros and ones.
# A code word $c$ satisfies $H c = 0$, counting modulo 2.
# If the error $e$ is added, the receiver sees $y = c + e$ and computes the **syndrome**
#
# $$H y = H c + H e = H e.$$
#
# It depends on the error alone.
# So the decoder is a table from syndromes to the errors with at most $t$ ones.
# A syndrome that is not in the table means: *something is wrong, and I cannot say what*.

# %%
show_source(LinearCode, hamming)

# %% [markdown]
# Let each bit be wrong with probability $p$, independently of the others.
# More than $t$ of $n$ are wrong with probability
#
# $$P = \sum_{j > t} \binom{n}{j} p^j (1 - p)^{n - j}.$$

# %%
show_source(failure_probability)

# %% [markdown]
# What happens to one code word happens to all, because the syndrome does not know which was sent.
# So the whole truth about a short code is a sum over its $2^n$ errors.


# %%
def outcomes(code, p):
    """Chance of a wrong message, and of a refusal, over all errors."""
    errors = np.arange(2**code.n)[:, None] >> np.arange(code.n) & 1
    ones = errors.sum(axis=1)
    chance = p**ones * (1 - p) ** (code.n - ones)
    message, corrected = code.decode(errors)  # zero was sent
    refused = corrected < 0
    wrong = message.any(axis=1) & ~refused
    return chance[wrong].sum(), chance[refused].sum()


# %% [markdown]
# Four bits are to be sent over a channel that spoils one bit in a hundred.

# %%
p = 0.01
single = outcomes(repetition(3), p)[0]
rows = [
    ["none", 4, 100 * (1 - (1 - p) ** 4), 0.0],
    ["three copies", 12, 100 * (1 - (1 - single) ** 4), 0.0],
    ["Hamming (7, 4)", 7, *(100 * np.array(outcomes(hamming(3), p)))],
    ["SECDED (8, 4)", 8, *(100 * np.array(outcomes(secded(4), p)))],
]
header = ["code", "bits sent", "% wrong", "% refused"]
table(header, rows, digits=4)

# %% [markdown]
# The last row, explained in a moment, costs one bit more than Hamming's code and is wrong far less often, because it may refuse.

# %%
both = sum(outcomes(secded(4), p)), failure_probability(8, 1, p)
claim(
    "Hamming's code fails less than twice as often as three copies, with 7 bits for 12.",
    rows[2][2] < 2 * rows[1][2],
)
claim(
    f"The eighth bit makes silent mistakes {rows[2][2] / rows[3][2]:.0f} times rarer.",
    rows[2][2] > 30 * rows[3][2],
)
claim("Wrong and refused add up to the formula.", abs(both[0] - both[1]) < 1e-15)

# %% [markdown]
# ## One error more
#
# Hamming's code has $d = 3$, so $t = 1$.
# **Guess first**: two bits are wrong; what does its decoder say?

# %%
pairs = np.array([[i in pair for i in range(7)] for pair in combinations(range(7), 2)])
decoded, corrected = hamming(3).decode(pairs)  # zero was sent
claim(
    f"All {len(pairs)} pairs of errors give a wrong message, and 'one bit corrected'.",
    bool(decoded.any(axis=1).all() and (corrected == 1).all()),
)

# %% [markdown]
# It does not notice.
# Every syndrome is the address of some single error, so every word is 'nearly right'.
#
# **SECDED** (single error corrected, double error detected) adds one parity bit over the whole word, and has $d = 4$.
# One error changes that bit.
# Two errors do not, and yet other checks fail: so there are two, and the decoder refuses.
# It says so by `corrected == -1`.

# %%
pairs = np.array([[i in pair for i in range(8)] for pair in combinations(range(8), 2)])
refused = secded(4).decode(pairs)[1]
claim(f"SECDED refuses all {len(pairs)} pairs.", (refused == -1).all())

# %% [markdown]
# Memory with error correction often works like this, with 8 bits of check for 64 bits of data.
# Three errors still fool it.

# %%
triples = np.array(list(combinations(range(72), 3)))
spoiled = np.zeros((len(triples), 72), dtype=int)
np.put_along_axis(spoiled, triples, 1, axis=1)
fooled = secded(64).decode(spoiled)[1] == 1
claim(
    f"Of all {len(triples)} triples of errors in 72 bits, {fooled.mean():.0%} "
    "pass as one error.",
    fooled.mean() > 0.5,
)

# %% [markdown]
# ## Bytes instead of bits
#
# A scratch or a lost packet spoils whole bytes, not single bits.
# Irving Reed and Gustave Solomon corrected whole symbols with an idea that fits on squared paper {cite}`reed1960`.
#
# Two numbers, 2 and 3, make a line: $2 + 3x$.
# Send four of its points, at $x = 0, 1, 2, 3$: 2, 5, 8, 11.
# One arrives wrong: 2, 5, **9**, 11.
# Draw a line through every two of the points, and count how many points lie on it.


# %%
def lines(y):
    """Every line through two of the points: first value, slope, points on it."""
    x, found = np.arange(len(y)), []
    for i, j in combinations(x, 2):
        slope = (y[j] - y[i]) / (j - i)
        start = y[i] - slope * i
        found.append((start, slope, int((start + slope * x == y).sum())))
    return sorted(dict.fromkeys(found), key=lambda line: -line[2])


rows = lines(np.array([2, 5, 9, 11]))
table(["starts at", "slope", "points on it"], rows, digits=1)

# %% [markdown]
# Only one line has three points, and its two numbers are the message.

# %%
claim(
    "The line with three points is the one that was sent; the others have two.",
    rows[0] == (2, 3, 3) and all(line[2] == 2 for line in rows[1:]),
)

# %% [markdown]
# Let a second point be wrong: 2, 5, **9**, **13**.

# %%
rows = lines(np.array([2, 5, 9, 13]))
table(["starts at", "slope", "points on it"], rows, digits=1)

# %% [markdown]
# Again exactly one line has three points.
# It is the wrong one, and nothing in the points tells.

# %%
claim(
    "Two errors can put three points on a line that was never sent.",
    rows[0] == (1, 4, 3),
)

# %% [markdown]
# The real code replaces the line by a polynomial with $k$ coefficients, and the numbers by bytes.
# Bytes are added by exclusive or, and multiplied so that one can always divide: a **finite field** of 256 symbols.
# One of its symbols, $\alpha$, has powers that run through all the 255 others than zero.
#
# For speed the code is used in another form, with the same distance.
# The $n$ symbols of a word are the coefficients of a polynomial, and code words are those with the roots $\alpha, \alpha^2, \dots, \alpha^{n-k}$.
# Two code words differ in at least $d = n - k + 1$ symbols, and no code can do better.
#
# Let the coefficient of $x^{a_i}$ be wrong by $Y_i$, and let $X_i = \alpha^{a_i}$.
# Then the received polynomial $y$ is no longer zero at the roots.
# Its values there are the syndromes
#
# $$S_j = y(\alpha^j) = \sum_i Y_i X_i^{\,j}$$
#
# for $j = 1, \dots, n - k$.
#
# Every error brings two unknowns, *where* and *what*, so $n - k$ equations can find $t = \lfloor (n-k)/2 \rfloor$ of them.
# The decoder first finds the shortest recurrence that generates the $S_j$ {cite}`massey1969`.
# The roots of its polynomial give the places {cite}`chien1964`, and a quotient of polynomials gives the values {cite}`forney1965`.
# The source is longer than the others of this lesson, and is folded.

# %% tags=["hide-output"]
show_source(ReedSolomon)

# %% [markdown]
# A small one: seven symbols from 0 to 7, three of them message, so two errors can be corrected.

# %%
small = ReedSolomon(7, 3)
received = small.encode([1, 2, 3])
received[[0, 5]] ^= 7
small.decode(received)

# %% [markdown]
# ## A model's file on a noisy line
#
# Now a real payload: a classifier of handwritten digits.
# It knows the mean image $m$ of each class, and chooses the class with the largest $x \cdot m - \lVert m \rVert^2 / 2$, which is the nearest mean.

# %%
X, y = load_digits(return_X_y=True)
bias = np.ones((len(X), 1))
X = np.hstack([X / 16, bias])  # (1797, 65)
train = np.arange(len(X)) % 3 > 0
means = np.stack([X[train & (y == c), :64].mean(axis=0) for c in range(10)])

# %% [markdown]
# Its weights, as they would lie in a file, are these bytes:

# %%
weights = np.vstack([means.T, -(means**2).sum(axis=1) / 2]).astype(np.float32)
payload = np.frombuffer(weights.tobytes(), dtype=np.uint8)
weights.shape, len(payload)


# %% [markdown]
# The accuracy is measured on the third of the images that was held out, with the weights just as they arrive.


# %%
def accuracy(file):
    """Share of held-out digits that the weights in these bytes get right."""
    w = np.frombuffer(file.tobytes(), np.float32).reshape(weights.shape)
    with np.errstate(invalid="ignore"):  # a weight may arrive as no number
        scores = X[~train] @ w.astype(float)
    return (scores.argmax(axis=1) == y[~train]).mean()


# %%
clean = accuracy(payload)
claim(f"Undamaged, the model is right on {clean:.0%} of the digits.", clean > 0.85)

# %% [markdown]
# The channel replaces each byte, with probability $p$, by another one.
# RS(255, 223) takes 223 bytes at a time, adds 32, and corrects any 16.


# %%
def noisy(words, p, rng):
    """Replace each byte by a different one with probability p."""
    noise = rng.integers(1, 256, words.shape, dtype=np.uint8)
    return words ^ np.where(rng.random(words.shape) < p, noise, 0).astype(np.uint8)


# %%
rs = ReedSolomon(255, 223)
parts = np.pad(payload, (0, -len(payload) % 223)).reshape(-1, 223)
sent = rs.encode(parts)
sent.shape  # words, bytes

# %% [markdown]
# Ten transmissions at each of twelve rates, with and without the code.
# A word that the decoder refuses is used as it arrived.

# %%
rates = np.array([1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 100]) / 1000
plain, coded, refused = np.empty((3, len(rates), 10))
for i, p in enumerate(rates):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        plain[i, seed] = accuracy(noisy(payload, p, rng))
        parts_back, corrected = rs.decode(noisy(sent, p, rng))
        coded[i, seed] = accuracy(parts_back.ravel()[: len(payload)])
        refused[i, seed] = (corrected == -1).mean()

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels over the share of spoiled bytes, from 0.1 to 10 percent, on a logarithmic axis. Left: accuracy of the digit model. Without a code the points of ten transmissions scatter and their median falls from 0.9 to near chance between 0.1 and 3 percent. With the code the accuracy stays at 0.9 up to 4 percent and falls to chance by 7 percent. Right: the share of refused words is near zero up to 4 percent and near one at 10 percent; the measured points lie on the exact curve."}, "figure": {"caption": "A classifier sent over a line that spoils bytes, ten transmissions at each rate. Left: its accuracy; points are single transmissions, lines their median. Right: the share of words that the decoder refuses, and the exact chance of more than 16 errors among 255.", "name": "fig-noisy-line"}}
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for values, colour, marker, style, label in (
    (plain, "red", "x", "--", "no code"),
    (coded, "blue", "o", "-", "RS(255, 223)"),
):
    left.plot(
        100 * rates, values, marker, color=COLOURS[colour], markersize=4, alpha=0.4
    )
    left.plot(
        100 * rates,
        np.median(values, axis=1),
        style,
        color=COLOURS[colour],
        label=label,
    )
left.axhline(0.1, color=COLOURS["grey"], linewidth=1, linestyle=":", label="chance")
left.set(ylabel="accuracy on held-out digits", ylim=(0, 1), title="The model")
left.legend(loc="lower left")
fine = np.geomspace(rates[0], rates[-1], 200)
right.plot(100 * fine, failure_probability(255, 16, fine), color="black", label="exact")
right.plot(
    100 * rates, refused.mean(axis=1), "o", color=COLOURS["blue"], label="measured"
)
right.set(ylabel="share of words refused", title="The decoder")
right.legend(loc="upper left")
for axis in (left, right):
    axis.set(xscale="log", xlabel="spoiled bytes (%)", xticks=[0.1, 0.3, 1, 3, 10])
    axis.set_xticklabels(["0.1", "0.3", "1", "3", "10"])
    axis.minorticks_off()
plt.show()

# %% [markdown]
# The cliff is typical: a code works, and works, and then does not work at all.
# How near to the worst usable channel that cliff can be moved is the subject of [iterative decoding](iterative_decoding.ipynb).

# %%
safe = rates <= 0.02
claim(
    f"With the code, all {coded[safe].size} files sent at up to 2% arrive undamaged.",
    (coded[safe] == clean).all() and not refused[safe].any(),
)
claim(
    "Without it, the median file sent at 2% loses more than half of its accuracy.",
    np.median(plain[rates == 0.02]) < clean / 2,
)
claim(
    "At 0.2%, one of ten unprotected models has already fallen to chance.",
    plain[rates == 0.002].min() < 0.15,
)
claim("At 8% the code helps no more.", np.median(coded[rates == 0.08]) < 0.2)

# %% [markdown]
# Where the cliff stands need not be tried out: more than 16 of 255 bytes must be wrong.
# Measured shares scatter about such a probability; their usual deviation is the **standard error**.

# %%
expected = failure_probability(255, 16, rates)
spread = np.sqrt(expected * (1 - expected) / (10 * len(sent)))
claim(
    "The refusals agree with the formula within four standard errors.",
    (np.abs(refused.mean(axis=1) - expected) < 4 * spread).all(),
)

# %% [markdown]
# The left panel hides the more useful half of the answer.
# A damaged model does not say that it is damaged.
# The decoder does, and a program that loads weights can stop at the first $-1$.

# %%
harmed = np.abs(coded - clean) > 0.01
claim(
    f"All {harmed.sum()} coded files that moved the accuracy by over one percentage "
    "point had a refusal.",
    bool(harmed.any() and (refused[harmed] > 0).all()),
)

# %% [markdown]
# ## Beyond the limit
#
# Is a refusal certain, then?
# For Hamming's code it never came.
# For Reed-Solomon it depends on the code.
#
# RS(15, 11) has symbols from 0 to 15 and corrects two.
# **Guess first**: with three or more wrong symbols, how often does its decoder return a wrong message and call it corrected?
#
# The answer is a count.
# Around every wrong code word lies a ball of words within distance $t$; the share of error patterns that fall into some ball is exact {cite}`macwilliams1977`.
# With $A_w$ code words of weight $w$ (that many symbols are not zero) and $B(w, e)$ patterns of $e$ errors within distance $t$ of one of them,
#
# $$\text{rate} = \frac{\sum_w A_w\, B(w, e)}{\binom{n}{e} (q-1)^e},$$
#
# $$A_w = \binom{n}{w} \sum_{j=0}^{w-d} (-1)^j \binom{w}{j} \big( q^{w-d+1-j} - 1 \big).$$

# %%
show_source(miscorrection_rate)


# %% [markdown]
# Beside the count stands an experiment: 4000 words, five seeds, and a known number of errors in each word.


# %%
def spoil(words, errors, q, rng):
    """Change exactly so many symbols of every word."""
    places = rng.random(words.shape).argsort(axis=1)[:, :errors]
    change = rng.integers(1, q, places.shape).astype(words.dtype)
    received, rows = words.copy(), np.arange(len(words))[:, None]
    received[rows, places] ^= change
    return received


# %%
rs15, errors, seeds = ReedSolomon(15, 11), np.arange(9), 5
good, wrong, refusals = np.empty((3, len(errors), seeds))
for e in errors:
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        message = rng.integers(0, 16, (4000, 11))
        back, corrected = rs15.decode(spoil(rs15.encode(message), e, 16, rng))
        same = (back == message).all(axis=1)
        refusals[e, seed] = (corrected == -1).mean()
        good[e, seed] = (same & (corrected >= 0)).mean()
        wrong[e, seed] = (~same & (corrected >= 0)).mean()

# %% [markdown]
# The right panel puts the same question to two maintained libraries, with one error too many.
# Their answers were recorded.

# %%
evidence = recorded("robustness/error_correction")
evidence

# %% tags=["hide-input"] mystnb={"image": {"alt": "Left: nine stacked bars for zero to eight wrong symbols. Up to two, the whole bar is corrected. At three it drops to about 29 percent silently wrong and 71 percent refused; from four on about 36 percent are silently wrong. Black dots of the exact rate lie on the borders. Right: three groups of three bars, the share of words accepted with one error too many. For each code ours and reedsolo agree with the exact rate, galois accepts more, and the hatched part of its bars are answers that are no code words."}, "figure": {"caption": "Left: what becomes of a word of RS(15, 11), five seeds of 4000 words; dots are the exact rate. Right: words accepted although they had one error too many, recorded over five seeds; dots are the exact rate, and the hatched part of galois's bars are answers that are not in the code.", "name": "fig-beyond-t"}}
beyond = evidence.results["beyond_t"]
exact = np.array([miscorrection_rate(15, 11, 16, int(e)) for e in errors])
fig, (left, side) = plt.subplots(1, 2, figsize=(9, 3.9), width_ratios=[1.25, 1])
shares = [part.mean(axis=1) for part in (good, wrong, refusals)]
bottom = np.zeros(len(errors))
for share, colour, label in zip(
    shares, ("green", "red", "sky"), ("right", "wrong, unnoticed", "refused")
):
    left.bar(errors, share, bottom=bottom, color=COLOURS[colour], label=label)
    bottom = bottom + share
left.plot(errors[3:], exact[3:], "o", color="black", markersize=5, label="exact")
left.set(xlabel="wrong symbols", ylabel="share of words", title="RS(15, 11)")
fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
place = np.arange(len(beyond))
for shift, name, colour in ((-1, "ours", "blue"), (0, "reedsolo", "orange")):
    height = [np.mean(row[f"{name}_accepted"]) for row in beyond]
    side.bar(place + 0.27 * shift, height, 0.25, color=COLOURS[colour], label=name)
accepted, outside = (
    np.array([np.mean(row[f"galois_{part}"]) for row in beyond])
    for part in ("accepted", "no_code_word")
)
side.bar(
    place + 0.27,
    accepted - outside,
    0.25,
    color=COLOURS["purple"],
    edgecolor="black",
    linewidth=0.5,
    label="galois",
)
side.bar(
    place + 0.27,
    outside,
    0.25,
    bottom=accepted - outside,
    color="white",
    edgecolor=COLOURS["purple"],
    hatch="////",
    label="galois, no code word",
)
for row, x in zip(beyond, place):
    side.plot(x + 0.27 * np.arange(-1, 2), [row["exact_rate"]] * 3, "ko", markersize=4)
side.set_xticks(
    place,
    [f"RS{row['code']}\n{row['errors']} errors" for row in beyond],
)
side.set(ylabel="share of words accepted", title="One error too many")
side.grid(axis="x", visible=False)
side.legend(fontsize=9)
plt.show()

# %%
spread = np.sqrt(exact[3:] * (1 - exact[3:]) / (4000 * seeds))
claim(
    "Up to two wrong symbols every word of every seed comes back right.",
    (good[:3] == 1).all(),
)
claim("From three on, none does.", not good[3:].any())
claim(
    f"Three wrong symbols pass unnoticed with probability {exact[3]:.3f}, "
    f"four with {exact[4]:.3f}.",
    0.29 < exact[3] < 0.30 and 0.36 < exact[4] < 0.37,
)
claim(
    "Every measured share lies within four standard errors of the exact rate.",
    (np.abs(wrong[3:].mean(axis=1) - exact[3:]) < 4 * spread).all(),
)

# %% [markdown]
# 'Corrected' is a promise up to $t$ errors, and a guess beyond.
# A decoder that corrects $t$ errors cannot avoid it: the wrong word really is the nearest.
#
# It can make it worse.
# The last step of ours tests whether the result is a code word at all.
# The hatched answers would not pass that test.

# %%
known = np.array([row["exact_rate"] for row in beyond])
fewest = beyond[0]["seeds"] * beyond[0]["reedsolo_words_per_seed"]
se = np.sqrt(known * (1 - known) / fewest)
for name in ("ours", "reedsolo"):
    mean = np.array([np.mean(row[f"{name}_accepted"]) for row in beyond])
    claim(
        f"The share accepted by {name} is within four standard errors of the exact rate.",
        (np.abs(mean - known) < 4 * se).all(),
    )

# %%
outsiders = sum(sum(row["ours_no_code_word"]) for row in beyond)
words = sum(row["seeds"] * row["words_per_seed"] for row in beyond)
claim(
    f"Of {words} recorded answers of ours none lies outside the code.", outsiders == 0
)
worst = beyond[0]
taken, no_word = worst["galois_accepted"], worst["galois_no_code_word"]
claim(
    f"galois accepted {np.mean(taken):.0%} of the words of RS{worst['code']} "
    f"with two errors; {np.mean(no_word):.0%} of its answers are no code words.",
    min(taken) == 1 and min(no_word) > 0.2,
)

# %% [markdown]
# More check symbols make the guess rarer.
# With one error too many, RS(255, 223) all but always refuses.

# %%
ts = [1, 2, 4, 8, 16]
unnoticed = [miscorrection_rate(255, 255 - 2 * t, 256, t + 1) for t in ts]
rows = [[f"RS(255, {255 - 2 * t})", t, f"{u:.1e}"] for t, u in zip(ts, unnoticed)]
table(["code", "corrects", "unnoticed at one error more"], rows)

# %%
claim(
    "Seventeen errors pass RS(255, 223) less than once in 10 000 billion words.",
    unnoticed[-1] < 1e-13,
)

# %% [markdown]
# ## Break it
#
# The formula assumed independent errors.
# A scratch, a lost packet or a worn page of flash spoils bytes that lie side by side.
# The file has 12 words of 255 bytes, and each can stand 16 wrong ones, 192 in all.
# Spoil 192 bytes in a row.

# %%
burst = 16 * len(sent)
starts = np.arange(0, sent.size - burst + 1, 7)
stream = np.tile(sent.ravel(), (len(starts), 1))  # one transmission per start
within = np.arange(burst) + starts[:, None]
stream[np.arange(len(starts))[:, None], within] ^= 0xFF
lost = (rs.decode(stream.reshape(-1, *sent.shape))[1] == -1).any(axis=1)
claim(
    f"The burst destroys a word wherever it starts, in all {len(starts)} places tried.",
    lost.all(),
)

# %% [markdown]
# The repair is one transposition.
# **Interleaving** sends the first byte of every word, then the second of every word, and so on.
# A burst then takes a little from each.

# %%
stream = np.tile(sent.T.ravel(), (len(starts), 1))
stream[np.arange(len(starts))[:, None], within] ^= 0xFF
back = stream.reshape(-1, 255, len(sent)).transpose(0, 2, 1)  # undo it
decoded, corrected = rs.decode(back)
claim(
    "Interleaved, the same burst is corrected wherever it starts.",
    (decoded == parts).all(),
)
claim("It puts exactly 16 errors into every word.", (corrected == 16).all())

# %% [markdown]
# A second failure is a matter of trust.
# Often it is enough to *notice* an error and to ask again.
# A **check sum** such as CRC-32 does that: the remainder of the message, read as a polynomial over bits, on division by a fixed $g(x)$ {cite}`peterson1961`.

# %%
show_source(crc32)

# %%
text = b"pay 100 to Alice"
as_number = int.from_bytes(text, "little")
singles = [1 << i for i in range(128)]
errors2 = singles + [a | b for a, b in combinations(singles, 2)]
sums = {crc32((as_number ^ e).to_bytes(16, "little")) for e in errors2}
claim(
    f"Each of {len(errors2)} errors of one or two bits changes the sum.",
    crc32(text) not in sums,
)

# %% [markdown]
# An accident rarely adds a multiple of $g$.
# An adversary does so on purpose, and $g$ is public.

# %%
g = (0xEDB88320 << 1 | 1).to_bytes(8, "little").ljust(16, b"\0")
forged = bytes(a ^ b for a, b in zip(text, g))
forged

# %%
claim(
    "Another message, the same check sum.",
    forged != text and crc32(forged) == crc32(text),
)

# %% [markdown]
# A code protects from accidents.
# Against somebody who means it, use a signature, or a keyed check such as `hmac`.

# %% [markdown]
# > **You should know**
# >
# > *A decoder that returns has repaired.* Only up to $t$ errors.
# > Beyond, it may be wrong and say 'corrected'.
# >
# > *A code of distance 3 corrects one error and detects two.* One *or* the other.
# > To correct up to $a$ errors and surely detect up to $b$, with $a \le b$, takes $d > a + b$.
# >
# > *Three copies are the safe choice.* They are the simple choice.
# > In the table above SECDED is wrong without a word less often than three copies, with eight bits instead of twelve.
# >
# > *Errors are independent.* Formulas are; scratches are not.
# > Interleave.
# >
# > *A check sum proves who wrote it.* It proves that no ordinary accident happened on the way.
#
# **What codes cannot do**: correct a weight that was *computed* wrongly.
# A code guards what it was given.
#
# **Who is harmed when it fails**: the patient whose dose was read from a word with three flipped bits, by a program that looked at the message and not at `corrected`.
# A refusal stops the pump and calls a nurse; a silent mistake does neither.
# Large data centres do find machines that corrupt data without a sign {cite}`dixit2021`.

# %% [markdown]
# ## How it compares
#
# First agreement: the same words, encoded and then decoded with every number of errors up to $t$, by ours, [galois](https://galois.readthedocs.io) and [reedsolo](https://pypi.org/project/reedsolo/).
# Field and first root were set alike.
# The last two columns count the symbols and the corrections that differ.

# %%
same = evidence.results["code_words"]
names = [
    "code",
    "polynomial",
    "symbols_that_differ",
    "corrections_that_differ",
]
table(
    ["code", "field", "symbols", "corrections"],
    [[row[name] for name in names] for row in same],
)

# %%
claim(
    "No symbol and no correction differs.",
    all(row[names[2]] == row[names[3]] == 0 for row in same),
)
claim(
    f"No CRC-32 of {evidence.results['crc32']['messages']} messages differs from zlib's.",
    evidence.results["crc32"]["sums_that_differ"] == 0,
)

# %% [markdown]
# Then time, on one thread: 1000 words of RS(255, 223) with 16 errors each, all corrected by every library.

# %%
ratios = evidence.results["speed"]["ratios"]
rows = [
    ["galois, encode 1000 words", ratios["encode_galois_over_ours"]],
    ["galois, decode 1000 words", ratios["decode_galois_over_ours"]],
    ["reedsolo, decode 1000 words", ratios["decode_reedsolo_over_ours"]],
    ["reedsolo, decode one word", ratios["decode_one_word_reedsolo_over_ours"]],
    ["zlib, CRC-32 of 1 MB", ratios["crc32_zlib_over_ours"]],
]
table(["their time / ours", "ratio"], rows, digits=3)

# %%
claim(
    "A batch is decoded over five times as quickly as by galois.",
    ratios["decode_galois_over_ours"] > 5,
)
claim("zlib's CRC-32 is over a hundred times as quick as ours.", rows[-1][1] < 0.01)

# %% [markdown]
# The gain is the batch: all words take each step together.
# A single word gains little or nothing.

# %%
claim(
    "Neither ours nor reedsolo decodes one word twice as quickly as the other.",
    0.5 < rows[3][1] < 2,
)

# %% [markdown]
#
# In production use `zlib.crc32`, reedsolo where words come one by one, galois for any field and for other cyclic codes (and check that its answer is a code word), and a compiled library such as ISA-L for storage.

# %% [markdown]
# ## Exercise 1: how many check symbols?
#
# *Easy, 5 minutes.*
# One byte in a hundred is wrong.
# How many check bytes does a word of 255 need, so that fewer than one word in $10^9$ fails?
#
# Hint: `failure_probability`, for growing $t$.
# A wrong answer often gives $t$: every corrected symbol costs two check symbols.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
t = next(t for t in range(128) if failure_probability(255, t, 0.01) < 1e-9)
claim(
    f"{2 * t} check bytes correct {t} errors; two fewer do not suffice.",
    failure_probability(255, t - 1, 0.01) >= 1e-9,
)

# %% [markdown]
# ## Exercise 2: scrubbing
#
# *Medium, 10 minutes.*
# Memory is protected by SECDED (72, 64).
# A bit flips with probability $10^{-9}$ per hour.
# A *scrubber* reads every word now and then and writes it back corrected.
# How many whole hours may pass between two visits, so that a word gets more than one error with probability below $10^{-12}$?
#
# Hint: after $h$ hours a bit has flipped with probability $1 - (1 - 10^{-9})^h$.
# A wrong answer takes $t = 2$, since two errors are detected: but a detected error is not corrected, and the data are gone.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
hours = np.arange(1, 1000)
flipped_bit = -np.expm1(hours * np.log1p(-1e-9))
longest = hours[failure_probability(72, 1, flipped_bit) < 1e-12].max()
by_hand = int(np.sqrt(1e-12 / (72 * 71 / 2)) / 1e-9)  # pairs of bits, each (h p)^2
claim(
    f"At most {longest} hours; counting pairs by hand gives the same.",
    longest == by_hand,
)

# %% [markdown]
# ## Exercise 3: forge a check sum
#
# *Hard, 20 minutes.*
# Append four bytes to `b"pay 900 to Alice"`, so that the CRC-32 is that of `b"pay 100 to Alice"`.
#
# Hint: for texts of one length, `crc32(a ^ b ^ c) == crc32(a) ^ crc32(b) ^ crc32(c)`.
# So each of the 32 appended bits flips a fixed set of bits of the sum, and you solve 32 equations modulo 2.
# A wrong answer tries $2^{32}$ endings: right, and some hours late.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
text = b"pay 900 to Alice"
start = crc32(text + bytes(4))
flips = [
    (crc32(text + (1 << i).to_bytes(4, "little")) ^ start, 1 << i) for i in range(32)
]
need, tail = crc32(b"pay 100 to Alice") ^ start, 0
for bit in range(32):
    pivot = next(pair for pair in flips if pair[0] >> bit & 1)
    flips.remove(pivot)
    flips = [(s ^ pivot[0], i ^ pivot[1]) if s >> bit & 1 else (s, i) for s, i in flips]
    if need >> bit & 1:
        need, tail = need ^ pivot[0], tail ^ pivot[1]
forged = text + tail.to_bytes(4, "little")
claim(
    f"{forged} has the check sum of 'pay 100 to Alice'.",
    crc32(forged) == crc32(b"pay 100 to Alice"),
)

# %% [markdown]
# ## References
#
# The first codes and SECDED: {cite:t}`hamming1950`; decoding by syndrome: {cite:t}`slepian1956`; cyclic check sums: {cite:t}`peterson1961`.
# Reed-Solomon codes: {cite:t}`reed1960`; their decoder: {cite:t}`massey1969`, {cite:t}`chien1964`, {cite:t}`forney1965`; how many code words of each weight: {cite:t}`macwilliams1977`.
# Corruption without a sign in data centres: {cite:t}`dixit2021`.
