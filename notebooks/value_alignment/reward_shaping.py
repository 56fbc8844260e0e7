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
# # Reward shaping
#
# Potential-based shaping, value initialisation, and the bonus that rides in circles.
#
# In 1998 a program learnt to ride a simulated bicycle to a goal, and because the goal was far away its authors also rewarded it for getting closer {cite}`randlov1998`.
# It rode in circles near the start instead: half of each circle brought it closer and was paid, the other half cost nothing {cite}`ng1999`.
# To earn a reward without doing what it is there for is called **reward hacking**, or specification gaming {cite}`amodei2016`.
#
# **Which hints can you add to a reward without changing what is best?**
#
# You need the answer whenever the reward that you mean comes too late or too rarely to learn from, and you are about to help it along, be it for a robot, a game or a language model that earns points for intermediate steps.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | add a hint that provably changes no optimal policy, say what it does to learning and what not, and recognise the usual ways to break it |
# | You need | NumPy, Matplotlib, Gymnasium; Bellman's equation and the values $v$ and $q$ of a Markov decision process; what Q-learning does, and the two flags of [Deep Q-learning](../robustness/deep_q_learning.ipynb) |
# | Time | 25 minutes to read, 35 for the exercises |
# | Code | `companion.value_alignment.reward_shaping` |

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
from companion.value_alignment.reward_shaping import ShapedEnv, q_learning, shape

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Gymnasium's `CliffWalking` is a grid of 4 by 12 cells.
# A walker starts at one bottom corner and wants to reach the other; each step costs 1, and a step into the cliff between the two corners costs 100 and leads back to the start.
# The same learner tries it with three rewards: the plain one; one with a *potential*, which is minus the steps to the goal if no cliff were in the way; and one that pays 2.5 for every step that gets closer.
# It is Q-learning with a table that starts at zero, a discount of $\gamma = 0.99$, a learning rate of 0.5 and one random action in ten.
#
# **Guess before you look**: which of the three reaches the goal most often, and does any of them never learn?

# %% mystnb={"figure": {"caption": "How often the walker has reached the goal, against the steps it has taken. Lines are means over twenty recorded seeds, bands go from the least to the most.", "name": "fig-reward-shaping"}, "image": {"alt": "Three curves over 5000 steps. With the potential the count rises in a straight line from the start, to nearly 300. With the plain reward it stays low for 1500 steps and then rises as steeply, to nearly 190. With the bonus for getting closer the mean stays near the bottom."}} tags=["hide-input"]
evidence = recorded("value_alignment/reward_shaping")
learners = evidence.results["learners"]
steps = np.array(learners["steps"])
goals = {name: np.array(g) for name, g in learners["goals"].items()}
shown = steps <= 5000
styles = {
    "potential": ("blue", "-", "potential"),
    "plain": ("grey", "--", "plain reward"),
    "closer bonus 2.5": ("red", ":", "2.5 for getting closer"),
}
fig, ax = plt.subplots()
for name, (colour, line, label) in styles.items():
    curve = goals[name][:, shown]
    ax.plot(steps[shown], curve.mean(axis=0), line, color=COLOURS[colour], label=label)
    ax.fill_between(
        steps[shown], curve.min(axis=0), curve.max(axis=0),
        color=COLOURS[colour], alpha=0.15, linewidth=0,
    )  # fmt: skip
ax.set(xlabel="steps taken", ylabel="times at the goal", xlim=(0, 5000), ylim=(0, None))
ax.legend()
plt.show()

# %% [markdown]
# The potential helps at once, and it costs nothing later: from some point on its curve and the plain one rise equally steeply, and what remains is the head start.
# A bonus of this size ruins the walk, although both hints say the same thing, *that way*; a smaller one, as you will see, does not.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
late = goals["plain"][:, -1] - goals["plain"][:, 20]
late_shaped = goals["potential"][:, -1] - goals["potential"][:, 20]
at = {name: g[:, 20] for name, g in goals.items()}
claim(
    "After 5000 steps every walker with the potential has been at the goal more often "
    "than any plain one, and every plain one more often than any with the bonus; from "
    "there to 10,000 steps potential and plain reward differ by less than 3 % in the mean.",
    bool(
        at["potential"].min() > at["plain"].max()
        and at["plain"].min() > at["closer bonus 2.5"].max()
        and abs(late_shaped.mean() / late.mean() - 1) < 0.03
    ),
    over="20 seeds each, recorded",
)

# %% [markdown]
# ## The idea on three states
#
# Let the walk be $A \to B \to$ goal, each step costs 1, and a reward one step later is worth half, $\gamma = 1/2$.
# Take the potential $\Phi(A) = -2$, $\Phi(B) = -1$ and $0$ at the goal, and pay $\gamma\,\Phi(\text{after}) - \Phi(\text{before})$ on top of each step.
#
# | step | plain | on top | together |
# | :--- | ---: | ---: | ---: |
# | $A \to B$ | $-1$ | $\tfrac12(-1) + 2 = 1.5$ | $0.5$ |
# | $B \to$ goal | $-1$ | $0 + 1 = 1$ | $0$ |
# | $A \to A$, a step wasted | $-1$ | $\tfrac12(-2) + 2 = 1$ | $0$ |
#
# Going straight earns $-1 - \tfrac12 = -1.5$ in the plain reward and $0.5 + 0 = 0.5$ in the shaped one.
# Wasting a step first earns $-1 - \tfrac12 - \tfrac14 = -1.75$, and shaped $0 + \tfrac12 \cdot 0.5 + 0 = 0.25$.
# Both ways have gained exactly 2, which is $-\Phi(A)$, so the straight one is as much better as before.
#
# ## The equation: potential-based shaping
#
# That is no accident.
# Along any path $s_0, s_1, s_2, \dots$ the payments, each discounted to the start, cancel one another like the parts of a telescope:
#
# $$\sum_{t=0}^{T-1} \gamma^t \big(\gamma\,\Phi(s_{t+1}) - \Phi(s_t)\big) = \gamma^T \Phi(s_T) - \Phi(s_0).$$
#
# The first term on the right vanishes: if the episode ends at $s_T$ because $\Phi$ is zero there, and if it goes on for ever because $\gamma^T$ goes to zero.
# What is left, $-\Phi(s_0)$, does not depend on what you did.
# So every policy's value falls by $\Phi$ in each state, every action's value does, $q_\Phi(s, a) = q(s, a) - \Phi(s)$, and the best actions remain the best {cite}`ng1999`.
#
# In a process whose probabilities $P(s' \mid s, a)$ are known, the expected payment goes into the reward $r(s, a)$:
#
# $$r_\Phi(s, a) = r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\,\Phi(s') - \Phi(s).$$


# %%
def shaped(P, r, gamma, phi):
    out = np.empty_like(r)
    for s in range(len(r)):
        for a in range(len(r[s])):
            expected = sum(P[s, a, t] * phi[t] for t in range(len(phi)))
            out[s, a] = r[s, a] + gamma * expected - phi[s]
    return out


def random_mdp(rng, gamma):
    P = rng.dirichlet(np.ones(8), (8, 3))
    return MDP(P, rng.standard_normal((8, 3)), gamma)


rng = np.random.default_rng(0)
mdp, phi = random_mdp(rng, 0.9), rng.standard_normal(8)
np.testing.assert_allclose(
    shaped(mdp.transition, mdp.reward, 0.9, phi), shape(mdp, phi).reward, atol=1e-14
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
same, worst = 0, 0.0
for seed in range(300):
    rng = np.random.default_rng(seed)
    mdp = random_mdp(rng, (0.5, 0.9, 0.99)[seed % 3])
    phi = 10 * rng.standard_normal(8)
    plain, other = policy_iteration(mdp), policy_iteration(shape(mdp, phi))
    q = action_values(mdp, plain.value)
    q_shaped = action_values(shape(mdp, phi), other.value)
    worst = max(worst, np.abs(q_shaped - (q - phi[:, None])).max())
    same += (plain.policy == other.policy).all()
claim(
    "Shaping leaves the optimal policy as it was, and every action's value falls by "
    "the potential of its state.",
    bool(same == 300 and worst < 1e-9),
    over="any process: theorem; 300 random ones of 8 states and 3 actions, "
    "γ = 0.5, 0.9 and 0.99, and potentials ten times as large as the rewards",
)

# %%
show_source(shape)

# %% [markdown]
# ## Value initialisation: what shaping really does
#
# If shaping does not change what is best, how can it speed learning up?
# Put it into Q-learning's error, $\delta = r + \gamma \max_{a'} Q(s', a') - Q(s, a)$, with a table that starts at zero:
#
# $$\delta = \big[r + \gamma\,\Phi(s') - \Phi(s)\big] + \gamma \max_{a'} Q(s', a') - Q(s, a)
# = r + \gamma \max_{a'} \big[Q(s', a') + \Phi(s')\big] - \big[Q(s, a) + \Phi(s)\big].$$
#
# On the right stands the error of a learner who gets the *plain* reward and whose table is $Q + \Phi$.
# So the shaped learner and a plain one that starts its table at $\Phi$ are the same learner, update for update {cite}`wiewiora2003`.
# That needs one more thing: they must choose their actions by the differences within a row of the table, where $\Phi(s)$ cancels, as a greedy choice and a softmax do.
#
# To see that, the cliff gets uneven ground on which each step costs up to a tenth more, so that no two actions tie.


# %%
def uneven_cliff(seed):
    env = gymnasium.make("CliffWalking-v1")
    rng = np.random.default_rng(seed)
    for moves in env.unwrapped.P.values():
        for a, outcomes in moves.items():
            extra = 0.1 * rng.random()
            moves[a] = [(p, s, r - extra, end) for p, s, r, end in outcomes]
    return env


cell = np.arange(48)
phi = -((3 - cell // 12) + (11 - cell % 12.0))  # minus the steps to the goal
start = np.tile(phi[:, None], 4)

# %% [markdown]
# `ShapedEnv` wraps any Gymnasium environment and pays the potential on each step.

# %%
with_shaping = ShapedEnv(uneven_cliff(0), lambda s: phi[s], discount=0.99)
a = q_learning(with_shaping, discount=0.99, steps=5000, seed=0)
b = q_learning(uneven_cliff(0), discount=0.99, steps=5000, seed=0, initial=start)
table(
    ["step", "error, shaped", "error, started at Φ"],
    [[str(t), a.error[t], b.error[t]] for t in (0, 1, 2, 500)],
    digits=6,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
twins = evidence.results["initialisation"]
uneven = [twins["uneven, distance"], twins["uneven, 0.37 distance"]]
claim(
    "Shaped from zero, or plain from Φ: the two learners take the same actions in every "
    "step, and their errors differ by rounding only.",
    bool(
        (a.action == b.action).all()
        and np.abs(a.error - b.error).max() < 1e-10
        and all(set(u["parted at step"]) == {None} for u in uneven)
        and max(u["largest difference"] for u in uneven) < 1e-10
    ),
    over="5000 steps live; 20,000 steps of 20 seeds with two potentials, recorded",
)

# %% tags=["hide-input"]
even = twins["even, 0.37 distance"]["parted at step"]
parted = [step for step in even if step is not None]
Markdown(
    "On even ground, where different ways cost the same, ties are real, and a last bit "
    f"decides them: with 0.37 times the distance as potential {len(parted)} of "
    f"{len(even)} pairs part, the first after {min(parted)} steps."
)

# %% [markdown]
# So a hint is worth as much as the start that it amounts to, and bad starts exist.
# Here are all learners of the record, equal but for their start; the last two lines are bonuses that are no potentials.

# %%
names = {
    "plain": "plain, from 0",
    "potential": "potential Φ",
    "start at the potential": "plain, from Φ",
    "start at +10 everywhere": "plain, from +10",
    "start at -50 everywhere": "plain, from −50",
    "a tenth of the potential": "plain, from Φ/10",
    "ten times the potential": "plain, from 10 Φ",
    "80 below the potential": "plain, from Φ − 80",
    "100 below the potential": "plain, from Φ − 100",
    "potential reversed": "plain, from −Φ",
    "closer bonus 1": "1 for getting closer",
    "closer bonus 2.5": "2.5 for getting closer",
}
rows = [
    [label, f"{at[n].mean():.0f}", f"{at[n].min()} to {at[n].max()}"]
    for n, label in names.items()
]
table(["20 seeds", "times at the goal in 5000 steps", "least to most"], rows)

# %% [markdown]
# Starting from zero is hopeful here, because every step costs something, so the plain learner tries everything once.
# Hoping for less wastes less: a start at −50 in every cell helps, although it says nothing about the way, and the potential, which does, helps more.
# Hoping for more everywhere is slower, and so is hoping in the wrong direction.
#
# How little may you hope?
# Walking about for ever costs $1 + \gamma + \gamma^2 + \dots = 1/(1 - \gamma) = 100$.
# In a cell whose start is below −100 even a useless step is better than expected, so the learner repeats it, and moves that it never tried stay untried.
# The walk begins with $\Phi = -11$, so 80 below the potential is still harmless, but 100 below and ten times the potential are too low, and some seeds never see the goal.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
slower = "potential reversed", "start at +10 everywhere"
faster = "start at -50 everywhere", "80 below the potential"
hopeless = "ten times the potential", "100 below the potential"
claim(
    "A reversed or a higher start is slower than zero on every seed, a lower one is faster "
    "on every seed while the first cell starts above −100, and below that some seeds never "
    "reach the goal.",
    bool(
        all(at[n].max() < at["plain"].min() for n in slower)
        and all(at[n].min() > at["plain"].max() for n in faster)
        and all((goals[n][:, -1] == 0).any() for n in hopeless)
    ),
    over="these six starts; goals in 5000 steps, for the last two in 10,000; 20 seeds each, recorded",
)

# %% [markdown]
# ## A standard environment: FrozenLake and the end of an episode
#
# On Gymnasium's `FrozenLake` you cross slippery ice to a gift that pays 1, and a hole ends the walk.
# Minus the distance seems a good potential again, but the package refuses it.

# %%
lake = gymnasium.make("FrozenLake-v1", map_name="8x8")
mdp = MDP.from_gymnasium(lake, discount=0.99)
cell = np.arange(64)
distance = 14.0 - cell // 8 - cell % 8
try:
    shape(mdp, -distance)
except ValueError as refusal:
    print(refusal)

# %% [markdown]
# State 19 is a hole.
# An episode ends there, so the payment on leaving it, which would cancel $\Phi$, never comes, and the sum telescopes to $\gamma^T\Phi(s_T) - \Phi(s_0)$: walks are now paid for *where* they end.
# The potential must be zero wherever the process is over.
# That looks absurd at first, because a fall into a hole next to a cell with $\Phi = -10$ then pays $0 - (-10) = +10$ on top.
# But that is only the advance coming back, and without it the optimum changes.

# %%
over = np.isin(lake.unwrapped.desc.ravel(), [b"H", b"G"])
right = shape(mdp, np.where(over, 0.0, -distance))
kept = 0.99 * mdp.transition @ -distance + distance[:, None]
wrong = MDP(mdp.transition, mdp.reward + np.where(over[:, None], 0, kept), 0.99)
best = policy_iteration(mdp).value
lost = {
    name: np.abs(best - policy_value(mdp, policy_iteration(changed).policy))
    for name, changed in (("zero at the holes", right), ("kept at the holes", wrong))
}
rows = [[name, best[0], loss[0], loss.max()] for name, loss in lost.items()]
header = ["potential", "best from the start", "lost there", "lost in the worst cell"]
table(header, rows, digits=4)

# %% [markdown]
# A *truncated* episode is the opposite case: somebody stopped watching, the walk would have gone on, and a learner looks ahead from $s'$.
# So there the potential must be kept.
# The wrapper does both, and on leaving a state it takes back what it gave on entering it, so that it stays right even for a potential that changes while you learn {cite}`devlin2012`.

# %%
show_source(ShapedEnv)

# %% [markdown]
# ## Break it: a bonus for getting closer
#
# Pay $b$ for each step that gets closer, and nothing for the way back.
# One step from the goal you can go in, for $b - 1$, or step back and return, for $-1$ and then $b - 1$, and stand where you stood.
# Worth more is the circle if $-1 + \gamma(b - 1) + \gamma^2(b - 1) > b - 1$, that is if
#
# $$b > 1 + \frac{1}{\gamma^2 + \gamma - 1},$$
#
# twice the step's cost when $\gamma$ is near 1.


# %%
def with_bonus(b, gamma):
    cliff = MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"), gamma)
    closer = phi[None, :] > phi[:, None]  # (48, 48): from, to
    extra = b * (cliff.transition * closer[:, None, :]).sum(axis=2)
    return cliff, MDP(cliff.transition, cliff.reward + extra, gamma)


def arrives(b, gamma):
    cliff, changed = with_bonus(b, gamma)
    moves = cliff.transition.argmax(axis=2)  # the cliff's steps are certain
    policy, state = policy_iteration(changed).policy, 36
    for _ in range(200):
        state = moves[state, policy[state]]
    return state == 47


rows = [
    [str(b), "arrives" if arrives(b, 0.99) else "circles for ever"]
    for b in (0.5, 1, 2, 2.02, 2.04, 2.5)
]
table(["bonus b, γ = 0.99", "the optimal walker"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
discounts = [0.95, 0.97, 0.98, 0.99, 0.995, 0.999]
limits = [1 + 1 / (g**2 + g - 1) for g in discounts]
claim(
    "With the bonus the optimal walker arrives for each b tried that is below the "
    "formula's, and circles for each that is above.",
    all(
        arrives(f * b, g) == (f < 1)
        for g, b in zip(discounts, limits)
        for f in (0.1, 0.5, 0.9, 0.999, 1.001, 1.1, 2, 10)
    ),
    over="six discounts from 0.95 to 0.999, eight bonuses each, on the cliff",
)

# %% [markdown]
# A small bonus did no harm, although it is no potential.
# The theorem's other half says only that for such a bonus *some* process exists, with the same states and actions, in which it changes the optimum; yours need not be the one.
#
# ## Break it: the discount forgotten
#
# Many programs pay $\Phi(s') - \Phi(s)$ and forget $\gamma$.
# That is the right payment and $(1 - \gamma)\,\Phi(s')$ on top: a wage for being in states that look good, in every step, for ever.
# How often that changes the optimum should then depend on how large the wage is beside the rewards, which are of size 1 here.

# %% mystnb={"figure": {"caption": "Share of 1000 random processes whose optimal policy changes if the shaping leaves the discount out, against the size of the wage that is paid by mistake. Seven discounts from 0.5 to 0.995 for each scale of the potential.", "name": "fig-forgotten-discount"}, "image": {"alt": "Share of changed optimal policies against one minus gamma times the scale of the potential, logarithmic. Potentials of scale 0.1, 1 and 10 lie on one rising curve, from nearly nothing at 0.001 through about 10 percent at 0.1 to 98 percent at 5."}} tags=["hide-input"]
wage = evidence.results["forgotten discount"]
fig, ax = plt.subplots()
looks = zip(wage["scales"], "os^", ("black", "blue", "red"), (5, 8, 11))
for scale, marker, colour, size in looks:
    x = (1 - np.array(wage["discounts"])) * scale
    share = 100 * np.array(wage["share"][str(scale)])
    ax.semilogx(
        x, share, marker, color=COLOURS[colour], label=f"Φ of size {scale:g}",
        markersize=size, markerfacecolor="none",
    )  # fmt: skip
ax.set(xlabel="wage by mistake, (1 − γ) · size of Φ", ylabel="optimum changed (%)")
ax.legend()
plt.show()

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
share = {s: np.array(wage["share"][str(s)]) for s in wage["scales"]}
pairs = [(share[0.1][0], share[1.0][3]), (share[1.0][0], share[10.0][3])]
pairs += [(share[1.0][3], share[10.0][6]), (share[0.1][3], share[1.0][6])]
claim(
    "Where discount and scale differ ten times but the wage is the same, the shares "
    "differ by less than five in a hundred; a potential of size 1 changes more than a "
    "third of the optima at γ = 0.5 and fewer than one in fifty at 0.99.",
    bool(
        all(abs(x - y) < 0.05 for x, y in pairs)
        and share[1.0][0] > 1 / 3
        and share[1.0][5] < 1 / 50
    ),
    over="1000 random processes at each of 21 points, recorded; with γ in its place none changed",
)

# %% [markdown]
# Gymnasium's own `LunarLander` is an example {cite}`lunarlander`.
# Its code pays the difference of a potential, minus 100 times the distance and other terms, without a discount, and overwrites the last reward by plus or minus 100, so the last payment never comes.
# A learner that discounts by 0.99 therefore feels a wage of minus 1 per step and unit of distance, more than three times what the main engine costs.
# There is nothing wrong with that as a task, but you cannot take the "shaping" away and expect the same optimum.
#
# > **Often believed, and wrong**
# >
# > "A hint that points to the goal can do no harm."
# > **It depends on the way back.** On the cliff a bonus without its return payment makes circles as soon as it exceeds about twice the cost of a step.
# >
# > "Shaping teaches the agent something that the reward does not say."
# > **With a table it sets where the agent starts, and nothing else.** One that starts at the potential does the same, step for step.
# >
# > "The stronger the potential, the faster."
# > **A start that is far too low makes a learner stay with what it has tried.** With ten times a good potential some walkers never arrived.
# >
# > "A step into a hole must not be paid."
# > **The advance must come back, also there.** Zero at the end is what keeps the optimum.
# >
# > "What is no potential breaks my task."
# > **It breaks some task.** A closer bonus of 1 left this one as it was.
#
# **Strengths**: the guarantee needs no model, holds for every policy and not only for the best, and costs a subtraction.
#
# **Limits**: it holds for one learner with a fixed discount; it says nothing about how fast you learn, and a network that generalises has no table to start, so for it the two halves of this page are no longer one.
#
# **Who is harmed when it fails**: pupils, for example, whose tutoring program earns a point for each exercise *brought nearer to its solution*, and which therefore undoes and redoes the same step with them.
#
# **In production** start your table at the potential, or add the potential to what the network says; for learnt potentials use `ShapedRewardNet` of the library imitation; wrap `RecordEpisodeStatistics` *inside* the shaping, so that what you report is the reward that you mean.

# %% [markdown]
# ## Check yourself
#
# **1.** You add 200 to the potential of each state, except at the end, where it stays zero. A table that starts at zero learns with it, and with the old potential. Do the two learn alike?
#
# <details><summary>Yes, because a constant cancels when potentials are subtracted.</summary>
#
# **Not so.** With a discount it does not: a start at Φ − 100 differs from one at Φ − 80 by a constant, and in `at` it has several times fewer goals.
#
# </details>
#
# <details><summary>No, but what they should learn in the end is the same.</summary>
#
# **Right.** It is as if the table started 200 higher, so at first the learner finds disappointing whatever it tries, and tries everything. The optimum does not move.
#
# </details>
#
# <details><summary>No, and what they should learn in the end differs, too.</summary>
#
# **Not so.** `shape` left the optimal policy of all 300 random processes as it was, with potentials of any kind.
#
# </details>
#
# **2.** Rewards are of size 1, potentials of size 1000, the discount is $0.999$. The program pays $\Phi(s') - \Phi(s)$, without the discount. Is that good enough?
#
# <details><summary>Yes, because the discount is so near to 1.</summary>
#
# **Not so.** What counts in `wage` is $1 - \gamma$ times the size of the potential: where that product was the same, about the same `share` of optima changed.
#
# </details>
#
# <details><summary>No, because without it the optimum always changes.</summary>
#
# **Not so.** It need not: with a potential of size 1 and a discount of 0.99 fewer than one optimum in fifty changed in `share`.
#
# </details>
#
# <details><summary>No, because here the mistake is as large as the rewards.</summary>
#
# **Right.** Forgetting the discount pays $(1 - \gamma)\,\Phi(s')$ in each step, here about $0.001 \cdot 1000 = 1$.
#
# </details>
#
# **3.** Each step costs 1, the discount is $0.9$, and nothing else is paid until the goal ends the walk. You start a table of Q-learning at −20 in all cells. Compared with a start at zero, what must you expect?
#
# <details><summary>It may never arrive, because wandering looks good.</summary>
#
# **Right.** Wandering for ever costs $1/(1 - 0.9) = 10$, so a useless step turns out better than −20, and moves never tried stay untried.
#
# </details>
#
# <details><summary>It arrives sooner, because low hopes waste fewer steps.</summary>
#
# **Not so.** They do until they fall below what wandering costs: the starts in `hopeless` left some walkers without a single goal.
#
# </details>
#
# <details><summary>It arrives as often in the end, because tables forget.</summary>
#
# **Not so.** Only the entries that are visited change. In `goals` some walkers with a start in `hopeless` had seen no goal in 10,000 steps.
#
# </details>

# %% [markdown]
# ## Exercise 1: the payments of an episode
#
# *Easy, 10 minutes.*
# An episode visited the states `visited`, one more than it had steps, and ended with a termination or a truncation.
# Return the payments of all steps as one array.
#
# Hint: make an array of the potentials of the visited states first, then correct its last entry if you must.


# %% tags=["exercise"]
def payments(phi, gamma, visited, terminated):
    """One number per step; phi is an array over states, visited a list of states."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_payments(attempt):
    values, walk = np.array([5.0, -2.0, 3.0, 4.0]), [0, 2, 1, 3]
    held = values[walk]
    zero = np.append(held[:-1], 0)
    right = [0.5 * zero[1:] - zero[:-1], 0.5 * held[1:] - held[:-1]]
    halves = [0.5 * np.diff(zero), 0.5 * np.diff(held)]
    answers = [attempt(values.copy(), 0.5, walk, over) for over in (True, False)]
    mistakes = {
        "The discount is missing.": [np.diff(zero), np.diff(held)],
        "Only the potential after the step is discounted.": halves,
        "After a termination the potential counts as zero.": [right[1], right[1]],
        "A truncation is no end: keep the potential there.": [right[0], right[0]],
        "Those are the advances with the wrong sign.": [-right[0], -right[1]],
        "You have mixed the two flags up.": [right[1], right[0]],
    }
    unanswered = any(a is None or a is ... for a in answers)
    check_answer(None if unanswered else answers, right, mistakes)


check_payments(payments)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def payments_solution(phi, gamma, visited, terminated):
    held = np.array([phi[s] for s in visited])
    if terminated:
        held[-1] = 0.0
    return gamma * held[1:] - held[:-1]


check_payments(payments_solution)
# Why: nothing follows a termination, so the telescope must close there at zero. After a
# truncation the learner adds the value of the next state, which holds its own -phi.

# %% [markdown]
# ## Exercise 2: the same learner without the shaping
#
# *Medium, 15 minutes.*
# A colleague trains with a shaped reward, and her table starts at `initial`, shape (S, A), which is not zero.
# Which table must you start with to be the same learner on the plain reward?
#
# Hint: write both errors down as above, and look for the table that stands in the brackets.


# %% tags=["exercise"]
def same_start(initial, phi):
    """The table (S, A) for the plain reward."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_same_start(attempt):
    q, values = np.arange(9.0).reshape(3, 3) ** 2, np.array([2.0, -1.0, 5.0])
    mistakes = {
        "Her table lies lower than yours by the potential, not higher.": q
        - values[:, None],
        "That forgets where her own table starts.": np.repeat(values[:, None], 3, 1),
        "The potential belongs to states, which are the rows.": q + values,
    }
    check_answer(attempt(q, values), q + values[:, None], mistakes)


check_same_start(same_start)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def same_start_solution(initial, phi):
    return initial + phi[:, None]


check_same_start(same_start_solution)
# Why: her error is that of a plain learner whose table is hers plus the potential. The
# updates keep that difference, so it only has to be right once, at the start.

# %% [markdown]
# ## Exercise 3: paid for where it ends
#
# *Medium, 10 minutes.*
# From the start, one step leads to the left exit and pays 1; two steps lead to the right exit, and only the second one pays, 2.
# Somebody keeps a potential at the exits: $x$ at the left one, 0 at the right one.
# Return the $x$ above which the shaped optimum takes the left exit, for a discount `gamma` above one half.
#
# Hint: both ways also gain $-\Phi$ of the start, and the telescope leaves one more term.


# %% tags=["exercise"]
def tipping_point(gamma):
    """The potential of the left exit from which on the optimum is wrong."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_tipping_point(attempt):
    g, answers = np.array([0.6, 0.9]), [attempt(0.6), attempt(0.9)]
    mistakes = {
        "The potential at the exit is discounted by the step that leads to it.": 2 * g
        - 1,
        "Nothing is discounted here yet.": np.ones(2),
        "The second step's pay is discounted once, not twice.": (2 * g**2 - 1) / g,
        "You left the second step's pay undiscounted.": 1 / g,
        "That is what the potential must pay, with the wrong sign.": (1 - 2 * g) / g,
    }
    unanswered = any(a is None or a is ... for a in answers)
    check_answer(None if unanswered else answers, (2 * g - 1) / g, mistakes)


check_tipping_point(tipping_point)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def tipping_point_solution(gamma):
    return (2 * gamma - 1) / gamma


check_tipping_point(tipping_point_solution)
# Why: the left exit is worth 1 + gamma x and the right one 2 gamma, both minus the
# start's potential. An innocent looking hint at an end is a reward for ending there.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
twin = evidence.results["imitation"]
Markdown(
    "The book's wrapper makes an environment slower, as any wrapper does: shaped steps "
    f"take {1 / speed['5000 shaped steps']:.2f} times as long on the cliff and "
    f"{1 / speed['1000 shaped steps of 32 poles']:.2f} times with 32 poles, and unlike "
    "imitation's `ShapedRewardNet` it learns no potential. On "
    f"{twin['transitions']} transitions the two pay the same; imitation has one flag for "
    "both kinds of end, and a time limit reported through it is paid wrongly."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Reward Shaping**: Modifying the rewards or incentives used in reinforcement learning to encourage desirable behaviors.
#
# The bicycle shows what is missing in that sentence: whoever modifies a reward may change what is best, and only a potential is safe whatever the task.
# The source has no listing for it.
# How to see whether two rewards still ask for the same is the subject of the next lesson, [Reward equivalence](reward_equivalence.ipynb).
#
# ## References
#
# Potentials, and why no other bonus is safe in every process: {cite:t}`ng1999`; the bicycle: {cite:t}`randlov1998`; reward hacking: {cite:t}`amodei2016`.
# Initialisation: {cite:t}`wiewiora2003`; the end of an episode: {cite:t}`grzes2017`; potentials that change: {cite:t}`devlin2012`.
# Q-learning: {cite:t}`watkins1992`; the cliff: {cite:t}`sutton2018`; Gymnasium: {cite:t}`towers2024`, {cite:t}`lunarlander`; imitation: {cite:t}`gleave2022`.
