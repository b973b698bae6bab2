"""From facts to files: the evidence against each of the guilty, and the alarms about institutions.

The graph says who is guilty and which objects show it. This makes the files of it that a stranger can check, and only
those that verify: where a paper is missing (the log of certificates cannot be asked, the journal has no later head yet)
there is no file, and the guilt stands for settlement alone.

**Alarms** are facts about institutions: a note that an issuer's key signed and no load backs (E7), and a device or a
number that a bank certified for two keys (E8). They name no device, so no device is blocked for them; what phantoms
have been handed in counts against the central bank, and what follows for a bank or an issuer is for people to decide.

Source: DTO/1, sections 5.10, 5.11 and 7.7 (R10, R11, R31, R33).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cbdc.authority import BANK_CA, ISSUER, Auth, Authority
from cbdc.errors import Refused, TengeError
from cbdc.record import Signed
from offline import evidence
from offline.admission import find_auth
from offline.certificate_log import ShownLimits
from offline.escrow import SettlementLedger
from offline.evidence_institutions import serial_parts
from offline.graph import (
    BAD_STATEMENT,
    CONTRADICTION,
    DOUBLE_SPEND,
    EQUIVOCATION,
    FALSE_FRESH,
    LIMIT_BREACH,
    Guilt,
)
from offline.live import LiveGraph
from offline.records import DeviceCertificate, Note, SyncRequest, Transfer
from offline.statements import ANOTHER_LOG, HELD_AND_SPENT, TAKEN_AFTER_CANCEL

PHANTOM_NOTE = 7
DUAL_CERT = 8

LimitsOf = Callable[[bytes, Sequence[bytes]], ShownLimits | None]
"""What the log of certificates shows of a key, under a head made after these objects (ids); None when it cannot."""


def no_limits(kid: bytes, after: Sequence[bytes]) -> ShownLimits | None:
    """No log of certificates can be asked."""
    return None


@dataclass(frozen=True, slots=True)
class Alarm:
    """An institution's key that signed what it must not: `type` is 7 (an issuer) or 8 (a bank).

    `items` are the ids of the note, or of the two certificates; `amount_tiyn` is the note's amount, 0 for a bank.
    """

    type: int
    kid: bytes
    items: tuple[bytes, ...]
    amount_tiyn: int


def phantom_tiyn(alarms: Iterable[Alarm]) -> int:
    """What the phantom notes say they are worth: it counts against the central bank, whose key signed them."""
    return sum(alarm.amount_tiyn for alarm in alarms)


class Prosecutor:
    """Makes the files. `phantoms` are the notes that were handed in and that nobody registered (ids)."""

    def __init__(
        self,
        authority: Authority,
        graph: LiveGraph,
        journal: SettlementLedger,
        phantoms: Callable[[], Iterable[bytes]],
        limits_of: LimitsOf = no_limits,
    ) -> None:
        self._authority = authority
        self._graph = graph
        self._journal = journal
        self._phantoms = phantoms
        self._limits_of = limits_of

    # --- devices ---

    def files(self, kid: bytes) -> list[bytes]:
        """The evidence files against a device, a bank or an issuer, each once, in a fixed order."""
        made = [self._file_of(guilt) for guilt in self._graph.guilt(kid)]
        made += [self._alarm_file(alarm) for alarm in self.alarms() if alarm.kid == kid]
        return list(dict.fromkeys(data for data in made if data is not None))

    def _file_of(self, guilt: Guilt) -> bytes | None:
        certificate = self._graph.seen.certificate(guilt.kid)
        if certificate is None:
            return None
        try:
            return self._proof(guilt, certificate, [self._object(oid) for oid in guilt.items])
        except Refused:
            # What settlement knows may need a paper that the file would lack.
            return None

    def _object(self, oid: bytes) -> Any:
        return self._graph.notes.get(oid) or self._graph.seen.get(oid)

    def _proof(
        self, guilt: Guilt, certificate: Signed[DeviceCertificate], items: Sequence[Any]
    ) -> bytes | None:
        authority = self._authority
        if guilt.type == DOUBLE_SPEND:
            return evidence.double_spend(authority, certificate, items[0], items[1])
        if guilt.type == EQUIVOCATION:
            return evidence.equivocation(authority, certificate, items[0], items[1])
        if guilt.type == CONTRADICTION:
            return self._contradiction(guilt, certificate, items)
        if guilt.type == BAD_STATEMENT:
            return evidence.bad_statement(authority, certificate, items[1], items[0])
        if guilt.type == FALSE_FRESH:
            return evidence.false_fresh(authority, certificate, items[0], items[1], items[2])
        assert guilt.type == LIMIT_BREACH
        shown = self._limits_of(guilt.kid, guilt.items[2:])
        if shown is None:
            return None
        return evidence.limit_breach(authority, certificate, items[0], items[1], shown, items[2:])

    def _contradiction(
        self, guilt: Guilt, certificate: Signed[DeviceCertificate], items: Sequence[Any]
    ) -> bytes:
        authority = self._authority
        if guilt.reason == HELD_AND_SPENT:
            return evidence.held_and_spent(authority, certificate, items[0], items[1])
        if guilt.reason == TAKEN_AFTER_CANCEL:
            payment, request, witness = items
            invoice = self._graph.seen.invoice(payment.record.reference)
            assert invoice is not None, "without the invoice nothing is cancelled"
            return evidence.taken_after_cancel(authority, certificate, invoice, request, payment, witness)
        if guilt.reason == ANOTHER_LOG and not _are_statements(items):
            anchor, witness = _log_parts(items)
            return evidence.another_log(authority, certificate, anchor, [], witness)
        return evidence.fell(authority, certificate, items[0], items[1])

    # --- institutions ---

    def alarms(self) -> list[Alarm]:
        """Every phantom note and every pair of certificates, in a fixed order."""
        found = [self._phantom(oid) for oid in sorted(self._phantoms())]
        for first, second in self._graph.seen.certified_twice():
            bank = find_auth(self._authority, first.record.ca_reference, BANK_CA, first.record.not_before)
            assert isinstance(bank, Auth), "a certificate in the set was verified under its bank"
            found.append(Alarm(DUAL_CERT, bank.kid, (first.oid, second.oid), 0))
        return found

    def _phantom(self, oid: bytes) -> Alarm:
        note = self._graph.seen.get(oid)
        assert note is not None, "a phantom was handed in"
        record: Note = note.record
        issuer = find_auth(self._authority, record.issuer_reference, ISSUER, record.issued)
        assert isinstance(issuer, Auth), "a note in the set was verified under its issuer"
        return Alarm(PHANTOM_NOTE, issuer.kid, (oid,), record.amount_tiyn)

    def _alarm_file(self, alarm: Alarm) -> bytes | None:
        seen = self._graph.seen
        objects: list[Any] = [seen.get(oid) for oid in alarm.items]
        if alarm.type == DUAL_CERT:
            return evidence.dual_certificate(self._authority, objects[0], objects[1])
        for attempt in self._phantom_attempts(objects[0]):
            try:
                return attempt()
            except TengeError:
                continue
        return None

    def _phantom_attempts(self, note: Signed[Note]) -> Iterator[Callable[[], bytes]]:
        index, head = serial_parts(note.record.serial).entry, self._journal.head()
        if index >= head.record.size:
            yield lambda: evidence.phantom_beyond(self._authority, note, head)
        else:
            yield lambda: self._by_entry(note, index)
        for other in self._graph.seen.notes():
            if other.oid != note.oid and other.record.serial[4:] == note.record.serial[4:]:
                yield lambda other=other: evidence.two_notes(self._authority, note, other)  # type: ignore[misc]

    def _by_entry(self, note: Signed[Note], index: int) -> bytes:
        shown = self._journal.inclusion_of(index)
        entry = self._journal.entry(index).encode()
        return evidence.phantom_entry(self._authority, note, shown.head, entry, shown.proof)


def _are_statements(items: Sequence[Any]) -> bool:
    return all(item is not None and isinstance(item.record, SyncRequest) for item in items)


def _log_parts(items: Sequence[Any]) -> tuple[Signed[Any], Signed[Transfer] | None]:
    """The anchor and the witness: a statement speaks of its log's head, a transfer of the one before it."""
    first, second = items
    if first is None:
        return second, None
    if isinstance(first.record, SyncRequest):
        return first, second
    return second, first
