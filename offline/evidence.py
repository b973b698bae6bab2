"""Proofs of guilt that a stranger can check: ROOT is all the verifier brings along.

An evidence file is

    [1, [AUTH envelope...], [evidence type, item...]]

and carries everything between ROOT and the guilty signature. The verdict names one key and nobody else: holders of
either branch of a double spend are innocent, and so is the bank that certified the device. The same bytes give the
same verdict everywhere, so a wallet, the reconciler and a court run this one module.

    E1 DOUBLE_SPEND    certificate, two transfers: one output, spent by two different transfers of its owner
    E2 EQUIVOCATION    certificate, two transfers: one counter value (or one link) in two different transfers
    E4 BAD_STATEMENT   certificate, transfer, [type, body] of its parent: what is signed does not follow from the
                       parent, which an honest element never signs; nothing but these two objects is asked
    E8 DUAL_CERT       two certificates of one bank for one device, with different keys: the bank is named

E3 CONTRADICTION, E5 LIMIT_BREACH, E6 FALSE_FRESH and E7 PHANTOM_NOTE have their numbers, and are refused as not yet
judged (E_EVIDENCE_TYPE). Rules kept here:

- one pair of objects has one file: the two come in the order of their ids, and ids never cover a signature, so two
  signatures over one body are no evidence at all;
- a bank cannot frame a device, and a device cannot be framed by the objects others hand it: each rule that E4 uses
  speaks only of what the signer wrote about an object whose id it signed.

Source: DTO/1, sections 5.10 and 5.19 (3, 8).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cbdc import canonical
from cbdc.authority import BANK_CA, Auth, Authority, Root
from cbdc.errors import Malformed, Refused
from cbdc.record import OFFLINE_DOMAIN, Bytes, Signed, object_id, open_part
from offline.admission import (
    Parent,
    check_caps,
    check_certificate_issue,
    check_spend,
    check_statement,
    find_auth,
)
from offline.records import PAY, DeviceCertificate, Note, Transfer

EVIDENCE_VERSION = 1
DOUBLE_SPEND = 1
EQUIVOCATION = 2
CONTRADICTION = 3
BAD_STATEMENT = 4
LIMIT_BREACH = 5
FALSE_FRESH = 6
PHANTOM_NOTE = 7
DUAL_CERT = 8

CODES = {
    DOUBLE_SPEND: "E_DOUBLE_SPEND",
    EQUIVOCATION: "E_EQUIVOCATION",
    BAD_STATEMENT: "E_BAD_STATEMENT",
    DUAL_CERT: "E_DUAL_CERT",
}
_NOT_YET_JUDGED = frozenset({CONTRADICTION, LIMIT_BREACH, FALSE_FRESH, PHANTOM_NOTE})

_MAX_AUTHS = 4
_MAX_FILE_BYTES = 64 * 1_024


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who is guilty of what: the key, the device it is certified for, and the money at stake.

    `amount_tiyn` is what both branches of a double spend (or the bad transfer) move at least; 0 where no amount
    follows from the proof. `certificate` is the guilty device's; the first of the two when a bank is guilty. `facts`
    fill the sentence of the code.
    """

    type: int
    kid: bytes
    device_id: bytes
    amount_tiyn: int
    certificate: Signed[DeviceCertificate]
    facts: dict[str, object]

    def refusal(self) -> Refused:
        """The verdict as a refusal, with its sentence and next step."""
        return Refused(CODES[self.type], **self.facts)


def double_spend(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
) -> bytes:
    """The evidence file E1: one device spent one output twice. Raises E_EVIDENCE when the three prove no such thing."""
    return _pair_file(DOUBLE_SPEND, authority, certificate, first, second)


def equivocation(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
) -> bytes:
    """The evidence file E2: one counter value or link, two transfers. E_EVIDENCE when they prove no such thing."""
    return _pair_file(EQUIVOCATION, authority, certificate, first, second)


def bad_statement(
    authority: Authority, certificate: Signed[DeviceCertificate], transfer: Signed[Transfer], parent: Parent
) -> bytes:
    """The evidence file E4: a signed transfer that does not follow from its parent. E_EVIDENCE when it does follow."""
    stated = [parent.record.TYPE, parent.body]
    items = [BAD_STATEMENT, certificate.envelope(), transfer.envelope(), stated]
    return _checked_file(authority, (certificate.record,), items)


def dual_certificate(
    authority: Authority, first: Signed[DeviceCertificate], second: Signed[DeviceCertificate]
) -> bytes:
    """The evidence file E8: one bank certified two keys for one device. E_EVIDENCE when the two prove no such thing."""
    low, high = sorted((first, second), key=_by_oid)
    return _checked_file(authority, (low.record, high.record), [DUAL_CERT, low.envelope(), high.envelope()])


def verify_evidence(data: bytes, root: Signed[Root]) -> Verdict:
    """The verdict that an evidence file proves to anyone who trusts `root`.

    Raises E_EVIDENCE when it proves nothing (whatever is wrong: bytes, signatures, the rule itself), and
    E_EVIDENCE_TYPE for a type that this version knows but cannot judge.
    """
    try:
        type_number, authority, items = _open_file(data, root)
        if type_number in _NOT_YET_JUDGED:
            raise Refused("E_EVIDENCE_TYPE", type=type_number)
        judge = _JUDGES.get(type_number)
        if judge is None:
            raise _nothing(f"no evidence has the type {type_number}")
        return judge(authority, items)
    except (Malformed, Refused) as error:
        if error.code in ("E_EVIDENCE", "E_EVIDENCE_TYPE"):
            raise
        raise _nothing(f"{error.code}: {error.sentence()}") from None


def _nothing(problem: str) -> Refused:
    return Refused("E_EVIDENCE", problem=problem)


def _by_oid(signed: Signed[Any]) -> bytes:
    return signed.oid


def _pair_file(
    type_number: int,
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
) -> bytes:
    low, high = sorted((first, second), key=_by_oid)
    items = [type_number, certificate.envelope(), low.envelope(), high.envelope()]
    return _checked_file(authority, (certificate.record,), items)


def _checked_file(
    authority: Authority, certificates: tuple[DeviceCertificate, ...], items: list[Any]
) -> bytes:
    # A file that its own maker cannot verify is never handed out.
    auths: list[list[int | bytes]] = []
    for certificate in certificates:
        bank = find_auth(authority, certificate.ca_reference, BANK_CA, certificate.not_before)
        if isinstance(bank, str):
            raise _nothing(f"the certificate's bank: {bank}")
        envelope = _signed_auth(authority, bank).envelope()
        if envelope not in auths:
            auths.append(envelope)
    data = canonical.encode([EVIDENCE_VERSION, auths, items])
    verify_evidence(data, authority.root)
    return data


def _signed_auth(authority: Authority, bank: Auth) -> Signed[Auth]:
    return next(auth for auth in authority.auths if auth.record == bank)


def _open_file(data: bytes, root: Signed[Root]) -> tuple[int, Authority, list[Any]]:
    values = canonical.decode_array(data, _MAX_FILE_BYTES)
    if len(values) != 3 or type(values[0]) is not int or values[0] != EVIDENCE_VERSION:
        raise _nothing("it is no evidence file of version 1")
    auths, evidence = values[1:]
    if type(auths) is not list or not 1 <= len(auths) <= _MAX_AUTHS or bytes in map(type, auths):
        raise _nothing("it has no list of certificates")
    if type(evidence) is not list or not evidence or type(evidence[0]) is not int:
        raise _nothing("it has no evidence with a type")
    return evidence[0], Authority(root, auths), evidence[1:]


def _open_certificate(authority: Authority, envelope: object) -> Signed[DeviceCertificate]:
    certificate = open_part(envelope, DeviceCertificate, authority.network)
    check_certificate_issue(certificate, authority)
    return certificate


def _open_transfer(
    authority: Authority, envelope: object, certificate: Signed[DeviceCertificate]
) -> Signed[Transfer]:
    transfer = open_part(envelope, Transfer, authority.network)
    if transfer.record.payer != certificate.record.kid:
        raise _nothing("a transfer names another payer than the certified key")
    transfer.verify(certificate.record.key)
    return transfer


def _open_pair(
    authority: Authority, items: list[Any]
) -> tuple[Signed[DeviceCertificate], Signed[Transfer], Signed[Transfer]]:
    if len(items) != 3:
        raise _nothing("it needs one certificate and two transfers")
    certificate = _open_certificate(authority, items[0])
    first, second = (_open_transfer(authority, item, certificate) for item in items[1:])
    if first.oid == second.oid:
        raise _nothing("both transfers are one and the same")
    if first.oid > second.oid:
        raise _nothing("the transfers are not in the order of their ids")
    return certificate, first, second


def _total_tiyn(transfer: Signed[Transfer]) -> int:
    return sum(output.amount_tiyn for output in transfer.record.outputs)


def _judge_double_spend(authority: Authority, items: list[Any]) -> Verdict:
    certificate, first, second = _open_pair(authority, items)
    if first.record.outpoint != second.record.outpoint:
        raise _nothing("the transfers spend different outputs")
    amount_tiyn = min(_total_tiyn(first), _total_tiyn(second))
    return _pair_verdict(DOUBLE_SPEND, certificate, first, second, amount_tiyn)


def _judge_equivocation(authority: Authority, items: list[Any]) -> Verdict:
    certificate, first, second = _open_pair(authority, items)
    same_counter = first.record.counter == second.record.counter
    if not same_counter and first.record.link != second.record.link:
        raise _nothing("the transfers have different counters and different links")
    return _pair_verdict(EQUIVOCATION, certificate, first, second, 0)


def _pair_verdict(
    type_number: int,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
    amount_tiyn: int,
) -> Verdict:
    kid = certificate.record.kid
    facts: dict[str, object] = {"kid": kid, "first": first.oid, "second": second.oid}
    return Verdict(type_number, kid, certificate.record.device_id, amount_tiyn, certificate, facts)


def _open_parent(authority: Authority, value: object) -> Parent:
    # The parent's own signature proves nothing here: the guilty transfer holds the parent's id, and signs it.
    if type(value) is not list or len(value) != 2:
        raise _nothing("the parent is not given as type and body")
    type_number, body = value
    Bytes().load(body, "parent")
    if type_number == Note.TYPE:
        oid = object_id(OFFLINE_DOMAIN, Note.TYPE, authority.network, body)
        return Signed(Note.from_body(body), body, b"", oid)
    if type_number == Transfer.TYPE:
        oid = object_id(OFFLINE_DOMAIN, Transfer.TYPE, authority.network, body)
        return Signed(Transfer.from_body(body), body, b"", oid)
    raise _nothing(f"no transfer follows on an object of the type {type_number}")


def _judge_bad_statement(authority: Authority, items: list[Any]) -> Verdict:
    if len(items) != 3:
        raise _nothing("it needs a certificate, a transfer and its parent")
    certificate = _open_certificate(authority, items[0])
    transfer = _open_transfer(authority, items[1], certificate)
    parent = _open_parent(authority, items[2])
    if transfer.record.previous != parent.oid:
        raise _nothing("the transfer does not follow on the given object")
    broken = broken_rule(transfer, parent)
    if broken is None:
        raise _nothing("the transfer follows rightly from its parent")
    kid = certificate.record.kid
    facts: dict[str, object] = {"kid": kid, "transfer": transfer.oid, "broken": broken}
    return Verdict(
        BAD_STATEMENT, kid, certificate.record.device_id, _total_tiyn(transfer), certificate, facts
    )


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


def _judge_dual_certificate(authority: Authority, items: list[Any]) -> Verdict:
    if len(items) != 2:
        raise _nothing("it needs two certificates")
    first, second = (_open_certificate(authority, item) for item in items)
    if first.oid >= second.oid:
        raise _nothing("the certificates are not two in the order of their ids")
    one, other = first.record, second.record
    if one.ca_reference != other.ca_reference:
        raise _nothing("the certificates come from different banks")
    if one.device_id != other.device_id and one.certificate_number != other.certificate_number:
        raise _nothing("the certificates are for different devices")
    if (one.algorithm, one.public_key) == (other.algorithm, other.public_key):
        raise _nothing("both certificates are for one key: a renewal")
    bank = find_auth(authority, one.ca_reference, BANK_CA, one.not_before)
    assert isinstance(bank, Auth), "the certificate was verified under this bank"
    facts: dict[str, object] = {"kid": bank.kid, "device_id": one.device_id}
    return Verdict(DUAL_CERT, bank.kid, one.device_id, 0, first, facts)


_JUDGES: dict[int, Callable[[Authority, list[Any]], Verdict]] = {
    DOUBLE_SPEND: _judge_double_spend,
    EQUIVOCATION: _judge_equivocation,
    BAD_STATEMENT: _judge_bad_statement,
    DUAL_CERT: _judge_dual_certificate,
}
