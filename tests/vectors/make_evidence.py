"""Vectors of evidence files: what proves guilt to a stranger, and what does not (attack list, R31, R32, E1 to E8)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cbdc import canonical
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.record import Signed, signing_message
from offline import evidence
from offline.admission import Parent
from offline.records import REDEEM, DeviceCertificate, Transfer
from tests.offline.world import MEAL, Device, World, fixed_bytes
from tests.vectors import edwards
from tests.vectors.case import Case, case
from tests.vectors.make_certificates import context_of
from tests.vectors.make_keys import second_signature
from tests.vectors.scene import Scene


class Court(Scene):
    """A scene whose cases are evidence files."""

    def __init__(self, algorithm: int, family: str = "evidence") -> None:
        super().__init__(family, algorithm)
        self.other_branch = self.step(self.a, self.note, self.c, 4_500, counter=40)
        self.bank = self.world.bank_auth.envelope()

    def file(self, items: Sequence[Any], auths: Sequence[Any] | None = None, version: int = 1) -> bytes:
        """A file of these items, whatever they prove."""
        return canonical.encode([version, list(auths if auths is not None else [self.bank]), list(items)])

    def bad(self, id: str, what: str, data: bytes, expect: str = "E_EVIDENCE", **more: Any) -> None:
        """A file that proves nothing."""
        self.cases.append(case(f"{id}-{self.suffix}", what, "evidence", data, expect, **more))

    def proof(
        self, id: str, what: str, data: bytes, guilty: bytes, amount_tiyn: int, device_id: bytes
    ) -> None:
        """A file that proves something, and what."""
        type_number = canonical.decode_array(data)[2][0]  # type: ignore[index]
        verdict = {"type": type_number, "kid": guilty, "device_id": device_id, "amount_tiyn": amount_tiyn}
        self.cases.append(case(f"{id}-{self.suffix}", what, "evidence", data, verdict=verdict))

    def proof_against(self, id: str, what: str, data: bytes, device: Device, amount_tiyn: int) -> None:
        """A file that proves a device's guilt."""
        self.proof(id, what, data, device.kid, amount_tiyn, device.certificate.record.device_id)

    def pair(
        self, type_number: int, certificate: Signed[DeviceCertificate], *pair: Signed[Transfer]
    ) -> list[Any]:
        """The items of E1 or E2, the transfers in the order of their ids."""
        low, high = sorted(pair, key=lambda transfer: transfer.oid)
        return [type_number, certificate.envelope(), low.envelope(), high.envelope()]


def _double_spend(court: Court) -> None:
    a, note, first, other = court.a, court.note, court.first, court.other_branch
    authority = court.world.authority
    good = evidence.double_spend(authority, a.certificate, first, other)
    court.proof_against("E1", "A paid one note to B and to C", good, a, tenge(5_000))
    again = court.step(a, note, court.b, 3_000, counter=first.record.counter, link=first.record.link)
    both = evidence.double_spend(authority, a.certificate, again, first)
    court.proof_against("E1-rollback", "A was put back and paid B otherwise", both, a, tenge(5_000))
    short = court.step(a, note, court.c, 0, counter=41, outputs=((tenge(100), court.c.kid),))
    less = evidence.double_spend(authority, a.certificate, first, short)
    court.proof_against("E1-less", "one branch is worth less: no more is proven", less, a, tenge(100))
    items = canonical.decode_array(good)[2]
    assert isinstance(items, list)
    certificate, low, high = items[1:]
    court.bad("R32-order", "the transfers in the wrong order", court.file([1, certificate, high, low]))
    court.bad("R32-same", "one transfer twice", court.file([1, certificate, low, low]))
    court.bad("R32-one", "one transfer alone", court.file([1, certificate, low]))
    court.bad("R32-three", "an item too many", court.file([1, certificate, low, high, 0]))
    court.bad(
        "R32-outputs",
        "two transfers of different outputs",
        court.file(court.pair(1, court.b.certificate, court.second, _spare(court))),
    )
    court.bad(
        "R32-payers",
        "two transfers of different payers",
        court.file(court.pair(1, a.certificate, first, court.second)),
    )
    court.bad(
        "R32-certificate",
        "the certificate of somebody else",
        court.file([1, court.b.certificate.envelope(), low, high]),
    )
    if court.algorithm == ES256:
        message = signing_message(first.record.DOMAIN, first.record.TYPE, first.oid)
        twin = Signed(first.record, first.body, second_signature(a.key.secret, message), first.oid)
        court.bad(
            "G8",
            "one transfer with two valid signatures",
            court.file([1, a.certificate.envelope(), first.envelope(), twin.envelope()]),
        )
    forged = court.step(a, note, court.d, 5_000, signer=court.b.key, counter=42)
    court.bad(
        "R32-forged",
        "the second transfer is signed by B",
        court.file(court.pair(1, a.certificate, first, forged)),
    )
    weak = court.device("A", signer=court.world.other_bank_key).certificate
    court.bad("R33-certificate", "the certificate is forged", court.file(court.pair(1, weak, first, other)))
    court.bad("R32-no-auth", "no certificate of the bank", court.file(items, []))
    court.bad(
        "R32-auth",
        "the certificate of another bank",
        court.file(items, [court.world.other_bank_auth.envelope()]),
    )
    court.bad("R32-auths", "more certificates than anything needs", court.file(items, [court.bank] * 5))
    stranger = World("evidence stranger")
    court.bad("R32-net", "judged by another ROOT", good, root=stranger.root.encode())
    theirs = stranger.make_auth(2, court.world.bank_key, (1, 3)).envelope()
    court.bad("R32-root", "the bank's certificate comes from another ROOT", court.file(items, [theirs]))
    small = court.world.make_auth(
        2, court.world.key("small"), (9, 3), public_key=edwards.encode(edwards.NEUTRAL)
    )
    unusable = [court.bank, small.envelope()]
    what = "beside the bank's, ROOT certified a key of small order, which nothing needs"
    court.bad("R32-auth-key", what, court.file(items, unusable))
    court.bad("R32-auth-key-type", "the same in a file of no known type", court.file([9, 0], unusable))
    root = court.world.root.encode()
    court.bad("root-none", "judged by no ROOT at all", good, "E_TYPE", root=b"\x05")
    bent = root[:-1] + bytes([root[-1] ^ 1])
    court.bad("root-forged", "judged by a ROOT that did not sign itself", good, "E_SIG", root=bent)
    court.bad("R32-version", "version 2", court.file(items, version=2))
    court.bad("R32-cut", "the last byte is missing", good[:-1])
    court.bad("R32-more", "a byte too many", good + b"\0")
    court.bad("R32-flip", "one bit of the last signature changed", good[:-1] + bytes([good[-1] ^ 1]))
    court.bad("R32-empty", "no evidence inside", court.file([]))
    court.bad("R32-nothing", "no bytes", b"")
    court.bad("R32-number", "a number", b"\x05")


def _spare(court: Court) -> Signed[Transfer]:
    spare = court.world.make_note(court.b.kid, tenge(100))
    return court.step(court.b, spare, court.d, 100, note=spare, counter=44)


def _equivocation(court: Court) -> None:
    a, b, world = court.a, court.b, court.world
    first = court.first
    spare = world.make_note(a.kid, tenge(700))
    same_counter = court.step(
        a, spare, court.d, 700, note=spare, counter=first.record.counter, link=bytes(32)
    )
    data = evidence.equivocation(world.authority, a.certificate, first, same_counter)
    court.proof_against("E2", "one counter in two transfers of different money", data, a, 0)
    same_link = court.step(a, spare, court.d, 700, note=spare, counter=77, link=first.record.link)
    data = evidence.equivocation(world.authority, a.certificate, first, same_link)
    court.proof_against("E2-link", "two transfers follow on one", data, a, 0)
    honest = court.step(a, spare, court.d, 700, note=spare)
    court.bad(
        "R32-honest", "two transfers in their order", court.file(court.pair(2, a.certificate, first, honest))
    )
    theirs = court.file(court.pair(2, b.certificate, first, court.second))
    court.bad("R32-two-devices", "one counter in transfers of two devices", theirs)
    data = evidence.double_spend(world.authority, a.certificate, first, court.other_branch)
    items = canonical.decode_array(data)[2]
    assert isinstance(items, list)
    court.bad("R32-relabelled", "a double spend called an equivocation", court.file([2, *items[1:]]))


def _statements(court: Court) -> None:
    b, c, d, world = court.b, court.c, court.d, court.world
    first = court.first

    def broken(id: str, what: str, whole: int = 3_000, parent: Parent = first, **fields: Any) -> None:
        transfer = court.step(b, parent, c, whole, **{"counter": 50, **fields})
        data = evidence.bad_statement(world.authority, b.certificate, transfer, parent)
        amount_tiyn = sum(output.amount_tiyn for output in transfer.record.outputs)
        court.proof_against(f"E4-{id}", what, data, b, amount_tiyn)

    all_of_it = tenge(4_000)
    broken("index", "spends an output that is not there", index=2, hop=2)
    broken("owner", "spends A's change", 500, index=1, hop=1)
    broken("kind", "a kind that does not exist", kind=9)
    broken("sum", "makes a tiyn", outputs=((all_of_it, c.kid), (1, b.kid)))
    broken("sum-below", "loses a tiyn", outputs=((all_of_it - 1, c.kid),))
    broken("zero", "an output of nothing", outputs=((all_of_it, c.kid), (0, b.kid)))
    broken("self", "pays itself", outputs=((all_of_it, b.kid),))
    broken("change", "gives the change to D", outputs=((1, c.kid), (all_of_it - 1, d.kid)))
    broken("hop", "states too few hops", hop=1)
    broken("length", "states too short a line", length=1)
    broken("purpose", "changes the purpose", purpose=MEAL)
    broken("spend-by", "extends the time", spend_by=first.record.spend_by + 1)
    account = fixed_bytes("account", 32)
    outputs = ((all_of_it + 1, account),)
    broken("redeem", "redeems a tiyn more than it has", kind=REDEEM, outputs=outputs, hop=1)
    none = world.make_note(b.kid, tenge(100), max_hops=0)
    broken("note-hops", "pays with a note that allows no hop", 100, parent=none)
    theirs = world.make_note(c.kid, tenge(100))
    broken("note-owner", "spends another's note", 100, parent=theirs)
    strange = _strange(court)
    broken(
        "other-kind",
        "the parent is of kind 7, and its second output counts as change",
        parent=strange,
        index=1,
        hop=1,
    )


def _strange(court: Court) -> Signed[Transfer]:
    """A transfer of a kind that does not exist: 500 tenge to C, and 4,500 in its second output to B."""
    outputs = ((tenge(500), court.c.kid), (tenge(4_500), court.b.kid))
    return court.step(court.a, court.note, court.b, 0, kind=7, counter=46, hop=1, outputs=outputs)


def _no_statements(court: Court) -> None:
    a, b, c, world = court.a, court.b, court.c, court.world
    first, second, note = court.first, court.second, court.note

    def items(device: Device, transfer: Signed[Transfer], parent: Parent) -> list[Any]:
        stated = [parent.record.TYPE, parent.body]
        return [4, device.certificate.envelope(), transfer.envelope(), stated]

    court.bad("R32-E4-honest", "the transfer is right", court.file(items(b, second, first)))
    court.bad("R32-E4-parent", "not the transfer's parent", court.file(items(b, second, note)))
    wrong = court.step(b, first, c, 3_000, counter=60, hop=1)
    good = items(b, wrong, first)
    court.bad("R32-E4-signed", "the parent comes as an envelope", court.file([*good[:3], first.envelope()]))
    court.bad("R32-E4-type", "the parent is called a note", court.file([*good[:3], [4, first.body]]))
    court.bad(
        "R32-E4-other-type", "the parent is called an invoice", court.file([*good[:3], [6, first.body]])
    )
    court.bad("R32-E4-text", "the parent is a number", court.file([*good[:3], 5]))
    court.bad("R32-E4-body", "the parent's body is a number", court.file([*good[:3], [5, 5]]))
    court.bad("R32-E4-short", "no parent", court.file(good[:3]))
    court.bad(
        "R32-E4-frame", "B's transfer, A's certificate", court.file([4, a.certificate.envelope(), *good[2:]])
    )
    forged = court.step(b, first, c, 3_000, counter=61, hop=1, signer=a.key)
    court.bad("R32-E4-forged", "a bad transfer that B did not sign", court.file(items(b, forged, first)))
    changed = replace(first.record, outputs=((tenge(5_000), b.kid),))
    body = changed.body()
    altered = Signed(changed, body, b"", changed.oid(world.network))
    court.bad(
        "R32-E4-altered",
        "the parent was altered to make B's sum wrong",
        court.file(items(b, second, altered)),
    )
    dressed = world.make_transfer(a.key, note, note, b.kid, tenge(4_000), kind=REDEEM, counter=62)
    deceived = court.step(b, dressed, c, 3_000)
    what = "B was deceived: A dressed a redemption as a payment, and B paid on"
    court.bad("R32-E4-deceived", what, court.file(items(b, deceived, dressed)))
    strange = _strange(court)
    counted = court.step(b, strange, c, 3_000, counter=64, index=1, hop=2)
    what = "the parent is of kind 7, and its second output is spent as that of a redemption"
    court.bad("R32-E4-other-kind", what, court.file(items(b, counted, strange)))
    wrong = court.step(c, strange, b, 500, counter=65, index=0, hop=9)
    what = "the first output of a transfer of kind 7 is spent, and the hop is wrong: as of a redemption"
    court.bad("R32-E4-other-kind-first", what, court.file(items(c, wrong, strange)))


def _certificates(court: Court) -> None:
    world, authority = court.world, court.world.authority
    victim = court.a.certificate
    bank = world.bank_key.public.kid
    device_id = victim.record.device_id
    second = court.device("another key", device_id=device_id).certificate
    data = evidence.dual_certificate(authority, victim, second)
    court.proof("E8", "the bank certified another key for A's device", data, bank, 0, device_id)
    numbered = court.device("third key", certificate_number=victim.record.certificate_number).certificate
    data = evidence.dual_certificate(authority, victim, numbered)
    low = min(victim, numbered, key=lambda one: one.oid)
    court.proof("E8-number", "two devices under one number", data, bank, 0, low.record.device_id)

    def bad(id: str, what: str, one: Signed[DeviceCertificate], other: Signed[DeviceCertificate]) -> None:
        low, high = sorted((one, other), key=lambda signed: signed.oid)
        auths = [court.bank, world.other_bank_auth.envelope()]
        court.bad(id, what, court.file([8, low.envelope(), high.envelope()], auths))

    renewed = court.device("A", expires=victim.record.expires + 1).certificate
    bad("R32-E8-renewed", "a renewal for the same key", victim, renewed)
    bad("R32-E8-devices", "two devices of one bank", victim, court.b.certificate)
    abroad = court.device("abroad", ca=world.other_bank_key, device_id=device_id).certificate
    bad("R32-E8-banks", "certificates of two banks", victim, abroad)
    bad("R32-E8-same", "one certificate twice", victim, victim)
    forged = court.device("another key", device_id=device_id, signer=world.other_bank_key).certificate
    bad("R32-E8-forged", "the second certificate is forged", victim, forged)
    court.bad("R32-E8-one", "one certificate alone", court.file([8, victim.envelope()]))


def _types(court: Court) -> None:
    for number in (3, 5, 6, 7):
        court.bad(f"R32-E{number}-number", "a number where objects belong", court.file([number, 0]))
        court.bad(f"R32-E{number}-bare", "a type without items", court.file([number]))
    for number in (0, 9, 255):
        court.bad(f"R32-type-{number}", "no such type", court.file([number, 0]), "E_EVIDENCE_TYPE")
    court.bad("R32-type-bytes", "bytes for a type", court.file([b"\1", 0]))


def file_of_courts(origin: str, family: str, parts: Sequence[Callable[[Court], None]]) -> dict[str, Any]:
    """A vector file: these parts played before a court of each algorithm."""
    contexts: dict[str, Any] = {}
    cases: list[Case] = []
    for algorithm in (ED25519, ES256):
        court = Court(algorithm, family)
        for part in parts:
            part(court)
        contexts[court.suffix] = {"root": context_of(court.world)["root"]}
        cases += [{**one, "context": court.suffix} for one in court.cases]
    return {
        "origin": origin,
        "schema": {
            "context": "by name: ROOT, and nothing else",
            "evidence": "the bytes are a file [1, [AUTH...], [type, item...]] that proves the `verdict`",
        },
        "context": contexts,
        "cases": cases,
    }


def make() -> dict[str, Any]:
    """The file `evidence.json`."""
    return file_of_courts(
        "DTO/1, sections 5.10, 5.19 (3, 8), 7.7 (R31 to R33) and 7.2 (G8)",
        "evidence",
        (_double_spend, _equivocation, _statements, _no_statements, _certificates, _types),
    )
