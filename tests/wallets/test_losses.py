"""Loss policies and modes chosen where a sandbox is set up: the same cheat under each policy, booked in all books."""

from dataclasses import replace

import pytest

from cbdc.errors import TengeError
from cbdc.money import tenge
from offline.loss_policy import CAPPED, FIRST_SEEN, ISSUER, LOTTERY, PAYEE, POLICIES, PRO_RATA, WATERFALL
from offline.parameters import CAP_MULT_PERMILLE, MAX_HOPS
from tests.wallets.test_sandbox import adds_up, cheat, plan
from wallets.field import named_numbers
from wallets.sandbox import Sandbox, raise_first


def _opened(**fields: str) -> Sandbox:
    sandbox = Sandbox.open(replace(plan(), loss_reserve_tiyn=tenge(10_000), **fields))
    sandbox.set_up()
    return sandbox


@pytest.mark.parametrize("name", [*POLICIES, FIRST_SEEN])
def test_r26_a_sandbox_of_each_policy_books_the_same_cheat(name: str) -> None:
    sandbox = _opened(loss_policy=name, loss_study="test" if name == FIRST_SEEN else "")
    _, dana, erlan = cheat(sandbox)
    raise_first(sandbox.sync([dana]))
    sandbox.wait(days=1)
    raise_first(sandbox.sync([erlan]))
    sandbox.reconcile()
    sandbox.wait(days=130)
    case = sandbox.close_cases()
    assert case.loss_tiyn == tenge(3_000) == sum(case.borne.values())
    got = [member.wallet.total_tiyn() // 100 for member in (dana, erlan)]
    expected = {
        ISSUER: [[3_000, 3_000]],
        WATERFALL: [[3_000, 3_000]],
        CAPPED: [[3_000, 3_000]],
        LOTTERY: [[3_000, 0], [0, 3_000]],
        PRO_RATA: [[1_500, 1_500]],
        PAYEE: [[0, 0]],
        FIRST_SEEN: [[3_000, 0]],
    }[name]
    assert got in expected
    assert case.borne.get("payees", 0) == {PAYEE: tenge(6_000)}.get(name, tenge(6_000 - sum(got)))
    assert sandbox.supply().escrow_tiyn == 0
    adds_up(sandbox)
    sandbox.close()


def test_the_policys_name_and_its_caps_come_from_the_plan() -> None:
    with pytest.raises(TengeError, match=r"^E_LOSS_POLICY:"):
        _opened(loss_policy=FIRST_SEEN)
    with pytest.raises(TengeError, match=r"^E_PARAMETER_SET:"):
        _opened(mode="always")
    numbers = named_numbers({"cap_mult": 5, "max_hops": 7}, "staged")
    assert (numbers[CAP_MULT_PERMILLE.id], numbers[MAX_HOPS.id]) == (5, 7), (
        "what is named stands over the preset"
    )


def test_v14_a_staged_sandbox_takes_no_second_hop() -> None:
    sandbox = _opened(mode="staged")
    ayan, bota, dana = (sandbox.person(name, deposit_tenge=5_000) for name in ("Ayan", "Bota", "Dana"))
    sandbox.issue(tenge=20_000)
    sandbox.buy_and_load(ayan, tenge=1_000)
    sandbox.pay_offline_once(ayan, bota, 400)
    with pytest.raises(TengeError, match=r"^E_COINS:"):
        sandbox.pay_offline_once(bota, dana, 100)
    sandbox.field.centre.switch_mode(b"over", "intermittent")
    assert sandbox.redeem_offline(bota) == tenge(400)
    sandbox.close()
