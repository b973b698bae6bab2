"""The exchange between two devices as state machines without I/O: messages in, messages out, safe to cut anywhere.

A session decides what to say next; it holds no value and nothing that may be lost. Everything that matters stands in
the element and in the device's rows, so any message may be dropped, repeated, delayed or brought by somebody else,
and either side may die and start a new session with the same id:

- a payee's session with the same id makes the same request again, and any payment for it may come as a whole bundle;
- a payer's session is resumed from the invoice: the payment made for it is sent again, byte for byte;
- a message of another exchange, or one that comes at the wrong time, is refused with E_SESSION and changes nothing.

Between REQUEST (or DRAFT) and the payment stands a person: `PayerSession.confirm` is called only after the payer has
seen who asks, and for how much.

Source: DTO/1, sections 5.5, 5.8 and 5.12 (gossip).
"""

from cbdc.errors import Refused
from cbdc.record import Signed
from offline.bundle import Bundle
from offline.checks import check_certificate, check_invoice, check_standing
from offline.device import Device
from offline.element_rules import offer_hash
from offline.messages import Commit, Draft, Hello, Offer, Request, open_message
from offline.parameters import MAX_BYTES, MAX_BYTES_QR, MAX_PARTS
from offline.records import MAX_TOKENS, DeviceCertificate, Invoice, Receipt, Trust

SESSION_BYTES = 16

START = "start"
ASKED = "asked"
OFFERED = "offered"
DRAFTED = "drafted"
CONFIRM = "confirm"
PAID = "paid"
DONE = "done"

# A message carries at most a trust chain beside a payment's largest bundle.
_MESSAGE_BYTES = 1 << 19


class PayeeSession:
    """The side that asks. `start` gives the first message, `receive` answers; `receipt` is set when it is paid.

    `near` chooses flow I (both ways, NFC or BLE) instead of flow Q (QR). `id` is 16 bytes, chosen once for this
    request and kept by the caller: the same id asks for the same payment again.
    """

    def __init__(self, device: Device, id: bytes, amount_tiyn: int, purpose: int, near: bool = False) -> None:
        assert len(id) == SESSION_BYTES, "a session id has 16 bytes"
        self.device = device
        self.id = id
        self.amount_tiyn = amount_tiyn
        self.purpose = purpose
        self.near = near
        self.state = START
        self.invoice = device.invoice_for(id)
        self.receipt: Signed[Receipt] | None = None
        self._offer: Bundle | None = None

    def start(self, now: int) -> bytes:
        """REQUEST or HELLO, the same as often as it is asked; raises what `Device.invoice` raises."""
        trust = self.device.trust_view
        if self.state == START:
            self.state = ASKED
        if self.near:
            hello = Hello(
                self.id,
                self.device.certificate,
                self.amount_tiyn,
                self.purpose,
                max(1, min(MAX_TOKENS, trust.parameter(MAX_PARTS), self.device.status(now).free_slots)),
                trust.parameter(MAX_BYTES),
                trust.sequence,
            )
            return hello.encode()
        self.invoice = self.device.invoice(
            self.id, self.amount_tiyn, self.purpose, now, max_bytes=trust.parameter(MAX_BYTES_QR)
        )
        return Request(self.invoice, self.device.certificate).encode()

    def receive(self, data: bytes, now: int) -> list[bytes]:
        """The answer to one message: DRAFT to an offer, RECEIPT to a payment.

        Raises E_SESSION for what does not belong here, and what `Device.consider`, `invoice` and `receive` raise.
        """
        message = open_message(data, self.device.trust_view.network, _MESSAGE_BYTES)
        if isinstance(message, Offer):
            return [self._consider(message, now)]
        if isinstance(message, bytes):
            return [self._paid(self.device.receive(message, self._asked(), now))]
        if isinstance(message, Commit):
            invoice = self._asked()
            if any(transfer.record.reference != invoice.oid for transfer in message.transfers):
                raise Refused("E_SESSION", problem="the transfers answer another request")
            known = self.device.receipt_given(invoice.oid)
            if known is None and self._offer is None:
                raise Refused("E_SESSION", problem="its offer was forgotten; the whole payment is needed")
            if known is None:
                assert self._offer is not None
                known = self.device.receive_commit(self._offer, message.transfers, invoice, now)
            return [self._paid(known)]
        raise Refused("E_SESSION", problem="a payee does not expect this message")

    def _consider(self, message: Offer, now: int) -> bytes:
        if message.session != self.id or not self.near:
            raise Refused("E_SESSION", problem="the offer is for another exchange")
        _adopt(self.device, message.chain)
        bundle = self.device.consider(message.offer, self.amount_tiyn, self.purpose, now)
        bound_to = offer_hash(message.offer)
        if self.invoice is None:
            self.invoice = self.device.invoice(self.id, self.amount_tiyn, self.purpose, now, offer=bound_to)
        if self.invoice.record.offer != bound_to:
            raise Refused("E_SESSION", problem="another offer was answered before")
        self._offer = bundle
        if self.state != DONE:
            self.state = DRAFTED
        chain = self.device.trust_newer_than(message.trust_sequence)
        return Draft(self.id, self.invoice, chain).encode()

    def _asked(self) -> Signed[Invoice]:
        if self.invoice is None:
            raise Refused("E_SESSION", problem="nothing was asked for yet")
        return self.invoice

    def _paid(self, receipt: Signed[Receipt]) -> bytes:
        self.state = DONE
        self.receipt = receipt
        return receipt.encode()


class PayerSession:
    """The side that pays. `receive` takes what the payee says; `confirm` pays, once the person has agreed.

    While `state` is "confirm", `payee`, `amount_tiyn` and `purpose` say what is being agreed to.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.state = START
        self.payee: Signed[DeviceCertificate] | None = None
        self.amount_tiyn = 0
        self.purpose = 0
        self.invoice: Signed[Invoice] | None = None
        self._hello: Hello | None = None
        self._offer = b""

    @classmethod
    def resume(cls, device: Device, invoice: bytes) -> tuple["PayerSession", bytes]:
        """A session for a payment made before, and the payment to hand over again; E_PAYMENT_UNKNOWN."""
        session = cls(device)
        payment = device.resend(invoice)
        session.state = PAID
        return session, payment

    def receive(self, data: bytes, now: int) -> list[bytes]:
        """The answer to one message: OFFER to a hello; none where the person is asked, or to a receipt.

        Raises E_SESSION for what does not belong here, E_COINS and E_COINS_BYTES, what `check_invoice` raises before
        anything is shown to the person, and what `Device.keep_receipt` raises.
        """
        message = open_message(data, self.device.trust_view.network, _MESSAGE_BYTES)
        if isinstance(message, Hello):
            return [self._answer(message, now)]
        if isinstance(message, Request):
            self._expect(message.payee, message.invoice, now)
            return []
        if isinstance(message, Draft):
            self._drafted(message, now)
            return []
        if isinstance(message, Signed):
            return self._finished(message)
        raise Refused("E_SESSION", problem="a payer does not expect this message")

    def confirm(self, now: int) -> bytes:
        """Pay: the BUNDLE (flow Q) or COMMIT (flow I) to send, again and again if need be.

        Raises E_SESSION when nothing is to be confirmed, and what `Device.pay` raises; then nothing was spent.
        """
        if self.state not in (CONFIRM, PAID, DONE) or self.invoice is None or self.payee is None:
            raise Refused("E_SESSION", problem="there is nothing to confirm")
        payment = self.device.pay(self.invoice, self.payee, now, self._offer)
        if self.state == CONFIRM:
            self.state = PAID
        if not self._offer:
            return payment
        return Commit(self.device.transfers_for(self.invoice.oid)).encode()

    def _answer(self, hello: Hello, now: int) -> bytes:
        known = self._hello
        if known is not None and hello.session != known.session:
            raise Refused("E_SESSION", problem="this exchange is with another payee")
        if known is None and self.state != START:
            raise Refused("E_SESSION", problem="this exchange has begun with a request")
        if known is None:
            self._check_payee(hello.payee, now)
            wishes = (hello.amount_tiyn, hello.purpose, hello.max_parts, hello.max_bytes)
            self._offer = self.device.offer(*wishes, now)
            self._hello = hello
            self.state = OFFERED
        chain = self.device.trust_newer_than(hello.trust_sequence)
        return Offer(hello.session, self._offer, self.device.trust_view.sequence, chain).encode()

    def _drafted(self, draft: Draft, now: int) -> None:
        hello = self._hello
        if hello is None or draft.session != hello.session:
            raise Refused("E_SESSION", problem="the request is for another exchange")
        record = draft.invoice.record
        if record.offer != offer_hash(self._offer) or (record.amount_tiyn, record.purpose) != (
            hello.amount_tiyn,
            hello.purpose,
        ):
            raise Refused("E_SESSION", problem="the request is not for what was offered")
        _adopt(self.device, draft.chain)
        self._expect(hello.payee, draft.invoice, now)

    def _expect(self, payee: Signed[DeviceCertificate], invoice: Signed[Invoice], now: int) -> None:
        if self.invoice is not None:
            if self.invoice.oid != invoice.oid:
                raise Refused("E_SESSION", problem="another request was received before")
            return
        if self.state not in (START, OFFERED):
            raise Refused("E_SESSION", problem="this exchange is over")
        moment = max(now, self.device.status(now).time_floor)
        check_invoice(invoice, payee, self.device.trust_view, moment)
        self.payee, self.invoice = payee, invoice
        self.amount_tiyn, self.purpose = invoice.record.amount_tiyn, invoice.record.purpose
        self.state = CONFIRM

    def _check_payee(self, payee: Signed[DeviceCertificate], now: int) -> None:
        # The history of money is not shown to a stranger.
        trust = self.device.trust_view
        check_certificate(payee, trust, max(now, self.device.status(now).time_floor))
        check_standing(payee.record, trust, "payee")

    def _finished(self, receipt: Signed[Receipt]) -> list[bytes]:
        if self.invoice is not None and receipt.record.invoice != self.invoice.oid:
            raise Refused("E_SESSION", problem="the receipt is for another request")
        self.device.keep_receipt(receipt)
        self.state = DONE
        return []


def _adopt(device: Device, chain: tuple[Signed[Trust], ...]) -> None:
    if chain and chain[-1].record.sequence > device.trust_view.sequence:
        device.trust(chain)
