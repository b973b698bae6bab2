"""What an evidence file carries: its AUTHs, and who signed what (5.10, "The file")."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from . import keys
from .mpc import Value, as_bytes, as_int, as_list
from .objects import (
    DEVCERT,
    INVOICE,
    NOTE,
    SYNC_REQ,
    TRANSFER,
    Obj,
    network_of,
    open_auth,
    open_body,
    open_item,
)
from .pieces import vouch_certificate, vouch_note
from .refusal import Refusal, need
from .trust import BANK_CA, ISSUER, find, of_role

BAD = "E_EVIDENCE"
_OWNERS = {TRANSFER: "payer", INVOICE: "payee", SYNC_REQ: "kid"}


@dataclass(frozen=True)
class Verdict:
    """(type, key id, device id, amount in tiyn) (5.10)."""

    type: int
    kid: bytes
    device_id: bytes
    amount_tiyn: int

    def as_dict(self) -> dict[str, int | str]:
        """In the form of the vectors (8)."""
        kid, device = self.kid.hex(), self.device_id.hex()
        return {"type": self.type, "kid": kid, "device_id": device, "amount_tiyn": self.amount_tiyn}


class Papers:
    """ROOT and the AUTHs of one file."""

    def __init__(self, root: Obj, auths: list[Value]) -> None:
        """1 to 4 AUTHs, each opened as 5.2 says (5.10)."""
        need(1 <= len(auths) <= 4, BAD)
        self.root = root
        self.network = network_of(root.body)
        self.auths = [open_auth(item, root) for item in auths]

    def bank(self, certificate: Obj) -> Obj:
        """A DEVCERT's bank, when the DEVCERT is V3 under it (5.10)."""
        at = certificate.num("not_before")
        bank = find(self.auths, BANK_CA, certificate.raw("ca_reference"), at)
        if bank is None:
            raise Refusal(BAD, "no bank")
        vouch_certificate(certificate, bank)
        return bank

    def issuer(self, note: Obj) -> Obj:
        """A NOTE's issuer, when the NOTE is V4 under it (5.10)."""
        issuer = find(self.auths, ISSUER, note.raw("issuer_reference"), note.num("issued"))
        if issuer is None:
            raise Refusal(BAD, "no issuer")
        vouch_note(note, issuer)
        return issuer

    def office(self, obj: Obj, role: int) -> Obj:
        """*Signed by SETTLE* (STATUS, LEDGER) (5.10); gives the object."""
        need(any(obj.signed_by(a) for a in of_role(self.auths, role, obj.num("time"))), BAD)
        return obj

    def open(self, item: Value, kind: int) -> Obj:
        """An envelope of the file."""
        return open_item(item, kind, self.network)

    def body(self, item: Value, kind: int) -> Obj:
        """A body of the file."""
        return open_body(as_bytes(item), kind, self.network)

    def note(self, item: Value) -> Obj:
        """A NOTE envelope."""
        return self.open(item, NOTE)

    def device(self, item: Value) -> Device:
        """The file's DEVCERT."""
        certificate = self.open(item, DEVCERT)
        self.bank(certificate)
        return Device(self, certificate)


class Device:
    """The device that the file names."""

    def __init__(self, papers: Papers, certificate: Obj) -> None:
        """The certificate is V3 already (5.10)."""
        self.papers = papers
        self.certificate = certificate
        self.kid = certificate.key_id()

    def signed(self, item: Value, kind: int) -> Obj:
        """*Signed by the device* (5.10)."""
        obj = self.papers.open(item, kind)
        need(obj.raw(_OWNERS[kind]) == self.kid, BAD)
        need(obj.signed_by(self.certificate), BAD)
        return obj

    def either(self, item: Value, *kinds: int) -> Obj:
        """An envelope of one of several types, signed by the device."""
        return self.signed(item, kind_of(item, *kinds))

    def genesis(self) -> bytes:
        """The genesis link of the device's chain (5.4, TRANSFER)."""
        return hashlib.sha256(keys.DST + b"genesis\0" + self.kid).digest()

    def verdict(self, kind: int, amount: int) -> Verdict:
        """The verdict that names this device."""
        return Verdict(kind, self.kid, self.certificate.raw("device_id"), amount)


def kind_of(item: Value, *kinds: int) -> int:
    """Which of these types an envelope says it has."""
    parts = as_list(item)
    need(bool(parts), BAD)
    kind = as_int(parts[0])
    need(kind in kinds, BAD)
    return kind


def exactly(items: list[Value], *counts: int) -> list[Value]:
    """The number of items is exact (5.10); the type is not among them."""
    need(len(items) in counts, BAD)
    return items


def total(transfer: Obj) -> int:
    """The sum of a transfer's outputs."""
    return sum(amount for amount, _ in transfer.outputs())


def purse_of(statement: Obj) -> dict[tuple[bytes, int], int]:
    """The slots of a SYNC_REQ; of one that is listed twice the first counts (5.10, E3, form 2)."""
    slots: dict[tuple[bytes, int], int] = {}
    for entry in statement.seq("purse"):
        slot = as_list(entry)
        slots.setdefault((as_bytes(slot[0]), as_int(slot[1])), as_int(slot[2]))
    return slots


def leaf(data: bytes) -> bytes:
    """The hash of a leaf (RFC 6962)."""
    return hashlib.sha256(b"\0" + data).digest()


def included(node: bytes, place: int, size: int, path: list[bytes], root: bytes) -> bool:
    """An inclusion proof (RFC 9162, 2.1.3.2)."""
    if place >= size:
        return False
    first, last = place, size - 1
    for step in path:
        if last == 0:
            return False
        if first % 2 == 1 or first == last:
            node = hashlib.sha256(b"\1" + step + node).digest()
            while first % 2 == 0 and first:
                first, last = first >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + step).digest()
        first, last = first >> 1, last >> 1
    return last == 0 and node == root


def hashes(value: Value) -> list[bytes]:
    """The hashes of a path: an array of 32 bytes each."""
    path = [as_bytes(item) for item in as_list(value)]
    need(all(len(item) == 32 for item in path), BAD)
    return path


__all__ = [
    "BAD",
    "Device",
    "Papers",
    "Verdict",
    "exactly",
    "hashes",
    "included",
    "kind_of",
    "leaf",
    "purse_of",
    "total",
]
