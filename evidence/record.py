"""Timing side by side, and writing a record that says what it was measured on."""

from __future__ import annotations

import ast
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def interleaved(
    work: dict[str, Callable[[], object]], repeats: int = 9
) -> dict[str, dict[str, float]]:
    """Time several functions in turn, A B C A B C ..., after one warm-up each; milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats + 1):
        for name, run in work.items():
            start = time.perf_counter()
            run()
            if turn:
                times[name].append(1000 * (time.perf_counter() - start))
    return {
        name: {
            "median": float(np.median(t)),
            "low": min(t),
            "high": max(t),
            "repeats": repeats,
        }
        for name, t in times.items()
    }


def code_hash(lesson: str) -> str:
    """Hash the code that a record speaks of: the lesson's module, what it reaches in the package, its evidence.

    Comments and docstrings do not count: the syntax tree is hashed without them.
    """
    todo, seen = (
        [ROOT / f"companion/{lesson}.py", ROOT / f"evidence/{lesson}.py"],
        set(),
    )
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += [
                file
                for name in _imports(path)
                if (file := ROOT / (name.replace(".", "/") + ".py")).is_file()
            ]
    digest = hashlib.sha256()
    for path in sorted(seen):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\n{_bare(path)}\n".encode())
    return digest.hexdigest()


def write(lesson: str, results: dict[str, Any], peers: list[str]) -> Path:
    """Write the record of a lesson: where, when and with what it was measured, and the results."""
    record = {
        "lesson": lesson,
        "program": f"evidence/{lesson}.py",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {
            "cpu": _cpu(),
            "python": platform.python_version(),
            "threads": _threads(),
        },
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("numpy", "scipy", "torch", *peers)
        },
        "code": code_hash(lesson),
        "results": results,
    }
    path = ROOT / f"evidence/{lesson}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def _imports(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    ]


def _bare(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        is_scope = isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        )
        if (
            is_scope
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(
            line.split(":", 1)[1].strip()
            for line in lines
            if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _threads() -> int:
    return int(os.environ["OMP_NUM_THREADS"])
