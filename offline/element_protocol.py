"""The secure element as its host sees it: what may be asked, and what it tells of itself.

An element holds one key that never leaves it, a purse, and counters that only rise. It signs only typed objects of
DTO/1, and only after the state that remembers the signature stands in its journal. The host carries messages, keeps
histories, and may lie, crash and replay: it can lose its owner's convenience, never make money.

`offline.element` holds the simulated one; a card or a phone's secure element would stand behind the same protocol.

Source: DTO/1, sections 5.7 and 5.19.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cbdc.authority import Auth
from cbdc.keys import PublicKey
from cbdc.record import Signed
from offline.purse import Caps, Slot, Totals
from offline.records import (
    DeviceCertificate,
    Enrol,
    Invoice,
    Limits,
    Note,
    Outpoint,
    Receipt,
    RedeemOrder,
    SignedTransfer,
    SyncAck,
    SyncRequest,
    Trust,
)
from offline.trust import TrustView


class PinStatus(NamedTuple):
    """A PIN that is set: tries left (0: blocked), what may go out without it, and what went out since (tiyn)."""

    tries_left: int
    limit_tiyn: int
    spent_tiyn: int


@dataclass(frozen=True, slots=True)
class ElementStatus:
    """What an element tells anyone who asks: nothing secret. Amounts in tiyn, moments in Unix seconds.

    `kind` says what it is; `opened` whether it has ever been opened for an attack, and `opened_for` the reason given.
    `purse` maps outpoints to slots; `outbox` lists the references (invoices, redeem orders) whose transfers still wait
    for an acknowledgement. `pin` is None while no PIN is set.
    """

    kind: str
    opened: bool
    status: str
    kid: bytes
    certificate: Signed[DeviceCertificate] | None
    limits: Limits | None
    balance_tiyn: int
    reserved_tiyn: int
    free_slots: int
    purse: Mapping[Outpoint, Slot]
    pending: tuple[bytes, ...]
    outbox: tuple[bytes, ...]
    totals: Totals
    base: Totals
    counter: int
    head: bytes
    time_floor: int
    trust_sequence: int
    min_trust_sequence: int
    sync_time: int
    sync_number: int
    sync_pending: bool
    last_ack: bytes
    invoice_number: int
    load_number: int
    opened_for: str = ""
    pin: PinStatus | None = None


class SecureElement(Protocol):
    """What a host may ask of an element (DTO/1, 5.7). Amounts in tiyn; `now` is the host's clock.

    Every call that changes anything is idempotent: by its natural key (invoice, note, acknowledgement) or by a
    `request_id` of 1 to 64 bytes that the host chose and kept. Every refusal leaves the state as it was; only a wrong
    PIN is counted. Any call may raise Unavailable when the element was cut off: then ask again with the same ids.
    """

    @property
    def public_key(self) -> PublicKey:
        """The element's public key."""
        ...

    @property
    def certificate(self) -> Signed[DeviceCertificate]:
        """The element's certificate; E_ELEMENT_STATE before provisioning."""
        ...

    @property
    def trust_view(self) -> TrustView:
        """The anchors and the TRUST list it believes (public); E_ELEMENT_STATE before provisioning."""
        ...

    def enrol(self, network: bytes, bank_id: int, challenge: bytes) -> Signed[Enrol]:
        """Proof of possession of the key, for the bank that will certify it."""
        ...

    def provision(self, trust: TrustView, certificate: Signed[DeviceCertificate]) -> None:
        """Take anchors, the first TRUST list and the certificate; once."""
        ...

    def renew(self, certificate: Signed[DeviceCertificate]) -> None:
        """Take another certificate for the same key."""
        ...

    def anchor(self, auth: Signed[Auth]) -> None:
        """Take one more certificate of ROOT (a new bank, a new issuer epoch)."""
        ...

    def trust(self, chain: Sequence[Signed[Trust]]) -> None:
        """Adopt a newer TRUST list, or another party's chain of them."""
        ...

    def load(self, note: Signed[Note], now: int) -> None:
        """Take a note that the National Bank made for this element."""
        ...

    def invoice(
        self,
        request_id: bytes,
        amount_tiyn: int,
        purpose: int,
        expires: int,
        max_parts: int,
        max_bytes: int,
        offer: bytes,
        memo: bytes,
        now: int,
    ) -> Signed[Invoice]:
        """Promise to take a payment: reserves balance and slots."""
        ...

    def pay(
        self,
        invoice: Signed[Invoice],
        payee: Signed[DeviceCertificate],
        picks: Sequence[Outpoint],
        now: int,
    ) -> tuple[SignedTransfer, ...]:
        """Spend these outpoints for the invoice: once and for ever."""
        ...

    def accept(
        self,
        invoice: bytes,
        transfers: Sequence[SignedTransfer],
        caps: Sequence[Caps],
        payer: Signed[DeviceCertificate],
        now: int,
    ) -> Signed[Receipt]:
        """Take the whole payment for an open invoice (named by its id); `caps` are those of each part's note."""
        ...

    def redeem(
        self,
        request_id: bytes,
        order: Signed[RedeemOrder],
        picks: Sequence[Outpoint],
        amount_tiyn: int,
        now: int,
    ) -> tuple[SignedTransfer, ...]:
        """Send money home to the account that the bank's order names; allowed when spending is blocked."""
        ...

    def sync_begin(self, request_id: bytes) -> Signed[SyncRequest]:
        """State what the element holds, and cancel open invoices; the same bytes until it is acknowledged."""
        ...

    def sync_commit(self, ack: Signed[SyncAck]) -> None:
        """Take settlement's answer: baselines, time, status, slots to drop."""
        ...

    def set_pin(self, request_id: bytes, pin: bytes, limit_tiyn: int) -> None:
        """Ask for this PIN before more than `limit_tiyn` goes out; off until this is called."""
        ...

    def verify_pin(self, pin: bytes) -> None:
        """Enter the PIN for the next payment or redemption; wrong tries are counted and block it."""
        ...

    def resend(self, reference: bytes) -> tuple[SignedTransfer, ...]:
        """Own transfers for an invoice or an order, as long as they wait for an acknowledgement; empty if none."""
        ...

    def receipt(self, invoice: bytes) -> Signed[Receipt] | None:
        """The receipt given for an invoice, if it is one of the last given."""
        ...

    def status(self, now: int) -> ElementStatus:
        """What may be known of it."""
        ...
