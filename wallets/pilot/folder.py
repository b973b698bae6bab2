"""A run's folder: what was asked, how far it came, and a manifest of every file.

    run.json        the script's hash, the seed, the settings, the store: enough to go on after a kill
    script.toml     the script as it was read
    run.sqlite      finished steps, one row each, written when the step is done; refused tries of the one under way
    ledger.sqlite, books.sqlite, wallets.sqlite, offline/...     the institutions' and wallets' own stores
    report.json, report.html, evidence/*                          written at the end
    manifest.json   the SHA-256 of every file that no longer changes
    run.lock        held while a process plays in the folder, so that no second one does; a kill lets it go

A step is finished when its row is written. On resume the finished steps are read, not played; the one that was under
way is played again, and everything it touches answers a repetition the same way.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cbdc.errors import Malformed, Refused, Unavailable
from cbdc.ports import Checkpoint
from cbdc.private import make_file, make_folder, opener

FORMAT = 1
MANIFEST = "manifest.json"
LOCK = "run.lock"


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and a fixed layout: the same value gives the same bytes on every machine."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1) + "\n"


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a temporary file, flushed to the disk, then renamed.

    It, and its folder when that is missing, is made for its owner only. Raises E_STORE_UNAVAILABLE when the disk does
    not take it.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        make_folder(path.parent)
        with open(temporary, "wb", opener=opener) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        detail = f"{path.name}: {error.strerror or 'it cannot be written'}"
        raise Unavailable("E_STORE_UNAVAILABLE", detail=detail) from None


_SCHEMA = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "CREATE TABLE IF NOT EXISTS step (number INTEGER PRIMARY KEY, event TEXT NOT NULL)",
    (
        "CREATE TABLE IF NOT EXISTS refused (step INTEGER, place INTEGER, result BLOB NOT NULL,"
        " PRIMARY KEY (step, place)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS served (step INTEGER, holder TEXT, amount_tiyn INTEGER NOT NULL,"
        " PRIMARY KEY (step, holder)) WITHOUT ROWID"
    ),
)


class RunFolder:
    """One run on the disk."""

    def __init__(self, path: Path, checkpoint: Checkpoint) -> None:
        """Raises E_RUN_BUSY while another process plays here, E_STORE_UNAVAILABLE when run.sqlite is no database."""
        self.path = path
        self._lock = _lock(path)
        self._checkpoint = checkpoint
        try:
            make_file(path / "run.sqlite")
            self._database = sqlite3.connect(path / "run.sqlite", isolation_level=None)
        except (sqlite3.Error, Unavailable) as error:
            self._lock.close()
            if isinstance(error, Unavailable):
                raise
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        try:
            for statement in _SCHEMA:
                self._rows(statement)
        except Unavailable:
            self.close()
            raise

    @property
    def checkpoint(self) -> Checkpoint:
        """The run's checkpoint, for stores that an extension opens in this folder."""
        return self._checkpoint

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=f"run.sqlite: {error}") from None

    @classmethod
    def create(cls, path: Path, run: Mapping[str, Any], script: bytes, checkpoint: Checkpoint) -> "RunFolder":
        """A new run; E_RUN_EXISTS when the folder is not empty, E_STORE_UNAVAILABLE when it cannot be made."""
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise Refused("E_RUN_EXISTS", folder=path.name)
        except OSError as error:
            raise Unavailable(
                "E_STORE_UNAVAILABLE", detail=error.strerror or "the folder cannot be read"
            ) from None
        write_atomic(path / "script.toml", script)
        write_atomic(path / "run.json", canonical_json({"format": FORMAT, **run}).encode())
        folder = cls(path, checkpoint)
        folder.write_manifest(complete=False)
        return folder

    @classmethod
    def open(cls, path: Path, checkpoint: Checkpoint) -> "RunFolder":
        """An existing run, whose `run.json` and `script.toml` somebody has read with `read_run`."""
        return cls(path, checkpoint)

    def finished(self) -> list[dict[str, Any]]:
        """The events of the finished steps, in order; E_RUN_DAMAGED when one is missing or no event."""
        rows = self._rows("SELECT number, event FROM step ORDER BY number")
        try:
            events = [(number, json.loads(event)) for number, event in rows]
        except (TypeError, ValueError, RecursionError):
            events = [(-1, None)]
        # The first row is the setting up; each later one holds the step before its own number.
        if any(
            number != place or not isinstance(event, dict) or event.get("step") != place - 1
            for place, (number, event) in enumerate(events)
        ):
            raise Malformed("E_RUN_DAMAGED", folder=self.path.name, file="run.sqlite")
        return [event for _, event in events]

    def finish_step(self, number: int, event: Mapping[str, Any]) -> None:
        """Write that a step is done."""
        self._checkpoint("runner.step.before")
        text = json.dumps(event, sort_keys=True, ensure_ascii=False)
        self._rows("INSERT INTO step VALUES (?, ?)", (number, text))
        self._checkpoint("runner.step.after")

    def refuse(self, step: int, place: int, result: bytes) -> None:
        """How one try of a step was refused: what came later in the step must not change it when it is played again."""
        self._rows("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", (step, place, result))

    def refusals(self, step: int) -> dict[int, bytes]:
        """The refused tries of a step by their place in it."""
        return dict(self._rows("SELECT place, result FROM refused WHERE step = ?", (step,)))

    def serve(self, step: int, holder: str, amount_tiyn: int) -> None:
        """What the stand-in register saw in a step: marked money a holder earned; the same step again counts once."""
        self._rows("INSERT OR REPLACE INTO served VALUES (?, ?, ?)", (step, holder, amount_tiyn))

    def served_tiyn(self, holder: str) -> int:
        """What the stand-in register has seen of a holder."""
        return sum(row[0] for row in self._rows("SELECT amount_tiyn FROM served WHERE holder = ?", (holder,)))

    def close(self) -> None:
        """Release the files."""
        self._database.close()
        self._lock.close()

    def write_manifest(self, complete: bool) -> None:
        """List the SHA-256 of the files that no longer change: all of them once the run is complete."""
        files = {
            name: file_hash(self.path / name) for name in list_files(self.path) if complete or is_fixed(name)
        }
        manifest = {"format": FORMAT, "complete": complete, "files": files}
        write_atomic(self.path / MANIFEST, canonical_json(manifest).encode())


def _lock(path: Path) -> sqlite3.Connection:
    """The folder's lock, held until it is closed or its process ends: an exclusive transaction on a file of its own.

    SQLite's locks are those of the system, so they work alike everywhere and need no tidying after a kill.
    """
    try:
        make_file(path / LOCK)
        lock = sqlite3.connect(path / LOCK, isolation_level=None, timeout=0)
    except sqlite3.Error as error:
        raise Unavailable("E_STORE_UNAVAILABLE", detail=f"{LOCK}: {error}") from None
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if "locked" in str(error):
            raise Refused("E_RUN_BUSY", folder=path.name) from None
        raise Unavailable("E_STORE_UNAVAILABLE", detail=f"{LOCK}: {error}") from None
    except sqlite3.Error as error:
        lock.close()
        raise Unavailable("E_STORE_UNAVAILABLE", detail=f"{LOCK}: {error}") from None
    return lock


def read_run(path: Path) -> tuple[dict[str, Any], bytes]:
    """What `run.json` and `script.toml` of a run say; E_RUN_UNKNOWN or E_RUN_DAMAGED."""
    try:
        run = json.loads((path / "run.json").read_text(encoding="utf-8"))
        script = (path / "script.toml").read_bytes()
    except FileNotFoundError:
        raise Refused("E_RUN_UNKNOWN", folder=path.name) from None
    except (OSError, ValueError, RecursionError):
        raise Malformed("E_RUN_DAMAGED", folder=path.name, file="run.json") from None
    if not _is_run(run):
        raise Malformed("E_RUN_DAMAGED", folder=path.name, file="run.json")
    if run["script_sha256"] != hashlib.sha256(script).hexdigest():
        raise Malformed("E_RUN_DAMAGED", folder=path.name, file="script.toml")
    return run, script


def _is_run(run: object) -> bool:
    """Whether this is what `run.json` of a run holds."""
    if not isinstance(run, dict) or run.get("format") != FORMAT or type(run.get("seed")) is not int:
        return False
    settings, off = run.get("settings"), run.get("off")
    if not isinstance(off, list) or not all(isinstance(path, str) for path in off):
        return False
    texts = [run.get(key) for key in ("pilot", "file", "script_sha256", "store")]
    return isinstance(settings, dict) and all(isinstance(text, str) for text in (*texts, *settings.values()))


def has_begun(path: Path) -> bool:
    """Whether a run wrote more than its question: the wallets' store (made after the ledger's first entry) or a step.

    A `run.sqlite` that is missing or cannot be read counts as begun: every run makes it before it makes a ledger.
    """
    if (path / "wallets.sqlite").exists():
        return True
    try:
        database = sqlite3.connect(f"{(path / 'run.sqlite').absolute().as_uri()}?mode=ro", uri=True)
        try:
            return database.execute("SELECT 1 FROM step LIMIT 1").fetchone() is not None
        finally:
            database.close()
    except sqlite3.Error:
        return True


def is_fixed(name: str) -> bool:
    """Whether a file of this name is written once and never changed while a run goes on."""
    return name in ("run.json", "script.toml")


def list_files(path: Path) -> list[str]:
    """Every file of a run by its name inside the folder, sorted; without the manifest and SQLite's side files."""
    names = (item.relative_to(path).as_posix() for item in path.rglob("*") if item.is_file())
    beside = (MANIFEST, LOCK, f"{LOCK}-journal")
    return sorted(
        name for name in names if name not in beside and not name.endswith(("-wal", "-shm", ".new"))
    )


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
