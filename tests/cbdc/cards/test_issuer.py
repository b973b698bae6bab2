"""What an issuer refuses, by rule and by law; what it answers to repetitions; what standing in costs it."""

from collections.abc import Callable

import pytest

from cbdc.cards import answers, chart, fields
from cbdc.cards.message import Message, decode
from cbdc.cards.pocket import binding_of, sign_payment
from cbdc.cards.rules import (
    ANY,
    CARD_STATE,
    CASH,
    DAY_COUNT,
    DAY_LIMIT,
    EXPIRY,
    ONLINE,
    PAYMENT_LIMIT,
    POS,
    REPLAY,
    SANCTIONS,
    SCHEME_LIST,
    TOKEN_STATE,
    Rule,
)
from cbdc.cards.system import Outcome
from cbdc.errors import Malformed, Refused, Unavailable
from cbdc.money import tenge
from tests.cbdc.cards.scene import POCKET, CardScene, check, settle
from tests.cbdc.institutions import buy, ident, key, pay

PRICE = tenge(6_760)


def buys(scene: CardScene, name: str = "sale", amount: int = PRICE, channel: str = POS) -> Outcome:
    terminal = scene.machine if channel == CASH else scene.terminal
    return scene.cards.purchase(ident(name), 2, terminal, scene.chip, amount, channel)


def code(outcome: Outcome) -> str:
    return outcome.refusal.code if outcome.refusal is not None else "ok"


# --- rules: each refuses, and without it the same attempt succeeds ---


def _too_much(scene: CardScene) -> Outcome:
    return buys(scene, amount=tenge(2_001))


def _day(scene: CardScene) -> Outcome:
    assert code(buys(scene, "one", tenge(2_000))) == "ok"
    return buys(scene, "two", tenge(1_001))


def _everything_in_a_day(scene: CardScene) -> Outcome:
    assert code(buys(scene, "one", tenge(2_000))) == "ok"
    return buys(scene, "two", tenge(1_001), CASH)


def _cash_day(scene: CardScene) -> Outcome:
    assert code(buys(scene, "one", tenge(2_000), CASH)) == "ok"
    assert code(buys(scene, "two", tenge(2_000))) == "ok"
    return buys(scene, "three", tenge(1_001), CASH)


def _often(scene: CardScene) -> Outcome:
    for number in range(2):
        assert code(buys(scene, f"{number}", 100, ONLINE)) == "ok"
    return buys(scene, "third", 100, ONLINE)


def _expired(scene: CardScene) -> Outcome:
    old = scene.issue("aliya", "2001", "old ")
    scene.load(scene.aliya, old, tenge(10_000))
    scene.chip = scene.cards.chip(1, old.numbers[0], key("old chip aliya"))
    scene.tell(scene.chip)
    return buys(scene)


def _blocked(scene: CardScene) -> Outcome:
    scene.issuer.registry.block(scene.card.id)
    return buys(scene)


def _suspended(scene: CardScene) -> Outcome:
    phone = scene.issuer.registry.provision(scene.card.id, ident("phone"), key("phone"))
    scene.relock()
    scene.chip = scene.cards.chip(1, phone.number, key("phone"))
    scene.tell(scene.chip)
    assert code(buys(scene, "before")) == "ok"
    scene.issuer.registry.suspend(phone.number)
    return buys(scene)


def _sanctioned(scene: CardScene) -> Outcome:
    scene.terminal = scene.abroad("643")
    return buys(scene)


def _hot(scene: CardScene) -> Outcome:
    scene.cards.networks["visa-like"].list_card(scene.chip.number)
    return buys(scene)


RULES: list[tuple[Rule, str, Callable[[CardScene], Outcome]]] = [
    (Rule("a", PAYMENT_LIMIT, POS, tenge(2_000)), "E_CARD_LIMIT_PAYMENT", _too_much),
    (Rule("a", PAYMENT_LIMIT, ANY, tenge(2_000)), "E_CARD_LIMIT_PAYMENT", _too_much),
    (Rule("a", DAY_LIMIT, POS, tenge(3_000)), "E_CARD_LIMIT_DAY", _day),
    (Rule("a", DAY_LIMIT, ANY, tenge(3_000)), "E_CARD_LIMIT_DAY", _everything_in_a_day),
    (Rule("a", DAY_LIMIT, CASH, tenge(3_000)), "E_CARD_LIMIT_DAY", _cash_day),
    (Rule("a", DAY_COUNT, ONLINE, 2), "E_CARD_LIMIT_COUNT", _often),
    (Rule("a", EXPIRY), "E_CARD_EXPIRED", _expired),
    (Rule("a", CARD_STATE), "E_CARD_BLOCKED", _blocked),
    (Rule("a", TOKEN_STATE), "E_CARD_TOKEN_STATE", _suspended),
    (Rule("a", SANCTIONS, countries=("643",)), "E_CARD_SANCTIONS", _sanctioned),
    (Rule("a", SCHEME_LIST), "E_CARD_SCHEME_LIST", _hot),
]


@pytest.mark.parametrize(("rule", "expected", "attempt"), RULES)
def test_a_rule_refuses_and_nothing_else_does(
    rule: Rule, expected: str, attempt: Callable[[CardScene], Outcome]
) -> None:
    strict, lenient = CardScene(rules=[rule, Rule("r", REPLAY)]), CardScene(rules=[Rule("r", REPLAY)])
    outcome = attempt(strict)
    assert code(outcome) == expected
    assert outcome.sale.state == "declined"
    shop = strict.acquirer.reason(ident("sale")) or strict.acquirer.reason(outcome.sale.id)
    assert shop is not None
    assert shop.code == "E_CARD_DECLINED", "the shop is told no reason"
    check(strict)
    assert code(attempt(lenient)) == "ok"
    check(lenient)


def test_a_merchant_of_a_list_and_a_card_taken_off_the_hot_list() -> None:
    scene = CardScene(rules=[])
    merchant = decode(buys(scene).sale.asked).fields[42]
    scene = CardScene(rules=[Rule("list", SANCTIONS, merchants=(merchant,))])
    assert code(buys(scene)) == "E_CARD_SANCTIONS"
    scene = CardScene()
    scene.cards.networks["visa-like"].list_card(scene.chip.number)
    scene.cards.networks["visa-like"].list_card(scene.chip.number, False)
    assert code(buys(scene)) == "ok"


def test_reversed_money_is_free_for_the_day_again() -> None:
    scene = CardScene(rules=[Rule("a", DAY_LIMIT, POS, tenge(3_000)), Rule("b", DAY_COUNT, POS, 1)])
    assert code(buys(scene, "one", tenge(3_000))) == "ok"
    assert code(buys(scene, "two", tenge(3_000))) == "E_CARD_LIMIT_DAY"
    scene.cards.cancel(2, ident("one"))
    assert code(buys(scene, "three", tenge(3_000))) == "ok"


# --- law: no rule switches these off ---


def test_an_empty_pocket_pays_nothing() -> None:
    scene = CardScene()
    assert code(buys(scene, amount=POCKET + 1)) == "E_CARD_FUNDS"
    assert scene.acquirer.sales.get(ident("sale")).response == answers.OFFLINE
    assert scene.pocket() == POCKET
    check(scene)


def test_a_chip_learns_of_new_money_and_of_money_that_is_gone() -> None:
    scene = CardScene()
    buy(scene.system, "aliya", tenge(60_000), sale="more")
    scene.load(scene.aliya, scene.card, tenge(60_000))
    assert code(buys(scene, amount=POCKET + tenge(1_000))) == "ok"
    scene.empty_pocket()
    assert code(buys(scene, "again", tenge(1_000))) == "E_CARD_FUNDS"
    check(scene)


def test_a_replayed_cryptogram_is_refused_and_without_the_rule_costs_the_bank_not_the_customer() -> None:
    scene, careless = CardScene(), CardScene(rules=[])
    for one, expected in (
        (scene, answers.response_of(Refused("E_CARD_REPLAY", card="", counter=1))),
        (careless, "00"),
    ):
        asked = decode(buys(one).sale.asked)
        again = Message("0100", {**asked.fields, 11: "424242", 37: "REPLAYREPLAY"})
        assert decode(one.issuer.handle(again.encode())).fields[39] == expected
        assert one.pocket() == POCKET - PRICE
    assert scene.balance(chart.claims(1)) == 0
    assert careless.balance(chart.claims(1)) == PRICE
    check(careless)


def test_a_signature_is_good_for_one_message() -> None:
    scene = CardScene()
    asked = decode(buys(scene).sale.asked)
    rose = (7).to_bytes(6, "big").hex().upper() + asked.fields[55][12:]
    again = Message("0100", {**asked.fields, 11: "424242", 37: "REPLAYREPLAY", 55: rose})
    assert decode(scene.issuer.handle(again.encode())).fields[39] == "82"


@pytest.mark.parametrize("change", [{4: "000000000100"}, {48: "0A" * 32}, {55: "0A"}, {55: "00" * 40}])
def test_what_the_chip_did_not_sign(change: dict[int, str]) -> None:
    scene = CardScene()
    asked = decode(buys(scene).sale.asked)
    fresh = {**asked.fields, 11: "424242", 37: "OTHEROTHER12", **change}
    if 55 not in change:
        fresh[55] = "0000000000FF" + asked.fields[55][12:]
    assert decode(scene.issuer.handle(Message("0100", fresh).encode())).fields[39] in {"82", "63"}
    assert scene.pocket() == POCKET - PRICE


def test_a_transfer_that_the_ledger_took_already_pays_no_merchant() -> None:
    scene = CardScene()
    fresh = _asked_by_hand(scene)
    scene.system.ledger.submit(bytes.fromhex(fresh[55])[6:])
    answer = decode(scene.issuer.handle(Message("0100", fresh).encode()))
    assert answer.fields[39] == answers.STALE_POCKET
    assert scene.issuer.payments.all()[0].state == "declined"


def _asked_by_hand(scene: CardScene, signer: str = "chip aliya") -> dict[int, str]:
    """A request that was built without a terminal."""
    other = CardScene()
    asked = dict(decode(buys(other).sale.asked).fields)
    note = scene.chip.known()
    assert note is not None
    nonce = binding_of(asked, 1)
    paid = sign_payment(
        key(signer), scene.system.network, note, scene.system.banks[1].inventory_kid, PRICE, nonce
    )
    asked[55] = ((1).to_bytes(6, "big") + paid.encode()).hex().upper()
    return asked


def test_another_key_of_the_customer_is_not_the_chip() -> None:
    scene = CardScene()
    answer = decode(scene.issuer.handle(Message("0100", _asked_by_hand(scene, "aliya")).encode()))
    assert answer.fields[39] == "82"


def test_tokens_outside_the_pocket_are_not_sold_by_a_card() -> None:
    scene = CardScene()
    chip_kid = key("chip aliya").public.kid
    scene.system.ledger.submit(pay(scene.system, scene.aliya, chip_kid, PRICE, b"n" * 16).encode())
    owned = scene.system.ledger.owned(chip_kid)
    assert len(owned) == 1
    asked = _asked_by_hand(scene)
    note = scene.chip.known()
    assert note is not None
    identity, token = owned[0]
    own = type(note)(note.number, 9, note.lock, ((*identity, token.amount_tiyn, b""),))
    inventory = scene.system.banks[1].inventory_kid
    paid = sign_payment(key("chip aliya"), scene.system.network, own, inventory, PRICE, binding_of(asked, 1))
    asked[55] = ((1).to_bytes(6, "big") + paid.encode()).hex().upper()
    assert decode(scene.issuer.handle(Message("0100", asked).encode())).fields[39] == answers.STALE_POCKET


def test_a_frozen_holder_does_not_pay() -> None:
    scene = CardScene()
    pseudonym = scene.system.banks[1].customers.get(ident("aliya")).pseudonym
    scene.system.enforcement.freeze(ident("case"), pseudonym, "case 1")
    outcome = buys(scene)
    assert code(outcome) == "E_CARD_LEDGER"
    assert outcome.refusal is not None
    assert outcome.refusal.facts["reason"] == "E_FROZEN"
    check(scene)


def test_an_unknown_card_and_an_unknown_kind() -> None:
    scene = CardScene()
    asked = decode(buys(scene).sale.asked)
    strange = Message("0100", {**asked.fields, 2: "4000010000000018", 37: "STRANGE00000"})
    assert decode(scene.issuer.handle(strange.encode())).fields[39] == "14"
    chargeback = {n: v for n, v in asked.fields.items() if n in fields.KINDS["0422"].required}
    message = Message("0422", {**chargeback, 25: "4553", 56: "0" * 28})
    assert decode(scene.issuer.handle(message.encode())).fields[39] == "12"
    with pytest.raises(Malformed):
        scene.issuer.handle(b"not a message")


# --- repetitions ---


def test_the_same_message_gets_the_same_answer_and_other_content_is_refused() -> None:
    scene = CardScene()
    asked = decode(buys(scene).sale.asked)
    first = scene.issuer.handle(asked.encode())
    assert scene.issuer.handle(asked.encode()) == first
    assert scene.pocket() == POCKET - PRICE
    other = Message("0100", {**asked.fields, 4: f"{PRICE + 1:012d}"})
    assert decode(scene.issuer.handle(other.encode())).fields[39] == "94"
    second = Message("0100", {**asked.fields, 11: "999999"})
    assert decode(scene.issuer.handle(second.encode())).fields[39] == "12", "the payment exists already"
    check(scene)


def test_a_silent_ledger_makes_a_silent_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = CardScene()

    def silent(data: bytes) -> object:
        raise Unavailable("E_STORE_UNAVAILABLE", detail="test")

    monkeypatch.setattr(scene.system.ledger, "submit", silent)
    outcome = buys(scene)
    assert code(outcome) == "E_CARD_ISSUER_SILENT"
    monkeypatch.undo()
    scene.cards.tend()
    assert scene.pocket() == POCKET
    check(scene)


# --- standing in ---


def test_what_the_network_approved_is_covered_by_the_signature() -> None:
    scene = CardScene(stand_in_tiyn=PRICE)
    scene.cards.sign_off(1)
    assert code(buys(scene)) == "ok"
    assert scene.pocket() == POCKET
    assert code(buys(scene, "second", 1)) == "E_CARD_ISSUER_SILENT", (
        "the limit is the card's, not the payment's"
    )
    assert code(buys(scene, "cash", 1, CASH)) == "E_CARD_ISSUER_SILENT"
    scene.cards.sign_on(1)
    assert scene.pocket() == POCKET - PRICE
    scene.cards.tend()
    assert scene.balance(chart.claims(1)) == 0
    check(scene)


def test_what_no_signature_covers_is_the_banks_claim_and_its_deposit_pays() -> None:
    scene = CardScene(stand_in_tiyn=POCKET)
    scene.cards.sign_off(1)
    assert code(buys(scene)) == "ok"
    scene.empty_pocket()
    scene.cards.sign_on(1)
    scene.cards.capture(2, ident("sale"), PRICE)
    assert scene.balance(chart.claims(1)) == PRICE
    check(scene)
    deposit = scene.deposit("aliya", 1)
    assert scene.issuer.collect_claims() == PRICE
    assert scene.issuer.collect_claims() == 0
    assert scene.deposit("aliya", 1) == deposit - PRICE
    check(scene)
    scene.cards.refund(2, ident("refund"), ident("sale"), PRICE)
    assert scene.pocket() == PRICE
    settle(scene)
    check(scene)


def test_a_refund_first_pays_the_claim() -> None:
    scene = CardScene(stand_in_tiyn=POCKET)
    scene.cards.sign_off(1)
    buys(scene)
    scene.empty_pocket()
    scene.cards.sign_on(1)
    scene.cards.capture(2, ident("sale"), PRICE)
    scene.system.banks[1].pay_deposit_out(ident("out"), ident("aliya"), scene.deposit("aliya", 1))
    assert scene.issuer.collect_claims() == 0
    scene.cards.refund(2, ident("refund"), ident("sale"), PRICE)
    assert scene.balance(chart.claims(1)) == scene.pocket() == 0
    check(scene)


def test_an_advice_for_nobodys_card_is_booked_and_can_be_charged_back() -> None:
    scene = CardScene()
    asked = decode(buys(scene).sale.asked)
    values = {**asked.fields, 2: "4000010000000018", 37: "NOBODY000000", 25: "1003", 38: "ABCDEF", 39: "00"}
    advice = Message("0120", values)
    assert decode(scene.issuer.handle(advice.encode())).fields[39] == "00"
    assert scene.balance(chart.claims(1)) == PRICE
    assert scene.issuer.collect_claims() == 0
    check(scene)
