"""Orders of third parties: paid, split, locked, opened, collected on mandates; each refusal changes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from cbdc.errors import Refused
from cbdc.http.partner_client import PartnerClient
from cbdc.mandates import Mandate
from cbdc.mandates import revoke_purpose as mandate_revoke
from cbdc.orders import HolderProof
from cbdc.partners.records import CLAIM, REFUND, RELEASE, Consent
from cbdc.record import sign
from cbdc.token import KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import Transfer, sign_transaction
from tests.site.partner_world import DAY, Scene, lock, number, refused, scene


@pytest.fixture(scope="module")
def play() -> Iterator[Scene]:
    with scene() as one:
        yield one


@pytest.fixture(autouse=True)
def _another_day(play: Scene) -> None:
    play.clock.advance(DAY)


# --- orders ---


def test_a_holder_pays_an_order_once(play: Scene) -> None:
    consent, before = play.consent(play.asel), play.balance(play.shop)
    order = play.ask(consent, (play.shop, 150_00), memo="bill 17")
    assert order in play.holder(play.asel).orders()
    body = play.signed_order(play.asel, order)
    id = bytes.fromhex(order["id"])
    paid = play.holder(play.asel).pay(id, body)
    assert play.balance(play.shop) == before + 150_00
    assert play.books.order(id)["state"] == "paid"
    assert play.holder(play.asel).pay(id, body) == paid
    with refused("E_ORDER_CLOSED"):
        play.pay(play.asel, order)
    with refused("E_ORDER_CLOSED"):
        play.holder(play.asel).decline(id)
    assert play.balance(play.shop) == before + 150_00


def test_one_request_is_one_order(play: Scene) -> None:
    consent, id, rows = play.consent(play.asel), play.fresh(), [(play.shop.wallet.kid, 100)]
    first = play.books.ask_to_pay(id, consent, rows, "", play.now + 60)
    assert play.books.ask_to_pay(id, consent, rows, "", first["expires"]) == first
    with refused("E_ID_REUSED"):
        play.books.ask_to_pay(id, consent, rows, "another", first["expires"])
    started = [one for one in play.books.consents() if one["id"] == consent.hex()]
    assert started[0]["started_today_tiyn"] == 100


def test_a_split_payment_is_one_transaction_and_loses_no_tiyn(play: Scene) -> None:
    consent = play.consent(play.asel)
    payees = [play.shop, play.timur, play.zhanna]
    before = [play.balance(one) for one in payees]
    order = play.books.ask_to_split(
        play.fresh(), consent, [one.wallet.kid for one in payees], 100_00, "dinner", play.now + 60
    )
    size = play.world.system.ledger.size
    play.pay(play.asel, order)
    got = [play.balance(one) - had for one, had in zip(payees, before, strict=True)]
    assert got == [33_34, 33_33, 33_33]
    assert play.world.system.ledger.size == size + 1


def test_a_consent_bounds_one_payment_and_a_day(play: Scene) -> None:
    consent = play.consent(play.asel)
    with refused("E_CONSENT_PAYMENT"):
        play.ask(consent, (play.shop, 500_01))
    with refused("E_CONSENT_PAYMENT"):
        play.ask(consent, (play.shop, 250_00), (play.timur, 250_01))
    first = play.ask(consent, (play.shop, 500_00))
    with refused("E_CONSENT_DAY"):
        play.ask(consent, (play.shop, 300_01))
    play.ask(consent, (play.shop, 300_00))
    play.holder(play.asel).decline(bytes.fromhex(first["id"]))
    assert play.ask(consent, (play.shop, 500_00))["state"] == "open"
    with refused("E_CONSENT_DAY"):
        play.ask(consent, (play.shop, 1))
    play.clock.advance(DAY)
    assert play.ask(consent, (play.shop, 500_00))["state"] == "open"


def test_a_declined_order_stays_declined(play: Scene) -> None:
    order = play.ask(play.consent(play.asel), (play.shop, 100))
    id = bytes.fromhex(order["id"])
    with refused("E_ORDER_UNKNOWN"):
        play.holder(play.timur).decline(id)
    for _ in range(2):
        assert play.holder(play.asel).decline(id)["state"] == "declined"
    with refused("E_ORDER_CLOSED"):
        play.pay(play.asel, order)


def test_an_order_ends_with_its_time_and_with_its_consent(play: Scene) -> None:
    consent = play.consent(play.asel)
    late = play.ask(consent, (play.shop, 100), expires=play.now + 5)
    open_one = play.ask(consent, (play.shop, 100))
    with refused("E_REQUEST_EXPIRED"):
        play.ask(consent, (play.shop, 100), expires=play.now - 1)
    play.clock.advance(6)
    assert play.books.order(bytes.fromhex(late["id"]))["state"] == "expired"
    with refused("E_ORDER_CLOSED"):
        play.pay(play.asel, late)
    play.holder(play.asel).revoke(consent)
    with refused("E_CONSENT_OVER"):
        play.pay(play.asel, open_one)


def test_only_what_was_ordered_is_taken(play: Scene) -> None:
    order = play.ask(play.consent(play.asel), (play.shop, 100_00))
    id, holder = bytes.fromhex(order["id"]), play.holder(play.asel)
    shop, timur = (KeyLock(one.wallet.kid) for one in (play.shop, play.timur))
    before = play.balance(play.shop), play.balance(play.timur), play.world.system.ledger.size
    for outputs in (
        [Token(99_99, shop)],
        [Token(100_00, timur)],
        [Token(100_00, shop), Token(1, timur)],
        [Token(50_00, shop), Token(50_00, shop)],
    ):
        with refused("E_ORDER_DIFFERS"):
            holder.pay(id, play.signed(play.asel, outputs))
    with refused("E_ORDER_DIFFERS"):
        holder.pay(id, play.signed(play.timur, [Token(100_00, shop)]))
    assert before == (play.balance(play.shop), play.balance(play.timur), play.world.system.ledger.size)


def test_a_signature_that_does_not_stand_changes_nothing(play: Scene) -> None:
    order = play.ask(play.consent(play.asel), (play.shop, 100_00))
    network = play.world.system.network
    identity, token = play.world.system.ledger.owned(play.asel.wallet.kid)[0]
    record = Transfer(bytes(16), (identity,), (Token(token.amount_tiyn, KeyLock(play.shop.wallet.kid)),))
    forged = sign_transaction(record, network, [play.timur.wallet.signer])
    kid = play.asel.wallet.kid
    data = type(forged)(forged.record, forged.body, forged.id, ((kid, forged.witnesses[0][1]),)).encode()
    with refused("E_SIG"):
        play.holder(play.asel).pay(bytes.fromhex(order["id"]), data)
    assert play.books.order(bytes.fromhex(order["id"]))["state"] == "open"


def test_what_the_ledger_refuses_leaves_the_order_open(play: Scene) -> None:
    order = play.ask(play.consent(play.asel), (play.shop, 100_00))
    stale = play.signed_order(play.asel, order)
    system = play.world.system
    known = system.ledger.registered(play.asel.wallet.kid)
    assert known is not None
    system.enforcement.freeze(number("freeze 2"), known.pseudonym, "order 2")
    id = bytes.fromhex(order["id"])
    with refused("E_FROZEN"):
        play.holder(play.asel).pay(id, stale)
    assert play.books.order(id)["state"] == "open"
    system.enforcement.unfreeze(number("unfreeze 2"), known.pseudonym, "order 2")
    assert play.holder(play.asel).pay(id, stale)["order"]["state"] == "paid"


# --- locks ---


def _locked(play: Scene, lock: Any, tiyn: int = 200_00) -> TokenId:
    consent = play.consent(play.asel)
    order = play.books.ask_to_lock(play.fresh(), consent, lock, tiyn, "escrow", play.now + 60)
    paid = play.pay(play.asel, order)
    return TokenId(bytes.fromhex(paid["receipt"]["transaction_id"]), 0)


def _open(play: Scene, order: dict[str, Any], *members: Any) -> dict[str, Any]:
    record = Transfer.from_body(bytes.fromhex(order["to_sign"]))
    answer: dict[str, Any] = {}
    for member in members:
        signed = sign_transaction(record, play.world.system.network, [member.wallet.signer])
        answer = play.holder(member).pay(bytes.fromhex(order["id"]), signed.encode())
    return answer


def test_a_lock_is_put_and_claimed_with_its_secret(play: Scene) -> None:
    secret, before = b"1" * 32, play.balance(play.timur)
    locked = _locked(play, lock(play, secret))
    consent = play.consent(play.timur)
    order = play.books.ask_to_open(play.fresh(), consent, CLAIM, locked, play.now + 60, secret)
    assert order in play.holder(play.timur).orders()
    assert _open(play, order, play.timur)["receipt"] is not None
    assert play.balance(play.timur) == before + 200_00
    with refused("E_TOKEN_SPENT"):
        play.books.ask_to_open(play.fresh(), consent, CLAIM, locked, play.now + 60, secret)


def test_a_wrong_secret_and_an_early_refund_open_nothing(play: Scene) -> None:
    locked = _locked(play, lock(play, b"2" * 32))
    theirs, mine = play.consent(play.timur), play.consent(play.asel)
    wrong = play.books.ask_to_open(play.fresh(), theirs, CLAIM, locked, play.now + 60, b"3" * 32)
    with pytest.raises(Refused):
        _open(play, wrong, play.timur)
    back = play.books.ask_to_open(play.fresh(), mine, REFUND, locked, play.now + 6_000)
    with pytest.raises(Refused):
        _open(play, back, play.asel)
    play.clock.advance(601)
    assert _open(play, back, play.asel)["order"]["state"] == "paid"


def test_two_of_three_release_what_one_cannot(play: Scene) -> None:
    kids = (play.asel.wallet.kid, play.timur.wallet.kid, play.zhanna.wallet.kid)
    locked, before = _locked(play, QuorumLock(2, kids), 90_00), play.balance(play.timur)
    consent = play.consent(play.asel)
    shares = [(play.timur.wallet.kid, 60_00), (play.asel.wallet.kid, 30_00)]
    order = play.books.ask_to_open(play.fresh(), consent, RELEASE, locked, play.now + 60, shares=shares)
    one = _open(play, order, play.zhanna)
    assert one["receipt"] is None
    assert one["order"]["signed_by"] == [play.zhanna.wallet.kid.hex()]
    assert _open(play, order, play.zhanna)["receipt"] is None
    with refused("E_ORDER_DIFFERS"):
        _open(play, order, play.shop)
    both = _open(play, order, play.timur)
    assert both["order"]["state"] == "paid"
    assert play.balance(play.timur) == before + 60_00


def test_an_opening_must_fit_the_lock_and_the_consent(play: Scene) -> None:
    locked = _locked(play, lock(play, b"4" * 32))
    mine, strange = play.consent(play.asel), play.consent(play.shop)
    with refused("E_LOCK_KIND"):
        play.books.ask_to_open(play.fresh(), mine, RELEASE, locked, play.now + 60)
    with refused("E_CONSENT_SCOPE"):
        play.books.ask_to_open(play.fresh(), strange, CLAIM, locked, play.now + 60, b"4" * 32)
    owned = play.world.system.ledger.owned(play.asel.wallet.kid)
    plain = next(identity for identity, token in owned if isinstance(token.lock, KeyLock))
    with refused("E_LOCK_KIND"):
        play.books.ask_to_open(play.fresh(), mine, CLAIM, plain, play.now + 60, b"4" * 32)
    order = play.books.ask_to_open(play.fresh(), mine, REFUND, locked, play.now + 60)
    with refused("E_ORDER_DIFFERS"):
        play.holder(play.asel).pay(
            bytes.fromhex(order["id"]), play.signed(play.asel, [Token(1, KeyLock(play.shop.wallet.kid))])
        )


# --- mandates ---


def _mandate(play: Scene) -> bytes:
    id = play.fresh()
    record = Mandate(
        id,
        play.timur.wallet.kid,
        play.shop.wallet.kid,
        300_00,
        500_00,
        2,
        30 * DAY,
        play.now,
        play.now + 90 * DAY,
    )
    signed = sign(record, play.world.system.network, play.timur.wallet.signer)
    assert play.gateway().post("/v1/mandates", signed.encode()) == {"id": id.hex()}
    return id


def test_a_mandate_is_collected_within_its_limits_and_the_consents(play: Scene) -> None:
    mandate, consent = _mandate(play), play.consent(play.timur, payment_limit_tiyn=250_00)
    request, before = play.fresh(), play.balance(play.shop)
    for _ in range(2):
        play.books.collect(request, consent, mandate, 200_00)
    assert play.balance(play.shop) == before + 200_00
    with refused("E_CONSENT_PAYMENT"):
        play.books.collect(play.fresh(), consent, mandate, 250_01)
    with refused("E_MANDATE_PAYMENT"):
        play.books.collect(play.fresh(), play.consent(play.timur), mandate, 300_01)
    with refused("E_MANDATE_UNKNOWN"):
        play.books.collect(play.fresh(), play.consent(play.asel), mandate, 100)
    proof = HolderProof(play.timur.wallet.kid, mandate_revoke(mandate), play.clock.now(), bytes(16))
    word = sign(proof, play.world.system.network, play.timur.wallet.signer)
    play.gateway().post(f"/v1/mandates/{mandate.hex()}/revoke", word.encode())
    with refused("E_MANDATE_OVER"):
        play.books.collect(play.fresh(), consent, mandate, 100)
    assert play.balance(play.shop) == before + 200_00


# --- reading ---


def test_history_tells_what_was_paid_and_got(play: Scene) -> None:
    consent = play.consent(play.asel)
    start = play.world.system.ledger.size
    play.pay(play.asel, play.ask(consent, (play.shop, 70_00)))
    answer = play.books.history(consent, start)
    assert [(one["paid_tiyn"], one["received_tiyn"]) for one in answer["lines"]] == [(70_00, 0)]
    assert answer["next"] == play.world.system.ledger.size
    shops = play.books.history(play.consent(play.shop), start)
    assert [(one["paid_tiyn"], one["received_tiyn"]) for one in shops["lines"]] == [(0, 70_00)]
    assert play.books.history(consent, answer["next"])["lines"] == []
    whole = play.books.history(consent)["lines"]
    assert sum(one["received_tiyn"] - one["paid_tiyn"] for one in whole) <= 15_000_00


def test_the_supply_still_adds_up(play: Scene) -> None:
    assert play.world.system.supervise() == []


def test_a_consent_follows_a_holder_to_its_next_key(play: Scene) -> None:
    assert isinstance(play.books, PartnerClient)
    with refused("E_HTTP_PROOF"):
        play.gateway().get(f"/v1/keys/{play.asel.wallet.kid.hex()}/consents")
    record = Consent(
        number("x"), play.asel.wallet.kid, play.books.kid, ("pay",), 1, 1, play.now, play.now + 1
    )
    with refused("E_SIG"):
        play.holder(play.timur).give(record)
