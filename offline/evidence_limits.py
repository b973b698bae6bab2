"""E5 LIMIT_BREACH: more paid between two syncs than the loosest certificate of the key ever allowed.

What must be shown, and why each part is needed so that no honest device can be named:

- a **statement**: until an honest element takes the answer to its next one, its limits count from the totals of this
  statement or from earlier ones;
- **payments** made after it and before that: either they name settlement's **acknowledgement** of the statement as
  their last sync (the next one has a later time, so the element had not taken it yet), or the device's own **next
  statement** follows them;
- the **loosest limits** of the key in the log of certificates, under a head that was made after these payments (it
  holds their hash): a certificate that came later cannot have allowed them, and one that came before is counted.

A redemption is bound by no limit, and is not counted.

Source: DTO/1, sections 5.7 (`pay`), 5.10 and 5.19 (3).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from cbdc.authority import SETTLE, STATUS
from cbdc.errors import Refused
from cbdc.ledger.entry import check_inclusion
from cbdc.record import AMOUNT, HASH, Group, Signed, Unsigned
from offline.certificate_log import KeyLimits, ShownLimits, after_hash
from offline.evidence_file import LIMIT_BREACH, Opened, Verdict, against, hashes, listed, nothing
from offline.records import (
    PAY,
    CertificateLogHead,
    DeviceCertificate,
    Limits,
    SyncAck,
    SyncRequest,
    Transfer,
)

SINCE_AN_ANSWER = 1
BETWEEN_STATEMENTS = 2

MOST_TRANSFERS = 1_500
DAY_SECONDS = 86_400

_LIMITS = Group((Unsigned(),) * 6)


class Breach(NamedTuple):
    """Which limit was broken, in a word, what was paid or counted, the limit, and the money beyond it (0: none)."""

    limit: str
    had: int
    most: int
    amount_tiyn: int


def breach_of(transfers: Sequence[Transfer], limits: Limits) -> Breach | None:
    """The first limit that these payments of one device between two syncs break together; None if they do not."""
    sum_tiyn = sum(record.outputs[0].amount_tiyn for record in transfers)
    payments: dict[bytes, int] = {}
    for record in transfers:
        payments[record.reference] = payments.get(record.reference, 0) + record.outputs[0].amount_tiyn
    largest_tiyn = max(payments.values(), default=0)
    age_seconds = max((record.time - record.sync_time for record in transfers), default=0)
    hop = max((record.hop for record in transfers), default=0)
    amount_tiyn = max(0, sum_tiyn - limits.max_out_tiyn, largest_tiyn - limits.max_payment_tiyn)
    for name, had, most in (
        ("max_out", sum_tiyn, limits.max_out_tiyn),
        ("max_count", len(payments), limits.max_count),
        ("max_payment", largest_tiyn, limits.max_payment_tiyn),
        ("max_age", age_seconds, limits.max_age_days * DAY_SECONDS),
        ("max_hops", hop, limits.max_hops),
    ):
        if had > most:
            return Breach(name, had, most, amount_tiyn)
    return None


def counts_after(record: Transfer, request: SyncRequest, bound: SyncAck | SyncRequest) -> bool:
    """Whether a transfer is a payment that counts against the limits since `request`.

    `bound` ends what counts together: the acknowledgement of `request`, or the device's next statement.
    """
    if record.kind != PAY or record.counter <= request.counter:
        return False
    if isinstance(bound, SyncAck):
        return record.sync_time == bound.time
    return record.counter <= bound.counter


def limits_item(shown: ShownLimits) -> list[Any]:
    """A key's leaf with its place and path, as the file carries it."""
    return [shown.place, shown.leaf.certificates, list(shown.leaf.limits), list(shown.path)]


def judge_limit_breach(file: Opened) -> Verdict:
    """E5; E_EVIDENCE when the payments are within the limits, or do not count together."""
    if len(file.items) < 6:
        raise nothing("it needs a certificate, a statement, what follows it, a log head, limits and payments")
    certificate = file.certificate(file.items[0])
    request = file.said(file.items[1], SyncRequest, certificate)
    bound = _bound(file, certificate, request)
    transfers = _payments(file, certificate, request.record, bound)
    limits = _limits(file, certificate, transfers)
    breach = breach_of([transfer.record for transfer in transfers], limits)
    if breach is None:
        raise nothing("the payments are within the limits of the loosest certificate")
    return against(
        LIMIT_BREACH,
        certificate,
        breach.amount_tiyn,
        SINCE_AN_ANSWER if isinstance(bound, SyncAck) else BETWEEN_STATEMENTS,
        limit=breach.limit,
        had=breach.had,
        most=breach.most,
        payments=len(transfers),
    )


def _bound(
    file: Opened, certificate: Signed[DeviceCertificate], request: Signed[SyncRequest]
) -> SyncAck | SyncRequest:
    envelope = listed(file.items[2], "the parts of what follows the statement", 3, 3)
    if envelope[0] == SyncRequest.TYPE:
        later = file.said(envelope, SyncRequest, certificate).record
        if later.sync_number != request.record.sync_number + 1:
            raise nothing("the later statement is not the next")
        return later
    ack = file.official(envelope, SyncAck, SETTLE).record
    answered = (request.record.kid, request.oid, request.record.sync_number)
    if (ack.kid, ack.request, ack.sync_number) != answered:
        raise nothing("the acknowledgement answers another statement")
    return ack


def _payments(
    file: Opened,
    certificate: Signed[DeviceCertificate],
    request: SyncRequest,
    bound: SyncAck | SyncRequest,
) -> list[Signed[Transfer]]:
    last = request.counter
    transfers = []
    for item in listed(file.items[5:], "payments", 1, MOST_TRANSFERS):
        transfer = file.said(item, Transfer, certificate)
        if not counts_after(transfer.record, request, bound):
            raise nothing("a transfer is no payment, or does not count from this statement")
        if transfer.record.counter <= last:
            raise nothing("the payments are not in the order of their counters")
        last = transfer.record.counter
        transfers.append(transfer)
    return transfers


def _limits(
    file: Opened, certificate: Signed[DeviceCertificate], transfers: Sequence[Signed[Transfer]]
) -> Limits:
    head = file.official(file.items[3], CertificateLogHead, STATUS)
    if head.record.after != after_hash(transfer.oid for transfer in transfers):
        raise nothing("the head of the certificate log was not made after these payments")
    item = listed(file.items[4], "limits", 4, 4)
    place, count = Unsigned().load(item[0], "place"), AMOUNT.load(item[1], "certificates")
    limits = Limits(*_LIMITS.load(item[2], "limits"))
    leaf = KeyLimits(certificate.record.kid, count, limits).leaf()
    root = HASH.load(head.record.limits_root, "limits root")
    try:
        check_inclusion(leaf, place, head.record.keys, hashes(item[3], "hashes"), root)
    except Refused:
        raise nothing("the limits are not those that the certificate log has for this key") from None
    return limits
