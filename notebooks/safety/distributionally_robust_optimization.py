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
# # Distributionally robust optimization
#
# CVaR, chi-squared and Kullback-Leibler weights: the worst mean of a sample; and a Wasserstein ball, where the points themselves move.
#
# In 2018 three commercial programs that guess the gender of a face were tested group by group: they were wrong on at most 0.8 % of the men with lighter skin, and on up to 34.7 % of the women with darker skin {cite}`buolamwini2018`.
# A mean over all faces weighs each group by how often it happens to be in the test set, so it can look fine while one group is failed.
#
# **How large can the mean loss become if your users are not mixed as your sample is?**
#
# You need the answer before you quote a test loss to people who were not in the test set.
# This page finds the worst mixture within a given distance, exactly, and it shows what that worst case covers and what it cannot.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compute the worst weights of a sample for three kinds of distance, certify them by their dual, choose their radius, and say which shifts they do not cover |
# | You need | NumPy, Matplotlib, SciPy, scikit-learn; what a mean, a standard deviation, a softmax and a logistic regression are |
# | Time | 30 minutes to read, 35 for the exercises |
# | Code | `companion.safety.distributionally_robust_optimization` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.optimize import brentq
from scipy.special import rel_entr
from sklearn.datasets import load_breast_cancer
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
from companion.safety.distributionally_robust_optimization import (
    chi2_weights,
    cvar_weights,
    effective_sample_size,
    kl_weights,
    wasserstein_logistic,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A logistic regression has learnt handwritten digits, and here are its losses on the first 100 images that it has not seen.
# Three adversaries may change the weights of these images, all of them as much: until the weights are as uneven as if only 20 images counted.
# One may cap each weight (CVaR), one must stay within a chi-squared distance of equal weights, one within a Kullback-Leibler divergence.
#
# **Guess before you look**: which of the three makes the mean loss largest?

# %% tags=["hide-input"]
data = digits()
model = LogisticRegression(solver="newton-cholesky", tol=1e-8)
model.fit(data.X_train, data.y_train)


def losses_on(images, labels):
    return -model.predict_log_proba(images)[np.arange(len(labels)), labels]


losses = losses_on(data.X_test, data.y_test)
sample = losses[:100]


def at_size(size):
    """The three worst cases of the sample at one effective sample size."""

    def excess(radius):
        return effective_sample_size(kl_weights(sample, radius).weights) - size

    radius = brentq(excess, 1e-9, np.log(100) - 1e-9)
    return {
        "CVaR": cvar_weights(sample, 1 - size / 100),
        "chi-squared": chi2_weights(sample, 100 / size - 1),
        "Kullback-Leibler": kl_weights(sample, radius),
    }


# %% mystnb={"figure": {"caption": "Left: the worst weights of 100 losses, times 100, from the smallest loss to the largest, for three sets of weights whose effective sample size is at least 20. Right: the mean loss under the worst weights against the effective sample size. The dotted lines are the plain mean and the largest loss.", "name": "fig-worst-weights"}, "image": {"alt": "Two panels. Left: three curves of weights over losses from small to large. The CVaR curve is a step from 0 to 5 for the last twenty. The chi-squared curve is close to 0 at first and rises to 15. The Kullback-Leibler curve lies a little higher at first and rises to 20 at the largest loss. Right: three falling curves from the largest loss to the mean, the chi-squared curve above the two others."}} tags=["hide-input"]
order = np.argsort(sample)
sizes = [2, 3, 5, 8, 12, 20, 30, 50, 70, 90]
worst = {size: at_size(size) for size in sizes}
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for name, colour, line in zip(worst[20], ("blue", "red", "green"), ("-", "--", "-.")):
    weights = 100 * worst[20][name].weights[order]
    left.plot(np.arange(1, 101), weights, line, color=COLOURS[colour], label=name)
    values = [worst[size][name].value for size in sizes]
    right.semilogx(sizes, values, line, color=COLOURS[colour])
for level in (sample.mean(), sample.max()):
    right.axhline(level, color=COLOURS["grey"], linestyle=":")
left.set(xlabel="losses, from small to large", ylabel="weight / equal weight")
left.set_title("Who counts")
left.legend()
right.set(xlabel="effective sample size", ylabel="worst mean loss (nats)")
right.set_xticks([2, 5, 20, 100], ["2", "5", "20", "100"])
right.set_title("What it costs")
plt.show()

# %% [markdown]
# Look at the left first: the cap treats the twenty worst losses alike, the chi-squared weights grow in a straight line of the loss, and the divergence bets most on the few largest.
# Read the right from right to left: with nearly all images counting all three stay near the plain mean, and the fewer count, the closer they come to the single largest loss.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
at = {name: np.array([worst[s][name].value for s in sizes]) for name in worst[20]}
sizes_reached = [effective_sample_size(worst[s]["chi-squared"].weights) for s in sizes]
claim(
    "At equal effective sample size the chi-squared adversary costs more than the "
    "two others.",
    bool(
        (at["chi-squared"] > at["CVaR"]).all()
        and (at["chi-squared"] > at["Kullback-Leibler"]).all()
        and np.allclose(sizes_reached, sizes, rtol=1e-9, atol=0)
    ),
    over="the 10 plotted sizes; never less at any size: the argument below",
)

# %% [markdown]
# ## The idea on four numbers: the mean of the worst
#
# Take the losses $1, 5, 3, 2$, with the mean $2.75$.
# Suppose that no loss may get more than $2/3$ of the weight.
# Then the worst mixture gives $2/3$ to the $5$ and what is left, $1/3$, to the $3$:
#
# $$\tfrac23 \cdot 5 + \tfrac13 \cdot 3 = 4\tfrac13.$$
#
# So you sort, fill up from the top, and stop when the weight is spent.

# %%
by_hand = cvar_weights([1, 5, 3, 2], level=0.625)
by_hand.weights.round(4), round(by_hand.value, 4)

# %% [markdown]
# The level says the same in another way: a cap of $2/3$ on four losses is $1 / (4 (1 - \alpha))$ with $\alpha = 0.625$, and the value is the mean of the worst $37.5$ %, that is of one and a half losses.
# It is called the conditional value-at-risk, CVaR; [Risk assessment](risk_assessment.ipynb) estimates it for the law behind a sample.
#
# ## The equation: the worst weights of a set
#
# Let $\ell_1, \ldots, \ell_n$ be the losses, $q$ weights that are not negative and sum to one, and $\mathcal{Q}$ the weights that the adversary may choose.
# The distributionally robust loss is
#
# $$\max_{q \in \mathcal{Q}} \; \sum_i q_i\, \ell_i.$$
#
# **CVaR**: $\mathcal{Q}$ holds the weights with $q_i \le 1 / (n (1 - \alpha))$.
# Here is the sort as plain code.


# %%
def cvar(losses, level):
    cap = 1 / (len(losses) * (1 - level))
    q, left = np.zeros(len(losses)), 1.0
    for i in np.argsort(-losses):
        q[i] = min(cap, left)
        left -= q[i]
    return q


np.testing.assert_allclose(
    cvar(sample, 0.8), cvar_weights(sample, 0.8).weights, atol=1e-12
)

# %% [markdown]
# **Chi-squared**: $\mathcal{Q}$ holds the weights with $\frac1n \sum_i (n q_i - 1)^2 \le \rho$.
# Work the square out and it says $\sum_i q_i^2 \le (1 + \rho) / n$, which is the same as an *effective sample size*
#
# $$n_{\text{eff}} = \frac{1}{\sum_i q_i^2} \;\ge\; \frac{n}{1 + \rho}.$$
#
# That is why the chi-squared curve had to be on top: its set holds *all* weights of that size, those of the other two adversaries among them.
# The worst ones are $q_i \propto (\ell_i - \eta)_+$, where $x_+$ is $x$ if positive and else $0$, because nothing aligns better with the losses at a given length.
# The threshold $\eta$ is then the only unknown.


# %%
def chi2(losses, radius):
    def weights(eta):
        over = np.maximum(losses - eta, 0)
        return over / over.sum()

    target = len(losses) / (1 + radius)
    low, high = losses.min() - 1e6, losses.max() - 1e-9
    eta = brentq(lambda e: effective_sample_size(weights(e)) - target, low, high)
    return weights(eta)


np.testing.assert_allclose(
    chi2(sample, 4.0), chi2_weights(sample, 4.0).weights, atol=1e-9
)

# %% [markdown]
# **Kullback-Leibler**: $\mathcal{Q}$ holds the weights with $\sum_i q_i \log (n q_i) \le \rho$.
# The worst ones are a softmax of the losses, $q_i \propto e^{\ell_i / \lambda}$, and the temperature $\lambda$ is the only unknown.


# %%
def kl(losses, radius):
    def weights(lam):
        q = np.exp((losses - losses.max()) / lam)
        return q / q.sum()

    def divergence(lam):
        return rel_entr(weights(lam), 1 / len(losses)).sum()

    return weights(brentq(lambda lam: divergence(lam) - radius, 1e-3, 1e3, xtol=1e-14))


np.testing.assert_allclose(kl(sample, 0.5), kl_weights(sample, 0.5).weights, atol=1e-9)

# %% [markdown]
# The package needs no bracket: it counts which losses lie above $\eta$ and has the rest in closed form, and it finds $\lambda$ by Newton's method.

# %%
show_source(cvar_weights, chi2_weights, kl_weights)

# %% [markdown]
# ## The certificate: weak duality
#
# How do you know that no other weights are worse?
# You need a bound that you can compute without searching through them; it is called a *dual*.
# For every number $t$, since $\ell_i \le t + (\ell_i - t)_+$ and no weight exceeds the cap,
#
# $$\sum_i q_i \ell_i \;\le\; t + \frac{1}{n (1 - \alpha)} \sum_i (\ell_i - t)_+ .$$
#
# The right-hand side does not know $q$, so it bounds *all* weights of the set; at the best $t$ the two sides meet.
# The other sets have such a bound, too, $\eta + \sqrt{1 + \rho}\, \big(\frac1n \sum_i (\ell_i - \eta)_+^2\big)^{1/2}$ and $\lambda \rho + \lambda \log \frac1n \sum_i e^{\ell_i / \lambda}$.
# Each function returns its weights' `value` and the dual's `bound`, and what lies between them is all that you have to trust.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
rng = np.random.default_rng(0)
gaps = []
for trial in range(300):
    x = rng.exponential(size=1 + trial % 40)
    x = np.minimum(x, 1.0) if trial % 3 == 0 else x
    for setting in (0.01, 0.3, 0.9):
        gaps += [w.bound - w.value for w in (cvar_weights(x, setting),)]
    for radius in (0.0, 0.01, 0.5, 3.0, 50.0):
        gaps += [
            w.bound - w.value for w in (chi2_weights(x, radius), kl_weights(x, radius))
        ]
claim(
    "Weights and dual meet: no other weights of the set could cost 0.000 000 001 more.",
    max(gaps) < 1e-9 and min(gaps) > -1e-9,
    over="300 random samples, some with ties at the maximum, in 13 settings each",
)

# %% [markdown]
# ## Mean plus standard deviations, while nobody's weight is negative
#
# As long as all losses lie above $\eta$, the chi-squared value is simply
#
# $$\bar\ell + \sqrt{\rho}\; s,$$
#
# the mean plus $\sqrt\rho$ standard deviations (with $n$, not $n - 1$, in the denominator).
# The smallest loss is the first whose weight reaches zero, and it does so when $\sqrt\rho\,(\bar\ell - \min \ell) = s$.

# %%
limit = (sample.std() / (sample.mean() - sample.min())) ** 2
rows = [
    [
        r / limit,
        sample.mean() + np.sqrt(r) * sample.std(),
        chi2_weights(sample, r).value,
    ]
    for r in limit * np.array([0.5, 1.0, 2.0, 5.0])
]
table(["radius / limit", "mean + √ρ s", "worst mean"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
shares = np.geomspace(1e-3, 10, 81)
form = sample.mean() + np.sqrt(shares * limit) * sample.std()
exact = np.array([chi2_weights(sample, r).value for r in shares * limit])
close = np.isclose(form, exact, rtol=1e-12, atol=0)
claim(
    "The variance form is exact up to √ρ = s / (mean − min), and too large beyond it.",
    bool((close == (shares <= 1 + 1e-9)).all() and (form >= exact - 1e-12).all()),
    over="81 radii from a thousandth to ten times the limit",
)

# %% [markdown]
# ## Real data: the group that nobody named
#
# What do such weights mean?
# Put equal weights on any $k$ of your $n$ samples and none on the others: these weights respect the cap with $n (1 - \alpha) = k$.
# So **CVaR bounds the mean loss of every group of at least that share of the sample**, including groups that nobody has thought of.
# Here are all 450 test images, and the digits as the groups that we did not tell it about.

# %%
share = np.bincount(data.y_test).min() / len(losses)
bound = cvar_weights(losses, 1 - share).value
means = [losses[data.y_test == digit].mean() for digit in range(10)]
rows = [
    ["mean of all", losses.mean()],
    [f"worst digit: {np.argmax(means)}", max(means)],
]
rows.append([f"worst {100 * share:.1f} % (CVaR)", bound])
table(["", "loss (nats)"], rows, digits=2)

# %% [markdown]
# The bound holds, but it lies well above the worst digit's loss, because the worst tenth of the images belong to no single digit.
# That is the price of not naming the groups; [the next lesson](group_robustness.ipynb) names them.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
smaller = [rng.choice(450, 43, replace=False) for _ in range(1000)]
claim(
    "No digit's mean loss, and no random group's of that size, exceeds the CVaR.",
    bool(max(means) < bound and max(losses[g].mean() for g in smaller) < bound),
    over="ten digits and 1000 random groups; any group of that share: the argument above",
)

# %% [markdown]
# ## Break it: the same radius, three different things
#
# The radius is a number without a unit that is easy to copy from one paper into another.
# Give 0.5 to all three.

# %%
rows = [
    [name, f(sample, 0.5).value, effective_sample_size(f(sample, 0.5).weights)]
    for name, f in (("CVaR", cvar_weights), ("chi2", chi2_weights), ("KL", kl_weights))
]
table(["set, at 0.5", "worst mean", "effective sample size"], rows, digits=1)

# %% [markdown]
# The radii cannot be compared, and who compares the three methods at one radius compares three amounts of caution.
# Match what they do to the sample instead, as the first figure did.
#
# There is also an end.
# If $m$ losses tie at the maximum, the divergence cannot exceed $\log(n/m)$ by putting more weight on them, so for a larger radius the equation for $\lambda$ has no root at all.
# A solver that looks for one runs off to zero; the right answer is that the largest losses share the weight.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
tied = np.minimum(sample, np.sort(sample)[-5])  # the five largest are one number
corner = np.log(100 / 5)
beyond = [kl_weights(tied, corner * f) for f in (1.0, 1.5, 100.0)]
before = kl_weights(tied, 0.9 * corner)
claim(
    "From ρ = log(n / m) on the m largest losses share all of the weight, and not before.",
    all((w.weights[tied == tied.max()] == 0.2).all() for w in beyond)
    and all(abs(w.value - tied.max()) < 1e-12 for w in beyond)
    and before.value < tied.max() - 1e-3,
    over="five tied losses of 100, at 0.9, 1, 1.5 and 100 times the corner",
)

# %% [markdown]
# ## Break it: weights cannot leave the sample
#
# The worst case bounds the true mean only if the truth is in the set.
# For the law that the sample was drawn from, a radius of $\rho = z^2 / n$ makes that likely, with $z = 1.645$ for $95\,\%$; half of it for the divergence.
# We drew 100 losses again and again from 450 of held-out digits, whose mean is then the truth.

# %%
evidence = recorded("safety/distributionally_robust_optimization")
covered = evidence.results["coverage"]
names = ["mean", "chi-squared", "KL", "normal"]
rows = [[n, 100 * min(covered[n]), 100 * max(covered[n])] for n in names]
table(["at least the truth, % of samples", "least", "most of 5 seeds"], rows, digits=0)

# %% [markdown]
# Three things to see.
# The plain mean is too small more often than not.
# The chi-squared value covers as often as *normal*, the textbook interval $\bar\ell + z s / \sqrt n$, because at such a small radius it *is* that interval, but for the $n - 1$ in its variance.
# And neither reaches the promised $95\,\%$: the losses have a long tail that a sample of 100 has often not seen.
# If that is the cause, cutting the tail off must bring the promise back.

# %%
rng = np.random.default_rng(0)
rows = []
for kept in (1.0, 0.8, 0.5):
    law = np.minimum(losses, np.quantile(losses, kept))
    drawn = rng.choice(law, size=(2000, 100))
    upper = drawn.mean(axis=1) + 1.645 * drawn.std(axis=1) / np.sqrt(100)
    rows.append([f"{100 * kept:.0f} %", 100 * np.mean(upper >= law.mean())])
table(["losses capped at the quantile", "covered, %"], rows, digits=0)

# %% [markdown]
# It does.
#
# Now let the users differ: they send the same images with black and white exchanged.

# %%
inverted = losses_on(1 - data.X_test, data.y_test)
rows = [["mean, as trained", losses.mean()], ["largest, as trained", losses.max()]]
table(["", "loss (nats)"], [*rows, ["mean, inverted", inverted.mean()]], digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
limits = [f(losses, 1e6).value for f in (chi2_weights, kl_weights)]
limits.append(cvar_weights(losses, 1 - 1e-9).value)
claim(
    "No radius of any of the three sets reaches the mean loss of the inverted images.",
    bool(
        np.allclose(limits, losses.max(), rtol=1e-12, atol=0)
        and max(limits) < inverted.mean()
        and max(covered["inverted"]) == 0
    ),
    over="all 450 images here; 5 seeds of 2000 samples, recorded",
)

# %% [markdown]
# ## Wasserstein: let the points move
#
# If weights cannot leave the sample, move its points.
# A Wasserstein ball of radius $\epsilon$ holds every distribution that you get by moving features by at most $\epsilon$ *on average*; here the labels stay.
# Take a logistic regression with coefficients $w$.
# Against $w$ a point far on the wrong side loses $\|w\|$ more per unit of distance, so move a tiny share $\delta$ of the mass by $\epsilon / \delta$: the move costs $\epsilon$, and the mean loss grows by $\epsilon \|w\|$ in the limit.
# Nothing can do better, because nowhere is the loss steeper.
# With $s_i = \pm 1$ for the two classes and the intercept $b$ the worst case is therefore
#
# $$\frac1n \sum_i \log\!\big(1 + e^{-s_i (w \cdot x_i + b)}\big) + \epsilon\, \|w\|_2 ,$$
#
# and the robust fit minimises it {cite}`shafieezadeh2015`.


# %%
def worst_loss(w, b, X, y, epsilon):
    margins = (2 * y - 1) * (X @ w + b)
    return np.logaddexp(0, -margins).mean() + epsilon * np.linalg.norm(w)


cancer = load_breast_cancer()
X = (cancer.data - cancer.data.mean(axis=0)) / cancer.data.std(axis=0)
fit = wasserstein_logistic(X, cancer.target, radius=0.1)
here = worst_loss(fit.coefficients, fit.intercept, X, cancer.target, 0.1)
np.testing.assert_allclose(here, fit.value)

# %% [markdown]
# The data are measurements of 569 breast tumours, each standardised.
# A larger radius shrinks the coefficients until none is worth its norm.

# %%
rows = []
for radius in (0.01, 0.1, 0.5, 2.0):
    fit = wasserstein_logistic(X, cancer.target, radius)
    size = np.linalg.norm(fit.coefficients)
    rows.append([radius, size, fit.value - radius * size, fit.value])
table(["radius", "norm of w", "mean loss", "worst mean loss"], rows, digits=2)

# %% [markdown]
# Do not compare the last column with the weights' values above: this adversary moves points, and $\epsilon$ has the unit of the features.
#
# ## Break it: features that cannot leave a box
#
# The argument sends a share of the mass as far as it likes.
# Pixels cannot follow: they stay between 0 and 1.
# Then the norm is only an upper bound.
# On one feature you can compute the truth from a dual, too: $\mu$ is the price of a unit of movement, and at that price each point stays or goes to an end of the box:
#
# $$\min_{\mu \ge 0} \; \mu\, \epsilon + \frac1n \sum_i \max_{x \in \{x_i, 0, 1\}} \big( \ell_i(x) - \mu\, |x - x_i| \big).$$

# %%
x, s = np.array([0.1, 0.3, 0.6, 0.9]), np.array([-1, -1, 1, 1])
w, b, epsilon = 8, -4, 0.3


def loss(at):
    return np.logaddexp(0, -s * (w * at + b))


def dual(price, ends=(0, 1)):
    goals = [x, *(np.full(4, end) for end in ends)]
    worth = [loss(goal) - price * abs(goal - x) for goal in goals]
    return price * epsilon + np.max(worth, axis=0).mean()


in_box = min(dual(price) for price in np.linspace(0, w, 801))
norm_form = loss(x).mean() + epsilon * w
table(
    ["worst mean loss", "nats"], [["norm", norm_form], ["in the box", in_box]], digits=2
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
far = min(dual(price, (-1e4, 1e4)) for price in np.linspace(0, w, 801))
claim(
    "In the box the worst case stays below the norm; with walls ten thousand units away "
    "the two agree.",
    bool(in_box < 0.8 * norm_form and abs(far - norm_form) < 1e-3),
    over="this sample; the same program with and without its box",
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "A radius of 0.5 is a radius of 0.5."
# > **Radii of different sets cannot be compared.** Match the effective sample size, or what the set must contain.
# >
# > "Distributionally robust means safe against a shift of the distribution."
# > **Weights cannot leave the sample.** A kind of input that it does not contain is covered at no radius.
# >
# > "The robust loss is the mean plus standard deviations."
# > **That is exact only while no weight would turn negative.** Beyond it the formula is too large, in the end larger than the largest loss.
# >
# > "Wasserstein robustness is ridge regression."
# > **The penalty is the norm, not its square, and it is exact only for features without bounds.** In a box it is too large.
#
# **Strengths**: exact, quick, with a certificate; CVaR covers every group of a share at once, named or not.
#
# **Limits**: the radius is yours to justify, the value says nothing of inputs outside the set, and a large radius leaves so few effective samples that the worst case is that of a few images, mislabelled ones first.
#
# **Who is harmed when it fails**: people who resemble nobody in the sample, such as the patients of a clinic whose scanner shows everything brighter, while the report says "robust".
#
# **In production** take cvxpy for any other convex set, and scikit-learn or statsmodels for the plain fits.

# %% [markdown]
# ## Check yourself
#
# **1.** The mean loss of a speech recogniser over 2000 test recordings is small, and the CVaR at the level 0.9 is 2 nats. Speakers of one dialect made at least a tenth of the recordings, and nobody has marked them. What do you know about their mean loss in this test?
#
# <details><summary>Nothing, until somebody marks their recordings.</summary>
#
# **Not so.** No group has to be marked for it: in `smaller` stood a thousand groups that nobody had chosen, and none of them exceeded the CVaR.
#
# </details>
#
# <details><summary>It is about 2 nats, because they are the worst tenth.</summary>
#
# **Not so.** The worst tenth need not be one group: `bound` came out far above the mean loss of the worst digit.
#
# </details>
#
# <details><summary>It is at most 2 nats, whichever recordings are theirs.</summary>
#
# **Right.** Equal weights on their recordings and none on the others keep the cap of CVaR, so their mean is one of those among which it is the largest.
#
# </details>
#
# **2.** None of the 2000 recordings was made in a car, and the mean loss in cars is larger than the largest loss of the test. You raise the radius of the chi-squared set until the worst case covers drivers. From which radius on does it?
#
# <details><summary>From a large one, because then the worst case exceeds every loss seen.</summary>
#
# **Not so.** The radii in `limits` are as good as endless, and what came out is the largest loss of the sample and no more.
#
# </details>
#
# <details><summary>From none, because it only weighs the recordings that exist.</summary>
#
# **Right.** A mean with weights lies between the smallest and the largest loss of the sample, whatever the weights are.
#
# </details>
#
# <details><summary>From none, but the Kullback-Leibler set would reach them.</summary>
#
# **Not so.** Its value stands in `limits` as well: it also ends at the largest loss, far below the mean of `inverted`.
#
# </details>
#
# **3.** For a certain radius the mean plus $\sqrt\rho$ standard deviations is larger than the largest loss of the sample. What is the worst mean of the chi-squared set?
#
# <details><summary>Less than that, because no mixture exceeds the largest loss.</summary>
#
# **Right.** The formula would need negative weights for small losses. They stop at zero, and the adversary gets less than it says.
#
# </details>
#
# <details><summary>Just that, because the set is defined by the variance.</summary>
#
# **Not so.** It is so only while no weight is negative: in `close` the two agree up to a limit, and from there on they do not.
#
# </details>
#
# <details><summary>More than that, because the formula leaves out the tail.</summary>
#
# **Not so.** It errs on the other side: in the comparison of `form` with `exact` it was never too small and beyond the limit too large.
#
# </details>

# %% [markdown]
# ## Exercise 1: the same caution
#
# *Easy, 10 minutes.*
# You have `n` losses, and you want an effective sample size of `size`, a whole number.
# Return the level of CVaR at which exactly `size` losses share the weight, and the chi-squared radius of that size.
#
# Hint: CVaR's cap is $1 / (n (1 - \alpha))$; the chi-squared set is $n_{\text{eff}} \ge n / (1 + \rho)$.


# %% tags=["exercise"]
def settings(n, size):
    """The level of CVaR and the radius of chi-squared, a pair."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_settings(attempt):
    mistakes = {
        "That level is the share that keeps its weight; the level is the share that "
        "loses it.": [0.2, 4.0],
        "The radius is one too large: equal weights have n = size and radius 0.": [
            0.8,
            5.0,
        ],
        "The radius is upside down: fewer samples want a larger one.": [0.8, -0.8],
    }
    check_answer(attempt(100, 20), [0.8, 4.0], mistakes)


check_settings(settings)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def settings_solution(n, size):
    return 1 - size / n, n / size - 1


check_settings(settings_solution)
# Why: a cap of 1 / size lets exactly `size` losses share the weight, and n (1 - level) is
# that size. For chi-squared the size is n / (1 + radius), solved for the radius.

# %% [markdown]
# ## Exercise 2: how far the variance form holds
#
# *Medium, 15 minutes.*
# Return the largest chi-squared radius at which the worst mean of `losses` is still the mean plus $\sqrt\rho$ standard deviations.
#
# Hint: the weight of a loss is $\frac1n \big(1 + \sqrt\rho\,(\ell_i - \bar\ell) / s\big)$ as long as none is negative; ask when the first reaches zero.


# %% tags=["exercise"]
def largest_radius(losses):
    """The largest radius at which the variance form is exact; `losses` is an array."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_largest_radius(attempt):
    x = np.array([1.0, 2.0, 2.5, 7.0])
    s, low, high = x.std(), x.mean() - x.min(), x.max() - x.mean()
    mistakes = {
        "You found the root of the radius; square it.": s / low,
        "The largest loss gains weight; the smallest is the one that runs out.": (
            s / high
        )
        ** 2,
        "Divide by n, not by n - 1, in the variance.": (x.std(ddof=1) / low) ** 2,
        "That is upside down: a larger spread leaves more room.": (low / s) ** 2,
    }
    check_answer(attempt(x), (s / low) ** 2, mistakes)


check_largest_radius(largest_radius)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def largest_radius_solution(losses):
    return (losses.std() / (losses.mean() - losses.min())) ** 2


check_largest_radius(largest_radius_solution)
# Why: the smallest loss has the smallest weight, and it is zero where the root of the
# radius is s / (mean - min). Beyond that the formula would need a negative weight.

# %% [markdown]
# ## Exercise 3: where the divergence ends
#
# *Medium, 10 minutes.*
# Return the smallest Kullback-Leibler radius from which the worst mean of `losses` is the largest loss.
#
# Hint: when $m$ of $n$ losses tie at the maximum and share the weight, each has $q_i = 1/m$; put that into $\sum_i q_i \log(n q_i)$.


# %% tags=["exercise"]
def last_radius(losses):
    """The radius from which on the largest losses have all of the weight."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_last_radius(attempt):
    x = np.array([1.0, 4.0, 2.0, 4.0, 3.0, 0.0])
    mistakes = {
        "Two losses tie at the maximum, and they share the weight.": np.log(6),
        "That is the chi-squared distance of these weights.": 6 / 2 - 1,
        "Each of the m terms has a weight of 1/m in front: they sum to one.": 2
        * np.log(3),
    }
    check_answer(attempt(x), np.log(3), mistakes)


check_last_radius(last_radius)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def last_radius_solution(losses):
    return np.log(len(losses) / (losses == losses.max()).sum())


check_last_radius(last_radius_solution)
# Why: m weights of 1/m have the divergence log(n/m), and any others on the tied losses
# have more. So with that much radius the adversary has all it wants, and more is unused.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
rows = evidence.results["speed"]
fits = {r["peer"]: r["ratio"] for r in rows if r["name"].startswith("robust")}
by = {
    n: [r["ratio"] for r in rows if r["name"].endswith(f" {n} losses")]
    for n in (20, 1000)
}
differs = max(r["value"] for r in evidence.results["agreement"]["rows"])
Markdown(
    "The book's code is less able: it knows three sets around equal weights and one norm, "
    "where cvxpy takes any convex set. On these three it is at least "
    f"{int(min(by[20]))} times as quick as the generic solvers for 20 losses and "
    f"{int(min(by[1000]))} times for 1000, its robust regression is {fits['cvxpy, Clarabel']:.0f} "
    f"times as quick, and all agree with cvxpy to {differs:.0e}."
)

# %% tags=["hide-output"]
table(
    ["work", "compared with", "its time / ours"],
    [[r["name"], r["peer"], r["ratio"]] for r in rows],
    digits=2,
)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Robust Optimization**: Optimizing AI systems to be robust to uncertainties and perturbations.
#
# Here the uncertainty is how the users are mixed, or where they have moved.
# The source has no code for it.
#
# ## References
#
# The worst distribution with a given mean and variance, in an inventory: {cite:t}`scarf1958`.
# CVaR and its dual: {cite:t}`rockafellar2000`, with atoms {cite:t}`rockafellar2002`.
# Chi-squared and variance: {cite:t}`duchi2019`; Kullback-Leibler: {cite:t}`hu2013`.
# Wasserstein: {cite:t}`shafieezadeh2015`.
# Effective sample size: {cite:t}`kish1965`.
# What happened: {cite:t}`buolamwini2018`.
