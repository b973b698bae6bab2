"""Gold against digital tenge: both or neither, in every order of failure."""

import itertools
from collections.abc import Callable

import pytest

from cbdc.corridor.delivery import (
    AGREED,
    ASSET_LOCKED,
    DELIVERED,
    MONEY_LOCKED,
    PAID,
    ROLLED_BACK,
    DeliveryRules,
)
from cbdc.corridor.records import CUSTODY_ACTIVITY, SUSPENDED
from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.token import HashLock, KeyLock, Token
from cbdc.transaction import Transfer, sign_transaction
from tests.cbdc.corridor.coins import BAR_MG, GOLD, SECRET, Flaky, GoldScene
from tests.cbdc.corridor.scene import code
from tests.cbdc.institutions import check_books, ident, key, make_system, stock
from tests.sizes import some

DEAL = ident("deal")
PRICE = tenge(350_000)
UNITS = 5_000


def swapped(
    before: tuple[int, int, int, int], units: int = UNITS, tiyn: int = PRICE
) -> tuple[int, int, int, int]:
    """What everybody holds after the deal."""
    return before[0] + tiyn, before[1] - units, before[2] - tiyn, before[3] + units


def test_gold_for_tenge_step_by_step() -> None:
    scene = GoldScene()
    before = scene.holdings()
    terms = scene.desk.agree(DEAL, scene.terms())
    assert scene.desk.state(DEAL) == AGREED
    scene.desk.lock_asset(DEAL)
    scene.desk.lock_asset(DEAL)
    assert scene.desk.state(DEAL) == ASSET_LOCKED
    token = scene.desk.lock_money(DEAL, scene.payment(terms))
    assert scene.desk.lock_money(DEAL, scene.payment(terms)) == token == scene.desk.money(DEAL)
    assert scene.desk.state(DEAL) == MONEY_LOCKED
    assert code(lambda: scene.desk.deliver(DEAL)) == "E_NOT_PAID"
    scene.claim(DEAL)
    assert scene.desk.state(DEAL) == PAID
    assert scene.desk.settle(DEAL) == DELIVERED
    scene.desk.deliver(DEAL)
    assert scene.holdings() == swapped(before)
    assert scene.issuer.units.differences() == []
    assert scene.desk.agree(DEAL, terms) == terms
    assert code(lambda: scene.desk.agree(DEAL, terms._replace(units=1))) == "E_ID_REUSED"
    check_books(scene.system)


# --- what may be agreed ---


def test_a_fake_asset_and_an_unlicensed_custodian_are_refused() -> None:
    scene = GoldScene()
    scene.fake.mint(ident("fake"), scene.seller.public.kid.hex(), 10_000)
    fake = scene.terms(asset="fools gold")
    assert code(lambda: scene.desk.agree(DEAL, fake)) == "E_ASSET_FAKE"
    assert code(lambda: scene.desk.agree(DEAL, scene.terms(asset="air"))) == "E_ASSET_FAKE"
    scene.corridor.register.move(ident("stop"), key("custodian").public.kid, CUSTODY_ACTIVITY, SUSPENDED)
    assert code(lambda: scene.desk.agree(DEAL, scene.terms())) == "E_CORRIDOR_LICENCE"
    assert code(lambda: scene.desk.state(DEAL)) == "E_DEAL_UNKNOWN"
    loose = GoldScene(DeliveryRules(known=False))
    loose.fake.mint(ident("fake"), loose.seller.public.kid.hex(), 10_000)
    loose.desk.agree(DEAL, fake)
    assert code(lambda: loose.desk.agree(ident("2"), loose.terms(asset="air"))) == "E_ASSET_FAKE"


def test_the_same_gold_is_not_promised_twice() -> None:
    scene = GoldScene()
    scene.desk.agree(DEAL, scene.terms(units=6_000))
    assert code(lambda: scene.desk.agree(ident("2"), scene.terms(units=4_001))) == "E_DOUBLE_SALE"
    scene.desk.agree(ident("2"), scene.terms(units=4_000))
    scene.desk.lock_asset(DEAL)
    assert code(lambda: scene.desk.agree(ident("3"), scene.terms(units=1))) == "E_DOUBLE_SALE"
    loose = GoldScene(DeliveryRules(single_sale=False))
    loose.desk.agree(DEAL, loose.terms(units=6_000))
    loose.desk.agree(ident("2"), loose.terms(units=6_000))
    loose.desk.lock_asset(DEAL)
    assert code(lambda: loose.desk.lock_asset(ident("2"))) == "E_UNITS"


def test_the_deadlines_leave_time_to_deliver() -> None:
    scene = GoldScene()
    now = scene.clock.now()
    close = scene.terms(money_deadline=now + 3_600, asset_deadline=now + 7_199)
    assert code(lambda: scene.desk.agree(DEAL, close)) == "E_DEADLINES"
    past = scene.terms(money_deadline=now, asset_deadline=now + 9_000)
    assert code(lambda: scene.desk.agree(DEAL, past)) == "E_DEADLINES"
    GoldScene(DeliveryRules(gap_seconds=0)).desk.agree(DEAL, close)


# --- what may be locked and claimed ---


def test_money_is_locked_only_as_agreed_and_after_the_gold() -> None:
    scene = GoldScene()
    terms = scene.desk.agree(DEAL, scene.terms())
    good = scene.payment(terms)
    assert code(lambda: scene.desk.lock_money(DEAL, good)) == "E_DELIVERY_ORDER"
    scene.desk.lock_asset(DEAL)
    for wrong in (terms._replace(tiyn=PRICE - 1), terms._replace(hash=ident("other"))):
        data = scene.purse("buyer").pay(ident(f"wrong {wrong.tiyn} {wrong.hash.hex()}"), [wrong.payment])
        assert code(lambda data=data: scene.desk.lock_money(DEAL, data)) == "E_DELIVERY_TERMS"  # type: ignore[misc]
    (identity, token), *_ = scene.system.ledger.owned(scene.buyer.public.kid)
    marked = Token(token.amount_tiyn, terms.money_lock, bytes(32))
    data = sign_transaction(Transfer(bytes(16), (identity,), (marked,)), scene.system.network, [scene.buyer])
    assert code(lambda: scene.desk.lock_money(DEAL, data.encode())) == "E_CORRIDOR_MARKED"
    scene.desk.lock_money(DEAL, good)
    second = scene.purse("buyer").pay(ident("twice"), [terms.payment])
    assert code(lambda: scene.desk.lock_money(DEAL, second)) == "E_ID_REUSED"


def test_a_payment_that_can_never_be_accepted_is_replaced() -> None:
    scene = GoldScene()
    terms = scene.desk.agree(DEAL, scene.terms())
    scene.desk.lock_asset(DEAL)
    first = scene.payment(terms)
    purse = scene.purse("buyer")
    purse.send(purse.pay(ident("elsewhere"), [Token(1, KeyLock(scene.buyer.public.kid))]))
    assert code(lambda: scene.desk.lock_money(DEAL, first)) == "E_TOKEN_SPENT"
    assert scene.payment(terms) != first
    scene.desk.lock_money(DEAL, scene.payment(terms))
    assert scene.desk.state(DEAL) == MONEY_LOCKED


def test_a_wrong_or_late_secret_opens_nothing() -> None:
    scene = GoldScene()
    scene.desk.agree(DEAL, scene.terms())
    scene.desk.lock_asset(DEAL)
    scene.desk.lock_money(DEAL, scene.payment(scene.terms()))
    assert code(lambda: scene.claim(DEAL, ident("guess"))) == "E_LOCKED"
    scene.clock.advance(3_601)
    assert code(lambda: scene.claim(DEAL)) == "E_LOCKED"
    scene.money_back(DEAL)
    assert scene.desk.state(DEAL) == ASSET_LOCKED
    assert code(lambda: scene.desk.take_back(DEAL)) == "E_UNIT_REFUND_EARLY"
    assert code(lambda: scene.desk.deliver(DEAL)) == "E_NOT_PAID"
    scene.clock.advance(4 * 3_600)
    assert scene.desk.settle(DEAL) == ROLLED_BACK
    scene.desk.take_back(DEAL)
    assert code(lambda: scene.issuer.units.claim(ident("no lock"), SECRET)) == "E_UNIT_LOCK"


def test_a_delivery_after_the_deadline_is_late() -> None:
    for late_claims in (False, True):
        scene = GoldScene(late_claims=late_claims)
        scene.desk.agree(DEAL, scene.terms())
        scene.desk.lock_asset(DEAL)
        scene.desk.lock_money(DEAL, scene.payment(scene.terms()))
        scene.claim(DEAL)
        scene.clock.advance(4 * 3_600 + 1)
        assert scene.desk.settle(DEAL) == PAID
        if late_claims:
            scene.desk.deliver(DEAL)
        else:
            assert code(lambda s=scene: s.desk.deliver(DEAL)) == "E_UNIT_CLAIM_LATE"  # type: ignore[misc]


def test_a_frozen_seller_gets_nothing_and_both_go_back() -> None:
    scene = GoldScene()
    before = scene.holdings()
    scene.desk.agree(DEAL, scene.terms())
    scene.desk.lock_asset(DEAL)
    scene.desk.lock_money(DEAL, scene.payment(scene.terms()))
    pseudonym = scene.system.banks[1].customers.get(ident("seller-one")).pseudonym
    scene.system.enforcement.freeze(ident("f"), pseudonym, "order 1")
    assert code(lambda: scene.claim(DEAL)) == "E_FROZEN"
    scene.clock.advance(5 * 3_600)
    scene.money_back(DEAL)
    assert scene.desk.settle(DEAL) == ROLLED_BACK
    assert scene.holdings() == before


def test_the_gold_goes_back_though_the_buyer_has_not_fetched_the_money() -> None:
    scene = GoldScene()
    before = scene.holdings()
    scene.desk.agree(DEAL, scene.terms())
    scene.desk.lock_asset(DEAL)
    scene.desk.lock_money(DEAL, scene.payment(scene.terms()))
    scene.clock.advance(4 * 3_600)
    assert scene.desk.settle(DEAL) == MONEY_LOCKED
    scene.clock.advance(1)
    assert scene.desk.settle(DEAL) == ROLLED_BACK
    scene.money_back(DEAL)
    assert scene.holdings() == before


# --- gold itself ---


def test_tokens_are_never_more_than_the_custodian_signed_for() -> None:
    scene = GoldScene()
    holder = scene.seller.public.kid.hex()
    assert code(lambda: scene.issuer.issue(ident("more"), holder, BAR_MG)) == "E_GOLD_UNBACKED"
    assert code(lambda: scene.issuer.publish(scene.statement(2, 9_999))) == "E_GOLD_UNBACKED"
    assert code(lambda: scene.issuer.publish(scene.statement(2, BAR_MG, key("thief")))) == "E_SIG"
    scene.issuer.publish(scene.statement(2, 2 * BAR_MG))
    scene.issuer.publish(scene.statement(2, 2 * BAR_MG))
    assert code(lambda: scene.issuer.publish(scene.statement(1, BAR_MG))) == "E_GOLD_STATEMENT"
    assert code(lambda: scene.issuer.publish(scene.statement(2, BAR_MG))) == "E_GOLD_STATEMENT"
    scene.issuer.issue(ident("more"), holder, BAR_MG)
    scene.issuer.issue(ident("more"), holder, BAR_MG)
    scene.issuer.retire(ident("out"), holder, 10)
    assert scene.issuer.units.supply() == 10_000 + BAR_MG - 10
    assert scene.issuer.uncovered_mg() == 0
    bare = GoldScene(licensed=False)
    assert code(lambda: bare.issuer.issue(ident("x"), holder, 1)) == "E_CORRIDOR_LICENCE_UNKNOWN"
    assert bare.issuer.uncovered_mg() == 0
    assert scene.issuer.asset == GOLD


# --- every order of failure ---

MOVES = ("lock asset", "lock money", "claim", "deliver", "money back", "asset back")


def attempt(scene: GoldScene, move: str) -> None:
    """One party's move; what is refused is refused."""
    terms = scene.terms()
    calls: dict[str, Callable[[], object]] = {
        "lock asset": lambda: scene.desk.lock_asset(DEAL),
        "lock money": lambda: scene.desk.lock_money(DEAL, scene.payment(terms)),
        "claim": lambda: scene.claim(DEAL),
        "deliver": lambda: scene.desk.deliver(DEAL),
        "money back": lambda: scene.money_back(DEAL),
        "asset back": lambda: scene.desk.take_back(DEAL),
    }
    try:
        if move in ("claim", "money back") and scene.desk.money(DEAL) is None:
            return
        calls[move]()
    except TengeError:
        return


@pytest.mark.slow
@pytest.mark.parametrize("first", MOVES)
def test_whoever_moves_in_whatever_order_it_is_both_or_neither(first: str) -> None:
    """The 720 orders of the moves, the time running between them; then everybody does what is left to do."""
    rest = [move for move in MOVES if move != first]
    for order in some(list(itertools.permutations(rest)), 3, begin=MOVES.index(first)):
        scene = GoldScene()
        before = scene.holdings()
        scene.desk.agree(DEAL, scene.terms())
        for place, move in enumerate((first, *order)):
            if place in (2, 4):
                scene.clock.advance(2 * 3_600)
            attempt(scene, move)
            scene.desk.settle(DEAL)
        scene.clock.advance(3 * 3_600)
        for move in MOVES[3:]:
            attempt(scene, move)
        scene.desk.settle(DEAL)
        assert scene.holdings() in (before, swapped(before)), (first, *order)
        assert scene.issuer.units.differences() == []


@pytest.mark.parametrize("stop", range(5))
@pytest.mark.parametrize("wait", [0, 3_601, 3 * 3_600 + 1, 4 * 3_600 + 1])
def test_whoever_stops_and_however_long_it_is_both_or_neither(stop: int, wait: int) -> None:
    """The parties stop after so many moves, time passes; then the watch settles and each takes back what is his."""
    scene = GoldScene()
    before = scene.holdings()
    scene.desk.agree(DEAL, scene.terms())
    for move in MOVES[:stop]:
        attempt(scene, move)
    scene.desk.settle(DEAL)
    scene.clock.advance(wait)
    scene.desk.settle(DEAL)
    scene.clock.advance(5 * 3_600)
    for move in ("money back", "asset back", "deliver"):
        attempt(scene, move)
    expected = swapped(before) if stop >= 3 else before
    assert scene.holdings() == expected


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 4))
def test_an_answer_that_is_lost_moves_nothing_twice(number: int, after: bool) -> None:
    scene = GoldScene()
    before = scene.holdings()
    scene.desk._ledger = Flaky(scene.system.ledger, {"submit", "find"}, number, after)  # type: ignore[assignment]
    for _ in range(4):
        try:
            whole_way(scene)
        except TengeError:
            continue
        break
    assert scene.holdings() == swapped(before)


def whole_way(scene: GoldScene) -> None:
    """The whole deal, every step of which may be repeated."""
    scene.desk.agree(DEAL, scene.terms())
    scene.desk.lock_asset(DEAL)
    scene.desk.lock_money(DEAL, scene.payment(scene.terms()))
    if scene.desk.state(DEAL) == MONEY_LOCKED:
        scene.claim(DEAL)
    scene.desk.deliver(DEAL)


class Death(BaseException):
    """The power went."""


@pytest.mark.slow
def test_death_at_any_write_point_leaves_before_or_after() -> None:
    point, died = 0, True
    while died:
        point += 1
        left = [0]

        def checkpoint(name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Death

        system = make_system(checkpoint=checkpoint)
        stock(system, 1, tenge(20_000_000))
        scene = GoldScene(system=system)
        before = scene.holdings()
        left[0], died = point, False
        try:
            whole_way(scene)
        except Death:
            died = True
        left[0] = 0
        again = GoldScene(system=system)
        whole_way(again)
        assert again.holdings() == swapped(before), point
    assert point > 10


def test_the_terms_are_the_lock() -> None:
    terms = GoldScene().terms()
    assert terms.payment == Token(
        terms.tiyn, HashLock(terms.hash, terms.seller, terms.buyer, terms.money_deadline)
    )
