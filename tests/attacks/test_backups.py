"""Attacks on backups and restores, and an operator's slips: archives that lie, links, full disks, stores that live."""

import hashlib
import json
import os
import resource
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import TengeError
from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import Store
from cbdc.operations import journal_backup, rotation, whole_file
from cbdc.operations.alone import alone
from cbdc.operations.backup import make_backup, restore
from cbdc.operations.journal_backup import back_up_journal, restore_journal, restore_journal_to
from cbdc.operations.whole_file import MANIFEST
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.system import open_system
from tests.attacks.test_roles import registered
from tests.cbdc.institutions import START, key
from tests.conftest import ROOT
from tests.servers.postgres import missing, need, the_postgres
from tests.wallets.test_cli import refused, tenge
from wallets.roles.keys import institution_keys, open_ledger


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small system's folder."""
    made = open_system(tmp_path / "site", key, ManualClock(START), SeededEntropy(3))
    made.fund_loss_reserve(bytes(32), 100)
    made.close()
    return tmp_path / "site"


def code_of(act: Callable[[], object]) -> str:
    """The code that an act is refused with."""
    with pytest.raises(TengeError) as told:
        act()
    return told.value.code


def names(place: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in place.iterdir())


# --- making one ---


def test_a_backup_does_not_lie_in_what_it_is_of(folder: Path) -> None:
    before = names(folder)
    for file in (folder / "b.tenge", folder / ".." / "site" / "b.tenge"):
        assert code_of(lambda file=file: make_backup(folder, file, START)) == "E_BACKUP_FOLDER"
    assert names(folder) == before


def test_a_linked_file_is_not_left_out_silently(folder: Path, tmp_path: Path) -> None:
    (folder / "ledger.sqlite").rename(tmp_path / "elsewhere.sqlite")
    (folder / "ledger.sqlite").symlink_to(tmp_path / "elsewhere.sqlite")
    assert code_of(lambda: make_backup(folder, tmp_path / "b.tenge", START)) == "E_BACKUP_FOLDER"
    assert not (tmp_path / "b.tenge").exists()


def test_what_a_killed_backup_left_poisons_no_later_one(folder: Path, tmp_path: Path) -> None:
    left = folder / "old.tenge.x1.part"
    left.mkdir()
    (left / "ledger.sqlite").write_bytes((folder / "ledger.sqlite").read_bytes()[:5_000])
    make_backup(folder, tmp_path / "b.tenge", START)
    restore(tmp_path / "b.tenge", tmp_path / "again")
    assert names(tmp_path / "again") == [one for one in names(folder) if one != left.name]


def test_two_backups_at_once_write_over_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, store = tmp_path / "b.tenge", open_store(f"sqlite:///{folder / 'ledger.sqlite'}", read_only=True)
    real = whole_file.pack

    def slow(*given: Any) -> None:
        real(*given)
        file.write_bytes(b"another one's")

    monkeypatch.setattr(journal_backup, "pack", slow)
    monkeypatch.setattr("cbdc.operations.backup.pack", slow)
    with closing(store):
        assert code_of(lambda: back_up_journal(store, file, START)) == "E_BACKUP_EXISTS"
    file.unlink()
    assert code_of(lambda: make_backup(folder, file, START)) == "E_BACKUP_EXISTS"
    assert file.read_bytes() == b"another one's"
    assert names(tmp_path) == ["b.tenge", "site"]


def test_a_link_that_leads_nowhere_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "b.tenge").symlink_to(tmp_path / "nowhere")
    assert code_of(lambda: make_backup(folder, tmp_path / "b.tenge", START)) == "E_BACKUP_EXISTS"
    assert (tmp_path / "b.tenge").is_symlink()
    assert not (tmp_path / "nowhere").exists()


# --- archives that lie ---


def lying(folder: Path, file: Path, change: Callable[[dict[str, bytes], dict[str, Any]], object]) -> Path:
    """A backup whose contents and manifest were changed, every hash made right again."""
    make_backup(folder, file, START)
    with zipfile.ZipFile(file) as packed:
        held = {name: packed.read(name) for name in packed.namelist()}
    manifest = json.loads(held.pop(MANIFEST))
    change(held, manifest)
    for row in manifest["files"]:
        data = held.get(f"files/{row['name']}", b"")
        row.update({"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": row.get("says", len(data))})
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(MANIFEST, json.dumps(manifest))
        for name, data in held.items():
            packed.writestr(name, data)
    return file


def adding(
    name: str, data: bytes = b"x", **said: Any
) -> Callable[[dict[str, bytes], dict[str, Any]], object]:
    """One more file."""

    def change(held: dict[str, bytes], manifest: dict[str, Any]) -> None:
        held[f"files/{name}"] = data
        manifest["files"].append({"name": name, **said})

    return change


def with_ledger(edit: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes], dict[str, Any]], object]:
    """Another ledger's file, with its right hash."""

    def change(held: dict[str, bytes], manifest: dict[str, Any]) -> None:
        held["files/ledger.sqlite"] = edit(held["files/ledger.sqlite"])

    return change


LIES = {
    "up": adding("../out"),
    "up inside": adding("a/../../out"),
    "root": adding("/tmp/tenge-out"),
    "drive": adding("c:out"),
    "backslash": adding("..\\out"),
    "a dot": adding("./register.sqlite"),
    "nothing": adding(""),
    "a log beside the ledger": adding("ledger.sqlite-wal"),
    "a journal beside the ledger": adding("ledger.sqlite-journal"),
    "its own manifest": adding("manifest.json"),
    "a file as a folder": adding("ledger.sqlite/x"),
    "less than it says": adding("a", says=9),
    "negative": adding("a", says=-1),
    "a name too long": adding("n" * 5_000),
    "twice": lambda held, manifest: manifest["files"].append(dict(manifest["files"][0])),
    "an empty ledger": with_ledger(lambda data: b""),
    "no database": with_ledger(lambda data: b"SQLite format 3\0" + bytes(4_000)),
    "text": with_ledger(lambda data: b"ledger"),
    "half a ledger": with_ledger(lambda data: data[: len(data) // 2]),
    "a page of nothing": with_ledger(lambda data: data[:8_192] + bytes(4_096) + data[12_288:]),
    "no header": with_ledger(lambda data: bytes(100) + data[100:]),
    "newer": with_ledger(lambda data: data[:60] + b"\0\0\0\x63" + data[64:]),
}


@pytest.mark.parametrize("name", LIES)
def test_an_archive_that_lies_is_refused_and_nothing_is_left(name: str, folder: Path, tmp_path: Path) -> None:
    file = lying(folder, tmp_path / "b.tenge", LIES[name])
    code = "E_STORE_VERSION" if name == "newer" else "E_BACKUP_DAMAGED"
    assert code_of(lambda: restore(file, tmp_path / "again")) == code
    assert names(tmp_path) == ["b.tenge", "site"]
    assert not Path("/tmp/tenge-out").exists()


def test_what_unpacks_to_more_than_the_disk_has_is_refused_before_it_is_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = lying(folder, tmp_path / "huge.tenge", adding("a", bytes(3_000_000)))
    assert huge.stat().st_size < 100_000
    with closing(open_store(f"sqlite:///{folder / 'ledger.sqlite'}", read_only=True)) as store:
        back_up_journal(store, tmp_path / "j.tenge", START)
    usage = type("Usage", (), {"free": 1_000})
    monkeypatch.setattr(whole_file.shutil, "disk_usage", lambda place: usage)
    assert code_of(lambda: restore(huge, tmp_path / "again")) == "E_RESTORE_FOLDER_WRITE"
    assert code_of(lambda: restore_journal(tmp_path / "j.tenge", MemoryStore())) == "E_RESTORE_FOLDER_WRITE"
    assert names(tmp_path) == ["huge.tenge", "j.tenge", "site"]


def test_a_full_disk_is_no_damaged_backup(folder: Path, tmp_path: Path) -> None:
    make_backup(folder, tmp_path / "b.tenge", START)
    # It keeps no code that it compiles: Python would leave what it could not write whole, and find it damaged later.
    command = [
        "-B",
        "-m",
        "wallets.cli",
        "restore",
        str(tmp_path / "b.tenge"),
        "--to",
        str(tmp_path / "again"),
    ]

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, preexec_fn=small, check=False
    )
    assert done.returncode == 2
    assert "E_RESTORE_FOLDER_WRITE" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(tmp_path) == ["b.tenge", "site"]


# --- a store that lives ---


def a_ledger(url: str, folder: Path, seed: int) -> tuple[Store, Any]:
    """A writer's ledger in a store that stays open."""
    store = open_store(url)
    return store, open_ledger(store, institution_keys(folder, SeededEntropy(seed)), ManualClock(START))


@pytest.mark.parametrize("engine", ["sqlite", "journal", "postgresql"])
def test_a_refused_restore_disturbs_no_server(engine: str, tmp_path: Path) -> None:
    if engine == "postgresql":
        if missing():
            need(missing())
        url = the_postgres().url(f"attacked_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}")
    else:
        url = f"{engine}:///{tmp_path / engine}"
    store, ledger = a_ledger(url, tmp_path / "w", 1)
    other, _ = a_ledger(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "w2", 2)
    back_up_journal(other, tmp_path / "other.tenge", START)
    back_up_journal(store, tmp_path / "own.tenge", START)
    other.close()
    refused(tenge("restore", tmp_path / "other.tenge", "--to", url), "E_RESTORE_STORE")
    refused(tenge("restore", tmp_path / "own.tenge", "--to", url, "--until", "2"), "E_RESTORE_STORE")
    (tmp_path / "junk").write_bytes(b"PK junk")
    refused(tenge("restore", tmp_path / "nothing", "--to", url), "E_BACKUP_DAMAGED")
    # What is there already, whole: it is proved, and nothing is opened for writing.
    assert tenge("restore", tmp_path / "own.tenge", "--to", url).exit_code == 0
    with closing(store):
        registered(ledger, tmp_path / "w", "still here")
        assert audit(store).ok


def test_a_bad_backup_makes_no_store(tmp_path: Path) -> None:
    (tmp_path / "b.tenge").write_bytes(b"none")

    def opened(read_only: bool) -> Store:
        return open_store(f"sqlite:///{tmp_path / 'new.sqlite'}", read_only=read_only)

    assert code_of(lambda: restore_journal_to(tmp_path / "b.tenge", opened)) == "E_BACKUP_DAMAGED"
    assert names(tmp_path) == ["b.tenge"]


# --- keys that follow ---


def test_a_number_that_two_write_at_once_never_falls(tmp_path: Path) -> None:
    store, _ = a_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", tmp_path, 1)
    done: list[int] = []
    refusals: list[str] = []
    start = threading.Barrier(6)

    def turn(to: int) -> None:
        start.wait()
        for _ in range(4):
            try:
                done.append(rotation.rotate(tmp_path, store, to).number)
            except TengeError as refusal:
                refusals.append(refusal.code)

    threads = [threading.Thread(target=turn, args=(to,)) for to in (2, 3, 4, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(store):
        assert rotation.ledger_number(tmp_path) == max(done)
        assert rotation.rotate(tmp_path, store, 4).number == 4
    assert set(refusals) <= {"E_ROTATION_BACK", "E_STORE_UNAVAILABLE"}


def test_who_rotates_while_another_one_does_is_told(tmp_path: Path) -> None:
    store, _ = a_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", tmp_path, 1)
    with closing(store), alone(tmp_path, rotation.LOCK, "x"):
        assert code_of(lambda: rotation.rotate(tmp_path, store, 2)) == "E_STORE_UNAVAILABLE"
        assert rotation.rotate(tmp_path, store, 1).number == 1
        assert not os.path.lexists(tmp_path / rotation.FILE)
