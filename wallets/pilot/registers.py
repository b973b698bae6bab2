"""Outside registers in a pilot: stand-ins that say what the script has them see.

    [[register]]
    name = "invoices"
    title = "Register of electronic invoices (stand-in)"
    facts = ["invoice", "licence"]      # what it speaks of, numbered from 1 in this order
    delay_hours = 0                      # slow: what it was told reaches the ledger so much later

    [[register.rule]]                    # silent: on these days it answers nobody (E_REGISTER_SILENT)
    name = "down"
    first_day = 3
    last_day = 4

The registers are simulated; what they say is not: each fact is a transaction that the register's certified key signed
(`cbdc.transaction.Attest`). A register that is wrong is a script that has it say something wrong, and later `revoke`
it or say it again.

    attest   a register says something of each member: `who`, `when`, `register`, `fact`, and, where they matter, `to`
             and `to_member` (the counterparty), `document` (its name and number), `amount`, `lines`, `last_day`
    revoke   it takes that back

A fact that a slow register has not put on the ledger yet is written down, with the moment when it is due.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cbdc.cabinet import Row
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.transaction import Attest, sign_transaction
from wallets.desk import derived
from wallets.pilot.extension import Extension
from wallets.pilot.folder import RunFolder
from wallets.pilot.form import LIST, NAME, NUMBER, TEXT, Key, Section
from wallets.pilot.papers import lines_of, reference_of
from wallets.pilot.play import Arguments, Outcome, Play, step_id
from wallets.pilot.reader import Reader, rows_of
from wallets.pilot.script import Script, Step
from wallets.sandbox import Sandbox

_DUE = "facts that are due"
FOR_EVER = 4_102_444_800  # the year 2100: a fact without a last day


@dataclass(frozen=True, slots=True)
class Register:
    """One stand-in: its name, how slow it is, and the days on which it is silent."""

    name: str
    facts: Mapping[str, int]
    delay_seconds: int
    silent: tuple[tuple[int, int], ...]


def parse(script: Script) -> dict[str, Register]:
    """The registers of a script by name; E_SCRIPT with the place of the first mistake."""
    found: dict[str, Register] = {}
    for number, row in rows_of(script.file, script.extra, "register"):
        reader = Reader(script.file, f"[[register]] number {number}", row)
        name = reader.name("name", taken=found)
        reader.text("title", name)
        facts = [str(fact) for fact in reader.list("facts")]
        delay = reader.value("delay_hours", script.names, 0)
        silent = []
        for place, rule in enumerate(reader.list("rule"), start=1):
            inner = Reader(script.file, f"[[register]] number {number}, rule number {place}", rule)
            inner.name("name")
            silent.append((inner.value("first_day", script.names), inner.value("last_day", script.names)))
            inner.done()
        reader.done()
        found[name] = Register(
            name, {fact: place for place, fact in enumerate(facts, start=1)}, delay * 3_600, tuple(silent)
        )
    return found


@dataclass(slots=True)
class Registers:
    """The registers over a sandbox."""

    registers: Mapping[str, Register]
    sandbox: Sandbox

    def say(self, rows: Sequence[tuple[str, Attest]]) -> list[TengeError | None]:
        """Put what registers say on the ledger, in one group; for each its refusal, or None."""
        system = self.sandbox.system
        signed = [
            sign_transaction(record, system.network, [system.keys.register(name)]).encode()
            for name, record in rows
        ]
        answers = system.ledger.submit_many(signed)
        return [answer if isinstance(answer, TengeError) else None for answer in answers]

    def later(self, due: int, rows: Sequence[tuple[str, Attest]]) -> None:
        """Write down what a slow register will say at the moment `due`."""
        drawer = self.sandbox.system.stores.cabinet
        drawer.put_many(
            [
                Row(_DUE, record.nonce * 2, json.dumps([due, name, record.body().hex()]).encode())
                for name, record in rows
            ]
        )

    def tick(self, now: int) -> None:
        """Say what is due; a row leaves its drawer once the ledger has it."""
        cabinet = self.sandbox.system.stores.cabinet
        ready = []
        for key, data in cabinet.all(_DUE):
            due, name, body = json.loads(data)
            if due <= now:
                ready.append((key, name, Attest.from_body(bytes.fromhex(body))))
        if not ready:
            return
        answers = self.say([(name, record) for _, name, record in ready])
        failed = [answer for answer in answers if isinstance(answer, Unavailable)]
        if failed:
            raise failed[0]
        cabinet.put_many([Row(_DUE, key, None) for key, _, _ in ready])


def _open(registers: dict[str, Register], sandbox: Sandbox, folder: RunFolder) -> Registers:
    return Registers(registers, sandbox)


def _word(play: Play, step: Step, arguments: Arguments, standing: int) -> Outcome:
    world: Registers = play.worlds["register"]
    name, fact = arguments.text("register"), arguments.text("fact")
    register = world.registers.get(name)
    if register is None or fact not in register.facts:
        raise arguments.wrong(f"there is no fact {name}/{fact}")
    members, counterparty = arguments.members(), None
    if arguments.has("to"):
        counterparty = arguments.payee()
    document, amount = arguments.raw("document", []), arguments.raw("amount", 0)
    lines, last = arguments.raw("lines", []), arguments.value("last_day", -1)
    arguments.done()
    if any(first <= step.day <= until for first, until in register.silent):
        raise Refused("E_REGISTER_SILENT", register=name)
    expires = FOR_EVER if last < 0 else play.script.moment_of(last, "23:59")
    rows = []
    for i, member in members:
        other = counterparty(i) if counterparty else None
        rows.append(
            (
                name,
                Attest.from_values(
                    (
                        derived(step_id(step, member.name), "attest")[:16],
                        register.facts[fact],
                        play.sandbox.pseudonym(member),
                        play.sandbox.pseudonym(other) if other else b"",
                        reference_of(arguments, document, i),
                        arguments.at(amount, i),
                        lines_of(arguments, lines, i),
                        expires,
                        standing,
                    )
                ),
            )
        )
    if register.delay_seconds:
        world.later(play.sandbox.clock.now() + register.delay_seconds, rows)
        return Outcome([None] * len(rows), note=f"The register {name} is slow: it will say so later.")
    return Outcome(world.say(rows))


def _attest(play: Play, step: Step, arguments: Arguments) -> Outcome:
    return _word(play, step, arguments, 1)


def _revoke(play: Play, step: Step, arguments: Arguments) -> Outcome:
    return _word(play, step, arguments, 0)


def _tick(world: Registers, now: int) -> None:
    world.tick(now)


FORM = Section(
    "an outside register that speaks on the ledger (a stand-in)",
    {
        "name": Key(NAME, "its name in this script", True),
        "title": Key(TEXT, "its name for people"),
        "facts": Key(LIST, "what it speaks of"),
        "delay_hours": Key(NUMBER, "how much later its word reaches the ledger"),
    },
    inside={
        "rule": Section(
            "days on which it answers nobody (E_REGISTER_SILENT)",
            {
                "name": Key(NAME, 'its name: rule = "register.REGISTER.NAME"', True),
                "first_day": Key(NUMBER, "the first silent day", True),
                "last_day": Key(NUMBER, "the last", True),
            },
        )
    },
)

REGISTERS = Extension(
    "register",
    frozenset({"register"}),
    parse,
    _open,
    {"attest": _attest, "revoke": _revoke},
    tick=_tick,
    forms={"register": FORM},
)
