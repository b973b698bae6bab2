"""What changed for a key: nothing missed, nothing of others, however the reading is cut into pages."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import news
from cbdc.http.client import WsgiTransport
from cbdc.ledger.ledger import Ledger
from cbdc.news import News, concerned
from tests.site.test_wallet_story import two_phones
from tests.site.visitor import opened

Lived = tuple[Ledger, bytes, bytes]


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    """A ledger on which one paid another a few times."""
    with opened() as whole:
        payer, payee = two_phones(whole, WsgiTransport(whole))
        payer.fund(5_000)
        for number in range(4):
            payer.pay(payee.kid, 10, f"payment {number}")
            payee.fund(20, f"purchase {number}")
        yield whole.world.system.ledger, payer.kid, payee.kid


def all_of(found: News, kid: bytes, start: int) -> list[int]:
    indices: list[int] = []
    while True:
        page = found.since(kid, start)
        indices += page.indices
        start = page.next
        if page.next >= page.size:
            return indices


def test_payments_concern_both_sides_and_purchases_one(lived: Lived) -> None:
    ledger, payer, payee = lived
    both = set(all_of(News(ledger), payer, 0)) & set(all_of(News(ledger), payee, 0))
    assert len(both) == 4
    assert len(all_of(News(ledger), payee, 0)) == 1 + 4 + 4  # its registration, payments, purchases
    assert all_of(News(ledger), bytes(32), 0) == []


def test_beyond_the_end_there_is_nothing_yet(lived: Lived) -> None:
    ledger, payer, _ = lived
    assert News(ledger).since(payer, ledger.size) == ([], ledger.size, ledger.size)
    assert News(ledger).since(payer, 10**9) == ([], 10**9, ledger.size)
    assert News(ledger).concerned(0) == frozenset()


@settings(max_examples=40, deadline=None)
@given(page=st.integers(1, 12), remembered=st.integers(1, 12), start=st.integers(0, 40))
def test_pages_and_forgetting_change_nothing(lived: Lived, page: int, remembered: int, start: int) -> None:
    ledger, payer, _ = lived
    expected = [
        index for index in range(max(start, 1), ledger.size) if payer in concerned(ledger.transaction(index))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(news, "MOST_READ", page)
        patch.setattr(news, "MOST_REMEMBERED", remembered)
        found = News(ledger)
        assert all_of(found, payer, start) == all_of(found, payer, start) == expected
        assert len(found._known) <= remembered


def test_an_entry_is_taken_apart_once(lived: Lived) -> None:
    ledger, payer, _ = lived
    asked: list[int] = []

    class Counted:
        size = ledger.size

        def transaction(self, index: int):  # type: ignore[no-untyped-def]
            asked.append(index)
            return ledger.transaction(index)

    found = News(Counted())
    for _ in range(3):
        found.since(payer, 0)
    assert asked == list(range(1, ledger.size))
