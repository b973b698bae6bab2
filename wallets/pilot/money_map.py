"""The money map: where digital tenge went from issue to redemption, as a flow diagram of whole numbers.

Parties stand in columns from left to right: the National Bank that issues, banks and treasury, the groups of the cast
in the order in which money reaches them, banks that take digital tenge back, the National Bank that redeems. A band is
what went from one to the other, as high as its share; a band that goes back, against the order of the columns, runs
below as a dashed line. The same figures stand in a table beside it, which is the page's business.

The drawing is made from flows as the report has them (`from`, `to`, `tiyn`); it decides nothing about money. A party
that both hands out and takes back (a bank, the treasury) is drawn twice, so that the picture reads in one direction.
Coordinates are whole numbers: the same flows give the same bytes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wallets.pilot.markup import Markup, join, tag
from wallets.pilot.tongue import Tongue

WIDTH = 1_000
# So many columns fit into the width; each further one makes the drawing wider.
_FITTING = 7
_COLUMN_WIDTH = 138
_LETTER_WIDTH = 8
HEIGHT = 400
_NODE_WIDTH = 12
_GAP = 34
_LINE_HEIGHT = 15
_LABEL_SIDE = 118
_MOST_NODES = 24
_OUT, _IN = "+", "-"
_SPLIT = "treasury"
_BACK_ROOM = 26

Edge = tuple[str, str]


@dataclass(slots=True)
class Node:
    """One box: a party, or one of its two sides. `value_tiyn` is the larger of what came and what went."""

    id: str
    party: str
    style: str
    column: int = 0
    top: int = 0
    height: int = 0
    value_tiyn: int = 0
    inside_tiyn: int = 0
    used: dict[str, int] = field(default_factory=lambda: {_OUT: 0, _IN: 0})


def edges_of(flows: Sequence[Mapping[str, Any]]) -> dict[Edge, int]:
    """The bands: (from, to) in the names of sides, and how much. What passed between devices is not on the ledger."""
    rows = [
        (str(row["from"]), str(row["to"]), row["tiyn"])
        for row in flows
        if row.get("action") != "offline_payment" and all(row.get(key) for key in ("from", "to", "tiyn"))
    ]
    gives = {source for source, target, _ in rows if target != "national_bank"}
    edges: dict[Edge, int] = {}
    for source, target, tiyn in rows:
        pair = _side(source, target, True, gives), _side(target, source, False, gives)
        edges[pair] = edges.get(pair, 0) + tiyn
    return edges


def _side(party: str, other: str, leaving: bool, gives: set[str]) -> str:
    """The side of a party that a flow touches: banks, treasury and National Bank have one to give, one to take."""
    if party == "national_bank":
        return party + (_OUT if leaving else _IN)
    if party.startswith("bank/"):
        return party + (_IN if (other == "national_bank") == leaving else _OUT)
    if party == _SPLIT and party in gives:
        from_above = other == "national_bank" or other.startswith("bank/")
        return party + (_OUT if leaving != from_above else _IN)
    return party


def order_of(edges: Mapping[Edge, int]) -> list[str]:
    """The nodes in an order in which as little money as may be goes back.

    Found by the greedy rule: sources first, sinks last, and where all is in circles the node that gives most more than
    it takes. Source: Eades, Lin and Smyth, a fast and effective heuristic for the feedback arc set problem, 1993.
    """
    left = {node for edge in edges for node in edge}
    flows = {edge: tiyn for edge, tiyn in edges.items() if edge[0] != edge[1]}
    first: list[str] = []
    last: list[str] = []
    while left:
        inner = {edge: tiyn for edge, tiyn in flows.items() if edge[0] in left and edge[1] in left}
        gives, takes = dict.fromkeys(left, 0), dict.fromkeys(left, 0)
        for (source, target), tiyn in inner.items():
            gives[source] += tiyn
            takes[target] += tiyn
        sinks = sorted(node for node in left if not gives[node])
        sources = sorted(node for node in left if not takes[node])
        if sources:
            first += sources
            left -= set(sources)
        elif sinks:
            last = sinks + last
            left -= set(sinks)
        else:
            best = min(left, key=lambda node: (takes[node] - gives[node], node))
            first.append(best)
            left.remove(best)
    return first + last


def columns_of(edges: Mapping[Edge, int]) -> tuple[dict[str, int], set[Edge]]:
    """The column of each node, and the edges that go back: the longest way over the edges that go forward."""
    order = order_of(edges)
    place = {node: number for number, node in enumerate(order)}
    forward = [edge for edge in edges if place[edge[0]] < place[edge[1]]]
    columns = dict.fromkeys(order, 0)
    for node in order:
        for source, target in forward:
            if source == node and not (source.endswith(_IN) and not target.endswith(_IN)):
                columns[target] = max(columns[target], columns[source] + 1)
    # What takes back stands at the end, the National Bank last of all.
    last = [node for node in order if node.endswith(_IN)]
    end = max([columns[node] for node in order if node not in last], default=0) + 1
    for node in last:
        columns[node] = end + (node == f"national_bank{_IN}" and any(n.startswith("bank/") for n in last))
    back = {edge for edge in edges if edge[0] != edge[1] and columns[edge[0]] >= columns[edge[1]]}
    return columns, back


def _style(party: str) -> str:
    kinds = {
        "national_bank": "circulating",
        "treasury": "treasury",
        "escrow": "escrow",
        "loss_reserve": "loss",
    }
    return kinds.get(party, "bank" if party.startswith("bank/") else "wallets")


def _nodes(edges: Mapping[Edge, int], columns: Mapping[str, int]) -> dict[str, Node]:
    nodes = {name: Node(name, name.rstrip(_OUT + _IN), _style(name.rstrip(_OUT + _IN))) for name in columns}
    came, went = dict.fromkeys(nodes, 0), dict.fromkeys(nodes, 0)
    for (source, target), amount_tiyn in edges.items():
        if source == target:
            nodes[source].inside_tiyn += amount_tiyn
        else:
            went[source] += amount_tiyn
            came[target] += amount_tiyn
    for name, node in nodes.items():
        node.column = columns[name]
        node.value_tiyn = max(came[name], went[name])
    return nodes


def _place(nodes: Mapping[str, Node], edges: Mapping[Edge, int]) -> None:
    """Heights by share, and places in each column by where the money came from."""
    count = max(node.column for node in nodes.values()) + 1
    rows = [[node for node in nodes.values() if node.column == place] for place in range(count)]
    room = min(HEIGHT - _GAP * (len(row) - 1) for row in rows if row)
    most = max([sum(node.value_tiyn for node in row) for row in rows]) or 1
    for node in nodes.values():
        node.height = max(node.value_tiyn * max(room, HEIGHT // 4) // most, 3)
    for row in rows:
        row.sort(key=lambda node: (_middle_of_sources(node, nodes, edges), node.id))
        total = sum(node.height for node in row) + _GAP * (len(row) - 1)
        top = max((HEIGHT - total) // 2, 0)
        for node in row:
            node.top = top
            top += node.height + _GAP


def _middle_of_sources(node: Node, nodes: Mapping[str, Node], edges: Mapping[Edge, int]) -> int:
    weights = [
        (nodes[source].top + nodes[source].height // 2, amount_tiyn)
        for (source, target), amount_tiyn in edges.items()
        if target == node.id and nodes[source].column < node.column
    ]
    total = sum(amount_tiyn for _, amount_tiyn in weights)
    return sum(middle * amount_tiyn for middle, amount_tiyn in weights) // total if total else 0


def draw(
    words: Tongue,
    identity: str,
    title: str,
    description: str,
    flows: Sequence[Mapping[str, Any]],
    name: Callable[[str], str],
) -> Markup | None:
    """The map of these flows; `name` gives a party's name for a person. None when nothing moved."""
    edges = edges_of(flows)
    if not any(source != target for source, target in edges):
        return None
    columns, back = columns_of(edges)
    if len(columns) > _MOST_NODES:
        return None
    nodes = _nodes(edges, columns)
    _place(nodes, edges)
    count = max(columns.values()) + 1
    width = WIDTH if count <= _FITTING else count * _COLUMN_WIDTH
    step = (width - _LABEL_SIDE - _NODE_WIDTH) // max(count - 1, 1)
    places = {node.id: node.column * step for node in nodes.values()}
    deepest = max(node.top + node.height for node in nodes.values())
    bands = [
        _band(words, nodes, places, edge, edges[edge], name)
        for edge in sorted(edges, key=lambda edge: (nodes[edge[0]].top, nodes[edge[1]].top, edge))
        if edge[0] != edge[1] and edge not in back
    ]
    lines = [
        _back(words, nodes, places, edge, edges[edge], name, deepest + 12 + _BACK_ROOM * place // 2)
        for place, edge in enumerate(sorted(back))
    ]
    letters = max((min(step, _LABEL_SIDE + _NODE_WIDTH) - _NODE_WIDTH - 8) // _LETTER_WIDTH, 8)
    boxes = [_box(words, node, places[node.id], name, letters) for node in nodes.values()]
    height = deepest + 30 + _BACK_ROOM * len(back) // 2
    return tag(
        "svg",
        tag("title", title, id=f"{identity}-title"),
        tag("desc", description, id=f"{identity}-description"),
        tag("g", bands),
        tag("g", lines) if lines else None,
        boxes,
        class_="map" if count <= _FITTING else "map broad",
        viewBox=f"0 -14 {width} {height + 14}",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-description",
        focusable="false",
    )


def _told(
    words: Tongue, nodes: Mapping[str, Node], edge: Edge, tiyn: int, name: Callable[[str], str]
) -> Markup:
    source, target = (name(nodes[end].party) for end in edge)
    return tag("title", f"{source} \u2192 {target}: {words.money(tiyn)}")


def _thick(nodes: Mapping[str, Node], end: str, tiyn: int) -> int:
    node = nodes[end]
    return max(tiyn * node.height // node.value_tiyn, 1) if node.value_tiyn else 1


def _band(
    words: Tongue,
    nodes: Mapping[str, Node],
    places: Mapping[str, int],
    edge: Edge,
    tiyn: int,
    name: Callable[[str], str],
) -> Markup:
    source, target = nodes[edge[0]], nodes[edge[1]]
    thick = _thick(nodes, source.id, tiyn)
    x1, x2 = places[source.id] + _NODE_WIDTH, places[target.id]
    y1, y2 = source.top + source.used[_OUT], target.top + target.used[_IN]
    source.used[_OUT] += thick
    target.used[_IN] += _thick(nodes, target.id, tiyn)
    bend = (x1 + x2) // 2
    path = (
        f"M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}"
        f"V{y2 + thick}C{bend} {y2 + thick} {bend} {y1 + thick} {x1} {y1 + thick}Z"
    )
    return tag("path", _told(words, nodes, edge, tiyn, name), d=path, class_=f"band {source.style}")


def _back(
    words: Tongue,
    nodes: Mapping[str, Node],
    places: Mapping[str, int],
    edge: Edge,
    tiyn: int,
    name: Callable[[str], str],
    depth: int,
) -> Markup:
    source, target = nodes[edge[0]], nodes[edge[1]]
    x1, x2 = places[source.id] + _NODE_WIDTH, places[target.id]
    y1, y2 = source.top + source.height, target.top + target.height
    path = f"M{x1} {y1}C{x1 + 40} {y1} {x1 + 40} {depth} {x1} {depth}H{x2}C{x2 - 30} {depth} {x2 - 30} {y2} {x2} {y2}"
    return tag("path", _told(words, nodes, edge, tiyn, name), d=path, class_=f"back {source.style}")


def _box(words: Tongue, node: Node, x: int, name: Callable[[str], str], letters: int) -> Markup:
    shape = tag("rect", x=x, y=node.top, width=_NODE_WIDTH, height=node.height, class_=f"node {node.style}")
    bold = wrapped(name(node.party), letters)
    inside = wrapped(words.say("map.inside", amount=words.money(node.inside_tiyn)), letters)
    lines = [*bold, words.money(node.value_tiyn), *(inside if node.inside_tiyn else ())]
    first = max(node.top + node.height // 2 - (len(lines) - 1) * _LINE_HEIGHT // 2 + 4, 0)
    texts = [
        tag(
            "text",
            line,
            x=x + _NODE_WIDTH + 5,
            y=first + place * _LINE_HEIGHT,
            class_="label halo" if place < len(bold) else "halo",
        )
        for place, line in enumerate(lines)
    ]
    return join(shape, texts)


def wrapped(text: str, letters: int) -> list[str]:
    """A name in up to three lines of so many letters, broken at spaces and hyphens; the rest ends in an ellipsis."""
    lines: list[str] = []
    for word in re.findall(r"[^ -]*-|[^ -]+", text):
        joint = "" if lines and lines[-1].endswith("-") else " "
        if lines and len(lines[-1]) + len(joint) + len(word) <= letters:
            lines[-1] += f"{joint}{word}"
        else:
            lines.append(word)
    cut = [line if len(line) <= letters + 2 else f"{line[: letters + 1]}\u2026" for line in lines]
    return cut if len(cut) <= 3 else [*cut[:2], f"{cut[2]}\u2026"]
