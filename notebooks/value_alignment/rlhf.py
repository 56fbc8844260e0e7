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
# # RLHF
#
# The Gibbs policy, REINFORCE with a leave-one-out baseline (RLOO), and the price of divergence.
#
# One night a slip in OpenAI's code flipped a sign, and while its authors slept a language model was trained to write what its raters had marked as worst {cite}`ziegler2019`.
# What they found in the morning was "not gibberish but maximally bad output": fluent English, and as bad as it could be.
#
# **What does a language model become when it is trained on a reward and held near the model that it was?**
#
# If you train or deploy chat models you rely on the answer, because most of them have been through this step, called *reinforcement learning from human feedback*.
# On a real model nobody can tell how close the training came to what it aimed at.
# So this page takes a language of 1024 strings, on which the aim can be computed; what it shows about *methods* is exact, and it claims nothing about large models.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | say what RLHF converges to for a given price of divergence, write its policy gradient, and tell a run that missed its aim from an aim that was wrong |
# | You need | NumPy, Matplotlib, PyTorch; what a probability, a gradient and a language model's next-token probabilities are |
# | Time | 25 minutes to read, 35 for the exercises |
# | Code | `companion.value_alignment.rlhf` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import copy

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from companion.language import (
    TinyTransformer,
    all_strings,
    fit_language_model,
    random_language,
    sequence_log_probs,
)
from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.value_alignment.rlhf import (
    best_of_n_policy,
    gibbs_policy,
    optimal_value,
    policy_gradient_loss,
    readability,
    reward_and_kl,
    rlhf,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# The language has four letters, *a*, *e*, *n* and *t*, and its strings have five of them.
# A small transformer has learnt to speak it, with habits of its own; call it the **reference**.
# A string earns a point wherever a vowel and a consonant stand side by side, and one more if it ends as it began: "tenet" earns five.

# %% tags=["hide-input"]
strings = all_strings(letters=4, length=5)
words = np.array(["".join("aent"[i] for i in row) for row in strings.tolist()])
reward = readability(strings).double().numpy()
language = random_language(4, 5, torch.Generator().manual_seed(0))
reference = TinyTransformer(4, 5, torch.Generator().manual_seed(0))
fit_language_model(reference, strings, language.exp())


def all_log_probs(model):
    with torch.no_grad():
        return sequence_log_probs(model, strings).double().numpy()


log_ref = all_log_probs(reference)

# %% [markdown]
# Training raises the mean reward and moves the model away from the reference, and it pays $\beta$ for each *nat* of divergence.
#
# **Guess before you look**: if the divergence is free, where does the training end? And can any training do better than the curve?

# %% mystnb={"figure": {"caption": "Mean reward against the divergence from the reference, both summed exactly over all 1024 strings. The curve is the best that any distribution can do. Large dots are the ends of five training runs from the reference at the left end, for each of three prices \u03b2; small dots are the first run of each, every 25 steps. Diamonds: the best of 2, 4, 8, 16, 32 and 64 strings drawn from the reference.", "name": "fig-rlhf"}, "image": {"alt": "A rising, flattening curve from divergence 0 and reward 1.4 to divergence 5 and reward 5. Runs with a price of 1 end on the curve near divergence 0.65 and reward 2.6; with a price of 0.5 near 2.7 and 4.0; without a price at reward 5, to the right of where the curve first reaches it. Diamonds for best-of-n lie slightly below the curve."}} tags=["hide-input"]
evidence = recorded("value_alignment/rlhf")
runs = evidence.results["runs"]
frontier = np.array(
    [
        reward_and_kl(gibbs_policy(log_ref, reward, beta), log_ref, reward)
        for beta in np.geomspace(100, 0.05, 200)
    ]
)
best = [
    reward_and_kl(best_of_n_policy(log_ref, reward, n), log_ref, reward)
    for n in (2, 4, 8, 16, 32, 64)
]
fig, ax = plt.subplots(figsize=(8, 4.2))
ax.plot(frontier[:, 1], frontier[:, 0], color=COLOURS["black"], label="best possible")
for beta, colour in (("1.0", "blue"), ("0.5", "green"), ("0.0", "red")):
    path = np.array(runs["paths"][beta])
    ends = np.array([[run["reward"], run["kl"]] for run in runs["ends"][beta]])
    ax.plot(path[:, 1], path[:, 0], ".", ms=4, color=COLOURS[colour])
    ax.plot(ends[:, 1], ends[:, 0], "o", color=COLOURS[colour], label=f"β = {beta}")
ax.plot(*frontier[0, ::-1], "o", color=COLOURS["black"], label="reference")
ax.plot(
    *np.array(best)[:, ::-1].T, "D", mfc="white", color="#767676", label="best of n"
)
ax.set(xlabel="divergence from the reference (nats)", ylabel="mean reward (points)")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# Look at where the dots lie: with a price the runs stop *on* the curve, each where its own $\beta$ tells it to.
# Without one the model runs on to the reward's maximum, and past the point where the curve gets there.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
ends = {
    beta: np.array([[r["kl"], r["reward"]] for r in runs["ends"][beta]])
    for beta in ("1.0", "0.5")
}
below = {
    beta: np.interp(points[:, 0], frontier[:, 1], frontier[:, 0]) - points[:, 1]
    for beta, points in ends.items()
}
claim(
    "Every run with a price ends within 0.05 points of the best reward that any "
    "distribution has at its divergence.",
    bool(max(v.max() for v in below.values()) < 0.05),
    over="β = 1 and 0.5, five seeds each on one language, recorded",
)

# %% [markdown]
# ## The idea on three strings: the Gibbs policy
#
# Let the reference say three strings with probabilities 1/2, 1/4 and 1/4, and let only the last one earn a reward, of $\log 2$ points.
# At a price of one point per nat the best answer is to multiply each probability by $e^{r}$, which is 1, 1 and 2, and to divide by the sum $Z = 5/4$:
#
# $$\tfrac12,\ \tfrac14,\ \tfrac14 \quad\longrightarrow\quad \tfrac25,\ \tfrac15,\ \tfrac25.$$
#
# The reward doubled the odds of the third string, and it left the odds between the first two alone, because nothing speaks for either of them.

# %%
three = np.log([1 / 2, 1 / 4, 1 / 4])
np.exp(gibbs_policy(three, [0, 0, np.log(2)], beta=1)).round(3)

# %% [markdown]
# ## The equation: reward minus β times the divergence
#
# Let $\pi_\text{ref}(x)$ be the probability that the reference gives to the string $x$, and $r(x)$ its reward.
# A policy $\pi$ is worth its mean reward minus $\beta$ times its Kullback-Leibler divergence from the reference, in nats because the logarithm is natural,
#
# $$J(\pi) = \sum_x \pi(x)\, r(x) - \beta \sum_x \pi(x) \log \frac{\pi(x)}{\pi_\text{ref}(x)}.$$
#
# Write $r(x) = \beta \log e^{r(x)/\beta}$ and collect both sums under one logarithm.
# What stands there is, up to its sum $Z$, another distribution, the **Gibbs policy**,
#
# $$\pi^*(x) = \frac{\pi_\text{ref}(x)\, e^{r(x)/\beta}}{Z}, \qquad J(\pi) = \beta \log Z - \beta\, \mathrm{KL}(\pi \,\|\, \pi^*).$$
#
# A divergence is never negative, and it is zero only for $\pi = \pi^*$.
# So $\pi^*$ is the optimum, its value is $\beta \log Z$, and each nat by which you miss it costs $\beta$ points.


# %%
def gibbs(log_ref, r, beta):
    weight = np.exp(log_ref) * np.exp(r / beta)
    Z = weight.sum()
    return np.log(weight / Z), beta * np.log(Z)


log_pi, value = gibbs(log_ref, reward, beta=0.5)
np.testing.assert_allclose(log_pi, gibbs_policy(log_ref, reward, 0.5), atol=1e-5)
np.testing.assert_allclose(value, optimal_value(log_ref, reward, 0.5), atol=1e-5)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
rng = np.random.default_rng(0)
misses = []
for beta in (0.25, 1.0, 4.0):
    optimum = gibbs_policy(log_ref, reward, beta)
    for _ in range(100):
        other = rng.normal(scale=3, size=len(words))
        other -= np.log(np.exp(other).sum())
        mean, kl = reward_and_kl(other, log_ref, reward)
        short = optimal_value(log_ref, reward, beta) - (mean - beta * kl)
        misses.append(short - beta * reward_and_kl(other, optimum, reward)[1])
claim(
    "A policy falls short of the optimum by exactly β times its divergence from it.",
    bool(np.abs(misses).max() < 1e-9),
    over="any policy: the equation above, and 300 random ones at β = 0.25, 1 and 4",
)

# %% [markdown]
# The package's function keeps its digits for a price of $10^{-300}$, where the two lines above overflow.

# %%
show_source(gibbs_policy)

# %% [markdown]
# Now turn the one knob and read what the optimum says.


# %%
def favourites(log_p, count=2):
    return ", ".join(words[np.argsort(-log_p)[:count]])


rows = [
    ["the reference", *reward_and_kl(log_ref, log_ref, reward), favourites(log_ref)]
]
for beta in (1, 0.5, 0.25, 0.1):
    pi = gibbs_policy(log_ref, reward, beta)
    rows.append([f"β = {beta}", *reward_and_kl(pi, log_ref, reward), favourites(pi)])
table(["policy", "reward", "divergence", "says most often"], rows, digits=1)

# %% [markdown]
# Dear divergence leaves the model's habits, and cheap divergence leaves only what the reward likes best; even then, though, the reference decides among the strings that tie.
#
# ## The policy gradient: REINFORCE and RLOO
#
# The closed form needs the sum $Z$ over all strings, which a real language does not allow.
# What it does allow is to draw strings $x_1, \dots, x_n$ from the model $\pi_\theta$ and to score them, with the divergence in the reward:
#
# $$R_i = r(x_i) - \beta \log \frac{\pi_\theta(x_i)}{\pi_\text{ref}(x_i)}.$$
#
# The gradient of $J$ is the mean of $R\, \nabla_\theta \log \pi_\theta(x)$ (REINFORCE).
# A number $b$ may be subtracted from $R$ without changing that mean, because $\sum_x \pi_\theta(x) \nabla_\theta \log \pi_\theta(x) = \nabla_\theta 1 = 0$, as long as $b$ has not looked at $x$.
# For the same reason the derivative of $R$ itself, which is $-\beta \nabla_\theta \log \pi_\theta$, drops out.
# The mean score of the *other* strings has not looked at $x$, and it costs nothing (RLOO):
#
# $$A_i = R_i - \frac{1}{n-1} \sum_{j \ne i} R_j, \qquad \nabla_\theta J \approx \frac1n \sum_i A_i\, \nabla_\theta \log \pi_\theta(x_i).$$
#
# As a loss for PyTorch it is five lines; `detach` says that $A$ is a score, not something to be differentiated.


# %%
def rloo_loss(log_pi, log_ref, r, beta):
    R = r - beta * (log_pi - log_ref)
    others = (R.sum() - R) / (len(R) - 1)
    A = (R - others).detach()
    return -(A * log_pi).mean()


sample = torch.tensor([-6.0, -5.0, -7.0], requires_grad=True)
args = sample, torch.tensor([-6.0, -6.0, -6.5]), torch.tensor([1.0, 2.0, 5.0]), 0.5
(ours,) = torch.autograd.grad(policy_gradient_loss(*args), sample)
(plain,) = torch.autograd.grad(rloo_loss(*args), sample)
np.testing.assert_allclose(ours, plain, atol=1e-6)

# %%
show_source(policy_gradient_loss)

# %% [markdown]
# ## A transformer on the language of 1024 strings
#
# Now train it: each of 300 steps draws 128 strings from the model, scores them, and takes one step of Adam.

# %%
model = rlhf(
    copy.deepcopy(reference), reference, readability, beta=1.0, seed=0, steps=300
)
optimum = gibbs_policy(log_ref, reward, beta=1.0)


def distance(log_p, log_q):
    return np.abs(np.exp(log_p) - np.exp(log_q)).sum() / 2


policies = {"the reference": log_ref, "the run": all_log_probs(model), "Gibbs": optimum}
rows = [
    [name, *reward_and_kl(p, log_ref, reward), distance(p, optimum)]
    for name, p in policies.items()
]
table(["policy", "reward", "divergence", "distance from Gibbs"], rows, digits=1)

# %% [markdown]
# The distance is the *total variation*, the largest difference that two distributions can make to the probability of anything: 0 means the same and 1 means nothing in common.
# How far the reference lies from the optimum belongs beside it, because a small distance would mean little if the start had been as near.

# %%
rows = [
    [r["seed"], r["reference to optimum"], r["run to optimum"]]
    for r in evidence.results["languages"]
]
table(["language", "reference", "after 600 steps"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
languages = evidence.results["languages"]
claim(
    "The policy gradient ends within 0.05 of the Gibbs policy, from references that lie "
    "more than 0.3 away.",
    max(r["run to optimum"] for r in languages) <= 0.05
    and min(r["reference to optimum"] for r in languages) > 0.3,
    over="five random languages with a seed each, β = 1, recorded",
)

# %% [markdown]
# ## What the baseline is worth
#
# The same number of strings, with the mean of the others and without any baseline, at the same three learning rates.
# Two more rows shift the reward by a constant, which changes no policy's rank, and so not the aim.
# Each number is the distance from the Gibbs policy after 300 steps, a mean over five seeds, and the last column is the worst seed at the best rate.

# %%
distances = {}
for r in evidence.results["baseline"]["rows"]:
    distances.setdefault(r["baseline"], {})[r["learning rate"]] = r["distances"]
rows = []
for name, by_rate in distances.items():
    means = [np.mean(d) for d in by_rate.values()]
    best_of_three = min(by_rate.values(), key=np.mean)
    rows.append([name, *means, max(best_of_three)])
rates = [f"rate {rate:g}" for rate in distances["none"]]
table(["baseline", *rates, "worst of 5"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
best_rate = [
    np.array(min(distances[name].values(), key=np.mean))
    for name in ("leave one out", "none")
]
claim(
    "Each at its best rate, the mean of the others leaves less than half of the distance "
    "that plain REINFORCE leaves.",
    bool(2 * best_rate[0].max() < best_rate[1].min()),
    over="38 400 strings each, three rates, five seeds on one language, recorded",
)

# %% [markdown]
# The last two rows show where the noise comes from: a constant that all scores share.
# With the reward centred once, at the start, plain REINFORCE recovers much of its loss; with ten points added it ends farther away at its best rate than without them at its worst, although the aim is the same.
# The leave-one-out mean removes the constant at every step, also the one that training itself adds, because the mean score rises.
#
# ## Best of n, at equal divergence
#
# There is a way without any training: draw $n$ strings from the reference and keep the best.
# Compare it with the Gibbs policy at the *same* divergence, both exact, because the formula $\log n - (n-1)/n$ that is often quoted is only an upper bound {cite}`beirami2025`.

# %%
rows = []
for n in (4, 16):
    found = [
        row for lot in evidence.results["best of n"] for row in lot if row["n"] == n
    ]
    gain, top = ([row[key] for row in found] for key in ("best of n", "gibbs"))
    bound = np.log(n) - (n - 1) / n
    rows.append(
        [n, np.mean([r["kl"] for r in found]), bound, np.mean(gain), np.mean(top)]
    )
table(["n", "divergence", "formula", "gain, best of n", "gain, Gibbs"], rows, digits=2)

# %% [markdown]
# The gains are in standard deviations of the reward under the reference, means over five languages.
# No policy can lie above the Gibbs policy at equal divergence, so that is no victory; the news is how near best-of-n comes.
# It pays with $n$ strings for every answer that it ever gives, where the training above drew $600 \cdot 128$ strings once.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
ratio = [
    row["best of n"] / row["gibbs"]
    for lot in evidence.results["best of n"]
    for row in lot
]
claim(
    f"Best-of-n reaches between {100 * min(ratio):.0f} and {100 * max(ratio):.0f} % of the "
    "gain that is possible at its divergence.",
    min(ratio) > 0.8 and max(ratio) <= 1 + 1e-9,
    over="n = 4 and 16 on five languages, recorded",
)

# %% [markdown]
# ## Break it: a flipped sign
#
# Now for that night.
# Flip the sign of the reward and leave everything else as it was.

# %%
flipped = rlhf(
    copy.deepcopy(reference),
    reference,
    lambda x: -readability(x),
    beta=0.5,
    seed=0,
    steps=150,
)
log_flipped = gibbs_policy(log_ref, -reward, beta=0.5)
rows = [
    ["what the run earns", np.exp(all_log_probs(flipped)) @ reward],
    ["what its optimum earns", np.exp(log_flipped) @ reward],
    ["what the reference earned", np.exp(log_ref) @ reward],
]
table(["", "reward"], rows, digits=1)

# %% [markdown]
# The training worked: it went where it was sent.
# Two other slips send it elsewhere: the flipped reward without a price, and a flip of everything, which pays the model for leaving the reference.
# *Strings in effect* are $e$ to the entropy, which is $m$ for a model that says $m$ strings equally often.

# %%
p = np.exp(log_ref)
effect = int(float(f"{np.exp(-p @ log_ref):.2g}"))
rows = [["the reference", p @ reward, p @ log_ref, effect]]
for name, found in evidence.results["flipped"].items():
    mean = {key: np.mean([run[key] for run in found]) for key in found[0]}
    rows.append([name, *list(mean.values())[:2], round(mean["strings in effect"])])
table(
    ["150 steps, 5 seeds", "reward", "log π_ref", "strings in effect"], rows, digits=1
)

# %% [markdown]
# With the price kept, the flipped model goes on speaking: it has dozens of strings, and the reference would say them as readily as its own.
# Nothing about the text betrays it, only the rating does.
# In the other two rows a single string is left, which anybody would notice.
# The report says that the penalty's sign had been flipped along with the reward's; that what came out was fluent suggests that it still acted as a price.
# OpenAI's authors drew the lesson that somebody must be able to stop a run that goes wrong; the price does not stop it, it only keeps it fluent.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
found = evidence.results["flipped"]
spoken = {
    name: [run["strings in effect"] for run in lot] for name, lot in found.items()
}
kept = found["reward flipped"]
claim(
    "Trained on the flipped reward at a price, the model earns less than half of what the "
    "reference earned and keeps over 50 strings in effect; without the price, or with "
    "everything flipped, it keeps fewer than 3.",
    bool(
        max(run["reward"] for run in kept) < 0.5 * np.exp(log_ref) @ reward
        and min(spoken["reward flipped"]) > 50
        and max(spoken["reward flipped, no price"] + spoken["everything flipped"]) < 3
    ),
    over="five seeds each on one language, recorded",
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "The penalty only steadies the training; the aim is still the best reward." **The penalty is part of the aim.** With it the optimum is the Gibbs policy, which keeps the reference's taste; without it, whatever earns most.
# >
# > "The text still reads well, so the training went well." **Reading well is what the penalty buys, also where the reward asks for the worst.** A model trained on the flipped reward speaks its language as before.
# >
# > "A baseline biases the gradient." **A baseline that has not looked at the sample has no bias at all.** Even the mean that includes the sample only shrinks the gradient by $(n-1)/n$.
#
# **Strengths.** The aim is known in closed form, the estimator is unbiased, and it needs only samples, their log-probabilities and a score.
#
# **Limits.** The optimum is only as good as the reward: a reward model that errs somewhere has the policy pushed there.
# That is called **overoptimization** of the reward, and it is a case of **Goodhart's law**: a measure that becomes a target stops being a good measure {cite}`amodei2016`.
# The price limits how far overoptimization can go, because it keeps the policy near the reference.
# The closed form is a statement about all distributions; a network that cannot express $\pi^*$, or a run that stops early, ends elsewhere, and on a real model you will not know how far.
#
# Where else the divergence can be put, and what goes wrong there, is the lesson on [KL estimators](kl_estimators.ipynb).
# How a reward is learnt from people's comparisons is in [Preference learning](preference_learning.ipynb), and how to aim at the same optimum from those comparisons alone, with neither a reward model nor sampling, in [Direct preference optimization](direct_preference_optimization.ipynb).
#
# **Who is harmed when it fails**: users of a model whose reward was learnt from people unlike them, because training makes that reward's taste the model's, and the fluent text hides it.
#
# **In production** use TRL, OpenRLHF or verl, which handle prompts, masks, many GPUs, and models that do not fit on one.

# %% [markdown]
# ## Check yourself
#
# **1.** Somebody doubles all scores of the reward model, and the price $\beta$ per nat stays as it is. What becomes of the policy that training aims at?
#
# <details><summary>Nothing, because each string keeps its rank.</summary>
#
# **Not so.** `gibbs_policy` depends on more than the rank. Doubling the scores is halving the price, and from $\beta = 1$ to $\beta = 0.5$ the divergence of the optimum grew to several times as much.
#
# </details>
#
# <details><summary>Nothing, but training gets there in half the time.</summary>
#
# **Not so.** The aim moves: what `reward_and_kl` says of the optimum at half the price is another reward and another divergence.
#
# </details>
#
# <details><summary>It moves further away from the reference.</summary>
#
# **Right.** The optimum depends on $r/\beta$ only, so it is the one for half the price.
#
# </details>
#
# **2.** A team reports that the best of sixteen strings earns more than the Gibbs policy does at the same divergence. What do you think?
#
# <details><summary>That something is measured wrongly, for nothing can lie above it.</summary>
#
# **Right.** The Gibbs policy has the highest reward of all distributions at its divergence, and to draw sixteen and keep the best is one of these distributions.
#
# </details>
#
# <details><summary>That it may be so, for it sees sixteen strings for each answer.</summary>
#
# **Not so.** That makes its answers good, and moves it away from the reference, too. In `ratio`, at equal divergence, it reached most of the possible gain and never more than all of it.
#
# </details>
#
# <details><summary>That it may be so, for Gibbs is only what training reaches.</summary>
#
# **Not so.** It is no result of training but the optimum itself: in `misses` each of the random policies fell short of it, by as much as the equation says.
#
# </details>
#
# **3.** Two strings earn the same reward, and the reference says one of them a hundred times as often as the other. How often does the Gibbs policy say them, at a very low price?
#
# <details><summary>About equally often, because a low price forgets the reference.</summary>
#
# **Not so.** In the row with the lowest `beta` the reference still decides among the strings that earn the most.
#
# </details>
#
# <details><summary>One a hundred times as often as the other, as before.</summary>
#
# **Right.** Both probabilities are multiplied by the same $e^{r/\beta}/Z$, so their ratio stays whatever the price.
#
# </details>
#
# <details><summary>Practically only the first, because a low price sharpens.</summary>
#
# **Not so.** It sharpens differences of the reward, and here is none: `gibbs_policy(three, ...)` left the first two strings their ratio.
#
# </details>

# %% [markdown]
# ## Exercise 1: what a reward does to the odds
#
# *Easy, 10 minutes.*
# Two strings are equally likely under the reference, and their rewards differ by `difference` points.
# Return how many times as likely the better one is under the Gibbs policy.
#
# Hint: divide one line of the equation by the other; $Z$ goes away.


# %% tags=["exercise"]
def odds(difference, beta):
    """How many times as likely the better string is."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_odds(attempt):
    mistakes = {
        "You multiplied by β, but a dear divergence must make the reward count less.": np.exp(
            2 * 0.5
        ),
        "β is missing.": np.exp(2.0),
        "Those are the log-odds; take the exponential.": 2 / 0.5,
        "That is the better one's probability, not the ratio.": 1 / (1 + np.exp(-4)),
        "That is how likely the worse one is, beside the better.": np.exp(-4.0),
    }
    check_answer(attempt(2.0, 0.5), np.exp(2 / 0.5), mistakes, tolerance=1e-3)


check_odds(odds)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def odds_solution(difference, beta):
    return np.exp(difference / beta)


check_odds(odds_solution)
# Why: both probabilities are divided by one Z, so it cancels. Half the price squares
# the odds, which is why a small β makes a policy so sure of itself.

# %% [markdown]
# ## Exercise 2: leave one out
#
# *Easy, 10 minutes.*
# Given the scores `R` of a sample, return the advantages $A_i$.
#
# Hint: the sum of the others is the sum of all minus your own.


# %% tags=["exercise"]
def advantages(R):
    """Each score minus the mean of the others."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
R4 = np.array([1.0, 2.0, 6.0, -3.0])
others4 = (R4.sum() - R4) / 3
wrong_advantages = {
    "Your mean includes the string itself, so the gradient shrinks by (n - 1)/n.": R4
    - R4.mean(),
    "You divided by n, but there are n - 1 others.": R4 - (R4.sum() - R4) / 4,
    "That is the baseline; subtract it from the score.": others4,
    "You subtracted the sum of the others; divide it by how many they are.": R4
    - 3 * others4,
    "The sum that you divided by n - 1 still includes the string itself.": R4
    - R4.sum() / 3,
    "The sign is turned: a score above the others' mean must count as positive.": others4
    - R4,
    "Dividing by the spread is another method (GRPO).": (R4 - R4.mean()) / R4.std(),
}


def check_advantages(attempt):
    check_answer(attempt(R4.copy()), R4 - others4, wrong_advantages)


check_advantages(advantages)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def advantages_solution(R):
    return R - (R.sum() - R) / (len(R) - 1)


check_advantages(advantages_solution)
# Why: the others know nothing of this string, so subtracting their mean moves no
# expectation. It removes what all scores share, and with it most of the noise.

# %% [markdown]
# ## Exercise 3: the best possible value, without overflow
#
# *Medium, 15 minutes.*
# Return $J^* = \beta \log \sum_x \pi_\text{ref}(x)\, e^{r(x)/\beta}$ for log-probabilities `log_ref`, rewards `r` and a price as small as $\beta = 0.001$, for which $e^{r/\beta}$ is larger than any floating-point number.
#
# Hint: take the largest reward out of the sum first.


# %% tags=["exercise"]
def best_value(log_ref, r, beta):
    """The value of the Gibbs policy."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_best_value(attempt):
    p, r, beta = np.log([0.5, 0.4, 0.1]), np.array([0.0, 1.0, 5.0]), 0.001
    right = optimal_value(p, r, beta)
    mistakes = {
        "You took the largest reward out and did not add it again.": right - 5.0,
        "That is the largest reward; the reference's probabilities are missing.": 5.0,
        "β before the logarithm is missing.": 5.0 / beta + np.log(0.1),
        "The logarithm of what is left in the sum is to be multiplied by β.": 5.0
        + np.log(0.1),
        "Taken out of the exponent r / β and multiplied by β, the largest reward is "
        "itself again.": 5.0 / beta + beta * np.log(0.1),
    }
    check_answer(attempt(p, r, beta), right, mistakes, tolerance=1e-6)


check_best_value(best_value)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def best_value_solution(log_ref, r, beta):
    weight = np.exp(log_ref + (r - r.max()) / beta)
    return r.max() + beta * np.log(weight.sum())


check_best_value(best_value_solution)
# Why: a common factor leaves the sum as an addend, so no exponent is above zero. For a
# small β the value is the best reward, less β times how unlikely the reference finds it.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
peer = evidence.results["peer"]
far, near = (max(peer["distances"][name]) for name in ("theirs", "ours"))
Markdown(
    "The book's loop knows no prompts, masks, several GPUs or models that do not fit on "
    "one; TRL's `RLOOTrainer` does. On one small GPT-2 with one reward, both started "
    f"{peer['reference to optimum']:.2f} from the Gibbs policy and ended at most "
    f"{far:.2f} (TRL) and {near:.2f} (this book) from it, after {peer['steps']} steps of "
    f"128 strings on {peer['seeds']} seeds. A step of TRL's took {peer['ratio']:.1f} times "
    "as long; that is its overhead on a tiny model, and says nothing about a large one."
)

# %% tags=["hide-output"]
rows = [[s, *ends] for s, ends in enumerate(zip(*peer["distances"].values()))]
table(["seed", "ours", "TRL"], rows, digits=3)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Value-Based Design**: Designing AI systems to incorporate human values and principles into their decision-making processes.
#
# RLHF is how that is done to language models today: the values are a reward, and the design is a price.
# The source's listing trains on a reward that no action changes; it is run and repaired on [a page of its own](../source_listing_1.ipynb).
#
# ## References
#
# The incident: {cite:t}`ziegler2019`, section 4.4.
# The optimum, long before language models: {cite:t}`todorov2006`, {cite:t}`ziebart2010`; as Bayesian inference: {cite:t}`korbak2022`.
# The policy gradient: {cite:t}`williams1992`; leaving one out: {cite:t}`kool2019`, {cite:t}`ahmadian2024`.
# RLHF at scale: {cite:t}`stiennon2020`, {cite:t}`ouyang2022`; best of n: {cite:t}`beirami2025`; Goodhart's law in machine learning: {cite:t}`amodei2016`.
