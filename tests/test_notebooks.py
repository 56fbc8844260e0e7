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
LISTINGS = sorted(set(PAIRS) - set(LESSONS))

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


def empty_cells(notebook: nbformat.NotebookNode) -> list[int]:
    """Cells without a word; an opening that is none leaves the lesson's card without title and question."""
    return [n for n, cell in enumerate(notebook.cells) if not cell.source.strip()]


@pytest.mark.parametrize("path", PAIRS, ids=lambda p: p.stem)
def test_no_cell_is_empty(path):
    assert empty_cells(jupytext.read(path)) == []


def test_an_empty_line_before_the_first_cell_is_noticed():
    assert empty_cells(jupytext.reads("\n# %% [markdown]\n# # One", "py:percent"))
    assert not empty_cells(jupytext.reads("# %% [markdown]\n# # One", "py:percent"))


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


# The order of a lesson's parts (DESIGN: the notebook).
PARTS = [
    "| At a glance |",
    "## Break it",
    "> **Often believed, and wrong**",
    "## Check yourself",
    "## Exercise 1",
    "## Exercise 2",
    "## How it compares",
    "## What the source says",
    "## References",
]
# What a reader calls the libraries that a lesson may import.
LIBRARIES = {
    "gymnasium": "Gymnasium",
    "matplotlib": "Matplotlib",
    "numpy": "NumPy",
    "scipy": "SciPy",
    "sklearn": "scikit-learn",
    "torch": "PyTorch",
}
MOST_CLAIMS = 8
FIGURE_WITHIN = 6  # code cells


def tagged(notebook: nbformat.NotebookNode, *tags: str) -> list[nbformat.NotebookNode]:
    return [c for c in notebook.cells if set(tags) <= set(c.metadata.get("tags", []))]


def shown(cell: nbformat.NotebookNode) -> str:
    """What a cell displays as Markdown."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return "\n".join(d.get("text/markdown", "") for d in data)


def skeleton_faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Parts that are missing, or stand in another order than every lesson's."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    places = [text.find(part) for part in PARTS]
    faults = [
        f"{part} is missing" for part, at in zip(PARTS, places, strict=True) if at < 0
    ]
    if not faults and places != sorted(places):
        faults.append("the parts stand in another order")
    if len(re.findall(r"^# ", text, flags=re.MULTILINE)) != 1:
        faults.append("there is not one title")
    return faults


def time_faults(notebook: nbformat.NotebookNode) -> list[str]:
    """The header's exercise minutes are not the sum of the exercises'."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    said = re.search(
        r"^\| Time \| \d+ minutes to read, (\d+) for the exercises", text, re.MULTILINE
    )
    minutes = re.findall(r"^\*(?:Easy|Medium|Hard), (\d+) minutes\.\*", text, re.M)
    exercises = re.findall(r"^## Exercise \d", text, re.MULTILINE)
    if said is None or len(minutes) != len(exercises):
        return ["the header or an exercise does not say its minutes"]
    if int(said[1]) != sum(map(int, minutes)):
        return [f"the header says {said[1]}, the exercises {' + '.join(minutes)}"]
    return []


def need_faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Libraries that the lesson imports and does not name among what you need."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    need = re.search(r"^\| You need \| (.*) \|$", text, re.MULTILINE)
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", code, re.MULTILINE))
    wanted = {name for module, name in LIBRARIES.items() if module in imported}
    return sorted(name for name in wanted if need is None or name not in need[1])


def claim_faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Claims that are too many, share a cell with other things, or stand unfolded."""
    made = [c for c in notebook.cells if "claim(" in c.source and c.cell_type == "code"]
    ticks = sum(shown(c).count("> **✓**") for c in notebook.cells)
    faults = [] if 1 <= ticks <= MOST_CLAIMS else [f"it makes {ticks} claims"]
    marked = tagged(notebook, "claim", "hide-input")
    faults += [
        f"a claim's cell wants its tags: {c.source}" for c in made if c not in marked
    ]
    return faults + [
        f"a claim's cell is open in Jupyter: {c.source}"
        for c in marked
        if not c.metadata.get("jupyter", {}).get("source_hidden")
    ]


def exercise_faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Exercises without a head to fill, a check that waits, or a folded solution that passes and says why."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    count = len(re.findall(r"^## Exercise \d", text, re.MULTILINE))
    heads, solutions = tagged(notebook, "exercise"), tagged(notebook, "hide-cell")
    waiting = [c for c in notebook.cells if "Not answered yet" in shown(c)]
    faults = []
    for name, found in (("head", heads), ("waiting check", waiting)):
        if len(found) != count:
            faults.append(f"{count} exercises have {len(found)} cells: {name}")
    if len(solutions) != count:
        faults.append(f"{count} exercises have {len(solutions)} solutions")
    faults += [
        f"open or not right: {c.source}" for c in solutions if "✓ Right" not in shown(c)
    ]
    faults += [
        f"does not say why: {c.source}" for c in solutions if "# Why: " not in c.source
    ]
    faults += [
        f"a solution is open in Jupyter: {c.source}"
        for c in solutions
        if not c.metadata.get("jupyter", {}).get("source_hidden")
    ]
    return faults


def picture_faults(notebook: nbformat.NotebookNode) -> list[str]:
    """No figure on the first screens."""
    code = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    first = [
        number
        for number, cell in enumerate(code, 1)
        if any("image/png" in o.get("data", {}) for o in cell.get("outputs", []))
    ]
    if not first or first[0] > FIGURE_WITHIN:
        return [f"the first figure is in code cell {first[0] if first else 'none'}"]
    return []


# A decimal or a share in percent.
NUMBER = re.compile(r"(?<![\w.])(\d*\.\d+|\d+(?= ?(?:%|percent|per cent)))(?![\w])")
# Formulas and arithmetic, code, quotations, and where links lead.
NOT_PROSE = re.compile(
    r"\$\$.+?\$\$|\$[^$]+\$|`[^`]*`|\"[^\"]*\"|\]\([^)]*\)", re.DOTALL
)


def number_faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Numbers typed into prose that are no parameter of the page's code, no arithmetic and not cited.

    What was measured changes with the code that measures it, and the sentence would not.
    """
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    parameters = {float(n) for n in re.findall(r"(?<![\w.])\d*\.?\d+(?!\w)", code)}
    faults = []
    for cell in notebook.cells:
        for paragraph in cell.source.split("\n\n") * (cell.cell_type == "markdown"):
            if "{cite" not in paragraph:
                faults += [
                    f"{found[0]} in: {paragraph}"
                    for found in NUMBER.finditer(NOT_PROSE.sub("", paragraph))
                    if not {float(found[0]), float(found[0]) / 100} & parameters
                ]
    return faults


# A question of the quiz, and an answer below it.
QUESTION = re.compile(r"^\*\*\d\.\*\* ", re.MULTILINE)
ANSWER = re.compile(
    r"^<details><summary>(.+)</summary>\n\n\*\*(Right|Not so)\.\*\* (.+)\n\n</details>$",
    re.MULTILINE,
)


def quiz_faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Questions without three answers, one of them right and each wrong one refuted by code on the page."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    names = set(re.findall(r"[^\W\d]\w*", code))
    quiz = re.search(r"^## Check yourself\n(.*?)(?=^## |\Z)", text, re.M | re.DOTALL)
    questions = QUESTION.split(quiz[1])[1:] if quiz else []
    faults = [] if 2 <= len(questions) <= 3 else [f"{len(questions)} questions"]
    right_places = []
    for question in questions:
        answers = ANSWER.findall(question)
        verdicts = [verdict for _, verdict, _ in answers]
        if sorted(verdicts) != ["Not so", "Not so", "Right"]:
            faults.append(f"not one right answer of three: {question}")
            continue
        if question.count("<details>") != len(answers):
            faults.append(f"an answer in another form: {question}")
        right_places.append(verdicts.index("Right"))
        faults += [
            f"a formula or a link in what can be clicked: {answer}"
            for answer, _, _ in answers
            if re.search(r"[$\[`*]", answer)
        ]
        faults += [
            f"names no code of the page: {why}"
            for _, verdict, why in answers
            if verdict == "Not so"
            and not set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", why))))
            & names
        ]
    if len(right_places) > 1 and len(set(right_places)) == 1:
        faults.append("the right answer always stands in the same place")
    return faults


CHECKS = [
    skeleton_faults,
    time_faults,
    need_faults,
    claim_faults,
    exercise_faults,
    picture_faults,
    number_faults,
    quiz_faults,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_follows_the_template(path, check):
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    assert check(notebook) == []


@pytest.mark.parametrize(
    "check", [need_faults, claim_faults, picture_faults, number_faults]
)
@pytest.mark.parametrize("path", LISTINGS, ids=lambda p: p.stem)
def test_the_page_of_a_listing_keeps_the_rules_that_concern_it(path, check):
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    assert check(notebook) == []


def model_lesson() -> nbformat.NotebookNode:
    """The smallest notebook that follows the template."""
    v4 = nbformat.v4

    def code(source, *tags, markdown=None, image=False):
        data = {"text/markdown": markdown} if markdown else {}
        data |= {"image/png": ""} if image else {}
        output = v4.new_output("display_data", data=data)
        metadata = {"tags": list(tags), "jupyter": {"source_hidden": True}}
        return v4.new_code_cell(source, outputs=[output], metadata=metadata)

    def exercise(number):
        return [
            v4.new_markdown_cell(f"## Exercise {number}: one\n\n*Easy, 10 minutes.*"),
            code("def f(): ...", "exercise"),
            code("check_f(f)", "hide-input", markdown="**Not answered yet.**"),
            code("check_f(g)\n# Why: it is.", "hide-cell", markdown="**✓ Right.**"),
        ]

    def answer(verdict, why):
        return f"<details><summary>So.</summary>\n\n**{verdict}.** {why}\n\n</details>"

    right, wrong = answer("Right", "It is."), answer("Not so", "See `claim`.")
    first, second = [right, wrong, wrong], [wrong, right, wrong]
    quiz = "\n\n".join(
        ["## Check yourself", "**1.** How?", *first, "**2.** Why?", *second]
    )
    head = (
        "# One\n\n| At a glance | |\n| :--- | :--- |\n| You need | NumPy |\n"
        "| Time | 25 minutes to read, 20 for the exercises |"
    )
    ticked = "> **✓** So it is. *Checked over one case.*"
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell(head),
            code("import numpy as np", image=True),
            code("claim('So it is.', True)", "claim", "hide-input", markdown=ticked),
            v4.new_markdown_cell("## Break it\n\n> **Often believed, and wrong**"),
            v4.new_markdown_cell(quiz),
            *exercise(1),
            *exercise(2),
            v4.new_markdown_cell("## How it compares\n\n## What the source says"),
            v4.new_markdown_cell("## References"),
        ]
    )


def test_the_model_lesson_has_no_fault():
    assert [check(model_lesson()) for check in CHECKS] == [[]] * len(CHECKS)


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (skeleton_faults, "## Break it", "## Bend it"),
        (skeleton_faults, "## References", "# Another title\n\n## References"),
        (
            skeleton_faults,
            "## How it compares\n\n## What the source says",
            "## What the source says\n\n## How it compares",
        ),
        (time_faults, "20 for the", "30 for the"),
        (time_faults, "*Easy, 10 minutes.*", "*Easy.*"),
        (need_faults, "import numpy", "import torch, numpy"),
        (need_faults, "You need | NumPy", "You need | patience"),
        (claim_faults, "> **✓** So", "> **✓** So\n" * 9),
        (claim_faults, "> **✓** So", "So"),
        (exercise_faults, "def f(): ...", None),
        (exercise_faults, "check_f(f)", None),
        (exercise_faults, "**✓ Right.**", "**Not yet.**"),
        (exercise_faults, "# Why: ", "# "),
        (picture_faults, "import numpy as np", None),
        (quiz_faults, "## Check yourself", "## Check"),
        (quiz_faults, "**2.** ", ""),
        (quiz_faults, "**Right.**", "**Not so.**"),
        (quiz_faults, "**Not so.**", "**Wrong.**"),
        (quiz_faults, "`claim`", "`clam`"),
        (quiz_faults, "<summary>So.", "<summary>$x$."),
        (quiz_faults, "**1.** How?\n\n", "**1.** How?\n\n<details></details>\n\n"),
        (quiz_faults, "**2.** Why?", "<details><summary>So.</summary>\n\n**2.** Why?"),
        (number_faults, "## References", "It is 0.37 slower.\n\n## References"),
        (number_faults, "## References", "It finds 37 %.\n\n## References"),
    ],
)
def test_a_departure_from_the_template_is_noticed(check, old, new):
    notebook = model_lesson()
    if new is None:
        notebook.cells = [c for c in notebook.cells if c.source != old]
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new or "")
        for output in cell.get("outputs", []):
            text = output.data.get("text/markdown", "").replace(old, new or "")
            output.data["text/markdown"] = text
    assert check(notebook)


def test_an_open_or_mixed_claim_cell_is_noticed():
    notebook = model_lesson()
    cell = next(c for c in notebook.cells if "claim(" in c.source)
    cell.metadata["jupyter"] = {}
    assert claim_faults(notebook)
    cell.metadata = {"tags": []}
    assert claim_faults(notebook)


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
