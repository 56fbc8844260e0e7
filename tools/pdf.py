"""The PDF of the whole book: the site's pages as one long page, printed by Chromium.

Because it is one page, links between lessons are links within the PDF, and Chromium itself makes bookmarks of the
headings and running heads of the style sheet.  What it cannot do is to say on which page something stands: for
that it prints twice, and the second time has the page numbers that the first one showed.
"""

import datetime
import html
import io
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import yaml
from bs4 import BeautifulSoup, SoupStrainer, Tag
from playwright.sync_api import Page
from pypdf import PdfReader

from tools.browser import BOOK, opened

STYLE = Path(__file__).with_suffix(".css")
OLDEST = 131  # the first Chromium that writes running heads
WIDTH = 643  # of a line, in CSS pixels: 210 mm less the margins of the style sheet
ANSWERS = "answers"  # the place of the appendix
CODE = ".fold-check, :is(.fold-code, .fold-test) details"
HEAD = "|".join(
    [
        r'<link[^>]*rel="stylesheet"[^>]*>',
        r"<script>window\.MathJax[^<]*</script>",
        r"<script[^>]*/mathjax/[^>]*></script>",
    ]
)
READ = ":is(.fold-table, .fold-record, .fold-output) details"


@dataclass
class Part:
    """A page of the site on its way into the PDF."""

    name: str
    chapter: str  # the title of the chapter that a lesson belongs to; else empty
    title: str
    article: Tag

    @property
    def slug(self) -> str:
        """Its place in the PDF."""
        return self.name.replace("/", "-")


# --- the pages of the site ----------------------------------------------------------


def order(root: Path) -> list[tuple[str, str]]:
    """Return the pages of the table of contents, each with the page of its chapter if it is a lesson."""
    contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    found = [(contents["root"], "")]
    for part in contents["parts"]:
        for page in part["chapters"]:
            found.append((page["file"], ""))
            found += [(s["file"], page["file"]) for s in page.get("sections", [])]
    return found


def read(site: Path, root: Path) -> list[Part]:
    """Return the pages of the site in their order."""
    parts: dict[str, Part] = {}
    only = SoupStrainer("article", class_="bd-article")
    for name, chapter in order(root):
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        article = BeautifulSoup(text, "html.parser", parse_only=only).article
        for link in article.select("a.headerlink, button"):
            link.decompose()
        above = parts[chapter].title if chapter else ""
        parts[name] = Part(name, above, article.h1.get_text(), article)
    return list(parts.values())


def element(text: str) -> Tag:
    """Return HTML as an element."""
    return BeautifulSoup(text, "html.parser").find()


def page_link(target: str, words: str) -> str:
    """Return a link that says the page on which its target stands, once that is known."""
    return f'<a href="#{target}">{words} <span class="number" data-of="{target}">000</span></a>'


# --- what is read on paper ----------------------------------------------------------


def unfold(article: Tag) -> None:
    """Leave out folded code, which is there to be run or copied, and open what is there to be read."""
    for fold in article.select(CODE):
        fold.decompose()
    for fold in article.select(READ):
        for left in fold.select("summary, .cell_input"):
            left.decompose()
        fold.name, fold["class"] = "div", []
    for fold in article.select("details"):
        if fold.find("pre"):
            fold.decompose()
        else:
            fold["open"] = ""


def take_quiz(part: Part) -> list[Tag]:
    """Make choices of the folded answers, and return what they hide, with a link back."""
    section = part.article.find("section", id="check-yourself")
    if section is None:
        return []
    here, there = f"{part.slug}--{section['id']}", f"{ANSWERS}-{part.slug}-0"
    entry = element(f'<div id="{there}"><h3>{section.h2.get_text()}</h3></div>')
    for question in [p for p in section.find_all("p", recursive=False) if p.strong]:
        number, answers = question.strong.get_text(), []
        while (after := question.find_next_sibling()) and after.name == "details":
            answers.append(after.extract())
        choices = element('<ol class="choices" type="a"></ol>')
        verdicts = element(f"<p><strong>{number}</strong></p>")
        for letter, answer in zip("abcdefgh", answers, strict=False):
            item = element("<li></li>")
            item.extend(list(answer.summary.extract().contents))
            choices.append(item)
            verdicts.append(element(f"<span> {letter}) </span>"))
            for paragraph in answer.find_all("p"):
                verdicts.extend(list(paragraph.contents))
        question.insert_after(choices)
        entry.append(verdicts)
    section.append(element(f'<p class="turn">{page_link(there, "Answers: page")}</p>'))
    entry.append(element(f'<p class="turn">{page_link(here, "Questions: page")}</p>'))
    return [entry]


def take_solutions(part: Part) -> list[Tag]:
    """Put a link in the place of every solution, and return the solutions, with links back."""
    taken = []
    for number, cell in enumerate(part.article.select(".fold-solution"), 1):
        section = cell.find_parent("section")
        here, there = f"{part.slug}--{section['id']}", f"{ANSWERS}-{part.slug}-{number}"
        link = page_link(there, "Solution: page")
        cell.replace_with(element(f'<p class="turn">{link}</p>'))
        cell.summary.decompose()
        cell.details["class"], cell.details.name = [], "div"
        entry = element(f'<div id="{there}"></div>')
        title = section.find(re.compile("^h[2-4]$")).decode_contents()
        entry.append(element(f"<h3>{title}</h3>"))
        entry.append(cell)
        entry.append(
            element(f'<p class="turn">{page_link(here, "Exercise: page")}</p>')
        )
        taken.append(entry)
    return taken


def appendix(parts: list[Part]) -> Part | None:
    """Move the answers and solutions of all lessons to the end of the book; None where there are none."""
    article = element(
        '<article class="bd-article"><section><h1>Answers and solutions</h1></section></article>'
    )
    for part in parts:
        taken = take_quiz(part) + take_solutions(part)
        if taken:
            title = html.escape(part.title)
            link = f'<h2 id="{part.slug}"><a href="{part.name}.html">{title}</a></h2>'
            article.section.append(element(link))
            article.section.extend(taken)
    return Part(ANSWERS, "", "Answers and solutions", article) if article.h2 else None


# --- one page of many ---------------------------------------------------------------


def place(part: Part, slugs: dict[str, str]) -> None:
    """Make the addresses and places of a page those of the whole, and drop links to what is none of its pages."""
    home = urljoin(BOOK, f"{part.name}.html")
    for node in part.article.find_all(id=True):
        # A drawing refers to its own parts in other ways than links.
        if not (node["id"].startswith(f"{ANSWERS}-") or node.find_parent("svg")):
            node["id"] = f"{part.slug}--{node['id']}"
    for node in part.article.find_all(src=True):
        node["src"] = urljoin(home, node["src"])
    for link in part.article.find_all("a", href=True):
        if link.find("span", attrs={"data-of": True}):
            continue
        address, fragment = urldefrag(urljoin(home, link["href"]))
        if not address.startswith(BOOK):
            continue
        slug = slugs.get(address.removeprefix(BOOK).removesuffix(".html"))
        if slug:
            link["href"] = f"#{slug}--{fragment}" if fragment else f"#{slug}"
        else:
            link.unwrap()


def lower_headings(part: Part) -> None:
    """Put a lesson's headings one level below those of its chapter, so that the bookmarks nest."""
    for heading in part.article.find_all(re.compile("^h[1-6]$")):
        level = int(heading.name[1])
        heading["class"] = f"level-{level}"
        heading.name = f"h{min(6, level + 1 if part.chapter else level)}"


def contents(parts: list[Part]) -> str:
    """Return the table of contents."""
    rows = "".join(
        f'<li class="{"lesson" if part.chapter else "chapter"}">'
        f"{page_link(part.slug, html.escape(part.title))}</li>"
        for part in parts
    )
    return f'<nav class="book-contents"><h1>Contents</h1><ol>{rows}</ol></nav>'


def running_heads(parts: list[Part]) -> str:
    """Return a style of the paper for every part, with the title at the top."""
    said = [
        f"@page {part.slug} {{ @top-left {{ content: {json.dumps(part.title, ensure_ascii=False)} }} "
        f"@top-right {{ content: {json.dumps(part.chapter, ensure_ascii=False)} }} }}\n"
        f"#{part.slug} {{ page: {part.slug} }}"
        for part in parts
    ]
    return "\n".join(said)


def head(site: Path, parts: list[Part]) -> str:
    """Return the styles of the site's pages and the script that sets mathematics."""
    found: dict[str, None] = {}
    for part in parts:
        home = site / f"{part.name}.html"
        if not home.is_file():
            continue
        text = home.read_text(encoding="utf-8")
        for tag in re.findall(HEAD, text):
            found[re.sub(r'(href|src)="(?:\.\./)*', rf'\1="{BOOK}', tag)] = None
    return "\n".join(found)


def whole(site: Path, root: Path) -> str:
    """Return the whole book as one page of HTML."""
    settings = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    parts = read(site, root)
    end = appendix(parts)
    for part in parts:
        unfold(part.article)
    parts += [end] if end else []
    slugs = {part.name: part.slug for part in parts}
    for part in parts:
        place(part, slugs)
        lower_headings(part)
    body = "".join(
        f'<div class="part" id="{part.slug}">{part.article}</div>' for part in parts
    )
    title, author = html.escape(settings["title"]), html.escape(settings["author"])
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8"><title>{title}</title>
{head(site, parts)}
<style>{STYLE.read_text(encoding="utf-8")}
{running_heads(parts)}</style></head>
<body><main class="bd-main"><div class="bd-content"><div class="bd-article-container">
<div class="title-page"><p class="title">{title}</p><p>{author}</p>
<p>{datetime.date.today():%d %B %Y}</p>
<p class="licence">Code: MIT licence. Text and figures: CC BY 4.0.</p></div>
{contents(parts)}
{body}
</div></div></main></body></html>"""


# --- printed ------------------------------------------------------------------------

# What is wider than the paper is made smaller.
FIT = """() => {
  for (const node of document.querySelectorAll("table, div.math")) {
    const room = node.parentElement.clientWidth, wide = node.scrollWidth;
    if (room > 0 && wide > room + 1) node.style.zoom = room / wide;
  }
}"""
NUMBER = """numbers => {
  for (const node of document.querySelectorAll("[data-of]")) node.textContent = numbers[node.dataset.of] ?? "";
}"""


def print_once(page: Page) -> bytes:
    """Return the page as a PDF."""
    return page.pdf(
        prefer_css_page_size=True, print_background=True, outline=True, tagged=True
    )


def page_numbers(document: bytes) -> dict[str, int]:
    """Return the page of every place that a link of the PDF leads to."""
    reader = PdfReader(io.BytesIO(document))
    return {
        name.lstrip("/"): reader.get_destination_page_number(to) + 1
        for name, to in reader.named_destinations.items()
    }


def pdf(site: Path, root: Path) -> bytes:
    """Print the book.

    Parameters
    ----------
    site : Path
        The folder of the built site.
    root : Path
        The folder of _toc.yml and _config.yml.

    Returns
    -------
    bytes
        The PDF.

    Raises
    ------
    SystemExit
        Where there is no browser, or one that is too old.
    """
    with opened(site, whole(site, root)) as page:
        version = page.context.browser.version
        if int(version.split(".")[0]) < OLDEST:
            sys.exit(
                f"The browser is version {version}, and the PDF needs {OLDEST} or newer: bring it up to date "
                "and run the same command again."
            )
        page.set_viewport_size({"width": WIDTH, "height": 900})
        page.emulate_media(media="print")
        page.evaluate(FIT)
        document, numbers = print_once(page), {}
        while numbers != (numbers := page_numbers(document)):
            page.evaluate(NUMBER, numbers)
            document = print_once(page)
    return document
