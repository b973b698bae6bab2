"""The monthly cap of a retail client, counted over all providers together.

A resident who is a retail client may deposit at most USD 1,000 in a calendar month, at all providers together; more
only after a knowledge test; only money that enters inside the AIFC counts [P]. The providers exchange their numbers:
here through one counter (simulated) that knows a pseudonym, a month and cents, and nothing else. What may be
deposited after the test, and the rule for non-residents, are not published: parameters, 0 meaning no cap.

A deposit first **takes** its cents, under its own id, and gives them back if the ledger then refuses the money. So
two providers can never both use the last dollar. Cents are counted at the official rate, a broken cent as a whole
one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Refused, Unavailable
from cbdc.policies import UTC_PLUS_5_SECONDS
from cbdc.record import HASH, Group, Text, Unsigned

TAKEN = 1
GIVEN_BACK = 2

_USE = Group((HASH, Unsigned(), Unsigned(1), Text(), Unsigned(TAKEN, GIVEN_BACK)))
_USES = "cap/use"
_TOTALS = "cap/total"


@dataclass(frozen=True, slots=True)
class CapRule:
    """Caps in US cents a calendar month; 0 is no cap."""

    resident_usd_cents: int = 100_000
    tested_usd_cents: int = 0
    non_resident_usd_cents: int = 0

    def limit(self, resident: bool, tested: bool) -> int:
        """The cap of a retail client."""
        if not resident:
            return self.non_resident_usd_cents
        return self.tested_usd_cents if tested else self.resident_usd_cents


def month_of(moment: int) -> int:
    """The calendar month in Kazakhstan: year * 12 + month - 1."""
    day = datetime.fromtimestamp(moment + UTC_PLUS_5_SECONDS, UTC)
    return day.year * 12 + day.month - 1


class SimulatedDataExchange:
    """The counter that all licensed providers share. Set `silent` to see what happens when it does not answer."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet
        self.silent = False

    def used_usd_cents(self, person: bytes, month: int) -> int:
        """What a person (pseudonym) has deposited in a month at all providers."""
        data = self._cabinet.get(_TOTALS, _total(person, month))
        return Unsigned().load(canonical.decode(data), "cents") if data is not None else 0

    def take(
        self, id: bytes, person: bytes, month: int, usd_cents: int, limit_usd_cents: int, provider: str
    ) -> None:
        """Count a deposit in a month (`month_of`). Once per `id`.

        Raises E_MONTH_CAP with what is left, E_ID_REUSED, or E_MONTH_CAP_SILENT: what cannot be counted is not
        deposited.
        """
        self._answers()
        known = self._cabinet.get(_USES, HASH.load(id, "deposit id"))
        if known is not None:
            before = _USE.load(canonical.decode(known), "use")
            if before[:4] != (person, month, usd_cents, provider):
                raise Refused("E_ID_REUSED", id=id)
            if before[4] == TAKEN:
                return
        used = self.used_usd_cents(person, month)
        if limit_usd_cents and used + usd_cents > limit_usd_cents:
            left = max(0, limit_usd_cents - used)
            raise Refused(
                "E_MONTH_CAP", asked_usd_cents=usd_cents, left_usd_cents=left, limit_usd_cents=limit_usd_cents
            )
        self._write(id, person, month, usd_cents, provider, TAKEN, used + usd_cents)

    def give_back(self, id: bytes) -> None:
        """The deposit did not happen: its cents no longer count. Again is harmless; E_MONTH_CAP_SILENT."""
        self._answers()
        known = self._cabinet.get(_USES, id)
        if known is None:
            return
        person, month, usd_cents, provider, state = _USE.load(canonical.decode(known), "use")
        if state == TAKEN:
            total = self.used_usd_cents(person, month) - usd_cents
            self._write(id, person, month, usd_cents, provider, GIVEN_BACK, total)

    def by_provider(self, month: int) -> dict[str, int]:
        """What came in at each provider in a month, in US cents."""
        sums: dict[str, int] = {}
        for _, data in self._cabinet.all(_USES):
            _, of_month, usd_cents, provider, state = _USE.load(canonical.decode(data), "use")
            if of_month == month and state == TAKEN:
                sums[provider] = sums.get(provider, 0) + usd_cents
        return dict(sorted(sums.items()))

    def _answers(self) -> None:
        if self.silent:
            raise Unavailable("E_MONTH_CAP_SILENT")

    def _write(
        self, id: bytes, person: bytes, month: int, usd_cents: int, provider: str, state: int, total: int
    ) -> None:
        use = canonical.encode([person, month, usd_cents, provider, state])
        self._cabinet.put_many(
            [Row(_USES, id, use), Row(_TOTALS, _total(person, month), canonical.encode(total))]
        )


def _total(person: bytes, month: int) -> bytes:
    return follow("cap", HASH.load(person, "person"), month.to_bytes(8, "big"))
