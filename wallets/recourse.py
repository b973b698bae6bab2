"""Who pays for a double spend at last: its owner, then the certifying bank; what is left the loss reserve has paid.

The owner's free digital tenge is written off by the enforcement authority, on the proof as legal reference, up to what
it holds. A bank is charged on its reserve account at the National Bank, against the loss account. What is to be taken
is written down under its fact before it is taken, so asking again takes nothing twice and answers the same.
"""

from collections.abc import Callable

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
from cbdc.ports import Clock
from cbdc.record import Unsigned
from cbdc.system import System
from offline.posting import OWNER

_DRAWER = "recourse"

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
        possible = (
            self._free_tiyn(online) if party == OWNER else self._system.national_bank.reserve_tiyn(bank_id)
        )
        taken = self._planned(fact, min(amount_tiyn, possible))
        if not taken:
            return 0
        if party == OWNER:
            reason = f"proof of a double spend by device {kid.hex()[:16]}"
            self._system.enforcement.seize(fact, online, taken, self._system.loss_reserve_kid, reason)
        else:
            self._charge(bank_id, taken, fact)
        return taken

    def _free_tiyn(self, kid: bytes) -> int:
        return sum(token.amount_tiyn for _, token in self._system.ledger.owned(kid) if not token.mark)

    def _planned(self, fact: bytes, amount_tiyn: int) -> int:
        known = self._system.stores.cabinet.get(_DRAWER, fact)
        if known is not None:
            return Unsigned().load(canonical.decode(known), "amount")
        self._system.stores.cabinet.put_many([Row(_DRAWER, fact, canonical.encode(amount_tiyn))])
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
