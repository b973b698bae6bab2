"""An escrow never pays more than it holds: the settlement of a fact is refused before anything is signed."""

import pytest

from cbdc.errors import Refused
from cbdc.money import tenge
from cbdc.transaction import SETTLE_REFUND
from offline.escrow import backing_of
from offline.settle import Posting
from tests.offline.centre import Centre


@pytest.mark.parametrize("held_tiyn", [0, tenge(100)])
def test_r23_a_note_pays_at_most_what_its_escrow_holds(held_tiyn: int) -> None:
    centre = Centre()
    centre.device("ayan")
    backing = bytes(32)
    if held_tiyn:
        backing = backing_of(centre.load_notes("ayan", held_tiyn)[0].record.serial)
    assert centre.book.balance_tiyn(backing, ()) == held_tiyn
    before = centre.ledger.supply()
    posting = Posting(SETTLE_REFUND, bytes(32), bytes(32), tenge(101), bytes(32))
    with pytest.raises(Refused, match=r"^E_ESCROW_SHORT:"):
        centre.book.transaction(posting, backing, (), centre.key("settle"))
    assert centre.ledger.supply() == before
