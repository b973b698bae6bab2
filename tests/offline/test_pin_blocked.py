"""A PIN that was entered wrongly too often: the element pays no more, and its money still goes home (A7)."""

import pytest

from cbdc.errors import Refused
from cbdc.money import tenge
from offline.element_pin import PIN_TRIES
from tests.offline.bench import Bench
from tests.offline.world import NOW


def test_a7_a_blocked_pin_stops_payments_and_not_redemptions() -> None:
    bench = Bench()
    thief, shop = bench.device("ayan"), bench.device("shop")
    bench.load(thief, tenge(5_000))
    element = thief.element
    element.set_pin(b"pin", b"2580", 0)
    for left in range(PIN_TRIES - 1, -1, -1):
        with pytest.raises(Refused, match=rf"^E_PIN_WRONG:.* {left} tries"):
            element.verify_pin(b"0000")
    with pytest.raises(Refused, match=r"^E_PIN_BLOCKED:"):
        element.verify_pin(b"2580")
    with pytest.raises(Refused, match=r"^E_PIN_BLOCKED:"):
        bench.hand_over(thief, shop, tenge(1))
    before = thief.balance_tiyn(NOW)
    order = bench.order(thief.kid)
    picks = list(element.status(NOW).purse)
    assert element.redeem(b"home", order, picks, before, NOW)
    assert thief.balance_tiyn(NOW) == 0
