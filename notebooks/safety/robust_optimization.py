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
# # Robust optimization
#
# Uncertainty sets: robust linear programs with a box or a budget of errors, and robust least squares.
#
# PILOT4 is a planning problem that solvers of linear programs have been tested on for decades, and its optimal plan keeps one constraint exactly.
# In 2000 Ben-Tal and Nemirovski changed that constraint's coefficients by up to a tenth of a percent: the plan then falls short by up to four and a half times of what the constraint demands {cite}`bental2000`.
#
# **How do you make a plan that survives the errors in its own numbers?**
#
# You need this whenever something is optimised on numbers that were measured or learned, because an optimiser looks for the plan that pays most *by those numbers*, and so it leans on exactly the ones that are too kind.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | write the worst case of a constraint in one line, solve the cautious program with an ordinary solver, say what caution costs, and recognise when it buys nothing |
# | You need | NumPy, Matplotlib, SciPy; what a linear program, a vector's norm and a least-squares fit are |
# | Time | 30 minutes to read, 40 for the exercises |
# | Code | `companion.safety.robust_optimization` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.optimize import linprog

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.safety.robust_optimization import (
    robust_least_squares,
    robust_linear_program,
    worst_coefficients,
    worst_perturbation,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A company makes two drugs from two raw materials, and its program says how much of each to buy and to make {cite}`elghaoui_drugs`.
# The content of active agent is known to half a percent for raw material I and to two percent for raw material II.
#
# **Guess before you look**: raw material II turns out two percent weaker than planned. By how much does the profit fall?

# %% tags=["hide-input"]
# Raw I, raw II (kg), drug I, drug II (1000 packs): cost, and rows `A x <= b`.
cost = np.array([100, 199.9, -5500, -6100])
A = np.array(
    [
        [-0.01, -0.02, 0.5, 0.6],  # active agent (g): used at most what was bought
        [1, 1, 0, 0],  # storage (kg)
        [0, 0, 90, 100],  # work (h)
        [0, 0, 40, 50],  # machines (h)
        [100, 199.9, 700, 800],  # money ($)
    ]
)
b = np.array([0, 1000, 2000, 800, 100_000])
D = np.zeros((5, 4))
D[0, :2] = 0.01 * 0.005, 0.02 * 0.02


def profit(x, error_1, error_2, saved=0.0):
    """Dollars when the contents are off; `saved` is what of operating costs is saved on packs not made."""
    agent = 0.01 * (1 + error_1) * x[0] + 0.02 * (1 + error_2) * x[1]
    made = np.minimum(1, agent / (0.5 * x[2] + 0.6 * x[3]))
    operating = (1 - saved * (1 - made)) * (700 * x[2] + 800 * x[3])
    return made * (6200 * x[2] + 6900 * x[3]) - 100 * x[0] - 199.9 * x[1] - operating


nominal = robust_linear_program(cost, A, b)
robust = robust_linear_program(cost, A, b, D)
only_two = cost + 1e6 * np.eye(4)[0]  # never buys raw I
stock = robust_linear_program(only_two, A, b, D)
plans = {"nominal": nominal.x, "2 % in stock": stock.x, "robust": robust.x}

# %% mystnb={"figure": {"caption": "Left: profit of three plans against the error in the content of raw material II, while raw material I is half a percent weaker than planned: the nominal plan, the same with two percent of raw material II in reserve, and the robust plan, which buys raw material I. Right: a portfolio of 150 stocks; the return that is promised against how often it is missed, for a budget of errors, for a smaller box, and for equal shares of all stocks.", "name": "fig-robust-optimization"}, "image": {"alt": "Two panels. Left: the nominal plan earns 8820 dollars without an error and falls on a straight line to 6643 dollars at minus two percent; the plan with a reserve earns 6906 dollars throughout and the robust plan 8295. Right: the budget's promised return rises with the share of misses from 14.7 to 18.7 percent, the box stays between 12.7 and 14.5 percent, and equal shares begin level with the budget and end below it."}} tags=["hide-input"]
evidence = recorded("safety/robust_optimization")
budgets = evidence.results["portfolio"]["rows"]
missed = 100 * np.array([np.mean(r["missed"]["independent"]) for r in budgets])
gain = {
    name: 100 * (np.array([np.mean(r[name]) for r in budgets]) - 1)
    for name in ("promised", "even split", "box")
}
error = np.linspace(-0.02, 0.02, 81)
earned = {name: profit(x, -0.005, error) for name, x in plans.items()}
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for (name, dollars), colour, line in zip(
    earned.items(), ("red", "grey", "blue"), ("--", ":", "-")
):
    left.plot(100 * error, dollars, line, color=COLOURS[colour], label=name)
left.set(xlabel="error in raw II (%)", ylabel="profit (dollars)", ylim=(6000, 9200))
left.set_title("A drug factory")
left.legend(loc="center right")
for name, label, style, colour in (
    ("promised", "budget of errors", "o-", "blue"),
    ("even split", "equal shares", "s:", "grey"),
    ("box", "smaller box", "^--", "red"),
):
    right.plot(missed, gain[name], style, color=COLOURS[colour], label=label)
right.set(xlabel="promise is missed (%)", ylabel="promised return (%)", ylim=(12, 20))
right.set_title("150 stocks")
right.legend(loc="upper left")
plt.show()

# %% [markdown]
# On the left, the dashed plan loses a quarter of its profit to an error of two percent, and the solid plan loses nothing.
# That is *leverage*, not magic: the output falls by two percent, but the profit is only a small slice of what is sold.

# %%
sold = 6200 * nominal.x[2]
weak = profit(nominal.x, 0, -0.02)
rows = [
    ["output", 100 * 0.02],
    ["profit", 100 * (1 - weak / profit(nominal.x, 0, 0))],
    [
        "profit, if unmade packs cost nothing",
        100 * (1 - profit(nominal.x, 0, -0.02, 1) / profit(nominal.x, 0, 0)),
    ],
]
table(["2 % less content: what falls", "by (%)"], rows, digits=1)

# %% tags=["hide-input"]
Markdown(f"Profit is {100 * profit(nominal.x, 0, 0) / sold:.1f} % of the sales.")

# %% [markdown]
# ## The idea on two numbers: the worst corner depends on the signs
#
# Take one constraint, $a_1 x_1 + a_2 x_2 \le b$, with both coefficients equal to one and each of them off by at most $0.1$.
# For the plan $x = (3, -2)$ nature makes the first coefficient larger and the second one *smaller*, because a negative amount of less is more:
#
# $$1.1 \cdot 3 + 0.9 \cdot (-2) = 1.5$$
#
# $$= \underbrace{3 - 2}_{\text{nominal}} + 0.1 \cdot (|3| + |-2|).$$
#
# So the worst case adds the deviation times the *size* of each variable.
# If only one coefficient may be off, nature picks the one that hurts most, and the sum is $1 + 0.1 \cdot 3 = 1.3$.

# %%
x = np.array([3, -2])
rows = [
    [
        name,
        str(worst_coefficients(x, [[1, 1]], [[0.1, 0.1]], g)[0]),
        worst_coefficients(x, [[1, 1]], [[0.1, 0.1]], g)[0] @ x,
    ]
    for name, g in (("none", 0), ("one", 1), ("both (the box)", 2))
]
table(["how many may be off", "worst coefficients", "worst sum"], rows, digits=2)

# %% [markdown]
# ## The equation: a robust linear program with a box (Soyster)
#
# Let the program minimise $c \cdot x$ under $A x \le b$, and let each $A_{ij}$ be off by at most $D_{ij}$.
# By what you just saw, all constraints hold for all coefficients exactly if
#
# $$\sum_j A_{ij} x_j + \sum_j D_{ij} |x_j| \le b_i$$
#
# for every row $i$.
#
# The absolute value is no obstacle, because a second set of variables $y$ with $-y \le x \le y$ can stand for it: nothing gains from a $y$ larger than $|x|$.
# The cautious program is again linear, and an ordinary solver takes it.


# %%
def plain_robust(c, A, b, D):
    """Variables of either sign; the second half of the unknowns is their size."""
    one = np.eye(len(c))
    rows = np.block([[A, D], [one, -one], [-one, -one]])
    limits = np.concatenate([b, np.zeros(2 * len(c))])
    done = linprog(np.append(c, 0 * c), rows, limits, bounds=(None, None))
    return done.fun


for seed in range(5):
    rng = np.random.default_rng(seed)
    M = np.vstack([rng.normal(size=(4, 3)), np.eye(3), -np.eye(3)])
    c, d, off = rng.normal(size=3), np.ones(10), 0.1 * np.abs(M)
    ours = robust_linear_program(c, M, d, off, nonnegative=False)
    np.testing.assert_allclose(plain_robust(c, M, d, off), ours.value, atol=1e-6)

# %% [markdown]
# The package's function also knows budgets, brings all numbers to one scale before it solves, and says whether a program without a plan is infeasible or unbounded.
# Beside the plan it returns two certificates: what every constraint has left in its own worst case, and prices that prove that no plan is cheaper.

# %%
show_source(robust_linear_program)

# %% [markdown]
# ## The published drug-production problem
#
# Here are the three plans of the picture, as they were promised and as they fare in the worst case.

# %%
rows = [
    [name, x[0], x[1], profit(x, 0, 0), profit(x, -0.005, -0.02)]
    for name, x in plans.items()
]
table(
    ["plan", "raw I (kg)", "raw II (kg)", "promised", "worst (dollars)"], rows, digits=1
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Both plans are the published ones: 8,819.658 dollars for the nominal program and "
    "8,294.566 for the robust one.",
    bool(abs(nominal.value + 8819.658) < 1e-3 and abs(robust.value + 8294.566) < 1e-3),
    over="both values, to a tenth of a cent",
)

# %% [markdown]
# What the robust plan gains over the plan with a reserve of two percent is a change of *supplier*: it buys the raw material whose content is known better.
# A reserve of the wrong material is safe, too, but it costs more.
#
# Now look at what made this program easy.
# No amount is negative, so the worst corner is the same for every plan: both contents low.
# You could have put the low contents into the ordinary program and would have got the same plan, without any theory.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
corner = robust_linear_program(cost, A + D, b)
claim(
    "Because no variable is negative, the robust drug program is the nominal program "
    "with both contents at their lowest.",
    bool(
        abs(corner.value - robust.value) < 1e-6
        and np.allclose(corner.x, robust.x, rtol=0, atol=1e-6)
    ),
    over="this program, value and plan to 1e-6",
)

# %% [markdown]
# The box earns its theory only where signs can differ, as in the two numbers above, or in the weights of a regression below.
#
# And is the robust plan better *on average*?
# That depends on something that the program does not say.
# Draw both contents at random, evenly within their limits, and settle what happens to the operating costs of packs that could not be made.

# %%
means = {"paid anyway": [], "saved": []}
for seed in range(5):
    rng = np.random.default_rng(seed)
    e1, e2 = rng.uniform(-0.005, 0.005, 20_000), rng.uniform(-0.02, 0.02, 20_000)
    for (name, kept), saved in zip(means.items(), (0, 1)):
        kept.append(profit(nominal.x, e1, e2, saved).mean())
rows = [
    [f"nominal, operating costs {n}", np.mean(m), np.min(m), np.max(m)]
    for n, m in means.items()
]
rows += [["robust", *[profit(robust.x, -0.005, -0.02)] * 3]]
table(
    ["mean profit over 20 000 draws (dollars)", "mean of 5 seeds", "least", "most"],
    rows,
    digits=0,
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
sure = -robust.value
claim(
    "On average the nominal plan earns more than the robust one if the operating costs "
    "of unmade packs are saved, and less if they are paid anyway.",
    bool(min(means["saved"]) > sure > max(means["paid anyway"])),
    over="5 seeds of 20 000 draws",
)

# %% [markdown]
# So robust optimization did not make the factory richer.
# It made its worst day better, which is what it was asked to do.
#
# ## A budget of errors: Bertsimas and Sim
#
# In a box everything goes wrong at once, and with many coefficients that is a strange fear.
# Bertsimas and Sim let at most $\Gamma$ coefficients of a row be off at the same time, so nature spends its budget on the largest $D_{ij}|x_j|$.
# That is a maximum inside a constraint, and linear programming duality turns it into
#
# $$\min_{z,\,p \,\ge\, 0}\ \Gamma z + \sum_j p_j$$
#
# $$\text{with } z + p_j \ge D_j\, |x_j|:$$
#
# $z$ is the price of one more error, and $p_j$ is what an error costs beyond that price.
# A minimum inside a constraint may simply be written into the program.
# With $\Gamma = 0$ you trust every number, and with $\Gamma = n$ you are back at the box.
#
# Their own example has 150 stocks, and a higher mean return comes with a wider range {cite}`bertsimas2004`.
# The plan is to promise as much as the set allows.

# %%
rows = [
    [
        f"{r['budget']:.0f}",
        gain["promised"][i],
        missed[i],
        gain["box"][i],
        gain["even split"][i],
    ]
    for i, r in enumerate(budgets)
]
table(
    [
        "budget Γ",
        "promised (%)",
        "missed (%)",
        "box (%)",
        "equal shares (%)",
    ],
    rows,
    digits=1,
)

# %% [markdown]
# Is a budget better than a box, or only bolder?
# A fair comparison lets both be missed *equally often*: the fourth column shrinks the box until its promise is missed as often as the budget's.
# The box still promises less, because for every width it puts all money into one stock.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Missed equally often, a budget promises at least two percentage points more than "
    "a box; but equal shares of all stocks come within a fifth of a point of it from "
    "Γ = 10 on.",
    bool(
        (gain["promised"] - gain["box"] > 2).all()
        and (abs(gain["promised"] - gain["even split"])[3:] < 0.2).all()
        and (gain["promised"] - gain["even split"])[0] > 1
    ),
    over="6 budgets, 5 seeds of 100 000 independent uniform draws, recorded",
)

# %% [markdown]
# The last column is the baseline that the comparison needs.
# Equal shares know nothing of budgets, and where misses are rare they do just as well, so what the budget bought there is diversification; only where you accept more misses does it choose better stocks.
#
# ## Robust least squares, and the norm it equals (El Ghaoui and Lebret)
#
# Now let the *data* of a regression be uncertain: some matrix $\Delta$ is added to $X$, of Frobenius norm (the root of the sum of squares) at most $r$.
# The residual becomes $(Xw - y) + \Delta w$, and $\Delta w$ is a vector of length at most $r|w|$, so by the triangle inequality
#
# $$\max_{|\Delta|_F \le r} |(X + \Delta) w - y| = |Xw - y| + r\,|w|.$$
#
# It is an equality, because $\Delta = r\,\dfrac{u\,w^\top}{|u||w|}$ with the residual $u = Xw - y$ points exactly where it hurts.
# Here the signs of $w$ do differ, and no single corner is the worst.

# %%
rng = np.random.default_rng(0)
X, y = rng.normal(size=(30, 4)), rng.normal(size=30)
fit = robust_least_squares(X, y, radius=1)
worst = np.linalg.norm((X + worst_perturbation(fit.w, X, y, 1)) @ fit.w - y)
noise = rng.normal(size=(1000, 30, 4))
noise /= np.linalg.norm(noise, axis=(1, 2), keepdims=True)
random = np.linalg.norm((X + noise) @ fit.w - y, axis=1)
rows = [
    ["unchanged", np.linalg.norm(X @ fit.w - y)],
    ["1000 random changes, the largest", random.max()],
    ["the worst change", worst],
    ["the formula", np.linalg.norm(X @ fit.w - y) + 1 * np.linalg.norm(fit.w)],
]
table(["residual norm", ""], rows, digits=4)

# %% [markdown]
# Set the gradient of the right-hand side to zero, and you find an old acquaintance.
# As long as neither $w$ nor the residual is zero,
#
# $$X^\top (Xw - y) + \lambda w = 0, \quad \lambda = r\,\frac{|Xw - y|}{|w|},$$
#
# which is *ridge regression*, with a penalty that depends on its own solution.
# So you may solve it by turns.


# %%
def plain_least_squares(X, y, r, steps=200):
    ridge = 0.0
    for _ in range(steps):
        w = np.linalg.solve(X.T @ X + ridge * np.eye(X.shape[1]), X.T @ y)
        ridge = r * np.linalg.norm(X @ w - y) / np.linalg.norm(w)
    return w, ridge


w, ridge = plain_least_squares(X, y, 1)
np.testing.assert_allclose(w, fit.w, atol=1e-9)
np.testing.assert_allclose(ridge, fit.ridge, rtol=1e-9)

# %% [markdown]
# The package finds the one root in the singular values instead, also where $w$ or the residual is zero, and returns a lower bound beside the value, which proves it.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
gaps, reached = [], []
for seed in range(100):
    rng = np.random.default_rng(seed)
    U, v, r = rng.normal(size=(20, 5)), rng.normal(size=20), rng.uniform(0, 3)
    some = robust_least_squares(U, v, r)
    gaps.append(some.value - some.bound)
    moved = U + worst_perturbation(some.w, U, v, r)
    reached.append(abs(np.linalg.norm(moved @ some.w - v) - some.value))
claim(
    "The worst perturbation attains the value, and the value meets its lower bound.",
    bool(max(np.abs(gaps)) < 1e-9 and max(reached) < 1e-9),
    over="100 random problems of 20 samples, radius 0 to 3, both to 1e-9",
)

# %%
show_source(robust_least_squares)

# %% [markdown]
# ## Real data: does it help patients? Diabetes
#
# The diabetes data of scikit-learn hold ten measurements of 442 patients and how their illness went on.
# Forty patients are for learning and the rest for testing, in twenty splits; columns and target are scaled to standard deviation one.
# Ridge regression, with its penalty chosen by cross-validation, is the obvious baseline, and the radius gets the same treatment with as many candidates.

# %%
seen = evidence.results["regression"]
names = (
    "least squares",
    "radius 2",
    "radius by cross-validation",
    "ridge by cross-validation",
)
rows = [
    [n, *[np.mean(seen[f"{n}: {k}"]) for k in ("test", "unchanged", "random", "worst")]]
    for n in names
]
table(
    ["mean of 20 splits", "test error", "residual", "random Δ", "worst Δ"],
    rows,
    digits=2,
)

# %% [markdown]
# The last three columns are residual norms on the training patients: as they are, with a random change of norm 2, and with the worst change of norm 2.
# In the last one all three cautious fits win by far, the tuned ridge among them, and that is the only place where they are *more robust*: against a random change of the same size plain least squares leaves the smaller residual, and on new patients the tuned radius and the tuned ridge are level, as two names for one family should be.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
test = {n: np.array(seen[f"{n}: test"]) for n in names}
apart = test[names[2]] - test[names[3]]
claim(
    "Radius 2 beats least squares under the worst change in every split and loses to it "
    "under random changes in most; on new patients the tuned radius and tuned ridge are "
    "level.",
    bool(
        (np.array(seen["radius 2: worst"]) < seen["least squares: worst"]).all()
        and (np.array(seen["radius 2: random"]) > seen["least squares: random"]).mean()
        > 0.5
        and abs(apart.mean()) < 2 * apart.std() / np.sqrt(len(apart))
    ),
    over="20 splits, recorded; level: the mean difference is within two standard errors",
)

# %% [markdown]
# ## Break it: errors that come together
#
# A budget of $\Gamma$ comes with a promise: if the errors are independent and symmetric, the constraint is broken with probability at most $e^{-\Gamma^2/2n}$ for $n$ uncertain coefficients {cite}`bertsimas2004`.
# Stocks fall together in a crash, and sensors drift together in the heat.
# So give all 150 stocks the *same* draw; each single stock then errs exactly as before.

# %%
together = 100 * np.array([np.mean(r["missed"]["together"]) for r in budgets])
rows = [
    [f"{r['budget']:.0f}", 100 * r["bound"], missed[i], together[i]]
    for i, r in enumerate(budgets)
]
table(["budget Γ", "bound (%)", "apart (%)", "together (%)"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "With independent errors the promise of Γ = 20 is missed less than once in a hundred "
    "times and within the bound; with the same errors for all stocks, more than forty "
    "times.",
    bool(
        missed[-1] < 1
        and together[-1] > 40
        and (missed / 100 < [r["bound"] for r in budgets]).all()
    ),
    over="5 seeds of 100 000 draws each, recorded",
)

# %% [markdown]
# The plan did not change and neither did any single stock, only the independence is gone.
# A box would have held, because it does not ask how likely anything is.
#
# > **Often believed, and wrong**
# >
# > "A robust plan is the better plan."
# > **It is better on its worst day, and often poorer on the others.** Whether it also wins on average depends on what an error costs, as the factory showed.
# >
# > "You need robust optimization to plan for the worst case."
# > **Where nothing can be negative, the ordinary program with pessimistic numbers is the robust one.** The theory pays where signs differ, or where not everything goes wrong at once.
# >
# > "Robust least squares makes a model robust."
# > **It is ridge regression under another name.** It protects against one kind of change, spread over the whole matrix with a norm below $r$, and on new patients it did neither better nor worse than a tuned ridge.
# >
# > "With a budget of twenty the constraint holds almost surely."
# > **Only if the errors are independent.** A common cause spends the whole budget at once.
#
# **Strengths**: no distribution is needed, the program stays linear, and feasibility is proven for the whole set instead of hoped for.
#
# **Limits**: the set is your choice, and what lies outside of it is not covered. A radius counts every column alike, so bring columns to one unit first. Rows are protected one by one, so two rows that share an uncertain number are treated as if each had its own.
#
# **Who is harmed when it fails**: those who stand behind the constraint, such as patients whose drug is out of stock, or a region whose power was planned on forecasts that all err on the same hot day.
#
# **In production** take RSOME or cvxpy to state uncertainty sets (cvxpy also knows ellipsoids), SciPy's HiGHS to solve the linear ones, and scikit-learn's `RidgeCV` instead of robust least squares.

# %% [markdown]
# ## Check yourself
#
# **1.** A hospital decides by a linear program how much of each of thirty medicines to order. Every content is known to within a few percent, and all demands must be met even if all the contents are off at once. What does it need?
#
# <details><summary>A robust program, because an ordinary one trusts its numbers.</summary>
#
# **Not so.** In `corner` an ordinary program got the lowest contents, and it came out with the robust program's value and plan.
#
# </details>
#
# <details><summary>An ordinary program with the lowest contents in it.</summary>
#
# **Right.** Nobody orders a negative amount, so for every plan the worst case is the same corner, and you can write it in beforehand.
#
# </details>
#
# <details><summary>An ordinary program, and a reserve on top of its plan.</summary>
#
# **Not so.** A reserve keeps the demands, but it keeps the supplier, too: `stock` was safe and earned less than `robust`, which had changed it.
#
# </details>
#
# **2.** A hundred and fifty solar plants lie in one valley, and a plan lets at most ten forecasts be wrong at once. It is missed too often, and the budget is doubled. What do you expect if the weather makes all forecasts err together?
#
# <details><summary>Almost no misses, because ten were too few.</summary>
#
# **Not so.** In `together` nearly half of the promises were still missed at the largest budget, while independent errors had made misses rare long before.
#
# </details>
#
# <details><summary>About half of the misses, because twice as many may err.</summary>
#
# **Not so.** From a budget of 10 to one of 20 the misses in `together` fell only by a few in a hundred.
#
# </details>
#
# <details><summary>Nearly as many misses, because all of them err at once.</summary>
#
# **Right.** A budget rests on errors that cancel, and a common cause spends it in one stroke. A box asks nothing of the kind, so it would hold.
#
# </details>
#
# **3.** In a year in which no error left its uncertainty set, a robust plan earned less than the ordinary plan would have. Was it a mistake?
#
# <details><summary>Yes, because inside of its set it should earn at least as much.</summary>
#
# **Not so.** It promises that only for the worst point of the set: in `means` the ordinary plan earned more on average as soon as unmade packs saved their costs.
#
# </details>
#
# <details><summary>Not for this reason: it was to improve the worst day.</summary>
#
# **Right.** Whether it also pays over a year depends on what an error costs, which the uncertainty set does not say.
#
# </details>
#
# <details><summary>Yes, because a smaller set would have been as safe and cheaper.</summary>
#
# **Not so.** In `missed` the promise of each smaller budget was broken more often, and that is what its higher promise was bought with.
#
# </details>

# %% [markdown]
# ## Exercise 1: the plan of PILOT4
#
# *Easy, 10 minutes.*
# In constraint 372 of PILOT4 these coefficients meet variables that are not zero; the others do not matter {cite}`bental2000`.
# The last coefficient is exactly one; the others were measured, and each may be off by the share `error` of its own size.
# Return how far the left-hand side can fall, as a multiple of the 23.387405 that the constraint demands.
#
# Hint: the worst case moves each term $a_j x_j$ by `error` times its size, whatever its sign.

# %% tags=["hide-input"]
coefficients = np.array(
    [-15.79081, -8.598819, -1.88789, -1.362417, -0.031883, -1.712592, -0.401597, 1.0]
)
amounts = np.array(
    [
        *(255.6112787, 6240.4889122, 3624.6133241, 18.2020507),
        *(174397.0389573, 14250.0017668, 25910.0073170, 104958.3199274),
    ]
)


# %% tags=["exercise"]
def shortage(coefficients, amounts, error):
    """Largest fall of the left-hand side, in units of 23.387405."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_shortage(attempt):
    # Asked twice, because in the plan all of the terms that move have one sign.
    other = amounts * np.where(np.arange(8) % 2, -1, 1)
    terms = 0.001 / 23.387405 * coefficients * np.array([amounts, other])
    right, signed = np.abs(terms[:, :-1]).sum(axis=1), terms[:, :-1].sum(axis=1)
    turned = "The terms were added with their signs; each moves in the worse direction."
    mistakes = {
        "A fall is asked for, as a positive number.": -right,
        "The last coefficient is exact; it cannot move.": np.abs(terms).sum(axis=1),
        turned: signed,
        turned + " The size of the sum is too late.": np.abs(signed),
        "Divide by what the constraint demands.": right * 23.387405,
    }
    answer = attempt(coefficients, amounts, 0.001)
    if answer is not None and answer is not ...:
        answer = [answer, attempt(coefficients, other, 0.001)]
    check_answer(answer, right, mistakes, 1e-4)


check_shortage(shortage)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def shortage_solution(coefficients, amounts, error):
    size = np.abs(coefficients * amounts)[:-1]
    return error * size.sum() / 23.387405


check_shortage(shortage_solution)
# Why: the plan multiplies measured coefficients by amounts of a hundred thousand and
# lets large terms cancel. A tenth of a percent of what cancels is more than what is left.

# %% [markdown]
# ## Exercise 2: when to change the supplier
#
# *Medium, 15 minutes.*
# In the drug problem the content of raw material I is known to 0.5 %.
# Return the smallest error of raw material II, as a share, from which on the robust plan buys raw material I.
#
# Hint: both plans are limited by the money, so compare what a gram of active agent costs for certain: raw I costs 100 dollars per kg and holds at least $0.01 \cdot 0.995$ g, raw II costs 199.90 dollars and holds at least $0.02\,(1 - e)$ g.


# %% tags=["exercise"]
def switch():
    """The error e of raw material II at which both suppliers cost the same."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_switch(attempt):
    right = 1 - 199.9 / 0.02 * (0.01 * 0.995) / 100
    mistakes = {
        "You compared with the nominal content of raw I; it may be 0.5 % lower.": 1
        - 199.9 / 0.02 * 0.01 / 100,
        "That is in percent; a share was asked for.": 100 * right,
    }
    check_answer(attempt(), right, mistakes, tolerance=1e-5)


check_switch(switch)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def switch_solution():
    sure = 100 / (0.01 * 0.995)  # dollars for a gram of raw I, at worst
    return 1 - 199.9 / 0.02 / sure


check_switch(switch_solution)
for e, buys in ((0.0054, 1), (0.0056, 0)):
    low = D * [1, e / 0.02, 0, 0]
    assert robust_linear_program(cost, A, b, low).x[buys] > 100
# Why: nominally raw II is cheaper by half a gram in a thousand, so hardly anything has to
# go wrong before the better known supplier wins. The plan jumps; it does not bend.

# %% [markdown]
# ## Exercise 3: the worst change of the data
#
# *Medium, 15 minutes.*
# Write the matrix $\Delta$ with $|\Delta|_F = r$ that makes $|(X + \Delta)w - y|$ as large as possible, for $w$ and residual both different from zero.
#
# Hint: $\Delta w$ should be as long as possible and point along the residual; `np.outer(u, w)` has rank one and norm $|u||w|$.


# %% tags=["exercise"]
def worst_change(w, X, y, r):
    """An (n, d) matrix of Frobenius norm r."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_worst_change(attempt):
    rng = np.random.default_rng(1)
    X, y, w = rng.normal(size=(4, 2)), rng.normal(size=4), np.array([1.0, -2.0])
    right = worst_perturbation(w, X, y, 0.5)
    u = X @ w - y
    mistakes = {
        "It points against the residual, so it makes it shorter.": -right,
        "Its norm is not r: divide by the norms of u and w.": 0.5 * np.outer(u, w),
        "Its norm is r |w|: divide by the norm of w, too.": 0.5
        * np.outer(u, w)
        / np.linalg.norm(u),
        "Its norm is r |u|: divide by the norm of u, too.": 0.5
        * np.outer(u, w)
        / np.linalg.norm(w),
    }
    along = 0.5 * np.outer(y, w) / np.linalg.norm(y) / np.linalg.norm(w)
    mistakes["It points along y; the residual has to grow."] = along
    mistakes["It points against y; the residual has to grow."] = -along
    check_answer(attempt(w, X, y, 0.5), right, mistakes)


check_worst_change(worst_change)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def worst_change_solution(w, X, y, r):
    u = X @ w - y
    return r * np.outer(u, w) / (np.linalg.norm(u) * np.linalg.norm(w))


check_worst_change(worst_change_solution)
# Why: among all matrices of norm r, the one of rank one along w gives the longest Δw, and
# along u that length is added to the residual in full. Any other direction wastes some.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]
ahead = [r["ratio"] for r in speed if "cvxpy" in r["peer"]]
Markdown(
    "The book's code knows boxes, budgets and one ball, and cvxpy knows every convex set "
    "(ellipsoids, for example); on what both know they agree to "
    f"{max(evidence.results['agreement']['largest difference'].values()):.0e}, and the "
    f"book's is {int(min(ahead))} to {int(max(ahead))} times as quick, where cvxpy's time "
    "includes that of compiling the program."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in speed]
table(["work", "compared with", "its time / ours"], rows, digits=1)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Robust Optimization**: Optimizing AI systems to be robust to uncertainties and perturbations.
#
# The uncertainty is the set, the perturbation is its worst point, and robust means: for that set, and for no other.
# The source has no listing for it.
#
# ## References
#
# The box: Soyster (1973), as told by {cite:t}`bertsimas2004`, who brought the budget; uncertain linear programs: {cite:t}`bental1999`; PILOT4 and its neighbours: {cite:t}`bental2000`; the book: {cite:t}`bental2009`.
# Robust least squares: {cite:t}`elghaoui1997`; the drug problem with its published values: {cite:t}`elghaoui_drugs`.
