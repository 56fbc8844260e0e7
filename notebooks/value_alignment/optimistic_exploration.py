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
# # Optimistic exploration
#
# Optimistic Q-learning, count bonuses and R-MAX on Deep Sea: what it costs to find a reward that is far away.
#
# In 2015 one program, DQN, learnt 49 Atari games from the screen and played many of them better than a professional tester; in *Montezuma's Revenge* it scored 0.0, exactly what random key presses score {cite}`mnih2015`.
# Nothing in that game pays before a long chain of right moves, and so there was nothing to learn from, until a year later an agent was paid for what it had seldom seen, and walked through one room after another {cite}`bellemare2016`.
#
# **How many tries does it take to find a reward that is $N$ right moves away?**
#
# You meet the question whenever a model is trained by a reward that comes only at the end, for a proof that checks or a program that passes its tests.
# If no try ever succeeds the curve stays flat, whatever the learning algorithm, and more compute of the same kind may not help in your lifetime.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | say what random search, optimism, bonuses and planning cost on a sparse reward, build each of them, and recognise the two usual bugs |
# | You need | NumPy, Matplotlib; Q-learning and the discount $\gamma$, as in [Deep Q-learning](../robustness/deep_q_learning.ipynb); what a geometric distribution is |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.value_alignment.optimistic_exploration` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from itertools import count

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
from companion.value_alignment.optimistic_exploration import (
    deep_sea,
    planned_exploration,
    q_exploration,
    random_visits,
)

figure_style()

# %% [markdown]
# ## The answer in a picture: Deep Sea
#
# *Deep Sea* is the standard problem {cite}`osband2019`.
# A diver starts at the top left of a grid with $N$ rows, and each step takes it one row down, and one column to the left or to the right.
# A treasure lies at the bottom right, so only the dive that moves right $N$ times finds it.
# Each move to the right costs a little, nothing else pays anything, and which of two buttons means "right" differs from cell to cell.
#
# **Guess before you look**: how many dives until the treasure is first reached, at $N = 20$, if you press buttons at random, and how few can it be if you are clever?

# %% mystnb={"figure": {"caption": "Left: dives until the treasure is first reached, against the size of the sea; points are medians over recorded seeds (20, and 10 for what plans), bars go from the least to the most. Dotted: 2 to the N times 0.69; dashed: N(N+1)/2 + 1; dash-dotted: 2N. Right: the stochastic sea of size 10, in which moves to the right fail one time in ten and rewards are noisy: share of seeds that, after 1500 dives, earn at least half of the optimum; \"uniform\" presses buttons at random.", "name": "fig-optimistic-exploration"}, "image": {"alt": "Two panels. Left, on two logarithmic axes: the curve of random buttons turns upwards and passes ten thousand at size 14; the optimistic start and the planner with a bonus rise with slope two to about a thousand at size 40 to 50; the planner rises with slope one to a hundred at size 50. Right: horizontal bars. Uniform actions and optimism that believes the last visit are at zero, optimism that averages below one half, a planner that believes one visit below the planner that asks for ten visits, which is at one."}} tags=["hide-input"]
evidence = recorded("value_alignment/optimistic_exploration")
search, windy = evidence.results["search"], evidence.results["stochastic"]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
styles = {
    "uniform": ("grey", "o", "random buttons"),
    "optimistic": ("orange", "s", "optimistic start"),
    "bonus": ("purple", "D", "planner with bonus"),
    "planner": ("blue", "^", "planner"),
}
for name, (colour, mark, label) in styles.items():
    sizes = np.array([int(size) for size in search[name]])
    first = [np.array(seeds) for seeds in search[name].values()]
    mid = np.array([np.median(f) for f in first])
    reach = [[m - f.min(), f.max() - m] for m, f in zip(mid, first)]
    options = {"color": COLOURS[colour], "capsize": 2, "label": label}
    left.errorbar(sizes, mid, np.array(reach).T, fmt=mark, ms=5, **options)
N = np.arange(2, 51)
left.plot(N[:13], np.log(2) * 2.0 ** N[:13], ":", color=COLOURS["grey"])
left.plot(N, N * (N + 1) / 2 + 1, "--", color=COLOURS["orange"], lw=1)
left.plot(N, 2 * N, "-.", color=COLOURS["blue"], lw=1)
left.set(xscale="log", yscale="log", xlabel="size N", ylabel="dives until treasure")
left.set_xticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
left.set_xticks([], minor=True)
left.set_ylim(0.7, 3e6)
left.legend()
good = {
    name: np.mean(np.array(row["late"]) > windy["best"] / 2)
    for name, row in windy["rows"].items()
}
right.barh(list(good)[::-1], list(good.values())[::-1], color=COLOURS["sky"])
right.set(xlabel="share of seeds that learn it", xlim=(0, 1))
right.tick_params(axis="y", labelsize=8)
plt.show()

# %% [markdown]
# Look at the slopes; both axes are logarithmic, so the power of $N$ is the slope.
# Pressing buttons at random doubles its cost with every row, so at $N = 20$ it needs a million dives in the mean.
# The middle ones rise with slope 2, like $N^2$, and one of them has no bonus at all: it only *starts* with the belief that everything is worth as much as the treasure.
# The lowest rises with slope 1, like $N$, and the right panel shows its price: where chance has a say, believing one visit fails in some seeds.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
latest = {
    name: {int(size): max(f) for size, f in search[name].items()}
    for name in ("optimistic", "planner")
}
claim(
    "The planner finds the treasure within 2N dives, the optimistic start within "
    "N(N+1)/2 + 1.",
    all(m <= 2 * n for n, m in latest["planner"].items())
    and all(m <= n * (n + 1) / 2 + 1 for n, m in latest["optimistic"].items()),
    over="N = 5, 10, 20, 30, 40, 50; 10 seeds of the planner, 20 of the other, recorded",
)

# %% [markdown]
# ## The idea on three cells: optimism in the face of uncertainty
#
# Take $N = 2$, so one cell at the top and two at the bottom, and each has two buttons.
# Pressed at random, both buttons are right with probability $1/4$; for $N$ rows it is $2^{-N}$.
# So the first success comes after $2^N$ dives in the mean, but in half of the cases after $0.69 \cdot 2^N$, because the waiting time is geometric and has a long tail.

# %%
rng = np.random.default_rng(0)
rows = [
    [n, 2**n, f"{random_visits(deep_sea(n), 400_000, rng).mean() * 2**n:.1f}"]
    for n in (2, 5, 8)
]
table(["rows", "mean dives", "share of dives that succeed, times that"], rows)

# %% [markdown]
# An optimist writes a 1 beside all six buttons, since for all it knows each of them leads to the treasure.
# It presses one at the top, and below one more, which ends without treasure.
# So the lower button drops to about 0, but its cell still has the other button, which keeps its 1.
# On the next dive that other button is tried, or the other half of the sea, and the fourth dive finds the treasure at the latest.
#
# ## The equation: optimistic Q-learning
#
# After a dive its steps are learnt from the last to the first:
#
# $$Q(s, a) \leftarrow r + \gamma \max_{a'} Q(s', a').$$
#
# Here $Q(s, a)$ is what button $a$ in cell $s$ is believed to be worth, $r$ is what it paid, $s'$ the next cell, and $\gamma$ the discount.
# Because nothing is random yet, one visit tells all about a step, and the old value is simply replaced.
# The diver presses the button that looks best, and tosses a coin on ties.


# %%
def dive(task, Q, rng):
    after = task.mdp.rows.indices.reshape(-1, 2)  # [cell, button] -> next cell
    state, path = task.start, []
    for _ in range(task.horizon):
        action = max((0, 1), key=lambda a: (Q[state, a], rng.random()))
        path.append((state, action))
        state = after[state, action]
    return path, state


# %%
def learn(task, Q, path):
    after = task.mdp.rows.indices.reshape(-1, 2)
    for s, a in reversed(path):
        follows = Q[after[s, a]].max()
        Q[s, a] = task.mdp.reward[s, a] + task.mdp.discount * follows


# %% [markdown]
# All of the exploration is in the first line of the next cell.
# The last two states are the two ends, after which nothing follows, so they are known to be worth nothing.

# %%
task, rng = deep_sea(10), np.random.default_rng(1)
Q = np.ones((task.mdp.states, 2))
Q[-2:] = 0
for _ in range(60):
    path, end = dive(task, Q, rng)
    learn(task, Q, path)

# %% [markdown]
# The package's function does the same for many copies at once, and knows the bonus and the random buttons that you need below.

# %%
seen = q_exploration(
    task, 60, np.random.default_rng(1), optimism=1.0, learning_rate=1.0
)
np.testing.assert_allclose(seen.values[0], Q, rtol=0, atol=1e-12)

# %%
show_source(q_exploration)

# %% [markdown]
# Why a parabola?
# Call a button *hopeful* while its value is above zero.
# The diver takes hopeful buttons as long as its cell has one, so on a dive that fails there is a last hopeful button, and that one loses its hope.
# If it was the last hope of its cell, then the button that led into the cell loses its hope as well, and so on upwards.
#
# Now count.
# A failing dive destroys one hope, and one more for each cell that it makes hopeless.
# A hopeless cell has lost two hopes, any other cell at most one, so there is at most *one failing dive per cell*.
# There are $N(N+1)/2$ cells that a diver can reach.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
bound = evidence.results["bound"]
claim(
    "With an optimistic start the treasure is found in dive N(N+1)/2 + 1 at the "
    "latest, and some diver needs them all.",
    all(m == int(n) * (int(n) + 1) // 2 + 1 for n, m in bound["latest"].items()),
    over="the argument above for any N with a treasure that is worth the way (γ = 0.99: up to "
    "600), and N = 2 to 20 with 100 divers each, recorded",
)

# %% [markdown]
# ## R-MAX: planning with what is known
#
# The learner above forgets.
# When it finds out that a cell is hopeless, only the buttons of this dive hear of it, and on later dives it falls for every other way into that cell.
# You can give it a memory: after each dive, learn *all* steps again that were ever made, from the bottom row to the top.


# %%
def first_visit(task, rng, remember):
    Q, known = np.ones((task.mdp.states, 2)), []
    Q[-2:] = 0
    for episode in count(1):
        path, end = dive(task, Q, rng)
        if end == task.goal:
            return episode
        known = sorted({*known, *path}) if remember else path
        learn(task, Q, known)


# %%
sizes, seeds = (5, 10, 20), range(5)
tries = {
    (n, remember): [
        first_visit(deep_sea(n), np.random.default_rng(seed), remember)
        for seed in seeds
    ]
    for n in sizes
    for remember in (False, True)
}
planned = {
    n: [
        planned_exploration(
            deep_sea(n), 2 * n, np.random.default_rng(s), optimism=1.0, stop=True
        ).first_visit[0]
        for s in seeds
    ]
    for n in sizes
}
rows = [[n, max(tries[n, False]), max(tries[n, True]), max(planned[n])] for n in sizes]
table(["rows", "last dive only", "all dives again", "planner"], rows)

# %% [markdown]
# The table shows the slowest of five divers.
# So it is neither the optimism nor the belief in a single visit that separates the parabola from the line, because all three columns have both; it is that news travels to everywhere it concerns.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The same learner with a memory needs at most 2N dives, like the planner.",
    all(
        min(planned[n]) > 0 and max(tries[n, True] + planned[n]) <= 2 * n for n in sizes
    )
    and all(max(tries[n, False]) > 2 * n for n in (10, 20)),
    over="5 seeds each at N = 5, 10, 20; without the memory it needs more at 10 and 20",
)

# %% [markdown]
# A memory that is swept until nothing changes *is* a plan in the model learnt so far, and that plan is called R-MAX {cite}`brafman2002`.
# With $n(s, a)$ visits, and the averages $\hat r$ and $\hat P$ of what they brought,
#
# $$Q(s, a) = \begin{cases} \text{optimism} & \text{if } n(s, a) < m \\ \hat r(s, a) + \dfrac{\beta}{\sqrt{n(s, a)}} + \gamma \sum_{s'} \hat P(s' \mid s, a) \max_{a'} Q(s', a') & \text{otherwise.} \end{cases}$$
#
# The number $m$ says how many visits are knowledge.
# R-MAX has no bonus, $\beta = 0$; with $m = 1$ and a bonus it is MBIE-EB {cite}`strehl2008`, the ancestor of most count bonuses.

# %%
show_source(planned_exploration)

# %% [markdown]
# The price is that nearly everything is tried once.
# In the deterministic sea of 20 rows there are 420 buttons within reach:

# %%
seen = planned_exploration(
    deep_sea(20), 60, np.random.default_rng(0), optimism=1.0, stop=True
)
pressed = np.count_nonzero(seen.visits)
Markdown(f"Found in dive {seen.first_visit[0]}, after pressing {pressed} of 420.")

# %% [markdown]
# ## A second standard environment: river swim
#
# In *river swim* {cite}`strehl2008` swimming right works only about one time in three, the current pushes back, and the right bank pays 1.
# The left bank pays 0.005 at once.
# The swimmer gets a hundred episodes of fifty steps.

# %%
river = evidence.results["river"]
rows = [
    [name, f"{min(v):.0f}", f"{np.median(v):.0f}", f"{max(v):.0f}"]
    for name, v in river["rows"].items()
]
rows.append(["best policy, expected", "", f"{river['best']:.0f}", ""])
table(["total reward, 10 seeds", "least", "median", "most"], rows)

# %% [markdown]
# A lucky swimmer can earn more than the best policy does on average.
# Two things are new here.
# An honest ceiling can be too high: the discount of 0.99 allows values up to 100, and from there the table takes longer to come down than the experiment lasts, so a start at 1 or 10 earns several times as much.
# And the planner that shone in the sea stakes everything on single visits, so where the current happened to win the first time, it never swims again.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
got = {name: np.array(v) / river["best"] for name, v in river["rows"].items()}
claim(
    "Believing one visit fails on some seeds and asking for ten on none; greed with a "
    "tenth of random actions earns less than a twentieth of the optimum, and a start at "
    "10 more than twice as much as one at 100.",
    bool(
        got["planner, one visit is knowledge"].min() < 0.05
        and got["planner, ten visits are"].min() > 0.8
        and got["epsilon-greedy, 0.1"].max() < 0.05
        and got["optimistic start at 10"].min()
        > 2 * got["optimistic start at 100"].max()
    ),
    over="10 seeds each, recorded",
)

# %% [markdown]
# The right panel of the first figure says the same of the stochastic sea, where a move to the right fails one time in $N$ and the last rewards are noisy.
# There an optimist that lets the last visit overwrite all others learns nothing that lasts, averaging helps, and a bonus helps more.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Where chance has a say, the last visit teaches no seed and ten visits teach all; "
    "a bonus raises the share, with the table as with the plan.",
    good["optimistic, last visit counts"] == good["uniform"] == 0
    and good["planner, ten visits are"] == good["planner, bonus 1"] == 1
    and good["optimistic, averaging"] < good["optimistic, averaging, and bonus 0.3"]
    and good["planner, one visit is knowledge"] < good["planner, bonus 1"],
    over="stochastic sea of size 10, 20 seeds of each table and 10 of each plan, recorded",
)

# %% [markdown]
# ## Break it: ε-greedy, worse than no learning at all
#
# The usual way to explore is to be greedy and to press a random button with probability $\varepsilon$.
# In Deep Sea that is *worse* than pressing at random always, and you can see why if you take the cause away.

# %%
eps = evidence.results["epsilon"]


def median_dives(key):
    first = np.array(eps[key])
    middle = np.median(np.where(first == 0, np.inf, first))
    return "over 4000" if np.isinf(middle) else f"{middle:.0f}"


rows = [
    [n]
    + [median_dives(f"{c} {e} {n}") for c, e in ((0.01, 1.0), (0.01, 0.1), (0.0, 0.1))]
    for n in (4, 6, 8)
]
table(["rows", "all random", "ε = 0.1", "ε = 0.1, right costs nothing"], rows)

# %% [markdown]
# The first thing that the greedy diver learns is that moving right costs a hundredth, so from then on it moves left, nine times out of ten.
# Without that cost all buttons look alike, the ties are broken by coins, and it searches as well as chance.
# The learning did harm, because what it learnt first was true and led away.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
found = {key: np.count_nonzero(v) for key, v in eps.items() if " " in key}
claim(
    "With the move cost ε-greedy finds the treasure less often than random buttons; "
    "without it every diver finds it.",
    all(
        found[f"0.01 {e} {n}"] < found[f"0.01 1.0 {n}"] == found[f"0.0 {e} {n}"] == 20
        for e in (0.1, 0.3)
        for n in (6, 8)
    ),
    over="ε = 0.1 and 0.3, N = 6 and 8, 20 seeds of at most 4000 dives, recorded",
)

# %% [markdown]
# ## Break it: a bonus that punishes what is new
#
# The most common bug adds the bonus $\beta / \sqrt{n}$ to the reward of a table or a network that starts near *zero*.
# What has been tried once then looks better than what has never been tried, because only the first of them has ever received a bonus.
# To see that it is the bonus and not the cost of moving right, take the cost away, and compare with no bonus at all.


# %%
def found_by(start, beta, cost):
    task, rng = deep_sea(10, move_cost=cost), np.random.default_rng(0)
    options = {"optimism": start, "bonus": beta, "learning_rate": 1.0, "stop": True}
    return np.count_nonzero(
        q_exploration(task, 1000, rng, copies=20, **options).first_visit
    )


settings = (0, 0.01), (0, 0), (1, 0.01)  # where the table starts, cost of moving right
counts = {
    beta: [found_by(s, beta, c) for s, c in settings] for beta in (0, 0.01, 0.1, 1)
}
rows = [[f"β = {beta}", *found] for beta, found in counts.items()]
header = [
    "seeds of 20 that find it, N = 10",
    "from 0",
    "from 0, right costs nothing",
    "from 1",
]
table(header, rows)

# %% [markdown]
# With the cost even the learner without a bonus finds nothing from zero, for the reason of the last section.
# Without the cost it finds the treasure on many seeds, by chance, and the bonus takes that chance away.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
naive = evidence.results["naive"]
zero = [v for key, v in naive.items() if key[:2] == "0 " and key.endswith(" 0")]
one = [v for key, v in naive.items() if key[:2] == "1 " and key.endswith(" 1 0")]
claim(
    "A greedy learner with a bonus on the reward finds nothing if its table starts at "
    "zero, also where moving costs nothing and no bonus finds it on many seeds; from the "
    "ceiling it finds the treasure on all.",
    len(zero) == 6
    and len(one) == 3
    and not np.any(zero)
    and bool(np.all(one))
    and all(counts[beta][:2] == [0, 0] for beta in (0.01, 0.1, 1))
    and counts[0][1] >= 5,
    over="β = 0.01, 0.1, 1, N = 10, 20 seeds of 1000 dives, live and recorded; with the "
    "cost and from zero also with a learning rate of 0.1",
)

# %% [markdown]
# So the bonus is not what makes the diver curious; the optimism about the untried is {cite}`rashid2020`.
# A bonus is the correction that you add where visits are noisy, so that what was tried too seldom keeps some hope.
# It has a price, as the first figure shows: the planner with a bonus of 0.1 needs nearly as many dives as the optimistic start, although nothing is random there and one visit would tell all.
#
# > **Often believed, and wrong**
# >
# > "A count bonus makes Deep Sea linear."
# > **Planning with one-visit knowledge does.** An optimistic start alone needs about $N^2/2$, and a bonus of 0.1 takes the planner nearly there.
# >
# > "Random exploration takes $2^N$ dives."
# > **That is the mean; the median is 0.69 of it.** And it holds for actions that are uniform: a greedy learner with some random actions can be far worse.
# >
# > "Epsilon-greedy always gets there in the end."
# > **That end may lie beyond your budget.** Ask for the number of tries before you start, for it can grow exponentially with the length of the chain.
# >
# > "The more optimistic, the safer."
# > **Optimism must be unlearnt, visit by visit.** A ceiling of $r_{\max} / (1 - \gamma)$ is honest and can outlast your budget.
# >
# > "Exploration bonuses solve hard games."
# > **On the Atari games together they gained little over ε-greedy.** They help in Montezuma's Revenge and its like {cite}`taiga2020`.
#
# **Strengths**: optimism needs no random actions, comes with proofs, and its two parts, the start and the bonus, are one line each.
#
# **Limits**: it counts cells, so it needs a table, or a substitute for counts, such as those of [Intrinsic motivation](intrinsic_motivation.ipynb).
# It is slow where the ceiling is far above what can be had, and the numbers on this page are for worlds of a few hundred cells.
#
# **Who is harmed when it fails**: an optimist tries everything that it does not know, once at least, also what no one should try even once.
# That is the patient who gets the untested dose and the driver at the untested speed, so put a [shield](../robustness/shielding.ipynb) in front of it.
#
# **In production** remember that the DQN of Stable-Baselines3 explores by ε-greedy only, so a sparse reward needs a wrapper that adds a bonus; rllte has several.

# %% [markdown]
# ## Check yourself
#
# **1.** In a maze each step costs 1, nothing pays, and an episode ends at the exit. A greedy learner's table starts at zero, and nothing is random. Does it explore?
#
# <details><summary>No, because a table that starts at zero has no hopes.</summary>
#
# **Not so.** It had none in the sea, because there zero lies below the treasure. What counts is the ceiling: from there, in the column of `counts` that starts at 1, all seeds found it.
#
# </details>
#
# <details><summary>Yes, because zero is more than any way can bring.</summary>
#
# **Right.** Whatever it tries turns out worse than it had hoped, so what it has not tried looks best.
#
# </details>
#
# <details><summary>Only with a bonus, because that is what makes it curious.</summary>
#
# **Not so.** In the row of `counts` without a bonus all seeds that started at the ceiling found the treasure.
#
# </details>
#
# **2.** On a conveyor belt a push works nine times in ten. Only a long sequence of pushes is rewarded. Whom do you let explore?
#
# <details><summary>A planner that takes one visit for knowledge, as the quickest.</summary>
#
# **Not so.** It is where nothing is random. In `river["rows"]` it stayed poor with some seeds: what failed at the first try is never tried again.
#
# </details>
#
# <details><summary>A greedy learner that pushes at random one time in ten.</summary>
#
# **Not so.** In the row of `river["rows"]` with a tenth of random actions it earned next to nothing, with any seed.
#
# </details>
#
# <details><summary>A planner that waits for several visits before it believes.</summary>
#
# **Right.** A single visit may be bad luck, and ten seldom all are. Until then the optimism brings it back.
#
# </details>
#
# **3.** Nothing is random. A Q-learner with an optimistic start keeps all the steps that it ever made, and after each episode learns all of them again until nothing changes. How many episodes does it need, compared with R-MAX?
#
# <details><summary>About as many, because its news travels just as far.</summary>
#
# **Right.** To learn again until nothing changes is to plan in the model learnt so far.
#
# </details>
#
# <details><summary>More, because without a model it has to count on luck.</summary>
#
# **Not so.** In `tries` the learner that remembers was done within $2N$ dives, as `planned` was; stored steps are a model.
#
# </details>
#
# <details><summary>More, because it has no bonus for what is new.</summary>
#
# **Not so.** The planner in `planned` had none either. The optimism about what is untried drives both.
#
# </details>

# %% [markdown]
# ## Exercise 1: half of the divers
#
# *Easy, 10 minutes.*
# Random buttons find the treasure with probability $p = 2^{-N}$ on each dive.
# Return the smallest number of dives after which a diver has found it with probability at least one half.
#
# Hint: the probability that $n$ dives all fail is $(1 - p)^n$.


# %% tags=["exercise"]
def median_dives_needed(N):
    """Smallest n with a chance of at least 1/2 that one of n random dives succeeds."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_median(attempt):
    answers = [attempt(3), attempt(10)]
    mistakes = {
        "That is the mean; half of the divers are quicker.": [8, 1024],
        "One too few: at this n the chance is still below one half.": [5, 709],
        "Half of the mean is not the median of a geometric distribution.": [4, 512],
        "Round up: a number of dives is an integer.": [
            np.log(0.5) / np.log1p(-(2.0**-n)) for n in (3, 10)
        ],
    }
    check_answer(None if None in answers else answers, [6, 710], mistakes)


check_median(median_dives_needed)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def median_dives_needed_solution(N):
    return int(np.ceil(np.log(0.5) / np.log1p(-(2.0**-N))))


check_median(median_dives_needed_solution)
# Why: (1 - p)^n falls below 1/2 at n = ln 2 / -ln(1 - p), which is about 0.69 / p. The
# mean is 1 / p, because the unlucky ones wait very long and pull it up.

# %% [markdown]
# ## Exercise 2: more buttons
#
# *Medium, 15 minutes.*
# Some other world has `cells` cells and `buttons` buttons in each of them.
# Nothing is random, no cell is visited twice in an episode, and nothing but the treasure pays anything above zero.
# Repeat the argument about hopes: in which episode does an optimistic start find the treasure at the latest?
#
# Hint: how many hopes can a cell lose that stays hopeful, and how many does one lose that becomes hopeless?


# %% tags=["exercise"]
def latest_episode(cells, buttons):
    """The last episode in which the optimistic learner can find the treasure."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_latest(attempt):
    answers = [attempt(55, 2), attempt(10, 4)]
    mistakes = {
        "That counts the failures; the treasure comes in the episode after them.": [
            55,
            30,
        ],
        "Every hope counted: but when a cell becomes hopeless, the hope of the button "
        "that led there goes in the same episode.": [111, 41],
        "A cell can be the place of more than one failure if it has more buttons.": [
            56,
            11,
        ],
        "Every hope counted, and without the episode that succeeds.": [110, 40],
    }
    check_answer(None if None in answers else answers, [56, 31], mistakes)


check_latest(latest_episode)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def latest_episode_solution(cells, buttons):
    return cells * (buttons - 1) + 1


check_latest(latest_episode_solution)
# Why: a cell that stays hopeful lost at most buttons - 1 hopes, and one that became
# hopeless lost all, but one of them is made up for by the hope that fell with it above.

# %% [markdown]
# ## Exercise 3: how long does hope last?
#
# *Medium, 15 minutes.*
# In river swim a swimmer who stays at the left bank is paid $r$ per step for ever.
# Suppose that its table has the single value $Q$ for that, which starts at the ceiling `optimism`, and that every step moves it by
#
# $$Q \leftarrow Q + \alpha\,\big(r + \gamma Q - Q\big).$$
#
# Return after how many steps $Q$ is first below `rival`, the true value of swimming right.
#
# Hint: a loop will do.


# %% tags=["exercise"]
def patience(optimism, rival, r, gamma, alpha):
    """Steps until the value of staying, learnt from `optimism` down, is below `rival`."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_patience(attempt):
    answers = [attempt(q, 37.85, 0.005, 0.99, 0.1) for q in (100.0, 40.0)]

    def steps(optimism, contraction):
        fixed = 0.005 / (1 - 0.99)
        ratio = np.log((37.85 - fixed) / (optimism - fixed)) / np.log(contraction)
        return int(np.floor(ratio)) + 1

    expected = [steps(q, 1 - 0.1 * 0.01) for q in (100.0, 40.0)]
    mistakes = {
        "The value shrinks by α(1 - γ) per step, not by α: the swimmer still believes "
        "in what follows.": [steps(q, 0.9) for q in (100.0, 40.0)],
        "You left out the learning rate.": [steps(q, 0.99) for q in (100.0, 40.0)],
        "One step too few: count the step that takes it below.": [
            n - 1 for n in expected
        ],
    }
    check_answer(None if None in answers else answers, expected, mistakes)


check_patience(patience)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def patience_solution(optimism, rival, r, gamma, alpha):
    Q, steps = optimism, 0
    while rival <= Q:
        Q += alpha * (r + gamma * Q - Q)
        steps += 1
    return steps


check_patience(patience_solution)
# Why: the gap to the fixed point shrinks by the factor 1 - α(1 - γ), here a thousandth
# per step, so from 100 it takes about a thousand steps, for one bank of the river alone.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
one, many = speed["100 episodes, one after another"], speed["2000 episodes at once"]
Markdown(
    f"One episode after another, the book's learner is about {1 / one:.0f} times slower "
    "than stepping through bsuite's Deep Sea with random actions, which learns nothing; "
    f"many random episodes at once are some {many / 100:.0f}00 times quicker. The two "
    "seas agree in every move of every cell, in both variants."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Intrinsic Motivation**: Developing AI systems that are motivated by internal goals and values, rather than external rewards.
#
# Optimism is the oldest such motive: the diver is driven by its own ignorance until the external reward has been found.
# It is no value in the moral sense, and the source gives no listing for it.
#
# ## References
#
# Deep Sea: {cite:t}`osband2019`, as a benchmark {cite:t}`osband2020`.
# Optimistic start: {cite:t}`sutton2018`, section 2.6; with a bonus and a learning rate that make it provable: {cite:t}`jin2018`; why a bonus alone is not enough: {cite:t}`rashid2020`.
# R-MAX: {cite:t}`brafman2002`; MBIE-EB and river swim: {cite:t}`strehl2008`.
# What happened: {cite:t}`mnih2015`, {cite:t}`bellemare2016`; what bonuses gain over all games: {cite:t}`taiga2020`.
