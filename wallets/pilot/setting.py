"""Sets a script's scene in a sandbox: banks, budget, marks, cast. Harmless to repeat."""

from cbdc.marks import MarkDefinition
from cbdc.record import Signed
from wallets.pilot.expression import evaluate
from wallets.pilot.reader import Number
from wallets.pilot.script import Cast, Mark, Script
from wallets.sandbox import REGISTER, Sandbox

DAY_SECONDS = 86_400


def set_up(script: Script, sandbox: Sandbox) -> None:
    """Everything that is there before the first step."""
    for mark in script.marks:
        sandbox.define_mark(mark.name, _define(script, sandbox, mark))
    sandbox.set_up()
    sandbox.publish_purposes()
    for cast in script.cast:
        _add(script, sandbox, cast)


def _define(script: Script, sandbox: Sandbox, mark: Mark) -> Signed[MarkDefinition]:
    register = sandbox.system.keys.register(REGISTER).public.kid
    return sandbox.system.treasury.define(
        mark.label,
        mark.purpose,
        mark.edges,
        script.moment_of(mark.first_day, "00:00"),
        script.moment_of(mark.last_day, "00:00") + DAY_SECONDS - 1,
        payment_cap_tiyn=mark.payment_cap_tiyn,
        release_categories=mark.release_categories,
        evidence=register if mark.evidence else b"",
        max_hops=mark.max_hops,
        converts_on_redeem=mark.converts_on_redeem,
    )


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
