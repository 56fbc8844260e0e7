"""The pairs are in step, the first cell is the book's, nothing is exempt from comparison without being counted."""

import ast
import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from tools import notebooks as recorder

ROOT = Path(__file__).resolve().parent.parent

PAIRS = sorted((ROOT / "notebooks").rglob("*.py"))
LESSONS = [path for path in PAIRS if path.parent != ROOT / "notebooks"]

# Cells whose output strict nbval does not compare, by notebook. None, unless a line here says why.
PERMITTED_IGNORES: dict[str, int] = {}


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str, dict]]:
    return [
        (cell.cell_type, cell.source.rstrip(), dict(cell.metadata))
        for cell in notebook.cells
    ]


def ignores(notebook: nbformat.NotebookNode) -> int:
    def exempt(cell):
        tags = {"nbval-ignore-output", "nbval-skip"} & set(
            cell.metadata.get("tags", [])
        )
        return bool(tags) or re.search(
            r"#\s*(NBVAL_|PYTEST_VALIDATE_)(IGNORE|SKIP)", cell.source
        )

    return sum(bool(exempt(cell)) for cell in notebook.cells)


@pytest.mark.parametrize("path", PAIRS, ids=lambda p: p.stem)
def test_both_halves_of_a_pair_are_in_step(path):
    assert cells(jupytext.read(path)) == cells(
        nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    )


def test_no_half_of_a_pair_is_alone():
    assert {p.with_suffix("") for p in PAIRS} == {
        p.with_suffix("") for p in (ROOT / "notebooks").rglob("*.ipynb")
    }


@pytest.mark.parametrize("path", PAIRS, ids=lambda p: p.stem)
def test_the_first_code_cell_is_the_books(path):
    code = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    assert code[0].source == recorder.first_cell(path)


@pytest.mark.parametrize("path", PAIRS, ids=lambda p: p.stem)
def test_every_output_is_compared_but_for_the_counted_ignores(path):
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    assert ignores(notebook) == PERMITTED_IGNORES.get(path.stem, 0)
    code = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip()
    ]
    assert all(cell.execution_count for cell in code), "run make notebooks"


def test_an_ignored_cell_is_counted():
    hidden = nbformat.v4.new_code_cell("# NBVAL_IGNORE_OUTPUT\n1")
    tagged = nbformat.v4.new_code_cell("1", metadata={"tags": ["nbval-skip"]})
    assert (
        ignores(
            nbformat.v4.new_notebook(
                cells=[hidden, tagged, nbformat.v4.new_code_cell("1")]
            )
        )
        == 2
    )


@pytest.mark.parametrize("path", PAIRS, ids=lambda p: p.stem)
def test_nothing_recorded_names_a_path_of_the_machine_or_has_stderr(path):
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr"
            assert not re.search(
                r"/(home|root|tmp|usr|work|Users)/|site-packages",
                str(output.get("traceback", "")),
            )


@pytest.mark.parametrize("path", PAIRS, ids=lambda p: p.stem)
def test_every_figure_has_a_caption_and_an_alternative_text(path):
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    figures = [
        cell
        for cell in notebook.cells
        if any(
            "image/png" in output.get("data", {}) for output in cell.get("outputs", [])
        )
    ]
    for cell in figures:
        shown = cell.metadata.get("mystnb", {})
        assert len(shown.get("image", {}).get("alt", "")) > 40, cell.source
        assert shown.get("figure", {}).get("caption"), cell.source


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_follows_the_skeleton(path):
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    text = "\n".join(
        cell.source for cell in notebook.cells if cell.cell_type == "markdown"
    )
    assert len(re.findall(r"^# ", text, flags=re.MULTILINE)) == 1
    for part in (
        "At a glance",
        "What the source says",
        "Break it",
        "You should know",
        "Exercise",
        "References",
    ):
        assert part in text, part
    claims = sum(
        cell.source.count("claim(")
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    assert claims >= 8
    solutions = [
        cell for cell in notebook.cells if "hide-cell" in cell.metadata.get("tags", [])
    ]
    assert (
        len(solutions)
        >= len(re.findall(r"^#+ Exercise \d", text, flags=re.MULTILINE))
        >= 2
    )
    assert all(
        cell.metadata.get("jupyter", {}).get("source_hidden") for cell in solutions
    )


@pytest.mark.parametrize("path", PAIRS, ids=lambda p: p.stem)
def test_notebooks_do_not_define_what_the_package_should(path):
    source = "\n".join(
        c.source
        for c in jupytext.read(path).cells
        if c.cell_type == "code" and "%" not in c.source
    )
    longest = max(
        (
            n.end_lineno - n.lineno
            for n in ast.walk(ast.parse(source))
            if isinstance(n, ast.FunctionDef)
        ),
        default=0,
    )
    assert longest < 20
