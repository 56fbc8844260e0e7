"""The bibliography: every entry cited, every citation resolved, each work looked up once in a public source."""

import ast
import datetime
import difflib
import hashlib
import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from pybtex.database import Entry, parse_string
from pybtex.richtext import Text

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
ENTRIES: dict[str, Entry] = parse_string(
    (BOOK / "references.bib").read_text(encoding="utf-8"), "bibtex"
).entries
MARKS_FILE = (BOOK / "references-checked.toml").read_text(encoding="utf-8")
MARKS = tomllib.loads(MARKS_FILE)
PAGES = [*(ROOT / "notebooks").rglob("*.py"), *BOOK.glob("*.md")]
MODULES = sorted((ROOT / "companion").rglob("*.py"))

# Entries that were seen in no public source. The number only goes down: look a new one up.
UNSEEN = 4
SEEN = {"title", "authors", "year", "venue", "pages", "number"}

CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
REFERENCES = re.compile(r"^References\n-+\n(.*?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
# "Kingma, D. P. and Ba, J. (2015). Adam: a method ...": a surname, the year, the title's first word.
WORK = re.compile(
    r"^([^\W\d][\w' -]*?)(?:,| \().*?\((\d{4})\)\. [\"']?([\w'-]+)", re.MULTILINE
)
ARXIV = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7}")


# --- cited, and resolved -----------------------------------------------------------


def keys_cited(text: str) -> set[str]:
    """Return the keys of a page's citations."""
    return {key.strip() for keys in CITATION.findall(text) for key in keys.split(",")}


Work = tuple[str, str, str]


def works_named(source: str) -> set[Work]:
    """Return a surname, the year and the title's first word of every work that docstrings refer to."""
    texts = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]
    parts = [part for text in texts for part in REFERENCES.findall(text)]
    found = [work for part in parts for work in WORK.findall(part)]
    return {(plain(name), year, plain(word)) for name, year, word in found}


def plain(name: str) -> str:
    """Return a name or a word without accents, spaces and capitals."""
    decomposed = unicodedata.normalize("NFKD", name.lower().replace("ø", "o"))
    return re.sub(r"[^a-z]", "", decomposed)


def works(entry: Entry) -> set[Work]:
    """Return the surnames, years and title's first word under which a docstring may refer to an entry."""
    people = entry.persons["author"]
    names = [p.last_names for p in people]
    names += [[*p.prelast_names, *p.last_names] for p in people]
    years = {entry.fields["year"], f"20{entry.fields.get('eprint', '')[:2]}"}
    word = plain(str(Text.from_latex(entry.fields["title"])).split()[0])
    return {
        (plain(str(Text.from_latex(" ".join(name)))), year, word)
        for name in names
        for year in years
    }


def unresolved(cited: set[str], named: set[Work]) -> list[str]:
    """Return the citations without an entry, each with the nearest key."""
    known = set().union(*(works(entry) for entry in ENTRIES.values()))
    keys = [
        f"{key}: no entry; nearest {difflib.get_close_matches(key, ENTRIES, 1)}"
        for key in sorted(cited - set(ENTRIES))
    ]
    missing = sorted(named - known)
    return keys + [
        f"{name} ({year}), {word} ...: no entry" for name, year, word in missing
    ]


def uncited(cited: set[str], named: set[Work]) -> list[str]:
    """Return the entries that no page cites and no docstring refers to."""
    return [
        key
        for key, entry in ENTRIES.items()
        if key not in cited and not works(entry) & named
    ]


CITED = set().union(*(keys_cited(p.read_text(encoding="utf-8")) for p in PAGES))
NAMED = set().union(*(works_named(p.read_text(encoding="utf-8")) for p in MODULES))


def test_every_citation_has_an_entry():
    assert unresolved(CITED, NAMED) == []


def test_every_entry_is_cited():
    assert uncited(CITED, NAMED) == []


def test_a_citation_without_an_entry_and_an_entry_without_a_citation_are_noticed():
    page = "as {cite:t}`puterman1994, putermann1994` and {cite}`acerbi2002` show"
    module = 'def f():\n    """Do.\n\n    References\n    ----------\n    Nobody, N. (2001). No.\n    """'
    faults = unresolved(keys_cited(page), works_named(module))
    assert faults == [
        "putermann1994: no entry; nearest ['puterman1994']",
        "nobody (2001), no ...: no entry",
    ]
    left = uncited(keys_cited(page), {("shin", "1978", "modified")})
    assert "hamming1950" in left
    assert not {"acerbi2002", "puterman1994", "puterman1978"} & set(left)


# --- the form of an entry ----------------------------------------------------------


def form_faults(key: str, entry: Entry) -> list[str]:
    """Return what keeps a reader from getting from an entry to the work."""
    fields = entry.fields
    missing = {"title", "year"} - set(fields) or "author" not in entry.persons
    faults = [f"{key}: has no title, year or author"] * bool(missing)
    if "eprint" in fields and (
        fields.get("archiveprefix") != "arXiv" or not ARXIV.fullmatch(fields["eprint"])
    ):
        faults.append(f"{key}: eprint is an arXiv number, archiveprefix is arXiv")
    if "doi" in fields and not re.match(r"10\.\d{4,}/", fields["doi"]):
        faults.append(f"{key}: a DOI begins with 10.")
    elsewhere = [v for f, v in fields.items() if f not in ("doi", "archiveprefix")]
    if re.search(r"arxiv|doi\.org", " ".join(elsewhere), re.IGNORECASE):
        faults.append(f"{key}: numbers belong into the fields doi and eprint")
    return faults


def test_every_entry_has_its_numbers_where_they_become_links():
    assert [f for key, entry in ENTRIES.items() for f in form_faults(key, entry)] == []


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("eprint = {1706.06083}", "archiveprefix is arXiv"),
        ("eprint = {1706}, archiveprefix = {arXiv}", "eprint is an arXiv number"),
        ("note = {arXiv:1706.06083}", "numbers belong"),
        ("url = {https://doi.org/10.1214/22-AOS2244}", "numbers belong"),
        ("doi = {https://doi.org/10.1214/22-AOS2244}", "begins with 10."),
    ],
)
def test_a_number_in_the_wrong_place_is_noticed(fields, fault):
    source = f"@misc{{k, title = {{T}}, author = {{A}}, year = {{2020}}, {fields}}}"
    faults = form_faults("k", parse_string(source, "bibtex").entries["k"])
    assert any(fault in text for text in faults)


# --- looked up ---------------------------------------------------------------------


def digest(entry: Entry) -> str:
    """Return a short hash of what an entry says, however it is laid out."""
    said = {name.lower(): " ".join(v.split()) for name, v in entry.fields.items()}
    people = {role: [str(p) for p in who] for role, who in entry.persons.items()}
    text = repr([entry.type, sorted(said.items()), sorted(people.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def mark_faults(key: str, entry: Entry, mark: dict[str, Any] | None) -> list[str]:
    """Return what a mark lacks: it says where a work was seen, what was seen there, and when."""
    new = f'write entry = "{digest(entry)}"'
    if mark is None:
        return [f"{key}: look it up, mark it in book/references-checked.toml, {new}"]
    faults = []
    if mark.get("entry") != digest(entry):
        faults.append(f"{key}: was edited; look it up again, then {new}")
    if not mark.get("source"):
        if mark.get("source") != "" or not mark.get("reason"):
            faults.append(f"{key}: says neither a source nor a reason for none")
        return faults
    seen = set(mark.get("seen", ()))
    if not {"title", "authors", "year"} <= seen <= SEEN:
        faults.append(f"{key}: seen names title, authors, year, of {sorted(SEEN)}")
    if not isinstance(mark.get("date"), datetime.date):
        faults.append(f"{key}: has no date")
    if not {"doi", "eprint"} & set(entry.fields) and not mark.get("no_number"):
        faults.append(f"{key}: has no DOI or arXiv number and no_number says not why")
    return faults


def test_every_entry_was_looked_up_since_it_was_edited():
    faults = [f for k, e in ENTRIES.items() for f in mark_faults(k, e, MARKS.get(k))]
    assert faults == []


def test_no_mark_is_left_over_and_they_stand_in_order():
    assert list(MARKS) == sorted(ENTRIES)
    assert len(re.findall(r"^\[", MARKS_FILE, re.MULTILINE)) == len(MARKS)


def test_few_entries_were_seen_nowhere():
    unseen = [key for key, mark in MARKS.items() if not mark["source"]]
    assert len(unseen) <= UNSEEN, unseen


ENTRY = ENTRIES["acerbi2002"]
GOOD = {
    "source": "https://doi.org/10.1016/S0378-4266(02)00283-2",
    "seen": ["title", "authors", "year"],
    "date": datetime.date(2026, 11, 26),
    "entry": digest(ENTRY),
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"entry": "00000000"}, "was edited"),
        ({"source": ""}, "neither a source nor a reason"),
        ({"seen": ["title", "year"]}, "seen names"),
        ({"seen": ["title", "authors", "year", "cover"]}, "seen names"),
        ({"date": "yesterday"}, "no date"),
    ],
)
def test_a_mark_that_says_too_little_is_noticed(change, fault):
    assert mark_faults("k", ENTRY, GOOD) == []
    faults = mark_faults("k", ENTRY, GOOD | change)
    assert any(fault in text for text in faults)


def test_an_unmarked_an_edited_and_an_unnumbered_entry_are_noticed():
    assert "look it up" in mark_faults("k", ENTRY, None)[0]
    fields = [(n, v) for n, v in ENTRY.fields.items() if n != "doi"]
    edited = Entry(ENTRY.type, fields, ENTRY.persons)
    assert "was edited" in mark_faults("k", edited, GOOD)[0]
    mark = GOOD | {"entry": digest(edited)}
    assert "no DOI or arXiv number" in mark_faults("k", edited, mark)[0]
    assert mark_faults("k", edited, mark | {"no_number": "none is given"}) == []
