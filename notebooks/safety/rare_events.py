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
# # Rare events
#
# Importance sampling and splitting, beside random tests, extreme values and an attack.
#
# KataGo plays Go better than any human, and it learnt by playing against itself, game after game.
# In 2023 researchers trained an opponent that beat it in more than 97 of 100 games by luring it into blunders, and people could copy the trick {cite}`wang2023`.
#
# **How rare a failure can your tests see, and how do you measure one that is rarer?**
#
# You need the answer whenever somebody says "we tested it a thousand times".
# A failure that random tests hardly ever meet may still be met every day by a million users, or at once by somebody who looks for it.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | say what a number of tests can and cannot see, estimate a probability of one in a billion with a few thousand tests, and tell when such an estimate is wrong |
# | You need | NumPy, Matplotlib, SciPy, scikit-learn; the normal law, a variance, and what an attack is, from [Adversarial examples](adversarial_examples.ipynb) |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.safety.rare_events` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

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
from companion.safety.rare_events import (
    importance_sampling,
    normal_neighbour,
    splitting,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A network names handwritten digits, and noise is added to each test image that it names correctly.
# Each pixel may change by up to the size on the axis; an image *fails* if some noise makes the network name another digit.
#
# **Guess before you look**: at a size of 0.2, for what share of the images does at least one of a thousand random noises fail? And for what share is there a noise that fails?

# %% mystnb={"figure": {"caption": "Left: the share of all correctly named test images for which a failure is found, or held possible, against the size of the noise: by an attack with gradients, by splitting down to one in a trillion, by an extreme-value fit to 1000 draws, by 1000 random corners of the cube, and by 1000 uniform draws. Right: the probability of failure under uniform noise by splitting, its median and quartiles over the images (an estimate stops at one in a trillion), and what 1000 draws can see. One network, recorded.", "name": "fig-rare-events"}, "image": {"alt": "Two panels. Left: five rising curves. The attack is highest and reaches nearly all images at a size of 0.2; splitting, random corners and the extreme-value fit follow, and uniform draws are lowest, at about a quarter. Right: the median probability rises from below one in a trillion at a size of 0.1 to about one in five hundred at 0.3; up to 0.25 most of the band lies below the line of one in a thousand."}} tags=["hide-input"]
evidence = recorded("safety/rare_events")
net = evidence.results["network"]
first = [r for r in net["rows"] if r["seed"] == 0]
sizes = [r["size"] for r in first]
lines = (
    ("attack", "attack", "o-", "red"),
    ("splitting reached", "splitting", "D-", "blue"),
    ("corners", "random corners", "^:", "green"),
    ("tail possible", "extreme values", "v-.", "purple"),
    ("uniform", "uniform draws", "s--", "grey"),
)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
for key, label, style, colour in lines:
    share = [100 * r[key] for r in first]
    left.plot(sizes, share, style, color=COLOURS[colour], label=label)
left.set(xlabel="size of the noise", ylabel="images that fail (%)", ylim=(0, 103))
left.set_title("Who sees a failure")
left.legend(fontsize=9, ncol=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))
low, mid, high = (
    [np.quantile(r["log10 splitting"], q) for r in first] for q in (0.25, 0.5, 0.75)
)
right.fill_between(sizes, low, high, color=COLOURS["blue"], alpha=0.2)
right.plot(sizes, mid, "D-", color=COLOURS["blue"], label="splitting: median")
right.axhline(-3, ls="--", color=COLOURS["grey"], label="one in 1000 draws")
right.set(xlabel="size of the noise", ylabel="log10 of the probability")
right.set_title("How rare it is")
right.legend(fontsize=9, ncol=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
plt.show()

# %% [markdown]
# On the left, the attack finds a failing noise for nearly every image at a size at which a thousand uniform draws find none for most.
# Splitting, which is random, too, finds one for most, and it adds what the attack cannot say: *how rare* the failure is.
#
# So what misses these failures is not chance itself.
# It is a budget of a thousand, which does not reach down to them.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
same = [r for r in net["rows"] if r["size"] == 0.2]
claim(
    "At a size of 0.2 the attack finds a failure for at least 98 % of the images, "
    "splitting for three in four, and 1000 uniform draws find none for more than half; "
    "1000 random corners see more than twice as many as the uniform draws.",
    bool(
        min(r["attack"] for r in same) >= 0.98
        and min(r["splitting reached"] for r in same) >= 0.75
        and max(r["uniform"] for r in same) < 0.5
        and all(r["corners"] > 2 * r["uniform"] for r in same)
    ),
    over="all correctly named test images of 3 networks, recorded",
)

# %% [markdown]
# ## The idea on pencil and paper: what $n$ tests can see
#
# A failure of probability $p$ stays unseen in $n$ independent tests with probability $(1 - p)^n \approx e^{-np}$.
# With $n = 1000$ and $p$ one in a million that is $e^{-0.001}$, so 999 times in a thousand you see nothing.
#
# Turn it around: you saw no failure in $n$ tests.
# If $p$ were $3/n$, that would happen with probability $e^{-3} \approx 0.05$.
# So all you know, at 95 %, is $p < 3/n$, the *rule of three*.
#
# Now write one in a million as a product:
#
# $$10^{-6} = \tfrac{1}{10} \cdot \tfrac{1}{10} \cdot \tfrac{1}{10} \cdot \tfrac{1}{10} \cdot \tfrac{1}{10} \cdot \tfrac{1}{10}.$$
#
# Each factor is a frequency that a few dozen tests can measure, if you can get to the next level *given* the one before.
# That is splitting, and it comes second, because there is something simpler if you know where the failures are.
#
# ## Importance sampling: draw where the failures are, and divide
#
# Let the inputs $x$ be standard normal with density $\varphi$, and let a failure be a score $s(x)$ of at least $t$.
# Draw from another density $q$ instead, and weigh every draw by how much too often it came:
#
# $$P(s(x) \ge t) = \int \mathbf{1}[s(x) \ge t]\, \frac{\varphi(x)}{q(x)}\, q(x)\, dx$$
#
# $$\approx\; \frac1n \sum_{s(x_i) \ge t} \frac{\varphi(x_i)}{q(x_i)}.$$
#
# For $q$ take the same bell, moved to a center $c$.
# Then the weight is $\varphi(x)/q(x) = e^{-c \cdot x + |c|^2/2}$.
# A good center is the *design point*, the failure that is nearest to the origin.


# %%
def plain_importance(score, center, n, rng, threshold):
    x = rng.normal(size=(n, len(center))) + center
    weight = np.exp(-x @ center + center @ center / 2)
    return np.mean(weight * (score(x) >= threshold))


def along(x):
    return x @ np.array([0.6, 0.8])  # a unit vector: the score is standard normal


center = 4 * np.array([0.6, 0.8])
plain = plain_importance(along, center, 1000, np.random.default_rng(0), 4)
ours = importance_sampling(along, center, 1000, np.random.default_rng(0), 4)
np.testing.assert_allclose(plain, ours.probability, rtol=1e-9)

# %% [markdown]
# For a linear score the truth is known: the probability of $\beta$ standard deviations is $\Phi(-\beta)$.
# Here are a thousand draws each.

# %%
rows = []
for beta in (2, 4, 6, 8):
    rng = np.random.default_rng(beta)
    plain = np.mean(along(rng.normal(size=(1000, 2))) >= beta)
    got = importance_sampling(along, beta * center / 4, 1000, rng, beta)
    told = f"{got.probability:.1e} ± {got.error:.0e}"
    rows.append([f"{beta}", f"{plain:.3f}", told, f"{norm.sf(beta):.1e}"])
table(["β", "random tests", "importance sampling", "truth"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
far = [
    (importance_sampling(along, b * center / 4, 1000, np.random.default_rng(s), b), b)
    for b in (2, 4, 6, 8)
    for s in range(10)
]
claim(
    "Importance sampling at the design point of a linear score is right within four of "
    "its own standard errors, and they are below 12 % of the probability.",
    all(
        abs(g.probability - norm.sf(b)) < 4 * g.error and g.error < 0.12 * norm.sf(b)
        for g, b in far
    ),
    over="β = 2, 4, 6, 8 with 1000 draws and 10 seeds each",
)

# %%
show_source(importance_sampling)

# %% [markdown]
# ## Real data: an attack tells you where to draw
#
# Where does a design point come from?
# For a classifier it has another name, the *adversarial example*: the nearest input that fails.
# For a linear one you can write it down, so everything can be checked.
#
# Here logistic regression tells eights from ones, and each pixel gets normal noise of standard deviation 0.2.
# With weights $w$ and logit $m$ of an image, the noise must push the logit below zero, which takes $\beta = m / (0.2\,|w|)$ standard deviations along $-w$.

# %%
data = digits()
pair = np.isin(data.y_train, [1, 8])
model = LogisticRegression(max_iter=1000).fit(data.X_train[pair], data.y_train[pair])
w, sigma = model.coef_[0].round(3), 0.2  # rounded: the same on every computer
eights = data.X_test[data.y_test == 8]
logits = eights @ w + model.intercept_.round(3)
beta = logits / (sigma * np.linalg.norm(w))
chosen = np.argsort(beta)[[10, 20, 30, 40]]  # from easy to fool to hard

# %%
rows, ratios = [], []
for i in chosen:
    rng = np.random.default_rng(0)

    def score(noise, i=i):
        return -(logits[i] + sigma * noise @ w)

    attack = -beta[i] * w / np.linalg.norm(w)
    shifted = importance_sampling(score, attack, 1000, rng).probability
    start = rng.normal(size=(20, 50, 64))
    split = splitting(score, start, normal_neighbour, rng, moves=10, batch=5)
    truth = norm.sf(beta[i])
    spread = split.probability.std() / np.sqrt(20)
    ratios.append((shifted / truth, abs(split.probability.mean() - truth) / spread))
    found = [f"{np.log10(p):.1f}" for p in (truth, shifted, split.probability.mean())]
    rows.append([*found, f"{split.evaluations.sum()}"])
table(
    ["log10 of the truth", "importance sampling", "splitting, 20 runs", "its scores"],
    rows,
)

# %% [markdown]
# Importance sampling used a thousand draws for each image, because the attack had told it where to look.
# Splitting was told nothing, and asked for as many scores as the last column says.
# How does it find its way?
#
# ## Splitting: the last particle
#
# Draw $N$ *particles* from the law of the inputs and look at the one with the lowest score.
# Of the probability mass, about one part in $N$ lies below that score, so reaching the level above it has probability about $1 - 1/N$.
# Kill that particle, put a copy of another one in its place, and let the copy walk a few steps without falling below the level.
# If the copy walks far enough, all $N$ particles are draws *given* that the level is passed, and you can do it again.
# If $K$ particles have been killed when all have reached the threshold,
#
# $$\hat p = \Big(1 - \frac1N\Big)^K.$$
#
# A step of the walk is $y = \sqrt{1 - h^2}\,x + h\,\xi$ with fresh normal $\xi$ and a length $h$ that is drawn anew each time, from 0.1 to 1.
# It keeps the standard normal law, and a step below the level is refused.


# %%
def plain_splitting(x, score, neighbour, rng, threshold, moves):
    n, killed, s = len(x), 0, score(x)
    while s.min() < threshold:
        worst, level = s.argmin(), s.min()
        y = x[np.flatnonzero(s > level)[int(rng.random() * (n - 1))]]
        for _ in range(moves):
            z = neighbour(y[None], level, rng)[0]
            y = z if score(z[None])[0] > level else y
        x[worst], s[worst] = y, score(y[None])[0]
        killed += 1
    return (1 - 1 / n) ** killed


begin = np.random.default_rng(1).normal(size=(30, 2))
ours = splitting(along, begin[None], normal_neighbour, np.random.default_rng(2), 3.0)
rng = np.random.default_rng(2)
plain = plain_splitting(begin.copy(), along, normal_neighbour, rng, 3.0, moves=20)
np.testing.assert_allclose(plain, ours.probability[0], rtol=1e-9)

# %% [markdown]
# The package's function carries many independent runs in lockstep, so that the score is asked for all of them at once, and it counts every score that it asked for, those of refused steps included.
# It can also let several particles die at once (`batch`), which is quicker and hardly worse.

# %%
show_source(splitting)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "On the eights both methods agree with the closed form: importance sampling within "
    "a fifth, splitting within four standard errors of its 20 runs.",
    all(abs(r - 1) < 0.2 and z < 4 for r, z in ratios),
    over="4 images, from easy to hard, 1000 draws and 20 runs of 50 particles",
)

# %% [markdown]
# ## The Poisson law of the count, and how far a walk misses it
#
# How sure is $\hat p$?
# Replace each score $s$ by $-\log P(\text{score} > s)$, and every particle becomes a clock that waits an exponential time.
# Killing the lowest one is the next tick of $N$ such clocks, so the number of ticks until $\log(1/p)$ has a Poisson law {cite}`guyader2011`,
#
# $$K \sim \text{Poisson}(N \log(1/p)),$$
#
# $$\text{mean} = \text{variance} = N \log(1/p).$$
#
# That needs continuous scores and, for each copy, an *exact* draw above the level.
# A walk of a few steps is not one, because the copy is still close to its parent.
# Here are runs with $N = 50$, where $p = 2.3 \cdot 10^{-4}$.

# %%
law, *ways = evidence.results["law"]
rows = [["the law", law["law"], law["law"], 1.0]]
for way in ways:
    v = np.mean(way["variance"])
    rows.append([way["name"], np.mean(way["mean"]), v, v / law["law"]])
table(
    ["500 runs", "mean", "variance", "variance / law"],
    rows,
    digits=1,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
ratio = {w["name"]: np.array(w["variance"]) / law["law"] for w in ways}
mean = {w["name"]: np.mean(w["mean"]) / law["law"] for w in ways}
claim(
    "Exact draws keep the Poisson law; five moves and twenty small moves leave the mean "
    "right to 10 %, but the variance is more than half as large again after five, and "
    "more than four times as large after the small ones.",
    bool(
        abs(ratio["exact draws"].mean() - 1) < 0.25
        and abs(mean["exact draws"] - 1) < 0.02
        and all(
            abs(mean[w] - 1) < 0.1 and ratio[w].mean() > least
            for w, least in (("5 moves", 1.5), ("20 small moves", 4))
        )
    ),
    over="5 seeds of 100 runs, recorded",
)

# %% [markdown]
# A right mean hides a wrong variance, and an interval from the law would be far too narrow.
# So run splitting several times and take the interval from the *runs*, as the package's example and every table on this page do.
#
# ## A network: what each way of testing sees
#
# Back to the picture, now with the effort beside it: how many scores (or gradients) each method asked for, for each image, at a size of 0.2.
# The square attack of [Robustness evaluation](robustness_evaluation.ipynb) belongs in this list, because it is random search, too: it tries random squares of pixels and keeps what helps.

# %%
effort = np.mean([r["scores of splitting"] for r in same])
rows = [
    [name, cost, *[100 * f([r[key] for r in same]) for f in (np.mean, np.min, np.max)]]
    for name, key, cost in (
        ("attack with gradients (PGD)", "attack", "2 x 40 gradients"),
        ("square attack", "square", "1000"),
        ("random corners", "corners", "1000"),
        ("uniform draws", "uniform", "1000"),
        ("extreme-value fit says possible", "tail possible", "1000"),
        ("splitting, to 1e-12", "splitting reached", f"{effort:.0f}"),
    )
]
table(["3 networks, size 0.2", "scores", "images (%)", "least", "most"], rows, digits=0)

# %% [markdown]
# The square attack asks for as many scores as the random draws and finds far more, so what makes the difference is not the gradient: it is that the attack *adapts*, keeping what came closest and starting from there.
# Splitting adapts in the same way, and pays for it with more scores.
# Would uniform draws see as much if they got as many as splitting?
# An image shows itself in $n$ draws with probability $1 - (1 - p)^n$, and splitting has measured $p$ for each of them.


# %%
def expected(row, n):
    """Images, in percent, that n uniform draws should see, by splitting's p."""
    p = 10.0 ** np.array(row["log10 splitting"])
    return 100 * np.mean(1 - (1 - p) ** n)


rows = [
    [
        f"network {r['seed']}",
        100 * r["uniform"],
        expected(r, 1000),
        expected(r, r["scores of splitting"]),
        100 * r["splitting reached"],
    ]
    for r in same
]
table(
    ["images (%)", "1000 draws", "expected", "as many as splitting", "splitting"],
    rows,
    digits=0,
)

# %% [markdown]
# So more draws would help a little, but not as much as going where the last ones came closest.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "What splitting expects a thousand uniform draws to see is what they saw, to two "
    "points.",
    all(abs(expected(r, 1000) - 100 * r["uniform"]) < 2 for r in same + first),
    over="all images of 3 networks at a size of 0.2, and of the first at 5 sizes, recorded",
)

# %% [markdown]
# Why is an attack so far ahead of a draw?
# Take a linear score with weights $w$ and noise of size $\epsilon$.
# The worst noise moves it by $\epsilon \sum_j |w_j|$, but a uniform one has a standard deviation of only $\epsilon\,|w| / \sqrt 3$, because its pixels push in different directions and cancel.
# In 64 pixels the worst case is therefore up to $\sqrt{3 \cdot 64} \approx 14$ standard deviations away.
#
# ## Extreme values: extrapolating from what was seen
#
# [Risk assessment](risk_assessment.ipynb) fits a generalised Pareto law to the largest of a sample and reads off probabilities beyond it.
# Its shape may be negative, and then the fitted tail *ends*: the fit says that a failure is impossible.
# Here are eleven images, every fortieth, so that none was selected, with twelve fits each (six samples of 20 000 draws, the largest 200 or 1000 of each) beside ten runs of splitting.

# %%
tails = net["tails"]
rows = []
for r in tails:
    fits = [f for f in r["fits"] if f is not None]
    span = f"{min(fits):.1f} to {max(fits):.1f}" if fits else "none"
    by_split = f"{min(r['splitting']):.1f} to {max(r['splitting']):.1f}"
    by_split = by_split if r["reached"] else "below -12"
    rows.append([r["image"], by_split, f"{r['impossible']} of 12", span])
table(["image", "splitting (log10)", "fit says impossible", "other fits (log10)"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
rare = [r for r in tails if r["reached"] == 10 and max(r["splitting"]) < -4.5]
spans = [np.ptp([f for f in r["fits"] if f is not None]) for r in rare]
called = [r["impossible"] for r in rare]
claim(
    "For the images that fail in all ten runs of splitting, but more rarely than once in "
    "30 000, the fits of one image lie more than three orders of magnitude apart, and it "
    "depends on image and sample whether the failure is called impossible.",
    bool(
        len(rare) >= 4 and min(spans) > 3 and min(called) == 0 and 3 <= max(called) < 12
    ),
    over=f"{len(rare)} images, 12 fits and 10 runs of splitting each, recorded",
)

# %% [markdown]
# Where a failure comes once in a few ten thousand draws, the fit is as good as splitting, because the sample nearly reaches it.
# Further out, do not read *impossible* as a proof, and do not read it as nonsense either: for the two images that splitting cannot make fail down to one in a trillion, most fits say the same.
#
# ## Break it: one design point, two ways to fail
#
# Let a part fail if $|x| \ge 4$, on either side, and put the center at $+4$, because the attack found that one first.

# %%
truth = 2 * norm.sf(4)


def either(x):
    return np.abs(x[:, 0])


rows = []
for name, centers in (
    ("one center", [4.0]),
    ("a center on each side", [[4.0], [-4.0]]),
):
    got = importance_sampling(either, centers, 5000, np.random.default_rng(0), 4.0)
    rows.append([name, 1e5 * got.probability, 1e5 * got.error, 1e5 * truth])
table(["units of 1e-5", "estimate", "reported error", "truth"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
one = [
    importance_sampling(either, [4.0], 5000, np.random.default_rng(s), 4.0)
    for s in range(10)
]
claim(
    "With one center the estimate is half of the truth, and the error that it reports "
    "is below 5 %.",
    all(
        abs(g.probability / truth - 0.5) < 0.1 and g.error < 0.05 * g.probability
        for g in one
    ),
    over="10 seeds of 5000 draws",
)

# %% [markdown]
# No draw ever came to the other side, so nothing in the sample could warn you: a small reported error checks nothing.
# Ask the attack again, from many starting points, before you trust a single center.
#
# ## Break it: a score that points the wrong way
#
# Splitting follows the score, so it can be led astray.
# In problem RP110 of the reliability benchmark of openturns {cite}`otbenchmark` the likely failure, $a \ge 4$, hides behind a score that hardly rises before $a = 3.5$, while the other input rises early towards a failure that is a hundred times rarer.


# %%
def detour(x):
    a, b = x[:, 0], x[:, 1]
    g_a = np.where(a <= 3.5, 0.85 - 0.1 * a, 4 - a)
    g_b = np.where(b <= 2, 2.3 - b, 0.5 - 0.1 * b)
    return -np.minimum(g_a, g_b)


truth = norm.sf(4) + norm.sf(5) - norm.sf(4) * norm.sf(5)
rng = np.random.default_rng(0)
start = rng.normal(size=(40, 100, 2))
runs = splitting(detour, start, normal_neighbour, rng, moves=9).probability
rows = [
    ["truth", f"{truth:.1e}"],
    ["median of 40 runs", f"{np.median(runs):.0e}"],
    ["runs that see less than a tenth of it", f"{(runs < truth / 10).sum()} of 40"],
]
table(["RP110", ""], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "On RP110 most runs of splitting see less than a tenth of the truth, and most agree "
    "with their median to a factor of ten, so agreement is no proof.",
    bool(
        (runs < truth / 10).mean() > 0.6
        and (abs(np.log10(runs / np.median(runs))) < 1).mean() > 0.6
    ),
    over="40 runs of 100 particles, about as many scores as openturns takes",
)

# %% [markdown]
# The mean over very many runs can still be right, because a rare run finds the hidden way and counts for all the others.
# That is no comfort to somebody who made three runs.
# One more trap waits where many inputs have *the same* score, for example a score that was rounded or cut off: tied particles must die together.
# Counted one by one they bias the estimate, as the record shows for a score with half of its mass on one value {cite}`walter2015`.

# %%
tied = evidence.results["atoms"]
rows = [["one by one", tied["one by one"]], ["together", tied["together"]]]
table(["tied particles die", "estimate / truth"], rows, digits=2)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "A thousand random tests passed, so failures are very rare."
# > **You know that fewer than three in a thousand fail, and no more.** And you know it only for the inputs that you drew from.
# >
# > "Random testing cannot see what an adversary sees."
# > **At a budget of a thousand uniform draws it missed most of it; with corners, with adaptation or with more draws it sees more.** What is random is not the problem, what does not adapt is.
# >
# > "The reported error is 3 %, so the estimate is good."
# > **An error computed from the draws knows nothing of failures that no draw met.** Only another method, or another start, can tell.
# >
# > "The count of splitting is Poisson, so one run gives an interval."
# > **With a walk of a few steps its variance is larger, and with one step many times.** Take the interval from repeats.
# >
# > "Extreme-value theory says that it cannot happen."
# > **It says so for this sample, under a fitted tail.** Another sample of the same image may say otherwise.
#
# **Strengths**: both methods reach probabilities that no number of plain tests could, with a few thousand scores.
#
# **Limits**: they need a score that grows towards failure and a law of inputs. Where known parts fail together, [a fault tree](fault_trees.ipynb) needs no draw at all. A probability under uniform noise is not the probability that somebody means harm, for whom only the worst case counts.
#
# **Who is harmed when it fails**: those who meet the one case in a million: a pedestrian at dusk in a coat that the simulator never drew, or the patient whose scan lies where nobody put a center.
#
# **In production** take OpenTURNS for importance and subset sampling of engineering models, and [an ensemble of attacks](robustness_evaluation.ipynb) where somebody may search for the failure.

# %% [markdown]
# ## Check yourself
#
# **1.** An assistant passed 3000 tests that were drawn at random from real requests, without a single failure. What may you say about real requests?
#
# <details><summary>That fewer than one in 3000 fails, at 95 %.</summary>
#
# **Not so.** By `expected`, which foretold what the random draws saw, a failure of that size stays unseen in 3000 tests with probability $e^{-1}$, which is more than a third.
#
# </details>
#
# <details><summary>Nothing, because random tests do not see failures.</summary>
#
# **Not so.** They see those that are not too rare: in `expected` stands what a thousand draws should see, and that is what they saw.
#
# </details>
#
# <details><summary>That fewer than one in 1000 fails, at 95 %.</summary>
#
# **Right.** A failure of probability $3/3000$ would have stayed unseen only with probability $e^{-3} \approx 0.05$. It is the rule of three, and it holds for the law of the tests.
#
# </details>
#
# **2.** An attack finds how a braking system fails. Importance sampling with its center there reports a tiny probability with an error of three percent. Which check do you add?
#
# <details><summary>None, because an error of three percent is small enough.</summary>
#
# **Not so.** With one center `got` reported an error as small as that, and its estimate was half of the truth.
#
# </details>
#
# <details><summary>More attacks from other starts, and centers where they end.</summary>
#
# **Right.** The draws know only the failures that they meet. A second way to fail shows itself when something else finds it.
#
# </details>
#
# <details><summary>The same estimate ten times over with fresh draws.</summary>
#
# **Not so.** That was done in `one`: ten seeds agreed with one another, and each of them missed the other side.
#
# </details>
#
# **3.** Five runs of splitting on a simulator come out within a factor of two of one another. Is their mean to be trusted?
#
# <details><summary>Yes, because independent runs do not all err alike.</summary>
#
# **Not so.** Most of `runs` agreed with their median to a factor of ten, and most saw less than a tenth of the truth.
#
# </details>
#
# <details><summary>Yes, if the Poisson law of the count gives a narrow interval.</summary>
#
# **Not so.** That law needs exact draws: in `ways` the variance after short walks was several times what it says, so the interval would be too narrow.
#
# </details>
#
# <details><summary>Only if no likely failure hides where the score hardly rises.</summary>
#
# **Right.** Splitting follows the score. Where this leads all the runs to the wrong failure, they agree, and only another method can tell.
#
# </details>

# %% [markdown]
# ## Exercise 1: how many tests?
#
# *Easy, 10 minutes.*
# Return how many independent tests you need so that a failure of probability $p$ shows itself at least once with probability 95 %.
#
# Hint: it stays unseen with probability $(1 - p)^n$; round up to a whole number.


# %% tags=["exercise"]
def tests_needed(p):
    """Smallest n with 1 - (1 - p)^n of at least 0.95."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_tests_needed(attempt):
    answers = [attempt(0.1), attempt(0.001)]
    wrong = "That is 1/p: after so many tests it is still unseen with probability 37 %."
    exact = [np.log(0.05) / np.log(1 - p) for p in (0.1, 0.001)]
    mistakes = {
        wrong: [10, 1000],
        "Round up to a whole number.": exact,
        "Unseen must have the probability 0.05, not 0.95.": [1, 52],
        "That is the rule of three, which is a little too large.": [30, 3000],
        "One too few: round up.": [28, 2994],
    }
    check_answer(None if None in answers else answers, [29, 2995], mistakes)


check_tests_needed(tests_needed)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def tests_needed_solution(p):
    return int(np.ceil(np.log(0.05) / np.log1p(-p)))


check_tests_needed(tests_needed_solution)
# Why: unseen means that every single test misses, so the probabilities multiply. For
# small p the logarithm of 1 - p is about -p, and log 0.05 about -3: the rule of three.

# %% [markdown]
# ## Exercise 2: the weight with two centers
#
# *Medium, 15 minutes.*
# In one dimension, half of the draws come from a bell at $+c$ and half from one at $-c$.
# Return the weight $\varphi(x) / q(x)$ of a draw $x$.
#
# Hint: $q(x) = \frac12 \varphi(x - c) + \frac12 \varphi(x + c)$, and $\varphi(x - c)/\varphi(x) = e^{cx - c^2/2}$.


# %% tags=["exercise"]
def weight(x, c):
    """How much a draw x from the mixture counts."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_weight(attempt):
    x, c = 1.5, 2.0
    up, down = np.exp(c * x - c**2 / 2), np.exp(-c * x - c**2 / 2)
    mistakes = {
        "That is q / φ; the weight divides by q.": (up + down) / 2,
        "Only one of the two bells is in your q.": 1 / up,
        "Each bell has half of the draws: the factor 1/2 is missing.": 1 / (up + down),
        "The weights of the two bells are averaged, but their densities must be.": (
            1 / up + 1 / down
        )
        / 2,
    }
    check_answer(attempt(x, c), 2 / (up + down), mistakes)


check_weight(weight)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def weight_solution(x, c):
    return np.exp(c**2 / 2) / np.cosh(c * x)


check_weight(weight_solution)
# Why: a draw counts by how often the mixture as a whole comes to its place, whichever bell
# it came from. So no weight explodes on the other side, where the other bell is dense.

# %% [markdown]
# ## Exercise 3: what splitting saves
#
# *Medium, 10 minutes.*
# With exact draws, one run of splitting with $N$ particles has a relative error of about $\sqrt{\log(1/p) / N}$, and $n$ plain tests have $\sqrt{1 / (np)}$ for small $p$.
# Return how many plain tests have the same relative error as one run with $N = 100$.
#
# Hint: set the two expressions equal and solve for $n$.


# %% tags=["exercise"]
def plain_tests(p):
    """Number of plain tests that are as good as one run with 100 particles."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_plain_tests(attempt):
    right = 100 / (1e-6 * np.log(1e6))
    mistakes = {
        "The relative error has a root; square both sides.": np.sqrt(right),
        "Use the natural logarithm.": 100 / (1e-6 * 6),
        "You multiplied by log(1/p) instead of dividing.": 100 / 1e-6 * np.log(1e6),
        "That is 1/p, the tests that one failure takes.": 1e6,
        "log(1/p) is positive, and log(p) is not.": -right,
        "The 100 particles are missing.": right / 100,
    }
    check_answer(attempt(1e-6), right, mistakes, tolerance=1.0)


check_plain_tests(plain_tests)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def plain_tests_solution(p):
    return 100 / (p * np.log(1 / p))


check_plain_tests(plain_tests_solution)
# Why: plain tests pay 1/p for each failure that they see, and splitting only a logarithm.
# Seven million tests against some 1400 kills, each of which costs as many scores as moves.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
solved = evidence.results["problems"]
spread = {
    who: {r["name"]: np.std(r[who]) / r["truth"] for r in solved}
    for who in ("ours", "openturns")
}
speed = evidence.results["speed"]
slower = [1 / r["one run"] for r in speed]
lockstep = [r["twenty runs"] for r in speed]
wider = [spread["ours"][n] / spread["openturns"][n] for n in list(spread["ours"])[:3]]
Markdown(
    f"One run of the book's splitting is {min(slower):.0f} to {max(slower):.0f} times "
    "slower than one subset sampling by openturns, even with a tenth of the particles "
    "dying at once; twenty runs in lockstep, which you need for an interval, are "
    f"{min(lockstep):.1f} to {max(lockstep):.1f} times quicker than twenty of theirs. At "
    "about as many scores the spread of its estimates is "
    f"{min(wider):.1f} to {max(wider):.1f} times theirs on the three problems that both "
    "solve, and RP110 leads both astray."
)

# %% tags=["hide-output"]
rows = [
    [
        r["name"],
        f"{r['truth']:.1e}",
        *[
            f"{np.mean(r[who]) / r['truth']:.2f} ± {spread[who][r['name']]:.2f}"
            for who in spread
        ],
        f"{r['scores']:.0f} / {r['scores, openturns']:.0f}",
    ]
    for r in solved
]
table(
    [
        "problem",
        "truth",
        "ours / truth ± spread",
        "openturns / truth ± spread",
        "scores",
    ],
    rows,
)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Risk Assessment**: Assessing and mitigating the risks associated with AI systems.
#
# A risk that no test has met is still a risk, and this page is about assessing that one.
# The source has no listing for it.
#
# ## References
#
# Importance sampling and splitting began with {cite:t}`kahn1951`; subset simulation: {cite:t}`aubeck2001`; the last particle and its law: {cite:t}`guyader2011`, a relative of nested sampling {cite}`skilling2004`; scores with ties: {cite:t}`walter2015`.
# Splitting for neural networks: {cite:t}`webb2019`, {cite:t}`tit2021`.
# Published problems: {cite:t}`otbenchmark`, {cite:t}`waarts2000`; what happened: {cite:t}`wang2023`.
