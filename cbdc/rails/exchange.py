"""Payment against payment, the payer's bank: two ledgers, one secret, either both sides are paid or neither.

    offered    the customer's digital tenge lies behind a hash lock until `own`; the bank alone has the secret, and asks
               the market maker (pacs.009) to lock the other currency under the same hash until `other`, earlier
    claiming   the market maker's lock is on the other ledger, just as agreed, and there is time: the bank claims it for
               the payee. That shows the secret to everybody, so the market maker can claim the digital tenge
    paid       the payee has the money; the bank tells the market maker (pacs.002 ACSC), which needs no such telling
    done       the market maker has claimed, too
    waiting    the market maker refused, was silent, or locked something else: the secret stays a secret for ever
    undone     the deadline `own` has passed, and the digital tenge is the customer's again

Why it is atomic: the secret is shown only by claiming, and the claim is sent only while more than `margin` is left to
`other`; `own` is at least a margin after `other` (E_RAILS_DEADLINES otherwise), so who sees the claim has time for its
own. A claim that was not sent in time is never sent. If the market maker sleeps past `own` although the payee is paid,
the customer's bank pays it out of the expired lock, by a transfer that the customer signed beforehand ("late"); that
is a promise of people, not of the ledger, and `docs/limits.md` says so.

The customer signs three transfers before anything is sent: the lock, the refund to itself, and the late payment. Its
bank cannot change any of them.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from cbdc.cabinet import Row, follow
from cbdc.customers import CustomerFile
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.ports import Entropy
from cbdc.rails.calendar import DAY_SECONDS
from cbdc.rails.desk import account_of, check_initiation, check_quote
from cbdc.rails.hashlock import Journal, check_lock, hash_of, is_unspent, lock_id, spend_lock
from cbdc.rails.messages import (
    IN_PROCESS,
    REJECTED,
    SETTLED,
    BankTransfer,
    Initiation,
    Message,
    Status,
    open_message,
    reference_of,
    uetr_of,
)
from cbdc.rails.network import Copy
from cbdc.rails.office import Drawer, Office, due_again, earliest, request_id, values_of
from cbdc.rails.policy import Policy
from cbdc.rails.rates import Quote, SimulatedRateSource
from cbdc.record import HASH, HASH_OR_NONE, MOMENT, Bytes, Group, Text, Unsigned
from cbdc.token import HashLock, KeyLock, Token
from cbdc.transaction import SignedTransaction, Transfer, open_transaction

TAKEN, OFFERED, CLAIMING, PAID, DONE, WAITING, UNDONE, REFUSED = 1, 2, 3, 4, 5, 6, 7, 8
STATE_NAMES = {
    TAKEN: "taken",
    OFFERED: "offered",
    CLAIMING: "claiming",
    PAID: "paid",
    DONE: "done",
    WAITING: "waiting",
    UNDONE: "undone",
    REFUSED: "refused",
}
_OPEN_STATES = (TAKEN, OFFERED, CLAIMING, PAID, WAITING)


class Terms(NamedTuple):
    """What a customer locks: `lock` for `amount_tiyn`. `other` is when the other side's lock ends at the latest."""

    lock: HashLock
    amount_tiyn: int
    other: int


class Signatures(NamedTuple):
    """What the customer signed beforehand: the lock, the refund to itself, the late payment to the market maker."""

    lock: bytes
    refund: bytes
    late: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """A payment against payment at the payer's bank. `own` and `agreed` are the deadlines of the order, `other` the one
    that the market maker gave, `theirs` its lock, `claim` the signed claim on the other ledger; moments are Unix time.
    """

    id: bytes
    initiation: bytes
    lock: bytes
    refund: bytes
    late: bytes
    own: int
    agreed: int
    other: int
    state: int
    taken_at: int
    attempt: int = 0
    asked_at: int = 0
    theirs: bytes = b""
    claim: bytes = b""
    reason: str = ""
    paid_at: int = 0
    ended_at: int = 0

    @property
    def uetr(self) -> str:
        """Its UETR."""
        return uetr_of(self.id)

    @property
    def body(self) -> Initiation:
        """What the customer wrote."""
        body = open_message(self.initiation).body
        assert isinstance(body, Initiation)
        return body


_EXCHANGE = Group(
    (
        HASH,
        Bytes(),
        Bytes(),
        Bytes(),
        Bytes(),
        MOMENT,
        MOMENT,
        MOMENT,
        Unsigned(TAKEN, REFUSED),
        MOMENT,
        Unsigned(),
        MOMENT,
        HASH_OR_NONE,
        Bytes(),
        Text(64),
        MOMENT,
        MOMENT,
    )
)


class Sides(NamedTuple):
    """The two ledgers, the bank's own key on the other one, the market maker's address and its keys on both, the
    payees' keys on the other ledger by the numbers of their accounts, and the tiers without limits."""

    home: Journal
    away: Journal
    key: Signer
    maker: str
    maker_home: bytes
    maker_away: bytes
    payees: dict[str, bytes]
    tiers: frozenset[int]


class Times(NamedTuple):
    """Seconds: how long the customer's lock holds, how long the other; the margin to claim in; between questions."""

    own: int
    other: int
    claim_margin: int
    retry: int


class ExchangeDesk:
    """The desk of one bank for payments against payments. `customers` are the bank's own."""

    def __init__(
        self,
        office: Office,
        customers: CustomerFile,
        sides: Sides,
        rates: SimulatedRateSource,
        entropy: Entropy,
        policy: Policy,
        times: Times,
    ) -> None:
        self._office = office
        self._customers = customers
        self._sides = sides
        self._rates = rates
        self._entropy = entropy
        self.policy = policy
        self.times = times
        self._open = Drawer(office.cabinet, f"{office.bic}/exchange.open", _EXCHANGE, Exchange)
        self._closed = Drawer(office.cabinet, f"{office.bic}/exchange.closed", _EXCHANGE, Exchange)
        self._uetr = f"{office.bic}/exchange.uetr"

    @property
    def bic(self) -> str:
        """The bank's address."""
        return self._office.bic

    def strangers(self) -> int:
        """How many messages were put aside, because they contradict what is known."""
        return self._office.strangers()

    def _secret(self, id: bytes) -> bytes:
        return self._entropy.bytes("exchange secret", follow(self.bic, id))

    # --- taking an order ---

    def terms(self, id: bytes, quote: Quote, refund: bytes, times: Times | None = None) -> Terms:
        """What the customer is to lock for the order `id` (its key `refund` gets it back), from now on.

        `times` are this desk's unless others are asked for.
        """
        times = times or self.times
        now = self._office.clock.now()
        lock = HashLock(hash_of(self._secret(id)), self._sides.maker_home, refund, now + times.own)
        return Terms(lock, quote.asked.minor, now + times.other)

    def take(self, id: bytes, initiation: bytes, signed: Signatures, other: int) -> Exchange:
        """Take a customer's order with its lock (as `terms` said) and the two ways out of it.

        Raises the errors of `open_message`; E_RAILS_PARTY; E_RAILS_QUOTE_UNKNOWN; the policy's refusals;
        E_RAILS_DEADLINES; E_RAILS_PAYEE (no key on the other ledger); E_RAILS_LOCK (not as agreed, or not
        signed); E_SIG;
        E_RAILS_TIER (a limit could forbid the claim once the secret is known); E_ID_REUSED; and
        the ledger's refusal of the lock, which ends the order.
        """
        HASH.load(id, "order id")
        known = self.find(id)
        if known is not None:
            given = (initiation, *signed, other)
            if (known.initiation, known.lock, known.refund, known.late, known.agreed) != given:
                raise Refused("E_ID_REUSED", id=id)
            if known.state == REFUSED:
                raise Refused("E_RAILS_ORDER_REFUSED", id=id, reason=known.reason)
            return known if known.state != TAKEN else self._offer(known)
        body = check_initiation(open_message(initiation), id, self.bic)
        quote = self._rates.get(body.contract)
        now = self._office.clock.now()
        self.policy.check(body, quote, now, settles=False)
        check_quote(body, quote, self._sides.maker)
        lock = self._agreed(id, body, quote, signed)
        self.policy.check_deadlines(lock.deadline, other, now)
        if body.creditor_account not in self._sides.payees:
            raise Refused("E_RAILS_PAYEE", account=body.creditor_account)
        exchange = Exchange(id, initiation, *signed, lock.deadline, other, other, TAKEN, now)
        self._office.put([*self._rows(exchange), Row(self._uetr, exchange.uetr.encode(), id)])
        return self._offer(exchange)

    def _rows(self, exchange: Exchange) -> list[Row]:
        key, values = exchange.id, values_of(exchange)
        if exchange.state in _OPEN_STATES:
            return [self._open.row(key, values)]
        return [self._open.gone(key), self._closed.row(key, values)]

    def _agreed(self, id: bytes, body: Initiation, quote: Quote, signed: Signatures) -> HashLock:
        """The customer's lock, if the three transfers are what they must be; E_RAILS_LOCK."""
        opened = [open_transaction(data, self._sides.home.network) for data in signed]
        lock, refund, late = opened
        token = lock.record.creates[0]
        held = token.lock
        sound = isinstance(held, HashLock) and all(isinstance(one.record, Transfer) for one in opened)
        if not sound or not isinstance(held, HashLock):
            raise Refused("E_RAILS_LOCK", lock=lock.id)
        owner = self._customers.owner_of(held.refund)
        if owner.tier not in self._sides.tiers:
            raise Refused("E_RAILS_TIER", tier=owner.tier)
        back = (Token(token.amount_tiyn, KeyLock(held.refund)),)
        onward = (Token(token.amount_tiyn, KeyLock(self._sides.maker_home)),)
        right = (
            not token.mark
            and token.amount_tiyn == quote.asked.minor
            and (held.hash, held.claim) == (hash_of(self._secret(id)), self._sides.maker_home)
            and account_of(owner.id) == body.debtor_account
            and refund.record.spends == late.record.spends == (lock_id(lock.id),)
            and (refund.record.creates, late.record.creates) == (back, onward)
        )
        if not right:
            raise Refused("E_RAILS_LOCK", lock=lock.id)
        for way_out in (refund, late):
            self._check_signed(way_out, held.refund)
        return held

    def _check_signed(self, way_out: SignedTransaction, kid: bytes) -> None:
        """E_RAILS_LOCK unless the payer's key signed it: after the deadline nobody could ask for a signature."""
        key = self._sides.home.registered(kid)
        signature = dict(way_out.witnesses).get(kid)
        if key is None or signature is None:
            raise Refused("E_RAILS_LOCK", lock=way_out.id)
        key.key.verify(signature, way_out.message)

    def _offer(self, exchange: Exchange) -> Exchange:
        try:
            self._sides.home.submit(exchange.lock)
        except Unavailable:
            raise
        except TengeError as refusal:
            ended = replace(exchange, state=REFUSED, reason=refusal.code, ended_at=exchange.taken_at)
            self._office.put(self._rows(ended))
            raise
        offered = replace(exchange, state=OFFERED, attempt=1, asked_at=exchange.taken_at)
        self._office.put([*self._rows(offered), self._letter(offered)])
        self._office.flush()
        return offered

    def _letter(self, exchange: Exchange) -> Row:
        body = exchange.body
        lock = self._opened(exchange.lock)
        held = lock.record.creates[0]
        assert isinstance(held.lock, HashLock)
        offer = BankTransfer(
            reference_of(follow("pacs.009", exchange.id)),
            exchange.taken_at,
            body.end_to_end,
            exchange.uetr,
            self._rates.get(body.contract).asked,
            exchange.taken_at // DAY_SECONDS,
            self.bic,
            self._sides.maker,
            body.contract,
            self._sides.home.network.hex(),
            lock.id,
            held.lock.hash,
            exchange.own,
            body.amount,
            exchange.other,
        )
        name = request_id("pacs.009", exchange.uetr, exchange.attempt)
        return self._office.letter(name, self._sides.maker, offer, exchange.asked_at)

    def _opened(self, data: bytes) -> SignedTransaction:
        return open_transaction(data, self._sides.home.network)

    # --- answers ---

    def handle(self, copy: Copy) -> None:
        """Take in what the market maker says."""
        message = self._office.open(copy)
        exchange = self.by_uetr(str(getattr(message.body, "uetr", ""))) if message is not None else None
        if message is None or exchange is None or message.sender != self._sides.maker:
            self._office.strange(copy.id, copy.data)
        else:
            self._answered(exchange, message, copy)
        self._office.network.done(copy)

    def _answered(self, exchange: Exchange, message: Message, copy: Copy) -> None:
        body = message.body
        if not isinstance(body, Status):
            self._office.strange(copy.id, copy.data)
        elif exchange.state == OFFERED and body.status == REJECTED:
            self._wait(exchange, body.reason)
        elif exchange.state == OFFERED and body.status == IN_PROCESS:
            self._look(exchange, body)
        elif exchange.state == CLAIMING:
            self._claim(exchange)

    def _wait(self, exchange: Exchange, reason: str) -> None:
        """Nothing more is asked or claimed; at the deadline the customer has its money again."""
        self._office.put(self._rows(replace(exchange, state=WAITING, reason=reason)))

    def _look(self, exchange: Exchange, body: Status) -> None:
        """Claim what the market maker locked, if it is what was agreed and there is time."""
        lock, until = body.lock or b"", body.until or 0
        digest = hash_of(self._secret(exchange.id))
        wanted = HashLock(digest, self._sides.key.public.kid, self._sides.maker_away, until)
        minor = exchange.body.amount.minor
        try:
            if until > exchange.other or body.network != self._sides.away.network.hex():
                raise Refused("E_RAILS_LOCK", lock=lock)
            check_lock(self._sides.away, lock, wanted, minor)
        except Refused as refusal:
            self._wait(exchange, refusal.code)
            return
        if not self._in_time(until):
            self._wait(exchange, "E_RAILS_LATE")
            return
        payee = self._sides.payees[exchange.body.creditor_account]
        claim = spend_lock(
            "claim", self._sides.away.network, self._sides.key, lock, minor, payee, self._secret(exchange.id)
        )
        claiming = replace(exchange, state=CLAIMING, theirs=lock, claim=claim.encode(), other=until)
        self._office.put(self._rows(claiming))
        self._claim(claiming)

    def _in_time(self, until: int) -> bool:
        return self._office.clock.now() + self.times.claim_margin <= until

    def _claim(self, exchange: Exchange) -> None:
        """Send the claim, unless it is too late; a claim that the ledger has is done, whatever the clock says."""
        claim = open_transaction(exchange.claim, self._sides.away.network)
        if self._sides.away.find(claim.id) is None:
            if not self._in_time(exchange.other):
                self._wait(exchange, "E_RAILS_LATE")
                return
            answer = self._sides.away.submit_many([exchange.claim])[0]
            if isinstance(answer, Unavailable):
                raise answer
            if not isinstance(answer, Receipt):
                self._wait(exchange, answer.code)
                return
        now = self._office.clock.now()
        paid = replace(exchange, state=PAID, paid_at=now)
        news = Status(
            reference_of(follow("settled", exchange.id)),
            now,
            reference_of(follow("pacs.009", exchange.id)),
            BankTransfer.KIND,
            exchange.body.end_to_end,
            exchange.uetr,
            SETTLED,
        )
        letter = self._office.letter(request_id("pacs.002", exchange.uetr, 1), self._sides.maker, news, now)
        self._office.put([*self._rows(paid), letter])
        self._office.flush()

    # --- the clock ---

    def tick(self) -> None:
        """Ask again, give up, see whether the market maker has claimed, take back what was not."""
        now = self._office.clock.now()
        for exchange in self._open.all():
            self._strike(exchange, now)
        self._office.flush()

    def _strike(self, exchange: Exchange, now: int) -> None:
        if exchange.state == OFFERED:
            if not self._in_time(exchange.other):
                self._wait(exchange, "E_RAILS_SILENT")
            elif self._due(exchange) <= now:
                again = replace(exchange, attempt=exchange.attempt + 1, asked_at=now)
                self._office.put([*self._rows(again), self._letter(again)])
        elif exchange.state == CLAIMING:
            self._claim(exchange)
        elif exchange.state == PAID:
            if not is_unspent(self._sides.home, self._opened(exchange.lock).id):
                self._finish(exchange, DONE)
            elif now > exchange.own:
                self._spend(exchange, exchange.late, DONE)
        elif exchange.state == WAITING and now > exchange.own:
            self._spend(exchange, exchange.refund, UNDONE)

    def _due(self, exchange: Exchange) -> int:
        return due_again(exchange.asked_at, exchange.attempt, self.times.retry)

    def _spend(self, exchange: Exchange, way_out: bytes, state: int) -> None:
        answer = self._sides.home.submit_many([way_out])[0]
        if isinstance(answer, Unavailable):
            raise answer
        # Refused means that the lock was spent in another way meanwhile: a claim just in time, or a court's order.
        self._finish(exchange, state)

    def _finish(self, exchange: Exchange, state: int) -> None:
        now = self._office.clock.now()
        self._office.put(self._rows(replace(exchange, state=state, ended_at=now)))

    def next_moment(self) -> int | None:
        """When something falls due next: a question, a deadline, or at once when the market maker has claimed."""
        return earliest(moment for exchange in self._open.all() for moment in self._moments(exchange))

    def _moments(self, exchange: Exchange) -> list[int]:
        if exchange.state == OFFERED:
            return [self._due(exchange), exchange.other - self.times.claim_margin + 1]
        if exchange.state == PAID:
            spent = not is_unspent(self._sides.home, self._opened(exchange.lock).id)
            return [self._office.clock.now()] if spent else [exchange.own + 1]
        return [exchange.own + 1] if exchange.state == WAITING else []

    def resume(self) -> None:
        """Complete what a crash left half done."""
        self._office.flush()
        for exchange in self._open.all():
            try:
                if exchange.state == TAKEN:
                    self._offer(exchange)
                elif exchange.state == CLAIMING:
                    self._claim(exchange)
            except Refused:
                continue  # it is written down as refused

    # --- what is known ---

    def find(self, id: bytes) -> Exchange | None:
        """A payment against payment by its order's id, or None."""
        return self._open.get(id) or self._closed.get(id)

    def by_uetr(self, uetr: str) -> Exchange | None:
        """A payment against payment by its UETR, or None."""
        found = self._office.cabinet.get(self._uetr, uetr.encode())
        return None if found is None else self.find(found)

    def all(self) -> list[Exchange]:
        """Every one: those that ended first, then the open ones."""
        return [*self._closed.all(), *self._open.all()]
