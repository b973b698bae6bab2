"""What went wrong or was stopped: offline float and losses, refused attempts with their reasons, limits met."""

from collections.abc import Mapping, Sequence
from typing import Any

from wallets.pilot import tables
from wallets.pilot.charts import Part
from wallets.pilot.markup import Child, Markup, join, tag
from wallets.pilot.page_money import line_figure, party_name
from wallets.pilot.tables import Row, amount
from wallets.pilot.tongue import Tongue

_BORNE = ("device_tiyn", "owner_tiyn", "bank_tiyn", "reserve_tiyn")
_MOST_ROWS = 200
_TIER_LIMITS = ("holding_limit_tiyn", "payment_limit_tiyn", "day_limit_tiyn")


def offline(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """Payments without a network, the float, each proven double spend with who is named, and who paid."""
    row: Row | None = report.get("offline")
    if not row:
        return None
    say = tongue.say
    borne_by: Mapping[str, Any] = row.get("borne_by") or {}
    loss, evidence = amount(row, "loss_tiyn"), row.get("evidence") or ()
    return join(
        tag("p", _offline_text(tongue, row)),
        _float(tongue, report.get("series") or {}),
        _between_devices(tongue, report),
        [tag("h3", say("offline.named")), tables.evidence(tongue, evidence)] if evidence else None,
        [tag("h3", say("offline.paid")), _borne(tongue, row), tables.losses(tongue, loss, borne_by)]
        if borne_by or loss
        else None,
    )


def _offline_text(tongue: Tongue, row: Row) -> str:
    payments, spends = amount(row, "payments"), amount(row, "double_spends")
    hops, proofs = amount(row, "hops_max"), len(row.get("evidence") or ())
    told = [tongue.count("offline.payments", payments)]
    if hops:
        told.append(tongue.count("offline.hops", hops))
    if spends:
        told.append(tongue.count("offline.spends", spends))
    if proofs:
        told.append(tongue.count("offline.proofs", proofs))
    else:
        told.append(tongue.say("offline.no_proof" if spends else "offline.clean"))
    return " ".join(told)


def _float(tongue: Tongue, series: Mapping[str, Any]) -> Markup | None:
    dates = [str(text) for text in series.get("dates") or ()]
    values = tuple(series.get("escrow_tiyn") or ())[: len(dates)]
    if not dates or not any(values):
        return None
    return line_figure(tongue, "float", dates, Part(tongue.say("series.float"), "escrow", values))


def _between_devices(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    rows = [row for row in report.get("flows") or () if row.get("action") == "offline_payment"]
    if not rows:
        return None
    parties = {str(row.get("id")): row for row in report.get("parties") or ()}
    heads = [
        (tongue.say("map.from"), ""),
        (tongue.say("map.to"), ""),
        (tongue.say("map.count"), "n"),
        (tongue.say("amount"), "n"),
    ]
    body = [
        tables.cells(
            party_name(tongue, parties, str(row.get("from"))),
            party_name(tongue, parties, str(row.get("to"))),
            tongue.number(amount(row, "count")),
            tongue.money(amount(row, "tiyn")),
            numbers=(2, 3),
        )
        for row in rows
    ]
    return tables.table(tongue.say("offline.devices"), heads, body, seen=True)


def _borne(tongue: Tongue, row: Row) -> Markup | None:
    borne: Row = row.get("borne") or {}
    told = [
        f"{tongue.say('borne.' + name.removesuffix('_tiyn'))} {tongue.money(amount(borne, name))}"
        for name in _BORNE
        if amount(borne, name)
    ]
    return tag("p", tongue.say("borne.text", shares=", ".join(told))) if told else None


def refusals(tongue: Tongue, rows: Sequence[Row] | None) -> Markup | None:
    """What was refused, how often, by which rule, why, and in which step of the script."""
    if rows is None:
        return None
    say = tongue.say
    if not rows:
        return tag("p", say("refusal.none"))
    heads = [
        (say("refusal.code"), ""),
        (say("refusal.rule"), ""),
        (say("refusal.times"), "n"),
        (say("refusal.why"), ""),
    ]
    ordered = sorted(rows, key=lambda row: (-amount(row, "count"), str(row.get("code", ""))))
    body = [
        tables.cells(
            tables.code(row.get("code")),
            _rules(row),
            tongue.number(amount(row, "count")),
            [
                tables.told(tongue, row, "sentence"),
                tag("p", tables.told(tongue, row, "next"), class_="detail") if row.get("next") else None,
            ],
            numbers=(2,),
        )
        for row in ordered
    ]
    text = tag("p", say("refusal.text"), class_="soft")
    return join(text, tables.table(say("refusal.caption"), heads, body), _attempts(tongue, ordered))


def _rules(row: Row) -> Child:
    """The rules of the script that refused, and the guard or protocol step of the catalogue."""
    named = list(dict.fromkeys(str(step["rule"]) for step in row.get("steps") or () if step.get("rule")))
    shown: list[Child] = []
    for rule in named:
        shown += [tables.code(rule), tag("br")]
    return [*shown, tag("span", str(row.get("rule") or ""), class_="soft")]


def _attempts(tongue: Tongue, rows: Sequence[Row]) -> Markup | None:
    """Each step that met a refusal: an abuse that was meant to be refused, or one that was not expected."""
    say = tongue.say
    steps = [(row, step) for row in rows for step in row.get("steps") or ()]
    if not steps:
        return None
    heads = [
        (say("refusal.attempt"), ""),
        (say("refusal.who"), ""),
        (say("refusal.code"), ""),
        (say("refusal.times"), "n"),
        (say("refusal.expected"), ""),
    ]
    body = [
        tables.cells(
            tongue.told(step, "text") if step.get("text") else tongue.word("verb", step.get("verb")),
            tables.name_of(tongue, step.get("who") or ""),
            tables.code(row.get("code")),
            tongue.number(amount(step, "count")),
            tag("span", say("yes"), class_="yes")
            if step.get("expected")
            else tag("span", say("no"), class_="no"),
            numbers=(3,),
        )
        for row, step in steps[:_MOST_ROWS]
    ]
    rest = len(steps) - len(body)
    more = tongue.count("more_in_csv", rest, file="tables/refusals.csv") if rest else None
    return join(
        tag("h3", say("refusal.attempts")),
        tables.table(say("refusal.attempts"), heads, body),
        tag("p", more, class_="soft") if more else None,
    )


def limits(tongue: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """What each tier may hold and pay, and which limits were met, how often and by whom."""
    row: Row | None = report.get("limits")
    if not row:
        return None
    hits: Sequence[Row] = row.get("hits") or ()
    tiers: Sequence[Row] = row.get("tiers") or ()
    return join(_hits(tongue, hits), _tiers(tongue, tiers) if tiers else None)


def _hits(tongue: Tongue, hits: Sequence[Row]) -> Markup:
    say = tongue.say
    if not hits:
        return tag("p", say("limit.none"))
    sums: dict[tuple[str, str], list[Any]] = {}
    for hit in hits:
        place = str(hit.get("code")), str(hit.get("who") or "")
        entry = sums.setdefault(place, [0, str(hit.get("date")), str(hit.get("date"))])
        entry[0] += amount(hit, "count")
        entry[2] = str(hit.get("date"))
    heads = [
        (say("refusal.code"), ""),
        (say("refusal.who"), ""),
        (say("refusal.times"), "n"),
        (say("limit.first"), ""),
        (say("limit.last"), ""),
    ]
    body = [
        tables.cells(
            tables.code(code),
            tables.name_of(tongue, who),
            tongue.number(count),
            tongue.day(first),
            tongue.day(last),
            numbers=(2,),
        )
        for (code, who), (count, first, last) in sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    ]
    return tables.table(say("limit.caption"), heads, body, seen=True)


def _tiers(tongue: Tongue, tiers: Sequence[Row]) -> Markup:
    say = tongue.say
    heads = [(say("limit.tier"), "")]
    heads += [(say(f"limit.{name.removesuffix('_limit_tiyn')}"), "n") for name in _TIER_LIMITS]
    heads.append((say("limit.groups"), ""))
    body = []
    for tier in tiers:
        groups = ", ".join(tables.name_of(tongue, name) for name in tier.get("groups") or ())
        allowed = [
            tongue.money(amount(tier, name)) if amount(tier, name) else say("limit.free")
            for name in _TIER_LIMITS
        ]
        body.append(tables.cells(str(tier.get("tier")), *allowed, groups or "\u2013", numbers=(1, 2, 3)))
    return join(
        tables.table(say("limit.tiers"), heads, body, seen=True), tag("p", say("limit.note"), class_="soft")
    )
