"""Real elements and devices in the test world, and a settlement that acknowledges what it is told to.

bench = Bench()
ayan, shop = bench.device("ayan"), bench.device("shop", category=MERCHANT)
bench.load(ayan, tenge(5_000))
bench.hand_over(ayan, shop, tenge(1_000))
bench.sync(ayan)
"""

from typing import Any

from cbdc.keys import ES256
from cbdc.ports import SeededEntropy
from cbdc.record import Signed
from cbdc.token import PERSON
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.host_store import HostStore, MemoryHostStore
from offline.journal import Journal, MemoryJournal
from offline.records import (
    TIER_SE,
    Invoice,
    Note,
    Receipt,
    RedeemOrder,
    SyncAck,
    SyncRequest,
)
from tests.offline.world import NOW, World

DAY = 86_400


class Bench:
    """A world with makers of elements and devices; `now` is everybody's clock."""

    def __init__(self, name: str = "bench", algorithm: int = ES256) -> None:
        self.world = World(name)
        self.algorithm = algorithm
        self.now = NOW
        self.entropy = SeededEntropy(7)
        self.journals: dict[str, Journal] = {}
        self.stores: dict[str, HostStore] = {}
        self._ids = 0

    def next_id(self) -> bytes:
        """A request id that was not used before."""
        self._ids += 1
        return self._ids.to_bytes(16, "big")

    def element(
        self,
        name: str,
        journal: Journal | None = None,
        tier: int = TIER_SE,
        category: int = PERSON,
        attacks_allowed: bool = False,
        **fields: Any,
    ) -> SimulatedSecureElement:
        """A provisioned element with deep checks; `fields` override its certificate's."""
        element = self.bare(name, journal, attacks_allowed)
        made = self.world.make_device(
            name,
            algorithm=self.algorithm,
            public_key=element.public_key.raw,
            tier=tier,
            category=category,
            **fields,
        )
        element.provision(self.world.trust, made.certificate)
        return element

    def bare(
        self, name: str, journal: Journal | None = None, attacks_allowed: bool = False
    ) -> SimulatedSecureElement:
        """An element as it leaves the factory, or opened again from the journal of that name."""
        if journal is not None or name not in self.journals:
            self.journals[name] = journal or MemoryJournal()
        return SimulatedSecureElement(
            self.journals[name],
            self.entropy,
            name.encode(),
            self.algorithm,
            attacks_allowed=attacks_allowed,
            deep_checks=True,
        )

    def device(self, name: str, store: HostStore | None = None, **fields: Any) -> Device:
        """A provisioned device with a host store of its own."""
        self.stores[name] = store or MemoryHostStore()
        return Device(self.element(name, **fields), self.stores[name])

    def restart(self, name: str, attacks_allowed: bool = False) -> Device:
        """The device of that name, opened again from its journal and its store."""
        device = Device(self.bare(name, attacks_allowed=attacks_allowed), self.stores[name])
        device.recover(self.now)
        return device

    def note(self, owner: bytes, amount_tiyn: int, **fields: Any) -> Signed[Note]:
        """A note for `owner`; load numbers rise."""
        return self.world.make_note(owner, amount_tiyn, **fields)

    def load(self, device: Device, *amounts_tiyn: int, **fields: Any) -> list[Signed[Note]]:
        """Load notes of these amounts."""
        notes = [self.note(device.kid, amount, **fields) for amount in amounts_tiyn]
        for note in notes:
            device.load(note, self.now)
        return notes

    def invoice(self, payee: Device, amount_tiyn: int, purpose: int = 0) -> Signed[Invoice]:
        """A fresh invoice of `payee`."""
        return payee.invoice(self.next_id(), amount_tiyn, purpose, self.now)

    def hand_over(self, payer: Device, payee: Device, amount_tiyn: int, purpose: int = 0) -> Signed[Receipt]:
        """One whole payment, flow Q."""
        invoice = self.invoice(payee, amount_tiyn, purpose)
        payment = payer.pay(invoice, payee.certificate, self.now)
        receipt = payee.receive(payment, invoice, self.now)
        payer.keep_receipt(receipt)
        return receipt

    def ack(
        self,
        request: Signed[SyncRequest],
        /,
        complete: bool = True,
        signer: Any = None,
        **fields: Any,
    ) -> Signed[SyncAck]:
        """Settlement's answer to `request`; with `complete=False` the baselines are zero."""
        record = request.record
        totals = (record.out_total_tiyn, record.in_total_tiyn, record.out_count, record.in_count)
        base = totals if complete else (0, 0, 0, 0)
        values: dict[str, Any] = {
            "kid": record.kid,
            "sync_number": record.sync_number,
            "request": request.oid,
            "base_out_tiyn": base[0],
            "base_in_tiyn": base[1],
            "base_out_count": base[2],
            "base_in_count": base[3],
            "closed_invoice_number": record.invoice_number,
            "time": self.now,
            "min_trust_sequence": 1,
            "action": 0,
            "drop": (),
            "certificate": b"",
        }
        ack: Signed[SyncAck] = self.world.sign(
            SyncAck(**{**values, **fields}), signer or self.world.settle_key
        )
        return ack

    def sync(self, device: Device, **fields: Any) -> Signed[SyncAck]:
        """A whole sync of `device`."""
        batches = device.sync(self.next_id(), self.now)
        request = batches[-1].sync_request
        assert request is not None
        ack = self.ack(request, **fields)
        device.sync_commit(ack, self.now)
        return ack

    def order(self, kid: bytes, **fields: Any) -> Signed[RedeemOrder]:
        """A bank's redeem order."""
        return self.world.make_redeem_order(kid, **fields)


class Crash(BaseException):
    """The power went: no `except Exception` may hide it."""


class CrashAt:
    """A checkpoint that dies at its `number`-th call (from 1); counts them all."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.count = 0
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        self.count += 1
        self.names.append(name)
        if self.count == self.number:
            raise Crash(name)
