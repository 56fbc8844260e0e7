"""A record is as new as the code it speaks of, and says where it comes from."""

import json
from pathlib import Path

import pytest

from evidence import record

ROOT = Path(__file__).resolve().parent.parent
RECORDS = sorted((ROOT / "evidence").glob("*/*.json"))


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


def tree(tmp_path: Path, module: str) -> Path:
    for folder in ("companion/chapter", "evidence/chapter"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "companion/helper.py").write_text("def g():\n    return 1\n")
    (tmp_path / "companion/chapter/x.py").write_text(module)
    (tmp_path / "evidence/chapter/x.py").write_text("def measure():\n    return {}\n")
    return tmp_path


def test_comments_and_docstrings_do_not_make_a_record_old_but_code_does(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(
        record,
        "ROOT",
        tree(tmp_path, "from companion.helper import g\n\ndef f():\n    return g()\n"),
    )
    first = record.code_hash("chapter/x")
    tree(
        tmp_path,
        '"""Doc."""\nfrom companion.helper import g\n\ndef f():\n    """Doc."""\n    return g()  # why\n',
    )
    assert record.code_hash("chapter/x") == first
    tree(tmp_path, "from companion.helper import g\n\ndef f():\n    return g() + 0\n")
    assert record.code_hash("chapter/x") != first


def test_a_change_in_a_helper_makes_the_record_old(tmp_path, monkeypatch):
    monkeypatch.setattr(
        record, "ROOT", tree(tmp_path, "from companion.helper import g\n")
    )
    first = record.code_hash("chapter/x")
    (tmp_path / "companion/helper.py").write_text("def g():\n    return 2\n")
    assert record.code_hash("chapter/x") != first


def test_work_is_timed_in_turn_after_a_warm_up():
    calls = []
    times = record.interleaved(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3
    )
    assert calls == ["a", "b"] * 4
    assert times["a"]["low"] <= times["a"]["median"] <= times["a"]["high"]
