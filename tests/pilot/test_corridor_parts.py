"""The corridor's sections of a script are read strictly, and its verbs say what is wrong with a step."""

from pathlib import Path

import pytest

from cbdc.errors import Malformed
from tests.pilot.play import expect, parsed, run_text, step
from wallets.pilot.perform import check

EXCHANGES = """
[corridor]
usd_rate = 51345
[[corridor.provider]]
name = "alatau"
banks = ["bank"]
[[corridor.asset]]
name = "coin"
tiyn = 100
units = 1
[[corridor.rule]]
name = "cap"
kind = "cap"
usd = 1000
"""
COIN = """
[stablecoin]
name = "KZT-w"
bank = "bank"
[[stablecoin.rule]]
name = "wait"
kind = "confirmations"
blocks = 3
"""
GOLD = """
[gold]
[[gold.custodian]]
name = "vault"
[[gold.fake]]
name = "fools-gold"
[[gold.rule]]
name = "gap"
kind = "gap"
seconds = 60
"""


TERMS: dict[str, object] = {"asset": "vault", "mg": 1, "amount": 1, "money_hours": 1, "asset_hours": 2}


@pytest.mark.parametrize(
    ("section", "before", "after", "problem"),
    [
        (EXCHANGES, "usd_rate = 51345", "usd_rate = 0", "usd_rate must be at least 1"),
        (EXCHANGES, "usd_rate = 51345", "rate = 1", "usd_rate"),
        (EXCHANGES, '"bank"]', '"nowhere"]', "banks are one or more of bank"),
        (EXCHANGES, 'banks = ["bank"]', "", "banks are one or more of bank"),
        (EXCHANGES, "units = 1", "units = 0", "tiyn and units are at least 1"),
        (EXCHANGES, "units = 1", "units = 1\nswing = 4999\nspread = 1", "below 5000 basis points"),
        (EXCHANGES, 'kind = "cap"', 'kind = "hope"', "there is no kind hope"),
        (EXCHANGES, "usd = 1000", "euro = 1000", "usd"),
        (EXCHANGES, 'name = "coin"', 'name = "Coin!"', "is no name"),
        (COIN, 'bank = "bank"', 'bank = "nowhere"', "there is no bank nowhere"),
        (COIN, 'name = "KZT-w"', 'name = ""', "name has 1 to 32 letters"),
        (COIN, "blocks = 3", "blocks = 3\ndays = 3", "unknown: days"),
        (COIN, 'kind = "confirmations"', 'kind = "trust"', "there is no kind trust"),
        (GOLD, 'name = "fools-gold"', 'name = "vault"', "the name vault is taken"),
        (GOLD, "seconds = 60", "hours = 1", "seconds must be a number"),
        (GOLD, "seconds = 60", 'seconds = "people *"', "seconds"),
        (GOLD, 'name = "vault"', 'name = "vault"\ncity = "Almaty"', "unknown: city"),
    ],
)
def test_a_mistake_in_a_section_is_named(section: str, before: str, after: str, problem: str) -> None:
    check(parsed(section))
    assert before in section
    with pytest.raises(Malformed) as caught:
        check(parsed(section.replace(before, after)))
    assert caught.value.code == "E_SCRIPT"
    assert problem in caught.value.sentence()


@pytest.mark.parametrize(
    ("section", "wrong", "problem"),
    [
        (EXCHANGES, step("exchange_start", provider="nobody"), "there is no provider nobody"),
        (EXCHANGES, step("exchange_buy", who="person", provider="alatau"), "alatau was not started"),
        (EXCHANGES, step("exchange_licence", provider="alatau", state="happy"), "state must be one of"),
        (EXCHANGES, step("exchange_licence", provider="alatau", state="applied", days=0), "days is 0"),
        (EXCHANGES, step("exchange_licence", provider="alatau", state="applied", why=1), "unknown: why"),
        (COIN, step("coin_blocks", blocks=-1), "blocks is -1"),
        (COIN, step("coin_pay", who="person", to="treasury", amount=1), "no account on the chain"),
        (GOLD, step("gold_licence", custodian="cellar", state="applied"), "there is no custodian cellar"),
        (GOLD, step("gold_forge", who="person", asset="vault", mg=1), "is issued"),
        (GOLD, step("gold_agree", who="person", to="treasury", **TERMS), "the treasury sells no gold"),
        (GOLD, step("gold_forge", who="person", asset="air", mg=1), "there is no asset air"),
    ],
)
def test_a_mistake_in_a_step_is_named(section: str, wrong: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(Malformed) as caught:
        run_text(tmp_path, section, wrong)
    assert caught.value.code == "E_VERB"
    assert problem in caught.value.sentence()


def test_a_section_with_nothing_done_has_its_facts(tmp_path: Path) -> None:
    facts = (
        "corridor.clients",
        "corridor.differences",
        "corridor.units_coin",
        "coin.locked_tiyn",
        "gold.deals",
    )
    finished = run_text(tmp_path, EXCHANGES, COIN, GOLD, *(expect(fact, 0, fact) for fact in facts))
    assert finished.ok
    assert set(finished.report["parts"]) == {"corridor", "stablecoin", "gold"}


def test_a_claim_without_locked_money_is_refused_in_words(tmp_path: Path) -> None:
    terms = {**TERMS, "asset": "fools-gold"}
    deal = step("gold_agree", who="person", when="i == 0", to="person", to_member=1, **terms)
    forged = step("gold_forge", at="09:10", who="person", when="i == 1", asset="fools-gold", mg=1)
    claim = step("gold_claim", at="10:10", who="person", when="i == 0", refused="E_DELIVERY_ORDER")
    finished = run_text(tmp_path, GOLD, forged, deal, claim, expect("gold.delivered", 0))
    assert finished.ok
