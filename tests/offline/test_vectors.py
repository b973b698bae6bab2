"""The vectors of certificates, notes, transfers, payments, evidence and sizes; and each of them bent in every byte."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from cbdc.errors import catalogue
from tests.vectors import case, generate
from tests.vectors.case import ids_are_unique, load, run, run_bytes

FILES = {name: load(name) for name in generate.MAKERS if name not in ("encoding", "keys")}
CASES = [
    pytest.param(one, file["context"], id=f"{name}-{one['id']}")
    for name, file in FILES.items()
    for one in file["cases"]
]


@pytest.mark.parametrize(("one", "context"), CASES)
def test_vector(one: dict[str, Any], context: dict[str, Any]) -> None:
    assert run(one, context) == one["expect"], one["what"]
    if "size_bytes" in one:
        assert len(bytes.fromhex(one["bytes"])) == one["size_bytes"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_file_is_what_its_maker_makes(name: str) -> None:
    assert not generate.stale(name)


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_well_made(name: str) -> None:
    cases = FILES[name]["cases"]
    assert ids_are_unique(cases)
    assert {one["expect"] for one in cases} - {"ok"} <= set(catalogue())
    good = sum(one["expect"] == "ok" for one in cases)
    assert name in ("sizes", "edges") or good * 2 < len(cases), "more bad cases than good ones"


@pytest.mark.slow
def test_the_generator_tells_of_stale_files(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    monkeypatch.setattr(generate, "MAKERS", {"keys": generate.MAKERS["keys"]})
    assert generate.main(["--check"]) == 1
    assert "keys.json is stale" in capsys.readouterr().out
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert (tmp_path / "keys.json").read_bytes() == (case.FOLDER / "keys.json").read_bytes()


def _size(id: str) -> int:
    one = next(one for one in FILES["sizes"]["cases"] if one["id"] == id)
    size: int = one["size_bytes"]
    return size


@pytest.mark.parametrize(
    ("what", "ed25519", "es256_at_most"),
    [("commit", 314, 318), ("hops-1", 643, 648), ("hops-5", 2_563, 2_588), ("E1-items", 796, 805)],
)
def test_sizes_are_those_of_the_protocol(what: str, ed25519: int, es256_at_most: int) -> None:
    assert _size(f"sizes-ed25519-{what}") == ed25519
    assert ed25519 <= _size(f"sizes-es256-{what}") <= es256_at_most


BENT = [
    pytest.param(one, FILES[name]["context"], id=one["id"])
    for name, ids in (
        ("certificates", ("certificate-ed25519", "certificate-es256", "note", "G8-note", "trust-next")),
        ("transfers-ed25519", ("offer-0-ed25519", "offer-3-ed25519")),
        ("transfers-es256", ("offer-1-es256",)),
        ("payment", ("payment-ed25519", "payment-es256", "invoice-ed25519", "receipt-es256")),
        ("evidence", ("E1-ed25519", "E1-es256", "E2-ed25519", "E4-sum-es256", "E8-ed25519")),
        ("evidence_statements", ("E3-log-two-ed25519", "E3-claimed-held-es256", "E3-twice-ed25519")),
        ("evidence_statements", ("E3-held-less-ed25519", "E6-es256")),
        ("evidence_limits", ("E5-age-ed25519", "E5-between-age-es256")),
        ("evidence_notes", ("E7-owner-ed25519", "E7-twice-es256", "E7-far-ed25519")),
    )
    for one in FILES[name]["cases"]
    if one["id"] in ids
]


def test_every_bent_vector_was_found() -> None:
    assert len(BENT) == 27


@pytest.mark.slow
@pytest.mark.parametrize(("one", "context"), BENT)
def test_no_byte_can_be_changed(one: dict[str, Any], context: dict[str, Any]) -> None:
    """G1 and R32: every byte matters, and the answer is a code, never another exception."""
    data = bytes.fromhex(one["bytes"])
    for place in range(len(data)):
        bent = data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
        assert run_bytes(one, context, bent) != "ok", place


@pytest.mark.parametrize(("one", "context"), BENT)
def test_no_prefix_is_taken(one: dict[str, Any], context: dict[str, Any]) -> None:
    """N1 and N2 on whole messages."""
    data = bytes.fromhex(one["bytes"])
    for length in range(0, len(data), 1 + len(data) // 300):
        assert run_bytes(one, context, data[:length]) != "ok", length
    assert run_bytes(one, context, data + b"\0") != "ok"


def _mutants(data: bytes, count: int, dice: random.Random) -> Iterator[bytes]:
    for _ in range(count):
        bent = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(bent))
            kind = dice.randrange(4)
            if kind == 0:
                bent[place] = dice.randrange(256)
            elif kind == 1:
                del bent[place : place + dice.randint(1, 8)]
            elif kind == 2:
                bent[place:place] = dice.randbytes(dice.randint(1, 8))
            else:
                start = dice.randrange(len(bent))
                bent[place : place + 16] = bent[start : start + 16]
            if not bent:
                bent = bytearray(b"\0")
        yield bytes(bent)


@pytest.mark.parametrize(("one", "context"), BENT)
def test_mutants_are_refused(one: dict[str, Any], context: dict[str, Any]) -> None:
    """N20, bounded: what is accepted is the original."""
    data = bytes.fromhex(one["bytes"])
    for bent in _mutants(data, 400, random.Random(one["id"])):
        assert bent == data or run_bytes(one, context, bent) != "ok", bent.hex()
