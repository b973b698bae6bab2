"""The section [policy] of a script: presets, named rules, opening hours, and the place of each mistake."""

from typing import Any

import pytest

from cbdc.errors import TengeError
from tests.pilot.test_banking import HEAD, rule
from wallets.pilot.perform import check
from wallets.pilot.policy_section import policy_of
from wallets.pilot.script import parse


def section(text: str) -> Any:
    return policy_of(parse("tiny.toml", f"{HEAD}\n{text}".encode(), {}))


def test_without_a_section_the_sandboxs_own_preset_holds_whole() -> None:
    found = section("")
    assert found.policy.label == "sandbox"
    assert found.policy.limit("holding", 1) == 1_297_500


def test_only_named_rules_hold_with_the_presets_figures() -> None:
    found = section('[policy]\npreset = "ecb-like"\n' + rule("h", "holding", tier=2))
    assert found.policy.limit("holding", 2) == 3_000 * 60_000
    assert not found.policy.holds("waterfall", 2)
    assert found.policy.rules[0].grade == "S"


def test_hours_and_closed_days() -> None:
    found = section('[policy]\nopens = "10:00"\ncloses = "16:30"\nclosed = ["2027-03-16"]')
    assert (found.calendar.opens, found.calendar.closes) == (36_000, 59_400)
    assert "2027-03-16" in found.calendar.holidays
    assert "03-21" in found.calendar.holidays


def test_who_bears_losses_and_the_mode_of_offline_numbers() -> None:
    plain = section("")
    assert (plain.losses, plain.study, plain.mode) == ("WATERFALL", "", "intermittent")
    chosen = section('[policy]\nlosses = "FIRST_SEEN"\nstudy = "why it fails"\nmode = "staged"')
    assert (chosen.losses, chosen.study, chosen.mode) == ("FIRST_SEEN", "why it fails", "staged")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[policy]\npreset = "e-krona"', "must be one of"),
        ("[policy]\nlimit = 5", "unknown: limit"),
        ('[policy]\nlosses = "LOTERY"', "is unknown"),
        ('[policy]\nlosses = "FIRST_SEEN"', "only a study may open it"),
        ('[policy]\nmode = "for ever"', "must be one of"),
        ('[policy]\nopens = "9"', "09:00"),
        ('[policy]\nclosed = ["someday"]', "is no day"),
        ("[policy]\n" + rule("a", "holdings", tier=2), "must be one of"),
        ('[policy]\n[[policy.rule]]\nname = "a"', "kind is missing"),
        ("[policy]\n" + rule("a", "month", tier=2), "value is missing"),
        ("[policy]\n" + rule("a", "holding", tier=7, value=5), "no tier 7"),
        ("[policy]\n" + rule("a", "holding", tier=2, value=0), "counted in tiyn"),
        ("[policy]\n" + rule("a", "offline", parameter="hop", value=5), "no offline parameter"),
        ("[policy]\n" + rule("a", "offline", parameter="issuer_epoch", value=2), "no offline parameter"),
        ("[policy]\n" + rule("a", "holding", tier=2) + "\n" + rule("a", "payment", tier=2), "taken"),
    ],
)
def test_a_mistake_in_the_section_has_its_place(text: str, problem: str) -> None:
    with pytest.raises(TengeError) as refusal:
        check(parse("tiny.toml", f"{HEAD}\n{text}".encode(), {}))
    assert refusal.value.code == "E_SCRIPT"
    assert problem in refusal.value.sentence()
    assert "policy" in str(refusal.value.facts["place"])
