"""The notation: what holds in the whole book, then one table for each chapter, each symbol with its lesson."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "book/notation.md").read_text(encoding="utf-8")
COLUMNS = ["symbol", "meaning", "unit or range", "in code", "lesson"]
LINK = re.compile(r"\[\]\(\.\./notebooks/(\w+/\w+)\.ipynb\)")


def chapters() -> dict[str, list[str]]:
    """Return the lessons of every chapter, in the order of the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return {
        page["file"].removeprefix("book/").replace("_", " ").capitalize(): [
            lesson["file"].removeprefix("notebooks/") for lesson in page["sections"]
        ]
        for part in toc["parts"]
        for page in part["chapters"]
        if page.get("sections")
    }


def tables(page: str) -> dict[str, list[list[str]]]:
    """Return the rows of the table below every heading, the head first and without its rule."""
    found = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        # A bar within a formula is written as a command.
        lines = [x for x in section.split("\n") if x.startswith("|")]
        cells = [[c.strip() for c in x.strip("|").split(" | ")] for x in lines]
        found[section.split("\n")[0]] = cells[:1] + cells[2:]
    return found


def row_faults(row: list[str], lessons: list[str]) -> list[str]:
    """Return what a row lacks: a symbol, its meaning, and the lesson that introduces it."""
    if len(row) != len(COLUMNS):
        return [f"{len(row)} cells in: {row}"]
    symbol, meaning, *_, link = row
    target = LINK.fullmatch(link)
    faults = [f"no symbol in: {row}"] * (not re.match(r"\$[^$]+\$", symbol))
    faults += [f"no meaning in: {row}"] * (not meaning)
    faults += [f"no lesson of {target} in: {row}"] * (
        target is None or target[1] not in lessons
    )
    return faults


def table_faults(name: str, rows: list[list[str]], lessons: list[str]) -> list[str]:
    """Return what is wrong with one table."""
    if rows[:1] != [COLUMNS]:
        return [f"{name}: the columns are not {COLUMNS}"]
    faults = [fault for row in rows[1:] for fault in row_faults(row, lessons)]
    if faults:
        return faults
    places = [lessons.index(LINK.fullmatch(row[-1])[1]) for row in rows[1:]]
    faults += [f"{name}: not in the order of the lessons"] * (places != sorted(places))
    said = [tuple(row[:2]) for row in rows[1:]]
    return faults + [
        f"{name}: twice: {row}" for row in set(said) if said.count(row) > 1
    ]


def page_faults(page: str) -> list[str]:
    """Return what is wrong with the page: its headings, its tables, and lessons without a symbol."""
    own, found = chapters(), tables(page)
    if list(found) != ["In the whole book", *own]:
        return [f"the headings are {list(found)}"]
    everywhere = [lesson for lessons in own.values() for lesson in lessons]
    whole, faults = found.pop("In the whole book"), []
    # Its rows stand in the order of thought; the lessons that introduce them lie in any chapter.
    faults += [f for row in whole[1:] for f in row_faults(row, everywhere)]
    for name, rows in found.items():
        faults += table_faults(name, rows, own[name])
    return faults + [f"{x}: no symbol" for x in everywhere if f"/{x}.ipynb" not in page]


def test_every_symbol_has_its_meaning_and_the_lesson_that_introduces_it():
    assert page_faults(PAGE) == []


ROW = next(line for line in PAGE.split("\n") if line.startswith("| $r_\\Phi$"))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("## Safety", "## Safer", "headings"),
        ("| unit or range |", "| unit |", "columns"),
        (ROW, ROW.replace(" | ", " ", 1), "4 cells"),
        (ROW, re.sub(r"\| reward and.*?\|", "|  |", ROW), "no meaning"),
        (ROW, ROW.replace("$r_\\Phi$, $q_\\Phi$", "r"), "no symbol"),
        (ROW, ROW.replace("reward_shaping", "reward_shapes"), "no lesson"),
        (ROW, ROW.replace("/reward_shaping", "/rlhf"), "order"),
        (ROW, f"{ROW}\n{ROW}", "twice"),
        ("/shielding.ipynb", "/redundancy.ipynb", "shielding: no symbol"),
    ],
)
def test_a_fault_in_the_notation_is_noticed(old, new, fault):
    assert old in PAGE
    assert old != new
    assert any(fault in text for text in page_faults(PAGE.replace(old, new)))
