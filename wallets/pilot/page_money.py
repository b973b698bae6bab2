"""The middle of a report's page: the money map, supply, circulation by day, marked money, balance sheets."""

from collections.abc import Mapping, Sequence
from typing import Any

from wallets.pilot import charts, money_map, tables
from wallets.pilot.charts import Part, Words
from wallets.pilot.markup import Markup, join, tag
from wallets.pilot.tables import Row, amount
from wallets.pilot.tongue import Tongue

# Key of the report, class of the colour; from the bottom of the chart to its top. The name is `holding.<class>`.
HOLDINGS = (
    ("bank_inventory_tiyn", "bank"),
    ("treasury_tiyn", "treasury"),
    ("wallets_tiyn", "wallets"),
    ("escrow_tiyn", "escrow"),
    ("loss_reserve_tiyn", "loss"),
)
_MARK_KEYS = (
    "given_tiyn",
    "covered_tiyn",
    "released_tiyn",
    "returned_tiyn",
    "recovered_tiyn",
    "outstanding_tiyn",
)
_ALWAYS = ("given_tiyn", "released_tiyn", "returned_tiyn", "outstanding_tiyn")
_MOST_FLOWS = 60


def party_name(tongue: Tongue, parties: Mapping[str, Row], identity: str) -> str:
    """A party of the flows for a person."""
    row = parties.get(identity, {})
    kind, name = str(row.get("kind") or identity), str(row.get("name") or "")
    if kind == "bank":
        return name or identity
    if kind in ("group", "category"):
        return tables.name_of(tongue, name or identity)
    return tongue.say(f"party.{kind}") if tongue.knows(f"party.{kind}") else tables.name_of(tongue, identity)


def _parties(report: Mapping[str, Any]) -> dict[str, Row]:
    return {str(row.get("id")): row for row in report.get("parties") or ()}


def flow_map(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """Where the money went, as a drawing and as a table."""
    flows: Sequence[Row] = report.get("flows") or ()
    if not flows:
        return None
    parties = _parties(report)

    def name(identity: str) -> str:
        return party_name(tongue, parties, identity)

    rows = _together(flows)
    first = ", ".join(
        tongue.say("map.one", source=name(source), target=name(target), amount=tongue.money(tiyn))
        for (source, target, _), (_, tiyn) in rows[:4]
    )
    title, description = tongue.say("map.title"), tongue.say("map.description", largest=first)
    drawing = money_map.draw(tongue, f"{tongue.language}-map-picture", title, description, flows, name)
    figure = (
        tag(
            "figure",
            tag("figcaption", title, tag("span", tongue.say("map.caption"))),
            tag("div", drawing, class_="scroll"),
        )
        if drawing
        else None
    )
    return join(figure, _flow_table(tongue, rows, parties, bool(drawing)))


def _together(flows: Sequence[Row]) -> list[tuple[tuple[str, str, str], tuple[int, int]]]:
    """(from, to, action) -> (count, tiyn), marks added up, the largest first."""
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for row in flows:
        place = str(row.get("from")), str(row.get("to")), str(row.get("action"))
        count, tiyn = sums.get(place, (0, 0))
        sums[place] = count + amount(row, "count"), tiyn + amount(row, "tiyn")
    return sorted(sums.items(), key=lambda item: (-item[1][1], item[0]))


def _flow_table(
    tongue: Tongue,
    rows: Sequence[tuple[tuple[str, str, str], tuple[int, int]]],
    parties: Mapping[str, Row],
    drawn: bool,
) -> Markup:
    say = tongue.say
    heads = [
        (say("map.from"), ""),
        (say("map.to"), ""),
        (say("map.action"), ""),
        (say("map.count"), "n"),
        (say("amount"), "n"),
    ]
    body = [
        tables.cells(
            party_name(tongue, parties, source),
            party_name(tongue, parties, target),
            tongue.word("action", action),
            tongue.number(count),
            tongue.money(tiyn),
            numbers=(3, 4),
        )
        for (source, target, action), (count, tiyn) in rows[:_MOST_FLOWS]
    ]
    rest = len(rows) - len(body)
    table = tables.table(say("map.table"), heads, body, seen=not drawn)
    more = (
        tag("p", tongue.count("more_in_csv", rest, file="tables/flows.csv"), class_="soft") if rest else None
    )
    if not drawn:
        return join(table, more)
    return tag("details", tag("summary", say("map.figures")), table, more)


def supply(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """Issued - redeemed = the sum by holder: as a sentence that was checked, and as a picture; and who holds what."""
    row: Row | None = report.get("supply")
    holders: Sequence[Row] = report.get("holders") or ()
    held = tables.holders(tongue, holders) if holders else None
    if not row:
        return held
    say, money = tongue.say, tongue.money
    parts = [Part(say(f"holding.{style}"), style, (amount(row, key),)) for key, style in HOLDINGS]
    issued, redeemed = amount(row, "issued_tiyn"), amount(row, "redeemed_tiyn")
    circulating, total = issued - redeemed, sum(part.last_tiyn for part in parts)
    named = [part for part in parts if part.last_tiyn]
    added = " + ".join(f"{money(part.last_tiyn)} ({_small(part.name)})" for part in named) or money(0)
    facts = {"issued": money(issued), "redeemed": money(redeemed), "circulating": money(circulating)}
    verdict = (
        tag("strong", say("supply.agree"), class_="yes")
        if circulating == total
        else tag("strong", say("supply.differ", difference=money(abs(circulating - total))), class_="no")
    )
    title = say("supply.title")
    description = say("supply.description", **facts, added=added)
    picture = charts.supply_picture(
        Words(f"{tongue.language}-supply-picture", title, description, tongue), redeemed, parts
    )
    first = Part(say("supply.redeemed"), "redeemed", (redeemed,))
    return join(
        tag(
            "p",
            say("supply.sentence", **facts),
            tag("br"),
            say("supply.holders", added=added, total=money(total)),
            " ",
            verdict,
        ),
        tag("figure", picture, key(tongue, [*parts, first])),
        held,
    )


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


def key(tongue: Tongue, parts: Sequence[Part]) -> Markup:
    """The colours by name, each with its amount (the last one, where there are many)."""
    return tag(
        "ul",
        [
            tag(
                "li",
                tag("i", class_=part.style, aria_hidden="true"),
                part.name,
                tag("b", tongue.money(part.last_tiyn)),
            )
            for part in parts
        ],
        class_="key",
    )


def circulation(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """Who held the money over the days, the payments of each day, and the marked money outstanding."""
    series: Mapping[str, Any] = report.get("series") or {}
    dates = [str(text) for text in series.get("dates") or ()]
    parts = holding_parts(tongue, series)
    if not dates:
        return None
    pieces: list[Markup | None] = []
    if parts:
        pieces.append(_area_figure(tongue, dates, parts))
    pieces.append(_payments_figure(tongue, dates, series))
    marked = series.get("marked_tiyn")
    if marked and any(marked):
        part = Part(tongue.say("series.marked"), "treasury", tuple(marked))
        pieces.append(line_figure(tongue, "marked", dates, part))
    pieces.append(_series_table(tongue, dates, parts, series))
    found = [piece for piece in pieces if piece]
    return join(found) if found else None


def holding_parts(tongue: Tongue, series: Mapping[str, Any]) -> list[Part]:
    """The holders of the supply by day, as parts of a chart."""
    return [
        Part(tongue.say(f"holding.{style}"), style, tuple(series[name]))
        for name, style in HOLDINGS
        if series.get(name) is not None
    ]


def _axis(tongue: Tongue, dates: Sequence[str]) -> str:
    text = tongue.say("series.axis")
    return f"{text} {tongue.say('series.gap')}" if charts.gaps(dates) else text


def _area_figure(tongue: Tongue, dates: Sequence[str], parts: Sequence[Part]) -> Markup:
    say, money = tongue.say, tongue.money
    days = min(len(dates), *(len(part.values_tiyn) for part in parts))
    totals = [sum(part.values_tiyn[index] for part in parts) for index in range(days)]
    most = max(totals, default=0)
    when = tongue.day(dates[totals.index(most)]) if totals else tongue.day(dates[0])
    last = ", ".join(f"{_small(part.name)} {money(part.last_tiyn)}" for part in parts)
    facts = {"first": tongue.day(dates[0]), "last": tongue.day(dates[-1]), "day": when, "most": money(most)}
    title = say("series.area")
    words = Words(f"{tongue.language}-area", title, say("series.area_text", **facts, end=last), tongue)
    caption = f"{_axis(tongue, dates)} {say('series.last_day')}"
    return tag(
        "figure",
        tag("figcaption", title, tag("span", caption)),
        charts.stacked_area(words, dates, parts),
        key(tongue, list(reversed(parts))),
    )


def line_figure(tongue: Tongue, name: str, dates: Sequence[str], part: Part) -> Markup:
    """One amount by day as a line: `series.<name>`, `series.<name>_caption`."""
    say, money = tongue.say, tongue.money
    values = part.values_tiyn[: len(dates)]
    most = max(values)
    facts = {"first": tongue.day(dates[0]), "last": tongue.day(dates[-1]), "end": money(values[-1])}
    peak = {"day": tongue.day(dates[values.index(most)]), "most": money(most)}
    title = say(f"series.{name}")
    words = Words(f"{tongue.language}-{name}", title, say("series.line_text", **facts, **peak), tongue)
    caption = f"{say(f'series.{name}_caption')} {_axis(tongue, dates)}"
    return tag("figure", tag("figcaption", title, tag("span", caption)), charts.line(words, dates, part))


def _payments_figure(tongue: Tongue, dates: Sequence[str], series: Mapping[str, Any]) -> Markup | None:
    say = tongue.say
    parts = [
        Part(say(f"series.{name}"), style, tuple(series[name]))
        for name, style in (("payments_online", "wallets"), ("payments_offline", "escrow"))
        if series.get(name)
    ]
    if not any(any(part.values_tiyn) for part in parts):
        return None
    days = min(len(dates), *(len(part.values_tiyn) for part in parts))
    totals = [sum(part.values_tiyn[index] for part in parts) for index in range(days)]
    most = max(totals)
    title = say("series.payments")
    text = say("series.payments_text", most=tongue.number(most), day=tongue.day(dates[totals.index(most)]))
    legend = [
        tag(
            "li",
            tag("i", class_=part.style, aria_hidden="true"),
            part.name,
            tag("b", tongue.number(sum(part.values_tiyn))),
        )
        for part in parts
    ]
    return tag(
        "figure",
        tag("figcaption", title, tag("span", say("series.payments_caption"))),
        charts.bars(Words(f"{tongue.language}-payments", title, text, tongue), dates, parts),
        tag("ul", legend, class_="key"),
    )


def _series_table(
    tongue: Tongue, dates: Sequence[str], parts: Sequence[Part], series: Mapping[str, Any]
) -> Markup | None:
    numbers = [
        (tongue.say(f"series.{name}"), series[name], say)
        for name, say in (
            ("payments_online", tongue.number),
            ("payments_offline", tongue.number),
            ("marked_tiyn", tongue.money),
        )
        if series.get(name)
    ]
    lengths = [len(part.values_tiyn) for part in parts] + [len(values) for _, values, _ in numbers]
    days = min([len(dates), *lengths])
    rows = []
    for index in range(days):
        values = [part.values_tiyn[index] for part in parts]
        shown = [tongue.money(value) for value in values]
        shown += [tongue.money(sum(values))] if parts else []
        shown += [say(series_values[index]) for _, series_values, say in numbers]
        rows.append(tables.cells(tongue.day(dates[index]), *shown, numbers=range(1, len(shown) + 1)))
    heads = [(tongue.say("series.day"), ""), *((part.name, "n") for part in parts)]
    heads += [(tongue.say("together"), "n")] if parts else []
    heads += [(name, "n") for name, _, _ in numbers]
    return tag(
        "details",
        tag("summary", tongue.say("series.figures")),
        tables.table(tongue.say("series.table"), heads, rows, seen=True),
    )


def marks(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """The life of marked money, from allocation to the final payee; one table over all marks, then each one's way."""
    given: Mapping[str, Row] = report.get("marks") or {}
    if not given:
        return None
    say, money = tongue.say, tongue.money
    keys = [key for key in _MARK_KEYS if key in _ALWAYS or any(amount(mark, key) for mark in given.values())]
    heads = [(say("mark.mark"), ""), *((say(f"mark.{name.removesuffix('_tiyn')}"), "n") for name in keys)]
    rows, notes = [], []
    for name, mark in given.items():
        title = [mark_name(tongue, name, mark)]
        if mark.get("id"):
            title += [tag("br"), tables.code(str(mark["id"])[:16])]
        figures = [money(amount(mark, key)) if mark.get(key) is not None else "\u2013" for key in keys]
        rows.append(tables.cells(title, *figures, numbers=range(1, len(keys) + 1)))
        put, gone = _both_sides(mark)
        if mark.get("given_tiyn") is not None and put != gone:
            facts = {"mark": mark_name(tongue, name, mark), "put": money(put), "gone": money(gone)}
            notes.append(tag("p", say("mark.differ", **facts), class_="no"))
    foot = None
    if len(given) > 1:
        sums = [money(sum(amount(mark, key) for mark in given.values())) for key in keys]
        foot = tables.cells(say("together"), *sums, numbers=range(1, len(keys) + 1))
    parties = _parties(report)
    ways = [_way(tongue, name, mark, parties) for name, mark in given.items() if mark.get("path")]
    return join(
        tag("p", say("mark.text"), class_="soft"),
        tables.table(say("mark.caption"), heads, rows, foot),
        notes,
        ways,
    )


def _both_sides(mark: Row) -> tuple[int, int]:
    put = amount(mark, "given_tiyn") + amount(mark, "covered_tiyn")
    ends = ("released_tiyn", "returned_tiyn", "recovered_tiyn", "outstanding_tiyn")
    return put, sum(amount(mark, key) for key in ends)


def mark_name(tongue: Tongue, name: str, mark: Row) -> str:
    """The label of a mark, or its name."""
    return tables.name_of(tongue, mark.get("label") or name)


def _way(tongue: Tongue, name: str, mark: Row, parties: Mapping[str, Row]) -> Markup:
    """Who paid whom in money of one mark, and in whose hands it became free."""
    say, money = tongue.say, tongue.money
    heads = [
        (say("map.from"), ""),
        (say("map.to"), ""),
        (say("map.action"), ""),
        (say("map.count"), "n"),
        (say("amount"), "n"),
    ]
    body = [
        tables.cells(
            party_name(tongue, parties, str(row.get("from"))),
            party_name(tongue, parties, str(row.get("to"))),
            tongue.word("action", row.get("action")),
            tongue.number(amount(row, "count")),
            money(amount(row, "tiyn")),
            numbers=(3, 4),
        )
        for row in list(mark["path"])[:_MOST_FLOWS]
    ]
    title = mark_name(tongue, name, mark)
    finals = [
        f"{party_name(tongue, parties, str(row.get('party')))}: {money(amount(row, 'tiyn'))}"
        for row in mark.get("released_to") or ()
    ]
    return join(
        tag("h3", title),
        tables.table(say("mark.way", mark=title), heads, body),
        tag("p", tag("strong", say("mark.final")), " ", "; ".join(finals), ".") if finals else None,
    )


def balance_sheets(tongue: Tongue, sheets: Sequence[Row]) -> Markup | None:
    """Each institution before and after."""
    if not sheets:
        return None
    text = tag("p", tongue.say("sheet.text"), class_="soft")
    return join(text, [tables.balance_sheet(tongue, sheet) for sheet in sheets])
