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
# # Reward equivalence
#
# Canonical rewards and the EPIC distance: when two rewards ask for the same.
#
# The four-legged `Ant` is one of the robots on which reinforcement learning is most often compared.
# In its fourth version it was no longer charged for hard contacts, because that term of the reward had been switched off together with an observation; somebody noticed, and in the fifth version it pays again {cite}`gymnasium214`.
#
# **When do two rewards ask for the same thing?**
#
# You need the answer whenever a reward changes under your hands: a term is dropped, a scale adjusted, a model of somebody's preferences trained anew.
# Comparing the numbers says nothing, since rewards that look different can ask for the same, and training an agent on each of them is expensive and blames the reward for the optimiser's mistakes.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compare two rewards without training anything, say for which changes the distance is zero, and know the two ways in which a distance misleads |
# | You need | NumPy, Matplotlib, Gymnasium; Bellman's equation; [Reward shaping](reward_shaping.ipynb) by potentials; what a correlation is |
# | Time | 25 minutes to read, 35 for the exercises |
# | Code | `companion.value_alignment.reward_equivalence` |

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
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.mdp import MDP, action_values, policy_iteration, policy_value
from companion.value_alignment.reward_equivalence import (
    canonical_reward,
    epic_distance,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Take two hundred random worlds of eight states, in which each of three actions leads to one of two states, and give every transition a reward $R(s, a, s')$, also those that the world never makes.
# Change it in four ways: shape it by a potential and double it; replace it on the impossible transitions; add a little noise; or draw another one altogether.
#
# **Guess before you look**: which of the four changes is the largest, in your opinion, and which of them change what is best to do?

# %% mystnb={"figure": {"caption": "Distance of a reward from its changed version (EPIC, all transitions equally likely) against what the optimum for the changed one loses, as a share of the distance between the best and the worst policy. Two hundred worlds, four changes each.", "name": "fig-reward-equivalence"}, "image": {"alt": "Scatter plot. Shaped and doubled rewards lie at distance zero with no loss. Noisy ones lie near distance 0.05 with losses from zero to a few percent. Rewards that differ on impossible transitions lie between 0.5 and 0.7 with no loss. Independent ones lie between 0.6 and 0.8 with losses from zero to nearly one."}} tags=["hide-input"]
gamma = 0.9


def world(seed):
    rng = np.random.default_rng(seed)
    P = np.zeros((8, 3, 8))  # each action leads to two of eight states
    for s, a in np.ndindex(8, 3):
        P[s, a, rng.choice(8, 2, replace=False)] = rng.dirichlet(np.ones(2))
    return P, rng.standard_normal((8, 3, 8)), rng


def process(P, R, discount=gamma):
    return MDP(P, (P * R).sum(axis=2), discount)


def loss(P, R, other):
    best, worst = policy_iteration(process(P, R)), policy_iteration(process(P, -R))
    policy = policy_iteration(process(P, other)).policy
    lost = best.value - policy_value(process(P, R), policy)
    share = lost.mean() / (best.value + worst.value).mean()
    return share, (policy != best.policy).any()


def four_changes(P, R, rng):
    phi = rng.standard_normal(8)
    return {
        "shaped and doubled": 2 * R + gamma * phi - phi[:, None, None],
        "other where impossible": np.where(P > 0, R, rng.standard_normal(R.shape)),
        "noise of size 0.1": R + 0.1 * rng.standard_normal(R.shape),
        "independent": rng.standard_normal(R.shape),
    }


found = {}
for seed in range(200):
    P, R, rng = world(seed)
    for name, other in four_changes(P, R, rng).items():
        row = (epic_distance(R, other, gamma), *loss(P, R, other))
        found.setdefault(name, []).append(row)
found = {name: np.array(rows) for name, rows in found.items()}
fig, ax = plt.subplots()
for (name, rows), colour, marker in zip(
    found.items(), ("green", "blue", "red", "grey"), "sovx"
):
    ax.plot(rows[:, 0], 100 * rows[:, 1], marker, color=COLOURS[colour],
            label=name, markersize=5, alpha=0.6, linestyle="none")  # fmt: skip
ax.set(xlabel="EPIC distance", ylabel="lost by the other optimum (%)")
ax.legend()
plt.show()

# %% [markdown]
# The green square is two hundred squares in one place: shaping and scale count as nothing, as they should.
# But look at the blue points: they lie almost as far to the right as the grey ones and lose nothing, because the world never pays what was changed.
# And look at the red ones, which lie near zero and still often change the optimum.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
far, near = found["other where impossible"], found["noise of size 0.1"]
claim(
    "Rewards that differ on impossible transitions only lie more than 0.5 apart; with the "
    "noise they lie less than 0.07 apart, and in more than a quarter of the worlds the "
    "optimal policy changes.",
    bool(
        far[:, 0].min() > 0.5 and near[:, 0].max() < 0.07 and near[:, 2].mean() > 0.25
    ),
    over="200 worlds, seeds 0 to 199, all transitions covered alike, γ = 0.9",
)

# %% [markdown]
# ## The idea on four numbers: the canonical reward
#
# Let there be two states and one action, and $\gamma = \tfrac12$.
# Rewards stand in a table with the state before in the rows and the state after in the columns:
#
# $$R = \begin{pmatrix} 0 & 2 \\ 4 & 2 \end{pmatrix}.$$
#
# Somebody shapes it by the potential $\Phi = (0, 4)$, that is, adds $\tfrac12 \Phi(\text{after}) - \Phi(\text{before})$:
#
# $$\begin{pmatrix} 0 & 2 \\ 4 & 2 \end{pmatrix} + \begin{pmatrix} 0 & 2 \\ -4 & -2 \end{pmatrix} = \begin{pmatrix} 0 & 4 \\ 0 & 0 \end{pmatrix}.$$
#
# How can you see that these two are the same?
# You shape both of them once more, by a potential that you take from each table itself: $m$, what a step from a state pays on average.
# In the first table $m = (1, 3)$, so $0, 2, 4, 2$ becomes $0 + \tfrac12 - 1$, then $2 + \tfrac32 - 1$, then $4 + \tfrac12 - 3$ and $2 + \tfrac32 - 3$, which is $-0.5,\ 2.5,\ 1.5,\ 0.5$.
# Take off half the mean of $m$, here 1, and the result is $-1.5,\ 1.5,\ 0.5,\ -0.5$.
# In the second table $m = (2, 0)$ with mean 1, and the same steps lead to the same four numbers.

# %%
first = np.array([[[0, 2]], [[4, 2]]])
second = np.array([[[0, 4]], [[0, 0]]])
rows = [
    [name, *canonical_reward(R, discount=0.5).ravel()]
    for name, R in (("first", first), ("second", second))
]
table(["reward", "0 → 0", "0 → 1", "1 → 0", "1 → 1"], rows, digits=1)

# %% [markdown]
# ## The equation: EPIC
#
# In general there are actions too, and $m(s)$ is the mean of $R(s, A, S')$ over an action $A$ and a next state $S'$ that are drawn independently, here with equal chances.
# The **canonical reward** is
#
# $$C(R)(s, a, s') = R(s, a, s') + \gamma\, m(s') - m(s) - \gamma\, \overline{m},$$
#
# with $\overline{m}$ the mean of $m$ over all states.
# Why does it forget a potential?
# Shaping by $\Phi$ raises $m(s)$ by $\gamma\overline{\Phi} - \Phi(s)$, so $\gamma\,m(s') - m(s)$ takes $\gamma\,\Phi(s') - \Phi(s)$ away again, and the last term takes away the constants that are left.
#
# What remains is the scale, so canonical rewards are compared like two measurements in different units, by their correlation $\rho$ over a distribution of transitions, the **coverage**.
# The **EPIC distance** {cite}`gleave2021` is
#
# $$d = \sqrt{\frac{1 - \rho}{2}} = \tfrac12 \sqrt{\text{mean of } (X - Y)^2},$$
#
# where $X$ and $Y$ are the canonical rewards, shifted to mean 0 and scaled to variance 1.
# It is 0 for the same, 1 for the opposite, and $\sqrt{1/2} \approx 0.7$ for rewards that have nothing to do with one another.


# %%
def canonical(R, gamma):
    m = R.mean(axis=(1, 2))  # what a step from each state pays
    return R + gamma * m - m[:, None, None] - gamma * m.mean()


def distance(R, other, gamma):
    X, Y = canonical(R, gamma), canonical(other, gamma)
    X, Y = (X - X.mean()) / X.std(), (Y - Y.mean()) / Y.std()
    return np.sqrt(((X - Y) ** 2).mean()) / 2


P, R, rng = world(0)
for other in four_changes(P, R, rng).values():
    ours = epic_distance(R, other, gamma)
    np.testing.assert_allclose(distance(R, other, gamma), ours, atol=1e-12)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
worst, opposite = 0.0, []
for seed in range(300):
    P, R, rng = world(seed)
    phi, factor = 5 * rng.standard_normal(8), rng.uniform(0.1, 10)
    same = factor * (R + gamma * phi - phi[:, None, None]) + rng.standard_normal()
    worst = max(worst, epic_distance(R, same, gamma))
    opposite.append(epic_distance(R, -same, gamma))
claim(
    "Shaping, a positive scale and a constant leave a reward at distance 0, to 1e-7; "
    "with the sign reversed it is at distance 1.",
    bool(worst < 1e-7 and np.abs(np.array(opposite) - 1).max() < 1e-7),
    over="any reward: theorem; 300 random ones, potentials five times as large, "
    "scales from 0.1 to 10",
)

# %% tags=["hide-input"]
evidence = recorded("value_alignment/reward_equivalence")
digits = evidence.results["digits"]["largest distance"]
Markdown(
    "Of the two forms of $d$ the package computes the second. The first subtracts "
    "$\\rho$ from 1 and takes a root, so of equal rewards it says "
    f"{digits['correlation']:.0e} where the second says {digits['difference']:.0e}."
)

# %%
show_source(epic_distance)

# %% [markdown]
# ## A standard environment: eight rewards for FrozenLake
#
# On Gymnasium's `FrozenLake` you cross slippery ice to a gift that pays 1, and a hole ends the walk.
# People who find that reward too sparse write others, and here are seven of them.
# Each is a rule for every transition, possible or not.

# %%
lake = gymnasium.make("FrozenLake-v1", map_name="8x8")
P_lake = MDP.from_gymnasium(lake, 0.99).transition
tile, cell = lake.unwrapped.desc.ravel(), np.arange(64)
steps = 14.0 - cell // 8 - cell % 8  # to the gift, without holes
alive = np.ones((64, 4, 64)) * ~np.isin(tile, [b"H", b"G"])[:, None, None]
phi = np.where(np.isin(tile, [b"H", b"G"]), 0.0, -steps)

gift = alive * (tile == b"G")
fallen = np.ones((64, 4, 64)) * (tile == b"H")[:, None, None]
rewards = {
    "the gift pays 1": gift,
    "shaped by minus the distance": gift + 0.99 * phi - phi[:, None, None],
    "0.01 less per step, also after the end": gift - 0.01,
    "0.01 less per step, until the end": gift - 0.01 * alive,
    "0.01 less per step, until the gift": gift - 0.01 * (alive + fallen),
    "minus 1 for a hole": gift - alive * (tile == b"H"),
    "0.1 for getting closer": gift + 0.1 * alive * (steps < steps[:, None, None]),
    "minus the distance, in each step": -alive * steps / 14,
}

# %% [markdown]
# For each of them the table has the distance from Gymnasium's reward, what the optimal walker for it achieves in Gymnasium's reward, in percent of the best, and how many of its walks end in a hole.

# %%
plain = process(P_lake, gift, 0.99)
best = policy_iteration(plain).value[0]
rows, seen = [], {}
for name, R in rewards.items():
    policy = policy_iteration(process(P_lake, R, 0.99)).policy
    achieved = 100 * policy_value(plain, policy)[0] / best
    chain = np.linalg.matrix_power(P_lake[np.arange(64), policy], 100_000)
    seen[name] = (
        epic_distance(gift, R, 0.99),
        achieved,
        100 * chain[0, tile == b"H"].sum(),
    )
    rows.append([name, f"{seen[name][0]:.3f}", *(f"{x:.0f}" for x in seen[name][1:])])
table(["reward", "EPIC distance", "achieves (%)", "ends in a hole (%)"], rows)

# %% [markdown]
# The first three ask for the same, and the distance says so.
# A cost per step is a constant only if it is paid after the end as well; paid until the end, it makes a short life cheaper than a long one.
# For EPIC that difference is tiny, since only the transitions out of an end differ, and yet most walks now end in a hole.
# You might think that the walker is in a hurry, but the next line says otherwise: let the cost go on in the hole, and it is as careful as before.
# It was the hole that had become a way out of paying.
# The penalty for holes, on the other hand, is far away and does little harm.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
cost, going_on, hole = (
    seen[f"0.01 less per step, until the {end}"] if end else seen["minus 1 for a hole"]
    for end in ("end", "gift", "")
)
claim(
    "The walker whose cost stops at a hole, at a distance below 0.02, earns about half and "
    "ends in a hole more often than not; the one whose cost goes on there loses nothing; "
    "the one for the reward beyond 0.5 earns more than nine tenths.",
    bool(
        cost[0] < 0.02
        and 45 < cost[1] < 55 < cost[2]
        and going_on[1] > 100 - 1e-6
        and hole[0] > 0.5
        and hole[1] > 90
    ),
    over="these three rewards on the 8 by 8 map, γ = 0.99, all transitions covered alike",
)

# %% [markdown]
# There is a theorem that a small distance means a small loss {cite}`gleave2021`, and it is right.
# But its bound is multiplied by how much likelier the optimal walker makes a transition than the coverage does, and on this lake almost all of the coverage lies on transitions that nobody ever makes.
#
# In the random worlds, which are less lopsided, very near does mean little lost, though not the same policy; from the fourth line on, the worst of the two hundred loses much.

# %%
rows = [
    [
        f"{r['sd']:g}",
        f"{r['distance']:.3f}",
        r["changed"],
        f"{100 * r['worst loss']:.1f}",
    ]
    for r in evidence.results["noise"]
]
table(["noise", "mean distance", "optimum changed, of 200", "worst loss (%)"], rows)

# %% [markdown]
# ## Impossible transitions: DARD, and the advantage
#
# Where do the blue points of the picture come from?
# EPIC looks at every transition, so a difference where nobody can go counts as much as one on the only road.
# It helps to compare only possible transitions, but it is not enough, because $m$ still averages over all of them.

# %%
where = evidence.results["impossible"]["distance"]
names = {
    "uniform": "all transitions",
    "possible only": "only possible ones compared",
    "advantage": "advantage of the actions",
}
rows = [
    [n, *(where[k][x] for x in ("least", "mean", "most"))] for k, n in names.items()
]
table(["distance, 200 worlds", "least", "mean", "most"], rows, digits=2)

# %% [markdown]
# The **dynamics-aware distance** DARD {cite}`wulfe2022` draws the next states in its expectation from a model of the world instead, so that it evaluates a learnt reward near the transitions that it was trained on.
# If you know the world, as here, you can go all the way: let $v$ be the value of the policy that acts at random, and compare its **advantages** $q(s, a) - v(s)$.
# Shaping lowers $q$ and $v$ by the same $\Phi(s)$, so they cancel, and an impossible transition never enters.
# This is one of the STARC distances {cite}`skalse2024`, whose size bounds the loss from both sides.


# %%
def advantage(P, R):
    mdp = process(P, R)
    v = policy_value(mdp, np.full((8, 3), 1 / 3))
    return action_values(mdp, v) - v[:, None]


def advantage_distance(P, R, other):
    X, Y = advantage(P, R), advantage(P, other)
    X, Y = (X - X.mean()) / X.std(), (Y - Y.mean()) / Y.std()
    return np.sqrt(((X - Y) ** 2).mean()) / 2


# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
apart = {}
for seed in range(200):
    P, R, rng = world(seed)
    for name, other in four_changes(P, R, rng).items():
        apart.setdefault(name, []).append(advantage_distance(P, R, other))
claim(
    "By its advantages a reward that differs by shaping and scale is at distance 0 to "
    "1e-7; a noisy one is not, in any of the worlds.",
    bool(
        max(apart["shaped and doubled"]) < 1e-7
        and min(apart["noise of size 0.1"]) > 0.01
    ),
    over="the 200 worlds of the picture",
)

# %% [markdown]
# The price is that you must know the world, and that the answer holds in this world only.
# A zero from EPIC holds in every world with these states and actions, and that is why it must not ignore what is impossible in yours.
#
# ## Break it: mean rewards
#
# Most code keeps a reward as $r(s, a)$, the mean over the next states.
# That is enough for planning, but shaping can no longer be told from substance in it, because the mean of $\gamma\,\Phi(s')$ depends on the action.

# %%
means = []
for seed in range(200):
    P, R, rng = world(seed)
    same = four_changes(P, R, rng)["shaped and doubled"]
    r, r_same = ((P * x).sum(axis=2)[:, :, None] + 0 * R for x in (R, same))
    means.append(epic_distance(r, r_same, gamma))
rows = [["rewards of transitions", found["shaped and doubled"][:, 0].mean()]]
rows += [["their means", np.mean(means)]]
table(["shaped and doubled, 200 worlds", "mean distance"], rows, digits=2)

# %% [markdown]
# The package refuses a table of shape (S, A) for that reason.
# It also refuses a reward that asks for nothing, whose correlation with anything is zero divided by zero.

# %%
try:
    epic_distance(gift, gift * 0 + 7, discount=0.99)
except ValueError as refusal:
    print(refusal)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "Two rewards with a small EPIC distance have the same optimal policy."
# > **A little noise changes the optimum in many worlds.** What a small distance promises is a small loss, times a factor that can be large.
# >
# > "A large distance means that the rewards ask for different things."
# > **They may differ only where nobody can go.** Say which coverage you used, and why.
# >
# > "Adding a constant to a reward changes nothing."
# > **Only if it is paid after the end as well.** In an episode a constant is a price on being alive.
# >
# > "Distance zero means that the rewards are equal."
# > **It means equal up to shaping and scale, where the coverage looks.** On transitions that it leaves out, anything may stand.
#
# **Strengths**: no training, milliseconds, invariant exactly where it should be, and one number to watch in a test whenever somebody touches the reward.
#
# **Limits**: it needs the reward of every transition, also of impossible ones; it depends on the coverage; tables do not scale to images, where all of its means become samples.
#
# **Who is harmed when it fails**: patients whose ventilator is set by a reward model that lies *near* the approved one, and differs from it in exactly the few transitions that end a treatment.
#
# **In production** sample the transitions if your rewards are networks; the authors' `evaluating-rewards` shows how, but it is bound to TensorFlow 1.15, so expect to carry its few lines over.
# Report the coverage with the distance, and then train once anyway, and look.

# %% [markdown]
# ## Check yourself
#
# **1.** A helpdesk agent is paid 10 for a solved case and nothing for hanging up; either ends the talk. Now each turn until the end costs 1 as well. What must you fear most?
#
# <details><summary>That it hurries, because now its time costs something.</summary>
#
# **Not so.** The walker whose cost stopped at a hole was not in a hurry, it sought the hole: with a cost that went on there, `going_on`, it lost nothing.
#
# </details>
#
# <details><summary>Nothing, because the same constant comes off each turn.</summary>
#
# **Not so.** It comes off only while the talk lasts: the reward in `cost` took off such a constant, and the walker's return fell to about half.
#
# </details>
#
# <details><summary>That it hangs up, because then the cost stops.</summary>
#
# **Right.** An end that pays nothing used to be the worst way out. Now it saves all the turns that a hard case would take.
#
# </details>
#
# **2.** Two reward models for a car differ only in what they pay for passing through walls. How do you see that they ask the same of this car?
#
# <details><summary>By EPIC over all transitions, because it ignores shaping.</summary>
#
# **Not so.** It does ignore shaping, but not walls: in `far` the rewards lay more than one half apart, although no optimum lost anything.
#
# </details>
#
# <details><summary>By the advantages that each gives to the car's actions.</summary>
#
# **Right.** An action's advantage comes from what the world does, so a transition that never happens does not enter.
#
# </details>
#
# <details><summary>By EPIC over the possible ones, because only these count.</summary>
#
# **Not so.** In `where` that distance was not zero in any of the worlds, because each step's mean pay still comes from all transitions.
#
# </details>
#
# **3.** You keep rewards as a table of states and actions, each the mean over the next states. A colleague changed hers, and `epic_distance`, on the means repeated for each next state, says that it is far from yours. What has she done?
#
# <details><summary>Perhaps no more than shaping and another scale.</summary>
#
# **Right.** The mean of $\gamma\,\Phi(s')$ depends on the action, so in a table of means a potential no longer looks like one.
#
# </details>
#
# <details><summary>She has asked for something else, because shaping counts as nothing.</summary>
#
# **Not so.** That holds for rewards of transitions. In `means` shaped and doubled rewards lay far apart.
#
# </details>
#
# <details><summary>She has changed the scale, because means keep the shaping out.</summary>
#
# **Not so.** A scale counts as nothing, and means do not keep shaping out: in `means` shaping is what moved the rewards apart.
#
# </details>

# %% [markdown]
# ## Exercise 1: the opposite
#
# *Easy, 10 minutes.*
# The EPIC distance of two rewards $R$ and $Q$ is `d`.
# Return the distance of $R$ and $-Q$.
#
# Hint: reversing a reward reverses the sign of the correlation; write $\rho$ in terms of $d$ first.


# %% tags=["exercise"]
def reversed_distance(d):
    """The distance of R and -Q, if that of R and Q is d."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_reversed_distance(attempt):
    mistakes = {
        "The squares add up to one, not the distances.": 0.4,
        "That is the correlation of R and Q.": 1 - 2 * 0.36,
        "That is the correlation of R and −Q; make a distance of it.": 2 * 0.36 - 1,
        "You forgot the root at the end.": 1 - 0.36,
        "The correlation changes its sign, so the distance changes too.": 0.6,
    }
    check_answer(attempt(0.6), 0.8, mistakes)


check_reversed_distance(reversed_distance)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def reversed_distance_solution(d):
    rho = 1 - 2 * d**2
    return np.sqrt((1 + rho) / 2)


check_reversed_distance(reversed_distance_solution)
# Why: the canonical reward of -Q is minus that of Q, so only the correlation's sign
# changes and the two squared distances add up to one. R and -R are therefore at 1.

# %% [markdown]
# ## Exercise 2: find the potential
#
# *Medium, 25 minutes.*
# A colleague says that her reward is yours plus shaping, but has lost the potential.
# Return it, as an array over the states, for $0 \le \gamma < 1$.
#
# Hint: let $m$ and $m'$ be what a step from each state pays on average, in your reward and in hers.
# Show that $m(s) - m'(s) = \Phi(s) - \gamma\,\overline{\Phi}$, with $\overline{\Phi}$ the mean of the potential; take the mean of both sides to find $\overline{\Phi}$.


# %% tags=["exercise"]
def find_potential(R, hers, gamma):
    """The potential (S,) with hers = R + gamma * phi[s'] - phi[s]."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_find_potential(attempt):
    rng = np.random.default_rng(0)
    R, phi, g = rng.standard_normal((4, 2, 4)), np.array([3.0, -1.0, 0.5, 2.0]), 0.8
    hers = R + g * phi - phi[:, None, None]
    gap = phi - g * phi.mean()
    mistakes = {
        "That is the difference of the means; the potential's own mean is missing.": gap,
        "The sign is reversed: leaving a good state is what costs.": -phi,
        "The difference of the means has the wrong sign: take yours minus hers.": -gap,
        "The mean of the difference is (1 − γ) times that of the potential: divide.": gap
        + g * gap.mean(),
        "You added the whole mean, but only γ times it was taken away.": gap
        + phi.mean(),
    }
    check_answer(attempt(R, hers, g), phi, mistakes)


check_find_potential(find_potential)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def find_potential_solution(R, hers, gamma):
    gap = (R - hers).mean(axis=(1, 2))
    return gap + gamma * gap.mean() / (1 - gamma)


check_find_potential(find_potential_solution)
# Why: averaged over actions and next states, shaping is a constant minus the potential,
# so the means betray it. Below γ = 1 even the constant is fixed: it is a reward itself.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
samples = evidence.results["sampling"]["estimates"]
Markdown(
    "The book's function is less able than its authors' `evaluating-rewards`, which "
    "compares networks: it knows tables only. That library was not run beside it, because "
    "it needs TensorFlow 1.15. From "
    f"{samples[1]['samples']} sampled transitions, as a network would have to be "
    f"compared, the estimate scatters by {samples[1]['sd']:.3f} around a distance of "
    f"{evidence.results['sampling']['exact']:.3f}. On tables it agrees with SciPy's "
    "correlation of the definition, and it is not slower than plain NumPy."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["ratio"]] for r in evidence.results["speed"]]
table(["one distance", "plain NumPy's time / ours"], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Reward Shaping**: Modifying the rewards or incentives used in reinforcement learning to encourage desirable behaviors.
#
# Whoever modifies a reward should be able to say whether it is still the same one, and the source does not ask.
# It has no listing for it.
#
# ## References
#
# EPIC, the canonical reward and the bound on the loss: {cite:t}`gleave2021`; why shaping and scale are what must not count: {cite:t}`ng1999`.
# Dynamics-aware: {cite:t}`wulfe2022`; bounds from both sides: {cite:t}`skalse2024`.
# The ant: {cite:t}`gymnasium214`; Gymnasium: {cite:t}`towers2024`.
