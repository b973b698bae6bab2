"""Who pays for a double spend at last: its owner, then the certifying bank; what is left the loss reserve has paid.

The owner's free digital tenge is written off by the enforcement authority, on the proof as legal reference, up to what
it holds. A bank is charged on its reserve account at the National Bank, against the loss account. What is to be taken
is written down under its fact before it is taken, so asking again takes nothing twice and answers the same.

Only what a seizure can take counts as the owner's: unmarked tokens behind that key alone. Money in many pieces is
taken in several parts, the largest pieces first; a part that was planned and is gone when it is to be taken brings
nothing, and the next one is planned on what is there.
"""

from collections.abc import Callable
from itertools import count

from cbdc import canonical
from cbdc.accounts import (
    EXPENSE,
    OFFLINE_LOSSES,
    Account,
    Posting,
    credit,
    debit,
    institution_of,
    reserve,
    reserves,
)
from cbdc.cabinet import Row, follow
from cbdc.errors import Refused
from cbdc.ports import Clock
from cbdc.record import Unsigned
from cbdc.system import System
from cbdc.token import KeyLock
from offline.posting import OWNER

_DRAWER = "recourse"
_PART_PIECES = 200
_MOST_PARTS = 100
_GONE = ("E_FUNDS", "E_FUNDS_SCATTERED", "E_TOKEN_SPENT")

OwnerOf = Callable[[bytes], tuple[bytes, int] | None]


class CourtRecourse:
    """Fits `offline.posting.Recourse`. `owner_of` gives a device owner's online key id and bank, or None."""

    def __init__(self, system: System, owner_of: OwnerOf, clock: Clock) -> None:
        self._system = system
        self._owner_of = owner_of
        self._clock = clock

    def collect(self, kid: bytes, party: str, amount_tiyn: int, fact: bytes) -> int:
        """How much of `amount_tiyn` the owner or the bank of device `kid` pays; once, and the same answer again."""
        owner = self._owner_of(kid)
        if owner is None or not amount_tiyn:
            return 0
        online, bank_id = owner
        if party == OWNER:
            reason = f"proof of a double spend by device {kid.hex()[:16]}"
            return self._seize(online, amount_tiyn, fact, reason)
        taken = self._planned(fact, min(amount_tiyn, self._system.national_bank.reserve_tiyn(bank_id)))
        if taken:
            self._charge(bank_id, taken, fact)
        return taken

    def _seize(self, online: bytes, amount_tiyn: int, fact: bytes, reason: str) -> int:
        """Seize up to an amount, part by part, until it is reached or nothing more is there; how much came in."""
        taken = 0
        for number in count():
            part = fact if number == 0 else follow("recourse part", fact, number.to_bytes(4, "big"))
            planned = self._known(part)
            if planned is None:
                # The last planned part is 0, so a repetition ends where the first call did.
                missing = amount_tiyn - taken if number < _MOST_PARTS else 0
                planned = self._planned(part, min(missing, self._free_tiyn(online)))
            if not planned:
                return taken
            taken += self._seize_part(online, planned, part, reason)
        raise AssertionError("an endless count does not end")

    def _seize_part(self, online: bytes, amount_tiyn: int, part: bytes, reason: str) -> int:
        gone = follow("recourse gone", part)
        if self._known(gone) is not None:
            return 0
        try:
            self._system.enforcement.seize(part, online, amount_tiyn, self._system.loss_reserve_kid, reason)
        except Refused as refusal:
            if refusal.code not in _GONE:
                raise
            self._planned(gone, amount_tiyn)
            return 0
        return amount_tiyn

    def _free_tiyn(self, kid: bytes) -> int:
        """What one seizure can take: the largest pieces of free money that this key alone holds."""
        pieces = sorted(
            token.amount_tiyn
            for _, token in self._system.ledger.owned(kid)
            if not token.mark and token.lock == KeyLock(kid)
        )
        return sum(pieces[-_PART_PIECES:])

    def _known(self, name: bytes) -> int | None:
        known = self._system.stores.cabinet.get(_DRAWER, name)
        return None if known is None else Unsigned().load(canonical.decode(known), "amount")

    def _planned(self, name: bytes, amount_tiyn: int) -> int:
        known = self._known(name)
        if known is not None:
            return known
        self._system.stores.cabinet.put_many([Row(_DRAWER, name, canonical.encode(amount_tiyn))])
        return amount_tiyn

    def _charge(self, bank_id: int, amount_tiyn: int, fact: bytes) -> None:
        losses = Account(institution_of(bank_id), EXPENSE, "losses: certified devices")
        lines = (
            debit(reserve(bank_id), amount_tiyn),
            credit(OFFLINE_LOSSES, amount_tiyn),
            debit(losses, amount_tiyn),
            credit(reserves(bank_id), amount_tiyn),
        )
        self._system.books.post(
            Posting(follow("recourse", fact), self._clock.now(), "charged for a certified device", lines)
        )
