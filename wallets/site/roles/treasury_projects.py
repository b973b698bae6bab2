"""Projects from allocation to payee: where the money of a purpose went, hop by hop, and where it is now.

Everything is read from the journal. A **flow** is what one holder passed to another under the mark; holders are
pseudonyms. For each purpose, at every moment:

    given = released + made free at a final payee + returned + taken by seizure + offline + in wallets now

A purpose with very many holders is told by groups (category and bank) in place of holders.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cbdc.money import format_tenge
from cbdc.token import TREASURY_ACCOUNT
from wallets.site.following import Following, Line, following
from wallets.site.graph_chart import Edge, Node, drawing, weight_of
from wallets.site.operations import N_, Asked, Json, Operation, Query
from wallets.site.roles.treasury import find_mark, mark_summary
from wallets.site.roles.watching import CATEGORIES, bank_title
from wallets.site.users import TREASURY_ROLE as ROLE

MOST_BOXES = 24

GIVEN, PAID, FREED, RELEASED, RETURNED, SEIZED, LOADED, SETTLED = (
    "given",
    "paid",
    "freed",
    "released",
    "returned",
    "seized",
    "offline",
    "settled",
)
TITLES: Mapping[str, str] = {
    GIVEN: N_("given by the treasury"),
    PAID: N_("paid on with the mark"),
    FREED: N_("free money at the final payee"),
    RELEASED: N_("released on documents"),
    RETURNED: N_("returned to the treasury"),
    SEIZED: N_("taken by seizure"),
    LOADED: N_("taken offline"),
    SETTLED: N_("came home from offline"),
}
TREASURY, FREE, OFFLINE = "treasury", "free", "offline"
_ENDINGS: Mapping[str, str] = {
    TREASURY: N_("treasury"),
    FREE: N_("free money"),
    OFFLINE: N_("offline"),
    f"{TREASURY} again": N_("back at the treasury"),
}
_ENDS = {RELEASED: FREE, RETURNED: TREASURY, SEIZED: TREASURY, LOADED: OFFLINE}


class Flow(NamedTuple):
    """What passed under a mark in one entry: from whom to whom (pseudonyms, or a name of an end), how."""

    entry: int
    time: int
    start: str
    end: str
    amount_tiyn: int
    kind: str


@dataclass(slots=True)
class Place:
    """One holder in a project: what came to it and what became of that; amounts in tiyn."""

    name: str
    came_tiyn: int = 0
    passed_tiyn: int = 0
    free_tiyn: int = 0
    returned_tiyn: int = 0
    offline_tiyn: int = 0
    now_tiyn: int = 0
    depth: int = 0
    sources: Counter[str] = field(default_factory=Counter)


def flows_of(book: Following, mark: bytes) -> Iterator[Flow]:
    """Every flow under a mark, in the order of the journal."""
    for index in book.entries_of.get(mark, ()):
        yield from _flows(book, book.lines[index], mark)


def _flows(book: Following, line: Line, mark: bytes) -> Iterator[Flow]:
    spent = [book.tokens[identity].token for identity in line.spent]
    before = spent[0].mark if spent else b""
    payer = book.keys[line.payer] if line.payer else None
    if payer is None:
        return
    start = _name(book, line.payer)
    for identity in line.made:
        token = book.tokens[identity].token
        end = _name(book, token.lock.holder)
        marked, was = token.mark == mark, before == mark
        if not marked and not was:
            continue
        kind = {
            "ReleaseMark": RELEASED if not marked else "",
            "ExpireMark": RETURNED,
            "Seize": SEIZED if not marked or end == TREASURY else "",
            "LoadOffline": LOADED if end == OFFLINE else "",
            "SettleOffline": SETTLED if end != OFFLINE else "",
        }.get(line.kind, "" if start == end else GIVEN if not was else PAID if marked else FREED)
        if kind:
            yield Flow(line.index, line.time, start, _ENDS.get(kind, end), token.amount_tiyn, kind)


def _name(book: Following, kid: bytes) -> str:
    key = book.keys[kid]
    if key.category == TREASURY_ACCOUNT:
        return TREASURY
    return OFFLINE if key.line == "escrow" else key.pseudonym.hex()


def places_of(book: Following, mark: bytes, flows: list[Flow]) -> list[Place]:
    """Every holder that the money passed, nearest to the treasury first, with what it has now."""
    places: dict[str, Place] = {}
    for flow in flows:
        start = places.setdefault(flow.start, Place(flow.start))
        end = places.setdefault(flow.end, Place(flow.end))
        end.came_tiyn += flow.amount_tiyn
        end.sources[flow.start] += flow.amount_tiyn
        if flow.kind in (GIVEN, PAID, SETTLED):
            start.passed_tiyn += flow.amount_tiyn
        elif flow.kind == RETURNED:
            start.returned_tiyn += flow.amount_tiyn
        elif flow.kind == LOADED:
            start.offline_tiyn += flow.amount_tiyn
        else:
            start.free_tiyn += flow.amount_tiyn
    for _, life in book.unspent():
        if life.token.mark == mark:
            name = _name(book, life.token.lock.holder)
            places.setdefault(name, Place(name)).now_tiyn += life.token.amount_tiyn
    _measure(places, flows)
    shown = [place for place in places.values() if place.name not in (TREASURY, FREE)]
    return sorted(shown, key=lambda place: (place.depth, -place.came_tiyn, place.name))


def _measure(places: Mapping[str, Place], flows: list[Flow]) -> None:
    """How many hops each holder is from the treasury."""
    reached = {TREASURY: 0}
    changed = True
    while changed:
        changed = False
        for flow in flows:
            if flow.start in reached and flow.end not in reached:
                reached[flow.end] = reached[flow.start] + 1
                changed = True
    for place in places.values():
        place.depth = reached.get(place.name, 0)


def projects(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Every purpose with what was given, released, made free, returned and is still there."""
    system = asked.world.system
    book = following(system)
    return {
        "projects": [
            {**mark_summary(asked, book, one), **sums(book, one.oid, list(flows_of(book, one.oid)))}
            for one in reversed(system.treasury.definitions())
        ]
    }


def sums(book: Following, mark: bytes, flows: list[Flow]) -> Json:
    """What became of a purpose's money."""
    totals: Counter[str] = Counter()
    for flow in flows:
        totals[flow.kind] += flow.amount_tiyn
    now: Counter[str] = Counter()
    for _, life in book.unspent():
        if life.token.mark == mark:
            place = OFFLINE if _name(book, life.token.lock.holder) == OFFLINE else "wallets"
            now[place] += life.token.amount_tiyn
    return {
        "given_tiyn": totals[GIVEN],
        "freed_tiyn": totals[FREED],
        "released_tiyn": totals[RELEASED],
        "returned_tiyn": totals[RETURNED],
        "seized_tiyn": totals[SEIZED],
        "loaded_tiyn": totals[LOADED],
        "offline_now_tiyn": now[OFFLINE],
        "wallets_now_tiyn": now["wallets"],
    }


def project(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """One purpose from allocation to the final payee: sums, a graph, a table of holders, and every flow."""
    system = asked.world.system
    book = following(system)
    signed = find_mark(asked, arguments["mark"])
    flows = list(flows_of(book, signed.oid))
    places = places_of(book, signed.oid, flows)
    return {
        **mark_summary(asked, book, signed),
        **sums(book, signed.oid, flows),
        "graph": graph(asked, book, flows, places),
        "places": [_place(asked, book, place) for place in places[:200]],
        "more_places": max(0, len(places) - 200),
        "flows": [
            {
                "entry": flow.entry,
                "time": flow.time,
                "start": _title(asked, book, flow.start),
                "end": _title(asked, book, flow.end),
                "amount_tiyn": flow.amount_tiyn,
                "kind": flow.kind,
                "title": TITLES[flow.kind],
            }
            for flow in flows[-200:]
        ],
        "more_flows": max(0, len(flows) - 200),
    }


def _place(asked: Asked, book: Following, place: Place) -> Json:
    return {
        "who": _title(asked, book, place.name),
        "depth": place.depth,
        "came_tiyn": place.came_tiyn,
        "passed_tiyn": place.passed_tiyn,
        "free_tiyn": place.free_tiyn,
        "returned_tiyn": place.returned_tiyn,
        "offline_tiyn": place.offline_tiyn,
        "now_tiyn": place.now_tiyn,
    }


def _title(asked: Asked, book: Following, name: str) -> Json:
    """Who a name is: an end of the project, or a holder by category, bank and pseudonym."""
    if name in (TREASURY, FREE, OFFLINE):
        return {"end": name, "title": "", "bank": "", "pseudonym": ""}
    key = book.keys_of(bytes.fromhex(name))[-1]
    return {
        "end": "",
        "title": CATEGORIES.get(key.category, ""),
        "bank": bank_title(asked.world.system, key.bank_id),
        "pseudonym": name,
    }


def graph(asked: Asked, book: Following, flows: list[Flow], places: list[Place]) -> Json:
    """The flows as boxes and arrows, from the treasury on; holders are grouped when there are too many of them."""
    grouped = len(places) > MOST_BOXES

    def box(name: str) -> str:
        who = _title(asked, book, name)
        return f"{who['title']} · {who['bank']}" if grouped and not who["end"] else name

    amounts: Counter[tuple[str, str, str]] = Counter()
    came: Counter[str] = Counter()
    for flow in flows:
        end = f"{flow.end} again" if flow.end == TREASURY else flow.end
        start, target = box(flow.start), end if end.endswith(" again") else box(end)
        amounts[start, target, flow.kind] += flow.amount_tiyn
        came[target] += flow.amount_tiyn
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    given = sum(flow.amount_tiyn for flow in flows if flow.kind == GIVEN)
    most = max(amounts.values(), default=0)
    for start, target, kind in amounts:
        for name in (start, target):
            total = given if name == TREASURY else came[name]
            nodes.setdefault(name, Node(format_tenge(total), *_text(asked, book, name), "", _kind(name)))
        if not _leads(edges, target, start):
            edges.append(Edge(start, target, kind, weight_of(amounts[start, target, kind], most)))
    return drawing(nodes, edges)


def _leads(edges: list[Edge], start: str, end: str) -> bool:
    """Whether the arrows so far lead from one box to another: one more would make a circle."""
    waiting, seen = [start], {start}
    while waiting:
        name = waiting.pop()
        if name == end:
            return True
        for edge in edges:
            if edge.start == name and edge.end not in seen:
                seen.add(edge.end)
                waiting.append(edge.end)
    return False


def _text(asked: Asked, book: Following, name: str) -> tuple[str, str]:
    """What stands in a box: a text to be spoken, and what is said as it is."""
    if name in _ENDINGS:
        return _ENDINGS[name], ""
    if " · " in name:
        title, _, bank = name.partition(" · ")
        return title, bank
    return _title(asked, book, name)["title"], name[:8]


def _kind(name: str) -> str:
    return "entry" if name.startswith(TREASURY) else "unspent" if name == FREE else "marked"


OPERATIONS: tuple[Operation, ...] = ()
QUERIES = (
    Query(ROLE, "projects", N_("Projects"), projects),
    Query(ROLE, "projects", N_("Project"), project, takes="mark", in_menu=False),
)
