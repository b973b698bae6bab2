"""The audit of a run: everything the results rest on, counted again by other code than that which made it.

    facts      all facts derived from nothing, from the archive's rows alone: the same digest
    ledger     the journal replayed from entry 0 by `cbdc.ledger.audit`
    losses     each loss fact stands in the journal once, and their sum is the loss of the facts
    borne      what device, owner, bank, reserve and payees bear adds up to the loss
    escrow     notes and funded losses = escrow, paid and recovered (`Settlement.totals` asserts it; recounted here)
    innocent   every device with a proof against it was opened; every proof stands before a stranger with ROOT alone
    people     what the honest should have by their own books, and what they have (where a policy pays every branch)

A check that fails is a bug of the sandbox: the run then says so, and the command ends with 1.
"""

from collections import Counter
from typing import Any

from cbdc.errors import TengeError
from cbdc.ledger.audit import audit as audit_ledger
from cbdc.transaction import SETTLE_LOSS, SettleOffline, open_transaction
from offline import evidence
from offline.admission import check_follows
from offline.evidence import verify_evidence
from offline.graph import Rules, derive
from offline.intake import open_kept
from offline.parameters import GRACE_SECONDS, value_of
from offline.records import SyncAck
from offline.seen import Seen
from wallets.lab.measures import honest_books
from wallets.lab.population import Region
from wallets.lab.settings import policy_of
from wallets.lab.tally import Tally
from wallets.lab.world import World

_TYPE_PLACE = 1
_PAYS_EVERY_BRANCH = ("ISSUER", "WATERFALL")


def check(world: World, region: Region, tally: Tally) -> dict[str, Any]:
    """Each check by name with `ok` and what it counted."""
    facts = world.reconciler.facts()
    found: dict[str, Any] = {
        "facts": {"ok": _derived(world) == facts.digest(), "trees": len(facts.trees)},
        "losses": _losses(world, facts.loss_tiyn),
        "borne": _borne(world, facts.loss_tiyn),
        "innocent": _innocent(world, region),
        "ledger": _ledger(world),
    }
    totals = world.reconciler.totals()
    supply = world.system.ledger.supply()
    found["escrow"] = {
        "ok": supply.escrow_tiyn == totals.escrow_tiyn
        and supply.held_tiyn == supply.outstanding_tiyn
        and totals.notes_tiyn + totals.funded_tiyn
        == totals.escrow_tiyn + totals.paid_tiyn + totals.recovered_tiyn,
        "escrow_tiyn": supply.escrow_tiyn,
    }
    if world.plan.lab.close and world.plan.lab.loss_policy in _PAYS_EVERY_BRANCH:
        found["people"] = _people(world, region, tally)
    return {"ok": all(one["ok"] for one in found.values()), "checks": dict(sorted(found.items()))}


def _derived(world: World) -> bytes:
    seen, network = Seen(), world.system.network
    for row in world.notebook.archives["evidence"].rows(0):
        signed = open_kept(row.envelope, network)
        if not isinstance(signed.record, SyncAck):
            seen.add(signed, row.arrived)
    notes = [note for device in world.devices for note in world.centre.notes(device.kid)]
    rules = Rules(check_follows, lambda transfer, parent: evidence.broken_rule(transfer, parent) is not None)
    return derive(seen, notes, rules, value_of(GRACE_SECONDS, world.plan.policy)).digest()


def _losses(world: World, loss_tiyn: int) -> dict[str, Any]:
    network, booked, amount = world.system.network, Counter[bytes](), 0
    escrow = world.system.escrow_kid
    for entry in world.system.ledger.entries():
        if entry.payload[_TYPE_PLACE] == SettleOffline.TYPE:
            record = open_transaction(entry.payload, network).record
            assert isinstance(record, SettleOffline)
            if record.kind == SETTLE_LOSS:
                booked[record.fact] += 1
                amount += sum(token.amount_tiyn for token in record.outputs if token.lock.holder == escrow)
    # Policies that decide at close book only what the reserve adds; the others book every loss.
    whole = amount <= loss_tiyn if policy_of(world.plan).at_close else amount == loss_tiyn
    ok = whole and all(times == 1 for times in booked.values())
    return {"ok": ok, "booked": len(booked), "booked_tiyn": amount}


def _borne(world: World, loss_tiyn: int) -> dict[str, Any]:
    shares = [world.reconciler.borne(kid) for kid in world.reconciler.guilty()]
    told = sum(
        one.device_tiyn + one.owner_tiyn + one.bank_tiyn + one.reserve_tiyn + one.payees_tiyn + one.open_tiyn
        for one in shares
    )
    return {"ok": told == sum(one.loss_tiyn for one in shares) == loss_tiyn, "borne_tiyn": told}


def _innocent(world: World, region: Region) -> dict[str, Any]:
    opened = {world.devices[agent.number].kid for agent in region.agents if agent.opened >= 0}
    guilty = world.reconciler.guilty()
    proofs = 0
    ok = set(guilty) <= opened
    for kid in guilty:
        for data in world.reconciler.evidence(kid):
            proofs += 1
            try:
                ok = ok and verify_evidence(data, world.system.authority.root).kid == kid
            except TengeError:
                ok = False
    return {"ok": ok, "guilty": len(guilty), "opened": len(opened), "proofs": proofs}


def _ledger(world: World) -> dict[str, Any]:
    report = audit_ledger(world.notebook.ledger)
    return {"ok": report.ok, "entries": report.entries}


def _people(world: World, region: Region, tally: Tally) -> dict[str, Any]:
    books = honest_books(world, region, tally)
    wrong = sum(
        1
        for agent in region.agents
        if agent.honest and world.online_tiyn(agent.number) != books[agent.number]
    )
    return {"ok": not wrong, "people": len(books), "wrong": wrong}
