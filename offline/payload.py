"""What a message is made of: its kind, its objects with their bytes, and what each hop of a line adds.

    payload = read_payload(data)
    payload.kind, payload.parts, payload.lines

Only structure is read, so a file can be weighed by anyone: no signature, no root and no clock are asked. What devices
hand to each other or to settlement is known here: bundles, offers, the messages of both flows, single objects, batches,
evidence files, and the three messages that begin an encrypted channel. Anything else is refused.

Source: DTO/1, sections 5.4, 5.5 and 5.15.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cbdc import authority, canonical
from cbdc.errors import Malformed, TengeError
from cbdc.record import Record, open_envelope
from offline import channel, records
from offline.batch import open_batch
from offline.bundle import Bundle, open_bundle
from offline.host_coins import open_offer
from offline.messages import COMMIT, DRAFT, HELLO, OFFER, REQUEST, open_message

# Ids need a network; weighing needs none.
_NETWORK = bytes(8)
_LIMIT_BYTES = canonical.MAX_MESSAGE_BYTES
_SIGNATURE_BYTES = 64

MESSAGES = {REQUEST: "REQUEST", HELLO: "HELLO", OFFER: "OFFER message", DRAFT: "DRAFT", COMMIT: "COMMIT"}
CHANNEL_MESSAGES = {
    channel.ENGAGEMENT: "ENGAGEMENT",
    channel.ANSWER: "ANSWER",
    channel.REVEAL: "REVEAL",
}
_CHANNEL_ITEMS = {channel.ENGAGEMENT: 5, channel.ANSWER: 3, channel.REVEAL: 2}
_WORDS = {"DeviceCertificate": "DEVCERT", "SyncRequest": "SYNC_REQ", "RedeemOrder": "REDEEM_ORDER"}


def _kinds() -> dict[int, type[Record]]:
    found: dict[int, type[Record]] = {}
    for module in (authority, records):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Record) and value.__module__ == module.__name__:
                found[value.TYPE] = value
    return found


KINDS = _kinds()


def object_name(type_number: int) -> str:
    """The protocol's name of a type of object: NOTE, SYNC_REQ."""
    name = KINDS[type_number].__name__
    if name in _WORDS:
        return _WORDS[name]
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in name).lstrip("_").upper()


@dataclass(frozen=True, slots=True)
class Part:
    """All objects of one kind in a message: their name, how many there are, and their bytes together."""

    name: str
    count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a line: its hop, the transfer's bytes, and those of the certificate that came with it (0: had it)."""

    hop: int
    transfer_bytes: int
    certificate_bytes: int


@dataclass(frozen=True, slots=True)
class Line:
    """One token of a bundle: the note's bytes, and what each transfer added."""

    note_bytes: int
    steps: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Payload:
    """A message, weighed. `packing_bytes` are the heads of arrays and whatever is no signed object."""

    kind: str
    data: bytes
    parts: tuple[Part, ...]
    lines: tuple[Line, ...]

    @property
    def packing_bytes(self) -> int:
        """What the containers take beside their objects."""
        return len(self.data) - sum(part.size_bytes for part in self.parts)


def read_payload(data: bytes, name: str = "this") -> Payload:
    """The payload in `data`; E_PAYLOAD, with `name` and the reason, when it is nothing that devices hand over."""
    try:
        values = canonical.decode_array(data, _LIMIT_BYTES)
        kind = _kind(values)
        bundles = _open(kind, values, data)
    except TengeError as error:
        problem = f"{error.code}: {error.sentence().rstrip('.')}"
        raise Malformed("E_PAYLOAD", name=name, problem=problem) from None
    counted: dict[str, tuple[int, int]] = {}
    for type_number, size in _objects(values):
        count, total = counted.get(object_name(type_number), (0, 0))
        counted[object_name(type_number)] = (count + 1, total + size)
    parts = tuple(Part(word, count, size) for word, (count, size) in counted.items())
    return Payload(kind, data, parts, tuple(line for bundle in bundles for line in _lines(bundle)))


def _kind(values: list[Any]) -> str:
    first = values[0] if values else None
    if type(first) is bytes and len(values) == 2:
        return "OFFER"
    if type(first) is not int:
        raise Malformed("E_OBJTYPE", type=str(first)[:20], expected="what devices hand over")
    if first in MESSAGES or first in CHANNEL_MESSAGES:
        return {**MESSAGES, **CHANNEL_MESSAGES}[first]
    if len(values) == 3 and type(values[1]) is bytes and first in KINDS:
        return object_name(first)
    if first == records.CONTAINER_VERSION and len(values) == 5:
        return "BATCH"
    if first == records.CONTAINER_VERSION and len(values) == 3 and type(values[2]) is list and values[2]:
        return "evidence file" if type(values[2][0]) is int else "BUNDLE"
    raise Malformed("E_OBJTYPE", type=str(first)[:20], expected="what devices hand over")


def _open(kind: str, values: list[Any], data: bytes) -> list[Bundle]:
    # Each is opened by the very function that a device or settlement opens it with.
    first: Any = values[0]
    if kind == "BUNDLE":
        return [open_bundle(data, _NETWORK, _LIMIT_BYTES)]
    if kind == "OFFER":
        return [open_bundle(open_offer(data)[0], _NETWORK, _LIMIT_BYTES)]
    if kind == "BATCH":
        return list(_readable(open_batch(data, _NETWORK).bundles))
    if first in MESSAGES and kind == MESSAGES[first]:
        opened = open_message(data, _NETWORK, _LIMIT_BYTES)
        inside = getattr(opened, "offer", b"")
        return [open_bundle(open_offer(inside)[0], _NETWORK, _LIMIT_BYTES)] if inside else []
    if kind == "evidence file":
        _check_evidence(values)
    elif first in CHANNEL_MESSAGES and len(values) != _CHANNEL_ITEMS[first]:
        raise Malformed("E_FIELD", field=kind, problem=f"{len(values)} items, not {_CHANNEL_ITEMS[first]}")
    elif first not in CHANNEL_MESSAGES:
        open_envelope(values, KINDS[first], _NETWORK)
    return []


def _readable(bundles: Iterable[bytes]) -> Iterator[Bundle]:
    # Settlement sets a bundle that cannot be read aside and takes the rest of the batch; its lines are left out here.
    for data in bundles:
        try:
            yield open_bundle(data, _NETWORK, _LIMIT_BYTES)
        except TengeError:
            continue


def _check_evidence(values: list[Any]) -> None:
    # A file without certificates of ROOT or without a single signed object proves nothing to anyone.
    auths: Any = values[1]
    found = list(_objects(values))
    if type(auths) is not list or not auths or not all(_is_object(item) for item in auths):
        raise Malformed("E_FIELD", field="evidence", problem="it does not begin with certificates of ROOT")
    if len(found) <= len(auths):
        raise Malformed("E_FIELD", field="evidence", problem="it holds no signed object")


def _is_object(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) == 3
        and type(value[0]) is int
        and value[0] in KINDS
        and type(value[1]) is bytes
        and type(value[2]) is bytes
        and len(value[2]) == _SIGNATURE_BYTES
    )


def _objects(value: Any) -> Iterator[tuple[int, int]]:
    """(type, bytes) of each signed object in a decoded value; containers may travel as byte strings."""
    if _is_object(value):
        yield value[0], len(canonical.encode(value))
    elif type(value) is list:
        for item in value:
            yield from _objects(item)
    elif type(value) is bytes and len(value) > _SIGNATURE_BYTES and value[0] >> 4 == 9:
        try:
            inside = canonical.decode_array(value)
        except Malformed:
            return
        yield from _objects(inside)


def _lines(bundle: Bundle) -> Iterator[Line]:
    unseen = {certificate.record.kid: certificate for certificate in bundle.certificates}
    for token in bundle.tokens:
        steps = []
        for transfer in token.transfers:
            certificate = unseen.pop(transfer.record.payer, None)
            size = 0 if certificate is None else len(certificate.encode())
            steps.append(Hop(transfer.record.hop, len(transfer.encode()), size))
        yield Line(len(token.note.encode()), tuple(steps))
