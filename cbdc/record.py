"""Records: typed bodies with a fixed field order, and the envelope in which one signature travels.

A record class lists its fields once, as a schema; the same list encodes it, decodes it strictly and is shown in the
documents. An envelope is `[type, body, signature]`, and

    object id  = SHA-256(DST || type || network || body)          never over the signature
    message    = DST || "sig\\0" || type || object id              what is signed

The type and the network are inside the hash, so a signature made for one purpose or one sandbox can never be shown
for another. Offline objects and online objects have different domains (DST) and different type numbers.

Source: DTO/1, section 5.3.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import islice
from typing import Annotated, Any, ClassVar, Generic, Protocol, Self, TypeGuard, TypeVar

import msgspec

from cbdc import canonical
from cbdc.errors import Malformed
from cbdc.keys import SIGNATURE_BYTES, PublicKey, Signer

OFFLINE_DOMAIN = b"kzt-dt/offline/v1\0"
ONLINE_DOMAIN = b"kzt-dt/online/v1\0"
NETWORK_BYTES = 8


class Kind(Protocol):
    """One kind of field: checks a decoded value and gives its immutable form."""

    def load(self, value: object, name: str) -> Any:
        """The value, checked; raises E_FIELD (wrong length or shape) or E_TYPE (wrong type), naming the field."""
        ...


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A whole number from `least` to `most`."""

    least: int = 0
    most: int = canonical.MAX_INTEGER

    def load(self, value: object, name: str) -> int:
        """The number; E_TYPE for anything else, E_FIELD outside the bounds."""
        if type(value) is not int:
            raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
        if not self.least <= value <= self.most:
            raise Malformed("E_FIELD", field=name, problem=f"{value} is not in {self.least}..{self.most}")
        return value


@dataclass(frozen=True, slots=True)
class Bytes:
    """A byte string whose length is one of `sizes`, or at most `most` when no sizes are listed."""

    sizes: tuple[int, ...] = ()
    most: int = canonical.MAX_LENGTH

    def load(self, value: object, name: str) -> bytes:
        """The bytes; E_TYPE for anything else, E_FIELD for a wrong length."""
        if type(value) is not bytes:
            raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
        if (self.sizes and len(value) not in self.sizes) or len(value) > self.most:
            raise Malformed("E_FIELD", field=name, problem=f"{len(value)} bytes long")
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """Text of at most `most_bytes` bytes of UTF-8 in normal form C."""

    most_bytes: int = 64

    def load(self, value: object, name: str) -> str:
        """The text; E_TYPE for anything else, E_FIELD when it is too long."""
        if type(value) is not str:
            raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
        if (
            len(value.encode("utf-8", "surrogatepass")) > self.most_bytes
        ):  # what is no text, `canonical` refuses
            raise Malformed("E_FIELD", field=name, problem=f"longer than {self.most_bytes} bytes")
        return value


@dataclass(frozen=True, slots=True)
class Group:
    """An array of exactly these kinds, in this order: a small tuple."""

    kinds: tuple[Kind, ...]

    def load(self, value: object, name: str) -> tuple[Any, ...]:
        """The tuple; E_TYPE unless an array, E_FIELD for a wrong number of items."""
        if not isinstance(value, list | tuple):
            raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
        if len(value) != len(self.kinds):
            raise Malformed("E_FIELD", field=name, problem=f"{len(value)} items, not {len(self.kinds)}")
        try:
            return tuple([kind.load(item, name) for kind, item in zip(self.kinds, value, strict=True)])
        except Malformed:
            # Once more, to say which item it is: the place is not written out for values that are right.
            for place, (kind, item) in enumerate(zip(self.kinds, value, strict=True)):
                kind.load(item, f"{name}[{place}]")
            raise


@dataclass(frozen=True, slots=True)
class Items:
    """An array of `least` to `most` items of one kind."""

    kind: Kind
    most: int
    least: int = 0
    code: str = "E_COUNT"

    def load(self, value: object, name: str) -> tuple[Any, ...]:
        """The tuple of items; E_TYPE unless an array, E_COUNT for too few or too many."""
        if not isinstance(value, list | tuple):
            raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
        if not self.least <= len(value) <= self.most:
            raise Malformed(self.code, field=name, count=len(value), least=self.least, most=self.most)
        load = self.kind.load
        try:
            return tuple([load(item, name) for item in value])
        except Malformed:
            for place, item in enumerate(value):
                load(item, f"{name}[{place}]")
            raise


HASH = Bytes((32,))
HASH_OR_NONE = Bytes((0, 32))
NONCE = Bytes((16,))
REFERENCE = Bytes((8,))
SIGNATURE = Bytes((64,))
_BODY = Bytes()
AMOUNT = Unsigned(1)
MOMENT = Unsigned()
ALGORITHM = Unsigned(1, 255)
RAW_KEY = Bytes((32, 33))


_NAMES: dict[type, tuple[str, ...]] = {}


def _names(cls: type["Record"]) -> tuple[str, ...]:
    """The names of a record's fields, in wire order; looked up once for each class."""
    names = _NAMES.get(cls)
    if names is None:
        names = _NAMES[cls] = tuple(field.name for field in fields(cls))
    return names


@dataclass(frozen=True, slots=True)
class Record:
    """Base of every signed body. A subclass is a frozen dataclass whose fields stand in wire order, with a SCHEMA."""

    TYPE: ClassVar[int]
    DOMAIN: ClassVar[bytes]
    SCHEMA: ClassVar[tuple[Kind, ...]]

    def values(self) -> tuple[Any, ...]:
        """The fields in wire order."""
        return tuple([getattr(self, name) for name in _names(type(self))])

    def body(self) -> bytes:
        """The canonical bytes of the body, after checking each field against the schema."""
        return canonical.encode(self.checked(self.values()))

    @classmethod
    def checked(cls, values: tuple[Any, ...] | list[Any]) -> tuple[Any, ...]:
        """`values` checked field by field; E_FIELD for a missing or extra field."""
        if len(values) != len(cls.SCHEMA):
            raise Malformed(
                "E_FIELD", field=cls.__name__, problem=f"{len(values)} fields, not {len(cls.SCHEMA)}"
            )
        return tuple(
            [
                kind.load(value, name)
                for kind, value, name in zip(cls.SCHEMA, values, _names(cls), strict=True)
            ]
        )

    @classmethod
    def from_body(cls, body: bytes, limit_bytes: int = canonical.MAX_LENGTH) -> Self:
        """The record in `body`; raises the errors of `canonical.decode`, and E_FIELD, E_TYPE or E_COUNT."""
        values = plain_fields(cls, body) if len(body) <= limit_bytes else None
        if values is None:
            values = cls.checked(canonical.decode_array(body, limit_bytes))
        return cls(*values)

    @classmethod
    def from_values(cls, values: tuple[Any, ...]) -> Self:
        """The record with these fields in wire order, checked."""
        return cls(*cls.checked(values))

    def oid(self, network: bytes) -> bytes:
        """The 32-byte object id in `network`."""
        return object_id(self.DOMAIN, self.TYPE, network, self.body())


# --- quick checks first ---

Plain = Callable[[bytes], tuple[Any, ...] | None]
_PLAIN: dict[type[Record], Plain] = {}
_encode_plain = msgspec.msgpack.Encoder().encode


def plain_fields(cls: type[Record], body: bytes) -> tuple[Any, ...] | None:
    """The checked fields of a body that is plainly right, or None for any other: `Record.checked` judges that one.

    A body is plainly right when a decoder made from the class's schema takes it, types, ranges and lengths included,
    and encoding the values gives the same bytes again. Then `canonical.decode` and `Record.checked` would give the
    same fields, so this is a faster way to the same answer and never another one. Nothing is refused here.
    """
    plain = _PLAIN.get(cls)
    if plain is None:
        plain = _PLAIN[cls] = plain_reader(tuple(cls.SCHEMA))
    return plain(body)


def plain_reader(schema: tuple[Kind, ...]) -> Plain:
    """A quick reader of arrays of these kinds: their immutable values, or None when they are not plainly right."""
    types = [_plain_type(kind) for kind in schema]
    if any(found is None for found in types):
        return lambda body: None
    decode = msgspec.msgpack.Decoder(tuple[tuple(types)]).decode  # type: ignore[misc]
    # A length of 0 or 32 is no range, so it is asked for afterwards.
    either = [(place, kind.sizes) for place, kind in enumerate(schema) if _has_gap(kind)]

    def read(body: bytes) -> tuple[Any, ...] | None:
        try:
            values: tuple[Any, ...] = decode(body)
        except (msgspec.DecodeError, RecursionError):
            return None
        if _encode_plain(values) != body or any(len(values[place]) not in sizes for place, sizes in either):
            return None
        return values

    return read


def _has_gap(kind: Kind) -> TypeGuard[Bytes]:
    return (
        isinstance(kind, Bytes)
        and bool(kind.sizes)
        and len(kind.sizes) != max(kind.sizes) - min(kind.sizes) + 1
    )


def _plain_type(kind: Kind) -> Any:
    """The type that lets through just what `kind` does (and lengths in a gap of it); None when there is none."""
    if isinstance(kind, Unsigned):
        return Annotated[int, msgspec.Meta(ge=kind.least, le=kind.most)]
    if isinstance(kind, Bytes):
        least, most = (min(kind.sizes), max(kind.sizes)) if kind.sizes else (0, kind.most)
        return Annotated[bytes, msgspec.Meta(min_length=least, max_length=min(most, kind.most))]
    if isinstance(kind, Group):
        types = [None if _has_gap(item) else _plain_type(item) for item in kind.kinds]
        return None if None in types else tuple[tuple(types)]  # type: ignore[misc]
    if isinstance(kind, Items):
        one = None if _has_gap(kind.kind) else _plain_type(kind.kind)
        length = msgspec.Meta(min_length=kind.least, max_length=kind.most)
        return None if one is None else Annotated[tuple[one, ...], length]  # type: ignore[valid-type]
    # Text and kinds of other modules are judged by their own words.
    return None


def object_id(domain: bytes, type: int, network: bytes, body: bytes) -> bytes:
    """SHA-256(domain || type || network || body), 32 bytes."""
    return hashlib.sha256(domain + bytes([type]) + network + body).digest()


def signing_message(domain: bytes, type: int, oid: bytes) -> bytes:
    """domain || "sig\\0" || type || object id: the bytes a key signs (55 for an offline object)."""
    return domain + b"sig\0" + bytes([type]) + oid


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Signed(Generic[R]):
    """A record with one signature: well-formed, and **not yet verified** until `verify` returns."""

    record: R
    body: bytes
    signature: bytes
    oid: bytes

    def verify(self, key: PublicKey) -> None:
        """Return if the signature is `key`'s over this object; raise E_SIG otherwise."""
        key.verify(self.signature, signing_message(self.record.DOMAIN, self.record.TYPE, self.oid))

    def envelope(self) -> list[int | bytes]:
        """`[type, body, signature]`, to be put into a container."""
        return [self.record.TYPE, self.body, self.signature]

    def encode(self) -> bytes:
        """The canonical bytes of the envelope."""
        return canonical.encode(self.envelope())


def sign(record: R, network: bytes, signer: Signer) -> Signed[R]:
    """`record` signed for `network`."""
    body = record.body()
    oid = object_id(record.DOMAIN, record.TYPE, network, body)
    return Signed(record, body, signer.sign(signing_message(record.DOMAIN, record.TYPE, oid)), oid)


def open_envelope(envelope: object, cls: type[R], network: bytes) -> Signed[R]:
    """The signed record in a decoded `[type, body, signature]` (or its canonical bytes), structure checked only.

    Raises E_OBJTYPE when the type is not `cls`'s, E_FIELD for a wrong shape, and the errors of `Record.from_body`.
    """
    if type(envelope) is bytes:
        envelope = canonical.decode(envelope)
    if not isinstance(envelope, list | tuple):
        raise Malformed("E_TYPE", type=type(envelope).__name__)
    if len(envelope) != 3:
        raise Malformed("E_FIELD", field="envelope", problem=f"{len(envelope)} items, not 3")
    type_number, body, signature = envelope
    if type(type_number) is not int:
        raise Malformed("E_TYPE", type=f"type: {type(type_number).__name__}")
    if type_number != cls.TYPE:
        raise Malformed("E_OBJTYPE", type=type_number, expected=cls.TYPE)
    if type(body) is not bytes or type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
        _BODY.load(body, "body")
        SIGNATURE.load(signature, "signature")
    record, oid = _opened(cls, body, network)
    return Signed(record, body, signature, oid)


_remembered: dict[tuple[type[Record], bytes, bytes], tuple[Any, bytes]] = {}
_MOST = [0]


def remember_opened(most: int) -> None:
    """From now on this process remembers the last `most` bodies that it opened (0: none, as at the beginning).

    What a body says is a pure function of its bytes. A process that plays many devices opens the same body at each of
    them; a process that measures one device asks for the whole work, and does not call this.
    """
    _MOST[0] = most
    _remembered.clear()


def _opened(cls: type[R], body: bytes, network: bytes) -> tuple[R, bytes]:
    most = _MOST[0]
    if not most:
        return cls.from_body(body), object_id(cls.DOMAIN, cls.TYPE, network, body)
    question = (cls, body, network)
    found = _remembered.get(question)
    if found is None:
        found = (cls.from_body(body), object_id(cls.DOMAIN, cls.TYPE, network, body))
        if len(_remembered) >= most:
            for old in list(islice(_remembered, most // 2 + 1)):
                _remembered.pop(old, None)
        _remembered[question] = found
    return found


def open_part(envelope: object, cls: type[R], network: bytes) -> Signed[R]:
    """The signed record in an envelope that is part of a container: an array, and never a byte string of its bytes.

    Else one container would have two forms. Raises E_TYPE, and what `open_envelope` raises.
    """
    if type(envelope) is bytes:
        raise Malformed("E_TYPE", type="envelope: bytes")
    return open_envelope(envelope, cls, network)
