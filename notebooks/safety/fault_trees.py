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
# # Fault trees
#
# Fault tree analysis by binary decision diagrams: minimal cut sets, importance, and common causes.
#
# On 1 June 2009 the airspeeds measured on board Air France flight 447 became inconsistent, probably because ice crystals obstructed the Pitot probes, and the autopilot disconnected; the crew did not recover the stall that followed, and 228 people died {cite}`bea2012`.
# The aircraft had three probes, so that it could lose one, but all three met the same ice.
#
# **How likely is it that the whole fails, if its parts share something?**
#
# You need the answer as soon as a system of yours is safe because two things would have to go wrong at once: camera and lidar, model and monitor, filter and reviewer.
# If both hang on one power supply, or learned from one training set, then one thing is enough.
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | write down how a system fails as a tree, compute the probability exactly, name the sets of events that suffice and the event that matters most, and add a common cause |
# | You need | NumPy, Matplotlib; what a probability and independence are, and how a Python dictionary is written |
# | Time | 25 minutes to read, 40 for the exercises |
# | Code | `companion.safety.fault_trees` |

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
from math import prod

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from companion.lesson import (
    COLOURS,
    check_answer,
    claim,
    figure_style,
    recorded,
    show_source,
    table,
)
from companion.safety.fault_trees import (
    cut_set_bounds,
    importance,
    minimal_cut_sets,
    top_event_probability,
    with_common_cause,
)

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# A vehicle misses an object if two of its three channels do: camera, lidar, radar.
# Every channel has failures of its own, a few in a thousand; but camera and lidar hang on one power supply, and their networks learned from one training set, which may lack the object.
#
# **Guess before you look**: if you multiply the channels' probabilities as if they were independent, how far are you off?

# %% mystnb={"figure": {"caption": "Left: probability that the vehicle misses an object, against the probability that the shared power supply fails; exact, and multiplied gate by gate as if nothing were shared. Right: two approximations from the cut sets, divided by the exact value, as all eight events become likelier.", "name": "fig-fault-trees"}, "image": {"alt": "Two panels with logarithmic axes. Left: the exact curve is flat at about five in ten thousand until the power supply fails as often as that, then rises in proportion to it; the gate-by-gate curve lies more than fifteen times lower all along. Right: both approximations equal the exact value below one percent; from ten percent on the rare-event sum rises far above it, and the upper bound moderately."}} tags=["hide-input"]
stack = {
    "object missed": (2, ["camera channel", "lidar channel", "radar channel"]),
    "camera channel": ("or", ["camera", "camera network", "power", "training set"]),
    "lidar channel": ("or", ["lidar", "lidar network", "power", "training set"]),
    "radar channel": ("or", ["radar", "clutter"]),
}
p = {"camera": 1e-3, "lidar": 1e-3, "radar": 1e-3, "clutter": 2e-3}
p |= {
    "camera network": 2e-3,
    "lidar network": 2e-3,
    "power": 1e-4,
    "training set": 5e-4,
}


def gate_by_gate(gates, p, name):
    """As if the inputs of every gate were independent: or, and, two of three."""
    if name not in gates:
        return p[name]
    kind, inputs = gates[name]
    q = [gate_by_gate(gates, p, i) for i in inputs]
    if kind == 2:
        return q[0] * q[1] + q[0] * q[2] + q[1] * q[2] - 2 * prod(q)
    return prod(q) if kind == "and" else 1 - prod(1 - x for x in q)


supply = np.geomspace(1e-6, 1e-2, 41)
cases = [p | {"power": float(c)} for c in supply]
exact = np.array(
    [top_event_probability(stack, case, "object missed") for case in cases]
)
product = np.array([gate_by_gate(stack, case, "object missed") for case in cases])
likely = np.geomspace(1e-3, 0.5, 41)
cuts = minimal_cut_sets(stack, "object missed")
truth, rare, upper = (np.empty(len(likely)) for _ in range(3))
for i, q in enumerate(likely):
    case = dict.fromkeys(p, float(q))
    truth[i] = top_event_probability(stack, case, "object missed")
    rare[i], upper[i], _ = cut_set_bounds(cuts, case)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
left.loglog(supply, exact, color=COLOURS["blue"], label="exact")
left.loglog(supply, product, "--", color=COLOURS["red"], label="gate by gate")
left.set(xlabel="probability that the power fails", ylabel="object missed")
left.set_title("What is shared decides")
left.legend()
right.loglog(likely, rare / truth, "--", color=COLOURS["red"], label="rare-event sum")
right.loglog(likely, upper / truth, "-.", color=COLOURS["orange"], label="upper bound")
right.axhline(1, color=COLOURS["grey"], linewidth=1)
right.set(xlabel="probability of every event", ylabel="approximation / exact")
right.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
right.minorticks_off()
right.set_title("From the cut sets alone")
right.legend()
plt.show()

# %% [markdown]
# Multiplying is not a little off: it answers another question, about a vehicle with two power supplies and two training sets.
# On the right you see when the usual shortcuts are harmless, which is when all events are rare.

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Gate by gate the probability comes out at least fifteen times too low, however "
    "rarely the power fails: the training set is shared as well.",
    bool((exact > 15 * product).all()),
    over="41 probabilities of the power supply from 1e-6 to 1e-2",
)

# %% [markdown]
# ## The idea on three numbers: conditioning
#
# Take two channels and nothing but what can be done by hand.
# The camera fails with probability $0.01$, the radar with $0.02$, the power that feeds both with $0.001$, independently, and the vehicle is blind if both channels are down.
#
# Ask for the power first.
# If it fails, the vehicle is blind.
# If it does not, then camera *and* radar must fail:
#
# $$0.001 \cdot 1 + 0.999 \cdot 0.01 \cdot 0.02 = 0.0012.$$
#
# Gate by gate, each channel fails with $0.01099$ and $0.02098$, and the product $0.00023$ is five times too low, because it lets the power fail twice.

# %%
small = {
    "blind": ("and", ["camera channel", "radar channel"]),
    "camera channel": ("or", ["camera", "power"]),
    "radar channel": ("or", ["radar", "power"]),
}
chances = {"camera": 0.01, "radar": 0.02, "power": 0.001}
rows = [
    ["conditioning", top_event_probability(small, chances, "blind")],
    ["gate by gate", gate_by_gate(small, chances, "blind")],
]
table(["method", "blind"], rows, digits=6)

# %% [markdown]
# ## The equation: Shannon's expansion and the decision diagram
#
# Let $f$ be the tree and $x$ a basic event with probability $p_x$.
# Either $x$ happens or it does not, and what is left of the tree in either case does not contain $x$ any more:
#
# $$P(f) = p_x\, P(f \mid x) + (1 - p_x)\, P(f \mid \bar x).$$
#
# First the tree has to be read.
# A gate is a kind and a list of inputs; a number as its kind means that at least so many of the inputs must happen.


# %%
def happens(gates, name, failed):
    if name not in gates:
        return name in failed
    kind, inputs = gates[name]
    count = sum(happens(gates, i, failed) for i in inputs)
    return count >= {"or": 1, "and": len(inputs)}.get(kind, kind)


# %% [markdown]
# The vehicle of the picture has four gates, and whatever is no gate is a basic event.

# %%
table(["gate", "kind", "inputs"], [[g, k, ", ".join(i)] for g, (k, i) in stack.items()])


# %% [markdown]
# Then the equation is a few lines, one event after the other.


# %%
def condition(gates, p, top, failed=frozenset(), events=None):
    events = list(p) if events is None else events
    if not events:
        return float(happens(gates, top, failed))
    x, *rest = events
    yes = condition(gates, p, top, failed | {x}, rest)
    no = condition(gates, p, top, failed, rest)
    return p[x] * yes + (1 - p[x]) * no


np.testing.assert_allclose(
    condition(stack, p, "object missed"),
    top_event_probability(stack, p, "object missed"),
)

# %% [markdown]
# That takes two to the power of the number of events.
# The package conditions in the same way, but where two remainders of the tree are equal it keeps one of them, and so it builds a **binary decision diagram** {cite}`bryant1986,rauzy1993`: a thousand pairs of events need a few thousand remainders, not $2^{2000}$.

# %%
show_source(top_event_probability)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
evidence = recorded("safety/fault_trees")
checked = evidence.results["enumeration"]
claim(
    "The diagram gives the sum over all states to eleven digits, also where events and "
    "gates are shared at random.",
    checked["largest relative difference"] < 1e-11,
    over=f"{checked['trees']} random trees of up to 12 events, recorded",
)

# %% [markdown]
# ## Minimal cut sets: what suffices
#
# A **cut set** is a set of events that brings the top event about; it is minimal if none of its events can be spared.
# They are what an engineer reads first, above all the sets of one.

# %%
rows = [[", ".join(sorted(cut)), f"{prod(p[e] for e in cut):.0e}"] for cut in cuts[:6]]
rows.append([f"and {len(cuts) - 6} more pairs", ""])
table(["minimal cut set", "probability"], rows)

# %% [markdown]
# Two events suffice alone, although the design promises that two channels must fail.
# From the cut sets alone, with $c_i$ the product of the probabilities in set $i$, come the shortcuts of the picture:
#
# $$\sum_i c_i - \sum_{i<j} P(C_i C_j) \;\le\; P,$$
#
# $$P \;\le\; 1 - \prod_i (1 - c_i) \;\le\; \sum_i c_i.$$
#
# The last one is the rare-event approximation, the one before it the minimal cut upper bound {cite}`esary1963`, and the first one tells you whether you may use them: where the pairs are small beside the sum, all four are close.
# Where they are not, it falls below zero, and the package says zero.

# %%
rows = []
for q in (0.001, 0.01, 0.1, 0.3):
    case = dict.fromkeys(p, q)
    bounds = cut_set_bounds(cuts, case)
    whole = top_event_probability(stack, case, "object missed")
    rows.append(
        [q, bounds.lower / whole, bounds.upper / whole, bounds.rare_event / whole]
    )
table(["all events", "lower / exact", "upper / exact", "sum / exact"], rows, digits=3)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
pairs_share = np.array(
    [
        (b.rare_event - b.lower) / b.rare_event
        for b in (cut_set_bounds(cuts, dict.fromkeys(p, float(q))) for q in likely)
    ]
)
claim(
    "Both approximations lie above the truth, and the sum exceeds it by no more than "
    "the sum over the pairs.",
    bool(
        (truth <= upper * (1 + 1e-9)).all()
        and (upper <= rare * (1 + 1e-9)).all()
        and (rare - truth <= pairs_share * rare * (1 + 1e-9)).all()
    ),
    over="this tree, all events from 0.001 to 0.5 in 41 steps; any tree of and, or "
    "and votes of independent events: theorem",
)

# %% [markdown]
# ## Importance: what to repair first
#
# **Birnbaum's importance** of an event is $P(\text{top} \mid x) - P(\text{top} \mid \bar x)$, the slope of the whole in $p_x$ {cite}`birnbaum1969`.
# **Fussell and Vesely's importance** is the probability that some minimal cut set with the event is complete, given that the top event has happened {cite}`fussell1975`.
# The first says what an improvement would be worth, the second what was probably involved.

# %%
found = importance(stack, p, "object missed")
order = sorted(found, key=lambda e: -found[e].fussell_vesely)
rows = [[e, f"{p[e]:.0e}", *found[e]] for e in order]
table(["event", "p", "Birnbaum", "Fussell-Vesely"], rows, digits=3)

# %% [markdown]
# The training set is behind most of the missed objects, although every other cause but the power is likelier.
# A better lens would change next to nothing.

# %%
show_source(minimal_cut_sets, importance, cut_set_bounds)

# %% [markdown]
# ## Published trees
#
# Four trees from the literature, with the probabilities that another program computed for the collection FFORT {cite}`ruijters2019`: the pressure tank and the seals of NASA's handbook {cite}`stamatelatos2002`, a ship's mooring {cite}`mentes2011`, and a radio centre for trains, which has a vote of two in three {cite}`flammini2005`.

# %%
known = evidence.results["published"]
rows = [
    [name, f"{row['published']:.7e}", f"{row['ours']:.7e}"]
    for name, row in known.items()
]
table(["tree", "published", "ours"], rows)

# %% [markdown]
# The pressure tank differs in the eighth digit.
# Ours is the sum over all 64 states of that tree, which you could do by hand, so the published number is the one that is off.
#
# ## Real data: three classifiers that share what they find difficult
#
# Three logistic regressions learn handwritten digits from 200 images each, none shared, and a vote of two in three is wrong if two are.
# The tree of the vote is one gate; the question is what stands below it.
# With one cause that strikes all three, a share $\beta$ of each one's probability, every event $e$ becomes "$e$ alone, or the common cause", which is the **beta-factor model** {cite}`fleming1975`.

# %%
show_source(with_common_cause)

# %% [markdown]
# How often *pairs* are wrong together on 600 images says how large $\beta$ is; what the tree then says of the vote, and of all three, is held against 597 other images.

# %%
models = evidence.results["classifiers"]
rows = [
    ["one classifier", *(100 * f(models["alone"]) for f in (np.mean, np.min, np.max))]
]
for name, text in (("two", "two of three"), ("three", "all three")):
    for what in ("seen", "independent", "common cause"):
        values = models[f"{name}, {what}"]
        rows.append(
            [
                f"{text}: {'counted' if what == 'seen' else what}",
                *(100 * f(values) for f in (np.mean, np.min, np.max)),
            ]
        )
table(["wrong, in percent", "mean", "least", "most"], rows, digits=2)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
off = {
    (name, what): np.mean(models[f"{name}, {what}"]) / np.mean(models[f"{name}, seen"])
    for name in ("two", "three")
    for what in ("independent", "common cause")
}
claim(
    "Independent events come out too low, for two of three by a factor of three at least "
    "and for all three by one of thirty; with a common cause two of three are too low, "
    "and all three too high, by less than a factor of 1.6.",
    bool(
        off["two", "independent"] < 1 / 3
        and off["three", "independent"] < 1 / 30
        and 1 / 1.6
        < off["two", "common cause"]
        < 1
        < off["three", "common cause"]
        < 1.6
    ),
    over="the means of 20 random splits of the digits, recorded",
)

# %% [markdown]
# They share no image, so what strikes them together is that some digits are hard for every model of this kind.
# The beta factor gets the size roughly right and the kind wrong, because here the cause is not all or nothing: there are digits that fool two of the three.
#
# ## Break it: more copies against a common cause
#
# Copies of a part fail with probability $0.01$ each, and the system needs one of them.
# Let a tenth of that probability, or a hundredth, be due to something they share.


# %%
def all_copies_fail(n, beta, p=0.01):
    names = [f"copy {i}" for i in range(n)]
    tree, chance = {"all fail": ("and", names)}, dict.fromkeys(names, p)
    if n > 1 and beta > 0:
        tree, chance = with_common_cause(tree, chance, names, beta)
    return top_event_probability(tree, chance, "all fail")


rows = [
    [n, *(f"{all_copies_fail(n, beta):.1e}" for beta in (0, 0.01, 0.1))]
    for n in (1, 2, 3, 4, 8)
]
table(["copies", "β = 0", "β = 0.01", "β = 0.1"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
floors = np.array(
    [[all_copies_fail(n, b) / (0.01 * b) for n in range(2, 21)] for b in (0.01, 0.1)]
)
claim(
    "No number of copies brings the failure below the common cause, and from the fourth "
    "copy on it is within a thousandth of it.",
    bool((floors >= 1 - 1e-12).all() and (floors[:, 2:] < 1.001).all()),
    over="2 to 20 copies, shares 0.01 and 0.1",
)

# %% [markdown]
# And if the cause is removed?
# Give the camera and the lidar of the first picture a power supply and a training set each, with the same probabilities, and multiplying becomes right.

# %%
apart = dict(stack)
apart["lidar channel"] = ("or", ["lidar", "lidar network", "power 2", "training set 2"])
q = p | {"power 2": p["power"], "training set 2": p["training set"]}
rows = [
    [
        "shared",
        f"{top_event_probability(stack, p, 'object missed'):.2e}",
        f"{gate_by_gate(stack, p, 'object missed'):.2e}",
    ],
    [
        "apart",
        f"{top_event_probability(apart, q, 'object missed'):.2e}",
        f"{gate_by_gate(apart, q, 'object missed'):.2e}",
    ],
]
table(["power and training set", "exact", "gate by gate"], rows)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "With nothing shared, gate by gate is exact.",
    all(
        abs(
            gate_by_gate(apart, q | {"power": c, "power 2": c}, "object missed")
            / top_event_probability(
                apart, q | {"power": c, "power 2": c}, "object missed"
            )
            - 1
        )
        < 1e-10
        for c in map(float, supply)
    ),
    over="the 41 probabilities of the first picture",
)

# %% [markdown]
# ## Break it: a tree that outgrows the diagram
#
# The diagram asks for the events in the order in which they stand in the tree.
# If partners stand far apart, it must remember all of the first halves until it has seen the second.

# %%
rows = [
    [r["tree"], r["events"], r["nodes"] or "more than a second's work"]
    for r in evidence.results["growth"]
]
table(["tree", "events", "remainders, to a tenth"], rows)

# %% [markdown]
# Side by side, two thousand events are a trifle; far apart, each pair more about doubles the work.
# The package gives up at a million remainders and says so; then put partners beside one another in the tree.
#
# > **Often believed, and wrong**
# >
# > "Two channels must fail, so we multiply their probabilities."
# > **Only if they share nothing.** One shared event puts its own probability under the whole, however good the channels are.
# >
# > "The rare-event approximation is a probability."
# > **It is a sum, and may exceed one.** It is close where the pairs of cut sets are rare beside the sum; the lower bound tells you.
# >
# > "The likeliest cause is the one to repair."
# > **Ask for its importance first.** In the vehicle above, six events are likelier than the training set, and they hardly matter.
# >
# > "A fourth copy makes it safer still."
# > **Not below the common cause.** From the second or third copy on you pay for parts that fail together.
#
# **Strengths**: a tree is exact, it is read by people, it names what suffices, and it reaches probabilities that no test campaign can see.
# Where a failure is no tree of events but a score that must be simulated, [Rare events](rare_events.ipynb) reaches them.
#
# **Limits**: it knows what you wrote down and no more; its events must be independent, so a common cause must be an event of its own; it has no time, no order and no repair, and this package's trees have no *not*.
#
# **Who is harmed when it fails**: passengers of a vehicle that was approved for two independent channels, because nobody asked what the two had in common, and whoever looks unlike anybody in the one training set.
#
# **In production** take a tool of the trade: SCRAM reads the Open-PSA format, the R package FaultTree draws as well, and OpenTURNS has unions and intersections of events that are not binary.

# %% [markdown]
# ## Check yourself
#
# **1.** Two data centres replace each other. Each fails by itself in one hour of a thousand, and one tool that configures both of them breaks both in one hour of ten thousand. How often are both down?
#
# <details><summary>About one hour in a million, because both must fail.</summary>
#
# **Not so.** That is `gate_by_gate`, which lets the shared part fail once for each: for the vehicle it came out many times too low.
#
# </details>
#
# <details><summary>About one hour in ten thousand, because of the tool.</summary>
#
# **Right.** If the tool is to blame, both are down, and otherwise both must fail by themselves, which adds only $0.001^2$ or one hour in a million.
#
# </details>
#
# <details><summary>About one hour in a thousand, because a shared tool makes them one.</summary>
#
# **Not so.** A second copy is still worth something: with a shared tenth, two copies in `all_copies_fail` failed together far more rarely than one alone.
#
# </details>
#
# **2.** A drone falls if its battery fails, once in 1000 flights, or if both of its receivers fail, each once in 100 flights, independently. You may make one battery or one receiver ten times as reliable. Which one?
#
# <details><summary>A receiver, because it fails ten times as often.</summary>
#
# **Not so.** In `found` six events are likelier than the training set, and each of them matters far less, because it needs a second one.
#
# </details>
#
# <details><summary>Either, because each is part of a minimal cut set.</summary>
#
# **Not so.** So are all the events in `found`, and still the slope of the whole is far smaller in an event that needs a partner.
#
# </details>
#
# <details><summary>The battery, because its failure suffices alone.</summary>
#
# **Right.** Its slope is about $1$, and that of a receiver is $0.01$, since the other one must fail as well: you gain $0.0009$ instead of $0.01 \cdot 0.009 = 0.00009$.
#
# </details>
#
# **3.** In a tree of and, or and votes each event has a probability of about a third, all independent. The sum over its minimal cut sets is nine tenths. What do you know about the top event?
#
# <details><summary>Its probability is at most that, and perhaps far less.</summary>
#
# **Right.** The sum counts a state once for each cut set that is complete in it. Where events are as likely as these, many are complete at once.
#
# </details>
#
# <details><summary>Its probability is about that, because all cut sets are in the sum.</summary>
#
# **Not so.** In `bounds` the sum is close only where the events are rare: at three tenths each it was more than twice the truth.
#
# </details>
#
# <details><summary>Its probability is at least that, because other ways add to it.</summary>
#
# **Not so.** There are no other ways: `truth` never exceeded `upper`, nor did `upper` exceed `rare`.
#
# </details>

# %% [markdown]
# ## Exercise 1: two monitors and one clock
#
# *Easy, 10 minutes.*
# A model's output is checked by two monitors.
# Monitor $i$ misses a bad output with probability $m_i$, independently, but both miss it if the clock that stamps the logs is wrong, which has probability $s$.
# Return the probability that both miss it.
#
# Hint: ask for the clock first.


# %% tags=["exercise"]
def both_miss(m1, m2, s):
    """Probability that both monitors miss a bad output."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_both_miss(attempt):
    m1, m2, s = 0.1, 0.2, 0.05
    down = [1 - (1 - m) * (1 - s) for m in (m1, m2)]
    mistakes = {
        "You let the clock fail once for each monitor; it fails for both at once.": prod(
            down
        ),
        "The clock is missing.": m1 * m2,
        "The clock alone is enough; you let all three fail.": s * m1 * m2,
        "If the clock is wrong, the monitors do not matter: do not count those cases "
        "twice.": s + m1 * m2,
        "If the clock is wrong, both miss for certain.": (1 - s) * m1 * m2,
    }
    check_answer(attempt(m1, m2, s), s + (1 - s) * m1 * m2, mistakes)


check_both_miss(both_miss)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def both_miss_solution(m1, m2, s):
    return s * 1 + (1 - s) * m1 * m2


check_both_miss(both_miss_solution)
# Why: given the clock the monitors are independent, and that is the only place where
# multiplying is allowed. So one conditions on what is shared, and multiplies the rest.

# %% [markdown]
# ## Exercise 2: from any cut sets to a bound
#
# *Medium, 15 minutes.*
# Somebody hands you cut sets that are not all minimal, as a list of Python sets, and the probabilities of the events.
# Drop every set that contains another one, and return the minimal cut upper bound $1 - \prod_i (1 - c_i)$.
#
# Hint: `a < b` says that the set `a` is contained in `b` and is not `b`; no set is given twice.


# %% tags=["exercise"]
def upper_bound(cut_sets, p):
    """The minimal cut upper bound of cut sets that need not be minimal."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def check_upper_bound(attempt):
    given = [{"a"}, {"a", "b"}, {"b", "c"}, {"b", "c", "d"}, {"c", "d"}]
    p = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}

    def bound(sets):
        return 1 - prod(1 - prod(p[e] for e in s) for s in sets)

    kept, dropped = [{"a"}, {"b", "c"}, {"c", "d"}], [{"a", "b"}, {"b", "c", "d"}]
    missed = "That is the probability that no cut set is complete; take it from one."
    mistakes = {
        "Sets that contain another one are still counted.": bound(given),
        "You kept the large sets and dropped the small ones.": bound(dropped),
        "A set contains itself: compare with `<`, or nothing is left.": 0.0,
        "That is the rare-event sum.": sum(prod(p[e] for e in s) for s in kept),
        missed: 1 - bound(kept),
    }
    check_answer(attempt(given, p), bound(kept), mistakes)


check_upper_bound(upper_bound)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def upper_bound_solution(cut_sets, p):
    kept = [s for s in cut_sets if not any(other < s for other in cut_sets)]
    return 1 - prod(1 - prod(p[e] for e in s) for s in kept)


check_upper_bound(upper_bound_solution)
# Why: a set that contains another one adds no way to fail, because the smaller one is
# complete whenever the larger one is. Counting it again only loosens the bound.

# %% [markdown]
# ## Exercise 3: when another copy is wasted
#
# *Medium, 15 minutes.*
# Copies fail with probability $p$ each, of which the share $\beta$ is a common cause: it happens with probability $\beta p$ and fells all of them, and otherwise each fails by itself with probability $a = (1 - \beta) p / (1 - \beta p)$.
# Both lie between zero and one.
# Return the smallest number $n \ge 1$ of copies such that one more lowers the probability that all fail by less than a tenth of it.
#
# Hint: write $P(n)$ first, by conditioning on the common cause; then look for the first $n$ with $P(n + 1) > 0.9\, P(n)$.


# %% tags=["exercise"]
def enough_copies(p, beta):
    """Smallest n such that copy n + 1 lowers the failure by less than a tenth."""
    ...


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def first_wasted(cases, parts):
    """For every case the first copy to be wasted; parts: cause, a copy alone, and 1 - βp."""
    found = []
    for p, b in cases:
        cause, alone, *left = parts(p, b, (1 - b) * p / (1 - b * p))
        left = left[0] if left else 1 - cause
        fail = [cause + left * alone**n for n in range(100)]
        found.append(next(n for n in range(1, 99) if fail[n + 1] > 0.9 * fail[n]))
    return found


def check_enough_copies(attempt):
    cases = [(0.1, 0.1), (0.8, 0.5), (0.85, 0.4)]
    right = first_wasted(cases, lambda p, b, a: (b * p, a))
    wrong = {
        "The common cause has probability βp, not β.": lambda p, b, a: (b, a),
        "The copies' part lacks the factor 1 - βp.": lambda p, b, a: (b * p, a, 1),
        "Alone a copy fails with a, not p.": lambda p, b, a: (b * p, p),
        "a lacks its divisor 1 - βp.": lambda p, b, a: (b * p, (1 - b) * p),
    }
    mistakes = {reason: first_wasted(cases, parts) for reason, parts in wrong.items()}
    mistakes |= {
        "One too many: that is the copy that is wasted.": [n + 1 for n in right],
        "Go on until one more copy lowers it by less than a tenth.": [1, 1, 1],
    }
    answers = [attempt(p, b) for p, b in cases]
    check_answer(None if None in answers else answers, right, mistakes)


check_enough_copies(enough_copies)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def enough_copies_solution(p, beta):
    cause = beta * p
    alone = (1 - beta) * p / (1 - cause)

    def all_fail(n):
        return cause + (1 - cause) * alone**n

    n = 1
    while all_fail(n + 1) <= 0.9 * all_fail(n):
        n += 1
    return n


check_enough_copies(enough_copies_solution)
# Why: each copy multiplies its own part by a, but the common cause stays. As soon as
# the cause is nearly all that is left, only a different kind of part would help.

# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
speed = {(r["name"], r["peer"]): r["ratio"] for r in evidence.results["speed"]}
rows_ = [v for (_, peer), v in speed.items() if "NumPy" in peer]
drawn = next(v for (_, peer), v in speed.items() if "OpenTURNS" in peer)
seen_ = evidence.results["simulation"]
Markdown(
    f"On trees of a dozen events the book is slower than the sum over all states in NumPy, by up to "
    f"{1 / min(rows_):.1f} times, because building a diagram costs more than adding up 256 numbers; at 15 events it is "
    f"{max(rows_):.1f} times quicker. It has no *not*, no time and no file format, which the tools of the trade have. "
    f"10,000 samples in OpenTURNS take {drawn:.0f} times as long; 100,000 of them, of the vehicle with events ten times "
    f"as likely, said {seen_['simulated']:.4f} ± {seen_['standard error']:.4f} where {seen_['exact']:.4f} is exact."
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
# A tree assesses the risks that somebody has thought of; how large the others are, no tree says.
# That copies of a model fail together is measured in [Redundancy](../robustness/redundancy.ipynb).
#
# ## References
#
# Fault trees: {cite:t}`vesely1981`, {cite:t}`stamatelatos2002`; decision diagrams: {cite:t}`bryant1986`, {cite:t}`rauzy1993`.
# Importance: {cite:t}`birnbaum1969`, {cite:t}`fussell1975`; bounds: {cite:t}`esary1963`; common causes: {cite:t}`fleming1975`.
# The published trees: {cite:t}`ruijters2019`, {cite:t}`mentes2011`, {cite:t}`flammini2005`.
# What happened: {cite:t}`bea2012`.
