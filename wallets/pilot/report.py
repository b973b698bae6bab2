"""The figures of a finished run: one dictionary, the same bytes on every machine for the same script and seed.

It holds no wall-clock time, no path and no machine name. The digest covers what was signed (the bodies of every
transaction and offline object, in order) and the events; never signatures, groups of commits or heads.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from cbdc.money import format_tenge
from wallets.pilot.folder import canonical_json
from wallets.pilot.quantities import Distribution
from wallets.pilot.script import Script
from wallets.sandbox import Sandbox

FORMAT = 1
_COUNTED = ("refusals.", "steps.")
_CLASSES = ("bank_inventory", "treasury", "wallets", "escrow", "loss_reserve")
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
    refusals: Counter[str] = Counter()
    for event in events:
        refusals.update(event.get("refusals", {}))
    offline = _offline(events, sandbox)
    marks = {name: _mark(name, events, sandbox) for name in sorted(sandbox.marks)}
    facts = {**_facts(script, events, sandbox, refusals, offline, marks), **parts.facts}
    return {
        "format": FORMAT,
        "pilot": script.name,
        "title": script.title,
        "summary": script.summary,
        "source": script.source,
        "seed": seed,
        "script_sha256": script.sha256,
        "digest": _digest(events, sandbox),
        "parameters": [asdict(parameter) for parameter in script.parameters],
        "distributions": [_distribution(one) for one in script.distributions],
        "expectations": _expectations(script, facts) + _step_expectations(events),
        "supply": asdict(sandbox.supply()),
        "marks": marks,
        "offline": offline,
        "refusals": [
            {"code": code, "count": count, "sentence": _sentence(code, events)}
            for code, count in sorted(refusals.items())
        ],
        "series": _series(events),
        "holders": _holders(script, sandbox),
        "balance_sheets": _sheets(events, sandbox),
        "events": [_line(event) for event in events],
        "privacy": PRIVACY,
        "simulated": list(script.simulated),
        "parts": dict(parts.figures),
        "off": list(parts.off),
    }


def _distribution(one: Distribution) -> dict[str, Any]:
    return {**asdict(one), "values": {key: list(values) for key, values in one.values.items()}}


def _digest(events: Sequence[Mapping[str, Any]], sandbox: Sandbox) -> str:
    digest = hashlib.sha256()
    for identity in sandbox.signed_ids():
        digest.update(identity)
    digest.update(canonical_json(list(events)).encode())
    return digest.hexdigest()


def _offline(events: Sequence[Mapping[str, Any]], sandbox: Sandbox) -> dict[str, Any]:
    case = sandbox.case()
    return {
        "payments": sum(event.get("offline_payments", 0) for event in events),
        "hops_max": max((event.get("hops", 0) for event in events), default=0),
        "double_spends": case.double_spends,
        "evidence": [dict(row) for row in case.evidence],
        "loss_tiyn": case.loss_tiyn,
        "borne_by": dict(case.borne_by),
    }


def _facts(
    script: Script,
    events: Sequence[Mapping[str, Any]],
    sandbox: Sandbox,
    refusals: Mapping[str, int],
    offline: Mapping[str, Any],
    marks: Mapping[str, Mapping[str, Any]],
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
                "name": row.name,
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
        if wrong:
            told = ", ".join(f"{count} × {code}" for code, count in sorted(wrong.items()))
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


def _sentence(code: str, events: Sequence[Mapping[str, Any]]) -> str:
    """The first sentence with which the run was refused by this code."""
    return next(str(event["sentences"][code]) for event in events if code in event.get("sentences", {}))


def _mark(name: str, events: Sequence[Mapping[str, Any]], sandbox: Sandbox) -> dict[str, Any]:
    """Where money of a mark went, in tiyn: given = released (by statement or redeeming) + returned + left."""
    mine = [event for event in events if event.get("mark") == name]
    given = sum(event["amount_tiyn"] for event in mine if event["verb"] == "voucher")
    returned = sum(event["amount_tiyn"] for event in mine if event["verb"] == "expire")
    figures = sandbox.mark_figures(name)
    released = given - returned - figures["outstanding_tiyn"]
    return {**figures, "given_tiyn": given, "released_tiyn": released, "returned_tiyn": returned}


def _series(events: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    last: dict[str, Mapping[str, int]] = {}
    for event in events:
        last[event["date"]] = event["supply"]
    series: dict[str, list[Any]] = {"dates": sorted(last)}
    for name in _CLASSES:
        series[f"{name}_tiyn"] = [last[date][f"{name}_tiyn"] for date in sorted(last)]
    return series


def _holders(script: Script, sandbox: Sandbox) -> list[dict[str, Any]]:
    rows = []
    for cast in script.cast:
        figures = sandbox.group_figures(cast.name)
        rows.append({"name": f"{cast.name}: wallets", "tiyn": figures["wallets"], "count": cast.count})
        if figures["devices"]:
            rows.append({"name": f"{cast.name}: devices", "tiyn": figures["devices"], "count": cast.count})
        if figures["deposits"]:
            rows.append(
                {"name": f"{cast.name}: bank deposits", "tiyn": figures["deposits"], "count": cast.count}
            )
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


def _line(event: Mapping[str, Any]) -> dict[str, Any]:
    told = [str(event["text"])]
    if event.get("amount_tiyn"):
        told.append(f"({event['accepted']} × accepted, {format_tenge(event['amount_tiyn'])})")
    if event.get("refusals"):
        told.append(
            "Refused: " + ", ".join(f"{count} × {code}" for code, count in event["refusals"].items()) + "."
        )
    if event.get("note"):
        told.append(str(event["note"]))
    kind = "refusal" if event.get("refused_as") else str(event["verb"])
    return {"date": event["date"], "time": event["time"], "text": " ".join(told), "kind": kind}
