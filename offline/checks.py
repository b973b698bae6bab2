"""What a receiver or payer asks of one object, beyond the rules that hold for ever (`offline.admission`).

Here the asker's beliefs count: banks and issuers that were revoked since, tainted notes, limits lowered by the trust
list, devices that no longer stand. Whole messages are judged in `offline.verify`, which calls these in the protocol's
order.

Source: DTO/1, section 5.6 (V3 to V5) and 5.19.1.
"""

from cbdc.errors import Refused
from cbdc.record import Signed
from offline.admission import check_certificate_by, check_note_by
from offline.parameters import REJECT_REVOKED_ANCESTOR
from offline.records import PAY, DeviceCertificate, Invoice, Note, Receipt, Transfer
from offline.trust import PLAIN, TrustView


def check_certificate(
    signed: Signed[DeviceCertificate],
    trust: TrustView,
    at: int | None = None,
    witness: Signed[Transfer] | None = None,
) -> None:
    """V3 for one certificate: its bank was valid when it certified and is not revoked, its tier, key and signature.

    With `at` the certificate must also be valid at that moment; for `witness` see
    `offline.admission.check_certificate_by`. Raises E_CA, E_KEY, E_SIG, E_CERT_TIME. Whether the
    device itself is revoked is asked by `check_policy`.
    """
    record = signed.record
    check_certificate_by(signed, trust.bank_ca(record.ca_reference, record.not_before), witness)
    if at is not None:
        check_alive(record, at)


def check_note(signed: Signed[Note], trust: TrustView) -> None:
    """V4 for one note: its issuer was valid then and is not revoked, its amount, times, signature; it is not tainted.

    Raises E_ISSUER, E_AMOUNT, E_NOTE_TIME, E_SIG, E_TAINTED.
    """
    record = signed.record
    check_note_by(signed, trust.issuer(record.issuer_reference, record.issued))
    if trust.is_tainted(record.serial) or trust.is_tainted(signed.oid):
        raise Refused("E_TAINTED", serial=record.serial)


def check_policy(transfer: Transfer, certificate: DeviceCertificate, trust: TrustView, direct: bool) -> None:
    """What a payee asks of a transfer beyond V5a: the payer's limits, and that the payer is not revoked.

    A `direct` payer (who pays me) is held to the stricter of its certificate and the trust list; an earlier one to
    its certificate, because it may have paid under another list. An earlier payer's revocation counts unless the
    parameter REJECT_REVOKED_ANCESTOR is 0. A redemption has no limits. Raises E_HOPS, E_TXLIMIT, E_REVOKED.
    """
    limits = trust.limits(certificate) if direct else certificate.limits
    if transfer.kind == PAY:
        if transfer.hop > limits.max_hops:
            problem = f"its payer may pay on up to hop {limits.max_hops}"
            raise Refused("E_HOPS", hop=transfer.hop, length=transfer.length, problem=problem)
        check_amount(transfer.outputs[0].amount_tiyn, limits.max_payment_tiyn)
    if direct or trust.parameter(REJECT_REVOKED_ANCESTOR):
        check_standing(certificate, trust, "payer" if direct else "earlier holder")


def check_invoice(
    invoice: Signed[Invoice], certificate: Signed[DeviceCertificate], trust: TrustView, now: int
) -> None:
    """A payer's check of a request and its payee: certificate (V3, valid `now`), standing, and the signature.

    Raises the errors of `check_certificate`, E_REVOKED, E_PAYEE when the certificate is another key's, and E_SIG.
    Whether the request has expired is for the element, which has its own lower bound of the time.
    """
    check_certificate(certificate, trust, now)
    kid = certificate.record.kid
    check_standing(certificate.record, trust, "payee")
    if invoice.record.payee != kid:
        raise Refused("E_PAYEE", owner=invoice.record.payee, payee=kid)
    invoice.verify(certificate.record.key)


def check_receipt(
    receipt: Signed[Receipt],
    invoice: Signed[Invoice],
    payment_root: bytes,
    certificate: Signed[DeviceCertificate],
) -> None:
    """A payer's check of a receipt: the invoice's payee signed it, for this invoice and these transfers.

    `payment_root` is the payer's own hash of the transfers' ids. Raises E_PAYEE, E_INVOICE, E_PARTS, E_SIG.
    """
    record = receipt.record
    payee = invoice.record.payee
    if record.payee != payee or certificate.record.kid != payee:
        raise Refused("E_PAYEE", owner=record.payee, payee=payee)
    if record.invoice != invoice.oid:
        raise Refused("E_INVOICE", reference=record.invoice, invoice=invoice.oid)
    if record.payment_root != payment_root:
        raise Refused("E_PARTS", problem="the receipt is for other transfers")
    receipt.verify(certificate.record.key)


def check_purpose(purpose: int, payer_category: int, payee_category: int, trust: TrustView) -> None:
    """Return if money of `purpose` may pass between these categories; E_CATEGORY otherwise, or for an unknown one."""
    if purpose == PLAIN:
        return
    known = trust.purpose(purpose)
    if known is None or not known.allows(payer_category, payee_category):
        raise Refused(
            "E_CATEGORY", purpose=purpose, payer_category=payer_category, payee_category=payee_category
        )


def check_purpose_limits(
    purpose: int, categories: tuple[int, int], amount_tiyn: int, at: int, trust: TrustView
) -> None:
    """Return if a payment of `purpose` between these categories (payer, payee) keeps its caps and windows.

    Raises E_PURPOSE_TIME or E_PURPOSE_CAP. Whether it may pass between them at all, `check_purpose` says.
    """
    known = trust.purpose(purpose)
    for row in known.limits_of(*categories) if known is not None else ():
        if not row.valid_from <= at <= row.valid_until:
            raise Refused(
                "E_PURPOSE_TIME",
                purpose=purpose,
                valid_from=row.valid_from,
                valid_until=row.valid_until,
                now=at,
            )
        if row.cap_tiyn and amount_tiyn > row.cap_tiyn:
            raise Refused("E_PURPOSE_CAP", purpose=purpose, amount_tiyn=amount_tiyn, cap_tiyn=row.cap_tiyn)


def check_alive(record: DeviceCertificate, at: int) -> None:
    """Return if the certificate is valid at `at`; E_CERT_TIME otherwise."""
    if not record.not_before <= at <= record.expires:
        raise certificate_time(record, f"the moment {at}")


def check_amount(amount_tiyn: int, limit_tiyn: int) -> None:
    """Return if a payment is within a payer's limit; E_TXLIMIT otherwise."""
    if amount_tiyn > limit_tiyn:
        raise Refused("E_TXLIMIT", amount_tiyn=amount_tiyn, limit_tiyn=limit_tiyn)


def check_standing(certificate: DeviceCertificate, trust: TrustView, position: str) -> None:
    """Return if the device is not revoked and its tier is open; E_REVOKED or E_TIER_CLOSED, naming its `position`."""
    if trust.is_revoked(certificate.kid):
        raise Refused("E_REVOKED", kid=certificate.kid, position=position)
    if trust.is_closed_tier(certificate.tier):
        raise Refused("E_TIER_CLOSED", tier=certificate.tier, position=position)


def certificate_time(record: DeviceCertificate, problem: str) -> Refused:
    """The refusal E_CERT_TIME of a certificate that does not cover what `problem` names."""
    return Refused(
        "E_CERT_TIME",
        kid=record.kid,
        not_before=record.not_before,
        expires=record.expires,
        problem=problem,
    )
