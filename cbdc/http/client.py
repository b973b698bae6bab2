"""The institutions behind HTTP, as the gateways that wallets know.

`HttpGateway` fits `cbdc.gateway.Gateway` and `HttpBank` fits `BankGateway`, over a transport: a socket
(`SocketTransport`), or the web application itself without any network (`WsgiTransport`: tests, one-process
sandboxes). What goes wrong on the way is E_PEER_DOWN, what cannot be understood E_PEER_ANSWER, and every refusal comes
back as the very error the institutions raised. Nothing is repeated here: ids make repeating safe, and the caller's.

The client believes no answer: receipts carry signed heads, and who needs certainty verifies them.
"""

import http.client
import io
import socket
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

from cbdc import canonical
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.http import wire
from cbdc.keys import Signer
from cbdc.ledger.entry import LogHead, Receipt
from cbdc.ledger.ledger import Inclusion, Supply
from cbdc.ledger.state import RegisteredKey
from cbdc.orders import FundOrder, HolderProof
from cbdc.ports import Clock, Entropy, SystemClock, SystemEntropy, stopwatch
from cbdc.record import Signed, sign
from cbdc.token import Token, TokenId
from cbdc.transaction import MAX_TRANSACTION_BYTES

MAX_ANSWER_BYTES = 1 << 25
"""No answer is read further than this: a server that never ends one is no server of ours. An assumption."""

SignerOf = Callable[[bytes], Signer | None]


class Reply(NamedTuple):
    """What came back: the status and the body."""

    status: int
    body: bytes


class Transport(Protocol):
    """A way to the institutions."""

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request; E_PEER_DOWN when no answer comes."""
        ...


class WsgiTransport:
    """Straight into a WSGI application, in this process."""

    def __init__(self, application: Callable[..., Any], address: str = "127.0.0.1") -> None:
        self._application = application
        self._address = address

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One call of the application."""
        name, _, query = path.partition("?")
        environ: dict[str, object] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": urllib.parse.unquote(name, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self._address,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for header, value in headers.items():
            key = header.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        answered: list[str] = []

        def start_response(status: str, answer_headers: object, exc_info: object = None) -> object:
            answered.append(status)
            return lambda data: None

        chunks = self._application(environ, start_response)
        try:
            data = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return Reply(int(answered[-1].split(" ", 1)[0]), data)


class _Until:
    """A socket as the reader of an answer knows it: nothing is read from it after a moment."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until

    def makefile(self, mode: str) -> io.BufferedReader:
        """The answer's bytes; `TimeoutError` when the moment has come."""
        assert mode == "rb"
        return io.BufferedReader(_Reader(self._sock, self._until))


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until
        # The connection closes its socket as soon as it has read the headers; this keeps it open.
        self._raw: Any = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - stopwatch()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(min(left, self._sock.gettimeout() or left))
        got: int | None = self._raw.readinto(buffer)
        return got

    def close(self) -> None:
        self._raw.close()
        super().close()


def _bound(connection: http.client.HTTPConnection, until: float) -> None:
    """Let nothing of a connection's answer be read after this moment of the stopwatch."""

    class Bounded(http.client.HTTPResponse):
        def __init__(self, sock: Any, *more: Any, **named: Any) -> None:
            super().__init__(cast(socket.socket, _Until(sock, until)), *more, **named)

    connection.response_class = Bounded


class SocketTransport:
    """A server at `url` (http or https), one connection for each request."""

    def __init__(self, url: str, timeout_seconds: int = 10, in_all_seconds: float | None = None) -> None:
        """`timeout_seconds` bounds each silence, `in_all_seconds` an answer however it drips (None: nothing does).

        Raises E_PEER_DOWN for an address that is none.
        """
        try:
            parts = urllib.parse.urlsplit(url)
        except ValueError:
            raise Unavailable("E_PEER_DOWN", address=url, detail="not an address") from None
        self._url = url
        self._secure = parts.scheme == "https"
        self._host = parts.netloc
        self._base = parts.path.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._in_all_seconds = in_all_seconds

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request over a fresh connection; E_PEER_DOWN."""
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        try:
            connection = kind(self._host, timeout=self._timeout_seconds)
            if self._in_all_seconds is not None:
                _bound(connection, stopwatch() + self._in_all_seconds)
            try:
                connection.request(method, self._base + path, body or None, dict(headers))
                with connection.getresponse() as answer:
                    data = answer.read(MAX_ANSWER_BYTES + 1)
                if len(data) > MAX_ANSWER_BYTES:
                    raise Unavailable("E_PEER_ANSWER", answer=f"more than {MAX_ANSWER_BYTES} bytes")
                return Reply(answer.status, data)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable("E_PEER_DOWN", address=self._url, detail=type(error).__name__) from None


class HttpGateway:
    """The ledger behind HTTP. `signer_of(kid)` gives the signer of an own key, to prove whose tokens one asks for."""

    def __init__(
        self,
        transport: Transport,
        signer_of: SignerOf = lambda kid: None,
        real_clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self._transport = transport
        self._signer_of = signer_of
        self._clock = real_clock or SystemClock()
        self._entropy = entropy or SystemEntropy()
        self._asked = 0
        self._network = b""

    # --- the gateway ---

    @property
    def network(self) -> bytes:
        """The network id, asked for once."""
        if not self._network:
            health = self._get("/v1/health")
            if not isinstance(health, dict) or not isinstance(health.get("network"), str):
                raise Unavailable("E_PEER_ANSWER", answer="health")
            try:
                self._network = bytes.fromhex(health["network"])
            except ValueError:
                raise Unavailable("E_PEER_ANSWER", answer="health") from None
        return self._network

    def submit(self, transaction: bytes) -> Receipt:
        """The receipt of a transaction; its refusal raised."""
        return wire.read_receipt(self.post("/v1/transactions", transaction), self.network)

    def submit_many(self, transactions: Sequence[bytes]) -> list[Receipt | TengeError]:
        """For each transaction its receipt or its refusal; sent in batches as large as a body may be."""
        # What is too large for the ledger is refused here as the ledger would, and spares the rest of its batch.
        results: list[Receipt | TengeError] = []
        fitting = [item for item in transactions if len(item) <= MAX_TRANSACTION_BYTES]
        for batch in _batches(fitting):
            answer = self.post("/v1/transactions/batch", wire.write_batch(batch))
            results += wire.read_results(answer, self.network, len(batch))
        answers = iter(results)
        return [
            next(answers)
            if len(item) <= MAX_TRANSACTION_BYTES
            else Malformed("E_SIZE", size_bytes=len(item), limit_bytes=MAX_TRANSACTION_BYTES)
            for item in transactions
        ]

    def find(self, transaction_id: bytes) -> Receipt | None:
        """The receipt of an accepted transaction, or None."""
        answer = self._get_or_none(f"/v1/transactions/{transaction_id.hex()}")
        return None if answer is None else wire.read_receipt(answer, self.network)

    def token(self, identity: TokenId) -> Token | None:
        """An unspent token, or None."""
        answer = self._get_or_none(f"/v1/tokens/{identity.transaction_id.hex()}:{identity.output}")
        return None if answer is None else wire.read_token(answer)[1]

    def owned(self, kid: bytes) -> list[tuple[TokenId, Token]]:
        """The unspent tokens of a key whose signer is at hand; E_HTTP_PROOF otherwise."""
        path = f"/v1/keys/{kid.hex()}/tokens"
        return wire.read_tokens(self._get(path, self.proof(kid, "GET", path)))

    def registered(self, kid: bytes) -> RegisteredKey | None:
        """What the ledger knows of a key, or None."""
        answer = self._get_or_none(f"/v1/keys/{kid.hex()}")
        return None if answer is None else wire.read_key(answer)

    def supply(self) -> Supply:
        """The supply table."""
        return wire.read_supply(self._get("/v1/supply"))

    def head(self) -> Signed[LogHead]:
        """The newest signed head."""
        return wire.read_head(self._get("/v1/head"), self.network)

    def inclusion(self, receipt: Receipt) -> Inclusion:
        """The proof that a receipt's entry is in the log; E_ENTRY_UNKNOWN for a receipt of another entry or head."""
        path = f"/v1/transactions/{receipt.transaction_id.hex()}/proof"
        inclusion = wire.read_inclusion(self._get(path), self.network)
        if (inclusion.index, inclusion.head) != (receipt.index, receipt.head):
            # The receipt is not the one the ledger gave.
            raise Refused("E_ENTRY_UNKNOWN", index=receipt.index, size=inclusion.head.record.size)
        return inclusion

    # --- how ---

    def proof(self, kid: bytes, method: str, path: str) -> dict[str, str]:
        """The header that proves possession of `kid` for one method and path; empty without its signer."""
        signer = self._signer_of(kid)
        if signer is None:
            return {}
        self._asked += 1
        nonce = self._entropy.bytes("holder proof", kid + self._asked.to_bytes(8, "big"), 16)
        record = HolderProof(kid, f"{method} {path}"[:128], self._clock.now(), nonce)
        return {wire.PROOF_HEADER: wire.write_proof(sign(record, self.network, signer))}

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> object:
        """The JSON answer of a GET; a refusal raised."""
        return self._get(path, headers or {})

    def post(self, path: str, body: bytes) -> object:
        """The JSON answer of a POST of canonical bytes; a refusal raised."""
        reply = self._transport.request("POST", path, {"Content-Type": wire.CANONICAL}, body)
        return _answer(reply)

    def _get(self, path: str, headers: Mapping[str, str] | None = None) -> object:
        return _answer(self._transport.request("GET", path, headers or {}, b""))

    def _get_or_none(self, path: str) -> object | None:
        try:
            value = self._get(path)
        except TengeError as refusal:
            if refusal.code == "E_HTTP_NONE":
                return None
            raise
        if value is None:
            raise Unavailable("E_PEER_ANSWER", answer="null")
        return value


class HttpBank:
    """One bank behind HTTP."""

    def __init__(self, gateway: HttpGateway, bank_id: int) -> None:
        self._gateway = gateway
        self._bank_id = bank_id
        self._inventory_kid = b""

    @property
    def bank_id(self) -> int:
        """The bank's number."""
        return self._bank_id

    @property
    def inventory_kid(self) -> bytes:
        """The key id to pay for a deposit; E_BANK_UNKNOWN."""
        if not self._inventory_kid:
            answer = self._gateway.get(f"/v1/banks/{self._bank_id}")
            if not isinstance(answer, dict) or not isinstance(answer.get("inventory_kid"), str):
                raise Unavailable("E_PEER_ANSWER", answer="bank")
            try:
                self._inventory_kid = bytes.fromhex(answer["inventory_kid"])
            except ValueError:
                raise Unavailable("E_PEER_ANSWER", answer="bank") from None
        return self._inventory_kid

    def fund(self, order: Signed[FundOrder]) -> Receipt:
        """Digital tenge for a deposit, by a signed order."""
        answer = self._gateway.post(f"/v1/banks/{self._bank_id}/fund", order.encode())
        return wire.read_receipt(answer, self._gateway.network)

    def defund(self, transaction: bytes) -> Receipt:
        """A deposit for digital tenge, by a signed transfer."""
        answer = self._gateway.post(f"/v1/banks/{self._bank_id}/defund", transaction)
        return wire.read_receipt(answer, self._gateway.network)

    def deposit_tiyn(self, kid: bytes) -> int:
        """What the customer with this key has on deposit; its signer must be at hand (E_HTTP_PROOF)."""
        path = f"/v1/banks/{self._bank_id}/deposits/{kid.hex()}"
        answer = self._gateway.get(path, self._gateway.proof(kid, "GET", path))
        if not isinstance(answer, dict) or type(answer.get("deposit_tiyn")) is not int:
            raise Unavailable("E_PEER_ANSWER", answer="deposit")
        return int(answer["deposit_tiyn"])


def _batches(transactions: Sequence[bytes]) -> list[list[bytes]]:
    batches: list[list[bytes]] = []
    room = 0
    for transaction in transactions:
        size = len(transaction) + 8
        if not batches or size > room or len(batches[-1]) == wire.MAX_BATCH:
            batches.append([])
            room = canonical.MAX_MESSAGE_BYTES - 8
        batches[-1].append(transaction)
        room -= size
    return batches


def _answer(reply: Reply) -> object:
    value = wire.parse_json(reply.body)
    if reply.status == 200:
        return value
    raise wire.read_problem(value)
