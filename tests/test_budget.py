"""Nobody waits long for a notebook, and no result depends on how busy the machine is."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import notebooks as recorder
from tools.notebooks import FOLDER, cpu_seconds

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("book_conftest", ROOT / "conftest.py")
book = importlib.util.module_from_spec(spec)
spec.loader.exec_module(book)

NOTEBOOKS = sorted(FOLDER.rglob("*.ipynb"))
EACH, ALL = 60.0, 480.0  # CPU seconds; a lesson aims at 15


def over_budget(seconds: dict[str, float]) -> list[str]:
    """A sentence for each budget that is exceeded."""
    faults = [
        f"{name} took {s:.0f} s of CPU when it was recorded, the limit is {EACH:.0f} s: make it smaller"
        for name, s in seconds.items()
        if EACH < s < float("inf")
    ]
    faults += [
        f"nobody wrote down what {name} takes: run make notebooks LESSON={name}"
        for name, s in seconds.items()
        if s == float("inf")
    ]
    total = sum(seconds.values())
    if ALL < total < float("inf"):
        faults.append(
            f"all notebooks took {total:.0f} s of CPU, the limit is {ALL:.0f} s: make the slowest smaller"
        )
    return faults


def test_every_notebook_and_all_together_keep_to_their_budgets():
    names = [p.relative_to(FOLDER).with_suffix("").as_posix() for p in NOTEBOOKS]
    assert over_budget(dict(zip(names, map(cpu_seconds, NOTEBOOKS), strict=True))) == []


@pytest.mark.parametrize(
    ("seconds", "fault"),
    [
        ({"a/quick": 59.0, "a/slow": 61.0}, "a/slow took 61 s of CPU"),
        ({"a/new": float("inf")}, "run make notebooks LESSON=a/new"),
        ({f"a/{n}": 49.0 for n in range(10)}, "all notebooks took 490 s of CPU"),
    ],
)
def test_a_budget_that_is_exceeded_is_named(seconds, fault):
    (sentence,) = over_budget(seconds)
    assert fault in sentence


def test_recording_writes_down_what_the_kernel_computed_and_not_what_it_waited(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(recorder, "FOLDER", tmp_path)
    # It computes for a second of CPU; the second notebook waits for two seconds besides.
    busy = "import time\nend = time.process_time() + 1\nwhile time.process_time() < end:\n    pass"  # clock: CPU
    seconds = []
    for rest in ("", "# %%\ntime.sleep(2)\n"):
        path = tmp_path / "one.py"
        path.write_text(f"# %%\nimport companion\n\n# %%\n{busy}\n\n{rest}")
        assert recorder.record(path) >= 1
        seconds.append(cpu_seconds(path.with_suffix(".ipynb")))
    assert min(seconds) >= 1
    assert abs(seconds[1] - seconds[0]) < 1


# --- which worker runs what, and when ------------------------------------------------

PAGES = [
    "tests/test_site.py::test_page_is_silent[notebooks/a/x]",
    "tests/test_site.py::test_page_is_silent[book/index]",
    "tests/test_site.py::test_page_is_accessible[notebooks/a/x-light]",
]
PLANTED = "tests/test_site.py::test_a_dead_link_is_seen[#gone]"
UNIT = "tests/test_mdp.py::test_a[book]"


def test_a_notebook_and_an_opened_page_stay_on_one_worker_and_the_rest_is_spread():
    assert book.group("notebooks/a/x.ipynb::Cell 1") == "notebooks/a/x.ipynb"
    one, other, again = map(book.group, PAGES)
    assert one == again != other
    assert book.group(PLANTED) == "tests/test_site.py"
    assert book.group(UNIT) == UNIT


def test_the_site_is_built_first_then_come_the_slowest_notebook_and_the_pages(tmp_path):
    def item(nodeid, path=ROOT / "tests"):
        return SimpleNamespace(nodeid=nodeid, path=path)

    cells = {}
    for name, seconds in [("quick", 5), ("slow", 20)]:
        path = tmp_path / f"{name}.ipynb"
        path.write_text(f'{{"metadata": {{"cpu_seconds": {seconds}}}}}')
        cells[name] = [
            item(f"notebooks/a/{name}.ipynb::Cell {n}", path) for n in range(2)
        ]
    unit, planted, (one, other, again) = item(UNIT), item(PLANTED), map(item, PAGES)
    items = [unit, *cells["quick"], one, other, again, planted, *cells["slow"]]
    book.pytest_collection_modifyitems(items)
    assert items == [planted, *cells["slow"], *cells["quick"], one, again, other, unit]


def test_whole_groups_are_handed_out_in_the_order_of_the_tests(tmp_path):
    # Four groups of one to three tests; each test writes down its worker.
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "tools").mkdir()
    for name in ("notebooks.py", "names.py"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_site.py").write_text(
        "import os, pathlib, pytest\n"
        "names = ['book/a', 'book/b', 'book/c', 'book/d']\n"
        "@pytest.mark.parametrize('turn', range(3))\n"
        "@pytest.mark.parametrize('name', names)\n"
        "def test_page(name, turn):\n"
        "    with open(name.replace('/', '_'), 'a') as log:\n"
        "        log.write(os.environ['PYTEST_XDIST_WORKER'] + '\\n')\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "tests"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in "abcd":
        workers = (tmp_path / f"book_{name}").read_text().split()
        assert len(workers) == 3
        assert len(set(workers)) == 1


def test_every_part_of_the_tests_has_its_name():
    for path in [
        *ROOT.glob("tests/**/test_*.py"),
        *NOTEBOOKS,
        *ROOT.glob("companion/**/*.py"),
    ]:
        assert book.part(path.relative_to(ROOT).as_posix()) != "other"


# --- nothing looks at a clock --------------------------------------------------------

CLOCK = r"\b(perf_counter|monotonic|timeit|time\.time|process_time|thread_time)\b"
PROGRAMS = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("notebooks/**/*.py")]


def clocks(text: str) -> list[str]:
    """Lines that read a clock without a reason beside it."""
    return [
        line.strip()
        for line in text.splitlines()
        if re.search(CLOCK, line) and not re.search(r"# clock: |^CLOCK = ", line)
    ]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_no_test_and_no_notebook_reads_a_clock(path):
    assert clocks(path.read_text(encoding="utf-8")) == [], "time belongs into evidence/"


def test_a_clock_is_noticed():
    read = "start = time.perf_counter()"  # clock: a planted one
    assert clocks(read) == [read]
