"""The calling side of an institution: a transport that signs its calls (`cbdc.http.signed_calls`).

    gateway = HttpGateway(CallingTransport(SocketTransport(url), signer, "bank.example:8765"))
    gateway.get("/v1/participants/1/account")

Everything that goes to `/v1/participants/`, `/v1/offices/` and `/v1/metrics` is signed with a fresh nonce, everything
else goes as it is. The same body sent again is another call: that is what a client does when an answer was lost, or
when it hears E_CALL_REPLAY for a call that the network delivered twice.
"""

from collections.abc import Mapping

from cbdc.http.client import Reply, Transport
from cbdc.http.signed_calls import LIFETIME_SECONDS, Message, sign_call
from cbdc.keys import Signer
from cbdc.ports import Clock, Entropy, SystemClock, SystemEntropy

SIGNED_PATHS = ("/v1/participants/", "/v1/offices/", "/v1/metrics")


class CallingTransport:
    """A way to the institutions for one certified key; `authority` is the host (and port) that is asked."""

    def __init__(
        self,
        transport: Transport,
        signer: Signer,
        authority: str,
        real_clock: Clock | None = None,
        entropy: Entropy | None = None,
        lifetime_seconds: int = LIFETIME_SECONDS,
    ) -> None:
        self._transport = transport
        self._signer = signer
        self._authority = authority
        self._clock = real_clock or SystemClock()
        self._entropy = entropy or SystemEntropy()
        self._lifetime_seconds = lifetime_seconds
        self._calls = 0

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request, signed where an institution must sign; E_PEER_DOWN when no answer comes."""
        if not path.startswith(SIGNED_PATHS):
            return self._transport.request(method, path, headers, body)
        self._calls += 1
        question = self._signer.public.kid + self._calls.to_bytes(8, "big")
        nonce = self._entropy.bytes("call nonce", question, 16).hex()
        place, _, query = path.partition("?")
        sent = body if method == "POST" else None
        message = Message(method, self._authority, place, query, headers, sent)
        signed = sign_call(message, self._signer, nonce, self._clock.now(), self._lifetime_seconds)
        return self._transport.request(method, path, {**signed, "Host": self._authority}, body)
