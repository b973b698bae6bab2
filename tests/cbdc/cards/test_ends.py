"""How things end that were left open: after a crash, without a key, with tokens that moved, with a claim in between."""

import pytest

from cbdc.cards import chart
from cbdc.errors import Unavailable
from cbdc.token import KeyLock, Token
from tests.cbdc.cards.scene import POCKET, CardScene, check, settle
from tests.cbdc.cards.test_issuer import PRICE, buys, code
from tests.cbdc.institutions import ident


def direct_without_answer(scene: CardScene) -> str:
    """A direct payment that the ledger did and nobody told the shop; the state of the sale."""
    scene.faults.plan({("0110", "from network"): ("lost",)})
    scene.cards.purchase(ident("sale"), 2, scene.terminal, scene.chip, PRICE, direct=True)
    return scene.acquirer.sales.get(ident("sale")).state


def state(scene: CardScene) -> str:
    return scene.acquirer.sales.get(ident("sale")).state


def test_a_request_that_was_out_in_a_crash_is_undone_by_tending(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = CardScene()
    monkeypatch.setattr(scene.cards.wire, "run", lambda: None)
    buys(scene)
    assert state(scene) == "asking"
    again = CardScene(stores=scene.stores, clock=scene.clock)
    again.cards.tend()
    assert state(again) == "reversed"
    assert again.pocket() == POCKET
    check(again)


def test_a_shop_without_its_key_gives_back_when_it_has_it() -> None:
    scene = CardScene()
    scene.acquirer.knows(ident("shop"), scene.shop)
    signers = scene.acquirer._signers
    key = signers.pop(ident("shop"))
    original = scene.terminal
    scene.faults.plan({("0110", "from network"): ("lost",)})
    scene.acquirer.purchase(ident("sale"), original, scene.chip, PRICE, direct=True)
    signers.pop(ident("shop"))
    scene.cards.wire.run()
    assert state(scene) == "returning"
    assert scene.shop_tokens() == PRICE
    scene.acquirer.knows(ident("shop"), key)
    scene.cards.tend()
    assert state(scene) == "reversed"
    assert scene.pocket() == POCKET
    check(scene)


def test_a_shop_that_spent_its_tokens_meanwhile_gives_others(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = CardScene()
    ledger = scene.system.ledger
    real = ledger.submit

    def silent_for_the_shop(data: bytes) -> object:
        if scene.shop.public.kid in data and scene.shop_tokens():
            raise Unavailable("E_STORE_UNAVAILABLE", detail="test")
        return real(data)

    monkeypatch.setattr(ledger, "submit", silent_for_the_shop)
    assert direct_without_answer(scene) == "returning"
    monkeypatch.undo()
    tokens = ledger.owned(scene.shop.public.kid)
    kept = tuple(Token(token.amount_tiyn, KeyLock(scene.shop.public.kid)) for _, token in tokens)
    scene.transfer(scene.shop, tuple(identity for identity, _ in tokens), kept)
    scene.cards.tend()
    assert state(scene) == "returning", "what it signed spends tokens that are gone"
    scene.cards.tend()
    assert state(scene) == "reversed"
    assert scene.pocket() == POCKET
    check(scene)


def test_a_shop_that_has_nothing_left_owes_its_refund() -> None:
    scene = CardScene()
    scene.cards.purchase(ident("sale"), 2, scene.terminal, scene.chip, PRICE, direct=True)
    tokens = scene.system.ledger.owned(scene.shop.public.kid)
    gone = (Token(PRICE, KeyLock(scene.aliya.public.kid)),)
    scene.transfer(scene.shop, tuple(identity for identity, _ in tokens), gone)
    assert scene.cards.refund(2, ident("refund"), ident("sale"), PRICE).sale.state == "returning"
    assert scene.pocket() == POCKET - PRICE
    other = scene.cards.purchase(ident("other"), 2, scene.terminal, scene.chip, PRICE, direct=True)
    assert other.refusal is None
    scene.cards.tend()
    assert scene.acquirer.sales.get(ident("refund")).state == "captured"
    assert scene.pocket() == POCKET - PRICE
    check(scene)


def test_a_chargeback_first_pays_the_claim() -> None:
    scene = CardScene(stand_in_tiyn=POCKET)
    scene.cards.sign_off(1)
    assert code(buys(scene)) == "ok"
    scene.empty_pocket()
    scene.cards.sign_on(1)
    scene.cards.capture(2, ident("sale"), PRICE)
    scene.cards.charge_back(2, ident("sale"), PRICE)
    scene.clock.advance(31 * 86_400)
    assert scene.cards.disputes[1].close_old() == 1
    assert scene.cards.disputes[1].close_old() == 0
    assert scene.balance(chart.claims(1)) == scene.balance(chart.disputed(1)) == scene.pocket() == 0
    check(scene)
    settle(scene)


def test_a_second_presentment_and_a_cash_dispute_again() -> None:
    scene = CardScene()
    buys(scene)
    scene.cards.capture(2, ident("sale"), PRICE)
    scene.cards.charge_back(2, ident("sale"), PRICE)
    first = scene.cards.represent(2, ident("again"), ident("sale"), PRICE)
    assert scene.cards.represent(2, ident("again"), ident("sale"), PRICE).sale == first.sale
    cash = scene.cards.purchase(ident("cash"), 2, scene.machine, scene.chip, PRICE, "cash")
    assert cash.refusal is None
    scene.cards.charge_back(2, ident("cash"), PRICE)
    assert scene.balance(chart.merchant_claims(2)) == PRICE, "its own machine has no deposit to take it from"
    check(scene)


def test_a_chargeback_that_the_other_bank_does_not_know_is_refused() -> None:
    scene = CardScene()
    buys(scene)
    scene.cards.capture(2, ident("sale"), PRICE)
    sale = scene.acquirer.sales.get(ident("sale"))
    less = type(sale)(**{name: getattr(sale, name) for name in sale.__slots__} | {"done_tiyn": 1})
    scene.stores.cabinet.put_many(scene.acquirer.sales.rows(less))
    scene.cards.charge_back(2, ident("sale"), PRICE)
    dispute = scene.cards.disputes[1].find(scene.issuer.payments.all()[0].key)
    assert dispute is not None
    assert dispute.state == "refused"
    assert scene.balance(chart.disputed(1)) == 0


def test_a_silent_direct_payment_is_found_on_the_ledger() -> None:
    scene = CardScene()
    scene.faults.plan({("0110", "from issuer"): ("lost",)})
    scene.cards.purchase(ident("sale"), 2, scene.terminal, scene.chip, PRICE, direct=True)
    assert state(scene) == "reversed", "the network said 91, the shop asked, and gave the money back"
    assert scene.pocket() == POCKET
    check(scene)
