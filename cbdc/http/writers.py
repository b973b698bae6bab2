"""The writers that a front end knows: signed calls to the present one, and the next one when it is gone.

Exactly one of the list writes at a time (the store's epoch sees to that: `docs/decisions/0029`); which one is found out
by asking. A writer that is away, that was fenced, that drains or that lost its store is left for the next; one that is
full is asked again. The same body may be sent as often as one likes: its transactions have ids.

Rules kept here: everything is bounded by `patience_seconds`, and waits grow from try to try; when patience is over
E_WRITER_AWAY says so, and that nobody knows whether what was sent stands; E_BUSY is only passed on when no try before
it may have done something; a writer that knows us and says no is not asked again (E_WRITER_REFUSES).
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Event, Lock
from urllib.parse import urlsplit

from cbdc.errors import TengeError, Unavailable
from cbdc.http import wire
from cbdc.http.client import Reply, SocketTransport, Transport
from cbdc.http.signed_calls import Message, sign_call
from cbdc.keys import Signer
from cbdc.ports import Clock, Entropy, stopwatch

PATIENCE_SECONDS = 20
READ_SECONDS = 5
ANSWER_SECONDS = 10
LIFETIME_SECONDS = 60
_PRINTED = re.compile(r"[!-~]{1,300}", re.ASCII)
_FIRST_WAIT_SECONDS, _MOST_WAIT_SECONDS = 0.02, 0.5
_AGAIN = frozenset({"E_CALL_REPLAY", "E_CALL_EXPIRED", "E_HTTP_RATE"})
"""Refusals that a fresh signature or a moment's wait changes; so does whatever is unavailable."""

_FULL = frozenset({"E_BUSY", "E_BUSY_BYTES"})
_NOTHING_DONE = _FULL | frozenset({"E_CALL_EXPIRED", "E_HTTP_RATE", "E_PIPELINE_CLOSED", "E_DRAINING"})


def transport_to(url: str) -> Transport:
    """A way to the writer at `url`; E_PEER_DOWN for an address that is none.

    It is a scheme, a host and perhaps a port: the host is what a call is signed for, and the address stands in answers,
    so a path would be asked for and not signed, and a password would be told.
    """
    problem = "not an http or https address"
    with suppress(ValueError):
        parts = urlsplit(url)
        if (
            parts.scheme in ("http", "https")
            and parts.hostname
            and parts.port != 0
            and _PRINTED.fullmatch(url)
        ):
            problem = ""
            if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
                problem = "an address has a host and a port, and nothing else"
    if problem:
        raise Unavailable("E_PEER_DOWN", address="(--writer)", detail=problem)
    return SocketTransport(url, ANSWER_SECONDS, ANSWER_SECONDS)


class Writers:
    """The list, and who of it is asked now. `signer` is the front's certified key."""

    def __init__(
        self,
        ways: Sequence[tuple[str, Transport]],
        signer: Signer,
        real_clock: Clock,
        entropy: Entropy,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        assert ways
        self._ways = list(ways)
        self._signer = signer
        self._clock = real_clock
        self._entropy = entropy
        self._patience_seconds = patience_seconds
        self._lock = Lock()
        self._place = 0
        self._calls = 0
        self.moved = 0
        """How often another writer was tried."""

    @property
    def present(self) -> str:
        """The address that is asked now."""
        return self._ways[self._place][0]

    def call(self, path: str, body: bytes) -> object:
        """The JSON that a writer answers to a signed call; E_WRITER_AWAY, E_WRITER_REFUSES, E_BUSY."""
        until, wait_seconds, unknown = stopwatch() + self._patience_seconds, _FIRST_WAIT_SECONDS, False
        while True:
            place = self._place
            failure = self._try(place, path, body)
            if not isinstance(failure, TengeError):
                return failure
            busy = failure.code in _FULL
            unknown = unknown or failure.code not in _NOTHING_DONE
            if stopwatch() > until:
                if busy and not unknown:
                    raise failure
                raise Unavailable("E_WRITER_AWAY", writers=len(self._ways), problem=failure.code)
            if not busy:
                self._leave(place)
            Event().wait(wait_seconds)
            wait_seconds = min(2 * wait_seconds, _MOST_WAIT_SECONDS)

    def read(self, path: str, headers: Mapping[str, str]) -> Reply:
        """What a writer answers to a GET, whatever it is; E_WRITER_AWAY when none does."""
        until, code = stopwatch() + min(READ_SECONDS, self._patience_seconds), ""
        while True:
            place = self._place
            try:
                reply = self._ways[place][1].request("GET", path, headers, b"")
                if reply.status < 500:
                    return reply
                code = str(reply.status)
            except Unavailable as failure:
                code = failure.code
            self._leave(place)
            if stopwatch() > until:
                raise Unavailable("E_WRITER_AWAY", writers=len(self._ways), problem=code)
            Event().wait(_FIRST_WAIT_SECONDS * 4)

    def is_ready(self) -> bool:
        """Whether a writer says that it is ready: each is asked once, from the present one on, and that one is kept.

        A front without work finds a new writer by this, or nobody would ever give it work again.
        """
        for _ in self._ways:
            place = self._place
            try:
                if self._ways[place][1].request("GET", "/v1/ready", {}, b"").status == 200:
                    return True
            except Unavailable:
                pass
            self._leave(place)
        return False

    def _try(self, place: int, path: str, body: bytes) -> object:
        """One try: the JSON, or why another one may help; E_WRITER_REFUSES when none would."""
        address, way = self._ways[place]
        try:
            reply = way.request("POST", path, self._signed(urlsplit(address).netloc, path, body), body)
            value = wire.parse_json(reply.body)
        except Unavailable as failure:
            return failure
        if reply.status == 200:
            return value
        refusal = wire.read_problem(value)
        if isinstance(refusal, Unavailable) or refusal.code in _AGAIN:
            return refusal
        raise Unavailable("E_WRITER_REFUSES", writer=address, problem=refusal.code)

    def _signed(self, authority: str, path: str, body: bytes) -> Mapping[str, str]:
        with self._lock:
            self._calls += 1
            question = self._signer.public.kid + self._calls.to_bytes(8, "big")
        nonce = self._entropy.bytes("front call", question, 16).hex()
        message = Message("POST", authority, path, "", {"Content-Type": wire.CANONICAL}, body)
        signed = sign_call(message, self._signer, nonce, self._clock.now(), LIFETIME_SECONDS)
        return {**signed, "Host": authority}

    def _leave(self, place: int) -> None:
        """Ask the next one, unless somebody else has moved on already."""
        with self._lock:
            if self._place == place:
                self._place = (place + 1) % len(self._ways)
                self.moved += 1
