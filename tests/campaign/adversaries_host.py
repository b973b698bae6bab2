"""A2 and A3: hosts that lie to an honest element; A7: a thief with somebody's device. The elements are the real ones.

None of these devices may ever be named guilty: their elements sign nothing that contradicts anything.
"""

from typing import Any

from cbdc.errors import Refused
from cbdc.record import Signed, sign
from offline.bundle import open_bundle
from offline.device import Device
from offline.host_store import MemoryHostStore
from offline.purse import Caps
from offline.records import Invoice, Outpoint, RedeemOrder
from tests.campaign.adversary import Adversary
from tests.campaign.people import Person


class _WithDevice(Adversary):
    """An adversary that holds a real device whose element is honest."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.name = f"{self.ID} device"
        self.field.real(self.name)
        self.since_sync = 0

    @property
    def device(self) -> Device:
        return self.field.people[self.name]

    def replace_host(self, store: MemoryHostStore) -> None:
        """Give the element a host with these rows."""
        self.field.hosts[self.name] = store
        device = Device(self.device.element, store)
        self.field.people[self.name] = self.field.devices[self.name] = device

    def payee(self) -> Person:
        return self.chance.choice(self.field.honest)

    def before(self) -> None:
        """Sync, send money home and take more before limits and purse are used up."""
        self.since_sync += 1
        if self.since_sync % 40 == 0 or len(self.device.status(self.now).purse) > 24:
            self.field.send_home(self.name)
            self.field.sync(self.name)
        if self.field.purse(self.name) < 20_000:
            self.field.take_offline(self.name, *[20_000] * 8)

    def pay(self, payee: Person, amount_tiyn: int = 200) -> tuple[bytes, Signed[Invoice]] | None:
        """A payment of this device; None when the element or the host refuses."""
        self.before()
        invoice = payee.invoice(amount_tiyn, self.now)
        made = self.try_to(lambda: self.device.pay(invoice, payee.certificate, self.now))
        if made is None:
            payee.open.pop(invoice.oid)
            return None
        self.tally.tried -= 1
        return made, invoice


class PayerHost(_WithDevice):
    """A2: puts backups back, turns its clock, asks again, picks what is gone, sends money to itself."""

    ID = "A2"
    WHO = "the payer's host"

    def by_backup(self) -> None:
        """The host's rows from before a payment come back; what they say is unspent is gone in the element."""
        store = self.field.hosts[self.name]
        before = MemoryHostStore()
        before.write(self.device.kid, store.read(self.device.kid))
        held = set(self.device.status(self.now).purse)
        payee, other = self.payee(), self.payee()
        made = self.pay(payee)
        if made is None:
            return
        gone = sorted(held - set(self.device.status(self.now).purse))
        self.replace_host(before)
        invoice = other.invoice(100, self.now)
        self.must_fail(
            lambda: self.device.element.pay(invoice, other.certificate, gone[:1], self.now), "E_OUTPOINT"
        )
        self.tally.tried += 1
        again = self.device.pay(made[1], payee.certificate, self.now)
        ends = [open_bundle(data, self.field.network, len(data)).tokens[-1].tip for data in (made[0], again)]
        assert ends[0] == ends[1], "asked again after the backup: the same transfer"
        other.open.pop(invoice.oid, None)
        self.field.deliver(payee, *made)

    def by_asking_twice(self) -> None:
        """The same invoice twice: the same bytes, one debit; brought twice, taken once."""
        payee = self.payee()
        made = self.pay(payee)
        if made is None:
            return
        counter = self.device.status(self.now).counter
        self.tally.tried += 1
        assert self.device.pay(made[1], payee.certificate, self.now) == made[0]
        assert self.device.status(self.now).counter == counter
        if self.field.deliver(payee, *made):
            self.must_fail(lambda: payee.receive(*made, self.now), "E_INVOICE_UNKNOWN")

    def by_clock_back(self) -> None:
        """The invoice has expired, but not by the payer's clock. The payee does not take it, settlement credits it."""
        payee = self.payee()
        made = self.pay(payee)
        if made is None:
            return
        self.must_fail(lambda: payee.receive(*made, self.now + 2_000))
        payee.to_hand_in.append(made[1])
        payee.open.pop(made[1].oid, None)

    def by_clock_ahead(self) -> None:
        """A clock far ahead only makes the element refuse."""
        payee = self.payee()
        invoice = payee.invoice(100, self.now)
        later = self.now + 90 * 86_400
        self.must_fail(lambda: self.device.pay(invoice, payee.certificate, later))
        payee.open.pop(invoice.oid)
        made = self.pay(payee)
        if made is not None:
            self.field.deliver(payee, *made)

    def by_foreign_pick(self) -> None:
        """The host names money of another device."""
        payee, other = self.payee(), self.funded()
        invoice = payee.invoice(100, self.now)
        theirs = [piece.outpoint for piece in other.pieces][:1]
        self.must_fail(
            lambda: self.device.element.pay(invoice, payee.certificate, theirs, self.now),
            "E_OUTPOINT",
            "E_CA",
            "E_PARTS",
        )
        payee.open.pop(invoice.oid)

    def by_false_order(self) -> None:
        """Money home to an account that the bank never named, or under another device's order."""
        pick = sorted(self.device.status(self.now).purse)[:1]
        thief = self.field.key("thief")
        forged = sign(
            RedeemOrder(self.device.kid, thief.public.kid, bytes(16), self.now + 600),
            self.field.network,
            thief,
        )
        other = self.field.centre.redeem_order(b"other", self.field.honest[0].kid)
        element = self.device.element
        self.must_fail(lambda: element.redeem(b"forged", forged, pick, 1, self.now), "E_SIG")
        self.must_fail(lambda: element.redeem(b"other", other, pick, 1, self.now), "E_ORDER")

    def by_excess(self) -> None:
        """More than one payment may be."""
        payee = self.payee()
        invoice = payee.invoice(4_000_000, self.now)
        picks = sorted(self.device.status(self.now).purse)[:8]
        self.must_fail(
            lambda: self.device.element.pay(invoice, payee.certificate, picks, self.now), "E_TXLIMIT", "E_CA"
        )
        payee.open.pop(invoice.oid)


class PayeeHost(_WithDevice):
    """A3: denies, repeats, and shows its element what was not paid to it."""

    ID = "A3"
    WHO = "the payee's host"
    RARE = ("by_denial",)

    def asked(self, amount_tiyn: int = 150) -> tuple[Signed[Invoice], bytes] | None:
        """An honest payer's payment to this device."""
        self.before()
        payer = self.funded()
        invoice = self.try_to(lambda: self.device.invoice(self.field.next_id(), amount_tiyn, 0, self.now))
        if invoice is None:
            self.field.clock.advance(1_300)
            return None
        self.tally.tried -= 1
        data = self.try_to(lambda: payer.pay(invoice, self.device.certificate, self.now))
        if data is None:
            return None
        self.tally.tried -= 1
        return invoice, data

    def take(self, invoice: Signed[Invoice], data: bytes) -> bool:
        if self.try_to(lambda: self.device.receive(data, invoice, self.now)) is None:
            return False
        self.tally.tried -= 1
        return True

    def by_repetition(self) -> None:
        """Taken, the rows thrown away, brought again: the same receipt and no tiyn more."""
        made = self.asked()
        if made is None or not self.take(*made):
            return
        balance = self.field.purse(self.name)
        receipt = self.device.receipt_given(made[0].oid)
        kept = MemoryHostStore()
        rows = self.field.hosts[self.name].read(self.device.kid)
        kept.write(self.device.kid, {key: row for key, row in rows.items() if key[0] != "receipt"})
        self.replace_host(kept)
        self.tally.tried += 1
        again = self.device.receive(made[1], made[0], self.now)
        assert receipt is not None
        assert again.oid == receipt.oid
        assert self.field.purse(self.name) == balance

    def by_denial(self) -> None:
        """The host cancels by a sync and only then shows the payment: not accepted, credited by settlement, once."""
        made = self.asked()
        if made is None:
            return
        self.field.sync(self.name)
        self.must_fail(
            lambda: self.device.receive(made[1], made[0], self.now), "E_INVOICE_UNKNOWN", "E_REVOKED"
        )

    def by_another_invoice(self) -> None:
        """The element is shown a payment under another open invoice."""
        made = self.asked()
        if made is None:
            return
        invoice, data = made
        other = self.try_to(
            lambda: self.device.invoice(self.field.next_id(), invoice.record.amount_tiyn, 0, self.now)
        )
        if other is None:
            return
        bundle = open_bundle(data, self.field.network, len(data))
        ends = [line.transfers[-1] for line in bundle.tokens]
        payer = self.field.directory[ends[0].record.payer]
        caps = [Caps(5, 12)] * len(ends)
        element = self.device.element
        self.must_fail(lambda: element.accept(other.oid, ends, caps, payer, self.now), "E_INVOICE")
        damaged = [Signed(end.record, end.body, bytes(64), end.oid) for end in ends]
        self.must_fail(lambda: element.accept(invoice.oid, damaged, caps, payer, self.now), "E_SIG")
        self.take(invoice, data)
        self.field.clock.advance(20)

    def by_hoarding(self) -> None:
        """More open invoices than an element keeps."""
        made = self.asked()
        self.tally.tried += 1
        try:
            for _ in range(6):
                self.device.invoice(self.field.next_id(), 1, 0, self.now)
        except Refused as refusal:
            self.tally.refused[refusal.code] += 1
        else:
            raise AssertionError("an element promises without end")
        if made is not None:
            self.take(*made)
        self.field.clock.advance(1_300)


class Thief(_WithDevice):
    """A7: has somebody's device, knows no PIN (none is simulated), and spends within its limits until it is revoked."""

    ID = "A7"
    WHO = "a thief of a device"

    def before(self) -> None:
        """A thief syncs never and loads nothing: the limits since the last sync are his."""

    def report(self) -> None:
        """The owner reports the loss; the device is revoked."""
        self.field.centre.revoke(self.device.kid)

    def by_spending(self) -> None:
        """It pays honest people; who knows of the theft refuses."""
        payee = self.payee()
        made = self.pay(payee, 300)
        if made is None:
            return
        data, invoice = made
        taken = self.try_to(lambda: payee.receive(data, invoice, self.now))
        if taken is None:
            payee.to_hand_in.append(invoice)
        else:
            self.tally.landed += 1
            self.tally.more["spent by the thief, tiyn"] += 300

    def by_cashing_in(self) -> None:
        """It sends the purse to an account of its own."""
        pick: list[Outpoint] = sorted(self.device.status(self.now).purse)[:1]
        thief = self.field.key("another thief")
        forged = sign(
            RedeemOrder(self.device.kid, thief.public.kid, bytes(16), self.now + 600),
            self.field.network,
            thief,
        )
        self.must_fail(
            lambda: self.device.element.redeem(b"theft", forged, pick, 1, self.now), "E_SIG", "E_PARTS"
        )

    def by_emptying_at_once(self) -> None:
        """It tries to spend more than one payment may be."""
        payee = self.payee()
        invoice = payee.invoice(3_000_000, self.now)
        self.must_fail(lambda: self.device.pay(invoice, payee.certificate, self.now))
        payee.open.pop(invoice.oid)
