"""The simulated PIN: off until it is set, counted before it is judged, and of no use to a thief (A7)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import Malformed, Refused
from cbdc.money import tenge
from offline.element_pin import PIN_TRIES
from offline.journal import MemoryJournal
from offline.records import Outpoint
from tests.offline.bench import Crash, CrashAt
from tests.offline.shop import Shop, refused
from tests.offline.world import NOW

PIN, WRONG = b"2580", b"0000"


class Phone(Shop):
    """A payer with 5,000 tenge who set a PIN for what goes beyond 1,000; `spend` pays and keeps the change at hand."""

    def __init__(self, limit: int = tenge(1_000)) -> None:
        super().__init__()
        self.payer.set_pin(b"first", PIN, limit)
        self.ids = iter(range(1_000))

    def spend(self, amount: int) -> None:
        (paid,) = self.pay(self.invoice(amount, id=b"%d" % next(self.ids)))
        self.accept(self.made, (paid,))
        self.pick = Outpoint(paid.oid, 1)

    def invoice(self, *args: int, **fields: bytes) -> object:  # type: ignore[override]
        self.made = super().invoice(*args, **fields)
        return self.made

    def restart(self) -> None:
        self.payer = self.bench.bare("payer")

    def left(self) -> int:
        pin = self.payer.status(NOW).pin
        assert pin is not None
        return pin.tries_left


@pytest.fixture
def phone() -> Phone:
    return Phone()


def test_without_a_pin_nothing_asks_for_one() -> None:
    shop = Shop()
    assert shop.payer.status(NOW).pin is None
    shop.pay(shop.invoice(tenge(5_000)))
    assert b"pin" not in shop.payer._state.papers


def test_small_sums_add_up_to_the_limit(phone: Phone) -> None:
    for _ in range(10):
        phone.spend(tenge(100))
    with refused("E_PIN"):
        phone.spend(1)
    assert phone.payer.status(NOW).pin == (PIN_TRIES, tenge(1_000), tenge(1_000))


def test_the_limit_itself_may_go_out_and_not_a_tiyn_more(phone: Phone) -> None:
    with refused("E_PIN"):
        phone.spend(tenge(1_000) + 1)
    phone.spend(tenge(1_000))


def test_one_entry_stands_for_one_payment(phone: Phone) -> None:
    phone.payer.verify_pin(PIN)
    phone.spend(tenge(2_000))
    with refused("E_PIN"):
        phone.spend(tenge(1_001))
    phone.spend(tenge(1_000))


def test_a_payment_that_was_refused_does_not_use_the_entry_up(phone: Phone) -> None:
    phone.payer.verify_pin(PIN)
    with refused("E_PICKS"):
        phone.spend(tenge(6_000))
    phone.spend(tenge(3_000))


def test_an_entry_is_forgotten_by_a_restart_and_by_a_wrong_one(phone: Phone) -> None:
    phone.payer.verify_pin(PIN)
    phone.restart()
    with refused("E_PIN"):
        phone.spend(tenge(2_000))
    phone.payer.verify_pin(PIN)
    with refused("E_PIN_WRONG"):
        phone.payer.verify_pin(WRONG)
    with refused("E_PIN"):
        phone.spend(tenge(2_000))


def test_a7_after_too_many_wrong_tries_money_only_goes_home(phone: Phone) -> None:
    for left in (2, 1, 0):
        with pytest.raises(Refused, match="E_PIN_WRONG") as error:
            phone.payer.verify_pin(WRONG)
        assert error.value.facts == {"left": left}
    for pin in (PIN, WRONG):
        with refused("E_PIN_BLOCKED"):
            phone.payer.verify_pin(pin)
    with refused("E_PIN_BLOCKED"):
        phone.spend(1)
    with refused("E_PIN"):
        phone.payer.set_pin(b"thief", WRONG, tenge(50_000))
    order = phone.world.make_redeem_order(phone.payer.kid)
    phone.payer.redeem(b"r", order, [phone.pick], tenge(5_000), NOW)
    assert phone.payer.status(NOW).balance_tiyn == 0


def test_the_right_pin_gives_the_tries_back(phone: Phone) -> None:
    for _ in range(4):
        for _ in range(PIN_TRIES - 1):
            with refused("E_PIN_WRONG"):
                phone.payer.verify_pin(WRONG)
        phone.payer.verify_pin(PIN)
        assert phone.left() == PIN_TRIES


def test_a_redemption_above_the_limit_asks_for_it(phone: Phone) -> None:
    order = phone.world.make_redeem_order(phone.payer.kid)
    with refused("E_PIN"):
        phone.payer.redeem(b"r", order, [phone.pick], tenge(1_001), NOW)
    phone.payer.verify_pin(PIN)
    sent = phone.payer.redeem(b"r", order, [phone.pick], tenge(1_001), NOW)
    assert phone.payer.redeem(b"r", order, [phone.pick], tenge(1_001), NOW) == sent


def test_what_was_paid_is_given_again_without_it(phone: Phone) -> None:
    phone.payer.verify_pin(PIN)
    invoice = phone.invoice(tenge(2_000))
    paid = phone.pay(invoice)  # type: ignore[arg-type]
    assert phone.pay(invoice) == paid  # type: ignore[arg-type]
    assert phone.payer.resend(phone.made.oid) == paid


def test_setting_it_again_under_one_id_changes_nothing_and_tells_nothing(phone: Phone) -> None:
    before = phone.payer._state
    phone.payer.set_pin(b"first", PIN, tenge(1_000))
    phone.payer.set_pin(b"first", WRONG, tenge(1_000))
    assert phone.payer._state is before, "another PIN gets the same answer: comparing would be a free guess"
    with refused("E_REQUEST_REUSED"):
        phone.payer.set_pin(b"first", PIN, 5)


def test_another_one_needs_the_one_that_stands(phone: Phone) -> None:
    with refused("E_PIN"):
        phone.payer.set_pin(b"second", b"111111", 0)
    phone.payer.verify_pin(PIN)
    phone.payer.set_pin(b"second", b"111111", 0)
    with refused("E_PIN"):
        phone.spend(1)
    with refused("E_PIN_WRONG"):
        phone.payer.verify_pin(PIN)
    phone.payer.verify_pin(b"111111")
    phone.spend(tenge(4_000))


@pytest.mark.parametrize("pin", [b"", b"123", b"1" * 13, b"12a4", "١٢٣٤".encode(), "1234"])
def test_a_pin_has_4_to_12_digits(phone: Phone, pin: bytes) -> None:
    for call in (lambda: phone.payer.verify_pin(pin), lambda: phone.payer.set_pin(b"x", pin, 0)):
        with pytest.raises(Malformed, match="E_FIELD"):
            call()
    assert phone.left() == PIN_TRIES


@pytest.mark.parametrize("limit", [-1, 2**53, True, "5"])
def test_a_limit_is_a_number_of_tiyn(limit: int) -> None:
    with pytest.raises(Malformed, match="E_FIELD"):
        Shop().payer.set_pin(b"x", PIN, limit)


def test_no_pin_no_verification() -> None:
    with refused("E_PIN_UNSET"):
        Shop().payer.verify_pin(PIN)


def test_nothing_of_the_pin_is_shown(phone: Phone) -> None:
    shown = repr(phone.payer.status(NOW))
    kept = phone.payer._state.papers[b"pin"]
    assert kept[2].hex() not in shown
    assert repr(kept[2]) not in shown
    assert PIN not in b"".join(record for record in phone.bench.journals["payer"].replay())


# --- power cuts ---


def journal_of(phone: Phone) -> MemoryJournal:
    journal = phone.bench.journals["payer"]
    assert isinstance(journal, MemoryJournal)
    return journal


@pytest.mark.parametrize(("number", "left"), [(1, 3), (2, 3), (3, 2), (4, 2), (5, 2), (6, 3)])
def test_a_try_is_written_before_it_is_judged(phone: Phone, number: int, left: int) -> None:
    """Six points: the try before, torn, after; the right one before, torn, after. A guess is never free."""
    journal_of(phone)._checkpoint = CrashAt(number)
    with pytest.raises(Crash):
        phone.payer.verify_pin(PIN)
    journal_of(phone)._checkpoint = CrashAt()
    phone.restart()
    assert phone.left() == left
    with refused("E_PIN"):
        phone.spend(tenge(2_000))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_setting_it_may_be_cut_anywhere(number: int) -> None:
    phone = Shop()
    journal = phone.bench.journals["payer"]
    assert isinstance(journal, MemoryJournal)
    journal._checkpoint = CrashAt(number)
    with pytest.raises(Crash):
        phone.payer.set_pin(b"first", PIN, 5)
    journal._checkpoint = CrashAt()
    phone.payer = phone.bench.bare("payer")
    assert (phone.payer.status(NOW).pin is None) == (number < 3)
    phone.payer.set_pin(b"first", PIN, 5)
    phone.payer.verify_pin(PIN)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=12))
def test_no_order_of_cuts_gives_a_thief_more_than_three_answers(tries: list[tuple[bool, int]]) -> None:
    """Whoever never knows the PIN hears "wrong" at most three times, whenever he cuts the power."""
    phone = Phone()
    answers = 0
    for _, number in tries:
        journal_of(phone)._checkpoint = CrashAt(number)
        try:
            phone.payer.verify_pin(WRONG)
        except Crash:
            phone.restart()
        except Refused as refusal:
            answers += refusal.code == "E_PIN_WRONG"
        journal_of(phone)._checkpoint = CrashAt()
    assert answers <= PIN_TRIES
    assert phone.left() >= 0
