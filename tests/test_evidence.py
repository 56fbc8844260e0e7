"""A record is as new as the code it speaks of, and says where it comes from."""

import json
from pathlib import Path

import pytest

from evidence import record

ROOT = Path(__file__).resolve().parent.parent
RECORDS = sorted(
    path for path in (ROOT / "evidence").glob("*/*.json") if "." not in path.stem
)


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_a_record_speaks_of_the_code_as_it_is(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    lesson = path.relative_to(ROOT / "evidence").with_suffix("").as_posix()
    assert content["lesson"] == lesson
    assert content["code"] == record.code_hash(lesson), (
        f"run make evidence LESSON={lesson}"
    )
    assert set(content) == {
        "lesson",
        "program",
        "date",
        "machine",
        "versions",
        "code",
        "results",
    }


def another_clock(work, repeats=9):
    return {}


PROGRAM = """from companion.mdp import occupancy

def measure():
    return occupancy
"""


def test_what_a_program_imports_is_measured_with_all_it_reaches_and_nothing_else():
    code = record.measured_code(PROGRAM)
    for part in ("def measure(", "def occupancy(", "def check_stochastic("):
        assert part in code
    assert "def interleaved(" in code
    assert "def value_iteration(" not in code


def test_comments_docstrings_and_blank_lines_do_not_make_a_record_old_but_code_does():
    first = record.measured_code(PROGRAM)
    talkative = PROGRAM.replace(
        "    return", '    """Doc.\n\n    More.\n    """\n\n    # why\n    return'
    )
    assert record.measured_code(f'"""Doc."""\n{talkative}  # so') == first
    assert record.measured_code(PROGRAM.replace("return", "return not")) != first


@pytest.mark.parametrize("part", ["the package", "the timing"])
def test_a_change_in_a_helper_or_in_the_clock_makes_the_record_old(part, monkeypatch):
    first = record.measured_code(PROGRAM)
    if part == "the package":
        monkeypatch.setattr(record, "reached", lambda name: ["def occupancy(): pass"])
    else:
        monkeypatch.setattr(record, "interleaved", another_clock)
    assert record.measured_code(PROGRAM) != first


def test_a_private_name_cannot_be_measured():
    with pytest.raises(ValueError, match="no one public function is called"):
        record.measured_code("from companion.mdp import _solve\n")


def test_bare_text_keeps_what_only_looks_like_a_comment():
    source = 'x = "# no comment"  # one\n\n\ndef f():\n    """Doc."""\n    return x\n'
    assert record.bare(source) == 'x = "# no comment"\ndef f():\n    return x'


def test_work_is_timed_in_turn_after_a_warm_up():
    calls = []
    times = record.interleaved(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3
    )
    assert calls == ["a", "b"] * 4
    assert times["a"]["low"] <= times["a"]["median"] <= times["a"]["high"]
