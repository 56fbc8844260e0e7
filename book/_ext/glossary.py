"""The glossary: letters, links from the lessons to it, and from it to the lessons.

A lesson defines a term where it sets it in bold.  That place becomes a link to the glossary, or else the first
where the term is used; and the entry gets a link to the lesson.  Nothing is written for either.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from docutils import nodes
from lessons import lessons
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

PAGE = "book/glossary"
MOST = 3  # lessons named at an entry


@dataclass(frozen=True)
class Entry:
    """A term of the glossary."""

    term: str
    place: tuple[str, str]  # page and anchor
    words: frozenset[str]  # in small letters, of either number
    short: frozenset[str]  # to the letter


def numbers(words: str) -> set[str]:
    """Return some words and their other number, as far as English is regular."""
    endings = {"sses": "ss", "ss": "sses", "ies": "y", "y": "ies", "s": "", "": "s"}
    ending = next(end for end in endings if words.endswith(end))
    return {words, words.removesuffix(ending) + endings[ending]}


def straight(text: str) -> str:
    """Return a text with the apostrophes that its author typed."""
    return text.replace("’", "'")


def entry(term: str, place: tuple[str, str], definition: str) -> Entry:
    """Return an entry, with the other names that its definition gives."""
    others = re.findall(r"\bAlso called ([^.]+)\.", definition)
    names = [term, *(n for part in others for n in re.split(r",? or |, ", part))]
    short = re.findall(r"\bShort: ([^.,]+)", definition)
    words = frozenset(w for name in names for w in numbers(name.lower()))
    return Entry(term, place, words, frozenset(w for s in short for w in (s, f"{s}s")))


@cache
def entries(app: Sphinx) -> tuple[Entry, ...]:
    """Return the entries of the glossary."""
    objects = app.env.get_domain("std").objects
    places = {name: place for (kind, name), place in objects.items() if kind == "term"}
    found = []
    for item in app.env.get_doctree(PAGE).findall(nodes.definition_list_item):
        term = straight(next(item.findall(nodes.term)).astext())
        definition = next(item.findall(nodes.definition)).astext()
        found.append(entry(term, places[term], " ".join(definition.split())))
    return tuple(found)


class Names:
    """Finds the names of entries in text: the longer of two, and short ones to the letter."""

    def __init__(self, known: Iterable[Entry]):
        self.short = {name: e for e in known for name in e.short}
        self.words = {name: e for e in known for name in e.words}
        by_length = sorted({*self.short, *self.words}, key=len, reverse=True)
        any_of = "|".join(
            f"(?-i:{re.escape(n)})" if n in self.short else re.escape(n)
            for n in by_length
        )
        self.pattern = re.compile(rf"(?<![\w-])({any_of})(?![\w-])", re.IGNORECASE)

    def named(self, words: str) -> Entry | None:
        """Return the entry that some words name, in whatever number."""
        words = " ".join(straight(words).split()).strip(" .,;:")
        return self.short.get(words) or self.words.get(words.lower())

    def find(self, text: str) -> Iterator[tuple[int, int, Entry]]:
        """Return the names in a text, each with its start and end."""
        for match in self.pattern.finditer(straight(text)):
            found = self.named(match[0])
            if found:
                yield match.start(), match.end(), found


@cache
def names(app: Sphinx) -> Names:
    """Return what finds the names of this glossary."""
    return Names(entries(app))


def stands_apart(node: nodes.Node) -> bool:
    """Tell whether a node belongs to a box, a table, a heading or a link."""
    apart = nodes.block_quote | nodes.table | nodes.title | nodes.reference
    while node is not None and not isinstance(node, apart):
        node = node.parent
    return node is not None


def bold_places(doctree: nodes.document) -> list[nodes.strong]:
    """Return what a lesson sets in bold and a link may replace."""
    return [s for s in doctree.findall(nodes.strong) if not stands_apart(s)]


def text_places(doctree: nodes.document) -> list[nodes.Text]:
    """Return the text of a lesson in which links may stand: its paragraphs, the subtitle last."""
    texts = [
        text
        for text in doctree.findall(nodes.Text)
        if isinstance(text.parent, nodes.paragraph | nodes.emphasis)
        and not stands_apart(text)
    ]
    subtitle = next(iter(doctree.findall(nodes.paragraph)), None)
    return sorted(texts, key=lambda text: text.parent is subtitle)


def most_uses(uses: dict[str, int]) -> list[str]:
    """Return the lessons that use a term most, each at least half as often as the first of them.

    Who uses it less may mean something else by it.
    """
    often = sorted(uses, key=lambda name: -uses[name])[:MOST]
    return [name for name in often if 2 * uses[name] >= uses[often[0]]]


@cache
def where_used(app: Sphinx) -> dict[str, list[str]]:
    """Return for every term the lessons that define it, or else those that speak of it most.

    Headings, tables and boxes count only for a term that stands in no paragraph.
    """
    bold: dict[str, dict[str, int]] = {}
    text: dict[str, Counter[str]] = {e.term: Counter() for e in entries(app)}
    apart: dict[str, Counter[str]] = {e.term: Counter() for e in entries(app)}
    for name in lessons(app):
        page = app.env.get_doctree(name)
        for strong in bold_places(page):
            if found := names(app).named(strong.astext()):
                bold.setdefault(found.term, {})[name] = 1
        for place in text_places(page):
            for *_, found in names(app).find(place.astext()):
                text[found.term][name] += 1
        for *_, found in names(app).find(prose(page)):
            apart[found.term][name] += 1
    return {
        e.term: most_uses(bold.get(e.term) or text[e.term] or apart[e.term])
        for e in entries(app)
    }


def link_first_uses(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the terms of a lesson to their entries, each once.

    A term of one word is linked where it is bold, and in the lessons that its entry names.
    """
    if docname not in lessons(app):
        return
    seen = set()
    for strong in bold_places(doctree):
        found = names(app).named(strong.astext())
        if found and found not in seen:
            seen.add(found)
            strong.replace_self(term_link(app, docname, found, strong.deepcopy()))
    for text in text_places(doctree):
        words, done = text.astext(), 0
        parts: list[nodes.Node] = []
        for start, end, found in names(app).find(words):
            name = words[start:end]
            own = docname in where_used(app)[found.term]
            if found not in seen and (own or re.search(r"[ -]", name)):
                seen.add(found)
                link = term_link(app, docname, found, nodes.Text(name))
                parts += [nodes.Text(words[done:start]), link]
                done = end
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(words[done:])])


def term_link(
    app: Sphinx, docname: str, found: Entry, words: nodes.Node
) -> nodes.reference:
    """Return a quiet link to an entry."""
    link = make_refnode(app.builder, docname, *found.place, words)
    link["classes"].append("term")
    return link


def prose(doctree: nodes.document) -> str:
    """Return what a page says outside code."""
    blocks = doctree.findall(
        lambda n: (
            isinstance(n, nodes.paragraph | nodes.title)
            and not isinstance(n.parent, nodes.footnote)
        )
    )
    return " ".join(" ".join(b.astext().split()) for b in blocks)


def link_to_lessons(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Name at each entry the lessons that define it, or else those that speak of it."""
    if docname != PAGE:
        return
    for item in doctree.findall(nodes.definition_list_item):
        found = where_used(app)[straight(next(item.findall(nodes.term)).astext())]
        if found:
            says = nodes.paragraph(classes=["where"])
            for n, name in enumerate(found):
                words = nodes.Text(lessons(app)[name].title)
                says += nodes.Text(", " if n else "")
                says += make_refnode(app.builder, docname, name, "", words)
            next(item.findall(nodes.definition)).append(says)


def add_letters(app: Sphinx, doctree: nodes.document) -> None:
    """Divide the list by first letters, with a line of them above."""
    if app.env.docname != PAGE:
        return
    for glossary in list(doctree.findall(addnodes.glossary)):
        groups: dict[str, list[nodes.Node]] = {}
        for item in list(glossary.findall(nodes.definition_list_item)):
            letter = next(item.findall(nodes.term)).astext()[0].upper()
            groups.setdefault(letter, []).append(item)
        row = nodes.paragraph(classes=["letters"])
        parts: list[nodes.Node] = []
        for letter, items in groups.items():
            place = f"letter-{letter.lower()}"
            row += [
                nodes.reference("", letter, refid=place, internal=True),
                nodes.Text(" "),
            ]
            heading = nodes.rubric("", letter, ids=[place])
            parts += [heading, nodes.definition_list("", *items, classes=["glossary"])]
        glossary.children = []
        glossary += parts
        glossary.parent.insert(glossary.parent.index(glossary), row)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", add_letters)
    app.connect("doctree-resolved", link_first_uses)
    app.connect("doctree-resolved", link_to_lessons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
