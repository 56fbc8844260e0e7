"""What needs the site's address, `html.baseurl` in _config.yml: there once it is set, and only then.

Canonical addresses are Sphinx's own.  The sitemap, what is shown where somebody shares a page (Open Graph) and the
page for what is not found come from extensions, which are loaded with an address and know it from here.
"""

from typing import Any
from urllib.parse import urlsplit

from lessons import figure_of, image_name, summary
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

EXTENSIONS = "sphinx_sitemap", "sphinxext.opengraph", "notfound.extension"
NOT_FOUND = """<h1>Page not found</h1>
<p>There is no page at this address. <a href="{home}">Begin at the first page</a>, or search the book.</p>"""


def tell(app: Sphinx, config: Config) -> None:
    """Tell the extensions where the site will be."""
    address = config.html_baseurl.rstrip("/") + "/"
    path = urlsplit(address).path
    config.html_baseurl = address
    config.sitemap_url_scheme = "{link}"
    config.sitemap_excludes = ["404.html", "search.html"]
    config.ogp_site_url = address
    config.ogp_site_name = config.html_title
    config.ogp_social_cards = {"enable": False}
    config.ogp_enable_meta_description = False
    config.ogp_custom_meta_tags = [
        '<meta name="twitter:card" content="summary_large_image" />'
    ]
    config.notfound_urls_prefix = path
    config.notfound_context = {
        "title": "Page not found",
        "body": NOT_FOUND.format(home=f"{path}{config.root_doc}.html"),
    }


def share(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any
) -> None:
    """Give a page what is shown where somebody shares it: its description, and a lesson's figure."""
    fields = {"og:description": summary(app, pagename, doctree)}
    lesson = figure_of(app, pagename)
    if lesson:
        fields |= {"og:image": image_name(lesson.name), "og:image:alt": lesson.alt}
    context["meta"] = {**(context.get("meta") or {}), **fields}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    address = app.config.html_baseurl
    if address and urlsplit(address).scheme not in ("http", "https"):
        raise ConfigError(
            f"baseurl in _config.yml is {address!r}: write the whole address, from https:// on."
        )
    if address:
        for name in EXTENSIONS:
            app.setup_extension(name)
        # Before the extensions look at it.
        app.connect("config-inited", tell, priority=100)
        app.connect("html-page-context", share, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
