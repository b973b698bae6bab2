"""BUNDLE: certificates and lines of money in one container, and how it is opened, strictly or quickly.

    [1, [DEVCERT envelope...], [[NOTE envelope, [TRANSFER envelope...]]...]]

A bundle is unsigned, because each part of it is signed. What is plainly right is read by a typed reader made from the
records' own schemas; everything else goes through the strict path, which names what is wrong with it.

Source: DTO/1, sections 5.4 and 5.6 (V0 to V2).
"""

from dataclasses import dataclass
from typing import Any

from cbdc import canonical
from cbdc.errors import Malformed
from cbdc.record import (
    SIGNATURE,
    Bytes,
    Group,
    Items,
    R,
    Signed,
    Unsigned,
    object_id,
    open_part,
    plain_fields,
    plain_reader,
)
from offline.records import (
    CONTAINER_VERSION,
    MAX_CERTIFICATES,
    MAX_TOKENS,
    MAX_TRANSFERS,
    DeviceCertificate,
    Note,
    SignedTransfer,
    Transfer,
)


@dataclass(frozen=True, slots=True)
class HeldToken:
    """A note and the straight line of transfers that leads from it: the provenance of one purse slot."""

    note: Signed[Note]
    transfers: tuple[SignedTransfer, ...]

    @property
    def tip(self) -> bytes:
        """The id of the last object on the line: the transfer if there is one, the note otherwise."""
        return self.transfers[-1].oid if self.transfers else self.note.oid

    def envelope(self) -> list[Any]:
        """`[note envelope, [transfer envelope...]]`."""
        return [self.note.envelope(), [transfer.envelope() for transfer in self.transfers]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """BUNDLE: certificates once each, and tokens with their lines; unsigned, because each part is signed."""

    certificates: tuple[Signed[DeviceCertificate], ...]
    tokens: tuple[HeldToken, ...]

    def encode(self) -> bytes:
        """The canonical bytes `[1, certificates, tokens]`."""
        return canonical.encode(
            [
                CONTAINER_VERSION,
                [certificate.envelope() for certificate in self.certificates],
                [token.envelope() for token in self.tokens],
            ]
        )


def open_bundle(data: bytes, network: bytes, limit_bytes: int) -> Bundle:
    """Steps V0 to V2 of the receiver's verification: size, decoding, version, counts, structure.

    Raises E_SIZE, the decoding errors, E_VERSION, E_COUNT, E_OBJTYPE, E_FIELD, E_TYPE.
    """
    plain = read_plain_bundle(data) if len(data) <= limit_bytes else None
    opened = _open_plain(plain, network) if plain is not None else None
    return _open_bundle(data, network, limit_bytes) if opened is None else opened


def _open_plain(values: tuple[Any, ...], network: bytes) -> Bundle | None:
    """A bundle whose every part is plainly right (`cbdc.record.plain_fields`); None for any other."""
    certificates = [_open_plain_part(item, DeviceCertificate, network) for item in values[1]]
    tokens = []
    for note, transfers in values[2]:
        opened = _open_plain_part(note, Note, network)
        steps = [_open_plain_part(item, Transfer, network) for item in transfers]
        if opened is None or None in steps:
            return None
        tokens.append(HeldToken(opened, tuple(steps)))  # type: ignore[arg-type]
    return None if None in certificates else Bundle(tuple(certificates), tuple(tokens))  # type: ignore[arg-type]


def _open_plain_part(envelope: tuple[int, bytes, bytes], cls: type[R], network: bytes) -> Signed[R] | None:
    type_number, body, signature = envelope
    values = plain_fields(cls, body) if type_number == cls.TYPE else None
    if values is None:
        return None
    return Signed(cls(*values), body, signature, object_id(cls.DOMAIN, cls.TYPE, network, body))


def _open_bundle(data: bytes, network: bytes, limit_bytes: int) -> Bundle:
    values = canonical.decode_array(data, limit_bytes)
    if len(values) != 3:
        raise Malformed("E_FIELD", field="bundle", problem=f"{len(values)} items, not 3")
    version, certificates, tokens = values
    if version != CONTAINER_VERSION or type(version) is not int:
        raise Malformed("E_VERSION", version=str(version)[:20], expected=CONTAINER_VERSION)
    certificate_list = _array(certificates, "certificates", 0, MAX_CERTIFICATES)
    token_list = _array(tokens, "tokens", 1, MAX_TOKENS)
    return Bundle(
        tuple(open_part(item, DeviceCertificate, network) for item in certificate_list),
        tuple(_open_token(item, network) for item in token_list),
    )


def _open_token(item: object, network: bytes) -> HeldToken:
    pair = _array(item, "token", 2, 2)
    transfers = _array(pair[1], "transfers", 0, MAX_TRANSFERS)
    return HeldToken(
        open_part(pair[0], Note, network),
        tuple(open_part(transfer, Transfer, network) for transfer in transfers),
    )


def _array(value: object, name: str, least: int, most: int) -> list[Any]:
    if type(value) is not list:
        raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
    if not least <= len(value) <= most:
        raise Malformed("E_COUNT", field=name, count=len(value), least=least, most=most)
    return value


# Envelopes as they stand in containers, for quick readers of what is plainly right.
ENVELOPE = Group((Unsigned(0, 127), Bytes(), SIGNATURE))
VERSION = Unsigned(CONTAINER_VERSION, CONTAINER_VERSION)
read_plain_bundle = plain_reader(
    (
        VERSION,
        Items(ENVELOPE, MAX_CERTIFICATES),
        Items(Group((ENVELOPE, Items(ENVELOPE, MAX_TRANSFERS))), MAX_TOKENS, 1),
    )
)
