"""Every public algorithm stands under one task, says when not to use it, and names only what was compared."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from companion import tasks as module
from companion.tasks import Entry, Task, listing, tasks
from tests.test_snippet import FUNCTIONS
from tools import site

ROOT = Path(__file__).resolve().parent.parent
NAMES = sorted(name for name, item in FUNCTIONS.items() if callable(item))


def entries(task: Task) -> tuple[Entry, ...]:
    return (*task.algorithms, *task.parts)


def versions(name: str) -> dict[str, str]:
    """What the record of an algorithm's lesson was measured with."""
    lesson = name.rpartition(".")[0].removeprefix("companion.").replace(".", "/")
    path = ROOT / f"evidence/{lesson}.json"
    if not path.is_file():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))["versions"]


def task_faults(found: list[Task]) -> list[str]:
    """What a reader of the tasks would miss, or be misled by."""
    listed = [entry.name for task in found for entry in entries(task)]
    faults = [f"{name} stands under no task" for name in NAMES if name not in listed]
    faults += [f"{n} stands twice" for n in sorted(set(listed)) if listed.count(n) > 1]
    heads = [task.name for task in found]
    faults += [f"{h!r} is two tasks" for h in sorted(set(heads)) if heads.count(h) > 1]
    for task in found:
        if not re.fullmatch(r"[A-Z].+[^.]", task.name):
            faults.append(f"{task.name!r} is no heading")
        if not task.algorithms and task.chapter:
            faults.append(f"nothing does {task.name!r}")
        sentences = [task.about, *(entry.avoid for entry in task.algorithms)]
        faults += [f"no sentence: {s!r}" for s in sentences if not s.endswith(".")]
        for entry in entries(task):
            if not entry.about:
                faults.append(f"{entry.name} has no docstring")
            if bool(entry.avoid) == (entry in task.parts):
                faults.append(f"{entry.name} is an algorithm or a part, not both")
            if entry.avoid and not entry.avoid.startswith("Not "):
                faults.append(f"when not to use it: {entry.avoid!r}")
            peer = entry.peer.partition(",")[0]
            if peer and peer not in versions(entry.name):
                faults.append(f"{entry.name} was not compared with {peer}")
    return faults


def test_every_public_algorithm_stands_under_one_task():
    assert task_faults(tasks()) == []


GOOD = Entry(
    "companion.robustness.redundancy.k_of_n_reliability",
    "It is.",
    "Not so.",
    "scipy, stats.binom.sf",
)


@pytest.mark.parametrize(
    ("algorithm", "fault"),
    [
        ({"avoid": ""}, "no sentence"),
        ({"avoid": "Never."}, "when not to use it"),
        ({"about": ""}, "has no docstring"),
        ({"peer": "numpyro, f"}, "was not compared with numpyro"),
    ],
)
def test_a_fault_of_an_entry_is_noticed(algorithm, fault):
    entry = Entry(**{**vars(GOOD), **algorithm})
    task = Task("Do it", "You want it.", "robustness", (entry,), ())
    assert any(fault in said for said in task_faults([task]))


def test_a_fault_of_a_task_is_noticed():
    task = Task("Do it", "You want it.", "robustness", (GOOD,), ())
    assert not [f for f in task_faults([task]) if "under no task" not in f]
    assert f"{GOOD.name} stands twice" in task_faults([task, task])
    assert "'Do it' is two tasks" in task_faults([task, task])
    empty = Task("do it.", "You want it", "robustness", (), (GOOD,))
    said = " ".join(task_faults([empty]))
    for fault in ("is no heading", "nothing does", "no sentence", "not both"):
        assert fault in said


def test_a_name_that_the_package_lacks_is_refused_with_the_nearest(
    tmp_path, monkeypatch
):
    (tmp_path / "value_alignment").mkdir()
    (tmp_path / "value_alignment/tasks.toml").write_text(
        '[[task]]\nname = "Do"\nabout = "You."\n[[task.part]]\nname = "rlhf.best_of_m"\n'
    )
    monkeypatch.setattr(module, "__file__", str(tmp_path / "tasks.py"))
    with pytest.raises(ValueError, match="the nearest: .*best_of_n"):
        tasks()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("value iteration", "mdp.value_iteration"),
        ("valu iter", "mdp.value_iteration"),
        ("outliers", "anomaly_detection.LocalOutlierFactor"),
        ("isolation forest", "anomaly_detection.IsolationForest"),
        ("SHAP", "shapley_values.kernel_shap"),
        ("CVaR", "risk_assessment.conditional_value_at_risk"),
        ("worst case group", "group_robustness.group_dro"),
        ("attack", "adversarial_examples.pgd"),
    ],
)
def test_the_list_finds_what_a_visitor_calls_it(words, name):
    assert f".{name}\n" in listing(words)
    assert len(listing(words)) < len(listing()) / 2


def test_whole_words_come_before_beginnings_and_some_words_before_none():
    assert "sample_next" not in listing("sam")
    assert "sample_next" in listing("sampl")
    assert listing("worst nonsense group").startswith("Nothing speaks of all of")
    assert not listing("worst group").startswith("Nothing")
    with pytest.raises(ValueError, match="the nearest words: value"):
        listing("vallue")


def test_the_command_lists_what_the_function_does():
    command = [sys.executable, "-m", "companion.snippet", "--list"]
    run = {"cwd": ROOT, "capture_output": True, "encoding": "utf-8"}
    assert subprocess.run([*command, "value"], **run).stdout == listing("value") + "\n"
    refused = subprocess.run([*command, "vallue"], **run)
    assert refused.returncode == 1
    assert "the nearest words: value" in refused.stderr


def test_a_changed_task_makes_the_site_afresh(tmp_path):
    path = tmp_path / "companion/safety/tasks.toml"
    path.parent.mkdir(parents=True)
    path.write_text("task = []\n")
    before = site.fingerprint(tmp_path)
    path.write_text("task = [ ]\n")
    assert site.fingerprint(tmp_path) != before
