"""What a bank knows of one of its customers' money: limits and what is left of them, marks, devices, movements.

The bank serves the keys of its own customers, and the ledger tells it what they hold, as it tells everybody. What it is
not told stays away from here: **whom a device paid**. A device's row says what was taken offline in notes that have not
closed, and for how long; where those notes went is between the devices and settlement. What is known to be unspent is
shown of a device that was reported lost, and of no other: the bank needs it then, for an early payout.
"""

from collections.abc import Sequence
from typing import Any

from cbdc.accounts import Account, deposit
from cbdc.customers import Customer
from cbdc.distribution import CommercialBank
from cbdc.ledger.entry import PERIOD_NAMES
from cbdc.ledger.state import day_counter, period_counter
from cbdc.request_board import OPEN, RequestBoard
from offline.parameters import stricter
from offline.records import TIER_SE, TIER_SW, TIER_TEE
from wallets.site.following import following
from wallets.site.marked import N_
from wallets.site.operations import Json
from wallets.site.roles.lost import devices_of
from wallets.site.roles.watching import mark_row, rules
from wallets.site.world import World

DAY_SECONDS = 86_400
DEVICE_TIERS = {TIER_SW: "SW", TIER_TEE: "TEE", TIER_SE: "SE"}
MOST_MOVEMENTS = 20
PERIOD_TITLES = {"month": N_("Paid this month"), "year": N_("Paid this year")}
MOVEMENT_TITLES = {
    "deposit received": N_("Deposit received"),
    "wage received": N_("Wage received"),
    "cash paid in": N_("Cash paid in"),
    "cash paid out": N_("Cash paid out"),
    "deposit paid out": N_("Deposit paid out"),
    "deposit moved": N_("Moved between deposits"),
    "sale begun": N_("Digital tenge bought"),
    "sale refused": N_("Purchase refused, money back"),
    "bought back": N_("Digital tenge sold"),
    "received above the holding limit": N_("Received above the holding limit"),
    "advance on a lost device": N_("Advance on a lost device"),
    "refund of a lost device": N_("Refund of a lost device"),
}


def limit_rows(world: World, customer: Customer) -> list[Json]:
    """What the ledger counts of a holder beside what it allows: title, used, limit (0: none) and left, in tiyn."""
    ledger, now = world.system.ledger, world.clock.now()
    policy = ledger.genesis.policy
    limits = policy.limits(customer.tier)
    today = day_counter(customer.pseudonym, policy.day(now))
    periods = [
        (PERIOD_NAMES[kind], kind, limit) for tier, kind, limit in policy.periods if tier == customer.tier
    ]
    names = [period_counter(customer.pseudonym, name, policy.period(kind, now)) for name, kind, _ in periods]
    counted = ledger.load([today, *names])

    def row(title: str, used_tiyn: object, limit_tiyn: int) -> Json:
        used = used_tiyn if isinstance(used_tiyn, int) else 0
        left = max(0, limit_tiyn - used) if limit_tiyn else 0
        return {"title": title, "used_tiyn": used, "limit_tiyn": limit_tiyn, "left_tiyn": left}

    return [
        row(N_("Held in wallets"), ledger.holding_tiyn(customer.pseudonym), limits.holding_limit_tiyn),
        row(N_("Paid today"), counted[today], limits.day_limit_tiyn),
        *(
            row(PERIOD_TITLES[name], counted[key], limit)
            for (name, _, limit), key in zip(periods, names, strict=True)
        ),
    ]


def mark_rows(world: World, kids: Sequence[bytes], language: str) -> list[Json]:
    """What these keys hold, free money first, then by mark, each with its rule in words."""
    book = following(world.system)
    held: dict[bytes, int] = {b"": 0}
    for tokens in world.system.ledger.owned_by_each(kids).values():
        for _, token in tokens:
            held[token.mark] = held.get(token.mark, 0) + token.amount_tiyn
    return [
        {
            "mark": mark_row(book, mark) if mark else None,
            "amount_tiyn": amount,
            "rules": rules(world.system, book, mark, language) if mark in book.marks else [],
        }
        for mark, amount in held.items()
    ]


def device_rows(world: World, kids: Sequence[bytes]) -> list[Json]:
    """The devices of these keys: what they may do, what was taken offline on them and how long ago."""
    centre, now = world.sandbox.field.centre, world.clock.now()
    guilty, view = centre.reconciler.guilty(), centre.trust_view
    rows = []
    for kid in devices_of(world, kids):
        signed, report = centre.devices.certificate(kid), centre.lost.reported(kid)
        row: dict[str, Any] = {
            "kid": kid.hex(),
            "is_revoked": view.is_revoked(kid),
            "is_reported": report is not None,
            "is_guilty": kid in guilty,
            "known_unspent_tiyn": centre.known_unspent_tiyn(kid) if report is not None else None,
        }
        notes = open_notes(world, kid)
        row["float_tiyn"] = sum(amount for amount, _, _ in notes)
        row["age_days"] = max((now - issued) // DAY_SECONDS for _, issued, _ in notes) if notes else None
        row["closes"] = max(closes for _, _, closes in notes) if notes else None
        if signed is not None:
            record = signed.record
            limits = stricter(record.limits, record.tier, record.category, view.policy)
            row |= {
                "tier": DEVICE_TIERS.get(record.tier, str(record.tier)),
                "max_balance_tiyn": limits.max_balance_tiyn,
                "max_payment_tiyn": limits.max_payment_tiyn,
                "max_hops": limits.max_hops,
            }
        rows.append(row)
    return rows


def open_notes(world: World, device: bytes) -> list[tuple[int, int, int]]:
    """(amount, when it was issued, when it closes) of a device's own notes that have not closed."""
    trees, now = world.sandbox.field.centre.reconciler.facts().trees, world.clock.now()
    found = []
    for tree in trees.values():
        note = tree.note.record
        if note.owner == device and now <= tree.closes:
            found.append((note.amount_tiyn, note.issued, tree.closes))
    return found


def offline_tiyn(world: World, kids: Sequence[bytes]) -> int:
    """What was taken offline on the devices of these keys, in notes that have not closed."""
    return sum(amount for device in devices_of(world, kids) for amount, _, _ in open_notes(world, device))


def request_rows(world: World, kids: Sequence[bytes]) -> list[Json]:
    """The open requests to pay that these keys posted: how much, until when, and not what is written in them."""
    board = RequestBoard(world.system.ledger, world.system.stores.cabinet, world.clock)
    posted = [one for kid in kids for one in board.requests_of(kid) if one.state == OPEN]
    return [
        {
            "id": one.request.record.id.hex(),
            "amount_tiyn": one.request.record.amount_tiyn,
            "made": one.request.record.made,
            "expires": one.request.record.expires,
        }
        for one in posted
    ]


def movement_rows(world: World, bank: CommercialBank, customer: bytes) -> list[Json]:
    """The newest movements of a deposit, newest first; what came in counts up."""
    account: Account = deposit(bank.bank_id, customer)
    rows = []
    for posting in world.system.books.postings(account):
        moved = sum(line.amount_tiyn for line in posting.lines if line.account == account)
        rows.append(
            {
                "time": posting.time,
                "title": MOVEMENT_TITLES.get(posting.text, posting.text),
                "amount_tiyn": account.natural(moved),
            }
        )
    return rows[::-1][:MOST_MOVEMENTS]
