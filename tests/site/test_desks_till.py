"""A shop's till: the day's takings, the tax in them, what was given back, and offline money waiting and home."""

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.http.client import WsgiTransport
from cbdc.money import tenge
from tests.site.phone import Phone
from tests.site.visitor import Program, Visitor, opened
from wallets.desk import derived
from wallets.site.opening import customer_id
from wallets.site.roles.till import tax_of
from wallets.site.whole import Whole

DAY = 86_400


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        assert one.world.system.supervise() == []


def phone(whole: Whole, user_id: str) -> Phone:
    user = whole.world.users.get(user_id)
    made = Phone(WsgiTransport(whole), user.bank_id, user_id, whole.world.clock)
    made.join(whole.world.joining[user.bank_id].issue(derived("code", user_id), customer_id(user)))
    return made


def till(whole: Whole, query: str = "", user_id: str = "dana") -> dict:
    answer = Program(whole, user_id).get(f"/v1/roles/shop/till{query}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


@given(st.integers(0, 10**14), st.sampled_from([(2025, 12), (2026, 16), (2031, 16), (1999, 12)]))
def test_the_tax_is_a_part_of_the_price_and_its_broken_tiyn_the_budgets(
    amount: int, known: tuple[int, int]
) -> None:
    year, rate = known
    tax, percent = tax_of(amount, year)
    assert percent == rate
    # The exact part lies within the last tiyn, never above what is taken.
    assert (tax - 1) * (100 + rate) < amount * rate <= tax * (100 + rate) or (amount, tax) == (0, 0)


def test_an_empty_till_says_what_to_do(whole: Whole) -> None:
    seen = till(whole)
    assert (seen["wallets"], seen["sales_tiyn"], seen["tax_tiyn"], seen["rows"]) == (0, 0, 0, [])
    assert "No wallet has joined yet" in Visitor(whole).signed_in("dana").get("/shop/till").text


def test_a_day_is_summed_with_its_refund_and_its_tax(whole: Whole) -> None:
    dana, aigerim, madina = (phone(whole, name) for name in ("dana", "aigerim", "madina"))
    for one in (dana, aigerim, madina):
        one.fund(20_000)
    aigerim.pay(dana.kid, 1_160, "bread")
    madina.pay(dana.kid, 840, "milk")
    dana.refresh()
    dana.pay(madina.kid, 240, "given back")
    dana.pay(phone(whole, "bolat").kid, 100, "a supplier")
    seen = till(whole)
    assert (seen["sales"], seen["sales_tiyn"]) == (2, tenge(2_000))
    assert (seen["backs"], seen["back_tiyn"], seen["paid_tiyn"]) == (1, tenge(240), tenge(100))
    assert seen["net_tiyn"] == tenge(1_760)
    assert (seen["tax_tiyn"], seen["tax_percent"]) == tax_of(tenge(1_760), int(seen["day"][:4]))
    assert seen["last_days"][-1] == {"day": seen["day"], "net_tiyn": tenge(1_760)}
    assert [row["kind"] for row in seen["rows"]] == ["paid", "back", "sale", "sale"]
    # What the bank sold is no sale of the shop, and the next day begins with nothing.
    whole.world.put_forward(DAY)
    tomorrow = till(whole)
    assert (tomorrow["sales_tiyn"], tomorrow["rows"]) == (0, [])
    assert till(whole, f"?day={seen['day']}")["rows"] == seen["rows"]
    assert tomorrow["last_days"][-2]["net_tiyn"] == tenge(1_760)


def test_offline_money_waits_on_the_device_and_comes_home(whole: Whole) -> None:
    dana, aigerim = phone(whole, "dana"), phone(whole, "aigerim")
    dana.enrol()
    aigerim.enrol()
    aigerim.fund(10_000)
    aigerim.take_offline(3_000)
    aigerim.hand_over(dana, 700, b"bread")
    aigerim.hand_over(dana, 300, b"salt")
    unknown = till(whole)
    assert (unknown["devices"], unknown["waiting_tiyn"], unknown["offline"]) == (1, 0, [])
    dana.sync(b"noon")
    waiting = till(whole)
    assert waiting["waiting_tiyn"] == tenge(1_000)
    assert sorted(row["amount_tiyn"] for row in waiting["offline"]) == [tenge(300), tenge(700)]
    assert {row["status"] for row in waiting["offline"]} == {"waiting on the device"}
    assert waiting["sales_tiyn"] == 0
    dana.go_home(b"night")
    home = till(whole)
    assert (home["waiting_tiyn"], home["home_tiyn"]) == (0, tenge(1_000))
    assert [row["kind"] for row in home["rows"]] == ["home"] * len(home["rows"])
    assert {row["status"] for row in home["offline"]} == {"brought home, or spent on"}
    text = Visitor(whole).signed_in("dana").get("/shop/till").text
    assert aigerim.kid.hex() not in text
    assert "Aigerim" not in text


def test_another_shops_till_is_its_own(whole: Whole) -> None:
    dana, aigerim = phone(whole, "dana"), phone(whole, "aigerim")
    aigerim.fund(5_000)
    aigerim.pay(dana.kid, 1_000)
    assert till(whole)["sales_tiyn"] == tenge(1_000)
    other = till(whole, user_id="arman")
    assert (other["sales_tiyn"], other["rows"], other["wallets"]) == (0, [], 0)
    for asker in ("aigerim", "clerk-1", "operator"):
        assert Program(whole, asker).get("/v1/roles/shop/till").status_code == 403, asker


def test_the_days_file_says_what_the_page_says(whole: Whole) -> None:
    dana, aigerim = phone(whole, "dana"), phone(whole, "aigerim")
    aigerim.fund(5_000)
    for number in range(3):
        aigerim.pay(dana.kid, 100 + number, f"bread {number}")
    seen = till(whole)
    browser = Visitor(whole).signed_in("dana")
    file = browser.get(f"/shop/till-file/{seen['day']}")
    assert file.mimetype == "text/csv"
    assert f"till-{seen['day']}.csv" in file.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [int(row["amount_tiyn"]) for row in rows] == [row["amount_tiyn"] for row in reversed(seen["rows"])]
    assert browser.get("/shop/till-file/2020-01-01").text.count("\n") == 1


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "2026-02-30", "0", "-1", "²", "1e9"])
def test_what_is_no_day_is_refused(whole: Whole, day: str) -> None:
    program = Program(whole, "dana")
    for path in (f"/v1/roles/shop/till?day={day}", f"/v1/roles/shop/till-file/{day}"):
        answer = program.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (400, "E_SITE_FIELD"), path
