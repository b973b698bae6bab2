"""docs/ledger.md says what the code does: kinds, places, guards, state and audit codes."""

import re
import tomllib

from cbdc.errors import catalogue
from cbdc.ledger import rules
from cbdc.ledger.ledger import MAX_GROUP
from cbdc.ledger.places import PLACES
from cbdc.ledger.state import KIND_NAMES
from cbdc.token import CATEGORY_NAMES, MAX_LOCK_KEYS, holder_class
from cbdc.transaction import KINDS
from tests.cbdc.test_rules import ROWS
from tests.conftest import ROOT

PAGE = (ROOT / "docs/ledger.md").read_text(encoding="utf-8")
OURS = tomllib.loads((ROOT / "cbdc/catalogue/en/ledger.toml").read_text(encoding="utf-8"))
CODE = re.compile(r"`(E_[A-Z0-9_]+)`")


def table(title: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def flat(text: str) -> str:
    """Words with single spaces."""
    return " ".join(text.split())


def test_the_kinds_are_the_closed_list() -> None:
    assert [(int(row[0]), row[1]) for row in table("Kinds of transactions")] == [
        (number, kind.__name__) for number, kind in sorted(KINDS.items())
    ]


def test_kinds_and_holders_are_the_table_of_places() -> None:
    assert table("Kinds and holders") == [
        [
            kind,
            ", ".join(place.spenders),
            ", ".join(place.receivers),
            "yes" if place.one_holder else "",
            "yes" if place.plain else "",
        ]
        for kind, place in PLACES.items()
    ]


def test_the_lines_of_the_supply_are_told_by_category() -> None:
    section = flat(PAGE.split("\n## Kinds and holders\n")[1].split("|")[0])
    special = {number for number in CATEGORY_NAMES if holder_class(number) != "wallets"}
    assert {int(number) for number in re.findall(r"\b2\d\d\b", section)} == special


def test_the_guards_are_those_of_the_rules_in_their_order() -> None:
    assert rules.__doc__ is not None
    named = re.findall(r"^    (G\d+) +(\S.*?)  +\S", rules.__doc__, re.MULTILINE)
    rows = table("Guards")
    assert [row[0] for row in rows] == [guard for guard, _ in named]
    for row, (_, name) in zip(rows, named, strict=True):
        assert row[1].startswith(f"{name}:")


def test_each_code_stands_at_its_guard() -> None:
    told = {row[0]: set(CODE.findall(row[2])) for row in table("Guards")}
    for code, row in OURS.items():
        if row["rule"] in told:
            assert code in told[row["rule"]], code
    everywhere = set().union(*told.values())
    assert {row.code for row in ROWS if row.code} <= everywhere
    for guard, codes in told.items():
        for code in codes:
            assert {guard, "V3", "money"} & set(catalogue()[code].rule.split(", ")), code


def test_the_kinds_of_state() -> None:
    assert [(int(row[0]), row[1]) for row in table("State")] == sorted(KIND_NAMES.items())


def test_every_code_of_the_audit_and_the_store_is_told() -> None:
    told = set(CODE.findall(PAGE))
    ours = {code for code, row in OURS.items() if row["rule"] in ("audit", "store", "journal")}
    assert ours - told <= {"E_LEDGER_EMPTY", "E_ENTRY_UNKNOWN"}


def test_numbers_are_the_codes() -> None:
    assert f"At most {MAX_GROUP:,} go together" in flat(PAGE)
    assert f"so many of up to {MAX_LOCK_KEYS} keys" in PAGE
