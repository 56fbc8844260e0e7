"""Give the book's boxes a class for the theme, and what is folded a name.

A lesson writes its boxes as plain blockquotes, which GitHub, Colab and JupyterLab show well: a tested claim starts
with a bold tick, and *You should know* with these words.
"""

from docutils import nodes
from sphinx.application import Sphinx

BOXES = {"✓": "claim", "You should know": "you-should-know"}
# By what MyST-NB hides: the tag hide-cell is for solutions, hide-input for what only sets up or draws.
FOLDED = {"all": "solution", "input": "code", "output": "output"}


def name_boxes(app: Sphinx, doctree: nodes.document) -> None:
    """Add a class to every blockquote that starts like a box, and a label to every folded cell."""
    for quote in doctree.findall(nodes.block_quote):
        words = quote.astext()
        quote["classes"] += [
            name for start, name in BOXES.items() if words.startswith(start)
        ]
    for cell in doctree.findall(nodes.container):
        if cell.get("hide_mode") in FOLDED:
            name = FOLDED[cell["hide_mode"]]
            cell["prompt_show"] = f"Show the {name}"
            cell["prompt_hide"] = f"Hide the {name}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", name_boxes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
