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
# # Calibrated alarms
#
# A score says how strange a sample looks; an alarm needs a threshold, and the obvious threshold breaks its promise.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | measure how well scores rank, and know what each measure hides; set a threshold with a known rate of false alarms, for any detector; say when that promise ends |
# | You need | NumPy and school probability |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.robustness.calibrated_alarms`, on top of `companion.robustness.anomaly_detection` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats
from sklearn.datasets import load_digits

from companion.lesson import COLOURS, claim, figure_style, recorded, show_source, table
from companion.robustness.anomaly_detection import Mahalanobis, NearestNeighbours
from companion.robustness.calibrated_alarms import (
    auroc,
    average_precision,
    conformal_p_values,
    conformal_threshold,
    fpr_at_tpr,
)

figure_style()

# %% [markdown]
# ## What the source says
#
# > **Anomaly Detection**: Identifying and mitigating anomalies and irregularities in AI system behavior.
#
# The source gives no listing for it.
# The lesson on anomaly detection builds the detectors: each gives a sample an **anomaly score**, larger for stranger.
# This lesson turns scores into alarms.
#
# Two questions remain.
# Do strange samples score above normal ones?
# And above which score shall the alarm ring?

# %% [markdown]
# ## The idea on six numbers
#
# Six samples were scored from 1 to 6.
# Those with the scores 3, 5 and 6 are anomalies, the other three are normal.

# %%
scores = np.array([1, 2, 3, 4, 5, 6])
anomalous = np.array([False, False, True, False, True, True])

# %% [markdown]
# Pair every anomaly with every normal sample: nine pairs.
# The anomaly scores higher in all of them but one, 3 against 4.
# That share, here $8/9$, is called the **AUROC**.
#
# $$\mathrm{AUROC} = \frac{1}{n_+ n_-} \sum_{i \in +} \sum_{j \in -} \big[ 1\{s_i > s_j\} + \tfrac12\, 1\{s_i = s_j\} \big]$$
#
# The plus marks the **positive** class: the one that is looked for.
# Equal scores count one half.

# %%
show_source(auroc)

# %% [markdown]
# The sum over all pairs is never formed.
# Sorting gives every sample its rank, and the ranks of the positive samples contain the count.

# %%
claim(
    "The AUROC of the six scores is 8/9.", abs(auroc(scores, anomalous) - 8 / 9) < 1e-12
)

# %% [markdown]
# Anomalies are rare, and the AUROC does not notice.
# **Precision** does: it is the share of anomalies among the samples that are flagged.
# Go down the list from the highest score, and note the precision at each anomaly: $1/1$, $2/2$, $3/4$.
# Their mean is the **average precision**, $11/12$.
#
# Now let every normal sample come ten times.

# %%
copies = np.where(anomalous, 1, 10)
many, rare = np.repeat(scores, copies), np.repeat(anomalous, copies)
rows = [
    ["3 of 6", auroc(scores, anomalous), average_precision(scores, anomalous)],
    ["3 of 33", auroc(many, rare), average_precision(many, rare)],
]
table(["anomalies", "AUROC", "average precision"], rows, digits=3)

# %%
claim(
    "With ten times the normal samples the AUROC stays, "
    "and the average precision falls.",
    abs(rows[1][1] - rows[0][1]) < 1e-12 and rows[1][2] < rows[0][2] - 0.1,
)

# %% [markdown]
# So an average precision says nothing without the share of anomalies beside it.
#
# Neither number is a threshold.
# An alarm rings above *one* score, and what matters then is how often it rings for nothing.

# %% [markdown]
# ## A threshold with a promise
#
# An alarm on a normal sample is a **false alarm**.
# We want at most one normal sample in ten to cause one: the **level** is $\alpha = 0.1$.
#
# Keep 19 normal samples aside, on which the detector was *not* fitted.
# These are the **calibration** samples; say they score 1 to 19.
# A twentieth normal sample comes along.
# It is as likely to be the highest of the twenty as the second highest, and so on down.
# So it is among the highest two with probability $2/20$: put the threshold at the second highest of the 19, which is 18.

# %%
threshold = conformal_threshold(np.arange(1, 20), level=0.1)
claim(
    f"The threshold is {threshold:.0f}; the alarm rings strictly above it.",
    threshold == 18,
)

# %% [markdown]
# In general, with $n$ calibration scores sorted as $s_{(1)} \le \dots \le s_{(n)}$:
#
# $$t = s_{(n + 1 - m)}, \qquad m = \lfloor \alpha (n + 1) \rfloor$$
#
# $$P(\text{false alarm}) = \frac{m}{n + 1} \le \alpha$$
#
# This is a **conformal** threshold.
# The argument uses neither the detector nor the law of the data.
# It asks only that every order of the $n + 1$ samples is equally probable; then they are called **exchangeable**.
# Ties can only lower the probability.

# %%
show_source(conformal_threshold)

# %% [markdown]
# Why does the code search, where a rounded product would do?
# Because in floating point the product is wrong now and then.

# %%
rounded, exact = int(0.29 * 100), 29
ours = 100 - conformal_threshold(np.arange(1, 100), level=0.29)
claim(
    f"For level 0.29 and 99 scores, rounding gives m = {rounded}; "
    f"the code finds m = {ours:.0f}.",
    rounded == exact - 1 and ours == exact,
)

# %% [markdown]
# The same count gives each sample a **p-value**: the chance that a normal sample looks at least as strange.
#
# $$p(s) = \frac{1 + \#\{i : s_i \ge s\}}{n + 1}$$
#
# The 1 is the new sample itself.
# Therefore a p-value is never zero.
# For a normal sample it is at most $\alpha$ with probability at most $\alpha$, whatever $\alpha$ is.

# %%
new = np.array([0, 18, 18.5, 1000])
p = conformal_p_values(np.arange(1, 20), new)
rings = np.where(new > threshold, "yes", "no")
table(["score", "p-value", "alarm"], zip(map(str, new), p, rings), digits=2)

# %%
claim(
    "The alarm rings exactly where the p-value is at most the level.",
    bool(((p <= 0.1) == (new > threshold)).all()),
)
claim(
    "The strangest score there is gets 1/20, not zero.",
    abs(p.min() - 1 / 20) < 1e-12,
)

# %% [markdown]
# ## The obvious threshold, and its price
#
# Much code does without samples kept aside.
# It scores the rows on which the detector was fitted, and puts the threshold at their 95 % quantile: the score that 5 % of them exceed.
# By construction the alarm rings for 5 % of *those* rows.
#
# Let us test it where everything is known.
# Rows of 30 independent normal numbers; the **Mahalanobis** score, a distance from the mean in units of the spread, fitted to $n$ rows.
# Then 500 new rows of the same law, all of them normal, so that every alarm is false.
#
# **Guess first**: at $n = 100$, for what share of the new rows does the alarm ring?

# %%
sizes, level, runs = [40, 60, 100, 150, 200, 400, 1000], 0.05, 400
rng, fresh = np.random.default_rng(0), 500
rates = np.empty((2, len(sizes), runs))  # training quantile, conformal
for i, n in enumerate(sizes):
    for r in range(runs):
        X, calibration, new = (rng.normal(size=(m, 30)) for m in (n, n, fresh))
        detector = Mahalanobis().fit(X)
        score, seen = detector.score(new), detector.score(X)
        limit = conformal_threshold(detector.score(calibration), level)
        rates[0, i, r] = np.mean(score > np.quantile(seen, 1 - level))
        rates[1, i, r] = np.mean(score > limit)

# %% [markdown]
# Each size was drawn 400 times.
# An evidence program did the same 2000 times; its means are the circles.
#
# One more thing can be computed instead of simulated.
# With $n$ given calibration scores the rate of false alarms is not exactly $\alpha$: it depends on which samples happened to be kept aside.
# It follows the law $\mathrm{Beta}(m,\, n + 1 - m)$, and the number of alarms among 500 new rows follows the **beta-binomial** law that belongs to it.

# %%
ranks = [conformal_threshold(np.arange(1, n + 1), level) for n in sizes]
m = np.array(sizes) + 1 - np.array(ranks, dtype=int)
laws = [stats.betabinom(fresh, k, n + 1 - k) for k, n in zip(m, sizes)]
evidence = recorded("robustness/calibrated_alarms")
measured = evidence.results["false_alarms"]
evidence

# %% mystnb={"figure": {"caption": "Left: false alarms of one detector with two thresholds, both meant to give 5 % (dotted). Lines are means over 400 live resamples, bands hold the middle 90 % of them, circles are recorded means over 2000 resamples. Right: the spread of the conformal rate over the same resamples (broad steps) under the exact law (thin black), for two calibration sizes.", "name": "fig-calibrated-alarms"}, "image": {"alt": "Two panels. Left: percent of false alarms against the number of rows fitted, from 40 to 1000. The curve of the training quantile starts near 100, passes above 50 at 100 rows and is still above 5 at 1000 rows. The curve of the conformal threshold lies on the dotted line at 5 throughout, its band narrowing. Recorded circles lie on both curves. Right: two rising staircases, the share of resamples whose false alarms are at most a given percent, for 100 and 1000 calibration scores; both lie on their exact curves, and that for 1000 is much steeper around 5."}} tags=["hide-input"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9), width_ratios=[1.5, 1])
styles = [("training quantile", "red", "--"), ("conformal", "blue", "-")]
keys = ("training_quantile", "conformal")
for rate, key, (label, colour, line) in zip(100 * rates, keys, styles):
    left.plot(sizes, rate.mean(axis=1), line, color=COLOURS[colour], label=label)
    low, high = np.quantile(rate, [0.05, 0.95], axis=1)
    left.fill_between(sizes, low, high, color=COLOURS[colour], alpha=0.2)
    circles = [100 * measured[f"n={n}"][key] for n in sizes[1:]]
    left.plot(sizes[1:], circles, "o", color=COLOURS[colour], fillstyle="none")
left.axhline(100 * level, color="black", linewidth=1, linestyle=":")
left.set_xscale("log")
left.set_xticks(sizes, sizes, fontsize=9)
left.minorticks_off()
left.set(xlabel="rows fitted, n", ylabel="false alarms (%)", title="Two thresholds")
left.legend(title="level 5 %")
counts = np.arange(fresh + 1)
share = 100 * counts / fresh
for i, colour in ((2, "sky"), (6, "green")):
    label = f"n = {sizes[i]}"
    right.ecdf(100 * rates[1, i], color=COLOURS[colour], linewidth=5, label=label)
    right.step(share, laws[i].cdf(counts), "k", where="post", linewidth=1)
right.plot([], [], "k", linewidth=1, label="exact law")
right.set(xlim=(0, 15), xlabel="false alarms (%)", ylabel="share of resamples")
right.set_title("Conformal: measured on exact")
right.legend(loc="lower right")
plt.show()

# %%
mean = rates.mean(axis=2)
rows = [[n, *100 * mean[:, i], 100 * m[i] / (n + 1)] for i, n in enumerate(sizes)]
table(["n", "training quantile, %", "conformal, %", "exact, %"], rows, digits=1)

# %%
at = sizes.index(100)
told = 100 * measured["n=100"]["training_quantile"]
claim(
    f"At n = 100 the training quantile's 5 % are {100 * mean[0, at]:.0f} % "
    f"({runs} live resamples; {told:.0f} % over {measured['resamples']} recorded).",
    0.5 < mean[0, at] < 0.6 and 50 < told < 60,
)
claim(
    "At every n from 40 to 1000 it rings more often than promised; "
    f"at n = 60 for {100 * mean[0, 1]:.0f} % of the normal rows.",
    bool((mean[0] > 1.2 * level).all() and mean[0, 1] > 0.8),
)

# %%
exact = m / (np.array(sizes) + 1)
error = np.array([law.std() for law in laws]) / fresh / runs**0.5
claim(
    "At every n the conformal mean lies within four standard errors of m / (n + 1).",
    bool((np.abs(mean[1] - exact) < 4 * error).all()),
)
circles = np.array([[measured[f"n={n}"][key] for n in sizes[1:]] for key in keys])
claim(
    "Live and recorded means differ by less than one percentage point everywhere.",
    np.abs(mean[:, 1:] - circles).max() < 0.01,
)

# %% [markdown]
# The detector has bent itself towards the rows it was fitted on, so they look more normal than any row to come.
# With 30 features and 100 rows there is much room to bend.
#
# Now the law.
# If it is right, the largest gap between measured and exact curve exceeds $1.95 / \sqrt{400}$ about once in a thousand times.

# %%
gaps = []
for rate, law in zip(rates[1], laws):
    below = (fresh * rate[:, None] < counts + 0.5).mean(axis=0)
    gaps.append(np.abs(below - law.cdf(counts)).max())
claim(
    "For every n the measured spread follows the exact law: "
    f"no gap above {max(gaps):.2f}.",
    max(gaps) < 1.95 / runs**0.5,
)

# %% [markdown]
# And the law says how far one calibration sample may mislead.

# %%
low, high = 100 * stats.beta(m[at], 101 - m[at]).ppf([0.05, 0.95])
claim(
    "With 100 calibration scores, nine samples of ten "
    f"give a rate between {low:.1f} and {high:.1f} %.",
    low < 5 < high,
)

# %% [markdown]
# So the promise holds *on average over calibration samples*.
# If you want it for the one sample at hand, take more scores; exercise 3 says how many.

# %% [markdown]
# ## Is the training quantile always ruinous?
#
# No.
# It ruins detectors that *fit*: those that estimate many numbers from the rows.
# Recorded with 100 rows of 30 features, the training quantile beside the conformal threshold:

# %%
detectors = evidence.results["detectors"]
names = [name for name, value in detectors.items() if isinstance(value, dict)]
rows = [
    [name, *(100 * detectors[name][key] for key in keys), detectors[name]["resamples"]]
    for name in names
]
table(["detector", "training, %", "conformal, %", "runs"], rows, digits=1)

# %%
naive = {name: detectors[name]["training_quantile"] for name in names}
fitting = [naive[name] for name in ("Autoencoder(8)", "PCAResidual(20)", "Mahalanobis")]
claim(
    "Covariance, principal components and autoencoder give "
    f"at least {100 * min(fitting):.0f} % false alarms.",
    min(fitting) > 0.5,
)

# %% [markdown]
# The others compare a row with a few rows, or cut at random.
# They know their training rows less well.

# %%
mild = ("NearestNeighbours", "LocalOutlierFactor", "IsolationForest")
worst = 100 * max(naive[name] for name in mild)
claim(
    f"Neighbours and forests give at most {worst:.1f} %: too many, but no ruin.",
    worst < 8,
)
claim(
    "With the conformal threshold all six stay between 4 and 6 %.",
    all(0.04 < detectors[name]["conformal"] < 0.06 for name in names),
)

# %% [markdown]
# Libraries offer the training quantile under the name `contamination`, the share of training rows to be called anomalous.
# It is right for its own question, *which of these rows are strange?*
# It is no promise about new rows, but often it comes close.

# %%
libraries = evidence.results["libraries"]
peers = ("pyod KNN", "sklearn EllipticEnvelope")
rows = [[name, 100 * libraries[name]] for name in peers]
table(["contamination = 0.05", "false alarms on new rows, %"], rows, digits=1)

# %%
worst = 100 * max(libraries[name] for name in peers)
claim(
    f"Over {libraries['resamples']} recorded resamples the worse gives {worst:.1f} %.",
    5 < worst < 10,
)

# %% [markdown]
# pyod's KNN measures the distance of a training row to *other* rows.
# scikit-learn's EllipticEnvelope fits the covariance to the most central rows, so the strangest ones are nearly unseen.
# In both the threshold comes from rows that had little say in the fit.

# %% [markdown]
# ## Handwritten digits
#
# No real data set is 30 independent normal numbers.
# Take scanned digits of $8 \times 8$ pixels, call 0 to 7 normal, and let 8 and 9 be the anomalies.
# The score is the distance to the fifth nearest of 300 fitted digits; 199 others calibrate.
# The rest is new.
# Everything is dealt anew twenty times.

# %%
images, digit = load_digits(return_X_y=True)
strange, alarms, found = digit >= 8, [], []
for seed in range(20):
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~strange))
    fit, keep, new = np.split(order, [300, 499])
    detector = NearestNeighbours(5).fit(images[fit])
    limit = conformal_threshold(detector.score(images[keep]), level)
    rings = detector.score(images[new]) > limit
    alarms.append([rings[digit[new] == d].mean() for d in range(8)] + [rings.mean()])
    found.append((detector.score(images[strange]) > limit).mean())

# %%
false = 100 * np.mean(alarms, axis=0)  # of the digits 0 to 7, then of all
law = evidence.results["digits_law"]["n=199, level=0.05"]
times = evidence.results["digits_law"]["resamples"]
claim(
    f"False alarms: {false[-1]:.1f} % over 20 deals, "
    f"{100 * law['conformal']:.1f} % over {times} recorded ones; promised are 5 %.",
    abs(false[-1] - 5) < 1 and abs(law["conformal"] - 0.05) < 0.003,
)
claim(
    f"Of the eights and nines {100 * np.mean(found):.0f} % are found.",
    np.mean(found) > 0.2,
)

# %% [markdown]
# The promise is about false alarms only.
# How many anomalies are found depends on how good the score is, and no threshold mends a poor score.

# %% [markdown]
# ## Break it
#
# **Whose average?**
# The 5 % are an average over all normal digits.
# Look at each digit by itself.

# %%
table(["digit", "false alarms, %"], enumerate(false[:8]), digits=1)

# %%
worst, least = false[:8].argmax(), false[:8].argmin()
claim(
    f"A {worst} rings for nothing in {false[worst]:.0f} % of cases, "
    f"a {least} in {false[least]:.1f} % (20 deals).",
    false[worst] > 6 and false[least] < 1,
)

# %% [markdown]
# Read *group of customers* for *digit*, and the promise is kept on paper while one group pays for another.
# The cure is a threshold per group, each from calibration samples of that group.
#
# **Too few calibration samples.**
# A level of 1 % asks for the highest of one hundred ranks, so 99 scores are the least.
# With fewer, no finite threshold keeps the promise.

# %%
numbers = [20, 98, 99, 100]
[conformal_threshold(np.arange(n), level=0.01) for n in numbers]

# %%
short = np.array([conformal_threshold(np.arange(n), 0.01) for n in range(1, 99)])
claim(
    "Below 99 scores the threshold is infinite, and the alarm never rings.",
    bool(np.isinf(short).all()) and conformal_threshold(np.arange(99), 0.01) == 98,
)

# %% [markdown]
# That is the honest answer: no alarm can be justified yet.
# A quantile function would have returned some finite number without a word.
#
# **The right function on the wrong scores.**
# Give `conformal_threshold` the scores of the fitted rows.

# %%
reused = np.empty(200)
for r in range(len(reused)):
    X, new = rng.normal(size=(100, 30)), rng.normal(size=(fresh, 30))
    detector = Mahalanobis().fit(X)
    limit = conformal_threshold(detector.score(X), level)
    reused[r] = np.mean(detector.score(new) > limit)
claim(
    f"With training scores it gives {100 * reused.mean():.0f} % false alarms "
    f"({len(reused)} resamples).",
    reused.mean() > 0.5,
)

# %% [markdown]
# The fitted rows and the new row are not exchangeable: the detector has seen the first and not the second.
# No code can notice that; the caller must know.
#
# **The world moves.**
# Calibrate on 399 rows, then let all features spread wider than they did.

# %%
spread, drift = [1.0, 1.1, 1.2, 1.3], []
for seed in range(5):
    rng = np.random.default_rng(seed)
    X, calibration, new = (rng.normal(size=(n, 30)) for n in (399, 399, 2000))
    detector = Mahalanobis().fit(X)
    limit = conformal_threshold(detector.score(calibration), level)
    drift.append([np.mean(detector.score(s * new) > limit) for s in spread])
rows = zip(map(str, spread), 100 * np.mean(drift, axis=0))
table(["spread", "alarms, %"], rows, digits=0)

# %%
claim(
    "In each of five seeds a spread ten percent wider more than doubles the alarms.",
    all(row[1] > 2 * row[0] for row in drift),
)

# %% [markdown]
# That may be just what the alarm is for.
# But if the sensors aged and nothing is wrong, calibrate again.
#
# **One name, two numbers.**
# The **true positive rate**, TPR, is the share of positive samples that are caught.
# The **false positive rate**, FPR, is the share of negative samples that are caught with them.
# Many papers report **FPR at 95 % TPR**, the false positive rate of the threshold that catches 95 % of the positive samples.
# Which class is positive?
# Some papers say the anomalies.
# Others say the normal samples, which are to score *low*.

# %%
show_source(fpr_at_tpr)

# %% [markdown]
# To take the normal samples as positive, turn the scores round as well.

# %%
catch, keep = [], []
for seed in range(5):
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~strange))
    new = np.concatenate([order[700:], np.flatnonzero(strange)])
    score = NearestNeighbours(5).fit(images[order[:700]]).score(images[new])
    catch.append(fpr_at_tpr(score, strange[new], 0.95))
    keep.append(fpr_at_tpr(-score, ~strange[new], 0.95))

# %%
both = evidence.results["fpr_conventions"]
claim(
    f"Anomalies positive: {both['anomalous_positive']:.3f}; "
    f"normal samples positive: {both['normal_positive']:.3f} "
    f"(the same scores, means of {both['seeds']} recorded seeds).",
    both["normal_positive"] > 1.5 * both["anomalous_positive"],
)
claim(
    "The second is larger in each of five live seeds.", np.all(np.array(keep) > catch)
)

# %% [markdown]
# In this book the caller names the positive class, every time.

# %% [markdown]
# > **You should know**
# >
# > *My threshold gives 5 % on my data.* On the data that set it, any quantile does.
# > The question is what it gives on data that the detector has not seen.
# >
# > *A conformal threshold gives 5 % for my calibration sample.* It gives 5 % on average over calibration samples, and a Beta law around it.
# >
# > *A conformal threshold finds anomalies better.* It finds no more than the score allows; it only says honestly what an alarm costs.
# >
# > *A thousand tests at 5 % are fine.* On normal samples they give about fifty false alarms.
# > Where many samples are tested together, use Benjamini and Hochberg's procedure, which bounds the share of false alarms among all alarms {cite}`bates2023`.
# >
# > *An AUROC of 0.95 is good.* It says nothing about rare anomalies: among ten thousand normal samples the false alarms may outnumber the finds by far.
# >
# > *FPR@95 of 0.15.* No number without the positive class, as an average precision is none without the share of positives.
# >
# > **Strengths.** The promise holds at any sample size, for any detector and any law; a sort is all it costs to compute.
# > **Limits.** It spends normal samples on calibration, needs them clean, and ends where the world moves.
# > Samples from one stream of time are seldom exchangeable.
# >
# > **Who is harmed.** The honest customers whose accounts a fraud alarm freezes, many more of them than was promised.
# > The patient whose monitor rang for nothing so often that the nurse has turned it down.
# > And the group that was rare in the calibration sample: the average is kept at its expense.

# %% [markdown]
# ## How it compares
#
# The three metrics stand beside scikit-learn's, on random scores, half of them full of ties.

# %%
agreement = evidence.results["agreement"]
largest = max(agreement["largest_difference"].values())
claim(
    f"On {agreement['cases']} recorded cases the largest difference is {largest:.0e}.",
    largest < 1e-14,
)
speed = evidence.results["speed"]
rows = [[name, value["rows"], value["times_faster"]] for name, value in speed.items()]
table(["metric", "rows", "scikit-learn's time / ours"], rows, digits=1)

# %%
claim(
    "On these rows, one thread, both are at least as quick as scikit-learn's.",
    min(value["times_faster"] for value in speed.values()) >= 1,
)

# %% [markdown]
# scikit-learn's functions do more: sample weights, several classes, whole curves.
# In production use its `roc_auc_score` and `average_precision_score`.
# For conformal alarms use [nonconform](https://pypi.org/project/nonconform/), which wraps pyod's detectors and controls the share of false alarms among many, or [puncc](https://pypi.org/project/puncc/).
# We have not compared our thresholds with theirs.

# %% [markdown]
# ## Exercise 1: the same budget
#
# *Easy, 10 minutes.*
# The conformal threshold had twice the rows: $n$ to fit and $n$ to calibrate.
# Is that the whole secret?
# Give both 200 rows of 30 numbers: the training quantile fits on all of them, the conformal threshold on 150 and calibrates on 50.
#
# Hint: change three lines of the loop above, and take 1000 resamples.
# A wrong answer often calibrates on rows that were fitted too.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
rng, rate = np.random.default_rng(1), np.empty((2, 1000))
for r in range(1000):
    X, new = rng.normal(size=(200, 30)), rng.normal(size=(fresh, 30))
    whole, part = Mahalanobis().fit(X), Mahalanobis().fit(X[:150])
    rate[0, r] = np.mean(whole.score(new) > np.quantile(whole.score(X), 0.95))
    limit = conformal_threshold(part.score(X[150:]), 0.05)
    rate[1, r] = np.mean(part.score(new) > limit)
first, second = 100 * rate.mean(axis=1)
claim(
    f"With 200 rows each: training quantile {first:.0f} %, "
    f"conformal {second:.1f} % (exact: 2/51, or {200 / 51:.1f} %).",
    first > 15 and abs(second - 200 / 51) < 0.5,
)

# %% [markdown]
# ## Exercise 2: two conventions on paper
#
# *Medium, 10 minutes.*
# Normal samples score as $N(0, 1)$, anomalies as $N(2, 3^2)$.
# Compute FPR at 95 % TPR in both conventions with `scipy.stats.norm`, then check with 100,000 samples of each.
#
# Hint: with the anomalies positive, the threshold is their 5 % quantile.
# A wrong answer flips the class but not the sign of the scores.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
normal, odd = stats.norm(0, 1), stats.norm(2, 3)
paper = normal.sf(odd.ppf(0.05)), odd.cdf(normal.ppf(0.95))
size, rng = 100_000, np.random.default_rng(0)
draws = np.append(rng.normal(0, 1, size), rng.normal(2, 3, size))
positive = np.arange(2 * size) >= size
drawn = fpr_at_tpr(draws, positive, 0.95), fpr_at_tpr(-draws, ~positive, 0.95)
claim(
    f"Anomalies positive: {paper[0]:.3f}; normal samples positive: {paper[1]:.3f}.",
    bool(np.allclose(paper, drawn, atol=0.01)),
)

# %% [markdown]
# ## Exercise 3: how many calibration samples?
#
# *Hard, 15 minutes.*
# The level is 5 %.
# How many calibration scores are needed so that 19 calibration samples out of 20 give a rate of at most 6 %?
# Look at 19, 39, 59 and so on, where $m = (n + 1) / 20$ is whole.
# Why is the law a Beta law at all?
#
# Hint: let the scores be uniform on $[0, 1]$; then the rate is one minus the threshold, and the threshold is an order statistic.
# A wrong answer asks for the *mean* rate to be at most 6 %, which it is for every number of scores.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
# A continuous score can be made uniform without changing any rank.
# The k-th smallest of n uniform numbers has the law Beta(k, n + 1 - k); here
# k = n + 1 - m, and one minus it has the law Beta(m, n + 1 - m).
sample = np.arange(19, 4000, 20)  # m = (n + 1) / 20 is whole
tail = stats.beta((sample + 1) / 20, 19 * (sample + 1) / 20).ppf(0.95)
enough = sample[np.argmax(tail <= 0.06)]
draws = np.random.default_rng(0).random((1000, enough))
top = np.array([conformal_threshold(u, 0.05) for u in draws])
share = np.mean(1 - top <= 0.06)
claim(
    f"{enough} scores are enough: "
    f"{100 * share:.0f} % of 1000 simulated samples stay below 6 %.",
    abs(share - 0.95) < 0.025 and tail[0] > 0.06,
)

# %% [markdown]
# ## References
#
# AUROC as a probability: {cite:t}`hanley1982`; precision and rare classes: {cite:t}`davis2006`; FPR at a fixed TPR and out-of-distribution detection: {cite:t}`hendrycks2017`.
# Conformal prediction: {cite:t}`vovk2005`; conformal p-values for outliers: {cite:t}`bates2023`.
# The Mahalanobis distance: {cite:t}`mahalanobis1936`; neighbours: {cite:t}`ramaswamy2000`; pyod: {cite:t}`zhao2019`.
