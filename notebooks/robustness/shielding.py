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
# A shield stands between a policy and the world, and lets through only what cannot lead to harm.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | find where one can stay safe for ever, put a shield before any policy, prove by a linear solve that it holds, and say what the proof does not cover |
# | You need | NumPy and a little probability; the Markov decision process of [fault tolerance](fault_tolerance.ipynb) |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.robustness.shielding`, on top of `companion.mdp` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
import companion

# %% tags=["hide-input"]
import gymnasium
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from companion.lesson import COLOURS, claim, figure_style, recorded, show_source, table
from companion.mdp import MDP, policy_iteration, policy_value, sample_next
from companion.robustness.shielding import (
    harm_probability,
    safe_set,
    shield_action,
    shield_policy,
)

figure_style()

# %% [markdown]
# ## What the source says
#
# > **Safety**: The ability of AI systems to operate within predetermined boundaries and prevent unintended consequences.
#
# The techniques that it then names make harm rarer.
# None of them draws a boundary, and none of its listings does; they are [run and repaired](../source_listings.ipynb).
# This lesson draws one, and keeps it.

# %% [markdown]
# ## The idea on four places
#
# A hill has four places: a *pit*, a *slope*, a *rim* and a *home*.
# On the hill one can *wait* or *walk*.
#
# | from | wait | walk |
# | :--- | :--- | :--- |
# | slope | stay 1/2, pit 1/2 | rim 9/10, pit 1/10 |
# | rim | stay | slope 1/2, home 1/2 |
#
# Who is in the pit or at home stays there.
# The pit is **harmful**: it must never be entered.
#
# Where can one stay out of the pit for ever, whatever chance does?
#
# 1. The slope is harmless in itself, but both its actions may end in the pit. It is lost.
# 2. On the rim, walking may lead to the slope, so walking is lost. Waiting is left.
# 3. Home loses nothing.
#
# What remains is the **safe set**: rim and home.
# On the rim the only safe action is to wait.

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

# %% [markdown]
# `safe_set` does the same.

# %%
inside = safe_set(hill, pit)
rows = zip(["pit", "slope", "rim", "home"], inside.states, *inside.actions.T)
table(["place", "safe", "waiting is safe", "walking is safe"], rows)

# %%
claim(
    "The safe set is the rim and home.",
    inside.states.tolist() == [False, False, True, True],
)
claim(
    "On the rim only waiting is safe; at home both actions are.",
    inside.actions[2:].tolist() == [[True, False], [True, True]],
)

# %% [markdown]
# In general, begin with $Z_0$, all harmless states.
# Keep the states that have an action which surely stays, and repeat until nothing changes:
#
# $$\begin{aligned} Z_{k+1} = \{\, s \in Z_k :\ & P(Z_k \mid s, a) = 1 \\ & \text{for some } a \,\} \end{aligned}$$
#
# Here $P(Z \mid s, a)$ is the probability that the next state lies in $Z$.
# The states that $P(\cdot \mid s, a)$ calls possible are its **support**.
# Only the support enters here, not how likely anything is.
#
# The code works backwards from what is lost, so that every possible transition is looked at once.

# %%
show_source(safe_set)

# %% [markdown]
# ## How likely is harm?
#
# Let a policy $\pi$ choose, perhaps at random, and let $P_\pi$ be the transition probabilities that result.
# The probability $h$ of ever being harmed is 1 in harmful states.
# Elsewhere it is the average over the next state:
#
# $$h(s) = \sum_{s'} P_\pi(s' \mid s)\, h(s')$$
#
# Toss a fair coin between waiting and walking.
# Then $h_{\text{slope}} = 0.3 + 0.25\, h_{\text{slope}} + 0.45\, h_{\text{rim}}$ and $h_{\text{rim}} = \tfrac12 h_{\text{slope}}$.
# Together: $h_{\text{slope}} = 4/7$ and $h_{\text{rim}} = 2/7$.

# %%
coin = np.full((4, 2), 0.5)
bare = harm_probability(hill, coin, pit)
bare.round(4)

# %%
claim(
    "The linear solve finds 4/7 on the slope and 2/7 on the rim.",
    np.abs(bare - [1, 4 / 7, 2 / 7, 0]).max() < 1e-14,
)

# %% [markdown]
# These equations may have many solutions: home only says $h_{\text{home}} = h_{\text{home}}$.
# The probability is the *least* solution.
# So every state that cannot reach harm at all gets $h = 0$ first, by looking at the graph, and the solve is for the others.
# (`_under` makes $P_\pi$.)

# %%
show_source(harm_probability)

# %% [markdown]
# ## The shield
#
# A **shield** asks the policy what it wants.
# If that action is safe, it passes.
# If not, a safe one is taken instead, the **fallback**.

# %%
show_source(shield_policy)

# %%
shielded = harm_probability(hill, shield_policy(coin, inside), pit)
rows = zip(["slope", "rim", "home"], bare[1:], shielded[1:])
table(["from", "harm, bare", "harm, shielded"], rows, digits=3)

# %%
claim(
    "From the safe set the probability of harm is exactly 0 behind the shield.",
    (shielded[inside.states] == 0).all(),
)
claim(
    f"From the slope it is still {shielded[1]:.1f}: there the shield has nothing to offer.",
    abs(shielded[1] - 0.4) < 1e-14,
)

# %% [markdown]
# A shield must be in place *before* the safe set is left.

# %% [markdown]
# ## A frozen lake
#
# gymnasium's frozen lake has 64 fields, ten of them holes.
# The ice is slippery: each step goes where it was meant to, or to either side of that, with probability 1/3 each.
# The walker starts in the top left corner.
# Reaching the goal, bottom right, pays 1; nothing else pays, and a hole ends the walk.

# %%
env = gymnasium.make("FrozenLake-v1", map_name="8x8")
lake = MDP.from_gymnasium(env, discount=0.99)
letters = env.unwrapped.desc.ravel()
holes, goal = letters == b"H", letters == b"G"
safe = safe_set(lake, holes)
claim(
    f"{safe.states.sum()} of the 64 fields are safe, and the start is one of them.",
    bool(safe.states[0]) and safe.states.sum() == 28,
)

# %% [markdown]
# Four kinds of policy shall walk there.
# One is *random*.
# One is a *saboteur*: it is the best policy for someone who wants to fall in.
# One is *optimal* for the goal's reward, at discount $0.99$.

# %%
enters = lake.transition[:, :, holes].sum(axis=2)
enters[holes] = 0.0  # (64, 4): probability of falling in now
random = np.full((64, 4), 0.25)
saboteur = policy_iteration(MDP(lake.transition, enters, 0.99)).policy
optimal = policy_iteration(lake).policy

# %% [markdown]
# The last one *learns*, as in [fault tolerance](fault_tolerance.ipynb), but with a table for a network.
# It knows nothing of the lake, and moves $q(s, a)$ towards the reward plus the best value that it has for the next state.
# Half of its actions are drawn at random, so that it tries everything.
# It may learn behind a shield, and may be fined for every fall; both will be used later.


# %%
def trained(seed, shield=None, fine=0.0):
    rng = np.random.default_rng(seed)
    walking = ~(holes | goal) if shield is None else shield.states & ~goal
    starts = np.flatnonzero(walking)
    q, state, falls = np.zeros((64, 4)), rng.choice(starts, 256), 0
    for _ in range(1000):
        best = (q[state] + 1e-9 * rng.random((256, 4))).argmax(axis=1)
        action = np.where(rng.random(256) < 0.5, rng.integers(4, size=256), best)
        if shield is not None:
            action = shield_action(action, state, shield)
        after = sample_next(lake, state, action, rng)
        reward = lake.reward[state, action] - fine * holes[after]
        error = reward + 0.99 * q[after].max(axis=1) - q[state, action]
        q[state, action] += 0.1 * error
        falls += int(holes[after].sum())
        state = np.where(walking[after], after, rng.choice(starts, 256))
    return q.argmax(axis=1), falls


learnt = [trained(seed) for seed in range(5)]  # (policy, falls) of five seeds

# %% [markdown]
# **Guess first**: the optimal policy is paid only for arriving, and no policy earns more.
# How often does it fall in?
# Never, in one walk of a hundred, or in one of ten?


# %%
def from_start(policy):
    pair = policy, shield_policy(policy, safe)
    return [harm_probability(lake, p, holes)[0] for p in pair]  # bare, shielded


seeds = np.array([from_start(policy) for policy, _ in learnt])  # (5, 2)
harm = {
    "random": from_start(random),
    "saboteur": from_start(saboteur),
    "trained": np.median(seeds, axis=0),
    "optimal": from_start(optimal),
}
heights = np.array(list(harm.values()))  # (4, 2)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels. Left: the map of the 8 by 8 frozen lake. The safe set is the two top rows, the left column and the right column down to the goal; arrows show the actions that the shield lets through: all four in the top row and at the ends of the second row, elsewhere only the one that points away from the holes. Holes and the harmless fields between them are outside the safe set and have no arrows. Right: bars of the probability of falling into a hole. Bare, the random policy and the saboteur are near 1, the trained policy is near 0.2 with five seeds spread around it, the optimal policy is near 0.1. Behind the shield all bars are zero."}, "figure": {"caption": "Left: the safe set (blue) and the actions that the shield lets through (arrows show where a step is meant to go); harmless but lost fields are pale orange, holes are black, S is the start and G the goal. Right: exact probability of ever falling in, from the start; for the trained policy the median of five seeds, and each seed as a dot.", "name": "fig-shielding"}}
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
for side, colour, label in ((0, "red", "bare"), (1, "blue", "behind the shield")):
    x = np.arange(4) + 0.4 * side - 0.2
    right.bar(x, heights[:, side], 0.38, color=COLOURS[colour], label=label)
    tops = [*heights[:2, side], max(seeds[:, side]), heights[3, side]]
    for at, top, height in zip(x, tops, heights[:, side]):
        text = f"{height:.3f}" if height else "0"
        right.text(at, top + 0.02, text, ha="center", fontsize=9)
right.plot(np.full(5, 1.8), seeds[:, 0], "o", color="black", markersize=4)
right.set(
    xticks=range(4),
    xticklabels=list(harm),
    ylim=(0, 1.12),
    ylabel="probability of ever falling in",
    title="Exact, from the start",
)
right.legend(loc="upper right")
plt.show()

# %%
claim(
    f"Bare, even the optimal policy falls in with probability {heights[3, 0]:.3f}.",
    0.1 < heights[3, 0] < 0.11,
)
low, high = seeds[:, 0].min(), seeds[:, 0].max()
claim(
    f"Bare, the five trained policies fall in with {low:.2f} to {high:.2f}.",
    low > 0 and high < 0.5,
)
claim(
    "Behind the shield all of them fall in with probability exactly 0.",
    (heights[:, 1] == 0).all() and (seeds[:, 1] == 0).all(),
)

# %% [markdown]
# The optimum takes risks because it is in a hurry.
# A discount of $0.99$ makes a detour of a hundred steps cost most of the reward.
# Nobody told it that a hole is worse than being late.
#
# Look at the arrows on the left border.
# The shield lets the walker step only against the border: the ice may carry it along, up or down, but never inwards.

# %%
border = np.arange(16, 64, 8)  # left column, below the two top rows
there = arrows[np.isin(arrows[:, 0], border)]
claim(
    "On the left border below the top rows only the step to the left passes.",
    there.tolist() == [[state, 0] for state in border],
)
claim(
    f"{(kinds == 0).sum()} fields are harmless in themselves and yet lost.",
    (kinds == 0).sum() == 64 - safe.states.sum() - holes.sum(),
)
arrives = harm_probability(lake, shield_policy(optimal, safe), goal)[0]
claim(
    "Behind the shield the optimal policy still reaches the goal with probability 1.",
    abs(arrives - 1) < 1e-12,
)

# %% [markdown]
# The same function gave the probability of *arriving*: "ever enters a set" is the same question for a set one wants.

# %% [markdown]
# ## A proof beside a simulation
#
# Twenty seeds were also simulated and recorded, 100,000 steps each.

# %%
evidence = recorded("robustness/shielding")
kept = evidence.results["policies"]
columns = [
    "harm_bare_median",
    "harm_shielded_solved",
    "violations_simulated",
    "arrival_shielded_low",
]
rows = [[name, *(kind[column] for column in columns)] for name, kind in kept.items()]
header = ["bare harm (median)", "shielded, solved", "falls seen", "least arrival"]
table([f"{evidence.results['seeds']} seeds", *header], rows, digits=3)

# %%
evidence

# %%
steps = sum(kind["steps_simulated"] for kind in kept.values())
falls = sum(kind["violations_simulated"] for kind in kept.values())
claim(
    f"No fall in {steps / 1e6:.0f} million shielded steps, "
    f"over {evidence.results['seeds']} seeds and {len(kept)} kinds of policy.",
    falls == 0 and steps >= 10_000_000,
)
claim(
    "But some policy that was drawn once at random never arrives behind the shield.",
    kept["random, drawn once"]["arrival_shielded_low"] == 0,
)

# %% [markdown]
# What does "no fall" say by itself?
# Suppose that falls came at a rate $\lambda$ per step, independently.
# Then all $n$ steps pass without one with probability $(1-\lambda)^n$, and that is 5 % at $\lambda \approx 3/n$.

# %%
rate = 3 / steps
claim(
    "Were steps independent, one simulation in twenty would show as little "
    f"although there is a fall every {1 / rate / 1e6:.1f} million steps.",
    abs((1 - rate) ** steps - 0.05) < 0.001,
)

# %% [markdown]
# A simulation without harm bounds the rate of harm; it does not make it zero.
# The linear solve says zero, because harm cannot be reached in the graph.
#
# The probabilities may even be wrong.
# Reweight every possible transition at random, and the shield stays the same.

# %%
same = []
for seed in range(5):
    weights = np.random.default_rng(seed).uniform(0.01, 1, lake.transition.shape)
    other = lake.transition * weights
    other = MDP(other / other.sum(axis=2, keepdims=True), lake.reward, 0.99)
    same.append((safe_set(other, holes).actions == safe.actions).all())
claim("Five lakes with other probabilities have the same safe actions.", all(same))

# %% [markdown]
# ## Learning behind the shield
#
# A learner must try things, also bad ones.
# Fine it 10 for every fall, ten times what the goal pays, and count its falls while it learns.
# Then let it learn behind the shield instead, without a fine.

# %%
fined = [trained(seed, fine=10.0) for seed in range(5)]
guarded = [trained(seed, shield=safe) for seed in range(5)]
rows = []
for name, runs in (("bare", learnt), ("bare, fined", fined), ("shielded", guarded)):
    use = [shield_policy(p, safe) if name == "shielded" else p for p, _ in runs]
    after = [harm_probability(lake, p, holes)[0] for p in use]
    rows.append([name, round(np.mean([f for _, f in runs])), max(after)])
table(["5 seeds", "falls while learning (mean)", "harm afterwards (worst)"], rows, 3)

# %%
claim(
    "The fine does not prevent falls: "
    "every seed falls more than 5000 times while it learns.",
    min(falls for _, falls in fined) > 5000,
)
claim(
    "Behind the shield no seed falls once, neither while learning nor afterwards.",
    all(falls == 0 for _, falls in guarded) and rows[2][2] == 0,
)

# %% [markdown]
# ## Break it
#
# ### The solve that fails when all is well
#
# It looks simpler to solve $(I - P_\pi)\,h = b$ on all harmless states, with $b$ the probability of falling at once.
# On the slope and the rim that works for the bare policy.


# %%
def naive_harm(policy):
    chain = np.einsum("sa,san->sn", policy, hill.transition)
    between, into = chain[1:3, 1:3], chain[1:3, 0]  # slope and rim; into the pit
    return np.linalg.solve(np.eye(2) - between, into)


claim(
    "Bare, the naive solve agrees with ours.",
    np.abs(naive_harm(coin) - bare[1:3]).max() < 1e-14,
)

# %% tags=["raises-exception"]
naive_harm(shield_policy(coin, inside))

# %% [markdown]
# The shielded walker waits on the rim for ever, so the rim's row of $I - P_\pi$ is zero.
# The matrix is singular exactly when some set of its states is never left, and making such sets is what a shield is for.
# The equations have many solutions then, and the solver cannot know that the least is meant.
# So the graph has to be looked at first.

# %% [markdown]
# ### Safe, because it never arrives
#
# The smaller lake of gymnasium has 16 fields and the same ice.

# %%
small_env = gymnasium.make("FrozenLake-v1", map_name="4x4")
small = MDP.from_gymnasium(small_env, discount=0.99)
letters = small_env.unwrapped.desc.ravel()
small_holes, small_goal = letters == b"H", letters == b"G"
refuge = safe_set(small, small_holes)

# %% [markdown]
# Take its optimal policy, bare and shielded.

# %%
best = policy_iteration(small).policy
rows = [
    [
        name,
        harm_probability(small, p, small_holes)[0],
        harm_probability(small, p, small_goal)[0],
    ]
    for name, p in (("bare", best), ("shielded", shield_policy(best, refuge)))
]
table(["optimal policy", "falls in", "arrives"], rows, digits=3)

# %%
claim(
    "Only the top row and the goal are safe, so the shielded walker never arrives.",
    np.flatnonzero(refuge.states).tolist() == [0, 1, 2, 3, 15] and rows[1][2] == 0,
)
claim(
    "Harm is not one minus arrival: here both are 0.",
    rows[1][1] == 0 and rows[1][2] == 0,
)

# %% [markdown]
# No policy crosses this lake without risk.
# The shield does not say so; it only lets nobody pass.
# Whoever reports "no violations" has to report arrivals beside them.

# %% [markdown]
# > **You should know**
# >
# > *A large fine does the same.* A fine makes harm a matter of price.
# > How large is large enough depends on the probabilities (exercise 1), and the learner pays it by falling.
# >
# > *No violation in ten million steps is a proof.* It is a bound on a rate.
# >
# > *A shield needs exact probabilities.* It needs to know what is possible.
# > It is immune to wrong probabilities, and helpless against a transition that the model left out (exercise 3).
# >
# > *A shield makes a policy good.* It makes it safe.
# > A policy drawn once at random, and shielded, may walk in circles for ever.
# >
# > *The shield can be added when trouble starts.* Outside the safe set it has no action to offer.
# >
# > *The shield sees the state.* Here it does.
# > Behind a [faulty sensor](fault_tolerance.ipynb) it guards the state that it reads, not the one that is there.
#
# **Who is harmed when it fails**: whoever is in the way of what the model left out.
# A warehouse robot whose map knows shelves but no ladders is shielded from shelves, and the person on the ladder is told that the robot is provably safe.

# %% [markdown]
# ## How it compares
#
# The record above also asked [Storm](https://www.stormchecker.org), a probabilistic model checker, the same two questions.

# %%
storm = evidence.results["storm"]
sets, exact = storm["safe_sets"], storm["harm_exact"]
claim(
    f"On {sets['problems']} random processes Storm finds the same safe states, "
    f"or as we do none ({sets['without_safe_state']} times).",
    0 < sets["without_safe_state"] < sets["problems"],
)
claim(
    f"On {exact['chains']} policies of the lake our harm differs "
    "from Storm's exact fractions by less than 1e-13.",
    exact["largest_difference"] < 1e-13,
)

# %% [markdown]
# Times are medians in milliseconds, one thread, models built beforehand on both sides.
# The lakes are random ones with few holes, and the bare policy is the random one.
# The last column is how far the two answers lie apart.

# %%
timed = {
    (t["states"], name): w for t in storm["timing"] for name, w in t["work"].items()
}
rows = [
    [f"{states} states, {name}", w["ours_ms"], w["storm_ms"], f"{w['difference']:.0e}"]
    for (states, name), w in timed.items()
]
table(["random lake", "ours (ms)", "Storm (ms)", "apart"], rows, digits=2)

# %%
claim(
    "The two agree within Storm's own tolerance of 1e-6.",
    max(w["difference"] for w in timed.values()) < 1e-6,
)
claim(
    "On 64 states Storm is quicker at everything.",
    max(w["ratio"] for (states, _), w in timed.items() if states == 64) < 1,
)
claim(
    "On 3600 states ours is not clearly slower at the safe set and at bare harm.",
    min(timed[3600, name]["ratio"] for name in ("safe set", "harm, bare")) > 0.8,
)

# %% [markdown]
# On a small model calling NumPy costs more than the work does, and Storm is compiled.
# On a large one an equation decides: Storm iterates to its tolerance, ours is one direct solve to rounding.
# Where harm cannot be reached no equation is left, and Storm is quicker again.
#
# In production use Storm, from Python through `stormpy`: it reads models from a language of their own, and is made for far larger ones.
# Its offshoot Tempest {cite}`pranger2021` computes shields.

# %% [markdown]
# ## Exercise 1: a fine instead of a shield
#
# *Easy, 10 minutes.*
# Fine every fall.
# From which fine on does the *optimal* policy at discount $0.99$ never fall in?
#
# Hint: `lake.reward - fine * enters`, and halve an interval.
# A wrong answer is 1, what the goal pays: then the optimum still finds a small risk worth the time it saves.


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def harm_of_optimum(fine):
    plan = policy_iteration(MDP(lake.transition, lake.reward - fine * enters, 0.99))
    return harm_probability(lake, plan.policy, holes)[0]


low, high = 0.0, 100.0
while high - low > 0.001:
    middle = (low + high) / 2
    low, high = (middle, high) if harm_of_optimum(middle) > 0 else (low, middle)
claim(
    f"A fine of {high:.2f} is enough, "
    f"and at 1 the risk is still {harm_of_optimum(1.0):.4f}.",
    harm_of_optimum(high) == 0 < harm_of_optimum(low) and harm_of_optimum(1.0) > 0.005,
)

# %% [markdown]
# The number could only be found by solving the true lake.
# With another discount or other ice it is another number.

# %% [markdown]
# ## Exercise 2: plan inside the shield
#
# *Medium, 15 minutes.*
# The shielded optimum was planned without knowing of the shield.
# Plan with only the safe actions available instead.
# What are the bare optimum, the shielded optimum and the new plan worth from the start?
#
# Hint: a reward of `-np.inf` makes an action unavailable.
# A wrong answer closes all actions of the unsafe states as well; a state without any action is no process, and `MDP` refuses it.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
allowed = safe.actions | ~safe.states[:, None]
planned = policy_iteration(
    MDP(lake.transition, np.where(allowed, lake.reward, -np.inf), 0.99)
)
worth = [
    policy_value(lake, p)[0]
    for p in (optimal, shield_policy(optimal, safe), planned.policy)
]
claim(
    f"Bare {worth[0]:.3f}, shielded {worth[1]:.3f}, planned inside {worth[2]:.3f}: "
    "part of the price was bad planning.",
    worth[1] < worth[2] < worth[0],
)
claim(
    "The new plan never falls in, and arrives with probability 1.",
    harm_probability(lake, planned.policy, holes)[0] == 0
    and abs(harm_probability(lake, planned.policy, goal)[0] - 1) < 1e-12,
)

# %% [markdown]
# ## Exercise 3: what the model left out
#
# *Medium, 15 minutes.*
# A gust blows: in every step outside holes and goal, with probability $w$, the walker lands on any of the 64 fields.
# Keep the shield of the old model, and the policy that was optimal for it.
# How likely is harm for $w = 0.001$ and $w = 0.01$, bare and shielded?
# What would `safe_set` say, had it known?
#
# Hint: mix the rows with $1/64$.
# A wrong answer blows the walker out of the goal too, and then finds harm certain for everybody.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
gusts = {}
for w in (0.001, 0.01):
    blown = (1 - w) * lake.transition + w / 64
    blown[holes | goal] = lake.transition[holes | goal]
    windy = MDP(blown, lake.reward, 0.99)
    pair = optimal, shield_policy(optimal, safe)
    gusts[w] = [harm_probability(windy, p, holes)[0] for p in pair]
rows = [[f"w = {w}", *pair] for w, pair in gusts.items()]
table(["gust", "bare", "shielded"], rows, digits=3)

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
claim(
    f"At w = 0.001 the shield still helps: {gusts[0.001][1]:.3f} "
    f"instead of {gusts[0.001][0]:.3f}, but no longer 0.",
    0 < gusts[0.001][1] < gusts[0.001][0],
)
claim(
    f"At w = 0.01 it does harm, {gusts[0.01][1]:.3f} "
    f"instead of {gusts[0.01][0]:.3f}: the detour is longer in the wind.",
    gusts[0.01][1] > gusts[0.01][0],
)
claim(
    "Had the model known of the gust, only the goal would be safe.",
    safe_set(windy, holes).states.tolist() == goal.tolist(),
)

# %% [markdown]
# ## References
#
# Shields for learners: {cite:t}`alshiekh2018`.
# Probabilities of absorption: {cite:t}`kemeny1960`; the graph before the equations: {cite:t}`baier2008`.
# Storm: {cite:t}`hensel2022`; shields from it: {cite:t}`pranger2021`.
# What no event in $n$ trials says: {cite:t}`hanley1983`.
# The frozen lake: {cite:t}`towers2024`.
