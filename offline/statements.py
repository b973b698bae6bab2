"""What devices say of themselves, and what follows from it: log chains, cancelled invoices, contradictions.

Each transfer names the one its device made before it, so a device's transfers form a chain from its genesis. A
SYNC_REQ states the chain's head and length, the purse, and the last invoice number, and cancels every invoice up to
it. From such statements two things follow, both from the set alone:

- **undelivered** money: a transfer to a device that cancelled the invoice, whose complete log does not spend the
  output and whose purse does not list it, can never be accepted any more; settlement may credit its owner (CLAIM);
- **contradictions** (E3): a counter that falls, a spent output listed as held, money taken under a cancelled invoice,
  neighbours in a log that do not fit. An honest element cannot make one, whatever its host does;
- **broken promises**: payments past the limits of every certificate (E5), an invoice under an older list than an
  answer it had taken demands (E6).

Being complete never ends (the set only grows), so a positive answer is remembered.

Source: DTO/1, sections 5.8, 5.9 and 5.10 (E3, E5, E6).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cbdc.record import Signed
from offline.certificate_log import loosest
from offline.evidence_device import falls, held_tiyn, is_false_fresh
from offline.evidence_limits import breach_of, counts_after
from offline.records import (
    PAY,
    DeviceCertificate,
    Limits,
    Outpoint,
    SyncAck,
    SyncRequest,
    Transfer,
    genesis_link,
)
from offline.seen import Seen

# Why two or more signed objects cannot all be an honest device's, in words.
ANOTHER_LOG = "another log"
HELD_AND_SPENT = "held and spent"
TAKEN_AFTER_CANCEL = "taken after its invoice was cancelled"
LIMITS_BROKEN = "limits broken"
PROMISE_BROKEN = "an older list than promised"

_WIDEST = 4_096


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Signed objects of one device (ids) that an honest element cannot all have made, and why, in words."""

    kid: bytes
    reason: str
    items: tuple[bytes, ...]


class Statements:
    """A reader of `Seen` that remembers which log heads are complete."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._complete: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        self._judged: dict[tuple[bytes, bytes, int], tuple[int, list[Signed[Transfer]]]] = {}

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
        # Nothing that a device signed counts before its certificate: who holds that back must not choose the moment.
        since = max(self._seen.arrived(invoice.oid), self._seen.certified_at(payee) or 0)
        moments = [
            max(moment, since)
            for request in self._seen.requests(payee)
            if request.record.invoice_number >= invoice.record.invoice_number
            if (moment := self._without(request, Outpoint(transfer.oid, 0))) is not None
        ]
        return min(moments, default=None)

    def _without(self, request: Signed[SyncRequest], outpoint: Outpoint) -> int | None:
        record = request.record
        if held_tiyn(record, outpoint) is not None:
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
        """Everything the device said that contradicts something else it signed, in a fixed order (E3)."""
        requests = self._seen.requests(kid)
        found = [
            Contradiction(kid, reason, (earlier.oid, later.oid))
            for earlier, later in pairwise(requests)
            if (reason := falls(earlier.record, later.record))
        ]
        for request in requests:
            found += self._held_and_spent(request)
            found += self._other_head(request)
        return found + self._broken_log(kid)

    def _held_and_spent(self, request: Signed[SyncRequest]) -> list[Contradiction]:
        record = request.record
        found = []
        for previous, position, _ in record.purse:
            for oid in self._seen.spent_by(record.kid, Outpoint(previous, position)):
                spend = self._seen.transfer(oid)
                assert spend is not None
                if spend.record.counter <= record.counter:
                    found.append(Contradiction(record.kid, HELD_AND_SPENT, (request.oid, oid)))
        return found

    def _other_head(self, request: Signed[SyncRequest]) -> list[Contradiction]:
        record = request.record
        if (record.counter == 0) != (record.head == genesis_link(record.kid)):
            return [Contradiction(record.kid, ANOTHER_LOG, (record.head, request.oid))]
        found = [
            Contradiction(record.kid, ANOTHER_LOG, (request.oid, oid))
            for oid in self._seen.counted(record.kid, record.counter)
            if oid != record.head
        ]
        head = self._seen.transfer(record.head)
        if head is not None and head.record.payer == record.kid and head.record.counter != record.counter:
            found.append(Contradiction(record.kid, ANOTHER_LOG, (request.oid, head.oid)))
        return found

    def _broken_log(self, kid: bytes) -> list[Contradiction]:
        """Neighbours in the log that do not fit; where both branches of a fork are known, that is E2 and said there."""
        found = []
        for first, second in sorted(self._seen.broken_logs.get(kid, ())):
            earlier = self._seen.transfer(first)
            if earlier is None or len(self._seen.counted(kid, earlier.record.counter)) == 1:
                found.append(Contradiction(kid, ANOTHER_LOG, (first, second)))
        return found

    def taken_after_cancel(self, payment: Signed[Transfer]) -> Contradiction | None:
        """The proof that a payee took a payment after its own statement had cancelled the invoice; None without one.

        Items: the payment, the statement, and the witness (a later spend, or a later statement that holds the money).
        """
        record = payment.record
        payee, money = record.outputs[0].owner, Outpoint(payment.oid, 0)
        invoice = self._seen.invoice(record.reference)
        if record.kind != PAY or invoice is None or invoice.record.payee != payee:
            return None
        requests = self._seen.requests(payee)
        spends = [self._seen.transfer(oid) for oid in self._seen.spent_by(payee, money)]
        for request in requests:
            stated = request.record
            if stated.invoice_number < invoice.record.invoice_number or held_tiyn(stated, money) is not None:
                continue
            for spend in spends:
                if spend is not None and spend.record.counter > stated.counter:
                    return Contradiction(payee, TAKEN_AFTER_CANCEL, (payment.oid, request.oid, spend.oid))
            for later in requests:
                if (
                    later.record.sync_number > stated.sync_number
                    and held_tiyn(later.record, money) is not None
                ):
                    return Contradiction(payee, TAKEN_AFTER_CANCEL, (payment.oid, request.oid, later.oid))
        return None

    # --- promises that settlement's answers hold it to ---

    def limit_breaches(self, kid: bytes) -> list[Contradiction]:
        """For each statement after which the device paid past its limits: what shows it (E5).

        Items: the statement, what ends its window (settlement's answer or the device's next statement), and the
        payments that are enough, in the order of their counters. The limits are the loosest of every certificate in
        the set, so a certificate that comes later can clear a device.
        """
        certificates = self._seen.certificates(kid)
        windows: list[tuple[Signed[SyncRequest], Signed[Any]]] = []
        for ack in self._seen.acks(kid):
            request = self._seen.get(ack.record.request)
            if request is not None:
                windows.append((request, ack))
        requests = self._seen.requests(kid)
        windows += [
            (one, other)
            for one, other in pairwise(requests)
            if other.record.sync_number == one.record.sync_number + 1
        ]
        found: dict[bytes, Contradiction] = {}
        for request, bound in windows if certificates else ():
            if request.oid not in found and (enough := self._breach(request, bound, certificates)):
                items = (request.oid, bound.oid, *(one.oid for one in enough))
                found[request.oid] = Contradiction(kid, LIMITS_BROKEN, items)
        return list(found.values())

    def _breach(
        self,
        request: Signed[SyncRequest],
        bound: Signed[Any],
        certificates: Sequence[Signed[DeviceCertificate]],
    ) -> list[Signed[Transfer]]:
        key = (request.oid, bound.oid, len(certificates))
        state, enough = self._judged.get(key, (-1, []))
        # The set only grows: as many payments of the window as before are the same payments.
        now = self._width(request.record, bound.record)
        if state == now:
            return enough
        counted = self._counted(request.record, bound.record)
        limits = loosest(one.record.limits for one in certificates)
        enough = enough_to_breach([counted[place] for place in sorted(counted)], limits)
        self._judged[key] = (now, enough)
        return enough

    def _width(self, request: SyncRequest, bound: SyncAck | SyncRequest) -> int:
        """How many payments of a window are known, two under one counter both counted."""
        if isinstance(bound, SyncAck):
            return len(self._seen.paid_since(request.kid, bound.time))
        return sum(len(self._seen.counted(request.kid, place)) for place in _places(request, bound))

    def _counted(self, request: SyncRequest, bound: SyncAck | SyncRequest) -> dict[int, Signed[Transfer]]:
        """The payments of a window by their counters: of two with one counter, the one with the smaller id."""
        kid = request.kid
        if isinstance(bound, SyncAck):
            oids = sorted(self._seen.paid_since(kid, bound.time))
        else:
            oids = [oid for place in _places(request, bound) for oid in self._seen.counted(kid, place)]
        counted: dict[int, Signed[Transfer]] = {}
        for oid in oids:
            transfer = self._seen.transfer(oid)
            assert transfer is not None
            if counts_after(transfer.record, request, bound):
                counted.setdefault(transfer.record.counter, transfer)
        return counted

    def false_fresh(self, kid: bytes) -> list[Contradiction]:
        """An invoice under an older list than an answer that the device had taken demands (E6), if there is one.

        Items: the answer, the later statement, and the invoice. Of all invoices under one list the last is asked: if
        any breaks the promise, it does.
        """
        acks, requests = self._seen.acks(kid), self._seen.requests(kid)
        for invoice in self._seen.last_invoices(kid):
            number, sequence = invoice.record.invoice_number, invoice.record.trust_sequence
            demanding = [ack for ack in acks if ack.record.min_trust_sequence > sequence]
            before = [one for one in requests if one.record.invoice_number < number] if demanding else []
            last = max((one.record.sync_number for one in before), default=0)
            for ack in demanding:
                if ack.record.sync_number < last:
                    later = next(r for r in before if is_false_fresh(ack.record, r.record, invoice.record))
                    items = (ack.oid, later.oid, invoice.oid)
                    return [Contradiction(kid, PROMISE_BROKEN, items)]
        return []


def _width(request: SyncRequest, later: SyncRequest) -> int:
    """How many places of the log lie between two statements; no more than any honest device can fill."""
    return max(0, min(later.counter - request.counter, _WIDEST))


def _places(request: SyncRequest, later: SyncRequest) -> range:
    return range(request.counter + 1, request.counter + 1 + _width(request, later))


def enough_to_breach(transfers: Sequence[Signed[Transfer]], limits: Limits) -> list[Signed[Transfer]]:
    """Those of these payments (in the order of their counters) that are enough to break a limit; none when all are not.

    Few are better: a court reads each. For the sum, the largest; for the number, one part of each payment; for one
    payment, its parts; for age and hops, the one that goes furthest.
    """
    breach = breach_of([one.record for one in transfers], limits)
    if breach is None:
        return []
    by_payment: dict[bytes, list[Signed[Transfer]]] = {}
    for one in transfers:
        by_payment.setdefault(one.record.reference, []).append(one)
    if breach.limit == "max_out":
        chosen, sum_tiyn = [], 0
        for one in sorted(transfers, key=lambda one: -_given_tiyn(one)):
            chosen.append(one)
            sum_tiyn += _given_tiyn(one)
            if sum_tiyn > limits.max_out_tiyn:
                break
    elif breach.limit == "max_count":
        chosen = [parts[0] for parts in by_payment.values()][: limits.max_count + 1]
    elif breach.limit == "max_payment":
        chosen = max(by_payment.values(), key=lambda parts: sum(_given_tiyn(one) for one in parts))
    elif breach.limit == "max_age":
        chosen = [max(transfers, key=lambda one: one.record.time - one.record.sync_time)]
    else:
        chosen = [max(transfers, key=lambda one: one.record.hop)]
    return sorted(chosen, key=lambda one: one.record.counter)


def _given_tiyn(transfer: Signed[Transfer]) -> int:
    return transfer.record.outputs[0].amount_tiyn
