"""The search: an index of every section in its own words, instead of Sphinx's list of words by page.

`search-index.js` holds the prose, so that the page of results needs no other file, also when it is opened without
a server, and an excerpt is a sentence and not the imports.  How it ranks: book/_static/search.js.
"""

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from lessons import PAGES_APART, chapters, lessons
from source_page import listings
from sphinx import addnodes
from sphinx.application import Sphinx

Section = dict[str, str]
UNREAD = (
    nodes.literal_block,
    nodes.raw,
    nodes.math_block,
    nodes.image,
    nodes.caption,
    nodes.comment,
    nodes.section,
    nodes.title,
    nodes.footnote_reference,
)


def words(node: nodes.Node) -> str:
    """Return the prose of a node, subsections, code and formulas left out."""
    if isinstance(node, nodes.Text):
        return node.astext()
    if isinstance(node, UNREAD):
        return ""
    if isinstance(node, nodes.table):
        # A table of numbers says nothing in a sentence; the first one and the symbols do.
        first = node.next_node(nodes.entry)
        if first is None or first.astext() not in ("At a glance", "symbol"):
            return ""
    if isinstance(node, nodes.block_quote) and "believed" in node["classes"]:
        # A wrong belief is no answer to a search; its correction is.
        kept = node.findall(nodes.strong)
        return "".join(f"{strong.astext()}\n" for strong in list(kept)[1:])
    if isinstance(node, addnodes.pending_xref) and node.get("refdomain") == "cite":
        return ""
    inner = "".join(words(child) for child in node.children)
    block = not isinstance(node, nodes.Inline | nodes.math)
    return f"{inner}\n" if block else inner


def sections(doctree: nodes.document) -> list[Section]:
    """Return a page's sections and, of a glossary, its entries: place, heading, prose."""
    found = []
    for section in doctree.findall(nodes.section):
        heading = section.next_node(nodes.title)
        text = "".join(words(child) for child in section.children)
        found.append(entry(section["ids"][0], heading.astext(), text))
    for glossary in doctree.findall(addnodes.glossary):
        for item in glossary.findall(nodes.definition_list_item):
            term = next(item.findall(nodes.term))
            text = words(next(item.findall(nodes.definition)))
            found.append(entry(term["ids"][0], term.astext(), text))
    return found


def entry(place: str, heading: str, text: str) -> Section:
    """Return a section for the index."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return {"id": place, "h": heading, "t": "\n".join(line for line in lines if line)}


def index(app: Sphinx) -> list[dict[str, Any]]:
    """Return all pages for the search; the source's own words are not searched."""
    own = lessons(app)
    kinds = dict.fromkeys(listings(app), "listing")
    kinds |= dict.fromkeys(own, "lesson") | dict.fromkeys(chapters(app), "chapter")
    found = []
    for name in sorted(app.env.found_docs):
        if name in PAGES_APART or name == app.config.root_doc:
            continue
        found.append(
            {
                "page": name,
                "kind": kinds.get(name, name.rpartition("/")[2]),
                "title": app.env.titles[name].astext(),
                "about": own[name].subtitle if name in own else "",
                "sections": sections(app.env.get_doctree(name)),
            }
        )
    return found


def abbreviations(app: Sphinx) -> dict[str, str]:
    """Return what the glossary calls short for what ("Short: DQN."), in small letters."""
    found = {}
    for name in app.env.found_docs:
        for glossary in app.env.get_doctree(name).findall(addnodes.glossary):
            for item in glossary.findall(nodes.definition_list_item):
                short = re.search(r"\bShort: ([^.,]+)", item.astext())
                if short:
                    found[short[1].lower()] = next(item.findall(nodes.term)).astext()
    return found


def write_index(app: Sphinx, exception: Exception | None) -> None:
    """Put the index into the site."""
    if exception is None and app.builder.format == "html":
        known = {"pages": index(app), "short": abbreviations(app)}
        text = json.dumps(known, ensure_ascii=False, separators=(",", ":"))
        path = Path(app.outdir) / "_static" / "search-index.js"
        path.write_text(f"window.bookIndex = {text};\n", encoding="utf-8")


def own_search(app: Sphinx) -> None:
    """Let Sphinx make no index of its own."""
    app.builder.search = False


def search_page(app: Sphinx) -> list[tuple[str, dict[str, Any], str]]:
    """Return the page of the search."""
    return [("search", {"title": "Search"}, "search.html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", own_search)
    app.connect("html-collect-pages", search_page)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
