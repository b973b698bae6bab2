"""One machine of the simulation: an engine, the virtual disk under it, and how its power is cut.

`open` starts the engine on what the disk holds; `kill` ends the process and leaves what the operating system has in its
cache; `cut` takes the power away, and then only what chance leaves of the platter is there. To add an engine, add a
class and a row to `MACHINES`.
"""

import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest import mock

from cbdc.errors import TengeError
from cbdc.ledger import journal_log, sqlite
from cbdc.ledger.journal import JournalSettings, JournalStore
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Store
from cbdc.ports import no_checkpoint
from tests.faults import sqlite_vfs
from tests.faults.disk import Disk, File, PowerCut
from tests.faults.journal_disk import VirtualFolder

FILE = "ledger.sqlite"


def on_the_platter(old: Disk, files: dict[str, bytes]) -> Disk:
    """A disk with these files, all safe."""
    disk = Disk(old.chance, liar=old.liar)
    for name, content in files.items():
        disk.names[name] = disk.kept_names[name] = File(bytearray(content), bytearray(content))
    return disk


class SqliteMachine:
    """SQLite's own files on the virtual disk, by `sqlite_vfs`."""

    name = "sqlite"
    missing = "" if sqlite_vfs.library() else "this Python's sqlite3 has no shared library to reach by ctypes"
    # Tiny, so that a short run folds its write-ahead log into the file many times; the product's has tens of thousands.
    checkpoint_pages = 24

    def __init__(self, chance: random.Random, liar: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tenge-faults-"))
        self.disk = Disk(chance, liar=liar)
        self._store: SqliteStore | None = None
        sqlite_vfs.shim().disks[str(self.folder)] = self.disk

    def open(self, checkpoint: Callable[[str], None] = no_checkpoint) -> Store:
        """The store on what the disk holds; raises what the store raises."""
        with sqlite_vfs.shim().on(), mock.patch.object(sqlite, "keep_log", self._keep_log):
            self._store = SqliteStore(self.folder / FILE, checkpoint)
            self._store._database.execute(f"PRAGMA wal_autocheckpoint = {self.checkpoint_pages}")
        return self._store

    def _keep_log(self, path: Path) -> None:
        """What `sqlite.keep_log` does to a real disk, done to this one."""
        if self.disk.exists(path.name) and (content := self.disk.read(path.name)):
            self.disk.write(path.name, 0, content)
            self.disk.sync(path.name)

    def kill(self) -> None:
        """The process dies: its files stay as the operating system has them."""
        # A connection that is closed tidies up; a dead one does not. So the disk is deaf while it closes.
        self.disk.off = True
        self._close()
        self.disk.off = False
        sqlite_vfs.lay_out(self.folder, self.disk)

    def set_files(self, files: dict[str, bytes]) -> None:
        """Lay these files on the disk in place of all others, while no process runs."""
        self.disk = on_the_platter(self.disk, files)
        sqlite_vfs.lay_out(self.folder, self.disk)

    def turn_bit(self, name: str, bit: int) -> None:
        """One bit turns at rest."""
        self.disk.flip(name, bit)
        sqlite_vfs.lay_out(self.folder, self.disk)

    def cut(self) -> None:
        """The power goes, and comes back."""
        self.disk.off = True
        self._close()
        self.disk = self.disk.again()
        sqlite_vfs.lay_out(self.folder, self.disk)

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            with suppress(TengeError, PowerCut):
                store.close()

    def stop(self) -> None:
        """An orderly end."""
        self._close()

    def gone(self) -> None:
        """Throw the machine away."""
        self.disk.off = True
        self._close()
        sqlite_vfs.shim().disks.pop(str(self.folder), None)
        shutil.rmtree(self.folder, ignore_errors=True)


class JournalMachine:
    """The journal engine on the virtual disk, with segments and snapshots so small that a short run makes many."""

    name = "journal"
    missing = ""
    settings = JournalSettings(segment_bytes=6_000, layer_rows=60, own_process=False)

    def __init__(self, chance: random.Random, liar: bool = False) -> None:
        self.disk = Disk(chance, liar=liar)
        self._store: JournalStore | None = None
        # Few zeros ahead, so that the steps of the disk are mostly those that matter; the product's are 4 MiB.
        self._fewer = mock.patch.multiple(journal_log, LEAST_RESERVE_BYTES=3_000, MOST_RESERVE_BYTES=3_000)
        self._fewer.start()

    def open(self, checkpoint: Callable[[str], None] = no_checkpoint) -> Store:
        """The store on what the disk holds; raises what the store raises."""
        folder = VirtualFolder(self.disk)
        self._store = JournalStore(Path("journal"), checkpoint, settings=self.settings, disk=folder)
        return self._store

    def kill(self) -> None:
        """The process dies: its files stay as the operating system has them, its locks are gone."""
        self._store = None

    def set_files(self, files: dict[str, bytes]) -> None:
        """Lay these files on the disk in place of all others, while no process runs."""
        self.disk = on_the_platter(self.disk, files)

    def turn_bit(self, name: str, bit: int) -> None:
        """One bit turns at rest."""
        self.disk.flip(name, bit)

    def cut(self) -> None:
        """The power goes, and comes back."""
        self._store = None
        self.disk = self.disk.again()

    def stop(self) -> None:
        """An orderly end."""
        store, self._store = self._store, None
        if store is not None:
            with suppress(TengeError):
                store.close()

    def gone(self) -> None:
        """Nothing is left of it."""
        self.disk.off = True
        self._fewer.stop()


Machine = SqliteMachine | JournalMachine
MACHINES = {machine.name: machine for machine in (SqliteMachine, JournalMachine)}
