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
# The game of two networks on this page is also the method that the source names for the whole chapter; [Generative adversarial training](generative_adversarial_training.ipynb) plays it against a classifier.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | train a GAN that does not collapse, say what its discriminator's loss proves and what it does not, and measure fakes against the floor and against baselines that need no training |
# | You need | NumPy, Matplotlib, SciPy, PyTorch; what a density, a gradient, a covariance matrix and the training of a neural network are |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.safety.generative_adversarial_networks` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from scipy.linalg import sqrtm
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
# Three sources invent handwritten digits of 8 by 8 pixels: a GAN with a penalty called R1, the same GAN without it, and ten bell curves, one for each class, whose means and covariances are read off the training images in one line.
#
# **Guess before you look**: which of the three comes closest to the real digits, and would a fresh discriminator, a network trained from scratch to tell them apart, still recognise it?

# %% mystnb={"figure": {"caption": "Left: real test images and what three sources invent, trained live. Right: Fr\u00e9chet distance to 450 test images, with the range of two real sets in grey, and how many images of both kinds a fresh discriminator names correctly. Each dot is a recorded seed or draw; those of the GANs are blue.", "name": "fig-gan"}, "image": {"alt": "Left: four strips of small digits; the real ones, those of the GAN and those of one Gaussian per class look alike, those of the GAN without R1 repeat few shapes. Right: by Fr\u00e9chet distance the GAN, the Gaussians, copies of training images and copies without any 8 lie in or just above the grey band of real images, the GAN without R1 lies far above. In the last panel a fresh discriminator is right for about half of the copies, but for most of the images of the Gaussians and of the GAN."}} tags=["hide-input"]
evidence = recorded("safety/generative_adversarial_networks")
models, floor = evidence.results["models"], evidence.results["floor"]
data = digits()
X = torch.tensor(data.X_train, dtype=torch.float32)
test = torch.tensor(data.X_test, dtype=torch.float32)
steps = evidence.results["steps"]
seen = {}  # what the generators make on their way


def watch(step, g):
    seen[step] = g.sample(450, torch.Generator().manual_seed(1))


without = train_gan(X, 0, steps=steps, gamma=0.0, output=nn.Sigmoid, watch=watch)
collapsed = seen[steps]
gan = train_gan(X, 0, steps=steps, gamma=1.0, output=nn.Sigmoid, watch=watch)
fakes, early = seen[steps], seen[300]
rng = np.random.default_rng(0)
bells = [data.X_train[data.y_train == c] for c in range(10)]
bells = [rng.multivariate_normal(x.mean(axis=0), np.cov(x.T), 45) for x in bells]
bells = rng.permutation(np.concatenate(bells)).clip(0, 1)


def strip(images):
    digits = np.asarray(images)[:24].reshape(2, 12, 8, 8)
    digits = np.pad(digits, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return digits.transpose(0, 2, 1, 3).reshape(20, 120)


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
# By the Fréchet distance the GAN stands next to the grey band of two real sets, and that would be the happy end if you looked no further.
# But ten bell curves stand there, too, without any training; so do copies of the training images, which nobody would call invented; and the distance hardly minds when every 8 is missing.
# A fresh discriminator, asked about images that it never saw, disagrees: it tells most of the GAN's digits from real ones, and those of the bell curves somewhat less well.
# The GAN without R1 looks hopeless here, but do not conclude that R1 was the cause before you have seen the sweep further down.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
score = {name: np.array(row["450"]) for name, row in models.items()}
apart = {name: np.array(row["told apart"]) for name, row in models.items()}
low, high = score["Gaussian per class"].min(), score["Gaussian per class"].max()
claim(
    "By the Fréchet distance no GAN falls outside the range of one Gaussian per class; "
    "but a fresh discriminator recognises more of the GANs' images than of the "
    "Gaussians', and none of the copies better than by guessing.",
    bool(
        (low < score["GAN"]).all()
        and (score["GAN"] < high).all()
        and apart["GAN"].min() > apart["Gaussian per class"].max()
        and apart["copies"].max() < 0.51
    ),
    over="5 GANs and 10 draws of the Gaussians, 450 images each, and 5 fresh "
    "discriminators for each of the three, recorded",
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
# $$L_D = \int p(x) \log\big(1 + e^{-D(x)}\big)\, dx$$
#
# $$+ \int q(x) \log\big(1 + e^{D(x)}\big)\, dx .$$
#
# At each $x$ for itself the derivative $-p\,\sigma(-D) + q\,\sigma(D)$ vanishes where $\sigma(D) = p / (p + q)$, that is at
#
# $$D^*(x) = \log p(x) - \log q(x).$$
#
# Put it in, write $m = (p + q)/2$ for the mean of the two densities, and what is left is
#
# $$L_{D^*} = -\int p \log \frac{p}{2m} - \int q \log \frac{q}{2m}$$
#
# $$= 2 \log 2 - 2\,\mathrm{JS}(p, q),$$
#
# $$\mathrm{JS} = \tfrac12 \int p \log \frac{p}{m} + \tfrac12 \int q \log \frac{q}{m} .$$
#
# The **Jensen-Shannon divergence** JS is 0 for equal densities and $\log 2$ for those that never meet.
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
# Because its loss can only be higher, it proves a lower bound {cite}`goodfellow2014`,
#
# $$\mathrm{JS}(p, q) \ge \log 2 - L_D / 2,$$
#
# and it does so only on samples that it was not trained on.
# Here two discriminators learn from 200 samples of each kind: they cut $[0, 1]$ into 4 or into 100 bins and return the logarithm of the two counts' ratio, with one half added to each count.
# Their loss is taken on those samples, and on 100,000 that they have not seen.


# %%
def bounds(bins, seed, n=200):
    rng = np.random.default_rng(seed)
    real, fake = rng.random(n + 100_000), np.sqrt(rng.random(n + 100_000))
    real, fake = ((bins * v).astype(int) for v in (real, fake))
    counts = [np.bincount(v[:n], minlength=bins) + 0.5 for v in (real, fake)]
    D = torch.tensor(np.log(counts[0]) - np.log(counts[1]))
    parts = slice(n), slice(n, None)  # its own samples, and held-out ones
    losses = [discriminator_loss(D[real[part]], D[fake[part]]) for part in parts]
    return [np.log(2) - float(loss) / 2 for loss in losses]


found = {b: np.array([bounds(b, seed) for seed in range(5)]) for b in (4, 100)}
rows = [[f"{b} bins", *np.median(f, axis=0), js] for b, f in found.items()]
table(["log 2 - loss / 2", "own samples", "held out", "true JS"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "On held-out samples neither discriminator claims more than the true divergence; "
    "on its own samples the flexible one claims more than twice as much.",
    bool(
        max(f[:, 1].max() for f in found.values()) < js
        and found[100][:, 0].min() > 2 * js
    ),
    over="5 seeds each; the bound for held-out samples is a theorem, up to sampling error",
)

# %% [markdown]
# ## The generator's two losses: saturating and non-saturating
#
# The generator $G$ turns normal random numbers $z$ into a sample, and then it is its turn.
# It could play the discriminator's own game and lower $\log(1 - \sigma(D))$ on its fakes, or it can lower $-\log \sigma(D)$, which asks for the same thing: a higher $D$.
# The two slopes in a logit are
#
# $$-\sigma(D) \quad\text{(saturating)},$$
#
# $$-\sigma(-D) \quad\text{(non-saturating)},$$
#
# and the first is the second times $\sigma(D) / \sigma(-D) = e^{D}$.
# A bad fake, which the discriminator is sure of, has a very negative $D$, so the first slope dies just where the generator has most to learn {cite}`goodfellow2014`.


# %%
def slope(loss, D):
    D = D.clone().requires_grad_()
    return torch.autograd.grad(loss(D) * len(D), D)[0]


D = torch.tensor([-8.0, -4.0, 0.0, 4.0], dtype=torch.float64)
saturating, plain = slope(saturating_generator_loss, D), slope(generator_loss, D)
np.testing.assert_allclose(saturating, -torch.sigmoid(D), rtol=1e-12)
np.testing.assert_allclose(plain, -torch.sigmoid(-D), rtol=1e-12)
rows = zip([f"{v:.0f}" for v in D], saturating.tolist(), plain.tolist())
table(["logit D of a fake", "saturating", "non-saturating"], rows, digits=4)

# %% [markdown]
# Both losses, and the discriminator's, are computed **from logits**, because the probability of a sure discriminator rounds to 0 and its logarithm is infinite.
# In plain lines they are these, and the package's functions are equal to them.


# %%
def plain_losses(D_real, D_fake):
    real, fake = torch.sigmoid(D_real), torch.sigmoid(D_fake)
    loss_d = -(real.log().mean() + (1 - fake).log().mean())
    loss_g = -fake.log().mean()
    return loss_d, loss_g


loss_d, loss_g = plain_losses(D, D - 1)
np.testing.assert_allclose(loss_d, discriminator_loss(D, D - 1), rtol=1e-12)
np.testing.assert_allclose(loss_g, generator_loss(D - 1), rtol=1e-12)
far = torch.tensor([-800.0])
rows = [["naive", f"{plain_losses(far, far)[1]:.0f}"]]
rows += [["logits", f"{generator_loss(far):.0f}"]]
table(["loss of a fake, D = -800", "nats"], rows)

# %%
show_source(discriminator_loss, generator_loss)

# %% [markdown]
# ## The R1 penalty, and what it changes
#
# Two networks that learn against each other can chase each other in circles for ever.
# The **R1 penalty** makes the discriminator pay for being steep at the real samples {cite}`mescheder2018`,
#
# $$L_D + \frac{\gamma}{2}\, \mathbb{E}_{x \sim p} \|\nabla_x D(x)\|^2,$$
#
# so that it flattens where the data lie, and fakes that have arrived there are pushed no further.
# It has a price: the best discriminator under the penalty is no longer $\log p - \log q$.
# Take $p$ normal around 0 and $q$ normal around 1, both of variance 1, so that $D^*(x) = \tfrac12 - x$ has the slope $-1$, and minimise over straight lines, whose penalty is $\gamma/2$ times their slope squared.

# %%
x = torch.linspace(-8, 9, 2001, dtype=torch.float64)
p, q = (torch.exp(-((x - m) ** 2) / 2) for m in (0.0, 1.0))
p, q = p / p.sum(), q / q.sum()


def best_line(gamma):
    line = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        search.zero_grad()
        D = line[0] + line[1] * x
        game = -(p * D.sigmoid().log() + q * (-D).sigmoid().log()).sum()
        (game + gamma / 2 * line[1] ** 2).backward()
        return game + gamma / 2 * line[1] ** 2

    search.step(loss)
    return float(line[1].detach())


rows = [[str(g), best_line(g)] for g in (0, 0.1, 1, 10)]
table(["γ", "slope of the best line"], rows, digits=3)

# %%
linear = nn.Linear(2, 1).double()
a, b = linear.weight[0].tolist()
points = torch.zeros(3, 2, dtype=torch.float64)
np.testing.assert_allclose(r1_penalty(linear, points).item(), a**2 + b**2)
show_source(r1_penalty)

# %% [markdown]
# ## Real data: a GAN on handwritten digits
#
# The whole game is two turns, again and again: the discriminator takes a step on a batch of real images and one of fakes, then the generator takes one on fresh fakes.


# %%
def play(X, G, D, draw, steps, gamma):
    turn_d, turn_g = (
        torch.optim.Adam(net.parameters(), 1e-3, betas=(0.0, 0.99)) for net in (D, G)
    )
    for _ in range(steps):
        real = X[draw.rows(len(X))]
        fakes = G(draw.normal()).detach()  # the generator stands still
        game = discriminator_loss(D(real), D(fakes))
        turn_d.zero_grad()
        (game + gamma / 2 * r1_penalty(D, real)).backward()
        turn_d.step()
        turn_g.zero_grad()
        generator_loss(D(G(draw.normal()))).backward()
        turn_g.step()


# %% [markdown]
# Played for ten steps from the same start and with the same random numbers, it ends at the same weights as the package's `train_gan`, which adds only the running mean of the weights.


# %%
class Draw:
    def __init__(self, seed):
        self.source = torch.Generator().manual_seed(seed)

    def rows(self, n):
        return torch.randint(n, (64,), generator=self.source)

    def normal(self):
        return torch.empty(64, 16, dtype=torch.float64).normal_(generator=self.source)


draw = Draw(0)
made = mlp([16, 128, 128, 64], draw.source), nn.Sigmoid()
G = nn.Sequential(*made).double()
D_net = mlp([64, 128, 128, 1], draw.source, lambda: nn.LeakyReLU(0.2)).double()
mlp([16, 128, 128, 64], draw.source)  # the package draws the mean's weights, too
play(X.double(), G, D_net, draw, steps=10, gamma=1.0)
same = train_gan(X.double(), 0, steps=10, output=nn.Sigmoid, average=0.0)
for p, q in zip(G.parameters(), same.generator.parameters()):
    torch.testing.assert_close(p, q, rtol=0, atol=1e-7)

# %% [markdown]
# The two networks of the picture were trained by the call below, on 1347 images, in two thousand steps of each player.
# The generator's last module is a sigmoid, so that pixels stay in $[0, 1]$, and what is returned is a running mean of its weights, because the newest ones still circle around it {cite}`yazici2019`.
#
# ```python
# gan = train_gan(X, seed=0, steps=2000, gamma=1.0, output=nn.Sigmoid)
# ```

# %%
show_source(train_gan)

# %% [markdown]
# ## The Fréchet distance (FID), and its floor
#
# To judge a set of fakes, map it and a set of real images to features, read off the mean $\mu$ and the covariance $\Sigma$ of each, and take the distance of the two Gaussians that have them,
#
# $$|\mu_a - \mu_b|^2 + \operatorname{tr}\big(\Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2}\big).$$
#
# With the features of the Inception network this is the **FID** {cite}`heusel2017`; here they are the last 128 hidden units of a digit classifier.


# %%
def frechet(a, b):
    gap = a.mean(axis=0) - b.mean(axis=0)
    A, B = np.cov(a.T), np.cov(b.T)
    root = sqrtm(A @ B).real
    return gap @ gap + np.trace(A + B - 2 * root)


a, b = rng.normal(size=(2, 200, 5)) * [[[1]], [[2]]]
np.testing.assert_allclose(frechet(a, b), frechet_distance(a, b), rtol=1e-9)
line = gaussian_frechet_distance([0], [[1]], [3], [[4]])
np.testing.assert_allclose(line, (0 - 3) ** 2 + (1 - 2) ** 2)

# %% [markdown]
# In one dimension it is the squared distance of the means plus that of the standard deviations, as the last line checks.
# The printed formula subtracts large numbers from one another; the package rotates one covariance's factor onto the other's instead, which is the same minimum and loses nothing.

# %%
unit, zero = np.eye(8), np.zeros(8)
wider = (1 + 1e-9) ** 2 * unit  # every standard deviation larger by a billionth
printed = np.trace(unit + wider - 2 * sqrtm(unit @ wider).real)
ours = gaussian_frechet_distance(zero, unit, zero, wider)
rows = [["by hand, 8 (1e-9)²", "8.0e-18"], ["package", f"{ours:.1e}"]]
assert abs(printed / 8e-18 - 1) > 0.9  # wrong by nine tenths at least
table(["nearly equal Gaussians", "distance"], rows)

# %%
show_source(frechet_distance)

# %% [markdown]
# Now judge everything by the same 450 test images.
# The **floor** is what two sets of real images get, over ten splits, and beside the GAN stand baselines that no game was needed for.
# All images are rounded to the 17 grey levels of the data, so that nobody is recognised by those.
# *Nearest* is the median distance to the closest training image, which is 0 for a copy; *told apart* is how many images of both kinds a fresh discriminator names correctly, where 50 % is guessing.

# %%
rows = [["two real sets (floor)", *np.quantile(floor["450"], [0, 0.5, 1]), "", "", ""]]
for name, row in models.items():
    low, middle, high = np.quantile(row["450"], [0, 0.5, 1])
    more = np.median(row["classes"]), np.median(row["nearest"])
    share = f"{100 * np.mean(row['told apart']):.0f}"
    rows.append([name, low, middle, high, f"{more[0]:.0f}", f"{more[1]:.2f}", share])
header = [
    "450 images",
    "least",
    "median",
    "most",
    "classes",
    "nearest",
    "told apart (%)",
]
table(header, rows, digits=1)

# %% tags=["hide-input"]
real = evidence.results["test images"]["nearest"]
share = np.array(models["GAN"]["least share"])
Markdown(
    f"The test images' own median distance to the nearest training image is {real:.2f}, "
    f"so the GAN does not simply repeat them; its rarest class has {100 * share.min():.0f} to "
    f"{100 * share.max():.0f} % of its images, where an even share would be 10."
)

# %%
shares = {"test images": evidence.results["test images"]["class shares"]}
shown = "Gaussian per class", "GAN", "copies without 8s", "GAN without R1"
shares |= {name: models[name]["shares"] for name in shown}
rows = [[name, *(f"{100 * v:.0f}" for v in share)] for name, share in shares.items()]
table(["mean share (%)", *"0123456789"], rows)

# %% [markdown]
# Read the tables from below and from above.
# The GAN made all ten classes, though not quite in their shares, and does not repeat the training images; the running mean of its weights lowers its distance.
# But one Gaussian per class is as good by the Fréchet distance, less easily told apart, and costs no training, so for these digits nobody needs a GAN.
# Copies score best of all, a little noise on them hardly costs them anything although a fresh discriminator recognises it at once, and a set in which every 8 is missing scores about like the GAN, because the distance sees a mean and a covariance and nothing else.
#
# The copies hold one more lesson.
# A fresh discriminator cannot tell them from real images, although a generator that can only repeat 1347 pictures is as wrong as one can be: a bound that says nothing is not a proof of equality.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "A set without a single 8 can score better than a GAN that makes all ten digits.",
    bool(
        score["copies without 8s"].min() < score["GAN"].min()
        and min(models["GAN"]["classes"]) == 10
        and max(models["copies without 8s"]["classes"]) == 9
    ),
    over="10 draws without 8s and 5 GANs, recorded; a class counts from 1 % of the images on",
)

# %% [markdown]
# ### Which sample size?
#
# The estimate from a finite set is too high, and by how much depends on the model, not on the number of images alone {cite}`chong2020`.
# Here is the mean over seeds or draws with 150 images on either side, and with 450.

# %%
both = {"two real sets (floor)": floor} | {
    name: models[name]
    for name in ("copies", "Gaussian per class", "GAN", "GAN without R1", "noise")
}
rows = [[name, np.mean(row["150"]), np.mean(row["450"])] for name, row in both.items()]
table(["Fréchet distance", "n = 150", "n = 450"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
ratio = {name: np.mean(row["150"]) / np.mean(row["450"]) for name, row in both.items()}
claim(
    "With a third of the images the distance of two real sets more than doubles, and "
    "that of noise hardly changes: the bias is not the same for all models.",
    bool(ratio["two real sets (floor)"] > 2 and abs(ratio["noise"] - 1) < 0.05),
    over="10 splits and 10 draws of noise, recorded",
)

# %% [markdown]
# ### Is it the R1 penalty?
#
# The picture's third source failed without R1, and the usual story ends there.
# But a penalty is not the only thing one can turn, so here both arms get the same three learning rates and the same number of steps.

# %%
sweep = evidence.results["sweep"]
rows = []
for row in sweep:
    low, high = min(row["frechet"]), max(row["frechet"])
    classes = f"{min(row['classes'])} to {max(row['classes'])}"
    rows.append([row["gamma"], row["rate"], f"{low:.1f} to {high:.1f}", classes])
table(["γ", "rate", "Fréchet distance", "classes"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
cell = {(row["gamma"], row["rate"]): np.array(row["frechet"]) for row in sweep}
every = {g: [c for (k, _), c in cell.items() if k == g] for g in (0.0, 1.0)}
claim(
    "With γ = 1 each of the three rates works; without R1 two of the three fail, and "
    "at the third the result is as good as with it.",
    bool(
        max(c.max() for c in every[1.0]) < 10
        and min(cell[0.0, 2e-4].min(), cell[0.0, 1e-3].min()) > 40
        and cell[0.0, 5e-3].max() < 3
    ),
    over="3 seeds in each of the cells, recorded; distances below 10, above 40, below 3",
)

# %% [markdown]
# So the penalty is not what makes this GAN possible; it is what makes it forgiving, because it works over a wide range of rates where the bare game works at one.
# The saturating loss, in the table above, does as well as the other one once the penalty is there, and noise of size 0.1 on all images instead of the penalty did not help at the rate that was tried.
#
# ## Break it: a discriminator's loss of log 4
#
# A loss of $\log 4 = 1.386$ means, if the discriminator is the best one, that the fakes are perfect.
# Make the penalty so heavy that the discriminator dares nothing, and look again.

# %%
dead = train_gan(X, 0, steps=300, gamma=1e6, output=nn.Sigmoid)
noise = dead.sample(450, torch.Generator().manual_seed(1))
with torch.no_grad():
    alive_loss, dead_loss = (
        float(discriminator_loss(g.discriminator(test), g.discriminator(f)))
        for g, f in ((gan, fakes), (dead, noise))
    )
rows = [["γ = 1", f"{alive_loss:.1f}"], ["γ = 1,000,000", f"{dead_loss:.1f}"]]
table(["GAN", "discriminator's loss, held out"], [*rows, ["2 log 2", "1.4"]])

# %% [markdown]
# How far away are the two, in the features of a classifier that is trained here?
# The dead one played 300 steps only, so look also at what the game with γ = 1 made after 300.

# %%
judge = mlp([64, 128, 128, 10], torch.Generator().manual_seed(0))
train_classifier(judge, X, torch.tensor(data.y_train), seed=0, epochs=20)
with torch.no_grad():
    reference, *made = (judge[:-1](v).numpy() for v in (test, fakes, noise, early))
good, bad, equal = (frechet_distance(v, reference) for v in made)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
own = np.array(evidence.results["own discriminator"])
fresh = np.array(models["GAN"]["divergence at least"])
claim(
    "Both losses are 2 log 2 to 0.03, but the dead discriminator's generator is more than "
    "ten times as far away, also than that of γ = 1 after as few steps; and where the "
    "game's own discriminator proves a divergence below 0.02, a fresh one proves more "
    "than 0.3.",
    bool(
        max(abs(v - 2 * np.log(2)) for v in (alive_loss, dead_loss)) < 0.03
        and bad > 10 * max(good, equal)
        and own.max() < 0.02
        and fresh.min() > 0.3
    ),
    over="the two GANs trained here for the first half, 5 recorded seeds for the second",
)

# %% [markdown]
# The second half of the sentence is the one to remember.
# The discriminator that took part in the game was flattened by its penalty and has grown up with this one generator, so its loss near $1.386$ is no certificate.
# Train a fresh one, without the penalty, and ask it about images that it has not seen.
#
# > **Often believed, and wrong**
# >
# > "The discriminator's loss is at $2 \log 2$, so the generator has won."
# > **Only the best discriminator's loss means that.** A dead one has the same, and so has one that the penalty keeps flat.
# >
# > "Our FID is at the floor, so the samples are as good as real."
# > **Copies are at the floor, too, and a missing class is hardly seen.** Print the classes, the nearest training image and a fresh discriminator beside it.
# >
# > "FIDs at equal sample size can be compared."
# > **The bias depends on the model as well.** Show two sizes, and the floor in the same features.
# >
# > "GANs need a gradient penalty."
# > **Here a GAN without one did as well at one of three rates.** What the penalty bought is that the rate hardly mattered.
#
# **Strengths**: one pass makes a sample, nothing has to be known about the density, and the game needs no pairs and no labels.
#
# **Limits**: no likelihood and no certificate come with it, classes can be lost without a sign, and on small data a Gaussian may be as good; nothing on this page says how GANs fare on large pictures.
#
# **Who is harmed when it fails**: patients with a rare disease, when a hospital shares invented records in place of real ones and the generator has dropped their kind without any score showing it; and whoever is deceived by a face that was made up when it succeeds.
#
# **In production** use a maintained implementation, such as NVIDIA's StyleGAN3 for images, and `torchmetrics` or `clean-fid` for the distance, because the resizing of images alone moves it.

# %% [markdown]
# ## Check yourself
#
# **1.** A hospital replaces its records by generated ones. Their Fréchet distance from real records is as small as that between two real sets. What can still be wrong?
#
# <details><summary>Nothing of weight, because real sets differ as much.</summary>
#
# **Not so.** The row `copies` was at the floor as well, and it contains nothing but training images.
#
# </details>
#
# <details><summary>Whole groups can be missing, or records can be copies.</summary>
#
# **Right.** The distance sees a mean and a covariance and nothing else, so you have to count the groups and measure the nearest training record.
#
# </details>
#
# <details><summary>Some records can be odd, but no whole group is missing.</summary>
#
# **Not so.** The row `copies without 8s` has lost a whole class, and it scored about like the GAN that makes all ten.
#
# </details>
#
# **2.** A fresh discriminator, asked about samples that it has not seen, has a loss of $2 \log 2$. What does this prove about the fakes?
#
# <details><summary>That they have the same distribution as the real data.</summary>
#
# **Not so.** A fresh discriminator did no better than guessing on `copies` either, a source that can only repeat its training images.
#
# </details>
#
# <details><summary>That no other discriminator can tell them apart.</summary>
#
# **Not so.** Another one may be better: where the game's own discriminator proved next to nothing in `own`, one trained afresh proved a large divergence in `fresh`.
#
# </details>
#
# <details><summary>Nothing, because the bound says only: at least zero.</summary>
#
# **Right.** The loss of a trained discriminator gives a lower bound on the divergence, and here it is $\log 2 - \log 2 = 0$, which was known before.
#
# </details>
#
# **3.** At one learning rate your GAN collapses; with the R1 penalty and the same rate it makes good samples. What have you learnt?
#
# <details><summary>That the penalty helps at the rate that you tried.</summary>
#
# **Right.** You turned one knob of two. Before you call the penalty necessary, the game without it deserves its own search for a rate.
#
# </details>
#
# <details><summary>That without the penalty this GAN cannot work.</summary>
#
# **Not so.** In `sweep` the game without it failed at two rates, and at the third it did as well as with it.
#
# </details>
#
# <details><summary>That the penalty brings the discriminator nearer to the best one.</summary>
#
# **Not so.** It draws it away: in `best_line` the slope of the best answer is $-1$, and it became flatter with each larger γ.
#
# </details>

# %% [markdown]
# ## Exercise 1: what a loss proves
#
# *Easy, 10 minutes.*
# A discriminator gives held-out real images and held-out fakes its *probabilities* of being real.
# Return the lower bound on the Jensen-Shannon divergence, in nats, that it proves.
#
# Hint: the loss has two means, one for each kind; the bound is $\log 2 - L_D / 2$.


# %% tags=["exercise"]
def proven(real, fake):
    """Lower bound on JS from the probabilities (n,) and (m,) of being real."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_proven(attempt):
    real, fake = np.array([0.9, 0.8, 0.6]), np.array([0.1, 0.3, 0.2, 0.5])
    for_real, for_fake = -np.log(real).mean(), -np.log(1 - fake).mean()
    pooled = -np.log(np.r_[real, 1 - fake]).mean()
    mistakes = {
        "You forgot to halve the loss.": np.log(2) - for_real - for_fake,
        "Each kind has a mean of its own, and they count alike.": np.log(2) - pooled,
        "A fake costs minus the logarithm of 1 minus its probability.": np.log(2)
        - (for_real - np.log(fake).mean()) / 2,
        "That is the bound in bits; the question asks for nats.": 1
        - (for_real + for_fake) / 2 / np.log(2),
        "That is the loss itself.": for_real + for_fake,
        "That is twice the bound.": 2 * np.log(2) - for_real - for_fake,
        "Your loss has the wrong sign.": np.log(2) + (for_real + for_fake) / 2,
    }
    right = np.log(2) - (for_real + for_fake) / 2
    check_answer(attempt(real, fake), right, mistakes)


check_proven(proven)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def proven_solution(real, fake):
    loss = -np.log(real).mean() - np.log(1 - fake).mean()
    return np.log(2) - loss / 2


check_proven(proven_solution)
# Why: the best discriminator's loss is 2 log 2 - 2 JS, and any other's is higher. So
# solving for JS with a higher loss gives less than JS, never more.

# %% [markdown]
# ## Exercise 2: Fréchet on one feature
#
# *Easy, 10 minutes.*
# Two sets of samples have one feature each.
# Return their Fréchet distance without any matrix, equal to `frechet_distance` of the package, which divides by $n - 1$ where it takes a variance.
#
# Hint: in one dimension it is the squared distance of the means plus that of the standard deviations; `np.std` has an argument `ddof`.


# %% tags=["exercise"]
def frechet_of_one(a, b):
    """Fréchet distance of two samples (n,) and (m,) of one feature."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_frechet_of_one(attempt):
    a, b = np.array([1.0, 2.0, 4.0, 7.0]), np.array([3.0, 3.5, 8.0])
    gap, spread = a.mean() - b.mean(), a.std(ddof=1) - b.std(ddof=1)
    mistakes = {
        "np.std divides by n unless you say ddof=1.": gap**2 + (a.std() - b.std()) ** 2,
        "You compared variances; the standard deviations are what is moved.": gap**2
        + (a.var(ddof=1) - b.var(ddof=1)) ** 2,
        "That is its square root; the distance is left squared, as FID is.": np.sqrt(
            gap**2 + spread**2
        ),
        "Take the difference of the standard deviations before you square.": gap**2
        + a.var(ddof=1)
        + b.var(ddof=1),
        "Square both differences.": abs(gap) + abs(spread),
        "The means are missing.": spread**2,
        "The spreads are missing.": gap**2,
    }
    check_answer(attempt(a, b), gap**2 + spread**2, mistakes)


check_frechet_of_one(frechet_of_one)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def frechet_of_one_solution(a, b):
    spread = np.std(a, ddof=1) - np.std(b, ddof=1)
    return (np.mean(a) - np.mean(b)) ** 2 + spread**2


check_frechet_of_one(frechet_of_one_solution)
# Why: the trace of A + B - 2 (AB)^(1/2) is s^2 + t^2 - 2 s t = (s - t)^2 for numbers.
# Samples with the same mean and spread have distance 0, whatever else they are.

# %% [markdown]
# ## Exercise 3: a lost class
#
# *Medium, 15 minutes.*
# A generator is perfect but for one thing: a class that makes up the share $s$ of the real data is never made, and the others are made more often in its place, each in the same proportion.
# Return the true divergence $\mathrm{JS}(p, q)$, which no discriminator can exceed.
#
# Hint: two outcomes are enough, *the lost class* and *everything else*, because the ratio $p / q$ is the same for all the rest.


# %% tags=["exercise"]
def cost_of_lost_class(s):
    """Jensen-Shannon divergence, in nats, if a class of share s is never made."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_lost_class(attempt):
    def js(p, q):
        return np.log(2) - optimal_discriminator_loss(p, q) / 2

    s = 0.1
    right = js([1 - s, s], [1, 0])
    mistakes = {
        "That is the loss; the question is about JS.": 2 * np.log(2) - 2 * right,
        "That is twice JS.": 2 * right,
        "Your generator makes the class half as often; it should never make it.": js(
            [1 - s, s], [1 - s / 2, s / 2]
        ),
        "That would be the divergence if the lost class were all that differs: the "
        "others are made more often, too.": s * np.log(2) / 2,
        "That is the total variation distance, not JS.": s,
        "That measures the fakes against the data; JS measures each against their "
        "mean.": -np.log(1 - s),
    }
    check_answer(attempt(s), right, mistakes)


check_lost_class(cost_of_lost_class)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def cost_of_lost_class_solution(s):
    loss = optimal_discriminator_loss([1 - s, s], [1, 0])
    return np.log(2) - loss / 2


check_lost_class(cost_of_lost_class_solution)
# Why: only the ratio p / q matters to the best discriminator, and it has two values.
# A tenth of the data lost costs just 0.036 of at most 0.693 nats: look at the classes.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row for row in evidence.results["speed"]}
slower = 1 / speed["Fréchet distance, 450 x 64"]["ratio"]
level = speed["Fréchet distance, 450 x 128"]["ratio"]
step = speed["100 steps of the game"]["ratio"]
seconds = speed["training"]["seconds"]
Markdown(
    f"The book's Fréchet distance takes {slower:.1f} times as long as the printed "
    f"formula with SciPy's square root on 64 features and {1 / level:.1f} times on 128, "
    "which is what its digits cost, and its GAN knows neither convolutions nor labels. "
    f"A step of the game is {step:.1f} times as quick as in a plain PyTorch loop, and the "
    f"whole training takes {seconds:.0f} seconds on one thread."
)

# %% tags=["hide-output"]
agreement = evidence.results["agreement"]
rows = [
    ["losses, torch's BCE with logits", f"{agreement['losses']:.0e}"],
    ["Fréchet distance, SciPy's sqrtm", f"{agreement['frechet, relative']:.0e}"],
    ["weights after 5 steps, plain loop", f"{agreement['five steps']:.0e}"],
]
table(["compared with", "largest difference"], rows)

# %% tags=["hide-output"]
second = evidence.results["second judge"]
rows = [[name, models[name]["450"][0], *v] for name, v in second.items()]
table(["one draw each, by features of", "net 0", "net 1", "net 2"], rows, digits=1)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Algorithm:** Adversarial Training using Generative Adversarial Networks (GANs)
#
# Its [listing 2, run and repaired](../source_listing_2.ipynb), names the game but does not play it: the discriminator takes two inputs where the data have four, its logits go into a loss that wants probabilities, real data are labelled fake, and no fake is ever shown as one.
#
# ## References
#
# GANs, the optimal discriminator and the non-saturating loss: {cite:t}`goodfellow2014`.
# The R1 penalty: {cite:t}`mescheder2018`, after the regularizer of {cite:t}`roth2017`; running means of the weights: {cite:t}`yazici2019`.
# The Fréchet distance of Gaussians: {cite:t}`dowson1982`; FID: {cite:t}`heusel2017`; its bias: {cite:t}`chong2020`.
# Discriminators as a test of equality: {cite:t}`lopezpaz2017`.
# What people and classifiers see: {cite:t}`nightingale2022`, {cite:t}`wang2020`.
