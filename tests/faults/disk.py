"""A virtual disk: what a real one may do to a ledger's files, from a seed. **Simulated**, and harsher than most disks.

What a program wrote is in the cache, where it reads it back. It is safe only once it was synced: `sync` keeps the
bytes of one file, `sync_folder` the names (made, renamed, removed). A power cut leaves of everything else what chance
likes: each unsynced write whole, in part (any sectors of it, or a piece that ends in the middle of one), or not at all,
the later without the earlier; where a file grew, zeros or rubbish; each unsynced name there or not. One assumption is
kind: a byte that is overwritten is then the old one or the new one, never a third.

Faults by order: an error of a call once or for ever, a disk that is full after so many bytes (a write then is done in
part), a failed sync after which nobody knows what was kept and a second sync keeps nothing more of it (as Linux does),
bits that turned while the power was off. `liar` is a disk that says it has synced and has not: no ledger can survive
it, and the auditor of these tests has to see that.
"""

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass, field

SECTOR_BYTES = 512
KINDS = ("read", "write", "truncate", "sync", "create", "rename", "remove", "sync_folder")


class PowerCut(BaseException):
    """The machine stops here. No handler of the program may outlive it, so it is no `Exception`."""


@dataclass(frozen=True, slots=True)
class Change:
    """One unsynced change of a file: bytes at a place, or, with `data` None, a new length `offset`."""

    offset: int
    data: bytes | None

    def apply(self, content: bytearray) -> None:
        """Do it; a gap behind the end is zeros."""
        end = self.offset + len(self.data or b"")
        if len(content) < end:
            content.extend(bytes(end - len(content)))
        if self.data is None:
            del content[self.offset :]
        else:
            content[self.offset : end] = self.data


@dataclass(slots=True, eq=False)
class File:
    """One file: as the program sees it, as the platter has it, and what lies between, oldest first."""

    cache: bytearray = field(default_factory=bytearray)
    platter: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class Fault:
    """From the `at`-th call of `kind` on (counted from 1 since it was planned) raise `number`: once, or for ever."""

    kind: str
    at: int
    number: int = errno.EIO
    forever: bool = False


class Disk:
    """The virtual disk. Paths are texts; a folder is nothing but a part of a name."""

    def __init__(self, chance: random.Random, capacity: int | None = None, liar: bool = False) -> None:
        self.chance = chance
        self.capacity = capacity
        self.liar = liar
        self.names: dict[str, File] = {}
        self.kept_names: dict[str, File] = {}
        self.pending_names: list[dict[str, File | None]] = []
        self.faults: list[Fault] = []
        self.steps = 0
        self.cut_at: int | None = None
        self.off = False
        self.on_step: Callable[[str, str], None] | None = None

    # --- what can happen at each step ---

    def _step(self, kind: str, name: str) -> bool:
        """Count a changing step, raise a planned fault; whether the power fails in the middle of this one."""
        if self.off:
            raise PowerCut
        if self.on_step is not None:
            self.on_step(kind, name)
        if kind != "read":
            self.steps += 1
        for fault in list(self.faults):
            if fault.kind == kind:
                fault.at -= 1
                if fault.at <= 0:
                    if not fault.forever:
                        self.faults.remove(fault)
                    raise OSError(fault.number, f"planned fault of {kind}", name)
        return kind != "read" and self.cut_at is not None and self.steps >= self.cut_at

    def _end_step(self, cut: bool) -> None:
        if cut:
            self.off = True
            raise PowerCut

    def used(self) -> int:
        """How many bytes the files take, as the program sees them."""
        return sum(len(file.cache) for file in self.names.values())

    # --- what programs call ---

    def exists(self, name: str) -> bool:
        """Whether the program sees such a file."""
        return name in self.names

    def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        """The bytes the program wrote; `OSError` for a planned fault or a name that is not there."""
        self._step("read", name)
        content = self._file(name).cache
        return bytes(content[offset:] if size is None else content[offset : offset + size])

    def _file(self, name: str) -> File:
        if name not in self.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return self.names[name]

    def create(self, name: str) -> None:
        """An empty file, if there is none."""
        if name in self.names:
            return
        cut = self._step("create", name)
        self.names[name] = File()
        self.pending_names.append({name: self.names[name]})
        self._end_step(cut)

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Write all of it, or a part of it and raise `OSError` (a full disk, a planned fault)."""
        file = self._file(name)
        try:
            cut = self._step("write", name)
        except OSError:
            self._put(file, offset, data[: self.chance.randrange(len(data) + 1)])
            raise
        growth = max(0, offset + len(data) - len(file.cache))
        if self.capacity is not None and growth and self.used() + growth > self.capacity:
            self._put(file, offset, data[: max(0, len(data) - (self.used() + growth - self.capacity))])
            raise OSError(errno.ENOSPC, "the virtual disk is full", name)
        self._put(file, offset, data)
        self._end_step(cut)

    @staticmethod
    def _put(file: File, offset: int, data: bytes) -> None:
        if data:
            change = Change(offset, bytes(data))
            change.apply(file.cache)
            file.pending.append(change)

    def truncate(self, name: str, size: int) -> None:
        """Give the file this length."""
        file = self._file(name)
        cut = self._step("truncate", name)
        change = Change(size, None)
        if size > len(file.cache):
            change = Change(len(file.cache), bytes(size - len(file.cache)))
        change.apply(file.cache)
        file.pending.append(change)
        self._end_step(cut)

    def sync(self, name: str) -> None:
        """All bytes of the file are safe when this returns."""
        file = self._file(name)
        try:
            cut = self._step("sync", name)
        except OSError:
            # Nobody knows what was kept, and the rest counts as clean: a second sync will not keep it.
            for change in file.pending:
                self._survive(change, file.platter)
            file.pending.clear()
            raise
        self._end_step(cut)
        if not self.liar:
            for change in file.pending:
                change.apply(file.platter)
            file.pending.clear()

    def rename(self, name: str, new: str) -> None:
        """Give the file another name, in place of what stood there, all at once."""
        file = self._file(name)
        cut = self._step("rename", name)
        del self.names[name]
        self.names[new] = file
        self.pending_names.append({name: None, new: file})
        self._end_step(cut)

    def remove(self, name: str) -> None:
        """Take the name away."""
        self._file(name)
        cut = self._step("remove", name)
        del self.names[name]
        self.pending_names.append({name: None})
        self._end_step(cut)

    def sync_folder(self) -> None:
        """All names are safe when this returns."""
        cut = self._step("sync_folder", "")
        self._end_step(cut)
        if not self.liar:
            for change in self.pending_names:
                _rename(self.kept_names, change)
            self.pending_names.clear()

    # --- what happens to it ---

    def _survive(self, change: Change, content: bytearray) -> None:
        """What chance leaves of one unsynced change."""
        fate = self.chance.randrange(6)
        if change.data is None or fate < 2:
            if fate % 2:
                change.apply(content)
            return
        data, start = change.data, change.offset
        if fate == 2:  # a piece from the front, to any byte
            Change(start, data[: self.chance.randrange(len(data) + 1)]).apply(content)
            return
        if fate == 3:  # the length is there, the bytes are not
            Change(start + len(data), b"").apply(content)
            return
        place = start
        while place < start + len(data):
            stop = min(start + len(data), (place // SECTOR_BYTES + 1) * SECTOR_BYTES)
            if self.chance.random() < 0.5:
                piece = data[place - start : stop - start]
                if fate == 4 and place >= len(content) and self.chance.random() < 0.2:
                    piece = self.chance.randbytes(len(piece))
                Change(place, piece).apply(content)
            place = stop

    def cut(self) -> dict[str, bytes]:
        """Cut the power: what is found when it is back, by name."""
        self.off = True
        mood = self.chance.random()
        for file in {*self.names.values(), *self.kept_names.values()}:
            # Often all or nothing of a file is there: the two ends of what chance may do.
            for change in file.pending:
                if mood < 0.15:
                    change.apply(file.platter)
                elif mood > 0.3:
                    self._survive(change, file.platter)
        for names in self.pending_names:
            if mood < 0.15 or (mood > 0.3 and self.chance.random() < 0.5):
                _rename(self.kept_names, names)
        return {name: bytes(file.platter) for name, file in sorted(self.kept_names.items())}

    def flip(self, name: str, bit: int) -> None:
        """One bit turns, at rest: in the cache and on the platter."""
        for content in (self.names[name].cache, self.names[name].platter):
            content[bit // 8] ^= 1 << bit % 8

    def again(self) -> "Disk":
        """Cut the power and switch it on: the disk with what was left."""
        found = self.cut()
        disk = Disk(self.chance, self.capacity, self.liar)
        for name, content in found.items():
            disk.names[name] = disk.kept_names[name] = File(bytearray(content), bytearray(content))
        return disk


def _rename(names: dict[str, File], change: dict[str, File | None]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
