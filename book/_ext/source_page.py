"""The source document stands in the book to the letter; what has to be said about it is said outside its text."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

PAGE = "book/source_document"
COMPLETED = "book/explainability"  # where the section that breaks off goes on
REPAIRED = "notebooks/source_listing_"  # where a listing is run, before its number


def listings(app: Sphinx) -> list[str]:
    """Return the pages on which a listing is run, in order."""
    return sorted(page for page in app.env.found_docs if page.startswith(REPAIRED))


def mark_listings(app: Sphinx, doctree: nodes.document) -> None:
    """Take the copy button from code that does not run."""
    if app.env.docname == PAGE:
        for listing in doctree.findall(nodes.literal_block):
            listing["classes"].append("not-to-copy")


def add_banner(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Say above the text that its code does not run, and where one sees why."""
    if docname != PAGE:
        return
    links: list[nodes.Node] = []
    for page in listings(app):
        words = nodes.Text(f"listing {page.removeprefix(REPAIRED)}")
        links += [
            nodes.Text(", "),
            make_refnode(app.builder, docname, page, "", words),
        ]
    says = nodes.paragraph()
    says += nodes.strong("", "Do not copy from this page.")
    says += nodes.Text(
        " It is the document that this book answers, to the letter, and its code does not run. "
        "Its listings are run and repaired, fault by fault, on pages of their own: "
    )
    completed = nodes.Text("the chapter on explainability completes it")
    says += [
        *links[1:],
        nodes.Text(". Its fourth section breaks off before any listing: "),
        make_refnode(app.builder, docname, COMPLETED, "", completed),
        nodes.Text("."),
    ]
    doctree.insert(0, nodes.container("", says, classes=["banner"]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", mark_listings)
    app.connect("doctree-resolved", add_banner)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
