"""A ledger of one asset (simulated): coins of an exchange, milligrams of gold. Whole minor units, nothing below zero.

It stands for whatever keeps such an asset outside: a chain, a register of tokens. Every movement goes from one
account to another; what is made comes from the empty account and what is destroyed goes there, so balances are a
fold of the journal and the audit counts them again. Accounts are texts. Whoever calls it is believed: signatures of
the outside ledger are not simulated.

A movement may be locked behind a hash and a deadline, as on the digital tenge ledger: the units stand in an account
of the lock until the payee's side shows the preimage (the deadline's second included), and go back to the payer
after it.

Rules kept here: an id names one movement for ever (E_ID_REUSED); a refusal changes nothing; a movement and the
balances it changes are one commit.
"""

import hashlib
from collections import Counter
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Refused
from cbdc.ports import Clock
from cbdc.record import AMOUNT, HASH, MOMENT, Bytes, Group, Text, Unsigned

NOBODY = ""
LOCKED = 1
CLAIMED = 2
RETURNED = 3

_MOVE = Group((MOMENT, Text(128), Text(128), AMOUNT, Bytes()))
_LOCK = Group((Text(128), Text(128), AMOUNT, HASH, MOMENT, Unsigned(LOCKED, RETURNED), Bytes((0, 32))))


class Move(NamedTuple):
    """One movement: when, from whom, to whom, how many units, and a reference of the caller's."""

    time: int
    payer: str
    payee: str
    units: int
    reference: bytes


class UnitLock(NamedTuple):
    """Units behind a hash until a deadline; `preimage` once they were claimed."""

    payer: str
    payee: str
    units: int
    hash: bytes
    deadline: int
    state: int
    preimage: bytes = b""


class UnitLedger:
    """The ledger of the asset `name`. `late_claims` leaves the deadline's rule out, to see what it is for."""

    def __init__(self, cabinet: Cabinet, name: str, clock: Clock, late_claims: bool = False) -> None:
        self.name = name
        self._cabinet = cabinet
        self._clock = clock
        self._late_claims = late_claims
        self._journal = f"units {name}/journal"
        self._balances = f"units {name}/balance"
        self._locks = f"units {name}/lock"

    def balance(self, account: str) -> int:
        """What an account holds; units behind a lock are nobody's until it opens."""
        data = self._cabinet.get(self._balances, account.encode())
        return Unsigned().load(canonical.decode(data), "units") if data is not None else 0

    def balances(self) -> dict[str, int]:
        """Every account that was ever touched, by name."""
        rows = self._cabinet.all(self._balances)
        return {
            name.decode(): Unsigned().load(canonical.decode(data), "units") for name, data in sorted(rows)
        }

    def supply(self) -> int:
        """All units there are."""
        return sum(self.balances().values())

    def moves(self) -> list[tuple[bytes, Move]]:
        """The journal: (id, movement) in order."""
        return [(name, _open_move(data)) for name, data in self._cabinet.all(self._journal)]

    def moved(self, id: bytes) -> Move | None:
        """The movement with this id, or None."""
        data = self._cabinet.get(self._journal, id)
        return None if data is None else _open_move(data)

    # --- movements ---

    def mint(self, id: bytes, account: str, units: int, reference: bytes = b"") -> None:
        """Make units. Once per `id`."""
        self._move(id, NOBODY, account, units, reference)

    def burn(self, id: bytes, account: str, units: int, reference: bytes = b"") -> None:
        """Destroy units; E_UNITS when there are too few. Once per `id`."""
        self._move(id, account, NOBODY, units, reference)

    def transfer(self, id: bytes, payer: str, payee: str, units: int, reference: bytes = b"") -> None:
        """From one account to another; E_UNITS when there are too few. Once per `id`."""
        self._move(id, payer, payee, units, reference)

    def _move(
        self, id: bytes, payer: str, payee: str, units: int, reference: bytes, extra: tuple[Row, ...] = ()
    ) -> None:
        move = Move(self._clock.now(), payer, payee, AMOUNT.load(units, "units"), reference)
        known = self.moved(HASH.load(id, "movement id"))
        if known is not None:
            if known[1:] != move[1:]:
                raise Refused("E_ID_REUSED", id=id)
            return
        changes = Counter({payer: -units})
        changes[payee] += units
        rows = [Row(self._journal, id, canonical.encode(list(move)))]
        rows += [self._changed(account, change) for account, change in changes.items() if account != NOBODY]
        self._cabinet.put_many([*rows, *extra])

    def _changed(self, account: str, units: int) -> Row:
        after = self.balance(account) + units
        if after < 0:
            raise Refused("E_UNITS", asset=self.name, available=after - units, needed=-units)
        return Row(self._balances, account.encode(), canonical.encode(after))

    # --- locks ---

    def lock(self, id: bytes, payer: str, payee: str, units: int, hash: bytes, deadline: int) -> None:
        """Put units behind a hash; E_UNITS, E_UNIT_LOCK_PAST for a deadline that has passed. Once per `id`."""
        row = UnitLock(payer, payee, units, HASH.load(hash, "hash"), deadline, LOCKED)
        known = self.find_lock(id)
        if known is not None and known[:5] != row[:5]:
            raise Refused("E_ID_REUSED", id=id)
        if known is None and deadline < self._clock.now():
            raise Refused("E_UNIT_LOCK_PAST", deadline=deadline)
        made = Row(self._locks, id, canonical.encode(list(row)))
        self._move(follow("units locked", id), payer, _account(id), units, id, (made,))

    def find_lock(self, id: bytes) -> UnitLock | None:
        """The lock with this id, or None."""
        data = self._cabinet.get(self._locks, HASH.load(id, "lock id"))
        if data is None:
            return None
        values: tuple[Any, ...] = _LOCK.load(canonical.decode(data), "lock")
        return UnitLock(*values)

    def claim(self, id: bytes, preimage: bytes) -> None:
        """Give the units to the payee, whoever shows the preimage; again is harmless.

        Raises E_UNIT_LOCK for a lock that is not there or went back, E_UNIT_PREIMAGE for another preimage,
        E_UNIT_CLAIM_LATE after the deadline.
        """
        lock = self._open(id, CLAIMED)
        if hashlib.sha256(preimage).digest() != lock.hash:
            raise Refused("E_UNIT_PREIMAGE", asset=self.name)
        if lock.state == CLAIMED:
            return
        if self._clock.now() > lock.deadline and not self._late_claims:
            raise Refused("E_UNIT_CLAIM_LATE", asset=self.name, deadline=lock.deadline)
        closed = lock._replace(state=CLAIMED, preimage=preimage)
        self._close(id, "units claimed", lock.payee, closed)

    def refund(self, id: bytes) -> None:
        """Give the units back to the payer after the deadline; again is harmless.

        Raises E_UNIT_LOCK for a lock that is not there or was claimed, E_UNIT_REFUND_EARLY before the deadline has
        passed.
        """
        lock = self._open(id, RETURNED)
        if lock.state == RETURNED:
            return
        if self._clock.now() <= lock.deadline:
            raise Refused("E_UNIT_REFUND_EARLY", asset=self.name, deadline=lock.deadline)
        self._close(id, "units returned", lock.payer, lock._replace(state=RETURNED))

    def _open(self, id: bytes, wanted: int) -> UnitLock:
        lock = self.find_lock(id)
        if lock is None or lock.state not in (LOCKED, wanted):
            raise Refused("E_UNIT_LOCK", asset=self.name, id=id)
        return lock

    def _close(self, id: bytes, label: str, account: str, lock: UnitLock) -> None:
        closed = Row(self._locks, id, canonical.encode(list(lock)))
        self._move(follow(label, id), _account(id), account, lock.units, id, (closed,))

    # --- the audit ---

    def differences(self) -> list[tuple[str, int, int]]:
        """Accounts whose balance is not what the journal adds up to: (account, kept, counted)."""
        counted: Counter[str] = Counter()
        for _, move in self.moves():
            counted[move.payer] -= move.units
            counted[move.payee] += move.units
        del counted[NOBODY]
        kept = self.balances()
        return [
            (name, kept.get(name, 0), counted[name])
            for name in sorted(kept.keys() | counted.keys())
            if kept.get(name, 0) != counted[name]
        ]


def _account(lock_id: bytes) -> str:
    """The account in which a lock's units stand."""
    return f"lock {lock_id.hex()}"


def _open_move(data: bytes) -> Move:
    values: tuple[Any, ...] = _MOVE.load(canonical.decode(data), "movement")
    return Move(*values)
