"""Give the book's boxes a class for the theme.

A lesson writes them as plain blockquotes, which GitHub, Colab and JupyterLab show well: a tested claim starts
with a bold tick, and *You should know* with these words.
"""

from docutils import nodes
from sphinx.application import Sphinx

BOXES = {"✓": "claim", "You should know": "you-should-know"}


def name_boxes(app: Sphinx, doctree: nodes.document) -> None:
    """Add the class to every blockquote that starts like a box."""
    for quote in doctree.findall(nodes.block_quote):
        words = quote.astext()
        quote["classes"] += [
            name for start, name in BOXES.items() if words.startswith(start)
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", name_boxes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
