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
# # Integrated gradients
#
# The path integral of the gradient: completeness, exact values for piecewise-linear nets, expected gradients and conductance.
#
# Ten ophthalmologists graded photographs of retinas, alone, with the help of a network, and with its help and a heat map, made with integrated gradients, of the pixels behind its answer.
# With the map, their accuracy rose for patients who had the disease and fell for those who had not {cite}`sayres2019`.
#
# **When a map says how much each pixel added to an answer, what would make it right?**
#
# Integrated gradients are the method with which the introduction to PyTorch's attribution library, captum, begins, and they come with a check that sounds like a proof: the pixels' shares add up.
# You need to know what that check can see, because you will lean on it when somebody asks whether your explanation is correct.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | divide a score among its inputs along a path, compute the integral exactly for a ReLU net, choose a rule and a number of steps for any other, and say what a sum check proves |
# | You need | PyTorch, NumPy, Matplotlib; what a gradient, an integral, a ReLU network and a logit are |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.explainability.integrated_gradients` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from companion.datasets import digits
from companion.explainability.integrated_gradients import (
    conductance,
    exact_integrated_gradients,
    expected_gradients,
    integrated_gradients,
    quadrature,
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
from companion.networks import mlp
from companion.scores import class_score, score_gradients
from companion.training import train_classifier

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A small ReLU network reads handwritten digits.
# Its **score** is the logit of the digit that it names, here a five, and three maps divide among the 64 pixels what the score gains on the way from a black image to this one.
#
# **Guess before you look**: each map adds up to that gain, to ten digits after the point; so how many of the three can be nonsense?

# %% mystnb={"figure": {"caption": "A handwritten five, and three maps of what each pixel added to its score, from a black image: red for more, blue for less, each map on its own scale. The sum of each map is the gain of the score.", "name": "fig-three-maps"}, "image": {"alt": "Four panels of 8 by 8 pixels. First a grey five. The map of the straight path and the map by way of a white image agree on the strongest pixels and differ elsewhere, where the second also colours the black background. The third map, of the gradient scaled to fit, looks like neither."}} tags=["hide-input"]
data = digits()
images, labels = torch.from_numpy(data.X_test), torch.from_numpy(data.y_test)
model = train_classifier(
    mlp([64, 128, 128, 10], torch.Generator().manual_seed(0)),
    torch.from_numpy(data.X_train).float(),
    torch.from_numpy(data.y_train),
    seed=0,
    epochs=15,
).double()
image, digit = images[26:27], 5
black, white = torch.zeros_like(image), torch.ones_like(image)
f = class_score(model, digit)
gain = float(f(image) - f(black))
slope = score_gradients(f, image)
maps = {
    "straight path": exact_integrated_gradients(model, digit, image, black),
    "by way of white": exact_integrated_gradients(model, digit, white, black)
    + exact_integrated_gradients(model, digit, image, white),
    "gradient, scaled to fit": slope * gain / slope.sum(),
}
fig, axes = plt.subplots(1, 4, figsize=(9, 2.9))
axes[0].imshow(image.view(8, 8), cmap="gray")
axes[0].set_title("the image")
for ax, (name, found) in zip(axes[1:], maps.items()):
    most = float(found.abs().max())
    ax.imshow(found.view(8, 8), cmap="RdBu_r", vmin=-most, vmax=most)
    ax.set_title(name)
    ax.set_xlabel(f"sum {float(found.sum()):.2f}")
for ax in axes:
    ax.grid(False)
    ax.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# The sum rejects none of them.
# The first map is what this page is about.
# The second goes from the same start to the same end by another road, and gives credit to pixels that are black in both.
# The third is the gradient at the image times one number, chosen to make the sum fit; that number is negative here, so the map shows every pixel that would raise the score as one that lowered it.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
sums = [float(found.sum()) for found in maps.values()]
claim(
    "Each of the three maps adds up to the score's gain to ten digits, and the third "
    "has the sign of its gradient turned in every pixel.",
    max(abs(s - gain) for s in sums) < 1e-10
    and bool((maps["gradient, scaled to fit"] * slope <= 0).all()),
    over="the plotted maps, of an image chosen because it shows this",
)

# %% [markdown]
# ## The idea on two numbers
#
# Take $f(x_1, x_2) = x_1 x_2$ and go from $(0, 0)$ to $(3, 2)$, where the score is 6.
# How much of that is $x_1$'s?
#
# Walk there in a straight line, so that after a share $a$ of the way you stand at $(3a, 2a)$.
# A small step $da$ moves $x_1$ by $3\,da$ and meets the slope $2a$, so in all it earns $\int_0^1 2a \cdot 3\, da = 3$.
# The other half goes to $x_2$.
#
# If you walk along $x_1$ first, it earns nothing, because $x_2$ is still zero; all 6 go to $x_2$.


# %%
def product(x):
    return x[:, 0] * x[:, 1]


def walk(f, *corners):
    return sum(integrated_gradients(f, end, start) for start, end in pairwise(corners))


start, end = torch.tensor([[0.0, 0]]), torch.tensor([[3.0, 2]])
turns = {
    "straight": [],
    "first along x1": [torch.tensor([[3.0, 0]])],
    "first along x2": [torch.tensor([[0.0, 2]])],
}
rows = [[n, *walk(product, start, *t, end)[0].tolist()] for n, t in turns.items()]
table(["path", "x1 earns", "x2 earns"], rows, digits=1)

# %% [markdown]
# Every path pays out 6, and the path decides who gets it.
# The straight one has a good argument for itself, because it treats two inputs alike that play the same part; but the sum is no such argument.
# Another fair answer is the mean over all orders in which the inputs can go first, here 3 and 3 again: those are [Shapley values](shapley_values.ipynb).
#
# ## The equation: a path integral and its completeness
#
# Let $x$ be the input, $b$ the **baseline** where the path begins, and $\gamma(a) = b + a\,(x - b)$ the straight path, for $a$ from 0 to 1.
# The attribution of input $i$ is
#
# $$\phi_i = (x_i - b_i) \int_0^1 \frac{\partial f}{\partial x_i}\big(\gamma(a)\big)\, da.$$
#
# By the chain rule the integrands of all inputs add up to the derivative of $f(\gamma(a))$ by $a$, whose integral is the difference of its ends:
#
# $$\sum_i \phi_i = \int_0^1 \frac{d}{da} f\big(\gamma(a)\big)\, da = f(x) - f(b).$$
#
# That is **completeness**.
# It holds for each path from $b$ to $x$ on which the score has no jumps, and it is one equation for 64 unknown numbers.
#
# In code you replace the integral by a mean over points of the path.


# %%
def mean_gradient(f, x, b, steps):
    total = torch.zeros_like(x)
    for k in range(steps):
        point = b + (k + 0.5) / steps * (x - b)
        point.requires_grad_()
        (gradient,) = torch.autograd.grad(f(point).sum(), point)
        total += gradient / steps
    return (x - b) * total


ours = integrated_gradients(f, image, black, steps=20, rule="midpoint")
torch.testing.assert_close(mean_gradient(f, image, black, 20), ours, rtol=0, atol=1e-12)

# %% [markdown]
# The package's function asks for many points at once, knows five rules, and refuses a score whose gradients cannot account for its change.

# %%
show_source(integrated_gradients)

# %% [markdown]
# ## Exact integrated gradients for ReLU networks
#
# A ReLU network is linear between the places where one of its units switches on or off.
# There its gradient is constant, so the integral is a finite sum, and nothing needs to be approximated {cite}`sotoudeh2019`.
#
# Again by hand: let $f(x) = r(x_1 + x_2 - 1) + 2\,r(x_1 - x_2)$ with $r(t) = \max(0, t)$, from $(0, 0)$ to $(2, 1)$.
# On the path, $x_1 + x_2 - 1 = 3a - 1$, so the first unit wakes at $a = 1/3$; the second is awake all the way.
#
# | piece | length | gradient |
# | :--- | ---: | ---: |
# | $a$ from 0 to 1/3 | 1/3 | $(2, -2)$ |
# | $a$ from 1/3 to 1 | 2/3 | $(3, -1)$ |
#
# So $\phi_1 = 2\,(2/3 + 6/3) = 16/3$ and $\phi_2 = 1\,(-2/3 - 2/3) = -4/3$, together $4 = f(2, 1)$.
#
# For one hidden layer of units $W x + c$ with weights $v$ on their outputs, that is ten lines.
# A unit that goes from `before` to `after` is zero at the share `before / (before - after)` of the way.


# %%
def exact_one_layer(W, c, v, x, b):
    before, after = W @ b + c, W @ x + c
    switch = before / (before - after)
    inside = switch[(switch > 0) & (switch < 1)]
    places = torch.cat([inside, torch.tensor([0.0, 1.0])]).sort().values
    total = torch.zeros_like(x)
    for low, high in pairwise(places):
        awake = before + (low + high) / 2 * (after - before) > 0
        total += (high - low) * (v * awake) @ W
    return (x - b) * total


W, c = torch.tensor([[1.0, 1], [1, -1]]), torch.tensor([-1.0, 0])
v, x = torch.tensor([1.0, 2]), torch.tensor([2.0, 1])
by_hand = exact_one_layer(W, c, v, x, torch.zeros(2))
torch.testing.assert_close(by_hand, torch.tensor([16 / 3, -4 / 3]), rtol=0, atol=1e-6)

# %% [markdown]
# It gives what your pencil gave.
# A deeper net needs one more thought: between the switches of the layers below, each unit is again linear in $a$, so the package finds the places layer by layer.
# On a net with one hidden layer the two agree.

# %%
shallow = mlp([64, 32, 1], torch.Generator().manual_seed(1)).double()
W, c, v = (p.detach() for p in list(shallow.parameters())[:3])
ours = exact_one_layer(W, c, v[0], image[0], black[0])
theirs = exact_integrated_gradients(shallow, 0, image, black)[0]
torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)

# %%
show_source(exact_integrated_gradients)

# %% [markdown]
# ## Real digits: check more than the sum
#
# Now let the exact integral explain the score of the five in a hundred test images, whatever digit they show.
# Because the sum proves so little, each of the 64 attributions is also compared with a midpoint rule, and what differs must shrink as the steps become more.

# %%
some = images[:100]
exact = exact_integrated_gradients(model, digit, some, black[0])
with torch.no_grad():
    gap = (exact.sum(dim=1) - (f(some) - f(black))).abs().max()
errors = []
for steps in (100, 1000):
    near = integrated_gradients(f, some, black[0], steps=steps, rule="midpoint")
    errors.append(float((near - exact).abs().mean(dim=0).max()))

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The exact attributions add up to ten digits after the point; the pixel where the "
    "midpoint rule is furthest from them, on average over the images, differs at least "
    "five times less with ten times the steps, by less than 0.001.",
    bool(gap < 1e-10) and errors[1] < errors[0] / 5 and errors[1] < 1e-3,
    over="100 test images, 100 and 1000 steps",
)

# %% [markdown]
# The same was recorded for other nets, among them a convolutional one.
# The last column says how many linear pieces the longest path had: so many gradients does the exact integral ask for.

# %%
evidence = recorded("explainability/integrated_gradients")
rows = [
    [r["net"], f"{r['gap']:.0e}", f"{r['largest difference']:.0e}", r["most pieces"]]
    for r in evidence.results["exact"]
]
table(["net", "gap of the sum", "from fine quadrature", "most pieces"], rows)

# %% tags=["hide-input"]
counted = evidence.results["rules"]["pieces of the exact integral"]
Markdown(
    f"On the digits network of this page a path has {counted['mean']:.0f} pieces on "
    f"average and {counted['most']} at most (5 seeds, 20 images each, recorded). "
    "So there the exact answer costs about as many gradients as the 50 steps that "
    "captum takes by default."
)

# %% [markdown]
# ## How many steps? Gauss-Legendre against the midpoint rule
#
# A net with attention, normalisation or a smooth activation has no pieces, so you approximate.
# The Gauss-Legendre rule places its $n$ points so well that it integrates every polynomial of degree $2n - 1$ exactly.
# Does that help?

# %% mystnb={"figure": {"caption": "The largest error among a digit's 64 attributions, mean over 20 digits, against the gradients that were spent; one line for each of 5 seeds. Left a network with tanh, right one with ReLU and the same sizes.", "name": "fig-rules"}, "image": {"alt": "Two log-log panels. Left, with tanh: the midpoint rule falls as a straight line to a millionth at 256 gradients, and Gauss-Legendre drops to 1e-14 by 16 gradients. Right, with ReLU: both rules fall together, slowly, to about 5e-4 at 256 gradients."}} tags=["hide-input"]
record = evidence.results["rules"]
spent = np.array(record["steps"])
fig, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
for ax, name in zip(panels, ("tanh", "relu")):
    for rule, label, colour, line in (
        ("midpoint", "midpoint", "orange", "-"),
        ("gauss", "Gauss-Legendre", "blue", "--"),
    ):
        curves = np.array(record["error"][name][rule]).T
        ax.loglog(spent, curves, line, color=COLOURS[colour], lw=1)
        ax.plot([], [], line, color=COLOURS[colour], label=label)
    ax.set(xlabel="gradients for each image")
    ax.set_xticks([2, 16, 128], ["2", "16", "128"])
    ax.set_title({"tanh": "smooth: tanh", "relu": "kinked: ReLU"}[name])
panels[0].set_ylabel("largest error (logits)")
panels[1].legend()
plt.show()

# %% [markdown]
# On the smooth net sixteen gradients reach the last digit of the computer.
# On the ReLU net the same rule loses its advantage, because its promise is about smooth integrands and here the gradient jumps.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
error = {
    (net, rule): np.array(curves)
    for net, rules in record["error"].items()
    for rule, curves in rules.items()
}
last = list(spent).index(16)
order = {
    rule: np.polyfit(np.log(spent), np.log(error["relu", rule]).T, 1)[0]
    for rule in ("gauss", "midpoint")
}
claim(
    "With tanh, Gauss-Legendre errs by less than 1e-12 from 16 gradients on, where the "
    "midpoint rule errs by more than 1e-5; with ReLU both errors fall like 1/n, and "
    "neither is twice the other.",
    bool((error["tanh", "gauss"][:, last] < 1e-12).all())
    and bool((error["tanh", "midpoint"][:, last] > 1e-5).all())
    and all(bool((np.abs(s + 1) < 0.15).all()) for s in order.values())
    and bool(
        (np.abs(np.log2(error["relu", "gauss"] / error["relu", "midpoint"])) < 1).all()
    ),
    over="5 seeds, 20 digits each, 2 to 256 gradients, recorded",
)

# %% [markdown]
# So look at the net before you choose: smooth, take Gauss and few steps; piecewise linear, take the exact integral.
# In networks of their time, Sotoudeh and Thakur found errors of 25 to 45 % with the numbers of steps then in use {cite}`sotoudeh2019`.
#
# ## Many baselines, and a hidden layer: expected gradients and conductance
#
# A pixel that is black in the image and black in the baseline gets exactly nothing, whatever the model does, because its factor $x_i - b_i$ is zero; [Feature attribution](feature_attribution.ipynb) shows what a baseline can hide in that way.
# **Expected gradients** {cite}`erion2021` therefore take the mean over a background of real images, and draw the image and the place on its path at random.

# %%
background = torch.from_numpy(data.X_train[:40])
each = [exact_integrated_gradients(model, digit, image, b) for b in background]
truth = torch.stack(each).mean(dim=0)
sampled = expected_gradients(
    f, image, background, samples=20_000, generator=torch.Generator().manual_seed(0)
)
unlit = image[0] == 0
rows = [
    ["straight from black", float(maps["straight path"][0, unlit].abs().sum())],
    ["expected gradients, drawn", float(sampled[0, unlit].abs().sum())],
    ["mean of the exact integrals", float(truth[0, unlit].abs().sum())],
]
table(["black pixels of the image earn (sum of sizes)", "logits"], rows, digits=1)

# %% [markdown]
# Twenty thousand draws come close to the exact integrals' mean; the error falls with the root of their number.
#
# You can stop the path at a hidden layer, too.
# The **conductance** of unit $j$ {cite}`dhamdhere2019` is how much of the gain flows through it: the slope of the score with respect to the unit, times how fast the unit moves along the path.
#
# $$c_j = \int_0^1 \frac{\partial f}{\partial h_j}\; \frac{d h_j(\gamma(a))}{da}\, da$$
#
# The second factor is a derivative along one direction, which forward-mode differentiation gives for all units in one pass.
# At the same points of the path, units and pixels must add up to the same number.

# %%
assert float((sampled - truth).abs().max()) < 0.1
front, back = model[:2], class_score(model[2:], digit)
units = conductance(front, back, image, black, steps=50)
pixels = integrated_gradients(f, image, black, steps=50)
assert abs(float(units.sum() - pixels.sum())) < 1e-10
units.shape, pixels.shape

# %%
show_source(expected_gradients, conductance)

# %% [markdown]
# ## Break it: weights that do not add up to one
#
# The trapezoid rule counts its two end points half, and then the weights of $n$ points must be $1/(n-1)$, not $1/n$.
# With $1/n$ even a linear score, for which one point would do, loses a share.


# %%
def careless(steps):
    weights = np.full(steps, 1 / steps)
    weights[[0, -1]] /= 2
    return weights


rows = [
    [n, careless(n).sum(), quadrature("trapezoid", n)[1].sum()] for n in (2, 10, 50)
]
table(["points", "careless weights add up to", "ours"], rows, digits=2)

# %% [markdown]
# At two points half of the explanation is gone.
# The careless weights are no invention.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
agreement = evidence.results["agreement"]["largest difference"]
claim(
    "What captum 0.9.0 calls `riemann_trapezoid` is (n - 1)/n of the trapezoid rule.",
    agreement["trapezoid"] < 1e-6,
    over="n = 2, 7 and 50, an MLP and a convnet, 16 digits each, recorded",
)

# %% [markdown]
# ## Break it: a wrong map that adds up
#
# Was the five of the first figure a rare accident?
# The table puts six complete maps beside the straight path: three other roads, and three maps that are merely scaled to fit, the gradient, the gradient times the input, and the image itself, about which the network was asked nothing but its gain.

# %%
record = evidence.results["paths"]
alike = record["median correlation with the straight path"]
far = record["median largest difference over largest attribution"]
rows = [[n, min(alike[n]), max(alike[n]), min(far[n]), max(far[n])] for n in alike]
head = ["map", "correlation, least", "most", "difference, least", "most"]
table(head, rows, digits=2)

# %% [markdown]
# Each line holds the medians over 30 digits, the least and the most of 5 seeds; the difference is the largest one in a map, in units of the straight path's largest attribution.
# The roads tell similar stories, although the pixel on which they differ most differs by a good part of the strongest attribution.
# The scaled gradient tells another story, the scaled image one without a network, and the sum notices neither.
# Gradient times input, scaled, comes nearest to the straight path on these networks, for a single gradient, and the sum cannot tell you that either.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
turned = record["share of scaled gradients with every sign turned"]
claim(
    f"Scaled to fit, the gradient has every sign turned on {100 * min(turned):.0f} to "
    f"{100 * max(turned):.0f} % of the test images; it passes the sum check all the same, "
    "and so does the image itself.",
    min(turned) > 0.3
    and record["largest relative gap"] < 1e-10
    and max(alike["scaled image"]) < 0.6,
    over="all 450 test images and 5 seeds; the sums of 30 images each; recorded",
)

# %% [markdown]
# ## Break it: a staircase
#
# Many pipelines round their input somewhere.
# PyTorch gives every step of a staircase the slope zero, so a careless function would answer that no input mattered.
# Ours compares the ends of the path before it returns nothing but zeros.


# %% tags=["raises-exception"]
def staircase(x):
    return (10 * x).round().sum(dim=1)


integrated_gradients(staircase, end, start)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "The attributions add up to the score, so they are right."
# > **Adding up is one equation for all of them.** Every path passes it, and so do the gradient with its signs turned and the image itself, scaled to fit; compare each attribution with a finer integral as well.
# >
# > "Integrated gradients are the only method that satisfies the axioms."
# > **They satisfy them; that nothing else does was proved for another class of functions.** For networks it takes an axiom more, non-decreasing positivity {cite}`lundstrom2022`.
# >
# > "The background did not matter, because its attribution is zero."
# > **Where image and baseline are equal the attribution is zero for every model.** It is a property of the formula; choose the baseline before you interpret.
# >
# > "Gauss-Legendre needs fewer steps."
# > **On smooth networks.** With ReLU its error falls as slowly as the midpoint rule's; count the pieces, because the exact integral may cost no more.
#
# **Strengths**: defined by one line, cheap, the same for two networks that compute the same function, and exact where the network is piecewise linear.
#
# **Limits**: you choose the baseline and the path, and both change the map; the points between a baseline and an image look like neither, so the network is asked about inputs that it has never seen; and a share of a logit is no cause in the world.
#
# **Who is harmed when it fails**: patients without a disease whose doctor sees a coloured spot and reads it as a finding, or an applicant who is told that an attribute did not count because it equals the baseline's.
#
# **In production** take captum's `IntegratedGradients` with its default rule, print its convergence delta, and check single attributions with ten times the steps.

# %% [markdown]
# ## Check yourself
#
# **1.** Two tools divide the score of a loan among its inputs. The shares of A add up to the gain to ten digits, those of B miss it by one percent. Whose single shares may you trust?
#
# <details><summary>A's, because a single wrong share would spoil the sum.</summary>
#
# **Not so.** In the first figure the map `gradient, scaled to fit` has the sign of its gradient turned in every pixel, and it adds up to ten digits.
#
# </details>
#
# <details><summary>Neither's, until each is compared with a finer integral.</summary>
#
# **Right.** The sum is one equation for all the shares together, so errors of single ones can cancel in it.
#
# </details>
#
# <details><summary>A's to ten digits, and B's to about one percent of each.</summary>
#
# **Not so.** In `far` the scaled gradient misses the straight path, in the median, by more than that path's largest attribution, and its sum is exact.
#
# </details>
#
# **2.** An applicant of exactly average income is explained against the average applicant, and her income gets zero. What may you conclude?
#
# <details><summary>That the model made no use of her income.</summary>
#
# **Not so.** The `unlit` pixels got exactly zero from `black`, and several logits in all from a background of real images.
#
# </details>
#
# <details><summary>That the integral was taken in too few steps.</summary>
#
# **Not so.** The `straight path` was integrated exactly, without any steps, and it gave the `unlit` pixels exactly zero.
#
# </details>
#
# <details><summary>Nothing about what the model does with incomes.</summary>
#
# **Right.** The factor $x_i - b_i$ is zero, and so is the attribution, for any model. Another baseline may show more.
#
# </details>
#
# **3.** A power bill is price times amount, and both have risen. You divide the rise along the straight path from last year; your neighbour lets the price rise first, and so gives the amount a larger share. Who is mistaken?
#
# <details><summary>The neighbour: only the straight path pays out the whole rise.</summary>
#
# **Not so.** By `walk` each of the three `turns` pays out the whole 6.
#
# </details>
#
# <details><summary>Nobody: each of you has walked another path to the same end.</summary>
#
# **Right.** Both ways add up to the rise. That the straight one treats price and amount alike is an argument for it, but the sum is none.
#
# </details>
#
# <details><summary>The neighbour: with finer steps the two would come to the same.</summary>
#
# **Not so.** The gradient of a product is linear, so `walk` makes no error of steps, and the rows of `turns` differ all the same.
#
# </details>

# %% [markdown]
# ## Exercise 1: a path with a corner
#
# *Easy, 10 minutes.*
# Return the attributions of `x` along the path that goes straight from `start` to `corner` and then straight on to `x`.
# All three are tensors of shape (1, d), and `integrated_gradients(f, x, baseline)` is at your disposal.
#
# Hint: the attribution of a path is the sum of those of its legs; where does the second leg begin?


# %% tags=["exercise"]
def with_corner(f, start, corner, x):
    """Attributions, shape (1, d), of the path from start by way of corner to x."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_with_corner(attempt):
    def curved(x):
        return x[:, 0] * x[:, 1] + x[:, 0] ** 3

    begin, corner, x = torch.tensor([[[0.0, 1]], [[2, 1]], [[1, 3]]]).double()
    found = attempt(curved, begin, corner, x)
    first = integrated_gradients(curved, corner, begin)
    second = integrated_gradients(curved, x, corner)
    mistakes = {
        "That is the straight path: the corner is missing.": integrated_gradients(
            curved, x, begin
        ),
        "That is the last leg alone; the way to the corner earns, too.": second,
        "That is the first leg alone.": first,
        "The second leg begins at the corner, not at the start.": first
        + integrated_gradients(curved, x, begin),
        "You walked the legs backwards: every sign is turned.": -first - second,
        "The second leg runs backwards: its end comes first.": first - second,
    }
    check_answer(found, first + second, mistakes)


check_with_corner(with_corner)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def with_corner_solution(f, start, corner, x):
    there = integrated_gradients(f, corner, start)
    return there + integrated_gradients(f, x, corner)


check_with_corner(with_corner_solution)
# Why: an integral over a path is the sum of the integrals over its legs, and the score
# at the corner, which one leg gains and the other starts from, cancels in the total.

# %% [markdown]
# ## Exercise 2: one unit, exactly
#
# *Medium, 15 minutes.*
# Let $f(x) = \max(0, w \cdot x + c)$, with NumPy vectors `w`, `x` and `b` and a number `c`.
# Return the exact attributions on the straight path from `b` to `x`, without any steps.
# The unit is never exactly zero at an end of the path.
#
# Hint: on which share of the path is the unit awake? It may be all of it, none, the beginning or the end.


# %% tags=["exercise"]
def one_unit(w, c, x, b):
    """Exact attributions, shape (d,), of max(0, w @ x + c) from b to x."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
slopes, low, high = np.array([[1.0, -2, 0.5], [0, 1, 0], [4, 1, 1]])
cases = [(slopes, c, high, low) for c in (1.0, 9.0, -9.0)] + [(slopes, 1.0, low, high)]


def awake(w, c, x, b):
    small, large = sorted([w @ b + c, w @ x + c])
    return np.clip(large / (large - small), 0, 1)


def awake_at_end(w, c, x, b):
    return float(w @ x + c > 0)


def after_the_switch(w, c, x, b):
    before, after = w @ b + c, w @ x + c
    return 1 - np.clip(before / (before - after), 0, 1)


def by(share):
    return np.array([share(*case) * slopes * (case[2] - case[3]) for case in cases])


def check_one_unit(attempt):
    answers = [attempt(*case) for case in cases]
    mistakes = {
        "You took the gradient at x for the whole path.": by(awake_at_end),
        "You took the unit as awake all the way.": by(lambda *case: 1.0),
        "On that share the unit sleeps.": by(lambda *case: 1 - awake(*case)),
        "It may be awake at the beginning and asleep at the end.": by(
            lambda *case: awake(*case) * awake_at_end(*case)
        ),
        "The gradient is right; now multiply it by x - b.": np.array(
            [awake(*case) * slopes for case in cases]
        ),
        "The stretch awake may lie before the switch.": by(after_the_switch),
        "The unit's c is missing.": by(lambda w, c, x, b: awake(w, 0, x, b)),
    }
    waiting = any(answer is None for answer in answers)
    check_answer(None if waiting else answers, by(awake), mistakes)


check_one_unit(one_unit)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def one_unit_solution(w, c, x, b):
    low, high = sorted([w @ b + c, w @ x + c])
    share = np.clip(high / (high - low), 0, 1)
    return share * w * (x - b)


check_one_unit(one_unit_solution)
# Why: the unit is linear along the path, so it is awake on one stretch, whose share of
# the way is the positive part of its range. There its gradient is w, elsewhere zero.

# %% [markdown]
# ## Exercise 3: honest weights
#
# *Easy, 10 minutes.*
# Return the $n$ weights of the trapezoid rule on $[0, 1]$, for $n \ge 2$ equidistant points that include both ends.
#
# Hint: there is one interval less than there are points, and each interval counts half at its left and half at its right end.


# %% tags=["exercise"]
def trapezoid_weights(n):
    """Weights, shape (n,), of the trapezoid rule on [0, 1]."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_trapezoid_weights(attempt):
    ends_full, right = np.full(5, 1 / 4), quadrature("trapezoid", 5)[1]
    mistakes = {
        "These add up to 4/5: five points have four intervals.": careless(5),
        "Equal weights are right for the midpoint rule; here the ends count half.": np.full(
            5, 1 / 5
        ),
        "These add up to 5/4: each end belongs to one interval only.": ends_full,
        "Each interval has the length 1/4; these add up to 4.": 4 * right,
    }
    check_answer(attempt(5), right, mistakes)


check_trapezoid_weights(trapezoid_weights)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def trapezoid_weights_solution(n):
    weights = np.full(n, 1 / (n - 1))
    weights[[0, -1]] /= 2
    return weights


check_trapezoid_weights(trapezoid_weights_solution)
# Why: n points leave n - 1 intervals of length 1/(n - 1), and an inner point is an end of
# two of them. A rule whose weights do not add up to one is wrong for a constant already.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
single = [v for n, v in speed.items() if "steps" in n and "one image" in n]
many = [v for n, v in speed.items() if "64 images" in n]
Markdown(
    f"The exact integral of the convnet takes {1 / speed['exact, convnet, one image']:.1f} "
    "times as long as captum's 50 steps, and conductance in the convnet is "
    f"{1 / speed['conductance, convnet, 8 images']:.1f} times its time; at equal steps the "
    f"book's integrated gradients are {min(single):.1f} to {max(single):.1f} times quicker "
    f"on one image and {min(many):.1f} to {max(many):.1f} times on 64. "
    "None of the libraries compared has the exact integral."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% [markdown]
# With 64 images the peer's quickest setting counts, of three.
# The attributions agree for each rule, the trapezoid up to its missing share.
# Conductance differs on purpose, because captum takes finite differences between the points of the path, and comes nearer to ours with more of them.

# %% tags=["hide-output"]
hidden = evidence.results["agreement"]["conductance"]
rows = [
    *([f"rule {rule}, largest difference", d] for rule, d in agreement.items()),
    *([f"conductance, gap of the sum, {n}", max(g)] for n, g in hidden["gap"].items()),
    *(
        [f"conductance, captum with {n} steps, largest difference", d]
        for n, d in hidden["difference"].items()
    ),
]
rows = [[what, f"{size:.0e}"] for what, size in rows]
table(["agreement with captum, float64", "logits"], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > Explainability is the ability of AI systems to provide clear and understandable explanations for their decisions and actions. To ensure
#
# There the source breaks off, before it names a technique, so this page is [the book's own completion](../../book/explainability.md): integrated gradients belong to the first of its three techniques, feature attribution.
#
# ## References
#
# The integral along the straight path divides a cost in {cite:t}`aumann1974`, and {cite:t}`friedman2004` studies the methods that follow paths; {cite:t}`sundararajan2017` brought them to networks, {cite:t}`lundstrom2022` mended the proofs.
# The exact integral: {cite:t}`sotoudeh2019`; many baselines: {cite:t}`erion2021`; hidden layers: {cite:t}`dhamdhere2019`.
# The library compared: {cite:t}`kokhlikyan2020`; what happened: {cite:t}`sayres2019`.
