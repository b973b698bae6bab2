"""The reconciler over a real ledger: taking in, repeating, waiting, booking once, and the books (attack list, R)."""

from typing import Any

from tests.offline.centre import Centre


def supply(centre: Centre) -> Any:
    """The ledger's supply table, checked against the reconciler's books."""
    totals = centre.reconciler.totals()
    table = centre.ledger.supply()
    assert table.escrow_tiyn == totals.escrow_tiyn
    assert table.loss_reserve_tiyn == totals.reserve_tiyn
    return table


def test_a_payment_offline_comes_home() -> None:
    centre = Centre()
    ayan, bota = centre.device("ayan"), centre.device("bota")
    (note,) = centre.load_notes("ayan", 1_000)
    paid = centre.spend(note, 0, bota, 400)
    home = centre.take_home(paid, 0, bota)
    centre.hand_in(note, paid, home)
    assert centre.wallet("bota") == 400
    assert supply(centre).escrow_tiyn == 600
    back = centre.take_home(paid, 1, ayan, 100)
    centre.hand_in(back)
    assert centre.wallet("ayan") == 100
    assert supply(centre).escrow_tiyn == 500
