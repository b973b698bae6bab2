"""Targets that read bytes and keep nothing: decoding, objects, bundles, batches as containers, evidence."""

from typing import Any

import msgpack

from cbdc import canonical
from cbdc.authority import Auth, Root, open_root
from cbdc.errors import TengeError
from cbdc.keys import ED25519, ES256
from cbdc.record import Record, Signed, open_envelope, plain_fields
from offline import verify
from offline.batch import open_batch
from offline.bundle import open_bundle
from offline.evidence import bad_statement, double_spend, dual_certificate, equivocation, verify_evidence
from offline.intake import open_kept, open_submitted
from offline.payload import read_payload
from offline.records import (
    DeviceCertificate,
    Enrol,
    Invoice,
    Note,
    Outcome,
    Receipt,
    RedeemOrder,
    SubmitAck,
    SyncAck,
    SyncRequest,
    Transfer,
    Trust,
)
from tests.fuzz.mutation import Keyring, opened, packed, type_is
from tests.fuzz.stage import AMOUNT, roles_of, shared
from tests.fuzz.target import Target, check_signed, envelopes_in, expect, vectors
from tests.offline.world import NOW, World, fixed_bytes
from tests.vectors import case
from tests.vectors.make_certificates import NAMES

KINDS: dict[int, type[Record]] = {
    kind.TYPE: kind
    for kind in (
        Root, Auth, DeviceCertificate, Note, Transfer, Invoice, Receipt, SyncRequest, SyncAck, Trust, RedeemOrder,
        SubmitAck, Outcome, Enrol,
    )
}  # fmt: skip
FILES = ("encoding", "certificates", "transfers", "payment", "evidence", "sizes")


def decode() -> Target:
    """Canonical decoding: what is accepted has exactly one form."""

    def play(world: Any, data: bytes) -> None:
        value = canonical.decode(data)
        expect(canonical.encode(value) == data, "decoded bytes have two forms")

    seeds = {data for name in FILES for _, data, _ in vectors(name) if len(data) < 2_000}
    return Target("decode", sorted(seeds), play)


def objects() -> Target:
    """Every type of object: it re-encodes to the same bytes, and what verifies was signed by the key's owner."""
    stage = shared()
    world, kid = stage.bench.world, stage.payer.kid
    made: list[Signed[Any]] = [
        world.first_trust,
        world.root,
        world.bank_auth,
        world.make_trust(2, base_sequence=1),
    ]
    made += [device.certificate for device in stage.people.values()]
    made += [world.make_note(kid, AMOUNT), world.make_redeem_order(kid), stage.statement("payer")]
    made += [stage.payer.invoice(b"object", AMOUNT, 0, stage.now), *stage.payer.element.resend(_first_paid())]
    made += [stage.bench.ack(stage.statement("payer"))]
    seeds = [one.encode() for one in made]
    seeds += [
        data for name in FILES for check, data, good in vectors(name) if check == "object" and good == "ok"
    ]

    def play(_: Any, data: bytes) -> None:
        tree = opened(data)
        number = tree[0] if type_is(tree, list) and tree and type_is(tree[0], int) else 0
        kind = KINDS.get(number, Transfer)
        signed = open_envelope(data, kind, stage.network)
        expect(signed.encode() == data, "an object has two forms")
        expect(kind.from_values(signed.record.values()).body() == signed.body, "a body has two forms")
        slowly = kind.checked(canonical.decode_array(signed.body, canonical.MAX_LENGTH))
        expect(slowly == signed.record.values(), "the quick way reads other fields than the strict one")
        if kind in (DeviceCertificate, Note, Transfer, Invoice, Receipt, SyncRequest, RedeemOrder):
            expect(open_submitted(data, stage.network) == signed, "the door of settlement reads it otherwise")
            expect(open_kept(data, stage.network) == signed, "the archive reads it otherwise")
        if isinstance(signed.record, DeviceCertificate):
            verify.check_certificate(signed, stage.trust, NOW)
        elif isinstance(signed.record, Note):
            verify.check_note(signed, stage.trust)
        elif isinstance(signed.record, Trust):
            if stage.trust.adopt(signed) is stage.trust:
                return  # the list it has, whoever signed it this time: nothing is adopted
        else:
            return
        check_signed(data, stage.keyring)

    return Target("object", seeds, play, keyring=stage.keyring)


def bodies() -> Target:
    """The quick reader of bodies takes nothing that the strict one refuses, and reads the same fields."""
    seeds = []
    for data in objects().seeds:
        number, body, _ = msgpack.unpackb(data)
        seeds.append(canonical.encode([number, body]))

    def play(_: Any, data: bytes) -> None:
        values: Any = canonical.decode_array(data)
        if len(values) != 2 or not type_is(values[0], int) or not type_is(values[1], bytes):
            canonical.decode(b"")
        kind = KINDS.get(values[0], Transfer)
        quickly = plain_fields(kind, values[1])
        try:
            strictly = kind.checked(canonical.decode_array(values[1], canonical.MAX_LENGTH))
        except TengeError:
            expect(quickly is None, "the quick reader takes what the strict one refuses")
            raise
        expect(quickly in (None, strictly), "the quick reader reads other fields")

    return Target("body", seeds, play)


def _first_paid() -> bytes:
    stage = shared()
    return stage.payer.status(stage.now).outbox[0]


def bundles() -> Target:
    """V0 to V7: a payment that is accepted is a right one, and every part of it was signed by whoever it names."""
    stage = shared()
    invoices: list[Signed[Invoice]] = []
    seeds: list[bytes] = []
    for number, (payer, amount) in enumerate(
        ((stage.payer, AMOUNT), (stage.carrier, AMOUNT), (stage.payer, 215_000))
    ):
        invoice = stage.payee.invoice(fixed_bytes(f"fuzz {number}", 16), amount, 0, stage.now)
        payment = payer.pay(invoice, stage.payee.certificate, stage.now)
        invoices.append(invoice)
        tree = opened(payment)
        offer = packed([tree[0], tree[1], [[note, transfers[:-1]] for note, transfers in tree[2]]])
        seeds += [canonical.encode([number, payment]), canonical.encode([number, offer])]
    category = stage.payee.certificate.record.category

    def play(_: Any, data: bytes) -> None:
        values: Any = canonical.decode_array(data)
        if len(values) != 2 or not type_is(values[0], int) or not type_is(values[1], bytes):
            canonical.decode(b"")
        invoice, message = invoices[values[0] % len(invoices)], values[1]
        bundle = open_bundle(message, stage.network, 24_576)
        expect(bundle.encode() == message, "a bundle has two forms")
        if not any(token.transfers for token in bundle.tokens) or values[0] > 2:
            verify.verify_offer(message, stage.trust, stage.now, 24_576, verify.EMPTY)
            check_signed(message, stage.keyring)
            return
        payment = verify.verify_payment(message, invoice, category, stage.trust, stage.now, verify.EMPTY)
        expect(payment.bundle.encode() == message, "the payment is other bytes than those that came")
        check_signed(message, stage.keyring)
        first = [transfer.record.outputs[0] for transfer in payment.transfers]
        paid_tiyn = sum(output.amount_tiyn for output in first)
        expect(paid_tiyn == invoice.record.amount_tiyn, "another amount was paid")
        expect({output.owner for output in first} == {invoice.record.payee}, "somebody else was paid")
        spent = {transfer.record.outpoint for transfer in payment.transfers}
        expect(len(spent) == len(first), "one output pays twice")

    return Target("bundle", seeds, play, keyring=stage.keyring)


def payloads() -> Target:
    """The payload meter: what it knows it weighs to the byte, and it refuses the rest in one way."""

    def play(_: Any, data: bytes) -> None:
        payload = read_payload(data)
        expect(payload.packing_bytes >= 0, "the parts are more than the whole")
        expect(canonical.encode(canonical.decode(data)) == data, "a payload has two forms")

    return Target("payload", [*containers().seeds, *objects().seeds, *evidence().seeds[:8]], play)


def containers() -> Target:
    """A BATCH as a container: only its form is judged, and it has one."""
    stage = shared()
    payment = stage.payer.resend(_first_paid())
    certificate, request = stage.payer.certificate.envelope(), stage.statement("payer").envelope()
    batch = canonical.encode([1, bytes(16), [payment], [certificate], [request]])
    empty = canonical.encode([1, bytes(16), [], [], []])

    def play(_: Any, data: bytes) -> None:
        expect(open_batch(data, stage.network).encode() == data, "a batch has two forms")

    return Target("container", [batch, empty], play, keyring=stage.keyring)


def _court(name: str, file: str, family: str, algorithm: int) -> Target:
    """The proofs of a vector file in one algorithm, under its own root; whoever no right proof names is honest."""
    suffix = NAMES[algorithm]
    cases = [
        one for one in case.load(file)["cases"] if one.get("context") == suffix and one["check"] == "evidence"
    ]
    root = open_root(bytes.fromhex(case.load(file)["context"][suffix]["root"]))
    world = World(f"{family} {suffix}")
    assert world.root.encode() == root.encode(), "the vectors come from another world"
    people = [world.key(person, algorithm) for person in ("A", "B", "C", "D", "payer")]
    guilty = {one["verdict"]["kid"] for one in cases if "verdict" in one}
    ring = Keyring(world.network, roles_of(world), people)
    ring.honest = {key.public.kid for key in people if key.public.kid.hex() not in guilty}
    assert ring.honest, "somebody is innocent"
    good = [bytes.fromhex(one["bytes"]) for one in cases if one["expect"] == "ok"]
    near = [bytes.fromhex(one["bytes"]) for one in cases if one["expect"] != "ok"]
    genuine = frozenset(envelope for data in good for envelope in envelopes_in(data))

    def play(_: Any, data: bytes) -> None:
        verdict = verify_evidence(data, root)
        expect(verdict.kid not in ring.honest, "an honest device was named")
        check_signed(data, ring, genuine)

    return Target(name, good + near, play, keyring=ring)


def statements() -> Target:
    """E3 and E6: a device against its own statements."""
    return _court("statements", "evidence_statements", "evidence statements", ES256)


def limits() -> Target:
    """E5: a device against the limits of its certificates in the log."""
    return _court("limits", "evidence_limits", "evidence limits", ED25519)


def notes() -> Target:
    """E7: an issuer against the journal of loads."""
    return _court("notes", "evidence_notes", "evidence notes", ES256)


def evidence() -> Target:
    """Evidence files: a verdict follows only from what was signed, and never names a device that kept its key."""
    world = World("fuzz evidence")
    a, b = world.make_device("A", ES256), world.make_device("B", ED25519)
    honest = world.make_device("C", ES256)
    note = world.make_note(a.kid, AMOUNT)
    first = world.make_transfer(a.key, note, note, b.kid, AMOUNT - 100)
    second = world.make_transfer(b.key, first, note, honest.kid, 500)
    third = world.make_transfer(honest.key, second, note, a.kid, 200)
    other = world.make_transfer(a.key, note, note, honest.kid, 300, counter=9)
    again = world.make_transfer(a.key, note, note, b.kid, 300, counter=1, link=first.record.link)
    greedy = world.make_transfer(b.key, first, note, a.kid, AMOUNT)
    twin = world.make_device("B twin", ES256, device_id=b.certificate.record.device_id)
    authority = world.authority
    files = [
        double_spend(authority, a.certificate, first, other),
        equivocation(authority, a.certificate, first, again),
        bad_statement(authority, b.certificate, greedy, first),
        dual_certificate(authority, b.certificate, twin.certificate),
        packed(
            [
                1,
                [world.bank_auth.envelope()],
                [2, honest.certificate.envelope(), third.envelope(), third.envelope()],
            ]
        ),
    ]
    files += [data for check, data, good in vectors("evidence") if check == "evidence" and good == "ok"]
    ring = Keyring(world.network, roles_of(world), [one.key for one in (a, b, honest, twin)])
    ring.honest = {honest.kid}

    def play(_: Any, data: bytes) -> None:
        verdict = verify_evidence(data, world.root)
        expect(verdict.kid not in ring.honest, "an honest device was named")
        check_signed(data, ring)

    return Target("evidence", files, play, keyring=ring)
