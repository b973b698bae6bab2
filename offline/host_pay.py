"""The paying half of a host: offers, payments to hand over again and again, receipts got, money sent home.

The element pays first, and its outbox remembers the transfers; the host keeps the message after. A crash between the
two loses nothing, because `rebuild` makes the message again from the outbox and the histories, which are let go only
together with writing it.

Source: DTO/1, sections 5.5, 5.7 (`pay`, `redeem`) and 5.8.
"""

from collections.abc import Iterable, Sequence

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.record import Signed
from offline.bundle import HeldToken
from offline.checks import check_receipt
from offline.element_protocol import SecureElement
from offline.element_rules import offer_hash, payment_root
from offline.host_coins import CoinChooser, open_offer, to_redeem
from offline.host_rows import LINE, PAYMENT, PROOF, REDEMPTION, Changes, OwnPayment, Redemption, Rows
from offline.lines import bundle_of, extended, line_bytes, outpoint_bytes
from offline.records import REDEEM, DeviceCertificate, Invoice, Outpoint, Receipt, RedeemOrder, SignedTransfer

KEPT_OPEN = 16


class Payer:
    """Pays for one device; whoever calls it holds the device's lock."""

    def __init__(self, element: SecureElement, rows: Rows) -> None:
        self.element = element
        self.rows = rows
        self.chooser = CoinChooser(rows)
        # The payments made last, opened: their receipts usually come at once.
        self._recent: dict[bytes, tuple[OwnPayment, tuple[SignedTransfer, ...]]] = {}

    def offer(self, amount_tiyn: int, purpose: int, max_parts: int, max_bytes: int, now: int) -> bytes:
        """An OFFER (flow I): the lines that would pay, and which outpoints of them. Nothing is committed.

        Raises E_COINS or E_COINS_BYTES.
        """
        picks = self._choose(amount_tiyn, purpose, max_parts, max_bytes, now)
        lines = [line for pick in picks if (line := self.rows.line(pick)) is not None]
        lines = list({line.tip: line for line in lines}.values())
        bundle = bundle_of(lines, self.rows.certificates, self.element.public_key.kid)
        return canonical.encode([bundle.encode(), [tuple(pick) for pick in picks]])

    def pay(
        self, invoice: Signed[Invoice], payee: Signed[DeviceCertificate], now: int, offer: bytes = b""
    ) -> bytes:
        """Pay an invoice once and for ever: the PAYMENT to hand over. Again: the same bytes, at any time.

        With `offer` (flow I) exactly what was offered is spent. Raises E_COINS, E_COINS_BYTES, E_OFFER when the
        invoice answers another offer, and what `SecureElement.pay` raises; then nothing was spent. E_HISTORY_LOST when
        it was spent before and the host has lost the message and the histories.
        """
        made = self._made(invoice.oid)
        if made is not None:
            if made.invoice is None:
                row = OwnPayment(made.bundle, invoice, payee).encode()
                self.rows.commit({(PAYMENT, invoice.oid): row})
                self._recent.pop(invoice.oid, None)
            return made.bundle
        record = invoice.record
        if record.offer != (offer_hash(offer) if offer else b""):
            raise Refused("E_OFFER", problem="the request was made for another offer, or for none")
        transfers = self.element.resend(invoice.oid)
        if not transfers:
            wanted = (record.amount_tiyn, record.purpose, record.max_parts, record.max_bytes)
            picks = open_offer(offer)[1] if offer else self._choose(*wanted, now)
            if not self._has_lines(picks):
                raise Refused("E_OFFER", problem="the histories it shows are not kept here any more")
            transfers = self.element.pay(invoice, payee, picks, now)
        elif not self._has_lines(transfer.record.outpoint for transfer in transfers):
            # The element paid, and the host has lost the histories since: a sync hands the transfers in loose.
            raise Refused("E_HISTORY_LOST", invoice=invoice.oid)
        return self._paid(invoice.oid, transfers, invoice, payee)

    def _has_lines(self, outpoints: Iterable[Outpoint]) -> bool:
        return all(self.rows.line(outpoint) is not None for outpoint in outpoints)

    def _paid(
        self,
        reference: bytes,
        transfers: Sequence[SignedTransfer],
        invoice: Signed[Invoice] | None,
        payee: Signed[DeviceCertificate] | None,
    ) -> bytes:
        lines, rows = self._spent(transfers)
        data = bundle_of(lines, self.rows.certificates).encode()
        payment = OwnPayment(data, invoice, payee)
        rows[PAYMENT, reference] = payment.encode()
        self.rows.commit(rows)
        self.rows.learn(transfers)
        while len(self._recent) >= KEPT_OPEN:
            del self._recent[next(iter(self._recent))]
        self._recent[reference] = (payment, tuple(transfers))
        return data

    def _made(self, invoice: bytes) -> OwnPayment | None:
        recent = self._recent.get(invoice)
        if recent is not None and invoice in self.rows.of(PAYMENT):
            return recent[0]
        return self.rows.payment(invoice)

    def _spent(self, transfers: Sequence[SignedTransfer]) -> tuple[list[HeldToken], Changes]:
        lines: list[HeldToken] = []
        rows: Changes = {}
        for transfer in transfers:
            before = self.rows.line(transfer.record.outpoint)
            if before is None:
                continue
            line = extended(before, transfer)
            lines.append(line)
            rows[LINE, outpoint_bytes(transfer.record.outpoint)] = None
            if len(transfer.record.outputs) == 2:
                rows[LINE, outpoint_bytes(Outpoint(transfer.oid, 1))] = line_bytes(line)
        return lines, rows

    def resend(self, invoice: bytes) -> bytes:
        """The payment made for this invoice, again; E_PAYMENT_UNKNOWN when there is none (any more)."""
        made = self._made(invoice)
        if made is None:
            raise Refused("E_PAYMENT_UNKNOWN", invoice=invoice)
        return made.bundle

    def transfers_for(self, invoice: bytes) -> tuple[SignedTransfer, ...]:
        """The transfers of a payment of this device, in order: what a COMMIT carries; E_PAYMENT_UNKNOWN."""
        bundle = self.resend(invoice)
        if invoice in self._recent:
            return self._recent[invoice][1]
        last = [line.transfers[-1] for line in self.rows.bundle_lines(bundle)]
        return tuple(sorted(last, key=lambda transfer: transfer.record.part))

    def keep_receipt(self, receipt: Signed[Receipt]) -> None:
        """Check the payee's receipt for a payment of this device and keep it.

        Raises E_PAYMENT_UNKNOWN, and what `check_receipt` raises (P13).
        """
        made = self._made(receipt.record.invoice)
        if made is None or made.invoice is None or made.payee is None:
            raise Refused("E_PAYMENT_UNKNOWN", invoice=receipt.record.invoice)
        root = payment_root(self.transfers_for(receipt.record.invoice))
        check_receipt(receipt, made.invoice, root, made.payee)
        self.rows.commit({(PROOF, receipt.record.invoice): receipt.encode()})

    def redeem(
        self, order: Signed[RedeemOrder], now: int, amount_tiyn: int | None = None, purpose: int | None = None
    ) -> tuple[SignedTransfer, ...]:
        """Send money home to the account in the bank's order: an amount, or all; of one purpose, or of any.

        What can no longer be paid with goes first, then what expires first. One order is one redemption: asked again
        with the same order, the same bytes. Raises E_COINS when there is nothing or too little, and what
        `SecureElement.redeem` raises.
        """
        made = self.rows.redemption(order.oid)
        if made is None:
            transfers = self.element.resend(order.oid)
            if not transfers:
                picks, wanted_tiyn = to_redeem(self.element.status(now), amount_tiyn, purpose)
                transfers = self.element.redeem(order.oid, order, picks, wanted_tiyn, now)
            return self._sent_home(order.oid, order, transfers)
        if made.order is None:
            self.rows.commit({(REDEMPTION, order.oid): made._replace(order=order).encode()})
        return made.transfers

    def _sent_home(
        self, key: bytes, order: Signed[RedeemOrder] | None, transfers: Sequence[SignedTransfer]
    ) -> tuple[SignedTransfer, ...]:
        lines, rows = self._spent(transfers)
        held = {line.tip for line in lines}
        loose = tuple(transfer for transfer in transfers if transfer.oid not in held)
        rows[REDEMPTION, key] = Redemption(order, tuple(lines), loose).encode()
        self.rows.commit(rows)
        return tuple(transfers)

    def rebuild(self) -> None:
        """Make again what a crash kept from being written: the element has paid, and the lines are still there."""
        for reference in dict.fromkeys(self.element.status(0).outbox):
            if reference in self.rows.of(PAYMENT) or reference in self.rows.of(REDEMPTION):
                continue
            transfers = self.element.resend(reference)
            if transfers[0].record.kind == REDEEM:
                self._sent_home(reference, None, transfers)
            elif self._has_lines(transfer.record.outpoint for transfer in transfers):
                self._paid(reference, transfers, None, None)

    def _choose(
        self, amount_tiyn: int, purpose: int, max_parts: int, max_bytes: int, now: int
    ) -> tuple[Outpoint, ...]:
        status, trust = self.element.status(now), self.element.trust_view
        moment = max(now, status.time_floor)
        return self.chooser.to_pay(status, trust, amount_tiyn, purpose, max_parts, max_bytes, moment)
