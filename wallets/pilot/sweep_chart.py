"""The page of a sweep: one plot for each fact, and the figures in a table. Self-contained, without a script.

Across is the first parameter; each combination of the others (and of the seeds, where there are several) is a line of
its own. Positions are whole numbers of a fixed grid, so the same results give the same bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wallets.pilot import charts
from wallets.pilot.markup import Markup, join, tag
from wallets.pilot.style import style_sheet

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 110, 20, 16, 40
LINES = 8  # lines of different look; the table tells the rest apart
_COLOURS = ("--bank", "--treasury", "--wallets", "--escrow", "--loss", "--circulating", "--accent", "--soft")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_DISCLAIMER = "This is test money. The sandbox is not affiliated with the National Bank of Kazakhstan."


def page(found: Mapping[str, Any]) -> str:
    """The whole page of a sweep's results."""
    title = f"{found['pilot']}: sweep"
    settings = ", ".join(f"{name} = {value}" for name, value in found["settings"].items())
    said = f"{len(found['runs'])} runs. Kept the same: {settings or 'the defaults'}."
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(style_sheet())),
    ]
    body = [
        tag("header", tag("h1", title), tag("p", said), class_="top"),
        tag(
            "main",
            [_figure(found, fact) for fact in found["facts"]],
            tag("section", tag("h2", "Figures"), _table(found)),
        ),
        tag("footer", tag("div", tag("p", _DISCLAIMER))),
    ]
    whole = tag("html", tag("head", head), tag("body", body), lang="en")
    return f"<!doctype html>\n{whole}\n"


def lines(found: Mapping[str, Any], fact: str) -> dict[str, list[tuple[int, int]]]:
    """The points (value of the first parameter, value of the fact) of each line, by its name."""
    names = found["swept"]
    seeds = len({row["seed"] for row in found["runs"]}) > 1
    drawn: dict[str, list[tuple[int, int]]] = {}
    for row in found["runs"]:
        if fact in row["facts"]:
            others = [f"{name} = {row['parameters'][name]:,}" for name in names[1:]]
            others += [f"seed {row['seed']}"] if seeds or not names else []
            across = row["parameters"][names[0]] if names else row["seed"]
            drawn.setdefault(", ".join(others) or fact, []).append((across, row["facts"][fact]))
    return {name: sorted(points) for name, points in drawn.items()}


def _figure(found: Mapping[str, Any], fact: str) -> Markup:
    drawn = lines(found, fact)
    name = next(iter(found["swept"]), "seed")
    if not drawn:
        return tag("section", tag("h2", fact), tag("p", "No run ended."))
    key = [
        tag("p", tag("span", "\u25cf ", style=f"color:var({_COLOURS[place % LINES]})"), line, class_="soft")
        for place, line in enumerate(drawn)
    ]
    caption = tag("figcaption", tag("span", f"{_unit(fact)} over {name}"))
    return tag(
        "section",
        tag("h2", fact),
        tag("figure", caption, _plot(name, fact, drawn), key if len(drawn) > 1 else None),
    )


def _unit(fact: str) -> str:
    return "tenge" if fact.endswith("_tiyn") else "count"


def _shown(fact: str, value: int) -> str:
    if not fact.endswith("_tiyn"):
        return f"{value:,}"
    tiyn = f".{abs(value) % 100:02d}" if value % 100 else ""
    return f"{'-' if value < 0 else ''}{abs(value) // 100:,}{tiyn}"


def _plot(name: str, fact: str, drawn: Mapping[str, Sequence[tuple[int, int]]]) -> Markup:
    every = [point for points in drawn.values() for point in points]
    across, up = [x for x, _ in every], [y for _, y in every]
    left, right = min(across), max(across)
    levels = _levels(fact, min(0, *up), max(0, *up))
    low, high = levels[0], levels[-1]

    def place(x: int, y: int) -> tuple[int, int]:
        wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + (x - left) * wide // max(1, right - left), TOP + (high - y) * tall // max(1, high - low)

    shapes = []
    for value in levels:
        level = place(left, value)[1]
        shapes.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=level, y2=level, class_="grid"))
        shapes.append(
            tag("text", _shown(fact, value), x=LEFT - 8, y=level + 4, text_anchor="end", class_="tick")
        )
    for value in _chosen(sorted(set(across))):
        spot = place(value, low)[0]
        shapes.append(tag("text", f"{value:,}", x=spot, y=HEIGHT - 18, text_anchor="middle", class_="tick"))
    for number, points in enumerate(drawn.values()):
        colour = f"var({_COLOURS[number % LINES]})"
        spots = [place(x, y) for x, y in points]
        path = " ".join(f"{x},{y}" for x, y in spots)
        shapes.append(tag("polyline", points=path, fill="none", stroke=colour, stroke_width=2))
        shapes += [
            tag(
                "circle",
                tag("title", f"{name} {x:,}: {_shown(fact, y)}"),
                cx=spot[0],
                cy=spot[1],
                r=4,
                fill=colour,
            )
            for (x, y), spot in zip(points, spots, strict=True)
        ]
    label = f"{fact} over {name}; the figures stand in the table below"
    return tag("svg", shapes, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label, width="100%")


def _levels(fact: str, low: int, high: int) -> list[int]:
    """Round values for the lines across, from the lowest to the highest."""
    if low < 0:
        return [low + (high - low) * step // 4 for step in range(5)]
    return charts.ticks(high) if fact.endswith("_tiyn") else charts.number_ticks(high)


def _chosen(values: list[int]) -> list[int]:
    """At most eight of the values, the first and the last among them."""
    if len(values) <= 8:
        return values
    return sorted({values[place * (len(values) - 1) // 7] for place in range(8)})


def _table(found: Mapping[str, Any]) -> Markup:
    names = found["swept"]
    heads = [tag("th", head, scope="col") for head in (*names, "seed", *found["facts"], "as expected")]
    rows = []
    for row in found["runs"]:
        facts = [_shown(fact, row["facts"][fact]) if fact in row["facts"] else "-" for fact in found["facts"]]
        ok = "yes" if row["ok"] else row["problem"] or "no"
        cells = [*(f"{row['parameters'][name]:,}" for name in names), str(row["seed"]), *facts]
        rows.append(tag("tr", [tag("td", cell, class_="n") for cell in cells], tag("td", ok)))
    return tag("div", join(tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows))), class_="scroll")
