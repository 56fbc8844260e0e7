"""What notebooks use says the truth or raises."""

import re

import numpy as np
import pytest
from IPython.display import Markdown

import companion.lesson as lesson
from companion.mdp import occupancy, value_iteration


@pytest.fixture
def shown(monkeypatch):
    outputs: list[str] = []
    monkeypatch.setattr(lesson, "display", lambda item: outputs.append(item.data))
    return outputs


def test_a_claim_that_holds_is_shown_and_one_that_does_not_raises(shown):
    lesson.claim("Two is more than one.", 2 > 1)
    assert shown == ["> **✓** Two is more than one."]
    with pytest.raises(AssertionError, match="One is more than two"):
        lesson.claim("One is more than two.", 1 > 2)
    lesson.claim("Also from NumPy.", np.bool_(True))
    assert len(shown) == 2


@pytest.mark.parametrize("holds", [np.array([True, True]), 1, "yes", None])
def test_a_claim_wants_a_truth_value(holds):
    with pytest.raises(TypeError, match="holds must be True or False"):
        lesson.claim("Anything.", holds)


def test_the_source_on_the_page_is_the_packages_without_its_docstring(shown):
    lesson.show_source(occupancy)
    code = shown[0].split("```")[1]
    assert code.startswith("python\ndef occupancy(")
    assert "visits = _solve(kernel.T, mdp.discount, start)" in code
    assert '"""' not in code
    assert "<details>" in shown[0]
    assert "class MDP" in shown[0]


def test_taking_the_docstring_out_leaves_code_that_compiles():
    for item in (value_iteration, occupancy, lesson.claim, lesson.Record):
        compile(lesson.bare_source(item), item.__name__, "exec")


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


@pytest.mark.parametrize("section", [1, 2, 3])
def test_the_sources_listings_are_found_whole(section):
    text = lesson.source_listing(section)
    assert text.startswith("import numpy as np\n")
    assert text.rstrip().endswith(".step()")
    compile(text, "listing", "exec")


def test_the_listing_of_a_section_without_one_is_not_the_next_ones():
    with pytest.raises(ValueError, match="section 4 .* has no listing"):
        lesson.source_listing(4)


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
