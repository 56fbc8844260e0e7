"""Drop the repository link and the launch buttons while `repository.url` in _config.yml is empty."""

from sphinx.application import Sphinx
from sphinx.config import Config


def without_repository(app: Sphinx, config: Config) -> None:
    """Change the theme's options before it reads them."""
    options = config.html_theme_options
    if not options.get("repository_url"):
        options.update(
            launch_buttons={}, use_repository_button=False, use_issues_button=False
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx; before the theme's own reading of its options."""
    app.connect("config-inited", without_repository, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
