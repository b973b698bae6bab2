"""Exchanges: who may do what, where money and units go, what is refused and held, and that every leg reconciles."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cbdc.corridor.bank_desk import HIGH_RISK, LOW_RISK
from cbdc.corridor.cap import CapRule
from cbdc.corridor.measures import measure
from cbdc.corridor.persons import match_code
from cbdc.corridor.reconcile import reconcile
from cbdc.corridor.records import EXCHANGE_ACTIVITY, SUSPENDED
from cbdc.corridor.trades import SendRules, own_custody
from cbdc.money import tenge
from cbdc.token import CUSTODIAN, EXCHANGE, MERCHANT, PERSON, TREASURY_ACCOUNT, KeyLock, Token
from cbdc.transaction import Transfer, sign_transaction
from cbdc.treasury import Voucher
from tests.cbdc.corridor.scene import COIN, DOLLAR, PLAN, Scene, agreed, code, reference, with_rules
from tests.cbdc.institutions import ident, key


def test_a_round_trip_and_every_book_agrees() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    before = scene.system.banks[1].deposit_tiyn(ident("ayan"))
    scene.fund("ayan", ayan, tenge(200_000))
    bought = scene.one.buy(ident("b"), ayan, COIN, tenge(100_000))
    assert bought.units == tenge(100_000) * 10_000 // 1_010_000
    assert scene.one.position(ayan, COIN) == bought.units
    sold = scene.one.sell(ident("s"), ayan, COIN, tenge(50_000))
    assert sold.units == -(-tenge(50_000) * 10_000 // 990_000)
    assert scene.one.owed_tiyn(ayan) == tenge(150_000)
    scene.one.withdraw(ident("w"), ayan, tenge(150_000))
    assert scene.one.owed_tiyn(ayan) == 0
    assert scene.system.banks[1].deposit_tiyn(ident("ayan")) == before + tenge(150_000)
    agreed(scene)


def test_the_same_order_again_is_the_same_order() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    payment = scene.payment("ayan", scene.one, ayan, tenge(100_000))
    assert scene.one.fund(ayan, payment) == scene.one.fund(ayan, payment)
    assert scene.one.buy(ident("b"), ayan, COIN, 10_000) == scene.one.buy(ident("b"), ayan, COIN, 10_000)
    assert scene.one.withdraw(ident("w"), ayan, 5_000) == scene.one.withdraw(ident("w"), ayan, 5_000)
    assert code(lambda: scene.one.buy(ident("b"), ayan, COIN, 10_001)) == "E_ID_REUSED"
    assert code(lambda: scene.one.withdraw(ident("b"), ayan, 10_000)) == "E_ID_REUSED"
    assert scene.one.owed_tiyn(ayan) == tenge(100_000) - 15_000
    agreed(scene)


# --- who may ---


def test_without_a_licence_in_force_nothing_goes() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    payment = scene.payment("ayan", scene.one, ayan, tenge(100_000))
    scene.corridor.register.move(ident("stop"), scene.one.kid, EXCHANGE_ACTIVITY, SUSPENDED)
    assert code(lambda: scene.one.fund(ayan, payment)) == "E_CORRIDOR_LICENCE"
    assert code(lambda: scene.one.buy(ident("b"), ayan, COIN, 1_000)) == "E_CORRIDOR_LICENCE"
    opening = code(lambda: scene.one.open_client(ident("x"), "x", "1", bank_id=1, customer=ident("ayan")))
    assert opening == "E_CORRIDOR_LICENCE"
    assert Scene(system=scene.system).one.name == "Alatau"  # opened again, its accounts are still there
    scene.corridor.register.silent = True
    assert code(lambda: scene.two.buy(ident("b"), ayan, COIN, 1_000)) == "E_CORRIDOR_LICENCE_SILENT"
    assert scene.system.ledger.owned(scene.one.till_kid(ayan)) != []  # its capital, and nothing more
    agreed(scene)


def test_a_bank_ends_the_relation_with_a_risky_provider() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    payment = scene.payment("ayan", scene.one, ayan, tenge(100_000))
    desk = scene.corridor.desks[1]
    desk.rate(scene.one.kid, HIGH_RISK)
    assert code(lambda: scene.one.fund(ayan, payment)) == "E_PROVIDER_RISK"
    desk.rate(scene.one.kid, LOW_RISK)
    scene.one.fund(ayan, payment)


def test_both_sides_must_mean_the_same_person() -> None:
    def opening(scene: Scene, customer: str, name: str = "ayan") -> Callable[[], object]:
        number = reference(name)
        return lambda: scene.one.open_client(
            ident("client"), name, number, bank_id=1, customer=ident(customer)
        )

    scene = Scene()
    scene.holder("ayan")
    scene.holder("dina-long")
    assert code(opening(scene, "dina-long")) == "E_PERSON_MATCH"
    assert code(opening(scene, "nobody")) == "E_CUSTOMER_UNKNOWN"
    assert scene.one.clients.all() == []
    assert opening(scene, "ayan")() == opening(scene, "ayan")()
    assert code(opening(scene, "dina-long", "dina-long")) == "E_ID_REUSED"
    assert code(lambda: scene.one.buy(ident("b"), ident("?"), COIN, 1_000)) == "E_CLIENT_UNKNOWN"
    desk, link = scene.corridor.desks[1], scene.one.clients.get(ident("client")).link
    assert code(lambda: scene.corridor.desks[2].find(link, scene.one.kid)) == "E_CORRIDOR_LINK"
    assert code(lambda: desk.find(link, scene.two.kid)) == "E_CORRIDOR_LINK"
    assert not desk.owns(desk.find(link, scene.one.kid), key("nobody").public.kid)
    repeated = match_code(b"any", "any")
    assert code(lambda: desk.link(link, scene.one.kid, ident("dina-long"), repeated)) == "E_ID_REUSED"
    unmatched = Scene(replace(PLAN, identify=False))
    unmatched.holder("dina-long")
    opening(unmatched, "dina-long")()


# --- money in ---


def test_money_from_a_strangers_key_is_refused() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    scene.holder("dina-long")
    payment = scene.payment("dina-long", scene.one, ayan, tenge(1_000))
    assert code(lambda: scene.one.fund(ayan, payment)) == "E_OWN_ACCOUNT"
    loose = with_rules(own_account=False)
    client = loose.client("ayan")
    loose.holder("dina-long")
    loose.one.fund(client, loose.payment("dina-long", loose.one, client, tenge(1_000)))
    agreed(scene)


def test_only_a_fresh_transfer_to_the_till_is_taken() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    elsewhere = scene.purse("ayan").pay(ident("e"), [Token(100, KeyLock(key("ayan").public.kid))])
    assert code(lambda: scene.one.fund(ayan, elsewhere)) == "E_CORRIDOR_TRANSFER"
    payment = scene.payment("ayan", scene.one, ayan, 500)
    scene.system.ledger.submit(payment)
    assert code(lambda: scene.one.fund(ayan, payment)) == "E_CORRIDOR_TRANSFER"
    assert scene.one.owed_tiyn(ayan) == 0
    found = reconcile(scene.one, scene.corridor.receivers).differences
    assert [(row.place, row.expected - row.found) for row in found] == [("digital tenge on the ledger", 500)]


def test_marked_money_never_enters_even_where_its_mark_would_let_it() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    treasury, system, now = scene.system.treasury, scene.system, scene.clock.now()
    system.national_bank.endow(ident("budget"), 0, tenge(10_000))
    treasury.order_tokens(ident("tokens"), tenge(10_000))
    edges = ((TREASURY_ACCOUNT, (PERSON,)), (PERSON, (EXCHANGE, CUSTODIAN)))
    mark = treasury.define("careless", 9, edges, now, now + 86_400)
    holder, till = key("ayan"), scene.one.till_kid(ayan)
    treasury.distribute(ident("give"), mark, [Voucher(holder.public.kid, tenge(10_000))])
    marked = [(id, token) for id, token in system.ledger.owned(holder.public.kid) if token.mark]
    ((identity, token),) = marked
    paid = Token(token.amount_tiyn, KeyLock(till), mark.oid)
    data = sign_transaction(Transfer(bytes(16), (identity,), (paid,)), system.network, [holder]).encode()
    assert code(lambda: scene.one.fund(ayan, data)) == "E_CORRIDOR_MARKED"
    system.ledger.submit(data)  # the ledger would take it: the mark says so
    assert scene.one.owed_tiyn(ayan) == 0
    assert scene.one.cash.tills[1].available_tiyn() == tenge(2_000_000)
    found = reconcile(scene.one, scene.corridor.receivers).differences
    assert [row.place for row in found] == ["digital tenge on the ledger"]


def test_what_the_ledger_refuses_gives_the_cap_back() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    payment = scene.payment("ayan", scene.one, ayan, tenge(100_000))
    pseudonym = scene.system.banks[1].customers.get(ident("ayan")).pseudonym
    scene.system.enforcement.freeze(ident("f"), pseudonym, "order 1")
    assert code(lambda: scene.one.fund(ayan, payment)) == "E_FROZEN"
    agreed(scene)
    scene.system.enforcement.unfreeze(ident("u"), pseudonym, "order 2")
    scene.one.fund(ayan, payment)
    assert scene.one.owed_tiyn(ayan) == tenge(100_000)
    agreed(scene)


# --- the cap ---


def test_the_cap_is_shared_by_all_providers_to_the_last_cent() -> None:
    scene = Scene()
    one, two = scene.client("ayan"), scene.client("ayan", scene.two)
    scene.fund("ayan", one, 600 * DOLLAR)
    assert code(lambda: scene.fund("ayan", two, 400 * DOLLAR + 1, scene.two)) == "E_MONTH_CAP"
    scene.fund("ayan", two, 400 * DOLLAR, scene.two)
    assert code(lambda: scene.fund("ayan", one, 1)) == "E_MONTH_CAP"
    scene.clock.advance(31 * 86_400)
    scene.fund("ayan", one, 1_000 * DOLLAR - 1)
    agreed(scene)


@pytest.mark.parametrize(
    ("resident", "tested", "cents", "taken"),
    [(True, False, 100_001, False), (True, True, 100_001, True), (False, False, 100_001, True)],
)
def test_who_is_capped(resident: bool, tested: bool, cents: int, taken: bool) -> None:
    scene = Scene()
    client = scene.client("ayan", resident=resident)
    if tested:
        scene.one.clients.note_test(client)
    tiyn = cents * DOLLAR // 100
    if taken:
        scene.fund("ayan", client, tiyn)
    else:
        assert code(lambda: scene.fund("ayan", client, tiyn)) == "E_MONTH_CAP"


def test_a_silent_counter_lets_nothing_in_and_the_order_goes_on_later() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    payment = scene.payment("ayan", scene.one, ayan, 10 * DOLLAR)
    scene.corridor.counter.silent = True
    assert code(lambda: scene.one.fund(ayan, payment)) == "E_MONTH_CAP_SILENT"
    assert scene.one.owed_tiyn(ayan) == 0
    assert [error.code for _, error in scene.one.desk.resume()] == ["E_MONTH_CAP_SILENT"]
    scene.corridor.counter.silent = False
    assert scene.one.desk.resume() == []
    assert scene.one.owed_tiyn(ayan) == 10 * DOLLAR
    agreed(scene)
    assert measure(scene.corridor.log.all()).resilience["unanswered"] == 1


def test_without_the_cap_rule_nothing_is_counted() -> None:
    scene = with_rules(cap=None)
    scene.fund("ayan", scene.client("ayan"), 1_500 * DOLLAR)
    agreed(scene)
    assert CapRule(100_000, 500_000, 7).limit(True, True) == 500_000


# --- money out ---


def test_money_goes_to_the_clients_own_account_only() -> None:
    scene = Scene()
    ayan, dina = scene.client("ayan"), scene.client("dina-long")
    scene.fund("ayan", ayan, tenge(10_000))
    link = scene.one.clients.get(dina).link
    assert code(lambda: scene.one.withdraw(ident("w"), ayan, tenge(1_000), link)) == "E_OWN_ACCOUNT"
    assert code(lambda: scene.one.withdraw(ident("w2"), ayan, tenge(10_001))) == "E_FUNDS_ACCOUNT"
    loose = with_rules(own_account=False)
    ayan, dina = loose.client("ayan"), loose.client("dina-long")
    loose.fund("ayan", ayan, tenge(10_000))
    before = loose.system.banks[1].deposit_tiyn(ident("dina-long"))
    loose.one.withdraw(ident("w"), ayan, tenge(1_000), loose.one.clients.get(dina).link)
    assert loose.system.banks[1].deposit_tiyn(ident("dina-long")) == before + tenge(1_000)
    agreed(scene)
    agreed(loose)


def test_a_payout_that_the_till_cannot_cover_gives_the_money_back() -> None:
    scene = Scene()
    ayan = scene.client("ayan", bank_id=2)
    scene.fund("ayan", ayan, tenge(10_000))
    till = key("exchange/Alatau/till/2")
    tokens = scene.system.ledger.owned(till.public.kid)
    total = sum(token.amount_tiyn for _, token in tokens)
    inputs = tuple(identity for identity, _ in tokens)
    other = Token(total, KeyLock(key("exchange/Alatau/till/1").public.kid))
    moved = sign_transaction(Transfer(bytes(16), inputs, (other,)), scene.system.network, [till])
    scene.system.ledger.submit(moved.encode())
    assert code(lambda: scene.one.withdraw(ident("w"), ayan, tenge(1_000))) == "E_FUNDS"
    assert scene.one.owed_tiyn(ayan) == tenge(10_000)
    agreed(scene)
    back = scene.system.ledger.owned(key("exchange/Alatau/till/1").public.kid)[-1]
    assert back


# --- trading ---


def test_what_cannot_be_traded_is_refused_and_changes_nothing() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    scene.fund("ayan", ayan, tenge(10_000))
    assert code(lambda: scene.one.buy(ident("1"), ayan, "dust", 1_000)) == "E_ASSET_UNKNOWN"
    assert code(lambda: scene.one.buy(ident("2"), ayan, COIN, 100)) == "E_ORDER_SMALL"
    assert code(lambda: scene.one.buy(ident("3"), ayan, COIN, tenge(10_001))) == "E_FUNDS_ACCOUNT"
    assert code(lambda: scene.one.sell(ident("4"), ayan, COIN, 1_000)) == "E_UNITS"
    assert code(lambda: scene.one.sell(ident("5"), ayan, COIN, tenge(4_000_001))) == "E_DEALER_FUNDS"
    assert code(lambda: scene.one.buy(ident("6"), ayan, COIN, 0)) == "E_MONEY_RANGE"
    assert scene.one.owed_tiyn(ayan) == tenge(10_000)
    agreed(scene)


def test_a_dealer_without_units_gives_the_money_back_and_may_be_asked_again() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    scene.fund("ayan", ayan, tenge(10_000))
    custody = scene.one.dealer.listing(COIN).custody
    own = custody.balance(own_custody("Alatau"))
    custody.burn(ident("away"), own_custody("Alatau"), own)
    assert code(lambda: scene.one.buy(ident("b"), ayan, COIN, 1_000)) == "E_UNITS"
    assert scene.one.owed_tiyn(ayan) == tenge(10_000)
    custody.mint(ident("back"), own_custody("Alatau"), own)
    assert scene.one.buy(ident("b"), ayan, COIN, 1_000).attempt == 2
    assert scene.one.owed_tiyn(ayan) == tenge(10_000) - 1_000


# --- sending, and paying in crypto ---


def test_units_go_to_another_providers_client_with_travel_facts() -> None:
    scene = Scene()
    ayan, dina = scene.client("ayan"), scene.client("dina-long", scene.two)
    scene.fund("ayan", ayan, 900 * DOLLAR)
    scene.one.buy(ident("b"), ayan, COIN, 800 * DOLLAR)
    order = scene.one.send(ident("s"), ayan, COIN, 1_000, "Sayram", dina)
    assert (order.tiyn, scene.two.position(dina, COIN)) == (100_000, 1_000)
    assert scene.one.send(ident("s"), ayan, COIN, 1_000, "Sayram", dina) == order
    assert code(lambda: scene.one.send(ident("t"), ayan, COIN, 10**9, "Sayram", dina)) == "E_UNITS"
    assert code(lambda: scene.one.send(ident("u"), ayan, COIN, 1, "Nowhere", dina)) == "E_PROVIDER_UNKNOWN"
    agreed(scene)


def test_nothing_is_sent_to_a_provider_without_a_licence() -> None:
    scene = Scene()
    ayan, dina = scene.client("ayan"), scene.client("dina-long", scene.two)
    scene.fund("ayan", ayan, 100 * DOLLAR)
    scene.one.buy(ident("b"), ayan, COIN, 50 * DOLLAR)
    scene.corridor.register.move(ident("stop"), scene.two.kid, EXCHANGE_ACTIVITY, SUSPENDED)
    assert code(lambda: scene.one.send(ident("s"), ayan, COIN, 10, "Sayram", dina)) == "E_CORRIDOR_LICENCE"
    assert scene.two.position(dina, COIN) == 0
    agreed(scene)


def test_from_a_thousand_dollars_the_full_facts_travel() -> None:
    scene = Scene()
    ayan, dina = scene.client("ayan", address=""), scene.client("dina-long", scene.two)
    scene.one.clients.note_test(ayan)
    scene.fund("ayan", ayan, 1_500 * DOLLAR)
    scene.one.buy(ident("b"), ayan, COIN, 1_400 * DOLLAR)
    below = 99_999 * DOLLAR // 10_000  # the most units that count as less than 100,000 cents
    assert code(lambda: scene.one.send(ident("s"), ayan, COIN, below + 1, "Sayram", dina)) == "E_TRAVEL_RULE"
    scene.one.send(ident("s2"), ayan, COIN, below, "Sayram", dina)
    agreed(scene)


def test_a_shop_cannot_be_paid_in_crypto_anywhere() -> None:
    scene = Scene()
    ayan, shop = scene.client("ayan"), scene.client("a-corner-shop", scene.two, category=MERCHANT)
    scene.fund("ayan", ayan, 500 * DOLLAR)
    scene.one.buy(ident("b"), ayan, COIN, 100 * DOLLAR)
    assert code(lambda: scene.one.send(ident("s"), ayan, COIN, 10, "Sayram", shop)) == "E_CRYPTO_PAYMENT"
    for rules in (SendRules(payments=False), SendRules(allowed=frozenset({shop}))):
        zone = with_rules(send=rules)
        ayan, shop = zone.client("ayan"), zone.client("a-corner-shop", zone.two, category=MERCHANT)
        zone.fund("ayan", ayan, 500 * DOLLAR)
        zone.one.buy(ident("b"), ayan, COIN, 100 * DOLLAR)
        zone.one.send(ident("s"), ayan, COIN, 10, "Sayram", shop)
