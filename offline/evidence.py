"""Proofs of guilt that a stranger can check: ROOT is all the verifier brings along.

An evidence file carries everything between ROOT and the guilty signature, and `verify_evidence` gives the same verdict
for the same bytes everywhere, so a wallet, the reconciler and a court run this one module. The verdict names one key
and nobody else: holders of either branch of a double spend are innocent, and so is the bank that certified the device.

    E1 DOUBLE_SPEND   E2 EQUIVOCATION   E3 CONTRADICTION   E4 BAD_STATEMENT   E6 FALSE_FRESH   `offline.evidence_device`
    E5 LIMIT_BREACH                                                                           `offline.evidence_limits`
    E7 PHANTOM_NOTE   E8 DUAL_CERT                                                      `offline.evidence_institutions`

Rules kept here and there:

- one fact has one file: the objects of a pair come in a fixed order, and ids never cover a signature, so two
  signatures over one body are no evidence at all;
- a bank cannot frame a device, and a device cannot be framed by the objects others hand it;
- nothing that a court would lack is asked: these modules import records, keys and pure checks, and no store, no graph
  and no clock (a test reads their imports).

The functions that make a file verify it before they hand it out.

Source: DTO/1, sections 5.10 and 5.19 (3, 4, 8).
"""

from collections.abc import Sequence
from typing import Any

from cbdc.authority import ISSUER, LEDGER, SETTLE, STATUS, Auth, Authority, Root
from cbdc.errors import Malformed, Refused
from cbdc.ledger.entry import LogHead
from cbdc.record import Signed
from offline.admission import Parent, find_auth
from offline.certificate_log import ShownLimits
from offline.evidence_device import (
    ANOTHER_LOG,
    FELL,
    HELD_AND_SPENT,
    TAKEN_AFTER_CANCEL,
    broken_rule,
    judge_bad_statement,
    judge_contradiction,
    judge_double_spend,
    judge_equivocation,
    judge_false_fresh,
)
from offline.evidence_file import (
    BAD_STATEMENT,
    CODES,
    CONTRADICTION,
    DOUBLE_SPEND,
    DUAL_CERT,
    EQUIVOCATION,
    FALSE_FRESH,
    LIMIT_BREACH,
    PHANTOM_NOTE,
    Judge,
    Verdict,
    bank_of,
    file_of,
    find_signer,
    nothing,
    open_file,
)
from offline.evidence_institutions import (
    ANOTHER_ENTRY,
    NO_ENTRY,
    TWO_NOTES,
    judge_dual_certificate,
    judge_phantom_note,
)
from offline.evidence_limits import judge_limit_breach, limits_item
from offline.records import DeviceCertificate, Invoice, Note, SyncAck, SyncRequest, Transfer

__all__ = ["CODES", "Verdict", "broken_rule", "verify_evidence"]

_JUDGES: dict[int, Judge] = {
    DOUBLE_SPEND: judge_double_spend,
    EQUIVOCATION: judge_equivocation,
    CONTRADICTION: judge_contradiction,
    BAD_STATEMENT: judge_bad_statement,
    LIMIT_BREACH: judge_limit_breach,
    FALSE_FRESH: judge_false_fresh,
    PHANTOM_NOTE: judge_phantom_note,
    DUAL_CERT: judge_dual_certificate,
}


def verify_evidence(data: bytes, root: Signed[Root]) -> Verdict:
    """The verdict that an evidence file proves to anyone who trusts `root`.

    Raises E_EVIDENCE when it proves nothing (whatever is wrong: bytes, signatures, the rule itself), and
    E_EVIDENCE_TYPE for a type that is not 1 to 8.
    """
    try:
        file = open_file(data, root)
        judge = _JUDGES.get(file.number)
        if judge is None:
            raise Refused("E_EVIDENCE_TYPE", type=file.number)
        return judge(file)
    except (Malformed, Refused) as error:
        if error.code in ("E_EVIDENCE", "E_EVIDENCE_TYPE"):
            raise
        raise nothing(f"{error.code}: {error.sentence()}") from None


# --- making files ---


def _checked(authority: Authority, auths: Sequence[Auth], items: Sequence[Any]) -> bytes:
    # A file that its own maker cannot verify is never handed out.
    data = file_of(authority, auths, items)
    verify_evidence(data, authority.root)
    return data


def _in_order(*pair: Signed[Any]) -> list[Signed[Any]]:
    return sorted(pair, key=lambda signed: signed.oid)


def double_spend(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
) -> bytes:
    """The evidence file E1: one device spent one output twice. Raises E_EVIDENCE when the three prove no such thing."""
    return _pair(DOUBLE_SPEND, authority, certificate, first, second)


def equivocation(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
) -> bytes:
    """The evidence file E2: one counter value or link, two transfers. E_EVIDENCE when they prove no such thing."""
    return _pair(EQUIVOCATION, authority, certificate, first, second)


def _pair(
    type_number: int,
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
) -> bytes:
    pair = [one.envelope() for one in _in_order(first, second)]
    items = [type_number, certificate.envelope(), *pair]
    return _checked(authority, [bank_of(authority, certificate.record)], items)


def another_log(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    anchor: Signed[SyncRequest] | Signed[Transfer],
    path: Sequence[Signed[Transfer]],
    witness: Signed[Transfer] | None,
) -> bytes:
    """The evidence file E3, form 1: `witness` does not stand in the log where its counter says.

    `path` leads from what `anchor` names down the log, one transfer after the other, to the place in question. Without
    a witness, the log's own beginning is wrong. E_EVIDENCE when nothing is.
    """
    items = [CONTRADICTION, ANOTHER_LOG, certificate.envelope(), anchor.envelope()]
    items.append([step.body for step in path])
    if witness is not None:
        items.append(witness.envelope())
    return _checked(authority, [bank_of(authority, certificate.record)], items)


def held_and_spent(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    request: Signed[SyncRequest],
    transfer: Signed[Transfer],
) -> bytes:
    """The evidence file E3, form 2: a statement lists as held what its log has spent; E_EVIDENCE when it does not."""
    items = [CONTRADICTION, HELD_AND_SPENT, certificate.envelope(), request.envelope(), transfer.envelope()]
    return _checked(authority, [bank_of(authority, certificate.record)], items)


def fell(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[SyncRequest],
    second: Signed[SyncRequest],
) -> bytes:
    """The evidence file E3, form 3: what only rises is lower in the later statement; E_EVIDENCE when it is not."""
    pair = sorted((first, second), key=lambda one: (one.record.sync_number, one.oid))
    items = [CONTRADICTION, FELL, certificate.envelope(), *(one.envelope() for one in pair)]
    return _checked(authority, [bank_of(authority, certificate.record)], items)


def taken_after_cancel(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    invoice: Signed[Invoice],
    request: Signed[SyncRequest],
    payment: Signed[Transfer],
    witness: Signed[Transfer] | Signed[SyncRequest],
) -> bytes:
    """The evidence file E3, form 4: `witness` shows that `payment` was taken after `request` cancelled its invoice.

    E_EVIDENCE when it does not.
    """
    items = [CONTRADICTION, TAKEN_AFTER_CANCEL, certificate.envelope(), invoice.envelope()]
    items += [request.envelope(), payment.body, witness.envelope()]
    return _checked(authority, [bank_of(authority, certificate.record)], items)


def bad_statement(
    authority: Authority, certificate: Signed[DeviceCertificate], transfer: Signed[Transfer], parent: Parent
) -> bytes:
    """The evidence file E4: a signed transfer that does not follow from its parent. E_EVIDENCE when it does follow."""
    stated = [parent.record.TYPE, parent.body]
    items = [BAD_STATEMENT, certificate.envelope(), transfer.envelope(), stated]
    return _checked(authority, [bank_of(authority, certificate.record)], items)


def limit_breach(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    request: Signed[SyncRequest],
    bound: Signed[SyncAck] | Signed[SyncRequest],
    shown: ShownLimits,
    transfers: Sequence[Signed[Transfer]],
) -> bytes:
    """The evidence file E5: these payments, made since `request`, break the loosest limits of the key.

    `bound` is settlement's answer to it, which they name as their last sync, or the device's next statement, which
    follows them. `shown.head` must have been made after them. E_EVIDENCE when they do not, or do not count together.
    """
    auths = [bank_of(authority, certificate.record)]
    if isinstance(bound.record, SyncAck):
        auths.append(find_signer(authority, bound, SETTLE))
    auths.append(find_signer(authority, shown.head, STATUS))
    items = [LIMIT_BREACH, certificate.envelope(), request.envelope(), bound.envelope()]
    items += [shown.head.envelope(), limits_item(shown)]
    items += [transfer.envelope() for transfer in transfers]
    return _checked(authority, auths, items)


def false_fresh(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    ack: Signed[SyncAck],
    request: Signed[SyncRequest],
    invoice: Signed[Invoice],
) -> bytes:
    """The evidence file E6: an invoice under an older list than `ack` demands, made after `request`, which follows it.

    E_EVIDENCE when it breaks no promise.
    """
    auths = [bank_of(authority, certificate.record), find_signer(authority, ack, SETTLE)]
    items = [FALSE_FRESH, certificate.envelope(), ack.envelope(), request.envelope(), invoice.envelope()]
    return _checked(authority, auths, items)


def phantom_beyond(authority: Authority, note: Signed[Note], head: Signed[LogHead]) -> bytes:
    """The evidence file E7, form 1: the journal does not reach the note's serial; E_EVIDENCE when it may."""
    auths = [_issuer(authority, note), find_signer(authority, head, LEDGER)]
    return _checked(authority, auths, [PHANTOM_NOTE, NO_ENTRY, note.envelope(), head.envelope()])


def phantom_entry(
    authority: Authority, note: Signed[Note], head: Signed[LogHead], entry: bytes, path: Sequence[bytes]
) -> bytes:
    """The evidence file E7, form 2: the entry at the note's serial is not this note's load; E_EVIDENCE when it is."""
    auths = [_issuer(authority, note), find_signer(authority, head, LEDGER)]
    items = [PHANTOM_NOTE, ANOTHER_ENTRY, note.envelope(), head.envelope(), entry, list(path)]
    return _checked(authority, auths, items)


def two_notes(authority: Authority, first: Signed[Note], second: Signed[Note]) -> bytes:
    """The evidence file E7, form 3: one issuer signed two notes for one token; E_EVIDENCE when it did not."""
    pair = _in_order(first, second)
    auths = [_issuer(authority, note) for note in pair]
    items = [PHANTOM_NOTE, TWO_NOTES, *(note.envelope() for note in pair)]
    return _checked(authority, auths, items)


def _issuer(authority: Authority, note: Signed[Note]) -> Auth:
    issuer = find_auth(authority, note.record.issuer_reference, ISSUER, note.record.issued)
    if isinstance(issuer, str):
        raise nothing(f"the note's issuer: {issuer}")
    return issuer


def dual_certificate(
    authority: Authority, first: Signed[DeviceCertificate], second: Signed[DeviceCertificate]
) -> bytes:
    """The evidence file E8: one bank certified two keys for one device. E_EVIDENCE when the two prove no such thing."""
    pair = _in_order(first, second)
    auths = [bank_of(authority, one.record) for one in pair]
    return _checked(authority, auths, [DUAL_CERT, *(one.envelope() for one in pair)])
