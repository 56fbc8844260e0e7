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
# # Adversarial training
#
# PGD training, TRADES, and single-step (FGSM) training: learning from the worst image nearby.
#
# In 2022 researchers trained a program against KataGo, which plays Go better than any human, and won more than 97 games of a hundred, not by playing well but by leading it into blunders {cite}`wang2023`.
# KataGo was then trained on such games, and the weakness was still there afterwards {cite}`wang2023`.
#
# **How do you train a model so that it withstands an attacker, and not only the attack that it has seen?**
#
# You need the answer if somebody gains by making your model wrong: the sender of spam, the owner of the stolen card, the maker of the deepfake.
# Training on attacked inputs is among the most reliable defences {cite}`wong2020`, and this page shows what it buys, what it costs, and how it fools you when the attack inside it is too weak.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | train with PGD, TRADES and single steps, tell a network that resists from one that only resists its own training attack, and compare methods fairly |
# | You need | NumPy, Matplotlib, PyTorch; how FGSM and PGD attack an image, as in [Adversarial examples](adversarial_examples.ipynb); what a neural network, cross-entropy and a batch are |
# | Time | 30 minutes to read, 30 for the exercises |
# | Code | `companion.safety.adversarial_training` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from torch.nn.functional import cross_entropy

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
from companion.safety.adversarial_examples import pgd
from companion.safety.adversarial_training import (
    adversarial_training,
    noise_loss,
    pgd_loss,
    trades_loss,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Four copies of a small convolutional network learn handwritten digits, on plain images or on attacked ones.
# Then an attacker may move every pixel of a test image by up to a fifth of the way from white to black, and tries four attacks on each image, those of [Robustness evaluation](robustness_evaluation.ipynb); an image survives if none of them fools the network.
#
# **Guess before you look**: how many of a hundred test images survive with standard training, and how many with the three others?

# %% mystnb={"figure": {"caption": "Left: accuracy on plain test images, and the share that survives every attack of an ensemble at radius 0.2. Bars are means over five recorded seeds, lines go from the worst to the best seed. Right: two test images, and the changed image that fools each of the four networks of one seed.", "name": "fig-adversarial-training"}, "image": {"alt": "Left: bars for four ways of training. Plain accuracy is close to 100 percent for all. Under attack hardly anything is left of standard training, about half of FGSM training, and about two thirds of PGD training and TRADES. Right: two rows of five small pictures of digits, first the original and then four versions with grey smudges, each labelled with the wrong digit that the network sees."}} tags=["hide-input"]
evidence = recorded("safety/adversarial_training")
large, small = evidence.results["large"], evidence.results["small"]
data, names = digits(), ["standard", "FGSM", "PGD", "TRADES"]
fig = plt.figure(figsize=(9, 3.6))
left, right = fig.subfigures(1, 2, width_ratios=[1, 1.25])
axes = left.subplots()
for shift, kind, colour in ((-0.2, "clean", "sky"), (0.2, "worst", "blue")):
    seen = 100 * np.array([large[name][kind] for name in names])  # (methods, seeds)
    low, mean, high = seen.min(axis=1), seen.mean(axis=1), seen.max(axis=1)
    spread = [mean - low, high - mean]
    place = np.arange(len(names)) + shift
    axes.bar(place, mean, 0.38, yerr=spread, color=COLOURS[colour], label=kind)
axes.set_xticks(range(len(names)), names)
axes.set(ylabel="test images (%)", ylim=(0, 130), yticks=range(0, 101, 20))
axes.legend(["plain images right", "survive every attack"], loc="upper left")
shown = evidence.results["shown"]
pictures = right.subplots(len(shown["rows"]), 5)
for i, row in enumerate(shown["rows"]):
    panels = {"the image": (data.X_test[row], data.y_test[row])}
    for name, found in shown["images"].items():
        panels[name] = np.array(found["pixels"][i]), found["taken for"][i]
    for spot, (name, (pixels, label)) in zip(pictures[i], panels.items()):
        spot.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        spot.set_title(f"{name}\n{label}", fontsize=9, loc="center")
        spot.axis("off")
plt.show()

# %% [markdown]
# Look at the light bars on the left: all four networks read plain digits about equally well, so a plain test could not have told you which of them collapses.
# On the right stands, under the name of each method, the digit that its network saw instead: these two images fool all four, so no method is safe.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
worst = {name: 100 * np.array(row["worst"]) for name, row in large.items()}
claim(
    "Fewer than 5 images in a hundred survive with standard training, and more than 58 "
    "with PGD training and with TRADES.",
    bool(
        worst["standard"].max() < 5
        and min(worst["PGD"].min(), worst["TRADES"].min()) > 58
    ),
    over="5 seeds each, recorded, 450 test images, worst of four attacks per image",
)

# %% [markdown]
# ## The idea on two pixels
#
# Let a model say *yes* if $w \cdot x$ is positive, with $w = (3, -1)$, and let an image have the pixels $x = (0.9, 0.4)$.
# An attacker may move each pixel by $\epsilon = 0.2$, but not out of $[0, 1]$.
#
# If the answer should be *yes*, the attacker lowers the first pixel and raises the second: $(0.7, 0.6)$, and $w \cdot x$ falls from $2.3$ to $1.5$.
# If the answer should be *no*, the attacker goes the other way, but the first pixel stops at $1$: $(1.0, 0.2)$, and $w \cdot x$ rises to $2.8$.
# So for a linear model the worst image has a closed form, with $y = 1$ for *yes* and $y = -1$ for *no*:
#
# $$x' = \operatorname{clip}_{[0, 1]}\big(x - y\,\epsilon \operatorname{sign} w\big).$$
#
# Books often write the worst loss with $\epsilon\,(|w_1| + |w_2|)$ and forget the clip, which would make it $3.1$ here, for an image that does not exist.

# %%
w, x = np.array([3.0, -1.0]), np.array([0.9, 0.4])
rows = [
    [name, str((z := (x - y * 0.2 * np.sign(w)).clip(0, 1)).round(1)), w @ z]
    for name, y in (("yes", 1), ("no", -1))
]
table(["right answer", "worst image", "w · x there"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
rng = np.random.default_rng(0)
gaps = []
for _ in range(500):
    v, image = rng.normal(size=2), rng.uniform(size=2)
    side, radius = rng.choice([-1, 1]), rng.uniform()
    low, high = (image - radius).clip(0, 1), (image + radius).clip(0, 1)
    grid = low + np.linspace(0, 1, 21)[:, None] * (high - low)
    every = side * (v[0] * grid[:, 0, None] + v[1] * grid[None, :, 1])
    corner = (image - side * radius * np.sign(v)).clip(0, 1)
    gaps.append(every.min() - side * v @ corner)
claim(
    "No image within reach is worse for a linear model than the clipped corner.",
    bool(np.abs(gaps).max() < 1e-12),
    over="500 random models of two pixels, 441 images each; any linear model: each "
    "pixel's term is least at its own end",
)

# %% [markdown]
# A network is not linear, so its worst image has to be searched for.
# That search is what the methods differ in.
#
# ## The equation: PGD training
#
# Standard training lowers the loss $L$ of a network $f_\theta$ on the images as they are.
# **Adversarial training** lowers it on the worst image within reach {cite}`madry2018`:
#
# $$\min_\theta \; \mathbb{E} \max_{x'} L\big(f_\theta(x'), y\big),$$
#
# $$\lVert x' - x \rVert_\infty \le \epsilon, \quad 0 \le x' \le 1.$$
#
# Here $\theta$ are the weights, $y$ is the label, $\mathbb{E}$ is the mean over the images, and the norm says that no pixel moves by more than $\epsilon$.
# The inner maximum is approached by projected gradient steps: start at a random image in the box, step each pixel uphill by the sign of its slope, clip, repeat.
# Then the weights take one step downhill at that image, as if it had been given.


# %%
def pgd_by_hand(model, x, y, epsilon, generator, steps=7):
    noise = torch.empty_like(x).uniform_(-1, 1, generator=generator)
    z = (x + epsilon * noise).clamp(0, 1)
    for _ in range(steps):
        z.requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(model(z), y), z)
        z = z.detach() + 2.5 * epsilon / steps * slope.sign()
        z = torch.min(torch.max(z, x - epsilon), x + epsilon).clamp(0, 1)
    return cross_entropy(model(z), y)


# %% [markdown]
# On an untrained network and 100 digits this is the package's function, whose search also leaves the model as it found it.

# %%
X, X_test = (torch.tensor(v).float() for v in (data.X_train, data.X_test))
y, y_test = torch.tensor(data.y_train), torch.tensor(data.y_test)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


model = mlp([64, 128, 128, 10], seeded())
by_hand = pgd_by_hand(model, X[:100], y[:100], 0.2, seeded(1))
packaged = pgd_loss(model, X[:100], y[:100], 0.2, seeded(1))
torch.testing.assert_close(by_hand, packaged)

# %%
show_source(pgd_loss)

# %% [markdown]
# **Single-step training** is the same with one whole step from the image itself, $x + \epsilon \operatorname{sign} \nabla_x L$, clipped {cite}`goodfellow2015`.
# It costs two gradients for each image instead of eight.
#
# ## The equation: TRADES
#
# PGD training never looks at the plain image.
# **TRADES** does, and asks in addition that the network says the same about every image nearby {cite}`zhang2019trades`:
#
# $$L\big(f(x), y\big) + \beta \max_{x'} \sum_k p_k(x) \log \frac{p_k(x)}{p_k(x')}.$$
#
# The probabilities $p$ are the softmax of the network's outputs, the sum over the classes $k$ is the Kullback-Leibler divergence, and $\beta$ says what agreement is worth.
# With $\beta = 0$ this is standard training.


# %%
def divergence(model, x, z):
    p, q = model(x).softmax(dim=1), model(z).softmax(dim=1)
    return (p * (p / q).log()).sum(dim=1).mean()


# %% [markdown]
# At the image itself the divergence is zero, which is its least value, so its slope is zero there as well, and a search that began at the image would have nowhere to go.
# TRADES begins about a thousandth away from it, in a random direction.
# You can see the difference in double precision.

# %%
twin = mlp([64, 128, 128, 10], seeded()).double()
images, labels = X[:100].double(), y[:100]
offset = 0.001 * torch.empty_like(images).normal_(generator=seeded(1))
rows = []
for name, start in (("the image", images), ("a thousandth away", images + offset)):
    z = start.clone().requires_grad_()
    (slope,) = torch.autograd.grad(divergence(twin, images, z), z)
    rows.append([name, "none" if slope.abs().max() < 1e-15 else "some"])
table(["the search starts at", "slope"], rows)

# %% [markdown]
# The rest is the search that you know, with another hill to climb, and the label stands only in the first term.


# %%
def trades_by_hand(model, x, y, epsilon, generator, beta=6.0, steps=7):
    offset = 0.001 * torch.empty_like(x).normal_(generator=generator)
    z = (x + offset).clamp(0, 1)
    for _ in range(steps):
        z.requires_grad_()
        (slope,) = torch.autograd.grad(divergence(model, x, z), z)
        z = z.detach() + 2.5 * epsilon / steps * slope.sign()
        z = torch.min(torch.max(z, x - epsilon), x + epsilon).clamp(0, 1)
    return cross_entropy(model(x), y) + beta * divergence(model, x, z)


by_hand = trades_by_hand(twin, images, labels, 0.2, seeded(1))
packaged = trades_loss(twin, images, labels, 0.2, seeded(1))
torch.testing.assert_close(by_hand, packaged)

# %%
show_source(trades_loss)

# %% [markdown]
# ## Real data: digits under attack
#
# One loop serves all methods, because what differs is only the loss that it is given.
# Here it trains a small network twice on the digits, once as usual and once with PGD.
# The radius grows over the first quarter of the epochs, which is meant to let a network learn something before it meets the full attack.


# %%
def standard(model, x, y, epsilon, generator):
    return cross_entropy(model(x), y)


def train(loss, seed=0, epsilon=0.2, times=1):
    network = mlp([64, 128, 128, 10], seeded(seed))
    settings = {"epochs": 20 * times, "warm_up": 5 * times, "learning_rate": 0.01}
    return adversarial_training(network, X, y, seed, loss, epsilon, **settings)


plain, hardened = train(standard), train(pgd_loss)

# %% [markdown]
# Now attack both with forty steps of PGD on the margin, the lead of the best wrong class.

# %%
left = []
for network in (plain, hardened):
    attacked = pgd(network, X_test, y_test, 0.2, steps=40, loss="margin")
    left.append(
        (accuracy(network, X_test, y_test), accuracy(network, attacked, y_test))
    )

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Both small networks read more than nine plain test digits in ten; under this "
    "attack the plain one keeps fewer than one in ten, the hardened one more than a third.",
    bool(min(left[0][0], left[1][0]) > 0.9 and left[0][1] < 0.1 and left[1][1] > 1 / 3),
    over="one seed, live on this page, 450 test images",
)

# %%
show_source(adversarial_training)

# %% [markdown]
# ## Is it the search? Noise of the same size
#
# The hardened network saw changed images, and the plain one did not.
# Perhaps any change would have done?
# The table has that control, random noise and random signs of the same size, and it has every method's cost beside its result, because FGSM training with four times the epochs spends as many gradients as PGD training.


# %%
def spread(values):
    v = 100 * np.array(values)
    return f"{v.min():.1f} to {v.max():.1f}"


def overview(rows, columns):
    body = [
        [name, row["gradients"], *(spread(row[kind]) for kind in columns.values())]
        for name, row in rows.items()
    ]
    return table(["training", "gradients", *columns], body)


columns = {"plain (%)": "clean", "radius 0.1 (%)": "worst at .1"}
overview(large, {**columns, "radius 0.2 (%)": "worst"})

# %% [markdown]
# The ranges go over five seeds, the gradients are counted per training image, and in TRADES the last one runs through two images.
# Radius 0.2 is the worst of four attacks for each image, radius 0.1 only of two, so it is a little too kind to everyone.
#
# But noise had an eighth of the gradients that PGD training had.
# Give them back, to the small network from above: random signs for eight times the epochs.

# %%
signed = train(partial(noise_loss, corners=True), times=8)
attacked = pgd(signed, X_test, y_test, 0.2, steps=40, loss="margin")
kept = accuracy(signed, attacked, y_test)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
controls = np.concatenate([worst["uniform noise"], worst["random signs"]])
claim(
    "Training on random noise or random signs of the same size leaves fewer than 5 "
    "images in a hundred at radius 0.2, and training with one step more than 40; with as "
    "many gradients as PGD training, random signs leave the small network fewer than 10.",
    bool(controls.max() < 5 and worst["FGSM"].min() > 40 and kept < 0.1),
    over="5 seeds each, recorded; one seed, live on this page, for the small network",
)

# %% [markdown]
# So at the full radius it is the search that counts.
# At half of it noise is not worthless, as the last but one column of the table shows, but a search is worth more there, too.
#
# ## Fair comparisons: equal epochs, equal gradients, image by image
#
# One point is four and a half of 450 images, and two networks of the same method already disagree about some of them.
# Bars hide this, so count instead: which images does only one of the two networks keep at radius 0.2?

# %%
rows = [
    [
        f"{p['first']} / {p['second']}",
        *(f"{min(p[k])} to {max(p[k])}" for k in ("only first", "only second")),
    ]
    for p in evidence.results["pairs"]
]
table(["first / second", "only first keeps", "only second keeps"], rows)

# %% [markdown]
# The first three pairs are the networks of the picture.
# In the first of them FGSM training had four times the epochs, so both spent the same number of gradients.
# In the third, two methods with equal bars turn out to keep different images.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
longer = "FGSM, 4 times the epochs"
pair = next(
    p
    for p in evidence.results["pairs"]
    if p["network"] == "large" and p["second"] == longer
)
most, least = max(pair["only second"]), min(pair["only first"])
near = {n: np.mean(large[n]["worst at .1"]) for n in ("PGD", longer)}
claim(
    "At equal gradients, the images that only PGD training keeps are at least five "
    "times as many as those that only single-step training keeps; at half the radius "
    "the two are level to one point.",
    bool(least >= 5 * most and abs(near["PGD"] - near[longer]) < 0.01),
    over="5 seeds each, recorded; the means of the seeds for the second half",
)

# %% [markdown]
# The last three pairs are the same comparison for a smaller network without convolutions, like the one that you trained above, for 20 epochs and for 80.

# %%
columns = {"plain (%)": "clean", "20 steps (%)": "PGD-20"}
overview(small, {**columns, "four attacks (%)": "worst"})

# %% [markdown]
# Read the rows of PGD and of TRADES.
# Twenty steps of PGD on the cross-entropy, the usual quick test, prefer TRADES throughout.
# The ensemble prefers PGD training after 20 epochs and TRADES after 80.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
tiny = {name: 100 * np.array(row["worst"]) for name, row in small.items()}
quick = {name: 100 * np.array(row["PGD-20"]) for name, row in small.items()}
first, last = "PGD", "PGD, 4 times the epochs"
claim(
    "On the small network PGD training leads TRADES in every seed after 20 epochs and "
    "trails it in every seed after 80; the quick test never saw it lead.",
    bool(
        (tiny[first] > tiny["TRADES"]).all()
        and (tiny[last] < tiny["TRADES, 4 times the epochs"]).all()
        and (quick[first] < quick["TRADES"]).all()
        and (quick[last] < quick["TRADES, 4 times the epochs"]).all()
    ),
    over="5 seeds each, recorded, at radius 0.2",
)

# %% [markdown]
# So this page names no winner between the two: which one leads depends on how long you train and on who asks.
# It is the same in the literature, where most of what later methods were said to gain over PGD training could be had by stopping PGD training at the right epoch {cite}`rice2020`.
#
# The column of plain images turns round as well.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
plainly = {name: 100 * np.array(row["clean"]) for name, row in small.items()}
big = {name: 100 * np.array(row["clean"]) for name, row in large.items()}
claim(
    "PGD training costs the small network accuracy on plain images after 20 epochs and "
    "none after 80; the large network reads them better with it than without.",
    bool(
        (plainly[first] < plainly["standard"]).all()
        and (plainly[last] >= plainly["standard, 4 times the epochs"]).all()
        and (big["PGD"] > big["standard"]).all()
    ),
    over="every one of 5 seeds, recorded, against standard training of equal length",
)

# %% [markdown]
# What looked like the price of robustness was too little training.
# Do not take that for a law, because these are small images of ten digits.
# Nor do more kinds of images help by themselves: shifting the training images by up to a pixel each way made every column worse than in the row above it, so such augmentation wants tuning first.
#
# ## Break it: single-step training passes its own exam
#
# Raise the radius to $0.3$, reached after five epochs, and let three ways of training be examined twice after every epoch: by one step, which is the attack that FGSM training knows, and by ten.

# %% mystnb={"figure": {"caption": "Test images that survive one step (left) and ten steps (right) of radius 0.3, after each epoch, for training with one step, with one step from a random start, and with seven steps of PGD. Lines are means over five recorded seeds, bands go from the worst to the best seed.", "name": "fig-single-step-masking"}, "image": {"alt": "Two panels over 20 epochs. Left, examined by one step, all three curves rise together to about two thirds. Right, examined by ten steps, PGD training rises to more than half, training from a random start to about a third, and single-step training ends lowest; no curve falls suddenly."}} tags=["hide-input"]
curves = evidence.results["curves"]
fig, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
styles = {"PGD": ("blue", "-"), "random start": ("orange", "-."), "FGSM": ("red", "--")}
for panel, kind in zip(panels, ("one", "ten")):
    for name, (colour, line) in styles.items():
        seen = 100 * np.array(curves[name][kind])  # (seeds, epochs)
        epochs, paint = np.arange(seen.shape[1]), COLOURS[colour]
        panel.plot(epochs, seen.mean(axis=0), line, color=paint, label=name)
        panel.fill_between(
            epochs, seen.min(axis=0), seen.max(axis=0), color=paint, alpha=0.2
        )
    panel.set(
        xlabel="epochs",
        xticks=range(0, 21, 5),
        title=f"Examined by {kind} step" + "s" * (kind == "ten"),
    )
panels[0].set(ylabel="test images that survive (%)", ylim=(0, 80))
panels[0].legend()
plt.show()

# %% [markdown]
# By its own exam, single-step training is nearly as good as PGD training.
# By the other exam much of that is gone.
# The usual explanation is that the network learns to bend its loss close to the images, so that one straight step leads nowhere, which is easier than to be right everywhere around them {cite}`tramer2018`.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
end = {
    name: {k: 100 * np.array(c[k])[:, -1] for k in ("one", "ten")}
    for name, c in curves.items()
    if name != "epsilon"
}
lost = {name: e["one"] - e["ten"] for name, e in end.items()}
falls = [-100 * np.diff(curves[name]["ten"], axis=1).min() for name in end]
claim(
    "From one step to ten, single-step training loses more than 30 points and PGD "
    "training fewer than 20; no curve falls by 10 points within an epoch.",
    bool(lost["FGSM"].min() > 30 and lost["PGD"].max() < 20 and max(falls) < 10),
    over="5 seeds each, recorded, radius 0.3, all 20 epochs",
)

# %% [markdown]
# On photographs something more violent has been seen: over a single epoch, a network that *had* resisted many steps loses nearly all of it, which is called catastrophic overfitting {cite}`wong2020,andriushchenko2020`.
# There is no such fall here: examined by ten steps, single-step training stays low from the beginning.
# So call it **masking**, and look at the curves before you use the bigger word.
#
# A random start with a slightly longer step was proposed as the cure {cite}`wong2020`.
# Here it takes back some of the loss and not all of it, and elsewhere it was found not to prevent the fall {cite}`andriushchenko2020`.
#
# > **Often believed, and wrong**
# >
# > "The network survives the attack that it was trained with, so it is robust."
# > **It has passed the exam whose questions it knew.** Ask with stronger attacks and with several, and count for each image the worst.
# >
# > "Random noise of the same size hardens a network, too."
# > **Not against somebody who searches.** In 64 dimensions a random direction is almost never the worst one.
# >
# > "Robustness costs accuracy on plain images."
# > **Here it costs none if you train long enough.** On larger tasks a cost is often seen {cite}`zhang2019trades`, so show both numbers, and give each method its epochs before you blame it.
# >
# > "TRADES beats PGD training", or the other way round.
# > **Here it depends on the attack that measures and on how long each was trained.** Tune both on a validation split, with equal effort, before you rank them.
#
# **Strengths**: it is a few lines around any training loop, and it works for every differentiable model.
#
# **Limits**: it costs several times the gradients; it is about one radius and one norm, and promises nothing for a rotated digit or a larger change; its numbers are averages, behind which one kind of image may do far worse than the rest ([Group robustness](group_robustness.ipynb)); and it proves nothing, because all you know is that the attacks you tried have failed.
#
# **Who is harmed when it fails**: the person whose account is emptied because the bank's detector was "hardened" with one-step attacks, and those who were told that the system had been tested against adversaries, by the adversary that it had trained with.
#
# **In production** use the trainers of the Adversarial Robustness Toolbox, or start from a network of RobustBench, whose robust accuracy somebody else has measured; judge either with AutoAttack.

# %% [markdown]
# ## Check yourself
#
# **1.** A bank trains its fraud detector on inputs attacked by one step. On new cases, attacked by one step as well, it recognises nine in ten. What do you ask for before you believe in it?
#
# <details><summary>Nothing, because these cases were not in the training.</summary>
#
# **Not so.** Neither were the test images in `curves`: under one step single-step training looked nearly as good as PGD training, and under ten it had lost much of that.
#
# </details>
#
# <details><summary>The same cases under several attacks of many steps.</summary>
#
# **Right.** The detector was trained for precisely this exam, and it can learn to bend its loss so that one straight step leads nowhere.
#
# </details>
#
# <details><summary>Its accuracy on cases that nobody attacked.</summary>
#
# **Not so.** It cannot tell you: in `large` all four networks read plain images about equally well, and only some of them withstood the attacks.
#
# </details>
#
# **2.** Nine-step PGD training and single-step training run for 30 epochs each, and the first withstands more. Somebody objects that it only had more computing. What answers this?
#
# <details><summary>Nothing is to be answered, because the epochs were equal.</summary>
#
# **Not so.** An epoch is not the same work: in the table of `overview` FGSM and PGD training have equal epochs and very different numbers of gradients.
#
# </details>
#
# <details><summary>Nothing can answer it, because with equal gradients single steps catch up.</summary>
#
# **Not so.** They need not: in `large` FGSM training with 4 times the epochs kept about as many images at the full radius as before, and PGD training kept more.
#
# </details>
#
# <details><summary>A single-step model that was trained for 150 epochs.</summary>
#
# **Right.** Ten gradients an image against two is five times the work, so the single steps get five times the epochs. If they still lose, it was the search.
#
# </details>
#
# **3.** A ranking attacks three training methods with twenty steps of PGD on the cross-entropy, and one method leads by three points on every seed. What do you know?
#
# <details><summary>That it leads in this test, after this training.</summary>
#
# **Right.** On this page the lead depended on the attack that asked and on the length of the training, so the sentence needs both.
#
# </details>
#
# <details><summary>That it leads under stronger attacks, because all were treated alike.</summary>
#
# **Not so.** In `quick` TRADES led after 20 epochs on every seed, and in `tiny`, which asks the same networks with four attacks, PGD training did.
#
# </details>
#
# <details><summary>That it leads after longer training, because it led on every seed.</summary>
#
# **Not so.** So did PGD training in `tiny`, and still the lead changed sides between 20 and 80 epochs.
#
# </details>

# %% [markdown]
# ## Exercise 1: the worst image of a linear model
#
# *Easy, 10 minutes.*
# A linear model says *yes* where $w \cdot x > 0$.
# Return the worst image within $\epsilon$ of `x` and inside $[0, 1]$, if the right answer is `y`, which is $1$ for *yes* and $-1$ for *no*.
#
# Hint: every pixel can be moved on its own; use `np.sign` and `np.clip`.


# %% tags=["exercise"]
def worst_image(w, x, y, epsilon):
    """The image (d,) within epsilon of x, in [0, 1], that is worst for y w.x."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_worst_image(attempt):
    w, x = np.array([2.0, -1.0, 0.5, -3.0]), np.array([0.1, 0.9, 0.5, 0.6])
    up, down = x + 0.2 * np.sign(w), x - 0.2 * np.sign(w)
    high, low = up.clip(0, 1), down.clip(0, 1)
    edge = (w < 0).astype(float)
    short = [(x - side * 0.2 * w).clip(0, 1) for side in (1, -1)]
    answers = [attempt(w, x, side, 0.2) for side in (1, -1)]
    mistakes = {
        "This helps the model: for yes, move against the signs of w.": [high, low],
        "A pixel has left [0, 1]; clip the result.": [down, up],
        "The label decides the direction, but your answer ignores it.": [low, low],
        "For no it is the other way: move along the signs of w.": [high, high],
        "That goes to the edge of [0, 1]; no pixel may move by more than epsilon.": [
            edge,
            1 - edge,
        ],
        "You moved in proportion to w; every pixel may go the whole way.": short,
    }
    empty = any(answer is None for answer in answers)
    check_answer(None if empty else answers, [low, high], mistakes)


check_worst_image(worst_image)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def worst_image_solution(w, x, y, epsilon):
    return np.clip(x - y * epsilon * np.sign(w), 0, 1)


check_worst_image(worst_image_solution)
# Why: y w.x is a sum with one term for each pixel, so each pixel goes to the end of its
# own interval that makes its term least. The intervals are cut by [0, 1], hence the clip.

# %% [markdown]
# ## Exercise 2: TRADES from the outputs
#
# *Medium, 15 minutes.*
# You are given the network's outputs (logits) for a batch of plain images and for the worst images nearby, both of shape $(N, C)$, and the labels.
# Return the TRADES loss as one number, in NumPy.
#
# Hint: the softmax is $e^{z_k} / \sum_j e^{z_j}$, and the cross-entropy of an image is minus the logarithm of its label's probability.


# %% tags=["exercise"]
def my_trades(plain, worst, labels, beta):
    """Mean cross-entropy of `plain` plus beta times the mean divergence."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_my_trades(attempt):
    z, far = np.random.default_rng(0).normal(size=(2, 5, 3))
    labels, beta = np.array([0, 2, 1, 1, 0]), 6.0
    p, q = (np.exp(v) / np.exp(v).sum(axis=1, keepdims=True) for v in (z, far))
    rows = np.arange(5)
    right, hard = (-np.log(v[rows, labels]).mean() for v in (p, q))
    there, back = (p * np.log(p / q)).sum(axis=1), (q * np.log(q / p)).sum(axis=1)
    mistakes = {
        "The divergence is the other way round: p of the plain image weighs.": right
        + beta * back.mean(),
        "That sums the divergence over the batch; take its mean.": right
        + beta * there.sum(),
        "The cross-entropy belongs to the plain images.": hard + beta * there.mean(),
        "Beta is missing.": right + there.mean(),
        "Sum over the classes; only the images are averaged.": right
        + beta * there.mean() / 3,
        "You took sums over the batch.": 5 * right + beta * there.sum(),
    }
    check_answer(attempt(z, far, labels, beta), right + beta * there.mean(), mistakes)


check_my_trades(my_trades)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def my_trades_solution(plain, worst, labels, beta):
    p, q = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (plain, worst))
    entropy = -np.log(p[np.arange(len(labels)), labels]).mean()
    return entropy + beta * (p * np.log(p / q)).sum(axis=1).mean()


check_my_trades(my_trades_solution)
# Why: the first term wants the right answer on the image, the second the same answer
# all around it. The label stands only in the first, so TRADES could also use unlabelled
# images in the second.

# %% [markdown]
# ## Exercise 3: a fair race
#
# *Easy, 5 minutes.*
# You compare PGD training with `steps` steps against single-step training, and PGD training gets `epochs` epochs.
# Return how many epochs single-step training gets, so that both compute the same number of gradients for each image.
#
# Hint: beside the gradients of the search, every image costs one more, which moves the weights.


# %% tags=["exercise"]
def fair_epochs(epochs, steps):
    """Epochs of single-step training that cost as much."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_fair_epochs(attempt):
    answers = [attempt(40, 7), attempt(10, 3)]
    mistakes = {
        "You left out the gradient that moves the weights.": [280, 30],
        "PGD training, too, has the gradient that moves the weights.": [140, 15],
        "Single-step training needs two gradients: one to search, one to learn.": [
            320,
            40,
        ],
        "That is equal epochs: PGD would spend several times as much.": [40, 10],
    }
    check_answer(None if None in answers else answers, [160, 20], mistakes)


check_fair_epochs(fair_epochs)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def fair_epochs_solution(epochs, steps):
    return epochs * (steps + 1) / 2


check_fair_epochs(fair_epochs_solution)
# Why: an epoch of PGD training costs steps + 1 gradients per image, one of single-step
# training 2. Equal epochs alone would credit PGD with work that its rival did not do.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
found = evidence.results["agreement"]["largest relative difference"]
Markdown(
    "The book's loop knows the maximum norm only, and neither mixed precision nor "
    "several GPUs, which the established libraries have; for the gradient of one step of "
    f"PGD training torchattacks took {min(speed.values()):.2f} to "
    f"{max(speed.values()):.2f} times the book's time (medians; the ranges are in the "
    "table below), and the gradients agree."
)

# %% tags=["hide-output"]
rows = [[name, f"{value:.0e}"] for name, value in found.items()]
table(["gradient of one training step", "largest relative difference"], rows)


# %% tags=["hide-output"]
def span(times):
    return f"{times['low']:.0f} to {times['high']:.0f}"


rows = [
    [r["name"], *(span(r["times"][k]) for k in ("ours", "theirs")), r["ratio"]]
    for r in evidence.results["speed"]
]
table(["work", "ours (ms)", "torchattacks (ms)", "median ratio"], rows, digits=2)

# %% tags=["hide-output"]
rows = [
    [name, rate, 100 * tried["decides"], 100 * tried["clean"]]
    for name, rates in evidence.results["validation"].items()
    for rate, tried in rates.items()
]
table(["training", "rate", "survive two PGD (%)", "plain (%)"], rows, digits=1)

# %% [markdown]
# The last table shows how the rate of each method was chosen, of two that all were given, on a fifth of the training images; noise took the rate of standard training, and the longer FGSM training that of the shorter.
# Standard training has nothing to survive with, so plain images decided about it, and its two columns agree.
# The test images had no part in that choice.
# All methods that search took the larger of the two, so a still larger one might serve them better.
# The small networks all had a rate of 0.01, and the number of epochs, the same for every method, was set by how long the program may run, after prototypes had been looked at on test images.

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Adversarial Training**: Training AI systems to withstand and recover from adversarial attacks.
#
# To withstand is the minimum over the maximum on this page; to recover is another matter, because a network does not notice that it was fooled.
# The algorithm that the source gives under this name uses a generative adversarial network; it has a lesson of its own, [Generative adversarial training](generative_adversarial_training.ipynb).
#
# ## References
#
# Adversarial training with one step: {cite:t}`goodfellow2015`; as a minimum of a maximum, with PGD: {cite:t}`madry2018`; TRADES, proved for two classes: {cite:t}`zhang2019trades`.
# What single steps hide: {cite:t}`kurakin2017scale`, {cite:t}`tramer2018`; catastrophic overfitting and the random start: {cite:t}`wong2020`, {cite:t}`andriushchenko2020`.
# Early stopping: {cite:t}`rice2020`.
# What happened: {cite:t}`wang2023`.
