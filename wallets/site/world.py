"""The world behind the site: one sandbox, one clock that can be put forward, one lock, and the news of what changed.

Everything a page, a console or the HTTP interface does goes through here, one thing at a time: the ledger has one
writer. A reset begins a new act with a ledger of its own and deletes nothing. Outages are simulated: the server refuses
what the cut wallets ask, as a network would that is not there.

Rules kept here: whoever changes something calls `changed` before the lock is let go, so that every screen hears of it;
the answer of an operation is kept under its request id, and the same request gets the same answer.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cbdc.aliases import AliasDirectory
from cbdc.cabinet import Row
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.institutions import OverKeys, the_same_keys
from cbdc.joining import JoinDesk
from cbdc.news import concerned
from cbdc.operations.clock_guard import GuardedClock
from cbdc.operations.counted_store import OverStore, as_it_is
from cbdc.policies import preset
from cbdc.ports import Checkpoint, Clock, no_checkpoint
from cbdc.private import make_folder
from cbdc.system import System
from wallets.cast import Member
from wallets.desk import derived
from wallets.pilot.folder import canonical_json
from wallets.site import memory as keep
from wallets.site import opening
from wallets.site.cards import SiteCards
from wallets.site.deciding import joint_acts
from wallets.site.hours import Hours, carry_out, hours_of
from wallets.site.hub import Hub
from wallets.site.jobs import Jobs
from wallets.site.recovery_desks import recoveries
from wallets.site.users import DEMO_USERS, Directory, User
from wallets.web.memory import StageClock

_ANSWERS = "site answers"
_KID = re.compile(r"[0-9a-f]{64}", re.ASCII)


class World:
    """The sandbox that the site shows. Make one with a real clock; `close` it at the end."""

    def __init__(
        self,
        base_clock: Clock,
        seed: int | None = None,
        folder: Path | None = None,
        store: str = "",
        checkpoint: Checkpoint = no_checkpoint,
        over_store: OverStore = as_it_is,
        over_keys: OverKeys = the_same_keys,
        clock_step_seconds: int = 0,
    ) -> None:
        """Open the world in `folder` (in memory without one), new or as it was left.

        `clock_step_seconds` bounds how far the machine's clock may step ahead and still date entries (0: anything).
        Raises E_CLOCK_STEP, E_STAGE_FOLDER, E_STAGE_DAMAGED, and what `Sandbox.open` raises.
        """
        self.lock = threading.RLock()
        self.real_clock = base_clock
        self.clock = StageClock(base_clock)
        self.hub = Hub()
        self.jobs = Jobs(lambda: self.hub.tell((), self._told))
        self._seed = seed
        self._store = store
        self._checkpoint = checkpoint
        self._over_store = over_store
        self._over_keys = over_keys
        self._clock_step_seconds = clock_step_seconds
        self.folder = folder
        if folder is not None:
            make_folder(folder)
        self.memory = keep.load(folder)
        self.before_reset: list[Callable[[], None]] = []
        self.on_reset: list[Callable[[], None]] = []
        self.on_close: list[Callable[[], None]] = []
        self._told = 0
        self._open()

    def _open(self) -> None:
        self.clock.shift_seconds = self.memory.shift_seconds
        act = self.memory.act
        folder = None if self.folder is None else self.folder / f"act-{act:04d}"
        self.sandbox = opening.open_sandbox(
            self.clock,
            self._seed,
            folder,
            self._store,
            self._checkpoint,
            self._over_store,
            self._over_keys,
            self._dating,
        )
        students = tuple(User(**row) for row in self.memory.students)
        self.users = Directory(DEMO_USERS + students, self.sandbox.entropy)
        cabinet, entropy = self.system.stores.cabinet, self.sandbox.entropy
        self.joining = {
            number: JoinDesk(bank, cabinet, entropy, self.clock) for number, bank in self.system.banks.items()
        }
        self.recoveries = recoveries(self.system, entropy, self.clock)
        secret = entropy.bytes("site aliases", b"directory", 32)
        lookups = preset(opening.POLICY).value("alias_lookups")
        self.aliases = AliasDirectory(self.system.ledger, cabinet, secret, self.clock, lookups)
        opening.open_accounts(self.sandbox, self.users.all())
        self.cards = SiteCards(self.system, entropy, self.clock)
        self.neighbours: list[Member] = opening.bring_neighbours(self.sandbox)
        opening.first_morning(self.sandbox, self.neighbours)
        self.street: list[Member] = []
        if opening.has_street(self.sandbox):
            self.street = opening.bring_street(self.sandbox)
        self.know_marks()
        self.sandbox.close_cases()
        self.acts = joint_acts(self.system, self.sandbox.field.centre)
        self.acts.resume()
        self.settle_due()
        self._told = self.system.ledger.size

    def _dating(self, clock: Clock, last: int) -> Clock:
        """The clock that dates the ledger: guarded against steps of the machine's, when a step is given."""
        if not self._clock_step_seconds:
            return clock
        since = last - self.memory.shift_seconds if last else 0
        return GuardedClock(clock, self.real_clock, since, self._clock_step_seconds)

    @property
    def hours(self) -> Hours:
        """The opening hours of the settlement system at this sandbox's desks."""
        return hours_of(self.memory.settings)

    def check_settlement_open(self) -> None:
        """E_SETTLEMENT_CLOSED, with the next opening, while the settlement system rests."""
        calendar = self.hours.calendar()
        if calendar is not None:
            calendar.check_open(self.clock.now())

    def settle_due(self) -> None:
        """Carry out what waited for the opening, if hours are kept and the system is open."""
        calendar = self.hours.calendar()
        if calendar is not None and calendar.is_open(self.clock.now()):
            carry_out(self.system)

    def bring_street(self) -> None:
        """Let the street's residents come, once for an act; they stay until it ends."""
        with self.doing():
            self.street = self.street or opening.bring_street(self.sandbox)

    def know_marks(self) -> None:
        """Make every mark of the treasury known to the sandbox and, as an offline rule, to devices; idempotent."""
        for definition in self.system.treasury.definitions():
            self.sandbox.define_mark(definition.record.label, definition)
        if self.sandbox.definitions:
            self.sandbox.publish_purposes()

    @property
    def system(self) -> System:
        """The institutions."""
        return self.sandbox.system

    def close(self) -> None:
        """Release every file; whoever waits for news is let go."""
        self.hub.close()
        self.jobs.close()
        with self.lock:
            for close in self.on_close:
                close()
            self.sandbox.close()

    # --- one thing at a time ---

    @contextmanager
    def doing(self) -> Iterator[None]:
        """The lock, and the news afterwards."""
        with self.lock:
            try:
                yield
            finally:
                self.changed()

    def changed(self) -> None:
        """Tell whoever waits what the journal has new: the holders of the keys in it, and all consoles."""
        with self.lock:
            size = self.system.ledger.size
            kids: set[bytes] = set()
            for index in range(self._told, size):
                kids |= touched(self.system, index)
            self._told = size
        self.hub.tell(kids, size)

    def tell(self, kids: Iterable[bytes]) -> None:
        """Tell the holders of these keys that something of theirs changed which stands in no journal."""
        self.hub.tell(kids, self._told)

    @property
    def has_news(self) -> bool:
        """Whether the journal has entries that nobody was told of: reading a device's notes may book what is due."""
        with self.lock:
            return self.system.ledger.size != self._told

    def once(self, request: str, mark: str, do: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
        """The answer of `do`, kept under the request id and given again; E_ID_REUSED for another wish under it.

        `mark` tells wishes apart. What `do` refuses is not kept: a refusal is judged again.
        """
        row_id = derived("site request", request)
        with self.doing():
            known = self.system.stores.cabinet.get(_ANSWERS, row_id)
            if known is not None:
                kept = json.loads(known)
                if kept["mark"] != mark:
                    raise Refused("E_ID_REUSED", id=request)
                return dict(kept["answer"])
            self.settle_due()
            answer = do(row_id)
            row = canonical_json({"mark": mark, "answer": answer}).encode()
            self.system.stores.cabinet.put_many([Row(_ANSWERS, row_id, row)])
            return answer

    # --- the operator of the sandbox ---

    def put_forward(self, seconds: int) -> None:
        """Let virtual time pass, and book what falls due."""
        with self.doing():
            self.memory.shift_seconds += seconds
            self.clock.shift_seconds = self.memory.shift_seconds
            self.save()
            self.settle_due()
            self.cards.settle()
            self.sandbox.close_cases()

    def reach(self, moment: int) -> None:
        """Put the clock forward to a moment (virtual seconds), if it is not there yet; nothing is booked."""
        with self.lock:
            ahead = moment - self.clock.now()
            if ahead > 0:
                self.memory.shift_seconds += ahead
                self.clock.shift_seconds = self.memory.shift_seconds
                self.save()

    def reset(self) -> None:
        """Begin a new act from zero; the earlier one stays in its folder. Students of a class go with it."""
        with self.lock:
            before = self.memory
            for listener in self.before_reset:
                listener()
            self.sandbox.close()
            self.memory = keep.SiteMemory(act=before.act + 1)
            self.save()
            self._open()
            for listener in self.on_reset:
                listener()
        self.hub.tell((), 0)

    def set_outage(self, name: str, on: bool) -> None:
        """Cut the network for a wallet (its key id in hexadecimal) or a region, or connect it again."""
        with self.doing():
            names = [one for one in self.memory.outages if one != name]
            self.memory.outages = [*names, name] if on else names
            self.save()

    def require_network(self, names: tuple[str, ...]) -> None:
        """Return if none of these names (a wallet's key id, its region) is cut off; E_SITE_OUTAGE."""
        cut = [name for name in names if name in self.memory.outages]
        if cut:
            raise Unavailable("E_SITE_OUTAGE", who=cut[0][:16])

    def require_wallets_network(self, kid_text: str) -> None:
        """Return if the wallet with this key id (hexadecimal) and its owner's region have network; E_SITE_OUTAGE."""
        if self.memory.outages and _KID.fullmatch(kid_text):
            self.require_network((kid_text, self._region_of(bytes.fromhex(kid_text))))

    def _region_of(self, kid: bytes) -> str:
        for member, resident in zip(self.street, opening.STREET, strict=False):
            if member.wallet.kid == kid:
                return resident.region
        customers = {opening.customer_id(user): user for user in self.users.all() if user.is_customer}
        for bank in self.system.banks.values():
            try:
                owner = customers.get(bank.customers.owner_of(kid).id)
            except TengeError:
                continue
            if owner is not None:
                return owner.region
        return ""

    def add_user(self, user: User) -> None:
        """One more customer (a student); again: the same. Raises E_ID_REUSED."""
        with self.doing():
            self.users.add(user)
            row = {name: getattr(user, name) for name in User.__slots__}
            if row not in self.memory.students:
                self.memory.students.append(row)
                self.save()
            opening.open_accounts(self.sandbox, [user])

    def save(self) -> None:
        """Keep the memory; E_STAGE_FOLDER."""
        keep.save(self.folder, self.memory)


def touched(system: System, index: int) -> set[bytes]:
    """The key ids whose money an entry of the journal moves or judges: those it pays, and those who signed."""
    if index == 0:
        return set()
    return set(concerned(system.ledger.transaction(index)))
