"""The properties that make `companion.safety.fault_trees` correct."""

import itertools
from fractions import Fraction
from math import comb, prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.safety.fault_trees import (
    cut_set_bounds,
    importance,
    minimal_cut_sets,
    top_event_probability,
    with_common_cause,
)
from tests.rounding import rounding

quick = settings(derandomize=True, deadline=None, max_examples=80)


def happens(gates, name, failed):
    """Whether a gate or an event happens, read off the tree."""
    if name not in gates:
        return name in failed
    kind, inputs = gates[name]
    count = sum(happens(gates, i, failed) for i in inputs)
    return count >= {"or": 1, "and": len(inputs)}.get(kind, kind)


def events_below(gates, name):
    if name not in gates:
        return {name}
    return set().union(*(events_below(gates, i) for i in gates[name][1]))


def states(events):
    events = sorted(events)
    for mask in itertools.product([False, True], repeat=len(events)):
        yield {e for e, down in zip(events, mask, strict=True) if down}


def enumerated(gates, probabilities, top):
    """The sum over all states of the basic events, in whole numbers."""
    p = {e: Fraction(probabilities[e]) for e in events_below(gates, top)}
    return sum(
        prod(p[e] if e in failed else 1 - p[e] for e in p)
        for failed in states(p)
        if happens(gates, top, failed)
    )


def random_tree(seed, events=7, gates=6):
    """A tree in which events and gates are shared freely; the last gate is the top."""
    rng = np.random.default_rng(seed)
    names = [f"e{i}" for i in range(events)]
    tree = {}
    for g in range(gates):
        size = int(rng.integers(2, 5))
        inputs = [str(i) for i in rng.choice(names + list(tree), size, replace=False)]
        if tree and g == gates - 1:
            inputs = [*inputs, f"g{g - 1}"]
        kinds = ["and", "or", int(rng.integers(1, len(inputs) + 1))]
        tree[f"g{g}"] = (kinds[rng.integers(3)], inputs)
    return tree, {e: float(rng.random()) for e in names}, f"g{gates - 1}"


# The probability


@pytest.mark.parametrize("seed", range(60))
def test_conditioning_is_the_enumeration_of_all_states(seed):
    gates, p, top = random_tree(seed)
    # Seven conditionings, each two products and a sum of numbers up to 1.
    assert top_event_probability(gates, p, top) == pytest.approx(
        float(enumerated(gates, p, top)), abs=rounding(30, 1)
    )


def _naive_probability(gates, p, name):
    """Gate by gate, as if the inputs of every gate were independent."""
    if name not in gates:
        return p[name]
    kind, inputs = gates[name]
    q = [_naive_probability(gates, p, i) for i in inputs]
    return prod(q) if kind == "and" else 1 - prod(1 - x for x in q)


SHARED = {
    "blind": ("and", ["camera down", "radar down"]),
    "camera down": ("or", ["camera", "power"]),
    "radar down": ("or", ["radar", "power"]),
}


def test_a_shared_event_counts_once_and_the_naive_product_is_wrong():
    p = {"camera": 0.01, "radar": 0.02, "power": 0.001}
    right = 0.001 + 0.999 * 0.01 * 0.02
    assert top_event_probability(SHARED, p, "blind") == pytest.approx(
        right, rel=rounding(9, 1), abs=0
    )
    assert _naive_probability(SHARED, p, "blind") < right / 4


def test_without_shared_events_the_naive_product_is_right():
    gates = {
        "top": ("or", ["x", "y"]),
        "x": ("and", ["a", "b"]),
        "y": ("and", ["c", "d"]),
    }
    p = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}
    assert top_event_probability(gates, p, "top") == pytest.approx(
        _naive_probability(gates, p, "top"), rel=rounding(9, 1), abs=0
    )


@pytest.mark.parametrize(
    ("n", "k"), [(n, k) for n in (1, 3, 6) for k in range(1, n + 1)]
)
def test_a_gate_of_k_is_the_binomial_sum(n, k):
    parts = [f"e{i}" for i in range(n)]
    p, q = Fraction(3, 8), 0.375
    exact = sum(comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))
    found = top_event_probability({"top": (k, parts)}, dict.fromkeys(parts, q), "top")
    assert found == pytest.approx(float(exact), rel=rounding(3 * n, 1), abs=0)


def test_an_event_named_twice_counts_twice_for_a_vote():
    gates = {"top": (2, ["a", "a", "b"])}
    assert top_event_probability(gates, {"a": 0.25, "b": 0.5}, "top") == 0.25


@pytest.mark.parametrize("p", [1e-170, 1e-300, 1e-5])
def test_tiny_probabilities_keep_their_digits(p):
    events = {"a": p, "b": 0.5, "c": 0.5}
    gates = {"top": ("and", ["a", "or"]), "or": ("or", ["b", "c"])}
    assert top_event_probability(gates, events, "top") == pytest.approx(
        0.75 * p, rel=rounding(9, 1), abs=0
    )


def test_certain_and_impossible_events_are_answers():
    gates = {"top": ("or", ["a", "both"]), "both": ("and", ["b", "c"])}
    for a, b, c in itertools.product([0, 1], repeat=3):
        found = top_event_probability(gates, {"a": a, "b": b, "c": c}, "top")
        assert found == (a or (b and c))


def test_a_basic_event_is_a_tree():
    assert top_event_probability({}, {"a": 0.25}, "a") == 0.25
    assert minimal_cut_sets({"top": ("or", ["a", "b"])}, "a") == [frozenset("a")]
    assert importance({}, {"a": 0.25}, "a") == {"a": (1.0, 1.0)}


@pytest.mark.parametrize("kind", ["or", "and", 2])
def test_thousands_of_events_and_of_levels_are_no_matter(kind):
    n = 3000
    wide = {"top": (kind, [f"e{i}" for i in range(n)])}
    p = {f"e{i}": 1e-5 for i in range(n)}
    exact = {
        "or": -np.expm1(n * np.log1p(-1e-5)),
        "and": 0.0,
        2: 1 - (1 - 1e-5) ** n - n * 1e-5 * (1 - 1e-5) ** (n - 1),
    }
    assert top_event_probability(wide, p, "top") == pytest.approx(
        exact[kind], rel=1e-9, abs=1e-300
    )
    deep = {f"g{i}": ("or", [f"e{i}", f"g{i + 1}"]) for i in range(n)}
    deep[f"g{n}"] = ("and", ["e0", "e1"])
    found = top_event_probability(deep, p, "g0")
    assert found == pytest.approx(exact["or"], rel=1e-9, abs=0)


def test_the_deepest_remainder_is_reached_without_recursion():
    """Two long chains of the same events, combined at the top: one step for each event."""
    n = 2000
    names = [f"e{i}" for i in range(n)]
    gates = {"top": ("or", ["all", "none"]), "all": ("and", names), "none": (2, names)}
    p = dict.fromkeys(names, 0.5)
    assert top_event_probability(gates, p, "top") == pytest.approx(1, abs=1e-9)


# Published trees, with the values of DFTCalc in the FFORT collection

PRESSURE_TANK = (
    {
        "rupture": ("or", ["tank", "overpressure"]),
        "overpressure": ("or", ["motor runs on", "relay K2"]),
        "motor runs on": ("and", ["switch S", "timer circuit"]),
        "timer circuit": ("or", ["switch S1", "relay K1", "timer R"]),
    },
    {
        "tank": 5e-6,
        "relay K2": 3e-5,
        "switch S": 1e-4,
        "switch S1": 3e-5,
        "relay K1": 5e-6,
        "timer R": 1e-4,
    },
    "rupture",
)
SEALS = (
    {
        "leak": ("or", ["shared", "each"]),
        "shared": ("and", ["tape", "contamination"]),
        "each": ("and", ["metal", "both", "plug"]),
        "both": ("and", ["seal 1", "seal 2"]),
    },
    {
        "tape": 1e-1,
        "contamination": 1e-5,
        "metal": 1e-3,
        "plug": 1e-3,
        "seal 1": 1e-3,
        "seal 2": 1e-3,
    },
    "leak",
)


@pytest.mark.parametrize(
    ("tree", "published", "digits"),
    [
        (PRESSURE_TANK, 3.5013348120867e-5, 1e-7),  # theirs is right to eight digits
        (SEALS, 1.000000999999e-6, 1e-12),
    ],
)
def test_published_trees_have_their_published_probability(tree, published, digits):
    assert top_event_probability(*tree) == pytest.approx(published, rel=digits, abs=0)
    assert top_event_probability(*tree) == pytest.approx(
        float(enumerated(*tree)), rel=rounding(30, 1), abs=0
    )


def test_a_radio_block_centre_with_a_vote_has_its_published_unreliability():
    """One hour without repair; three power supplies, pairs, and two of three computers."""
    groups = {
        "power": (3, 3, 1.8182e-5),
        "network": (2, 2, 2.5e-6),
        "bus": (2, 2, 4.4444e-6),
        "radio": (2, 2, 5.7078e-6),
        "computers": (2, 3, 7.4074e-6),
        "voter": (2, 2, 3.003e-9),
    }
    gates = {"top": ("or", list(groups))}
    p = {}
    for name, (k, n, rate) in groups.items():
        parts = [f"{name} {i}" for i in range(n)]
        gates[name] = (k, parts)
        p |= dict.fromkeys(parts, -np.expm1(-rate))
    assert top_event_probability(gates, p, "top") == pytest.approx(
        2.231940944647528e-10, rel=1e-9, abs=0
    )


# Cut sets


def brute_cut_sets(gates, top):
    found = []
    for failed in sorted(states(events_below(gates, top)), key=len):
        if happens(gates, top, failed) and not any(c <= failed for c in found):
            found.append(frozenset(failed))
    return set(found)


@pytest.mark.parametrize("seed", range(60))
def test_cut_sets_are_the_smallest_sets_that_suffice(seed):
    gates, _, top = random_tree(seed)
    cuts = minimal_cut_sets(gates, top)
    assert set(cuts) == brute_cut_sets(gates, top)
    assert len(cuts) == len(set(cuts))
    assert cuts == sorted(cuts, key=lambda cut: (len(cut), sorted(cut)))


@pytest.mark.parametrize("seed", range(20))
def test_the_cut_sets_are_the_tree(seed):
    gates, p, top = random_tree(seed)
    cuts = minimal_cut_sets(gates, top)
    flat = {f"cut {i}": ("and", sorted(cut)) for i, cut in enumerate(cuts)}
    flat["any"] = ("or", list(flat))
    assert top_event_probability(flat, p, "any") == pytest.approx(
        top_event_probability(gates, p, top), abs=rounding(30, 1)
    )


def test_the_pressure_tank_has_its_five_cut_sets():
    gates, _, top = PRESSURE_TANK
    assert set(minimal_cut_sets(gates, top)) == {
        frozenset({"tank"}),
        frozenset({"relay K2"}),
        frozenset({"switch S", "switch S1"}),
        frozenset({"switch S", "relay K1"}),
        frozenset({"switch S", "timer R"}),
    }


def test_a_vote_has_a_binomial_number_of_cut_sets():
    parts = [f"e{i}" for i in range(10)]
    cuts = minimal_cut_sets({"top": (4, parts)}, "top")
    assert len(cuts) == comb(10, 4)
    assert {len(cut) for cut in cuts} == {4}


# Importance


@pytest.mark.parametrize("seed", range(30))
def test_birnbaum_is_what_certainty_changes(seed):
    gates, p, top = random_tree(seed)
    for event, found in importance(gates, p, top).items():
        change = [enumerated(gates, p | {event: x}, top) for x in (1, 0)]
        assert found.birnbaum == pytest.approx(
            float(change[0] - change[1]), abs=rounding(60, 1)
        )


@pytest.mark.parametrize("seed", range(30))
def test_fussell_vesely_is_the_share_of_cases_in_which_a_cut_set_with_it_is_complete(
    seed,
):
    gates, p, top = random_tree(seed)
    cuts = brute_cut_sets(gates, top)
    whole = float(enumerated(gates, p, top))
    for event, found in importance(gates, p, top).items():
        part = sum(
            prod(p[e] if e in failed else 1 - p[e] for e in p)
            for failed in states(p)
            if any(event in cut and cut <= failed for cut in cuts)
        )
        assert found.fussell_vesely == pytest.approx(
            part / whole, abs=rounding(600, 1 / whole)
        )
        # An event that decides has taken part, so the one bounds the other.
        assert p[event] * found.birnbaum <= part + rounding(60, 1)


def test_the_importance_of_the_pressure_tank_is_that_of_the_handbook():
    """The relay K2 alone is behind six cases in seven."""
    found = importance(*PRESSURE_TANK)
    assert max(found, key=lambda e: found[e].fussell_vesely) == "relay K2"
    assert found["relay K2"].fussell_vesely == pytest.approx(
        3e-5 / 3.50135e-5, abs=1e-5
    )
    assert found["tank"].birnbaum == pytest.approx(1 - 3.00135e-5, abs=1e-9)


def test_an_event_that_never_matters_has_no_importance():
    gates = {"top": ("or", ["a", "both"]), "both": ("and", ["a", "b"])}
    assert importance(gates, {"a": 0.5, "b": 0.5}, "top")["b"] == (0.0, 0.0)


def test_names_may_be_those_that_the_function_uses():
    gates = {"any": ("or", ["cut 0", "event 1"])}
    found = importance(gates, {"cut 0": 0.5, "event 1": 0.5}, "any")
    assert found["cut 0"] == (0.5, pytest.approx(2 / 3, abs=rounding(9, 1)))


# Bounds


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_the_bounds_hold_the_truth_between_them(seed, scale):
    gates, p, top = random_tree(seed)
    p = {event: scale * value for event, value in p.items()}
    exact = top_event_probability(gates, p, top)
    bounds = cut_set_bounds(minimal_cut_sets(gates, top), p)
    slack = rounding(2000, max(bounds.rare_event, 1))
    assert bounds.lower - slack <= exact <= bounds.upper + slack
    assert bounds.upper <= bounds.rare_event + slack


def test_the_bounds_are_the_sums_over_sets_and_pairs():
    sets = [{"a", "b"}, {"b", "c"}, {"d"}]
    p = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}
    rare, upper, lower = cut_set_bounds(sets, p)
    assert rare == pytest.approx(0.02 + 0.06 + 0.4, abs=rounding(9, 1))
    assert upper == pytest.approx(1 - 0.98 * 0.94 * 0.6, abs=rounding(9, 1))
    pairs = 0.1 * 0.2 * 0.3 + 0.02 * 0.4 + 0.06 * 0.4
    assert lower == pytest.approx(rare - pairs, abs=rounding(9, 1))


def test_the_sum_over_cut_sets_is_no_probability():
    sets = [{f"e{i}"} for i in range(5)]
    rare, upper, lower = cut_set_bounds(sets, {f"e{i}": 0.5 for i in range(5)})
    assert (rare, lower) == (2.5, 0.0)
    assert upper == pytest.approx(1 - 0.5**5, abs=rounding(9, 1))
    assert cut_set_bounds([{"a"}], {"a": 1}).upper == 1.0
    # More pairs than sets: the second Bonferroni bound says nothing, not less.
    assert cut_set_bounds(sets, {f"e{i}": 0.9 for i in range(5)}).lower == 0.0
    assert cut_set_bounds([], {}) == (0.0, 0.0, 0.0)


def test_the_bounds_close_as_events_become_rare():
    gates, top = (
        {"top": ("or", ["vote", "a"]), "vote": (2, ["a", "b", "c", "d"])},
        "top",
    )
    cuts = minimal_cut_sets(gates, top)
    width = []
    for scale in (1e-1, 1e-2, 1e-3):
        p = dict.fromkeys(sorted(events_below(gates, top)), scale)
        rare, upper, lower = cut_set_bounds(cuts, p)
        width.append((upper - lower) / rare)
    assert width[1] < width[0] / 5
    assert width[2] < width[1] / 5


# The common cause


@quick
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_common_cause_leaves_every_event_as_likely_as_it_was(p, beta):
    gates = {"all": ("and", ["a", "b", "c"])}
    shared, chances = with_common_cause(gates, dict.fromkeys("abc", p), "abc", beta)
    for event in "abc":
        assert top_event_probability(shared, chances, event) == pytest.approx(
            p, abs=rounding(9, 1)
        )


def test_the_common_cause_sets_the_floor():
    names = [f"e{i}" for i in range(20)]
    gates, p = {"all": ("and", names)}, dict.fromkeys(names, 0.01)
    assert top_event_probability(gates, p, "all") == pytest.approx(
        1e-40, rel=1e-12, abs=0
    )
    shared = with_common_cause(gates, p, names, 0.1)
    assert top_event_probability(*shared, "all") == pytest.approx(1e-3, rel=1e-9, abs=0)
    assert top_event_probability(*with_common_cause(gates, p, names, 1), "all") == 0.01


def test_what_was_given_is_left_as_it_was():
    gates = {"all": ("and", ["a", "b"])}
    p = {"a": 0.1, "b": 0.1, "other": 0.7}
    shared, chances = with_common_cause(gates, p, ["a", "b"], 0.5, name="heat")
    shared["all"][1].append("c")
    assert gates == {"all": ("and", ["a", "b"])}
    assert p == {"a": 0.1, "b": 0.1, "other": 0.7}
    assert chances["other"] == 0.7
    assert chances["heat"] == 0.05


# Bad input

GOOD = {"top": ("or", ["a", "b"])}
P = {"a": 0.1, "b": 0.2}


@pytest.mark.parametrize(
    ("gates", "error", "message"),
    [
        ({"top": ("or", ["a", "g"]), "g": ("and", ["top", "b"])}, ValueError, "cycle"),
        ({"top": ("or", ["top", "a"])}, ValueError, "no cycle, got top -> top"),
        ({"top": ("or", ["a", "c"])}, ValueError, "'c' is unknown"),
        ({**GOOD, "g": ("and", ["d"])}, ValueError, "'d' is unknown"),
        (
            {"top": ("xor", ["a", "b"])},
            ValueError,
            "'and', 'or' or a number, got 'xor'",
        ),
        ({"top": (0, ["a", "b"])}, ValueError, "gate 'top' must be between 1 and 2"),
        ({"top": (3, ["a", "b"])}, ValueError, "gate 'top' must be between 1 and 2"),
        ({"top": (1.5, ["a", "b"])}, TypeError, "gate 'top' must be an integer"),
        ({"top": (True, ["a", "b"])}, TypeError, "gate 'top' must be an integer"),
        ({"top": ("or", [])}, ValueError, "gates must map"),
        ({"top": ("or", "ab")}, ValueError, "gates must map"),
        ({"top": ("or", [1, 2])}, ValueError, "gates must map"),
        ({"top": "or"}, ValueError, "gates must map"),
        ({"top": None}, ValueError, "gates must map"),
        ({"top": ("or", None)}, ValueError, "gates must map"),
        ({**GOOD, "a": ("or", ["b"])}, ValueError, "'a' must be a gate or a basic"),
        ({"other": ("or", ["a"])}, ValueError, "top must be"),
    ],
)
def test_what_is_no_tree_is_refused(gates, error, message):
    for call in (top_event_probability, importance):
        with pytest.raises(error, match=message):
            call(gates, P, "top")
    if (
        "unknown" not in message
        and "both" not in message
        and message[:4] not in ("top ", "'a' ")
    ):
        with pytest.raises(error, match=message):
            minimal_cut_sets(gates, "top")


@pytest.mark.parametrize(
    "value",
    [
        -0.1,
        1.1,
        np.nan,
        np.inf,
        "a",
        None,
        True,
        [0.1],
        torch.ones(1, requires_grad=True),
    ],
)
def test_what_is_no_probability_is_refused(value):
    calls = [
        lambda p: top_event_probability(GOOD, p, "top"),
        lambda p: importance(GOOD, p, "top"),
        lambda p: cut_set_bounds([{"a"}, {"b"}], p),
        lambda p: with_common_cause(GOOD, p, ["a", "b"], 0.1),
    ]
    for call in calls:
        with pytest.raises((TypeError, ValueError), match="probability of 'b' must"):
            call({"a": 0.1, "b": value})


def test_a_top_that_is_no_name_is_refused():
    for top in (None, 3, "nothing"):
        with pytest.raises(ValueError, match="top must be"):
            top_event_probability(GOOD, P, top)
        with pytest.raises(ValueError, match="top must be"):
            minimal_cut_sets(GOOD, top)


def test_a_set_with_an_unknown_event_is_refused():
    with pytest.raises(ValueError, match="'c' is unknown"):
        cut_set_bounds([{"a", "c"}], P)


def test_an_impossible_top_event_has_no_importance():
    with pytest.raises(ValueError, match="top event possible"):
        importance(GOOD, {"a": 0, "b": 0}, "top")


def test_two_events_need_five_nodes():
    # The two answers, each event by itself, and both.
    tree, p = {"top": ("and", ["a", "b"])}, {"a": 0.5, "b": 0.5}
    assert top_event_probability(tree, p, "top", most_nodes=5) == 0.25
    with pytest.raises(RuntimeError, match="more than 4 nodes"):
        top_event_probability(tree, p, "top", most_nodes=4)


def test_trees_that_outgrow_the_limits_are_refused_and_not_waited_for():
    """Pairs whose halves are asked far apart: the order from left to right is the worst."""
    n = 40
    left, right = [f"x{i}" for i in range(n)], [f"y{i}" for i in range(n)]
    gates = {f"pair {i}": ("and", [left[i], right[i]]) for i in range(n)}
    gates["first"] = ("and", left)
    gates["top"] = ("or", ["first", *(f"pair {i}" for i in range(n))])
    p = dict.fromkeys(left + right, 0.1)
    with pytest.raises(RuntimeError, match="more than 10000 nodes"):
        top_event_probability(gates, p, "top", most_nodes=10_000)
    with pytest.raises(RuntimeError, match="more than 1000 minimal cut sets"):
        minimal_cut_sets({"top": (10, left)}, "top", most_sets=1000)
    assert minimal_cut_sets({"top": ("and", left)}, "top", most_sets=1) == [
        frozenset(left)
    ]
    for bad in (0, 2.5, True, None):
        with pytest.raises((TypeError, ValueError), match="most_"):
            top_event_probability(GOOD, P, "top", most_nodes=bad)
        with pytest.raises((TypeError, ValueError), match="most_"):
            minimal_cut_sets(GOOD, "top", most_sets=bad)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"events": ["a"]}, "at least two"),
        ({"events": ["a", "a"]}, "at least two"),
        ({"events": ["a", "top"]}, "must be basic"),
        ({"events": ["a", "c"]}, "unknown"),
        ({"probabilities": {"a": 0.1, "b": 0.2}}, "equally likely"),
        ({"beta": 1.1}, "beta must"),
        ({"beta": np.nan}, "beta must"),
        ({"beta": None}, "beta must"),
        ({"name": "top"}, "taken"),
        ({"name": "a"}, "taken"),
    ],
)
def test_a_common_cause_that_cannot_be_is_refused(changes, message):
    given_ = {
        "gates": GOOD,
        "probabilities": {"a": 0.1, "b": 0.1},
        "events": ["a", "b"],
    }
    with pytest.raises((TypeError, ValueError), match=message):
        with_common_cause(**(given_ | {"beta": 0.1} | changes))
