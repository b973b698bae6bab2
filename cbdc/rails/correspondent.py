"""A simulated correspondent: a bank of the other country that holds accounts for banks abroad and pays from them.

For each payment (pacs.008), once, by its UETR:

    judged     known account, right currency, cover, known bank of the payee, its own sanctions list
    debited    the bank abroad's account, into "payments in progress"
    held       a name on the list waits for an officer: released, or sent back, when the time of the hold is over
    waiting    the settlement system is closed: until it opens
    forwarded  settled between the banks, and told the payee's bank (pacs.008), again and again until it answers
    done       the payee's bank has credited: ACCC goes back
    returned   the payee's bank sent the money back, or the payment was cancelled before it was forwarded: pacs.004
    rejected   nothing was ever debited: RJCT, with the reason

To each question (also the same one again, late, or out of order) it gives the answer of the state it is in. A wish to
cancel (camt.056) is granted while the money is still here, and refused afterwards (camt.029).

Reason codes are those of the ISO 20022 external code lists as far as we know them: AC01 unknown account, AM03 wrong
currency, AM04 no cover, RC01 unknown bank, RR04 regulatory, ARDT already returned or passed on, NOOR never received.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from cbdc.accounts import Books, Line, Posting, credit, debit
from cbdc.cabinet import Row, follow
from cbdc.rails.calendar import DAY_SECONDS
from cbdc.rails.currency import Currency
from cbdc.rails.messages import (
    CREDITED,
    IN_PROCESS,
    PENDING,
    REJECTED,
    Body,
    CancelRequest,
    CustomerTransfer,
    Message,
    Resolution,
    Return,
    Status,
    open_message,
    reference_of,
)
from cbdc.rails.network import Copy
from cbdc.rails.office import Drawer, Office, due_again, earliest, request_id, values_of
from cbdc.rails.policy import SimulatedScreening, plain_name
from cbdc.rails.settlement import SimulatedSettlement, in_progress, incoming, loro
from cbdc.record import MOMENT, Bytes, Group, Text, Unsigned

HELD, WAITING, FORWARDED, DONE, RETURNED, TURNED_DOWN = 1, 2, 3, 4, 5, 6


class Hold(NamedTuple):
    """What happens to a payment to a name on the list: it waits so long, and is then released or sent back."""

    seconds: int
    release: bool


@dataclass(frozen=True, slots=True)
class Passing:
    """A payment at the correspondent: the message, its state, when it wakes, its answer as it was sent first.

    `forwarded` is the moment when it was settled and passed on, 0 before.
    """

    uetr: str
    message: bytes
    state: int
    came_at: int
    wake_at: int = 0
    forwarded: int = 0
    attempt: int = 0
    asked_at: int = 0
    answer: bytes = b""
    reason: str = ""

    @property
    def opened(self) -> tuple[str, CustomerTransfer]:
        """Who sent it, and what it says."""
        message = open_message(self.message)
        assert isinstance(message.body, CustomerTransfer)
        return message.sender, message.body


_PASSING = Group(
    (
        Text(36),
        Bytes(),
        Unsigned(HELD, TURNED_DOWN),
        MOMENT,
        MOMENT,
        MOMENT,
        Unsigned(),
        MOMENT,
        Bytes(),
        Text(8),
    )
)


class Desk(NamedTuple):
    """What a correspondent works with: its number in the other country, its currency, the banks it reaches (BIC and
    number), its lists, and how long it waits for an answer."""

    bank_id: int
    currency: Currency
    banks: Mapping[str, int]
    refused: SimulatedScreening
    holds: Mapping[str, Hold]
    retry_seconds: int


class SimulatedCorrespondentBank:
    """The correspondent. `books` are those of the other country."""

    def __init__(self, office: Office, books: Books, settlement: SimulatedSettlement, desk: Desk) -> None:
        self._office = office
        self._books = books
        self._settlement = settlement
        self._desk = desk
        self._open = Drawer(office.cabinet, f"{office.bic}/passing.open", _PASSING, Passing)
        self._closed = Drawer(office.cabinet, f"{office.bic}/passing.closed", _PASSING, Passing)

    @property
    def bic(self) -> str:
        """The bank's address."""
        return self._office.bic

    def strangers(self) -> int:
        """How many messages were put aside, because they contradict what is known."""
        return self._office.strangers()

    @property
    def bank_id(self) -> int:
        """The bank's number in the other country."""
        return self._desk.bank_id

    def find(self, uetr: str) -> Passing | None:
        """A payment that came here, or None."""
        return self._open.get(uetr.encode()) or self._closed.get(uetr.encode())

    # --- messages ---

    def handle(self, copy: Copy) -> None:
        """Deal with what banks send."""
        message = self._office.open(copy)
        if message is not None:
            body = message.body
            if isinstance(body, CustomerTransfer):
                self._asked(message, body, copy)
            elif isinstance(body, CancelRequest):
                self._cancelled(message, body, copy)
            elif isinstance(body, Status | Return):
                self._answered(message, body, copy)
            else:
                self._office.strange(copy.id, copy.data)
        self._office.network.done(copy)

    def _asked(self, message: Message, body: CustomerTransfer, copy: Copy) -> None:
        known = self.find(body.uetr)
        if known is None:
            self._begin(message, body, copy)
        elif known.message != copy.data:
            # The same UETR with other content is nobody's payment.
            self._office.strange(copy.id, copy.data)
        else:
            self._again(known, message.sender, copy)

    def _again(self, known: Passing, sender: str, copy: Copy) -> None:
        """The same answer once more, and whatever a crash left undone before it."""
        self._ensure(known)
        now = self._office.clock.now()
        self._office.put([self._office.again(follow("answer", copy.id), known.answer, now)])
        self._office.flush()
        self._shelve(known)

    def _begin(self, message: Message, body: CustomerTransfer, copy: Copy) -> None:
        now = self._office.clock.now()
        reason = self._judge(message.sender, body)
        fresh = Passing(body.uetr, copy.data, TURNED_DOWN, now, reason=reason)
        hold = self._desk.holds.get(plain_name(body.creditor))
        if not reason:
            fresh = (
                replace(fresh, state=HELD, wake_at=now + hold.seconds) if hold else self._ready(fresh, now)
            )
        self._turn(fresh, now, follow("answer", copy.id))

    def _judge(self, sender: str, body: CustomerTransfer) -> str:
        """The reason to reject, or nothing."""
        available = self._books.balance(loro(self._desk.bank_id, sender))
        if body.debtor_bank != sender:
            return "AC01"
        if body.amount.currency != self._desk.currency:
            return "AM03"
        if body.creditor_bank not in self._desk.banks:
            return "RC01"
        if self._desk.refused.hit(body.creditor, body.creditor_bank):
            return "RR04"
        return "" if available >= body.amount.minor else "AM04"

    def _ready(self, row: Passing, now: int) -> Passing:
        """Forwarded now if the settlement system is open, else waiting until it is."""
        opens = self._settlement.calendar.next_open(now)
        if opens > now:
            return replace(row, state=WAITING, wake_at=opens)
        return replace(row, state=FORWARDED, wake_at=0, forwarded=now, attempt=1, asked_at=now)

    def _turn(self, row: Passing, now: int, answer_id: bytes) -> None:
        """Write a new state with its answer, do what follows, send."""
        row = replace(row, answer=self._answer(row, now))
        rows = [
            self._open.row(row.uetr.encode(), values_of(row)),
            self._office.again(answer_id, row.answer, now),
        ]
        if row.state == FORWARDED:
            rows.append(self._letter(row))
        self._office.put(rows)
        self._ensure(row)
        self._office.flush()
        self._shelve(row)

    def _shelve(self, row: Passing) -> None:
        key = row.uetr.encode()
        if row.state in (DONE, RETURNED, TURNED_DOWN) and self._open.get(key) is not None:
            self._office.put([self._open.gone(key), self._closed.row(key, values_of(row))])

    def _answer(self, row: Passing, now: int) -> bytes:
        sender, body = row.opened
        statuses = {
            HELD: PENDING,
            WAITING: PENDING,
            FORWARDED: IN_PROCESS,
            DONE: CREDITED,
            TURNED_DOWN: REJECTED,
        }
        reference = reference_of(follow("answer", row.uetr.encode(), bytes([row.state])))
        original = (body.message_id, body.KIND, body.end_to_end, body.uetr)
        answer: Body
        if row.state == RETURNED:
            answer = Return(reference, now, *original, body.amount, now // DAY_SECONDS, row.reason)
        else:
            answer = Status(reference, now, *original, statuses[row.state], row.reason)
        return Message(self.bic, sender, answer).encode()

    def _letter(self, row: Passing) -> Row:
        """The payment as it goes on to the payee's bank."""
        _, body = row.opened
        onward = replace(
            body, message_id=reference_of(follow("onward", row.uetr.encode())), created=row.forwarded
        )
        name = request_id("pacs.008", row.uetr, row.attempt)
        return self._office.letter(name, body.creditor_bank, onward, row.asked_at)

    def _answered(self, message: Message, body: Status | Return, copy: Copy) -> None:
        row = self.find(body.uetr)
        expected = row is not None and message.sender == row.opened[1].creditor_bank
        now = self._office.clock.now()
        news = follow("news", copy.id)
        if row is None or not expected or not row.forwarded:
            self._office.strange(copy.id, copy.data)
        elif isinstance(body, Return) and self._settlement.settled(row.uetr, body.amount.minor, back=True):
            if row.state == FORWARDED:
                self._turn(replace(row, state=RETURNED, reason=body.reason), now, news)
            elif row.state == DONE:
                self._office.strange(copy.id, copy.data)
        elif isinstance(body, Status) and body.status == CREDITED:
            if row.state == FORWARDED:
                self._turn(replace(row, state=DONE), now, news)
            elif row.state == RETURNED:
                self._office.strange(copy.id, copy.data)
        elif not (isinstance(body, Status) and body.status in (IN_PROCESS, PENDING)):
            self._office.strange(copy.id, copy.data)

    def _cancelled(self, message: Message, body: CancelRequest, copy: Copy) -> None:
        row = self.find(body.uetr)
        now = self._office.clock.now()
        if row is not None and message.sender == row.opened[0]:
            if row.state in (HELD, WAITING):
                self._turn(replace(row, state=RETURNED, reason=body.reason), now, follow("answer", copy.id))
                return
            if row.state == RETURNED:
                self._again(row, message.sender, copy)
                return
        answer = Resolution(
            reference_of(follow("resolution", copy.id)),
            now,
            self.bic,
            message.sender,
            body.original_message,
            body.original_kind,
            body.end_to_end,
            body.uetr,
            "NOOR" if row is None else "ARDT",
        )
        self._office.put([self._office.letter(follow("answer", copy.id), message.sender, answer, now)])
        self._office.flush()

    # --- the books ---

    def _ensure(self, row: Passing) -> None:
        """Book what follows from the state: each posting once, under ids of the payment."""
        if row.state == TURNED_DOWN:
            return
        sender, body = row.opened
        bank, minor = self._desk.bank_id, body.amount.minor
        account, progress = loro(bank, sender), in_progress(bank)
        self._post("debited", row, [debit(account, minor), credit(progress, minor)])
        if row.forwarded:
            payee = self._desk.banks[body.creditor_bank]
            self._settlement.settle(row.uetr, bank, payee, minor, (progress, incoming(payee)))
        if row.state == RETURNED:
            self._post("credited back", row, [debit(progress, minor), credit(account, minor)])

    def _post(self, text: str, row: Passing, lines: list[Line]) -> None:
        name = follow(f"correspondent {text}", row.uetr.encode())
        self._books.post(Posting(name, self._office.clock.now(), f"{text} {row.uetr}", tuple(lines)))

    # --- the clock ---

    def tick(self) -> None:
        """Decide what was held, forward what waited, ask again where no answer came."""
        now = self._office.clock.now()
        for row in self._open.all():
            if row.state in (HELD, WAITING) and row.wake_at <= now:
                self._wake(row, now)
            elif row.state == FORWARDED and self._due(row) <= now:
                again = replace(row, attempt=row.attempt + 1, asked_at=now)
                rows = [self._open.row(row.uetr.encode(), values_of(again)), self._letter(again)]
                self._office.put(rows)
        self._office.flush()

    def _due(self, row: Passing) -> int:
        return due_again(row.asked_at, row.attempt, self._desk.retry_seconds)

    def _wake(self, row: Passing, now: int) -> None:
        _, body = row.opened
        news = follow("woken", row.uetr.encode(), bytes([row.state]))
        hold = self._desk.holds.get(plain_name(body.creditor))
        if row.state == HELD and hold is not None and not hold.release:
            self._turn(replace(row, state=RETURNED, reason="RR04"), now, news)
        else:
            self._turn(self._ready(row, now), now, news)

    def next_moment(self) -> int | None:
        """When a hold ends, the settlement system opens, or a question is due again."""
        return earliest(
            self._due(row) if row.state == FORWARDED else row.wake_at
            for row in self._open.all()
            if row.state in (HELD, WAITING, FORWARDED)
        )

    def resume(self) -> None:
        """Complete what a crash left half done."""
        for row in self._open.all():
            self._ensure(row)
        self._office.flush()
        for row in self._open.all():
            self._shelve(row)
