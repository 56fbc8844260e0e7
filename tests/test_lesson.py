"""What notebooks use says the truth or raises."""

import re

import numpy as np
import pytest
from IPython.display import Markdown

import companion.lesson as lesson
from companion.mdp import occupancy
from companion.snippet import snippet


@pytest.fixture
def shown(monkeypatch):
    outputs: list[str] = []
    monkeypatch.setattr(lesson, "display", lambda item: outputs.append(item.data))
    return outputs


def test_a_claim_that_holds_is_shown_once_and_one_that_does_not_raises(shown):
    lesson.claim("Two is more than one.", 2 > 1, over="these two numbers")
    assert shown == ["> **✓** Two is more than one. *Checked over these two numbers.*"]
    with pytest.raises(AssertionError, match="One is more than two"):
        lesson.claim("One is more than two.", 1 > 2, over="these two numbers")
    lesson.claim("Also from NumPy.", np.bool_(True), over="one case")
    assert len(shown) == 2


@pytest.mark.parametrize("holds", [np.array([True, True]), 1, "yes", None])
def test_a_claim_wants_a_truth_value(holds):
    with pytest.raises(TypeError, match="holds must be True or False"):
        lesson.claim("Anything.", holds, over="one case")


def test_a_claim_says_what_it_was_checked_over():
    with pytest.raises(ValueError, match="over must say"):
        lesson.claim("Anything.", True, over=" ")


def test_the_source_on_the_page_is_the_snippet_that_stands_alone(shown):
    lesson.show_source(occupancy)
    assert f"```python\n{snippet(occupancy)}```" in shown[0]
    assert shown[0].startswith("<details><summary>")
    assert f"({len(snippet(occupancy).splitlines())} lines)" in shown[0]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "Not answered yet"),
        (..., "Not answered yet"),
        (0.972, "✓ Right"),
        (0.972 + 1e-9, "✓ Right"),
        (0.729, "Two of three is enough"),
        (0.9, "0.9, is too low"),
        (1.1, "is too high"),
        (np.nan, "not finite"),
        ([0.972], r"shape () was expected, yours has shape (1,)"),
        ("many", "returned str"),
        ([[1], [1, 2]], "returned list"),
    ],
)
def test_an_answer_is_judged_with_a_reason(shown, answer, said):
    lesson.check_answer(answer, 0.972, {"Two of three is enough.": 0.729})
    assert said in shown[0]
    assert ("Right" in shown[0]) == ("Right" in said)


def test_an_array_is_judged_entry_by_entry(shown):
    lesson.check_answer([1, 2, 4], [1, 2, 3])
    assert "differs in 1 of 3 entries, by 1 at most" in shown[0]
    lesson.check_answer(np.array([1, 2, 3]), [1, 2, 3])
    assert "Right" in shown[1]


def test_a_check_that_takes_a_mistake_for_right_is_refused():
    with pytest.raises(ValueError, match="a mistake gives the right answer: Lazy"):
        lesson.check_answer(None, 0.5, {"Lazy.": 0.5})


def test_a_record_says_where_it_comes_from_and_a_missing_one_how_to_make_it(
    tmp_path, monkeypatch
):
    (tmp_path / "evidence/robustness").mkdir(parents=True)
    (tmp_path / "evidence/robustness/x.json").write_text(
        '{"date": "2026-01-02", "program": "evidence/robustness/x.py", "versions": {"numpy": "2.0"},'
        ' "machine": {"cpu": "C", "python": "3.11", "threads": 1}, "results": {"a": 1}}'
    )
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    found = lesson.recorded("robustness/x")
    assert found.results == {"a": 1}
    assert (
        "Recorded on 2026-01-02 by evidence/robustness/x.py: C, 1 thread, Python 3.11, numpy 2.0."
        in repr(found)
    )
    with pytest.raises(FileNotFoundError, match="make evidence LESSON=robustness/y"):
        lesson.recorded("robustness/y")


def test_a_table_is_markdown_with_numbers_to_the_right():
    assert isinstance(lesson.table(["a", "b"], [["x", 1]]), Markdown)
    assert (
        lesson.table(["a", "b"], [["x", 1]]).data.splitlines()[1] == "| :--- | ---: |"
    )


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(
        channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
    )
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_every_colour_is_distinguishable_from_the_ground_and_from_the_others():
    values = list(lesson.COLOURS.values())
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in values)
    assert all(1.05 / (luminance(colour) + 0.05) > 2 for colour in values)
    assert len(set(values)) == len(values)
