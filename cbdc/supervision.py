"""Supervision: the journal folded into figures and alerts. It reads; it never writes.

Whoever wants something done about an alert asks the National Bank or the enforcement authority, which act by
transactions of their own. So the supervisor needs no key, sees what everybody with the journal sees (keys, amounts,
marks, pseudonyms; no names), and two supervisors always agree.

    read()     fold the entries that were added since the last time
    figures    supply by holder and by bank, payments by day, marked money by mark, offline money, freezes
    alerts     large payments, freezes, seizures, offline losses, returned marks, refused requests, money that does
               not add up

The fold counts every tiyn itself, token by token, and compares with the ledger's own table and with the National
Bank's books: three independent counts of one supply.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from cbdc.keys import key_id
from cbdc.ledger.entry import Entry, Genesis
from cbdc.ledger.ledger import Supply
from cbdc.marks import MarkDefinition
from cbdc.money import tenge
from cbdc.record import open_envelope
from cbdc.register import REFUSED, Request
from cbdc.token import BANK_INVENTORY, HOLDER_CLASSES, LOSS_RESERVE, Token, TokenId, holder_class
from cbdc.transaction import (
    SETTLE_LOSS,
    SETTLE_RECOVER,
    SETTLE_REDEEM,
    SETTLE_REFUND,
    Attest,
    ExpireMark,
    Freeze,
    HandOver,
    Issue,
    LoadOffline,
    Recover,
    Redeem,
    RegisterKey,
    ReleaseMark,
    RotateKey,
    Seize,
    SettleOffline,
    SignedTransaction,
    Transfer,
    Unfreeze,
    open_transaction,
)

# An assumption of this sandbox: no threshold for digital tenge has been published.
LARGE_PAYMENT_TIYN = tenge(10_000_000)

SETTLED_NAMES = {
    SETTLE_REDEEM: "redeemed",
    SETTLE_LOSS: "lost",
    SETTLE_RECOVER: "recovered",
    SETTLE_REFUND: "refunded",
}


class Journal(Protocol):
    """What the supervisor reads; the ledger fits it."""

    @property
    def genesis(self) -> Genesis:
        """Entry 0."""
        ...

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """The entries from `start` on, in order."""
        ...


class Holder(NamedTuple):
    """What the journal says of a key's holder."""

    bank_id: int
    category: int
    pseudonym: bytes

    @property
    def line(self) -> str:
        """The holder's line in the supply table."""
        return holder_class(self.category)


class Alert(NamedTuple):
    """Something a supervisor should look at: what, where in the journal, when, about whom or what, how much."""

    kind: str
    entry: int
    time: int
    subject: bytes
    amount_tiyn: int
    text: str


@dataclass(slots=True)
class MarkFigures:
    """One mark: its label, and in tiyn what was ever marked, where it went, and what is still marked.

    - `marked_tiyn`: free money that got the mark, also the loss reserve's in escrow; `received_tiyn`: what came from
      another mark as its share.
    - `released_tiyn` by holders on evidence, `returned_tiyn` after the last day, `dropped_tiyn` at payees where the
      mark ends, `passed_on_tiyn` as a share under another mark, `taken_tiyn` by seizure, `converted_tiyn` at the
      redemption of notes, `recovered_tiyn` into the loss reserve.

    marked + received = released + returned + dropped + passed on + taken + converted + recovered + outstanding.
    """

    label: str
    marked_tiyn: int = 0
    released_tiyn: int = 0
    returned_tiyn: int = 0
    outstanding_tiyn: int = 0
    received_tiyn: int = 0
    dropped_tiyn: int = 0
    passed_on_tiyn: int = 0
    taken_tiyn: int = 0
    converted_tiyn: int = 0
    recovered_tiyn: int = 0

    @property
    def came_tiyn(self) -> int:
        """All that ever got the mark."""
        return self.marked_tiyn + self.received_tiyn

    @property
    def went_tiyn(self) -> int:
        """All that lost it."""
        freed = self.released_tiyn + self.returned_tiyn + self.dropped_tiyn + self.passed_on_tiyn
        return freed + self.taken_tiyn + self.converted_tiyn + self.recovered_tiyn


@dataclass(slots=True)
class Figures:
    """The fold so far. Amounts in tiyn; parties are bank ids, 0 the treasury; days count from the policy's offset."""

    entries: int = 0
    time: int = 0
    issued_tiyn: int = 0
    redeemed_tiyn: int = 0
    issued_by_party: Counter[int] = field(default_factory=Counter)
    redeemed_by_party: Counter[int] = field(default_factory=Counter)
    loss_reserve_issued_tiyn: int = 0
    held_tiyn: Counter[str] = field(default_factory=Counter)
    held_by_bank_tiyn: Counter[int] = field(default_factory=Counter)
    transactions: Counter[str] = field(default_factory=Counter)
    sold_by_bank_tiyn: Counter[int] = field(default_factory=Counter)
    bought_by_bank_tiyn: Counter[int] = field(default_factory=Counter)
    payments: int = 0
    paid_tiyn: int = 0
    payments_by_day: Counter[int] = field(default_factory=Counter)
    paid_by_day_tiyn: Counter[int] = field(default_factory=Counter)
    loaded_offline_tiyn: int = 0
    settled_tiyn: Counter[str] = field(default_factory=Counter)
    marks: dict[bytes, MarkFigures] = field(default_factory=dict)
    frozen: dict[bytes, str] = field(default_factory=dict)
    keys: Counter[int] = field(default_factory=Counter)

    @property
    def outstanding_tiyn(self) -> int:
        """Issued minus redeemed."""
        return self.issued_tiyn - self.redeemed_tiyn

    @property
    def counted_tiyn(self) -> int:
        """What all holders hold, counted token by token."""
        return sum(self.held_tiyn.values())

    def gauge(self) -> dict[str, int]:
        """The supply in the lines of the ledger's table."""
        lines = {f"{name}_tiyn": self.held_tiyn[name] for name in HOLDER_CLASSES}
        return {"issued_tiyn": self.issued_tiyn, "redeemed_tiyn": self.redeemed_tiyn, **lines}


class Supervisor:
    """A fold of one journal. `requests` gives the operator's closed requests, for alerts about refused ones."""

    def __init__(
        self,
        journal: Journal,
        requests: Callable[[], Iterable[Request]] = tuple,
        large_payment_tiyn: int = LARGE_PAYMENT_TIYN,
    ) -> None:
        self._journal = journal
        self._requests = requests
        self._large_tiyn = large_payment_tiyn
        self._tokens: dict[TokenId, Token] = {}
        self._holders: dict[bytes, Holder] = {}
        self._alerts: list[Alert] = []
        self.figures = Figures()

    def read(self) -> Figures:
        """Fold what was added since the last time; the figures so far."""
        for entry in self._journal.entries(self.figures.entries):
            if entry.index:
                transaction = open_transaction(entry.payload, self._journal.genesis.network)
                self._fold(entry.index, entry.time, transaction)
            self.figures.entries = entry.index + 1
            self.figures.time = entry.time
        return self.figures

    def alerts(self) -> list[Alert]:
        """Every alert of the journal in order, then the requests that were refused."""
        refused = [
            Alert(
                "request refused",
                0,
                request.registered_at,
                request.id,
                request.amount_tiyn,
                f"party {request.party}: {request.refusal}",
            )
            for request in self._requests()
            if request.state == REFUSED
        ]
        return self._alerts + refused

    def check(self, supply: Supply, circulation_tiyn: int | None = None) -> list[Alert]:
        """Compare this count with the ledger's table, and with what the National Bank's books call circulating.

        An empty list means that all agree. Read first: a table of another moment does not agree with this one.
        """
        figures = self.figures
        problems: list[tuple[str, int]] = []
        if figures.counted_tiyn != figures.outstanding_tiyn:
            problems.append(
                ("tokens and issue minus redemption", figures.counted_tiyn - figures.outstanding_tiyn)
            )
        for name, counted in figures.gauge().items():
            stated: int = getattr(supply, name)
            if stated != counted:
                problems.append((f"the ledger's {name}", stated - counted))
        if circulation_tiyn is not None and circulation_tiyn != figures.outstanding_tiyn:
            problems.append(("the books' circulation", circulation_tiyn - figures.outstanding_tiyn))
        return [
            Alert("does not add up", figures.entries - 1, figures.time, b"", difference, text)
            for text, difference in problems
        ]

    # --- the fold ---

    def _fold(self, index: int, time: int, transaction: SignedTransaction) -> None:
        record = transaction.record
        kind = type(record).__name__
        self.figures.transactions[kind] += 1
        spent = [self._take(identity) for identity in record.spends]
        created = [
            (token, self._put(TokenId(transaction.id, place), token))
            for place, token in enumerate(record.creates)
        ]
        match record:
            case RegisterKey():
                kid = key_id(record.algorithm, record.public_key)
                self._holders[kid] = Holder(record.bank_id, record.category, record.pseudonym)
                self.figures.keys[record.category] += 1
            case RotateKey():
                self._holders[key_id(record.algorithm, record.public_key)] = self._holders[record.old]
            case Issue():
                self._issue(created)
            case Redeem():
                amount = _sum(spent) - _sum(created)
                self.figures.redeemed_tiyn += amount
                self.figures.redeemed_by_party[spent[0][1].bank_id] += amount
            case Transfer():
                self._transfer(index, time, record, spent, created)
                self._remark(spent, created)
            case Freeze() | Unfreeze():
                self._freeze(index, time, record)
            case Seize():
                taken = sum(token.amount_tiyn for token, holder in created if holder.line != "wallets")
                subject = spent[0][1].pseudonym
                self._alert("seizure", index, time, subject, taken, record.legal_reference)
                if spent[0][0].mark:
                    self._mark(spent[0][0].mark).taken_tiyn += taken
            case LoadOffline():
                self.figures.loaded_offline_tiyn += sum(
                    token.amount_tiyn for token, holder in created if holder.line == "escrow"
                )
            case SettleOffline():
                self._settle(index, time, record, spent, created)
            case ReleaseMark() | ExpireMark():
                self._unmark(index, time, record, spent, created)
            case HandOver():
                self._hand_over(index, time, record)
            case Recover():
                subject, amount = self._holders[record.old].pseudonym, _sum(created)
                self._alert("recovery", index, time, subject, amount, record.legal_reference)
            case Attest():
                pass  # what a register says moves nothing

    def _hand_over(self, index: int, time: int, record: HandOver) -> None:
        """Another bank serves these keys: what they hold is held at that bank from now on."""
        kids = frozenset(record.keys)
        for kid in kids:
            self._holders[kid] = self._holders[kid]._replace(bank_id=record.to_bank)
        moved = sum(token.amount_tiyn for token in self._tokens.values() if token.lock.holder in kids)
        self.figures.held_by_bank_tiyn[record.from_bank] -= moved
        self.figures.held_by_bank_tiyn[record.to_bank] += moved
        self._alert("handover", index, time, record.pseudonym, moved, record.legal_reference)

    def _take(self, identity: TokenId) -> tuple[Token, Holder]:
        token = self._tokens.pop(identity)
        return token, self._count(token, -1)

    def _put(self, identity: TokenId, token: Token) -> Holder:
        self._tokens[identity] = token
        return self._count(token, 1)

    def _count(self, token: Token, sign: int) -> Holder:
        holder = self._holders[token.lock.holder]
        self.figures.held_tiyn[holder.line] += sign * token.amount_tiyn
        if holder.line == "wallets":
            self.figures.held_by_bank_tiyn[holder.bank_id] += sign * token.amount_tiyn
        if token.mark:
            self._mark(token.mark).outstanding_tiyn += sign * token.amount_tiyn
        return holder

    def _mark(self, mark: bytes) -> MarkFigures:
        return self.figures.marks.setdefault(mark, MarkFigures(mark.hex()[:16]))

    def _alert(
        self, kind: str, entry: int, time: int, subject: bytes, amount_tiyn: int, text: str = ""
    ) -> None:
        self._alerts.append(Alert(kind, entry, time, subject, amount_tiyn, text))

    def _issue(self, created: list[tuple[Token, Holder]]) -> None:
        for token, holder in created:
            self.figures.issued_tiyn += token.amount_tiyn
            if holder.category == LOSS_RESERVE:
                self.figures.loss_reserve_issued_tiyn += token.amount_tiyn
            else:
                self.figures.issued_by_party[holder.bank_id] += token.amount_tiyn

    def _transfer(
        self,
        index: int,
        time: int,
        record: Transfer,
        spent: list[tuple[Token, Holder]],
        created: list[tuple[Token, Holder]],
    ) -> None:
        figures = self.figures
        if record.definition:
            definition = open_envelope(record.definition, MarkDefinition, self._journal.genesis.network)
            self._mark(definition.oid).label = definition.record.label
        payers = {holder.pseudonym for _, holder in spent}
        payer = spent[0][1]
        for token, payee in created:
            if payee.pseudonym in payers:
                continue
            amount = token.amount_tiyn
            if payer.category == BANK_INVENTORY:
                figures.sold_by_bank_tiyn[payer.bank_id] += amount
            elif payee.category == BANK_INVENTORY:
                figures.bought_by_bank_tiyn[payee.bank_id] += amount
            else:
                day = self._journal.genesis.policy.day(time)
                figures.payments += 1
                figures.paid_tiyn += amount
                figures.payments_by_day[day] += 1
                figures.paid_by_day_tiyn[day] += amount
                if amount >= self._large_tiyn:
                    self._alert("large payment", index, time, payer.pseudonym, amount)

    def _remark(self, spent: list[tuple[Token, Holder]], created: list[tuple[Token, Holder]]) -> None:
        """Money that got a mark, lost it where it ends, or went on under another one."""
        before = spent[0][0].mark
        for token, _ in created:
            if token.mark == before:
                continue
            if before and token.mark:
                self._mark(before).passed_on_tiyn += token.amount_tiyn
                self._mark(token.mark).received_tiyn += token.amount_tiyn
            elif before:
                self._mark(before).dropped_tiyn += token.amount_tiyn
            else:
                self._mark(token.mark).marked_tiyn += token.amount_tiyn

    def _freeze(self, index: int, time: int, record: Freeze | Unfreeze) -> None:
        if isinstance(record, Freeze):
            self.figures.frozen[record.holder] = record.legal_reference
            self._alert("freeze", index, time, record.holder, 0, record.legal_reference)
        else:
            self.figures.frozen.pop(record.holder, None)
            self._alert("freeze lifted", index, time, record.holder, 0, record.legal_reference)

    def _settle(
        self,
        index: int,
        time: int,
        record: SettleOffline,
        spent: list[tuple[Token, Holder]],
        created: list[tuple[Token, Holder]],
    ) -> None:
        source = "loss_reserve" if record.kind == SETTLE_LOSS else "escrow"
        amount = sum(token.amount_tiyn for token, holder in created if holder.line != source)
        self.figures.settled_tiyn[SETTLED_NAMES[record.kind]] += amount
        if record.kind == SETTLE_LOSS:
            self._alert("offline loss", index, time, record.fact, amount)
        before = spent[0][0].mark
        for token, _ in created:
            if before and not token.mark:
                figures = self._mark(before)
                if record.kind == SETTLE_RECOVER:
                    figures.recovered_tiyn += token.amount_tiyn
                else:
                    figures.converted_tiyn += token.amount_tiyn
            elif token.mark and not before:
                self._mark(token.mark).marked_tiyn += token.amount_tiyn

    def _unmark(
        self,
        index: int,
        time: int,
        record: ReleaseMark | ExpireMark,
        spent: list[tuple[Token, Holder]],
        created: list[tuple[Token, Holder]],
    ) -> None:
        mark = spent[0][0].mark
        amount = sum(token.amount_tiyn for token, _ in created if not token.mark)
        if isinstance(record, ReleaseMark):
            self._mark(mark).released_tiyn += amount
        else:
            self._mark(mark).returned_tiyn += amount
            self._alert("mark returned", index, time, mark, amount, self._mark(mark).label)


def _sum(pairs: list[tuple[Token, Holder]]) -> int:
    return sum(token.amount_tiyn for token, _ in pairs)
