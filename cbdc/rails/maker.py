"""Payment against payment, the other side: a simulated market maker that has money on both ledgers.

    asked      pacs.009 offers digital tenge behind a hash lock, and wants the other currency behind the same hash
    locking    the offer is sound: the quote is its own and was valid when the tenge was locked, it lies just as
               said, and its lock outlives this one's by the margin. Everything else is refused (pacs.002 RJCT)
    locked     its own money lies locked on the other ledger; pacs.002 says where
    claiming   somebody claimed it, so the secret stands in that ledger's journal: it claims the tenge with the secret
    done       both sides moved; the difference to the middle rate is its income
    undone     nobody claimed until the deadline: its own money is back
    missed     it slept past the deadline of the tenge although its own money was claimed; what the payer's bank pays
               late ends this as done
    lost       the payer took its expired lock back instead: the one way to lose, and it takes a sleep and a cheat

It trusts no message about money: what a message says it looks up on the ledgers. Its answers are given again to each
copy of a question. Books: its inventory in the other currency stands in the other country's books; the digital tenge it
holds, in its own books of tenge.

Simulated: one dealer with one inventory, which refuses when it has too little and hedges nothing.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from cbdc.accounts import Books, Line, Posting, credit, debit, institution_of, inventory
from cbdc.cabinet import Row, follow
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.rails.hashlock import (
    Journal,
    check_lock,
    is_unspent,
    lock_id,
    secret_in,
    spend_lock,
    spender_of,
)
from cbdc.rails.messages import (
    IN_PROCESS,
    REJECTED,
    SETTLED,
    BankTransfer,
    Message,
    Status,
    open_message,
    reference_of,
)
from cbdc.rails.network import Copy
from cbdc.rails.office import Drawer, Office, earliest, values_of
from cbdc.rails.rates import Quote, SimulatedRateSource
from cbdc.rails.settlement import locked, losses, position, spread_income, wallet_of
from cbdc.record import HASH_OR_NONE, MOMENT, Bytes, Group, Text, Unsigned
from cbdc.till import Payout, Till
from cbdc.token import HashLock, KeyLock, Token

LOCKING, LOCKED, CLAIMING, DONE, UNDONE, MISSED, LOST, TURNED_DOWN = 1, 2, 3, 4, 5, 6, 7, 8
STATE_NAMES = {
    LOCKING: "locking",
    LOCKED: "locked",
    CLAIMING: "claiming",
    DONE: "done",
    UNDONE: "undone",
    MISSED: "missed",
    LOST: "lost",
    TURNED_DOWN: "turned down",
}


@dataclass(frozen=True, slots=True)
class Deal:
    """An exchange at the market maker: the offer as it came, the state, its own lock (the bytes it sent and, once it is
    on the ledger, the answer), the claim, and the way back."""

    uetr: str
    offer: bytes
    state: int
    came_at: int
    lock: bytes = b""
    lock_name: bytes = b""
    claim: bytes = b""
    answer: bytes = b""
    reason: str = ""
    ended_at: int = 0

    @property
    def opened(self) -> tuple[str, BankTransfer]:
        """Who asked, and what."""
        message = open_message(self.offer)
        assert isinstance(message.body, BankTransfer)
        return message.sender, message.body


_DEAL = Group(
    (
        Text(36),
        Bytes(),
        Unsigned(LOCKING, TURNED_DOWN),
        MOMENT,
        Bytes(),
        HASH_OR_NONE,
        Bytes(),
        Bytes(),
        Text(64),
        MOMENT,
    )
)


class Tills(NamedTuple):
    """The two ledgers; the key that holds digital tenge; the till of the other currency and its bank's number there;
    the keys to which the banks of payers (by BIC) want the other currency locked; and the tiers of payers it
    deals with: those without limits, because a limit counts on the day of the claim and could forbid it."""

    home: Journal
    away: Journal
    home_key: Signer
    away_till: Till
    bank_id: int
    claimants: dict[str, bytes]
    tiers: frozenset[int]


class Trade(NamedTuple):
    """How it deals: the margin between the deadlines (seconds), the least time its own lock runs, how often it looks at
    the ledgers, and the codes of both currencies."""

    margin: int
    shortest: int
    look: int
    home: str
    foreign: str


class SimulatedMarketMaker:
    """The market maker. `books` are its own in tenge, `away_books` those of the other country."""

    def __init__(
        self,
        office: Office,
        tills: Tills,
        books: Books,
        away_books: Books,
        rates: SimulatedRateSource,
        trade: Trade,
    ) -> None:
        self._office = office
        self._tills = tills
        self._books = books
        self._away_books = away_books
        self._rates = rates
        self.trade = trade
        self._open = Drawer(office.cabinet, f"{office.bic}/deal.open", _DEAL, Deal)
        self._closed = Drawer(office.cabinet, f"{office.bic}/deal.closed", _DEAL, Deal)

    @property
    def bic(self) -> str:
        """The dealer's address."""
        return self._office.bic

    def strangers(self) -> int:
        """How many messages were put aside, because they contradict what is known."""
        return self._office.strangers()

    def find(self, uetr: str) -> Deal | None:
        """A deal by its UETR, or None."""
        return self._open.get(uetr.encode()) or self._closed.get(uetr.encode())

    def all(self) -> list[Deal]:
        """Every deal: those that ended first, then the open ones."""
        return [*self._closed.all(), *self._open.all()]

    def _rows(self, deal: Deal) -> list[Row]:
        key, values = deal.uetr.encode(), values_of(deal)
        if deal.state in (LOCKING, LOCKED, CLAIMING, MISSED):
            return [self._open.row(key, values)]
        return [self._open.gone(key), self._closed.row(key, values)]

    # --- messages ---

    def handle(self, copy: Copy) -> None:
        """Deal with an offer, or with the news that its lock was claimed."""
        message = self._office.open(copy)
        if message is not None:
            body = message.body
            known = self.find(str(getattr(body, "uetr", "")))
            if isinstance(body, BankTransfer):
                self._asked(known, message, body, copy)
            elif isinstance(body, Status) and known is not None and body.status == SETTLED:
                self._look(known)
            else:
                self._office.strange(copy.id, copy.data)
        self._office.network.done(copy)

    def _asked(self, known: Deal | None, message: Message, body: BankTransfer, copy: Copy) -> None:
        if known is not None and known.offer != copy.data:
            self._office.strange(copy.id, copy.data)
            return
        if known is None:
            known = self._begin(message, body, copy)
        if known.state == LOCKING:
            known = self._lock(known)
        if known.answer:
            now = self._office.clock.now()
            self._office.put([self._office.again(follow("answer", copy.id), known.answer, now)])
            self._office.flush()

    def _begin(self, message: Message, body: BankTransfer, copy: Copy) -> Deal:
        now = self._office.clock.now()
        deal = Deal(body.uetr, copy.data, LOCKING, now)
        try:
            self._judge(message.sender, body, now)
            deal = self._plan(deal, body, self._tills.claimants[message.sender])
        except TengeError as refusal:
            deal = self._turned_down(deal, refusal.code, now)
        self._office.put(self._rows(deal))
        return deal

    def _judge(self, sender: str, body: BankTransfer, now: int) -> None:
        """Raise the refusal of an offer."""
        if (body.debtor_bank, body.creditor_bank) != (
            sender,
            self.bic,
        ) or sender not in self._tills.claimants:
            raise Refused("E_RAILS_PARTY", sender=sender, receiver=body.creditor_bank)
        quote = self._quote(body)
        fits = (quote.foreign, quote.asked, quote.dealer) == (body.wanted, body.amount, self.bic)
        if not fits or body.network != self._tills.home.network.hex():
            raise Refused("E_RAILS_LOCK", lock=body.lock)
        if now + self.trade.shortest > body.other_until or body.other_until + self.trade.margin > body.until:
            raise Refused(
                "E_RAILS_DEADLINES",
                own=body.until,
                other=body.other_until,
                margin_seconds=self.trade.margin,
            )
        token = self._tills.home.token(lock_id(body.lock))
        if token is None or not isinstance(token.lock, HashLock):
            raise Refused("E_RAILS_LOCK", lock=body.lock)
        receipt = self._tills.home.find(body.lock)
        # When the money was locked is the ledger's word; what the message says of the time is the sender's.
        quote.check(now if receipt is None else receipt.time)
        payer = self._tills.home.registered(token.lock.refund)
        if payer is None or payer.tier not in self._tills.tiers:
            raise Refused("E_RAILS_TIER", tier=0 if payer is None else payer.tier)
        mine = HashLock(body.hash, self._tills.home_key.public.kid, token.lock.refund, body.until)
        check_lock(self._tills.home, body.lock, mine, body.amount.minor)

    def _quote(self, body: BankTransfer) -> Quote:
        return self._rates.get(body.contract)

    def _plan(self, deal: Deal, body: BankTransfer, claimant: bytes) -> Deal:
        """The transfer that will lock its own money, written down before it is sent; E_TILL."""
        till = self._tills.away_till
        lock = HashLock(body.hash, claimant, till.kid, body.other_until)
        nonce = follow("maker lock", deal.uetr.encode())[:16]
        planned = till.chain([Payout(nonce, (Token(body.wanted.minor, lock),))])[0]
        if isinstance(planned, TengeError):
            raise planned
        return replace(deal, lock=planned.encode(), lock_name=planned.id)

    def _lock(self, deal: Deal) -> Deal:
        """Lock, and answer. What the other ledger refuses ends the deal before it began."""
        answer = self._tills.away.submit_many([deal.lock])[0]
        now = self._office.clock.now()
        if isinstance(answer, Unavailable):
            raise answer
        if not isinstance(answer, Receipt):
            down = self._turned_down(deal, answer.code, now)
            self._office.put(self._rows(down))
            return down
        minor, bank = deal.opened[1].wanted.minor, self._tills.bank_id
        self._post(
            self._away_books, deal, "locked", [debit(locked(bank), minor), credit(inventory(bank), minor)]
        )
        done = replace(deal, state=LOCKED, answer=self._answer(deal, IN_PROCESS, now))
        self._office.put(self._rows(done))
        return done

    def _turned_down(self, deal: Deal, code: str, now: int) -> Deal:
        reason = _REASONS.get(code, "NARR")
        down = replace(deal, state=TURNED_DOWN, lock=b"", lock_name=b"", reason=reason, ended_at=now)
        return replace(down, answer=self._answer(down, REJECTED, now))

    def _answer(self, deal: Deal, status: str, now: int) -> bytes:
        sender, body = deal.opened
        answer = Status(
            reference_of(follow("deal", deal.uetr.encode(), status.encode())),
            now,
            body.message_id,
            body.KIND,
            body.end_to_end,
            body.uetr,
            status,
            deal.reason,
        )
        if status == IN_PROCESS:
            answer = replace(
                answer,
                network=self._tills.away.network.hex(),
                lock=deal.lock_name,
                hash=body.hash,
                until=body.other_until,
            )
        return Message(self.bic, sender, answer).encode()

    # --- the ledgers ---

    def _look(self, deal: Deal) -> None:
        """What became of its lock: claimed, expired, or still there."""
        if deal.state == LOCKED:
            self._look_away(deal)
        elif deal.state == CLAIMING:
            self._claim(deal)
        elif deal.state == MISSED:
            self._look_late(deal)

    def _look_away(self, deal: Deal) -> None:
        _, body = deal.opened
        away, till = self._tills.away, self._tills.away_till
        if is_unspent(away, deal.lock_name):
            if self._office.clock.now() <= body.other_until:
                return
            back = spend_lock("back", away.network, till.signer, deal.lock_name, body.wanted.minor, till.kid)
            answer = away.submit_many([back.encode()])[0]
            if isinstance(answer, Unavailable):
                raise answer
        spender = spender_of(away, deal.lock_name)
        secret = secret_in(spender, body.hash) if spender is not None else b""
        if secret:
            claim = spend_lock(
                "claim",
                self._tills.home.network,
                self._tills.home_key,
                body.lock,
                body.amount.minor,
                self._tills.home_key.public.kid,
                secret,
            )
            claiming = replace(deal, state=CLAIMING, claim=claim.encode())
            self._office.put(self._rows(claiming))
            self._claim(claiming)
        elif spender is not None:
            bank, minor = self._tills.bank_id, body.wanted.minor
            self._post(
                self._away_books, deal, "back", [debit(inventory(bank), minor), credit(locked(bank), minor)]
            )
            self._end(deal, UNDONE)

    def _claim(self, deal: Deal) -> None:
        answer = self._tills.home.submit_many([deal.claim])[0]
        if isinstance(answer, Unavailable):
            raise answer
        if isinstance(answer, Receipt):
            self._book(deal)
            self._end(deal, DONE)
        else:
            missed = replace(deal, state=MISSED, reason=answer.code)
            self._office.put(self._rows(missed))
            self._look_late(missed)

    def _look_late(self, deal: Deal) -> None:
        """Whether the payer's bank has paid out of the expired lock."""
        _, body = deal.opened
        spender = spender_of(self._tills.home, body.lock)
        wanted = Token(body.amount.minor, KeyLock(self._tills.home_key.public.kid))
        if spender is not None and wanted in spender.outputs:
            self._book(deal)
            self._end(deal, DONE)
        elif not is_unspent(self._tills.home, body.lock):
            bank, minor = self._tills.bank_id, body.wanted.minor
            lines = [debit(losses(institution_of(bank)), minor), credit(locked(bank), minor)]
            self._post(self._away_books, deal, "lost", lines)
            self._end(deal, LOST)

    def _book(self, deal: Deal) -> None:
        """Both sides moved: the other currency is given, the tenge is there, the difference to the middle is income."""
        _, body = deal.opened
        bank, given, quote = self._tills.bank_id, body.wanted.minor, self._quote(body)
        away = institution_of(bank)
        lines = [debit(position(away, self.trade.home), given), credit(locked(bank), given)]
        self._post(self._away_books, deal, "given", lines)
        got = [
            debit(wallet_of(self.bic), body.amount.minor),
            credit(position(self.bic, self.trade.foreign), quote.middle.minor),
        ]
        if quote.spread_minor:
            got.append(credit(spread_income(self.bic), quote.spread_minor))
        self._post(self._books, deal, "got", got)

    def _post(self, books: Books, deal: Deal, text: str, lines: list[Line]) -> None:
        name = follow(f"deal {text}", deal.uetr.encode())
        books.post(Posting(name, self._office.clock.now(), f"{text} {deal.uetr}", tuple(lines)))

    def _end(self, deal: Deal, state: int) -> None:
        self._office.put(self._rows(replace(deal, state=state, ended_at=self._office.clock.now())))

    # --- the clock ---

    def tick(self) -> None:
        """Look at the ledgers."""
        for deal in self._open.all():
            if deal.state == LOCKING:
                self._lock(deal)
            else:
                self._look(deal)
        self._office.flush()

    def next_moment(self) -> int | None:
        """When to look again: at once when a lock of its own is spent, else when it ends."""
        return earliest(moment for deal in self._open.all() for moment in self._moments(deal))

    def _moments(self, deal: Deal) -> list[int]:
        now = self._office.clock.now()
        _, body = deal.opened
        if deal.state == LOCKED:
            spent = not is_unspent(self._tills.away, deal.lock_name)
            return [now + self.trade.look if spent else body.other_until + 1]
        if deal.state == MISSED:
            return [] if is_unspent(self._tills.home, body.lock) else [now]
        return [now]

    def resume(self) -> None:
        """Complete what a crash left half done."""
        self._office.flush()
        for deal in self._open.all():
            if deal.state == LOCKING:
                self._lock(deal)
            elif deal.state == CLAIMING:
                self._claim(deal)


_REASONS = {
    "E_RAILS_QUOTE_EXPIRED": "TM01",
    "E_RAILS_QUOTE_UNKNOWN": "AM09",
    "E_RAILS_DEADLINES": "TM01",
    "E_RAILS_LOCK": "AM09",
    "E_RAILS_PARTY": "RC01",
    "E_TILL": "AM04",
    "E_TOKEN_SPENT": "AM04",
}
