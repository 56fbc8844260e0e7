"""The algorithms by what one wants to do: read from `tasks.toml` here and in every chapter's folder.

``python -m companion.snippet --list`` prints it, the book's page of algorithms shows it.  Like `companion.snippet`
it reads the modules as text and imports none.
"""

from __future__ import annotations

import difflib
import re
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.snippet import full_name, summary

__all__ = ["Entry", "Task", "listing", "tasks"]

CHAPTERS = ("value_alignment", "safety", "robustness", "explainability", "")


@dataclass(frozen=True)
class Entry:
    """A public function or class that serves a task.

    Examples
    --------
    >>> print(tasks()[0].algorithms[0].avoid[:4])
    Not
    """

    name: str  # full: "companion.mdp.value_iteration"
    about: str  # the first line of its docstring
    avoid: str  # when not to use it, and what instead; empty for a part
    peer: str  # the library that it was compared with, and the name there; may be empty


@dataclass(frozen=True)
class Task:
    """Something that one wants to do.

    Examples
    --------
    >>> tasks()[0].chapter
    'value_alignment'
    """

    name: str
    about: str  # what one has, and what one wants
    chapter: str  # empty: what several chapters share
    algorithms: tuple[Entry, ...]
    parts: tuple[Entry, ...]  # results and building blocks


def tasks() -> list[Task]:
    """Return all tasks, chapter by chapter, what the chapters share last.

    Returns
    -------
    list of Task
        With their algorithms and parts.

    Raises
    ------
    ValueError
        If a file names what is no public name of the package.

    Examples
    --------
    >>> "companion.mdp.value_iteration" in [e.name for t in tasks() for e in t.algorithms]
    True
    """
    return [task for chapter in CHAPTERS for task in _read(chapter)]


def listing(*words: str) -> str:
    """Return the tasks and their algorithms as text, or those that speak of some words.

    Parameters
    ----------
    *words : str
        What to look for in names, sentences and compared libraries.  Where no whole word fits, beginnings count;
        where nothing has all the words, those with the most are returned, and the first line says so.

    Returns
    -------
    str
        For each task its name and sentence, for each algorithm its name, sentence and when not to use it.

    Raises
    ------
    ValueError
        If nothing has any of them; the message gives the nearest words.

    Examples
    --------
    >>> print(listing("modified policy").splitlines()[0])
    Solve a known Markov decision process
    """
    wanted = {_plain(word) for word in re.findall(r"[^\W_]+", " ".join(words))}
    spoken = {
        (task, entry): _words(f"{task.name} {task.about} {_said(entry)}")
        for task in tasks()
        for entry in (*task.algorithms, *task.parts)
    }
    known = set().union(*spoken.values())
    fits = {w: {w} & known or {k for k in known if k.startswith(w)} for w in wanted}
    hits = {
        key: sum(bool(fits[w] & has) for w in wanted) for key, has in spoken.items()
    }
    most = max(hits.values())
    if wanted and not most:
        near = [n for w in wanted for n in difflib.get_close_matches(w, known, n=3)]
        raise ValueError(
            f"no algorithm speaks of {' '.join(words)!r}; the nearest words: {', '.join(near) or 'none'}"
        )
    found: dict[Task, list[Entry]] = {}
    for (task, entry), count in hits.items():
        if count == most:
            found.setdefault(task, []).append(entry)
    parts = [
        "\n".join([task.name, *_lines(task.about, 2), *_shown(entries)])
        for task, entries in found.items()
    ]
    if most < len(wanted):
        parts.insert(0, f"Nothing speaks of all of {' '.join(words)!r}; of most do:")
    return "\n\n".join(parts)


def _read(chapter: str) -> list[Task]:
    """The tasks of a chapter."""
    path = Path(__file__).parent / chapter / "tasks.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Task(
            name=task["name"],
            about=task["about"],
            chapter=chapter,
            algorithms=tuple(_entry(chapter, e) for e in task.get("algorithm", [])),
            parts=tuple(_entry(chapter, e) for e in task.get("part", [])),
        )
        for task in content["task"]
    ]


def _entry(chapter: str, given: dict[str, Any]) -> Entry:
    """An algorithm or a part as a file gives it."""
    full = full_name(".".join(filter(None, ["companion", chapter, given["name"]])))
    return Entry(full, summary(full), given.get("avoid", ""), given.get("peer", ""))


def _said(entry: Entry) -> str:
    """What is searched of an entry."""
    return f"{entry.name.removeprefix('companion.')} {entry.about} {entry.peer}"


def _words(text: str) -> set[str]:
    """The words of a text, and those that names of any kind are made of."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)
    return {_plain(word) for word in (*parts, *re.findall(r"[^\W_]+", text))}


def _plain(word: str) -> str:
    """A word in small letters, without a plural's s."""
    return re.sub(r"(?<=\w{3})(?<!s)s$", "", word.lower())


def _shown(entries: list[Entry]) -> Iterator[str]:
    """Entries as lines of text."""
    for entry in entries:
        yield f"  {entry.name}"
        yield from _lines(re.sub(r":\w+:`", "`", entry.about), 6)
        if entry.avoid:
            yield from _lines(entry.avoid, 6)
        if entry.peer:
            yield from _lines(f"Compared with {entry.peer}.", 6)


def _lines(text: str, indent: int) -> list[str]:
    """A sentence within 88 columns."""
    space = " " * indent
    return textwrap.wrap(text, 88, initial_indent=space, subsequent_indent=space)
