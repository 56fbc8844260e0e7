"""The map of what builds on what, the paths through it, and the site's address: their rules, without a site."""

import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sphinx.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import address  # noqa: E402
from lessons import Lesson  # noqa: E402
from prerequisites import (  # noqa: E402
    ACROSS,
    HEIGHT,
    WIDTH,
    Layout,
    lay_out,
    needs,
)


def layout_faults(layout: Layout, groups: list[list[str]]) -> list[str]:
    """Boxes on one another or outside their chapter, and lines that turn back or run through a box."""
    faults = []
    for (a, (x, y)), (b, (u, v)) in itertools.combinations(layout.boxes.items(), 2):
        if abs(x - u) < WIDTH and abs(y - v) < HEIGHT:
            faults.append(f"{a} lies on {b}")
    for n, names in enumerate(groups):
        upper, lower = layout.bands[n : n + 2]
        for name in names:
            if not upper <= layout.boxes[name][1] <= lower - HEIGHT:
                faults.append(f"{name} is outside its chapter")
    for (first, last), points in layout.lines.items():
        ends = [(x, y + HEIGHT / 2) for x, y in map(layout.boxes.get, (first, last))]
        if [points[0], points[-1]] != ends:
            faults.append(f"the line does not lead from {first} to {last}")
        steps = [b[0] - a[0] for a, b in itertools.pairwise(points)]
        if steps != [ACROSS] * len(steps):
            faults.append(f"the line from {first} to {last} turns or leaps")
        for x, y in points[1:-1]:
            for name, (u, v) in layout.boxes.items():
                if x == u and v <= y <= v + HEIGHT:
                    faults.append(f"the line from {first} to {last} crosses {name}")
    return faults


@st.composite
def books(draw):
    """Some chapters, and for each lesson some of those before it in a random order."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    groups = [[f"{n}{i}" for i in range(size)] for n, size in enumerate(sizes)]
    order = draw(st.permutations([name for names in groups for name in names]))
    needed = {
        name: tuple(draw(st.sets(st.sampled_from(order[:n]), max_size=3)) if n else ())
        for n, name in enumerate(order)
    }
    return groups, {name: needed[name] for names in groups for name in names}


@given(books())
def test_the_map_of_any_book_has_boxes_apart_and_lines_past_them(book):
    groups, needed = book
    layout = lay_out(groups, needed)
    assert layout_faults(layout, groups) == []
    assert set(layout.boxes) == set(needed)
    assert set(layout.lines) == {(b, a) for a, below in needed.items() for b in below}


def test_a_bad_map_is_seen():
    groups, needed = [["a", "b"], ["c"]], {"a": (), "b": ("a",), "c": ("a", "b")}
    good = lay_out(groups, needed)
    assert layout_faults(good, groups) == []
    moved = good._replace(boxes={**good.boxes, "b": good.boxes["a"]})
    assert "a lies on b" in layout_faults(moved, groups)
    moved = good._replace(bands=[0, 10, good.bands[-1]])
    assert "a is outside its chapter" in layout_faults(moved, groups)
    moved = good._replace(lines={("a", "b"): good.lines["a", "b"][::-1]})
    assert layout_faults(moved, groups) == [
        "the line does not lead from a to b",
        "the line from a to b turns or leaps",
    ]
    x, y = good.boxes["b"]
    start, _, end = good.lines["a", "c"]
    moved = good._replace(lines={("a", "c"): [start, (x, y + 1), end]})
    assert layout_faults(moved, groups) == ["the line from a to c crosses b"]


def book_of(**needed: tuple[str, ...]) -> dict[str, Lesson]:
    """Lessons that need one another."""
    return {
        name: Lesson(name, name, "", "", "", below, b"", "", ())
        for name, below in needed.items()
    }


def test_a_link_to_no_lesson_and_a_circle_are_told():
    assert needs(book_of(one=(), two=("one",))) == {"one": (), "two": ("one",)}
    with pytest.raises(ValueError, match="two links won, .* nearest is two"):
        needs(book_of(one=(), two=("won",)))
    with pytest.raises(ValueError, match=r"read (\w+ before ){2}\w+; take one of"):
        needs(book_of(one=("two",), two=("one",)))


def test_half_an_address_is_refused():
    app = SimpleNamespace(config=SimpleNamespace(html_baseurl="someone.github.io"))
    with pytest.raises(ConfigError, match="write the whole address, from https://"):
        address.setup(app)
