"""A bank's desk for lost devices: the advance, the refund and the difference, in the books of everybody."""

from dataclasses import replace

import pytest

from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.policies import Rule, preset
from cbdc.token import MERCHANT
from tests.wallets.test_sandbox import adds_up, plan
from wallets.lost import LostDesk, advances, losses
from wallets.sandbox import Sandbox


class Town:
    """Ayan has 3,000 on a device that he will lose; `permille` is what the bank pays out early."""

    def __init__(self, permille: int = 800, spent: int = 0) -> None:
        rules = [Rule("early", "offline", permille, parameter="early_payout")] if permille else []
        policy = preset("sandbox").with_rules([*preset("sandbox").rules, *rules])
        self.sandbox = Sandbox.open(replace(plan(), policy=policy))
        self.sandbox.set_up()
        self.ayan = self.sandbox.person("Ayan", deposit_tenge=10_000)
        self.shop = self.sandbox.person("Shop", category=MERCHANT)
        self.sandbox.issue(tenge=50_000)
        self.sandbox.buy_and_load(self.ayan, tenge=3_000)
        if spent:
            self.sandbox.pay_offline_once(self.ayan, self.shop, spent)
        self.desk = LostDesk(self.sandbox, "first")

    def bank(self) -> tuple[int, int]:
        """What the bank still has to get back, and what it lost (tenge)."""
        books = self.sandbox.system.books
        return tuple(books.balance(account) // 100 for account in (advances(1), losses(1)))  # type: ignore[return-value]

    def deposit(self) -> int:
        return self.sandbox.deposit_tiyn(self.ayan) // 100


@pytest.mark.parametrize(("spent", "owner", "lost"), [(0, 600, 0), (600, 0, 0), (1_000, 0, 400)])
def test_the_bank_advances_is_paid_back_and_bears_the_difference(spent: int, owner: int, lost: int) -> None:
    town = Town(spent=spent)
    sandbox = town.sandbox
    town.desk.report(town.ayan)
    for _ in range(2):
        assert LostDesk(sandbox, "first").advance(town.ayan) == tenge(2_400)
        assert (town.deposit(), town.bank()) == (7_000 + 2_400, (2_400, 0))
    with pytest.raises(TengeError, match=r"^E_PAYOUT_OPEN:"):
        town.desk.settle(town.ayan)
    if spent:
        assert sandbox.redeem_offline(town.shop) == tenge(spent)
    sandbox.wait(days=130)
    sandbox.reconcile()
    for _ in range(2):
        outcome = town.desk.settle(town.ayan)
        assert (outcome.owner_tiyn, outcome.lost_tiyn) == (tenge(owner), tenge(lost))
        assert (town.deposit(), town.bank()) == (9_400 + owner, (0, lost))
    assert town.ayan.wallet.total_tiyn() == 0
    assert sandbox.deposit_tiyn(town.desk.wallet) == 0
    adds_up(sandbox)
    sandbox.close()


def test_without_the_parameter_nothing_is_advanced_and_the_owner_waits() -> None:
    town = Town(permille=0)
    town.desk.report(town.ayan, stolen=True)
    with pytest.raises(TengeError, match=r"^E_PAYOUT_OFF:"):
        town.desk.advance(town.ayan)
    with pytest.raises(TengeError, match=r"^E_PAYOUT_REPORT:"):
        town.desk.settle(town.ayan)
    town.sandbox.wait(days=130)
    town.sandbox.reconcile()
    town.sandbox.field.refresh_wallets([town.ayan])
    assert town.ayan.wallet.total_tiyn() == tenge(3_000)
    nobody = town.sandbox.person("Nobody", device=False)
    with pytest.raises(TengeError, match=r"^E_NO_DEVICE:"):
        town.desk.report(nobody)
    town.sandbox.close()
