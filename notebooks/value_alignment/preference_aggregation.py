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
# # Preference aggregation
#
# Borda, pooled Bradley-Terry and the von Neumann winner: what one reward makes of many people's preferences.
#
# InstructGPT, the sibling of ChatGPT, learnt what a good answer is from about forty contractors, and two of them agreed on which of two answers was better in 73 % of cases {cite}`ouyang2022`.
# One reward was fitted to all of their answers together, so every disagreement was decided by the fit, without a vote that anybody had called.
#
# **Whose preferences win when one reward is fitted to many people?**
#
# You need the answer before you collect the first comparison, because what decides is not only what people want: it is the rule that you did not know you had chosen, the pairs that you happened to show, and who answered untruthfully.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | say which voting rule a fitted reward follows and when it stops to, compute the lottery that no option beats, and give error bars that hold when people differ |
# | You need | NumPy, Matplotlib, SciPy; the Bradley-Terry scores of [Preference learning](preference_learning.ipynb); what a linear program is |
# | Time | 25 minutes to read, 35 for the exercises |
# | Code | `companion.value_alignment.preference_aggregation` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.optimize import linprog
from scipy.special import expit

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.value_alignment.preference_aggregation import (
    borda,
    pooled_preferences,
    von_neumann_winner,
)
from companion.value_alignment.preference_learning import bradley_terry

figure_style()

# %% [markdown]
# ## The answer in a picture: five people, three rules, three winners
#
# Five people compare seven answers of a chatbot.
# Each of them has utilities of their own, and prefers one answer to another with odds of $e$ to the power of the difference.
#
# Three rules choose: the largest **mean utility**, which the pooled answers do not show; the largest **Bradley-Terry score** fitted to all comparisons, which is what a reward model does; and the **majority**, the answer that is preferred to each other one in more than half of the comparisons.
#
# **Guess before you look**: in how many of a hundred such groups do the first two of these rules disagree?

# %% mystnb={"figure": {"caption": "Left: the utilities of five people for seven answers, in the first of 5000 random groups in which three rules choose three different answers; BT is Bradley-Terry. Right: how often the rules' winners differ, over all 5000 groups.", "name": "fig-preference-aggregation"}, "image": {"alt": "Left, a table of five rows and seven columns in shades from orange for disliked to purple for liked; three different columns are marked as winners of the mean utility, of Bradley-Terry and of the majority. Right, horizontal bars: Bradley-Terry and mean utility differ in nearly a quarter of the groups, majority and mean utility in nearly a fifth, an unequal design changes the winner in about 7 percent, majority and Bradley-Terry differ in about an eighth, no majority winner exists in as many, and three different winners are rarer than one percent."}} tags=["hide-input"]
evidence = recorded("value_alignment/preference_aggregation")
counted = evidence.results["winners"]
searched, seed = counted["populations"], counted["first with three winners"]


def group(seed):
    rng = np.random.default_rng(seed)
    sharpness = rng.uniform(0.5, 4, (5, 1))  # some people are surer than others
    return sharpness * rng.standard_normal((5, 7))


utilities = group(seed)
shares = pooled_preferences(utilities)
chosen = {
    "mean": int(utilities.mean(axis=0).argmax()),
    "BT": int(bradley_terry(shares).scores.argmax()),
    "majority": int(von_neumann_winner(shares).probabilities.argmax()),
}
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), width_ratios=[1, 0.9])
shade = left.imshow(utilities, cmap="PuOr", vmin=-8, vmax=8, aspect="auto")
fig.colorbar(shade, ax=left, label="utility")
for name, option in chosen.items():
    left.text(option, -0.6, name, ha="center", va="bottom", rotation=30)
left.set(xlabel="answer", ylabel="person", xticks=range(7), yticks=range(5))
left.grid(False)
bars = {
    "three winners": "three winners",
    "no majority winner": "cycle",
    "majority ≠ BT": "Borda, majority",
    "unequal design ≠ BT": "unequal design",
    "majority ≠ mean": "majority, mean utility",
    "BT ≠ mean": "Borda, mean utility",
}
percent = [100 * counted[key] / searched for key in bars.values()]
right.barh(list(bars), percent, color=COLOURS["blue"])
right.set(xlabel="groups (%)")
plt.show()

# %% tags=["hide-input"]
Markdown(
    f"The group on the left was looked for: among {searched} random groups, "
    f"{counted['three winners']} have three different winners, and this is the first. "
    "What is common stands on the right: the fitted reward and the mean utility choose "
    f"differently in {100 * counted['Borda, mean utility'] / searched:.0f} % of all groups."
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
beats = shares[chosen["majority"]] + np.eye(7)[chosen["majority"]]
claim(
    "In this group the three rules choose three different answers, and the majority's "
    "is preferred to each of the others in more than half of the comparisons.",
    bool(len(set(chosen.values())) == 3 and beats.min() > 0.5),
    over="the group in the figure, which was searched for",
)

# %% [markdown]
# ## The idea on five rankings: Borda's rule
#
# Three people rank $a$ before $b$ before $c$, and two rank $b$ before $c$ before $a$.
# Count for every pair who wins it:
#
# - $a$ beats $b$ by 3 to 2, and $c$ by 3 to 2;
# - $b$ beats $c$ by 5 to 0.
#
# So a majority prefers $a$ to everything else.
# But the *mean share* of its comparisons that an option wins is $(0.6 + 0.6)/2 = 0.6$ for $a$ and $(0.4 + 1)/2 = 0.7$ for $b$.
# This is **Borda's rule**, which asks how high an option stands with everybody, and it chooses $b$.
# Which one does a fitted reward choose?

# %%
five = np.array([[0, 3, 3], [2, 0, 5], [2, 0, 0]])
rows = zip("abc", borda(five), bradley_terry(five).scores)
table(["option", "Borda", "Bradley-Terry"], rows, digits=2)

# %% [markdown]
# ## The equation: pooled Bradley-Terry is Borda's rule
#
# It is no accident that they agree.
# [Preference learning](preference_learning.ipynb) ended at the score equations: every option wins as often as the model expects.
# If each pair is compared equally often, $n$ times, and a share $P_{ij}$ of the answers prefers $i$ to $j$, they say
#
# $$\sum_{j \ne i} \sigma(r_i - r_j) = \sum_{j \ne i} P_{ij} = (m - 1)\, b_i,$$
#
# where $m$ is the number of options and $b_i$ is Borda's score.
# The left side is larger for the option with the larger $r$, because it is so term by term.
# So the two orders are the same, whoever the people are and however badly the model describes them, as long as finite scores exist {cite}`siththaranjan2024`.


# %%
def mean_share(wins):
    met = wins + wins.T + np.eye(len(wins))
    return (wins / met).sum(axis=1) / (len(wins) - 1)


r = bradley_terry(shares).scores
expected = (expit(r[:, None] - r).sum(axis=1) - 0.5) / 6  # without i against itself
np.testing.assert_allclose(mean_share(shares), borda(shares), rtol=1e-13)
np.testing.assert_allclose(expected, borda(shares), rtol=0, atol=1e-12)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
alike = [
    (np.argsort(bradley_terry(p).scores) == np.argsort(borda(p))).all()
    for p in (pooled_preferences(group(s)) for s in range(200))
]
claim(
    "Where every pair is compared equally often, Bradley-Terry scores of the pooled "
    "answers and Borda's scores put all options in the same order.",
    bool(all(alike) and counted["same order"] == searched),
    over=f"any answers: derived above; {searched} groups, recorded, 200 of them live",
)

# %%
show_source(borda, pooled_preferences)

# %% [markdown]
# ## The von Neumann winner: a lottery that no option beats
#
# Borda's rule may choose an option that a majority would exchange for another one.
# The obvious other rule is to choose the option that beats every other one, if there is one.
# Sometimes there is none, because majorities can go round in a circle although no person does.
#
# Then one can still *draw*.
# Let $p_i$ be the probability of drawing option $i$, and choose it so that the worst opponent wins as little as possible:
#
# $$\max_p \min_j \sum_i p_i P_{ij}, \qquad P_{ii} = \tfrac12.$$
#
# This is a game of two players with equal chances, so by von Neumann's theorem its value is one half: no option is preferred to what is drawn by more than half of the answers.
# It is a linear program, in the variables $p$ and $v$, the value.


# %%
def lottery(P):
    n = len(P)
    goal = np.append(np.zeros(n), -1)  # linprog minimises, so -v
    found = linprog(
        goal,
        A_ub=np.column_stack([-P.T, np.ones(n)]),  # v <= what p wins over each j
        b_ub=np.zeros(n),
        A_eq=[np.append(np.ones(n), 0)],  # probabilities sum to one
        b_eq=[1],
    )
    return found.x[:n]


np.testing.assert_allclose(
    lottery(shares + np.eye(7) / 2), von_neumann_winner(shares).probabilities, atol=1e-9
)

# %% [markdown]
# Try it on a circle: of a hundred people 35 rank $a$ before $b$ before $c$, another 35 rank $c$ before $a$ before $b$, and 30 rank $b$ before $c$ before $a$.
# So 70 prefer $a$ to $b$, 65 prefer $b$ to $c$, and 65 prefer $c$ to $a$.

# %%
circle = np.array([[0, 70, 35], [30, 0, 65], [65, 35, 0]])
drawn = von_neumann_winner(circle)
rows = zip("abc", bradley_terry(circle).scores.round(6) + 0.0, drawn.probabilities)
table(["option", "Bradley-Terry", "drawn with"], rows, digits=2)

# %% [markdown]
# Bradley-Terry chooses $a$, which loses to $c$ by 65 to 35.
# The lottery draws all three, and against each of them it wins half.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
guarantees = [von_neumann_winner(pooled_preferences(group(s))) for s in range(300)]
worst = counted["largest share against the winner"]
claim(
    "Nothing is preferred to the von Neumann winner by more than half of the answers, "
    "but something is preferred to a Bradley-Terry winner by more than 60 %.",
    bool(min(g.guarantee for g in guarantees) > 0.5 - 1e-7 and worst > 0.6),
    over=f"300 groups live for the first half, {searched} recorded for the second",
)

# %%
show_source(von_neumann_winner)

# %% [markdown]
# ## Real data: Burlington, 2009
#
# In March 2009 the city of Burlington elected its mayor by ranked ballots.
# The table holds how many voters ranked the row's candidate above the column's, for the three leading ones, and how many ranked each first {cite}`burlington2009`.

# %%
names = ["Kiss", "Montroll", "Wright"]
ballots = np.array([[0, 3477, 4314], [4067, 0, 4597], [4064, 3668, 0]])
first_choices = [2585, 2063, 2951]
rows = zip(
    names,
    first_choices,
    borda(ballots),
    bradley_terry(ballots).scores,
    von_neumann_winner(ballots).probabilities,
)
table(
    ["candidate", "first choices", "Borda", "Bradley-Terry", "drawn with"],
    rows,
    digits=3,
)

# %% [markdown]
# Counting first choices elects Wright, who has the most.
# The city's rule, which strikes the last candidate and passes the ballots on, elected Kiss, who beat Wright in the last round.
# Montroll was struck before it, although the ballots prefer him to either of the others; and the pooled scores, the majority and Borda agree on him.
# Kiss stayed in office, and a year later the city voted to repeal the rule {cite}`ornstein2014`.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "The same ballots have three winners: one by first choices, one by the city's rule, "
    "and a third one by Borda, Bradley-Terry and the majority.",
    bool(
        names[int(np.argmax(first_choices))] == "Wright"
        and ballots[0, 2] > ballots[2, 0]  # Kiss in the last round against Wright
        and borda(ballots).argmax() == 1
        and bradley_terry(ballots).scores.argmax() == 1
        and von_neumann_winner(ballots).probabilities[1] > 1 - 1e-9
    ),
    over="the three leading candidates",
)

# %% [markdown]
# ## How sure are you? The Hessian, and the sandwich by person
#
# The usual error bars come from the *Hessian*, the curvature of the likelihood, and they suppose that each comparison stands for itself.
# That fails when people differ: if sixty people give thirty answers each, another sixty might have given others.
# The sandwich takes a *person* for the unit that varies: `bradley_terry` gets one table of wins for each of them, here of sixty people who met each pair of four options ten times.

# %%
people = np.random.default_rng(0).normal(size=(60, 4)) * 2
tables = np.array([pooled_preferences(u[None]) * 10 for u in people])
fit = bradley_terry(tables)
rows = zip(range(4), fit.scores, fit.standard_errors, fit.robust_errors)
table(["option", "score", "by the Hessian", "by the sandwich"], rows, digits=3)

# %% [markdown]
# Which of the two is honest?
# The record simulates surveys of 1800 answers about six options by three designs, and counts how often an interval holds the score that everybody's answers would give.

# %%
held = evidence.results["coverage"]["Hessian, sandwich"]
rows = [[name, 100 * h, 100 * s] for name, (h, s) in held.items()]
table(["intervals of 95 % that hold", "Hessian", "sandwich"], rows, digits=1)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
many, one, same = held.values()
claim(
    "With many answers from each of sixty people who differ, the Hessian's intervals "
    "hold less than 80 % of the time, and the sandwich's more than 90 %; with one answer "
    "each, or people who are alike, both hold 93 to 97 %.",
    bool(
        many[0] < 0.8
        and many[1] > 0.9
        and 0.93 < min(one + same) <= max(one + same) < 0.97
    ),
    over=f"{evidence.results['coverage']['experiments']} surveys of each design, recorded; "
    "five kinds of people, drawn once",
)

# %% [markdown]
# The last two designs remove one cause each, the repetition and the difference, and with either of them gone the Hessian is right again.
#
# ## Break it: an unequal design
#
# Borda's rule needed every pair to be compared equally often.
# Hardly anybody does that, because pairs come from whatever the model wrote.
# Here the five people of the beginning keep their opinions, and only the number of times that a pair is shown varies from 1 to 20.
# Beside them stands their first person alone, shown the same pairs.

# %%
rng = np.random.default_rng([seed, 0])
won = np.zeros((7, 2))
alone = pooled_preferences(utilities[:1])
for _ in range(1000):
    shown = np.triu(rng.integers(1, 21, (7, 7)), 1)
    for who, answers in enumerate((shares, alone)):
        won[bradley_terry(answers * (shown + shown.T)).scores.argmax(), who] += 1
rows = [[option, *won[option] / 10] for option in range(7)]
table(["answer", "wins (% of designs)", "with one person"], rows, digits=0)

# %% [markdown]
# A single person has scores that explain all of the answers, so it does not matter which pairs are shown; for five who differ no scores explain them all, and the pairs shown more often count more.
# This group was looked for and its leaders are close, so here is how often it happens elsewhere.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
changed = counted["unequal design"] / searched
claim(
    f"Showing each pair between once and twenty times changes the winner in "
    f"{100 * changed:.1f} % of groups, although nobody changed their mind.",
    0.05 < changed < 0.1,
    over=f"{searched} groups with one random design each, recorded",
)

# %% [markdown]
# So whoever chooses the pairs has a say, too.
#
# ## Break it: somebody who lies
#
# One of the five has read this page.
# They would like answer $x$ to win, and they know that $y$ is ahead.
# So they say that $x$ beats everything and that $y$ loses to everything, whatever they think.


# %%
def lie(answers, x, y):
    answers = answers.copy()
    answers[y], answers[:, y] = 0, 1
    answers[x], answers[:, x] = 1, 0
    np.fill_diagonal(answers, 0)
    return answers


truths = [pooled_preferences(u[None]) for u in utilities]
ahead = chosen["BT"]
gains = []
for person, u in enumerate(utilities):
    for x in np.flatnonzero(u > u[ahead]):
        told = sum(truths) - truths[person] + lie(truths[person], x, ahead)
        wins = bradley_terry(told / 5).scores.argmax()
        if u[wins] > u[ahead]:
            gains.append([f"person {person}", int(x), int(wins)])
table(["who lies", "for answer", "and gets"], gains)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
lies = evidence.results["lies"]
by_scores = lies["pooled Bradley-Terry"] / lies["populations"]
by_majority = lies["von Neumann winner"] / lies["with a certain winner"]
claim(
    "In more than half of the groups some single person gains by such a lie under "
    "pooled Bradley-Terry; where the majority has a winner, lying to it pays as well in "
    "more than a third.",
    bool(by_scores > 0.5 and by_majority > 1 / 3),
    over=f"{lies['populations']} groups of five, all lies of this form, recorded",
)

# %% [markdown]
# Nor does it take a lie.
# In this model people hesitate between answers that they like nearly as much, and whoever never hesitates counts for more.


# %%
def gain(utilities):
    shares = pooled_preferences(utilities)
    first = borda(shares).argmax()
    for u in utilities:
        sure = np.greater.outer(u, u)  # one's true order, without hesitation
        wins = borda(shares + (sure - pooled_preferences(u[None])) / 5).argmax()
        if u[wins] > u[first]:
            return True
    return False


sum(gain(group(s)) for s in range(500)) / 5  # groups in a hundred

# %% [markdown]
# That is the share of groups, in percent, where some person gains by answering more surely than they feel.
#
# With five people one has a fifth of the answers; with five thousand a single liar hardly counts, but a campaign does.
# No other rule saves you: a rule that nobody can ever manipulate, with three or more possible winners, is a dictatorship or leaves the choice to chance {cite}`gibbard1973`.
#
# > **Often believed, and wrong**
# >
# > "The reward model learns what people want on average."
# > **It learns Borda's order of their answers, and only if all pairs are shown equally often.** The pooled answers do not determine the mean of utilities, because the same shares come from many groups of people.
# >
# > "More data will settle it."
# > **More answers narrow the error bars around the same rule's winner.** Which rule it is does not depend on how much data there is.
# >
# > "The majority is the fair rule, then."
# > **There may be no majority winner.** Majorities can go round in a circle, and then the honest statement is a lottery.
# >
# > "Disagreement is noise, which averages out."
# > **A minority's settled opinion looks exactly like noise to the pooled fit.** Keep who answered, and look at the groups one by one.
#
# **Strengths**: the rule behind a pooled fit is known, old and not unreasonable, and the lottery has a guarantee that holds for every table.
#
# **Limits**: every rule here supposes that people answer what they want, that the options do not depend on the rule, and that all answers weigh the same.
#
# **Who is harmed when it fails**: a minority whose dialect, faith or disability makes another answer the good one; every one of their comparisons is outvoted one at a time, and the model that results has no memory that they disagreed.
#
# **In production** keep an identifier of the person with every answer, use `choix` for pooled scores, PrefLib's tools or `pref_voting` for other rules, and report the disagreement beside the winner.

# %% [markdown]
# ## Check yourself
#
# **1.** Of the five rankings on this page nobody puts $c$ first. You take $c$ out, ask again about $a$ and $b$ alone, and fit the scores again. Who wins?
#
# <details><summary>b, because its score was higher all along.</summary>
#
# **Not so.** Its score in `five` came from beating the third option every time; against $a$ it lost by two to three.
#
# </details>
#
# <details><summary>a, because between two options the majority decides.</summary>
#
# **Right.** With one pair left, the mean share of an option is its share of that pair. So an option that nobody puts first can decide between two others.
#
# </details>
#
# <details><summary>That depends on how often the pair is shown.</summary>
#
# **Not so.** The number of showings matters where pairs differ in it. With one pair it cancels: `mean_share` divides the wins by the meetings.
#
# </details>
#
# **2.** Ten annotators give five hundred answers each, and the fit prints narrow error bars, by the Hessian. Can you trust them?
#
# <details><summary>Not if the ten differ, because other ten might answer otherwise.</summary>
#
# **Right.** The Hessian counts five thousand separate answers. If people differ, what varies is the person, and there are ten of these.
#
# </details>
#
# <details><summary>Yes, because five thousand answers are enough for any such fit.</summary>
#
# **Not so.** In `held` the surveys of sixty people with many answers each had enough of them, too, and yet the Hessian's intervals missed far too often.
#
# </details>
#
# <details><summary>No, because whoever answers five hundred times repeats himself.</summary>
#
# **Not so.** Repeating does no harm by itself: in the row of `held` with people who are alike the Hessian's intervals held as often as they should.
#
# </details>
#
# **3.** To save money you show close pairs often and clear ones seldom, to one expert, whose answers follow Bradley and Terry's model, and to a crowd that disagrees. Either gives as many answers as you like. Can the design change who wins?
#
# <details><summary>For neither, because the fit knows how often a pair was shown.</summary>
#
# **Not so.** It knows, and gives those pairs more weight: in the first column of `won`, for the five people, different designs made different answers win.
#
# </details>
#
# <details><summary>For both, because what is shown more often counts for more.</summary>
#
# **Not so.** In the second column of `won`, for one person, the same answer won under each of the designs.
#
# </details>
#
# <details><summary>For the crowd only, because no scores explain all its answers.</summary>
#
# **Right.** The fit has to misjudge some pairs of the crowd, and it would rather misjudge those that were seldom shown. The expert's scores can explain all pairs at once.
#
# </details>

# %% [markdown]
# ## Exercise 1: Borda from rankings
#
# *Easy, 10 minutes.*
# `rankings` has one row per person: the options from best to worst, such as `[2, 0, 1]`.
# Return each option's Borda score as on this page: the share of all (person, other option) pairs in which it is preferred.
#
# Hint: an option in place 0 of `m` is preferred to `m - 1` others, one in the last place to none.


# %% tags=["exercise"]
def borda_of_rankings(rankings):
    """Borda scores (m,), between 0 and 1, from rankings of shape (people, m)."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_borda(attempt):
    votes = np.array([[0, 1, 2, 3]] * 3 + [[1, 2, 0, 3]] * 2 + [[3, 2, 1, 0]])
    place = votes.argsort(axis=1)  # where each option stands
    right = (3 - place).mean(axis=0) / 3
    mistakes = {
        "These are points; divide by the number of other options.": 3 * right,
        "Those are sums over people; take the mean.": len(votes) * right,
        "Divide by the number of other options, without the option itself.": 0.75
        * right,
        "You scored the places, not the options: look up who stands there.": (
            3 - votes
        ).mean(axis=0)
        / 3,
        "The other way round: the best place earns the most.": 1 - right,
        "That counts first choices only.": (place == 0).mean(axis=0),
    }
    check_answer(attempt(votes), right, mistakes)


check_borda(borda_of_rankings)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def borda_of_rankings_solution(rankings):
    place = np.argsort(rankings, axis=1)
    others = rankings.shape[1] - 1
    return (others - place).mean(axis=0) / others


check_borda(borda_of_rankings_solution)
# Why: the inverse of a permutation is its argsort, which turns "who stands in place k"
# into "where option i stands". An option is preferred to all that stand behind it.

# %% [markdown]
# ## Exercise 2: the lottery of a circle, by hand
#
# *Medium, 10 minutes.*
# Three options go round in a circle: a share $1/2 + x$ prefers $a$ to $b$, $1/2 + y$ prefers $b$ to $c$, and $1/2 + z$ prefers $c$ to $a$, with $x$, $y$ and $z$ positive.
# Return the von Neumann winner as three probabilities, for $a$, $b$, $c$, without a linear program.
#
# Hint: against each option the lottery wins exactly one half. Against $a$, what it gains with $c$ it must lose with $b$: $z\,p_c = x\,p_b$.


# %% tags=["exercise"]
def circle_lottery(x, y, z):
    """Probabilities (3,) of a, b and c."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_circle(attempt):
    x, y, z = 0.25, 0.05, 0.15
    right = np.array([y, z, x]) / (x + y + z)
    mistakes = {
        "Each option's probability is the margin between the two *others*.": np.array(
            [x, y, z]
        )
        / (x + y + z),
        "They must sum to one.": np.array([y, z, x]),
        "Take the margins over one half, not the shares.": (np.array([y, z, x]) + 0.5)
        / (x + y + z + 1.5),
        "That is so only if the margins are equal.": np.full(3, 1 / 3),
        "The options are mixed up: b goes with the margin between c and a.": np.array(
            [z, x, y]
        )
        / (x + y + z),
    }
    check_answer(attempt(x, y, z), right, mistakes)


check_circle(circle_lottery)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def circle_lottery_solution(x, y, z):
    return np.array([y, z, x]) / (x + y + z)


check_circle(circle_lottery_solution)
# Why: the three conditions are z p_c = x p_b, x p_a = y p_c and y p_b = z p_a, so p is
# in proportion to (y, z, x). A strong victory of a over b makes c, who beats a, likelier.

# %% [markdown]
# ## Exercise 3: how large a campaign?
#
# *Medium, 15 minutes.*
# `shares` is a table of honest answers, and a campaign adds answers of its own, a share $f$ of the whole, in which option `x` beats every other one and all other pairs stand at one half.
# Return the smallest $f$, of $0, 0.01, 0.02, \dots$, at which `x` has the largest Bradley-Terry score.
#
# Hint: every pair is compared equally often, so you need no fit at all; the pooled table is $(1 - f)$ times the honest one plus $f$ times the campaign's.


# %% tags=["exercise"]
def campaign(shares, x):
    """Smallest share of the answers, in steps of 0.01, that makes x win."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
honest = pooled_preferences(group(3))
x = int(borda(honest).argmin())
push = np.full((7, 7), 0.5)
push[x], push[:, x] = 1, 0
np.fill_diagonal(push, 0)


def smallest(wins):
    tried = np.arange(101) / 100
    return next(f for f in tried if wins((1 - f) * honest + f * push))


def check_campaign(attempt):
    right = smallest(lambda p: borda(p).argmax() == x)
    one_by_one = smallest(lambda p: (p[x] + np.eye(7)[x] > 0.5).all())
    mistakes = {
        "One step too early: x must have the largest score.": right - 0.01,
        "At that share x beats every other option one by one.": one_by_one,
        "f is a share of the whole, not of the honest answers.": right / (1 - right),
    }
    mistakes = {why: f for why, f in mistakes.items() if abs(f - right) > 1e-6}
    check_answer(attempt(honest, x), right, mistakes)


check_campaign(campaign)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def campaign_solution(shares, x):
    push = np.full(shares.shape, 0.5)
    push[x], push[:, x] = 1, 0
    np.fill_diagonal(push, 0)
    for f in np.arange(101) / 100:
        if borda((1 - f) * shares + f * push).argmax() == x:
            return f


check_campaign(campaign_solution)
# Why: with equal comparisons the fitted order is Borda's, which is linear in the
# answers. So the campaign moves x at a constant rate, and no fit has to be repeated.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {row["name"]: row["ratio"] for row in evidence.results["speed"]}
Markdown(
    "The book's functions are less able than `pref_voting`: they know three rules, not "
    "dozens, take no ballots with ties or gaps, and find one maximal lottery where "
    "margins are tied and there are many. For 50 options cvxpy takes "
    f"{speed['50 options']:.1f} times as long for the same linear program, most of it to "
    "translate the problem."
)

# %% tags=["hide-output"]
rows = [[name, "cvxpy with HiGHS", ratio] for name, ratio in speed.items()]
table(["von Neumann winner", "compared with", "its time / ours"], rows, digits=1)

# %% tags=["hide-output"]
evidence

# %% [markdown]
# ## What the source says
#
# > **Value-Based Design**: Designing AI systems to incorporate human values and principles into their decision-making processes.
#
# "Human values" is a plural, and the step from many to one is a choice.
# This page is about that step.
#
# ## References
#
# Pooled preferences and Borda: {cite:t}`siththaranjan2024`; the rule itself: {cite:t}`borda1781`.
# The lottery: {cite:t}`kreweras1965`, {cite:t}`fishburn1984`, under its present name {cite:t}`dudik2015`.
# Lies: {cite:t}`gibbard1973`; people behind a reward: {cite:t}`ouyang2022`.
# Burlington: {cite:t}`burlington2009`, {cite:t}`ornstein2014`.
