"""Strange requests at every operation of the interface: only documented answers, and never a bug's.

`make fuzz-api` does the same for ten minutes with fresh chance; TENGE_FULL=1 throws more here.
"""

from collections.abc import Iterator

import pytest
from schemathesis.core.failures import FailureGroup

from cbdc.http import wire
from tests.site.fuzz_api import Target, made_up, target, throw_mutated
from tests.sizes import FULL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def aim() -> Iterator[Target]:
    with target() as one:
        yield one


def test_mutated_requests_get_documented_answers(aim: Target) -> None:
    assert throw_mutated(aim, 2_500, seed_number=1) == []


def test_made_up_requests_get_documented_answers(aim: Target) -> None:
    thrown = 0
    for _, throw in made_up(aim, 5 if FULL else 1, None):
        throw()
        thrown += 1
    assert thrown > 60
    assert aim.whole.world.system.supervise() == []


def test_a_bug_and_an_undocumented_answer_are_noticed(aim: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    throws = dict(made_up(aim, 2, None))
    monkeypatch.setattr(wire, "write_supply", lambda supply: 1 // 0)
    with pytest.raises(FailureGroup):
        throws["get_v1_supply"]()
    assert "500 is not documented" in aim.judge("GET", "/v1/supply", {}, b"")
    monkeypatch.setattr(wire, "write_supply", lambda supply: {"issued_tiyn": -1})
    with pytest.raises(FailureGroup):
        throws["get_v1_supply"]()
    assert aim.judge("GET", "/v1/supply", {}, b"").startswith("status 200:")
