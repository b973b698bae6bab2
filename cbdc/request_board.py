"""Payment requests that a link can lead to: a payee's signed request, kept under its id until it is paid.

    post        a payee's key signs what it asks for: an id of its own making, an amount (0: the payer chooses), one
                line of text, the last moment. The same request again changes nothing
    request     whoever knows the id (32 random bytes: the link) reads the request, and checks the payee's signature
    mark_paid   whoever signed the payment says which transaction it was. The journal is asked whether it really pays
    withdraw    the payee takes an unpaid request back
    address     the payee puts a request into the inbox of one key: who holds it is asked, and nobody else
    decline     who was asked says no, for good; the payee sees it

The request moves no money and hinders none: paying is a transfer like any other, which the ledger judges without
knowing of requests. The board only answers "was this paid, and by what".

Rules kept here:

- one transaction pays one request, one request is paid once, and only a transaction that the board saw arrive after
  the request, of exactly its amount, in free money, to its payee's key;
- only a key that signed the transaction can name it, so nobody else's payment is passed off as one's own;
- a word is bound to its act and each act happens once, so a word sent again changes nothing;
- one holder posts so many requests a day (`REQUESTS_A_DAY`), and has so many open ones in one inbox (`MOST_TO_ONE`);
  both are assumptions;
- a request is addressed to one key, once. What was declined is paid by nobody.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row
from cbdc.errors import Malformed, Refused
from cbdc.gateway import Gateway
from cbdc.ledger.entry import Receipt
from cbdc.ledger.state import RegisteredKey
from cbdc.opening_hours import DAY_SECONDS
from cbdc.orders import HolderProof
from cbdc.policies import UTC_PLUS_5_SECONDS
from cbdc.ports import Clock
from cbdc.record import (
    HASH,
    HASH_OR_NONE,
    MOMENT,
    ONLINE_DOMAIN,
    Bytes,
    Group,
    Kind,
    Record,
    Signed,
    Text,
    Unsigned,
    open_envelope,
)
from cbdc.token import KeyLock
from cbdc.transaction import SignedTransaction, Transfer

REQUESTS_A_DAY = 500
MOST_LISTED = 200
MOST_TO_ONE = 20
MOST_MEMO_BYTES = 140
OPEN = "open"
PAID = "paid"
WITHDRAWN = "withdrawn"
DECLINED = "declined"
EXPIRED = "expired"

_DRAWER = "request board"
_PAYMENTS = "request board/payment"
_COUNTS = "request board/count"
_ADDRESSEES = "request board/addressee"
_DECLINED = "request board/declined"
_ROW = Group((Bytes(), Unsigned(), Unsigned(0, 1), HASH_OR_NONE))
# Controls, invisible and unassigned characters, and the separators that break a line or a paragraph.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of visible text, so that it cannot pretend to be another part of a screen."""

    most_bytes: int = MOST_MEMO_BYTES

    def load(self, value: object, name: str) -> str:
        """The text; E_TYPE, E_FIELD when it is too long or has anything else than visible letters."""
        text = Text(self.most_bytes).load(value, name)
        if any(unicodedata.category(character) in _INVISIBLE for character in text) or text != text.strip():
            raise Malformed("E_FIELD", field=name, problem="not one line of visible text")
        return text


@dataclass(frozen=True, slots=True)
class RequestToPay(Record):
    """Pay `amount_tiyn` (0: as much as you like) to the key `payee` until `expires` (0: any time).

    `id` is 32 bytes of the payee's making, `made` when it was written; both in Unix seconds.
    """

    id: bytes
    payee: bytes
    amount_tiyn: int
    memo: str
    made: int
    expires: int

    TYPE: ClassVar[int] = 88
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, HASH, Unsigned(), Line(), MOMENT, MOMENT)


class Posted(NamedTuple):
    """A request on the board: what the payee signed, OPEN, PAID, WITHDRAWN, DECLINED or EXPIRED, what paid it, and the
    key it was addressed to (empty: nobody in particular)."""

    request: Signed[RequestToPay]
    state: str
    transaction_id: bytes
    payer: bytes = b""


class Journal(Protocol):
    """The ledger, where one also reads what an accepted transaction said; `cbdc.ledger.ledger.Ledger` fits it."""

    def transaction(self, index: int) -> SignedTransaction:
        """The transaction at `index`, 1 or later."""
        ...

    @property
    def size(self) -> int:
        """How many entries there are."""
        ...


class BoardGateway(Gateway, Journal, Protocol):
    """Both."""


def paid_purpose(id: bytes, transaction_id: bytes) -> str:
    """What a key that signed the payment signs to say that it pays this request."""
    return f"request paid {hashlib.sha256(id + transaction_id).hexdigest()}"


def withdraw_purpose(id: bytes) -> str:
    """What the payee's key signs to take a request back."""
    return f"request withdraw {id.hex()}"


def address_purpose(id: bytes, kid: bytes) -> str:
    """What the payee's key signs to put a request into the inbox of the key `kid`."""
    return f"request to {hashlib.sha256(id + kid).hexdigest()}"


def decline_purpose(id: bytes) -> str:
    """What the addressee's key signs to say no."""
    return f"request decline {id.hex()}"


class RequestBoard:
    """The board of one sandbox: a service beside the banks, which keeps no money and no names."""

    def __init__(self, gateway: BoardGateway, cabinet: Cabinet, clock: Clock) -> None:
        self._gateway = gateway
        self._cabinet = cabinet
        self._clock = clock

    def post(self, request: Signed[RequestToPay]) -> Posted:
        """Put a request on the board; the same again is answered as it stands now.

        Raises E_KEY_UNKNOWN, E_KEY_RETIRED, E_SIG, E_ID_REUSED, E_REQUEST_EXPIRED, E_REQUEST_MANY.
        """
        record = request.record
        key = self._key(record.payee)
        request.verify(key.key)
        known = self._cabinet.get(_DRAWER, record.id)
        if known is not None:
            posted, _ = self._load(known)
            if posted.request.record != record:
                raise Refused("E_ID_REUSED", id=record.id)
            return posted
        if key.successor:
            raise Refused("E_KEY_RETIRED", kid=record.payee)
        now = self._clock.now()
        if record.expires and now > record.expires:
            raise Refused("E_REQUEST_EXPIRED", expires=record.expires, now=now)
        row = self._row(request, self._gateway.size, 0, b"")
        listed = Row(_mine(record.payee), record.id, b"")
        self._cabinet.put_many([self._count(key.pseudonym, now), row, listed])
        return Posted(request, OPEN, b"")

    def request(self, id: bytes) -> Posted:
        """The request with this id; E_PAY_REQUEST_UNKNOWN."""
        return self._get(id)[0]

    def requests_of(self, payee: bytes) -> list[Posted]:
        """The newest MOST_LISTED requests that a key posted, newest first."""
        return self._listed(_mine(payee))

    def _listed(self, drawer: str) -> list[Posted]:
        ids = [name for name, _ in self._cabinet.all(drawer)][-MOST_LISTED:]
        rows = self._cabinet.get_many(_DRAWER, ids)
        return [self._load(rows[name])[0] for name in reversed(ids)]

    def mark_paid(self, id: bytes, transaction_id: bytes, word: Signed[HolderProof]) -> Posted:
        """Note that a transaction paid a request, on the word (`paid_purpose`) of a key that signed it; again: nothing.

        Raises E_PAY_REQUEST_UNKNOWN, E_REQUEST_PAID, E_REQUEST_WITHDRAWN, E_REQUEST_DECLINED, E_REQUEST_WORD, E_SIG,
        E_REQUEST_EXPIRED, and E_REQUEST_PAYMENT for a transaction that does not pay it.
        """
        posted, since = self._get(id)
        if posted.state == PAID and posted.transaction_id == transaction_id:
            return posted
        _check_unanswered(posted)
        if posted.state == WITHDRAWN:
            raise Refused("E_REQUEST_WITHDRAWN")
        receipt = self._gateway.find(HASH.load(transaction_id, "transaction id"))
        if receipt is None:
            raise Refused("E_REQUEST_PAYMENT", problem="the ledger has no such transaction")
        transaction = self._gateway.transaction(receipt.index)
        self._check_word(word, paid_purpose(id, transaction_id), [kid for kid, _ in transaction.witnesses])
        self._check_payment(posted.request.record, since, receipt, transaction)
        rows = [self._row(posted.request, since, 0, transaction_id), Row(_PAYMENTS, transaction_id, id)]
        self._cabinet.put_many(rows)
        return posted._replace(state=PAID, transaction_id=transaction_id)

    def withdraw(self, id: bytes, word: Signed[HolderProof]) -> Posted:
        """Take a request back, on the payee's word (`withdraw_purpose`); again: nothing.

        Raises E_PAY_REQUEST_UNKNOWN, E_REQUEST_WORD, E_SIG, E_REQUEST_PAID, E_REQUEST_DECLINED.
        """
        posted, since = self._get(id)
        self._check_word(word, withdraw_purpose(id), [posted.request.record.payee])
        _check_unanswered(posted)
        self._cabinet.put_many([self._row(posted.request, since, 1, b"")])
        return posted._replace(state=WITHDRAWN)

    # --- one who is asked ---

    def address(self, id: bytes, kid: bytes, word: Signed[HolderProof]) -> Posted:
        """Put a request into the inbox of a key, on the payee's word (`address_purpose`); again: nothing.

        Raises E_PAY_REQUEST_UNKNOWN, E_REQUEST_WORD, E_SIG, E_REQUEST_ADDRESSED for another key than before,
        E_KEY_UNKNOWN, E_KEY_RETIRED, E_REQUEST_INBOX, and when it is no longer open E_REQUEST_PAID,
        E_REQUEST_WITHDRAWN, E_REQUEST_EXPIRED.
        """
        posted, _ = self._get(id)
        payee = posted.request.record.payee
        self._check_word(word, address_purpose(id, HASH.load(kid, "key id")), [payee])
        if posted.payer:
            if posted.payer != kid:
                raise Refused("E_REQUEST_ADDRESSED", id=id)
            return posted
        if self._key(kid).successor:
            raise Refused("E_KEY_RETIRED", kid=kid)
        self._check_open(posted)
        waiting = sum(one.state == OPEN and one.request.record.payee == payee for one in self.inbox_of(kid))
        if waiting >= MOST_TO_ONE:
            raise Refused("E_REQUEST_INBOX", limit=MOST_TO_ONE)
        self._cabinet.put_many([Row(_ADDRESSEES, id, kid), Row(_inbox(kid), id, b"")])
        return posted._replace(payer=kid)

    def inbox_of(self, kid: bytes) -> list[Posted]:
        """The newest MOST_LISTED requests that were addressed to a key, newest first."""
        return self._listed(_inbox(kid))

    def decline(self, id: bytes, word: Signed[HolderProof]) -> Posted:
        """Say no for good, on the word (`decline_purpose`) of the key that was asked; again: nothing.

        Raises E_PAY_REQUEST_UNKNOWN, E_REQUEST_WORD (also where nobody was asked), E_SIG, E_REQUEST_PAID,
        E_REQUEST_WITHDRAWN, E_REQUEST_EXPIRED.
        """
        posted, _ = self._get(id)
        self._check_word(word, decline_purpose(id), [posted.payer])
        if posted.state == DECLINED:
            return posted
        self._check_open(posted)
        self._cabinet.put_many([Row(_DECLINED, id, canonical.encode(self._clock.now()))])
        return posted._replace(state=DECLINED)

    # --- judging ---

    def _check_open(self, posted: Posted) -> None:
        _check_unanswered(posted)
        if posted.state == WITHDRAWN:
            raise Refused("E_REQUEST_WITHDRAWN")
        if posted.state == EXPIRED:
            raise Refused("E_REQUEST_EXPIRED", expires=posted.request.record.expires, now=self._clock.now())

    def _check_payment(
        self, record: RequestToPay, since: int, receipt: Receipt, transaction: SignedTransaction
    ) -> None:
        if record.expires and receipt.time > record.expires:
            raise Refused("E_REQUEST_EXPIRED", expires=record.expires, now=receipt.time)
        problem = ""
        other = self._cabinet.get(_PAYMENTS, transaction.id)
        if not isinstance(transaction.record, Transfer):
            problem = "it is no payment"
        elif receipt.index < since:
            problem = "it is older than the request"
        elif other is not None and other != record.id:
            problem = "it paid another request"
        else:
            lock = KeyLock(record.payee)
            outputs = transaction.record.outputs
            paid_tiyn = sum(token.amount_tiyn for token in outputs if token.lock == lock and not token.mark)
            if paid_tiyn < 1 or (record.amount_tiyn and paid_tiyn != record.amount_tiyn):
                problem = "it pays the payee another amount"
        if problem:
            raise Refused("E_REQUEST_PAYMENT", problem=problem)

    def _check_word(self, word: Signed[HolderProof], purpose: str, kids: Sequence[bytes]) -> None:
        said = word.record
        if said.purpose != purpose or said.kid not in kids:
            raise Refused("E_REQUEST_WORD", kid=said.kid)
        word.verify(self._key(said.kid).key)

    def _key(self, kid: bytes) -> RegisteredKey:
        key = self._gateway.registered(kid)
        if key is None:
            raise Refused("E_KEY_UNKNOWN", kid=kid)
        return key

    def _count(self, pseudonym: bytes, now: int) -> Row:
        name = pseudonym + ((now + UTC_PLUS_5_SECONDS) // DAY_SECONDS).to_bytes(8, "big")
        data = self._cabinet.get(_COUNTS, name)
        posted = 0 if data is None else Unsigned().load(canonical.decode(data), "posted")
        if posted >= REQUESTS_A_DAY:
            raise Refused("E_REQUEST_MANY", limit=REQUESTS_A_DAY)
        return Row(_COUNTS, name, canonical.encode(posted + 1))

    # --- rows ---

    @staticmethod
    def _row(request: Signed[RequestToPay], since: int, withdrawn: int, transaction_id: bytes) -> Row:
        data = canonical.encode([request.encode(), since, withdrawn, transaction_id])
        return Row(_DRAWER, request.record.id, data)

    def _get(self, id: bytes) -> tuple[Posted, int]:
        data = self._cabinet.get(_DRAWER, HASH.load(id, "request id"))
        if data is None:
            raise Refused("E_PAY_REQUEST_UNKNOWN", id=id)
        return self._load(data)

    def _load(self, data: bytes) -> tuple[Posted, int]:
        envelope, since, withdrawn, transaction_id = _ROW.load(canonical.decode(data), "request")
        request = open_envelope(envelope, RequestToPay, self._gateway.network)
        name, expires = request.record.id, request.record.expires
        if transaction_id:
            state = PAID
        elif withdrawn:
            state = WITHDRAWN
        elif self._cabinet.get(_DECLINED, name) is not None:
            state = DECLINED
        else:
            state = EXPIRED if expires and self._clock.now() > expires else OPEN
        return Posted(request, state, transaction_id, self._cabinet.get(_ADDRESSEES, name) or b""), since


def _check_unanswered(posted: Posted) -> None:
    if posted.state == PAID:
        raise Refused("E_REQUEST_PAID")
    if posted.state == DECLINED:
        raise Refused("E_REQUEST_DECLINED")


def _inbox(kid: bytes) -> str:
    return f"request board/inbox/{kid.hex()}"


def _mine(payee: bytes) -> str:
    return f"request board/{payee.hex()}"
