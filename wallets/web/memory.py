"""What the stage itself must not forget: switches, log, history, answers; in memory, or as one file in a folder.

Money is never here: balances come from the ledger and the devices each time. The file is written whole after every
wish, so a stage that is killed comes back as it was, at worst without the last line of its log; the wish behind that
line was kept by the sandbox under its request id, and asking again completes it.

A folder belongs to one running stage. The guard is a lock of the database engine, which the operating system lets go
when the process ends, however it ends.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from cbdc.errors import Malformed, Refused, Unavailable
from cbdc.ports import Clock
from cbdc.private import make_file, make_folder
from wallets.pilot.folder import canonical_json, write_atomic

FORMAT = 1
STATE_FILE = "stage.json"
LOCK_FILE = "stage.lock"

Row = dict[str, Any]


class StageClock:
    """A clock that can be put forward: `shift_seconds` ahead of the one it stands on."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self.shift_seconds = 0

    def now(self) -> int:
        """The stage's present moment in whole seconds."""
        return self._base.now() + self.shift_seconds


@dataclass(slots=True)
class StageMemory:
    """Everything between two wishes that is not money. Phones are named by their ids, a clone by `ID.clone`.

    `act` counts the fresh starts; `version` rises with every change that a page should show; `events` is the log;
    `lines` the history and `checks` the last checks of each phone; `unsynced` the phones with offline payments to
    hand in, `handed_in` whether anybody ever did; `answers` what was answered to each request id, and `doing` the
    wish under way; `verified` the proofs that were checked, by file; `story` how many steps of the story are told, or
    None; `proven` the double spends already told of; `borne` who had paid what of the loss, and
    `wallets` what each wallet held (tiyn), when last told.
    """

    act: int = 1
    version: int = 1
    shift_seconds: int = 0
    airplane: list[str] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    lines: dict[str, list[Row]] = field(default_factory=dict)
    checks: dict[str, Row] = field(default_factory=dict)
    unsynced: list[str] = field(default_factory=list)
    handed_in: bool = False
    answers: dict[str, Row] = field(default_factory=dict)
    doing: Row | None = None
    verified: dict[str, Row] = field(default_factory=dict)
    story: int | None = None
    proven: int = 0
    borne: dict[str, int] = field(default_factory=dict)
    wallets: dict[str, int] = field(default_factory=dict)


_KINDS: dict[str, tuple[type, ...]] = {
    "act": (int,),
    "version": (int,),
    "shift_seconds": (int,),
    "airplane": (list,),
    "events": (list,),
    "lines": (dict,),
    "checks": (dict,),
    "unsynced": (list,),
    "handed_in": (bool,),
    "answers": (dict,),
    "doing": (dict, type(None)),
    "verified": (dict,),
    "story": (int, type(None)),
    "proven": (int,),
    "borne": (dict,),
    "wallets": (dict,),
}


class Keep(Protocol):
    """Where the stage's memory is kept."""

    folder: Path | None

    def load(self) -> StageMemory:
        """What was kept last; a new memory when there is nothing; E_STAGE_DAMAGED."""
        ...

    def save(self, memory: StageMemory) -> None:
        """Keep this; E_STAGE_FOLDER."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class NoKeep:
    """Memory only: gone with the process."""

    folder: Path | None = None

    def load(self) -> StageMemory:
        """A new memory."""
        return StageMemory()

    def save(self, memory: StageMemory) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class FolderKeep:
    """One file in a folder, and a guard that no second stage runs there."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if need be and take it; E_STAGE_FOLDER, E_STAGE_IN_USE."""
        self.folder: Path | None = folder
        self._file = folder / STATE_FILE
        try:
            make_folder(folder)
            make_file(folder / LOCK_FILE)
            self._guard = sqlite3.connect(
                folder / LOCK_FILE, isolation_level=None, timeout=0, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise _no_folder(folder, error) from None
        try:
            self._guard.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            self._guard.close()
            if "locked" in str(error):
                raise Refused("E_STAGE_IN_USE", folder=folder.name) from None
            raise _no_folder(folder, error) from None

    def load(self) -> StageMemory:
        """What the file says; a new memory without one; E_STAGE_DAMAGED."""
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return StageMemory()
        except (OSError, ValueError):
            raise Malformed("E_STAGE_DAMAGED", file=STATE_FILE) from None
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT or data.keys() != _KINDS.keys():
            raise Malformed("E_STAGE_DAMAGED", file=STATE_FILE)
        if not all(type(data[name]) in kinds for name, kinds in _KINDS.items()):
            raise Malformed("E_STAGE_DAMAGED", file=STATE_FILE)
        return StageMemory(**data)

    def save(self, memory: StageMemory) -> None:
        """Write the file whole or not at all."""
        assert {one.name for one in fields(memory)} == _KINDS.keys()
        try:
            write_atomic(self._file, canonical_json({"format": FORMAT, **asdict(memory)}).encode())
        except OSError as error:
            assert self.folder is not None
            raise _no_folder(self.folder, error) from None

    def close(self) -> None:
        """Let the folder go."""
        self._guard.close()


def _no_folder(folder: Path, error: Exception) -> Unavailable:
    problem = (error.strerror if isinstance(error, OSError) else str(error)) or "it cannot be written"
    return Unavailable("E_STAGE_FOLDER", folder=folder.name, problem=problem)
