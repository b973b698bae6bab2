"""The postman: a thread that delivers events to third parties, and never holds anybody up.

He takes what is due under the world's lock, lets go of it, delivers, and writes down under the lock what became of it.
The journal is read for payments received in small pieces. A receiver that is slow holds up its own deliveries and those
in the same small batch, and never a payment. Whatever a receiver answers is bounded: five seconds, 4 KiB, no redirects.
A kill at any point leaves a delivery in the queue; it is then made again, under the same id.
"""

import http.client
import ssl
import threading
from collections.abc import Callable
from typing import Protocol

from cbdc.errors import TengeError
from cbdc.http import addresses
from cbdc.http.partners import Desks
from cbdc.http.webhook import signed_headers
from cbdc.keys import Signer
from cbdc.partners.hooks import Delivery
from cbdc.ports import Clock
from wallets.site.hub import EVERYTHING
from wallets.site.world import World

TIMEOUT_SECONDS = 5
MOST_ANSWER_BYTES = 4_096
LOOK_SECONDS = 1
BATCH = 20


class Send(Protocol):
    """Makes one delivery: an empty text when the receiver said yes, otherwise what was wrong."""

    def __call__(self, url: str, headers: dict[str, str], body: bytes, public: bool) -> str:
        """Deliver `body` to `url`."""
        ...


def send(url: str, headers: dict[str, str], body: bytes, public: bool = False) -> str:
    """One POST to the very address that was judged; what was wrong, or an empty text. Never raises."""
    try:
        target = addresses.parse(url, public)
        address = addresses.resolve(target, public)
    except TengeError as refusal:
        return str(refusal.facts.get("problem", refusal.code))
    connection = _connection(target, address)
    shown = target.host if ":" not in target.host else f"[{target.host}]"
    try:
        connection.request(
            "POST", target.path, body, headers | {"Host": f"{shown}:{target.port}", "Connection": "close"}
        )
        answer = connection.getresponse()
        answer.read(MOST_ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"no answer: {type(error).__name__}"
    finally:
        connection.close()
    return "" if 200 <= answer.status < 300 else f"status {answer.status}"


def _connection(target: addresses.Target, address: str) -> http.client.HTTPConnection:
    if not target.secure:
        return http.client.HTTPConnection(address, target.port, timeout=TIMEOUT_SECONDS)
    return _Secure(target.host, address, target.port)


class _Secure(http.client.HTTPSConnection):
    """TLS to a judged address under the name that the certificate must have."""

    def __init__(self, host: str, address: str, port: int) -> None:
        self._address = address
        self._checked = ssl.create_default_context()
        super().__init__(host, port, timeout=TIMEOUT_SECONDS, context=self._checked)

    def connect(self) -> None:
        plain = http.client.HTTPConnection(self._address, self.port, timeout=TIMEOUT_SECONDS)
        plain.connect()
        assert plain.sock is not None
        self.sock = self._checked.wrap_socket(plain.sock, server_hostname=self.host)


class Postman:
    """`present()` gives the desks of the present act and the key that signs; `send` makes a delivery."""

    def __init__(
        self,
        world: World,
        present: Callable[[], tuple[Desks, Signer]],
        real_clock: Clock,
        send: Send = send,
    ) -> None:
        self._world = world
        self._present = present
        self._clock = real_clock
        self._send = send
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin the round in a thread of its own."""
        self._thread = threading.Thread(target=self._go, name="postman", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the round; what is not delivered stays in the queue."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * TIMEOUT_SECONDS)

    def _go(self) -> None:
        subscriber = self._world.hub.subscribe(EVERYTHING)
        try:
            while not self._stopping.is_set() and not subscriber.closed:
                self.go_round()
                subscriber.wait(LOOK_SECONDS)
        finally:
            self._world.hub.leave(subscriber)

    def go_round(self) -> int:
        """Read the journal's news, then deliver what is due; how many deliveries were tried."""
        more = True
        while more and not self._stopping.is_set():
            with self._world.lock:  # let go between the pieces, so that payments go on
                desks, _ = self._present()
                more = desks.hooks.read_journal(desks.ledger, desks.partners)
        with self._world.lock:
            desks, signer = self._present()
            due = desks.hooks.due(BATCH)
        for delivery in due:
            if self._stopping.is_set():
                break
            self._deliver(desks, signer, delivery)
        return len(due)

    def _deliver(self, desks: Desks, signer: Signer, delivery: Delivery) -> None:
        body = delivery.body.encode()
        headers = signed_headers(delivery.url, body, delivery.id, self._clock.now(), signer)
        problem = self._send(delivery.url, headers, body, desks.public)
        with self._world.lock:
            if self._present()[0] is not desks:
                return  # another act began meanwhile; its queue is another one
            if problem:
                desks.hooks.failed(delivery, problem)
            else:
                desks.hooks.delivered(delivery)
