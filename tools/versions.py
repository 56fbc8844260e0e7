"""Try the book with other versions than the pinned: ``python -m tools.versions lowest``, or ``newest``.

lowest: the lowest version of everything that pyproject.toml states for the package and the notebooks, all else as
pinned.  The unit tests and the examples of the docstrings must pass, or a stated bound is wrong.

newest: whatever pip finds today.  The unit tests run, the notebooks are replayed, and the cells are listed whose
printed outputs moved.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tools import install
from tools.portable import unit_tests

ROOT = Path(__file__).resolve().parent.parent


def lowest(project: str, pins: str) -> str:
    """Return the pins, with the lowest stated version of what the package and its notebooks need."""
    stated = tomllib.loads(project)["project"]
    needed = stated["dependencies"] + stated["optional-dependencies"]["notebooks"]
    pinned = dict(line.split("==") for line in pins.splitlines() if "==" in line)
    for requirement in needed:
        match = re.fullmatch(r"([\w-]+)>=([\d.]+)(,.*)?", requirement)
        if match is None:
            sys.exit(f'pyproject.toml: write "{requirement}" as "name>=lowest".')
        pinned[match[1]] = match[2]
    return "".join(f"{name}=={version}\n" for name, version in pinned.items())


def environment(which: str) -> str:
    """Make the environment afresh, because the newest versions change; return its Python."""
    constraints = ROOT / "_build" / f"{which}.txt"
    constraints.parent.mkdir(exist_ok=True)
    project, pins = (
        (ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt")
    )
    constraints.write_text(lowest(project, pins) if which == "lowest" else "")
    folder = str(ROOT / f".venv-{which}")
    shutil.rmtree(folder, ignore_errors=True)
    install.main(folder, "test", str(constraints))
    return install.python_of(folder)


def failed_cells(report: str) -> str:
    """Condense what pytest reports of notebooks to a line for each: the lesson, and the cells that failed."""
    found: dict[str, list[str]] = {}
    for lesson, cell in re.findall(
        r"^(?:FAILED|ERROR) notebooks/(\S+)\.ipynb::.*?Cell (\d+)", report, re.MULTILINE
    ):
        found.setdefault(lesson, []).append(cell)
    return "".join(
        f"{lesson}: cell {', '.join(cells)}\n" for lesson, cells in found.items()
    )


def replay(python: str) -> bool:
    """Replay the notebooks and list the cells whose outputs moved; say whether none did."""
    print("Replaying the notebooks (some minutes) ...", flush=True)
    command = [python, "-m", "pytest", "-n", "2", "-q", "--tb=no", "-rfE", "notebooks"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    moved = failed_cells(done.stdout)
    print(f"Outputs that moved:\n{moved}" if moved else done.stdout)
    return done.returncode == 0


def main(which: str) -> None:
    """Test with the lowest or with the newest versions; end with what to do where something fails."""
    python = environment(which)
    command = [python, "-m", "pytest", "-n", "2", "-q", *unit_tests()]
    passed = subprocess.call(command, cwd=ROOT) == 0
    if which == "lowest" and not passed:
        sys.exit(
            "A version that pyproject.toml states is too low for what failed above: raise it to the lowest that "
            "passes, or write the code so that it works with both."
        )
    if which == "newest" and not (replay(python) and passed):
        sys.exit(
            "A newer version changes what is listed above. Who installs by constraints.txt does not notice: mend "
            "the code if it must change, pin the new version there, and run make notebooks."
        )


if __name__ == "__main__":
    if sys.argv[1:] not in (["lowest"], ["newest"]):
        sys.exit("Say which versions: make lowest, or make newest.")
    main(sys.argv[1])
