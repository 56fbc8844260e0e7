"""Settings that every test process needs before it imports NumPy or torch, and how the workers share the tests."""

import os
import re
from collections import Counter

# One thread per process: two kernels of two threads each on two cores were measured fifty times slower.
# `setdefault`, because the second profile of `make portable` asks for two threads on purpose.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# A progress bar is for a person. Its stderr would fail the comparison of outputs.
os.environ["TQDM_DISABLE"] = "1"

import hypothesis  # noqa: E402
import pytest  # noqa: E402

from tools.notebooks import cpu_seconds  # noqa: E402

# The text half of a pair is no module: its .ipynb is what is run and compared.
collect_ignore_glob = ["notebooks/*.py", "notebooks/*/*.py"]

# No result depends on how busy the machine is: Hypothesis would fail what it finds slow.
hypothesis.settings.register_profile(
    "book",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("book")

# --- which tests stay together, and which come first ------------------------------

NOTEBOOK, PAGE = ".ipynb", re.compile(r"\[.*?((?:book|notebooks)/\w[\w/]*)")


def group(nodeid):
    """Return what a test shares with those that must run beside it on one worker.

    A notebook is one session.  A page is opened in the browser once, for all that is asked of it, and so are the
    pages with planted faults.  Any other test may run anywhere.
    """
    file = nodeid.split("::")[0]
    if file.endswith(NOTEBOOK):
        return file
    if file.startswith("tests/test_site"):
        page = PAGE.search(nodeid)
        return f"{file}[{page[1]}]" if page else file
    return nodeid


def pytest_xdist_make_scheduler(config, log):
    """Hand out whole groups, in the order of the tests.

    The work of xdist's own ``--dist=loadgroup``, whose marks pytest 9 no longer sees.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    config.option.loadscopereorder = False
    return ByGroup(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the long ones first, so that no worker is left alone with one at the end.

    One worker begins with the planted faults, for which the site is built; meanwhile the other begins with the
    slowest notebook.  Then come the pages, and last the tests that stand alone, which fill the gaps.
    """
    seconds = {
        path: cpu_seconds(path)
        for path in {i.path for i in items if i.path.suffix == NOTEBOOK}
    }
    first = {
        name: n for n, name in reversed([*enumerate(group(i.nodeid) for i in items)])
    }

    def order(item):
        name, file = group(item.nodeid), item.nodeid.split("::")[0]
        kinds = [
            name.startswith("tests/test_site") and name == file,
            item.path in seconds,
            name != item.nodeid,
        ]
        return [not kind for kind in kinds], -seconds.get(item.path, 0), first[name]

    items.sort(key=order)  # stable: within a group the order stays


def pytest_itemcollected(item):
    if hasattr(item, "output_timeout"):
        item.output_timeout = 120  # nbval waits 5 s for what a kernel has to say


# --- what each part costs ----------------------------------------------------------

PARTS = {
    "notebooks/": "notebooks, replayed",
    "tests/test_site.py": "site, built and seen in a browser",
    "tests/test_snippet.py": "snippets, each in a fresh interpreter",
    "tests/test_static.py": "static checks",
    "tests/test_take_away.py": "forms to take along",
    "tests/test_tools.py": "commands",
    "tests/": "unit tests",
    "companion/": "examples of docstrings",
}
spent: Counter[str] = Counter()


def part(nodeid):
    """Return the part of the work that a test belongs to."""
    return next(
        (name for prefix, name in PARTS.items() if nodeid.startswith(prefix)), "other"
    )


def pytest_runtest_logreport(report):
    """Add up what each part takes, on the process that collects the reports; a sum to read, no test."""
    spent[part(report.nodeid)] += report.duration


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("seconds of all workers together:")
    for name, seconds in spent.most_common():
        terminalreporter.write_line(f"{seconds:6.0f}  {name}")
