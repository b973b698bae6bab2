"""The form of a script, as data: every section with its keys, what a key holds, and what it is for.

Made from it are the JSON schema for editors (`pilot.schema.json`), the tables in docs/pilots/writing.md, and the hints
of `tenge pilot check`. What verbs read from their steps stands in the schema too, taken from the code of the verbs. A
test compares all of it with what the readers of scripts read, so that nothing is told twice and differently.

A section of an extension says its form here in `Extension.forms`; one that does not is open in the schema.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from cbdc.token import CATEGORY_NAMES
from wallets.cast import DEVICE_TIERS
from wallets.pilot.facts import facts
from wallets.pilot.mark_rules import ABOUT, CATEGORIES, PERIODS, WHOSE
from wallets.pilot.quantities import GRADES
from wallets.pilot.sampling import KINDS

TEXT, NAME, NUMBER, WHOLE, LIST, DATE, TIME = "text", "name", "number", "whole", "list", "date", "time"
FORMS = {
    TEXT: "a text",
    NAME: "a name: small letters, digits, - and _",
    NUMBER: "a whole number or an expression",
    WHOLE: "a whole number or an expression without names",
    LIST: "a list",
    DATE: "a date as text, YYYY-MM-DD",
    TIME: "a time as text, HH:MM",
}
SCHEMA = "pilot.schema.json"


@dataclass(frozen=True, slots=True)
class Key:
    """What one key holds (`form`), what it is for, whether it must be there, and the texts it may be."""

    form: str
    about: str
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One section: `many` rows in double brackets or a single table; `inside` are rows under a key of a row."""

    about: str
    keys: Mapping[str, Key]
    many: bool = True
    inside: Mapping[str, "Section"] = field(default_factory=dict)
    names_numbers: bool = False


def _names(names: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(names)


_GRADE = Key(TEXT, "where the number comes from; without it A", choices=tuple(GRADES))
_NOTE = Key(TEXT, "where the number comes from, in words; say so when it is an assumption")
_UNIT = Key(TEXT, "what is counted; tiyn for money in expectations")
_CATEGORIES = tuple(name.replace(" ", "_") for name in CATEGORY_NAMES.values())

SECTIONS: dict[str, Section] = {
    "pilot": Section(
        "the pilot itself",
        {
            "name": Key(NAME, "its name, also of the run's folder", True),
            "title": Key(TEXT, "its title in lists and reports", True),
            "summary": Key(TEXT, "what happens, in two or three sentences"),
            "source": Key(TEXT, "where the story comes from"),
            "start": Key(DATE, "the first day; a Monday", True),
            "loss_reserve": Key(NUMBER, "the National Bank's reserve for offline losses, in tiyn"),
            "days": Key(TEXT, "what a day is; without it working", choices=("working", "calendar")),
            "simulated": Key(LIST, "sentences on what is not real, for the report"),
        },
        many=False,
    ),
    "parameter": Section(
        "a number that whoever plays the pilot may change",
        {
            "name": Key(NAME, "its name in expressions and for --set", True),
            "default": Key(WHOLE, "its value; not beside `fact`"),
            "fact": Key(
                TEXT, "a published figure, in place of default, unit and grade", choices=_names(facts())
            ),
            "scale": Key(WHOLE, "beside `fact`: 1000, 1000000 or 1000000000: counted in so many of its unit"),
            "least": Key(WHOLE, "the smallest value the pilot was made for; without it 0"),
            "most": Key(WHOLE, "the largest"),
            "unit": _UNIT,
            "grade": _GRADE,
            "note": _NOTE,
        },
    ),
    "distribution": Section(
        "what sample(NAME, i) draws from",
        {
            "name": Key(NAME, "its name in expressions", True),
            "kind": Key(TEXT, "uniform, normal, lognormal or choice", True, tuple(KINDS)),
            "low": Key(NUMBER, "uniform: the smallest"),
            "high": Key(NUMBER, "uniform: the largest"),
            "mean": Key(NUMBER, "normal, lognormal: the mean"),
            "deviation": Key(NUMBER, "normal: the standard deviation"),
            "spread_percent": Key(NUMBER, "lognormal: the standard deviation in percent of the mean"),
            "weights": Key(LIST, "choice: how likely each is"),
            "values": Key(LIST, "choice: what each is; without it 0, 1, 2, ..."),
            "unit": _UNIT,
            "grade": _GRADE,
            "note": _NOTE,
        },
    ),
    "derived": Section("numbers that follow from others: name = expression", {}, False, names_numbers=True),
    "require": Section(
        "what settings must keep",
        {
            "that": Key(NUMBER, "an expression that must hold", True),
            "else": Key(TEXT, "the sentence for who set something else", True),
        },
    ),
    "bank": Section(
        "a commercial bank",
        {
            "name": Key(NAME, "its name in this script", True),
            "title": Key(TEXT, "its name for people"),
            "reserve": Key(NUMBER, "its account at the National Bank, in tiyn", True),
        },
    ),
    "budget": Section(
        "the treasury's ordinary money",
        {
            "bank": Key(TEXT, "the bank where it is; without it the first"),
            "deposit": Key(NUMBER, "how much, in tiyn"),
        },
        many=False,
    ),
    "mark": Section(
        "a purpose of marked money",
        {
            "name": Key(NAME, "its name in this script", True),
            "label": Key(TEXT, "its name for people"),
            "purpose": Key(NUMBER, "the number of the purpose, on every token", True),
            "max_hops": Key(NUMBER, "how often it may change hands offline before a sync; 0: not offline"),
            "first_day": Key(NUMBER, "the first day on which it may be paid"),
            "release": Key(
                LIST,
                "categories that may free it, beside the payers of its rules `release`",
                choices=_CATEGORIES,
            ),
            "converts_on_redeem": Key(
                NUMBER, "1: free when a holder that may `release` it redeems notes it was paid"
            ),
            "person_to_person": Key(NUMBER, "1: people may pass it to each other"),
        },
        inside={
            "rule": Section(
                "what the mark asks; the kinds stand in their own table",
                {
                    "name": Key(NAME, 'its name: a step it refuses says rule = "mark.MARK.NAME"', True),
                    "kind": Key(TEXT, "what it asks", True),
                    "payers": Key(LIST, "only payments of these categories", choices=_CATEGORIES),
                    "payees": Key(LIST, "only payments to these categories", choices=_CATEGORIES),
                    "edges": Key(LIST, 'pays: [["payer", ["payee", ...]], ...]'),
                    "last_day": Key(NUMBER, "until, window: the last day"),
                    "first_day": Key(NUMBER, "window: the first day"),
                    "amount": Key(NUMBER, "cap, most, period: the limit in tiyn"),
                    "register": Key(TEXT, "listed, document: which register"),
                    "fact": Key(TEXT, "listed, document: which of its facts"),
                    "about": Key(TEXT, "listed, document: whom the fact is about", choices=tuple(ABOUT)),
                    "document": Key(LIST, 'listed: ["name", number] of the document'),
                    "same_lines": Key(NUMBER, "document: 1: the payment's lines are the document's"),
                    "only": Key(LIST, "goods: [[first, last], ...] that may be bought"),
                    "never": Key(LIST, "goods: [[first, last], ...] that may not"),
                    "caps": Key(LIST, "prices: [[item, amount], ...]"),
                    "sums": Key(LIST, "estimate: [[line, amount], ...]"),
                    "per": Key(TEXT, "period: how long", choices=tuple(PERIODS)),
                    "whose": Key(TEXT, "period: whose payments are added up", choices=tuple(WHOSE)),
                    "numerator": Key(NUMBER, "share, marks: so many"),
                    "denominator": Key(NUMBER, "share, marks: of so many parts"),
                    "mark": Key(TEXT, "share: the other mark, defined above"),
                    "parts": Key(LIST, 'release: [["register", "fact", numerator, denominator], ...]'),
                },
            )
        },
    ),
    "cast": Section(
        "a group of like people, shops or devices",
        {
            "name": Key(NAME, "its name in this script", True),
            "count": Key(NUMBER, "how many; their numbers i run from 0", True),
            "category": Key(TEXT, "what they are to rules", True, tuple(CATEGORIES)),
            "bank": Key(TEXT, "the bank that serves them", True),
            "tier": Key(NUMBER, "how well the bank knows them; without it 2"),
            "deposit": Key(NUMBER, "ordinary money in the bank for member i, in tiyn"),
            "device": Key(NUMBER, "1: member i has a device for offline payments"),
            "device_tier": Key(TEXT, "what keeps its keys", choices=tuple(DEVICE_TIERS)),
            "consent": Key(NUMBER, "0: member i agreed to no voucher"),
        },
    ),
    "step": Section(
        "what happens on a day",
        {
            "day": Key(NUMBER, "the day; or first_day and last_day"),
            "first_day": Key(NUMBER, "the first day of a step that repeats"),
            "last_day": Key(NUMBER, "its last day"),
            "every": Key(NUMBER, "it repeats every so many days; without it 1"),
            "at": Key(TIME, "when; without it 09:00"),
            "do": Key(TEXT, "the verb", True),
            "refused": Key(TEXT, "the code with which every try must be refused"),
            "rule": Key(
                TEXT, "the rule of the script that refuses it: mark.MARK.NAME; empty: none alone, on purpose"
            ),
            "milestone": Key(TEXT, "a name for this moment, for the report"),
            "since": Key(TEXT, "the milestone from which its days are counted; without it the first day"),
            "text": Key(TEXT, "what happens, in one sentence, for the report"),
        },
    ),
    "expect": Section(
        "what must be true at the end",
        {
            "name": Key(TEXT, "what, in words", True),
            "fact": Key(TEXT, "the fact of the run", True),
            "equals": Key(NUMBER, "its value, as a closed form of the parameters", True),
            "unit": _UNIT,
        },
    ),
    "quick": Section("parameters of a small run: NAME = value", {}, False, names_numbers=True),
}


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The JSON schema of scripts as it is shipped: made from `SECTIONS`, the extensions and the code of the verbs."""
    found: dict[str, Any] = json.loads(schema_text())
    return found


def schema_text() -> str:
    """The shipped schema as text, for a copy beside a script."""
    return resources.files("wallets.pilot").joinpath(SCHEMA).read_text(encoding="utf-8")


def verb_keys(verb: str) -> dict[str, Any] | None:
    """The arguments of a verb by name, each as its schema; None when the schema does not know the verb."""
    found = schema()["definitions"].get(f"verb_{verb}")
    return None if found is None else dict(found["properties"])


def verb_needs(verb: str) -> list[str]:
    """The arguments that a verb cannot do without."""
    return list(schema()["definitions"].get(f"verb_{verb}", {}).get("required", []))
