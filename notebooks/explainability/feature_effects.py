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
# # Feature effects
#
# Partial dependence (PDP), individual conditional expectation (ICE) and accumulated local effects (ALE): curves that show how a model's answer moves with one feature.
#
# COMPAS is a secret score of how likely somebody is to offend again, used in the criminal justice system of the United States, and a well-known analysis that found it to depend on race had assumed in which shape it depends on age.
# A later reconstruction saw another curve, and once that curve was subtracted the score no longer necessarily depended on race other than through age and criminal history {cite}`rudin2020`.
#
# **How does a model's answer move with one feature, when the features move together?**
#
# You need such curves whenever you must say in which direction, and in what shape, a model uses age, income or dose, and you need to know which of them are about people who exist.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | draw and read the three curves, say which question each of them answers, and recognise when one of them speaks of inputs that nobody will ever see |
# | You need | NumPy, Matplotlib, scikit-learn; mean, correlation, quantiles, R², and that boosted trees are a sum of decision trees |
# | Time | 25 minutes to read, 35 for the exercises |
# | Code | `companion.explainability.feature_effects` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from companion.explainability.feature_effects import (
    accumulated_local_effects,
    partial_dependence,
)
from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Here is a model whose truth is known: boosted trees that learnt $y = x_1 x_2$ from a thousand rows, so well that on fresh rows little is left unexplained.
# Both features have mean 0, and their correlation is 0.95.
#
# Set $x_1$ to the same value in all rows and take the mean prediction.
# For the true product that mean is $x_1$ times the mean of $x_2$, so it is 0 for every value: a flat line.
#
# **Guess before you look**: how flat is the line of the model?


# %% mystnb={"figure": {"caption": "The effect of the first feature on boosted trees that learnt the product of two features with correlation 0.95. Left: partial dependence, in pale lines the individual curves of 60 rows, dashed what the partial dependence of the product itself is. Right: accumulated local effects in 20 bins, dashed what they are for the product itself.", "name": "fig-feature-effects"}, "image": {"alt": "Two panels, the score against the first feature from minus 2 to 2. Left, sixty pale curves bend upwards at both ends, and their mean, thick, is a bowl from 2 down to nearly 0 and up to 2, while the dashed line is flat at 0. Right, the accumulated local effects lie close to the dashed parabola."}} tags=["hide-input"]
def correlated(rho, rng, rows=1000):
    """Two standard normal features with this correlation."""
    X = rng.normal(size=(rows, 2))
    X[:, 1] = rho * X[:, 0] + np.sqrt(1 - rho**2) * X[:, 1]
    return X


def product(X):
    return X[:, 0] * X[:, 1]


rho, rng = 0.95, np.random.default_rng(0)
X = correlated(rho, rng)
trees = GradientBoostingRegressor(
    n_estimators=200, max_depth=4, subsample=0.5, random_state=0
)
trees.fit(X, product(X) + 0.1 * rng.normal(size=1000))
grid = np.linspace(-2, 2, 41)
partial = partial_dependence(trees.predict, X, 0, grid=grid)
local = accumulated_local_effects(trees.predict, X, 0, bins=20)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
left.plot(grid, partial.individual[:60].T, color=COLOURS["sky"], lw=0.7, alpha=0.5)
left.plot(grid, partial.curve, color=COLOURS["red"], label="partial dependence")
left.plot(grid, 0 * grid, "--", color="black", label="of the product")
left.set(
    xlabel="first feature", ylabel="score", ylim=(-1.2, 5), title="Everybody moves to x"
)
right.plot(local.grid, local.curve, color=COLOURS["blue"], label="accumulated effects")
right.plot(grid, rho * (grid**2 - 1) / 2, "--", color="black", label="of the product")
right.set(xlabel="first feature", xlim=(-2.1, 2.1), title="Each row moves a little")
for ax in (left, right):
    ax.legend(loc="upper center")
plt.show()

# %% [markdown]
# The thick line on the left is a bowl, and that is no accident: to average at $x_1 = 2$ you ask the trees about rows with $x_1 = 2$ and $x_2 = -2$, which no training row resembles, so they answer with whatever was nearest.
# The line on the right comes from questions about rows that are at most a bin away from real ones, and it lies close to where it should.
# But you can see as well that the two dashed lines differ: these are two *questions*, and you need to know which one you are asking.

# %% [markdown]
# ## The idea on five rows
#
# Let five rows have $x_1 = x_2 = 0, 1, 2, 3, 4$, and let the model be the product $f(x) = x_1 x_2$.
#
# **Partial dependence** sets $x_1$ to $z$ in all rows and leaves $x_2$ alone.
# The mean of $0z, 1z, 2z, 3z, 4z$ is $2z$, a straight line, to which the rows $(4, 0)$ and $(0, 4)$ contribute although they do not occur.
#
# **Accumulated local effects** let each row move only within its own bin.
# With the edges $0, 1, 2, 3, 4$, the rows 0 and 1 lie in the first bin; moving them from $x_1 = 0$ to $x_1 = 1$ changes the product by $0$ and by $1$, half a unit on average.
# The row 2 moves from 1 to 2 and gains 2, the next gains 3, the last 4, and the sums $0, 0.5, 2.5, 5.5, 9.5$ are the curve.

# %%
five = np.repeat(np.arange(5.0)[:, None], 2, axis=1)
dependence = partial_dependence(product, five, 0, grid=np.arange(5.0))
effects = accumulated_local_effects(product, five, 0, bins=5)
rows = zip(effects.grid, dependence.curve, effects.curve - effects.curve[0])
table(["x1", "partial dependence", "accumulated from 0"], rows, digits=1)

# %% [markdown]
# Along the rows that exist the product grows like $z^2$, slowly first and quickly later, and the second curve shows the first factor's part in that.
# Partial dependence shows a straight line, because it supposes that $x_2$ would stay at its mean whatever $x_1$ is.
#
# ## The equations: PDP, ICE and ALE
#
# Let $x_i^{j \to z}$ be row $i$ with feature $j$ set to $z$.
# The scores of one row as $z$ moves are its **individual conditional expectation**, and partial dependence is the mean of these curves over the rows:
#
# $$\mathrm{PD}_j(z) = \frac{1}{n} \sum_{i=1}^n f(x_i^{j \to z}).$$
#
# For the accumulated effects cut the feature's range at edges $z_0 < z_1 < \dots < z_K$, and let $n_l$ rows lie between $z_{l-1}$ and $z_l$.
# Then
#
# $$\begin{gathered}
# \mathrm{ALE}_j(z_k) = \sum_{l=1}^{k} \frac{1}{n_l} \sum_{z_{l-1} < x_{ij} \le z_l} \Delta_{il} - c, \\
# \Delta_{il} = f(x_i^{j \to z_l}) - f(x_i^{j \to z_{l-1}}),
# \end{gathered}$$
#
# where the constant $c$ moves the curve to mean 0 over the rows.
# Both are a few lines of code.


# %%
def dependence_of(f, X, j, grid):
    curve = []
    for z in grid:
        moved = X.copy()
        moved[:, j] = z
        curve.append(f(moved).mean())
    return np.array(curve)


curve = dependence_of(trees.predict, X, 0, grid)
np.testing.assert_allclose(curve, partial.curve, rtol=0, atol=1e-10)
np.testing.assert_allclose(curve, partial.individual.mean(axis=0), rtol=0, atol=1e-10)


# %%
def effects_of(f, X, j, edges):
    steps = []
    for k in range(1, len(edges)):
        low, high = edges[k - 1], edges[k]
        inside = (X[:, j] <= high) & ((X[:, j] > low) | (low == edges[0]))
        down, up = X[inside], X[inside]
        down[:, j], up[:, j] = low, high
        steps.append((f(up) - f(down)).mean())
    return np.concatenate([[0], np.cumsum(steps)])


curve = effects_of(trees.predict, X, 0, local.grid)
np.testing.assert_allclose(curve, local.curve - local.curve[0], rtol=0, atol=1e-10)

# %% [markdown]
# The package's functions ask the model about all rows and points at once, take quantiles as edges so that every bin holds equally many rows, and refuse a feature that has fewer than five different values, because there a curve would be drawn through nothing.

# %%
show_source(partial_dependence, accumulated_local_effects)

# %% [markdown]
# For a model that is a sum of curves, one for each feature, as on the page on [additive models](additive_models.ipynb), both return just that curve, because nothing else changes when the feature does.
# For a linear model it is a line, and its slope is the coefficient, correlation or not.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
A, y = load_diabetes(return_X_y=True)
linear = LinearRegression().fit(A, y)
slopes = []
for j in (0, *range(2, 10)):
    found = accumulated_local_effects(linear.predict, A, j)
    slopes.append(np.diff(found.curve) / np.diff(found.grid) / linear.coef_[j] - 1)
claim(
    "The accumulated effect of a linear model is a line whose slope is the coefficient.",
    bool(max(np.abs(s).max() for s in slopes) < 1e-6),
    over="any linear model: the others cancel in each difference; nine columns of the "
    "diabetes data, every bin",
)

# %% [markdown]
# ## Correlation, swept, with the truth known
#
# One picture at one correlation could be luck, so the table holds the same experiment at six correlations, ten seeds each.
# *Missed by* is the root of the mean squared distance of a curve from its own truth, both shifted to mean 0.
# That truth is 0 for partial dependence, and $\rho\,(z^2 - 1)/2$ for accumulated effects, because the mean of $x_2$ given $x_1 = z$ is $\rho z$, which accumulates to that parabola.
#
# The last two columns are controls, both asked about the same rows.
# One belongs to trees that *learnt apart*, from as many rows without correlation, so that they have seen the whole plane; the other is the *product itself*, which is right everywhere.

# %%
evidence = recorded("explainability/feature_effects")
sweep = {
    float(key): {name: np.array(v) for name, v in value.items()}
    for key, value in evidence.results["correlation"].items()
    if isinstance(value, dict)
}
names = (
    "boosting, partial dependence",
    "boosting, ALE",
    "apart, partial dependence",
    "product, partial dependence",
)
rows = [[f"{rho}", *(sweep[rho][name].mean() for name in names)] for rho in sweep]
table(
    ["correlation", "PDP missed by", "ALE missed by", "PDP, learnt apart", "product"],
    rows,
    digits=3,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
strong, network = [sweep[rho] for rho in (0.9, 0.95, 0.99)], sweep[0.95]
claim(
    "With a correlation of 0.9 or more the partial dependence of the trees misses its "
    "truth by more than three times as much as the accumulated effects miss theirs, and "
    "at 0.95 that of a network does, too.",
    bool(
        all((s[names[0]] > 3 * s[names[1]]).all() for s in strong)
        and (network["network, partial dependence"] > 3 * network["network, ALE"]).all()
    ),
    over="3 correlations x 10 seeds, 5 seeds of the network, recorded",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
fits = min(s["r2 on fresh rows"].min() for s in sweep.values())
claim(
    "The cause is that the trees never saw such rows: those that learnt apart miss by "
    "less than 0.15 at any correlation, as the product itself does, and on fresh rows "
    "like their own the first ones are right throughout (R² above 0.9).",
    bool(
        max(s[name].max() for s in sweep.values() for name in names[2:]) < 0.15
        and fits > 0.9
    ),
    over="6 correlations x 10 seeds, recorded",
)

# %% [markdown]
# So a good score on fresh rows does not protect you: fresh rows come from where the data are, and partial dependence asks elsewhere.
#
# ## Real data: body mass and diabetes
#
# Boosted trees predict how far diabetes has progressed a year later, from ten measurements of 442 patients.
# What does body mass do to their answer?

# %% mystnb={"figure": {"caption": "Boosted trees on the diabetes data: the effect of body mass. Pale lines: individual curves of 60 patients; both curves are shifted to mean 0 over the patients.", "name": "fig-effects-diabetes"}, "image": {"alt": "The predicted progression against body mass in the data's units. Partial dependence and accumulated local effects both rise, the pale individual curves with them, at different heights."}} tags=["hide-input"]
model = GradientBoostingRegressor(
    n_estimators=200, max_depth=4, subsample=0.5, random_state=0
).fit(A, y)
points = np.quantile(A[:, 2], np.linspace(0.02, 0.98, 40))
mass = partial_dependence(model.predict, A, 2, grid=points)
steps = accumulated_local_effects(model.predict, A, 2, bins=20)
level = np.interp(A[:, 2], points, mass.curve).mean()
fig, ax = plt.subplots(figsize=(7, 3.6))
ax.plot(points, mass.individual[:60].T - level, color=COLOURS["sky"], lw=0.6, alpha=0.5)
ax.plot(points, mass.curve - level, color=COLOURS["red"], label="partial dependence")
ax.plot(steps.grid, steps.curve, color=COLOURS["blue"], label="accumulated effects")
ax.set(xlabel="body mass index (centred, scaled)", ylabel="effect on the prediction")
ax.set_xlim(points[0], points[-1])
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# Both rise, and they agree well here, where no other column's correlation with body mass reaches one half.
# How sure are you of such a curve?
# Fit the trees again on **bootstraps**, which are draws of as many patients with replacement, and look at how far each curve rises from the 10 % quantile of a feature to the 90 % quantile.

# %%
rises = {
    f"{feature}, {kind}": np.array(values)
    for feature in ("bmi", "s1")
    for kind, values in evidence.results["diabetes"][feature].items()
}
rows = [[name, v.mean(), v.min(), v.max()] for name, v in rises.items()]
table(["rise over ten bootstraps", "mean", "least", "most"], rows, digits=0)

# %% [markdown]
# Body mass raises the prediction in every draw.
# For total cholesterol (`s1`), which is closely tied to its own parts in other columns, the fits do not even agree on how much there is to see: a curve describes one fitted model, and a single one hides that.
#
# ## Break it: the number of bins
#
# Accumulated effects have a knob.
# With a single bin, each row moves from one end of the data to the other, and you are back among rows that do not exist; with a bin for every other row, each step is a mean over two rows and the noise adds up.

# %%
bins = {
    int(k): np.array(v)
    for k, v in evidence.results["bins"].items()
    if isinstance(v, list)
}
rows = [[str(k), v.mean(), v.min(), v.max()] for k, v in bins.items()]
table(["bins (1000 rows)", "ALE missed by", "least", "most"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "With one bin the accumulated effects miss their truth by more than three times "
    "as much as with twenty.",
    bool((bins[1] > 3 * bins[20]).all()),
    over="correlation 0.95, 10 seeds, recorded",
)

# %% [markdown]
# ## Break it: an interaction that no mean can show
#
# Take the product again, with independent features this time.
# Half of the rows go up with $x_1$ and half go down, so every mean is flat, and the accumulated one is a mean, too.

# %%
Z = correlated(0.0, np.random.default_rng(1))
flat = partial_dependence(product, Z, 0, grid=[-2, 2])
ends = accumulated_local_effects(product, Z, 0, bins=20)
each = flat.individual[:, 1] - flat.individual[:, 0]
rows = [
    ["partial dependence", flat.curve[1] - flat.curve[0]],
    ["accumulated effects", np.diff(np.interp([-2, 2], ends.grid, ends.curve))[0]],
    ["individual curves, mean size", np.abs(each).mean()],
]
table(["change from -2 to 2", "score"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
changes = []
for seed in range(10):
    Z = correlated(0.0, np.random.default_rng(seed))
    one = partial_dependence(product, Z, 0, grid=[-2, 2])
    two = accumulated_local_effects(product, Z, 0, bins=20)
    changes.append(
        [
            abs(one.curve[1] - one.curve[0]),
            abs(np.diff(np.interp([-2, 2], two.grid, two.curve))[0]),
            np.abs(one.individual[:, 1] - one.individual[:, 0]).mean(),
        ]
    )
changes = np.array(changes)
claim(
    "Neither mean curve shows the interaction: the individual curves change at least "
    "five times as much as either of them.",
    bool((changes[:, 2:] > 5 * changes[:, :2]).all()),
    over="10 draws of 1000 rows",
)

# %% [markdown]
# Draw the individual curves, then; where they are not parallel, some other feature decides what this one does {cite}`goldstein2015`.

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "Accumulated local effects are the corrected partial dependence."
# > **They answer another question.** Partial dependence keeps the other features as they are and moves everybody; accumulated effects follow the rows that exist. Where features interact and move together, both can be right and differ.
# >
# > "The curve is flat, so the model ignores the feature."
# > **A mean can be flat while every row moves.** Look at the individual curves.
# >
# > "My model is right on fresh rows, so its curves are right."
# > **Partial dependence asks about rows that are not among them.** With strongly correlated features it shows what the model makes up there.
# >
# > "The mean prediction of the people with this value is the effect of the value."
# > **That mean also moves with everything that is correlated with it.** Exercise 3 shows by how much.
#
# **Strengths**: they work for any model, in the units of its score, and everybody can read a curve.
#
# **Limits**: one feature at a time; a mean over rows; about the model and not about the world, so that the curve of a medicine is not what the medicine does.
#
# **Who is harmed when it fails**: the defendant whose score is defended with a curve of age that was drawn through people who do not exist; and the patient whose doctor reads "more of it is harmless" from a flat mean, when for half of the patients it is not.
#
# **In production** take scikit-learn's `PartialDependenceDisplay`, whose `kind="both"` draws the individual curves, and `PyALE` or `alibi` for accumulated effects.

# %% [markdown]
# ## Check yourself
#
# **1.** A model of rents is right on fresh flats. Its partial dependence on the number of rooms falls from eight rooms on, where all flats of the sample, the smallest included, are given that many rooms. May you report the fall?
#
# <details><summary>Yes, because a model that is right on fresh flats has right curves.</summary>
#
# **Not so.** In `sweep` the trees are right on fresh rows at each correlation, and where it is strong their partial dependence is far off.
#
# </details>
#
# <details><summary>Yes, because in a mean over all flats such oddities even out.</summary>
#
# **Not so.** `partial` is a mean over a thousand rows, and it is a bowl where the truth is flat.
#
# </details>
#
# <details><summary>Not as it stands, because it asks about flats that nobody has seen.</summary>
#
# **Right.** Tiny flats with eight rooms are not among the fresh ones, so no test says what the model makes up for them.
#
# </details>
#
# **2.** For a drug both mean curves, partial dependence and accumulated effects, hardly move with the dose. What may you tell the doctor?
#
# <details><summary>That the dose matters to nobody, because two methods agree.</summary>
#
# **Not so.** `flat` and `ends` hardly move either, and the mean size of `each`, the change of single rows, is many times as large.
#
# </details>
#
# <details><summary>That large effects may cancel; look at the individual curves.</summary>
#
# **Right.** Both curves are means, and a mean can be flat while some patients go up and others go down.
#
# </details>
#
# <details><summary>That it matters little to most, because large effects would show.</summary>
#
# **Not so.** In the mean over all rows the size of `each` is large; only with its signs does next to nothing remain.
#
# </details>
#
# **3.** Fuel is the product of load and distance, and heavy lorries go far. For this product itself the partial dependence on the load is straight, and the accumulated effects bend upwards. Which of the two is wrong?
#
# <details><summary>Neither, because they answer two different questions.</summary>
#
# **Right.** One moves the load and leaves the distances as they are; the other follows the lorries that there are, which go farther as they get heavier.
#
# </details>
#
# <details><summary>The straight one, because it asks about lorries that do not exist.</summary>
#
# **Not so.** It harms a model that has not seen them, but partial dependence of the `product` itself hardly misses its truth in any row of `sweep`.
#
# </details>
#
# <details><summary>The bent one, because a product is straight in each factor.</summary>
#
# **Not so.** On the rows of `five` the accumulated `effects` of the product bend as well, and that is the first factor's part along the rows that exist.
#
# </details>

# %% [markdown]
# ## Exercise 1: two slopes
#
# *Easy, 10 minutes.*
# Let $f(x) = x_1 x_2$, let $x_2$ have mean $m$, and let its mean among the rows with $x_1 = z$ be $a + b z$.
# Return the slope at $z$ of the partial dependence on $x_1$, and that of the accumulated effects with very narrow bins.
#
# Hint: moving $x_1$ by a little changes a row's product by $x_2$ times that little; over which rows do you average?


# %% tags=["exercise"]
def two_slopes(m, a, b, z):
    """Slopes at z: of partial dependence, and of accumulated effects."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_two_slopes(attempt):
    m, a, b, z = 3.0, 1.0, 0.5, 2.5
    mistakes = {
        "You have exchanged them: partial dependence averages over all rows.": [
            a + b * z,
            m,
        ],
        "The accumulated effects average over the rows near z only.": [m, m],
        "That is the derivative of z (a + b z), which also counts how x2 changes along; "
        "a row's own x2 stays while x1 moves.": [m, a + 2 * b * z],
        "These are the curves' heights over z = 0; the slopes were asked.": [
            m * z,
            a * z + b * z**2 / 2,
        ],
    }
    check_answer(attempt(m, a, b, z), [m, a + b * z], mistakes)


check_two_slopes(two_slopes)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def two_slopes_solution(m, a, b, z):
    return [m, a + b * z]


check_two_slopes(two_slopes_solution)
# Why: both are a mean of x2, once over everybody and once over the rows near z. With
# b = 0 nothing moves along with x1, and the two questions have one answer.

# %% [markdown]
# ## Exercise 2: are the curves parallel?
#
# *Medium, 15 minutes.*
# You are given `individual`, an array of shape (rows, points) with the curve of each row.
# Return one number that is 0 exactly if all curves are parallel: shift each curve so that its *own* mean over the points is 0, take the standard deviation over the rows at each point, as `np.std` does, and return the largest.
#
# Hint: `keepdims=True` lets you subtract a mean from each row; `axis=0` runs over the rows.


# %% tags=["exercise"]
def not_parallel(individual):
    """Largest standard deviation, over the rows, of the centred curves."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_not_parallel(attempt):
    curves = partial.individual
    centred = curves - curves.mean(axis=1, keepdims=True)
    spread, along = centred.std(axis=0), centred.std(axis=1)
    from_first = curves - curves[:, :1]
    less_one = centred.std(axis=0, ddof=1)
    heights = curves.std(axis=0)
    mistakes = {
        "Rows at different heights are no interaction: centre them.": heights.max(),
        "That runs along each curve; compare the rows at each point.": along.max(),
        "The largest over the points was asked, not the mean.": spread.mean(),
        "Divide by the number of rows, not by one less.": less_one.max(),
        "Shift by a curve's mean, not its first point.": from_first.std(axis=0).max(),
    }
    check_answer(attempt(curves), spread.max(), mistakes)


check_not_parallel(not_parallel)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def not_parallel_solution(individual):
    centred = individual - individual.mean(axis=1, keepdims=True)
    return centred.std(axis=0).max()


check_not_parallel(not_parallel_solution)
# Why: in a sum of curves, one for each feature, the others only lift or lower a row's
# curve, and centring takes that away. What is left is what other features do to it.

# %% [markdown]
# ## Exercise 3: the mean of those who are there
#
# *Medium, 10 minutes.*
# Somebody plots the mean prediction of the rows with $x_1$ near $z$ against $z$ and calls it the effect of $x_1$.
# Let $f(x) = w_1 x_1 + w_2 x_2$ with $x_2 = c\, x_1$ plus noise of mean 0.
# Return three slopes: of partial dependence, of accumulated effects, and of that plot.
#
# Hint: among the rows near $z$ the mean of $x_2$ is $c z$.


# %% tags=["exercise"]
def three_slopes(w1, w2, c):
    """Slopes of partial dependence, accumulated effects, and mean prediction."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_three_slopes(attempt):
    w1, w2, c = 2.0, -3.0, 0.8
    mistakes = {
        "The plot also shows what x2 does, because x2 moves along.": [w1, w1, w1],
        "In the differences of the accumulated effects each row keeps its own x2.": [
            w1,
            w1 + w2 * c,
            w1 + w2 * c,
        ],
        "x2 moves by c for each unit of x1, not by one.": [w1, w1, w1 + w2],
    }
    check_answer(attempt(w1, w2, c), [w1, w1, w1 + w2 * c], mistakes)


check_three_slopes(three_slopes)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def three_slopes_solution(w1, w2, c):
    return [w1, w1, w1 + w2 * c]


check_three_slopes(three_slopes_solution)
# Why: here x1 raises the score, and the plot falls, because those with a larger x1 also
# have a larger x2. A difference within each row cannot make that mistake.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]
by_peer = {
    peer: [r["ratio"] for r in speed if r["peer"] == peer]
    for peer in ("scikit-learn, recursion", "scikit-learn, brute", "PyALE")
}
shortcut, brute, pyale = by_peer.values()
agreed = max(evidence.results["agreement"]["largest difference"].values())
Markdown(
    "For its own trees scikit-learn has a shortcut, *recursion*, which gives no single "
    "curves and weights by the training rows, and which takes "
    f"{shortcut[0]:.2f} of our time. The book's functions also draw nothing and know no "
    "sample weights, pairs of features or confidence bands. Asked about any function, by "
    f"*brute* force, scikit-learn takes {min(brute):.1f} to {max(brute):.1f} times as long, "
    f"and PyALE {min(pyale):.1f} to {max(pyale):.1f} times. On the same grid and edges "
    f"they agree to {max(agreed, 1e-15):.0e} of the scores. By itself PyALE puts its edges "
    "elsewhere, because it counts the quantiles over one row fewer."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in speed]
table(["work", "compared with", "its time / ours"], rows, digits=1)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# The source breaks off before it names a technique of its fourth section; its last words there are
#
# > Explainability is the ability of AI systems to provide clear and understandable explanations for their decisions and actions. To ensure
#
# This page belongs to [the book's own completion](../../book/explainability.md) of that section.
# What a model loses without a feature, rather than how it moves with it, is the subject of [Permutation importance](permutation_importance.ipynb).
#
# ## References
#
# Partial dependence: {cite:t}`friedman2001`; individual curves: {cite:t}`goldstein2015`; accumulated local effects: {cite:t}`apley2020`.
# Why asking about rows that do not exist misleads: {cite:t}`hooker2021`.
# What happened: {cite:t}`rudin2020`.
