"""The commands fail with a sentence that says what to do."""

import collections
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jupytext
import pytest
import yaml

from tests.test_notebooks import skeleton_faults, time_faults
from tools import evidence as evidence_tool
from tools import install, portable
from tools import lesson as lesson_tool
from tools import notebooks as recorder

ROOT = Path(__file__).resolve().parent.parent
Usage = collections.namedtuple("Usage", "total used free")


def test_a_python_that_is_too_old_is_told_so(monkeypatch):
    monkeypatch.setattr(install.sys, "version_info", (3, 9, 1))
    with pytest.raises(
        SystemExit, match=r"needs Python 3.11 or newer; .* is 3.9. Install one"
    ):
        install.main("anywhere", "test")


def test_a_python_without_venv_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        install.main(str(tmp_path / "new"), "test")


def test_a_full_disk_is_told_before_anything_is_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(
        install.shutil, "disk_usage", lambda path: Usage(1e12, 1e12, 1e9)
    )
    with pytest.raises(SystemExit, match="make room and try again"):
        install.main(str(tmp_path / "new"), "test")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("free", "sentence"),
    [(1e11, "check the network"), (1e8, "The disk is full: free 6 GB")],
)
def test_a_failed_installation_says_the_likely_cause(monkeypatch, free, sentence):
    monkeypatch.setattr(install.subprocess, "call", lambda *command, **options: 1)
    monkeypatch.setattr(
        install.shutil, "disk_usage", lambda path: Usage(1e12, 1e12, free)
    )
    with pytest.raises(SystemExit, match=sentence):
        install.pip("anywhere", "nothing")


def test_a_broken_environment_is_named(monkeypatch, tmp_path):
    (tmp_path / "pyvenv.cfg").touch()
    monkeypatch.setattr(install.subprocess, "call", lambda *command, **options: 1)
    with pytest.raises(SystemExit, match="is broken.* delete that folder"):
        install.main(str(tmp_path), "test")
    monkeypatch.undo()
    assert not install.works(str(tmp_path))  # no Python there
    monkeypatch.setattr(install, "python_of", lambda folder: sys.executable)
    assert install.works("this one")


def test_a_comparison_that_fails_says_what_to_do(monkeypatch):
    monkeypatch.setattr(evidence_tool, "environment", lambda chapter: sys.executable)
    monkeypatch.setattr(evidence_tool.subprocess, "call", lambda *command, **options: 1)
    with pytest.raises(SystemExit, match="LESSON=robustness/shielding again"):
        evidence_tool.main(["robustness/shielding"])


def test_peers_with_outdated_pins_come_last_and_without_their_dependencies(
    monkeypatch, tmp_path
):
    chapter = tmp_path / "evidence/x"
    chapter.mkdir(parents=True)
    (chapter / "requirements.txt").touch()
    (chapter / "without-dependencies.txt").touch()
    (tmp_path / ".venv-evidence-x").mkdir()
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(evidence_tool, "ROOT", tmp_path)
    monkeypatch.setattr(
        evidence_tool, "pip", lambda folder, *words: asked.append(words)
    )
    monkeypatch.setattr(evidence_tool.subprocess, "run", lambda *words, **options: None)
    evidence_tool.environment("x")
    assert asked[-1][:2] == ("--no-deps", "--requirement")
    assert [words for words in asked if "--no-deps" in words] == asked[-1:]
    asked.clear()
    evidence_tool.environment("x")
    assert asked == []  # nothing is newer than what was installed


@pytest.mark.parametrize(
    ("cell", "said"),
    [("1 / 0", "division by zero"), ("import os; os._exit(3)", "died")],
)
def test_a_notebook_that_fails_says_what_to_do(cell, said, monkeypatch, tmp_path):
    (tmp_path / "_config.yml").write_text('repository: {url: "", branch: main}')
    (tmp_path / "one.py").write_text(f"# %%\nimport companion\n\n# %%\n{cell}\n")
    monkeypatch.setattr(recorder, "ROOT", tmp_path)
    monkeypatch.setattr(recorder, "FOLDER", tmp_path)
    with pytest.raises(SystemExit, match="run make notebooks LESSON=one") as error:
        recorder.main(["one"])
    assert said in str(error.value)
    assert not (tmp_path / "one.ipynb").exists()


def test_make_without_a_python_says_so(tmp_path):
    command = ["make", "book", "PYTHON=no-such-python", f"VENV={tmp_path / 'none'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert (
        "There is no no-such-python: install Python 3.11 or newer"
        in done.stdout + done.stderr
    )


def test_every_promise_of_a_python_is_the_same_and_is_tested():
    versions = ["3.11", "3.12", "3.13"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={versions[0]}"
    prefix = "Programming Language :: Python :: "
    assert project["classifiers"] == [prefix + version for version in versions]
    flow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    assert flow["jobs"]["linux"]["strategy"]["matrix"]["python"] == versions
    assert "Python 3.11, 3.12 or 3.13" in (ROOT / "README.md").read_text()


def test_make_help_lists_every_command():
    done = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = "book test lab notebooks evidence portable lesson lint zip pdf epub dist take-away"
    for name in names.split():
        assert f"make {name}" in done.stdout


def test_an_unknown_lesson_is_named():
    with pytest.raises(SystemExit, match="There is no notebook .*robustness/x.py"):
        recorder.main(["robustness/x"])
    with pytest.raises(SystemExit, match="the nearest is robustness/shielding"):
        evidence_tool.main(["robustness/sheilding"])


def test_the_first_cell_fetches_the_book_once_an_address_is_configured(
    monkeypatch, tmp_path
):
    path = ROOT / "notebooks/robustness/fault_tolerance.py"
    assert recorder.first_cell(path) == recorder.FIRST_CELL_WITHOUT_ADDRESS
    (tmp_path / "_config.yml").write_text(
        "repository: {url: https://example.org/a/b, branch: main}\n"
    )
    monkeypatch.setattr(recorder, "ROOT", tmp_path)
    cell = recorder.first_cell(path)
    compile(cell, "cell", "exec")
    assert "git clone -q --depth 1 --branch main https://example.org/a/b book" in cell
    assert "book/notebooks/robustness" in cell
    scope: dict = {}
    exec(
        cell, scope
    )  # companion is here, so nothing is fetched; get_ipython would not be defined


def test_another_cpu_runs_every_test_that_computes():
    named = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert named >= portable.TEXT
    run = portable.unit_tests()
    assert {
        "tests/test_mdp.py",
        "tests/robustness/test_shielding.py",
        "companion",
    } <= set(run)
    left = named - {Path(path).name for path in run} - portable.TEXT
    assert all(name.startswith("test_site") for name in left)


def test_both_profiles_are_run_and_the_advice_is_given(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        portable.subprocess,
        "call",
        lambda command, cwd, env: calls.append((command, env)) or len(calls) == 1,
    )
    assert portable.main() == 1
    (older, with_older), (two, with_two) = calls
    assert {"notebooks", "companion", "tests/test_mdp.py"} <= set(older)
    assert with_older["OPENBLAS_CORETYPE"] == "Haswell"
    assert two[-1] == "notebooks"
    assert with_two["OMP_NUM_THREADS"] == "2"
    assert "A bound in a test: derive it" in capsys.readouterr().out


def test_the_probe_of_the_portable_check_is_repeatable():
    environment = {**portable.os.environ, **portable.ONE_THREAD}
    assert portable.probe(environment) == portable.probe(environment)


# --- a new lesson ------------------------------------------------------------------


def house(tmp_path):
    """A copy of what a new lesson is laid out in."""
    for tree in ("companion", "tests", "evidence", "notebooks"):
        (tmp_path / tree / "safety").mkdir(parents=True)
    (tmp_path / "companion/safety/__init__.py").touch()
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    (tmp_path / "_toc.yml").write_text(toc, encoding="utf-8")
    return tmp_path


def written(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_new_lesson_has_every_part_in_its_order_and_its_place_in_the_contents(
    tmp_path,
):
    root = house(tmp_path)
    before = pages_of((root / "_toc.yml").read_text())
    lesson_tool.main("safety", "circuit_breakers", root)
    after = pages_of((root / "_toc.yml").read_text())
    new = "notebooks/safety/circuit_breakers"
    assert [page for page in after if page != new] == before
    assert after[after.index(new) - 1].startswith("notebooks/safety/")
    notebook = jupytext.read(root / f"{new}.py")
    assert skeleton_faults(notebook) == []
    assert time_faults(notebook) == []
    for path in root.rglob("*.py"):
        compile(path.read_text(encoding="utf-8"), path, "exec")
    names = {path.name for path in root.rglob("*circuit_breakers*")}
    assert names == {"circuit_breakers.py", "test_circuit_breakers.py"}


@pytest.mark.parametrize(
    ("chapter", "name", "sentence"),
    [
        ("safty", "circuit_breakers", "the nearest is safety"),
        ("safety", "fault_trees", "There is a lesson safety/fault_trees already"),
        ("safety", "Fault-Trees", "take lower-case words"),
        ("safety", "../trees", "take lower-case words"),
        ("safety", "class", "take lower-case words"),
        ("", "", "There is no chapter ''"),
    ],
)
def test_an_unfit_chapter_or_name_is_refused_and_nothing_is_written(
    tmp_path, chapter, name, sentence
):
    root = house(tmp_path)
    (root / "evidence/safety/fault_trees.py").touch()
    before = written(root)
    with pytest.raises(SystemExit, match=sentence):
        lesson_tool.main(chapter, name, root)
    assert written(root) == before


def test_without_a_name_the_command_says_how_to_call_it():
    done = subprocess.run(
        [sys.executable, "-m", "tools.lesson", "safety"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode
    assert "make lesson CHAPTER=safety NAME=fault_trees" in done.stderr


def pages_of(toc):
    return re.findall(r"file: (\S+)", toc)
