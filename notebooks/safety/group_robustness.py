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
# # Group robustness
#
# Group DRO, reweighting, oversampling and subsampling: training for the group that is worst off.
#
# In one of two hospital systems a third of the chest X-rays showed pneumonia, in the other one in a hundred, so to name the hospital was already a good guess; and networks can tell the hospital from the image {cite}`zech2018`.
# Whoever has pneumonia in the second hospital then belongs to a small group, and a model that has learnt the hospital fails just them: they are the **worst group**, or worst-case group.
#
# **How do you train for the group that is worst off, and is the clever way better than the simple ones?**
#
# You need the answer whenever your data hold a shortcut that is right for most people, a **spurious feature**.
# The [worst weights](distributionally_robust_optimization.ipynb) of the last lesson protect every group of a given size and are therefore very cautious; here you know the groups, and can say so.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | train for the worst group in five ways, certify a linear model, choose between the ways at equal effort, and see when weights stop mattering |
# | You need | NumPy, Matplotlib, SciPy, PyTorch; the worst weights of [Distributionally robust optimization](distributionally_robust_optimization.ipynb); what a cross-entropy, a softmax, a gradient step and an l2 penalty are |
# | Time | 30 minutes to read, 40 for the exercises |
# | Code | `companion.safety.group_robustness` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from itertools import combinations

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
from companion.safety.group_robustness import (
    group_accuracy,
    group_dro,
    group_dro_gap,
    marked_digits,
    subsample_groups,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Networks learn whether a digit is odd.
# On $95\,\%$ of the training images three pixels of the margin give the answer away; on the test images they say nothing.
# So there are four groups, even or odd and marked or not, and two of them are rare: some thirty training images each.
#
# **Guess before you look**: five remedies are trained with the same number of steps and chosen with the same care, one of them the game called group DRO. Which one serves the worst group best?

# %% mystnb={"figure": {"caption": "Left: accuracy on the worst of four groups of test images (filled) and on all of them (open) for seven ways to train, five seeds each. Penalty and step are chosen for each on the worst group of validation images. Right: accuracy on the worst group along a long training, mean of five seeds, for plain training and for reweighted groups, without a penalty and with one.", "name": "fig-group-robustness"}, "image": {"alt": "Two panels. Left: seven rows of dots. Plain training lies near 65 percent on its worst group and 85 percent on average. Five remedies lie between 75 and 90 percent and overlap. Plain training on marks at random lies highest. Right: without a penalty the curve of plain training climbs from 40 percent towards the curve of reweighting near 80 percent; with a penalty it stays far below."}} tags=["hide-input"]
evidence = recorded("safety/group_robustness")
methods, fading = evidence.results["methods"], evidence.results["fading"]
worst = {name: 100 * np.array(row["worst"]) for name, row in methods.items()}
average = {name: 100 * np.array(row["average"]) for name, row in methods.items()}
curves = {name: 100 * np.array(row) for name, row in fading["curves"].items()}
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=(3, 2))
for place, name in enumerate(reversed(worst)):
    left.plot(worst[name], np.full(5, place), "o", color=COLOURS["blue"])
    left.plot(
        average[name],
        np.full(5, place + 0.25),
        "o",
        mfc="none",
        color=COLOURS["orange"],
    )
left.set_yticks(
    range(len(worst)),
    [n.replace(", b", ",\nb").replace(", m", ",\nm") for n in reversed(worst)],
)
left.set(xlabel="accuracy (%)", title="Worst group (filled) and all (open)")
styles = {"plain": "red", "reweighted": "blue"}
for name, rows in curves.items():
    method, penalty = name.split(", ")
    line = "-" if penalty.endswith(" 0") else "--"
    label = f"{method}, {penalty.replace('l2 =', 'λ =')}"
    right.semilogx(
        fading["steps"],
        rows.mean(axis=0),
        line,
        color=COLOURS[styles[method]],
        label=label,
    )
right.set(
    xlabel="steps", ylabel="worst group (%)", ylim=(0, 100), title="Weights that fade"
)
right.legend(loc="lower right", fontsize=9)
plt.show()

# %% [markdown]
# Look at the filled dots on the left: every remedy lifts the worst group far above plain training, but the five clouds lie on top of one another.
# The last row is what you would get if the mark had never given anything away.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
remedies = list(worst)[1:6]
lift = min((worst[name] - worst["plain"]).min() for name in remedies)
hidden = (average["plain"] - worst["plain"]).min()
claim(
    "Under plain training the worst group lies more than ten points below the average, and "
    "each of the five remedies lifts it by more than five.",
    bool(hidden > 10 and lift > 5),
    over="5 seeds, recorded; one image of a group is 0.9 points",
)

# %% [markdown]
# ## The idea on ten rows
#
# Ten rows with the same input: nine are labelled 1, and one, the rare group, is labelled 0.
# The model has one number to choose, the probability $p$ of a 1.
#
# The mean loss is least at $p = 0.9$.
# Then the nine lose $-\log 0.9 = 0.11$ each, and the one loses $-\log 0.1 = 2.30$.
#
# If the two *groups* weigh the same, $p = 0.5$ is best, and both lose $-\log 0.5 = 0.69$.
# That is also the least that the worst group can lose: move $p$ to either side, and one of the two gets worse.

# %%
p = np.array([0.9, 0.5])
rows = zip(["mean over rows", "worst group"], p, -np.log(p), -np.log(1 - p))
table(["least", "p", "loss of the nine", "loss of the one"], rows, digits=2)

# %% [markdown]
# Here equal weights were the answer.
# In general the best weights are not equal but depend on how hard each group is, and that is what a game can find out.
#
# ## The equation: group DRO, a game between weights and model
#
# Let $L_g(\theta)$ be the mean cross-entropy of group $g$ and $\theta$ all parameters.
# Weights $q_g$, positive with sum one, try to make the loss large, and the model to make it small:
#
# $$\min_\theta \; \max_q \; \sum_g q_g\, L_g(\theta) + \frac{\lambda}{2} \|\theta\|^2 .$$
#
# The inner maximum puts everything on the worst group, so this *is* the loss of the worst group, plus a penalty.
# Group DRO {cite}`sagawa2020` lets both sides take steps: the weights climb by $q_g \leftarrow q_g\, e^{\eta L_g}$, scaled to sum one, and the model takes an ordinary gradient step on the weighted loss.


# %%
def game(model, X, y, group, steps, rate, eta, penalty):
    optimiser, q = torch.optim.Adam(model.parameters(), lr=rate), torch.full((4,), 0.25)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(X), y, reduction="none")
        L = torch.stack([loss[group == g].mean() for g in range(4)])
        q = q * torch.exp(eta * L.detach())
        q = q / q.sum()
        size = sum(p.square().sum() for p in model.parameters())
        optimiser.zero_grad()
        (q @ L + penalty / 2 * size).backward()
        optimiser.step()
    return q


def zeros():
    model = nn.Linear(64, 2)
    model.load_state_dict({"weight": torch.zeros(2, 64), "bias": torch.zeros(2)})
    return model


train, validation, test = marked_digits(seed=0)
q = game(zeros(), *train, steps=100, rate=0.01, eta=0.2, penalty=0.01)
options = {"batch": len(train.y), "learning_rate": 0.01, "group_rate": 0.2, "l2": 0.01}
again = group_dro(zeros(), *train, 0, steps=100, **options).weights
np.testing.assert_allclose(q, again, atol=1e-3)

# %% [markdown]
# With $\eta = 0$ the weights stay where they start, and the same loop is the first two of three simple baselines:
#
# - **Reweighting**: equal weights for the groups.
# - **Oversampling**: equal weights, and batches that draw each group equally often.
# - **Subsampling**: throw rows away until all groups are as small as the smallest.
#
# The package estimates each $L_g$ from a batch without bias, as exercise 3 explains, so it runs on batches, too.

# %%
show_source(group_dro)

# %% [markdown]
# ## A certificate for linear models: weak duality
#
# For a linear model every $L_g$ is convex, so the game has a value, and you can know how near you are.
# Whatever the weights $q$, the worst group of *any* model, its penalty included, loses at least $\min_\theta q \cdot L(\theta) + \frac\lambda2 \|\theta\|^2$, because a mean is never above its largest part.
# That function curves by at least $\lambda$ in all directions, so from a point with the gradient $d$ it falls by at most $\|d\|^2 / (2 \lambda)$.
# Together no linear model can be better than yours by more than
#
# $$\max_g L_g(\theta) - q \cdot L(\theta) + \frac{\|d\|^2}{2 \lambda}.$$

# %%
rows = []
for steps in (10, 100, 1500):
    linear = zeros()
    played = group_dro(linear, *train, 0, steps=steps, **options)
    gap = group_dro_gap(linear, *train, played.weights, l2=0.01)
    rows.append([steps, f"{gap:.0e}"])
table(["steps", "no linear model is better by more than (nats)"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
convex = evidence.results["convex"]
claim(
    "The game reaches the best linear model to a hundred-thousandth of a nat, as its own "
    "certificate and a generic solver say.",
    bool(gap < 1e-5 and -1e-6 < convex["excess"] < convex["certificate"] + 1e-6),
    over="seed 0, λ = 0.01, 1500 steps; cvxpy recorded",
)

# %% [markdown]
# Look at that optimum, group by group.

# %%
names = ["even", "even, marked", "odd", "odd, marked"]
sizes = torch.bincount(train.group).tolist()
each = nn.functional.cross_entropy(linear(train.X), train.y, reduction="none").detach()
lost = [float(each[train.group == g].mean()) for g in range(4)]
rows = [list(row) for row in zip(names, sizes, lost, map(float, played.weights))]
table(["group", "images", "loss (nats)", "weight"], rows, digits=2)

# %% [markdown]
# All four lose the same, because the adversary moves weight to whoever loses more until nobody does.
# A weight is therefore not a loss but a price: it says how much of a small relief for this group alone would reach the worst loss.
# Here the largest belongs to a *common* group, the even digits without a mark, and the game has found that without being told.
#
# ## Real data: four groups of digits
#
# Here is one training image of each group, the rare ones in the middle; the mark is the three white pixels at the left.

# %% mystnb={"figure": {"caption": "One training image of each group. The second and third group hold about thirty images each, the others more than five hundred.", "name": "fig-groups"}, "image": {"alt": "Four images of 8 by 8 pixels: an even digit without a mark, an even digit with three white pixels at the upper left margin, an odd digit without them, and an odd digit with them."}} tags=["hide-input"]
fig, axes = plt.subplots(1, 4, figsize=(8, 2.2))
for g, axis in enumerate(axes):
    axis.imshow(train.X[train.group == g][0].reshape(8, 8), cmap="gray")
    axis.set(xticks=[], yticks=[], title=names[g])
    axis.title.set_fontsize(10)
    axis.spines[:].set(visible=True, color=COLOURS["grey"])
plt.show()

# %% [markdown]
# How do the linear models do on test images, group by group?
# Plain training is the same loop, with each group's share of the rows as its weight.

# %%
share = torch.bincount(train.group) / len(train.y)
plain = zeros()
still = {**options, "group_rate": 0.0, "start": share}
group_dro(plain, *train, 0, steps=700, **still)
accuracy = [100 * group_accuracy(m, *test) for m in (plain, linear)]
rows = [[n, float(a), float(b)] for n, a, b in zip(names, *accuracy)]
table(["test accuracy (%)", "plain", "group DRO"], rows, digits=0)

# %% [markdown]
# Plain training has read the mark: it is nearly perfect where the mark tells the truth, and wrong on most of the others.
# The game gives up some of the first to save the second.
#
# Now the networks of the first figure, a layer of 64 hidden units trained on batches of 64.
# The game's $\eta$ stays at $0.01$; all methods get the same number of steps, the same four penalties $\lambda$, and the same choice of the step at which to stop, on the worst group of 250 validation images in which the mark says nothing.

# %%
rows = [
    [n, worst[n].mean(), worst[n].min(), worst[n].max(), average[n].mean()]
    for n in worst
]
table(["accuracy (%)", "worst group", "least", "most", "average"], rows, digits=0)

# %% [markdown]
# Is one remedy better than another?
# The fair test compares them seed by seed, because some seeds are hard for all.

# %%
pairs = list(combinations(remedies, 2))
differences = [worst[a] - worst[b] for a, b in pairs]
error = [d.std(ddof=1) / np.sqrt(5) for d in differences]
mean = np.array([d.mean() for d in differences])
ratio = np.abs(mean) / error


def said(k):
    first, second = pairs[k] if mean[k] > 0 else pairs[k][::-1]
    return (
        f"*{first}* is {abs(mean[k]):.1f} points ahead of *{second}*, "
        f"with a standard error of {error[k]:.1f}"
    )


Markdown(
    f"Largest mean difference of the ten pairs: {said(int(abs(mean).argmax()))}. "
    f"Steadiest: {said(int(ratio.argmax()))}. A difference must reach 5.6 standard errors "
    f"to be seen among ten pairs, for the least steady pair {5.6 * max(error):.0f} points."
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "No difference was seen between the five remedies: no pair's mean difference reaches "
    "three points, or 5.6 standard errors, which is the limit for ten pairs at 5 %.",
    bool((abs(mean) < 3).all() and (ratio < 5.598).all()),
    over="all ten pairs, 5 seeds, recorded",
)

# %% [markdown]
# With five seeds and groups of some 110 test images such differences cannot be told from chance, and may exist.
# But nothing here pays for the game's extra parameter, and on the field's own benchmarks plain balancing was competitive, too {cite}`idrissi2022`.
# The subsample gets there with about a tenth of the rows, and has the lowest average of the five.
#
# ## Break it: weights that fade
#
# A network that can separate its training data drives *every* loss to zero, and what has no loss needs no weight.
# Follow that on three points that a line separates: two common ones at $(2, 0)$ and $(-2, 0)$ with labels 1 and 0, and a rare one at $(-1, 1)$ with label 1.
# Train with the rare point weighted once and fifty times, and look at the direction of the coefficients.

# %%
signed = np.array([[2.0, 0], [2, 0], [-1, 1]])  # features times +1 or -1


def direction(weight, steps):
    w = np.zeros(2)
    for _ in range(steps):
        pull = np.array([1, 1, weight]) * expit(-signed @ w)
        w += 0.5 * pull @ signed / pull.sum()
    return np.degrees(np.arctan2(w[1], w[0]))


rows = [[s, direction(1, s), direction(50, s)] for s in (3, 10, 100, 1000)]
table(["steps", "angle, weight 1", "angle, weight 50"], rows, digits=1)

# %% [markdown]
# Early on the weight turns the coefficients by tens of degrees; in the end both go to the direction of the widest margin, in which weights play no part.
# That was found for deep networks, too {cite}`byrd2019`, and the right panel of the first figure shows it here.
# Its control is the penalty: with one the data are never fitted to the end, and the weights keep their hold.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
gain = {
    penalty: curves[f"reweighted, l2 = {penalty}"] - curves[f"plain, l2 = {penalty}"]
    for penalty in ("0", "0.01")
}
claim(
    "Without a penalty reweighting gains more than 20 points after 100 steps and loses more "
    "than half of that by 3000; with one it keeps more than half.",
    bool(
        (gain["0"][:, 0] > 20).all()
        and (gain["0"][:, -1] < gain["0"][:, 0] / 2).all()
        and (gain["0.01"][:, -1] > gain["0.01"][:, 0] / 2).all()
    ),
    over="5 seeds, recorded, with the penalty 0 and 0.01",
)

# %% [markdown]
# Which way does it fade?
# Mostly plain training catches up, because the network learns the rare images by heart; the reweighted one gives back only a little.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "Group DRO is better than reweighting."
# > **With equal steps and equal tuning no difference was seen here,** nor to oversampling or a subsample. Compare with the plainest of them before you pay for the game.
# >
# > "If I give the rare group more weight, the model will care about it."
# > **Only while the training data have losses left.** On separated data the weights fade; stop early, penalise, or subsample.
# >
# > "The rarest group needs the largest weight."
# > **A weight answers to how hard a group is, not to how rare,** and in the linear game above a common group got the largest.
# >
# > "The average is good, so it works."
# > **An average hides its groups:** under plain training the worst one lay far below it in every seed. Print each group beside the average, and its number of images.
#
# **Strengths**: the remedies are a few lines each, and for a convex model the game comes with a certificate.
#
# **Limits**: you must know the groups, in training and even more in validation; with thirty images of a group its weight is the weight of thirty images, and mislabelled ones among them count most.
#
# **Who is harmed when it fails**: those whose group was not on the list, such as the patients of a third hospital, and those in a group so small that nobody measured its accuracy.
#
# **In production** a sampler of your data loader (`WeightedRandomSampler` in `torch.utils.data`) is all that balancing needs; Fairlearn's `MetricFrame` reports each group.

# %% [markdown]
# ## Check yourself
#
# **1.** A linear credit model was trained by group DRO until its certificate was almost zero, and half of the weight ended on the most common group. What does that tell you?
#
# <details><summary>That this group has the largest loss of all.</summary>
#
# **Not so.** At the optimum on this page the losses in `lost` were equal, and the weights were not.
#
# </details>
#
# <details><summary>That relief for this group would help the worst loss most.</summary>
#
# **Right.** A weight is a price: it says how much of a small relief for that group alone reaches the worst loss.
#
# </details>
#
# <details><summary>That it failed, because the rarest group needs the most weight.</summary>
#
# **Not so.** In `played` the largest weight belonged to a common group as well, and `gap` proved that no linear model was noticeably better.
#
# </details>
#
# **2.** You give the rare group fifty times the weight and train a large network without a penalty, long after it names every training row correctly. What becomes of the weight?
#
# <details><summary>It keeps its force, because each error of the group still counts fifty times.</summary>
#
# **Not so.** An error that is gone counts nothing: in `direction` the weights 1 and 50 led to nearly the same angle after a thousand steps.
#
# </details>
#
# <details><summary>It gains force, because it acts on every further step.</summary>
#
# **Not so.** In `gain` the advantage of reweighting without a penalty was several times as large after 100 steps as after 3000.
#
# </details>
#
# <details><summary>It loses force, because there is hardly a loss left to weigh.</summary>
#
# **Right.** On separated data all losses go to zero, and the direction that is left has the widest margin, in which weights play no part.
#
# </details>
#
# **3.** On one seed and 110 test images of the worst group, method A is right on 84 in a hundred and method B on 82. Which of them do you take?
#
# <details><summary>A, because its training reacts to the losses of the groups.</summary>
#
# **Not so.** So does group DRO, and in `differences` it was not seen to be ahead of the plain reweighting, which does not.
#
# </details>
#
# <details><summary>The cheaper one, until more seeds show a difference.</summary>
#
# **Right.** Two points are two or three images. It takes several seeds, compared one by one, to tell such a difference from luck, and until then the price decides.
#
# </details>
#
# <details><summary>Either, because this shows that they are equally good.</summary>
#
# **Not so.** Not seen is not absent: for the least steady pair in `error` a difference of many points could have hidden among five seeds.
#
# </details>

# %% [markdown]
# ## Exercise 1: weights for rows
#
# *Easy, 10 minutes.*
# A trainer of yours takes one weight for each row and returns the *mean* of weight times loss.
# Given the array `group` with the group of each row, 0 to $G - 1$, return the weights that make this the mean of the groups' mean losses.
#
# Hint: write $\frac1G \sum_g \frac{1}{n_g} \sum_{i \in g} \ell_i$ as $\frac1n \sum_i w_i \ell_i$.


# %% tags=["exercise"]
def row_weights(group):
    """One weight for each row, as an array."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_row_weights(attempt):
    rows = np.array([0, 0, 0, 1, 0, 1, 2, 0])
    counts = np.bincount(rows)[rows]
    mistakes = {
        "Larger groups got larger weights; it is the other way round.": counts / 8 * 3,
        "The trainer divides by all n rows; multiply by n.": 1 / (3 * counts),
        "The groups' means are averaged, so divide by their number.": 8 / counts,
        "These sum to one in each group; the trainer takes a mean over n rows.": 1
        / counts,
    }
    check_answer(attempt(rows), 8 / (3 * counts), mistakes)


check_row_weights(row_weights)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def row_weights_solution(group):
    counts = np.bincount(group)
    return len(group) / (len(counts) * counts[group])


check_row_weights(row_weights_solution)
# Why: each group's weights sum to n / G, so all groups have the same say. The weights'
# mean is one, so the learning rate keeps its meaning.

# %% [markdown]
# ## Exercise 2: one step of the game
#
# *Medium, 15 minutes.*
# Given the weights `q` of the groups, their `losses` and the rate `eta`, return the weights after one step.
#
# Hint: multiply by $e^{\eta L_g}$, then scale; $\eta = 0.5$ and losses of 2000 must not overflow, so subtract the largest loss first.


# %% tags=["exercise"]
def climb(q, losses, eta):
    """The weights of the groups after one step, as an array."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def scaled(v):
    return v / v.sum()


def check_climb(attempt):
    q, L = np.array([0.5, 0.3, 0.2]), np.array([0.1, 1.0, 2.3])
    up, down = q * np.exp(0.5 * L), q * np.exp(-0.5 * L)
    mistakes = {
        "The weights descend; the larger loss should gain.": scaled(down),
        "The weights must sum to one again.": up,
        "The weights must sum to one again; scale last.": up / np.exp(0.5 * 2.3),
        "You added; multiply by an exponential.": scaled(q + 0.5 * L),
        "The old weights are missing.": scaled(np.exp(0.5 * L)),
    }
    answer = attempt(q, L, 0.5)
    with np.errstate(all="ignore"):
        huge = attempt(np.array([0.5, 0.5]), np.array([2000.0, 2000.0]), 0.5)
    overflows = np.shape(answer) == (3,) and not np.isfinite(huge).all()
    if overflows and np.allclose(answer, scaled(up), atol=1e-6):
        reason = "Right for small losses, but e^1000 overflows: subtract the largest."
        check_answer(1.0, 0.0, {reason: 1.0})
    else:
        check_answer(answer, scaled(up), mistakes)


check_climb(climb)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def climb_solution(q, losses, eta):
    up = q * np.exp(eta * (losses - losses.max()))
    return up / up.sum()


check_climb(climb_solution)
# Why: a factor e^(eta L) keeps the weights positive, and what is subtracted from all
# losses cancels in the scaling. So only differences of losses move the weights.

# %% [markdown]
# ## Exercise 3: a group that is not in the batch
#
# *Medium, 15 minutes.*
# A group has `n_g` of `n` rows, and a batch of `size` rows is drawn with replacement.
# In the batch the losses of that group's rows sum to `total`; the sum is 0 if there are none.
# Return an estimate of the group's mean loss that is right on average over all batches, also those without the group, and the probability that the batch holds none of the group, as a pair.
#
# Hint: how many rows of the group does a batch hold on average? Divide by that number, not by the one that happens to be there.


# %% tags=["exercise"]
def estimate(total, n_g, n, size):
    """The group's loss estimated from one batch, and the chance of a batch without it."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_estimate(attempt):
    answer = attempt(3.2, 28, 1097, 64)
    mean, absent = 64 * 28 / 1097, (1 - 28 / 1097) ** 64
    mistakes = {
        "That is the probability that it is there.": [3.2 / mean, 1 - absent],
        "You divided by the size of the batch; the group has only its share of it.": [
            3.2 / 64,
            absent,
        ],
        "You divided by the group's size in the data, not in a batch.": [
            3.2 / 28,
            absent,
        ],
        "All 64 draws must miss the group: raise to that power.": [
            3.2 / mean,
            1 - 28 / 1097,
        ],
    }
    check_answer(answer, [3.2 / mean, absent], mistakes)


check_estimate(estimate)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def estimate_solution(total, n_g, n, size):
    return total / (size * n_g / n), (1 - n_g / n) ** size


check_estimate(estimate_solution)
# Why: the sum's mean is the mean number of rows times the mean loss. The mean over the
# rows that are there calls a missing group's loss zero, in one batch of five for our rare groups.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"][0]
Markdown(
    f"A step of the book's game takes {1 / speed['ratio']:.1f} times as long as one of plain training, "
    "and a generic solver needs no rates at all where the model is convex; against that solver, cvxpy, "
    f"the game's worst group is {convex['excess']:.0e} nats above the optimum, and its certificate says "
    f"{convex['certificate']:.0e}."
)

# %% tags=["hide-output"]
chosen = [
    [n, *(f"{p:g}, {s}" for p, s in zip(row["l2"], row["step"]))]
    for n, row in methods.items()
]
table(["chosen λ and step", *(f"seed {s}" for s in range(5))], chosen)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Robust Optimization**: Optimizing AI systems to be robust to uncertainties and perturbations.
#
# The uncertainty here is which group the next person belongs to.
# The source has no code for it.
#
# ## References
#
# Group DRO: {cite:t}`sagawa2020`.
# Balancing instead: {cite:t}`idrissi2022`; weights that fade: {cite:t}`byrd2019`.
# Duality and strong convexity: {cite:t}`boyd2004`.
# What happened: {cite:t}`zech2018`.
