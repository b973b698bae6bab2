"""A bank's inventory: what was asked for and what became of it, and a book whose sides are equal."""

from collections.abc import Iterator

import pytest

from cbdc.money import tenge
from tests.site.visitor import Program, Visitor, opened
from wallets.desk import derived
from wallets.site.whole import Whole


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        assert one.world.system.supervise() == []


def page(whole: Whole, query: str = "", clerk: str = "clerk-1") -> dict:
    return Program(whole, clerk).get(f"/v1/roles/bank/inventory{query}").get_json()


def test_an_order_and_a_redemption_are_followed_to_their_end(whole: Whole) -> None:
    clerk, before = Program(whole, "clerk-1"), page(whole)
    asked = clerk.do("bank", "order-tokens", amount_tiyn=900_000).get_json()
    waiting = page(whole, "?state=registered")
    assert [row["id"] for row in waiting["requests"]] == [asked["request"]]
    assert waiting["waiting_tiyn"] == 900_000
    for officer in ("officer-1", "officer-3"):
        Program(whole, officer).do("national-bank", "approve", request=asked["request"])
    clerk.do("bank", "redeem-surplus", amount_tiyn=100_000)
    after = page(whole)
    assert after["waiting_tiyn"] == 0
    assert after["inventory_tiyn"] - before["inventory_tiyn"] == 800_000
    assert before["reserve_tiyn"] - after["reserve_tiyn"] == 800_000
    assert after["is_balanced"]
    assert after["is_counted"]
    assert {row["state"] for row in after["requests"]} == {"done"}
    assert len(after["requests"]) == len(before["requests"]) + 2
    assert page(whole, "?state=refused")["requests"] == []
    assert page(whole, "?state=nonsense")["found"] == after["found"]


def test_a_refused_request_says_why(whole: Whole) -> None:
    asked = Program(whole, "clerk-1").do("bank", "order-tokens", amount_tiyn=900_000).get_json()
    whole.world.system.register.refuse(bytes.fromhex(asked["request"]))
    (row,) = page(whole, "?state=refused")["requests"]
    assert (row["id"], row["state"], row["refusal"]) == (asked["request"], "refused", "E_REQUEST_REFUSED")
    text = Visitor(whole).signed_in("clerk-1").get("/bank/inventory?state=refused").text
    assert "E_REQUEST_REFUSED" in text


def test_the_chart_ends_where_the_book_stands_day_by_day(whole: Whole) -> None:
    clerk = Program(whole, "clerk-1")
    whole.world.put_forward(3 * 86_400)
    clerk.do("bank", "redeem-surplus", amount_tiyn=tenge(10))
    whole.world.put_forward(86_400)
    clerk.do("bank", "redeem-surplus", amount_tiyn=tenge(5))
    seen = page(whole)
    days = seen["days"]
    assert len(days) == 3
    assert days == sorted(days, key=lambda row: row["day"])
    last, earlier = days[-1], days[-2]
    assert (last["inventory_tiyn"], last["reserves_tiyn"]) == (seen["inventory_tiyn"], seen["reserve_tiyn"])
    assert last["inventory_tiyn"] == earlier["inventory_tiyn"] - tenge(5)
    assert last["reserves_tiyn"] == earlier["reserves_tiyn"] + tenge(5)
    own = seen["sheet"]
    assert own["assets_tiyn"] == own["claims_tiyn"] == sum(row["amount_tiyn"] for row in own["assets"])


def test_another_banks_requests_are_not_there(whole: Whole) -> None:
    asked = Program(whole, "clerk-2").do("bank", "order-tokens", amount_tiyn=700_000).get_json()
    assert asked["request"] not in repr(page(whole))
    assert asked["request"] in repr(page(whole, clerk="clerk-2"))
    assert page(whole)["waiting_tiyn"] == 0


def test_many_requests_are_paged(whole: Whole) -> None:
    bank = whole.world.system.banks[1]
    for number in range(30):
        bank.request_tokens(derived("many", number), 1_000 + number)
    seen = page(whole)
    assert (seen["pages"], len(seen["requests"])) == (2, 25)
    newest = [row["amount_tiyn"] for row in seen["requests"]]
    assert len(page(whole, "?page=2")["requests"]) == seen["found"] - 25
    assert set(newest) <= {1_000 + number for number in range(30)}
