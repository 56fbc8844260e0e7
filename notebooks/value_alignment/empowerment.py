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
# # Empowerment
#
# The capacity of the channel from an agent's actions to the world, by Blahut and Arimoto's iteration and its bounds.
#
# In October 2021 a maintenance command that was meant to assess the capacity of Facebook's backbone took all of its connections down.
# The engineers could still give every command that they knew, but the ways into the data centres were down with the network and the tools needed it, too, so hardly anything that they did from afar made a difference any more {cite}`janardhan2021`.
#
# **How much can an agent still make happen, whatever it may want?**
#
# You need the answer when you ask which of two situations leaves an agent more control, or the person who should be able to stop it.
# Counting the buttons does not tell you, and counting what may happen does not either, because much of it may be luck.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compute how many bits an agent's choice sends into its future, with bounds that certify the number, and tell control from luck |
# | You need | NumPy, Matplotlib, Gymnasium; probabilities and logarithms, and what states and actions of a decision process are |
# | Time | 25 minutes to read, 25 for the exercises |
# | Code | `companion.value_alignment.empowerment` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import gymnasium
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from companion.lesson import (
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.mdp import MDP
from companion.value_alignment.empowerment import (
    action_channel,
    channel_capacity,
    empowerment,
    mutual_information,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# An agent walks on a frozen lake with holes.
# It names four steps in advance, but the ice is slippery: each step goes where it was meant in one case of three, and to either side in the two others.
#
# On the left you see, for each cell, in how many cells it may be after the four steps, as a binary logarithm.
#
# **Guess before you look at the right**: from which cell does the agent's *choice* of the four steps make most difference?

# %% mystnb={"figure": {"caption": "Gymnasium's frozen lake, 8 by 8, slippery, four steps. Left: the binary logarithm of the number of cells where the walk may end. Right: the empowerment, in bits: how much the choice of the four steps can tell about where it ends. Stars mark the largest values; dark cells are holes and the goal.", "name": "fig-empowerment"}, "image": {"alt": "Two grids of 8 by 8 numbers. Left, most cells can be reached from the open middle, 4.7 bits at four cells there. Right, the values lie between 0.5 and 0.9 bits, and the largest is at the right rim in the fifth row, with the left rim close behind."}} tags=["hide-input"]
env = gymnasium.make("FrozenLake-v1", map_name="8x8", is_slippery=True)
lake = MDP.from_gymnasium(env, discount=0.9)  # the discount does not matter here
on_ice = empowerment(lake, steps=4)
fig, axes = plt.subplots(1, 2, figsize=(9, 4.4))
pictures = {"what may happen": np.log2(on_ice.reachable), "what is chosen": on_ice.bits}
for axis, (title, bits) in zip(axes, pictures.items()):
    ice = np.ma.masked_less(bits, 1e-9).reshape(8, 8)
    axis.imshow(ice, cmap="Blues", vmin=0.6 * ice.min(), vmax=1.4 * ice.max())
    axis.set_facecolor("0.3")
    for y, x in np.argwhere(~ice.mask):
        star = "*" if ice[y, x] > ice.max() - 1e-6 else ""
        axis.text(x, y, f"{ice[y, x]:.2f}{star}", ha="center", va="center", fontsize=8)
    axis.set(title=f"{title} (bits)", xlabel="column", ylabel="row")
    axis.grid(visible=False)
plt.show()

# %% [markdown]
# Most may happen in the open middle, but there it happens by itself: whatever the agent names, the ice scatters it in nearly the same way.
# Its choice counts most at the rim, though not in the corners, and you will see below that this is the work of the wall.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
best = np.flatnonzero(on_ice.bits > on_ice.bits.max() - 1e-6)
widest = np.flatnonzero(on_ice.reachable == on_ice.reachable.max())
claim(
    "The cell where the choice counts most lies at the rim, and it is not among those "
    "from which most cells can be reached, which lie inside.",
    bool(
        np.isin(best % 8, [0, 7]).all()
        and not np.isin(widest % 8, [0, 7]).any()
        and not np.isin(best, widest).any()
        and on_ice.converged.all()
    ),
    over="all 64 cells, four steps",
)

# %% [markdown]
# ## The idea on three levers: bits of choice
#
# A lever has two positions, and what it moves goes to the left or to the right.
# If the lever always works, your choice decides between two things, which is one bit.
# If it has come off, you may pull as you like and nothing depends on it, which is zero bits.
#
# One step on the ice, far from any wall, you can work out by hand.
# Each of the four actions brings you to three of the four neighbours, with a third each, and if you choose all actions equally often, each neighbour comes up in a quarter of the cases.
# So an outcome that your action allows is $\frac{1/3}{1/4} = \frac43$ times as likely as it was before anybody knew your action, and that is
#
# $$\log_2 \tfrac43 = 0.415 \text{ bits,}$$
#
# although four cells can be reached, whose logarithm is two bits.

# %%
levers = {
    "works": [[1, 0], [0, 1]],
    "slips once in ten": [[0.9, 0.1], [0.1, 0.9]],
    "has come off": [[0.5, 0.5], [0.5, 0.5]],
    "one step on ice": (np.ones((4, 4)) - np.eye(4)) / 3,
}
rows = [[name, float(channel_capacity(W).bits)] for name, W in levers.items()]
table(["lever", "bits"], rows, digits=3)

# %% [markdown]
# ## The equation: Blahut and Arimoto's iteration
#
# Let $W_{xy}$ be the probability that input $x$ (what the agent does) leads to output $y$ (what then is).
# If the inputs are drawn with probabilities $p_x$, outputs come with $q_y = \sum_x p_x W_{xy}$, and input $x$ tells
#
# $$D_x = \sum_y W_{xy} \log_2 \frac{W_{xy}}{q_y}$$
#
# bits on average.
# The mean $\sum_x p_x D_x$, the **mutual information** of input and output, is what passes through the channel, and the **capacity** is the most that any $p$ lets pass:
#
# $$C = \max_p \sum_x p_x D_x, \qquad \sum_x p_x D_x \;\le\; C \;\le\; \max_x D_x .$$
#
# The first bound is plain, because the maximum is no less than one of its candidates.
# The second one says that if no input tells more than $D$ bits, no mixture of them passes more {cite}`blahut1972`.
# The iteration uses inputs more often that tell more, and stops when the two bounds meet.


# %%
def blahut_arimoto(W, rounds):
    p = np.full(len(W), 1 / len(W))
    for _ in range(rounds):
        q = p @ W
        ratio = np.divide(W, q, out=np.ones_like(W), where=W > 0)
        D = (W * np.log2(ratio)).sum(axis=1)
        lower, upper = p @ D, D.max()
        p = p * 2**D
        p = p / p.sum()
    return lower, upper


Z = np.array([[1.0, 0.0], [0.5, 0.5]])  # only one of two symbols is ever garbled
lower, upper = blahut_arimoto(Z, rounds=100)
bits = channel_capacity(Z).bits
np.testing.assert_allclose([lower, upper], bits, rtol=0, atol=2e-9)

# %% [markdown]
# The bounds are there for a reason.
# Here is the slowest of sixty random channels with eight inputs: what passes looks settled long before the upper bound says that there is nothing left to gain.

# %%
rng = np.random.default_rng(20)
W = rng.dirichlet(np.ones(8), 8)
rows = [[n, *blahut_arimoto(W, n)] for n in (1, 10, 100, 1000, 10_000)]
table(["rounds", "at least (bits)", "at most (bits)"], rows, digits=5)

# %% [markdown]
# What takes so long?
# Three of the eight inputs are useless, so the best $p$ leaves them out, and one is only just useful.
# Take away one of each kind, and look how far the bounds are apart after a thousand rounds.

# %%
p = channel_capacity(W).input.round(6)
barely = np.where(p > 0, p, 1).argmin()
without = {"none": [], "a useless one": p.argmin(), "the barely useful one": barely}
rows = []
for name, taken in without.items():
    V = np.delete(W, taken, axis=0)
    at_least, at_most = blahut_arimoto(V, 1000)
    rows.append([name, channel_capacity(V).bits, f"{at_most - at_least:.0e}"])
table(["input taken away", "capacity", "distance of the bounds"], rows, digits=5)

# %% [markdown]
# The useless input costs no time, but the one on the border does: its share settles slowly, and as long as it moves the bounds do not meet.
# The package therefore keeps the bounds but moves $p$ by Newton's method, which needs few steps even then, and treats many channels side by side.

# %%
show_source(channel_capacity)

# %% [markdown]
# ## Empowerment: the channel from action sequences to the last state
#
# Now let the input be a whole sequence of $n$ actions, fixed before the first one, and the output the state after the last.
# The capacity of this channel is the agent's **empowerment** in the state where it starts {cite}`klyubin2005`.
#
# On a floor where every step is certain, an input tells exactly where it leads, so the empowerment is the logarithm of how many states can be reached in $n$ steps.
# To see known numbers come out, take a large square of cells.


# %%
def floor(size, ice=False, stay=False, wrap=False):
    row, column = np.divmod(np.arange(size**2), size)
    go = []
    for down, right in [(0, -1), (1, 0), (0, 1), (-1, 0)] + [(0, 0)] * stay:
        r, c = row + down, column + right
        edge = np.mod if wrap else lambda x, n: np.clip(x, 0, n - 1)
        go.append(np.eye(size**2)[edge(r, size) * size + edge(c, size)])
    P = np.stack(go, axis=1)
    if ice:  # as meant, or to either side
        P = (P + np.roll(P, 1, axis=1) + np.roll(P, -1, axis=1)) / 3
    return MDP(P, np.zeros(P.shape[:2]), discount=0.9)


plain, staying = (empowerment(floor(9, stay=s), steps=4) for s in (False, True))
rows = [
    ["centre", 40, plain.reachable[40], plain.bits[40]],
    ["centre, and one may stay", 40, staying.reachable[40], staying.bits[40]],
    ["corner", 0, plain.reachable[0], plain.bits[0]],
]
table(["start", "cell", "cells after 4 steps", "bits"], rows, digits=3)

# %% [markdown]
# Without a way to stay you are on a cell of the chessboard's same colour after four steps, so in the middle 25 cells remain of 41.
# In the corner, bumping into a wall is a way to stay.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
evidence = recorded("value_alignment/empowerment")
certain = evidence.results["certain"]
claim(
    "Where steps are certain, empowerment is the logarithm of the number of states "
    "that can be reached, so there it is nothing but a count.",
    bool(
        np.allclose(plain.bits, np.log2(plain.reachable), rtol=0, atol=1e-9)
        and max(row["largest difference"] for row in certain) <= 1e-9
    ),
    over="the 81 cells above; dry lake and cliff to 4 steps, taxi to 2, recorded",
)

# %%
show_source(empowerment)

# %% [markdown]
# ## A standard environment: the frozen lake, dry and icy
#
# Gymnasium has the lake with and without the slips.
# Here are three of its cells, with two simpler measures beside the empowerment: the logarithm of the count, and the bits that pass if the agent draws its sequence uniformly instead of choosing well.

# %%
dry_env = gymnasium.make("FrozenLake-v1", map_name="8x8", is_slippery=False)
dry = empowerment(MDP.from_gymnasium(dry_env, discount=0.9), steps=4)
cells = {"corner, row 0": 0, "rim, row 4": 32, "inside, row 1": 12}
rows = [
    [name, dry.bits[c], np.log2(on_ice.reachable[c]), on_ice.bits[c], on_ice.uniform[c]]
    for name, c in cells.items()
]
table(["cell", "dry", "ice: count", "ice: chosen", "ice: uniform"], rows, digits=2)

# %% [markdown]
# The dry column is a count as well, and both counts put the cell inside above the one at the rim, whereas on ice the chosen bits put it below.
# How often the two measures disagree about which of two cells is better, you see here for both icy lakes.

# %%
rows = [
    [
        f"{r['map']}, {r['steps']} step{'s' * (r['steps'] > 1)}",
        100 * r["against"],
        r["most bits"],
    ]
    for r in evidence.results["ice"]
]
table(["icy lake", "pairs ordered against the count (%)", "most bits"], rows, digits=1)

# %% [markdown]
# Is it the wall that helps?
# Take the cause away: on an icy floor whose edges are joined, so that whoever leaves on one side comes in on the other, no cell has a wall.

# %%
walled, joined = (
    empowerment(floor(9, ice=True, wrap=w), steps=4) for w in (False, True)
)
rows = [
    ["open middle", walled.bits[40], joined.bits[40]],
    ["middle of the left side", walled.bits[36], joined.bits[36]],
    ["corner", walled.bits[0], joined.bits[0]],
]
table(["cell on ice, 9 by 9", "with walls", "edges joined"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
side, corner = [4, 36, 44, 76], [0, 8, 72, 80]
gains = []
for steps in (2, 3, 4):
    walls = empowerment(floor(9, ice=True), steps).bits
    gains.append((walls[side].min() - walls[40], walls[40] - walls[corner].max()))
claim(
    "On ice the middle of a side is better than the open middle, and a corner is worse.",
    bool(np.min(gains) > 0.01),
    over="2, 3 and 4 steps on 9 by 9 cells of ice, all sides and corners",
)

# %% [markdown]
# So one wall helps on the ice, while a second one takes away more than the first has given.
#
# Uniform actions give a lower bound that needs no optimisation, but on the ice it is far off.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
lost = [
    r["lost by uniform actions"] for r in evidence.results["ice"] if r["steps"] == 4
]
claim(
    "Uniform sequences lose more than half a bit somewhere on each icy lake.",
    (on_ice.bits - on_ice.uniform).max() > 0.5 and min(lost) > 0.5,
    over="four steps on both lakes, recorded; the large one live",
)

# %% [markdown]
# ## Break it: luck that looks like control
#
# Usually nobody hands you $W$; you try each sequence a few times and count where you ended.
# Do that with sixteen sequences that have no effect whatever, where one of nine outcomes comes up by chance.


# %%
def tried(W, times, rng):
    """Each input that often: the observed shares of the outputs."""
    return np.array([rng.multinomial(times, row) / times for row in W])


useless = np.full((16, 9), 1 / 9)
real, _ = action_channel(lake, state=32, steps=2)
rows = []
for times in (10, 100, 1000, 10_000):
    rng = np.random.default_rng(0)
    seen = [
        channel_capacity([tried(W, times, rng) for _ in range(20)], 1e-6).bits.mean()
        for W in (useless, real)
    ]
    rows.append([f"{times:,}", *seen])
rows.append(["the truth", 0.0, float(channel_capacity(real).bits)])
table(["tries of each", "no effect", "a cell on ice"], rows, digits=2)

# %% [markdown]
# Ten tries of each sequence find most of a bit of "control" where there is none, since every sequence has its own luck and the maximum over $p$ goes for it.
# That such estimates are too high is well known {cite}`paninski2003`, and there is a test for it that needs no truth: deal the observed outcomes out to the sequences at random and estimate again.
# What remains then is luck.


# %%
def dealt(shares, times, rng):
    """The same outcomes, but dealt out to the inputs at random."""
    counts = np.rint(np.asarray(shares) * times).astype(int)
    outcomes = np.repeat(np.arange(counts.shape[1]), counts.sum(axis=0))
    hands = rng.permutation(outcomes).reshape(len(counts), times)
    return np.array([np.bincount(h, minlength=counts.shape[1]) for h in hands]) / times


rng = np.random.default_rng(0)
pairs = {"no effect": useless, "a cell on ice": real}
rows, kept = [], {}
for name, W in pairs.items():
    first = [tried(W, 100, rng) for _ in range(20)]
    again = [dealt(shares, 100, rng) for shares in first]
    kept[name] = [channel_capacity(c, 1e-6).bits for c in (first, again)]
    rows.append([name, *(bits.mean() for bits in kept[name])])
table(["100 tries of each", "estimate", "after dealing out"], rows, digits=2)

# %% [markdown]
# Where nothing has any effect the two agree, and on the ice they do not.
# But this is a test and no correction: where there is an effect less of the estimate is luck, so taking all of the second column away from the first would leave less than the truth.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
few = channel_capacity(
    [tried(useless, 10, np.random.default_rng(seed)) for seed in range(20)], 1e-6
).bits
excess = {name: first - again for name, (first, again) in kept.items()}
claim(
    "Ten tries see more than half a bit where no action has any effect; the mean excess "
    "over the dealt-out outcomes is below 0.02 bits there, and each on the ice above 0.3.",
    bool(
        few.min() > 0.5
        and abs(excess["no effect"].mean()) < 0.02
        and excess["a cell on ice"].min() > 0.3
    ),
    over="20 seeds of 10 tries, and 20 samples of 100",
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "Whoever may end up in many places has much control."
# > **Reach is not control.** On ice nearly everything may happen, and hardly any of it is chosen.
# >
# > "More actions make an agent more powerful."
# > **Only actions with another effect do.** A second button for the same thing adds no bit.
# >
# > "The number has converged, because it no longer changes."
# > **Slow progress looks like none.** Ask for the distance of the two bounds instead.
# >
# > "Empowerment is a safe goal for an agent, since it asks for nothing in particular."
# > **It asks for influence, whatever it is good for.** This page measures it and trains nothing. In environments with certain symmetries most reward functions make it optimal to keep options open anyway {cite}`turner2021`, which is a reason to watch such a measure rather than to reward it.
#
# **Strengths**: it needs no reward; it has units; its bounds can be checked by anybody; it can be asked of a person beside an assistant just as well as of an agent.
#
# **Limits**: it needs a model; the number of sequences grows exponentially; it fixes the actions in advance, so an agent that looks on the way can do more; and it counts whatever you called a state, be it important or not. It rewards nothing; what an agent can be paid for besides its task is in [Intrinsic motivation](intrinsic_motivation.ipynb).
#
# **Who is harmed when it fails**: people whose own choices stop making a difference, such as the operator whose override still has its button but no longer an effect, and nobody measured it.
#
# **In production** we know of no maintained library for empowerment; for the capacity of one channel, `cvxpy` solves the same problem as an exponential-cone program.

# %% [markdown]
# ## Check yourself
#
# **1.** You try sixteen override commands of a plant ten times each and estimate $0.9$ bits of control. Then you deal the observed outcomes out to the commands at random, and the estimate is $0.8$ bits. What have you shown?
#
# <details><summary>Nearly a bit of control, because the capacity is exact.</summary>
#
# **Not so.** It is exact for the shares that you saw. `tried(useless, 10, ...)` gave most of a bit where no input had any effect.
#
# </details>
#
# <details><summary>The difference of the two, so very little control.</summary>
#
# **Not so.** The difference is no estimate: for the cell on ice, `real`, it came out below the true capacity.
#
# </details>
#
# <details><summary>No control so far, because luck alone gives about as much.</summary>
#
# **Right.** Dealt out at random the outcomes depend on no command, so whatever bits remain are luck. To see a small effect you need more tries.
#
# </details>
#
# **2.** A drone flies where each move drifts to the side as on this lake. From which place does its choice of the next four moves make most difference?
#
# <details><summary>In the open, because from there it can get to most places.</summary>
#
# **Not so.** That is `on_ice.reachable`. Its largest values lie inside, those of `on_ice.bits` at the rim.
#
# </details>
#
# <details><summary>In the middle of a wall, because that holds back some drift.</summary>
#
# **Right.** A wall takes drift away, so more of what happens is what was chosen.
#
# </details>
#
# <details><summary>In a corner, because two walls hold it better than one.</summary>
#
# **Not so.** `walled.bits` is lower in the corner than in the open middle: the second wall takes away more than the first has given.
#
# </details>
#
# **3.** You draw action sequences uniformly and find that $0.3$ bits pass from sequence to outcome, by the true probabilities. What do you know about the empowerment?
#
# <details><summary>It is no less than that, and it can be several times more.</summary>
#
# **Right.** Uniform is one of the ways to draw sequences, and the capacity is the most that any way lets pass.
#
# </details>
#
# <details><summary>It is about that, because all sequences get the same chance.</summary>
#
# **Not so.** In the corner of the icy lake `on_ice.uniform` is a fraction of `on_ice.bits`: many sequences do nearly the same, and good choices leave them out.
#
# </details>
#
# <details><summary>It is less than that, because a choice leaves sequences out.</summary>
#
# **Not so.** Leaving out helps where inputs blur one another: `on_ice.bits` exceeds `on_ice.uniform` by more than half a bit somewhere.
#
# </details>

# %% [markdown]
# ## Exercise 1: count it
#
# *Easy, 10 minutes.*
# Where steps are certain you need no channel.
# `to[s][a]` is the state to which action `a` leads from state `s`.
# Return the empowerment of `state`, in bits, for sequences of exactly `steps` actions.
#
# Hint: keep the set of states where one can be, and let it take one step at a time.


# %% tags=["exercise"]
def count_bits(to, state, steps):
    """Bits of empowerment of `state` where action a leads from s to to[s][a] for certain."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_count_bits(attempt):
    moves = floor(9).transition.argmax(axis=2).tolist()
    answers = [attempt(moves, cell, 4) for cell in (40, 0, 4)]
    count, shorter = plain.reachable[[40, 0, 4]], empowerment(floor(9), steps=3)
    mistakes = {
        "That is the number of states; its binary logarithm is wanted.": count,
        "You counted the sequences, but many of them end in the same state.": [8, 8, 8],
        "You counted every state on the way; only the last one counts.": np.log2(
            [41, 15, 25]
        ),
        "That is the natural logarithm; bits take the binary one.": np.log(count),
        "You took one step too few.": shorter.bits[[40, 0, 4]],
    }
    expected = plain.bits[[40, 0, 4]]
    empty = any(answer is None for answer in answers)
    check_answer(None if empty else answers, expected, mistakes)


check_count_bits(count_bits)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def count_bits_solution(to, state, steps):
    here = {state}
    for _ in range(steps):
        here = {after for s in here for after in to[s]}
    return np.log2(len(here))


check_count_bits(count_bits_solution)
# Why: each state in the set can be chosen for certain, so all of them can be told apart
# and equally likely ends pass log2 of their number. No choice can tell apart more.

# %% [markdown]
# ## Exercise 2: what a watcher sees
#
# *Medium, 15 minutes.*
# A watcher sees not the cell in which the agent ends but only its *group*: `groups[y]` is the number of the group of output `y`, from 0 on.
# Return the capacity of the channel to what the watcher sees.
#
# Hint: if two outputs look alike, the probability of seeing that look is the sum of theirs; `channel_capacity(...).bits` does the rest.


# %% tags=["exercise"]
def seen_bits(channel, groups):
    """Capacity of `channel` (X, Y) if only groups[y] of the output y is seen."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_seen_bits(attempt):
    W, _ = action_channel(lake, state=32, steps=4)
    groups = np.minimum(np.arange(64) % 8, 2)  # the columns 0 and 1, or another one
    look = np.eye(3)[groups]
    looks, mean = W @ look, W @ (look / look.sum(axis=0))
    mistakes = {
        "That is what passes to somebody who sees the cell itself.": channel_capacity(
            W
        ).bits,
        "Those are uniform inputs; the capacity takes the best ones.": mutual_information(
            np.full(len(W), 1 / len(W)), looks
        ),
        "You averaged over a group; the probability of any of them is the sum.": channel_capacity(
            mean / mean.sum(axis=1, keepdims=True)
        ).bits,
    }
    check_answer(attempt(W, groups), channel_capacity(looks).bits, mistakes, 1e-6)


check_seen_bits(seen_bits)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def seen_bits_solution(channel, groups):
    looks = np.eye(max(groups) + 1)[groups]  # output, group
    return channel_capacity(np.asarray(channel) @ looks).bits


check_seen_bits(seen_bits_solution)
# Why: probabilities of things that look alike add up, which is a second channel behind
# the first. Processing can lose bits and never adds any, so the watcher sees no more.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]
cone = [r["ratio"] for r in speed if r["peer"] == "cvxpy"]
slowest = min(r["ratio"] for r in speed)
rounds = evidence.results["rounds"]
Markdown(
    f"Where the published iteration is done at once, the package is {1 / slowest:.0f} "
    "times slower than a plain loop of it, and unlike `cvxpy` it takes no further "
    f"constraints, such as a cost of inputs; `cvxpy` takes {min(cone):.1f} to "
    f"{max(cone):.0f} times as long for the same capacities. To meet at 1e-9 bits the "
    f"published iteration needs {max(r['most'] for r in rounds):,} rounds in the worst "
    f"recorded case, Newton's steps at most {max(r['ours most'] for r in rounds)}."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in speed]
table(["work", "compared with", "its time / ours"], rows, digits=1)

# %% tags=["hide-output"]
closed, agreement = evidence.results["closed forms"], evidence.results["agreement"]
rows = [[f"{name} channel's formula", f"{v:.0e}"] for name, v in closed.items()]
rows.append(["cvxpy, 80 channels", f"{agreement['largest difference']:.0e}"])
table(["agreement with", "largest difference (bits)"], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Intrinsic Motivation**: Developing AI systems that are motivated by internal goals and values, rather than external rewards.
#
# Empowerment is one of the measures that such systems have been driven by {cite}`salge2014`.
# It has no listing in the source.
#
# ## References
#
# Empowerment: {cite:t}`klyubin2005`, {cite:t}`salge2014`.
# The iteration and its bounds: {cite:t}`blahut1972`, {cite:t}`arimoto1972`; Newton's steps: {cite:t}`boyd2004`; channels and their capacity: {cite:t}`cover2006`.
# Bits that are only luck: {cite:t}`paninski2003`; options that policies keep open: {cite:t}`turner2021`.
# What happened: {cite:t}`janardhan2021`.
