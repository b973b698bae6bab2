"""A shop's day at the till: takings online and by purpose, the tax in them, what was given back, and offline money.

It reads what everybody can read on the ledger of the shop's own keys, and what settlement knows of the shop's own
devices. A payment that a device has received and nobody has handed in yet is known to the device alone: the page says
so in place of guessing. The payer is an entry of the ledger here, never a name.

Two things are assumptions of this sandbox. The tax is value added tax, taken as part of every price, at the rate of the
day; a broken tiyn is the budget's. And "given back" is a payment of the shop to somebody who had paid it before: the
ledger does not say what a payment is for.
"""

import csv
import datetime
import io
from collections.abc import Mapping, Sequence
from typing import Any

from cbdc.errors import Malformed
from cbdc.money import share
from offline.records import PAY
from offline.settle import CREDITED, DENIED, HELD, HELD_OPEN, LATE
from wallets.site.following import Following, Line, following
from wallets.site.opening import customer_id
from wallets.site.operations import N_, Asked, Download, Json, Operation, Query
from wallets.site.roles.lost import devices_of
from wallets.site.roles.watching import mark_label, page_of
from wallets.site.users import SHOP_ROLE as ROLE
from wallets.site.world import World

PAGE_ROWS = 40
SHOWN_DAYS = 14
# Value added tax in percent, from a year on: 12 % to 2025, 16 % from 2026 (docs/domain.md).
TAX_PERCENT = {2009: 12, 2026: 16}
STATUS_TITLES = {
    CREDITED: N_("brought home, or spent on"),
    HELD: N_("held until it is clear"),
    DENIED: N_("refused"),
    LATE: N_("too late"),
}
WAITING = N_("waiting on the device")
_EPOCH = datetime.date(1970, 1, 1)


def keys_of(asked: Asked) -> list[bytes]:
    """The key ids of the shop, oldest first."""
    return asked.world.system.banks[asked.user.bank_id].customers.keys_of(customer_id(asked.user))


def day_number(world: World, text: str) -> int:
    """The local day (counted from 1 January 1970) that a text YYYY-MM-DD names, today for none; E_SITE_FIELD."""
    if not text:
        return world.system.genesis.policy.day(world.clock.now())
    try:
        return (datetime.date.fromisoformat(text[:10]) - _EPOCH).days
    except ValueError:
        raise Malformed("E_SITE_FIELD", field="day", problem="it is of another kind") from None


def day_text(day: int) -> str:
    """A day as YYYY-MM-DD."""
    return (_EPOCH + datetime.timedelta(days=max(0, min(day, 2_900_000)))).isoformat()


def tax_of(amount_tiyn: int, year: int) -> tuple[int, int]:
    """(the tax in a price that includes it, the rate in percent) in a year; a broken tiyn is the budget's."""
    percent = next((rate for first, rate in sorted(TAX_PERCENT.items(), reverse=True) if year >= first), 12)
    return share(amount_tiyn, percent, 100 + percent, "share")[0], percent


# --- the lines of the ledger ---


def moves(world: World, kids: Sequence[bytes]) -> list[dict[str, Any]]:
    """What came to these keys and what they gave back, oldest first: kind "sale", "back", "paid" or "home" (from the
    shop's devices, by settlement), time, day, entry, id, amount_tiyn, mark."""
    book = following(world.system)
    own = set(kids)
    customers: set[bytes] = set()
    found = []
    for index in sorted({index for kid in kids for index in book.entries_of.get(kid, ())}):
        line = book.lines[index]
        kind, amount = _kind(book, line, own, customers)
        if kind and amount:
            found.append(
                {
                    "kind": kind,
                    "time": line.time,
                    "day": world.system.genesis.policy.day(line.time),
                    "entry": index,
                    "id": line.id.hex(),
                    "amount_tiyn": amount,
                    "mark": mark_label(book, line.marks[0]) if line.marks else "",
                }
            )
    return found


def _kind(book: Following, line: Line, own: set[bytes], customers: set[bytes]) -> tuple[str, int]:
    """What an entry is to a shop, and how much; `customers` are the pseudonyms of those who have paid it so far."""
    tokens = [book.tokens[identity].token for identity in line.made]
    came = sum(token.amount_tiyn for token in tokens if token.lock.holder in own)
    if line.kind == "SettleOffline":
        return "home", came
    payer = book.key(line.payer)
    if line.kind != "Transfer" or payer is None or payer.line != "wallets":
        return "", 0
    if payer.kid not in own:
        customers.add(payer.pseudonym)
        return "sale", came
    given = {
        key.pseudonym for kid in line.payees if (key := book.key(kid)) is not None and key.line == "wallets"
    }
    if not given:
        return "", 0
    return "back" if given & customers else "paid", line.amount_tiyn


# --- offline money ---


def offline_money(world: World, kids: Sequence[bytes]) -> Json:
    """What settlement knows of the shop's devices: payments by status, newest first, and what is still on devices."""
    centre = world.sandbox.field.centre
    devices = devices_of(world, kids)
    waiting_tiyn = sum(centre.known_unspent_tiyn(device) for device in devices)
    graph, _ = centre.reconciler.look()
    rows: list[dict[str, Any]] = []
    for tree in graph.trees.values():
        for oid in dict.fromkeys((*tree.admitted, *tree.late, *tree.refused)):
            transfer = graph.seen.transfer(oid)
            if (
                transfer is None
                or transfer.record.kind != PAY
                or transfer.record.outputs[0].owner not in devices
            ):
                continue
            standing = centre.reconciler.standing(oid)
            if standing is not None:
                is_open = (standing.status, standing.reason) == (HELD, HELD_OPEN)
                rows.append(
                    {
                        "id": oid.hex(),
                        "time": transfer.record.time,
                        "hop": transfer.record.hop,
                        "amount_tiyn": transfer.record.outputs[0].amount_tiyn,
                        "status": WAITING if is_open else STATUS_TITLES[standing.status],
                        "is_good": is_open or standing.status == CREDITED,
                        "code": standing.reason if standing.reason.startswith("E_") else "",
                    }
                )
    rows.sort(key=lambda row: (-row["time"], row["id"]))
    return {"devices": len(devices), "waiting_tiyn": waiting_tiyn, "rows": rows}


# --- the pages ---


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """A day at the till: sums, tax, purposes, refunds, offline money, the list of movements, and the last days."""
    world, kids = asked.world, keys_of(asked)
    today = world.system.genesis.policy.day(world.clock.now())
    day = day_number(world, arguments.get("day", ""))
    every = moves(world, kids)
    rows = [row for row in every if row["day"] == day]
    sums = _sums(rows)
    net_tiyn = sums["sale"] - sums["back"]
    tax_tiyn, percent = tax_of(max(0, net_tiyn), int(day_text(day)[:4]))
    purposes: dict[str, int] = {}
    for row in rows:
        if row["kind"] == "sale":
            purposes[row["mark"]] = purposes.get(row["mark"], 0) + row["amount_tiyn"]
    page, pages, first = page_of(arguments, len(rows), PAGE_ROWS)
    offline = offline_money(world, kids)
    return {
        "day": day_text(day),
        "is_today": day == today,
        "sales": sum(1 for row in rows if row["kind"] == "sale"),
        "sales_tiyn": sums["sale"],
        "back_tiyn": sums["back"],
        "backs": sum(1 for row in rows if row["kind"] == "back"),
        "paid_tiyn": sums["paid"],
        "home_tiyn": sums["home"],
        "net_tiyn": net_tiyn,
        "tax_tiyn": tax_tiyn,
        "tax_percent": percent,
        "purposes": [{"mark": mark, "amount_tiyn": amount} for mark, amount in sorted(purposes.items())],
        "rows": rows[::-1][first : first + PAGE_ROWS],
        "page": page,
        "pages": pages,
        "last_days": _last_days(every, day),
        "wallets": len(kids),
        "devices": offline["devices"],
        "waiting_tiyn": offline["waiting_tiyn"],
        "offline": offline["rows"][:PAGE_ROWS],
    }


def _sums(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    sums = dict.fromkeys(("sale", "back", "paid", "home"), 0)
    for row in rows:
        sums[row["kind"]] += row["amount_tiyn"]
    return sums


def _last_days(rows: Sequence[Mapping[str, Any]], last: int) -> list[Json]:
    """Takings less what was given back, on each of the days up to this one."""
    net = dict.fromkeys(range(last - SHOWN_DAYS + 1, last + 1), 0)
    for row in rows:
        if row["day"] in net and row["kind"] in ("sale", "back"):
            net[row["day"]] += row["amount_tiyn"] if row["kind"] == "sale" else -row["amount_tiyn"]
    return [{"day": day_text(day), "net_tiyn": max(0, amount)} for day, amount in net.items() if day >= 0]


def file(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """The movements of a day as CSV, for a spreadsheet: amounts in whole tiyn; E_SITE_FIELD."""
    day = day_number(asked.world, arguments["day"])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time", "kind", "amount_tiyn", "purpose", "entry", "transaction"))
    for row in moves(asked.world, keys_of(asked)):
        if row["day"] == day:
            # A spreadsheet must never take a purpose's name for a formula.
            mark = f"'{row['mark']}" if row["mark"][:1] in tuple("=+-@\t\r") and row["mark"] else row["mark"]
            writer.writerow((row["time"], row["kind"], row["amount_tiyn"], mark, row["entry"], row["id"]))
    return Download(f"till-{day_text(day)}.csv", text.getvalue().encode(), "text/csv")


QUERIES = (
    Query(ROLE, "till", N_("Till"), home),
    Query(ROLE, "till-file", N_("Till"), file, takes="day", in_menu=False),
)
OPERATIONS: tuple[Operation, ...] = ()
