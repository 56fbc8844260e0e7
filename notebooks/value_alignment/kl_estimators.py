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
# # KL estimators
#
# k1, k2 and k3: their values, their gradients, and what a model aims at that is trained with them.
#
# GRPO, the method behind DeepSeek's reasoning models, has an estimate of a divergence in its loss {cite}`shao2024`, and others copied it; in 2025 {cite:t}`tang2025` pointed out that the gradient of this estimate is not the divergence's.
# Later that year {cite:t}`deepseek2025` reported that it can make training unstable and corrected it in their own, and in July 2026 the library TRL [changed its default](https://github.com/huggingface/trl/pull/6503).
#
# **How can an estimate be right on average, and still train a model towards something else?**
#
# If you fine-tune language models you will meet the switch: which estimator, and in the reward or in the loss.
# Whatever you choose, the divergence in your log looks right, and only the model that comes out tells the difference.
# The [lesson on RLHF](rlhf.ipynb) trained with the right choice; this page shows all six, on a language of 1024 strings where every expectation is a sum.
# The gradients shown are exact for any model; the runs are toys, from which nothing follows about the size of an effect in a large one.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | say which gradient k1, k2 and k3 have in the reward and in the loss, choose one, and see why sums over tokens miss a part |
# | You need | NumPy, Matplotlib, PyTorch; the divergence, the Gibbs policy and the policy gradient of [RLHF](rlhf.ipynb) |
# | Time | 25 minutes to read, 35 for the exercises |
# | Code | `companion.value_alignment.kl_estimators` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import copy
import functools

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
from companion.value_alignment.kl_estimators import (
    forward_kl_policy,
    kl_estimators,
    kl_regularised_loss,
)
from companion.value_alignment.rlhf import (
    gibbs_policy,
    readability,
    reward_and_kl,
    rlhf,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Here is the language of the lesson on RLHF again: five letters out of *a*, *e*, *n* and *t*, a reference that has learnt to speak it, and a reward for strings that read well.

# %% tags=["hide-input"]
strings = all_strings(letters=4, length=5)
reward = readability(strings).double().numpy()
language = random_language(4, 5, torch.Generator().manual_seed(0))
reference = TinyTransformer(4, 5, torch.Generator().manual_seed(0))
fit_language_model(reference, strings, language.exp())
with torch.no_grad():
    log_ref = sequence_log_probs(reference, strings).double().numpy()
gibbs = gibbs_policy(log_ref, reward, beta=1.0)

# %% [markdown]
# Seven ways of training, equal in everything else: three estimators in the reward, the same three in the loss, and no divergence at all.
# All but the last pay one point per nat, and were meant to end at the star.
#
# **Guess before you look**: how many of the six do?

# %% mystnb={"figure": {"caption": "Where training ends, five seeds for each way: mean reward against the divergence from the reference, both exact. The curve is the best that any distribution can do; the star on it is the optimum for one point per nat, the cross the optimum if the divergence is measured the other way round.", "name": "fig-kl-estimators"}, "image": {"alt": "A rising curve with a star near divergence 0.65 and reward 2.6. Only k1 in the reward and k2 in the loss end at the star. k2 in the reward ends to the right of it, near reward 3; k3 in the loss near reward 4, to the right of a cross below the curve; k3 in the reward between 4.2 and 4.9. k1 in the loss ends in the upper right corner at reward 5, at the same places as the runs without a divergence."}} tags=["hide-input"]
evidence = recorded("value_alignment/kl_estimators")
runs = evidence.results["runs"]
ways = [name for name in runs if name not in ("aims", "reference")]
frontier = np.array(
    [
        reward_and_kl(gibbs_policy(log_ref, reward, beta), log_ref, reward)
        for beta in np.geomspace(100, 0.05, 200)
    ]
)
fig, ax = plt.subplots(figsize=(8, 4.4))
ax.plot(frontier[:, 1], frontier[:, 0], color=COLOURS["black"], lw=1)
colours = ("blue", "orange", "red", "purple", "green", "sky", "grey")
sizes = 11, 7, 7, 11, 6, 7, 6  # what lies below is drawn larger
for name, colour, mark, size in zip(ways, colours, "ovsoP^D", sizes):
    kl, mean = ([run[key] for run in runs[name]] for key in ("kl", "reward"))
    ax.plot(kl, mean, mark, color=COLOURS[colour], ms=size, alpha=0.8, label=name)
for policy, mark, label in (
    (gibbs, "*", "aim"),
    (forward_kl_policy(log_ref, reward, 1.0), "x", "the other aim"),
):
    mean, kl = reward_and_kl(policy, log_ref, reward)
    ax.plot(kl, mean, mark, color=COLOURS["black"], mfc="none", ms=18, label=label)
ax.set(xlabel="divergence from the reference (nats)", ylabel="mean reward (points)")
legend = ax.legend(fontsize=8, loc="lower right")
for handle in legend.legend_handles[-2:]:
    handle.set_markersize(9)
plt.show()

# %% [markdown]
# Two of the six reach the star, k1 in the reward and k2 in the loss.
# The others paid the same price for an estimate of the same number, and each went somewhere else; k1 in the loss went where the runs without any divergence went.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
right = "k1 in the reward", "k2 in the loss"
far = {name: [run["gibbs"] for run in runs[name]] for name in ways if name != "none"}
claim(
    "Only k1 in the reward and k2 in the loss end within 0.05 of the aim; the other four "
    "end more than 0.4 away, in total variation.",
    max(max(far[name]) for name in right) < 0.05
    and min(min(v) for name, v in far.items() if name not in right) > 0.4,
    over="five seeds each on one language, recorded",
)

# %% [markdown]
# ## The idea on two strings: k1, k2 and k3
#
# Let a policy $\pi$ say two strings with probabilities 3/4 and 1/4, and the reference $\pi_\text{ref}$ with 1/2 each.
# Write $\ell$ for the log-ratio $\log \pi(x) - \log \pi_\text{ref}(x)$, here $\log \tfrac32$ and $\log \tfrac12$.
# The divergence $D = \mathrm{KL}(\pi \,\|\, \pi_\text{ref})$ is the mean of $\ell$ under $\pi$, and three estimates of it are in use {cite}`schulman2020`:
#
# $$k_1 = \ell, \qquad k_2 = \tfrac12 \ell^2, \qquad k_3 = e^{-\ell} - 1 + \ell.$$


# %%
def estimates(log_pi, log_ref):
    ratio = log_pi - log_ref
    return ratio, ratio**2 / 2, torch.exp(-ratio) - 1 + ratio


two, half = torch.tensor([3 / 4, 1 / 4]).log(), torch.tensor([1 / 2, 1 / 2]).log()
for mine, theirs in zip(estimates(two, half), kl_estimators(two, half)):
    torch.testing.assert_close(mine, theirs)
k = kl_estimators(two, half)
rows = [[name, *x.tolist(), float(two.exp() @ x)] for name, x in k._asdict().items()]
table(["", "first string", "second", "mean"], rows, digits=3)

# %% [markdown]
# As values, k1 and k3 have the right mean, because $e^{-\ell} - 1$ has the mean $\sum_x \pi_\text{ref}(x) - 1 = 0$; k2 misses it by a little.
#
# Now let the policy have one parameter $\theta$, with $\pi = \sigma(\theta)$ for the first string.
# Its score $\nabla \log \pi$ is $1 - \pi = \tfrac14$ for the first string and $-\pi = -\tfrac34$ for the second.
# With k1 in the loss the expected gradient is that of $\ell$, which is the score itself:
#
# $$\tfrac34 \cdot \tfrac14 + \tfrac14 \cdot \left(-\tfrac34\right) = 0.$$
#
# An estimate that is right on average, and a gradient that says nothing.
#
# ## The equation: a gradient has two halves
#
# The samples come from the model, so a change of the model changes what is drawn as well as what is measured.
# Differentiate the mean $\sum_x \pi(x)\, k(x)$ by the product rule:
#
# $$\nabla\, \mathbb{E}[k] = \underbrace{\mathbb{E}\big[k\, \nabla \log \pi\big]}_{\text{k in the reward}} + \underbrace{\mathbb{E}\big[\nabla k\big]}_{\text{k in the loss}}.$$
#
# An estimate in the reward is a score, so it gives the first half alone; an estimate in the loss is differentiated, which gives the second half alone.
# Call $F = \mathrm{KL}(\pi_\text{ref} \,\|\, \pi)$ the divergence the other way round; then, since $\nabla k = k'(\ell)\, \nabla \log \pi$,
#
# | | in the reward | in the loss |
# | :--- | :---: | :---: |
# | k1 | $\nabla D$ | $0$ |
# | k2 | $\nabla \mathbb{E}[k_2] - \nabla D$ | $\nabla D$ |
# | k3 | $\nabla D - \nabla F$ | $\nabla F$ |
#
# For k2 the second half is $\mathbb{E}[\ell\, \nabla \log \pi]$, which is the first half of k1.
# For k3 it is $\mathbb{E}[(1 - e^{-\ell})\, \nabla \log \pi] = -\sum_x \pi_\text{ref}(x) \nabla \log \pi(x) = \nabla F$.
# For k2 in the reward there is no shorter name: it is what its own mean's gradient leaves over.
# Check all six on random policies over the 1024 strings, by summing.


# %%
def two_halves(logits, name):
    log_pi = logits.log_softmax(0)
    p = log_pi.detach().exp()
    k = getattr(kl_estimators(log_pi, torch.tensor(log_ref)), name)
    in_reward = torch.autograd.grad((p * k.detach() * log_pi).sum(), logits)[0]
    log_pi = logits.log_softmax(0)
    k = getattr(kl_estimators(log_pi, torch.tensor(log_ref)), name)
    return in_reward, torch.autograd.grad((p * k).sum(), logits)[0]


def divergence_gradients(logits):
    log_pi, ref = logits.log_softmax(0), torch.tensor(log_ref)
    D = (log_pi.exp() * (log_pi - ref)).sum()
    F = (ref.exp() * (ref - log_pi)).sum()
    E2 = (log_pi.exp() * (log_pi - ref) ** 2 / 2).sum()  # the mean of k2
    return [torch.autograd.grad(x, logits, retain_graph=True)[0] for x in (D, F, E2)]


# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
worst, nearest = 0.0, np.inf
for seed in range(20):
    g = torch.Generator().manual_seed(seed)
    logits = 4 * torch.rand(1024, generator=g, dtype=torch.float64)
    logits.requires_grad_()
    D, F, E2 = divergence_gradients(logits)
    halves = {name: two_halves(logits, name) for name in ("k1", "k2", "k3")}
    pairs = [
        (halves["k1"][0], D),
        (halves["k1"][1], 0 * D),
        (halves["k2"][0], E2 - D),
        (halves["k2"][1], D),
        (halves["k3"][0], D - F),
        (halves["k3"][1], F),
    ]
    worst = max(worst, *(float((a - b).abs().max() / D.abs().max()) for a, b in pairs))
    others = [pair[0] for i, pair in enumerate(pairs) if i not in (0, 3)]
    nearest = min(nearest, *(float((a - D).norm() / D.norm()) for a in others))
claim(
    "Only k1 in the reward and k2 in the loss have the divergence's gradient; k3 in the "
    "loss has that of the divergence the other way round, and k1 in the loss has none.",
    worst < 1e-6 and nearest > 0.1,
    over="any policy: the equation above; and 20 random ones summed over 1024 strings, "
    "on which the other four are more than 10 % off",
)

# %% [markdown]
# The loss itself is the policy gradient of the lesson on RLHF, with one line for each place.

# %%
show_source(kl_regularised_loss)

# %% [markdown]
# ## The values: unbiased is not enough
#
# As a number in a log, k3 is often praised for its small spread.
# Its standard deviation, exactly, for policies nearer to the reference and farther from it:

# %%
rows = []
for beta in (4, 1, 0.5, 0.25):
    log_pi = torch.tensor(gibbs_policy(log_ref, reward, beta))
    p = log_pi.exp()
    k = kl_estimators(log_pi, torch.tensor(log_ref))
    spread = [float((p @ (x - p @ x) ** 2).sqrt()) for x in k]
    numbers = [float(p @ k.k1), float(p @ k.k2), *spread]
    rows.append([f"β = {beta}", *(float(f"{x:.2g}") for x in numbers)])
header = ["policy", "divergence", "mean of k2", "sd of k1", "sd of k2", "sd of k3"]
table(header, rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Near the reference k3 spreads less than k1, far from it more.",
    rows[0][5] < 0.5 * rows[0][3] and rows[-1][5] > 100 * rows[-1][3],
    over="the Gibbs policies for β = 4 and β = 0.25, all 1024 strings",
)

# %% [markdown]
# The reason is $e^{-\ell}$: a string that the reference likes and the policy has nearly given up is drawn rarely, and then it counts for thousands.
#
# ## A transformer trained in each of the seven ways
#
# Now the runs of the picture, as distances (total variation, from 0 to 1) from the aim, and from the other aim, the optimum when $F$ is charged instead of $D$.
# That one has a closed form, too: $\pi(x) = \beta\, \pi_\text{ref}(x) / (\lambda - r(x))$, with $\lambda$ such that it sums to one {cite}`grill2020`.

# %%
rows = [["the reference", 0.0, *runs["reference"].values()]]
for name in ways:
    keys = "kl", "gibbs", "forward"
    rows.append([name, *(np.mean([run[key] for run in runs[name]]) for key in keys)])
table(
    ["400 steps, 5 seeds", "divergence", "from the aim", "from the other"],
    rows,
    digits=2,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
one, none = ([run["kl"] for run in runs[key]] for key in ("k1 in the loss", "none"))
claim(
    "Seed by seed, k1 in the loss ends within 0.1 nats of the run without any penalty.",
    max(abs(a - b) for a, b in zip(one, none)) < 0.1,
    over="five seeds on one language, recorded",
)

# %% [markdown]
# Its expected gradient is zero, so k1 in the loss adds nothing but noise.
# And k3 in the loss earns what the other aim earns, but it is another policy, farther from the reference.
# Perhaps it is kept away by the strings that the model has nearly given up, because the estimate speaks of them only in the few samples that contain one.
# To see whether that is the cause, remove it: let the policy be just a table of 1024 logits, and train it with k3 in the loss, once on samples of 128 strings and once on the exact sum.


# %%
def trained_table(count=None, seed=0):
    ref, r = torch.tensor(log_ref).log_softmax(0), torch.tensor(reward)
    g, logits = torch.Generator().manual_seed(seed), ref.clone().requires_grad_()
    optimiser = torch.optim.Adam([logits])
    for step in range(800):
        optimiser.param_groups[0]["lr"] = 0.05 * (1 - step / 800)
        log_pi = logits.log_softmax(0)
        weight = log_pi.detach().exp()  # the exact sum
        if count:
            drawn = torch.multinomial(weight, count, replacement=True, generator=g)
            weight = drawn.bincount(minlength=len(ref)) / count
            weight = weight.double()
        k3 = kl_estimators(log_pi, ref).k3
        optimiser.zero_grad()
        (weight @ (k3 - (r - weight @ r) * log_pi)).backward()
        optimiser.step()
    return logits.detach().log_softmax(0).numpy()


other = forward_kl_policy(log_ref, reward, beta=1.0)
exact = trained_table()
sampled = [trained_table(128, seed) for seed in range(5)]

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
gaps = [np.abs(np.exp(x) - np.exp(other)).sum() / 2 for x in (exact, *sampled)]
claim(
    "On the exact sum k3 in the loss ends within 0.01 of the other aim; on samples of 128 "
    "it ends more than 0.2 away.",
    bool(gaps[0] < 0.01 and min(gaps[1:]) > 0.2),
    over="a table of logits, 800 steps each, five seeds of samples",
)

# %% [markdown]
# ## Letters and strings: the future is missing
#
# The table of the two halves holds for whole strings.
# In practice $k$ is computed for each token and summed, and the *mean* of k1 and of k3 stays the same.
# The gradient of a sum in the loss does not: a letter also decides which letters come after it, and no derivative of a later $k$ says so.
# Exact expected gradients of a transformer, halfway trained, in cosines with the gradient they are meant to be:

# %%
letters = evidence.results["letters"]
names = {
    "k2 of strings": "k2, whole strings, with ∇D",
    "k3 of strings": "k3, whole strings, with ∇F",
    "k2 of letters": "k2, sum over letters, with ∇D",
    "k3 of letters, beside F": "k3, sum over letters, with ∇F",
    "k3 of letters, ratio": "k3 times ratio, sum over letters, with ∇D",
}
rows = []
for key, name in names.items():
    cosines = [lot[key] for lot in letters]
    rows.append([name, np.mean(cosines), min(cosines)])
table(["in the loss", "cosine, mean", "least of 5"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
whole = [lot[key] for lot in letters for key in ("k2 of strings", "k3 of strings")]
parts = [lot[key] for lot in letters for key in list(names)[2:]]
claim(
    "For whole strings the gradients are the ones in the table; for sums over letters "
    "the cosine is below 0.99.",
    min(whole) > 1 - 1e-9 and max(parts) < 0.99,
    over="five languages, a model after 200 steps on each, all 1024 strings, recorded",
)

# %% [markdown]
# The last row is what TRL's GRPO does: a ratio which is one, but has a gradient, brings the first half back for each letter.
# It makes of k3 the right gradient for one letter, which k2 has as well, and leaves out the future like k2.
# In the reward nothing is left out, because there the sum over the whole string scores every letter.
# How much is missing depends on the model; the table says that it is not nothing.
#
# ## Break it: the estimate with the smaller spread, in the reward
#
# As a value k3 has the smaller spread, at least near the reference, so why not let it score the strings?
# It has been [proposed for TRL's RLOO](https://github.com/huggingface/trl/issues/7086), which has k1 there.
# But the table says what k3 adds in the reward: $\nabla D - \nabla F$, so the model is charged for leaving the reference and *paid* for no longer saying what the reference says.

# %%
kl = {"the aim": reward_and_kl(gibbs, log_ref, reward)[1]}
for name in ("k1", "k3"):
    loss = functools.partial(kl_regularised_loss, estimator=name, place="reward")
    start = copy.deepcopy(reference)
    model = rlhf(start, reference, readability, 1.0, seed=0, steps=150, loss=loss)
    with torch.no_grad():
        log_pi = sequence_log_probs(model, strings).double().numpy()
    kl[name] = reward_and_kl(log_pi, log_ref, reward)[1]
[name for name, nats in kl.items() if nats > 3 * kl["the aim"]]  # after 150 steps

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
ends = runs["k3 in the reward"]
aim_reward, aim_kl = runs["aims"]["gibbs"]
claim(
    "With k3 in the reward the model ends at more than three times the aim's divergence, "
    "with more reward than the aim has.",
    min(run["kl"] for run in ends) > 3 * aim_kl
    and min(run["reward"] for run in ends) > aim_reward + 1,
    over="five seeds on one language, 400 steps, recorded",
)

# %% [markdown]
# The model runs past its aim, and the reward looks better for it, which is how such a slip survives a review.
# Only the divergence tells, and only somebody who knows where it should have stopped.
#
# > **Often believed, and wrong**
# >
# > "An unbiased estimate has an unbiased gradient." **The gradient of an estimate is not an estimate of the gradient**, because the samples move with the model; one half is missing.
# >
# > "k3 is the best of the three: unbiased, never negative, less spread." **That is true of its value, and near the reference only.** In the loss it aims at another optimum, and in the reward at a third.
# >
# > "Summed over tokens it comes to the same." **The mean of k1 and k3 does; the gradient of a sum in the loss misses what a token does to the tokens after it.** In the reward nothing is missing, because the whole sum scores every token.
#
# **Strengths.** Each of the six is one line, and two of them are right: k1 in the reward, k2 in the loss.
#
# **Limits.** All of this is for strings drawn from the model that is updated.
# Old samples need the ratio of the new to the old probability in front of the estimate, and without it even the zero of k1 in the loss is lost.
# [Direct preference optimization](direct_preference_optimization.ipynb) draws no samples in training, and estimates no divergence.
#
# **Who is harmed when it fails**: whoever relied on the penalty. A team that sets $\beta$ and logs a plausible divergence believes its model to be tied to the one that was tested, and it is not.
#
# **In production** TRL's `RLOOTrainer` has k1 in the reward; its `GRPOTrainer` has no divergence by default, and with `beta` above zero k3 of tokens times the ratio in the loss.

# %% [markdown]
# ## Check yourself
#
# **1.** Your loss is the policy gradient's plus $\beta$ times the mean of k1, differentiated as it stands. The log shows the right divergence, and it grows and grows. What is wrong?
#
# <details><summary>The price, which must be raised until the divergence stops.</summary>
#
# **Not so.** Any price times zero is zero. With k1 in the loss each run ended where the run of `none` did, within a tenth of a nat.
#
# </details>
#
# <details><summary>The batch, which is too small for an estimate so noisy.</summary>
#
# **Not so.** In `two_halves` there is no batch, the sum goes over all strings, and the half that k1 has in the loss came out as zero.
#
# </details>
#
# <details><summary>The place, because there k1 measures and does not pull.</summary>
#
# **Right.** What is right on average as a number has an average gradient of zero, since the mean score of a policy is zero. It belongs in the reward.
#
# </details>
#
# **2.** With k3 in the loss a model misses its aim. A colleague wants to raise the batch from 128 strings to a hundred thousand. What will that do?
#
# <details><summary>It brings the model nearer to an aim that is not yours.</summary>
#
# **Right.** Less noise lets the model follow the expected gradient, and that is the gradient of the divergence the other way round.
#
# </details>
#
# <details><summary>It brings the model to the aim, because k3 is unbiased.</summary>
#
# **Not so.** Its value is. `exact` had no noise at all, and it ended within 0.01 of `other`, which is the other aim.
#
# </details>
#
# <details><summary>It changes nothing, because the fault of k3 is not noise.</summary>
#
# **Not so.** Noise was a part of it: in `gaps` the tables trained on samples ended far from where `exact` did.
#
# </details>
#
# **3.** Two runs pay the same price, one with k1 in the reward and one with k3. The second shows more reward. What do you look at before you choose?
#
# <details><summary>At nothing more, for at an equal price more reward is better.</summary>
#
# **Not so.** In `ends` the runs with k3 had more reward than the aim has, and several times its divergence, which they were not charged for.
#
# </details>
#
# <details><summary>At the divergence by k1, and where it should have stopped.</summary>
#
# **Right.** The price is paid on an estimate. With k3 in the reward the model is also paid for no longer saying what the reference says, so the price no longer holds it.
#
# </details>
#
# <details><summary>At the divergence by k3, which has the least spread of all.</summary>
#
# **Not so.** Only near the reference. By `spread` it scatters less than k1 there, and hundreds of times more where the policy has gone far.
#
# </details>

# %% [markdown]
# ## Exercise 1: the third estimate
#
# *Easy, 10 minutes.*
# From the log-probabilities of a sample under the policy and the reference, return k3, without losing digits where the two nearly agree.
#
# Hint: `np.expm1(x)` is $e^x - 1$ and keeps them.


# %% tags=["exercise"]
def third(log_pi, log_ref):
    """k3 of every string."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
log_three, log_ref3 = np.array([-1.0, -3.0, -2.0]), np.array([-2.0, -1.0, -2.0])
ell = log_three - log_ref3
wrong_thirds = {
    "The sign of the log-ratio is turned: that estimates another divergence.": np.expm1(
        ell
    )
    - ell,
    "That is k1.": ell,
    "That is k2.": ell**2 / 2,
    "The control variate alone has mean zero; add the log-ratio.": np.expm1(-ell),
    "Half of it has the wrong sign: add the log-ratio, do not subtract it.": np.expm1(
        -ell
    )
    - ell,
    "The 1 is missing: without it the mean is one too large.": np.exp(-ell) + ell,
    "The exponent has the wrong sign: it is minus the log-ratio.": np.expm1(ell) + ell,
}


def check_third(attempt):
    check_answer(attempt(log_three, log_ref3), np.expm1(-ell) + ell, wrong_thirds)


check_third(third)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def third_solution(log_pi, log_ref):
    ratio = log_pi - log_ref
    return np.expm1(-ratio) + ratio


check_third(third_solution)
# Why: e to the minus log-ratio is the reference over the policy, whose mean under the
# policy is one. Adding what has mean zero changes no mean, and here it removes the sign.

# %% [markdown]
# ## Exercise 2: k2 in the loss, by hand
#
# *Medium, 15 minutes.*
# A policy is a softmax of one logit $\theta_y$ per string, so $\partial \log \pi(x) / \partial \theta_y$ is $1 - \pi(y)$ if $x = y$ and $-\pi(y)$ otherwise.
# Given its probabilities `p` and log-ratios `ratio`, return the expected gradient of k2 in the loss, for every logit.
#
# Hint: the derivative of $\tfrac12 \ell^2$ is $\ell$ times the score; sum over $x$ with the weights $p$.


# %% tags=["exercise"]
def gradient_of_k2(p, ratio):
    """The expected gradient of k2 in the loss, one entry per logit."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
p3 = np.array([0.5, 0.3, 0.2])
ratio3 = np.log(p3) - np.log([0.2, 0.2, 0.6])
gradient3 = p3 * (ratio3 - p3 @ ratio3)
wrong_gradients = {
    "The other strings' share is missing: a logit also lowers all the others.": p3
    * ratio3,
    "You weighted the mean log-ratio equally; the strings are drawn with p.": p3
    * (ratio3 - ratio3.mean()),
    "That is the gradient of k1, which is zero.": np.zeros(3),
    "That is the second half of k3, the divergence the other way round.": p3
    - p3 / np.exp(ratio3),
    "Twice as much: the half before the square belongs to k2.": 2 * gradient3,
    "The weight p is missing.": ratio3 - p3 @ ratio3,
    "The sign is turned.": -gradient3,
    "The derivative of the square brings a 2, which cancels the half.": gradient3 / 2,
    "That is k2 as a score, in the reward; in the loss k2 is differentiated.": p3
    * (ratio3**2 / 2 - p3 @ ratio3**2 / 2),
    "A string's own logit is only a part; every other string lowers it, too.": p3
    * (1 - p3)
    * ratio3,
}


def check_gradient_of_k2(attempt):
    check_answer(attempt(p3, ratio3), gradient3, wrong_gradients)


check_gradient_of_k2(gradient_of_k2)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def gradient_of_k2_solution(p, ratio):
    return p * (ratio - p @ ratio)


check_gradient_of_k2(gradient_of_k2_solution)
# Why: string y adds p(y) times its log-ratio, and every string takes p(y) times its own
# away. A log-ratio equal to the mean, the divergence, leaves its logit where it is.

# %% [markdown]
# ## Exercise 3: both halves at once
#
# *Easy, 10 minutes.*
# A loss may have both halves: multiply $k$ by the ratio $\pi(x) / \pi(x)_{\text{detached}}$, which is one and has a gradient.
# The first half of k3 is `first` and the second is `second`; return what the product's expected gradient is, and, as a second row, how far it lies from that of k1 in the reward, `k1_first`.
#
# Hint: the product rule; then look at the table of the two halves.


# %% tags=["exercise"]
def corrected(first, second, k1_first):
    """Two rows: the gradient of ratio times k3, and its difference from k1 in the reward."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_corrected(attempt):
    g = torch.Generator().manual_seed(5)
    logits = (4 * torch.rand(1024, generator=g, dtype=torch.float64)).requires_grad_()
    first, second = (half.numpy() for half in two_halves(logits, "k3"))
    k1_first = two_halves(logits, "k1")[0].numpy()
    wrong = {
        "That is the second half alone, the loss without the ratio.": second,
        "That is the first half alone, k3 in the reward.": first,
        "The product rule adds the halves, it does not multiply them.": first * second,
        "The product rule adds the halves, it does not subtract them.": first - second,
    }
    mistakes = {why: np.array([x, x - k1_first]) for why, x in wrong.items()}
    right = np.array([first + second, first + second - k1_first])
    check_answer(attempt(first, second, k1_first), right, mistakes)


check_corrected(corrected)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def corrected_solution(first, second, k1_first):
    both = first + second
    return np.array([both, both - k1_first])


check_corrected(corrected_solution)
# Why: the ratio's gradient is the score, so it supplies the half that the loss lacks.
# Both halves make the gradient of the mean, which is D for k3 and k1 alike: zero apart.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
agreement = evidence.results["agreement"]
gap = max(agreement["largest difference"].values())
Markdown(
    "The book's loss takes whole strings from the policy itself; TRL's `GRPOTrainer` also "
    "takes old samples, masks, prompts and letters. On its ground, k3 of letters in the "
    f"loss with the ratio and without, the two differ by at most {gap:.0e} in value and "
    f"gradient, over {agreement['batches']} random batches; with TRL's own loss called."
)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Reward Shaping**: Modifying the rewards or incentives used in reinforcement learning to encourage desirable behaviors.
#
# A divergence in the reward is such a modification, and it does what it says.
# The same number in the loss is another thing, which the source does not mention.
#
# ## References
#
# The estimators: {cite:t}`schulman2020`; the halves of the gradient, and the tokens' future: {cite:t}`tang2025`, {cite:t}`shah2025`.
# GRPO: {cite:t}`shao2024`; its correction: {cite:t}`deepseek2025`.
# The optimum for the other divergence: {cite:t}`grill2020`.
