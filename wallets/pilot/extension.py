"""What a part of the sandbox brings to pilot scripts: sections of its own, verbs, facts, and a place in the report.

A script that uses cards has a section `[cards]`, and verbs that work with a card network; one that does not, has
neither. Each such part is one `Extension`, and `wallets.pilot.perform` lists them. An extension

    parse    reads its sections of the script, strictly, into a value (E_SCRIPT with the place of the first mistake)
    open     builds its world over the sandbox, and over the run's folder; again after a kill: the same world
    verbs    play steps on `play.worlds[name]`
    facts    whole numbers that an expectation may name, by their full name (`cards.captured_tiyn`)
    report   what the report holds of it, as data that becomes JSON; None: nothing

Rules kept here: an extension is opened only for a script that has one of its sections; what it opens decides nothing
that the institutions below do not allow; it keeps what it must not lose in stores of the sandbox, under ids that
follow from the step, so that a step that is played again changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wallets.pilot.folder import RunFolder
from wallets.pilot.form import Section
from wallets.pilot.play import Verb
from wallets.pilot.script import Script
from wallets.sandbox import Sandbox


def no_facts(world: Any) -> Mapping[str, int]:
    """An extension without facts."""
    return {}


def no_report(world: Any) -> Any:
    """An extension that has no part of the report."""
    return None


@dataclass(frozen=True, slots=True)
class Extension:
    """One part. `sections` are the top-level names of a script that belong to it, `forms` what they hold, for the
    schema of scripts; `families` the first words of its facts. `close`, when given, releases what `open` took; `tick`
    does what has fallen due, before each step, at its moment (Unix seconds)."""

    name: str
    sections: frozenset[str]
    parse: Callable[[Script], Any]
    open: Callable[[Any, Sandbox, RunFolder], Any]
    verbs: Mapping[str, Verb]
    families: frozenset[str] = frozenset()
    facts: Callable[[Any], Mapping[str, int]] = no_facts
    report: Callable[[Any], Any] = no_report
    close: Callable[[Any], None] = field(default=lambda world: None)
    forms: Mapping[str, Section] = field(default_factory=dict)
    tick: Callable[[Any, int], None] = field(default=lambda world, now: None)
