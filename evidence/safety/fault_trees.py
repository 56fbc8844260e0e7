"""Fault trees beside enumeration, published values and OpenTURNS; when bounds are close; models that share."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import openturns as ot
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from companion.safety.fault_trees import (
    cut_set_bounds,
    minimal_cut_sets,
    top_event_probability,
    with_common_cause,
)
from evidence.record import interleaved

PEERS = ["openturns", "scikit-learn"]
Tree = tuple[dict[str, Any], dict[str, float], str]

ot.Log.Show(ot.Log.NONE)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "enumeration": enumeration(),
        "published": published(),
        "naive": naive(),
        "bounds": bounds(),
        "simulation": simulation(),
        "speed": speed(),
        "growth": growth(),
        "classifiers": classifiers(),
    }


def perception() -> Tree:
    """A stack that misses an object when two of its three channels do."""
    gates: dict[str, Any] = {
        "object missed": (2, ["camera channel", "lidar channel", "radar channel"]),
        "camera channel": ("or", ["camera", "camera network", "power", "training set"]),
        "lidar channel": ("or", ["lidar", "lidar network", "power", "training set"]),
        "radar channel": ("or", ["radar", "clutter"]),
    }
    p = {
        "camera": 1e-3,
        "camera network": 2e-3,
        "lidar": 1e-3,
        "lidar network": 2e-3,
        "radar": 1e-3,
        "clutter": 2e-3,
        "power": 1e-4,
        "training set": 5e-4,
    }
    return gates, p, "object missed"


def random_tree(seed: int, events: int = 12, gates: int = 8) -> Tree:
    """A tree whose events and gates may stand below several gates."""
    rng = np.random.default_rng(seed)
    names = [f"e{i}" for i in range(events)]
    tree: dict[str, Any] = {}
    for g in range(gates):
        size = int(rng.integers(2, 5))
        inputs = [str(i) for i in rng.choice(names + list(tree), size, replace=False)]
        if tree and g == gates - 1:
            inputs = sorted({*inputs, f"g{g - 1}"})
        kinds = ["and", "or", int(rng.integers(1, len(inputs) + 1))]
        tree[f"g{g}"] = (kinds[rng.integers(3)], inputs)
    p = {e: float(rng.uniform(0.01, 0.3)) for e in names}
    return tree, p, f"g{gates - 1}"


def states_of(tree: Tree) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether the top event happens in each state of the basic events, and the state's probability."""
    gates, p, top = tree
    events = sorted(
        {i for _, inputs in gates.values() for i in inputs if i not in gates}
    )
    n = len(events)
    masks = np.arange(2**n)
    value = {e: (masks >> i & 1).astype(bool) for i, e in enumerate(events)}
    weight = np.ones(2**n)
    for e in events:
        weight *= np.where(value[e], p[e], 1 - p[e])

    def happens(name: str) -> NDArray[np.bool_]:
        if name not in value:
            kind, inputs = gates[name]
            need = {"or": 1, "and": len(inputs)}.get(kind, kind)
            value[name] = sum(happens(i).astype(int) for i in inputs) >= need
        return value[name]

    return happens(top), weight


def enumerated(tree: Tree) -> float:
    """The sum over all states."""
    top, weight = states_of(tree)
    return float(weight[top].sum())


def enumeration() -> dict[str, Any]:
    """Largest relative difference from the sum over all 4096 states."""
    worst, trees = 0.0, 0
    for seed in range(200):
        tree = random_tree(seed)
        exact = enumerated(tree)
        worst = max(worst, abs(top_event_probability(*tree) / exact - 1))
        trees += 1
    if worst > 1e-11:
        raise AssertionError(f"enumeration disagrees: {worst}")
    return {"trees": trees, "largest relative difference": worst}


def published() -> dict[str, Any]:
    """Four published trees and their probabilities by DFTCalc, from the FFORT collection."""
    tank: Tree = (
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
    seals: Tree = (
        {
            "leak": ("or", ["shared", "each"]),
            "shared": ("and", ["tape", "contamination"]),
            "each": ("and", ["metal", "both", "plug"]),
            "both": ("and", ["seal 1", "seal 2"]),
        },
        {"tape": 1e-1, "contamination": 1e-5}
        | dict.fromkeys(["metal", "plug", "seal 1", "seal 2"], 1e-3),
        "leak",
    )
    single = [1.73e-5, 4.2e-3, 9.31e-3, 8.64e-3, 8.95e-6, 8.95e-6]
    single += [9.93e-5, 4.37e-5, 5.46e-8, 4.17e-3]
    cables = {f"part {i}": p for i, p in enumerate(single)}
    mooring: Tree = ({"failure": ("or", list(cables))}, cables, "failure")
    groups = {
        "power": (3, 3, 1.8182e-5),
        "network": (2, 2, 2.5e-6),
        "bus": (2, 2, 4.4444e-6),
        "radio": (2, 2, 5.7078e-6),
        "computers": (2, 3, 7.4074e-6),
        "voter": (2, 2, 3.003e-9),
    }
    gates: dict[str, Any] = {"top": ("or", list(groups))}
    hour: dict[str, float] = {}
    for name, (k, n, rate) in groups.items():
        gates[name] = (k, [f"{name} {i}" for i in range(n)])
        hour |= dict.fromkeys(gates[name][1], float(-np.expm1(-rate)))
    rows = {}
    for name, tree, value, digits in (
        ("pressure tank", tank, 3.5013348120867e-5, 1e-7),
        ("compression seals", seals, 1.000000999999e-6, 1e-11),
        ("mooring", mooring, 0.026246389824230341, 1e-11),
        (
            "radio block centre, one hour",
            (gates, hour, "top"),
            2.231940944647528e-10,
            1e-9,
        ),
    ):
        ours = top_event_probability(*tree)
        if abs(ours / value - 1) > digits:
            raise AssertionError(f"{name}: {ours}, published {value}")
        rows[name] = {"ours": ours, "published": value}
    return rows


def gate_by_gate(tree: Tree) -> float:
    """The product rule at every gate, as if its inputs were independent."""
    gates, p, top = tree

    def chance(name: str) -> float:
        if name not in gates:
            return p[name]
        kind, inputs = gates[name]
        need = {"or": 1, "and": len(inputs)}.get(kind, kind)
        q = [chance(i) for i in inputs]
        total = 0.0
        for state in itertools.product([0, 1], repeat=len(q)):
            if sum(state) >= need:
                total += float(
                    np.prod([a if s else 1 - a for a, s in zip(q, state, strict=True)])
                )
        return total

    return chance(top)


def naive() -> dict[str, Any]:
    """How far gate by gate is off, in both directions, on trees that share events."""
    ratios = []
    for seed in range(200):
        tree = random_tree(seed)
        ratios.append(gate_by_gate(tree) / top_event_probability(*tree))
    ratios_ = np.array(ratios)
    stack = perception()
    return {
        "trees": len(ratios),
        "off by more than a tenth": int((np.abs(ratios_ - 1) > 0.1).sum()),
        "too low by more than a tenth": int((ratios_ < 0.9).sum()),
        "least and largest ratio": [float(ratios_.min()), float(ratios_.max())],
        "perception": {
            "gate by gate": gate_by_gate(stack),
            "exact": top_event_probability(*stack),
        },
    }


def bounds() -> list[dict[str, Any]]:
    """Rare-event sum and upper bound over the truth as events become rare."""
    rows = []
    for p in (0.3, 0.1, 0.03, 0.01, 0.001):
        for name, gates in (
            ("perception", perception()[0]),
            ("5 of 10", {"object missed": (5, [f"e{i}" for i in range(10)])}),
        ):
            cuts = minimal_cut_sets(gates, "object missed")
            chances = {e: p for cut in cuts for e in cut}
            exact = top_event_probability(gates, chances, "object missed")
            found = cut_set_bounds(cuts, chances)
            if not found.lower <= exact * (1 + 1e-9) <= found.upper * (1 + 1e-8):
                raise AssertionError(
                    f"the bounds do not hold the truth: {found}, {exact}"
                )
            rows.append(
                {
                    "tree": name,
                    "p": p,
                    "cut sets": len(cuts),
                    "exact": exact,
                    "rare event": found.rare_event / exact,
                    "upper": found.upper / exact,
                    "lower": found.lower / exact,
                }
            )
    return rows


def openturns_event(tree: Tree) -> Any:
    """The same top event in OpenTURNS, votes written out as unions of intersections."""
    gates, p, top = tree
    cuts = minimal_cut_sets(gates, top)
    names = sorted({e for cut in cuts for e in cut})
    symbols = [f"x{i}" for i in range(len(names))]
    root = ot.RandomVector(ot.JointDistribution([ot.Uniform(0.0, 1.0)] * len(names)))
    happens = {
        e: ot.ThresholdEvent(
            ot.CompositeRandomVector(ot.SymbolicFunction(symbols, [s]), root),
            ot.Less(),
            p[e],
        )
        for e, s in zip(names, symbols, strict=True)
    }
    return ot.UnionEvent(
        [
            ot.IntersectionEvent([happens[e] for e in sorted(cut)])
            if len(cut) > 1
            else happens[next(iter(cut))]
            for cut in cuts
        ]
    )


def simulation() -> dict[str, Any]:
    """OpenTURNS' sample of the perception stack, events ten times as likely as in the lesson."""
    gates, p, top = perception()
    p = {e: 10 * value for e, value in p.items()}
    exact = top_event_probability(gates, p, top)
    ot.RandomGenerator.SetSeed(0)
    n = 100_000
    seen = float(openturns_event((gates, p, top)).getSample(n).computeMean()[0])
    sigma = float(np.sqrt(exact * (1 - exact) / n))
    if abs(seen - exact) > 4 * sigma:
        raise AssertionError(f"simulation disagrees: {seen}, {exact}, {sigma}")
    return {"exact": exact, "simulated": seen, "standard error": sigma, "samples": n}


def speed() -> list[dict[str, Any]]:
    """The time of all states at once in NumPy, and of a simulation, over ours."""
    rows = []
    stack = perception()
    event = openturns_event(stack)
    jobs: list[tuple[str, str, dict[str, Any]]] = [
        (
            "perception stack, 8 events",
            "all 256 states, NumPy",
            {
                "ours": lambda: top_event_probability(*stack),
                "peer": lambda: enumerated(stack),
            },
        ),
        (
            "perception stack, 8 events",
            "OpenTURNS, 10 000 samples",
            {
                "ours": lambda: top_event_probability(*stack),
                "peer": lambda: event.getSample(10_000),
            },
        ),
    ]
    for n in (12, 18):
        tree = random_tree(1, events=n, gates=n)
        used = len({i for _, inputs in tree[0].values() for i in inputs} - set(tree[0]))
        jobs.append(
            (
                f"random tree, {used} events",
                f"all {2**used} states, NumPy",
                {
                    "ours": lambda tree=tree: top_event_probability(*tree),
                    "peer": lambda tree=tree: enumerated(tree),
                },
            )
        )
    for name, peer, work in jobs:
        times = interleaved(work, repeats=7)
        quotient = times["peer"]["median"] / times["ours"]["median"]
        rows.append({"name": name, "peer": peer, "ratio": quotient, "ms": times})
    return rows


def least_nodes(tree: Tree) -> int:
    """The smallest limit under which the diagram is built, to a tenth."""
    limit = 4
    while True:
        try:
            top_event_probability(*tree, most_nodes=limit)
        except RuntimeError:
            limit = int(limit * 1.1) + 1
        else:
            return limit


def pairs(n: int, apart: bool) -> Tree:
    """Any of n pairs; with `apart`, a first gate names all first halves before any second."""
    gates: dict[str, Any] = {f"pair {i}": ("and", [f"x{i}", f"y{i}"]) for i in range(n)}
    above = [f"pair {i}" for i in range(n)]
    if apart:
        gates["all first"] = ("and", [f"x{i}" for i in range(n)])
        above = ["all first", *above]
    gates["top"] = ("or", above)
    p = {f"{half}{i}": 0.1 for half in "xy" for i in range(n)}
    return gates, p, "top"


def growth() -> list[dict[str, Any]]:
    """Nodes and seconds as trees grow: with a good order, and with the worst."""
    rows = []
    trees: list[tuple[str, int, Tree]] = []
    for n in (10, 100, 1000):
        trees.append(("pairs side by side", 2 * n, pairs(n, apart=False)))
    for n in (20, 100, 200):
        parts = [f"e{i}" for i in range(n)]
        vote: Tree = ({"top": (n // 2, parts)}, dict.fromkeys(parts, 0.1), "top")
        trees.append(("half of all", n, vote))
    for n in (5, 10, 14):
        trees.append(("pairs asked far apart", 2 * n, pairs(n, apart=True)))
    for name, events, tree in trees:
        start = time.perf_counter()
        top_event_probability(*tree)
        seconds = time.perf_counter() - start
        nodes = least_nodes(tree) if seconds < 0.5 else None
        rows.append(
            {"tree": name, "events": events, "nodes": nodes, "seconds": seconds}
        )
    return rows


def share(pair: float, p: float) -> float:
    """The share of a common cause under which two events of probability `p` happen together as often as seen."""
    low, high = 0.0, 1.0
    for _ in range(50):
        beta = (low + high) / 2
        shared = with_common_cause(
            {"both": ("and", ["a", "b"])}, {"a": p, "b": p}, "ab", beta
        )
        if top_event_probability(*shared, "both") < pair:
            low = beta
        else:
            high = beta
    return low


def classifiers() -> dict[str, Any]:
    """Three classifiers wrong together: as seen, by independent events, and with a common cause.

    The share of the common cause comes from pairs of classifiers on one half of the test images; what the tree
    then says of two of three, and of all three, is held against the other half.
    """
    X, y = load_digits(return_X_y=True)
    X = X / 16
    votes = {
        "two": {"wrong": (2, ["a", "b", "c"])},
        "three": {"wrong": (3, ["a", "b", "c"])},
    }
    rows: dict[str, list[float]] = {"alone": [], "beta": []}
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(y))
        train, fit, check = np.split(order, [600, 1200])
        models = [
            LogisticRegression(max_iter=1000).fit(X[part], y[part])
            for part in np.array_split(train, 3)
        ]
        wrong, new = (
            np.array([m.predict(X[part]) != y[part] for m in models])
            for part in (fit, check)
        )
        p = float(wrong.mean())
        pair = float(
            np.mean([(wrong[i] & wrong[j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))])
        )
        beta = share(pair, p)
        rows["alone"].append(float(new.mean()))
        rows["beta"].append(beta)
        chances = dict.fromkeys("abc", p)
        for name, least in (("two", 2), ("three", 3)):
            shared = with_common_cause(votes[name], chances, "abc", beta)
            told = {
                "seen": float((new.sum(axis=0) >= least).mean()),
                "independent": top_event_probability(votes[name], chances, "wrong"),
                "common cause": top_event_probability(*shared, "wrong"),
            }
            for what, value in told.items():
                rows.setdefault(f"{name}, {what}", []).append(value)
    return {"splits": 20, "images": [600, len(y) - 1200], **rows}
