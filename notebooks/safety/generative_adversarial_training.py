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
# # Generative adversarial training
#
# A generator of perturbations (feed-forward attacks, AdvGAN), and a classifier that is trained against it.
#
# One of the attacks that won a public competition against image classifiers in 2018 did not search at all while the clock ran: a network, trained beforehand, wrote each perturbation in one pass, because the time for an image was limited {cite}`sharma2018`.
# If an attack is as quick as that, it is tempting to let a classifier learn from it, and the source of this book wants just this, as did {cite:t}`lee2017` and {cite:t}`wang2019`.
#
# **If a classifier withstands the network that it was trained against, what else does it withstand?**
#
# You need the answer whenever one model hardens another: a filter that learns from a red-team model, a detector that learns from a maker of fakes, a judge that learns from a policy that tries to please it.
# The opponent that you trained is at hand, so it is also the one that you will be tempted to measure with.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | build a network that attacks in one pass and never leaves the allowed images, train a classifier against it, and tell what that is worth from what it seems to be worth |
# | You need | NumPy, Matplotlib, PyTorch; [adversarial examples](adversarial_examples.ipynb) (FGSM, PGD, the margin) and [adversarial training](adversarial_training.ipynb) |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.safety.generative_adversarial_training` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import copy
from math import floor

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from companion.classifiers import accuracy
from companion.datasets import digits
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
from companion.safety.adversarial_examples import margin_loss
from companion.safety.adversarial_training import adversarial_training, noise_loss
from companion.safety.generative_adversarial_training import (
    attacker_loss,
    in_box,
    train_attacker,
)
from companion.safety.robustness_evaluation import robust_accuracy

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Small classifiers of handwritten digits were trained while an opponent changed half of the images they saw, each pixel by at most 0.2 on a scale on which black is 0 and white is 1.
# In three cases the opponent was a network that learns along, called the **generator**; in two it was a search that starts afresh on each image: FGSM, which here costs as many gradients as a generator with one step, and PGD, which costs as many as one with five.
# Then three numbers were taken: the accuracy under the **own** opponent of the training, under a **fresh** generator that was trained against the finished classifier, and under the **worst** of everything we have.
#
# **Guess before you look**: the first classifier names most images of its own generator right. How many of a fresh one's?

# %% mystnb={"figure": {"caption": "Accuracy on test images whose pixels were changed by at most 0.2, for five ways of training. Own: the opponent of the training. Fresh: the strongest of three generators that were trained against the finished classifier, with 20 passes over the training images. Worst: an image counts only if it survives every attack. Bars are means over five recorded seeds, lines go from the lowest to the highest.", "name": "fig-generative-adversarial-training"}, "image": {"alt": "Three bars for each of five ways of training. For the generator with one step, own is near 90 percent, fresh below 20, worst near zero. With five steps and with resets, own falls and fresh rises, but worst stays near zero. For FGSM training own is near 50, fresh above 80 and worst near 30; for PGD own is a little above 40, fresh above 80 and worst near 35."}} tags=["hide-input"]
evidence = recorded("safety/generative_adversarial_training")
training = evidence.results["training"]
games = ["generator, 1 step", "generator, 5 steps", "generator, reset"]
shown = [*games, "fgsm", "pgd"]
labels = [
    "generator\n1 step",
    "generator\n5 steps",
    "generator\n5, reset",
    "FGSM",
    "PGD",
]
fig, axes = plt.subplots(figsize=(8, 3.8))
kinds = {"own": ("grey", ""), "fresh": ("sky", "//"), "worst": ("red", "")}
for i, (kind, (colour, hatch)) in enumerate(kinds.items()):
    values = np.array([training["0.2"][name][kind] for name in shown])
    mean, at = values.mean(axis=1), np.arange(len(shown)) + 0.27 * (i - 1)
    spread = [mean - values.min(axis=1), values.max(axis=1) - mean]
    axes.bar(at, mean, 0.25, color=COLOURS[colour], hatch=hatch, label=kind)
    axes.errorbar(at, mean, spread, fmt="none", color="black", capsize=3, lw=1)
axes.set_xticks(range(len(shown)), labels)
axes.set(ylabel="accuracy at radius 0.2 (%)", ylim=(0, 100))
axes.legend(ncols=3, loc="upper center")
plt.show()

# %% [markdown]
# Read *own* alone, the grey bars, and the first classifier looks the safest; read *worst* and it is defenceless.
# The two searches on the right tell you less flattering things about themselves, and they are the ones that helped.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
strong = {name: np.array(training["0.2"][name]["worst"]) for name in shown}
own = np.array(training["0.2"][games[0]]["own"])
broken = max(strong[name].max() for name in games)
claim(
    "Trained against a one-step generator, a classifier keeps more than half under its "
    "own opponent. Under the worst attack no classifier that learnt from a generator "
    "keeps 5 %, and each that learnt from FGSM or PGD keeps more than 25 %.",
    bool(
        own.min() > 50
        and broken < 5
        and min(strong["fgsm"].min(), strong["pgd"].min()) > 25
    ),
    over="5 seeds of each of five ways of training, radius 0.2, recorded",
)

# %% [markdown]
# ## The idea on one pixel
#
# A pixel has the value $0.1$ and may move by at most $0.2$.
# It cannot become negative, so it may lie anywhere between $0$ and $0.1 + 0.2 = 0.3$.
# A generator returns some number $g$ for it, between minus and plus infinity, and that number must be given a place in this interval.
#
# The obvious way is to squeeze it into the ball and to cut off what sticks out: $0.1 + 0.2 \tanh g$, clipped to $[0, 1]$.
# For $g = -1$ that is $0.1 - 0.152$, so it is cut at 0, and because it stays at 0 if $g$ changes a little, the generator learns nothing from this pixel.
#
# The other way is to divide the interval itself: $0 + 0.3\,\sigma(g)$, with $\sigma(g) = 1/(1 + e^{-g})$.
# Every number has a place, nothing is cut, and zero is the middle of what is *allowed*.

# %%
g = torch.tensor([[-3.0, -1.0, 0.0, 1.0, 3.0]], requires_grad=True)
pixel = torch.full_like(g, 0.1)
boxed, clipped = in_box(pixel, g, 0.2), (pixel + 0.2 * torch.tanh(g)).clamp(0, 1)
slopes = [torch.autograd.grad(out.sum(), g)[0][0] for out in (boxed, clipped)]
rows = zip(g[0].tolist(), boxed[0].tolist(), slopes[0], clipped[0].tolist(), slopes[1])
rows = [[f"{value:.3f}" for value in row] for row in rows]
table(["g", "in the box", "slope", "clipped", "slope"], rows)

# %% [markdown]
# About half of the pixels of a digit are black, and on these the clipped form loses every push towards darkness.
# What that costs is measured further down.
#
# ## The equation: a feed-forward attack in the box
#
# Let $f$ be a classifier that stands still, $x$ an image with label $y$, and $\epsilon$ the most that a pixel may change.
# Each pixel may lie between $l = \max(x - \epsilon, 0)$ and $h = \min(x + \epsilon, 1)$, and a network $g_\phi$ with weights $\phi$ chooses where:
#
# $$x' = l + (h - l)\,\sigma\big(g_\phi(x)\big).$$
#
# The weights are trained to raise the **margin** $\ell = \max_{j \ne y} f_j(x') - f_y(x')$, by which the best wrong class leads, on all images that are not fooled yet:
#
# $$\max_\phi\; \operatorname{mean}_i\; \min\big(\ell(f(x'_i), y_i),\, 0\big).$$
#
# The minimum with zero is there because an image that is fooled needs no more work.
# Such networks are due to {cite:t}`baluja2018`; AdvGAN {cite}`xiao2018` has a second network besides, which asks that the images look real.
# We leave that one out, because a change of at most $\epsilon$ is all that we ask for.
# In code the generator is called `attacker`, because PyTorch calls its sources of random numbers generators, too.

# %%
data = digits()
X, X_test = (torch.tensor(a, dtype=torch.float32) for a in (data.X_train, data.X_test))
y, y_test = torch.tensor(data.y_train), torch.tensor(data.y_test)


def draw(seed):
    return torch.Generator().manual_seed(seed)


def plain_attacker(attacker, model, epsilon, order):
    optimiser = torch.optim.Adam(attacker.parameters(), lr=1e-3)
    for rows in torch.randperm(len(X), generator=order).split(128):
        low = (X[rows] - epsilon).clamp(min=0)
        high = (X[rows] + epsilon).clamp(max=1)
        changed = low + (high - low) * attacker(X[rows]).sigmoid()
        lead = margin_loss(model(changed), y[rows])
        optimiser.zero_grad()
        lead.clamp(max=0).mean().neg().backward()
        optimiser.step()


# %% [markdown]
# These lines make one pass over the training images.
# The package makes several, holds the classifier still and gives it back bit for bit; on one pass both must end with the same weights.
# The classifier is trained in the usual way, which is what `noise_loss` does at radius zero.

# %%
sizes = {"classifier": [64, 128, 128, 10], "attacker": [64, 128, 128, 64]}
standard = mlp(sizes["classifier"], draw(0))
adversarial_training(standard, X, y, 0, noise_loss, epsilon=0.0, epochs=20)
ours, plain = (mlp(sizes["attacker"], draw(1)) for _ in range(2))
train_attacker(ours, standard, X, y, 0.2, seed=5, epochs=1)
plain_attacker(plain, standard, 0.2, draw(5))
for a, b in zip(ours.parameters(), plain.parameters()):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-4)

# %%
show_source(train_attacker)

# %% [markdown]
# ## Real data: digits, and what one pass is worth
#
# Give the generator twenty passes over the 1347 training images, and let it attack the 450 test images in a single pass each.
# It sees the image and not the label.
#
# Three other attacks have less: **random signs** move each pixel up or down by the whole radius without any knowledge; one **universal** perturbation {cite}`moosavidezfooli2017`, trained exactly like the generator, does not even see the image; and FGSM takes one gradient of each image, and PGD twenty.

# %% tags=["hide-input"]
attack = evidence.results["attack"]
names = {
    "clean": "none",
    "random signs": "random signs",
    "universal": "universal",
    "generator": "generator, one pass",
    "fgsm": "FGSM",
    "pgd": "PGD, 20 steps",
}
after = {"fgsm": "1", "pgd": "20"}


def span(values):
    return f"{np.mean(values):.0f} ({min(values):.0f} to {max(values):.0f})"


rows = [
    [label, after.get(name, "0"), span(attack["0.1"][name]), span(attack["0.2"][name])]
    for name, label in names.items()
]
table(["attack", "gradients per image", "left (%) at 0.1", "left (%) at 0.2"], rows)

# %% [markdown]
# The table shows the mean over five classifiers with the lowest and the highest, in percent; one test image is $100/450 = 0.22$.
# A single gradient beats the trained network: it belongs to *this* image and uses its label, and the network has to guess both.
# And the universal perturbation, which sees no image at all, does nearly as much as the network on average.
#
# "One pass" also leaves out what was paid before.

# %% tags=["hide-input"]
paid = 20 * len(X)
times = evidence.results["time"]["ms"]
use = {name: t["low"] for name, t in times["attacking"].items()}
Markdown(
    f"Training took 20 gradients for each of {len(X)} images, {paid:,} in all, before the "
    f"first image was attacked. FGSM spends as much on {paid:,} images, and PGD with 20 "
    f"steps on {paid // 20:,}. From then on the generator is quicker: a batch of 450 "
    f"images took {use['generator'] / use['fgsm']:.1f} times the time of FGSM, the quickest "
    "of 25 runs each, recorded on one thread."
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "FGSM leaves less accuracy than the generator, at both radii and for each "
    "classifier: at 0.2 less than a quarter of it.",
    all(
        (np.array(attack[e]["fgsm"]) < share * np.array(attack[e]["generator"])).all()
        for e, share in (("0.1", 1), ("0.2", 0.25))
    ),
    over="5 seeds at radii 0.1 and 0.2, recorded; the generator's rate is the best of "
    "three on held-out training images",
)

# %% [markdown]
# ## Training against a generator: a game of two networks
#
# Now let the classifier, with weights $\theta$, learn along.
# With the cross-entropy $L$, and half of the weight on the images as they are,
#
# $$\min_\theta \max_\phi\; \tfrac12 L\big(f_\theta(x), y\big) + \tfrac12 L\big(f_\theta(x'_\phi), y\big).$$
#
# On each batch the generator takes one step, or several, uphill, and the classifier one step downhill.
# Because a generator remembers, it need not search anew on each image, and that is the promise: a strong opponent at the price of one gradient a batch.
# Here the radius grows to 0.2 over the first five epochs, so that the classifier is not thrown at the start.

# %%
opponent = mlp(sizes["attacker"], draw(1))
network = mlp(sizes["classifier"], draw(0))
loss = attacker_loss(opponent, steps=1)
adversarial_training(network, X, y, 0, loss, epsilon=0.2, epochs=20, warm_up=5)


def left(attacker):
    with torch.no_grad():
        return 100 * accuracy(network, in_box(X_test, attacker(X_test), 0.2), y_test)


bool(left(opponent) > 80)

# %% [markdown]
# More than four fifths of the test images survive the opponent that was there from the first batch on.
# Has the classifier become robust, or has the generator lost the trail?

# %%
show_source(attacker_loss)

# %% [markdown]
# ## Break it: hold the classifier still
#
# The two explanations can be told apart.
# Stop the classifier and let its own generator train on, for as long as before; if the classifier were robust, nothing would change.
# Then start three fresh generators, with the same twenty passes each, and keep the strongest, and at last ask the [ensemble of attacks](robustness_evaluation.ipynb).

# %%
further = train_attacker(copy.deepcopy(opponent), network, X, y, 0.2, seed=7)
fresh = [
    train_attacker(mlp(sizes["attacker"], draw(s)), network, X, y, 0.2, seed=s)
    for s in (11, 12, 13)
]
worst = robust_accuracy(
    network, X_test, y_test, 0.2, image_shape=(1, 8, 8), generator=draw(0)
)
measured = {
    "own": left(opponent),
    "trained on": left(further),
    "fresh": min(map(left, fresh)),
    "worst": 100 * worst.accuracy,
}

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
one = {k: np.array(training["0.2"][games[0]][k]) for k in measured}
live = {k: np.append(v, measured[k]) for k, v in one.items()}
claim(
    "Trained on, the own generator takes more than 15 points off, and more than 60 in "
    "four of five recorded seeds; a fresh one leaves less than half of what the own "
    "one left, and the ensemble less than 5 %.",
    bool(
        (live["own"] - live["trained on"] > 15).all()
        and (one["own"] - one["trained on"] > 60).sum() >= 4
        and (live["fresh"] < live["own"] / 2).all()
        and (live["worst"] < 5).all()
    ),
    over="5 recorded seeds and the classifier trained on this page; one step, radius 0.2",
)

# %% [markdown]
# So the own generator was undertrained: it had chased a moving target, one step at a time, and "own" measured how lost it was.
# In the one seed in which training on helped it little, a fresh one did what it could not.
# You might answer that it needs more steps for each batch, or a new start now and then so that it cannot settle.
# Both were tried over five seeds, beside searches that spend the same number of gradients of the classifier.
# The column counts them for each training image: in every epoch one for the image, one for the changed image, and those of the search.
# With *reset* a new generator takes over every two epochs; the *long* rows train for more epochs, until they have spent as much as five steps.
# Where *fresh* is empty no generator was trained, and *worst* is that of the ensemble alone.

# %% tags=["hide-input"]
print_names = {
    "none": "none",
    "random signs": "random signs",
    "generator, 1 step": "generator, 1 step",
    "fgsm": "FGSM",
    "random signs, long": "random signs, long",
    "generator, 5 steps": "generator, 5 steps",
    "generator, reset": "generator, 5, reset",
    "fgsm, long": "FGSM, long",
    "pgd": "PGD, 5 steps",
}


def judged(epsilon):
    rows = []
    for name, label in print_names.items():
        row = training[epsilon][name]
        cells = [
            span(row[k]) if k in row else "" for k in ("clean", "own", "fresh", "worst")
        ]
        rows.append([label, row["gradients"], *cells])
    head = ["trained against", "gradients", "clean", "own", "fresh", "worst"]
    return table(head, rows)


judged("0.2")

# %% [markdown]
# With more steps fresh rises, and with new starts own comes down, so the two come closer to each other.
# Worst hardly moves, though, and FGSM at less than half the gradients is far ahead; against fresh generators even random signs do better.
# One explanation, which this page does not test, is that a generator shows one way of being fooled for each kind of image, so that the classifier learns to avoid just that one.
#
# At radius 0.1 nobody is broken, but look at the rows with random signs, which search for nothing.

# %% tags=["hide-input"]
judged("0.1")

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
small = {name: np.array(row["worst"]) for name, row in training["0.1"].items()}
signs = dict(zip(games, ["random signs", *2 * ["random signs, long"]]))
gains = {name: small[name].mean() - small[signs[name]].mean() for name in games}
lead = min(small["fgsm"].min(), small["pgd"].min()) - max(small[n].max() for n in games)
claim(
    "At radius 0.1 a one-step generator teaches less than random signs do, and more "
    "steps or resets at most 8 points more; FGSM and PGD lie over 20 points higher.",
    bool(gains[games[0]] < 0 and max(gains.values()) < 8 and lead > 20),
    over="5 seeds, recorded: means beside signs with as many gradients, the best "
    "generator's best seed beside the worst seed of FGSM and of PGD",
)

# %% tags=["hide-input"]
quickest = {name: t["low"] for name, t in times["training"].items()}
slow = {name: t / quickest["none"] for name, t in quickest.items()}
Markdown(
    "Gradients through the classifier are not the whole cost, because the generator's own "
    "weights must be moved, too. In units of standard training, the quickest of five runs "
    "each, recorded on one thread, "
    f"an epoch took {slow['fgsm']:.1f} with FGSM and {slow[games[0]]:.1f} with one step "
    f"of a generator, {slow['pgd']:.1f} with five steps of PGD and "
    f"{slow[games[1]]:.1f} with five of a generator."
)

# %% [markdown]
# ## Break it: clip instead of dividing the box
#
# What does the clipped form cost?
# Here are both, each with four learning rates against five classifiers, and a third that removes the suspected cause: it clips in the same way, but lets the slope pass as if nothing had been cut (a *straight-through* gradient).
# An output counts as saturated if it lies within a thousandth of its end.

# %% tags=["hide-input"]
forms = evidence.results["forms"]
rows = [
    [
        row["form"],
        f"{row['rate']:g}",
        span(row["accuracy"]),
        f"{100 * np.mean(row['saturated']):.0f}",
    ]
    for row in forms
]
table(["form", "rate", "left (%)", "saturated (%)"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
by = {(row["form"], row["rate"]): np.array(row["accuracy"]) for row in forms}
every = sorted({rate for _, rate in by})
mean = {key: value.mean() for key, value in by.items()}
claim(
    "Clipping weakens the generator at each of the four rates, and letting the slope "
    "pass wins part of it back, but nothing dies: no clipped generator leaves more "
    "than three quarters of the images.",
    bool(
        all(
            mean["box", r] + 5 < mean["clamped tanh", r]
            and mean["straight-through", r] + 5 < mean["clamped tanh", r]
            for r in every
        )
        and max(by["clamped tanh", r].max() for r in every) < 75
    ),
    over="means over 5 seeds at four rates, radius 0.2, recorded",
)

# %% [markdown]
# "Saturated" tells you nothing here: all forms end in the corners of what is allowed, the strong generators and the weak ones, and FGSM's images lie in corners by construction.
#
# > **Often believed, and wrong**
# >
# > "Our classifier withstands the generator that it was trained against, so the training has worked."
# > **It withstands the one opponent that it has seen, in the state in which that one happened to be.** Hold the classifier still, train the generator on, start fresh ones, and then ask attacks of another kind.
# >
# > "One pass through a network is the cheapest attack there is."
# > **Its training is part of the bill**, and one gradient of the image does more.
# >
# > "The generator's outputs are saturated, so it is dead."
# > **The worst images lie in corners**, so a good generator saturates as well as a bad one.
# >
# > "A generator sees the image, so it must be far stronger than one fixed perturbation."
# > **It may find little more than that.** Compare it with a universal perturbation that had the same training.
#
# **Strengths**: once it is trained, a generator needs no gradient, no label and no access to the classifier, and it attacks a stream of images quickly.
#
# **Limits**: it is weaker than a search on each image, it must be trained anew for each classifier, and as an opponent in training it teaches less for more work. Its rate was chosen for an attack on a classifier that stands still, not for the game. This page has seen one kind of generator, small networks and small images; {cite:t}`lee2017` also give theirs the gradient of the image, which is what FGSM starts from.
#
# **Who is harmed when it fails**: people whose posts, faces or loans are judged by a classifier that was certified with the same generator that trained it; the next attacker brings another one.
#
# **In production** train against PGD, for example with the adversarial trainers of the Adversarial Robustness Toolbox, and measure with AutoAttack; use a generator only where an attack must be quick.

# %% [markdown]
# ## Check yourself
#
# **1.** A chat filter and a red-team model are trained against each other, and in the end the red-team model gets almost nothing through. What tells you whether the filter became good or its opponent bad?
#
# <details><summary>New requests that the same red-team model has to disguise.</summary>
#
# **Not so.** The requests are new, and the opponent is as bad as before: `left` used test images, and what the own generator left there said nothing about a fresh one.
#
# </details>
#
# <details><summary>A filter that stands still while red-team models train on.</summary>
#
# **Right.** If the filter is good, its opponent gains nothing by learning on, and one started afresh does not either. If they break it, the old number measured the opponent.
#
# </details>
#
# <details><summary>The same training with five steps of the opponent for each of the filter's.</summary>
#
# **Not so.** At radius 0.2 a classifier that met five steps in `training` kept most images under its own generator and next to none under the worst attack, so this tells you as little.
#
# </details>
#
# **2.** Your generator fools three images in four in one pass, and you would like to say that it looks at each image. Which comparison supports that?
#
# <details><summary>One with random signs, which know nothing of the image.</summary>
#
# **Not so.** Nor does the universal perturbation, and at radius 0.2 it left about as much in `attack` as the generator, where random signs left most images right.
#
# </details>
#
# <details><summary>One of how many outputs are saturated, early and late.</summary>
#
# **Not so.** In `forms` the strong generators and the weak ones ended at the edge of what is allowed, so saturation does not tell them apart.
#
# </details>
#
# <details><summary>One with a single change for all images, trained as long.</summary>
#
# **Right.** It has everything that the generator has except the image. Only what the generator fools beyond it can come from looking.
#
# </details>
#
# **3.** Another way of training brings the two numbers together: your classifier keeps as much under fresh generators as under its own. What follows?
#
# <details><summary>That this number is what it keeps under attack.</summary>
#
# **Not so.** At radius 0.2 the two came closest with new starts, and there the worst attack in `training` left next to nothing.
#
# </details>
#
# <details><summary>Little about attacks of another kind.</summary>
#
# **Right.** The own generator no longer flatters, but both numbers come from one kind of opponent, and a search on each image is another kind.
#
# </details>
#
# <details><summary>That it has learnt more than random changes teach.</summary>
#
# **Not so.** In `training`, at radius 0.2, the classifier with new starts kept fewer images under fresh generators than the one that had seen random signs.
#
# </details>

# %% [markdown]
# ## Exercise 1: a place in the box
#
# *Easy, 10 minutes.*
# Write this page's map from a generator's raw output to an image in NumPy: no pixel may leave $[0, 1]$ or move by more than $\epsilon$, and nothing may be clipped afterwards.
#
# Hint: first the lowest and the highest value that each pixel may take, then $\sigma(g) = 1/(1 + e^{-g})$.


# %% tags=["exercise"]
def place(x, raw, epsilon):
    """Images in the box, from images x and raw outputs of one shape."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_place(attempt):
    x = np.array([0.0, 0.1, 0.5, 0.95])
    raw = np.array([-1.0, 2.0, 0.5, 1.0])
    share = 1 / (1 + np.exp(-raw))
    low, high = np.maximum(x - 0.2, 0), np.minimum(x + 0.2, 1)
    ball = x - 0.2 + 0.4 * share
    tanh = np.clip(x + 0.2 * np.tanh(raw), 0, 1)
    upside_down = high - (high - low) * share
    mistakes = {
        "You clip afterwards: where that bites, the slope is zero.": tanh,
        "You divide the ball and clip it; divide what is allowed.": np.clip(ball, 0, 1),
        "That is in the ball, but not in [0, 1].": ball,
        "That is the change; add it to its lowest value.": (high - low) * share,
        "A large output should give the highest value.": upside_down,
        "Begin at the lowest value, not at x.": x + (high - low) * share,
        "That is in the box, too, but with tanh g for sigma(g).": (low + high) / 2
        + (high - low) / 2 * np.tanh(raw),
    }
    check_answer(attempt(x, raw, 0.2), low + (high - low) * share, mistakes)


check_place(place)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def place_solution(x, raw, epsilon):
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    return low + (high - low) / (1 + np.exp(-raw))


check_place(place_solution)
# Why: a share between 0 and 1 of what is allowed is allowed, so nothing has to be cut.
# Its slope is (high - low) times s (1 - s), which no border makes zero.

# %% [markdown]
# ## Exercise 2: when has a generator paid for itself?
#
# *Easy, 10 minutes.*
# A generator is trained in `epochs` passes over `n` images, at one gradient for each image and pass, and then attacks without gradients.
# PGD takes `steps` gradients for each image that it attacks.
# Return the smallest number of attacked images for which PGD has spent *more* gradients.
#
# Hint: both bills as numbers of gradients; at equality nobody has spent more.


# %% tags=["exercise"]
def paid_after(n, epochs, steps):
    """Smallest number of attacked images at which the generator is cheaper."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_paid(attempt):
    cases = [(1347, 20, 20), (1347, 20, 1), (100, 3, 7)]
    right = [floor(n * e / s) + 1 for n, e, s in cases]
    one_pass = [floor(n / s) + 1 for n, _, s in cases]
    one_step = [n * e + 1 for n, e, _ in cases]
    up = [np.ceil(n * e / s) for n, e, s in cases]
    mistakes = {
        "At equality nobody has spent more.": [n * e / s for n, e, s in cases],
        "Each pass over the images costs anew.": one_pass,
        "PGD pays for each of its steps.": one_step,
        "Rounding up stops at equality; the question asks for more.": up,
        "With so many PGD has not spent more yet.": [r - 1 for r in right],
    }
    answers = [attempt(*case) for case in cases]
    check_answer(
        None if None in answers or ... in answers else answers, right, mistakes
    )


check_paid(paid_after)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def paid_after_solution(n, epochs, steps):
    return n * epochs // steps + 1


check_paid(paid_after_solution)
# Why: training costs n * epochs gradients whether anybody is attacked or not, and PGD
# costs steps for each attack. "One pass" compares the second bill with nothing.

# %% [markdown]
# ## Exercise 3: own, fresh and worst
#
# *Medium, 20 minutes.*
# A table of truth values says which images (columns) a classifier still names right under which attack (rows).
# Row 0 is its own generator, rows 1 to 3 are fresh generators, and the others are the attacks of an ensemble.
# Return three shares: own; fresh, which is that of the strongest fresh generator; and worst, for which an image counts only if it survives *everything* in the table.
#
# Hint: the strongest generator has the lowest row mean; the worst case is taken image by image.


# %% tags=["exercise"]
def three_accuracies(survives):
    """Own, fresh and worst accuracy from a table (attacks, images)."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_three(attempt):
    chance = np.array([0.9, 0.6, 0.7, 0.4, 0.8, 0.75])[:, None]
    survives = np.random.default_rng(0).random((6, 40)) < chance
    means, everything = survives.mean(axis=1), survives.all(axis=0).mean()
    own, three = means[0], survives[1:4]
    best, mean, jointly = means[1:4].min(), three.mean(), three.all(axis=0).mean()
    others = survives[4:].all(axis=0).mean()
    mistakes = {
        "Rows 1 to 3 are three rows.": [own, means[1:3].min(), everything],
        "The strongest leaves the fewest.": [own, means[1:4].max(), everything],
        "Worst is image by image, not by attack.": [own, best, means.min()],
        "Fresh is the strongest of the three, not their mean.": [own, mean, everything],
        "Fresh is one generator; you let all three attack.": [own, jointly, everything],
        "Worst is over everything, the generators as well.": [own, best, others],
    }
    check_answer(attempt(survives), [own, best, everything], mistakes)


check_three(three_accuracies)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def three_accuracies_solution(survives):
    means = survives.mean(axis=1)
    return [means[0], means[1:4].min(), survives.all(axis=0).mean()]


check_three(three_accuracies_solution)
# Why: an attacker with several attacks uses on each image the one that works, so the
# worst case is below the lowest mean. Leaving the generators out could only flatter it.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
agreed = evidence.results["agreement"]
far = max(v for name, v in agreed.items() if name != "fgsm")
fgsm_far = max(agreed["fgsm"].values())
same = times["same work"]["plain"]["low"] / times["same work"]["ours"]["low"]
Markdown(
    "The book's generator is weaker than one FGSM step of torchattacks or the Adversarial "
    f"Robustness Toolbox (their images differ from the book's by at most {fgsm_far:g}), "
    "and it has no second network that makes images look real, as AdvGAN has. No library "
    "known to us trains a classifier against such a generator, so the peer is an "
    f"independent program in plain PyTorch: its weights agree to {far:.0e} after two "
    f"epochs in double precision, and it takes {same:.2f} times as long."
)

# %% tags=["hide-output"]
rows = [[name, ratio] for name, ratio in slow.items()]
table(["an epoch against", "times standard training"], rows, digits=1)

# %% tags=["hide-output"]
rows = [
    [name, f"{rate}", span(left_over)]
    for name, tries in evidence.results["rates"].items()
    for rate, left_over in tries.items()
]
table(["attacker", "rate", "left on held-out training images (%)"], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Algorithm:** Adversarial Training using Generative Adversarial Networks (GANs)
#
# This page is that algorithm, as the literature has it.
# The source's listing of it makes nothing adversarial, and [Listing 2, run and repaired](../source_listing_2.ipynb) shows why, line by line.
#
# ## References
#
# Feed-forward attacks: {cite:t}`baluja2018`; AdvGAN: {cite:t}`xiao2018`; in a competition: {cite:t}`sharma2018`.
# Training against a generator: {cite:t}`lee2017`, {cite:t}`wang2019`; against PGD: {cite:t}`madry2018`.
# Universal perturbations: {cite:t}`moosavidezfooli2017`; one gradient step: {cite:t}`goodfellow2015`.
