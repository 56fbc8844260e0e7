"""A lesson is one name in every tree, and no arrow of the package points up."""

import ast
import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ["value_alignment", "safety", "robustness", "explainability"]
LESSONS = sorted(
    path.relative_to(ROOT / "notebooks").with_suffix("").as_posix()
    for path in (ROOT / "notebooks").glob("*/*.py")
)
MODULES = sorted((ROOT / "companion").rglob("*.py"))
# What only notebooks use, and what reads the package.
APART = (
    "companion.lesson",
    "companion.listings",
    "companion.snippet",
    "companion.tasks",
)


def missing_siblings(root: Path, lesson: str) -> list[str]:
    chapter, name = lesson.split("/")
    wanted = [
        f"notebooks/{lesson}.py",
        f"notebooks/{lesson}.ipynb",
        f"companion/{lesson}.py",
        f"tests/{chapter}/test_{name}.py",
        f"evidence/{lesson}.py",
        f"evidence/{lesson}.json",
    ]
    return [path for path in wanted if not (root / path).is_file()]


def names_in(folder: str, pattern: str, prefix: str = "") -> set[str]:
    found = (path.relative_to(ROOT / folder) for path in (ROOT / folder).glob(pattern))
    return {
        f"{p.parent}/{p.stem.removeprefix(prefix)}"
        for p in found
        if p.stem != "__init__"
    }


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_has_its_sibling_in_every_tree(lesson):
    assert lesson.split("/")[0] in CHAPTERS
    assert missing_siblings(ROOT, lesson) == []


def test_no_tree_has_a_name_that_the_others_lack():
    assert names_in("companion", "*/*.py") == set(LESSONS)
    assert names_in("evidence", "*/*.py") == set(LESSONS)
    assert names_in("tests", "*/test_*.py", "test_") == set(LESSONS)


def test_a_missing_sibling_is_noticed(tmp_path):
    assert "evidence/robustness/x.json" in missing_siblings(tmp_path, "robustness/x")


def pages(entry: object) -> list[str]:
    if isinstance(entry, dict):
        return [
            page
            for key, value in entry.items()
            for page in ([value] if key in ("file", "root") else pages(value))
        ]
    return (
        [page for item in entry for page in pages(item)]
        if isinstance(entry, list)
        else []
    )


def test_the_table_of_contents_lists_every_page_once():
    listed = pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    notebooks = {
        p.relative_to(ROOT).with_suffix("").as_posix()
        for p in (ROOT / "notebooks").rglob("*.ipynb")
    }
    prose = {
        p.relative_to(ROOT).with_suffix("").as_posix()
        for p in (ROOT / "book").glob("*.md")
    }
    assert sorted(listed) == sorted(notebooks | prose)


def chapters_in(toc: dict[str, Any]) -> list[str]:
    """The chapters of the table of contents that have lessons, in its order."""
    return [
        page["file"].removeprefix("book/")
        for part in toc["parts"]
        for page in part["chapters"]
        if page.get("sections")
    ]


def test_chapters_stand_in_the_sources_order_each_with_lessons():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    assert chapters_in(toc) == CHAPTERS
    toc["parts"][0]["chapters"].reverse()
    assert chapters_in(toc) != CHAPTERS


def companion_imports(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        n.module
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("companion")
    ]


def wrong_arrows(module: str, imports: list[str]) -> list[str]:
    """Imports that point up, to another chapter, or to what only notebooks use."""
    chapter = module.split(".")[1] if module.count(".") == 2 else None
    wrong = []
    for target in imports:
        above = target.count(".") == 2 and target.split(".")[1] != chapter
        apart = target in APART and module not in APART
        wrong += [target] * (above or apart)
    return wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_no_arrow_of_the_package_points_up(path):
    module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    assert wrong_arrows(module, companion_imports(path)) == []
    if module not in APART:
        assert "matplotlib" not in path.read_text(encoding="utf-8")


def test_a_wrong_arrow_is_noticed():
    assert wrong_arrows("companion.mdp", ["companion.robustness.fault_tolerance"])
    assert wrong_arrows("companion.safety.x", ["companion.robustness.y"])
    assert wrong_arrows("companion.robustness.x", ["companion.lesson"])
    assert wrong_arrows("companion.mdp", ["companion.listings"])
    assert not wrong_arrows("companion.listings", ["companion.lesson"])
    assert not wrong_arrows(
        "companion.robustness.x", ["companion.robustness.y", "companion.mdp"]
    )


def code_lines(path: Path) -> int:
    """Lines that are neither blank, comment, nor docstring."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    text = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            text.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(source.splitlines(), 1)
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and n not in text
        for n, line in lines
    )


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lessons_module_can_be_read_in_one_sitting(lesson):
    # About 250 lines; at the 88 columns of the page a call takes more lines than it would elsewhere.
    assert code_lines(ROOT / f"companion/{lesson}.py") <= 300


def test_the_source_document_is_to_the_letter_what_was_given():
    digest = hashlib.sha256((ROOT / "book/source_document.md").read_bytes()).hexdigest()
    assert digest == SOURCE_DOCUMENT


SOURCE_DOCUMENT = "67217cf0a39a8f8ca76b4cac3251493bb1b0709a165e0858145a61345d0153e7"
