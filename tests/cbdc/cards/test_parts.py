"""The parts of cards: device tokens, chips, returns, settlement, disputes, networks, the wire."""

import pytest

from cbdc.accounts import reserves
from cbdc.cards import chart, fields
from cbdc.cards.asking import Terminal
from cbdc.cards.message import Message, decode
from cbdc.cards.numbers import VISA_LIKE
from cbdc.cards.pocket import PocketQuestion, binding_of
from cbdc.cards.registry import NewCard
from cbdc.cards.rules import CASH
from cbdc.cards.system import approved_or_raise
from cbdc.cards.wire import SeededFaults, Wire
from cbdc.errors import Refused, TengeError
from cbdc.money import tenge
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.record import sign
from tests.cbdc.cards.scene import POCKET, CardScene, check, settle
from tests.cbdc.cards.test_issuer import PRICE, buys, code
from tests.cbdc.institutions import buy, ident, key


def refused(call: object) -> str:
    with pytest.raises(TengeError) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


# --- device tokens ---


def phone(scene: CardScene, name: str = "phone") -> str:
    return scene.issuer.registry.provision(scene.card.id, ident(name), key(name)).number


def test_a_token_pays_from_the_same_pocket_and_a_suspended_one_does_not() -> None:
    scene = CardScene()
    number = phone(scene)
    assert number[1] == "9"
    assert phone(scene) == number, "the same device gets the same token"
    plastic, scene.chip = scene.chip, scene.cards.chip(1, number, key("phone"))
    assert code(buys(scene, "early")) == "E_CARD_FUNDS", "what was there stays behind the old keys"
    scene.relock()
    assert code(buys(scene, "one")) == "ok"
    scene.issuer.registry.suspend(number)
    assert code(buys(scene, "two")) == "E_CARD_TOKEN_STATE"
    scene.chip = plastic
    assert code(buys(scene, "three")) == "ok", "the plastic works"
    scene.chip = scene.cards.chip(1, number, key("phone"))
    scene.issuer.registry.resume_token(number)
    assert code(buys(scene, "four")) == "ok"
    check(scene)


def test_a_deleted_token_is_gone_for_good_and_its_key_leaves_the_lock() -> None:
    scene = CardScene()
    number = phone(scene)
    registry = scene.issuer.registry
    assert len(registry.lock(scene.card.id).kids) == 3
    registry.delete(number)
    assert len(registry.lock(scene.card.id).kids) == 2
    assert refused(lambda: registry.resume_token(number)) == "E_CARD_TOKEN_STATE"
    assert registry.delete(number).state == "deleted"
    assert scene.issuer.judge.note_for(number) == b""
    scene.chip = scene.cards.chip(1, number, key("phone"))
    assert code(buys(scene)) == "E_CARD_TOKEN_STATE"


def test_what_cannot_be_issued_or_provisioned() -> None:
    scene = CardScene()
    registry = scene.issuer.registry
    phone(scene, "phone")
    phone(scene, "watch")
    assert refused(lambda: phone(scene, "third")) == "E_CARD_KEYS"
    assert refused(lambda: registry.suspend(scene.chip.number)) == "E_CARD_TOKEN_STATE"
    registry.block(scene.card.id)
    assert refused(lambda: phone(scene, "fourth")) == "E_CARD_BLOCKED"
    registry.unblock(scene.card.id)
    assert refused(lambda: registry.card(ident("nobody"))) == "E_CARD_UNKNOWN"
    wallet, chip = scene.aliya.public.kid, key("chip aliya")
    order = NewCard(scene.card.id, ident("aliya"), wallet, "other-like", chip, "9912")
    assert refused(lambda: registry.issue([order])) == "E_CARD_ROUTE"
    twice = order._replace(network=VISA_LIKE, wallet_kid=ident("another"))
    assert refused(lambda: registry.issue([twice])) == "E_ID_REUSED"
    assert registry.issue([order._replace(network=VISA_LIKE)])[0].numbers[0] == scene.chip.number
    nobody = order._replace(id=ident("n"), customer=ident("n"), network=VISA_LIKE)
    assert refused(lambda: registry.issue([nobody])) == "E_CUSTOMER_UNKNOWN"
    taken = NewCard(ident("taken"), ident("aliya"), wallet, VISA_LIKE, key("bank 1"), "9912")
    registry.issue([taken])
    registry.issue([taken])


def test_blocked_cards_and_wrong_questions_are_refused() -> None:
    scene = CardScene()
    scene.forget(scene.chip)
    outcome = buys(scene)
    assert code(outcome) == "ok"
    question = next(decode(row.asked) for row in scene.acquirer.sales.all() if row.id == ident("sale"))
    assert question.processing == fields.PURCHASE
    values = dict(question.fields) | {3: "310000", 4: "0" * 12, 11: "111111", 37: "QUESTION0000"}
    assert answer_to(scene, values) == "82", "a transfer is no question"
    values |= {11: "222222", 37: "QUESTION0001"}
    values[55] = scene.chip.ask(ident("q"), values).hex().upper()
    assert answer_to(scene, values | {11: "333333", 37: "QUESTION0009"}) == "82", (
        "it was asked in another message"
    )
    assert 55 in decode(scene.issuer.handle(Message("0100", values).encode())).fields
    low = scene.issuer.registry.device(scene.chip.number).counter
    again = values | {11: "444444", 37: "QUESTION0002"}
    record = PocketQuestion(scene.chip.number, low, binding_of(again, low))
    asked = sign(record, scene.system.network, key("chip aliya")).encode()
    again[55] = (low.to_bytes(6, "big") + asked).hex().upper()
    assert answer_to(scene, again) == "63", "its count has not risen"


def answer_to(scene: CardScene, values: dict[int, str]) -> str:
    return decode(scene.issuer.handle(Message("0100", values).encode())).fields[39]


# --- chips ---


def test_a_chip_believes_only_its_bank_and_nothing_old() -> None:
    scene = CardScene()
    known, note = scene.chip.known(), scene.issuer.judge.note_for(scene.chip.number)
    counted = scene.chip.counter
    scene.chip.tell(b"nonsense")
    scene.chip.tell(note[:-1] + bytes([note[-1] ^ 1]))
    number = phone(scene)
    scene.chip.tell(scene.issuer.judge.note_for(number))
    assert scene.chip.known() == known
    assert code(buys(scene)) == "ok"
    newer = scene.chip.known()
    scene.chip.tell(note)
    assert scene.chip.known() == newer
    assert scene.chip.counter == counted + 2, (
        "the new key changed the pocket's lock, so it was told and asked again"
    )
    assert scene.chip.known_tiyn() == POCKET - PRICE
    assert scene.cards.chip(1, number, key("phone")).known_tiyn() == 0
    assert scene.cards.chip(1, number, key("phone")).pocket_kids() == ()


# --- returns ---


def test_an_empty_inventory_owes_until_it_has_money() -> None:
    scene = CardScene()
    buys(scene)
    bank = scene.system.banks[1]
    bank.redeem_surplus(ident("all"), bank.inventory_tiyn())
    assert scene.cards.cancel(2, ident("sale")).sale.state == "reversed"
    assert scene.pocket() == POCKET - PRICE
    assert scene.balance(chart.owed(1)) == PRICE
    check(scene)
    bank.order_tokens(ident("new"), PRICE)
    scene.cards.tend()
    assert scene.pocket() == POCKET
    check(scene)


def test_a_pocket_that_may_not_receive_gets_a_deposit() -> None:
    scene = CardScene()
    buys(scene)
    scene.system.banks[1].receive_deposit(ident("rich"), ident("aliya"), tenge(20_000_000))
    bank = scene.system.banks[1]
    bank.order_tokens(ident("much"), tenge(950_000))
    before = tenge(100_000) - PRICE
    for number in range(10):
        scene.system.national_bank.endow(ident(f"e{number}"), 1, tenge(1_000_000))
        bank.order_tokens(ident(f"o{number}"), tenge(1_000_000))
    buy(scene.system, "aliya", tenge(10_000_000) - before, sale="full")
    deposit = scene.deposit("aliya", 1)
    scene.cards.cancel(2, ident("sale"))
    assert scene.deposit("aliya", 1) == deposit + PRICE, (
        "the ledger's holding limit keeps it out of the pocket"
    )
    assert scene.issuer.returns.waiting() == []
    check(scene)


# --- settlement ---


def test_a_bank_without_reserves_stops_the_settlement_until_it_has_some() -> None:
    scene = CardScene()
    buys(scene)
    scene.cards.capture(2, ident("sale"), PRICE)
    bank, there = scene.system.banks[1], scene.balance(reserves(1))
    bank.order_tokens(ident("all reserves"), there)
    assert refused(lambda: scene.cards.settle(ident("day"))) == "E_FUNDS_ACCOUNT"
    check(scene)
    bank.redeem_surplus(ident("some back"), there)
    done = scene.cards.settle(ident("day"))[VISA_LIKE]
    assert (done.items, done.net_tiyn, done.left_out) == (1, {1: -PRICE, 2: PRICE}, 0)
    assert scene.cards.settle(ident("day"))[VISA_LIKE] == done, "the same settlement again changes nothing"
    assert scene.cards.settle(ident("next"))[VISA_LIKE].items == 0
    check(scene)


def test_what_the_network_knows_otherwise_is_left_out() -> None:
    scene = CardScene()
    buys(scene)
    scene.cards.capture(2, ident("sale"), PRICE)
    network = scene.cards.networks[VISA_LIKE]
    sale = scene.acquirer.sales.get(ident("sale"))
    item = network.item(sale.item)
    assert item is not None
    less = type(item)(item.id, item.payer, item.payee, item.amount_tiyn - 1)
    row = network.settled_rows([less])[0]
    scene.stores.cabinet.put_many([row._replace(data=less.encode())])
    assert scene.cards.settle(ident("day"))[VISA_LIKE].left_out == 1
    check(scene)


# --- disputes ---


def test_what_cannot_be_disputed() -> None:
    scene = CardScene()
    buys(scene)
    assert refused(lambda: scene.cards.charge_back(2, ident("sale"), PRICE)) == "E_CARD_STATE"
    scene.cards.capture(2, ident("sale"), PRICE)
    assert refused(lambda: scene.cards.charge_back(2, ident("sale"), PRICE + 1)) == "E_CARD_AMOUNT"
    assert refused(lambda: scene.cards.charge_back(2, ident("nothing"), 1)) == "E_CARD_UNLOCATED"
    assert refused(lambda: scene.cards.disputes[1].begin(ident("nothing"), 1)) == "E_CARD_UNLOCATED"
    scene.cards.charge_back(2, ident("sale"), 100)
    scene.cards.charge_back(2, ident("sale"), 100)
    assert refused(lambda: scene.cards.charge_back(2, ident("sale"), 200)) == "E_CARD_STATE"
    late = CardScene()
    buys(late)
    late.cards.capture(2, ident("sale"), PRICE)
    late.clock.advance(121 * 86_400)
    assert refused(lambda: late.cards.charge_back(2, ident("sale"), 1)) == "E_CARD_DISPUTE_TIME"


def test_a_poor_merchant_is_a_claim_and_an_objection_ends_it() -> None:
    scene = CardScene()
    buys(scene)
    scene.cards.capture(2, ident("sale"), PRICE)
    scene.system.banks[2].pay_deposit_out(ident("out"), ident("shop"), scene.deposit("shop", 2))
    scene.cards.charge_back(2, ident("sale"), PRICE)
    assert scene.balance(chart.merchant_claims(2)) == PRICE
    assert code(scene.cards.represent(2, ident("no"), ident("sale"), PRICE)) == "ok"
    assert scene.balance(chart.merchant_claims(2)) == 0
    assert code(scene.cards.represent(2, ident("twice"), ident("sale"), PRICE)) == "E_CARD_DECLINED"
    scene.clock.advance(31 * 86_400)
    assert scene.cards.disputes[1].close_old() == 1
    settle(scene)
    check(scene)


def test_a_chargeback_of_a_sale_the_acquirer_does_not_know_is_refused() -> None:
    scene = CardScene()
    buys(scene)
    scene.cards.capture(2, ident("sale"), tenge(100))
    payment = scene.issuer.payments.all()[0]
    asked = decode(payment.asked)
    message = Message(
        "0422",
        {
            **{n: asked.fields[n] for n in (2, 3, 7, 11, 12, 32, 37, 41, 42, 49)},
            4: f"{PRICE:012d}", 24: "450", 25: "4553", 56: f"0100{'0' * 6}{asked.fields[12]}{asked.fields[32]}",
        },
    )  # fmt: skip
    assert decode(scene.acquirer.charged_back(message)).fields[39] == "25"
    about = f"0100{asked.fields[11]}{asked.fields[12]}{asked.fields[32]}"
    more = Message("0422", {**message.fields, 11: "777777", 56: about})
    first = scene.acquirer.charged_back(more)
    assert decode(first).fields[39] == "13", "more than was captured"
    assert scene.acquirer.charged_back(more) == first


# --- what merchants may not do ---


def test_what_an_acquirer_refuses() -> None:
    scene = CardScene()
    cards = scene.cards
    buys(scene)
    assert refused(lambda: cards.capture(2, ident("sale"), PRICE + 1)) == "E_CARD_AMOUNT"
    assert refused(lambda: cards.cancel(2, ident("sale"), PRICE + 1)) == "E_CARD_AMOUNT"
    assert cards.cancel(2, ident("sale"), PRICE).sale.state == "approved"
    assert refused(lambda: cards.capture(2, ident("other"), 1)) == "E_CARD_UNLOCATED"
    assert refused(lambda: cards.refund(2, ident("r"), ident("sale"), 1)) == "E_CARD_STATE"
    assert refused(lambda: buys(scene, "sale", 1)) == "E_ID_REUSED"
    assert refused(lambda: buys(scene, "huge", 10**12)) == "E_CARD_AMOUNT"
    assert refused(lambda: buys(scene, "none", 0)) == "E_MONEY_RANGE"
    cards.capture(2, ident("sale"), PRICE)
    assert cards.capture(2, ident("sale"), PRICE).sale.state == "captured"
    assert refused(lambda: cards.cancel(2, ident("sale"))) == "E_CARD_STATE"
    cards.refund(2, ident("r"), ident("sale"), 100)
    cards.refund(2, ident("r"), ident("sale"), 100)
    assert refused(lambda: cards.refund(2, ident("r"), ident("sale"), 99)) == "E_ID_REUSED"
    scene.system.banks[2].pay_deposit_out(ident("out"), ident("shop"), scene.deposit("shop", 2))
    assert refused(lambda: cards.refund(2, ident("r2"), ident("sale"), 100)) == "E_FUNDS_ACCOUNT"
    no_key = Terminal(ident("shop"))
    direct = lambda: cards.purchase(ident("d"), 2, no_key, scene.chip, 1, direct=True)  # noqa: E731
    assert refused(direct) == "E_CARD_DIRECT"
    scene.chip.number = "2200000000000004"
    assert refused(lambda: buys(scene, "mir")) == "E_CARD_ROUTE"
    check(scene)


def test_a_number_of_a_bank_that_is_not_there_is_routed_nowhere() -> None:
    scene = CardScene()
    asked = decode(buys(scene).sale.asked)
    sent: list[Message] = []
    scene.acquirer.receive = sent.append  # type: ignore[method-assign]
    strange = Message("0100", {**asked.fields, 2: "4000770000000000", 37: "STRANGE00000"})
    scene.cards.networks[VISA_LIKE].send(strange.encode())
    scene.cards.networks[VISA_LIKE].send(Message("0220", _capture_of(strange)).encode())
    scene.cards.wire.run()
    assert [message.fields[39] for message in sent] == ["92", "92"]


def _capture_of(asked: Message) -> dict[int, str]:
    kept = {n: asked.fields[n] for n in (2, 3, 4, 7, 11, 12, 32, 37, 41, 42, 49)}
    return {**kept, 24: "200", 56: f"0100{asked.fields[11]}{asked.fields[12]}{asked.fields[32]}"}


def test_an_empty_machine_gives_nothing_and_takes_nothing() -> None:
    scene = CardScene()
    outcome = scene.cards.purchase(ident("cash"), 1, scene.machine, scene.chip, PRICE, CASH)
    assert code(outcome) == "E_CARD_CASH"
    with pytest.raises(Refused):
        approved_or_raise(outcome)
    assert scene.pocket() == POCKET
    check(scene)
    assert approved_or_raise(buys(scene)).done_tiyn == PRICE


# --- the wire ---


def test_seeded_faults_are_the_same_whoever_asks() -> None:
    faults = SeededFaults(SeededEntropy(3), {"lost": 300, "late": 300})
    fates = [faults.fate("0100", ident(f"{n}"), "to issuer", 1) for n in range(200)]
    assert fates == [faults.fate("0100", ident(f"{n}"), "to issuer", 1) for n in range(200)]
    assert set(fates) == {"", "lost", "late"}
    assert faults.fate("0100", ident("0"), "to issuer", 4) == ""


def test_the_wires_time_is_the_clocks_when_it_is_quiet() -> None:
    clock = ManualClock(100)
    wire = Wire(clock, SeededFaults(SeededEntropy(1), {}))
    seen: list[int] = []
    wire.after(30, lambda: seen.append(wire.now()))
    wire.after(10, lambda: wire.after(5, lambda: seen.append(wire.now())))
    wire.run()
    assert seen == [115, 130]
    assert wire.now() == 100

    def broken() -> None:
        raise Refused("E_CARD_TIMEOUT", reference="x")

    wire.after(1, broken)
    wire.after(2, lambda: seen.append(0))
    with pytest.raises(Refused):
        wire.run()
    wire.run()
    assert seen == [115, 130]


def test_a_strangers_sign_off_is_ignored_and_an_echo_is_answered() -> None:
    scene = CardScene()
    values = {7: "0" * 10, 11: "0" * 6, 12: "0" * 12, 32: "900077", 70: fields.SIGN_OFF}
    network = scene.cards.networks[VISA_LIKE]
    network.send(Message("0800", values).encode())
    network.send(Message("0800", {**values, 32: "900001", 70: fields.ECHO}).encode())
    scene.cards.wire.run()
    assert not network.is_away(77)
    assert not network.is_away(1)
    assert network.stood_in() == 0
