"""A payer with money and a payee, as bare elements: what most tests of elements start from."""

from typing import Any

import pytest

from cbdc.errors import Refused
from cbdc.keys import ES256, SoftwareKey
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import MERCHANT
from offline.purse import Caps
from offline.records import Invoice, Outpoint, Receipt, SignedTransfer
from tests.offline.bench import Bench
from tests.offline.world import NOW

CAPS = Caps(5, 12)


def refused(code: str) -> Any:
    return pytest.raises(Refused, match=f"^{code}:")


class Shop:
    """A payer with one note of 5,000 tenge and a payee, as bare elements."""

    def __init__(self, algorithm: int = ES256, **payer_fields: Any) -> None:
        self.bench = Bench("element", algorithm)
        self.world = self.bench.world
        self.payer = self.bench.element("payer", **payer_fields)
        self.payee = self.bench.element("payee", category=MERCHANT)
        self.note = self.bench.note(self.payer.kid, tenge(5_000))
        self.payer.load(self.note, NOW)
        self.pick = Outpoint(self.note.oid, 0)

    def invoice(self, amount: int = tenge(1_000), id: bytes = b"one", **fields: Any) -> Signed[Invoice]:
        values = {
            "purpose": 0,
            "expires": NOW + 600,
            "max_parts": 8,
            "max_bytes": 24_000,
            "offer": b"",
            "memo": b"",
            "now": NOW,
        }
        return self.payee.invoice(id, amount, **{**values, **fields})

    def pay(self, invoice: Signed[Invoice], *picks: Outpoint, now: int = NOW) -> tuple[SignedTransfer, ...]:
        return self.payer.pay(invoice, self.payee.certificate, picks or (self.pick,), now)

    def accept(
        self, invoice: Signed[Invoice], transfers: tuple[SignedTransfer, ...], now: int = NOW
    ) -> Signed[Receipt]:
        caps = [CAPS] * len(transfers)
        return self.payee.accept(invoice.oid, transfers, caps, self.payer.certificate, now)


def forged(shop: Shop, **fields: Any) -> Signed[Invoice]:
    """An invoice of the payee's key with any fields: what an opened payee could make."""
    key = SoftwareKey(ES256, shop.bench.entropy.bytes("element.key", b"payee"))
    return shop.world.make_invoice(key, **{"amount_tiyn": tenge(1_000), **fields})
