"""Table 5.8, row by row, in both flows and both algorithms, with the real settlement at the end (T1 to T10, T17).

What is asserted in every row: nobody's money is counted twice, none is lost, and the receipt means what it says.
"""

from collections.abc import Callable
from typing import Any

import pytest

from cbdc.errors import Refused
from cbdc.keys import ED25519, ES256
from offline.transfer import PayeeSession, PayerSession
from tests.offline.bench import Crash, CrashAt
from tests.offline.shop import refused
from tests.offline.town import AMOUNT, LOADED, Exchange, Town

pytestmark = [
    pytest.mark.parametrize("near", [False, True], ids=["flow-Q", "flow-I"]),
    pytest.mark.parametrize("algorithm", [ED25519, ES256], ids=["ed25519", "es256"]),
]


def town_and_exchange(algorithm: int, near: bool) -> tuple[Town, Exchange]:
    town = Town(algorithm)
    return town, town.between("ayan", "shop", near)


def redeem_all(town: Town, *names: str) -> None:
    for name in names:
        if town.purse(name):
            town.send_home(name)
        town.sync(name)
    town.check()


def test_t1_t2_row1_what_is_lost_before_the_commit_is_only_waited_for(algorithm: int, near: bool) -> None:
    """Invoice or offer lost: the payer is unchanged, the payee has reserved until the invoice expires."""
    town, exchange = town_and_exchange(algorithm, near)
    exchange.until_confirm()
    shop = town.people["shop"]
    assert town.purse("ayan") == LOADED
    assert shop.status(town.now).reserved_tiyn == AMOUNT
    town.clock.advance(1_201)
    again = town.between("ayan", "shop", near, id=b"t" * 16).until_confirm()
    assert shop.status(town.now).reserved_tiyn == AMOUNT, "the old promise has gone, the new one stands"
    again.finish(again.commit())
    assert (town.purse("ayan"), town.purse("shop")) == (LOADED - AMOUNT, AMOUNT)
    redeem_all(town, "ayan", "shop")
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED - AMOUNT, AMOUNT)


def test_t3_t4_row2_a_lost_payment_comes_again_from_anyone(algorithm: int, near: bool) -> None:
    """Commit written, message lost: the same bytes again, here brought by Dana's phone."""
    town, exchange = town_and_exchange(algorithm, near)
    lost = exchange.until_confirm().commit()
    assert (town.purse("ayan"), town.purse("shop")) == (LOADED - AMOUNT, 0)
    assert exchange.paying.confirm(town.now) == lost
    carried_by_dana = bytes(exchange.whole())
    receipt = exchange.deliver(carried_by_dana)
    exchange.paying.receive(receipt, town.now)
    assert exchange.deliver(lost) == receipt
    redeem_all(town, "ayan", "shop")
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED - AMOUNT, AMOUNT)


@pytest.mark.parametrize("order", [("ayan", "shop"), ("shop", "ayan")])
def test_t3_t4_row2_or_a_sync_of_either_side(algorithm: int, near: bool, order: tuple[str, str]) -> None:
    """Commit written, message lost for good: the payer's sync delivers, the payee's statement lets it be credited."""
    town, exchange = town_and_exchange(algorithm, near)
    exchange.until_confirm().commit()
    payment = exchange.whole()
    for name in order:
        town.sync(name)
    town.sync("shop")
    town.check()
    assert (town.purse("shop"), town.wallet("shop")) == (0, AMOUNT)
    with refused("E_INVOICE_UNKNOWN"):
        exchange.deliver(payment)
    town.sync("shop")
    redeem_all(town, "ayan", "shop")
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED - AMOUNT, AMOUNT)


def test_row3_the_payee_dies_before_it_writes(algorithm: int, near: bool) -> None:
    """The message arrived, the payee's element died before writing: again."""
    town, exchange = town_and_exchange(algorithm, near)
    exchange.until_confirm().commit()
    journal: Any = town.journals["shop"]
    journal._checkpoint = CrashAt(1)
    with pytest.raises(Crash):
        exchange.deliver(exchange.whole())
    journal._checkpoint = CrashAt()
    shop = town.restart("shop")
    assert town.purse("shop") in (0, AMOUNT), "before or after, nothing else"
    session = PayeeSession(shop, b"s" * 16, AMOUNT, 0, near)
    (receipt,) = session.receive(exchange.whole(), town.now)
    exchange.paying.receive(receipt, town.now)
    assert town.purse("shop") == AMOUNT
    assert shop.status(town.now).totals.in_count == 1
    redeem_all(town, "ayan", "shop")
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED - AMOUNT, AMOUNT)


def test_t5_row4_a_lost_receipt_is_given_again(algorithm: int, near: bool) -> None:
    """Written, receipt lost: the same receipt, and the payee has spent the money in between."""
    town, exchange = town_and_exchange(algorithm, near)
    commit = exchange.until_confirm().commit()
    lost = exchange.deliver(commit)
    onward = town.between("shop", "dana", near, AMOUNT, b"o" * 16).until_confirm()
    onward.finish(onward.commit())
    assert exchange.deliver(commit) == lost
    exchange.paying.receive(lost, town.now)
    assert (town.purse("ayan"), town.purse("shop"), town.purse("dana")) == (LOADED - AMOUNT, 0, AMOUNT)
    redeem_all(town, "dana", "shop", "ayan")
    assert town.wallet("dana") == AMOUNT
    assert town.all_money() == LOADED


def test_row5_a_payment_that_comes_too_late_goes_to_the_inbox(algorithm: int, near: bool) -> None:
    """The invoice expired before the message came: refused, no goods; settlement credits the payee."""
    town, exchange = town_and_exchange(algorithm, near)
    late = exchange.until_confirm().commit()
    town.clock.advance(1_201)
    with refused("E_INVOICE_UNKNOWN"):
        exchange.deliver(late)
    assert [code for code, _ in town.people["shop"].inbox()] == ["E_INVOICE_UNKNOWN"]
    assert (town.purse("shop"), town.wallet("shop")) == (0, 0)
    town.sync("shop")
    town.check()
    assert town.wallet("shop") == AMOUNT, "the payee alone handed it in"
    assert town.people["shop"].inbox() == []
    redeem_all(town, "ayan")
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED - AMOUNT, AMOUNT)


def test_t8_row6_the_payer_is_gone_and_the_message_never_came(algorithm: int, near: bool) -> None:
    """Nobody ever shows the payment: it is the payer's money again when the note closes; no goods were given."""
    town, exchange = town_and_exchange(algorithm, near)
    exchange.until_confirm().commit()
    town.sync("shop")
    assert town.wallet("shop") == 0
    town.close()
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED, 0)
    with refused("E_EXPIRED"):
        exchange.deliver(exchange.whole())
    town.sync("shop")
    town.check()
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED, 0), (
        "what comes after the close changes nothing"
    )


def test_t9_row7_the_payee_is_gone_after_it_accepted(algorithm: int, near: bool) -> None:
    """The payer's sync shows the payment; it is refunded to the payee's owner at close."""
    town, exchange = town_and_exchange(algorithm, near)
    exchange.finish(exchange.until_confirm().commit())
    town.sync("ayan")
    town.close()
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED - AMOUNT, AMOUNT)


def test_t10_row8_both_are_gone(algorithm: int, near: bool) -> None:
    """Refund to the last owner settlement knows: the shop, whose own receipt of Dana's money nobody ever shows."""
    town, exchange = town_and_exchange(algorithm, near)
    exchange.finish(exchange.until_confirm().commit())
    town.sync("ayan")
    onward = town.between("shop", "dana", near, AMOUNT, b"o" * 16).until_confirm()
    onward.finish(onward.commit())
    town.close()
    assert town.purse("dana") == AMOUNT, "her phone still says so; nobody will take it"
    assert (town.wallet("ayan"), town.wallet("shop"), town.wallet("dana")) == (LOADED - AMOUNT, AMOUNT, 0)


def test_t10_row8_both_are_gone_and_nobody_knew(algorithm: int, near: bool) -> None:
    """Nothing was ever handed in: the loader is the last owner known."""
    town, exchange = town_and_exchange(algorithm, near)
    exchange.finish(exchange.until_confirm().commit())
    town.close()
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED, 0)


def test_t7_two_exchanges_mixed_and_doubled(algorithm: int, near: bool) -> None:
    """Every message of two exchanges of one payer, to every side, twice and backwards: each is paid once."""
    town = Town(algorithm)
    exchanges = [
        town.between("ayan", payee, near, 700, payee[:1].encode() * 16) for payee in ("shop", "dana")
    ]
    said: list[bytes] = []
    for exchange in exchanges:
        payment = exchange.until_confirm().commit()
        exchange.finish(payment)
        said += exchange.said
    refusals = 0
    for session in [side for exchange in exchanges for side in (exchange.asking, exchange.paying)]:
        for message in (*said, *said[::-1]):
            try:
                session.receive(message, town.now)
            except Refused as error:
                refusals += 1
                assert error.code in ("E_SESSION", "E_INVOICE", "E_PAYEE", "E_PAYMENT_UNKNOWN"), error  # noqa: PT017
    assert refusals > len(said)
    assert (town.purse("ayan"), town.purse("shop"), town.purse("dana")) == (LOADED - 1_400, 700, 700)
    redeem_all(town, "ayan", "shop", "dana")
    assert town.all_money() == LOADED


def test_t17_row0_a_note_that_never_arrives(algorithm: int, near: bool) -> None:
    """The load was cut: the same bytes again, as often as asked; what is never fetched is refunded."""
    town = Town(algorithm)
    town.take_offline("dana", 900, receive=False)
    dana = town.people["dana"]
    asked = [[note.encode() for note in town.centre.notes(dana.kid)] for _ in range(3)]
    assert asked[0] == asked[1] == asked[2]
    town.fetch("dana")
    town.fetch("dana")
    assert town.purse("dana") == 900
    exchange = town.between("dana", "shop", near, 900).until_confirm()
    exchange.finish(exchange.commit())
    town.take_offline("dana", 300, receive=False)
    redeem_all(town, "shop")
    town.close()
    assert (town.wallet("shop"), town.wallet("dana")) == (900, 300)


ENDS: list[Callable[[Town, Exchange], None]] = [
    lambda town, exchange: None,
    lambda town, exchange: exchange.finish(exchange.commit()),
    lambda town, exchange: town.sync("shop") and None,
    lambda town, exchange: town.sync("ayan") and None,
]


@pytest.mark.parametrize("end", range(len(ENDS)))
def test_t6_row2_a_payer_that_starts_again_brings_the_same_payment(
    algorithm: int, near: bool, end: int
) -> None:
    """After a restart the payer finds its payment in the outbox, whatever happened on the other side."""
    town, exchange = town_and_exchange(algorithm, near)
    first = exchange.until_confirm().commit()
    ENDS[end](town, exchange)
    town.restart("ayan")
    if end == 3:
        with refused("E_PAYMENT_UNKNOWN"):
            PayerSession.resume(town.people["ayan"], exchange.invoice)
        town.sync("shop")
        assert town.wallet("shop") == AMOUNT
        return
    _, payment = PayerSession.resume(town.people["ayan"], exchange.invoice)
    assert payment == first or near
    if end == 2:
        with refused("E_INVOICE_UNKNOWN"):
            exchange.deliver(payment)
        assert town.people["shop"].inbox()
    else:
        exchange.deliver(payment)
        assert town.people["shop"].status(town.now).totals.in_count == 1
    redeem_all(town, "ayan", "shop")
    town.close()
    assert town.wallet("shop") + town.wallet("ayan") == LOADED
    assert town.wallet("shop") == AMOUNT
