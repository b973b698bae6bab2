"""The section [policy] of a script: a preset's figures, the rules that hold by name, and opening hours.

    [policy]
    preset = "sandbox"            figures for rules that name none (`cbdc.policies.PRESETS`)
    opens = "09:00"               other hours than the calendar's; closes likewise
    closed = ["2026-03-24"]       further days on which the settlement system rests
    losses = "CAPPED"             who bears double spends (`offline.loss_policy`); WATERFALL without it
    study = "why it fails"        the reason that opens FIRST_SEEN, which no settlement uses otherwise
    mode = "staged"               the preset of offline numbers (`offline.parameters.PRESETS`); intermittent without it
    [[policy.rule]]
    name = "person_holding"       by which `off` leaves it out and a refused step names it: policy.person_holding
    kind = "holding"              of `cbdc.policies.KINDS`
    tier = 2                      where the kind is one tier's
    value = "tenge(300000)"       an expression; without it the preset's figure for this kind and tier
    parameter = "max_hops"        for the kind `offline`: which (`offline.parameters`)

**Only the rules that are named hold.** A script without the section has the sandbox's own preset, whole.
"""

from dataclasses import dataclass, replace

from cbdc.errors import Malformed, Refused
from cbdc.opening_hours import Calendar, read_calendar, seconds_of, standard_calendar
from cbdc.policies import KINDS, PRESETS, SWITCH, PolicySet, Rule, preset
from offline.loss_policy import WATERFALL, loss_policy
from offline.parameters import PRESETS as MODES
from offline.parameters import SETTABLE
from wallets.pilot.reader import Reader
from wallets.pilot.script import Script

SECTION = "policy"


@dataclass(frozen=True, slots=True)
class PolicySection:
    """What the section says."""

    policy: PolicySet
    calendar: Calendar
    losses: str = WATERFALL
    study: str = ""
    mode: str = "intermittent"


def policy_of(script: Script) -> PolicySection:
    """The policy of a script; E_SCRIPT with the place of the first mistake."""
    if SECTION not in script.extra:
        return PolicySection(preset("sandbox"), standard_calendar())
    section = Reader(script.file, "[policy]", script.extra[SECTION])
    base = preset(section.choice("preset", PRESETS))
    rules = [_rule(script, number, row, base) for number, row in enumerate(section.list("rule"), start=1)]
    try:
        calendar = _calendar(section)
        policy = base.with_rules(rules)
        losses, study = section.text("losses", WATERFALL), section.text("study", "")
        loss_policy(losses, study=study)
        mode = section.choice("mode", tuple(MODES)) if section.has("mode") else "intermittent"
    except Refused as refusal:
        raise section.wrong(refusal.sentence()) from None
    except Malformed as error:
        raise section.wrong(str(error.facts.get("problem", error.code))) from None
    section.done()
    return PolicySection(policy, calendar, losses, study, mode)


def _rule(script: Script, number: int, row: object, base: PolicySet) -> Rule:
    reader = Reader(script.file, f"[[policy.rule]] number {number}", row)
    name = reader.name("name")
    kind = reader.choice("kind", tuple(KINDS)) if reader.has("kind") else ""
    if not kind:
        raise reader.wrong("kind is missing")
    tier = reader.value("tier", script.names, 0)
    parameter = reader.text("parameter", "")
    if kind == "offline" and parameter not in {one.name for one in SETTABLE}:
        raise reader.wrong(f"there is no offline parameter {parameter[:40]}")
    known = next((rule for rule in base.rules if (rule.kind, rule.tier) == (kind, tier)), None)
    grade, note = (known.grade, known.note) if known is not None else ("A", "assumption")
    default = known.value if known is not None else 1 if KINDS[kind].unit == SWITCH else None
    if reader.has("value"):
        grade, note = "A", "assumption of the script"
    elif default is None:
        raise reader.wrong("value is missing: the preset has no figure for it")
    value = reader.value("value", script.names, default)
    reader.done()
    try:
        return Rule(name, kind, value, tier, grade, note, parameter)
    except Malformed as error:
        raise reader.wrong(str(error.facts["problem"])) from None


def _calendar(section: Reader) -> Calendar:
    calendar = standard_calendar()
    opens = seconds_of(section.text("opens")) if section.has("opens") else calendar.opens
    closes = seconds_of(section.text("closes")) if section.has("closes") else calendar.closes
    further = [{"day": str(day), "name": "closed"} for day in section.list("closed")]
    # Read by the calendar's own reader, so that a wrong day is refused in its words.
    days = read_calendar({"weekdays": [1], "opens": "00:00", "closes": "24:00", "holiday": further}).holidays
    return replace(calendar, opens=opens, closes=closes, holidays={**calendar.holidays, **days})
