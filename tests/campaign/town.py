"""A town of people with real devices, whose power may fail at any named point, and an auditor who reads every tape.

Elements are the real ones, with Ed25519 keys and a journal in memory that also keeps a **tape**: every record as it was
written, also those that a compaction has replaced. Hosts keep their rows in memory. `Fuse` burns at a chosen write
point of one device (element or host) or of settlement.
"""

from collections.abc import Mapping
from typing import Any

from cbdc.keys import ED25519
from cbdc.ports import Checkpoint
from cbdc.record import Signed
from cbdc.token import PERSON
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.gateway import OfflineCentre, OfflineStores
from offline.host_store import Key, MemoryHostStore
from offline.journal import AFTER, BEFORE, TORN, MemoryJournal
from offline.opened import OpenedElement, open_for_attack
from offline.records import TIER_SE, SyncAck
from tests.campaign.auditor import Auditor
from tests.offline.bench import Crash
from tests.offline.desk import Desk


class Fuse:
    """A checkpoint that dies at the `left`-th write point from when it was armed; `burnt` names each such point."""

    def __init__(self) -> None:
        self.left = 0
        self.burnt: dict[str, int] = {}

    def arm(self, number: int) -> None:
        """Burn at the `number`-th point from now (0: not at all)."""
        self.left = number

    def __call__(self, name: str) -> None:
        if self.left:
            self.left -= 1
            if not self.left:
                self.burnt[name] = self.burnt.get(name, 0) + 1
                raise Crash(name)


class TapedJournal(MemoryJournal):
    """A journal in memory that keeps a tape of all it ever wrote, and may lose its power."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__(checkpoint=fuse)
        self.tape: list[bytes] = []
        self._fuse = fuse

    def append(self, record: bytes) -> None:
        """Add one record."""
        self._fuse(BEFORE)
        self._fuse(TORN)
        self._records.append(record)
        self.tape.append(record)
        self._fuse(AFTER)


class FusedStore(MemoryHostStore):
    """A host's rows in memory, which may lose their power before or after a write."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def write(self, device: bytes, changes: Mapping[Key, bytes | None]) -> None:
        """Put and remove rows."""
        self._fuse("host.write.before")
        super().write(device, changes)
        self._fuse("host.write.after")


class Town(Desk):
    """People named by numbers, their devices, settlement, and the auditor. `down` are those whose power failed."""

    def __init__(self, people: int, notes_tiyn: tuple[int, ...]) -> None:
        self.fuses: dict[str, Fuse] = {}
        self.centre_fuse = Fuse()
        self.down: set[str] = set()
        super().__init__()
        self.auditor = Auditor(self.network, self.kid("escrow"))
        self.names = [f"p{number}" for number in range(people)]
        self.kids: dict[str, bytes] = {}
        for name in self.names:
            self.kids[name] = self.join(name).kid
            self.supply(name, *notes_tiyn)

    # --- making ---

    def open_centre(
        self, stores: OfflineStores | None = None, checkpoint: Checkpoint | None = None, **changes: Any
    ) -> OfflineCentre:
        """The desk; its settlement may lose its power."""
        return super().open_centre(stores, checkpoint or self.centre_fuse, **changes)

    def fuse(self, name: str) -> Fuse:
        """The fuse of one device."""
        return self.fuses.setdefault(name, Fuse())

    def bare(self, name: str, attacks_allowed: bool = True) -> SimulatedSecureElement:
        """The element of that name: from the factory, or opened again from its journal."""
        journal = self.journals.setdefault(name, TapedJournal(self.fuse(name)))
        return SimulatedSecureElement(
            journal, self.entropy, name.encode(), ED25519, attacks_allowed=attacks_allowed
        )

    def join(
        self, name: str, category: int = PERSON, tier: int = TIER_SE, bank: int = 1, share: int = 1
    ) -> Device:
        """A person with an enrolled device whose host may lose its power."""
        device = super().join(name, category, tier, bank, share)
        self.hosts[name] = FusedStore(self.fuse(name))
        self.people[name] = Device(device.element, self.hosts[name])
        return self.people[name]

    def supply(self, name: str, *amounts_tiyn: int) -> None:
        """Buy money and take it offline."""
        self.take_offline(name, *amounts_tiyn, receive=False)
        for note in self.centre.notes(self.people[name].kid):
            self.auditor.note(note.encode())
        self.fetch(name)

    # --- failing ---

    def crash(self, name: str) -> None:
        """The power of that device failed: nothing of it is in memory any more."""
        self.fuse(name).arm(0)
        self.down.add(name)

    def restore(self, name: str, now: int) -> Device:
        """The device of that name after a restart; it may fail again on the way."""
        device = self.people[name] = Device(self.bare(name), self.hosts[name])
        device.recover(now)
        self.down.discard(name)
        return device

    def wipe(self, name: str) -> None:
        """The host of that name loses all it kept; the element keeps its purse."""
        self.hosts[name] = FusedStore(self.fuse(name))
        self.people[name] = Device(self.people[name].element, self.hosts[name])

    def reopen_centre(self) -> None:
        """Settlement after its power failed."""
        self.centre_fuse.arm(0)
        self.centre = self.open_centre()

    def opened_copy(self, name: str) -> OpenedElement:
        """A clone of that device, for tests of the auditor."""
        element = self.people[name].element
        assert isinstance(element, SimulatedSecureElement)
        return open_for_attack(element, "a test of the auditor")

    # --- judging ---

    def audit(self) -> int:
        """Read everything that is new and judge it; the tiyn on their way."""
        tapes = {self.kids[name]: self.journals[name].tape for name in self.names}  # type: ignore[attr-defined]
        self.auditor.follow(tapes)
        self.auditor.follow_ledger(self.ledger.entries(self.auditor.entries_read))
        return self.auditor.check()

    def finish(self) -> None:
        """Everybody syncs, all that is left goes home, every note closes; then the last audit."""
        now = self.clock.now()
        for name in sorted(self.down):
            self.restore(name, now)
        for name in self.names:
            if self.people[name].status(now).sync_pending:
                self.sync(name)
        for place, name in enumerate(self.names):
            if place % 2 and self.purse(name):
                self.send_home(name)
            self.sync(name)
        self.audit()
        self.auditor.check_archive(self.stores.evidence.rows(0))
        assert not self.centre.reconciler.guilty()
        last = max(note.record.redeem_by for note in self.all_notes())
        self.clock.move_to(last + self.centre_grace + 1)
        self.centre.tick()
        self.auditor.follow_ledger(self.ledger.entries(self.auditor.entries_read))
        self.auditor.check_closed({self.kids[name]: self.kid(name) for name in self.names})
        self.check()

    def all_notes(self) -> list[Signed[Any]]:
        """Every note of the town."""
        return [note for name in self.names for note in self.centre.notes(self.kids[name])]

    @property
    def centre_grace(self) -> int:
        """How long after its last day a note closes, in seconds."""
        return 15 * 86_400

    def answer(self, name: str, batches: list[Any]) -> Signed[SyncAck]:
        """Hand in all batches of a device; settlement's answer to the last."""
        for batch in batches[:-1]:
            self.centre.submit(batch.encode())
        return self.centre.sync(batches[-1].encode()).sync
