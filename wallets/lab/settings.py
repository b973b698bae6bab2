"""A laboratory's configuration, read strictly: TOML in, a `Plan` out, or E_LAB with the line, the key and what to do.

    plan = load("village-outage")              a preset's name, or the path of a file
    plan.points()                              one plan for each combination of the axes of [sweep]

What may stand in a file is data (`wallets.lab.form`); [parameters] takes any name of `offline.parameters`, [sweep] any
of those and any `section.key` of the form, each with a list of values. Nothing is played before all of it is sound,
the numbers of the offline system among themselves included.
"""

import hashlib
import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from cbdc.errors import Malformed, Refused, TengeError
from cbdc.keys import ED25519, ES256
from offline.loss_policy import FIRST_SEEN, LossPolicy, loss_policy
from offline.parameters import SETTABLE, STAGED, Policy, check_consistent
from wallets.lab.form import ACROSS, MEASURES, PLOT, SECTIONS, Key, Section
from wallets.pilot.locate import Places

MAX_BYTES = 1 << 16
MAX_POINTS = 200
STUDY = "an experiment of the laboratory"
_BY_NAME = {one.name: one for one in SETTABLE}
_FORM = {section.name: section for section in SECTIONS}
_BIGGEST = 2**53 - 1

Value = int | str


@dataclass(frozen=True, slots=True)
class Lab:
    """[lab]; see `wallets.lab.form` for every key of this and the classes below."""

    name: str
    title: str
    seed: int
    days: int
    slots: int
    regions: int
    engine: str
    loss_policy: str
    algorithm: str
    close: int

    @property
    def key_algorithm(self) -> int:
        """The number of the devices' signature algorithm."""
        return ED25519 if self.algorithm == "ed25519" else ES256


@dataclass(frozen=True, slots=True)
class People:
    """[people]."""

    count: int
    villages: int
    household: int
    neighbours: int
    rewired: int
    tier_se: int
    tier_tee: int
    tier_sw: int
    online: int
    purse: int
    refill_below: int


@dataclass(frozen=True, slots=True)
class Shops:
    """[shops]."""

    per_village: int
    market: int
    wages: int


@dataclass(frozen=True, slots=True)
class Payments:
    """[payments]."""

    a_day: int
    to_shop: int
    to_market: int
    to_household: int
    to_neighbour: int
    mean: int
    spread: int
    near: int


@dataclass(frozen=True, slots=True)
class Link:
    """[link]."""

    lost: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Habit:
    """A row of [[habit]]."""

    kind: str
    weight: int
    hours: int


@dataclass(frozen=True, slots=True)
class Outage:
    """A row of [[outage]]."""

    village: int
    from_day: int
    to_day: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A row of [[opened]]."""

    count: int
    behaviour: str
    from_day: int
    a_day: int
    copies: int
    colluders: int
    online: int
    hide: int


@dataclass(frozen=True, slots=True)
class Plot:
    """A row of [[plot]]."""

    title: str
    x: str
    y: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole configuration. `parameters` are numbers of the offline system by name, `sweep` the axes in their order.

    `point` says which values of the axes this plan stands for; it is empty before `points`.
    """

    lab: Lab
    people: People
    shops: Shops
    payments: Payments
    link: Link
    habits: tuple[Habit, ...]
    outages: tuple[Outage, ...]
    opened: tuple[Opened, ...]
    parameters: Mapping[str, int]
    sweep: Mapping[str, tuple[Value, ...]]
    plots: tuple[Plot, ...]
    point: Mapping[str, Value]
    sha256: str

    @property
    def policy(self) -> Policy:
        """The numbers of the offline system as a TRUST list carries them; `staged` brings its own hops."""
        staged = STAGED if self.lab.engine == "staged" else {}
        return {**staged, **{_BY_NAME[name].id: value for name, value in self.parameters.items()}}

    def points(self) -> list["Plan"]:
        """One plan for each combination of the axes' values, the last axis fastest; this plan when there is none."""
        return [self._at(point) for point in _combinations(self.sweep)]

    def _at(self, point: Mapping[str, Value]) -> "Plan":
        plan = replace(self, point=point)
        for axis, value in point.items():
            section, _, key = axis.partition(".")
            if not key:
                plan = replace(plan, parameters={**plan.parameters, axis: int(value)})
                continue
            rows = _ROWS.get(section, section)
            old: Any = getattr(plan, rows)
            many = section in _ROWS or section == "opened"
            change: dict[str, Any] = {key: value}
            new = tuple(replace(row, **change) for row in old) if many else replace(old, **change)
            changed: dict[str, Any] = {rows: new}
            plan = replace(plan, **changed)
        return plan


_ROWS = {"habit": "habits", "outage": "outages"}


def _combinations(sweep: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Value]]:
    for values in itertools.product(*sweep.values()):
        yield dict(zip(sweep, values, strict=True))


def policy_of(plan: Plan) -> LossPolicy:
    """The loss policy of a plan, with its caps out of the plan's numbers; FIRST_SEEN is opened for this study."""
    name = plan.lab.loss_policy
    return loss_policy(name, plan.policy, STUDY if name == FIRST_SEEN else "")


# --- reading ---


def presets() -> list[str]:
    """The names of the configurations that come with the package."""
    folder = resources.files("wallets.lab").joinpath("presets")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def source(name: str) -> tuple[str, bytes]:
    """(file name, bytes) of a preset or of a file; E_LAB_UNKNOWN."""
    if name in presets():
        return f"{name}.toml", resources.files("wallets.lab").joinpath("presets", f"{name}.toml").read_bytes()
    path = Path(name)
    try:
        return path.name, path.read_bytes()
    except OSError:
        raise Refused("E_LAB_UNKNOWN", name=name[:80], known=", ".join(presets())) from None


def load(name: str, changes: Mapping[str, str] | None = None) -> Plan:
    """The plan of a preset or of a file, with some values changed (`people.count` -> `400`).

    Raises E_LAB_UNKNOWN, and E_LAB for whatever is wrong in it.
    """
    return read(*source(name), changes or {})


def read(file: str, data: bytes, changes: Mapping[str, str] | None = None) -> Plan:
    """The plan in a file's bytes; E_LAB."""
    return _File(file, data).plan(changes or {})


class _File:
    """One file being read: its table, and where everything stands in it."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self.places = Places("")
        if len(data) > MAX_BYTES:
            raise self.wrong("", "", f"it has {len(data)} bytes; {MAX_BYTES} are allowed")
        try:
            text = data.decode("utf-8")
            self.table = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.wrong("", "", str(error)) from None
        self.places = Places(text)

    def wrong(self, place: str, key: str, problem: str) -> Malformed:
        """The refusal of what stands at a place."""
        line, _ = self.places.find(place, key)
        where = " ".join(part for part in (place, key) if part) or "the file"
        return Malformed("E_LAB", file=self.name, line=line, place=where, problem=problem)

    def plan(self, changes: Mapping[str, str]) -> Plan:
        known = {*_FORM, PLOT.name, "parameters", "sweep"}
        for name in self.table:
            if name not in known:
                raise self.wrong(f"[{name}]", "", f"no such section; there are {', '.join(sorted(known))}")
        self._change(changes)
        one: dict[str, Any] = {
            section.name: self._single(section) for section in SECTIONS if not section.many
        }
        many: dict[str, list[dict[str, Any]]] = {
            section.name: self._many(section) for section in (*SECTIONS, PLOT) if section.many
        }
        plan = Plan(
            lab=Lab(**one["lab"]),
            people=People(**one["people"]),
            shops=Shops(**one["shops"]),
            payments=Payments(**one["payments"]),
            link=Link(**one["link"]),
            habits=tuple(Habit(**row) for row in many["habit"]) or (Habit("exponential", 1, 24),),
            outages=tuple(Outage(**row) for row in many["outage"]),
            opened=tuple(Opened(**row) for row in many["opened"]),
            parameters=self._parameters(),
            sweep=self._sweep(),
            plots=tuple(Plot(**row) for row in many["plot"]),
            point={},
            sha256=hashlib.sha256(self.data + repr(sorted(changes.items())).encode()).hexdigest(),
        )
        self._check(plan)
        return plan

    def _change(self, changes: Mapping[str, str]) -> None:
        for name, text in changes.items():
            section, _, key = name.partition(".")
            value: Value = int(text) if text.lstrip("-").isdecimal() else text
            if not key:
                section, key = "parameters", name
            rows = self.table.setdefault(section, {})
            for row in rows if isinstance(rows, list) else [rows]:
                if isinstance(row, dict):
                    row[key] = value

    # --- sections ---

    def _single(self, section: Section) -> dict[str, Value]:
        table = self.table.get(section.name, {})
        place = f"[{section.name}]"
        if not isinstance(table, dict):
            raise self.wrong(place, "", "write it once, with single brackets")
        return self._row(section, place, table)

    def _many(self, section: Section) -> list[dict[str, Value]]:
        rows = self.table.get(section.name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.wrong(f"[{section.name}]", "", f"write it with double brackets, [[{section.name}]]")
        return [
            self._row(section, f"[[{section.name}]] number {number}", row)
            for number, row in enumerate(rows, start=1)
        ]

    def _row(self, section: Section, place: str, table: Mapping[str, Any]) -> dict[str, Value]:
        names = [key.name for key in section.keys]
        for name in table:
            if name not in names:
                raise self.wrong(place, name, f"no such key; there are {', '.join(names)}")
        return {key.name: self._value(key, place, key.name, table.get(key.name)) for key in section.keys}

    def _value(self, key: Key, place: str, name: str, value: object) -> Value:
        if value is None:
            if key.default is None and not key.words and key.high:
                raise self.wrong(place, name, f"it is missing: a whole number from {key.low} to {key.high}")
            if key.default is None:
                raise self.wrong(place, name, f"it is missing: {', '.join(key.words) or 'a text'}")
            return key.default
        if key.words:
            if value not in key.words:
                raise self.wrong(place, name, f"{value!r} is none of {', '.join(key.words)}")
            return str(value)
        if not key.high:
            if not isinstance(value, str) or len(value) > 200:
                raise self.wrong(place, name, "it must be a text of at most 200 characters")
            return value
        if type(value) is not int or not key.low <= value <= key.high:
            problem = f"{value!r} is no whole number from {key.low} to {key.high}"
            raise self.wrong(place, name, problem + (f" ({key.unit})" if key.unit else ""))
        return value

    def _parameters(self) -> dict[str, int]:
        table = self.table.get("parameters", {})
        if not isinstance(table, dict):
            raise self.wrong("[parameters]", "", "write it once, with single brackets")
        return {name: self._parameter("[parameters]", name, value) for name, value in table.items()}

    def _parameter(self, place: str, name: str, value: object) -> int:
        if name not in _BY_NAME:
            raise self.wrong(place, name, f"no such number; there are {', '.join(sorted(_BY_NAME))}")
        if type(value) is not int or not 0 <= value <= _BIGGEST:
            raise self.wrong(place, name, f"{value!r} is no whole number from 0 ({_BY_NAME[name].unit})")
        return value

    def _sweep(self) -> dict[str, tuple[Value, ...]]:
        table = self.table.get("sweep", {})
        if not isinstance(table, dict):
            raise self.wrong("[sweep]", "", "write it once, with single brackets")
        axes: dict[str, Any] = {}
        for name, values in table.items():
            axes |= (
                {f"{name}.{key}": one for key, one in values.items()}
                if isinstance(values, dict)
                else {name: values}
            )
        return {axis: self._axis(axis, values) for axis, values in axes.items()}

    def _axis(self, axis: str, values: object) -> tuple[Value, ...]:
        if not isinstance(values, list) or not values:
            raise self.wrong("[sweep]", axis, "an axis is a list of values, such as [1, 2, 5]")
        section, _, name = axis.partition(".")
        if not name:
            return tuple(self._parameter("[sweep]", axis, value) for value in values)
        keys = {key.name: key for key in _FORM[section].keys} if section in _FORM else {}
        if name not in keys or name in ("name", "title"):
            raise self.wrong("[sweep]", axis, "an axis is a number of [parameters] or a section.key")
        return tuple(self._value(keys[name], "[sweep]", axis, value) for value in values)

    # --- the whole ---

    def _check(self, plan: Plan) -> None:
        if plan.people.villages > plan.people.count:
            raise self.wrong("[people]", "villages", "there are more villages than people")
        if not plan.people.tier_se + plan.people.tier_tee + plan.people.tier_sw:
            raise self.wrong("[people]", "tier_se", "all weights of the tiers are 0")
        if not sum(habit.weight for habit in plan.habits):
            raise self.wrong("[[habit]] number 1", "weight", "all weights of the habits are 0")
        combinations = 1
        for values in plan.sweep.values():
            combinations *= len(values)
        if combinations > MAX_POINTS:
            raise self.wrong("[sweep]", "", f"{combinations} combinations; {MAX_POINTS} are allowed")
        for number, outage in enumerate(plan.outages, start=1):
            if outage.to_day < outage.from_day:
                raise self.wrong(f"[[outage]] number {number}", "to_day", "it ends before it begins")
        for number, plot in enumerate(plan.plots, start=1):
            if plot.x not in (*ACROSS, *plan.sweep):
                problem = f"{plot.x!r} is no axis of [sweep], and not {' or '.join(ACROSS)}"
                raise self.wrong(f"[[plot]] number {number}", "x", problem)
            for name in plot.y.split(","):
                if name.strip() not in MEASURES:
                    problem = f"{name.strip()!r} is no measure; there are {', '.join(MEASURES)}"
                    raise self.wrong(f"[[plot]] number {number}", "y", problem)
        for point in plan.points():
            self._check_point(point)

    def _check_point(self, plan: Plan) -> None:
        where = "".join(f" at {name} = {value}" for name, value in plan.point.items())
        taken = sum(row.count * (1 + row.colluders) for row in plan.opened)
        if taken * 2 > plan.people.count:
            problem = (
                f"{taken} opened devices and colluders of {plan.people.count} people{where}; at most half"
            )
            raise self.wrong("[[opened]] number 1", "count", problem)
        try:
            policy_of(plan)
            check_consistent(plan.policy)
        except TengeError as error:
            problem = f"{error.sentence().rstrip('.')}{where}"
            place = "[lab]" if error.code == "E_LOSS_POLICY" else "[parameters]"
            raise self.wrong(place, "loss_policy" if place == "[lab]" else "", problem) from None
