"""Loads that are not their device owner's, or that no notes can be made of: never notes, always refunded."""

from typing import Any

import pytest

from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Refused, Unavailable
from cbdc.token import MERCHANT, KeyLock, Token
from cbdc.transaction import LoadOffline
from offline.escrow import Load
from tests.cbdc.world import DAY
from tests.offline.centre import CLOSE_DAYS, Centre
from tests.offline.desk import Desk


def _desk() -> Desk:
    desk = Desk()
    desk.join("ayan")
    desk.join("shop", category=MERCHANT)
    desk.register("mallory", tier=2)
    return desk


def _load(desk: Desk, who: str, device: bytes, number: int, amount_tiyn: int, *beside: str) -> None:
    desk.fund((who, amount_tiyn))
    inputs = tuple(identity for identity, _ in desk.funds(who, b""))
    record = LoadOffline(desk.nonce(), inputs, (desk.token("escrow", amount_tiyn),), device, number)
    desk.do(record, who, *beside)


def _close(desk: Desk) -> None:
    desk.clock.advance((CLOSE_DAYS + 1) * DAY)
    desk.centre.tick()


@pytest.mark.parametrize("number", [1, 2, MAX_INTEGER])
def test_a_strangers_load_is_refunded_to_the_stranger(number: int) -> None:
    desk = _desk()
    kid = desk.people["ayan"].kid
    _load(desk, "mallory", kid, number, 700)
    assert list(desk.centre.notes(kid)) == []
    desk.take_offline("ayan", 5_000)
    desk.take_offline("ayan", 1_000)
    assert desk.purse("ayan") == 6_000
    assert desk.centre.reconciler.totals().escrow_tiyn == 6_700
    desk.open_centre().reconciler.totals()
    _close(desk)
    assert (desk.wallet("mallory"), desk.wallet("ayan")) == (700, 6_000)
    assert desk.open_centre().reconciler.totals().escrow_tiyn == 0


def test_who_signs_beside_the_loader_owns_nothing_of_it() -> None:
    desk = _desk()
    kid = desk.people["ayan"].kid
    _load(desk, "mallory", kid, 1, 700, "ayan")
    _load(desk, "ayan", kid, 1, 900, "mallory")
    assert [load.loader for load in desk.centre.reconciler.loads_of(kid)] == [
        desk.kid("mallory"),
        desk.kid("ayan"),
    ]
    assert [note.record.amount_tiyn for note in desk.centre.notes(kid)] == [900]


def test_a_strangers_load_stays_one_though_the_device_is_enrolled_for_the_stranger_later() -> None:
    desk = _desk()
    kid = desk.bare("mallory").public_key.kid
    _load(desk, "mallory", kid, 1, 700)
    desk.centre.tick()
    enrol = desk.bare("mallory").enrol(desk.network, 1, desk.centre.challenge(1, b"mallory"))
    assert desk.centre.enrol(enrol, desk.word(enrol, "mallory")).record.kid == kid
    assert list(desk.centre.notes(kid)) == []
    again = desk.open_centre()
    again.tick()
    _close(desk)
    assert desk.wallet("mallory") == 700
    assert desk.open_centre().reconciler.totals().escrow_tiyn == 0


def test_an_owner_whose_key_was_replaced_still_owns_its_loads() -> None:
    desk = _desk()
    kid = desk.people["ayan"].kid
    desk.take_offline("ayan", 700)
    before = list(desk.centre.notes(kid))
    desk.rotate("ayan", "ayan.2")
    assert desk.centre.account_of(kid) == desk.kid("ayan.2")
    _load(desk, "ayan.2", kid, 2, 300)
    _load(desk, "mallory", kid, 3, 100)
    desk.rotate("mallory", "mallory.2")
    assert [note.record.amount_tiyn for note in desk.centre.notes(kid)] == [700, 300]
    assert list(desk.centre.notes(kid))[:1] == before
    assert desk.open_centre().notes(kid) == desk.centre.notes(kid)
    _close(desk)
    assert (desk.wallet("ayan.2"), desk.wallet("mallory.2")) == (1_000, 100)
    enrol = desk.bare("other").enrol(desk.network, 1, desk.centre.challenge(1, b"other"))
    with pytest.raises(Refused) as caught:
        desk.centre.enrol(enrol, desk.word(enrol, "ayan"))
    assert caught.value.code == "E_KEY_RETIRED"


def test_numbers_beyond_the_field_become_a_refund_not_an_error() -> None:
    centre = Centre()
    tokens = tuple(Token(amount, KeyLock(centre.kid("escrow"))) for amount in (1, 2))
    load = Load(5, centre.clock.now(), bytes(32), MAX_INTEGER, centre.kid("ayan"), tokens)
    assert centre.issuer.notes(load) == []
    registry = centre.issuer.registry(load)
    assert [(note.record.owner, note.record.amount_tiyn) for note in registry] == [
        (centre.kid("ayan"), 1),
        (centre.kid("ayan"), 2),
    ]
    assert len({note.oid for note in registry}) == 2


def test_a_load_is_new_until_its_notes_are_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    centre = Centre()
    centre.device("ayan")
    registry, failures = centre.reconciler._registry, [1]

    def flaky(load: Load) -> Any:
        if failures:
            failures.pop()
            raise Unavailable("E_STORE_UNAVAILABLE", detail="once")
        return registry(load)

    monkeypatch.setattr(centre.reconciler, "_registry", flaky)
    centre.load_notes("ayan", 500, 200)
    with pytest.raises(Unavailable):
        centre.reconciler.tick()
    assert centre.reconciler.totals().notes_tiyn == 700


class Stubborn:
    """Recourse that cannot be had at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked: list[tuple[str, int, bytes]] = []

    def collect(self, kid: bytes, party: str, amount_tiyn: int, fact: bytes) -> int:
        """All of it, once the failures are used up."""
        self.asked.append((party, amount_tiyn, fact))
        if self.failures:
            self.failures -= 1
            raise Unavailable("E_STORE_UNAVAILABLE", detail="not now")
        return amount_tiyn


def test_recourse_that_fails_holds_its_case_and_is_asked_the_same_again() -> None:
    recourse = Stubborn(2)
    centre = Centre(reserve_tiyn=10_000, recourse=recourse)
    cheat, bota, shop = (centre.device(name) for name in ("cheat", "bota", "shop"))
    (note,) = centre.load_notes("cheat", 1_000)
    honest = centre.load_notes("bota", 300)
    first, second = centre.spend(note, 0, bota, 1_000), centre.spend(note, 0, shop, 1_000)
    centre.hand_in(note, first, second, *honest)
    centre.close()
    assert centre.wallet("bota") == 1_300
    assert centre.reconciler.borne(cheat.kid).owner_tiyn == 0
    centre.reconciler.tick()
    centre.reconciler.tick()
    assert centre.reconciler.borne(cheat.kid).owner_tiyn == 1_000
    assert len(recourse.asked) == 3
    assert len(set(recourse.asked)) == 1
    centre.reconciler.tick()
    assert len(recourse.asked) == 3
