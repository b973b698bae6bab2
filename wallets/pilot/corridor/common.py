"""What the corridor's parts of pilot scripts share: named rules, licences, and members as parties of the corridor.

Rules stand in a script as `[[SECTION.rule]]` with a `name` and a `kind`; each kind says which keys it has. A rule that
is not there is not asked: so a test can leave one out and see what it was for.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cbdc.corridor.purse import Purse
from cbdc.corridor.records import APPLIED, EXPIRED, IN_FORCE, SUSPENDED, WITHDRAWN
from cbdc.corridor.setup import Corridor
from cbdc.errors import Malformed, TengeError, Unavailable
from wallets.cast import Member
from wallets.pilot.play import Outcome, Play, Tries, step_id
from wallets.pilot.reader import Reader
from wallets.pilot.script import Script, Step
from wallets.sandbox import Sandbox
from wallets.wallet import refresh

DAY_SECONDS = 86_400
LICENCE_STATES = {
    "applied": APPLIED,
    "in_force": IN_FORCE,
    "suspended": SUSPENDED,
    "withdrawn": WITHDRAWN,
    "expired": EXPIRED,
}
MAX_LICENCE_DAYS = 3_650
_SCRIPT_ERRORS = ("E_VERB", "E_EXPRESSION")

# What a kind of rule reads from its row: a value of the plan.
RuleKind = Callable[[Reader, Script], Any]


def read_rules(
    script: Script, section: str, rows: list[Any], kinds: Mapping[str, RuleKind]
) -> list[tuple[str, str, Any]]:
    """(name, kind, value) of each rule of a section; E_SCRIPT with the place of the first mistake."""
    found: list[tuple[str, str, Any]] = []
    for number, row in enumerate(rows, start=1):
        reader = Reader(script.file, f"[[{section}.rule]] number {number}", row)
        name = reader.name("name", taken=[one[0] for one in found])
        kind = reader.text("kind")
        if kind not in kinds:
            raise reader.wrong(f"there is no kind {kind[:20]}; there are {', '.join(sorted(kinds))}")
        found.append((name, kind, kinds[kind](reader, script)))
        reader.done()
    return found


def no_keys(reader: Reader, script: Script) -> bool:
    """A kind of rule that has nothing to say but that it is there."""
    return True


def purse_of(sandbox: Sandbox, member: Member) -> Purse:
    """A member's own digital tenge, for payments that the wallet has no form for."""
    return Purse(sandbox.system.ledger, sandbox.system.stores.cabinet, [member.wallet.signer])


def take_in(sandbox: Sandbox, *members: Member) -> None:
    """Have wallets know what the ledger says they hold."""
    for member in members:
        refresh(sandbox.store, sandbox.system.ledger, member.wallet)


def each(
    play: Play, step: Step, members: list[tuple[int, Member]], call: Callable[[int, Member, bytes], int]
) -> Outcome:
    """One try for each member, under an id of its own; `call` gives the amount that moved.

    A mistake in the script (E_VERB, E_EXPRESSION) is no refusal: it is raised.
    """
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for number, member in members:
        wrong: list[Malformed] = []
        attempt = partial(_attempt, partial(call, number, member, step_id(step, member.name)), wrong)
        outcome.amount_tiyn += tries(attempt) or 0
        if wrong:
            raise wrong[0]
    return outcome


def _attempt(call: Callable[[], int], wrong: list[Malformed]) -> int:
    try:
        return call()
    except Malformed as error:
        if error.code not in _SCRIPT_ERRORS:
            raise
        wrong.append(error)
        return 0


def move_licence(
    step: Step,
    corridor: Corridor,
    provider: tuple[bytes, int],
    state: str,
    days: int,
    wrong: Callable[[str], Exception],
) -> Outcome:
    """The regulator's register changes the licence of a provider (key id, activity); `wrong` makes the step's error."""
    if state not in LICENCE_STATES:
        raise wrong(f"state must be one of {', '.join(LICENCE_STATES)}")
    if not 1 <= days <= MAX_LICENCE_DAYS:
        raise wrong(f"days is {days}; it must be from 1 to {MAX_LICENCE_DAYS}")
    if LICENCE_STATES[state] == APPLIED:
        corridor.register.apply(step_id(step), *provider, f"sandbox-{step.number}")
    else:
        until = corridor.system.clock.now() + days * DAY_SECONDS
        corridor.register.move(step_id(step), *provider, LICENCE_STATES[state], until)
    return Outcome([None])


def unless_silent(call: Callable[[], object]) -> bool:
    """Whether the call was answered; what is not stays open and is carried on later."""
    try:
        call()
    except Unavailable:
        return False
    return True


def resumed(open_orders: list[tuple[bytes, TengeError]]) -> str:
    """How many of the orders that were carried on are still open, in words."""
    return f"{len(open_orders)} still open" if open_orders else "nothing is left open"
