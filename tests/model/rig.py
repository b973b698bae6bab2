"""The real thing behind the model: real devices, elements, hosts, settlement and ledger, driven by the model's steps.

`Rig.play(label)` makes one step of the model happen in the real code; `Rig.state()` is the abstraction: it reads the
elements (from their journals when the power is off), the hosts' rows, settlement's archive and facts and the ledger's
accounts, and says what state of the model that is. A trace is **bound** when after each of its steps the two are equal.

Power cuts are made at the named points of the element's journal and of the host's writes. What nobody can see from
outside (whether a message was ever let out, which invoice is whose) the rig remembers as the one who played the link.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from cbdc import canonical
from cbdc.errors import Refused, TengeError
from cbdc.keys import ED25519
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ports import ManualClock
from cbdc.record import Signed, open_envelope
from offline.archive import ArchiveStore, MemoryArchive
from offline.batch import Batch
from offline.bundle import open_bundle
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.gateway import OfflineStores
from offline.host_rows import INBOX, INCOMING, INVOICE, LINE, PAYMENT, RECEIPT, SUBMITTED, Rows
from offline.host_store import Key, MemoryHostStore
from offline.intake import open_kept
from offline.journal import AFTER, BEFORE, TORN, MemoryJournal
from offline.lines import outpoint_bytes
from offline.records import Invoice, Outpoint, SyncAck, SyncRequest, Transfer
from tests.model.protocol import Model
from tests.model.states import D, Label, P, Scenario, State, Statement
from tests.offline.bench import Crash
from tests.offline.desk import Desk

UNIT_TIYN = 100
LATE_SECONDS = 1_300
CLOSE_SECONDS = 120 * 86_400
PEOPLE = ("a", "b", "c")


class Unbound(AssertionError):
    """The real code is in another state than the model."""


class Fuse:
    """Dies at the next call of one named write point."""

    def __init__(self) -> None:
        self.point = ""

    def __call__(self, name: str) -> None:
        if name == self.point:
            self.point = ""
            raise Crash(name)


class RiggedStore(MemoryHostStore):
    """A host's rows, with named points before and after each write."""

    def __init__(self, fuse: Fuse, rows: Mapping[bytes, Mapping[Key, bytes]] | None = None) -> None:
        super().__init__()
        self._rows = {device: dict(held) for device, held in (rows or {}).items()}
        self.fuse = fuse

    def write(self, device: bytes, changes: Mapping[Key, bytes | None]) -> None:
        """Put and remove rows."""
        self.fuse("host.write.before")
        super().write(device, changes)
        self.fuse("host.write.after")


class Rig(Desk):
    """Three people with the scenario's notes; see the module's text."""

    def __init__(self, scenario: Scenario) -> None:
        self.fuses = {name: Fuse() for name in PEOPLE}
        super().__init__()
        self.model = Model(scenario)
        for name in PEOPLE:
            self.join(name)
        self.coins: dict[Outpoint, str] = {}
        for place, name in enumerate(PEOPLE):
            mine = [(number, value) for number, (owner, value) in enumerate(scenario.notes) if owner == place]
            if mine:
                self.take_offline(name, *[value * UNIT_TIYN for _, value in mine])
                for (number, _), note in zip(mine, self.centre.notes(self.people[name].kid), strict=True):
                    self.coins[Outpoint(note.oid, 0)] = f"n{number}"
        self.kids = {name: self.people[name].kid for name in PEOPLE}
        self.early = self.clock.now()
        self._forget()

    def _forget(self) -> None:
        self.down: set[str] = set()
        self.invoices: dict[int, Signed[Invoice]] = {}
        self.oids: dict[int, bytes] = {}
        self.epochs: dict[int, int] = {}
        self.messages: dict[int, bytes] = {}
        self.logs: dict[str, list[int]] = {name: [] for name in PEOPLE}
        self.answers: dict[str, Signed[SyncAck]] = {}
        self.unfinished: dict[str, Signed[SyncAck]] = {}
        self.wiped = 0
        self.steps = 0

    def bare(self, name: str, attacks_allowed: bool = True) -> SimulatedSecureElement:
        """The element of that name, with a journal whose power may fail."""
        journal = self.journals.setdefault(name, MemoryJournal(checkpoint=self.fuses[name]))
        return SimulatedSecureElement(journal, self.entropy, name.encode(), ED25519)

    def copy(self) -> "Rig":
        """The same world at the same moment, with stores of its own."""
        other = copy.copy(self)
        assert isinstance(self.store, MemoryStore)
        other.store = _copied(self.store)
        other.clock = ManualClock(self.clock.now())
        other.ledger = Ledger(other.store, self.key("ledger"), other.clock)
        other.fuses = {name: Fuse() for name in PEOPLE}
        other.journals = {
            name: MemoryJournal(self.journals[name].replay(), other.fuses[name]) for name in PEOPLE
        }
        other.hosts = {name: RiggedStore(other.fuses[name], self.hosts[name]._rows) for name in PEOPLE}
        stores = self.stores
        other.stores = OfflineStores(
            *(_archive(one) for one in (stores.evidence, stores.devices, stores.lists))
        )
        other.coins = dict(self.coins)
        other._forget()
        other.centre = other.open_centre()
        other.people = {name: Device(other.bare(name), other.hosts[name]) for name in PEOPLE}
        return other

    # --- steps ---

    def play(self, label: Label) -> None:
        """Make one step of the model happen."""
        self.steps += 1
        what = str(label[0])
        step, _, cut = what.partition(", ")
        handler = getattr(self, "_" + step.replace(" ", "_"))
        if len(label) == 1:
            handler()
            return
        number = label[1]
        if not cut.startswith("cut"):
            handler(number, cut)
            return
        name = PEOPLE[self._who(step, number)]
        self.fuses[name].point = {
            "cut before the journal": TORN if self.steps % 2 else BEFORE,
            "cut after the journal": AFTER,
            "cut after the message was kept": "host.write.after",
        }[cut]
        try:
            handler(number, "")
        except Crash:
            self.down.add(name)
            self._notice()
            return
        raise Unbound(f"{label}: the power did not fail")

    def _who(self, step: str, number: int) -> int:
        """Whose power is cut in a step."""
        if step in ("invoice", "deliver"):
            return self.model.pays[number].payee
        return self.model.pays[number].payer if step == "pay" else number

    def _now(self, manner: str) -> int:
        return self.early if manner == "clock put back" else self.clock.now()

    def _invoice(self, number: int, manner: str) -> None:
        pays = self.model.pays[number]
        device, now = self.people[PEOPLE[pays.payee]], self.clock.now()
        if number not in self.epochs:
            self.epochs[number] = int(now > self.early)
        self.invoices[number] = device.invoice(b"p%d" % number, pays.value * UNIT_TIYN, 0, now)
        self.oids[number] = self.invoices[number].oid

    _invoice_again = _invoice

    def _pay(self, number: int, manner: str) -> None:
        pays = self.model.pays[number]
        certificate = self.people[PEOPLE[pays.payee]].certificate
        device = self.people[PEOPLE[pays.payer]]
        self.messages[number] = device.pay(self.invoices[number], certificate, self._now(manner))

    def _resend(self, number: int, manner: str) -> None:
        payer = self.people[PEOPLE[self.model.pays[number].payer]]
        self.messages[number] = payer.resend(self.oids[number])

    def _deliver(self, number: int, manner: str) -> None:
        device = self.people[PEOPLE[self.model.pays[number].payee]]
        try:
            device.receive(self.messages[number], self.invoices[number], self._now(manner))
        except Refused as refusal:
            if refusal.code != "E_INVOICE_UNKNOWN":
                raise

    def _hand_in(self, number: int, manner: str) -> None:
        self.centre.submit(Batch(self.next_id(), (self.messages[number],), (), None).encode())

    def _restart(self, place: int, manner: str) -> None:
        name = PEOPLE[place]
        self.people[name] = Device(self.bare(name), self.hosts[name])
        self.people[name].recover(self.clock.now())
        self.down.discard(name)
        answer = self.unfinished.pop(name, None)
        if answer is not None and self.steps % 2 and not self.model.scenario.alone:
            self.people[name].sync_commit(answer, self.clock.now())

    def _wipe(self, place: int, manner: str) -> None:
        name = PEOPLE[place]
        self.hosts[name] = RiggedStore(self.fuses[name])
        self.people[name] = Device(self.people[name].element, self.hosts[name])
        self.wiped = place + 1

    def _sync_begins(self, place: int, manner: str) -> None:
        self.answers.pop(PEOPLE[place], None)
        self.unfinished.pop(PEOPLE[place], None)
        self.people[PEOPLE[place]].sync(self.next_id(), self.clock.now())

    def _sync_handed_in(self, place: int, manner: str) -> None:
        name = PEOPLE[place]
        batches = self.people[name].sync(self.next_id(), self.clock.now())
        for batch in batches[:-1]:
            self.centre.submit(batch.encode())
        answer = self.centre.sync(batches[-1].encode()).sync
        if self.answers.setdefault(name, answer) != answer:
            raise Unbound("one statement was answered twice, and differently")

    def _statement_handed_in_alone(self, place: int, manner: str) -> None:
        name = PEOPLE[place]
        last = self.people[name].sync(self.next_id(), self.clock.now())[-1]
        alone = Batch(self.next_id(), (), (), last.sync_request)
        answer = self.centre.sync(alone.encode()).sync
        if self.answers.setdefault(name, answer) != answer:
            raise Unbound("one statement was answered twice, and differently")

    def _acknowledged(self, place: int, manner: str) -> None:
        name = PEOPLE[place]
        answer = self.answers.pop(name)
        self.unfinished[name] = answer
        self.people[name].sync_commit(answer, self.clock.now())
        self.unfinished.pop(name)

    def _time(self) -> None:
        self.clock.advance(LATE_SECONDS)

    # --- what is seen ---

    def element(self, name: str) -> SimulatedSecureElement:
        """The element as it is, or as its journal says when its power is off."""
        if name in self.down:
            self.fuses[name].point = ""
            return self.bare(name)
        element = self.people[name].element
        assert isinstance(element, SimulatedSecureElement)
        return element

    def _notice(self) -> None:
        """Learn the names of what elements have made: invoices, and the coins of payments."""
        for place, name in enumerate(PEOPLE):
            state = self.element(name)._state
            for number, pays in enumerate(self.model.pays):
                if pays.payee == place and number not in self.oids and number in self.epochs:
                    fresh = [oid for oid in state.pending if oid not in self.oids.values()]
                    if fresh:
                        self.oids[number] = fresh[0]
                if pays.payer != place or self.oids.get(number) not in state.outbox:
                    continue
                if number not in self.logs[name]:
                    self.logs[name].append(number)
                    sent = state.outbox[self.oids[number]]
                    made = open_envelope(sent.transfers[0], Transfer, self.network)
                    self.coins[Outpoint(made.oid, 0)] = str(number)
                    self.coins[Outpoint(made.oid, 1)] = f"{number}c"

    def state(self) -> State:
        """The state of the model that the real world is in."""
        self._notice()
        archive = [open_kept(row.envelope, self.network).record for row in self.stores.evidence.rows(0)]
        ids = {row.oid for row in self.stores.evidence.rows(0)}
        transfers = {outpoint.previous: int(coin) for outpoint, coin in self.coins.items() if coin.isdigit()}
        known = frozenset(number for oid, number in transfers.items() if oid in ids)
        asked = frozenset(number for number, oid in self.oids.items() if oid in ids)
        claims = [o for tree in self.centre.reconciler.facts().trees.values() for o in tree.claims]
        claimed = frozenset(int(self.coins[outpoint]) for outpoint in claims)
        payments = tuple(self._payment(number) for number in range(len(self.model.pays)))
        devices = tuple(self._device(name) for name in PEOPLE)
        cancelled = []
        for number, pays in enumerate(self.model.pays):
            kid, counters = self.kids[PEOPLE[pays.payee]], set()
            for said in archive:
                if isinstance(said, SyncRequest) and said.kid == kid:
                    statement = self._statement(said)
                    if number in statement.issued and str(number) not in statement.purse:
                        counters.add(statement.counter)
            cancelled.append(frozenset(counters))
        seen = State(
            payments,
            devices,
            self._late(self.clock.now()),
            self.wiped,
            known,
            asked,
            tuple(cancelled),
            claimed,
        )
        plain = self.model.plain(seen)
        self._check_accounts(claimed)
        return plain

    def _check_accounts(self, claimed: frozenset[int]) -> None:
        for place, name in enumerate(PEOPLE):
            due = sum(self.model.pays[n].value for n in claimed if self.model.pays[n].payee == place)
            if self.wallet(name) != due * UNIT_TIYN:
                raise Unbound(
                    f"{name} has {self.wallet(name)} tiyn online, and {due * UNIT_TIYN} were credited"
                )

    def _rows(self, name: str) -> Rows:
        return Rows(self.hosts[name], self.kids[name], self.network)

    def _payment(self, number: int) -> P:
        pays = self.model.pays[number]
        payer, payee = PEOPLE[pays.payer], PEOPLE[pays.payee]
        oid = self.oids.get(number, b"")
        taker, giver = self.element(payee), self.element(payer)
        made = number in self.oids
        taken = made and taker.receipt(oid) is not None
        inv = 0 if not made else 2 if taken else 1 if oid in taker._state.pending else 3
        paid = number in self.logs[payer]
        rows = self._rows(payee)
        aside = any(self._answers(value, oid) for value in rows.of(INBOX).values())
        incoming = oid in rows.of(INCOMING)
        return P(
            inv=inv,
            epoch=self.epochs.get(number, 0) if made else 0,
            shown=number in self.invoices,
            ivrow=oid in rows.of(INVOICE),
            out=0 if not paid else 1 if oid in giver._state.outbox else 2,
            prow=oid in self._rows(payer).of(PAYMENT),
            net=number in self.messages,
            inrow=0 if not incoming else 2 if oid in rows.of(RECEIPT) else 1,
            inbox=aside,
        )

    def _answers(self, row: bytes, invoice: bytes) -> bool:
        """Whether a message in the inbox answers this invoice."""
        decoded: Any = canonical.decode_array(row)
        bundle = open_bundle(decoded[1], self.network, len(decoded[1]))
        return any(
            line.transfers and line.transfers[-1].record.reference == invoice for line in bundle.tokens
        )

    def _statement(self, said: SyncRequest) -> Statement:
        purse = frozenset(self.coins[Outpoint(previous, position)] for previous, position, _ in said.purse)
        place = [self.kids[name] for name in PEOPLE].index(said.kid)
        order = [n for n in sorted(self.oids, key=self._place_of) if self.model.pays[n].payee == place]
        issued = frozenset(order[: said.invoice_number])
        return Statement(said.counter, frozenset(c for c in purse if self.model.history[c]), issued)

    def _place_of(self, number: int) -> int:
        """The order in which this payee made its invoices (the oids stand in the order in which they were made)."""
        return list(self.oids).index(number)

    def _device(self, name: str) -> D:
        element = self.element(name)
        papers = element._state.papers.get(b"sync")
        asks, answer, at = None, 0, 0
        if papers:
            record = open_envelope(papers[0], SyncRequest, self.network).record
            asks = self._statement(record)
            given = self.answers.get(name)
            if given is not None:
                stated = (record.out_total_tiyn, record.in_total_tiyn, record.out_count, record.in_count)
                base = given.record
                got = (base.base_out_tiyn, base.base_in_tiyn, base.base_out_count, base.base_in_count)
                answer = 2 if got == stated else 1
                at = self._late(base.time)
                if base.drop or base.action:
                    raise Unbound("an honest device was told to drop money or to stop")
        status = element.status(self.clock.now())
        if len(self.logs[name]) != status.counter:
            raise Unbound(f"{name} has signed {status.counter} transfers, {len(self.logs[name])} are known")
        lines = self._rows(name).of(LINE)
        return D(
            down=name in self.down,
            asks=asks,
            answer=answer,
            answered_at=at,
            floor=self._late(status.time_floor),
            held=frozenset(self.coins[outpoint] for outpoint in status.purse),
            lines=frozenset(c for outpoint, c in self.coins.items() if outpoint_bytes(outpoint) in lines),
            log=tuple(self.logs[name]),
            gathered=self._gathered(name, papers),
        )

    def _gathered(self, name: str, papers: Any) -> frozenset[tuple[str, int]] | None:
        """What the host wrote down for its open statement, as far as settlement does not have it."""
        if not papers or not self.model.scenario.alone:
            return None
        request = open_envelope(papers[0], SyncRequest, self.network)
        row = self._rows(name).of(SUBMITTED).get(request.oid)
        if row is None:
            return None
        kinds: Any = canonical.decode_array(row)[0]
        keys = {kind: set(names) for kind, names in kinds}
        inbox = self._rows(name).of(INBOX)
        found: set[tuple[str, int]] = set()
        issued = self._statement(request.record).issued
        for number, oid in self.oids.items():
            if number in issued and oid in keys[INVOICE] and oid in self._rows(name).of(INVOICE):
                found.add(("ivrow", number))
            if oid in keys[INCOMING]:
                found.add(("inrow", number))
            if any(key in keys[INBOX] and self._answers(value, oid) for key, value in inbox.items()):
                found.add(("inbox", number))
        return frozenset(found)

    def _late(self, moment: int) -> int:
        """The model's time of a moment (answers to one device rise by a second each)."""
        return int(moment > self.early + LATE_SECONDS // 2)

    # --- the end ---

    def finish(self, expected: Sequence[int]) -> None:
        """Everybody restarts and syncs twice, the notes close; each account holds what the model says, in units."""
        for name in sorted(self.down):
            self._restart(PEOPLE.index(name), "")
        for _ in range(2):
            for name in PEOPLE:
                self.sync(name)
        self.clock.advance(CLOSE_SECONDS)
        self.centre.tick()
        got = [self.wallet(name) // UNIT_TIYN for name in PEOPLE]
        if got != list(expected):
            raise Unbound(f"in the end the accounts hold {got}, not {list(expected)}")
        self.check()


def _copied(store: MemoryStore) -> MemoryStore:
    other = copy.copy(store)
    for name, value in vars(store).items():
        setattr(other, name, copy.copy(value))
    other._owned = {holder: set(keys) for holder, keys in store._owned.items()}
    return other


def _archive(store: ArchiveStore) -> MemoryArchive:
    assert isinstance(store, MemoryArchive)
    other = MemoryArchive()
    other._rows, other._answers = list(store._rows), dict(store._answers)
    return other


def follow(rig: Rig, trace: Sequence[Label], state: State) -> State:
    """Play a trace of the model in the real code; raises `Unbound` at the first step after which the two differ."""
    for place, label in enumerate(trace):
        after = dict(rig.model.steps(state)).get(label)
        assert after is not None, f"step {place}: {label} is no step of the model"
        try:
            rig.play(label)
            seen = rig.state()
        except Unbound:
            raise
        except (AssertionError, TengeError) as failure:
            raise Unbound(f"step {place}, {label}: the code says {failure!r}") from failure
        if seen != after:
            raise Unbound(
                f"step {place}, {label}: {difference(after, seen)}\n  trace: {list(trace[: place + 1])}"
            )
        state = after
    return state


def difference(expected: State, seen: State) -> str:
    """What differs between two states."""
    found: list[str] = []
    for name, one, other in zip(State._fields, expected, seen, strict=True):
        if one == other:
            continue
        if name in ("payments", "devices"):
            for number, (left, right) in enumerate(zip(one, other, strict=True)):
                found += [
                    f"{name}[{number}].{field}: model {a!r}, code {b!r}"
                    for field, a, b in zip(left._fields, left, right, strict=True)
                    if a != b
                ]
        else:
            found.append(f"{name}: model {one!r}, code {other!r}")
    return "; ".join(found)
