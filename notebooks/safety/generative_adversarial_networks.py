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
# # Generative adversarial networks
#
# GANs with the non-saturating loss and the R1 penalty, the optimal discriminator, and the Fréchet distance (FID) beside its floor.
#
# In 2022 a study showed 315 people faces that were either photographs or made by a GAN, and they told them apart 48 % of the time, where a coin is right in 50 {cite}`nightingale2022`.
# Yet a plain classifier that had seen the pictures of one generator only recognised those of many others, too {cite}`wang2020`.
#
# **How do you know how close an invention is to the real thing?**
#
# You need the answer when your system is shown pictures or voices that somebody may have made up, and before you train anything on data that a model invented.
# The game of two networks on this page is also the method that the source names for the whole chapter.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | train a GAN that does not collapse, say what its discriminator's loss proves and what it does not, and measure fakes against the floor and against baselines that need no training |
# | You need | NumPy, Matplotlib, SciPy, scikit-learn, PyTorch; what a density, a gradient, a covariance matrix and a neural network's training are |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.safety.generative_adversarial_networks` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from scipy.linalg import sqrtm
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PolynomialFeatures
from torch import nn

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
from companion.safety.generative_adversarial_networks import (
    discriminator_loss,
    frechet_distance,
    gaussian_frechet_distance,
    generator_loss,
    optimal_discriminator_loss,
    r1_penalty,
    saturating_generator_loss,
    train_gan,
)
from companion.training import train_classifier

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Three sources invent handwritten digits of 8 by 8 pixels: a GAN with the R1 penalty, the same GAN without it, and ten bell curves, one for each class, whose means and covariances are read off the training images in one line.
#
# **Guess before you look**: which of the three comes closest to the real digits, and would a fresh network still tell it from them?

# %% mystnb={"figure": {"caption": "Left: real test images and what three sources invent, trained live. Right: Fréchet distance to 450 test images, with the range of two real sets in grey, and how many images of both kinds a fresh discriminator names correctly. Each dot is a recorded seed or draw.", "name": "fig-gan"}, "image": {"alt": "Left: four strips of small digits; the real ones, those of the GAN and those of one Gaussian per class look alike, those of the GAN without R1 repeat few shapes. Right: by Fréchet distance the GAN, the Gaussians, copies of training images and copies without any 8 lie in or just above the grey band of real images, the GAN without R1 lies far above. In the last panel a fresh discriminator is right for about half of the copies, but for most of the images of the Gaussians and of the GAN."}} tags=["hide-input"]
evidence = recorded("safety/generative_adversarial_networks")
models, floor = evidence.results["models"], evidence.results["floor"]
data = digits()
X = torch.tensor(data.X_train, dtype=torch.float32)
test = torch.tensor(data.X_test, dtype=torch.float32)
steps = evidence.results["steps"]
gan, without = (
    train_gan(X, 0, steps=steps, gamma=g, output=nn.Sigmoid) for g in (1.0, 0.0)
)
fakes, collapsed = (
    g.sample(450, torch.Generator().manual_seed(1)) for g in (gan, without)
)
rng = np.random.default_rng(0)
bells = [data.X_train[data.y_train == c] for c in range(10)]
bells = [rng.multivariate_normal(x.mean(axis=0), np.cov(x.T), 45) for x in bells]
bells = rng.permutation(np.concatenate(bells)).clip(0, 1)


def strip(images):
    rows = np.asarray(images)[:20].reshape(2, 10, 8, 8)
    return rows.transpose(0, 2, 1, 3).reshape(16, 80)


strips = {"real": test, "GAN": fakes, "Gaussian per class": bells}
strips["GAN without R1"] = collapsed
fig = plt.figure(figsize=(10, 4.2))
grid = fig.add_gridspec(4, 3, width_ratios=[2.0, 1, 0.8])
for row, (name, images) in enumerate(strips.items()):
    axes = fig.add_subplot(grid[row, 0])
    axes.imshow(strip(images), cmap="gray_r", vmin=0, vmax=1)
    axes.set_title(name, fontsize=10)
    axes.set_axis_off()
names = ["GAN without R1", "one Gaussian", "GAN", "Gaussian per class"]
names += ["copies without 8s", "copies"]
far, told = fig.add_subplot(grid[:, 1]), fig.add_subplot(grid[:, 2])
for y, name in enumerate(names):
    colour = COLOURS["blue" if "GAN" in name else "orange"]
    far.plot(models[name]["450"], [y] * len(models[name]["450"]), "o", color=colour)
    share = 100 * np.array(models[name]["told apart"])
    told.plot(share, [y] * len(share), "o", color=colour)
far.axvspan(min(floor["450"]), max(floor["450"]), color="grey", alpha=0.3)
far.set(xscale="log", xlabel="Fréchet distance", yticks=range(6), yticklabels=names)
told.set(xlabel="told apart (%)", xlim=(45, 102), yticks=range(6), yticklabels=[])
plt.show()

# %% [markdown]
# The Fréchet distance puts the GAN where two sets of real images stand, and that would be the happy end if you looked no further.
# But ten bell curves stand there, too, without any training; copies of the training images do, of which nobody would say that they were invented; and it hardly minds when every 8 is missing.
# A fresh discriminator, on images that it never saw, disagrees: it tells most of the GAN's digits from real ones, and those of the bell curves less well.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
score = {name: np.array(row["450"]) for name, row in models.items()}
apart = {name: np.array(row["told apart"]) for name, row in models.items()}
claim(
    "By the Fréchet distance the GAN is level with one Gaussian per class and with "
    "copies, but a fresh discriminator recognises more of the GAN's images than of either.",
    bool(
        score["GAN"].max() < 1.5 * score["Gaussian per class"].max()
        and score["GAN"].min() < score["copies"].max()
        and apart["GAN"].min() > apart["Gaussian per class"].max() > apart["copies"].max()
    ),
    over="5 GANs, 10 draws of each baseline, 450 images each, recorded",
)

# %% [markdown]
# ## The idea on two kinds of picture
#
# Let the real pictures be dark with probability $3/4$ and light with $1/4$, and let the generator do the reverse.
# A discriminator who sees a dark picture, and knows that real and generated ones come equally often, should say *real* with probability $\tfrac{3/4}{3/4 + 1/4} = 3/4$, and for a light one $1/4$.
# Its loss is what it pays, in nats, for not being sure: $-\log \tfrac34$ in three of four cases and $-\log \tfrac14$ in the fourth, for the real pictures and once more for the fakes,
#
# $$2\,\big(-\tfrac34 \log \tfrac34 - \tfrac14 \log \tfrac14\big) = 1.125 .$$
#
# Nobody can pay less.
# If the generator were perfect, the best answer would be *one half* each time, at a cost of $2 \log 2 = 1.386$, so what is missing to $1.386$ measures how far the generator still is.

# %%
p, q = np.array([3 / 4, 1 / 4]), np.array([1 / 4, 3 / 4])
loss = optimal_discriminator_loss(p, q)
rows = [["best loss", loss], ["missing to 2 log 2", 2 * np.log(2) - loss]]
table(["dark and light", "nats"], rows, digits=4)

# %% [markdown]
# ## The equation: the optimal discriminator and its loss
#
# Let $p$ be the density of the real data and $q$ that of the fakes, and let the discriminator return a **logit** $D(x)$, any real number, which says *real* with probability $\sigma(D) = 1 / (1 + e^{-D})$.
# Its loss is the cross-entropy with real as 1 and fake as 0,
#
# $$L_D = \int p(x) \log\big(1 + e^{-D(x)}\big) + q(x) \log\big(1 + e^{D(x)}\big)\, dx .$$
#
# At each $x$ for itself the derivative $-p\,\sigma(-D) + q\,\sigma(D)$ vanishes where $\sigma(D) = p / (p + q)$, that is at
#
# $$D^*(x) = \log p(x) - \log q(x), \qquad L_{D^*} = 2 \log 2 - 2\,\mathrm{JS}(p, q),$$
#
# where the **Jensen-Shannon divergence** JS is 0 for equal densities and $\log 2$ for those that never meet.
# In plain lines, with the integral as a sum over nodes of weight $w$:


# %%
def best_loss(p, q, w):
    D = np.log(p) - np.log(q)
    real = (w * p * np.log(1 + np.exp(-D))).sum()
    fake = (w * q * np.log(1 + np.exp(D))).sum()
    return real + fake


x = (np.arange(100_000) + 0.5) / 100_000
p, q, w = np.ones_like(x), 2 * x, np.full_like(x, 1e-5)
assert abs(best_loss(p, q, w) - optimal_discriminator_loss(p, q, w)) < 1e-9

# %% [markdown]
# The pair is one whose integral can be done by hand: real data spread evenly over $[0, 1]$, fakes with the density $2x$.
# It comes to $\tfrac94 \log 3 - \log 2 - \tfrac12$, and the divergence that goes with it is what every discriminator on this pair can at most prove.

# %%
closed = 9 / 4 * np.log(3) - np.log(2) - 1 / 2
assert abs(best_loss(p, q, w) - closed) < 1e-8
js = np.log(2) - closed / 2
rows = [["by quadrature", best_loss(p, q, w)], ["by hand", closed]]
table(["best loss", "nats"], [*rows, ["divergence JS", js]], digits=6)

# %%
show_source(optimal_discriminator_loss)

# %% [markdown]
# ## What a trained discriminator proves
#
# The equation speaks of the best discriminator of all, and a trained one is not that.
# Because its loss can only be higher, it proves a lower bound,
#
# $$\mathrm{JS}(p, q) \ge \log 2 - L_D / 2,$$
#
# and it does so only on samples that it was not trained on.
# Here a logistic regression, with a straight line and with a polynomial of degree 25, learns from 40 samples of each kind, and its loss is taken on those and on 100,000 fresh ones.


# %%
def bounds(degree, seed):
    rng = np.random.default_rng(seed)
    sizes = 40, 100_000  # of each kind: to learn from, and held out
    real, fake = ([rng.random(n) for n in sizes], [rng.random(n) ** 0.5 for n in sizes])
    powers = PolynomialFeatures(degree)
    x = powers.fit_transform(np.r_[real[0], fake[0]][:, None])
    label = np.r_[np.ones(40), np.zeros(40)]
    model = LogisticRegression(C=1e6, max_iter=5000).fit(x, label)
    logits = [
        [
            torch.tensor(model.decision_function(powers.transform(v[i][:, None])))
            for v in (real, fake)
        ]
        for i in (0, 1)
    ]
    return [np.log(2) - float(discriminator_loss(*pair)) / 2 for pair in logits]


found = {d: np.array([bounds(d, seed) for seed in range(5)]) for d in (1, 25)}
rows = [
    [f"degree {d}", *(f"{v:+.2f}" for v in np.median(b, axis=0)), f"{js:+.2f}"]
    for d, b in found.items()
]
table(["log 2 - loss / 2", "own samples", "held out", "truth"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "On held-out samples none of the discriminators claims more than the true "
    "divergence; on its own samples the flexible one does each time.",
    bool(
        max(b[:, 1].max() for b in found.values()) < js + 0.003
        and found[25][:, 0].min() > js
    ),
    over="5 seeds each; the bound for held-out samples is a theorem, up to sampling error",
)
