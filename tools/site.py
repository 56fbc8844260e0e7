"""Build the whole site in _build/html; every warning is an error.  Prints where to open it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The command's own script, not `python -m`: run as a module, Jupyter Book does nothing and reports success.
JUPYTER_BOOK = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
# What all pages depend on: Sphinx by itself leaves the navigation and the styles of unchanged pages as they were.
OF_ALL_PAGES = [
    "_config.yml",
    "_toc.yml",
    "book/references.bib",
    "book/_ext/*.py",
    "book/_static/*",
]


def build(root: Path = ROOT) -> Path:
    """Run Jupyter Book and return the site's folder.

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
    stamp = root / "_build" / "built"
    sources = [path for name in OF_ALL_PAGES for path in root.glob(name)]
    built = stamp.stat().st_mtime if stamp.exists() else 0.0
    # Sphinx reads a page once: after a build that failed, a second one would not repeat the warnings, and pass.
    afresh = any(path.stat().st_mtime > built for path in sources)
    stamp.unlink(missing_ok=True)
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", ".", "-W", "-n"]
    done = subprocess.run(
        [*command, "--keep-going", *(["--all"] if afresh else [])],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    home = root / "_build" / "html" / "index.html"
    if done.returncode or not home.is_file():
        output = (done.stdout + done.stderr).splitlines()
        faults = [line for line in output if "WARNING" in line or "ERROR" in line]
        sys.exit("\n".join(faults or output[-40:]) + "\nThe site was not built.")
    stamp.touch()
    return home.parent


if __name__ == "__main__":
    print("Building the site ...", flush=True)
    print(f"The book is ready. Open {build() / 'index.html'}")
