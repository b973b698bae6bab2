"""What a browser's device may not: sums, numbers, places, ages, revocations, tiers, each with Python's code."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from offline.parameters import (
    CLOSED_TIERS,
    MAX_BALANCE_SW,
    MAX_COUNT,
    MAX_OUT_PERMILLE,
    MAX_PAYMENT_PERMILLE,
    MAX_SLOTS,
    Parameter,
)
from tests.web.device_desk import Desk, open_desk
from tests.web.device_phone import Phone, pay

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DAY = 86_400


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def _publish(desk: Desk, name: str, numbers: dict[Parameter, int], *phones: Phone) -> None:
    """Put numbers of the policy in force, and let these phones know."""
    with desk.lock:
        policy = {one.id: value for one, value in numbers.items()}
        desk.sandbox.field.centre.publish(name.encode(), policy=policy)
    for phone in phones:
        phone.run("sync")


def test_sums_numbers_and_places(desk: Desk, browser: Browser) -> None:
    payer = Phone(browser, desk, "Limited").join(load=(400, 300, 200))
    payee = Phone(browser, desk, "Limited payee").join()
    stricter = {MAX_BALANCE_SW: 100_000, MAX_PAYMENT_PERMILLE: 300, MAX_OUT_PERMILLE: 600, MAX_COUNT: 3}
    _publish(desk, "stricter", stricter, payer, payee)
    status = payer.call("status")
    assert status["limits"]["maxPaymentTiyn"] == 30_000
    assert status["left"] == {
        "outTiyn": 60_000,
        "count": 3,
        "inTiyn": 10_000,
        "slots": 61,
        "paymentTiyn": 30_000,
    }

    assert payer.refused("pay", payee.ask(b"too much at once", 301)) == "E_TXLIMIT"
    pay(payer, payee, b"first", 290)
    pay(payer, payee, b"second", 300)
    assert payer.refused("pay", payee.ask(b"too much in all", 11)) == "E_LIMIT_OUT"
    pay(payer, payee, b"third", 10)
    assert payer.call("status")["left"]["paymentTiyn"] == 0
    payee.run("sync")  # cancels its open requests
    assert payer.refused("pay", payee.ask(b"one too many", 1)) == "E_LIMIT_OUT"
    payer.run("sync")
    assert payer.call("status")["left"]["count"] == 3
    for number in range(3):
        pay(payer, payee, f"small {number}".encode(), 1)
    assert payer.refused("pay", payee.ask(b"a fourth", 1)) == "E_LIMIT_COUNT"

    fresh = Phone(browser, desk, "Open hand").join()
    _publish(desk, "few places", {MAX_SLOTS: 6}, fresh)
    assert fresh.refused("invoice", b"more than it may hold", 100_001) == "E_LIMIT_IN"
    assert fresh.refused("beforeLoad", [60_000, 60_000]) == "E_LIMIT_IN"
    assert fresh.refused("beforeLoad", [1] * 7) == "E_PURSE_FULL"
    fresh.ask(b"all places are promised", 1)
    assert fresh.refused("invoice", b"no place left", 100) == "E_PURSE_FULL"
    desk.audit()


def test_at_most_four_requests_stand_open_and_a_sync_cancels_them(desk: Desk, browser: Browser) -> None:
    _publish(desk, "wider", {MAX_BALANCE_SW: 1_297_500, MAX_SLOTS: 64})
    payer = Phone(browser, desk, "Many").join(load=(50,))
    payee = Phone(browser, desk, "Open").join()
    requests = [payee.ask(bytes([number]), 1) for number in range(4)]
    assert payee.refused("invoice", b"a fifth", 100) == "E_INVOICES_OPEN"
    assert payee.call("status")["openInvoices"] == 4
    paid = bytes.fromhex(payer.call("pay", requests[0])["payment"])
    payee.run("sync")
    assert payee.refused("receive", paid) == "E_INVOICE_UNKNOWN"  # it was cancelled: the next sync claims it
    assert [row["code"] for row in payee.call("inbox")] == ["E_INVOICE_UNKNOWN"]
    payee.run("sync")
    payer.run("sync")
    desk.sandbox.reconcile()
    desk.sandbox.field.refresh_wallets([desk.members["Open"]])
    assert desk.sandbox.group_figures("Open")["wallets"] == 100
    desk.audit()


def test_time_runs_out_and_money_still_comes_home(desk: Desk, browser: Browser) -> None:
    phone = Phone(browser, desk, "Late").join(load=(80,))
    payee = Phone(browser, desk, "Late payee").join()
    now = desk.sandbox.clock.now()
    far = bytes.fromhex(payee.call("invoice", b"far", 1_000, {"expires": now + 900 * DAY})["request"])
    order = bytes.fromhex(desk.order("Late"))
    for days, code in ((14, ""), (15, "E_SYNC_AGE"), (400, "E_CERT_TIME")):
        phone.clock(now + days * DAY)
        if code:
            assert phone.refused("pay", far) in {code, "E_COINS"}
    phone.clock(now + 59 * DAY)
    assert phone.call("status")["purposes"][0]["payableTiyn"] == 0  # within the margin of its last day
    assert phone.refused("redeem", order) == "E_ORDER"  # the order has ended by this clock
    phone.clock(None)
    assert phone.call("redeem", order)["amountTiyn"] == 8_000
    assert phone.call("redeem", order)["amountTiyn"] == 8_000
    phone.run("sync")
    assert phone.refused("redeem", order) == "E_PAID_BEFORE"


def test_revoked_devices_and_closed_tiers_neither_pay_nor_are_paid(desk: Desk, browser: Browser) -> None:
    payer = Phone(browser, desk, "Revoked").join(load=(90, 70))
    payee = Phone(browser, desk, "Wary").join()
    request = payee.ask(b"w", 10)
    payment = bytes.fromhex(payer.call("pay", request)["payment"])
    with desk.lock:
        newest = desk.sandbox.field.centre.revoke(bytes.fromhex(payer.kid))
    payee.call("adoptTrust", [newest.encode()])
    assert payee.refused("receive", payment) == "E_REVOKED"
    payer.call("adoptTrust", [newest.encode()])
    assert payer.refused("pay", payee.ask(b"v", 10)) == "E_REVOKED"
    assert payer.refused("invoice", b"mine", 100) == "E_REVOKED"
    assert payer.run("sync")["blocked"]
    payee.run("sync")

    for value, code in ((2, "E_TIER_CLOSED"), (0, "")):
        with desk.lock:
            policy = {CLOSED_TIERS.id: value}
            listed = desk.sandbox.field.centre.publish(f"tiers {value}".encode(), policy=policy).encode()
        payee.call("adoptTrust", [listed])
        if code:
            assert payee.refused("invoice", b"closed", 100) == code
    payee.ask(b"open again", 10)
    desk.audit()
