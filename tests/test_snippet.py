"""Every public function stands alone where `companion` cannot be imported, and so does its example."""

import ast
import doctest
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from companion import checks
from companion.mdp import MDP
from companion.snippet import public, snippet

# What only notebooks use needs the book around it; the tool itself needs the package that it reads.
APART = (
    "companion.lesson",
    "companion.listings",
    "companion.snippet",
    "companion.tasks",
)
FUNCTIONS = {
    name: item for name, item in public().items() if not name.startswith(APART)
}
MODULES = sorted({name.rpartition(".")[0] for name in FUNCTIONS})

# Run in a fresh interpreter: each file is imported as a module and its doctests are run.
RUNNER = """
import doctest, importlib.abc, importlib.util, json, sys

class NoCompanion(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "companion":
            raise ModuleNotFoundError("companion is not to be had here")

sys.meta_path.insert(0, NoCompanion())
report = {}
for path, wanted in json.load(sys.stdin):
    try:
        spec = importlib.util.spec_from_file_location("snippet", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules["snippet"] = module
        spec.loader.exec_module(module)
        found = doctest.DocTestFinder().find(module) if wanted else []
        tests = [test for test in found if test.name == f"snippet.{wanted}"]
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
        log = []
        for test in tests:
            runner.run(test, out=log.append)
        ok = runner.summarize(verbose=False)
        report[path] = "".join(log) if ok.failed else ("no example ran" if wanted and not ok.attempted else "")
    except BaseException as error:
        report[path] = f"{type(error).__name__}: {error}"
print(json.dumps(report))
"""


def example_names(item: object) -> list[str]:
    """The public names that a docstring's example uses; whoever copies the example copies them too."""
    module = sys.modules[item.__module__]
    reachable = {
        name: value
        for name, value in vars(module).items()
        if value in FUNCTIONS.values()
    }
    code = [e.source for e in doctest.DocTestParser().get_examples(item.__doc__ or "")]
    used = {
        n.id
        for source in code
        for n in ast.walk(ast.parse(source))
        if isinstance(n, ast.Name)
    }
    return [f"{reachable[n].__module__}.{n}" for n in sorted(used & set(reachable))]


def run_alone(files: list[tuple[Path, str | None]]) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps([(str(path), wanted) for path, wanted in files]),
        capture_output=True,
        text=True,
        cwd=files[0][0].parent,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_and_its_example_run_without_companion(module, tmp_path):
    files = []
    for name, item in FUNCTIONS.items():
        if name.rpartition(".")[0] == module:
            alone, with_example = (
                tmp_path / f"{item.__name__}.py",
                tmp_path / f"{item.__name__}_example.py",
            )
            alone.write_text(snippet(item), encoding="utf-8")
            with_example.write_text(
                snippet(name, *example_names(item)), encoding="utf-8"
            )
            has_example = ">>>" in (item.__doc__ or "")
            files += [
                (alone, None),
                (with_example, item.__name__ if has_example else None),
            ]
    report = run_alone(files)
    assert {path: fault for path, fault in report.items() if fault} == {}
    assert len(report) == len(files)


def test_a_snippet_that_needs_companion_or_a_wrong_example_is_noticed(tmp_path):
    needs, wrong = tmp_path / "needs.py", tmp_path / "wrong.py"
    needs.write_text("from companion.mdp import MDP\n")
    wrong.write_text('def f():\n    """One.\n\n    >>> 1 + 1\n    3\n    """\n')
    report = run_alone([(needs, None), (wrong, "f")])
    assert "companion is not to be had here" in report[str(needs)]
    assert "Expected:" in report[str(wrong)]


def test_a_snippet_says_where_it_is_from_and_under_what_licence():
    text = snippet("k_of_n_reliability")
    assert text.startswith(
        '# k_of_n_reliability, from "AI Safety and Alignment, Tested"'
    )
    assert "MIT licence" in text
    assert "companion.checks import" not in text
    assert "class MDP" not in text  # only what is reached


LENGTHS = {name: len(snippet(name).splitlines()) for name in FUNCTIONS}


def own_lines(text: str) -> int:
    """A snippet's lines without the shared checks, which come last and are the same in all of them."""
    shared = {
        row
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and hasattr(checks, node.name)
        for row in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    return len(text.splitlines()) - len(shared)


def test_half_of_all_snippets_are_short_and_none_is_a_library():
    # What takes an MDP brings the class along, 200 lines; two of the shared checks are 45 lines,
    # and an attack on a model brings 45 more, which look at the images and hold the model still.
    assert max(LENGTHS.values()) <= 500
    planning = {name for name in FUNCTIONS if "class MDP" in snippet(name)}
    others = [name for name in FUNCTIONS if name not in planning]
    assert len(others) > len(planning)
    assert statistics.median(own_lines(snippet(name)) for name in others) <= 90
    assert statistics.median(LENGTHS[name] for name in others) <= 120
    assert statistics.median(LENGTHS.values()) <= 150


def test_the_shared_checks_do_not_count_as_a_snippets_own_lines():
    text = snippet("k_of_n_reliability")
    assert "def check_integer" in text
    assert own_lines(text) < len(text.splitlines()) - 10
    assert own_lines("def f():\n    return 1\n") == 2


def statements(text: str) -> list[str]:
    """The names that a snippet defines, in order."""
    names = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names.append(ast.unparse(node.targets[0]))
    return names


def test_what_was_asked_for_stands_first_and_whole_and_its_helpers_after_it():
    text = snippet("occupancy")
    functions = [n for n in statements(text) if not n[0].isupper() or n == "MDP"]
    assert functions[0] == "occupancy"
    assert set(functions[1:]) >= {"MDP", "check_stochastic", "_solve"}
    assert ">>> occupancy(mdp" in text
    helper = ast.get_docstring(ast.parse(text).body[-1]) or ""
    assert "Parameters" not in helper
    # The methods that nothing here calls are gone, those that something calls are not.
    assert "from_gymnasium" not in text
    assert "def states" in text
    # Nobody writes `forward`: torch calls it where the module is called.
    agent = snippet("rollout").partition("class ActorCritic(nn.Module)")[2]
    assert "def forward" in agent


def test_a_helper_keeps_its_first_line_and_its_citation():
    text = snippet("occupancy")
    mdp = next(n for n in ast.parse(text).body if getattr(n, "name", "") == "MDP")
    said = ast.get_docstring(mdp)
    assert said.startswith("A finite Markov decision process")
    assert said.endswith(
        "Puterman, M. L. (1994). Markov Decision Processes. Section 2.1."
    )
    assert len(said.splitlines()) == 3


def test_a_result_keeps_the_methods_that_its_owner_will_call():
    assert "def from_gymnasium" in snippet("forest_management")


def test_a_method_stands_for_its_class():
    whole = snippet("MDP")
    assert snippet("MDP.from_gymnasium") == whole
    assert snippet("companion.mdp.MDP.from_gymnasium") == whole
    assert snippet(MDP.from_gymnasium) == whole


def modules(folder, **sources):
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")


def test_python_finds_each_name_when_it_needs_it(tmp_path, monkeypatch):
    """A base, a default, a decorator and a table that is built when the file is read come before their users."""
    modules(
        tmp_path,
        early_user=(
            "from dataclasses import dataclass\n\n"
            "def decorate(f):\n    return inner(f)\n\n"
            "def inner(f):\n    return f\n\n"
            "def built():\n    return SIZE + 1\n\n"
            "SIZE = 2\nTABLE = [built()]\nStart = int\n\n"
            "class Base:\n    pass\n\n"
            "@dataclass\nclass Late(Base):\n    size: Start = SIZE\n\n"
            "@decorate\ndef wanted(x: Start = SIZE):\n    later = TABLE[0] + x\n    return Late(later)\n"
        ),
    )
    monkeypatch.syspath_prepend(tmp_path)
    text = snippet(__import__("early_user").wanted)
    scope: dict = {"__name__": "__main__"}
    exec(compile(text, "snippet", "exec"), scope)
    assert scope["wanted"]().size == 5
    order = statements(text)
    assert order.index("SIZE") < order.index("built") < order.index("TABLE")
    assert order.index("inner") < order.index("wanted") < order.index("Late")


def test_a_variable_of_a_function_is_not_a_helper_of_the_same_name(
    tmp_path, monkeypatch
):
    modules(
        tmp_path,
        local_name=(
            "def total():\n    return 1\n\n"
            "def wanted(x):\n    total = x + 1\n    return total\n"
        ),
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert statements(snippet(__import__("local_name").wanted)) == ["wanted"]


BARE = """
import importlib.abc, runpy, sys

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("matplotlib", "IPython", "torch", "numpy", "gymnasium"):
            raise ModuleNotFoundError(f"{name} is not to be had here")

sys.meta_path.insert(0, Nothing())
sys.argv = ["snippet", "policy_iteration"]
runpy.run_module("companion.snippet", run_name="__main__")
"""


def test_the_command_needs_no_library_at_all():
    done = subprocess.run(
        [sys.executable, "-c", BARE], capture_output=True, text=True, check=True
    )
    assert done.stdout == snippet("policy_iteration")


def test_an_unknown_name_gets_the_nearest_ones():
    with pytest.raises(ValueError, match="the nearest: .*policy_iteration"):
        snippet("policy_iterasion")
    with pytest.raises(ValueError, match="nearest: none"):
        snippet("zzzzzzzz")


def test_two_meanings_of_one_name_are_refused(tmp_path, monkeypatch):
    for module, value in (("one", 1), ("two", 2)):
        text = f"def helper():\n    return {value}\n\ndef {module}():\n    return helper()\n"
        (tmp_path / f"clash_{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    functions = [getattr(__import__(f"clash_{m}"), m) for m in ("one", "two")]
    assert "return 1" in snippet(functions[0])
    with pytest.raises(ValueError, match="helper means two things"):
        snippet(*functions)


def test_the_command_prints_the_snippet_and_explains_a_wrong_name():
    command = [sys.executable, "-m", "companion.snippet"]
    done = subprocess.run(
        [*command, "companion.mdp.occupancy"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == snippet("companion.mdp.occupancy")
    wrong = subprocess.run([*command, "ocupancy"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert "occupancy" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_an_example(name):
    assert ">>>" in (FUNCTIONS[name].__doc__ or "") or name.endswith("Solution")
