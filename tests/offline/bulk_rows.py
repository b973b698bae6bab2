"""Rows without files: objects of a game as the bulk derivation takes them, and a shelf that reads them from memory."""

from typing import Any

from cbdc.record import Signed
from offline.bulk.forest import Forest
from offline.bulk.rows import ROW, Row
from offline.bulk.shelf import Shelf
from offline.graph import Rules
from offline.intake import device_of
from offline.records import DeviceCertificate, Invoice, Note, SyncRequest, Transfer
from tests.offline import fakes

_NONE = bytes(32)


class Memory:
    """Objects by a made-up place; `row` packs one, `fetch` reads it again."""

    def __init__(self) -> None:
        self.objects: list[Signed[Any]] = []

    def fetch(self, kind: int, file: int, offset: int, length: int) -> Signed[Any]:
        found = self.objects[offset]
        assert (kind, file, length) == (found.record.TYPE, 0, len(found.body))
        return found

    def row(self, signed: Signed[Any], arrived: int) -> tuple[Row, bytes]:
        """The row of an object, through the packed form."""
        self.objects.append(signed)
        record = signed.record
        nothing: tuple[Any, ...] = (_NONE, _NONE, _NONE, 0, 0, 0, 0, 0, 0, 0, _NONE, 0, _NONE)
        rest: tuple[Any, ...] = (*nothing, 0, 0)
        kid = device_of(record)
        if isinstance(record, Transfer):
            amount, owner = record.outputs[0]
            change, change_owner = record.outputs[1] if len(record.outputs) == 2 else (0, _NONE)
            rest = (
                record.previous, record.link, record.reference, record.kind, record.index, len(record.outputs),
                record.hop, record.length, record.purpose, amount, owner, change, change_owner, record.counter,
                record.spend_by,
            )  # fmt: skip
        elif isinstance(record, Note):
            kid = record.owner
            rest = (
                _NONE, _NONE, _NONE, 0, 0, 1, record.max_hops, record.max_length, record.purpose, record.amount_tiyn,
                record.owner, 0, _NONE, record.redeem_by, record.spend_by,
            )  # fmt: skip
        elif isinstance(record, DeviceCertificate):
            kid = record.kid
        elif isinstance(record, Invoice):
            rest = (*nothing, record.invoice_number, 0)
        elif isinstance(record, SyncRequest):
            rest = (*nothing, record.counter, 0)
        head = (record.TYPE, 0, signed.oid, signed.signature, 0, len(self.objects) - 1, len(signed.body))
        raw = ROW.pack(*head, arrived, kid, *rest)
        return ROW.unpack(raw), raw


def forest(rules: Rules | None = None, grace_seconds: int = fakes.GRACE) -> tuple[Forest, Memory]:
    """An empty forest with an open registry, over objects in memory."""
    memory = Memory()
    return Forest(Shelf(memory.fetch), rules or fakes.rules(), grace_seconds), memory
