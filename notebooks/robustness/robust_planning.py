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
# A plan is made on a model of the world; this lesson makes plans that hold up when the model is wrong, and says what they cost.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | find the worst case over a set of models by sorting, plan against it, plan against a hand that now and then takes the controls, and recognise a worst case that is nonsense |
# | You need | NumPy, a little probability, and the Markov decision processes of [Fault tolerance](fault_tolerance.ipynb) |
# | Time | 30 minutes to read, 45 for the exercises |
# | Code | `companion.robustness.robust_planning`, on top of `companion.mdp` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
import companion

# %% tags=["hide-input"]
import gymnasium
import matplotlib.pyplot as plt
import numpy as np

from companion.lesson import (
    COLOURS,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.mdp import MDP, policy_iteration, policy_value
from companion.problems import river_swim, slippery_cliff
from companion.robustness.fault_tolerance import redundant_system
from companion.robustness.robust_planning import (
    action_robust_value_iteration,
    robust_policy_value,
    robust_value_iteration,
    worst_case_interval,
    worst_case_kl,
    worst_case_l1,
)

figure_style()

# %% [markdown]
# ## What the source says
#
# > **Robustness**: The ability of AI systems to withstand and recover from failures, errors, or attacks.
#
# Its listing for this section has one table of probabilities, drawn at random, and never doubts it.
# It is [run and repaired](../source_listings.ipynb) there.
# This lesson doubts: first the numbers in the table (an error), then the hand on the controls (an attack).

# %% [markdown]
# ## The idea on three numbers
#
# Tomorrow a machine will be good, worn or broken.
# Being good is worth $10$, worn $4$, broken $0$: call this $v = (10, 4, 0)$.
# A model gives the probabilities $P = (0.5, 0.3, 0.2)$.
# So tomorrow is worth $5 + 1.2 + 0 = 6.2$ on average.
#
# But the probabilities were estimated.
# Say that their three errors, taken without sign, add up to at most $0.4$.
# What is the worst that may be true?
#
# What one probability gains, another loses.
# So only *half* of $0.4$ can move.
# The worst move takes $0.2$ from the best state and gives it to the worst one.

# %%
P, v = np.array([0.5, 0.3, 0.2]), np.array([10, 4, 0])
worst = worst_case_l1(P, v, radius=0.4)
worst.kernel, worst.value

# %% [markdown]
# By hand: $0.3 \cdot 10 + 0.3 \cdot 4 + 0.4 \cdot 0 = 4.2$.
# Is there nothing worse?
# Try all distributions in steps of one hundredth.

# %%
good, worn = np.divmod(np.arange(101**2), 101)
every = np.stack([good, worn, 100 - good - worn], axis=1) / 100  # (10201, 3)
error = np.abs(every - P).sum(axis=1)
allowed = (every >= 0).all(axis=1) & (error <= 0.4 + 1e-9)
lowest = (every[allowed] @ v).min()
claim(
    f"Of {allowed.sum()} such distributions none is worth less than {lowest:.1f}.",
    abs(lowest - worst.value) < 1e-12,
)

# %% [markdown]
# A common mistake moves the whole $0.4$.

# %%
mistake = np.array([0.1, 0.3, 0.6])
distance = np.abs(mistake - P).sum()
claim(
    f"The mistake is worth {mistake @ v:.1f}, and is off by {distance:.1f}: "
    "twice what was allowed.",
    abs(distance - 0.8) < 1e-12,
)

# %% [markdown]
# ## The equation, and a sort
#
# The rows that may be true form the **ambiguity set**.
# Whatever picks from it is called *nature*; she is assumed to pick the worst.
# Here the set holds all rows $p$ within a **radius** $\kappa$ of the model's row $P$:
#
# $$\min_{p \,:\; \lVert p - P \rVert_1 \,\le\, \kappa} \;\; \sum_i p_i v_i$$
#
# $\lVert p - P \rVert_1$ is the sum of absolute errors, called **L1 distance**.
# This looks like work for an optimiser, and is often given to one.
# A sort does it: empty the best states first, until half the radius is used.

# %%
show_source(worst_case_l1)

# %% [markdown]
# The argument `support` says where mass, that is probability, may arrive.
# A row's **support** is the set of states that it reaches with positive probability.
# By default mass arrives only there, and *Break it* will show why.

# %% [markdown]
# ## Two other sets
#
# One may instead give every probability its own **interval**, here $\pm 0.1$.
# Or one may limit the **relative entropy** $D(p \,\Vert\, P) = \sum_i p_i \log (p_i / P_i)$, also called KL divergence.
# Its worst row is the model's row, tilted towards what is bad,
#
# $$p_i \;\propto\; P_i\, e^{-\lambda v_i},$$
#
# with $\lambda$ just so large that $D(p \,\Vert\, P) = \kappa$.

# %%
interval = worst_case_interval(P - 0.1, P + 0.1, v)
tilted = worst_case_kl(P, v, radius=0.1)
names = ["L1, 0.4", "interval, 0.1", "entropy, 0.1"]
answers = [worst, interval, tilted]
rows = [[name, *a.kernel, float(a.value)] for name, a in zip(names, answers)]
table(["set", "good", "worn", "broken", "value"], rows, digits=3)

# %%
log_ratio = np.log(tilted.kernel / P)
claim(
    "The tilted row uses up its relative entropy of 0.1.",
    abs(tilted.kernel @ log_ratio - 0.1) < 1e-9,
)
slope = np.diff(log_ratio) / np.diff(v)
claim(
    "Its log ratio to the model lies on a straight line in the value: a tilt.",
    abs(slope[0] - slope[1]) < 1e-9 and slope[0] < 0,
)

# %% [markdown]
# The three sets are different statements about what one knows.
# Intervals come from a confidence interval per number, L1 from one for the whole row, and relative entropy from how well a row explains the data.

# %% [markdown]
# ## Planning against nature
#
# A plan, or **policy**, names an action for each state.
# The best one solves Bellman's equation.
# The robust plan solves it with nature's minimum inside {cite}`iyengar2005,nilim2005`:
#
# $$v(s) = \max_a \Big[ r(s, a) + \gamma \min_{p \,\in\, \mathcal{P}(s, a)} \sum_{s'} p(s')\, v(s') \Big]$$
#
# Nature picks for each state and action on its own.
# Such ambiguity is called **rectangular**, and it is what lets the minimum stand inside.
#
# Take a machine that is *running* or *broken*.
# To run pays $1$, and breaks it with probability $0.1$.
# A repair costs $2$ and always works.
# A reward one step later is worth $\gamma = 0.9$ as much.

# %%
machine = MDP(
    transition=[[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]],  # [state][action]
    reward=[[1, -2], [0, -2]],
    discount=0.9,
)
trusting = policy_iteration(machine)
robust = robust_value_iteration(machine, radius=0.2)
rows = [["trusting the model", *trusting.value], ["worst case", *robust.value]]
table(["value", "running", "broken"], rows, digits=4)

# %% [markdown]
# This, too, can be done by hand.
# With radius $0.2$ nature moves $0.1$: running breaks with probability $0.2$.
# So $v_0 = 1 + 0.9\,(0.8\, v_0 + 0.2\, v_1)$ and $v_1 = -2 + 0.9\, v_0$.
# Put one into the other: $0.118\, v_0 = 0.64$.

# %%
by_hand = 0.64 / 0.118
claim(
    f"At worst the running machine is worth 0.64 / 0.118 = {by_hand:.4f}.",
    abs(robust.value[0] - by_hand) < 1e-9,
)
claim(
    "The repair, certain in the model, stays certain: nothing to move there.",
    (robust.kernel[:, 1] == [1, 0]).all(),
)

# %% [markdown]
# The equation itself can be swept, as in value iteration.

# %%
swept = np.zeros(2)
for _ in range(500):
    inner = worst_case_l1(machine.transition, swept, radius=0.2).value  # (2, 2)
    swept = (machine.reward + machine.discount * inner).max(axis=1)
difference = np.abs(swept - robust.value).max()
claim("Sweeps and solver agree to rounding.", difference < 1e-9)

# %% [markdown]
# The solver does not sweep.
# It is policy iteration inside policy iteration {cite}`hoffman1966`.
# Against a *fixed* plan nature has an ordinary decision problem: pick the worst rows, value the plan under them by a linear solve, repeat until the value stops falling.
# Then the plan improves, and the value rises.
# It stops when MacQueen's bounds of [Fault tolerance](fault_tolerance.ipynb) are close enough, because they hold for this equation too.

# %%
show_source(robust_value_iteration)

# %% [markdown]
# It returns nature's rows as well, the **worst kernel**.
# (A *kernel* is the whole table of transition probabilities.)
# So one may check its answer with any ordinary solver.

# %%
nature = MDP(robust.kernel, machine.reward, machine.discount)
claim(
    "Under the worst kernel no policy does better than the robust one.",
    np.abs(policy_iteration(nature).value - robust.value).max() < 1e-9,
)

# %% [markdown]
# ## Somebody else at the controls
#
# Now the model is right, but with probability $\alpha$ per step an adversary acts instead, and wants the worst.
# Let $q_v(s, a)$ be what an action is worth if $v$ is what follows.
# Planning for it is called **action-robust** {cite}`tessler2019`:
#
# $$v(s) = (1 - \alpha) \max_a q_v(s, a) + \alpha \min_a q_v(s, a)$$

# %%
show_source(action_robust_value_iteration)

# %% [markdown]
# The world is the cliff of {cite:t}`sutton2018`, as gymnasium ships it: a grid of 4 rows and 12 columns.
# A step costs $1$.
# The bottom row between start and goal is a cliff: stepping into it costs $100$ and leads back to the start.
# The shortest path runs along the edge.

# %%
cliff = MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"), discount=0.99)
start, goal = 36, 47  # the corners of the bottom row


def walk(mdp, policy):
    """Rows and columns of the cells on the way, if every step succeeds."""
    path = [start]
    while path[-1] != goal and len(path) < 48:
        path.append(int(mdp.transition[path[-1], policy[path[-1]]].argmax()))
    return np.divmod(path, 12)


# %% [markdown]
# **Guess first**: the adversary acts once in a hundred steps.
# Does the best path leave the edge?
# And once in twenty?

# %%
plans = {a: action_robust_value_iteration(cliff, a) for a in (0, 0.01, 0.05)}
paths = {a: walk(cliff, plan.policy) for a, plan in plans.items()}

# %% tags=["hide-input"] mystnb={"image": {"alt": "A grid of four rows and twelve columns. The bottom row holds the start on the left, the goal on the right, and the cliff, hatched, between them. Three paths lead from start to goal: for alpha 0 along the edge of the cliff, for alpha 0.01 one row further away, for alpha 0.05 along the far row."}, "figure": {"caption": "The best path from start to goal when an adversary acts with probability \u03b1 per step. The lines are drawn a little apart where they share cells.", "name": "fig-robust-planning"}}
fig, ax = plt.subplots(figsize=(7, 3.2))
grey = {"facecolor": "0.85", "edgecolor": "0.5", "hatch": "//"}
ax.add_patch(plt.Rectangle((0.5, 2.5), 10, 1, **grey))
words = {"ha": "center", "va": "center"}
box = {"facecolor": "white", "edgecolor": "none", "pad": 2.5}
ax.text(5.5, 3, "cliff: costs 100, back to the start", bbox=box, **words)
for column, name in ((0, "start"), (11, "goal")):
    ax.add_patch(plt.Rectangle((column - 0.5, 2.5), 1, 1, facecolor="#CFE8F7"))
    ax.text(column, 3.3, name, **words)
styles = (("red", "-", 0.14), ("blue", "--", 0), ("green", "-.", -0.14))
for (alpha, path), (colour, style, shift) in zip(paths.items(), styles):
    row, column = path
    # A little inwards or outwards, so that shared cells show every line.
    across = column + np.where(column < 6, shift, -shift)
    ax.plot(across, row, color=COLOURS[colour], linestyle=style)
    ax.plot(across[-1], row[-1], marker="v", color=COLOURS[colour])
    label = f"α = {alpha:g}: {len(row) - 1} steps"
    ax.text(5.5, row.min(), label, color=COLOURS[colour], bbox=box, **words)
ax.set(xlim=(-0.5, 11.5), ylim=(3.5, -0.5), aspect=1)
ax.set(xlabel="column", ylabel="row")
ax.set_xticks(np.arange(-0.5, 12), minor=True)
ax.set_yticks(np.arange(-0.5, 4), minor=True)
ax.set(xticks=range(12), yticks=range(4))
ax.grid(False, which="major")
ax.grid(True, which="minor", alpha=0.4)
ax.tick_params(which="both", length=0)
plt.show()

# %%
top = [int(row.min()) for row, column in paths.values()]
steps = [len(row) - 1 for row, column in paths.values()]
ends = [(int(row[-1]), int(column[-1])) for row, column in paths.values()]
claim(
    f"The path crosses in row {top[0]}, along the edge, "
    f"then in row {top[1]}, then in row {top[2]}.",
    top == [2, 1, 0],
)
claim(
    f"It arrives each time, in {steps[0]}, {steps[1]} and {steps[2]} steps.",
    steps == [13, 15, 17] and ends == [(3, 11)] * 3,
)

# %% [markdown]
# What is the detour worth?
# Let the adversary answer each plan as it deserves.
# To the adversary that is an ordinary decision problem, with the sign of the reward turned round.


# %%
def attacked(policy, alpha):
    """Value at the start against the adversary who is worst for this policy."""
    own, keep = (np.arange(48), policy), 1 - alpha
    kernel = keep * cliff.transition[own][:, None] + alpha * cliff.transition
    reward = keep * cliff.reward[own][:, None] + alpha * cliff.reward
    return -policy_iteration(MDP(kernel, -reward, cliff.discount)).value[start]


policies = [plan.policy for plan in plans.values()]
worth = np.array([[attacked(p, a) for a in plans] for p in policies])
rows = [[f"α = {a:g}", *line] for a, line in zip(plans, worth)]
table(["plan for", *(f"against α = {a:g}" for a in plans)], rows, digits=1)

# %% [markdown]
# Take the two outer paths, and turn the sign round: what does each cost?

# %%
edge, _, far = -worth
claim(
    f"Attacked once in twenty steps, the edge costs {edge[2]:.1f}, "
    f"the far row {far[2]:.1f}.",
    far[2] < edge[2] - 60,
)
claim(
    f"Left in peace, the far row costs {far[0]:.1f} instead of {edge[0]:.1f}.",
    edge[0] < far[0] < edge[0] + 4,
)

# %% [markdown]
# A plan's own solution has promised a value against its worst adversary.
# The table's diagonal, found by a second way, must be that.
# And in each column the plan made for that $\alpha$ must be the best.

# %%
promised = [plan.value[start] for plan in plans.values()]
claim(
    "Each plan is worth what its solution promised.",
    np.abs(np.diag(worth) - promised).max() < 1e-6,
)
claim(
    "Each plan is the best of the three against the adversary it was made for.",
    (worth.argmax(axis=0) == [0, 1, 2]).all(),
)

# %% [markdown]
# ## The price of robustness
#
# Back to nature, and to a model with wrong numbers.
# On wet ground a step slips to either side with probability $0.005$ each.
# Here the cells of the cliff are states, and the state pays the $100$.
# (gymnasium's own cliff will not do for this; *Break it* says why.)
#
# For each radius, compare the plan that trusts the model with the robust one.
# The **price of robustness** is what the robust plan earns less if the model was right after all.

# %%
wet = slippery_cliff(slip=0.01, discount=0.99)
trusted = policy_iteration(wet)
comparison = []
for radius in (0.05, 0.1, 0.2, 0.5):
    robust = robust_value_iteration(wet, radius)
    doubted = robust_policy_value(wet, trusted.policy, radius)
    price = trusted.value[start] - policy_value(wet, robust.policy)[start]
    line = radius, doubted.value[start], robust.value[start], price
    comparison.append(line)
header = ["radius", "trusting, at worst", "robust, at worst", "price"]
table(header, comparison, digits=2)

# %%
_, doubtful, sure, price = comparison[2]
gain = sure - doubtful
claim(
    f"At radius 0.2 the robust plan gains {gain:.1f} in the worst case, "
    f"for a price of {price:.2f}.",
    gain > 8 and 0 <= price < 0.05,
)
claim(
    "A larger radius never raises a worst case.",
    (np.diff(np.array(comparison)[:, 1:3], axis=0) < 0).all(),
)

# %% [markdown]
# So robustness need not be dear; at radius $0.5$, on the far row, it is dearer.
# What it costs depends on whether a nearly equal plan exists that stays away from the harm.
#
# One cliff proves little.
# The next record holds forty random models, with rewards drawn from the standard normal distribution, and all three kinds of sets on each.
# Its program stops if a robust plan is ever worse than the trusting one in the worst case.

# %%
evidence = recorded("robustness/robust_planning")
evidence

# %%
many = evidence.results["certificates"]
models = many["models"]
reply = many["value_against_best_reply_to_worst_kernel"]
gain = many["largest_gain_in_the_worst_case"]
price = many["largest_price_in_the_nominal_case"]
claim(
    f"On all {models} models no policy beats the robust one in its worst case.",
    reply < 1e-7,
)
claim(
    f"Robust plans gained up to {gain:.2f} in the worst case, "
    f"for prices up to {price:.2f}.",
    gain > 0.1,
)

# %% [markdown]
# ## Break it
#
# Many texts write the L1 set without a word on supports.
# Then nature may move mass to *any* state.
# The goal of the cliff is the end: whoever is there stays, at no cost.
# What is it worth now?

# %%
radii = (0.01, 0.05, 0.2)
loose = [robust_value_iteration(cliff, k, anywhere=True) for k in radii]
tight = [robust_value_iteration(cliff, k) for k in radii]
values = [[s.value[goal] for s in solutions] for solutions in (tight, loose)]
rows = zip(radii, *values)
table(["radius", "goal, on the support", "goal, anywhere"], rows, digits=3)

# %% [markdown]
# The goal, where nothing can happen, has become expensive.
# Nature's row at the goal says how.

# %%
row = loose[2].kernel[goal, 0]
reached = np.flatnonzero(row)
rows = [[f"row {n // 12}, column {n % 12}", row[n]] for n in reached]
table(["from the goal to", "probability"], rows, digits=3)

# %% [markdown]
# In every step she carries the walker with probability $0.1$ from the goal to the far corner, row $0$, column $0$.
# No world near the cliff does that, and a walker who has arrived is done.
# The wrong number can even be written down: with $m$ the lowest value of all states,
#
# $$v(\text{goal}) = \frac{\gamma\, (\kappa/2)\, m}{1 - \gamma\, (1 - \kappa/2)}.$$

# %%
half, lowest = 0.2 / 2, loose[2].value.min()
formula = 0.99 * half * lowest / (1 - 0.99 * (1 - half))
claim(
    f"At radius 0.2 the goal is worth 0 on the support, {formula:.1f} anywhere.",
    abs(formula - loose[2].value[goal]) < 1e-6 and tight[2].value[goal] == 0,
)

# %% [markdown]
# The plan is spoilt as well.
# On wet ground and at radius $0.5$ the sound robust plan took the far row.
# What does the one with nature everywhere do?

# %%
sound = robust_value_iteration(wet, 0.5)
spoilt = robust_value_iteration(wet, 0.5, anywhere=True)
cells = [len(set(zip(*walk(wet, s.policy)))) for s in (sound, spoilt)]
claim(
    f"The sound plan visits {cells[0]} cells, the spoilt one the start alone.",
    cells == [18, 1] and walk(wet, sound.policy)[1][-1] == 11,
)

# %% [markdown]
# It stands at the start and pays for every step, since not even the goal is a refuge.
# Under a nature that keeps to the support, that is what it costs:

# %%
walking = sound.value[start]
standing = robust_policy_value(wet, spoilt.policy, 0.5).value[start]
claim(
    f"Standing costs {-standing:.1f}, the sound plan at worst {-walking:.1f}.",
    standing < walking - 40,
)

# %% [markdown]
# The opposite failure is quieter.
# In gymnasium's cliff every step is certain, so on the support nature has nothing to move.
# And the $100$ are paid by the step, not by the cliff, so a likelier fall would cost nothing.

# %%
plain = policy_iteration(cliff).value
claim(
    "At each radius its 'robust' value is the plain one: nothing was tested.",
    all(np.abs(t.value - plain).max() < 1e-9 for t in tight),
)

# %% [markdown]
# Before believing a robust plan, look at the worst kernel.
# If it equals the model, nothing was tested; if it does the impossible, too much was.

# %% [markdown]
# > **You should know**
# >
# > *The radius is the mass that moves.* Half of it is.
# >
# > *Robust means pessimistic about rewards.* Nature moves probabilities only.
# > What a disaster costs must be paid by the state that *is* the disaster.
# >
# > *KL and L1 balls are alike.* Relative entropy never makes an impossible step possible; an L1 ball does, unless it is kept on the support.
# >
# > *Robust plans are too timid to be used.* On the wet cliff the price was small; measure it before you decline.
# > Yet a rectangular set is stern: nature may be wrong differently in every state, which one wrong number in the real world cannot be.
# >
# > *The cliff's equation is the one with a noisy action.* It is the *probabilistic* action-robust problem (PR-MDP).
# > In the *noisy* one (NR-MDP) the adversary disturbs every action a little.
# >
# > *The worst case is guaranteed.* Only over the set.
# > The radius is somebody's choice, and outside it nothing is promised.
#
# **Strengths**: an exact guarantee over the set, with a certificate.
# **Limits**: a finite model that is written down, and a radius that someone must defend.
# A robust plan makes harm dearer, not impossible; making it impossible is the subject of [shielding](shielding.ipynb).
#
# **Who is harmed when it fails**: whoever is beside the path, such as a pedestrian where a delivery robot follows the kerb because wet days were rare in its data.
# A radius that is too large harms others: those who get no delivery because no route is safe enough.

# %% [markdown]
# ## How it compares
#
# The textbook way to the worst row is a linear program: a general solver minimises a linear function under linear limits.
# For relative entropy it is a conic program, which allows some curved limits.
# The recorded comparison gave both to established solvers: HiGHS through SciPy, and Clarabel through cvxpy.

# %%
l1 = evidence.results["l1_against_linear_program"]
kl = evidence.results["kl_against_conic_program"]
gain = "times_quicker_per_row"
rows = [[f"L1, {n} states", l1[f"n={n}"][gain]] for n in (10, 50, 200)]
rows += [["relative entropy, 50 states", kl["n=50"][gain]]]
table(["worst row", "times as quick as the program"], rows, digits=0)

# %%
claim(
    f"On {l1['rows']} rows the sort and the linear program agree to 1e-9.",
    l1["largest_difference"] < 1e-9,
)
claim(
    f"On {kl['rows']} rows ours and the conic program agree to 1e-6.",
    kl["largest_difference"] < 1e-6,
)
claim("The sort is over 100 times as quick.", min(r[1] for r in rows[:3]) > 100)

# %% [markdown]
# Per row and at one thread, that is; the conic program's time includes its setting up by cvxpy.
#
# The whole solver stands against sweeps of the equation.
# They may stop by the largest change, as most texts do, or by the *span* of the change, as in [Fault tolerance](fault_tolerance.ipynb).

# %%
solvers = evidence.results["robust_solver_against_sweeps"]
keys = ("ratio_to_sweeps", "ratio_to_centred")
rows = [[name, *(s[k] for k in keys)] for name, s in solvers.items()]
table(["sweeps' time / ours", "largest change", "span"], rows, digits=1)

# %%
random = [s for name, s in solvers.items() if name.startswith("random")]
few, many = (max(s[k] for s in random) for k in ("centred_sweeps", "sweeps"))
claim(
    "Ours is quicker on all four than sweeps stopped by the largest change.",
    min(s["ratio_to_sweeps"] for s in solvers.values()) > 1,
)
claim(
    f"By the span, {few} sweeps instead of {many} do for the random models.",
    few < 20 and many > 1000,
)

# %% [markdown]
# So against sweeps with the right stopping rule our solver gains little or nothing in time.
# What it adds is a closer certificate.

# %%
closest = max(s["certified_gap"] for s in solvers.values())
claim(
    "Asked for 1e-6, it certifies its value to 1e-9 on all four.",
    closest < 1e-9,
)

# %% [markdown]
# Two outside programs print worst cases in their own tests.
# Ours gives the same.

# %%
row, values = [0.4, 0.3, 0.1, 0.2], [1, 2, 5, 4]
craam = [worst_case_l1(row, values, radius).value for radius in (0, 1, 2)]
julia = worst_case_interval([0, 0.1, 0.2], [0.5, 0.6, 0.7], [1, 2, 3]).value
claim(
    "craam2: 2.3, 1.1 and 1.0 at radius 0, 1 and 2.",
    np.allclose(craam, [2.3, 1.1, 1.0], rtol=0, atol=1e-12),
)
claim("IntervalMDP.jl: 1.7.", abs(julia - 1.7) < 1e-12)

# %% [markdown]
# For production: [PRISM](https://www.prismmodelchecker.org) and [IntervalMDP.jl](https://github.com/Zinoex/IntervalMDP.jl) are maintained, and plan with intervals.
# For a set of your own shape, [cvxpy](https://www.cvxpy.org) solves the inner minimum.
# We found no maintained Python package for robust decision processes when this was written; craam2 (C++) rests since 2021.

# %% [markdown]
# ## Exercise 1: where it leaves the edge
#
# *Easy, 10 minutes.*
# At which $\alpha$ does the best path leave the edge of the cliff?
#
# Hint: `walk` gives the rows; halve an interval twelve times.
# A wrong answer often compares the values at the start: they fall smoothly with $\alpha$, and say nothing about the path.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
low, high = 0.0, 0.01
for _ in range(12):
    middle = (low + high) / 2
    plan = action_robust_value_iteration(cliff, middle)
    inland = walk(cliff, plan.policy)[0].min() < 2
    low, high = (low, middle) if inland else (middle, high)
claim(
    f"One lost step in about {1 / high:.0f} is enough (alpha = {high:.4f}).",
    0.001 < low < high < 0.003,
)

# %% [markdown]
# ## Exercise 2: doubtful wear
#
# *Medium, 15 minutes.*
# The machine of [Fault tolerance](fault_tolerance.ipynb) wears with probability $0.15$ per step, or so they say.
# Plan its maintenance with L1 radius $0.2$.
# In how many of the 64 states is something repaired, against how many for the plan that trusts the model?
# What is the price for a new machine?
#
# Hint: action 0 is *run*; state 0 is new.
# A wrong answer often compares the robust worst case with the trusting plan's value in the *model*: that is two changes at once.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
wear = 0.85 * np.eye(4) + 0.15 * np.eye(4, k=1)
wear[-1, -1] = 1.0
voting = redundant_system(wear, 3, [-4, -4, 0.6, 1], 1, 2, discount=0.95)
sure, doubting = policy_iteration(voting), robust_value_iteration(voting, 0.2)
repairs = [int((plan.policy > 0).sum()) for plan in (sure, doubting)]
price = sure.value[0] - policy_value(voting, doubting.policy)[0]
at_worst = robust_policy_value(voting, sure.policy, 0.2).value[0]
gain = doubting.value[0] - at_worst
claim(
    f"It repairs in {repairs[1]} states instead of {repairs[0]}: earlier.",
    repairs[1] > repairs[0],
)
claim(
    f"That costs {price:.2f} if the model is right, "
    f"and gains {gain:.2f} in the worst case.",
    0 < price < gain,
)

# %% [markdown]
# ## Exercise 3: a radius that can be defended
#
# *Hard, 20 minutes.*
# Draw $m = 1000$ next states for each of the 12 state-action pairs of `river_swim(6, 0.95)`, and estimate the model.
# With probability at least $1 - \delta$ all estimated rows lie within
#
# $$\kappa = \sqrt{\tfrac{2}{m} \ln \tfrac{12\,(2^6 - 2)}{\delta}}$$
#
# of the true ones {cite}`weissman2003`.
# Take $\delta = 0.05$ and twenty seeds.
# How often does the ordinary plan's value in the estimated model exceed its true value, and how often does the robust one's?
#
# Hint: `rng.multinomial(m, rows)`.
# A wrong answer keeps to the support: here the *support itself* was estimated, and a step that was never drawn may still exist, so `anywhere=True` is right.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
river, m = river_swim(6, discount=0.95), 1000
radius = np.sqrt(2 / m * np.log(12 * (2**6 - 2) / 0.05))
promised = np.zeros((20, 2), dtype=bool)  # seeds; ordinary, robust
for seed in range(20):
    drawn = np.random.default_rng(seed).multinomial(m, river.rows.toarray())
    estimate = MDP(drawn.reshape(6, 2, 6) / m, river.reward, 0.95)
    ordinary = policy_iteration(estimate)
    careful = robust_value_iteration(estimate, radius, anywhere=True)
    for column, plan in enumerate((ordinary, careful)):
        truth = policy_value(river, plan.policy)[0]
        promised[seed, column] = plan.value[0] > truth + 1e-9
too_much = promised.sum(axis=0)
claim(
    f"The ordinary plan promised too much in {too_much[0]} of 20 seeds, "
    f"the robust one in {too_much[1]}.",
    too_much[0] >= 5 and too_much[1] == 0,
)

# %% [markdown]
# ## References
#
# Robust decision processes: {cite:t}`iyengar2005`, {cite:t}`nilim2005`; other sets and their cost: {cite:t}`wiesemann2013`.
# Intervals: {cite:t}`givan2000`; L1 sets: {cite:t}`strehl2008`, {cite:t}`weissman2003`; relative entropy: {cite:t}`hu2013`.
# The solver: {cite:t}`hoffman1966`.
# The adversary: {cite:t}`tessler2019`; the cliff: {cite:t}`sutton2018`.
