"""Timing side by side, and writing a record that says what it was measured on."""

from __future__ import annotations

import ast
import datetime
import hashlib
import importlib.metadata
import inspect
import io
import json
import os
import platform
import time
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from companion.snippet import reached

SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
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
    """Hash the code that a record speaks of.

    That is the evidence program, what it times with, and of the package the public names that the program imports
    with all that they reach.  Comments, docstrings and blank lines do not count, and the text is hashed as it
    stands, so that no version of Python writes it differently.
    """
    program = (ROOT / f"evidence/{lesson}.py").read_text(encoding="utf-8")
    return hashlib.sha256(measured_code(program).encode()).hexdigest()


def measured_code(program: str) -> str:
    """Return everything that an evidence program measures with and what it measures, bare."""
    names = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("companion")
        for alias in node.names
    ]
    code = [program, inspect.getsource(interleaved)]
    code += [text for name in sorted(names) for text in reached(name)]
    return "\n".join(map(bare, code))


def bare(source: str) -> str:
    """Return a program's text without comments, docstrings, blank lines and trailing spaces."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, SCOPES) and ast.get_docstring(node) is not None:
            text = node.body[0]
            rows = range(text.lineno - 1, text.end_lineno or 0)
            lines[rows[0]] = lines[rows[0]][: text.col_offset]
            for row in rows[1:]:
                lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def write(lesson: str, results: dict[str, Any], peers: list[str]) -> Path:
    """Write the record of a lesson: where, when and with what it was measured, and the results."""
    record = {
        "lesson": lesson,
        "program": f"evidence/{lesson}.py",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {
            "cpu": cpu(),
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


def cpu() -> str:
    """Name the processor."""
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
