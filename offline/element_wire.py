"""The byte form of everything a host asks of a secure element, and of every answer.

Each call of `SecureElement` is one row of `CALLS`: its instruction byte, the forms of its arguments, and the form of
its answer. Arguments travel as one MP-C array in the order of the row, an answer as one MP-C value; a call that answers
nothing answers with no bytes. Both sides and the table in the protocol notes are made from these rows.

Forms check only what bytes must be to mean anything. What may be asked is the element's own judgement, so that a
refusal is the same whichever way it was asked; the size of a call is bounded before anything is read.

Refusals stand in `offline.element_refusal`.

Source: DTO/1, sections 5.3 and 5.7.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

from cbdc import canonical
from cbdc.authority import Auth, Root
from cbdc.errors import Malformed
from cbdc.keys import PublicKey, public_key
from cbdc.record import Bytes, Group, Items, Kind, Record, Signed, Unsigned, open_envelope
from offline.element_core import view_of
from offline.element_protocol import ElementStatus, PinStatus
from offline.purse import Caps, Slot, Totals
from offline.records import (
    DeviceCertificate,
    Enrol,
    Invoice,
    Limits,
    Note,
    Outpoint,
    Receipt,
    RedeemOrder,
    SyncAck,
    SyncRequest,
    Transfer,
    Trust,
)
from offline.trust import TrustView

WIRE_VERSION = 1


class Form(Protocol):
    """How one argument or answer travels."""

    @property
    def words(self) -> str:
        """What the table of the notes says of it."""
        ...

    def write(self, value: Any) -> Any:
        """The MP-C value."""
        ...

    def read(self, value: object, network: bytes) -> Any:
        """The value in a decoded MP-C value; raises Malformed (and what opening a trust view raises)."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """A number or a byte string as it is."""

    kind: Kind
    words: str

    def write(self, value: Any) -> Any:
        """The value itself; MP-C checks it."""
        return value

    def read(self, value: object, network: bytes) -> Any:
        """The value, checked."""
        return self.kind.load(value, self.words)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed object, as `[type, body, signature]`."""

    record: type[Record]

    @property
    def words(self) -> str:
        """The object's class."""
        return self.record.__name__

    def write(self, value: Signed[Any]) -> Any:
        """Its envelope."""
        return value.envelope()

    def read(self, value: object, network: bytes) -> Any:
        """The signed object, not yet verified."""
        return open_envelope(value, self.record, network)


@dataclass(frozen=True, slots=True)
class Row:
    """A small tuple: an outpoint, a note's caps."""

    made: Any
    kinds: tuple[Kind, ...]
    words: str

    def write(self, value: Any) -> Any:
        """Its items."""
        return list(value)

    def read(self, value: object, network: bytes) -> Any:
        """The tuple."""
        return self.made(*Group(self.kinds).load(value, self.words))


@dataclass(frozen=True, slots=True)
class Many:
    """An array of one form; how many is bounded by the size of the call."""

    form: Form

    @property
    def words(self) -> str:
        """The form in brackets."""
        return f"[{self.form.words}...]"

    def write(self, value: Sequence[Any]) -> Any:
        """The items."""
        return [self.form.write(item) for item in value]

    def read(self, value: object, network: bytes) -> Any:
        """The items as a tuple."""
        if not isinstance(value, list):
            raise Malformed("E_TYPE", type=f"{self.words}: {type(value).__name__}")
        return tuple([self.form.read(item, network) for item in value])


@dataclass(frozen=True, slots=True)
class Maybe:
    """An array of one item or of none."""

    form: Form

    @property
    def words(self) -> str:
        """The form, or nothing."""
        return f"[{self.form.words}] or []"

    def write(self, value: Any) -> Any:
        """The item in an array, or an empty one for None."""
        return [] if value is None else [self.form.write(value)]

    def read(self, value: object, network: bytes) -> Any:
        """The item, or None."""
        found = Many(self.form).read(value, network)
        if len(found) > 1:
            raise Malformed("E_COUNT", field=self.words, count=len(found), least=0, most=1)
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class View:
    """A trust view: ROOT, its certificates, and the chain of TRUST lists."""

    words: str = "[Root, [Auth...], [Trust...]]"

    def write(self, value: TrustView) -> Any:
        """The three parts."""
        authority = value.authority
        chain = [item.envelope() for item in value.chain]
        return [authority.root.envelope(), [auth.envelope() for auth in authority.auths], chain]

    def read(self, value: object, network: bytes) -> TrustView:
        """The view, with every signature under it verified."""
        root, auths, chain = Group((_ANY, _ANY, _ANY)).load(value, self.words)
        opened = _envelope(root, Root)
        return view_of(opened, _envelopes(auths, Auth), _envelopes(chain, Trust))


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: `[algorithm, bytes]`."""

    words: str = "(u, b)"

    def write(self, value: PublicKey) -> Any:
        """Its two parts."""
        return [value.algorithm, value.raw]

    def read(self, value: object, network: bytes) -> PublicKey:
        """The key; E_KEY when it is unusable."""
        return public_key(*Group((Unsigned(), Bytes())).load(value, self.words))


class _Any:
    def load(self, value: object, name: str) -> Any:
        return value


_ANY = _Any()


def _envelope(value: object, record: type[Record]) -> tuple[int, bytes, bytes]:
    signed = open_envelope(value, record, bytes(8))
    return record.TYPE, signed.body, signed.signature


def _envelopes(value: object, record: type[Record]) -> tuple[tuple[int, bytes, bytes], ...]:
    if not isinstance(value, list):
        raise Malformed("E_TYPE", type=f"{record.__name__}: {type(value).__name__}")
    return tuple([_envelope(item, record) for item in value])


U = Plain(Unsigned(), "u")
B = Plain(Bytes(), "b")
OUTPOINT = Row(Outpoint, (Bytes(), Unsigned()), "(b, u)")
CAPS = Row(Caps, (Unsigned(), Unsigned()), "(u, u)")
_NUMBERS = {
    cls: Row(cls, (Unsigned(),) * len(cls._fields), f"({len(cls._fields)}×u)")
    for cls in (Slot, Totals, Limits)
}
_PIN = Row(PinStatus, (Unsigned(),) * 3, "(3×u)")
_TEXT = Bytes(most=1_024)
_TEXTS = ("kind", "status", "opened_for")
_PAIRS = Items(
    Group((Bytes(), Unsigned(), Group((Unsigned(),) * len(Slot._fields)))), most=canonical.MAX_LENGTH
)


@dataclass(frozen=True, slots=True)
class Status:
    """An element's status: every field of `ElementStatus` in order."""

    words: str = "the fields of `ElementStatus`"

    def write(self, value: ElementStatus) -> Any:
        """The fields; texts as UTF-8, the purse as `[previous, position, slot]`, what is absent as an empty array."""
        return [_write_field(field.name, getattr(value, field.name)) for field in fields(ElementStatus)]

    def read(self, value: object, network: bytes) -> ElementStatus:
        """The status."""
        names = [field.name for field in fields(ElementStatus)]
        items = Group((_ANY,) * len(names)).load(value, "status")
        read = {name: _read_field(name, item, network) for name, item in zip(names, items, strict=True)}
        return ElementStatus(**read)


def _write_field(name: str, value: Any) -> Any:
    form = _STATUS_FORMS.get(name, U)
    if name in _TEXTS:
        return value.encode()
    if name == "purse":
        return [[*outpoint, list(slot)] for outpoint, slot in value.items()]
    return form.write(int(value) if type(value) is bool else value)


def _read_field(name: str, value: object, network: bytes) -> Any:
    if name in _TEXTS:
        return _TEXT.load(value, name).decode("utf-8", "replace")
    if name == "purse":
        rows = _PAIRS.load(value, name)
        return {Outpoint(previous, position): Slot(*slot) for previous, position, slot in rows}
    read = _STATUS_FORMS.get(name, U).read(value, network)
    return bool(read) if name in _FLAGS else read


_FLAGS = ("opened", "sync_pending")
_STATUS_FORMS: Mapping[str, Form] = {
    "kid": B,
    "certificate": Maybe(Envelope(DeviceCertificate)),
    "limits": Maybe(_NUMBERS[Limits]),
    "pending": Many(B),
    "outbox": Many(B),
    "totals": _NUMBERS[Totals],
    "base": _NUMBERS[Totals],
    "head": B,
    "last_ack": B,
    "pin": Maybe(_PIN),
}


class Call(NamedTuple):
    """One call: its instruction byte, its name, its arguments, its answer (None: nothing), and how long it may be."""

    number: int
    name: str
    asks: tuple[tuple[str, Form], ...] = ()
    answer: Form | None = None
    limit_bytes: int = 4_096
    is_property: bool = False


_TRANSFERS = Many(Envelope(Transfer))
_LONG = 1 << 17
_LONGEST = canonical.MAX_MESSAGE_BYTES

CALLS: tuple[Call, ...] = (
    Call(0x10, "enrol", (("network", B), ("bank_id", U), ("challenge", B)), Envelope(Enrol)),
    Call(
        0x12,
        "provision",
        (("trust", View()), ("certificate", Envelope(DeviceCertificate))),
        limit_bytes=_LONGEST,
    ),
    Call(0x14, "renew", (("certificate", Envelope(DeviceCertificate)),)),
    Call(0x16, "anchor", (("auth", Envelope(Auth)),)),
    Call(0x18, "trust", (("chain", Many(Envelope(Trust))),), limit_bytes=_LONGEST),
    Call(0x20, "verify_pin", (("pin", B),)),
    Call(0x24, "set_pin", (("request_id", B), ("pin", B), ("limit_tiyn", U))),
    Call(0x30, "load", (("note", Envelope(Note)), ("now", U))),
    Call(
        0x32,
        "invoice",
        (
            ("request_id", B),
            ("amount_tiyn", U),
            ("purpose", U),
            ("expires", U),
            ("max_parts", U),
            ("max_bytes", U),
            ("offer", B),
            ("memo", B),
            ("now", U),
        ),
        Envelope(Invoice),
    ),
    Call(
        0x34,
        "pay",
        (
            ("invoice", Envelope(Invoice)),
            ("payee", Envelope(DeviceCertificate)),
            ("picks", Many(OUTPOINT)),
            ("now", U),
        ),
        _TRANSFERS,
        limit_bytes=_LONG,
    ),
    Call(
        0x36,
        "accept",
        (
            ("invoice", B),
            ("transfers", _TRANSFERS),
            ("caps", Many(CAPS)),
            ("payer", Envelope(DeviceCertificate)),
            ("now", U),
        ),
        Envelope(Receipt),
        limit_bytes=_LONG,
    ),
    Call(
        0x38,
        "redeem",
        (
            ("request_id", B),
            ("order", Envelope(RedeemOrder)),
            ("picks", Many(OUTPOINT)),
            ("amount_tiyn", U),
            ("now", U),
        ),
        _TRANSFERS,
        limit_bytes=_LONG,
    ),
    Call(0x40, "sync_begin", (("request_id", B),), Envelope(SyncRequest)),
    Call(0x42, "sync_commit", (("ack", Envelope(SyncAck)),), limit_bytes=_LONG),
    Call(0x50, "resend", (("reference", B),), _TRANSFERS),
    Call(0x52, "receipt", (("invoice", B),), Maybe(Envelope(Receipt))),
    Call(0x54, "status", (("now", U),), Status()),
    Call(0x56, "public_key", answer=Key(), is_property=True),
    Call(0x58, "certificate", answer=Envelope(DeviceCertificate), is_property=True),
    Call(0x5A, "trust_view", answer=View(), is_property=True),
)
BY_NUMBER: Mapping[int, Call] = {call.number: call for call in CALLS}
BY_NAME: Mapping[str, Call] = {call.name: call for call in CALLS}


def write_arguments(call: Call, values: Sequence[Any]) -> bytes:
    """The arguments of a call as MP-C; E_RANGE, E_TYPE or E_LENGTH for what MP-C has not, E_SIZE for too many."""
    written = [form.write(value) for (_, form), value in zip(call.asks, values, strict=True)]
    data = canonical.encode(written) if written else b""
    if len(data) > call.limit_bytes:
        raise Malformed("E_SIZE", size_bytes=len(data), limit_bytes=call.limit_bytes)
    return data


def read_arguments(call: Call, data: bytes, network: bytes) -> list[Any]:
    """The arguments in `data`; Malformed when they are none of this call's, and what opening a trust view raises."""
    items = canonical.decode_array(data, call.limit_bytes) if call.asks else _none(data)
    if len(items) != len(call.asks):
        problem = f"{len(items)} arguments, not {len(call.asks)}"
        raise Malformed("E_FIELD", field=call.name, problem=problem)
    values: list[Any] = []
    for (_, form), item in zip(call.asks, items, strict=True):
        values.append(form.read(item, network))
        if isinstance(values[-1], TrustView):
            network = values[-1].network
    return values


def _none(data: bytes) -> list[Any]:
    if data:
        raise Malformed("E_FIELD", field="arguments", problem="there are none to give")
    return []


def write_answer(call: Call, value: Any) -> bytes:
    """An answer as MP-C; no bytes when the call answers nothing."""
    return b"" if call.answer is None else canonical.encode(call.answer.write(value))


def read_answer(call: Call, data: bytes, network: bytes) -> Any:
    """The answer in `data`; Malformed when it is none."""
    if call.answer is None:
        _none(data)
        return None
    return call.answer.read(canonical.decode(data), network)
