"""Cards in pilot scripts: the section is read strictly, verbs refuse what they cannot play, a small script plays."""

from pathlib import Path

import pytest

from cbdc.errors import Malformed
from tests.pilot.play import expect, parsed, report_of, run_text, step
from wallets.pilot.cards.part import CARDS
from wallets.pilot.cards.world import read_faults
from wallets.pilot.perform import check

CARDS_SECTION = """
[cards]
visa = ["bank"]
stand_in = "tenge(1000)"
direct = ["shop"]
[[cards.rule]]
name = "small"
kind = "payment_limit"
channel = "pos"
most = "tenge(800)"
[[cards.rule]]
name = "list"
kind = "sanctions"
shops = [["shop", 1]]
countries = ["643"]

[[cast]]
name = "shop"
count = 2
category = "merchant"
bank = "bank"
tier = 4
deposit = "tenge(1000)"
"""


def ready(*steps: str) -> tuple[str, ...]:
    """The section, and people with cards that have 2,000 tenge in their pockets."""
    return (
        CARDS_SECTION,
        step("buy", at="08:00", who="person", amount="tenge(2500)"),
        step("card_issue", at="08:10", who="person"),
        step("card_fill", at="08:20", who="person", amount="tenge(2000)"),
        *steps,
    )


PAY = {"who": "person", "when": "i == 0", "to": "shop", "amount": "tenge(500)"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('visa = ["bank"]', "", "one of the two networks"),
        ('visa = ["bank"]', 'visa = ["bank", "other"]', "no bank of the script"),
        ('visa = ["bank"]', 'visa = ["bank"]\nmastercard = ["bank"]', "stands twice"),
        ('direct = ["shop"]', 'direct = ["ghost"]', "groups of the cast"),
        ('stand_in = "tenge(1000)"', 'stand_in = "0 - 1"', "at least 0"),
        ('kind = "payment_limit"', 'kind = "mood"', "there is no kind mood"),
        ('channel = "pos"', 'channel = "sea"', "channel must be one of"),
        ('most = "tenge(800)"', "", "most must be"),
        ('most = "tenge(800)"', 'most = "0 - 5"', "at least 0"),
        ('[["shop", 1]]', '[["shop", 2]]', "members of groups"),
        ('[["shop", 1]]', '["shop"]', "members of groups"),
        ('["643"]', "[643]", "three digits"),
        ('["643"]', '["64"]', "three digits"),
        ('name = "list"', 'name = "small"', "is taken"),
        ("stand_in", "standin", "unknown: standin"),
        ('countries = ["643"]', 'colour = "red"', "unknown: colour"),
    ],
)
def test_a_mistake_in_the_section_has_its_place(old: str, new: str, problem: str) -> None:
    assert CARDS_SECTION.count(old) == 1
    with pytest.raises(Malformed) as caught:
        check(parsed(CARDS_SECTION.replace(old, new)))
    assert caught.value.code == "E_SCRIPT"
    assert problem in caught.value.sentence()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (step("card_pay", **PAY, fault="0110 from mars lost"), "fault is a list"),
        (step("card_pay", **{**PAY, "to": "treasury"}), "no terminal"),
        (step("card_pay", **PAY, times=101), "from 0 to 100"),
        (step("card_cash", who="person", bank="bank", amount=1, fault="x"), "fault is a list"),
        (step("card_token", who="person", state="paint"), "provision, suspend"),
        (step("card_block", who="person", state="painted"), "blocked, unblocked"),
        (step("card_issue", who="person", months=241), "from 0 to 240"),
        (step("card_refund", who="person", sale="s", amount=1, fault="x"), "fault is a list"),
        (step("qr_pay", who="person", to="treasury", amount=1), "no till"),
        (step("card_pay", **PAY, colour="red"), "unknown: colour"),
    ],
)
def test_a_step_that_cannot_be_played_is_refused(tmp_path: Path, wrong: str, problem: str) -> None:
    with pytest.raises(Malformed) as caught:
        run_text(tmp_path, *ready(wrong))
    assert caught.value.code == "E_VERB"
    assert problem in caught.value.sentence()


def test_faults_are_read_from_a_text() -> None:
    assert read_faults("") == {}
    assert read_faults("0110 from network lost, 0110 from network late") == {
        ("0110", "from network"): ("lost", "late")
    }
    for text in ("0110", "0110 lost", "110 from network lost", "abcd to issuer lost", "0110 to issuer eaten"):
        assert read_faults(text) is None


def test_a_small_script_plays_with_every_verb(tmp_path: Path) -> None:
    sale = {"who": "person", "when": "i == 0", "sale": "s"}
    steps = (
        step("card_pay", at="09:00", **PAY, sale="s"),
        step("card_refund", at="09:05", **sale, amount="tenge(100)"),
        step("card_dispute", at="09:10", **sale, amount="tenge(200)"),
        step("card_object", at="09:15", **sale, amount="tenge(200)"),
        step("card_pay", at="09:20", **PAY, sale="open", captured=0),
        step("card_cancel", at="09:25", **{**sale, "sale": "open"}, amount="tenge(300)"),
        step("card_capture", at="09:30", **{**sale, "sale": "open"}, amount="tenge(250)"),
        step(
            "card_pay",
            at="09:35",
            **{**PAY, "amount": "tenge(801)"},
            refused="E_CARD_LIMIT_PAYMENT",
            rule="cards.small",
        ),
        step("card_pay", at="09:40", **PAY, to_member=1, refused="E_CARD_SANCTIONS", rule="cards.list"),
        step("card_pay", at="09:45", **PAY, direct=1),
        step("machine_fill", at="09:50", bank="bank", amount="tenge(1000)"),
        step("card_cash", at="09:55", who="person", when="i == 1", bank="bank", amount="tenge(300)"),
        step("card_token", at="10:00", who="person", when="i == 1", state="provision"),
        step("card_token", at="10:05", who="person", when="i == 1", state="suspend"),
        step("card_token", at="10:10", who="person", when="i == 1", state="resume"),
        step("card_pay", at="10:15", **{**PAY, "when": "i == 1"}, device=1),
        step("card_pay", at="10:16", **{**PAY, "when": "i == 1"}, device=2, refused="E_CARD_UNKNOWN"),
        step("card_capture", at="10:17", who="person", sale="ghost", amount=1, refused="E_CARD_UNLOCATED"),
        step("card_token", at="10:20", who="person", when="i == 1", state="delete"),
        step("qr_pay", at="10:25", who="person", to="shop", amount="tenge(100)"),
        step("card_empty", at="10:30", who="person"),
        step("card_token", at="10:35", who="person", when="i == 0", state="provision"),
        step("card_day", at="20:00"),
        step("card_settle", at="21:00"),
    )
    finished = run_text(
        tmp_path,
        *ready(*steps),
        expect("cards.captured_tiyn", "tenge(500 + 250 + 500)"),
        expect("cards.direct_tiyn", "tenge(500)"),
        expect("cards.cash_tiyn", "tenge(300)"),
        expect("cards.refunds", 1),
        expect("cards.lost", 0),
        expect("cards.to_settle_tiyn", 0),
        expect("cards.net_bank_tiyn", 0),
        expect("pockets.person_tiyn", 0),
        expect("deposits.shop_tiyn", "tenge(2000 + 1250 - 100)"),
        expect("wallets.shop_tiyn", "tenge(500 + 200)"),
    )
    assert [row for row in finished.report["expectations"] if not row["ok"]] == []
    told = report_of(finished.folder)["parts"]["cards"]
    assert told["figures"]["cards.sales"] == 7
    assert told["answers"] == {"57": 1, "61": 1}


def test_the_part_tells_its_form() -> None:
    assert set(CARDS.forms) == CARDS.sections
    assert set(CARDS.families) == {"cards", "pockets"}
