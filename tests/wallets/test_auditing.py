"""The audit believes nothing: each file that was changed, taken away or added is named, and so is each row."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cbdc.authority import open_root
from cbdc.errors import TengeError
from cbdc.ports import WRITE_POINTS
from tests.pilot.play import SMALL, played, run_text, step
from wallets import demo
from wallets.auditing import audit_target, check_files, export_target, words
from wallets.court import verify_file
from wallets.pilot import runner
from wallets.pilot.folder import MANIFEST, list_files


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small school-meals run; nobody changes it."""
    return played(tmp_path_factory.mktemp("audit") / "run", SMALL).folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def problems(folder: Path | str, **kept: Path) -> list[tuple[str, str]]:
    """(place, code) of everything the audit finds."""
    found = audit_target(str(folder), **kept)
    assert found["ok"] == (not found["problems"])
    for row in found["problems"]:
        assert row["sentence"]
        assert "{" not in row["sentence"]
        assert row["page"] == f"docs/errors.md#{row['code'].lower()}"
    return [(str(row.get("file") or row.get("subject")), row["code"]) for row in found["problems"]]


def codes(folder: Path | str, **kept: Path) -> set[str]:
    return {code for _, code in problems(folder, **kept)}


def change(path: Path, statement: str, *values: object) -> None:
    """One statement on a database; what it held in its log is written back first."""
    database = sqlite3.connect(path, isolation_level=None)
    assert database.execute(statement, values).rowcount == 1
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def refused(target: object, **kept: Path) -> str:
    with pytest.raises(TengeError) as caught:
        audit_target(str(target), **kept)
    return caught.value.code


# --- what is right ---


def test_a_finished_run(finished: Path) -> None:
    found = audit_target(str(finished))
    report = json.loads((finished / "report.json").read_text(encoding="utf-8"))
    assert (found["ok"], found["problems"]) == (True, [])
    assert found["issued_tiyn"] == report["supply"]["issued_tiyn"]
    assert found["redeemed_tiyn"] == report["supply"]["redeemed_tiyn"]
    assert found["outstanding_tiyn"] == found["issued_tiyn"] - found["redeemed_tiyn"]
    assert list(words(found))[-1] == "everything adds up"
    assert len(bytes.fromhex(found["log_root"])) == 32


def test_an_audit_changes_nothing(finished: Path) -> None:
    before = {name: (finished / name).read_bytes() for name in list_files(finished)}
    assert problems(finished) == []
    assert {name: (finished / name).read_bytes() for name in list_files(finished)} == before


def test_with_what_was_kept_elsewhere(finished: Path) -> None:
    kept = {"head": finished / "head.dto", "root": finished / "evidence" / "root.dto"}
    assert problems(finished, **kept) == []
    url = f"sqlite:///{finished / 'ledger.sqlite'}"
    assert problems(url, **kept) == []


def test_a_store_alone(finished: Path) -> None:
    found = audit_target(f"sqlite:///{finished / 'ledger.sqlite'}")
    assert {**found, "problems": []} == {**audit_target(str(finished)), "problems": []}


# --- files ---


def test_every_changed_file_is_named(run: Path) -> None:
    for name in list_files(run):
        path = run / name
        data = path.read_bytes()
        for changed in (data + b"\n", data[:-1], bytes([data[0] ^ 1]) + data[1:]):
            path.write_bytes(changed)
            assert [(row["file"], row["code"]) for row in check_files(run)] == [
                (name, "E_AUDIT_FILE_CHANGED")
            ]
        path.write_bytes(data)
    assert check_files(run) == []


def test_every_missing_file_is_named(run: Path) -> None:
    names = list_files(run)
    assert len(names) > 20
    for name in names:
        path = run / name
        data = path.read_bytes()
        path.unlink()
        assert [(row["file"], row["code"]) for row in check_files(run)] == [(name, "E_AUDIT_FILE_MISSING")]
        path.write_bytes(data)
    assert problems(run) == []


@pytest.mark.parametrize("name", ["note.txt", "evidence/case-9.dto", "offline/elements/x.journal", "a/b/c"])
def test_every_unknown_file_is_named(run: Path, name: str) -> None:
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_bytes(b"mine")
    assert (name, "E_AUDIT_FILE_UNKNOWN") in problems(run)
    assert {place for place, _ in problems(run)} == {name}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"complete": true}', '{"complete": true, "files": 5}', "\ufeff{}", "[" * 10_000]
)
def test_a_manifest_that_is_none(run: Path, text: str) -> None:
    (run / MANIFEST).write_text(text, encoding="utf-8")
    assert (MANIFEST, "E_AUDIT_FILE_CHANGED") in problems(run)


def test_a_missing_manifest(run: Path) -> None:
    (run / MANIFEST).unlink()
    assert (MANIFEST, "E_AUDIT_FILE_MISSING") in problems(run)


def test_a_manifest_that_points_outside_reads_nothing_there(run: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"]["../secret"] = "00"
    (run / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    assert problems(run) == [("../secret", "E_AUDIT_FILE_MISSING")]


# --- the ledger ---

ROW_CHANGES = [
    ("UPDATE entry SET data = CAST(substr(data, 1, 60) || x'00' AS BLOB) WHERE place = 9", "9"),
    ("UPDATE entry SET data = 'a text' WHERE place = 9", "store"),
    ("UPDATE entry SET data = (SELECT data FROM entry WHERE place = 8) WHERE place = 9", "9"),
    ("UPDATE entry SET leaf = zeroblob(32) WHERE place = 9", "9"),
    ("UPDATE entry SET transaction_id = zeroblob(32) WHERE place = 9", "9"),
    ("DELETE FROM entry WHERE place = 9", "9"),
    ("UPDATE head SET envelope = zeroblob(60) WHERE size = (SELECT max(size) FROM head)", "head"),
    ("DELETE FROM head WHERE size = (SELECT max(size) FROM head)", ""),
    ("UPDATE state SET value = x'01' WHERE key = (SELECT min(key) FROM state)", ""),
    ("DELETE FROM state WHERE key = (SELECT max(key) FROM state)", ""),
    ("DELETE FROM token WHERE number = (SELECT min(number) FROM token)", ""),
    ("UPDATE token SET value = x'01' WHERE number = (SELECT min(number) FROM token)", ""),
    ("UPDATE token SET holder = zeroblob(32) WHERE number = (SELECT min(number) FROM token)", ""),
    ("UPDATE token SET number = number + 7 WHERE number = (SELECT min(number) FROM token)", ""),
    ("UPDATE token SET number = number + (9 << 32) WHERE number = (SELECT min(number) FROM token)", ""),
    ("DELETE FROM holding WHERE number = (SELECT min(number) FROM token)", ""),
    ("UPDATE holding SET hint = zeroblob(6) WHERE number = (SELECT max(number) FROM token)", ""),
    ("DELETE FROM identity WHERE place = 9", ""),
    ("UPDATE identity SET place = 10000 WHERE place = 9", ""),
    ("UPDATE merged SET place = 'a text'", "store"),
    ("UPDATE merged SET place = -1", "store"),
    ("UPDATE identity SET place = 'a text' WHERE place = 9", ""),
    ("INSERT INTO state SELECT key, value FROM token LIMIT 1", ""),
    ("INSERT INTO owner SELECT zeroblob(32), key FROM token LIMIT 1", ""),
]


@pytest.mark.parametrize(("statement", "place"), ROW_CHANGES)
def test_every_changed_row_of_the_ledger_is_found(run: Path, statement: str, place: str) -> None:
    change(run / "ledger.sqlite", statement)
    found = audit_target(str(run))
    assert not found["ok"]
    told = [row for row in found["problems"] if row.get("file") != "ledger.sqlite"]
    assert told, "the file is named by the manifest; the row is named by the replay"
    assert any(place in f"{row.get('entry', '')} {row.get('subject', '')}" for row in told)
    alone = audit_target(f"sqlite:///{run / 'ledger.sqlite'}")
    assert not alone["ok"]


def test_an_older_copy_is_whole_and_not_what_was_kept(tmp_path: Path) -> None:
    """A ledger put back to an earlier moment adds up; only who kept a later head sees that something is gone."""
    (tmp_path / "other").mkdir()
    old = run_text(tmp_path / "other", step("buy", who="person", amount=1)).folder
    (tmp_path / "more").mkdir()
    parts = [step("buy", who="person", amount=1), step("buy", at="11:00", who="person", amount=1)]
    new = run_text(tmp_path / "more", *parts).folder
    url = f"sqlite:///{old / 'ledger.sqlite'}"
    assert problems(url) == []
    assert problems(url, head=old / "head.dto") == []
    assert problems(url, head=new / "head.dto") == [("kept head", "E_AUDIT_TAIL")]


def test_the_head_and_the_root_of_another_ledger(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = run_text(tmp_path / "other", step("buy", who="person", amount=1)).folder
    assert codes(run, root=other / "evidence" / "root.dto") == {"E_AUDIT_ROOT"}
    assert problems(run, head=other / "head.dto") == [("kept head", "E_SIG")]
    assert refused(run, head=other / "evidence" / "root.dto") == "E_OBJTYPE"


# --- books, report, proofs ---


def test_changed_books(run: Path) -> None:
    first = "SELECT institution, kind, name FROM balance ORDER BY 1, 2, 3 LIMIT 1"
    statement = f"UPDATE balance SET debit_tiyn = debit_tiyn + 1 WHERE (institution, kind, name) = ({first})"
    change(run / "books.sqlite", statement)
    assert problems(run) == [
        ("books.sqlite", "E_AUDIT_FILE_CHANGED"),
        ("books.sqlite", "E_AUDIT_BOOKS"),
    ]


@pytest.mark.parametrize("data", [b"", b"no books" * 1_000])
def test_books_that_are_none(run: Path, data: bytes) -> None:
    (run / "books.sqlite").write_bytes(data)
    assert ("books.sqlite", "E_AUDIT_FILE_CHANGED") in problems(run)


@pytest.mark.parametrize("line", ["issued_tiyn", "redeemed_tiyn"])
def test_a_changed_report(run: Path, line: str) -> None:
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    report["supply"][line] += 1
    (run / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert codes(run) == {"E_AUDIT_FILE_CHANGED", "E_AUDIT_REPORT"}


@pytest.mark.parametrize("text", ["", "[]", '{"supply": 5}', "{}"])
def test_a_report_that_is_none(run: Path, text: str) -> None:
    (run / "report.json").write_text(text, encoding="utf-8")
    assert ("report.json", "E_AUDIT_FILE_CHANGED") in problems(run)


# --- runs that were stopped ---


class Stop(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    ("point", "count"),
    [
        ("ledger.commit.before", 1),
        ("ledger.commit.inside", 1),
        ("ledger.commit.after", 1),
        ("ledger.commit.inside", 12),
        ("books.post.before", 1),
        ("register.write.after", 3),
        ("wallet.done.before", 2),
        ("element.journal.torn", 60),
        ("reconciler.post.after", 2),
        ("runner.step.before", 1),
    ],
)
def test_a_stopped_run_is_clean(tmp_path: Path, point: str, count: int) -> None:
    assert point in WRITE_POINTS
    left = [count]

    def checkpoint(name: str) -> None:
        if name == point:
            left[0] -= 1
            if not left[0]:
                raise Stop

    with pytest.raises(Stop):
        runner.run("school-meals", tmp_path / "run", 7, SMALL, checkpoint=checkpoint)
    assert problems(tmp_path / "run") == []
    change_script = (tmp_path / "run" / "script.toml").read_bytes() + b"#"
    (tmp_path / "run" / "script.toml").write_bytes(change_script)
    assert problems(tmp_path / "run") == [("script.toml", "E_AUDIT_FILE_CHANGED")]


# --- targets ---


def test_targets_that_are_none(tmp_path: Path, finished: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for target in (tmp_path, tmp_path / "nowhere", "sqlite:///nowhere.sqlite", ""):
        assert refused(target) == "E_AUDIT_TARGET"
    assert refused(tmp_path / "file") == "E_JOURNAL_FILE"
    assert refused(f"sqlite:///{finished}") == "E_AUDIT_TARGET"
    assert refused(f"sqlite:///{finished / 'report.json'}") == "E_STORE_UNAVAILABLE"
    assert refused(finished, head=tmp_path / "nowhere") == "E_FILE"
    assert refused(finished, root=tmp_path) == "E_FILE"
    (tmp_path / "big").write_bytes(bytes((1 << 20) + 1))
    assert refused(finished, head=tmp_path / "big") == "E_SIZE"


def test_a_folder_with_a_ledger_and_no_run(finished: Path, tmp_path: Path) -> None:
    """A sandbox served from a folder has no manifest; its ledger is audited all the same."""
    shutil.copy(finished / "ledger.sqlite", tmp_path / "ledger.sqlite")
    assert problems(tmp_path) == []


def test_problems_in_words(run: Path) -> None:
    (run / "note.txt").write_bytes(b"mine")
    (run / "run.json").unlink()
    lines = list(words(audit_target(str(run))))
    assert lines[0].split()[1] == "entries,"
    assert any(line.startswith("PROBLEM at note.txt: ") for line in lines)
    assert lines[-1].endswith(" problems")


# --- proofs ---


def test_proofs_are_checked_from_the_root(finished: Path, tmp_path: Path) -> None:
    root = finished / "evidence" / "root.dto"
    proof = finished / "evidence" / "case-1.dto"
    found = verify_file(proof, root)
    trusted: Any = open_root(root.read_bytes())
    assert found["ok"]
    assert found["amount_tiyn"] == 80_000
    assert trusted.record.key.kid.hex() not in (found["named_kid"], found["device_id"])
    lines, _ = demo.tell(8, tmp_path / "demo")
    assert lines
    assert not verify_file(proof, tmp_path / "demo" / "evidence" / "root.dto")["ok"]
    data = bytearray(proof.read_bytes())
    for place in range(0, len(data), 37):
        data[place] ^= 1
        (tmp_path / "changed.dto").write_bytes(data)
        told = verify_file(tmp_path / "changed.dto", root)
        assert not told["ok"], place
        assert told["code"].startswith("E_")
        data[place] ^= 1


def test_an_exported_journal_is_audited_like_its_ledger(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    assert export_target(str(finished), file, state=True) > 100
    there, here = audit_target(str(file)), audit_target(str(finished))
    assert there["ok"]
    assert {name: there[name] for name in there if name != "problems"} == {
        name: here[name] for name in here if name != "problems"
    }
    with pytest.raises(TengeError) as refusal:
        export_target(str(finished), file, state=False)
    assert refusal.value.code == "E_FILE"
