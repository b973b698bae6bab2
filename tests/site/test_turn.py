"""One thing at a time: a slow sender holds up nobody, and a request that a reset overtook is told to come again."""

import http.client
import socket
import threading

from cbdc.http.client import WsgiTransport
from tests.site.phone import Phone
from tests.site.test_wallet_story import joined
from tests.site.visitor import opened
from wallets.site.hub import Subscriber
from wallets.site.serving import QUIET_SECONDS, running
from wallets.site.whole import Whole

HEAD = (
    b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Length: 100\r\n\r\nslow"
)


def test_a_body_that_never_ends_holds_up_nobody() -> None:
    with opened() as whole, running(whole, "127.0.0.1", 0) as port:
        slow = socket.create_connection(("127.0.0.1", port), timeout=5)
        slow.sendall(HEAD)
        # The server waits for the rest longer than we wait for everybody else.
        assert QUIET_SECONDS > 10
        for path in ("/v1/health", "/v1/supply", "/sign-in/bank"):
            other = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            other.request("GET", path)
            assert other.getresponse().status == 200
            other.close()
        slow.close()


def test_requests_take_turns_with_the_rest_of_the_world() -> None:
    with opened() as whole:
        answered: list[int] = []

        def ask() -> None:
            answered.append(WsgiTransport(whole).request("GET", "/v1/supply", {}, b"").status)

        with whole.world.lock:
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join(timeout=0.3)
            assert (answered, thread.is_alive()) == ([], True)
        thread.join(timeout=120)
        assert answered == [200]


def test_a_request_that_a_reset_overtook_is_told_to_come_again() -> None:
    with opened() as whole:
        before = whole._interface
        whole.world.reset()
        reply = WsgiTransport(before).request("GET", "/v1/supply", {}, b"")
        assert (reply.status, b"E_STORE_UNAVAILABLE" in reply.body) == (503, True)
        # Its turn was given back: somebody else, in a thread of its own, gets one.
        answered: list[int] = []

        def ask() -> None:
            answered.append(WsgiTransport(whole).request("GET", "/v1/supply", {}, b"").status)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(timeout=120)
        assert answered == [200]


def _news(whole: Whole, phone: Phone) -> Subscriber:
    subscriber = whole.world.hub.subscribe(phone.kid)
    subscriber.wait(0)
    return subscriber


def test_news_go_to_those_whom_an_entry_concerns() -> None:
    with opened() as whole:
        payer, payee, other = (
            joined(whole, WsgiTransport(whole), one) for one in ("aigerim", "dana", "bolat")
        )
        payer.fund(1_000)
        waiting = {phone.name: _news(whole, phone) for phone in (payer, payee, other)}
        receipt = payer.pay(payee.kid, 10)
        assert waiting["aigerim"].wait(0) == waiting["dana"].wait(0) == receipt.index + 1
        assert waiting["bolat"].wait(0) is None
        payer.gateway.supply()
        payer.account.limits()
        assert [one.wait(0) for one in waiting.values()] == [None, None, None]


def test_what_a_read_books_is_news_too() -> None:
    """A device's notes are asked for with a GET, which books what is due; nobody may have to wait for the next POST."""
    with opened() as whole:
        phone = joined(whole, WsgiTransport(whole), "aigerim")
        whole.world.sandbox.issue(1, bank="alatau")
        assert whole.world.has_news
        phone.gateway.supply()
        assert not whole.world.has_news
