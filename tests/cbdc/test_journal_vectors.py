"""The vectors of whole journals, what a journal's file may be, and the ledger's protocol pages beside the code."""

import io
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from cbdc.clauses import KINDS as CLAUSES
from cbdc.errors import TengeError, catalogue
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import LogHead, Policy
from cbdc.ledger.export import FORMAT, MAX_LINE, JournalFile, lines_of, write
from cbdc.ledger.places import PLACES
from cbdc.marks import MarkDefinition, Statement
from cbdc.transaction import KINDS
from tests.cbdc.journals import ROWS, audit_file, drawn, of_row, report_of
from tests.cbdc.scene import Row, scene
from tests.conftest import ROOT
from tests.vectors import generate_journals
from tests.vectors.case import ids_are_unique, load

FILE = load(generate_journals.NAME)
CASES = [pytest.param(one, id=one["id"]) for one in FILE["cases"]]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs/protocol/ledger").glob("*.md")}


@pytest.mark.parametrize("one", CASES)
def test_vector(one: dict[str, Any], tmp_path: Path) -> None:
    assert generate_journals.answer(one, FILE["base"], tmp_path) == one["expect"], one["what"]


@pytest.mark.parametrize("one", FILE["no_journals"], ids=lambda one: one["what"])
def test_a_file_that_is_no_journal(one: dict[str, Any], tmp_path: Path) -> None:
    assert generate_journals.is_no_journal(one["lines"], tmp_path)


@pytest.mark.slow
def test_the_file_is_what_its_maker_makes() -> None:
    assert not generate_journals.stale()


def test_the_file_is_well_made() -> None:
    cases = FILE["cases"]
    assert ids_are_unique(cases)
    codes = {row["code"] for one in cases for row in one["expect"]["problems"]}
    assert codes <= set(catalogue())
    found = {code for code in codes if code.startswith("E_AUDIT_")}
    names = ("BOOKS", "FILE_CHANGED", "FILE_MISSING", "FILE_UNKNOWN", "REPORT", "TARGET")
    local = {"E_AUDIT_" + name for name in names}
    told = set(re.findall(r"`(E_AUDIT_\w+)`", PAGES["7-audit.md"]))
    # No rule lets the first happen; the others are found over HTTP.
    never = {"E_AUDIT_" + name for name in ("CONSERVATION", "NETWORK", "ROLLBACK", "EVIDENCE")}
    assert found | never == told
    assert not told & local


def test_the_check_tells_a_stale_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate_journals, "FOLDER", tmp_path)
    monkeypatch.setattr(generate_journals, "make", lambda: {"origin": "here", "base": [], "cases": []})
    assert generate_journals.main(["--check"]) == 1
    assert "generate_journals" in capsys.readouterr().out
    assert generate_journals.main([]) == 0
    assert generate_journals.main(["--check"]) == 0


# --- journals of the rows, and drawn ones ---


@pytest.mark.parametrize("row", ROWS[::11], ids=lambda row: row.name)
def test_a_rows_journal_is_judged_like_the_row(row: Row, tmp_path: Path) -> None:
    made = of_row(row)
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(line + "\n" for line in made.lines), encoding="utf-8")
    found = audit_file(path)
    last = f"entry {found.entries - 1}"
    assert [(row.subject, row.code) for row in found.problems] == (
        [] if row.code is None else [(last, row.code)]
    )


def test_drawn_journals_are_right_or_forged(tmp_path: Path) -> None:
    forged = 0
    for seed in range(6):
        made = drawn(seed)
        assert made.lines == drawn(seed).lines
        path = tmp_path / "journal.jsonl"
        path.write_text("".join(line + "\n" for line in made.lines), encoding="utf-8")
        report = report_of(audit_file(path))
        assert report["ok"] is not bool(made.forged)
        forged += bool(made.forged)
    assert 0 < forged < 6


# --- the file ---


@pytest.mark.parametrize("state", [False, True])
def test_a_file_says_what_its_store_says(tmp_path: Path, state: bool) -> None:
    store = scene().store
    path = tmp_path / "journal.jsonl"
    with path.open("w", encoding="utf-8") as file:
        count = write(store, file, state)
    assert count == path.read_bytes().count(b"\n")
    journal = JournalFile(path)
    assert journal.derived is state
    journal.check()
    assert list(journal.entries()) == list(store.entries())
    assert list(journal.entries(3, 6)) == list(store.entries(3, 6))
    assert list(journal.heads()) == list(store.heads())
    assert list(journal.state()) == (list(store.state()) if state else [])
    assert list(journal.owner_rows()) == (list(store.owner_rows()) if state else [])
    assert audit(journal, derived=state).ok


def test_a_head_stands_behind_what_it_covers() -> None:
    size = 0
    for line in map(json.loads, list(lines_of(scene().store))[1:]):
        size += "entry" in line
        assert "head" not in line or line["head"] == size


GOOD = list(lines_of(scene().store, True))
ENTRY = GOOD[1]
STATE = next(line for line in GOOD if "state" in json.loads(line) and "value" in json.loads(line))
WRONG = {
    "nothing": "",
    "no line feed": GOOD[0],
    "no JSON": f"{GOOD[0]}\n{{\n",
    "no object": f"{GOOD[0]}\n[]\n",
    "an empty line": f"{GOOD[0]}\n\n{ENTRY}\n",
    "no text": "\udcff\n",
    "another format": GOOD[0].replace(FORMAT, "tenge-journal/2") + "\n",
    "no first line": f"{ENTRY}\n",
    "the first line twice": f"{GOOD[0]}\n{GOOD[0]}\n",
    "state is a number": f'{{"format":"{FORMAT}","state":1}}\n',
    "a further field": f'{GOOD[0]}\n{ENTRY[:-1]},"more":1}}\n',
    "a field is missing": f'{GOOD[0]}\n{{"entry":0,"id":"","leaf":""}}\n',
    "capital letters": f'{GOOD[0]}\n{{"head":1,"envelope":"AA"}}\n',
    "half a byte": f'{GOOD[0]}\n{{"head":1,"envelope":"a"}}\n',
    "a number is true": f'{GOOD[0]}\n{{"head":true,"envelope":"aa"}}\n',
    "a number below 0": f'{GOOD[0]}\n{{"head":-1,"envelope":"aa"}}\n',
    "a number is minus nothing": f'{GOOD[0]}\n{{"head":-0,"envelope":"aa"}}\n',
    "a field twice": f'{GOOD[0]}\n{{"head":1,"envelope":"aa","envelope":"bb"}}\n',
    "a field twice in the first line": f'{GOOD[0][:-1]},"state":true}}\n',
    "a broken number": f'{GOOD[0]}\n{{"head":1.0,"envelope":"aa"}}\n',
    "state before an entry": f"{GOOD[0]}\n{STATE}\n{ENTRY}\n",
    "state where none was announced": f"{GOOD[0].replace('true', 'false')}\n{STATE}\n",
    "a line without end": f'{GOOD[0]}\n{{"head":1,"envelope":"{"aa" * MAX_LINE}"}}\n',
    "brackets without end": f"{GOOD[0]}\n{'[' * 100_000}\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_journal_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(WRONG[name].encode("utf-8", "surrogateescape"))
    with pytest.raises(TengeError) as refusal:
        JournalFile(path).check()
    assert refusal.value.code == "E_JOURNAL_FILE"
    assert refusal.value.facts["line"] in (1, 2, 3)


def test_an_audit_does_not_hide_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join([*GOOD, "{}", ""]), encoding="utf-8")
    with pytest.raises(TengeError) as refusal:
        audit_file(path)
    assert refusal.value.code == "E_JOURNAL_FILE"
    with pytest.raises(TengeError) as refusal:
        JournalFile(tmp_path / "nowhere")
    assert refusal.value.code == "E_FILE"


def test_writing_needs_no_file() -> None:
    out = io.StringIO()
    assert write(scene().store, out) == out.getvalue().count("\n")


# --- the pages ---


def test_the_pages_have_every_type_with_its_number() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (\w+) \| .* \|$", PAGES["3-transactions.md"], re.MULTILINE))
    assert table == {str(number): kind.__name__ for number, kind in KINDS.items()}
    for number, kind in KINDS.items():
        assert f"**{number} {kind.__name__}.**" in PAGES["4-rules.md"]
    clauses = dict(re.findall(r"^\| (\d+) \| ([A-Z]+) \| .* \|$", PAGES["5-marks.md"], re.MULTILINE))
    assert clauses == {str(number): kind.KIND.upper() for number, kind in CLAUSES.items()}
    types = {80: Policy, 81: LogHead, 82: MarkDefinition, 83: Statement}
    assert all(number == kind.TYPE for number, kind in types.items())


def test_the_pages_name_the_fields_in_order() -> None:
    rows = re.findall(r"^\| (\d+) \| \w+ \| (.*) \|$", PAGES["3-transactions.md"], re.MULTILINE)
    for number, told in rows:
        names = [part.partition(":")[0].split(" ")[0] for part in told.split("; ")]
        wanted = [field.name.removesuffix("_tiyn") for field in fields(KINDS[int(number)])][1:]
        assert names == wanted, KINDS[int(number)].__name__


def test_the_pages_have_the_table_of_places() -> None:
    rows = re.findall(
        r"^\| ([A-Z][\w ]+) \| ([\w, ]*)\| ([\w, ]*)\| ([yes ]*)\| ([yes ]*)\|$",
        PAGES["4-rules.md"],
        re.MULTILINE,
    )
    table = {name: tuple(cell.strip() for cell in cells) for name, *cells in rows}
    assert table == {
        name: (
            ", ".join(place.spenders),
            ", ".join(place.receivers),
            "yes" * place.one_holder,
            "yes" * place.plain,
        )
        for name, place in PLACES.items()
    }


def test_every_code_that_rows_expect_stands_on_the_pages() -> None:
    text = "".join(PAGES.values())
    codes = {row.code for row in ROWS if row.code}
    assert sorted(code for code in codes if f"`{code}`" not in text) == []
    assert set(re.findall(r"`(E_\w+)`", text)) <= set(catalogue())
