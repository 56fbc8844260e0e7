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
# # Direct preference optimization
#
# DPO and IPO: learning from preferences without a reward model.
#
# When researchers trained Llama-3-8B-Instruct with DPO to refuse unsafe requests, its refusal rate fell from 74.4 to 33.4 percent {cite}`razin2025`.
# In training the preferred refusals had lost probability, and harmful answers had gained it.
#
# **How can an answer that was preferred become less probable, and who receives what it loses?**
#
# If you fine-tune a language model on preferences you will probably use DPO, and you may see this in your own curves on the first evening.
# Some of it is how it should be and some of it is a fault, and a training curve alone does not tell you which.
# A language of 1024 strings does, because there the exact optimum can be drawn beside the curve.
# What it shows about the *loss* is exact; about large models it claims nothing.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | derive the DPO loss and write it with masks, say how far probabilities must fall at the optimum, and name what the loss leaves undecided |
# | You need | NumPy, Matplotlib, PyTorch, SciPy; the divergence and the optimum of [RLHF](rlhf.ipynb); the Bradley-Terry model of [Preference learning](preference_learning.ipynb); how a language model gives a string its probability, token by token |
# | Time | 30 minutes to read, 40 for the exercises |
# | Code | `companion.value_alignment.direct_preference_optimization` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from scipy.optimize import brentq
from torch.nn.functional import logsigmoid

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
from companion.value_alignment.direct_preference_optimization import (
    dpo,
    dpo_loss,
    ipo_loss,
)
from companion.value_alignment.rlhf import gibbs_policy, readability, reward_and_kl

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# The language is that of [RLHF](rlhf.ipynb): four letters, *a*, *e*, *n* and *t*, and strings of five of them.
# A string earns a point wherever a vowel and a consonant stand side by side, and one more if it ends as it began, so "tenet" earns five.
# A small transformer, the **reference**, speaks the language; it wrote 1000 pairs of strings, and in each pair a judge preferred one, usually the one with more points.
# DPO then trains a copy of the reference on those pairs, 128 of them per update.
#
# **Guess before you look**: during that training, does the probability of the preferred strings rise?

# %% mystnb={"figure": {"caption": "DPO at a price of 0.5 on five languages, at one learning rate (0.001), recorded. Left: the mean logarithm of how much more probable the strings of the pairs have become; bands go from the least to the most. Dashed: the same for the exact optimum that DPO aims at. Right: by how many percentage points the probability of all strings that stand in no pair lies above the optimum's, one line for each language, for the network and for a table with one free number per string, trained on the same loss.", "name": "fig-direct-preference-optimization"}, "image": {"alt": "Two panels over 10 to 1600 updates. Left: both curves fall from zero, the rejected strings' faster. Each crosses its dashed line, at about minus 1.6 and minus 3.1, after 300 to 400 updates and goes on to about minus 3.5 and minus 6.4. Right: the network's five lines start between 27 points below the optimum and 3 above it and all end above it, by 2 to 18 points. The table's five lines fall and all end below it, by 1 to 37 points."}} tags=["hide-input"]
evidence = recorded("value_alignment/direct_preference_optimization")
found = evidence.results["language"]
looks = [step for step in found["path"] if step != "0"]
updates = [int(step) for step in looks]
goal = {key: np.array(v) for key, v in found["methods"]["gibbs"].items()}


def on_the_way(run, key):
    return np.array([found[run][step][key] for step in looks])  # (looks, languages)


fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4))
for key, colour in (("chosen", "blue"), ("rejected", "red")):
    lines = on_the_way("path", key)
    left.plot(updates, lines.mean(axis=1), color=COLOURS[colour], label=f"{key}, DPO")
    low, high = lines.min(axis=1), lines.max(axis=1)
    left.fill_between(updates, low, high, color=COLOURS[colour], alpha=0.2)
    left.axhline(goal[key].mean(), color=COLOURS[colour], ls="--", label="its optimum")
for run, colour, style in (("path", "purple", "-"), ("tabular", "black", ":")):
    beyond = 100 * (on_the_way(run, "unseen") - goal["unseen"])
    label = {"path": "network, DPO", "tabular": "free table, DPO"}[run]
    lines = right.plot(updates, beyond, style, color=COLOURS[colour], lw=1.3)
    lines[0].set_label(label)
right.axhline(0, color="#767676", ls="--", label="optimum")
left.set(xscale="log", xlabel="updates", ylabel="mean log-ratio to the reference")
right.set(
    xscale="log", xlabel="updates", ylabel="in no pair, against the optimum (points)"
)
left.legend(fontsize=9)
right.legend(fontsize=9)
plt.show()

# %% [markdown]
# Both fall, the preferred strings and the others.
# (These are means of logarithms over the pairs, as training tools log them; single strings may well gain.)
# But the dashed lines lie below zero, too: at this price even the very best policy lowers the preferred strings, so a fall alone is no fault.
# What *is* a fault lies to the right of the crossing, where the curves go on falling although the optimum does not ask for it.
# And in the right panel two learners with the same loss and the same pairs disagree about the strings that nobody compared.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
falls = {step: np.array(found["path"][step]["chosen"]) for step in looks}
claim(
    "The preferred strings lose probability at the exact optimum and after 100 updates "
    "of DPO; after 1600 they have lost more than the optimum asks for.",
    bool(
        (goal["chosen"] < -0.5).all()
        and (falls["100"] < -0.2).all()
        and (falls["1600"] < goal["chosen"] - 0.5).all()
    ),
    over="five languages, recorded, means over their 1000 pairs, at a price of 0.5",
)

# %% [markdown]
# ## The idea on three answers
#
# Let the reference give three answers A, B and C the probabilities 1/2, 1/4 and 1/4, and let one person have said that A is better than B.
# DPO wants the *odds* of A against B to grow, compared with the reference's, and it looks at nothing else.
# Here are two policies that both make them four times as large.
# The loss, which the next section derives, is computed from that factor alone.

# %%
reference_abc = torch.tensor([0.5, 0.25, 0.25])
policies = {
    "reference": reference_abc,
    "raises A": torch.tensor([0.80, 0.10, 0.10]),
    "lowers A": torch.tensor([0.08, 0.01, 0.91]),
}
rows = []
for name, pi in policies.items():
    a, b = (pi / reference_abc).log()[:2]  # log-ratios of A and of B
    rows.append([name, *(f"{p:.2f}" for p in pi), f"{-logsigmoid(a - b):.3f}"])
table(["policy", "A", "B", "C", "loss"], rows)

# %% [markdown]
# Their losses are the same.
# Yet the last policy has taken nearly everything away from the preferred answer and given it to C, which nobody ever compared with anything.
# The loss cannot see that, so what decides it is everything else: the network, the optimiser, and when you stop.
#
# ## The equation: the DPO loss
#
# The judge's preferences follow a reward $r$: the string $y^w$ is preferred to $y^l$ with probability $\sigma(r(y^w) - r(y^l))$, where $\sigma(x) = 1/(1 + e^{-x})$.
# This is the Bradley-Terry model of [Preference learning](preference_learning.ipynb).
# We want much reward, and each nat of divergence from the reference costs $\beta$; the policy that gets the most out of that is known, and it is called the **Gibbs policy**, derived in [RLHF](rlhf.ipynb):
#
# $$\pi^*(y) = \frac{\pi_{\text{ref}}(y)\, e^{r(y)/\beta}}{Z} \qquad\Longleftrightarrow\qquad r(y) = \beta \log \frac{\pi^*(y)}{\pi_{\text{ref}}(y)} + \beta \log Z.$$
#
# Read from right to left, every policy is the optimum for *some* reward.
# So put that reward into the judge's probabilities: the unknown $Z$ is the same for both strings and drops out, and what is left is a likelihood of the policy itself {cite}`rafailov2023`,
#
# $$L = -\frac1N \sum_{i=1}^N \log \sigma\Big(\beta \Big[ \log\frac{\pi(y_i^w)}{\pi_{\text{ref}}(y_i^w)} - \log\frac{\pi(y_i^l)}{\pi_{\text{ref}}(y_i^l)} \Big]\Big).$$
#
# Here $N$ is the number of pairs, and the logarithm of an answer's probability is the *sum* over its tokens.
# A mask says which tokens belong to the answer and not to the prompt or to the padding.


# %%
def loss_of(chosen, rejected, ref_chosen, ref_rejected, beta, mask_w, mask_l):
    better = ((chosen - ref_chosen) * mask_w).sum(dim=1)  # log-ratio of each answer
    worse = ((rejected - ref_rejected) * mask_l).sum(dim=1)
    return -logsigmoid(beta * (better - worse)).mean()


generator = torch.Generator().manual_seed(0)
tokens = -3 * torch.rand(4, 8, 6, generator=generator)  # 8 pairs, up to 6 tokens
masks = torch.rand(2, 8, 6, generator=generator) < 0.7
masks[..., 0] = True
torch.testing.assert_close(
    loss_of(*tokens, 0.5, *masks), dpo_loss(*tokens, 0.5, *masks)
)

# %% [markdown]
# The loss is computed from the logit by `logsigmoid`, because a sigmoid that has become zero has the logarithm minus infinity.

# %%
show_source(dpo_loss)

# %% [markdown]
# ### Why both fall
#
# Suppose that the reference itself drew both answers of every pair, as it did here.
# Then chosen and rejected answers *together* are a fair sample of the reference, so their log-ratios have the mean
#
# $$\sum_y \pi_{\text{ref}}(y) \log \frac{\pi(y)}{\pi_{\text{ref}}(y)} = -\mathrm{KL}(\pi_{\text{ref}} \,\|\, \pi) \le 0$$
#
# for *every* policy; that the choice of the reference makes both decline in practice was shown by {cite:t}`rafailov2024`.
# Whoever learns anything lowers that mean; the chosen answers lie above it by half of the margin between the two groups, and the rejected ones below it by as much.
# Whether the chosen ones end above zero is a race between the margin and the divergence, and for the exact optimum you can sum it up.

# %%
strings = all_strings(letters=4, length=5)
reward = readability(strings).double().numpy()
log_p = random_language(4, 5, torch.Generator().manual_seed(0)).numpy()
p = np.exp(log_p)
wins = 1 / (1 + np.exp(reward - reward[:, None]))  # row preferred to column
as_chosen = 2 * p * (wins @ p)  # how often each string is the preferred one
as_rejected = 2 * p - as_chosen


def falls_at(beta):
    ratio = gibbs_policy(log_p, reward, beta) - log_p
    return [p @ ratio, as_chosen @ ratio, as_rejected @ ratio, ratio.mean()]


rows = [[f"{beta}", *falls_at(beta)] for beta in (4.0, 2.0, 1.0, 0.5, 0.25)]
table(["price β", "both", "chosen", "rejected", "both, drawn evenly"], rows, digits=2)

# %% [markdown]
# The second column is the mean of both groups, and it is negative throughout.
# The last one takes the cause away: there the pairs are drawn from all 1024 strings alike, and at a high price both groups together *rise*.
#
# With a high price the preferred strings gain, and with a low one they lose, *at the optimum*, although every string among them was preferred to another.
# The reason stands in the Gibbs policy: a string gains exactly if its reward is above $\beta \log Z$, which for a low price is nearly the best reward of all, while a preferred string only had to win against one other.
# So before you call a fall a failure, subtract the optimum's own.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
signs = []
for seed in range(50):
    q = random_language(4, 5, torch.Generator().manual_seed(seed)).numpy()
    won = 2 * np.exp(q) * (wins @ np.exp(q))
    signs.append([won @ (gibbs_policy(q, reward, b) - q) for b in (4.0, 1.0, 0.5)])
high, one, low = np.array(signs).T
claim(
    "At the exact optimum the preferred strings gain probability at β = 4 and lose it "
    "at β = 1 and at 0.5.",
    bool((high > 0).all() and (one < 0).all() and (low < one).all()),
    over="50 random languages and this reward, summed over all pairs of 1024 strings",
)

# %% [markdown]
# ## A standard environment: the language of 1024 strings
#
# Now train.
# First the reference learns the language, then it writes the pairs, and the judge decides each of them by the toss of a loaded coin.

# %%
generator = torch.Generator().manual_seed(0)
language = random_language(4, 5, generator)
reference = TinyTransformer(4, 5, generator)
fit_language_model(reference, strings, language.exp())


def all_log_probs(model):
    with torch.no_grad():
        return sequence_log_probs(model, strings).double().log_softmax(dim=0)


log_ref = all_log_probs(reference)
drawn = torch.multinomial(log_ref.exp(), 2000, True, generator=generator)
first, second = drawn.view(2, 1000)
coin = torch.rand(1000, generator=generator, dtype=torch.float64)
prefers_first = coin < torch.as_tensor(wins)[first, second]
chosen = torch.where(prefers_first, first, second)
rejected = torch.where(prefers_first, second, first)

# %% [markdown]
# The training loop is the package's `dpo`: it draws pairs, looks up what the frozen reference said about them, and follows Adam down the loss.

# %%
policy = dpo(reference, strings[chosen], strings[rejected], beta=0.5, seed=0, steps=100)
log_pi = all_log_probs(policy)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
ratio = log_pi - log_ref
here = reward_and_kl(log_pi, log_ref, reward)[0] - float(log_ref.exp().numpy() @ reward)
gains = np.array(found["path"]["100"]["reward"]) - found["path"]["0"]["reward"]
claim(
    "After 100 updates the mean reward has risen by more than a point, and the "
    "preferred strings have become less probable.",
    bool(
        min(here, *gains) > 1
        and float(ratio[chosen].mean()) < -0.2
        and (falls["100"] < -0.2).all()
    ),
    over="five languages, recorded, the first of them live on this page",
)

# %%
show_source(dpo)

# %% [markdown]
# How good is that, beside what else one could do with the same pairs?
# Each rival gets 300 updates, of 128 pairs or 256 strings, and the best of four learning rates, chosen on two other languages by the exact objective.
# (That is the mean reward minus β times KL, the divergence $\mathrm{KL}(\pi \,\|\, \pi_{\text{ref}})$; it is the other direction that stands in the equation above.)
# *Cloning* raises the preferred strings and forgets the others.
# The *free table* takes all pairs in each step, and its four rates are larger, because one number moves one string.
# The *reward model* is the same network, trained for half of the updates to score the pairs; the other half is the [policy gradient](rlhf.ipynb) against its scores.
# (Its learning rate falls to zero, as in the package's `rlhf`; the others' stay.)
# The last line replaces that half by the exact optimum of those scores, which nobody could compute on a real model.

# %% tags=["hide-input"]
names = {
    "reference": "reference",
    "gibbs": "exact optimum, true reward",
    "clone": "cloning of the chosen",
    "dpo": "DPO, network",
    "table": "DPO, free table",
    "reward and gradient": "reward model, policy gradient",
    "reward and its optimum": "reward model, its exact optimum",
}
rows = []
for name, label in names.items():
    m = {key: np.mean(v) for key, v in found["methods"][name].items()}
    means = [m[key] for key in ("reward", "kl", "value", "chosen", "rejected")]
    rows.append([label, *(f"{v:.2f}" for v in means), f"{100 * m['unseen']:.0f}"])
table(["", "reward", "KL", "reward − β KL", "chosen", "rejected", "unseen (%)"], rows)

# %% [markdown]
# Read the last column first.
# Stopped here, DPO gives the strings in no pair no more on average than the exact optimum does, and the preferred strings have fallen less far than the optimum would take them.
# So neither the fall nor the mass on unseen strings is DPO's invention; the objective asks for both.
# Cloning has the prettier curve, with preferred strings that rise, and the least reward.
# The reward model ends close to DPO whichever way it is climbed, and five languages with one reward do not rank the two.
#
# ### What the loss leaves open
#
# The *free table* of the picture has one number for each string, so no string can profit from another one's training.
# Among the strings that were compared some never lost, and their odds may grow for ever, because each further step lowers the loss a little; a minimum is reached only where wins lead from every string to every other one, directly or in a chain, as in [Preference learning](preference_learning.ipynb).
# What they gain, all others lose, those in no pair included.
# The network cannot raise one string alone, and what it does to strings that it never saw is its own generalisation.
# In the case of the opening the authors trace the loss to pairs of answers that the network represents alike, and leaving such pairs out mitigated it {cite}`razin2025`.
#
# That neither is *wrong* you see without any training: multiply all strings in no pair by one factor, and the others by another one.

# %%
seen = torch.zeros(len(strings), dtype=torch.bool)
seen[drawn] = True
pi = log_pi.exp()
rows = []
for mass in (0.01, 0.5, 0.99):
    scale = torch.where(seen, (1 - mass) / pi[seen].sum(), mass / pi[~seen].sum())
    q, ref = (pi * scale).log()[:, None], log_ref[:, None]
    loss = dpo_loss(q[chosen], q[rejected], ref[chosen], ref[rejected], 0.5)
    fall = (q[chosen] - ref[chosen]).mean()
    rows.append([f"{100 * mass:.0f}", f"{loss:.2f}", f"{fall:.1f}"])
table(["strings in no pair (%)", "DPO loss", "mean log-ratio, chosen"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
last = {run: np.array(found[run]["1600"]["unseen"]) for run in ("path", "tabular")}
claim(
    "With the same loss and the same pairs the table ends with less than 1 % on "
    "strings in no pair, and the network with more than 5 %.",
    bool(last["tabular"].max() < 0.01 and last["path"].min() > 0.05),
    over="five languages, 1600 updates, recorded",
)

# %% [markdown]
# Whether the network gives those strings more or less than the optimum would, depends on the language and on the hour.
# Early it is less in most of these five and in the end it is more in all five, but another language may well end below.
# What the late updates do in all of them is to lower the objective: they buy no reward that is worth its divergence.

# %% tags=["hide-input"]
rows = []
for step in ("0", "25", "100", "400", "1600"):
    look = {key: np.mean(v) for key, v in found["path"][step].items()}
    above = sum(np.array(found["path"][step]["unseen"]) > goal["unseen"])
    rows.append(
        [
            step,
            *(f"{look[key]:.2f}" for key in ("reward", "kl", "value")),
            f"{100 * look['unseen']:.0f}",
            f"{above} of 5",
        ]
    )
table(
    ["updates", "reward", "KL", "reward − β KL", "unseen (%)", "above the optimum"],
    rows,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
values = np.array([found["path"][step]["value"] for step in ["0", *looks]])
claim(
    "After 1600 updates the objective (reward − β KL) is lower than it had been before, "
    "by more than 0.3 points.",
    bool((values.max(axis=0) - values[-1] > 0.3).all()),
    over="five languages, recorded at nine moments, DPO at one learning rate",
)

# %% [markdown]
# So *when you stop* is a part of the method, and a comparison that does not say it compares nothing.
#
# ## The squared loss: IPO
#
# The logistic loss never has enough: where one answer always wins it asks for an ever larger margin.
# **IPO** asks for a finite one instead {cite}`azar2024`, with $\tau$ as the price:
#
# $$L = \frac1N \sum_{i=1}^N \Big( \log\frac{\pi(y_i^w)}{\pi_{\text{ref}}(y_i^w)} - \log\frac{\pi(y_i^l)}{\pi_{\text{ref}}(y_i^l)} - \frac{1}{2\tau} \Big)^2.$$
#
# With endless pairs, both answers drawn from one source that draws every answer, its optimum is a Gibbs policy, too, but for another reward: the probability with which an answer beats a random one from that source.
# On a pair that always goes the same way, DPO's margin grows with every round, and IPO's stops at $1/(2\tau)$.

# %%
margins = {}
for name, loss in (("DPO", dpo_loss), ("IPO", ipo_loss)):
    m = torch.zeros(1, 1, requires_grad=True)  # the margin, A's log-ratio over B's
    adam = torch.optim.Adam([m], lr=0.1)
    far = torch.full((1, 1), -999.0)  # no log-probability may rise above 0
    for step in range(1, 1001):
        adam.zero_grad()
        loss(m - 999, far, far, far, 0.25).backward()
        adam.step()
        if step in (10, 100, 1000):
            margins.setdefault(name, []).append(f"{m.item():.1f}")
table(["price 0.25", "10 steps", "100", "1000"], [[k, *v] for k, v in margins.items()])

# %%
show_source(ipo_loss)

# %% [markdown]
# Does IPO keep the preferred strings from falling?
# A price of DPO and one of IPO do not mean the same, so compare them where they have moved equally far from the reference.
# Each has three prices here, and at each divergence the one with the most reward counts.

# %% tags=["hide-input"]
equal = found["at equal kl"]
rows = []
for kl in ("0.5", "1.0"):
    for name in ("dpo", "ipo"):
        row = {key: np.mean(v) for key, v in equal[f"{name} {kl}"].items()}
        rows.append(
            [
                f"{name.upper()} at KL {kl}",
                *(f"{row[key]:.2f}" for key in ("reward", "chosen", "rejected")),
                f"{100 * row['unseen']:.0f}",
            ]
        )
table(["", "reward", "chosen", "rejected", "unseen (%)"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
apart = {
    key: np.abs(
        [
            np.subtract(equal[f"dpo {kl}"][key], equal[f"ipo {kl}"][key])
            for kl in ("0.5", "1.0")
        ]
    ).max()
    for key in ("reward", "chosen")
}
claim(
    "At an equal divergence from the reference the preferred strings fall under IPO, "
    "too, and the two losses differ by less than 0.25 in reward and in that fall.",
    bool(
        max(apart.values()) < 0.25
        and max(equal["ipo 0.5"]["chosen"] + equal["ipo 1.0"]["chosen"]) < 0
    ),
    over="five languages at divergences 0.5 and 1, recorded, three prices each",
)

# %% [markdown]
# What IPO changes is where a long training ends, and not which way the probabilities go on the way there.
#
# ## Break it: the mean over the tokens
#
# The commonest mistake is to *average* the token log-probabilities instead of adding them up, as one does for perplexity.
# Where all answers are equally long that only divides $\beta$ by their length.
# Where they are not, length multiplies the reward: for an answer of $n$ tokens the average asks for $\beta\, \text{log-ratio} / n = r + c$, so its log-ratio becomes $n (r + c) / \beta$, with a constant $c$ that makes the probabilities sum to one.
# Take four answers that the reference finds equally likely, two of them good and two bad, two short and two long.

# %%
r4, n4 = np.array([0, 1, 0, 1]), np.array([2, 2, 10, 10])


def optimum_of_the_mean(beta):
    weight = lambda c: 0.25 * np.exp(n4 * (r4 + c) / beta)  # noqa: E731
    c = brentq(lambda c: weight(c).sum() - 1, -5, 5)  # they must sum to one
    return weight(c)


right = np.exp(gibbs_policy(np.log([0.25] * 4), r4, beta=2))
rows = [["added up", *right], ["averaged", *optimum_of_the_mean(beta=2)]]
table(["tokens", "short, bad", "short, good", "long, bad", "long, good"], rows, 2)

# %% [markdown]
# The judge found the two good answers equally good, and adding up keeps them equal.
# Averaging gives the long one much more than the short one, and it forbids the long bad one while it is lenient with the short bad one, so whether an answer is long decides what its quality is worth.
#
# ## Break it: a forgotten reference, and labels that are not shifted
#
# Two more that people meet.
# In one the reference's log-probabilities were left out.
# In the other the logits were not shifted, so that each letter is scored by the logits that have already seen it.
# The table has 200 updates of each, and of the right loss, over five languages.

# %% tags=["hide-input"]
labels = {
    "right": "right",
    "mean": "mean over tokens",
    "no reference": "no reference",
    "not shifted": "not shifted",
}
rows = []
for name, label in labels.items():
    row = {key: np.mean(v) for key, v in found["broken"][name].items()}
    rows.append(
        [
            label,
            *(f"{row[key]:.2f}" for key in ("first loss", "last loss")),
            f"{100 * row['accuracy']:.0f}",
            *(f"{row[key]:.2f}" for key in ("reward", "kl", "value")),
        ]
    )
table(
    ["", "loss at 0", "at 200", "pairs right (%)", "reward", "KL", "reward − β KL"],
    rows,
)

# %% [markdown]
# Look at what you would have watched, how far the loss has come down and the share of pairs that the policy gets right: nothing there raises an alarm, because every one of these networks learns to tell the pairs apart.
# Two checks do.
# At the start the policy is the reference, so the loss must be exactly $\log 2 = 0.693$, which finds the forgotten reference.
# And the logits that score a token must stay the same when you change that token, which finds the missing shift.
# The mean passes both; here it acts as a price five times lower, so what gives it away is a divergence larger than you meant to pay for.
#
# > **Often believed, and wrong**
# >
# > "The preferred answers lose probability, so the training has failed."
# > **At a low price the exact optimum lowers them, too.** Subtract its fall where you can, and where you cannot, watch the reward on fresh samples.
# >
# > "DPO makes the preferred answers more probable."
# > **It makes them more probable than the others.** The mean log-ratio of both together cannot rise when the reference drew them.
# >
# > "DPO is RLHF without the reward model, so it ends at the same policy."
# > **Only with endless pairs of all answers, and a judge who follows Bradley-Terry, is the optimum the same.** On a finite set the loss leaves the other answers to the network, the optimiser and the hour.
# >
# > "IPO cures the fall."
# > **At an equal divergence it falls as well.** It bounds the margin of pairs that always go one way.
# >
# > "Forgetting to mask the prompt ruins DPO."
# > **With sums a prompt that both answers share cancels.** With averages it does not, and padding never does.
#
# **Strengths**: one supervised loss, no sampling in training and no reward model to keep, and its optimum is known.
#
# **Limits**: 1024 strings of one length, one reward and one small network; larger models share the loss, but not these numbers.
# The pairs here came from the reference; pairs from elsewhere need not have a mean below zero.
#
# **Who is harmed when it fails**: those who meet the answers that nobody compared, such as the person at risk who asks a model whose refusals were made *relatively* better and absolutely rarer.
#
# **In production** take TRL's `DPOTrainer`; log the chosen and the rejected log-ratio separately and not only their margin, sample from the policy, and measure what you trained it for, such as the refusal rate.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
torch.manual_seed(0)
shifts = {"sum": [], "average": []}
for _ in range(200):
    t = -3 * torch.rand(4, 8, 6, dtype=torch.float64)
    prompt = -3 * torch.rand(2, 8, 3, dtype=torch.float64)
    whole = [torch.cat([prompt[i // 2], t[i]], dim=1) for i in range(4)]
    inside, outside = (torch.ones(2, 8, 9, dtype=torch.bool) for _ in range(2))
    outside[..., :3] = False
    for name, loss, options in (
        ("sum", dpo_loss, {}),
        ("average", ipo_loss, {"average": True}),
    ):
        a, b = (loss(*whole, 0.5, *mask, **options) for mask in (inside, outside))
        shifts[name].append(abs(a - b).item())
claim(
    "A prompt that both answers share cancels in the sums when it is left unmasked, "
    "and does not in the averages.",
    max(shifts["sum"]) < 1e-12 and min(shifts["average"]) > 1e-6,
    over="200 random batches of pairs that share a prompt",
)

# %% [markdown]
# ## Check yourself
#
# **1.** Your pairs say that a polite refusal is better than a rude one. After DPO the loss is low. How has the probability changed that the model refuses at all?
#
# <details><summary>It has risen, because the better refusal was rewarded.</summary>
#
# **Not so.** The policy `"lowers A"` has the same low loss as `"raises A"`, and the preferred answer has lost nearly everything.
#
# </details>
#
# <details><summary>It is as before, because the rude one's share went to the polite one.</summary>
#
# **Not so.** Nothing keeps it between the two: with one and the same `dpo_loss`, the strings in no pair could have hardly anything or nearly everything.
#
# </details>
#
# <details><summary>That cannot be said, because the loss sees only the odds of the two.</summary>
#
# **Right.** What goes to answers that nobody compared is left to the network, the optimiser and the hour, so you have to measure it.
#
# </details>
#
# **2.** The first loss that your program prints is exactly $\log 2$. The loss falls, and most pairs come out right. Which mistake can still be in it?
#
# <details><summary>None that matters, because it starts where it has to.</summary>
#
# **Not so.** In the table of `labels` the mean over tokens started there, too, and got most pairs right, at a divergence that nobody meant to pay for.
#
# </details>
#
# <details><summary>The mean over the tokens may stand where the sum should.</summary>
#
# **Right.** At the start both log-ratios are zero, averaged or added, so this check cannot see it. The divergence can.
#
# </details>
#
# <details><summary>The reference may have been left out of the loss.</summary>
#
# **Not so.** This is the mistake that the first loss gives away: `"no reference"` did not start at that value.
#
# </details>
#
# **3.** The loss on the pairs still falls. When do you stop?
#
# <details><summary>When fresh samples no longer earn what their divergence costs.</summary>
#
# **Right.** That is the objective, and the loss is not: in the end it falls because ever larger margins please it.
#
# </details>
#
# <details><summary>As soon as the preferred answers lose probability.</summary>
#
# **Not so.** After 100 updates they had lost some in `falls`, and the reward had risen by more than a point.
#
# </details>
#
# <details><summary>When the loss is at its lowest, because it is the likelihood.</summary>
#
# **Not so.** In `values` the objective was lower after the last updates than it had been before them, in all five languages.
#
# </details>

# %% [markdown]
# ## Exercise 1: the reward inside a policy
#
# *Easy, 10 minutes.*
# A policy was trained by DPO at the price `beta`.
# You know the log-ratios $\log (\pi / \pi_{\text{ref}})$ of two answers, `ratio_a` and `ratio_b`.
# Return the probability with which the policy expects the judge to prefer answer A.
#
# Hint: the log-ratio is a reward divided by $\beta$, up to a constant that both answers share.


# %% tags=["exercise"]
def expected_preference(ratio_a, ratio_b, beta):
    """Probability that A is preferred, according to the policy."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def sigma(x):
    return 1 / (1 + np.exp(-np.array(x)))


A, B, price = np.array([-1.0, 0.5]), np.array([-3.0, 1.5]), np.array([0.5, 2.0])
wrong_preferences = {
    "The price is missing: the reward is β times the log-ratio.": sigma(A - B),
    "You divided by β; the log-ratio is the reward divided by it, so multiply.": sigma(
        (A - B) / price
    ),
    "That is the probability that B is preferred.": sigma(price * (B - A)),
    "You looked at A alone; a preference compares two rewards.": sigma(price * A),
    "Those are the odds of A; divide them by one plus themselves.": np.exp(
        price * (A - B)
    ),
    "Those are the log-odds of A; the logistic function makes a probability of them.": (
        price * (A - B)
    ),
}


def check_expected_preference(attempt):
    answers = [attempt(*case) for case in zip(A, B, price)]
    right = sigma(price * (A - B))
    check_answer(None if None in answers else answers, right, wrong_preferences)


check_expected_preference(expected_preference)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def expected_preference_solution(ratio_a, ratio_b, beta):
    return 1 / (1 + np.exp(-beta * (ratio_a - ratio_b)))


check_expected_preference(expected_preference_solution)
# Why: solved for the reward, the Gibbs policy says r = β log(π / π_ref) plus a constant,
# and Bradley-Terry takes the difference of two rewards, in which the constant is gone.

# %% [markdown]
# ## Exercise 2: the same loss, another policy
#
# *Medium, 15 minutes.*
# `pi` holds the probabilities of all answers, and `seen` is True for those that stand in some pair.
# Return the policy that has the same DPO loss on every set of those pairs and gives the answers in no pair the probability `mass` altogether; keep the proportions among them.
#
# Hint: the loss sees only odds between answers that were compared.


# %% tags=["exercise"]
def moved(pi, seen, mass):
    """The policy with the same odds within each group, and `mass` on the unseen one."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
four, four_seen = np.array([0.4, 0.2, 0.3, 0.1]), np.array([True, True, False, False])
moved_right = np.array([0.2, 0.1, 0.525, 0.175])  # with 0.7 on the last two
wrong_moves = {
    "It does not sum to one: the seen answers must give what the others receive.": [
        *(0.4, 0.2, 0.525, 0.175)
    ],
    "You gave the mass to the seen answers.": [0.7 * 2 / 3, 0.7 / 3, 0.225, 0.075],
    "Divide by what a group had before you multiply by what it shall have.": [
        *(0.12, 0.06, 0.21, 0.07)
    ],
    "Set and then normalised, the unseen answers end with less than the mass.": np.array(
        [0.4, 0.2, 0.525, 0.175]
    )
    / 1.3,
    "You took the same amount from each seen answer, which changes their odds.": [
        *(0.25, 0.05, 0.525, 0.175)
    ],
    "You shared the mass out equally; the proportions among the unseen answers "
    "should stay.": [0.2, 0.1, 0.35, 0.35],
    "You shared both parts out equally; keep the proportions within each group.": [
        *(0.15, 0.15, 0.35, 0.35)
    ],
    "That is the policy that you were given.": four,
}


def check_moved(attempt):
    answer = attempt(four.copy(), four_seen.copy(), 0.7)
    check_answer(answer, moved_right, wrong_moves)


check_moved(moved)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def moved_solution(pi, seen, mass):
    return np.where(seen, pi / pi[seen].sum() * (1 - mass), pi / pi[~seen].sum() * mass)


check_moved(moved_solution)
# Why: a factor that all compared answers share cancels in the difference of their two
# log-ratios. So no number of pairs among them can say how much they have together.

# %% [markdown]
# ## Exercise 3: how far may it fall?
#
# *Medium, 15 minutes.*
# You are going to train on pairs that the reference draws, and you want a line in your plot below which the mean log-ratio of chosen and rejected answers *together* should not go.
# Return that mean for the exact optimum, from the reference's log-probabilities, the reward of every answer and the price.
#
# Hint: `gibbs_policy(log_ref, reward, beta)` returns the optimum's log-probabilities; over what does the mean go?


# %% tags=["exercise"]
def floor_of_the_mean(log_ref, reward, beta):
    """Mean log-ratio of all answers in the pairs, at the optimum."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
three, r3 = np.log([0.5, 0.25, 0.25]), np.array([0.0, 1.0, 3.0])
ratio3 = gibbs_policy(three, r3, 0.5) - three
mean_right = np.exp(three) @ ratio3
wrong_means = {
    "You averaged over the optimum; the pairs were drawn from the reference.": np.exp(
        three + ratio3
    )
    @ ratio3,
    "The right size, but a fall is negative.": -mean_right,
    "That is a plain mean over the answers; some are drawn more often.": ratio3.mean(),
    "You averaged the optimum's log-probability; subtract the reference's.": np.exp(
        three
    )
    @ (ratio3 + three),
    "The mean of r / β lacks the constant: the optimum is divided by Z.": np.exp(three)
    @ r3
    / 0.5,
    "The weights must be probabilities, not their logarithms.": three @ ratio3,
    "That is minus the divergence of the optimum from the reference; the pairs were "
    "drawn from the reference.": -np.exp(three + ratio3) @ ratio3,
    "The log-ratio itself is asked for, not β times it.": 0.5 * mean_right,
    "That is a plain sum over the answers; weight them by how often they are drawn.": (
        ratio3.sum()
    ),
}


def check_floor_of_the_mean(attempt):
    check_answer(attempt(three, r3, 0.5), mean_right, wrong_means)


check_floor_of_the_mean(floor_of_the_mean)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def floor_of_the_mean_solution(log_ref, reward, beta):
    ratio = gibbs_policy(log_ref, reward, beta) - log_ref
    return np.exp(log_ref) @ ratio


check_floor_of_the_mean(floor_of_the_mean_solution)
# Why: chosen and rejected answers together are draws from the reference, so the mean is
# -KL(ref, optimum). It needs the reward, which is why a real run can only estimate it.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
peer = evidence.results["trl"]
ratios = [row["ratio"] for row in peer["rows"]]
Markdown(
    "TRL's trainer has fifteen losses, adapters, many devices and logged metrics; here "
    "are two losses and a loop. On random batches with prompts and padding the two losses "
    f"agree to {peer['largest difference']:.0e}, and a forward and backward pass with "
    f"TRL's takes {min(ratios):.1f} to {max(ratios):.1f} times as long, its metrics "
    "included."
)

# %% tags=["hide-output"]
rows = [
    [f"{r['loss']}, {r['pairs']} pairs of {r['tokens']} tokens", r["ratio"]]
    for r in peer["rows"]
]
table(["loss, forward and backward on one GPT-2", "TRL's time / ours"], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Value-Based Design**: Designing AI systems to incorporate human values and principles into their decision-making processes.
#
# DPO takes the values from comparisons, and it decides about more answers than anybody compared.
# The source has no listing for it.
#
# ## References
#
# DPO: {cite:t}`rafailov2023`; its view token by token, and why the mean must fall: {cite:t}`rafailov2024`.
# IPO: {cite:t}`azar2024`.
# Preferred answers that lose probability: {cite:t}`pal2024`, {cite:t}`razin2025`; answers outside the pairs: {cite:t}`xu2024`.
# Comparisons: {cite:t}`bradley1952`.
