"""Sets a script's scene in a sandbox: banks, budget, marks, cast. Harmless to repeat."""

from typing import Any

from cbdc.marks import MarkDefinition
from cbdc.record import Signed
from wallets.pilot.expression import evaluate
from wallets.pilot.mark_rules import NO_LAST_DAY, Places, clauses_of
from wallets.pilot.papers import document_id
from wallets.pilot.reader import Number
from wallets.pilot.script import Cast, Mark, Script
from wallets.sandbox import REGISTER, Sandbox

DAY_SECONDS = 86_400
NO_END = 4_102_444_800  # the year 2100: a mark without a last day


def set_up(script: Script, sandbox: Sandbox) -> None:
    """Everything that is there before the first step."""
    for mark in script.marks:
        sandbox.define_mark(mark.name, _define(script, sandbox, mark))
    sandbox.set_up()
    sandbox.publish_purposes()
    for cast in script.cast:
        _add(script, sandbox, cast)


def preview(script: Script, mark: Mark) -> MarkDefinition:
    """The mark's definition as `set_up` has it signed, with no keys in it: to look at before anything is played."""
    nobody = bytes(32)
    places = Places(
        facts=script.facts,
        kids={register: nobody for register, _ in script.facts},
        marks={other.name: nobody for other in script.marks},
        moment=script.moment_of,
        document=document_id,
    )
    return MarkDefinition(issuer=nobody, return_to=nobody, **_terms(script, mark, nobody, places))


def _define(script: Script, sandbox: Sandbox, mark: Mark) -> Signed[MarkDefinition]:
    keys = sandbox.system.keys
    places = Places(
        facts=script.facts,
        kids={name: keys.register(name).public.kid for name in keys.registers},
        marks=sandbox.marks,
        moment=script.moment_of,
        document=document_id,
    )
    terms = _terms(script, mark, keys.register(REGISTER).public.kid, places)
    return sandbox.system.treasury.define(**terms)


def _terms(script: Script, mark: Mark, register: bytes, places: Places) -> dict[str, Any]:
    """What of a definition stands in the script."""
    rules = mark.rules
    last = (
        NO_END
        if rules.last_day == NO_LAST_DAY
        else script.moment_of(rules.last_day, "00:00") + DAY_SECONDS - 1
    )
    return {
        "label": mark.label,
        "purpose": mark.purpose,
        "edges": rules.edges,
        "valid_from": script.moment_of(mark.first_day, "00:00"),
        "valid_until": last,
        "payment_cap_tiyn": rules.payment_cap_tiyn,
        "release_categories": releasers(mark),
        "evidence": register if rules.evidence else b"",
        "person_to_person": int(mark.person_to_person),
        "max_hops": mark.max_hops,
        "converts_on_redeem": int(mark.converts_on_redeem),
        "clauses": tuple(clauses_of(rules.clauses, places)),
    }


def releasers(mark: Mark) -> tuple[int, ...]:
    """Who may free a mark's money: the categories under `release`, and the payers of its rules of that kind."""
    payers = (payer for rule in mark.rules.clauses if rule.kind == "release" for payer in rule.payers)
    return tuple(dict.fromkeys([*mark.release_categories, *payers]))


def _add(script: Script, sandbox: Sandbox, cast: Cast) -> None:
    width = len(str(cast.count - 1))
    names = {**script.names, "i": 0}

    def each(expression: Number) -> list[int]:
        values = []
        for names["i"] in range(cast.count):
            values.append(evaluate(expression, names))
        return values

    sandbox.add_group(
        cast.name,
        cast.category,
        cast.bank,
        cast.tier,
        [f"{cast.name}-{number:0{width}d}" for number in range(cast.count)],
        each(cast.deposit),
        [bool(wanted) for wanted in each(cast.device)],
        cast.device_tier,
        [bool(agreed) for agreed in each(cast.consent)],
    )
