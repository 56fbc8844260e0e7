"""The forms to take along: what is in them, and that a run which fails leaves nothing half-written."""

import contextlib
import errno
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from filelock import FileLock, Timeout
from playwright.sync_api import sync_playwright
from pypdf import PdfReader

from tests.test_site import no_chrome
from tools import browser, epub, pdf, take_away
from tools import site as site_tool
from tools.take_away import FOLDER, FORMS, NAME, PAGE, ROOT

LESSONS = sorted((ROOT / "evidence").glob("*/*.json"))


@pytest.fixture(scope="module")
def chrome():
    """A browser, without which some forms cannot be made."""
    with sync_playwright() as playwright:
        if browser.find_chrome(playwright) is None:
            no_chrome("CI" in os.environ)


@pytest.fixture
def site(tmp_path):
    """The folder of a site that has been built."""
    (tmp_path / "book").mkdir()
    (tmp_path / "_static").mkdir()
    (tmp_path / "index.html").write_text("the book")
    (tmp_path / "_static/style.css").write_text("p {}")
    marks = [
        f'<p class="take-away" data-form="{name}">{take_away.said(name, [])}</p>'
        for name in FORMS
    ]
    (tmp_path / PAGE).write_text("\n".join(marks))
    return tmp_path


def forms_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"{FOLDER}/*"))


# --- the page that lists them --------------------------------------------------------


def dead_links(page: str, folder: Path) -> list[str]:
    """Links to forms that are not there."""
    links = re.findall(rf'href="\.\./({FOLDER}/[^"]+)"', page)
    return [link for link in links if not (folder / link).is_file()]


def test_a_form_is_listed_when_it_is_there_and_else_the_command(site):
    (site / FOLDER).mkdir()
    (site / FOLDER / "book.pdf").write_bytes(b"x" * 2_340_000)
    os.utime(site / FOLDER / "book.pdf", (1.8e9, 1.8e9))
    take_away.show(site)
    page = (site / PAGE).read_text()
    assert (
        'data-form="pdf"><a href="../take_away/book.pdf" download>book.pdf</a> (2.3 MB, 15 January 2027)<'
        in page
    )
    assert "<code>make epub</code>" in page
    assert "<code>make pdf</code>" not in page
    assert dead_links(page, site) == []
    (site / FOLDER / "book.pdf").unlink()
    assert dead_links(page, site) == ["take_away/book.pdf"]
    take_away.show(site)  # what is gone is no longer listed
    assert "<code>make pdf</code>" in (site / PAGE).read_text()


def test_the_books_page_has_every_form_as_the_tool_would_write_it():
    page = (ROOT / "book/take_away.md").read_text(encoding="utf-8")
    assert re.findall(r'data-form="(\w+)"', page) == ["zip", "pdf", "epub", "dist"]
    assert take_away.listed(page, []) == page


def test_every_form_has_a_command_and_is_published():
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in FORMS:
        assert f"\n{name}: $(VENV)/test.stamp  ## " in rules
        assert f"tools.take_away {name}\n" in rules
    flow = yaml.safe_load((ROOT / ".github/workflows/pages.yml").read_text())
    steps = [
        step.get("run", step.get("uses")) for step in flow["jobs"]["build"]["steps"]
    ]
    made = steps.index("make take-away")
    assert any("upload-pages-artifact" in step for step in steps[made:])


# --- the site as an archive ----------------------------------------------------------


def test_the_archive_holds_the_site_once_and_the_package(site):
    (site / FOLDER).mkdir()
    for name in ("book.pdf", "book.epub", "book.whl", ".book.pdf.part"):
        (site / FOLDER / name).write_text(name)
    take_away.write_zip(site)
    archive = zipfile.ZipFile(site / FOLDER / f"{NAME}.zip")
    assert archive.namelist() == [
        f"{NAME}/{name}"
        for name in ("_static/style.css", PAGE, "index.html", f"{FOLDER}/book.whl")
    ]
    page = archive.read(f"{NAME}/{PAGE}").decode()
    assert f"../{FOLDER}/book.whl" in page
    assert "<code>make pdf</code>" in page  # it is not in the archive
    assert 'data-form="zip">This is what you are reading.</p>' in page
    archive.extractall(site / "unpacked")
    assert dead_links(page, site / "unpacked" / NAME) == []


def test_the_same_site_makes_the_same_archive(site):
    archive = site / FOLDER / f"{NAME}.zip"
    take_away.write_zip(site)
    first = archive.read_bytes()
    os.utime(site / "index.html", (1e9, 1e9))
    take_away.write_zip(site)  # the first is not packed into the second
    assert archive.read_bytes() == first
    (site / "index.html").write_text("another book")
    take_away.write_zip(site)
    assert archive.read_bytes() != first


# --- whole or not at all -------------------------------------------------------------


def fail_half_way(path: Path, error: BaseException) -> None:
    with take_away.whole(path) as part:
        part.write_text("half")
        raise error


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "The disk is full.*book.pdf was not written: make room and run"),
        (errno.EACCES, "book.pdf cannot be written: close it where it is open"),
        (errno.EROFS, "get the right to write into its folder"),
        (errno.EIO, r"book.pdf was not written \(Input/output error\)"),
    ],
)
def test_what_fails_leaves_the_old_file_and_says_what_to_do(number, sentence, tmp_path):
    path = tmp_path / "book.pdf"
    path.write_text("old")
    with pytest.raises(SystemExit, match=sentence):
        fail_half_way(path, OSError(number, os.strerror(number)))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_open_elsewhere_is_said_to_be(monkeypatch, tmp_path):
    def refuse(old, new):
        raise PermissionError(errno.EACCES, "used by another process")

    monkeypatch.setattr(take_away.os, "replace", refuse)
    with (
        pytest.raises(SystemExit, match="close it where it is open"),
        take_away.whole(tmp_path / "a") as part,
    ):
        part.touch()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_named(site):
    (site / FOLDER).write_text("in the way")
    with pytest.raises(SystemExit, match=f"{FOLDER} is a file where a folder is"):
        take_away.write_zip(site)


@pytest.mark.parametrize("name", ["zip", "pdf", "epub"])
def test_a_full_disk_leaves_no_archive(name, site, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(take_away, "pdf", lambda site, root: b"a book")
    monkeypatch.setattr(take_away, "epub", full)
    monkeypatch.setattr(take_away.zipfile.ZipFile, "writestr", full)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SystemExit, match="The disk is full"):
        FORMS[name](site)
    assert forms_in(site) == []


def test_an_interrupted_run_leaves_nothing_half_written(site, monkeypatch):
    def interrupt(site, root):
        raise KeyboardInterrupt

    monkeypatch.setattr(take_away, "ask_for_chrome", lambda: None)
    monkeypatch.setattr(take_away, "used", lambda: contextlib.nullcontext(site))
    monkeypatch.setattr(take_away, "pdf", interrupt)
    with pytest.raises(SystemExit, match="Nothing was left half-written: run the same"):
        take_away.main(["pdf"])
    assert forms_in(site) == []


def test_an_unknown_form_gets_the_nearest():
    with pytest.raises(
        SystemExit, match="There is no form pfd: the nearest is pdf, all"
    ):
        take_away.main(["zip", "pfd"])


@pytest.mark.parametrize("names", [["pdf"], ["epub"], []])
def test_without_a_browser_nothing_is_begun(names, monkeypatch):
    monkeypatch.setattr(browser, "find_chrome", lambda playwright: None)
    monkeypatch.setattr(take_away, "used", lambda: pytest.fail("the site is built"))
    with pytest.raises(SystemExit, match="apt-get install chromium"):
        take_away.main(names)


def test_the_archive_has_the_package_made_and_the_site_to_itself(site, monkeypatch):
    made = []

    def note(name):
        with pytest.raises(Timeout):
            FileLock(site / "_build.lock").acquire(timeout=0)
        made.append(name)
        (site / FOLDER).mkdir(exist_ok=True)
        (site / FOLDER / "book.whl").touch()

    @contextlib.contextmanager
    def used():
        monkeypatch.setattr(site_tool, "fingerprint", lambda root: "the same")
        monkeypatch.setattr(
            site_tool, "jupyter_book", lambda *_: (site / "_build").mkdir()
        )
        with site_tool.used(site):
            yield site

    monkeypatch.setattr(take_away, "used", used)
    for name in FORMS:
        monkeypatch.setitem(FORMS, name, lambda site, name=name: note(name))
    take_away.main(["zip"])
    assert made == ["dist", "zip"]
    take_away.main(["zip"])  # the package is there
    assert made == ["dist", "zip", "zip"]


def test_without_a_browser_it_says_which_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(browser, "find_chrome", lambda playwright: None)
    with (
        pytest.raises(SystemExit, match="apt-get install chromium"),
        browser.opened(tmp_path, ""),
    ):
        pass


def test_a_browser_that_does_not_start_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(
        browser, "find_chrome", lambda playwright: shutil.which("false")
    )
    with (
        pytest.raises(SystemExit, match=r"false stopped: .*\n.*run the same command"),
        browser.opened(tmp_path, ""),
    ):
        pass


# --- the package ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The folder of wheel and source archive."""
    site = tmp_path_factory.mktemp("package")
    take_away.write_dist(site)
    return site / FOLDER


def test_the_wheel_holds_the_package_and_what_its_notebooks_read(package):
    (wheel,) = package.glob("ai_safety_alignment_tested-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "companion",
        "ai_safety_alignment_tested",
    }
    shipped = {
        name.removeprefix("companion/")
        for name in names
        if name.startswith("companion/")
    }
    own = {
        path.relative_to(ROOT / "companion").as_posix()
        for path in (ROOT / "companion").rglob("*")
        if path.suffix in (".py", ".typed", ".toml")
    }
    read = {path.relative_to(ROOT).as_posix() for path in LESSONS} | {
        "book/source_document.md"
    }
    assert shipped == own | {f"in_book/{name}" for name in read}


def test_the_source_archive_builds_and_has_its_licence(package):
    (archive,) = package.glob("*.tar.gz")  # the wheel was built from it
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "companion/mdp.py"} <= names


def test_the_wheel_alone_shows_a_record(package, tmp_path):
    (wheel,) = package.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    (tmp_path / "elsewhere").mkdir()
    code = "from companion.lesson import recorded; print(recorded('robustness/redundancy'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "elsewhere",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("Recorded on 20"), done.stderr


# --- the PDF -------------------------------------------------------------------------

CHAPTER = """<section id="chapter"><h1>Chapter</h1><p>Of <a href="../notebooks/a.html#place">a place</a>,
<a href="../search.html">the search</a> and <a href="https://example.org/">others</a>.</p></section>"""
LESSON = """<section id="lesson"><h1>Lesson<a class="headerlink" href="#lesson">#</a></h1><p>What it is about.</p>
<div class="cell fold-code"><details class="hide"><summary>Show</summary><pre>plot_it()</pre></details>
<div class="cell_output"><figure><img src="../logo.svg" alt="a square"></figure></div></div>
<section id="place"><h2>Place</h2><table><tr>CELLS</tr></table></section>
<section id="check-yourself"><h2>Check yourself</h2><p><strong>1.</strong> Is it so?</p>
<details><summary>Yes.</summary><p><strong>Right.</strong> Hidden verdict.</p></details>
<details><summary>No.</summary><p><strong>Not so.</strong> It is.</p></details></section>
<section id="exercise-1-count"><h2>Exercise 1: count</h2><p>Count.</p>
<div class="cell fold-solution"><details class="hide"><summary>Show</summary>
<div class="cell_input"><pre>solution = 3</pre></div></details></div></section>
</section>""".replace(
    "CELLS", "".join(f"<td><code>wide_{n}</code></td>" for n in range(40))
)


@pytest.fixture(scope="module")
def small_site(tmp_path_factory):
    """The site of a small book."""
    root = tmp_path_factory.mktemp("printed")
    (root / "_config.yml").write_text("{title: A Small Book, author: Somebody}")
    (root / "_toc.yml").write_text(
        "{root: book/index, parts: [{chapters: [{file: book/chapter, sections: "
        "[{file: notebooks/a}]}]}]}"
    )
    for name, body in {
        "book/index": "<section><h1>Preface</h1><p>Words.</p></section>",
        "book/chapter": CHAPTER,
        "notebooks/a": LESSON,
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        text = f'<nav>left out</nav><article class="bd-article">{body}</article>'
        (root / f"{name}.html").write_text(text, encoding="utf-8")
    return root


def printed_pages(root: Path) -> PdfReader:
    return PdfReader(io.BytesIO(pdf.pdf(root, root)))


@pytest.fixture(scope="module")
def printed(chrome, small_site):
    """The PDF of a small book."""
    return printed_pages(small_site)


def bookmarks(
    reader: PdfReader, entries: list, depth: int = 0
) -> list[tuple[int, str, int]]:
    """The outline: depth, title, page."""
    found = []
    for entry in entries:
        if isinstance(entry, list):
            found += bookmarks(reader, entry, depth + 1)
        else:
            found.append(
                (depth, entry.title, reader.get_destination_page_number(entry) + 1)
            )
    return found


def page_of(reader: PdfReader, words: str) -> list[int]:
    return [
        n
        for n, page in enumerate(reader.pages, 1)
        if words in " ".join(page.extract_text().split())
    ]


def addresses(reader: PdfReader) -> list[str]:
    """Where the links go that leave the PDF."""
    links = [
        link.get_object() for page in reader.pages for link in page.get("/Annots", [])
    ]
    return [link["/A"]["/URI"] for link in links if "/URI" in link.get("/A", {})]


def contents_faults(reader: PdfReader) -> list[str]:
    """Bookmarks of pages whose number in the contents is another."""
    said = " ".join(reader.pages[1].extract_text().split())
    marks = [m for m in bookmarks(reader, reader.outline) if m[2] > 2]
    firsts = {page: title for _, title, page in reversed(marks)}
    return [title for page, title in firsts.items() if f"{title} {page}" not in said]


def test_the_bookmarks_nest_and_the_contents_say_the_pages(printed):
    marks = bookmarks(printed, printed.outline)
    assert [mark[:2] for mark in marks] == [
        (0, "Contents"),
        (0, "Preface"),
        (0, "Chapter"),
        (1, "Lesson"),
        (2, "Place"),
        (2, "Check yourself"),
        (2, "Exercise 1: count"),
        (0, "Answers and solutions"),
        (1, "Lesson"),
        (2, "Check yourself"),
        (2, "Exercise 1: count"),
    ]
    assert contents_faults(printed) == []
    assert page_of(printed, "A Small Book")[0] == 1


def test_a_wrong_number_in_the_contents_is_seen(printed, monkeypatch):
    monkeypatch.setattr(
        printed.pages[1].__class__, "extract_text", lambda page: "Contents Preface 4"
    )
    assert "Preface" in contents_faults(printed)


def test_answers_stand_at_the_end_and_pages_lead_there_and_back(printed):
    last = len(printed.pages)
    for words in ("Hidden verdict", "solution = 3"):
        assert page_of(printed, words) == [last]
    (lesson,) = page_of(printed, "Is it so?")
    assert lesson < last
    assert page_of(printed, f"Solution: page {last}") == [lesson]
    assert page_of(printed, f"Exercise: page {lesson}") == [last]
    assert page_of(printed, "plot_it") == []


def test_links_stay_inside_and_each_page_has_its_running_head(printed):
    assert addresses(printed) == ["https://example.org/"]
    (lesson,) = page_of(printed, "What it is about")
    assert printed.pages[lesson - 1].extract_text().split().count("Chapter") == 1


def test_a_wide_table_fits_the_paper(printed, small_site, monkeypatch):
    assert len(page_of(printed, "wide_39")) == 1
    monkeypatch.setattr(pdf, "FIT", "() => {}")
    assert (
        page_of(printed_pages(small_site), "wide_39") == []
    )  # what the paper does not hold is not printed


def test_an_old_browser_is_told_so(chrome, monkeypatch, tmp_path):
    monkeypatch.setattr(pdf, "OLDEST", 10_000)
    monkeypatch.setattr(pdf, "whole", lambda site, root: "")
    with pytest.raises(SystemExit, match="needs 10000 or newer: bring it up to date"):
        pdf.pdf(tmp_path, tmp_path)


# --- the EPUB ------------------------------------------------------------------------

CONFIG = """{title: A Small Book, author: Somebody, copyright: "2026", only_build_toc_files: true,
  exclude_patterns: [_build], html: {use_issues_button: false},
  parse: {myst_enable_extensions: [amsmath, dollarmath]},
  sphinx: {extra_extensions: [sphinx-mathjax-offline], local_extensions: {}, config: {html_theme: epub}}}"""


@pytest.fixture(scope="module")
def small_epub(chrome, tmp_path_factory):
    """The EPUB of a small book."""
    root = tmp_path_factory.mktemp("small")
    (root / "_config.yml").write_text(CONFIG)
    (root / "_toc.yml").write_text(
        "{format: jb-book, root: book/index, parts: [{chapters: [{file: book/one, "
        "sections: [{file: notebooks/a}]}]}]}"
    )
    for name, text in {
        "book/index": "# Preface\n\nWords.\n",
        "book/one": '# One\n\n<svg viewBox="0 0 9 9" role="group"><a href="#x"><text>b</text></a></svg>'
        "\n\n"
        '<p id="x">Raw <a href="../notebooks/a.html#two">HTML</a>,<br>unclosed.</p>\n',
        "notebooks/a": "# Lesson\n\nSo $x < \\frac{1}{2}$.\n\n## Two\n\n$$a^2$$\n",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / f"{name}.md").write_text(text)
    target = root / "book.epub"
    epub.epub(root, target)
    return target


def epubcheck(path: Path) -> list[str]:
    """What epubcheck finds."""
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    command = ["java", *quick, "-jar", CHECKER, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    return re.findall(
        r"^(?:ERROR|FATAL|WARNING).*", done.stdout + done.stderr, re.MULTILINE
    )


CHECKER = shutil.which("epubcheck") or "/usr/share/java/epubcheck.jar"
CHECKED = pytest.mark.skipif(
    not (shutil.which("java") and Path(CHECKER).is_file()),
    reason="there is no epubcheck; install it: apt-get install epubcheck (Debian, Ubuntu)",
)


@CHECKED
def test_epubcheck_finds_nothing_to_mend(small_epub):
    assert epubcheck(small_epub) == []


@CHECKED
def test_epubcheck_finds_a_fault(small_epub, tmp_path):
    broken = tmp_path / "broken.epub"
    with zipfile.ZipFile(small_epub) as old, zipfile.ZipFile(broken, "w") as new:
        for entry in old.infolist():
            if not entry.filename.endswith("one.xhtml"):
                new.writestr(entry, old.read(entry))
    assert any("one.xhtml" in fault for fault in epubcheck(broken))


def test_formulas_of_the_epub_are_mathml_and_its_links_lead_to_its_pages(small_epub):
    archive = zipfile.ZipFile(small_epub)
    assert archive.infolist()[0].filename == "mimetype"
    assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
    page = archive.read("notebooks/a.xhtml").decode()
    assert "<mfrac>" in page
    assert "frac{" not in page
    assert '"../notebooks/a.xhtml#two"' in archive.read("book/one.xhtml").decode()
    for name in archive.namelist():
        if name.endswith((".xhtml", ".opf", ".ncx")):
            ElementTree.fromstring(archive.read(name))
    listed = archive.read("content.opf").decode()
    assert re.search(r'href="notebooks/a.xhtml"[^>]*properties="mathml"', listed)
    assert not re.search(r'href="book/one.xhtml"[^>]*properties="mathml"', listed)


def test_an_epub_that_sphinx_refuses_says_why(tmp_path):
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "_toc.yml").write_text("{format: jb-book, root: gone}")
    with pytest.raises(SystemExit, match=r"gone[\s\S]*The EPUB was not built"):
        epub.sphinx(tmp_path, tmp_path)


def test_an_epub_has_no_address(tmp_path):
    (tmp_path / "_config.yml").write_text(
        CONFIG.replace("html: {", "html: {baseurl: https://example.org, ")
    )
    assert epub.settings(tmp_path)["html"]["baseurl"] == ""
