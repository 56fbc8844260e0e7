"""Build the whole site in _build/html; every warning is an error.  Prints where to open it."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    "_config.yml",
    "_toc.yml",
    "constraints.txt",
    "book/**/*",
    "companion/**/*.py",
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


def build(root: Path = ROOT) -> Path:
    """Run Jupyter Book unless nothing has changed, and return the site's folder.

    A change builds all pages afresh.  Sphinx by itself would keep what was made from other pages (the navigation,
    the numbers of citations, styles, removed pages), and pass over the warnings of a page it has read once.

    Parameters
    ----------
    root : Path
        The folder of _config.yml.

    Returns
    -------
    Path
        Where index.html is.

    Raises
    ------
    SystemExit
        With Jupyter Book's own warnings and errors, if there are any.
    """
    output = root / "_build"
    home, stamp = output / "html" / "index.html", output / "sources.sha256"
    now = fingerprint(root)
    if home.is_file() and stamp.is_file() and stamp.read_text() == now:
        return home.parent
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", ".", "-W", "-n"]
    done = subprocess.run(
        [*command, "--keep-going"],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode or not home.is_file():
        said = (done.stdout + done.stderr).splitlines()
        faults = [line for line in said if "WARNING" in line or "ERROR" in line]
        sys.exit("\n".join(faults or said[-40:]) + "\nThe site was not built.")
    stamp.write_text(now)
    return home.parent


if __name__ == "__main__":
    print("Building the site ...", flush=True)
    print(f"The book is ready. Open {build() / 'index.html'}")
