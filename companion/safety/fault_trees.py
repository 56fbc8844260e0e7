r"""Fault trees: from what can break to how often the whole breaks, exactly, also where parts are shared.

A tree says through gates (and, or, at least `k` of) which basic events bring the top event about.  Multiplying
gate by gate is wrong as soon as one event stands below two gates.  Conditioning is right: either an event happens
or it does not, and what is left of the tree is a smaller tree.  Equal remainders are computed once, which makes
the conditioning a binary decision diagram, and one pass over the diagram gives the probability, another one the
importance of every event.

A tree is a mapping from gates to a kind and the names of the inputs, which are gates or basic events:
``{"crash": ("or", ["brakes", "blind"]), "blind": ("and", ["camera", "radar"])}``; an integer `k` in place of the
word means at least `k` of the inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from math import expm1, fsum, log1p, prod
from typing import NamedTuple

from companion.checks import check_integer, check_number

__all__ = [
    "CutSetBounds",
    "Importance",
    "cut_set_bounds",
    "importance",
    "minimal_cut_sets",
    "top_event_probability",
    "with_common_cause",
]

Gates = Mapping[str, tuple[str | int, Sequence[str]]]


class Importance(NamedTuple):
    """How much one basic event matters.

    Examples
    --------
    >>> importance({"top": ("and", ["a", "b"])}, {"a": 0.5, "b": 0.25}, "top")["a"]
    Importance(birnbaum=0.25, fussell_vesely=1.0)
    """

    birnbaum: float  # P(top | it happens) - P(top | it does not)
    fussell_vesely: float  # P(a minimal cut set with it happens | top)


class CutSetBounds(NamedTuple):
    """What cut sets alone say about the probability of the top event.

    Examples
    --------
    >>> cut_set_bounds([{"a"}, {"b"}], {"a": 0.5, "b": 0.5})
    CutSetBounds(rare_event=1.0, upper=0.75, lower=0.75)
    """

    rare_event: float  # sum over the cut sets; may exceed 1
    upper: float  # 1 - prod(1 - each): the minimal cut upper bound
    lower: float  # the sum, less all pairs: the second Bonferroni bound


def top_event_probability(
    gates: Gates,
    probabilities: Mapping[str, float],
    top: str,
    most_nodes: int = 1_000_000,
) -> float:
    r"""Return the probability of the top event, exactly, for independent basic events.

    .. math:: P(f) = p_x \, P(f \mid x) + (1 - p_x) \, P(f \mid \bar x)

    over the nodes of a binary decision diagram, which holds every remainder of the tree once.  Events are asked in
    the order in which they first appear below `top`.

    Parameters
    ----------
    gates : mapping of str to (kind, inputs)
        `kind` is ``"and"``, ``"or"``, or an integer `k`: at least `k` of the inputs.
    probabilities : mapping of str to float
        Of each basic event; more than the tree has may be given.
    top : str
        A gate, or a basic event.
    most_nodes : int
        Where to give up: the worst trees need two to the power of their events.

    Returns
    -------
    float
        Right to rounding, however small: nothing is subtracted but ``1 - p``.

    Raises
    ------
    TypeError, ValueError
        If the tree has a cycle, a gate an impossible kind, or an event no probability in [0, 1].
    RuntimeError
        If the diagram outgrows `most_nodes`.

    References
    ----------
    Bryant, R. E. (1986). Graph-based algorithms for Boolean function manipulation. IEEE Transactions on Computers.
    Rauzy, A. (1993). New algorithms for fault trees analysis. Reliability Engineering and System Safety 40(3).

    Examples
    --------
    Two of three channels must fail, but two of them share the power supply:

    >>> gates = {
    ...     "blind": (2, ["camera down", "lidar down", "radar"]),
    ...     "camera down": ("or", ["camera", "power"]),
    ...     "lidar down": ("or", ["lidar", "power"]),
    ... }
    >>> p = {"camera": 0.01, "lidar": 0.01, "radar": 0.01, "power": 0.001}
    >>> round(top_event_probability(gates, p, "blind"), 6)
    0.001298
    """
    diagram = _diagram(gates, probabilities, top, most_nodes)
    return _chances(diagram, probabilities)[diagram.root]


def minimal_cut_sets(
    gates: Gates, top: str, most_sets: int = 100_000
) -> list[frozenset[str]]:
    r"""Return the smallest sets of basic events that together bring the top event about.

    On the diagram, :math:`\mathrm{cuts}(f) = \mathrm{cuts}(f_0) \cup \{x\} \cdot (\mathrm{cuts}(f_1) \setminus
    \text{those that suffice without } x)`.

    Parameters
    ----------
    gates : mapping of str to (kind, inputs)
        As for `top_event_probability`; whatever is no gate counts as a basic event.
    top : str
        A gate, or a basic event.
    most_sets : int
        Where to give up: 20 of 40 parts have 10^11 of them.

    Returns
    -------
    list of frozenset of str
        Smallest sets first, then by name.

    Raises
    ------
    TypeError, ValueError
        If the tree has a cycle or a gate an impossible kind.
    RuntimeError
        If there are more than `most_sets`, or the diagram outgrows a million nodes.

    References
    ----------
    Rauzy, A. (1993). New algorithms for fault trees analysis. Reliability Engineering and System Safety 40(3).

    Examples
    --------
    >>> gates = {"top": ("or", ["a", "both"]), "both": ("and", ["b", "c"])}
    >>> [sorted(cut) for cut in minimal_cut_sets(gates, "top")]
    [['a'], ['b', 'c']]
    """
    limit = check_integer("most_sets", most_sets, 1)
    diagram = _diagram(gates, None, top, 1_000_000)
    return _cut_sets(diagram, limit)


def importance(
    gates: Gates, probabilities: Mapping[str, float], top: str
) -> dict[str, Importance]:
    r"""Return how much every basic event below the top event matters, in two senses.

    Birnbaum's is the derivative :math:`\partial P / \partial p_x`, what perfecting the event would change per unit
    of its probability.  Fussell and Vesely's is the chance that the event has contributed, given that the top
    event has happened: that some minimal cut set with it is complete.

    Parameters
    ----------
    gates : mapping of str to (kind, inputs)
        As for `top_event_probability`.
    probabilities : mapping of str to float
        Of each basic event.
    top : str
        A gate, or a basic event.

    Returns
    -------
    dict of str to Importance
        In the order in which the events first appear.

    Raises
    ------
    TypeError, ValueError
        If the tree or a probability is wrong, or the top event is impossible.
    RuntimeError
        If the tree has too many cut sets or too large a diagram.

    References
    ----------
    Birnbaum, Z. W. (1969). On the importance of different components in a multicomponent system.
    Fussell, J. B. (1975). How to hand-calculate system reliability and safety characteristics. IEEE Transactions
    on Reliability 24(3).

    Examples
    --------
    >>> gates = {"top": ("or", ["a", "both"]), "both": ("and", ["b", "c"])}
    >>> found = importance(gates, {"a": 0.01, "b": 0.1, "c": 0.2}, "top")
    >>> round(found["a"].birnbaum, 4), round(found["b"].birnbaum, 4)
    (0.98, 0.198)
    """
    diagram = _diagram(gates, probabilities, top, 1_000_000)
    chance = _chances(diagram, probabilities)
    whole = chance[diagram.root]
    if whole == 0:
        raise ValueError(
            "probabilities must leave the top event possible, got 0 for it"
        )
    slopes = [0.0] * len(diagram.events)
    arrive = {diagram.root: 1.0}  # chance that the questions come by here
    for node in reversed(diagram.reached):
        event, low, high = diagram.nodes[node]
        p = probabilities[diagram.events[event]]
        slopes[event] += arrive[node] * (chance[high] - chance[low])
        arrive[low] = arrive.get(low, 0.0) + arrive[node] * (1 - p)
        arrive[high] = arrive.get(high, 0.0) + arrive[node] * p
    cuts = _cut_sets(diagram, 100_000)
    number = {name: f"event {i}" for i, name in enumerate(diagram.events)}
    renamed = {new: probabilities[name] for name, new in number.items()}
    found = {}
    for name, slope in zip(diagram.events, slopes, strict=True):
        # The tree that says: some minimal cut set with this event is complete.
        tree: dict[str, tuple[str | int, list[str]]] = {
            f"cut {i}": ("and", [number[event] for event in sorted(cut)])
            for i, cut in enumerate(cuts)
            if name in cut
        }
        tree["any"] = ("or", list(tree))
        part = top_event_probability(tree, renamed, "any") if len(tree) > 1 else 0.0
        found[name] = Importance(slope, part / whole)
    return found


def cut_set_bounds(
    cut_sets: Iterable[Iterable[str]], probabilities: Mapping[str, float]
) -> CutSetBounds:
    r"""Return the rare-event approximation and two bounds, from the minimal cut sets alone.

    .. math:: \sum_i c_i - \sum_{i < j} P(C_i C_j) \;\le\; P \;\le\; 1 - \prod_i (1 - c_i) \;\le\; \sum_i c_i

    with :math:`c_i` the product of the probabilities in set `i`, for independent events.  All are close together
    where the pairs are rare beside the sum.

    Parameters
    ----------
    cut_sets : iterable of iterables of str
        As from `minimal_cut_sets`.
    probabilities : mapping of str to float
        Of each basic event.

    Returns
    -------
    CutSetBounds
        The sum, the upper and the lower bound.

    Raises
    ------
    TypeError, ValueError
        If an event has no probability in [0, 1].

    References
    ----------
    Esary, J. D. and Proschan, F. (1963). Coherent structures of non-identical components. Technometrics 5(2).

    Examples
    --------
    >>> bounds = cut_set_bounds([{"a"}, {"b", "c"}], {"a": 0.01, "b": 0.1, "c": 0.2})
    >>> [round(value, 6) for value in bounds]
    [0.03, 0.0298, 0.0298]
    """
    sets = [frozenset(cut) for cut in cut_sets]
    p = {name: _probability(probabilities, name) for cut in sets for name in cut}
    each = [prod(p[name] for name in cut) for cut in sets]
    pairs = fsum(
        prod((p[name] for name in other - cut), start=chance)
        for i, (cut, chance) in enumerate(zip(sets, each, strict=True))
        for other in sets[:i]
    )
    upper = 1.0 if 1.0 in each else -expm1(fsum(log1p(-chance) for chance in each))
    total = fsum(each)
    return CutSetBounds(total, upper, max(total - pairs, 0.0))


def with_common_cause(
    gates: Gates,
    probabilities: Mapping[str, float],
    events: Sequence[str],
    beta: float,
    name: str = "common cause",
) -> tuple[dict[str, tuple[str | int, Sequence[str]]], dict[str, float]]:
    r"""Return the tree in which a share of each event's probability is one cause that strikes all of them.

    In the beta-factor model every event `e` becomes "`e` alone, or the common cause", with

    .. math:: P(\text{cause}) = \beta p, \qquad P(e \text{ alone}) = \frac{(1 - \beta)\, p}{1 - \beta p},

    so that each event by itself stays as likely as it was.

    Parameters
    ----------
    gates : mapping of str to (kind, inputs)
        As for `top_event_probability`.
    probabilities : mapping of str to float
        Of each basic event; those of `events` must be equal.
    events : sequence of str
        At least two basic events that share the cause.
    beta : float
        Share of an event's probability that is due to the cause, in [0, 1].
    name : str
        Of the new basic event.

    Returns
    -------
    tuple of two dicts
        New gates and new probabilities; what was given is left as it was.

    Raises
    ------
    TypeError, ValueError
        If fewer than two events are given, they are not basic or not equally likely, or a name is taken.

    References
    ----------
    Fleming, K. N. (1975). A reliability model for common mode failures in redundant safety systems.

    Examples
    --------
    >>> gates, p = {"both": ("and", ["a", "b"])}, {"a": 0.01, "b": 0.01}
    >>> shared = with_common_cause(gates, p, ["a", "b"], beta=0.1)
    >>> round(top_event_probability(*shared, "both"), 8)
    0.00108108
    """
    share = check_number("beta", beta, 0, 1)
    alone = {event: f"{event} alone" for event in events}
    if len(alone) < 2:
        raise ValueError(f"events must name at least two events, got {len(alone)}")
    for event in alone:
        if event in gates:
            raise ValueError(f"events must be basic, got the gate {event!r}")
    p = {_probability(probabilities, event) for event in alone}
    if len(p) > 1:
        raise ValueError(f"events must be equally likely, got {sorted(p)}")
    chance = p.pop()
    for new in [name, *alone.values()]:
        if new in gates or new in probabilities:
            raise ValueError(f"name must be free, but {new!r} is taken")
    whole = {gate: (kind, list(inputs)) for gate, (kind, inputs) in gates.items()}
    whole |= {event: ("or", [own, name]) for event, own in alone.items()}
    rest = {event: q for event, q in probabilities.items() if event not in alone}
    left = (1 - share) * chance / (1 - share * chance) if share * chance < 1 else 0.0
    rest |= dict.fromkeys(alone.values(), left)
    return dict(whole), rest | {name: share * chance}


class _Diagram(NamedTuple):
    """A binary decision diagram: nodes 0 and 1 are the answers, the others ask for an event."""

    nodes: list[tuple[int, int, int]]  # event, node if it does not happen, node if so
    root: int
    events: list[str]
    reached: list[int]  # nodes below the root, each after those it points to


def _diagram(
    gates: Gates, known: Mapping[str, float] | None, top: str, most_nodes: int
) -> _Diagram:
    """The diagram of the tree below `top`; every event in it must be `known`, if that is given."""
    limit = check_integer("most_nodes", most_nodes, 3)
    order = _inputs_first(gates, known, top)
    events = _first_appearance(gates, top)
    level = {event: i for i, event in enumerate(events)}
    end = len(events)
    nodes = [(end, 0, 0), (end, 1, 1)]
    unique: dict[tuple[int, int, int], int] = {}
    done: dict[tuple[bool, int, int], int] = {}

    def node(event: int, low: int, high: int) -> int:
        if low == high:
            return low
        key = (event, low, high)
        if key not in unique:
            if len(nodes) >= limit:
                raise RuntimeError(f"the diagram needs more than {limit} nodes")
            unique[key] = len(nodes)
            nodes.append(key)
        return unique[key]

    def combine(both: bool, f: int, g: int) -> int:
        """And or or of two diagrams, with a stack of its own: trees may be deep."""
        first = (both, min(f, g), max(f, g))
        stack = [first]
        while stack:
            key = stack[-1]
            _, f, g = key
            if key in done:
                stack.pop()
            elif f <= 1 or f == g:  # an answer decides, or changes nothing
                done[key] = g if f in (both, g) else f
                stack.pop()
            else:
                event = min(nodes[f][0], nodes[g][0])
                (f0, f1), (g0, g1) = (
                    nodes[h][1:] if nodes[h][0] == event else (h, h) for h in (f, g)
                )
                low = (both, min(f0, g0), max(f0, g0))
                high = (both, min(f1, g1), max(f1, g1))
                missing = [k for k in (low, high) if k not in done]
                if missing:
                    stack += missing
                else:
                    done[key] = node(event, done[low], done[high])
                    stack.pop()
        return done[first]

    made: dict[str, int] = {}
    for name in order:
        if name not in gates:
            made[name] = node(level[name], 0, 1)
            continue
        kind, inputs = gates[name]
        need = {"or": 1, "and": len(inputs)}.get(str(kind), kind)
        # From the last event to the first, so that long gates stay cheap.
        parts = sorted(
            (made[i] for i in inputs), key=lambda n: nodes[n][0], reverse=True
        )
        made[name] = _at_least(int(need), parts, combine)
    root = made[top]
    below, stack = {root}, [root]
    while stack:
        for child in nodes[stack.pop()][1:]:
            if child not in below:
                below.add(child)
                stack.append(child)
    return _Diagram(nodes, root, events, sorted(below - {0, 1}))


def _at_least(need: int, parts: list[int], combine) -> int:  # type: ignore[no-untyped-def]
    """At least `need` of some diagrams; and and or are its ends, with one diagram at a time."""
    if need in (1, len(parts)):
        whole = parts[0]
        for part in parts[1:]:
            whole = combine(need > 1, whole, part)
        return int(whole)
    some = [1] + [0] * need  # at least 0, 1, ..., need of those so far
    for part in parts:
        for j in range(need, 0, -1):
            some[j] = combine(False, some[j], combine(True, some[j - 1], part))
    return some[need]


def _cut_sets(diagram: _Diagram, limit: int) -> list[frozenset[str]]:
    """The minimal cut sets of the root, smallest first."""
    nodes = diagram.nodes
    cuts: dict[int, list[int]] = {0: [], 1: [0]}  # sets of events as bits of a number
    for node in diagram.reached:
        event, low, high = nodes[node]
        bit, found = 1 << event, list(cuts[low])
        for cut in cuts[high]:
            rest = low  # does the cut suffice without this event?
            while rest > 1:
                at, without, given = nodes[rest]
                rest = given if cut >> at & 1 else without
            if rest == 0:
                found.append(cut | bit)
        if len(found) > limit:
            raise RuntimeError(f"there are more than {limit} minimal cut sets")
        cuts[node] = found
    named = [
        frozenset(name for i, name in enumerate(diagram.events) if cut >> i & 1)
        for cut in cuts[diagram.root]
    ]
    return sorted(named, key=lambda cut: (len(cut), sorted(cut)))


def _chances(diagram: _Diagram, probabilities: Mapping[str, float]) -> dict[int, float]:
    """Probability that each node below the root leads to a failure."""
    p = [float(probabilities[event]) for event in diagram.events]
    chance = {0: 0.0, 1: 1.0}
    for node in diagram.reached:
        event, low, high = diagram.nodes[node]
        chance[node] = p[event] * chance[high] + (1 - p[event]) * chance[low]
    return chance


def _inputs_first(
    gates: Gates, known: Mapping[str, float] | None, top: str
) -> list[str]:
    """Everything below `top`, inputs before their gates; refuse what is no tree."""
    graph: dict[str, list[str]] = {}
    for gate, entry in gates.items():
        try:
            kind, inputs = entry
            below = [] if isinstance(inputs, str) else list(inputs)
        except (TypeError, ValueError):
            kind, below = "", []
        if not below or not all(isinstance(name, str) for name in below):
            raise ValueError(
                f"gates must map a name to (kind, names of inputs), got {entry!r:.60} for {gate!r}"
            )
        if kind not in ("and", "or"):
            if isinstance(kind, str):
                raise ValueError(
                    f"gate {gate!r} must be 'and', 'or' or a number, got {kind!r}"
                )
            check_integer(f"gate {gate!r}", kind, 1, len(below))
        graph[gate] = below
    if known is not None:
        for name in known:
            if name in graph:
                raise ValueError(f"{name!r} must be a gate or a basic event, not both")
    names = set(known or ()).union(graph, *graph.values())
    if not isinstance(top, str) or top not in names:
        raise ValueError(f"top must be a gate or a basic event, got {top!r}")
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        raise ValueError(f"gates must have no cycle, got {path}") from None
    if known is not None:
        for name in order:
            if name not in graph:
                _probability(known, name)
    wanted = {top}
    for name in reversed(order):
        if name in wanted:
            wanted.update(graph.get(name, ()))
    return [name for name in order if name in wanted] or [top]


def _first_appearance(gates: Gates, top: str) -> list[str]:
    """Basic events below `top`, in the order in which a reader from left to right meets them."""
    seen, stack, events = set(), [top], []
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in gates:
            stack += reversed(gates[name][1])
        else:
            events.append(name)
    return events


def _probability(probabilities: Mapping[str, float], name: str) -> float:
    """The probability of one event; refuse an event that has none."""
    if name not in probabilities:
        raise ValueError(
            f"probabilities must hold every basic event, {name!r} is unknown"
        )
    return check_number(f"the probability of {name!r}", probabilities[name], 0, 1)
