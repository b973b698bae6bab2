"""A backed coin: never more coins than locked money, redemption at par, and every fault of the way in and out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.corridor.chain import MintOrder
from cbdc.corridor.records import STABLECOIN_ACTIVITY, WITHDRAWN
from cbdc.corridor.stablecoin import StablecoinRules, quarter_of
from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.record import sign
from cbdc.token import KeyLock, Token
from cbdc.transaction import Transfer, sign_transaction
from tests.cbdc.corridor.coins import CONFIRMATIONS, RULES, CoinScene, Flaky
from tests.cbdc.corridor.scene import code
from tests.cbdc.institutions import check_books, ident, key

SUM = tenge(300_000)


def backed(scene: CoinScene) -> None:
    """Counted again from both sides, no coin is without money."""
    counted = scene.coin.audit()
    assert counted.shortfall_tiyn == 0
    assert counted.locked_tiyn == scene.coin.vault.available_tiyn()
    check_books(scene.system)


def test_wrap_and_redeem_at_par() -> None:
    scene = CoinScene()
    scene.holder("ayan")
    before = scene.held("ayan")
    wrapped = scene.wrap("ayan", SUM)
    assert (scene.chain.balance("ayan"), scene.held("ayan")) == (SUM, before - SUM)
    assert scene.coin.open_wraps() == 0
    assert scene.coin.wrap(scene.locking("ayan", SUM), "ayan") == wrapped
    assert scene.chain.supply() == SUM
    burn = scene.burn("ayan", SUM // 3)
    receipt = scene.coin.redeem(burn)
    assert scene.coin.redeem(burn) == receipt
    assert scene.held("ayan") == before - SUM + SUM // 3
    assert scene.coin.audit() == (SUM - SUM // 3, SUM - SUM // 3, 0)
    backed(scene)


def test_the_vault_is_no_ones_alone() -> None:
    scene = CoinScene()
    scene.wrap("ayan", SUM)
    (identity, _), *_ = scene.coin.vault.tokens()
    out = (Token(SUM, KeyLock(key("ayan").public.kid)),)
    alone = [key("custodian/KZT-w/vault/3")]
    signed = sign_transaction(Transfer(bytes(16), (identity,), out), scene.system.network, alone)
    assert code(lambda: scene.system.ledger.submit(signed.encode())) == "E_QUORUM"
    assert scene.system.ledger.supply().wallets_tiyn >= SUM


def test_more_than_is_locked_is_never_minted() -> None:
    scene = CoinScene()
    lock = scene.wrap("ayan", SUM)
    assert code(lambda: scene.coin.mint(lock, "thief", 1)) == "E_MINT_UNBACKED"
    assert code(lambda: scene.coin.mint(ident("no lock"), "thief", 1)) == "E_MINT_UNBACKED"
    assert code(lambda: scene.coin.mint(lock, "thief", 0)) == "E_MONEY_RANGE"
    scene.coin.mint(lock, "ayan", SUM)  # the same mint again is the same
    assert code(lambda: scene.coin.wrap(scene.locking("ayan", SUM), "thief")) == "E_ID_REUSED"
    backed(scene)
    loose = CoinScene(StablecoinRules(backed=False, confirmations=1))
    loose.coin.mint(ident("no lock"), "thief", 5)
    loose.chain.grow(ident("g"), 3)
    assert loose.coin.audit().shortfall_tiyn == 5


def test_the_contract_takes_only_the_issuers_word() -> None:
    scene = CoinScene()
    thief, network = key("thief"), scene.system.network
    forged = MintOrder(scene.coin.kid, ident("lock"), "thief", 5)
    assert code(lambda: scene.chain.mint(sign(forged, network, thief).encode())) == "E_SIG"
    issuer = key("stablecoin/KZT-w")
    named = MintOrder(thief.public.kid, ident("lock"), "thief", 5)
    assert code(lambda: scene.chain.mint(sign(named, network, issuer).encode())) == "E_MINT_AUTHORITY"


def test_only_free_money_into_the_vault_is_wrapped() -> None:
    scene = CoinScene()
    scene.holder("ayan")
    elsewhere = scene.purse("ayan").pay(ident("e"), [Token(5, KeyLock(key("ayan").public.kid))])
    assert code(lambda: scene.coin.wrap(elsewhere, "ayan")) == "E_WRAP_TRANSFER"
    (identity, token), *_ = scene.system.ledger.owned(key("ayan").public.kid)
    marked = Token(token.amount_tiyn, scene.coin.vault.lock, bytes(32))
    data = sign_transaction(Transfer(bytes(16), (identity,), (marked,)), scene.system.network, [key("ayan")])
    assert code(lambda: scene.coin.wrap(data.encode(), "ayan")) == "E_CORRIDOR_MARKED"
    assert scene.coin.open_wraps() == 0


def test_what_the_ledger_refuses_is_not_minted() -> None:
    scene = CoinScene()
    locking = scene.locking("ayan", SUM)
    other = scene.purse("ayan").pay(ident("other"), [Token(SUM, KeyLock(key("ayan").public.kid))])
    scene.system.ledger.submit(other)
    assert code(lambda: scene.coin.wrap(locking, "ayan")) == "E_TOKEN_SPENT"
    assert (scene.coin.open_wraps(), scene.chain.waiting_mints()) == (0, 0)
    # The holder's purse knows that its transfer can never be accepted, and makes another.
    scene.wrap("ayan", SUM)
    backed(scene)


def test_an_unlicensed_issuer_mints_nothing_and_still_redeems() -> None:
    scene = CoinScene()
    scene.wrap("ayan", SUM)
    burn = scene.burn("ayan", 100)
    scene.corridor.register.move(ident("end"), scene.coin.kid, STABLECOIN_ACTIVITY, WITHDRAWN)
    assert code(lambda: scene.coin.wrap(scene.locking("ayan", 5, "b"), "ayan")) == "E_CORRIDOR_LICENCE"
    assert code(lambda: scene.coin.mint(ident("x"), "ayan", 5)) == "E_CORRIDOR_LICENCE"
    scene.coin.redeem(burn)
    backed(scene)


# --- burns ---


def test_no_money_without_a_confirmed_burn_of_its_own() -> None:
    scene = CoinScene()
    scene.wrap("ayan", SUM)
    kid = key("ayan").public.kid
    assert code(lambda: scene.coin.redeem(ident("never"), kid, 5)) == "E_BURN_UNKNOWN"
    scene.chain.burn(ident("waits"), "ayan", 5, kid)
    assert code(lambda: scene.coin.redeem(ident("waits"))) == "E_BURN_UNCONFIRMED"
    scene.chain.grow(ident("some"), CONFIRMATIONS - 1)
    assert code(lambda: scene.coin.redeem(ident("waits"))) == "E_BURN_UNCONFIRMED"
    scene.chain.grow(ident("one more"), 1)
    scene.coin.redeem(ident("waits"))
    too_much = scene.burn("ayan", SUM, "too much")
    assert code(lambda: scene.coin.redeem(too_much)) == "E_BURN_UNKNOWN"  # the chain rejected it
    scene.chain.transfer(ident("sent"), "ayan", "dina", 7)
    assert code(lambda: scene.coin.redeem(ident("sent"))) == "E_BURN_UNKNOWN"
    backed(scene)


def test_without_the_rules_the_same_redemptions_are_paid_and_the_audit_sees_it() -> None:
    loose = CoinScene(StablecoinRules(burn=False, confirmations=1))
    loose.wrap("ayan", SUM)
    loose.coin.redeem(ident("never"), key("ayan").public.kid, 5)
    assert loose.coin.audit().shortfall_tiyn == 5
    hasty = CoinScene(StablecoinRules(confirmations=0))
    hasty.wrap("ayan", SUM)
    hasty.chain.burn(ident("waits"), "ayan", 5, key("ayan").public.kid)
    hasty.coin.redeem(ident("waits"))
    assert hasty.coin.audit().shortfall_tiyn == 5


def test_a_reorganisation_within_the_confirmations_costs_nothing() -> None:
    scene = CoinScene()
    scene.wrap("ayan", SUM)
    burn = scene.burn("ayan", 100, blocks=CONFIRMATIONS - 1)
    scene.chain.reorganise(ident("reorganise"), CONFIRMATIONS - 1, lose=True)
    assert code(lambda: scene.coin.redeem(burn)) == "E_BURN_UNKNOWN"
    assert scene.chain.balance("ayan") == SUM
    backed(scene)


def test_a_reorganisation_deeper_than_the_confirmations_is_seen_as_a_shortfall() -> None:
    scene = CoinScene()
    scene.wrap("ayan", SUM)
    scene.coin.redeem(scene.burn("ayan", 100, blocks=CONFIRMATIONS + 1))
    scene.chain.reorganise(ident("deep"), CONFIRMATIONS + 1, lose=True)
    assert scene.coin.audit().shortfall_tiyn == 100


@pytest.mark.parametrize("lose", [False, True])
def test_a_mint_that_a_reorganisation_took_back_is_ordered_again(lose: bool) -> None:
    scene = CoinScene()
    scene.coin.wrap(scene.locking("ayan", SUM), "ayan")
    scene.chain.grow(ident("1"), 2)
    assert scene.chain.balance("ayan") == SUM
    scene.chain.reorganise(ident("r"), 2, lose)
    assert scene.chain.supply() == 0
    scene.coin.resume()
    scene.chain.grow(ident("2"), CONFIRMATIONS + 2)
    scene.coin.resume()
    assert (scene.chain.supply(), scene.coin.open_wraps()) == (SUM, 0)
    backed(scene)


def test_a_silent_chain_leaves_the_wrap_open_and_the_money_locked() -> None:
    scene = CoinScene()
    scene.chain.set_silent(True)
    assert code(lambda: scene.coin.wrap(scene.locking("ayan", SUM), "ayan")) == "E_CHAIN_SILENT"
    assert scene.coin.vault.available_tiyn() == SUM
    assert [error.code for _, error in scene.coin.resume()] == ["E_CHAIN_SILENT"]
    assert code(scene.coin.audit) == "E_CHAIN_SILENT"
    scene.chain.set_silent(False)
    assert scene.coin.resume() == []
    scene.chain.grow(ident("g"), CONFIRMATIONS + 1)
    assert scene.coin.resume() == []
    assert scene.chain.balance("ayan") == SUM
    backed(scene)


def test_the_chain_does_what_it_did_once() -> None:
    scene = CoinScene()
    assert (scene.chain.grow(ident("g"), 3), scene.chain.grow(ident("g"), 3)) == (3, 3)
    assert (scene.chain.reorganise(ident("r"), 1), scene.chain.reorganise(ident("r"), 1)) == (2, 2)
    scene.chain.transfer(ident("t"), "a", "b", 1)
    scene.chain.transfer(ident("t"), "a", "b", 1)
    assert code(lambda: scene.chain.transfer(ident("t"), "a", "b", 2)) == "E_ID_REUSED"
    assert scene.chain.confirmations(ident("t")) == 0
    scene.chain.grow(ident("h"), 2)
    assert scene.chain.find(ident("t")).failed  # type: ignore[union-attr]


# --- disclosure ---


def test_an_overdue_disclosure_stops_mints_and_not_redemptions() -> None:
    scene = CoinScene()
    scene.wrap("ayan", SUM)
    burn = scene.burn("ayan", 100)
    first = quarter_of(scene.clock.now())
    scene.clock.advance(130 * 86_400)
    assert code(lambda: scene.coin.wrap(scene.locking("ayan", 5, "b"), "ayan")) == "E_DISCLOSURE_LATE"
    scene.coin.redeem(burn)
    disclosed = scene.coin.disclose(first)
    assert disclosed.encode() == scene.coin.disclose(first).encode()
    disclosed.verify(key("stablecoin/KZT-w").public)
    record = disclosed.record
    assert (record.locked_tiyn, record.wrapped_tiyn) == (SUM - 100, SUM - 100)
    assert (record.quarter, record.minted_tiyn, record.burned_tiyn) == (first, SUM, 0)
    assert scene.coin.disclose(first + 100).record.quarter == first + 1
    scene.coin.wrap(scene.locking("ayan", 5, "b"), "ayan")
    backed(scene)
    loose = CoinScene(StablecoinRules(confirmations=1, disclosure_days=None))
    loose.wrap("ayan", SUM)
    loose.clock.advance(300 * 86_400)
    loose.coin.wrap(loose.locking("ayan", 5, "b"), "ayan")


@pytest.mark.parametrize(
    ("day", "quarter"),
    [((2026, 1, 1), 20261), ((2026, 3, 31), 20261), ((2026, 4, 1), 20262), ((2026, 12, 31), 20264)],
)
def test_quarters(day: tuple[int, int, int], quarter: int) -> None:
    noon = datetime(*day, 12, tzinfo=UTC)
    assert quarter_of(int(noon.timestamp())) == quarter


# --- every fault of the way in and out ---

STEPS = ("wrap", "grow", "burn", "redeem")


def whole_way(scene: CoinScene) -> None:
    """Wrap, confirm, burn, redeem: each step as often as it takes."""
    for _ in range(6):
        try:
            scene.coin.wrap(scene.locking("ayan", SUM), "ayan")
            scene.chain.grow(ident("grow"), CONFIRMATIONS + 1)
            scene.coin.resume()
            burn = scene.burn("ayan", SUM // 4)
            scene.coin.redeem(burn)
            scene.coin.resume()
        except TengeError:
            continue
        else:
            return
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("side", ["ledger", "chain"])
@pytest.mark.parametrize("number", range(1, 7))
def test_a_call_that_is_not_answered_moves_nothing_twice(side: str, number: int, after: bool) -> None:
    scene = CoinScene()
    scene.holder("ayan")
    before = scene.held("ayan")
    methods = {"submit"} if side == "ledger" else {"mint", "find", "confirmations"}
    inner = scene.coin._ledger if side == "ledger" else scene.coin._chain
    flaky = Flaky(inner, methods, number, after)
    if side == "ledger":
        scene.coin._ledger = flaky  # type: ignore[assignment]
        scene.coin.vault._gateway = flaky
    else:
        scene.coin._chain = flaky  # type: ignore[assignment]
    whole_way(scene)
    assert flaky.failed or number > 2
    assert scene.held("ayan") == before - SUM + SUM // 4
    assert scene.coin.audit() == (SUM - SUM // 4, SUM - SUM // 4, 0)
    backed(scene)


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

        from tests.cbdc.institutions import make_system, stock

        system = make_system(checkpoint=checkpoint)
        stock(system, 1, tenge(20_000_000))
        scene = CoinScene(system=system)
        scene.holder("ayan")
        before = scene.held("ayan")
        left[0], died = point, False
        try:
            whole_way(scene)
        except Death:
            died = True
        left[0] = 0
        again = CoinScene(system=system)
        again.coin.resume()
        whole_way(again)
        assert again.held("ayan") == before - SUM + SUM // 4, point
        assert again.coin.audit() == (SUM - SUM // 4, SUM - SUM // 4, 0), point
    assert point > 10


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["wrap", "burn", "redeem", "grow", "back", "mint"]), st.integers(1, 9)),
        max_size=14,
    )
)
def test_no_sequence_of_calls_makes_an_unbacked_coin(calls: list[tuple[str, int]]) -> None:
    scene = CoinScene()
    scene.holder("ayan")
    burns: list[bytes] = []
    for number, (call, size) in enumerate(calls):
        name = f"{number}"
        try:
            if call == "wrap":
                scene.coin.wrap(scene.locking("ayan", size, name), "ayan")
            elif call == "burn":
                burns.append(scene.burn("ayan", size, name, 0))
            elif call == "redeem" and burns:
                scene.coin.redeem(burns[size % len(burns)])
            elif call == "grow":
                scene.chain.grow(ident(name), size)
            elif call == "back":
                scene.chain.reorganise(ident(name), min(size, CONFIRMATIONS - 1), lose=size % 2 == 0)
            else:
                scene.coin.mint(ident(name), "thief", size)
        except TengeError:
            pass
        assert scene.coin.audit().shortfall_tiyn == 0


def test_the_rules_have_the_defaults_that_the_page_tells() -> None:
    assert StablecoinRules() == StablecoinRules(True, True, 6, 30)
    assert RULES.confirmations == CONFIRMATIONS
