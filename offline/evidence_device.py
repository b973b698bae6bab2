"""What two statements of one device prove against it: E1, E2, E3, E4 and E6.

    E1 DOUBLE_SPEND    one output, spent by two different transfers of its owner
    E2 EQUIVOCATION    one counter value (or one link) in two different transfers
    E3 CONTRADICTION   form 1: a transfer that is not where the device's own log has a place for it
                       form 2: money that its statement lists as held and its log has spent
                       form 3: a statement whose counter or totals are lower than an earlier one's
                       form 4: money taken under an invoice that its own statement had cancelled
    E4 BAD_STATEMENT   a transfer that does not follow from the parent whose id it signed
    E6 FALSE_FRESH     an invoice under an older TRUST list than an acknowledgement it had taken demands

Rules kept here: every pair of objects is one that an honest element never signs, whatever its host, its peers and its
links do, and in whatever order and time its messages arrive or get lost (invariants I1 to I11). What others signed is
asked of in E6 only, where settlement's acknowledgement says which list was demanded.

Source: DTO/1, sections 5.10 and 5.19 (3, 4).
"""

from typing import Any

from cbdc.authority import SETTLE
from cbdc.errors import Refused
from cbdc.record import Signed
from offline.admission import Parent, check_caps, check_spend, check_statement
from offline.evidence_file import (
    BAD_STATEMENT,
    CONTRADICTION,
    DOUBLE_SPEND,
    EQUIVOCATION,
    FALSE_FRESH,
    Opened,
    Verdict,
    against,
    exactly,
    listed,
    nothing,
    total_tiyn,
)
from offline.records import (
    PAY,
    DeviceCertificate,
    Invoice,
    Note,
    Outpoint,
    SyncAck,
    SyncRequest,
    Transfer,
    genesis_link,
)

ANOTHER_LOG = 1
HELD_AND_SPENT = 2
FELL = 3
TAKEN_AFTER_CANCEL = 4

RISING = ("invoice_number", "out_total_tiyn", "in_total_tiyn", "out_count", "in_count", "trust_sequence")


# --- E1, E2 ---


def _open_pair(file: Opened) -> tuple[Signed[DeviceCertificate], Signed[Transfer], Signed[Transfer]]:
    exactly(file.items, 3, "one certificate and two transfers")
    certificate = file.certificate(file.items[0])
    first, second = (file.said(item, Transfer, certificate) for item in file.items[1:])
    if first.oid == second.oid:
        raise nothing("both transfers are one and the same")
    if first.oid > second.oid:
        raise nothing("the transfers are not in the order of their ids")
    return certificate, first, second


def judge_double_spend(file: Opened) -> Verdict:
    """E1; E_EVIDENCE when the two transfers spend different outputs."""
    certificate, first, second = _open_pair(file)
    if first.record.outpoint != second.record.outpoint:
        raise nothing("the transfers spend different outputs")
    amount_tiyn = min(total_tiyn(first.record), total_tiyn(second.record))
    return against(DOUBLE_SPEND, certificate, amount_tiyn, first=first.oid, second=second.oid)


def judge_equivocation(file: Opened) -> Verdict:
    """E2; E_EVIDENCE when the two transfers have different counters and different links."""
    certificate, first, second = _open_pair(file)
    same_counter = first.record.counter == second.record.counter
    if not same_counter and first.record.link != second.record.link:
        raise nothing("the transfers have different counters and different links")
    return against(EQUIVOCATION, certificate, 0, first=first.oid, second=second.oid)


# --- E3 ---


def judge_contradiction(file: Opened) -> Verdict:
    """E3 in its four forms; E_EVIDENCE when the statements do not contradict each other."""
    form = file.items[0] if file.items and type(file.items[0]) is int else 0
    judges = {
        ANOTHER_LOG: _judge_log,
        HELD_AND_SPENT: _judge_held,
        FELL: _judge_fell,
        TAKEN_AFTER_CANCEL: _judge_taken,
    }
    if form not in judges:
        raise nothing("no contradiction has this form")
    return judges[form](file, file.items[1:])


def log_place(record: SyncRequest | Transfer, kid: bytes) -> tuple[int, bytes]:
    """The place in its device's log that a statement or a transfer speaks of, and the id it says stands there."""
    if isinstance(record, SyncRequest):
        return record.counter, record.head
    return record.counter - 1, record.link


def _kind(envelope: list[Any]) -> type[Any]:
    return SyncRequest if envelope[0] == SyncRequest.TYPE else Transfer


def _judge_log(file: Opened, items: list[Any]) -> Verdict:
    if not 3 <= len(items) <= 4:
        raise nothing("it needs a certificate, a statement of the log, its bodies, and at most one transfer")
    certificate = file.certificate(items[0])
    kid = certificate.record.kid
    envelope = listed(items[1], "an anchor's parts", 3, 3)
    anchor: Signed[Any] = file.said(envelope, _kind(envelope), certificate)
    place, named = log_place(anchor.record, kid)
    for body in listed(items[2], "bodies"):
        step = file.body(body, Transfer)
        if (step.oid, step.record.payer, step.record.counter) != (named, kid, place):
            raise nothing("a body is not the one that the log names at its place")
        place, named = place - 1, step.record.link
    if len(items) == 3:
        if (place == 0) == (named == genesis_link(kid)):
            raise nothing("the log begins where a log begins, or is not shown to its beginning")
        return against(CONTRADICTION, certificate, 0, ANOTHER_LOG, first=anchor.oid, second=named)
    witness = file.said(items[3], Transfer, certificate)
    if (witness.record.counter == place) == (witness.oid == named):
        raise nothing("the transfer stands in the log where its counter says, or elsewhere altogether")
    return against(CONTRADICTION, certificate, 0, ANOTHER_LOG, first=anchor.oid, second=witness.oid)


def held_tiyn(record: SyncRequest, outpoint: Outpoint) -> int | None:
    """What a statement says of an outpoint in its purse; None when it does not hold it."""
    for previous, position, amount_tiyn in record.purse:
        if (previous, position) == outpoint:
            return amount_tiyn
    return None


def _judge_held(file: Opened, items: list[Any]) -> Verdict:
    exactly(items, 3, "a certificate, a statement and a transfer")
    certificate = file.certificate(items[0])
    request = file.said(items[1], SyncRequest, certificate)
    transfer = file.said(items[2], Transfer, certificate)
    stated_tiyn = held_tiyn(request.record, transfer.record.outpoint)
    if stated_tiyn is None:
        raise nothing("the statement does not list what the transfer spends")
    if transfer.record.counter > request.record.counter:
        raise nothing("the transfer came after the statement")
    amount_tiyn = min(stated_tiyn, total_tiyn(transfer.record))
    return against(
        CONTRADICTION, certificate, amount_tiyn, HELD_AND_SPENT, first=request.oid, second=transfer.oid
    )


def falls(earlier: SyncRequest, later: SyncRequest) -> str:
    """Why `later`, of the same or a higher sync number, cannot follow `earlier`, in a word; empty when it can."""
    if earlier.sync_number == later.sync_number:
        return "two statements with one number"
    if later.counter < earlier.counter:
        return "the counter fell"
    if any(getattr(later, name) < getattr(earlier, name) for name in RISING):
        return "a total fell"
    if (earlier.counter == later.counter) != (earlier.head == later.head):
        return "another log"
    return ""


def _judge_fell(file: Opened, items: list[Any]) -> Verdict:
    exactly(items, 3, "a certificate and two statements")
    certificate = file.certificate(items[0])
    first, second = (file.said(item, SyncRequest, certificate) for item in items[1:])
    if (first.record.sync_number, first.oid) >= (second.record.sync_number, second.oid):
        raise nothing("the statements are not two in the order of their numbers and ids")
    if not falls(first.record, second.record):
        raise nothing("the later statement follows rightly on the earlier")
    return against(CONTRADICTION, certificate, 0, FELL, first=first.oid, second=second.oid)


def _judge_taken(file: Opened, items: list[Any]) -> Verdict:
    exactly(items, 5, "a certificate, an invoice, a statement, a payment and a witness")
    certificate = file.certificate(items[0])
    kid = certificate.record.kid
    invoice = file.said(items[1], Invoice, certificate)
    request = file.said(items[2], SyncRequest, certificate)
    payment = file.body(items[3], Transfer)
    money, paid = Outpoint(payment.oid, 0), payment.record.outputs[0]
    if (payment.record.kind, payment.record.reference, paid.owner) != (PAY, invoice.oid, kid):
        raise nothing("the payment does not answer this invoice")
    if request.record.invoice_number < invoice.record.invoice_number:
        raise nothing("the statement does not cancel the invoice")
    if held_tiyn(request.record, money) is not None:
        raise nothing("the statement says that the money was taken before")
    envelope = listed(items[4], "a witness's parts", 3, 3)
    witness: Signed[Any] = file.said(envelope, _kind(envelope), certificate)
    if isinstance(witness.record, Transfer):
        shows = witness.record.outpoint == money and witness.record.counter > request.record.counter
    else:
        later = witness.record.sync_number > request.record.sync_number
        shows = later and held_tiyn(witness.record, money) is not None
    if not shows:
        raise nothing("the witness does not show that the money was taken after the statement")
    return against(
        CONTRADICTION,
        certificate,
        paid.amount_tiyn,
        TAKEN_AFTER_CANCEL,
        first=request.oid,
        second=witness.oid,
    )


# --- E4 ---


def _open_parent(file: Opened, value: object) -> Parent:
    # The parent's own signature proves nothing here: the guilty transfer holds the parent's id, and signs it.
    type_number, body = listed(value, "the parent's type and body", 2, 2)
    if type(type_number) is int and type_number == Note.TYPE:
        return file.body(body, Note)
    if type(type_number) is int and type_number == Transfer.TYPE:
        return file.body(body, Transfer)
    raise nothing("no transfer follows on an object of that type")


def judge_bad_statement(file: Opened) -> Verdict:
    """E4; E_EVIDENCE when the transfer follows rightly from its parent."""
    exactly(file.items, 3, "a certificate, a transfer and its parent")
    certificate = file.certificate(file.items[0])
    transfer = file.said(file.items[1], Transfer, certificate)
    parent = _open_parent(file, file.items[2])
    if transfer.record.previous != parent.oid:
        raise nothing("the transfer does not follow on the given object")
    broken = broken_rule(transfer, parent)
    if broken is None:
        raise nothing("the transfer follows rightly from its parent")
    amount_tiyn = total_tiyn(transfer.record)
    return against(BAD_STATEMENT, certificate, amount_tiyn, transfer=transfer.oid, broken=broken)


def broken_rule(transfer: Signed[Transfer], parent: Parent) -> str | None:
    """The rule (its code) that `transfer` breaks against the parent it names, if that proves its signer's guilt (E4).

    None when it follows rightly, and where an honest element could have been deceived. Signatures are not asked.
    """
    if isinstance(parent.record, Transfer) and parent.record.kind != PAY and transfer.record.index == 0:
        # A hostile payer could dress a redemption as a payment; who believes it and spends on is not the cheat. The
        # spend is not admitted, and that is all.
        return None
    try:
        check_spend(transfer, parent)
        check_statement(transfer, parent)
        if isinstance(parent.record, Note) and transfer.record.kind == PAY:
            # An element spends a note only after loading it, so it knew these caps.
            check_caps(transfer.record, parent.record)
    except Refused as error:
        return error.code
    return None


# --- E6 ---


def is_false_fresh(ack: SyncAck, request: SyncRequest, invoice: Invoice) -> bool:
    """Whether an invoice was made after an acknowledgement had been taken, under an older list than that demands.

    `request` shows that it had been taken: an element makes no new statement before the last one is answered.
    """
    return (
        request.sync_number > ack.sync_number
        and invoice.invoice_number > request.invoice_number
        and invoice.trust_sequence < ack.min_trust_sequence
    )


def judge_false_fresh(file: Opened) -> Verdict:
    """E6; E_EVIDENCE when the invoice came before the demand, or under a list that meets it."""
    exactly(file.items, 4, "a certificate, an acknowledgement, a later statement and an invoice")
    certificate = file.certificate(file.items[0])
    ack = file.official(file.items[1], SyncAck, SETTLE)
    if ack.record.kid != certificate.record.kid:
        raise nothing("the acknowledgement is another device's")
    request = file.said(file.items[2], SyncRequest, certificate)
    invoice = file.said(file.items[3], Invoice, certificate)
    if not is_false_fresh(ack.record, request.record, invoice.record):
        raise nothing("the invoice breaks no promise: it came before the demand, or meets it")
    return against(
        FALSE_FRESH,
        certificate,
        invoice.record.amount_tiyn,
        invoice=invoice.oid,
        sequence=invoice.record.trust_sequence,
        least=ack.record.min_trust_sequence,
    )
