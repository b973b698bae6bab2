"""Lost and stolen devices: the report, what is known to be unspent, the early payout, and who bears a thief's payments.

    report    the owner tells the bank: written down once, then the device is revoked by the next TRUST list
    wait      nothing can be copied to a new phone; what settlement knows to be unspent waits for its notes' close
    refund    at close it goes to the owner, as every unspent output does (`offline.settle`)

**Early payout** (parameter `early_payout`, off by default). The bank may advance a part of what settlement knows to be
unspent on the day of the request. It is the bank's credit risk: somebody may still hand in payments of that device. The
advance names an account of the bank; every later refund of the device goes there instead of to the owner. `outcome_of`
says what follows: the bank keeps up to its advance, the owner gets the rest, the bank bears what is missing.

**A stolen device.** Before the report its owner bears what the thief pays: up to the purse. After it the payees in good
faith are paid all the same, and the scheme bears it (parameter `theft_cover`, in thousandths): at the note's close the
loss reserve pays the owner what was paid under an invoice that was made after the report by a payee that could not
know. *When* an invoice was made is the payee's clock's word (its last moment less the usual life of an invoice, or its
arrival, whichever is earlier): whoever colludes with a payee can date a payment after the report, up to the purse. A
payee that knew is denied, as ever. A device with a proof against it is covered in nothing.

Source: DTO/1, sections 5.11 (stolen device) and 5.12 (lost device).
"""

from collections.abc import Callable, Container
from dataclasses import dataclass

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.money import share
from offline.archive import Archive
from offline.graph import Tree
from offline.parameters import INVOICE_SECONDS
from offline.records import PAY
from offline.seen import Seen
from offline.settle import fact_key

LOST = 1
STOLEN = 2

_REPORT = b"report/"
_ADVANCE = b"advance/"

Reported = Callable[[bytes], int | None]
"""When a device was reported stolen, or None."""


def nobody_reported(kid: bytes) -> int | None:
    """No device was reported stolen."""
    return None


@dataclass(frozen=True, slots=True)
class Report:
    """An owner's report: LOST or STOLEN, and when (Unix seconds). The first one stands."""

    kind: int
    time: int


@dataclass(frozen=True, slots=True)
class Advance:
    """An early payout: what was known to be unspent, what the bank advanced (tiyn), to which account, and when."""

    known_tiyn: int
    advanced_tiyn: int
    account: bytes
    time: int


@dataclass(frozen=True, slots=True)
class AdvanceOutcome:
    """How an early payout ended, in tiyn: what the bank keeps of the refunds, what the owner still gets, what the bank
    lost."""

    bank_tiyn: int
    owner_tiyn: int
    lost_tiyn: int


def outcome_of(advanced_tiyn: int, refunded_tiyn: int) -> AdvanceOutcome:
    """What becomes of `refunded_tiyn` that came in for a device on which the bank advanced `advanced_tiyn`."""
    bank_tiyn = min(advanced_tiyn, refunded_tiyn)
    return AdvanceOutcome(bank_tiyn, refunded_tiyn - bank_tiyn, advanced_tiyn - bank_tiyn)


class LostDevices:
    """The file of reports and advances, in the archive of devices."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def report(self, kid: bytes, kind: int, now: int) -> Report:
        """Write a report down, once: a later one gives the first."""
        made = canonical.encode([kind, self._archive.moment(now)])
        return _report(self._archive.keep(_REPORT + kid, made))

    def reported(self, kid: bytes) -> Report | None:
        """The report of a device, or None."""
        kept = self._archive.answer(_REPORT + kid)
        return None if kept is None else _report(kept)

    def stolen_at(self, kid: bytes) -> int | None:
        """When a device was reported stolen, or None."""
        report = self.reported(kid)
        return report.time if report is not None and report.kind == STOLEN else None

    def kids(self) -> list[bytes]:
        """Every device with a report, ascending."""
        return sorted(key[len(_REPORT) :] for key, _ in self._archive.answers(_REPORT))

    def advance(self, kid: bytes, known_tiyn: int, permille: int, account: bytes, now: int) -> Advance:
        """Write an early payout down, once: `permille` of `known_tiyn`, a broken tiyn stays with the bank.

        Raises E_PAYOUT_OFF when the parameter is 0, E_PAYOUT_REPORT when nobody reported the device.
        """
        kept = self._archive.answer(_ADVANCE + kid)
        if kept is None:
            if not permille:
                raise Refused("E_PAYOUT_OFF")
            if self.reported(kid) is None:
                raise Refused("E_PAYOUT_REPORT", kid=kid)
            advanced_tiyn, _ = share(known_tiyn, min(permille, 1_000), 1_000, "rest")
            made = [known_tiyn, advanced_tiyn, account, self._archive.moment(now)]
            kept = self._archive.keep(_ADVANCE + kid, canonical.encode(made))
        return _advance(kept)

    def advanced(self, kid: bytes) -> Advance | None:
        """The early payout on a device, or None."""
        kept = self._archive.answer(_ADVANCE + kid)
        return None if kept is None else _advance(kept)


def _report(kept: bytes) -> Report:
    kind, time = canonical.decode_array(kept)
    assert isinstance(kind, int)
    assert isinstance(time, int)
    return Report(kind, time)


def _advance(kept: bytes) -> Advance:
    known_tiyn, advanced_tiyn, account, time = canonical.decode_array(kept)
    assert isinstance(known_tiyn, int)
    assert isinstance(advanced_tiyn, int)
    assert isinstance(account, bytes)
    assert isinstance(time, int)
    return Advance(known_tiyn, advanced_tiyn, account, time)


@dataclass(frozen=True, slots=True)
class Cover:
    """What the scheme owes the owner of a stolen device for one payment: the facts that fund it and pay it."""

    kid: bytes
    transfer: bytes
    amount_tiyn: int

    @property
    def loss(self) -> bytes:
        """The key of the fact that moves it from the loss reserve into escrow."""
        return fact_key("theft", self.transfer)

    @property
    def payment(self) -> bytes:
        """The key of the fact that pays it to the owner."""
        return fact_key("theft paid", self.transfer)


def covers_of(
    tree: Tree, seen: Seen, stolen_at: Reported, guilty: Container[bytes], permille: int
) -> list[Cover]:
    """What the scheme owes for one closed tree, by what had arrived when it closed; in the order of transfers."""
    found = []
    for oid in tree.admitted:
        transfer = seen.transfer(oid)
        assert transfer is not None, "an admitted transfer is in the set"
        record = transfer.record
        if record.kind != PAY or oid in tree.late or not seen.is_revoked(record.payer):
            continue
        # Whoever is reported is revoked; only of the revoked it must be looked up.
        reported = stolen_at(record.payer)
        if reported is None or record.payer in guilty:
            continue
        invoice = seen.invoice(record.reference)
        if invoice is None or seen.counts_from(invoice.oid, invoice.record.payee) > tree.closes:
            continue
        asked = invoice.record
        made = min(asked.expires - INVOICE_SECONDS.default, seen.arrived(invoice.oid))
        knew = seen.refused_at(record.payer, asked.trust_sequence, tree.closes)
        if asked.payee != record.outputs[0].owner or made <= reported or knew:
            continue
        amount_tiyn, _ = share(record.outputs[0].amount_tiyn, min(permille, 1_000), 1_000, "rest")
        if amount_tiyn:
            found.append(Cover(record.payer, oid, amount_tiyn))
    return found
