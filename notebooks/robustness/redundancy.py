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
# # Redundancy
#
# Voting, *k* of *n*, the mean time to failure, and checkpoints.
#
# When Meta trained Llama 3 on 16,384 GPUs, the job broke down 419 times in 54 days without warning, and nearly four times in five a piece of hardware was to blame or suspected {cite}`llama2024`.
# Yet more than nine tenths of the time went into useful training, although one broken GPU is enough to stop all the others.
#
# **How can a whole live longer than its parts?**
#
# You need the answer as soon as your model runs on more than one machine, or as soon as somebody relies on what it says.
# **Redundancy** (spare replicas, ensembles that vote) and checkpoints cost money, and the formulas on this page tell you what each of them returns, and when it returns nothing.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | compute what spares, voting and repair do to reliability, choose how often to save a long training run, and recognise when copies protect against nothing |
# | You need | NumPy, Matplotlib, SciPy, scikit-learn; what a probability, a mean and a matrix are |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.robustness.redundancy` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from math import comb

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.linalg import expm
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
from companion.robustness.redundancy import (
    checkpoint_interval,
    checkpointed_time,
    k_of_n_reliability,
    mean_time_to_failure,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# Three computers vote on every answer, so two of them must work.
# Each one fails after one year on average.
#
# **Guess before you look**: does the trio live longer than a single computer, on average, or shorter?

# %% mystnb={"figure": {"caption": "Left: the probability that a system has not failed yet, for one computer, for two of three, and for two of three with repair ten times as quick as failure. Right: how much of a long computation's time is lost, against the time between two checkpoints, if a failure comes every 186 minutes, a checkpoint takes one and a restart five.", "name": "fig-redundancy"}, "image": {"alt": "Two panels. Left: three falling curves over three years. The curve of two of three starts above that of one computer, crosses it after 0.69 years and stays below. With repair it lies far above both. Right: a valley; about 12 percent of the time is lost at an interval of 19 minutes, and more on both sides."}} tags=["hide-input"]
years = np.linspace(0, 3, 301)
rates = {
    "one computer": np.array([[-1.0, 1], [0, 0]]),
    "2 of 3": np.array([[-3.0, 3, 0], [0, -2, 2], [0, 0, 0]]),
    "2 of 3, repaired": np.array([[-3.0, 3, 0], [10, -12, 2], [0, 0, 0]]),
}
alive = {
    name: np.array([1 - expm(t * Q)[0, -1] for t in years]) for name, Q in rates.items()
}
mtbf = 54 * 24 * 60 / 419  # minutes between two of the 419 interruptions
minutes = np.geomspace(3, 120, 200)
lost = 100 * (1 - 1 / checkpointed_time(minutes, cost=1, mtbf=mtbf, restart=5))
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for (name, curve), colour, line in zip(
    alive.items(), ("grey", "red", "blue"), ("-", "--", "-")
):
    left.plot(years, curve, line, color=COLOURS[colour], label=name)
left.set(xlabel="years", ylabel="probability of no failure yet", ylim=(0, 1.02))
left.set_title("Spares, and somebody who mends them")
left.legend()
right.semilogx(minutes, lost, color=COLOURS["blue"])
right.set(xlabel="minutes between checkpoints", ylabel="time lost (%)", ylim=(0, 45))
right.set_xticks([3, 10, 30, 100], ["3", "10", "30", "100"])
right.set_title("A way back")
plt.show()

# %% [markdown]
# Look at the two lower curves on the left: at first the trio is the safer one, but later the single computer is, so the trio is good for a short mission and bad for a long one.
# The upper curve shows what changes that: not more parts, but somebody who mends the broken one while the other two carry on.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
early = (years > 0) & (years < np.log(2))
late = years > np.log(2)
claim(
    "Without repair, two of three are safer than one computer until ln 2 of its mean "
    "life, and less safe from then on.",
    bool(
        (alive["2 of 3"] > alive["one computer"])[early].all()
        and (alive["2 of 3"] < alive["one computer"])[late].all()
    ),
    over="the 300 plotted times after 0",
)

# %% [markdown]
# ## The idea on three numbers: majority voting
#
# Suppose that each computer is right with probability $r = 0.9$, independently of the others.
# The vote is right if all three are, or exactly two, and two can be chosen in three ways:
#
# $$r^3 + 3 r^2 (1 - r) = 0.729 + 0.243 = 0.972.$$
#
# So voting turns ten errors in a hundred into fewer than three.
# It does not always help, though, because what it gains over one computer is
#
# $$3 r^2 - 2 r^3 - r = r\,(2r - 1)(1 - r),$$
#
# and the middle factor changes its sign at one half.

# %%
r = np.array([0.3, 0.5, 0.9, 0.99])
rows = zip(r, k_of_n_reliability(r, k=2, n=3))
table(["one computer is right", "two of three are"], rows, digits=4)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
r = np.arange(1, 100) / 100
gain = k_of_n_reliability(r, 2, 3) - r
claim(
    "Two of three beat one exactly where one is right more than half of the time; "
    "below one half they are worse.",
    bool(
        np.allclose(gain, r * (2 * r - 1) * (1 - r), rtol=0, atol=1e-14)
        and (np.sign(gain.round(12)) == np.sign(r - 0.5)).all()
    ),
    over="r = 0.01 to 0.99 in 99 steps, and any r: the product above",
)

# %% [markdown]
# ## The equation: *k* of *n*
#
# Let $n$ parts work with probability $r$ each, and let the system need $k$ of them, which makes it a **k-of-n system**.
# It works if $j = k$, or $k + 1$, or up to $n$ parts do, and $j$ parts can be chosen in $\binom{n}{j}$ ways:
#
# $$R = \sum_{j=k}^{n} \binom{n}{j}\, r^j\, (1-r)^{n-j}.$$
#
# Written as plainly as that, it is four lines of code.


# %%
def at_least(r, k, n):
    total = 0.0
    for j in range(k, n + 1):
        total += comb(n, j) * r**j * (1 - r) ** (n - j)
    return total


np.testing.assert_allclose(at_least(0.9, 2, 3), k_of_n_reliability(0.9, 2, 3))
np.testing.assert_allclose(at_least(0.98, 8, 10), k_of_n_reliability(0.98, 8, 10))

# %% [markdown]
# The loop stops working for a few thousand parts, because the binomial coefficients outgrow every floating-point number.
# The package therefore writes the same sum as an incomplete beta function, which holds for millions.

# %%
show_source(k_of_n_reliability)

# %% [markdown]
# With it you can answer what every operator of a cluster has to ask: how many spares?
# Here eight machines are needed, and each of them is up 98 % of the time.

# %%
rows = [[n, 100 * k_of_n_reliability(0.98, 8, n)] for n in (8, 9, 10, 11)]
table(["machines bought", "all eight needed are up (% of time)"], rows, digits=3)

# %% [markdown]
# ## Mean time to failure, with and without repair
#
# How long does it take until the vote fails for the first time?
# Follow the trio by hand.
# Three computers, each failing once a year, lose the first one after $1/3$ year on average; the remaining two lose the next one after another $1/2$.
# That makes $5/6$ of a year, which is *less* than one computer lives, because two must fail but three are trying to.
#
# With repair, write the rates between *three work*, *two work* and *failed* as a matrix $Q$, whose diagonal is minus the sum of its row.
# On the states in which the system still works, the mean times $t$ solve
#
# $$-Q\, t = \mathbf{1},$$
#
# because in a working state the remaining life shrinks by one unit per unit of time.
# The failed state has no equation of its own, because its time is zero.


# %%
def mean_life(Q, working):
    """The first `working` states work; the others have failed."""
    inner = Q[:working, :working]
    return np.linalg.solve(-inner, np.ones(working))


failed = np.array([False, False, True])
for Q in (rates["2 of 3"], rates["2 of 3, repaired"]):
    np.testing.assert_allclose(mean_life(Q, 2), mean_time_to_failure(Q, failed)[:2])

# %% [markdown]
# Let the repair rate $\mu$ grow from nothing to a hundred times the rate of failure.


# %%
def trio(repair):
    return [[-3, 3, 0], [repair, -2 - repair, 2], [0, 0, 0]]


rows = [[m, mean_time_to_failure(trio(m), failed)[0]] for m in (0, 1, 10, 100)]
table(["repairs per year", "mean life of the trio (years)"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
repair = np.arange(1001)
lives = np.array([mean_time_to_failure(trio(m), failed)[0] for m in repair])
claim(
    "The trio lives 5/6 + μ/6 times as long as one computer: shorter without repair, "
    "and longer as soon as μ exceeds 1.",
    bool(np.allclose(lives, 5 / 6 + repair / 6, rtol=1e-12, atol=0)),
    over="repair rates μ = 0, 1, ..., 1000",
)

# %% [markdown]
# The package's function eliminates one state after the other without ever subtracting, and you will see below why that is worth the trouble.

# %%
show_source(mean_time_to_failure)

# %% [markdown]
# ## Checkpoints: Young's and Daly's interval
#
# A training run cannot vote, because nobody pays for three of them.
# So it saves its state now and then, and after a failure it goes back to the last checkpoint.
# If you save too rarely a failure destroys much work, but if you save too often you do little else.
#
# Let failures come every $M$ minutes on average, whatever happened before, and let a checkpoint take $\delta$ minutes and a restart $R$.
# A stretch of $x$ minutes then takes $M(e^{x/M} - 1)$ until it succeeds for the first time.
# Restarts, which may fail, too, multiply that by $e^{R/M}$, and so one minute of work with a checkpoint every $\tau$ minutes takes
#
# $$T(\tau) = M\, e^{R/M}\, \frac{e^{(\tau + \delta)/M} - 1}{\tau}.$$


# %%
def time_per_minute(tau, cost, mtbf, restart):
    stretch = mtbf * (np.exp((tau + cost) / mtbf) - 1)
    return np.exp(restart / mtbf) * stretch / tau


tau = np.linspace(5, 60, 5501)
total = time_per_minute(tau, cost=1, mtbf=mtbf, restart=5)
np.testing.assert_allclose(total, checkpointed_time(tau, 1, mtbf, restart=5))
best = checkpoint_interval(cost=1, mtbf=mtbf)
np.testing.assert_allclose(tau[total.argmin()], best, atol=0.01)

# %% [markdown]
# The interruptions of the opening came every 186 minutes.
# How long Meta's checkpoints took is not in the report, so this page supposes one minute, and five for a restart; theirs must have been quicker, because with these numbers more time is lost than they report.
# The best interval has a closed form, with Lambert's function $W$, the inverse of $x e^x$:
#
# $$\tau^* = M\,\big(1 + W(-e^{-1 - \delta/M})\big) \;\approx\; \sqrt{2\,\delta M}.$$
#
# The square root is Young's rule, which you can work out in your head.

# %%
young = np.sqrt(2 * 1 * mtbf)
rows = [
    [name, tau, 100 * (1 - 1 / checkpointed_time(tau, 1, mtbf, restart=5))]
    for name, tau in (("best", best), ("Young", young), ("every two hours", 120.0))
]
table(["rule", "interval (minutes)", "time lost (%)"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
costs = np.geomspace(1e-6, 1e-2, 41)
extra = [
    checkpointed_time(np.sqrt(2 * c), c, 1.0)
    / checkpointed_time(checkpoint_interval(c, 1.0), c, 1.0)
    - 1
    for c in costs
]
claim(
    "Young's rule costs at most 0.02 % more time than the best interval.",
    min(extra) > -1e-14 and max(extra) < 2e-4,
    over="checkpoints that take from a millionth to a hundredth of M, in 41 steps",
)

# %%
show_source(checkpoint_interval, checkpointed_time)

# %% [markdown]
# ## Real data: three classifiers that vote
#
# Every formula so far supposes that the parts fail independently.
# Do models?
# Here three logistic regressions learn handwritten digits, each from its own third of the training images, so that no image is seen by two of them.

# %%
data = digits()
rng = np.random.default_rng(0)
thirds = np.array_split(rng.permutation(len(data.y_train)), 3)
voters = [
    LogisticRegression(max_iter=1000).fit(data.X_train[part], data.y_train[part])
    for part in thirds
]
wrong = np.array([v.predict(data.X_test) != data.y_test for v in voters])
wrong.shape  # voters, test images

# %% [markdown]
# If they failed independently, two of three would be wrong together as rarely as the formula says.
# The table holds what happened in twenty such experiments, and one more line: the same mistakes, but dealt out to the test images at random, separately for each voter.

# %%
evidence = recorded("robustness/redundancy")
seen = {
    name: 100 * np.array(evidence.results["voters"][name])
    for name in ("alone", "independent", "two wrong", "shuffled")
}
names = "one voter", "two, by the formula", "two, as it was", "two, dealt out"
rows = [[n, v.mean(), v.min(), v.max()] for n, v in zip(names, seen.values())]
table(["wrong, in percent", "mean", "least", "most"], rows, digits=1)

# %% [markdown]
# Voting hardly helps here, although the voters share no training image.
# They share something else: they are wrong on the *same* images, be it because those digits are badly written or because three models of one kind have the same blind spot.
# That the sharing is the cause, and not some flaw of the formula, you see from the last line, where the same mistakes fall on images at random and the formula is right again.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
p = wrong.mean(axis=1)
promised = p[0] * p[1] + p[0] * p[2] + p[1] * p[2] - 2 * p.prod()
together = (wrong.sum(axis=0) >= 2).mean()
claim(
    "Two of the three are wrong together more than four times as often as "
    "independence promises.",
    bool(
        together > 4 * promised and (seen["two wrong"] > 4 * seen["independent"]).all()
    ),
    over="20 seeds, recorded, the first of them live on this page",
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "With the mistakes dealt out to the images at random, the formula is right to 5 %.",
    bool(np.allclose(seen["shuffled"], seen["independent"], rtol=0.05, atol=0)),
    over="20 seeds, recorded, 1000 shuffles each",
)

# %% [markdown]
# The same was found for programs: 27 people wrote one from the same specification, separately, and the versions failed together far more often than independence allows {cite}`knight1986`.
#
# ## Break it: one bug in every copy
#
# The first Ariane 5 carried two computers for its inertial reference, one in use and one as a hot spare, with identical hardware and identical software.
# Half a minute after lift-off the spare stopped at a number too large for its format; within a tenth of a second the other one stopped at the same number, and the rocket was lost {cite}`lions1996`.
#
# Put that into the formula: let each of three computers fail with probability $0.001$ by itself, and let all of them fail together with probability $c$.

# %%
rows = [
    [f"{c:.0e}", f"{1 - (1 - c) * k_of_n_reliability(0.999, 2, 3):.1e}"]
    for c in (0, 1e-6, 1e-5, 1e-4, 1e-3)
]
table(["common cause, c", "the vote fails"], rows)

# %% [markdown]
# Three failures in a million is what independence promises, but no number of voters brings you below $c$.
# A common cause as likely as the failure of a single part takes all of the gain away, and that is what you have when the copies run the same software.
#
# ## Break it: a solver that subtracts
#
# Two computers of which one must work; each fails once in $10^{12}$ hours, and a repair takes one second, so the rates are almost sixteen orders of magnitude apart.
# Then the plain linear solve is wrong without a word, because $\lambda + \mu$ no longer knows what $\lambda$ was.

# %%
lam, mu = 1e-12, 3600.0  # per hour
Q = np.array([[-2 * lam, 2 * lam, 0], [mu, -(lam + mu), lam], [0, 0, 0]])
truth = (3 * lam + mu) / (2 * lam**2)
plain, careful = mean_life(Q, 2)[0], mean_time_to_failure(Q, failed)[0]
rows = [["truth", f"{truth:.9e}"], ["elimination", f"{careful:.9e}"]]
table(["mean life", "hours"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
digits_lost = evidence.results["elimination"]["largest error"]
claim(
    "Where rates lie far apart the linear solve is wrong by more than a twentieth; "
    "elimination without subtraction keeps 14 digits.",
    bool(
        abs(plain / truth - 1) > 0.05
        and digits_lost["linear solve"] > 0.05
        and max(abs(careful / truth - 1), digits_lost["elimination"]) < 1e-14
    ),
    over="this chain, and the worst of 100 random ones against 60 digits, recorded",
)

# %% [markdown]
# > **Often believed, and wrong**
# >
# > "Redundancy makes a system live longer."
# > **Without repair the voting trio lives shorter than one computer.** It is more reliable on a short mission, and repair is what makes it last.
# >
# > "More voters are safer."
# > **That is certain only if each of them is right more than half of the time, and errs independently.** Below one half, every further pair of voters makes the vote worse.
# >
# > "Our three models were trained on different data, so they fail independently."
# > **They are wrong on the same inputs.** Measure how often they are wrong together before you multiply their error rates.
# >
# > "An identical spare protects against bugs."
# > **It protects against wear and accidents only.** A bug meets the same input in both copies and stops both.
#
# **Strengths**: the formulas are exact, cheap and transparent, and they tell you what to buy, a spare, a mechanic or a disk.
#
# **Limits**: they suppose independent parts, failures at a constant rate, and a voter that never fails itself.
#
# **Who is harmed when it fails**: those who were told *three in a million* and got *one in a thousand*, such as patients on an infusion pump whose two controllers run the same firmware, or people sorted by an "ensemble" of three models that all misread the same dialect.
#
# **In production** take `scipy.stats.binom.sf` for *k* of *n*, scikit-learn's `VotingClassifier` to vote, `torch.distributed.checkpoint` to save a training run and `torchrun` to restart it.

# %% [markdown]
# ## Check yourself
#
# **1.** A probe flies for years, and nobody can repair it. Its three computers vote, each of them as good as yours at home. Which of the two works longer on average?
#
# <details><summary>The probe, because it can lose a computer.</summary>
#
# **Not so.** It can lose one, but it has three to lose: `trio(0)` gave it a shorter mean life than one computer has.
#
# </details>
#
# <details><summary>Yours, although it is only one.</summary>
#
# **Right.** The vote ends with the second failure, and the three fail three times as fast as one. What the probe gains is a better chance of surviving a *short* time.
#
# </details>
#
# <details><summary>Neither, because all the computers have the same mean life.</summary>
#
# **Not so.** Parts of one mean life can make systems of any other: in the rows of `trio` nothing changed but the rate of repair.
#
# </details>
#
# **2.** Five models of one kind learn from five parts of your data, which share no row, and vote. What do you measure before you promise anything?
#
# <details><summary>Each one's error rate; the formula does the rest.</summary>
#
# **Not so.** The formula went in as `promised`, and the vote was wrong several times as often.
#
# </details>
#
# <details><summary>Nothing, because without common data their mistakes are independent.</summary>
#
# **Not so.** The three in `voters` had no image in common, and still they were wrong on the same ones.
#
# </details>
#
# <details><summary>How often several of them are wrong on one input.</summary>
#
# **Right.** That is all that a vote depends on, and only data show it.
#
# </details>

# %% [markdown]
# ## Exercise 1: how many spares?
#
# *Easy, 10 minutes.*
# A service needs eight replicas of a model, and each replica is up with probability $r$, independently.
# Return the smallest number of replicas to buy so that at least eight are up with probability `wanted`.
#
# Hint: `k_of_n_reliability(r, 8, n)` grows with $n$; start at $n = 8$.


# %% tags=["exercise"]
def replicas(r, wanted):
    """Smallest n with at least 8 of n up with probability `wanted` or more."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_replicas(attempt):
    answers = [attempt(0.98, 0.999), attempt(0.9, 0.999)]
    mistakes = {
        "These are the spares alone; count all replicas.": [2, 5],
        "One too few: the last n that is *not* enough.": [9, 12],
        "The mean number of replicas up is not the question: half of the time "
        "fewer are up.": [9, 9],
    }
    check_answer(None if None in answers else answers, [10, 13], mistakes)


check_replicas(replicas)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def replicas_solution(r, wanted):
    n = 8
    while k_of_n_reliability(r, 8, n) < wanted:
        n += 1
    return n


check_replicas(replicas_solution)
# Why: spares fail, too, so what counts is the probability that at most n - 8 of all n
# are down. It shrinks by a factor with each spare, and a few suffice even at r = 0.9.

# %% [markdown]
# ## Exercise 2: a common cause
#
# *Medium, 15 minutes.*
# Three replicas vote.
# Each is right with probability $r$ by itself, but with probability $c$ the request is so unusual that all three are wrong.
# Return the probability that the vote is right.
#
# Hint: first ask whether the request is unusual, and only then count.


# %% tags=["exercise"]
def voted(r, c):
    """Probability that two of three are right, with a common cause of probability c."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_voted(attempt):
    r, c = 0.9, 0.05
    mistakes = {
        "You let the common cause strike each replica by itself; it strikes all three "
        "at once.": k_of_n_reliability(r * (1 - c), 2, 3),
        "The common cause is missing.": k_of_n_reliability(r, 2, 3),
        "You subtracted c, but some of those requests were lost already.": k_of_n_reliability(
            r, 2, 3
        )
        - c,
    }
    check_answer(attempt(r, c), (1 - c) * k_of_n_reliability(r, 2, 3), mistakes)


check_voted(voted)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def voted_solution(r, c):
    return (1 - c) * k_of_n_reliability(r, 2, 3)


check_voted(voted_solution)
# Why: given a usual request the three are independent, and given an unusual one the
# vote is lost for certain. So the vote can never be right more often than 1 - c.

# %% [markdown]
# ## Exercise 3: a hundred thousand GPUs
#
# *Medium, 15 minutes.*
# On 16,384 GPUs an interruption came every $M = 54 \cdot 24 \cdot 60 / 419$ minutes.
# Suppose that GPUs fail independently, that a checkpoint takes one minute and a restart five.
# Return the percentage of time that a run on `gpus` GPUs loses when it uses its own best interval.
#
# Hint: twice as many GPUs fail twice as often; the share of useful time is $1/T$.


# %% tags=["exercise"]
def percent_lost(gpus):
    """Percent of the time that is lost on this many GPUs, at the best interval."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_percent_lost(attempt):
    M = 54 * 24 * 60 / 419 * 16384 / 100_000

    def lost(tau, mtbf, restart=5.0):
        return 100 * (1 - 1 / checkpointed_time(tau, 1, mtbf, restart))

    best, old = checkpoint_interval(1, M), checkpoint_interval(1, mtbf)
    mistakes = {
        "That is the old cluster: more GPUs fail more often.": lost(old, mtbf),
        "You kept the old interval, but more failures want more checkpoints.": lost(
            old, M
        ),
        "The restart is missing.": lost(best, M, 0.0),
        "T - 1 is measured against the useful time; the question is about all of it.": 100
        * (checkpointed_time(best, 1, M, 5) - 1),
    }
    check_answer(attempt(100_000), lost(best, M), mistakes, tolerance=1e-3)


check_percent_lost(percent_lost)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def percent_lost_solution(gpus):
    M = 54 * 24 * 60 / 419 * 16384 / gpus
    best = checkpoint_interval(1, M)
    return 100 * (1 - 1 / checkpointed_time(best, 1, M, restart=5))


check_percent_lost(percent_lost_solution)
# Why: rates of independent failures add, so six times the GPUs leave a sixth of M. The
# best interval shrinks with the root of M, the loss grows with it, and a third is gone.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
slow = [1 / v for name, v in speed.items() if name.startswith("mean life")]
Markdown(
    f"The book's elimination is {max(slow):.0f} times slower than NumPy's linear solve "
    f"for 100 states and {min(slow):.0f} times for 1000, which is the price of its "
    "digits; *k* of *n* agrees with SciPy's binomial law and is quicker at the size that was timed."
)

# %% tags=["hide-output"]
rows = [[r["name"], r["peer"], r["ratio"]] for r in evidence.results["speed"]]
table(["work", "compared with", "its time / ours"], rows, digits=2)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Fault Tolerance**: Designing AI systems to detect and recover from faults and errors.
#
# Detecting is the vote, and recovering is the repair and the checkpoint.
# Its listing decides *when* to repair, which is the subject of the next lesson, [Fault tolerance](fault_tolerance.ipynb).
#
# ## References
#
# Reliability and *k* of *n*: {cite:t}`barlow1965`; voting computers: {cite:t}`lyons1962`.
# Mean times of a Markov chain: {cite:t}`norris1997`; elimination without subtraction: {cite:t}`grassmann1985`.
# Checkpoints: {cite:t}`young1974`, {cite:t}`daly2006`; Lambert's function: {cite:t}`corless1996`.
# What happened: {cite:t}`llama2024`, {cite:t}`lions1996`, {cite:t}`knight1986`.
