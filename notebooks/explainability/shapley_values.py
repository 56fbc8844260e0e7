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
# # Shapley values
#
# Exact values, KernelSHAP and permutation sampling: dividing one answer of a model among its features.
#
# In 2019 customers of a new credit card complained that it gave women lower limits than men, and one of them called the algorithm behind it a black box.
# The regulator found no unlawful discrimination, and that the decisions could be explained; but it also found that too little had been explained to the customers, and that this had undermined their trust {cite}`nydfs2021`.
#
# **How do you divide one answer of a model among the features that it was made from?**
#
# You need this as soon as your model decides about people: in the United States, for one, a lender that refuses you owes you its principal reasons {cite}`regulationb2011`.
# Shapley values are a common way to get them, and this page shows what is exact about them, what is estimated, and which part of the answer is your own choice.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compute Shapley values exactly or by KernelSHAP and permutations, say how far an estimate is off, and name the game that your values belong to |
# | You need | NumPy, Matplotlib, PyTorch, scikit-learn; means, standard errors, least squares, logarithms and log-odds, and what a classifier is |
# | Time | 30 minutes to read, 40 for the exercises |
# | Code | `companion.explainability.shapley_values` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from itertools import permutations
from math import comb, factorial

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from sklearn.datasets import load_breast_cancer

from companion.datasets import breast_cancer
from companion.explainability.shapley_values import (
    all_coalitions,
    coalition_values,
    exact_shapley,
    kernel_shap,
    permutation_shapley,
    shapley_of_game,
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
from companion.scores import class_score
from companion.training import train_classifier

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A network reads twelve measurements of a tumour, and you want to know which of them made it say *malignant*.
# The exact answer asks the network about all $2^{12}$ **coalitions**, the sets of measurements that it may know; a cheaper one asks about some that are drawn at random.
#
# **Guess before you look**: you may ask in pairs, each coalition together with the measurements that it leaves out.
# Does that bring you closer to the exact answer for the same number of questions?

# %% tags=["hide-input"]
d = 12
data = breast_cancer()
X_train, X_test = data.X_train[:, :d], data.X_test[:, :d]
network = mlp([d, 32, 32, 2], torch.Generator().manual_seed(0))
inputs, labels = torch.from_numpy(X_train).float(), torch.from_numpy(data.y_train)
train_classifier(network, inputs, labels, seed=0, epochs=30)
malignant, benign = (class_score(network.double(), k) for k in (0, 1))


def log_odds(X):
    """Of malignant against benign, one number for each row."""
    rows = torch.from_numpy(X)
    return (malignant(rows) - benign(rows)).numpy()


x = X_test[2]
some = np.random.default_rng(0).choice(len(X_train), 50, replace=False)
background = X_train[some]
values = coalition_values(log_odds, x, background, all_coalitions(d))

# %% mystnb={"figure": {"caption": "Root mean square error of the twelve Shapley values of one case, over 20 seeds, against the rows that the model is asked. Left: the log-odds of a network on breast tumours, with 50 background rows for each coalition. Right: a model in which features interact in threes, with one background row. The dotted line is the cost of the exact values. The answers to all coalitions were computed once and are looked up.", "name": "fig-shapley"}, "image": {"alt": "Two panels with logarithmic axes and three falling lines each. Left, a network: single draws have the largest error, pairs from five thousand rows on the smallest, little more than half of it, and permutations lie between. Right, a model of triples: single draws have the smallest error, pairs about one and a half times and permutations twice as much. A dotted vertical line at 204800 rows on the left and 4096 on the right marks the exact values."}} tags=["hide-input"]
rng = np.random.default_rng(0)
triples = [rng.permuted(np.arange(d))[:3] for _ in range(40)]
weights = rng.normal(size=40)


def of_triples(X):
    return sum(w * X[:, t].prod(axis=1) for w, t in zip(weights, triples))


def as_model(game):
    """A model of zeros and ones that looks the value of a coalition up."""
    place = 2 ** np.arange(len(game).bit_length() - 1)
    one = np.ones(len(place))
    return lambda Z: game[(Z @ place).astype(int)], one, 0 * one[None]


METHODS = {
    "single draws": lambda *case, n, rng: kernel_shap(
        *case, coalitions=n, rng=rng, paired=False
    ),
    "pairs": lambda *case, n, rng: kernel_shap(*case, coalitions=n, rng=rng),
    "permutations": lambda *case, n, rng: permutation_shapley(
        *case, permutations=n // 22, rng=rng
    ),
}


def error_curve(method, game, seeds=20):
    f, one, zero = as_model(game)
    exact, rows, asked, error = shapley_of_game(game), [], [], []

    def counted(Z):
        rows.append(len(Z) if len(Z) > 1 else 0)  # one row is only the check of f
        return f(Z)

    for n in (66, 132, 264, 528, 1056, 2112):
        rows.clear()
        draws = [np.random.default_rng(seed) for seed in range(seeds)]
        runs = [METHODS[method](counted, one, zero, n=n, rng=rng) for rng in draws]
        asked.append(sum(rows) / seeds)
        error.append(np.sqrt(np.mean((np.array(runs) - exact) ** 2)))
    return np.array(asked), np.array(error)


of_threes = coalition_values(
    of_triples, np.ones(d), -np.ones((1, d)), all_coalitions(d)
)
curves = {
    (kind, method): error_curve(method, game)
    for kind, game in (("network", values), ("triples", of_threes))
    for method in METHODS
}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.9))
for ax, kind, each in zip(axes, ("network", "triples"), (50, 1)):
    for method, colour, line in zip(
        METHODS, ("red", "blue", "grey"), ("--", "-", "-.")
    ):
        asked, error = curves[kind, method]
        ax.loglog(
            each * asked,
            error,
            line,
            marker="o",
            ms=4,
            color=COLOURS[colour],
            label=method,
        )
    ax.axvline(each * 2**d, color=COLOURS["black"], ls=":", lw=1.5, label="all: exact")
    ax.set(xlabel="rows that the model is asked", ylabel="error of a value")
    ax.minorticks_off()
axes[0].set_ylabel("error of a value (log-odds)")
axes[0].set_title("A network")
axes[1].set_title("A model of triples")
axes[0].set_yticks([0.01, 0.02, 0.05], ["0.01", "0.02", "0.05"])
axes[1].set_yticks([0.3, 1, 3], ["0.3", "1", "3"])
axes[0].legend(fontsize=9)
plt.show()

# %% [markdown]
# On the network pairs are soon the best and single draws the worst, with walks through permutations in between.
# On the right, where features interact in threes, the same trick makes matters worse, and further down you will see why.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
evidence = recorded("explainability/shapley_values")
ratio = {
    name: np.array([pairs / single for single, pairs, _ in games])
    for name, games in evidence.results["pairs"]["games"].items()
}
shown = {
    kind: curves[kind, "pairs"][1] / curves[kind, "single draws"][1]
    for kind in ("network", "triples")
}
claim(
    "On the log-odds of networks pairs have about half the error of as many single "
    "draws, in the median, and a smaller one in nineteen of twenty cases; with triples "
    "they have the larger error in each of 10 models.",
    bool(
        (ratio["log-odds"] < 1).mean() >= 0.95
        and 0.35 < np.median(ratio["log-odds"]) < 0.6
        and (ratio["triples only"] > 1.2).all()
        and (shown["network"][2:] < 0.8).all()
        and (shown["triples"][2:] > 1.1).all()
    ),
    over="5 networks with 20 tumours each, 176 draws, 20 seeds, recorded; and the figure from 264 draws on",
)


# %% [markdown]
# ## The idea on four numbers
#
# An applicant has an income of 2 and savings of 3, and a model multiplies them: its score is 6.
# Two earlier applicants serve as the **background**: one had 0 and 0, the other 1 and 1.
#
# What would the model say if it knew only some of the features?
# Let the features that it knows be those of the applicant, take all others from a row of the background, and average over the rows:
#
# - nothing known: $(0 \cdot 0 + 1 \cdot 1)/2 = 0.5$;
# - only the income: $(2 \cdot 0 + 2 \cdot 1)/2 = 1$;
# - only the savings: $(0 \cdot 3 + 1 \cdot 3)/2 = 1.5$;
# - both: $6$.
#
# Now let the features come in one after the other and pay each what it adds.
# If the income comes first it gets $1 - 0.5 = 0.5$, and the savings get $6 - 1 = 5$; if the savings come first they get $1$, and the income $4.5$.
# Nobody has a right to be first, so take the mean over both orders: the income gets $2.5$, the savings get $3$, and together that is exactly $6 - 0.5$.
# The package's function does the same and returns both values.


# %%
def product(X):
    return X[:, 0] * X[:, 1]


applicant, earlier = np.array([2.0, 3.0]), np.array([[0.0, 0.0], [1.0, 1.0]])
exact_shapley(product, applicant, earlier)

# %% [markdown]
# ## The equation: Shapley's value of a game
#
# Let $N$ be the set of all $d$ features, $x$ the case and $B$ a background of $m$ rows.
# The **cooperative game** gives every coalition $S \subseteq N$ a value, namely the mean answer if the features of $S$ are those of $x$ and all others those of a row $b$ of the background:
#
# $$v(S) = \frac{1}{m} \sum_{b \in B} f(x_S, b_{N \setminus S}).$$
#
# Feature $i$ gets what it adds when it comes in, averaged over all $d!$ orders.
# In $s!\,(d - s - 1)!$ of them exactly the $s$ features of $S$ come before $i$, and so
#
# $$\phi_i = \sum_{S \not\ni i} \frac{s!\,(d - s - 1)!}{d!}\, \big(v(S \cup \{i\}) - v(S)\big).$$
#
# In code the first wording is the plainest: walk through every order, and replace the columns of the background one by one.


# %%
def by_orders(f, x, background):
    total = np.zeros(len(x))
    for order in permutations(range(len(x))):
        rows = background.copy()
        for i in order:
            before = f(rows).mean()
            rows[:, i] = x[i]
            total[i] += f(rows).mean() - before
    return total / factorial(len(x))


def five(X):
    return np.exp(X[:, 0] * X[:, 1] - X[:, 2]) + X[:, 3] * X[:, 4]


few, row = X_train[:6, :5], X_test[0, :5]
np.testing.assert_allclose(
    by_orders(five, row, few), exact_shapley(five, row, few), rtol=0, atol=1e-9
)

# %% [markdown]
# Twelve features have 479 million orders but only 4096 coalitions, so the package takes the second wording, and asks the model about many coalitions at once.

# %%
show_source(exact_shapley)

# %% [markdown]
# ## The four axioms, and when a feature fulfils them
#
# Why the mean over orders, and nothing else?
# Because no other rule of payment has these four properties at once {cite}`shapley1953`:
#
# | axiom | in a game | for the features of a model |
# | :--- | :--- | :--- |
# | efficiency | the payments sum to $v(N) - v(\emptyset)$ | they sum to $f(x)$ minus the mean answer over the background |
# | symmetry | two players who add the same to every coalition get the same | needs a model *and* a background that do not change if the two columns are swapped, and equal entries in $x$ |
# | null player | who never adds anything gets nothing | a feature that $f$ does not read gets nothing in this game; in others it may get something |
# | additivity | the sum of two games pays the sum of their payments | explaining $f + g$ is explaining $f$ and $g$ |

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
rng, worst = np.random.default_rng(0), np.zeros(4)
for players in np.repeat(np.arange(2, 10), 25):
    S, place = all_coalitions(players), 2 ** np.arange(players)
    u, v = rng.normal(size=(2, 2**players))
    swapped = np.column_stack([S[:, 1], S[:, 0], S[:, 2:]])
    without = S * (place > 1)  # player 0 adds nothing
    alike = shapley_of_game(v + v[swapped @ place])
    apart = shapley_of_game(u + v) - shapley_of_game(u) - shapley_of_game(v)
    errors = [
        shapley_of_game(v).sum() - (v[-1] - v[0]),
        alike[0] - alike[1],
        shapley_of_game(v[without @ place])[0],
        np.abs(apart).max(),
    ]
    worst = np.maximum(worst, np.abs(errors))
claim(
    "Efficiency, symmetry, null player and additivity hold to 1e-10.",
    bool((worst < 1e-10).all()),
    over="200 random games of 2 to 9 players",
)

# %% [markdown]
# ## The algorithm: Shapley additive explanations (KernelSHAP)
#
# With thirty features there are a billion coalitions, and nobody asks them all.
# KernelSHAP gets by with some of them, because Shapley values are also the solution of a regression {cite}`charnes1988,lundberg2017`: they fit $v(\emptyset) + \sum_{i \in S} \phi_i$ to $v(S)$ by weighted least squares, under the constraint that they sum to $v(N) - v(\emptyset)$, if a coalition of $s$ features weighs
#
# $$w(S) = \frac{d - 1}{\binom{d}{s}\, s\, (d - s)}.$$
#
# 1. Draw coalitions with probability in proportion to $w$, or take all of them.
# 2. Ask the model for the value $v(S)$ of each.
# 3. Solve the least squares, where every draw counts once; if all coalitions were taken, each counts $w(S)$.
# 4. Return $\phi$.
#
# The constraint costs no extra code.
# Write $\phi_i = g/d + \beta_i$, with $g = v(N) - v(\emptyset)$ and $\beta$ summing to zero; then a coalition of $s$ features is owed $g\,s/d$, and only the rest is left to fit.


# %%
def least_squares(Z, v, w, empty, gain):
    """Coalitions Z, their values and weights; the value of none, and v(N) - v(none)."""
    share = Z.mean(axis=1)  # s / d
    A = np.sqrt(w)[:, None] * (Z - share[:, None])
    y = np.sqrt(w) * (v - empty - share * gain)
    return gain / Z.shape[1] + np.linalg.lstsq(A, y, rcond=1e-10)[0]


Z = all_coalitions(d)[1:-1]  # all but the empty one and the full one
s = Z.sum(axis=1)
w = (d - 1) / (np.array([comb(d, k) for k in s]) * s * (d - s))
fit = least_squares(Z, values[1:-1], w, values[0], values[-1] - values[0])
np.testing.assert_allclose(fit, kernel_shap(log_odds, x, background), rtol=0, atol=1e-8)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
exact = shapley_of_game(values)
gain = values[-1] - values[0]
sums = [
    METHODS[method](log_odds, x, background, n=n, rng=np.random.default_rng(n)).sum()
    for method in METHODS
    for n in (66, 132, 500)
]
claim(
    "With all coalitions the least squares are the exact values to 1e-8, and with few "
    "the values still sum to what they have to, to 1e-10.",
    bool(
        np.abs(fit - exact).max() < 1e-8 and np.abs(np.array(sums) - gain).max() < 1e-10
    ),
    over="the network and one tumour; three methods at 66, 132 and 500 draws",
)

# %%
show_source(kernel_shap)

# %% [markdown]
# ### Why pairs help, and when they do not
#
# Split a game into a part that is the same for a coalition and its complement, and one that changes its sign: $v(S) = e(S) + o(S)$ with $e(S) = e(N \setminus S)$ and $o(S) = -o(N \setminus S)$.
# The first part pays nobody anything, because in the reverse order feature $i$ takes back what it was given.
# In a random sample it is noise, and in a pair it cancels {cite}`fumagalli2026`.
#
# Let $s_i$ be $1$ if feature $i$ is in $S$ and $-1$ if it is not, so that a complement turns all signs.
# A product $s_1 s_2$ does not change then, and so it belongs to the first part; that is why pairs are *exact* where no more than two features interact {cite}`mayer2025`.
# A product $s_1 s_2 s_3$ turns its sign, so there pairs cancel nothing, and you have half as many independent draws.
# If that is all, the error should grow by $\sqrt{2} \approx 1.4$.

# %% tags=["hide-input"]
named = {
    "pairs only": "no more than two features interact",
    "log-odds": "5 networks, log-odds",
    "probability": "the same 5, probability",
    "boosted trees": "boosted trees, log-odds",
    "all orders alike": "a random number per coalition",
    "triples only": "features interact in threes",
}
rows = [
    [
        text,
        len(ratio[name]),
        np.median(ratio[name]),
        ratio[name].min(),
        ratio[name].max(),
        (ratio[name] > 1).sum(),
    ]
    for name, text in named.items()
]
table(
    ["error of pairs / of single draws", "cases", "median", "least", "most", "above 1"],
    rows,
    digits=2,
)

# %% [markdown]
# The first line is exact and the last one as expected.
# For the same networks it matters even what you explain, because the logistic function makes features interact in threes and more: pairs hurt more often if you explain the probability.
#
# ## Permutation sampling
#
# The other way to save is to keep the orders and walk through a few of them.
# Each walk asks about $d - 1$ coalitions between the empty one and the full one, and the package walks it backwards as well, which is again a sampling in pairs.
# What you get is a plain mean, and so it is right on average, however few walks you take {cite}`castro2009,mitchell2022`.
#
# KernelSHAP cannot promise that: it divides one estimate by another, and the mean of a quotient is not the quotient of the means {cite}`covert2021`.
# It is *consistent*: the bias vanishes as the draws grow.
# Here both have been run 4000 times on each of five random games of six players; the last column says what the mean error would be by chance, if there were no bias.

# %% tags=["hide-input"]
bias = evidence.results["bias"]["rows"]
rows = [
    [f"{r['estimate']}, {r['draws']}", r["rmse"], r["bias"], r["noise"]] for r in bias
]
table(
    ["drawn", "error of one run", "size of the mean error", "by chance"], rows, digits=3
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
squares = [r for r in bias if r["estimate"] == "least squares"]
walks = [r for r in bias if r["estimate"] == "permutations"]
claim(
    "With few draws KernelSHAP is biased, by less than a tenth of its error; for "
    "permutations no bias shows.",
    all(r["largest share"] < 0.1 for r in squares)
    and all(r["bias"] > 1.4 * r["noise"] for r in squares[:2])
    and all(r["bias"] < 1.4 * r["noise"] for r in walks),
    over="5 random games, 4000 runs each, recorded",
)

# %%
show_source(permutation_shapley)

# %% [markdown]
# ## Real data: why was this tumour called malignant?
#
# The tumour of the picture comes from the test set, and its background are 50 tumours of the training set.
# The values are exact, and in log-odds they can be added up like a bill.

# %% tags=["hide-input"]
names = load_breast_cancer().feature_names[:d]
largest = np.argsort(-np.abs(exact))[:5]
rows = [["the background, on average", "", values[0]]]
rows += [[names[i], f"{x[i]:+.1f}", exact[i]] for i in largest]
rows += [["the seven others", "", np.delete(exact, largest).sum()]]
rows += [["this tumour", "", values[-1]]]
table(
    ["", "standard deviations above the mean", "log-odds of malignant"], rows, digits=2
)

# %% [markdown]
# So you may say which measurements raised the score, against these 50 tumours.
# You may not say that a tumour with another value there would have been called benign, because that is a question about other inputs, and the values answer one about coalitions of this one.
#
# ## Break it: the same case, three games
#
# The axioms leave one payment *for a game*, but the game was ours.
# Take ten earlier applicants, each with high or low income (1 or 0) and a good or bad neighbourhood, where the two mostly go together, and a model that reads the income only.
# A new applicant has both.
# The package's `shapley_of_game` turns the values of all coalitions, in the order of `all_coalitions`, into payments.

# %%
ten = np.array([[1.0, 1]] * 4 + [[0.0, 0]] * 4 + [[1.0, 0], [0.0, 1]])
new = np.array([1.0, 1.0])


def income(X):
    return X[:, 0]


def conditional(f, x, rows):
    """For each coalition the mean of f over the rows that agree with x on it."""
    S = all_coalitions(len(x))
    return [f(rows[(rows == x)[:, known].all(axis=1)]).mean() for known in S]


# %%
games = {
    "one baseline, low and bad": coalition_values(
        income, new, [[0, 0]], all_coalitions(2)
    ),
    "interventional, all ten": coalition_values(income, new, ten, all_coalitions(2)),
    "conditional, all ten": conditional(income, new, ten),
}
rows = [[name, *shapley_of_game(v), v[-1] - v[0]] for name, v in games.items()]
table(["game", "income", "neighbourhood", "sum"], rows, digits=2)

# %% [markdown]
# All three fulfil every axiom, and no two of them agree.
# The single baseline asks *why not 0?*, and the interventional game *why not the average?*
# The conditional game pays the neighbourhood, which the model does not read, because who knows the neighbourhood can guess the income.
#
# Which one is right depends on what you want to know.
# For what the *model* does, the interventional game is the natural one {cite}`janzing2020`, and it is the one that this page computes; its price is that it asks the model about mixtures that may never occur.
# The conditional game describes the *data*, and can accuse a model of reading what it does not {cite}`sundararajan2020`.
#
# ## Break it: draws that are weighted twice
#
# This bug is easily made: the coalitions are drawn in proportion to $w$, and then weighted by $w$ again in the regression.
# Nothing fails, the values sum to the right number and look plausible.
# But more draws hardly help, because the estimate now tends to something else: to what all coalitions give with the weights $w^2$.


# %%
def drawn(n, rng):
    k = np.arange(1, d)
    chance = 1 / (k * (d - k))  # of a size: w times the number of such coalitions
    size = rng.choice(k, n, p=chance / chance.sum())
    return rng.permuted(np.arange(d) < size[:, None], axis=1)


def largest_error(n, seed, twice):
    Z = drawn(n, np.random.default_rng(seed))
    code = Z @ 2 ** np.arange(d)
    again = w[code - 1] if twice else np.ones(n)
    phi = least_squares(Z, values[code], again, values[0], gain)
    return np.abs(phi - exact).max()


far = {
    (n, twice): np.array([largest_error(n, seed, twice) for seed in range(5)])
    for n in (1000, 30_000)
    for twice in (False, True)
}
limit = [
    np.abs(least_squares(Z, values[1:-1], w**k, values[0], gain) - exact).max()
    for k in (1, 2)
]
rows = [[n, far[n, False].mean(), far[n, True].mean()] for n in (1000, 30_000)]
rows += [["no end of draws", *limit]]
table(["draws", "each counts once", "weighted again"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "With thirty times the draws the right estimate has less than a third of its error, "
    "and the one that weighs twice keeps more than half.",
    bool(
        far[30_000, False].mean() < far[1000, False].mean() / 3
        and far[30_000, True].mean() > far[1000, True].mean() / 2
        and limit[0] < 1e-8
        and limit[1] > far[1000, True].mean() / 2
    ),
    over="the network and one tumour, 5 seeds",
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "Shapley values are the only fair explanation."
# > **They are the only payment with four properties in one game, and you chose the game.** Another background, or the conditional game, gives other values for the same model and the same person.
# >
# > "KernelSHAP is unbiased."
# > **It is consistent, with a small bias when draws are few.** Unbiased are the means over permutations.
# >
# > "Sampling in pairs always pays."
# > **It pays where the part that pairs cancel is large, as it is if features interact in twos.** With interactions of three it costs accuracy.
# >
# > "A value of zero means that the model does not care about the feature."
# > **For a linear model it means that the feature is as large as in the background, on average.** Its weight may be the largest of all, as Exercise 1 shows.

# %% [markdown]
# **Strengths**: the values add up to the answer, they need nothing but the model's answers, and for up to some twenty features they are exact.
#
# **Limits**: they explain one answer against one background and say nothing about causes in the world; interactions are folded into single numbers; and a model can be built that answers differently on the mixtures that it is asked about, and so hides what it reads {cite}`slack2020`.
# A model of curves that add up, as on the page on [additive models](additive_models.ipynb), shows what it does without a game.
#
# **Who is harmed when it fails**: an applicant who is told to save more, because the background was chosen so that savings come out first, when the neighbourhood decided; and the group that an auditor fails to see behind a bar chart that adds up.
#
# **In production** take the library `shap`: `shap.TreeExplainer` for trees, whose exact values it finds without enumeration, as the page on [TreeSHAP](tree_shap.ipynb) shows, and `shap.explainers.Permutation` or `shap.KernelExplainer` for other models.
# Where you have the gradients of a network, [integrated gradients](integrated_gradients.ipynb) divide its answer, too, along one path from a baseline instead of over all orders, and the maps of [feature attribution](feature_attribution.ipynb) cost less still.

# %% [markdown]
# ## Check yourself
#
# **1.** An auditor pays the features of a credit model by the conditional game, and the postcode gets a share. The bank swears that its model does not read the postcode. Who is right?
#
# <details><summary>The auditor: a column that is not read cannot earn anything.</summary>
#
# **Not so.** The model `income` reads the income alone, and the game `conditional` pays the neighbourhood as well.
#
# </details>
#
# <details><summary>The bank: by the axioms an unread column gets zero, so the auditor erred.</summary>
#
# **Not so.** All of the `games` fulfil the axioms; in the conditional one the unread column does add something, because it tells what the income may be.
#
# </details>
#
# <details><summary>Perhaps both: the postcode may tell something about what is read.</summary>
#
# **Right.** The conditional game describes the data. For what the model itself reads, take the interventional game.
#
# </details>
#
# **2.** For a report you average the Shapley values of ten thousand customers, and you can afford few questions to the model for each. Which estimate do you take?
#
# <details><summary>Permutations, because they are right on average, however few.</summary>
#
# **Right.** A mean over customers shrinks errors that are right on average, and it need not shrink a bias.
#
# </details>
#
# <details><summary>KernelSHAP, because its values sum to each answer, so errors cancel.</summary>
#
# **Not so.** With few draws the mean error of `least squares` over thousands of runs was well above chance, although the values of each run sum to what they have to.
#
# </details>
#
# <details><summary>Either, because in so large a mean every error of sampling vanishes.</summary>
#
# **Not so.** In the rows of `bias` that was so for `permutations`, but not for `least squares` with few draws.
#
# </details>
#
# **3.** By their Shapley value, the debts of a refused applicant took 3 from her score, and she missed the limit by 2. She pays them down to the background's average. What then?
#
# <details><summary>She passes, because her score rises by 3.</summary>
#
# **Not so.** In `product` the income was paid $2.5$, but with the average income of `earlier`, $0.5$, the score is $0.5 \cdot 3 = 1.5$ and falls by $6 - 1.5 = 4.5$.
#
# </details>
#
# <details><summary>She may pass or not; the model has to be asked.</summary>
#
# **Right.** A value is a mean over coalitions of this one input, and with lower debts she is another input.
#
# </details>
#
# <details><summary>She fails, because others share in those 3.</summary>
#
# **Not so.** In `product` the two features share in the score, too, and there the change of the income moves it by more than the income's value, not by less.
#
# </details>

# %% [markdown]
# ## Exercise 1: a linear model needs no coalitions
#
# *Easy, 10 minutes.*
# Let $f(x) = w \cdot x + c$.
# Return its Shapley values without asking it once.
#
# Hint: whatever is known already, feature $i$ replaces $w_i b_i$ by $w_i x_i$ in every row $b$ of the background.


# %% tags=["exercise"]
def linear_values(w, x, background):
    """Shapley values (d,) of w @ x + c for the case x, weights w, and an (m, d) background."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_linear_values(attempt):
    w, case = np.array([3.0, -1, 0.5, 2]), X_test[2, :4]
    rows = background[:, :4]
    expected = exact_shapley(lambda X: X @ w + 7, case, rows)
    mistakes = {
        "Against which background? A feature that equals it adds nothing.": w * case,
        "That is one row of the background; take the mean over all.": w
        * (case - rows[0]),
        "The sign is turned: the case comes in and the background goes.": w
        * (rows.mean(axis=0) - case),
        "The change of the feature is right, but it has a weight.": case
        - rows.mean(axis=0),
    }
    check_answer(attempt(w, case, rows), expected, mistakes)


check_linear_values(linear_values)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def linear_values_solution(w, x, background):
    return w * (x - background.mean(axis=0))


check_linear_values(linear_values_solution)
# Why: what a feature adds does not depend on who came before, so all orders agree.
# A feature at the background's mean gets zero, whatever its weight.

# %% [markdown]
# ## Exercise 2: against whom?
#
# *Easy, 10 minutes.*
# A doctor asks why this tumour is rated higher than *benign* ones.
# Return the exact values of `log_odds` at the case `x` against the first 50 tumours in `X_train` whose entry in `data.y_train` is `label` (0 is malignant, 1 benign).
#
# Hint: everything that is named here was defined for the picture; only the background changes.


# %% tags=["exercise"]
def against(label):
    """Exact Shapley values (12,) of log_odds at x against 50 training rows of one label."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def answers(*backgrounds):
    return [exact_shapley(log_odds, x, rows) for rows in backgrounds]


def check_against(attempt):
    both = X_train[data.y_train == 1], X_train[data.y_train == 0]
    early = [X_train[:50][data.y_train[:50] == k] for k in (1, 0)]
    right = answers(both[0][:50], both[1][:50])
    mistakes = {
        "That is the background of the picture, with both labels.": [exact] * 2,
        "The labels are exchanged: 0 is malignant, 1 benign.": right[::-1],
        "That is the same for both labels; use the argument.": right[:1] * 2,
        "Those are the rows of the label among the first 50.": answers(*early),
        "Those are all rows of the label; take the first 50.": answers(*both),
    }
    answer = attempt(1)
    empty = answer is None or answer is ...
    check_answer(answer if empty else [answer, attempt(0)], right, mistakes)


check_against(against)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def against_solution(label):
    rows = X_train[data.y_train == label][:50]
    return exact_shapley(log_odds, x, rows)


check_against(against_solution)
# Why: the background is the question, because values sum to f(x) minus its mean answer.
# Against malignant tumours the same case may have values that lower the score.

# %% [markdown]
# ## Exercise 3: several columns, one player
#
# *Medium, 20 minutes.*
# A category is often spread over several columns, and then nobody wants a value for each of them.
# Let each *group* of columns be one player, who brings all of its columns or none, and return the exact values of the groups.
#
# Hint: a row of `all_coalitions(number of groups)` says which groups are present; make from it a row that says which columns are, ask `coalition_values` for all such rows, and give the answers to `shapley_of_game`.


# %% tags=["exercise"]
def group_values(f, x, background, groups):
    """Exact values, one for each group; `groups` is a list of lists of column numbers."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_group_values(attempt):
    def f(X):
        return X[:, 0] * X[:, 1] * X[:, 2] + X[:, 3]

    case, rows = np.arange(1.0, 5.0), background[:5, :4]
    groups = [[0], [1, 2], [3]]
    present = np.zeros((8, 4), dtype=bool)
    for player, columns in enumerate(groups):
        present[:, columns] = all_coalitions(3)[:, [player]]
    right = shapley_of_game(coalition_values(f, case, rows, present))
    wrong = shapley_of_game(coalition_values(f, case, rows, ~present))
    single = exact_shapley(f, case, rows)
    mistakes = {
        "Those are the columns' own values added up; a group comes in as one.": [
            single[columns].sum() for columns in groups
        ],
        "Present and absent are exchanged.": wrong,
        "Those are the groups in reverse order.": right[::-1],
    }
    check_answer(attempt(f, case, rows, groups), right, mistakes)


check_group_values(group_values)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def group_values_solution(f, x, background, groups):
    players = all_coalitions(len(groups))
    present = np.zeros((len(players), len(x)), dtype=bool)
    for player, columns in enumerate(groups):
        present[:, columns] = players[:, [player]]
    return shapley_of_game(coalition_values(f, x, background, present))


check_group_values(group_values_solution)
# Why: the axioms hold for players, and who is a player is a choice, like the background.
# Adding up single values is another game: there half a group may be present.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = evidence.results["speed"]
compiled = next(r["ratio"] for r in speed if "C++" in r["work"])
others = [r for r in speed if "C++" not in r["work"]]
level = [
    f"{r['model']}, {r['work']} ({r['ratio']:.2f})" for r in others if r["ratio"] < 1.5
]
ahead = [r["ratio"] for r in others if r["ratio"] >= 1.5]
last = evidence.results["errors"][-1]
Markdown(
    f"Enumeration takes {1 / compiled:.0f} times as long as shap's compiled explainer "
    "for trees, which reads the trees instead of asking them. Against shap's "
    f"Python explainers it loses, or gains little, for {'; '.join(level)}, where the number is their time "
    f"over ours; elsewhere it is {min(ahead):.1f} to {max(ahead):.1f} times quicker, with equal "
    f"values. With {last['coalitions']} coalitions shap's error on one tumour is "
    f"{last['peer'] / last['ours']:.2f} times ours: it takes all of the smallest and "
    "largest coalitions and draws the rest only. The book has no images, texts, "
    "interactions or other games."
)

# %% tags=["hide-output"]
rows = [[r["model"], r["work"], r["ratio"]] for r in evidence.results["speed"]]
table(["model", "work", "shap's time / ours"], rows, digits=2)

# %% tags=["hide-output"]
rows = [[r["coalitions"], r["ours"], r["peer"]] for r in evidence.results["errors"]]
table(
    ["coalitions asked, network", "error, pairs", "error, shap.KernelExplainer"],
    rows,
    digits=4,
)

# %% tags=["hide-output"]
gap = evidence.results["agreement"]["largest difference"]
rows = [[name, f"{difference:.0e}"] for name, difference in gap.items()]
table(["the same work as shap, 3 models, 5 cases", "largest difference"], rows)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# The source's section on explainability breaks off in the middle of a sentence, before it names a technique or an algorithm:
#
# > To ensure
#
# So this page, like the whole [chapter](../../book/explainability.md), is the book's own completion; KernelSHAP stands where the other sections have their algorithm.
#
# ## References
#
# The value and its axioms, the null player among them: {cite:t}`shapley1953`; as least squares: {cite:t}`charnes1988`; as KernelSHAP: {cite:t}`lundberg2017`.
# For explaining classifiers: {cite:t}`strumbelj2010`.
# Sampling orders: {cite:t}`castro2009`, {cite:t}`mitchell2022`; the bias of KernelSHAP, and pairs: {cite:t}`covert2021`, {cite:t}`mayer2025`, {cite:t}`fumagalli2026`.
# Which game: {cite:t}`sundararajan2020`, {cite:t}`janzing2020`; what the values do not tell: {cite:t}`kumar2020`; how they are fooled: {cite:t}`slack2020`.
# What happened, and what the law asks: {cite:t}`nydfs2021`, {cite:t}`regulationb2011`.
