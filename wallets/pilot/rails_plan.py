"""The section `[rails]` of a pilot script: a corridor to another country, as data.

    [rails]            the bank at home, the rate and the spread, hours abroad, deadlines, first money
    [[rails.payee]]    who is paid abroad: `name`, `title`, `account` (open, closed or unknown)
    [[rails.rule]]     what the bank asks before it takes an order: `name`, `kind`, and what the kind needs
    [[rails.hold]]     a name that the correspondent's officer looks at: `title`, `hours`, `release`
    [[rails.fault]]    what the network does to the `number`-th `message` from `sender` to `receiver`
    [[rails.outage]]   a member that is down from a day and time on, for so many minutes

Kinds of rules: `quote`, `cut_off`, `sanctions` (names, countries), `limit` (most), `banks` (banks), `deadlines`
(minutes). See `cbdc.rails.policy`. Members: desk, exchange, correspondent, maker, payees_bank.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cbdc.errors import TengeError
from cbdc.rails.calendar import BusinessCalendar, read_date
from cbdc.rails.correspondent import Hold
from cbdc.rails.corridor import Addresses, CorridorPlan, Outage
from cbdc.rails.exchange import Times
from cbdc.rails.network import ACTIONS, Fault, FaultPlan
from cbdc.rails.policy import Policy, SimulatedScreening, plain_name
from wallets.pilot.reader import Reader
from wallets.pilot.script import Script

MINUTE, HOUR = 60, 3_600
ACCOUNTS = ("open", "closed", "unknown")
ADDRESSES = Addresses()


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid abroad, and how the account there is: open, closed or unknown."""

    name: str
    title: str
    account: str


@dataclass(frozen=True, slots=True)
class RailsPlan:
    """What a script says: the bank at home by name, the first middle rate, the payees, the corridor."""

    bank: str
    rate: int
    payees: Mapping[str, Payee]
    corridor: CorridorPlan


def parse(script: Script) -> RailsPlan:
    """The section `[rails]`; E_SCRIPT with the place of the first mistake."""
    reader = Reader(script.file, "[rails]", script.extra["rails"])
    names = script.names
    bank = reader.text("bank")
    if bank not in {one.name for one in script.banks}:
        raise reader.wrong(f"there is no bank {bank[:40]}")
    calendar = BusinessCalendar(
        "the settlement system abroad",
        reader.value("offset_hours", names) * HOUR,
        _clock_time(reader, "opens"),
        _clock_time(reader, "cut_off"),
        frozenset(_day(reader, text) for text in reader.list("holidays")),
    )
    times = Times(
        own=reader.value("own_minutes", names) * MINUTE,
        other=reader.value("other_minutes", names) * MINUTE,
        claim_margin=reader.value("claim_minutes", names) * MINUTE,
        retry=reader.value("again_minutes", names) * MINUTE,
    )
    corridor = CorridorPlan(
        home_bank=[one.name for one in script.banks].index(bank) + 1,
        calendar=calendar,
        nostro_minor=reader.value("nostro", names),
        stock_minor=reader.value("stock", names),
        spread_bp=reader.value("spread_bp", names),
        quote_seconds=reader.value("quote_minutes", names) * MINUTE,
        transit_seconds=reader.value("transit_seconds", names),
        retry_seconds=reader.value("retry_minutes", names) * MINUTE,
        times=times,
        margin_seconds=reader.value("margin_minutes", names) * MINUTE,
    )
    rate, payees = reader.value("rate", names), _payees(script, reader)
    corridor = replace(
        corridor,
        policy=_policy(script, reader, calendar),
        holds=_holds(script, reader),
        faults=FaultPlan(_faults(script, reader)),
        outages=_outages(script, reader),
    )
    reader.done()
    return RailsPlan(bank, rate, payees, corridor)


def _clock_time(reader: Reader, key: str) -> int:
    text = reader.text(key)
    hours, _, minutes = text.partition(":")
    if not (
        len(text) == 5 and hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60
    ):
        raise reader.wrong(f"{key} must be a time such as 09:30")
    return int(hours) * HOUR + int(minutes) * MINUTE


def _day(reader: Reader, text: object) -> int:
    try:
        return read_date(text if isinstance(text, str) else "")
    except TengeError:
        raise reader.wrong(f"{text!r} is no date such as 2025-12-25") from None


def _rows(script: Script, reader: Reader, key: str) -> list[Reader]:
    rows = enumerate(reader.list(key), start=1)
    return [Reader(script.file, f"[[rails.{key}]] number {number}", row) for number, row in rows]


def _payees(script: Script, reader: Reader) -> dict[str, Payee]:
    payees: dict[str, Payee] = {}
    for row in _rows(script, reader, "payee"):
        payee = Payee(row.name("name", taken=payees), row.text("title"), row.text("account", "open"))
        if payee.account not in ACCOUNTS:
            raise row.wrong(f"account must be one of {', '.join(ACCOUNTS)}")
        row.done()
        payees[payee.name] = payee
    return payees


def _policy(script: Script, reader: Reader, calendar: BusinessCalendar) -> Policy:
    policy = Policy(quote=False)
    taken: list[str] = []
    for row in _rows(script, reader, "rule"):
        taken.append(row.name("name", taken=taken))
        policy = replace(policy, **_rule(script, row, calendar))
        row.done()
    return policy


def _rule(script: Script, row: Reader, calendar: BusinessCalendar) -> dict[str, Any]:
    """What one rule sets in the policy."""
    kind = row.text("kind")
    if kind == "quote":
        return {"quote": True}
    if kind == "cut_off":
        return {"cut_off": calendar}
    if kind == "sanctions":
        titles, countries = _texts(row, "names"), _texts(row, "countries")
        listed = SimulatedScreening(frozenset(map(plain_name, titles)), frozenset(countries))
        return {"screening": listed}
    if kind == "limit":
        return {"limit_minor": row.value("most", script.names)}
    if kind == "banks":
        return {"banks": frozenset(_texts(row, "banks"))}
    if kind == "deadlines":
        return {"margin_seconds": row.value("minutes", script.names) * MINUTE}
    raise row.wrong(
        f"there is no kind {kind[:20]}; there are quote, cut_off, sanctions, limit, banks, deadlines"
    )


def _texts(row: Reader, key: str) -> list[str]:
    found = row.list(key)
    if not all(isinstance(text, str) for text in found):
        raise row.wrong(f"{key} must be a list of texts")
    return [str(text) for text in found]


def _holds(script: Script, reader: Reader) -> dict[str, Hold]:
    holds: dict[str, Hold] = {}
    for row in _rows(script, reader, "hold"):
        title, seconds = row.text("title"), row.value("hours", script.names) * HOUR
        holds[plain_name(title)] = Hold(seconds, bool(row.value("release", script.names)))
        row.done()
    return holds


def _member(row: Reader, key: str) -> str:
    name = row.text(key)
    if name not in Addresses._fields:
        raise row.wrong(f"{key} must be one of {', '.join(Addresses._fields)}")
    return str(getattr(ADDRESSES, name))


def _faults(script: Script, reader: Reader) -> list[Fault]:
    faults: list[Fault] = []
    for row in _rows(script, reader, "fault"):
        action = row.text("do")
        if action not in ACTIONS:
            raise row.wrong(f"do must be one of {', '.join(ACTIONS)}")
        faults.append(
            Fault(
                row.text("message"),
                _member(row, "sender"),
                _member(row, "receiver"),
                row.value("number", script.names),
                action,
                row.value("minutes", script.names, 0) * MINUTE,
            )
        )
        row.done()
    return faults


def _outages(script: Script, reader: Reader) -> list[Outage]:
    outages: list[Outage] = []
    for row in _rows(script, reader, "outage"):
        _clock_time(Reader(script.file, row.place, {"at": (at := row.text("at"))}), "at")
        first = script.moment_of(row.value("day", script.names), at)
        last = first + row.value("minutes", script.names) * MINUTE
        outages.append(Outage(_member(row, "member"), first, last))
        row.done()
    return outages
