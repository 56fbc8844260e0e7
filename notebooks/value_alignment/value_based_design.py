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
# # Value-based design
#
# Multi-objective reinforcement learning: the Pareto front by vector value iteration, weighted sums, Chebyshev's distance and mixtures of policies.
#
# In 2017 Facebook began to rank posts by a weighted sum in which an emoji counted five times as much as a "like", and one of the emoji was the angry face.
# Two years later the company's own analysts confirmed that posts which drew angry faces were disproportionately likely to hold misinformation, toxicity and low-quality news {cite}`merrill2021`.
#
# **What does one weighted number hide, and would better weights bring it back?**
#
# You need the answer as soon as you write a reward, because every reward with a plus sign in it holds weights that somebody chose.
# If the agent should do well in several respects at once, you can keep them apart as a vector, plan with the vector, and choose at the end, when you see what there is to choose from.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compute everything that no other policy beats in all respects, say exactly which of it weights can reach, and know when a coin between two policies is better than a compromise and when it is worse |
# | You need | NumPy, Matplotlib; what a mean and a logarithm are, and what states, actions, rewards and a discount are in reinforcement learning |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.value_alignment.value_based_design` |

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
from companion.value_alignment.value_based_design import (
    deep_sea_treasure,
    hypervolume,
    mixing_range,
    nondominated,
    pareto_values,
    weight_range,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A submarine dives for one of ten treasures.
# The deeper a treasure lies, the more it is worth and the more steps it costs, so there are two respects, treasure and time, and none of the ten is better than another one in both.
#
# You want a compromise, and so you pay the agent $w$ for each unit of treasure and $-(1 - w)$ for each step, with a weight $w$ between 0 and 1.
#
# **Guess before you look**: if you try every weight, to how many of the ten treasures can you make it go?

# %% mystnb={"figure": {"caption": "The ten treasures of both published maps of Deep Sea Treasure: what each is worth, and how many steps it takes. Up and to the left is better. Filled points are best for some weights; the line is what a coin between the two ends brings on average.", "name": "fig-value-based-design"}, "image": {"alt": "Two panels. Left, the concave map: ten points that rise slowly and then steeply, from 1 treasure after 1 step to 124 after 19. Only the first and the last are filled; the line that joins them passes above the other eight. Right, the convex map: ten points that rise steeply and then slowly. All but one are filled, and all between the two ends lie above the line that joins them."}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8))
fronts, ranges = {}, {}
for axis, layout in zip(axes, ("concave", "convex")):
    sea = deep_sea_treasure(layout)
    front = pareto_values(sea.transition, sea.reward, discount=1).fronts[sea.start]
    low, high = weight_range(front).T
    reached = high - low > 1e-9
    worth, steps = front[:, 0], -front[:, 1]
    axis.plot(steps[[0, -1]], worth[[0, -1]], "--", color=COLOURS["orange"])
    axis.plot(steps, worth, "o", mfc="white", color=COLOURS["blue"], ms=9)
    axis.plot(steps[reached], worth[reached], "o", color=COLOURS["blue"], ms=9)
    axis.set(xlabel="steps", ylabel="treasure", title=f"The {layout} map")
    axis.set_xticks([1, 5, 9, 14, 19])
    fronts[layout], ranges[layout] = front, (low, high)
plt.show()

# %% [markdown]
# On the left, the original map, every weight ends at one of the two filled points: the nearest treasure or the deepest one.
# The eight between them are compromises that nothing beats in both respects, and no weights will ever choose one of them.
# On the right the treasures bend the other way, and weights reach nearly all of them; so it is the *shape* of what is possible that decides, and nobody knows the shape before planning.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
width = {layout: high - low for layout, (low, high) in ranges.items()}
claim(
    "Weights reach two of the ten undominated points of the concave map, and nine of "
    "the ten of the convex map; its tenth can only tie with two others.",
    bool(
        [len(f) for f in fronts.values()] == [10, 10]
        and (width["concave"] > 0).sum() == 2
        and (width["convex"] > 1e-9).sum() == 9
        and (abs(width["convex"]) < 1e-9).sum() == 1
    ),
    over="all weights, exactly; discount 1",
)

# %% [markdown]
# ## The idea on three numbers: a dent that no weight reaches
#
# Suppose that a feed can be ranked in three ways, and that each is measured in reach and in quality: *sober* $(0, 10)$, *mixed* $(4, 4)$ and *shrill* $(10, 0)$.
# None **dominates** another, which would mean to be at least as good in every respect and better in one.
#
# Give reach the weight $w$ and quality $1 - w$.
# Then sober scores $10\,(1 - w)$, mixed scores $4$, and shrill scores $10\,w$.
# For mixed to be best you need $4 \ge 10\,w$ and $4 \ge 10\,(1 - w)$, so a weight $w \le 0.4$ and $w \ge 0.6$, and there is none.
#
# With $(6, 6)$ in the middle the same two conditions read $w \le 0.6$ and $w \ge 0.4$, and the compromise wins for every weight between them.

# %%
dent, bulge = ([[0, 10], [middle, middle], [10, 0]] for middle in (4, 6))
rows = [
    [name, *inward, *outward]
    for name, inward, outward in zip(
        ("sober", "mixed", "shrill"), weight_range(dent), weight_range(bulge)
    )
]
table(["ranking", "from w", "to w", "if (6, 6): from", "to"], rows, digits=1)

# %% [markdown]
# Where the first bound exceeds the second there is no such weight.
# The package's function intersects these inequalities exactly, so "no weight" is a theorem about these points and not the result of a search that was too coarse.

# %%
show_source(weight_range)

# %% [markdown]
# ## The equation: value iteration on vectors
#
# To find the points, let every state have a *set* of value vectors, one for each way to go on that nothing beats.
# With no step left there is only the zero vector, $V_0(s) = \{0\}$.
# With one more step you pay for it, move on, and continue in any of the ways that the next state has:
#
# $$V_{h+1}(s) = \operatorname{ND} \bigcup_a \big( r(s, a) + \gamma\, V_h(s') \big).$$
#
# Here $r(s, a)$ is the vector that action $a$ in state $s$ pays, $s'$ is the state where it leads, $\gamma$ is the discount, and ND drops every vector that another one in the set dominates.
# Nothing is lost by dropping it early, because whatever is added later is added to both.


# %%
def undominated(vectors):
    def beaten(v):
        return any(u != v and u[0] >= v[0] and u[1] >= v[1] for u in vectors)

    return {v for v in vectors if not beaten(v)}


def pareto_sets(to, paid, sweeps):
    V = [{(0.0, 0.0)} for _ in to]
    for _ in range(sweeps):
        ways = [set() for _ in to]
        for s, state in enumerate(to):
            for t, r in zip(state, paid[s]):  # where each action leads, what it pays
                ways[s] |= {(r[0] + v[0], r[1] + v[1]) for v in V[t]}
        V = [undominated(w) for w in ways]
    return V


sea = deep_sea_treasure("concave")
moves = sea.transition.argmax(axis=2)  # every action leads to one state
sets = pareto_sets(moves.tolist(), sea.reward.tolist(), sweeps=20)
np.testing.assert_array_equal(sorted(sets[sea.start]), fronts["concave"])

# %% [markdown]
# The twenty sweeps suffice, because one more changes nothing, and then no later one does.
# The package's function stops there and says so; it discounts, takes any number of respects, and adds up sets over several next states where a step is uncertain.

# %%
show_source(pareto_values)

# %% [markdown]
# ## A standard environment: Deep Sea Treasure
#
# This is the map on which such learners have been compared since 2011 {cite}`vamplew2011`, 11 by 11 cells with the start at the top left.
# Its front from the start, with the weights that each point would need:

# %%
rows = [
    [int(t), int(-s), low, high, "yes" if high > low else "no"]
    for (t, s), low, high in zip(fronts["concave"], *ranges["concave"])
]
table(["treasure", "steps", "w at least", "w at most", "reached"], rows, digits=2)

# %% [markdown]
# The area that a front covers, its *hypervolume*, is a common yardstick for learners; here it is, counted from the corner at treasure 0 and 25 steps.

# %%
hypervolume(fronts["concave"], reference=[0, -25])

# %% [markdown]
# How many points there are, and how many of them weights reach, depends on the map *and* on the discount, because a discount shrinks distant treasures more than near ones.
# So whoever says "two of ten" has to say for which.

# %%
evidence = recorded("value_alignment/value_based_design")
sweep = evidence.results["discounts"]
rows = [
    [
        a["discount"],
        a["undominated"],
        a["by weights"],
        b["undominated"],
        b["by weights"],
    ]
    for a, b in zip(sweep["concave"], sweep["convex"])
    if a["discount"] in (1, 0.99, 0.95, 0.9, 0.8, 0.7)
]
table(["discount", "concave: front", "by weights", "convex: front", "by weights"], rows)

# %% [markdown]
# At discount 1 one point of the convex map is missing from the last column, because three treasures lie on one line there; the one in the middle is best for a single weight, and even then only in a tie.
#
# ## A coin instead of weights: mixtures of policies
#
# In the example with the feed you could toss a coin every morning and be sober or shrill for the day.
# On average that brings $(5, 5)$, which dominates the compromise $(4, 4)$.
#
# The same works in the sea: toss a coin once per episode, and dive for the deepest treasure with probability $q$, or else take the nearest {cite}`vamplew2009`.
# On average that lies on the line between the two points, and on the concave map the line passes above all others.
# The package says for which $q$ a point is matched in every respect.

# %%
front = fronts["concave"]
shares = mixing_range(front, first=front[-1], second=front[0])
rows = [[int(t), int(-s), *q] for (t, s), q in zip(front[1:-1], shares[1:-1])]
table(["treasure", "steps", "q at least", "q at most"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
high_discounts = [row for row in sweep["concave"] if row["discount"] >= 0.91]
claim(
    "On the concave map ten points are undominated, weights reach two, and a coin "
    "between these two dominates the other eight on average; at discount 0.9 it is "
    "nine, two and seven.",
    bool(
        (shares[1:-1, 0] < shares[1:-1, 1]).all()
        and all(
            (r["undominated"], r["by weights"], r["by mixtures"]) == (10, 2, 8)
            for r in high_discounts
        )
        and [
            (r["undominated"], r["by weights"], r["by mixtures"])
            for r in sweep["concave"]
            if r["discount"] == 0.9
        ]
        == [(9, 2, 7)]
    ),
    over="discounts 1, 0.99, ..., 0.91 and 0.9, recorded; 1 live on this page",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "On the convex map a coin between the two ends matches none of the points between.",
    bool(
        (np.diff(mixing_range(f := fronts["convex"], f[-1], f[0]))[1:-1] < 0).all()
        and all(row["by mixtures"] == 0 for row in sweep["convex"])
    ),
    over="discounts 1, 0.99, ..., 0.7, recorded; 1 live on this page",
)

# %% [markdown]
# ## What a mean hides: SER and ESR
#
# Nobody ever lives through an average.
# With the coin, each episode ends with one unit of treasure or with 124, and never with anything between.
#
# Suppose a user for whom every doubling of the treasure is worth three steps:
#
# $$u = 3 \log_2(\text{treasure}) - \text{steps}.$$
#
# For 16 units after 9 steps that is $3 \cdot 4 - 9 = 3$.
# Beside it put the coin that takes 9 steps on average, which means $q = 4/9$.
# You can first average and then judge, which is called the **scalarised expected return** (SER), or first judge each episode and then average, the **expected scalarised return** (ESR) {cite}`roijers2013`.


# %%
def utility(point, doubling=3):
    worth, time = np.moveaxis(np.asarray(point), -1, 0)
    return doubling * np.log2(worth) + time


near, middle, deep = front[[0, 5, 9]]
q = 4 / 9
mean = q * deep + (1 - q) * near
ser, esr = utility(mean), q * utility(deep) + (1 - q) * utility(near)
rows = [
    ["16 units after 9 steps", *middle, utility(middle), utility(middle)],
    ["the coin, q = 4/9", *mean, ser, esr],
]
table(["policy", "mean treasure", "mean time", "SER", "ESR"], rows, digits=1)

# %% [markdown]
# Judged by its mean the coin is far better, and so it is for everybody who wants more treasure and less time, because its mean dominates the point.
# Judged by what this user gets, it is far worse.
# The utility did not change between the two columns, only the order of judging and averaging.
# If one person meets the agent a thousand times a day, the mean may be what counts; if a thousand people meet it once each, it is not.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
coins = np.linspace(0, 1, 1001)
each = coins * utility(deep) + (1 - coins) * utility(near)
claim(
    "Judged per episode, the middle point is worth more to this user than every coin "
    "between the ends, those that dominate it on average among them.",
    bool(utility(middle) > each.max()),
    over="q = 0 to 1 in 1000 steps; any q: the mean of utilities is linear in q",
)

# %% [markdown]
# Three steps per doubling were chosen so that the numbers come out even, so here is what other exchange rates prefer, judged per episode.

# %%
rates = (1, 2, 2.5, 3, 3.5, 4, 6)
best = [front[utility(front, rate).argmax()] for rate in rates]
table(
    ["steps per doubling", "best treasure", "its steps"],
    [[rate, int(t), int(-s)] for rate, (t, s) in zip(rates, best)],
)

# %% [markdown]
# In this table the two points that weights reach are the best ones for the users at its ends, and the users in the middle are those whom the weighted sum cannot serve.
#
# ## Break it: a thousand weights and no compromise
#
# A designer wants a middle treasure, and so sweeps the weight in steps of a thousandth, with one Q-learner per weight.
# All learners see the same stream of random actions in random places, so none of them lacks experience, and since nothing is uncertain they can learn at the rate 1.


# %%
def q_learning(sea, weights, seed, discount=0.99, updates=30_000):
    rng = np.random.default_rng(seed)
    paid = sea.reward @ np.stack([weights, 1 - weights])  # state, action, weight
    moves = sea.transition.argmax(axis=2)
    water = np.flatnonzero(sea.reward[:, 0, 1] < 0)  # where the episode goes on
    Q = np.zeros_like(paid)
    for s, a in zip(rng.choice(water, updates), rng.integers(0, 4, updates)):
        Q[s, a] = paid[s, a] + discount * Q[moves[s, a]].max(axis=0)
    return Q


# %% [markdown]
# Then each learner dives a hundred steps, greedily, and you note which treasure it brings.


# %%
def brought(sea, Q, steps=100):
    one = np.arange(Q.shape[2])
    state, worth = np.zeros(len(one), dtype=int), np.zeros(len(one))
    for _ in range(steps):
        action = Q[state, :, one].argmax(axis=1)
        worth += sea.reward[state, action, 0]
        state = sea.transition[state, action].argmax(axis=1)
    return np.unique(worth)


weights = np.linspace(0, 1, 1001)
rows = []
for layout in ("concave", "convex"):
    sea = deep_sea_treasure(layout)
    found = brought(sea, q_learning(sea, weights, seed=0))
    rows.append([layout, len(found), ", ".join(f"{t:g}" for t in found)])
table(["map", "treasures found", "which"], rows)

# %% [markdown]
# The learners are not at fault, because the same code with the same effort finds every treasure of the other map, and on both maps each learner ends at the optimum of its own weight.
# They do what the number says; what was wanted is not in the number.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
learners = evidence.results["learners"]
found = learners["treasures"]
claim(
    "On the concave map a thousand and one weights find the two ends and nothing else; "
    "on the convex map the same learners find all ten treasures, and every learner is "
    "optimal for its own weight.",
    bool(
        all(run == [1, 124] for run in found["concave"])
        and all(len(run) == 10 for run in found["convex"])
        and min(min(share) for share in learners["share optimal"].values()) == 1
        and [row[1] for row in rows] == [2, 10]
    ),
    over="10 seeds, recorded, the first of them live on this page; discount 0.99",
)

# %% [markdown]
# ## Whose values? A word about the word
#
# A *value* in this lesson is a number that somebody decided to measure, and nothing in the mathematics makes it anybody's value in the usual sense.
# What the vector does is to keep two jobs apart: computing what is possible, which an engineer can do, and choosing from it, which those who live with the choice should have a say in {cite}`vamplew2018`.
# A weighted sum does both jobs at once, and whoever types the weights decides for everybody else before anyone has seen what there was to choose from.
# And whatever was never measured has the weight zero in both.
#
# > **Often believed, and wrong**
# >
# > "If the compromise is good, some weights will choose it."
# > **Weights choose only what lies on the outer hull of the possible.** A compromise in a dent can be undominated, wanted by most, and out of reach for any weights.
# >
# > "We have to sweep the weights more finely."
# > **In a dent there is no weight to find.** The inequalities of `weight_range` settle it without a sweep.
# >
# > "Chebyshev's distance reaches every point, so let the agent learn with it."
# > **It reaches every point of a front that you already have.** Inside Q-learning it is not a sum over steps, so Bellman's equation does not hold for it and there is no guarantee {cite}`vanmoffaert2013`.
# >
# > "A coin between two extremes is as good as the compromise."
# > **On average only.** Whoever is judged by single episodes, such as a patient, lives through one of the extremes.
#
# **Strengths**: exact; nothing has to be weighed before it is known; you see what each choice costs in the other respects.
#
# **Limits**: it needs a model; sets of vectors can grow with every sweep, and with many respects almost nothing is dominated; it orders means, and says nothing about the spread of what happens. Where one value must not fall below a line, set [a limit](constrained_optimum.ipynb) instead; where people disagree about what is better, see [Preference aggregation](preference_aggregation.ipynb).
#
# **Who is harmed when it fails**: those who stand for the respect with the small weight or with none, such as the readers of a feed that is ranked by what makes people react.
#
# **In production** take `morl-baselines` to learn and `mo-gymnasium` for environments {cite}`felten2023`, and `pymoo` where you optimise without a decision process.

# %% [markdown]
# ## Check yourself
#
# **1.** For one of nine treatment plans, rated by effect and by side effects, `weight_range` returns a lower bound above the upper one. What do you know about this plan?
#
# <details><summary>Another plan is better than it in both respects.</summary>
#
# **Not so.** No plan in `fronts["concave"]` is beaten in both respects, and yet the lower bound exceeds the upper one for eight of the ten.
#
# </details>
#
# <details><summary>It wins for weights finer than those that were tried.</summary>
#
# **Not so.** `weight_range` tries no weights, it intersects the inequalities; the thousand and one `weights` of the learners found the two ends of the concave map, too, and nothing between.
#
# </details>
#
# <details><summary>It wins for no weights, even if most people want it.</summary>
#
# **Right.** It lies in a dent: whatever the weights, the sum is larger for some other plan. That says nothing about who would choose it.
#
# </details>
#
# **2.** A courier's drones are judged by the parcels and the energy of a whole year, so of many thousand flights together. A compromise policy would do, but a coin tossed before each flight, between two extreme policies, delivers more for less energy on average. What serves the courier best?
#
# <details><summary>The coin, because here only the totals are judged.</summary>
#
# **Right.** Over so many flights the totals come out close to the mean, and the mean of the coin dominates the compromise.
#
# </details>
#
# <details><summary>The compromise, because nobody lives through an average.</summary>
#
# **Not so.** That holds where each episode is judged by itself, as in `esr`. Judged by the mean, as in `ser`, the coin was worth far more than the middle point.
#
# </details>
#
# <details><summary>A weighted sum, with a weight that lies in the middle.</summary>
#
# **Not so.** On the concave map no learner of `q_learning` stopped between the ends, whichever of the `weights` it had: a weight picks one extreme for all flights.
#
# </details>
#
# **3.** With discount 1 you have computed a front, and which of its points weights reach. Your agent will plan with a discount of 0.9. What do you know about it?
#
# <details><summary>The front is the same, because the world is the same.</summary>
#
# **Not so.** In the table from `sweep` fewer than half of the convex map's points are still undominated at that discount.
#
# </details>
#
# <details><summary>Nothing certain yet: both have to be computed again.</summary>
#
# **Right.** A discount shrinks what is far away more than what is near, so the points move against one another, and with them the shape that decides.
#
# </details>
#
# <details><summary>Weights reach fewer points, because distant ones fade.</summary>
#
# **Not so.** In the table from `sweep` they reach more points of the concave map at 0.8 than at 1.
#
# </details>

# %% [markdown]
# ## Exercise 1: how rich must a compromise be?
#
# *Easy, 10 minutes.*
# On the concave map the ends are 1 unit after 1 step and 124 units after 19 steps.
# A designer may move one more treasure to a place that takes `steps` steps.
# Return what it must be worth at least, so that some weight makes it (at least in a tie) the best of the three.
#
# Hint: it must not lie below the line that joins the two ends.


# %% tags=["exercise"]
def least_worth(steps):
    """Least treasure after so many steps that some weight reaches, beside (1, 1) and (124, 19)."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_least_worth(attempt):
    answers = [attempt(9), attempt(14)]
    t = np.array([9, 14])
    mistakes = {
        "Your line starts at zero; the near treasure is 1 unit after 1 step.": 124
        * t
        / 19,
        "Your line rises by 123 in 19 steps, but between the ends lie 18.": 1
        + 123 * (t - 1) / 19,
        "You forgot the unit that the near treasure is worth.": 123 * (t - 1) / 18,
        "From the near treasure on it is t - 1 steps, not t.": 1 + 123 * t / 18,
    }
    check_answer(None if None in answers else answers, 1 + 123 * (t - 1) / 18, mistakes)


check_least_worth(least_worth)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def least_worth_solution(steps):
    return 1 + (124 - 1) * (steps - 1) / (19 - 1)


check_least_worth(least_worth_solution)
# Why: a weighted sum is largest where a line of equal sums touches the points last, and
# a point below the line of the two ends is always passed before one of them.

# %% [markdown]
# ## Exercise 2: Chebyshev's distance
#
# *Medium, 15 minutes.*
# Chebyshev's way to choose measures how far each point falls short of an *ideal*, weighs each shortfall, and takes the point whose **largest** weighted shortfall is smallest:
#
# $$\min_i \max_k\; w_k\,(\text{ideal}_k - v_{ik}).$$
#
# Return the number of the row that it chooses.
#
# Hint: `np.asarray(points)` has one row for each point; take the maximum along a row, and then the row with the least.


# %% tags=["exercise"]
def chebyshev_choice(points, weights, ideal):
    """Row of `points` (n, 2) with the smallest largest weighted shortfall from `ideal`."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
slips = {
    "You added the shortfalls up, which is a weighted sum again, and so you get the "
    "ends.": lambda s: s.sum(axis=1).argmin(),
    "You took the smallest shortfall of each point, not its largest.": lambda s: s.min(
        axis=1
    ).argmin(),
    "That is the point that falls shortest; the least shortfall is wanted.": lambda s: (
        s.max(axis=1).argmax()
    ),
    "A shortfall is the ideal less the value; you took the value less the ideal.": (
        lambda s: (-s).max(axis=1).argmin()
    ),
    "You squared the shortfalls and added them up; only the largest one counts.": (
        lambda s: (s**2).sum(axis=1).argmin()
    ),
    "That is the shortfall of the best row; its number is wanted.": lambda s: s.max(
        axis=1
    ).min(),
}


def check_chebyshev_choice(attempt):
    points, ideal = fronts["concave"], np.array([124.5, -0.5])
    weights = [1 / (ideal - v) for v in points[1:-1]]  # meant for each middle point
    weights += [np.array([1, 4]), np.array([1, 6]), np.array([1, 10])]
    answers = [attempt(points, w, ideal) for w in weights]
    short = [w * (ideal - points) for w in weights]
    mistakes = {reason: [slip(s) for s in short] for reason, slip in slips.items()}
    bare = (ideal - points).max(axis=1).argmin()
    mistakes["You forgot the weights."] = [bare] * len(weights)
    empty = any(answer is None for answer in answers)
    expected = [s.max(axis=1).argmin() for s in short]
    check_answer(None if empty else answers, expected, mistakes)


check_chebyshev_choice(chebyshev_choice)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def chebyshev_choice_solution(points, weights, ideal):
    shortfall = np.asarray(weights) * (np.asarray(ideal) - np.asarray(points))
    return shortfall.max(axis=1).argmin()


check_chebyshev_choice(chebyshev_choice_solution)
# Why: with the weights 1 / (ideal - v) the point v falls short by one in each respect,
# and whatever no other point dominates cannot be undercut in both; a dent is no matter.

# %% [markdown]
# ## Exercise 3: what the user gets
#
# *Medium, 15 minutes.*
# A policy draws row $i$ of `points` with probability `shares[i]` in each episode.
# Return the mean of `utility(point)` over episodes, so the ESR and not the SER.
#
# Hint: `utility`, as defined above, takes all rows at once and returns one number for each.


# %% tags=["exercise"]
def episode_utility(points, shares):
    """Mean utility per episode if row i of `points` happens with probability shares[i]."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_episode_utility(attempt):
    points = fronts["concave"]
    shares = np.array([0.3, 0, 0, 0, 0, 0.1, 0, 0.2, 0, 0.4])
    each = utility(points)
    mistakes = {
        "You judged the mean, which nobody lives through (that is the SER).": utility(
            shares @ points
        ),
        "You forgot the shares: that is the mean over the ten points.": each.mean(),
        "You left points out that happen: that is the two ends alone.": shares[0]
        * each[0]
        + shares[9] * each[9],
        "You returned the best that can happen.": each[shares > 0].max(),
    }
    check_answer(attempt(points, shares), shares @ each, mistakes)


check_episode_utility(episode_utility)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def episode_utility_solution(points, shares):
    return np.asarray(shares) @ utility(points)


check_episode_utility(episode_utility_solution)
# Why: each episode is judged by itself, and only then are episodes averaged. The result
# is linear in the shares, so no mixture is worth more than the best point it mixes.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
timed = evidence.results["speed"]
quicker = [row["ratio"] for row in timed if "ratio" in row]
whole = timed[-1]["ms"]["ours"]["median"] / 1000
Markdown(
    "The book's planner needs the whole table of transitions, and its weights and "
    "areas are for two respects only, where `pymoo` takes any number; with the table it "
    f"has the exact front in {whole:.2f} seconds, while the Pareto Q-learner of "
    "`morl-baselines`, which learns from samples, is given 200,000 steps on this map. "
    f"Dropping dominated points takes mo-gymnasium's filter {min(quicker):.1f} to "
    f"{max(quicker):.0f} times as long as ours; a compiled filter such as `paretoset`'s "
    "was not timed here, and should be quicker for two or three respects."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in timed if "ratio" in r]
table(["dropping the dominated", "compared with", "its time / ours"], rows, digits=1)

# %% tags=["hide-output"]
agreement = evidence.results["agreement"]
rows = [
    ["moves that are mo-gymnasium's, both maps", agreement["moves"]],
    ["discounts at which both fronts are", agreement["discounts"]],
    ["largest difference", f"{agreement['largest difference']:.0e}"],
]
table(["agreement", ""], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Value-Based Design**: Designing AI systems to incorporate human values and principles into their decision-making processes.
#
# *Values*, it says, and then its listing has a single reward; see [Listing 1, run and repaired](../source_listing_1.ipynb).
#
# ## References
#
# The map and its front: {cite:t}`vamplew2011`; the convex one: {cite:t}`yang2019`; that weights miss dents: {cite:t}`das1997`, and on this map {cite:t}`vamplew2008`.
# Value iteration on sets of vectors: {cite:t}`white1982`; learning them from samples: {cite:t}`vanmoffaert2014`, and with how many steps: {cite:t}`morlbaselines2023`; Chebyshev's distance in Q-learning: {cite:t}`vanmoffaert2013`.
# Mixtures: {cite:t}`vamplew2009`; SER and ESR: {cite:t}`roijers2013`; whose values: {cite:t}`vamplew2018`.
# What happened: {cite:t}`merrill2021`.
