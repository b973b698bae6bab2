"""Values and HTTP bodies, both ways, in one file: what the server writes the client reads, and nothing else exists.

Answers are JSON: byte strings in lower-case hexadecimal, amounts in tiyn as whole numbers, signed things as their
canonical envelope. What a client **sends** to be judged are canonical bytes, never JSON, so that nothing can be read
in two ways. A refusal is `application/problem+json` (RFC 9457) with the code, the rule, the facts and the next step.

Reading an answer that does not fit raises E_PEER_ANSWER: a client never crashes on what a server says.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from cbdc import canonical
from cbdc.errors import Malformed, TengeError, Unavailable, by_code
from cbdc.ledger.entry import Entry, LogHead, Receipt
from cbdc.ledger.ledger import Inclusion, Supply
from cbdc.ledger.state import RegisteredKey
from cbdc.orders import HolderProof
from cbdc.record import Bytes, Items, Signed, open_envelope
from cbdc.token import Token, TokenId, load_lock
from cbdc.transaction import MAX_TRANSACTION_BYTES

CANONICAL = "application/octet-stream"
JSON = "application/json"
PROBLEM = "application/problem+json"
PROOF_HEADER = "Tenge-Proof"
MAX_BATCH = 1_000
MAX_PAGE_ENTRIES = 1_000
MAX_PAGE_BYTES = 1 << 20
MAX_BODY_BYTES = canonical.MAX_MESSAGE_BYTES

Json = dict[str, Any]

_STATUS = {
    "E_HTTP_PATH": 404,
    "E_HTTP_NONE": 404,
    "E_BANK_UNKNOWN": 404,
    "E_PAY_REQUEST_UNKNOWN": 404,
    "E_ENTRY_UNKNOWN": 404,
    "E_HTTP_METHOD": 405,
    "E_SIZE": 413,
    "E_HTTP_MEDIA": 415,
    "E_HTTP_RATE": 429,
    "E_HTTP_PROOF": 401,
    "E_PARTNER_CALL": 401,
    "E_PARTNER_REPLAY": 401,
    "E_PARTNER_UNKNOWN": 404,
    "E_CONSENT_UNKNOWN": 404,
    "E_ORDER_UNKNOWN": 404,
    "E_HOOK_UNKNOWN": 404,
    "E_CALL_MISSING": 401,
    "E_CALL_COMPONENT": 401,
    "E_CALL_KEY": 401,
    "E_CALL_ALGORITHM": 401,
    "E_CALL_EXPIRED": 401,
    "E_CALL_FUTURE": 401,
    "E_CALL_LIFETIME": 401,
    "E_CALL_REPLAY": 401,
    "E_CALL_DIGEST": 401,
    "E_CALL_SIGNATURE": 401,
    "E_CALL_CERTIFICATE": 403,
    "E_CALL_ROLE": 403,
    "E_CALL_SCOPE": 403,
    "E_INTERNAL": 500,
    "E_NOT_READY": 503,
    "E_DRAINING": 503,
}
_FAMILY_STATUS = {"malformed": 400, "refused": 422, "unavailable": 503}


def status_of(error: TengeError) -> int:
    """The HTTP status of a refusal: by its code where the protocol has one, by its family otherwise."""
    return _STATUS.get(error.code, _FAMILY_STATUS[error.family])


# --- refusals ---


def write_problem(error: TengeError, language: str = "en") -> Json:
    """A refusal as an RFC 9457 problem, its sentences in `language`."""
    return {
        "type": f"urn:tenge:error:{error.code}",
        "title": error.code,
        "status": status_of(error),
        "detail": error.sentence(language),
        "code": error.code,
        "family": error.family,
        "rule": error.rule,
        "facts": error.facts,
        "next": error.next_step(language),
    }


def read_problem(value: object) -> TengeError:
    """The refusal in a problem; E_PEER_ANSWER (returned, not raised) when it is none."""
    try:
        with understood("problem"):
            body = as_object(value)
            facts = {
                str(name): fact if isinstance(fact, int | str) else str(fact)
                for name, fact in as_object(body["facts"]).items()
            }
            return by_code(as_text(body["code"]), facts)
    except Unavailable as answer:
        return answer


# --- values ---


def write_head(head: Signed[LogHead]) -> Json:
    """A signed head of the log."""
    record = head.record
    return {
        "size": record.size,
        "root": record.root.hex(),
        "time": record.time,
        "envelope": head.encode().hex(),
    }


def read_head(value: object, network: bytes) -> Signed[LogHead]:
    """The signed head (structure only; verify it with the ledger's certificate)."""
    with understood("head"):
        return open_envelope(as_octets(as_object(value)["envelope"]), LogHead, network)


def write_receipt(receipt: Receipt) -> Json:
    """A receipt."""
    return {
        "transaction_id": receipt.transaction_id.hex(),
        "index": receipt.index,
        "time": receipt.time,
        "head": write_head(receipt.head),
    }


def read_receipt(value: object, network: bytes) -> Receipt:
    """The receipt."""
    with understood("receipt"):
        body = as_object(value)
        return Receipt(
            as_octets(body["transaction_id"]),
            as_number(body["index"]),
            as_number(body["time"]),
            read_head(body["head"], network),
        )


def write_result(result: Receipt | TengeError, language: str = "en") -> Json:
    """One answer of a batch: `{"receipt": ...}` or `{"problem": ...}`."""
    if isinstance(result, TengeError):
        return {"problem": write_problem(result, language)}
    return {"receipt": write_receipt(result)}


def read_results(value: object, network: bytes, count: int) -> list[Receipt | TengeError]:
    """The answers of a batch of `count`."""
    with understood("batch"):
        results = as_object(value)["results"]
        if not isinstance(results, list) or len(results) != count:
            raise ValueError
        return [
            read_problem(item["problem"]) if "problem" in item else read_receipt(item["receipt"], network)
            for item in map(as_object, results)
        ]


def write_token(identity: TokenId, token: Token) -> Json:
    """A token with its id: the lock as its tagged array, byte strings in hexadecimal."""
    return {
        "transaction_id": identity.transaction_id.hex(),
        "output": identity.output,
        "amount_tiyn": token.amount_tiyn,
        "lock": _hexed(token.lock.wire()),
        "mark": token.mark.hex(),
    }


def read_token(value: object) -> tuple[TokenId, Token]:
    """The token and its id."""
    with understood("token"):
        body = as_object(value)
        identity = TokenId(as_octets(body["transaction_id"]), as_number(body["output"]))
        lock = load_lock(_unhexed(body["lock"]))
        return identity, Token(as_number(body["amount_tiyn"]), lock, as_octets(body["mark"]))


def read_tokens(value: object) -> list[tuple[TokenId, Token]]:
    """The tokens of a key."""
    with understood("tokens"):
        tokens = as_object(value)["tokens"]
        if not isinstance(tokens, list):
            raise ValueError
        return [read_token(item) for item in tokens]


def write_key(kid: bytes, key: RegisteredKey) -> Json:
    """What the ledger knows of a key."""
    return {
        "kid": kid.hex(),
        "algorithm": key.algorithm,
        "public_key": key.public_key.hex(),
        "bank_id": key.bank_id,
        "tier": key.tier,
        "category": key.category,
        "pseudonym": key.pseudonym.hex(),
        "successor": key.successor.hex(),
    }


def read_key(value: object) -> RegisteredKey:
    """The registered key."""
    with understood("key"):
        body = as_object(value)
        return RegisteredKey(
            as_number(body["algorithm"]),
            as_octets(body["public_key"]),
            as_number(body["bank_id"]),
            as_number(body["tier"]),
            as_number(body["category"]),
            as_octets(body["pseudonym"]),
            as_octets(body["successor"]),
        )


def write_supply(supply: Supply) -> Json:
    """The supply table."""
    return {**asdict(supply), "outstanding_tiyn": supply.outstanding_tiyn}


def read_supply(value: object) -> Supply:
    """The supply table."""
    with understood("supply"):
        body = dict(as_object(value))
        body.pop("outstanding_tiyn")
        return Supply(**{name: as_number(amount) for name, amount in body.items()})


def write_entry(entry: Entry) -> Json:
    """A journal entry: the payload is the genesis in entry 0, a transaction's bytes in every other."""
    return {"index": entry.index, "time": entry.time, "payload": entry.payload.hex()}


def read_entry(value: object) -> Entry:
    """A journal entry; whether it is in the log, a proof says."""
    with understood("entry"):
        body = as_object(value)
        return Entry(as_number(body["index"]), as_number(body["time"]), as_octets(body["payload"]))


def write_inclusion(inclusion: Inclusion) -> Json:
    """A proof that an entry is in the log."""
    return {
        "leaf": inclusion.leaf.hex(),
        "index": inclusion.index,
        "head": write_head(inclusion.head),
        "proof": [node.hex() for node in inclusion.proof],
    }


def read_inclusion(value: object, network: bytes) -> Inclusion:
    """The proof (check it with `cbdc.ledger.entry.check_inclusion`)."""
    with understood("proof"):
        body = as_object(value)
        proof = body["proof"]
        if not isinstance(proof, list):
            raise ValueError
        head = read_head(body["head"], network)
        return Inclusion(
            as_octets(body["leaf"]), as_number(body["index"]), head, [as_octets(node) for node in proof]
        )


# --- what a client sends ---


def write_batch(transactions: list[bytes]) -> bytes:
    """Many transactions in one body: the canonical array of their bytes."""
    return canonical.encode(transactions)


def read_batch(body: bytes) -> list[bytes]:
    """The transactions of a batch, 1 to 1,000; decoding errors, E_COUNT."""
    values = canonical.decode_array(body, MAX_BODY_BYTES)
    kind = Items(Bytes(most=MAX_TRANSACTION_BYTES), most=MAX_BATCH, least=1)
    return list(kind.load(values, "batch"))


def write_proof(proof: Signed[HolderProof]) -> str:
    """The header that proves who asks: the canonical envelope in URL-safe Base64 without padding."""
    return base64.urlsafe_b64encode(proof.encode()).decode().rstrip("=")


def read_proof(text: str, network: bytes) -> Signed[HolderProof]:
    """The proof in a header (not verified); decoding errors."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("E_FIELD", field=PROOF_HEADER, problem="not URL-safe Base64") from None
    return open_envelope(data, HolderProof, network)


def parse_json(body: bytes) -> object:
    """The JSON in an answer's body; E_PEER_ANSWER when it is none."""
    with understood(body[:40].decode("utf-8", "replace")):
        value: object = json.loads(body)
        return value


# --- details ---


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Whatever goes wrong while an answer is read means that the answer cannot be understood."""
    try:
        yield
    except Unavailable:
        raise
    except (KeyError, TypeError, ValueError, RecursionError, TengeError):
        raise Unavailable("E_PEER_ANSWER", answer=what) from None


def as_object(value: object) -> Mapping[str, Any]:
    """A JSON object; TypeError, which `understood` takes for E_PEER_ANSWER, as in the other readers."""
    if not isinstance(value, dict):
        raise TypeError
    return value


def as_list(value: object) -> list[Any]:
    """A JSON array."""
    if not isinstance(value, list):
        raise TypeError
    return value


def as_text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError
    return value


def as_octets(value: object) -> bytes:
    """Bytes that are written in hexadecimal."""
    return bytes.fromhex(as_text(value))


def as_number(value: object) -> int:
    """A whole number, 0 or more."""
    if type(value) is not int or value < 0:
        raise TypeError
    return value


def _hexed(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return [_hexed(item) for item in value] if isinstance(value, tuple) else value


def _unhexed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return [
        _unhexed(item) if isinstance(item, list) else (bytes.fromhex(item) if isinstance(item, str) else item)
        for item in value
    ]
