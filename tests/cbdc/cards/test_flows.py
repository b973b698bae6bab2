"""What cards do when nothing goes wrong: each flow, to the last tiyn."""

from cbdc.cards.rules import CASH
from cbdc.money import tenge
from tests.cbdc.cards.scene import POCKET, CardScene, check, settle
from tests.cbdc.institutions import ident

PRICE = tenge(6_760)


def bought(scene: CardScene, name: str = "sale", amount: int = PRICE, **more: object) -> bytes:
    id = ident(name)
    outcome = scene.cards.purchase(id, 2, scene.terminal, scene.chip, amount, **more)  # type: ignore[arg-type]
    assert outcome.refusal is None, outcome.refusal
    return id


def test_a_purchase_is_converted_at_once_and_paid_at_settlement() -> None:
    scene = CardScene()
    shop = scene.deposit("shop", 2)
    id = bought(scene)
    assert scene.pocket() == POCKET - PRICE
    assert scene.issuer.payments.all()[0].held_tiyn == PRICE
    assert scene.deposit("shop", 2) == shop
    check(scene)
    assert scene.cards.capture(2, id, PRICE).refusal is None
    assert scene.deposit("shop", 2) == shop + PRICE
    check(scene)
    settle(scene)
    check(scene)


def test_what_is_not_captured_returns_to_the_pocket() -> None:
    scene = CardScene()
    id = bought(scene)
    scene.cards.capture(2, id, tenge(5_000))
    assert scene.pocket() == POCKET - tenge(5_000)
    check(scene)
    settle(scene)


def test_a_purchase_is_cancelled_whole_and_in_part() -> None:
    scene = CardScene()
    id = bought(scene)
    assert scene.cards.cancel(2, id, tenge(1_000)).sale.done_tiyn == tenge(1_000)
    assert scene.pocket() == POCKET - tenge(1_000)
    assert scene.cards.cancel(2, id).sale.state == "reversed"
    assert scene.pocket() == POCKET
    check(scene)


def test_cash_leaves_the_books_and_what_the_machine_lacks_returns() -> None:
    scene = CardScene()
    before = scene.cash()
    outcome = scene.cards.purchase(
        ident("cash"), 2, scene.machine, scene.chip, tenge(20_000), CASH, gives_tiyn=tenge(15_000)
    )
    assert outcome.sale.state == "captured"
    assert outcome.sale.done_tiyn == tenge(15_000)
    assert scene.cash() == before - tenge(15_000)
    assert scene.pocket() == POCKET - tenge(15_000)
    check(scene)
    settle(scene)
    check(scene)


def test_a_refund_and_a_partial_one() -> None:
    scene = CardScene()
    id = bought(scene)
    scene.cards.capture(2, id, PRICE)
    settle(scene, "one")
    assert scene.cards.refund(2, ident("r1"), id, tenge(1_000)).refusal is None
    assert scene.cards.refund(2, ident("r2"), id, PRICE - tenge(1_000)).refusal is None
    assert scene.cards.refund(2, ident("r3"), id, 1).refusal is not None
    assert scene.pocket() == POCKET
    check(scene)
    settle(scene, "two")
    check(scene)


def test_a_chargeback_returns_when_nobody_objects() -> None:
    scene = CardScene()
    id = bought(scene)
    scene.cards.capture(2, id, PRICE)
    shop = scene.deposit("shop", 2)
    scene.cards.charge_back(2, id, PRICE)
    assert scene.deposit("shop", 2) == shop - PRICE
    assert scene.pocket() == POCKET - PRICE
    settle(scene)
    check(scene)
    assert scene.cards.disputes[1].close_old() == 0
    scene.clock.advance(31 * 86_400)
    assert scene.cards.disputes[1].close_old() == 1
    assert scene.pocket() == POCKET
    check(scene)


def test_a_merchant_objects_to_a_chargeback() -> None:
    scene = CardScene()
    id = bought(scene)
    scene.cards.capture(2, id, PRICE)
    shop = scene.deposit("shop", 2)
    scene.cards.charge_back(2, id, PRICE)
    assert scene.cards.represent(2, ident("again"), id, PRICE).refusal is None
    assert scene.deposit("shop", 2) == shop
    scene.clock.advance(31 * 86_400)
    scene.cards.disputes[1].close_old()
    assert scene.pocket() == POCKET - PRICE
    check(scene)
    settle(scene)


def test_a_shop_takes_digital_tenge_directly_and_gives_it_back() -> None:
    scene = CardScene()
    id = bought(scene, direct=True)
    assert scene.shop_tokens() == PRICE
    check(scene)
    assert scene.cards.refund(2, ident("back"), id, PRICE).refusal is None
    assert scene.pocket() == POCKET
    check(scene)
    settle(scene)


def test_a_hold_ends_by_itself() -> None:
    scene = CardScene()
    id = bought(scene)
    scene.clock.advance(6 * 86_400)
    assert scene.issuer.expire_holds() == 0
    scene.clock.advance(86_400 + 60)
    assert scene.issuer.expire_holds() == 1
    assert scene.pocket() == POCKET
    assert scene.cards.capture(2, id, PRICE).sale.state == "lost"
    check(scene)
