"""Cases that the list leaves open for an implementation: refunds, and disputes that no protocol decides."""

from cbdc.money import tenge
from cbdc.token import MERCHANT
from offline.element_protocol import SecureElement
from offline.settle import CREDITED
from tests.offline.bench import Bench
from tests.offline.stories import Line
from tests.offline.world import NOW


def test_p20_a_refund_is_a_payment_back() -> None:
    bench = Bench()
    ayan, shop = bench.device("ayan"), bench.device("shop", category=MERCHANT)
    bench.load(ayan, tenge(5_000))
    bench.hand_over(ayan, shop, tenge(1_200))
    bench.hand_over(shop, ayan, tenge(1_200))
    assert (ayan.balance_tiyn(NOW), shop.balance_tiyn(NOW)) == (tenge(5_000), 0)
    totals = ayan.status(NOW).totals
    assert (totals.out_tiyn, totals.in_tiyn) == (tenge(1_200), tenge(1_200)), "two payments, and no reversal"
    words = ("void", "cancel", "revers", "refund", "undo")
    assert [call for call in vars(SecureElement) if any(word in call for word in words)] == []


def test_r38_a_dispute_about_goods_has_facts_and_no_verdict() -> None:
    line = Line()
    line.centre.hand_in(line.paid)
    line.centre.hand_in(line.home)
    told = line.centre.reconciler.outcome(line.paid.oid).record
    assert (told.status, told.evidence) == (CREDITED, b"")
    assert line.centre.reconciler.guilty() == {}
    for kid in line.centre.devices:
        assert line.centre.reconciler.evidence(kid) == []
