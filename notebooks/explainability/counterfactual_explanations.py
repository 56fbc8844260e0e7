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
# # Counterfactual explanations
#
# The nearest input with another answer: in closed form for linear models in three norms, by search for networks, and what it does not tell you.
#
# In 2019 customers complained that an algorithm had given women lower limits on the Apple Card, and nobody could tell them why.
# The regulator, after going through the data of some 400,000 applicants, found no unlawful discrimination, but faulted a perceived lack of transparency that undermined trust {cite}`nydfs2021`.
#
# **What would have had to be different for another answer?**
#
# That is the question that people refused by a model ask, and lenders, doctors and examiners are asked it every day.
# This page answers it exactly for linear models and approximately for networks, and shows how the answer misleads.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compute the nearest counterfactual in three norms, search one for a network and mark failures, and say what it means for the person concerned |
# | You need | NumPy, Matplotlib, PyTorch, SciPy, scikit-learn; the gradient, logistic regression, what a norm is |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.explainability.counterfactual_explanations` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from scipy.optimize import linprog
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression

from companion.datasets import breast_cancer
from companion.explainability.counterfactual_explanations import (
    class_margin,
    closest_counterfactual_linear,
    counterfactual,
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
from companion.networks import mlp
from companion.training import train_classifier

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A logistic regression calls this patient's tumour malignant, from 30 measurements.
# What is the smallest change of the measurements after which it would say benign?
#
# **Guess before you look**: how many of the 30 measurements have to change?

# %% mystnb={"figure": {"caption": "Three nearest counterfactuals of one patient: the change of each of the 30 measurements, in standard deviations, after which a logistic regression answers benign. Each is the smallest possible, measured by the sum of the changes (top), by the root of the sum of their squares (middle), or by the largest of them (bottom).", "name": "fig-counterfactual-explanations"}, "image": {"alt": "Three bar charts over the same 30 features. Top: a single long bar, all other features unchanged. Middle: 30 bars of different, moderate lengths up and down. Bottom: 30 bars of exactly the same small length, some up, some down."}} tags=["hide-input"]
data = breast_cancer()
names = load_breast_cancer().feature_names
linear = LogisticRegression(max_iter=1000).fit(data.X_train, data.y_train)
w, b = linear.coef_[0], float(linear.intercept_[0])
malignant = data.X_test[linear.predict(data.X_test) == 0]
patient = malignant[0]
norms = {
    "sum of changes (1-norm)": 1,
    "Euclidean change (2-norm)": 2,
    "largest change (maximum norm)": np.inf,
}
nearest = {
    name: closest_counterfactual_linear(w, b, patient, norm=p)
    for name, p in norms.items()
}
fig, axes = plt.subplots(3, 1, figsize=(8, 5.6), sharex=True)
for axis, (name, found), colour in zip(axes, nearest.items(), ("red", "blue", "green")):
    axis.bar(np.arange(30), found.x - patient, color=COLOURS[colour])
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_title(f"Smallest {name}: {found.distance:.2f}", fontsize=11)
axes[1].set(ylabel="change (standard deviations)")
axes[2].set(xlabel="feature number")
plt.show()

# %% [markdown]
# One, or all of them: it depends on what you call *near*.
# All three are right, so whoever hands out one of them has made a choice.
# (Compare the scales: a single measurement must go much farther than any of the thirty. Whether it can is a question for later.)

# %% [markdown]
# ## The idea on two features
#
# Let the score be $f(x) = 3 x_1 + 4 x_2$, and let the model say *yes* from a score of 25 on.
# You stand at the origin.
#
# A step along the first feature buys 3 points, one along the second 4.
# If you pay by the sum of your steps, spend everything on the second: $25 / 4 = 6.25$ steps.
# If you pay by the largest step, take both at once, which buys 7 points a step: $25 / 7 \approx 3.57$.
# If you pay by the straight distance, walk at a right angle to the boundary: to $(3, 4)$, which is 5 away.

# %%
rows = []
for p in (1, 2, np.inf):
    found = closest_counterfactual_linear([3, 4], 0, [0, 0], 25, norm=p)
    rows.append([f"{p:g}", *found.x, found.distance])
table(["norm", "feature 1", "feature 2", "distance"], rows, digits=2)

# %% [markdown]
# ## The equation: gap over dual norm
#
# Let $f(x) = w^\top x + b$, let $t$ be the wanted score, and let $s_j$ say what counts as one step of feature $j$.
# With steps $u_j = (x'_j - x_j) / s_j$ and $v_j = s_j w_j$, the score must rise by $t - f(x) = v^\top u$, and Hölder's inequality says how much a change of length $\lVert u \rVert_p$ can buy at most:
#
# $$|v^\top u| \le \lVert v \rVert_q \, \lVert u \rVert_p, \qquad \tfrac1p + \tfrac1q = 1.$$
#
# So the distance is at least $|t - f(x)| / \lVert v \rVert_q$, and a change for which the inequality is an equality reaches it.
# Those changes are known: one feature for $p = 1$, all in proportion to $v$ for $p = 2$, and all by the same number of steps for $p = \infty$.


# %%
def nearest_linear(w, b, x, target, norm):
    gap = target - (w @ x + b)
    if norm == 1:
        u = np.zeros(len(w))
        j = np.abs(w).argmax()
        u[j] = 1 / w[j]
    elif norm == 2:
        u = w / (w @ w)
    else:
        u = np.sign(w) / np.abs(w).sum()
    return x + gap * u


for p in norms.values():
    found = closest_counterfactual_linear(w, b, patient, norm=p)
    plain = nearest_linear(w, b, patient, 0.0, p)
    np.testing.assert_allclose(plain, found.x, rtol=0, atol=1e-12)

# %%
show_source(closest_counterfactual_linear)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
evidence = recorded("explainability/counterfactual_explanations")
agreement = evidence.results["agreement"]
claim(
    "SciPy's solvers, which know no formula, find the same distances.",
    max(agreement["largest relative difference"].values()) < 1e-6,
    over="20 random linear models with 30 features in each of the three norms, recorded; "
    "any linear model: Hölder's inequality",
)

# %% [markdown]
# ## Real data: searching a network
#
# A network has no formula, but near any point $p$ it nearly equals its tangent, which is linear.
# So take the closed form for the tangent, go there, and look again:
#
# $$\begin{gathered}
# p \leftarrow x + \delta, \quad \delta \text{ the shortest with} \\
# f(p) + \nabla f(p)^\top (x + \delta - p) \ge t.
# \end{gathered}$$
#
# Here $f$ is the **margin** of the wanted class, its logit minus the largest of the others, so the boundary is at $t = 0$.


# %%
def tangent_search(f, x, steps=10):
    p = x.clone()
    for _ in range(steps):
        p.requires_grad_()
        score = f(p[None])[0]
        (g,) = torch.autograd.grad(score, p)
        p = p.detach()
        lack = -score.detach() - g @ (x - p)
        p = x + lack * g / (g @ g)
    return p


X, y = torch.from_numpy(data.X_train).float(), torch.from_numpy(data.y_train)
net = mlp([30, 32, 32, 2], torch.Generator().manual_seed(0))
net = train_classifier(net, X, y, seed=0, epochs=100).double()
benign = class_margin(net, 1)
x = torch.from_numpy(patient)
p = tangent_search(benign, x)
found = counterfactual(benign, x[None])
rows = [["plain", (p - x).norm().item()], ["package", found.distance.item()]]
table(["search", "distance"], rows, digits=1)

# %% [markdown]
# The plain loop may end a hair on the wrong side of the boundary, or jump to and fro between two pieces of a piecewise linear network.
# The package's search shortens its steps, keeps the nearest point that is valid, draws it back to the boundary along the straight line to $x$, and says for each row whether it is valid.
# A row without success comes back as NaN.

# %%
assert abs((p - x).norm() - found.distance) < 0.1 * found.distance
show_source(counterfactual)

# %% [markdown]
# Is it any good?
# The obvious rivals are the nearest training row to which the network gives the wanted answer, and the point where the straight line to that row crosses the boundary.
# Here are the mean distances from all test rows of five networks, in both directions, with failures counted over the three norms.

# %%
search = evidence.results["search"]
rows = {r["way"]: [r["way"]] for r in search}
for r in search:
    rows[r["way"]].append(r["distance"])
for way, row in rows.items():
    row.append(sum(r["failures"] for r in search if r["way"] == way))
header = [f"mean of {search[0]['starts']} starts", "1-norm", "2-norm", "max norm"]
table([*header, "failures"], rows.values(), digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
by = {(r["norm"], r["way"]): np.array(r["by network"]) for r in search}
claim(
    "Every search ended with a valid answer, on average nearer than the straight line "
    "to the nearest training row, and 20 restarts make it a little nearer still.",
    all(r["failures"] == 0 for r in search)
    and all(
        bool((by[n, "search"] < by[n, "straight line to it"]).all())
        and bool((by[n, "search, 20 restarts"] < by[n, "search"]).all())
        for n in ("1", "2", "inf")
    ),
    over="715 starts, each of 5 networks, 3 norms, recorded",
)

# %% [markdown]
# That restarts help proves that the first answer was not the nearest.
# For networks a search gives you *a* near counterfactual, and nobody's method gives you *the* nearest, except where every linear piece can be checked.
#
# In the 1-norm there is another rival, which is even simpler: change one measurement only, try all thirty of them, and take the smallest change that works.

# %%
one = evidence.results["one feature"]
rows = [
    ["one feature only", one["failures of one feature"], one["one feature"], 1.0],
    [
        "search, 20 restarts",
        one["failures of the search"],
        one["search, 20 restarts"],
        one["features changed by the search"],
    ],
]
header = [
    "way (1-norm)",
    f"failures of {one['starts']}",
    "distance",
    "features changed",
]
table(header, rows, digits=2)

# %% [markdown]
# Distances are means over the rows that both reach.
# The simple rival is no farther, and it is easier to tell to a person; but some rows it does not reach at all, and it asks the model thousands of times.
# And you see that on a network the 1-norm does not leave you with one feature by itself.

# %% [markdown]
# ## How near the data is it?
#
# The Euclidean answer has a familiar look.
# A small change in the direction of the gradient, just enough to flip the answer: that is how an [adversarial example](../safety/adversarial_examples.ipynb) is made.
# Does the changed patient resemble any benign one?
# Measure the distance to the nearest training row to which the network gives the wanted answer, and compare it with that of real rows of the class.
# A counterfactual stands on the boundary, where rows are rarer, so compare it also with the ten real rows whose margins are smallest.

# %%
near = evidence.results["near the data"]
rows = [
    [name, np.mean(near[key]), min(near[key]), max(near[key])]
    for name, key in (
        ("real test rows", "real rows"),
        ("ten of them, nearest the boundary", "borderline rows"),
        ("where the search starts", "starts"),
        ("counterfactuals", "counterfactuals"),
        ("straight line to a row", "line"),
    )
]
table(
    ["distance to the class's training rows", "mean", "least", "most"], rows, digits=2
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The nearest counterfactuals lie farther from the data of their class than its real "
    "rows do, those near the boundary included.",
    all(
        bool((np.array(near["counterfactuals"]) > np.array(near[real])).all())
        for real in ("real rows", "borderline rows")
    ),
    over="5 networks, both directions, means over all test rows, recorded",
)

# %% [markdown]
# So the nearest counterfactual is the shortest way out of a class, and need not resemble a member of the other.
# The straight line to a real row costs more change, and ends nearer to somebody real, because it walks towards one.
#
# ## Break it: the scale decides who wins
#
# With a linear model the 1-norm changes the same feature for everybody, the one with the largest $s_j |w_j|$.
# So the choice of the steps $s_j$, which no data forces on you, picks the explanation.
# Here are three customary ones: the standard deviation, the median absolute deviation, which {cite:t}`wachter2018` use, and the range.

# %%
X_train = data.X_train  # in standard deviations
middle = np.median(X_train, axis=0)
scales = {
    "standard deviation": np.ones(30),
    "median deviation": np.median(np.abs(X_train - middle), axis=0),
    "range": np.ptp(X_train, axis=0),
}
winners = {name: str(names[np.abs(w * s).argmax()]) for name, s in scales.items()}
table(["one step is a feature's", "the explanation names"], winners.items())

# %% [markdown]
# And it names one feature only as long as that feature may go as far as it must.
# In the picture at the top it may not, because the radius error, a size, would have to become negative.
# Ask that every measurement stays within the range of the training data, and a linear program has to fill up with the next best ones.


# %%
def bounded(x):
    room = np.clip([X_train.max(axis=0) - x, x - X_train.min(axis=0)], 0, None)
    answer = linprog(
        np.ones(60),
        A_eq=[[*w, *-w]],
        b_eq=[-(w @ x + b)],
        bounds=[(0, r) for r in room.ravel()],
    )
    return int((answer.x > 1e-9).sum())


changed = np.array([bounded(x) for x in malignant])

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Kept within the range of the data, most of the patients called malignant need "
    "more than one feature in the 1-norm.",
    bool((changed > 1).mean() > 0.8),
    over=f"the {len(changed)} test rows called malignant, one logistic regression",
)

# %% [markdown]
# ## Break it: advice that harms
#
# **Recourse** is a counterfactual that a person can act on {cite}`ustun2019`.
# Take the diabetes data: a linear regression predicts how far the disease will have progressed a year later, from age, sex, body mass, blood pressure and six values of the blood.
# What should the patient with the worst forecast change, so that it comes down to average?
# Nobody can change age or sex, so their step is zero.

# %%
diabetes = load_diabetes()
Z = (diabetes.data - diabetes.data.mean(axis=0)) / diabetes.data.std(axis=0)
model = LinearRegression().fit(Z, diabetes.target)
z = Z[model.predict(Z).argmax()]
movable = np.array([0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
rows = []
for p in (1, 2):
    advice = closest_counterfactual_linear(
        model.coef_, model.intercept_, z, diabetes.target.mean(), norm=p, scale=movable
    )
    change = np.round(advice.x - z, 2) + 0.0
    rows += [
        [name, f"{p}-norm", c] for name, c in zip(diabetes.feature_names, change) if c
    ]
table(["feature", "norm", "change (standard deviations)"], rows)

# %% [markdown]
# The feature `s1` is total cholesterol, and both answers want it *higher*.
# The regression gave it a negative weight, because it moves together with `s2` and `s5` in the blood, and a weight says what happens to the *forecast* when one of them moves alone.
# You can test that: take the two away, fit again, and look at what is left of the weight.

# %%
others = np.delete(Z, [5, 8], axis=1)  # without s2 and s5
refitted = LinearRegression().fit(others, diabetes.target)
rows = [["all ten", model.coef_[4]], ["without s2 and s5", refitted.coef_[4]]]
table(["fitted with", "weight of s1"], rows, digits=1)

# %% [markdown]
# The counterfactual is right about the model, and as advice it would be wrong for the patient.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
alone = np.corrcoef(Z[:, 4], diabetes.target)[0, 1]
claim(
    "The regression rewards cholesterol: its weight is the most negative of all, while "
    "patients with more of it do worse; without `s2` and `s5` less than a tenth of it is left.",
    bool(
        model.coef_.argmin() == 4
        and alone > 0.1
        and abs(refitted.coef_[4]) < 0.1 * abs(model.coef_[4])
    ),
    over="the 442 patients; doing worse: a positive correlation with the progression",
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "The counterfactual says what would have happened if the patient had been different."
# > **It says what the *model* would have answered.** Changing an input in a formula is not changing a cause in the world.
# >
# > "The search found the closest counterfactual."
# > **Only for linear models without further conditions is the closest one known.** For a network it is near in its surroundings; restarts find nearer ones.
# >
# > "The 1-norm gives an explanation in a single feature."
# > **It does for a linear model, without bounds and ties.** Bounds spread it over several features, and another scale names another feature.
# >
# > "The counterfactual looks like a typical case of the other class."
# > **The nearest one is made as an adversarial example is.** Ask how far it is from the data, or walk towards a real case.
#
# **Strengths**: no model has to be opened to the person concerned, the answer is a statement that can be checked by asking the model once more, and for linear models it is exact.
#
# **Limits**: features are moved as if they were independent, so that a total and its parts may contradict each other; categories and counts need other methods; and many counterfactuals exist, from which somebody chooses.
#
# **Who is harmed when it fails**: the applicant who did what she was told and is refused again, because the model was trained anew meanwhile or because the change had to come with others, and the patient who takes a statement about a model for medical advice.
#
# **In production** take `dice-ml` or `alibi` for categories and several counterfactuals at once, `scipy.optimize.minimize` with SLSQP for a single row of a network, which is quicker than this page's search and oftener nearer, and for linear models under conditions a solver, such as `scipy.optimize.linprog` or `milp`.

# %% [markdown]
# ## Check yourself
#
# **1.** A lender explains refusals by the nearest change in the 1-norm, and one step of income is a thousand euros. Next year a step is one euro, and the linear model is the same. What may change in the letters?
#
# <details><summary>Nothing, because the model gives the same answers.</summary>
#
# **Not so.** `winners` holds another feature for another of the `scales`, and the model is the same.
#
# </details>
#
# <details><summary>The number of steps, but not the feature that is named.</summary>
#
# **Not so.** The 1-norm moves the feature with the largest `np.abs(w * s)`, and in `winners` another `s` made that another feature.
#
# </details>
#
# <details><summary>The feature that is named, and not the steps alone.</summary>
#
# **Right.** A step of income now buys a thousandth of what it did, so a step of another feature may be worth more.
#
# </details>
#
# **2.** By the nearest counterfactual, a student would be predicted to pass her exam if she borrowed three more books. She borrows them, and nothing else changes. What can she count on?
#
# <details><summary>A better exam, because the model predicts exams well.</summary>
#
# **Not so.** For a better forecast `advice` wants more cholesterol (`s1`), and patients with more of it do worse.
#
# </details>
#
# <details><summary>Another prediction, but not on a better exam.</summary>
#
# **Right.** A counterfactual says what the model answers to another input. Whether books help is another question.
#
# </details>
#
# <details><summary>At least a slightly better exam, because the sign is right.</summary>
#
# **Not so.** By `model.coef_` more of `s1` betters the forecast, although patients with more of it do worse.
#
# </details>
#
# **3.** A doctor asks for a benign tumour that resembles this malignant one and could be a real patient's. What do you show?
#
# <details><summary>The nearest counterfactual, because nothing benign is more alike.</summary>
#
# **Not so.** In `near` the counterfactuals lie farther from the data of their class than its real rows, those nearest the boundary included.
#
# </details>
#
# <details><summary>The real tumour nearest to it that the model calls benign.</summary>
#
# **Right.** It takes more change, but somebody had it, whereas the nearest counterfactual is only the shortest way out of a class.
#
# </details>
#
# <details><summary>Any point of the boundary, because all are equally near the benign.</summary>
#
# **Not so.** Counterfactuals and the ends of the straight `line` stand on the boundary alike, and in `near` the latter are much nearer to real rows.
#
# </details>

# %% [markdown]
# ## Exercise 1: how far from the boundary?
#
# *Easy, 10 minutes.*
# A linear model has weights `w` and gives this applicant the score `score`; from 0 on the answer is yes.
# Return the smallest sum of changes, the smallest Euclidean change, and the smallest largest change that turn a no into a yes, in a list.
#
# Hint: the gap over the dual norm, and the norms 1 and ∞ are each other's dual.


# %% tags=["exercise"]
def three_distances(w, score):
    """Distances to the boundary in the 1-norm, the 2-norm and the maximum norm."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_three_distances(attempt):
    w, score = np.array([3.0, -4.0, 2.0]), -6.0
    l1, l2, most = 6 / 9, 6 / np.sqrt(29), 6 / 4
    mistakes = {
        "You divided by the norm itself; the dual of the 1-norm is the maximum norm, "
        "and the other way round.": [l1, l2, most],
        "A distance is not negative: take the size of the gap.": [-most, -l2, -l1],
        "The Euclidean norm needs its root.": [most, 6 / 29, l1],
        "The largest weight counts by its size, whatever its sign.": [2, l2, l1],
        "The weights are added by their sizes, whatever their signs.": [most, l2, 6],
    }
    check_answer(attempt(w, score), [most, l2, l1], mistakes)


check_three_distances(three_distances)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def three_distances_solution(w, score):
    return [abs(score) / np.linalg.norm(w, q) for q in (np.inf, 2, 1)]


check_three_distances(three_distances_solution)
# Why: a change of length one buys at most the dual norm in score. Whoever pays by the
# sum spends it on the best feature, and whoever pays by the largest step uses them all.

# %% [markdown]
# ## Exercise 2: back to the boundary
#
# *Medium, 15 minutes.*
# The function `f` gives the score of one input, negative at `x` and positive at `end`.
# Return the point of the straight line between them at which the score crosses zero, by halving the interval 50 times, on the side where the score is not negative.
#
# Hint: keep two numbers $t$ between 0 and 1, one at which $x + t\,(\text{end} - x)$ is valid and one at which it is not.


# %% tags=["exercise"]
def back_to_boundary(f, x, end):
    """The valid end of the last interval."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_back_to_boundary(attempt):
    x, end = np.array([0.0, 1.0]), np.array([4.0, 3.0])

    def f(u):
        return u[0] ** 2 - 4  # crosses at t = 1/2

    mistakes = {
        "That is the number t; return the point.": [0.5, 0.5],
        "That is t (end - x), without the x from which you start.": [2.0, 1.0],
        "That is the end: the valid number has to move as well.": end,
        "That is x: the number that is not valid has to move as well.": x,
        "That is t end, not x + t (end - x).": [2.0, 1.5],
        "There a straight score would cross; this one is curved: halve.": [1, 1.5],
    }
    shown = {reason: [*p, f(p) >= 0] for reason, p in mistakes.items()}
    shown["The score is still negative there; return the other end."] = [2, 2, 0]
    point = attempt(f, x, end)
    if point is not None:
        point = [*np.broadcast_to(point, 2), f(np.broadcast_to(point, 2)) >= 0]
    check_answer(point, [2, 2, 1], shown)


check_back_to_boundary(back_to_boundary)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def back_to_boundary_solution(f, x, end):
    low, high = 0.0, 1.0
    for _ in range(50):
        t = (low + high) / 2
        if f(x + t * (end - x)) >= 0:
            high = t
        else:
            low = t
    return x + high * (end - x)


check_back_to_boundary(back_to_boundary_solution)
# Why: the score is negative at one end and not at the other, and stays so, hence a
# crossing is always between them. Fifty halvings leave nothing that float64 can see.

# %% [markdown]
# ## Exercise 3: the 1-norm with bounds
#
# *Medium, 15 minutes.*
# A linear score has to rise by `gap`.
# Feature $j$ has the weight `w[j]`, all weights are positive, and it may be raised by `room[j]` at most.
# Return the change of each feature with the smallest sum.
#
# Hint: buy where a step is worth most until there is no room left, and then go on with the next best.


# %% tags=["exercise"]
def cheapest_change(w, gap, room):
    """Changes with the smallest sum that raise the score by the gap."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_cheapest_change(attempt):
    w, room = np.array([2.0, 5.0, 1.0, 4.0]), np.array([3.0, 1.0, 9.0, 2.0])
    mistakes = {
        "That ignores the bounds: everything on the best feature.": [0, 3.4, 0, 0],
        "That is the order of the features, not of their weights.": [3, 1, 6, 0],
        "The last feature needs what is missing, not all its room.": [3, 1, 0, 2],
        "What is left of the gap must be divided by the weight.": [4, 1, 0, 2],
        "That is where most room is; a step is worth its weight.": [0, 0, 9, 2],
        "You began with the feature on which a step is worth least.": [3, 0, 9, 0.5],
    }
    check_answer(attempt(w, 17.0, room), [2.0, 1.0, 0.0, 2.0], mistakes)


check_cheapest_change(cheapest_change)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def cheapest_change_solution(w, gap, room):
    change = np.zeros(len(w))
    for j in np.argsort(-w):
        change[j] = min(room[j], gap / w[j])
        gap = gap - w[j] * change[j]
    return change


check_cheapest_change(cheapest_change_solution)
# Why: a step on a better feature always buys more for the same price, so swapping one
# in can only help. With bounds that are reached, several features have to change.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
solver = evidence.results["solver"]
Markdown(
    f"On one row of a network SciPy's SLSQP needs {speed['network, 1 row']:.1f} of the "
    f"search's time, and of {solver['starts']} starts it ended nearer by more than a "
    f"thousandth in {solver['SLSQP nearer']}, the search in {solver['ours nearer']} "
    f"(means {solver['SLSQP']:.2f} and {solver['ours']:.2f}). The search takes a whole "
    f"batch at once, so that five rows take SLSQP {speed['network, 5 rows']:.1f} times as "
    "long. `alibi` was not compared, because its present versions need a NumPy below 2, "
    "nor `dice-ml`, which looks for several diverse answers rather than the nearest."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > Explainability is the ability of AI systems to provide clear and understandable explanations for their decisions and actions. To ensure
#
# There the source breaks off, before it names a technique or prints a listing.
# This page is the book's own completion, and [the chapter's opening](../../book/explainability.md) says how it was chosen.
#
# ## References
#
# Counterfactual explanations: {cite:t}`wachter2018`, and earlier, for documents, {cite:t}`martens2014`.
# Distances to a hyperplane in any norm: {cite:t}`mangasarian1999`; steps on the tangent: {cite:t}`moosavidezfooli2016`, {cite:t}`croce2020fab`.
# Recourse: {cite:t}`ustun2019`; what happened: {cite:t}`nydfs2021`.
