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
# # Fault tolerance
#
# Markov decision processes, policy iteration and MacQueen's bounds: deciding when to repair.
#
# In two of the clusters on which Meta's researchers train their models, a few machines passed every health check and yet made jobs fail again and again.
# The operators called them lemons; once these were found by their history and repaired, large jobs failed less often {cite}`kokolis2025`.
#
# **When should you stop a machine that still runs, and how do you know that you decided well?**
#
# You need the answer whenever something in your system wears and can be renewed: a node of a cluster, a sensor that drifts, a model that grows old while the world moves on.
# Acting too early wastes what still works, but acting too late costs an outage, and in between lies a best policy that can be computed exactly.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | write wear and repair as a Markov decision process, solve it exactly, check any solver's answer by two bounds, and see what a faulty actuator or sensor costs |
# | You need | NumPy, Matplotlib; probabilities, matrices and linear equations; no reinforcement learning |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.robustness.fault_tolerance`, on top of `companion.mdp` |

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
from companion.mdp import (
    MDP,
    action_values,
    policy_iteration,
    policy_value,
    value_iteration,
)
from companion.problems import forest_management
from companion.robustness.fault_tolerance import (
    health_levels,
    redundant_system,
    with_actuator_fault,
    with_sensor_fault,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A machine of three parts earns money while at least two of them work.
# It can be run until it breaks down, or repaired as soon as that pays off, or run by someone who takes what pays most today.
#
# **Guess before you look**: by how much does the best policy beat the habit of running to failure: a few percent, a quarter, or several times?

# %% mystnb={"figure": {"caption": "Left: what a new machine of three parts is worth under three policies, exactly. Right: a textbook problem solved by value iteration. The plain values are still far below the truth when their differences have settled, after four sweeps; MacQueen's two bounds close on the truth at that moment.", "name": "fig-fault-tolerance"}, "image": {"alt": "Two panels. Left: three bars. The optimal policy is worth 17, run to failure 13, and the myopic policy less than minus 20. Right: over sixty sweeps a dashed line climbs slowly from 0 towards a horizontal line at 75. A shaded band between two bounds starts wide and has shrunk onto that line after four sweeps."}} tags=["hide-input"]
wear = 0.85 * np.eye(4) + 0.15 * np.eye(4, k=1)
wear[-1, -1] = 1.0
machine = redundant_system(
    wear,
    components=3,
    income=[-4, -4, 0.6, 1],
    repair_cost=1,
    overhaul_cost=2,
    discount=0.95,
)
best = policy_iteration(machine)
h = health_levels(4, 3)  # (64, 3): 0 is new, 3 is failed
works = (h < 3).sum(axis=1)
policies = {
    "optimal": best.policy,
    "run to failure": np.where(works < 2, 4, 0),
    "myopic": machine.reward.argmax(axis=1),
}
values = {name: policy_value(machine, policy) for name, policy in policies.items()}

forest = forest_management(discount=0.96)
exact = policy_iteration(forest).value
v, history = np.zeros(3), []
for _ in range(60):
    Tv = action_values(forest, v).max(axis=1)
    tail = 0.96 / (1 - 0.96)
    low, high = Tv + tail * (Tv - v).min(), Tv + tail * (Tv - v).max()
    history.append([low, Tv, high])
    v = Tv
history = np.array(history)  # (sweeps, 3, states)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=[1, 1.6])
bars = [COLOURS[colour] for colour in ("green", "blue", "red")]
left.bar(list(values), [v[0] for v in values.values()], color=bars)
left.axhline(0, color="black", linewidth=1)
left.set(ylabel="value of a new machine (reward)", title="Three policies")
left.tick_params(axis="x", rotation=25)
sweeps = np.arange(1, 61)
right.fill_between(
    sweeps, history[:, 0, 0], history[:, 2, 0], color=COLOURS["blue"], alpha=0.35
)
right.axhline(exact[0], color=COLOURS["blue"], label="true value, in its bounds")
right.plot(sweeps, history[:, 1, 0], "--", color=COLOURS["red"], label="plain sweeps")
right.set(xlabel="sweeps", ylabel="value of the youngest forest", ylim=(0, 100))
right.set_title("One solver, with bounds and without")
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# On the left, deciding well is worth about a quarter more than running to failure, and thinking of today only is worse than not owning the machine.
# On the right, two bounds know the answer after four sweeps, while the plain iteration has hardly begun; a widely used toolbox stops at just that moment and returns the dashed line, as you will see below.
#
# ## The idea on two states
#
# A machine works or is broken, and a step later counts $\gamma = 0.9$ as much.
# Running it earns $1$, but it breaks with probability $0.1$; replacing a broken one costs $2$.
# Let $v_0$ be what a working machine is worth, today and for ever, and $v_1$ what a broken one is worth.
# Then
#
# $$v_0 = 1 + 0.9\,(0.9\, v_0 + 0.1\, v_1), \qquad v_1 = -2 + 0.9\, v_0.$$
#
# Put the second equation into the first: $v_0\,(1 - 0.81 - 0.081) = 1 - 0.18$, so $v_0 = 0.82 / 0.109 = 7.52$ and $v_1 = 4.77$.
# A broken machine is worth something, because it can be replaced.

# %%
toy = MDP(
    transition=[[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]],  # state, action, next state
    reward=[[1, -2], [0, -2]],  # run, replace
    discount=0.9,
)
policy_iteration(toy).value.round(2)

# %% [markdown]
# ## The equation: Bellman's, solved by policy iteration
#
# A **Markov decision process** has states $s$, actions $a$, rewards $r(s, a)$ and probabilities $P(s' \mid s, a)$ of the next state $s'$.
# A reward one step later is worth $\gamma < 1$ as much.
# The **value** of a state is the mean sum of all rewards from there on, counted like this, and the best value solves Bellman's equation:
#
# $$v^*(s) = \max_a \Big[ r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, v^*(s') \Big].$$
#
# If the policy is fixed there is no maximum, and what remains are linear equations, as on the two states.
# Policy iteration uses that: solve for the value of a policy, then take in each state the action that looks best with this value, and repeat until nothing changes.


# %%
def solve(P, r, gamma):
    states, policy = np.arange(len(r)), r.argmax(axis=1)
    while True:
        chain, paid = P[states, policy], r[states, policy]
        v = np.linalg.solve(np.eye(len(r)) - gamma * chain, paid)
        better = (r + gamma * P @ v).argmax(axis=1)
        if (better == policy).all():
            return v, policy
        policy = better


v, policy = solve(machine.transition, machine.reward, machine.discount)
np.testing.assert_allclose(v, best.value, atol=1e-9)
assert (policy == best.policy).all()

# %% [markdown]
# The package's function does the same with sparse matrices, looks several steps ahead between two solves, and returns bounds on its own error.

# %%
show_source(policy_iteration)

# %% [markdown]
# ## The machine: redundancy, wear and repair
#
# Each of the three parts wears from *new* over two levels to *failed*, one level per step with probability $0.15$.
# With three working parts a step earns $1$, with two $0.6$ (a degraded mode), and with fewer it loses $4$.
# Repairing one part costs $1$, overhauling all of them costs $2$, and what is under repair does not work during that step.
# Four levels of three parts make 64 states, and since each part moves on its own, the transition matrix is a product of small ones.

# %%
show_source(redundant_system)

# %%
rows = [[name, v[0]] for name, v in values.items()]
table(["policy", "value of a new machine"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
rng = np.random.default_rng(0)
others = [*policies.values(), *rng.integers(0, 5, size=(1000, 64))]
claim(
    "No other policy is worth more than the optimal one from any of the 64 states.",
    all((best.value >= policy_value(machine, p) - 1e-9).all() for p in others),
    over="the two habits and 1000 random policies, in all 64 states; any policy: theorem",
)

# %% [markdown]
# What does the optimal policy know that the others do not?
# Hold the third part new, and look at its choice for the other two.

# %%
levels = ["new", "worn", "badly worn", "failed"]
names = ["run", "repair 1", "repair 2", "repair 3", "overhaul"]
grid = best.policy.reshape(4, 4, 4)[:, :, 0]  # third part new
rows = [[level, *(names[a] for a in row)] for level, row in zip(levels, grid)]
table(["part 1 down, 2 across", *levels], rows)

# %% [markdown]
# It lets worn parts run, but it repairs the first one that fails at once, while the other two still carry the load.
#
# ## A certificate: MacQueen's bounds
#
# Large processes are solved by sweeping $v \leftarrow T v$ instead, where $T$ is the right-hand side of Bellman's equation.
# When may you stop?
# Look at what the last sweep changed, $d = T v - v$.
# If it raised every state by at least $m$, the next sweep raises every state by at least $\gamma m$, the one after by at least $\gamma^2 m$, and so on for ever.
# Together that is $m\,(\gamma + \gamma^2 + \dots) = \frac{\gamma}{1 - \gamma}\, m$, and the same holds for the largest change from above:
#
# $$T v + \frac{\gamma}{1-\gamma} \min_s d(s) \;\le\; v^* \;\le\; T v + \frac{\gamma}{1-\gamma} \max_s d(s).$$


# %%
def bounds(P, r, gamma, v):
    Tv = (r + gamma * P @ v).max(axis=1)
    d = Tv - v
    tail = gamma / (1 - gamma)
    return Tv + tail * d.min(), Tv + tail * d.max()


v = np.zeros(64)
for _ in range(56):  # as many sweeps as the package took for an error of 1e-4
    low, high = bounds(machine.transition, machine.reward, 0.95, v)
    v = (machine.reward + 0.95 * machine.transition @ v).max(axis=1)
np.testing.assert_allclose((low + high) / 2, best.value, atol=1e-4)

# %% [markdown]
# The middle of the two is the answer, and half of their distance bounds its error.
# This is what the package's value iteration stops by, and it tells you the bounds beside the value.

# %%
show_source(value_iteration)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
inside = (history[:, 0] <= exact + 1e-9) & (exact - 1e-9 <= history[:, 2])
claim(
    "The true value lies between the bounds after every sweep.",
    bool(inside.all()),
    over="60 sweeps from zero, all three states of the forest",
)

# %% [markdown]
# ## Break it: stop without the shift
#
# The MDP toolbox for Python, today in the package `mdptoolbox-hiive`, stops value iteration when $\max d - \min d$ is small, and returns $T v$ as it stands.
# Its documentation shows the result on a forest of three ages, and so can you.

# %%
evidence = recorded("robustness/fault_tolerance")
answers = evidence.results["toolbox"]["toolbox"]
ours = value_iteration(forest, tolerance=0.01)
rows = [[f"toolbox, {name}", *value] for name, value in answers.items()]
rows += [[f"ours, {ours.iterations} sweeps", *ours.value], ["truth", *exact]]
table(["solver", "young", "middle", "old"], rows, digits=2)

# %% [markdown]
# Why does $5.93$ become $74.65$ without another sweep?
# The fourth sweep raises all three states by the same $d = 2.863$.
# From then on every sweep only adds to all of them alike, $\gamma d$, then $\gamma^2 d$, and so on, which makes $\frac{0.96}{0.04} \cdot 2.863 = 68.72$ in the end.
# The differences between the states are right already, so the toolbox's *policy* is optimal; but whoever reads its *value* as money is wrong by a factor of six to thirteen.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
Tv, before = history[3, 1], history[2, 1]
d = Tv - before
claim(
    "After four sweeps the toolbox's value is 68.7 too low in every state, and one "
    "shift by 24 d mends it.",
    bool(
        np.allclose(answers["ValueIteration"], exact - 68.7174, atol=1e-3)
        and np.allclose(Tv, answers["ValueIteration"], atol=1e-9)
        and np.allclose(Tv + 24 * d, exact, atol=1e-9)
        and np.abs(ours.value - exact).max() <= 0.01
    ),
    over="the three states of the toolbox's own example",
)

# %% [markdown]
# ## When the actuator or the sensor lies
#
# A faulty **actuator** does something else than it was told.
# That changes the process: with probability $p$ the row of the stuck action takes over,
#
# $$P'(\cdot \mid s, a) = (1-p)\, P(\cdot \mid s, a) + p\, P(\cdot \mid s, a_{\text{stuck}}).$$
#
# A faulty **sensor** shows something else than there is.
# That changes the policy, because it acts on the reading.

# %%
show_source(with_actuator_fault, with_sensor_fault)

# %% [markdown]
# Let two repair orders in five get lost, and separately two readings in five show a new machine.

# %%
p = 0.4
lost = with_actuator_fault(machine, p, stuck_action=0)
misread = with_sensor_fault(machine, best.policy, p, stuck_state=0)
rows = [
    ["sound", best.value[0]],
    ["actuator, old policy", policy_value(lost, best.policy)[0]],
    ["actuator, best policy", policy_iteration(lost).value[0]],
    ["sensor, old policy", policy_value(machine, misread)[0]],
]
table(["fault", "value of a new machine"], rows, digits=2)

# %% [markdown]
# Two lines are equal, because a lost order and a false all-clear both end in *run*.
# And the machine survives a great deal: it keeps most of its value although two orders in five vanish, since a step later the repair is ordered again.
# Knowing of the fault helps a little, because the new policy orders earlier.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
equal = [
    np.abs(
        policy_value(with_actuator_fault(machine, q, 0), best.policy)
        - policy_value(machine, with_sensor_fault(machine, best.policy, q, 0))
    ).max()
    for q in np.linspace(0, 1, 21)
]
claim(
    "Orders that get lost, and readings that say 'new', cost the same.",
    max(equal) < 1e-9,
    over="fault probabilities 0 to 1 in 21 steps, all 64 states",
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "If it still runs, leave it alone."
# > **The best moment to repair is while the others still carry the load.** Run to failure meets two broken parts at once, and that is the outage.
# >
# > "The solver stopped, so the value has converged."
# > **The policy may have, the value need not.** Ask for two bounds between which the value lies, and look at their distance.
# >
# > "A faulty sensor must be worse than a faulty actuator."
# > **It depends on what the reading makes you do.** Here a reading that says "new" costs exactly as much as an order that gets lost.
# >
# > "A discount of 0.99 is nearly no discount."
# > **It halves what lies 69 steps ahead.** A plan for a thousand steps needs a discount nearer to 1, or a horizon.
#
# **Strengths**: the policy is optimal from every state, also from those into which a **fault** puts the machine, and the bounds prove it.
#
# **Limits**: the states must be seen and the probabilities known; three parts make 64 states but ten make a million. What to do when the probabilities are wrong is the subject of [Robust planning](robust_planning.ipynb).
#
# **Who is harmed when it fails**: whoever depends on the machine while two parts are down, such as a ward whose third ventilator is waiting for the month in which repairs are cheap.
#
# **In production** use QuantEcon's `DiscreteDP` for models as large as memory allows, and raise its `max_iter`, because value iteration stops at 250 sweeps without a word.

# %% [markdown]
# ## Check yourself
#
# **1.** You take over a machine like the one on this page from somebody who let it run down: two of its parts are badly worn, the third is new. You have the optimal plan that was computed when it was new. What do you do?
#
# <details><summary>Overhaul it first, because the plan was made for a new machine.</summary>
#
# **Not so.** The plan was made for all states at once: `best.policy` holds an action for each of the 64, and for this one the table that prints `grid` says *run*.
#
# </details>
#
# <details><summary>Compute a new plan, because with these parts another one may be better.</summary>
#
# **Not so.** From none of the 64 states, worn ones among them, was any of the tried policies worth more than `best.policy`.
#
# </details>
#
# <details><summary>Follow the plan from where the machine is now.</summary>
#
# **Right.** Bellman's equation is solved in all states, and what happens next depends on how worn the parts are today, not on how they came to be so.
#
# </details>
#
# **2.** Your value iteration with $\gamma = 0.9$ is still running. The last sweep raised the value of each state by exactly $0.1$. How far from the truth are the values that it now holds?
#
# <details><summary>By nine times that change in each state, so you can add it and stop.</summary>
#
# **Right.** Where all states change alike the two bounds meet, because all later sweeps together add $0.1 \cdot (0.9 + 0.9^2 + \dots) = 0.9$.
#
# </details>
#
# <details><summary>By no more than that change, because the last change bounds the error.</summary>
#
# **Not so.** The toolbox stopped where a sweep raised all states alike, and what its `ValueIteration` gave in `answers` lies below the truth by many times that change.
#
# </details>
#
# <details><summary>Nobody can tell before a sweep changes hardly anything.</summary>
#
# **Not so.** `value_iteration` stopped on the forest after four sweeps, when each further one would still have raised all its states, and its values were the true ones.
#
# </details>

# %% [markdown]
# ## Exercise 1: the price of a spare
#
# *Easy, 10 minutes.*
# A fourth part is offered, so that two of four must work, with income `[-4, -4, 0.6, 1, 1]` and everything else as before.
# Return the highest price, paid once with a new machine, at which it is worth having.
#
# Hint: compare two optimal values from the all-new state, which is state 0.


# %% tags=["exercise"]
def price_of_a_spare():
    """Highest price of a fourth part."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_price(attempt):
    four = redundant_system(wear, 4, [-4, -4, 0.6, 1, 1], 1, 2, 0.95)
    with_it, without = policy_iteration(four).value, best.value
    lazy = np.where((health_levels(4, 4) < 3).sum(axis=1) < 2, 5, 0)
    mistakes = {
        "That is the whole machine; what is the fourth part worth?": with_it[0],
        "Take the machine when it is new: state 0.": with_it[-1] - without[-1],
        "That runs both machines to failure; compare the best policies.": policy_value(
            four, lazy
        )[0]
        - values["run to failure"][0],
    }
    check_answer(attempt(), with_it[0] - without[0], mistakes)


check_price(price_of_a_spare)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def price_of_a_spare_solution():
    four = redundant_system(wear, 4, [-4, -4, 0.6, 1, 1], 1, 2, 0.95)
    return policy_iteration(four).value[0] - best.value[0]


check_price(price_of_a_spare_solution)
# Why: the value of a state is all that the machine will ever earn from there on, so the
# difference of two new machines is what the spare brings. It brings little while it
# idles, and much of it by letting one part be repaired without a loss of income.

# %% [markdown]
# ## Exercise 2: a common cause
#
# *Medium, 15 minutes.*
# With probability $q$ per step a shock fails all three parts at once, also those under repair.
# Return what a new machine is worth under the best policy for that.
#
# Hint: mix the transition of every action with one that leads to state 63, in which all have failed.


# %% tags=["exercise"]
def shocked_value(q):
    """Value of a new machine if a shock fails everything with probability q per step."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_shocked(attempt):
    def worth(kernel):
        return policy_iteration(MDP(kernel, machine.reward, 0.95)).value[0]

    P, ruin = machine.transition, np.eye(64)[63]
    running = P.copy()
    running[:, 0] = 0.98 * P[:, 0] + 0.02 * ruin
    alone = wear.copy()
    alone[:3] = 0.98 * alone[:3] + 0.02 * np.eye(4)[3]
    single = redundant_system(alone, 3, [-4, -4, 0.6, 1], 1, 2, 0.95)
    mistakes = {
        "Your shock spares what is under repair; it strikes whatever you do.": worth(
            running
        ),
        "Your shock strikes each part by itself; it strikes all three at once.": policy_iteration(
            single
        ).value[0],
        "There is no shock in it yet.": best.value[0],
    }
    check_answer(attempt(0.02), worth(0.98 * P + 0.02 * ruin), mistakes)


check_shocked(shocked_value)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def shocked_value_solution(q):
    shocked = (1 - q) * machine.transition
    shocked[:, :, 63] += q
    return policy_iteration(MDP(shocked, machine.reward, 0.95)).value[0]


check_shocked(shocked_value_solution)
# Why: a common cause is one event, so it moves the whole state and not each part. No
# repair prevents it, so the policy hardly changes while the value falls.

# %% [markdown]
# ## Exercise 3: the shift
#
# *Medium, 10 minutes.*
# You are given the values before and after a sweep, and the discount.
# Return the middle of MacQueen's bounds.
#
# Hint: with $d = T v - v$, shift $T v$ by the middle of $\min d$ and $\max d$, times what all later sweeps add.


# %% tags=["exercise"]
def centred(v, Tv, gamma):
    """The middle of MacQueen's bounds, one number per state."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_centred(attempt):
    v, Tv, gamma = np.zeros(3), np.array([0.0, 1.0, 4.0]), 0.96
    mistakes = {
        "That is T v without any shift, as the toolbox returns it.": Tv,
        "1 / (1 - γ) counts this sweep twice, because T v holds it already.": Tv
        + 2 / 0.04,
        "The mean change is no bound; take the middle of the smallest and the largest.": Tv
        + 24 * 5 / 3,
        "That is the upper bound alone.": Tv + 24 * 4,
    }
    check_answer(attempt(v, Tv, gamma), Tv + 24 * 2.0, mistakes)


check_centred(centred)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def centred_solution(v, Tv, gamma):
    d = Tv - v
    return Tv + gamma / (1 - gamma) * (d.min() + d.max()) / 2


check_centred(centred_solution)
# Why: all later sweeps together add at least γ / (1 - γ) min d and at most as much of
# max d. The middle halves the largest error, and costs one line.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
problems = [evidence.results["machine"]]
problems += evidence.results["random"] + evidence.results["slow"]
*_, last = problems[0]["ratios"]  # policy iteration, against QuantEcon's best
worst = min(problems, key=lambda problem: problem["ratios"][last])
slow = min(problems, key=lambda problem: problem["ratios"]["value iteration"])
level = [problem["ratios"]["modified policy iteration"] for problem in problems]
behind = sum(problem["ratios"][last] < 1 for problem in problems)
Markdown(
    f"On {behind} of {len(problems)} problems the book's policy iteration takes longer "
    f"than the best of QuantEcon's solvers; at worst ({worst['name']}) it takes "
    f"{1 / worst['ratios'][last]:.0f} times as long, "
    "because a sparse matrix fills up when its equations are solved; take modified "
    f"policy iteration there, in which the book is {min(level):.2f} to {max(level):.2f} "
    "times as quick as QuantEcon. Its value iteration takes up to "
    f"{1 / slow['ratios']['value iteration']:.1f} times as long ({slow['name']}), where "
    "the start is forgotten so slowly that no stopping rule saves many sweeps."
)

# %% tags=["hide-output"]
rows = [[problem["name"], *problem["ratios"].values()] for problem in problems]
table(["QuantEcon's time / ours", *problems[0]["ratios"]], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# Where value iteration is quick it is because of the stopping rule, not because of faster sweeps: it needs far fewer of them on processes that soon forget their start.
# A river that must be swum for hundreds of steps, or a forest that burns once in a thousand years, does not forget, and there the bounds close no faster than $\gamma^k$.

# %% tags=["hide-output"]
rows = [[problem["name"], *problem["steps"].values()] for problem in problems]
table(["work done", *problems[0]["steps"]], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
share = {
    kind: [
        p["steps"]["sweeps, ours"] / p["steps"]["sweeps, QuantEcon"]
        for p in evidence.results[kind]
    ]
    for kind in ("random", "slow")
}
claim(
    "To the same accuracy the bounds save all but a fiftieth of the sweeps on the "
    "random processes, and less than a tenth of them on the slow ones.",
    max(share["random"]) < 1 / 50 and min(share["slow"]) > 0.9,
    over="two random and two slowly mixing processes, recorded",
)

# %% [markdown]
# ## What the source says
#
# > **Fault Tolerance**: Designing AI systems to detect and recover from faults and errors.
#
# Its listing for this section, "Fault Tolerance using Markov Decision Processes", contains no fault, and it does not run; [Listing 3, run and repaired](../source_listing_3.ipynb) mends it line by line.
# It wanted to *learn* the policy with a neural network, which [Deep Q-learning](deep_q_learning.ipynb) does, measured against the optimum of this page.
# How much spare parts are worth without any decision is the subject of [Redundancy](redundancy.ipynb).
#
# ## References
#
# Markov decision processes: {cite:t}`puterman1994`; policy iteration: {cite:t}`howard1960`; the bounds: {cite:t}`macqueen1966`.
# Maintenance: {cite:t}`derman1970`; what happened: {cite:t}`kokolis2025`.
