"""Importing a module costs little beyond NumPy, SciPy and the large libraries that it names."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = [
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in sorted((ROOT / "companion").rglob("*.py"))
    if path.stem not in ("__init__", "lesson", "listings")  # what only notebooks use
]
# About a second.  Where the limit was set NumPy and SciPy take half a second of CPU, gymnasium or scipy.stats add
# 0.3.  A share, because a slower machine takes longer for both; CPU time, because a busy one waits.
LIMIT = 2.0
# Loaded before the clock starts, where a module names them: what they take differs too much between machines.
LARGE = {"torch": "torch, torch.nn, tqdm", "sklearn": "sklearn.ensemble"}

# Imports the libraries, then each module in a copy of this process, and prints the CPU seconds of both.
PROGRAM = """
import importlib, json, os, sys, time
large, *names = sys.argv[1:]
start = time.process_time()  # clock: CPU seconds, compared with CPU seconds
import numpy, scipy.linalg, scipy.optimize, scipy.sparse.linalg, scipy.special
libraries = time.process_time() - start  # clock: CPU
exec(large)
for name in names:
    for _ in range(2):
        if os.fork():
            os.wait()
        else:
            start = time.process_time()  # clock: CPU
            importlib.import_module(name)
            print(json.dumps([name, (time.process_time() - start) / libraries]), flush=True)  # clock: CPU
            os._exit(0)
"""


def imported(name: str, root: Path = ROOT) -> set[str]:
    """The libraries and modules that a module of the package imports, also through others of the package."""
    path = root / f"{name.replace('.', '/')}.py"
    if not path.is_file():
        return set()
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found.union(*(imported(n, root) for n in found if n.startswith("companion")))


def large(name: str) -> tuple[str, ...]:
    """The large libraries that importing a module imports."""
    found = {library.partition(".")[0] for library in imported(name)}
    return tuple(library for library in LARGE if library in found)


def shares(
    names: list[str], libraries: tuple[str, ...], root: Path = ROOT
) -> dict[str, float]:
    """What each import takes beyond the libraries, as a share of NumPy's and SciPy's; the better of two."""
    first = "\n".join(f"import {LARGE[library]}" for library in libraries)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, first, *names],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = {}
    for line in done.stdout.splitlines():
        name, share = ast.literal_eval(line)
        found[name] = min(share, found.get(name, share))
    return found


FORKS = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="measured where a process can be copied"
)


@FORKS
@pytest.mark.parametrize("libraries", sorted({large(name) for name in NAMES}))
def test_a_module_costs_little_beyond_the_libraries(libraries):
    names = [name for name in NAMES if large(name) == libraries]
    found = shares(names, libraries)
    assert set(found) == set(names)
    slow = {name: round(share, 2) for name, share in found.items() if share > LIMIT}
    assert slow == {}, "import what is slow in the function that needs it"


@FORKS
@pytest.mark.parametrize(
    "text",
    [
        "import torch, torch.nn, sklearn.datasets",
        "table = [i * i for i in range(40_000_000)]",
    ],
)
def test_a_slow_import_is_noticed(text, tmp_path):
    (tmp_path / "slow_module.py").write_text(text)
    assert shares(["slow_module"], (), tmp_path)["slow_module"] > LIMIT


def test_libraries_are_seen_through_other_modules():
    assert large("companion.training") == ("torch",)
    assert large("companion.mdp") == ()
    assert "sklearn" in large("companion.explainability.tree_shap")
