"""The event hub and the server-sent events: whom news reaches, that nobody is kept, and that a stop lets all go."""

import threading

import pytest

from cbdc.errors import Unavailable
from cbdc.money import tenge
from tests.site.visitor import BASE, Visitor, opened
from wallets.desk import derived
from wallets.site import hub as hubs
from wallets.site.hub import EVERYTHING, Hub
from wallets.site.world import touched

MINE, THEIRS = b"\1" * 32, b"\2" * 32


def test_news_reaches_the_holder_and_the_consoles_and_nobody_else() -> None:
    hub = Hub()
    mine, theirs, console = hub.subscribe(MINE), hub.subscribe(THEIRS), hub.subscribe(EVERYTHING)
    hub.tell([MINE], 12)
    assert mine.wait(0) == 12
    assert console.wait(0) == 12
    assert theirs.wait(0) is None
    assert mine.wait(0) is None


def test_later_news_takes_the_place_of_earlier_news() -> None:
    hub = Hub()
    one = hub.subscribe(MINE)
    for number in range(5):
        hub.tell([MINE], number)
    assert one.wait(0) == 4
    assert one.wait(0) is None


def test_a_full_hub_refuses_and_has_room_again_when_somebody_leaves() -> None:
    hub = Hub(most=2)
    first, _ = hub.subscribe(MINE), hub.subscribe(MINE)
    with pytest.raises(Unavailable) as refused:
        hub.subscribe(THEIRS)
    assert refused.value.code == "E_SITE_LISTENERS"
    hub.leave(first)
    hub.leave(first)
    assert hub.subscribe(THEIRS)
    with pytest.raises(Unavailable):
        hub.subscribe(THEIRS)


def test_a_stream_begins_with_how_things_are_beats_and_ends_with_the_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "BEAT_SECONDS", 0)
    hub = Hub()
    one = hub.subscribe(MINE)
    stream = hub.stream(one, 7)
    assert next(stream) == "retry: 2000\nevent: changed\ndata: 7\n\n"
    assert next(stream) == ": still here\n\n"
    hub.tell([MINE], 8)
    assert next(stream) == "event: changed\ndata: 8\n\n"
    hub.close()
    assert list(stream) == []
    with pytest.raises(Unavailable):
        hub.subscribe(MINE)


def test_a_payment_wakes_payer_and_payee_and_not_the_bystander() -> None:
    with opened() as whole:
        world = whole.world
        payer, bystander, payee = world.neighbours[0], world.neighbours[1], world.neighbours[3]
        waiting = [world.hub.subscribe(member.wallet.kid) for member in (payer, payee, bystander)]
        with world.doing():
            world.sandbox.pay([(payer, payee, tenge(100))], b"", derived("a payment of the test"))
        size = world.system.ledger.size
        assert [one.wait(0) for one in waiting] == [size, size, None]
        assert touched(world.system, size - 1) == {payer.wallet.kid, payee.wallet.kid}
        assert touched(world.system, 0) == set()


def test_a_wallet_listens_over_http() -> None:
    with opened() as whole:
        kid = whole.world.neighbours[0].wallet.kid
        answer = Visitor(whole).client.get(f"/v1/wallets/{kid.hex()}/events", base_url=BASE)
        assert answer.mimetype == "text/event-stream"
        stream = iter(answer.response)
        assert b"event: changed" in next(stream)
        told: list[bytes] = []
        listener = threading.Thread(target=lambda: told.append(next(stream)))
        listener.start()
        whole.world.hub.tell([kid], 99)
        listener.join(timeout=120)
        assert told == [b"event: changed\ndata: 99\n\n"]
        answer.close()
        assert whole.world.hub.subscribe(kid)


@pytest.mark.parametrize("kid", ["x", "ab", "zz" * 32, "ab" * 33])
def test_what_is_no_key_cannot_listen(kid: str) -> None:
    with opened() as whole:
        answer = Visitor(whole).get(f"/v1/wallets/{kid}/events")
        assert answer.status_code in (400, 404)


def test_the_consoles_news_need_a_seat() -> None:
    with opened() as whole:
        visitor = Visitor(whole)
        assert visitor.get("/bank/events").status_code == 303
        visitor.signed_in("clerk-1")
        answer = visitor.client.get("/bank/events", base_url=BASE)
        assert b"event: changed" in next(iter(answer.response))
        answer.close()
