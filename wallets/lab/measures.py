"""The measures of a run: what settlement found, set beside the truth that the laboratory kept.

Per region `findings` gives whole numbers and short lists; `wallets.lab.results` adds regions up and divides.

- **second spend**: of each coin that two or more payees took, the moment of the second spend (the truth);
- **detection**: the moment at which the second branch of a conflict was with settlement (`Tree.admitted`);
- **the ring's gain**: what opened and colluding people have at the end beyond their own books (in which every payment
  they made counts, each copy too): what they got for nothing, after whatever was taken from them;
- **borne**: what each party paid, from the bookings (`Reconciler.borne`); **payees** bear what honest people should
  have by their own books and do not have at the end.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from offline.graph import Tree
from offline.settle import CREDITED, DENIED, LATE
from wallets.lab.population import Region
from wallets.lab.tally import LOST, Tally
from wallets.lab.world import World


def second_spends(tally: Tally) -> dict[tuple[bytes, int], tuple[int, int]]:
    """Of each coin taken by two payees or more: (moment of the second spend, how many took it)."""
    taken: dict[tuple[bytes, int], dict[bytes, int]] = defaultdict(dict)
    for previous, position, transfer, time, _, accepted in tally.attacks:
        if accepted:
            taken[previous, position].setdefault(transfer, time)
    return {
        coin: (sorted(spends.values())[1], len(spends)) for coin, spends in taken.items() if len(spends) > 1
    }


def _detected(tree: Tree) -> dict[tuple[bytes, int], int]:
    """Of each forked coin of a tree the moment at which settlement had both branches."""
    return {
        (conflict.outpoint.previous, conflict.outpoint.position): sorted(
            tree.admitted[oid] for oid in conflict.transfers
        )[1]
        for conflict in tree.conflicts
        if len(conflict.transfers) > 1
    }


def findings(world: World, region: Region, tally: Tally) -> dict[str, Any]:
    """Plain numbers about one region at its end; see the module's text."""
    reconciler = world.reconciler
    facts = reconciler.facts()
    found: dict[tuple[bytes, int], int] = {}
    redeem_by: dict[tuple[bytes, int], int] = {}
    for tree in facts.trees.values():
        for coin, moment in _detected(tree).items():
            found[coin] = moment
            redeem_by[coin] = tree.note.record.redeem_by
    truth = second_spends(tally)
    delays = [max(0, found[coin] - moment) for coin, (moment, _) in truth.items() if coin in found]
    in_time = [coin for coin in truth if coin in found and found[coin] <= redeem_by[coin]]
    borne = {"device": 0, "owner": 0, "bank": 0, "reserve": 0}
    for kid in facts.guilty:
        share = reconciler.borne(kid)
        borne["device"] += share.device_tiyn
        borne["owner"] += share.owner_tiyn
        borne["bank"] += share.bank_tiyn
        borne["reserve"] += share.reserve_tiyn
    losses = sorted(reconciler.borne(kid).loss_tiyn for kid in facts.guilty)
    return {
        "loss_tiyn": facts.loss_tiyn,
        "losses_tiyn": losses,
        "borne_tiyn": borne,
        "double_spent": len(truth),
        "detected": len([coin for coin in truth if coin in found]),
        "detected_in_time": len(in_time),
        "delays_seconds": sorted(delays),
        "guilty": len(facts.guilty),
        "opened": sum(1 for agent in region.agents if agent.opened >= 0),
        **_people(world, region, tally),
    }


def expected_tiyn(region: Region, tally: Tally, payees_own: Callable[[bytes, int], bool]) -> dict[int, int]:
    """What each agent should own at the end by its own books: what it began with, took and was sent, less what it paid.

    What was lost on its way is the payee's as soon as it was handed in, and the payer's again otherwise. What a payee
    refused after it was spent is whose settlement says (`payees_own`, by transfer and payee): the payee's, unless it
    knew of a revocation.
    """
    books = {agent.number: agent.online_tiyn for agent in region.agents}
    for number, amount in tally.received.items():
        books[number] += amount
    for number, amount in tally.paid.items():
        books[number] -= amount
    for payer, payee, amount, _, handed_in, kind, transfers in tally.cut:
        if kind == LOST:
            books[payee if handed_in else payer] += amount
            continue
        for oid, part_tiyn in transfers:
            books[payee if payees_own(oid, payee) else payer] += part_tiyn
    return books


def honest_books(world: World, region: Region, tally: Tally) -> dict[int, int]:
    """`expected_tiyn` of a world of tokens."""

    def payees_own(oid: bytes, payee: int) -> bool:
        standing = world.reconciler.standing(oid)
        if standing is None or standing.status == CREDITED:
            return standing is not None
        # What a guilty payee is not credited was taken from it; what an honest one refused costs it nothing.
        return standing.beneficiary == world.devices[payee].kid and not region.agents[payee].honest

    return expected_tiyn(region, tally, payees_own)


def _people(world: World, region: Region, tally: Tally) -> dict[str, Any]:
    """How the honest fared, and the ring of opened and colluding devices together."""
    owner = {device.kid: number for number, device in enumerate(world.devices)}
    denied = [
        standing
        for standing in world.reconciler.standings().values()
        if standing.status in (DENIED, LATE)
        and standing.beneficiary in owner
        and region.agents[owner[standing.beneficiary]].honest
    ]
    if not world.plan.lab.close:
        return {"denied": len(denied), "denied_tiyn": sum(one.amount_tiyn for one in denied)}
    books = honest_books(world, region, tally)
    missing, ring = 0, 0
    short: list[int] = []
    for agent in region.agents:
        has = world.online_tiyn(agent.number)
        if agent.honest:
            missing += books[agent.number] - has
            if has < books[agent.number]:
                short.append(books[agent.number] - has)
        else:
            ring += has - books[agent.number]
    return {
        "denied": len(denied),
        "denied_tiyn": sum(one.amount_tiyn for one in denied),
        "payees_short": len(short),
        "payees_tiyn": missing,
        "ring_gain_tiyn": ring,
        "honest": sum(1 for agent in region.agents if agent.honest),
    }
