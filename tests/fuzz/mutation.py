"""Mutations that know what they change: values inside containers inside envelopes, signed again by whoever holds a key.

A message of DTO/1 is a canonical array; some of its byte strings are canonical arrays themselves. `Mutator` opens all
of them, changes a few places (a number at an edge, a byte string of another length, a list with an item too many, a
part of another message), and packs everything again. Half of the time it then plays an opened device: changed bodies
of keys it holds are signed again, and the transfers of a line are linked again, so that a change reaches the rules
behind the signature. Sometimes it packs a value in a longer form, or bends raw bytes.

The same dice give the same mutation.
"""

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgpack

from cbdc.keys import SoftwareKey
from cbdc.record import OFFLINE_DOMAIN, object_id, signing_message

MAX_BYTES = 1 << 17
MAX_LEVELS = 24

NUMBERS = (
    0,
    1,
    2,
    7,
    8,
    23,
    24,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2**32 - 1,
    2**32,
    2**53 - 1,
    2**53,
    2**64 - 1,
)
STRANGERS: tuple[Any, ...] = (None, True, False, 1.0, -1, "", "tenge", "e\u0301", {}, {1: 2}, b"", [], [[]])

_LENGTHS = (0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256)
_TRANSFER, _CERTIFICATE, _NOTE = 5, 3, 4
# Which field of a body names the key that signs it.
_SIGNED_BY_FIELD = {_TRANSFER: 4, 6: 0, 7: 0, 8: 0}


class Inner(list[Any]):
    """An array that travels as a byte string."""


class Keyring:
    """The private keys of a test world: who signs what, and whether a signature is the one its owner would make.

    Keys of `honest` devices never sign a mutated body; everybody else has been opened.
    """

    def __init__(
        self, network: bytes, roles: dict[int, Sequence[SoftwareKey]], devices: Sequence[SoftwareKey]
    ) -> None:
        self.network = network
        self._roles = roles
        self._devices = {key.public.kid: key for key in devices}
        self.honest: set[bytes] = set()

    def signers(self, type: int, fields: Sequence[Any]) -> list[SoftwareKey]:
        """The keys that may have signed an object of this type with these fields."""
        place = _SIGNED_BY_FIELD.get(type)
        if place is None:
            return list(self._roles.get(type, ()))
        owner = fields[place] if len(fields) > place else b""
        return [self._devices[owner]] if type_is(owner, bytes) and owner in self._devices else []

    def sign(self, type: int, body: bytes, fields: Sequence[Any]) -> bytes | None:
        """The owner's signature over a body, if the owner has been opened."""
        keys = self.signers(type, fields)
        if not keys or keys[0].public.kid in self.honest:
            return None
        return self._over(keys[0], type, body)

    def _over(self, key: SoftwareKey, type: int, body: bytes) -> bytes:
        oid = object_id(OFFLINE_DOMAIN, type, self.network, body)
        return key.sign(signing_message(OFFLINE_DOMAIN, type, oid))

    def vouches(self, type: int, body: bytes, signature: bytes) -> bool:
        """Whether a key of this world makes just this signature (signing is deterministic)."""
        fields = opened(body)
        return type_is(fields, list) and any(
            self._over(key, type, body) == signature for key in self.signers(type, fields)
        )


def type_is(value: object, kind: type) -> bool:
    """Whether `value` is of exactly this type (True is no number)."""
    return type(value) is kind


# --- opening and packing ---


def opened(data: bytes, depth: int = 0) -> Any:
    """The value in `data` with its inner arrays open; None when it is no MessagePack."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, OverflowError, msgpack.UnpackException):
        return None
    return _open_inside(value, depth)


def _open_inside(value: Any, depth: int, level: int = 0) -> Any:
    if isinstance(value, list):
        # What nests deeper than anybody accepts is left to mutations of bytes.
        return [_open_inside(item, depth, level + 1) for item in value] if level < MAX_LEVELS else []
    if (
        type_is(value, bytes)
        and len(value) > 1
        and depth < 3
        and (value[0] >> 4 == 9 or value[0] in (0xDC, 0xDD))
    ):
        inside = opened(value, depth + 1)
        if type_is(inside, list) and packed(inside) == value:
            return Inner(inside)
    return value


def packed(value: Any) -> bytes:
    """The bytes of a value whose inner arrays are open."""
    data: bytes = msgpack.packb(_closed(value), use_bin_type=True)
    return data


def _closed(value: Any) -> Any:
    if type_is(value, Inner):
        return packed(list(value))
    if isinstance(value, list):
        return [_closed(item) for item in value]
    return value


def places(tree: list[Any]) -> Iterator[tuple[list[Any], int]]:
    """Every place of a tree, as (list, index)."""
    for index, item in enumerate(tree):
        yield tree, index
        if isinstance(item, list):
            yield from places(item)


# --- changing ---


class Mutator:
    """Changes messages; `donors` are whole messages from which parts are borrowed.

    `finish` may mend what a carrier would mend (the CRC of a frame) or choose fresh ids, before the value is packed.
    """

    def __init__(
        self,
        keyring: Keyring | None = None,
        donors: Sequence[bytes] = (),
        finish: Callable[[list[Any], random.Random], None] | None = None,
    ) -> None:
        self._keyring = keyring
        self._finish = finish
        self._parts: list[Any] = []
        for donor in donors:
            tree = opened(donor)
            if isinstance(tree, list):
                self._parts += [inside[index] for inside, index in places(tree)]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Other bytes, made from `data`."""
        try:
            made = self._mutated(data, dice)
        except (ValueError, TypeError, OverflowError, RecursionError):
            made = _bent(data, dice)  # what became unpackable on the way
        return made[:MAX_BYTES]

    def _mutated(self, data: bytes, dice: random.Random) -> bytes:
        tree = opened(data)
        if not isinstance(tree, list) or not tree or dice.random() < 0.08:
            return _bent(data, dice)
        # The envelopes themselves are kept too, so that no new one gets the id of an old one.
        before = {id(item): (item, packed(item)) for item in _envelopes(tree)}
        for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))):
            self._change(tree, dice)
        if dice.random() < 0.6:
            self._mend(tree, {name: was for name, (_, was) in before.items()}, dice)
        if self._finish is not None:
            self._finish(tree, dice)
        made = packed(tree)
        made = _bent(made, dice) if dice.random() < 0.05 else made
        return _longer_form(made, dice) if dice.random() < 0.02 else made

    def _change(self, tree: list[Any], dice: random.Random) -> None:
        found = list(places(tree))
        if not found:
            return
        inside, index = dice.choice(found)
        kind = dice.randrange(16)
        if kind == 0:
            del inside[index]
        elif kind == 1:
            inside.insert(index, _copy(inside[index]))
        elif kind == 2:
            other = dice.randrange(len(inside))
            inside[index], inside[other] = inside[other], inside[index]
        elif kind == 3:
            inside[index] = _copy(dice.choice(STRANGERS))
        elif kind in (4, 5, 6) and self._parts:
            inside[index] = self._donated(inside[index], dice)
        elif kind == 7 and isinstance(inside[index], list):
            inside[index] = type(inside[index])(inside[index] * dice.choice((2, 3, 9, 25)))[:5_000]
        else:
            inside[index] = _other(inside[index], dice)

    def _donated(self, value: Any, dice: random.Random) -> Any:
        for _ in range(12):
            part = dice.choice(self._parts)
            alike = type(part) is type(value) and (not type_is(value, bytes) or len(part) == len(value))
            if alike or dice.random() < 0.05:
                return _copy(part)
        return value

    def _mend(self, tree: list[Any], before: dict[int, bytes], dice: random.Random) -> None:
        if self._keyring is None:
            return
        if dice.random() < 0.6:
            for token in _tokens(tree):
                self._relink(token)
        for envelope in _envelopes(tree):
            if before.get(id(envelope)) != packed(envelope):
                self._sign(envelope)

    def _relink(self, token: list[Any]) -> None:
        # Each transfer of a line follows on the object before it: an opened device would see to that.
        assert self._keyring is not None
        previous = token[0]
        for envelope in token[1]:
            if not (is_envelope(previous) and is_envelope(envelope) and type_is(envelope[1], Inner)):
                return
            if len(envelope[1]) < 2 or not type_is(previous[0], int) or not 0 <= previous[0] <= 255:
                return
            body = packed(list(previous[1])) if type_is(previous[1], Inner) else previous[1]
            oid = object_id(OFFLINE_DOMAIN, previous[0], self._keyring.network, body)
            if envelope[1][1] != oid:
                envelope[1][1] = oid
                self._sign(envelope)
            previous = envelope

    def _sign(self, envelope: list[Any]) -> None:
        assert self._keyring is not None
        type_number, fields, _ = envelope
        if type_is(fields, Inner) and type_is(type_number, int) and 0 <= type_number <= 255:
            signature = self._keyring.sign(type_number, packed(list(fields)), fields)
            if signature is not None:
                envelope[2] = signature


def is_envelope(value: Any) -> bool:
    """Whether a value looks like `[type, body, signature]`."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and type_is(value[0], int)
        and isinstance(value[1], Inner)
        and type_is(value[2], bytes)
    )


def _envelopes(tree: Any) -> list[list[Any]]:
    found: list[list[Any]] = []
    if is_envelope(tree):
        found.append(tree)
    if isinstance(tree, list):
        for item in tree:
            found += _envelopes(item)
    return found


def _tokens(tree: Any) -> list[list[Any]]:
    found: list[list[Any]] = []
    if isinstance(tree, list):
        if len(tree) == 2 and is_envelope(tree[0]) and tree[0][0] == _NOTE and isinstance(tree[1], list):
            found.append(tree)
        for item in tree:
            found += _tokens(item)
    return found


def _copy(value: Any) -> Any:
    return type(value)(_copy(item) for item in value) if isinstance(value, list) else value


def _other(value: Any, dice: random.Random) -> Any:
    if type_is(value, int):
        near = (value + 1, value - 1, value ^ 1 << dice.randrange(54), value * 2, value // 2)
        return dice.choice((*NUMBERS, *near, *near))
    if type_is(value, str):
        return dice.choice(("", value + "x", value[1:], "x" * 300))
    if type_is(value, bytes):
        return _other_bytes(value, dice)
    if isinstance(value, list):
        if dice.random() < 0.3:
            # An array where its bytes belong, or its bytes where the array belongs.
            return list(value) if type_is(value, Inner) else Inner(value)
        items = list(value)
        dice.shuffle(items)
        return type(value)(items[: dice.randint(0, len(items))] if dice.random() < 0.5 else items)
    return dice.choice(NUMBERS)


def _other_bytes(value: bytes, dice: random.Random) -> bytes:
    kind = dice.randrange(6)
    if kind == 0:
        return bytes(len(value))
    if kind == 1:
        return dice.randbytes(dice.choice(_LENGTHS))
    if kind == 2:
        return value[:-1] if dice.random() < 0.5 else value + b"\0"
    if kind == 3:
        return dice.randbytes(len(value))
    return _flipped(value, dice)


def _flipped(data: bytes, dice: random.Random) -> bytes:
    if not data:
        return b"\0"
    changed = bytearray(data)
    place = dice.randrange(len(changed))
    changed[place] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _bent(data: bytes, dice: random.Random) -> bytes:
    # Raw bytes: what knows no structure finds what structure hides.
    changed = bytearray(data or b"\0")
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(changed) + 1)
        kind = dice.randrange(5)
        if kind == 0:
            changed[place:place] = dice.randbytes(dice.randint(1, 8))
        elif kind == 1:
            del changed[place : place + dice.randint(1, 9)]
        elif kind == 2 and place < len(changed):
            changed[place] = dice.randrange(256)
        elif kind == 3:
            start = dice.randrange(len(changed) + 1)
            changed[place : place + 16] = changed[start : start + 16]
        elif place < len(changed):
            changed[place] ^= 1 << dice.randrange(8)
    return bytes(changed[:MAX_BYTES])


def _longer_form(data: bytes, dice: random.Random) -> bytes:
    # A short number or array head, written in more bytes than it needs: the same value in another form.
    spots = [place for place, byte in enumerate(data) if byte < 0x10 or byte >> 4 == 9]
    if not spots:
        return data
    place = dice.choice(spots)
    byte = data[place]
    longer = b"\xcc" + bytes([byte]) if byte < 0x10 else b"\xdc\0" + bytes([byte & 15])
    return data[:place] + longer + data[place + 1 :]


def mended_frame(data: bytes) -> bytes:
    """A frame with the CRC that belongs to its bytes."""
    return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "big")
