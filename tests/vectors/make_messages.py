"""Vectors of what travels: the messages of both flows, OFFER and BATCH, opened by structure alone (5.4, 5.5)."""

from typing import Any

import msgpack

from cbdc import canonical
from cbdc.keys import ED25519
from cbdc.money import tenge
from cbdc.record import Signed
from offline.batch import make_batch
from offline.messages import Commit, Draft, Hello, Offer, Request
from offline.records import Outpoint, SyncRequest
from tests.offline.world import fixed_bytes
from tests.vectors.case import Case, case
from tests.vectors.make_certificates import NAMES
from tests.vectors.make_objects import objects
from tests.vectors.scene import Scene

SESSION = fixed_bytes("session", 16)


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


class Exchange:
    """What A and B say to each other when A pays B, as bytes by name."""

    def __init__(self, scene: Scene) -> None:
        world, a, b = scene.world, scene.a, scene.b
        self.scene = scene
        self.trust = world.first_trust
        self.certificate = b.certificate
        self.bundle = world.bundle([a.certificate], [(scene.note, [])])
        self.offer = canonical.encode([self.bundle.encode(), [(scene.note.oid, 0)]])
        self.invoice = world.make_invoice(b.key, tenge(1_000))
        self.transfer = scene.step(a, scene.note, b, 1_000, reference=self.invoice.oid)
        self.receipt = world.make_receipt(b.key, self.invoice)
        self.paid = world.bundle([a.certificate], [(scene.note, [self.transfer])]).encode()
        self.said: dict[str, bytes] = {
            "REQUEST": Request(self.invoice, b.certificate).encode(),
            "HELLO": Hello(SESSION, b.certificate, tenge(1_000), 0, 8, 24_576, 1).encode(),
            "OFFER": Offer(SESSION, self.offer, 2, (self.trust,)).encode(),
            "DRAFT": Draft(SESSION, self.invoice, ()).encode(),
            "COMMIT": Commit((self.transfer,)).encode(),
            "RECEIPT": self.receipt.encode(),
            "BUNDLE": self.paid,
        }


def _messages(exchange: Exchange) -> list[Case]:
    suffix = exchange.scene.suffix
    return [
        case(f"message-{name}-{suffix}", f"a {name}", "message", data) for name, data in exchange.said.items()
    ]


def _bad_messages(exchange: Exchange) -> list[Case]:
    cases: list[Case] = []
    invoice, certificate = exchange.invoice.envelope(), exchange.certificate.envelope()
    transfer, trust = exchange.transfer.envelope(), exchange.trust.envelope()

    def bad(id: str, what: str, value: Any, expect: str) -> None:
        data = value if isinstance(value, bytes) else _pack(value)
        cases.append(case(id, what, "message", data, expect))

    for name, data in exchange.said.items():
        values = list(canonical.decode_array(data))
        bad(f"N1-{name}", f"a {name} without its last byte", data[:-1], "E_DECODE")
        bad(f"N2-{name}", f"a {name} and one byte more", data + b"\0", "E_DECODE")
        bad(f"N19-{name}-missing", f"a {name} without its last item", values[:-1], "E_FIELD")
        bad(f"N19-{name}-extra", f"a {name} with one item more", [*values, 0], "E_FIELD")
    bad("N18-message", "a message of an unknown kind", [99, 0], "E_OBJTYPE")
    bad("N18-message-note", "an object that is no message", exchange.scene.note.encode(), "E_OBJTYPE")
    bad("N18-message-bytes", "bytes where the kind belongs", [b"", b""], "E_OBJTYPE")
    bad("N18-message-empty", "an array of nothing", [], "E_OBJTYPE")
    bad("N19-message-number", "a number for a message", 32, "E_TYPE")
    bad("N18-request", "a REQUEST whose parts are exchanged", [32, certificate, invoice], "E_OBJTYPE")
    bad("N4-request", "a REQUEST with its invoice as bytes", [32, _pack(invoice), certificate], "E_TYPE")
    wishes = [tenge(1_000), 0, 8, 24_576, 1]

    def hello(**changed: Any) -> list[Any]:
        named = dict(zip(("amount", "purpose", "parts", "bytes", "trust"), wishes, strict=True))
        session = changed.pop("session", SESSION)
        return [33, session, changed.pop("payee", certificate), *{**named, **changed}.values()]

    bad("N13-hello-session", "a session of 15 bytes", hello(session=SESSION[:15]), "E_FIELD")
    bad("N13-hello-number", "a number for a session", hello(session=5), "E_TYPE")
    bad("P22-hello", "a HELLO for nothing", hello(amount=0), "E_FIELD")
    bad("P11-hello-none", "a HELLO that takes no part", hello(parts=0), "E_FIELD")
    bad("P11-hello-nine", "a HELLO that takes nine parts", hello(parts=9), "E_FIELD")
    bad("N19-hello-purpose", "bytes for a purpose", hello(purpose=b""), "E_TYPE")
    bad("N18-hello", "an invoice for the payee's certificate", hello(payee=invoice), "E_OBJTYPE")
    bad("X6-commit-none", "a COMMIT of nothing", [36, []], "E_COUNT")
    bad("X31-commit", "a COMMIT of nine transfers", [36, [transfer] * 9], "E_COUNT")
    bad("N18-commit", "an invoice in a COMMIT", [36, [invoice]], "E_OBJTYPE")
    bad("N4-commit", "a COMMIT with its transfer as bytes", [36, [_pack(transfer)]], "E_TYPE")
    bad("N19-commit", "bytes for the transfers", [36, b""], "E_TYPE")
    bad("N13-draft", "a DRAFT whose session is text", [35, "s" * 16, invoice, []], "E_TYPE")
    bad("N19-draft", "a DRAFT with 65 lists", [35, SESSION, invoice, [trust] * 65], "E_COUNT")
    bad("N18-draft", "a DRAFT with a note for a list", [35, SESSION, invoice, [transfer]], "E_OBJTYPE")
    bad("N4-draft", "a DRAFT with its list as bytes", [35, SESSION, invoice, [_pack(trust)]], "E_TYPE")
    bad("N19-offer", "a number for the offer", [34, SESSION, 0, 1, []], "E_TYPE")
    bad("N19-offer-trust", "bytes for the number of the list", [34, SESSION, b"", b"", []], "E_TYPE")
    long = _pack([36, [transfer]])
    cases.append(case("N16-message", "a byte too many", "message", long, "E_SIZE", limit_bytes=len(long) - 1))
    return cases


def _offers(exchange: Exchange) -> list[Case]:
    pick = Outpoint(exchange.scene.note.oid, 0)
    bundle = exchange.bundle.encode()

    def one(id: str, what: str, value: Any, expect: str = "ok") -> Case:
        return case(id, what, "offer-bytes", _pack(value), expect)

    return [
        one("offer-bytes", "a bundle and one outpoint of it", [bundle, [pick]]),
        one("offer-bytes-none", "a bundle and no outpoint", [bundle, []]),
        one("N19-offer-bytes-1", "a bundle alone", [bundle], "E_FIELD"),
        one("N19-offer-bytes-3", "three items", [bundle, [], 0], "E_FIELD"),
        one("N4-offer-bytes", "the bundle as an array", [canonical.decode(bundle), [pick]], "E_FIELD"),
        one("N19-offer-bytes-picks", "a number for the outpoints", [bundle, 0], "E_FIELD"),
        one("N19-offer-bytes-pick", "an outpoint of a hash alone", [bundle, [[pick.previous]]], "E_FIELD"),
        one("N19-offer-bytes-text", "an outpoint of a text", [bundle, [["a", 0]]], "E_FIELD"),
        one("N19-offer-bytes-number", "a number for an offer", 5, "E_TYPE"),
    ]


def _batches(exchange: Exchange, request: Signed[SyncRequest]) -> list[Case]:
    id, bundle = fixed_bytes("batch", 16), exchange.bundle
    loose = exchange.transfer.envelope()

    def one(name: str, what: str, value: Any, expect: str = "ok") -> Case:
        return case(name, what, "batch", value if isinstance(value, bytes) else _pack(value), expect)

    whole = make_batch(id, [bundle], [exchange.transfer, exchange.invoice], request).encode()
    return [
        one("batch", "a bundle, two loose objects, a statement", whole),
        one("batch-empty", "a batch of nothing", [1, id, [], [], []]),
        one("batch-strange", "a loose thing that nobody has judged yet", [1, id, [], [5], []]),
        one("N18-batch", "version 2", [2, id, [], [], []], "E_VERSION"),
        one("N18-batch-bytes", "bytes for the version", [b"\1", id, [], [], []], "E_VERSION"),
        one("N18-batch-array", "an array for the version", [[1], id, [], [], []], "E_VERSION"),
        one("N19-batch-4", "four items", [1, id, [], []], "E_FIELD"),
        one("N13-batch", "an id of 15 bytes", [1, id[:15], [], [], []], "E_FIELD"),
        one("N13-batch-number", "a number for the id", [1, 0, [], [], []], "E_TYPE"),
        one("N19-batch-bundles", "a number for the bundles", [1, id, 0, [], []], "E_TYPE"),
        one(
            "N4-batch", "a bundle as an array", [1, id, [canonical.decode(bundle.encode())], [], []], "E_TYPE"
        ),
        one("N19-batch-bundles-most", "1,025 bundles", [1, id, [b""] * 1_025, [], []], "E_COUNT"),
        one("N19-batch-objects-most", "4,097 loose objects", [1, id, [], [0] * 4_097, []], "E_COUNT"),
        one("N19-batch-objects", "bytes for the loose objects", [1, id, [], b"", []], "E_TYPE"),
        one("N19-batch-statements", "two statements", [1, id, [], [], [loose, loose]], "E_COUNT"),
        one("N18-batch-statement", "a transfer for a statement", [1, id, [], [], [loose]], "E_OBJTYPE"),
        one("N4-batch-statement", "a statement as bytes", [1, id, [], [], [request.encode()]], "E_TYPE"),
        one("N1-batch", "a batch cut short", whole[:-1], "E_DECODE"),
        one("N2-batch", "a batch and one byte more", whole + b"\0", "E_DECODE"),
    ]


def make() -> dict[str, Any]:
    """The file `messages.json`."""
    cases: list[Case] = []
    contexts: dict[str, Any] = {}
    for algorithm, suffix in NAMES.items():
        exchange = Exchange(Scene("messages", algorithm))
        contexts[suffix] = {"network": exchange.scene.world.network.hex()}
        own = _messages(exchange)
        if algorithm != ED25519:
            made = next(one for one in objects(algorithm)[1] if one.name == "SYNC_REQ")
            whole = [*_offers(exchange)[:1], *_batches(exchange, made.signed)[:1]]
            own += [{**one, "id": f"{one['id']}-{suffix}"} for one in whole]
        else:
            made = next(one for one in objects(algorithm)[1] if one.name == "SYNC_REQ")
            own += [*_bad_messages(exchange), *_offers(exchange), *_batches(exchange, made.signed)]
        cases += [{**one, "context": suffix} for one in own]
    return {
        "origin": "DTO/1, sections 5.4 (containers) and 5.5 (messages), 7.1 (N)",
        "schema": {
            "context": "by name: network id",
            "message": "the bytes are a message between devices of at most `limit_bytes` (524288 when not given)",
            "offer-bytes": "the bytes are an OFFER: bundle bytes and outpoints",
            "batch": "the bytes are a BATCH",
        },
        "context": contexts,
        "cases": cases,
    }
