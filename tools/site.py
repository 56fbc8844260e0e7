"""Build the whole site in _build/html; every warning is an error.  Prints where to open it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build() -> Path:
    """Run Jupyter Book and return the site's folder.

    Raises
    ------
    SystemExit
        With Jupyter Book's own output, if it fails or warns.
    """
    command = [
        sys.executable,
        "-m",
        "jupyter_book.cli.main",
        "build",
        ".",
        "-W",
        "-n",
        "--keep-going",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        lines = [
            line
            for line in (done.stdout + done.stderr).splitlines()
            if "WARNING" in line or "ERROR" in line
        ]
        sys.exit(
            "\n".join(lines or (done.stdout + done.stderr).splitlines()[-40:])
            + "\nThe site was not built."
        )
    return ROOT / "_build" / "html"


if __name__ == "__main__":
    print("Building the site ...", flush=True)
    print(f"The book is ready. Open {build() / 'index.html'}")
