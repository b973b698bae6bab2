"""The case a reconciliation makes of its facts: double spends, the named device, the loss, and who bore it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cbdc.authority import Root
from cbdc.money import format_tenge
from cbdc.record import Signed
from offline.evidence import verify_evidence
from offline.prosecution import phantom_tiyn
from offline.reconcile import Reconciler
from wallets.cast import Member

TYPE_NAMES = {
    1: "E1 DOUBLE_SPEND",
    2: "E2 EQUIVOCATION",
    3: "E3 CONTRADICTION",
    4: "E4 BAD_STATEMENT",
    5: "E5 LIMIT_BREACH",
    6: "E6 FALSE_FRESH",
    7: "E7 PHANTOM_NOTE",
    8: "E8 DUAL_CERTIFICATE",
}


@dataclass(frozen=True, slots=True)
class Case:
    """What is known now. `borne` is by kind (device, owner, bank, reserve; payees and open, where there are
    such), `borne_by` by name; amounts in tiyn."""

    double_spends: int = 0
    loss_tiyn: int = 0
    borne: Mapping[str, int] = field(default_factory=dict)
    borne_by: Mapping[str, int] = field(default_factory=dict)
    evidence: Sequence[Mapping[str, Any]] = ()
    phantom_tiyn: int = 0
    """What notes that no load backs say they are worth: the National Bank's to bear, whose key signed them."""

    @property
    def sentence(self) -> str:
        """The case in a sentence."""
        if not self.double_spends:
            others = ", ".join(sorted({f"{row['type']} names {row['named']}" for row in self.evidence}))
            return f"No note was spent twice; {others}." if others else "No note was spent twice."
        named = ", ".join(sorted({str(row["named"]) for row in self.evidence}))
        paid = ", ".join(f"{name} {format_tenge(amount)}" for name, amount in self.borne_by.items())
        return (
            f"{self.double_spends} double spend; the proof names the device of {named}; loss"
            f" {format_tenge(self.loss_tiyn)}, borne by: {paid}."
        )


def tell_case(
    reconciler: Reconciler,
    owners: Mapping[bytes, Member],
    root: Signed[Root],
    files: Sequence[tuple[str, bytes]],
    titles: Mapping[str, str],
    institutions: Mapping[bytes, str] | None = None,
) -> Case:
    """The case as the reconciler's facts, bookings and proofs have it; every proof is checked from `root` alone.

    `titles` gives the banks' full names by their short ones, `institutions` whose a key is that is no device's.
    """
    facts = reconciler.facts()
    borne = {"device": 0, "owner": 0, "bank": 0, "reserve": 0}
    by_name: dict[str, int] = {}
    for kid in facts.guilty:
        share, owner = reconciler.borne(kid), owners.get(kid)
        name = owner.name if owner else kid.hex()[:16]
        bank = titles.get(owner.bank, owner.bank) if owner else "the bank"
        for kind, who, amount in (
            ("device", f"{name} (unspent notes)", share.device_tiyn),
            ("owner", f"{name} (own online wallet)", share.owner_tiyn),
            ("bank", f"{bank} (certified the device; in reserves, not digital tenge)", share.bank_tiyn),
            ("reserve", "loss reserve", share.reserve_tiyn),
            ("payees", "payees of forked notes", share.payees_tiyn),
            ("open", "not decided yet", share.open_tiyn),
        ):
            if amount or kind in borne:
                borne[kind] = borne.get(kind, 0) + amount
            if amount:
                by_name[who] = by_name.get(who, 0) + amount
    return Case(
        double_spends=sum(conflict.extra for tree in facts.trees.values() for conflict in tree.conflicts),
        loss_tiyn=facts.loss_tiyn,
        borne=borne,
        borne_by=by_name,
        phantom_tiyn=phantom_tiyn(reconciler.alarms()),
        evidence=[_row(name, data, root, owners, institutions or {}) for name, data in files],
    )


def _row(
    name: str,
    data: bytes,
    root: Signed[Root],
    owners: Mapping[bytes, Member],
    institutions: Mapping[bytes, str],
) -> dict[str, Any]:
    verdict = verify_evidence(data, root)
    owner = owners.get(verdict.kid)
    return {
        "type": TYPE_NAMES[verdict.type],
        "named": owner.name if owner else institutions.get(verdict.kid, verdict.kid.hex()),
        "device": verdict.device_id.hex(),
        "amount_tiyn": verdict.amount_tiyn,
        "file": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
