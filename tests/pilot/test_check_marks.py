"""`tenge pilot check` about marks: what a rule asks of the steps that it judges, and what a step says of its rule."""

import pytest

from tests.pilot.play import script_text, step
from tests.pilot.test_rule_told import MARK
from wallets.pilot.check import check_script
from wallets.pilot.mark_rules import _HEAD, _KINDS, REFUSES

GOODS = MARK.replace(
    '[[cast]]\nname = "builder"',
    '[[mark.rule]]\nname = "gravel"\nkind = "goods"\nonly = [[1, 9]]\npayers = ["contractor"]\n\n'
    '[[cast]]\nname = "builder"',
)
PAY = {"who": "builder", "to": "pit", "mark": "road", "amount": 10}
LOAD = {"who": "builder", "notes": 1, "amount": 10, "mark": "road"}


def told(text: str, *steps: str, warning: bool = False) -> list[str]:
    found = check_script("tiny.toml", script_text(text, *steps))
    mistakes = [one.problem for one in found if not one.warning]
    assert warning is False or mistakes == []
    return [one.problem for one in found if one.warning] if warning else mistakes


def test_lines_are_missing_where_a_rule_judges_them() -> None:
    problem = "lines is missing: rule gravel asks what is paid for"
    assert told(GOODS, step("pay", **PAY)) == [problem]
    assert told(GOODS, step("pay", **PAY, refused="E_MARK_GOODS", rule="mark.road.gravel")) == [problem]
    assert told(GOODS, step("pay", **PAY, lines=[[1, 1, 10]])) == []
    assert told(GOODS, step("pay", **PAY, refused="E_MARK_BASKET", rule="mark.road.gravel")) == []
    assert told(GOODS, step("pay", **PAY, refused="E_MARK_CAP", rule="mark.road.small")) == []
    # Outside the rule's scope, and under a mark without such a rule.
    assert told(GOODS, step("pay", **{**PAY, "who": "pit", "to": "builder"})) == []
    assert told(MARK, step("pay", **PAY)) == []


def test_facts_that_are_no_list_are_one_mistake() -> None:
    attest = step(
        "attest", register="works", fact="done", who="builder", document=["act", 1], amount=1, last_day=9
    )
    assert told(MARK.replace('facts = ["act"]', 'facts = "act"'), attest) == ["facts must be a list"]


def test_an_unknown_rule_and_a_wrong_word_are_told_with_other_mistakes() -> None:
    wrong = MARK.replace('kind = "most"\namount = 50', 'kind = "period"\nwhose = "me"\namount = 50')
    attempt = step("pay", **PAY, refused="E_MARK_CAP", rule="mark.road.smal")
    assert told(wrong, attempt, step("sell", who="nobody")) == [
        "whose must be one of payer, payee, pair, all",
        "there is no rule mark.road.smal",
        "who: there is no nobody",
    ]


def test_money_that_cannot_go_offline() -> None:
    for text, rule in (
        (MARK, "its definition allows no hops (max_hops is 0)"),
        (
            GOODS.replace("purpose = 9", "purpose = 9\nmax_hops = 1"),
            "a receiver alone cannot judge this rule (rule gravel)",
        ),
    ):
        assert f"money of the mark road cannot go offline: {rule}" in told(
            text, step("load", **LOAD), warning=True
        )
        expected = step("load", **LOAD, refused="E_MARK_OFFLINE")
        assert "offline" not in " ".join(told(text, expected, warning=True))
    good = MARK.replace("purpose = 9", "purpose = 9\nmax_hops = 1")
    assert "offline" not in " ".join(told(good, step("load", **LOAD), warning=True))


@pytest.mark.parametrize(
    ("code", "rule", "problem"),
    [
        (
            "E_MARK_EDGE",
            "small",
            "a rule of kind most refuses as E_MARK_CAP, E_PURPOSE_CAP, not as E_MARK_EDGE",
        ),
        ("E_MARK_CAP", "small", ""),
        ("E_PURPOSE_CAP", "small", ""),
    ],
)
def test_a_code_that_the_named_rule_never_refuses_with(code: str, rule: str, problem: str) -> None:
    found = told(MARK, step("pay", **PAY, refused=code, rule=f"mark.road.{rule}"), warning=True)
    assert [one for one in found if "refuses as" in one] == ([problem] if problem else [])


def test_every_kind_says_how_it_refuses() -> None:
    assert REFUSES.keys() == {*_HEAD, *_KINDS}
