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
# # Risk assessment
#
# Value at risk, CVaR, and extreme-value theory: peaks over a threshold.
#
# In August 2007 a hedge fund of Goldman Sachs that traded by mathematical models had lost 27 % of its value since the start of the year, and the bank's chief financial officer said that they had seen "25-standard deviation moves, several days in a row" {cite}`dowd2008`.
# Under the normal law that the standard deviations suggest, one such day is not to be expected in the life of the universe, so what had failed was the model.
#
# **How bad is the worst, and how much of it can your data tell you?**
#
# You need the answer as soon as somebody pays for the worst case and not for the average: for the one image in a thousand on which a classifier is both wrong and sure, or for the one day on which a trading agent is.
# An average loss hides both.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compute value at risk and CVaR, also with atoms and weights, choose a mixture of least CVaR, extrapolate a tail with an interval, and say when that is worse than not to |
# | You need | NumPy, Matplotlib, SciPy, scikit-learn; what a quantile, a density, a linear program and a maximum of the likelihood are |
# | Time | 30 minutes to read, 40 for the exercises |
# | Code | `companion.safety.risk_assessment` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.stats import binom, norm, t
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.safety.risk_assessment import (
    conditional_value_at_risk,
    fit_generalized_pareto,
    minimum_cvar_portfolio,
    tail_probability,
    tail_risk,
    value_at_risk,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# You have 500 losses, or 2000, and you are asked for the one that is exceeded once in 2000 times.
# You may read it off the data, continue the tail with an exponential law, or fit the tail that extreme-value theory recommends.
#
# **Guess before you look**: which of the three comes closest when you have only 500?

# %% mystnb={"figure": {"caption": "Left: how often a loss is exceeded, for a Student law with four degrees of freedom: the truth, 500 losses, and three continuations of their tail. Right: root mean square error of the loss that is exceeded once in 2000 times, in percent of the truth, over 150 samples, the tails fitted to the worst tenth, recorded.", "name": "fig-risk-assessment"}, "image": {"alt": "Two panels. Left: on logarithmic axes the truth falls as a slightly bent line; the dots of 500 losses end at one in 500; below the truth run, from far to near, the normal law, the exponential tail and the generalised Pareto tail. Right: bars for samples of 500 and of 2000. With 500 losses the exponential tail has the shortest bar; with 2000 the generalised Pareto tail has it."}} tags=["hide-input"]
evidence = recorded("safety/risk_assessment")
sample = t(4).rvs(500, random_state=np.random.default_rng(3))
threshold = value_at_risk(sample, 0.9)
fit = fit_generalized_pareto(sample, threshold)
over = sample[sample > threshold] - threshold
far = np.geomspace(threshold, 20, 200)
curves = {
    "truth": t(4).sf(far),
    "generalised Pareto": tail_probability(fit, far),
    "exponential": 0.1 * np.exp(-(far - threshold) / over.mean()),
    "normal": norm(sample.mean(), sample.std()).sf(far),
}
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for (name, curve), colour, line in zip(
    curves.items(), ("black", "blue", "orange", "grey"), ("-", "--", "-.", ":")
):
    left.loglog(far, curve, line, color=COLOURS[colour], label=name)
ranked = np.sort(sample)[::-1]
seen = ranked >= threshold
rank = (np.arange(500) + 1)[seen] / 500
left.loglog(ranked[seen], rank, ".", color=COLOURS["red"], label="the 500 losses")
left.set(xlabel="loss", ylabel="probability to exceed it", ylim=(1e-5, 0.2))
left.set_xticks([2, 5, 10, 20], ["2", "5", "10", "20"])
left.minorticks_off()
left.set_title("One sample")
left.legend(fontsize=9)
methods = ("empirical", "generalised Pareto", "exponential tail")
errors = {
    (row["n"], row["method"]): 100 * row["rmse"] / row["truth"]
    for row in evidence.results["extrapolation"]
    if (row["law"], row["level"], row["tail"]) == ("Student, 4 degrees", 0.9995, 0.1)
}
for i, (method, colour) in enumerate(zip(methods, ("red", "blue", "orange"))):
    bars = [errors[n, method] for n in (500, 2000)]
    right.bar(
        np.arange(2) + 0.27 * (i - 1), bars, 0.25, color=COLOURS[colour], label=method
    )
right.legend(fontsize=9)
right.set_xticks([0, 1], ["500 losses", "2000 losses"])
right.set(
    ylabel="error (% of the truth)",
    ylim=(0, 1.45 * max(errors[500, m] for m in methods)),
)
right.set_title("150 samples")
plt.show()

# %% [markdown]
# The left panel is the advertisement: the fitted tails run on where the data end, and the normal law takes the largest of the losses for all but impossible.
# The right panel is the bill, and the tail of extreme-value theory is not the cheapest, because a tail that may bend either way needs data to know which way.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
rmse = {
    (r["law"], r["n"], r["tail"], r["method"]): r["rmse"]
    for r in evidence.results["extrapolation"]
    if r["level"] == 0.9995
}
laws = ("Student, 4 degrees", "lognormal")
few = [
    [rmse[law, 500, tail, m] for m in methods] for law in laws for tail in (0.1, 0.05)
]
many = [[rmse[law, 2000, 0.1, m] for m in methods] for law in laws]
claim(
    "From 500 losses the exponential tail errs less than both others, although it is "
    "wrong in principle; from the worst tenth of 2000 the generalised Pareto tail does.",
    all(e < min(0.9 * g, x) for x, g, e in few)
    and all(g < 0.95 * min(x, e) for x, g, e in many),
    over="150 samples of either size from a Student law of 4 degrees and from a "
    "lognormal law, 500 at two thresholds, recorded",
)

# %% [markdown]
# That lead is thin.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
later = [rmse[laws[0], 2000, 0.05, m] for m in methods]
claim(
    "Fitted to the worst twentieth of 2000 losses from Student's law, the two tails are "
    "level, to a fifth; and from 500, the largest loss itself errs less than the "
    "generalised Pareto tail in three of four cases.",
    0.8 < later[1] / later[2] < 1.25 and sum(x < g for x, g, _ in few) == 3,
    over="the same samples: two laws, the worst tenth and the worst twentieth, recorded",
)

# %% [markdown]
# It is a trade: from 500 losses the exponential tail is too low on average, and steady, while the fitted tail is nearly right on average and scatters.

# %% tags=["hide-input"]
rows = [
    [row["method"], row["mean error"], row["spread"]]
    for row in evidence.results["extrapolation"]
    if (row["law"], row["n"], row["level"], row["tail"]) == (laws[0], 500, 0.9995, 0.1)
]
table(["500 losses, Student's law", "mean error", "spread"], rows, digits=1)

# %% [markdown]
# ## The idea on ten numbers: value at risk and CVaR
#
# Ten losses: 1, 2, 3, 4, 5, 6, 7, 8, 9 and 50.
# Nine of the ten are at most 9, so the **value at risk** at 90 % is 9: the smallest loss that is not exceeded in nine cases out of ten.
# It would still be 9 if the last loss were 5000.
#
# The **conditional value at risk** asks for the mean of the worst share instead.
# The worst 10 % is the 50 alone.
# The worst 15 % is the 50 and *half* of the 9, because a loss counts ten percent and only five are left:
#
# $$\frac{0.10 \cdot 50 + 0.05 \cdot 9}{0.15} = 36.33.$$

# %%
losses = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 50])
rows = [
    [f"{a:.0%}", value_at_risk(losses, a), conditional_value_at_risk(losses, a)]
    for a in (0.5, 0.85, 0.9)
]
table(["level", "value at risk", "CVaR"], rows, digits=2)

# %% [markdown]
# ## The equation: CVaR with atoms
#
# Let $L$ be the loss and $\alpha$ the level.
# Then
#
# $$\mathrm{VaR}_\alpha = \min\{x : P(L \le x) \ge \alpha\},$$
#
# $$\mathrm{CVaR}_\alpha = \frac{1}{1 - \alpha} \int_\alpha^1 \mathrm{VaR}_p \, dp .$$
#
# The integral walks through the worst levels, and where it starts in the middle of a loss it takes only a part of that loss along.
# On a sample that is a sum over the worst losses, the last of them cut.


# %%
def mean_of_worst(losses, level):
    x = np.sort(losses)[::-1]  # the worst first
    left = (1 - level) * len(x)  # how many losses make up the worst share
    whole = int(left)
    return (x[:whole].sum() + (left - whole) * x[whole]) / left


for a in (0.5, 0.85, 0.9):
    np.testing.assert_allclose(
        mean_of_worst(losses, a), conditional_value_at_risk(losses, a)
    )

# %% [markdown]
# The package's function also takes weights, and it keeps its digits where the share is tiny.

# %%
show_source(conditional_value_at_risk, value_at_risk)

# %% [markdown]
# For a normal law both have a closed form: with the quantile $z = \Phi^{-1}(\alpha)$ and the density $\varphi$, value at risk is $\mu + \sigma z$ and CVaR is $\mu + \sigma \varphi(z) / (1 - \alpha)$.
# Here it stands beside a hundred thousand quantiles, which are the law as a sample would have it without luck.

# %%
x = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
rows = []
for a in (0.9, 0.99, 0.999):
    z = norm.ppf(a)
    exact = [z, norm.pdf(z) / (1 - a)]
    rows.append(
        [a, value_at_risk(x, a), exact[0], conditional_value_at_risk(x, a), exact[1]]
    )
table(["level", "VaR", "exact", "CVaR", "exact"], rows, digits=3)

# %% [markdown]
# ## Spreading a risk: subadditivity
#
# Lend 100 to one borrower, or 50 to each of two who fail independently.
# Each fails with probability 4 %.
# At 95 % the single loan has no risk to speak of, because its failure hides in the five percent that value at risk does not look at.
# Two loans fail at least once in $1 - 0.96^2 = 7.8\,\%$ of cases, and now value at risk sees 50.


# %%
def one_and_two(p, measure):
    one = measure([0, 100], 0.95, [1 - p, p])
    both = [(1 - p) ** 2, 2 * p * (1 - p), p**2]
    return [one, measure([0, 50, 100], 0.95, both)]


rows = [
    ["value at risk", *one_and_two(0.04, value_at_risk)],
    ["CVaR", *one_and_two(0.04, conditional_value_at_risk)],
]
table(["at 95 %", "one loan", "two halves"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
p = np.arange(1, 401) / 2000
var, cvar = (
    np.array([one_and_two(q, measure) for q in p])
    for measure in (value_at_risk, conditional_value_at_risk)
)
hidden = (p <= 0.05) & (1 - (1 - p) ** 2 > 0.05)
claim(
    "Value at risk rises when the loan is split exactly where one failure is too rare "
    "for it and one of two is not; CVaR never rises.",
    bool(
        ((var[:, 1] > var[:, 0]) == hidden).all()
        and (cvar[:, 1] <= cvar[:, 0] + 1e-10).all()
    ),
    over="failure probabilities from 0.05 % to 20 % in 400 steps, at 95 %",
)

# %% [markdown]
# So value at risk *can* punish spreading; it does not always.
# Two normal losses with equal spread $\sigma$ and correlation $\rho$ have, half and half, the spread $\sigma \sqrt{(1 + \rho) / 2} \le \sigma$, and value at risk is $z$ times that, so at levels of one half and more, where $z \ge 0$, spreading lowers it; the same holds for all laws whose contours are ellipses {cite}`embrechts2002`.
# CVaR is one of the measures that never do, which {cite:t}`artzner1999` made an axiom and {cite:t}`acerbi2002` proved for it, atoms included.
#
# ## Real data: a mixture of models with the least CVaR
#
# A mixture of classifiers gives the right class the probability $\sum_j w_j p_j$, so its loss, one minus that, is linear in the weights $w$.
# Then the weights of least CVaR are a linear program, as {cite:t}`rockafellar2000` found for portfolios.
# Written from the other side it says: somebody reweights the cases against you, but gives none more than $1 / ((1 - \alpha) n)$,
#
# $$\min_{w} \mathrm{CVaR}_\alpha(\text{loss of } w) = \max_{q} \min_j \sum_i q_i\, \ell_{ij},$$
#
# $$0 \le q_i \le \frac{1}{(1 - \alpha)\, n}, \quad \sum_i q_i = 1,$$
#
# where $\ell_{ij}$ is the loss of model $j$ on case $i$.
# [Distributionally robust optimization](distributionally_robust_optimization.ipynb) finds such worst weights of one model, and asks what else they cover.
# It is a program with one row for each model, and the multipliers of its rows are the weights.

# %%
show_source(minimum_cvar_portfolio)

# %% [markdown]
# Five classifiers learn a third of the handwritten digits: logistic regression, linear discriminants, five neighbours, a tree and naive Bayes.
# The weights are chosen on the second third and judged on the last one, beside three simpler rules: least variance, equal weights, and the single model that did best.

# %%
mixed = evidence.results["ensemble"]
rules = ("least CVaR", "least variance", "equal weights", "best alone")
rows = [
    [rule, *(np.mean(mixed[rule][where]) for where in ("seen", "unseen"))]
    for rule in rules
]
table(["CVaR at 95 %", "images it chose on", "new images"], rows, digits=3)

# %% [markdown]
# On the images it chose on, nothing can be better, by construction.
# On new images its lead over least variance and over the best single model is gone; its lead over equal weights stays.
# The worst five percent of 599 images are thirty, and thirty images tell close rules apart only by luck.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
new = {rule: np.array(mixed[rule]["unseen"]) for rule in rules}
claim(
    "On new images the mixture of least CVaR beats equal weights every time; with least "
    "variance and with the best single model it is level on average, to 0.02.",
    bool(
        (new["least CVaR"] < new["equal weights"]).all()
        and all(
            abs(new["least CVaR"].mean() - new[rule].mean()) < 0.02
            for rule in ("least variance", "best alone")
        )
    ),
    over="20 random splits, recorded",
)

# %% [markdown]
# When do the two differ, then?
# Least variance counts good surprises as risk and cannot tell a calm loss that crashes from a restless one.
# So take four assets whose law is known, two quiet ones that lose six now and then and two restless ones that do not, choose from a few days or from many, and judge by the truth.

# %%
market = evidence.results["assets"]
rows = [
    [rule, *(np.mean(market[n][rule]["unseen"]) for n in ("100", "250", "2000"))]
    for rule in rules[:3]
]
table(["true CVaR at 95 %", "from 100 days", "250", "2000"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
true = {
    (n, rule): np.mean(market[n][rule]["unseen"])
    for n in ("100", "2000")
    for rule in rules[:3]
}
claim(
    "From 100 days equal weights, which need no data, have the least CVaR; from 2000 the "
    "linear program's weights have it, and least variance is behind equal weights.",
    bool(
        true["100", "equal weights"] < min(true["100", rule] for rule in rules[:2])
        and true["2000", "least CVaR"]
        < true["2000", "equal weights"]
        < true["2000", "least variance"]
    ),
    over="means over 20 samples of the four assets, recorded",
)

# %% [markdown]
# ## Beyond the data: peaks over a threshold
#
# Above a high threshold $u$ the tails of nearly all textbook laws look alike.
# If the losses are independent draws from one law whose largest of many draws, shifted and scaled, has a limit law, then the excess $Y = L - u$ tends, as $u$ rises, to a **generalised Pareto law** {cite}`balkema1974,pickands1975`
#
# $$P(Y > y) = \Big(1 + \xi\, \frac{y}{\sigma}\Big)^{-1/\xi} .$$
#
# Its shape $\xi$ says what kind of tail it is: positive for a heavy one, such as $1/\nu$ for Student's law of $\nu$ degrees; zero for an exponential one; negative for one that ends, at $u + \sigma / |\xi|$.
# (The condition on the law is called the domain of attraction.)
# The conditions matter: a time series with calm and stormy weeks is not independent, and a threshold that is not high gives the law of something else.
#
# To fit it, put $\theta = \xi / \sigma$.
# Where the likelihood is greatest, $\xi$ is the mean of $\log(1 + \theta y)$, so one unknown is left and a grid would do {cite}`grimshaw1993`.


# %%
def plain_fit(y):
    theta = np.linspace(-0.999 / y.max(), 20 / y.mean(), 40_000)
    theta = theta[theta != 0]
    shape = np.array([np.log1p(s * y).mean() for s in theta])
    likelihood = -np.log(shape / theta) - shape - 1
    best = np.where(shape > -1, likelihood, -np.inf).argmax()
    return shape[best], shape[best] / theta[best]


np.testing.assert_allclose(plain_fit(over), [fit.shape, fit.scale], rtol=0, atol=0.01)

# %% [markdown]
# With $k$ of $n$ losses above the threshold, the fitted tail answers for all levels above $1 - k/n$:
#
# $$\mathrm{VaR}_\alpha = u + \frac{\sigma}{\xi}\Big(\Big(\frac{n}{k}(1 - \alpha)\Big)^{-\xi} - 1\Big),$$
#
# $$\mathrm{CVaR}_\alpha = \frac{\mathrm{VaR}_\alpha + \sigma - \xi u}{1 - \xi},$$
#
# the second one only if $\xi < 1$, because a heavier tail has no mean.
# For shapes below $-1$ the likelihood has no bound, and up to $-1/2$ its usual theory fails {cite}`smith1985`; the package's fit stops at $-1$ and says when it is in the irregular range.

# %%
show_source(fit_generalized_pareto, tail_risk, tail_probability)

# %% [markdown]
# ## Real data: the tail of a classifier's losses
#
# A logistic regression says how probable it holds the right class of each of the 1797 digits, none of which it has seen in training; the loss is the negative logarithm.

# %%
X, y = load_digits(return_X_y=True)
model = LogisticRegression(max_iter=5000, tol=1e-8)
logs = cross_val_predict(model, X / 16, y, cv=5, method="predict_log_proba")
digit_losses = -logs[np.arange(len(y)), y]
rows = []
for level in (0.8, 0.9, 0.95):
    tail = fit_generalized_pareto(digit_losses, value_at_risk(digit_losses, level))
    rows.append([f"{level:.0%}", tail.shape, float(tail_risk(tail, 0.999).var)])
table(["threshold at", "shape", "VaR at 99.9 %"], rows, digits=1)

# %% [markdown]
# The threshold decides.
# From the worst fifth the tail looks heavy, from the worst tenth it looks exponential, and the same question gets another answer.
# That is why you fit at two thresholds at least, and distrust both where they disagree.
#
# The honest test is held out: fit one half of the losses, and count how many of the other half exceed what the fit says is exceeded in one case of 200, which should be 4.5 of 898.

# %%
checked = evidence.results["held out"]["rows"]
half = {row["tail"]: row for row in checked if row["level"] == 0.995}
names = ("empirical", "generalised Pareto", "exponential tail", "normal law")
rows = [
    [name, *(half[tail]["mean exceedances"][name] for tail in (0.2, 0.1))]
    for name in names
]
table(["exceedances, 4.5 wanted", "worst fifth", "worst tenth"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
ratio = {
    (tail, name): half[tail]["mean exceedances"][name] / half[tail]["expected"]
    for tail in (0.2, 0.1)
    for name in names
}
claim(
    "The normal law is exceeded more than five times as often as it says and the "
    "exponential tail of the worst fifth more than twice; the generalised Pareto tail at "
    "both thresholds at most half as often again, and so is the loss read off the data.",
    ratio[0.1, "normal law"] > 5
    and ratio[0.2, "exponential tail"] > 2
    and all(
        2 / 3 < ratio[tail, name] < 1.5
        for tail in (0.2, 0.1)
        for name in ("generalised Pareto", "empirical")
    ),
    over="the means of 40 random halves of the 1797 losses, recorded",
)

# %% [markdown]
# So here you need no tail at all: one case of 200 still lies inside half of the data.
# A tail is for the losses beyond them, where you have nothing to count.
#
# A number without an interval is half an answer, so draw the sample again from itself, refit, and look at the middle 90 % of the answers.

# %%
rows = []
for n in ("500", "2000"):
    row = evidence.results["interval"][n]
    rows.append([n, 100 * row["held"], 100 * row["median width over truth"]])
table(
    ["losses", "interval holds the truth (%)", "its width (% of the truth)"],
    rows,
    digits=0,
)

# %% [markdown]
# These are samples of Student's law, whose truth is known, and the loss that is exceeded once in a thousand times.
# With 500 losses the interval holds it less often than the ninety percent that it promises, and is almost as wide as the number itself.
# With 2000 it comes nearer, and is still short: read such an interval as the least that you do not know.
#
# ## Break it: a failure that the sample has not seen
#
# Extreme-value theory extends the tail that you have.
# Now let one case in 2000 be another matter altogether, a loss of 100, and ask samples of 500 that happen not to contain one.

# %%
quiet = []
for seed in range(200):
    rng = np.random.default_rng(seed)
    x = t(4).rvs(500, random_state=rng)
    x[rng.random(500) < 1 / 2000] = 100
    if x.max() < 99:
        tail = fit_generalized_pareto(x, value_at_risk(x, 0.9))
        quiet.append(float(tail_probability(tail, 99)))
rows = [["truth", f"{1 / 2000:.0e}"], ["the median fit", f"{np.median(quiet):.0e}"]]
table(["a loss above 99", "probability"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Most samples of 500 do not contain the rare failure, and all of their fits put its "
    "probability below a fifth of the truth.",
    len(quiet) > 100 and max(quiet) < 1e-4,
    over=f"{len(quiet)} of 200 samples, those without the failure",
)

# %% [markdown]
# No statistic of the sample can help here, because the sample does not know.
# What helps is to think of how the system can fail, which is what [Fault trees](fault_trees.ipynb) are for.
# And where you can choose what the system meets, you can look for the failure on purpose, as in [Rare events](rare_events.ipynb).
#
# ## Break it: a quantile between two losses
#
# Ninety-five losses of nothing and five of 100.

# %%
x = np.repeat([0.0, 100.0], [95, 5])
rows = [
    ["value at risk at 95 %", value_at_risk(x, 0.95)],
    ["`np.quantile`, which interpolates", np.quantile(x, 0.95)],
    [
        "least of the 6 worst, for `ceil((1 - 0.95) * 100)` is 6",
        np.sort(x)[-int(np.ceil((1 - 0.95) * 100))],
    ],
    ["mean of all losses from there up", x[x >= value_at_risk(x, 0.95)].mean()],
    ["CVaR at 95 %", conditional_value_at_risk(x, 0.95)],
]
table(["", "loss"], rows, digits=2)

# %% [markdown]
# The interpolated quantile is a loss that never happens.
# The mean from the value at risk up is the mean of everything, because the value at risk is zero; the worst five percent have a mean of 100.
#
# > **Often believed, and wrong**
# >
# > "We know our value at risk, so we know how much we can lose."
# > **Value at risk is the least that you lose in the bad cases.** What lies beyond it may be ten times as much, and the number would be the same.
# >
# > "Extreme-value theory sees beyond the data."
# > **It continues the tail of the data, under conditions, and with a large error.** From 500 losses a plain exponential tail came closer on this page, and a failure of another kind stays unseen.
# >
# > "CVaR is the mean of all losses at or above the value at risk."
# > **Only if no loss has a probability of its own.** With atoms, which each sample has, the last loss must be cut.
# >
# > "The portfolio of least CVaR is safer than that of least variance."
# > **On the data it was chosen on.** On new data it was level for the classifiers here, because it rests on the few worst cases.
#
# **Strengths**: CVaR never punishes spreading, has a linear program, and says in the unit of the loss what the worst share costs; the tail fit is the only one of the three continuations that can say that a tail ends, or has no mean.
#
# **Limits**: everything here supposes that tomorrow's losses come from the law of yesterday's, independently; no formula repairs that.
#
# **Who is harmed when it fails**: those in the tail, who are seldom a random sample: patients whose scans look unlike the training data, savers whose pension was insured against a normal law.
#
# **In production** take `np.quantile` with `method="inverted_cdf"` for value at risk, `scipy.stats.genpareto` or OpenTURNS' `GeneralizedParetoFactory` for tails, CVXPY's `cvar` for portfolios with further constraints, and keep the two thresholds and the interval.

# %% [markdown]
# ## Check yourself
#
# **1.** Two robot controllers have the same value at risk: 300 dollars of damage at the level of 99 %. What do you know about the worst hundredth of their cases?
#
# <details><summary>They cost at most 300 dollars with either controller.</summary>
#
# **Not so.** For the ten `losses` the value at risk at the level 0.9 is 9, and the worst tenth is a loss of 50.
#
# </details>
#
# <details><summary>They cost about as much with the one as with the other.</summary>
#
# **Not so.** The losses in `x` have a value at risk of zero, like a system that never fails, and their worst twentieth has a mean of 100.
#
# </details>
#
# <details><summary>They cost 300 dollars or more, and how much more is open.</summary>
#
# **Right.** Value at risk is where the bad cases begin. What lies beyond can differ by any amount, and CVaR is the number that looks at it.
#
# </details>
#
# **2.** One machine that costs 100 when it fails is replaced by two that cost 50 each. Each of the three fails with probability 2 %, independently. What happens to the value at risk at 95 %?
#
# <details><summary>Nothing, because it is zero before and after.</summary>
#
# **Right.** One of two fails with probability $1 - 0.98^2 = 3.96\,\%$, which is still rarer than the five percent that value at risk does not look at.
#
# </details>
#
# <details><summary>It rises, because value at risk punishes spreading.</summary>
#
# **Not so.** Not everywhere: by `hidden` it rises exactly where one failure is too rare for it and one of two is not.
#
# </details>
#
# <details><summary>It falls, because two failures at once are very rare.</summary>
#
# **Not so.** That is seen by CVaR: in `one_and_two` a failure rarer than five percent leaves the one loan a value at risk of zero, below which nothing can fall.
#
# </details>
#
# **3.** A grid operator fits a generalised Pareto tail to 500 daily losses and reads off that a certain catastrophe has a probability of one in a hundred million. On none of these days did a main transformer burn, which does happen. What is the number worth?
#
# <details><summary>It is sound, because such a tail reaches beyond the data.</summary>
#
# **Not so.** It continues the data: the fits in `quiet` came from samples without the rare failure and put its probability far below the truth.
#
# </details>
#
# <details><summary>It speaks of days like these, and of no burning transformer.</summary>
#
# **Right.** What the sample has not met leaves no trace in its tail. For that you have to think about how the grid can fail.
#
# </details>
#
# <details><summary>It is sound if one adds its interval from resampling.</summary>
#
# **Not so.** Resampling draws the same 500 days again, and no fit in `quiet` to days without the failure came near the truth.
#
# </details>

# %% [markdown]
# ## Exercise 1: the mean of the worst
#
# *Easy, 10 minutes.*
# A law has finitely many losses with probabilities, already sorted from the worst to the best.
# Return its CVaR.
#
# Hint: walk from the worst loss on and take probability until $1 - \alpha$ is used up; `min` cuts the last one.


# %% tags=["exercise"]
def cvar_of_law(losses, probabilities, level):
    """CVaR of sorted losses, the worst first."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_cvar_of_law(attempt):
    losses, p = [50.0, 9.0, 8.0, 1.0], [0.1, 0.1, 0.3, 0.5]
    two = 50 * 0.1 + 9 * 0.1
    part = "You took the whole of the last loss; its part is what is left of 1 - level."
    mistakes = {
        "You took the whole of the last loss; only a part is among the worst.": two
        / 0.2,
        part: two / 0.15,
        "You left the last loss out; a part of it is among the worst.": 50.0,
        "The last loss is left out; a part of it is among the worst.": 50 * 0.1 / 0.15,
        "The worst share is 1 - level, not level.": (two + 8 * 0.3 + 0.35) / 0.85,
        "Divide by the share 1 - level: this is the sum.": 50 * 0.1 + 9 * 0.05,
        "This is the value at risk.": 9.0,
    }
    check_answer(attempt(losses, p, 0.85), (50 * 0.1 + 9 * 0.05) / 0.15, mistakes)


check_cvar_of_law(cvar_of_law)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def cvar_of_law_solution(losses, probabilities, level):
    left, total = 1 - level, 0.0
    for loss, p in zip(losses, probabilities):
        taken = min(p, left)
        total += taken * loss
        left -= taken
    return total / (1 - level)


check_cvar_of_law(cvar_of_law_solution)
# Why: the worst share is a probability and not a number of losses, so the loss at its
# edge belongs to it in part. That cut is what makes CVaR continuous in the level.

# %% [markdown]
# ## Exercise 2: the exponential tail
#
# *Medium, 15 minutes.*
# Continue the tail of a sample above a threshold $u$ with an exponential law: among the losses above $u$, the excess exceeds $y$ with probability $e^{-y/m}$, where $m$ is its mean.
# Return the loss that is exceeded with probability `rare`.
#
# Hint: a loss exceeds $u + y$ with probability $\frac{k}{n}\, e^{-y/m}$ if $k$ of $n$ losses exceed $u$; solve for $y$.


# %% tags=["exercise"]
def exponential_quantile(losses, u, rare):
    """The loss that is exceeded with probability `rare`, by an exponential tail above u."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_exponential_quantile(attempt):
    losses, u, rare = np.arange(1.0, 101.0) ** 2 / 100, 64.0, 0.001
    over = losses[losses > u] - u
    share, mean = len(over) / len(losses), over.mean()
    deep = np.log(share / rare)
    sign = (
        "The sign is wrong: a rarer loss is larger, and you went below the threshold."
    )
    mistakes = {
        "The share k/n above the threshold is missing.": u - mean * np.log(rare),
        "You have the excess; add the threshold.": mean * deep,
        "Average the excesses, not the losses.": u + losses[losses > u].mean() * deep,
        "Average the excesses above u only, not of all losses.": u
        + losses.mean() * deep,
        sign: u - mean * deep,
        "`rare` is a probability to exceed.": u + mean * np.log(share / (1 - rare)),
        "The logarithm is the natural one.": u + mean * np.log10(share / rare),
    }
    answer = attempt(losses, u, rare)
    check_answer(answer, u + mean * deep, mistakes, 1e-3)


check_exponential_quantile(exponential_quantile)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def exponential_quantile_solution(losses, u, rare):
    over = losses[losses > u] - u
    return u + over.mean() * np.log(len(over) / len(losses) / rare)


check_exponential_quantile(exponential_quantile_solution)
# Why: one parameter, the mean excess, is all that is estimated, so the answer hardly
# varies from sample to sample. It is wrong for heavy tails, but by less than noise costs.

# %% [markdown]
# ## Exercise 3: enough borrowers
#
# *Medium, 15 minutes.*
# Split 100 equally over $n$ borrowers who fail independently with probability 4 % each.
# Return the value at risk of what is lost, at 95 %.
#
# Hint: the number of failures is binomial; `binom.ppf(0.95, n, p)` is the smallest number that is not exceeded with probability 0.95.


# %% tags=["exercise"]
def split_loss(n):
    """Value at risk at 95 % of 100 split over n independent borrowers."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_split_loss(attempt):
    answers = [attempt(n) for n in (1, 2, 20, 500)]
    failures = binom.ppf(0.95, [1, 2, 20, 500], 0.04)
    right = 100 * failures / np.array([1, 2, 20, 500])
    mistakes = {
        "This is the number of failures; each costs 100 / n.": failures,
        "Each failure costs 100 / n, not 100.": 100 * failures,
        "This is the mean loss, which is 4 whatever n is.": np.full(4, 4.0),
        "Look at the 95 % quantile, not at the 5 % one.": 100
        * binom.ppf(0.05, [1, 2, 20, 500], 0.04)
        / np.array([1, 2, 20, 500]),
    }
    unanswered = any(a is None for a in answers)
    check_answer(None if unanswered else answers, right, mistakes)


check_split_loss(split_loss)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def split_loss_solution(n):
    return 100 * binom.ppf(0.95, n, 0.04) / n


check_split_loss(split_loss_solution)
# Why: from one borrower to two the value at risk jumps from 0 to 50, although nothing
# became worse. With hundreds it approaches the mean of 4, as spreading should make it.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {(r["name"], r["peer"]): r["ratio"] for r in evidence.results["speed"]}
turns = [v for (_, peer), v in speed.items() if peer == "openturns"]
scipy_ = [v for (_, peer), v in speed.items() if peer == "scipy"]
convex = [v for (_, peer), v in speed.items() if peer == "cvxpy"]
found = evidence.results["fit"]
gave_up = found["OpenTURNS gave up, samples"]
better = found["ours above the peer's by more than 1e-4, samples"]
Markdown(
    f"The book has neither covariates nor profile likelihood intervals for tails, which OpenTURNS has, and its "
    f"portfolio takes no constraints but a target, where CVXPY takes any. Its fit takes {min(turns):.1f} to "
    f"{max(turns):.1f} times less time than OpenTURNS' and {min(scipy_):.1f} to {max(scipy_):.1f} times less than "
    f"SciPy's, its portfolio {min(convex):.1f} to {max(convex):.1f} times less than CVXPY's. On "
    f"{found['samples']} samples its likelihood was below no peer's, above SciPy's in {better['scipy']} and "
    f"above OpenTURNS' in {better['openturns']}; OpenTURNS gave no fit for {gave_up}."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Risk Assessment**: Assessing and mitigating the risks associated with AI systems.
#
# The assessment is this page; the mitigation here is a mixture with a better tail, and in the rest of the chapter it is training.
#
# ## References
#
# Coherent measures: {cite:t}`artzner1999`; CVaR and its linear program: {cite:t}`rockafellar2000`; atoms: {cite:t}`rockafellar2002`, {cite:t}`acerbi2002`.
# Ellipses: {cite:t}`embrechts2002`.
# Tails: {cite:t}`balkema1974`, {cite:t}`pickands1975`; the fit: {cite:t}`grimshaw1993`, {cite:t}`smith1985`; value at risk from it, there for what a model of calm and stormy weeks leaves over: {cite:t}`mcneil2000`; the textbook: {cite:t}`mcneil2015`.
# What happened: {cite:t}`dowd2008`.
