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
# # Deep Q-learning
#
# DQN with replay memory, target network and the double estimate, measured against the exact optimum.
#
# Gym, the library through which most people meet reinforcement learning, used to end an episode with one flag, `done`.
# Programs took a time limit for the end of the world, learnt wrong values from it without any error message {cite}`pardo2018`, and so the interface was changed under everybody's feet: today there are two flags, `terminated` and `truncated` {cite}`towers2024`.
#
# **How do you know that a learnt policy is any good?**
#
# You need the answer before you let anything that learnt by trial decide about a real machine, because a rising reward curve looks the same with the bug and without it.
# On a problem that is small enough to be solved exactly, you can measure the truth instead of guessing it, and this page does so with the machine of [Fault tolerance](fault_tolerance.ipynb).
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | say what the three parts of deep Q-learning are for, train it, measure exactly what its policy loses, and recognise the time-limit bug |
# | You need | NumPy, Matplotlib, PyTorch; Bellman's equation and the machine of [Fault tolerance](fault_tolerance.ipynb); what a neural network and gradient descent are |
# | Time | 25 minutes to read, 30 for the exercises |
# | Code | `companion.robustness.deep_q_learning` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from companion.environments import MDPVectorEnv
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
from companion.robustness.deep_q_learning import double_q_target, dqn
from companion.robustness.fault_tolerance import health_levels, redundant_system

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A network learnt when to repair a machine of three parts, from samples alone, in copies that are cut off after ten steps and started anew.
# Because the machine is known, a linear solve says exactly what the learnt policy loses against the optimum, in the worst of its 64 states.
#
# **Guess before you look**: what becomes of that loss if the cut after ten steps is taken for the end of the machine?

# %% mystnb={"figure": {"caption": "What the learnt policy loses against the exact optimum, in its worst state, while it learns. Lines are means over ten recorded seeds, bands go from the best to the worst seed.", "name": "fig-deep-q-learning"}, "image": {"alt": "Loss against the optimum over 2000 updates, on a scale that is logarithmic above 0.1. Both curves start near 100. The mean of correct deep Q-learning falls to zero. With the cut taken for an end it stays near 2, and its band never closes."}} tags=["hide-input"]
evidence = recorded("robustness/deep_q_learning")
variants = evidence.results["variants"]
fig, axes = plt.subplots(figsize=(7.5, 3.8))
styles = {
    "wrong end": ("red", "--", "cut taken for an end"),
    "right": ("blue", "-", "correct"),
}
for name, (colour, line, label) in styles.items():
    steps = variants[name]["steps"]
    gaps = np.array(variants[name]["gaps"])  # (seeds, steps)
    axes.plot(steps, gaps.mean(axis=0), line, color=COLOURS[colour], label=label)
    low, high = gaps.min(axis=0), gaps.max(axis=0)
    axes.fill_between(steps, low, high, color=COLOURS[colour], alpha=0.2)
axes.set_yscale("symlog", linthresh=0.1)
axes.set(xlabel="updates", ylabel="loss in the worst state (reward)", ylim=(0, 200))
axes.legend()
plt.show()

# %% [markdown]
# The correct learner reaches the optimum itself, and not merely something near it; where it leaves it for a moment, it comes back.
# The other one differs by a single flag, learns just as quickly at first, and then stays away from it in nearly every seed.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
final = {name: np.array(v["final gap"]) for name, v in variants.items()}
claim(
    "Correct learning ends without any loss in at least eight seeds of ten; with the "
    "cut taken for an end most seeds lose something.",
    bool((final["right"] < 1e-6).sum() >= 8 and (final["wrong end"] > 1e-6).sum() > 5),
    over="10 seeds each, recorded, all 64 states",
)

# %% [markdown]
# ## The idea on one transition
#
# The learner sees one step: the machine was in state $s$, you did $a$, it paid $r = 1$, and now it is in $s'$.
# Suppose that its network thinks the actions in $s'$ are worth $0$ and $9$, and an older copy of it thinks $4$ and $2$.
#
# Deep Q-learning asks the network which action it would take, the second, and asks the *copy* what that one is worth, $2$.
# With $\gamma = 0.95$ the step was worth $1 + 0.95 \cdot 2 = 2.9$, and towards this number the network's opinion about $a$ in $s$ is moved a little.

# %%
double_q_target(
    reward=torch.tensor([1.0]),
    terminated=torch.tensor([False]),
    discount=0.95,
    online=torch.tensor([[0.0, 9.0]]),
    target=torch.tensor([[4.0, 2.0]]),
)

# %% [markdown]
# ## The equation: the double Q-learning target
#
# A network $Q(s, a)$ is fitted, by squared error, to
#
# $$y = r + \gamma\,(1 - \text{terminated})\; Q^-\big(s', \arg\max_{a'} Q(s', a')\big),$$
#
# where $Q^-$ is the older copy.
# The factor $1 - \text{terminated}$ is there because nothing follows after the end of the process.
# In plain lines:


# %%
def targets(reward, terminated, gamma, q_next, q_copy_next):
    y = []
    for r, over, q, q_copy in zip(reward, terminated, q_next, q_copy_next):
        action = q.argmax()
        follows = 0.0 if over else q_copy[action]
        y.append(r + gamma * follows)
    return torch.stack(y)


generator = torch.Generator().manual_seed(0)
q, q_copy = torch.randn(2, 100, 5, generator=generator)
reward = torch.randn(100, generator=generator)
over = torch.rand(100, generator=generator) < 0.2
torch.testing.assert_close(
    targets(reward, over, 0.95, q, q_copy),
    double_q_target(reward, over, 0.95, q, q_copy),
)

# %% [markdown]
# Around this equation deep Q-learning has three parts, and each of them has a reason.
#
# The **replay memory** holds the last hundred thousand steps, and every update draws some of them at random.
# Steps that follow one another resemble one another, so a network that learnt from them in their order would forget one corner of the world while it visits the next {cite}`mnih2015`.
#
# The **target network** is the copy $Q^-$, renewed only now and then.
# Without it the network would chase its own tail, because each update moves the very target that it aims at.
#
# The **double estimate** lets one network choose the action and the other one say its worth {cite}`vanhasselt2016`.
# If one did both, it would choose the action that it overrates most, and believe itself.
# You can see that with five actions that are all worth nothing, and two opinions with independent noise of size 1 about them.

# %%
noise = torch.Generator().manual_seed(0)
q, q_copy = torch.randn(2, 40_000, 5, generator=noise)
nothing, never = torch.zeros(40_000), torch.zeros(40_000, dtype=torch.bool)
single = double_q_target(nothing, never, 0.95, q_copy, q_copy).mean()
double = double_q_target(nothing, never, 0.95, q, q_copy).mean()
rows = [
    ["one table does both", f"{single:.1f}"],
    ["double estimate", f"{abs(double):.1f}"],
]
table(["targets of five worthless actions", "size of the mean"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
means = []
for seed in range(10):
    noise = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, 40_000, 5, generator=noise)
    pair = [double_q_target(nothing, never, 0.95, x, b).mean() for x in (b, a)]
    means.append([float(m) for m in pair])
single_means, double_means = np.array(means).T
claim(
    "Choosing and valuing with one noisy table overrates nothing by more than one; "
    "the double estimate is right on average.",
    bool(single_means.min() > 1 and np.abs(double_means).max() < 0.03),
    over="10 seeds of 40,000 draws; the two tables must be independent of one another",
)

# %% [markdown]
# In deep Q-learning the two networks are not independent, since one is a copy of the other, so the overrating becomes smaller but does not vanish.
#
# ## A standard environment: the machine in Gymnasium's clothes
#
# The machine of [Fault tolerance](fault_tolerance.ipynb) has three parts with four levels of wear.
# Sixty-four copies of it run side by side as one Gymnasium vector environment.
# The network sees the health of each part, one-hot, so twelve numbers.

# %%
wear = 0.85 * np.eye(4) + 0.15 * np.eye(4, k=1)
wear[-1, -1] = 1.0
machine = redundant_system(
    wear, 3, [-4, -4, 0.6, 1], repair_cost=1, overhaul_cost=2, discount=0.95
)
optimum = policy_iteration(machine).value
features = np.eye(4)[health_levels(4, 3)].reshape(64, 12)
env = MDPVectorEnv(machine, features, copies=64, horizon=10)

# %% [markdown]
# Two thousand updates take a few seconds.
# Then you read the policy off the network, in all 64 states, and let a linear solve value it.

# %%
network = dqn(env, discount=0.95, seed=0)


def judge(network):
    with torch.no_grad():
        q = network(torch.as_tensor(features, dtype=torch.float32)).numpy()
    loss = optimum - policy_value(machine, q.argmax(axis=1))
    return loss.max(), q.max(axis=1)


loss, believed = judge(network)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
errors = np.array(variants["right"]["value error"])
claim(
    "The learnt policy loses less than 0.5 from any state, and the network's own "
    "opinion of its value is right to 1.5.",
    bool(
        max(loss, final["right"].max()) < 0.5
        and max(np.abs(believed - optimum).max(), errors.max()) < 1.5
    ),
    over="10 seeds, recorded, the first of them live on this page",
)

# %%
show_source(dqn)

# %% [markdown]
# Are all three parts needed?
# On this machine you can take one away and look.
# The loss is that of the policy in its worst state after 2000 updates, and the last column says how far the network's values are off.

# %%
labels = {
    "right": "all parts",
    "no memory": "only the last step in memory",
    "no target network": "target renewed at every update",
}
rows = [
    [
        label,
        int((final[name] < 1e-6).sum()),
        final[name].max(),
        max(variants[name]["value error"]),
    ]
    for name, label in labels.items()
]
table(
    ["variant, 10 seeds", "without loss", "worst loss", "value error"], rows, digits=1
)

# %% [markdown]
# Here nothing breaks, and that is worth knowing: sixty-four copies at once already mix the samples, and the world is small.
# The memory spares a few seeds a loss, and both the memory and the target network make the values more accurate.
# What the parts were invented for are larger worlds, a single copy of them, and pictures instead of twelve numbers, so this page cannot tell you that they can be spared there.
#
# ## Break it: truncation taken for termination
#
# Gymnasium reports two kinds of end: **terminated** (the process is over, nothing follows) and **truncated** (somebody stopped watching).
# Code that is older, or careless, has one flag for both.
# Here is that bug, in one line.


# %%
class DoneIsDone(MDPVectorEnv):
    def step(self, actions):
        seen, reward, terminated, truncated, info = super().step(actions)
        return seen, reward, terminated | truncated, truncated & False, info


wrong = dqn(DoneIsDone(machine, features, copies=64, horizon=10), discount=0.95, seed=0)
wrong_loss, wrong_believed = judge(wrong)

# %% [markdown]
# The network now believes that the machine vanishes after ten steps, at a moment that it cannot see coming, because the time is not among what it observes.
# To something that vanishes with probability $1/10$ per step, the future is worth only $\gamma\,(1 - 1/10)$.
# So its values should be about those of the *same* machine with this smaller discount, and those can be computed exactly.

# %%
vanishing = policy_iteration(MDP(machine.transition, machine.reward, 0.95 * 0.9))
np.testing.assert_allclose(policy_value(machine, vanishing.policy), optimum)
rows = [
    ["true value", optimum[0]],
    ["predicted for the bug", vanishing.value[0]],
]
table(["", "value of a new machine"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
far = abs(wrong_believed[0] - optimum[0])
near = abs(wrong_believed[0] - vanishing.value[0])
claim(
    "The buggy network's value lies nearer to the prediction than to the truth, and "
    "somewhere it is off by more than 8.",
    bool(near < far / 3 and min(variants["wrong end"]["value error"]) > 8),
    over="the live seed for the first half, 10 recorded seeds for the second",
)

# %% [markdown]
# Nothing crashed, the reward rose, and the numbers are wrong.
# Yet the smaller discount alone costs nothing here: the best policy at $0.95 \cdot 0.9$ is still the optimal one, as the cell above asserts.
# What the buggy policy loses, it loses because the cuts do not fall evenly: an episode starts in any state and then drifts, so the cut finds some states far more often than others, and these look worse than they are.
# You could not have seen it from trial runs of ten steps with a new machine, in which the buggy policy earns nearly as much as the best one.
#
# > **Often believed, and wrong**
# >
# > "The reward curve went up, so the agent has learnt."
# > **It went up with the bug, too.** Compare with an optimum, on a problem small enough to have one, before you trust the code on a large one.
# >
# > "An episode that ends, ends."
# > **A time limit is where you stopped watching.** Look ahead after a truncation, and not after a termination.
# >
# > "The network's value tells you what the policy earns."
# > **It tells you what the network believes.** The maximum over noisy opinions is too high, and the double estimate only lessens that.
# >
# > "A robust loss such as Huber's is always safer."
# > **It no longer aims at the mean**, which is what Bellman's equation asks for, and it plays down the rare disaster; exercise 2 shows by how much.
#
# **Strengths**: it needs no model, only samples, and the network can generalise where a table could not even be stored.
#
# **Limits**: no bound comes with the answer, results depend on the seed, and it explores by making mistakes, so on a real machine you want a [shield](shielding.ipynb) around it.
#
# **Who is harmed when it fails**: patients on a pump whose controller was trained in episodes that end with the shift; it learnt that nothing matters after six o'clock.
#
# **In production** use Stable-Baselines3 or CleanRL, and check how your version treats time limits before you do.

# %% [markdown]
# ## Check yourself
#
# **1.** Ten slot machines pay the same on average. You try each a few times, choose the one with the best average so far, and write that average down as what it is worth. What is wrong with the note?
#
# <details><summary>Nothing, because averages of fair tries err upwards as often as downwards.</summary>
#
# **Not so.** Those of one machine do, but not the best of several: `single` chose and valued with one noisy table, and five worthless actions came out as worth more than one.
#
# </details>
#
# <details><summary>It is probably too high, and fresh tries of that machine would put it right.</summary>
#
# **Right.** The machine was chosen for its luck, which does not come with it into new tries. The double estimate uses that: the second network had no part in the choice.
#
# </details>
#
# <details><summary>It is probably too high, and so would fresh tries of that machine be.</summary>
#
# **Not so.** `double` values the chosen action by a second table with noise of its own, and on average it came out as worth nothing, which is right.
#
# </details>
#
# **2.** An agent learns to run a shop that earns money day and night. Its episodes are cut after some hours, and its program has one flag for both kinds of end. What do you notice while it learns?
#
# <details><summary>Rewards that do not rise, as with most other bugs.</summary>
#
# **Not so.** In the first picture the loss of `wrong end`, the cut taken for an end, falls at first as quickly as the right one, so the rewards rise.
#
# </details>
#
# <details><summary>Values that are too high, because it takes the cut for a success.</summary>
#
# **Not so.** It takes the cut for the end of all income: `wrong_believed` came out nearer to `vanishing.value` than to the truth, and so too low.
#
# </details>
#
# <details><summary>Values that are too low, but only if you know the true ones.</summary>
#
# **Right.** To the network nothing follows the cut, so the future counts for less. Nothing crashes and the rewards rise, so only a comparison with the truth shows it.
#
# </details>
#
# **3.** On a problem that you can solve exactly, the values of a learnt network turn out to be far off. What do you now know about its policy?
#
# <details><summary>By itself nothing; you have to value the policy, too.</summary>
#
# **Right.** A policy needs the right order of the actions in each state, and wrong values may keep that order or not. That is why this page measures both.
#
# </details>
#
# <details><summary>It must lose something, because who misjudges values chooses badly.</summary>
#
# **Not so.** `vanishing.value` is far too low, and yet `policy_value(machine, vanishing.policy)` equals the optimum.
#
# </details>
#
# <details><summary>It loses nothing, because only the order of the actions matters.</summary>
#
# **Not so.** The order matters, but wrong values need not keep it: with `wrong end` the values are far off, and most seeds lose something.
#
# </details>

# %% [markdown]
# ## Exercise 1: the target
#
# *Easy, 10 minutes.*
# Four steps come with their flags.
# Write the target $y$ for all of them as one array, in NumPy, without a loop.
#
# Hint: which of the two flags stops the look ahead?


# %% tags=["exercise"]
def my_target(reward, terminated, truncated, gamma, q_next, q_copy_next):
    """Targets (N,) of double Q-learning; q_next and q_copy_next have shape (N, A)."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_my_target(attempt):
    reward = np.array([1.0, 0.0, -1.0, 2.0])
    ended, cut = np.array([0, 1, 0, 0]) > 0, np.array([0, 0, 1, 0]) > 0
    q = np.array([[0.0, 9.0], [1.0, 0.0], [3.0, 4.0], [5.0, 1.0]])
    copy = np.array([[4.0, 2.0], [8.0, 3.0], [7.0, 6.0], [0.5, 2.5]])
    rows, choice = np.arange(4), q.argmax(axis=1)
    right = reward + 0.9 * ~ended * copy[rows, choice]
    mistakes = {
        "You stopped looking ahead at a time limit; only a termination is an end.": reward
        + 0.9 * ~(ended | cut) * copy[rows, choice],
        "Nothing follows after a termination, but you look ahead there.": reward
        + 0.9 * copy[rows, choice],
        "That is the copy's own maximum; let the network choose the action.": reward
        + 0.9 * ~ended * copy.max(axis=1),
        "The network chooses, but the copy says what that is worth.": reward
        + 0.9 * ~ended * q.max(axis=1),
    }
    check_answer(attempt(reward, ended, cut, 0.9, q, copy), right, mistakes)


check_my_target(my_target)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def my_target_solution(reward, terminated, truncated, gamma, q_next, q_copy_next):
    chosen = q_next.argmax(axis=1)
    follows = q_copy_next[np.arange(len(reward)), chosen]
    return reward + gamma * ~terminated * follows


check_my_target(my_target_solution)
# Why: after a termination there is no next state, so nothing follows; after a
# truncation there is one, and it is worth what it is worth. `truncated` is not needed.

# %% [markdown]
# ## Exercise 2: a loss that is not the mean
#
# *Medium, 20 minutes.*
# Many programs train with the Huber loss, which is $m^2/2$ for a miss $|m| \le 1$ and $|m| - 1/2$ beyond.
# Take one state whose reward is $-10$ with probability $0.1$ and $1$ otherwise.
# Return the number that minimises the expected Huber loss.
#
# Hint: evaluate the expected loss on a fine grid from $-10$ to $1$, or set its derivative to zero by hand.


# %% tags=["exercise"]
def huber_minimiser():
    """The number that the Huber loss aims at, to three digits."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_huber(attempt):
    mistakes = {
        "That is the mean, at which the squared loss aims.": -0.1,
        "That is the median, at which the absolute miss alone aims.": 1.0,
        "That is the worst case.": -10.0,
    }
    check_answer(attempt(), 1 - 1 / 9, mistakes, tolerance=2e-3)


check_huber(huber_minimiser)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def huber_minimiser_solution():
    guess = np.linspace(-10, 1, 11001)[:, None]
    miss = np.abs(guess - np.array([-10.0, 1.0]))  # (guesses, outcomes)
    loss = np.where(miss < 1, miss**2 / 2, miss - 0.5) @ np.array([0.1, 0.9])
    return guess[loss.argmin(), 0]


check_huber(huber_minimiser_solution)
# Why: the disaster pulls with its probability 0.1 only, however large it is, and the
# usual outcome pulls back with 0.9 m, so m = 1/9. The mean is -0.1, nearly one lower.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
Markdown(
    "The book's DQN is less able than those of Stable-Baselines3 and CleanRL: it takes "
    "no pictures, saves no run half-way, and knows vector environments only. What it "
    f"has instead is the exact optimum beside it: {int((final['right'] < 1e-6).sum())} "
    f"of {evidence.results['seeds']} seeds lose nothing at all."
)

# %% tags=["hide-output"]
rows = [
    [name, int((final[name] < 1e-6).sum()), final[name].max(), max(v["value error"])]
    for name, v in variants.items()
]
table(
    ["variant, 10 seeds", "without loss", "worst loss", "value error"], rows, digits=1
)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# The source's listing for its section on robustness wants a neural network to learn from rewards which action to take, which is what this page does.
# Its own network never learns that, and [Listing 3, run and repaired](../source_listing_3.ipynb) shows why, line by line.
#
# ## References
#
# Deep Q-learning: {cite:t}`mnih2015`; the double estimate: {cite:t}`vanhasselt2016`.
# Time limits: {cite:t}`pardo2018`; Gymnasium: {cite:t}`towers2024`.
