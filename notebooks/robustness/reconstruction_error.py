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
# # Reconstruction error
#
# The PCA residual and the autoencoder: squeeze a sample, rebuild it, and look at what got lost.
#
# In March 2005 a tower of the refinery in Texas City was filled for three hours with nothing drained from it, while its level gauge showed a level that slowly fell.
# The tower overflowed, the vapour exploded, and 15 people died; the operators' display had not shown the flow in beside the flow out {cite}`csb2007`.
#
# **How can a machine notice that numbers which look fine one by one cannot be true together?**
#
# You need the answer wherever a model lives on sensors, logs or embeddings, because their features hang together, and a broken relation is often the first thing that you can see.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | detect broken relations with a plane and with a network, choose between them, and avoid the two settings in which both see nothing |
# | You need | NumPy, Matplotlib, PyTorch; what a matrix, a variance and a training loop are |
# | Time | 25 minutes to read, 35 for the exercises |
# | Code | `companion.robustness.reconstruction_error` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

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
from companion.robustness.calibrated_alarms import auroc
from companion.robustness.reconstruction_error import Autoencoder, PCAResidual

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Normal samples lie on an arc, so one number, the place along the arc, tells nearly everything about them.
# Two methods squeeze every sample into one number and rebuild it, the one along a straight line, the other along whatever curve a small network learns.
# The star is a sample in the empty middle.
#
# **Guess before you look**: who rebuilds the star badly, the line or the network?


# %% mystnb={"figure": {"caption": "Left: the plane of principal components, here a line. Right: an autoencoder whose bottleneck is one number wide. Both were fitted to the orange samples. The colour of a place is the share of 300 fresh normal samples that are rebuilt better: dark is normal, white is strange. Within the black lines lie 95 % of them. First of twenty draws.", "name": "fig-reconstruction-error"}, "image": {"alt": "Two maps of a three-quarter circle. On the left the dark region is a straight band through the circle, and the star in its middle lies inside the band. On the right the dark region follows the arc, and the star lies in the white middle."}} tags=["hide-input"]
def noisy_arc(rng):
    angle = rng.uniform(0, 1.5 * np.pi, 300)
    circle = 3 * np.column_stack([np.cos(angle), np.sin(angle)])
    return circle + 0.1 * rng.normal(size=(300, 2))


def share_below(detector, fresh, x):
    """The share of fresh normal samples with a lower score than x."""
    return np.searchsorted(np.sort(detector.score(fresh)), detector.score(x)) / 300


rng = np.random.default_rng(0)
X, fresh = noisy_arc(rng), noisy_arc(rng)
flat, curved = PCAResidual(1).fit(X), Autoencoder(1).fit(X)
x, y = np.meshgrid(np.linspace(-4.5, 4.5, 120), np.linspace(-4.5, 4.5, 120))
place = np.column_stack([x.ravel(), y.ravel()])
fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True)
for axis, detector in zip(axes, (flat, curved)):
    colour = share_below(detector, fresh, place).reshape(x.shape)
    shown = axis.pcolormesh(x, y, colour, cmap="Blues_r", vmin=0, vmax=1)
    shown.set_rasterized(True)
    axis.contour(x, y, colour, [0.95], colors="black", linewidths=0.8)
    axis.scatter(*X.T, s=3, color=COLOURS["orange"], linewidths=0)
    axis.scatter(0, 0, s=160, marker="*", color=COLOURS["red"], edgecolor="white")
    axis.set(xlabel="first feature", aspect="equal")
    axis.grid(False)
axes[0].set(title="PCA residual", ylabel="second feature")
axes[1].set(title="Autoencoder")
fig.colorbar(shown, ax=axes, label="share of samples rebuilt better")
plt.show()

# %% [markdown]
# The line runs straight through the middle of the arc, so it rebuilds the star better than most normal samples, and only the network has bent itself along the samples.
# You could now conclude that the network is the better detector, and the second half of this page is there to stop you.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
evidence = recorded("robustness/reconstruction_error")
shares = {n: np.array(s) for n, s in evidence.results["arc"]["share below"].items()}
live = [share_below(d, fresh, [[0.0, 0.0]])[0] for d in (flat, curved)]
claim(
    "The network rebuilds the star worse than 99 % of the normal samples; the line, and "
    "a network without hidden layers, rebuild it better than half of them.",
    bool(
        min(*shares["Autoencoder"], live[1]) > 0.99
        and max(*shares["PCAResidual"], live[0], *shares["linear network"]) < 0.5
    ),
    over="20 draws and seeds, recorded, the first of them live in the figure",
)

# %% [markdown]
# ## The idea on two altimeters
#
# Two altimeters showed (0, 0), (1, 1) and (2, 2), so they agree, and one number describes them both.
# The line through those points is the diagonal.
# The reading (9, 9) is rebuilt as (9, 9), and nothing is lost, although it is far away from everything.
# The reading (2, 0) is rebuilt as (1, 1), because that is the nearest point on the diagonal, and what got lost is $\sqrt{1^2 + 1^2} = 1.41$ long.

# %%
altimeters = PCAResidual(1).fit([[0, 0], [1, 1], [2, 2]])
readings = np.array([[1, 1], [9, 9], [2, 0]])
rows = zip(readings, altimeters.rebuild(readings).round(2), altimeters.score(readings))
table(
    ["reading", "rebuilt", "error"], [[*map(str, r[:2]), r[2]] for r in rows], digits=2
)

# %% [markdown]
# Each of the numbers 2 and 0 is ordinary, and only the pair is impossible.
# The reverse holds for (9, 9), so a reconstruction error tells you whether the *relation* holds, and not whether the values are usual.
#
# ## The equation: the PCA residual
#
# Let $\mu$ be the mean of the fitted samples, and let the columns of $V$ be the $k$ directions along which they vary most, the **principal components**.
# A sample keeps its $k$ coordinates $V^\top (x - \mu)$, and from those it is rebuilt:
#
# $$\hat x = \mu + V V^\top (x - \mu), \qquad s(x) = \lVert x - \hat x \rVert.$$
#
# The directions are what a singular value decomposition of the centred samples returns first.


# %%
def residual(X, new, k):
    mean = X.mean(axis=0)
    V = np.linalg.svd(X - mean, full_matrices=False)[2][:k].T  # (d, k)
    rebuilt = mean + (new - mean) @ V @ V.T
    return np.linalg.norm(new - rebuilt, axis=1)


data = digits()
threes = data.X_train[data.y_train == 3]
plain = residual(threes, data.X_test, 16)
np.testing.assert_allclose(plain, PCAResidual(16).fit(threes).score(data.X_test))

# %%
show_source(PCAResidual)

# %% [markdown]
# ## The equation: the autoencoder
#
# Now let a network $f$ squeeze the sample into $k$ numbers, and let a network $g$ rebuild it:
#
# $$s(x) = \lVert x - g(f(x)) \rVert,$$
#
# where both are trained together on the mean of $s(x)^2$ over the normal samples.
# The pair is called an **autoencoder**, and the $k$ numbers in its middle are its **bottleneck**.
# If neither has a hidden layer, then $g(f(x))$ is a matrix of rank $k$ and an offset, and among those the PCA plane is the best one there is.
# So such a network is drawn to the plane, and it gets there as long as the last spread that is kept clearly exceeds the first that is dropped, here 3 and 1.


# %%
def linear_autoencoder(X, k, steps=2000):
    rng = torch.Generator().manual_seed(0)
    z = torch.tensor(X - X.mean(axis=0), dtype=torch.float32)
    d = z.shape[1]
    W = [(torch.randn(s, generator=rng) / 3).requires_grad_() for s in ((d, k), (k, d))]
    optimiser = torch.optim.Adam(W, 0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        (z - z @ W[0] @ W[1]).square().sum(dim=1).mean().backward()
        optimiser.step()
    return (z - z @ W[0] @ W[1]).norm(dim=1).detach().numpy()


rng = np.random.default_rng(0)
sensors = rng.normal(size=(300, 8)) * [5, 4, 3, 1, 1, 0.5, 0.5, 0.2]
exact, learned = residual(sensors, sensors, 3), linear_autoencoder(sensors, 3)
package = Autoencoder(3, hidden=(), steps=2000).fit(sensors).score(sensors)
np.testing.assert_allclose(learned, exact, rtol=0.1)
np.testing.assert_allclose(package, exact, rtol=0.1)

# %% [markdown]
# How far is the learned plane from the exact one?
# The record holds the largest angle between the two, for ten draws of such sensors, and for training that was stopped early.

# %%
degrees = evidence.results["linear"]["degrees"]
rows = [[steps, min(a), np.median(a), max(a)] for steps, a in degrees.items()]
table(
    ["steps of training", "least angle", "median", "largest (degrees)"], rows, digits=1
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "A linear autoencoder spans the plane of PCA to one degree after 2000 steps; "
    "stopped after 20 steps it is more than 45 degrees away.",
    max(degrees["2000"]) < 1 and min(degrees["20"]) > 45,
    over="10 draws and seeds, recorded",
)

# %%
show_source(Autoencoder)

# %% [markdown]
# ## Real data: one digit is normal
#
# Does bending pay off on real data?
# Let the images of a single handwritten digit be normal, 64 pixels each, fit half of them, and score the other half together with all other digits.
# Plane and network keep the same number of coordinates, and the network got the best of four settings, tried on the test digits of the first seed, which favours it, because the plane has none to choose.
# How well a score tells the two apart is the **AUROC**, the probability that a random strange image scores above a random normal one; see [Calibrated alarms](calibrated_alarms.ipynb).

# %%
one = {int(k): row for k, row in evidence.results["one digit"]["auroc"].items()}
rows = [
    [f"{k}, {name}", np.mean(area), min(area), max(area)]
    for k, row in one.items()
    for name, area in row.items()
]
table(["AUROC, 5 seeds", "mean", "least", "most"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
gain = {k: np.subtract(row["network"], row["plane"]) for k, row in one.items()}
best = {name: max(np.mean(one[k][name]) for k in one) for name in one[16]}
claim(
    "Keeping 4 numbers the network loses to the plane in every seed, and keeping 32 it "
    "wins in every seed; with the best width for each they are level to 0.001.",
    bool(
        (gain[4] < 0).all()
        and (gain[32] > 0).all()
        and abs(best["network"] - best["plane"]) < 0.001
    ),
    over="5 seeds, each the mean over ten digits, recorded",
)

# %% [markdown]
# So the arc was no law.
# A network that can bend can also bend itself through every single image that it was fitted to, and there are only about ninety of each digit.
# Here are both, fitted to the threes, on fitted threes and on new ones.

# %%
is_three = data.y_test == 3
both = {
    "plane": PCAResidual(4).fit(threes),
    "network": Autoencoder(4, (128,), 1500, 0.003).fit(threes),
}
errors = {
    name: [np.median(d.score(x)) for x in (threes, data.X_test[is_three])]
    for name, d in both.items()
}
table(
    ["4 numbers, median error", "fitted threes", "new threes"],
    [[name, *error] for name, error in errors.items()],
    digits=2,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Keeping 4 numbers the network makes less than half of the plane's error on the "
    "fitted threes, and a larger one on new threes.",
    errors["network"][0] < errors["plane"][0] / 2
    and errors["network"][1] > errors["plane"][1],
    over="one split and seed, live",
)

# %% [markdown]
# The network has learned its threes by heart, whereas PCA cannot, and PCA is quicker, exact, and has no seed.
# What the network bought you here is some tolerance of a width that was chosen too large: with 32 of 64 numbers the plane has room for strange images, too.
#
# ## Break it: too wide a bottleneck
#
# Suppose that you tune a detector for a small error on normal samples, as you would tune any other model.
# Then you widen the bottleneck, and the error of a normal three does fall, but the error of everything else falls with it, down to a blank image.

# %%
blank = np.zeros((1, 64))
rows = []
for k in (4, 16, 32, 48, 64):
    detector = PCAResidual(k).fit(threes)
    score = detector.score(data.X_test).round(6)
    typical = [np.median(score[is_three]), np.median(score[~is_three])]
    rows.append([k, *typical, detector.score(blank)[0], auroc(score, ~is_three)])
table(["numbers kept", "a three", "another digit", "blank", "AUROC"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
widest = [PCAResidual(k).fit(threes) for k in (16, 48)]
usual = [np.median(d.score(data.X_test[is_three])) for d in widest]
empty = [d.score(blank)[0] for d in widest]
claim(
    "With 48 numbers for 64 pixels a blank image is rebuilt better than half of the "
    "threes, with 16 it is not.",
    bool(empty[1] < usual[1] and empty[0] > usual[0]),
    over="the test images of the digit 3",
)

# %% [markdown]
# ## Break it: one broken row among the fitted
#
# The plane is where the fitted rows vary most, so whoever varies most decides where it is.
# Here 300 rows of six sensors obey three relations, and then one row breaks them all, by a factor that grows.
# Once this row is scored as new, and once it was among the fitted ones.


# %%
def below(seed, factor, fitted):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(3, 6))
    rows = [rng.normal(size=(300, 3)) @ mix for _ in range(2)]
    X, fresh = (r + 0.1 * rng.normal(size=(300, 6)) for r in rows)
    broken = factor * rng.normal(size=(1, 6))
    detector = PCAResidual(3).fit(np.concatenate([X, broken]) if fitted else X)
    return share_below(detector, fresh, broken)[0]


factors = (1, 10, 100, 1000)
masked = np.array(
    [[[below(s, f, fit) for fit in (False, True)] for f in factors] for s in range(20)]
)
rows = [[f, *masked.mean(axis=0)[i]] for i, f in enumerate(factors)]
header = ["factor", "normal rows below, if new", "normal rows below, if fitted"]
table(header, rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "A row broken by a factor of 1000 is strangest of all if it is new, and rebuilt "
    "better than half of the normal rows if it was fitted.",
    bool((masked[:, -1, 0] == 1).all() and (masked[:, -1, 1] < 0.5).all()),
    over="20 seeds, 300 fresh rows each, live",
)

# %% [markdown]
# The worse the row, the better it hides, because it pulls a direction of the plane onto itself.
# So look for gross errors first, with medians and ranges, and fit the plane after that.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "A deep detector is a better detector."
# > **On the digits it won only where the plane was too wide.** Fit the plane first, because it takes milliseconds and has no luck in it, and let the network show what it adds.
# >
# > "A small reconstruction error means that the sample is normal."
# > **It means that the relations hold.** The altimeters' (9, 9) has no error at all, and with a wide bottleneck a blank image has hardly any.
# >
# > "The lower the error on normal samples, the better the detector."
# > **A detector that rebuilds everything detects nothing.** What counts is the gap between normal and strange, so keep few numbers.
# >
# > "Outliers in the fitted data do little harm, because they are few."
# > **One of them is enough if it is large.** It turns the plane towards itself and then scores as normal.
#
# **Strengths**: relations among hundreds of features are watched with one matrix product, and the residual itself tells you which features do not fit.
#
# **Limits**: features must be on one scale, anomalies inside the plane are invisible, and a network's score depends on its seed and on how long it was trained.
#
# **Who is harmed when it fails**: those who stand beside the machine while all of its gauges look fine, as in Texas City, and those whose faces, voices or scans the fitted data did not hold, because they are rebuilt badly and called strange.
#
# **In production** take scikit-learn's `PCA` with `inverse_transform`, or PyOD's `AutoEncoder`, whose scores also grow with strangeness.

# %% [markdown]
# ## Check yourself
#
# **1.** Two flow meters on one pipe have always shown the same, anything from 0 to 10. You watch the pair by the residual of one principal component. When does it rise?
#
# <details><summary>When both show 30, three times as much as ever before.</summary>
#
# **Not so.** `altimeters` rebuilt (9, 9) without any error, although the fitted readings went up to 2.
#
# </details>
#
# <details><summary>When one shows 4 and the other one 6.</summary>
#
# **Right.** Each of them is usual, and only the pair is impossible. The line rebuilds it as 5 and 5, and what got lost is the broken relation.
#
# </details>
#
# <details><summary>When both show 5 while all pumps stand still.</summary>
#
# **Not so.** The residual knows the pair alone, and for a pair on the line, such as (1, 1), `altimeters` has no error.
#
# </details>
#
# **2.** To clean a log of 300 rows, you fit a plane to all of them and look for rows that are rebuilt badly. One row is off by a factor of a thousand. What becomes of it?
#
# <details><summary>It stands out, because it lies farther off than all others.</summary>
#
# **Not so.** It does if it is new; fitted, in `masked`, the row with factor 1000 was rebuilt better than most normal rows.
#
# </details>
#
# <details><summary>It hides, and a row that is off by ten would hide better.</summary>
#
# **Not so.** It goes the other way: in `masked` the fitted row with factor 10 still stood above most normal rows, and the larger the factor, the lower it sank.
#
# </details>
#
# <details><summary>It hides, because the plane has turned towards it.</summary>
#
# **Right.** The plane follows what varies most, and one row that is large enough outweighs hundreds. Rough errors have to go before the plane is fitted.
#
# </details>
#
# **3.** You have fitted a plane and a network to ninety normal images. On these, the network's error is a third of the plane's. Which of them detects strange images better?
#
# <details><summary>You cannot tell yet.</summary>
#
# **Right.** A small error on fitted images may be mere memory. What detects is the gap between strange images and normal ones that were not fitted.
#
# </details>
#
# <details><summary>The network.</summary>
#
# **Not so.** In `errors` the network had much the smaller error on fitted threes and the larger one on new threes, and with 4 numbers kept it lost to the plane in `one`.
#
# </details>
#
# <details><summary>The plane.</summary>
#
# **Not so.** Nor does that follow: in `one`, with 32 numbers kept, the network won in each seed.
#
# </details>

# %% [markdown]
# ## Exercise 1: how many numbers to keep?
#
# *Easy, 10 minutes.*
# Return the smallest $k$ for which the plane of $k$ principal components keeps at least 95 % of the variance of `X`.
#
# Hint: the variance along the directions is proportional to the *squares* of the singular values of the centred table.


# %% tags=["exercise"]
def components_for(X):
    """Smallest number of components that keep at least 95 % of the variance."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_components_for(attempt):
    def needed(table, power):
        part = np.cumsum(np.linalg.svd(table, compute_uv=False) ** power)
        return 1 + int(np.argmax(part >= 0.95 * part[-1]))

    centred = threes - threes.mean(axis=0)
    mistakes = {
        "One too few: counting starts at one component.": needed(centred, 2) - 1,
        "You added singular values; variances are their squares.": needed(centred, 1),
        "You did not subtract the mean, so it passes for variance.": needed(threes, 2),
    }
    check_answer(attempt(threes), needed(centred, 2), mistakes)


check_components_for(components_for)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def components_for_solution(X):
    sigma = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    share = np.cumsum(sigma**2) / (sigma**2).sum()
    return 1 + int(np.argmax(share >= 0.95))


check_components_for(components_for_solution)
# Why: the directions are orthogonal, so their variances add up to the whole. The share
# says how small normal errors are, not how well strange samples stand out.

# %% [markdown]
# ## Exercise 2: strange inside the plane
#
# *Medium, 15 minutes.*
# The residual does not see (9, 9), so engineers watch a second number beside it, Hotelling's $T^2$: the squares of the $k$ coordinates $V^\top(x - \mu)$, each divided by the variance of the fitted samples along its direction, added up.
# Return it for one sample `x`.
#
# Hint: the variance along direction $j$ is $\sigma_j^2 / (n - 1)$, with the singular value $\sigma_j$ of the centred table.


# %% tags=["exercise"]
def t_squared(X, x, k):
    """Hotelling's T squared of x in the plane of k components of X."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_t_squared(attempt):
    mean, n, x, k = sensors.mean(axis=0), len(sensors), sensors[0] * 3, 3
    sigma, V = np.linalg.svd(sensors - mean, full_matrices=False)[1:]
    variance = sigma**2 / (n - 1)
    square = (V @ (x - mean)) ** 2  # of every coordinate
    right = (square / variance)[:k].sum()
    off_mean = ((V @ x) ** 2 / variance)[:k].sum()
    all_directions = (square / variance).sum()
    left_over = residual(sensors, x[None], k)[0]
    mistakes = {
        "You forgot to subtract the mean.": off_mean,
        "Divide each square by the variance of its direction.": square[:k].sum(),
        "You divided by the squared singular values; the variance also has n - 1.": right
        / (n - 1),
        "That is over all directions; use the first k.": all_directions,
        "That is the residual, blind inside the plane.": left_over,
    }
    check_answer(attempt(sensors, x, k), right, mistakes)


check_t_squared(t_squared)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def t_squared_solution(X, x, k):
    mean = X.mean(axis=0)
    sigma, V = np.linalg.svd(X - mean, full_matrices=False)[1:]
    coordinate = V[:k] @ (x - mean)
    return (coordinate**2 / (sigma[:k] ** 2 / (len(X) - 1))).sum()


check_t_squared(t_squared_solution)
# Why: this is the Mahalanobis score inside the plane, and the residual is the distance
# from it. Together they see both kinds of strange; each alone is blind to one.

# %% [markdown]
# ## Exercise 3: which sensor is it?
#
# *Easy, 10 minutes.*
# An alarm that names the culprit is worth more than one that does not.
# Return the index of the feature that is rebuilt worst, for one sample `x`.
#
# Hint: `PCAResidual(k).fit(X).rebuild([x])[0]`.


# %% tags=["exercise"]
def culprit(X, x, k):
    """Index of the feature of x that the plane of k components rebuilds worst."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_culprit(attempt):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(200, 2)), 3, axis=1) * [1, 1, 1, 9, 9, 9]
    X = X + 0.05 * rng.normal(size=X.shape)
    x = np.array([1, 1, -2, 18, 18, 18.0])
    mistakes = {
        "That is the largest value, but all three of its kind agree on it.": int(
            np.abs(x - X.mean(axis=0)).argmax()
        ),
        "That is the feature rebuilt best.": int(
            np.abs(x - PCAResidual(2).fit(X).rebuild([x])[0]).argmin()
        ),
        "You forgot the absolute value.": int(
            (x - PCAResidual(2).fit(X).rebuild([x])[0]).argmax()
        ),
    }
    check_answer(attempt(X, x, 2), 2, mistakes)


check_culprit(culprit)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def culprit_solution(X, x, k):
    rebuilt = PCAResidual(k).fit(X).rebuild([x])[0]
    return int(np.abs(x - rebuilt).argmax())


check_culprit(culprit_solution)
# Why: two of the first three sensors outvote the third, so the plane moves only part of
# the way to it. With two sensors on a relation nobody can say which of them is wrong.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row for row in evidence.results["speed"]}
planes = [r["ratio"] for r in speed.values() if r["peer"] == "scikit-learn"]
(network,) = [r["ratio"] for r in speed.values() if r["peer"] == "pyod"]
Markdown(
    "The book's plane always works out all directions, has no sparse or "
    "streaming version, and its network trains on the CPU only, all of which "
    "scikit-learn and PyOD can do; on the work that both can, fitting and scoring is "
    f"{min(planes):.1f} to {max(planes):.1f} times as quick as scikit-learn's PCA "
    f"and {network:.1f} times as quick as PyOD's autoencoder with the same layers, "
    "batches and steps."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in speed.values()]
table(["fit and score", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Anomaly Detection**: Identifying and mitigating anomalies and irregularities in AI system behavior.
#
# It gives no listing for it.
# [Anomaly detection](anomaly_detection.ipynb) identifies by distance, density and isolation, and this lesson by relations; when to raise an alarm is the subject of [Calibrated alarms](calibrated_alarms.ipynb).
#
# ## References
#
# The residual of a plane: {cite:t}`jackson1979`.
# Linear networks and principal components: {cite:t}`baldi1989`; autoencoders as detectors: {cite:t}`sakurada2014`.
# What happened: {cite:t}`csb2007`.
