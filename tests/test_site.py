"""The built site in a real browser, page by page; and every check once against a planted fault.

A check is a function that returns the faults it finds on a page, each a sentence.  The last part of the file
plants faults of every kind and sees the checks find them.
"""

import base64
import contextlib
import functools
import gzip
import http.server
import io
import json
import os
import posixpath
import re
import shutil
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

import nbformat
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    sync_playwright,
)

from companion.snippet import snippet
from companion.tasks import tasks

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tools.browser import ADVICE, FLAGS, find_chrome  # noqa: E402
from tools.site import build  # noqa: E402

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 375, "height": 800}
LAPTOP = {"width": 1280, "height": 800}
SEARCH = "search"
SOURCE, ALGORITHMS = "book/source_document", "book/algorithms"
HOME = "book/index"
FIRST_LOAD = 1_000_000  # bytes, compressed
EVIDENCE = "book/evidence"


# --- the pages, and what their sources say ----------------------------------------


def pages() -> list[str]:
    """Every page of the table of contents, as its path without suffix."""
    text = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return re.findall(r"^[ -]*(?:root|file): *(\S+)", text, re.MULTILINE)


def fenced(markdown: str) -> list[str]:
    """Code between fences, directives left out."""
    fence = r"^( *)(`{3,}|~{3,})([^\n`]*)\n(.*?)^ *\2`* *$"
    return [
        textwrap.dedent(match[4])
        for match in re.finditer(fence, markdown, re.MULTILINE | re.DOTALL)
        if not match[3].startswith("{")
    ]


def source(name: str) -> tuple[str, list[str]]:
    """A page's prose, and the code on it that can be copied, in its order, as it was written."""
    if name == SEARCH:
        return "", []
    if name == ALGORITHMS:
        return "", [snippet(full) for full in algorithms()]
    path = ROOT / f"{name}.ipynb"
    if not path.is_file():
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
        return text, [] if name == SOURCE else fenced(text)
    prose, code = [], []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            prose.append(cell.source)
            code += fenced(cell.source)
        elif cell.cell_type == "code":
            tags = set(cell.metadata.get("tags", []))
            shown = not tags & {"remove-cell", "remove-input"}
            # Of what only shows the package's code the site shows that code alone.
            if shown and not cell.source.startswith("show_source("):
                code.append(cell.source)
            removed = tags & {"remove-cell", "remove-output"}
            for output in [] if removed else cell.outputs:
                text = output.get("data", {}).get("text/markdown", "")
                prose.append(text)
                code += fenced(text)
    return "\n\n".join(prose), code


def lessons() -> list[str]:
    """The lessons of the chapters, in their order."""
    return [page for page in pages() if page.count("/") == 2]


def algorithms() -> list[str]:
    """Every public function and class, in the order of the tasks."""
    return [e.name for task in tasks() for e in (*task.algorithms, *task.parts)]


def first_figure(name: str) -> tuple[bytes, str]:
    """The first figure that a notebook draws, and its alternative text."""
    for cell in nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = cell.metadata["mystnb"]["image"]["alt"]
                return base64.b64decode(output["data"]["image/png"]), alt
    raise ValueError(f"{name} draws nothing")


def has_math(markdown: str) -> bool:
    """Whether there is mathematics outside code."""
    text = re.sub(r"^( *)(`{3,}).*?^ *\2", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return bool(re.search(r"\$[^$]+\$", re.sub(r"`[^`\n]*`", "", text)))


# --- a server, a browser, an opened page ------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; give its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def no_chrome(in_ci: bool) -> None:
    """Skip where there is no browser; where the checks are meant to run, fail."""
    sentence = f"there is no Chromium or Chrome for the browser tests; {ADVICE}"
    if in_ci:
        pytest.fail(sentence)
    pytest.skip(sentence)


@dataclass
class Opened:
    """A page in the browser, and what was heard while it loaded."""

    page: Page
    base: str
    heard: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @functools.cached_property
    def phone(self) -> dict[str, list[str]]:
        """What is wrong at a phone's width, found once."""
        return phone_faults(self.page)


def open_page(context: BrowserContext, base: str, path: str) -> Opened:
    """Open a page and wait until it stands still, mathematics included."""
    opened = Opened(context.new_page(), base)
    page = opened.page

    def note(request: Request) -> None:
        if not request.url.startswith((base, "data:", "blob:")):
            opened.foreign.append(request.url)

    page.on("request", note)
    page.on(
        "console",
        lambda m: m.type == "error" and opened.heard.append(f"says: {m.text}"),
    )
    page.on("pageerror", lambda error: opened.heard.append(f"raises: {error}"))
    page.on(
        "response",
        lambda r: r.status >= 400 and opened.heard.append(f"{r.status}: {r.url}"),
    )
    # Nothing leaves the machine, also where a fault is planted.
    page.route(lambda url: not url.startswith(base), lambda route: route.abort())
    page.goto(urljoin(base, path), wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise")
    drawn(page)
    return opened


def drawn(page: Page) -> None:
    """Wait until what a change of size brings about has happened, however long that takes.

    A ResizeObserver reports in the frame of the change, and the page measures in the next one.
    """
    page.evaluate(
        """async () => {
          for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
        }"""
    )


def resize(page: Page, size: dict[str, int]) -> None:
    """Give a page another size, and wait until it has taken it."""
    page.set_viewport_size(size)
    page.wait_for_function("width => innerWidth === width", arg=size["width"])
    drawn(page)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chrome = find_chrome(playwright)
        if chrome is None:
            no_chrome("CI" in os.environ)
        running = playwright.chromium.launch(executable_path=chrome, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=WIDE, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    # Ends what hangs; nothing here is a matter of time.
    context.set_default_timeout(300_000)
    yield context
    context.close()


@pytest.fixture(scope="module")
def site() -> Path:
    """The folder of the whole site; a second worker waits until the first has built it."""
    return build()


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as base:
        yield base


@pytest.fixture(scope="module", params=[*pages(), SEARCH])
def opened(
    request: pytest.FixtureRequest, context: BrowserContext, address: str
) -> Iterator[tuple[str, Opened]]:
    """Each page once, for all the tests that follow."""
    query = "?q=policy" if request.param == SEARCH else ""
    found = open_page(context, address, f"{request.param}.html{query}")
    yield request.param, found
    found.page.close()


# --- the checks -------------------------------------------------------------------


def image_faults(page: Page) -> list[str]:
    """Images of the article whose alternative text says nothing."""
    images = page.eval_on_selector_all(
        "article img",
        "all => all.map(i => [i.getAttribute('src'), i.getAttribute('alt') ?? ''])",
    )
    return [
        f"{source[:80]} has the alternative text {alt!r}"
        for source, alt in images
        if len(alt.split()) < 3 or re.search(r"\.(png|svg|jpe?g|gif|webp)$", alt)
    ]


def math_faults(page: Page, expected: bool) -> list[str]:
    """Mathematics that was not rendered, was rendered as an error, or is missing."""
    faults = page.evaluate(
        r"""() => {
          const root = document.querySelector("article");
          const faults = [...root.querySelectorAll(".math")]
            .filter(node => !node.querySelector("mjx-container"))
            .map(node => `not rendered: ${node.textContent}`);
          for (const node of root.querySelectorAll("mjx-merror, merror"))
            faults.push(`an error: ${node.textContent}`);
          const copy = root.cloneNode(true);
          copy.querySelectorAll("pre, code, mjx-container").forEach(n => n.remove());
          const raw = copy.textContent.match(
            /\$\$|\\[()[\]]|\\begin\{|\$[^$\n]*[\\^_=][^$\n]*\$/);
          if (raw) faults.push(`raw mathematics: ${raw[0]}`);
          return faults;
        }"""
    )
    if expected and not page.locator("mjx-container").count():
        faults.append("the source has mathematics, the page has none")
    return faults


class Targets(HTMLParser):
    """Everything in a file that a link can point to."""

    def __init__(self) -> None:
        super().__init__()
        self.names = {"", "top"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {value for key, value in attrs if key == "id" and value}


@functools.cache
def targets(path: Path) -> set[str]:
    """The ids of an HTML file."""
    parser = Targets()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser.names


def link_faults(page: Page, base: str, folder: Path) -> list[str]:
    """Links into the site that lead nowhere: no such file, or no such place in it."""
    faults = []
    # A link in a drawing has no address, but a value that makes one.
    found = """all => all.map(a => a.href.baseVal === undefined ? a.href
        : new URL(a.href.baseVal, document.baseURI).href)"""
    for link in page.eval_on_selector_all("a[href]", found):
        if not link.startswith(base):
            if not link.startswith(("http:", "https:", "mailto:")):
                faults.append(f"{link} is no address")
            continue
        parts = urlsplit(link)
        path = folder / unquote(parts.path.lstrip("/"))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            faults.append(f"{link}: there is no such file")
        elif path.suffix == ".html" and unquote(parts.fragment) not in targets(path):
            faults.append(f"{link}: there is no such place on the page")
    return faults


def place_faults(page: Page) -> list[str]:
    """Places of the article that are there twice, so that a link cannot tell which is meant."""
    places = page.eval_on_selector_all("article [id]", "all => all.map(a => a.id)")
    return [place for place, times in Counter(places).items() if times > 1]


def unfold(page: Page, unfolded: bool = True) -> None:
    """Open or close everything that is folded."""
    page.evaluate(
        "open => document.querySelectorAll('article details').forEach(d => d.open = open)",
        unfolded,
    )


# The page is wider than the screen, or hides what is too wide.
OVERFLOW = """() => {
          const width = document.documentElement.clientWidth, faults = [];
          const whole = document.scrollingElement.scrollWidth;
          if (whole > width) faults.push(`the page is ${whole} pixels wide`);
          const scrolls = node => {
            for (let n = node; n && n !== document.body; n = n.parentElement)
              if (/auto|scroll/.test(getComputedStyle(n).overflowX)) return true;
            return false;
          };
          const inside = "mjx-assistive-mml";  // for screen readers, out of sight
          for (const node of document.querySelectorAll("main *")) {
            if (node.closest(inside) || !node.checkVisibility()) continue;
            const box = node.getBoundingClientRect();
            if (box.width < 2 || box.height < 2 || box.right < width + 1) continue;
            if (scrolls(node)) continue;
            faults.push(`${node.tagName} ${node.className} ends at ${box.right} pixels`);
            break;
          }
          return faults;
        }"""
# What scrolls sideways is no stop for the keyboard, or does not show that there is more.
SCROLL = """() => [...document.querySelectorAll("main *")].filter(node =>
            node.scrollWidth > node.clientWidth + 1 &&
            /auto|scroll/.test(getComputedStyle(node).overflowX) && node.checkVisibility()
          ).flatMap(node => [
            node.tabIndex === 0 ? [] : `no stop: ${node.outerHTML.slice(0, 120)}`,
            getComputedStyle(node).maskImage !== "none" ? []
              : `no sign that there is more: ${node.outerHTML.slice(0, 120)}`,
          ].flat())"""
# Copy buttons that lie on the code.
COVER = """() => [...document.querySelectorAll("article button.copybtn")].flatMap(button => {
            const a = button.getBoundingClientRect(), pre = button.parentElement.querySelector("pre");
            const b = pre.getBoundingClientRect();
            const apart = a.left >= b.right || a.right <= b.left || a.top >= b.bottom || a.bottom <= b.top;
            return apart ? [] : [`a button covers ${pre.textContent.slice(0, 40)}`];
          })"""


def phone_faults(page: Page) -> dict[str, list[str]]:
    """What is wrong at a phone's width: as the page opens, and with everything unfolded."""
    resize(page, NARROW)
    faults = {"overflow": page.evaluate(OVERFLOW)}
    unfold(page)
    faults |= {"scroll": page.evaluate(SCROLL), "cover": page.evaluate(COVER)}
    unfold(page, False)
    resize(page, WIDE)
    return faults


def figure_faults(page: Page) -> list[str]:
    """Figures of a lesson that do not open at their full size."""
    return page.eval_on_selector_all(
        "article .cell_output img",
        """all => all.filter(i => i.closest("a")?.href !== i.src).map(i => `${i.src} is no link to itself`)""",
    )


def icon_faults(page: Page) -> list[str]:
    """Signs of the theme that are shown and have no drawing."""
    return page.evaluate(
        """() => [...document.querySelectorAll("[class*='fa-']")].filter(node =>
            node.checkVisibility() && (getComputedStyle(node).maskImage === "none" || node.clientWidth < 8)
          ).map(node => `no drawing: ${node.outerHTML}`)"""
    )


def weight_faults(page: Page, base: str, folder: Path, mathematics: bool) -> list[str]:
    """Scripts over 500 kB before the first paint, and MathJax where there is no formula."""
    scripts = page.eval_on_selector_all(
        "script[src]",
        "all => all.map(s => [s.src, s.defer || s.async || s.type === 'module'])",
    )
    faults = [
        f"{source} blocks the first paint"
        for source, late in scripts
        if not late
        and source.startswith(base)
        and (folder / urlsplit(source).path.lstrip("/")).stat().st_size > 500_000
    ]
    loads = any("mathjax" in source.lower() for source, _ in scripts)
    if loads and not mathematics:
        faults.append("MathJax is loaded for nothing")
    return faults


def description_faults(page: Page) -> list[str]:
    """A page without a description, or with one that is no sentence of the right length."""
    said = page.eval_on_selector_all(
        "meta[name=description]", "all => all.map(m => m.content)"
    )
    if len(said) != 1:
        return [f"{len(said)} descriptions"]
    words = re.findall(r"[a-z]{2,}", said[0])
    good = 30 <= len(said[0]) <= 162 and len(words) > 3 and "[" not in said[0]
    return [] if good else [f"the description is {said[0]!r}"]


def screen_faults(page: Page, size: dict[str, int], parts: list[str]) -> list[str]:
    """Parts of a page that one has to scroll for."""
    page.evaluate("() => scrollTo(0, 0)")
    resize(page, size)
    faults = []
    for part in parts:
        box = page.locator(part).first.bounding_box()
        if box is None or box["y"] < 0 or box["y"] + box["height"] > size["height"]:
            faults.append(f"{part} is not on the screen of {size['width']} pixels")
    resize(page, WIDE)
    return faults


def load_faults(browser: Browser, address: str) -> list[str]:
    """A first visit that brings more than its budget, from the first byte until all is still."""
    context = browser.new_context(viewport=WIDE)
    page, heard = context.new_page(), []
    page.on("response", lambda response: heard.append(response))
    page.goto(address, wait_until="networkidle")
    # A page that only leads to another one has no body any more.
    gone = {address} - {page.url}
    bodies = {r.url: r.body() for r in heard if r.ok and r.url not in gone}
    context.close()
    sizes = {url: len(gzip.compress(body)) for url, body in bodies.items()}
    if sum(sizes.values()) <= FIRST_LOAD:
        return []
    heavy = max(sizes, key=sizes.__getitem__)
    return [f"{sum(sizes.values())} bytes are loaded, most of them {heavy}"]


def ring_faults(page: Page, links: str) -> list[str]:
    """Links of a drawing that the keyboard does not reach, or that look the same when it is there."""
    return page.eval_on_selector_all(
        links,
        """async links => {
          const faults = [];
          const look = link => [...link.querySelectorAll("*")].map(n => {
            const s = getComputedStyle(n);
            return [s.outlineStyle, s.outlineWidth, s.stroke, s.strokeWidth].join();
          }).join();
          for (const link of links) {
            const before = look(link);
            link.focus({ focusVisible: true });
            if (document.activeElement !== link) faults.push(`no stop: ${link.textContent}`);
            else if (look(link) === before) faults.push(`no ring: ${link.textContent}`);
            link.blur();
          }
          return faults;
        }""",
    )


# The inside of formulas, and of each listing all but its first line and every kind of token, are taken out for a
# while: axe looks at every element of a page, and these are thousands.
THIN = """() => {
  const seen = new Set();
  for (const node of document.querySelectorAll("article pre, article mjx-container")) {
    node.whole = [...node.childNodes];
    let lines = node.tagName === "PRE" ? 0 : 1;
    node.replaceChildren(...node.whole.filter(token => {
      const kept = !lines || (token.className && !seen.has(token.className) && node.tagName === "PRE");
      seen.add(token.className);
      lines += token.textContent.split("\\n").length - 1;
      return kept;
    }));
  }
}"""
WHOLE = """() => {
  for (const node of document.querySelectorAll("article pre, article mjx-container"))
    node.replaceChildren(...node.whole);
}"""
# One element for each way in which text is drawn: there are hundreds, and few ways.
DRAWN = """() => {
  const grounds = new Map(), ways = new Map();
  const ground = node => {
    if (!node) return "";
    if (!grounds.has(node)) {
      const style = getComputedStyle(node), own = style.backgroundColor;
      const under = own === "rgba(0, 0, 0, 0)" ? ground(node.parentElement) : own;
      grounds.set(node, style.opacity === "1" ? under : `${under} ${style.opacity}`);
    }
    return grounds.get(node);
  };
  for (const node of document.querySelectorAll("body *")) {
    const text = [...node.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!text || node.closest("mjx-container, script, style, noscript") || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const way = [style.color, style.fontSize, style.fontWeight, ground(node)].join();
    if (!ways.has(way)) ways.set(way, node);
  }
  return [...ways.values()];
}"""


def axe_faults(page: Page, theme: str) -> list[str]:
    """Serious and critical violations that axe finds, everything unfolded."""
    page.evaluate(THIN)
    unfold(page)
    page.evaluate(
        "t => Object.assign(document.documentElement.dataset, {mode: t, theme: t})",
        theme,
    )
    # A colour may fade into the other theme: wait until nothing moves.
    page.evaluate(
        "() => Promise.allSettled(document.getAnimations().map(a => a.finished))"
    )
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(Axe().axe_script)
    # In the dark only the colours are others. Left out: a rule without serious findings that is slow.
    violations = page.evaluate(
        f"""async dark => {{
          const rest = {{region: {{enabled: false}}, "color-contrast": {{enabled: false}}}};
          const runs = [[{{include: ({DRAWN})()}}, {{runOnly: ["color-contrast"]}}]];
          if (!dark) runs.push([document, {{rules: rest}}]);
          const found = [];
          for (const [context, options] of runs)
            found.push(...(await axe.run(context, {{resultTypes: ["violations"], ...options}})).violations);
          return found;
        }}""",
        theme == "dark",
    )
    unfold(page, False)
    page.evaluate(WHOLE)
    return [
        f"{theme}, {violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def copied(page: Page, buttons: str) -> list[str]:
    """What each of some copy buttons hands to the clipboard."""
    return page.eval_on_selector_all(
        buttons,
        """buttons => {
          let text;
          const clipboard = navigator.clipboard;
          clipboard.writeText = async words => { text = words; };
          document.execCommand = () => {  // clipboard.js selects a field of its own
            text = [...document.querySelectorAll("textarea")].at(-1)?.value;
            return true;
          };
          const texts = buttons.map(button => {
            text = "nothing was copied";
            button.click();
            return text;
          });
          delete document.execCommand;
          delete clipboard.writeText;
          return texts;
        }""",
    )


def copy_faults(page: Page, authored: list[str]) -> list[str]:
    """Copy buttons that do not give the code as it was written."""
    got = copied(page, "article button.copybtn")
    faults = []
    for text, wanted in zip(got, authored, strict=False):
        if text != wanted.rstrip("\n"):
            pairs = enumerate(zip(text, wanted, strict=False))
            shorter = min(len(text), len(wanted))
            same = next((i for i, (a, b) in pairs if a != b), shorter)
            there, here = text[same : same + 40], wanted[same : same + 40]
            faults.append(f"copied {there!r} instead of {here!r} at character {same}")
    if len(got) != len(authored):
        faults.append(f"{len(got)} copy buttons for {len(authored)} blocks of code")
    return faults


def clipboard_faults(page: Page, authored: list[str]) -> list[str]:
    """The first copy button, by the keyboard, does not reach the real clipboard."""
    page.bring_to_front()
    unfold(page)
    page.evaluate("() => navigator.clipboard.writeText('nothing was copied')")
    page.locator("article button.copybtn").first.press("Enter")
    unfold(page, False)
    text = page.evaluate("() => navigator.clipboard.readText()").replace("\r\n", "\n")
    return [] if text in [code.rstrip("\n") for code in authored] else [f"got {text!r}"]


def snippet_faults(page: Page) -> list[str]:
    """Folded snippets that are not what the package gives for these names."""
    faults = []
    folds = "article details:has(> summary > code)"
    texts = copied(page, f"{folds} button.copybtn")
    for fold, text in zip(page.locator(folds).all(), texts, strict=True):
        names = fold.locator("summary code").evaluate_all(
            "all => all.map(code => code.dataset.name ?? code.textContent)"
        )
        if text != snippet(*names).rstrip("\n"):
            faults.append(f"the snippet of {', '.join(names)} is another one")
    return faults


def fold_faults(page: Page, tried: int = 3) -> list[str]:
    """Folded parts that are open at first or have no name; or the first ones do not obey the keyboard."""
    faults = []
    folds = page.locator("article details")
    for name, is_open in folds.evaluate_all(
        """all => all.map(fold => [fold.querySelector("summary").innerText.trim() ||
            fold.querySelector("summary").textContent.trim(), fold.open])"""
    ):
        if len(name.split()) < 2:
            faults.append(f"a fold is called {name!r}")
        if is_open:
            faults.append(f"{name!r} is open at first")
    for fold in folds.all()[:tried]:
        # A fold inside a fold, which has been tested before it, is reached by opening that.
        fold.evaluate(
            "d => d.parentElement.closest('details')?.toggleAttribute('open')"
        )
        states = []
        for _ in range(2):
            fold.locator("> summary").press("Enter")
            states.append(fold.evaluate("d => d.open"))
        if states != [True, False]:
            faults.append(f"a fold by keyboard is open: {states}")
        fold.evaluate(
            "d => d.parentElement.closest('details')?.toggleAttribute('open')"
        )
    return faults


def focus_faults(page: Page, stops: int = 12) -> list[str]:
    """By the Tab key: the way past the navigation comes first, and each stop is seen."""
    faults = []
    page.evaluate(
        """() => {
          const body = document.body;
          body.tabIndex = -1;
          body.focus();  // where the next Tab starts
          body.removeAttribute("tabindex");
        }"""
    )
    for stop in range(stops):
        page.keyboard.press("Tab")
        words, ring, target = page.evaluate(
            """() => {
              const node = document.activeElement, style = getComputedStyle(node);
              const line = parseFloat(style.outlineWidth) && style.outlineStyle !== "none";
              const words = node.outerHTML.slice(0, 120);
              return [words, line || style.boxShadow !== "none", node.getAttribute("href")];
            }"""
        )
        if stop and words.startswith("<body"):
            page.keyboard.press("Shift+Tab")  # past the last stop: back into the page
            break
        if stop == 0 and target != "#main-content":
            faults.append(f"the first stop is no skip link but {words}")
        if not ring:
            faults.append(f"no ring around {words}")
    return faults


def search_faults(page: Page, base: str, words: str, wanted: str) -> list[str]:
    """The search for some words does not find the wanted page first, or shows code for an answer."""
    page.goto(urljoin(base, f"search.html?q={quote(words)}"), wait_until="load")
    page.wait_for_function("() => document.querySelector('#search-status')?.innerText")
    found = page.locator("#search-results > li")
    if not found.count():
        return [f"the search for {words!r} finds nothing"]
    first = found.first.locator("a").first.get_attribute("href") or ""
    faults = []
    if not first.endswith(f"{wanted}.html"):
        faults.append(f"the search for {words!r} finds {first} before {wanted}")
    for said in found.locator(".context").all_inner_texts():
        if re.search(r"\b(import|def) \w|✓|\w = \w+\(", said):
            faults.append(f"the search for {words!r} shows {said!r}")
    return faults


# --- every page -------------------------------------------------------------------


def test_page_is_silent(opened: tuple[str, Opened]) -> None:
    assert opened[1].heard == []


def test_page_asks_no_other_host(opened: tuple[str, Opened]) -> None:
    assert opened[1].foreign == []


def test_mathematics_is_rendered(opened: tuple[str, Opened]) -> None:
    name, page = opened[0], opened[1].page
    assert math_faults(page, has_math(source(name)[0])) == []


def test_images_have_a_text(opened: tuple[str, Opened]) -> None:
    assert image_faults(opened[1].page) == []


def test_links_lead_somewhere(opened: tuple[str, Opened], site: Path) -> None:
    assert link_faults(opened[1].page, opened[1].base, site) == []


def test_a_place_is_there_once(opened: tuple[str, Opened]) -> None:
    assert place_faults(opened[1].page) == []


def test_folds_open_by_keyboard(opened: tuple[str, Opened]) -> None:
    assert fold_faults(opened[1].page) == []


def test_folded_cells_say_what_they_hold(opened: tuple[str, Opened]) -> None:
    for tag, names in FOLDS.items():
        folds = opened[1].page.locator(f"article .tag_{tag} > details > summary")
        assert set(folds.all_inner_texts()) <= {f"Show the {name}" for name in names}
    for tag, name in [("claim", "test"), ("exercise", None)]:
        folds = opened[1].page.locator(f"article .tag_{tag} > details > summary")
        assert set(folds.all_inner_texts()) <= {f"Show the {name}"}


# What a tag folds; which of its names a cell has is told by what it holds.
FOLDS = {
    "hide-cell": {"solution"},
    "hide-input": {"code", "test", "check"},
    "hide-output": {"table", "record", "output"},
}


def test_figures_open_at_full_size(opened: tuple[str, Opened]) -> None:
    assert figure_faults(opened[1].page) == []


def test_every_sign_is_drawn(opened: tuple[str, Opened]) -> None:
    assert icon_faults(opened[1].page) == []


def test_nothing_heavy_comes_first(opened: tuple[str, Opened], site: Path) -> None:
    found = opened[1]
    wanted = found.page.locator("mjx-container").count() > 0
    assert weight_faults(found.page, found.base, site, wanted) == []


def test_a_page_is_described(opened: tuple[str, Opened]) -> None:
    assert description_faults(opened[1].page) == []


def test_copy_buttons_hide_no_code(opened: tuple[str, Opened]) -> None:
    assert opened[1].phone["cover"] == []


def test_focus_is_seen(opened: tuple[str, Opened]) -> None:
    assert focus_faults(opened[1].page) == []


def test_copy_buttons_copy_the_code(opened: tuple[str, Opened]) -> None:
    assert copy_faults(opened[1].page, source(opened[0])[1]) == []


def test_a_copy_button_reaches_the_clipboard(opened: tuple[str, Opened]) -> None:
    code = source(opened[0])[1]
    assert not code or clipboard_faults(opened[1].page, code) == []


def test_snippets_are_those_of_the_package(opened: tuple[str, Opened]) -> None:
    assert snippet_faults(opened[1].page) == []


def test_page_fits_a_phone(opened: tuple[str, Opened]) -> None:
    assert opened[1].phone["overflow"] == []


def test_what_scrolls_is_reached_by_keyboard(opened: tuple[str, Opened]) -> None:
    assert opened[1].phone["scroll"] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_is_accessible(opened: tuple[str, Opened], theme: str) -> None:
    assert axe_faults(opened[1].page, theme) == []


@pytest.mark.parametrize("name", [p for p in pages() if p.startswith("notebooks/")])
def test_search_finds_the_lesson(
    name: str, context: BrowserContext, address: str
) -> None:
    title = re.search(r"^# (.+)$", source(name)[0], re.MULTILINE)
    assert title is not None
    page = context.new_page()
    assert search_faults(page, address, title[1], name) == []
    page.close()


def test_the_field_leads_to_the_search(context: BrowserContext, address: str) -> None:
    page = open_page(context, address, f"{lessons()[0]}.html").page
    page.keyboard.press("Control+k")
    box = page.locator("input[name=q] >> visible=true").first
    box.fill("Reed-Solomon")
    box.press("Enter")
    page.wait_for_url("**/search.html?q=Reed-Solomon")
    page.locator("#search-results > li").first.wait_for()
    page.close()


def disk_faults(browser: Browser, folder: Path, lesson: str) -> list[str]:
    """What fails where a folder is opened from the disk, without a server and without a network."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((folder / "index.html").as_uri())
    page.wait_for_url(re.compile(r"/book/index\.html$"))
    page.goto((folder / f"{lesson}.html").as_uri())
    page.evaluate("() => window.MathJax?.startup?.promise")
    faults = math_faults(page, expected=True)
    letters = "() => [...document.fonts].some(font => /^MJX/.test(font.family) && font.status === 'loaded')"
    if not page.evaluate(f"() => document.fonts.ready.then({letters})"):
        faults.append("mathematics has no letters of its own")
    page.goto(f"{(folder / 'search.html').as_uri()}?q=Reed-Solomon")
    if not page.locator("#search-results > li").count():
        faults.append("the search finds nothing")
    context.close()
    return faults


def test_the_site_works_from_the_disk(browser: Browser, site: Path) -> None:
    assert disk_faults(browser, site, "notebooks/robustness/reed_solomon") == []


def test_a_site_that_needs_a_server_is_seen(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    away = '<meta http-equiv="Refresh" content="0; url=book/index.html">'
    (tmp_path / "index.html").write_text(away)
    formula = '<article><span class="math">x</span></article>'
    (tmp_path / "book/index.html").write_text(formula)
    (tmp_path / "search.html").write_text('<ol id="search-results"></ol>')
    faults = disk_faults(browser, tmp_path, "book/index")
    for fault in ("not rendered", "no letters", "search finds nothing"):
        assert any(fault in said for said in faults)


# What a visitor types, and the lessons that may come first.
METHODS = {
    "value iteration": [
        "robustness/fault_tolerance",
        "robustness/robust_planning",
        "value_alignment/value_based_design",
    ],
    "Reed-Solomon": ["robustness/reed_solomon"],
    "LOF": ["robustness/anomaly_detection"],
    "isolation forest": ["robustness/anomaly_detection"],
    "conformal": ["robustness/calibrated_alarms"],
    "PPO": ["value_alignment/policy_gradient"],
    "DPO": ["value_alignment/direct_preference_optimization"],
    "Bradley-Terry": [
        "value_alignment/preference_learning",
        "value_alignment/preference_aggregation",
    ],
    "reward hacking": ["value_alignment/reward_shaping"],
    "specification gaming": ["value_alignment/reward_shaping"],
    "Goodhart": ["value_alignment/rlhf"],
    "overoptimization": ["value_alignment/rlhf"],
    "EPIC": ["value_alignment/reward_equivalence"],
    "random network distillation": ["value_alignment/intrinsic_motivation"],
    "FGSM": ["safety/adversarial_examples"],
    "square attack": ["safety/robustness_evaluation"],
    "TRADES": ["safety/adversarial_training"],
    "GAN": [
        "safety/generative_adversarial_networks",
        "safety/generative_adversarial_training",
    ],
    "robust least squares": ["safety/robust_optimization"],
    "group DRO": ["safety/group_robustness"],
    "worst case group": ["safety/group_robustness"],
    "SAM": ["safety/sharpness_aware_minimization"],
    "CVaR": ["safety/risk_assessment", "safety/distributionally_robust_optimization"],
    "importance sampling": ["safety/rare_events"],
    "fault tree": ["safety/fault_trees"],
    "Grad-CAM": ["explainability/feature_attribution"],
    "integrated gradients": ["explainability/integrated_gradients"],
    "KernelSHAP": ["explainability/shapley_values"],
    "TreeSHAP": ["explainability/tree_shap"],
    "LIME": ["explainability/local_surrogates"],
    "counterfactual": ["explainability/counterfactual_explanations"],
    "permutation importance": ["explainability/permutation_importance"],
    "partial dependence": ["explainability/feature_effects"],
    "explainable boosting": ["explainability/additive_models"],
    "induction heads": ["explainability/mechanistic_interpretability"],
    "activation patching": ["explainability/activation_patching"],
}


@pytest.mark.parametrize("words", METHODS)
def test_search_finds_a_method_in_its_lesson(
    words: str, context: BrowserContext, address: str
) -> None:
    page = context.new_page()
    tried = [
        search_faults(page, address, words, f"notebooks/{name}")
        for name in METHODS[words]
    ]
    page.close()
    assert [] in tried, tried


def test_the_source_is_not_searched_and_says_that_it_does_not_run(
    context: BrowserContext, address: str, site: Path
) -> None:
    assert SOURCE not in (site / "_static/search-index.js").read_text(encoding="utf-8")
    page = open_page(context, address, f"{SOURCE}.html").page
    # Outside the text of the document, which is what the next heading belongs to.
    banner = page.locator("article .banner + section > h1")
    assert banner.count() == 1
    assert "does not run" in page.locator("article .banner").inner_text()
    to = page.eval_on_selector_all(
        "article .banner a", "all => all.map(a => a.getAttribute('href'))"
    )
    run = sorted((ROOT / "notebooks").glob("source_listing_*.py"))
    assert to == [
        *(f"../notebooks/{path.stem}.html" for path in run),
        "explainability.html",
    ]
    assert page.locator("article pre").count() >= 3
    assert page.locator("article button.copybtn").count() == 0
    page.close()


@pytest.fixture(scope="module")
def home(context: BrowserContext, address: str) -> Iterator[Page]:
    page = open_page(context, address, f"{HOME}.html").page
    yield page
    page.close()


def front_lines(directive: str) -> list[str]:
    """What stands between the fences of a directive of the front page."""
    text = (ROOT / f"{HOME}.md").read_text(encoding="utf-8")
    found = re.search(rf"^```{{{directive}}}\n(.*?)^```$", text, re.M | re.S)
    assert found is not None
    return found[1].splitlines()


def needed(name: str) -> list[str]:
    """The lessons that the "You need" of a lesson links."""
    row = re.search(r"^\| *You need *\|(.*)$", source(name)[0], re.MULTILINE)
    assert row is not None
    links = re.findall(r"\]\((.*?)\.ipynb\)", row[1])
    return [posixpath.normpath(f"{posixpath.dirname(name)}/{link}") for link in links]


def minutes(name: str) -> list[int]:
    """The minutes that a lesson takes, to read and for the exercises."""
    row = re.search(r"^\| *Time *\|(.*)$", source(name)[0], re.MULTILINE)
    assert row is not None
    return [int(n) for n in re.findall(r"\d+", row[1])]


def alike(small: bytes, figure: bytes) -> bool:
    """Whether a picture is a figure, made smaller."""
    image = Image.open(io.BytesIO(small)).convert("L")
    whole = Image.open(io.BytesIO(figure)).convert("L").resize(image.size)
    return ImageStat.Stat(ImageChops.difference(image, whole)).mean[0] < 3


def test_the_evidence_is_found_and_its_claims_are_the_lessons(
    context: BrowserContext, address: str, site: Path
) -> None:
    page = context.new_page()
    assert search_faults(page, address, "planted faults", EVIDENCE) == []
    page.close()
    text = (site / "_static/search-index.js").read_text(encoding="utf-8")
    index = json.loads(text.partition("=")[2].strip().rstrip(";"))
    (found,) = (page for page in index["pages"] if page["page"] == EVIDENCE)
    known = json.loads((site / "claims.json").read_text(encoding="utf-8"))
    claims = [one["claim"] for lesson in known for one in lesson["claims"]]
    assert len(claims) > len(lessons())
    assert not any(claim in s["t"] for claim in claims for s in found["sections"])


def test_the_front_page_shows_every_lesson_with_its_figure(
    home: Page, site: Path
) -> None:
    start = home.locator("article .start")
    first = f"notebooks/{front_lines('start')[0].removeprefix(':lesson: ')}"
    assert start.locator("a.start-here").get_attribute("href") == f"../{first}.html"
    shown = home.eval_on_selector_all(
        "article .start, article .card",
        """all => all.map(card => [card.querySelector("a").getAttribute("href"),
          card.querySelector("img").getAttribute("src"), card.querySelector("img").alt, card.innerText])""",
    )
    names = [first, *lessons()]
    assert [href for href, *_ in shown] == [f"../{name}.html" for name in names]
    figures = [first_figure(name) for name in names]
    for n, (_, image, alt, words) in enumerate(shown):
        picture = (site / "book" / image).resolve().read_bytes()
        assert (alike(picture, figures[n][0]), alt) == (True, figures[n][1])
        assert not alike(picture, figures[n - 1][0])
        assert re.search(r"\d+ minutes to read", words)


def test_the_first_screen_says_what_and_where_to_start(home: Page) -> None:
    parts = ["article h1", "article h1 + p", "article .start img", "a.start-here"]
    for size in (LAPTOP, NARROW):
        assert screen_faults(home, size, parts) == []


def test_the_first_visit_is_light(browser: Browser, address: str) -> None:
    assert load_faults(browser, f"{address}index.html") == []


def test_the_map_is_drawn_from_what_the_lessons_need(home: Page) -> None:
    links = "all => all.map(a => a.getAttribute('href').slice(3, -5))"
    drawn = home.eval_on_selector_all("article .map a:has(rect)", links)
    assert sorted(drawn) == sorted(lessons())
    told = [
        item.locator("a").evaluate_all(links)
        for item in home.locator("article .map + details li").all()
    ]
    wanted = {name: needed(name) for name in lessons()}
    assert told == [[name, *below] for name, below in wanted.items() if below]
    lines = home.locator("article .map .line").count()
    assert lines == sum(len(below) for below in wanted.values()) > 20
    assert ring_faults(home, "article .map a") == []


def test_a_path_has_its_lessons_and_their_minutes(home: Page) -> None:
    shown = home.eval_on_selector_all(
        "article .path",
        """all => all.map(path => [path.querySelector("h3").innerText,
          [...path.querySelectorAll("li a")].map(a => a.getAttribute("href").slice(3, -5)),
          path.querySelector(".minutes").innerText.match(/\\d+/g).map(Number)])""",
    )
    paths = yaml.safe_load("\n".join(front_lines("paths")))
    assert len(paths) == 3
    for (title, names), (heading, links, told) in zip(
        paths.items(), shown, strict=True
    ):
        assert (heading, links) == (title, [f"notebooks/{name}" for name in names])
        both = zip(*(minutes(link) for link in links), strict=True)
        assert told == [sum(all_of_them) for all_of_them in both]


def test_next_leads_from_lesson_to_lesson(site: Path) -> None:
    """Between two lessons comes at most the page that opens a chapter."""
    text, name, way = "", HOME, []
    while name != lessons()[-1]:
        text = html_of(site, name)
        link = re.search(r'<a class="right-next"\s+href="([^"]+)"\s+title="', text)
        assert link is not None
        path = f"{posixpath.dirname(name)}/{link[1]}"
        name = posixpath.normpath(path).removesuffix(".html")
        way.append(name)
    assert [name for name in way if name in lessons()] == lessons()
    assert len(way) - len(lessons()) == len({name.split("/")[1] for name in lessons()})


def test_every_algorithm_is_listed_and_its_lesson_leads_there(
    context: BrowserContext, address: str
) -> None:
    page = open_page(context, address, f"{ALGORITHMS}.html").page
    names = page.locator("article section section section > h4 code").all_inner_texts()
    assert names == [full.rpartition(".")[2] for full in algorithms()]
    for row in page.locator("article section section section").all()[:3]:
        words = row.inner_text()
        assert re.search(r"\d+ lines", words)
        assert "Not " in words
    page.goto(urljoin(address, f"{lessons()[0]}.html"))
    module = lessons()[0].replace("notebooks", "companion").replace("/", ".")
    link = page.locator("article table a", has_text=module).first
    link.click()
    assert page.url.startswith(urljoin(address, f"{ALGORITHMS}.html#"))
    page.locator(f"article section:target:has-text('{module}')").wait_for()
    page.close()


def html_of(site: Path, name: str) -> str:
    """A page as it was built."""
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_the_glossary_has_letters_and_leads_to_the_lessons(
    context: BrowserContext, address: str, site: Path
) -> None:
    page = open_page(context, address, "book/glossary.html").page
    terms = page.locator("article dl.glossary > dt").all_inner_texts()
    assert len({term.lower() for term in terms}) == len(terms)
    assert page.locator("article dl.glossary > dd > p:not(.where)").count() == len(
        terms
    )
    letters = page.locator("article .letters a").all_inner_texts()
    assert letters == sorted({term[0].upper() for term in terms})
    page.close()


TERM = re.compile(
    r'<dt id="(term-[^"]+)">(.*?)<a class="headerlink".*?<dd>(.*?)</dd>', re.DOTALL
)
# What holds no link of the glossary's: boxes, tables, code, formulas and other links.
APART = re.compile(
    r'<(blockquote|table|code|a)\b(?! class="term).*?</\1>|\\\(.*?\\\)', re.DOTALL
)


def glossary_faults(glossary: str, pages: dict[str, str]) -> list[str]:
    """Entries that lead to no lesson or chapter, and lessons so named that do not lead back."""
    faults = []
    prose = {
        name: " ".join(re.findall(r"<p>.*?</p>", APART.sub("", page), re.DOTALL))
        for name, page in pages.items()
    }
    for place, term, definition in TERM.findall(glossary):
        named = re.findall(r'href="\.\./(notebooks/\w+/\w+)\.html"', definition)
        if not named and not re.search(r'href="\w+\.html"', definition):
            faults.append(f"{term}: no lesson")
        words = re.compile(rf"\b{re.escape(term)}s?\b", re.IGNORECASE)
        faults += [
            f"{term}: {name} does not lead back"
            for name in named
            if f"book/glossary.html#{place}" not in pages[name]
            and words.search(prose[name])
        ]
    linked = '<a class="term reference internal"'
    return faults + [f"{n}: no term" for n, page in pages.items() if linked not in page]


def test_glossary_and_lessons_lead_to_each_other(site: Path) -> None:
    built = {name: html_of(site, name) for name in lessons()}
    assert glossary_faults(html_of(site, "book/glossary"), built) == []


@pytest.mark.parametrize("name", ["shapley_values", "tree_shap"])
def test_a_shapley_value_is_not_the_value_of_a_policy(name: str, site: Path) -> None:
    link = "glossary.html#term-value"
    assert f'{link}"' not in html_of(site, f"notebooks/explainability/{name}")
    assert f'{link}"' in html_of(site, "notebooks/robustness/fault_tolerance")


def test_a_term_that_leads_nowhere_or_not_back_is_noticed() -> None:
    entry = (
        '<dt id="term-x">{0}<a class="headerlink">#</a></dt><dd><p>A thing.</p>{1}</dd>'
    )
    where = '<p class="where"><a href="../notebooks/safety/one.html">One</a></p>'
    link = '<a class="term reference internal" href="../../book/glossary.html#term-x">x</a>'
    page = {"notebooks/safety/one": "<p>Of an x.</p>"}
    good = {"notebooks/safety/one": f"<p>Of an {link}.</p>"}
    assert glossary_faults(entry.format("x", where), good) == []
    assert "x: no lesson" in glossary_faults(entry.format("x", ""), page)
    assert any("back" in f for f in glossary_faults(entry.format("x", where), page))
    assert any("no term" in f for f in glossary_faults(entry.format("x", where), page))


def test_on_a_phone_the_symbols_read_as_rows(
    context: BrowserContext, address: str
) -> None:
    page = open_page(context, address, "book/notation.html").page
    resize(page, NARROW)
    wide = page.eval_on_selector_all(
        "article .pst-scrollable-table-container",
        "all => all.filter(t => t.scrollWidth > t.clientWidth + 1).length",
    )
    assert (wide, page.locator("article table.symbols").count() > 0) == (0, True)
    page.close()


def test_repository_buttons_follow_the_configuration(site: Path) -> None:
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    name = next(page for page in pages() if page.startswith("notebooks/"))
    text = (site / f"{name}.html").read_text(encoding="utf-8")
    known = bool(settings["repository"]["url"])
    assert ("colab.research.google.com" in text) == known
    assert ("source-repository-button" in text) == known
    known = bool(settings["html"]["baseurl"])
    for name in pages():
        text = html_of(site, name)
        assert ('rel="canonical"' in text, 'property="og:' in text) == (known, known)
    assert [(site / name).exists() for name in WITH_ADDRESS] == [known] * 2


# --- the same build, of a small book ----------------------------------------------


WITH_ADDRESS = ["sitemap.xml", "404.html"]
SHARED = "https://someone.github.io/some-book"
STARTED = """# Home

Where the small book begins, in one sentence.

```{start}
:lesson: one
```

```{map}
```
"""
# What is wrong with each directive, and what is said.
FAULTS = {
    "start": (":lesson: two", "There is no lesson two; the nearest is one."),
    "paths": ("One: [one]", "'One' has 1 lessons; a morning holds 4 to 6."),
    "paths ": ("One", "Write each path as `Title:`"),
    "paths  ": ("One: [one, one, one, one]", "comes to notebooks/one before"),
    "map": ("", 'The "You need" of notebooks/one links notebooks/two, which is no'),
}


def small_book(
    folder: Path, url: str, page: str = STARTED, baseurl: str = "", need: str = ""
) -> Path:
    """A book of four pages with this book's settings, and strays that are no part of it."""
    for part in ["_ext", "_static"]:
        shutil.copytree(ROOT / "book" / part, folder / "book" / part)
    (folder / "book" / "references.bib").touch()
    (folder / "book" / "index.md").write_text(page, encoding="utf-8")
    settings = (ROOT / "_config.yml").read_text(encoding="utf-8")
    for key, value in {"url": url, "baseurl": baseurl}.items():
        settings = re.sub(rf"(?m)^  {key}: .*$", f'  {key}: "{value}"', settings)
    (folder / "_config.yml").write_text(settings, encoding="utf-8")
    (folder / "book" / "chapter.md").write_text("# Chapter\n", encoding="utf-8")
    words = "# Glossary\n\n```{glossary}\nmean value\n  A sum, divided.\n```\n"
    (folder / "book" / "glossary.md").write_text(words, encoding="utf-8")
    toc = "root: book/index\nchapters:\n- file: book/chapter\n  sections:\n  - file: notebooks/one\n"
    toc += "- file: book/glossary\n"
    (folder / "_toc.yml").write_text(f"format: jb-book\n{toc}", encoding="utf-8")
    glance = f"| At a glance | |\n| :- | :- |\n| You need | NumPy{need} |\n| Time | 5 |"
    text = f"# One\n\nLet $x$, and so on.\n\n{glance}\n\n{BELIEVED}"
    cells = [nbformat.v4.new_markdown_cell(text)]
    for code, tags, output in MARKS:
        shown = nbformat.v4.new_output(
            "display_data", data={"text/markdown": output, "text/plain": "x"}
        )
        cells.append(
            nbformat.v4.new_code_cell(
                code, metadata={"tags": tags.split()}, outputs=[shown] if output else []
            )
        )
    file = io.BytesIO()
    Image.new("RGB", (40, 20)).save(file, "png")
    data = {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": "x"}
    cells.append(
        nbformat.v4.new_code_cell(
            "draw()",
            metadata={"mystnb": {"image": {"alt": "Nothing but black."}}},
            outputs=[nbformat.v4.new_output("display_data", data=data)],
        )
    )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    (folder / "notebooks").mkdir()
    nbformat.write(notebook, folder / "notebooks" / "one.ipynb")
    for stray in [
        ".venv/lib/README.md",
        ".github/form.md",
        ".pytest_cache/README.md",
        "notes.md",
    ]:
        (folder / stray).parent.mkdir(parents=True, exist_ok=True)
        (folder / stray).write_text("# A stray\n", encoding="utf-8")
    return folder


BELIEVED = (
    '> **Often believed, and wrong**\n>\n> "It is so." **It is not.** Often it is near.'
)
# Code, tags and output of a lesson's cells, one of every kind.
MARKS = [
    ("import this", "hide-input", ""),
    ("claim(1 < 2)", "hide-input claim", "> **✓** One is less. *Checked over these.*"),
    ("def head():\n    ...", "exercise", ""),
    (
        "def helper():\n    ...\n\n\ndef check_head(f):\n    f()",
        "hide-input",
        "**Not answered yet.** Fill in.",
    ),
    ("def head_solution(): 3", "hide-cell", ""),
    ("table(rows)", "hide-output", "| a | b |\n| :- | -: |\n| cell | 2 |"),
    ("evidence", "hide-output", "*Recorded on a day by a program.*"),
    ("4", "hide-output", "four"),
    ("show_source(head)", "", "Its code."),
]
# How the page reads from top to bottom.
READS = """Often believed, and wrong | Show the code | One is less | Show the test | claim
    | tag_exercise | Show the check | check_head | Not answered yet | Show the solution | head_solution
    | Show the table | table | cell | Show the record | Recorded on | Show the output | Its code"""


def addresses(page: Path) -> set[str]:
    """The links of a page that lead out of the site."""
    return set(re.findall(r'href="(https?://[^"]+)"', page.read_text(encoding="utf-8")))


def address_faults(html: Path, base: str, made: set[str], lesson: str) -> list[str]:
    """What is wrong with a site that knows its address."""
    faults = []
    told = re.findall("<loc>(.*?)</loc>", (html / "sitemap.xml").read_text("utf-8"))
    if sorted(told) != sorted(f"{base}/{name}" for name in made):
        faults.append(f"the sitemap has {told}")
    for name in made:
        text = (html / name).read_text(encoding="utf-8")
        for tag in ['rel="canonical" href', 'property="og:url" content']:
            if re.findall(f'{tag}="([^"]*)"', text) != [f"{base}/{name}"]:
                faults.append(f"{name} has another {tag}")
        image = f"{base}/_images/cards/notebooks-{lesson}.png"
        if "glossary" in name:
            continue
        if f'property="og:image" content="{image}"' not in text:
            faults.append(f"{name} has no picture")
        elif not (html / image.removeprefix(f"{base}/")).is_file():
            faults.append(f"there is no {image}")
    # Shown in the place of any page that is missing, so that every link says where it leads from the top.
    text = (html / "404.html").read_text(encoding="utf-8")
    top = urlsplit(base).path
    for link in re.findall(r'(?:href|src)="([^"#?]+)', text):
        file = html / link.removeprefix(f"{top}/")
        if not link.startswith(("http", "data:")) and not (
            link.startswith(f"{top}/") and file.is_file()
        ):
            faults.append(f"on the page for what is not found {link} leads nowhere")
    return faults


def test_with_an_address_the_buttons_lead_there(tmp_path: Path) -> None:
    repository = "https://github.com/someone/some-book"
    root = small_book(tmp_path, repository, baseurl=SHARED)
    html = build(root)
    found = addresses(html / "notebooks" / "one.html")
    assert {
        "https://github.com/someone/some-book",
        "https://colab.research.google.com/github/someone/some-book/blob/main/notebooks/one.ipynb",
        "https://mybinder.org/v2/gh/someone/some-book/main?urlpath=lab/tree/notebooks/one.ipynb",
    } <= found
    assert any("/some-book/issues/new" in link for link in found)
    # Of the strays in the root no page was made.
    made = {path.relative_to(html).as_posix() for path in html.rglob("*.html")}
    ours = {"book/index.html", "book/chapter.html", "notebooks/one.html"}
    ours |= {"book/glossary.html"}
    others = {"index.html", "search.html", "404.html"}
    assert {name for name in made if not name.startswith("_static/")} == ours | others
    assert address_faults(html, SHARED, ours, "one") == []
    # Planted: an address too few, one of another site, a picture that is gone, a link that is relative.
    for name, old, new, fault in [
        ("sitemap.xml", "<loc>", "<lok>", "the sitemap has []"),
        ("book/index.html", SHARED, "https://x", "index.html has another rel="),
        ("book/chapter.html", 'og:image"', 'og:picture"', "chapter.html has no pic"),
        ("404.html", '"/some-book/book', '"book', "found book/index.html leads"),
    ]:
        path, text = html / name, (html / name).read_text(encoding="utf-8")
        path.write_text(text.replace(old, new), encoding="utf-8")
        assert fault in " ".join(address_faults(html, SHARED, ours, "one"))
        path.write_text(text, encoding="utf-8")
    text = (html / "notebooks" / "one.html").read_text(encoding="utf-8")
    assert '<blockquote class="believed">' in text
    assert '<blockquote class="claim">' in text
    assert "show_source" not in text
    # A comma does not begin the line after its formula.
    assert re.search(r'<span class="glued"><span [^>]*>[^<]*</span>,</span> and', text)
    # A wrong belief is no answer to a search.
    index = (html / "_static" / "search-index.js").read_text(encoding="utf-8")
    assert ("It is so." in index, "It is not." in index) == (False, True)
    rest = text[text.index("<article") :]
    for words in READS.split("|"):
        before, found, rest = rest.partition(words.strip())
        assert found, words
        assert "Show the" not in re.sub(r"<(h|m).*?>", "", before), words
    # A second time there is nothing to do; what is gone from the sources goes from the site.
    before = (html / "index.html").stat().st_mtime_ns
    (html / "gone.html").touch()
    assert (build(root) / "index.html").stat().st_mtime_ns == before
    (root / "book" / "index.md").write_text("# Another home\n", encoding="utf-8")
    assert "Another home" in (build(root) / "book" / "index.html").read_text("utf-8")
    assert not (html / "gone.html").exists()


def test_without_an_address_no_buttons_and_a_warning_stops_the_build(
    tmp_path: Path,
) -> None:
    wrong = "".join(
        f"```{{{name.strip()}}}\n{x}\n```\n" for name, (x, _) in FAULTS.items()
    )
    page = f"# Home\n\n[gone](#nowhere-at-all)\n\n{wrong}"
    root = small_book(tmp_path, "", page=page, need=", [two](two.ipynb)")
    # Also the second time, when Sphinx would not read the page again.
    for _ in range(2):
        with pytest.raises(SystemExit, match="nowhere-at-all") as stopped:
            build(root)
        assert [x for _, x in FAULTS.values() if x not in str(stopped.value)] == []
    page = root / "_build" / "html" / "notebooks" / "one.html"
    assert addresses(page) == {"https://creativecommons.org/licenses/by/4.0/"}
    made = [page, root / "_build" / "html" / "book" / "index.html"]
    for text in [path.read_text(encoding="utf-8") for path in made]:
        assert not re.search(r'rel="canonical"|property="og:', text)
    assert not [x for x in WITH_ADDRESS if (root / "_build" / "html" / x).exists()]


# --- every check against planted faults -------------------------------------------

CLEAN = """<!DOCTYPE html><html lang="en"><head><title>A page</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<meta name="description" content="A page that is clean but for what is planted.">{head}
<style>{style}</style></head><body>
<a href="#main-content">Skip to the content</a><main id="main-content"><article><h1>A page</h1>
{body}</article></main><script>{script}</script></body></html>"""
COPY = """<div><pre>one = 1</pre><button class="copybtn"
onclick="navigator.clipboard.writeText('{}')">Copy</button></div>"""
FOLD = "<details><summary>Show the solution</summary>Nothing.</details>"
PALE = '<p style="color: #999; background: #fff">pale</p>'
Plant = Callable[..., tuple[Opened, Path]]


@pytest.fixture(scope="module")
def plant(
    context: BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plant]:
    """A function that serves and opens a page with the given body, script and style."""
    folder = tmp_path_factory.mktemp("planted")
    planted = []
    with served(folder) as base:

        def open_planted(
            body: str = "", script: str = "", style: str = "", head: str = ""
        ) -> tuple[Opened, Path]:
            name = f"page{len(planted)}.html"
            (folder / "heavy.js").write_text(f"/*{'x' * 500_001}*/")
            (folder / "mathjax.js").touch()
            text = CLEAN.format(body=body, script=script, style=style, head=head)
            (folder / name).write_text(text, encoding="utf-8")
            planted.append(open_page(context, base, name))
            return planted[-1], folder

        yield open_planted
        for opened in planted:
            opened.page.close()


def test_on_a_clean_page_no_check_finds_a_fault(plant: Plant) -> None:
    opened, folder = plant(FOLD + COPY.format("one = 1"))
    page = opened.page
    found = {
        "heard": opened.heard,
        "foreign": opened.foreign,
        "math": math_faults(page, False),
        "image": image_faults(page),
        "link": link_faults(page, opened.base, folder),
        "figure": figure_faults(page),
        "icon": icon_faults(page),
        "weight": weight_faults(page, opened.base, folder, False),
        "description": description_faults(page),
        "fold": fold_faults(page),
        "focus": focus_faults(page, 3),
        "copy": copy_faults(page, ["one = 1"]),
        "clipboard": clipboard_faults(page, ["one = 1"]),
        "snippet": snippet_faults(page),
        **phone_faults(page),
        "light": axe_faults(page, "light"),
        "dark": axe_faults(page, "dark"),
    }
    assert {check: faults for check, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    ("plan", "sound"),
    [
        ({"script": "console.error('planted')"}, "says: planted"),
        ({"script": "throw new Error('planted')"}, "raises: planted"),
        ({"body": "<img src='gone.png' alt='a curve that falls'>"}, "404"),
    ],
)
def test_a_noise_is_heard(plant: Plant, plan: dict[str, str], sound: str) -> None:
    assert any(sound in heard for heard in plant(**plan)[0].heard)


@pytest.mark.parametrize(
    "plan",
    [
        {"body": "<img src='https://elsewhere.invalid/a.png' alt='a falling curve'>"},
        {"style": "@import url(https://elsewhere.invalid/font.css);"},
        {"script": "fetch('https://elsewhere.invalid/').catch(() => {})"},
    ],
)
def test_a_request_elsewhere_is_seen(plant: Plant, plan: dict[str, str]) -> None:
    assert "elsewhere.invalid" in plant(**plan)[0].foreign[0]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<span class="math">\\(x\\)</span>', "not rendered"),
        ("<p>$$x^2$$</p>", "raw mathematics"),
        ("<p>where $x^2$ is</p>", "raw mathematics"),
        ("<p>where \\(x\\) is</p>", "raw mathematics"),
        ("<mjx-container><mjx-merror>no</mjx-merror></mjx-container>", "an error"),
        ("<p>nothing</p>", "the page has none"),
    ],
)
def test_unrendered_mathematics_is_seen(plant: Plant, body: str, fault: str) -> None:
    faults = math_faults(plant(body)[0].page, expected=True)
    assert any(fault in found for found in faults)


@pytest.mark.parametrize("alt", ["", "alt=''", "alt='figure'", "alt='a b c.png'"])
def test_an_alternative_text_that_says_nothing_is_seen(plant: Plant, alt: str) -> None:
    page = plant(f"<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw=' {alt}>")[
        0
    ].page
    assert len(image_faults(page)) == 1


def test_a_place_that_is_there_twice_is_seen(plant: Plant) -> None:
    page = plant('<article><p id="a"></p><p id="b"></p><p id="a"></p></article>')[
        0
    ].page
    assert place_faults(page) == ["a"]


@pytest.mark.parametrize("href", ["gone.html", "#gone", "page0.html#gone", "file:///x"])
def test_a_dead_link_is_seen(plant: Plant, href: str) -> None:
    plant()
    opened, folder = plant(f'<a href="{href}">here</a>')
    assert len(link_faults(opened.page, opened.base, folder)) == 1


@pytest.mark.parametrize("style", ["", "main { overflow: hidden }"])
def test_a_page_too_wide_for_a_phone_is_seen(plant: Plant, style: str) -> None:
    wide = '<p style="width: 400px">too wide</p>'
    assert phone_faults(plant(wide, style=style)[0].page)["overflow"]
    inside = f'<div style="overflow-x: auto">{wide}</div>'
    assert phone_faults(plant(inside, style=style)[0].page)["overflow"] == []


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (PALE, "color-contrast"),
        (f"<p>dark</p><p>dark</p>{PALE}", "color-contrast"),
        (
            f"<div style='opacity: 0.5'>{PALE.replace('999', '555')}</div>",
            "color-contrast",
        ),
        ("<div style='background: #555'><p>words</p></div>", "color-contrast"),
        ("<pre>x = <span style='color: #aaa'>word</span></pre>", "color-contrast"),
        (f"<details><summary>Show more</summary>{PALE}</details>", "color-contrast"),
        ("<button></button>", "button-name"),
        (
            '<div style="width: 50px; overflow-x: auto; white-space: pre">a long line</div>',
            "scrollable-region-focusable",
        ),
    ],
)
def test_a_barrier_is_seen(plant: Plant, body: str, rule: str) -> None:
    assert any(rule in fault for fault in axe_faults(plant(body)[0].page, "light"))


@pytest.mark.parametrize("fold", ["{}", "<details><summary>Show</summary>{}</details>"])
def test_a_scrolling_part_out_of_reach_is_seen(plant: Plant, fold: str) -> None:
    wide = '<div {} style="overflow-x: auto"><p style="width: 400px">wide</p></div>'
    assert phone_faults(plant(fold.format(wide.format("")))[0].page)["scroll"]
    reached = wide.format('tabindex="0"')
    assert "no sign" in phone_faults(plant(fold.format(reached))[0].page)["scroll"][0]
    fades = "div { mask-image: linear-gradient(to left, transparent, black 2rem) }"
    assert (
        phone_faults(plant(fold.format(reached), style=fades)[0].page)["scroll"] == []
    )


def test_a_barrier_in_the_dark_alone_is_seen(plant: Plant) -> None:
    style = "[data-theme=dark] body { background: #000; color: #444 }"
    page = plant("<p>words</p>", style=style)[0].page
    assert axe_faults(page, "light") == []
    assert "color-contrast" in axe_faults(page, "dark")[0]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (COPY.format("one = 2"), "copied '2' instead of '1' at character 6"),
        (COPY.replace("onclick", "data-x"), "copied 'nothing was copied'"),
        ("<pre>one = 1</pre>", "0 copy buttons"),
    ],
)
def test_a_wrong_copy_is_seen(plant: Plant, body: str, fault: str) -> None:
    assert fault in copy_faults(plant(body)[0].page, ["one = 1"])[-1]


@pytest.mark.parametrize("old", ["onclick", "one = 1')"])
def test_a_copy_that_does_not_reach_the_clipboard_is_seen(
    plant: Plant, old: str
) -> None:
    body = COPY.format("one = 1").replace(old, "nothing')")
    assert clipboard_faults(plant(body)[0].page, ["one = 1"])


def test_a_copy_button_on_the_code_is_seen(plant: Plant) -> None:
    style = "button { position: absolute; } div { position: relative; display: flex; }"
    folded = f"<details><summary>Show it</summary>{COPY.format('one = 1')}</details>"
    assert phone_faults(plant(folded)[0].page)["cover"] == []
    over = style + "button { left: 0; top: 0 }"
    assert (
        "covers one = 1" in phone_faults(plant(folded, style=over)[0].page)["cover"][0]
    )


def test_a_figure_that_does_not_open_is_seen(plant: Plant) -> None:
    image = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
    figure = f"<div class='cell_output'><a href='{{}}'><img src='{image}' alt='a falling curve'></a></div>"
    assert figure_faults(plant(figure.format(image))[0].page) == []
    assert figure_faults(plant(figure.format("#other"))[0].page)


def test_a_sign_without_a_drawing_is_seen(plant: Plant) -> None:
    sign = "<i class='fa-solid fa-sun'></i>"
    style = "i {{ display: inline-block; height: 1em; width: {}; {} }}"
    drawing = "mask-image: linear-gradient(black, black)"
    assert icon_faults(plant(sign, style=style.format("1em", drawing))[0].page) == []
    assert icon_faults(plant(sign, style=style.format("1em", ""))[0].page)
    assert icon_faults(plant(sign, style=style.format("0", drawing))[0].page)


def test_what_is_heavy_or_for_nothing_is_seen(plant: Plant) -> None:
    heavy = "<script {} src='heavy.js'></script>"
    opened, folder = plant(head=heavy.format(""))
    assert "blocks" in weight_faults(opened.page, opened.base, folder, False)[0]
    opened, folder = plant(head=heavy.format("defer"))
    assert weight_faults(opened.page, opened.base, folder, False) == []
    opened, folder = plant(head="<script src='mathjax.js'></script>")
    assert "nothing" in weight_faults(opened.page, opened.base, folder, False)[0]
    assert weight_faults(opened.page, opened.base, folder, True) == []


def test_a_heavy_first_visit_is_seen(
    plant: Plant, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = plant(head="<script src='heavy.js'></script>")
    assert load_faults(browser, opened.page.url) == []
    monkeypatch.setattr(sys.modules[__name__], "FIRST_LOAD", 100)
    assert "heavy.js" in load_faults(browser, opened.page.url)[0]


def test_what_is_below_the_first_screen_is_seen(plant: Plant) -> None:
    page = plant("<p class='a'>near</p><p class='b' style='margin-top: 790px'>far</p>")[
        0
    ].page
    assert screen_faults(page, LAPTOP, [".a", ".b"]) == [
        ".b is not on the screen of 1280 pixels"
    ]


def test_a_link_of_a_drawing_that_shows_no_focus_is_seen(plant: Plant) -> None:
    link = '<svg><a {}="#x"><text y="20">here</text></a></svg>'
    ring = "a:focus-visible text { outline: 3px solid blue }"
    assert ring_faults(plant(link.format("href"), style=ring)[0].page, "svg a") == []
    assert "no ring" in ring_faults(plant(link.format("href"))[0].page, "svg a")[0]
    assert "no stop" in ring_faults(plant(link.format("x"))[0].page, "svg a")[0]
    opened, folder = plant(link.format("href"))
    assert len(link_faults(opened.page, opened.base, folder)) == 1


@pytest.mark.parametrize(
    "words", ["short", "much too long " * 20, "A B C " * 10, "So they say [one, 1999]."]
)
def test_a_bad_description_is_seen(plant: Plant, words: str) -> None:
    twice = f"<meta name='description' content='{words}'>"
    assert description_faults(plant(head=twice)[0].page) == ["2 descriptions"]
    only = f"document.querySelector('meta[name=description]').content = '{words}'"
    assert "the description is" in description_faults(plant(script=only)[0].page)[0]


def test_a_wrong_snippet_is_seen(plant: Plant) -> None:
    body = (
        "<details><summary>Copy <code>check_integer</code></summary><button "
        'class="copybtn" onclick="navigator.clipboard.writeText(text)">Copy</button></details>'
    )
    right = json.dumps(snippet("check_integer").rstrip("\n"))
    assert snippet_faults(plant(body, f"const text = {right}")[0].page) == []
    assert snippet_faults(plant(body, "const text = 'another'")[0].page)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<details>", "<details open>"),
        ("Show the solution", "Show"),
        ("<summary>", '<summary onkeydown="return false">'),
        ("<summary>", '<summary onclick="return false">'),
    ],
)
def test_a_fold_that_does_not_obey_is_seen(plant: Plant, old: str, new: str) -> None:
    assert fold_faults(plant(FOLD.replace(old, new))[0].page)


def test_a_focus_that_cannot_be_seen_is_seen(plant: Plant) -> None:
    page = plant(style=":focus { outline: none }")[0].page
    assert "no ring" in focus_faults(page, 1)[0]
    without = "document.querySelector('a').remove()"
    page = plant('<a href="#other">other</a>', without)[0].page
    assert "no skip link" in focus_faults(page, 1)[0]


@pytest.mark.parametrize(
    ("words", "wanted", "fault"),
    [
        ("xylophone", "book/index", "finds nothing"),
        ("Reed-Solomon", "book/bibliography", "before book/bibliography"),
    ],
)
def test_a_search_that_fails_is_seen(
    words: str, wanted: str, fault: str, context: BrowserContext, address: str
) -> None:
    page = context.new_page()
    faults = search_faults(page, address, words, wanted)
    page.close()
    assert fault in faults[0]


@pytest.mark.parametrize("said", ["import numpy as np", "✓ It is so.", "x = mean(1)"])
def test_an_answer_that_is_code_is_seen(
    said: str, tmp_path: Path, context: BrowserContext
) -> None:
    text = """<meta charset="utf-8"><form><input name="q"></form><p id="search-status">One page.</p>
      <ol id="search-results"><li><a href="one.html">One</a><p class="context">{}</p></li></ol>"""
    page = context.new_page()
    with served(tmp_path) as base:
        (tmp_path / "search.html").write_text(text.format(said), encoding="utf-8")
        assert "shows" in search_faults(page, base, "one", "one")[0]
    page.close()


def test_without_a_browser_it_is_said_and_in_ci_it_fails() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        no_chrome(in_ci=False)
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        no_chrome(in_ci=True)


def test_mathematics_and_code_of_a_source_are_found() -> None:
    assert has_math("so $x$ is\n")
    assert not has_math("`$HOME` and\n```\n$x$ and $y$\n```\n")
    assert fenced("```python\none\n\ntwo\n```\nb\n```{note}\nc\n```\n") == [
        "one\n\ntwo\n"
    ]
    assert {"book/index", "book/bibliography"} <= set(pages())
