"""The rows of one device: what each kind holds, read once, written through, opened when asked for.

    line         outpoint            the history of one piece of money: note and transfers
    certificate  key id              a device certificate seen on some line, or the device's own
    request      the caller's id     what an invoice was asked for, before the element is asked
    invoice      invoice id          an invoice this device made
    incoming     invoice id          a payment about to be accepted, or accepted: its bundle
    seen         invoice id          a payment handed in long ago, until its money's redeem_by
    receipt      invoice id          the receipt this device gave
    payment      invoice id          a payment this device made: bundle, invoice, payee's certificate
    proof        invoice id          the receipt this device got for a payment
    redemption   order id            what was sent home: order, lines, transfers whose line was lost
    loaded       note id             a note that was loaded, until its redeem_by
    inbox        hash of the bytes   a payment that names this device and could not be accepted: code and bundle
    evidence     hash of the bytes   proof that somebody signed twice
    settled      tip                 a line that an acknowledged sync handed in
    submitted    request id          what an open sync hands in, to be let go when it is acknowledged

Source: DTO/1, sections 5.7 to 5.9.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.record import Signed, open_envelope
from offline.bundle import HeldToken, open_bundle
from offline.host_store import HostStore, Key
from offline.lines import line_bytes, open_line, outpoint_bytes
from offline.records import (
    DeviceCertificate,
    Invoice,
    Outpoint,
    Receipt,
    RedeemOrder,
    SignedTransfer,
    Transfer,
)
from offline.verify import Known

LINE = "line"
CERTIFICATE = "certificate"
REQUEST = "request"
INVOICE = "invoice"
INCOMING = "incoming"
SEEN = "seen"
RECEIPT = "receipt"
PAYMENT = "payment"
PROOF = "proof"
REDEMPTION = "redemption"
LOADED = "loaded"
INBOX = "inbox"
EVIDENCE = "evidence"
SETTLED = "settled"
SUBMITTED = "submitted"

Changes = dict[Key, bytes | None]


class OwnPayment(NamedTuple):
    """A payment this device made; invoice and payee's certificate are None if a crash lost them."""

    bundle: bytes
    invoice: Signed[Invoice] | None
    payee: Signed[DeviceCertificate] | None

    def encode(self) -> bytes:
        """The row."""
        parts = [[] if item is None else [item.envelope()] for item in (self.invoice, self.payee)]
        return canonical.encode([self.bundle, *parts])


class Redemption(NamedTuple):
    """What was sent home: the bank's order (None if a crash lost it), and the lines that end in the redemption.

    `loose` are redeeming transfers whose line the host had lost.
    """

    order: Signed[RedeemOrder] | None
    lines: tuple[HeldToken, ...]
    loose: tuple[SignedTransfer, ...]

    @property
    def transfers(self) -> tuple[SignedTransfer, ...]:
        """The redeeming transfers, by part."""
        last = [*(line.transfers[-1] for line in self.lines), *self.loose]
        return tuple(sorted(last, key=lambda transfer: transfer.record.part))

    def encode(self) -> bytes:
        """The row."""
        orders = [] if self.order is None else [self.order.envelope()]
        loose = [transfer.envelope() for transfer in self.loose]
        return canonical.encode([orders, [line_bytes(line) for line in self.lines], loose])


class Rows:
    """One device's rows; `commit` is the only way to change them."""

    def __init__(self, store: HostStore, device: bytes, network: bytes) -> None:
        self._store = store
        self._device = device
        self._network = network
        self._raw: dict[str, dict[bytes, bytes]] = {}
        for (kind, key), value in store.read(device).items():
            self._raw.setdefault(kind, {})[key] = value
        self._lines: dict[bytes, HeldToken] = {}
        self._certificates: dict[bytes, Signed[DeviceCertificate]] = {}
        self._known: Known | None = None
        for key, value in self.of(CERTIFICATE).items():
            self._certificates[key] = open_envelope(value, DeviceCertificate, network)

    def of(self, kind: str) -> Mapping[bytes, bytes]:
        """All rows of one kind."""
        return self._raw.get(kind, {})

    def commit(self, changes: Changes) -> None:
        """Write these changes, all or none, and then see them."""
        if not changes:
            return
        self._store.write(self._device, changes)
        for (kind, key), value in changes.items():
            rows = self._raw.setdefault(kind, {})
            if kind == LINE:
                self._lines.pop(key, None)
            if value is None:
                rows.pop(key, None)
                continue
            rows[key] = value
            if kind == CERTIFICATE:
                self._certificates[key] = open_envelope(value, DeviceCertificate, self._network)

    # --- lines and certificates ---

    @property
    def certificates(self) -> Mapping[bytes, Signed[DeviceCertificate]]:
        """Every certificate kept, by key id."""
        return self._certificates

    def line(self, outpoint: Outpoint) -> HeldToken | None:
        """The history of this outpoint, or None when the host has none."""
        key = outpoint_bytes(outpoint)
        line = self._lines.get(key)
        if line is None and key in self.of(LINE):
            line = self._lines[key] = open_line(self.of(LINE)[key], self._network)
        return line

    def line_size(self, outpoint: Outpoint) -> int:
        """The bytes of its history; 0 when the host has none."""
        return len(self.of(LINE).get(outpoint_bytes(outpoint), b""))

    def new_certificates(self, certificates: Iterable[Signed[DeviceCertificate]]) -> Changes:
        """The changes that keep those of these certificates which are new, or newer for the same key."""
        changes: Changes = {}
        for certificate in certificates:
            known = self._certificates.get(certificate.record.kid)
            if known is None or known.oid != certificate.oid:
                changes[CERTIFICATE, certificate.record.kid] = certificate.encode()
        return changes

    # --- typed rows ---

    def invoice(self, oid: bytes) -> Signed[Invoice] | None:
        """An invoice this device made."""
        value = self.of(INVOICE).get(oid)
        return None if value is None else open_envelope(value, Invoice, self._network)

    def receipt(self, kind: str, invoice: bytes) -> Signed[Receipt] | None:
        """The receipt given (RECEIPT) or got (PROOF) for an invoice."""
        value = self.of(kind).get(invoice)
        return None if value is None else open_envelope(value, Receipt, self._network)

    def payment(self, invoice: bytes) -> OwnPayment | None:
        """The payment this device made for an invoice."""
        value = self.of(PAYMENT).get(invoice)
        if value is None:
            return None
        decoded: Any = canonical.decode_array(value)
        bundle, invoices, payees = decoded
        return OwnPayment(
            bundle,
            open_envelope(invoices[0], Invoice, self._network) if invoices else None,
            open_envelope(payees[0], DeviceCertificate, self._network) if payees else None,
        )

    def redemption(self, order: bytes) -> Redemption | None:
        """What was sent home on this order."""
        value = self.of(REDEMPTION).get(order)
        if value is None:
            return None
        decoded: Any = canonical.decode_array(value)
        orders, lines, loose = decoded
        return Redemption(
            open_envelope(orders[0], RedeemOrder, self._network) if orders else None,
            tuple(open_line(line, self._network) for line in lines),
            tuple(open_envelope(item, Transfer, self._network) for item in loose),
        )

    def bundle_lines(self, data: bytes) -> tuple[HeldToken, ...]:
        """The lines of a kept bundle."""
        return open_bundle(data, self._network, len(data)).tokens

    # --- what this device has seen ---

    @property
    def known(self) -> Known:
        """Every transfer on any line this device keeps, for the search for double spends."""
        if self._known is None:
            self._known = Known({}, {})
            bundles = [
                *self.of(INCOMING).values(),
                *(_item(value, 0) for value in self.of(PAYMENT).values()),
                *(_item(value, 1) for value in self.of(SEEN).values()),
            ]
            for data in bundles:
                self.learn(transfer for line in self.bundle_lines(data) for transfer in line.transfers)
            for value in self.of(LINE).values():
                self.learn(open_line(value, self._network).transfers)
        return self._known

    def learn(self, transfers: Iterable[SignedTransfer]) -> None:
        """Remember these transfers; of two that contradict each other, the first stays."""
        known = self.known
        assert isinstance(known.spends, dict)
        assert isinstance(known.counters, dict)
        for transfer in transfers:
            record: Transfer = transfer.record
            known.spends.setdefault(record.outpoint, transfer)
            known.counters.setdefault((record.payer, record.counter), transfer)


def _item(value: bytes, place: int) -> bytes:
    decoded: Any = canonical.decode_array(value)
    item: bytes = decoded[place]
    return item
