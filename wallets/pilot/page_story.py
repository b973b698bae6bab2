"""The beginning of a report's page: what it is of, whether it held, its key figures, and what happened day by day."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from wallets.pilot import tables
from wallets.pilot.markup import Child, Markup, join, tag
from wallets.pilot.tables import Row, amount
from wallets.pilot.tongue import Tongue

OPEN_EVENTS = 30
DAY_EVENTS = 40
# More than this many events are told in the CSV file only: the page stays small whatever a script does.
MOST_EVENTS = 1_500
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
    "clone",
)


def top(tongue: Tongue, report: Mapping[str, Any], contents: Sequence[tuple[str, str]]) -> Markup:
    """Title, summary, where it comes from, and the contents as links (id, heading)."""
    say = tongue.say
    facts: list[tuple[str, Child]] = [
        (say("top.period"), period(tongue, report)),
        (say("top.source"), tongue.told(report, "source") if report.get("source") else None),
        (
            say("top.script"),
            tables.code(report.get("script_sha256")) if report.get("script_sha256") else None,
        ),
        (say("top.seed"), str(report["seed"]) if report.get("seed") is not None else None),
        (say("top.digest"), tables.code(report.get("digest")) if report.get("digest") else None),
        (say("top.off"), ", ".join(map(str, report.get("off") or ())) or None),
    ]
    return tag(
        "header",
        tag(
            "p",
            say("top.report"),
            tag(
                "span",
                f" \u00b7 {report['pilot']}" if report.get("pilot") else "",
                f" \u00b7 {say('top.test')}",
            ),
            class_="eyebrow",
        ),
        tag("h1", title(tongue, report)),
        tag("p", tongue.told(report, "summary"), class_="lead") if report.get("summary") else None,
        tag("dl", [[tag("dt", name), tag("dd", value)] for name, value in facts if value], class_="facts"),
        tag(
            "nav",
            tag("ul", [tag("li", tag("a", heading, href=f"#{name}")) for name, heading in contents]),
            aria_label=say("top.contents"),
        ),
        class_="top",
    )


def title(tongue: Tongue, report: Mapping[str, Any]) -> Child:
    """The pilot's title, or its name, or a word for it."""
    if report.get("title"):
        return tongue.told(report, "title")
    return str(report.get("pilot") or tongue.say("top.pilot"))


def period(tongue: Tongue, report: Mapping[str, Any]) -> str | None:
    """From the first to the last day on which something happened."""
    dates = (report.get("series") or {}).get("dates") or [
        row["date"] for row in report.get("events") or () if row.get("date")
    ]
    if not dates:
        return None
    first, last = tongue.day(str(dates[0])), tongue.day(str(dates[-1]))
    if first == last:
        return first
    days = len(set(dates))
    return tongue.say("top.from_to", first=first, last=last, days=tongue.count("on_days", days), n=days)


def result(tongue: Tongue, report: Mapping[str, Any]) -> Markup:
    """The banner: every expectation, and every one that did not hold by name; then the run's key figures."""
    say = tongue.say
    rows: Sequence[Row] = report.get("expectations") or ()
    broken = [row for row in rows if not tables.held(row)]
    if not rows:
        banner = _banner("plain", say("result.none"), say("result.none_text"))
    elif broken:
        lines = []
        for row in broken:
            name, expected, actual = tables.expectation(tongue, row)
            got = [say("result.expected"), expected, say("result.got"), actual]
            lines.append(tag("li", tag("strong", name), join(*got)))
        heading = tongue.count("result.broken", len(rows), broken=tongue.number(len(broken)))
        banner = _banner("bad", heading, tag("ul", lines))
    else:
        banner = _banner("good", tongue.count("result.held", len(rows)), say("result.held_text"))
    full = None
    if rows:
        table = tables.expectations(tongue, rows)
        full = tag("details", tag("summary", say("result.every")), table, open=bool(broken))
    return tag("div", banner, full, _key_figures(tongue, report), id=f"{tongue.language}-result")


def _banner(style: str, heading: str, text: Child) -> Markup:
    sign = {"good": "\u2713 ", "bad": "\u2717 "}.get(style, "")
    inner = text if isinstance(text, Markup) else tag("p", text)
    heading_line = tag("h2", tag("span", sign, aria_hidden="true"), heading)
    return tag("div", heading_line, inner, class_=f"banner {style}")


def _key_figures(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    say, money = tongue.say, tongue.money
    figures: list[tuple[str, str]] = []
    supply: Row | None = report.get("supply")
    if supply:
        left = amount(supply, "issued_tiyn") - amount(supply, "redeemed_tiyn")
        figures.append((say("figure.issued"), money(amount(supply, "issued_tiyn"))))
        figures.append((say("figure.left"), money(left)))
    online = (report.get("series") or {}).get("payments_online")
    if online is not None:
        figures.append((say("figure.online"), tongue.number(sum(online))))
    offline: Row | None = report.get("offline")
    if offline:
        hops = amount(offline, "hops_max")
        length = tongue.count("figure.hops", hops) if hops else ""
        figures.append((f"{say('figure.offline')}{length}", tongue.number(amount(offline, "payments"))))
        figures.append((say("figure.spends"), tongue.number(amount(offline, "double_spends"))))
        figures.append((say("figure.lost"), money(amount(offline, "loss_tiyn"))))
    if report.get("refusals") is not None:
        refused = sum(amount(row, "count") for row in report["refusals"])
        figures.append((say("figure.refused"), tongue.number(refused)))
    if not figures:
        return None
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in figures]
    return tag("dl", rows, class_="figures")


def story(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """The run in a few sentences, then the events day by day; in a long story only the first day stands open."""
    events: Sequence[Row] = report.get("events") or ()
    if not events:
        return None
    shown = events[:MOST_EVENTS]
    days = [(text, list(rows)) for text, rows in groupby(shown, key=lambda row: str(row.get("date") or ""))]
    all_open = len(events) <= OPEN_EVENTS
    folded = [
        tag(
            "details",
            tag("summary", tag("strong", tongue.weekday(text)), tag("span", _kinds(tongue, rows))),
            _day_events(tongue, rows),
            open=all_open or index == 0,
        )
        for index, (text, rows) in enumerate(days)
    ]
    numbers = tongue.count("story.events", len(events), days=tongue.count("on_days", len(_dates(events))))
    more = len(events) - len(shown)
    return join(
        _in_short(tongue, report),
        tag("p", numbers, class_="soft"),
        tag("div", folded, class_="days"),
        tag("p", tongue.count("story.cut", more), class_="soft") if more else None,
    )


def _dates(events: Sequence[Row]) -> set[str]:
    return {str(row.get("date") or "") for row in events}


def _in_short(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """What the figures of the report tell, as sentences: only those for which there is a figure."""
    supply: Row = report.get("supply") or {}
    offline: Row = report.get("offline") or {}
    series: Mapping[str, Any] = report.get("series") or {}
    say, money, told = tongue.say, tongue.money, []
    if supply:
        told.append(say("short.issued", amount=money(amount(supply, "issued_tiyn"))))
    online = sum(series.get("payments_online") or ())
    if online:
        paid = money(sum(series.get("paid_online_tiyn") or ()))
        told.append(tongue.count("short.online", online, amount=paid))
    if amount(offline, "payments"):
        told.append(tongue.count("short.offline", amount(offline, "payments")))
    marks: Mapping[str, Row] = report.get("marks") or {}
    given = sum(amount(mark, "given_tiyn") for mark in marks.values())
    if given:
        told.append(say("short.marked", amount=money(given)))
    refused = sum(amount(row, "count") for row in report.get("refusals") or ())
    if refused:
        told.append(tongue.count("short.refused", refused))
    if amount(offline, "double_spends"):
        loss = money(amount(offline, "loss_tiyn"))
        told.append(tongue.count("short.spends", amount(offline, "double_spends"), amount=loss))
    if supply:
        left = amount(supply, "issued_tiyn") - amount(supply, "redeemed_tiyn")
        redeemed = money(amount(supply, "redeemed_tiyn"))
        told.append(say("short.end", redeemed=redeemed, left=money(left)))
    return tag("p", " ".join(told)) if told else None


def _day_events(tongue: Tongue, rows: Sequence[Row]) -> Markup:
    if len(rows) <= DAY_EVENTS:
        return _list(tongue, rows)
    rest = rows[DAY_EVENTS:]
    more = tag("summary", tongue.count("story.more", len(rest)))
    return join(_list(tongue, rows[:DAY_EVENTS]), tag("details", more, _list(tongue, rest)))


def _list(tongue: Tongue, rows: Sequence[Row]) -> Markup:
    items = []
    for row in rows:
        kind = str(row.get("kind") or "")
        details = list(_details(tongue, row))
        items.append(
            tag(
                "li",
                tag("time", str(row.get("time") or "")),
                tag("span", _kind(tongue, kind), class_="kind alarm" if _alarming(kind) else "kind"),
                tag(
                    "div",
                    tag("p", tongue.told(row, "text")),
                    [tag("p", one, class_="detail") for one in details],
                ),
            )
        )
    return tag("ol", items, class_="story")


def _details(tongue: Tongue, row: Row) -> list[Child]:
    """What came of a step: how many were accepted and for how much, what was refused and by which rule, the note."""
    told: list[Child] = []
    accepted, tries = amount(row, "accepted"), amount(row, "tries")
    paid = [tongue.money(amount(row, "amount_tiyn"))] if amount(row, "amount_tiyn") else []
    if accepted and tries > 1:
        text = tongue.say("event.accepted", accepted=tongue.number(accepted), tries=tongue.number(tries))
        told.append(", ".join([text, *paid]))
    elif accepted and paid:
        told += paid
    refusals: Mapping[str, Any] = row.get("refusals") or {}
    if refusals:
        codes = [[", " if place else "", f"{refusals[code]}\u00a0\u00d7\u00a0", tables.code(code)]
                 for place, code in enumerate(sorted(refusals))]  # fmt: skip
        rule = [", ", tongue.say("event.rule"), " ", tables.code(row["rule"])] if row.get("rule") else None
        told.append(join(tongue.say("event.refused"), " ", codes, rule))
    if row.get("note"):
        told.append(tongue.told(row, "note"))
    return told


def _kind(tongue: Tongue, kind: str) -> Child:
    return tongue.word("verb", kind)


def _alarming(kind: str) -> bool:
    return any(word in kind.lower() for word in _ALARMS)


def _kinds(tongue: Tongue, rows: Sequence[Row]) -> Markup:
    """`11 events: 8 x payment, 2 x load`: what a folded day holds; what alarms comes first and in red."""
    count = Counter(str(row.get("kind") or "event") for row in rows)
    ordered = sorted(count.items(), key=lambda item: (not _alarming(item[0]), -item[1]))
    named: list[Child] = [f"{tongue.count('events', len(rows))}: "]
    for place, (kind, number) in enumerate(ordered[:5]):
        told = join(f"{number}\u00a0\u00d7\u00a0", _kind(tongue, kind))
        named += [", " if place else "", tag("b", told, class_="no") if _alarming(kind) else told]
    return join(named, ", \u2026" if len(ordered) > 5 else "")
