"""Backups: one moment of all stores, whole or not at all, damaged ones refused, and a ledger as it stood before."""

import json
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.errors import TengeError
from cbdc.http.call_nonces import FileNonces
from cbdc.ledger.audit import audit
from cbdc.ledger.sqlite import SqliteStore
from cbdc.money import tenge
from cbdc.operations.backup import CALLS_FILE, MANIFEST, make_backup, restore
from cbdc.operations.point_in_time import cut_back, until_entries, until_time
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.system import System, open_system
from tests.cbdc.institutions import START, key
from tests.conftest import ROOT
from wallets.cli import main


def system(folder: Path, clock: ManualClock) -> System:
    return open_system(folder, key, clock, SeededEntropy(3))


def fund(made: System, number: int) -> None:
    made.fund_loss_reserve(number.to_bytes(32, "big"), tenge(number))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clock = ManualClock(START)
    made = system(tmp_path / "site", clock)
    for number in range(1, 6):
        clock.advance(100)
        fund(made, number)
    made.close()
    (tmp_path / "site" / "elements.journal").write_bytes(b"journal")
    return tmp_path / "site"


def ok(path: Path) -> int:
    store = SqliteStore(path, read_only=True)
    try:
        found = audit(store)
        assert found.ok, found.problems
        return found.entries
    finally:
        store.close()


def test_what_was_backed_up_comes_back_and_goes_on(folder: Path, tmp_path: Path) -> None:
    file, again = tmp_path / "b.tenge", tmp_path / "again"
    made = make_backup(folder, file, START)
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.glob("*.part")) == []
    assert restore(file, again).ledgers == made.ledgers
    assert (again / "elements.journal").read_bytes() == b"journal"
    assert {path.name for path in again.iterdir()} == {
        "books.sqlite", "elements.journal", "ledger.sqlite", "register.sqlite",
    }  # fmt: skip
    before = ok(again / "ledger.sqlite")
    resumed = system(again, ManualClock(START + 1_000))
    assert resumed.supervise() == []
    fund(resumed, 9)
    assert resumed.supervise() == []
    resumed.close()
    assert ok(again / "ledger.sqlite") > before


def test_a_backup_is_of_one_moment_while_the_system_works(folder: Path, tmp_path: Path) -> None:
    clock, done = ManualClock(START + 1_000), threading.Event()
    made = system(folder, clock)

    def work() -> None:
        number = 100
        while not done.is_set():
            number += 1
            fund(made, number)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(3):
            make_backup(folder, tmp_path / f"{number}.tenge", START)
    finally:
        done.set()
        worker.join()
        made.close()
    for number in range(3):
        again = tmp_path / f"again-{number}"
        restore(tmp_path / f"{number}.tenge", again)
        resumed = system(again, clock)
        assert resumed.supervise() == []
        resumed.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from cbdc.operations import backup
name, left = sys.argv[3], [int(sys.argv[4])]
real = getattr(backup, name) if name != "link" else os.link
def die(*arguments, **named):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)
if name == "link":
    os.link = die
else:
    setattr(backup, name, die)
backup.make_backup(Path(sys.argv[1]), Path(sys.argv[2]), 1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("step", "count"), [("_reader", 2), ("_copied", 2), ("pack", 1), ("link", 1)])
def test_a_killed_backup_leaves_no_file_and_the_next_one_works(
    folder: Path, tmp_path: Path, step: str, count: int
) -> None:
    file = tmp_path / "b.tenge"
    command = [sys.executable, "-c", KILLED, str(folder), str(file), step, str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == -9, done.stderr
    assert not file.exists()
    make_backup(folder, file, START)
    restore(file, tmp_path / "again")
    # What the killed one left is a folder of its own name, which nothing follows and nobody needs.
    assert all(re.fullmatch(r"b\.tenge\.\w+\.part", one.name) for one in tmp_path.glob("*.part"))


def test_a_folder_or_link_that_is_there_is_nobody_elses_to_clear(folder: Path, tmp_path: Path) -> None:
    mine, strangers = tmp_path / "b.tenge.part", tmp_path / "strangers"
    for place in (mine, strangers):
        place.mkdir()
        (place / "kept").write_text("kept", encoding="utf-8")
    (tmp_path / "again.part").symlink_to(strangers)
    make_backup(folder, tmp_path / "b.tenge", START)
    restore(tmp_path / "b.tenge", tmp_path / "again")
    assert [one.name for one in (*mine.iterdir(), *strangers.iterdir())] == ["kept", "kept"]
    assert not (tmp_path / "again").is_symlink()


def repacked(file: Path, change: Any) -> None:
    with zipfile.ZipFile(file) as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    change(contents)
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in contents.items():
            packed.writestr(name, data)


def swapped(contents: dict[str, bytes]) -> None:
    data = bytearray(contents["files/ledger.sqlite"])
    data[len(data) // 2] ^= 1
    contents["files/ledger.sqlite"] = bytes(data)


def escaping(contents: dict[str, bytes]) -> None:
    manifest = json.loads(contents[MANIFEST])
    manifest["files"][0]["name"] = "../outside"
    contents[MANIFEST] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    "change",
    [
        swapped,
        escaping,
        lambda contents: contents.pop("files/books.sqlite"),
        lambda contents: contents.update({"files/more": b"x"}),
        lambda contents: contents.pop(MANIFEST),
        lambda contents: contents.update({MANIFEST: b"[]"}),
        lambda contents: contents.update({MANIFEST: b"{"}),
    ],
)
def test_a_changed_backup_is_refused_and_leaves_nothing(folder: Path, tmp_path: Path, change: Any) -> None:
    file, again = tmp_path / "b.tenge", tmp_path / "again"
    make_backup(folder, file, START)
    repacked(file, change)
    with pytest.raises(TengeError) as caught:
        restore(file, again)
    assert caught.value.code == "E_BACKUP_DAMAGED"
    assert not again.exists()
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.parametrize("kept", [0, 10, 1_000, -1, -30])
def test_a_short_backup_is_refused(folder: Path, tmp_path: Path, kept: int) -> None:
    file = tmp_path / "b.tenge"
    make_backup(folder, file, START)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(TengeError, match="E_BACKUP_DAMAGED"):
        restore(file, tmp_path / "again")


def test_a_backup_of_a_forged_ledger_is_refused_by_its_audit(folder: Path, tmp_path: Path) -> None:
    import sqlite3

    database = sqlite3.connect(folder / "ledger.sqlite")
    database.execute("UPDATE state SET value = x'00' WHERE key = (SELECT max(key) FROM state)")
    database.commit()
    database.close()
    make_backup(folder, tmp_path / "b.tenge", START)
    with pytest.raises(TengeError, match="E_BACKUP_DAMAGED"):
        restore(tmp_path / "b.tenge", tmp_path / "again")


def test_nothing_is_written_over(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.tenge"
    make_backup(folder, file, START)
    for call, code in (
        (lambda: make_backup(folder, file, START), "E_BACKUP_EXISTS"),
        (lambda: make_backup(tmp_path / "nowhere", tmp_path / "c", START), "E_BACKUP_FOLDER"),
        (lambda: make_backup(folder, tmp_path / "no" / "folder" / "c\0", START), "E_BACKUP_FILE"),
        (lambda: restore(file, folder), "E_RESTORE_FOLDER"),
        (lambda: restore(tmp_path / "nothing", tmp_path / "again"), "E_BACKUP_DAMAGED"),
        (lambda: restore(file, file / "in" / "a" / "file"), "E_RESTORE_FOLDER_WRITE"),
    ):
        with pytest.raises(TengeError) as caught:
            call()
        assert caught.value.code == code


def test_every_head_of_a_ledger_can_be_gone_back_to(folder: Path, tmp_path: Path) -> None:
    source = SqliteStore(folder / "ledger.sqlite", read_only=True)
    heads = list(source.heads())
    for size, envelope in heads:
        path = tmp_path / f"then-{size}.sqlite"
        target = SqliteStore(path)
        head = cut_back(source, until_entries(size), target)
        assert (head.record.size, head.encode()) == (size, envelope)
        assert (
            cut_back(source, until_time(head.record.time), SqliteStore(tmp_path / f"t{size}")).record.size
            >= size
        )
        target.close()
        assert ok(path) == size
    with pytest.raises(TengeError, match="E_RESTORE_UNTIL"):
        cut_back(source, until_entries(0), SqliteStore(tmp_path / "none"))
    source.close()


def test_the_commands_back_up_and_restore(folder: Path, tmp_path: Path) -> None:
    def tenge_(*arguments: object) -> Any:
        return CliRunner().invoke(main, [str(one) for one in arguments])

    file, again, then = tmp_path / "b.tenge", tmp_path / "again", tmp_path / "then"
    made = tenge_("backup", folder, "--to", file, "--json")
    assert made.exit_code == 0, made.output
    entries = json.loads(made.stdout)["ledgers"]["ledger.sqlite"]
    assert tenge_("restore", file, "--to", again).exit_code == 0
    assert tenge_("audit", again).exit_code == 0
    cut = tenge_("restore", file, "--to", then, "--until", entries - 1, "--json")
    assert cut.exit_code == 0, cut.output
    found = json.loads(cut.stdout)
    assert found["entries"] < entries
    assert {path.name for path in then.iterdir()} == {"ledger.sqlite", "restored.json"}
    assert tenge_("audit", f"sqlite:///{then / 'ledger.sqlite'}").exit_code == 0
    assert found["ledger"] == "ledger.sqlite"
    shutil.rmtree(then)
    assert tenge_("restore", file, "--to", then, "--until", "yesterday").exit_code == 2
    assert tenge_("restore", file, "--to", then, "--until", "2001-01-01").exit_code == 2
    assert not then.exists()


def test_the_stage_for_lessons_is_not_what_is_gone_back_to(folder: Path, tmp_path: Path) -> None:
    def cut(data: Path, number: int) -> Any:
        file = tmp_path / f"{number}.tenge"
        make_backup(data, file, START)
        to = tmp_path / f"then{number}"
        return CliRunner().invoke(main, ["restore", str(file), "--to", str(to), "--until", "5", "--json"])

    data = tmp_path / "data"
    for place in ("act-0001", "act-0002", "stage/act-0003"):
        shutil.copytree(folder, data / place)
    made = cut(data, 1)
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["ledger"] == "act-0002/ledger.sqlite"
    for place in ("act-0001", "act-0002"):
        shutil.rmtree(data / place)
    refused = cut(data, 2)
    assert (refused.exit_code, json.loads(refused.stdout)["code"]) == (2, "E_RESTORE_FOLDER")


def test_calls_that_were_taken_after_a_backup_are_not_taken_again(folder: Path, tmp_path: Path) -> None:
    file, older, again = tmp_path / "b.tenge", tmp_path / "older.tenge", tmp_path / "again"
    FileNonces(folder / CALLS_FILE, START).close()
    make_backup(folder, file, START)
    shutil.copy(folder / CALLS_FILE, folder / "calls-then")
    make_backup(folder, older, START)
    # As a backup of an earlier form, which holds the file.
    with zipfile.ZipFile(older) as packed:
        contents = {name.replace("calls-then", CALLS_FILE): packed.read(name) for name in packed.namelist()}
    contents[MANIFEST] = contents[MANIFEST].replace(b"calls-then", CALLS_FILE.encode())
    with zipfile.ZipFile(older, "w") as packed:
        for name, data in contents.items():
            packed.writestr(name, data)
    for one in (file, older):
        held = restore(one, again)
        files = [path for path in again.rglob("*") if path.is_file()]
        assert (held.files, held.size_bytes) == (len(files), sum(path.stat().st_size for path in files))
        assert CALLS_FILE not in {path.name for path in files}
        nonces = FileNonces(again / CALLS_FILE, START + 30)
        assert nonces.since == START + 30
        nonces.close()
        shutil.rmtree(again)
