"""Policies as data: who may hold, pay and buy how much, and which of the bank's rules hold. Presets, one engine.

A policy is a list of named **rules** over identification **tiers**. Some rules are limits of the ledger and are
enforced there, in the same commit as the payment (guard G9); the others are the bank's, and each is asked by the desk
that it belongs to. `KINDS` is the whole list:

    ledger   holding, payment, day, month, year: tiyn, for one tier
    bank     waterfall, reverse_waterfall, zero_holding: for one tier; purchase_day: tiyn a customer may buy in a day
    desks    collateral, settlement_hours, alias_lookups, request_once, request_expiry, mandate_payment, mandate_period,
             mandate_window, refund_sum, refund_payer, theft_freeze, device_revocation, recovery_identity, recovery_wait
    offline  a parameter of offline money (`offline.parameters`), by its name

Presets stand beside this module as TOML: each figure has a grade and a note, foreign figures are translated at a rate
that is an assumption and says so. A script takes a preset's figures and names the rules it wants: a rule that nobody
names does not hold, so leaving one out shows what it did.

Rules kept here: no figure without a grade; a rule's name is there once; two rules never limit the same thing of the
same tier; whatever a file holds, what comes out is a policy, or E_POLICY_RULE with the rule and the problem.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from cbdc.errors import Malformed, Refused
from cbdc.ledger.entry import MONTH, YEAR, Policy
from cbdc.money import MAX_TIYN, tenge

UTC_PLUS_5_SECONDS = 5 * 3_600
PRESETS = ("sandbox", "e-cny-like", "enaira-like", "ecb-like", "anonymous-below")
GRADES = ("P", "I", "V", "S", "D", "A")

TIYN = "tiyn"
SWITCH = "1: holds"
COUNT = "a number"
SECONDS = "seconds"
PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a rule of this kind limits: its unit, whether it is one tier's, and what it says."""

    unit: str
    of_tier: bool
    meaning: str


KINDS: Mapping[str, Kind] = {
    "holding": Kind(TIYN, True, "the most that a holder may come to hold by a payment"),
    "payment": Kind(TIYN, True, "the most that a holder may pay at once"),
    "day": Kind(TIYN, True, "the most that a holder may pay in a day"),
    "month": Kind(TIYN, True, "the most that a holder may pay in a calendar month"),
    "year": Kind(TIYN, True, "the most that a holder may pay in a calendar year"),
    "waterfall": Kind(SWITCH, True, "what would break the payee's holding limit goes on into its deposit"),
    "reverse_waterfall": Kind(SWITCH, True, "what a payer lacks comes out of its deposit first"),
    "zero_holding": Kind(SWITCH, True, "holds nothing: what comes in becomes a deposit, at the latest at day's end"),
    "purchase_day": Kind(TIYN, True, "the most digital tenge that a bank sells one customer in a day"),
    "settlement_hours": Kind(SWITCH, False, "what runs over accounts at the National Bank waits for its opening hours"),
    "collateral": Kind(PERCENT, False, "the National Bank lends a bank at most so much of its loans"),
    "alias_lookups": Kind(COUNT, False, "the most phone numbers that one holder may look up in a day"),
    "request_once": Kind(SWITCH, False, "a payment request is paid once"),
    "request_expiry": Kind(SWITCH, False, "a payment request is not paid after its time"),
    "mandate_payment": Kind(SWITCH, False, "a collection is within the mandate's limit for one payment"),
    "mandate_period": Kind(SWITCH, False, "collections of a period are within the mandate's sum and number"),
    "mandate_window": Kind(SWITCH, False, "a mandate holds from its first to its last moment, and until it is revoked"),
    "refund_sum": Kind(SWITCH, False, "refunds of a payment never exceed it in sum"),
    "refund_payer": Kind(SWITCH, False, "a refund goes to who paid, and to nobody else"),
    "theft_freeze": Kind(SWITCH, False, "a wallet that is reported stolen is frozen at once"),
    "device_revocation": Kind(SWITCH, False, "a device that is reported stolen is revoked at once"),
    "recovery_identity": Kind(SWITCH, False, "a wallet is restored only for the customer who opened it"),
    "recovery_wait": Kind(SECONDS, False, "so long a restored wallet is waited for, from the request on"),
    "offline": Kind(COUNT, False, "a parameter of offline money, by its name"),
}  # fmt: skip
LEDGER_KINDS = ("holding", "payment", "day", "month", "year")


@dataclass(frozen=True, slots=True)
class Tier:
    """A level of identification: its number on the ledger, its name, whether the bank knows a name behind it."""

    number: int
    name: str
    identified: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `kind` of `KINDS`, for one tier (0: for everybody), with its value, grade and note.

    `parameter` names the offline parameter of a rule of the kind `offline`. Raises E_POLICY_RULE for a kind that is not
    there, a value that limits nothing, a grade that is none, or a tier where there must be none.
    """

    name: str
    kind: str
    value: int
    tier: int = 0
    grade: str = "A"
    note: str = "assumption"
    parameter: str = ""

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise self.wrong(f"there is no kind {self.kind[:40]}")
        if kind.of_tier != (self.tier > 0) or self.tier > 255:
            raise self.wrong("it needs a tier from 1 to 255" if kind.of_tier else "it is no tier's")
        # On the ledger a limit of nothing means no limit, so it must never be written by accident.
        least = 0 if self.kind == "offline" else 1
        if not least <= self.value <= {SWITCH: 1, PERCENT: 100}.get(kind.unit, MAX_TIYN):
            raise self.wrong(f"the value {self.value} is not one of a rule counted in {kind.unit}")
        if self.grade not in GRADES:
            raise self.wrong(f"the grade must be one of {', '.join(GRADES)}")
        if bool(self.parameter) != (self.kind == "offline"):
            raise self.wrong("an offline rule, and no other, names its parameter")

    def wrong(self, problem: str) -> Malformed:
        """E_POLICY_RULE that names this rule."""
        return Malformed("E_POLICY_RULE", rule=self.name[:40], problem=problem)

    @property
    def subject(self) -> tuple[str, int, str]:
        """What it limits; no two rules of a policy limit the same."""
        return self.kind, self.tier, self.parameter


@dataclass(frozen=True, slots=True)
class PolicySet:
    """A whole policy: its tiers and its rules. Raises E_POLICY_RULE for a name or a subject that is there twice, or a
    tier that is not there."""

    label: str
    title: str
    tiers: tuple[Tier, ...]
    rules: tuple[Rule, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        names: set[str] = set()
        subjects: set[tuple[str, int, str]] = set()
        numbers = {tier.number for tier in self.tiers}
        for rule in self.rules:
            if rule.name in names:
                raise rule.wrong("the name is taken")
            if rule.subject in subjects:
                raise rule.wrong("another rule says the same of the same tier")
            if rule.tier and rule.tier not in numbers:
                raise rule.wrong(f"there is no tier {rule.tier}")
            names.add(rule.name)
            subjects.add(rule.subject)

    def value(self, kind: str, tier: int = 0) -> int | None:
        """The value of the rule of this kind (for a tier, where it is one tier's); None when it does not hold."""
        assert kind in KINDS, kind
        found = [rule.value for rule in self.rules if (rule.kind, rule.tier) == (kind, tier)]
        return found[0] if found else None

    def holds(self, kind: str, tier: int = 0) -> bool:
        """Whether there is a rule of this kind."""
        return self.value(kind, tier) is not None

    def limit(self, kind: str, tier: int) -> int:
        """A limit of the ledger for a tier, in tiyn; 0 is no limit."""
        return self.value(kind, tier) or 0

    def offline(self) -> dict[str, int]:
        """The offline parameters that rules set, by name."""
        return {rule.parameter: rule.value for rule in self.rules if rule.kind == "offline"}

    def with_rules(self, rules: Sequence[Rule]) -> "PolicySet":
        """The same tiers under these rules and no others."""
        return replace(self, rules=tuple(rules))

    def ledger_policy(self, day_offset_seconds: int = UTC_PLUS_5_SECONDS) -> Policy:
        """What of it the ledger enforces, for entry 0: limits by tier; days begin at midnight in Kazakhstan."""
        rows = tuple(
            (tier.number, *(self.limit(kind, tier.number) for kind in ("holding", "payment", "day")))
            for tier in self.tiers
        )
        periods = tuple(
            (tier.number, number, self.limit(kind, tier.number))
            for tier in self.tiers
            for kind, number in (("month", MONTH), ("year", YEAR))
            if self.holds(kind, tier.number)
        )
        return Policy(self.label, rows, day_offset_seconds, periods)  # type: ignore[arg-type]


@cache
def preset(name: str) -> PolicySet:
    """The policy that comes with the sandbox under this name; E_POLICY_PRESET for another one."""
    if name not in PRESETS:
        raise Refused("E_POLICY_PRESET", name=name[:40], known=", ".join(PRESETS))
    file = resources.files("cbdc").joinpath("presets", f"{name}.toml")
    return read_policy(name, tomllib.loads(file.read_text(encoding="utf-8")))


def read_policy(label: str, table: Mapping[str, Any]) -> PolicySet:
    """The policy in a file's table; E_POLICY_RULE."""
    rates = {row["currency"]: row["tiyn"] for row in table.get("rate", [])}
    tiers = [
        Tier(row["number"], row["name"], row.get("identified", True), row.get("note", ""))
        for row in table.get("tier", [])
    ]
    rules = [_rule(row, rates) for row in table.get("rule", [])]
    return PolicySet(label, table.get("title", label), tuple(tiers), tuple(rules), table.get("note", ""))


def _rule(row: Mapping[str, Any], rates: Mapping[str, int]) -> Rule:
    name, note = str(row.get("name", "")), str(row.get("note", ""))
    amounts = [key for key in ("tenge", "foreign", "value") if key in row]
    if len(amounts) != 1 or not note:
        raise Malformed("E_POLICY_RULE", rule=name[:40], problem="it needs one amount and a note")
    value = row[amounts[0]]
    if amounts == ["tenge"]:
        value = tenge(value)
    elif amounts == ["foreign"]:
        currency = row.get("currency", "")
        if currency not in rates:
            raise Malformed("E_POLICY_RULE", rule=name[:40], problem=f"there is no rate for {currency}")
        note = f"{note}: {value:,} {currency} at {rates[currency]:,} tiyn (rate: assumption)"
        value *= rates[currency]
    return Rule(
        name,
        row.get("kind", ""),
        value,
        row.get("tier", 0),
        row.get("grade", ""),
        note,
        row.get("parameter", ""),
    )
