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
# # Constrained reinforcement learning
#
# PPO-Lagrangian with a damped multiplier: an agent that learns to keep a limit, measured against the exact optimum.
#
# On 25 April 2025 OpenAI released a version of GPT-4o that flattered its users, validated their doubts and fuelled their anger, and three days later it began to take it back.
# One of the causes that it named was a new reward made from users' thumbs, which together with other changes weakened the primary reward that had kept such flattery in check {cite}`openai2025sycophancy`.
#
# **How does an agent learn to keep a limit that nobody has turned into a price?**
#
# You need the answer when you train with several rewards at once: in a sum each newcomer shifts the weight of all the others, while a limit stays where you put it.
# Language models are trained in this way, with helpfulness as the reward and a limit on harm {cite}`dai2024`.
# This page shows how the limit finds its price by itself, why the price then runs in circles, and what lets it settle.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | train an agent within a limit, damp the multiplier, and judge the result by how often and how far the limit was broken |
# | You need | NumPy, Matplotlib, SciPy, PyTorch; limits, occupancies and multipliers from [The constrained optimum](constrained_optimum.ipynb); PPO and advantages from [Policy gradients](policy_gradient.ipynb) |
# | Time | 25 minutes to read, 30 for the exercises |
# | Code | `companion.value_alignment.constrained_reinforcement_learning` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from scipy.special import softmax

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.mdp import MDP, action_values, occupancy, policy_iteration, policy_value
from companion.value_alignment.constrained_optimum import (
    constrained_optimum,
    deterministic_mixture,
    hazard_grid,
    penalised,
)
from companion.value_alignment.constrained_reinforcement_learning import (
    CostVectorEnv,
    DampedMultiplier,
    lagrangian_iteration,
    ppo_lagrangian,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A robot earns 1 for a parcel and pays 1 for each step from a hazard, both discounted; this is the grid of [The constrained optimum](constrained_optimum.ipynb), and the cost may be one half.
# The robot climbs its reward minus a price times its cost.
# The price rises while the limit is broken and falls while it is kept.
#
# **Guess before you look**: where do the two of them come to rest?

# %% mystnb={"figure": {"caption": "A policy and the price of its cost, each answering the other with exact values, over 1000 steps. Left: cost and price. Right: cost and reward; the dashed line is what the best policies earn within each limit, and the diamond is the average of all undamped policies. In both panels the star is the optimum within the limit one half.", "name": "fig-constrained-reinforcement-learning"}, "image": {"alt": "Left: in the plane of cost and price the undamped path runs round and round a loop about the point of cost 0.5 and price 0.18, and the damped path spirals into that point. Right: in the plane of cost and reward both paths come from below, at cost 0.7; the undamped one then swings to and fro along the dashed line between cost 0.2 and 0.8, the damped one ends in the star at cost 0.5, and the diamond lies close to the star."}} tags=["hide-input"]
mdp, cost, start = hazard_grid()
star = constrained_optimum(mdp, cost, 0.5, start)
limits = np.linspace(0, 1, 51)
best = [constrained_optimum(mdp, cost, d, start).value for d in limits]
rates = {"policy_rate": 1.0, "dual_rate": 0.05, "steps": 1000}
wild = lagrangian_iteration(mdp, cost, 0.5, start, **rates)
calm = lagrangian_iteration(mdp, cost, 0.5, start, damping=0.2, **rates)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for path, colour, name in ((wild, "orange", "undamped"), (calm, "blue", "damped")):
    style = {"color": COLOURS[colour], "label": name, "linewidth": 1.2}
    left.plot(path.cost, path.multiplier, **style)
    right.plot(path.cost, path.value, **style)
left.plot(0.5, star.multiplier, "*", color=COLOURS["red"], markersize=12)
left.set(xlabel="discounted cost", ylabel="price", xlim=(0, 1.2))
left.set_title("Cost and price")
right.plot(limits, best, "--", color=COLOURS["grey"], linewidth=1)
mean = wild.cost.mean(), wild.value.mean()
right.plot(*mean, "D", color=COLOURS["black"], label="undamped, averaged")
right.plot(star.cost, star.value, "*", color=COLOURS["red"], markersize=12)
right.set(xlabel="discounted cost", ylabel="discounted reward")
right.set(xlim=(0, 1.2), ylim=(0.62, 0.84))
right.set_title("Cost and reward")
right.legend(loc="upper left")
plt.show()

# %% [markdown]
# Without damping they run in circles, so the last policy depends on when you stop.
# With damping they settle on the exact optimum, the star.
# Look at the diamond, too, because it is what most accounts leave out: the *average* of the undamped policies is close to the optimum all the same.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
averaged = occupancy(mdp, wild.average, start)
claim(
    "The undamped policies still swing by more than 0.3 in cost, the damped ones by "
    "less than 0.001 and at the exact price and reward; the average occupancy of the "
    "undamped ones costs one half to 5 %.",
    bool(
        np.ptp(wild.cost[-200:]) > 0.3
        and np.ptp(calm.cost[-200:]) < 1e-3
        and abs(calm.value[-1] - star.value) < 0.005 * star.value
        and abs(calm.multiplier[-1] - star.multiplier) < 0.01
        and abs((averaged * cost).sum() - 0.5) < 0.025
    ),
    over="the last 200 of the 1000 plotted steps, and all of them for the average",
)

# %% [markdown]
# ## The idea on two numbers: integral and proportional control
#
# Let $x$ be the share of mornings on which you take a short, risky way that is worth $0.6$ more than the long one, and let the risk be limited to $x \le 0.25$.
# At the price $\lambda$ for the risk you lean towards the short way while $\lambda < 0.6$, and the price goes up while $x > 0.25$:
#
# $$x \leftarrow x + \tfrac12\,(0.6 - \lambda), \qquad \lambda \leftarrow \lambda + \tfrac12\,(x - 0.25).$$
#
# Start with $x = 0.45$ and $\lambda = 0.6$, and let both move at once.
# Nothing pushes $x$ yet, but the price rises to $0.7$.
# Then $x$ falls to $0.40$ while the price goes on to $0.8$; then $x$ falls to $0.30$, and the price still rises, because that is still too much.
# When $x$ passes its limit the price is at $0.9$, its highest, and pushes $x$ straight through.
#
# **Damping** answers the excess of *this* morning as well, with $u = \lambda + \kappa\,(x - 0.25)$, and you lean by $0.6 - u$.
# Then the price falls as soon as $x$ does.


# %%
def mornings(kappa, rounds=40):
    x, lam, path = 0.45, 0.6, []
    for _ in range(rounds):
        path.append(x)
        u = lam + kappa * (x - 0.25)
        lam = max(0.0, lam + 0.5 * (x - 0.25))
        x = min(1.0, max(0.0, x + 0.5 * (0.6 - u)))
    return np.array(path)


rows = [[n, mornings(0)[n], mornings(1)[n]] for n in (0, 1, 2, 4, 8, 12, 24, 39)]
table(["morning", "undamped share", "damped share"], rows, digits=3)

# %% [markdown]
# In steps of this size the undamped pair even spirals outwards, until the share is nothing or everything.
# An engineer would say that a multiplier is *integral* control, which adds up what has been exceeded so far, and that damping adds the *proportional* part {cite}`stooke2020`; optimisers have known the remedy for long {cite}`platt1987`.
#
# ## The equation: the Lagrangian iteration
#
# Write $J_r$ and $J_c$ for the discounted reward and cost of a policy, $d$ for the limit, and $e = J_c - d$ for the excess.
# Policy and price play for the same number, one upwards and one downwards:
#
# $$\max_\pi \min_{\lambda \ge 0}\; J_r(\pi) - \lambda\,\big(J_c(\pi) - d\big).$$
#
# The price steps by $\eta\, e$ and is damped by $\kappa\, e$; neither price nor multiplier may be negative.
# The policy multiplies its probabilities by $e^{\alpha q}$, where $q$ are its action values for the reward $r - u\, c$; this is a natural policy gradient {cite}`ding2020`.


# %%
def play(alpha, eta, kappa, steps, limit=0.5):
    logits, lam, spent = np.zeros(mdp.reward.shape), 0.0, []
    for _ in range(steps):
        policy = softmax(logits, axis=1)
        spent.append((occupancy(mdp, policy, start) * cost).sum())
        u = max(0, lam + kappa * (spent[-1] - limit))
        lam = max(0, lam + eta * (spent[-1] - limit))
        priced = penalised(mdp, cost, u)
        logits += alpha * action_values(priced, policy_value(priced, policy))
    return spent


np.testing.assert_allclose(play(1.0, 0.05, 0.2, 50), calm.cost[:50], atol=1e-9)

# %% [markdown]
# In the package the two lines of the price are a small class of their own, so that the exact game and the learning agent use the same.

# %%
show_source(DampedMultiplier)

# %% [markdown]
# ## When damping helps, and when the average does
#
# Is the step size to blame for the circles?
# Here is the game for six of them, equally for both kinds, and with a second kind of player: one who answers each price with the *best* policy instead of a small step.
# Shown is how far the cost still swings over the last 100 of 1000 steps, and the mean cost of all.

# %%
evidence = recorded("value_alignment/constrained_reinforcement_learning")
games = evidence.results["iteration"]


def swing(answer, damping):
    found = [g for g in games if (g["answer"], g["damping"]) == (answer, damping)]
    return [[g["most of the last 100"] - g["least of the last 100"], g] for g in found]


kinds = [
    ("gradient", 0.0),
    ("gradient", 0.2),
    ("best answer", 0.0),
    ("best answer", 0.2),
]
columns = [swing(*kind) for kind in kinds]
rows = [[c[0][1]["rate"], *(f"{s:.3f}" for s, _ in c)] for c in zip(*columns)]
names = "step, undamped", "step, damped", "best, undamped", "best, damped"
table(["rate η", *names], rows)

# %%
rows = [
    [c[0][1]["rate"], *(f"{g['average cost']:.2f}" for _, g in c)]
    for c in zip(*columns)
]
table(["mean cost at η", *names], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
gaps = {kind: [s for s, _ in column] for kind, column in zip(kinds, columns)}
claim(
    "Damped steps settle to 0.001 unless the multiplier is quicker than the damping "
    "can follow; undamped ones swing by more than 0.1 at every rate, and best answers "
    "by more than a half, damped or not.",
    bool(
        max(gaps[kinds[1]][:-1]) < 0.001
        and min(gaps[kinds[0]]) > 0.1
        and min(gaps[kinds[2]] + gaps[kinds[3]]) > 0.5
    ),
    over="η from 0.005 to 0.2 with κ = 0.2, recorded; damped steps up to 0.1",
)

# %% [markdown]
# At the smallest rate the undamped circle takes longer than the last 100 steps, so you see a part of it; at the largest one the damping $\kappa = 0.2$ is too weak.
#
# The second kind cannot settle, whatever you do: at the right price the short way and the long way are both best, and a best answer is always one of the two.
# Its average is fine all the same.
# So keep two remedies apart: *damp*, and you may use the last policy, or *average*, and then you must also use the average, by drawing one of the policies per episode.
#
# ## A standard environment: PPO-Lagrangian on samples
#
# Now nobody tells the agent the probabilities.
# It walks in 128 copies of the grid, as a Gymnasium vector environment that reports each step's cost beside its reward.
#
# PPO-Lagrangian {cite}`ray2019` changes three things in [PPO](policy_gradient.ipynb).
# The critic predicts reward *and* cost.
# The price $u$ answers an estimate of $J_c$: the mean discounted cost of the episodes that began in the last rollout.
# And the policy climbs the combined advantage
#
# $$A = \frac{A^r - u\, A^c}{1 + u},$$
#
# whose denominator keeps the steps at their size when the price is high.

# %%
env = CostVectorEnv(mdp, np.eye(25), 128, horizon=100, start=start, cost=cost)
price = DampedMultiplier(limit=0.5, rate=0.05, damping=1.0)
agent = ppo_lagrangian(env, 0.95, price, seed=0, steps=128 * 32 * 150)

# %% [markdown]
# Because the grid is small, you can value the policy exactly.
# Note that it is the *softmax* of the network's outputs: the agent has to toss its coin.

# %%
with torch.no_grad():
    logits = agent(torch.eye(25)).double().numpy()


def judge(policy):
    d = occupancy(mdp, policy, start)
    return np.array([(d * mdp.reward).sum(), (d * cost).sum()])


value, spent = judge(softmax(logits, axis=1))

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
results = evidence.results
damped = results["agents"]["damped"][results["rates"].index(0.05)]
last = np.array([*damped["last"], [value, spent]])
error = np.abs(last / [star.value, 0.5] - 1)
claim(
    "The last policy earns what the exact optimum earns to 1 %, and costs the limit to "
    "10 %.",
    bool((error < [0.01, 0.1]).all()),
    over=f"{results['seeds']} seeds, recorded, the first of them live on this page",
)

# %%
show_source(ppo_lagrangian)

# %% [markdown]
# "To 10 %" is kind, because an agent that is above the limit by 10 % has broken it.
# Therefore ask for more: how often was it above, and how far?


# %%
def report(name, agents):
    final, mean30 = (np.array(agents[k]) for k in ("last", "average of the last 30"))
    return [
        name,
        f"{final[:, 1].min():.2f} to {final[:, 1].max():.2f}",
        f"{mean30[:, 1].min():.2f} to {mean30[:, 1].max():.2f}",
        f"{np.mean(agents['above the limit']):.0%}",
        f"{max(agents['largest of the last 30']) - 0.5:+.2f}",
    ]


header = ["", "last", "mean of last 30", "above", "largest excess"]
rows = [
    report(f"{kind}, η = {rate}", run)
    for kind in ("damped", "undamped", "Adam")
    for rate, run in zip(results["rates"], results["agents"][kind])
]
table(header, rows)

# %% [markdown]
# Each line is five seeds; *last* and *mean* are costs, from the best to the worst seed, and *above* is the share of the last thirty policies over the limit.
# A damped agent is above it about half of the time, by a little.
# That is what aiming *at* a limit means; whoever must stay below aims lower.
#
# An undamped agent does worse than the circles above let you expect.
# The figure shows it: it flips from one side of the limit to the other, and stays on each for long, much like the player with the best answers.
# Most likely its policy has become nearly certain there, so that the price has to move far before the other way is tried at all.
# The damped price holds it near the limit, where both ways are tried all the time.
# Towards the end everything grows calm, because the learning rate falls to zero: the damped agents are near the limit by then, and the undamped ones stay where they happen to be.

# %% mystnb={"figure": {"caption": "The exact cost of PPO-Lagrangian's policy while it learns, at the same dual step size, five recorded seeds each; the dotted line is the limit.", "name": "fig-ppo-lagrangian"}, "image": {"alt": "Two panels of cost against rollouts from 0 to 150. Left, damped: five lines fall from near 2 and come together at one half. Right, undamped: all lines fall to 0.05 within 25 rollouts, stay there, flip to 0.9 one after another from rollout 60 on, and some of them flip back."}} tags=["hide-input"]
fig, panels = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
for axes, kind in zip(panels, ("damped", "undamped")):
    paths = np.array(results["agents"][kind][0]["path"])[:, :, 1]
    colour = COLOURS["blue" if kind == "damped" else "orange"]
    axes.plot(np.arange(paths.shape[1]) * 2, paths.T, color=colour, linewidth=1)
    axes.axhline(0.5, color=COLOURS["red"], linestyle=":")
    axes.set(xlabel="rollouts", title=kind)
panels[0].set_ylabel("discounted cost")
plt.show()

# %% [markdown]
# ## Break it: a fixed weight at the same budget
#
# Would a search over penalties have done as well?
# Five weights share the samples that one PPO-Lagrangian run gets; and, beside them, one full run is told the exact multiplier and keeps it.

# %%
grid = results["weights"]
rows = [
    report(f"weight {w}, a fifth of the budget", run)
    for w, run in zip(grid["weights"], grid["agents"])
]
(told,) = results["agents"]["exact price, fixed"]
rows.append(report("the exact multiplier, kept", told))
table(header, rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
fixed = np.concatenate([np.array(run["last"])[:, 1] for run in grid["agents"]])
claim(
    "None of the fixed weights ends within 10 % of the limit; the right multiplier, "
    "kept fixed, does not either.",
    bool((np.abs(np.append(fixed, np.array(told["last"])[:, 1]) - 0.5) > 0.05).all()),
    over="five weights and the exact multiplier, five seeds each, recorded",
)

# %% [markdown]
# At the right price every mixture of the two ways is equally good to the agent, so nothing holds it at the limit.
# What makes the limit hold is that the price *moves*.
#
# ## Break it: Adam on the multiplier
#
# Many programs hand the multiplier to Adam, as if it were one more weight of the network.
# Adam divides each step by the recent size of the gradient, so that the price moves about equally fast whether the limit is exceeded by a little or by much, and keeps its speed exactly where it should slow down.
# The last line of the first table is Adam's, without damping.
# At this rate it is no cure: its agents end far from the limit, on one side or the other.
#
# > **Often believed, and wrong**
# >
# > "A Lagrangian method converges to the constrained optimum."
# > **In small steps its average does; its last policy may circle**, as on this page, unless something damps it. Ask which of the two a proof is about, and which one you deploy.
# >
# > "Damping cures every oscillation."
# > **Not that of a player who answers with the best policy.** Damping needs a policy that moves in small steps.
# >
# > "The agent keeps the limit, as the average cost shows."
# > **An average at the limit is above it half of the time.** Print the share above, the largest excess and the worst seed.
# >
# > "Once the multiplier is known, it can replace the limit."
# > **At the right price both sides of the limit are equally good**, and the agent may end on either.
#
# **Strengths**: the limit is said in its own unit, the price finds itself, and all that it adds to PPO is a second output of the critic and one number.
#
# **Limits**: the limit is broken *while* the agent learns; it holds for the mean over episodes only; and the price is as good as the estimate of the cost.
# Where harm must not happen even once, put a [shield](../robustness/shielding.ipynb) around the learner.
#
# **Who is harmed when it fails**: patients on whom a dosing agent learns. Its report says that the rate of side effects was 5 % on average, as allowed, and does not say that it was 20 % every other month.
#
# **In production** use OmniSafe's PPO-Lagrangian or its PID variant, and look at which discount its cost limit means.

# %% [markdown]
# ## Check yourself
#
# **1.** A bank's filter blocks payments, and wrongly blocked ones are limited. It was trained with a multiplier and no damping, and the mean over all policies of the training is exactly at the limit. The last policy goes live. What do you know about it?
#
# <details><summary>It is at the limit, because the mean has converged.</summary>
#
# **Not so.** The mean of `wild.cost` was near the limit while its last two hundred policies still swung from one side to the other.
#
# </details>
#
# <details><summary>Nothing yet; it may lie far to either side.</summary>
#
# **Right.** A circle has its mean in the middle and none of its points there, so only the mixture of all policies is known to keep the limit.
#
# </details>
#
# <details><summary>It is better than the mean, because it learnt longest.</summary>
#
# **Not so.** The undamped agents of `results["agents"]` ended far below the limit with one seed and far above it with another.
#
# </details>
#
# **2.** Every night a traffic planner computes the *best* plan for the present price of noise, and then the price moves. The plan flips between two, although the price is almost right. What brings the noise to its limit?
#
# <details><summary>Each night, draw one of the plans used so far.</summary>
#
# **Right.** The average over the plans is near the limit, because the price makes both kinds come up as often as is needed; to draw is to use that average.
#
# </details>
#
# <details><summary>Damping the price, so that it reacts to tonight's excess.</summary>
#
# **Not so.** In the column `"best, damped"` the cost swings as widely as without damping, at every rate that was tried.
#
# </details>
#
# <details><summary>A slower price, so that it comes to rest in between.</summary>
#
# **Not so.** In the table from `swing` the best answers jump by more than a half at the smallest rate, too: at the right price one of two plans is best, and none between them.
#
# </details>
#
# **3.** A damped agent was above its limit in half of its last checks, each time by very little. Your contract says that the mean must stay below. What do you change?
#
# <details><summary>Let the price move faster, so that it punishes sooner.</summary>
#
# **Not so.** In the row of `report` with the quicker damped price the agent is above the limit nearly as often, and its largest excess is larger.
#
# </details>
#
# <details><summary>Train it longer, so that the last excess goes, too.</summary>
#
# **Not so.** `calm` came to rest at the limit itself, without a margin, and with samples about half of the last policies in `report` were above.
#
# </details>
#
# <details><summary>Train it for a limit that lies below the one agreed.</summary>
#
# **Right.** It settles around whatever it aims at, a little above and a little below, so the margin has to be in the aim.
#
# </details>

# %% [markdown]
# ## Exercise 1: the price
#
# *Easy, 10 minutes.*
# Given the costs that were seen one after the other, return the prices $u$ that were asked, as a list.
# The multiplier starts at zero, and neither it nor the price may fall below zero.
#
# Hint: the price uses the multiplier *before* its step.


# %% tags=["exercise"]
def prices(costs, limit, rate, damping):
    """The price asked after each cost."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def slipped(costs, stop_multiplier=True, stop_price=True, early=False, sign=1):
    lam, asked = 0.0, []
    for c in costs:
        e = sign * (c - 0.5)
        after = max(0.0, lam + 0.1 * e) if stop_multiplier else lam + 0.1 * e
        u = (after if early else lam) + 0.2 * e
        asked.append(max(0.0, u) if stop_price else u)
        lam = after
    return asked


def check_prices(attempt):
    costs = [1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0]
    fell = slipped(costs, stop_multiplier=False)
    mistakes = {
        "The multiplier fell below zero; then it has to climb back first.": fell,
        "A price below zero pays for harm.": slipped(costs, stop_price=False),
        "You moved the multiplier before you asked.": slipped(costs, early=True),
        "Your price rises where the limit is kept.": slipped(costs, sign=-1),
    }
    check_answer(attempt(costs, 0.5, 0.1, 0.2), slipped(costs), mistakes)


check_prices(prices)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def prices_solution(costs, limit, rate, damping):
    lam, asked = 0.0, []
    for c in costs:
        asked.append(max(0.0, lam + damping * (c - limit)))
        lam = max(0.0, lam + rate * (c - limit))
    return asked


check_prices(prices_solution)
# Why: the multiplier remembers, and the damping answers now. A multiplier that was let
# below zero would leave the limit open until it had climbed back.

# %% [markdown]
# ## Exercise 2: the wrong discount
#
# *Medium, 20 minutes.*
# Some programs compare the *undiscounted* cost of an episode with the limit, although the agent learns from discounted costs.
# Suppose that such a program settles on a mixture of the two policies without coins that make up the optimum, `parts`, of which it draws the first with probability $w$, such that the undiscounted cost is one half.
# Return the discounted cost that it really ends with.
#
# Hint: `undiscounted` below is the same world with a discount so near to 1 that it makes no difference; every walk ends. Mixtures are linear.

# %%
weights, parts = deterministic_mixture(mdp, star.policy, start)
undiscounted = MDP(mdp.transition, mdp.reward, 1 - 1e-9)


# %% tags=["exercise"]
def really_spent(parts):
    """Discounted cost of the mixture whose undiscounted cost is one half."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_really_spent(attempt):
    with_discount, without = (
        np.array([(occupancy(m, part, start) * cost).sum() for part in parts])
        for m in (mdp, undiscounted)
    )
    share = (without[1] - 0.5) / (without[1] - without[0])
    right = share * with_discount[0] + (1 - share) * with_discount[1]
    mistakes = {
        "That is what the program believes.": 0.5,
        "You mixed with the weights of the discounted optimum; the program does not "
        "know them.": weights @ without,
        "You exchanged the two shares.": (1 - share) * with_discount[0]
        + share * with_discount[1],
    }
    check_answer(attempt(parts), right, mistakes, tolerance=1e-4)


check_really_spent(really_spent)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def really_spent_solution(parts):
    def spent(world):
        return [(occupancy(world, part, start) * cost).sum() for part in parts]

    (a, b), (c, d) = spent(undiscounted), spent(mdp)
    w = (b - 0.5) / (b - a)
    return w * c + (1 - w) * d


check_really_spent(really_spent_solution)
# Why: hazards come a few steps after the start, so their discounted cost is smaller.
# The program spends less than it may and loses reward; say which cost a limit means.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
Markdown(
    "The book's agent is less able than OmniSafe's: one algorithm, one limit, discrete "
    "actions, no runs saved. OmniSafe could not be installed beside this book, because "
    "it pins old versions of other libraries, so the two were not compared on "
    "the same work; what stands in its place is the exact optimum: over "
    f"{results['seeds']} seeds the reward misses it by at most "
    f"{error[:-1, 0].max():.1%} and the cost the limit by at most {error[:-1, 1].max():.0%}."
)

# %% tags=["hide-output"]
rows = [
    [f"{kind}, η = {rate}", *np.round(np.mean(run["last"], axis=0), 3)]
    for kind in ("damped", "undamped", "Adam")
    for rate, run in zip(results["rates"], results["agents"][kind])
]
table(["price, mean of 5 seeds", "reward", "cost"], rows, digits=3)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Value-Based Design**: Designing AI systems to incorporate human values and principles into their decision-making processes.
#
# A principle is a limit more often than a reward.
# The source's listing for deep reinforcement learning has neither, as [Listing 1, run and repaired](../source_listing_1.ipynb) shows.
#
# ## References
#
# PPO-Lagrangian: {cite:t}`ray2019`; the price as a controller: {cite:t}`stooke2020`; damping in constrained optimisation: {cite:t}`platt1987`.
# The natural gradient against the price: {cite:t}`ding2020`; the theory of the game: {cite:t}`altman1999`.
# A limit on harm in language models: {cite:t}`dai2024`; what happened: {cite:t}`openai2025sycophancy`.
