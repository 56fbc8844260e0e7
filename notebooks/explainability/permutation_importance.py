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
# # Permutation importance
#
# Shuffle a column and measure how much worse the model gets: single features, groups of redundant features, and the exact mean over all shuffles.
#
# Amazon tried out a program that rated job applications, and it marked down CVs with the word "women's" in them, as Reuters reported in 2018 {cite}`dastin2018`.
# The engineers made it neutral to that word, but nothing guaranteed that it would not find other ways to sort people, and the project was given up.
#
# **If a model loses nothing when you break a column, has it stopped using what the column says?**
#
# You need the answer whenever somebody shows you a bar chart of feature importances and concludes that the short bars may go, or that a protected attribute plays no part.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | measure what a model loses with a column, recognise when redundant columns hide one another or blow one another up, and test for it |
# | You need | NumPy, Matplotlib, SciPy, scikit-learn; mean, variance and correlation, linear regression, and that a random forest is a vote of decision trees |
# | Time | 25 minutes to read, 35 for the exercises |
# | Code | `companion.explainability.permutation_importance` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import itertools

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

from companion.datasets import breast_cancer
from companion.explainability.permutation_importance import (
    exact_permutation_importance,
    permutation_importance,
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
# A random forest tells malignant tumours from benign ones by 30 measurements of their cells, and it is right for nearly all tumours that it has not seen.
# Now shuffle one measurement among the patients, so that each patient gets somebody else's value, and ask the forest again.
#
# **Guess before you look**: how many of 100 answers does the forest lose with its most important measurement?

# %% mystnb={"figure": {"caption": "What a random forest on the breast cancer data loses on held-out tumours, mean of ten shuffles, against how many measurements are shuffled together. Grey: each of the 30 by itself. Blue: five random groups of each size. Red: clusters of measurements that say nearly the same, found on the training rows.", "name": "fig-permutation-importance"}, "image": {"alt": "Dots; answers lost of 100 against the number of columns shuffled together. Grey dots at one column lie within about one of zero. Blue dots stay low up to about ten columns and then climb to 40 at thirty. One red diamond, a cluster of six columns, stands at 23, far above nearly all blue dots of that size; the other red ones are low."}} tags=["hide-input"]
data = breast_cancer()
forest = RandomForestClassifier(100, random_state=0).fit(data.X_train, data.y_train)


def f(X):
    return forest.predict_proba(X)[:, 1]


def wrong(y, scores):
    return (scores > 0.5) != y


def lost(groups=None):
    """Answers lost of 100, mean of ten shuffles of the held-out tumours."""
    rises = permutation_importance(
        f,
        data.X_test,
        data.y_test,
        wrong,
        repeats=10,
        rng=np.random.default_rng(0),
        groups=groups,
    )
    return 100 * rises.mean(axis=1)


likeness = np.abs(spearmanr(data.X_train).statistic)
tree = linkage(squareform(1 - likeness, checks=False), "average")
label = fcluster(tree, 0.3, "distance")
clusters = [np.flatnonzero(label == c) for c in np.unique(label)]
rng = np.random.default_rng(1)
sizes = np.repeat(np.arange(2, 31, 2), 5)
drawn = [rng.permutation(30)[:size] for size in sizes]
alone, together, by_chance = lost(), lost(clusters), lost(drawn)
fig, ax = plt.subplots(figsize=(7, 3.8))
ax.plot(sizes, by_chance, "o", color=COLOURS["sky"], label="random groups")
ax.plot(
    [len(c) for c in clusters], together, "D", color=COLOURS["red"], label="clusters"
)
ax.plot(np.ones(30), alone, "o", color=COLOURS["grey"], label="each by itself")
ax.set(xlabel="columns shuffled together", ylabel="answers lost of 100")
ax.set_title("One column at a time, little is missed")
ax.legend()
plt.show()

# %% [markdown]
# Next to nothing: whichever column you break, say the grey dots, the forest answers nearly as before.
# But the highest red diamond is six columns shuffled *together*, the radius, perimeter and area of the cells, on average and in the worst of them.
# Each of the six is hardly missed as long as the others are there, because all of them measure size.
# (The clusters were found by hierarchical clustering of the rank correlations on the training rows, before anything was shuffled.)

# %%
evidence = recorded("explainability/permutation_importance")
splits = {k: np.array(v) for k, v in evidence.results["splits"].items()}
lines = {
    "answers right": "accuracy",
    "lost: best column by itself": "largest alone",
    "lost: best cluster, six columns": "largest cluster",
    "lost: five of them, one kept": "one left in place",
    "lost: five, the best one kept": "best one left in place",
    "lost: six random columns": "random group",
    "lost: all columns": "all",
}
rows = [
    [line, *(100 * g(splits[name]) for g in (np.mean, np.min, np.max))]
    for line, name in lines.items()
]
table(["of 100 held-out tumours", "mean", "least", "most"], rows, digits=1)

# %% [markdown]
# One split could be luck, so the table holds ten, each with its own forest.
# Two of its lines are controls.
# *Six random columns* are more than one column as well, so if their number were the reason they would be missed as much.
# And if one of the six stays *in its place*, it can stand in for the other five, so less must be lost.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
ahead = splits["random groups below the cluster"]
saved = 1 - splits["best one left in place"] / splits["largest cluster"]
claim(
    "The six columns of the cluster cost more than five times what the best single one "
    "costs and more than 19 of 20 random groups of six; keeping the best one of them "
    "saves more than half.",
    bool(
        (splits["largest cluster"] > 5 * splits["largest alone"]).all()
        and (ahead > 0.95).all()
        and (saved > 0.5).all()
    ),
    over="10 splits, recorded, 10 shuffles and 50 random groups each",
)

# %% [markdown]
# ## The idea on three numbers
#
# Let the truth be $y = 1, 2, 3$ and let the model read it off its only column, $f(x) = x$, without an error.
# There are six shuffles, and each leads to a mean squared error that you can work out in your head: no change costs $0$, swapping neighbours costs $\tfrac23$, swapping the ends $\tfrac83$, and moving all three along costs $2$.

# %%
x = np.array([1.0, 2.0, 3.0])
orders = list(itertools.permutations(range(3)))
rows = [
    [str([int(v) for v in x[list(o)]]), ((x - x[list(o)]) ** 2).mean()] for o in orders
]
table(["shuffled column", "mean squared error"], rows, digits=3)

# %% [markdown]
# The mean of the six is $\tfrac43$, which is twice the variance of $x$; you will meet that factor again.
#
# Now give the model the column twice and let it use both, $f(x_1, x_2) = \tfrac12 x_1 + \tfrac12 x_2$.
# It answers as before.
# But if you shuffle one of the two columns, only half of the answer moves, and a squared error of half the size is a *quarter*.


# %%
def squared(y, scores):
    return (y - scores) ** 2


def average(X):
    return X.mean(axis=1)


rows = []
for k in (1, 2, 5, 10):
    X = np.repeat(x[:, None], k, axis=1)
    groups = [[0], list(range(k))]
    values = exact_permutation_importance(average, X, x, squared, groups=groups)
    rows.append([k, *values, values[0] * k])
table(
    ["columns that say x", "one shuffled", "all together", "sum of the single ones"],
    rows,
    digits=3,
)

# %% [markdown]
# With $k$ copies of equal weight, each alone is worth $1/k^2$ of what they are worth together, and even the sum of them all leaves only $1/k$.
# What copies do to the credit in a Shapley value is shown on the page on [TreeSHAP](tree_shap.ipynb).
#
# ## The equation
#
# Let $\ell$ be the loss, larger meaning worse, and let $X^{g,\pi}$ be the table with the columns $g$ put into the order $\pi$, while all other columns stay where they are.
# The **permutation importance** of $g$ is the rise of the loss,
#
# $$I_g = \mathbb{E}_\pi\Big[\ell\big(y, f(X^{g,\pi})\big)\Big] - \ell\big(y, f(X)\big),$$
#
# and in code it is a copy, a shuffle and a difference.


# %%
def rise(f, X, y, loss, columns, order):
    broken = X.copy()
    broken[:, columns] = X[order][:, columns]
    return loss(y, f(broken)).mean() - loss(y, f(X)).mean()


order = np.random.default_rng(7).permutation(143)
plain = rise(f, data.X_test, data.y_test, wrong, [20, 22], order)
package = permutation_importance(
    f,
    data.X_test,
    data.y_test,
    wrong,
    repeats=1,
    rng=np.random.default_rng(7),
    groups=[[20, 22]],
)
np.testing.assert_allclose(package, [[plain]], rtol=0, atol=1e-15)

# %% [markdown]
# The package does the same for many shuffles in one question to the model, and uses the same shuffles for every group, so that groups can be compared.

# %%
show_source(permutation_importance)

# %% [markdown]
# How many shuffles are enough?
# Where the loss is a mean over rows you need none, because a random order sends each row to each place equally often: the expectation is a plain mean over all *pairs* of rows, each row with the column of each other one and of itself.


# %%
def mean_over_pairs(f, X, y, loss, column):
    total = 0.0
    for row in X:  # everybody gets the column of this row
        broken = X.copy()
        broken[:, column] = row[column]
        total += loss(y, f(broken)).mean()
    return total / len(X) - loss(y, f(X)).mean()


X, y = load_diabetes(return_X_y=True)
model = LinearRegression().fit(X, y)
exact = exact_permutation_importance(model.predict, X, y, squared)
by_pairs = mean_over_pairs(model.predict, X, y, squared, 2)
np.testing.assert_allclose(exact[2], by_pairs, rtol=1e-10)

# %% [markdown]
# That takes $n^2$ questions to the model for each column, which is cheap for a linear model and dear for a forest.
#
# ## Real data: least squares, where the answer is known
#
# The diabetes data hold ten measurements of 442 patients and how far their disease had progressed a year later.
# Linear regression predicts $f(x) = b + \sum_j w_j x_j$, so a shuffle of column $j$ moves the prediction by $w_j (x_{kj} - x_{ij})$.
# On the rows that it was fitted to, the residuals have mean zero and are uncorrelated with every column, so nothing remains but the square of that move, whose mean over all pairs is
#
# $$I_j = 2\, w_j^2 \operatorname{Var}(x_j).$$

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
closed = 2 * model.coef_**2 * X.var(axis=0)
claim(
    "For least squares on its own training rows, the exact importance is twice the "
    "squared weight times the variance.",
    bool(np.allclose(exact, closed, rtol=0, atol=1e-6)),
    over="any such model: the derivation above, and all ten columns of the diabetes data",
)

# %% [markdown]
# So the importance of a column in a linear model knows nothing but its own weight and variance, and the weight depends on what other columns were there when the model was fitted.
# That is the whole trouble with redundancy, and you have seen one side of it: spread weights are small, and their squares are smaller.
#
# ### Is redundancy the cause in the forest?
#
# Remove the cause and look.
# Principal components turn the 30 measurements into 30 uncorrelated columns without losing anything.
# They also gather what many measurements share into one column, which could be a reason of its own for tall bars.
# So there is a second control, a forest that was given one measurement of each cluster and nothing else.
# Beside them stand columns that were independent from the start, five or a hundred of equal weight.

# %%
few, many = (evidence.results["independent"][d] for d in ("5", "100"))
lines = {
    "forest, 30 measurements": [
        splits[n] for n in ("accuracy", "largest alone", "sum alone", "all")
    ],
    "forest, uncorrelated columns": [
        splits["whitened " + n]
        for n in ("accuracy", "largest alone", "sum alone", "all")
    ],
    "forest, one of each cluster": [
        splits["single " + n] for n in ("accuracy", "largest alone", "sum alone", "all")
    ],
    "5 independent columns": list(few.values()),
    "100 independent columns": list(many.values()),
}
rows = [[line, *(100 * np.mean(v) for v in values)] for line, values in lines.items()]
table(
    ["answers of 100", "right", "lost: best", "sum of the single", "lost: all"],
    rows,
    digits=0,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "With a single column the same kind of forest loses fewer than five answers of 100, "
    "more than twenty if its columns are uncorrelated, and more than three times as many "
    "if it has one of each cluster.",
    bool(
        (splits["whitened largest alone"] > 0.2).all()
        and (splits["largest alone"] < 0.05).all()
        and (splits["single largest alone"] > 3 * splits["largest alone"]).all()
    ),
    over="10 splits, recorded",
)

# %% [markdown]
# The last line of the table is the warning: each of a hundred independent columns is worth little, too, and none of them is redundant.
# Small bars therefore do not prove redundancy.
# What tells the two apart here is the sum: the independent columns lose less together than their single losses add up to, while the forest loses far more with all columns than its single columns add up to.
# For independent columns that must be so, if the loss is squared and the model's errors have mean zero at every $x$: its two sides are those of the Efron-Stein inequality {cite}`steele1986`.
# So if all together lose more, columns stand in for one another; if they lose less, you know nothing yet, as the next failure shows.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The forest loses more with all its columns together than the single losses add up "
    "to; models of independent columns lose less.",
    bool(
        (splits["all"] > splits["sum alone"]).all()
        and all(
            (np.array(found["all"]) < np.array(found["sum alone"])).all()
            for found in (few, many)
        )
    ),
    over="10 splits of the breast cancer data and 2 x 5 made-up ones, recorded",
)

# %% [markdown]
# Two more things in the record keep the headline honest.
# Accuracy moves only when an answer changes sides, so it hides a good deal that the logarithmic loss shows, which also rises when a right answer becomes less sure; and the forest is not even the best model here, because logistic regression is more accurate on average, with bars that are hardly longer.

# %%
rows = [
    ["forest: accuracy", splits["accuracy"].mean()],
    ["logistic regression: accuracy", splits["logistic accuracy"].mean()],
    [
        "logistic regression: best column, accuracy",
        splits["logistic largest alone"].mean(),
    ],
    ["forest: log-loss", splits["log-loss"].mean()],
    ["forest: best column, rise of log-loss", splits["largest alone, log-loss"].mean()],
]
table(["mean of ten splits", "value"], rows, digits=3)

# %% [markdown]
# ## Break it: redundancy that blows a column up
#
# So redundant columns look too small?
# Sometimes, but they can look too large as well, because a linear model may put a large positive weight on one of them and a large negative one on the other.
# Total cholesterol (`s1`) is such a column in the diabetes data: look at what the formula makes of its weight.

# %%
names = load_diabetes().feature_names
base = squared(y, model.predict(X)).mean()
top = np.argsort(-exact)[:4]
rows = [[names[j], model.coef_[j], exact[j] / base] for j in top]
table(["column", "weight", "importance / loss"], rows, digits=2)

# %% [markdown]
# Shuffling `s1` costs more than shuffling any other column, body mass (`bmi`) included.
# But what is lost if you leave `s1` out and fit again?

# %%
without = np.delete(X, names.index("s1"), axis=1)
refitted = LinearRegression().fit(without, y)
rise_without = squared(y, refitted.predict(without)).mean() / base - 1
s1 = X[:, names.index("s1")]
known = LinearRegression().fit(without, s1).score(without, s1)
Markdown(
    f"{100 * rise_without:.1f} % of the loss; the other columns explain "
    f"{100 * known:.0f} % of the variance of `s1`."
)

# %% [markdown]
# Hardly anything, and what the column said the others can say nearly as well.
# But shuffling makes patients with a high total and low parts of the same cholesterol, whom nobody will ever meet, and the importance measures how the model fares on *them* {cite}`hooker2021`.
#
# If that is the reason, the tall bar must shrink once the low-density part (`s2`) moves along with the total, because such patients are real ones again.

# %%
groups = {"s1": [4], "s1 and s2 together": [4, 5], "all ten together": range(10)}
values = exact_permutation_importance(
    model.predict, X, y, squared, groups=list(groups.values())
)
rows = [[k, v / base] for k, v in zip(groups, values)]
table(
    ["shuffled", "importance / loss"],
    [*rows, ["sum of the ten", exact.sum() / base]],
    2,
)

# %% [markdown]
# It does: the two together cost less than either of them alone.
# And the single losses add up to more than all ten columns lose, as independent columns' would, although these are anything but independent.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
found = evidence.results["diabetes"]
claim(
    "Shuffling total cholesterol costs more than a third of the loss; leaving it out "
    "and fitting again changes the loss by less than a twentieth.",
    min(found["shuffled"]) > 1 / 3 and np.abs(found["refitted"]).max() < 1 / 20,
    over="held-out rows of 10 splits, recorded, 30 shuffles each",
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "Its importance is zero, so the model does not need what the column says."
# > **It does not need it from this column.** Shuffle the columns that say the same together, and see what is lost then.
# >
# > "All bars are short, so the columns are redundant."
# > **A hundred independent columns have short bars, too.** Only if all together lose more than the sum of the single ones do columns stand in for one another.
# >
# > "The tallest bar is the most important column."
# > **With correlated columns it may be the one that the model could best do without.** Leave it out, fit again, and compare.
# >
# > "The importances add up to the accuracy."
# > **They add up to nothing in particular.** Shares that do add up are another method's, Shapley's {cite}`shapley1953`.
#
# **Strengths**: any model, any loss, no refitting, in units that people understand, and one number that you can check by hand.
#
# **Limits**: it judges one fitted model and not the world; it asks about rows that do not exist; a short bar says nothing by itself; and no bar says in which direction a column moves the answer, which is the subject of [Feature effects](feature_effects.ipynb).
#
# **Who is harmed when it fails**: the applicant who is told that sex plays no part in the score because its bar is short, while her college, her clubs and her first name say it again; and the patient whose test is dropped because its column seemed useless beside a test that will not be made.
#
# **In production** take `sklearn.inspection.permutation_importance`, which runs in parallel and knows sample weights; for groups of columns look at the R package `hstats`, and for conditional shuffles in forests at `permimp`.

# %% [markdown]
# ## Check yourself
#
# **1.** A model of a pump reads eight sensors, and the bar of each is next to nothing. The engineer wants to save sensors. What do the bars tell her?
#
# <details><summary>All eight may go, because their bars add up to next to nothing.</summary>
#
# **Not so.** In the table of `average`, ten columns cost ten times as much all together as their single losses add up to.
#
# </details>
#
# <details><summary>Nothing yet: she should shuffle the eight together and look.</summary>
#
# **Right.** If they stand in for one another, much is lost only then; if nothing is lost even then, this model can do without what they say.
#
# </details>
#
# <details><summary>Seven may go, because short bars show that sensors repeat one another.</summary>
#
# **Not so.** The columns of `many` are independent, and each of their bars is short as well.
#
# </details>
#
# **2.** In a linear model of house prices the living area has the tallest bar, and it goes closely with other columns. What is lost if you leave it out and fit again?
#
# <details><summary>The most that a column can cost, because its bar is the tallest.</summary>
#
# **Not so.** `s1` had the tallest bar, and `rise_without` was hardly anything.
#
# </details>
#
# <details><summary>About half of its bar, because it shares what it says with others.</summary>
#
# **Not so.** The bar of `s1` was nearly as high as the whole loss, and `rise_without` far below half of that.
#
# </details>
#
# <details><summary>Perhaps hardly anything, and only the new fit can tell.</summary>
#
# **Right.** The bar belongs to one fit, and shuffling asks about rows that do not exist. A new fit can take what it needs from the other columns.
#
# </details>
#
# **3.** The single bars of a model add up to more than it loses when all of its columns are shuffled together. What does that show about the columns?
#
# <details><summary>They are independent, because nothing stands in for anything.</summary>
#
# **Not so.** In `exact` the ten columns of the diabetes data add up to more than `all ten together` cost, and they are strongly correlated.
#
# </details>
#
# <details><summary>Nothing yet about whether some of the columns say the same.</summary>
#
# **Right.** Independent columns do that, and so can correlated ones on which a model puts large weights of opposite signs.
#
# </details>
#
# <details><summary>Something was miscounted, because a whole costs no less than its parts.</summary>
#
# **Not so.** The columns of `many`, which are independent, lose less all together than their single losses add up to.
#
# </details>

# %% [markdown]
# ## Exercise 1: correlated, but not copies
#
# *Medium, 15 minutes.*
# Let $f(x) = x_1 + x_2$ be exactly right, $y = f(x)$, where both columns have variance one and correlation $\rho$.
# Return two numbers for the squared loss: the importance of $x_1$ alone, and that of both columns shuffled together.
#
# Hint: a shuffle makes the moved part independent of the rest, and the difference of two independent draws has twice the variance of one; for both together, what is moved is all of $f$.


# %% tags=["exercise"]
def alone_and_together(rho):
    """The two importances, for correlation rho."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_alone_and_together(attempt):
    rho = 0.8
    mistakes = {
        "The variance of a sum has the covariance in it, twice.": [2, 4],
        "The difference of two draws has twice the variance of one.": [1, 2 + 2 * rho],
        "x1 moves alone and x2 stays, so the correlation plays no part in the first "
        "number.": [2 + 2 * rho, 4 + 4 * rho],
        "The covariance counts twice in Var(x1 + x2).": [2, 4 + 2 * rho],
        "The second number is a difference of two draws, too.": [2, 2 + 2 * rho],
        "That is what x2 leaves open of x1; a plain shuffle does not look at x2.": [
            2 * (1 - rho**2),
            4 + 4 * rho,
        ],
    }
    check_answer(attempt(rho), [2, 4 + 4 * rho], mistakes)


check_alone_and_together(alone_and_together)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def alone_and_together_solution(rho):
    return [2.0, 2 * (2 + 2 * rho)]


check_alone_and_together(alone_and_together_solution)
# Why: alone, the move is a difference of two values of x1, of variance 2. Together it is
# twice Var(x1 + x2), so the two single ones add up to it at rho = 0 and to half at 1.

# %% [markdown]
# ## Exercise 2: fill in the mean
#
# *Easy, 10 minutes.*
# Somebody breaks a column by replacing each entry by the column's *mean*.
# Return by how much the mean squared error rises on the training rows of a linear regression with weight `w` on that column, if the column's variance is `v`.
#
# Hint: the prediction moves by $w(\bar x - x_i)$, and the residuals are uncorrelated with the column.


# %% tags=["exercise"]
def rise_with_the_mean(w, v):
    """Rise of the mean squared error when the column becomes its mean."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_rise_with_the_mean(attempt):
    w, v = 3.0, 5.0
    mistakes = {
        "That is what a shuffle costs: there the new value varies as well.": 2
        * w**2
        * v,
        "The error is squared, and the weight with it.": w * v,
        "The sign of the move does not matter: its square has mean w² v.": 0.0,
        "v is a variance already, the square of the deviation.": w**2 * v**2,
    }
    check_answer(attempt(w, v), w**2 * v, mistakes)


check_rise_with_the_mean(rise_with_the_mean)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def rise_with_the_mean_solution(w, v):
    return w**2 * v


check_rise_with_the_mean(rise_with_the_mean_solution)
# Why: only the old value varies, so one variance is lost and not two. It is what a
# refit without the column loses, too, but only if the column is uncorrelated.

# %% [markdown]
# ## Exercise 3: find the redundant pair
#
# *Medium, 10 minutes.*
# A model has four columns, and you are given the mean rises `alone` of each and `pairs`, a table whose entry `[i, j]` is the rise when $i$ and $j$ are shuffled together.
# Return the pair `(i, j)`, with $i < j$, that hides most: the one whose joint rise exceeds the sum of its two single rises by most.
#
# Hint: `alone[:, None] + alone[None, :]` is the table of sums; the diagonal does not count.


# %% tags=["exercise"]
def hiding_pair(alone, pairs):
    """The pair (i, j), i < j, that hides most."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_hiding_pair(attempt):
    alone = np.array([0.30, 0.04, 0.25, 0.01])
    hidden = np.zeros((4, 4))
    hidden[0, 1:], hidden[1, 2:], hidden[2, 3] = 0.01, [0.20, 0.10], 0.01
    pairs = alone[:, None] + alone + hidden + hidden.T
    np.fill_diagonal(pairs, alone)
    mistakes = {
        "That pair loses most, but hardly more than its columns alone.": (0, 2),
        "Shortest bars, largest quotient; the largest difference was asked.": (1, 3),
        "i must be the smaller one.": (2, 1),
        "No pair; and take the joint rise less the sum, not the reverse.": (0, 0),
    }
    check_answer(attempt(alone, pairs), (1, 2), mistakes)


check_hiding_pair(hiding_pair)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def hiding_pair_solution(alone, pairs):
    hidden = np.triu(pairs - alone[:, None] - alone[None, :], k=1)
    return np.unravel_index(hidden.argmax(), hidden.shape)


check_hiding_pair(hiding_pair_solution)
# Why: two columns that say different things lose together what they lose apart, roughly.
# What they lose beyond that is what each kept from you as long as the other was there.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
slow = min(speed.values())
quick = [r for r in speed.values() if r > 1.5]
Markdown(
    "The book's function has no parallel workers, no sample weights and one loss at a time, "
    "and on a large table of 20 000 rows it is slower: there scikit-learn's time is "
    f"{slow:.1f} of ours; "
    f"on the small tables it is {min(quick):.0f} to {max(quick):.0f} times quicker, because it asks "
    "the model about many shuffles at once. On the same shuffles the two agree to "
    f"{max(evidence.results['agreement']['largest difference'], 1e-15):.0e} of the loss."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "scikit-learn's time / ours"], rows, digits=1)

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
#
# ## References
#
# The idea, for random forests: {cite:t}`breiman2001`; for any model, with the mean over all pairs: {cite:t}`fisher2019`.
# Correlated columns and conditional shuffles: {cite:t}`strobl2008`; why shuffling makes a model extrapolate: {cite:t}`hooker2021`.
# What happened: {cite:t}`dastin2018`.
