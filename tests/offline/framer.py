"""A framer: somebody who holds everything that was ever signed, and tries to make evidence of it against anyone.

It recombines all objects of a world in every way that a type's item list allows and asks `verify_evidence` (which the
makers of files call) what each file proves. Honest devices, banks and issuers must never be named, whoever asks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, permutations, product
from typing import Any

from cbdc.authority import Authority
from cbdc.errors import TengeError
from cbdc.ledger.entry import LogHead
from cbdc.ledger.ledger import Ledger
from cbdc.record import Signed
from offline import evidence
from offline.certificate_log import ShownLimits
from offline.evidence import Verdict, verify_evidence
from offline.evidence_institutions import serial_parts
from offline.records import (
    PAY,
    DeviceCertificate,
    Invoice,
    Note,
    SyncAck,
    SyncRequest,
    Transfer,
)

LimitsOf = Callable[[bytes, Sequence[bytes]], ShownLimits | None]
Attempt = Callable[[], bytes]


class Framer:
    """Everything ever signed, by type; `limits_of` asks the log of certificates as anybody may."""

    def __init__(
        self, authority: Authority, objects: Iterable[Signed[Any]], limits_of: LimitsOf, ledger: Ledger
    ) -> None:
        self._authority = authority
        self._limits_of = limits_of
        self._ledger = ledger
        unique = {(signed.oid, signed.signature): signed for signed in objects}
        self.by_type: dict[type[Any], list[Signed[Any]]] = {}
        for signed in unique.values():
            self.by_type.setdefault(type(signed.record), []).append(signed)

    def of(self, kind: type[Any], kid: bytes = b"", field: str = "kid") -> list[Signed[Any]]:
        """Every object of a type, or those that name this key."""
        return [one for one in self.by_type.get(kind, []) if not kid or getattr(one.record, field) == kid]

    def convictions(self) -> list[Verdict]:
        """Every verdict that some file proves."""
        found = []
        for attempt in self.attempts():
            try:
                data = attempt()
            except TengeError:
                continue
            found.append(verify_evidence(data, self._authority.root))
        return found

    def attempts(self) -> Iterator[Attempt]:
        """Every file that anybody could try to make."""
        for certificate in self.of(DeviceCertificate):
            kid = certificate.record.kid
            transfers, requests = self.of(Transfer, kid, "payer"), self.of(SyncRequest, kid)
            yield from self._pairs(certificate, transfers)
            yield from self._logs(certificate, transfers, requests)
            yield from self._taken(certificate, transfers, requests)
            yield from self._promises(certificate, transfers, requests)
            yield from self._between(certificate, transfers, requests)
        for first, second in combinations(self.of(DeviceCertificate), 2):
            yield lambda first=first, second=second: evidence.dual_certificate(  # type: ignore[misc]
                self._authority, first, second
            )
        for note, head in product(self.of(Note), self.of(LogHead)):
            yield lambda note=note, head=head: evidence.phantom_beyond(  # type: ignore[misc]
                self._authority, note, head
            )
        for note in self.of(Note):
            yield lambda note=note: self._entry(note)  # type: ignore[misc]
        for first, second in combinations(self.of(Note), 2):
            yield lambda first=first, second=second: evidence.two_notes(  # type: ignore[misc]
                self._authority, first, second
            )

    def _pairs(self, certificate: Any, transfers: Sequence[Any]) -> Iterator[Attempt]:
        for first, second in combinations(transfers, 2):
            for maker in (evidence.double_spend, evidence.equivocation):
                yield lambda maker=maker, one=first, two=second: maker(  # type: ignore[misc]
                    self._authority, certificate, one, two
                )
        parents = [*self.of(Note), *self.of(Transfer)]
        for transfer in transfers:
            for parent in parents:
                if parent.oid == transfer.record.previous:
                    yield lambda one=transfer, parent=parent: evidence.bad_statement(  # type: ignore[misc]
                        self._authority, certificate, one, parent
                    )

    def _logs(self, certificate: Any, transfers: Sequence[Any], requests: Sequence[Any]) -> Iterator[Attempt]:
        chain = {transfer.oid: transfer for transfer in transfers}
        for anchor in (*transfers, *requests):
            named = anchor.record.link if isinstance(anchor.record, Transfer) else anchor.record.head
            path: list[Any] = []
            for _ in range(4):
                for witness in (None, *transfers):
                    yield lambda anchor=anchor, path=tuple(path), witness=witness: evidence.another_log(  # type: ignore[misc]
                        self._authority, certificate, anchor, path, witness
                    )
                if named not in chain:
                    break
                path.append(chain[named])
                named = chain[named].record.link
        for request, transfer in product(requests, transfers):
            yield lambda request=request, one=transfer: evidence.held_and_spent(  # type: ignore[misc]
                self._authority, certificate, request, one
            )
        for first, second in permutations(requests, 2):
            yield lambda first=first, second=second: evidence.fell(  # type: ignore[misc]
                self._authority, certificate, first, second
            )

    def _taken(
        self, certificate: Any, transfers: Sequence[Any], requests: Sequence[Any]
    ) -> Iterator[Attempt]:
        payments = {one.record.reference: one for one in self.of(Transfer) if one.record.kind == PAY}
        for invoice in self.of(Invoice, certificate.record.kid, "payee"):
            payment = payments.get(invoice.oid)
            if payment is None:
                continue
            for request, witness in product(requests, (*transfers, *requests)):
                yield lambda given=(invoice, request, payment, witness): evidence.taken_after_cancel(  # type: ignore[misc]
                    self._authority, certificate, *given
                )

    def _promises(
        self, certificate: Any, transfers: Sequence[Any], requests: Sequence[Any]
    ) -> Iterator[Attempt]:
        kid = certificate.record.kid
        for ack in self.of(SyncAck, kid):
            for request, invoice in product(requests, self.of(Invoice, kid, "payee")):
                yield lambda given=(ack, request, invoice): evidence.false_fresh(  # type: ignore[misc]
                    self._authority, certificate, *given
                )
            paid = sorted(
                (
                    one
                    for one in transfers
                    if (one.record.kind, one.record.sync_time) == (PAY, ack.record.time)
                ),
                key=lambda one: one.record.counter,
            )
            for request in requests:
                after = [one for one in paid if one.record.counter > request.record.counter]
                for chosen in (after, after[-1:], paid):
                    yield lambda ack=ack, request=request, chosen=chosen: self._limits(  # type: ignore[misc]
                        certificate, request, ack, chosen
                    )

    def _between(
        self, certificate: Any, transfers: Sequence[Any], requests: Sequence[Any]
    ) -> Iterator[Attempt]:
        for request, later in permutations(requests, 2):
            paid = sorted(
                (one for one in transfers if one.record.kind == PAY), key=lambda one: one.record.counter
            )
            after = [one for one in paid if one.record.counter > request.record.counter]
            within = [one for one in after if one.record.counter <= later.record.counter]
            for chosen in (within, after, paid):
                yield lambda given=(request, later), chosen=chosen: self._limits(  # type: ignore[misc]
                    certificate, *given, chosen
                )

    def _entry(self, note: Signed[Note]) -> bytes:
        index = serial_parts(note.record.serial).entry
        shown = self._ledger.inclusion_of(index)
        entry = self._ledger.entry(index).encode()
        return evidence.phantom_entry(self._authority, note, shown.head, entry, shown.proof)

    def _limits(self, certificate: Any, request: Any, ack: Any, transfers: Sequence[Any]) -> bytes:
        shown = self._limits_of(certificate.record.kid, [one.oid for one in transfers])
        assert shown is not None
        return evidence.limit_breach(self._authority, certificate, request, ack, shown, transfers)
