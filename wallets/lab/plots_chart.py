"""The plots of the laboratory: SVG pictures that stand alone, made of whole numbers, and one page that shows them all.

A plot has an axis of the sweep across (numbers, or words side by side) or the days or hops of each run, and one
measure up; every combination of the other axes is a line of its own, told apart by colour, by the shape of its marks
and by a key with its name. The same results give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wallets.lab.results import value
from wallets.lab.tables_report import shown, text
from wallets.pilot import charts
from wallets.pilot.markup import Markup, tag
from wallets.pilot.style import style_sheet

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 96, 24, 44, 44
LINE = 18
COLOURS = ("#0b6e99", "#b3541e", "#3f7d3a", "#7a3e9d", "#a3123f", "#6b6b00", "#1d4ed8", "#444444")
_DASHES = ("", "6 3", "2 3", "9 3 2 3")
_FONT = "font-family:system-ui,sans-serif;font-size:12px;fill:#222"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_DISCLAIMER = "This is test money. The sandbox is not affiliated with the National Bank of Kazakhstan."
BY_HOP, BY_DAY = "hop", "day"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a plot shows: its words, the places across with their labels, and each line's (place, value) by name."""

    title: str
    across: str
    measure: str
    labels: tuple[tuple[int, str], ...]
    lines: Mapping[str, tuple[tuple[int, int], ...]]


def drawn(found: Mapping[str, Any], plot: Mapping[str, str]) -> Drawn:
    """One plot of the results as data."""
    across, wanted = plot["x"], measures_of(plot["y"])
    axes = [axis["name"] for axis in found["axes"]]
    lines: dict[str, list[tuple[int, int]]] = {}
    for run in found["runs"]:
        for measure in wanted:
            words = [measure] if len(wanted) > 1 else []
            words += [f"{name} {run['point'][name]}" for name in axes if name != across]
            points = lines.setdefault(", ".join(words) or "all", [])
            points += _points(found, run, across, measure)
    if across in axes:
        labels = [(place, _said(one)) for one, place in _places(found, across).items()]
    else:
        labels = [(place, str(place)) for place in sorted({x for line in lines.values() for x, _ in line})]
    whole = {name: tuple(sorted(points)) for name, points in lines.items() if points}
    return Drawn(plot["title"], across, wanted[0], tuple(labels), whole)


def measures_of(text: str) -> list[str]:
    """The measures that a plot names, between commas."""
    return [one.strip() for one in text.split(",") if one.strip()]


def _places(found: Mapping[str, Any], across: str) -> dict[Any, int]:
    """Where each value of an axis stands: numbers at their own place, if all fit on one scale; else side by side."""
    values = next(axis["values"] for axis in found["axes"] if axis["name"] == across)
    even = all(isinstance(one, int) for one in values) and max(values) <= 12 * max(1, min(values))
    return {one: one if even else number for number, one in enumerate(values)}


def _points(
    found: Mapping[str, Any], run: Mapping[str, Any], across: str, measure: str
) -> list[tuple[int, int]]:
    measured = run["measures"]
    if across == BY_HOP:
        return [(int(hop), row[measure]) for hop, row in measured["hops"].items() if measure in row]
    if across == BY_DAY:
        return list(enumerate(measured.get(measure, [])))
    level = value(measured, measure)
    return [] if level is None else [(_places(found, across)[run["point"][across]], level)]


def _said(one: object) -> str:
    return f"{one:,}" if isinstance(one, int) else str(one)


def svg(picture: Drawn, number: int = 1) -> str:
    """The picture as a file of its own."""
    return f"{_svg(picture, number)}\n"


def _svg(picture: Drawn, number: int) -> Markup:
    points = [point for line in picture.lines.values() for point in line]
    places = [place for place, _ in picture.labels] or [0]
    low, high = min(0, *(level for _, level in points), 0), max([level for _, level in points], default=0)
    marks = _marks(picture.measure, low, high)
    left, right = min(places), max(places)
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def spot(place: int, level: int) -> tuple[int, int]:
        x = LEFT + wide // 2 if left == right else LEFT + (place - left) * wide // (right - left)
        return x, TOP + (marks[-1] - level) * tall // (marks[-1] - marks[0])

    shapes: list[Markup] = [tag("rect", x=0, y=0, width="100%", height="100%", fill="#ffffff")]
    shapes.append(tag("text", picture.title, x=LEFT, y=20, style=_FONT + ";font-weight:600;font-size:14px"))
    for level in marks:
        y = spot(left, level)[1]
        shapes.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, stroke="#dddddd"))
        label = shown(picture.measure, level)
        shapes.append(tag("text", label, x=LEFT - 8, y=y + 4, text_anchor="end", style=_FONT))
    for place, label in _chosen(picture.labels):
        x = spot(place, marks[0])[0]
        shapes.append(tag("text", label, x=x, y=HEIGHT - BOTTOM + 18, text_anchor="middle", style=_FONT))
    shapes.append(tag("text", picture.across, x=WIDTH - RIGHT, y=HEIGHT - 8, text_anchor="end", style=_FONT))
    key_height = LINE * len(picture.lines) if len(picture.lines) > 1 else 0
    for order, (name, line) in enumerate(picture.lines.items()):
        shapes += _line(picture, order, name, [(spot(*point), point) for point in line])
        if key_height:
            shapes += _key(order, name)
    words = f"{picture.title}: {picture.measure} over {picture.across}"
    return tag(
        "svg",
        tag("title", words, id=f"plot-{number}"),
        shapes,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT + key_height}",
        width=WIDTH,
        height=HEIGHT + key_height,
        role="img",
        aria_labelledby=f"plot-{number}",
    )


def _line(
    picture: Drawn, order: int, name: str, spots: Sequence[tuple[tuple[int, int], tuple[int, int]]]
) -> list[Markup]:
    colour, dash = COLOURS[order % len(COLOURS)], _DASHES[order % len(_DASHES)]
    path = " ".join(f"{x},{y}" for (x, y), _ in spots)
    found = [
        tag(
            "polyline", points=path, fill="none", stroke=colour, stroke_width=2, stroke_dasharray=dash or None
        )
    ]
    said = dict(picture.labels)
    for (x, y), (place, level) in spots:
        words = f"{name}, {picture.across} {said.get(place, place)}: {shown(picture.measure, level)}"
        found.append(tag("circle", tag("title", words), cx=x, cy=y, r=4, fill=colour))
    return found


def _key(order: int, name: str) -> list[Markup]:
    y = HEIGHT + order * LINE
    colour, dash = COLOURS[order % len(COLOURS)], _DASHES[order % len(_DASHES)]
    line = tag(
        "line",
        x1=LEFT,
        x2=LEFT + 32,
        y1=y,
        y2=y,
        stroke=colour,
        stroke_width=2,
        stroke_dasharray=dash or None,
    )
    return [line, tag("text", name, x=LEFT + 40, y=y + 4, style=_FONT)]


def _marks(measure: str, low: int, high: int) -> list[int]:
    """Round values for the lines across, from the lowest to the highest."""
    if low < 0:
        return [low + (max(high, low + 4) - low) * step // 4 for step in range(5)]
    if measure.endswith("_tiyn") or measure.startswith("borne_tiyn."):
        return charts.ticks(high)
    if measure.endswith("_seconds"):
        return [hours * 3_600 for hours in charts.number_ticks(-(-high // 3_600))]
    if measure.endswith("_permille") and high > 500:
        return [0, 200, 400, 600, 800, 1_000]
    return charts.number_ticks(high)


def _chosen(labels: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """At most twelve labels, the first and the last among them."""
    if len(labels) <= 12:
        return list(labels)
    return [labels[number * (len(labels) - 1) // 11] for number in range(12)]


def pictures(found: Mapping[str, Any]) -> list[tuple[str, Drawn]]:
    """(file name, picture) of every plot that the configuration asks for."""
    return [
        (f"{found['name']}-{number}.svg", drawn(found, plot))
        for number, plot in enumerate(found["plots"], start=1)
    ]


def page(found: Mapping[str, Any]) -> str:
    """One page with all plots and all tables; self-contained, without a script."""
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{found['name']}: laboratory"),
        tag("style", Markup(style_sheet())),
    ]
    plots = [
        tag("section", tag("figure", _svg(picture, number)))
        for number, (_, picture) in enumerate(pictures(found), start=1)
    ]
    body = [
        tag("header", tag("h1", found["name"]), tag("p", found["title"]), class_="top"),
        tag("main", plots, tag("section", tag("h2", "Tables"), tag("pre", text(found)), class_="scroll")),
        tag("footer", tag("div", tag("p", _DISCLAIMER))),
    ]
    whole = tag("html", tag("head", head), tag("body", body), lang="en")
    return f"<!doctype html>\n{whole}\n"
