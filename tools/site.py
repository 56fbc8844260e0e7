"""Build the whole site in _build/html; every warning is an error.  Prints where to open it."""

import contextlib
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    "_config.yml",
    "_toc.yml",
    "constraints.txt",
    "book/**/*",
    "companion/**/*.py",
    "companion/**/*.toml",
    "evidence/*/*.json",
    "evidence/summary.py",
    "notebooks/**/*.ipynb",
    "tests/*/test_*.py",
]
# The command's own script, not `python -m`: run as a module, Jupyter Book does nothing and reports success.
JUPYTER_BOOK = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"


def fingerprint(root: Path) -> str:
    """Return a hash of everything that the site is made of."""
    digest = hashlib.sha256()
    for path in sorted({path for name in SOURCES for path in root.glob(name)}):
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(
            path.parts
        ):
            digest.update(f"{path.relative_to(root)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def jupyter_book(root: Path, what: str, made: Path, *options: str) -> None:
    """Let Jupyter Book make what is named; every warning is an error, said without colours."""
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", ".", "-W", "-n", *options]
    done = subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode or not made.is_file():
        said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr).splitlines()
        faults = [line for line in said if "WARNING" in line or "ERROR" in line]
        sys.exit("\n".join(faults or said[-40:]) + f"\n{what} was not built.")


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Wait until no other command uses the site, and keep the others from it meanwhile."""
    # Beside the folder, because a build removes all that is in it.
    lock = FileLock(root / "_build.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("Another command is using the site; waiting for it ...", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def used(root: Path = ROOT) -> Iterator[Path]:
    """Run Jupyter Book unless nothing has changed, and give the site's folder, which no other command touches.

    A change builds all pages afresh.  Sphinx by itself would keep what was made from other pages (the navigation,
    the numbers of citations, styles, removed pages), and pass over the warnings of a page it has read once.

    Parameters
    ----------
    root : Path
        The folder of _config.yml.

    Yields
    ------
    Path
        Where index.html is.

    Raises
    ------
    SystemExit
        With Jupyter Book's own warnings and errors, if there are any.
    """
    output = root / "_build"
    home, stamp = output / "html" / "index.html", output / "sources.sha256"
    with alone(root):
        now = fingerprint(root)
        if not (home.is_file() and stamp.is_file() and stamp.read_text() == now):
            print("Building the site (one to three minutes) ...", flush=True)
            shutil.rmtree(output, ignore_errors=True)
            jupyter_book(root, "The site", home, "--keep-going")
            stamp.write_text(now)
        yield home.parent


def build(root: Path = ROOT) -> Path:
    """Bring the site up to date, and return its folder."""
    with used(root) as site:
        return site


if __name__ == "__main__":
    print(f"The book is ready. Open {build() / 'index.html'}")
