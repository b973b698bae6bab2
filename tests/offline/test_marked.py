"""Marked money offline with whole devices (V9 to V11): edges, hops, change, refused loads, and what comes home."""

from typing import Any

import pytest

from cbdc.errors import TengeError
from cbdc.marks import MarkDefinition
from cbdc.record import Signed
from cbdc.token import CANTEEN, MERCHANT, PERSON, PUPIL, SUPPLIER, TREASURY_ACCOUNT
from offline.authority import purpose_row
from offline.batch import make_batch
from offline.records import Output, Transfer
from tests.offline.desk import Desk

RESERVE = 1_000_000


def refusal(code: str) -> Any:
    """The refusal with this code, and no other."""
    return pytest.raises(TengeError, match=rf"^{code}:")


class Meals:
    """A desk whose pupil has 1,000 of meal money offline; the canteen, a supplier, a shop and a friend have devices."""

    def __init__(self, **terms: Any) -> None:
        self.desk = desk = Desk(reserve_tiyn=RESERVE)
        values = {"release_categories": (CANTEEN, SUPPLIER), **terms}
        self.definition: Signed[MarkDefinition] = desk.definition(**values)
        self.mark = self.definition.oid
        self.purpose = self.definition.record.purpose
        desk.centre.publish(b"meals", purposes=[purpose_row(self.definition.record)])
        categories = {
            "pupil": PUPIL,
            "friend": PUPIL,
            "canteen": CANTEEN,
            "supplier": SUPPLIER,
            "shop": MERCHANT,
            "ayan": PERSON,
        }
        for name, category in categories.items():
            desk.join(name, category=category)
        desk.mark(self.definition, ("pupil", 1_000))
        # Lists count for notes that are made after their second.
        desk.clock.advance(1)

    def load(self) -> "Meals":
        self.desk.take_offline("pupil", 1_000, mark=self.mark)
        return self

    def pay(self, payer: str, payee: str, amount: int) -> None:
        self.desk.hand_over(payer, payee, amount, self.purpose)

    def marks(self, name: str) -> list[tuple[int, bytes]]:
        return sorted(
            (token.amount_tiyn, token.mark) for _, token in self.desk.ledger.owned(self.desk.kid(name))
        )


def test_v9_meal_money_goes_from_pupil_to_canteen_to_supplier_and_no_other_way() -> None:
    meals = Meals(max_hops=3).load()
    for payee, code in (("shop", "E_CATEGORY_IN"), ("ayan", "E_CATEGORY_IN"), ("friend", "E_CATEGORY")):
        with refusal(code):
            meals.pay("pupil", payee, 100)
    with refusal("E_CATEGORY"):
        meals.pay("pupil", "supplier", 100)
    meals.pay("pupil", "canteen", 400)
    with refusal("E_CATEGORY"):
        meals.pay("canteen", "pupil", 100)
    meals.pay("canteen", "supplier", 300)
    with refusal("E_CATEGORY"):
        meals.pay("supplier", "canteen", 100)
    assert [meals.desk.purse(name) for name in ("pupil", "canteen", "supplier")] == [600, 100, 300]


def test_v9_one_hop_money_makes_no_second() -> None:
    meals = Meals(max_hops=1).load()
    meals.pay("pupil", "canteen", 400)
    with refusal("E_COINS"):
        meals.pay("canteen", "supplier", 100)
    meals.desk.send_home("canteen")
    meals.desk.sync("canteen")
    assert meals.marks("canteen") == [(400, b"")]


def test_v9_people_may_pass_it_on_only_where_the_rule_says_so() -> None:
    meals = Meals(person_to_person=1).load()
    meals.pay("pupil", "friend", 200)
    meals.pay("friend", "canteen", 150)
    with refusal("E_CATEGORY"):
        meals.pay("pupil", "supplier", 100)


def test_v9_a_forbidden_step_that_an_opened_device_signed_is_refused_and_frees_nothing() -> None:
    meals = Meals().load()
    desk = meals.desk
    opened, ayan, now = desk.opened("pupil"), desk.people["ayan"], desk.clock.now()
    (note,) = desk.centre.notes(opened.public_key.kid)
    state = opened.capture().state
    forged = opened.sign_anything(
        Transfer(
            0, note.oid, 0, (Output(1_000, ayan.kid),), opened.public_key.kid, state.counter + 1, state.head,
            bytes(32), 0, 1, 1, 1, meals.purpose, note.record.spend_by, 2, state.sync_time, now,
        )
    )  # fmt: skip
    desk.centre.submit(make_batch(b"a forged payment", objects=(forged,)).encode())
    desk.clock.advance(200 * 86_400)
    desk.centre.tick()
    desk.check()
    assert meals.marks("ayan") == [(1_000, meals.mark)], "it is still a voucher, and no shop takes it of him"
    assert desk.centre.reconciler.guilty() == {}, (
        "categories stand in certificates: no proof rests on them (5.19.3)"
    )


def test_v10_the_mark_stays_in_the_change_and_goes_where_it_may_be_freed() -> None:
    meals = Meals().load()
    meals.pay("pupil", "canteen", 400)
    meals.pay("pupil", "canteen", 250)
    for name in ("canteen", "pupil"):
        meals.desk.send_home(name)
        meals.desk.sync(name)
    assert meals.marks("canteen") == [(250, b""), (400, b"")]
    assert meals.marks("pupil") == [(350, meals.mark)]
    meals.desk.check()


def test_v10_a_mark_that_does_not_convert_comes_home_marked() -> None:
    meals = Meals(converts_on_redeem=0).load()
    meals.pay("pupil", "canteen", 400)
    meals.desk.send_home("canteen")
    meals.desk.sync("canteen")
    assert meals.marks("canteen") == [(400, meals.mark)]


def test_v10_plain_and_marked_money_never_pay_together() -> None:
    meals = Meals().load()
    meals.desk.take_offline("pupil", 500)
    with refusal("E_COINS"):
        meals.pay("pupil", "canteen", 1_200)
    with refusal("E_COINS"):
        meals.desk.hand_over("pupil", "canteen", 600)
    meals.desk.hand_over("pupil", "shop", 500)
    meals.pay("pupil", "canteen", 1_000)


@pytest.mark.parametrize("terms", [{"max_hops": 0}, {"edges": ((TREASURY_ACCOUNT, (PUPIL,)),)}])
def test_v11_money_of_a_mark_that_stays_online_is_not_loaded(terms: dict[str, Any]) -> None:
    meals = Meals(**terms)
    if "edges" not in terms:
        with refusal("E_MARK_OFFLINE"):
            meals.load()
        assert meals.marks("pupil") == [(1_000, meals.mark)]
        return
    meals.load()
    with refusal("E_CATEGORY_IN"):
        meals.pay("pupil", "canteen", 100)
