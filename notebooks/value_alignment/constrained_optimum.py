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
# # The constrained optimum
#
# Constrained Markov decision processes: a limit instead of a weight, solved exactly by linear programming, with the Lagrange multiplier as the price of the limit.
#
# In 2022 Tesla recalled 53,822 cars, because their driving software was designed to roll through all-way stops at up to 5.6 miles an hour where seven conditions were met, among them that no car and no pedestrian was detected near {cite}`nhtsa2022`.
# The rule at such a sign knows no conditions: it is a limit, and the limit is zero.
#
# **How do you give an agent a limit instead of a price?**
#
# You need the answer whenever your system must not do something too often: fall, call a human, answer what it should refuse.
# The usual way is a penalty in the reward, and then somebody has to guess how large.
# This page shows what no penalty can say, and computes the best policy within a limit exactly, so that you know what a learner should reach.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | find the best policy within a limit, read off what the limit costs, and say why it tosses a coin, in which state, and when it must be tossed |
# | You need | NumPy, Matplotlib, SciPy; states, actions, rewards, policies and a discount, as in any introduction to reinforcement learning; that a linear program maximises a linear function under linear inequalities |
# | Time | 25 minutes to read, 30 for the exercises |
# | Code | `companion.value_alignment.constrained_optimum` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.optimize import linprog

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.mdp import MDP, occupancy, policy_iteration
from companion.problems import slippery_cliff
from companion.value_alignment.constrained_optimum import (
    constrained_optimum,
    deterministic_mixture,
    dual_value,
    hazard_grid,
    penalised,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A robot carries a parcel from S to G on slippery ground: one step in ten goes to the side.
# Delivering pays 1, and the later it happens the less, by the discount 0.95 per step.
# Every step that it takes from a hazard H costs 1, discounted likewise.
#
# Somebody wants the cost to be one half at most, and tries 201 penalties per hazard, from 0 to 1.
#
# **Guess before you look**: for how many of them does the best policy's cost lie between 0.1 and 0.85?

# %% mystnb={"figure": {"caption": "Left: the grid; the short way crosses a hazard, H, and the long way (dashed) goes around all three. Right: what policies spend and earn. Dots are the best policies for 201 penalties, the line is the best reward within each limit, and the star is the best within the limit one half.", "name": "fig-constrained-optimum"}, "image": {"alt": "Left: a grid of five by five cells with S on the left and G on the right in the fourth row and a column of three hazards between them; a line goes straight through, a dashed one around the top of the hazards. Right: reward against cost. The dots lie in two groups, at costs up to 0.09 and from 0.9 on. A straight line joins the two groups, and the star lies on it above cost one half."}} tags=["hide-input"]
mdp, cost, start = hazard_grid()


def sums(policy, mdp=mdp, cost=cost, start=start):
    d = occupancy(mdp, policy, start)
    return (d * cost).sum(), (d * mdp.reward).sum()


penalties = np.linspace(0, 1, 201)
dots = np.array(
    [sums(policy_iteration(penalised(mdp, cost, w)).policy) for w in penalties]
)
limits = np.linspace(0, 1.1, 56)
line = [constrained_optimum(mdp, cost, d, start).value for d in limits]
star = constrained_optimum(mdp, cost, 0.5, start)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
left.set(xlim=(-0.5, 4.5), ylim=(4.5, -0.5), aspect="equal")
left.set_xticks(np.arange(6) - 0.5, [""] * 6)
left.set_yticks(np.arange(6) - 0.5, [""] * 6)
for s, name in {15: "S", 19: "G", 12: "H", 17: "H", 22: "H"}.items():
    colour = COLOURS["red" if name == "H" else "black"]
    left.text(s % 5, s // 5, name, ha="center", va="center", color=colour)
short, long = [(0.2, 3.25), (3.8, 3.25)], [(0, 2.8), (0, 1), (4, 1), (4, 2.8)]
left.plot(*np.array(short).T, color=COLOURS["orange"])
left.plot(*np.array(long).T, "--", color=COLOURS["blue"])
left.grid(color="#999999", alpha=1)
left.set_title("Through, or around")
right.plot(limits, line, color=COLOURS["grey"], label="best within a limit")
right.plot(*dots.T, "o", color=COLOURS["blue"], label="best for a penalty")
right.axvline(0.5, color=COLOURS["red"], linestyle=":", label="the limit")
right.plot(
    star.cost, star.value, "*", color=COLOURS["red"], markersize=14, label="optimum"
)
right.set(xlabel="discounted cost", ylabel="discounted reward")
right.set_title("What a penalty cannot reach")
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# Not one of them.
# As the penalty grows the policy jumps from the short way to the long way, and the whole stretch between is out of reach, although the star shows that you can have it.


# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
def jump(mdp, cost, limit, start, optimum):
    """Costs of the two policies that one price makes best, both of them."""
    _, pair = deterministic_mixture(mdp, optimum.policy, start)
    price = optimum.multiplier
    spent, earned = np.array([sums(p, mdp, cost, start) for p in pair]).T
    best = dual_value(mdp, cost, limit, price, start) - price * limit
    np.testing.assert_allclose(earned - price * spent, best, rtol=1e-9)
    return sorted(spent)


less, more = jump(mdp, cost, 0.5, start, star)
claim(
    "No penalty singles out a policy that costs between 0.1 and 0.85, and the optimum "
    "within the limit spends one half.",
    bool(
        not ((dots[:, 0] > 0.1) & (dots[:, 0] < 0.85)).any()
        and less < 0.1
        and more > 0.85
        and abs(star.cost - 0.5) < 1e-9
    ),
    over="the 201 plotted penalties, and all others by theorem: the cost never rises with the penalty, and one penalty makes both ends of the gap best",
)

# %% [markdown]
# ## The idea on one crossing
#
# Every morning you may take the short way, which earns $1$ and costs one unit of risk, or the long way, which earns $0.4$ and costs nothing.
# Over many mornings the risk may be $1/4$ per day.
#
# With a penalty $w$ the short way is worth $1 - w$, so you take it every morning if $w < 0.6$ and never if $w > 0.6$.
# At exactly $0.6$ both are worth $0.4$, and so is every **mixture** of them: the penalty does not tell you which to choose.
#
# The limit does.
# Take the short way one morning in four, and you earn $0.4 + \tfrac14 \cdot 0.6 = 0.55$.
# One more unit of risk would earn you $0.6$ more, and that is the *price* of the limit: the very number at which the penalty tips.

# %%
crossing = MDP([[[1.0], [1.0]]], [[0.4, 1.0]], discount=0)
morning = constrained_optimum(crossing, cost=[[0, 1]], limit=0.25, start=[1])
rows = [
    ["mornings on the long way", morning.policy[0, 0]],
    ["mornings on the short way", morning.policy[0, 1]],
    ["reward", morning.value],
    ["price of the limit", morning.multiplier],
]
table(["", "optimum"], rows, digits=2)

# %% [markdown]
# ## The equation: a linear program over occupancies
#
# Let $d(s, a)$ be how often a policy does $a$ in $s$, each visit weighted by the discount of its time; this is its **occupancy**.
# Reward and cost are then plain sums, $\sum d(s, a)\, r(s, a)$ and $\sum d(s, a)\, c(s, a)$.
#
# Which $d$ are possible?
# Those in which every state is left as often as it is entered.
# With $\mu$ for the distribution of the first state, $P$ for the transition probabilities and $\gamma$ for the discount,
#
# $$\sum_a d(s', a) = \mu(s') + \gamma \sum_{s, a} P(s' \mid s, a)\, d(s, a), \qquad d \ge 0.$$
#
# All of this is linear, and the limit $\sum d(s, a)\, c(s, a) \le d_{\max}$ is one more line.
# So the best policy within a limit is a linear program {cite}`kallenberg1983,altman1999`, and you read the policy off it: $\pi(a \mid s)$ is proportional to $d(s, a)$.


# %%
def best_within(mdp, cost, limit, start):
    S, A = mdp.reward.shape
    leave = np.eye(S).repeat(A, axis=0)  # row (s, a) stands in s
    enter = mdp.discount * mdp.transition.reshape(S * A, S)
    answer = linprog(
        -mdp.reward.ravel(),  # linprog minimises
        A_ub=cost.reshape(1, -1),
        b_ub=[limit],
        A_eq=(leave - enter).T,
        b_eq=start,
    )
    return answer.x.reshape(S, A), -answer.ineqlin.marginals[0]


visits, price = best_within(mdp, cost, 0.5, start)
np.testing.assert_allclose((visits * mdp.reward).sum(), star.value, atol=1e-6)
np.testing.assert_allclose(price, star.multiplier, atol=1e-6)

# %% [markdown]
# The package's function does the same for several limits at once, measures rewards and costs in their own units, because the solver's tolerance is absolute, and returns a bound that nothing within the limit exceeds.

# %%
show_source(constrained_optimum)

# %% [markdown]
# ## Why one coin: a vertex of the program
#
# A linear program has a solution in a vertex, a corner of what its lines allow, and a vertex has no more positive entries than the program has lines: one for each of the $S$ states and one for the limit.
# Every state that is visited needs a positive entry of its own, so one is left over at most.
# The policy tosses a coin **in one state at most**, and with $K$ limits in $K$ states.

# %%
actions = ["up", "right", "down", "left"]
coins = np.flatnonzero((star.policy > 0).sum(axis=1) > 1)
rows = [[f"state {s}", *star.policy[s]] for s in coins]
table(["where a coin is tossed", *actions], rows, digits=3)

# %% [markdown]
# State 15 is the start S, so the robot decides there whether it goes up and around or straight on.
# If it slips and is back at the start, it tosses again.
#
# No coin at all is needed where the limit is exactly what the best policy for some penalty spends, or where the limit does not bind.
#
# ## The multiplier: what one more unit of cost is worth
#
# Suppose that each unit of cost has a price $\lambda \ge 0$, and that the whole limit at this price, $\lambda\, d_{\max}$, is paid to you in advance.
# The best that you can then do is the **dual function**
#
# $$g(\lambda) = \max_\pi\; J_r(\pi) - \lambda\,\big(J_c(\pi) - d_{\max}\big),$$
#
# with $J_r$ and $J_c$ for the discounted reward and cost of a policy.
# For a policy within the limit the bracket is not positive, so it earns $J_r$ or more: every $g(\lambda)$ is an upper bound on what the limit allows.
# The least of these bounds is reached, and the price where it is reached is the **Lagrange multiplier** $\lambda^*$.

# %%
prices = star.multiplier * np.array([0, 0.5, 0.9, 1, 1.1, 2])
rows = [[p, dual_value(mdp, cost, 0.5, p, start)] for p in prices]
rows.append(["optimum within the limit", star.value])
table(["price", "bound"], rows, digits=4)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
evidence = recorded("value_alignment/constrained_optimum")
agreement = evidence.results["agreement"]
worst = agreement["largest difference"]
claim(
    "The linear program, the least of the dual function and another library's "
    "interior-point solver agree to 1e-9, and no policy is random in two states.",
    bool(
        max(worst.values()) < 1e-9
        and abs(star.bound - star.value) < 1e-9
        and agreement["random in one state"] <= agreement["processes"]
        and coins.size == 1
    ),
    over=f"{agreement['processes']} random processes, recorded, and this grid",
)

# %% [markdown]
# Where the line of the first figure is straight, $\lambda^*$ is its slope.
# In a corner, a *breakpoint*, any number between the two slopes is a multiplier, and two solvers may well tell you two different ones.

# %%
h = 0.01
below, above = (constrained_optimum(mdp, cost, x, start) for x in (0.5 - h, 0.5 + h))
slope = (above.value - below.value) / (2 * h)
apart = evidence.results["breakpoints"]
rows = [
    ["slope at the limit one half", f"{slope:.4f}"],
    ["multiplier there", f"{star.multiplier:.4f}"],
    [
        "corners where two solvers differ",
        f"{apart['multipliers differ']} of {apart['processes']}",
    ],
]
table(["", ""], rows)

# %% [markdown]
# ## A standard environment: the slippery cliff
#
# In the cliff walk of {cite:t}`sutton2018`, which is Gymnasium's `CliffWalking`, each step costs 1 and a fall costs 100.
# Why 100?
# Nobody says, and so it is a weight that somebody chose.
# Here the ground is wet, and one step in ten goes to a side.
# We take the hundred away and count two things instead: steps, and falls.

# %%
cliff = slippery_cliff(slip=0.1)
falls = (cliff.reward == -100).astype(float)
walk = MDP(cliff.transition, np.maximum(cliff.reward, -1), cliff.discount)
foot = np.eye(48)[36]  # the start, at the foot of the cliff


def walked(policy):
    fallen, reward = sums(policy, walk, falls, foot)
    return fallen, -reward


fines = [0, 10, 100, 200, 240, 250, 1000]
policies = [policy_iteration(penalised(walk, falls, w)).policy for w in fines]
rows = [[w, *walked(p)] for w, p in zip(fines, policies)]
table(["fine for a fall", "falls per walk", "steps"], rows, digits=4)

# %% [markdown]
# Both columns are discounted by $0.99$ per step.
# The famous hundred changes little, and somewhere between 240 and 250 the walker suddenly never falls, for nearly twice as many steps.
# If you can bear one fall in fifty walks, say so.

# %%
limited = constrained_optimum(walk, falls, limit=0.02, start=foot)
(coin,) = np.flatnonzero((limited.policy > 0).sum(axis=1) > 1)
rows = [
    ["falls per walk", limited.cost],
    ["steps", -limited.value],
    ["price of a fall, in steps", limited.multiplier],
    ["state of the coin", int(coin)],
    ["probability of up there", limited.policy[coin, 0]],
    ["probability of left there", limited.policy[coin, 3]],
]
table(["within the limit 0.02", ""], rows, digits=4)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
less, more = jump(walk, falls, 0.02, foot, limited)
many = np.arange(0, 1001, 5)
fallen = np.array(
    [walked(policy_iteration(penalised(walk, falls, w)).policy)[0] for w in many]
)
claim(
    "No fine singles out a walker that falls, but less than 0.05 times per walk; the "
    "limit 0.02 is kept, in fewer steps than by the fine that is large enough.",
    bool(
        not ((fallen > 1e-9) & (fallen < 0.05)).any()
        and less < 1e-9
        and more > 0.05
        and abs(limited.cost - 0.02) < 1e-9
        and -limited.value < walked(policies[-1])[1]
    ),
    over="fines 0, 5, ..., 1000, and all others by the theorem above",
)

# %% [markdown]
# The coin is worth a look.
# At the start the walker mostly pushes to the *left*, against the wall, and waits until a slip carries it up, because a step up may slip to the right, over the edge.
# Once in a while it loses patience.
#
# ## Break it: the right coin, tossed at the wrong time
#
# Many people would rather not have a policy that tosses coins on the way, and draw one of the two policies without coins once per episode.
# That is sound, because occupancies can be mixed {cite}`feinberg2012`.
# If $\pi_a$ is the policy that always does $a$ in the state $s$ of the coin, then
#
# $$d_\pi = \sum_a w_a\, d_{\pi_a}, \qquad w_a = \pi(a \mid s)\,\frac{d_\pi(s)}{d_{\pi_a}(s)}.$$
#
# But the weights $w_a$ of the episode are not the probabilities $\pi(a \mid s)$ of the step, because a walker who waits is asked again.

# %%
weights, parts = deterministic_mixture(walk, limited.policy, foot)
per_step = limited.policy[coin, parts[:, coin]]
spent = np.array([walked(part)[0] for part in parts])
swapped = limited.policy.copy()
swapped[coin, parts[:, coin]] = weights
rows = [
    ["per step, as computed", per_step.max(), limited.cost],
    ["per episode, weights of the episode", weights.max(), weights @ spent],
    ["per episode, weights of the step", per_step.max(), per_step @ spent],
    ["per step, weights of the episode", weights.max(), walked(swapped)[0]],
    ["the likeliest action alone", 1.0, walked(limited.policy.argmax(axis=1))[0]],
]
table(["the coin is tossed", "for waiting", "falls per walk"], rows, digits=4)

# %% [markdown]
# The first two lines keep the limit exactly.
# The third is ten times too careful, the fourth breaks the limit more than twice over, and the last one, a common way to evaluate what was learnt, is another policy altogether.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Drawn once per episode with its own weights the mixture keeps the limit; with the "
    "probabilities of the step it is too careful, and the other way round it breaks "
    "the limit by more than double.",
    bool(
        abs(weights @ spent - 0.02) < 1e-9
        and per_step @ spent < 0.004
        and walked(swapped)[0] > 0.04
        and worst["mixture"] < 1e-9
    ),
    over="this cliff; the first half on 100 random processes as well, recorded",
)

# %% [markdown]
# ## Break it: a limit that nobody can keep
#
# If the robot is set down inside the hazard, its first step already costs 1.
# A penalty would go on without a word; a limit says no, and what could be done instead.

# %% tags=["raises-exception"]
constrained_optimum(mdp, cost, limit=0.5, start=np.eye(25)[17])

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "If the penalty is large enough, the limit is kept."
# > **It is kept, and you give up more reward than the limit asks for.** Penalties jump over what lies between, as both worlds of this page show.
# >
# > "The optimal policy of a decision process needs no randomness."
# > **With a limit it needs a coin in one state**, except at breakpoints and where the limit does not bind. Whoever evaluates the likeliest action alone evaluates another policy.
# >
# > "A policy within its limit never does worse than the limit."
# > **The limit is a mean over episodes.** A single one may cost much more. What must never happen calls for a [shield](../robustness/shielding.ipynb).
# >
# > "The multiplier says what harm is worth."
# > **It says what this limit costs in this world.** Move the limit, or the world, and it changes; at a breakpoint it is not even unique.
#
# **Strengths**: the answer is exact, comes with a proof that nothing better exists, and the limit is said in the unit of the harm itself.
#
# **Limits**: it needs the probabilities, all costs are expected and discounted, and the policy is best from the given start only. Without a model you learn, as in [Constrained reinforcement learning](constrained_reinforcement_learning.ipynb).
#
# **Who is harmed when it fails**: people for whom the mean is kept by others. A limit of one wrong refusal in fifty, kept on average, may mean none for most customers and every second one for those who write in a dialect.
#
# **In production** use cvxpy with HiGHS for programs with many constraints, or HiGHS itself through `scipy.optimize.linprog`, as here.

# %% [markdown]
# ## Check yourself
#
# **1.** A support bot may call in a human in one conversation of twenty. However finely you set the penalty for calling, you get a bot that does it in one of fifty, or one that does it in one of eight and solves far more. What is true?
#
# <details><summary>The first is the best bot within the limit.</summary>
#
# **Not so.** The `limited` walker kept its limit with fewer steps than the walker whom the fine of 1000 made careful.
#
# </details>
#
# <details><summary>No bot lies between, so the limit must be moved.</summary>
#
# **Not so.** None of `dots` lies between, and yet `star` spends one half, exactly the limit.
#
# </details>
#
# <details><summary>A mixture of the two keeps the limit and solves more.</summary>
#
# **Right.** Cost and reward of a mixture lie on the straight line between the two bots, so it can spend the whole limit and earn accordingly.
#
# </details>
#
# **2.** At a kerb a robot tosses a coin every second: nine times in ten it waits, else it crosses. You would rather decide once per day that it always waits or always crosses, with the same mean cost and reward. On how many days does it wait?
#
# <details><summary>On nine days in ten, because the coin says so.</summary>
#
# **Not so.** So did the row with the weights of the step, `per_step @ spent`, and it used only a fraction of the limit.
#
# </details>
#
# <details><summary>On fewer, because whoever waits is asked again.</summary>
#
# **Right.** Who always waits stands at the kerb more often than who tosses, and by that factor the weight of the episode is smaller.
#
# </details>
#
# <details><summary>On all days, because waiting is what it mostly does.</summary>
#
# **Not so.** The likeliest action alone is another policy: with `limited.policy.argmax` the walker never fell, so it left its limit unused.
#
# </details>
#
# **3.** At your limit the multiplier is 30. How much more reward will you get if the limit is raised by a tenth of a unit?
#
# <details><summary>Exactly three, because the multiplier is the slope.</summary>
#
# **Not so.** Only where the line is straight. At the corners in `apart` two solvers gave two different multipliers, and they cannot both be the gain.
#
# </details>
#
# <details><summary>At least three, because a wider limit frees more.</summary>
#
# **Not so.** Each price bounds the reward from above, as the rows of `dual_value` do: none of them is below the optimum.
#
# </details>
#
# <details><summary>At most three, because each price gives a bound.</summary>
#
# **Right.** At the old price the wider limit allows at most $30 \cdot 0.1 = 3$ more, since $g(\lambda)$ grows by $\lambda$ times the width. It may be less, if the line bends.
#
# </details>

# %% [markdown]
# ## Exercise 1: mix by hand
#
# *Easy, 10 minutes.*
# One policy costs $c_1$ and earns $r_1$; another costs $c_2 > c_1$ and earns $r_2 > r_1$.
# For a limit between the two, return three numbers: how often to draw the second policy per episode, the reward of the mixture, and the price of the limit.
#
# Hint: the mixture's cost is a straight line in the share of the second policy.


# %% tags=["exercise"]
def mix(c1, r1, c2, r2, limit):
    """Share of the second policy, reward of the mixture, price of the limit."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_mix(attempt):
    mistakes = {
        "That is the share of the first policy.": [0.75, 0.85, 0.75],
        "Your share forgets that the first policy costs something, too.": [
            1 / 3,
            0.6,
            0.75,
        ],
        "The price is reward per cost; yours is cost per reward.": [0.25, 0.55, 4 / 3],
        "Right share, but the reward is that of the second policy alone.": [
            0.25,
            1.0,
            0.75,
        ],
    }
    answer = attempt(0.1, 0.4, 0.9, 1.0, 0.3)
    check_answer(answer, [0.25, 0.55, 0.75], mistakes)


check_mix(mix)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def mix_solution(c1, r1, c2, r2, limit):
    share = (limit - c1) / (c2 - c1)
    return [share, r1 + share * (r2 - r1), (r2 - r1) / (c2 - c1)]


check_mix(mix_solution)
# Why: drawn once per episode, cost and reward of the mixture are both linear in the
# share. The price is the slope of the line between the two policies.

# %% [markdown]
# ## Exercise 2: find the price by halving
#
# *Medium, 20 minutes.*
# Find the multiplier of the grid for a given limit without a linear program: start with prices between 0 and 10, and halve the interval 40 times.
# `policy_iteration(penalised(mdp, cost, price)).policy` is the best policy at a price, and `sums(policy)` gives its cost and its reward.
#
# Hint: the cost falls as the price rises.


# %% tags=["exercise"]
def price_of(limit):
    """The price between 0 and 10 at which the best policy's cost passes the limit."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_price_of(attempt):
    expected = [
        float(constrained_optimum(mdp, cost, d, start).multiplier) for d in (0.5, 0.95)
    ]
    answers = [attempt(0.5), attempt(0.95)]
    mistakes = {
        "You lower the price where the limit is broken; raise it there.": [0.0, 0.0],
        "You raise the price where the limit is kept; lower it there.": [10.0, 10.0],
    }
    ends = [
        [sums(policy_iteration(penalised(mdp, cost, p + h)).policy) for p in expected]
        for h in (-1e-9, 1e-9)
    ]
    for (first, second), name in zip(ends, ("below", "above")):
        for k, what in enumerate(("cost", "reward")):
            said = f"You return the {what} {name} the price; the price is asked for."
            mistakes[said] = [float(first[k]), float(second[k])]
    check_answer(None if None in answers else answers, expected, mistakes, 1e-6)


check_price_of(price_of)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def price_of_solution(limit):
    low, high = 0.0, 10.0
    for _ in range(40):
        price = (low + high) / 2
        spent, _ = sums(policy_iteration(penalised(mdp, cost, price)).policy)
        low, high = (price, high) if spent > limit else (low, price)
    return (low + high) / 2


check_price_of(price_of_solution)
# Why: cost minus limit is the slope of the dual function, up to its sign, and it
# changes its sign where the bound is least. No policy on the way spends the limit.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
Markdown(
    "The book's function is less able than cvxpy: one kind of problem, no other solver, "
    "no further constraints on the policy. On this one kind of problem it agrees to "
    f"{max(worst['cvxpy'], worst['multiplier']):.0e}, and building and solving the "
    "program takes about as long in both."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "compared with", "its time / ours"], rows, digits=1)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Safety**: The ability of AI systems to operate within predetermined boundaries and prevent unintended consequences.
#
# A predetermined boundary is a limit; but the source's listing for value-based design has one reward and no limit at all, see [Listing 1, run and repaired](../source_listing_1.ipynb).
#
# ## References
#
# The linear program: {cite:t}`kallenberg1983`; the whole theory, with the dual and the number of coins: {cite:t}`altman1999`.
# One draw per episode instead of one per step: {cite:t}`feinberg2012`.
# The cliff: {cite:t}`sutton2018`; what happened: {cite:t}`nhtsa2022`.
