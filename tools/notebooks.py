"""Run every notebook afresh and record its outputs: ``python -m tools.notebooks [CHAPTER/LESSON ...]``.

A notebook is written as ``.py`` (jupytext, py:percent) and recorded as ``.ipynb``.  The first cell of each is the
same and comes from here; it carries the repository's address from _config.yml.
"""

import concurrent.futures
import json
import multiprocessing
import os
import sys
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient

from tools.names import refuse_unknown

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"

FIRST_CELL_WITHOUT_ADDRESS = """\
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion"""

FIRST_CELL = """\
# On Colab or Binder this fetches the book, once; in a clone where `make lab` has run it does nothing.
import importlib.util

if importlib.util.find_spec("companion") is None:
    get_ipython().system("git clone -q --depth 1 --branch {branch} {url} book")
    get_ipython().system("pip install -q './book[notebooks]'")
    get_ipython().run_line_magic("cd", "-q book/notebooks/{folder}")
    importlib.invalidate_caches()"""


def first_cell(path: Path) -> str:
    """Return the first code cell that the notebook at `path` must have."""
    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))[
        "repository"
    ]
    if not repository["url"]:
        return FIRST_CELL_WITHOUT_ADDRESS
    folder = path.parent.relative_to(FOLDER).as_posix()
    return FIRST_CELL.format(
        url=repository["url"], branch=repository["branch"], folder=folder
    )


def cpu_seconds(path: Path) -> float:
    """Return the CPU seconds that a notebook took when it was recorded; infinite if they are not in it."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return float(notebook["metadata"].get("cpu_seconds", "inf"))


def record(path: Path) -> float:
    """Stamp the first cell, run the notebook, write both halves of the pair; return the CPU seconds it took.

    CPU seconds of the kernel and of the programs it ran, because the clock on the wall also counts other work.
    """
    notebook = jupytext.read(path)
    install = next(cell for cell in notebook.cells if cell.cell_type == "code")
    install.source = first_cell(path)
    jupytext.write(notebook, path, fmt="py:percent")
    before = os.times()
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        # The usual traceback writes absolute paths into the output.
        extra_arguments=["--InteractiveShell.xmode=Minimal"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    after = os.times()  # the kernel has ended, so its time is among the children's
    seconds = sum(after[2:4]) - sum(before[2:4])
    for number, cell in enumerate(notebook.cells):
        cell["id"] = (
            f"cell-{number:03d}"  # a stable name, so that a new recording shows only what changed
        )
    # The kernel writes its exact version here, which is no part of the lesson; the site needs the language alone.
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["cpu_seconds"] = round(seconds, 1)
    nbformat.write(notebook, path.with_suffix(".ipynb"))
    return seconds


def main(lessons: list[str]) -> None:
    """Record the named notebooks, or all."""
    known = {
        path.relative_to(FOLDER).with_suffix("").as_posix(): path
        for path in sorted(FOLDER.rglob("*.py"))
    }
    refuse_unknown(lessons, known, "notebook")
    paths = [known[lesson] for lesson in lessons or known]
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    os.environ["TQDM_DISABLE"] = "1"
    # Spawned, not forked: a copy of a process that has threads may hang.
    fresh = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        max_workers=min(2, os.cpu_count() or 1), mp_context=fresh
    ) as pool:
        running = {pool.submit(record, path): path for path in paths}
        for done in concurrent.futures.as_completed(running):
            name = running[done].relative_to(ROOT)
            try:
                print(f"{name}: recorded in {done.result():.0f} s of CPU", flush=True)
            except Exception as error:  # an error in a cell, a kernel that died, a file that is no notebook
                lesson = running[done].relative_to(FOLDER).with_suffix("").as_posix()
                sys.exit(
                    f"{name} failed, and its record is unchanged. Mend what is said below and run "
                    f"make notebooks LESSON={lesson} again.\n{error}"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
