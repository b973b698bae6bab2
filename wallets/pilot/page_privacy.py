"""Who saw what: what each party of this system is shown, and how many payments of the run it can link.

The first table is the same for every run: it is how the system is made (`wallets.pilot.privacy_report` measures by the
same rules). The second is counted from this run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wallets.pilot import tables
from wallets.pilot.markup import Markup, join, tag
from wallets.pilot.tables import Row, amount
from wallets.pilot.tongue import FALLBACK, Tongue, tongue

PARTIES = ("payer_bank", "payee_bank", "payee", "national_bank", "supervisor")
COLUMNS = ("names", "online", "offline", "devices")


def privacy(words: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """Both tables, whichever the report has figures for, and the report's own sentence."""
    measured: Row | None = report.get("linkability")
    if not measured and not report.get("privacy"):
        return None
    return join(
        tag("p", _text(words, report)) if report.get("privacy") else None,
        [_saw(words), _linked(words, measured)] if measured else None,
    )


def _text(words: Tongue, report: Mapping[str, Any]) -> Any:
    """The sentence of the report, which is one of ours (told in every language) or a pilot's own."""
    if report["privacy"] == tongue(FALLBACK).say("privacy.text"):
        return words.say("privacy.text")
    return words.told(report, "privacy")


def _saw(words: Tongue) -> Markup:
    say = words.say
    heads = [(say("privacy.party"), ""), *((say(f"privacy.{name}"), "") for name in COLUMNS)]
    body = [
        tables.cells(say(f"privacy.{party}"), *(say(f"privacy.{party}.{name}") for name in COLUMNS))
        for party in PARTIES
    ]
    return tables.table(say("privacy.saw"), heads, body, seen=True)


def _linked(words: Tongue, measured: Row) -> Markup:
    say, number = words.say, words.number
    payments: Row = measured.get("payments") or {}
    online, offline = amount(payments, "online"), amount(payments, "offline")
    total = online + offline
    heads = [
        (say("privacy.party"), ""),
        (say("privacy.reads"), ""),
        (say("privacy.seen"), "n"),
        (say("privacy.to_a_person"), "n"),
        (say("privacy.linked"), "n"),
        (say("privacy.largest"), "n"),
    ]
    rows: Sequence[Row] = measured.get("parties") or ()
    body = [
        tables.cells(
            words.word("privacy", row.get("party")),
            words.word("privacy.reads", row.get("reads")),
            _share(words, amount(row, "seen"), total),
            _share(words, amount(row, "to_a_person"), total),
            _share(words, amount(row, "linked"), total),
            number(amount(row, "largest")),
            numbers=(2, 3, 4, 5),
        )
        for row in rows
    ]
    facts = {"online": number(online), "offline": number(offline), "total": number(total)}
    return join(
        tag("h3", say("privacy.measured")),
        tag("p", say("privacy.measured_text", **facts)),
        tables.table(say("privacy.measured"), heads, body),
        tag("p", say("privacy.notes"), class_="soft"),
    )


def _share(words: Tongue, part: int, whole: int) -> list[Any]:
    """A number with its share of all payments below, in whole percent (rounded down)."""
    share = f"{part * 100 // whole}{words.say('percent')}" if whole else ""
    return [words.number(part), tag("span", share, class_="change") if share else None]
