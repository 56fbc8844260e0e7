"""Planted faults: every lesson's record is as new as its code, and the tool plants, tells and counts rightly."""

import ast
import json
from pathlib import Path

import pytest

from tools import faults

ROOT = Path(__file__).resolve().parent.parent
RECORDS = sorted((ROOT / "evidence").glob("*/*.faults.json"))
LESSONS = sorted(
    path.relative_to(ROOT / "notebooks").with_suffix("").as_posix()
    for path in (ROOT / "notebooks").glob("*/*.py")
)
MODULE = '''
def mean(x: list[float], k: int = 1) -> float:
    """Return a mean."""
    if k < 1:
        raise ValueError("k - 1 must not be negative")
    return sum(x) / len(x) + 0.0


class Box:
    """Holds."""

    def most(self, x):
        """Return the largest."""
        return max(x)
'''

TEST = """
from companion.robustness.redundancy import f

def test_f():
    assert f(9) == 8
"""


def record_faults(lesson: str, content: dict) -> list[str]:
    """What a record says that is not so, or no longer."""
    found = []
    if content["lesson"] != lesson or content["code"] != faults.code_hash(lesson):
        found.append(f"run make faults LESSON={lesson}")
    if content["planted"] - content["caught"] != len(content["survivors"]):
        found.append("the numbers do not add up")
    if not content["tests"] or content["planted"] < faults.EACH:
        found.append("next to nothing was tried")
    return found


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_record_of_planted_faults_speaks_of_the_code_as_it_is(lesson):
    path = ROOT / f"evidence/{lesson}.faults.json"
    assert record_faults(lesson, json.loads(path.read_text(encoding="utf-8"))) == []


def test_no_record_is_without_its_lesson():
    names = {p.relative_to(ROOT / "evidence").as_posix() for p in RECORDS}
    assert names == {f"{lesson}.faults.json" for lesson in LESSONS}


@pytest.mark.parametrize(
    "change",
    [{"code": "0"}, {"lesson": "a/b"}, {"caught": 0}, {"tests": 0}, {"planted": 1}],
)
def test_a_record_that_is_old_or_does_not_add_up_is_noticed(change):
    content = json.loads(RECORDS[0].read_text(encoding="utf-8"))
    lesson = content["lesson"]
    assert record_faults(lesson, {**content, **change})


def test_a_fault_changes_one_place_of_what_is_computed():
    found = faults.all_faults(MODULE)
    assert list(found) == ["mean", "Box"]
    said = {(f.before, f.after) for group in found.values() for f in group}
    for before, after in [
        ("k < 1", "k <= 1"),
        ("1", "2"),
        ("sum(x) / len(x) + 0.0", "sum(x) / len(x)"),
        ("sum(x) / len(x) + 0.0", "sum(x) / len(x) - 0.0"),
        ("sum(x) / len(x)", "sum(x) * len(x)"),
        ("max", "min"),
    ]:
        assert (before, after) in said
    for fault in [f for group in found.values() for f in group]:
        assert fault.source != MODULE
        assert fault.source.count("\n") == MODULE.count("\n")
        ast.parse(fault.source)
        assert "k - 1 must" in fault.source
        assert "k: int = 1" in fault.source


def test_every_function_gets_faults_and_the_same_ones_every_time():
    drawn = faults.drawn("a/b", MODULE, 2)
    assert {fault.function for fault in drawn} == {"mean", "Box"}
    assert faults.drawn("a/b", MODULE, 2) == drawn
    assert len(faults.drawn("a/b", MODULE, 100)) == sum(
        map(len, faults.all_faults(MODULE).values())
    )


def test_what_the_tests_notice_is_caught_and_what_they_do_not_survives(tmp_path):
    """One function in the place of a lesson's, and one test, which sees the sign and not the bound."""
    for path, text in {
        "companion/__init__.py": "",
        "companion/robustness/__init__.py": "",
        "companion/robustness/redundancy.py": "def f(x):\n    return x - 1 if x > 5 else 0\n",
        "tests/robustness/test_redundancy.py": TEST,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    source = (tmp_path / "companion/robustness/redundancy.py").read_text()
    assert faults.tried("robustness/redundancy", source, 600, tmp_path) == (1, 0)
    first = {
        (f.before, f.after): f
        for f in faults.drawn("robustness/redundancy", source, 100)
    }
    for change, caught in [(("x - 1", "x + 1"), 1), (("x > 5", "x >= 5"), 0)]:
        text = first[change].source
        assert faults.tried("robustness/redundancy", text, 600, tmp_path)[1] == caught


def test_an_unknown_lesson_gets_the_nearest_name():
    with pytest.raises(SystemExit, match=r"the nearest is robustness/redundancy\."):
        faults.main(["robustness/redundency"])
