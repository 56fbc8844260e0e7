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
# # Intrinsic motivation
#
# Count bonuses, surprise, information gain and random network distillation before a noisy television.
#
# In 2018 researchers let a curious agent learn to cross a maze, once with a television on a wall whose channels it could change, and once without; paid for whatever it could not predict, it learnt far more slowly with the television {cite}`burda2019`.
# That noise must be a trap for those who are paid for their own mistakes had been pointed out in 1991 {cite}`schmidhuber1991`.
#
# **What can you pay a learner for, when the world pays nothing, so that it explores and does not sit down before the noise?**
#
# You need the answer when you train an agent on a reward that hardly ever comes, and also when you let a model choose its own training data: whoever picks the samples with the largest loss is likely to pick the mislabelled ones.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compute the usual bonuses, say which of them noise can trap and by how much, and normalise random network distillation the right way round |
# | You need | NumPy, Matplotlib; logarithms and probabilities; count bonuses as in [Optimistic exploration](optimistic_exploration.ipynb); what a neural network is |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.value_alignment.intrinsic_motivation` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
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
from companion.value_alignment.intrinsic_motivation import (
    RandomNetworkDistillation,
    RunningMoments,
    Tally,
    count_bonus,
    discounted_sums,
    four_rooms,
    information_gain,
    model_error,
    surprise,
    walk,
)

figure_style()

# %% [markdown]
# ## The answer in a picture: the noisy television
#
# A walker lives in four rooms of sixteen cells each.
# Every cell always shows the same picture, but in one of them stands a television with $K$ pictures, of which each look shows one at random.
# The walker knows the floor plan, it does not know what it will see, and it plans for nothing but its bonus.
#
# **Guess before you look**: which of the five bonuses sit down before the television, and does it matter how many pictures it has?

# %% mystnb={"figure": {"caption": "Top: where walkers spend their later steps if the television, framed, has 64 pictures; white is never, the darkest blue three percent of the time or more. Bottom: the share of the later steps before the television against its number of pictures; means over 5 recorded seeds, bars from the least to the most. Dashed: K/(K + 63).", "name": "fig-intrinsic-motivation"}, "image": {"alt": "Four maps of eight by eight cells and one plot. The walker that counts pictures and the one with information gain cover all rooms evenly, with a dark cell at the television; the one with random network distillation covers them in patches; the one with surprise is dark at the television only and white elsewhere. In the plot surprise and model error lie at one for every K; counting pictures rises along K over K plus 63, from 0.06 to nearly 0.8, and random network distillation below it, to 0.7; information gain rises later, to 0.3; counting places lies flat at one in sixty-four."}} tags=["hide-input"]
evidence = recorded("value_alignment/intrinsic_motivation")
rows = dict(evidence.results["television"]["rows"])
rows["random network distillation"] = evidence.results["distillation"]["rows"]
channels = ("4", "16", "64", "256")
fig, axes = plt.subplot_mosaic("abcd;ssss", figsize=(9, 6.4), height_ratios=(1, 1.5))
names = ("count per picture", "information gain", "random network distillation")
for axis, name in zip("abcd", (*names, "surprise")):
    axes[axis].imshow(
        np.reshape(rows[name]["64"]["map"], (8, 8)), cmap="Blues", vmin=0, vmax=0.03
    )
    axes[axis].add_patch(plt.Rectangle((5.5, 5.5), 1, 1, fill=False, lw=1.5))
    for door in ((-0.5, 0.5), (1.5, 5.5), (6.5, 7.5)):
        axes[axis].plot(door, (3.5, 3.5), color="black", lw=1)
        axes[axis].plot((3.5, 3.5), door, color="black", lw=1)
    axes[axis].set(xticks=[], yticks=[])
    axes[axis].set_title(name.replace("random network", "random\nnetwork"), fontsize=10)
    axes[axis].grid(visible=False)
styles = {
    "surprise": ("red", "o-"),
    "model error": ("orange", "s:"),
    "random network distillation": ("purple", "v-"),
    "count per picture": ("blue", "^-"),
    "information gain": ("green", "D-"),
    "count per place": ("grey", "x-"),
}
for name, (colour, line) in styles.items():
    share = np.array([rows[name][K]["share"] for K in channels])  # (K, seeds)
    mid = share.mean(axis=1)
    reach = [mid - share.min(axis=1), share.max(axis=1) - mid]
    axes["s"].errorbar(
        [int(K) for K in channels],
        mid,
        reach,
        fmt=line,
        color=COLOURS[colour],
        capsize=2,
        label=name,
    )
K = np.geomspace(4, 256)
axes["s"].plot(K, K / (K + 63), "--", color=COLOURS["black"], lw=1)
axes["s"].set(xscale="log", xlabel="pictures K", ylabel="share at the television")
axes["s"].set_xticks([4, 16, 64, 256], ["4", "16", "64", "256"])
axes["s"].set_xticks([], minor=True)
axes["s"].legend(fontsize=9)
plt.show()

# %% [markdown]
# Two bonuses are trapped, by four pictures as by 256.
# Three others look as if they had escaped, as long as the television has few pictures, but their curves rise.
# Only the grey line is flat, and it had to be told which differences do not matter.


# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
def shares(name):
    return np.array([rows[name][K]["share"] for K in channels])


claim(
    "Surprise and model error spend at least 97 percent of their later steps at the "
    "television, a walker without any bonus at most 5.",
    bool(
        min(shares("surprise").min(), shares("model error").min()) > 0.97
        and shares("none").max() < 0.05
    ),
    over="K = 4, 16, 64, 256, 5 seeds of 8000 steps each, recorded",
)

# %% [markdown]
# ## The idea on four coins: surprise and information gain
#
# You have tossed a coin four times, three heads and one tail, and you began with the belief of somebody who had seen each side once.
# So you give tails the probability $2/6$, and if tails comes your **surprise** is $-\log(2/6) = 1.10$, in natural units.
#
# How much of that was worth having?
# Now you have seen tails twice, and if you ask your new belief how surprising tails will be the next time, the answer on average is
#
# $$\tfrac13 + \tfrac14 + \tfrac15 + \tfrac16 = 0.95.$$
#
# This part of the surprise stays: it is the coin's own, and no toss will take it away.
# The rest, $1.10 - 0.95 = 0.15$, is what the toss taught you, the **information gain**.
#
# ## The equation: the gain is the surprise that does not come back
#
# Let a place have shown picture $k$ already $n_k$ times, and let every picture count as seen $a$ times from the start; then $\alpha_k = n_k + a$, and $\alpha_0$ is the sum of them all.
# That belief is called a Dirichlet distribution, and for it the two bonuses are exact:
#
# $$\text{surprise} = \log \frac{\alpha_0}{\alpha_k}, \qquad \text{gain} = \log \frac{\alpha_0}{\alpha_k} - \big(\psi(\alpha_0 + 1) - \psi(\alpha_k + 1)\big).$$
#
# For whole numbers the difference of the two digamma values $\psi$ is the sum of fractions from above.


# %%
def gain(counts, k):  # with a = 1
    alpha = np.array(counts) + 1
    total = alpha.sum()
    stays = sum(1 / j for j in range(alpha[k] + 1, total + 1))
    return np.log(total / alpha[k]) - stays


for counts in ([3, 1], [0, 0], [50, 2, 7]):
    np.testing.assert_allclose(gain(counts, 1), information_gain(counts, 1), atol=1e-13)

# %% [markdown]
# Look at the same bonuses after more and more tosses, for a fair coin and for one that has heads on both sides.
# The belief of both begins with one sighting per side.

# %%
lines = []
for n in (10, 100, 1000, 10_000):
    fair, double = [n // 2, n // 2], [n, 0]
    lines.append(
        [
            n,
            *(
                f"{f(c):.5f}"
                for c in (fair, double)
                for f in (surprise, information_gain)
            ),
        ]
    )
heads = ("surprise, fair", "gain, fair", "surprise, double", "gain, double")
table(["tosses", *heads], lines)

# %% [markdown]
# The surprise of a fair coin never falls, that of the double-headed one does, and so a walker that is paid for surprise knows where to go.
# The information gain falls for both, like $1/n$, because there is less and less to learn from either.

# %%
show_source(information_gain)

# %% [markdown]
# ## What escapes, and what only seems to
#
# Put the bonuses into the four rooms.
# A `Tally` counts what each place has shown and promises for the next look what the belief expects; `walk` plans by value iteration and goes.


# %%
moves, K = four_rooms(), 16
late = {}
for bonus in (surprise, information_gain, model_error):
    tally = Tally(bonus, copies=3, places=64, pictures=K)
    seen = walk(tally, moves, 54, K, steps=1500, rng=np.random.default_rng(0))
    late[bonus.__name__] = seen.late[:, 54].mean() / 750
table(["bonus", "share at the television"], late.items(), digits=2)

# %% [markdown]
# **Counting pictures** pays $1/\sqrt{n}$ for a picture that was seen $n$ times.
# A walker who always goes for the largest bonus makes all counts equal, and there are 63 ordinary pictures and $K$ on the television.
# So the television gets $K$ of $K + 63$ looks, however long you wait.
# If no picture ever comes twice each of them is new, and the walker never leaves.
#
# **Information gain** does not count the pictures, it asks how much remains to be known: $K - 1$ probabilities, so about $(K - 1) / 2n$ after $n$ looks.
# It spends less time there, but the more pictures, the more there is to learn about their frequencies, useless as that is.
#
# **Counting places** escapes, since to it the television is one place among 64.
# It does so because somebody told it to ignore the picture, and in a world where the picture matters the same advice would blind it.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
limit = np.array([int(K) / (int(K) + 63) for K in channels])[:, None]
claim(
    "Counting pictures comes within 0.1 of K/(K+63), counting places within 0.01 of "
    "1/64; information gain stays below the first and grows with K.",
    bool(
        np.abs(shares("count per picture") - limit).max() < 0.1
        and np.abs(shares("count per place") - 1 / 64).max() < 0.01
        and (shares("information gain")[1:] < shares("count per picture")[1:]).all()
        and (np.diff(shares("information gain").mean(axis=1)) > 0).all()
    ),
    over="K = 4, 16, 64, 256 (the comparison from 16 on), 5 seeds each, recorded",
)

# %% [markdown]
# ## Random network distillation
#
# With images for observations nobody can keep a table of counts.
# Random network distillation {cite}`burda2019rnd` takes a network $f$ with random weights that never change, and lets a second one, $\hat f$, learn to imitate it on what is seen:
#
# $$b(x) = \tfrac1M \big\Vert \hat f(\bar x) - f(\bar x) \big\Vert^2, \qquad \bar x = \mathrm{clip}\Big(\frac{x - \mu}{\sigma}, -5, 5\Big).$$
#
# $M$ is the number of outputs, and $\mu$ and $\sigma$ are the running mean and deviation of the observations.
# Nothing in the target is random once it is drawn, so an image that returns becomes known, and that is why the method was hoped to see through the television.

# %%
rnd = RandomNetworkDistillation(32, seed=0)
shown, other = np.random.default_rng(0).normal(size=(2, 16, 32))
for step in range(1000):
    rnd.learn(shown)
errors = [
    [name, rnd.novelty(x).mean()]
    for name, x in (("the 16 images", shown), ("16 other images", other))
]
table(["error on", "after 1000 updates on the 16"], errors, digits=3)

# %% [markdown]
# This looks like an escape, and it is the test that one often sees.
# But a television with sixteen images is only an easy one.
# In the four rooms, where every cell has its own random image, the walker with this bonus spends:

# %%
net = rows["random network distillation"]
lines = [
    [
        K if K != "0" else "never the same",
        f"{np.mean(net[K]['share']):.2f}",
        f"{int(K) / (int(K) + 63):.2f}" if K != "0" else "1.00",
        f"{np.mean(net[K]['unseen']) / np.mean(net[K]['start']):.3f}",
    ]
    for K in (*channels, "0")
]
heads = ("share at television", "K/(K+63)", "error left on new images")
table(["pictures K", *heads], lines)

# %% [markdown]
# So random network distillation behaves like the counting of pictures, which is what it was built to replace, and it inherits the trap.
# The last column has a second lesson.
# It is the error on images that were *never shown*, as a share of what it was at the start: the student has learnt its teacher on the whole family of images, so that truly new ones hardly pay any more.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
share = shares("random network distillation")
claim(
    "Random network distillation comes within 0.2 of K/(K+63), spends most of its time "
    "before pictures that never return, and then hardly pays for new ones.",
    bool(
        np.abs(share - limit).max() < 0.2
        and min(net["0"]["share"]) > 0.5
        and max(np.array(net["0"]["unseen"]) / net["0"]["start"]) < 0.1
    ),
    over="K = 4, 16, 64, 256 and fresh pictures, 5 seeds of 8000 steps each, recorded",
)

# %% [markdown]
# ## Take the cause away: a television with a timetable
#
# Is it the number of pictures that traps surprise, or that they cannot be predicted?
# Let the sixteen pictures come in a fixed order, and let the belief ask which picture came before.

# %%
order = evidence.results["order"]["rows"]
lines = [
    [
        name,
        f"{np.mean(order[name]['random']):.2f}",
        f"{np.mean(order[name]['cyclic']):.2f}",
    ]
    for name in ("surprise", "model error", "information gain")
]
table(["share at the television, K = 16", "by chance", "in order"], lines)

# %% [markdown]
# So it is the unpredictable that traps, not the many.
# What remains in the right column is about 16 of 79, because sixteen pictures that can be learnt are like sixteen places.
# Information gain stays longer by chance here than in the first figure, for this belief has the frequencies after each of the sixteen pictures to learn.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
trapped = ("surprise", "model error")
claim(
    "In order, the same sixteen pictures hold surprise and model error for less than "
    "half of the time; by chance, for nearly all of it.",
    all(max(order[name]["cyclic"]) < 0.5 for name in trapped)
    and all(min(order[name]["random"]) > 0.9 for name in trapped),
    over="5 seeds of 8000 steps each, recorded; the same belief in both columns",
)

# %% [markdown]
# ## A standard environment: FrozenLake
#
# Gymnasium's `FrozenLake8x8` has 64 fields, slippery ice on which only every third step goes where it should, and holes that send you back to the start.
# The walker does not even know the floor plan here, it plans in the model that it has learnt, and it is paid by its bonus alone.
# How many steps until it first stands on the goal?

# %%
lake = evidence.results["lake"]
crossed = {
    name: np.sort(np.where(np.array(v) == 0, np.inf, v))
    for name, v in lake["rows"].items()
}


def steps(x):
    return f"{x:.0f}" if np.isfinite(x) else "not in 15000"


lines = [
    [name, *(steps(x) for x in (v[0], np.median(v), v[-1]))]
    for name, v in crossed.items()
]
table(["bonus, 15 seeds", "quickest", "median", "slowest"], lines)

# %% [markdown]
# All of them beat the walker without a bonus, and surprise, the fool of the four rooms, is among the quickest here.
# So a bonus is not good or bad by itself.
# A likely reason is that on the lake the noise is everywhere, and no field stands out by it the way the television does.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
arrived = {name: np.isfinite(v).sum() for name, v in crossed.items()}
middle = {name: np.median(v) for name, v in crossed.items()}
claim(
    "On the frozen lake counts, information gain and surprise find the goal in every "
    "seed, model error in most, and no bonus in fewer than half; surprise is in the "
    "median no slower than the others.",
    all(arrived[n] == 15 for n in ("count per place", "information gain", "surprise"))
    and arrived["model error"] > 10 > 7 > arrived["none"]
    and middle["surprise"] == min(middle.values()),
    over="15 seeds of at most 15000 steps each, recorded",
)

# %% [markdown]
# ## Break it: a filter along the wrong axis
#
# The size of a bonus means nothing, so random network distillation divides it by the spread of its discounted sums $R_t = \gamma R_{t-1} + r_t$, which run over *time* in each environment.
# A well-known implementation loops over the other axis and sums over environments, and nothing fails ([cleanrl, issue 360](https://github.com/vwxyzjn/cleanrl/issues/360)).
# What comes out then depends on how many environments you happen to run.


# %%
def spread(rewards, wrong_axis=False):
    sums = discounted_sums(rewards.T if wrong_axis else rewards, discount=0.99)
    moments = RunningMoments(1)
    moments.update(sums.reshape(-1, 1))
    return np.sqrt(moments.variance[0])


rng, lines = np.random.default_rng(0), []
for envs in (8, 32, 128):
    bonuses = rng.exponential(size=(512, envs))  # time, environment
    lines.append([envs, spread(bonuses), spread(bonuses, wrong_axis=True)])
table(["environments", "over time", "over environments"], lines, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
right, wrong = np.array([line[1:] for line in lines]).T
claim(
    "The right spread differs by less than 5 percent between 8 and 128 environments, "
    "the wrong one by more than a factor of five.",
    bool(np.ptp(right) < 0.05 * right.min() and wrong.max() > 5 * wrong.min()),
    over="512 steps of exponential bonuses, 8, 32 and 128 environments",
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "Random network distillation solves the noisy television."
# > **It counts images, and so it stays for every image that is new.** With few channels that is soon over, with fresh noise it is not.
# >
# > "Its error on the television went to zero, so it has escaped."
# > **Test it on images that it has not seen.** The error goes to zero on repeated ones for any method that learns.
# >
# > "Count bonuses are immune to noise."
# > **Counts of what?** Of places, if you tell them what a place is; counts of observations give the noise its share, $K$ of $K + 63$.
# >
# > "Information gain ignores the television."
# > **It learns the frequencies of its pictures first.** That ends, but late if there are many.
# >
# > "Curiosity about prediction errors is useless where there is noise."
# > **It is trapped where noise is uneven.** On a lake that is slippery everywhere it arrived as early as the others.
#
# **Strengths**: the bonuses need no reward, and the first three are a line each and exact.
#
# **Limits**: tables, a known floor plan in the four rooms, random vectors for pictures, one network size.
# For real images the *direction* of these results is known from large experiments {cite}`burda2019,mavorparker2022`, the numbers are not.
#
# **Who is harmed when it fails**: whoever is behind the noise.
# A recommender that explores where its predictions fail keeps poking at the people who are hardest to predict, and an agent that seeks novelty seeks it in medicine cabinets as well.
#
# **In production** take `RunningMeanStd` and `VecNormalize` of Stable-Baselines3 for the normalisation, and rllte's intrinsic rewards for the bonuses.

# %% [markdown]
# ## Check yourself
#
# **1.** A crawler is paid for its prediction error. One site is a huge archive that never changes, another one shows an advertisement that is drawn at random out of eight. Where does it spend its time in the end?
#
# <details><summary>In the archive, because more is new there.</summary>
#
# **Not so.** New is soon known: in the column `cyclic` of `order` the pictures that could be learnt held it for a part of the time, the same pictures by chance for nearly all of it.
#
# </details>
#
# <details><summary>At the advertisement, because it stays unpredictable.</summary>
#
# **Right.** Everything in the archive can be learnt, and then pays nothing. The draw pays again and again.
#
# </details>
#
# <details><summary>At both, in proportion to the number of pages.</summary>
#
# **Not so.** That is how the counting of pictures shares its time. `shares("surprise")` was close to 1 with four pictures as with 256.
#
# </details>
#
# **2.** An agent counts the screens that it has seen, and is paid for rare ones. In one of 64 rooms a clock shows date and time to the second. What does the agent do in the long run?
#
# <details><summary>It soon leaves, because in the end a clock is a clock.</summary>
#
# **Not so.** To a count a new picture is new: `shares("count per picture")` rises with the number of pictures, and here they have no end.
#
# </details>
#
# <details><summary>It is there one time in 64, because the room is one place.</summary>
#
# **Not so.** So is the walker of `shares("count per place")`, which somebody had told to ignore the picture.
#
# </details>
#
# <details><summary>It stays there, because no screen in that room comes twice.</summary>
#
# **Right.** Each look pays in full, and the screens of the other rooms pay less with each visit.
#
# </details>
#
# **3.** A walker is paid for information gain. On its way stands a die with twenty sides, thrown again at each look. How long does it stay?
#
# <details><summary>For a while, until other places have more to teach.</summary>
#
# **Right.** It does not know how often each side comes, and that can be learnt. What is left to learn falls like one over the number of looks.
#
# </details>
#
# <details><summary>Not at all, because chance has nothing to teach.</summary>
#
# **Not so.** After ten tosses of a fair coin `information_gain` is still above zero, and `shares("information gain")` rises with the number of pictures.
#
# </details>
#
# <details><summary>For ever, because no throw can be predicted.</summary>
#
# **Not so.** That is true of `surprise`, which does not fall for a fair coin. In the same table `information_gain` falls towards zero.
#
# </details>

# %% [markdown]
# ## Exercise 1: how many channels?
#
# *Easy, 10 minutes.*
# A walker counts pictures in a house of `places` places, one of which has a television.
# Return the number of pictures with which it spends the share `share` of its time there in the long run.
#
# Hint: every picture gets equally many looks.


# %% tags=["exercise"]
def channels_for(share, places):
    """Pictures K with which a count of pictures gives the television this share."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_channels(attempt):
    answers = [attempt(0.5, 64), attempt(0.75, 100)]
    mistakes = {
        "The television is one of the places: only the others show one picture each.": [
            64,
            300,
        ],
        "That is the share of the other pictures, but K itself stands in the sum, "
        "too.": [31.5, 74.25],
        "You solved for the share of the ordinary places.": [63, 33],
    }
    check_answer(None if None in answers else answers, [63, 297], mistakes)


check_channels(channels_for)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def channels_for_solution(share, places):
    return share / (1 - share) * (places - 1)


check_channels(channels_for_solution)
# Why: equal looks for all K + places - 1 pictures give the share K / (K + places - 1).
# Solved for K it is the odds of the share, times the pictures that stand elsewhere.

# %% [markdown]
# ## Exercise 2: what is left to learn from a die
#
# *Medium, 15 minutes.*
# A fair die with $K$ sides has shown each side $m$ times, and the belief began with one sighting per side.
# Return the information gain of the next throw.
#
# Hint: all sides are alike, so take any; the plain cell above has the formula, and $\alpha_k = m + 1$.


# %% tags=["exercise"]
def die_gain(K, m):
    """Information gain of one more throw after m sightings of each of K sides."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_die(attempt):
    cases = ((2, 3), (6, 10))
    answers = [attempt(K, m) for K, m in cases]
    mistakes = {
        "That is the surprise; take away what stays.": [np.log(K) for K, _ in cases],
        "You forgot that each side counts as seen once from the start.": [
            gain([m - 1] * K, 0) for K, m in cases
        ],
        "That is the rule of thumb (K - 1) / 2n; the exact gain is asked for.": [
            (K - 1) / (2 * K * m) for K, m in cases
        ],
        "That is the gain of all K sides together; only one comes.": [
            K * gain([m] * K, 0) for K, m in cases
        ],
        "That is the part that stays.": [
            np.log(K) - gain([m] * K, 0) for K, m in cases
        ],
    }
    expected = [information_gain([m] * K, 0) for K, m in cases]
    check_answer(None if None in answers else answers, expected, mistakes)


check_die(die_gain)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def die_gain_solution(K, m):
    return np.log(K) - sum(1 / j for j in range(m + 2, K * (m + 1) + 1))


check_die(die_gain_solution)
# Why: every throw surprises by log K, and the sum of fractions is what stays of it. For
# large m the difference is about (K - 1) / 2n, so many sides are worth many looks.

# %% [markdown]
# ## Exercise 3: the scale of a bonus
#
# *Medium, 15 minutes.*
# `rewards[t][i]` is the bonus of environment $i$ at time $t$.
# Return the standard deviation of all discounted sums $R_t = \gamma R_{t-1} + r_t$, over all times and environments, with $R_{-1} = 0$.
#
# Hint: keep one running sum for each environment, as an array; `np.std` divides by the number of values, and that is what is wanted.


# %% tags=["exercise"]
def bonus_scale(rewards, discount):
    """Standard deviation of the discounted sums along time."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_scale(attempt):
    r = np.random.default_rng(5).exponential(size=(40, 6))
    backward = discounted_sums(r[::-1], 0.9)
    mistakes = {
        "You sum over environments; the sum must run over time.": discounted_sums(
            r.T, 0.9
        ).std(),
        "That is the spread of the bonuses themselves, not of their sums.": r.std(),
        "You sum backward in time: at time t the future is not known yet.": backward.std(),
        "You divide by one less than the number of values.": discounted_sums(
            r, 0.9
        ).std(ddof=1),
        "That is the spread at the last time only.": discounted_sums(r, 0.9)[-1].std(),
        "That is the variance; take its root.": discounted_sums(r, 0.9).var(),
    }
    check_answer(attempt(r, 0.9), discounted_sums(r, 0.9).std(), mistakes)


check_scale(bonus_scale)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def bonus_scale_solution(rewards, discount):
    total, sums = np.zeros(len(rewards[0])), []
    for row in rewards:
        total = discount * total + np.asarray(row)
        sums.append(total)
    return np.std(sums)


check_scale(bonus_scale_solution)
# Why: the learner's values are sums of bonuses over time, so their spread is the scale
# that has to be one. Environments are copies of one another, not moments of one story.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
ratios = [
    speed[name] for name in ("discounted sums, 512 steps", "gain of 10 000 outcomes")
]
Markdown(
    "The book's distillation has one small fully connected network for each walker, where "
    "rllte trains convolutional ones on many environments at once; its running moments "
    "are about as quick as those of Stable-Baselines3, its discounted sums, a whole "
    f"rollout at once, some {ratios[0] / 10:.0f}0 times quicker than the wrapper's loop, "
    f"and its closed form of the gain {ratios[1]:.0f} times quicker than torch's general "
    "one. All of them agree with the libraries to 1e-10."
)

# %% tags=["hide-output"]
lines = [[r["name"], r["peer"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "compared with", "its time / ours"], lines, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Intrinsic Motivation**: Developing AI systems that are motivated by internal goals and values, rather than external rewards.
#
# What the field calls by this name are bonuses for novelty and for learning {cite}`singh2005`.
# They are goals of the learner, but no values: a curious agent is as indifferent to people as a greedy one, and the source gives no listing for it.
#
# ## References
#
# Curiosity and its trap: {cite:t}`schmidhuber1991`; the television: {cite:t}`burda2019`; a way to subtract the noise: {cite:t}`mavorparker2022`.
# Count bonuses: {cite:t}`strehl2008`, for images {cite:t}`bellemare2016`.
# Prediction error in a learnt space: {cite:t}`pathak2017`.
# Information gain: {cite:t}`storck1995`; as Bayesian surprise: {cite:t}`itti2009`.
# Random network distillation: {cite:t}`burda2019rnd`.
