"""A bank's customers one by one: what a clerk sees and does, what is another bank's, what stays between devices."""

from collections.abc import Iterator

import pytest

from cbdc.distribution import NewAccount
from cbdc.errors import Refused
from cbdc.http.client import WsgiTransport
from cbdc.money import tenge
from cbdc.token import PERSON
from tests.site.phone import Phone
from tests.site.visitor import Program, Visitor, opened
from wallets.desk import derived
from wallets.site.opening import customer_id
from wallets.site.whole import Whole

NUMBER = "+7 701 000 11 22"
MEMO = "a memo that is nobody else's"


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        supply = one.world.sandbox.supply()
        assert supply.outstanding_tiyn == supply.held_tiyn
        assert one.world.system.supervise() == []


def id_of(whole: Whole, user_id: str) -> str:
    return customer_id(whole.world.users.get(user_id)).hex()


def phone(whole: Whole, user_id: str) -> Phone:
    """A wallet outside the server that has joined the user's account."""
    user = whole.world.users.get(user_id)
    made = Phone(WsgiTransport(whole), user.bank_id, user_id, whole.world.clock)
    made.join(whole.world.joining[user.bank_id].issue(derived("code", user_id), customer_id(user)))
    return made


def page(whole: Whole, user_id: str, clerk: str = "clerk-1") -> dict:
    answer = Program(whole, clerk).get(f"/v1/roles/bank/customers/{id_of(whole, user_id)}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def code(answer) -> str:
    return str(answer.get_json()["code"])


def test_the_page_of_a_customer_adds_up(whole: Whole) -> None:
    aigerim, bolat = phone(whole, "aigerim"), phone(whole, "bolat")
    aigerim.fund(20_000)
    aigerim.pay(bolat.kid, 3_000)
    aigerim.account.claim_alias(NUMBER)
    aigerim.account.ask_for(derived("ask"), tenge(500), MEMO, 0)
    aigerim.enrol()
    aigerim.take_offline(4_000)
    seen = page(whole, "aigerim")
    rows = {row["title"]: row for row in seen["limits"]}
    # What is taken offline is still the holder's, but no longer held in a wallet.
    held, paid = rows["Held in wallets"], rows["Paid today"]
    assert held["used_tiyn"] == seen["holding_tiyn"] == sum(row["amount_tiyn"] for row in seen["marks"])
    assert held["left_tiyn"] == held["limit_tiyn"] - held["used_tiyn"]
    assert paid["used_tiyn"] >= tenge(3_000)
    assert seen["numbers"] == 1
    (device,) = seen["device_rows"]
    assert (device["float_tiyn"], device["age_days"]) == (tenge(4_000), 0)
    assert device["known_unspent_tiyn"] is None
    assert [row["amount_tiyn"] for row in seen["requests"]] == [tenge(500)]
    assert seen["deposit_tiyn"] == sum(row["amount_tiyn"] for row in seen["movements"])
    assert page(whole, "bolat")["numbers"] == 0


def test_a_bank_is_not_told_whom_a_device_paid(whole: Whole) -> None:
    aigerim, bolat, madina = (phone(whole, name) for name in ("aigerim", "bolat", "madina"))
    for one in (aigerim, bolat, madina):
        one.enrol()
    aigerim.fund(20_000)
    aigerim.account.ask_for(derived("ask"), tenge(500), MEMO, 0)
    aigerim.take_offline(4_000)
    before = page(whole, "aigerim")
    aigerim.hand_over(bolat, 1_237, b"bread")
    bolat.hand_over(madina, 419, b"salt")
    madina.sync(b"evening")
    whole.world.put_forward(0)
    browser = Visitor(whole).signed_in("clerk-1")
    text = browser.get(f"/bank/customers/{id_of(whole, 'aigerim')}").text
    seen = repr(page(whole, "aigerim")) + text
    strangers = [madina.kid.hex(), madina.own_device().kid.hex(), id_of(whole, "madina"), "Madina"]
    between = [
        "1237",
        "1 237",
        "419",
        *(signed.oid.hex() for signed in whole.world.sandbox.field.transfers()),
    ]
    assert len(between) == 5
    for secret in (*strangers, *between, bolat.kid.hex(), MEMO):
        assert secret not in seen, secret
    assert page(whole, "aigerim")["device_rows"] == before["device_rows"]


def test_another_banks_customer_is_nowhere_and_no_act_reaches_it(whole: Whole) -> None:
    madina = phone(whole, "madina")
    device = madina.enrol().kid.hex()
    clerk, stranger = Program(whole, "clerk-1"), id_of(whole, "madina")
    listed = clerk.get("/v1/roles/bank/customers?search=madina").get_json()
    assert (listed["found"], listed["customers"]) == (0, [])
    assert code(clerk.get(f"/v1/roles/bank/customers/{stranger}")) == "E_CUSTOMER_UNKNOWN"
    size = whole.world.system.ledger.size
    for name, fields in (
        ("freeze", {"reference": "by telephone"}),
        ("revoke-device", {"device": device}),
        ("close-account", {}),
        ("reopen-account", {}),
    ):
        assert code(clerk.do("bank", name, customer=stranger, **fields)) == "E_CUSTOMER_UNKNOWN", name
    # Nor does naming the device under an own customer.
    mine = id_of(whole, "aigerim")
    assert code(clerk.do("bank", "revoke-device", customer=mine, device=device)) == "E_BANK_DEVICE"
    assert code(clerk.do("bank", "revoke-device", customer=mine, device="0" * 64)) == "E_BANK_DEVICE"
    assert code(clerk.do("bank", "revoke-device", customer=mine, device="xy")) == "E_SITE_FIELD"
    assert whole.world.system.ledger.size == size
    assert not whole.world.sandbox.field.centre.trust_view.is_revoked(madina.own_device().kid)


def test_a_lost_device_is_revoked_once_and_the_wallet_goes_on(whole: Whole) -> None:
    aigerim = phone(whole, "aigerim")
    aigerim.enrol()
    aigerim.fund(5_000)
    aigerim.take_offline(2_000)
    clerk, mine = Program(whole, "clerk-1"), id_of(whole, "aigerim")
    device = aigerim.own_device().kid.hex()
    lists = whole.world.sandbox.field.centre.trust_view.sequence
    for _ in range(2):
        assert clerk.do("bank", "revoke-device", customer=mine, device=device).status_code == 200
    assert whole.world.sandbox.field.centre.trust_view.sequence == lists + 1
    (row,) = page(whole, "aigerim")["device_rows"]
    assert row["is_revoked"]
    assert row["is_reported"]
    assert row["known_unspent_tiyn"] == tenge(2_000)
    assert page(whole, "aigerim")["frozen"] == ""
    aigerim.pay(phone(whole, "bolat").kid, 100)


def test_a_freeze_at_the_customers_wish_leaves_devices_and_a_court_is_not_overruled(whole: Whole) -> None:
    aigerim = phone(whole, "aigerim")
    aigerim.enrol()
    aigerim.fund(1_000)
    clerk, mine = Program(whole, "clerk-1"), id_of(whole, "aigerim")
    assert clerk.do("bank", "freeze", customer=mine, reference="mislaid").status_code == 200
    assert code(clerk.do("bank", "freeze", customer=mine, reference="mislaid")) == "E_FROZEN"
    seen = page(whole, "aigerim")
    assert seen["is_own_freeze"]
    assert [row["is_revoked"] for row in seen["device_rows"]] == [False]
    with pytest.raises(Refused) as refused:
        aigerim.pay(phone(whole, "bolat").kid, 100)
    assert refused.value.code == "E_FROZEN"
    listed = clerk.get("/v1/roles/bank/customers?show=frozen").get_json()
    assert [row["id"] for row in listed["customers"]] == [mine]
    assert clerk.do("bank", "unfreeze", customer=mine, reference="found").status_code == 200
    whole.world.system.enforcement.freeze(derived("court"), bytes.fromhex(seen["pseudonym"]), "court 5")
    assert not page(whole, "aigerim")["is_own_freeze"]
    assert code(clerk.do("bank", "unfreeze", customer=mine, reference="please")) == "E_SITE_FREEZE"
    assert code(clerk.do("bank", "close-account", customer=mine)) == "E_FROZEN"


def test_an_account_is_closed_when_nothing_is_left_and_opened_again(whole: Whole) -> None:
    bolat, aigerim = phone(whole, "bolat"), phone(whole, "aigerim")
    bolat.fund(2_000)
    bolat.enrol()
    bolat.take_offline(500)
    clerk, mine = Program(whole, "clerk-1"), id_of(whole, "bolat")
    refused = clerk.do("bank", "close-account", customer=mine).get_json()
    assert refused["code"] == "E_BANK_CLOSE"
    assert refused["facts"] == {
        "deposit_tenge": "178 000 ₸",
        "held_tenge": "1 500 ₸",
        "offline_tenge": "500 ₸",
    }
    bolat.pay(aigerim.kid, 1_500)
    has_tiyn = page(whole, "bolat")["deposit_tiyn"]
    assert clerk.do("bank", "pay-out", customer=mine, amount_tiyn=has_tiyn).status_code == 200
    assert code(clerk.do("bank", "close-account", customer=mine)) == "E_BANK_CLOSE", "money is still offline"
    bolat.go_home(b"night")
    bolat.refresh()
    bolat.pay(aigerim.kid, 500, "the rest")
    paid_in = clerk.do("bank", "pay-in", "a-request-before-1", customer=mine, amount_tiyn=100)
    assert clerk.do("bank", "pay-out", customer=mine, amount_tiyn=100).status_code == 200
    world = whole.world
    world.put_forward(200 * 86_400)
    assert clerk.do("bank", "close-account", customer=mine).status_code == 200
    assert clerk.do("bank", "close-account", customer=mine).status_code == 200
    for name, fields in (("pay-in", {"amount_tiyn": 100}), ("join-code", {})):
        assert code(clerk.do("bank", name, customer=mine, **fields)) == "E_CUSTOMER_CLOSED", name
    # What was answered before is answered again.
    again = clerk.do("bank", "pay-in", "a-request-before-1", customer=mine, amount_tiyn=100)
    assert again.get_json() == paid_in.get_json()
    listed = clerk.get("/v1/roles/bank/customers?show=closed").get_json()
    assert [row["id"] for row in listed["customers"]] == [mine]
    assert "This account is closed" in Visitor(whole).signed_in("clerk-1").get(f"/bank/customers/{mine}").text
    assert clerk.do("bank", "reopen-account", customer=mine).status_code == 200
    assert clerk.do("bank", "pay-in", customer=mine, amount_tiyn=100).status_code == 200


def test_a_closed_account_takes_no_deposit_from_a_neighbour_and_gives_no_key(whole: Whole) -> None:
    bank = whole.world.system.banks[1]
    one, two = (derived("closing", name) for name in ("one", "two"))
    bank.open_accounts(
        [NewAccount(one, "One", "test-one", 2, PERSON, 500), NewAccount(two, "Two", "test-two", 2, PERSON)]
    )
    bank.customers.close(two)
    moved = derived("moved")
    with pytest.raises(Refused) as refused:
        bank.move_deposit(moved, one, two, 100)
    assert (refused.value.code, bank.deposit_tiyn(one)) == ("E_CUSTOMER_CLOSED", 500)
    bank.customers.reopen(two)
    bank.move_deposit(moved, one, two, 100)
    bank.customers.close(two)
    bank.move_deposit(moved, one, two, 100)  # the same posting, asked for again
    assert (bank.deposit_tiyn(one), bank.deposit_tiyn(two)) == (400, 100)
    bank.pay_deposit_out(derived("out"), two, 100)
    with pytest.raises(Refused) as refused:
        bank.enrolment(two, whole.world.sandbox.wallet("somebody").signer.public)
    assert refused.value.code == "E_CUSTOMER_CLOSED"
    with pytest.raises(Refused) as refused:
        bank.customers.close(derived("nobody"))
    assert refused.value.code == "E_CUSTOMER_UNKNOWN"


def test_many_customers_are_searched_and_paged(whole: Whole) -> None:
    bank = whole.world.system.banks[1]
    bank.open_accounts(
        [NewAccount(derived("many", n), f"Сәуле {n:03d}", f"doc-{n:03d}", 2, PERSON) for n in range(60)]
    )
    clerk = Program(whole, "clerk-1")
    seen: list[str] = []
    for number in (1, 2, 3):
        listed = clerk.get(f"/v1/roles/bank/customers?search=сәуле&page={number}").get_json()
        assert (listed["found"], listed["page"], listed["pages"]) == (60, number, 3)
        seen += [row["name"] for row in listed["customers"]]
    assert len(set(seen)) == 60
    for text, number in (("0", 1), ("99", 3), ("-1", 1), ("x", 1), ("²", 1)):
        assert clerk.get(f"/v1/roles/bank/customers?search=сәуле&page={text}").get_json()["page"] == number
    listed = clerk.get("/v1/roles/bank/customers?show=nonsense&search=doc-007").get_json()
    assert (listed["show"], [row["name"] for row in listed["customers"]]) == ("all", ["Сәуле 007"])
    browser = Visitor(whole).signed_in("clerk-1")
    text = browser.get("/bank/customers?search=сәуле&page=2").text
    assert "page=3&amp;search=%D1%81" in text
    shops = clerk.get("/v1/roles/bank/customers?show=shops").get_json()["customers"]
    assert shops
    assert all(row["is_shop"] for row in shops)
