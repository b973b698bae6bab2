"""Orders of third parties: what a holder is asked to sign, and what became of it.

    payment   the holder's wallet pays the outputs named, all of them in one transaction: one payee, several, or locks
    opening   who a lock names signs the transaction that claims, takes back or releases the locked token

An order moves nothing. It waits until the holder's own wallet hands in a signed transaction that does just what was
ordered; that is judged here, written down, and sent to the ledger. A quorum's release waits for as many signatures as
the lock asks for. Open until `expires`, then over; declined by the holder for good; carried out once.

Order of effects: the transaction is written beside the order before it is sent, so a crash anywhere is mended by
handing in the same transaction again. Another one is taken only when the ledger never took the first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cbdc import canonical, conditional
from cbdc.cabinet import Row, follow_nonce
from cbdc.errors import Malformed, Refused
from cbdc.ledger.entry import Receipt
from cbdc.orders import HolderProof
from cbdc.partners.desk import Json, PartnerDesk, few
from cbdc.partners.records import (
    CLAIM,
    LOCK,
    OPENING_NAMES,
    ORDER_PAID,
    PAY,
    REFUND,
    SPLIT,
    Call,
    Consent,
    OpeningOrder,
    PaymentOrder,
    decline_purpose,
)
from cbdc.record import HASH, HASH_OR_NONE, MOMENT, SIGNATURE, Bytes, Group, Items, Signed, Unsigned
from cbdc.token import HashLock, KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer, open_transaction

OPEN = 1
UNDER_WAY = 2
PAID = 3
DECLINED = 4
STATE_NAMES = {OPEN: "open", UNDER_WAY: "under way", PAID: "paid", DECLINED: "declined"}
EXPIRED_NAME = "expired"

PAYMENT = 1
OPENING = 2
MOST_OPEN = 200

_ORDERS = "partner.order"
_ROW = Group(
    (
        HASH,
        HASH,
        Unsigned(PAYMENT, OPENING),
        Bytes(),
        Items(HASH, most=32, least=1),
        MOMENT,
        Unsigned(),
        Unsigned(OPEN, DECLINED),
        Bytes(),
        Items(Group((HASH, SIGNATURE)), most=32),
        HASH_OR_NONE,
    )
)


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it is kept.

    `body` is that of a PaymentOrder or (`kind` OPENING) an OpeningOrder, `signers` the key ids that are asked, `day`
    the day on which it was counted, `wanted` the body of the one transaction that fits (openings only), `witnesses`
    the signatures collected for it, `transaction_id` what was sent.
    """

    id: bytes
    partner: bytes
    consent: bytes
    kind: int
    body: bytes
    signers: tuple[bytes, ...]
    made: int
    day: int
    state: int = OPEN
    wanted: bytes = b""
    witnesses: tuple[tuple[bytes, bytes], ...] = ()
    transaction_id: bytes = b""

    @property
    def payment(self) -> PaymentOrder:
        """What is to be paid."""
        return PaymentOrder.from_body(self.body)

    @property
    def opening(self) -> OpeningOrder:
        """What is to be opened."""
        return OpeningOrder.from_body(self.body)

    @property
    def expires(self) -> int:
        """The last moment (virtual seconds)."""
        return self.payment.expires if self.kind == PAYMENT else self.opening.expires

    def row(self) -> Row:
        """The row in the cabinet."""
        values = [
            self.partner,
            self.consent,
            self.kind,
            self.body,
            self.signers,
            self.made,
            self.day,
            self.state,
            self.wanted,
            self.witnesses,
            self.transaction_id,
        ]
        return Row(_ORDERS, self.id, canonical.encode(values))


class OrderBook:
    """The orders of all third parties."""

    def __init__(self, desk: PartnerDesk) -> None:
        self._desk = desk
        self._ledger = desk.ledger
        self._by_signer: dict[bytes, list[bytes]] = {}
        for name, data in desk.cabinet.all(_ORDERS):
            self._index(_load(name, data))

    def _index(self, order: Order) -> None:
        for kid in order.signers:
            self._by_signer.setdefault(kid, []).append(order.id)

    # --- third parties ---

    def order_payment(self, call: Call) -> Json:
        """Note what the holder is asked to pay, once for the request id.

        Raises E_CONSENT_UNKNOWN, E_CONSENT_OVER, E_CONSENT_SCOPE, E_CONSENT_PAYMENT, E_CONSENT_DAY, E_REQUEST_EXPIRED,
        E_PARTNER_MANY, E_ID_REUSED, and what a malformed body raises.
        """
        return self._desk.once(call, lambda name: self._order_payment(name, call))

    def _order_payment(self, id: bytes, call: Call) -> Json:
        if (known := self.find(id)) is not None:
            return self.show(known)
        wish = PaymentOrder.from_body(call.carried)
        plain = all(isinstance(token.lock, KeyLock) for token in wish.outputs)
        scope = (PAY if len(wish.outputs) == 1 else SPLIT) if plain else LOCK
        consent = self._begin(call, wish.consent, scope, wish.expires)
        counted = self._desk.count(consent, wish.amount_tiyn)
        signers = (consent.holder,)
        order = Order(
            id,
            call.partner,
            consent.id,
            PAYMENT,
            call.carried,
            signers,
            self._desk.clock.now(),
            self._desk.day(),
        )
        return self._keep(order, counted)

    def order_opening(self, call: Call) -> Json:
        """Note that a locked token should be opened, once for the request id; the answer has the body to sign.

        Raises as `order_payment` (an opening is not counted), E_TOKEN_SPENT, E_LOCK_KIND, E_SUM_LEDGER.
        """
        return self._desk.once(call, lambda name: self._order_opening(name, call))

    def _order_opening(self, id: bytes, call: Call) -> Json:
        if (known := self.find(id)) is not None:
            return self.show(known)
        wish = OpeningOrder.from_body(call.carried)
        consent = self._begin(call, wish.consent, LOCK, wish.expires)
        locked = TokenId(wish.transaction_id, wish.output)
        token = self._ledger.token(locked)
        if token is None:
            raise Refused("E_TOKEN_SPENT", transaction_id=locked.transaction_id, output=locked.output)
        signers = _who_opens(wish.kind, token, locked)
        if not any(self._desk.same_holder(consent.holder, kid) for kid in signers):
            raise Refused("E_CONSENT_SCOPE", scope=LOCK)
        nonce = follow_nonce("partner opening", id)
        wanted = _opening(nonce, wish, locked, token).body()
        order = Order(
            id,
            call.partner,
            consent.id,
            OPENING,
            call.carried,
            signers,
            self._desk.clock.now(),
            self._desk.day(),
            wanted=wanted,
        )
        return self._keep(order)

    def _begin(self, call: Call, consent_id: bytes, scope: str, expires: int) -> Consent:
        consent = self._desk.allowed(call.partner, consent_id, scope)
        now = self._desk.clock.now()
        if expires < now:
            raise Refused("E_REQUEST_EXPIRED", expires=expires, now=now)
        waiting = sum(one.state == OPEN and one.expires >= now for one in self.orders_for(consent.holder))
        few("open orders of one key", waiting, MOST_OPEN)
        return consent

    def _keep(self, order: Order, *rows: Row) -> Json:
        self._desk.cabinet.put_many([order.row(), *rows])
        self._index(order)
        return self.show(order)

    # --- holders ---

    def find(self, id: bytes) -> Order | None:
        """An order, or None."""
        data = self._desk.cabinet.get(_ORDERS, id)
        return None if data is None else _load(id, data)

    def get(self, id: bytes) -> Order:
        """An order; E_ORDER_UNKNOWN."""
        order = self.find(id)
        if order is None:
            raise Refused("E_ORDER_UNKNOWN", id=id)
        return order

    def orders_for(self, kid: bytes) -> list[Order]:
        """The orders that ask for this key's signature, oldest first."""
        return [self.get(name) for name in self._by_signer.get(kid, [])]

    def pay(self, id: bytes, data: bytes) -> Json:
        """Hand in a signed transaction for an order; its receipt, or how many signatures are still missing.

        The same again gets the same receipt. Raises E_ORDER_UNKNOWN, E_ORDER_CLOSED, E_ORDER_DIFFERS (it does something
        else), E_CONSENT_OVER, E_SIG, E_KEY_UNKNOWN, or the ledger's refusal, which leaves the order open.
        """
        order = self.get(id)
        transaction = open_transaction(data, self._ledger.network)
        if order.state == PAID and order.transaction_id == transaction.id:
            return self._receipt(order)
        self._check_open(order)
        if order.state == UNDER_WAY and order.transaction_id != transaction.id:
            if self._ledger.find(order.transaction_id) is not None:
                self._close(order)
                raise Refused("E_ORDER_CLOSED", state=STATE_NAMES[PAID])
            order = replace(order, state=OPEN, transaction_id=b"")
        if order.state == OPEN:
            order, transaction = self._fitting(order, transaction)
            if order.state == OPEN:
                self._desk.cabinet.put_many([order.row()])
                return {"order": self.show(order), "receipt": None}
        elif order.kind == OPENING:
            order, transaction = self._merged(order, transaction)
        return self._send(order, transaction)

    def _send(self, order: Order, transaction: SignedTransaction) -> Json:
        if self._ledger.find(transaction.id) is None:
            self._desk.cabinet.put_many([order.row()])
            try:
                self._ledger.submit(transaction.encode())
            except (Refused, Malformed):
                again = replace(order, state=OPEN, transaction_id=b"", witnesses=())
                self._desk.cabinet.put_many([again.row()])
                raise
        return self._close(order)

    def _close(self, order: Order) -> Json:
        paid = replace(order, state=PAID)
        data = {"order": order.id.hex(), "transaction_id": order.transaction_id.hex()}
        told = self._desk.tell(order.partner, ORDER_PAID, data)
        self._desk.cabinet.put_many([paid.row(), *told])
        return self._receipt(paid)

    def _receipt(self, order: Order) -> Json:
        receipt = self._ledger.find(order.transaction_id)
        assert receipt is not None, "a paid order's transaction is in the journal"
        return {"order": self.show(order), "receipt": _written(receipt)}

    def decline(self, id: bytes, proof: Signed[HolderProof]) -> Json:
        """Say no to an order, for good; what was counted for it today is given back. Again: nothing.

        Raises E_ORDER_UNKNOWN, E_ORDER_CLOSED, E_SIG.
        """
        order = self.get(id)
        holder = self._desk.consent(order.consent).holder
        self._desk.check_word(proof, holder, decline_purpose(id), Refused("E_ORDER_UNKNOWN", id=id))
        if order.state == DECLINED:
            return self.show(order)
        if order.state in (PAID, UNDER_WAY):
            raise Refused("E_ORDER_CLOSED", state=STATE_NAMES[order.state])
        declined = replace(order, state=DECLINED)
        rows = [declined.row()]
        if order.kind == PAYMENT:
            rows.append(self._desk.uncount(order.consent, order.day, order.payment.amount_tiyn))
        self._desk.cabinet.put_many(rows)
        return self.show(declined)

    def state_name(self, order: Order) -> str:
        """open, under way, paid, declined or expired."""
        late = order.state == OPEN and self._desk.clock.now() > order.expires
        return EXPIRED_NAME if late else STATE_NAMES[order.state]

    def show(self, order: Order) -> Json:
        """An order as its holder and its third party see it."""
        shown: Json = {
            "id": order.id.hex(),
            "partner": order.partner.hex(),
            "partner_name": self._desk.partner(order.partner).name,
            "consent": order.consent.hex(),
            "kind": "payment" if order.kind == PAYMENT else OPENING_NAMES[order.opening.kind],
            "state": self.state_name(order),
            "made": order.made,
            "expires": order.expires,
            "signers": [kid.hex() for kid in order.signers],
            "signed_by": [kid.hex() for kid, _ in order.witnesses],
            "transaction_id": order.transaction_id.hex(),
            "memo": "",
            "amount_tiyn": 0,
            "outputs": [],
            "to_sign": order.wanted.hex(),
        }
        if order.kind == PAYMENT:
            wish = order.payment
            shown["memo"], shown["amount_tiyn"] = wish.memo, wish.amount_tiyn
            shown["outputs"] = [
                {"amount_tiyn": token.amount_tiyn, "lock": _hexed(token.lock.wire())}
                for token in wish.outputs
            ]
        return shown

    # --- judging what was handed in ---

    def _check_open(self, order: Order) -> None:
        if order.state in (PAID, DECLINED):
            raise Refused("E_ORDER_CLOSED", state=STATE_NAMES[order.state])
        if order.state == UNDER_WAY:
            return
        if self.state_name(order) == EXPIRED_NAME:
            raise Refused("E_ORDER_CLOSED", state=EXPIRED_NAME)
        if self._desk.revoked(order.consent):
            raise Refused("E_CONSENT_OVER", problem="the holder took it back")

    def _fitting(self, order: Order, transaction: SignedTransaction) -> tuple[Order, SignedTransaction]:
        """The order under way with the transaction to send; still open while signatures are missing."""
        if not isinstance(transaction.record, Transfer):
            raise Refused("E_ORDER_DIFFERS", problem="it is no transfer")
        for kid, signature in transaction.witnesses:
            key = self._ledger.registered(kid)
            if key is None:
                raise Refused("E_KEY_UNKNOWN", kid=kid)
            key.key.verify(signature, transaction.message)
        if order.kind == PAYMENT:
            self._check_payment(order, transaction)
        else:
            order, transaction = self._merged(order, transaction)
            if len(order.witnesses) < self._needed(order):
                return order, transaction
        return replace(order, state=UNDER_WAY, transaction_id=transaction.id), transaction

    def _check_payment(self, order: Order, transaction: SignedTransaction) -> None:
        holder = order.signers[0]
        if not all(self._desk.same_holder(holder, kid) for kid, _ in transaction.witnesses):
            raise Refused("E_ORDER_DIFFERS", problem="somebody else signed it")
        left = [(token.amount_tiyn, token.lock) for token in transaction.record.creates]
        for wanted in order.payment.outputs:
            if (wanted.amount_tiyn, wanted.lock) not in left:
                raise Refused("E_ORDER_DIFFERS", problem="an output is missing")
            left.remove((wanted.amount_tiyn, wanted.lock))
        for _, lock in left:
            if not isinstance(lock, KeyLock) or not self._desk.same_holder(holder, lock.kid):
                raise Refused("E_ORDER_DIFFERS", problem="it pays somebody else besides")

    def _merged(self, order: Order, transaction: SignedTransaction) -> tuple[Order, SignedTransaction]:
        if transaction.body != order.wanted:
            raise Refused("E_ORDER_DIFFERS", problem="it is another transaction than the one to sign")
        if any(kid not in order.signers for kid, _ in transaction.witnesses):
            raise Refused("E_ORDER_DIFFERS", problem="somebody else signed it")
        both = dict(order.witnesses) | dict(transaction.witnesses)
        witnesses = tuple(sorted(both.items()))
        whole = SignedTransaction(transaction.record, transaction.body, transaction.id, witnesses)
        return replace(order, witnesses=witnesses), whole

    def _needed(self, order: Order) -> int:
        wish = order.opening
        token = self._ledger.token(TokenId(wish.transaction_id, wish.output))
        return token.lock.threshold if token is not None and isinstance(token.lock, QuorumLock) else 1


def _who_opens(kind: int, token: Token, locked: TokenId) -> tuple[bytes, ...]:
    lock = token.lock
    if isinstance(lock, HashLock) and kind in (CLAIM, REFUND):
        return (lock.claim,) if kind == CLAIM else (lock.refund,)
    if isinstance(lock, QuorumLock) and kind not in (CLAIM, REFUND):
        return lock.kids
    raise Refused("E_LOCK_KIND", transaction_id=locked.transaction_id, output=locked.output)


def _opening(nonce: bytes, wish: OpeningOrder, locked: TokenId, token: Token) -> Transfer:
    builders: dict[int, Callable[[], Transfer]] = {
        CLAIM: lambda: conditional.claim(nonce, locked, token, wish.secret),
        REFUND: lambda: conditional.refund(nonce, locked, token),
    }
    build = builders.get(wish.kind, lambda: conditional.release(nonce, locked, token, wish.shares))
    return build()


def _load(id: bytes, data: bytes) -> Order:
    values: tuple[Any, ...] = _ROW.load(canonical.decode(data), "order")
    return Order(id, *values)


def _written(receipt: Receipt) -> Json:
    return {
        "transaction_id": receipt.transaction_id.hex(),
        "index": receipt.index,
        "time": receipt.time,
    }


def _hexed(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return [_hexed(item) for item in value] if isinstance(value, tuple) else value
