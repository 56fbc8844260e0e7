"""The repository link and the launch buttons: there once `repository.url` in _config.yml is set, and only then."""

from sphinx.application import Sphinx
from sphinx.config import Config


def offer_repository(app: Sphinx, config: Config) -> None:
    """Change the theme's options before it reads them."""
    options = config.html_theme_options
    known = bool(options.get("repository_url"))
    # Not in _config.yml: Jupyter Book refuses these two while there is no address.
    options.update(use_repository_button=known, use_issues_button=known)
    if not known:
        options["launch_buttons"] = {}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx, ahead of the theme's own reading of its options."""
    app.connect("config-inited", offer_repository, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
