"""The source's listings are found to the letter, and a repair changes what it names and nothing else."""

import pytest
from IPython.display import Markdown

from companion import listings


@pytest.mark.parametrize("section", [1, 2, 3])
def test_the_sources_listings_are_found_whole(section):
    text = listings.source_listing(section)
    assert text.startswith("import numpy as np\n")
    assert text.rstrip().endswith(".step()")
    compile(text, "listing", "exec")


def test_the_listing_of_a_section_without_one_is_not_the_next_ones():
    with pytest.raises(ValueError, match="section 4 .* has no listing"):
        listings.source_listing(4)


def test_outside_a_clone_it_is_said_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="run the notebook inside a clone"):
        listings.source_listing(3)


def test_a_repair_shows_the_lines_that_it_changes_and_returns_the_rest_as_it_was(
    monkeypatch,
):
    shown: list[Markdown] = []
    monkeypatch.setattr(listings, "display", shown.append)
    text = listings.repaired("a = 1\nb = 2\nc = 3\n", {"b = 2": "b = 4", "4": "5"})
    assert text == "a = 1\nb = 5\nc = 3\n"
    assert shown[0].data == "```diff\n-b = 2\n+b = 5\n```"


@pytest.mark.parametrize("old", ["= ", "d"])
def test_a_repair_of_what_stands_there_twice_or_never_is_refused(old):
    with pytest.raises(ValueError, match="exactly once"):
        listings.repaired("a = 1\nb = 2\n", {old: ""})
