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
# # Adversarial examples
#
# FGSM, projected gradient descent (PGD) and Carlini-Wagner: small changes that fool a classifier.
#
# In 2020 security researchers reported that they had stuck a two-inch strip of black tape on a 35-mph sign, across the middle of the 3 {cite}`mcafee2020`.
# The camera of a 2016 Tesla read 85, and its cruise control began to accelerate towards it.
#
# **How small a change makes a good classifier wrong, and how do you find it?**
#
# You need the answer for every model that meets input which somebody else can shape, because its accuracy on untouched images says nothing about it.
# The attacks on this page are also the tools with which later lessons measure robustness and train for it, so it pays to know exactly what each of them can and cannot say.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | write FGSM and PGD in ten lines, choose their steps and starts, find the nearest adversarial image, and tell what an attack that fails does not prove |
# | You need | NumPy, Matplotlib, PyTorch, scikit-learn; what logits, the cross-entropy and the gradient of a network are; the optimiser Adam |
# | Time | 25 minutes to read, 45 for the exercises |
# | Code | `companion.safety.adversarial_examples` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from sklearn.linear_model import LogisticRegression
from torch import nn

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
from companion.safety.adversarial_examples import (
    carlini_wagner_l2,
    fgsm,
    margin_loss,
    pgd,
)
from companion.training import train_classifier

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A small network learns handwritten digits of 8 by 8 pixels, whose grey runs from 0 to 1 in sixteen steps.
# On images that it has never seen it is nearly always right.

# %%
data = digits()
as_image = {"dtype": torch.float32}
X, y = torch.tensor(data.X_train, **as_image), torch.tensor(data.y_train)
test, label = torch.tensor(data.X_test, **as_image), torch.tensor(data.y_test)
net = mlp([64, 128, 128, 10], torch.Generator().manual_seed(0))
net = train_classifier(net, X, y, seed=0)
fives = 5 * int(20 * accuracy(net, test, label))
table(["450 test images", "percent"], [["right", f"more than {fives}"]])

# %% [markdown]
# Now change every pixel by at most $\epsilon = 0.2$, which is three of the sixteen steps, so you do see it.
#
# **Guess before you look**: how many of the images does the network still name correctly if the signs of the changes are random, and how many if somebody chooses them?

# %% mystnb={"figure": {"caption": "Left: a test image, with a random sign at every pixel, and as FGSM changes it; no pixel moves by more than 0.2. Right: how many of 450 test images are still named correctly, against the largest change of a pixel. Lines are means over ten recorded seeds, bands go from the lowest to the highest.", "name": "fig-adversarial-examples"}, "image": {"alt": "Left: three grey pictures of one handwritten zero; the second is grainy, in the third the ring is partly filled, and a zero is still to be seen in all three. Right: four falling curves. With random signs about 91 percent are left at a change of 0.2. One change for all images leaves some 38 percent. FGSM leaves about 3 percent and PGD below 1."}} tags=["hide-input"]
evidence = recorded("safety/adversarial_examples")
left_over = {k: np.array(v) for k, v in evidence.results["left"]["percent"].items()}
radii = np.array(evidence.results["radii"])
coin = torch.rand(test.shape, generator=torch.Generator().manual_seed(0)) < 0.5
noisy = (test + torch.where(coin, 0.2, -0.2)).clamp(0, 1)
attacked = fgsm(net, test, label, epsilon=0.2)
fig = plt.figure(figsize=(9, 3.8))
grid = fig.add_gridspec(3, 2, width_ratios=[1, 4])
for row, (name, shown) in enumerate(
    {"as it is": test, "random signs": noisy, "FGSM": attacked}.items()
):
    axes = fig.add_subplot(grid[row, 0])
    axes.imshow(shown[1].view(8, 8), cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[], ylabel=name)
    axes.yaxis.label.set(rotation=0, ha="right", va="center")
right = fig.add_subplot(grid[:, 1])
looks = {
    "random signs": ("grey", "-"),
    "universal": ("green", "-."),
    "FGSM": ("orange", "--"),
    "PGD-20": ("blue", "-"),
}
for name, (colour, line) in looks.items():
    values = left_over[name]  # (seeds, radii)
    right.plot(radii, values.mean(axis=0), line, color=COLOURS[colour], label=name)
    low, high = values.min(axis=0), values.max(axis=0)
    right.fill_between(radii, low, high, color=COLOURS[colour], alpha=0.2)
right.set(xlabel="largest change of a pixel, ε", ylim=(0, 100))
right.set_ylabel("named correctly (%)")
right.legend()
plt.show()

# %% [markdown]
# Look at the top and the bottom curves at 0.2: the change is of the same size, so what fools the network is not that something changed but *which way*.
# The curve between them is one single change that is added to all images, learnt from the training images {cite}`moosavidezfooli2017`; it shows how much of the damage needs no knowledge of the image at hand.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
at = list(radii).index(0.2)
final = {name: values[:, at] for name, values in left_over.items()}
claim(
    "At a change of 0.2, random signs leave at least 85 % of the images right, one change "
    "for all images between 10 and 70 %, FGSM at most 5 % and PGD at most 2 %.",
    bool(
        final["random signs"].min() >= 85
        and 10 <= final["universal"].min() <= final["universal"].max() <= 70
        and final["FGSM"].max() <= 5
        and final["PGD-20"].max() <= 2
        and accuracy(net, noisy, label) >= 0.85
        and accuracy(net, attacked, label) <= 0.05
    ),
    over="10 trained networks, recorded; random signs and FGSM also live on this page; 450 "
    "images each",
)

# %% [markdown]
# ## The idea on four pixels: FGSM
#
# Take a classifier that adds up four pixels with the weights $w = (2, -1, 1, -2)$ and says *yes* if the sum is positive.
# For the image $x = (0.5, 0.3, 0.4, 0.4)$ it gets $1 - 0.3 + 0.4 - 0.8 = 0.3$, so it says yes.
#
# You may change each pixel by $0.1$.
# The worst you can do is to lower the pixels with a positive weight and to raise the others, because then all four changes pull the same way:
#
# $$0.3 - 0.1\,(2 + 1 + 1 + 2) = -0.3.$$
#
# Random signs would mostly cancel one another: their sum is of the size $0.1\,\sqrt{4 + 1 + 1 + 4} \approx 0.32$ instead of $0.6$.
# So the attacker gets $\epsilon\,\lVert w \rVert_1$, the sum of all $|w_i|$, and chance about $\epsilon\,\lVert w \rVert_2$, the root of the sum of squares.
# With $d$ pixels the first can be up to $\sqrt d$ times as large as the second, which is why small changes add up in large images {cite}`goodfellow2015`.


# %%
class Score(nn.Module):
    """Two logits, 0 for no and w.x + b for yes."""

    def __init__(self, w, b=0.0):
        super().__init__()
        self.w, self.b = torch.as_tensor(w), b

    def forward(self, x):
        yes = x @ self.w + self.b
        return torch.stack([0 * yes, yes], dim=1)


four, yes = torch.tensor([[0.5, 0.3, 0.4, 0.4]]), torch.tensor([1])
pencil = Score([2.0, -1.0, 1.0, -2.0])
worst = fgsm(pencil, four, yes, epsilon=0.1)
worst, pencil(worst)[0, 1]

# %% [markdown]
# ## The equation: projected gradient descent
#
# For a network nobody knows the weights of the sum, but the gradient tells them for a small neighbourhood.
# Let $f(x)$ be the logits, $\ell$ the cross-entropy and $y$ the right label.
# **FGSM** takes one step that raises the loss, along the sign of the gradient:
#
# $$x' = \operatorname{clip}_{[0,1]}\big(x + \epsilon\, \operatorname{sign} \nabla_x\, \ell(f(x), y)\big).$$
#
# The gradient changes on the way, so **PGD** takes many short steps of length $\alpha$ and asks again after each:
#
# $$x_{t+1} = \Pi\big(x_t + \alpha\, \operatorname{sign} \nabla_x\, \ell(f(x_t), y)\big),$$
#
# where $\Pi$ moves every pixel back between $\max(x - \epsilon, 0)$ and $\min(x + \epsilon, 1)$.
# In plain lines:


# %%
def walk(model, x, y, epsilon, step, steps):
    low, high = (x - epsilon).clamp(min=0), (x + epsilon).clamp(max=1)
    here = x
    for _ in range(steps):
        here = here.detach().requires_grad_()
        loss = nn.functional.cross_entropy(model(here), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, here)
        here = torch.clamp(here + step * gradient.sign(), low, high)
    return here.detach()


mine = walk(net, test, label, 0.2, step=0.025, steps=20)
theirs = pgd(net, test, label, 0.2, step=0.025, steps=20, best=False)
torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)

# %% [markdown]
# The package's function does the same and leaves the model exactly as it was.
# It can also start at a random point, aim at a label of your choice, measure the change by its Euclidean length, take another loss, and return for each image the best point that it came across instead of the last one.

# %%
show_source(pgd)

# %% [markdown]
# ## When PGD is exact: one linear margin
#
# Whether a walk has found the worst point you cannot tell from outside, except where the worst point is known.
# For a linear score it is the corner $\operatorname{clip}_{[0,1]}(x \mp \epsilon \operatorname{sign} w)$, so here is a logistic regression that tells threes from eights.

# %%
pair = np.isin(data.y_train, (3, 8))
fit = LogisticRegression(max_iter=1000).fit(data.X_train[pair], data.y_train[pair] == 8)
linear = Score(fit.coef_[0], float(fit.intercept_[0]))
chosen = np.isin(data.y_test, (3, 8))
threes = torch.tensor(data.X_test[chosen])
eight = torch.tensor(data.y_test[chosen] == 8).long()
away = (1 - 2 * eight.double())[:, None] * linear.w.sign()
corner = (threes + 0.2 * away).clamp(0, 1)
ratio = linear.w.abs().sum() / linear.w.norm()
table(["images", "‖w‖₁ / ‖w‖₂"], [[len(threes), round(float(ratio), 1)]])

# %% [markdown]
# That ratio is the attacker's advantage over chance, and 8 would be the largest possible with 64 pixels.
# A walk reaches the corner if its steps together are long enough to cross the set: $\epsilon$ from the image itself, $2\epsilon$ from a random start, which may lie on the wrong side.


# %%
def from_random(seed, step, steps):
    start = {"random_start": True, "generator": torch.Generator().manual_seed(seed)}
    return pgd(linear, threes, eight, 0.2, step=step, steps=steps, best=False, **start)


# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
def off(found):
    """Largest distance of a pixel that counts from its worst value."""
    return float((found - corner)[:, linear.w != 0].abs().max())


full = [pgd(linear, threes, eight, 0.2, step=0.0201, steps=10)]
full += [from_random(seed, step=0.0201, steps=20) for seed in range(10)]
short = [from_random(seed, step=0.0201, steps=10) for seed in range(10)]
claim(
    "On a linear score PGD finds the worst corner if steps × step is at least ε, from a "
    "random start at least 2ε; with half of that the random start misses it.",
    max(map(off, full)) < 1e-12 and min(map(off, short)) > 0.1,
    over="89 images and 10 random starts, ε = 0.2, pixels of weight 0 left out; any "
    "linear score: each step moves every pixel the right way",
)

# %% [markdown]
# ## Real data: one long walk or several short ones
#
# A network has many local optima, so a longer walk is not the only way to spend more effort: you can also start again elsewhere.
# Here both spend twenty gradients on each image, the long walk from the image itself and the short ones from random points near it, and an image counts as fooled if any start fooled it.
# By default the long walk takes steps of $\epsilon / 8$ and each short one steps of $\epsilon / 2$, so *long steps* lets the long walk take the large ones, too: only then do you compare the starts.
# `left_over`, from the folded cell of the figure, holds the percentages of each attack by seed and by the radii in `radii`.

# %%
names = "FGSM", "PGD-20", "PGD-20, long steps", "PGD-20, margin", "PGD-5, 4 starts"
columns = [list(radii).index(e) for e in (0.1, 0.15, 0.2)]
rows = [
    [name, *(left_over[name][:, c].mean().round(1) for c in columns)] for name in names
]
table(["named correctly, mean of 10 seeds (%)", "ε = 0.1", "0.15", "0.2"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
names = "PGD-20", "PGD-20, long steps", "PGD-5, 4 starts"
long, strides, several = (left_over[n][:, columns] for n in names)
claim(
    "At equal gradients four short walks fool at least as many images as one long walk, "
    f"and at most {(long - several).max():.1f} points more; if the long walk takes steps "
    f"as large as theirs, they are at most {(strides - several).max():.1f} points ahead "
    "and not always.",
    bool(
        (several <= long).all()
        and (strides - several).max() <= 2
        and (strides < several).any()
    ),
    over="10 networks, recorded, ε = 0.1, 0.15 and 0.2; 450 images, of which one is 0.2 "
    "points",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
alone = {k: np.array(v) for k, v in evidence.results["left"]["images"].items()}
same = np.abs(left_over["PGD-20"] - left_over["PGD-20, last"])
claim(
    f"PGD fools {alone['PGD alone'].sum()} images that FGSM does not fool, and FGSM "
    f"{alone['FGSM alone'].sum()} that PGD does not fool; keeping the best point of a walk "
    "instead of the last changes at most one image of a network.",
    bool(
        100 * alone["FGSM alone"].sum() < alone["PGD alone"].sum() and same.max() < 0.3
    ),
    over=f"10 networks, recorded, {len(radii)} sizes of the change, 450 images each; the "
    "long walk with its default steps",
)

# %% [markdown]
# So the larger steps bring a part of the gain and the new starts the rest.
# More steps are better on average and not for each image: a walk may pass a point that fools and leave it again, which is why `pgd` keeps the best point, although that hardly ever matters here.
# The line *margin* takes another loss, the lead of the best wrong logit, and it does a little worse here.
# When it does much better is the subject of [Robustness evaluation](robustness_evaluation.ipynb).
#
# ## The nearest adversarial image: Carlini-Wagner
#
# Instead of asking what a given $\epsilon$ can do, ask how little is enough.
# Carlini and Wagner {cite}`carlini2017` minimise
#
# $$\lVert x' - x \rVert_2^2 + c\,\big(\kappa - m(x')\big)_+,$$
#
# $$x' = \tfrac12 (\tanh w + 1),$$
#
# where $m$ is the lead of the best wrong logit, positive once the image is misclassified, and $(\cdot)_+$ is zero for a negative argument; $\kappa$ is the lead that you ask for, here 0.
# The detour through $\tanh$ keeps every pixel between 0 and 1 whatever $w$ is, so that Adam can run freely.
# If $c$ is too small nothing is found, if it is too large the image is farther than necessary, and so $c$ is searched for each image by itself.

# %%
nearest = carlini_wagner_l2(net, test[:100], label[:100])
fooled = margin_loss(net(nearest.images), label[:100]) > 0
middle = f"{nearest.distance.median():.1f}"
rows = [["found", int(fooled.sum())], ["median length", f"about {middle}"]]
table(["Carlini-Wagner", "100 images"], rows)

# %%
show_source(carlini_wagner_l2)

# %% [markdown]
# The result is an *upper bound* of the smallest change: a nearer image may exist.
# Is the method with its $\tanh$ and its $c$ at least better than the obvious one, Euclidean PGD whose radius is bisected until it just suffices?

# %%
duel = evidence.results["nearest"]
kinds = "Carlini-Wagner", "PGD"
rows = [
    [f"{kind}, median", *(f"{v:.2f}" for v in duel["median"][kind])] for kind in kinds
]
rows += [[f"{kind} nearer", *duel["nearer by a hundredth"][kind]] for kind in kinds]
table(["seed", *map(str, range(5))], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
cw, bisected = (np.array(duel["median"][kind]) for kind in ("Carlini-Wagner", "PGD"))
claim(
    "At 900 gradients for an image, Carlini-Wagner and PGD with a bisected radius both "
    "fool every image, and their median lengths differ by at most 2 %, either way.",
    bool(
        np.abs(cw / bisected - 1).max() <= 0.02
        and all(found == 100 for kind in duel["found"].values() for found in kind)
    ),
    over="5 networks, recorded, 100 images each; of three settings each, the one that "
    "was best on training images",
)

# %% [markdown]
# So the simple method is as good here.
# The last two lines count the images, of 100, on which one length is smaller than the other by more than a hundredth: now the one is nearer and now the other, and an honest upper bound takes the smaller.
#
# ## Break it: a walk that cannot arrive
#
# The commonest way to find a model "robust" is an attack whose steps are too few and too small.
# Nothing warns you, because a walk that stops halfway returns an image like any other.

# %%
settings = {"5 steps of 0.01": (0.01, 5), "20 steps of 0.025": (0.025, 20)}
survive = {
    name: 100 * accuracy(net, pgd(net, test, label, 0.2, step=a, steps=n), label)
    for name, (a, n) in settings.items()
}
rows = [[name, f"about {10 * round(v / 10)}"] for name, v in survive.items()]
table(["ε = 0.2", "“robust” (%)"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
five, twenty = survive.values()
claim(
    "Five steps of 0.01 report more than 70 % of the images as safe at ε = 0.2; twenty "
    "steps that cross the set leave less than 3 % of them.",
    five > 70 and twenty < 3,
    over="450 test images, this network",
)

# %% [markdown]
# The first attack never left the ball of radius 0.05, so whatever it says is about 0.05.
# Check three things before you believe an attack that fails: that steps × step crosses the set, that more steps and more starts change nothing, and that the accuracy goes to zero when $\epsilon$ becomes large.
#
# ## Break it: a mean over the successes
#
# Let Carlini-Wagner run with a small rate and few steps, and report the mean length over the images for which it succeeded, as is often done.

# %%
weak = np.array(duel["weak"])  # seeds x (found, median of all, three means)
heads = "found (%)", "mean of the found", "full attack on these", "on all"
rows = [
    [seed, round(100 * found), *(f"{mean:.2f}" for mean in means)]
    for seed, (found, _, *means) in enumerate(weak)
]
table(["seed", *heads], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The weak attack fails on most images, and its mean length is smaller than that of the "
    "full attack, which fails on none; on the images that both fool it is longer.",
    bool(
        (weak[:, 0] < 0.5).all()
        and (weak[:, 2] < weak[:, 4]).all()
        and (weak[:, 2] > weak[:, 3]).all()
    ),
    over="5 networks, recorded, 100 images each",
)

# %% [markdown]
# The weak attack seems to be the stronger one, because only the images that are easy to fool enter its mean.
# The median over *all* images, in which a failure counts as infinitely far, cannot be improved by failing: for the weak attack it is infinite.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "Adversarial examples are just noise, and a network that stands noise stands them."
# > **Random signs of the same size hardly matter.** What counts is that all pixels pull the same way.
# >
# > "The changes are imperceptible."
# > **That depends on the image, and on these it is false.** The definition asks only that the label a person would give stays the same.
# >
# > "The attack failed, so the model is robust."
# > **An attack that finds nothing proves nothing.** It gives an upper bound of the robust accuracy, and a better attack a lower one.
# >
# > "Carlini-Wagner finds the smallest change."
# > **It finds an upper bound, like every attack.** At equal effort PGD with a bisected radius was as near.
# >
# > "It all began with deep networks."
# > **The evasion of spam filters was studied as a game in 2004**, and support vector machines and a neural network were attacked by gradients in 2013, before the name was coined.
#
# **Strengths**: gradients make the attacks cheap, and what they find is a proof: anybody can run the model on it.
#
# **Limits**: they need the gradients of the model, they stop in local optima, and a ball of pixels is a small part of what can go wrong; a strip of tape lies in no such ball.
#
# **Who is harmed when it fails**: those who rely on a filter that somebody has a reason to get past, such as drivers behind a camera, patients whose scans decide about payments, or people exposed to what a moderation system lets through.
#
# **In production** take `torchattacks`, `foolbox` or the Adversarial Robustness Toolbox, and for a figure that you publish AutoAttack.

# %% [markdown]
# ## Check yourself
#
# **1.** A linear spam filter weighs ten thousand word frequencies, and all its weights are of about the same size. Random errors of a certain size, up or down in every frequency, shift its score a little. What does a sender achieve who chooses the signs of errors of that size?
#
# <details><summary>Little more, because the errors are no larger.</summary>
#
# **Not so.** The changes in `noisy` and in `attacked` are of one size as well, and the network named most of the first images correctly and hardly any of the second.
#
# </details>
#
# <details><summary>A shift that is about a hundred times as large.</summary>
#
# **Right.** Chosen errors add up to $\epsilon\,\lVert w \rVert_1$ and random ones to about $\epsilon\,\lVert w \rVert_2$; for ten thousand weights of one size the ratio is $\sqrt{10\,000} = 100$.
#
# </details>
#
# <details><summary>A shift that is about ten thousand times as large.</summary>
#
# **Not so.** Random errors add up as well, only more slowly: with its 64 pixels `ratio` stayed below 8, the root of 64.
#
# </details>
#
# **2.** Each pixel may change by 8 levels of grey. Your attack starts at the image and takes ten steps of half a level, and nearly every image survives. What do you know about changes of 8 levels?
#
# <details><summary>That most images withstand them, because ten steps found nothing.</summary>
#
# **Not so.** Five short steps found nothing on most images in `survive` either, and twenty longer ones fooled nearly all of them.
#
# </details>
#
# <details><summary>Enough, as soon as ten random starts have said the same.</summary>
#
# **Not so.** The walks in `short` had ten random starts and steps for half of the way, and each of them missed the worst point of a linear score.
#
# </details>
#
# <details><summary>Hardly anything, because the walk ends after 5 levels.</summary>
#
# **Right.** Steps × step is 5 levels, so whatever lies farther away was never tried. And even about those 5 levels a failed attack proves nothing.
#
# </details>
#
# **3.** Pixels run from 0 to 255. One tool finds a change of length 90 that fools your model on an image, another tool one of length 104. How long is the shortest change that fools it there?
#
# <details><summary>At most 90, and more is not known.</summary>
#
# **Right.** What was found is a proof that its length suffices, so the smaller number counts; a nearer image may exist that neither tool came across.
#
# </details>
#
# <details><summary>90, because this tool looks for the shortest.</summary>
#
# **Not so.** So do both `kinds` in the duel, and on some images each of them was undercut by the other.
#
# </details>
#
# <details><summary>Between 90 and 104, because the two disagree.</summary>
#
# **Not so.** Both numbers are found from above: on the images that both fooled, the attack in `weak` was farther away than the full one, and so a disagreement encloses nothing.
#
# </details>

# %% [markdown]
# ## Exercise 1: how far to the border?
#
# *Easy, 10 minutes.*
# A linear score is $w \cdot x + b$, and its sign is the answer.
# Return the smallest $\epsilon$ with which a change of at most $\epsilon$ in every pixel brings the score to zero; forget that pixels end at 0 and 1.
#
# Hint: the worst change lowers the size of the score by $\epsilon\,\lVert w \rVert_1$.


# %% tags=["exercise"]
def smallest_epsilon(w, b, x):
    """Largest change of a pixel that brings w.x + b to zero; w and x are arrays."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_smallest_epsilon(attempt):
    w, x = np.array([2.0, -1.0, 1.0, -2.0]), np.array([0.1, 0.3, 0.4, 0.4])
    b, score = -0.3, -0.8
    mistakes = {
        "A distance is not negative: take the size of the score.": score / 6,
        "You divided by the Euclidean length of w. That is the Euclidean distance; if "
        "every pixel may move, their effects add up.": -score / np.sqrt(10),
        "You forgot b.": 0.5 / 6,
        "The largest weight alone: but all pixels may move at once.": -score / 2,
        "The plain sum of w is 0 here: take the sizes of the weights.": np.inf,
        "The plain sum of w is 0 here: take the sizes of the weights and of the "
        "score.": -np.inf,
        "Add b, do not subtract it.": 0.2 / 6,
    }
    check_answer(attempt(w, b, x), -score / 6, mistakes)


check_smallest_epsilon(smallest_epsilon)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def smallest_epsilon_solution(w, b, x):
    return abs(w @ x + b) / np.abs(w).sum()


check_smallest_epsilon(smallest_epsilon_solution)
# Why: each pixel can move the score by ε|w_i| towards zero, and they do so together.
# So the size of the score is used up at the rate of the sum of |w_i|.

# %% [markdown]
# ## Exercise 2: towards a label of your choice
#
# *Medium, 15 minutes.*
# A *targeted* attack does not leave the right label but wants to reach a certain other one.
# You get the image and the gradient, with respect to the image, of the cross-entropy of the *target* label.
# Return the image after one step of FGSM towards the target, with every pixel in $[0, 1]$.
#
# Hint: the cross-entropy of a label is small where the network is sure of it.


# %% tags=["exercise"]
def towards(x, gradient, epsilon):
    """One targeted step; x and gradient are arrays of one shape."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_towards(attempt):
    x, g = np.array([0.05, 0.5, 0.6, 0.95]), np.array([3.0, -0.01, 0.02, -2.0])
    mistakes = {
        "That step makes the target less likely: go down the gradient.": np.clip(
            x + 0.1 * np.sign(g), 0, 1
        ),
        "Clip: some pixels have left [0, 1].": x - 0.1 * np.sign(g),
        "You used the gradient itself; FGSM uses its sign only.": np.clip(
            x - 0.1 * g, 0, 1
        ),
        "That is the change. Return the image.": -0.1 * np.sign(g),
    }
    check_answer(attempt(x, g, 0.1), np.clip(x - 0.1 * np.sign(g), 0, 1), mistakes)


check_towards(towards)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def towards_solution(x, gradient, epsilon):
    return np.clip(x - epsilon * np.sign(gradient), 0, 1)


check_towards(towards_solution)
# Why: the loss of the target falls as the target gets likelier, so the step goes down.
# With the sign forgotten the "attack" makes the model surer of what it said before.

# %% [markdown]
# ## Exercise 3: bisect the radius
#
# *Medium, 20 minutes.*
# Return the smallest $\epsilon$ between 0 and 1 at which `pgd` fools the model on one image, to within $0.001$.
# Use `pgd(model, x, y, epsilon)` with its default steps, and `accuracy(model, found, y)`, which is 1.0 or 0.0 for a single image.
#
# Hint: keep a radius that does not fool and one that does, and try the middle, ten or more times.


# %% tags=["exercise"]
def smallest_radius(model, x, y):
    """x has shape (1, d), y shape (1,)."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_smallest_radius(attempt):
    x = torch.full((1, 4), 0.5, dtype=torch.float64)
    model = Score(torch.tensor([2.0, -1.0, 1.0, -2.0], dtype=torch.float64), 0.9)
    mistakes = {
        "You ended at 1: did you move the lower end up after a success?": 1.0,
        "You ended at 0: did you move the upper end down after a failure?": 0.0,
        "That is the Euclidean distance; leave `norm` as it is.": 0.9 / np.sqrt(10),
        "You stopped after the first middle.": 0.5,
    }
    check_answer(attempt(model, x, torch.tensor([1])), 0.15, mistakes, tolerance=2e-3)


check_smallest_radius(smallest_radius)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def smallest_radius_solution(model, x, y):
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        fooled = accuracy(model, pgd(model, x, y, middle), y) == 0
        low, high = (low, middle) if fooled else (middle, high)
    return high


check_smallest_radius(smallest_radius_solution)
# Why: a larger ball holds the smaller one, so if a radius fools, a larger one can, too,
# and halving closes in on the border. For a network it is only as good as the attack.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]
times = {
    peer: [
        r["ratio"] for r in speed if r["peer"] == peer and r["name"].startswith("PGD")
    ]
    for peer in ("torchattacks", "foolbox", "ART", "ours, best kept")
}
times["Carlini"] = [r["ratio"] for r in speed if r["name"].startswith("Carlini")]
furthest = max(row["difference"] for row in evidence.results["agreement"])
low, high = ({k: f"{f(v):.2f}" for k, v in times.items()} for f in (min, max))
Markdown(
    "The three libraries have dozens of attacks and several frameworks, where the book has "
    "three attacks and PyTorch, and keeping the best point costs up to "
    f"{100 * (max(times['ours, best kept']) - 1):.0f} % more time than returning the "
    "last. On the same steps, the last point returned, torchattacks takes "
    f"{low['torchattacks']} to {high['torchattacks']} times the book's time, foolbox "
    f"{low['foolbox']} to {high['foolbox']} and ART {low['ART']} to {high['ART']} times; "
    f"foolbox's Carlini-Wagner takes {low['Carlini']} to {high['Carlini']} times as long. "
    f"No pixel and no length differs by more than {furthest:.0e}."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in speed]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
rows = [
    [r["attack"], r["net"], r["peer"], f"{r['difference']:.0e}"]
    for r in evidence.results["agreement"]
]
table(["attack, 64 images", "network", "peer", "largest difference"], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Adversarial Training**: Training AI systems to withstand and recover from adversarial attacks.
#
# It says nothing about what those attacks are, and its listing makes none.
# This page supplies them, and [Adversarial training](adversarial_training.ipynb) trains against them.
#
# ## References
#
# Before deep networks: {cite:t}`dalvi2004`, {cite:t}`biggio2013`; in them: {cite:t}`szegedy2014`.
# FGSM and why small changes add up: {cite:t}`goodfellow2015`.
# Many steps: {cite:t}`kurakin2017`; with a random start: {cite:t}`madry2018`.
# The nearest image and the margin as a loss: {cite:t}`carlini2017`; one change for all images: {cite:t}`moosavidezfooli2017`.
# What happened: {cite:t}`mcafee2020`.
