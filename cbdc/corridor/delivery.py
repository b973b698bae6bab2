"""Delivery versus payment: gold for digital tenge, both or neither, by one hash and two deadlines.

    1  agree         what for what, the hash of the seller's secret, and when each side falls back
    2  lock asset    the seller's units, for the buyer, until the asset's deadline
    3  lock money    the buyer's digital tenge in a hash lock on the ledger, for the seller, until an earlier deadline
    4  claim money   the seller shows the secret on the ledger, and has the money
    5  deliver       the secret stands in the journal for everyone: the units go to the buyer
       roll back     who does not go on gets back what he locked, each after its deadline

The two ledgers decide; the desk only checks that each step fits what was agreed, and carries it on. Its rows are the
agreement and the lock's transaction; **how a deal stands follows from the two ledgers**, so nothing has to be
repaired after a crash. The asset's deadline is later than the money's by a gap, because between the seller's last
second and the buyer's there must be time to read the journal. If nobody carries a paid deal on within the gap, the
seller could take the units back: that is the known weakness of hash locks, and why `settle` may be called by anybody.

Rules as data (each can be left out): the asset is one of a licensed custodian (`known`), nobody promises units twice
(`single_sale`), the gap (`gap_seconds`).
"""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.corridor.events import EventLog
from cbdc.corridor.gold import GoldIssuer
from cbdc.corridor.units import CLAIMED, LOCKED, RETURNED, UnitLedger, UnitLock
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger.ledger import Ledger
from cbdc.ports import Clock
from cbdc.record import AMOUNT, HASH, MOMENT, Group, Text
from cbdc.token import HashLock, Token, TokenId
from cbdc.transaction import Transfer, open_transaction

AGREED = "agreed"
ASSET_LOCKED = "asset locked"
MONEY_LOCKED = "money locked"
PAID = "paid"
DELIVERED = "delivered"
ROLLED_BACK = "rolled back"

_TERMS = Group((Text(), HASH, HASH, AMOUNT, AMOUNT, HASH, MOMENT, MOMENT))


class Terms(NamedTuple):
    """What was agreed: `units` of `asset` from the key `seller` for `tiyn` from the key `buyer`.

    `hash` is SHA-256 of the seller's secret. After `money_deadline` the buyer takes the money back, after
    `asset_deadline` the seller takes the units back.
    """

    asset: str
    seller: bytes
    buyer: bytes
    units: int
    tiyn: int
    hash: bytes
    money_deadline: int
    asset_deadline: int

    @property
    def money_lock(self) -> HashLock:
        """The lock on the ledger."""
        return HashLock(self.hash, self.seller, self.buyer, self.money_deadline)

    @property
    def payment(self) -> Token:
        """The token that pays."""
        return Token(self.tiyn, self.money_lock)


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """The rules as data; `gap_seconds` 0 leaves the gap out."""

    known: bool = True
    single_sale: bool = True
    gap_seconds: int = 3_600


class DeliveryDesk:
    """Deals of gold against digital tenge. `issuers` are the licensed tokens, `ledgers` every asset that is
    offered.
    """

    def __init__(
        self,
        ledger: Ledger,
        cabinet: Cabinet,
        clock: Clock,
        log: EventLog,
        issuers: dict[str, GoldIssuer],
        ledgers: dict[str, UnitLedger],
        rules: DeliveryRules,
    ) -> None:
        self._ledger = ledger
        self._cabinet = cabinet
        self._clock = clock
        self._log = log
        self._issuers = issuers
        self._ledgers = ledgers
        self._rules = rules

    # --- the agreement ---

    def agree(self, id: bytes, terms: Terms) -> Terms:
        """Write a deal down. Once per `id`.

        Raises E_ASSET_FAKE (no licensed custodian's token), E_CORRIDOR_LICENCE, E_DOUBLE_SALE, E_DEADLINES,
        E_ID_REUSED.
        """
        known = self._cabinet.get("delivery/deal", HASH.load(id, "deal id"))
        if known is not None:
            if _load(known) != terms:
                raise Refused("E_ID_REUSED", id=id)
            return terms
        try:
            self._judge(terms)
        except TengeError as error:
            outcome = "unanswered" if isinstance(error, Unavailable) else "refused"
            self._log.note(self._log.row(id, terms.asset, "agree", outcome, code=error.code))
            raise
        self._cabinet.put_many([Row("delivery/deal", id, canonical.encode(list(terms)))])
        return terms

    def _judge(self, terms: Terms) -> None:
        _TERMS.load(tuple(terms), "terms")
        issuer = self._issuers.get(terms.asset)
        if issuer is not None:
            issuer.require()
        elif self._rules.known:
            raise Refused("E_ASSET_FAKE", asset=terms.asset)
        if terms.asset not in self._ledgers:
            raise Refused("E_ASSET_FAKE", asset=terms.asset)
        gap = terms.asset_deadline - terms.money_deadline
        if gap < self._rules.gap_seconds or terms.money_deadline <= self._clock.now():
            raise Refused("E_DEADLINES", gap_seconds=gap, least_seconds=self._rules.gap_seconds)
        if self._rules.single_sale:
            promised = sum(
                deal.units
                for name, deal in self.deals().items()
                if (deal.asset, deal.seller) == (terms.asset, terms.seller) and self._promised(name, deal)
            )
            held = self._ledgers[terms.asset].balance(terms.seller.hex())
            if promised + terms.units > held:
                raise Refused("E_DOUBLE_SALE", asset=terms.asset, free=held - promised, asked=terms.units)

    def _promised(self, id: bytes, deal: Terms) -> bool:
        """Whether a deal still waits for its units: agreed, not locked, and not out of time."""
        return self._lock(id, deal) is None and self._clock.now() <= deal.money_deadline

    def deals(self) -> dict[bytes, Terms]:
        """Every deal by id, oldest first."""
        return {name: _load(data) for name, data in self._cabinet.all("delivery/deal")}

    def terms(self, id: bytes) -> Terms:
        """A deal's terms; E_DEAL_UNKNOWN."""
        data = self._cabinet.get("delivery/deal", HASH.load(id, "deal id"))
        if data is None:
            raise Refused("E_DEAL_UNKNOWN", id=id)
        return _load(data)

    # --- the steps ---

    def lock_asset(self, id: bytes) -> None:
        """The seller's units go behind the hash. Again is harmless; E_UNITS, E_UNIT_LOCK_PAST."""
        terms = self.terms(id)
        self._ledgers[terms.asset].lock(
            _lock_id(id), terms.seller.hex(), terms.buyer.hex(), terms.units, terms.hash, terms.asset_deadline
        )

    def lock_money(self, id: bytes, transaction: bytes) -> TokenId:
        """The buyer's transfer into the hash lock is judged and sent; the token it locked.

        Raises E_DELIVERY_ORDER unless the units are locked first, E_DELIVERY_TERMS unless the transfer is as agreed,
        E_CORRIDOR_MARKED, E_ID_REUSED for another transfer, and the ledger's refusal.
        """
        terms = self.terms(id)
        record = open_transaction(transaction, self._ledger.network).record
        places = [place for place, token in enumerate(record.creates) if token.lock == terms.money_lock]
        if not isinstance(record, Transfer) or len(places) != 1:
            raise Refused("E_DELIVERY_TERMS", id=id)
        token = record.creates[places[0]]
        if token.mark:
            raise Refused("E_CORRIDOR_MARKED", provider=terms.asset)
        if token != terms.payment:
            raise Refused("E_DELIVERY_TERMS", id=id)
        known = self._cabinet.get("delivery/money", id)
        if known is not None and known != transaction and not self._dead(known):
            raise Refused("E_ID_REUSED", id=id)
        lock = self._lock(id, terms)
        if known is None and (lock is None or lock.state != LOCKED):
            raise Refused("E_DELIVERY_ORDER", id=id)
        if known != transaction:
            self._cabinet.put_many([Row("delivery/money", id, transaction)])
        receipt = self._ledger.submit(transaction)
        return TokenId(receipt.transaction_id, places[0])

    def _dead(self, transaction: bytes) -> bool:
        """Whether a transfer was not accepted and never can be: two that live would both be the seller's."""
        opened = open_transaction(transaction, self._ledger.network)
        spent = any(self._ledger.token(identity) is None for identity in opened.record.spends)
        return spent and self._ledger.find(opened.id) is None

    def money(self, id: bytes) -> TokenId | None:
        """The token behind the deal's hash lock, whether or not it is still there; None before it was locked."""
        data = self._cabinet.get("delivery/money", id)
        if data is None or self._ledger.find(_id(data, self._ledger)) is None:
            return None
        record = open_transaction(data, self._ledger.network).record
        lock = self.terms(id).money_lock
        place = next(place for place, token in enumerate(record.creates) if token.lock == lock)
        return TokenId(_id(data, self._ledger), place)

    def preimage(self, id: bytes) -> bytes:
        """The secret, once the seller has shown it on the ledger: read from the journal. Empty before."""
        token = self.money(id)
        if token is None or self._ledger.token(token) is not None:
            return b""
        receipt = self._ledger.find(token.transaction_id)
        assert receipt is not None, "a token's transaction is in the journal"
        wanted = self.terms(id).hash
        for index in range(receipt.index + 1, self._ledger.size):
            record = self._ledger.transaction(index).record
            if token in record.spends:
                shown = record.preimages if isinstance(record, Transfer) else ()
                return next((one for one in shown if hashlib.sha256(one).digest() == wanted), b"")
        raise AssertionError("a spent token has a transaction that spends it")

    def deliver(self, id: bytes) -> None:
        """The buyer's units, by the secret that the ledger shows. Again is harmless.

        Raises E_NOT_PAID before the seller claimed, E_UNIT_CLAIM_LATE after the asset's deadline, E_UNIT_LOCK.
        """
        terms, secret = self.terms(id), self.preimage(id)
        if not secret:
            raise Refused("E_NOT_PAID", id=id)
        try:
            self._ledgers[terms.asset].claim(_lock_id(id), secret)
        except TengeError as error:
            self._log.note(self._log.row(id, terms.asset, "deliver", "refused", code=error.code))
            raise
        self._log.note(
            self._log.row(id, terms.asset, "deliver", "accepted", tiyn=terms.tiyn, units=terms.units)
        )

    def take(self, id: bytes, secret: bytes) -> None:
        """The buyer's units, by a secret that came another way. Again is harmless.

        E_UNIT_PREIMAGE, E_UNIT_CLAIM_LATE, E_UNIT_LOCK.
        """
        self._ledgers[self.terms(id).asset].claim(_lock_id(id), secret)

    def take_back(self, id: bytes) -> None:
        """The seller's units, after the asset's deadline. Again is harmless; E_UNIT_REFUND_EARLY, E_UNIT_LOCK."""
        self._ledgers[self.terms(id).asset].refund(_lock_id(id))

    def settle(self, id: bytes) -> str:
        """Do what is due, whoever calls: deliver what was paid, return what was not; how the deal stands then."""
        state = self.state(id)
        terms = self.terms(id)
        if state == PAID and self._clock.now() <= terms.asset_deadline:
            self.deliver(id)
        elif state in (ASSET_LOCKED, MONEY_LOCKED) and self._clock.now() > terms.asset_deadline:
            self.take_back(id)
        return self.state(id)

    def state(self, id: bytes) -> str:
        """How a deal stands, read from the two ledgers: agreed ... delivered, or rolled back."""
        terms = self.terms(id)
        lock, token = self._lock(id, terms), self.money(id)
        if lock is None:
            return AGREED
        if lock.state == CLAIMED:
            return DELIVERED
        if lock.state == RETURNED:
            return ROLLED_BACK
        if token is None:
            return ASSET_LOCKED
        if self._ledger.token(token) is not None:
            return MONEY_LOCKED
        return PAID if self.preimage(id) else ASSET_LOCKED

    def _lock(self, id: bytes, terms: Terms) -> UnitLock | None:
        return self._ledgers[terms.asset].find_lock(_lock_id(id))


def _lock_id(id: bytes) -> bytes:
    return follow("delivery lock", id)


def _id(transaction: bytes, ledger: Ledger) -> bytes:
    return open_transaction(transaction, ledger.network).id


def _load(data: bytes) -> Terms:
    values: tuple[Any, ...] = _TERMS.load(canonical.decode(data), "terms")
    return Terms(*values)
