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
# # Policy gradients
#
# REINFORCE, generalised advantage estimation (GAE) and proximal policy optimisation (PPO), each beside an exact answer.
#
# PPO is how InstructGPT, whose recipe ChatGPT took over, was taught to follow instructions {cite}`ouyang2022`.
# When researchers took PPO apart to see why it beats the method before it, most of the gain came from details that stood only in the code, or were mentioned in passing {cite}`engstrom2020`.
#
# **How do you know that your learner computes what its equation says?**
#
# You need the answer whenever you let a reward decide what a model becomes, because a wrong policy gradient still learns something, its score still rises, and you will not see from the score what is wrong.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | derive the policy gradient, say what baseline, GAE, clip and epochs each do, handle time limits and automatic restarts, and test such a learner against exact numbers |
# | You need | NumPy, Matplotlib, SciPy, PyTorch, Gymnasium; Markov decision processes and the value of a policy, as in [Fault tolerance](../robustness/fault_tolerance.ipynb); what a neural network and gradient descent are |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.value_alignment.policy_gradient` |

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
from scipy.special import softmax

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
from companion.mdp import (
    MDP,
    action_values,
    occupancy,
    policy_iteration,
    policy_value,
    sample_next,
)
from companion.value_alignment.policy_gradient import (
    ActorCritic,
    clipped_loss,
    gae,
    policy_gradient,
    ppo,
    ppo_update,
    rollout,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A network learns to hold a pole upright on a cart; an episode pays 1 per step and is cut off after 500.
# On the left each dot is one seed after equally many steps, with one part of PPO taken away at a time, or all of them, which leaves REINFORCE.
# On the right all agents hold the pole for 500 steps, and you see what their critic *believes* the future to be worth.
#
# **Guess before you look**: which of PPO's parts can you take away without anyone noticing, and what does the one bug on the right do to the score?

# %% mystnb={"figure": {"caption": "Left: mean return of 100 episodes, most likely action, after 32,768 steps of learning; five recorded seeds for each variant, each with its own best of six settings. Right: what the critic believes a first state to be worth, for PPO as it should be (ten recorded seeds) and with the time limit taken for an end (five). The line is the exact worth of perfect play.", "name": "fig-policy-gradient"}, "image": {"alt": "Two panels of dots. Left: seven rows, from PPO at the top to REINFORCE at the bottom, with the return of five seeds each, between 0 and 500. Right: ten dots near the line at 50 for the right code, five dots below it for the time limit taken for an end."}} tags=["hide-input"]
evidence = recorded("value_alignment/policy_gradient")
variants = evidence.results["ablation"]["variants"]
learnt = evidence.results["learnt"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=(1.5, 1))
for row, (name, result) in enumerate(variants.items()):
    colour = COLOURS["blue" if name == "PPO" else "grey"]
    left.plot(result["returns"], [row] * 5, "o", color=colour, alpha=0.6)
left.set_yticks(range(len(variants)), variants)
left.set(xlabel="return of an episode", xlim=(0, 515))
left.invert_yaxis()
for row, (name, colour) in enumerate({"right": "blue", "wrong end": "red"}.items()):
    believed = [run["value"] for run in learnt[name]]
    right.plot([row] * len(believed), believed, "o", color=COLOURS[colour], alpha=0.6)
right.axhline(50, color=COLOURS["black"], linewidth=1)
right.set_xticks([0, 1], ["right", "limit taken\nfor an end"])
right.set(ylabel="believed worth of the start", xlim=(-0.5, 1.5), ylim=(45, 52))
plt.show()

# %% [markdown]
# On the left only PPO with all its parts holds the pole with every seed; without the clip most seeds fall far short, and without any one of the others some seeds still make it and some do not.
# On the right every dot is an agent that holds the pole for 500 steps, and yet those with the bug are wrong about what is to come, all of them.
#
# ## The idea on one coin
#
# There is one state, two actions, and the first one pays 1 while the second pays 0.
# The policy takes either with probability $\tfrac12$, by a softmax of two numbers $\theta_1 = \theta_2 = 0$.
#
# You take an action and look at the **score**, the direction in which the parameters make that action more likely: $(\tfrac12, -\tfrac12)$ for the first, $(-\tfrac12, \tfrac12)$ for the second.
# Then you go along the score as far as the reward says: $(\tfrac12, -\tfrac12)$ if you took the first, nothing if you took the second.
# On average that is $(\tfrac14, -\tfrac14)$, and this is the slope of the expected reward.
#
# Now subtract a **baseline** of $\tfrac12$ from the reward first.
# The first action gives $\tfrac12 (\tfrac12, -\tfrac12)$, the second $-\tfrac12 (-\tfrac12, \tfrac12)$, and both are $(\tfrac14, -\tfrac14)$: the average is the same, but the noise is gone.

# %%
coin = MDP([[[1.0], [1.0]]], [[1, 0]], discount=0)
policy_gradient(coin, logits=[[0, 0]], start=[1])

# %% [markdown]
# ## The equation: the policy gradient theorem
#
# For one decision, $\nabla \sum_a \pi(a)\, r(a) = \sum_a \pi(a)\, r(a)\, \nabla \log \pi(a)$, because $\nabla \pi = \pi\, \nabla \log \pi$.
# That is a mean over what the policy does anyway, so you can sample it.
# For many decisions, with the return $J = \mathbb{E} \sum_t \gamma^t r_t$, the same step gives {cite}`sutton2000`
#
# $$\nabla J = \mathbb{E} \sum_t \gamma^t\, \nabla \log \pi(a_t \mid s_t)\, A(s_t, a_t), \qquad A = Q - V.$$
#
# Here $Q(s, a)$ is what follows if you do $a$ in $s$ and then follow the policy, $V(s)$ is its mean over the policy's actions, and the **advantage** $A$ is how much better than that average the action was.
#
# A small machine makes this exact.
# It is new or worn; running it pays 1 while it is new, and wears it out with probability $\tfrac12$; repair costs 1.5.
# For a softmax of a table $\theta_{sa}$ the theorem becomes $\partial J / \partial \theta_{sa} = d(s, a)\, A(s, a)$, with $d$ the discounted number of visits.

# %%
machine = MDP(
    transition=[[[0.5, 0.5], [1, 0]], [[0, 1], [1, 0]]],
    reward=[[1, -1.5], [0, -1.5]],
    discount=0.9,
)
new = np.array([1.0, 0.0])  # where it starts


def gradient(theta):
    policy = softmax(theta, axis=1)
    v = policy_value(machine, policy)
    q = action_values(machine, v)
    d = occupancy(machine, policy, new)
    return d * (q - v[:, None])


theta = np.array([[2.0, 0.0], [1.0, -1.0]])
np.testing.assert_allclose(gradient(theta), policy_gradient(machine, theta, new))

# %% [markdown]
# **REINFORCE** does not know the machine {cite}`williams1992`.
# It acts, adds up what followed, and puts that in the place of $A$.


# %%
def reinforce_gradient(theta, rng, forget=False, episodes=4000, steps=120):
    policy = softmax(theta, axis=1)
    state, seen = np.zeros(episodes, dtype=int), []
    for t in range(steps):
        action = (rng.random(episodes) < policy[state, 1]).astype(int)
        seen.append((state, action, machine.reward[state, action]))
        state = sample_next(machine, state, action, rng)
    total, rest = np.zeros((2, 2)), 0.0
    for t in reversed(range(steps)):
        state, action, paid = seen[t]
        rest = paid + 0.9 * rest
        score = np.eye(2)[action] - policy[state]
        weight = rest if forget else 0.9**t * rest
        np.add.at(total, state, weight[:, None] * score)
    return total / episodes


names = ["exact", "sampled", "sampled, without $\\gamma^t$"]
rngs = [np.random.default_rng(0) for _ in range(2)]
found = [
    gradient(theta),
    reinforce_gradient(theta, rngs[0]),
    reinforce_gradient(theta, rngs[1], forget=True),
]
rows = [[n, g[0, 0], g[1, 1], g[1, 1] / g[0, 0]] for n, g in zip(names, found)]
table(["gradient", "run, if new", "repair, if worn", "ratio"], rows, digits=2)

# %% [markdown]
# The last line is what nearly every program follows, because it leaves out the factor $\gamma^t$ so that late steps count as much as early ones.
# It is not only longer but points elsewhere, and it is in general the gradient of nothing at all {cite}`nota2020`.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
off, ratios = [], []
for seed in range(5):
    right_way = reinforce_gradient(theta, np.random.default_rng(seed))
    forgetful = reinforce_gradient(theta, np.random.default_rng(seed), forget=True)
    off.append(np.abs(right_way - gradient(theta)).max())
    ratios.append(forgetful[1, 1] / forgetful[0, 0])
exact_ratio = gradient(theta)[1, 1] / gradient(theta)[0, 0]
claim(
    "The sampled gradient is the exact one up to 0.05; without the discount to the "
    "power t the ratio of its parts is more than half as large again.",
    bool(max(off) < 0.05 and min(ratio / exact_ratio for ratio in ratios) > 1.5),
    over="5 seeds of 4000 episodes, this machine and this policy",
)

# %% [markdown]
# ## Generalised advantage estimation: whom to ask about the future
#
# The return says what happened, noise included; a **critic** $V$, a second network, says what usually happens, and may be wrong.
# GAE mixes them {cite}`schulman2016`.
# With the error of one step, $\delta_t = r_t + \gamma V(s_{t+1}) - V(s_t)$,
#
# $$A_t = \delta_t + \gamma\lambda\, A_{t+1},$$
#
# where $\lambda = 0$ asks the critic after one step and $\lambda = 1$ takes the whole return and asks the critic only about the start.
# An episode can end in two ways: after a **termination** nothing follows, so $V(s_{t+1})$ is left out; after a **truncation**, a time limit, the critic still says what would have followed.
# Either cuts the chain to $A_{t+1}$, which belongs to another episode.


# %%
def advantages(r, v, v_next, terminated, ended, gamma, lam):
    A, trace = torch.zeros_like(r), 0.0
    for t in reversed(range(len(r))):
        follows = torch.where(terminated[t], 0.0, v_next[t])
        delta = r[t] + gamma * follows - v[t]
        trace = delta + gamma * lam * ~ended[t] * trace
        A[t] = trace
    return A


dice = torch.Generator().manual_seed(0)
r, v, v_next, u = torch.rand(4, 50, 8, generator=dice)  # 50 steps of 8 copies
data = r, v, v_next, u < 0.05, u < 0.1  # some steps terminate, some are truncated
torch.testing.assert_close(advantages(*data, 0.98, 0.95), gae(*data, 0.98, 0.95))

# %% [markdown]
# ## Proximal policy optimisation: several steps with the same samples
#
# Samples are dear, so PPO uses them several times {cite}`schulman2017`.
# After its first step the policy is no longer the one that drew the samples, so each is weighed by the ratio $\rho = \pi(a \mid s) / \pi_{\text{old}}(a \mid s)$, and what has moved far enough stops paying:
#
# $$L = -\operatorname{mean} \min\big(\rho A,\; \operatorname{clip}(\rho, 1 - \varepsilon, 1 + \varepsilon)\, A\big).$$


# %%
def loss(log_prob, old_log_prob, A, clip=0.2):
    rho = (log_prob - old_log_prob).exp()
    near = rho.clamp(1 - clip, 1 + clip)
    return -torch.minimum(rho * A, near * A).mean()


def pull(rho, A):
    """How strongly one sample still pulls its action up."""
    log = torch.tensor([rho]).log().requires_grad_()
    value = clipped_loss(log, torch.zeros(1), torch.tensor([A]))
    assert torch.equal(value, loss(log, torch.zeros(1), torch.tensor([A])))
    return 0.0 - float(torch.autograd.grad(value, log)[0])


rows = [[f"{rho}", pull(rho, 1.0), pull(rho, -1.0)] for rho in (0.5, 1.0, 1.5)]
table(["ratio", "pull if A = 1", "pull if A = -1"], rows, digits=1)

# %% [markdown]
# A good action that has become half as likely again pulls no more, and neither does a bad one that is half as likely as before; whoever went the wrong way is still pulled back.
#
# That is all of it: act, estimate the advantages, take some steps on the clipped loss, and fit the critic by squared error.

# %%
show_source(ppo)

# %% [markdown]
# ## A standard environment: CartPole
#
# Four numbers describe the cart and its pole, two actions push left and right {cite}`barto1983`.
# Thirty-two copies run side by side, and about a hundred thousand steps take a few seconds.


# %%
def cart_poles(copies):
    return gymnasium.make_vec(
        "CartPole-v1", copies, vectorization_mode="vector_entry_point"
    )


agent = ppo(cart_poles(32), discount=0.98, seed=0, steps=98_304)

# %% [markdown]
# Then a hundred new carts are steered by the action that the network finds most likely, and what each of them earns until it falls or is stopped is added up.


# %%
def returns(act, copies=100):
    env = cart_poles(copies)
    seen, _ = env.reset(seed=1)
    total, up = np.zeros(copies), np.ones(copies, dtype=bool)
    while up.any():
        seen, paid, terminated, truncated, _ = env.step(act(seen))
        total += paid * up
        up &= ~(terminated | truncated)
    return total


def most_likely(seen):
    with torch.no_grad():
        return agent(torch.as_tensor(seen)).argmax(dim=1).numpy()


held = returns(most_likely)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
least = [run["least"] for run in learnt["right"]]
claim(
    "PPO holds the pole for all 500 steps in each of 100 episodes.",
    bool(min(least) == 500 and held.mean() > 495),
    over="10 seeds, recorded, and seed 0 live, where a mean above 495 is asked for",
)

# %% [markdown]
# Before you are impressed, look at what nobody trained: push to where $0.05 x + 0.2 \dot x + \varphi + \dot \varphi$ points, or draw the four numbers at random until a rule holds the pole in five episodes.

# %%
untrained = evidence.results["untrained"]
searches = np.array(untrained["rules until found, steps until found"])
rule = returns(lambda seen: (seen @ [0.05, 0.2, 1, 1] > 0).astype(int))
again = untrained["found again, mean return"]
own = np.mean([run["mean"] for run in learnt["right"]])
budget = evidence.results["ablation"]["steps"]
rows = [
    ["a rule that was thought up", 0, rule.mean()],
    ["random rules, median search", int(np.median(searches[:, 1])), np.median(again)],
    ["random rules, worst search", int(searches[:, 1].max()), min(again)],
    ["PPO, 10 seeds", learnt["steps"], own],
    ["PPO, tuned, 5 seeds", budget, np.mean(variants["PPO"]["returns"])],
]
table(["", "steps of experience", "mean return, 100 episodes"], rows, digits=0)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Every random search finds a rule that holds the pole in five episodes with less "
    "experience than PPO is given here, half of them with a third of what the tuned "
    "PPO gets, and most of the rules found hold it in a hundred more.",
    bool(
        len(searches) == untrained["searches"]
        and searches[:, 1].max() < learnt["steps"]
        and np.median(searches[:, 1]) < budget / 3
        and np.mean(np.array(again) == 500) > 0.5
    ),
    over=f"{untrained['searches']} searches among 400 rules each, recorded",
)

# %% [markdown]
# So 500 of 500 checks the code, not the power of the method; on walking robots, too, a random search over linear rules has matched the deep learners of its day {cite}`mania2018`.
# What it is good for is telling variants apart, if they get equal steps and equal care.
# "No baseline" weighs an action by the return instead of the advantage, "no GAE" sets $\lambda = 1$, and REINFORCE lacks all four parts, although its returns, too, are brought to mean 0 in each batch.
# Every variant had the same six settings to choose from (two lengths of rollout, three learning rates), by two seeds that are not shown.

# %%
rows = [
    [
        name,
        v["horizon"],
        v["learning rate"],
        float(np.mean(v["returns"])),
        min(v["returns"]),
    ]
    for name, v in variants.items()
]
rows = [[n, h, f"{lr:g}", f"{m:.0f}", f"{w:.0f}"] for n, h, lr, m, w in rows]
table(["variant", "rollout", "rate", "mean return", "worst seed"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
means = {name: np.mean(v["returns"]) for name, v in variants.items()}
worst = {name: min(v["returns"]) for name, v in variants.items()}
others = [name for name in variants if name != "PPO"]
claim(
    "PPO alone stays above 490 with every seed; without the clip, and with all parts "
    "taken away, the mean is lower than PPO's by more than 100.",
    bool(
        worst["PPO"] > 490
        and max(worst[name] for name in others) < 490
        and max(means[name] for name in ("no clip", *others[-2:])) < means["PPO"] - 100
    ),
    over="5 seeds each, recorded, CartPole after 32,768 steps",
)

# %% [markdown]
# Without the clip the best setting is the smallest rate, at the edge of what was on offer, so a smaller one may serve it better.
# The seeds of one line lie so far apart that five others may well move its mean by a hundred.
# REINFORCE takes a single step of the optimiser where PPO takes dozens, and no setting makes up for that.
# Five seeds and six settings on one small task rank the ends of this list, not its middle, and they say what a part is worth here, not why.
#
# ## Break it: truncation taken for termination
#
# To see what the time limit does to a critic, take the observation away.
# The pole is held for ever, each step pays 1, and the critic has one number $V$ to say, whatever the time.
# What it learns is the $V$ that equals its own mean target, which is a linear equation.


# %%
def learnt_worth(terminated, lam):
    reward, ended = torch.ones(500, 1, dtype=torch.float64), torch.zeros(500, 1) > 0
    ended[-1] = True  # the time limit

    def target(V):
        V = V * reward
        return (gae(reward, V, V, ended & terminated, ended, 0.98, lam) + V).mean()

    a, b = target(0.0), target(1.0) - target(0.0)
    return float(a / (1 - b))  # V = a + b V


rows = [
    [
        name,
        learnt_worth(torch.tensor(wrong), 0.0),
        learnt_worth(torch.tensor(wrong), 1.0),
    ]
    for name, wrong in (("truncated", False), ("taken for terminated", True))
]
table(["the limit is", "learnt V, λ = 0", "learnt V, λ = 1"], rows, digits=1)

# %% [markdown]
# The truth is $1 + 0.98 + 0.98^2 + \dots = 50$.
# The bug makes every step look as if the end could come at any time.
# If the observation told the time, the critic could learn that only the last steps are worth less, and the start would hardly change, so this test needs an observation that does not say.
#
# CartPole's does not tell the time, so the right panel of the figure shows the same bug, and the score shows nothing.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
worth = {
    name: np.array([run["value"] for run in learnt[name]])
    for name in ("right", "wrong end")
}
scores = [run["mean"] for run in learnt["wrong end"]]
claim(
    "With the bug the critic underrates the start by more than 1.5 in every seed, "
    "without it it is right to 0.2, and the score is 500 for both.",
    bool(
        worth["wrong end"].max() < 48.5
        and np.abs(worth["right"] - 50).max() < 0.2
        and min(scores + [run["mean"] for run in learnt["right"]]) == 500
    ),
    over="5 seeds with the bug and 10 without, recorded",
)

# %% [markdown]
# ## Break it: the step that only starts anew
#
# Gymnasium's vector environments start a finished copy anew *at its next step*, which ignores the action and pays nothing.
# That step is no transition, and a learner that takes it for one believes that whatever it did in the last state led to a fresh start.
# For the machine this is fatal: cut off after four steps, it is new again for nothing.


# %%
def learn(masked, seed=0, rounds=40):
    env = MDPVectorEnv(machine, np.eye(2), copies=32, horizon=4, start=new)
    dice = torch.Generator().manual_seed(seed)
    agent = ActorCritic(2, 2, dice, hidden=(32,))
    adam = torch.optim.Adam(agent.parameters(), lr=3e-3)
    batch = None
    for _ in range(rounds):
        batch = rollout(env, agent, 32, dice, batch)
        V, V_next = batch.values[..., 0], batch.next_values[..., 0]
        A = gae(batch.rewards, V, V_next, batch.terminated, batch.ended, 0.9, 0.95)
        if not masked:
            batch = batch._replace(valid=torch.ones_like(batch.valid))
        ppo_update(agent, adam, batch, A, A + V, dice)
    with torch.no_grad():
        return agent(torch.eye(2)).softmax(1), agent.critic(torch.eye(2))[:, 0]


best = policy_iteration(machine).value
rows = [["exact optimum", "yes", "0.0", f"{best[0]:.0f}"]]
for name, masked in (("PPO", True), ("PPO, not masked", False)):
    policy, believed = learn(masked)
    lost = best - policy_value(machine, policy.argmax(dim=1).numpy())
    mends = "yes" if policy[1, 1] > 0.5 else "no"
    rows.append([name, mends, f"{lost.max():.1f}", f"{believed[0]:.0f}"])
table(["", "mends the worn machine", "loss", "believed worth of a new one"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
masks = evidence.results["no mask"]
losses = {
    name: np.array([run["lost"] for run in masks[name]])
    for name in ("right", "no mask")
}
claim(
    "With the mask the learnt policy is the optimum; without it the machine is never "
    "mended, and its worth is overrated.",
    bool(
        (losses["right"] < 1e-9).all()
        and (losses["no mask"] > 0.4).all()
        and min(run["value"][1] for run in masks["no mask"]) > 1.5
    ),
    over="5 seeds, recorded, exact loss in both states",
)

# %% [markdown]
# The agent neglects the machine because the training program has always replaced it.
# Its training episodes even pay it for that: in four steps from new, neglect earns $1 + \tfrac12 + \tfrac14 + \tfrac18$ on average, and care $1 - \tfrac14 + \tfrac38 + \tfrac1{16}$.
# So the score during training prefers the bug, and the damage begins on the day on which nobody replaces the machine.
#
# > **Often believed, and wrong**
# >
# > "It scores 500 of 500, so the method is powerful."
# > **A rule of four numbers scores 500, too.** The score checks the code, and only where a bug would lower it.
# >
# > "The score is right, so the time limit is handled."
# > **The critic can be wrong while the score is perfect.** Ask it for a number that you know.
# >
# > "PPO climbs the gradient of the discounted return."
# > **It leaves out the factor $\gamma^t$**, and what remains points elsewhere.
# >
# > "The clip keeps the new policy near the old one."
# > **It only takes away the reward for going further.** Samples that still pull move the shared network, and with it the ratios of the others; the cell below says how far.
#
# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
grown = [run["largest ratio"] for run in learnt["right"]]
claim(
    "After half of all updates with the clip at 0.2 some action is more than 1.2 "
    "times as likely as before.",
    bool(min(grown) > 1.2),
    over="10 seeds, 47 updates each, recorded",
)

# %% [markdown]
# **Strengths**: it needs no model and no differentiable reward, handles any policy that you can sample and score, and one loop serves robots and language models.
#
# **Limits**: it is hungry for samples, depends on details of the code, and finds a local optimum of the reward that you wrote, not of what you meant.
#
# **Who is harmed when it fails**: the patients of a ward whose planner was trained in simulated weeks that begin with fresh staff; it learnt that exhaustion mends itself on Monday.
#
# **In production** use Stable-Baselines3's PPO, or TRL's trainers for language models, and test your version against a number that you can compute.

# %% [markdown]
# ## Check yourself
#
# **1.** A chat model's answer is one decision, rewarded between 0 and 1, and a colleague adds 10 to all rewards. You train with REINFORCE, without a baseline. What changes?
#
# <details><summary>The gradient now favours whatever is sampled, good or bad.</summary>
#
# **Not so.** Not on average: `reinforce_gradient` weighs by the whole return, without a baseline, and its mean came out as the exact `gradient`, which weighs by advantages.
#
# </details>
#
# <details><summary>Nothing, because the mean of the gradient is the same.</summary>
#
# **Not so.** The mean is, the noise is not: in `variants` the learner without a baseline got less from equally many steps, and with some seeds far less.
#
# </details>
#
# <details><summary>The mean stays the same, but the noise around it grows.</summary>
#
# **Right.** A constant times the score is zero on average, so it adds nothing but spread, and a baseline takes it away again, as on the coin.
#
# </details>
#
# **2.** A trading agent works from nine to five. At five all positions are closed, the day's profit is paid out, and nothing later counts for this agent. The observation tells the time. How do you report the end of the day to GAE?
#
# <details><summary>As a termination, because nothing follows that counts.</summary>
#
# **Right.** After it $V(s_{t+1})$ must be left out; otherwise the critic's guess about tomorrow is added to a day that has been settled.
#
# </details>
#
# <details><summary>As a truncation, because it was a clock that ended it.</summary>
#
# **Not so.** A truncation says that things go on: in `learnt_worth` it gave the worth of a pole that is held for ever.
#
# </details>
#
# <details><summary>As either, as long as the score comes out the same.</summary>
#
# **Not so.** The score hides it: with the wrong kind of end the `scores` were perfect and the `worth` that the critic believed was wrong on all seeds.
#
# </details>
#
# **3.** Your program leaves out the factor $\gamma^t$, and its gradient is several times too long. Is a smaller learning rate all that it needs?
#
# <details><summary>Yes, because a missing factor changes only the length.</summary>
#
# **Not so.** In the rows of `found` the ratio of the two parts changes as well, so the direction does.
#
# </details>
#
# <details><summary>No, because late steps weigh too much in its direction.</summary>
#
# **Right.** Steps that should count for less the later they come count in full, so states that are seen late get too large a share.
#
# </details>
#
# <details><summary>No, because a gradient like that cannot learn anything.</summary>
#
# **Not so.** `ppo` leaves the factor out as well, and the agent `held` its poles.
#
# </details>

# %% [markdown]
# ## Exercise 1: which steps are real?
#
# *Easy, 10 minutes.*
# `ended` says for T steps of N copies whether an episode ended with the step, and the first row begins new episodes.
# Return the array of the same shape that is true for real transitions and false for steps that only start a copy anew.
#
# Hint: the step with which an episode ends is real; the one after it is not.


# %% tags=["exercise"]
def real_steps(ended):
    """True for real transitions; ended has shape (T, N)."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_real_steps(attempt):
    ended = np.array([[0, 1], [1, 0], [0, 0], [0, 1], [1, 0], [0, 1]]) > 0
    right = np.array([[1, 1], [1, 0], [0, 1], [1, 1], [1, 0], [0, 1]])
    mistakes = {
        "You throw away the last step of each episode, which is real and tells how it "
        "ended; the step after it is not.": ~ended,
        "Those are the steps that only start anew; turn it round.": 1 - right,
        "That is the step before: look one row up, not down.": np.vstack(
            [~ended[1:], [[True, True]]]
        ),
        "The first row begins new episodes; you carried the last row round to "
        "it.": np.roll(~ended, 1, axis=0),
        "Those are the ends.": ended,
        "The step after an end is no transition.": np.ones((6, 2)),
    }
    check_answer(attempt(ended), right, mistakes)


check_real_steps(real_steps)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def real_steps_solution(ended):
    first = np.ones_like(ended[:1])
    return np.vstack([first, ~ended[:-1]])


check_real_steps(real_steps_solution)
# Why: the environment tells you of an end at the step that caused it, and uses the
# next one to start anew. So a row is real exactly if the row above it did not end.

# %% [markdown]
# ## Exercise 2: a truncated episode by hand
#
# *Easy, 10 minutes.*
# One episode has three steps with `rewards` $r_0, r_1, r_2$; the critic said `values` $V(s_0), V(s_1), V(s_2)$, and $V(s_3)$ is `last_value`.
# A time limit ended it.
# Return the three advantages for $\lambda = 1$, in NumPy.
#
# Hint: with $\lambda = 1$ an advantage is the return, with what would have followed, less the critic's value.


# %% tags=["exercise"]
def three_advantages(rewards, values, last_value, gamma):
    """Advantages (3,) of a truncated episode, lambda = 1."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_three_advantages(attempt):
    r, V, last, g = np.array([1.0, 2.0, -1.0]), np.array([0.5, 3.0, 1.0]), 4.0, 0.5

    def returns(end):
        R2 = r[2] + g * end
        return np.array([r[0] + g * (r[1] + g * R2), r[1] + g * R2, R2])

    errors = r + g * np.append(V[1:], last) - V
    mistakes = {
        "A time limit is no end: something would have followed.": returns(0) - V,
        "Those are the returns; subtract what the critic said.": returns(last),
        "Those are the errors of one step, which is lambda = 0.": errors,
        "Discount the value after the limit: it lies a step ahead.": returns(last / g)
        - V,
        "An advantage is the return less the value.": V - returns(last),
    }
    check_answer(attempt(r, V, last, g), returns(last) - V, mistakes)


check_three_advantages(three_advantages)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def three_advantages_solution(rewards, values, last_value, gamma):
    rest, out = last_value, np.zeros(3)
    for t in (2, 1, 0):
        rest = rewards[t] + gamma * rest
        out[t] = rest - values[t]
    return out


check_three_advantages(three_advantages_solution)
# Why: nothing ended but the watching, so the critic's word stands for the rest. Had
# the episode terminated, the same loop would start with 0.

# %% [markdown]
# ## Exercise 3: the quietest baseline
#
# *Medium, 15 minutes.*
# One state, two actions: the first is taken with probability $p$ and pays $r_1$, the second pays $r_2$.
# The sampled gradient of $\theta_1$ is $(r - b)\,(1 - p)$ if you took the first action and $-(r - b)\,p$ if you took the second.
# Return the baseline $b$ that gives it the least variance.
#
# Hint: its mean does not depend on $b$, so minimise the mean of its square, a parabola in $b$.


# %% tags=["exercise"]
def quietest_baseline(p, r1, r2):
    """The b with the least variance of the sampled gradient."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_baseline(attempt):
    p, r1, r2 = 0.8, 5.0, 1.0
    mistakes = {
        "That is the mean reward, the usual baseline. It is good, but rare actions have "
        "the longer scores: weigh by the square of the score.": p * r1 + (1 - p) * r2,
        "That is the plain mean of both rewards: weigh them.": (r1 + r2) / 2,
        "Without a baseline the variance is not the least.": 0.0,
        "That is the numerator alone; divide by the sum of the weights.": p
        * (1 - p) ** 2
        * r1
        + (1 - p) * p**2 * r2,
    }
    check_answer(attempt(p, r1, r2), (1 - p) * r1 + p * r2, mistakes)


check_baseline(quietest_baseline)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def quietest_baseline_solution(p, r1, r2):
    # E[(r - b)^2 score^2] = p (1-p)^2 (r1 - b)^2 + (1-p) p^2 (r2 - b)^2
    return (1 - p) * r1 + p * r2


check_baseline(quietest_baseline_solution)
# Why: p (1-p)^2 and (1-p) p^2 are in the ratio of 1 - p to p, so each reward gets the
# other action's probability. The mean reward, a critic's baseline, is not the quietest.

# %% [markdown]
# That the mean is not the best baseline was shown by {cite:t}`greensmith2004`; for $p = \tfrac12$ the two agree, as on the coin.
#
# ## How it compares

# %% tags=["hide-input"]
peer = evidence.results["peer"]
speed = {k: float(np.median(v)) for k, v in peer["steps per CPU second"].items()}
seconds = [run["seconds"] for run in learnt["right"]]
same = speed["ours, separate copies"] / speed["theirs, separate copies"]
fast = speed["ours, vectorised"] / speed["theirs, vectorised"]
Markdown(
    "The book's PPO is less able than Stable-Baselines3's: it takes no pictures and no "
    "continuous actions, saves no run half-way, and knows vector environments only. "
    f"With the same hyper-parameters and the same environment it makes {same:.1f} times "
    f"as many steps per CPU second, and {fast:.1f} times where both get Gymnasium's "
    f"vectorised CartPole, which it solves in {max(seconds):.0f} CPU seconds at most; "
    "the advantages of both agree to single precision."
)

# %% tags=["hide-output"]
rows = [
    [name, float(np.median(v)) / 1000, min(v) / 1000, max(v) / 1000]
    for name, v in peer["steps per CPU second"].items()
]
table(["1000 steps per CPU second, 5 seeds", "median", "least", "most"], rows, digits=1)

# %% tags=["hide-output"]
reached = peer["reached"]
rows = [
    [
        name,
        float(np.mean([run["mean"] for run in runs])),
        min(run["least"] for run in runs),
        float(np.mean([run["value"] for run in runs])),
    ]
    for name, runs in (
        ("ours, 10 seeds", learnt["right"]),
        ("theirs, 5 seeds", reached),
    )
]
table(["after 98,304 steps", "mean return", "least", "V of the start"], rows, digits=1)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Algorithm:** Value-Based Design using Deep Reinforcement Learning
#
# The source wants a network that learns from rewards what to do, and a policy gradient is how that is done.
# Its listing has no environment, no score of the action that was taken and a loss without a bottom; [Listing 1, run and repaired](../source_listing_1.ipynb) takes it fault by fault.
# What "value-based" adds, several values instead of one reward, is the subject of [Value-based design](value_based_design.ipynb).
#
# ## References
#
# REINFORCE: {cite:t}`williams1992`; the policy gradient theorem: {cite:t}`sutton2000`; what is lost without $\gamma^t$: {cite:t}`nota2020`.
# Baselines: {cite:t}`greensmith2004`; GAE: {cite:t}`schulman2016`; PPO: {cite:t}`schulman2017`, taken apart: {cite:t}`engstrom2020`; in use: {cite:t}`ouyang2022`.
# Time limits: {cite:t}`pardo2018`; the cart and its pole: {cite:t}`barto1983`; random search: {cite:t}`mania2018`.
