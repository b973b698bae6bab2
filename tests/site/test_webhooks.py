"""Events delivered to a real receiver on this machine: one that fails, is late, redirects, is away, hears twice."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Refused
from cbdc.http.webhook import Receiver
from cbdc.partners import hooks
from cbdc.partners.hooks import WAITS_SECONDS, received
from cbdc.partners.records import EVENTS
from tests.site.partner_world import DAY, Scene, number, refused, scene
from wallets.site import postman
from wallets.site.postman import send

WAIT = 60


class Shop:
    """A receiver: `answers` are the statuses to come (the last stays); `events` what it believed."""

    def __init__(self) -> None:
        self.answers: list[int] = [204]
        self.events: list[dict[str, Any]] = []
        self.refusals: list[str] = []
        self.requests = 0
        self.receiver: Receiver | None = None
        self.hold = threading.Event()
        self.arrived = threading.Event()
        self.lock = threading.Lock()
        self.hold.set()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                shop.requests += 1
                shop.arrived.set()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shop.hold.wait(WAIT)
                with shop.lock:
                    status = shop.take(dict(self.headers.items()), body)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{shop.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/events"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status == 204 and self.receiver is not None:
            try:
                event = self.receiver.take("POST", headers, body)
            except Refused as refusal:
                self.refusals.append(str(refusal))
                return 401
            if event is not None:
                self.events.append(event)
        return status

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def shop() -> Iterator[Shop]:
    one = Shop()
    yield one
    one.close()


@contextmanager
def watched(shop: Shop, folder: Path | None = None) -> Iterator[Scene]:
    with scene(folder=folder) as play:
        shop.receiver = Receiver(shop.url, play.books.webhook_key(), play.clock)
        round_of(play)()
        yield play


def round_of(play: Scene) -> Callable[[], int]:
    return play.whole.partners.postman.go_round


def test_events_of_a_payment_and_a_revocation_arrive(shop: Shop) -> None:
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, EVENTS)
        mine, theirs = play.consent(play.asel), play.consent(play.shop)
        paid = play.pay(play.asel, play.ask(mine, (play.shop, 70_00)))
        play.holder(play.asel).revoke(mine)
        assert round_of(play)() == 3
        told = {event["event"]: event["data"] for event in shop.events}
        assert set(told) == set(EVENTS)
        assert told["order.paid"]["transaction_id"] == paid["receipt"]["transaction_id"]
        assert told["consent.revoked"]["consent"] == mine.hex()
        assert told["payment.received"]["amount_tiyn"] == 70_00
        assert told["payment.received"]["kid"] == play.shop.wallet.kid.hex()
        assert play.books.balance(theirs)
        assert round_of(play)() == 0
        assert shop.refusals == []


def test_only_wanted_events_of_watched_keys_are_told(shop: Shop) -> None:
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("payment.received",))
        mine = play.consent(play.asel)
        play.consent(play.timur, scopes=("balance",))
        play.pay(play.asel, play.ask(mine, (play.timur, 70_00)))
        assert round_of(play)() == 0
        play.consent(play.timur, scopes=("history",))
        play.pay(play.asel, play.ask(mine, (play.timur, 30_00), (play.shop, 10_00)))
        assert round_of(play)() == 1
        assert [event["data"]["amount_tiyn"] for event in shop.events] == [30_00]


def test_an_attempt_that_failed_is_made_again_after_growing_waits(shop: Shop) -> None:
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("consent.revoked",))
        consent = play.consent(play.asel)
        play.holder(play.asel).revoke(consent)
        shop.answers = [500, 503, 204]
        go = round_of(play)
        assert (go(), go()) == (1, 0)
        waiting = play.books.events()["waiting"]
        assert [(one["attempts"], one["problem"]) for one in waiting] == [(1, "status 500")]
        play.clock.advance(WAITS_SECONDS[0] - 1)
        assert go() == 0
        play.clock.advance(1)
        assert go() == 1
        play.clock.advance(WAITS_SECONDS[1])
        assert go() == 1
        assert [event["data"]["consent"] for event in shop.events] == [consent.hex()]
        assert play.books.events()["waiting"] == []


def test_after_the_last_attempt_it_is_a_dead_letter_that_can_be_sent_again(shop: Shop) -> None:
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("consent.revoked",))
        play.holder(play.asel).revoke(play.consent(play.asel))
        shop.answers = [500]
        go, tried = round_of(play), 0
        for _ in range(len(WAITS_SECONDS) + 3):
            tried += go()
            play.clock.advance(max(WAITS_SECONDS))
        assert tried == len(WAITS_SECONDS) + 1
        events = play.books.events()
        assert events["waiting"] == []
        assert [one["problem"] for one in events["dead"]] == ["status 500"]
        letter = bytes.fromhex(events["dead"][0]["id"])
        with refused("E_HOOK_UNKNOWN"):
            play.partner("Stranger").deliver_again(play.fresh(), letter)
        shop.answers = [204]
        play.books.deliver_again(play.fresh(), letter)
        assert go() == 1
        assert len(shop.events) == 1
        assert play.books.events()["dead"] == []


def test_a_redirect_is_not_followed(shop: Shop) -> None:
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("consent.revoked",))
        play.holder(play.asel).revoke(play.consent(play.asel))
        shop.answers = [302]
        round_of(play)()
        assert shop.requests == 1
        assert play.books.events()["waiting"][0]["problem"] == "status 302"


def test_a_receiver_that_is_late_or_away_is_tried_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postman, "TIMEOUT_SECONDS", 0.2)
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("consent.revoked",))
        play.books.add_webhook(play.fresh(), "http://127.0.0.1:1/", ("consent.revoked",))
        play.holder(play.asel).revoke(play.consent(play.asel))
        shop.hold.clear()
        go = round_of(play)
        assert go() == 2
        problems = sorted(one["problem"] for one in play.books.events()["waiting"])
        assert problems == ["no answer: ConnectionRefusedError", "no answer: TimeoutError"]
        monkeypatch.setattr(postman, "TIMEOUT_SECONDS", WAIT)
        shop.hold.set()
        play.clock.advance(WAITS_SECONDS[0])
        assert go() == 2
        # The late answer was a yes that nobody heard: the same event came twice and counts once.
        assert len(shop.events) == 1


def test_a_payment_goes_on_while_a_receiver_is_slow(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postman, "TIMEOUT_SECONDS", WAIT)
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("order.paid",))
        consent = play.consent(play.asel)
        shop.hold.clear()
        play.pay(play.asel, play.ask(consent, (play.shop, 10_00)))
        thread = threading.Thread(target=round_of(play))
        thread.start()
        assert shop.arrived.wait(WAIT)
        assert thread.is_alive()
        assert play.pay(play.asel, play.ask(consent, (play.shop, 20_00)))["order"]["state"] == "paid"
        shop.hold.set()
        thread.join()
        assert round_of(play)() == 1
        assert len(shop.events) == 2


def test_the_queue_and_the_place_in_the_journal_survive_a_start(shop: Shop, tmp_path: Path) -> None:
    with watched(shop, tmp_path) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("order.paid", "payment.received"))
        play.consent(play.shop)
        play.pay(play.asel, play.ask(play.consent(play.asel), (play.shop, 10_00)))
    with scene(folder=tmp_path) as later:
        assert shop.receiver is not None
        assert round_of(later)() == 2
        assert sorted(event["event"] for event in shop.events) == ["order.paid", "payment.received"]
        assert round_of(later)() == 0
    with scene(folder=tmp_path) as last:
        assert round_of(last)() == 0
    assert len(shop.events) == 2


def test_a_removed_address_hears_nothing_more(shop: Shop) -> None:
    with watched(shop) as play:
        hook = play.books.add_webhook(play.fresh(), shop.url, EVENTS)
        play.holder(play.asel).revoke(play.consent(play.asel))
        with refused("E_HOOK_UNKNOWN"):
            play.partner("Stranger").remove_webhook(play.fresh(), bytes.fromhex(hook["id"]))
        play.books.remove_webhook(play.fresh(), bytes.fromhex(hook["id"]))
        assert round_of(play)() == 0
        assert play.books.events() == {"hooks": [], "waiting": [], "dead": []}
        assert shop.requests == 0


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://8.8.8.8/", "http://u:p@127.0.0.1/", "gopher://127.0.0.1/"]
)
def test_addresses_outside_are_refused_at_once(url: str) -> None:
    with scene() as play, refused("E_HOOK_URL"):
        play.books.add_webhook(play.fresh(), url, EVENTS)


def test_a_third_party_has_so_many_addresses_and_no_more() -> None:
    with scene() as play:
        for place in range(10):
            play.books.add_webhook(number(f"hook {place}"), f"http://127.0.0.1:9/{place}", EVENTS)
        with refused("E_PARTNER_MANY"):
            play.books.add_webhook(play.fresh(), "http://127.0.0.1:9/", EVENTS)
        again = play.books.add_webhook(number("hook 0"), "http://127.0.0.1:9/0", EVENTS)
        assert len(play.books.events()["hooks"]) == 10
        assert again in play.books.events()["hooks"]


def test_another_act_has_a_queue_of_its_own(shop: Shop) -> None:
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("consent.revoked",))
        play.holder(play.asel).revoke(play.consent(play.asel))
        play.world.reset()
        assert round_of(play)() == 0
        assert shop.requests == 0


def test_the_thread_delivers_and_ends(shop: Shop) -> None:
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("consent.revoked",))
        play.whole.partners.start()
        consent = play.consent(play.asel)
        play.holder(play.asel).revoke(consent)
        for _ in range(20 * WAIT):
            if shop.events:
                break
            shop_wait.wait(0.05)
        play.whole.partners.close()
        assert [event["data"]["consent"] for event in shop.events] == [consent.hex()]


shop_wait = threading.Event()


def test_what_is_sent_to_a_name_goes_to_a_judged_address(shop: Shop) -> None:
    assert send(f"http://localhost:{shop.port}/events", {}, b"{}") == ""
    assert "allowed" in send("http://8.8.8.8/", {}, b"{}")
    assert send(f"https://127.0.0.1:{shop.port}/", {}, b"{}").startswith("no answer")


def test_change_is_nothing_received() -> None:
    with scene() as play:
        consent = play.consent(play.asel)
        play.clock.advance(DAY)
        play.pay(play.asel, play.ask(consent, (play.shop, 10_00)))
        ledger = play.world.system.ledger
        assert received(ledger, ledger.size - 1) == {play.shop.wallet.kid: 10_00}


def test_a_long_journal_is_read_in_pieces(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "READ_ENTRIES", 2)
    with watched(shop) as play:
        play.books.add_webhook(play.fresh(), shop.url, ("payment.received",))
        play.consent(play.shop)
        consent = play.consent(play.asel)
        for _ in range(5):
            play.pay(play.asel, play.ask(consent, (play.shop, 10_00)))
        assert round_of(play)() == 5
        assert [event["data"]["amount_tiyn"] for event in shop.events] == [10_00] * 5
