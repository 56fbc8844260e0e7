"""The page of all algorithms, drawn from the package: name, first line, lesson, and the snippet that stands alone.

Elsewhere, where a lesson names its module, that name becomes a link to this page.
"""

import html
import inspect
import re

from docutils import nodes
from lessons import Lesson, Page, lessons
from pygments import lex
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, String
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

from companion.snippet import public, snippet

PAGE = "book/algorithms"
# What only notebooks use.
APART = ("companion.lesson", "companion.listings", "companion.snippet")
# What a reader's eye needs; a span for every token would make the page three times as long.
COLOURED = {
    Comment: "c1",
    String: "s2",
    Keyword: "k",
    Name.Function: "nf",
    Name.Class: "nc",
}


def algorithms() -> dict[str, list[str]]:
    """Return the names of all public functions and classes by module, lessons' modules last."""
    found: dict[str, list[str]] = {}
    for full, item in public().items():
        module, _, name = full.rpartition(".")
        if module not in APART and (inspect.isclass(item) or inspect.isroutine(item)):
            found.setdefault(module, []).append(name)
    return found


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


def first_line(item: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(item) or "").partition("\n\n")[0].replace("\n", " ")


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
    """Every public function and class of the package, by lesson."""

    def run(self) -> list[nodes.Node]:
        """Draw them."""
        app, items = self.env.app, public()
        own = {
            n.replace("notebooks/", "companion/").replace("/", "."): n
            for n in lessons(app)
        }
        found = algorithms()
        order = [m for m in own if m in found] + [m for m in found if m not in own]
        parts: list[nodes.Node] = []
        for module in order:
            section = nodes.section(ids=[nodes.make_id(module)], names=[module])
            lesson = lessons(app).get(own.get(module, ""))
            section += nodes.title("", lesson.title if lesson else module)
            section += self.where(module, lesson)
            for name in found[module]:
                part = nodes.section(
                    ids=[anchor(module, name)], names=[f"{module}.{name}"]
                )
                part += nodes.title("", "", nodes.literal("", name))
                item = items[f"{module}.{name}"]
                part += nodes.paragraph("", "", *inline(first_line(item)))
                alone = fold(f"{module}.{name}", snippet(f"{module}.{name}"))
                part += nodes.raw("", alone, format="html")
                section += part
            parts.append(section)
        return parts

    def where(self, module: str, lesson: Lesson | None) -> nodes.paragraph:
        """Say where a module is taught, or, on the ground floor, which lessons use it."""
        known = lessons(self.env.app).values()
        of = [lesson] if lesson else [x for x in known if module in x.modules]
        says = nodes.paragraph(classes=["where"])
        says += [
            breakable(nodes.literal("", module)),
            nodes.Text(", taught in " if lesson else ""),
        ]
        if of and not lesson:
            says += nodes.Text(", used in ")
        for n, one in enumerate(of):
            says += nodes.Text(", " if n else "")
            says += make_refnode(
                self.env.app.builder,
                self.env.docname,
                one.name,
                "",
                nodes.Text(one.title),
            )
        says += nodes.Text("." if of else ", with no lesson of its own.")
        return says


def anchor(module: str, name: str) -> str:
    """Return the place of an algorithm on the page."""
    return nodes.make_id(f"{module.rpartition('.')[2]}-{name}")


def breakable(code: nodes.literal) -> nodes.literal:
    """Return a dotted name that a narrow page may break where a reader would."""
    shown = nodes.literal("", "", classes=code["classes"])
    for part in re.split(r"(?<=[._])", code.astext()):
        shown += [nodes.Text(part), nodes.raw("", "<wbr>", format="html")]
    return shown


def link_modules(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Make the names of modules and of their functions links to the page of algorithms."""
    if PAGE not in app.env.found_docs or docname == PAGE:
        return
    places = {}
    for module, names in algorithms().items():
        places[module] = nodes.make_id(module)
        places |= {f"{module}.{name}": anchor(module, name) for name in names}
    for code in list(doctree.findall(nodes.literal)):
        place = places.get(code.astext())
        if place and not isinstance(code.parent, nodes.reference | nodes.title):
            link = make_refnode(app.builder, docname, PAGE, place, breakable(code))
            code.replace_self(link)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("algorithms", Algorithms)
    app.connect("doctree-resolved", link_modules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
