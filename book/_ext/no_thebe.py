"""Leave out thebe, which runs code on a server of others.

Jupyter Book puts its scripts on every page, used or not, with the address of a content network; and its constants
twice, which the browser reports as an error.
"""

from sphinx.application import Sphinx
from sphinx.config import Config


def leave_out_thebe(app: Sphinx, config: Config) -> None:
    """Disconnect the extension before it adds anything to a page."""
    for listeners in app.events.listeners.values():
        listeners[:] = [x for x in listeners if x.handler.__module__ != "sphinx_thebe"]
    styles = app.registry.css_files
    styles[:] = [style for style in styles if style[0] != "sphinx-thebe.css"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx, before there is a builder."""
    app.connect("config-inited", leave_out_thebe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
