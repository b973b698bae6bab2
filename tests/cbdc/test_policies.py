"""Policies as data: presets, rules, and what of them the ledger enforces."""

import tomllib
from typing import Any

import pytest

from cbdc.errors import Malformed, Refused, TengeError
from cbdc.ledger.entry import MONTH, YEAR
from cbdc.money import tenge
from cbdc.policies import KINDS, LEDGER_KINDS, PRESETS, PolicySet, Rule, Tier, preset, read_policy
from tests.conftest import ROOT

ONE = Tier(1, "one")


def refusal(build: Any, *arguments: Any, **named: Any) -> TengeError:
    with pytest.raises(TengeError) as caught:
        build(*arguments, **named)
    return caught.value


@pytest.mark.parametrize("name", PRESETS)
def test_each_figure_of_a_preset_has_a_grade_and_a_note(name: str) -> None:
    policy = preset(name)
    assert policy.title
    assert policy.note
    assert policy.rules
    for rule in policy.rules:
        assert rule.note
        assert rule.grade != "A" or rule.note.startswith("assumption")
    # What is only shaped like another country's system says so in its name.
    assert name in ("sandbox", "anonymous-below") or name.endswith("-like")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_becomes_a_policy_that_can_be_signed(name: str) -> None:
    policy = preset(name)
    ledger = policy.ledger_policy()
    assert ledger.body()
    for tier in policy.tiers:
        limits = ledger.limits(tier.number)
        assert limits.holding_limit_tiyn == policy.limit("holding", tier.number)
        assert limits.payment_limit_tiyn == policy.limit("payment", tier.number)
        assert limits.day_limit_tiyn == policy.limit("day", tier.number)


def test_every_preset_file_is_named() -> None:
    files = {file.stem for file in (ROOT / "cbdc/presets").glob("*.toml")} - {"calendar"}
    assert files == set(PRESETS)


def test_the_rule_of_three_indices_is_tier_one_of_the_sandbox() -> None:
    policy = preset("sandbox")
    assert {policy.limit(kind, 1) for kind in ("holding", "payment", "day")} == {tenge(12_975)}
    assert not policy.tiers[0].identified
    assert policy.limit("payment", 4) == 0


def test_periods_are_in_the_ledgers_policy_and_foreign_sums_are_translated() -> None:
    assert preset("e-cny-like").ledger_policy().periods == ((1, YEAR, 50_000 * 7_200),)
    assert preset("anonymous-below").ledger_policy().periods == ((1, MONTH, tenge(129_750)),)
    rule = next(rule for rule in preset("e-cny-like").rules if rule.name == "holding-1")
    assert rule.value == 10_000 * 7_200
    assert "10,000 CNY" in rule.note
    assert "assumption" in rule.note


def test_like_the_digital_euro_merchants_hold_nothing() -> None:
    policy = preset("ecb-like")
    assert policy.holds("zero_holding", 4)
    assert policy.holds("waterfall", 2)
    assert not policy.holds("waterfall", 1)
    assert policy.value("reverse_waterfall", 2) == 1


def test_a_rule_that_is_not_there_does_not_hold() -> None:
    policy = preset("sandbox").with_rules([Rule("lookups", "alias_lookups", 5)])
    assert policy.value("alias_lookups") == 5
    assert policy.limit("holding", 1) == 0
    assert policy.ledger_policy().limits(1).holding_limit_tiyn == 0


def test_offline_rules_name_their_parameter() -> None:
    rules = (Rule("hops", "offline", 3, parameter="max_hops"), Rule("age", "offline", 7, parameter="max_age"))
    assert PolicySet("p", "p", (ONE,), rules).offline() == {"max_hops": 3, "max_age": 7}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "holdings"}, "there is no kind"),
        ({"tier": 0}, "needs a tier"),
        ({"tier": 256}, "needs a tier"),
        ({"kind": "refund_sum", "value": 1}, "no tier's"),
        ({"value": 0}, "counted in tiyn"),
        ({"value": -5}, "counted in tiyn"),
        ({"value": 2**53}, "counted in tiyn"),
        ({"kind": "waterfall", "value": 2}, "counted in 1: holds"),
        ({"grade": "X"}, "grade"),
        ({"parameter": "max_hops"}, "names its parameter"),
        ({"kind": "offline", "tier": 0}, "names its parameter"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(fields: dict[str, Any], problem: str) -> None:
    wrong = refusal(Rule, **{"name": "r", "kind": "holding", "value": 5, "tier": 1, **fields})
    assert wrong.code == "E_POLICY_RULE"
    assert problem in wrong.sentence()


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([Rule("a", "holding", 1, 1), Rule("a", "payment", 1, 1)], "taken"),
        ([Rule("a", "holding", 1, 1), Rule("b", "holding", 2, 1)], "says the same"),
        ([Rule("a", "holding", 1, 2)], "no tier 2"),
    ],
)
def test_rules_do_not_contradict_each_other(rules: list[Rule], problem: str) -> None:
    wrong = refusal(PolicySet, "p", "p", (ONE,), tuple(rules))
    assert wrong.code == "E_POLICY_RULE"
    assert problem in wrong.sentence()


@pytest.mark.parametrize(
    "row",
    [
        {"name": "r", "kind": "holding", "tier": 1, "grade": "A", "note": "n"},
        {"name": "r", "kind": "holding", "tier": 1, "tenge": 1, "value": 2, "grade": "A", "note": "n"},
        {"name": "r", "kind": "holding", "tier": 1, "tenge": 1, "grade": "A"},
        {"name": "r", "kind": "holding", "tier": 1, "tenge": 1, "note": "n"},
        {
            "name": "r",
            "kind": "holding",
            "tier": 1,
            "foreign": 1,
            "currency": "XXX",
            "grade": "A",
            "note": "n",
        },
    ],
)
def test_a_figure_without_amount_grade_note_or_rate_is_refused(row: dict[str, Any]) -> None:
    table = {"tier": [{"number": 1, "name": "one"}], "rule": [row]}
    assert isinstance(refusal(read_policy, "p", table), Malformed)


def test_only_these_presets_are_there() -> None:
    wrong = refusal(preset, "e-krona-like")
    assert isinstance(wrong, Refused)
    assert wrong.code == "E_POLICY_PRESET"
    assert "sandbox" in wrong.sentence()


def test_each_kind_is_told_in_the_page() -> None:
    page = (ROOT / "docs/policies.md").read_text(encoding="utf-8")
    for kind in KINDS:
        assert f"| `{kind}` |" in page
    assert set(LEDGER_KINDS) <= set(KINDS)


def test_presets_are_toml_that_anybody_can_read() -> None:
    for name in PRESETS:
        table = tomllib.loads((ROOT / f"cbdc/presets/{name}.toml").read_text(encoding="utf-8"))
        assert table["title"]
