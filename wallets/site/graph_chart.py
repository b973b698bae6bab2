"""A small graph drawn in columns: what came from what stands left, what it became stands right.

Pages draw it as SVG and put a list with the same words beside it, for who cannot see it and for a narrow screen. Places
are whole numbers of pixels; the same graph always gives the same drawing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BOX_WIDTH = 172
BOX_HEIGHT = 48
COLUMN_GAP = 44
ROW_GAP = 16
MARGIN = 8
HEAVIEST = 6


@dataclass(frozen=True, slots=True)
class Node:
    """A box: its title, a text that is spoken in the page's language with `more` behind it, where it leads, what it is
    (classes of the drawing), and whether it is the subject."""

    title: str
    text: str
    more: str = ""
    path: str = ""
    kind: str = "token"
    subject: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow between two boxes; `kind` is a class of the drawing, `weight` (1 to `HEAVIEST`) how broad it is."""

    start: str
    end: str
    kind: str = "flow"
    weight: int = 1


def weight_of(amount: int, most: int) -> int:
    """How broad the arrow of an amount is beside the one of the largest: 1 to `HEAVIEST`, rounded down."""
    return max(1, HEAVIEST * amount // max(1, most))


def drawing(nodes: Mapping[str, Node], edges: Sequence[Edge]) -> dict[str, Any]:
    """Where every box and arrow stands: {width, height, boxes, arrows}. The edges make no circle."""
    columns = _columns(nodes, edges)
    places: dict[str, tuple[int, int]] = {}
    parents: dict[str, list[str]] = {name: [] for name in nodes}
    for edge in edges:
        parents[edge.end].append(edge.start)
    tallest = 0
    for column in range(max(columns.values(), default=0) + 1):
        names = [name for name in nodes if columns[name] == column]
        names.sort(key=lambda name: (_wish(parents[name], places), list(nodes).index(name)))
        tallest = max(tallest, len(names))
        for row, name in enumerate(names):
            x = MARGIN + column * (BOX_WIDTH + COLUMN_GAP)
            places[name] = (x, MARGIN + row * (BOX_HEIGHT + ROW_GAP))
    width = 2 * MARGIN + (max(columns.values(), default=0) + 1) * (BOX_WIDTH + COLUMN_GAP) - COLUMN_GAP
    boxes = [
        {
            "x": places[name][0],
            "y": places[name][1],
            "title": node.title,
            "text": node.text,
            "more": node.more,
            "path": node.path,
            "kind": node.kind,
            "subject": node.subject,
        }
        for name, node in nodes.items()
    ]
    return {
        "width": width,
        "height": 2 * MARGIN + max(1, tallest) * (BOX_HEIGHT + ROW_GAP) - ROW_GAP,
        "box_width": BOX_WIDTH,
        "box_height": BOX_HEIGHT,
        "boxes": boxes,
        "arrows": [
            {
                "line": _arrow(places[edge.start], places[edge.end]),
                "kind": edge.kind,
                "weight": edge.weight,
            }
            for edge in edges
        ],
    }


def _columns(nodes: Mapping[str, Node], edges: Sequence[Edge]) -> dict[str, int]:
    """The column of each box: one more than the last of those it comes from."""
    columns = dict.fromkeys(nodes, 0)
    for _ in range(len(nodes)):
        moved = False
        for edge in edges:
            if columns[edge.end] <= columns[edge.start]:
                columns[edge.end] = columns[edge.start] + 1
                moved = True
        if not moved:
            break
    return columns


def _wish(parents: Sequence[str], places: Mapping[str, tuple[int, int]]) -> int:
    """Where a box would like to stand: at the height of those it comes from."""
    heights = [places[name][1] for name in parents if name in places]
    return sum(heights) // len(heights) if heights else 0


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT // 2
    x2, y2 = end[0], end[1] + BOX_HEIGHT // 2
    bend = max(16, (x2 - x1) // 2)
    return f"M {x1} {y1} C {x1 + bend} {y1}, {x2 - bend} {y2}, {x2} {y2}"
