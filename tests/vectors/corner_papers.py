"""Corners of single papers, of containers, of bytes and of signatures; and the stage that all corners share."""

from dataclasses import replace
from typing import Any

from cbdc import canonical
from cbdc.authority import BANK_CA, make_root
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.record import Signed
from offline.records import Note
from tests.offline.court import make_ack, make_request
from tests.offline.world import END, NOW, START, fixed_bytes, fixed_key
from tests.vectors import edwards, weierstrass
from tests.vectors.case import case
from tests.vectors.make_certificates import with_trust
from tests.vectors.make_keys import MESSAGE, P256_ORDER, pair
from tests.vectors.make_payment import Till


class Corner(Till):
    """The till of the payments, in a world of its own."""

    def __init__(self, algorithm: int) -> None:
        super().__init__(algorithm, "corners")

    def add(self, id: str, what: str, check: str, data: bytes, expect: str = "ok", **more: Any) -> None:
        """One case of any check."""
        self.cases.append(case(f"{id}-{self.suffix}", what, check, data, expect, **more))

    def revoked(self, *kids: bytes, **fields: Any) -> list[bytes]:
        """The first list, and one that revokes these keys."""
        return with_trust(self.world, revoked_kids=tuple(kid[:16] for kid in kids), **fields)


def papers(at: Corner) -> None:
    """Invoices, receipts and acknowledgements."""
    d, world, invoice = at.d, at.world, at.invoice
    late = at.device("D", expires=NOW - 1)
    forged = at.device("D", expires=NOW - 1, signer=world.other_bank_key)
    gone = at.revoked(d.kid)
    altered = world.make_invoice(at.c.key, tenge(5), payee=d.kid)
    theirs = world.make_invoice(at.b.key, tenge(5), payee=at.c.kid)

    def ask(id: str, what: str, signed: Signed[Any], device: Any, expect: str, **more: Any) -> None:
        at.add(id, f"{what}: the first is found", "invoice", signed.encode(), expect,
               certificate=device.certificate.encode(), **more)  # fmt: skip

    ask("P16-order", "certificate forged, certificate expired", invoice, forged, "E_SIG")
    ask("P16-order-time", "certificate expired, device revoked", invoice, late, "E_CERT_TIME", trust=gone)
    ask("P16-order-payee", "device revoked, another payee", theirs, d, "E_REVOKED", trust=gone)
    ask("P5-order", "another payee, signature", theirs, d, "E_PAYEE")
    ask("P5-order-sig", "device revoked, signature", altered, d, "E_REVOKED", trust=gone)

    root = fixed_bytes("payment root", 32)

    def receipt(id: str, what: str, expect: str, signer: Any, asked: Signed[Any], **fields: Any) -> None:
        given = fields.pop("given", root)
        signed = world.make_receipt(signer.key, asked, **fields)
        at.add(id, f"{what}: the first is found", "receipt", signed.encode(), expect, payment_root=given,
               certificate=d.certificate.encode(), invoice=invoice.encode())  # fmt: skip

    other = at.ask(5)
    receipt("P13-order", "another payee, another request", "E_PAYEE", at.c, other, payee=at.c.kid)
    receipt("P13-order-root", "another request, other transfers", "E_INVOICE", d, other, given=bytes(32))
    receipt(
        "P13-order-sig", "other transfers, signature", "E_PARTS", at.c, invoice, payee=d.kid, given=bytes(32)
    )
    request = make_request(world, d, out_total_tiyn=9, in_total_tiyn=8, out_count=3, in_count=2)

    def ack(id: str, what: str, expect: str, signer: Any = world.settle_key, **fields: Any) -> None:
        signed = world.sign(replace(make_ack(world, request).record, **fields), signer)
        at.add(id, what, "sync-ack", signed.encode(), expect, request=request.encode())

    ack("S12-base", "the baselines are what the request stated", "ok")
    zero = {"base_out_tiyn": 0, "base_in_tiyn": 0, "base_out_count": 0, "base_in_count": 0}
    ack("S12-base-zero", "the baselines are lower", "ok", **zero)
    for name in zero:
        above = getattr(make_ack(world, request).record, name) + 1
        id = f"S12-{name.replace('_', '-')}"
        ack(id, f"{name} is one above what the request stated", "E_SYNC_ACK", **{name: above})
    ack(
        "S12-order",
        "a baseline too high, and forged: the signature first",
        "E_SIG",
        base_in_count=3,
        signer=at.a.key,
    )
    ack("S12-order-request", "another request, and forged: the request first", "E_SYNC_ACK",
        request=bytes(32), signer=at.a.key)  # fmt: skip


def containers(at: Corner) -> None:
    """Structure: the number of items, the version, the type; and keys before or after signatures."""
    world, id = at.world, bytes(16)
    at.add(
        "N18-order",
        "four items, and version 2: the items first",
        "bundle",
        canonical.encode([2, [], [], []]),
        "E_FIELD",
    )
    at.add("N18-order-batch", "four items, and version 2: the items first", "batch",
           canonical.encode([2, id, [], []]), "E_FIELD")  # fmt: skip
    at.add("N18-order-five", "version 2, and an id of 15 bytes: the version first", "batch",
           canonical.encode([2, id[1:], [], [], []]), "E_VERSION")  # fmt: skip
    at.add("N18-order-count", "two statements, and an id of 15 bytes: the statements first", "batch",
           canonical.encode([1, id[1:], [], [], [0, 0]]), "E_COUNT")  # fmt: skip
    for count, expect in ((1_024, "ok"), (1_025, "E_COUNT")):
        batch = canonical.encode([1, id, [b""] * count, [], []])
        at.add(f"Z8-batch-{count}", f"a batch of {count} bundles", "batch", batch, expect)
    position = canonical.encode([b"", [[bytes(32), b""]]])
    at.add("N19-position", "an outpoint whose position is no number", "offer-bytes", position, "E_FIELD")
    note = at.note
    two = canonical.encode([5, note.body])
    at.add(
        "N19-order", "two items, and another type: the items first", "object", two, "E_FIELD", type=Note.TYPE
    )
    four = canonical.encode([5, note.body, note.signature, 0])
    at.add("N19-order-four", "four items, and another type", "object", four, "E_FIELD", type=Note.TYPE)
    key = world.key("strange", at.algorithm)
    none = bytes([255]) * len(key.public.raw)
    root = replace(make_root(key, START, END, "Strange").record, public_key=none)
    at.add("G9-root", "ROOT's key is none, so its signature is too: the key first", "root",
           world.sign(root, key).encode(), "E_KEY")  # fmt: skip
    auth = world.make_auth(BANK_CA, key, (3, 3), public_key=none, signer=world.bank_key)
    at.add(
        "G16-order",
        "an AUTH that ROOT did not sign, for no key: the signature first",
        "auth",
        auth.encode(),
        "E_SIG",
    )


def encoding(at: Corner) -> None:
    """The last byte of each kind of head, and the last nanosecond of a timestamp."""
    for id, what, data, expect in (
        ("N9-last", "the lowest number of one byte, -32", b"\xe0", "E_RANGE"),
        ("N5-map", "a map of 15 pairs", b"\x8f" + bytes(30), "E_TYPE"),
        ("N12-text", "the longest text under a head of one byte", b"\xbf" + b"a" * 31, "ok"),
        ("N12-text-long", "the longest text under a head of two bytes", b"\xd9\xff" + b"a" * 255, "ok"),
        ("N13-bytes", "the longest byte string under a head of two bytes", b"\xc4\xff" + bytes(255), "ok"),
        (
            "N11-time",
            "a timestamp of 999,999,999 nanoseconds",
            bytes.fromhex("c70cff3b9ac9ff") + bytes(8),
            "E_TYPE",
        ),
        (
            "N11-time-over",
            "a timestamp of 10**9 nanoseconds",
            bytes.fromhex("c70cff3b9aca00") + bytes(8),
            "E_DECODE",
        ),
    ):
        at.add(id, what, "decode", data, expect)
    root = make_root(at.world.key("strange", at.algorithm), START, END, "x" * 64)
    at.add("N19-label", "ROOT with a label of 64 bytes, the longest", "root", root.encode())


def signatures(at: Corner) -> None:
    """Bounds of ES256 signatures, under keys made to fit them; and of Ed25519's S."""
    if at.algorithm == ED25519:
        key = fixed_key("corners ed25519")
        half = key.sign(MESSAGE)[:32]
        for name, scalar in (("0", 0), ("order", edwards.ORDER), ("below", edwards.ORDER - 1)):
            what = f"S of another signature: {name}"
            data = half + scalar.to_bytes(32, "little")
            at.add(f"G6-S-{name}", what, "signature", data, "E_SIG", algorithm=ED25519, key=key.public.raw,
                   message=MESSAGE)  # fmt: skip
        return
    middle = (P256_ORDER - 1) // 2
    some = weierstrass.first_x(1_000)
    small = weierstrass.first_x(1)
    for name, r, s, expect in (
        ("s-1", some, 1, "ok"),
        ("s-middle", some, middle, "ok"),
        ("s-above", some, middle + 1, "E_SIG"),
        ("s-last", some, P256_ORDER - 1, "E_SIG"),
        ("r-small", small, 12_345, "ok"),
        ("r-plus-order", small + P256_ORDER, 12_345, "E_SIG"),
    ):
        public = weierstrass.key_for(r % P256_ORDER, s, MESSAGE)
        what = f"r = {r % P256_ORDER}{' + n' if r > P256_ORDER else ''}, {name}: the key was made to fit"
        at.add(
            f"G7-{name}", what, "signature", pair(r, s), expect, algorithm=ES256, key=public, message=MESSAGE
        )
