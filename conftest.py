"""Settings that every test process needs before it imports NumPy, torch or starts a kernel."""

import os

# One thread per process: two kernels of two threads each on two cores were measured fifty times slower.
# `setdefault`, because the second profile of `make portable` asks for two threads on purpose.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# A progress bar is for a person. Its stderr would fail the comparison of outputs.
os.environ["TQDM_DISABLE"] = "1"

# The text half of a pair is no module: its .ipynb is what is run and compared.
collect_ignore_glob = ["notebooks/*.py", "notebooks/*/*.py"]

NOTEBOOK_BUDGET = 60.0  # seconds; a lesson aims at 25
spent: dict[str, float] = {}


def pytest_runtest_logreport(report):
    """Add up what each notebook takes, on the process that collects the reports."""
    if ".ipynb" in report.nodeid:
        notebook = report.nodeid.split("::")[0]
        spent[notebook] = spent.get(notebook, 0.0) + report.duration


def over_budget(seconds, budget=NOTEBOOK_BUDGET):
    """Name the notebooks that took longer than a reader should wait."""
    return [
        f"{name} took {s:.0f} s, the limit is {budget:.0f} s"
        for name, s in seconds.items()
        if s > budget
    ]


def pytest_sessionfinish(session):
    # The replays of `make portable` run on deliberately slower arithmetic.
    if (
        not hasattr(session.config, "workerinput")
        and over_budget(spent)
        and "BOOK_REPLAY" not in os.environ
    ):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    for name, seconds in sorted(spent.items()):
        terminalreporter.write_line(f"{seconds:5.1f} s  {name}")
    for sentence in over_budget(spent):
        terminalreporter.write_line(sentence, red=True)
