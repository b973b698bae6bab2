"""Vectors of sizes: what one payment weighs, with both algorithms (DTO/1, 5.19.7).

The named sets are 1,000 tenge paid with 4,000 tenge change, counters below 128, certificates and notes signed with
Ed25519. Longer lines keep both amounts of each step in the same width: hop by hop the line loses 1,000.
"""

from typing import Any

from cbdc import canonical
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.record import Signed
from offline import evidence
from offline.records import Transfer
from tests.vectors.case import Case, case
from tests.vectors.make_certificates import NAMES, context_of
from tests.vectors.scene import Scene

HOPS = (0, 1, 2, 3, 5)


def _line(scene: Scene, hops: int) -> Case:
    """A bundle of so many hops, every payer another device; the last step pays 1,000 and gives 4,000 back."""
    people = [scene.device(f"size {place}") for place in range(hops + 1)]
    most = 4_000 + 1_000 * max(hops, 1)
    note = scene.world.make_note(people[0].kid, tenge(most))
    steps: list[Signed[Transfer]] = []
    parent: Signed[Any] = note
    for place in range(hops):
        left = most - 1_000 * (place + 1)
        whole = 1_000 if place == hops - 1 else left
        steps.append(scene.step(people[place], parent, people[place + 1], whole, note=note))
        parent = steps[-1]
    certificates = [one.certificate for one in people[:hops]]
    data = scene.world.bundle(certificates, [(note, steps)]).encode()
    return _size(scene, f"hops-{hops}", f"the bundle of a payment after {hops} hops", "bundle", data)


def _size(scene: Scene, id: str, what: str, check: str, data: bytes, **more: Any) -> Case:
    return case(f"sizes-{scene.suffix}-{id}", what, check, data, size_bytes=len(data), **more)


def _cases(scene: Scene) -> list[Case]:
    world, a, b = scene.world, scene.a, scene.b
    note = world.make_note(a.kid, tenge(5_000))
    paid = scene.step(a, note, b, 1_000, note=note)
    exact = scene.step(a, note, b, 5_000, note=note)
    other = scene.step(a, note, scene.c, 1_000, note=note, counter=3)
    invoice = world.make_invoice(b.key, tenge(1_000))
    bound = world.make_invoice(b.key, tenge(1_000), offer=bytes(32), memo=bytes(32))
    receipt = world.make_receipt(b.key, invoice)
    made = [
        ("certificate", "a device's certificate", a.certificate),
        ("note", "a note of 5,000 tenge", note),
        ("commit", "the transfer of a payment with change: what must arrive", paid),
        ("commit-exact", "the transfer of a payment without change", exact),
        ("invoice", "a request", invoice),
        ("invoice-bound", "a request bound to an offer and a text", bound),
        ("receipt", "a receipt", receipt),
    ]
    cases = [
        _size(scene, id, what, "object", signed.encode(), type=signed.record.TYPE)
        for id, what, signed in made
    ]
    file = evidence.double_spend(world.authority, a.certificate, paid, other)
    items = canonical.decode_array(file)[2]
    cases.append(
        _size(scene, "E1-items", "the evidence of a double spend", "decode", canonical.encode(items))
    )
    cases.append(_size(scene, "E1-file", "its file, with the bank's certificate", "evidence", file))
    return [*cases, *(_line(scene, hops) for hops in HOPS)]


def make() -> dict[str, Any]:
    """The file `sizes.json`."""
    cases: list[Case] = []
    contexts: dict[str, Any] = {}
    for algorithm in (ED25519, ES256):
        scene = Scene("sizes", algorithm)
        context = context_of(scene.world)
        contexts[NAMES[algorithm]] = {"network": context["network"], "root": context["root"]}
        cases += [{**one, "context": NAMES[algorithm]} for one in _cases(scene)]
    return {
        "origin": "DTO/1, section 5.19.7: the named vectors sizes-ed25519 and sizes-es256",
        "schema": {
            "context": "by name: network id and ROOT",
            "size_bytes": "how many bytes the vector has",
            "checks": "`object`, `bundle` and `decode` as in encoding.json, `evidence` as in evidence.json",
        },
        "context": contexts,
        "cases": cases,
    }
