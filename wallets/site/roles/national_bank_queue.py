"""The queue of reconciliation: what waits and for what, since when, at which bank; what was refused, and why.

Everything is read from the reconciler as it stands (`offline.reconcile`): the standings of claims, transfers whose
parent nobody has handed in, objects whose device's certificate is missing, transfers that break a rule, and envelopes
that could not enter. Nothing is booked by looking. A claim's bank is the bank that certified its device.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cbdc.errors import TengeError
from offline import settle
from offline.graph import Tree
from offline.seen import Seen
from offline.settle import DENIED, HELD, LATE, Claim, Standing, claims_of
from wallets.site.operations import N_, Asked, Json, Operation, Query
from wallets.site.roles.watching import bank_title, page_of
from wallets.site.users import NATIONAL_BANK_ROLE as ROLE
from wallets.site.world import World

PAGE_ROWS = 25
REASONS = {
    settle.HELD_OPEN: N_("Unspent in an open note: it goes back to its owner when the note closes."),
    settle.HELD_PENDING: N_("A payment before it has not been handed in."),
    settle.HELD_ORDER: N_("The signed order of the redemption has not been handed in."),
    settle.HELD_ACCOUNT: N_("The owner's account is not known."),
    settle.HELD_INVOICE: N_("The invoice that would show good faith has not been handed in."),
    settle.HELD_GUILTY: N_("A proof stands against the device: it waits for the case to close."),
    settle.HELD_RESERVE: N_(
        "The loss of a double spend before it is not funded: the loss reserve lacks money."
    ),
    settle.HELD_CASE: N_("The loss policy decides when the case closes."),
    settle.HELD_BEACON: N_("It waits for the number by which the lottery is drawn."),
}
REFUSALS = {
    "denied": N_("Not paid: who claimed it knew of a refusal, or the case took it."),
    "late": N_("Handed in too late: it waits for the note's end and goes to the owner then."),
    "rule": N_("The payment breaks a rule and counts for nothing."),
    "envelope": N_("What was handed in could not enter."),
}


class Waiting(NamedTuple):
    """One claim in the queue: at which bank (0: none), why it waits, how much, since when, until when at the latest."""

    bank_id: int
    reason: str
    subject: bytes
    device: bytes
    amount_tiyn: int
    since: int
    closes: int


def queue(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """What waits by bank and reason, each claim, the parts that are missing, and what was refused and why."""
    world = asked.world
    reconciler = world.sandbox.field.reconciler
    waiting = sorted(waiting_claims(world), key=lambda one: (one.since, one.subject))
    page, pages, first = page_of(arguments, len(waiting), PAGE_ROWS)
    return {
        "sums": _sums(world, waiting),
        "rows": [_row(world, one) for one in waiting[first : first + PAGE_ROWS]],
        "page": page,
        "pages": pages,
        "claims": len(waiting),
        "waiting_tiyn": sum(one.amount_tiyn for one in waiting),
        "missing": _missing(world)[:PAGE_ROWS],
        "refused": refusals(world),
        "objects": reconciler.head()[0],
        "as_of": world.clock.now(),
    }


def waiting_claims(world: World) -> Iterator[Waiting]:
    """Every claim that settlement holds, with the reason it gives."""
    graph, _ = world.sandbox.field.reconciler.look()
    standings = world.sandbox.field.reconciler.standings()
    for tree in graph.trees.values():
        for claim in claims_of(tree, graph.seen):
            standing = standings.get(claim.subject)
            if standing is not None and standing.status == HELD:
                yield _waiting(world, tree, claim, standing)


def _waiting(world: World, tree: Tree, claim: Claim, standing: Standing) -> Waiting:
    # A redemption waits since it came; money on a device since the payment by which it came there was handed in.
    since = claim.arrived or tree.admitted.get(claim.outpoint.previous, tree.note.record.issued)
    return Waiting(
        _bank_of(world, standing.beneficiary),
        standing.reason,
        claim.subject,
        standing.beneficiary,
        standing.amount_tiyn,
        since,
        tree.closes,
    )


def _bank_of(world: World, device: bytes) -> int:
    """The bank that certified a device; 0 for a key that is no device's."""
    try:
        return world.sandbox.field.centre.devices.bank_of(device)
    except TengeError:
        return 0


def _sums(world: World, waiting: list[Waiting]) -> list[Json]:
    groups: dict[tuple[int, str], list[Waiting]] = defaultdict(list)
    for one in waiting:
        groups[one.bank_id, one.reason].append(one)
    return [
        {
            "bank": bank_title(world.system, bank_id),
            "reason": reason,
            "words": REASONS.get(reason, reason),
            "claims": len(found),
            "amount_tiyn": sum(one.amount_tiyn for one in found),
            "since": min(one.since for one in found),
        }
        for (bank_id, reason), found in sorted(groups.items())
    ]


def _row(world: World, one: Waiting) -> Json:
    return {
        "subject": one.subject.hex(),
        "device": one.device.hex(),
        "bank": bank_title(world.system, one.bank_id),
        "reason": one.reason,
        "words": REASONS.get(one.reason, one.reason),
        "amount_tiyn": one.amount_tiyn,
        "since": one.since,
        "closes": one.closes,
    }


def _missing(world: World) -> list[Json]:
    """Parts that are missing: the payment before one that was handed in, or the certificate of a device."""
    reconciler = world.sandbox.field.reconciler
    seen: Seen = reconciler.look()[0].seen
    rows = []
    for oid in reconciler.facts().pending:
        signed = seen.transfer(oid)
        if signed is not None:
            device, lacks = signed.record.payer, signed.record.previous
            rows.append(_part(world, "payment", oid, device, lacks, seen.arrived(oid)))
    for kid, objects in reconciler.uncertified().items():
        rows += [_part(world, "certificate", oid, kid, kid, arrived) for oid, arrived in objects]
    return sorted(rows, key=lambda row: (row["since"], row["object"]))


def _part(world: World, kind: str, oid: bytes, device: bytes, lacks: bytes, since: int) -> Json:
    return {
        "kind": kind,
        "object": oid.hex(),
        "device": device.hex(),
        "bank": bank_title(world.system, _bank_of(world, device)),
        "lacks": lacks.hex(),
        "since": since,
    }


def refusals(world: World) -> list[Json]:
    """What was refused, by what and why: claims not paid or late, payments against a rule, and envelopes."""
    reconciler = world.sandbox.field.reconciler
    graph, _ = reconciler.look()
    names = {DENIED: "denied", LATE: "late"}
    rows = [
        _refused(names[one.status], one.subject, one.beneficiary, one.amount_tiyn, "")
        for one in reconciler.standings().values()
        if one.status in names
    ]
    for tree in graph.trees.values():
        for oid, broken in tree.refused.items():
            signed = graph.seen.transfer(oid)
            payer = b"" if signed is None else signed.record.payer
            rows.append(_refused("rule", oid, payer, 0, broken))
    for digest, wrong in reconciler.quarantined().items():
        rows.append(_refused("envelope", digest, b"", 0, wrong))
    for row in rows:
        row["bank"] = bank_title(world.system, _bank_of(world, bytes.fromhex(row["device"])))
    return rows[:200]


def _refused(kind: str, subject: bytes, device: bytes, amount_tiyn: int, code: str) -> Json:
    return {
        "kind": kind,
        "words": REFUSALS[kind],
        "subject": subject.hex(),
        "device": device.hex(),
        "amount_tiyn": amount_tiyn,
        "code": code,
    }


QUERIES: tuple[Query, ...] = (Query(ROLE, "queue", N_("Reconciliation queue"), queue),)
OPERATIONS: tuple[Operation, ...] = ()
