"""Messages weighed: every kind that devices hand over is known, each byte has its place, the rest is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Malformed
from offline.payload import KINDS, object_name, read_payload
from tests.vectors.case import load
from tests.vectors.generate import MAKERS

KNOWN = (
    "object",
    "bundle",
    "offer",
    "payment",
    "message",
    "commit",
    "offer-bytes",
    "batch",
    "receipt",
    "invoice",
)


def vectors(*checks: str, good: bool = True) -> list[Any]:
    return [
        pytest.param(one, id=f"{name}-{one['id']}")
        for name in MAKERS
        for one in load(name)["cases"]
        if one["check"] in checks and (one["expect"] == "ok") == good
    ]


def bytes_of(one: dict[str, Any]) -> bytes:
    return bytes.fromhex(one["bytes"])


def known(data: bytes) -> str | None:
    """The kind of a payload, or None when it is refused, which it may only be in one way."""
    try:
        return read_payload(data, "the file").kind
    except Malformed as error:
        if (error.code, error.facts["name"]) != ("E_PAYLOAD", "the file"):
            raise
        return None


def named(id: str) -> bytes:
    return next(bytes_of(one) for one in load("sizes")["cases"] if one["id"] == id)


@pytest.mark.parametrize("one", vectors(*KNOWN))
def test_what_is_right_is_known_and_every_byte_has_its_place(one: dict[str, Any]) -> None:
    data = bytes_of(one)
    payload = read_payload(data)
    assert payload.data == data
    assert sum(part.size_bytes for part in payload.parts) + payload.packing_bytes == len(data)
    assert payload.packing_bytes >= 0
    assert all(part.count > 0 for part in payload.parts)


@pytest.mark.parametrize("one", vectors("evidence"))
def test_every_proof_is_known(one: dict[str, Any]) -> None:
    payload = read_payload(bytes_of(one))
    assert payload.kind == "evidence file"
    assert {part.name for part in payload.parts} > {"AUTH"}


@pytest.mark.parametrize("one", vectors("object", "bundle", "message", "batch", "offer-bytes", good=False))
def test_what_is_badly_formed_is_refused(one: dict[str, Any]) -> None:
    """What any reader refuses for its form, the meter refuses, unless the form is that of something else."""
    kind = known(bytes_of(one))
    # Known all the same: an object of another type than the vector's reader wanted, or with a limit of its own.
    assert kind is None or one["expect"] in ("E_OBJTYPE", "E_SIZE", "E_FIELD", "E_VERSION", "E_COUNT"), kind


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x90",
        b"\x91\x63",
        b"\x80",
        canonical.encode([99, b"", b""]),
        canonical.encode([1, [], []]),
        canonical.encode([1, [], [1]]),
        canonical.encode([1, [b""], [1, b""]]),
        canonical.encode([48, 1]),
        canonical.encode([49, b"", b"", b""]),
        canonical.encode(["text", 1]),
        bytes(1 << 20) + b"x",
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match=r"^E_PAYLOAD: "):
        read_payload(data)


@given(st.binary(max_size=400))
def test_property_any_bytes_are_known_or_refused(data: bytes) -> None:
    assert known(data) is None or canonical.encode(canonical.decode(data)) == data


# --- what each hop adds ---


@pytest.mark.parametrize(("name", "certificate", "transfer"), [("ed25519", 166, 314), ("es256", 167, 314)])
@pytest.mark.parametrize("hops", [1, 2, 3, 5])
def test_a_hop_adds_a_transfer_and_a_certificate(
    name: str, certificate: int, transfer: int, hops: int
) -> None:
    payload = read_payload(named(f"sizes-{name}-hops-{hops}"))
    assert payload.kind == "BUNDLE"
    (line,) = payload.lines
    assert line.note_bytes == 157
    assert [step.hop for step in line.steps] == list(range(1, hops + 1))
    assert {(step.transfer_bytes, step.certificate_bytes) for step in line.steps} == {(transfer, certificate)}
    total = line.note_bytes + sum(step.transfer_bytes + step.certificate_bytes for step in line.steps)
    assert total + payload.packing_bytes == len(payload.data)


def test_a_certificate_counts_once() -> None:
    """The payer's certificate travels once, however many of its transfers there are."""
    twice = [one for one in load("transfers-ed25519")["cases"] if one["id"].startswith("X24")]
    assert twice
    for one in twice:
        if one["expect"] == "ok":
            steps = [step for line in read_payload(bytes_of(one)).lines for step in line.steps]
            assert sum(step.certificate_bytes == 0 for step in steps) >= 1


def test_objects_have_the_names_of_the_protocol() -> None:
    names = {number: object_name(number) for number in KINDS}
    assert [names[number] for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)] == [
        "ROOT", "AUTH", "DEVCERT", "NOTE", "TRANSFER", "INVOICE", "RECEIPT", "SYNC_REQ", "SYNC_ACK", "TRUST",
        "REDEEM_ORDER", "SUBMIT_ACK", "OUTCOME", "ENROL",
    ]  # fmt: skip
    assert len(set(names.values())) == len(names)
