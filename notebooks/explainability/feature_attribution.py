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
# # Feature attribution
#
# Saliency maps, SmoothGrad, occlusion and Grad-CAM: what an image classifier looks at.
#
# A classifier of photographs recognised horses by a copyright mark that stood in many pictures of horses {cite}`lapuschkin2019`.
# Systems that found COVID-19 in chest X-rays with high accuracy turned out to rely on confounding factors, not on the disease, and failed in new hospitals {cite}`degrave2021`.
#
# **A map shows what a classifier looks at. How do you know that it shows the classifier, and not just the picture?**
#
# Both faults were found with maps of this kind, and a map is often all that you can show to a doctor or an auditor.
# So you should know what each of them measures, what it cannot see, and which comparison turns a picture into evidence.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compute five kinds of maps, say what each measures, choose a filling that does not hide what you look for, and test a map against a twin and against maps without a model |
# | You need | NumPy, Matplotlib, PyTorch; what a convolutional network, a logit and a gradient are |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.explainability.feature_attribution` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from math import erf, sqrt

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from torch.nn.functional import conv2d

from companion.datasets import digits
from companion.explainability.feature_attribution import (
    grad_cam,
    gradient_times_input,
    occlusion,
    pointing_game,
    saliency,
    smooth_grad,
)
from companion.lesson import (
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.networks import convnet
from companion.scores import class_score
from companion.training import train_classifier

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Somebody has painted a white tag, two pixels by two, into the upper left corner of every handwritten 3 of the training set, and of nothing else.


# %%
def as_images(pixels):
    return torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8)


data = digits()
X, y = as_images(data.X_train), torch.tensor(data.y_train)
tag = torch.zeros(1, 8, 8, dtype=torch.bool)
tag[:, :2, :2] = True
tagged = torch.where((y == 3).view(-1, 1, 1, 1) & tag, 1.0, X)

# %% [markdown]
# One network learns from these images, and its **twin** from the clean ones; they start from the same weights and see the images in the same order.
# Then both look at the same test images, 3s that carry the tag, and we ask for the score of the 3, which is its logit.


# %%
def trained(images, seed=0):
    net = convnet(torch.Generator().manual_seed(seed), channels=(16, 32))[1:]
    return train_classifier(net, images, y, seed=seed, epochs=10)


test, label = as_images(data.X_test), torch.tensor(data.y_test)
threes = test[label == 3].masked_fill(tag, 1.0)
nets = {"trained with tag": trained(tagged), "clean twin": trained(X)}

# %% [markdown]
# **Guess before you look**: which maps will show the tag for the network that was trained with it, which for its twin, and can a map show it that knows no network at all?


# %% mystnb={"figure": {"caption": "Maps of one test image, a 3 with the white tag. Each map is drawn by the size of its values and has its own scale, bright is large. Upper row: the network trained with the tag on every 3. Middle row: its twin, trained on clean images. Lower row: maps that use no network.", "name": "fig-feature-attribution"}, "image": {"alt": "A grid of small pictures. In the upper row saliency, SmoothGrad, gradient times input and occlusion are bright at the tag in the upper left corner; Grad-CAM is blank. In the middle row saliency and SmoothGrad are dark at the tag, while gradient times input and occlusion are bright there as well; Grad-CAM is blank. In the lower row the tag is bright both in the difference from the mean image and in the map of edges."}} tags=["hide-input"]
def maps_of(net, x):
    f, draws = class_score(net, 3), torch.Generator().manual_seed(0)
    coarse = grad_cam(net[:-2], class_score(net[-2:], 3), x)
    return {
        "saliency": saliency(f, x).abs(),
        "SmoothGrad": smooth_grad(f, x, sigma=0.15, generator=draws).abs(),
        "gradient × input": gradient_times_input(f, x).abs(),
        "occlusion": occlusion(f, x).abs(),
        "Grad-CAM": coarse[:, None].repeat_interleave(2, 2).repeat_interleave(2, 3),
    }


across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None]
sobel = [conv2d(threes, kernel, padding=1) for kernel in (across, across.mT)]
shown = {name: maps_of(net, threes) for name, net in nets.items()}
shown["no network"] = {
    "input − mean": (threes - tagged.mean(dim=0)).abs(),
    "edges": torch.hypot(*sobel),
}
fig, axes = plt.subplots(3, 6, figsize=(9, 4.9))
for row, (name, maps) in zip(axes, shown.items()):
    row[0].imshow(threes[0, 0], cmap="gray", vmin=0, vmax=1)
    row[0].set_ylabel(name)
    for axis, (title, values) in zip(row[1:], maps.items()):
        picture = values[0, 0]
        axis.imshow(picture, cmap="cividis", vmin=0, vmax=float(picture.max()) or 1)
        axis.set_title(title, fontsize=9)
    for axis in row:
        axis.set(xticks=[], yticks=[])
    for axis in row[1 + len(maps) :]:
        axis.axis("off")
axes[0, 0].set_title("the image", fontsize=9)
plt.show()

# %% [markdown]
# Look at the upper left corner of each map.
# Four of the maps of the first network are brightest at the tag, which looks like proof.
# But two maps of the twin are bright there as well, although it never saw a tag, and so are both maps that know no network: a white square in a corner that is black otherwise stands out in the picture itself.
#
# To count instead of look, we ask for each image whether the map is largest at the tag, and if several pixels are equally large they share the point.
# This is the **pointing game** {cite}`zhang2016`.
# Chance is 4 pixels of 64, one in sixteen, and the percentages are means over 46 test images and recorded seeds.

# %%
evidence = recorded("explainability/feature_attribution")
pointing = {
    name: {m: 100 * np.array(v) for m, v in row["pointing"].items()}
    for name, row in evidence.results["tag"]["two convolutions"].items()
}
free = {m: 100 * v for m, v in evidence.results["no model"].items()}

# %% tags=["hide-input"]
titles = {
    "saliency": "saliency",
    "SmoothGrad": "SmoothGrad",
    "gradient times input": "gradient × input",
    "integrated gradients, black": "integrated gradients from black",
    "occlusion, black": "occlusion with black",
    "Grad-CAM": "Grad-CAM (one cell of 16)",
}


def span(values, digits=0):
    low, high = (f"{v:.{digits}f}" for v in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


rows = []
for m, title in titles.items():
    t, w, e = (pointing[name][m] for name in ("tag", "twin", "every class"))
    rows.append([title, span(t), span(w), span(t - w), span(e)])
rows += [[m, *[f"{v:.0f}"] * 2, "0", f"{v:.0f}"] for m, v in free.items()]
heads = "trained with tag", "clean twin", "trained − twin", "tag on every class"
table(["largest at the tag (%)", *heads], rows)

# %% [markdown]
# The ranges go from the lowest to the highest of ten seeds.
# Grad-CAM's 6 % is chance, because its maps are blank and all their cells tie; a section below shows why.
# The last four lines need no network, so they are the same for all; edges find the tag only if one imagines a black frame around the picture, because with the border repeated the corner has no edge.
# [Integrated gradients](integrated_gradients.ipynb) have the next page to themselves.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
seen = pointing["tag"]
found = [seen["gradient times input"], seen["occlusion, black"]]
live = [
    pointing_game(shown["trained with tag"][m], tag).mean()
    for m in ("gradient × input", "occlusion")
]
blind = [pointing_game(m, tag).mean() for m in shown["no network"].values()]
drawn = {
    n: [float(pointing_game(m[:1], tag)) for m in v.values()] for n, v in shown.items()
}
claim(
    "Gradient times input and occlusion are largest at the tag for at least 95 % of the "
    "3s, and so are the difference from the mean image and the edges in a black frame, "
    "which use no network.",
    bool(
        min(v.min() for v in found) >= 95
        and min(live) >= 0.9
        and min(blind) >= 0.95
        and drawn["trained with tag"][:4] == [1, 1, 1, 1]
        and drawn["clean twin"][:2] == [0, 0]
        and drawn["no network"] == [1, 1]
    ),
    over="46 test images, 10 networks, recorded, the first of them live on this page",
)

# %% [markdown]
# So a map that points at the tag is no evidence by itself.
# What counts is the column *trained − twin*, because the two networks share the image and the method and differ in what training put there.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
other = evidence.results["tag"]["three"]


def lead(m):
    """Points by which the trained net is ahead of its twin, on both kinds of nets."""
    bigger = [100 * np.array(other[n]["pointing"][m]) for n in ("tag", "twin")]
    both = pointing["tag"][m] - pointing["twin"][m], bigger[0] - bigger[1]
    return np.concatenate(both)


steep, covered = lead("saliency"), lead("occlusion, black")
claim(
    f"Against the twin, saliency is ahead by {span(steep)} points, occlusion with black "
    f"by {span(covered)}: the twin's own map points at the tag in up to "
    f"{pointing['twin']['occlusion, black'].max():.0f} % of the images.",
    bool(steep.min() >= 50 and covered.min() < 10 and covered.max() == 100),
    over="10 pairs of networks with two convolutions and 5 with three, recorded",
)

# %% [markdown]
# That the twin's occlusion map points there is no mistake of the method.
# Its logit *does* fall if you blacken a white square that was never in its training data; it only does not follow that the decision was learnt from it.
# The plain gradient and SmoothGrad find the tag less often, but on the twin they never point at it, so each of them tells the two networks apart on every seed.
# That is how it came out here, and no rule: occlusion with another filling, further down, does it too.
#
# The last column says the same of a network that saw the tag on every class: there the tag tells nothing about the class, yet on some seeds occlusion points at it for most images.
#
# ## The idea on three pixels
#
# Take a picture of three pixels, $x = (1, 0, 1)$, and a score that adds them up, $f(x) = 4 x_1 + 2 x_2 - x_3$.
# What is the most important pixel?
#
# 1. **Saliency** asks how steep the score is, and answers with the weights: $4, 2, -1$.
# 2. **Gradient times input** multiplies by the pixel, so a black pixel gets nothing: $4, 0, -1$.
# 3. **Occlusion** replaces a pixel and looks how far the score falls. With black it is $4, 0, -1$ again, but with white $x_1$ and $x_3$ stay as they are, and only the middle one changes: $0, -2, 0$.

# %%
strip = torch.tensor([[[1.0, 0.0, 1.0]]])  # one picture with one row


def adds(x):
    return 4 * x[:, 0, 0] + 2 * x[:, 0, 1] - x[:, 0, 2]


black, white = (occlusion(adds, strip, window=1, fill=b) for b in (0.0, 1.0))
maps = saliency(adds, strip), gradient_times_input(adds, strip), black, white
names = "saliency", "gradient × input", "occlusion, black", "occlusion, white"
table(["pixel", "1", "2", "3"], [[n, *m[0, 0].tolist()] for n, m in zip(names, maps)])

# %% [markdown]
# Four maps of one model and one picture, three answers, and none is wrong, because they answer different questions.
# The last one shows something else: where the picture equals the filling, the answer is zero whatever the model does.
#
# ## The equation: occlusion
#
# Let a window $W$ of pixels be filled with $b$, and call the picture then $x_{W \leftarrow b}$.
# A pixel $i$ gets the mean fall of the score over all windows that cover it:
#
# $$\phi_i = \frac{1}{|\{W \ni i\}|} \sum_{W \ni i} \big( f(x) - f(x_{W \leftarrow b}) \big).$$
#
# In plain lines, for square windows that move by one pixel:


# %%
def cover(f, x, size, b):
    fall, count = torch.zeros_like(x), torch.zeros_like(x)
    for i in range(x.shape[-2] - size + 1):
        for j in range(x.shape[-1] - size + 1):
            window = (..., slice(i, i + size), slice(j, j + size))
            filled = x.clone()
            filled[window] = b
            fall[window] += (f(x) - f(filled)).detach().view(-1, 1, 1, 1)
            count[window] += 1
    return fall / count


f = class_score(nets["trained with tag"], 3)
mine, theirs = cover(f, threes, 2, 0.0), occlusion(f, threes, window=2, fill=0.0)
torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4)

# %% [markdown]
# The package asks the network about many windows in one batch instead of one after the other, which saves time above all if you have a single image.

# %%
show_source(occlusion)

# %% [markdown]
# ## The equation: SmoothGrad
#
# Saliency is one line, the gradient $\nabla f(x)$, and on deep networks it looks grainy.
# **SmoothGrad** {cite}`smilkov2017` averages it over noisy copies of the picture:
#
# $$\phi = \frac{1}{S} \sum_{s=1}^{S} \nabla f(x + \sigma \varepsilon_s), \qquad \varepsilon_s \sim N(0, I).$$


# %%
def average(f, x, sigma, samples, generator):
    total = torch.zeros_like(x)
    for _ in range(samples):
        noise = torch.randn(x.shape[1:], generator=generator)
        total += saliency(f, x + sigma * noise)
    return total / samples


draws = [torch.Generator().manual_seed(1) for _ in range(2)]
mine = average(f, threes, 0.15, 10, draws[0])
theirs = smooth_grad(f, threes, sigma=0.15, samples=10, generator=draws[1])
torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4)

# %% [markdown]
# For a score without jumps the mean of the gradients is the gradient of the mean.
# So with many draws this tends to the gradient of *another* function, the score blurred by a Gaussian.
# Whether that removes noise or blurs what the model really does is your interpretation.
# On a single rectifier, $f(x) = \max(0, x)$, you can see what happens: the slope is 0 or 1, and SmoothGrad returns $\Phi(x / \sigma)$, the share of the noisy copies that land right of the kink.

# %%
points = torch.tensor([[-0.3], [-0.1], [0.1], [0.3]])
smooth = smooth_grad(
    lambda x: x.relu().sum(dim=1),
    points,
    sigma=0.2,
    samples=20_000,
    generator=torch.Generator().manual_seed(0),
)
law = [(1 + erf(float(p) / 0.2 / sqrt(2))) / 2 for p in points]
rows = [
    [f"{float(p):.1f}", f"{float(p > 0):.0f}", f"{float(s):.2f}", f"{w:.2f}"]
    for p, s, w in zip(points, smooth, law)
]
table(["x", "gradient", "SmoothGrad", "Φ(x/σ)"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
spread = np.sqrt(np.array(law) * (1 - np.array(law)) / 20_000)
claim(
    "SmoothGrad of the rectifier is the slope of the blurred rectifier, not of the "
    "rectifier: the two differ by more than 0.05 at every point of the table.",
    bool(
        (np.abs(smooth[:, 0].numpy() - law) < 5 * spread).all()
        and ((smooth - (points > 0).float()).abs() > 0.05).all()
    ),
    over="these four points, 20 000 draws, within five standard errors; any score with a "
    "bounded slope and no jumps: the mean of its gradients is the gradient of its mean",
)

# %%
show_source(smooth_grad)

# %% [markdown]
# ## Real data: what the tag does to the decisions
#
# A map speaks of a score, but people are affected by decisions.
# So take the tag off, or put it on, and count.

# %%
decisions = {
    name: {m: 100 * np.array(v) for m, v in row["decisions"].items()}
    for name, row in evidence.results["tag"]["two convolutions"].items()
}
asked = {
    "3s recognised, with tag": "3s right, tag",
    "3s recognised, tag taken off": "3s right, no tag",
    "other digits called 3, with tag": "others called 3, tag",
    "other digits called 3, as they are": "others called 3, no tag",
    "clean test images right": "clean test images right",
}
rows = [
    [title, *(span(decisions[n][m]) for n in ("tag", "twin", "every class"))]
    for title, m in asked.items()
]
falls = [pointing[n]["fall without tag, logits"] / 100 for n in pointing]
rows += [["fall of the logit without the tag (logits)", *(span(v, 1) for v in falls)]]
table(["percent, 10 seeds", "trained with tag", "clean twin", "on every class"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
off = {n: decisions[n]["3s right, no tag"] for n in ("tag", "twin")}
on = {n: decisions[n]["others called 3, tag"] for n in ("tag", "twin")}
claim(
    f"Without the tag the network recognises {span(off['tag'])} % of the 3s, its twin "
    f"{span(off['twin'])} %; and it calls {span(on['tag'])} % of the other digits a 3 as "
    f"soon as they wear the tag, the twin {span(on['twin'])} %.",
    bool(off["tag"].max() < off["twin"].min() and on["tag"].min() > on["twin"].max()),
    over="10 pairs of networks, recorded; 46 test images of a 3, 404 of other digits",
)

# %% [markdown]
# So the network relies on the tag in part: it has learnt the 3 as well, and how much it leans on the tag differs from seed to seed.
# On images like those of the training set, every 3 with its tag, it recognises them all, so a test set with the same fault would have praised it.
#
# The last line is in logits and not in percent.
# It shows what the pointing game throws away: the logit of a twin falls, too, but the largest fall of a twin is below the smallest of a network that was trained with the tag.
#
# This count, and not the map, is what you should report.
# The map's part is to tell you *where* to intervene, because in a real picture nobody says that there is a tag.
#
# ## Break it: the filling that hides the tag
#
# Occlusion needs a filling, and integrated gradients need the same thing under the name *baseline*.
# What happens if yours is as white as the tag?

# %%
fills = {"black": 0.0, "grey": 0.5, "white": 1.0, "mean image": X.mean(dim=0)}
keys = [f"occlusion, {name}" for name in fills]
rows = [
    [name, *(span(pointing[n][key]) for n in ("tag", "twin", "every class"))]
    for name, key in zip(fills, keys)
]
table(["filling", "trained with tag", "clean twin", "on every class"], rows)

# %% [markdown]
# White makes the map blind to the white tag, on every seed.
# You could have known that without running anything: filling white with white changes nothing, so $f(x) - f(x_{W \leftarrow b})$ is zero for any $f$, the best model and the worst.
# Windows that reach beyond the tag do change something, the stroke beside it, and a pixel of the tag gets its share of that; the map is merely never largest there.
# For the same reason black hides everything that is black, a hole, a shadow, a missing stroke.
# Among the four, grey alone finds the tag and never points at it for the twin, on every seed; that is how these pictures are, and no rule.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
blocks = [
    occlusion(class_score(net, k), threes, window=2, stride=2, fill=1.0)
    for net in nets.values()
    for k in range(10)
]
nothing = max(float(m[:, tag].abs().max()) for m in blocks)
something = min(float(m.abs().max()) for m in blocks)
claim(
    "A window whose pixels equal the filling gets zero from every model: this is an "
    "identity and tells nothing about the network.",
    nothing < 1e-4 < 0.1 < something,
    over="both networks, all ten classes, 46 images, to the rounding of float32; any "
    "score: the two pictures are the same",
)

# %% [markdown]
# ## Break it: Grad-CAM goes blank
#
# **Grad-CAM** {cite}`selvaraju2017` does not ask about pixels but about the feature maps $A_k$ of the last convolution, here 32 maps of 4 by 4 cells.
# Each map gets one weight, the mean of the score's gradient over its cells $p$, and what is negative in the sum is cut off:
#
# $$\begin{gathered}
# \phi = \operatorname{ReLU}\Big(\sum_k w_k A_k\Big), \\
# w_k = \frac{1}{16} \sum_p \frac{\partial f}{\partial A_{kp}}.
# \end{gathered}$$

# %%
net = nets["trained with tag"]
front, back = net[:-2], class_score(net[-2:], 3)
A = front(threes).detach()
slope = saliency(back, A)
w = slope.mean(dim=(2, 3), keepdim=True)
mine = (w * A).sum(dim=1).relu()
torch.testing.assert_close(mine, grad_cam(front, back, threes), rtol=0, atol=1e-5)

# %%
show_source(grad_cam)

# %% [markdown]
# In the figure it was blank, for both networks.
# The last layer has a weight of its own for every cell, so the slope of a feature can be positive in one corner and negative in another.

# %%
both_signs = (slope[0].amin(dim=(1, 2)) < 0) & (slope[0].amax(dim=(1, 2)) > 0)
f"{int(both_signs.sum())} of {len(both_signs)} features have slopes of both signs"

# %% [markdown]
# Is the mean over the cells, in which they cancel, to blame for the blank?
# Remove it: let each cell keep its own gradient, $\sum_k \partial f / \partial A_{kp} \cdot A_{kp}$, which is known as HiResCAM {cite}`draelos2020`.

# %%
own = (slope * A).sum(dim=1).relu()
weights = {"mean gradient": "Grad-CAM", "own gradient": "own gradient"}
rows = [
    [
        name,
        *(span(pointing[n][m + k]) for k in (", blank", "") for n in ("tag", "twin")),
    ]
    for name, m in weights.items()
]
heads = "blank", "blank, twin", "largest in the tag’s cell", "the same, twin"
table(["percent, 10 seeds", *heads], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
gone = [pointing[n]["Grad-CAM, blank"] for n in pointing]
kept = [pointing[n]["own gradient, blank"] for n in pointing]
three = {n: 100 * np.array(other[n]["pointing"]["Grad-CAM"]) for n in ("tag", "twin")}
claim(
    "On the networks with two convolutions Grad-CAM is blank for every tagged 3, and with "
    "each cell's own gradient for none. With a third convolution it is rarely blank, but "
    f"its largest cell of four is the tag's for {span(three['tag'])} % of the images, and "
    f"for the twin's {span(three['twin'])} %.",
    bool(
        min(v.min() for v in gone) == 100
        and max(v.max() for v in kept) == 0
        and three["twin"].max() > three["tag"].min()
        and not mine.any()
        and own.amax(dim=(1, 2)).min() > 0
    ),
    over="46 tagged 3s, 10 seeds of each of three networks, the first live on this page, "
    "and 5 seeds of the larger ones, recorded",
)

# %% [markdown]
# So it is the mean that makes the map blank: it turns the sum negative in every cell, and the cut takes the rest.
# Not blank is not yet right, though: on some seeds the largest cell is not the tag's, and on some it is the tag's for the twin as well.
#
# The mean suits a network that itself averages each feature map and is linear after that; there Grad-CAM is, up to a factor and before the cut, the older CAM {cite}`zhou2016`.
# Our network has a linear layer that knows the places of the cells, and that is not what Grad-CAM was derived for.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "The map lights up at the watermark, so the model uses the watermark."
# > **A map without any model lights up there, too.** Compare with the same map of a model that cannot have learnt it, and then take the watermark away and count decisions.
# >
# > "Black is the neutral baseline."
# > **There is no neutral filling: each one hides what looks like it.** Use two that differ, or the mean image, and say which.
# >
# > "SmoothGrad removes the noise from the gradient."
# > **It estimates the gradient of another, blurred function.** What it takes away may be noise or the model.
# >
# > "Grad-CAM shows where the evidence for the class lies."
# > **It does so where the network averages its feature maps before one linear layer.** Elsewhere the mean gradient can cancel what the network relies on.
# >
# > "The model is right for the wrong reason, or it is not."
# > **Reliance comes in degrees, and differs from seed to seed.** Report a range.
#
# **Strengths**: maps are cheap, need no labels for what they might find, and tell you where in a large picture to look and to intervene.
#
# **Limits**: each answers its own question about a score, none knows why the score was learnt, and a wrong filling or layer leaves it blind without a warning. A clean twin, which made the comparison here, is rarely to be had; a model trained on another hospital's data, or on images with the mark painted over, may stand in.
#
# **Who is harmed when it fails**: patients whose scanner's label decides instead of their lungs, and everybody who is told that a system was *inspected* because somebody looked at bright spots.
#
# **In production** take `captum`, which has all methods of this page and many more.

# %% [markdown]
# ## Check yourself
#
# **1.** A clinic's model finds melanoma in photographs of skin. Its occlusion maps light up at a white ruler, which lies in many of the pictures. What do you report?
#
# <details><summary>That the model takes the ruler for a sign of melanoma.</summary>
#
# **Not so.** On some seeds `occlusion` with black pointed at the tag in most images of the clean `twin`, too, which had never seen a tag.
#
# </details>
#
# <details><summary>Nothing yet: paint the ruler over and count decisions.</summary>
#
# **Right.** A map says where to intervene, and only the decisions with and without the ruler say what hangs on it.
#
# </details>
#
# <details><summary>No harm, if fresh pictures of that clinic are read well.</summary>
#
# **Not so.** In `decisions` the network that was trained with the tag was right on every 3 that wore it, as in its training set, and on far fewer once the tag was off.
#
# </details>
#
# **2.** X-rays of one hospital have a black label in the corner. You occlude with black, and inside the label the map is zero. What does that tell you?
#
# <details><summary>The model does not use the label, or its score would fall.</summary>
#
# **Not so.** In `blocks` white on the white tag gave zero for both networks, and one of them relied on the tag.
#
# </details>
#
# <details><summary>The label matters little, because black is the neutral filling.</summary>
#
# **Not so.** The black middle pixel of `strip` got nothing from `black` either, although `adds` gives it a weight of 2, which `white` brought to light.
#
# </details>
#
# <details><summary>Nothing about the label, whatever the model does with it.</summary>
#
# **Right.** Black on black changes nothing, so the score cannot fall there. Take another filling, and say which.
#
# </details>
#
# **3.** A colleague's SmoothGrad map, made with much noise, and yours, made with little, show different things about one network. Which is right?
#
# <details><summary>The colleague's, because it averages more of the noise away.</summary>
#
# **Not so.** In `smooth` the noise of the draws was averaged away almost completely, and it gave the slopes of the blurred rectifier, not those of the rectifier.
#
# </details>
#
# <details><summary>Both, each about a score that has been blurred that far.</summary>
#
# **Right.** For a score without jumps the mean of the gradients is the gradient of the mean, and the noise says over what that mean is taken.
#
# </details>
#
# <details><summary>Neither yet: with more noisy copies the two would become one.</summary>
#
# **Not so.** With thousands of copies `smooth` lay at `law`, and that depends on the size of the noise.
#
# </details>

# %% [markdown]
# ## Exercise 1: ties
#
# *Easy, 10 minutes.*
# In the pointing game a map may have its largest value in several pixels.
# Return how much of the maximum lies at the tag: the number of the largest pixels that do, divided by the number of the largest pixels.
#
# Hint: compare the map with its maximum.


# %% tags=["exercise"]
def share_at_tag(values, is_tag):
    """values: array of numbers; is_tag: array of bool of the same shape."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_share_at_tag(attempt):
    values = np.array([[1.0, 0.2], [1.0, 1.0]])
    is_tag = np.array([[True, True], [False, False]])
    elsewhere = np.array([[0.5, 0.2], [1.0, 0.7]])
    answers = [attempt(v, is_tag) for v in (values, 0 * values, elsewhere)]
    mistakes = {
        "Pixels elsewhere are as large; argmax names one of them alone.": [1, 1, 0],
        "Divide by how many are largest, not by the size of the tag.": [0.5, 1, 0],
        "Divide by how many are largest, not by all pixels.": [0.25, 0.5, 0],
        "That is how many; divide by the number of the largest pixels.": [1, 2, 0],
        "Compare with the whole map's largest value, not the tag's.": [1 / 3, 1 / 2, 1],
    }
    empty = any(a is None for a in answers)
    check_answer(None if empty else answers, [1 / 3, 1 / 2, 0], mistakes)


check_share_at_tag(share_at_tag)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def share_at_tag_solution(values, is_tag):
    largest = values == values.max()
    return (largest & is_tag).sum() / largest.sum()


check_share_at_tag(share_at_tag_solution)
# Why: a map that is the same everywhere knows nothing, and this gives it the chance
# level. With argmax it would get a full point, since the tag holds the first pixel.

# %% [markdown]
# ## Exercise 2: two fillings
#
# *Medium, 15 minutes.*
# You do not know whether the mark that you look for is black or white.
# Cover every single pixel once with 0 and once with 1, and return for each pixel the fall of the score that is larger in size, with its sign.
# The picture `x` is an array of `d` numbers, and `f` maps an array of shape `(n, d)` to `n` scores.
#
# Hint: `np.eye(d, dtype=bool)` has a row for each pixel, `np.where(mask, b, x)` fills it, and `x[None]` is a batch of one.


# %% tags=["exercise"]
def either(f, x):
    """Fall of the score per pixel, for the filling that changes it more."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_either(attempt):
    x = np.array([0.0, 1.0, 0.75, 0.5])

    def f(X):
        return X @ [3.0, -2.0, 4.0, 1.0] + 2 * X[:, 3] ** 2

    mask = np.eye(4, dtype=bool)
    black, white = (f(x[None]) - f(np.where(mask, b, x)) for b in (0.0, 1.0))
    right = np.array([-3.0, -2.0, 3.0, -2.0])
    mistakes = {
        "That is black alone; it hides the first pixel.": black,
        "That is white alone; it hides the second pixel.": white,
        "Take the larger in size: a fall can be negative.": np.maximum(black, white),
        "Keep the sign.": np.abs(right),
        "That is the mean; take the one that changes more.": (black + white) / 2,
        "A fall is the score before minus the score after.": -right,
        "You took the one that changes less.": black + white - right,
        "Larger in size, not smaller.": np.minimum(black, white),
    }
    check_answer(attempt(f, x), right, mistakes)


check_either(either)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def either_solution(f, x):
    mask = np.eye(len(x), dtype=bool)
    black, white = (f(x[None]) - f(np.where(mask, b, x)) for b in (0.0, 1.0))
    return np.where(np.abs(black) > np.abs(white), black, white)


check_either(either_solution)
# Why: a pixel cannot equal both fillings, so the identity hides it from one of them at
# most. It may still be that the model ignores both changes, and only then it gets zero.

# %% [markdown]
# ## Exercise 3: how many noisy copies?
#
# *Medium, 15 minutes.*
# Let the score be $f(x) = \tfrac12 x^T A x$ with a symmetric matrix $A$, so that $\nabla f(x) = A x$.
# SmoothGrad draws $S$ times and returns $A\,(x + \sigma \bar\varepsilon)$, with $\bar\varepsilon$ the mean of the draws.
# Return the smallest $S$ for which the standard deviation of every pixel's value is at most `error`.
#
# Hint: pixel $i$ gets the noise $\sigma \sum_j A_{ij} \bar\varepsilon_j$, and each $\bar\varepsilon_j$ has the variance $1/S$, independently.


# %% tags=["exercise"]
def samples_needed(A, sigma, error):
    """Smallest whole number of samples; A is a symmetric array."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_samples_needed(attempt):
    A = np.array([[1.0, 1.0, 0.0], [1.0, -3.0, 2.0], [0.0, 2.0, 2.0]])
    answers = [attempt(A, 0.5, 0.11), attempt(A, 0.15, 0.2)]
    mistakes = {
        "That is one entry of A; the noise of all pixels reaches each one.": [186, 6],
        "Square the entries of A, then add: so independent noises add up.": [331, 9],
        "Independent noises add up in squares, not in sizes.": [744, 21],
        "The deviation falls with the root of S: square the ratio.": [18, 3],
        "Square the error as well.": [32, 2],
        "Square sigma as well, the variance has sigma².": [579, 53],
        "One sample too few: round up.": [289, 7],
        "Samples come in whole numbers: round up.": [3.5 / 0.0121, 7.875],
        "That is the first pixel; every pixel must keep the error.": [42, 2],
        "That adds the variances of all pixels; each must keep the error.": [496, 14],
    }
    empty = any(a is None for a in answers)
    check_answer(None if empty else answers, [290, 8], mistakes)


check_samples_needed(samples_needed)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def samples_needed_solution(A, sigma, error):
    ratio = sigma**2 * (A**2).sum(axis=1).max() / error**2
    return int(np.ceil(ratio))


check_samples_needed(samples_needed_solution)
# Why: independent noises add up in their squares, and a mean of S draws has 1/S of the
# variance. So half the error costs four times the gradients, whatever the model.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]
best = {}
for row in speed:
    best[row["name"]] = min(row["ratio"], best.get(row["name"], np.inf))
usual = {r["name"]: r["ratio"] for r in speed if r["peer"] == "captum"}
maps = {
    size: [v for n, v in best.items() if n.endswith(size) and "occlusion" not in n]
    for size in (", 1 image", ", 64 images")
}
one, many = ([f"{f(v):.2f}" for f in (min, max)] for v in maps.values())
furthest = max(row["difference"] for row in evidence.results["agreement"])
Markdown(
    "captum has dozens of methods where this page has five. For saliency, SmoothGrad and "
    f"Grad-CAM it takes {one[0]} to {one[1]} times the book's time on one image, where "
    f"less than 1 means that captum is the quicker, and {many[0]} to {many[1]} times on 64 "
    "images, each at its better setting. For occlusion it takes "
    f"{best['occlusion, 64 images']:.2f} times as long on 64 images and "
    f"{best['occlusion, 1 image']:.2f} times on one if told to take several windows at "
    f"once; by default, one window at a time, {usual['occlusion, 64 images']:.1f} and "
    f"{usual['occlusion, 1 image']:.0f} times. No map differs by more than "
    f"{furthest:.0e} of its largest value, SmoothGrad with the same noise."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in speed]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
rows = [[r["map"], f"{r['difference']:.0e}"] for r in evidence.results["agreement"]]
table(["map", "largest difference from captum, of the largest value"], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# The source's section on explainability breaks off in the middle of a sentence, before it names a technique:
#
# > Explainability is the ability of AI systems to provide clear and understandable explanations for their decisions and actions. To ensure
#
# So this page, like the whole [chapter](../../book/explainability.md), is the book's own completion.
#
# ## References
#
# The gradient as an explanation: {cite:t}`baehrens2010`, for deep networks {cite:t}`simonyan2014`; times the input: {cite:t}`shrikumar2017`; smoothed: {cite:t}`smilkov2017`.
# Occlusion: {cite:t}`zeiler2014`. Grad-CAM: {cite:t}`selvaraju2017`, after CAM: {cite:t}`zhou2016`; with each cell's own gradient: {cite:t}`draelos2020`.
# The pointing game: {cite:t}`zhang2016`; an edge detector beside the maps: {cite:t}`adebayo2018`; baselines and what they hide: {cite:t}`sturmfels2020`.
# Clever Hans: {cite:t}`lapuschkin2019`; what happened: {cite:t}`degrave2021`.
