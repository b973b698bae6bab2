"""Every verb and every extension of pilot scripts, and how a step is played.

The verbs of the core stand in `wallets.pilot.verbs`; each extension brings its own. A script is checked against all
of them before anything is played.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cbdc.errors import Malformed, TengeError, Unavailable
from wallets.pilot import verbs
from wallets.pilot.banking.part import BANKING
from wallets.pilot.cards.part import CARDS
from wallets.pilot.corridor.coin_part import STABLECOIN
from wallets.pilot.corridor.exchange_part import EXCHANGES
from wallets.pilot.corridor.gold_part import GOLD
from wallets.pilot.extension import Extension
from wallets.pilot.folder import RunFolder
from wallets.pilot.play import TREASURY, Arguments, Outcome, Play, Verb, wrong_step
from wallets.pilot.rails import RAILS
from wallets.pilot.registers import REGISTERS
from wallets.pilot.script import Script, Step
from wallets.pilot.tax import TAX
from wallets.sandbox import Sandbox

EXTENSIONS: tuple[Extension, ...] = (REGISTERS, TAX, BANKING, EXCHANGES, STABLECOIN, GOLD, RAILS, CARDS)

VERBS: dict[str, Verb] = {**verbs.VERBS}
for _extension in EXTENSIONS:
    assert not VERBS.keys() & _extension.verbs.keys(), f"{_extension.name} names a verb that is taken"
    VERBS.update(_extension.verbs)


def used_by(script: Script) -> list[Extension]:
    """The extensions whose sections the script has."""
    return [extension for extension in EXTENSIONS if extension.sections & script.extra.keys()]


@contextmanager
def worlds(script: Script, sandbox: Sandbox, folder: RunFolder) -> Iterator[Mapping[str, Any]]:
    """What each extension of the script opens, by name; closed again at the end."""
    opened: dict[str, Any] = {}
    used = used_by(script)
    try:
        for extension in used:
            opened[extension.name] = extension.open(extension.parse(script), sandbox, folder)
        yield opened
    finally:
        for extension in used:
            if extension.name in opened:
                extension.close(opened[extension.name])


def facts_of(opened: Mapping[str, Any]) -> dict[str, int]:
    """The facts of every extension that is open."""
    facts: dict[str, int] = {}
    for extension in EXTENSIONS:
        if extension.name in opened:
            facts.update(extension.facts(opened[extension.name]))
    return facts


def reports_of(opened: Mapping[str, Any]) -> dict[str, Any]:
    """What every extension that is open has for the report, by name."""
    told = {e.name: e.report(opened[e.name]) for e in EXTENSIONS if e.name in opened}
    return {name: report for name, report in told.items() if report is not None}


def perform(play: Play, step: Step) -> Outcome:
    """Play one step; a refusal of the whole step counts as one refused try. E_VERB for a step nobody can play.

    What is no verdict about money (a store or the ledger did not answer) is raised, so that the step stays unfinished
    and is played again on resume.
    """
    verb = VERBS.get(step.verb)
    arguments = Arguments(play, step)
    owner = next((extension for extension in EXTENSIONS if step.verb in extension.verbs), None)
    if verb is None or (owner is not None and owner.name not in play.worlds):
        raise arguments.wrong(_no_verb(step.verb, set(VERBS)))
    for extension in EXTENSIONS:
        if extension.name in play.worlds:
            extension.tick(play.worlds[extension.name], play.sandbox.clock.now())
    try:
        outcome = verb(play, step, arguments)
    except (Malformed, Unavailable):
        raise
    except TengeError as error:
        return Outcome([error])
    for result in outcome.results:
        if isinstance(result, Unavailable):
            raise result
    return outcome


def check(script: Script) -> None:
    """Refuse a script, before anything is played: a section nobody reads or a mistake in one (E_SCRIPT); a verb, group,
    mark or bank that is not there (E_VERB)."""
    check_sections(script)
    playable, there = playable_verbs(script), names_there(script)
    for step in script.steps:
        for _, problem in step_problems(step.verb, step.arguments, playable, there):
            raise wrong_step(step, problem)


def check_sections(script: Script) -> None:
    """Refuse a section that nobody reads, and a mistake in the section of an extension (E_SCRIPT)."""
    known = {section for extension in EXTENSIONS for section in extension.sections}
    unknown = sorted(script.extra.keys() - known)
    if unknown:
        raise Malformed(
            "E_SCRIPT", file=script.file, place="the file", problem=f"unknown: {', '.join(unknown)}"
        )
    for extension in used_by(script):
        extension.parse(script)


def playable_verbs(script: Script) -> set[str]:
    """The verbs that a script with these sections may use."""
    return {*verbs.VERBS, *(verb for extension in used_by(script) for verb in extension.verbs)}


def names_there(script: Script) -> dict[str, set[str]]:
    """The names that steps may use, by the argument that uses them."""
    groups = {cast.name for cast in script.cast}
    return {
        "who": groups,
        "to": groups | {TREASURY},
        "mark": {"", *(mark.name for mark in script.marks)},
        "bank": {bank.name for bank in script.banks},
    }


def step_problems(
    verb: str, arguments: Mapping[str, Any], playable: set[str], there: Mapping[str, set[str]]
) -> Iterator[tuple[str, str]]:
    """What is wrong with a step before it is played: (argument, problem)."""
    if verb not in playable:
        yield "do", _no_verb(verb, playable)
    for key, names in there.items():
        named = arguments.get(key)
        if isinstance(named, str) and named not in names:
            yield key, f"{key}: there is no {named[:40]}"


def _no_verb(verb: str, playable: set[str]) -> str:
    owner = next((extension for extension in EXTENSIONS if verb in extension.verbs), None)
    if owner is not None:
        return f"{verb} needs a section [{min(owner.sections)}], which the script does not have"
    return f"there is no verb {verb[:40]}; there are {', '.join(sorted(playable))}"
