"""What a lesson says about itself, read from its notebook and drawn where it is needed: cards and descriptions.

Nothing of this is typed a second time: title, subtitle, question, minutes and figure are those of the notebook,
order and chapters those of the table of contents.
"""

import ast
import base64
import difflib
import html
import io
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import nbformat
from docutils import nodes
from docutils.parsers.rst import Directive, directives
from PIL import Image
from sphinx.application import Sphinx

PAGES_APART = ("book/source_document",)  # not searched: its code does not run
DESCRIPTION = 160  # characters that a search engine shows
CARD = (
    960,
    128,
)  # pixels across and colours: sharp at twice the size that the front page shows, and a third as heavy


@dataclass(frozen=True)
class Lesson:
    """The first screen of a notebook."""

    name: str
    title: str
    subtitle: str
    question: str
    minutes: str
    needs: tuple[str, ...]  # the lessons that its "You need" links
    figure: bytes
    alt: str
    modules: tuple[str, ...]  # of the package, imported by its code


def plain(markdown: str) -> str:
    """Return a line of Markdown as words."""
    text = re.sub(r"\{[\w:]+\}`[^`]*`", "", markdown)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\\[a-zA-Z]+ ?", "", text)
    text = re.sub(r"[*`${}\\]|\b_|_\b", "", text)
    return re.sub(r"\s+([.,;:?!])", r"\1", " ".join(text.split()))


def imports(code: str) -> set[str]:
    """Return the modules of the package that some code imports from."""
    try:
        tree = ast.parse(re.sub(r"^[%!].*$", "", code, flags=re.MULTILINE))
    except SyntaxError:  # a listing that is meant to fail
        return set()
    return {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("companion.")
    }


@cache
def read(root: Path, name: str) -> Lesson:
    """Return what the cards show of a notebook; the first figure that it draws is its own."""
    path = root / f"{name}.ipynb"
    book = nbformat.read(path, as_version=4)
    opening = next(c.source for c in book.cells if c.cell_type == "markdown")
    blocks = [block.strip() for block in re.split(r"\n\s*\n", opening)]
    prose = [b for b in blocks if b and not b.startswith(("#", "|", ">", "```"))]
    title = re.search(r"^# (.+)$", opening, re.MULTILINE)
    sentences = re.split(r"(?<=[.?!])[*_]*\s+", " ".join(prose[1:]))
    questions = [s for s in sentences if s.rstrip("*_ ").endswith("?")]
    time, need = (
        re.search(rf"^\| *{row} *\|(.*)\|", opening, re.MULTILINE)
        for row in ("Time", "You need")
    )
    links = re.findall(r"\]\(([^)#]+)\.ipynb", need[1]) if need else []
    needs = [
        posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
        for link in links
    ]
    figure, alt, modules = b"", "", set()
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        modules |= imports(cell.source)
        for output in cell.outputs:
            data = output.get("data", {}).get("image/png")
            if data and not figure:
                figure = base64.b64decode(data)
                alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    return Lesson(
        name=name,
        title=plain(title[1]) if title else path.stem,
        subtitle=plain(prose[0]) if prose else "",
        question=plain(questions[-1]) if questions else "",
        minutes=plain(time[1]) if time else "",
        needs=tuple(dict.fromkeys(needs)),
        figure=figure,
        alt=alt,
        modules=tuple(sorted(modules)),
    )


def chapters(app: Sphinx) -> dict[str, list[str]]:
    """Return the lessons of each chapter, in the order of the table of contents."""
    site = app.config.external_site_map
    found: dict[str, list[str]] = {}
    for tree in site.root.subtrees:
        for item in map(str, tree.items):
            below = [str(i) for sub in site[item].subtrees for i in sub.items]
            if any(name.startswith("notebooks/") for name in below):
                found[item] = below
    return found


def lessons(app: Sphinx) -> dict[str, Lesson]:
    """Return every lesson of a chapter by its page."""
    names = [name for below in chapters(app).values() for name in below]
    return {name: read(Path(app.srcdir), name) for name in names}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the name that somebody may have meant."""
    return difflib.get_close_matches(name, known, 1, cutoff=0)[0]


def href(source: str, target: str) -> str:
    """Return the address of a page as seen from another."""
    return html.escape(posixpath.relpath(f"{target}.html", posixpath.dirname(source)))


def image_name(name: str) -> str:
    """Return where the figure of a lesson's card lies in the site."""
    return f"_images/cards/{name.replace('/', '-')}.png"


@cache
def card_picture(figure: bytes) -> tuple[bytes, tuple[int, int]]:
    """Return a figure as small as a card needs it, and its width and height."""
    width, colours = CARD
    image = Image.open(io.BytesIO(figure)).convert("RGB")
    size = width, round(width * image.height / image.width)
    file = io.BytesIO()
    small = image.resize(size, Image.Resampling.LANCZOS).quantize(colours)
    small.save(file, "png", optimize=True)
    return file.getvalue(), size


def picture(source: str, lesson: Lesson, lazy: bool) -> str:
    """Return the figure of a lesson as HTML."""
    if not lesson.figure:
        return ""
    width, height = card_picture(lesson.figure)[1]
    late = 'loading="lazy" ' if lazy else ""
    path = posixpath.relpath(image_name(lesson.name), posixpath.dirname(source))
    return (
        f'<img src="{html.escape(path)}" width="{width}" height="{height}" '
        f'alt="{html.escape(lesson.alt)}" {late}/>'
    )


def card(source: str, lesson: Lesson, level: int = 4) -> str:
    """Return a card: figure, title, question or subtitle, minutes; all of it is the link's target."""
    said = lesson.question or lesson.subtitle
    link = f'<a href="{href(source, lesson.name)}">{html.escape(lesson.title)}</a>'
    method = f'<p class="method">{html.escape(lesson.subtitle)}</p>'
    return (
        f'<li class="card"><div class="picture">{picture(source, lesson, lazy=True)}</div>'
        f'<div class="words"><h{level}>{link}</h{level}>'
        f"<p>{html.escape(said)}</p>{method if said != lesson.subtitle else ''}"
        f'<p class="minutes">{html.escape(lesson.minutes)}</p></div></li>'
    )


class Page(Directive):
    """A directive that knows its page."""

    @property
    def env(self) -> Any:
        """The build's environment."""
        return self.state.document.settings.env

    def raw(self, text: str) -> list[nodes.Node]:
        """Return HTML as nodes."""
        return [nodes.raw("", text, format="html")]

    def lesson(self, name: str) -> Lesson:
        """Return a lesson by its chapter and name, or say which one may be meant."""
        known = {n.removeprefix("notebooks/"): x for n, x in self.lessons.items()}
        if name not in known:
            raise self.error(
                f"There is no lesson {name}; the nearest is {nearest(name, known)}."
            )
        return known[name]

    @property
    def lessons(self) -> dict[str, Lesson]:
        """Every lesson by its page."""
        return lessons(self.env.app)


class Start(Page):
    """The way in: the figure of one lesson, what it shows, its question, and the link to it."""

    has_content = True
    option_spec: ClassVar = {"lesson": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        if "lesson" not in self.options:
            raise self.error("Say which lesson: a line `:lesson: chapter/name`.")
        lesson, here = self.lesson(self.options["lesson"]), self.env.docname
        self.env.metadata[here]["starts_with"] = lesson.name
        return self.raw(
            f'<div class="start"><figure>{picture(here, lesson, lazy=False)}'
            f"<figcaption>{html.escape(' '.join(self.content))}</figcaption></figure>"
            f'<div class="words"><p class="question">{html.escape(lesson.question or lesson.subtitle)}</p>'
            f'<p><a class="btn start-here" href="{href(here, lesson.name)}">'
            f"Start here: {html.escape(lesson.title)}</a></p>"
            f'<p class="minutes">{html.escape(lesson.minutes)}</p></div></div>'
        )


class Lessons(Page):
    """The cards of all lessons by chapter, or, on a chapter's own page, of its lessons."""

    def run(self) -> list[nodes.Node]:
        """Draw them."""
        app, here = self.env.app, self.env.docname
        known, all_chapters = lessons(app), chapters(app)
        if here in all_chapters:
            cards = "".join(card(here, known[name], 3) for name in all_chapters[here])
            return self.raw(f'<ul class="cards">{cards}</ul>')
        parts = []
        for chapter, names in all_chapters.items():
            heading = html.escape(title(Path(app.srcdir) / f"{chapter}.md"))
            link = f'<a href="{href(here, chapter)}">{heading}</a>'
            cards = "".join(card(here, known[name]) for name in names)
            parts.append(f'<h3>{link}</h3><ul class="cards">{cards}</ul>')
        return self.raw("".join(parts))


def title(path: Path) -> str:
    """Return the heading of a page in Markdown."""
    found = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return plain(found[1]) if found else path.stem


def shorten(text: str, limit: int = DESCRIPTION) -> str:
    """Cut a text at a sentence, or else at a word."""
    if len(text) <= limit:
        return text
    sentence = text[: limit + 1].rfind(". ")
    if sentence > limit // 3:
        return text[: sentence + 1]
    return text[: text.rfind(" ", 0, limit - 1)].rstrip(",;:") + " …"


def description(doctree: nodes.document) -> str:
    """Return the first paragraph after a page's title that says something, without its citations."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = re.sub(r"\s*\[[^]]*\d{4}[a-z]?\]", "", paragraph.astext())
        words = " ".join(text.split())
        said_above = "banner" in paragraph.parent["classes"]
        at_home = said_above or isinstance(paragraph.parent, nodes.section)
        if at_home and len(words) > 20 and "letters" not in paragraph["classes"]:
            return shorten(words)
    return ""


def summary(app: Sphinx, pagename: str, doctree: Any) -> str:
    """Return what a page is about: of a lesson its subtitle, else its first paragraph."""
    if pagename in lessons(app):
        return shorten(lessons(app)[pagename].subtitle)
    if doctree is not None:
        return description(doctree)
    return {
        "search": "Search the lessons, the algorithms and the glossary.",
        "404": "There is no page at this address.",
    }.get(pagename, "")


def figure_of(app: Sphinx, pagename: str) -> Lesson | None:
    """Return the lesson whose figure stands for a page: its own, the one it starts with, a chapter's first."""
    name = app.env.metadata[pagename].get("starts_with", pagename)
    return lessons(app).get(next(iter(chapters(app).get(pagename, [])), name))


def describe(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any
) -> None:
    """Give a page a description for search engines."""
    text = summary(app, pagename, doctree)
    if text:
        words = html.escape(text, quote=True)
        context["metatags"] = (
            f'{context.get("metatags", "")}\n<meta name="description" content="{words}">'
        )
    context["is_lesson"] = pagename in lessons(app)


def write_pictures(app: Sphinx, exception: Exception | None) -> None:
    """Put the figures of the cards into the site."""
    if exception is None:
        for lesson in [x for x in lessons(app).values() if x.figure]:
            path = Path(app.outdir) / image_name(lesson.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(card_picture(lesson.figure)[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("start", Start)
    app.add_directive("lessons", Lessons)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
