"""Importing a module costs little beyond what NumPy, SciPy and, where it is used, PyTorch cost themselves."""

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
# About a second.  Where the limit was set NumPy and SciPy take half a second of CPU, scikit-learn adds 0.7.  A
# share, because a slower machine takes longer for both; CPU time, because a busy one waits.
LIMIT = 2.0

# Imports the libraries, then each module in a copy of this process, and prints the CPU seconds of both.
PROGRAM = """
import importlib, json, os, sys, time
names, torch = sys.argv[2:], sys.argv[1] == "torch"
start = time.process_time()  # clock: CPU seconds, compared with CPU seconds
import numpy, scipy.linalg, scipy.optimize, scipy.sparse.linalg, scipy.special
libraries = time.process_time() - start  # clock: CPU
if torch:
    import torch, torch.nn, tqdm
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


def shares(names: list[str], torch: bool, root: Path = ROOT) -> dict[str, float]:
    """What each import takes beyond the libraries, as a share of NumPy's and SciPy's; the better of two."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "torch" if torch else "", *names],
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
@pytest.mark.parametrize("torch", [False, True], ids=["without torch", "with torch"])
def test_a_module_costs_little_beyond_the_libraries(torch):
    names = [name for name in NAMES if ("torch" in imported(name)) == torch]
    found = shares(names, torch)
    assert set(found) == set(names)
    slow = {name: round(share, 2) for name, share in found.items() if share > LIMIT}
    assert slow == {}, (
        "import scipy.stats, scikit-learn or torch in the function that needs it"
    )


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
    assert shares(["slow_module"], False, tmp_path)["slow_module"] > LIMIT


def test_torch_is_seen_through_other_modules():
    assert "torch" in imported("companion.training")
    assert "torch" not in imported("companion.mdp")
