"""The book's forms to take along: ``python -m tools.take_away [zip] [pdf] [epub] [dist]``; without a name, all.

They lie in the site's folder take_away/, and its page *Take it along* links to them wherever the site is.  What is
not there is no dead link: the page says the command.  A form appears under its name only when it is whole.
"""

import contextlib
import datetime
import difflib
import errno
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tools.browser import ask_for_chrome
from tools.epub import epub
from tools.pdf import pdf
from tools.site import ROOT, used

FOLDER, PAGE = "take_away", "book/take_away.html"
NAME = "ai-safety-and-alignment-tested"
# What the package is built from, and what notebooks read of the book (companion.lesson.in_book).
SOURCES = ["pyproject.toml", "README.md", "LICENSE", "companion/**/*"]
READ = ["evidence/*/*.json", "book/source_document.md"]
SETUPTOOLS = (
    "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"
)


# --- whole or not at all ------------------------------------------------------------


def advice(error: OSError, path: Path) -> str:
    """Say why a file could not be written, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full, and {path.name} was not written: make room and run the same command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY):
        return (
            f"{path} cannot be written: close it where it is open, or get the right to write into its folder, and "
            "run the same command again."
        )
    if error.errno == errno.EEXIST:
        return f"{error.filename} is a file where a folder is needed: move it away and run the same command again."
    return f"{path} was not written ({error.strerror or error}): see to that and run the same command again."


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give another name to write under, and put what was written in its place only when it is all there.

    Parameters
    ----------
    path : Path
        The file that is to appear, or to be replaced.

    Yields
    ------
    Path
        A name in the same folder.

    Raises
    ------
    SystemExit
        Where it cannot be written; the file is then as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        sys.exit(advice(error, path))
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


# --- what the page shows ------------------------------------------------------------


def form(path: Path) -> str:
    """Return the command that makes a file; empty for what is none of the forms."""
    kinds = {
        ".zip": "zip",
        ".pdf": "pdf",
        ".epub": "epub",
        ".whl": "dist",
        ".gz": "dist",
    }
    return "" if path.name.startswith(".") else kinds.get(path.suffix, "")


def said(name: str, paths: Iterable[Path]) -> str:
    """Return what the page says of a form: its files with size and date, or the command that makes it."""
    links = []
    for path in sorted(path for path in paths if form(path) == name):
        file, about = html.escape(path.name), path.stat()
        date = datetime.date.fromtimestamp(about.st_mtime)
        links.append(
            f'<a href="../{FOLDER}/{file}" download>{file}</a> '
            f"({about.st_size / 1e6:.1f} MB, {date.day} {date:%B %Y})"
        )
    return "<br>".join(links) or f"In a clone of the book: <code>make {name}</code>"


def listed(page: str, paths: Iterable[Path]) -> str:
    """Return the page with the files that are there."""
    mark, paths = r'(<p class="take-away" data-form="(\w+)">).*?(?=</p>)', list(paths)
    return re.sub(mark, lambda m: m[1] + said(m[2], paths), page, flags=re.DOTALL)


def show(site: Path) -> None:
    """Let the site's page list the forms that are there."""
    page = site / PAGE
    text = listed(page.read_text(encoding="utf-8"), (site / FOLDER).glob("*"))
    with whole(page) as part:
        part.write_text(text, encoding="utf-8")


# --- the forms ----------------------------------------------------------------------


def write_zip(site: Path) -> None:
    """Pack the site; of the other forms the package alone, which is small and which its notebooks need."""
    here = site / FOLDER
    carried = [path for path in here.glob("*") if form(path) == "dist"]
    carried += [p for p in site.rglob("*") if p.is_file() and here not in p.parents]
    with (
        whole(here / f"{NAME}.zip") as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
    ):
        for path in sorted(carried):
            content, name = path.read_bytes(), path.relative_to(site).as_posix()
            if name == PAGE:
                page = listed(content.decode(), carried)
                page = page.replace(said("zip", []), "This is what you are reading.")
                content = page.encode()
            # With the date that ZipInfo has by itself, so that the same site makes the same archive.
            entry = zipfile.ZipInfo(f"{NAME}/{name}")
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def write_pdf(site: Path) -> None:
    """Print the book."""
    with whole(site / FOLDER / f"{NAME}.pdf") as part:
        part.write_bytes(pdf(site, ROOT))


def write_epub(site: Path) -> None:
    """Let Sphinx make the EPUB."""
    with whole(site / FOLDER / f"{NAME}.epub") as part:
        epub(ROOT, part)


def lay_out(folder: Path) -> None:
    """Copy what the package is built from, and into it what its notebooks read."""
    for names, target in ((SOURCES, folder), (READ, folder / "companion" / "in_book")):
        for path in [path for name in names for path in ROOT.glob(name)]:
            if path.is_dir() or "__pycache__" in path.parts:
                continue
            copy = target / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def built(kind: str, source: Path, folder: Path) -> Path:
    """Let setuptools build a wheel or a source archive."""
    command = [sys.executable, "-c", SETUPTOOLS.format(kind), str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    if done.returncode:
        sys.exit(
            f"{done.stderr}\nThe package could not be built, for the reason above: mend that, or make room on the "
            "disk, and run the same command again."
        )
    (path,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return path


def write_dist(site: Path) -> None:
    """Build the source archive, and from that the wheel, which shows that nothing is missing in it."""
    with tempfile.TemporaryDirectory() as temporary:
        source, folder = Path(temporary) / "source", Path(temporary) / "dist"
        lay_out(source)
        archive = built("sdist", source, folder)
        shutil.unpack_archive(archive, temporary, filter="data")
        wheel = built(
            "wheel", Path(temporary) / archive.name.removesuffix(".tar.gz"), folder
        )
        for path in (archive, wheel):
            with whole(site / FOLDER / path.name) as part:
                shutil.copyfile(path, part)


# The site's archive comes last, because it carries the package.
FORMS: dict[str, Callable[[Path], None]] = {
    "dist": write_dist,
    "pdf": write_pdf,
    "epub": write_epub,
    "zip": write_zip,
}
BROWSER = {"pdf", "epub"}  # what needs one


def main(names: list[str]) -> None:
    """Make the named forms, or all, and list them on the page."""
    for name in names:
        if name not in FORMS:
            near = difflib.get_close_matches(name, FORMS, n=1, cutoff=0)[0]
            sys.exit(
                f"There is no form {name}: the nearest is {near}, all are {', '.join(FORMS)}."
            )
    wanted = set(names or FORMS)
    try:
        if wanted & BROWSER:
            ask_for_chrome()
        with used() as site:
            if "zip" in wanted and not any(site.glob(f"{FOLDER}/*.whl")):
                wanted.add("dist")
            for name in [name for name in FORMS if name in wanted]:
                print(f"Making the {name} ...", flush=True)
                FORMS[name](site)
            show(site)
    except KeyboardInterrupt:
        sys.exit(
            "\nInterrupted. Nothing was left half-written: run the same command again."
        )
    print(f"What you can take along lies in {site / FOLDER}")


if __name__ == "__main__":
    main(sys.argv[1:])
