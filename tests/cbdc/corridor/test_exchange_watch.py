"""Exchanges: suspicious orders and their officers, reconciliation that finds what is planted, and the four measures."""

import pytest

from cbdc.accounts import Posting, credit, debit, deposit
from cbdc.corridor.measures import measure
from cbdc.corridor.orders import HELD
from cbdc.corridor.reconcile import reconcile
from cbdc.corridor.records import FREEZE_ACCOUNT, REFUSE, RELEASE, Verdict
from cbdc.corridor.screening import Screen
from cbdc.corridor.setup import sign_verdict
from cbdc.corridor.trades import client_custody, own_custody
from cbdc.errors import Unavailable
from cbdc.money import tenge
from cbdc.record import sign
from cbdc.token import KeyLock, Token
from tests.cbdc.corridor.scene import COIN, DOLLAR, Scene, agreed, code, with_rules
from tests.cbdc.institutions import ident, key

# --- suspicious orders ---

HOUR = 3_600
SCREENS = (
    Screen("structuring", "structuring", 86_400, 3, 100_000),
    Screen("velocity", "velocity", HOUR, 5),
    Screen("mismatch", "mismatch", 30 * 86_400),
)


def screened(declared: int = 10_000_000) -> tuple[Scene, bytes]:
    """A scene with screens, and a funded client."""
    scene = with_rules(screens=SCREENS, cap=None)
    ayan = scene.client("ayan", tiyn=tenge(4_000_000), declared_usd_cents=declared)
    scene.fund("ayan", ayan, 3_000 * DOLLAR)
    return scene, ayan


def hold(scene: Scene, ayan: bytes) -> bytes:
    """Three orders just below the threshold; the third is held."""
    for name in ("1", "2"):
        scene.one.buy(ident(name), ayan, COIN, 400 * DOLLAR)
    assert code(lambda: scene.one.buy(ident("3"), ayan, COIN, 400 * DOLLAR)) == "E_ORDER_HELD"
    return ident("3")


def test_a_held_order_moves_when_an_officer_releases_it() -> None:
    scene, ayan = screened()
    held = hold(scene, ayan)
    assert code(lambda: scene.one.buy(held, ayan, COIN, 400 * DOLLAR)) == "E_ORDER_HELD"
    assert scene.one.owed_tiyn(ayan) == 2_200 * DOLLAR
    stranger = sign_verdict(scene.corridor, "Alatau", held, RELEASE, "fine", key("stranger"))
    assert code(lambda: scene.one.review(stranger)) == "E_SIG"
    verdict = sign_verdict(scene.corridor, "Alatau", held, RELEASE, "explained by a contract")
    assert scene.one.review(verdict).units > 0
    assert scene.one.review(verdict).id == held
    assert scene.one.owed_tiyn(ayan) == 1_800 * DOLLAR
    assert scene.one.buy(held, ayan, COIN, 400 * DOLLAR).id == held
    again = sign_verdict(scene.corridor, "Alatau", held, REFUSE, "too late")
    assert code(lambda: scene.one.review(again)) == "E_ORDER_NOT_HELD"
    agreed(scene)


@pytest.mark.parametrize("verdict", [REFUSE, FREEZE_ACCOUNT])
def test_a_refused_order_stays_refused_and_an_account_may_be_frozen(verdict: int) -> None:
    scene, ayan = screened()
    held = hold(scene, ayan)
    scene.one.review(sign_verdict(scene.corridor, "Alatau", held, verdict, "no explanation"))
    assert code(lambda: scene.one.buy(held, ayan, COIN, 400 * DOLLAR)) == "E_ORDER_REFUSED"
    frozen = verdict == FREEZE_ACCOUNT
    scene.clock.advance(2 * 86_400)
    if frozen:
        assert code(lambda: scene.one.buy(ident("4"), ayan, COIN, 1_000)) == "E_CLIENT_FROZEN"
        dina = scene.client("dina-long", scene.two)
        assert code(lambda: scene.two.send(ident("5"), dina, COIN, 1, "Alatau", ayan)) == "E_CLIENT_FROZEN"
        link = scene.corridor.desks[1].find(scene.one.clients.get(ayan).link, scene.one.kid)
        scene.corridor.desks[1].ask_freeze(ident("fr"), link, scene.system.enforcement, "AFM 12/3")
        holder = scene.purse("ayan")
        paid = holder.pay(ident("x"), [Token(1, KeyLock(key("ayan").public.kid))])
        assert code(lambda: holder.send(paid)) == "E_FROZEN"
    else:
        scene.one.buy(ident("4"), ayan, COIN, 1_000)
    agreed(scene)


def test_a_released_order_may_still_be_refused_and_is_carried_on_by_resume() -> None:
    scene, ayan = screened()
    held = hold(scene, ayan)
    scene.one.withdraw(ident("w"), ayan, scene.one.owed_tiyn(ayan))
    verdict = sign_verdict(scene.corridor, "Alatau", held, RELEASE, "fine")
    assert code(lambda: scene.one.review(verdict)) == "E_FUNDS_ACCOUNT"
    assert scene.one.desk.resume() == []
    scene.fund("ayan", ayan, 500 * DOLLAR)
    assert scene.one.buy(held, ayan, COIN, 400 * DOLLAR).cleared
    agreed(scene)


def test_a_release_that_was_written_down_is_carried_on() -> None:
    scene, ayan = screened()
    held = hold(scene, ayan)
    scene.corridor.register.silent = True
    verdict = sign_verdict(scene.corridor, "Alatau", held, RELEASE, "fine")
    assert code(lambda: scene.one.review(verdict)) == "E_CORRIDOR_LICENCE_SILENT"
    assert [error.code for _, error in scene.one.desk.resume()] == ["E_CORRIDOR_LICENCE_SILENT"]
    scene.corridor.register.silent = False
    assert scene.one.desk.resume() == []
    assert scene.one.buy(held, ayan, COIN, 400 * DOLLAR).cleared
    named = Verdict(key("stranger").public.kid, held, RELEASE, "mine", scene.clock.now())
    own = sign(named, scene.system.network, scene.corridor.officer("Alatau")).encode()
    assert code(lambda: scene.one.review(own)) == "E_COMPLIANCE_OFFICER"
    agreed(scene)


def test_many_orders_in_an_hour_are_held_and_so_is_more_than_was_declared() -> None:
    scene, ayan = screened()
    for number in range(4):
        scene.one.buy(ident(str(number)), ayan, COIN, 1_000)
    assert code(lambda: scene.one.buy(ident("5"), ayan, COIN, 1_000)) == "E_ORDER_HELD"
    assert scene.one.desk.find(ident("5"))[1].refusal == "velocity"  # type: ignore[union-attr]
    scene.clock.advance(2 * HOUR)
    scene.one.buy(ident("6"), ayan, COIN, 1_000)
    modest, dina = screened(declared=50_000)
    modest.one.buy(ident("1"), dina, COIN, 500 * DOLLAR)
    assert code(lambda: modest.one.buy(ident("2"), dina, COIN, DOLLAR)) == "E_ORDER_HELD"
    assert [order.refusal for order in modest.one.desk.all(HELD)] == ["mismatch"]


# --- reconciliation finds what is planted ---


def test_planted_differences_are_found_where_they_are() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    scene.fund("ayan", ayan, tenge(100_000))
    scene.one.buy(ident("b"), ayan, COIN, tenge(50_000))
    scene.one.withdraw(ident("w"), ayan, tenge(10_000))
    agreed(scene)
    listing, accounts = scene.one.dealer.listing(COIN), scene.one.cash.accounts
    now = scene.clock.now()

    def places() -> set[str]:
        found = reconcile(scene.one, scene.corridor.receivers).differences
        return {row.place.split(" ", 1)[0] + " " + row.place.split(" ")[-1] for row in found}

    listing.positions.mint(ident("planted"), ayan.hex(), 5)
    assert places() == {f"{COIN}: positions"}
    listing.custody.transfer(ident("planted too"), own_custody("Alatau"), client_custody("Alatau"), 5)
    assert places() == {f"{COIN}: own"}
    books = scene.system.books
    extra = (debit(accounts.digital_tenge, 7), credit(accounts.client(ayan), 7))
    books.post(Posting(ident("extra"), now, "planted", extra))
    assert places() == {f"{COIN}: own", "digital ledger", f"owed {ayan.hex()[:8]}"}
    account = scene.corridor.desks[1].account_of(scene.one.kid)
    scene.system.banks[1].receive_deposit(ident("gift"), account, 11)
    assert "deposit 1" in places()
    assert books.balance(deposit(1, account)) == 11
    scene.corridor.counter.take(ident("ghost"), bytes(32), 24_000 * 12, 1, 0, "Alatau")
    assert "deposits cap" not in places()  # another month


def test_the_four_measures_count_what_happened() -> None:
    scene, ayan = screened()
    hold(scene, ayan)
    events = scene.corridor.log.all()
    measures = measure(events, differences=0)
    assert measures.volume["buy.orders"] == 2
    assert measures.volume["buy.tiyn"] == 800 * DOLLAR
    assert measures.volume["fund.tiyn"] == 3_000 * DOLLAR
    assert measures.behaviour == {
        "clients": 1,
        "orders_a_client": 3,
        "deposit_usd_cents_a_client": 300_000,
        "largest_client_basis_points": 10_000,
    }
    assert measures.compliance == {"held.structuring": 1, "orders": 4}
    assert measures.resilience["completed_late"] == 0


def test_an_unavailable_answer_is_no_verdict() -> None:
    scene = Scene()
    ayan = scene.client("ayan")
    scene.corridor.counter.silent = True
    with pytest.raises(Unavailable):
        scene.fund("ayan", ayan, 100)
