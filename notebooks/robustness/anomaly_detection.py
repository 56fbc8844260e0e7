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
# # Anomaly detection
#
# Mahalanobis distance, *k* nearest neighbours, the local outlier factor (LOF) and the isolation forest.
#
# In March 2018 a self-driving test car of Uber struck and killed Elaine Herzberg, who was pushing a bicycle across a road in Tempe, Arizona.
# The car had noticed her more than five seconds before, but it never took her for a pedestrian, because its design had no place for people who cross outside a crosswalk {cite}`ntsb2019`.
#
# **How can a system notice that a sample is unlike everything it has learned from?**
#
# You need the answer whenever your model gets an input that nobody foresaw, because a classifier picks one of its classes for any input at all.
# There is no single answer, though: a sample can be strange by distance, by density or by isolation, and this page shows you which method sees which.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | score samples in four ways, say which anomaly each way misses, and spot a benchmark that measures its own copies |
# | You need | NumPy, Matplotlib, scikit-learn; what a mean, a covariance matrix and a probability are |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.robustness.anomaly_detection` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import warnings

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display
from matplotlib.patheffects import withStroke
from sklearn.model_selection import train_test_split

from companion.datasets import wisconsin_outliers
from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.robustness.anomaly_detection import (
    IsolationForest,
    LocalOutlierFactor,
    Mahalanobis,
    NearestNeighbours,
    average_path,
)
from companion.robustness.calibrated_alarms import auroc

figure_style()


# %% [markdown]
# ## The answer in a picture
#
# Here is normal life in two dimensions: a thin arc of 300 samples, and a loose cloud of 60.
# Three samples are not normal.
# **A** lies in the empty middle of the arc, **B** lies half a step outside the arc, which is a tenth of a step thick, and **C** lies far away from everything.


# %% tags=["hide-input"]
def normal_life(rng):
    angle = rng.uniform(0, 1.5 * np.pi, 300)
    arc = 3 * np.column_stack([np.cos(angle), np.sin(angle)])
    arc += 0.1 * rng.normal(size=(300, 2))
    return np.concatenate([arc, [5, -5] + 1.2 * rng.normal(size=(60, 2))])


def share_below(detector, fresh, x):
    """The share of fresh normal samples with a lower score than x."""
    return np.searchsorted(np.sort(detector.score(fresh)), detector.score(x)) / len(
        fresh
    )


rng = np.random.default_rng(0)
X, fresh = normal_life(rng), normal_life(rng)
anomaly = np.array([[0, 0], [0, 3.5], [-2, 8]])
detectors = {
    "Mahalanobis": Mahalanobis(),
    "10th neighbour": NearestNeighbours(10),
    "Local outlier factor": LocalOutlierFactor(10),
    "Isolation forest": IsolationForest(),
}

# %% [markdown]
# **Guess before you look**: four methods learn from the normal samples only.
# They ask how far a sample lies from the mean, how far from its tenth nearest neighbour, how much sparser its place is than its neighbours' places, and how few random cuts set it apart.
# Who sees A, who sees B, and who sees C?

# %% mystnb={"figure": {"caption": "The same samples (orange), four ideas of strange. The colour of a place is the share of 360 fresh normal samples that are less strange than a sample there: dark is normal, white is strange. Within the black lines lie 95 % of the fresh samples. The stars are three anomalies: A, the empty middle, B, just off the arc, and C, far away. First of twenty draws.", "name": "fig-anomaly-detection"}, "image": {"alt": "Four maps of the same plane with a thin three-quarter circle and a loose cloud to its lower right. Mahalanobis: one smooth ellipse, darkest between the two groups, with A and B well inside. Tenth neighbour: dark arc and dark cloud, A outside, B inside the black line. Local outlier factor: a narrow band along the arc and a wide one around the cloud, with A and B both outside. Isolation forest: a block with straight arms upwards and to the left, in which A, B and C lie, all pale but within the line. C is outside the other three lines."}} tags=["hide-input"]
x, y = np.meshgrid(np.linspace(-6, 9, 120), np.linspace(-9, 9, 144))
place = np.column_stack([x.ravel(), y.ravel()])
fig, axes = plt.subplots(2, 2, figsize=(8, 7.6), sharex=True, sharey=True)
for axis, (name, detector) in zip(axes.flat, detectors.items()):
    colour = share_below(detector.fit(X), fresh, place).reshape(x.shape)
    shown = axis.pcolormesh(x, y, colour, cmap="Blues_r", vmin=0, vmax=1)
    shown.set_rasterized(True)
    axis.contour(x, y, colour, [0.95], colors="black", linewidths=0.8)
    axis.scatter(*X.T, s=2, color=COLOURS["orange"], linewidths=0)
    axis.scatter(*anomaly.T, s=110, marker="*", color=COLOURS["red"], edgecolor="white")
    for letter, (right, up) in zip("ABC", anomaly):
        label = axis.text(right + 0.6, up + 0.3, letter, weight="bold", fontsize=13)
        label.set_path_effects([withStroke(linewidth=3, foreground="white")])
    axis.set(title=name, aspect="equal")
    axis.grid(False)
fig.supxlabel("first feature", fontsize=11)
fig.supylabel("second feature", fontsize=11)
fig.colorbar(shown, ax=axes, label="share of normal samples less strange", shrink=0.8)
plt.show()

# %% [markdown]
# Look at the black lines, because what lies outside of them would raise an alarm.
# Mahalanobis calls the emptiest place of the picture perfectly normal, and only the local outlier factor has both A and B outside.
# The forest cuts along the axes, so it leaves straight stripes, and even C lies in one of them.
# One picture could be luck, however, so here is the share of normal samples below A and below B in twenty draws.

# %%
evidence = recorded("robustness/anomaly_detection")
shapes = evidence.results["shapes"]["share below"]
seen = {name: np.array(shapes[name]) for name in detectors}  # draws x situations


def ranges(columns):
    low, high = ({n: f(s, 0) for n, s in seen.items()} for f in (np.min, np.max))
    return [
        [n, *(f"{low[n][c]:.2f} to {high[n][c]:.2f}" for c in columns)] for n in seen
    ]


table(["normal samples below", "A", "B"], ranges([0, 1]))

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
now = {n: share_below(d, fresh, anomaly) for n, d in detectors.items()}
middle = {n: np.append(s[:, 0], now[n][0]) for n, s in seen.items()}
claim(
    "Mahalanobis puts A below 99 % of the normal samples, "
    "both neighbour methods put it above 95 %.",
    bool(
        (middle["Mahalanobis"] < 0.01).all()
        and (middle["10th neighbour"] > 0.95).all()
        and (middle["Local outlier factor"] > 0.95).all()
    ),
    over="20 draws, recorded, the first of them live in the figure",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
beside = {n: np.append(s[:, 1], now[n][1]) for n, s in seen.items()}
factor = beside.pop("Local outlier factor")
claim(
    "Of the four, the local outlier factor puts B highest in every draw.",
    bool((factor > np.max(list(beside.values()), axis=0)).all()),
    over="20 draws, recorded, the first of them live in the figure",
)

# %% [markdown]
# ## The idea on five numbers
#
# An **anomaly detector** looks at samples that are mostly normal, and then gives any sample a **score**.
# In this book a larger score always means a stranger sample.
#
# Take the numbers 0, 1, 2, 3 and 10.
# The simplest score is the *distance* to the second nearest other number, so 10 gets 8, because 3 and 2 are nearest to it.
# That 8 has a unit, however, and elsewhere eight steps may be quite usual.
#
# *Density* compares instead.
# The neighbours of 10 are 7 and 8 away, which is $(7 + 8)/2 = 7.5$ on average, but those of 3 are 1 and 2 away, which is only $(1 + 2)/2 = 1.5$.
# (Those of 2 are both 1 away, but the equation below counts 3 as 2 away, so 2 gets 1.5 as well.)
# So it is $7.5 / 1.5 = 5$ times denser around the neighbours of 10 than around 10 itself.

# %%
line = np.array([[0], [1], [2], [3], [10]])
distance = NearestNeighbours(2).fit(line).training_scores()
density = LocalOutlierFactor(2).fit(line).training_scores()
table(["number", "distance", "factor"], zip(line[:, 0], distance, density), digits=2)

# %% [markdown]
# *Isolation* needs no distance at all.
# Cut the range of the numbers at a random point, again and again, until the number you ask about is alone, and count the cuts.
#
# Take 0, 1 and 3.
# The first cut falls evenly between 0 and 3, so with probability $2/3$ it falls above 1 and leaves 3 alone at once, and otherwise 3 needs a second cut.
# That makes $\tfrac23 \cdot 1 + \tfrac13 \cdot 2 = \tfrac43$ cuts on average, where 0 needs $\tfrac53$ and 1 needs 2: the stranger, the fewer.
#
# ## Distance: Mahalanobis and *k* nearest neighbours
#
# The **Mahalanobis** score is the squared distance from the mean $\mu$, measured in standard deviations of each direction.
# The matrix $\Sigma$ is the covariance, which holds those spreads:
#
# $$s(x) = (x - \mu)^\top \Sigma^{-1} (x - \mu).$$
#
# The ***k* nearest neighbours** score is $d_k(x)$, the distance from $x$ to its $k$-th nearest fitted sample.
# Both are three lines.


# %%
def mahalanobis(X, x):
    centred = x - X.mean(axis=0)
    return centred @ np.linalg.inv(np.cov(X.T)) @ centred


def kth_distance(X, x, k):
    return np.sort(np.linalg.norm(X - x, axis=1))[k - 1]


B = anomaly[1]
plain = [mahalanobis(X, B), kth_distance(X, B, 10)]
package = [detectors[n].score([B])[0] for n in ("Mahalanobis", "10th neighbour")]
np.testing.assert_allclose(plain, package, rtol=1e-9)

# %%
show_source(Mahalanobis, NearestNeighbours)

# %% [markdown]
# ## Density: the local outlier factor
#
# Let $N_k(x)$ be the $k$ nearest neighbours of $x$, and call $\rho(x)$ the **local reachability density**, one over a mean distance:
#
# $$\frac{1}{\rho(x)} = \frac{1}{k} \sum_{o \in N_k(x)} \max\{d_k(o), \lVert x - o \rVert\}, \qquad s(x) = \frac{1}{k} \sum_{o \in N_k(x)} \frac{\rho(o)}{\rho(x)}.$$
#
# The maximum steadies the density, because two samples that happen to lie very close together count as $d_k(o)$ apart.
# A score of 1 means *as dense as around my neighbours*, in any unit.


# %%
def factors(X, k):
    D = np.linalg.norm(X[:, None] - X[None], axis=2)
    np.fill_diagonal(D, np.inf)  # nobody is its own neighbour
    near = np.argsort(D, axis=1)[:, :k]  # (n, k)
    apart = np.take_along_axis(D, near, axis=1)
    mean = np.maximum(apart[near, -1], apart).mean(axis=1)  # 1 / density
    return mean * (1 / mean)[near].mean(axis=1)


np.testing.assert_allclose(factors(line, 2), [1, 1, 1, 1, 5])
ours = detectors["Local outlier factor"].training_scores()
np.testing.assert_allclose(factors(X, 10), ours, rtol=1e-9)

# %% [markdown]
# Mind that there are two ways to ask.
# `training_scores()` judges the fitted samples and lets none be its own neighbour, whereas `score(X)` takes its rows as new.

# %%
show_source(LocalOutlierFactor)

# %% [markdown]
# ## Isolation: the forest
#
# A tree gets a random sub-sample of $\psi$ rows, cuts at a random point of the range of a random feature, and goes on in both parts.
# It stops early, at $\lceil \log_2 \psi \rceil$ cuts, because anomalies are alone long before.
# Let $h_t(x)$ be the cuts that tree $t$ made around $x$, and $m_t(x)$ the rows that are left with $x$ in its leaf.
# What the tree did not cut is made up for by $c(m)$, the mean number of cuts that isolate one of $m$ evenly scattered rows:
#
# $$\bar h(x) = \frac1T \sum_{t=1}^{T} \big[h_t(x) + c(m_t(x))\big], \qquad h_t(x) \le \lceil \log_2 \psi \rceil, \qquad s(x) = 2^{-\bar h(x) / c(\psi)},$$
#
# $$c(m) = 2\Big(1 + \frac12 + \dots + \frac1{m-1}\Big) - \frac{2(m-1)}{m}.$$
#
# One path, from the root to the leaf of $x$, is a short recursion.


# %%
def path(rows, x, cap, rng):
    feature = rng.integers(rows.shape[1])
    low, high = rows[:, feature].min(), rows[:, feature].max()
    if cap == 0 or low == high:
        return average_path(len(rows))
    cut = rng.uniform(low, high)
    same_side = (rows[:, feature] > cut) == (x[feature] > cut)
    return 1 + path(rows[same_side], x, cap - 1, rng)


three, rng = np.array([[0.0], [1], [3]]), np.random.default_rng(0)
cuts = [np.mean([path(three, x, 2, rng) for _ in range(4000)]) for x in three]
forest = IsolationForest(trees=20_000, sample_size=3).fit(three)
package = -average_path(3) * np.log2(forest.score(three))  # from score back to cuts
np.testing.assert_allclose(cuts, [5 / 3, 2, 4 / 3], atol=0.04)
np.testing.assert_allclose(package, [5 / 3, 2, 4 / 3], atol=0.02)

# %% [markdown]
# Both come to the cuts that you found with a pencil, up to the chance of the draws.
# (This short version stops where the drawn feature is constant; the package draws another one.)

# %%
show_source(IsolationForest)

# %% [markdown]
# ## What isolation sees: units and crowds
#
# So far the forest looked like a poor relation, so let us be fair to it.
# C was easy for the other three, but now two things change that happen in every real table.
# In the first change the second feature is stored in another unit, a thousand times larger, so its numbers shrink.
# In the second one the fitted samples are not clean, because thirty samples like C are among them.

# %%
header = ["normal samples below C", "as it was", "other unit", "30 like C fitted"]
table(header, ranges([2, 3, 4]))

# %% [markdown]
# The two neighbour methods lose C at once.
# In the new unit every distance is a distance in the first feature only, and in the crowd C's ten neighbours are the other strange ones.
# Mahalanobis and the forest do not mind the unit at all, because the one divides by the spread and the other only asks on which side of a cut a sample lies.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
same = [seen[n][:, 3] - seen[n][:, 2] for n in ("Mahalanobis", "Isolation forest")]
lost = [
    seen[n][:, 2] - seen[n][:, 3] for n in ("10th neighbour", "Local outlier factor")
]
claim(
    "The change of unit leaves C's place for Mahalanobis and the forest, "
    "to one normal sample, and moves it down for both neighbour methods.",
    bool(np.abs(same).max() <= 1 / 360 + 1e-9 and np.min(lost) > 0),
    over="20 draws, recorded",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
crowd = {n: s[:, 4] for n, s in seen.items()}
wide = np.array(shapes["40th neighbour"])[:, 4]
claim(
    "In a crowd of 30 the two methods with 10 neighbours put C below half of the normal "
    "samples, the forest above half; so does the distance to 40 neighbours.",
    bool(
        (crowd["10th neighbour"] < 0.5).all()
        and (crowd["Local outlier factor"] < 0.5).all()
        and (crowd["Isolation forest"] > 0.5).all()
        and (wide > 0.5).all()
    ),
    over="20 draws, recorded",
)

# %% [markdown]
# The last half of that sentence is the control, because with more neighbours than the crowd has members, the distance sees it again.
# So bring features to one scale before you look for neighbours, and take $k$ larger than the largest crowd of anomalies that you fear.
# A large $k$ has a price, though, because it blurs what is fine.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
blurred = np.array(shapes["40th neighbour"])[:, 1]
claim(
    "The distance to 40 neighbours puts B, just off the thin arc, lower than the "
    "distance to 10 does.",
    bool((blurred < seen["10th neighbour"][:, 1]).all()),
    over="20 draws, recorded",
)

# %% [markdown]
# ## Real data: a benchmark row, reproduced
#
# The table of breast tumours in scikit-learn has 569 rows of 30 measurements {cite}`street1993`.
# A benchmark called `wbc` keeps all 357 benign ones and 21 draws of malignant ones {cite}`rayana2016`.
# The documentation of PyOD, a library of detectors {cite}`zhao2019`, gives its result in version 0.8.1 (`docs/tables/roc.csv`): 0.9366 for the 5th neighbour and 0.9349 for the local outlier factor.
#
# The number is the **AUROC**, which is the probability that a random anomaly scores above a random normal sample, so 1 is perfect and 0.5 is guessing; [Calibrated alarms](calibrated_alarms.ipynb) opens it up.
# The protocol is ten splits, of which 60 % are fitted, with every feature brought to mean 0 and spread 1.

# %%
tumours, outlier = wisconsin_outliers()
ours = {"5th neighbour": NearestNeighbours(5), "LOF": LocalOutlierFactor(20)}
areas = {name: [] for name in ours}
for i in range(10):
    parts = train_test_split(tumours, outlier, test_size=0.4, random_state=i)
    mean, spread = parts[0].mean(axis=0), parts[0].std(axis=0)
    fit, new = ((part - mean) / spread for part in parts[:2])
    for name, detector in ours.items():
        areas[name].append(auroc(detector.fit(fit).score(new), parts[3]))

# %%
documented = {"5th neighbour": 0.9366, "LOF": 0.9349}
rows = [[name, np.mean(a), documented[name]] for name, a in areas.items()]
table(["wbc, 10 splits", "this book", "PyOD's documentation"], rows, digits=4)

# %% [markdown]
# Four digits agree, and you might now rank all detectors by the third one.
# Look at the spread first.

# %%
wbc = evidence.results["wbc"]
rows = [[n, r["auroc"], r["sd"]] for n, r in wbc.items() if "pyod" not in n]
table(["wbc, recorded", "AUROC", "spread over splits"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
four = [r for n, r in wbc.items() if "pyod" not in n]
gap = max(r["auroc"] for r in four) - min(r["auroc"] for r in four)
claim(
    "The four detectors differ by less than any one of them changes from split to split.",
    bool(gap < min(r["sd"] for r in four)),
    over="the ten splits of the documentation, recorded",
)

# %% [markdown]
# Whoever ranks these four by the third digit ranks the splits and not the detectors.
#
# ## Break it: copies
#
# Benchmarks with few rows are sometimes filled up, which means that rows are drawn again, with replacement, until there are a thousand.
# ADBench does so before it splits the data into a part to fit and a part to test {cite}`han2022`.
# Take 357 benign and 10 malignant tumours, fill them up, and fit the local outlier factor.

# %%
rng = np.random.default_rng(0)
filled = tumours[rng.choice(367, 1000)]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    LocalOutlierFactor(5).fit(filled)
str(caught[0].message)

# %% [markdown]
# Take this warning seriously.
# Where more than $k$ rows are equal, the distance to the $k$-th neighbour is zero, so the density is infinite, and an ordinary sample right beside them looks infinitely sparse by comparison.
# The same thing happens with rounded or censored measurements, and the cure is a larger $k$, or to drop the copies.
#
# With 20 neighbours there is no warning, but what do the copies do to the result?
# The recorded table, made with another ten malignant rows, has two controls beside it: the copies of tested anomalies taken out again, and the filling done only *after* the split.

# %%
copies = evidence.results["duplicates"]
result = {n: np.array(a).mean(axis=0) for n, a in copies["auroc"].items()}
rows = [[way, *(r[w] for r in result.values())] for w, way in enumerate(copies["ways"])]
table(["AUROC, 20 seeds", *result], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
near, local = result["5th neighbour"], result["Local outlier factor"]
claim(
    "Filling up before the split costs both neighbour methods more than 0.04 of AUROC; "
    "without the copies of the tested anomalies both are above 0.98.",
    bool(
        min(near[0] - near[1], local[0] - local[1]) > 0.04
        and min(near[2], local[2]) > 0.98
    ),
    over="the means of 20 seeds, recorded",
)

# %% [markdown]
# A copy is the nearest neighbour of its original, at distance zero, so a tested anomaly with copies among the fitted rows looks at home.
# The third line even beats the first, but it flatters, because the copies of tested *normal* rows are still in it and make those look at home, too.
# Nothing crashed, and the table looks like any other.
# Splitting first is no cure for the local outlier factor, as the last line shows, because the copies spoil its densities even where none of them is tested.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "An anomaly is what lies far from the mean."
# > **The mean may be the strangest place of all.** The middle of an arc is empty, and a method that knows only a mean and a spread calls it perfectly normal.
# >
# > "An isolation forest copes with any share of anomalies."
# > **It lives on anomalies being few.** The claim below this box shows what happens where they are not.
# >
# > "A low score means safe."
# > **It means *like what was fitted*, in the eyes of this detector.** What was wrong all the time is normal to every detector here.
# >
# > "The detector with the best AUROC on a benchmark is the best detector."
# > **The ranking changes with the split, and with copies in the data.** Measure on your own data, on several splits.
#
# **Strengths**: no labels are needed, each of the four methods fits on one screen, and together they cover distance, density and isolation.
#
# **Limits**: neighbours need features on one scale, all four miss an anomaly that shows in a few of thousands of features, and none of them says when to raise an alarm.
#
# **Who is harmed when it fails**: the people of whom the fitted data hold few.
# A detector of strange payments calls theirs strange because they are rare, and so they wait and explain, while the patient whose tumour looks like many benign ones is told that all is well.
#
# **In production** take scikit-learn for a single detector, and [PyOD](https://pyod.readthedocs.io) to try dozens through one interface.
# Mind the signs, because in scikit-learn a *lower* `score_samples` is stranger, and in PyOD a higher `decision_function`.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
few, many = (evidence.results["forest"][n] for n in ("wbc", "all 569 tumours"))
claim(
    "With 212 anomalies among 569 fitted tumours the forest's AUROC is lower by more "
    "than 0.1 than with 21 among 378.",
    few["auroc"] - many["auroc"] > 0.1,
    over="40 seeds, recorded",
)

# %% [markdown]
# ## Check yourself
#
# **1.** One of your features is stored in metres from today on and no longer in kilometres, so that its numbers grow a thousandfold. The others stay as they are. Which detectors are sure to rank your samples as before?
#
# <details><summary>All four, because strangeness has nothing to do with units.</summary>
#
# **Not so.** In the table that prints `ranges` for *other unit*, C sank for both neighbour methods, although it lay as far away as before.
#
# </details>
#
# <details><summary>Mahalanobis and the forest, but neither of the neighbour methods.</summary>
#
# **Right.** The one divides by the spread along each direction, the other asks only on which side of a cut a sample lies. The distances, however, are now distances in one feature.
#
# </details>
#
# <details><summary>All but the distance, because the local outlier factor has no unit.</summary>
#
# **Not so.** It does not mind a unit that changes for *all* features; where one changed alone, `ranges` shows C lower, in some draws below nearly all normal samples.
#
# </details>
#
# **2.** Among your fitted payments are those of a ring of 25 fraudsters, nearly equal. You score by the distance to the 10th neighbour, and a colleague proposes the 40th. What does that change?
#
# <details><summary>Nothing, because the ring is as dense as it was.</summary>
#
# **Not so.** Ten neighbours put C in its crowd of thirty below half of the normal samples, and `wide`, with 40, put it above half.
#
# </details>
#
# <details><summary>The ring is seen, and nothing else is lost.</summary>
#
# **Not so.** Something is lost: in `blurred`, the 40th neighbour put B, just off the thin arc, lower than the 10th did in each draw.
#
# </details>
#
# <details><summary>The ring is seen, and what is strange by a little is seen less.</summary>
#
# **Right.** The 40th neighbour of such a payment lies outside the ring, so the distance to it is large. Elsewhere it reaches so far that small departures count for less.
#
# </details>
#
# **3.** Your log has stored many events twice or three times, normal and strange ones alike. You want to know how well the local outlier factor does on it. What do you do first?
#
# <details><summary>Keep one copy of each event, and split after that.</summary>
#
# **Right.** Then no tested event finds itself among the fitted ones, and no density is spoiled by equal rows.
#
# </details>
#
# <details><summary>Split, so that all copies of an event stay on one side.</summary>
#
# **Not so.** The copies then still spoil the densities: *filled after the split* is the lowest line of `result` for this detector.
#
# </details>
#
# <details><summary>Nothing, because copies of both kinds cancel out.</summary>
#
# **Not so.** They do not: in `result` both neighbour methods lost much when the rows were filled up with copies of both kinds.
#
# </details>

# %% [markdown]
# ## Exercise 1: the sensor that never moved
#
# *Easy, 10 minutes.*
# A feature was constant in all fitted rows, so $\Sigma$ has no inverse, and many implementations take `np.linalg.pinv` instead.
# Write the Mahalanobis score with the pseudo-inverse, for one sample `x`.
# The check calls it with a sample that leaves the constant by 1, and then shows what the package says.
#
# Hint: copy the plain version above and change one word.


# %% tags=["exercise"]
def popular(X, x):
    """Mahalanobis score of x with the pseudo-inverse of the covariance of X."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_popular(attempt):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(50, 2)), np.zeros(50)])
    x = np.array([0.0, 0.0, 1.0])
    c = x - X.mean(axis=0)
    right = c @ np.linalg.pinv(np.cov(X.T)) @ c
    mistakes = {
        "That is the squared distance without any covariance.": c @ c,
        "That is the root of the score; leave it squared.": np.sqrt(right),
        "You forgot to subtract the mean.": x @ np.linalg.pinv(np.cov(X.T)) @ x,
        "You multiplied by the covariance instead of its inverse.": c @ np.cov(X.T) @ c,
    }
    check_answer(attempt(X, x), right, mistakes)
    if attempt(X, x) is not None:
        power = int(np.log10(Mahalanobis().fit(X).score([x])[0]))
        display(
            table(["pseudo-inverse", "package"], [[f"{right:.3f}", f"above 1e{power}"]])
        )


check_popular(popular)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def popular_solution(X, x):
    centred = x - X.mean(axis=0)
    return centred @ np.linalg.pinv(np.cov(X.T)) @ centred


check_popular(popular_solution)
# Why: a pseudo-inverse drops the direction in which the data never moved, and that is
# the one direction in which any movement is news. The package counts its spread as tiny.

# %% [markdown]
# ## Exercise 2: how many cuts is normal?
#
# *Medium, 15 minutes.*
# Return $c(m)$, the mean number of random cuts that isolate one of $m$ evenly scattered numbers, without a harmonic number.
# The first cut leaves $i$ of the $m$ numbers on its left, and as they are evenly scattered, every $i$ from 1 to $m - 1$ is equally likely; the number you ask about is any of the $m$ with equal probability.
#
# Hint: with probability $i / m$ your number is on the left, and then it needs $c(i)$ more cuts. Call the function itself.


# %% tags=["exercise"]
def cuts_to_isolate(m):
    """Mean number of random cuts that isolate one of m numbers; 0 for one number."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_cuts(attempt):
    m = np.array([1, 2, 3, 5, 8])
    right = average_path(m)

    def left_only(m):
        return (
            1 + sum(i / m * left_only(i) for i in range(1, m)) / (m - 1) if m > 1 else 0
        )

    with np.errstate(divide="ignore"):
        logarithm = 2 * (np.log(m - 1) + 0.5772) - 2 * (m - 1) / m
    mistakes = {
        "That is the usual approximation with a logarithm; it is 28 % too low at 3.": np.where(
            m > 1, logarithm, 0
        ),
        "The first cut itself is missing.": 0 * right,
        "Your number is on the right with probability (m - i) / m; it needs more cuts "
        "there, too.": [left_only(int(i)) for i in m],
        "That is the number of levels of a balanced tree; random cuts are not balanced.": np.log2(
            m
        ),
        "That is the number at the edge; ask about any of the m.": [
            0,
            1,
            1.5,
            25 / 12,
            363 / 140,
        ],
    }
    answers = [attempt(int(i)) for i in m]
    check_answer(None if None in answers else answers, right, mistakes)


check_cuts(cuts_to_isolate)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def cuts_to_isolate_solution(m):
    if m == 1:
        return 0.0
    parts = [
        i * cuts_to_isolate_solution(i) + (m - i) * cuts_to_isolate_solution(m - i)
        for i in range(1, m)
    ]
    return 1 + sum(parts) / m / (m - 1)


check_cuts(cuts_to_isolate_solution)
# Why: after the first cut the same game starts again with i or m - i numbers, so the
# mean obeys this recursion. Its solution is 2 H(m-1) - 2 (m-1)/m, hence the formula.

# %% [markdown]
# ## Exercise 3: how large a crowd can hide?
#
# *Medium, 10 minutes.*
# Thirty equal copies of one anomaly are among the fitted rows, and all other rows lie at least 1 away from it.
# Return the smallest $k$ for which `NearestNeighbours(k).fit(X).score` gives a *new* sample, equal to the copies too, a score above zero.
#
# Hint: a new sample is not among the fitted ones.


# %% tags=["exercise"]
def smallest_k(copies):
    """Smallest k that gives one more equal sample a positive score."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_smallest_k(attempt):
    mistakes = {
        "That is the last k for which the score is zero: the k-th neighbour is still "
        "one of the copies. As an answer it holds for training_scores(), where a copy "
        "is none of its own neighbours.": 30,
        "Two too few: all 30 copies are neighbours of the new sample, so the 29th and "
        "the 30th still lie at distance zero.": 29,
        "One too many: the sample is new, so it is none of its own neighbours.": 32,
    }
    check_answer(attempt(30), 31, mistakes)


check_smallest_k(smallest_k)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def smallest_k_solution(copies):
    away = np.random.default_rng(0).normal(size=(100, 2)) + 50
    X = np.concatenate([np.zeros((copies, 2)), away])
    score = [NearestNeighbours(k).fit(X).score([[0, 0]])[0] for k in range(1, 100)]
    return 1 + np.flatnonzero(score)[0]


check_smallest_k(smallest_k_solution)
# Why: the copies are its first 30 neighbours, at distance zero, so the 31st is the first
# stranger. A detector with k neighbours is blind to crowds of k or more.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]
ratio = {
    name: r.get("times_faster", r.get("fit_and_score_times_faster"))
    for name, r in speed.items()
}
factor = {n: v for n, v in ratio.items() if n.startswith("Local")}
slow = min(factor, key=factor.get)
forest = [v for n, v in ratio.items() if n.startswith("Isolation")]
scoring = [r["score_times_faster"] for n, r in speed.items() if n.startswith("Iso")]
Markdown(
    "The book's detectors cannot use several cores, and scikit-learn's can. On one "
    f"core, and on the worst of {len(factor)} tables, "
    f"{slow.removeprefix('LocalOutlierFactor ')}, scikit-learn needs "
    f"{factor[slow]:.2f} of the time that the book needs for the local outlier factor; "
    f"on the best it needs {max(factor.values()):.1f} times as long. For the isolation "
    f"forest it needs {min(scoring):.1f} to {max(scoring):.1f} times as long to score, "
    f"and {min(forest):.1f} to {max(forest):.1f} times as long to grow and score."
)

# %% tags=["hide-output"]
table(["fit and score", "scikit-learn's time / ours"], ratio.items(), digits=2)

# %% tags=["hide-output"]
rows = [
    [name, *(f"{r[way]['factor']:.1e}" for way in ("kd_tree", "brute"))]
    for name, r in evidence.results["agreement"].items()
]
table(["largest difference of the factor", "its search tree", "its brute force"], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# The two libraries agree where no rows are equal.
# Beside more than $k$ equal rows each writes an infinite density as another large number, and scikit-learn's brute force, its default above 15 features, disagrees with its own search tree by orders of magnitude there, because a matrix product loses half of the digits; `algorithm="kd_tree"` is right.
# (The digits are whole numbers, so several rows lie exactly at the $k$-th distance, and which of them counts is left open.)
#
# ## What the source says
#
# > **Anomaly Detection**: Identifying and mitigating anomalies and irregularities in AI system behavior.
#
# It gives no listing for it.
# Identifying is this lesson and [Reconstruction error](reconstruction_error.ipynb), and when to raise an alarm is the subject of [Calibrated alarms](calibrated_alarms.ipynb).
#
# ## References
#
# Survey: {cite:t}`chandola2009`.
# Distances: {cite:t}`mahalanobis1936`, {cite:t}`ramaswamy2000`; density: {cite:t}`breunig2000`; isolation: {cite:t}`liu2008`.
# Data and benchmarks: {cite:t}`street1993`, {cite:t}`rayana2016`, {cite:t}`zhao2019`, {cite:t}`han2022`.
# What happened: {cite:t}`ntsb2019`.
