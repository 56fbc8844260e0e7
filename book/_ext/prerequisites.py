"""What is read before what: the map of the lessons, and short paths through them.

Both follow the links to lessons in each lesson's "You need", and refuse to be drawn where these make no sense.
"""

import graphlib
import html
import itertools
import re
import textwrap
from pathlib import Path
from typing import NamedTuple

import yaml
from docutils import nodes
from lessons import Lesson, Page, chapters, href, nearest, title
from sphinx.application import Sphinx

# Pixels: a lesson's box; from a column to the next; between boxes; where a line passes; a chapter's name.
WIDTH, HEIGHT = 156, 48
ACROSS, DOWN, PASSING, NAME = 192, 8, 12, 36
ARROW = (
    '<marker id="map-arrow-{0}" class="chapter-{0}" viewBox="0 0 8 8" refX="7" refY="4" '
    'markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0 8 4 0 8z" /></marker>'
)
LINE = 'fill="none" stroke="currentcolor"'  # where there is no style, as in an EPUB
LETTERS = 19  # in a line of a box
LESSONS_OF_A_PATH = range(4, 7)

Needs = dict[str, tuple[str, ...]]
Slot = tuple[
    str, ...
]  # of a lesson, or of a line that passes a column: from, to, column
Point = tuple[float, float]


class Layout(NamedTuple):
    """Where everything stands, in pixels from the upper left corner."""

    boxes: dict[str, Point]
    # The middle of the left side of all that a line meets.
    lines: dict[tuple[str, str], list[Point]]
    bands: list[float]  # the upper edge of each chapter, and the end


def needs(known: dict[str, Lesson]) -> Needs:
    """Return what each lesson builds on; refuse what is no lesson, and a circle."""
    for lesson in known.values():
        for name in lesson.needs:
            if name not in known:
                raise ValueError(
                    f'The "You need" of {lesson.name} links {name}, which is no lesson; '
                    f"the nearest is {nearest(name, known)}."
                )
    found = {name: lesson.needs for name, lesson in known.items()}
    try:
        graphlib.TopologicalSorter(found).prepare()
    except graphlib.CycleError as error:
        circle = " before ".join(error.args[1])
        raise ValueError(
            f'By their "You need" one would read {circle}; take one of these links out.'
        ) from None
    return found


def columns(needed: Needs) -> dict[str, int]:
    """Return the column of each lesson: right of all that it builds on."""
    found: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(needed).static_order():
        found[name] = max((found[n] + 1 for n in needed[name]), default=0)
    return found


def ways(needed: Needs, column: dict[str, int]) -> dict[tuple[str, str], list[Slot]]:
    """Return the slots that each line meets: both ends, and one in every column that it passes."""
    return {
        (other, name): [
            (other,),
            *((other, name, str(c)) for c in range(column[other] + 1, column[name])),
            (name,),
        ]
        for name, below in needed.items()
        for other in below
    }


def heights(
    slots: list[list[Slot]], band: dict[Slot, int], before: dict[Slot, list[Slot]]
) -> dict[Slot, float]:
    """Return how far below the name of its chapter each slot begins.

    In its column a slot stands in the order of what it comes from, and as high as that where there is room.
    """
    top: dict[Slot, float] = {}

    def origin(slot: Slot) -> Point:
        """Return the mean chapter and height of what a slot comes from."""
        all_before = before[slot] or [slot]
        share = 1 / len(all_before)
        return (
            sum(share * band[s] for s in all_before),
            sum(share * top.get(s, 0) for s in all_before),
        )

    for column in slots:
        room: dict[int, float] = {}
        for slot in sorted(column, key=origin):
            own = [top[s] for s in before[slot] if band[s] == band[slot]]
            wanted = sum(own) / len(own) if own else 0.0
            top[slot] = max(wanted, room.get(band[slot], 0.0))
            room[band[slot]] = top[slot] + size(slot)
    return top


def size(slot: Slot) -> float:
    """Return the height that a slot takes."""
    return DOWN + (HEIGHT if len(slot) == 1 else PASSING)


def lay_out(groups: list[list[str]], needed: Needs) -> Layout:
    """Place the lessons of each chapter in a band of its own, from left to right as they build on one another.

    Lessons that no line touches fill the rows below the others.
    """
    column = columns(needed)
    chains = ways(needed, column)
    band = {(name,): n for n, names in enumerate(groups) for name in names}
    before: dict[Slot, list[Slot]] = {}
    slots: list[list[Slot]] = [[] for _ in range(max(column.values()) + 1)]
    for chain in chains.values():
        for last, slot in itertools.pairwise(chain):
            before.setdefault(slot, []).append(last)
            band.setdefault(slot, band[chain[-1]])
    touched = {slot for chain in chains.values() for slot in chain}
    for slot in band:
        before.setdefault(slot, [])
        if slot in touched:
            place = column[slot[0]] if len(slot) == 1 else int(slot[2])
            slots[place].append(slot)
    top = heights(slots, band, before)
    left = {s: ACROSS * c for c, column_slots in enumerate(slots) for s in column_slots}
    edges = [0.0]
    for n, names in enumerate(groups):
        here = [s for s in top if band[s] == n]
        below = max((top[s] + size(s) for s in here), default=0.0)
        alone = [(name,) for name in names if (name,) not in touched]
        for i, slot in enumerate(alone):
            row, across = divmod(i, len(slots))
            top[slot], left[slot] = below + row * (HEIGHT + DOWN), across * ACROSS
        rows = -(-len(alone) // len(slots))
        for slot in [*here, *alone]:
            top[slot] += edges[n] + NAME
        edges.append(edges[n] + NAME + below + rows * (HEIGHT + DOWN) + DOWN)
    boxes = {s[0]: (left[s], top[s]) for s in top if len(s) == 1}
    lines = {
        ends: [(left[s], top[s] + (size(s) - DOWN) / 2) for s in chain]
        for ends, chain in chains.items()
    }
    return Layout(boxes, lines, edges)


def curve(points: list[Point]) -> str:
    """Return the line from a box's right side, through the columns that it passes, to a box's left side."""
    (x, y), *rest = points
    drawn = f"M{x + WIDTH:g} {y:g}"
    for n, (x, y) in enumerate(rest):
        bend = (ACROSS - WIDTH) / 2
        before = points[n][1]
        drawn += f"C{x - bend:g} {before:g} {x - bend:g} {y:g} {x:g} {y:g}"
        if n < len(rest) - 1:
            drawn += f"H{x + WIDTH:g}"
    return drawn


def box(here: str, lesson: Lesson, corner: Point, chapter: int) -> str:
    """Return the box of a lesson: a link."""
    x, y = corner
    lines = textwrap.wrap(lesson.title, LETTERS)
    first = y + HEIGHT / 2 - 7 * (len(lines) - 1) + 4.5
    words = "".join(
        f'<tspan x="{x + 14:g}" y="{first + 14 * n:g}">{html.escape(line)} </tspan>'
        for n, line in enumerate(lines)
    )
    said = html.escape(f"{lesson.title}: {lesson.question or lesson.subtitle}")
    return (
        f'<a href="{href(here, lesson.name)}" class="chapter-{chapter}"><title>{said}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="5" {LINE} />'
        f'<path class="bar" {LINE} d="M{x + 4:g} {y + 6:g}v{HEIGHT - 12}" /><text>{words}</text></a>'
    )


class Map(Page):
    """The map of all lessons, and the same as a list."""

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        try:
            needed = needs(self.lessons)
        except ValueError as error:
            raise self.error(str(error)) from None
        return self.raw(self.drawing(needed) + self.listing(needed))

    def drawing(self, needed: Needs) -> str:
        """Return the map as SVG."""
        app, here = self.env.app, self.env.docname
        groups = chapters(app)
        layout = lay_out(list(groups.values()), needed)
        width = max(x for x, _ in layout.boxes.values()) + WIDTH
        height = layout.bands[-1]
        parts = []
        for n, (chapter, names) in enumerate(groups.items()):
            y = layout.bands[n]
            heading = html.escape(title(Path(app.srcdir) / f"{chapter}.md"))
            link = (
                f'<a href="{href(here, chapter)}"><title>{heading}</title>'
                f'<text x="0" y="{y + 24:g}" class="name">{heading}</text></a>'
            )
            boxes = [box(here, self.lessons[x], layout.boxes[x], n) for x in names]
            rule = f'<path class="rule" {LINE} d="M0 {y:g}H{width:g}" />' if n else ""
            parts.append(f'{rule}<g class="chapter-{n}">{link}{"".join(boxes)}</g>')
        chapter_of = {x: n for n, names in enumerate(groups.values()) for x in names}
        lines = "".join(
            f'<path class="line chapter-{chapter_of[first]}" {LINE} d="{curve(points)}" '
            f'marker-end="url(#map-arrow-{chapter_of[first]})" />'
            for (first, _), points in layout.lines.items()
        )
        arrows = "".join(ARROW.format(n) for n in range(len(groups)))
        return (
            '<div class="map" role="group" aria-label="Map of the lessons">'
            f'<svg viewBox="-4 0 {width + 8:g} {height:g}" width="{width + 8:g}" height="{height:g}" '
            'fill="currentcolor" font-size="12.5">'
            f"<defs>{arrows}</defs>{lines}{''.join(parts)}</svg></div>"
        )

    def listing(self, needed: Needs) -> str:
        """Return the map as sentences."""
        links = {
            name: f'<a href="{href(self.env.docname, name)}">{html.escape(lesson.title)}</a>'
            for name, lesson in self.lessons.items()
        }
        sentences = "".join(
            f"<li>Before {links[name]} read {' and '.join(links[n] for n in below)}.</li>"
            for name, below in needed.items()
            if below
        )
        return (
            "<details><summary>Show the map as a list</summary>"
            f"<ul>{sentences}</ul><p>Each other lesson needs none of them.</p></details>"
        )


class Paths(Page):
    """Short ways through the book: YAML, each title with its lessons in order."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Draw them."""
        wanted = "Write each path as `Title:` and below it its lessons, `- chapter/name`, one a line."
        try:
            paths = yaml.safe_load("\n".join(self.content))
        except yaml.YAMLError:
            raise self.error(wanted) from None
        if not isinstance(paths, dict) or not all(
            isinstance(names, list) for names in paths.values()
        ):
            raise self.error(wanted)
        drawn = [self.path(str(name), below) for name, below in paths.items()]
        return self.raw(f'<div class="paths">{"".join(drawn)}</div>')

    def path(self, name: str, names: list[str]) -> str:
        """Return one path, or say what is wrong with it."""
        if len(names) not in LESSONS_OF_A_PATH:
            raise self.error(
                f"{name!r} has {len(names)} lessons; a morning holds {LESSONS_OF_A_PATH[0]} to "
                f"{LESSONS_OF_A_PATH[-1]}."
            )
        way = [self.lesson(str(n)) for n in names]
        for n, lesson in enumerate(way):
            for other in lesson.needs:
                if other not in [x.name for x in way[:n]]:
                    raise self.error(
                        f"{name!r} comes to {lesson.name} before {other}, which it needs; put that before it."
                    )
        read, practise = (
            sum(int(re.findall(r"\d+", lesson.minutes)[n]) for lesson in way)
            for n in (0, 1)
        )
        here = self.env.docname
        items = "".join(
            f'<li><a href="{href(here, x.name)}">{html.escape(x.title)}</a></li>'
            for x in way
        )
        return (
            f'<section class="path"><h3>{html.escape(name)}</h3><ol>{items}</ol>'
            f'<p class="minutes">{read} minutes to read, {practise} for the exercises</p></section>'
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("map", Map)
    app.add_directive("paths", Paths)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
