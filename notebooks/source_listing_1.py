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
# # Listing 1, run and repaired
#
# Debugging a reward: three faults that stop a policy-gradient program, one that turns its numbers into NaN, and three that nobody would notice.
#
# Five researchers read the rewards that published work had given to learning cars, and put eight simple questions to each.
# They found flaws in nearly all of them, in work that had passed peer review {cite}`knox2023`.
#
# The first program of the [source document](../book/source_document.md) is called value-based design, and its reward is the sine of a random number.
# On this page it is run as it was printed, fails in front of you, and is repaired fault by fault; [listing 3](source_listing_3.ipynb) has a page of its own.
# The question is one that you can put to every reward that you write: **could it tell a good action from a bad one?**
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | find out whether a reward and a loss can teach anything, before you train on them |
# | You need | Python, NumPy, PyTorch, Matplotlib, Gymnasium; softmax and gradient descent. The policy gradient has [a lesson of its own](value_alignment/policy_gradient.ipynb) |
# | Time | 15 minutes to read |
# | Code | `companion.value_alignment.policy_gradient` |
#
# An error message on this page is part of the lesson: the book's tests compare its name and its text with what you see.

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import gymnasium
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from companion.lesson import COLOURS, claim, figure_style, table
from companion.listings import repaired, source_listing

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A loss should fall while a program learns.
# Patch the listing just far enough that it runs, and its loss does fall.
#
# Guess before you look: how far?


# %% tags=["hide-input"] mystnb={"image": {"alt": "Five curves over a thousand epochs, the loss on an axis that is logarithmic in both directions: each curve swings wider and wider between large positive and large negative values, and ends in a cross before epoch 400, where it becomes NaN"}, "figure": {"caption": "The loss of the patched listing from five seeds. A cross marks the epoch from which on it is not a number.", "name": "listing-one-loss"}}
def run(listing, seed=0, **variables):
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    exec(listing, variables)
    return variables


patches = {
    "np.random.randn(4)": "torch.randn(4)",
    "reward_function(state)": "reward_function(state).sum()",
    "    optimizer.zero_grad()\n": "    loss = loss.sum()\n    losses.append(loss.item())\n    optimizer.zero_grad()\n",
}
patched = source_listing(1)
for old, new in patches.items():
    patched = patched.replace(old, new)
curves = [run(patched, seed, losses=[])["losses"] for seed in range(5)]
for curve in curves:
    end = int(np.isnan(curve).argmax())
    plt.plot(curve[:end], color=COLOURS["blue"], alpha=0.5)
    plt.plot(end, curve[end - 1], "x", color=COLOURS["red"])
plt.yscale("symlog")
plt.xlabel("epoch")
plt.ylabel("loss of the patched listing")
plt.xlim(0, 300)
plt.show()

# %% [markdown]
# A loss that has learned something settles.
# This one has no lowest value, so it runs away until its numbers overflow.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The patched listing never reaches its last epoch with a loss that is a number.",
    all(np.isnan(curve[-1]) for curve in curves),
    over="5 seeds, 1000 epochs each",
)

# %% [markdown]
# ## The listing
#
# The source calls it "Value-Based Design using Deep Reinforcement Learning".
#
# | no. | fault | how it shows |
# | :--- | :--- | :--- |
# | 1 | the network is given a NumPy array | `TypeError` |
# | 2 | four rewards meet two actions | `RuntimeError` |
# | 3 | the loss is not one number | `RuntimeError` |
# | 4 | the loss has no lowest value | NaN, and no message |
# | 5 | the reward does not depend on the action | silence |
# | 6 | there is no world: an action changes nothing | silence |
# | 7 | no value is designed | silence |
#
# This is the listing, to the letter.

# %%
listing = source_listing(1)
Markdown(f"```python\n{listing}```")

# %% [markdown]
# The cell behind the picture defines `run`, which executes such a text as a fresh program and returns its variables.
# It sets seeds, because the listing draws from the global random state of NumPy and of PyTorch.
#
# ### Fault 1: an array where the network wants a tensor

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# PyTorch does not convert, because an array could not carry a gradient.
# It would also be of the wrong type: NumPy draws in double precision, and the network's weights are in single.
# So the state is drawn by PyTorch in the first place.

# %%
listing = repaired(listing, {"np.random.randn(4)": "torch.randn(4)"})

# %% [markdown]
# ### Fault 2: four rewards meet two actions

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# `np.sin` takes the sine of each of the four numbers of the state, so the "reward" has four entries, but the network has two outputs.
# With four actions the shapes would have matched and the program would have gone on, because an elementwise product of the $i$-th coordinate and the $i$-th action is a meaningless number, not an error.
#
# A reward is one number per step: for instance, the sum.

# %%
listing = repaired(listing, {"reward_function(state)": "reward_function(state).sum()"})

# %% [markdown]
# ### Fault 3: a loss that is not one number

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# The message invites you to make it a scalar, and `loss.sum()` does.
# That is the patch behind the picture, and from here on no message will help you.
#
# ### Fault 4: a loss without a lowest value
#
# The logarithm undoes the exponential, so the loss is minus the reward times the sum of the two scores:
#
# $$L = -r \,(\theta_0 + \theta_1).$$
#
# Where $r > 0$ it falls as far as the scores can rise, and where $r < 0$ as far as they can fall.
# The network sees the state, from which $r$ follows, so it can do both.
# The exponential of a score above 88 does not fit in single precision, and the gradient of its logarithm is infinity over infinity.
#
# Is the overflow the fault, then?
# Take the logarithm and the exponential out, and nothing can overflow so soon.

# %%
direct = patched.replace("torch.log(torch.exp(action))", "action")
lasting = [run(direct, seed, losses=[])["losses"] for seed in range(5)]

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
averages = [[np.mean(losses[i : i + 100]) for i in (0, 400, 900)] for losses in lasting]
claim(
    "Without the overflow the loss falls on: from the first hundred epochs to the "
    "fifth hundred and from there to the last it drops at least threefold.",
    all(late < 3 * middle < 9 * early < 0 for early, middle, late in averages),
    over="5 seeds, means of 100 epochs",
)

# %% [markdown]
# So the overflow only ends what the loss began.
# What is missing is a choice: an action must be drawn, and what may rise is the logarithm of its *probability*, which cannot exceed zero.
# The softmax turns scores into probabilities, and `log_softmax` takes their logarithm without overflow.

# %%
draw = """state)
    action = torch.distributions.Categorical(logits=scores).sample()
"""
listing = repaired(
    listing,
    {
        "    action = model(state)\n": f"    scores = model({draw}",
        "torch.log(torch.exp(action))": "torch.log_softmax(scores, dim=-1)[action]",
    },
)

# %%
program = run(listing)
program["loss"].isfinite().item()

# %% [markdown]
# This is the loss of the policy gradient {cite}`williams1992`, and the program runs to its last epoch with finite numbers.
# No error is left to see, and most people would stop here.
#
# ### Fault 5: the reward does not depend on the action
#
# The reward is the sine of the state, and the state was there before the action.
# So whatever the policy does, it is paid the same.
#
# You can find that out before you train, because the average step of this loss is a sum over two actions.
# In one state it is $\sum_a \pi(a)\, r(a)\, \nabla \log \pi(a)$, here for a reward that depends on the action and for one that does not.

# %%
scores = torch.tensor([0.5, -0.3], dtype=torch.float64, requires_grad=True)


def average_step(reward):  # one reward for each action
    log_policy = torch.log_softmax(scores, dim=0)
    surrogate = (log_policy.exp().detach() * reward * log_policy).sum()
    return torch.autograd.grad(surrogate, scores)[0]


rewards = {
    "depends on the action": [1.0, 2.0],
    "the sine of 7, for both": [np.sin(7.0)] * 2,
}

# %%
steps = {name: average_step(torch.tensor(r)) for name, r in rewards.items()}
table(
    ["the reward ...", "step of score 0", "step of score 1"],
    [
        [name, *(f"{abs(x) if abs(x) < 1e-12 else x:.2f}" for x in step.tolist())]
        for name, step in steps.items()
    ],
)

# %% [markdown]
# A constant can be taken out of the sum, and what remains is the gradient of $\sum_a \pi(a) = 1$, which is zero.
# The network still moves, because a *sampled* step is not zero; but in no direction on average, and where it ends is an accident of the seed.
# The next cell trains five networks, and counts in how many of 2000 states each prefers action 0.

# %%
torch.manual_seed(0)
states = torch.randn(2000, 4)


def train(program):
    return [run(program, seed)["model"] for seed in range(5)]


def share(network):
    with torch.no_grad():
        return (network(states).argmax(dim=1) == 0).float().mean().item()


networks = train(listing)
sine = [share(network) for network in networks]

# %% [markdown]
# Was it the loss, or the number of epochs?
# Change the reward alone, to 1 for action 0 and nothing for action 1, and train again.

# %%
for_action_0 = {"reward_function(state).sum()": "(action == 0).float()"}
paid = [share(network) for network in train(repaired(listing, for_action_0))]

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Paid for action 0, the same program prefers it in every state and from each seed; "
    "paid the sine, one seed prefers it almost everywhere and another almost nowhere.",
    min(paid) == 1 and min(sine) < 0.2 and max(sine) > 0.8,
    over="the same 2000 states, 5 seeds for each reward",
)

# %% [markdown]
# That is a test for any reward: train on it from several seeds, and see whether they agree about anything.
#
# ### Fault 6: there is no world
#
# Each epoch draws a fresh state, so an action has no consequence, and nothing can be learnt that pays later.
# The network's numbers suggest what the author may have meant: 4 inputs and 2 actions are those of a standard environment.

# %%
env = gymnasium.make("CartPole-v1")
env.observation_space.shape, env.action_space.n

# %% [markdown]
# In CartPole a cart must keep a pole upright for 500 steps: the state is a position, a velocity, an angle and its rate, and the actions push left and right.
#
# ### Fault 7: no value is designed
#
# The section promises "human values and principles" in the decisions, but the sine of a position stands for nobody's value.
# CartPole's reward does stand for something, though it is small: one point for each step on which the pole stands.
# Where several things matter, such as a delivery and the people in its way, each gets a reward of its own; [value-based design](value_alignment/value_based_design.ipynb) shows what one number would hide, and [a limit](value_alignment/constrained_reinforcement_learning.ipynb) can stand in place of a weight.
#
# ## Often believed, and wrong
#
# > **Often believed, and wrong**
# >
# > "The loss goes down, so it learns."
# > **A loss without a lowest value goes down for ever**; ask what its minimum would be before you minimise it.
# >
# > "The loss is finite and the program runs, so the rest is tuning."
# > **No tuning helps where the reward cannot tell two actions apart**; the same program learned within the same thousand epochs when it could.
#
# ## The correct algorithm: proximal policy optimisation
#
# The [lesson on policy gradients](value_alignment/policy_gradient.ipynb) goes from this loss to proximal policy optimisation (PPO), the algorithm that is meant by "deep reinforcement learning" here.
# It acts in an environment, weighs each action by what follows it, and learns the value of a state beside the policy.

# %%
from companion.value_alignment.policy_gradient import ppo


def carts(copies):
    return gymnasium.make_vec(
        "CartPole-v1", copies, vectorization_mode="vector_entry_point"
    )


agent = ppo(carts(32), discount=0.98, seed=0)


# %% [markdown]
# How many steps does it hold the pole, over a hundred episodes?
# For comparison the same question goes to the five networks from above, which the listing trained once all its loud faults were repaired.


# %%
@torch.no_grad()
def steps_held(network, copies=100):
    env = carts(copies)
    seen, _ = env.reset(seed=1)
    steps, up = np.zeros(copies), np.ones(copies, dtype=bool)
    while up.any():
        action = network(torch.as_tensor(seen)).argmax(dim=1).numpy()
        seen, _, fallen, cut_off, _ = env.step(action)
        steps += up
        up &= ~(fallen | cut_off)
    return steps


held = steps_held(agent)
listings_steps = [steps_held(network).mean() for network in networks]

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "PPO holds the pole for all 500 steps of every episode; of the repaired listing's "
    "networks none holds it for 50 on average.",
    held.min() == 500 and max(listings_steps) < 50,
    over="100 episodes each; one seed of PPO, 5 of the listing",
)

# %% [markdown]
# One seed proves little for PPO, so its lesson records several, and says what holding a pole does not prove.
#
# ## References
#
# Flaws in the rewards of learning cars: {cite:t}`knox2023`.
# The log-derivative estimator: {cite:t}`williams1992`.
# Proximal policy optimisation: {cite:t}`schulman2017`.
