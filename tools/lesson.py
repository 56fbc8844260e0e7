"""Lay out a new lesson: ``python -m tools.lesson CHAPTER NAME``.

One file in every tree, with the marks that the tests look for, an entry for the chapter's `tasks.toml`, and the
lesson's line in the table of contents.
What stands in angle brackets is to be written.
"""

import difflib
import keyword
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

MODULE = '''"""<What the lesson teaches, in one line.>"""

from __future__ import annotations

__all__: list[str] = []
'''

TESTS = '''"""The properties that make `companion.{chapter}.{name}` correct."""
'''

EVIDENCE = '''"""<What is compared with which library, and over how many seeds.>"""

from __future__ import annotations

from typing import Any

PEERS: list[str] = []  # distributions whose versions the record names


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {}
'''

# Comments until the algorithm is there, because the package reads the file.
TASK = """
# [[task]]  # <or put the algorithm under a task that is here already>
# name = "<What one wants to do>"
# about = "You <have this>, and want <that>."
#
# [[task.algorithm]]
# name = "{name}.<function>"
# avoid = "Not <where>, because <why>: <what instead>."
# peer = "<library, name there; leave it out where the record compares with none>"
"""

NOTEBOOK = """# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: all,-trusted,-execution,-collapsed
#     formats: ipynb,py:percent
#     notebook_metadata_filter: jupytext,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # {title}
#
# <The method's name, as somebody would search for it.>
#
# <Two sentences of something that happened, cited.>
#
# **<The one question?>**
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | <...> |
# | You need | <libraries, ideas, and a link to each lesson that this one builds on> |
# | Time | 25 minutes to read, 25 for the exercises |
# | Code | `companion.{chapter}.{name}` |

# %% tags=["remove-cell"]

# %% tags=["hide-input"]
from companion.lesson import check_answer, claim, recorded, show_source, table

# %% [markdown]
# ## The answer in a picture
#
# **Guess before you look**: <...>

# %% tags=["hide-input"]
# <The figure, with caption and alternative text in the cell's metadata.>

# %% tags=["hide-input", "claim"] jupyter={{"source_hidden": true}}
# claim("<One plain sentence.>", <what must hold>, over="<all that was checked>")

# %% [markdown]
# ## <The idea on numbers for a pencil>
#
# ## <The equation>
#
# ## <Real data>
#
# ## Break it: <what goes wrong>
#
# > **Often believed, and wrong**
# >
# > "<The belief.>"
# > **<The correction.>** <Why.>
#
# **Strengths**: <...>
#
# **Limits**: <...>
#
# **Who is harmed when it fails**: <...>
#
# **In production** take <...>
#
# ## Check yourself
"""

QUESTION = """#
# **{number}.** <A question that the page answers?>
"""

ANSWER = """#
# <details><summary><What one may answer, without formulas.></summary>
#
# **{verdict}.** <{why}>
#
# </details>
"""
WHY = {
    "Right": "Why.",
    "Not so": "Where one sees it on this page: `a name of its code`. Why one may believe it.",
}

EXERCISE = '''
# %% [markdown]
# ## Exercise {number}: <...>
#
# *{level}, {minutes} minutes.*
# <What is asked.>
#
# Hint: <...>

# %% tags=["exercise"]
def attempt_{number}():
    """<What it returns.>"""
    ...


# %% tags=["hide-input"] jupyter={{"source_hidden": true}}
def check_{number}(attempt):
    check_answer(attempt(), 1.0, {{"<This mistake, and why it is one.>": 2.0}})


check_{number}(attempt_{number})


# %% tags=["hide-cell"] jupyter={{"source_hidden": true}}
def attempt_{number}_solution():
    return 1.0


check_{number}(attempt_{number}_solution)
# Why: <two sentences>
'''

END = """
# %% [markdown]
# ## How it compares

# %% tags=["hide-input"]
# <One sentence that begins with where the book is slower or less able.>

# %% [markdown]
# ## What the source says
#
# <Its one line.>
#
# ## References
#
# <Who is cited for what.>
"""


def question(number: int, verdicts: list[str]) -> str:
    """Return a question of the quiz with its answers."""
    answers = [ANSWER.format(verdict=verdict, why=WHY[verdict]) for verdict in verdicts]
    return QUESTION.format(number=number) + "".join(answers)


def files(chapter: str, name: str) -> dict[str, str]:
    """Return what a lesson begins with, by path."""
    title = name.replace("_", " ").capitalize()
    notebook = (
        NOTEBOOK.format(chapter=chapter, name=name, title=title)
        + question(1, ["Not so", "Right", "Not so"])
        + question(2, ["Not so", "Not so", "Right"])
        + EXERCISE.format(number=1, level="Easy", minutes=10)
        + EXERCISE.format(number=2, level="Medium", minutes=15)
        + END
    )
    return {
        f"companion/{chapter}/{name}.py": MODULE,
        f"tests/{chapter}/test_{name}.py": TESTS.format(chapter=chapter, name=name),
        f"evidence/{chapter}/{name}.py": EVIDENCE,
        f"notebooks/{chapter}/{name}.py": notebook,
    }


def with_lesson(toc: str, chapter: str, name: str) -> str:
    """Return the table of contents with the lesson as the last of its chapter."""
    lessons = re.findall(rf"^ *- file: notebooks/{chapter}/\w+\n", toc, re.MULTILINE)
    return toc.replace(
        lessons[-1],
        lessons[-1]
        + f"{lessons[-1].split('-')[0]}- file: notebooks/{chapter}/{name}\n",
    )


def main(chapter: str, name: str, root: Path = ROOT) -> None:
    """Write the files of a new lesson; write none if the chapter or the name will not do."""
    chapters = [path.parent.name for path in (root / "companion").glob("*/__init__.py")]
    if chapter not in chapters:
        (nearest,) = difflib.get_close_matches(chapter, chapters, 1, cutoff=0)
        sys.exit(f"There is no chapter {chapter!r}: the nearest is {nearest}.")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        sys.exit(
            f"{name!r} cannot be a lesson's name: take lower-case words joined by underscores."
        )
    new = files(chapter, name)
    there = [path for path in new if (root / path).exists()]
    if there:
        sys.exit(
            f"There is a lesson {chapter}/{name} already ({there[0]}): take another name."
        )
    toc = root / "_toc.yml"
    contents = with_lesson(toc.read_text(encoding="utf-8"), chapter, name)
    for path, text in new.items():
        (root / path).write_text(text, encoding="utf-8")
    tasks = root / f"companion/{chapter}/tasks.toml"
    with tasks.open("a", encoding="utf-8") as file:
        file.write(TASK.format(name=name))
    toc.write_text(contents, encoding="utf-8")
    print(
        f"Laid out {chapter}/{name}; what stands in angle brackets is yours to write:"
    )
    print("\n".join(f"  {path}" for path in new))
    print(f"  companion/{chapter}/tasks.toml, at its end")
    commands = ["evidence", "faults", "notebooks"]
    print(
        "Then:",
        ", ".join(f"make {command} LESSON={chapter}/{name}" for command in commands),
        "and make test.",
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(
            "Say which chapter and which name: make lesson CHAPTER=safety NAME=fault_trees"
        )
    main(*sys.argv[1:])
