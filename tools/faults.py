"""Plant faults in a module and count what its tests catch: ``python -m tools.faults [CHAPTER/LESSON ...]``.

A fault is one small change of the code: a sign, a comparison, a bound, an index, a term or a step left out.  They
are drawn by the lesson's name, the same ones every time, and every function gets some.  For each, the lesson's
tests and examples run in a process of their own until the first failure.  What survives is listed: it changes
nothing but speed, or a test is missing.
"""

import ast
import datetime
import hashlib
import importlib.machinery
import importlib.metadata
import json
import multiprocessing
import os
import platform
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from evidence.record import bare, cpu
from tools.names import refuse_unknown
from tools.portable import ONE_THREAD

ROOT = Path(__file__).resolve().parent.parent
EACH = 12  # faults in a lesson
# Loaded once for all processes that are copied from one.
LIBRARIES = ["scipy.stats", "torch", "sklearn.ensemble", "gymnasium"]
LIBRARIES += [
    "hypothesis.extra.numpy",
    "nbval.plugin",
    "playwright.sync_api",
    "xdist.plugin",
    "jupytext",
    "nbclient",
]
SWAPPED: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
OTHER = {"min": "max", "argmin": "argmax", "minimum": "maximum", "sum": "mean"}
OTHER |= {"any": "all", "log": "exp", "floor": "ceil", "cumsum": "cumprod"}
OTHER |= {new: old for old, new in OTHER.items()}
Node = ast.expr | ast.stmt


class Fault(NamedTuple):
    """One change of a module."""

    function: str
    line: int
    before: str
    after: str
    source: str  # the whole module with it


def changes(node: ast.AST) -> Iterator[Node]:
    """Give what may wrongly stand in the place of a node."""
    match node:
        case ast.BinOp(left, op, right) if type(op) in SWAPPED:
            yield ast.BinOp(left, SWAPPED[type(op)](), right)
            if isinstance(op, ast.Add | ast.Sub):
                yield left
        case ast.Compare(left, [op], [right]) if type(op) in SWAPPED:
            yield ast.Compare(left, [SWAPPED[type(op)]()], [right])
        case ast.BoolOp(op, values):
            yield ast.BoolOp(SWAPPED[type(op)](), values)
        case ast.UnaryOp(ast.USub() | ast.Not() | ast.Invert(), operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(float() as value) if abs(value) >= 0.01:
            yield ast.Constant(2 * value)
        case ast.Attribute(value, name) if name in OTHER:
            yield ast.Attribute(value, OTHER[name])
        case ast.Name(name) if name in OTHER:
            yield ast.Name(OTHER[name])
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.AugAssign(target, op, value) if type(op) in SWAPPED:
            yield ast.AugAssign(target, SWAPPED[type(op)](), value)
        case ast.Expr(ast.Call()):
            yield ast.Pass()


def computing(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what a function computes: no annotations, defaults of types, words or messages of errors."""
    if isinstance(node, ast.Raise | ast.arguments):
        return
    yield node
    left_out = [getattr(node, name, None) for name in ("annotation", "returns")]
    for child in ast.iter_child_nodes(node):
        if not any(child is part for part in left_out):
            yield from computing(child)


def all_faults(source: str) -> dict[str, list[Fault]]:
    """Return every fault that can be planted, by the function or class that it is planted in."""
    found: dict[str, list[Fault]] = {}
    for top in ast.parse(source).body:
        if isinstance(top, ast.FunctionDef | ast.ClassDef):
            bodies = [n for statement in top.body for n in computing(statement)]
            faults = [
                planted(source, top.name, node, new)
                for node in bodies
                for new in changes(node)
            ]
            if faults:
                found[top.name] = faults
    return found


def planted(source: str, function: str, node: Any, new: Node) -> Fault:
    """Return a module with one node in another's place."""
    before = ast.get_source_segment(source, node) or ""
    after = ast.unparse(ast.fix_missing_locations(new))
    text = f"({after})" if isinstance(new, ast.expr) else after
    if isinstance(new, ast.Attribute | ast.Name | ast.Constant):
        text = after  # also where an import or a call wants a bare name
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    whole = (source.encode()[:start] + text.encode() + source.encode()[end:]).decode()
    return Fault(function, node.lineno, " ".join(before.split()), after, whole)


def drawn(lesson: str, source: str, count: int = EACH) -> list[Fault]:
    """Draw some faults: one from each function in turn, until there are enough."""
    rng = random.Random(lesson)
    groups = list(all_faults(source).values())
    for group in groups:
        rng.shuffle(group)
    rows = max(map(len, groups), default=0)
    turns = [group[n] for n in range(rows) for group in groups if n < len(group)]
    return turns[: max(count, len(groups))]


class Planted(importlib.machinery.SourceFileLoader):
    """Loads a module with another text than its file's."""

    text = ""

    def get_code(self, fullname: str) -> Any:
        """Compile the other text, and no cached one."""
        return self.source_to_code(self.text.encode(), self.path)


class Finder:
    """Finds the module that has a fault; the others are found as ever."""

    def __init__(self, root: Path, lesson: str, text: str) -> None:
        self.name = f"companion.{lesson.replace('/', '.')}"
        self.loader = Planted(self.name, str(root / f"companion/{lesson}.py"))
        self.loader.text = text

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Answer for this one name."""
        if name != self.name:
            return None
        return importlib.util.spec_from_loader(name, self.loader)


class Passed:
    """Counts the tests that passed."""

    count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one."""
        self.count += report.when == "call" and report.passed


def run(root: Path, lesson: str, text: str, answer: Any) -> None:
    """Run a lesson's tests on a text of its module; answer with the number passed, and the status."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.meta_path.insert(0, Finder(root, lesson, text))
    chapter, name = lesson.split("/")
    passed = Passed()
    # Messages of assertions are not read, and to prepare them takes time.
    options = ["-x", "-q", "-p", "no:cacheprovider", "--assert=plain", "-W", "ignore"]
    files = [f"tests/{chapter}/test_{name}.py", f"companion/{lesson}.py"]
    status = int(pytest.main([*options, *files], plugins=[passed]))
    answer.send((passed.count, status))


def tried(lesson: str, text: str, limit: float, root: Path = ROOT) -> tuple[int, int]:
    """Run the tests in a process of their own; what does not end within the limit, in seconds, is caught, too."""
    known = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in known else "spawn"
    )
    if "forkserver" in known:
        context.set_forkserver_preload(LIBRARIES)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(root, lesson, text, there))
    process.start()
    there.close()
    try:
        return here.recv() if here.poll(limit) else (0, 1)
    except EOFError:  # the fault has ended the process itself
        return 0, 1
    finally:
        process.join(5)  # one that has answered ends by itself, and tidies up
        process.kill()
        process.join()


def code_hash(lesson: str) -> str:
    """Hash the module and its tests, comments and docstrings not counted."""
    chapter, name = lesson.split("/")
    files = [f"companion/{lesson}.py", f"tests/{chapter}/test_{name}.py"]
    texts = [bare((ROOT / file).read_text(encoding="utf-8")) for file in files]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def measure(lesson: str, workers: int = 2) -> dict[str, Any]:
    """Plant a lesson's faults, one at a time, and return the record."""
    source = (ROOT / f"companion/{lesson}.py").read_text(encoding="utf-8")
    start = (
        time.monotonic()
    )  # clock: for the record and the limit, no result depends on it
    tests, status = tried(lesson, source, 600)
    seconds = time.monotonic() - start  # clock: as above
    if status or not tests:
        reason = "fail without a fault" if status else "are none yet"
        sys.exit(f"The tests of {lesson} {reason}: mend that first.")
    faults = drawn(lesson, source)
    with ThreadPoolExecutor(workers) as pool:
        limit = 60 + 10 * seconds
        found = list(pool.map(lambda f: tried(lesson, f.source, limit)[1], faults))
    return {
        "lesson": lesson,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {"cpu": cpu(), "python": platform.python_version()},
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("numpy", "scipy", "torch", "scikit-learn", "hypothesis")
        },
        "code": code_hash(lesson),
        "tests": tests,
        "seconds": round(seconds, 1),
        "planted": len(faults),
        "caught": sum(map(bool, found)),
        "survivors": [
            {
                "function": f.function,
                "line": f.line,
                "change": f"{f.before} → {f.after}",
            }
            for f, status in zip(faults, found, strict=True)
            if not status
        ],
    }


def main(lessons: list[str]) -> None:
    """Measure the named lessons, or all."""
    known = sorted(
        path.relative_to(ROOT / "notebooks").with_suffix("").as_posix()
        for path in (ROOT / "notebooks").glob("*/*.py")
    )
    refuse_unknown(lessons, known, "lesson")
    os.environ.update(ONE_THREAD)
    print("A lesson takes half a minute to some minutes.", flush=True)
    for lesson in lessons or known:
        record = measure(lesson)
        path = ROOT / f"evidence/{lesson}.faults.json"
        text = json.dumps(record, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
        print(f"{lesson}: {record['caught']} of {record['planted']} caught", flush=True)
        for fault in record["survivors"]:
            print(f"  line {fault['line']}, {fault['function']}: {fault['change']}")


if __name__ == "__main__":
    main(sys.argv[1:])
