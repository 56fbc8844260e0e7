"""The commands fail with a sentence that says what to do."""

import ast
import collections
import queue
import re
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import jupytext
import pytest
import yaml

from tests.test_notebooks import quiz_faults, skeleton_faults, time_faults
from tools import evidence as evidence_tool
from tools import install, lint, portable, versions
from tools import lesson as lesson_tool
from tools import notebooks as recorder
from tools import site as site_tool

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


def test_make_help_and_the_readme_list_every_command():
    done = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    phony = re.search(r"^\.PHONY: (.+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in phony[1].split():
        assert re.search(rf"^  make {name} ", done.stdout, re.MULTILINE)
        assert f"make {name}" in readme


# --- other versions, peers, hooks and forms -----------------------------------------

STATED = """
[project]
dependencies = ["numpy>=2.0", "scikit-learn>=1.5,<2"]
[project.optional-dependencies]
notebooks = ["ipython>=8.20"]
"""


def test_the_lowest_versions_stand_in_the_place_of_the_pins():
    pins = "# All.\nipython==9.18.1\nnumpy==2.4.6\nscikit-learn==1.9.1\nsix==1.17.0\n"
    lowest = versions.lowest(STATED, pins)
    assert lowest == "ipython==8.20\nnumpy==2.0\nscikit-learn==1.5\nsix==1.17.0\n"
    with pytest.raises(SystemExit, match='write "numpy" as "name>=lowest"'):
        versions.lowest(STATED.replace("numpy>=2.0", "numpy"), pins)
    project, pins = (
        (ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt")
    )
    names = [
        re.findall("^([^#=]+)==", t, re.M)
        for t in (pins, versions.lowest(project, pins))
    ]
    assert names[0] == names[1]  # every bound is one of a pinned package


@pytest.mark.parametrize(
    ("which", "asked"), [("lowest", "torch==2.4"), ("newest", "torch")]
)
def test_the_environment_of_other_versions_is_made_afresh(
    which, asked, monkeypatch, tmp_path
):
    for name in ("pyproject.toml", "constraints.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
    old = tmp_path / f".venv-{which}"
    old.mkdir()
    (old / "pyvenv.cfg").touch()
    made: list[str] = []
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(versions, "ROOT", tmp_path)
    monkeypatch.setattr("venv.create", lambda folder, with_pip: made.append(folder))
    monkeypatch.setattr(install, "works", lambda folder: True)
    monkeypatch.setattr(install, "pip", lambda folder, *asked: words.append(asked))
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    versions.environment(which)
    assert made == [str(old)]
    assert words[0] == (asked,)
    assert words[1][:2] == ("--constraint", str(tmp_path / f"_build/{which}.txt"))


REPORT = """..F
FAILED notebooks/robustness/shielding.ipynb::Cell 3
FAILED notebooks/robustness/shielding.ipynb::Cell 12
ERROR notebooks/safety/rare_events.ipynb::Cell 0 - Kernel died
FAILED tests/test_mdp.py::test_a - Cell 1
1 failed
"""


def test_the_cells_that_moved_are_listed_by_lesson():
    listed = "robustness/shielding: cell 3, 12\nsafety/rare_events: cell 0\n"
    assert versions.failed_cells(REPORT) == listed


@pytest.mark.parametrize(
    ("which", "statuses", "sentence"),
    [
        ("lowest", [1], "raise it to the lowest that passes"),
        ("newest", [1, 0], "pin the new version"),
        ("newest", [0, 1], "pin the new version"),
    ],
)
def test_other_versions_that_fail_say_what_to_do(
    which, statuses, sentence, monkeypatch, capsys
):
    left = iter(statuses)
    done = collections.namedtuple("Done", "returncode stdout")
    monkeypatch.setattr(versions, "environment", lambda which: sys.executable)
    monkeypatch.setattr(versions.subprocess, "call", lambda *a, **options: next(left))
    monkeypatch.setattr(
        versions.subprocess, "run", lambda *a, **options: done(next(left), REPORT)
    )
    with pytest.raises(SystemExit, match=sentence):
        versions.main(which)
    assert next(left, None) is None
    said = capsys.readouterr().out
    assert ("Outputs that moved:\nrobustness/shielding" in said) == (which == "newest")


def open_ended(requirements: str) -> list[str]:
    """Lines that do not pin one version."""
    lines = [line.split("#")[0].strip() for line in requirements.splitlines()]
    return [x for x in lines if x and not re.fullmatch(r"[\w.-]+==[\w.]+", x)]


def unpinned(peers: list[str], requirements: str) -> list[str]:
    """Peers that a record names, and whose version is left to chance."""
    pins = re.findall(r"^([\w.-]+)==", requirements.lower(), re.MULTILINE)
    return [name for name in peers if name.lower() not in pins]


def test_every_peer_is_pinned():
    for chapter in [path.parent for path in (ROOT / "companion").glob("*/__init__.py")]:
        folder = ROOT / "evidence" / chapter.name
        files = sorted(folder.glob("*.txt"))
        requirements = "\n".join(path.read_text(encoding="utf-8") for path in files)
        assert open_ended(requirements) == [], chapter.name
        for program in folder.glob("[!_]*.py"):
            (peers,) = re.findall(
                r"^PEERS\b.*? = (\[.*?\])",
                program.read_text(encoding="utf-8"),
                re.M | re.S,
            )
            assert unpinned(ast.literal_eval(peers), requirements) == [], program
    assert unpinned(["shap", "clarabel"], "SHAP==0.51.0\n") == ["clarabel"]
    loose = ["shap", "shap>=0.5", "shap==0.*", "git+https://example.org/shap"]
    assert open_ended("\n".join(["# Peers.", "shap==0.51.0", *loose])) == loose


def test_the_hooks_ask_the_environments_own_tools_and_no_network():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    hooks = {hook["name"]: hook for hook in config["repos"][0]["hooks"]}
    assert set(hooks) <= set(lint.CHECKS)
    for name, hook in hooks.items():
        command = [".venv/bin/python", *lint.CHECKS[name][:2]]
        assert hook["entry"].split()[:3] == command
        assert hook["language"] == "system"


def form_faults(form: dict) -> list[str]:
    """What GitHub would refuse in an issue form."""
    faults = [
        f"no {key}" for key in ("name", "description", "body") if not form.get(key)
    ]
    body = form.get("body") or []
    ids = [field.get("id") for field in body]
    faults += [
        f"{name} twice or missing" for name in ids if ids.count(name) > 1 or not name
    ]
    for field in body:
        if field["type"] not in ("input", "textarea", "dropdown", "checkboxes"):
            faults.append(f"no such field: {field['type']}")
        elif not field.get("attributes", {}).get("label"):
            faults.append("no label")
        elif field["type"] in ("dropdown", "checkboxes") and not field[
            "attributes"
        ].get("options"):
            faults.append("no options")
    if not any(field.get("validations", {}).get("required") for field in body):
        faults.append("nothing is required")
    return faults


def forms() -> dict[str, dict]:
    folder = ROOT / ".github/ISSUE_TEMPLATE"
    return {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in folder.glob("*.yml")
        if path.stem != "config"
    }


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("mistake", {"page", "says", "better"}),
        ("bug", {"function", "program", "result", "versions"}),
        ("lesson", {"question", "chapter", "source", "believed", "write"}),
    ],
)
def test_an_issue_form_asks_what_is_needed(name, asked):
    form = forms()[name]
    assert form_faults(form) == []
    assert {field["id"] for field in form["body"]} == asked


def test_the_form_of_a_lesson_knows_every_chapter():
    chapters = {path.parent.name for path in (ROOT / "companion").glob("*/__init__.py")}
    (field,) = [f for f in forms()["lesson"]["body"] if f["id"] == "chapter"]
    assert set(field["attributes"]["options"]) == chapters


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: A bug", "names: A bug", "no name"),
        ("id: program", "id: function", "function twice"),
        ("type: textarea", "type: text", "no such field: text"),
        ("label: Versions", "labels: Versions", "no label"),
        ("required: true", "required: false", "nothing is required"),
    ],
)
def test_a_fault_of_a_form_is_noticed(old, new, fault):
    text = (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8")
    assert any(
        fault in said for said in form_faults(yaml.safe_load(text.replace(old, new)))
    )


def test_a_pull_request_names_commands_that_exist():
    text = (ROOT / ".github/pull_request_template.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"make (\w+)", text)
    assert "test" in commands
    assert [c for c in commands if not re.search(rf"^{c}: ", makefile, re.M)] == []


def test_the_lowest_and_the_newest_are_tried_and_the_newest_stops_nothing():
    flow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    assert flow[True]["schedule"]  # YAML reads the key "on" as true
    for which in ("lowest", "newest"):
        job = flow["jobs"][which]
        assert job["steps"][-1]["run"] == f"python -m tools.versions {which}"
        assert job.get("continue-on-error", False) == (which == "newest")


def test_an_unknown_lesson_is_named():
    with pytest.raises(
        SystemExit, match="There is no notebook robustness/x: the nearest is"
    ):
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


# --- the site -----------------------------------------------------------------------


def test_a_second_command_waits_until_the_first_has_done_with_the_site(
    monkeypatch, tmp_path
):
    said: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(
        site_tool, "print", lambda words, flush: said.put(words), raising=False
    )
    order = []

    def second():
        with site_tool.alone(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    with site_tool.alone(tmp_path):
        thread.start()
        # The time only ends what hangs.
        assert said.get(timeout=60).startswith("Another command is using the site")
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_what_jupyter_book_says_is_printed_without_its_colours(monkeypatch, tmp_path):
    said = "\x1b[91mone.md:1: WARNING: \x1b[39;49;00mno such place\x1b[0m\nwritten\n"
    done = subprocess.CompletedProcess([], 1, said, "")
    monkeypatch.setattr(site_tool.subprocess, "run", lambda *words, **options: done)
    with pytest.raises(SystemExit) as stopped:
        site_tool.jupyter_book(tmp_path, "The site", tmp_path / "index.html")
    assert stopped.value.code == (
        "one.md:1: WARNING: no such place\nThe site was not built."
    )


# --- a new lesson ------------------------------------------------------------------


def house(tmp_path):
    """A copy of what a new lesson is laid out in."""
    for tree in ("companion", "tests", "evidence", "notebooks"):
        (tmp_path / tree / "safety").mkdir(parents=True)
    (tmp_path / "companion/safety/__init__.py").touch()
    (tmp_path / "companion/safety/tasks.toml").touch()
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
    # What is left to write is what the quiz is about.
    unwritten = quiz_faults(notebook)
    assert len(unwritten) == 4
    assert all("names no code of the page" in fault for fault in unwritten)
    tasks = (root / "companion/safety/tasks.toml").read_text(encoding="utf-8")
    assert tomllib.loads(tasks) == {}
    (task,) = tomllib.loads(re.sub("^# ", "", tasks, flags=re.MULTILINE))["task"]
    assert task["algorithm"][0]["name"].startswith("circuit_breakers.")
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
