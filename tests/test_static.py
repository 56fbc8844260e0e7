"""Style, types, docstrings and packaging."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import lint

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "name", [name for name in lint.CHECKS if name != "notebook pairs"]
)
def test_the_static_check_finds_nothing(name):
    done = subprocess.run(
        [sys.executable, *lint.CHECKS[name]], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("ruff", "import os\n"),
        ("ruff format", "x  =  1\n"),
        ("mypy", "x: int = 'one'\n"),
        ("numpydoc", "def f(a):\n    return a\n"),
    ],
)
def test_a_static_fault_is_noticed(name, fault, tmp_path):
    path = tmp_path / "faulty.py"
    path.write_text(fault)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [
        part for part in lint.CHECKS[name] if not part.endswith(".py") and part != "."
    ]
    done = subprocess.run(
        [sys.executable, *command, str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0


# --- bounds in tests ---------------------------------------------------------------


def hidden_parts(source: str) -> list[str]:
    """Comparisons whose bound has a part that is not written: NumPy adds 1e-7 of the value, pytest 1e-12."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = {keyword.arg for keyword in node.keywords}
        hidden = {
            "assert_allclose": "rtol" not in given,
            "allclose": not {"rtol", "atol"} <= given,
            "approx": "abs" not in given,
        }
        if hidden.get(name, False):
            faults.append(f"line {node.lineno}: {ast.unparse(node)}")
    return faults


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda p: p.stem
)
def test_no_bound_has_a_hidden_part(path):
    faults = hidden_parts(path.read_text(encoding="utf-8"))
    assert faults == [], "say rtol=0 beside atol, and abs=0 beside rel"


@pytest.mark.parametrize(
    ("call", "hidden"),
    [
        ("np.testing.assert_allclose(a, b, atol=1e-15)", True),
        ("np.testing.assert_allclose(a, b, rtol=0, atol=1e-15)", False),
        ("np.testing.assert_allclose(a, b, rtol=1e-15)", False),
        ("torch.allclose(a, b, atol=1e-6)", True),
        ("assert a == pytest.approx(b)", True),
        ("assert a == pytest.approx(b, rel=1e-15)", True),
        ("assert a == pytest.approx(b, abs=1e-15)", False),
    ],
)
def test_a_hidden_part_of_a_bound_is_noticed(call, hidden):
    assert bool(hidden_parts(call)) == hidden
