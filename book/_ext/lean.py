"""Leave out what no page needs: 1.5 MB of icons before the first paint, and MathJax without formulas."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

ICONS = re.compile(r'<script src="[^"]*/fontawesome\.js[^"]*"></script>')


def without_icon_script(head: str) -> str:
    """Remove the script of the icons from the head of a page."""
    return ICONS.sub("", str(head))


def add_filter(app: Sphinx) -> None:
    """Make the filter known to the templates."""
    filters = app.builder.templates.environment.filters
    filters["without_icon_script"] = without_icon_script


def leave_out_mathematics(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object
) -> None:
    """Remove MathJax from a page without formulas; Sphinx gives it to every page that has lessons below it."""
    formulas = (nodes.math, nodes.math_block)
    if isinstance(doctree, nodes.document) and any(
        isinstance(node, formulas) for node in doctree.findall()
    ):
        return
    context["script_files"][:] = [
        script
        for script in context["script_files"]
        if "mathjax" not in f"{script.filename} {script.attributes}".lower()
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.config.templates_path.append(str(Path(__file__).parent / "templates"))
    app.connect("builder-inited", add_filter)
    # After Sphinx has added what it believes to be needed.
    app.connect("html-page-context", leave_out_mathematics, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
