"""What a bundle that is not plainly right is refused for, with its facts."""

from typing import Any

import pytest

from cbdc import canonical
from cbdc.errors import Malformed
from offline.bundle import MAX_CERTIFICATES, open_bundle
from tests.offline.test_verify import SHOP

LIMIT = 24 * 1_024
VERSION, CERTIFICATES, TOKENS = canonical.decode_array(SHOP.offer(), LIMIT)


@pytest.mark.parametrize(
    ("values", "code", "facts"),
    [
        ([VERSION, CERTIFICATES], "E_FIELD", {"field": "bundle", "problem": "2 items, not 3"}),
        ([VERSION, CERTIFICATES, TOKENS, []], "E_FIELD", {"field": "bundle", "problem": "4 items, not 3"}),
        ([2, CERTIFICATES, TOKENS], "E_VERSION", {"version": "2", "expected": 1}),
        ([0, CERTIFICATES, TOKENS], "E_VERSION", {"version": "0", "expected": 1}),
        ([b"1" * 40, CERTIFICATES, TOKENS], "E_VERSION", {"version": "b'" + "1" * 18, "expected": 1}),
        ([VERSION, 0, TOKENS], "E_TYPE", {"type": "certificates: int"}),
        ([VERSION, CERTIFICATES, b""], "E_TYPE", {"type": "tokens: bytes"}),
        ([VERSION, CERTIFICATES, [0]], "E_TYPE", {"type": "token: int"}),
        ([VERSION, CERTIFICATES, [[TOKENS[0][0], 0]]], "E_TYPE", {"type": "transfers: int"}),
        ([VERSION, CERTIFICATES, []], "E_COUNT", {"field": "tokens", "count": 0, "least": 1}),
        (
            [VERSION, CERTIFICATES[:1] * (MAX_CERTIFICATES + 1), TOKENS],
            "E_COUNT",
            {
                "field": "certificates",
                "count": MAX_CERTIFICATES + 1,
                "least": 0,
                "most": MAX_CERTIFICATES,
            },
        ),
        (
            [VERSION, CERTIFICATES, [TOKENS[0][:1]]],
            "E_COUNT",
            {"field": "token", "count": 1, "least": 2, "most": 2},
        ),
        (
            [VERSION, CERTIFICATES, [[*TOKENS[0], 1]]],
            "E_COUNT",
            {"field": "token", "count": 3, "least": 2, "most": 2},
        ),
    ],
)
def test_what_is_no_bundle_is_told_why(values: list[Any], code: str, facts: dict[str, object]) -> None:
    with pytest.raises(Malformed) as caught:
        open_bundle(canonical.encode(values), SHOP.world.network, LIMIT)
    assert caught.value.code == code
    assert {name: caught.value.facts.get(name) for name in facts} == facts


def test_certificates_may_be_missing_and_all_else_is_as_it_was() -> None:
    opened = open_bundle(canonical.encode([VERSION, [], TOKENS]), SHOP.world.network, LIMIT)
    assert opened.certificates == ()
    assert opened.encode() == canonical.encode([VERSION, [], TOKENS])
