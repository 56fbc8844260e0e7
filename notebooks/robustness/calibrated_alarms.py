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
# Conformal prediction for anomaly detection: a threshold that keeps its false-alarm rate, with AUROC, average precision and FPR at 95 % TPR beside it.
#
# The Epic Sepsis Model scores the patients of hundreds of American hospitals every quarter of an hour, and rings when the score is high.
# When one university hospital looked, it would have rung for 18 % of all patients, and yet it would have missed two thirds of those who got sepsis {cite}`wong2021`.
#
# **Above which score should an alarm ring, so that it rings for nothing as rarely as you promised?**
#
# Whatever you build to watch over an AI system, a detector of jailbreaks, of drift, of fraud, ends in a score and a threshold.
# The obvious threshold comes from the data that the detector has learnt from, and it breaks its promise; a sort of some other data keeps it.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | set a threshold whose rate of false alarms is known, for any detector; say on what that rate rests and when it ends; read AUROC, average precision and FPR at 95 % TPR |
# | You need | NumPy, Matplotlib, SciPy, scikit-learn; what a probability, a quantile and a normal law are; anomaly scores from [Anomaly detection](anomaly_detection.ipynb) |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.robustness.calibrated_alarms` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy import stats
from sklearn.datasets import load_digits

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
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
# ## The answer in a picture
#
# A detector learns from 100 rows of 30 numbers, all of them normal.
# Put the threshold where 5 % of *these* rows lie above it, and wait for new rows, which are just as normal.
#
# **Guess before you look**: for how many of a hundred new rows does the alarm ring?

# %% mystnb={"figure": {"caption": "False alarms with two thresholds, both meant to give 5 % (dotted), recorded. Left: the Mahalanobis distance fitted to n rows, means over 2000 resamples. Right: eight detectors of pyod fitted to 100 rows, with the library's threshold and with a conformal one from 100 further rows, means over 200 resamples.", "name": "fig-calibrated-alarms"}, "image": {"alt": "Two panels. Left: percent of false alarms against the number of rows fitted. The training quantile gives 89 percent at 60 rows, 56 at 100, and still 7 at 1000; the conformal threshold stays on the dotted line at 5. Right: eight rows of two dots on a logarithmic axis. The conformal dots all lie at 5 percent; the library's lie at 6 for KNN and LOF, 7 to 9 for IForest, MCD and PCA, 18 for OCSVM, 56 for GMM and 100 for KDE."}} tags=["hide-input"]
evidence = recorded("robustness/calibrated_alarms")
measured = evidence.results["false_alarms"]
sizes = [int(key[2:]) for key in measured if key.startswith("n=")]
pyod = evidence.results["detectors"]["rate"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=[1.2, 1])
for key, colour, line in (
    ("training_quantile", "red", "s--"),
    ("conformal", "blue", "o-"),
):
    rates = [100 * measured[f"n={n}"][key] for n in sizes]
    left.plot(sizes, rates, line, color=COLOURS[colour], label=key.replace("_", " "))
left.set_xscale("log")
left.set_xticks(sizes, sizes, fontsize=9)
left.minorticks_off()
left.set(xlabel="rows fitted, n", ylabel="false alarms (%)", ylim=(0, 100))
left.set_title("One detector")
left.legend()
for key, colour, marker in (("library", "red", "s"), ("conformal", "blue", "o")):
    rates = [100 * row[key]["mean"] for row in pyod.values()]
    right.plot(rates, list(pyod), marker, color=COLOURS[colour], label=key)
right.set_xscale("log")
right.set_xticks([5, 10, 20, 50, 100], [5, 10, 20, 50, 100])
right.minorticks_off()
right.invert_yaxis()
right.set(xlabel="false alarms (%)", title="Eight detectors")
right.legend(title="threshold", loc="upper right")
left.axhline(5, color="black", linewidth=1, linestyle=":")
right.axvline(5, color="black", linewidth=1, linestyle=":")
plt.show()

# %% [markdown]
# Find 100 rows on the left: more than half of the normal rows ring, where one in twenty was promised.
# On the right, see how much that depends on the detector, from a little too often to always.
# The blue dots do not depend on it at all, and this page is about them.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
naive, kept, exact, z = (
    np.array([measured[f"n={n}"][key] for n in sizes])
    for key in ("training_quantile", "conformal", "conformal_exact", "conformal_z")
)
claim(
    "The training quantile rings too often at every size, for more than half of the "
    "normal rows at 100; the conformal threshold keeps its exact rate.",
    bool(
        (naive > 1.4 * 0.05).all()
        and naive[sizes.index(100)] > 0.5
        and (exact <= 0.05).all()
        and (np.abs(z) < 4).all()
    ),
    over="the 6 sizes shown, 2000 resamples each, recorded; exact to 4 standard errors",
)

# %% [markdown]
# ## The idea on nineteen numbers: conformal prediction
#
# An alarm on a normal sample is a **false alarm**, and you accept it for one normal sample in ten, say: the **level** is $\alpha = 0.1$.
#
# Keep 19 normal samples aside, from which the detector has *not* learnt; they are the **calibration** samples, and suppose they score 1 to 19.
# Then a twentieth normal sample comes along.
# It is as likely to be the highest of the twenty as the second highest, and so on down, because nothing tells it from the others.
# So it is among the highest two with probability $2/20$, and the threshold belongs at the second highest of the 19, which is 18.

# %%
threshold = conformal_threshold(np.arange(1, 20), level=0.1)
threshold  # ring strictly above it

# %% [markdown]
# You have used neither the detector nor the law of the data, only that every order of the twenty samples is equally probable.
# Such samples are called **exchangeable**.
#
# ## The equation: the conformal threshold
#
# Sort $n$ calibration scores, $s_{(1)} \le \dots \le s_{(n)}$.
# The highest $m$ of $n + 1$ ranks may ring, where $m$ is the largest number with $m / (n + 1) \le \alpha$:
#
# $$m = \lfloor \alpha (n + 1) \rfloor, \qquad t = s_{(n + 1 - m)}, \qquad P(\text{false alarm}) = \frac{m}{n + 1} \le \alpha.$$
#
# Equal scores can only lower that probability.
# If $m = 0$, no finite threshold keeps the promise, and $t$ is infinite.


# %%
def threshold_of(calibration, level):
    n = len(calibration)
    m = 0
    while (m + 1) / (n + 1) <= level:
        m += 1
    ordered = np.sort(calibration)
    return ordered[n - m] if m > 0 else np.inf


scores = np.random.default_rng(0).normal(size=500)
for n in (5, 19, 98, 99, 500):
    for level in (0.01, 0.05, 0.29):
        plain = threshold_of(scores[:n], level)
        assert plain == conformal_threshold(scores[:n], level)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
counts = []
for n in range(1, 201):
    ranks = np.arange(n + 1.0)
    rest = [conformal_threshold(np.delete(ranks, i), 0.05) for i in range(n + 1)]
    counts.append((ranks > rest).sum())
claim(
    "Let each of n + 1 different scores be the new one in turn: exactly m of them "
    "ring.",
    counts == [(n + 1) // 20 for n in range(1, 201)],
    over="n = 1 to 200, level 0.05; any n and level: the argument above",
)

# %%
show_source(conformal_threshold)

# %% [markdown]
# The same count gives each sample a **p-value**: the share of ranks that look at least as strange.
#
# $$p(s) = \frac{1 + \#\{i : s_i \ge s\}}{n + 1}$$
#
# The 1 is the new sample itself, so a p-value is never zero, and the alarm rings exactly where $p \le \alpha$.

# %%
new = np.array([0, 18, 18.5, 1000])
p = conformal_p_values(np.arange(1, 20), new)
rings = np.where(new > threshold, "yes", "no")
table(["score", "p-value", "alarm"], zip(map(str, new), p, rings), digits=2)

# %%
show_source(conformal_p_values)

# %% [markdown]
# ## Why the training quantile breaks its promise
#
# A detector bends itself towards the rows it learns from, so they look more normal to it than any row to come.
# How far depends on how much it learns from a single row.

# %%
rows = [
    [name, *(100 * row[key]["mean"] for key in ("library", "conformal"))]
    for name, row in pyod.items()
]
table(["pyod, contamination=0.05", "library, %", "conformal, %"], rows, digits=1)

# %% [markdown]
# KDE puts a hill on every training row, so each of them stands on its own hill and no new row stands as high: the alarm always rings.
# KNN is near its promise, because the library measures the distance of a training row to *other* rows only.
# You can see that this is the reason by letting every row count itself among its neighbours, as it happens when `score` is called on the training rows.

# %%
own = evidence.results["own_row"]
rows = [[f"itself {key}", 100 * own[key]["mean"]] for key in ("left out", "counted")]
table(["KNN, each training row", "false alarms, %"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
library = [row["library"]["mean"] for row in pyod.values()]
conformal = [row["conformal"] for row in pyod.values()]
apart = own["counted"]["mean"] - own["left out"]["mean"]
error = np.hypot(own["counted"]["error"], own["left out"]["error"])
claim(
    f"pyod's own thresholds give between {100 * min(library):.1f} and 100 % false "
    "alarms for eight detectors, conformal ones the exact 5/101 for each; counting a "
    "row as its own neighbour costs KNN more than a percentage point.",
    bool(
        0.05 < min(library) < 0.07
        and max(library) == 1
        and all(abs(c["mean"] - 5 / 101) < 4 * c["error"] for c in conformal)
        and apart > max(0.01, 4 * error)
    ),
    over="200 resamples, recorded; exact to 4 standard errors",
)

# %% [markdown]
# `contamination` is right for its own question, *which of these rows are strange?*
# It promises nothing about rows to come.
#
# ## How far one calibration sample may mislead: the Beta law
#
# The promise $m / (n + 1)$ is an average over calibration samples, but you have only one.
# If all scores, calibration and new, are independent and of one continuous law, then the rate that *your* sample gives is a draw from
#
# $$\text{rate} \sim \mathrm{Beta}(m,\; n + 1 - m).$$

# %%
rows = []
for n in (19, 99, 999, 9999):
    m = (n + 1) // 20
    low, high = 100 * stats.beta(m, n + 1 - m).ppf([0.05, 0.95])
    rows.append([n, low, high])
table(["calibration scores", "9 of 10 rates: from, %", "to, %"], rows, digits=1)

# %% [markdown]
# So a hundred calibration scores promise "about 5 %", and if you want the second digit you need thousands.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
laws = [
    case["law_p_value"]
    for part in ("false_alarms", "digits_law")
    for case in evidence.results[part].values()
    if isinstance(case, dict)
]
claim(
    "The measured spread of the rate cannot be told from the law.",
    len(laws) == 10 and min(laws) > 0.01 / len(laws),
    over="10 settings, normal rows and digits, 1000 or 2000 resamples each, recorded; "
    "chi-square at 1 %, all together",
)

# %% [markdown]
# ## Real data: handwritten digits
#
# No real data are 30 independent normal numbers.
# Take the digits 0 to 7 as normal, and let 8 and 9 be the anomalies.
# The score is the distance to the fifth nearest of 300 fitted digits, 199 others calibrate, and the rest is new.
# Everything is dealt anew twenty times.

# %%
images, digit = load_digits(return_X_y=True)
strange, alarms, found = digit >= 8, [], []
for seed in range(20):
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~strange))
    fit, keep, new = np.split(order, [300, 499])
    detector = NearestNeighbours(5).fit(images[fit])
    score = detector.score(images).round(6)  # equal distances stay equal
    rings = score > conformal_threshold(score[keep], 0.05)
    of_digit = [rings[new][digit[new] == d].mean() for d in range(8)]
    alarms.append([*of_digit, rings[new].mean()])
    found.append(rings[strange].mean())

# %%
false = 100 * np.mean(alarms, axis=0)  # of the digits 0 to 7, then of all
rows = [["false alarms", false[-1]], ["anomalies found", 100 * np.mean(found)]]
table(["digits, 20 deals", "%"], rows, digits=1)

# %% [markdown]
# The promise is kept, and only a third of the anomalies are found.
# These are two different things: the threshold says what an alarm costs, and the score decides what it brings.
#
# ## How good is the score: AUROC, average precision, FPR at 95 % TPR
#
# Call the class that you look for **positive**.
# The **AUROC** is the probability that a positive sample scores above a negative one, ties counting one half.
# The **average precision** goes down the list from the highest score and averages, over the positive samples, the share of positives seen so far.
# The **FPR at 95 % TPR** is the share of negatives that come along when you catch 95 % of the positives.
#
# Try them on six scores, of which 3, 5 and 6 belong to anomalies: eight of nine pairs are in order, and the precisions are $1/1$, $2/2$, $3/4$.
# Then let every normal sample come ten times.

# %%
six, anomalous = np.arange(1, 7), np.array([0, 0, 1, 0, 1, 1], bool)
copies = np.where(anomalous, 1, 10)
many, rare = np.repeat(six, copies), np.repeat(anomalous, copies)
rows = [
    ["3 of 6", auroc(six, anomalous), average_precision(six, anomalous)],
    ["3 of 33", auroc(many, rare), average_precision(many, rare)],
]
table(["anomalies", "AUROC", "average precision"], rows, digits=3)

# %% [markdown]
# The AUROC does not notice that anomalies have become rare, while the average precision does, so never quote the second without the share of positives.
#
# And for the FPR, which class is positive?
# For {cite:t}`hendrycks2019` the anomalies are; for {cite:t}`liang2018` the normal samples, which then have to score *high*.
# Both call it FPR at 95 % TPR.

# %%
both = {
    key: np.array(value)
    for key, value in evidence.results["fpr_conventions"].items()
    if key != "seeds"
}
rows = [[key.replace("_", ", "), v.mean(), v.min(), v.max()] for key, v in both.items()]
table(["the digits, 20 deals", "FPR at 95 % TPR", "least", "most"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
catch, keep = both["anomalous_positive"], both["normal_positive"]
claim(
    "The same scores get a larger FPR at 95 % TPR with the normal samples as positive, "
    "more than one and a half times as large on average.",
    bool((keep > catch).all() and keep.mean() > 1.5 * catch.mean()),
    over="20 deals of the digits, recorded",
)

# %%
show_source(auroc, average_precision, fpr_at_tpr)

# %% [markdown]
# ## Break it: the right function on the wrong scores
#
# Give `conformal_threshold` the scores of the fitted rows, and nothing warns you.

# %%
rng, reused, apart = np.random.default_rng(0), [], []
for _ in range(200):
    X, calibration, new = (rng.normal(size=(100, 30)) for _ in range(3))
    detector = Mahalanobis().fit(X)
    score = detector.score(new)
    reused.append(np.mean(score > conformal_threshold(detector.score(X), 0.05)))
    fair = conformal_threshold(detector.score(calibration), 0.05)
    apart.append(np.mean(score > fair))
rows = [
    ["fitted rows", 100 * np.mean(reused)],
    ["rows kept aside", 100 * np.mean(apart)],
]
table(["calibrated on", "false alarms, %"], rows, digits=0)

# %% [markdown]
# The detector has seen the fitted rows and not the new one, so they are not exchangeable.
# No code can notice that; you must know where your scores come from.
#
# ## Break it: whose average?
#
# The 5 % are an average over all normal digits, so look at each digit by itself.

# %%
table(["digit", "false alarms, %"], enumerate(false[:8]), digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
worst, least = false[:8].argmax(), false[:8].argmin()
claim(
    f"All normal digits together keep the 5 %, but a {worst} rings for nothing more "
    f"than five times as often as a {least}.",
    bool(abs(false[-1] - 5) < 1 and false[worst] > 5 * max(false[least], 1)),
    over="20 deals, live",
)

# %% [markdown]
# Read *group of customers* for *digit*: the promise is kept on paper while one group pays for another.
# The cure is a threshold for each group, from calibration samples of that group, and its price is that every group needs enough of them.
#
# > **Often believed, and wrong**
# >
# > "My threshold gives 5 % false alarms: I counted them."
# > **On the data that set it, any quantile does.** Count them on data that the detector has not seen.
# >
# > "A conformal threshold gives 5 % for me."
# > **It gives 5 % on average over calibration samples.** Yours has a rate of its own; with independent scores of one continuous law it is a draw from the Beta law.
# >
# > "With the conformal threshold my detector finds more."
# > **It finds what the score allows.** The threshold only says honestly what an alarm costs.
# >
# > "A thousand tests at 5 % are fine, and Benjamini-Hochberg repairs the rest."
# > **A thousand normal samples give about fifty false alarms.** Benjamini and Hochberg's procedure on conformal p-values bounds the *expected* share of false alarms among all alarms {cite}`bates2023`; the share of one day may be larger.
# >
# > "An AUROC of 0.95 is good."
# > **It says nothing about rare anomalies.** Among ten thousand normal samples the false alarms may outnumber the finds by far.
#
# **Strengths**: the promise holds for any detector, any law of the data and any number of samples, and it costs one sort.
#
# **Limits**: it spends normal samples on calibration, needs them clean, and ends when the world moves, because samples from one stream of time are seldom exchangeable.
# With fewer than $1/\alpha - 1$ calibration scores the threshold is infinite, which is honest: no alarm can be justified yet.
#
# **Who is harmed when it fails**: the honest customers whose accounts a fraud alarm freezes, many more of them than was promised; the patient whose monitor rang for nothing so often that nobody comes any more; and the group that was rare in the calibration sample, at whose expense the average is kept.
#
# **In production** take scikit-learn's `roc_auc_score` and `average_precision_score`, and for conformal alarms [nonconform](https://pypi.org/project/nonconform/), which wraps pyod's detectors, or [puncc](https://pypi.org/project/puncc/).

# %% [markdown]
# ## Check yourself
#
# **1.** Normal rows are scarce. So you fit the detector to all of them, and then take the conformal threshold from the scores of some of these rows. What becomes of the promise?
#
# <details><summary>It holds, because the conformal threshold suits any detector.</summary>
#
# **Not so.** In `reused` the very same function got the scores of fitted rows, and the alarm rang many times as often as promised.
#
# </details>
#
# <details><summary>It is lost, because the detector knows these rows and no new one.</summary>
#
# **Right.** The promise rests on one thing alone, that the scores it sorts and the new one are exchangeable, and these are not.
#
# </details>
#
# <details><summary>The alarm rings too rarely, because the detector knows these rows.</summary>
#
# **Not so.** They score low because it knows them, and a threshold taken from them is low, too: `reused` came out far above `apart`.
#
# </details>
#
# **2.** A hospital calibrates its alarm on normal patients of all ages, so that it rings for one in twenty of them. What does this say of the normal children?
#
# <details><summary>It rings for one in twenty of them, as children were among the patients.</summary>
#
# **Not so.** All eight digits were among the calibration rows, and yet in `false` the digit 1 rings many times as often as the digit 0.
#
# </details>
#
# <details><summary>It rings for one in twenty of them, if the sample was large enough.</summary>
#
# **Not so.** A larger sample steadies the average, not its parts: `alarms` was averaged over twenty deals, and the digits still differed widely.
#
# </details>
#
# <details><summary>Nothing, before somebody has counted the children by themselves.</summary>
#
# **Right.** The promise is an average over all normal patients, and one group may pay for another. Calibrated on children alone it would be theirs.
#
# </details>
#
# **3.** A score was tried where every second patient was ill. It moves to a ward where one in eleven is, and within the ill and within the healthy the scores are spread as before. What changes?
#
# <details><summary>The average precision falls, and the AUROC stays.</summary>
#
# **Right.** The AUROC compares one ill with one healthy patient, however many there are of each. The precision counts all the healthy ones that stand higher in the list.
#
# </details>
#
# <details><summary>The AUROC falls, because more healthy patients outrank the ill.</summary>
#
# **Not so.** More of them do, but no larger share: `auroc(many, rare)` came out the same as `auroc(six, anomalous)`.
#
# </details>
#
# <details><summary>Neither number changes, because the score is the same.</summary>
#
# **Not so.** `average_precision(many, rare)` came out well below `average_precision(six, anomalous)`, on the same six scores.
#
# </details>

# %% [markdown]
# ## Exercise 1: a p-value
#
# *Easy, 10 minutes.*
# Return the conformal p-value of one score.
#
# Hint: count the calibration scores that are at least as high, and do not forget the new sample.


# %% tags=["exercise"]
def p_value(calibration, score):
    """Share of the n + 1 ranks that look at least as strange as `score`."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_p_value(attempt):
    calibration, tests = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5]), (5, 10, 0)
    answers = [attempt(calibration, s) for s in tests]
    high = np.array([(calibration >= s).sum() for s in tests])
    above = np.array([(calibration > s).sum() for s in tests])
    mistakes = {
        "The new sample itself is missing above, so a p-value can become 0.": high / 10,
        "That is the share among the calibration scores; the new sample is one of the "
        "n + 1.": high / 9,
        "The new sample is counted above the line, but not below it.": (high + 1) / 9,
        "Equal scores look as strange, so they count, too.": (above + 1) / 10,
        "You counted from the wrong end.": (10 - above) / 10,
    }
    right = conformal_p_values(calibration, tests)
    check_answer(None if None in answers else answers, right, mistakes)


check_p_value(p_value)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def p_value_solution(calibration, score):
    calibration = np.asarray(calibration)
    return (1 + (calibration >= score).sum()) / (len(calibration) + 1)


check_p_value(p_value_solution)
# Why: if the new sample is normal, its rank among all n + 1 is uniform, itself counted.
# Without the 1 the strangest sample gets 0, and no finite evidence is worth a 0.

# %% [markdown]
# ## Exercise 2: two conventions on paper
#
# *Medium, 15 minutes.*
# Normal samples score as $N(0, 1)$, anomalies as $N(2, 3^2)$.
# Return FPR at 95 % TPR twice: first with the anomalies as positive, then with the normal samples, which are the ones below the threshold.
#
# Hint: `stats.norm(mean, spread)` has `.ppf` (quantile), `.cdf` (share below) and `.sf` (share above).


# %% tags=["exercise"]
def both_conventions():
    """The two numbers, anomalies positive first."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_both_conventions(attempt):
    normal, odd = stats.norm(0, 1), stats.norm(2, 3)
    right = normal.sf(odd.ppf(0.05)), odd.cdf(normal.ppf(0.95))
    mistakes = {
        "The order is the other way round.": right[::-1],
        "In the second, the sign of the scores is not turned: normal samples are those "
        "below the threshold.": (right[0], odd.sf(normal.ppf(0.05))),
        "In the second, the negatives that are caught lie below the threshold.": (
            right[0],
            1 - right[1],
        ),
        "A threshold that catches 95 % of the anomalies lies at their 5 % quantile: "
        "they score high.": (normal.sf(odd.ppf(0.95)), right[1]),
        "These are the shares of negatives that are *not* caught.": (
            1 - right[0],
            1 - right[1],
        ),
    }
    check_answer(attempt(), right, mistakes, tolerance=1e-4)


check_both_conventions(both_conventions)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def both_conventions_solution():
    normal, odd = stats.norm(0, 1), stats.norm(2, 3)
    return normal.sf(odd.ppf(0.05)), odd.cdf(normal.ppf(0.95))


check_both_conventions(both_conventions_solution)
# Why: each convention fixes a quantile of its own positive class, so the thresholds lie
# far apart. The wide class of anomalies makes the first of them very low.

# %% [markdown]
# ## Exercise 3: how many calibration samples?
#
# *Medium, 15 minutes.*
# The level is 5 %, and the scores are independent, of one continuous law.
# Return the smallest of $n = 19, 39, 59, \dots$ for which 19 calibration samples out of 20 give a rate of at most `limit`.
#
# Hint: there $m = (n + 1) / 20$ is whole, and `stats.beta(m, n + 1 - m).cdf(limit)` is the share of calibration samples that keep the limit.


# %% tags=["exercise"]
def enough(limit):
    """Smallest n of 19, 39, ... whose rate is at most `limit` 19 times in 20."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_enough(attempt):
    n, m = np.arange(19, 20_000, 20), np.arange(1, 1001)
    right, two_sided = (
        [n[np.argmax(stats.beta(m, n + 1 - m).cdf(x) >= p)] for x in (0.06, 0.07)]
        for p in (0.95, 0.975)
    )
    answers = [attempt(0.06), attempt(0.07)]
    mistakes = {
        "The mean rate is 5 % for every n; ask for 19 rates of 20.": [19, 19],
        "That keeps the limit 39 times in 40: the bound is one-sided.": two_sided,
        "These are the values of m, and n = 20 m - 1.": [(k + 1) // 20 for k in right],
    }
    check_answer(None if None in answers else answers, right, mistakes)


check_enough(enough)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def enough_solution(limit):
    n = 19
    while stats.beta((n + 1) / 20, 19 * (n + 1) / 20).cdf(limit) < 0.95:
        n += 20
    return n


check_enough(enough_solution)
# Why: uniform scores have a rate of 1 - t, and an order statistic of them has a Beta
# law. Its spread shrinks with the root of n, so half the slack costs four times n.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
agreement, speed = evidence.results["agreement"], evidence.results["speed"]
largest = max(agreement["largest_difference"].values())
auc, ap = (speed[name]["times_faster"] for name in ("auroc", "average_precision"))
Markdown(
    "The book's metrics are less able than scikit-learn's, which take sample weights, "
    "several classes and draw whole curves; on the same 100,000 scores scikit-learn "
    f"takes {auc:.1f} times as long for the AUROC and {ap:.1f} times for the average "
    "precision. We have not compared our thresholds with another library's."
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "AUROC, average precision and FPR at 95 % TPR equal scikit-learn's to 1e-14.",
    largest < 1e-14,
    over=f"{agreement['cases']} random cases, half of them full of ties, recorded",
)

# %% tags=["hide-output"]
rows = [[name, row["rows"], row["times_faster"]] for name, row in speed.items()]
table(["metric", "scores", "scikit-learn's time / ours"], rows, digits=1)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Anomaly Detection**: Identifying and mitigating anomalies and irregularities in AI system behavior.
#
# The source gives no listing for it.
# The scores come from [Anomaly detection](anomaly_detection.ipynb), and this lesson turns them into alarms.
#
# ## References
#
# Conformal prediction: {cite:t}`vovk2005`; conformal p-values for outliers: {cite:t}`bates2023`.
# AUROC as a probability: {cite:t}`hanley1982`; precision and rare classes: {cite:t}`davis2006`; FPR at 95 % TPR with anomalies as positive: {cite:t}`hendrycks2019`, with normal samples: {cite:t}`liang2018`.
# The Mahalanobis distance: {cite:t}`mahalanobis1936`; neighbours: {cite:t}`ramaswamy2000`; pyod: {cite:t}`zhao2019`.
# What happened: {cite:t}`wong2021`.
