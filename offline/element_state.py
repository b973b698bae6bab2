"""The whole state of an element as one immutable value, its changes as journal records, and what must always hold.

`ElementState` is what a secure element remembers. A call computes the state after it; `changes` writes the difference
as one journal record and `apply` reads it back, so the state is exactly the fold of the journal, and a record that is
whole moves the element from one lawful state to the next with nothing between.

`check_step` states the invariants of the protocol as assertions about two neighbouring states:

    I1  counters, totals, numbers and times never fall          I7  baselines move only when a sync is committed
    I3  a spent outpoint leaves the purse, one for a transfer   I8  an accepted invoice is pending no more
    I4  balance and promises stay within the limit              I10 the key never changes
    I5, I11  loaded + received = paid out + dropped + held, to the tiyn

I2 (nothing signed leaves before it is durable), I6 (only typed objects are signed) and I9 (before or after, nothing
else) are kept by how `offline.element` and `offline.journal` are built.

Source: DTO/1, sections 5.7 and 5.19.4, 5.19.10.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter, lt
from typing import Any, NamedTuple, TypeVar

from cbdc import canonical
from cbdc.errors import Malformed
from offline.purse import MAX_PENDING, NOTHING_PASSED, Slot, Totals
from offline.records import Outpoint

NEW = 0
ACTIVE = 1
SPEND_BLOCKED = 2
DEAD = 3
STATUS_NAMES = {NEW: "not provisioned", ACTIVE: "active", SPEND_BLOCKED: "spending blocked", DEAD: "dead"}

# The paper that says an element was opened for an attack, and why. Nothing takes it out of a journal again.
OPENED_PAPER = b"opened"

KEPT_RECEIPTS = 32
KEPT_ANSWERS = 64
KEPT_CLOSED = 256

Envelope = tuple[int, bytes, bytes]


class Pending(NamedTuple):
    """An invoice that may still be paid: its number, what it keeps free (tiyn, slots), and until when."""

    number: int
    amount_tiyn: int
    slots: int
    purpose: int
    until: int


class Sent(NamedTuple):
    """Own transfers kept until they are acknowledged: the first counter, the sum for the payee, the envelopes.

    `until` is when the invoice or the order they answer expires.
    """

    counter: int
    amount_tiyn: int
    until: int
    reference: bytes
    transfers: tuple[Envelope, ...]


class Closed(NamedTuple):
    """An invoice or an order that was answered and acknowledged, remembered until it has expired for certain.

    Otherwise a host that repeats an old request would pay it a second time.
    """

    counter: int
    until: int


class Kept(NamedTuple):
    """An answer kept to be given again: when it was made (a rising number), what it answered, and the envelope."""

    order: int
    question: bytes
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class ElementState:
    """Everything a secure element remembers; amounts in tiyn, moments in Unix seconds."""

    status: int = NEW
    counter: int = 0
    head: bytes = b""
    time_floor: int = 0
    trust_sequence: int = 0
    min_trust_sequence: int = 0
    sync_time: int = 0
    sync_number: int = 0
    invoice_number: int = 0
    load_number: int = 0
    last_load: bytes = b""
    last_ack: bytes = b""
    totals: Totals = NOTHING_PASSED
    base: Totals = NOTHING_PASSED
    requested: Totals = NOTHING_PASSED
    requested_counter: int = 0
    loaded_tiyn: int = 0
    dropped_tiyn: int = 0
    answers_given: int = 0
    # Key, certificates and lists, by name; each a tuple of envelopes (the key: algorithm, secret).
    papers: Mapping[bytes, tuple[Any, ...]] = field(default_factory=dict)
    purse: Mapping[Outpoint, Slot] = field(default_factory=dict)
    pending: Mapping[bytes, Pending] = field(default_factory=dict)
    outbox: Mapping[bytes, Sent] = field(default_factory=dict)
    closed: Mapping[bytes, Closed] = field(default_factory=dict)
    receipts: Mapping[bytes, Kept] = field(default_factory=dict)
    answers: Mapping[bytes, Kept] = field(default_factory=dict)

    @property
    def balance_tiyn(self) -> int:
        """The sum of all slots, which is what came in less what went out (`check_step` sees to it)."""
        return self.loaded_tiyn + self.totals.in_tiyn - self.totals.out_tiyn - self.dropped_tiyn

    def open_at(self, now: int) -> Mapping[bytes, Pending]:
        """The invoices that may still be paid at `now`."""
        if all(invoice.until >= now for invoice in self.pending.values()):
            return self.pending
        return {oid: invoice for oid, invoice in self.pending.items() if invoice.until >= now}

    @property
    def outbox_transfers(self) -> int:
        """How many own transfers wait for an acknowledgement."""
        return sum(len(sent.transfers) for sent in self.outbox.values())


_COLLECTIONS = ("papers", "purse", "pending", "outbox", "closed", "receipts", "answers")
_SCALARS = tuple(item.name for item in fields(ElementState) if item.name not in _COLLECTIONS)
_TOTALS = ("totals", "base", "requested")
_collections_of = attrgetter(*_COLLECTIONS)
_scalars_of = attrgetter(*_SCALARS)
_VALUES: Mapping[str, Any] = {
    "purse": Slot,
    "pending": Pending,
    "outbox": Sent,
    "closed": Closed,
    "receipts": Kept,
    "answers": Kept,
}
_FORMAT = 1


Key = TypeVar("Key")
Value = TypeVar("Value")


class Changed(dict[Key, Value]):
    """A mapping made by `changed` from another one, of which it knows the difference until it is committed.

    A purse holds a thousand outpoints and a payment touches two: so that a step costs what it changes and not what
    there is, the difference is remembered instead of found again. `check_differences` finds it again, for tests.
    """

    __slots__ = ("base", "gone", "puts")

    base: Mapping[Key, Value] | None
    puts: tuple[Key, ...]
    gone: tuple[Key, ...]


def changed(
    mapping: Mapping[Key, Value], puts: Mapping[Key, Value], gone: Iterable[Key] = ()
) -> Mapping[Key, Value]:
    """A copy of `mapping` with these rows put in and these keys taken out."""
    new: Changed[Key, Value] = Changed(mapping)
    new.gone = tuple(key for key in dict.fromkeys(gone) if key in mapping and key not in puts)
    for key in new.gone:
        del new[key]
    new.puts = tuple(key for key, value in puts.items() if mapping.get(key) != value)
    new.update(puts)
    new.base = mapping
    return new


def without(mapping: Mapping[Key, Value], keys: Iterable[Key]) -> Mapping[Key, Value]:
    """A copy of `mapping` without these keys."""
    return changed(mapping, {}, keys)


def difference(old: Mapping[Key, Value], new: Mapping[Key, Value]) -> tuple[Sequence[Key], Sequence[Key]]:
    """(keys put in or changed, keys gone) from `old` to `new`."""
    if old is new:
        return (), ()
    if isinstance(new, Changed) and new.base is old:
        return new.puts, new.gone
    return _found_difference(old, new)


def _found_difference(
    old: Mapping[Key, Value], new: Mapping[Key, Value]
) -> tuple[Sequence[Key], Sequence[Key]]:
    return [key for key, value in new.items() if old.get(key) != value], [
        key for key in old if key not in new
    ]


def committed(state: "ElementState") -> None:
    """Let its mappings forget what they were made from: only a step has a before."""
    for mapping in _collections_of(state):
        if isinstance(mapping, Changed):
            mapping.base = None


def reserved(invoices: Mapping[bytes, Pending]) -> tuple[int, int]:
    """(tiyn, slots) that these open invoices keep free."""
    return sum(row.amount_tiyn for row in invoices.values()), sum(row.slots for row in invoices.values())


def newest(kept: Mapping[bytes, Kept], key: bytes, answer: Kept, most: int) -> Mapping[bytes, Kept]:
    """The `most` answers given last, with one more under `key`."""
    gone: Sequence[bytes] = ()
    if len(kept) >= most and key not in kept:
        gone = sorted(kept, key=lambda one: kept[one].order)[: len(kept) + 1 - most]
    return changed(kept, {key: answer}, gone)


def freed(state: ElementState, time_floor: int) -> tuple[Mapping[bytes, Sent], Mapping[bytes, Closed]]:
    """(outbox, closed) once settlement has the whole log up to the last request.

    What stands in that log leaves the outbox, and is remembered as long as it might be asked for again.
    """
    kept = {key: sent for key, sent in state.outbox.items() if sent.counter > state.requested_counter}
    closed = dict(state.closed)
    closed.update({key: Closed(s.counter, s.until) for key, s in state.outbox.items() if key not in kept})
    unexpired = sorted(
        (key for key, row in closed.items() if row.until >= time_floor), key=lambda k: closed[k]
    )
    return kept, {key: closed[key] for key in unexpired[-KEPT_CLOSED:]}


def changes(before: ElementState, after: ElementState) -> bytes:
    """The journal record that leads from one state to the next; from the empty state it is a whole snapshot."""
    puts: list[Any] = []
    gone: list[Any] = []
    pairs = zip(_collections_of(before), _collections_of(after), strict=True)
    for number, (old, new) in enumerate(pairs):
        if old is not new:
            put, dropped = difference(old, new)
            puts += [(number, *_key(key), tuple(new[key])) for key in put]
            gone += [(number, *_key(key)) for key in dropped]
    scalars = [tuple(value) if isinstance(value, Totals) else value for value in _scalars_of(after)]
    return canonical.encode((_FORMAT, scalars, puts, gone))


def apply(state: ElementState, record: bytes) -> ElementState:
    """The state after one journal record; E_JOURNAL when the record is none of this version's."""
    decoded: Any = canonical.decode_array(record)
    version, scalars, puts, gone = decoded
    if version != _FORMAT:
        raise Malformed("E_JOURNAL", journal="element", problem=f"its records have the version {version}")
    values: dict[str, Any] = dict(zip(_SCALARS, scalars, strict=True))
    for name in _TOTALS:
        values[name] = Totals(*values[name])
    collections: dict[str, Any] = {name: dict(getattr(state, name)) for name in _COLLECTIONS}
    for number, key, position, value in puts:
        name = _COLLECTIONS[number]
        collections[name][_unkey(name, key, position)] = _value(name, value)
    for number, key, position in gone:
        name = _COLLECTIONS[number]
        del collections[name][_unkey(name, key, position)]
    return ElementState(**values, **collections)


def _key(key: bytes | Outpoint) -> tuple[bytes, int]:
    return key if isinstance(key, tuple) else (key, 0)


def _unkey(name: str, key: Any, position: Any) -> Any:
    return Outpoint(key, position) if name == "purse" else key


def _value(name: str, value: Any) -> Any:
    frozen = _frozen(value)
    kind = _VALUES.get(name)
    return frozen if kind is None else kind(*frozen)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


_RISING = (
    "counter",
    "time_floor",
    "trust_sequence",
    "min_trust_sequence",
    "sync_time",
    "sync_number",
    "invoice_number",
    "load_number",
    "loaded_tiyn",
    "dropped_tiyn",
    "answers_given",
)
_rising_of = attrgetter(*_RISING)


def check_step(
    before: ElementState, after: ElementState, max_balance_tiyn: int, max_slots: int, syncing: bool
) -> None:
    """Assert that `after` may follow `before`; a failure is a bug in the element, never an input's fault.

    `syncing` says that the step commits a SYNC_ACK, the only one that may move baselines or free the outbox.
    """
    if any(map(lt, _rising_of(after), _rising_of(before))):
        fallen = [name for name in _RISING if getattr(after, name) < getattr(before, name)]
        raise AssertionError(f"I1: {fallen[0]} fell")
    assert after.totals.covers(before.totals), "I1: a total fell"
    assert before.status != DEAD or after.status == DEAD, "I1: the dead do not rise"
    assert after.base.covers(before.base), "I1: a baseline fell"
    assert after.totals.covers(after.base), "I1: a baseline is ahead of its total"
    if not syncing:
        assert after.base == before.base, "I7: a baseline moved without an acknowledgement"
        assert not difference(before.outbox, after.outbox)[1], (
            "I7: the outbox was freed without an acknowledgement"
        )
    assert b"key" not in before.papers or before.papers[b"key"] == after.papers[b"key"], "I10: another key"
    assert OPENED_PAPER not in before.papers or OPENED_PAPER in after.papers, "an opened element was closed"
    _check_value(before, after, max_balance_tiyn, max_slots, syncing)


def _check_value(
    before: ElementState, after: ElementState, max_balance_tiyn: int, max_slots: int, syncing: bool
) -> None:
    put, gone = difference(before.purse, after.purse)
    assert not any(item in before.purse for item in put), "I3: a slot was changed"
    moved_tiyn = sum([after.purse[item].amount_tiyn for item in put])
    moved_tiyn -= sum([before.purse[item].amount_tiyn for item in gone])
    assert after.balance_tiyn - before.balance_tiyn == moved_tiyn, "I11: value came or went"
    assert after.balance_tiyn >= 0, "I11: more went out than came in"
    held_tiyn, slots = reserved(after.pending)
    before_tiyn, before_slots = reserved(before.pending)
    promised_tiyn, promised_slots = after.balance_tiyn + held_tiyn, len(after.purse) + slots
    most_tiyn = max(max_balance_tiyn, before.balance_tiyn + before_tiyn)
    assert promised_tiyn <= most_tiyn, "I4: balance and promises pass the limit"
    most_slots = max(max_slots, len(before.purse) + before_slots)
    assert promised_slots <= most_slots, "I4: outpoints and promises pass the limit"
    assert len(after.pending) <= MAX_PENDING, "I4: too many open invoices"
    accepted = after.totals.in_count - before.totals.in_count
    answered = len(before.pending) - len(after.pending)
    assert accepted == 0 or (accepted, answered) == (1, 1), "I8: accepted what no open invoice asked for"
    if not syncing:
        signed = after.counter - before.counter
        kept = sum([len(after.outbox[key].transfers) for key in difference(before.outbox, after.outbox)[0]])
        assert signed == kept, "I3: a transfer is not kept"
        assert len(gone) == signed, "I3: each transfer spends one outpoint of the purse"


def check_whole(state: ElementState) -> None:
    """Assert what needs the whole state: the balance is the sum, the record form loses nothing. Slow; for tests."""
    assert state.balance_tiyn == sum(slot.amount_tiyn for slot in state.purse.values()), (
        "I4: not the sum of slots"
    )
    assert apply(ElementState(), changes(ElementState(), state)) == state, (
        "I9: the record form loses something"
    )


def check_differences(before: ElementState, after: ElementState) -> None:
    """Assert that each remembered difference is the one there is, and that the record gives the state. For tests."""
    for old, new in zip(_collections_of(before), _collections_of(after), strict=True):
        told, found = difference(old, new), _found_difference(old, new)
        assert [set(keys) for keys in told] == [set(keys) for keys in found], (
            "a difference was remembered wrongly"
        )
    assert apply(before, changes(before, after)) == after, "I9: the record is not the step"
