"""Browsers pay each other with the network cut: three hops, receipts, sync into the real reconciler, and home again."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.web.device_desk import Desk, open_desk
from tests.web.device_phone import Phone, pay

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def test_three_hops_with_the_network_cut_then_everybody_syncs(desk: Desk, browser: Browser) -> None:
    aigerim = Phone(browser, desk, "Aigerim").join(load=(2_000, 500))
    baurzhan, dana, erlan = (Phone(browser, desk, name).join() for name in ("Baurzhan", "Dana", "Erlan"))
    phones = (aigerim, baurzhan, dana, erlan)
    for phone in phones:
        phone.offline()

    first = pay(aigerim, baurzhan, b"1", 1_500)
    pay(baurzhan, dana, b"2", 900)
    pay(dana, erlan, b"3", 300)

    assert [phone.balance() for phone in phones] == [100_000, 60_000, 60_000, 30_000]
    assert (
        erlan.refused("pay", aigerim.ask(b"4", 300)) == "E_COINS"
    )  # a fourth hop is one too many for software
    kept = aigerim.call("history", {"kind": "pay"})[0]
    assert (kept["kind"], kept["reference"], kept["hops"]) == ("pay", first, 1)
    assert kept["receipt"]
    assert erlan.call("history")[0]["hops"] == 3

    for phone in reversed(phones):
        phone.offline(False)
        done = phone.run("sync")
        assert (done["complete"] or phone is not aigerim, done["droppedTiyn"]) == (True, 0)
    for phone in phones:
        assert phone.run("sync")["complete"]
        assert phone.call("status")["outbox"] == 0
    assert desk.sandbox.reconcile().double_spends == 0

    erlan.call("redeem", bytes.fromhex(desk.order("Erlan")))
    assert erlan.balance() == 0
    erlan.run("sync")
    desk.sandbox.reconcile()
    desk.sandbox.field.refresh_wallets([desk.members["Erlan"]])
    assert desk.sandbox.group_figures("Erlan")["wallets"] == 30_000
    desk.audit()
