"""The door to the settlement system: what runs over accounts at the National Bank waits until it is open.

Three things do: a bank's order of digital tenge, the redemption of its surplus, and a deposit that goes to another
bank. Each is written down first, under the id that the client made. While the system is open it is carried out at
once; while it is closed it waits in a drawer, in order of arrival, until `run` is called in opening hours. Whoever
cannot wait says so, and is refused with E_SETTLEMENT_CLOSED and the moment of opening.

    order      reserves -> inventory, by the National Bank's issue
    redeem     inventory -> reserves
    transfer   deposit at one bank -> deposit at another, over both reserve accounts, in one posting

The same id again gives the same answer: done, or waiting. What is refused when its turn comes (too little money) is
written down as refused, and a new order takes a new id. Digital tenge itself never passes here.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.accounts import Books, Posting, credit, debit, deposit, reserve, reserves
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.distribution import CommercialBank
from cbdc.errors import Malformed, Refused
from cbdc.opening_hours import Calendar
from cbdc.ports import Clock
from cbdc.record import AMOUNT, HASH, HASH_OR_NONE, Group, Text, Unsigned

ORDER = 1
REDEEM = 2
TRANSFER = 3
KIND_NAMES = {ORDER: "order", REDEEM: "redeem", TRANSFER: "transfer"}

_WAITING = "settlement.waiting"
_DONE = "settlement.done"
_REFUSED = "settlement.refused"
_WISH = Group((Unsigned(ORDER, TRANSFER), Unsigned(1), Unsigned(), HASH_OR_NONE, HASH_OR_NONE, AMOUNT))
_ENDED = Group((*_WISH.kinds, Text(64)))


class Wish(NamedTuple):
    """What is to be settled: `kind` for `bank_id`; a transfer also names the other bank and the two customers."""

    kind: int
    bank_id: int
    other_bank: int
    payer: bytes
    payee: bytes
    amount_tiyn: int


class SettlementDesk:
    """Orders, redemptions and transfers of all banks. `calendar` None: the system never rests."""

    def __init__(
        self,
        banks: Mapping[int, CommercialBank],
        books: Books,
        cabinet: Cabinet,
        calendar: Calendar | None,
        clock: Clock,
    ) -> None:
        self._banks = banks
        self._books = books
        self._cabinet = cabinet
        self._calendar = calendar
        self._clock = clock

    def order(self, id: bytes, bank_id: int, amount_tiyn: int, wait: bool = True) -> bool:
        """A bank orders digital tenge: True when it is issued, False when the order waits for the opening.

        Raises E_SETTLEMENT_CLOSED where it may not wait, E_ID_REUSED, or what `CommercialBank.order_tokens` raises.
        """
        return self._ask(id, Wish(ORDER, bank_id, 0, b"", b"", amount_tiyn), wait)

    def redeem(self, id: bytes, bank_id: int, amount_tiyn: int, wait: bool = True) -> bool:
        """A bank gives digital tenge of its inventory back; as `order`."""
        return self._ask(id, Wish(REDEEM, bank_id, 0, b"", b"", amount_tiyn), wait)

    def transfer(
        self,
        id: bytes,
        payer: tuple[int, bytes],
        payee: tuple[int, bytes],
        amount_tiyn: int,
        wait: bool = True,
    ) -> bool:
        """A deposit goes to another bank (bank id, customer id each); as `order`, and E_FUNDS_ACCOUNT.

        The payer's deposit is debited when the system settles it, not before: until then the money is the payer's.
        """
        for bank_id, customer in (payer, payee):
            self._banks[bank_id].customers.get(customer)
        return self._ask(id, Wish(TRANSFER, payer[0], payee[0], payer[1], payee[1], amount_tiyn), wait)

    def is_open(self) -> bool:
        """Whether the system is open now."""
        return self._calendar is None or self._calendar.is_open(self._clock.now())

    def waiting(self) -> list[tuple[bytes, Wish]]:
        """What waits, in order of arrival."""
        return [(name, self._load(data)) for name, data in self._cabinet.all(_WAITING)]

    def run(self) -> tuple[int, int]:
        """Carry out all that waits, if the system is open: how many were settled, and how many refused."""
        done = refused = 0
        if self.is_open():
            for name, wish in self.waiting():
                try:
                    self._settle(name, wish)
                    done += 1
                except (Refused, Malformed):
                    refused += 1
        return done, refused

    def _ask(self, id: bytes, wish: Wish, wait: bool) -> bool:
        HASH.load(id, "settlement id")
        data = canonical.encode(list(wish))
        ended = self._ended(id, wish)
        if ended is not None:
            return ended
        known = self._cabinet.get(_WAITING, id)
        if known is not None and known != data:
            raise Refused("E_ID_REUSED", id=id)
        if not self.is_open():
            if not wait:
                assert self._calendar is not None, "a system without a calendar is open"
                self._calendar.check_open(self._clock.now())
            if known is None:
                self._cabinet.put_many([Row(_WAITING, id, data)])
            return False
        if known is None:
            self._cabinet.put_many([Row(_WAITING, id, data)])
        self._settle(id, wish)
        return True

    def _ended(self, id: bytes, wish: Wish) -> bool | None:
        """Whether it is done; None when it is not, or was refused and may be tried again."""
        done = self._cabinet.get(_DONE, id)
        before = done if done is not None else self._cabinet.get(_REFUSED, id)
        if before is None:
            return None
        *values, _ = _ENDED.load(canonical.decode(before), "settled")
        if tuple(values) != tuple(wish):
            raise Refused("E_ID_REUSED", id=id)
        return True if done is not None else None

    def _settle(self, id: bytes, wish: Wish) -> None:
        try:
            self._carry_out(id, wish)
        except (Refused, Malformed) as refusal:
            self._move(id, wish, _REFUSED, refusal.code)
            raise
        self._move(id, wish, _DONE, "")

    def _carry_out(self, id: bytes, wish: Wish) -> None:
        bank = self._banks[wish.bank_id]
        if wish.kind == ORDER:
            bank.order_tokens(follow("settlement order", id), wish.amount_tiyn)
        elif wish.kind == REDEEM:
            bank.redeem_surplus(follow("settlement redeem", id), wish.amount_tiyn)
        else:
            self._books.post(self._between(id, wish))

    def _between(self, id: bytes, wish: Wish) -> Posting:
        amount = wish.amount_tiyn
        lines = (
            debit(deposit(wish.bank_id, wish.payer), amount),
            credit(reserves(wish.bank_id), amount),
            debit(reserve(wish.bank_id), amount),
            credit(reserve(wish.other_bank), amount),
            debit(reserves(wish.other_bank), amount),
            credit(deposit(wish.other_bank, wish.payee), amount),
        )
        return Posting(follow("settlement transfer", id), self._clock.now(), "deposit to another bank", lines)

    def _move(self, id: bytes, wish: Wish, drawer: str, code: str) -> None:
        row = Row(drawer, id, canonical.encode([*wish, code]))
        self._cabinet.put_many([Row(_WAITING, id, None), row])

    def _load(self, data: bytes) -> Wish:
        values: tuple[Any, ...] = _WISH.load(canonical.decode(data), "settlement")
        return Wish(*values)
