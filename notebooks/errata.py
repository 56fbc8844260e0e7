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
# # Errata: the source's listings, run
#
# What the [source document](../book/source_document.md) printed as a program is run here: it fails in front of you, and is repaired fault by fault until the correct algorithm stands there.
#
# An error below is part of the lesson.
# The tests compare its name and its message with what you see.

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
import companion

# %% [markdown]
# ## Listing 1: value-based design
#
# The errata of this listing come with the lessons of [Value Alignment](../book/value_alignment.md).
#
# ## Listing 2: adversarial training
#
# The errata of this listing come with the lessons of [Safety](../book/safety.md).
#
# ## Listing 3: fault tolerance
#
# The source calls it "Fault Tolerance using Markov Decision Processes (MDPs)".
# Five faults stop the program, one after the other.
# Three more let it run and make its answer worthless.
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
import ast
import re

import numpy as np
import torch
from IPython.display import Markdown

from companion.lesson import claim, repaired, source_listing, table

listing = source_listing(3)
Markdown(f"```python\n{listing}```")

# %% [markdown]
# The next cell defines how it is run: as a fresh program, with seeds, because the listing draws from NumPy's and torch's global random state.
# It returns the program's variables.


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
# The line `action = model(state)` hands the network the number of a state, such as 7.
# A linear layer multiplies a matrix with a vector.
#
# The number of a state is a name, not a quantity: state 8 is not one more than state 7.
# So each state becomes a vector of its own, with a single 1 at its place.

# %%
listing = repaired(listing, {"model(state)": "model(torch.eye(10)[state])"})

# %% [markdown]
# ### Fault 2: a network of the wrong size

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# The process has 10 states and 5 actions; the network was made for 4 inputs and 2 actions, the numbers of listings 1 and 2.
# Only the inputs raise an error.
# Two outputs would have left three of the five actions unused, without a word.

# %%
listing = repaired(listing, {"state_dim=4, action_dim=2": "state_dim=10, action_dim=5"})

# %% [markdown]
# ### Fault 3: scores used as an index

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# What the listing calls `action` is the network's output: five real numbers, one score for each action.
# It then looks up row `[state, action]` of the transition matrix with them.
# The advice of the error message does not help, because a score is no index.

# %% tags=["raises-exception"]
np.arange(5)[np.array([0.3, -0.1, 0.2, 0.0, 0.1])]

# %% [markdown]
# A policy needs one more step.
# The softmax turns scores $\theta_a$ into probabilities, and an action is drawn from them:
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
# `randn` draws from the normal distribution: half of its numbers are negative, and a row of ten does not sum to one.
# NumPy notices when the first such row is used.
# `companion.mdp.MDP` refuses the whole table before anything is computed from it.

# %% tags=["raises-exception"]
from companion.mdp import MDP, policy_iteration, policy_value

rng = np.random.default_rng(0)
MDP(rng.normal(size=(10, 5, 10)), rng.normal(size=(10, 5)), discount=0.95)

# %% [markdown]
# A row of a transition matrix is a distribution over the next states.
# The Dirichlet distribution with all parameters equal to one draws such rows evenly.

# %%
listing = repaired(
    listing,
    {"np.random.randn(10, 5, 10)": "np.random.dirichlet(np.ones(10), size=(10, 5))"},
)

# %% [markdown]
# ### Fault 5: the loss is not that of a policy gradient

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# The loss takes the exponential of `action`, which in the listing meant the scores.
# So it gets the scores.

# %%
listing = repaired(listing, {"torch.exp(action)": "torch.exp(scores)"})

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# The loss is not one number but five.
# And $\log(e^x) = x$: the loss is nothing but minus the reward times the scores.
#
# Two patches make it run.
# One sums the five numbers; the other picks that of the action taken.
# Both are wrong, and two actions suffice to see it.
#
# Let action 0 pay 1 and action 1 pay 2, and let the policy choose action 0 nine times out of ten.
# The expected reward is $0.9 \cdot 1 + 0.1 \cdot 2 = 1.1$, and a good step makes action 1 more likely.

# %%
reward = torch.tensor([1.0, 2.0], dtype=torch.float64)
scores = torch.tensor([9.0, 1.0], dtype=torch.float64).log().requires_grad_()
policy = torch.softmax(scores, dim=0)
truth = torch.autograd.grad((policy * reward).sum(), scores)[0]

# %% [markdown]
# `truth` is the gradient of the expected reward, $\pi(a)\,\big(r(a) - \sum_b \pi(b)\, r(b)\big)$.
# A loss moves the scores against its own gradient, for the action that was drawn.
# With two actions the average of that step needs no sampling: it is a sum of two terms.

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
# Summed, the loss raises both scores alike, and the softmax does not notice.
# Picked, it raises the score of the *worse* action more, because that one is drawn more often.
# The log-softmax gives the true gradient.

# %%
summed, picked, right = steps.values()
claim(
    "Summed, the loss adds the same number to every score: the policy stays.",
    torch.allclose(summed, summed.mean(), rtol=0, atol=1e-12),
)
claim(
    "Picked, its expected step makes the expected reward smaller.",
    (picked @ truth).item() < -0.01,
)

# %%
claim(
    "The log-softmax loss steps, on average, along the gradient.",
    torch.allclose(right, truth, rtol=0, atol=1e-12),
)

# %% [markdown]
# These two actions are no accident of the numbers.
# Here are a hundred random policies over five actions with random rewards.

# %%
generator = torch.Generator().manual_seed(0)
errors = []
for _ in range(100):
    reward, scores = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    scores.requires_grad_()
    policy = torch.softmax(scores, dim=0)
    truth = torch.autograd.grad((policy * reward).sum(), scores)[0]
    errors.append((expected_step(losses["with log-softmax"]) - truth).abs().max())

# %%
claim(
    f"In {len(errors)} of {len(errors)} random cases the log-softmax loss is unbiased.",
    max(errors).item() < 1e-12,
)

# %% [markdown]
# Where does the listing's step lead?
# The next cell follows it, and the true one, from the policy of the example.


# %%
def follow(direction, steps=2000, rate=0.1):
    scores, reward = np.log([9.0, 1.0]), np.array([1.0, 2.0])
    for _ in range(steps):
        policy = np.exp(scores) / np.exp(scores).sum()
        scores += rate * direction(policy, reward)
        scores -= scores.max()
    return policy


# %%
wrong = follow(lambda policy, reward: policy * reward)
right = follow(lambda policy, reward: policy * (reward - policy @ reward))
claim(
    "The listing ends at the worse action, the true gradient at the better one.",
    bool(wrong[0] > 0.99 and right[1] > 0.99),
)

# %% [markdown]
# What $\log(e^x)$ leaves out is the normaliser.
# The logarithm of a probability is $\log \pi(a) = \theta_a - \log \sum_b e^{\theta_b}$, and its gradient is what REINFORCE multiplies with the reward {cite}`williams1992`.

# %%
listing = repaired(
    listing,
    {"torch.log(torch.exp(scores))": "torch.log_softmax(scores, dim=-1)[action]"},
)

# %%
program = run(listing)
claim("The listing runs to its end.", program["epoch"] == 999)

# %% [markdown]
# ### Fault 6: the state never advances
#
# A program that runs is not yet right.
# This one computes `next_state` and forgets it: every step starts from a state drawn anew.

# %%
names = [node for node in ast.walk(ast.parse(listing)) if isinstance(node, ast.Name)]
read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
written = {node.id for node in names if isinstance(node.ctx, ast.Store)}
claim(
    "The listing writes `next_state` and never reads it.",
    "next_state" in written - read,
)

# %% [markdown]
# So the transition matrix can teach it nothing.
# Guess before you run the next cell: what changes in the trained network if every action of every state leads to state 0?

# %%
other_world = repaired(
    listing, {"mdp['transition_matrix'][state, action]": "np.eye(10)[0]"}
)
here, there = program["model"].parameters(), run(other_world)["model"].parameters()

# %%
claim(
    "In the other world the network comes out the same, bit for bit.",
    all(torch.equal(a, b) for a, b in zip(here, there, strict=True)),
)

# %% [markdown]
# ### Fault 7: nothing looks further than one reward
#
# The loss weighs an action by the reward of the same step.
# There is no discount and no return, so nothing tells the network that an action may cost now and pay later.
# Maintenance is exactly that.
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

# %%
gain = policy_value(machine, best.policy) - policy_value(machine, next_reward)
claim(
    "Looking at the next reward, one never replaces, and loses in both states.",
    bool((next_reward == 0).all() and (gain > 1).all()),
)

# %% [markdown]
# ### Fault 8: nothing ever fails
#
# The listing is called fault tolerance.
# No part of it can fail, no state is a failed one, and no action repairs anything.

# %%
program_text = ast.unparse(ast.parse(listing))  # without its comments
claim(
    "Of all names in the listing only that of its class speaks of a fault.",
    set(re.findall(r"(?i)\w*(?:fault|fail)\w*", program_text)) == {"FaultTolerance"},
)

# %% [markdown]
# So let it have something to tolerate.
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
    },
)

# %% [markdown]
# It trains from five seeds.
# What it has learned is then measured exactly, by a linear solve, not by playing.

# %%
learned = []
for seed in range(5):
    model = run(listing, seed, system=system)["model"]
    with torch.no_grad():
        learned.append(model(torch.eye(64)).argmax(dim=1).numpy())

# %%
optimum = policy_iteration(system)
worth = [policy_value(system, policy)[0] for policy in learned]
claim(
    f"In {len(worth)} of {len(worth)} seeds the learned policy loses money "
    f"on a new system; the optimum earns {optimum.value[0]:.2f}.",
    max(worth) < 0 < optimum.value[0],
)

# %% [markdown]
# More training cannot help, because the goal itself is wrong.

# %%
myopic = system.reward.argmax(axis=1)
claim(
    "In every state running on pays best next: the listing's goal is never to repair.",
    bool((myopic == 0).all()),
)

# %% [markdown]
# ## The correct algorithm
#
# Faults 6 and 7 have one repair.
# What an action is worth is not the reward $r(s, a)$ but the value $q_\pi(s, a)$, which looks ahead; and a state counts as often as the policy visits it, $d(s)$.
# That is the policy gradient theorem {cite}`sutton2000`:
#
# $$\nabla J = \sum_{s} d(s) \sum_a q_\pi(s, a)\, \nabla \pi(a \mid s), \qquad J = \sum_s \mu(s)\, v_\pi(s).$$
#
# The listing knows $P$ and $r$, so nothing has to be sampled.
# The value of a policy is one linear solve, $v_\pi = (I - \gamma P_\pi)^{-1} r_\pi$, and torch differentiates through it.

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
claim(
    "The gradient through the linear solve is that of the policy gradient theorem.",
    np.allclose(by_torch, by_theorem, rtol=0, atol=1e-9),
)

# %% [markdown]
# Now the source's own network trains on the right objective, with the source's optimiser at ten times its step, from five seeds.


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
claim(
    f"In {len(gaps)} of {len(gaps)} seeds the policy comes within 0.01 of the optimum, "
    "in every state.",
    max(gaps) < 0.01,
)

# %% [markdown]
# And where $P$ and $r$ are known, no network is needed at all.
# Policy iteration alternates a linear solve with a greedy step, and says how far it can be from the truth {cite}`puterman1994`.

# %%
claim(
    f"Policy iteration took {optimum.iterations} linear solves "
    "and certifies its answer to a billionth.",
    (optimum.upper - optimum.lower).max() < 1e-9,
)
never = policy_value(system, np.zeros(64, dtype=int))
table(
    ["policy", "worth of a new system", "average over all states"],
    [
        ["never repair: the listing's goal", f"{never[0]:.2f}", f"{never.mean():.2f}"],
        ["optimal", f"{optimum.value[0]:.2f}", f"{optimum.value.mean():.2f}"],
    ],
)

# %% [markdown]
# Where $P$ is not known, deep Q-learning finds the policy from samples.
# The lesson [Fault tolerance](robustness/fault_tolerance.ipynb) builds it and measures its exact gap to the optimum.
#
# ## Section 4
#
# Section 4 breaks off before a listing.
