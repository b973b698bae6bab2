"""The vectors of certificates and batches of front ends."""

import json
from typing import Any

import pytest

from cbdc.authority import FRONT, Authority, open_root
from cbdc.errors import TengeError
from cbdc.http.fronts import read_vouched, write_vouched
from tests.roles import make_vectors

VECTORS: dict[str, Any] = json.loads(make_vectors.FILE.read_text(encoding="ascii"))
NETWORK = bytes.fromhex(VECTORS["network"])


@pytest.mark.parametrize("one", VECTORS["certificates"], ids=lambda one: one["what"])
def test_a_certificate(one: dict[str, str]) -> None:
    root, found = open_root(bytes.fromhex(VECTORS["root"])), "ok"
    try:
        authority = Authority(root, [bytes.fromhex(one["bytes"])])
        authority.require(bytes.fromhex(VECTORS["front"]), FRONT, VECTORS["now"])
    except TengeError as refusal:
        found = refusal.code
    assert found == one["expect"]


@pytest.mark.parametrize("one", VECTORS["batches"], ids=lambda one: one["what"])
def test_a_batch(one: dict[str, str]) -> None:
    data, found = bytes.fromhex(one["bytes"]), "ok"
    try:
        assert write_vouched(NETWORK, read_vouched(data, NETWORK)) == data
    except TengeError as refusal:
        found = refusal.code
    assert found == one["expect"]


def test_the_file_is_what_its_maker_makes_and_has_more_bad_than_good() -> None:
    assert make_vectors.FILE.read_text(encoding="ascii") == make_vectors.made()
    for kind in ("certificates", "batches"):
        good = sum(one["expect"] == "ok" for one in VECTORS[kind])
        assert good * 2 < len(VECTORS[kind])
