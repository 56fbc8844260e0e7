"""The page of all algorithms by task: name, first line, when not to use it, lesson, peer, and the snippet.

Elsewhere, where a lesson names its module, that name becomes a link to this page.
"""

import html
import re
from functools import cache
from pathlib import Path

from docutils import nodes
from lessons import Page, chapters, lessons, title
from pygments import lex
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, String
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

from companion.snippet import snippet
from companion.tasks import Entry, Task, tasks

PAGE = "book/algorithms"
# What a reader's eye needs; a span for every token would make the page three times as long.
COLOURED = {
    Comment: "c1",
    String: "s2",
    Keyword: "k",
    Name.Function: "nf",
    Name.Class: "nc",
}


def coloured(code: str) -> str:
    """Return Python as HTML, with few spans."""
    parts: list[tuple[str, str]] = []
    for kind, text in lex(code, PythonLexer(stripnl=False)):
        name = next((COLOURED[k] for k in COLOURED if kind in k), "")
        if parts and (parts[-1][0] == name or (not text.strip() and "\n" not in text)):
            parts[-1] = (parts[-1][0], parts[-1][1] + text)
        else:
            parts.append((name, text))
    return "".join(
        f'<span class="{name}">{html.escape(text, quote=False)}</span>'
        if name
        else html.escape(text, quote=False)
        for name, text in parts
    )


def fold(full: str, code: str) -> str:
    """Return a snippet, folded, as the lessons show theirs."""
    lines, name = len(code.splitlines()), full.rpartition(".")[2]
    return (
        f'<details><summary>Show <code data-name="{full}">{name}</code> with all it needs, {lines} lines</summary>'
        '<div class="highlight-python notranslate"><div class="highlight">'
        f"<pre>{coloured(code)}</pre></div></div></details>"
    )


def inline(text: str) -> list[nodes.Node]:
    """Return a docstring's line as nodes: code and formulas stand in backticks, emphasis in stars."""
    found: list[nodes.Node] = []
    for part in re.split(r"((?::\w+:)?``?[^`]+``?|\*[^*\s][^*]*\*)", text):
        if part.startswith("*"):
            found.append(nodes.emphasis("", part.strip("*")))
        elif part.startswith(":math:"):
            found.append(nodes.math("", part.removeprefix(":math:").strip("`")))
        elif part.endswith("`"):
            found.append(nodes.literal("", part.partition("`")[2].strip("`")))
        else:
            found.append(nodes.Text(part))
    return found


class Algorithms(Page):
    """Every public function and class of the package, by chapter and task."""

    def run(self) -> list[nodes.Node]:
        """Draw them."""
        app = self.env.app
        names = {
            page.rpartition("/")[2]: title(Path(app.srcdir) / f"{page}.md")
            for page in chapters(app)
        }
        parts: dict[str, nodes.section] = {}
        found: dict[str, nodes.paragraph] = {}
        for task in tasks():
            heading = names.get(task.chapter, "What the chapters share")
            if heading not in parts:
                parts[heading] = section(
                    nodes.make_id(f"by-task-{heading}"), nodes.Text(heading)
                )
                found[heading] = nodes.paragraph("", "", nodes.strong("", heading))
            parts[heading] += self.task(task)
            place = parts[heading][-1]["ids"][0]
            found[heading] += nodes.Text(", " if len(found[heading]) > 1 else ": ")
            link = nodes.reference("", task.name, refid=place, internal=True)
            found[heading] += link
        items = [nodes.list_item("", line) for line in found.values()]
        return [nodes.bullet_list("", *items), *parts.values()]

    def task(self, task: Task) -> nodes.section:
        """Draw what serves a task."""
        place = nodes.make_id(f"task-{task.chapter}-{task.name}")
        part = section(place, nodes.Text(task.name))
        part += nodes.paragraph("", task.about)
        for entry in task.algorithms:
            part += self.entry(entry)
        for entry in task.parts:
            part += self.entry(entry)
        return part

    def entry(self, entry: Entry) -> nodes.section:
        """Draw an algorithm or a part."""
        module, _, name = entry.name.rpartition(".")
        part = section(anchor(module, name), nodes.literal("", name))
        part += nodes.paragraph("", "", *inline(entry.about))
        if entry.avoid:
            part += nodes.paragraph("", "", *inline(entry.avoid), classes=["avoid"])
        part += self.where(module, entry.peer)
        alone = fold(entry.name, snippet(entry.name))
        part += nodes.raw("", alone, format="html")
        return part

    def where(self, module: str, peer: str) -> nodes.paragraph:
        """Say where a module is taught, or which lessons use it, and what it was compared with."""
        known = lessons(self.env.app)
        own = module.replace("companion.", "notebooks/", 1).replace(".", "/")
        of = [x for x in known.values() if own == x.name]
        verb = "taught in "
        if not of and own.count("/") == 1:
            of, verb = [x for x in known.values() if module in x.modules], "used in "
        says = nodes.paragraph(classes=["where"])
        says += [
            breakable(nodes.literal("", module)),
            nodes.Text(f", {verb}" if of else ""),
        ]
        for n, one in enumerate(of):
            says += nodes.Text(", " if n else "")
            says += make_refnode(
                self.env.app.builder,
                self.env.docname,
                one.name,
                "",
                nodes.Text(one.title),
            )
        says += nodes.Text(f"; compared with {peer}." if peer else ".")
        return says


def section(place: str, heading: nodes.Node) -> nodes.section:
    """Return a section under its heading."""
    part = nodes.section(ids=[place], names=[place])
    part += nodes.title("", "", heading)
    return part


def anchor(module: str, name: str) -> str:
    """Return the place of an algorithm on the page."""
    # The name as it is: there are a class Splitting and a function splitting.
    return f"{nodes.make_id(module.rpartition('.')[2])}-{name}"


def breakable(code: nodes.literal) -> nodes.literal:
    """Return a dotted name that a narrow page may break where a reader would."""
    shown = nodes.literal("", "", classes=code["classes"])
    for part in re.split(r"(?<=[._])", code.astext()):
        shown += [nodes.Text(part), nodes.raw("", "<wbr>", format="html")]
    return shown


@cache
def places() -> dict[str, str]:
    """Return where modules and their functions stand on the page, found once for all pages."""
    found: dict[str, str] = {}
    for task in tasks():
        for entry in (*task.algorithms, *task.parts):
            module, _, name = entry.name.rpartition(".")
            found[entry.name] = anchor(module, name)
            # A module stands where the first of its functions does.
            found.setdefault(module, found[entry.name])
    return found


def link_modules(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Make the names of modules and of their functions links to the page of algorithms."""
    if PAGE not in app.env.found_docs or docname == PAGE:
        return
    for code in list(doctree.findall(nodes.literal)):
        place = places().get(code.astext())
        if place and not isinstance(code.parent, nodes.reference | nodes.title):
            link = make_refnode(app.builder, docname, PAGE, place, breakable(code))
            code.replace_self(link)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("algorithms", Algorithms)
    app.connect("doctree-resolved", link_modules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
