"""Which coins a device's host picks: to pay, so that the payee will take them, and to send home.

The element asks whether money may move at all; the host also knows its history. Money with a history that any payee
would refuse (a revoked earlier holder, a tainted note, a certificate that is missing here, a redemption on the way) is
left for the next sync, because a refusal after the payment is made helps nobody.

Source: DTO/1, sections 5.5 (coin selection), 5.6 (V3 to V5) and 5.12 (ancestors).
"""

from typing import Any

from cbdc import canonical
from cbdc.errors import Malformed, Refused
from offline.bundle import HeldToken
from offline.checks import check_standing
from offline.element_protocol import ElementStatus
from offline.element_rules import hop_limit
from offline.host_rows import Rows
from offline.lines import TRANSFER_BYTES, Certificates, bundle_size, people
from offline.parameters import MARGIN_SECONDS, REJECT_REVOKED_ANCESTOR
from offline.purse import MAX_REDEEM_PARTS, Coin, choose_coins, spendable
from offline.records import MAX_CERTIFICATES, MAX_TOKENS, PAY, REDEEM, Outpoint
from offline.trust import TrustView


def check_stands(line: HeldToken, certificates: Certificates, trust: TrustView) -> None:
    """Return if a payee who believes what we believe would take this history; no signature is verified.

    Raises E_ISSUER, E_TAINTED, E_KIND (the change of a redemption), E_CERT_MISSING, E_CA, E_REVOKED or E_TIER_CLOSED.
    """
    note = line.note.record
    trust.issuer(note.issuer_reference, note.issued)
    if trust.is_tainted(note.serial) or trust.is_tainted(line.note.oid):
        raise Refused("E_TAINTED", serial=note.serial)
    if any(transfer.record.kind != PAY for transfer in line.transfers):
        raise Refused("E_KIND", kind=REDEEM)
    for kid in people([line]):
        certificate = certificates.get(kid)
        if certificate is None:
            raise Refused("E_CERT_MISSING", kid=kid)
        trust.bank_ca(certificate.record.ca_reference, certificate.record.not_before)
        if trust.parameter(REJECT_REVOKED_ANCESTOR):
            check_standing(certificate.record, trust, "earlier holder")


class CoinChooser:
    """Chooses from one device's purse; remembers which histories stand, until the trust list changes."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._sequence = -1
        self._standing: dict[Outpoint, bool] = {}

    def to_pay(
        self,
        status: ElementStatus,
        trust: TrustView,
        amount_tiyn: int,
        purpose: int,
        max_parts: int,
        max_bytes: int,
        moment: int,
    ) -> tuple[Outpoint, ...]:
        """The outpoints that pay `amount_tiyn` in a message of at most `max_bytes`, the last of them giving change.

        Raises E_COINS when the money that may move does not suffice, E_COINS_BYTES when its history is too long.
        """
        assert status.limits is not None, "an element with a certificate has limits"
        coins = [
            Coin(outpoint, slot, self._rows.line_size(outpoint))
            for outpoint, slot in status.purse.items()
            if self._stands(outpoint, trust)
        ]
        hops = hop_limit(status.limits, trust.purpose(purpose))
        usable = spendable(coins, purpose, hops, moment, trust.parameter(MARGIN_SECONDS))
        most = min(max_parts, MAX_TOKENS)
        covered = False
        for choice in choose_coins(usable, amount_tiyn, most):
            covered = True
            if self._fits(tuple(coin.outpoint for coin in choice), status.kid, max_bytes):
                return tuple(coin.outpoint for coin in choice)
        if covered:
            raise Refused("E_COINS_BYTES", amount_tiyn=amount_tiyn, limit_bytes=max_bytes)
        raise Refused(
            "E_COINS",
            amount_tiyn=amount_tiyn,
            purpose=purpose,
            parts=most,
            usable_tiyn=sum(coin.slot.amount_tiyn for coin in usable),
        )

    def _fits(self, picks: tuple[Outpoint, ...], payer: bytes, max_bytes: int) -> bool:
        lines = [line for pick in picks if (line := self._rows.line(pick)) is not None]
        kids = {*people(lines), payer}
        certificates = {kid: self._rows.certificates[kid] for kid in kids}
        size = bundle_size(lines, certificates, payer) + TRANSFER_BYTES * len(picks)
        return len(kids) <= MAX_CERTIFICATES and size <= max_bytes

    def _stands(self, outpoint: Outpoint, trust: TrustView) -> bool:
        if trust.sequence != self._sequence:
            self._sequence, self._standing = trust.sequence, {}
        known = self._standing.get(outpoint)
        if known is None:
            line = self._rows.line(outpoint)
            if line is None:
                return False
            known = self._standing[outpoint] = _stands(line, self._rows.certificates, trust)
        return known


def _stands(line: HeldToken, certificates: Certificates, trust: TrustView) -> bool:
    try:
        check_stands(line, certificates, trust)
    except Refused:
        return False
    return True


def to_redeem(
    status: ElementStatus, amount_tiyn: int | None, purpose: int | None
) -> tuple[tuple[Outpoint, ...], int]:
    """The outpoints to send home and their amount: all money (of one purpose), or enough for `amount_tiyn`.

    What can pay no more goes first, then what expires first. One order takes at most `MAX_REDEEM_PARTS` pieces; "all"
    is then what fits. Raises E_COINS when there is none or too little.
    """
    hops = status.limits.max_hops if status.limits is not None else 0
    candidates = sorted(
        (slot.may_move(hops), slot.spend_by, outpoint)
        for outpoint, slot in status.purse.items()
        if purpose is None or slot.purpose == purpose
    )[:MAX_REDEEM_PARTS]
    held_tiyn = sum(status.purse[outpoint].amount_tiyn for _, _, outpoint in candidates)
    wanted_tiyn = held_tiyn if amount_tiyn is None else amount_tiyn
    if not 1 <= wanted_tiyn <= held_tiyn:
        raise Refused(
            "E_COINS",
            amount_tiyn=wanted_tiyn,
            purpose=purpose or 0,
            parts=len(candidates),
            usable_tiyn=held_tiyn,
        )
    picks: list[Outpoint] = []
    missing_tiyn = wanted_tiyn
    for _, _, outpoint in candidates:
        if missing_tiyn <= 0:
            break
        picks.append(outpoint)
        missing_tiyn -= status.purse[outpoint].amount_tiyn
    return tuple(picks), wanted_tiyn


def open_offer(offer: bytes) -> tuple[bytes, tuple[Outpoint, ...]]:
    """(bundle bytes, picks) of an OFFER `[bundle, [[previous, position]...]]`; E_FIELD or a decoding error."""
    decoded: Any = canonical.decode_array(offer)
    if len(decoded) != 2 or type(decoded[0]) is not bytes or type(decoded[1]) is not list:
        raise Malformed("E_FIELD", field="offer", problem="not a bundle and a list of outpoints")
    for pick in decoded[1]:
        if type(pick) is not list or [type(item) for item in pick] != [bytes, int]:
            raise Malformed("E_FIELD", field="offer", problem="an outpoint is not a hash and a number")
    return decoded[0], tuple(Outpoint(*pick) for pick in decoded[1])
