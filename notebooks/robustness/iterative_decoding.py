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
# # Iterative decoding
#
# A long message with many lost or wrong bits is repaired by simple checks that talk to one another.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | fill in lost bits by peeling, correct flipped bits by belief propagation, compute how bad a channel may be, and see when a decoder has not succeeded |
# | You need | NumPy, logarithms and a little probability |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.robustness.iterative_decoding` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
import companion

# %% tags=["hide-input"]
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np

from companion.lesson import (
    COLOURS,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.robustness.iterative_decoding import (
    bec_threshold,
    gallager_a_threshold,
    peel,
    regular_ldpc,
    sum_product,
)

figure_style()

# %% [markdown]
# ## What the source says
#
# > **Error Correction**: Developing AI systems that can correct errors and inaccuracies.
#
# It gives no method and no listing.
# Short codes, decoded one word at a time by algebra, are the subject of [error correction](error_correction.ipynb).
# This lesson builds the method behind 5G data and satellite television: **low-density parity-check** codes, short LDPC.

# %% [markdown]
# ## The idea on four bits
#
# A **parity check** is a rule: a certain set of bits must hold an even number of ones.
# A **code** is a list of checks, and a **code word** is a row of bits that obeys all of them.
#
# Take two checks on four bits: $x_1 + x_2 + x_3$ is even, and $x_3 + x_4$ is even.
# The word `1 1 0 0` is sent, and its last two bits get lost.
# A bit that is known to be lost is **erased**.
#
# The first check misses only $x_3$: since $1 + 1$ is even, $x_3 = 0$.
# Now the second check misses only $x_4$, so $x_4 = 0$ as well.

# %%
four = np.array([[1, 1, 1, 0], [0, 0, 1, 1]])
lost_34 = np.array([False, False, True, True])
word, unknown = peel(four, [1, 1, 0, 0], lost_34)
claim("Peeling finds the word that was sent.", (word == [1, 1, 0, 0]).all())

# %% [markdown]
# What if the *first* two bits are lost?
# Only the first check meets them, and it misses both.
# Nobody can start.

# %%
word, unknown = peel(four, [1, 1, 0, 0], ~lost_34)
claim(
    "Peeling says that it does not know the first two.",
    (unknown == ~lost_34).all(),
)

# %% [markdown]
# Such a trap is a **stopping set**: bits that every check meets not at all, or at least twice.
#
# In general let $H$ be the table of checks, one row per check, with a one where the check contains the bit.
# As long as some check misses a single bit $b$, fill it in (sums are taken modulo 2):
#
# $$x_b = \sum_{b' \ne b,\; H_{cb'} = 1} x_{b'}$$
#
# Removing one erasure after another like this is called **peeling**.

# %%
show_source(peel)

# %% [markdown]
# Is the stopping set the *only* thing that can go wrong?
# On twelve bits every case can be tried.

# %%
small = regular_ldpc(12, 3, 6, np.random.default_rng(1)).toarray()
subsets = np.arange(1, 4096)[:, None] >> np.arange(12) & 1  # all but the empty
stopping = subsets[(subsets @ small.T != 1).all(axis=1)]
trapped = ((1 - subsets) @ stopping.T == 0).any(axis=1)  # contains a stopping set
_, unknown = peel(small, 0 * subsets, subsets == 1)

# %%
claim(
    f"Of {len(subsets)} ways to lose bits, peeling fails in exactly the "
    f"{trapped.sum()} that contain a stopping set.",
    (unknown.any(axis=1) == trapped).all(),
)

# %% [markdown]
# ## Few ones, many bits
#
# Gallager's idea of 1962 {cite}`gallager1962`: make the code long, and keep every check small.
# Each bit sits in $l = 3$ checks, each check holds $r = 6$ bits, and chance decides which.

# %%
H = regular_ldpc(1200, 3, 6, np.random.default_rng(0))
checks, bits = H.shape
ones = H.nnz / (checks * bits)
claim(
    f"{checks} checks on {bits} bits: {100 * ones:.1f} % of the table are ones.",
    ones == 6 / 1200,
)

# %% [markdown]
# There are half as many checks as bits.
# So at least half of the bits are free to carry the message: the **rate** is $1 - l/r = 1/2$.
#
# How many lost bits can such a code stand?
# Let the channel erase every bit with probability $\varepsilon$, independently.
# Shannon's limit {cite}`shannon1948` says that *no* code of rate $1/2$ survives $\varepsilon > 1/2$, however clever its decoder.

# %% [markdown]
# ## Following the share of lost bits
#
# Let $x$ be the share of messages "I am still unknown" from bits to checks.
# It starts at $x = \varepsilon$.
#
# A check helps a bit only if its other $r - 1$ bits are all known, which has probability $(1 - x)^{r-1}$.
# A bit stays unknown if the channel lost it *and* none of the other $l - 1$ checks helps:
#
# $$x \;\leftarrow\; \varepsilon \,\big(1 - (1 - x)^{r-1}\big)^{l-1}$$
#
# This is **density evolution** {cite}`luby2001`: an infinitely long code, described by one number.
# Follow it at two channels that hardly differ.

# %%
epsilon = np.array([0.42, 0.44])
x, rows = epsilon, []
for rounds in range(61):
    if rounds % 15 == 0:
        rows.append([rounds, *x])
    x = epsilon * (1 - (1 - x) ** 5) ** 2
table(["rounds", "ε = 0.42", "ε = 0.44"], rows, digits=4)

# %% [markdown]
# At $0.42$ the unknown bits die out; at $0.44$ they get stuck.

# %%
claim(
    f"After 60 rounds 0.42 has less than 1e-9 left, 0.44 still {rows[-1][2]:.2f}.",
    rows[-1][1] < 1e-9 and 0.3 < rows[-1][2] < 0.4,
)

# %% [markdown]
# Between them lies the **threshold** $\varepsilon^*$.
# The walk gets stuck where $x$ equals the right-hand side.
# Solved for $\varepsilon$, the worst channel without such a point is
#
# $$\varepsilon^* = \min_{0 < x \le 1} \frac{x}{\big(1 - (1 - x)^{r-1}\big)^{l-1}}.$$

# %%
show_source(bec_threshold)

# %%
evidence = recorded("robustness/iterative_decoding")
printed = evidence.results["thresholds"]["erasures"]
families = ((3, 6), (4, 8), (5, 10))
rows = [[f"({a}, {b})", bec_threshold(a, b), a / b] for a, b in families]
table(["code (l, r)", "threshold", "Shannon's limit"], rows, digits=4)

# %%
threshold = bec_threshold(3, 6)
claim(
    f"The threshold of (3, 6) codes is {threshold:.4f}, and {len(printed)} "
    "recorded thresholds agree with the published ones in every printed digit.",
    all(round(row["computed"], 4) == row["published"] for row in printed)
    and round(threshold, 4) == printed[0]["published"],
)

# %% [markdown]
# ## The waterfall
#
# Real codes are not infinitely long.
# Five random codes of each length get a hundred blocks, one **block** being one received word.
# All rates of erasure use the same draws, so that a higher one only adds losses.
#
# The all-zero word is sent.
# That is fair: a decoder that looks at checks alone treats every code word alike.
#
# **Guess first**: is a longer code better at an erasure rate of $0.40$?
# And at $0.46$?

# %%
rates = np.array([30, 34, 36, 38, 40, 41, 42, 43, 44, 46, 48, 50]) / 100


def lost_blocks(n, seed, blocks=100):
    """Share of blocks that one random (3, 6) code loses, at each rate."""
    rng = np.random.default_rng(seed)
    H, u = regular_ldpc(n, 3, 6, rng), rng.random((blocks, n))
    sent = np.zeros((blocks, n), dtype=int)
    return [peel(H, sent, u < rate)[1].any(axis=1).mean() for rate in rates]


# %%
live = {
    n: np.array([lost_blocks(n, seed) for seed in range(10, 15)])
    for n in (96, 300, 1200)
}
mean = {n: shares.mean(axis=0) for n, shares in live.items()}

# %% tags=["hide-input"] mystnb={"image": {"alt": "Three S-shaped curves: the share of lost blocks against the erasure rate from 0.30 to 0.50, for codes of 96, 300 and 1200 bits. The longer the code, the steeper the curve, and the closer its middle to a dashed vertical line at 0.4294, the threshold. The curves cross near that line. A dotted line at 0.5 marks Shannon's limit."}, "figure": {"caption": "Lost blocks of (3, 6) codes under peeling. Lines: mean of five codes, run here. Bands: from the best to the worst of ten other codes, recorded. The longer the code, the steeper the fall, and it closes on the threshold, not on Shannon's limit.", "name": "fig-iterative-decoding"}}
waterfall = evidence.results["waterfall"]
fig, axes = plt.subplots(figsize=(7, 4.4))
for n, colour, marker in ((96, "sky", "o"), (300, "blue", "s"), (1200, "green", "^")):
    band = waterfall["n"][str(n)]
    axes.fill_between(
        waterfall["erasure_rate"],
        band["lowest_code"],
        band["highest_code"],
        color=COLOURS[colour],
        alpha=0.2,
        linewidth=0,
    )
    axes.plot(rates, mean[n], color=COLOURS[colour], marker=marker, label=f"{n} bits")
axes.axvline(threshold, color=COLOURS["red"], linestyle="--", label="threshold")
axes.axvline(0.5, color=COLOURS["black"], linestyle=":", label="Shannon's limit")
axes.set(xlabel="erasure rate ε", ylabel="share of blocks lost", ylim=(-0.02, 1.02))
axes.legend(loc="upper left")
plt.show()

# %%
half, width = {}, {}
for n, curve in mean.items():
    half[n] = np.interp(0.5, curve, rates)
    width[n] = np.interp(0.9, curve, rates) - np.interp(0.1, curve, rates)
record = waterfall["n"]
recorded_half = [record[str(n)]["rate_of_half_failure"] for n in live]
rows = list(zip(live, half.values(), recorded_half, width.values()))
table(["bits", "half lost at", "recorded", "from 10 % to 90 %"], rows, digits=3)

# %% [markdown]
# Each claim below holds for the five codes here and for the ten recorded ones.

# %%
recorded_width = [record[str(n)]["width"] for n in live]
claim(
    f"The fall gets steeper: {width[96]:.3f} wide with 96 bits, "
    f"{width[1200]:.3f} with 1200.",
    width[96] > width[300] > width[1200]
    and recorded_width == sorted(recorded_width, reverse=True),
)

# %%
claim(
    f"Its middle closes on {threshold:.4f} from below: "
    f"{half[96]:.3f}, {half[300]:.3f}, {half[1200]:.3f}.",
    half[96] < half[300] < half[1200] < threshold
    and recorded_half == sorted(recorded_half)
    and recorded_half[-1] < threshold,
)

# %% [markdown]
# And the guess?

# %%
losses = {}  # of 96 bits and of 1200, here and recorded
for rate in (0.40, 0.46):
    i = int(np.flatnonzero(rates == rate)[0])
    losses[rate] = [
        (mean[n][i], record[str(n)]["block_failure"][i]) for n in (96, 1200)
    ]
short, long = np.array(losses[0.40])
claim(
    f"At 0.40 the long code loses less: {long[0]:.2f} against {short[0]:.2f}.",
    (long < short).all(),
)
short, long = np.array(losses[0.46])
claim(
    f"At 0.46 it loses more: {long[0]:.2f} against {short[0]:.2f}.",
    (long > short).all(),
)

# %% [markdown]
# A long code is the better code only on the right side of its threshold.
# Beyond it, length makes failure certain.

# %% [markdown]
# ## Flipped bits: from facts to beliefs
#
# Harder: nobody says *which* bits are wrong.
# A **binary symmetric channel** flips each bit with probability $p$.
#
# What the channel tells about bit $b$ is a **log-likelihood ratio**,
#
# $$\lambda_b = \log \frac{P(y_b \mid x_b = 0)}{P(y_b \mid x_b = 1)},$$
#
# positive if the received $y_b$ speaks for 0, and large if it can be trusted.
# Here it is $+\log\frac{1-p}{p}$ for a received 0, and the same with a minus for a received 1.
#
# Independent evidence adds up.
# Take three copies of one bit with $\lambda = 2,\; -0.5,\; 1$: together they say $2.5$ for 0.

# %%
copies = np.array([[1, 1, 0], [0, 1, 1]])  # first = second, second = third
together = sum_product(copies, [2.0, -0.5, 1.0], iterations=2, early_stop=False)
error = np.abs(together.llr - 2.5).max()
claim("Every copy ends with the belief 2.5.", error < 1e-12)

# %% [markdown]
# Now the general rule.
# Draw bits and checks as points, and join a bit to its checks.
# Along each line two messages run, $v$ from bit to check and $u$ back:
#
# $$v_{b \to c} = \lambda_b + \sum_{c' \ne c} u_{c' \to b}, \qquad
# \tanh \tfrac{u_{c \to b}}{2} = \prod_{b' \ne b} \tanh \tfrac{v_{b' \to c}}{2}$$
#
# The first adds evidence.
# The second says how sure a check can be of one bit, given the others: never surer than of its least certain one.
# This is **belief propagation**, also called the sum-product algorithm {cite}`kschischang2001`.

# %%
show_source(sum_product)

# %% [markdown]
# Mind the $\ne$ signs: a neighbour is never told its own opinion.
# If the drawing has no cycles, the beliefs are therefore *exact*.
# The four bits from above have none, and sixteen words can be summed by hand.


# %%
def exact_beliefs(H, llr):
    """Compare all code words that have a bit 0 with all that have it 1."""
    n = H.shape[1]
    words = np.arange(2**n)[:, None] >> np.arange(n) & 1
    words = words[~(words @ H.T % 2).any(axis=1)]
    weight = np.exp(-(words * llr).sum(axis=1))
    return np.log((1 - words).T @ weight) - np.log(words.T @ weight)


# %%
hamming = np.arange(1, 8) >> np.arange(3)[:, None] & 1  # has cycles
llr = np.array([1.0, 0.5, -0.3, 0.2, 0.8, -0.1, 0.4])
errors = []
for H, heard in ((four, llr[:4]), (hamming, llr)):
    passed = sum_product(H, heard, iterations=100, early_stop=False).llr
    errors.append(np.abs(passed - exact_beliefs(H, heard)).max())
tree, loopy = errors

# %%
claim("Without cycles the beliefs are exact, to rounding.", tree < 1e-12)
claim(
    f"With cycles they are not: on Hamming's code one is off by {loopy:.2f}.",
    loopy > 0.05,
)

# %% [markdown]
# In a long random code the cycles are long, and the beliefs good enough.
# Send a hundred blocks of 1200 bits, twenty on each of five codes, through three channels.


# %%
def send(p, seed, n=1200, r=6, blocks=20):
    """One random (3, r) code, and what is heard of blocks with flipped bits."""
    rng = np.random.default_rng(seed)
    H = regular_ldpc(n, 3, r, rng)
    flipped = rng.random((blocks, n)) < p
    return H, np.where(flipped, -1, 1) * np.log((1 - p) / p)


# %%
rows, decoded = [], {}
for p in (0.05, 0.07, 0.09):
    decoded[p] = flips = 0
    for seed in range(5):
        H, llr = send(p, seed)
        decoded[p] += int((~sum_product(H, llr).bits.any(axis=1)).sum())
        flips += int((llr < 0).sum())
    rows.append([p, f"{flips / 100:.0f}", decoded[p]])
table(["flips p", "wrong bits per block", "of 100 blocks repaired"], rows)

# %%
claim(
    "At 0.05 at least 98 of 100 blocks come back without one wrong bit.",
    decoded[0.05] >= 98,
)
claim("At 0.09 most are lost.", decoded[0.09] < 50)

# %% [markdown]
# The threshold of this decoder on this channel is published as about $0.084$ {cite}`richardson2001`; Shannon's limit is $0.110$.
#
# Beliefs are worth their price.
# Gallager's *algorithm A* sends single bits instead of real numbers, and its threshold can be computed exactly.

# %%
cheap = gallager_a_threshold(3, 6)
claim(
    f"Algorithm A gives up at {cheap:.4f}; with beliefs {decoded[0.05]} "
    "of 100 blocks came back at 0.05.",
    0.039 < cheap < 0.05 and decoded[0.05] >= 98,
)

# %% [markdown]
# ## Break it
#
# **A wrong sign.**
# Many programs write the log-likelihood ratio the other way up, positive for 1.
# Pass such numbers in by mistake, on a good channel.

# %%
converged = wrong = right = 0
for seed in range(5):
    H, llr = send(0.04, seed)
    beliefs = sum_product(H, -llr)  # the other convention
    converged += int(beliefs.converged.sum())
    wrong += int((beliefs.converged & beliefs.bits.all(axis=1)).sum())
    right += int((sum_product(H, llr).converged).sum())

# %%
claim(
    f"Of 100 blocks {converged} satisfy every check, "
    f"and in {wrong} of these every single bit is wrong.",
    converged >= 95 and wrong == converged,
)
claim("With the right sign all 100 are decoded.", right == 100)

# %% [markdown]
# Why does no check object?
# Every check holds *six* bits, and if all of six are turned over their sum stays even.
# The opposite of a code word is a code word.
# Test a decoder on a message you know, never on its own satisfaction.
#
# **An echo.**
# Leave the $\ne$ signs out, and each check tells a bit its own opinion, as if it were news.
# The formula gets shorter, and one bit's copy of itself counts as a witness.


# %%
def echo(H, llr, rounds):
    """Belief propagation with the two ≠ signs left out."""
    total = llr
    for _ in range(rounds):
        t = np.where(H, np.tanh(total / 2)[:, None], 1.0).prod(axis=2)
        total = llr + 2 * np.arctanh(np.clip(t, -1 + 1e-12, 1 - 1e-12)) @ H
    return total


# %%
pair, opinions = np.array([[1, 1]]), np.array([[1.0, -0.5]])  # one bit, twice
rows = [["correct", *sum_product(pair, opinions).llr[0]]]
rows += [["with echo", *echo(pair, opinions, 1)[0]]]
table(["belief", "first copy", "second copy"], rows, digits=2)

# %%
claim(
    "With the echo two copies of one bit end up on opposite sides.",
    rows[1][1] > 0 > rows[1][2] and np.allclose(rows[0][1:], 0.5),
)

# %% [markdown]
# On long codes it fails as badly.

# %%
lost_right = lost_echo = 0
for seed in range(5):
    H, llr = send(0.05, seed, n=300)
    lost_right += int(sum_product(H, llr).bits.any(axis=1).sum())
    lost_echo += int((echo(H.toarray(), llr, 30) < 0).any(axis=1).sum())
claim(
    f"Of 100 blocks of 300 bits the correct rule loses {lost_right}, "
    f"the echo {lost_echo}.",
    lost_right <= 10 and lost_echo >= 90,
)

# %% [markdown]
# > **You should know**
# >
# > *A longer code is always better.* Only below its threshold; beyond, it is worse.
# >
# > *More checks per bit protect more.* The thresholds above fall from (3, 6) to (5, 10), at the same rate.
# >
# > *The beliefs are probabilities.* Only without cycles.
# > With cycles, evidence comes round and is counted again.
# >
# > *All checks are satisfied, so the message is right.* It is *a* code word.
# > A checksum over the message, such as a CRC, tells whether it is the one that was sent.
# >
# > *Random codes are all alike.* Long ones nearly are; short ones hide small stopping sets.

# %% [markdown]
# The last point is worth numbers.
# With 96 bits and few erasures, $\varepsilon = 0.30$, the ten recorded codes differ widely.

# %%
best, worst = (record["96"][f"{which}_code"][0] for which in ("lowest", "highest"))
claim(
    f"The best of ten codes loses {100 * best:.1f} % of its blocks, "
    f"the worst {100 * worst:.1f} %.",
    worst > 4 * best,
)

# %% [markdown]
# **Strengths**: work that grows only in proportion to the length, checks that can all run at once, and thresholds not far from Shannon's limit; codes with *mixed* degrees come closer still {cite}`luby2001`.
#
# **Limits**: short blocks, and errors in bursts or of an unknown rate: density evolution assumes independent bits and a known channel.
#
# **Who is harmed when it fails**: whoever acts on a block that was never decoded, such as a nurse who reads a dose from a monitor's radio link.
# A decoder always returns bits.
# Whether they mean anything is said by `converged`, or by what `peel` still marks as erased, and the program around it must refuse the block.

# %% [markdown]
# ## How it compares
#
# The library [ldpc](https://github.com/quantumgizmos/ldpc) decodes by belief propagation in C++.
# It got the same codes, the same flips and the same number of rounds.

# %%
agreement = evidence.results["agreement_with_ldpc"]
rows = [
    [
        f"{row['n']} bits, p = {row['crossover']}",
        100 * row["identical_blocks"],
        100 * row["ours_block_failure"],
        100 * row["ldpc_block_failure"],
    ]
    for row in agreement
]
table(["percent of blocks", "identical", "ours lost", "ldpc lost"], rows, digits=1)

# %%
evidence

# %%
same = [row["identical_blocks"] for row in agreement]
blocks = sum(row["blocks"] for row in agreement)
claim(
    f"Of {blocks} blocks at least {100 * min(same):.1f} % in each setting "
    "are decoded to the same bits.",
    min(same) > 0.98,
)
fate = min(row["same_convergence"] for row in agreement)
claim(
    f"Whether a block is decoded at all, both say the same of {100 * fate:.1f} % or more.",
    fate > 0.99,
)

# %% [markdown]
# The two round differently, and a block on the brink can fall either way.
# Now the time, one thread each, 50 rounds at most, 1200 bits.

# %%
speed = evidence.results["speed"]
rows = [
    [name.replace("crossover", "p ="), one["ldpc_over_ours"]]
    for name, one in speed.items()
]
table(["1200 bits", "ldpc's time / ours"], rows, digits=2)

# %%
ratio = {name: one["ldpc_over_ours"] for name, one in speed.items()}
batch = min(value for name, value in ratio.items() if name.endswith("blocks 100"))
alone = max(value for name, value in ratio.items() if name.endswith("blocks 1"))
claim(
    f"On 100 blocks ldpc takes at least {batch:.1f} times as long as ours.",
    batch > 1,
)
claim(
    f"On a single block it takes at most {alone:.1f} times as long, and is ahead.",
    alone < 1,
)

# %% [markdown]
# In production use ldpc, which also has faster approximations and the decoders for quantum codes, or the standard's own code with its own decoder.
# A random code is for learning: standards choose theirs without short cycles and small stopping sets.

# %% [markdown]
# ## Exercise 1: how many checks per bit?
#
# *Easy, 10 minutes.*
# Codes $(l, 2l)$ all have rate $1/2$.
# Which $l$ from 2 to 6 stands the most erasures, and why does $l = 2$ lose?
#
# Hint: `bec_threshold`.
# For the second question put a small $x$ into density evolution.
# "Because fewer checks know less" is not the reason: then $l = 6$ would be best.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
stands = {degree: bec_threshold(degree, 2 * degree) for degree in range(2, 7)}
best_degree = max(stands, key=stands.get)
claim(
    f"The best is l = {best_degree}, with {stands[best_degree]:.4f}.",
    best_degree == 3,
)
claim(
    "For l = 2 a small x becomes ε (r - 1) x, so ε must stay below 1/(r - 1).",
    abs(stands[2] - 1 / 3) < 1e-9,
)

# %% [markdown]
# ## Exercise 2: the smallest trap
#
# *Medium, 15 minutes.*
# Find the smallest stopping sets of `regular_ldpc(24, 3, 6, np.random.default_rng(0))`.
#
# Could a better decoder than peeling fill them in?
#
# Hint: try all sets of one, two, three ... bits.
# A set is stopping if no check meets it exactly *once*; a check that meets it three times is as helpless as one that meets it twice.
# For the second question ask whether a code word may be one on the set and zero elsewhere.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
tiny = regular_ldpc(24, 3, 6, np.random.default_rng(0)).toarray()
for size in range(1, 25):
    sets = combinations(range(24), size)
    traps = [s for s in sets if (tiny[:, s].sum(axis=1) != 1).all()]
    if traps:
        break
words = [s for s in traps if (tiny[:, s].sum(axis=1) % 2 == 0).all()]
claim(
    f"The smallest have {size} bits; there are {len(traps)}, such as {traps[0]}.",
    (size, len(traps)) == (4, 5),
)
claim(
    "All are code words: without them two words fit, and no decoder can choose.",
    len(words) == len(traps),
)

# %% [markdown]
# ## Exercise 3: a code that notices
#
# *Medium, 10 minutes.*
# Repeat the wrong sign with checks of *five* bits: `send(0.04, seed, n=300, r=5)`.
# How many of 100 blocks converge now, and why?
#
# Hint: count the ones that a check sees if everything is turned over.
# Not because the code is stronger: with the right sign it repairs the same blocks as before.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
noticed = fine = 0
for seed in range(5):
    H, llr = send(0.04, seed, n=300, r=5)
    noticed += int((~sum_product(H, -llr).converged).sum())
    fine += int(sum_product(H, llr).converged.sum())
claim(
    f"All {noticed} refuse to converge: five ones are odd. "
    f"With the right sign {fine} converge.",
    noticed == 100 and fine >= 98,
)

# %% [markdown]
# ## References
#
# The codes and both decoders: {cite:t}`gallager1962`.
# Peeling and its analysis: {cite:t}`luby2001`; density evolution in general, and the published thresholds: {cite:t}`richardson2001`.
# Belief propagation on any graph: {cite:t}`kschischang2001`; algorithm A's exact thresholds: {cite:t}`bazzi2004`.
# The limit: {cite:t}`shannon1948`.
