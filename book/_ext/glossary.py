"""The glossary: letters, links from the lessons to it, and from it to the lessons.

A lesson defines a term where it sets it in bold.  That place becomes a link to the glossary, or else the first
where a term of several words is used; and the entry gets a link to the lesson.  Nothing is written for either.
"""

import re

from docutils import nodes
from lessons import lessons
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

PAGE = "book/glossary"
MOST = 3  # lessons named at an entry


def terms(app: Sphinx) -> dict[str, tuple[str, str]]:
    """Return page and place of every term, by its words in small letters."""
    objects = app.env.get_domain("std").objects
    return {
        name.lower(): place for (kind, name), place in objects.items() if kind == "term"
    }


def singular(words: str) -> str:
    """Return the other number of a term, as far as an s makes it."""
    return words[:-1] if words.endswith("s") else f"{words}s"


def known_term(words: str, known: dict[str, tuple[str, str]]) -> str | None:
    """Return the term that some words name, in whatever number."""
    words = " ".join(words.lower().split()).strip(" .,;:")
    return next((t for t in (words, singular(words)) if t in known), None)


def stands_apart(node: nodes.Node) -> bool:
    """Tell whether a node belongs to a box, a table, a heading or a link."""
    apart = nodes.block_quote | nodes.table | nodes.title | nodes.reference
    while node is not None and not isinstance(node, apart):
        node = node.parent
    return node is not None


def link_first_uses(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the terms of a lesson to their entries, each once."""
    if docname not in lessons(app):
        return
    known, seen = terms(app), set()
    for strong in list(doctree.findall(nodes.strong)):
        term = known_term(strong.astext(), known)
        if term and term not in seen and not stands_apart(strong):
            seen.add(term)
            strong.replace_self(term_link(app, docname, known[term], strong.deepcopy()))
    names = sorted((t for t in known if re.search(r"[ -]", t)), key=len, reverse=True)
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b", re.IGNORECASE)
    subtitle = next(iter(doctree.findall(nodes.paragraph)), None)
    for text in [t for t in doctree.findall(nodes.Text) if not stands_apart(t)]:
        if text.parent is subtitle:
            continue
        words = text.astext()
        found = isinstance(text.parent, nodes.paragraph) and pattern.search(words)
        if found and found[1].lower() not in seen:
            seen.add(found[1].lower())
            place = known[found[1].lower()]
            link = term_link(app, docname, place, nodes.Text(found[1]))
            before, after = words[: found.start()], words[found.end() :]
            text.parent.replace(text, [nodes.Text(before), link, nodes.Text(after)])


def term_link(
    app: Sphinx, docname: str, place: tuple[str, str], words: nodes.Node
) -> nodes.reference:
    """Return a quiet link to an entry."""
    link = make_refnode(app.builder, docname, *place, words)
    link["classes"].append("term")
    return link


def prose(doctree: nodes.document) -> str:
    """Return what a page says outside code, in small letters."""
    blocks = doctree.findall(
        lambda n: (
            isinstance(n, nodes.paragraph | nodes.title)
            and not isinstance(n.parent, nodes.footnote)
        )
    )
    return " ".join(" ".join(b.astext().lower().split()) for b in blocks)


def link_to_lessons(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Name at each entry the lessons that define it, or else those that speak of it."""
    if docname != PAGE:
        return
    bold: dict[str, list[str]] = {}
    text = {}
    known = terms(app)
    for name in lessons(app):
        page = app.env.get_doctree(name)
        text[name] = prose(page)
        for strong in page.findall(nodes.strong):
            term = known_term(strong.astext(), known)
            if term and name not in bold.setdefault(term, []):
                bold[term].append(name)
    for item in doctree.findall(nodes.definition_list_item):
        term = next(item.findall(nodes.term)).astext().lower()
        forms = "|".join(map(re.escape, (term, singular(term))))
        found = bold.get(term) or sorted(
            (n for n in text if re.search(rf"\b({forms})\b", text[n])),
            key=lambda n: -len(re.findall(rf"\b({forms})\b", text[n])),
        )
        if found:
            says = nodes.paragraph(classes=["where"])
            for n, name in enumerate(found[:MOST]):
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
