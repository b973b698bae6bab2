"""One self-contained page for one pilot run: what an analyst of a central bank opens to judge it.

The page begins with the two questions that decide everything else: did every expectation hold, and does the supply
add up. Then come the story, the charts, the double spends with who is named and who paid, the balance sheets, the
refusals, and the parameters with how well each is known. It ends with what is simulated.

Rules kept here:

- nothing is fetched and nothing runs: no address, no script; a policy in the page forbids both;
- every text of the report is escaped by `wallets.pilot.markup`, whoever wrote it;
- the page computes nothing that the report does not say, except sums to check it;
- a missing key leaves out its section and never breaks the page; the same report gives the same bytes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from wallets.pilot import charts, tables
from wallets.pilot.charts import Part, Words, day, money
from wallets.pilot.markup import Child, Markup, join, tag
from wallets.pilot.style import style_sheet
from wallets.pilot.tables import Row, amount, shown, words

# Key of the report, name for a person, class of the colour; from the bottom of the chart to its top.
HOLDINGS = (
    ("bank_inventory_tiyn", "Bank inventories", "bank"),
    ("treasury_tiyn", "Treasury accounts", "treasury"),
    ("wallets_tiyn", "Wallets", "wallets"),
    ("escrow_tiyn", "Escrow for money taken offline", "escrow"),
    ("loss_reserve_tiyn", "Loss reserve", "loss"),
)
DISCLAIMER = "This is test money. The sandbox is not affiliated with the National Bank of Kazakhstan."
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_OPEN_EVENTS = 30
_DAY_EVENTS = 40
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ALARMS = (
    "refus",
    "double",
    "loss",
    "evidence",
    "fraud",
    "attack",
    "conflict",
    "freeze",
    "frozen",
    "seiz",
    "fault",
)


def render(report: Mapping[str, Any]) -> str:
    """The page of `report` (the same mapping that is written as report.json) as HTML text."""
    title = str(report.get("title") or report.get("pilot") or "Pilot")
    sections = [
        ("supply", "Supply", _supply(report)),
        ("story", "Story", _story(report.get("events") or ())),
        ("circulation", "Circulation", _circulation(report)),
        ("offline", "Offline and double spends", _offline(report.get("offline"))),
        ("sheets", "Balance sheets", _balance_sheets(report.get("balance_sheets") or ())),
        ("refusals", "Refusals", _refusals(report.get("refusals"))),
        ("privacy", "Privacy", _privacy(report.get("privacy"))),
        ("parameters", "Parameters", _parameters(report.get("parameters") or ())),
    ]
    present = [(name, heading, body) for name, heading, body in sections if body]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content="digital tenge sandbox"),
        tag("title", f"{title}: pilot report"),
        tag("style", Markup(style_sheet())),
    ]
    body = [
        tag("a", "Skip to the result", href="#result", class_="skip"),
        _top(report, title, [(name, heading) for name, heading, _ in present]),
        tag("main", _result(report), [_section(*part) for part in present]),
        _foot(report),
    ]
    page = tag("html", tag("head", head), "\n", tag("body", body), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _section(name: str, heading: str, body: Markup) -> Markup:
    return join(
        "\n",
        tag(
            "section",
            tag("h2", heading, id=f"{name}-heading"),
            body,
            id=name,
            aria_labelledby=f"{name}-heading",
        ),
    )


def _top(report: Mapping[str, Any], title: str, contents: Sequence[tuple[str, str]]) -> Markup:
    facts: list[tuple[str, Child]] = [
        ("Period", _period(report)),
        ("Rests on", str(report["source"]) if report.get("source") else None),
        ("Script", tag("code", str(report["script_sha256"])) if report.get("script_sha256") else None),
        ("Seed", str(report["seed"]) if report.get("seed") is not None else None),
        ("Digest", tag("code", str(report["digest"])) if report.get("digest") else None),
    ]
    return tag(
        "header",
        tag(
            "p",
            "Pilot report",
            tag("span", f" \u00b7 {report['pilot']}" if report.get("pilot") else "", " \u00b7 test money"),
            class_="eyebrow",
        ),
        tag("h1", title),
        tag("p", str(report["summary"]), class_="lead") if report.get("summary") else None,
        tag("dl", [[tag("dt", name), tag("dd", value)] for name, value in facts if value], class_="facts"),
        tag(
            "nav",
            tag("ul", [tag("li", tag("a", heading, href=f"#{name}")) for name, heading in contents]),
            aria_label="Contents",
        ),
        class_="top",
    )


def _period(report: Mapping[str, Any]) -> str | None:
    dates = (report.get("series") or {}).get("dates") or [
        row["date"] for row in report.get("events") or () if row.get("date")
    ]
    if not dates:
        return None
    days = len(set(dates))
    first, last = day(str(dates[0])), day(str(dates[-1]))
    return first if first == last else f"{first} to {last}; something happened on {_count(days, 'day')}"


def _result(report: Mapping[str, Any]) -> Markup:
    """The banner: every expectation, and every one that did not hold by name; then the run's key figures."""
    rows: Sequence[Row] = report.get("expectations") or ()
    broken = [row for row in rows if not tables.held(row)]
    if not rows:
        banner = _banner("plain", "This run states no expectations", "There is nothing to hold it against.")
    elif broken:
        lines = []
        for row in broken:
            name, expected, actual = tables.expectation(row)
            lines.append(tag("li", tag("strong", name), f": expected {expected}, got {actual}"))
        heading = f"{len(broken)} of {_count(len(rows), 'expectation')} did not hold"
        banner = _banner("bad", heading, tag("ul", lines))
    else:
        heading = "The one expectation held" if len(rows) == 1 else f"All {len(rows)} expectations held"
        banner = _banner("good", heading, "Every figure that the script states is the figure of the run.")
    full = (
        tag(
            "details",
            tag("summary", "Every expectation with its figures"),
            tables.expectations(rows),
            open=bool(broken),
        )
        if rows
        else None
    )
    return tag("div", banner, full, _key_figures(report), id="result")


def _banner(style: str, heading: str, text: Child) -> Markup:
    sign = {"good": "\u2713 ", "bad": "\u2717 "}.get(style, "")
    inner = text if isinstance(text, Markup) else tag("p", text)
    heading_line = tag("h2", tag("span", sign, aria_hidden="true"), heading)
    return tag("div", heading_line, inner, class_=f"banner {style}", role="status")


def _key_figures(report: Mapping[str, Any]) -> Markup | None:
    figures: list[tuple[str, str]] = []
    supply: Row | None = report.get("supply")
    if supply:
        figures.append(("issued", money(amount(supply, "issued_tiyn"))))
        left = amount(supply, "issued_tiyn") - amount(supply, "redeemed_tiyn")
        figures.append(("in circulation at the end", money(left)))
    offline: Row | None = report.get("offline")
    if offline:
        hops = f", up to {_count(amount(offline, 'hops_max'), 'hop')} long" if offline.get("hops_max") else ""
        figures.append((f"payments offline{hops}", shown(amount(offline, "payments"))))
        figures.append(("double spends found", shown(amount(offline, "double_spends"))))
        figures.append(("lost to double spends", money(amount(offline, "loss_tiyn"))))
    refused = sum(amount(row, "count") for row in report.get("refusals") or ())
    if report.get("refusals") is not None:
        figures.append(("requests refused", shown(refused)))
    if not figures:
        return None
    return tag(
        "dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in figures], class_="figures"
    )


def _supply(report: Mapping[str, Any]) -> Markup | None:
    """Issued - redeemed = the sum by holder: as a sentence that was checked, and as a picture."""
    supply: Row | None = report.get("supply")
    if not supply:
        return _marks(report)
    parts = [Part(name, style, (amount(supply, key),)) for key, name, style in HOLDINGS]
    issued, redeemed = amount(supply, "issued_tiyn"), amount(supply, "redeemed_tiyn")
    circulating, total = issued - redeemed, sum(part.last_tiyn for part in parts)
    named = [part for part in parts if part.last_tiyn]
    added = " + ".join(f"{money(part.last_tiyn)} ({part.name.lower()})" for part in named) or money(0)
    sentence = (
        f"Issued {money(issued)} \u2212 redeemed {money(redeemed)} = {money(circulating)} in circulation."
    )
    holders = f"By holder: {added} = {money(total)}. "
    verdict = (
        tag("strong", "The two agree to the tiyn.", class_="yes")
        if circulating == total
        else tag("strong", f"The two differ by {money(abs(circulating - total))}.", class_="no")
    )
    description = (
        f"The upper bar is all that was issued, {money(issued)}: {money(circulating)} in circulation and "
        f"{money(redeemed)} redeemed. The lower bar divides what is in circulation: {added}."
    )
    picture = charts.supply_picture(
        Words("supply-picture", "The supply and who holds it", description), redeemed, parts
    )
    first = Part("Redeemed", "redeemed", (redeemed,))
    return join(
        tag("p", sentence, tag("br"), holders, verdict),
        tag("figure", picture, _key([*parts, first])),
        _marks(report),
    )


def _marks(report: Mapping[str, Any]) -> Markup | None:
    marks: Mapping[str, Row] = report.get("marks") or {}
    return join(tag("h3", "Marked money"), tables.marks(marks)) if marks else None


def _key(parts: Sequence[Part]) -> Markup:
    """The colours by name, each with its amount (the last one, where there are many)."""
    return tag(
        "ul",
        [
            tag(
                "li",
                tag("i", class_=part.style, aria_hidden="true"),
                part.name,
                tag("b", money(part.last_tiyn)),
            )
            for part in parts
        ],
        class_="key",
    )


def _story(events: Sequence[Row]) -> Markup | None:
    """The events day by day; in a long story only the first day stands open."""
    if not events:
        return None
    days = [(text, list(rows)) for text, rows in groupby(events, key=lambda row: str(row.get("date") or ""))]
    all_open = len(events) <= _OPEN_EVENTS
    folded = [
        tag(
            "details",
            tag("summary", tag("strong", _weekday(text)), tag("span", _kinds(rows))),
            _day_events(rows),
            open=all_open or index == 0,
        )
        for index, (text, rows) in enumerate(days)
    ]
    return join(
        tag(
            "p",
            f"{_count(len(events), 'event')} on {_count(len(days), 'day')}, in the order of the ledger's clock.",
            class_="soft",
        ),
        tag("div", folded, class_="days"),
    )


def _day_events(rows: Sequence[Row]) -> Markup:
    if len(rows) <= _DAY_EVENTS:
        return _list(rows)
    rest = rows[_DAY_EVENTS:]
    return join(
        _list(rows[:_DAY_EVENTS]),
        tag("details", tag("summary", f"{_count(len(rest), 'more event')} of this day"), _list(rest)),
    )


def _list(rows: Sequence[Row]) -> Markup:
    items = []
    for row in rows:
        kind = str(row.get("kind") or "")
        items.append(
            tag(
                "li",
                tag("time", str(row.get("time") or "")),
                tag("span", words(kind), class_="kind alarm" if _alarming(kind) else "kind"),
                tag("p", str(row.get("text") or "")),
            )
        )
    return tag("ol", items, class_="story")


def _alarming(kind: str) -> bool:
    return any(word in kind.lower() for word in _ALARMS)


def _kinds(rows: Sequence[Row]) -> Markup:
    """`11 events: 8 × payment, 2 × load`: what a folded day holds; what alarms comes first and in red."""
    count = Counter(words(row.get("kind") or "event") for row in rows)
    ordered = sorted(count.items(), key=lambda item: (not _alarming(item[0]), -item[1]))
    named: list[Child] = [f"{_count(len(rows), 'event')}: "]
    for place, (kind, number) in enumerate(ordered[:5]):
        told = f"{number}\u00a0\u00d7\u00a0{kind}"
        named += [", " if place else "", tag("b", told, class_="no") if _alarming(kind) else told]
    return join(named, ", \u2026" if len(ordered) > 5 else "")


def _weekday(text: str) -> str:
    try:
        value = date.fromisoformat(text)
    except ValueError:
        return text or "Without a date"
    return f"{_WEEKDAYS[value.weekday()]}, {day(text)}"


def _circulation(report: Mapping[str, Any]) -> Markup | None:
    """Who held the money over the days, the offline float on its own, and who holds what at the end."""
    series: Mapping[str, Any] = report.get("series") or {}
    dates = [str(text) for text in series.get("dates") or ()]
    parts = [
        Part(name, style, tuple(series[key])) for key, name, style in HOLDINGS if series.get(key) is not None
    ]
    pieces: list[Markup] = []
    if dates and parts:
        pieces += [_area_figure(dates, parts), *_float_figure(dates, parts), _series_table(dates, parts)]
    holders: Sequence[Row] = report.get("holders") or ()
    if holders:
        pieces.append(tables.holders(holders))
    return join(pieces) if pieces else None


def _axis(dates: Sequence[str]) -> str:
    text = "At the end of each day on which something happened."
    return f"{text} A dotted line stands for more than a week without events." if charts.gaps(dates) else text


def _area_figure(dates: Sequence[str], parts: Sequence[Part]) -> Markup:
    days = min(len(dates), *(len(part.values_tiyn) for part in parts))
    totals = [sum(part.values_tiyn[index] for part in parts) for index in range(days)]
    most = max(totals, default=0)
    when = f" on {day(dates[totals.index(most)])}" if totals else ""
    last = ", ".join(f"{part.name.lower()} {money(part.last_tiyn)}" for part in parts)
    description = (
        f"Stacked areas, one for each kind of holder, from {day(dates[0])} to {day(dates[-1])}. "
        f"The total is highest{when}: {money(most)}. On the last day: {last}."
    )
    title = "Digital tenge in circulation, by holder"
    return tag(
        "figure",
        tag(
            "figcaption",
            title,
            tag("span", f"{_axis(dates)} The amounts below are those of the last day."),
        ),
        charts.stacked_area(Words("area", title, description), dates, parts),
        _key(list(reversed(parts))),
    )


def _float_figure(dates: Sequence[str], parts: Sequence[Part]) -> list[Markup]:
    escrow = next((part for part in parts if part.style == "escrow"), None)
    if escrow is None or not any(escrow.values_tiyn):
        return []
    values = escrow.values_tiyn[: len(dates)]
    most = max(values)
    description = (
        f"A line from {day(dates[0])} to {day(dates[-1])}. The float is highest on "
        f"{day(dates[values.index(most)])}: {money(most)}. On the last day it is {money(values[-1])}."
    )
    title = "Offline float"
    caption = f"Money on devices, locked in escrow on the ledger until it is redeemed. {_axis(dates)}"
    return [
        tag(
            "figure",
            tag("figcaption", title, tag("span", caption)),
            charts.line(Words("float", title, description), dates, escrow),
        )
    ]


def _series_table(dates: Sequence[str], parts: Sequence[Part]) -> Markup:
    days = min(len(dates), *(len(part.values_tiyn) for part in parts))
    places = range(1, len(parts) + 2)
    rows = []
    for index in range(days):
        values = [part.values_tiyn[index] for part in parts]
        rows.append(
            tables.cells(
                day(dates[index]), *(money(value) for value in values), money(sum(values)), numbers=places
            )
        )
    heads = [("Day", ""), *((part.name, "n") for part in parts), ("Together", "n")]
    return tag(
        "details",
        tag("summary", "The figures of both charts"),
        tables.table("In circulation at the end of each day, by holder", heads, rows, seen=True),
    )


def _offline(offline: Row | None) -> Markup | None:
    """Payments without a network, each proven double spend with who is named, and who paid."""
    if not offline:
        return None
    payments, spends = amount(offline, "payments"), amount(offline, "double_spends")
    loss, evidence = amount(offline, "loss_tiyn"), offline.get("evidence") or ()
    hops = amount(offline, "hops_max")
    text = f"{_count(payments, 'payment')} passed from device to device"
    text += f"; the longest line of one coin had {_count(hops, 'hop')}. " if hops else ". "
    text += f"{_count(spends, 'double spend')} came to light when devices synced. " if spends else ""
    if evidence:
        text += (
            "One proof names who did it."
            if len(evidence) == 1
            else f"{len(evidence)} proofs name who did it."
        )
    else:
        text += "No proof came with it." if spends else "No double spend was found."
    borne_by: Mapping[str, Any] = offline.get("borne_by") or {}
    return join(
        tag("p", text),
        tag("h3", "Who is named") if evidence else None,
        tables.evidence(evidence),
        tag("h3", "Who paid") if borne_by or loss else None,
        tables.losses(loss, borne_by) if borne_by or loss else None,
    )


def _balance_sheets(sheets: Sequence[Row]) -> Markup | None:
    if not sheets:
        return None
    text = (
        "Digital tenge in customers' wallets is a liability of the National Bank and stands on no commercial bank's "
        "balance sheet. Below each amount after the run is its change."
    )
    return join(tag("p", text, class_="soft"), [tables.balance_sheet(sheet) for sheet in sheets])


def _refusals(rows: Sequence[Row] | None) -> Markup | None:
    if rows is None:
        return None
    return tables.refusals(rows) if rows else tag("p", "Nothing was refused.")


def _privacy(text: str | None) -> Markup | None:
    return tag("p", text) if text else None


def _parameters(rows: Sequence[Row]) -> Markup | None:
    if not rows:
        return None
    text = f"{tables.GRADE_NOTE} Here: {tables.grade_counts(rows)}."
    return join(tag("p", text, class_="soft"), tables.parameters(rows))


def _foot(report: Mapping[str, Any]) -> Markup:
    simulated = [tag("li", str(line)) for line in report.get("simulated") or ()]
    made = "Made by the digital tenge sandbox. The same script, parameters and seed give the same digest."
    return tag(
        "footer",
        tag(
            "div",
            [tag("h2", "What is simulated"), tag("ul", simulated)] if simulated else None,
            tag("p", DISCLAIMER),
            tag("p", made),
        ),
    )


def _count(number: int, name: str) -> str:
    return f"{shown(number)}\u00a0{name}{'' if number == 1 else 's'}"
