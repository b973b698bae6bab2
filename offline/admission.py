"""The rules that a signed object keeps for ever, whoever looks and whenever: certificate, note, one step of a line.

Nothing here asks for the time, a revocation, a limit or a policy. That is what lets the reconciler take objects in
any order and still reach the same graph, and lets a court judge evidence from ROOT alone: a transfer either follows
from its parent or it does not, today and in ten years.

- `check_certificate_issue`   V3: a certified bank key signed it, within that bank's tier and time
- `check_note_issue`          V4: an issuer's epoch key signed it, within its time and its largest note
- `check_transfer`            V5a: one step from parent to transfer (`check_follows` without the signature)
- `check_statement`           the part of V5a that needs only transfer and parent: what evidence E4 rests on

What a payee asks beyond this (limits, revocation, expiry, purposes) is in `offline.verify`.

Source: DTO/1, sections 5.4, 5.6 (V3 to V5) and 5.19 (1, 3).
"""

from cbdc.authority import BANK_CA, ISSUER, Auth, Authority
from cbdc.errors import Refused
from cbdc.keys import PublicKey, show_on_curve
from cbdc.record import Signed, signing_message
from offline.records import PAY, REDEEM, DeviceCertificate, Note, Output, Transfer

Parent = Signed[Note] | Signed[Transfer]


def output_of(parent: Parent, index: int) -> Output:
    """Output number `index` of a note (it has only output 0) or of a transfer; E_INDEX when there is none."""
    record = parent.record
    outputs = (Output(record.amount_tiyn, record.owner),) if isinstance(record, Note) else record.outputs
    if not 0 <= index < len(outputs):
        raise Refused("E_INDEX", index=index, outputs=len(outputs))
    return outputs[index]


def hop_of(parent: Parent, index: int) -> int:
    """How many payees stand between the note and output `index`: change keeps the hop of what was spent."""
    record = parent.record
    if isinstance(record, Note):
        return 0
    return record.hop - 1 if record.kind == PAY and index == 1 else record.hop


def length_of(parent: Parent) -> int:
    """How many transfers lead from the note to this object, itself included."""
    return 0 if isinstance(parent.record, Note) else parent.record.length


def find_auth(authority: Authority, reference: bytes, role: int, at: int) -> Auth | str:
    """The certificate of `role` whose key id starts with `reference`, valid at `at`; else what is wrong, in words.

    A reference must name exactly one key; that key may have several certificates, one period after the other.
    """
    found = authority.referenced(reference, role)
    if not found or (len(found) > 1 and len({auth.kid for auth in found}) != 1):
        return "no certificate, or more than one key, has this reference"
    for auth in found:
        if auth.not_before <= at <= auth.expires:
            return auth
    return f"its certificate is not valid at {at}"


def check_certificate_issue(signed: Signed[DeviceCertificate], authority: Authority) -> None:
    """Return if a bank whose certificate was valid at `not_before` certified this device key (V3, without policy).

    Raises E_CA (unknown bank, out of its time, or above its highest tier), E_KEY, E_SIG.
    """
    signed.verify(certificate_signer(signed.record, authority))


def certificate_signer(record: DeviceCertificate, authority: Authority) -> PublicKey:
    """The bank's key that must have signed this certificate, after all of V3 but the signature; E_CA or E_KEY."""
    bank = find_auth(authority, record.ca_reference, BANK_CA, record.not_before)
    if isinstance(bank, str):
        raise Refused("E_CA", reference=record.ca_reference, problem=bank)
    _check_certified(record, bank)
    return bank.key


def check_certificate_by(
    signed: Signed[DeviceCertificate], bank: Auth, witness: Signed[Transfer] | None = None
) -> None:
    """Return if `bank` may and did certify this device key; E_CA for a tier above its own, E_KEY, E_SIG.

    A `witness` is a transfer that this device is said to have signed and that will be verified anyway: when it and the
    certificate stand, the device's key need not be asked again whether it is on its curve. It changes no answer.
    """
    stands = witness is not None and _show(signed, bank, witness)
    _check_certified(signed.record, bank)
    if not stands:
        signed.verify(bank.key)


def _show(signed: Signed[DeviceCertificate], bank: Auth, witness: Signed[Transfer]) -> bool:
    """Whether the bank signed the certificate; then the witness may show that the key is on its curve."""
    try:
        signed.verify(bank.key)
    except Refused:
        return False
    record = signed.record
    message = signing_message(Transfer.DOMAIN, Transfer.TYPE, witness.oid)
    show_on_curve(record.algorithm, record.public_key, witness.signature, message)
    return True


def _check_certified(record: DeviceCertificate, bank: Auth) -> None:
    highest = bank.scope[1] if len(bank.scope) > 1 else 0
    if record.tier > highest:
        raise Refused("E_CA", reference=record.ca_reference, problem=f"it may certify tiers up to {highest}")
    _ = record.key


def check_note_issue(signed: Signed[Note], authority: Authority) -> None:
    """Return if an issuer whose certificate was valid at `issued` signed this note (V4, without policy).

    Raises E_ISSUER, E_AMOUNT, E_NOTE_TIME, E_SIG.
    """
    signed.verify(note_signer(signed.record, authority))


def note_signer(record: Note, authority: Authority) -> PublicKey:
    """The issuer's key that must have signed this note, after all of V4 but the signature.

    Raises E_ISSUER, E_AMOUNT or E_NOTE_TIME.
    """
    issuer = find_auth(authority, record.issuer_reference, ISSUER, record.issued)
    if isinstance(issuer, str):
        raise Refused("E_ISSUER", reference=record.issuer_reference, problem=issuer)
    _check_issued(record, issuer)
    return issuer.key


def check_note_by(signed: Signed[Note], issuer: Auth) -> None:
    """Return if `issuer` may and did sign this note; E_AMOUNT, E_NOTE_TIME or E_SIG otherwise."""
    _check_issued(signed.record, issuer)
    signed.verify(issuer.key)


def _check_issued(record: Note, issuer: Auth) -> None:
    most_tiyn = issuer.scope[1] if len(issuer.scope) > 1 else 0
    if not 1 <= record.amount_tiyn <= most_tiyn:
        raise Refused("E_AMOUNT", amount_tiyn=record.amount_tiyn, most_tiyn=most_tiyn)
    if not record.issued < record.spend_by < record.redeem_by:
        raise Refused(
            "E_NOTE_TIME", issued=record.issued, spend_by=record.spend_by, redeem_by=record.redeem_by
        )


def check_transfer(
    transfer: Signed[Transfer],
    parent: Parent,
    note: Signed[Note],
    certificate: DeviceCertificate | None,
    pay_only: bool = False,
) -> None:
    """Return if `transfer` rightly spends an output of `parent`, on the line of `note` (V5a); no time, no policy.

    `certificate` is the payer's, already verified; None stands for one that is missing. `parent` is `note` itself or
    the transfer before, which the caller has checked. `pay_only` refuses a redemption, as a receiving device does.
    A redemption is bound by neither the note's hops nor its length, so an honest one is always admitted; its change
    may be spent on at the centre, its first output never.

    Raises, in this order, E_LINK, E_INDEX, E_KIND (a redeemed output is spent), E_OWNER, E_CERT_MISSING, E_SIG, and
    then those of `check_statement` and E_HOPS for the note's caps.
    """
    check_spend(transfer, parent)
    record = transfer.record
    if certificate is None or certificate.kid != record.payer:
        raise Refused("E_CERT_MISSING", kid=record.payer)
    transfer.verify(certificate.key)
    if pay_only and record.kind != PAY:
        raise Refused("E_KIND", kind=record.kind)
    check_statement(transfer, parent)
    if record.kind == PAY:
        check_caps(record, note.record)


def check_follows(transfer: Signed[Transfer], parent: Parent, note: Signed[Note]) -> None:
    """V5a without the signature: for objects whose signatures were verified when they came in.

    Raises what `check_transfer` raises, except E_CERT_MISSING and E_SIG.
    """
    check_spend(transfer, parent)
    check_statement(transfer, parent)
    if transfer.record.kind == PAY:
        check_caps(transfer.record, note.record)


def check_link(transfer: Signed[Transfer], parent: Parent) -> None:
    """Return if `transfer` names `parent` as the object before it; E_LINK otherwise."""
    if transfer.record.previous != parent.oid:
        raise Refused("E_LINK", transfer=transfer.oid, parent=parent.oid)


def check_spend(transfer: Signed[Transfer], parent: Parent) -> None:
    """Return if the payer owns the output of `parent` that it spends; E_LINK, E_INDEX, E_KIND or E_OWNER."""
    check_link(transfer, parent)
    record = transfer.record
    spent = output_of(parent, record.index)
    if isinstance(parent.record, Transfer) and parent.record.kind == REDEEM and record.index == 0:
        raise Refused("E_KIND", kind=record.kind)
    if spent.owner != record.payer:
        raise Refused("E_OWNER", payer=record.payer, owner=spent.owner)


def check_statement(transfer: Signed[Transfer], parent: Parent) -> None:
    """Return if what `transfer` states follows from the output of `parent` that it spends.

    Raises E_KIND, E_SUM, E_SELF, E_CHANGE, E_HOPS (hop or length is not the parent's plus one), E_PURPOSE,
    E_INHERIT.
    """
    record = transfer.record
    if record.kind not in (PAY, REDEEM):
        raise Refused("E_KIND", kind=record.kind)
    _check_outputs(record, output_of(parent, record.index).amount_tiyn)
    hop = hop_of(parent, record.index) + (1 if record.kind == PAY else 0)
    length = length_of(parent) + 1
    if (record.hop, record.length) != (hop, length):
        problem = f"by the object before it they are {hop} and {length}"
        raise Refused("E_HOPS", hop=record.hop, length=record.length, problem=problem)
    if record.purpose != parent.record.purpose:
        raise Refused("E_PURPOSE", stated=record.purpose, inherited=parent.record.purpose)
    if record.spend_by != parent.record.spend_by:
        raise Refused("E_INHERIT", field="spend_by", stated=record.spend_by, inherited=parent.record.spend_by)


def check_caps(record: Transfer, note: Note) -> None:
    """Return if a payment stays within its note's hops and length; E_HOPS otherwise."""
    if record.hop > note.max_hops or record.length > note.max_length:
        problem = f"its note allows {note.max_hops} and {note.max_length}"
        raise Refused("E_HOPS", hop=record.hop, length=record.length, problem=problem)


def _check_outputs(record: Transfer, input_tiyn: int) -> None:
    amounts_tiyn = [output.amount_tiyn for output in record.outputs]
    outputs_tiyn = sum(amounts_tiyn)
    if outputs_tiyn != input_tiyn or min(amounts_tiyn) < 1:
        raise Refused("E_SUM", outputs_tiyn=outputs_tiyn, input_tiyn=input_tiyn)
    if record.kind == PAY and record.outputs[0].owner == record.payer:
        raise Refused("E_SELF", payer=record.payer)
    if len(record.outputs) == 2 and record.outputs[1].owner != record.payer:
        raise Refused("E_CHANGE", owner=record.outputs[1].owner, payer=record.payer)
