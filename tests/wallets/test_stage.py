"""The stage as an object: what each button does, what it refuses, once for a request id."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from cbdc.authority import open_root
from cbdc.errors import Malformed, Refused
from cbdc.ports import ManualClock
from offline.evidence import verify_evidence
from tests.wallets.stage_hand import START, Hand
from wallets.web import story
from wallets.web.scene import view
from wallets.web.stage import MAX_ANSWERS, Stage
from wallets.web.wishes import PHONES


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage(ManualClock(START), seed=7)
    yield stage
    stage.close()


@pytest.fixture
def hand(stage: Stage) -> Hand:
    return Hand(stage)


# --- paying ---


def test_the_curtain_rises(hand: Hand) -> None:
    seen = hand.seen
    assert [phone["id"] for phone in seen["phones"]] == list(PHONES)
    assert [phone["kind"] for phone in seen["phones"]] == ["person", "person", "shop"]
    assert hand.kinds() == ["opened"]
    assert all(phone["wallet_tiyn"] and not phone["device_tiyn"] for phone in seen["phones"])
    assert hand.total_tiyn() == seen["supply"]["issued_tiyn"]
    assert json.loads(json.dumps(seen)) == seen


def test_both_online_pay_through_the_ledger(hand: Hand) -> None:
    size = hand.stage.sandbox.system.ledger.size
    hand.pay("aigerim", "dana", "1 000,00".replace(",", "."))
    assert hand.stage.sandbox.system.ledger.size == size + 1
    assert hand.phone("aigerim")["wallet_tiyn"] == 1_900_000
    assert hand.phone("dana")["wallet_tiyn"] == 600_000
    assert hand.phone("dana")["lines"][0] == {
        "time": START, "kind": "received", "amount_tiyn": 100_000, "where": "wallet", "other": "aigerim",
    }  # fmt: skip
    assert hand.phone("dana")["checks"] is None


@pytest.mark.parametrize("flying", [("aigerim",), ("bolat",), ("aigerim", "bolat")])
def test_either_side_without_network_pays_from_device_to_device(hand: Hand, flying: tuple[str, ...]) -> None:
    hand("load", phone="aigerim", amount="2000")
    size = hand.stage.sandbox.system.ledger.size
    hand.fly(*flying)
    hand.pay("aigerim", "bolat", "1500")
    assert hand.stage.sandbox.system.ledger.size == size
    assert hand.phone("aigerim")["device_tiyn"] == 50_000
    assert hand.phone("bolat")["device_tiyn"] == 150_000
    assert hand.phone("aigerim")["unsynced"]
    assert hand.phone("bolat")["unsynced"]


def test_a_payee_sees_what_its_device_checked(hand: Hand) -> None:
    hand("load", phone="aigerim", amount="2000")
    hand.fly(*PHONES)
    hand.pay("aigerim", "bolat", "1500")
    hand.pay("bolat", "dana", "700.50")
    checks = hand.phone("dana")["checks"]
    assert checks == {
        "payer": "bolat", "amount_tiyn": 70_050, "time": START, "signatures": 3, "certificates": 2, "trust": 1,
        "hop": 2, "max_hops": 5, "route": ["aigerim", "bolat", "dana"],
    }  # fmt: skip
    hand.pay("dana", "aigerim", "700.50")
    assert hand.phone("aigerim")["checks"]["route"] == ["aigerim", "bolat", "dana", "aigerim"]


def test_money_comes_home_in_full(hand: Hand) -> None:
    before = hand.total_tiyn()
    hand("load", phone="aigerim", amount="2000")
    hand.fly("aigerim")
    hand.pay("aigerim", "dana", "1500")
    hand.fly("aigerim", on=False)
    hand("unload", phone="dana")
    hand("unload", phone="aigerim")
    assert hand.phone("dana")["wallet_tiyn"] == 650_000
    assert hand.phone("aigerim")["wallet_tiyn"] == 1_850_000
    assert hand.total_tiyn() == before
    assert hand.seen["case"]["double_spends"] == 0


# --- cheating ---


def test_a_double_spend_is_found_proven_and_paid(hand: Hand) -> None:
    before = hand.total_tiyn()
    hand.double_spend()
    assert hand.phone("bolat")["clone"]["lines"][0]["other"] == "aigerim"
    assert [hand.phone(name)["device_tiyn"] for name in ("aigerim", "dana")] == [300_000, 300_000]
    hand("sync", phone="dana")
    assert hand.seen["case"]["double_spends"] == 0, "one branch alone proves nothing"
    hand("sync", phone="aigerim")
    case = hand.seen["case"]
    assert case["double_spends"] == 1
    assert case["loss_tiyn"] == 300_000
    assert case["borne"]["reserve"] == 300_000
    assert {proof["named"] for proof in case["proofs"]} == {"bolat"}
    assert [hand.phone(name)["named"] for name in PHONES] == [False, True, False]
    hand("unload", phone="dana")
    hand("unload", phone="aigerim")
    assert hand.phone("dana")["wallet_tiyn"] == 500_000 + 300_000
    assert hand.phone("aigerim")["wallet_tiyn"] == 2_000_000 + 300_000
    hand("wait")
    assert hand.seen["case"]["borne"] == {"device": 0, "owner": 300_000, "bank": 0, "reserve": 0}
    assert hand.phone("bolat")["wallet_tiyn"] == 500_000 - 300_000
    assert hand.phone("bolat")["lines"][0]["kind"] == "collected"
    assert hand.total_tiyn() == before


def test_a_proof_convinces_a_stranger(hand: Hand) -> None:
    hand.double_spend()
    hand("sync", phone="dana")
    hand("sync", phone="aigerim")
    stage = hand.stage
    for proof in hand.seen["case"]["proofs"]:
        data = stage.proof(proof["file"])
        assert len(data) == proof["bytes"]
        assert verify_evidence(data, open_root(stage.root())).kid == stage.phones["bolat"].device.kid
    hand("verify", file="case-1.dto")
    told = hand.seen["case"]["proofs"][0]["verified"]
    assert told["named"] == "bolat"
    assert told["root_bytes"] == len(stage.root())
    assert hand.refusal("verify", file="case-9.dto") == "E_STAGE_PROOF"


def test_who_already_knows_refuses_the_clone(hand: Hand) -> None:
    hand.double_spend()
    hand.fly("bolat", on=False)
    hand.fly("dana")
    assert hand.refusal("pay", phone="bolat", payee="dana", amount="1", clone=True) == "E_STAGE_DEVICE_SHORT"
    hand("load", phone="bolat", amount="1 000")
    hand("sync", phone="bolat")
    assert hand.refusal("clone", phone="bolat") == "E_STAGE_CLONED"


def test_a_payee_that_saw_both_branches_refuses_the_second(hand: Hand) -> None:
    hand("load", phone="bolat", amount="3000")
    hand("clone", phone="bolat")
    hand.fly("dana")
    hand.pay("bolat", "dana", "3000")
    with pytest.raises(Refused) as caught:
        hand.pay("bolat", "dana", "3000", clone=True)
    assert caught.value.code == "E_DOUBLE_SPEND"
    assert hand.kinds()[-2:] == ["undelivered", "refused"]
    shown = hand.seen["events"][-1]["refusal"]
    assert "…" in shown["sentence"]
    assert shown["next"]
    hand.fly("dana", on=False)
    hand("sync", phone="dana")
    assert hand.seen["case"]["double_spends"] == 1
    assert "settled" in hand.kinds()
    assert hand.total_tiyn()


def test_a_named_device_can_neither_load_nor_take_its_money_home_at_once(hand: Hand) -> None:
    hand("load", phone="bolat", amount="3000")
    hand("clone", phone="bolat")
    hand.fly("bolat")
    hand.pay("bolat", "dana", "1000")
    hand.pay("bolat", "aigerim", "2500", clone=True)
    hand("sync", phone="dana")
    hand("sync", phone="aigerim")
    hand.fly("bolat", on=False)
    hand("sync", phone="bolat")
    wallet = hand.phone("bolat")["wallet_tiyn"]
    assert hand.refusal("load", phone="bolat", amount="1000") == "E_ELEMENT_STATE"
    hand("unload", phone="bolat")
    assert hand.kinds()[-1] == "held"
    assert hand.phone("bolat")["wallet_tiyn"] == wallet
    hand("wait")
    assert hand.seen["case"]["borne"]["device"] == 200_000 + 50_000, "his change, and his clone's"
    assert {"collected", "collected_device"} <= set(hand.kinds())


# --- refusing ---


@pytest.mark.parametrize(
    ("action", "fields", "code"),
    [
        ("pay", {"phone": "aigerim", "payee": "aigerim", "amount": "1", "clone": False}, "E_STAGE_SELF"),
        ("pay", {"phone": "aigerim", "payee": "dana", "amount": "1", "clone": True}, "E_STAGE_NO_CLONE"),
        (
            "pay",
            {"phone": "dana", "payee": "bolat", "amount": "5 000.01", "clone": False},
            "E_STAGE_WALLET_SHORT",
        ),
        ("load", {"phone": "dana", "amount": "5 001"}, "E_STAGE_WALLET_SHORT"),
        ("unload", {"phone": "dana"}, "E_STAGE_DEVICE_EMPTY"),
        ("buy", {"phone": "dana", "amount": "1 000 000"}, "E_STAGE_DEPOSIT_SHORT"),
        ("issue", {"amount": "99 000 000"}, "E_STAGE_RESERVES_SHORT"),
        ("verify", {"file": "case-1.dto"}, "E_STAGE_PROOF"),
        ("story", {"go": "next"}, "E_STAGE_STORY"),
    ],
)
def test_a_refusal_changes_nothing_and_is_told(
    hand: Hand, action: str, fields: dict[str, object], code: str
) -> None:
    before = hand.seen
    assert hand.refusal(action, **fields) == code
    after = hand.seen
    assert (after["phones"], after["supply"], after["bank"]) == (
        before["phones"],
        before["supply"],
        before["bank"],
    )
    told = after["events"][-1]
    assert told["kind"] == "refused"
    assert told["refusal"]["code"] == code
    assert told["refusal"]["sentence"]
    assert told["refusal"]["next"]
    assert "{" not in told["refusal"]["sentence"]


@pytest.mark.parametrize("action", ["load", "unload", "sync", "buy", "sell"])
def test_what_needs_the_network_says_so(hand: Hand, action: str) -> None:
    hand.fly("bolat")
    fields = {"amount": "1"} if action in ("load", "buy") else {}
    assert hand.refusal(action, phone="bolat", **fields) == "E_STAGE_AIRPLANE"
    assert "Bolat is in airplane mode" in hand.seen["events"][-1]["refusal"]["sentence"]


def test_an_empty_device_cannot_pay_offline_however_full_the_wallet(hand: Hand) -> None:
    hand.fly("bolat")
    assert (
        hand.refusal("pay", phone="aigerim", payee="bolat", amount="1", clone=False) == "E_STAGE_DEVICE_SHORT"
    )
    told = hand.seen["events"][-1]["refusal"]["sentence"]
    assert "Aigerim" in told
    assert "0 ₸" in told


def test_refusals_are_told_in_the_reader_s_language(hand: Hand) -> None:
    hand.fly("dana")
    assert hand.refusal("sync", phone="dana") == "E_STAGE_AIRPLANE"
    assert view(hand.stage, "ru")["events"][-1]["refusal"]["sentence"].count("Пекарня Даны") == 1


@pytest.mark.parametrize(
    ("action", "fields", "code"),
    [
        ("steal", {}, "E_STAGE_ACTION"),
        (None, {}, "E_STAGE_ACTION"),
        (["pay"], {}, "E_STAGE_ACTION"),
        ("sync", {}, "E_STAGE_FIELD"),
        ("sync", {"phone": "erlan"}, "E_STAGE_FIELD"),
        ("sync", {"phone": ["dana"]}, "E_STAGE_FIELD"),
        ("sync", {"phone": "dana", "amount": "1"}, "E_STAGE_FIELD"),
        ("airplane", {"phone": "dana", "on": 1}, "E_STAGE_FIELD"),
        ("airplane", {"phone": "dana", "on": "true"}, "E_STAGE_FIELD"),
        ("load", {"phone": "dana", "amount": 5}, "E_STAGE_FIELD"),
        ("load", {"phone": "dana", "amount": ""}, "E_MONEY_TEXT"),
        ("load", {"phone": "dana", "amount": "-5"}, "E_MONEY_TEXT"),
        ("load", {"phone": "dana", "amount": "1e3"}, "E_MONEY_TEXT"),
        ("load", {"phone": "dana", "amount": "12,5"}, "E_MONEY_TEXT"),
        ("load", {"phone": "dana", "amount": "0"}, "E_MONEY_RANGE"),
        ("load", {"phone": "dana", "amount": "0.00"}, "E_MONEY_RANGE"),
        ("load", {"phone": "dana", "amount": "99999999999999"}, "E_MONEY_RANGE"),
        ("verify", {"file": ""}, "E_STAGE_FIELD"),
        ("verify", {"file": "../root"}, "E_STAGE_FIELD"),
        ("verify", {"file": "a" * 81}, "E_STAGE_FIELD"),
        ("story", {"go": "back"}, "E_STAGE_FIELD"),
    ],
)
def test_what_is_no_wish_is_written_nowhere(
    stage: Stage, action: object, fields: dict[str, object], code: str
) -> None:
    before = asdict(stage.memory)
    with pytest.raises(Malformed) as caught:
        stage.act("a-request-without-sense", action, fields)
    assert caught.value.code == code
    assert asdict(stage.memory) == before


@pytest.mark.parametrize(
    "request_id", [None, 7, "", "short", "x" * 65, "has spaces in its id", "жиырма-әріп-қазақша"]
)
def test_a_request_id_is_plain(stage: Stage, request_id: object) -> None:
    with pytest.raises(Malformed) as caught:
        stage.act(request_id, "sync", {"phone": "dana"})
    assert caught.value.code == "E_STAGE_REQUEST"


# --- once ---


def test_a_double_click_pays_once(stage: Stage) -> None:
    wish = {"phone": "aigerim", "payee": "dana", "amount": "1000", "clone": False}
    for _ in range(3):
        stage.act("the-very-same-click", "pay", wish)
    seen = view(stage, "en")
    assert seen["phones"][2]["wallet_tiyn"] == 600_000
    assert len(seen["events"]) == 2


def test_a_refusal_is_repeated_even_when_it_would_go_through_now(stage: Stage) -> None:
    wish = {"phone": "dana", "payee": "bolat", "amount": "6000", "clone": False}
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            stage.act("a-click-without-money", "pay", wish)
        assert caught.value.code == "E_STAGE_WALLET_SHORT"
        Hand(stage).pay("aigerim", "dana", "2000") if not stage.memory.events[1:] else None
    assert view(stage, "en")["phones"][2]["wallet_tiyn"] == 500_000


def test_many_hands_at_once_pay_once_each(stage: Stage) -> None:
    wish = {"phone": "aigerim", "payee": "dana", "amount": "10", "clone": False}

    def press(number: int) -> None:
        stage.act(f"one-of-four-clicks-{number % 4}", "pay", wish)

    with ThreadPoolExecutor(8) as hands:
        list(hands.map(press, range(16)))
    assert view(stage, "en")["phones"][2]["wallet_tiyn"] == 500_000 + 4 * 1_000


def test_one_request_id_is_one_wish(stage: Stage) -> None:
    stage.act("an-id-for-one-wish", "airplane", {"phone": "dana", "on": True})
    with pytest.raises(Refused) as caught:
        stage.act("an-id-for-one-wish", "airplane", {"phone": "dana", "on": False})
    assert caught.value.code == "E_STAGE_REQUEST_USED"


def test_answers_are_not_kept_for_ever(hand: Hand) -> None:
    for _ in range(MAX_ANSWERS + 5):
        hand("airplane", phone="dana", on=False)
    assert len(hand.stage.memory.answers) == MAX_ANSWERS


# --- the institutions ---


def test_the_gauge_follows_issue_and_redemption(hand: Hand) -> None:
    before = hand.seen
    hand("issue", amount="10 000")
    hand("sell", phone="aigerim")
    hand("redeem")
    after = hand.seen
    assert after["supply"]["issued_tiyn"] == before["supply"]["issued_tiyn"] + 1_000_000
    assert after["supply"]["redeemed_tiyn"] == before["bank"]["inventory_tiyn"] + 1_000_000 + 2_000_000
    assert after["bank"]["inventory_tiyn"] == 0
    assert after["phones"][0]["wallet_tiyn"] == 0
    assert hand.total_tiyn()
    assert hand.refusal("redeem") == "E_STAGE_INVENTORY_EMPTY"
    assert hand.refusal("sell", phone="aigerim") == "E_STAGE_WALLET_EMPTY"
    assert hand.refusal("buy", phone="aigerim", amount="1") == "E_STAGE_INVENTORY_SHORT"


# --- the story ---


def test_the_story_tells_a_double_spend(hand: Hand) -> None:
    before = hand.total_tiyn()
    hand("story", go="start")
    for told in range(len(story.STEPS)):
        assert hand.seen["story"]["told"] == told
        hand("story", go="next")
        assert "refused" not in hand.kinds()
    seen = hand.seen
    assert seen["story"] == {"told": 12, "steps": 12, "places": ["paid"]}
    assert seen["case"]["borne"]["owner"] == 300_000
    assert seen["case"]["proofs"][0]["verified"]
    assert seen["shift_days"] == 120
    assert hand.total_tiyn() == before
    assert hand.refusal("story", go="next") == "E_STAGE_STORY"
    hand("story", go="end")
    assert hand.seen["story"]["told"] is None


def test_a_story_that_somebody_disturbed_stays_at_its_step(hand: Hand) -> None:
    hand("story", go="start")
    hand("story", go="next")
    hand("airplane", phone="aigerim", on=True)
    assert hand.refusal("story", go="next") == "E_STAGE_AIRPLANE"
    assert hand.seen["story"]["told"] == 1
    hand("airplane", phone="aigerim", on=False)
    hand("story", go="next")
    assert hand.seen["story"]["told"] == 2


def test_hints_lead_through_the_play(hand: Hand) -> None:
    hints = [hand.seen["hint"]]

    def press(*wishes: tuple[str, dict[str, object]]) -> None:
        for action, fields in wishes:
            hand(action, **fields)
        hints.append(hand.seen["hint"])

    offline = {"phone": "bolat", "payee": "dana", "amount": "3000", "clone": False}
    press(("load", {"phone": "bolat", "amount": "3000"}))
    press(("airplane", {"phone": "bolat", "on": True}))
    press(("clone", {"phone": "bolat"}))
    press(("pay", offline), ("pay", {**offline, "payee": "aigerim", "clone": True}))
    press(("airplane", {"phone": "bolat", "on": False}))
    press(("sync", {"phone": "dana"}), ("sync", {"phone": "aigerim"}))
    press(("verify", {"file": "case-1.dto"}))
    press(("unload", {"phone": "dana"}), ("unload", {"phone": "aigerim"}))
    press(("wait", {}))
    assert hints == [
        f"hint.{name}"
        for name in (
            "load",
            "airplane",
            "clone",
            "cheat",
            "network",
            "sync",
            "verify",
            "unload",
            "wait",
            "free",
        )
    ]


def test_a_reset_starts_anew(hand: Hand) -> None:
    hand.double_spend()
    version = hand.seen["version"]
    hand("reset")
    seen = hand.seen
    assert seen["version"] > version
    assert hand.kinds() == ["opened"]
    assert all(phone["clone"] is None and not phone["airplane"] for phone in seen["phones"])
    assert seen["case"]["double_spends"] == 0
    assert seen["shift_days"] == 0
