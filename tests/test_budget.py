"""The budget of a notebook is checked, and the check can fail."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("book_conftest", ROOT / "conftest.py")
book = importlib.util.module_from_spec(spec)
spec.loader.exec_module(book)


def test_a_notebook_over_its_budget_is_named():
    assert book.over_budget({"quick.ipynb": 59.0, "slow.ipynb": 61.0}) == [
        "slow.ipynb took 61 s, the limit is 60 s"
    ]


def test_a_slow_notebook_fails_the_session():
    class Config:
        pass

    class Session:
        config, exitstatus = Config(), 0

    book.spent.update({"slow.ipynb": 61.0})
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("BOOK_REPLAY", raising=False)
            book.pytest_sessionfinish(Session)
    finally:
        book.spent.clear()
    assert Session.exitstatus == 1
