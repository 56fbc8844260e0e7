"""Style, types, docstrings and packaging."""

import shutil
import subprocess
import sys
import zipfile
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


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "companion",
        tmp_path / "companion",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/stray.py").write_text("")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run(
        [*command, "--wheel-dir", str(tmp_path / "dist"), str(tmp_path)], check=True
    )
    (wheel,) = (tmp_path / "dist").glob("ai_safety_alignment_tested-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "companion",
        "ai_safety_alignment_tested",
    }
    shipped = {name for name in names if name.startswith("companion/")}
    assert shipped == {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "companion").rglob("*")
        if path.is_file() and path.suffix in (".py", ".typed")
    }
