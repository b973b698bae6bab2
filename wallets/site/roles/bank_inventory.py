"""A commercial bank's inventory: orders and redemptions with what became of them, and the small double-entry book.

An order is a signed request in the operator's register, and the National Bank's officers decide about it; the bank can
only wait. What a refused request was refused for is shown as the register has it.

The book's two sides are equal or the page says so, and what the book calls the inventory is counted a second time in
tokens on the ledger. The chart folds the bank's own postings by local day.
"""

import datetime
from collections.abc import Mapping

from cbdc.accounts import Account, inventory, ordered, reserves
from cbdc.distribution import CommercialBank
from wallets.site.opening import bank_title
from wallets.site.operations import N_, Asked, Json, Operation, Query
from wallets.site.roles.bank import bank
from wallets.site.roles.parts import STATE_TITLES, request_row, sheet_rows
from wallets.site.roles.watching import page_of
from wallets.site.users import BANK_ROLE
from wallets.site.world import World

PAGE_ROWS = 25
MOST_DAYS = 60
DAY_SECONDS = 86_400
_EPOCH = datetime.date(1970, 1, 1)


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Inventory and reserves, the balance sheet and its chart, and every request of the bank with its state."""
    mine, world = bank(asked), asked.world
    register = world.system.register
    wanted = arguments.get("state", "")
    wanted = wanted if wanted in STATE_TITLES else ""
    mine_all = [
        one for one in (*reversed(register.open()), *reversed(register.closed())) if one.party == mine.bank_id
    ]
    found = [one for one in mine_all if not wanted or one.state_name == wanted]
    page, pages, first = page_of(arguments, len(found), PAGE_ROWS)
    sheet = mine.balance_sheet()
    booked_tiyn = world.system.books.balance(inventory(mine.bank_id))
    return {
        "bank_title": bank_title(mine.name),
        "inventory_tiyn": mine.inventory_tiyn(),
        "booked_tiyn": booked_tiyn,
        "reserve_tiyn": world.system.national_bank.reserve_tiyn(mine.bank_id),
        "waiting_tiyn": sum(
            one.amount_tiyn for one in mine_all if one.state_name in ("registered", "approved")
        ),
        "sheet": sheet_rows(sheet),
        "is_balanced": sheet.assets_tiyn == sheet.claims_tiyn,
        "is_counted": booked_tiyn == mine.inventory_tiyn(),
        "days": by_day(world, mine),
        "requests": [request_row(world, one) for one in found[first : first + PAGE_ROWS]],
        "found": len(found),
        "state": wanted,
        "states": list(STATE_TITLES.items()),
        "page": page,
        "pages": pages,
    }


def by_day(world: World, mine: CommercialBank) -> list[Json]:
    """What the bank has at the end of each local day on which it moved: reserves, inventory, orders in progress."""
    offset = world.system.genesis.policy.day_offset_seconds
    accounts = {
        "reserves_tiyn": reserves(mine.bank_id),
        "inventory_tiyn": inventory(mine.bank_id),
        "ordered_tiyn": ordered(mine.bank_id),
    }
    moved = {name: _moves(world, account, offset) for name, account in accounts.items()}
    has = dict.fromkeys(accounts, 0)
    rows = []
    for day in sorted({day for moves in moved.values() for day in moves}):
        for name in has:
            has[name] += moved[name].get(day, 0)
        rows.append({"day": (_EPOCH + datetime.timedelta(days=day)).isoformat(), **has})
    return rows[-MOST_DAYS:]


def _moves(world: World, account: Account, offset_seconds: int) -> dict[int, int]:
    """How an account grew on each local day, in tiyn."""
    grown: dict[int, int] = {}
    for posting in world.system.books.postings(account):
        day = (posting.time + offset_seconds) // DAY_SECONDS
        moved = sum(line.amount_tiyn for line in posting.lines if line.account == account)
        grown[day] = grown.get(day, 0) + account.natural(moved)
    return grown


QUERIES: tuple[Query, ...] = (Query(BANK_ROLE, "inventory", N_("Inventory"), home),)
OPERATIONS: tuple[Operation, ...] = ()
