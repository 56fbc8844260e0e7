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
# # Preference learning
#
# The Bradley-Terry model: scores, and a reward model, from answers to "which of the two is better?"
#
# In 2017 a simulated robot learnt a backflip from a person who never wrote down a reward: about 900 times they looked at two short clips and said which one was nearer to a backflip.
# In the same project a robot hand that should have grasped things learnt instead to stand between them and the camera, so that it only *looked* as if it did {cite}`openai2017`: a case of **reward hacking**.
#
# **How do answers of the kind "this one is better" become a number that an agent can maximise?**
#
# You need the answer because chatbots are trained with rewards that were fitted in just this way, and a public table ranks them afterwards by the same model {cite}`chiang2024`.
# What the answers leave open, and how sure they make you, you inherit from this step, whatever you train next.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | turn comparisons into scores with error bars, fit a reward network to clips that somebody preferred, and recognise the ways in which such a fit breaks |
# | You need | NumPy, Matplotlib, SciPy, PyTorch, Gymnasium; what a likelihood, a derivative and a standard error are; how a network is trained |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.value_alignment.preference_learning` |

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
from scipy.special import expit
from torch import nn

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.networks import mlp
from companion.value_alignment.preference_learning import (
    bradley_terry,
    fit_reward,
    preference_loss,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A cart balances a pole, and Gymnasium pays it one point for every step on which the pole stands.
# Suppose that you want something else, too: the cart should stand one metre to the right.
# You cannot program a reward, but you are shown pairs of clips of less than half a second, and you say which one you like better.
#
# **Guess before you look**: how many such answers does it take until a reward learnt from them picks a good driver out of 500?

# %% mystnb={"figure": {"caption": "Left: how far from the wished place the cart stays under the rule, among about 500, that a reward learnt from so many answers likes best; mean of ten recorded seeds, band from the best to the worst. Right: how the error of Bradley-Terry scores of 20 items shrinks with the number of comparisons; dots are 40 recorded seeds, the line falls with the square root.", "name": "fig-preference-learning"}, "image": {"alt": "Two panels. Left: mean squared distance from the wished place against 10 to 1000 answers. The curve starts about halfway between the mean of all rules and the best rule and reaches the line of the best rule at a thousand answers. Right: on logarithmic axes the error of the scores falls along a straight line of slope minus one half from a thousand to a quarter of a million comparisons."}} tags=["hide-input"]
evidence = recorded("value_alignment/preference_learning")
cart, error = evidence.results["cart"], evidence.results["error"]
counts, learnt = np.array(cart["counts"]), -np.array(cart["learnt"])  # (seeds, counts)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
left.semilogx(counts, learnt.mean(axis=0), "o-", color=COLOURS["blue"], label="chosen")
left.fill_between(
    counts, learnt.min(axis=0), learnt.max(axis=0), color=COLOURS["blue"], alpha=0.2
)
for name, colour, line in (("mean", "grey", ":"), ("best", "green", "--")):
    level = -np.mean(cart[name])
    left.axhline(level, color=COLOURS[colour], linestyle=line, label=f"{name} rule")
left.set(xlabel="answers", ylabel="squared distance (m²)", ylim=(0, None))
left.set_title("A wish, learnt from clips")
left.legend(loc="upper right", bbox_to_anchor=(1, 0.94))
pairs, rms = np.array(error["pairs"]), np.array(error["rms"])
right.loglog(np.repeat(pairs, rms.shape[1]), rms.ravel(), ".", color=COLOURS["sky"])
line = np.sqrt((rms[0] ** 2).mean()) * np.sqrt(pairs[0] / pairs)
right.loglog(pairs, line, color=COLOURS["black"])
right.set(xlabel="comparisons", ylabel="error of the scores")
right.set_title("Four times the data, half the error")
plt.show()

# %% [markdown]
# On the left a few hundred answers are enough in most of the ten runs, and a thousand in all of them, although no answer says *where* the cart should stand, or that it is about the cart at all.
# The right panel shows the price of precision, which is the usual one.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
mean, best = -np.array(cart["mean"]), -np.array(cart["best"])
share = (mean[:, None] - learnt) / (mean - best)[:, None]  # of what choosing can gain
dealt = (mean + np.array(cart["dealt out"])) / (mean - best)
claim(
    "From 300 answers on the chosen rule gains more than four fifths of what choosing "
    "can gain, in the mean, and with 1000 more than nine tenths in every run; with the "
    "same 1000 pairs and the answers dealt out at random, most runs gain less than half.",
    bool(
        share[:, counts >= 300].mean(axis=0).min() > 0.8
        and share[:, counts == 1000].min() > 0.9
        and (dealt < 0.5).mean() > 0.5
    ),
    over=f"{cart['seeds']} seeds, recorded",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The error of Bradley-Terry scores falls with the square root of the number of "
    "comparisons: its exponent is -1/2 to within 0.03.",
    abs(error["slope"] + 0.5) < 0.03,
    over="1000 to 256,000 comparisons of 20 items, 40 seeds, recorded",
)

# %% [markdown]
# ## The idea on four answers
#
# You compare two songs four times, on different days; three times you prefer the first.
# The model of Bradley and Terry says that each song has a score $r$, and that the first wins with the probability
#
# $$P(1 \succ 2) = \sigma(r_1 - r_2) = \frac{1}{1 + e^{-(r_1 - r_2)}}.$$
#
# The likeliest scores are those for which this is $3/4$, so $e^{-(r_1 - r_2)} = 1/3$ and
#
# $$r_1 - r_2 = \log 3 = 1.0986.$$
#
# Only the difference is determined, because you could add ten to both scores and nothing would change.
# So one has to fix a **gauge**, and this book makes the scores sum to zero.

# %%
bradley_terry([[0, 3], [1, 0]]).scores

# %% [markdown]
# ## The equation: Bradley-Terry by maximum likelihood
#
# Let $w_{ij}$ count how often item $i$ was preferred to $j$, and let $n_{ij} = w_{ij} + w_{ji}$.
# The log-likelihood is $\sum_{i \ne j} w_{ij} \log \sigma(r_i - r_j)$, and its derivative by $r_i$ is zero where
#
# $$\sum_j n_{ij}\, \sigma(r_i - r_j) = \sum_j w_{ij}:$$
#
# every item wins as often as the model expects.
# Newton's method solves these equations; its matrix $H$ holds the second derivatives, which are $-n_{ij}\,\sigma(r_i - r_j)\,\sigma(r_j - r_i)$ off the diagonal and make every row sum to zero.


# %%
def scores(w, steps=20):
    r = np.zeros(len(w))
    for _ in range(steps):
        p = expit(r[:, None] - r)  # p[i, j]: i is preferred to j
        gradient = (w * p.T - w.T * p).sum(axis=1)  # wins minus expected wins
        curvature = (w + w.T) * p * p.T
        H = np.diag(curvature.sum(axis=1)) - curvature
        r = r + np.linalg.pinv(H) @ gradient
    return r


wins = np.array([[0, 3, 2], [1, 0, 4], [2, 1, 0]])
np.testing.assert_allclose(scores(wins), bradley_terry(wins).scores, atol=1e-12)

# %% [markdown]
# The pseudo-inverse `pinv` is there because $H$ cannot be inverted: it does not notice a constant added to all scores, which is the gauge again.
# The same matrix says how sure you may be, since $H^+$ at the solution is the covariance of the scores, as long as the model is right and every comparison stands for itself.
#
# Full steps of Newton's method can go astray where the counts lie far apart, so the package shortens them, and it returns two kinds of standard errors.
# The second kind, the *sandwich*, does without the assumption: where one person gave many of the answers, hand over one table of wins for each person, and it takes a person for the unit that varies.

# %%
show_source(bradley_terry)

# %% [markdown]
# ## Real data: which journal do statisticians learn from?
#
# When an article in one journal cites another journal, that may be read as a comparison which the cited journal wins, because its articles were of use.
# {cite:t}`stigler1994` counted such citations between four journals of statistics; the row is cited, the column cites.

# %%
journals = ["Biometrika", "Comm. Statist.", "JASA", "JRSS-B"]
citations = np.array(
    [[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]]
)
fit = bradley_terry(citations)
rows = zip(journals, fit.scores, fit.standard_errors, fit.robust_errors)
table(["journal", "score", "standard error", "sandwich"], rows, digits=3)

# %% [markdown]
# The R package BradleyTerry2 prints its scores in another gauge, with Biometrika at zero {cite}`turner2012`.
# A difference has the variance $c_{ii} + c_{jj} - 2 c_{ij}$ in every gauge, so you can translate the errors as well as the scores.

# %%
c = fit.covariance
difference = fit.scores - fit.scores[0]
error_of_it = np.sqrt(np.diag(c) + c[0, 0] - 2 * c[0])
table(
    ["journal", "minus Biometrika", "standard error"],
    zip(journals[1:], difference[1:], error_of_it[1:]),
    digits=5,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
printed = [-2.94907, -0.47957, 0.26895], [0.10255, 0.06059, 0.07083]
ours = difference[1:], error_of_it[1:]
claim(
    "Scores and standard errors are those that BradleyTerry2 prints, in all five "
    "decimals.",
    bool(np.abs(np.array(ours) - printed).max() < 5.1e-6),
    over="the four journals",
)

# %% [markdown]
# Are such error bars honest?
# That can be tried only where the truth is known, so the record holds four thousand made-up experiments in which the model is right.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
coverage = evidence.results["coverage"]
held = np.array([coverage["Hessian"], coverage["sandwich"]])
claim(
    "Where the model is right, intervals of ±1.96 standard errors of either kind hold "
    "the true score in 94 to 96.5 % of experiments.",
    bool(held.min() > 0.94 and held.max() < 0.965),
    over="6 items, each pair compared 40 times, 4000 experiments, recorded",
)

# %% [markdown]
# What becomes of them when many people answer, who want different things, is the subject of the next lesson, [Preference aggregation](preference_aggregation.ipynb).
#
# ## A standard environment: a reward model for CartPole
#
# A clip of behaviour is not an item that turns up again and again, so it cannot have a score of its own.
# {cite:t}`christiano2017` give it one: a network says what every step is worth, $r_\theta(s_t)$, and the clip's score is the sum.
# With $z$ the difference of two such sums and $y$ the probability that the first was preferred, the loss of a pair is
#
# $$L = -y \log \sigma(z) - (1 - y) \log \sigma(-z), \qquad z = \sum_t r_\theta(a_t) - \sum_t r_\theta(b_t).$$
#
# On paper that is one line; in code it is three.


# %%
def loss(first, second, y):
    z = first.sum(dim=1) - second.sum(dim=1)
    return -(y * nn.functional.logsigmoid(z) + (1 - y) * nn.functional.logsigmoid(-z))


noise = torch.Generator().manual_seed(0)
first, second = torch.randn(2, 100, 20, generator=noise)
y = torch.rand(100, generator=noise)
torch.testing.assert_close(
    loss(first, second, y).mean(), preference_loss(first, second, y)
)

# %% [markdown]
# Now the cart.
# Its drivers are rules that push to the right where a weighted sum of the four observations exceeds a threshold; each balances the pole at a place of its own.
# They differ, so that their clips do.


# %%
def rules(count, rng):
    weights = np.array([0.05, 0.2, 1, 1]) * rng.uniform(0.5, 1.5, (count, 4))
    place = rng.uniform(-2, 2, count)
    return np.column_stack([weights, weights[:, 0] * place])


def ride(rules, seed):
    """Observations (rules, 200, 4) of those that never drop the pole."""
    kind = {"vectorization_mode": "vector_entry_point"}
    env = gymnasium.make_vec("CartPole-v1", len(rules), **kind)
    state, seen, stands = env.reset(seed=seed)[0], [], np.ones(len(rules), bool)
    for _ in range(200):
        seen.append(state)
        push = (state * rules[:, :4]).sum(axis=1) > rules[:, 4]
        state, _, fallen, _, _ = env.step(push.astype(int))
        stands &= ~fallen
    return np.stack(seen, axis=1)[stands]


# %% [markdown]
# The teacher is simulated, since a book cannot wait for you to watch clips.
# It has a wish in mind that the learner never sees, and it answers as the model says: surely where one clip is much better, by chance where they are alike.


# %%
def wish(state):
    return -((state[..., 0] - 1) ** 2)


rng = np.random.default_rng(0)
watched = ride(rules(900, rng), seed=1)
start = rng.integers(0, 180, 600)
clips = np.stack([r[s : s + 20] for r, s in zip(watched, start)])
clips = clips.reshape(300, 2, 20, 4)  # pairs, two clips, steps, observations
worth = wish(clips).sum(axis=2)
preferred = (rng.random(300) < expit(worth[:, 1] - worth[:, 0])).astype(int)

# %% [markdown]
# Three hundred answers, and the network is trained.
# Then five hundred other drivers are judged by it.

# %%
network = mlp([4, 64, 64, 1], torch.Generator().manual_seed(0))
fit_reward(network, torch.tensor(clips), torch.tensor(preferred), seed=0, epochs=66)
rides = ride(rules(500, rng), seed=2)
with torch.no_grad():
    judged = network(torch.tensor(rides)).mean(dim=(1, 2)).numpy()
granted = wish(rides).mean(axis=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
gains = (granted - granted.mean()) / (granted.max() - granted.mean())
gain, shortcut = gains[judged.argmax()], gains[rides[..., 0].mean(axis=1).argmax()]
place = rides[judged.argmax(), 100:, 0].mean()
claim(
    "The driver that the learnt reward likes best keeps the cart within half a metre of "
    "the wished place, and gains more than four fifths of what choosing can gain; the "
    "driver furthest to the right gains less than two thirds.",
    bool(abs(place - 1) < 0.5 and gain > 0.8 and shortcut < 2 / 3),
    over="300 answers, this seed",
)

# %% [markdown]
# So the answers teach more than the shortcut "further to the right".
# Gymnasium's own reward could not have chosen: all these drivers hold the pole for two hundred steps, so it pays them the same.
#
# The package's function is short, because a preference is nothing but a classification in which the logit of a clip is the sum of its rewards.

# %%
show_source(preference_loss, fit_reward)

# %% [markdown]
# ## Break it: first the sigmoid, then the logarithm
#
# Suppose that the network is sure of the wrong answer, by $z = 17$.
# The loss is then 17 and its gradient 1, and it pulls the network back.
# If you compute the probability first, float32 rounds it to exactly one, and what happens next depends on who wrote the clamp.

# %%
rows = []
for z in (10.0, 17.0, 40.0):
    for name in ("from the logit", "1 / (1 + exp(-z))", "torch.sigmoid"):
        x = torch.tensor(z, requires_grad=True)
        other, wrong = torch.zeros(1, 1), torch.zeros(1)
        if name == "from the logit":
            value = preference_loss(x.reshape(1, 1), other, wrong)
        else:
            p = torch.sigmoid(x) if name == "torch.sigmoid" else 1 / (1 + torch.exp(-x))
            value = nn.functional.binary_cross_entropy(p, torch.tensor(0.0))
        value.backward()
        rows.append([name, f"{z:.0f}", f"{value.item():.1f}", f"{x.grad.item():.2g}"])
table(["loss computed", "wrongly sure by", "loss", "gradient"], rows)

# %% [markdown]
# One careless form explodes and then all but goes silent, the other goes silent at once.
# Silence leaves the wrong opinion where it is, and in an explosion one pair outweighs all the others.
# This is no invention: the library imitation computes its loss in the first of the two ways, and the record shows it.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
sure = {row["z"]: row for row in evidence.results["loss"]["wrongly sure"]}
claim(
    "Wrongly sure by 17, imitation's gradient is more than 40,000 instead of 1; wrongly "
    "sure by 40 it is below a hundred-thousandth. From the logit it is 1 both times.",
    bool(
        sure[17.0]["imitation, gradient"] > 4e4
        and sure[40.0]["imitation, gradient"] < 1e-5
        and all(abs(sure[z]["ours, gradient"] - 1) < 1e-6 for z in (17.0, 40.0))
    ),
    over="z = 17 and 40, imitation 1.0.1 in float32, recorded",
)

# %% [markdown]
# ## Break it: an item that never lost
#
# A fifth journal is cited ten times and cites nobody.
# Its likeliest score is infinite, because every larger one is a little likelier, and a program that does not look stops somewhere on the way there.
# {cite:t}`ford1957` found when a maximum exists: exactly if the items cannot be parted into two groups of which one never won against the other.

# %%
more = np.zeros((5, 5), dtype=int)
more[:4, :4], more[4, 0] = citations, 10
rows = [
    [f"after {n} steps of Newton", f"{scores(more, n)[4]:.0f}"] for n in (5, 10, 20)
]
try:
    bradley_terry(more)
except ValueError as refusal:
    rows.append([f"the package: {refusal}", "none"])
table(["a fifth journal that never cites", "its score"], rows)

# %% [markdown]
# Reward models live with this every day, since most answers of a chatbot are compared once.
# Then the score is kept finite only by the network's smoothness, by weight decay and by the moment at which somebody stops the training, and these decide what the "reward" is.
#
# ## Break it: clips of unequal length
#
# A constant added to every reward changes nothing in what anybody prefers.
# It must not change the loss, and it does not, as long as both clips are equally long.

# %%
short = second[:, :15]
padded = nn.functional.pad(short, (0, 5))  # the usual way to make lengths equal
rows = []
for c in (0.0, 1.0):
    equal = preference_loss(first + c, second + c, y)
    unequal = preference_loss(first + c, nn.functional.pad(short + c, (0, 5)), y)
    rows.append([f"+ {c:.0f}", f"{equal:.3f}", f"{unequal:.3f}"])
table(["constant", "20 steps against 20", "20 against 15, padded"], rows)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "The reward model knows how good an answer is."
# > **It knows differences only.** Its zero is arbitrary, so "a reward above zero" means nothing, and neither does its mean over prompts, unless you compare two models on the same ones.
# >
# > "A larger score gap means that people care more."
# > **It means that they agree more often.** A trifle that everybody notices beats a grave matter on which half of them err.
# >
# > "Binary cross-entropy is binary cross-entropy."
# > **From probabilities it loses its gradient in float32, from logits it does not.** Give the loss the logit.
# >
# > "The error bars come with the fit, so they are right."
# > **They suppose that every comparison stands for itself.** One person who answers a thousand times is not a thousand people.
#
# **Strengths**: people find comparing easier than scoring, the fit is convex for a table of items, and you can say how sure it is.
#
# **Limits**: a cycle of preferences has no scores that explain it, the answers are about what can be *seen*, as the robot hand knew, and whose answers they are is decided before the fit begins.
#
# **Who is harmed when it fails**: those whose judgement the reward was to carry, such as patients whose question got the answer that looks most confident, because the people who compared it could not check it either.
#
# **In production** use `choix` or R's BradleyTerry2 for tables of items, and TRL's `RewardTrainer` for language models.
# What such a reward makes of a language model is in [RLHF](rlhf.ipynb), and how to train one on the pairs without a reward model in [Direct preference optimization](direct_preference_optimization.ipynb).

# %% [markdown]
# ## Check yourself
#
# **1.** A reward model gives each step of a clip a reward, and the mean over all steps is far from zero. A colleague takes that mean off every step. Does this change the preference loss?
#
# <details><summary>No, because only differences of rewards count.</summary>
#
# **Not so.** Only the difference of the two *sums* counts: `preference_loss` came out larger with the constant as soon as one clip was shorter and padded.
#
# </details>
#
# <details><summary>Only if a pair holds clips of different lengths.</summary>
#
# **Right.** With equally many steps the constant stands in both sums and cancels. Otherwise the longer clip gets more of it.
#
# </details>
#
# <details><summary>Yes, because every clip is now worth something else.</summary>
#
# **Not so.** It is, but by the same amount in both clips of a pair, if they are equally long: in the column of `equal` the loss did not move.
#
# </details>
#
# **2.** A new chatbot has won all of its comparisons with the others. What is its Bradley-Terry score?
#
# <details><summary>A high one, which a program finds if it runs long enough.</summary>
#
# **Not so.** The longer `scores` ran, the higher the score of the journal that never lost, without an end.
#
# </details>
#
# <details><summary>A high one, with a wide interval that shows the doubt.</summary>
#
# **Not so.** There is no maximum to put an interval around, and `bradley_terry` refused such wins instead of answering.
#
# </details>
#
# <details><summary>None that is finite, until it loses to somebody once.</summary>
#
# **Right.** Every larger score makes the wins a little likelier. That it won says that it is better, and not by how much.
#
# </details>
#
# **3.** Some pairs are labelled wrongly, and the model is very sure about them. Their loss, taken from `torch.sigmoid` in float32, stands at exactly 100 in every epoch. What helps?
#
# <details><summary>Computing the loss from the logit, without a sigmoid before.</summary>
#
# **Right.** Then the loss is the logit itself where the model is wrongly sure, its slope is one, and it pulls the network back.
#
# </details>
#
# <details><summary>Training for longer, because a large loss pulls strongly.</summary>
#
# **Not so.** In the rows of `"torch.sigmoid"` a loss of 100 had a gradient of zero, so nothing pulls at all.
#
# </details>
#
# <details><summary>Cutting the loss off at some value, so that it stays finite.</summary>
#
# **Not so.** It has been cut off: that is where the 100 of `binary_cross_entropy` comes from, and behind the cut the gradient is zero.
#
# </details>

# %% [markdown]
# ## Exercise 1: an interval for a difference
#
# *Easy, 10 minutes.*
# `fit` is what `bradley_terry` returned.
# Return the two ends of a 95 % interval for $r_i - r_j$: the difference, minus and plus 1.96 of its standard errors.
#
# Hint: how does the variance of a difference follow from `fit.covariance`?


# %% tags=["exercise"]
def interval(fit, i, j):
    """Lower and upper end of a 95 % interval for the difference of two scores."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_interval(attempt):
    i, j, c = 3, 0, fit.covariance
    d = fit.scores[i] - fit.scores[j]
    ends = np.array([-1.96, 1.96])
    apart = np.sqrt(c[i, i] + c[j, j])
    mistakes = {
        "You left out the covariance: the two scores are not independent, because "
        "they sum to zero with the others.": d + ends * apart,
        "That is the variance; take its square root.": d
        + ends * (c[i, i] + c[j, j] - 2 * c[i, j]),
        "The covariance is subtracted twice, not added.": d
        + ends * np.sqrt(c[i, i] + c[j, j] + 2 * c[i, j]),
        "That is one standard error on each side.": d
        + ends / 1.96 * np.sqrt(c[i, i] + c[j, j] - 2 * c[i, j]),
    }
    right = d + ends * np.sqrt(c[i, i] + c[j, j] - 2 * c[i, j])
    check_answer(attempt(fit, i, j), right, mistakes)


check_interval(interval)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def interval_solution(fit, i, j):
    c = fit.covariance
    error = np.sqrt(c[i, i] + c[j, j] - 2 * c[i, j])
    difference = fit.scores[i] - fit.scores[j]
    return [difference - 1.96 * error, difference + 1.96 * error]


check_interval(interval_solution)
# Why: the scores share a gauge and common opponents, so their errors go together or
# against each other, and only the covariance knows. The result is the same in any gauge.

# %% [markdown]
# ## Exercise 2: Zermelo's iteration
#
# *Medium, 15 minutes.*
# Long before Newton's method was cheap, {cite:t}`zermelo1929` solved the score equations by repetition.
# With strengths $s_i = e^{r_i}$, $\sigma(r_i - r_j)$ is $s_i / (s_i + s_j)$, so each strength can be isolated:
#
# $$s_i \leftarrow \frac{\sum_j w_{ij}}{\sum_{j \ne i} n_{ij} / (s_i + s_j)}.$$
#
# Start with all strengths 1 and replace all of them at once, `steps` times; {cite:t}`hunter2004` shows that each round makes the data likelier.
# Return the scores $\log s$, shifted to sum to zero.
#
# Hint: `s[:, None] + s` is the table of sums, and `w + w.T` has zeros on its diagonal.


# %% tags=["exercise"]
def zermelo(w, steps):
    """Scores after so many rounds; w has shape (n, n)."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def rounds(update, steps=3):
    s = np.ones(4)
    for _ in range(steps):
        s = update(s)
    return np.log(s) - np.log(s).mean()


n, won = citations + citations.T, citations.sum(axis=1)


def zermelos(s):
    return won / (n / (s[:, None] + s)).sum(axis=1)


zermelo_slips = {
    "These are the solution's scores; stop after the given rounds.": fit.scores,
    "n counts the comparisons both ways, w + w.T, not the wins.": rounds(
        lambda s: won / (citations / (s[:, None] + s)).sum(axis=1)
    ),
    "Divide the wins by the sum; you multiplied by it.": rounds(
        lambda s: won * (n / (s[:, None] + s)).sum(axis=1)
    ),
    "One round too many.": rounds(zermelos, 4),
    "One round too few.": rounds(zermelos, 2),
    "You summed the losses; the wins of an item stand in its row.": rounds(
        lambda s: citations.sum(axis=0) / (n / (s[:, None] + s)).sum(axis=1)
    ),
    "These are the strengths; their logarithms are wanted.": np.exp(rounds(zermelos)),
}


def check_zermelo(attempt):
    right = rounds(zermelos)
    check_answer(attempt(citations, 3), right, zermelo_slips)


check_zermelo(zermelo)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def zermelo_solution(w, steps):
    s = np.ones(len(w))
    for _ in range(steps):
        s = w.sum(axis=1) / ((w + w.T) / (s[:, None] + s)).sum(axis=1)
    r = np.log(s)
    return r - r.mean()


check_zermelo(zermelo_solution)
# Why: a fixed point has wins equal to expected wins, which is the score equation. Each
# round is cheap, but it gains a fixed share of what is left; Newton doubles the digits.

# %% [markdown]
# ## Exercise 3: a teacher who sometimes errs
#
# *Medium, 15 minutes.*
# {cite:t}`christiano2017` suppose that with probability $m = 0.1$ a person answers at random.
# Then the first clip is preferred with probability $p = (1 - m)\,\sigma(z) + m/2$.
# Return $-\log p$ for an array of logits `z`, in NumPy.
# It must be right to six digits also for $z = -1000$ and with $m = 0$, where $p$ itself is zero in floating point.
#
# Hint: $\log \sigma(z) = -\log(1 + e^{-z})$, and `np.logaddexp(a, b)` is $\log(e^a + e^b)$ without overflow; $\log 0$ may be `-np.inf`.


# %% tags=["exercise"]
def careless(z, m):
    """Minus the log-probability that the first is preferred, for m from 0 to below 1."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def minus_log(z, m):
    half = np.log(m / 2) if m else -np.inf
    return -np.logaddexp(np.log(1 - m) - np.logaddexp(0, -z), half)


def check_careless(attempt):
    z = np.array([-1000.0, -3.0, 0.0, 2.0, 40.0])
    right = np.array([minus_log(z, 0.1), minus_log(z, 0.0)])
    other = np.array([minus_log(-z, 0.1), minus_log(-z, 0.0)])
    full = [-np.log(0.9 * expit(z) + 0.1), right[1]]
    whole = [-np.log(expit(z) + 0.05), right[1]]
    naive = [right[0], np.where(z == -1000, np.inf, right[1])]
    mistakes = {
        "A random answer prefers the first half of the time only: m/2, not m.": full,
        "You left out the careless answers.": [right[1], right[1]],
        "At z = -1000 and m = 0 your p is zero; stay with logarithms all the way.": naive,
        "A random answer replaces the other one: the sigmoid counts 1 - m.": whole,
        "The sign: a loss is positive.": -right,
        "That is the loss of the other answer.": other,
    }
    with np.errstate(all="ignore"):
        answers = [attempt(z, 0.1), attempt(z, 0.0)]
    missing = any(a is None for a in answers)
    check_answer(None if missing else answers, right, mistakes, tolerance=1e-6)


check_careless(careless)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def careless_solution(z, m):
    half = np.log(m / 2) if m > 0 else -np.inf
    return -np.logaddexp(np.log(1 - m) - np.logaddexp(0, -z), half)


check_careless(careless_solution)
# Why: sums of probabilities become logaddexp of logarithms, so nothing underflows. With
# m = 0.1 the loss never exceeds log 20, so one wrong answer cannot pull without limit.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
rows = evidence.results["scores"]["rows"]
dense = {r["name"]: r["ratio"] for r in rows if "dense" in r["peer"]}
slowest = min(dense, key=dense.get)
Markdown(
    "The book's fit is less able than choix and BradleyTerry2: it knows no ties of "
    "their own kind, no advantage of the first place, no rankings of more than two. "
    f"Against choix's quickest function its worst case is {slowest}, where choix's "
    f"time is {dense[slowest]:.2f} of ours, which includes two kinds of standard errors "
    "that choix does not give. The preference loss takes imitation "
    f"{evidence.results['loss']['ratio']:.0f} times as long, because it loops over pairs."
)

# %% tags=["hide-output"]
lines = [[f"{r['name']}", r["peer"], r["ratio"]] for r in rows]
lines.append(
    [
        "preference loss and gradient, 256 pairs of 25 steps",
        "imitation.CrossEntropyRewardLoss",
        evidence.results["loss"]["ratio"],
    ]
)
table(["work", "compared with", "its time / ours"], lines, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Value-Based Design**: Designing AI systems to incorporate human values and principles into their decision-making processes.
#
# It does not say where the values come from.
# This page is the usual answer: from comparisons.
#
# ## References
#
# The model: {cite:t}`zermelo1929`, {cite:t}`bradley1952`; when a maximum exists: {cite:t}`ford1957`; iterations: {cite:t}`hunter2004`; the shortened step: {cite:t}`sun2019`; the sandwich: {cite:t}`white1982sandwich`.
# Rewards from clips: {cite:t}`christiano2017`, {cite:t}`openai2017`.
# The journals: {cite:t}`stigler1994`, in the form of {cite:t}`turner2012`.
