"""The page of all evidence, and `claims.json`: claims, properties, planted faults and comparisons of every lesson.

Read from the notebooks' recorded outputs, the names of the tests and the records; nothing is typed a second time.
The parts of the lessons are HTML, so that the search leads to the lessons and not here.
"""

import ast
import datetime
import html
import json
import posixpath
import re
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from lessons import Page, chapters, href, title
from lessons import read as first_screen
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

PAGE = "book/evidence"
CLAIM = re.compile(r"^> \*\*✓\*\* (.+) \*Checked over (.+)\.\*$", re.MULTILINE)
Lesson = dict[str, Any]


# --- what is known of a lesson ----------------------------------------------------


@cache
def evidence(root: Path, page: str) -> Lesson:
    """Return everything that is known of a lesson."""
    lesson = page.removeprefix("notebooks/")
    chapter, name = lesson.split("/")
    book = nbformat.read(root / f"{page}.ipynb", as_version=4)
    prose = "\n\n".join(c.source for c in book.cells if c.cell_type == "markdown")
    tests = root / "tests" / chapter / f"test_{name}.py"
    record = read(root / "evidence" / f"{lesson}.json")
    return {
        "lesson": lesson,
        "title": first_screen(root, page).title,
        "page": f"{page}.html",
        "claims": claims(book),
        "properties": properties(tests.read_text(encoding="utf-8"), prose),
        "faults": faults(root, lesson),
        **comparisons(root, record),
        "seconds": book.metadata["cpu_seconds"],
    }


def read(path: Path) -> dict[str, Any]:
    """Return a record."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def claims(book: nbformat.NotebookNode) -> list[dict[str, str]]:
    """Return the claims that a notebook's recorded outputs show, each with what it was checked over."""
    shown = (
        output.get("data", {}).get("text/markdown", "")
        for cell in book.cells
        for output in cell.get("outputs", [])
    )
    return [
        {"claim": claim, "over": over}
        for text in shown
        for claim, over in CLAIM.findall(text)
    ]


def properties(tests: str, prose: str) -> list[str]:
    """Return the names of tests as sentences; names keep the capitals that they have in the lesson's prose."""
    spelt = capitals(prose)
    found = []
    for node in ast.parse(tests).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            words = node.name.removeprefix("test_").split("_")
            said = " ".join(spelt.get(word, word) for word in words)
            found.append(f"{said[0].upper()}{said[1:]}.")
    return found


def capitals(prose: str) -> dict[str, str]:
    """Return the words that a text writes with a capital inside a sentence, and never without one."""
    said = re.sub(r"`[^`]*`|\$[^$]*\$", "", prose)
    words = set(re.findall(r"\w+", said))
    inside = re.findall(r"(?<=[a-z,] )\w*[A-Z]\w*", said)
    return {word.lower(): word for word in inside if word.lower() not in words}


def faults(root: Path, lesson: str) -> dict[str, Any] | None:
    """Return how many planted faults the tests caught; None where nobody has tried."""
    path = root / "evidence" / f"{lesson}.faults.json"
    if not path.is_file():
        return None
    known = read(path)
    wanted = ("date", "machine", "versions", "tests", "seconds", "planted", "caught")
    return {key: known[key] for key in (*wanted, "survivors")}


def comparisons(root: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return a record's comparisons, and when and with what they were measured."""
    if str(root) not in sys.path:  # the records' reader stands beside them
        sys.path.append(str(root))
    from evidence import summary

    wanted = ("date", "machine", "versions")
    measured = {key: record[key] for key in wanted} | {"peers": summary.peers(record)}
    return {"measured": measured, **asdict(summary.compared(record))}


def gather(app: Sphinx) -> dict[str, list[Lesson]]:
    """Return everything that is known, by chapter, in the book's order."""
    root = Path(app.srcdir)
    return {
        chapter: [evidence(root, page) for page in pages]
        for chapter, pages in chapters(app).items()
    }


def every(app: Sphinx) -> list[Lesson]:
    """Return everything that is known, in the book's order."""
    return [lesson for known in gather(app).values() for lesson in known]


# --- in words ---------------------------------------------------------------------


def text(words: str) -> str:
    """Return words as HTML; what stands in backticks is code."""
    return re.sub(
        r"`([^`]+)`", r"<code>\1</code>", html.escape(words, quote=False).strip()
    )


def count(number: int, thing: str, things: str = "") -> str:
    """Return a number with what it counts."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def figure(value: float) -> str:
    """Return a number in three digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def ratio(row: dict[str, Any]) -> str:
    """Return a ratio of times and, where it is known, its spread."""
    said = figure(row["ratio"])
    if row["low"] is not None:
        said += f" ({figure(row['low'])} to {figure(row['high'])})"
    return said


def verdict(row: dict[str, Any]) -> str:
    """Return whether the book is slower or quicker."""
    return "slower" if row["ratio"] < 1 else "quicker"


def day(date: str) -> str:
    """Return a date as a reader writes it."""
    when = datetime.date.fromisoformat(date)
    return f"{when.day} {when:%B %Y}"


def libraries(versions: dict[str, str]) -> str:
    """Return names and versions in a row."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def largest(row: dict[str, Any]) -> str:
    """Return a largest difference, or that none was recorded."""
    if row["largest"] is None:
        return "asserted"
    return figure(row["largest"]) + ", intended" * row["intended"]


# --- drawn ------------------------------------------------------------------------


def fold(summary: str, inside: str) -> str:
    """Return something folded."""
    return f"<details><summary>{summary}</summary>{inside}</details>"


def bullets(items: list[str]) -> str:
    """Return a list."""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def table(head: list[str], rows: list[list[str]], numbers: range) -> str:
    """Return a table that scrolls inside itself; the columns of numbers stand to the right."""

    def cells(row: list[str], tag: str) -> str:
        right = ' class="text-right"'
        return "".join(
            f"<{tag}{right if n in numbers else ''}>{cell}</{tag}>"
            for n, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (
        '<div class="pst-scrollable-table-container"><table class="table">'
        f"<thead><tr>{cells(head, 'th')}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def speeds(rows: list[dict[str, Any]]) -> str:
    """Return the times beside others, losses first."""
    lines = [
        [text(row["work"]), text(row["peer"]), verdict(row), ratio(row)] for row in rows
    ]
    slower = sum(row["ratio"] < 1 for row in rows)
    name = f"Speed: slower on {slower or 'none'} of {count(len(rows), 'piece')} of work"
    head = ["work", "compared with", "the book is", "its time / the book's"]
    return fold(name, table(head, lines, range(3, 4)))


def answers(rows: list[dict[str, Any]]) -> str:
    """Return how far the answers of others lie from the book's."""
    lines = [
        [
            text(row["what"]),
            text(row["peer"]),
            largest(row),
            text(row["scale"]),
            text(row["over"]),
        ]
        for row in rows
    ]
    head = ["answer", "compared with", "largest difference", "scale", "over"]
    name = f"How far the answers lie apart: {count(len(rows), 'comparison')}"
    return fold(name, table(head, lines, range(2, 3)))


def planted(known: dict[str, Any] | None) -> str:
    """Return how many planted faults the tests caught, and those that survived."""
    if known is None:
        return "<p>Planted faults: not yet measured.</p>"
    said = (
        f"<p>Planted faults: {known['caught']} of {known['planted']} caught by "
        f"{count(known['tests'], 'test')}, {day(known['date'])}, {text(known['machine']['cpu'])}, "
        f"Python {known['machine']['python']}, {text(libraries(known['versions']))}.</p>"
    )
    if not known["survivors"]:
        return said
    rows = [
        [f"<code>{text(s['function'])}</code>", str(s["line"]), text(s["change"])]
        for s in known["survivors"]
    ]
    name = f"{count(len(rows), 'fault')} that survived"
    return said + fold(name, table(["function", "line", "change"], rows, range(1, 2)))


def compared(here: str, lesson: Lesson) -> str:
    """Return the comparisons of a lesson, its worst loss in sight."""
    rows, apart = lesson["speed"], lesson["differences"]
    said = ""
    if rows and rows[0]["ratio"] < 1:
        said = (
            f"<p><strong>Slower</strong> beside {text(rows[0]['peer'])}, "
            f"{text(rows[0]['work'])}: its time is {ratio(rows[0])} of the book's.</p>"
        )
    said += speeds(rows) if rows else ""
    said += answers(apart) if apart else ""
    said += "".join(f"<p>Intended: {text(words)}.</p>" for words in lesson["intended"])
    section = f"{href(here, lesson['page'].removesuffix('.html'))}#how-it-compares"
    link = f'<a href="{section}">How it compares</a>'
    if not rows and not apart:
        return f"<p>Compared with no other program. {link} says why.</p>"
    return f"{said}<p>{link} says what was compared and what differs on purpose.</p>"


def measured(lesson: Lesson) -> str:
    """Return when, where and with what a lesson was measured."""
    known = lesson["measured"]
    return (
        f'<p class="measured">Measured on {day(known["date"])}, {text(known["machine"]["cpu"])}, '
        f"{count(known['machine']['threads'], 'thread')}, Python {known['machine']['python']}, "
        f"{text(libraries(known['versions']))}. "
        f"The notebook takes {figure(lesson['seconds'])} seconds of CPU.</p>"
    )


def part(here: str, lesson: Lesson) -> str:
    """Return everything of a lesson."""
    link = href(here, lesson["page"].removesuffix(".html"))
    said = [f"{text(c['claim'])} <em>{text(c['over'])}</em>" for c in lesson["claims"]]
    tested = [text(words) for words in lesson["properties"]]
    return (
        f'<h3 id="{anchor(lesson)}"><a href="{link}">{text(lesson["title"])}</a></h3>'
        + fold(f"{count(len(said), 'claim')}, and what was checked", bullets(said))
        + fold(
            f"{count(len(tested), 'property', 'properties')} that the tests check",
            bullets(tested),
        )
        + planted(lesson["faults"])
        + compared(here, lesson)
        + measured(lesson)
    )


def anchor(lesson: Lesson) -> str:
    """Return the place of a lesson on the page."""
    return nodes.make_id(f"evidence-{lesson['lesson']}")


def line(lesson: Lesson) -> list[str]:
    """Return a lesson's row of the table over all."""
    rows, known = lesson["speed"], lesson["faults"]
    caught = f"{known['caught']} of {known['planted']}" if known else "not yet"
    loss = (
        f"slower, {figure(rows[0]['ratio'])}" if rows and rows[0]["ratio"] < 1 else ""
    )
    gain = figure(rows[-1]["ratio"]) if rows and rows[-1]["ratio"] >= 1 else ""
    return [
        f'<a href="#{anchor(lesson)}">{text(lesson["title"])}</a>',
        str(len(lesson["claims"])),
        str(len(lesson["properties"])),
        caught,
        loss or ("none" if rows else "not timed"),
        gain or ("none" if rows else "not timed"),
        figure(lesson["seconds"]),
        text(", ".join(lesson["measured"]["peers"])) or "none",
    ]


def totals(known: list[Lesson]) -> str:
    """Return the sentences on all lessons together."""
    rows = [row for one in known for row in one["speed"]]
    slower = sum(row["ratio"] < 1 for row in rows)
    tried = [one["faults"] for one in known if one["faults"]]
    claimed = sum(len(one["claims"]) for one in known)
    tested = sum(len(one["properties"]) for one in known)
    said = [
        f"{count(len(known), 'lesson')} make {count(claimed, 'claim')}, and their tests "
        f"check {count(tested, 'property', 'properties')}."
    ]
    if tried:
        faults, caught = (sum(f[key] for f in tried) for key in ("planted", "caught"))
        said.append(
            f"Of {count(faults, 'fault')} planted in the code of "
            f"{count(len(tried), 'lesson')} the tests caught {caught:,}."
        )
    said += [
        f"On {slower} of {count(len(rows), 'piece')} of work that were timed "
        "beside another program the book is slower.",
        f"All notebooks together take {sum(one['seconds'] for one in known):.0f} "
        "seconds of CPU.",
    ]
    return " ".join(said)


class Totals(Page):
    """All lessons together."""

    def run(self) -> list[nodes.Node]:
        """Draw them."""
        said = totals(every(self.env.app))
        return [nodes.paragraph(said, said)]


class Table(Page):
    """One row for each lesson."""

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        known = every(self.env.app)
        head = ["lesson", "claims", "properties", "faults caught", "largest loss"]
        head += ["largest gain", "seconds", "peers"]
        drawn = table(head, [line(one) for one in known], range(1, 7))
        return self.raw(f'<div class="evidence-all">{drawn}</div>')


class Parts(Page):
    """A section for each chapter, with all its lessons."""

    def run(self) -> list[nodes.Node]:
        """Draw them."""
        parts: list[nodes.Node] = []
        for chapter, known in gather(self.env.app).items():
            name = title(Path(self.env.app.srcdir) / f"{chapter}.md")
            section = nodes.section(ids=[nodes.make_id(f"evidence-{name}")])
            section += nodes.title("", name)
            drawn = "".join(part(self.env.docname, one) for one in known)
            section += nodes.raw(
                "", f'<div class="evidence">{drawn}</div>', format="html"
            )
            parts.append(section)
        return parts


class SiteFile(SphinxRole):
    """A link to a file of the site that is no page; an EPUB has none, and only says its name."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Draw it."""
        if self.env.app.builder.name != "html":
            return [nodes.literal(self.text, self.text)], []
        address = posixpath.relpath(self.text, posixpath.dirname(self.env.docname))
        return [nodes.reference("", self.text, refuri=address, internal=True)], []


def write_claims(app: Sphinx, exception: Exception | None) -> None:
    """Put everything into the site once more, for programs."""
    wanted = app.builder.name == "html" and PAGE in app.env.found_docs
    if exception is None and wanted:
        path = Path(app.outdir) / "claims.json"
        content = json.dumps(every(app), ensure_ascii=False, indent=1)
        path.write_text(f"{content}\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("evidence-totals", Totals)
    app.add_directive("evidence-table", Table)
    app.add_directive("evidence-lessons", Parts)
    app.add_role("site-file", SiteFile())
    app.connect("build-finished", write_claims)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
