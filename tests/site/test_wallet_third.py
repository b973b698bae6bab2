"""What the wallet's screens of third parties, requests and mandates ask over HTTP; each refusal changes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from cbdc import canonical
from cbdc.http.wallet_client import WalletClient
from cbdc.mandates import Mandate
from cbdc.orders import HolderProof
from cbdc.record import sign
from cbdc.request_board import DECLINED, EXPIRED, MOST_TO_ONE, OPEN, PAID, WITHDRAWN, address_purpose
from cbdc.token import KeyLock, Token
from tests.site.partner_world import DAY, Scene, refused, scene
from wallets.cast import Member
from wallets.site.bank_rules import REVERSE, TOP_UP, WATERFALL, put
from wallets.site.hub import Subscriber
from wallets.site.wallet_rules import NO, YES


@pytest.fixture(scope="module")
def play() -> Iterator[Scene]:
    with scene() as one:
        yield one


@pytest.fixture(autouse=True)
def _another_day(play: Scene) -> None:
    play.clock.advance(DAY)


def account(play: Scene, member: Member) -> WalletClient:
    signer = member.wallet.signer
    return WalletClient(play.gateway(signer), 1, signer, play.world.clock, play.entropy)


def told(play: Scene, member: Member) -> Subscriber:
    """A page of the member's that waits for news and has had what there was."""
    subscriber = play.world.hub.subscribe(member.wallet.kid)
    subscriber.wait(0)
    return subscriber


def asked(play: Scene, payer: Member, payee: Member, tiyn: int = 700_00, **more: Any) -> bytes:
    """A request of the payee's in the payer's inbox; its id."""
    id = play.fresh()
    account(play, payee).ask_for(id, tiyn, "bread", more.get("expires", play.now + 600))
    account(play, payee).ask_of(id, payer.wallet.kid)
    return id


def state(play: Scene, payee: Member, id: bytes) -> str:
    return next(one.state for one in account(play, payee).requests() if one.request.record.id == id)


def word(play: Scene, member: Member, purpose: str) -> bytes:
    record = HolderProof(member.wallet.kid, purpose, play.now, bytes(16))
    return sign(record, play.world.system.network, member.wallet.signer).encode()


# --- requests in an inbox ---


def test_a_request_reaches_the_inbox_and_its_page_is_told(play: Scene) -> None:
    page = told(play, play.asel)
    id = asked(play, play.asel, play.timur)
    assert page.wait(0) is not None
    found = account(play, play.asel).inbox()[0]
    assert (found.request.record.id, found.state, found.payer) == (id, OPEN, play.asel.wallet.kid)
    assert account(play, play.timur).ask_of(id, play.asel.wallet.kid).state == OPEN
    assert [one for one in account(play, play.zhanna).inbox() if one.request.record.id == id] == []
    # A link shows what is asked and not of whom.
    assert account(play, play.zhanna).request(id).payer == b""


def test_it_is_declined_for_good_and_the_asker_is_told(play: Scene) -> None:
    id = asked(play, play.asel, play.timur)
    page = told(play, play.timur)
    assert account(play, play.asel).decline_request(id).state == DECLINED
    assert account(play, play.asel).decline_request(id).state == DECLINED
    assert page.wait(0) is not None
    assert state(play, play.timur, id) == DECLINED
    with refused("E_REQUEST_DECLINED"):
        account(play, play.timur).withdraw_request(id)
    with refused("E_REQUEST_DECLINED"):
        account(play, play.asel).mark_paid(id, bytes(32))


def test_it_is_paid_and_no_longer_declined(play: Scene) -> None:
    id = asked(play, play.asel, play.timur, 12_00)
    body = play.signed(play.asel, [Token(12_00, KeyLock(play.timur.wallet.kid))])
    receipt = play.world.system.ledger.submit(body)
    page = told(play, play.timur)
    assert account(play, play.asel).mark_paid(id, receipt.transaction_id).state == PAID
    assert page.wait(0) is not None
    assert state(play, play.timur, id) == PAID
    with refused("E_REQUEST_PAID"):
        account(play, play.asel).decline_request(id)


def test_only_who_is_asked_declines(play: Scene) -> None:
    id = asked(play, play.asel, play.timur)
    for stranger in (play.zhanna, play.timur):
        with refused("E_REQUEST_WORD"):
            account(play, stranger).decline_request(id)
    path = f"/v1/requests/{id.hex()}/refusals"
    forged = HolderProof(play.asel.wallet.kid, f"request decline {id.hex()}", play.now, bytes(16))
    with refused("E_SIG"):
        signed = sign(forged, play.world.system.network, play.zhanna.wallet.signer)
        play.gateway().post(path, signed.encode())
    assert state(play, play.timur, id) == OPEN


def test_a_request_that_asks_nobody_is_declined_by_nobody(play: Scene) -> None:
    id = play.fresh()
    account(play, play.timur).ask_for(id, 1_00, "bread")
    with refused("E_REQUEST_WORD"):
        account(play, play.asel).decline_request(id)


def test_only_the_payee_addresses_it_and_only_once(play: Scene) -> None:
    id = play.fresh()
    account(play, play.timur).ask_for(id, 1_00, "bread")
    with refused("E_REQUEST_WORD"):
        account(play, play.zhanna).ask_of(id, play.asel.wallet.kid)
    with refused("E_KEY_UNKNOWN"):
        account(play, play.timur).ask_of(id, bytes(32))
    account(play, play.timur).ask_of(id, play.asel.wallet.kid)
    with refused("E_REQUEST_ADDRESSED"):
        account(play, play.timur).ask_of(id, play.zhanna.wallet.kid)
    assert account(play, play.zhanna).inbox() == []


def test_a_word_for_one_inbox_opens_no_other(play: Scene) -> None:
    id = play.fresh()
    account(play, play.timur).ask_for(id, 1_00, "bread")
    proof = word(play, play.timur, address_purpose(id, play.asel.wallet.kid))
    with refused("E_REQUEST_WORD"):
        body = canonical.encode([play.zhanna.wallet.kid, proof])
        play.gateway().post(f"/v1/requests/{id.hex()}/addressees", body)
    with refused("E_PAY_REQUEST_UNKNOWN"):
        account(play, play.timur).ask_of(bytes(32), play.asel.wallet.kid)


def test_what_is_over_is_neither_addressed_nor_declined(play: Scene) -> None:
    late, back = asked(play, play.asel, play.timur), asked(play, play.asel, play.timur)
    alone = play.fresh()
    account(play, play.timur).ask_for(alone, 1_00, "bread", play.now + 600)
    account(play, play.timur).withdraw_request(back)
    play.clock.advance(601)
    assert (state(play, play.timur, late), state(play, play.timur, back)) == (EXPIRED, WITHDRAWN)
    with refused("E_REQUEST_EXPIRED"):
        account(play, play.asel).decline_request(late)
    with refused("E_REQUEST_WITHDRAWN"):
        account(play, play.asel).decline_request(back)
    with refused("E_REQUEST_EXPIRED"):
        account(play, play.timur).ask_of(alone, play.asel.wallet.kid)


def test_one_asker_does_not_fill_an_inbox(play: Scene) -> None:
    for _ in range(MOST_TO_ONE):
        last = asked(play, play.zhanna, play.shop)
    with refused("E_REQUEST_INBOX"):
        asked(play, play.zhanna, play.shop)
    asked(play, play.zhanna, play.timur)
    account(play, play.zhanna).decline_request(last)
    asked(play, play.zhanna, play.shop)


@pytest.mark.parametrize("name", ["inbox", "mandates", "consents", "partner-orders", "requests"])
def test_lists_are_for_their_holder_only(play: Scene, name: str) -> None:
    kid, other = play.asel.wallet.kid, play.timur.wallet.kid
    path = f"/v1/keys/{kid.hex()}/{name}"
    gateway = play.gateway(play.asel.wallet.signer, play.timur.wallet.signer)
    with refused("E_HTTP_PROOF"):
        gateway.get(path)
    with refused("E_HTTP_PROOF"):
        gateway.get(path, gateway.proof(other, "GET", path))
    with refused("E_HTTP_PROOF"):
        gateway.get(path, gateway.proof(kid, "GET", f"/v1/keys/{kid.hex()}/tokens"))
    assert gateway.get(path, gateway.proof(kid, "GET", path))


# --- mandates ---


def mandate(play: Scene, payer: Member, payee: Member, **changed: Any) -> Mandate:
    values: dict[str, Any] = {
        "id": play.fresh(),
        "payer": payer.wallet.kid,
        "payee": payee.wallet.kid,
        "payment_limit_tiyn": 50_00,
        "period_limit_tiyn": 80_00,
        "most_payments": 2,
        "period_seconds": 30 * DAY,
        "first": play.now - 10,
        "last": play.now + 90 * DAY,
    }
    return Mandate(**(values | changed))


def listed(play: Scene, member: Member, id: bytes) -> dict[str, Any]:
    return next(one for one in play.holder(member).mandates() if one["id"] == id.hex())


def test_a_mandate_is_listed_for_both_with_what_was_collected(play: Scene) -> None:
    record = mandate(play, play.asel, play.shop)
    page = told(play, play.shop)
    play.holder(play.asel).give_mandate(record)
    assert page.wait(0) is not None
    consent = play.consent(play.asel)
    play.books.collect(play.fresh(), consent, record.id, 30_00)
    found = listed(play, play.asel, record.id)
    assert (found["collected_tiyn"], found["payments"], found["problem"]) == (30_00, 1, "")
    assert found == listed(play, play.shop, record.id)
    assert not [one for one in play.holder(play.timur).mandates() if one["id"] == record.id.hex()]


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [(-10, 10, ""), (100, 200, "it has not begun"), (-100, -1, "its time is over")],
)
def test_a_mandate_says_how_it_stands(play: Scene, first: int, last: int, problem: str) -> None:
    record = mandate(play, play.asel, play.shop, first=play.now + first, last=play.now + last)
    play.holder(play.asel).give_mandate(record)
    assert listed(play, play.asel, record.id)["problem"] == problem


def test_a_mandate_is_given_and_revoked_by_the_payer_alone(play: Scene) -> None:
    record = mandate(play, play.asel, play.shop)
    with refused("E_SIG"):
        play.holder(play.timur).give_mandate(record)
    play.holder(play.asel).give_mandate(record)
    with refused("E_MANDATE_UNKNOWN"):
        play.holder(play.shop).revoke_mandate(record.id)
    play.holder(play.asel).revoke_mandate(record.id)
    assert listed(play, play.shop, record.id)["problem"] == "the payer revoked it"
    with refused("E_MANDATE_OVER"):
        play.books.collect(play.fresh(), play.consent(play.asel), record.id, 1_00)


def test_the_same_mandate_twice_is_listed_once(play: Scene) -> None:
    record = mandate(play, play.asel, play.asel)
    for _ in range(2):
        play.holder(play.asel).give_mandate(record)
    assert [one["id"] for one in play.holder(play.asel).mandates()].count(record.id.hex()) == 1


# --- orders and consents wake the page ---


def test_an_order_a_consent_and_their_end_wake_the_holders_page(play: Scene) -> None:
    page = told(play, play.asel)
    stranger = told(play, play.zhanna)
    consent = play.consent(play.asel)
    assert page.wait(0) is not None
    order = play.ask(consent, (play.timur, 5_00))
    assert page.wait(0) is not None
    play.holder(play.asel).decline(bytes.fromhex(order["id"]))
    assert page.wait(0) is not None
    play.holder(play.asel).revoke(consent)
    assert page.wait(0) is not None
    assert stranger.wait(0) is None


def test_third_parties_are_listed_by_name(play: Scene) -> None:
    other = play.partner("Budget helper")
    rows = {row["kid"]: row["name"] for row in play.holder(play.asel).partners()}
    assert rows[other.kid.hex()] == "Budget helper"
    assert rows[play.books.kid.hex()] == "Bookkeeper"


# --- banks ---


def test_banks_have_titles_in_each_language(play: Scene) -> None:
    answer = play.gateway().get("/v1/bank-titles")
    assert isinstance(answer, dict)
    first = answer["banks"][0]
    assert first["name"] == "alatau"
    assert set(first["titles"]) == {"en", "kk", "ru"}
    assert len(set(first["titles"].values())) == 3


# --- what the bank does by itself ---


def rules(play: Scene, member: Member) -> dict[str, Any]:
    gateway, kid = play.gateway(member.wallet.signer), member.wallet.kid
    path = f"/v1/keys/{kid.hex()}/bank-rules"
    answer = gateway.get(path, gateway.proof(kid, "GET", path))
    assert isinstance(answer, dict)
    return answer


def say(
    play: Scene, member: Member, purpose: str, time: int = 0, signer: Member | None = None
) -> dict[str, Any]:
    record = HolderProof(member.wallet.kid, purpose, time or play.clock.now(), bytes(16))
    word = sign(record, play.world.system.network, (signer or member).wallet.signer).encode()
    answer = play.gateway().post(f"/v1/keys/{member.wallet.kid.hex()}/top-up-words", word)
    assert isinstance(answer, dict)
    return answer


def test_the_banks_rules_are_shown_to_their_holder(play: Scene) -> None:
    before = rules(play, play.asel)
    bank_id, tier = play.world.system.ledger.registered(play.asel.wallet.kid).bank_id, before["tier"]  # type: ignore[union-attr]
    assert (before["waterfall_tiyn"], before["reverse"], before["floor_tiyn"]) == (0, False, 0)
    with play.world.doing():
        for kind, first, second in ((WATERFALL, 900_00, 0), (REVERSE, 1, 0), (TOP_UP, 10_00, 20_00)):
            put(play.world, bank_id, "test", play.fresh(), kind, tier, first, second)
    found = rules(play, play.asel)
    assert (found["waterfall_tiyn"], found["reverse"]) == (900_00, True)
    assert (found["floor_tiyn"], found["target_tiyn"]) == (10_00, 20_00)
    path = f"/v1/keys/{play.asel.wallet.kid.hex()}/bank-rules"
    gateway = play.gateway(play.timur.wallet.signer)
    with refused("E_HTTP_PROOF"):
        gateway.get(path, gateway.proof(play.timur.wallet.kid, "GET", path))


def test_a_holder_agrees_to_the_top_up_and_ends_it(play: Scene) -> None:
    assert rules(play, play.timur)["agreed"] is False
    assert say(play, play.timur, YES)["agreed"] is True
    assert say(play, play.timur, YES)["agreed"] is True
    play.clock.advance(1)
    assert say(play, play.timur, NO)["agreed"] is False
    assert rules(play, play.timur)["agreed"] is False


@pytest.mark.parametrize(
    ("purpose", "shift", "code"),
    [
        ("bank top-up maybe", 0, "E_HTTP_PROOF"),
        ("GET /v1/head", 0, "E_HTTP_PROOF"),
        (YES, -301, "E_HTTP_PROOF"),
        (YES, 301, "E_HTTP_PROOF"),
    ],
)
def test_another_word_agrees_to_nothing(play: Scene, purpose: str, shift: int, code: str) -> None:
    with refused(code):
        say(play, play.zhanna, purpose, play.clock.now() + shift)
    assert rules(play, play.zhanna)["agreed"] is False


def test_an_old_word_said_again_turns_nothing_back(play: Scene) -> None:
    then = play.clock.now()
    say(play, play.shop, YES, then)
    play.clock.advance(5)
    say(play, play.shop, NO)
    with refused("E_HTTP_PROOF"):
        say(play, play.shop, YES, then)
    assert rules(play, play.shop)["agreed"] is False


def test_a_strangers_key_agrees_for_nobody(play: Scene) -> None:
    with refused("E_SIG"):
        say(play, play.zhanna, YES, signer=play.timur)
    unknown = HolderProof(bytes(32), YES, play.clock.now(), bytes(16))
    word = sign(unknown, play.world.system.network, play.timur.wallet.signer).encode()
    with refused("E_HTTP_PROOF"):
        play.gateway().post(f"/v1/keys/{play.zhanna.wallet.kid.hex()}/top-up-words", word)
    with refused("E_HTTP_NONE"):
        play.gateway().post(f"/v1/keys/{bytes(32).hex()}/top-up-words", word)
    assert rules(play, play.zhanna)["agreed"] is False
