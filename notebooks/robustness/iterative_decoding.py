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
# LDPC codes, decoded by peeling and by belief propagation: simple checks that talk to one another.
#
# Google watched the flash drives of its data centres for six years and many millions of drive days {cite}`schroeder2016`.
# They had to be replaced less often than hard disks, but they reported uncorrectable errors more often: more bits were wrong than the drive's own code could put right.
#
# **How bad may a channel be before nothing helps, and how near to that limit can you get with a decoder that is quick enough to build?**
#
# You need the answer because training data, checkpoints and the messages between your machines pass such channels all day, and codes of the kind on this page decode much of it: 5G uses them for its data channels.
# And the decoder is worth knowing for itself, because it is the message passing of graphical models, with its one famous failure.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | fill in lost bits by peeling, correct flipped bits by belief propagation, compute how bad a channel may be, and see when a decoder has not succeeded |
# | You need | NumPy, Matplotlib; logarithms, a little probability, and what a parity bit is ([Error correction](error_correction.ipynb)) |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.robustness.iterative_decoding` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.robustness.iterative_decoding import (
    TannerGraph,
    bec_threshold,
    gallager_a_threshold,
    peel,
    regular_ldpc,
    sum_product,
)

figure_style()

# %% [markdown]
# ## The answer in a picture: the waterfall
#
# A code spends half of its bits on parity checks, each of them over six bits that chance has picked.
# The line loses every bit with a certain probability, and you know which ones are gone.
# One **block** is one received word, and a block is lost if a single bit of it cannot be filled in.
#
# **Guess before you look**: is a code of 1200 bits better than one of 96 when 40 % of the bits are lost?
# And when 46 % are?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Three S-shaped curves: the share of lost blocks against the erasure rate from 0.30 to 0.50, for codes of 96, 300 and 1200 bits. The longer the code, the steeper the curve, and the closer its middle to a dashed vertical line at 0.4294, the threshold. The curves cross near that line. A dotted line at 0.5 marks Shannon's limit."}, "figure": {"caption": "Lost blocks of random codes of rate one half. Lines: mean of five codes, run here. Bands: from the best to the worst of ten other codes, recorded. The longer the code, the steeper the fall, and it closes on the threshold, not on Shannon's limit.", "name": "fig-iterative-decoding"}}
rates = np.array([30, 34, 36, 38, 40, 41, 42, 43, 44, 46, 48, 50]) / 100


def lost_blocks(n, seed, blocks=100):
    """Share of blocks that one random (3, 6) code loses, at each rate."""
    rng = np.random.default_rng(seed)
    graph, u = TannerGraph(regular_ldpc(n, 3, 6, rng)), rng.random((blocks, n))
    sent = np.zeros((blocks, n), dtype=int)
    return [peel(graph, sent, u < rate)[1].any(axis=1).mean() for rate in rates]


live = {
    n: np.array([lost_blocks(n, seed) for seed in range(10, 15)])
    for n in (96, 300, 1200)
}
mean = {n: shares.mean(axis=0) for n, shares in live.items()}

evidence = recorded("robustness/iterative_decoding")
waterfall = evidence.results["waterfall"]
threshold = bec_threshold(3, 6)
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

# %% [markdown]
# Look at where the curves cross.
# On the left of it the long code is the better one, and on the right it is the worse one, so length helps only as long as the line loses less than a sharp **threshold**.
# The dashed line is computed, not fitted, and this page shows you how.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
record = {n: waterfall["n"][str(n)] for n in live}
at = {rate: int(np.flatnonzero(rates == rate)[0]) for rate in (0.40, 0.46)}
claim(
    "With 40 % of the bits lost the code of 1200 bits loses fewer blocks than that of "
    "96; with 46 % it loses more.",
    bool(
        mean[1200][at[0.40]] < mean[96][at[0.40]]
        and mean[1200][at[0.46]] > mean[96][at[0.46]]
        and record[1200]["block_failure"][at[0.40]]
        < record[96]["block_failure"][at[0.40]]
        and record[1200]["block_failure"][at[0.46]]
        > record[96]["block_failure"][at[0.46]]
    ),
    over="5 codes of 100 blocks here, and 10 of 300, recorded",
)

# %% [markdown]
# ## The idea on four bits: parity checks fill in what is missing
#
# A **parity check** is a rule: a certain set of bits must hold an even number of ones.
# A code is a list of checks, and a code word is a row of bits that obeys all of them.
#
# Take two checks on four bits: $x_1 + x_2 + x_3$ is even, and $x_3 + x_4$ is even.
# The word `1 1 0 0` is sent, and its last two bits get lost.
# A bit that is known to be lost is **erased**.
#
# The first check misses only $x_3$, and since $1 + 1$ is even, $x_3 = 0$.
# Now the second check misses only $x_4$, so $x_4 = 0$ as well.

# %%
four = np.array([[1, 1, 1, 0], [0, 0, 1, 1]])
lost_34 = np.array([False, False, True, True])
peel(four, [1, 1, 0, 0], lost_34)

# %% [markdown]
# The second array says that nothing is missing any more.
# But what if the *first* two bits are lost?
# Only the first check meets them, and it misses both, so nobody can start.

# %%
peel(four, [1, 1, 0, 0], ~lost_34)

# %% [markdown]
# Such a trap is a **stopping set**: bits that every check meets not at all, or at least twice.
#
# ## Peeling: the equation and the decoder
#
# Let $H$ be the table of checks, one row per check, with a one where the check contains the bit.
# As long as some check misses a single bit $b$, fill it in, counting modulo 2:
#
# $$x_b = \sum_{b' \ne b,\; H_{cb'} = 1} x_{b'}$$
#
# Each bit may free another one, like peeling an onion, hence the name.


# %%
def plain_peel(H, word, lost):
    word, lost = np.where(lost, 0, word), lost.copy()
    while (H @ lost == 1).any():
        check = H[(H @ lost == 1).argmax()] == 1  # the first that misses one bit
        bit = (check & lost).argmax()
        word[bit] = word[check].sum() % 2
        lost[bit] = False
    return word, lost


small = regular_ldpc(12, 3, 6, np.random.default_rng(1)).toarray().astype(int)
subsets = np.arange(1, 4096)[:, None] >> np.arange(12) & 1  # all but the empty one
filled, unknown = peel(small, 0 * subsets, subsets == 1)
for lost, left in zip(subsets == 1, unknown):
    np.testing.assert_array_equal(plain_peel(small, np.zeros(12, int), lost)[1], left)

# %% [markdown]
# The package's function takes all checks and all words of a batch at once.
# Whoever decodes with one code again and again builds its **Tanner graph** once, as `TannerGraph`.

# %%
show_source(peel)

# %% [markdown]
# Is a stopping set the *only* thing that can go wrong?
# On these twelve bits every case has just been tried.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
stopping = subsets[(subsets @ small.T != 1).all(axis=1)]
trapped = ((1 - subsets) @ stopping.T == 0).any(axis=1)  # contains a stopping set
claim(
    "Peeling fails exactly where the lost bits contain a stopping set, which "
    f"{trapped.sum()} of {len(subsets)} ways to lose bits do.",
    bool((unknown.any(axis=1) == trapped).all()),
    over="all ways to lose some of 12 bits",
)

# %% [markdown]
# ## LDPC codes and density evolution: where the threshold comes from
#
# Gallager's idea of 1962 {cite}`gallager1962` was to make the code long and to keep every check small.
# Each bit sits in $l = 3$ checks, each check holds $r = 6$ bits, and chance decides which.
# Since hardly any entry of $H$ is a one, this is a **low-density parity-check** code, short LDPC.
# There are $l/r$ checks per bit, so at least the **rate** $1 - l/r = 1/2$ of the bits is free to carry your message.
#
# Shannon's limit {cite}`shannon1948` says that no code of rate $1/2$ survives the loss of more than half of its bits, however clever its decoder.
# How near does peeling come?
#
# Let $x$ be the share of messages "I am still unknown" from bits to checks, which starts at the erasure rate $\varepsilon$.
# A check helps a bit only if its other $r - 1$ bits are all known, which has probability $(1 - x)^{r-1}$.
# A bit stays unknown if the line lost it *and* none of its other $l - 1$ checks helps, so
#
# $$x \;\leftarrow\; \varepsilon \,\big(1 - (1 - x)^{r-1}\big)^{l-1}.$$
#
# This is **density evolution** {cite}`luby2001`: an infinitely long code, followed by one number.
# Here are two lines that hardly differ.

# %%
epsilon = np.array([0.42, 0.44])
x, rows = epsilon, []
for rounds in range(61):
    if rounds % 15 == 0:
        rows.append([rounds, *x])
    x = epsilon * (1 - (1 - x) ** 5) ** 2
table(["rounds", "ε = 0.42", "ε = 0.44"], rows, digits=4)

# %% [markdown]
# On the first line the unknown bits die out; on the second they get stuck, and more rounds do not help.
# The walk gets stuck where $x$ equals the right-hand side, so solve that for $\varepsilon$: the worst line without such a point has
#
# $$\varepsilon^* = \inf_{0 < x \le 1} \frac{x}{\big(1 - (1 - x)^{r-1}\big)^{l-1}}.$$
#
# For $l \ge 3$ this is a minimum that you can read off a grid.
# (For $l = 2$ the quotient falls all the way to $x = 0$ and attains its infimum nowhere.)

# %%
x = np.linspace(0.01, 1, 100_000)
y = (1 - (1 - x) ** 5) ** 2
np.testing.assert_allclose((x / y).min(), bec_threshold(3, 6), rtol=1e-8)
show_source(bec_threshold)

# %%
families = ((3, 6), (4, 8), (5, 10))
rows = [[f"({a}, {b})", bec_threshold(a, b), a / b] for a, b in families]
table(["code (l, r)", "threshold", "Shannon's limit"], rows, digits=4)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
printed = evidence.results["thresholds"]["erasures"]
widths = [record[n]["width"] for n in live]
half = [float(np.interp(0.5, mean[n], rates)) for n in live]
claim(
    "The computed thresholds agree with the published ones in all four printed digits, "
    "and the middle of the waterfall closes on its threshold from below as codes grow.",
    bool(
        all(round(row["computed"], 4) == row["published"] for row in printed)
        and half[0] < half[1] < half[2] < threshold
        and widths == sorted(widths, reverse=True)
    ),
    over=f"{len(printed)} families; 96, 300 and 1200 bits, 5 codes here and 10 recorded",
)

# %% [markdown]
# All three families have rate $1/2$, and yet the threshold falls as checks are added.
# Are more checks bad, then?
# It is not the code that gets worse, it is the decoder.
# The control is a decoder that solves all checks at once, by elimination: nothing can recover more, but its work grows with the cube of the length.

# %%
tried = evidence.results["elimination"]
rows = [
    [
        f"{row['code']}, {100 * row['erasure_rate']:.0f} % lost",
        100 * np.mean(row["peeling_lost"]) / row["blocks_per_code"],
        100 * np.mean(row["elimination_lost"]) / row["blocks_per_code"],
    ]
    for row in tried
]
table(["120 bits", "peeling loses (%)", "elimination loses (%)"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
lost = {
    (row["code"], row["erasure_rate"], which): np.sum(row[f"{which}_lost"])
    for row in tried
    for which in ("peeling", "elimination")
}
claim(
    "At equal rate (5, 10) codes lose more blocks than (3, 6) codes under peeling, and "
    "fewer under elimination.",
    all(
        lost["(5, 10)", rate, "peeling"] > lost["(3, 6)", rate, "peeling"]
        and lost["(5, 10)", rate, "elimination"] < lost["(3, 6)", rate, "elimination"]
        for rate in (0.40, 0.44)
    ),
    over="10 codes of 120 bits with 100 blocks at each of 2 rates, recorded",
)

# %% [markdown]
# ## Belief propagation: from facts to beliefs
#
# It gets harder if nobody says *which* bits are wrong.
# A **binary symmetric channel** flips each bit with probability $p$, and what it tells you about bit $b$ is a **log-likelihood ratio**,
#
# $$\lambda_b = \log \frac{P(y_b \mid x_b = 0)}{P(y_b \mid x_b = 1)},$$
#
# which is positive if the received $y_b$ speaks for 0, and large if you can trust it.
# Here it is $+\log\frac{1-p}{p}$ for a received 0, and the same with a minus for a received 1.
#
# Independent evidence adds up.
# Three copies of one bit with $\lambda = 2,\; -0.5,\; 1$ together say $2.5$ for 0, so every copy should end with that belief.

# %%
copies = np.array([[1, 1, 0], [0, 1, 1]])  # first = second, second = third
sum_product(copies, [2.0, -0.5, 1.0], iterations=2, early_stop=False).llr.round(9)

# %% [markdown]
# Now the general rule.
# Draw bits and checks as points, and join each bit to its checks.
# Along each line two messages run, $v$ from the bit to the check and $u$ back:
#
# $$v_{b \to c} = \lambda_b + \sum_{c' \ne c} u_{c' \to b}, \qquad
# \tanh \tfrac{u_{c \to b}}{2} = \prod_{b' \ne b} \tanh \tfrac{v_{b' \to c}}{2}$$
#
# The first adds evidence.
# The second says how sure a check can be of one bit, given the others, and it is never surer than of its least certain one.
# This is **belief propagation**, also called the sum-product algorithm {cite}`kschischang2001`.


# %%
def pass_messages(H, llr, rounds):
    u = np.zeros(H.shape)  # from checks to bits
    for _ in range(rounds):
        v = llr + u.sum(axis=0) - u  # all but the check's own
        t = np.where(H == 1, np.tanh(v / 2), 1.0)
        for c, b in np.argwhere(H):
            u[c, b] = 2 * np.arctanh(np.delete(t[c], b).prod())
    return llr + u.sum(axis=0)


hamming = np.arange(1, 8) >> np.arange(3)[:, None] & 1
heard = np.array([1.0, 0.5, -0.3, 0.2, 0.8, -0.1, 0.4])
ours = sum_product(hamming, heard, iterations=5, early_stop=False).llr
np.testing.assert_allclose(pass_messages(hamming, heard, 5), ours, rtol=1e-9)

# %%
show_source(sum_product)

# %% [markdown]
# Mind the $\ne$ signs: nobody is ever told its own opinion.
# If the drawing has no cycles, the beliefs are therefore exact, and you can compare them with a sum over all code words.


# %%
def exact_beliefs(H, llr):
    """Weigh all code words that have a bit 0 against all that have it 1."""
    n = H.shape[1]
    words = np.arange(2**n)[:, None] >> np.arange(n) & 1
    words = words[~(words @ H.T % 2).any(axis=1)]
    weight = np.exp(-(words * llr).sum(axis=1))
    return np.log((1 - words).T @ weight) - np.log(words.T @ weight)


rows = []
for name, H in (("four bits, a tree", four), ("Hamming (7, 4), cycles", hamming)):
    llr = heard[: H.shape[1]]
    passed = sum_product(H, llr, iterations=100, early_stop=False).llr
    rows.append([name, np.abs(passed - exact_beliefs(H, llr)).max()])
table(["largest error of a belief", "error"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
rng = np.random.default_rng(0)
apart = []
for _ in range(100):
    llr = rng.normal(0, 2, 7)
    for H in (four, hamming):
        h = llr[: H.shape[1]]
        belief = sum_product(H, h, 100, early_stop=False).llr
        apart.append(np.abs(belief - exact_beliefs(H, h)).max())
tree, loopy = np.reshape(apart, (100, 2)).T
claim(
    "Without cycles the beliefs are exact to rounding; on Hamming's code, which has "
    "cycles, they are not.",
    bool(tree.max() < 1e-11 and loopy.min() > 1e-3),
    over="100 random receptions; on trees: theorem",
)

# %% [markdown]
# ## A standard channel: random flips
#
# In a long random code few bits lie on a short cycle, and the beliefs are good enough.
# Send a hundred blocks of 1200 bits, twenty on each of five codes, through three channels.
# The all-zero word is sent, which is fair, because a decoder that looks at checks alone treats every code word alike.


# %%
def send(p, seed, n=1200, degrees=(3, 6), blocks=20):
    """One random code, and what is heard of blocks with flipped bits."""
    rng = np.random.default_rng(seed)
    graph = TannerGraph(regular_ldpc(n, *degrees, rng))
    flipped = rng.random((blocks, n)) < p
    return graph, np.where(flipped, -1, 1) * np.log((1 - p) / p)


# %%
rows, repaired = [], {}
for p in (0.05, 0.07, 0.09):
    repaired[p] = 0
    for seed in range(5):
        graph, llr = send(p, seed)
        repaired[p] += int((~sum_product(graph, llr).bits.any(axis=1)).sum())
    rows.append([p, f"{1200 * p:.0f}", repaired[p]])
table(["flips p", "wrong bits per block", "of 100 blocks repaired"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "At p = 0.05 at least 98 of 100 blocks come back without one wrong bit; at 0.09 "
    "most are lost.",
    repaired[0.05] >= 98 and repaired[0.09] < 50,
    over="5 codes with 20 blocks of 1200 bits at each rate",
)

# %% [markdown]
# The published threshold of belief propagation lies between the second row and the third {cite}`richardson2001`.
# Real numbers are worth their price: Gallager's *algorithm A* sends single bits along the same lines, and its threshold can be computed exactly.

# %%
rows = [
    ["algorithm A, single bits", round(gallager_a_threshold(3, 6), 4)],
    ["belief propagation, published", 0.084],
    ["Shannon's limit", 0.110],
]
table(["decoder of (3, 6) codes", "repairs up to p ="], rows)

# %% [markdown]
# ## Break it: a wrong sign
#
# Many programs write the log-likelihood ratio the other way up, positive for 1.
# Pass such numbers in by mistake, on a good channel.

# %%
converged = turned = right = 0
for seed in range(5):
    graph, llr = send(0.04, seed)
    beliefs = sum_product(graph, -llr)  # the other convention
    converged += int(beliefs.converged.sum())
    turned += int((beliefs.converged & beliefs.bits.all(axis=1)).sum())
    right += int(sum_product(graph, llr).converged.sum())
converged, turned, right

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "With the wrong sign at least 95 of 100 blocks satisfy every check, and in each of "
    "these every single bit is wrong.",
    converged >= 95 and turned == converged and right >= 98,
    over="5 codes with 20 blocks of 1200 bits; with the right sign 98 or more converge",
)

# %% [markdown]
# Why does no check object?
# Every check holds *six* bits, and if all six are turned over their sum stays even, so the opposite of a code word is a code word.
# Test a decoder on a message that you know, never on its own satisfaction.
#
# ## Break it: an echo
#
# Leave the $\ne$ signs out, and each check tells a bit its own opinion as if it were news.
# The formula gets shorter, and that is why people write it.


# %%
def echo(H, llr, rounds):
    """Belief propagation with the two ≠ signs left out."""
    total = llr
    for _ in range(rounds):
        t = np.where(H, np.tanh(total / 2)[:, None], 1.0).prod(axis=2)
        total = llr + 2 * np.arctanh(np.clip(t, -1 + 1e-12, 1 - 1e-12)) @ H
    return total


# %%
lost_right = lost_echo = 0
for seed in range(5):
    rng = np.random.default_rng(seed)
    H = regular_ldpc(300, 3, 6, rng)
    llr = np.where(rng.random((20, 300)) < 0.05, -1, 1) * np.log(0.95 / 0.05)
    lost_right += int(sum_product(H, llr).bits.any(axis=1).sum())
    lost_echo += int((echo(H.toarray(), llr, 30) < 0).any(axis=1).sum())
table(
    ["of 100 blocks of 300 bits", "lost"],
    [["correct", lost_right], ["echo", lost_echo]],
)

# %% [markdown]
# The same happens on every graph with cycles, only more slowly: evidence comes round and is counted again.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "A longer code is always better."
# > **Only below its threshold.** Beyond it length makes failure certain.
# >
# > "More checks per bit protect more."
# > **They make the code stronger and peeling weaker.** At equal rate (5, 10) codes lose more blocks than (3, 6) codes under peeling, and fewer if all checks are solved at once.
# >
# > "The beliefs are probabilities."
# > **Only without cycles.** With cycles evidence is counted more than once, so do not report them as confidence.
# >
# > "All checks are satisfied, so the message is right."
# > **It is a code word, perhaps another one.** A check sum over the message, such as a CRC, tells you whether it is the one that was sent.
#
# **Strengths**: the work grows only in proportion to the length, all checks can run at once, and the thresholds are not far from Shannon's limit; codes with *mixed* degrees come closer still {cite}`luby2001`.
#
# **Limits**: short blocks, in which random codes hide small stopping sets; and bursts, or errors of an unknown rate, because density evolution supposes independent bits and a known channel.
#
# **Who is harmed when it fails**: whoever acts on a block that was never decoded, such as a nurse who reads a dose from a monitor's radio link.
# A decoder always returns bits.
# Whether they mean anything is said by `converged`, or by what `peel` still marks as erased, and the program around it must refuse the block.
#
# **In production** use [ldpc](https://github.com/quantumgizmos/ldpc), which also has faster approximations and decoders for quantum codes, or the standard's own code with its own decoder.
# A random code is for learning: standards choose theirs without short cycles and small stopping sets.

# %% [markdown]
# ## Check yourself
#
# **1.** Three sensors look at one bit, independently. One says 0 with $\lambda = 3$; the other two say 1, each with $\lambda = -1$. What should you believe?
#
# <details><summary>That the bit is 1, by two votes to one.</summary>
#
# **Not so.** `sum_product` on `copies` counted no votes: each copy ended with the *sum* of the three ratios, in which a sure voice weighs more.
#
# </details>
#
# <details><summary>Nothing either way, because the sensors contradict one another.</summary>
#
# **Not so.** They contradicted one another in `copies`, too, and still all three ended with one definite belief, the sum.
#
# </details>
#
# <details><summary>That the bit is 0, but less surely than the first sensor says.</summary>
#
# **Right.** Independent evidence adds up, and $3 - 1 - 1 = 1$ still speaks for 0.
#
# </details>
#
# **2.** Peeling has come to a stop, and a hundred bits of a block are still missing. What can still help?
#
# <details><summary>More rounds, because each of them fills in a few more.</summary>
#
# **Not so.** It stops only where no check misses a single bit, and then no round begins: of the first two bits of `four`, `peel` filled in neither.
#
# </details>
#
# <details><summary>Another decoder, which solves all checks at once.</summary>
#
# **Right.** No check determines a bit by itself any more, but several checks together may. The price is work that grows with the cube of the length.
#
# </details>
#
# <details><summary>Nothing, because the checks do not determine these bits.</summary>
#
# **Not so.** They often do: in `tried`, elimination used the very same checks and lost far fewer blocks than peeling.
#
# </details>
#
# **3.** Three colleagues estimate a risk. Day after day each of them adds the reports of the other two to their own estimate, and a report contains all that its author has heard so far. After a week all three are very sure. What has happened?
#
# <details><summary>They have counted their own evidence again and again.</summary>
#
# **Right.** What comes back to its sender is no news, and it is taken for news. The signs ≠ in the two rules are there to keep it out.
#
# </details>
#
# <details><summary>They have come closer to the truth, because in the end all agree.</summary>
#
# **Not so.** `echo` passes messages on like that, and `lost_echo` counted all of the hundred blocks as lost, where the correct rule lost few.
#
# </details>
#
# <details><summary>They are too sure, but what they decide stays the same.</summary>
#
# **Not so.** `lost_echo` counts wrong decisions and not excessive sureness: no block was decided rightly, although `sum_product` decides most of them so.
#
# </details>

# %% [markdown]
# ## Exercise 1: how many checks per bit?
#
# *Easy, 10 minutes.*
# Codes $(l, 2l)$ all have rate $1/2$.
# Return the $l$ from 2 to 6 whose codes stand the largest share of erasures under peeling, and that share.
#
# Hint: `bec_threshold`.
# To see why $l = 2$ loses, put a small $x$ into density evolution.


# %% tags=["exercise"]
def best_degree():
    """(l, threshold) of the best code with l from 2 to 6 and r = 2 l."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_best_degree(attempt):
    mistakes = {
        "Fewest checks are not best: for l = 2 a small x grows as soon as ε exceeds "
        "1/(r - 1).": (2, bec_threshold(2, 4)),
        "Most checks are not best either: peeling needs checks with one missing bit.": (
            6,
            bec_threshold(6, 12),
        ),
        "That is Shannon's limit, not the threshold.": (3, 0.5),
    }
    check_answer(attempt(), (3, bec_threshold(3, 6)), mistakes, tolerance=1e-4)


check_best_degree(best_degree)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def best_degree_solution():
    stands = {degree: bec_threshold(degree, 2 * degree) for degree in range(2, 7)}
    return max(stands.items(), key=lambda item: item[1])


check_best_degree(best_degree_solution)
# Why: for l = 2 a small x becomes ε (r - 1) x, which dies out only below 1/(r - 1). For
# large l the checks are long, so nearly all of them miss two bits and cannot begin.

# %% [markdown]
# ## Exercise 2: the smallest trap
#
# *Medium, 15 minutes.*
# Return the size of the smallest stopping sets of a small code $H$, and how many there are of that size.
#
# Hint: try all sets of one, two, three ... bits.
# Could a better decoder fill them in?
# Ask whether a code word may be one on the set and zero elsewhere.


# %% tags=["exercise"]
def smallest_traps(H):
    """(bits in a smallest stopping set, number of such sets)."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_smallest_traps(attempt):
    tiny = regular_ldpc(24, 3, 6, np.random.default_rng(0)).toarray().astype(int)
    mistakes = {
        "You asked for checks that meet the set exactly twice; three times is as "
        "helpless.": (4, 4),
        "A check that meets the set exactly once would help: none may.": (1, 24),
        "Not every check needs to meet the set; not at all is as helpless.": (8, 27),
    }
    check_answer(attempt(tiny), (4, 5), mistakes)


check_smallest_traps(smallest_traps)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def smallest_traps_solution(H):
    for size in range(1, H.shape[1] + 1):
        sets = combinations(range(H.shape[1]), size)
        traps = [s for s in sets if (H[:, s].sum(axis=1) != 1).all()]
        if traps:
            return size, len(traps)


check_smallest_traps(smallest_traps_solution)
# Why: peeling needs a check that meets the lost bits exactly once. These five sets are
# even code words, so two words fit what has arrived, and no decoder can choose.

# %% [markdown]
# ## Exercise 3: a code that notices
#
# *Medium, 10 minutes.*
# Repeat the wrong sign with checks of *five* bits, and as a control with checks of *ten* bits at the same rate $2/5$: `send(0.02, seed, 300, (3, 5))` and `send(0.02, seed, 300, (6, 10))`, for seeds 0 to 4.
# Return how many of the 100 blocks satisfy all checks in each case.
#
# Hint: count the ones that a check sees if everything is turned over.


# %% tags=["exercise"]
def satisfied():
    """Converged blocks with the wrong sign: (checks of five, checks of ten)."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_satisfied(attempt):
    mistakes = {
        "That is the right sign; turn the ratios over.": (100, 100),
        "These are the blocks that did not converge, or the cases in the opposite "
        "order.": (100, 0),
    }
    check_answer(attempt(), (0, 100), mistakes, tolerance=2)


check_satisfied(satisfied)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def satisfied_solution():
    def count(degrees):
        received = [send(0.02, seed, 300, degrees) for seed in range(5)]
        return sum(int(sum_product(g, -llr).converged.sum()) for g, llr in received)

    return count((3, 5)), count((6, 10))


check_satisfied(satisfied_solution)
# Why: five ones are odd, so the opposite of a code word breaks every check; ten are
# even. It is the odd number that notices, because both codes have the same rate.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]
alone, batch = (
    [one for name, one in speed.items() if name.endswith(f"blocks {n}")]
    for n in (1, 100)
)
once, anew, many = (
    min(one[f"ldpc_over_ours{how}"] for one in rows)
    for rows, how in ((alone, ""), (alone, "_with_building"), (batch, ""))
)
agreement = evidence.results["agreement_with_ldpc"]
same = min(row["identical_blocks"] for row in agreement)
Markdown(
    "The book has one decoder where ldpc has many: no min-sum, no serial schedule, no "
    "ordered statistics, no quantum codes. On the same work ldpc's C++ takes at least "
    f"{once:.1f} times as long for a single block ({anew:.1f} if the book builds its "
    f"graph anew each time) and {many:.1f} times for a hundred, and in every "
    f"setting at least {100 * same:.1f} % of the blocks are decoded to the same bits; "
    "the two round differently, and a block on the brink can fall either way."
)

# %% tags=["hide-output"]
rows = [
    [
        name.replace("crossover", "p ="),
        one["ldpc_over_ours"],
        one["ldpc_over_ours_with_building"],
    ]
    for name, one in speed.items()
]
table(["1200 bits: ldpc's time / ours", "built once", "built anew"], rows, digits=2)

# %% tags=["hide-output"]
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

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Error Correction**: Developing AI systems that can correct errors and inaccuracies.
#
# It gives no method and no listing.
# Short codes, decoded one word at a time by algebra, are the subject of [Error correction](error_correction.ipynb) and [Reed-Solomon codes](reed_solomon.ipynb).
#
# ## References
#
# The codes and both decoders: {cite:t}`gallager1962`.
# Peeling and its analysis: {cite:t}`luby2001`; density evolution in general, and the published thresholds: {cite:t}`richardson2001`.
# Belief propagation on any graph: {cite:t}`kschischang2001`; algorithm A's exact thresholds: {cite:t}`bazzi2004`.
# The limit: {cite:t}`shannon1948`; flash drives in use: {cite:t}`schroeder2016`.
