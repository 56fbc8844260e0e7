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
# # Robust planning
#
# Robust Markov decision processes: ambiguity sets, worst cases by sorting, robust value iteration.
#
# In 2021 Zillow bought thousands of houses at prices that its forecasts justified.
# In November it gave the business up, and named the unpredictability of house prices as a reason; in that year its stock of houses was written down by 408 million dollars {cite}`zillow2022`.
#
# **How do you plan when you do not trust the numbers in your model?**
#
# You meet this question whenever an agent plans on something learned: a world model, a simulator, a table of frequencies.
# An optimiser looks for what pays most *in the model*, and so it finds the places where the model is too kind.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | find the worst case over a set of models by sorting, plan against it, say what the caution costs, and recognise a worst case that is nonsense |
# | You need | NumPy, Matplotlib; what a Markov decision process and its value are, from [Fault tolerance](fault_tolerance.ipynb) |
# | Time | 30 minutes to read, 45 for the exercises |
# | Code | `companion.robustness.robust_planning`, on top of `companion.mdp` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from functools import partial

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
from companion.mdp import MDP, policy_iteration, policy_value
from companion.problems import slippery_cliff
from companion.robustness.robust_planning import (
    robust_policy_value,
    robust_value_iteration,
    worst_case_interval,
    worst_case_kl,
    worst_case_l1,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A robot walks along a cliff, from *start* to *goal*.
# A step costs 1, a fall costs 100 and leads back to the start.
# The map says that a step slips to the side once in a thousand times, so the best plan walks along the edge.
#
# But the once in a thousand is an estimate.
# **Guess before you look**: if one percentage point of every step's probability might have to be moved to its worst outcome, or twenty-five, does the best path leave the edge?


# %% tags=["hide-input"]
start, goal = 36, 47  # the corners of the bottom row
wet = slippery_cliff(slip=0.001, discount=0.99)
trusting = policy_iteration(wet)


def walk(mdp, policy):
    """Rows and columns of the cells on the way, if no step slips."""
    path = [start]
    while path[-1] != goal and len(path) < 48:
        path.append(int(mdp.transition[path[-1], policy[path[-1]]].argmax()))
    return np.divmod(path, 12)


paths = {r: walk(wet, robust_value_iteration(wet, r).policy) for r in (0, 0.02, 0.5)}
radii = np.array([0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2])
robust = [robust_value_iteration(wet, r) for r in radii]
at_worst = np.array([plan.value[start] for plan in robust])
doubted = [robust_policy_value(wet, trusting.policy, r) for r in radii]
edge_at_worst = np.array([plan.value[start] for plan in doubted])

# %% mystnb={"figure": {"caption": "Left: the best path when up to half the radius of every step's probability may be moved to its worst outcome. The lines are drawn a little apart where they share cells. Right: what the walk from the start costs in the worst case, for the plan that trusts the map and for the robust one.", "name": "fig-robust-planning"}, "image": {"alt": "Two panels. Left: a grid of four rows and twelve columns whose bottom row holds the start, a hatched cliff and the goal. For radius 0 the path runs along the edge of the cliff, for radius 0.02 one row further away, for radius 0.5 along the far row. Right: cost against radius from 0 to 0.2. The curve of the plan that trusts the map climbs from 13 to over 200, the robust one stays below 30."}} tags=["hide-input"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=[1.7, 1])
grey = {"facecolor": "0.85", "edgecolor": "0.5", "hatch": "//"}
left.add_patch(plt.Rectangle((0.5, 2.5), 10, 1, **grey))
words = {"ha": "center", "va": "center"}
box = {"facecolor": "white", "edgecolor": "none", "pad": 2.5}
left.text(5.5, 3, "cliff: costs 100, back to the start", bbox=box, **words)
for column, name in ((0, "start"), (11, "goal")):
    left.add_patch(plt.Rectangle((column - 0.5, 2.5), 1, 1, facecolor="#CFE8F7"))
    left.text(column, 3.3, name, fontsize=9, **words)
styles = (("red", "-", 0.14), ("blue", "--", 0), ("green", "-.", -0.14))
for (radius, path), (colour, style, shift) in zip(paths.items(), styles):
    row, column = path
    across = column + np.where(column < 6, shift, -shift)
    left.plot(across, row, color=COLOURS[colour], linestyle=style)
    left.plot(across[-1], row[-1], marker="v", color=COLOURS[colour])
    label = f"radius {radius:g}: {len(row) - 1} steps"
    left.text(5.5, row.min(), label, color=COLOURS[colour], bbox=box, **words)
left.set(xlim=(-0.5, 11.5), ylim=(3.5, -0.5), aspect=1)
left.set(xlabel="column", ylabel="row", xticks=range(12), yticks=range(4))
left.set_xticks(np.arange(-0.5, 12), minor=True)
left.set_yticks(np.arange(-0.5, 4), minor=True)
left.grid(False, which="major")
left.grid(True, which="minor", alpha=0.4)
left.tick_params(which="both", length=0)
right.plot(radii, -edge_at_worst, color=COLOURS["red"], label="trusts the map")
right.plot(radii, -at_worst, "--", color=COLOURS["blue"], label="robust")
right.set(xlabel="radius", ylabel="cost in the worst case", ylim=(0, None))
right.legend()
plt.show()

# %% [markdown]
# Look at the right panel: already at radius 0.02, when one percent of a step's probability may go to the worst outcome, the edge has become dear, and one row inland the cost has hardly changed.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
rows = [int(row.min()) for row, _ in paths.values()]
steps = [len(row) - 1 for row, _ in paths.values()]
ends = {(int(row[-1]), int(column[-1])) for row, column in paths.values()}
claim(
    "The best path leaves the edge for the next row, and then for the far row, and "
    "it arrives every time.",
    rows == [2, 1, 0] and steps == [13, 15, 17] and ends == {(3, 11)},
    over="radius 0, 0.02 and 0.5 on this cliff",
)

# %% [markdown]
# ## The idea on three numbers
#
# Tomorrow a machine will be good, worn or broken.
# Being good is worth $10$, worn $4$ and broken $0$: call this $v = (10, 4, 0)$.
# A model gives the probabilities $P = (0.5, 0.3, 0.2)$, so tomorrow is worth $5 + 1.2 + 0 = 6.2$ on average.
#
# Say that the three errors of $P$, taken without sign, add up to at most $0.4$.
# What one probability gains, another loses, so only *half* of that can move.
# The worst move takes $0.2$ from the best state and gives it to the worst, and $0.3 \cdot 10 + 0.3 \cdot 4 + 0.4 \cdot 0 = 4.2$.

# %%
P, v = np.array([0.5, 0.3, 0.2]), np.array([10.0, 4.0, 0.0])
worst = worst_case_l1(P, v, radius=0.4)
worst.kernel, worst.value

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
good, worn = np.divmod(np.arange(101**2), 101)
every = np.stack([good, worn, 100 - good - worn], axis=1) / 100  # (10201, 3)
error = np.abs(every - P).sum(axis=1)
allowed = (every >= 0).all(axis=1) & (error <= 0.4 + 1e-9)
claim(
    "No distribution that is off by 0.4 or less is worth less than 4.2.",
    bool(
        abs((every[allowed] @ v).min() - 4.2) < 1e-12 and abs(worst.value - 4.2) < 1e-12
    ),
    over=f"all {allowed.sum()} of them in steps of one hundredth",
)

# %% [markdown]
# ## The equation: an L1 ambiguity set, and a sort
#
# The rows that may be true form the **ambiguity set**, and whatever picks from it is called *nature*.
# Here the set holds all rows $p$ whose **L1 distance** $\lVert p - P \rVert_1$, the sum of the absolute errors, is at most a **radius** $\kappa$:
#
# $$\min_{p \,:\; \lVert p - P \rVert_1 \,\le\, \kappa} \;\; \sum_i p_i v_i$$
#
# That is a linear program, and it is often given to a solver.
# But you have just solved it by hand: empty the best states first, until half of the radius is used.


# %%
def worst_row(P, v, radius):
    p, left = P.copy(), radius / 2
    worst = v.argmin()
    for best in np.argsort(-v):
        if best != worst:
            moved = min(left, p[best])
            p[best], p[worst], left = p[best] - moved, p[worst] + moved, left - moved
    return p


for kappa in (0, 0.4, 1.2, 2):
    np.testing.assert_allclose(
        worst_row(P, v, kappa), worst_case_l1(P, v, kappa).kernel
    )

# %% [markdown]
# The package sorts once for all rows of a model.
# Its argument `support` says where mass may arrive; by default only in states that the row reaches already, its **support**, and *Break it* will show why.

# %%
show_source(worst_case_l1)

# %% [markdown]
# ## Two other ambiguity sets: intervals and relative entropy
#
# You may give every probability its own **interval**, here $\pm 0.1$.
# Or you may limit the **relative entropy** $D(p \,\Vert\, P) = \sum_i p_i \log (p_i / P_i)$, also called KL divergence, whose worst row is the model's row tilted towards what is bad, $p_i \propto P_i\, e^{-\lambda v_i}$.
# The tilt grows with $\kappa$, until at $\kappa = -\log P(\text{worst})$ the worst state has everything.

# %%
interval = worst_case_interval(P - 0.1, P + 0.1, v)
tilted = worst_case_kl(P, v, radius=0.1)
names = ["L1, 0.4", "interval, 0.1", "entropy, 0.1"]
answers = [worst, interval, tilted]
rows = [[name, *a.kernel, float(a.value)] for name, a in zip(names, answers)]
table(["set", "good", "worn", "broken", "value"], rows, digits=3)

# %% [markdown]
# Choose the set that says what you know.
# L1 sets come from a confidence region for a whole row, intervals from one for each number.
# Do not justify this entropy set by a likelihood: $m$ draws with frequencies $\hat P$ have a likelihood that bounds $D(\hat P \,\Vert\, p)$, the other direction, and the two differ where an outcome is rare.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
kappas = np.linspace(0.01, 3, 300)
kernels = worst_case_kl(np.tile(P, (300, 1)), v, kappas).kernel
inner = kappas < -np.log(P[2])
slopes = np.diff(np.log(kernels[inner] / P), axis=1) / np.diff(v)
claim(
    "Below -log P(worst) the log ratio to the model is a straight line in the value; "
    "from there on the worst state has all the mass.",
    bool(
        np.allclose(slopes[:, 0], slopes[:, 1], rtol=0, atol=1e-9)
        and (slopes[:, 0] < 0).all()
        and np.array_equal(kernels[~inner], np.tile([0.0, 0, 1], ((~inner).sum(), 1)))
    ),
    over=f"300 radii from 0.01 to 3 for this row, {inner.sum()} of them below 1.609",
)

# %% [markdown]
# ## Planning against nature: the robust Bellman equation
#
# A plan, or **policy**, names an action for each state.
# The robust plan solves Bellman's equation with nature's minimum inside {cite}`iyengar2005,nilim2005`:
#
# $$v(s) = \max_a \Big[ r(s, a) + \gamma \min_{p \,\in\, \mathcal{P}(s, a)} \sum_{s'} p(s')\, v(s') \Big]$$
#
# Here $r(s, a)$ is what action $a$ pays in state $s$, $\gamma$ is what a reward one step later is worth, and $\mathcal{P}(s, a)$ is the ambiguity set around the model's row.
# Nature picks for each state and action on its own; such ambiguity is called **rectangular**, and it is what lets the minimum stand inside.
#
# Take a machine that is *running* or *broken*.
# To run pays $1$, and breaks it with probability $0.1$; a repair costs $2$ and always works; $\gamma = 0.9$.
# With radius $0.2$ nature moves $0.1$, so running breaks it with probability $0.2$, and nothing can be moved in the certain repair:
#
# $$v_0 = 1 + 0.9\,(0.8\, v_0 + 0.2\, v_1), \qquad v_1 = -2 + 0.9\, v_0,$$
#
# and therefore $v_0 = 0.64 / 0.118 = 5.42$.
# Sweeping the equation gives the same.

# %%
machine = MDP(
    transition=[[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]],  # [state][action]
    reward=[[1, -2], [0, -2]],
    discount=0.9,
)

# %%
value = np.zeros(2)
for _ in range(300):
    inner = worst_case_l1(machine.transition, value, radius=0.2).value  # (2, 2)
    value = (machine.reward + machine.discount * inner).max(axis=1)
solution = robust_value_iteration(machine, radius=0.2)
np.testing.assert_allclose(value, solution.value)
np.testing.assert_allclose(value[0], 0.64 / 0.118)

# %% [markdown]
# The package does not sweep, because a slow process would need thousands of sweeps.
# It is policy iteration inside policy iteration {cite}`rao1973`: against a *fixed* plan nature improves its rows until the value stops falling, and only then the plan improves, and the value rises.
# It stops when MacQueen's bounds, which hold for this equation too, are close enough, and says why it stopped.

# %%
show_source(robust_value_iteration)

# %% [markdown]
# It also returns nature's rows, the **worst kernel**.
# So you can check the answer with an ordinary solver: put the worst kernel into a model, and ask for its best plan.

# %%
evidence = recorded("robustness/robust_planning")
against = MDP(solution.kernel, machine.reward, machine.discount)
policy_iteration(against).value - solution.value

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
many = evidence.results["certificates"]
best_reply = np.abs(policy_iteration(against).value - solution.value).max()
claim(
    "Under its worst kernel no plan does better than the robust one, and in its worst "
    "case the trusting plan is never better.",
    bool(best_reply < 1e-9 and many["value_against_best_reply_to_worst_kernel"] < 1e-7),
    over=f"this machine, and {many['models']} random models with all three sets, recorded",
)

# %% [markdown]
# ## A standard environment: the wet cliff, and the price of robustness
#
# The picture's world is the cliff of {cite:t}`sutton2018`, on wet ground.
# For each radius compare the plan that trusts the map with the robust one, first in the worst case, and then on the map as it is.
# What the robust plan earns less there is the **price of robustness**.

# %%
price = [trusting.value[start] - policy_value(wet, r.policy)[start] for r in robust]
names = [f"{r:g}" for r in radii]
comparison = list(zip(names, edge_at_worst, at_worst, price))
header = ["radius", "trusting, at worst", "robust, at worst", "price"]
table(header, comparison[1:], digits=2)

# %% [markdown]
# Both plans face a nature of the same radius here, and each faces the one that is worst for itself.
# The robust plan pays a little over one step for the detour, and at radius 0.1 it saves more than sixty.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
gain = at_worst - edge_at_worst
claim(
    "From radius 0.005 on, the robust plan costs at most 1.3 more if the map is right; "
    "from 0.02 on it saves at least 9 in the worst case, from 0.1 on over 60.",
    bool(
        (np.array(price[1:]) < 1.3).all()
        and (gain[radii >= 0.02] > 9).all()
        and (gain[radii >= 0.1] > 60).all()
    ),
    over="the six radii of the table, on this cliff",
)

# %% [markdown]
# Robustness is cheap here because a nearly equal path exists that stays away from the harm.
# Where no such path exists, the robust plan may be the same one and save nothing, or it may not set out at all, which is dear; so measure the price before you decide.

# %% [markdown]
# ## Break it: ambiguity that is too loose
#
# Many texts write the L1 set without a word on supports, and then nature may move mass to *any* state.
# The goal of the cliff is the end: whoever is there stays, at no cost.
# What is it worth now?

# %%
anywhere = partial(worst_case_l1, support=True)
loose = {k: robust_value_iteration(wet, k, anywhere) for k in (0.01, 0.05, 0.2)}
tight = {k: robust_value_iteration(wet, k) for k in loose}
rows = [[f"{k:g}", tight[k].value[goal], loose[k].value[goal]] for k in loose]
table(["radius", "goal, on the support", "goal, anywhere"], rows, digits=2)

# %% [markdown]
# The goal, where nothing can happen, has become expensive, because in every step nature carries the walker away from it to the worst state, which no world near a cliff does.
# With $m$ the lowest value of all states you can even write the wrong number down:
#
# $$v(\text{goal}) = \frac{\gamma\, (\kappa/2)\, m}{1 - \gamma\, (1 - \kappa/2)}.$$
#
# The plan is spoilt as well.
# At radius 0.5 the sound plan took the far row; with nature everywhere it does not leave the start, since every step, however far from the edge, may end in the worst state.

# %%
sound, spoilt = (robust_value_iteration(wet, 0.5, a) for a in (worst_case_l1, anywhere))
cells = [len(set(zip(*walk(wet, plan.policy)))) for plan in (sound, spoilt)]
standing = robust_policy_value(wet, spoilt.policy, 0.5).value[start]
rows = [
    ["kept to the support", cells[0], sound.value[start]],
    ["anywhere", cells[1], standing],
]
table(["nature", "cells visited", "worth, on the support"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
half = np.array(list(loose)) / 2
lowest = np.array([plan.value.min() for plan in loose.values()])
formula = 0.99 * half * lowest / (1 - 0.99 * (1 - half))
at_goal = [[plan[k].value[goal] for k in loose] for plan in (tight, loose)]
claim(
    "On the support the goal is worth 0, anywhere it is worth what the formula says; "
    "and a plan made for a nature without limits costs more than the sound one.",
    bool(
        np.abs(at_goal[0]).max() < 1e-9
        and np.abs(formula - at_goal[1]).max() < 1e-5
        and standing < sound.value[start] - 30
    ),
    over="radius 0.01, 0.05 and 0.2 for the goal, 0.5 for the plans",
)

# %% [markdown]
# ## Break it: ambiguity that tests nothing
#
# The opposite failure is quieter.
# On dry ground every step of the map is certain, so on the support nature has nothing to move, and the "robust" value is the plain one.

# %%
dry = slippery_cliff(slip=0.0)
plain = policy_iteration(dry).value[start]
values = [robust_value_iteration(dry, k).value[start] for k in (0.01, 0.2, 2.0)]
np.array(values) - plain

# %% [markdown]
# Before you believe a robust plan, look at the worst kernel.
# If it equals the model nothing was tested, and if it does the impossible too much was.
# The same holds for rewards: nature moves probabilities only, so what a disaster costs must be paid by the state that *is* the disaster, not by the step that leads there.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "The radius is the mass that moves."
# > **Half of it moves.** The L1 distance counts what leaves one state and what arrives in another.
# >
# > "KL and L1 sets are alike."
# > **Relative entropy never makes an impossible step possible.** An L1 set does, unless you keep it on the support; and a step that was never drawn looks impossible (exercise 3).
# >
# > "Robust plans are too timid to be used."
# > **On the cliff the price was little over one step.** Measure it before you decline. Yet a rectangular set is stern: nature may be wrong differently in every state, which one wrong number in the real world cannot be.
# >
# > "The worst case is guaranteed."
# > **Only over the set.** The radius is somebody's choice, and outside it nothing is promised.
#
# **Strengths**: an exact guarantee over the set, with a certificate that an ordinary solver can check.
#
# **Limits**: a finite model that is written down, and a radius that somebody must defend.
# A robust plan makes harm dearer, not impossible; making it impossible is the subject of [Shielding](shielding.ipynb).
#
# **Who is harmed when it fails**: whoever is beside the path, such as a pedestrian where a delivery robot follows the kerb because wet days were rare in its data.
# A radius that is too large harms others, those who get no delivery because no route is safe enough.
#
# **In production** take [PRISM](https://www.prismmodelchecker.org) or [IntervalMDP.jl](https://github.com/Zinoex/IntervalMDP.jl), which are maintained and plan with intervals; [cvxpy](https://www.cvxpy.org) solves the inner minimum for a convex set of your own.

# %% [markdown]
# ## Check yourself
#
# **1.** A delivery robot is planned with an L1 set in which nature may move probability to any state. In the answer, to stand in its locked garage is nearly as dear as to cross the road. What do you change?
#
# <details><summary>Nothing, because a robust plan makes every place dearer.</summary>
#
# **Not so.** Where nature was kept to the support, `tight` left the goal, at which nothing can happen either, at its true worth for each radius.
#
# </details>
#
# <details><summary>The set, so that nature cannot leave what a step can lead to.</summary>
#
# **Right.** Nature carries the robot out through a locked door, which no world does. What is known to be impossible has to be kept out of its reach.
#
# </details>
#
# <details><summary>The radius, because only a large one makes a garage dear.</summary>
#
# **Not so.** In `loose` the goal was dear at the smallest radius, too, because any mass at all may then reach the worst state, again and again.
#
# </details>
#
# **2.** You planned the walk along the cliff with radius 0.2, a colleague with radius 0.02. Now the map turns out to be exactly right. Who has paid more for being careful?
#
# <details><summary>You, because ten times the radius is ten times the caution.</summary>
#
# **Not so.** The column `price` holds the same number for both radii, because both plans walk one row away from the edge.
#
# </details>
#
# <details><summary>Nobody, because a robust plan is dearer only where nature strikes.</summary>
#
# **Not so.** `price` is above zero in each row: the detour is walked whether nature strikes or not.
#
# </details>
#
# <details><summary>Both the same, because their plans walk the same detour.</summary>
#
# **Right.** On the map as it is you pay for the path and not for the radius. A larger radius costs more only when it changes the path.
#
# </details>
#
# **3.** A step leads to *good* in seven cases of ten, to *worn* in three, and to *broken* in none. Good is worth most and broken least. The set is L1 with radius 0.2, kept to the support. What does nature do?
#
# <details><summary>It moves two tenths from good to worn.</summary>
#
# **Not so.** That is twice too much: with radius 0.4 it was two tenths that `worst.kernel` had less on *good*.
#
# </details>
#
# <details><summary>It moves one tenth from good to worn.</summary>
#
# **Right.** What good loses, worn gains, so half of the radius can move. On the support worn is the worst state that can be reached.
#
# </details>
#
# <details><summary>It moves one tenth from good to broken.</summary>
#
# **Not so.** On the support mass arrives only where the step leads anyway: in `tight` nothing could carry the walker from the goal to the cliff.
#
# </details>

# %% [markdown]
# ## Exercise 1: mass that may go anywhere
#
# *Easy, 10 minutes.*
# Return the lowest value $\sum_i p_i v_i$ of a distribution $p$ with $\lVert p - P \rVert_1 \le \kappa$ when mass may arrive in *any* state, also in one with $P_i = 0$.
# Write it yourself, as on this page.
#
# Hint: `worst_row` nearly does it; which state receives?


# %% tags=["exercise"]
def lowest_anywhere(P, v, radius):
    """Worst value within an L1 radius, where mass may arrive in any state."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_lowest_anywhere(attempt):
    P, v, kappa = np.array([0.6, 0.4, 0.0]), np.array([1.0, 2.0, -10.0]), 0.5
    mistakes = {
        "You kept to the support; here the third state may receive, too.": float(
            worst_case_l1(P, v, kappa).value
        ),
        "You moved the whole radius; half of it moves.": float(
            anywhere(P, v, 2 * kappa).value
        ),
        "That is the value of the model itself.": P @ v,
        "You emptied the states in their order, not the best one first.": 0.35 * 1
        + 0.4 * 2
        - 2.5,
    }
    check_answer(attempt(P, v, kappa), 0.6 * 1 + 0.15 * 2 - 0.25 * 10, mistakes)


check_lowest_anywhere(lowest_anywhere)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def lowest_anywhere_solution(P, v, radius):
    return worst_row(P, v, radius) @ v


check_lowest_anywhere(lowest_anywhere_solution)
# Why: the teaching version lets the state with the lowest v receive whether it has mass
# or not. A quarter leaves the best state, for a state that the model calls impossible.

# %% [markdown]
# ## Exercise 2: a hand on the controls
#
# *Medium, 15 minutes.*
# Nature may also be somebody: with probability $\alpha$ per step an adversary takes your action instead, and wants the worst.
# This is the *probabilistic action-robust* problem {cite}`tessler2019`.
# If $q(s, a)$ is what an action is worth when $v$ follows, the value of the best plan against it solves
#
# $$v(s) = (1 - \alpha) \max_a q(s, a) + \alpha \min_a q(s, a).$$
#
# Return $v$ after 2000 sweeps from zero.
#
# Hint: `mdp.reward + mdp.discount * (mdp.transition @ v)` is $q$, of shape (S, A).


# %% tags=["exercise"]
def hand_on_the_controls(mdp, alpha):
    """Value of every state when an adversary acts with probability alpha."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_hand_on_the_controls(attempt):
    def swept(mix):
        v = np.zeros(dry.states)
        for _ in range(2000):
            v = mix(dry.reward + dry.discount * (dry.transition @ v))
        return v[start]

    alpha, value = 0.05, attempt(dry, 0.05)
    mistakes = {
        "You let a random hand act; an adversary takes the worst action.": swept(
            lambda q: (1 - alpha) * q.max(axis=1) + alpha * q.mean(axis=1)
        ),
        "The two weights are exchanged.": swept(
            lambda q: alpha * q.max(axis=1) + (1 - alpha) * q.min(axis=1)
        ),
        "That is the value without an adversary.": swept(lambda q: q.max(axis=1)),
    }
    expected = swept(lambda q: np.sort(q, axis=1)[:, [-1, 0]] @ [1 - alpha, alpha])
    check_answer(None if value is None else value[start], expected, mistakes)


check_hand_on_the_controls(hand_on_the_controls)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def hand_on_the_controls_solution(mdp, alpha):
    v = np.zeros(mdp.states)
    for _ in range(2000):
        q = mdp.reward + mdp.discount * (mdp.transition @ v)
        v = (1 - alpha) * q.max(axis=1) + alpha * q.min(axis=1)
    return v


check_hand_on_the_controls(hand_on_the_controls_solution)
# Why: the set of rows (1 - alpha) P(s, a) + alpha P(s, b), over all b, is rectangular,
# so the minimum stands inside. On dry ground this nature has something to move.

# %% [markdown]
# ## Exercise 3: a step that was never drawn
#
# *Hard, 20 minutes.*
# The machine breaks once in a hundred steps, but you do not know that.
# You have drawn $m = 100$ next states for each of the four rows, `rng.multinomial(100, truth.transition)`, and estimate the model from them.
# With probability at least $95\,\%$ all four estimated rows lie within
#
# $$\kappa = \sqrt{\tfrac{2}{m} \ln \tfrac{4\,(2^2 - 2)}{0.05}}$$
#
# of the true ones {cite}`weissman2003`.
# For seeds 0 to 99, plan with `robust_value_iteration(estimate, kappa, ambiguity)`, and count in how many of them the plan promises more in state 0 than it earns there in truth.
#
# Hint: `policy_value(truth, plan.policy)` is what it earns; allow $10^{-9}$ for rounding.

# %%
truth = MDP([[[0.99, 0.01], [1, 0]], [[0, 1], [1, 0]]], machine.reward, 0.9)


# %% tags=["exercise"]
def broken_promises(ambiguity):
    """In how many of 100 seeds the robust plan promises more than it earns."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_broken_promises(attempt):
    drawn = [
        np.random.default_rng(seed).multinomial(100, truth.transition)
        for seed in range(100)
    ]
    unseen = sum(int(d[0, 0, 1] == 0) for d in drawn)
    answers = [attempt(worst_case_l1), attempt(anywhere)]
    mistakes = {
        "You ignored the ambiguity and kept to the support both times.": [unseen] * 2,
        "You counted the promises that were kept.": [100 - unseen, 100],
    }
    check_answer(None if None in answers else answers, [unseen, 0], mistakes)


check_broken_promises(broken_promises)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def broken_promises_solution(ambiguity):
    kappa, broken = np.sqrt(2 / 100 * np.log(4 * (2**2 - 2) / 0.05)), 0
    for seed in range(100):
        drawn = np.random.default_rng(seed).multinomial(100, truth.transition)
        estimate = MDP(drawn / 100, truth.reward, truth.discount)
        plan = robust_value_iteration(estimate, kappa, ambiguity)
        broken += int(plan.value[0] > policy_value(truth, plan.policy)[0] + 1e-9)
    return broken


check_broken_promises(broken_promises_solution)
# Why: where the break was never drawn the estimated row is (1, 0), and a nature that
# keeps to its support cannot bring it back. The theorem's set has no such limit.

# %% [markdown]
# In two thousand seeds, recorded, the same happens.

# %%
rare = evidence.results["rare_break"]
labels = {"model": "the estimate, without a set"}
rows = [[labels.get(name, name), n] for name, n in rare["promised_too_much"].items()]
rows += [["(the break was never drawn)", rare["break_never_drawn"]]]
table([f"{rare['seeds']} seeds", "promised too much"], rows)

# %% [markdown]
# So there are two kinds of zero: those you know (a goal that keeps you, a wall) may be kept out of nature's reach, and those that you merely saw may not.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
l1 = evidence.results["l1_against_linear_program"]
kl = evidence.results["kl_against_conic_program"]
solvers = evidence.results["robust_solver_against_sweeps"]
sizes = [f"n={n}" for n in (10, 50, 200)]
one, batch = ([l1[n][k] for n in sizes] for k in ("ratio_one_row", "ratio_20_rows"))
equal = [s["ratio_at_equal_gap"] for s in solvers.values()]
Markdown(
    "The book's code knows three sets and finite tables, where cvxpy takes any convex "
    "set and PRISM builds models from a language; on what it does know, a worst L1 row "
    f"is {min(one):.0f} to {max(one):.0f} times as quick as a linear program when either "
    f"gets one row, {min(batch):.0f} to {max(batch):.0f} times when either gets twenty, "
    f"and the whole solver is {min(equal):.1f} to {max(equal):.1f} times as quick as "
    "centred sweeps that go on to the same certified gap."
)

# %% tags=["hide-output"]
rows = [
    [f"L1, {n[2:]} states, {k[6:].replace('_', ' ')}", l1[n][k]]
    for n in sizes
    for k in ("ratio_one_row", "ratio_20_rows")
]
rows += [["entropy, 50 states, one row (cvxpy)", kl["n=50"]["ratio_one_row"]]]
for name, s in solvers.items():
    rows += [[f"{name}: sweeps, largest change", s["ratio_to_sweeps"]]]
    rows += [[f"{name}: sweeps, span, to 1e-6", s["ratio_to_centred"]]]
    rows += [[f"{name}: sweeps, span, equal gap", s["ratio_at_equal_gap"]]]
table(["work", "its time / ours"], rows, digits=1)

# %% [markdown]
# The programs and ours agree to $10^{-9}$ (linear) and $10^{-6}$ (conic), or the record would not exist.

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Robustness**: The ability of AI systems to withstand and recover from failures, errors, or attacks.
#
# Its listing for this section draws one table of probabilities at random and never doubts it; it is [run and repaired](../source_listing_3.ipynb) on a page of its own.
#
# ## References
#
# Robust decision processes: {cite:t}`iyengar2005`, {cite:t}`nilim2005`; other sets and their cost: {cite:t}`wiesemann2013`.
# Intervals: {cite:t}`givan2000`; L1 sets: {cite:t}`strehl2008`, {cite:t}`weissman2003`; relative entropy: {cite:t}`hu2013`.
# The solver: {cite:t}`rao1973`.
# The adversary: {cite:t}`tessler2019`; the cliff: {cite:t}`sutton2018`.
# What happened: {cite:t}`zillow2022`.
