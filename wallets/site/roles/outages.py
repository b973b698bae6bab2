"""Outages at the operator's desk: who is cut off and by what, a picture of it, and how to put it back.

The network is **simulated**: the server refuses what a cut wallet asks, as one that is not there would. A wallet is cut
by itself or with its region; what is offline meanwhile goes from device to device.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wallets.site.graph_chart import Edge, Node, drawing
from wallets.site.opening import STREET, bank_title, customer_id
from wallets.site.operations import N_, Asked, Json, Operation, Query
from wallets.site.roles.operator import regions_of
from wallets.site.roles.watching import page_of
from wallets.site.users import OPERATOR_ROLE as ROLE
from wallets.site.world import World

PAGE_ROWS = 25
MOST_DRAWN = 18
_SERVER = "server"


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Regions and wallets, each with network or cut off and by what; a page of those searched for; the picture."""
    world, cut = asked.world, set(asked.world.memory.outages)
    wanted = arguments.get("search", "").strip().casefold()[:64]
    every = wallets(world)
    found = [
        row
        for row in every
        if not wanted
        or wanted in row["owner"].casefold()
        or row["kid"].startswith(wanted)
        or wanted == row["region"].casefold()
    ]
    page, pages, first = page_of(arguments, len(found), PAGE_ROWS)
    regions = [
        {
            "name": name,
            "is_cut": name in cut,
            "wallets": sum(1 for row in every if row["region"] == name),
        }
        for name in regions_of(world)
    ]
    return {
        "regions": regions,
        "wallets": found[first : first + PAGE_ROWS],
        "found": len(found),
        "search": wanted,
        "page": page,
        "pages": pages,
        "cut_off": sum(1 for row in every if row["why"]),
        "all": len(every),
        "drawing": picture(regions, every),
        "undrawn": max(0, len(every) - MOST_DRAWN),
    }


def wallets(world: World) -> list[dict[str, Any]]:
    """Every wallet that a bank knows: owner, bank, region ("" where none is known), and why it is cut off ("" if not):
    "wallet" by itself, "region" with its region. Those cut off come first."""
    cut = set(world.memory.outages)
    regions = {customer_id(user): user.region for user in world.users.all() if user.is_customer}
    regions |= {
        member.customer: resident.region for member, resident in zip(world.street, STREET, strict=False)
    }
    rows = []
    for bank in world.system.banks.values():
        customers = {one.id: one for one in bank.customers.all()}
        for kid, owner in bank.customers.all_keys():
            region = regions.get(owner, "")
            why = "wallet" if kid.hex() in cut else "region" if region and region in cut else ""
            rows.append(
                {
                    "kid": kid.hex(),
                    "owner": customers[owner].name,
                    "bank": bank_title(bank.name),
                    "region": region,
                    "why": why,
                }
            )
    return sorted(rows, key=lambda row: (not row["why"], row["region"], row["owner"]))


def picture(regions: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> Json:
    """The server, the regions that have wallets, and the first wallets, with the lines that are cut off."""
    nodes = {_SERVER: Node(N_("Server"), N_("banks and ledger"), kind="entry")}
    edges: list[Edge] = []
    drawn = rows[:MOST_DRAWN]
    there = {row["region"] for row in drawn}
    for region in regions:
        if region["name"] in there:
            kind = "cut" if region["is_cut"] else "flow"
            text = N_("cut off") if region["is_cut"] else N_("connected")
            nodes[f"region {region['name']}"] = Node(region["name"], text, kind=kind)
            edges.append(Edge(_SERVER, f"region {region['name']}", kind))
    for row in drawn:
        start = f"region {row['region']}" if f"region {row['region']}" in nodes else _SERVER
        text = N_("cut off") if row["why"] else N_("connected")
        kind = "cut" if row["why"] else "unspent"
        nodes[row["kid"]] = Node(row["owner"], text, row["kid"][:6], kind=kind)
        edges.append(Edge(start, row["kid"], "cut" if row["why"] == "wallet" else "flow"))
    return drawing(nodes, edges)


QUERIES: tuple[Query, ...] = (Query(ROLE, "outages", N_("Outages"), home),)
OPERATIONS: tuple[Operation, ...] = ()
