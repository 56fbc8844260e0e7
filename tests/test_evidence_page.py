"""The page of evidence and claims.json say what the notebooks, the tests and the records say, losses first."""

import copy
import json
import math
import re
import sys
from collections.abc import Iterator
from itertools import pairwise, permutations
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import pytest
from sphinx_external_toc.parsing import parse_toc_yaml

from evidence import summary

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "book/_ext"))
import evidence_page  # noqa: E402

APP = SimpleNamespace(
    srcdir=ROOT,
    config=SimpleNamespace(external_site_map=parse_toc_yaml(ROOT / "_toc.yml")),
    env=SimpleNamespace(found_docs={evidence_page.PAGE}),
    builder=SimpleNamespace(name="html"),
)
KNOWN = evidence_page.every(APP)
LESSONS = [one["lesson"] for one in KNOWN]
# Records that hold no times of both sides, only their ratio.
NO_SPREAD = ("safety/adversarial_examples", "robustness/shielding")


def record_of(lesson: str) -> dict[str, Any]:
    """What an evidence program wrote."""
    return json.loads((ROOT / f"evidence/{lesson}.json").read_text(encoding="utf-8"))


def numbers(content: Any) -> Iterator[float]:
    """Every number of a record, and the median of every list of numbers."""
    if isinstance(content, dict):
        content = list(content.values())
    elif isinstance(content, list):
        if content and all(isinstance(item, int | float) for item in content):
            yield median(content)
    elif isinstance(content, int | float):
        yield content
    if isinstance(content, list):
        for item in content:
            yield from numbers(item)


def is_recorded(ratio: float, known: set[float]) -> bool:
    """Whether a number is in a record, or the quotient of two that are."""
    return ratio in known or any(
        math.isclose(ratio * b, a, rel_tol=1e-12) for a, b in permutations(known, 2)
    )


def claim_faults(one: dict[str, Any], root: Path = ROOT) -> list[str]:
    """Ticked sentences of a notebook that are not known, or known ones that it does not show."""
    book = json.loads(
        (root / f"notebooks/{one['lesson']}.ipynb").read_text(encoding="utf-8")
    )
    outputs = [o for cell in book["cells"] for o in cell.get("outputs", [])]
    shown = "".join(
        "".join(o.get("data", {}).get("text/markdown", "")) + "\n" for o in outputs
    )
    ticked = [
        line for line in shown.splitlines() if "**✓** " in line and line.startswith(">")
    ]
    told = [f"> **✓** {c['claim']} *Checked over {c['over']}.*" for c in one["claims"]]
    return [f"not told: {line}" for line in ticked if line not in told] + [
        f"not shown: {line}" for line in told if line not in ticked
    ]


def property_faults(one: dict[str, Any]) -> list[str]:
    """Tests without a sentence, or sentences without a test."""
    chapter, name = one["lesson"].split("/")
    text = (ROOT / f"tests/{chapter}/test_{name}.py").read_text(encoding="utf-8")
    tests = re.findall(r"^def test_(\w+)", text, re.MULTILINE)
    said = [words.rstrip(".").replace(" ", "_").lower() for words in one["properties"]]
    return sorted({test.lower() for test in tests} ^ set(said))


def speed_faults(one: dict[str, Any]) -> list[str]:
    """Ratios that no record has, without the spread that it has, or in another order than losses first."""
    known = set(numbers(record_of(one["lesson"])["results"]))
    rows, faults = one["speed"], []
    for row in rows:
        name = f"{row['work']} beside {row['peer']}"
        if not is_recorded(row["ratio"], known):
            faults.append(f"{name}: {row['ratio']} is not recorded")
        if one["lesson"] not in NO_SPREAD and (
            row["low"] is None or not row["low"] <= row["ratio"] <= row["high"]
        ):
            faults.append(f"{name}: the ratio lies outside of its spread")
    ratios = [row["ratio"] for row in rows]
    if any(a > b for a, b in pairwise(ratios)):
        faults.append("losses do not come first")
    return faults


def peer_faults(one: dict[str, Any]) -> list[str]:
    """Peers without a comparison, and differences that are no finite number and not said to be asserted."""
    record = record_of(one["lesson"])
    faults = []
    if summary.peers(record) and not (one["speed"] or one["differences"]):
        faults.append(f"no comparison with {summary.peers(record)}")
    for row in one["differences"]:
        said = evidence_page.largest(row)
        asserted = row["largest"] is None
        if asserted != (said == "asserted") or not (
            asserted or math.isfinite(row["largest"])
        ):
            faults.append(f"{row['what']}: {said}")
    return faults


def drawn_faults(one: dict[str, Any], html: str) -> list[str]:
    """What is known and not drawn; and losses that are not marked, or not first."""
    wanted = [
        evidence_page.text(c[key]) for c in one["claims"] for key in ("claim", "over")
    ]
    wanted += map(evidence_page.text, one["properties"])
    wanted += [f">{evidence_page.ratio(row)}<" for row in one["speed"]]
    wanted += [f">{evidence_page.largest(row)}<" for row in one["differences"]]
    faults = [f"not drawn: {words}" for words in wanted if words not in html]
    verdicts = re.findall(r"<td>(slower|quicker)</td>", html)
    slower = sum(row["ratio"] < 1 for row in one["speed"])
    if verdicts != ["slower"] * slower + ["quicker"] * (len(one["speed"]) - slower):
        faults.append(f"the verdicts are {verdicts}")
    return faults


DATA = [claim_faults, property_faults, speed_faults, peer_faults]


def test_every_lesson_is_there_in_the_books_order():
    notebooks = [
        p.relative_to(ROOT / "notebooks") for p in ROOT.glob("notebooks/*/*.py")
    ]
    assert sorted(LESSONS) == sorted(p.with_suffix("").as_posix() for p in notebooks)
    listed = re.findall(r"file: notebooks/(\w+/\w+)", (ROOT / "_toc.yml").read_text())
    assert listed == LESSONS


@pytest.mark.parametrize("one", KNOWN, ids=LESSONS)
def test_what_is_known_of_a_lesson_is_what_its_files_say(one):
    assert [fault for check in DATA for fault in check(one)] == []
    assert drawn_faults(one, evidence_page.part(evidence_page.PAGE, one)) == []


def test_there_is_a_reader_for_no_lesson_that_is_not():
    assert set(summary.READERS) <= set(LESSONS)


def planted(lesson: str, change: str) -> dict[str, Any]:
    """What is known of a lesson, with a fault in it."""
    one = copy.deepcopy(KNOWN[LESSONS.index(lesson)])
    exec(change, {"one": one})
    return one


@pytest.mark.parametrize(
    ("check", "change"),
    [
        (claim_faults, "one['claims'].pop()"),
        (claim_faults, "one['claims'][0]['over'] = 'everything'"),
        (property_faults, "one['properties'].pop()"),
        (property_faults, "one['properties'][0] = 'It is so.'"),
        (speed_faults, "one['speed'][0]['ratio'] *= 1.01"),
        (speed_faults, "one['speed'][0]['low'] = None"),
        (speed_faults, "one['speed'].reverse()"),
        (peer_faults, "one['speed'], one['differences'] = [], []"),
        (peer_faults, "one['differences'][0]['largest'] = float('nan')"),
    ],
)
def test_what_no_file_says_is_noticed(check, change):
    assert check(planted("robustness/reed_solomon", "None")) == []
    assert check(planted("robustness/reed_solomon", change))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<td>slower</td>", "<td></td>"),
        ("<td>slower</td>", "<td>quicker</td>"),
        (r">\d[^<]+ to [^<]+<", "><"),
        ("<em>[^<]+</em>", ""),
    ],
)
def test_what_is_not_drawn_is_noticed(old, new):
    one = planted("robustness/reed_solomon", "None")
    html = evidence_page.part(evidence_page.PAGE, one)
    assert drawn_faults(one, html) == []
    assert drawn_faults(one, re.sub(old, new, html, count=1))


def test_what_was_only_asserted_is_no_zero():
    rows = planted("value_alignment/reward_shaping", "None")["differences"]
    said = [evidence_page.largest(row) for row in rows]
    assert said[0] == "asserted"
    assert "asserted" not in said[1:]
    assert evidence_page.largest({"largest": 0.0, "intended": False}) == "0"


def test_a_ratio_the_wrong_way_round_has_no_spread():
    times = {
        "ours": {"median": 2.0, "low": 1.0, "high": 4.0},
        "peer": {"median": 6.0, "low": 5.0, "high": 8.0},
    }
    right, wrong = (summary.timed("work", "peer", r, times) for r in (3.0, 1 / 3))
    assert (right.low, right.high) == (5 / 4, 8 / 1)
    assert (wrong.low, wrong.high) == (None, None)


def test_a_record_of_the_usual_form_needs_no_reader():
    row = {"name": "sorting", "peer": "other", "ratio": 0.5}
    results = {
        "speed": [row | {"name": "adding", "ratio": 2.0}, row],
        "agreement": {"tables": 3, "largest difference": {"a_b": 1e-9, "c": 0.0}},
    }
    known = {"lesson": "a/b", "versions": {"numpy": "2", "other": "1"}}
    found = summary.compared(known | {"results": results})
    assert [(row.work, row.ratio) for row in found.speed] == [
        ("sorting", 0.5),
        ("adding", 2.0),
    ]
    assert [(d.what, d.peer, d.largest, d.over) for d in found.differences] == [
        ("a b", "other", 1e-9, "3 tables"),
        ("c", "other", 0.0, "3 tables"),
    ]


FAULTS = {
    "lesson": "a/b",
    "date": "2026-11-26",
    "machine": {"cpu": "a CPU", "python": "3.11.7"},
    "versions": {"numpy": "2.4.6"},
    "code": "",
    "tests": 12,
    "seconds": 3.5,
    "planted": 4,
    "caught": 3,
    "survivors": [{"function": "f", "line": 7, "change": "a < b became a <= b"}],
}


def test_planted_faults_are_counted_and_survivors_shown(tmp_path):
    assert "not yet measured" in evidence_page.planted(None)
    assert evidence_page.faults(tmp_path, "a/b") is None
    (tmp_path / "evidence/a").mkdir(parents=True)
    path = tmp_path / "evidence/a/b.faults.json"
    path.write_text(json.dumps(FAULTS))
    html = evidence_page.planted(evidence_page.faults(tmp_path, "a/b"))
    for words in (
        "3 of 4",
        "12 tests",
        "26 November 2026",
        "a &lt; b became a &lt;= b",
    ):
        assert words in html
    path.write_text(json.dumps(FAULTS | {"caught": 4, "survivors": []}))
    html = evidence_page.planted(evidence_page.faults(tmp_path, "a/b"))
    assert "4 of 4" in html
    assert "<details>" not in html


def test_the_totals_are_sums():
    one = planted("robustness/reed_solomon", "None")
    said = evidence_page.totals([one | {"faults": FAULTS}, one | {"faults": None}])
    claims, slower = (
        2 * len(one["claims"]),
        2 * sum(r["ratio"] < 1 for r in one["speed"]),
    )
    for words in (
        f"2 lessons make {claims} claims",
        "Of 4 faults planted in the code of 1 lesson the tests caught 3.",
        f"On {slower} of {2 * len(one['speed'])} pieces",
    ):
        assert words in said


def test_names_of_tests_become_sentences_with_the_lessons_capitals():
    prose = "So a DQN of Bellman learns, and `sam` with SAM. A sum."
    tests = "def test_a_dqn_and_bellman_and_sam(): ...\ndef other(): ..."
    assert evidence_page.properties(tests, prose) == ["A DQN and Bellman and SAM."]


def test_the_file_for_programs_is_what_the_page_says_it_is(tmp_path):
    evidence_page.write_claims(SimpleNamespace(**vars(APP), outdir=tmp_path), None)
    content = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
    assert content == json.loads(json.dumps(KNOWN))
    page = (ROOT / f"{evidence_page.PAGE}.md").read_text(encoding="utf-8")
    told = set(re.findall(r"(?<!})`(\w+)`", page))
    assert told | {"lesson"} == set(content[0])


@pytest.mark.parametrize(
    ("builder", "page"), [("html", "book/index"), ("epub", evidence_page.PAGE)]
)
def test_a_build_without_the_page_or_without_such_files_writes_none(
    builder, page, tmp_path
):
    env, how = SimpleNamespace(found_docs={page}), SimpleNamespace(name=builder)
    app = SimpleNamespace(env=env, builder=how, outdir=tmp_path)
    evidence_page.write_claims(app, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("builder", "address"), [("html", "../a.json"), ("epub", None)]
)
def test_a_file_of_the_site_is_linked_where_there_is_one(builder, address):
    app = SimpleNamespace(builder=SimpleNamespace(name=builder))
    env = SimpleNamespace(app=app, docname=evidence_page.PAGE)
    role = evidence_page.SiteFile()
    role.text = "a.json"
    role.inliner = SimpleNamespace(
        document=SimpleNamespace(settings=SimpleNamespace(env=env))
    )
    ((node,), _) = role.run()
    assert (node.astext(), node.get("refuri")) == ("a.json", address)
