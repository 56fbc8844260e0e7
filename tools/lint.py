"""Static checks: style, types, docstrings.  The notebook pairs are checked with the tests, which this calls."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = {
    "ruff": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy"],
    "numpydoc": [
        "-m",
        "numpydoc",
        "lint",
        *[str(p) for p in sorted((ROOT / "companion").rglob("*.py"))],
    ],
    "notebook pairs": ["-m", "pytest", "-q", "tests/test_notebooks.py"],
}


def failures() -> list[str]:
    """Run every check, print what it finds, and return the names of those that failed."""
    return [
        name
        for name, arguments in CHECKS.items()
        if subprocess.call([sys.executable, *arguments], cwd=ROOT)
    ]


if __name__ == "__main__":
    failed = failures()
    sys.exit(f"Mend what is listed above: {', '.join(failed)}." if failed else None)
