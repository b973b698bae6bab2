"""Third parties: consents, reading, orders to pay, split payments, locks, mandates; each refusal changes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Refused, TengeError
from cbdc.http.partners import CALL_HEADER, packed
from cbdc.keys import ED25519, SoftwareKey
from cbdc.partners.records import Call, Introduction
from cbdc.record import sign
from tests.site.partner_world import DAY, Scene, lock, number, refused, scene


@pytest.fixture(scope="module")
def play() -> Iterator[Scene]:
    with scene() as one:
        yield one


@pytest.fixture(autouse=True)
def _another_day(play: Scene) -> None:
    play.clock.advance(DAY)


# --- who ---


def test_a_third_party_introduces_itself_once(play: Scene) -> None:
    answer = play.books.introduce("Bookkeeper")
    assert answer["kid"] == play.books.kid.hex()
    assert answer["name"] == "Bookkeeper"
    with refused("E_ID_REUSED"):
        play.books.introduce("Tax helper")
    with refused("E_PARTNER_UNKNOWN"):
        play.gateway().get(f"/v1/partners/{bytes(32).hex()}")


def test_an_introduction_is_signed_with_the_key_it_shows(play: Scene) -> None:
    mine, other = (SoftwareKey(ED25519, number(name)) for name in ("mine", "other"))
    record = Introduction(ED25519, mine.public.raw, "Somebody", play.clock.now())
    with refused("E_SIG"):
        play.gateway().post("/v1/partners", sign(record, play.world.system.network, other).encode())


@pytest.mark.parametrize("name", ["", " blank", "two\nlines", "a\u202eb", "x" * 65])
def test_a_name_is_one_line_of_visible_text(play: Scene, name: str) -> None:
    with refused("E_FIELD"):
        play.books.introduce(name)


# --- consents ---


def test_a_consent_is_seen_by_both_and_taken_back_at_once(play: Scene) -> None:
    consent = play.consent(play.asel)
    mine = [one for one in play.holder(play.asel).consents() if one["id"] == consent.hex()]
    theirs = [one for one in play.books.consents() if one["id"] == consent.hex()]
    assert mine == theirs
    assert mine[0]["partner_name"] == "Bookkeeper"
    assert mine[0]["problem"] == ""
    assert play.books.balance(consent)["free_tiyn"] == play.balance(play.asel)
    play.holder(play.asel).revoke(consent)
    play.holder(play.asel).revoke(consent)
    with refused("E_CONSENT_OVER"):
        play.books.balance(consent)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"partner": bytes(32)}, "E_PARTNER_UNKNOWN"),
        ({"holder": bytes(32)}, "E_KEY_UNKNOWN"),
        ({"first": 10, "last": 9}, "E_CONSENT_OVER"),
        ({"scopes": ()}, "E_COUNT"),
        ({"scopes": ("pay", "balance")}, "E_FIELD"),
        ({"scopes": ("balance", "balance")}, "E_FIELD"),
        ({"scopes": ("everything",)}, "E_FIELD"),
    ],
)
def test_consents_that_are_refused(play: Scene, changed: dict[str, Any], code: str) -> None:
    with refused(code):
        play.consent(play.asel, **changed)


def test_nobody_consents_for_somebody_else(play: Scene) -> None:
    with refused("E_SIG"):
        play.consent(play.asel, holder=play.timur.wallet.kid)
    consent = play.consent(play.asel)
    with refused("E_CONSENT_UNKNOWN"):
        play.holder(play.timur).revoke(consent)
    assert play.books.balance(consent)


def test_a_consent_under_a_known_id_is_the_same_or_refused(play: Scene) -> None:
    id, last = number("twice"), play.now + DAY
    play.consent(play.asel, id=id, first=play.now, last=last)
    play.consent(play.asel, id=id, first=play.now, last=last)
    with refused("E_ID_REUSED"):
        play.consent(play.asel, id=id, first=play.now, last=last + 1)


def test_a_consent_has_its_time(play: Scene) -> None:
    early = play.consent(play.asel, first=play.now + 100)
    short = play.consent(play.asel, last=play.now)
    with refused("E_CONSENT_OVER"):
        play.books.balance(early)
    assert play.books.balance(short)
    play.clock.advance(100)
    assert play.books.balance(early)
    with refused("E_CONSENT_OVER"):
        play.books.balance(short)


@pytest.mark.parametrize("scope", ["balance", "history", "lock", "mandate", "pay", "split"])
def test_a_consent_allows_what_it_names_and_nothing_else(play: Scene, scope: str) -> None:
    only = play.consent(play.asel, scopes=(scope,))
    wishes = {
        "balance": lambda: play.books.balance(only),
        "history": lambda: play.books.history(only),
        "pay": lambda: play.ask(only, (play.shop, 100)),
        "split": lambda: play.ask(only, (play.shop, 100), (play.timur, 100)),
        "lock": lambda: play.books.ask_to_lock(
            play.fresh(), only, lock(play, b"s" * 32), 100, "", play.now + 60
        ),
        "mandate": lambda: play.books.collect(play.fresh(), only, bytes(32), 100),
    }
    for name, wish in wishes.items():
        if name == scope == "mandate":
            with refused("E_MANDATE_UNKNOWN"):
                wish()
        elif name == scope:
            assert wish()
        else:
            with refused("E_CONSENT_SCOPE"):
                wish()


def test_another_third_party_gains_nothing_by_a_consent(play: Scene) -> None:
    consent, stranger = play.consent(play.asel), play.partner("Stranger")
    with refused("E_CONSENT_UNKNOWN"):
        stranger.balance(consent)
    order = play.ask(consent, (play.shop, 100))
    with refused("E_ORDER_UNKNOWN"):
        stranger.order(bytes.fromhex(order["id"]))


def test_a_frozen_or_retired_holder_gives_no_consent(play: Scene) -> None:
    system, member = play.world.system, play.zhanna
    known = system.ledger.registered(member.wallet.kid)
    assert known is not None
    system.enforcement.freeze(number("freeze"), known.pseudonym, "order 1")
    with refused("E_FROZEN"):
        play.consent(member)
    system.enforcement.unfreeze(number("unfreeze"), known.pseudonym, "order 1")
    assert play.consent(member)


# --- calls ---


def _call(play: Scene, path: str, **changed: Any) -> bytes:
    signer = SoftwareKey(ED25519, number("Bookkeeper"))
    values: dict[str, Any] = {
        "id": bytes(32),
        "partner": play.books.kid,
        "purpose": f"GET {path}",
        "carried": b"",
        "time": play.clock.now(),
        "nonce": play.fresh()[:16],
    }
    return sign(Call(**(values | changed)), play.world.system.network, signer).encode()


def _consents_path(play: Scene) -> str:
    return f"/v1/partners/{play.books.kid.hex()}/consents"


def test_a_call_is_taken_once(play: Scene) -> None:
    path = _consents_path(play)
    header = {CALL_HEADER: packed(_call(play, path))}
    assert play.gateway().get(path, header)
    with refused("E_PARTNER_REPLAY"):
        play.gateway().get(path, header)


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": "GET /v1/partners"},
        {"purpose": "POST everything"},
        {"time": 0},
    ],
)
def test_a_call_for_something_else_or_of_another_time_is_refused(
    play: Scene, changed: dict[str, Any]
) -> None:
    path = _consents_path(play)
    with refused("E_PARTNER_CALL"):
        play.gateway().get(path, {CALL_HEADER: packed(_call(play, path, **changed))})


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_call_too_far_from_the_clock_is_refused(play: Scene, seconds: int) -> None:
    path = _consents_path(play)
    header = {CALL_HEADER: packed(_call(play, path, time=play.clock.now() + seconds))}
    with refused("E_PARTNER_CALL"):
        play.gateway().get(path, header)


@pytest.mark.parametrize("text", ["", "!", "AAAA", "=", "kg"])
def test_a_header_that_is_no_call_is_refused(play: Scene, text: str) -> None:
    with pytest.raises(TengeError):
        play.gateway().get(_consents_path(play), {CALL_HEADER: text})


def test_a_call_signed_by_another_key_or_for_another_partner_is_refused(play: Scene) -> None:
    path, stranger = _consents_path(play), play.partner("Stranger")
    with refused("E_SIG"):
        play.gateway().get(path, {CALL_HEADER: packed(_call(play, path, partner=stranger.kid))})
    other = path.replace(play.books.kid.hex(), stranger.kid.hex())
    with refused("E_PARTNER_CALL"):
        play.gateway().get(other, {CALL_HEADER: packed(_call(play, other))})


def test_old_nonces_are_forgotten_only_when_their_calls_are_too_old(play: Scene) -> None:
    path = _consents_path(play)
    data = _call(play, path, time=play.clock.now() + 299)
    assert play.gateway().get(path, {CALL_HEADER: packed(data)})
    for _ in range(5):
        play.clock.advance(119)
        assert play.books.consents() is not None
        with pytest.raises(Refused, match="E_PARTNER_"):
            play.gateway().get(path, {CALL_HEADER: packed(data)})


def test_what_was_used_is_still_used_after_a_start(tmp_path: Path) -> None:
    with scene(folder=tmp_path) as first:
        path = _consents_path(first)
        header = {CALL_HEADER: packed(_call(first, path))}
        assert first.gateway().get(path, header)
        consent = first.consent(first.asel)
        order = first.ask(consent, (first.shop, 100))
    with scene(folder=tmp_path) as second:
        with refused("E_PARTNER_REPLAY"):
            second.gateway().get(path, header)
        assert second.books.order(bytes.fromhex(order["id"]))["state"] == "open"
        assert [one["id"] for one in second.holder(second.asel).orders()] == [order["id"]]
        assert second.holder(second.asel).consents()[0]["started_today_tiyn"] == 100
