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
# # Shielding
#
# Safe sets, shields for reinforcement learning, and the probability of harm by a linear solve.
#
# In October 2023 a Cruise robotaxi in San Francisco hit a woman whom another car had thrown into its path, stopped, and then pulled over to the side of the road with her underneath.
# The recall that followed did not make pulling over dearer; it changed the software so that after such a crash the car stays where it is {cite}`nhtsa2023`.
#
# **How do you make harm impossible, and not merely expensive, whatever the policy does?**
#
# You need the answer before you let a policy act that is still learning, or that nobody understands, such as a network, a planner with a bug, or a language model with tools.
# A **shield** stands between it and the world, and lets through only actions from which harm can still be avoided for ever.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | find where one can stay safe for ever, put a shield before any policy, prove that it holds, and say what the proof does not cover |
# | You need | NumPy, Matplotlib, Gymnasium; a little probability, and the Markov decision process of [Fault tolerance](fault_tolerance.ipynb) |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.robustness.shielding`, on top of `companion.mdp` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import gymnasium
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from matplotlib.colors import ListedColormap

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.mdp import MDP, policy_chain, policy_iteration, policy_value, sample_next
from companion.robustness.shielding import (
    harm_probability,
    safe_set,
    shield_action,
    shield_policy,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Gymnasium's frozen lake has 64 fields, ten of them holes, and slippery ice: each step goes where it was meant to, or to either side of that, with probability 1/3 each.
# The walker starts in the top left corner and is paid 1 for reaching the goal, bottom right; a hole ends the walk.
#
# Four policies walk there: a *random* one, a *saboteur* who wants to fall in, one that has *trained* for 1000 steps, and the *optimal* one, which reaches the goal as soon as anybody can.
# **Guess before you look**: how often does the optimal policy fall in, never, once in a hundred walks, or once in ten?

# %% tags=["hide-input"]
env = gymnasium.make("FrozenLake-v1", map_name="8x8")
lake = MDP.from_gymnasium(env, discount=0.99)
letters = env.unwrapped.desc.ravel()
holes, goal = letters == b"H", letters == b"G"
enters = lake.transition[:, :, holes].sum(axis=2) * ~holes[:, None]  # (64, 4)
random = np.full((64, 4), 0.25)
saboteur = policy_iteration(MDP(lake.transition, enters, 0.99)).policy
optimal = policy_iteration(lake).policy

safe = safe_set(lake, holes)
evidence = recorded("robustness/shielding")
trained_harm = evidence.results["learning"]["bare"]["harm"]  # 20 seeds
bare = [harm_probability(lake, p, holes)[0] for p in (random, saboteur, optimal)]
shielded = [
    harm_probability(lake, shield_policy(p, safe), holes)[0]
    for p in (random, saboteur, optimal)
]
bare.insert(2, np.median(trained_harm))
trained = evidence.results["policies"]["trained (1000 steps)"]  # the same 20, shielded
shielded.insert(2, trained["harm_shielded_solved"])

# %% mystnb={"figure": {"caption": "Left: the safe set (blue) and the actions that the shield lets through; arrows show where a step is meant to go. Harmless but lost fields are pale orange, holes are black, S is the start and G the goal. Right: the exact probability of ever falling in, from the start; for the trained policy the median of 20 seeds, and each seed as a dot.", "name": "fig-shielding"}, "image": {"alt": "Two panels. Left: the map of the frozen lake. The safe set is the two top rows, the left column and the right column down to the goal; arrows show the actions that the shield lets through: all four in the top row, elsewhere mostly the one that points away from the holes. Right: bars of the probability of falling in. Bare, the random policy and the saboteur are near 1, the trained policy near 0.2 with 20 seeds spread around it, the optimal policy near 0.1. Behind the shield all bars are zero."}} tags=["hide-input"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), width_ratios=[1, 1.1])
kinds = np.where(holes, 2, np.where(safe.states, 1, 0))
left.imshow(kinds.reshape(8, 8), cmap=ListedColormap(["#FBE9C6", "#CDE7F6", "#333333"]))
for name, state in (("S", 0), ("G", 63)):
    left.text(state % 8, state // 8, name, ha="center", va="center")
arrows = np.argwhere(safe.actions & ~goal[:, None])  # (n, 2): field, action
rows, columns = np.divmod(arrows[:, 0], 8)
east, south = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])[arrows[:, 1]].T
left.quiver(
    columns + 0.17 * east,
    rows + 0.17 * south,
    0.29 * east,
    0.29 * south,
    angles="xy",
    scale_units="xy",
    scale=1,
    width=0.007,
    headwidth=5,
    headlength=4,
    headaxislength=4,
    color=COLOURS["blue"],
)
left.set(xticks=np.arange(0.5, 7), yticks=np.arange(0.5, 7))
left.set(title="What the shield lets through")
left.tick_params(length=0, labelbottom=False, labelleft=False)
left.set_axisbelow(False)
left.grid(color="white", alpha=1, linewidth=1)
left.spines[:].set_visible(False)
pairs = (-0.2, bare, "red", "bare"), (0.2, shielded, "blue", "behind the shield")
for shift, heights, colour, label in pairs:
    x = np.arange(4) + shift
    right.bar(x, heights, 0.38, color=COLOURS[colour], label=label)
    tops = np.array(heights)
    tops[2] = max(trained_harm) if label == "bare" else 0
    for at, height, top in zip(x, heights, tops):
        text = f"{height:.2f}" if height else "0"
        right.text(at, top + 0.02, text, ha="center", fontsize=9)
spread = 1.8 + 0.12 * np.linspace(-1, 1, len(trained_harm))
right.plot(spread, trained_harm, "o", color="black", markersize=3)
right.set(
    xticks=range(4),
    xticklabels=["random", "saboteur", "trained", "optimal"],
    ylim=(0, 1.12),
    ylabel="probability of ever falling in",
    title="Exact, from the start",
)
right.legend(loc="upper right")
plt.show()

# %% [markdown]
# The optimum takes risks because it is in a hurry: with a discount of 0.99 a long detour costs it more than a small chance of drowning.
# Behind the shield the bars are not small, they are zero, even for the saboteur.
#
# Look at the arrows on the left border, too.
# There you may only step *against* the border: the ice may carry you along it, but never inwards.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Bare, all four policies fall in, the optimal one with a probability above 0.1; "
    "behind the shield the probability is exactly 0.",
    bool(min(bare) > 0.1 and min(trained_harm) > 0 and shielded == [0, 0, 0, 0]),
    over="these policies, the trained one with 20 seeds, recorded",
)

# %% [markdown]
# ## The idea on four places
#
# A hill has four places: a *pit*, a *slope*, a *rim* and a *home*, and on it you can *wait* or *walk*.
#
# | from | wait | walk |
# | :--- | :--- | :--- |
# | slope | stay 1/2, pit 1/2 | rim 9/10, pit 1/10 |
# | rim | stay | slope 1/2, home 1/2 |
#
# Who is in the pit or at home stays there.
# The pit is **harmful**: you must never enter it.
# Where can you stay out of it for ever, whatever chance does?
#
# 1. The slope is harmless in itself, but both its actions may end in the pit, so it is lost.
# 2. On the rim walking may lead to the slope, so walking is lost, but waiting is left.
# 3. Home loses nothing.
#
# What remains is the **safe set**: the rim, where you may only wait, and home.

# %%
hill = MDP(
    [
        [[1, 0, 0, 0], [1, 0, 0, 0]],  # pit: wait, walk
        [[0.5, 0.5, 0, 0], [0.1, 0, 0.9, 0]],  # slope
        [[0, 0, 1, 0], [0, 0.5, 0, 0.5]],  # rim
        [[0, 0, 0, 1], [0, 0, 0, 1]],  # home
    ],
    reward=np.zeros((4, 2)),
    discount=0.9,
)
pit = np.array([True, False, False, False])
inside = safe_set(hill, pit)
inside

# %% [markdown]
# ## The equation: the greatest safe set
#
# Begin with $Z_0$, all harmless states; keep the states that have an action which surely stays; and repeat until nothing changes:
#
# $$Z_{k+1} = \{\, s \in Z_k :\ P(Z_k \mid s, a) = 1 \text{ for some action } a \,\}.$$
#
# Here $P(Z \mid s, a)$ is the probability that the next state lies in $Z$.
# It equals 1 exactly if every state that $P(\cdot \mid s, a)$ calls possible, its **support**, lies in $Z$, so only the support matters, not how likely anything is.


# %%
def greatest_safe_set(P, harmful):
    inside = ~harmful
    while True:
        stays = (P[:, :, ~inside] == 0).all(axis=2) & inside[:, None]  # (S, A)
        if (stays.any(axis=1) == inside).all():
            return inside, stays
        inside = stays.any(axis=1)


for mdp, harmful in ((hill, pit), (lake, holes)):
    plain, quick = greatest_safe_set(mdp.transition, harmful), safe_set(mdp, harmful)
    assert all(np.array_equal(a, b) for a, b in zip(plain, quick))

# %% [markdown]
# The package works backwards from what is lost instead, and so it looks at each possible transition once.

# %%
show_source(safe_set)

# %% [markdown]
# ## The shield: `shield_action`
#
# A shield asks the policy what it wants.
# If that action is safe it passes, and if not, a safe one is taken instead, the **fallback**.
# On the rim and at home, let one walker want to wait (action 0) and another one to walk (action 1).

# %%
rim, home = 2, 3
state, wanted = [rim, rim, home, home], [0, 1, 0, 1]
shield_action(wanted, state, inside)

# %% [markdown]
# Only the second walker was overruled, who wanted to walk on the rim.
# That is all there is to it when you act: one call between the policy and the environment.

# %%
show_source(shield_action)

# %% [markdown]
# For proofs there is `shield_policy`, which does the same to a whole table of probabilities.
#
# ## How likely is harm? Absorption by a linear solve
#
# Let a policy $\pi$ choose, perhaps at random, and let $P_\pi$ be the transition probabilities that result.
# The probability $h$ of ever being harmed is 1 in harmful states, and elsewhere it is the average over the next state:
#
# $$h(s) = \sum_{s'} P_\pi(s' \mid s)\, h(s').$$
#
# Toss a fair coin between waiting and walking.
# Then $h_{\text{slope}} = 0.3 + 0.25\, h_{\text{slope}} + 0.45\, h_{\text{rim}}$ and $h_{\text{rim}} = \tfrac12 h_{\text{slope}}$, and together $h_{\text{slope}} = 4/7$ and $h_{\text{rim}} = 2/7$.
#
# These equations may have many solutions, since home only says $h_{\text{home}} = h_{\text{home}}$.
# The probability is the *least* one, which you reach from below: start with no harm but in the pit, and let it spread.


# %%
def spreading_harm(chain, harmful, steps=200):
    h = harmful.astype(float)
    for _ in range(steps):
        h = np.where(harmful, 1.0, chain @ h)
    return h


coin = np.full((4, 2), 0.5)
chain, _ = policy_chain(hill, coin)
np.testing.assert_allclose(spreading_harm(chain, pit), [1, 4 / 7, 2 / 7, 0])
np.testing.assert_allclose(harm_probability(hill, coin, pit), [1, 4 / 7, 2 / 7, 0])

# %% [markdown]
# The package does not wait for it to spread.
# It looks at the graph first, gives $h = 0$ to every state from which harm cannot be reached, and solves the equations for the others, without ever subtracting one probability from another.

# %%
show_source(harm_probability)

# %%
places = ["slope", "rim", "home"]
behind = harm_probability(hill, shield_policy(coin, inside), pit)
rows = zip(places, harm_probability(hill, coin, pit)[1:], behind[1:])
table(["from", "harm, bare", "harm, shielded"], rows, digits=3)

# %% [markdown]
# From the slope the shielded walker is still harmed, because there the shield has nothing to offer.
# It must be in place *before* the safe set is left.

# %% [markdown]
# ## A standard environment: a proof beside a simulation
#
# On the frozen lake five kinds of policy were simulated behind the shield, with 20 seeds and 100,000 steps each, and solved as well.

# %%
kept = evidence.results["policies"]
columns = "harm_bare_median", "harm_shielded_solved", "falls_simulated"
rows = [[name, *(kind[c] for c in columns)] for name, kind in kept.items()]
table(["20 seeds", "harm, bare", "shielded, solved", "falls seen"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
steps = sum(kind["steps_simulated"] for kind in kept.values())
claim(
    f"Not one fall in {steps / 1e6:.0f} million shielded steps, and harm solved to "
    "exactly 0 for every policy and seed, from every safe state.",
    bool(
        sum(kind["falls_simulated"] for kind in kept.values()) == 0
        and max(kind["harm_shielded_solved"] for kind in kept.values()) == 0
    ),
    over="five kinds of policy, 20 seeds each, recorded",
)

# %% [markdown]
# What would "not one fall" have said by itself?
# If falls came at a rate $\lambda$ per step, independently, $n$ steps would pass without one with probability $(1 - \lambda)^n$, and that is still 5 % at $\lambda \approx 3/n$ {cite}`hanley1983`.
# So the simulation alone cannot exclude one fall in four million steps.
# The solve can, because harm is out of reach in the graph.
#
# It can even do so when the probabilities are wrong, as long as no possible step is missing.

# %%
same = []
for seed in range(20):
    weights = np.random.default_rng(seed).uniform(0.01, 1, lake.transition.shape)
    other = lake.transition * weights
    other = MDP(other / other.sum(axis=2, keepdims=True), lake.reward, 0.99)
    harm = harm_probability(other, shield_policy(saboteur, safe), holes)
    same.append(harm[safe.states].max() == 0)
int(sum(same))  # of 20 lakes with other probabilities

# %% [markdown]
# ## Learning behind the shield
#
# A learner must try things, also bad ones.
# This one moves $q(s, a)$ towards the reward plus the best value that it has for the next state, draws half of its actions at random, and counts its falls.
# All learners start in the safe set, bare or shielded, so the only difference between them is the shield, or a fine for every fall.


# %%
def learn(seed, shield=None, fine=0.0):
    rng = np.random.default_rng(seed)
    starts, ends = np.flatnonzero(safe.states & ~goal), holes | goal
    q, state, falls = np.zeros((64, 4)), rng.choice(starts, 256), 0
    for _ in range(1000):
        best = (q[state] + 1e-9 * rng.random((256, 4))).argmax(axis=1)
        action = np.where(rng.random(256) < 0.5, rng.integers(4, size=256), best)
        if shield is not None:
            action = shield_action(action, state, shield)
        after = sample_next(lake, state, action, rng)
        target = lake.reward[state, action] - fine * holes[after]
        target += 0.99 * q[after].max(axis=1)
        q[state, action] += 0.1 * (target - q[state, action])
        falls += int(holes[after].sum())
        state = np.where(ends[after], rng.choice(starts, 256), after)
    return q.argmax(axis=1), falls


[learn(0)[1], learn(0, fine=10.0)[1], learn(0, shield=safe)[1]]  # falls

# %% [markdown]
# The same with 20 seeds:

# %%
learning = evidence.results["learning"]
rows = [
    [name, round(np.mean(runs["falls"])), np.median(runs["harm"]), max(runs["harm"])]
    for name, runs in learning.items()
    if name != "steps"
]
header = ["falls while learning", "harm afterwards, median", "and worst"]
table(["20 seeds, 256,000 steps", *header], rows, digits=3)

# %% [markdown]
# A large fine works in the end, but it is the learner's falls that teach it; and as half of its actions stay random, it goes on falling for as long as it learns.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
least = {name: min(r["falls"]) for name, r in learning.items() if name != "steps"}
claim(
    "From the same starting states, every fined learner falls more than 5000 times "
    "while it learns, and no shielded one falls once.",
    bool(
        least["bare, fined 10"] > 5000
        and least["bare, fined 100"] > 5000
        and max(learning["shielded"]["falls"] + learning["shielded"]["harm"]) == 0
    ),
    over="20 seeds of 256,000 steps, recorded",
)

# %% [markdown]
# ## Break it: the solve that fails when all is well
#
# It looks simpler to solve $(I - P_\pi)\,h = b$ on all harmless states, with $b$ the probability of falling at once.
# On the slope and the rim that works for the bare policy.


# %%
def naive_harm(policy):
    chain, _ = policy_chain(hill, policy)
    between, into = chain[1:3, 1:3], chain[1:3, 0]  # slope and rim; into the pit
    return np.linalg.solve(np.eye(2) - between, into)


np.testing.assert_allclose(naive_harm(coin), [4 / 7, 2 / 7])

# %% tags=["raises-exception"]
naive_harm(shield_policy(coin, inside))

# %% [markdown]
# The shielded walker waits on the rim for ever, so the rim's row of $I - P_\pi$ is zero.
# The matrix is singular exactly when some set of its states is never left, and making such sets is what a shield is for; so the graph has to be looked at first.
#
# Rare ways out break it, too.
# Somebody leaves a place with probability $10^{-17}$ for harm, and with the same for home.
# By symmetry the answer is one half, but $1 - 2 \cdot 10^{-17}$ is 1 in floating point, and $1 - 1 = 0$.

# %%
rare = MDP([[[1, 1e-17, 1e-17]], [[0, 1, 0]], [[0, 0, 1]]], np.zeros((3, 1)), 0.9)
harm = harm_probability(rare, [0, 0, 0], [False, True, False])[0]
np.array([harm, 1 - rare.transition[0, 0, 0]])

# %% [markdown]
# ## Break it: safe, because it never arrives
#
# Gymnasium's smaller lake has 16 fields and the same ice.

# %%
small_env = gymnasium.make("FrozenLake-v1", map_name="4x4")
small = MDP.from_gymnasium(small_env, discount=0.99)
small_holes, small_goal = (small_env.unwrapped.desc.ravel() == c for c in (b"H", b"G"))
refuge = safe_set(small, small_holes)
best = policy_iteration(small).policy
rows = [
    [name, *(harm_probability(small, p, c)[0] for c in (small_holes, small_goal))]
    for name, p in (("bare", best), ("shielded", shield_policy(best, refuge)))
]
table(["optimal policy", "falls in", "arrives"], rows, digits=3)

# %% [markdown]
# "Ever enters a set" is the same question for a set that you want, so the function also gave the probability of arriving.
# And that is 0: nobody crosses this lake without risk, and the shield does not say so, it only lets nobody pass.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
arrive = harm_probability(lake, shield_policy(optimal, safe), goal)[0]
claim(
    "No violation does not mean success: behind the shield the optimal policy always "
    "arrives on the large lake and never on the small one.",
    bool(abs(arrive - 1) < 1e-12 and rows[1][1:] == [0, 0]),
    over="both lakes, from the start",
)

# %% [markdown]
# Whoever reports "no violations" has to report arrivals beside them.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "A large fine does the same."
# > **A fine makes harm a matter of price.** How large is large enough depends on the probabilities (exercise 1), and a learner pays it by falling.
# >
# > "No violation in ten million steps is a proof."
# > **It is a bound on a rate.** The proof is that harm cannot be reached in the graph.
# >
# > "A shield needs exact probabilities."
# > **It needs to know what is possible.** It is immune to wrong probabilities and helpless against a step that the model left out (exercise 3).
# >
# > "A shield makes a policy good."
# > **It makes it safe.** A policy that was drawn at random and shielded may walk in circles for ever.
# >
# > "The shield can be added when trouble starts."
# > **Outside the safe set it has no action to offer.**
# >
# > "The shield sees the state."
# > **Behind a faulty sensor it guards the state that it reads**, not the one that is there ([Fault tolerance](fault_tolerance.ipynb)).
#
# **Strengths**: a proof for every policy, learned or not, that needs no probabilities.
#
# **Limits**: a finite model of what is possible, a state that is seen, and nothing about how well the task is done.
#
# **Who is harmed when it fails**: whoever is in the way of what the model left out.
# A warehouse robot whose map knows shelves but no ladders is shielded from shelves, and the person on the ladder is told that the robot is provably safe.
#
# **In production** use [Storm](https://www.stormchecker.org), from Python through `stormpy`: it reads models from a language of their own and is made for far larger ones; its offshoot Tempest {cite}`pranger2021` computes shields.

# %% [markdown]
# ## Check yourself
#
# **1.** On the hill of this page somebody builds a railing: walking from the slope now ends in the pit only once in a million times, and otherwise on the rim. What becomes of the safe set?
#
# <details><summary>The slope joins it, because once in a million is as good as never.</summary>
#
# **Not so.** `greatest_safe_set` asks whether the probability of leaving is zero, not whether it is small; and in `same` twenty lakes with other probabilities were all served by one and the same shield.
#
# </details>
#
# <details><summary>On the rim one may now walk, because the slope is nearly harmless.</summary>
#
# **Not so.** The slope is harmless in itself on the page as well, and still `inside.actions` forbids the step to it, because from there one cannot *surely* stay out of the pit.
#
# </details>
#
# <details><summary>Nothing changes, because from the slope the pit is still possible.</summary>
#
# **Right.** The safe set depends on what is possible and not on how likely it is. What the railing changes is the probability of harm outside the set.
#
# </details>
#
# **2.** A robot has to learn on a factory floor, among people, and is fined for each collision. Somebody proposes a fine ten times as large. What does it buy?
#
# <details><summary>About a tenth of the collisions while it learns.</summary>
#
# **Not so.** In `learning` the rows with a fine of 10 and of 100 show nearly as many falls while learning, thousands in both.
#
# </details>
#
# <details><summary>A safer robot afterwards, but hardly fewer collisions until then.</summary>
#
# **Right.** A fine teaches only when it is paid, and a learner goes on trying things. Afterwards, on the lake, the large fine did keep the policy from harm.
#
# </details>
#
# <details><summary>Nothing, because a fine cannot make a policy safe.</summary>
#
# **Not so.** In `learning` the harm afterwards came out as zero, in all printed digits, for the worst of the policies that were fined 100.
#
# </details>
#
# **3.** A patrol goes to and fro between two harmless rooms for ever. For these rooms a colleague solves $(I - P_\pi)\,h = b$, with $b$ the probability of harm at once, and gets *singular matrix*. What does that mean?
#
# <details><summary>The rooms are never left, so that harm is out of reach.</summary>
#
# **Right.** Inside rooms that are never left the equations have many solutions, and the probability is the least of them, zero. That is read off the graph before anything is solved.
#
# </details>
#
# <details><summary>The model has a fault, because a sound one has one solution.</summary>
#
# **Not so.** The hill is sound, and yet `naive_harm` stopped with this error as soon as the policy was shielded.
#
# </details>
#
# <details><summary>Nothing can be said of the probability of harm from there.</summary>
#
# **Not so.** `harm_probability` could: on the same hill, with the same policy, `behind` holds exactly zero for the rim.
#
# </details>

# %% [markdown]
# ## Exercise 1: a fine instead of a shield
#
# *Easy, 10 minutes.*
# Fine every fall, and plan for the fined reward at discount $0.99$.
# Return the probability that the resulting *optimal* policy ever falls in, from the start (field 0).
#
# Hint: `enters[s, a]` is the probability of falling in now, so the expected reward becomes `lake.reward - fine * enters`.


# %% tags=["exercise"]
def harm_with_fine(fine):
    """Probability of harm from the start, for the policy that is optimal under a fine."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_harm_with_fine(attempt):
    def harm(reward):
        plan = policy_iteration(MDP(lake.transition, reward, 0.99)).policy
        return harm_probability(lake, plan, holes)[0]

    fines = (0.0, 1.0, 5.0)
    answers = [attempt(fine) for fine in fines]
    expected = [harm(lake.reward - fine * enters) for fine in fines]
    mistakes = {
        "The fine is paid to the walker: check its sign.": [
            harm(lake.reward + fine * enters) for fine in fines
        ],
        "The fine changes nothing in your plan.": [expected[0]] * 3,
        "You shielded the plan; the question is about the fine alone.": [0, 0, 0],
    }
    check_answer(None if None in answers else answers, expected, mistakes)


check_harm_with_fine(harm_with_fine)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def harm_with_fine_solution(fine):
    plan = policy_iteration(MDP(lake.transition, lake.reward - fine * enters, 0.99))
    return harm_probability(lake, plan.policy, holes)[0]


check_harm_with_fine(harm_with_fine_solution)
# Why: at a fine of 1 a small risk is still worth the time it saves, at 5 it is not. The
# limit between them depends on the ice and on the discount, so you must know both.

# %% [markdown]
# ## Exercise 2: plan inside the shield
#
# *Medium, 15 minutes.*
# The optimal policy was planned without knowing of the shield, and walks less well behind it.
# Return the policy that is optimal at discount $0.99$ among those that take only safe actions in safe states.
#
# Hint: a reward of `-np.inf` makes an action unavailable, but every state must keep one, also an unsafe one.


# %% tags=["exercise"]
def plan_inside(mdp, safe):
    """An action per state: the best plan that never leaves the safe set."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_plan_inside(attempt):
    def worth(policy):
        return [policy_value(lake, policy)[0], harm_probability(lake, policy, holes)[0]]

    plan = attempt(lake, safe)
    among = np.where(safe.actions | ~safe.states[:, None], lake.reward, -np.inf)
    expected = worth(policy_iteration(MDP(lake.transition, among, 0.99)).policy)
    mistakes = {
        "That is the bare optimum, which still falls in.": worth(optimal),
        "You shielded a plan that was made without the shield; make the plan with "
        "only safe actions available.": worth(shield_policy(optimal, safe)),
        "It is safe, but it is just the first safe action.": worth(
            safe.actions.argmax(axis=1)
        ),
    }
    check_answer(None if plan is None else worth(plan), expected, mistakes)


check_plan_inside(plan_inside)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def plan_inside_solution(mdp, safe):
    allowed = safe.actions | ~safe.states[:, None]
    reward = np.where(allowed, mdp.reward, -np.inf)
    return policy_iteration(MDP(mdp.transition, reward, mdp.discount)).policy


check_plan_inside(plan_inside_solution)
# Why: part of what the shield seemed to cost was bad planning, because the bare plan
# counts on steps that it is then refused. The new plan is worth more, and as safe.

# %% [markdown]
# ## Exercise 3: what the model left out
#
# *Medium, 15 minutes.*
# A gust blows: in every step outside holes and goal, with probability $w$, the walker lands on any of the 64 fields, all equally likely.
# Return the probability that a policy ever falls in, from the start, on this windy lake.
#
# Hint: mix the rows of `lake.transition` with $1/64$, and restore those of holes and goal.


# %% tags=["exercise"]
def harm_in_wind(policy, w):
    """Probability of harm from the start when a gust blows with probability w."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_harm_in_wind(attempt):
    def windy(share, keep):
        blown = (1 - w) * lake.transition + share
        blown[keep] = lake.transition[keep]
        return [
            harm_probability(MDP(blown, lake.reward, 0.9), p, holes)[0] for p in pair
        ]

    pair, w = (optimal, shield_policy(optimal, safe)), 0.01
    answers = [attempt(policy, w) for policy in pair]
    mistakes = {
        "You blow the walker out of the goal, too, and then harm is certain.": windy(
            w / 64, holes
        ),
        "There is no wind in your model.": [
            harm_probability(lake, p, holes)[0] for p in pair
        ],
    }
    expected = windy(w / 64, holes | goal)
    check_answer(None if None in answers else answers, expected, mistakes)


check_harm_in_wind(harm_in_wind)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def harm_in_wind_solution(policy, w):
    blown = (1 - w) * lake.transition + w / 64
    blown[holes | goal] = lake.transition[holes | goal]
    windy = MDP(blown, lake.reward, lake.discount)
    return harm_probability(windy, policy, holes)[0]


check_harm_in_wind(harm_in_wind_solution)
# Why: the shield promised nothing about a step that its model calls impossible. At
# w = 0.01 it even does harm, because the long detour keeps the walker in the wind.

# %% [markdown]
# In a breeze the shield still helps, and in a gale it harms:

# %%
pair = optimal, shield_policy(optimal, safe)
winds = (0.0001, 0.001, 0.01)
gusts = np.array([[harm_in_wind_solution(p, w) for p in pair] for w in winds])
rows = [[f"{w:g}", *line] for w, line in zip(winds, gusts)]
table(["gust, w", "optimal, bare", "optimal, shielded"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "A step that the model left out makes the shield's zero positive, and in the "
    "strongest wind the shielded walker falls in more often than the bare one.",
    bool(
        (gusts[:, 1] > 0).all()
        and gusts[0, 1] < gusts[0, 0]
        and gusts[1, 1] < gusts[1, 0]
        and gusts[2, 1] > gusts[2, 0]
    ),
    over="w = 0.0001, 0.001 and 0.01, for the optimal policy",
)

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
storm = evidence.results["storm"]
timed = {
    (t["states"], name): w for t in storm["timing"] for name, w in t["work"].items()
}
slow = [1 / w["ratio"] for (states, _), w in timed.items() if states == 64]
Markdown(
    f"On a lake of 64 fields the model checker Storm is {min(slow):.0f} to "
    f"{max(slow):.0f} times as quick as the book's code, and also on 3600 where harm "
    "cannot be reached, because it is compiled and calling NumPy costs more than such "
    "work does; on 3600 fields ours is "
    f"{timed[3600, 'harm, bare']['ratio']:.1f} times as quick at harm, to rounding, "
    "where Storm stops at its default 1e-6."
)

# %% tags=["hide-output"]
rows = [
    [f"{states} fields, {name}", w["ours_ms"], w["storm_ms"], w["ratio"]]
    for (states, name), w in timed.items()
]
table(["random lake", "ours (ms)", "Storm (ms)", "its time / ours"], rows, digits=2)

# %% tags=["hide-input"]
sets, exact = storm["safe_sets"], storm["harm_exact"]
agree = sets["problems"] - sets["without_safe_state"]
Markdown(
    f"On {sets['problems']} random processes Storm finds the same safe states "
    f"({agree} times), or finds, as ours does, that there are none "
    f"({sets['without_safe_state']} times); on {exact['chains']} policies of the lake "
    "our harm differs from Storm's exact fractions by less than 1e-13."
)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Safety**: The ability of AI systems to operate within predetermined boundaries and prevent unintended consequences.
#
# The techniques that it then names make harm rarer; none of them draws a boundary, and neither does its listing, which is [run and repaired](../source_listing_3.ipynb) on a page of its own.
#
# ## References
#
# Shields for learners: {cite:t}`alshiekh2018`.
# Probabilities of absorption: {cite:t}`kemeny1960`; the graph before the equations: {cite:t}`baier2008`; elimination without subtraction: {cite:t}`grassmann1985`.
# Storm: {cite:t}`hensel2022`; shields from it: {cite:t}`pranger2021`.
# What no event in $n$ trials says: {cite:t}`hanley1983`.
# The frozen lake: {cite:t}`towers2024`.
# What happened: {cite:t}`nhtsa2023`.
