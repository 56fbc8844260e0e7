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
# # Sharpness-aware minimization
#
# SAM: take the gradient at the worst point nearby, and see what it is worth when labels are wrong.
#
# In 2021 three researchers went through the test sets of ten benchmarks on which much of machine learning is judged, and estimated that more than three labels in a hundred are wrong, six in a hundred in ImageNet {cite}`northcutt2021`.
# Training sets come about in the same ways, so whoever trains on what people clicked, typed or were paid to label trains on errors, too.
#
# **Can the way in which you descend keep a network from learning them?**
#
# You need the answer because a large network can learn any labels by heart, the wrong ones included.
# Sharpness-aware minimization is a well-known remedy, it costs two gradients for each step, and it is simple enough to be tested against cheaper ones.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | write a SAM step, check it, and judge a remedy for wrong labels by what cheaper remedies do at the same cost |
# | You need | NumPy, Matplotlib, PyTorch; gradient descent with momentum and weight decay, the cross-entropy, what a validation set is |
# | Time | 20 minutes to read, 25 for the exercises |
# | Code | `companion.safety.sharpness_aware_minimization` |

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
from companion.safety.sharpness_aware_minimization import sam_step, sharpness

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Four in ten of the labels with which a small network learns handwritten digits are wrong, each replaced by another digit at random; the test labels are right.
# Every method may compute equally many gradients, SAM therefore makes half as many steps, and each method's setting is the best of three on *noisy* labels that were held out, so that nobody looks at a right label before the test.
#
# **Guess before you look**: which is better in the end, SAM or plain descent, and does anything cheap come near?

# %% mystnb={"figure": {"caption": "Left: accuracy on 450 test images with right labels while the network learns from labels of which 40 % are wrong, against the gradients computed. Lines are means over five recorded seeds, bands go from the lowest to the highest. Right: accuracy at the end, one point for each seed.", "name": "fig-sharpness-aware-minimization"}, "image": {"alt": "Left: the curve of plain descent rises to about 90 percent, then falls to about 72 as the wrong labels are learnt; the curve of SAM rises more slowly and stays near 95. Right: dots of six methods. Plain descent and random directions lie lowest, around 70; early stopping, a lower rate and weight decay lie around 90 but for one dot near 82; SAM lies a little higher."}} tags=["hide-input"]
evidence = recorded("safety/sharpness_aware_minimization")
noisy = evidence.results["noisy"]
passes = evidence.results["passes"]
final = {name: np.array(result["last"]) for name, result in noisy.items()}
final["early stopping"] = np.array(noisy["plain"]["stopped"])
order = (
    "plain",
    "random direction",
    "early stopping",
    "lower rate",
    "weight decay",
    "SAM",
)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for name, colour, line in (("plain", "red", "--"), ("SAM", "blue", "-")):
    path = np.array(noisy[name]["path"])  # (seeds, checks)
    at = np.linspace(0, passes, path.shape[1] + 1)[1:]
    left.plot(at, path.mean(axis=0), line, color=COLOURS[colour], label=name)
    left.fill_between(at, path.min(0), path.max(0), color=COLOURS[colour], alpha=0.2)
left.set(xlabel="gradients computed (passes over the data)", ylim=(0, 100))
left.set_ylabel("right on the test images (%)")
left.legend(loc="lower right")
for row, name in enumerate(order):
    colour = COLOURS["blue" if name == "SAM" else "grey"]
    right.plot(final[name], np.full(5, row), "o", color=colour, alpha=0.7)
right.set_yticks(range(len(order)), order)
right.set(xlabel="right at the end (%)", ylim=(len(order) - 0.5, -0.5))
plt.show()

# %% [markdown]
# On the left plain descent is good at first and then spoils its own work, because once it has learnt what the right labels have in common it begins to learn the wrong ones by heart.
# SAM does not, but look at the right, where remedies that cost nothing come close.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "With 40 % wrong labels SAM ends at least 15 points above plain descent at equal "
    "gradients, in every seed.",
    bool((final["SAM"] - final["plain"]).min() >= 15),
    over="5 seeds, recorded; 450 test images, of which one is 0.2 points",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
cheap = ("early stopping", "lower rate", "weight decay")
best = max(final[name].mean() for name in cheap)
claim(
    "In no seed does SAM end below early stopping, a lower rate or weight decay, but on "
    "average it ends less than 3 points above the best of the three.",
    0 < final["SAM"].mean() - best < 3
    and all((final["SAM"] >= final[name]).all() for name in cheap),
    over="5 seeds, recorded, equal gradients; each setting chosen among three on "
    "held-out noisy labels",
)

# %% [markdown]
# So the lead is small, but steady.
#
# ## The idea on one number
#
# Let the loss be $L(\theta) = \theta^2 / 2$, so that the gradient is $\theta$ itself, and stand at $\theta = 1$.
# Plain descent with rate $\eta = 0.1$ goes to $1 - 0.1 \cdot 1 = 0.9$.
#
# SAM first walks *uphill*, by a given distance $\rho = 0.5$, to $1.5$.
# It asks for the gradient there, $1.5$, goes back to $1$, and takes the step with what it has heard: $1 - 0.1 \cdot 1.5 = 0.85$.

# %%
one = nn.Linear(1, 1, bias=False)
nn.init.ones_(one.weight)
descent = torch.optim.SGD(one.parameters(), lr=0.1)
before = sam_step(one, descent, lambda: one.weight.square().sum() / 2, rho=0.5)
before, round(one.weight.item(), 4)

# %% [markdown]
# The uphill point is where the loss is worst within the distance $\rho$.
# The steeper the loss rises there, the more the step grows, so a narrow valley pushes SAM about more than a wide one.
# It does not come to rest in either; the second exercise computes how far from the floor it stays.
#
# ## The equation: a minimum of a maximum
#
# Let $L(\theta)$ be the loss of a batch, and $\theta$ all parameters in one long vector.
# SAM {cite}`foret2021` wants parameters whose whole neighbourhood is good:
#
# $$\min_\theta \; \max_{\lVert \delta \rVert_2 \le \rho} L(\theta + \delta).$$
#
# To first order $L(\theta + \delta) \approx L(\theta) + g \cdot \delta$ with the gradient $g = \nabla L(\theta)$, and the largest product with a vector of length $\rho$ has the vector that points along $g$.
# So the worst $\delta$ is $\rho\, g / \lVert g \rVert_2$, and the step is
#
# $$\theta \leftarrow \theta - \eta\, \nabla L\Big(\theta + \rho\, \frac{g}{\lVert g \rVert_2}\Big).$$
#
# This is the idea of [adversarial examples](adversarial_examples.ipynb), with the parameters in the place of the image.
# In plain lines:


# %%
def step(net, loss, optimizer, rho):
    parameters = list(net.parameters())
    gradients = torch.autograd.grad(loss(), parameters)
    length = torch.cat([g.flatten() for g in gradients]).norm()
    start = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for p, g in zip(parameters, gradients):
            p += rho * g / length  # uphill
    uphill = torch.autograd.grad(loss(), parameters)
    with torch.no_grad():
        for p, g, there in zip(parameters, uphill, start):
            p.copy_(there)  # back
            p.grad = g
    optimizer.step()


# %% [markdown]
# Both this and the package's function make three steps from the same start, on a batch of digits.

# %%
data = digits()
as_image = {"dtype": torch.float32}
X, y = torch.tensor(data.X_train, **as_image), torch.tensor(data.y_train)
test, label = torch.tensor(data.X_test, **as_image), torch.tensor(data.y_test)


def fresh(seed=0):
    net = mlp([64, 128, 128, 10], torch.Generator().manual_seed(seed))
    return net, torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)


def cost(net, x, labels):
    return nn.functional.cross_entropy(net(x), labels)


(net, descent), (mine, my_descent) = fresh(), fresh()
for _ in range(3):
    sam_step(net, descent, lambda: cost(net, X[:64], y[:64]), rho=0.3)
    step(mine, lambda: cost(mine, X[:64], y[:64]), my_descent, rho=0.3)
ends = [nn.utils.parameters_to_vector(n.parameters()) for n in (net, mine)]
torch.testing.assert_close(*ends, atol=1e-5, rtol=0)

# %% [markdown]
# The package's function adds what a long training run needs: it comes back to the very same numbers, it leaves the statistics of batch normalisation to the first of the two evaluations, and when anything raises, the model is as it was.

# %%
show_source(sam_step)

# %% [markdown]
# ## Real data: digits of which four in ten have a wrong label
#
# Now one training run of each kind on this page, with the same number of gradients.

# %%
chance = torch.Generator().manual_seed(0)
wrong = torch.rand(len(y), generator=chance) < 0.4
other = (y + torch.randint(1, 10, y.shape, generator=chance)) % 10
said = torch.where(wrong, other, y)


def learn(rho, epochs):
    (net, descent), shuffle = fresh(), torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(len(X), generator=shuffle).split(64):
            batch = X[rows], said[rows]
            sam_step(net, descent, partial(cost, net, *batch), rho)
    return net


plain, sam = learn(rho=0.0, epochs=60), learn(rho=0.3, epochs=30)

# %% [markdown]
# What has each of them learnt by heart?
# The question is how often a network gives a training image the wrong label that it was told.

# %%
believed = {
    name: accuracy(net, X[wrong], said[wrong])
    for name, net in {"plain": plain, "SAM": sam}.items()
}

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
sam_right = accuracy(sam, test, label)
claim(
    "At equal gradients plain descent believes more than a tenth of the wrong labels and "
    "SAM less than a twentieth, and SAM names at least 5 % more of the test images "
    "correctly.",
    believed["plain"] > 0.1
    and believed["SAM"] < 0.05
    and sam_right > accuracy(plain, test, label) + 0.05,
    over="one run of each on this page",
)

# %% [markdown]
# ## Is it the worst direction, and is it flatness?
#
# Two explanations are offered for this.
# If it is the *worst* direction that counts, then a random direction should do less, and if it is *flatness*, then the methods that end well should end in flat places.
# Sharpness here is by how much the loss on the training labels rises within a distance of $0.1$, uphill.

# %%
setting = {
    k: ", ".join(f"{n} {v}" for n, v in r["setting"].items()) for k, r in noisy.items()
}
rows = [
    [
        f"{name} ({setting[name] or 'rate 0.05'})",
        np.mean(noisy[name]["sharpness"]),
        final[name].mean(),
        f"{final[name].min():.1f} to {final[name].max():.1f}",
    ]
    for name in noisy
]
table(["method (best setting)", "sharpness", "right (%)", "range"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "A random direction of the best of three lengths ends lower than SAM.",
    bool((final["random direction"] < final["SAM"]).all()),
    over="5 seeds, recorded, equal gradients",
)

# %% [markdown]
# So the direction matters: steps to random places did nothing here.
# The flatter ends are also the better ones here, but whatever keeps a network from fitting wrong labels may change both.
# To see whether sharpness is the *cause* you have to change it alone, and you can: multiply one layer by 8, divide the next one by 8, and a network of rectifiers computes the same {cite}`dinh2017`.

# %%
on_all = partial(cost, sam, X, said)
as_it_is = sharpness(sam, on_all, rho=0.1)
with torch.no_grad():
    sam[0].weight *= 8
    sam[0].bias *= 8
    sam[2].weight /= 8
rescaled = sharpness(sam, on_all, rho=0.1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The same function, its layers rescaled, is more than twice as sharp and as accurate "
    "as before.",
    rescaled > 2 * as_it_is and abs(accuracy(sam, test, label) - sam_right) < 0.003,
    over="the network of this page; the equality is exact in real numbers, because "
    "the rectifier of 8z is 8 times that of z",
)

# %% [markdown]
# Researchers who took SAM apart found that flatness does not explain its strength against wrong labels; in deep networks it comes from what SAM does to the Jacobian of the network, and cheaper penalties recover most of it {cite}`baek2024`.
#
# ## Without wrong labels
#
# The same race with every label right:

# %%
clean = {k: np.array(v["last"]) for k, v in evidence.results["clean"].items()}
rows = [[k, v.mean(), f"{v.min():.1f} to {v.max():.1f}"] for k, v in clean.items()]
table(["all labels right", "right (%)", "range"], rows, digits=1)

# %% [markdown]
# Nothing is left of the difference.
#
# ## Break it: train on, or err in one direction
#
# With the settings as chosen above, first twice as many gradients; then the same number, but every wrong label is the *following* digit, as if one annotator counted too far.

# %%
harder = evidence.results["harder"]
rows = [
    [name, final[name].mean(), *(np.mean(values) for values in result.values())]
    for name, result in harder.items()
]
table(["right (%)", "as above", "twice as long", "following digit"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
one_way = {k: np.array(v["following digit"]) for k, v in harder.items()}
claim(
    "Where all wrong labels err in one direction SAM loses more than 10 points, and is "
    "still ahead of plain descent.",
    bool(
        (final["SAM"] - one_way["SAM"] > 10).all()
        and (one_way["SAM"] > one_way["plain"]).all()
    ),
    over="5 seeds, recorded",
)

# %% [markdown]
# Labels that err alike have something in common, and what they have in common is learnt as the right ones are.
#
# ## Break it: forgetting to go back
#
# The two halves of the step invite one mistake: the uphill move stays in the parameters, and the optimiser descends from there.
# On the loss $\theta^2 / 2$ every step then climbs by $\rho$ and descends by $\eta\,(\theta + \rho)$.

# %%
right_way = forgot = 1.0
for _ in range(200):
    right_way = right_way - 0.1 * (right_way + 0.5 * np.sign(right_way))
    forgot = forgot + 0.5 * np.sign(forgot)
    forgot = forgot - 0.1 * forgot
table(
    ["after 200 steps", "θ"],
    [["goes back", abs(right_way)], ["forgets", forgot]],
    digits=3,
)

# %% [markdown]
# With the mistake it settles where climbing and descending balance, at $\rho\,(1 - \eta) / \eta = 4.5$, far above where it began, and no error is raised.
# The correct step does not come to rest either: it hops to and fro over the minimum, at a distance that you compute in the second exercise.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "SAM trains better networks than SGD."
# > **At equal gradients a lower rate came close to it here**, and without wrong labels there was nothing to gain. SAM takes two gradients for each step: compare it with twice as many plain steps, tuned.
# >
# > "But plain descent with twice the steps is far worse."
# > **With wrong labels, training longer is what does the harm**, so that comparison is made of straw. Let the rival stop early, too.
# >
# > "SAM works because it finds flat minima."
# > **The same function can be made sharp or flat by rescaling its layers.** Flatness may go along with generalisation, but it is not by itself the cause.
# >
# > "It makes the network robust."
# > **It makes it less credulous about labels.** That is another thing than resisting changed images, for which you need [adversarial examples](adversarial_examples.ipynb).
#
# **Strengths**: a few lines, one parameter, no knowledge of which labels are wrong, and it depends less than plain descent on when you stop.
#
# **Limits**: twice the cost of a step, a radius to choose, and labels that are wrong in a systematic way.
#
# **Who is harmed when it fails**: those about whom the labels are wrong most often, because a rare group with many wrong labels looks just like noise, and what resists noise may then resist learning about them, too; [Group robustness](group_robustness.ipynb) measures each group and trains for the worst.
#
# **In production** take `composer`'s or `pytorch_optimizer`'s SAM, and clean the labels first, for example with `cleanlab`.

# %% [markdown]
# ## Check yourself
#
# **1.** A team trains on crowd-sourced labels, 100 epochs of SAM and 100 of plain descent, and SAM is five points ahead. Which rival tells you best whether SAM is worth its price?
#
# <details><summary>Plain descent for 200 epochs, which costs as much.</summary>
#
# **Not so.** It costs as much and is made of straw: in `harder` plain descent became worse when it trained twice as long.
#
# </details>
#
# <details><summary>A random direction in place of the worst one.</summary>
#
# **Not so.** In `final` it ended no better than plain descent on average, so to be ahead of it says little about what cheaper remedies do.
#
# </details>
#
# <details><summary>Plain descent that is stopped early or runs at a lower rate.</summary>
#
# **Right.** These keep a network from learning wrong labels by heart, too, and cost nothing. On this page they came close to SAM.
#
# </details>
#
# **2.** In a hospital one of two laboratories calls each finding one grade too high, so that many labels are wrong in the same way. What do you expect of SAM?
#
# <details><summary>That it helps less than against labels wrong at random.</summary>
#
# **Right.** Errors of one kind have something in common, and what labels have in common is learnt before what has to be learnt one by one.
#
# </details>
#
# <details><summary>That it helps as much, because it cannot fit labels that look wrong.</summary>
#
# **Not so.** It lost clearly in `one_way` on every seed, where as many labels were wrong and all in one direction.
#
# </details>
#
# <details><summary>That it does harm, because it learns such errors even better.</summary>
#
# **Not so.** Against errors of one direction in `one_way` it was still ahead of plain descent on every seed.
#
# </details>
#
# **3.** A network turns out to be sharp, and somebody rescales its layers until the same measure calls it flat. What happens to its accuracy on new images?
#
# <details><summary>It rises, because flat places generalise better.</summary>
#
# **Not so.** Between `as_it_is` and `rescaled` lay a large difference in sharpness, and the accuracy was the same.
#
# </details>
#
# <details><summary>Nothing, because the network computes what it did before.</summary>
#
# **Right.** Rectifiers let a factor pass from one layer to the next, so only the parameters change and no answer does.
#
# </details>
#
# <details><summary>It falls, because trained weights no longer fit together.</summary>
#
# **Not so.** They do: `rescaled` was measured after one layer was multiplied and the next one divided, and the network named the test images as before.
#
# </details>

# %% [markdown]
# ## Exercise 1: one step in two dimensions
#
# *Easy, 10 minutes.*
# The loss is $L(\theta) = (h_1 \theta_1^2 + h_2 \theta_2^2)/2$, so that its gradient is $(h_1 \theta_1, h_2 \theta_2)$.
# Return $\theta$ after one step of SAM with rate `eta` and radius `rho`.
#
# Hint: the length of the gradient is over both components together.


# %% tags=["exercise"]
def sam_on_a_bowl(theta, h, rho, eta):
    """theta and h are arrays of two numbers."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_sam_on_a_bowl(attempt):
    theta, h, rho, eta = np.array([3.0, 1.0]), np.array([1.0, 4.0]), 0.5, 0.1
    g, there = np.array([3.0, 4.0]), np.array([3.3, 1.4])
    mistakes = {
        "You did not divide by the length of the gradient.": theta
        - eta * h * (theta + rho * g),
        "That is plain descent: take the gradient at the point uphill.": theta
        - eta * g,
        "You descended from the point uphill: go back first.": there - eta * h * there,
        "You went downhill first; the worst point lies uphill.": theta
        - eta * h * (theta - rho * g / 5),
        "Each component has been divided by its own size; the length is that of the "
        "whole gradient.": theta - eta * h * (theta + rho * np.sign(g)),
    }
    check_answer(attempt(theta, h, rho, eta), theta - eta * h * there, mistakes)


check_sam_on_a_bowl(sam_on_a_bowl)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def sam_on_a_bowl_solution(theta, h, rho, eta):
    g = h * theta
    there = theta + rho * g / np.linalg.norm(g)
    return theta - eta * h * there


check_sam_on_a_bowl(sam_on_a_bowl_solution)
# Why: the gradient is asked uphill but used at home. The steep direction pulls the
# uphill point towards itself, so it gets more than its share of the step.

# %% [markdown]
# ## Exercise 2: it never comes to rest
#
# *Medium, 15 minutes.*
# On $L(\theta) = h\,\theta^2 / 2$ with one parameter, SAM moves from $\theta$ to $\theta - \eta h\,(\theta + \rho \operatorname{sign} \theta)$.
# In the end it hops between $a$ and $-a$.
# Return $a > 0$ for $\eta h < 1$.
#
# Hint: start at $\theta = a$ and demand that one step leads to $-a$.


# %% tags=["exercise"]
def hop(h, rho, eta):
    """Distance from the minimum between which SAM hops in the end."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_hop(attempt):
    h, rho, eta = 2.0, 0.5, 0.1
    mistakes = {
        "That is the step from the minimum. Demand that a goes to -a.": eta * h * rho,
        "That solves a = a - ..., a point of rest; there is none but 0.": 0.0,
        "You forgot to bring a to one side: 2a = ηh(a + ρ).": eta * h * rho / 2,
        "A sign: it is 2 - ηh below the line.": eta * h * rho / (2 + eta * h),
    }
    check_answer(attempt(h, rho, eta), eta * h * rho / (2 - eta * h), mistakes)


check_hop(hop)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def hop_solution(h, rho, eta):
    return eta * h * rho / (2 - eta * h)


check_hop(hop_solution)
# Why: -a = a - ηh(a + ρ) gives a(2 - ηh) = ηhρ. The hop grows with the curvature h, so
# a narrow valley keeps SAM farther from its floor, and a falling rate brings it to rest.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]["ratio"]
furthest = max(evidence.results["agreement"].values())
Markdown(
    "No maintained library was at hand to time, so the book's step stands beside the usual "
    "form, two backward passes with the ascent added and taken away again, written "
    f"separately: that takes {speed['two passes']:.2f} of the book's time, but it "
    "checks nothing, leaves traces when it is interrupted and comes back only up to "
    f"rounding. A plain step takes {speed['plain']:.2f} of it. After fifty steps no "
    f"parameter differs by more than {furthest:.0e}, with SGD and with Adam."
)

# %% tags=["hide-output"]
held = {k: f"{max(v['held out']):.1f}" for k, v in noisy.items()}
rows = [
    [k, held[k], f"{np.mean(v['stopped']):.1f}", f"{np.mean(v['fit']):.1f}"]
    for k, v in noisy.items()
]
heads = (
    "held-out noisy labels (%)",
    "right if stopped early (%)",
    "fit of noisy labels (%)",
)
table(["method", *heads], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Robust Optimization**: Optimizing AI systems to be robust to uncertainties and perturbations.
#
# Here the perturbation is one of the parameters, and the uncertainty is in the labels.
#
# ## References
#
# The method: {cite:t}`foret2021`.
# Why it helps with wrong labels, and that flatness does not explain it: {cite:t}`baek2024`; that sharpness can be rescaled: {cite:t}`dinh2017`.
# What happened: {cite:t}`northcutt2021`.
