"""Routes as data: what stands where, what it takes, what it answers. The server and the document are made from them.

A route's handler gets an `Ask` (the path's arguments, the body, who asks) and returns a JSON value or raises a refusal.
It knows nothing of the web framework, so an extension (the offline protocol, say) is just more routes.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cbdc import canonical
from cbdc.authority import Auth
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.gateway import Gateway
from cbdc.http import wire
from cbdc.ports import Clock

PROOF_SECONDS = 300
_NAME = re.compile(r"\{(\w+)\}")
_NUMBER = re.compile(r"0|[1-9]\d{0,15}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, taken apart. `real_clock` judges proofs, `gateway` knows the keys they are made with.

    `caller` is the certificate of the institution that signed the call, on routes that ask for one.
    """

    method: str
    path: str
    arguments: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    language: str
    gateway: Gateway
    real_clock: Clock
    caller: Auth | None = None

    def number(self, name: str) -> int:
        """A path argument that is a whole number; E_HTTP_ARGUMENT."""
        text = self.arguments[name]
        if not _NUMBER.fullmatch(text) or int(text) > canonical.MAX_INTEGER:
            raise Malformed("E_HTTP_ARGUMENT", name=name, value=text[:80])
        return int(text)

    def octets(self, name: str, size: int = 32) -> bytes:
        """A path argument that is `size` bytes in hexadecimal; E_HTTP_ARGUMENT."""
        return _bytes(name, self.arguments[name], size)

    def token_id(self, name: str) -> tuple[bytes, int]:
        """A path argument that is a token id, `<transaction id>:<output>`; E_HTTP_ARGUMENT."""
        text = self.arguments[name]
        head, _, tail = text.partition(":")
        if not _NUMBER.fullmatch(tail) or int(tail) > 255:
            raise Malformed("E_HTTP_ARGUMENT", name=name, value=text[:80])
        return _bytes(name, head, 32), int(tail)

    def require_holder(self, kid: bytes) -> None:
        """Return if the header Tenge-Proof shows that the holder of `kid` asks just this, now; E_HTTP_PROOF otherwise.

        The proof is bound to the key, the method, the path and the minute, and only ever allows reading.
        """
        text = self.headers.get(wire.PROOF_HEADER, "")
        problem = "there is none" if not text else self._wrong(kid, text)
        if problem:
            raise Refused("E_HTTP_PROOF", kid=kid, problem=problem)

    def _wrong(self, kid: bytes, text: str) -> str:
        try:
            proof = wire.read_proof(text, self.gateway.network)
            key = self.gateway.registered(kid)
            if proof.record.kid != kid or key is None:
                return "it is another key's"
            if proof.record.purpose != f"{self.method} {self.path}"[:128]:
                return "it is for another request"
            if abs(proof.record.time - self.real_clock.now()) > PROOF_SECONDS:
                return "it is too old, or a clock is wrong"
            proof.verify(key.key)
        except TengeError as error:
            return error.code
        return ""


def _bytes(name: str, text: str, size: int) -> bytes:
    if len(text) != 2 * size or not _HEX.fullmatch(text):
        raise Malformed("E_HTTP_ARGUMENT", name=name, value=text[:80])
    return bytes.fromhex(text)


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one path.

    - `path`: like `/v1/entries/{index}`; `arguments` explains each name in braces.
    - `summary`: one sentence. `answer`: the name of the answer's schema.
    - `takes`: what canonical bytes the body holds, empty for a GET; `limit_bytes` is judged before it is read.
    - `proof`: the request must carry the header Tenge-Proof of the key named in the path.
    - `roles`: the call must be signed (RFC 9421) by a key that ROOT certified for one of these roles; `scope` names
      the path's argument that must be a calling bank's own number; `local` lets a caller on this computer in unsigned.
    - `waits`: whether the handler takes its turn with all others; what only looks at the process does not.
    - `refusals`: the codes that belong to this route in particular.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Ask], object]
    answer: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    takes: str = ""
    limit_bytes: int = 0
    proof: bool = False
    refusals: tuple[str, ...] = ()
    roles: tuple[int, ...] = ()
    scope: str = ""
    local: bool = False
    waits: bool = True
    media: str = wire.JSON

    def __post_init__(self) -> None:
        assert set(_NAME.findall(self.path)) == set(self.arguments), f"{self.path}: explain each argument"
        assert bool(self.takes) == (self.method == "POST") == bool(self.limit_bytes), self.path
        assert not self.scope or (self.roles and self.scope in self.arguments), self.path

    @property
    def rule(self) -> str:
        """The path as the web framework writes it."""
        return _NAME.sub(r"<\1>", self.path)

    @property
    def operation(self) -> str:
        """A stable name for generated clients: `get_v1_entries_index`."""
        return self.method.lower() + re.sub(r"\W+", "_", self.path).rstrip("_")


class RateLimit:
    """So many requests a second for each client address, with a burst: a bucket of whole tokens.

    Counted in whole seconds of a real clock. The table of addresses is bounded: when it is full, the fullest buckets
    (the quietest clients) are forgotten first, which gives nobody anything.
    """

    def __init__(self, real_clock: Clock, per_second: int, burst: int, most_addresses: int = 10_000) -> None:
        self._clock = real_clock
        self.per_second = per_second
        self._burst = burst
        self._most = most_addresses
        self._buckets: dict[str, tuple[int, int]] = {}

    def take(self, address: str) -> None:
        """Count one request; E_HTTP_RATE when the address has none left this second."""
        now = self._clock.now()
        tokens, since = self._buckets.get(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self.per_second)
        if tokens < 1:
            self._buckets[address] = (tokens, now)
            raise Refused("E_HTTP_RATE", address=address, per_second=self.per_second)
        if address not in self._buckets and len(self._buckets) >= self._most:
            quiet = max(self._buckets, key=lambda name: (self._buckets[name][0], -self._buckets[name][1]))
            del self._buckets[quiet]
        self._buckets[address] = (tokens - 1, now)


# --- the document ---

_SIGNED = "an HTTP message signature (RFC 9421) by a certified key, with Signature-Input; docs/http.md"
HEX_SCHEMA = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
NUMBER_SCHEMA = {"type": "integer", "minimum": 0}


def object_schema(**properties: object) -> wire.Json:
    """The schema of an object with just these properties, all of them there."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def list_of(schema: object) -> wire.Json:
    """The schema of a list."""
    return {"type": "array", "items": schema}


def reference(name: str) -> wire.Json:
    """A named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


SCHEMAS: dict[str, wire.Json] = {
    "Head": object_schema(size=NUMBER_SCHEMA, root=HEX_SCHEMA, time=NUMBER_SCHEMA, envelope=HEX_SCHEMA),
    "Receipt": object_schema(
        transaction_id=HEX_SCHEMA, index=NUMBER_SCHEMA, time=NUMBER_SCHEMA, head=reference("Head")
    ),
    "JournalPage": object_schema(start=NUMBER_SCHEMA, size=NUMBER_SCHEMA, entries=list_of(HEX_SCHEMA)),
    "Results": object_schema(
        results=list_of(
            {
                "oneOf": [
                    object_schema(receipt=reference("Receipt")),
                    object_schema(problem=reference("Problem")),
                ]
            }
        )
    ),
    "Token": object_schema(
        transaction_id=HEX_SCHEMA,
        output=NUMBER_SCHEMA,
        amount_tiyn=NUMBER_SCHEMA,
        lock={"type": "array", "description": "tagged: [1, key], [2, threshold, [key...]] or [3, hash, ...]"},
        mark=HEX_SCHEMA,
    ),
    "Tokens": object_schema(tokens=list_of(reference("Token"))),
    "Key": object_schema(
        kid=HEX_SCHEMA,
        algorithm=NUMBER_SCHEMA,
        public_key=HEX_SCHEMA,
        bank_id=NUMBER_SCHEMA,
        tier=NUMBER_SCHEMA,
        category=NUMBER_SCHEMA,
        pseudonym=HEX_SCHEMA,
        successor=HEX_SCHEMA,
    ),
    "Supply": object_schema(
        issued_tiyn=NUMBER_SCHEMA,
        redeemed_tiyn=NUMBER_SCHEMA,
        bank_inventory_tiyn=NUMBER_SCHEMA,
        treasury_tiyn=NUMBER_SCHEMA,
        wallets_tiyn=NUMBER_SCHEMA,
        escrow_tiyn=NUMBER_SCHEMA,
        loss_reserve_tiyn=NUMBER_SCHEMA,
        outstanding_tiyn=NUMBER_SCHEMA,
    ),
    "Health": object_schema(
        status={"type": "string"}, network=HEX_SCHEMA, entries=NUMBER_SCHEMA, time=NUMBER_SCHEMA
    ),
    "Entry": object_schema(index=NUMBER_SCHEMA, time=NUMBER_SCHEMA, payload=HEX_SCHEMA),
    "Proof": object_schema(
        leaf=HEX_SCHEMA, index=NUMBER_SCHEMA, head=reference("Head"), proof=list_of(HEX_SCHEMA)
    ),
    "Consistency": object_schema(old_size=NUMBER_SCHEMA, head=reference("Head"), proof=list_of(HEX_SCHEMA)),
    "Bank": object_schema(bank_id=NUMBER_SCHEMA, name={"type": "string"}, inventory_kid=HEX_SCHEMA),
    "Banks": object_schema(banks=list_of(reference("Bank"))),
    "Deposit": object_schema(kid=HEX_SCHEMA, deposit_tiyn=NUMBER_SCHEMA),
    "Document": {"type": "object"},
    "Problem": object_schema(
        type={"type": "string"},
        title={"type": "string"},
        status=NUMBER_SCHEMA,
        detail={"type": "string"},
        code={"type": "string"},
        family={"enum": ["malformed", "refused", "unavailable"]},
        rule={"type": "string"},
        facts={"type": "object"},
        next={"type": "string"},
    ),
}


def openapi(routes: Sequence[Route], schemas: Mapping[str, wire.Json]) -> wire.Json:
    """The OpenAPI 3.1 document of these routes."""
    paths: dict[str, wire.Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Digital tenge sandbox: the institutions",
            "version": "1",
            "description": "Answers are JSON, what is judged is canonical bytes, refusals are problems (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "schemas": dict(schemas),
            "securitySchemes": {
                "holder": {"type": "apiKey", "in": "header", "name": wire.PROOF_HEADER},
                "institution": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Signature",
                    "description": _SIGNED,
                },
            },
        },
    }


def _operation(route: Route) -> wire.Json:
    codes = f" Refusals of its own: {', '.join(route.refusals)}." if route.refusals else ""
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "description": route.summary + codes,
        "parameters": list(_parameters(route)),
        "responses": {
            "200": {
                "description": "done",
                "content": {route.media: {"schema": reference(route.answer)}},
            },
            "default": {
                "description": "refused",
                "content": {wire.PROBLEM: {"schema": reference("Problem")}},
            },
        },
    }
    if route.takes:
        schema = {"type": "string", "format": "binary", "maxLength": route.limit_bytes}
        operation["requestBody"] = {
            "required": True,
            "description": route.takes,
            "content": {wire.CANONICAL: {"schema": schema}},
        }
    if route.proof:
        operation["security"] = [{"holder": []}]
    if route.roles:
        operation["security"] = [{"institution": []}]
    return operation


def _parameters(route: Route) -> Iterator[wire.Json]:
    for name, meaning in route.arguments.items():
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": meaning,
            "schema": {"type": "string"},
        }


def fingerprint(text: str) -> str:
    """Sixteen digits that name something without showing it: incidents, in logs and answers."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
