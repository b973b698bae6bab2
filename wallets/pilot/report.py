"""The figures of a finished run: one dictionary, the same bytes on every machine for the same script and seed.

It holds no wall-clock time, no path and no machine name. The digest covers what was signed (the bodies of every
transaction and offline object, in order) and the events; never signatures, groups of commits or heads.
"""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from cbdc.errors import LANGUAGES, by_code
from wallets.pilot.folder import canonical_json
from wallets.pilot.journal_report import JournalFigures, read_journal
from wallets.pilot.quantities import Distribution
from wallets.pilot.script import Script
from wallets.pilot.translations import told
from wallets.sandbox import Sandbox

FORMAT = 2
_COUNTED = ("refusals.", "steps.")
_CLASSES = ("bank_inventory", "treasury", "wallets", "escrow", "loss_reserve")
_LIMIT_WORDS = {"LIMIT", "CAP", "PERIOD", "TXLIMIT", "PURSE", "HOPS"}
PRIVACY = (
    "The ledger and reconciliation see key ids, pseudonyms, categories, amounts and marks. Names stay with the bank "
    "that registered the key. A payee offline sees the amounts and keys of the earlier holders of the notes it gets."
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What extensions add to a report: facts by their full name, figures by extension; and the rules left out."""

    facts: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    off: Sequence[str] = ()


def build(
    script: Script,
    seed: int,
    events: Sequence[Mapping[str, Any]],
    sandbox: Sandbox,
    parts: Parts = Parts(),
) -> dict[str, Any]:
    """The report of a run whose steps gave `events` and left `sandbox`."""
    refused: Counter[str] = Counter()
    for event in events:
        refused.update(event.get("refusals", {}))
    journal = read_journal(sandbox, {bank.name: bank.title for bank in script.banks})
    dates = sorted({event["date"] for event in events})
    offline = _offline(events, sandbox)
    marks = {name: _mark(name, script, journal, dates, sandbox) for name in sorted(sandbox.marks)}
    facts = {**_facts(script, events, sandbox, refused, offline, marks, journal), **parts.facts}
    refusals = _refusals(script, events, refused)
    return {
        "format": FORMAT,
        "pilot": script.name,
        **told(script.translations, title=script.title, summary=script.summary, source=script.source),
        "seed": seed,
        "script_sha256": script.sha256,
        "digest": _digest(events, sandbox),
        "parameters": [
            {**asdict(parameter), **told(script.translations, note=parameter.note)}
            for parameter in script.parameters
        ],
        "distributions": [_distribution(one) for one in script.distributions],
        "facts": dict(sorted(facts.items())),
        "expectations": _expectations(script, facts) + _step_expectations(events),
        "supply": asdict(sandbox.supply()),
        "parties": journal.party_rows(),
        "flows": journal.flow_rows(),
        "marks": marks,
        "offline": offline,
        "refusals": refusals,
        "limits": _limits(script, events, sandbox),
        "series": _series(events, dates, journal),
        "holders": _holders(script, sandbox),
        "balance_sheets": _sheets(events, sandbox),
        "events": [_line(event, script) for event in events],
        "privacy": PRIVACY,
        "linkability": dict(journal.linkability),
        **_simulated(script),
        "parts": dict(parts.figures),
        "off": list(parts.off),
    }


def _distribution(one: Distribution) -> dict[str, Any]:
    return {**asdict(one), "values": {key: list(values) for key, values in one.values.items()}}


def _digest(events: Sequence[Mapping[str, Any]], sandbox: Sandbox) -> str:
    digest = hashlib.sha256()
    for identity in sandbox.signed_ids():
        digest.update(identity)
    # The facts of refusals stand in their sentences already.
    plain = [{key: value for key, value in event.items() if key != "refused_with"} for event in events]
    digest.update(canonical_json(plain).encode())
    return digest.hexdigest()


def _offline(events: Sequence[Mapping[str, Any]], sandbox: Sandbox) -> dict[str, Any]:
    case = sandbox.case()
    return {
        "payments": sum(event.get("offline_payments", 0) for event in events),
        "hops_max": max((event.get("hops", 0) for event in events), default=0),
        "double_spends": case.double_spends,
        "evidence": [dict(row) for row in case.evidence],
        "loss_tiyn": case.loss_tiyn,
        "borne": {f"{name}_tiyn": amount_tiyn for name, amount_tiyn in case.borne.items()},
        "borne_by": dict(case.borne_by),
    }


def _facts(
    script: Script,
    events: Sequence[Mapping[str, Any]],
    sandbox: Sandbox,
    refusals: Mapping[str, int],
    offline: Mapping[str, Any],
    marks: Mapping[str, Mapping[str, Any]],
    journal: JournalFigures,
) -> dict[str, int]:
    """Every fact an expectation may name."""
    facts: Counter[str] = Counter()
    facts.update({f"supply.{name}": value for name, value in asdict(sandbox.supply()).items()})
    facts.update({f"offline.{name}": value for name, value in offline.items() if isinstance(value, int)})
    facts.update({f"refusals.{code}": count for code, count in refusals.items()})
    case = sandbox.case()
    facts.update({f"borne.{name}_tiyn": value for name, value in case.borne.items()})
    for name, figures in marks.items():
        facts.update(
            {f"marks.{name}.{key}": value for key, value in figures.items() if isinstance(value, int)}
        )
    for row in journal.linkability["parties"]:
        figures = {key: value for key, value in row.items() if isinstance(value, int)}
        name = f"linkability.{row['party']}.{row['reads']}"
        facts.update({f"{name}.{key}": value for key, value in figures.items()})
    for event in events:
        if "accepted" in event and not event["refused_as"]:
            facts[f"steps.{event['verb']}.{event['who']}" if event["who"] else f"steps.{event['verb']}"] += (
                event["accepted"]
            )
    reached = {event["milestone"]: event for event in events if event.get("milestone") and event["accepted"]}
    for name, event in reached.items():
        since = reached[event["since"]]["date"] if event["since"] in reached else script.start.isoformat()
        facts[f"days.{name}"] = (date.fromisoformat(event["date"]) - date.fromisoformat(since)).days
    for cast in script.cast:
        group = sandbox.group_figures(cast.name)
        facts.update({f"{kind}.{cast.name}_tiyn": value for kind, value in group.items()})
    return facts


def _expectations(script: Script, facts: Mapping[str, int]) -> list[dict[str, Any]]:
    rows = []
    for row in script.expectations:
        # What never happened is 0; a name that no run could have is a slip of the pen, whatever is expected of it.
        may_be_absent = row.fact.startswith(_COUNTED)
        actual = facts.get(row.fact, 0 if may_be_absent else "there is no such fact")
        rows.append(
            {
                **told(script.translations, name=row.name),
                "fact": row.fact,
                "unit": row.unit,
                "expected": row.expected,
                "actual": actual,
                "ok": row.expected == actual,
            }
        )
    return rows


def _step_expectations(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A step that did not end as its script says: anything refused, or anything accepted or refused otherwise."""
    rows = []
    for event in events:
        wanted = event.get("refused_as", "")
        wrong = {code: count for code, count in event.get("refusals", {}).items() if code != wanted}
        if wanted and event["accepted"]:
            wrong["accepted"] = event["accepted"]
        others = event.get("refused_by_others", {})
        if wrong or others:
            named = str(event.get("rule", "")).rpartition(".")[2]
            tellings = [f"{count} × {code}" for code, count in sorted(wrong.items())]
            tellings += [
                f"{count} × refused by rule {rule}, not by {named}" for rule, count in sorted(others.items())
            ]
            told = ", ".join(tellings)
            rows.append(
                {
                    "name": f"day {event['day']}, {event['verb']}: {event['text']}",
                    "fact": f"step {event['step']}",
                    "unit": "",
                    "expected": f"refused as {wanted}" if wanted else "nothing refused",
                    "actual": told,
                    "ok": False,
                }
            )
    return rows


def _simulated(script: Script) -> dict[str, list[str]]:
    """What is not real, and the same in each language that has every line of it."""
    found = {"simulated": list(script.simulated)}
    for language in LANGUAGES[1:]:
        lines = [script.translations.get(line, {}).get(language, "") for line in script.simulated]
        if lines and all(lines):
            found[f"simulated_{language}"] = lines
    return found


def _refusals(
    script: Script, events: Sequence[Mapping[str, Any]], refused: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Each code with its sentence and next step in every language, and the steps that met it."""
    return [
        {
            "code": code,
            "count": count,
            "limit": is_limit(code),
            **_spoken(code, events),
            "steps": _steps_refused(code, script, events),
        }
        for code, count in sorted(refused.items())
    ]


def is_limit(code: str) -> bool:
    """Whether a refusal is about a limit: how much, how often, how many."""
    return not _LIMIT_WORDS.isdisjoint(code.split("_"))


def _spoken(code: str, events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The rule, and the first sentence with which the run was refused by this code, with its facts."""
    event = next(event for event in events if code in event.get("sentences", {}))
    error = by_code(code, event.get("refused_with", {}).get(code, {}))
    spoken = {"rule": error.rule, "sentence": str(event["sentences"][code]), "next": error.next_step()}
    for language in LANGUAGES[1:]:
        spoken |= {
            f"sentence_{language}": error.sentence(language),
            f"next_{language}": error.next_step(language),
        }
    return spoken


def _steps_refused(code: str, script: Script, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps that met a code, like ones together: verb, who, the script's rule, whether it was expected."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for event in events:
        count = event.get("refusals", {}).get(code, 0)
        if count:
            meant = event.get("refused_as") == code and not event.get("refused_by_others")
            place = (event["verb"], event["who"], event.get("rule", ""), meant, event["text"])
            row = rows.setdefault(place, {**_text(event, script), "count": 0, "first": event["date"]})
            row |= {
                "verb": event["verb"],
                "who": event["who"],
                "rule": event.get("rule", ""),
                "expected": meant,
            }
            row["count"] += count
    return list(rows.values())


def _text(event: Mapping[str, Any], script: Script) -> dict[str, str]:
    """The text of a step, in each language that the script has it in."""
    return told(script.translations, text=str(event["text"]))


def _limits(script: Script, events: Sequence[Mapping[str, Any]], sandbox: Sandbox) -> dict[str, Any]:
    """What each tier of the ledger's policy allows (0: no limit) and who is in it; which limits were met, by day."""
    groups: dict[int, list[str]] = {}
    for cast in script.cast:
        groups.setdefault(cast.tier, []).append(cast.name)
    tiers = [
        {
            "tier": tier,
            "holding_limit_tiyn": holding,
            "payment_limit_tiyn": payment,
            "day_limit_tiyn": day,
            "groups": groups.get(tier, []),
        }
        for tier, holding, payment, day in sandbox.system.genesis.policy.tiers
    ]
    hits: Counter[tuple[str, str, str]] = Counter()
    for event in events:
        for code, count in event.get("refusals", {}).items():
            if is_limit(code):
                hits[event["date"], code, event["who"]] += count
    met = [
        {"date": date, "code": code, "who": who, "count": count}
        for (date, code, who), count in sorted(hits.items())
    ]
    return {"tiers": tiers, "hits": met}


def _mark(
    name: str, script: Script, journal: JournalFigures, dates: Sequence[str], sandbox: Sandbox
) -> dict[str, Any]:
    """The life of money of a mark, in tiyn: given + covered = released + returned + recovered + outstanding."""
    figures = sandbox.mark_figures(name)
    life = journal.mark(figures["id"])
    label = next((mark.label for mark in script.marks if mark.name == name), name)
    released_to = sorted(life.released_to.items(), key=lambda item: (-item[1], item[0]))
    carried = {day: figures_of.marked_tiyn for day, figures_of in journal.flows.days.items()}
    return {
        **figures,
        "label": label,
        "given_tiyn": life.given_tiyn,
        "covered_tiyn": life.covered_tiyn,
        "released_tiyn": life.released_tiyn,
        "returned_tiyn": life.returned_tiyn,
        "recovered_tiyn": life.recovered_tiyn,
        "released_to": [{"party": party, "tiyn": tiyn} for party, tiyn in released_to],
        "path": [
            {key: row[key] for key in ("from", "to", "action", "count", "tiyn")}
            for row in journal.mark_rows(figures["id"])
        ],
        "days_tiyn": _carried_on(dates, {day: held.get(figures["id"], 0) for day, held in carried.items()}),
    }


def _carried_on(dates: Sequence[str], values: Mapping[str, int]) -> list[int]:
    """For each date the value of the last day that has one, up to that date; 0 before the first."""
    days = sorted(values)
    places = [bisect_right(days, date) for date in dates]
    return [values[days[place - 1]] if place else 0 for place in places]


def _series(
    events: Sequence[Mapping[str, Any]], dates: Sequence[str], journal: JournalFigures
) -> dict[str, list[Any]]:
    last: dict[str, Mapping[str, int]] = {}
    offline: Counter[str] = Counter()
    for event in events:
        last[event["date"]] = event["supply"]
        offline[event["date"]] += event.get("offline_payments", 0)
    series: dict[str, list[Any]] = {"dates": list(dates)}
    for name in _CLASSES:
        series[f"{name}_tiyn"] = [last[date][f"{name}_tiyn"] for date in dates]
    days = journal.flows.days
    series["payments_online"] = [days[date].payments if date in days else 0 for date in dates]
    series["paid_online_tiyn"] = [days[date].paid_tiyn if date in days else 0 for date in dates]
    series["payments_offline"] = [offline[date] for date in dates]
    marked = {date: sum(figures.marked_tiyn.values()) for date, figures in days.items()}
    series["marked_tiyn"] = _carried_on(dates, marked)
    return series


def _holders(script: Script, sandbox: Sandbox) -> list[dict[str, Any]]:
    rows = []
    for cast in script.cast:
        figures = sandbox.group_figures(cast.name)
        for kind, words in (("wallets", "wallets"), ("devices", "devices"), ("deposits", "bank deposits")):
            if figures[kind] or kind == "wallets":
                row = {"name": f"{cast.name}: {words}", "group": cast.name, "kind": kind}
                rows.append({**row, "tiyn": figures[kind], "count": cast.count})
    return rows


def _sheets(events: Sequence[Mapping[str, Any]], sandbox: Sandbox) -> list[dict[str, Any]]:
    before = {row["institution"]: row["accounts"] for row in (events[0].get("sheets", []) if events else [])}
    return [
        {
            "institution": row["institution"],
            "before": before.get(row["institution"], []),
            "after": row["accounts"],
        }
        for row in sandbox.balance_sheets()
    ]


def _line(event: Mapping[str, Any], script: Script) -> dict[str, Any]:
    """One step for the story; what it does not have is left out."""
    kind = "refusal" if event.get("refused_as") else str(event["verb"])
    line: dict[str, Any] = {
        "date": event["date"],
        "time": event["time"],
        "kind": kind,
        **_text(event, script),
    }
    for key in ("who", "rule", "note", "refusals", "tries", "accepted", "amount_tiyn", "offline_payments"):
        if event.get(key):
            line[key] = event[key]
    return {**line, "verb": str(event["verb"])}
