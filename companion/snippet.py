"""One public function, or several, with all that they reach, as a file that needs no `companion`.

``python -m companion.snippet NAME`` prints it.  The source is taken from the modules as they stand: imports
that are used, helpers of this package that are called, in the order of the modules.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

import companion

__all__ = ["public", "snippet"]


def snippet(*objects: Callable[..., Any] | str) -> str:
    """Return the self-contained source of public functions or classes.

    Parameters
    ----------
    *objects : function, class or str
        What to lift out, itself or by name: ``"policy_iteration"`` or ``"companion.mdp.policy_iteration"``.

    Returns
    -------
    str
        A Python module: a line of origin and licence, the imports, and the definitions.

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
    reach = _Reach()
    for module, name in wanted:
        reach.visit(module, name)
    origin = ", ".join(name for _, name in wanted)
    modules = ", ".join(dict.fromkeys(module for module, _ in wanted))
    header = (
        f'# {origin}, from "{TITLE}" {companion.__version__} ({modules}).\n'
        "# Copyright 2026 the authors of the book. MIT licence: https://opensource.org/license/mit\n"
    )
    imports = "\n\n".join(["from __future__ import annotations", *reach.imports()])
    return "\n\n\n".join([f"{header}\n{imports}", *reach.definitions()]) + "\n"


def public() -> dict[str, Callable[..., Any]]:
    """Return every public function and class of the package, by its full dotted name.

    Returns
    -------
    dict of str to function or class
        What the modules list in ``__all__``.

    Examples
    --------
    >>> "companion.mdp.value_iteration" in public()
    True
    """
    found = {}
    for module in _modules():
        for name in getattr(module, "__all__", ()):
            found[f"{module.__name__}.{name}"] = getattr(module, name)
    return found


TITLE = "AI Safety and Alignment, Tested"


@dataclass
class _Module:
    """The top-level names of one module of the package: where each comes from."""

    lines: list[str]
    outside: dict[str, tuple[str, str | None]] = field(
        default_factory=dict
    )  # name -> (module, attribute)
    inside: dict[str, tuple[str, str]] = field(
        default_factory=dict
    )  # name -> (companion module, attribute)
    nodes: dict[str, ast.stmt] = field(
        default_factory=dict
    )  # name -> its definition here


@dataclass
class _Reach:
    """What has been reached so far."""

    order: list[str] = field(
        default_factory=list
    )  # modules, each after those it imports from
    found: dict[str, tuple[str, ast.stmt]] = field(default_factory=dict)
    used: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    visited: set[tuple[str, str]] = field(default_factory=set)

    def visit(self, module: str, name: str) -> None:
        names = _parsed(module)
        if name in names.inside:
            self.visit(*names.inside[name])
        elif name in names.outside:
            self._clash(
                name,
                self.used.setdefault(name, names.outside[name]) != names.outside[name],
            )
        elif name in names.nodes:
            node = names.nodes[name]
            _, known = self.found.setdefault(name, (module, node))
            # Two modules may each define the same thing, such as a type alias; once is enough.
            self._clash(name, ast.dump(known) != ast.dump(node))
            if known is node and (module, name) not in self.visited:
                self.visited.add((module, name))
                for child in ast.walk(node):
                    if isinstance(child, ast.Name):
                        self.visit(module, child.id)
                if module not in self.order:
                    self.order.append(module)

    @staticmethod
    def _clash(name: str, differs: bool) -> None:
        if differs:
            raise ValueError(f"{name} means two things in what was asked for")

    def imports(self) -> list[str]:
        groups: dict[bool, set[str]] = {True: set(), False: set()}
        merged: dict[str, list[str]] = {}
        for name, (module, attribute) in self.used.items():
            if attribute is None:
                line = (
                    f"import {module}"
                    if name == module.split(".")[0]
                    else f"import {module} as {name}"
                )
                groups[_is_standard(module)].add(line)
            else:
                merged.setdefault(module, []).append(
                    attribute if attribute == name else f"{attribute} as {name}"
                )
        for module, names in merged.items():
            groups[_is_standard(module)].add(
                f"from {module} import {', '.join(sorted(names))}"
            )
        # "import" before "from", as the linters sort them.
        blocks = [
            sorted(groups[standard], key=lambda line: (line[0] == "f", line))
            for standard in (True, False)
        ]
        return ["\n".join(block) for block in blocks if block]

    def definitions(self) -> Iterator[str]:
        nodes = {id(node): (module, node) for module, node in self.found.values()}
        for module, node in sorted(
            nodes.values(), key=lambda item: (self.order.index(item[0]), item[1].lineno)
        ):
            lines = _parsed(module).lines
            first = (
                min(
                    [
                        node.lineno,
                        *(d.lineno for d in getattr(node, "decorator_list", [])),
                    ]
                )
                - 1
            )
            while first and lines[first - 1].startswith(
                "#"
            ):  # the comment that says why
                first -= 1
            yield "\n".join(lines[first : node.end_lineno])


@cache
def _parsed(module: str) -> _Module:
    source = inspect.getsource(importlib.import_module(module))
    names = _Module(source.splitlines())
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.outside[alias.asname or alias.name.split(".")[0]] = (
                    alias.name,
                    None,
                )
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            ours = str(node.module).split(".")[0] == "companion"
            target: dict[str, Any] = names.inside if ours else names.outside
            for alias in node.names:
                target[alias.asname or alias.name] = (str(node.module), alias.name)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.nodes[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target_node in (
                node.targets if isinstance(node, ast.Assign) else [node.target]
            ):
                names.nodes.update(
                    {
                        n.id: node
                        for n in ast.walk(target_node)
                        if isinstance(n, ast.Name)
                    }
                )
    return names


def _located(item: Callable[..., Any] | str) -> tuple[str, str]:
    if not isinstance(item, str):
        return item.__module__, item.__qualname__
    known = public()
    matches = [full for full in known if full == item or full.endswith("." + item)]
    if len(matches) != 1:
        short = {full.rsplit(".", 1)[1]: full for full in known}
        near = matches or difflib.get_close_matches(
            item, [*short, *known], n=3, cutoff=0.4
        )
        raise ValueError(
            f"no one public function is called {item!r}; the nearest: {', '.join(near) or 'none'}"
        )
    module, _, name = matches[0].rpartition(".")
    return module, name


def _modules() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(companion.__path__, "companion."):
        if not info.ispkg:
            yield importlib.import_module(info.name)


def _is_standard(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m companion.snippet NAME [NAME ...]")
    try:
        print(snippet(*sys.argv[1:]), end="")
    except ValueError as error:
        sys.exit(str(error))
