"""A simulated bank of the payee: credits a customer, or sends the money back. Never both, and never neither.

It takes a payment (pacs.008) only from a correspondent, and only if the money has come through the settlement system
under the same UETR. An account it knows, that is open, is credited and the answer is ACCC; any other payment goes back
as soon as the settlement system is open, with pacs.004 and the reason (AC01 unknown account, AC04 closed account). The
same payment again gets the same answer again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cbdc.accounts import Books, Posting, credit, debit, deposit
from cbdc.cabinet import follow
from cbdc.rails.calendar import DAY_SECONDS
from cbdc.rails.messages import (
    CREDITED,
    PENDING,
    Body,
    CustomerTransfer,
    Message,
    Return,
    Status,
    open_message,
    reference_of,
)
from cbdc.rails.network import Copy
from cbdc.rails.office import Drawer, Office, earliest, values_of
from cbdc.rails.settlement import SimulatedSettlement, in_progress, incoming
from cbdc.record import MOMENT, Bytes, Group, Text, Unsigned

CREDITED_NOW, RETURNING, RETURNED = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Arrival:
    """A payment at the payee's bank: the message, its state, when it can go back, and the answer."""

    uetr: str
    message: bytes
    state: int
    wake_at: int
    reason: str
    answer: bytes

    @property
    def opened(self) -> tuple[str, CustomerTransfer]:
        """Who sent it, and what it says."""
        message = open_message(self.message)
        assert isinstance(message.body, CustomerTransfer)
        return message.sender, message.body


_ARRIVAL = Group((Text(36), Bytes(), Unsigned(CREDITED_NOW, RETURNED), MOMENT, Text(8), Bytes()))


class SimulatedBeneficiaryBank:
    """The payee's bank: its number in the other country, the customers behind its account numbers, the closed ones.

    `correspondents` are the banks (BIC and number) from which it takes payments.
    """

    def __init__(
        self,
        office: Office,
        books: Books,
        settlement: SimulatedSettlement,
        bank_id: int,
        correspondents: Mapping[str, int],
        accounts: Mapping[str, bytes],
        closed: frozenset[str] = frozenset(),
    ) -> None:
        self._office = office
        self._books = books
        self._settlement = settlement
        self._bank_id = bank_id
        self._correspondents = correspondents
        self.accounts = dict(accounts)
        self._closed = closed
        self._drawer = Drawer(office.cabinet, f"{office.bic}/arrival", _ARRIVAL, Arrival)

    @property
    def bic(self) -> str:
        """The bank's address."""
        return self._office.bic

    def strangers(self) -> int:
        """How many messages were put aside, because they contradict what is known."""
        return self._office.strangers()

    def find(self, uetr: str) -> Arrival | None:
        """A payment that came here, or None."""
        return self._drawer.get(uetr.encode())

    def handle(self, copy: Copy) -> None:
        """Take a payment, or answer it again."""
        message = self._office.open(copy)
        if message is not None:
            body = message.body
            known = self.find(str(getattr(body, "uetr", "")))
            sound = isinstance(body, CustomerTransfer) and message.sender in self._correspondents
            if not sound or (known is not None and known.message != copy.data):
                self._office.strange(copy.id, copy.data)
            elif known is not None:
                self._again(known, copy)
            elif isinstance(body, CustomerTransfer) and self._settlement.settled(
                body.uetr, body.amount.minor
            ):
                self._begin(message, body, copy)
            else:
                # Somebody says that money came, and none did.
                self._office.strange(copy.id, copy.data)
        self._office.network.done(copy)

    def _begin(self, message: Message, body: CustomerTransfer, copy: Copy) -> None:
        now = self._office.clock.now()
        reason = ""
        if body.creditor_account not in self.accounts:
            reason = "AC01"
        elif body.creditor_account in self._closed:
            reason = "AC04"
        if not reason:
            state, wake = CREDITED_NOW, 0
        else:
            wake = self._settlement.calendar.next_open(now)
            state = RETURNED if wake <= now else RETURNING
        self._turn(Arrival(body.uetr, copy.data, state, wake, reason, b""), now, follow("answer", copy.id))

    def _again(self, known: Arrival, copy: Copy) -> None:
        self._ensure(known)
        again = self._office.again(follow("answer", copy.id), known.answer, self._office.clock.now())
        self._office.put([again])
        self._office.flush()

    def _turn(self, row: Arrival, now: int, answer_id: bytes) -> None:
        row = replace(row, answer=self._answer(row, now))
        rows = [
            self._drawer.row(row.uetr.encode(), values_of(row)),
            self._office.again(answer_id, row.answer, now),
        ]
        self._office.put(rows)
        self._ensure(row)
        self._office.flush()

    def _answer(self, row: Arrival, now: int) -> bytes:
        sender, body = row.opened
        reference = reference_of(follow("arrival", row.uetr.encode(), bytes([row.state])))
        original = (body.message_id, body.KIND, body.end_to_end, body.uetr)
        answer: Body
        if row.state == RETURNED:
            answer = Return(reference, now, *original, body.amount, now // DAY_SECONDS, row.reason)
        else:
            status = CREDITED if row.state == CREDITED_NOW else PENDING
            answer = Status(reference, now, *original, status, row.reason)
        return Message(self.bic, sender, answer).encode()

    def _ensure(self, row: Arrival) -> None:
        sender, body = row.opened
        minor = body.amount.minor
        if row.state == CREDITED_NOW:
            customer = self.accounts[body.creditor_account]
            lines = (debit(incoming(self._bank_id), minor), credit(deposit(self._bank_id, customer), minor))
            name = follow("arrival credited", row.uetr.encode())
            self._books.post(Posting(name, self._office.clock.now(), f"credited {row.uetr}", lines))
        elif row.state == RETURNED:
            payer = self._correspondents[sender]
            accounts = (incoming(self._bank_id), in_progress(payer))
            self._settlement.settle(row.uetr, self._bank_id, payer, minor, accounts, back=True)

    def tick(self) -> None:
        """Send back what waited for the settlement system."""
        now = self._office.clock.now()
        for row in self._drawer.all():
            if row.state == RETURNING and row.wake_at <= now:
                back = replace(row, state=RETURNED, wake_at=0)
                self._turn(back, now, follow("woken", row.uetr.encode()))
        self._office.flush()

    def next_moment(self) -> int | None:
        """When something can go back."""
        return earliest(row.wake_at for row in self._drawer.all() if row.state == RETURNING)

    def resume(self) -> None:
        """Complete what a crash left half done."""
        for row in self._drawer.all():
            self._ensure(row)
        self._office.flush()
