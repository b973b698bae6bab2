"""Vectors of every object of DTO/1 in both algorithms: its bytes, its id, its signature; and each field, bent.

`objects.json` holds, for each of the fifteen types, one object of a world whose every key has the named algorithm,
with the id and the key that must fit; the same object under a foreign key, for another network, under another type's
signature, and with the signature's second form; and for each field of each type a value of the wrong kind and one out
of its bounds.
"""

from dataclasses import fields
from typing import Any

import msgpack

from cbdc import canonical
from cbdc.authority import network_id
from cbdc.keys import ED25519, SoftwareKey
from cbdc.money import tenge
from cbdc.record import Bytes, Group, Items, Kind, Record, Signed, Text, Unsigned, sign, signing_message
from cbdc.token import MERCHANT
from offline.records import CertificateLogHead, Enrol, Outcome, SubmitAck, SyncAck, SyncRequest
from tests.offline.world import BANK_ONE, NOW, World, fixed_bytes
from tests.vectors.case import Case, case
from tests.vectors.make_certificates import NAMES

_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Made:
    """One object, the key that signed it, and the protocol's name of its type."""

    def __init__(self, name: str, signed: Signed[Any], key: SoftwareKey) -> None:
        self.name = name
        self.signed = signed
        self.key = key


def objects(algorithm: int) -> tuple[World, list[Made]]:
    """A world whose every key has this algorithm, and one object of each type in it, by type number."""
    suffix = NAMES[algorithm]
    world = World(f"objects {suffix}", algorithm)
    payer = world.make_device("payer", algorithm)
    payee = world.make_device("payee", algorithm, category=MERCHANT)
    note = world.make_note(payer.kid, tenge(5_000))
    invoice = world.make_invoice(payee.key, tenge(1_000), memo=fixed_bytes("memo", 32))
    paid = world.make_transfer(payer.key, note, note, payee.kid, tenge(1_000), reference=invoice.oid)
    request = world.sign(
        SyncRequest(
            kid=payer.kid,
            sync_number=1,
            counter=1,
            head=paid.oid,
            invoice_number=0,
            purse=((paid.oid, 1, tenge(4_000)),),
            out_total_tiyn=tenge(1_000),
            in_total_tiyn=0,
            out_count=1,
            in_count=0,
            trust_sequence=1,
            nonce=fixed_bytes("sync", 16),
        ),
        payer.key,
    )
    made = [
        ("ROOT", world.root, world.root_key),
        ("AUTH", world.issuer_auth, world.root_key),
        ("DEVCERT", payer.certificate, world.bank_key),
        ("NOTE", note, world.issuer_key),
        ("TRANSFER", paid, payer.key),
        ("INVOICE", invoice, payee.key),
        ("RECEIPT", world.make_receipt(payee.key, invoice), payee.key),
        ("SYNC_REQ", request, payer.key),
        ("SYNC_ACK", world.sign(_ack(request), world.settle_key), world.settle_key),
        ("TRUST", _trust(world), world.status_key),
        ("REDEEM_ORDER", world.make_redeem_order(payer.kid), world.bank_key),
        ("SUBMIT_ACK", world.sign(_submit_ack(), world.settle_key), world.settle_key),
        ("OUTCOME", world.sign(_outcome(paid), world.settle_key), world.settle_key),
        ("ENROL", world.sign(_enrol(payer.key), payer.key), payer.key),
        ("CERTLOG", world.sign(_certificate_log(), world.status_key), world.status_key),
    ]
    return world, [Made(name, signed, key) for name, signed, key in made]


def _ack(request: Signed[SyncRequest]) -> SyncAck:
    record = request.record
    return SyncAck(
        kid=record.kid,
        sync_number=record.sync_number,
        request=request.oid,
        base_out_tiyn=record.out_total_tiyn,
        base_in_tiyn=0,
        base_out_count=1,
        base_in_count=0,
        closed_invoice_number=0,
        time=NOW,
        min_trust_sequence=1,
        action=0,
        drop=((record.head, 1),),
        certificate=b"",
    )


def _trust(world: World) -> Signed[Any]:
    limit = ((3,), (), tenge(700), NOW, NOW + 86_400)
    return world.make_trust(
        2,
        revoked_kids=(fixed_bytes("revoked", 16),),
        revoked_references=(fixed_bytes("revoked", 8),),
        tainted_notes=(fixed_bytes("tainted", 16),),
        policy=((9, 3), (14, 20_000)),
        purposes=((7, ((3, (4,)), (4, (5,))), 0, 2, 1, (limit,)),),
    )


def _submit_ack() -> SubmitAck:
    return SubmitAck(
        fixed_bytes("batch", 16), fixed_bytes("batch hash", 32), 17, fixed_bytes("root", 32), NOW
    )


def _outcome(paid: Signed[Any]) -> Outcome:
    return Outcome(paid.oid, 1, tenge(1_000), b"", 16, NOW)


def _certificate_log() -> CertificateLogHead:
    return CertificateLogHead(40, fixed_bytes("log root", 32), 12, fixed_bytes("limits root", 32), b"", NOW)


def _enrol(key: SoftwareKey) -> Enrol:
    return Enrol(BANK_ONE, key.public.algorithm, key.public.raw, fixed_bytes("challenge", 32))


# --- signatures ---


def _sealed(id: str, what: str, made: Made, data: bytes, expect: str = "ok", **more: Any) -> Case:
    values = {
        "type": made.signed.record.TYPE,
        "algorithm": made.key.public.algorithm,
        "key": made.key.public.raw,
    }
    return case(id, what, "sealed", data, expect, **{**values, **more})


def _second_form(algorithm: int, signature: bytes) -> bytes:
    """S plus the group order (Ed25519), or n minus s (ES256): what a lax reader takes for the same signature."""
    first, second = signature[:32], signature[32:]
    if algorithm == ED25519:
        return first + (int.from_bytes(second, "little") + _ED25519_ORDER).to_bytes(32, "little")
    return first + (_P256_ORDER - int.from_bytes(second, "big")).to_bytes(32, "big")


def _resealed(signed: Signed[Any], signature: bytes) -> bytes:
    return Signed(signed.record, signed.body, signature, signed.oid).encode()


def _signature_cases(world: World, made: Made) -> list[Case]:
    algorithm, signed, key = made.key.public.algorithm, made.signed, made.key
    suffix, name, record = NAMES[algorithm], made.name, made.signed.record
    message = signing_message(record.DOMAIN, record.TYPE, signed.oid)
    network = fixed_bytes("another network", 8)
    elsewhere = sign(record, network, key)
    cross = key.sign(signing_message(record.DOMAIN, record.TYPE % 15 + 1, signed.oid))
    bare = key.sign(signed.oid)
    stranger = world.key("stranger", algorithm).sign(message)
    second = _second_form(algorithm, signed.signature)
    g_second = "G6" if algorithm == ED25519 else "G7"
    foreign = _resealed(signed, stranger)
    return [
        _sealed(
            f"sealed-{name}-{suffix}",
            f"a {name}: its id and its signature",
            made,
            signed.encode(),
            oid=signed.oid,
            message=message,
        ),
        _sealed(f"G2-{name}-{suffix}", f"a {name} signed by a stranger", made, foreign, "E_SIG"),
        _sealed(f"G13-{name}-{suffix}", f"a {name} of another sandbox", made, elsewhere.encode(), "E_SIG"),
        _sealed(
            f"G12-{name}-{suffix}",
            f"a {name} under the signature of another type",
            made,
            _resealed(signed, cross),
            "E_SIG",
        ),
        _sealed(
            f"G12-{name}-bare-{suffix}",
            f"a {name} whose id alone is signed",
            made,
            _resealed(signed, bare),
            "E_SIG",
        ),
        _sealed(
            f"{g_second}-{name}-{suffix}",
            f"a {name} with the second form of its signature",
            made,
            _resealed(signed, second),
            "E_SIG",
        ),
    ]


# --- fields ---


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def wrong_kind(kind: Kind) -> Any:
    """A well-formed value that no field of this kind is."""
    return 0 if isinstance(kind, Bytes | Text | Group | Items) else b""


def out_of_bounds(kind: Kind) -> list[tuple[str, Any, str]]:
    """Values of the right kind outside the field's bounds: (name, value, code)."""
    found: list[tuple[str, Any, str]] = []
    if isinstance(kind, Unsigned):
        if kind.least > 0:
            found.append(("least", kind.least - 1, "E_FIELD"))
        if kind.most < canonical.MAX_INTEGER:
            found.append(("most", kind.most + 1, "E_FIELD"))
    elif isinstance(kind, Bytes):
        found.append(("short", bytes(max(kind.sizes) - 1 if max(kind.sizes) != 33 else 31), "E_FIELD"))
        found.append(("long", bytes(max(kind.sizes) + 1), "E_FIELD"))
    elif isinstance(kind, Text):
        found.append(("long", "a" * (kind.most_bytes + 1), "E_FIELD"))
    elif isinstance(kind, Items):
        found.append(("many", [0] * (kind.most + 1), "E_COUNT"))
        if kind.least > 0:
            found.append(("few", [], "E_COUNT"))
        found.append(("item", [wrong_kind(kind.kind)], "E_TYPE"))
    elif isinstance(kind, Group):
        found.append(("few", [0] * (len(kind.kinds) - 1), "E_FIELD"))
        found.append(("item", [wrong_kind(kind.kinds[0])] * len(kind.kinds), "E_TYPE"))
    return found


def _field_cases(made: Made) -> list[Case]:
    record: Record = made.signed.record
    values = list(canonical.decode_array(made.signed.body))
    cases: list[Case] = []

    def bent(name: str, what: str, body: list[Any], code: str) -> None:
        data = _pack([record.TYPE, _pack(body), made.signed.signature])
        cases.append(case(f"N19-{made.name}-{name}", what, "object", data, code, type=record.TYPE))

    bent("missing", "the last field is missing", values[:-1], "E_FIELD")
    bent("extra", "one field too many", [*values, 0], "E_FIELD")
    for place, (field, kind) in enumerate(zip(fields(record), record.SCHEMA, strict=True)):

        def put(value: Any, place: int = place) -> list[Any]:
            return [*values[:place], value, *values[place + 1 :]]

        told = f"{field.name}, of another kind"
        bent(f"{field.name}-kind", told, put(wrong_kind(kind)), "E_TYPE")
        for name, value, code in out_of_bounds(kind):
            bent(f"{field.name}-{name}", f"{field.name}, out of its bounds: {name}", put(value), code)
    return cases


def make() -> dict[str, Any]:
    """The file `objects.json`."""
    cases: list[Case] = []
    contexts: dict[str, Any] = {}
    for algorithm, suffix in NAMES.items():
        world, made = objects(algorithm)
        assert network_id(world.root.record) == world.network
        contexts[suffix] = {"network": world.network.hex(), "root": world.root.encode().hex()}
        own = [one for each in made for one in _signature_cases(world, each)]
        if algorithm == ED25519:
            own += [one for each in made for one in _field_cases(each)]
        cases += [{**one, "context": suffix} for one in own]
    return {
        "origin": "DTO/1, sections 5.2 to 5.4: every object, in both algorithms, and each of its fields",
        "schema": {
            "context": "by name: network id and ROOT of a world whose every key has that algorithm",
            "sealed": "the bytes are an envelope of `type` whose id is `oid`, signed over `message` by `key`",
            "object": "as in encoding.json",
        },
        "context": contexts,
        "cases": cases,
    }
