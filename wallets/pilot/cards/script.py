"""The section `[cards]` of a pilot script.

[cards]
visa = ["halyk-bank", ...]          # banks that issue on the Visa-like network
mastercard = ["eurasian-bank"]      # and on the Mastercard-like one; each bank of the script is on one of them
stand_in = "tenge(20000)"           # up to this much the networks answer for a silent issuer, for each card
direct = ["cafe"]                   # groups of shops that also take digital tenge directly
[[cards.rule]]
name = "cash-in-a-day"              # a step that it refuses says rule = "cards.cash-in-a-day"
kind = "day_limit"                  # see `cbdc.cards.rules`
channel = "cash"                    # pos, cash, online or any
most = "tenge(1500000)"
shops = [["shop", 2]]               # sanctions: members of groups, and
countries = ["643"]                 # countries by their numbers
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cbdc.cards.numbers import MASTERCARD_LIKE, VISA_LIKE
from cbdc.cards.rules import ANY, CHANNELS, KINDS, SANCTIONS, WITH_MOST
from wallets.pilot.form import LIST, NAME, NUMBER, TEXT, Key, Section
from wallets.pilot.reader import Reader
from wallets.pilot.script import Script

FORM = Section(
    "cards of digital tenge",
    {
        "visa": Key(LIST, "banks whose cards are on the Visa-like network"),
        "mastercard": Key(LIST, "banks whose cards are on the Mastercard-like network"),
        "stand_in": Key(NUMBER, "what a network answers for a silent issuer, for each card, in tiyn"),
        "direct": Key(LIST, "groups of shops that take digital tenge directly"),
    },
    many=False,
    inside={
        "rule": Section(
            "what an issuer asks of a payment before it asks the ledger",
            {
                "name": Key(NAME, 'its name: a step it refuses says rule = "cards.NAME"', True),
                "kind": Key(TEXT, "what it asks", True, KINDS),
                "channel": Key(TEXT, "which payments it binds; without it any", choices=CHANNELS),
                "most": Key(NUMBER, "payment_limit, day_limit: tiyn; day_count: how many"),
                "shops": Key(LIST, 'sanctions: [["group", member], ...]'),
                "countries": Key(LIST, "sanctions: numbers of countries, as texts of three digits"),
            },
        )
    },
)


@dataclass(frozen=True, slots=True)
class RulePlan:
    """A rule before merchants have numbers: `shops` are members of groups."""

    name: str
    kind: str
    channel: str
    most: int
    shops: tuple[tuple[str, int], ...]
    countries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardsPlan:
    """What the section says. `networks` maps the names of banks to their networks."""

    networks: Mapping[str, str]
    stand_in_tiyn: int
    direct: frozenset[str]
    rules: tuple[RulePlan, ...]


def parse(script: Script) -> CardsPlan:
    """The section, read strictly; E_SCRIPT with the place of the first mistake."""
    reader = Reader(script.file, "[cards]", script.extra["cards"])
    networks: dict[str, str] = {}
    known = [bank.name for bank in script.banks]
    for key, network in (("visa", VISA_LIKE), ("mastercard", MASTERCARD_LIKE)):
        for name in reader.list(key):
            if name not in known or name in networks:
                raise reader.wrong(f"{key}: {str(name)[:40]} is no bank of the script, or stands twice")
            networks[name] = network
    if set(networks) != set(known):
        raise reader.wrong("each bank of the script is on one of the two networks")
    groups = {cast.name: cast.count for cast in script.cast}
    direct = reader.list("direct")
    if any(name not in groups for name in direct):
        raise reader.wrong("direct: names groups of the cast")
    rules: list[RulePlan] = []
    for number, row in enumerate(reader.list("rule"), start=1):
        inner = Reader(script.file, f"[[cards.rule]] number {number}", row)
        rules.append(_rule(inner, script, [rule.name for rule in rules], groups))
    plan = CardsPlan(networks, reader.value("stand_in", script.names, 0), frozenset(direct), tuple(rules))
    reader.done()
    if plan.stand_in_tiyn < 0:
        raise reader.wrong("stand_in must be at least 0")
    return plan


def _rule(reader: Reader, script: Script, taken: list[str], groups: Mapping[str, int]) -> RulePlan:
    name, kind = reader.name("name", taken=taken), reader.text("kind")
    if kind not in KINDS:
        raise reader.wrong(f"there is no kind {kind[:20]}; there are {', '.join(KINDS)}")
    channel = reader.text("channel", ANY)
    if channel not in CHANNELS:
        raise reader.wrong(f"channel must be one of {', '.join(CHANNELS)}")
    most = reader.value("most", script.names) if kind in WITH_MOST else 0
    shops: list[tuple[str, int]] = []
    countries: list[str] = []
    if kind == SANCTIONS:
        shops = [_member(reader, groups, row) for row in reader.list("shops")]
        countries = reader.list("countries")
        if any(not _is_country(one) for one in countries):
            raise reader.wrong('countries are texts of three digits, such as "643"')
    reader.done()
    if most < 0:
        raise reader.wrong("most must be at least 0")
    return RulePlan(name, kind, channel, most, tuple(shops), tuple(countries))


def _is_country(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit()


def _member(reader: Reader, groups: Mapping[str, int], row: Any) -> tuple[str, int]:
    match row:
        case [str(name), int(number)] if name in groups and 0 <= number < groups[name]:
            return name, number
    raise reader.wrong('shops are members of groups: [["group", member], ...]')
