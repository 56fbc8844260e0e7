"""Give the book's boxes a class for the theme, what is folded a name, and figures a link to their full size.

A lesson writes its boxes as plain blockquotes, which GitHub, Colab and JupyterLab show well: a tested claim starts
with a bold tick, and *Often believed, and wrong* with these words.  Everything else is told by a cell's tags.
"""

import re
from collections import Counter

from docutils import nodes
from sphinx.application import Sphinx

BOXES = {
    "✓": "claim",
    "Often believed, and wrong": "believed",
}
# Where words may be bound: not in code, formulas or raw pages.
PROSE = (nodes.paragraph, nodes.emphasis, nodes.strong, nodes.caption)


def is_bare(cell: nodes.container) -> bool:
    """Tell whether a cell only shows what the package has: there is nothing in it to read or to copy."""
    return cell.astext().startswith("show_source(")


def fold_name(cell: nodes.container) -> str:
    """Say what a folded cell holds."""
    if "tag_hide-output" in cell["classes"]:
        if any(cell.findall(nodes.table)):
            return "table"
        return "record" if "Recorded on " in cell.astext() else "output"
    if cell["hide_mode"] == "all":
        return "solution"
    if "tag_claim" in cell["classes"]:
        return "test"
    # A check may begin with the helpers that it needs.
    return "check" if re.search(r"^def check_\w+\(", cell.astext(), re.M) else "code"


def lists_symbols(table: nodes.table) -> bool:
    """Tell whether a table says what symbols mean."""
    first = table.next_node(nodes.entry)
    return first is not None and first.astext() == "symbol"


def mark_repeated(tables: list[nodes.table]) -> None:
    """Put a dagger at every symbol that stands in more than one row."""
    cells = [row.next_node(nodes.entry) for t in tables for row in t.findall(nodes.row)]
    symbols = [s for cell in cells for s in cell.findall(nodes.math)]
    rows = Counter(symbol.astext() for symbol in symbols)
    for symbol in symbols:
        if rows[symbol.astext()] > 1:
            place = symbol.parent.index(symbol) + 1
            symbol.parent.insert(place, nodes.superscript("", "", nodes.Text("†")))


def name_boxes(app: Sphinx, doctree: nodes.document) -> None:
    """Add a class to every blockquote that starts like a box, and a label to every folded cell."""
    for quote in doctree.findall(nodes.block_quote):
        words = quote.astext()
        quote["classes"] += [
            name for start, name in BOXES.items() if words.startswith(start)
        ]
    for text in list(doctree.findall(nodes.Text)):
        # No line breaks between a number and its percent sign, or within a number written in groups.
        bound = re.sub(r"(?<=\d) (?=%|\d{3}\b)", "\u00a0", text)
        if bound != text and isinstance(text.parent, PROSE):
            text.parent.replace(text, nodes.Text(bound))
    for formula in list(doctree.findall(nodes.math)):
        # A line may break beside a formula, so what closes a clause would begin the next one.
        parent, place = formula.parent, formula.parent.index(formula)
        after = parent[place + 1] if place + 1 < len(parent) else None
        if not isinstance(after, nodes.Text):
            continue
        if closing := re.match(r"[.,;:!?)\]’”]+", after):
            end = nodes.Text(closing[0])
            parent[place : place + 2] = [
                nodes.inline("", "", formula, end, classes=["glued"]),
                nodes.Text(after[len(closing[0]) :]),
            ]
    tables = [t for t in doctree.findall(nodes.table) if lists_symbols(t)]
    for table in tables:
        table["classes"].append("symbols")
    mark_repeated(tables)
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code" and is_bare(cell):
            cell.remove(cell.children[0])
            cell["hide_mode"] = None  # its output is a fold already
        elif cell.get("hide_mode"):
            name = fold_name(cell)
            cell["classes"].append(f"fold-{name}")
            cell["prompt_show"] = f"Show the {name}"
            cell["prompt_hide"] = f"Hide the {name}"
            # What is not read at first is folded with the code that makes it.
            if cell["hide_mode"] == "output":
                cell["hide_mode"] = "all"


def sentence_first(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put what a claim says before the fold that holds its test."""
    for cell in doctree.findall(nodes.container):
        if "fold-test" in cell["classes"] and len(cell.children) == 2:
            cell.children.reverse()


def link_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Let a figure be opened at its full size, as Sphinx does with those that it is told to scale."""
    for image in doctree.findall(nodes.image):
        image["width"] = "auto"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", name_boxes)
    app.connect("doctree-read", link_figures)
    # After MyST-NB has folded what is to be folded.
    app.connect("doctree-resolved", sentence_first)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
