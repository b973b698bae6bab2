"""Attacks on the early payout: an advance must not be closed while money of the device is still to come."""

from dataclasses import replace

import pytest

from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.policies import Rule, preset
from cbdc.token import MERCHANT
from tests.wallets.test_sandbox import adds_up, plan
from wallets.lost import LostDesk, advances, losses
from wallets.sandbox import Sandbox


def test_a_cover_that_the_empty_reserve_owes_is_not_lost_to_the_owner_by_settling_early() -> None:
    """A thief pays 600 after the report; the scheme owes them to the owner and has nothing when the notes close."""
    rules = [*preset("sandbox").rules, Rule("early", "offline", 1_000, parameter="early_payout")]
    policy = preset("sandbox").with_rules(rules)
    sandbox = Sandbox.open(replace(plan(), policy=policy, loss_reserve_tiyn=0))
    sandbox.set_up()
    ayan = sandbox.person("Ayan", deposit_tenge=10_000)
    shop = sandbox.person("Shop", category=MERCHANT)
    sandbox.issue(tenge=50_000)
    sandbox.buy_and_load(ayan, tenge=3_000)
    sandbox.wait(days=1)
    desk = LostDesk(sandbox, "first")
    desk.report(ayan, stolen=True)
    assert desk.advance(ayan) == tenge(3_000)
    sandbox.wait(days=1)
    sandbox.pay_offline_once(ayan, shop, 600)
    assert sandbox.redeem_offline(shop) == tenge(600)
    sandbox.wait(days=130)
    sandbox.reconcile()
    with pytest.raises(TengeError, match=r"^E_PAYOUT_HELD:"):
        desk.settle(ayan)
    sandbox.system.fund_loss_reserve(b"late reserve money".ljust(32), tenge(1_000))
    sandbox.reconcile()
    for _ in range(2):
        outcome = desk.settle(ayan)
        assert (outcome.bank_tiyn, outcome.owner_tiyn, outcome.lost_tiyn) == (tenge(3_000), 0, 0)
    books = sandbox.system.books
    assert (books.balance(advances(1)), books.balance(losses(1))) == (0, 0)
    adds_up(sandbox)
    sandbox.close()
