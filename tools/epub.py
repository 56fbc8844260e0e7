"""The EPUB: what Sphinx's own builder makes of the book, put right for those who read it.

Sphinx writes pages, contents and the list of files.  The pages are not yet XML, and their formulas are TeX:
the browser reads them as it reads any page, MathJax makes MathML of the formulas, and the browser writes XML.
"""

import importlib.util
import mimetypes
import posixpath
import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

import companion
from tools.browser import BOOK, opened
from tools.site import jupyter_book

STYLE = Path(__file__).with_suffix(".css")
STYLES = ("_static/pygments.css", "_static/book.css")
# By this a reading program knows that a newer file is the same book.
IDENTIFIER = "ai-safety-and-alignment-tested"
CONTENTS = ("toc.ncx", "nav.xhtml")  # Sphinx writes them as they should be
OPF = "http://www.idpf.org/2007/opf"
XHTML = "http://www.w3.org/1999/xhtml"
MATHML = "http://www.w3.org/1998/Math/MathML"
SVG = "http://www.w3.org/2000/svg"

# A page of HTML, the way from it to the root, and the styles, as XML.
AS_XML = r"""async ([text, root, styles]) => {
  const page = new DOMParser().parseFromString(text, "text/html");
  page.querySelectorAll("script, link, meta").forEach(node => node.remove());
  for (const style of styles) {
    const link = page.createElement("link");
    Object.assign(link, { rel: "stylesheet", type: "text/css" }).setAttribute("href", root + style);
    page.head.append(link);
  }
  for (const node of page.querySelectorAll("span.math, div.math")) {
    const tex = node.textContent.trim().replace(/^\\[([]|\\[\])]$/g, "");
    node.innerHTML = await MathJax.tex2mmlPromise(tex, { display: node.matches("div") });
    for (const part of node.querySelectorAll("*")) {
      for (const name of part.getAttributeNames()) if (/^data-|^class$/.test(name)) part.removeAttribute(name);
    }
  }
  for (const summary of page.querySelectorAll("summary")) {
    summary.removeAttribute("aria-label");
    const shown = summary.querySelector(".collapsed");
    if (shown) summary.textContent = shown.textContent;
  }
  for (const drawing of page.querySelectorAll("svg")) {
    drawing.removeAttribute("role");
    for (const link of drawing.querySelectorAll("a")) {
      const title = page.createElementNS(drawing.namespaceURI, "title");
      title.textContent = link.textContent;
      link.prepend(title);
    }
  }
  for (const link of page.querySelectorAll("a[href]")) {
    const address = link.getAttribute("href");
    if (!/^\w+:/.test(address)) link.setAttribute("href", address.replace(/\.html(?=#|$)/, ".xhtml"));
  }
  return new XMLSerializer().serializeToString(page);
}"""


def settings(root: Path) -> dict[str, Any]:
    """Return the book's configuration with what Sphinx wants to know for an EPUB."""
    config: dict[str, Any] = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    # An EPUB has no address, and nothing of what the site's extensions make of one.
    config["html"]["baseurl"] = ""
    # The copy lies elsewhere, and the paths are as seen from the configuration.
    own = config["sphinx"]["local_extensions"]
    own |= {name: str(root / path) for name, path in own.items()}
    config["sphinx"]["config"] |= {
        "project": config["title"],
        "version": companion.__version__,
        "pygments_style": "a11y-high-contrast-light",
        "epub_basename": "book",
        "epub_identifier": IDENTIFIER,
        "epub_uid": IDENTIFIER,
        "epub_tocscope": "includehidden",
        "epub_tocdepth": 2,
        "epub_tocdup": False,
        "epub_show_urls": "no",
        "epub_use_index": False,
        "epub_exclude_files": ["search.xhtml"],
    }
    return config


def sphinx(root: Path, folder: Path) -> Path:
    """Let Sphinx build the EPUB, and return the folder of its files; every warning is an error."""
    config = folder / "config.yml"
    config.write_text(yaml.safe_dump(settings(root)), encoding="utf-8")
    output = folder / "_build" / "epub"
    options = ["--config", str(config), "--path-output", str(folder)]
    options += ["--builder", "custom", "--custom-builder", "epub"]
    jupyter_book(root, "The EPUB", output / "content.opf", *options)
    return output


def mathjax() -> Path:
    """Return the folder of MathJax."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    return Path(spec.origin).parent / "static" / "mathjax"


def put_right(folder: Path) -> None:
    """Make XML of the pages, and MathML of their formulas."""
    pages = [p.relative_to(folder).as_posix() for p in folder.rglob("*.xhtml")]
    script = f'<script src="{BOOK}tex-chtml.js"></script>'
    with opened(mathjax(), script) as browser:
        for page in set(pages) - set(CONTENTS):
            path = folder / page
            up = "../" * page.count("/")
            text = [path.read_text(encoding="utf-8"), up, STYLES]
            path.write_text(browser.evaluate(AS_XML, text), encoding="utf-8")


def asked_for(folder: Path, page: str) -> tuple[set[str], str]:
    """Return the pictures that a page shows, and the properties that the list of files has to name."""
    tree = ElementTree.parse(folder / page)
    pictures = {
        posixpath.normpath(posixpath.join(posixpath.dirname(page), node.get("src", "")))
        for node in tree.iter(f"{{{XHTML}}}img")
    }
    kinds = {"mathml": f"{{{MATHML}}}math", "svg": f"{{{SVG}}}svg"}
    return pictures, " ".join(
        k for k, tag in kinds.items() if next(tree.iter(tag), None) is not None
    )


def straighten(folder: Path) -> list[str]:
    """Write the addresses in the contents without detours, and return the pages in their order.

    Where the first page lies in a folder, Sphinx writes "book/../notebooks/" and takes it for another page.
    """
    for name in CONTENTS:
        path = folder / name
        text = re.sub(r'(?<=")[^"/]+/\.\./', "", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
    nav = ElementTree.parse(folder / "nav.xhtml")
    return list(
        dict.fromkeys(
            a.get("href", "").split("#")[0] for a in nav.iter(f"{{{XHTML}}}a")
        )
    )


def list_files(folder: Path) -> list[str]:
    """Bring Sphinx's list of files up to what the pages ask for, and return it."""
    ElementTree.register_namespace("", OPF)
    tree = ElementTree.parse(folder / "content.opf")
    manifest, spine = (
        tree.getroot().find(f"{{{OPF}}}{name}") for name in ("manifest", "spine")
    )
    asked = set(STYLES)
    for item in list(manifest):
        name = item.get("href")
        if name in CONTENTS:
            continue
        manifest.remove(item)
        if name.endswith(".xhtml"):
            pictures, properties = asked_for(folder, name)
            asked |= pictures
            if properties:
                item.set("properties", properties)
            manifest.append(item)
    for number, name in enumerate(sorted(asked)):
        kind = mimetypes.guess_type(name)[0]
        about = {"id": f"file-{number}", "href": name, "media-type": kind}
        ElementTree.SubElement(manifest, f"{{{OPF}}}item", about)
    known = {item.get("href"): item.get("id") for item in manifest}
    for entry in list(spine):
        spine.remove(entry)
    for page in straighten(folder):
        ElementTree.SubElement(spine, f"{{{OPF}}}itemref", {"idref": known[page]})
    tree.write(folder / "content.opf", encoding="utf-8", xml_declaration=True)
    return [item.get("href") for item in manifest]


def epub(root: Path, target: Path) -> None:
    """Make the EPUB.

    Parameters
    ----------
    root : Path
        The folder of _toc.yml and _config.yml.
    target : Path
        The file to write.

    Raises
    ------
    SystemExit
        With Sphinx's warnings, or where there is no browser.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = sphinx(root, Path(temporary))
        put_right(folder)
        shutil.copyfile(STYLE, folder / STYLES[1])
        names = [
            "mimetype",
            "META-INF/container.xml",
            "content.opf",
            *list_files(folder),
        ]
        with zipfile.ZipFile(target, "w", compresslevel=9) as archive:
            for name in names:
                # The first file says what this is, and readers look for it uncompressed.
                packed = (
                    zipfile.ZIP_DEFLATED if archive.filelist else zipfile.ZIP_STORED
                )
                archive.writestr(
                    zipfile.ZipInfo(name), (folder / name).read_bytes(), packed
                )
