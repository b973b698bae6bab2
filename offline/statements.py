"""What devices say of themselves, and what follows from it: log chains, cancelled invoices, contradictions.

Each transfer names the one its device made before it, so a device's transfers form a chain from its genesis. A
SYNC_REQ states the chain's head and length, the purse, and the last invoice number, and cancels every invoice up to
it. From such statements two things follow, both from the set alone:

- **undelivered** money: a transfer to a device that cancelled the invoice, whose complete log does not spend the
  output and whose purse does not list it, can never be accepted any more; settlement may credit its owner (CLAIM);
- **contradictions** (E3): a counter that falls, a spent output listed as held, a spend of claimed money. An honest
  element cannot make one, whatever its host does.

Being complete never ends (the set only grows), so a positive answer is remembered.

Source: DTO/1, sections 5.8, 5.9 and 5.10 (E3).
"""

from dataclasses import dataclass
from itertools import pairwise

from cbdc.record import Signed
from offline.records import PAY, Outpoint, SyncRequest, Transfer, genesis_link
from offline.seen import Seen


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two signed objects of one device (ids) that an honest element cannot both have made, and why, in a word."""

    kid: bytes
    reason: str
    items: tuple[bytes, bytes]


class Statements:
    """A reader of `Seen` that remembers which log heads are complete."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._complete: dict[tuple[bytes, bytes], tuple[int, int]] = {}

    def completed_at(self, kid: bytes, head: bytes, counter: int) -> int | None:
        """When the device's log up to `head` (its transfer number `counter`) was first complete; None if it is not.

        The moment is the latest arrival among its transfers (0 for an empty log).
        """
        path: list[Signed[Transfer]] = []
        place, left = head, counter
        while (kid, place) not in self._complete:
            if left == 0 and place == genesis_link(kid):
                self._complete[kid, place] = (0, 0)
                break
            step = self._seen.transfer(place)
            if step is None or step.record.payer != kid or step.record.counter != left:
                return None
            path.append(step)
            place, left = step.record.link, left - 1
        reached, latest = self._complete[kid, place]
        if reached != left:
            return None
        for step in reversed(path):
            latest = max(latest, self._seen.arrived(step.oid))
            self._complete[kid, step.oid] = (step.record.counter, latest)
        return latest

    def undelivered_at(self, transfer: Signed[Transfer]) -> int | None:
        """When it became certain that the payee of this payment never took it and never can; None if it is not.

        It takes the payee's own invoice, and a later statement of the payee that cancelled it, with a complete log
        that does not spend the money and a purse that does not hold it.
        """
        record = transfer.record
        if record.kind != PAY:
            return None
        payee = record.outputs[0].owner
        invoice = self._seen.invoice(record.reference)
        if invoice is None or invoice.record.payee != payee:
            return None
        since = self._seen.arrived(invoice.oid)
        moments = [
            max(moment, since)
            for request in self._seen.requests(payee)
            if request.record.invoice_number >= invoice.record.invoice_number
            if (moment := self._without(request, Outpoint(transfer.oid, 0))) is not None
        ]
        return min(moments, default=None)

    def _without(self, request: Signed[SyncRequest], outpoint: Outpoint) -> int | None:
        record = request.record
        if _in_purse(record, outpoint):
            return None
        moment = self.completed_at(record.kid, record.head, record.counter)
        if moment is None:
            return None
        for oid in self._seen.spent_by(record.kid, outpoint):
            spend = self._seen.transfer(oid)
            assert spend is not None
            if spend.record.counter <= record.counter:
                return None
        return max(moment, self._seen.arrived(request.oid))

    def contradictions(self, kid: bytes) -> list[Contradiction]:
        """Everything the device said that contradicts something else it signed, in a fixed order."""
        requests = self._seen.requests(kid)
        found = [
            Contradiction(kid, reason, (earlier.oid, later.oid))
            for earlier, later in pairwise(requests)
            if (reason := _falls(earlier.record, later.record))
        ]
        for request in requests:
            found += self._held_and_spent(request)
            found += self._other_head(request)
        return found

    def _held_and_spent(self, request: Signed[SyncRequest]) -> list[Contradiction]:
        record = request.record
        found = []
        for previous, position, _ in record.purse:
            for oid in self._seen.spent_by(record.kid, Outpoint(previous, position)):
                spend = self._seen.transfer(oid)
                assert spend is not None
                if spend.record.counter <= record.counter:
                    found.append(Contradiction(record.kid, "held and spent", (request.oid, oid)))
        return found

    def _other_head(self, request: Signed[SyncRequest]) -> list[Contradiction]:
        record = request.record
        return [
            Contradiction(record.kid, "another log", (request.oid, oid))
            for oid in self._seen.counted(record.kid, record.counter)
            if oid != record.head
        ]


def _in_purse(record: SyncRequest, outpoint: Outpoint) -> bool:
    return any((previous, position) == outpoint for previous, position, _ in record.purse)


def _falls(earlier: SyncRequest, later: SyncRequest) -> str:
    """Why `later`, which has the same or a higher sync number, cannot follow `earlier`; empty if it can."""
    if earlier.sync_number == later.sync_number:
        return "two statements with one number"
    if later.counter < earlier.counter:
        return "the counter fell"
    rising = ("invoice_number", "out_total_tiyn", "in_total_tiyn", "out_count", "in_count", "trust_sequence")
    if any(getattr(later, name) < getattr(earlier, name) for name in rising):
        return "a total fell"
    return ""
