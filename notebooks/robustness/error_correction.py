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
# Parity bits, Hamming codes and SECDED put a flipped bit right; CRC-32 only notices it.
#
# On 20 July 2008 Amazon's S3 storage stood still for about eight hours, because in a handful of messages between its servers a single bit had flipped {cite}`amazon2008`.
# The customers' files were guarded by check sums, but these messages were not; they still made sense, so the servers believed them and passed the wrong state on to one another.
#
# **How can a few added bits find a wrong one, and even put it right?**
#
# You need the answer because your model is bits, too: its weights lie in memory, travel over networks and rest on disks.
# One flipped bit in the exponent of one weight can be enough to ruin most answers, and nothing in the model tells you.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | build a Hamming code and SECDED, read a syndrome, say exactly how often a short code fails, and tell a refusal from a confident mistake |
# | You need | NumPy, Matplotlib; what a probability is, and that computers store numbers as bits |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.robustness.error_correction` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

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
from companion.robustness.error_correction import (
    LinearCode,
    crc32,
    failure_probability,
    hamming,
    repetition,
    secded,
)

figure_style()

# %% [markdown]
# ## The answer in a picture: a model in memory
#
# Here is a small classifier of handwritten digits, kept in memory as 32-bit numbers.
# Cosmic rays, heat or wear flip each of its bits with a small probability, and then it has to read the digits that it has never seen.
# It is stored twice: once as it is, and once with SECDED, the kind of code that server memory uses, which adds 8 bits to every 64.
#
# **Guess before you look**: if one bit in a thousand is flipped, how much of its accuracy is left without the code, and how much with it?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Left: accuracy of the digit model over the share of flipped bits, from one in 100,000 to one in 100, logarithmic. Without a code single models drop to half from 0.03 percent on, and the median falls from 0.9 to chance between 0.03 and 0.5 percent. With SECDED the median stays at 0.9 up to 0.3 percent and falls to chance at 1 percent. Right: pairs of stacked bars for one, two and three flipped bits in a word. One: both codes put it right. Two: Hamming is wrong unnoticed in four fifths of the cases, SECDED refuses all. Three: both are wrong unnoticed in three quarters of the cases."}, "figure": {"caption": "Left: a classifier whose bits flip, twenty memories at each rate; points are single memories, lines their median. Right: what a decoder says of one, two and three flipped bits in a word, counted over all patterns.", "name": "fig-error-correction"}}
data = digits()
means = [data.X_train[data.y_train == c].mean(axis=0) for c in range(10)]
means = np.array(means)  # the mean image of each class
weights = np.vstack([means.T, -(means**2).sum(axis=1) / 2]).astype(np.float32)
payload = np.unpackbits(np.frombuffer(weights.tobytes(), np.uint8)).reshape(-1, 64)
inputs = np.hstack([data.X_test, np.ones((len(data.X_test), 1))])


def accuracy(bits):
    """Share of unseen digits that the weights in these bits get right."""
    w = np.frombuffer(np.packbits(bits).tobytes(), np.float32).reshape(weights.shape)
    with np.errstate(invalid="ignore", over="ignore"):  # a weight may be no number
        scores = inputs @ w.astype(float)
    return (scores.argmax(axis=1) == data.y_test).mean()


memory = secded(64)
sent = memory.encode(payload)  # 325 words of 72 bits
rates = np.array([1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2])
bare, guarded, reread = np.empty((3, len(rates), 20))
for i, p in enumerate(rates):
    for seed in range(20):
        flips = np.random.default_rng(seed).random(sent.shape) < p
        bare[i, seed] = accuracy(payload ^ flips[:, memory.message_positions])
        words, corrected = memory.decode(sent ^ flips)
        guarded[i, seed] = accuracy(words)
        again = np.where(corrected[:, None] < 0, payload, words)
        reread[i, seed] = accuracy(again)


def fates(code, flips):
    """Of all patterns of so many flips: shares put right, wrong unnoticed, refused."""
    places = np.array(list(combinations(range(code.n), flips)))
    errors = np.zeros((len(places), code.n), dtype=int)
    np.put_along_axis(errors, places, 1, axis=1)
    message, corrected = code.decode(errors)  # zero was sent
    wrong, refused = message.any(axis=1) & (corrected >= 0), corrected < 0
    return np.array([(~wrong & ~refused).mean(), wrong.mean(), refused.mean()])


fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9))
for values, colour, marker, style, label in (
    (bare, "red", "x", "--", "no code"),
    (guarded, "blue", "o", "-", "SECDED (72, 64)"),
):
    look = {"color": COLOURS[colour]}
    left.plot(100 * rates, values, marker, markersize=4, alpha=0.4, **look)
    left.plot(100 * rates, np.median(values, axis=1), style, label=label, **look)
left.axhline(0.1, color=COLOURS["grey"], linewidth=1, linestyle=":", label="chance")
left.set(xscale="log", xlabel="flipped bits (%)", ylim=(0, 1), title="The model")
left.set(ylabel="accuracy on unseen digits")
left.set_xticks([0.001, 0.01, 0.1, 1], ["0.001", "0.01", "0.1", "1"])
left.legend(loc="center left")
plain = LinearCode(memory.parity_check[:-1, 1:], corrects=1)  # Hamming (71, 64)
for shift, code in ((-0.2, plain), (0.2, memory)):
    shares = np.array([fates(code, flips) for flips in (1, 2, 3)])
    bottom = np.zeros(3)
    for share, colour, label in zip(
        shares.T, ("green", "red", "sky"), ("put right", "wrong, unnoticed", "refused")
    ):
        name = label if code is memory else None
        place = np.arange(1, 4) + shift
        bars = {"color": COLOURS[colour], "label": name, "bottom": bottom}
        right.bar(place, share, 0.36, **bars)
        bottom = bottom + share
right.set_xticks(
    [0.8, 1.2, 1.8, 2.2, 2.8, 3.2], ["Hamming", "SECDED"] * 3, rotation=90, fontsize=9
)
right.set(ylabel="share of patterns", title="One, two and three flips in a word")
right.grid(axis="x", visible=False)
fig.legend(
    *right.get_legend_handles_labels(), loc="outside lower right", ncols=3, fontsize=9
)
plt.show()

# %% [markdown]
# Look at the blue line first: it stays level far longer than the red one, because most damaged words hold a single wrong bit.
# Then look at the red parts on the right, because there the decoder hands out a wrong word and calls it corrected, which is a **miscorrection**.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
clean, thousandth = accuracy(payload), rates == 1e-3
claim(
    "With one bit in a thousand flipped, the median model keeps its accuracy to one "
    "point behind SECDED; bare, it loses more than five.",
    bool(
        np.median(guarded[thousandth]) > clean - 0.01
        and np.median(bare[thousandth]) < clean - 0.05
    ),
    over="20 seeds",
)

# %% [markdown]
# ## The idea on seven bits: parity checks that spell an address
#
# You could keep every bit three times and let the majority decide, like the [voting computers](redundancy.ipynb).
# That puts one wrong copy right, but it triples the cost.
#
# Richard Hamming found something cheaper {cite}`hamming1950`.
# Number seven places from 1 to 7.
# Places 3, 5, 6 and 7 carry your message; places 1, 2 and 4 are **parity bits**, and you choose them so that each of three checks counts an even number of ones:
#
# | check | places it counts |
# | :--- | :--- |
# | 1 | 1, 3, 5, 7 |
# | 2 | 2, 3, 6, 7 |
# | 4 | 4, 5, 6, 7 |
#
# Take the message 1011.
# Check 1 sees places 3, 5 and 7 with the bits 1, 0 and 1, so place 1 must be 0.
# In the same way place 2 is 1 and place 4 is 0.

# %%
code = hamming(3)
word = code.encode([1, 0, 1, 1])
word

# %% [markdown]
# Now flip place 5.
# Checks 1 and 4 count it, so they fail, but check 2 does not; and $1 + 4 = 5$.

# %%
received = word.copy()
received[5 - 1] ^= 1  # Python counts from 0
code.syndrome(received), code.decode(received)

# %% [markdown]
# The failed checks spell the address of the wrong bit, because each place stands in exactly those checks that add up to its number.
# The decoder returned the message, and says that it changed one bit.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
messages = np.arange(16)[:, None] >> np.arange(4) & 1
flipped = code.encode(messages)[:, None] ^ np.eye(7, dtype=np.uint8)  # (16, 7, 7)
decoded, corrected = code.decode(flipped)
claim(
    "The failed checks spell the place of the wrong bit, and the message comes back.",
    bool(
        (code.syndrome(flipped) == np.arange(1, 8)).all()
        and (decoded == messages[:, None]).all()
    ),
    over="all 16 messages and all 7 places",
)

# %% [markdown]
# ## The equation: syndrome and distance
#
# Write the checks as the rows of a matrix $H$ of zeros and ones.
# A **code word** $c$ is a word that satisfies $H c = 0$, counted modulo 2.
# If the **error** $e$ is added on the way, the receiver holds $y = c + e$ and computes the **syndrome**
#
# $$H y = H c + H e = H e,$$
#
# which depends on the error alone and not on what was sent.
# For Hamming's code it is the exclusive or of the addresses of all ones, and so the whole decoder is a few lines.


# %%
def fix(word):
    word, address = list(word), 0
    for place, bit in enumerate(word, start=1):
        if bit:
            address ^= place
    if address:
        word[address - 1] ^= 1
    return [word[place - 1] for place in (3, 5, 6, 7)]


every = np.arange(128)[:, None] >> np.arange(7) & 1
np.testing.assert_array_equal([fix(w) for w in every], code.decode(every)[0])

# %% [markdown]
# The package does the same for any $H$: it looks the syndrome up in a table of all errors with at most $t$ ones, and a syndrome that is not in the table means *something is wrong, and I cannot say what*.

# %%
show_source(hamming)

# %% [markdown]
# How large may $t$ be?
# The **distance** $d$ of a code is the least number of places in which two of its words differ.
# Up to
#
# $$t = \lfloor (d - 1) / 2 \rfloor$$
#
# wrong bits leave the sent word nearer than any other, so they can be put right.
# Hamming's code has $d = 3$ and $t = 1$.
# It is written $(n, k) = (7, 4)$, because it spends $n$ bits on $k$ bits of message.
#
# ## SECDED: one error corrected, two errors detected
#
# Two wrong bits are one too many for Hamming's code, and it does not notice.
# Each of its eight syndromes is already the address of some single error, so every word looks nearly right.
#
# **SECDED** adds one parity bit over the whole word, which makes $d = 4$.
# One error changes that bit.
# Two errors do not change it, and yet other checks fail; so there must be two, and the decoder refuses by saying `corrected == -1`.
#
# How much is that worth?
# Because the syndrome does not know what was sent, the whole truth about a short code is a sum over its $2^n$ errors.


# %%
def outcomes(code, p):
    """Chance that a word comes out wrong unnoticed, and that it is refused."""
    errors = np.arange(2**code.n)[:, None] >> np.arange(code.n) & 1
    ones = errors.sum(axis=1)
    chance = p**ones * (1 - p) ** (code.n - ones)
    message, corrected = code.decode(errors)  # zero was sent
    refused = corrected < 0
    wrong = message.any(axis=1) & ~refused
    return chance[wrong].sum(), chance[refused].sum()


# %% [markdown]
# Four bits of message go over a line that flips one bit in a hundred.

# %%
p = 0.01
copies = outcomes(repetition(3), p)[0]
rows = [
    ["none", 4, 100 * (1 - (1 - p) ** 4), 0.0],
    ["three copies", 12, 100 * (1 - (1 - copies) ** 4), 0.0],
    ["Hamming (7, 4)", 7, *(100 * np.array(outcomes(hamming(3), p)))],
    ["SECDED (8, 4)", 8, *(100 * np.array(outcomes(secded(4), p)))],
]
table(["code", "bits sent", "wrong, unnoticed (%)", "refused (%)"], rows, digits=4)

# %% [markdown]
# SECDED's row adds up to a third more than Hamming's, because its eighth bit repairs nothing and can be wrong itself; but it turns nearly all mistakes into refusals.
# You can ask for a refused word again, but of a mistake you never hear.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
sweep = np.geomspace(1e-4, 1e-2, 41)
rarer = [outcomes(hamming(3), p)[0] / outcomes(secded(4), p)[0] for p in sweep]
claim(
    "The eighth bit makes unnoticed mistakes at least thirty times rarer.",
    min(rarer) > 30,
    over="one flipped bit in 10,000 to one in 100, in 41 steps",
)

# %% [markdown]
# The sum of both columns has a closed form, because both mean *more than $t$ of $n$ bits are wrong*:
#
# $$P = \sum_{j > t} \binom{n}{j} p^j (1 - p)^{n - j}.$$

# %%
total = sum(outcomes(secded(4), p))
np.testing.assert_allclose(total, failure_probability(8, 1, p))
show_source(failure_probability)

# %% [markdown]
# ## A real model again: what a refusal is good for
#
# Back to the digits.
# Why do single flips hurt so much without a code?
# The highest bit of a weight's exponent turns a small number into an astronomical one, so flip that bit in one weight after the other.

# %%
highest = 32 * np.arange(weights.size) + 25  # where it stands among a weight's bits
alone = np.tile(payload.ravel(), (weights.size, 1))
alone[np.arange(weights.size), highest] ^= 1
ruined = np.array([accuracy(bits) for bits in alone])
ruined.min().round(2), np.median(ruined).round(2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    f"A single flipped bit takes the accuracy below one half in {(ruined < 0.5).sum()} of "
    f"{weights.size} weights.",
    (ruined < 0.5).mean() > 0.4,
    over="the highest exponent bit of every weight",
)

# %% [markdown]
# Behind SECDED none of these flips is even noticed by the model, because they come singly.
# The blue points below the blue line in the picture were models with a word that the decoder had refused or mistaken.
# A refused word has an address, so you can fetch it again from the disk, and the last column does that; without a code nobody knows which words to fetch.
# The table holds the accuracy of the worst of the twenty models.

# %%
rows = [
    [f"{p:g}", bare[i].min(), guarded[i].min(), reread[i].min()]
    for i, p in enumerate(rates)
    if p in (1e-4, 1e-3, 3e-3, 1e-2)
]
header = ["flipped bits", "no code", "SECDED", "refused words fetched again"]
table(header, rows, digits=3)

# %% [markdown]
# What is left in the last column is the work of words with three or more wrong bits that passed as one.
#
# ## CRC-32: when noticing is enough
#
# Often you need no repair, because you can ask for the message once more.
# A **check sum** such as CRC-32 is made for that: it is the remainder of the message, read as a polynomial over bits, on division by a fixed $g(x)$ {cite}`peterson1961`.
# Dividing is shifting and exclusive or.


# %%
def remainder(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


text = b"pay 100 to Alice"
assert remainder(text) == crc32(text)
show_source(crc32)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
number = int.from_bytes(text, "little")
singles = [1 << i for i in range(128)]
patterns = singles + [a | b for a, b in combinations(singles, 2)]
sums = {crc32((number ^ e).to_bytes(16, "little")) for e in patterns}
claim(
    "CRC-32 notices every flip of one or two bits.",
    crc32(text) not in sums,
    over=f"all {len(patterns)} such flips of one message of 16 bytes",
)

# %% [markdown]
# This is what Amazon's messages lacked, and what Amazon added afterwards {cite}`amazon2008`.
#
# ## Break it: one error more
#
# Flip two bits under Hamming's code, and three under SECDED.

# %%
pairs = np.array([[i in pair for i in range(7)] for pair in combinations(range(7), 2)])
decoded, corrected = hamming(3).decode(code.encode(messages)[:, None] ^ pairs)
wrong = (decoded != messages[:, None]).any(axis=2)
float(wrong.mean()), np.unique(corrected)  # share of wrong messages, what it says

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "After two flips Hamming's decoder always returns a wrong message and reports "
    "'one bit corrected'.",
    bool(wrong.all() and (corrected == 1).all()),
    over="all 16 messages and all 21 pairs of places",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
two, three = fates(memory, 2), fates(memory, 3)
claim(
    f"SECDED refuses every pair of flips in 72 bits, but of three flips {three[1]:.0%} "
    "pass as one corrected bit.",
    two[2] == 1 and three[1] > 0.5,
    over="all 2556 pairs and all 59,640 triples; the syndrome does not depend on the word",
)

# %% [markdown]
# No decoder that corrects one bit of this code can do better, because the wrong word really is the nearest one.
#
# ## Break it: somebody who means it
#
# An accident hardly ever adds a multiple of $g$ to your message.
# An adversary does so on purpose, because $g$ is public.

# %%
g = (0xEDB88320 << 1 | 1).to_bytes(8, "little").ljust(16, b"\0")
forged = bytes(a ^ b for a, b in zip(text, g))
forged

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The forged message has the check sum of the true one.",
    forged != text and crc32(forged) == crc32(text),
    over="this pair of messages",
)

# %% [markdown]
# Codes and check sums protect from accidents.
# Against somebody who means it you need a signature, or a keyed check such as Python's `hmac`.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "A decoder that returns has repaired."
# > **It has repaired up to $t$ errors.** Beyond them it may be wrong and say 'corrected', so give the word a check sum as well.
# >
# > "A code of distance 3 corrects one error and detects two."
# > **It does one or the other.** To correct up to $a$ errors and surely detect up to $b \ge a$ you need $d > a + b$.
# >
# > "Three copies are the safe choice."
# > **They are the simple choice.** In the table above SECDED is wrong unnoticed less often, with eight bits instead of twelve; but you must be able to ask again for the words that it refuses.
# >
# > "A check sum proves who wrote it."
# > **It proves that no ordinary accident happened on the way.** Whoever changes the message can change the sum.
#
# **Strengths**: a guarantee that you can count out, decoding by one look into a table, and a refusal that has an address.
#
# **Limits**: the table grows as $2^{n-k}$, so these codes stay short; they count on errors that come singly, and whole bytes or bursts want [Reed-Solomon codes](reed_solomon.ipynb).
# These codes, used on storage, also repair only what was stored: a weight that was computed wrongly is guarded as it is.
# Wrong computations have check sums of their own, which go through the matrix product and find the wrong entry {cite}`huang1984`.
#
# **Who is harmed when it fails**: the patient whose dose was read from a word with three flipped bits, by a program that looked at the message and not at `corrected`.
# A refusal stops the pump and calls a nurse, but a silent mistake does neither; and large data centres do find machines that corrupt data without a sign {cite}`dixit2021`.
#
# **In production** the memory controller does SECDED for you, if you buy memory with error correction and read its log; for check sums take `zlib.crc32`, and `hashlib` or `hmac` where somebody might mean it.

# %% [markdown]
# ## Check yourself
#
# **1.** A cosmic ray flips place 4 of a Hamming word of seven bits. That is one of the parity bits. What does the decoder do?
#
# <details><summary>It notices nothing, because the message is untouched.</summary>
#
# **Not so.** `code.syndrome` spelled the place of the flip for all seven places, parity bits among them.
#
# </details>
#
# <details><summary>It changes a message bit, because a wrong check misleads it.</summary>
#
# **Not so.** `code.decode` gave the message back for a flip in each of the seven places.
#
# </details>
#
# <details><summary>It flips place 4 back and returns the message.</summary>
#
# **Right.** Only check 4 counts place 4, so the syndrome is 4. The decoder makes no difference between places that carry the message and places that guard it.
#
# </details>
#
# **2.** Two memories for a model fail on equally many words. One hands out the wrong words, the other refuses them and names their addresses. The weights also lie on a disk. Which one do you take?
#
# <details><summary>The one that refuses, because those words can be fetched again.</summary>
#
# **Right.** A refusal has an address, and the disk has the word that belongs there. A wrong word that is handed out is not noticed by anybody.
#
# </details>
#
# <details><summary>The one that hands them out, because most of their bits are right.</summary>
#
# **Not so.** In `ruined` one wrong bit in the exponent of one weight was often enough to take the accuracy below one half.
#
# </details>
#
# <details><summary>Either, because a lost word is a lost word.</summary>
#
# **Not so.** With one flipped bit in a thousand the worst model in `guarded` lost most of its accuracy; with the refused words fetched again, the worst in `reread` kept it.
#
# </details>
#
# **3.** A model file lies on a public server with its CRC-32 beside it. A colleague proposes a CRC of 64 bits, because nobody can find a second file with the same sum by trying. What does that bring?
#
# <details><summary>It keeps forgers out, because there are too many sums to try.</summary>
#
# **Not so.** `forged` was made without trying anything: the polynomial `g` is public, and adding it to the message left the sum as it was.
#
# </details>
#
# <details><summary>It notices accidents more surely, and keeps no forger out.</summary>
#
# **Right.** The longer polynomial is public, too, and its multiples go unnoticed as before. Against somebody who means it you need a key.
#
# </details>
#
# <details><summary>Hardly anything, because check sums miss even small accidents.</summary>
#
# **Not so.** `crc32` noticed each of the thousands of flips of one or two bits in a message of 16 bytes.
#
# </details>

# %% [markdown]
# ## Exercise 1: encode by hand
#
# *Easy, 10 minutes.*
# Write Hamming's encoder: from four bits of message make the seven bits of the word, with the message in places 3, 5, 6 and 7.
#
# Hint: the sum of some bits, modulo 2, is the parity bit that makes the sum even.


# %% tags=["exercise"]
def encode(a, b, c, d):
    """The seven bits of Hamming's word; a, b, c, d stand in places 3, 5, 6, 7."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_encode(attempt):
    right = code.encode(messages)
    odd = right ^ np.array([1, 1, 0, 1, 0, 0, 0])
    first = np.hstack([right[:, [0, 1, 3]], messages])
    mistakes = {
        "Your checks count an odd number of ones.": odd,
        "The parity bits belong in places 1, 2 and 4, not in front.": first,
        "These are the parity bits alone.": right[:, [0, 1, 3]],
    }
    answers = [attempt(*map(int, m)) for m in messages]
    check_answer(None if None in answers else answers, right, mistakes)


check_encode(encode)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def encode_solution(a, b, c, d):
    return [(a + b + d) % 2, (a + c + d) % 2, a, (b + c + d) % 2, b, c, d]


check_encode(encode_solution)
# Why: places 3, 5 and 7 are the ones whose numbers contain a 1, so check 1 counts them;
# likewise for 2 and 4. A parity bit stands in one check only, so each can be set freely.

# %% [markdown]
# ## Exercise 2: scrubbing
#
# *Medium, 10 minutes.*
# Memory is protected by SECDED (72, 64), and each bit flips with probability `rate` per hour.
# A *scrubber* reads every word now and then and writes it back corrected.
# Return the largest whole number of hours between two visits for which a word gets more than one error with a probability below `wanted`.
#
# Hint: after $h$ hours a bit has flipped with probability $1 - (1 - \text{rate})^h$, which is nearly $h$ times the rate; `failure_probability(72, t, p)` does the rest.


# %% tags=["exercise"]
def hours(rate, wanted):
    """Longest time between two visits of the scrubber, in whole hours."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_hours(attempt):
    answers = [attempt(1e-9, 1e-12), attempt(1e-10, 1e-12)]
    mistakes = {
        "You allowed two errors, because SECDED detects them; but a detected error is "
        "not corrected, and the data are gone.": [2559, 25596],
        "You allowed no error, but one error is put right.": [0, 0],
        "One hour too many: that is the first time that is too long.": [20, 198],
    }
    check_answer(None if None in answers else answers, [19, 197], mistakes)


check_hours(hours)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def hours_solution(rate, wanted):
    h = np.arange(1, 1000)
    flipped = -np.expm1(h * np.log1p(-rate))
    return int(h[failure_probability(72, 1, flipped) < wanted].max())


check_hours(hours_solution)
# Why: there are 72 * 71 / 2 pairs of bits, each wrong with probability (h rate)^2, so h
# is about sqrt(wanted / 2556) / rate. Halving the rate of flips doubles the time.

# %% [markdown]
# ## Exercise 3: forge a check sum
#
# *Hard, 20 minutes.*
# Return four bytes that, appended to `text`, give the whole the CRC-32 `wanted`.
#
# Hint: for texts of one length, `crc32(a ^ b ^ c) == crc32(a) ^ crc32(b) ^ crc32(c)`.
# So each of the 32 appended bits flips a fixed set of bits of the sum, and you solve 32 equations modulo 2, one bit of the sum after the other.


# %% tags=["exercise"]
def forge(text, wanted):
    """Four bytes with crc32(text + them) == wanted."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_forge(attempt):
    text, wanted = b"pay 900 to Alice", crc32(b"pay 100 to Alice")
    tail = attempt(text, wanted)
    right = bytes.fromhex("3f9faf32")
    mistakes = {
        "The right bytes, but in the opposite order.": list(right[::-1]),
        "You returned the whole message; return the four bytes.": list(text + right),
    }
    check_answer(None if tail is None else list(tail), list(right), mistakes)


check_forge(forge)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def forge_solution(text, wanted):
    start, tail = crc32(text + bytes(4)), 0
    bits = [(1 << i).to_bytes(4, "little") for i in range(32)]
    flips = [(crc32(text + b) ^ start, 1 << i) for i, b in enumerate(bits)]
    need = wanted ^ start
    for bit in range(32):
        s, i = next(pair for pair in flips if pair[0] >> bit & 1)
        flips.remove((s, i))
        flips = [(a ^ s, b ^ i) if a >> bit & 1 else (a, b) for a, b in flips]
        if need >> bit & 1:
            need, tail = need ^ s, tail ^ i
    return tail.to_bytes(4, "little")


check_forge(forge_solution)
# Why: the sum is linear in the appended bits, so 32 of them reach every one of the 2^32
# sums exactly once. Trying all endings would be right, too, and some hours late.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
evidence = recorded("robustness/error_correction")
ratios = evidence.results["speed"]["ratios"]
Markdown(
    f"zlib's CRC-32 is about {1 / ratios['crc32_zlib_over_ours']:.0f} times as quick as "
    "the book's, which is there to be read, so zlib is the tool; galois also builds "
    "longer BCH codes, for which the book's table would be too large. "
    "On the same Hamming words galois takes "
    f"{ratios['hamming_galois_over_ours']:.0f} times as long as the book, which looks "
    "the error up in a table; all compared words and corrections agree."
)

# %% tags=["hide-output"]
rows = [
    ["galois, Hamming (7, 4), 2000 words", ratios["hamming_galois_over_ours"]],
    ["zlib, CRC-32 of 1 MB", ratios["crc32_zlib_over_ours"]],
]
table(["work", "its time / ours"], rows, digits=4)

# %% tags=["hide-output"]
same = evidence.results["linear_codes"]
names = ["code", "corrects", "words", "bits_that_differ"]
table(
    ["BCH code", *names[1:3], "bits that differ"], [[r[n] for n in names] for r in same]
)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Error Correction**: Developing AI systems that can correct errors and inaccuracies.
#
# It gives no method and no listing.
# Nothing can be corrected without something to compare it with, so this lesson takes the case that is solved exactly: bits that are stored or sent, and come back changed.
#
# ## References
#
# The first codes and SECDED: {cite:t}`hamming1950`; decoding by syndrome: {cite:t}`slepian1956`; cyclic check sums: {cite:t}`peterson1961`.
# Check sums through a matrix product: {cite:t}`huang1984`.
# What happened: {cite:t}`amazon2008`, {cite:t}`dixit2021`.
