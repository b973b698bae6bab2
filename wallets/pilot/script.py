"""A pilot as data: cast, calendar, flows, expected figures and expected refusals, in one TOML file.

    [pilot]        name, title, summary, source, start (the first day), place
    [[parameter]], [[distribution]], [derived], [[require]], [quick]: its numbers (`wallets.pilot.quantities`)
    [[bank]]       name, title, reserve: the banks and their accounts at the National Bank
    [[mark]]       a purpose of marked money (see `cbdc.marks`)
    [[cast]]       a group of people or shops: name, count, category, bank, tier, device...
    [[step]]       what happens: day (or first_day and last_day), at, do, and the arguments of the verb; `refused`
                   names the code that each try of this step must be refused with, and `rule` the rule that does it
    [[expect]]     name, fact, equals: what must be true at the end, as a closed form of the parameters

Numbers are expressions (`wallets.pilot.expression`); money is in tiyn, so write `tenge(800)`. Days count working days
from 1 (Monday to Friday), or with `days = "calendar"` in [pilot] every day; day 0 is the day before the first, for
preparations, and days after the last are allowed.

Rules kept here: a script is refused whole, before anything runs, with the place of its first mistake (E_SCRIPT); no
two things of a kind share a name, and what a row points to (a bank, an error code) is there; a file never runs code.
"""

import hashlib
import re
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from cbdc.errors import Refused, TengeError, catalogue
from wallets.cast import DEVICE_TIERS
from wallets.pilot.mark_rules import Known, Rules, category, read_rules
from wallets.pilot.quantities import Distribution, Parameter, read_quantities
from wallets.pilot.reader import (
    MAX_NAME,
    MAX_SCRIPT_BYTES,
    Number,
    Reader,
    has_rule,
    read_table,
    rows_of,
    switch_off,
)
from wallets.pilot.translations import Translations, take

MAX_CAST = 1_000_000
DEFAULT_SEED = 7
MAX_DAYS = 2_000
YEARS = range(2_000, 2_101)

PILOT_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class Bank:
    """A commercial bank and its opening reserve account, in tiyn."""

    name: str
    title: str
    reserve_tiyn: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A purpose of marked money, before it is signed. Days count as in steps; rules: `wallets.pilot.mark_rules`."""

    name: str
    label: str
    purpose: int
    max_hops: int
    first_day: int
    release_categories: tuple[int, ...]
    converts_on_redeem: bool
    person_to_person: bool
    rules: Rules


@dataclass(frozen=True, slots=True)
class Cast:
    """A group of like members, numbered from 0. `consent` and `device` say for which of them (expressions over i)."""

    name: str
    count: int
    category: int
    bank: str
    tier: int
    deposit: Number
    device: Number
    device_tier: str
    consent: Number


@dataclass(frozen=True, slots=True)
class Step:
    """One happening on one day: `verb` with its `arguments`; `refused` is the code every try must be refused with.

    `rule` names the rule of the script that refuses it (`mark.meal.goods`): without that one rule it would be accepted.
    `milestone` names a moment, told in days `since` another one (without it: since the first day).
    """

    number: int
    day: int
    time: str
    verb: str
    arguments: Mapping[str, Any]
    refused: str
    text: str
    rule: str = ""
    milestone: str = ""
    since: str = ""


def other_rule(step: Step, error: TengeError) -> str:
    """The rule that refused in place of the one that the step names, as far as the refusal says its rule; or nothing.

    A clause of a mark says its name. Where money may go, until when and up to which cap stand in the mark's head, and
    their refusals carry no name: then only the code counts.
    """
    section, _, rest = step.rule.partition(".")
    told = error.facts.get("rule", "")
    if section != "mark" or error.code != step.refused:
        return ""
    return "" if told in ("", rest.rpartition(".")[2]) else str(told)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A fact of the finished run and the value it must have."""

    name: str
    fact: str
    expected: int
    unit: str


@dataclass(frozen=True, slots=True)
class Script:
    """A whole pilot with its parameters settled: everything a runner needs.

    `extra` holds the sections that extensions read (`wallets.pilot.extension`), as they stand in the file;
    `translations` what the script says in other languages (`wallets.pilot.translations`).
    """

    name: str
    title: str
    summary: str
    source: str
    start: date
    sha256: str
    parameters: tuple[Parameter, ...]
    names: Mapping[str, int]
    banks: tuple[Bank, ...]
    budget_bank: str
    budget_tiyn: int
    loss_reserve_tiyn: int
    marks: tuple[Mark, ...]
    cast: tuple[Cast, ...]
    steps: tuple[Step, ...]
    expectations: tuple[Expectation, ...]
    simulated: tuple[str, ...] = field(default=())
    file: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    translations: Translations = field(default_factory=dict)
    facts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    quick: Mapping[str, int] = field(default_factory=dict)
    distributions: tuple[Distribution, ...] = field(default=())
    every_day: bool = False

    def date_of(self, day: int) -> date:
        """The calendar date of a working day; day 0 is the calendar day before day 1, and later days skip weekends."""
        if day < 1 or self.every_day:
            return self.start + timedelta(days=day - 1)
        weeks, rest = divmod(day - 1, 5)
        return self.start + timedelta(days=7 * weeks + rest)

    def moment_of(self, day: int, time: str) -> int:
        """The Unix second of a day and a time of day (HH:MM, in UTC+5)."""
        hours, minutes = (int(part) for part in time.split(":"))
        midnight = datetime.combine(self.date_of(day), datetime.min.time(), tzinfo=UTC)
        return int(midnight.timestamp()) + hours * 3_600 + minutes * 60 - 5 * 3_600


def built_in() -> list[str]:
    """The names of the pilots that come with the sandbox, in order."""
    folder = resources.files("wallets.pilot").joinpath("scripts")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def read_source(name_or_path: str) -> tuple[str, bytes]:
    """The file name and the bytes of a script: one that comes with the sandbox, or a path; E_SCRIPT_UNKNOWN."""
    if name_or_path in built_in():
        file = resources.files("wallets.pilot").joinpath("scripts", f"{name_or_path}.toml")
        return f"{name_or_path}.toml", file.read_bytes()
    path = Path(name_or_path)
    try:
        with path.open("rb") as opened:
            return path.name, opened.read(MAX_SCRIPT_BYTES + 1)
    except (OSError, ValueError):
        raise Refused("E_SCRIPT_UNKNOWN", name=name_or_path, known=", ".join(built_in())) from None


def load(name_or_path: str, settings: Mapping[str, str] | None = None, seed: int = DEFAULT_SEED) -> Script:
    """The script with these settings of its parameters; what it samples follows from the seed.

    Raises E_SCRIPT_UNKNOWN, E_SCRIPT (with file and place), E_SETTING for a parameter that does not exist or a value
    that is not a number, and E_SCRIPT_REQUIRES when the parameters are outside what the script was made for.
    """
    file, data = read_source(name_or_path)
    return parse(file, data, settings or {}, seed=seed)


def quick_settings(name_or_path: str) -> dict[str, str]:
    """The settings of the script's section [quick], for a small run; none when it has no such section."""
    return {name: str(value) for name, value in load(name_or_path).quick.items()}


def parse(
    file: str,
    data: bytes,
    settings: Mapping[str, str],
    off: Sequence[str] = (),
    seed: int = DEFAULT_SEED,
) -> Script:
    """The script in the bytes of a TOML file; the errors of `load`.

    `off` names rules that are left out (`mark.meal.goods`), to see what would happen without them.
    """
    table = read_table(file, data)
    for path in off:
        switch_off(file, table, path)
    return read_script(file, table, hashlib.sha256(data).hexdigest(), settings, seed)


def read_script(
    file: str, table: Mapping[str, Any], sha256: str, settings: Mapping[str, str], seed: int
) -> Script:
    """The script in a table of TOML whose file has this hash; the errors of `load`."""
    table, translations = take(file, table)
    head = Reader(file, "[pilot]", table.get("pilot"))
    quantities = read_quantities(file, table, settings, seed)
    names = quantities.names
    marks, banks, cast = list[Mark](), list[Bank](), list[Cast]()
    for number, row in rows_of(file, table, "mark"):
        marks.append(
            _mark(file, number, row, names, Known(_facts(file, table), [mark.name for mark in marks]))
        )
    for number, row in rows_of(file, table, "bank"):
        banks.append(_bank(file, number, row, names, [bank.name for bank in banks]))
    for number, row in rows_of(file, table, "cast"):
        cast.append(_cast(file, number, row, names, banks, [group.name for group in cast]))
    budget = Reader(file, "[budget]", table.get("budget", {}))
    script = Script(
        name=head.name("name", PILOT_NAME),
        title=head.text("title"),
        summary=head.text("summary", ""),
        source=head.text("source", ""),
        start=_date(head),
        sha256=sha256,
        parameters=quantities.parameters,
        names=names,
        banks=tuple(banks),
        budget_bank=_budget_bank(budget, banks) if table.get("budget") else "",
        budget_tiyn=budget.value("deposit", names, 0),
        loss_reserve_tiyn=head.value("loss_reserve", names, 0),
        marks=tuple(marks),
        cast=tuple(cast),
        steps=_steps(file, table, names),
        expectations=tuple(
            _expectation(file, number, row, names) for number, row in rows_of(file, table, "expect")
        ),
        simulated=tuple(str(item) for item in head.list("simulated")),
        file=file,
        facts=_facts(file, table),
        quick=quantities.quick,
        distributions=quantities.distributions,
        every_day=head.choice("days", ("working", "calendar")) == "calendar",
        extra={section: rows for section, rows in table.items() if section not in _SECTIONS},
        translations=translations,
    )
    head.done()
    budget.done()
    return script


_SECTIONS = {
    "pilot",
    "parameter",
    "derived",
    "require",
    "bank",
    "budget",
    "mark",
    "cast",
    "step",
    "expect",
    "quick",
    "distribution",
}


def _date(head: Reader) -> date:
    text = head.text("start")
    try:
        start = date.fromisoformat(text)
    except ValueError:
        raise head.wrong("start must be a date such as 2023-11-06") from None
    if start.year not in YEARS:
        raise head.wrong(f"start must be in the years {YEARS.start} to {YEARS.stop - 1}")
    if start.weekday() != 0:
        raise head.wrong("start must be a Monday: days are counted in working weeks")
    return start


def _facts(file: str, table: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """(register, fact) to the fact's number, as far as the registers can be read here."""
    rows = [row for _, row in rows_of(file, table, "register") if isinstance(row, dict)]
    return {
        (str(row.get("name")), str(fact)): place
        for row in rows
        for place, fact in enumerate(row["facts"] if isinstance(row.get("facts"), list) else [], start=1)
    }


def _bank(file: str, number: int, row: Any, names: Mapping[str, int], taken: Container[str]) -> Bank:
    reader = Reader(file, f"[[bank]] number {number}", row)
    name = reader.name("name", taken=taken)
    bank = Bank(name, reader.text("title", name), reader.value("reserve", names))
    reader.done()
    return bank


def _bank_named(reader: Reader, name: str, banks: Collection[Bank]) -> str:
    if name not in [bank.name for bank in banks]:
        raise reader.wrong(f"there is no bank {name[:MAX_NAME]}")
    return name


def _budget_bank(budget: Reader, banks: Sequence[Bank]) -> str:
    return _bank_named(budget, budget.text("bank", banks[0].name if banks else None), banks)


def _day(reader: Reader, day: int) -> int:
    if not 0 <= day <= MAX_DAYS:
        raise reader.wrong(f"day {day}: days are 0 to {MAX_DAYS}")
    return day


def _mark(file: str, number: int, row: Any, names: Mapping[str, int], known: Known) -> Mark:
    place = f"[[mark]] number {number}"
    reader = Reader(file, place, row)
    name = reader.name("name", taken=known.marks)
    mark = Mark(
        name=name,
        label=reader.text("label", name),
        purpose=reader.value("purpose", names),
        max_hops=reader.value("max_hops", names, 0),
        first_day=_day(reader, reader.value("first_day", names, 0)),
        release_categories=tuple(category(reader, item) for item in reader.list("release")),
        converts_on_redeem=bool(reader.value("converts_on_redeem", names, 0)),
        person_to_person=bool(reader.value("person_to_person", names, 0)),
        rules=read_rules(file, place, row, names, known),
    )
    reader.list("rule")
    reader.done()
    return mark


def _cast(
    file: str,
    number: int,
    row: Any,
    names: Mapping[str, int],
    banks: Collection[Bank],
    taken: Container[str],
) -> Cast:
    reader = Reader(file, f"[[cast]] number {number}", row)
    cast = Cast(
        name=reader.name("name", taken=taken),
        count=reader.value("count", names),
        category=category(reader, reader.text("category")),
        bank=_bank_named(reader, reader.text("bank"), banks),
        tier=reader.value("tier", names, 2),
        deposit=reader.number("deposit", 0),
        device=reader.number("device", 0),
        device_tier=reader.text("device_tier", "SW"),
        consent=reader.number("consent", 1),
    )
    for key, expression in (("deposit", cast.deposit), ("device", cast.device), ("consent", cast.consent)):
        reader.check(key, expression, {**names, "i": 0})
    if cast.device_tier not in DEVICE_TIERS:
        raise reader.wrong(f"device_tier must be one of {', '.join(DEVICE_TIERS)}")
    if not 1 <= cast.count <= MAX_CAST:
        raise reader.wrong(f"count is {cast.count}; 1 to {MAX_CAST} are allowed")
    reader.done()
    return cast


def _steps(file: str, table: Mapping[str, Any], names: Mapping[str, int]) -> tuple[Step, ...]:
    found: list[tuple[int, str, int, tuple[Any, ...]]] = []
    milestones: set[str] = set()
    for number, row in rows_of(file, table, "step"):
        reader = Reader(file, f"[[step]] number {number}", row)
        first = reader.value("day", names, -1)
        last = first
        if first < 0:
            first, last = reader.value("first_day", names), reader.value("last_day", names)
        every = reader.value("every", names, 1)
        time = reader.text("at", "09:00")
        if _TIME.fullmatch(time) is None:
            raise reader.wrong("at must be a time such as 09:30")
        if not first >= 0 or last > MAX_DAYS or every < 1:
            raise reader.wrong(f"days are 0 to {MAX_DAYS}, and every is 1 or more")
        verb, refused, text = reader.text("do"), reader.text("refused", ""), reader.text("text", "")
        if refused and refused not in catalogue():
            raise reader.wrong(f"there is no error code {refused[:MAX_NAME]}")
        rule = reader.text("rule", "")
        if rule and not (refused and has_rule(table, rule)):
            problem = (
                f"there is no rule {rule[:MAX_NAME]}" if refused else "a rule is named where one refuses"
            )
            reader.note("rule", problem)
            rule = ""
        milestone, since = reader.text("milestone", ""), reader.text("since", "")
        if since and since not in milestones:
            raise reader.wrong(f"there is no milestone {since[:MAX_NAME]} above")
        milestones.add(milestone)
        words = (verb, reader.rest(), refused, text, rule, milestone, since)
        found += [(day, time, number, words) for day in range(first, last + 1, every)]
    found.sort(key=lambda item: item[:3])
    return tuple(Step(place, day, time, *words) for place, (day, time, _, words) in enumerate(found))


def _expectation(file: str, number: int, row: Any, names: Mapping[str, int]) -> Expectation:
    reader = Reader(file, f"[[expect]] number {number}", row)
    expectation = Expectation(
        reader.text("name"), reader.text("fact"), reader.value("equals", names), reader.text("unit", "")
    )
    reader.done()
    return expectation
