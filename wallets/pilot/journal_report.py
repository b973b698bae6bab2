"""What the report takes from the journal and from what devices handed in: flows, marks, days, linkability.

One pass over the journal feeds every sum at once (`wallets.pilot.flows`, `wallets.pilot.privacy_report`); one pass
over the transfers of devices follows. Time grows with the number of entries, memory with the number of holders, of
unspent tokens and of offline payments.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from cbdc.policies import UTC_PLUS_5_SECONDS
from cbdc.transaction import LoadOffline
from offline.records import PAY
from wallets.pilot.flows import BANK, CATEGORY, GROUP, NATIONAL_BANK, Flows, MarkLife
from wallets.pilot.moves import Journal
from wallets.pilot.privacy_report import OFFLINE, Known, Linkability, Payment, payments_of
from wallets.sandbox import Sandbox

_DAY_SECONDS = 86_400
_EPOCH = date(1970, 1, 1).toordinal()


def day_of(moment: int) -> str:
    """The date in Kazakhstan (UTC+5) of a Unix second, as 2023-11-06."""
    return date.fromordinal(_EPOCH + (moment + UTC_PLUS_5_SECONDS) // _DAY_SECONDS).isoformat()


class _Hop(NamedTuple):
    """One transfer between devices, as far as a report needs it."""

    previous: bytes
    payer: bytes
    payee: bytes
    payment: bytes
    amount_tiyn: int


@dataclass(frozen=True, slots=True)
class JournalFigures:
    """What the passes found. `parties` gives kind and name of every party that a flow names."""

    flows: Flows
    offline_flows: Mapping[tuple[str, str], tuple[int, int]]
    linkability: Mapping[str, Any]
    names: Mapping[str, str]
    titles: Mapping[str, str]

    def mark(self, identity: str) -> MarkLife:
        """The life of a mark by its hexadecimal id; all zero when nothing ever carried it."""
        return self.flows.marks.get(identity, MarkLife())

    def flow_rows(self) -> list[dict[str, Any]]:
        """Every flow of the journal, then what passed between devices (action `offline_payment`), marks by name."""
        rows = [{**row, "mark": self.names.get(row["mark"], row["mark"])} for row in self.flows.rows()]
        for (source, target), (count, amount_tiyn) in sorted(self.offline_flows.items()):
            row = {"from": source, "to": target, "mark": "", "action": "offline_payment"}
            rows.append({**row, "count": count, "tiyn": amount_tiyn})
        return rows

    def mark_rows(self, identity: str) -> list[dict[str, Any]]:
        """The flows of one mark, who paid whom, the largest first."""
        rows = [row for row in self.flows.rows() if row["mark"] == identity]
        return sorted(rows, key=lambda row: (-row["tiyn"], row["from"], row["to"], row["action"]))

    def party_rows(self) -> list[dict[str, str]]:
        """Every party of a flow: its id, its kind, and the name a bank or a group has."""
        ids = {party for flow in self.flows.counts for party in (flow.source, flow.target)}
        ids |= {party for pair in self.offline_flows for party in pair}
        return [_party(identity, self.titles) for identity in sorted(ids)]


def _party(identity: str, titles: Mapping[str, str]) -> dict[str, str]:
    for prefix, kind in ((BANK, "bank"), (GROUP, "group"), (CATEGORY, "category")):
        if identity.startswith(prefix):
            return {"id": identity, "kind": kind, "name": titles.get(identity, identity.removeprefix(prefix))}
    return {"id": identity, "kind": identity, "name": ""}


def read_journal(sandbox: Sandbox, bank_titles: Mapping[str, str]) -> JournalFigures:
    """The figures of a finished run; `bank_titles` gives the full name of each bank by its short one."""
    system = sandbox.system
    journal = Journal(system.stores.ledger.entries())
    members = sandbox.members()
    devices = {
        member.device.element.public_key.kid: member for member in members if member.device is not None
    }
    by_id = {
        number: {customer.id: customer.pseudonym for customer in bank.customers.all()}
        for number, bank in system.banks.items()
    }
    groups = {
        pseudonyms[member.customer]: member.group
        for pseudonyms in by_id.values()
        for member in members
        if member.customer in pseudonyms
    }
    customers = {number: frozenset(pseudonyms.values()) for number, pseudonyms in by_id.items()}
    loaders: dict[bytes, bytes] = {}
    accounts = {kid: member.wallet.kid for kid, member in devices.items()}
    flows = Flows(journal.keys, groups, day_of)
    linkability = Linkability(Known(journal.keys, customers, accounts, loaders))
    for move in journal.moves():
        flows.add(move)
        if move.type == LoadOffline.TYPE:
            loaders[move.device] = move.payer
        for payment in payments_of(move, journal.keys):
            linkability.add(payment)
    hops = _hops(sandbox)
    for payment in offline_payments(hops):
        linkability.add(payment)
    titles = {
        f"{BANK}{number}": bank_titles.get(bank.name, bank.name) for number, bank in system.banks.items()
    }
    return JournalFigures(
        flows,
        _offline_flows(hops, {kid: GROUP + member.group for kid, member in devices.items()}),
        linkability.report(),
        {mark.hex(): name for name, mark in sandbox.marks.items()},
        titles,
    )


def _hops(sandbox: Sandbox) -> dict[bytes, _Hop]:
    """The transfers by which devices paid devices, by id, in the order of the log."""
    return {
        signed.oid: _Hop(
            signed.record.previous,
            signed.record.payer,
            signed.record.outputs[0].owner,
            signed.record.reference,
            signed.record.outputs[0].amount_tiyn,
        )
        for signed in sandbox.field.transfers()
        if signed.record.kind == PAY
    }


def offline_payments(hops: Mapping[bytes, Any]) -> Iterator[Payment]:
    """The payments that transfers belong to (one for each invoice), with those their notes passed through before."""
    parts: dict[bytes, list[bytes]] = {}
    for identity, hop in hops.items():
        parts.setdefault(hop.payment, []).append(identity)
    for payment, identities in parts.items():
        first = hops[identities[0]]
        earlier: dict[bytes, Payment] = {}
        for identity in identities:
            before = hops.get(hops[identity].previous)
            while before is not None:
                if before.payment != payment:
                    earlier[before.payment] = Payment(before.payment, OFFLINE, before.payer, before.payee)
                before = hops.get(before.previous)
        yield Payment(payment, OFFLINE, first.payer, first.payee, tuple(earlier.values()))


def _offline_flows(
    hops: Mapping[bytes, _Hop], parties: Mapping[bytes, str]
) -> dict[tuple[str, str], tuple[int, int]]:
    """What passed between the devices of groups: (payments, tiyn) by (from, to)."""
    amounts_tiyn: Counter[tuple[str, str]] = Counter()
    payments: dict[tuple[str, str], set[bytes]] = {}
    for hop in hops.values():
        pair = tuple(parties.get(kid, f"{CATEGORY}device") for kid in (hop.payer, hop.payee))
        amounts_tiyn[pair[0], pair[1]] += hop.amount_tiyn
        payments.setdefault((pair[0], pair[1]), set()).add(hop.payment)
    return {pair: (len(payments[pair]), amount_tiyn) for pair, amount_tiyn in amounts_tiyn.items()}


__all__ = ["NATIONAL_BANK", "JournalFigures", "day_of", "offline_payments", "read_journal"]
