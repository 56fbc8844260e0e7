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
# # Listing 3, run and repaired
#
# Debugging a policy gradient: five faults that stop the program, and three that nobody would notice.
#
# In 2017 a team at OpenAI looked through ten popular programs for reinforcement learning and found that six had subtle bugs, which their authors confirmed {cite}`sidor2017`.
# None of those programs crashed, and some reported better scores than they had earned.
#
# The [source document](../book/source_document.md) of this book prints three programs, and none of them runs.
# On this page the third one is run as it was printed, fails in front of you, and is repaired fault by fault; [listing 1](source_listing_1.ipynb) has a page of its own.
# The question to keep in mind is the one that matters for your own programs, too: **once it runs, what has it learned?**
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | find the faults of a policy-gradient program that raise an error, and test for those that do not |
# | You need | Python, NumPy, PyTorch, Matplotlib; softmax and gradient descent. Markov decision processes are introduced in [Fault tolerance](robustness/fault_tolerance.ipynb) |
# | Time | 25 minutes to read |
# | Code | `companion.mdp` |
#
# An error message on this page is part of the lesson: the book's tests compare its name and its text with what you see.

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from companion.lesson import COLOURS, claim, figure_style, show_source, table
from companion.listings import repaired, source_listing

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Suppose that a policy chooses between two actions: action 0 pays 1 and action 1 pays 2.
# It starts by taking the worse one nine times out of ten, and every step of training should move it towards the better one.
#
# Guess before you look: where does the loss of listing 3 lead it, and where does the right loss lead it?

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two curves over 2000 steps on a logarithmic axis: the probability of the better action starts at one tenth; under the right loss it rises to one, under the loss of listing 3 it falls to zero"}, "figure": {"caption": "How often the better of two actions is taken, while the listing's loss and the right loss train the same policy.", "name": "listing-three-wrong-way"}}
pay = np.array([1.0, 2.0])


def follow(step, steps=2000, rate=0.1):
    """Return the policy after each step, from nine in ten on the worse action."""
    scores, path = np.log([9.0, 1.0]), []
    for _ in range(steps):
        policy = np.exp(scores) / np.exp(scores).sum()
        path.append(policy)
        scores = scores + rate * step(policy)
        scores -= scores.max()
    return np.array(path)


listings_step = follow(lambda policy: policy * pay)
right_step = follow(lambda policy: policy * (pay - policy @ pay))
for path, name, colour in [
    (right_step, "right loss", "blue"),
    (listings_step, "loss of listing 3", "red"),
]:
    plt.plot(1 + np.arange(len(path)), path[:, 1], label=name, color=COLOURS[colour])
plt.xscale("log")
plt.xlabel("training step")
plt.ylabel("probability of the better action")
plt.legend()
plt.show()

# %% [markdown]
# The listing trains its policy away from the better action.
# No line of it is wrong in a way that Python could notice, so you would never learn of it from an error message.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The listing's loss ends at the worse action, the right loss at the better one.",
    bool(listings_step[-1, 0] > 0.99 and right_step[-1, 1] > 0.99),
    over="these two actions and this start, 2000 expected steps",
)

# %% [markdown]
# Why that happens is fault 5 below.
# First the program has to run at all.
#
# ## The listing
#
# The source calls it "Fault Tolerance using Markov Decision Processes (MDPs)".
# Five faults stop the program, one after the other, and three more let it run and make its answer worthless.
#
# | no. | fault | how it shows |
# | :--- | :--- | :--- |
# | 1 | the state is a number, the network wants a vector | `TypeError` |
# | 2 | the network has the wrong size | `RuntimeError` |
# | 3 | scores are used as an index | `RuntimeError` |
# | 4 | random numbers are used as probabilities | `ValueError` |
# | 5 | the loss is not that of a policy gradient | two errors, then silence |
# | 6 | the state never advances | silence |
# | 7 | nothing looks further than one reward | silence |
# | 8 | nothing ever fails, so no fault is tolerated | silence |
#
# This is the listing, to the letter.

# %%
listing = source_listing(3)
Markdown(f"```python\n{listing}```")

# %% [markdown]
# The next cell runs it as a fresh program and returns its variables.
# It sets seeds, because the listing draws from the global random state of NumPy and of PyTorch.


# %%
def run(listing, seed=0, **variables):
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    exec(listing, variables)
    return variables


# %% [markdown]
# ### Fault 1: a number where the network wants a vector

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# The line `action = model(state)` hands the network the number of a state, such as 7, but a linear layer multiplies a matrix with a vector.
#
# You might be tempted to wrap the number in a tensor of length one.
# That would run and would be wrong, because the number is a name and not a quantity: state 8 is not one more than state 7.
# So each state becomes a vector of its own, with a single 1 at its place.

# %%
listing = repaired(listing, {"model(state)": "model(torch.eye(10)[state])"})

# %% [markdown]
# ### Fault 2: a network of the wrong size

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# The process has 10 states and 5 actions, but the network was made for 4 inputs and 2 actions, which are the numbers of listings 1 and 2.
# Only the inputs raise an error.
# Two outputs would have left three of the five actions unused, without a word.

# %%
listing = repaired(listing, {"state_dim=4, action_dim=2": "state_dim=10, action_dim=5"})

# %% [markdown]
# ### Fault 3: scores used as an index

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# What the listing calls `action` is the output of the network: five real numbers, one score for each action.
# It then looks up row `[state, action]` of the transition matrix with them.
# The message advises you to convert the tensor, but that cannot help, because a score is no index even once it is an array.

# %% tags=["raises-exception"]
np.arange(5)[np.array([0.3, -0.1, 0.2, 0.0, 0.1])]

# %% [markdown]
# What is missing is the step from scores to an action.
# The softmax turns the scores $\theta_a$ into probabilities, and an action is drawn from them:
#
# $$\pi(a) = \frac{e^{\theta_a}}{\sum_b e^{\theta_b}}.$$

# %%
draw = """[state])
    policy = torch.distributions.Categorical(logits=scores)
    action = policy.sample().item()
"""
listing = repaired(
    listing, {"    action = model(": "    scores = model(", "[state])\n": draw}
)

# %% [markdown]
# ### Fault 4: random numbers used as probabilities

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# The transition matrix is filled from the normal distribution, so half of its numbers are negative and its rows do not sum to one.
# NumPy notices only when it is asked to draw from such a row.
# `companion.mdp.MDP` refuses the whole table before anything is computed from it.

# %% tags=["raises-exception"]
from companion.mdp import MDP, policy_iteration, policy_value

rng = np.random.default_rng(0)
MDP(rng.normal(size=(10, 5, 10)), rng.normal(size=(10, 5)), discount=0.95)

# %% [markdown]
# A row of a transition matrix is a distribution over the next states.
# The Dirichlet distribution with all its parameters equal to one draws such rows evenly, so it stands in for the normal one.

# %%
listing = repaired(
    listing,
    {"np.random.randn(10, 5, 10)": "np.random.dirichlet(np.ones(10), size=(10, 5))"},
)

# %% [markdown]
# ### Fault 5: a loss that is not that of a policy gradient

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# The loss takes the exponential of `action`, which in the listing still meant the scores, so it gets the scores back.

# %%
listing = repaired(listing, {"torch.exp(action)": "torch.exp(scores)"})

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# Now the loss is not one number but five, one for each score.
# And because $\log(e^x) = x$, it is nothing but minus the reward times the scores.
#
# Two patches suggest themselves and make it run: sum the five numbers, or pick the one of the action that was taken.
# Both are wrong, and the two actions of the picture are enough to see it.

# %%
reward = torch.tensor([1.0, 2.0], dtype=torch.float64)
scores = torch.tensor([9.0, 1.0], dtype=torch.float64).log().requires_grad_()
policy = torch.softmax(scores, dim=0)
truth = torch.autograd.grad((policy * reward).sum(), scores)[0]

# %% [markdown]
# `truth` is the gradient of the expected reward; by hand it is $\pi(a)\,\big(r(a) - \sum_b \pi(b)\, r(b)\big)$.
#
# A loss moves the scores against its own gradient, for whichever action was drawn.
# With two actions the average of that step needs no sampling, because it is a sum of two terms.

# %%
losses = {
    "the listing's, summed": lambda a: (-reward[a] * scores.exp().log()).sum(),
    "the listing's, of the action": lambda a: -reward[a] * scores.exp().log()[a],
    "with log-softmax": lambda a: -reward[a] * torch.log_softmax(scores, dim=0)[a],
}


def expected_step(loss):
    steps = [-torch.autograd.grad(loss(a), scores)[0] for a in range(len(reward))]
    return sum(p.item() * step for p, step in zip(policy, steps, strict=True))


# %%
steps = {name: expected_step(loss) for name, loss in losses.items()}
rows = {**steps, "gradient of the expected reward": truth}
table(
    ["step", "score of action 0", "score of action 1"],
    [[name, *(f"{number:+.2f}" for number in row)] for name, row in rows.items()],
)

# %% [markdown]
# Summed, the loss raises both scores alike, so the softmax does not notice.
# Picked, it raises the score of the *worse* action more, because that one is drawn more often; this is the falling curve of the picture.
# The log-softmax gives the true gradient.
#
# Is that an accident of these two actions?
# The next cell draws random policies over five actions, with random rewards.

# %%
generator = torch.Generator().manual_seed(0)
errors = []
for _ in range(100):
    reward, scores = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    scores.requires_grad_()
    policy = torch.softmax(scores, dim=0)
    truth = torch.autograd.grad((policy * reward).sum(), scores)[0]
    errors.append((expected_step(losses["with log-softmax"]) - truth).abs().max())

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "On average the log-softmax loss steps along the gradient of the expected reward.",
    max(errors).item() < 1e-12,
    over="any policy: Williams's theorem, and 100 random ones over five actions",
)

# %% [markdown]
# What $\log(e^x)$ leaves out is the normaliser.
# The logarithm of a probability is $\log \pi(a) = \theta_a - \log \sum_b e^{\theta_b}$, and its gradient is what the method called REINFORCE multiplies with the reward {cite}`williams1992`.

# %%
listing = repaired(
    listing,
    {"torch.log(torch.exp(scores))": "torch.log_softmax(scores, dim=-1)[action]"},
)

# %%
program = run(listing)
program["epoch"]

# %% [markdown]
# The listing runs to its last epoch.
# Most people would stop here.
#
# ### Fault 6: the state never advances
#
# This program computes `next_state` and never reads it, because every step starts from a state drawn anew.
# So the transition matrix can teach it nothing.
#
# Guess before you run the next cell: what changes in the trained network if every action of every state leads to state 0?

# %%
other_world = repaired(
    listing, {"mdp['transition_matrix'][state, action]": "np.eye(10)[0]"}
)
here, there = program["model"].parameters(), run(other_world)["model"].parameters()
same = [torch.equal(a, b) for a, b in zip(here, there, strict=True)]

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "In the other world the trained network comes out the same, bit for bit.",
    all(same),
    over="every weight and bias, after all epochs with one seed",
)

# %% [markdown]
# Changing what must matter and seeing nothing change is a test that you can put to any program of your own.
#
# ### Fault 7: nothing looks further than one reward
#
# The loss weighs an action by the reward of the same step.
# There is no discount and no return, so nothing tells the network that an action may cost now and pay later, and maintenance is exactly that.
#
# Take a machine that runs or is broken.
# Running it pays 1 and breaks it with probability 0.1; a broken one pays 0; a replacement costs 2.

# %%
machine = MDP(
    transition=[[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]],  # [state][run, replace]
    reward=[[1, -2], [0, -2]],
    discount=0.9,
)
next_reward = machine.reward.argmax(axis=1)
best = policy_iteration(machine)

# %%
table(
    ["policy", "worth when it runs", "worth when broken"],
    [
        ["best next reward", *map("{:.2f}".format, policy_value(machine, next_reward))],
        ["best value", *map("{:.2f}".format, policy_value(machine, best.policy))],
    ],
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
gain = policy_value(machine, best.policy) - policy_value(machine, next_reward)
claim(
    "Whoever looks at the next reward alone never replaces, and loses in both states.",
    bool((next_reward == 0).all() and (gain > 1).all()),
    over="both states of this machine, by exact linear solves",
)

# %% [markdown]
# ### Fault 8: nothing ever fails
#
# The listing is called fault tolerance, but no part of it can fail, no state is a failed one, and no action repairs anything.
# So let it have something to tolerate.
#
# Three components wear from new (level 0) to failed (level 3), one level at a time with probability 0.15 per step.
# With three that work a step earns 1, with two 0.6; with fewer it loses 4.
# One action repairs one component and costs 1; an overhaul of all three costs 2.

# %%
from companion.robustness.fault_tolerance import redundant_system

wear = 0.85 * np.eye(4) + 0.15 * np.eye(4, k=1)
wear[3, 3] = 1.0
system = redundant_system(
    wear, 3, income=[-4, -4, 0.6, 1], repair_cost=1, overhaul_cost=2, discount=0.95
)
system.reward.shape

# %% [markdown]
# That is 64 states (four levels of three components) and 5 actions (run, repair one of three, overhaul).
# The repaired listing is given this system in place of its random tables.

# %%
listing = repaired(
    listing,
    {
        "state_dim=10": "state_dim=64",
        "torch.eye(10)": "torch.eye(64)",
        "np.arange(10)": "np.arange(64)",
        "np.random.dirichlet(np.ones(10), size=(10, 5))": "system.transition",
        "np.random.randn(10, 5)": "system.reward",
        "np.random.randint(0, 10)": "np.random.randint(0, 64)",
        "lr=0.001": "lr=rate",
    },
)

# %% [markdown]
# It trains from five seeds, with the source's step size and with one ten times as large, so that nobody can say it was merely slow.
# What it has learned is then measured exactly, by a linear solve and not by playing.


# %%
def learn(seed, rate):
    model = run(listing, seed, system=system, rate=rate)["model"]
    with torch.no_grad():
        return model(torch.eye(64)).argmax(dim=1).numpy()


learned = [learn(seed, rate) for rate in (0.001, 0.01) for seed in range(5)]
worth = [policy_value(system, policy)[0] for policy in learned]

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
optimum = policy_iteration(system)
claim(
    f"Every policy that the listing learned loses money on a new system, where the "
    f"optimum earns {optimum.value[0]:.2f}.",
    max(worth) < 0 < optimum.value[0],
    over="5 seeds with each of two step sizes",
)

# %% [markdown]
# More training cannot help, because the goal itself is wrong.
# A policy that reached it perfectly would take the best next reward in every state, and here that means never to repair.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "In every state running on pays best next: the listing's goal is never to repair.",
    bool((system.reward.argmax(axis=1) == 0).all()),
    over="all 64 states",
)

# %% [markdown]
# ## Often believed, and wrong
#
# > **Often believed, and wrong**
# >
# > "The program runs to its end, so the bugs are out."
# > **Five faults raised an error and three did not**, and the silent three made the answer worthless.
# >
# > "It did not learn, so it needs more steps or a larger network."
# > **Ask first whether the goal is the right one**: below, the same network learns the right policy once the objective is right.
#
# ## The policy gradient theorem, and the correct algorithm
#
# Faults 6 and 7 have one repair.
# What an action is worth is not the reward $r(s, a)$ but the value $q_\pi(s, a)$, because that looks ahead; and a state counts as often as the policy visits it, $d(s)$.
# That is the policy gradient theorem {cite}`sutton2000`:
#
# $$\nabla J = \sum_{s} d(s) \sum_a q_\pi(s, a)\, \nabla \pi(a \mid s), \qquad J = \sum_s \mu(s)\, v_\pi(s).$$
#
# The listing knows the transition matrix $P$ and the rewards $r$, so nothing has to be sampled.
# The value of a policy is one linear solve, $v_\pi = (I - \gamma P_\pi)^{-1} r_\pi$, and PyTorch differentiates through it.

# %%
kernel, reward = torch.tensor(system.transition), torch.tensor(system.reward)
identity = torch.eye(64, dtype=torch.float64)


def value(policy):  # (S, A) probabilities -> (S,)
    chain = torch.einsum("sa,sat->st", policy, kernel)  # (S, S)
    paid = (policy * reward).sum(dim=1)  # (S,)
    return torch.linalg.solve(identity - system.discount * chain, paid)


# %% [markdown]
# Is its gradient that of the theorem?
# For a table of scores the theorem says $d(s)\,\pi(a \mid s)\,\big(q_\pi(s, a) - v_\pi(s)\big)$, and every factor has its own function in `companion.mdp`.

# %%
from companion.mdp import action_values, occupancy

start = np.full(64, 1 / 64)
scores = torch.randn(64, 5, generator=generator, dtype=torch.float64).requires_grad_()
policy = torch.softmax(scores, dim=1)
by_torch = torch.autograd.grad(value(policy).mean(), scores)[0].numpy()

# %%
pi = policy.detach().numpy()
v = policy_value(system, pi)
by_theorem = occupancy(system, pi, start) * (action_values(system, v) - v[:, None])

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The gradient through the linear solve is that of the policy gradient theorem.",
    np.allclose(by_torch, by_theorem, rtol=0, atol=1e-8),
    over="all 64 states and 5 actions of one random policy",
)

# %% [markdown]
# Now the source's own network trains on the right objective, from five seeds and with the larger of the two step sizes.


# %%
def train(seed, steps=300):
    torch.manual_seed(seed)
    model = program["FaultTolerance"](64, 5).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        loss = -value(torch.softmax(model(identity), dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model(identity).argmax(dim=1).numpy()


# %%
gaps = [
    (optimum.value - policy_value(system, train(seed))).max().item()
    for seed in range(5)
]

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "With the right objective the same network comes within 0.01 of the optimum.",
    max(gaps) < 0.01,
    over="all 64 states, 5 seeds",
)

# %% [markdown]
# And where $P$ and $r$ are known, no network is needed at all.
# Policy iteration alternates a linear solve with a greedy step, and its bounds say how far it can be from the truth {cite}`puterman1994`.

# %%
never = policy_value(system, np.zeros(64, dtype=int))
table(
    ["policy", "worth of a new system", "average over all states"],
    [
        ["never repair: the listing's goal", f"{never[0]:.2f}", f"{never.mean():.2f}"],
        ["policy iteration", f"{optimum.value[0]:.2f}", f"{optimum.value.mean():.2f}"],
    ],
)

# %%
show_source(policy_iteration)

# %% [markdown]
# Where $P$ is not known, [deep Q-learning](robustness/deep_q_learning.ipynb) finds the policy from samples, and [Fault tolerance](robustness/fault_tolerance.ipynb) says when to repair what.
#
# ## References
#
# The bugs of six programs: {cite:t}`sidor2017`.
# The log-derivative estimator: {cite:t}`williams1992`.
# The policy gradient theorem: {cite:t}`sutton2000`.
# Policy iteration and its bounds: {cite:t}`puterman1994`.
