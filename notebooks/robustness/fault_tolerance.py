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
# Machines wear, fail and are repaired; deciding when is a problem that can be solved exactly.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | model redundancy and repair, solve for the best maintenance, put a fault into an actuator or a sensor, and check a deep agent against the exact optimum |
# | You need | NumPy and a little probability; no reinforcement learning |
# | Time | 35 minutes to read, 30 for the exercises |
# | Code | `companion.robustness.fault_tolerance`, on top of `companion.mdp` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
import companion

# %% tags=["hide-input"]
import gymnasium
import matplotlib.pyplot as plt
import numpy as np
import torch

from companion.environments import MDPVectorEnv
from companion.lesson import COLOURS, claim, figure_style, recorded, show_source, table
from companion.mdp import (
    MDP,
    action_values,
    modified_policy_iteration,
    policy_iteration,
    policy_value,
    value_iteration,
)
from companion.problems import forest_management
from companion.robustness.fault_tolerance import (
    checkpoint_interval,
    checkpointed_time,
    dqn,
    health_levels,
    k_of_n_reliability,
    mean_time_to_failure,
    redundant_system,
    with_actuator_fault,
    with_sensor_fault,
)

figure_style()

# %% [markdown]
# ## What the source says
#
# > **Fault Tolerance**: Designing AI systems to detect and recover from faults and errors.
#
# Its listing, "Fault Tolerance using Markov Decision Processes", contains no fault, and does not run.
# [Run and repaired](../source_listings.ipynb), it shows its faults line by line.
# This lesson builds what the title promises.

# %% [markdown]
# ## The idea on three numbers
#
# Three computers vote on every answer.
# Two of them must be right.
# Each is right with probability $r$, independently of the others.
#
# Either all three are right, or exactly two of them, which can happen in three ways: $r^3 + 3 r^2 (1 - r)$.
# With $r = 0.9$ that is $0.729 + 0.243 = 0.972$.

# %%
r = np.array([0.3, 0.5, 0.9])
voted = k_of_n_reliability(r, k=2, n=3)
voted

# %% [markdown]
# At $0.9$ voting removes most of the errors.
# At $0.5$ it does nothing, and below it does harm.

# %%
claim("Three voters beat one voter above one half.", voted[2] > r[2])
claim(
    "They equal one voter at one half, and are worse below.",
    voted[1] == 0.5 and voted[0] < r[0],
)

# %% [markdown]
# The general rule counts every way in which at least $k$ of $n$ components work:
#
# $$R = \sum_{j=k}^{n} \binom{n}{j} r^j (1-r)^{n-j}$$

# %%
show_source(k_of_n_reliability)

# %% [markdown]
# ## How long until it fails?
#
# A component that fails at rate $\lambda$ lives $1/\lambda$ on average.
# How long does a voting triple live?
#
# **Guess first**: longer or shorter than a single computer?
#
# Write the rates between its states, *three work*, *two work*, *failed*, as a generator $Q$.
# The mean times to failure $t$ from the working states solve
#
# $$-Q\,t = \mathbf{1}.$$


# %%
def triple(repair):
    """Two of three must work; each fails at rate 1 and is repaired at rate `repair`."""
    return np.array([[-3, 3, 0], [repair, -2 - repair, 2], [0, 0, 0]])


failed = np.array([False, False, True])
alone = mean_time_to_failure([[-1, 1], [0, 0]], np.array([False, True]))[0]
voting = mean_time_to_failure(triple(repair=0), failed)[0]
repaired = mean_time_to_failure(triple(repair=10), failed)[0]
rows = [["one", alone], ["2 of 3", voting], ["2 of 3, repaired", repaired]]
table(["system", "mean time to failure"], rows, digits=4)

# %% [markdown]
# Redundancy alone makes the mean life *shorter*: three components offer three chances to fail.
# Redundancy with repair makes it longer.

# %%
claim(
    "Without repair the triple's mean life is 5/6 of one component's.",
    abs(voting - 5 / 6) < 1e-12,
)
claim(
    "With repair ten times as fast as failure it is 5/6 + 10/6.",
    abs(repaired - 15 / 6) < 1e-12,
)
show_source(mean_time_to_failure)

# %% [markdown]
# ## Deciding when to repair
#
# Now somebody chooses.
# A **Markov decision process** has states, actions, rewards $r(s, a)$ and probabilities $P(s' \mid s, a)$.
# A reward one step later is worth $\gamma < 1$ as much.
# The best value from each state solves Bellman's equation:
#
# $$v(s) = \max_a \Big[ r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, v(s') \Big]$$
#
# Our machine has three components.
# Each wears from *new* through two levels to *failed*, one level per step with probability $0.15$.

# %%
wear = 0.85 * np.eye(4) + 0.15 * np.eye(4, k=1)
wear[-1, -1] = 1.0
wear

# %% [markdown]
# With three working components a step earns $1$, with two it earns $0.6$ (a degraded mode), with fewer it loses $4$.
# Repairing one component costs $1$, overhauling all costs $2$, and what is under repair does not work.

# %%
machine = redundant_system(
    wear,
    components=3,
    income=[-4, -4, 0.6, 1],
    repair_cost=1,
    overhaul_cost=2,
    discount=0.95,
)
machine.transition.shape  # states, actions, next states

# %% [markdown]
# Four levels of three components make 64 states.
# The kernel is a product: every component moves on its own.

# %%
show_source(redundant_system)

# %% [markdown]
# Policy iteration solves it exactly.
# It values a policy by one linear solve, looks ahead for a better one, and stops when nothing improves.

# %%
show_source(policy_iteration)

# %%
best = policy_iteration(machine)
best.iterations, best.converged

# %% [markdown]
# Two simple habits stand against it.
# *Run to failure* overhauls only when fewer than two components work.
# *Myopic* takes what pays most right now.

# %%
h = health_levels(4, 3)  # (64, 3): 0 is new, 3 is failed
works = (h < 3).sum(axis=1)
policies = {
    "optimal": best.policy,
    "run to failure": np.where(works < 2, 4, 0),
    "myopic": machine.reward.argmax(axis=1),
}
values = {name: policy_value(machine, policy) for name, policy in policies.items()}
rows = [[name, v[0]] for name, v in values.items()]
table(["policy", "value of a new machine"], rows, digits=2)

# %%
claim(
    "The optimal policy is at least as good from every one of the 64 states.",
    all((values["optimal"] >= v - 1e-9).all() for v in values.values()),
)
claim(
    "The myopic policy never repairs, so its new machine is worth less than nothing.",
    (policies["myopic"] == 0).all() and values["myopic"][0] < 0,
)

# %% [markdown]
# What does the optimal policy know that the others do not?
# Hold the third component new, and look at its choice for the other two.

# %%
levels = ["new", "worn", "badly worn", "failed"]
names = ["run", "repair 1", "repair 2", "repair 3", "overhaul"]
grid = best.policy.reshape(4, 4, 4)[:, :, 0]  # third component new
rows = [[level, *(names[a] for a in row)] for level, row in zip(levels, grid)]
table(["first, down; second, across", *levels], rows)

# %% [markdown]
# It repairs one component while the other two still carry the load, and before two can fail together.

# %%
one_failed = h.max(axis=1) == 3
one_failed &= works == 2
claim(
    "With exactly one component failed it never waits.",
    (best.policy[one_failed] > 0).all(),
)

# %% [markdown]
# ## A certificate, not a hope
#
# Value iteration sweeps $v \leftarrow T v$, where $T$ is the right-hand side of Bellman's equation.
# When may it stop?
# With $d = Tv - v$, MacQueen's bounds hold after *every* sweep:
#
# $$Tv + \frac{\gamma}{1-\gamma} \min_s d(s) \;\le\; v^* \;\le\; Tv + \frac{\gamma}{1-\gamma} \max_s d(s)$$
#
# Their middle is the answer, and half their distance is its error.

# %%
show_source(value_iteration, modified_policy_iteration)

# %% [markdown]
# A popular toolbox stops when the span $\max d - \min d$ is small, and returns $Tv$ without the shift to the middle.
# On its own documented example, a forest of three ages, four sweeps are run either way.

# %%
forest = forest_management(discount=0.96)
ours, exact = value_iteration(forest, tolerance=0.01), policy_iteration(forest)
evidence = recorded("robustness/fault_tolerance")
answers = evidence.results["toolbox"]["toolbox"]
rows = [[f"toolbox, {name}", *value] for name, value in answers.items()]
rows += [[f"ours, {ours.iterations} sweeps", *ours.value]]
table(["solver", "youngest", "middle", "oldest"], rows, digits=2)

# %%
evidence

# %%
gap = exact.value[0] - answers["ValueIteration"][0]
claim(
    f"The toolbox's value iteration is {gap:.0f} too low; ours is within its tolerance.",
    gap > 68 and np.abs(ours.value - exact.value).max() <= 0.01,
)
claim(
    "The exact value lies between our bounds in every state.",
    bool((ours.lower <= exact.value).all() and (exact.value <= ours.upper).all()),
)

# %% [markdown]
# ## When the actuator or the sensor lies
#
# A faulty **actuator** does something else than it was told.
# That changes the process: with probability $p$ the kernel of the stuck action takes over.
#
# $$P'(\cdot \mid s, a) = (1-p)\, P(\cdot \mid s, a) + p\, P(\cdot \mid s, a_{\text{stuck}})$$
#
# A faulty **sensor** shows something else than there is.
# That changes the policy: it acts on the reading.

# %%
show_source(with_actuator_fault)

# %% [markdown]
# Let one repair order in five get lost, and separately one reading in five show a new machine.

# %%
p = 0.2
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
# With these two faults the old policy is worth exactly the same.
# A lost order and a false all-clear both end in *run*.

# %%
claim(
    "A lost order and a reading of 'new' have the same value, to rounding.",
    abs(rows[1][1] - rows[3][1]) < 1e-9,
)
claim("Knowing of the fault can only help.", rows[2][1] >= rows[1][1] - 1e-9)

# %% [markdown]
# ## Rolling back
#
# A long computation recovers in another way: it saves its state, and after a failure goes back to it.
# Saving too rarely loses work, saving too often loses time.
# Let a checkpoint take $\delta = 5$ minutes, and let a failure come every $M = 1440$ minutes on average, once a day.
# The best interval is known exactly, with Lambert's function $W$:
#
# $$\tau^* = M\big(1 + W(-e^{-1-\delta/M})\big)$$

# %%
show_source(checkpoint_interval)

# %%
optimum, young = checkpoint_interval(cost=5, mtbf=1440), np.sqrt(2 * 5 * 1440)
minutes = np.array([30, 60, optimum, young, 240, 480])
loss = 100 * (checkpointed_time(minutes, cost=5, mtbf=1440) - 1)
rows = list(zip(minutes, loss))
table(["minutes between checkpoints", "percent of time lost"], rows, digits=2)

# %%
claim(
    r"Young's rule of thumb, $\sqrt{2\,\delta M}$, costs less than 0.01 % more time.",
    0 < loss[3] - loss[2] < 0.01,
)

# %% [markdown]
# ## Learning it instead
#
# The source wanted deep reinforcement learning.
# Deep Q-learning sees only samples: where the machine was, what was done, what it paid, where it went.
# A network $Q$ is fitted to
#
# $$y = r + \gamma\,(1 - \text{terminated})\; Q^-\big(s', \arg\max_{a'} Q(s', a')\big),$$
#
# where $Q^-$ is an older copy of $Q$ (the *double* estimate of {cite}`vanhasselt2016`).

# %%
show_source(dqn)

# %% [markdown]
# Sixty-four copies of the machine run side by side, each cut off after ten steps and started anew.
# The network sees the health of each component, one-hot.

# %%
features = np.eye(4)[h].reshape(64, 12)
observed = torch.as_tensor(features, dtype=torch.float32)


def greedy(network):
    with torch.no_grad():
        return network(observed).argmax(dim=1).numpy()


env = MDPVectorEnv(machine, features, copies=64, horizon=10)
network = dqn(env, discount=0.95, seed=0)

# %% [markdown]
# Because the machine is known, the learnt policy need not be estimated by trial runs.
# One linear solve says what it loses against the optimum, in the worst of the 64 states.

# %%
loss_now = (best.value - policy_value(machine, greedy(network))).max()
claim(
    "The learnt policy loses less than 0.5 from any state (one seed, live).",
    loss_now < 0.5,
)

# %% [markdown]
# One seed proves little.
# Ten seeds were recorded.
# **Guess before you look**: what happens if the cut after ten steps is taken for the end of the machine?

# %% mystnb={"figure": {"caption": "Left: the exact value of three policies. Right: what a learnt policy loses against the exact optimum, in its worst state. Lines are means over ten recorded seeds, bands go from the best to the worst seed.", "name": "fig-fault-tolerance"}, "image": {"alt": "Two panels. Left: three bars, the value of a new machine. Optimal maintenance is highest, run to failure lower, myopic far below zero. Right: loss against the optimum over 2000 updates. Both curves start near 100. The mean of correct deep Q-learning falls to zero but for small blips; with the cut taken for an end it stays near 2, and its band never closes."}} tags=["hide-input"]
learnt = evidence.results["dqn"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=[1, 1.8])
bars = [COLOURS[colour] for colour in ("green", "blue", "red")]
left.bar(list(values), [v[0] for v in values.values()], color=bars)
left.axhline(0, color="black", linewidth=1)
left.set(ylabel="value of a new machine (reward)", title="Exact")
left.tick_params(axis="x", rotation=25)
styles = {
    "wrong": ("red", "--", "cut taken for an end"),
    "right": ("blue", "-", "correct"),
}
for kind, (colour, line, label) in styles.items():
    steps, gaps = (
        learnt[kind]["steps"],
        np.array(learnt[kind]["gaps"]),
    )  # (seeds, steps)
    right.plot(steps, gaps.mean(axis=0), line, color=COLOURS[colour], label=label)
    right.fill_between(
        steps, gaps.min(axis=0), gaps.max(axis=0), color=COLOURS[colour], alpha=0.2
    )
right.set_yscale("symlog", linthresh=0.1)
right.set(xlabel="updates", ylabel="loss in the worst state (reward)", ylim=(0, 200))
right.set_title("Learnt, ten seeds each")
right.legend()
plt.show()

# %%
seeds = learnt["seeds"]
right_gap, wrong_gap = (np.array(learnt[k]["final gap"]) for k in ("right", "wrong"))
rows = [
    [
        "correct",
        int((right_gap < 1e-6).sum()),
        right_gap.max(),
        max(learnt["right"]["value error"]),
    ],
    [
        "cut taken for an end",
        int((wrong_gap < 1e-6).sum()),
        wrong_gap.max(),
        max(learnt["wrong"]["value error"]),
    ],
]
table(
    [f"{seeds} seeds", "without loss", "largest loss", "largest value error"],
    rows,
    digits=2,
)

# %%
claim(
    f"Correct learning ends without any loss in at least 8 of {seeds} seeds.",
    (right_gap < 1e-6).sum() >= 8,
)
claim(
    "The wrong end loses something in most seeds.", (wrong_gap > 1e-6).sum() > seeds / 2
)
claim(
    "In every seed the wrong end also misjudges the value by more than 8.",
    min(learnt["wrong"]["value error"]) > 8 > max(learnt["right"]["value error"]),
)

# %% [markdown]
# ## Break it
#
# The bug is one line.
# gymnasium reports two kinds of end: **terminated** (the process is over, nothing follows) and **truncated** (we stopped watching).
# Older code has one flag, `done`, for both.


# %%
class DoneIsDone(MDPVectorEnv):
    def step(self, actions):
        observation, reward, terminated, truncated, info = super().step(actions)
        return observation, reward, terminated | truncated, truncated & False, info


wrong = dqn(DoneIsDone(machine, features, copies=64, horizon=10), discount=0.95, seed=0)
with torch.no_grad():
    estimate = wrong(observed).max(dim=1).values.numpy()

# %% [markdown]
# The network now believes that the machine vanishes after ten steps, at a moment which it cannot see coming.
# To a state that may vanish with probability $1/10$ per step, the future is worth $\gamma (1 - 1/10)$.
# So its values should be those of the *same* machine with that smaller discount, and they can be computed exactly.

# %%
vanishing = policy_iteration(MDP(machine.transition, machine.reward, 0.95 * 0.9))
rows = [["exact", best.value[0]], ["predicted for the bug", vanishing.value[0]]]
table(["", "value of a new machine"], rows, digits=1)

# %%
far, near = abs(estimate[0] - best.value[0]), abs(estimate[0] - vanishing.value[0])
claim(
    "The buggy network's value of a new machine is nearer to the prediction than to the truth.",
    near < far / 3,
)
claim(
    "No error was raised, and its policy still runs and repairs.",
    len(np.unique(greedy(wrong))) > 2,
)

# %% [markdown]
# Nothing crashes, the reward still rises, and the numbers are wrong.
# That is why the optimum is computed beside the learner.

# %% [markdown]
# > **You should know**
# >
# > *Redundancy makes a system live longer.* Not by itself: without repair the mean life fell to 5/6.
# > It raises the reliability over a *short* mission.
# >
# > *Independent components.* Every formula here assumes it.
# > A shared power supply, a shared training set or a shared software bug breaks it, and then $n$ copies fail as one.
# >
# > *A small span means a good value.* It means a good policy.
# > The value needs the shift to the middle.
# >
# > *A learnt policy that scores well in trial runs is nearly optimal.* Trial runs visit the states that the policy visits.
# > The loss here is over all states, also those that a fault puts the machine into.
#
# **Who is harmed when it fails**: whoever depends on the machine while two of three are down, such as a patient on a pump whose controller was trained with episodes cut at the end of a shift.

# %% [markdown]
# ## How it compares
#
# The same processes were solved by [QuantEcon](https://quanteconpy.readthedocs.io), to the same accuracy, one thread each.
# A number above 1 means that ours was quicker.

# %%
problems = evidence.results["random"] + evidence.results["slow"]
rows = [[problem["name"], *problem["ratios"].values()] for problem in problems]
table(["QuantEcon's time / ours", *problems[0]["ratios"]], rows, digits=2)

# %%
fast = [p["ratios"]["value iteration"] for p in evidence.results["random"]]
claim(
    "On the random processes our value iteration is over ten times as quick.",
    min(fast) > 10,
)

# %% [markdown]
# The gain is the stopping rule, not faster sweeps: it needs far fewer of them.

# %%
rows = [[problem["name"], *problem["steps"].values()] for problem in problems]
table(["work done", *problems[0]["steps"]], rows)

# %%
share = [p["steps"]["sweeps, ours"] / p["steps"]["sweeps, QuantEcon"] for p in problems]
claim(
    "On the random processes it needs less than a fiftieth of QuantEcon's sweeps.",
    max(share[:2]) < 1 / 50,
)
claim("On the slow ones it needs more than nine tenths of them.", min(share[2:]) > 0.9)

# %% [markdown]
# It works where the process soon forgets its start, as random ones do.
# A river that must be swum for hundreds of steps, or a forest that burns once in a thousand years, does not forget.
# There the span shrinks hardly faster than $\gamma^k$, no stopping rule helps, and policy iteration is the answer.
#
# In production, use QuantEcon's `DiscreteDP` for economic models and Stable-Baselines3 or CleanRL for deep Q-learning on real environments.
# QuantEcon's value iteration wants its `max_iter` raised: the default of 250 stops without a word.

# %% [markdown]
# ## Exercise 1: the price of a spare
#
# *Easy, 10 minutes.*
# A fourth component is offered, so that two of four must work: income `[-4, -4, 0.6, 1, 1]`.
# Up to what price per new machine is it worth having?
#
# Hint: compare two optimal values from the all-new state.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
four = redundant_system(
    wear, 4, [-4, -4, 0.6, 1, 1], repair_cost=1, overhaul_cost=2, discount=0.95
)
price = policy_iteration(four).value[0] - best.value[0]
claim(f"The spare is worth at most {price:.2f}, paid once.", 0 < price < 1 / (1 - 0.95))

# %% [markdown]
# ## Exercise 2: a common cause
#
# *Medium, 15 minutes.*
# With probability $q = 0.02$ per step a shock fails all three components at once.
# How much of the machine's value goes, and does the optimal policy change?
#
# Hint: mix the kernel of every action with one that leads to the all-failed state.
# A wrong answer often forgets that the shock strikes during a repair as well.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
shocked = 0.98 * machine.transition
shocked[:, :, 63] += 0.02
shock = policy_iteration(MDP(shocked, machine.reward, 0.95))
blind = policy_value(MDP(shocked, machine.reward, 0.95), best.policy)
claim(
    f"A new machine loses {best.value[0] - shock.value[0]:.2f} of its value.",
    shock.value[0] < best.value[0],
)
claim("The optimal policy stays optimal.", (shock.value - blind).max() < 1e-9)

# %% [markdown]
# ## Exercise 3: a loss that is not the mean
#
# *Hard, 20 minutes.*
# Many implementations train with the Huber loss, `torch.nn.functional.smooth_l1_loss`.
# Take one state whose reward is $-10$ with probability $0.1$ and $1$ otherwise.
# Which single number minimises the expected Huber loss, and which the squared loss?
#
# Hint: a grid of numbers and two expectations.
# The squared loss aims at the mean, which is what Bellman's equation asks for.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
outcome, chance = torch.tensor([-10.0, 1.0]), torch.tensor([0.1, 0.9])
miss = torch.linspace(-10, 1, 11001)[:, None] - outcome  # (guesses, outcomes)
huber = torch.where(miss.abs() < 1, miss.square() / 2, miss.abs() - 0.5) @ chance
square = miss.square() @ chance
found = float(1 + miss[huber.argmin(), 1]), float(1 + miss[square.argmin(), 1])
claim(
    f"Huber's minimiser is {found[0]:.2f}, the mean is {found[1]:.2f}: the robust loss discounts the rare disaster.",
    found[0] - found[1] > 0.9 and abs(found[1] + 0.1) < 1e-3,
)

# %% [markdown]
# ## References
#
# Reliability and redundancy: {cite:t}`barlow1965`; voting computers: {cite:t}`lyons1962`.
# Markov decision processes: {cite:t}`puterman1994`; policy iteration: {cite:t}`howard1960`; the bounds: {cite:t}`macqueen1966`; maintenance: {cite:t}`derman1970`.
# Checkpoints: {cite:t}`young1974`, {cite:t}`daly2006`.
# Deep Q-learning: {cite:t}`mnih2015`, {cite:t}`vanhasselt2016`; time limits: {cite:t}`pardo2018`.
