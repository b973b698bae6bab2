"""What front ends ask of a writer: `POST /v1/fronts/batch` and `POST /v1/fronts/keys`, in signed calls.

A front reads transactions and verifies their signatures on its own machine, and sends what passes in batches. ROOT
gives its key a certificate of the role FRONT, and each batch is a call that this key signed
(`cbdc.http.signed_calls`): method, path and body are under the signature, and the path is the purpose.

    batch = canonical [network, [[transaction, stand]...]]
    stand = a bit for each signature of the transaction, by place: set when the front verified it

Rules kept here:

- only a batch in a call of a certified front is believed, and only about signatures; whoever sends transactions in
  another way has them verified here. The writer reads the bytes, judges and commits itself;
- a batch names its network, so that a writer of another one refuses it (E_FRONT_NETWORK) whoever signed it;
- a batch sent twice changes nothing: its transactions are known by their ids. A call is taken once besides;
- a front is told the public keys behind key ids, and nothing else of the state.

A front that lies is believed until the audit, which verifies every signature again: `docs/threat-model.md`.
"""

from collections.abc import Mapping, Sequence

from cbdc import canonical
from cbdc.authority import FRONT
from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.http.participants import CALL_CODES
from cbdc.http.routes import HEX_SCHEMA, NUMBER_SCHEMA, Ask, Route, list_of, object_schema
from cbdc.http.server import Extension
from cbdc.ledger.pipeline import Pipeline
from cbdc.ledger.state import KEY, RegisteredKey, decode_value
from cbdc.record import HASH, NETWORK_BYTES, Bytes, Group, Items, Unsigned
from cbdc.transaction import MAX_TRANSACTION_BYTES, MAX_WITNESSES

BATCH, KEYS = "/v1/fronts/batch", "/v1/fronts/keys"
MOST_KEYS = 4_000
MAX_BATCH_BYTES = wire.MAX_BODY_BYTES + 16 * wire.MAX_BATCH
"""A client's batch may be as large as any body; what a front adds to each transaction is a few bytes."""

Vouched = tuple[bytes, int]
"""A transaction's wire bytes, and which of its signatures stand."""

_VOUCHED = Group((Bytes(most=MAX_TRANSACTION_BYTES), Unsigned(0, (1 << MAX_WITNESSES) - 1)))
_BATCH = Group((Bytes((NETWORK_BYTES,)), Items(_VOUCHED, most=wire.MAX_BATCH, least=1)))
_KEYS = Items(HASH, most=MOST_KEYS, least=1)

SCHEMAS: Mapping[str, wire.Json] = {
    "PublicKeys": object_schema(
        keys=list_of(object_schema(kid=HEX_SCHEMA, algorithm=NUMBER_SCHEMA, public_key=HEX_SCHEMA))
    )
}


def write_vouched(network: bytes, items: Sequence[Vouched]) -> bytes:
    """A batch's body."""
    return canonical.encode((network, tuple(items)))


def read_vouched(body: bytes, network: bytes) -> list[Vouched]:
    """What a batch holds; E_FRONT_NETWORK for another network's, decoding errors, E_COUNT."""
    named, items = _BATCH.load(canonical.decode_array(body, MAX_BATCH_BYTES), "batch")
    if named != network:
        raise Refused("E_FRONT_NETWORK", network=named, expected=network)
    return list(items)


class FrontApi:
    """The writer's side of its fronts, over one pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._ledger = pipeline.ledger

    def batch(self, ask: Ask) -> wire.Json:
        """Judge and book what a front read and verified."""
        items = read_vouched(ask.body, self._ledger.network)
        results = self._pipeline.submit_vouched([data for data, _ in items], [stand for _, stand in items])
        return {"results": [wire.write_result(result, ask.language) for result in results]}

    def keys(self, ask: Ask) -> wire.Json:
        """The public keys behind key ids; those that nobody certified or registered are left out."""
        kids = _KEYS.load(canonical.decode_array(ask.body), "keys")
        authority, found = self._ledger.genesis.authority, dict[bytes, tuple[int, bytes]]()
        for packed, row in self._ledger.key_rows(kids).items():
            value = decode_value(KEY, row)
            assert isinstance(value, RegisteredKey)
            found[packed[1:]] = (value.algorithm, value.public_key)
        for kid in kids:
            if authority.holds(kid):
                key = authority.key(kid)
                found[kid] = (key.algorithm, key.raw)
        return {
            "keys": [
                {"kid": kid.hex(), "algorithm": algorithm, "public_key": raw.hex()}
                for kid, (algorithm, raw) in found.items()
            ]
        }

    def extension(self) -> Extension:
        """The routes and their schemas."""
        batch = Route(
            "POST",
            BATCH,
            "Judge and book a batch whose signatures a certified front end has verified; one durable group.",
            self.batch,
            "Results",
            takes="a canonical array: the network's id, and pairs of a transaction's bytes and its verified signatures",
            limit_bytes=MAX_BATCH_BYTES,
            roles=(FRONT,),
            waits=False,
            refusals=(*CALL_CODES, "E_FRONT_NETWORK"),
        )
        keys = Route(
            "POST",
            KEYS,
            "The public keys behind up to 4,000 key ids, for a certified front end.",
            self.keys,
            "PublicKeys",
            takes="a canonical array of 32-byte key ids",
            limit_bytes=40 * MOST_KEYS,
            roles=(FRONT,),
            waits=False,
            refusals=CALL_CODES,
        )
        return Extension([batch, keys], SCHEMAS)
