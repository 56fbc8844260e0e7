"""One public function, or several, with all that they reach, as a file that needs no `companion`.

``python -m companion.snippet NAME`` prints it, ``python -m companion.snippet --list`` what there is, by task, and
``--list WORD`` what speaks of a word.  What was asked for stands first and whole; the helpers follow,
each with one line of docstring and its citation, and methods that nothing here calls are left out of a class.
The modules are read as text, never imported: a snippet can be had where torch or matplotlib are missing.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import companion

__all__ = ["full_name", "public", "reached", "snippet", "summary"]

TITLE = "AI Safety and Alignment, Tested"
Definition = tuple[str, ast.stmt]  # the module, and the statement that defines


def snippet(*objects: Callable[..., Any] | str) -> str:
    """Return the self-contained source of public functions or classes.

    Parameters
    ----------
    *objects : function, class or str
        What to lift out, itself or by name: ``"policy_iteration"`` or ``"companion.mdp.policy_iteration"``.
        A method stands for its class.

    Returns
    -------
    str
        A Python module: a line of origin and licence, the imports, what was asked for, and its helpers.

    Raises
    ------
    ValueError
        If a name is unknown (the message gives the nearest ones) or two reached names clash.

    Examples
    --------
    >>> print(snippet("check_integer").splitlines()[0])
    # check_integer, from "AI Safety and Alignment, Tested" 0.1.0 (companion.checks).
    """
    wanted = [_located(item) for item in objects]
    reach = _Reach(wanted)
    origin = ", ".join(name for _, name in wanted)
    modules = ", ".join(dict.fromkeys(module for module, _ in wanted))
    header = (
        f'# {origin}, from "{TITLE}" {companion.__version__} ({modules}).\n'
        "# Copyright 2026 the authors of the book. MIT licence: https://opensource.org/license/mit\n"
    )
    asked = [reach.found[name][1] for _, name in wanted]
    called = reach.attributes(asked)
    bodies = [
        _source(module, node, set() if node in asked else _shortened(node, called))
        for module, node in reach.ordered()
    ]
    imports = "\n\n".join(
        ["from __future__ import annotations", *_imports(reach, bodies)]
    )
    return "\n\n\n".join([f"{header}\n{imports}", *_grouped(bodies)]) + "\n"


def reached(*objects: Callable[..., Any] | str) -> list[str]:
    """Return the source of every definition of the package that public functions or classes reach.

    Parameters
    ----------
    *objects : function, class or str
        As of `snippet`.

    Returns
    -------
    list of str
        Whole definitions, in the order of a snippet.

    Raises
    ------
    ValueError
        As of `snippet`.

    Examples
    --------
    >>> [code.splitlines()[0][:18] for code in reached("check_probability")]
    ['def check_probabil', 'def real_array(']
    """
    reach = _Reach([_located(item) for item in objects])
    return [_source(module, node, set()) for module, node in reach.ordered()]


def public() -> dict[str, Callable[..., Any]]:
    """Return every public function and class of the package, by its full dotted name.

    Returns
    -------
    dict of str to function or class
        What the modules list in ``__all__``; they are imported.

    Examples
    --------
    >>> "companion.mdp.value_iteration" in public()
    True
    """
    return {
        full: getattr(importlib.import_module(module), name)
        for full, (module, name) in _listed().items()
    }


def full_name(name: str) -> str:
    """Return the full dotted name of a public function or class.

    Parameters
    ----------
    name : str
        ``"policy_iteration"`` or ``"mdp.policy_iteration"``; a method stands for its class.

    Returns
    -------
    str
        With package and module.

    Raises
    ------
    ValueError
        If a name is unknown; the message gives the nearest ones.

    Examples
    --------
    >>> full_name("value_iteration")
    'companion.mdp.value_iteration'
    """
    return ".".join(_located(name))


def summary(name: str) -> str:
    """Return the first line of a public function's docstring, read and not imported.

    Parameters
    ----------
    name : str
        As of `full_name`.

    Returns
    -------
    str
        The sentence; empty without a docstring.

    Raises
    ------
    ValueError
        As of `full_name`.

    Examples
    --------
    >>> summary("summary")
    "Return the first line of a public function's docstring, read and not imported."
    """
    module, short = _located(name)
    node = _parsed(module).nodes[short]
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        return ""
    return " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())


@dataclass
class _Module:
    """The top-level names of one module of the package: where each comes from."""

    lines: list[str]
    listed: list[str] = field(default_factory=list)  # its __all__
    outside: dict[str, tuple[str, str | None]] = field(
        default_factory=dict
    )  # name -> (module, attribute)
    inside: dict[str, tuple[str, str]] = field(
        default_factory=dict
    )  # name -> (companion module, attribute)
    nodes: dict[str, ast.stmt] = field(
        default_factory=dict
    )  # name -> its definition here


class _Reach:
    """Everything that some names of the package need, found by following names from definition to definition."""

    def __init__(self, wanted: list[tuple[str, str]]) -> None:
        self.found: dict[str, Definition] = {}  # in the order in which it is reached
        self.used: dict[str, tuple[str, str | None]] = {}  # imports from outside
        for module, name in wanted:
            self._visit(module, name)

    def _visit(self, module: str, name: str) -> None:
        names = _parsed(module)
        if name in names.inside:
            self._visit(*names.inside[name])
        elif name in names.outside:
            self._clash(
                name,
                self.used.setdefault(name, names.outside[name]) != names.outside[name],
            )
        elif name in names.nodes:
            node = names.nodes[name]
            new = name not in self.found
            _, known = self.found.setdefault(name, (module, node))
            # Two modules may each define the same thing, such as a type alias; once is enough.
            self._clash(name, ast.dump(known) != ast.dump(node))
            if new:
                for used in _free_names(node):
                    self._visit(module, used)

    @staticmethod
    def _clash(name: str, differs: bool) -> None:
        if differs:
            raise ValueError(f"{name} means two things in what was asked for")

    def attributes(self, asked: list[ast.stmt]) -> set[str]:
        """What is called after a dot: in the code, in the examples asked for, by who gets the result."""
        words = {
            child.attr
            for _, node in self.found.values()
            for child in ast.walk(node)
            if isinstance(child, ast.Attribute)
        }
        for node in asked:
            if isinstance(node, ast.FunctionDef) and node.returns is not None:
                words |= set(re.findall(r"\.(\w+)", ast.get_docstring(node) or ""))
                words |= self._methods(node.returns)
        return words

    def _methods(self, annotation: ast.expr) -> set[str]:
        """The methods of the classes that an annotation names."""
        names = {n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)}
        classes = [node for name, (_, node) in self.found.items() if name in names]
        return {
            item.name
            for node in classes
            if isinstance(node, ast.ClassDef)
            for item in node.body
            if isinstance(item, ast.FunctionDef)
        }

    def ordered(self) -> list[Definition]:
        """Aliases and constants, what was asked for, helpers; but first what Python must run first."""
        placed: dict[int, Definition] = {}
        begun: set[tuple[str, bool]] = set()

        def place(name: str, running: bool) -> None:
            if name not in self.found or (name, running) in begun:
                return
            begun.add((name, running))
            module, node = self.found[name]
            # A function that runs while the file is read needs its own helpers by then.
            for needed in _free_names(node) if running else _names_run(node):
                place(needed, running=True)
            placed.setdefault(id(node), (module, node))

        plain = [
            name
            for name, (_, node) in self.found.items()
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and not _names_run(node) & set(self.found)
        ]
        for name in [*plain, *self.found]:
            place(name, running=False)
        return list(placed.values())


def _free_names(node: ast.stmt) -> list[str]:
    """Names that a definition uses, in order, but for a function's own variables and parameters."""
    if isinstance(node, ast.ClassDef):
        parts = [*node.decorator_list, *node.bases, *node.keywords, *node.body]
        return [name for part in parts for name in _free_names(part)]  # type: ignore[arg-type]
    walked = [
        child for child in ast.walk(node) if isinstance(child, ast.Name | ast.arg)
    ]
    bound = {
        child.arg if isinstance(child, ast.arg) else child.id
        for child in walked
        if isinstance(child, ast.arg) or isinstance(child.ctx, ast.Store)
    }
    is_scope = isinstance(node, ast.FunctionDef)
    names = [child for child in walked if isinstance(child, ast.Name)]
    return list(dict.fromkeys(n.id for n in names if not (is_scope and n.id in bound)))


def _names_run(node: ast.AST) -> set[str]:
    """Names that Python evaluates when it reads a definition; annotations stay text."""
    parts: list[ast.AST | None]
    if isinstance(node, ast.FunctionDef):
        parts = [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]
    elif isinstance(node, ast.ClassDef):
        parts = [*node.decorator_list, *node.bases, *node.keywords, *node.body]
    elif isinstance(node, ast.AnnAssign):
        parts = [node.value]
    else:
        names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
        return {n.id for n in names if isinstance(n.ctx, ast.Load)}
    return {name for part in parts if part is not None for name in _names_run(part)}


def _shortened(node: ast.stmt, called: set[str]) -> set[int]:
    """Lines of a helper that a snippet leaves out: long docstrings, and public methods that nothing calls."""
    gone: set[int] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            gone |= _long_docstring(child)
        if isinstance(child, ast.ClassDef):
            for item in child.body:
                name = getattr(item, "name", "__")
                # torch calls `forward` where the module is called.
                if not name.startswith("__") and name not in {*called, "forward"}:
                    gone |= set(range(_first_line(item), (item.end_lineno or 0) + 1))
    return gone


def _long_docstring(node: ast.FunctionDef | ast.ClassDef) -> set[int]:
    """The lines of a docstring but its first; `_source` closes it again, with its citation."""
    text = node.body[0]
    if ast.get_docstring(node) is None or text.end_lineno == text.lineno:
        return set()
    return set(range(text.lineno + 1, (text.end_lineno or 0) + 1))


def _source(module: str, node: ast.stmt, gone: set[int]) -> str:
    """A definition's text, with the comment above it that says why, without some lines."""
    lines = _parsed(module).lines
    first = _first_line(node)
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    kept = []
    closes = {}  # line of a docstring that is cut -> what closes it
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            cut = _long_docstring(child)
            if cut and cut <= gone:
                closes[min(cut) - 1] = _citation(child)
    for number in range(first, (node.end_lineno or 0) + 1):
        if number not in gone:
            kept.append(lines[number - 1] + closes.get(number, ""))
    return re.sub(r"\n\n\n+", "\n\n", "\n".join(kept)).rstrip()


def _citation(node: ast.FunctionDef | ast.ClassDef) -> str:
    """What ends a docstring that was cut to its first line: its references, if it has any, and the quotes."""
    text = ast.get_docstring(node) or ""
    section = re.search(r"^References\n-+\n(.*?)(?:\n\n\S|\Z)", text, re.S | re.M)
    if section is None:
        return '"""'
    body = textwrap.indent(section[1].rstrip(), " " * (node.col_offset + 4))
    return f'\n\n{body}\n{" " * (node.col_offset + 4)}"""'


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _grouped(bodies: list[str]) -> Iterator[str]:
    """Short statements in a row stand together, as an author writes them."""
    row: list[str] = []
    for body in bodies:
        if body.startswith(("def ", "class ", "@")):
            if row:
                yield "\n".join(row)
            row = []
            yield body
        else:
            row.append(body)
    if row:
        yield "\n".join(row)


def _imports(reach: _Reach, bodies: list[str]) -> list[str]:
    """The blocks of imports, of the standard library and of others, that the bodies still use."""
    words = set(re.findall(r"\w+", "\n".join(bodies)))
    groups: dict[bool, set[str]] = {True: set(), False: set()}
    merged: dict[str, list[str]] = {}
    for name, (module, attribute) in reach.used.items():
        if name not in words:
            continue
        if attribute is None:
            whole = name == module.split(".")[0]
            groups[_is_standard(module)].add(
                f"import {module}" if whole else f"import {module} as {name}"
            )
        else:
            renamed = attribute if attribute == name else f"{attribute} as {name}"
            merged.setdefault(module, []).append(renamed)
    for module, names in merged.items():
        line = f"from {module} import {', '.join(sorted(names))}"
        groups[_is_standard(module)].add(line)
    # "import" before "from", as the linters sort them.
    blocks = [
        sorted(groups[standard], key=lambda line: (line[0] == "f", line))
        for standard in (True, False)
    ]
    return ["\n".join(block) for block in blocks if block]


@cache
def _parsed(module: str) -> _Module:
    """Read a module as text; of its packages only the short `__init__` is imported."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"there is no module {module} to read")
    source = Path(spec.origin).read_text(encoding="utf-8")
    names = _Module(source.splitlines())
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                short = alias.asname or alias.name.split(".")[0]
                names.outside[short] = (alias.name, None)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            ours = str(node.module).split(".")[0] == "companion"
            target: dict[str, Any] = names.inside if ours else names.outside
            for alias in node.names:
                target[alias.asname or alias.name] = (str(node.module), alias.name)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.nodes[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            stored = [
                n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)
            ]
            names.nodes.update(dict.fromkeys(stored, node))
            if stored == ["__all__"] and node.value is not None:
                names.listed = ast.literal_eval(node.value)
    return names


def _located(item: Callable[..., Any] | str) -> tuple[str, str]:
    """The module and the top-level name of what was asked for."""
    if not isinstance(item, str):
        return item.__module__, item.__qualname__.split(".")[0]
    known = _listed()
    # A name, or one with its module before it, or with a method behind it.
    matches = [
        full
        for full in known
        for name in (item, item.rpartition(".")[0])
        if name and f".{full}".endswith(f".{name}")
    ]
    if len(matches) != 1:
        short = {full.rsplit(".", 1)[1]: full for full in known}
        near = matches or difflib.get_close_matches(
            item, [*short, *known], n=3, cutoff=0.4
        )
        raise ValueError(
            f"no one public function is called {item!r}; the nearest: {', '.join(near) or 'none'}"
        )
    return known[matches[0]]


@cache
def _listed() -> dict[str, tuple[str, str]]:
    """Every public name, full, and where it is: read from the modules' `__all__`."""
    found = {}
    for info in pkgutil.walk_packages(companion.__path__, "companion."):
        if not info.ispkg:
            for name in _parsed(info.name).listed:
                found[f"{info.name}.{name}"] = (info.name, name)
    return found


def _is_standard(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


def _answer(arguments: list[str]) -> str:
    """What the command prints."""
    if arguments[:1] == ["--list"]:
        from companion.tasks import listing

        return listing(*arguments[1:]) + "\n"
    return snippet(*arguments)


if __name__ == "__main__":
    if not {"-h", "--help"}.isdisjoint(sys.argv) or len(sys.argv) < 2:
        sys.exit(
            "usage: python -m companion.snippet NAME [NAME ...]\n"
            "       python -m companion.snippet --list [WORD ...]"
        )
    try:
        print(_answer(sys.argv[1:]), end="")
    except ValueError as error:
        sys.exit(str(error))
