"""The eleven invariants of an element, each by its name: what asserts it, and that the assertion can fail (5.7).

All of them are asserted at every step of every call, in tests and in pilots alike; `test_device_machine` and
`test_element_machine` let random calls try to break them.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.money import tenge
from offline import element_core, element_spend, element_state
from offline.element import SimulatedSecureElement
from offline.element_state import (
    ElementState,
    Pending,
    changed,
    changes,
    check_differences,
    check_step,
    difference,
)
from offline.journal import FileJournal
from offline.records import Enrol, Invoice, Outpoint, Receipt, SyncRequest, Transfer
from tests.offline.bench import Crash, CrashAt
from tests.offline.shop import Shop, refused
from tests.offline.test_element_crash import CALLS, journal_of, owner_of, state_with_money
from tests.offline.world import NOW

LIMIT, SLOTS = tenge(50_000), 64


def step(before: ElementState, after: ElementState, syncing: bool = False) -> None:
    check_step(before, after, LIMIT, SLOTS, syncing)


@contextmanager
def broken(message: str) -> Iterator[None]:
    with pytest.raises(AssertionError, match=message):
        yield


# --- I1: numbers never fall ---


@pytest.mark.parametrize("name", element_state._RISING)
def test_i1_each_number_only_rises(name: str) -> None:
    lower = state_with_money()
    state = replace(lower, **{name: getattr(lower, name) + 10})
    with broken(f"I1: {name} fell"):
        step(state, lower)


@pytest.mark.parametrize("name", ["out_tiyn", "in_tiyn", "out_count", "in_count"])
def test_i1_each_total_and_each_baseline_only_rises(name: str) -> None:
    state = state_with_money()
    high = replace(state, totals=state.totals._replace(**{name: 99 * LIMIT}))
    with broken("I1: a total fell"):
        step(high, replace(high, totals=high.totals._replace(**{name: 0})))
    based = replace(high, base=high.totals)
    with broken("I1: a baseline fell"):
        step(based, replace(based, base=based.base._replace(**{name: 0})), syncing=True)
    with broken("I1: a baseline is ahead"):
        step(high, replace(high, base=high.totals._replace(**{name: 100 * LIMIT})), syncing=True)


def test_i1_what_rises_is_everything_that_counts() -> None:
    numbers = {name for name in element_state._SCALARS if isinstance(getattr(ElementState(), name), int)}
    assert numbers - set(element_state._RISING) == {"status", "requested_counter"}


def test_i1_the_dead_do_not_rise() -> None:
    state = state_with_money()
    with broken("I1: the dead"):
        step(replace(state, status=element_state.DEAD), state)


# --- I2: written before it is seen ---


@pytest.mark.parametrize("call", list(CALLS))
def test_i2_nothing_is_given_out_when_the_write_fails(call: str) -> None:
    shop = Shop()
    if call == "accept":
        shop.pay(shop.invoice())
    journal = journal_of(shop, owner_of(call))
    journal._checkpoint = CrashAt(1)
    with pytest.raises(Crash):
        CALLS[call](shop)
    element = getattr(shop, owner_of(call))
    with pytest.raises(TengeError, match="E_ELEMENT_RESTART"):
        element.enrol(shop.world.network, 1, b"c" * 32)
    assert element.receipt(b"x") is None


def test_i2_each_call_that_signs_ends_in_a_release_that_asserts() -> None:
    for name in ("invoice", "accept", "_spend", "sync_begin"):
        source = inspect.getsource(getattr(SimulatedSecureElement, name))
        assert source.index("self._commit(") < source.index("return self._released("), name
    shop = Shop()
    shop.payer._unreleased.append(b"a signature")
    with broken("I2"):
        shop.payer._released("an answer")


# --- I3: an outpoint is spent once ---


def test_i3_a_spent_outpoint_is_gone(shop: Shop) -> None:
    shop.pay(shop.invoice())
    with refused("E_OUTPOINT"):
        shop.pay(shop.invoice(id=b"two"))
    with refused("E_OUTPOINT"):
        shop.payer.pay(shop.invoice(id=b"3"), shop.payee.certificate, [shop.pick, shop.pick], NOW)


def test_i3_a_step_that_signs_without_spending_is_seen() -> None:
    state = state_with_money()
    (key, sent) = next(iter(state.outbox.items()))
    again = replace(state, counter=state.counter + 1, outbox={**state.outbox, b"again": sent})
    with broken("I3: each transfer spends one outpoint"):
        step(state, again)
    with broken("I3: a transfer is not kept"):
        step(state, replace(state, counter=state.counter + 1))
    outpoint, slot = next(iter(state.purse.items()))
    with broken("I3: a slot was changed"):
        step(state, replace(state, purse={**state.purse, outpoint: slot._replace(amount_tiyn=1)}))
    assert key in state.outbox


# --- I4: the balance is the slots, and stays within the limit ---


def test_i4_balance_and_promises_stay_within_the_limit() -> None:
    state = state_with_money()
    more = changed(state.purse, {Outpoint(b"n" * 32, 0): next(iter(state.purse.values()))})
    loaded = replace(state, purse=more, loaded_tiyn=state.loaded_tiyn + tenge(4_000))
    step(state, loaded)
    with broken("I4: balance and promises"):
        check_step(state, loaded, tenge(7_999), SLOTS, syncing=False)
    with broken("I4: outpoints and promises"):
        check_step(state, loaded, LIMIT, 1, syncing=False)
    promised = replace(state, pending={b"i" * 32: Pending(1, 0, 3, 0, NOW)})
    check_step(state, promised, LIMIT, len(state.purse) + 3, syncing=False)
    with broken("I4: outpoints and promises"):
        check_step(state, promised, LIMIT, len(state.purse) + 2, syncing=False)
    whole = replace(state, loaded_tiyn=state.loaded_tiyn + 1)
    with broken("I4: not the sum of slots"):
        element_state.check_whole(whole)


# --- I5: outputs sum to the input ---


def test_i5_a_transfer_that_makes_money_is_not_signed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shop.payer._state
    monkeypatch.setattr(element_spend, "split_amounts", lambda held, amount: [amount, 5][:1])
    monkeypatch.setattr(element_spend, "Output", lambda amount, owner: _Rich(amount, owner))
    with broken("I5"):
        shop.pay(shop.invoice())
    assert shop.payer._state is before


class _Rich(tuple[Any, ...]):
    """An output that gives one tiyn more than it was told."""

    def __new__(cls, amount: int, owner: bytes) -> "_Rich":
        return super().__new__(cls, (amount + 1, owner))

    @property
    def amount_tiyn(self) -> int:
        amount: int = self[0]
        return amount


# --- I6: only typed objects ---


def test_i6_only_typed_objects_are_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    signed: set[type] = set()

    def sign(record: Any, network: bytes, key: Any) -> Any:
        signed.add(type(record))
        return real(record, network, key)

    real = element_core.sign
    monkeypatch.setattr(element_core, "sign", sign)
    for call in CALLS.values():
        call(Shop())
    Shop().payer.enrol(b"network.", 1, b"c" * 32)
    assert signed == {Enrol, Invoice, Receipt, Transfer, SyncRequest}
    takes = [
        str(parameter.annotation)
        for name, member in inspect.getmembers(SimulatedSecureElement, inspect.isfunction)
        if not name.startswith("_")
        for parameter in inspect.signature(member).parameters.values()
    ]
    assert takes
    assert not [text for text in takes if "Record" in text], "no call takes an object to sign"


# --- I7: limits loosen only by an acknowledgement ---


def test_i7_baselines_and_the_outbox_move_only_in_a_sync(shop: Shop) -> None:
    state = state_with_money()
    for after in (replace(state, base=state.totals), replace(state, outbox={})):
        with broken("I7"):
            step(state, after)
    shop.pay(shop.invoice())
    base = shop.payer.status(NOW).base
    request = shop.payer.sync_begin(b"s")
    assert shop.payer.status(NOW).base == base
    with refused("E_SYNC_ACK"):
        shop.payer.sync_commit(shop.bench.ack(request, request=b"o" * 32))
    assert shop.payer.status(NOW).base == base
    shop.payer.sync_commit(shop.bench.ack(request))
    assert shop.payer.status(NOW).base != base


# --- I8: one invoice, one acceptance ---


def test_i8_accepting_uses_the_invoice_up(shop: Shop) -> None:
    invoice = shop.invoice()
    shop.accept(invoice, shop.pay(invoice))
    assert invoice.oid not in shop.payee.status(NOW).pending
    state = shop.payee._state
    twice = replace(state, totals=state.totals._replace(in_count=state.totals.in_count + 1))
    with broken("I8"):
        step(state, twice)


# --- I9: before or after ---


@pytest.mark.parametrize("number", [1, 2, 3])
def test_i9_a_record_is_the_whole_step_or_none(tmp_path: Path, number: int) -> None:
    shop = Shop()
    crash = CrashAt()
    journal = FileJournal(tmp_path / "i9", durable=False, checkpoint=crash)
    shop.payer = shop.bench.element("i9", journal)
    note = shop.bench.note(shop.payer.kid, tenge(10))
    crash.count, crash.number = 0, number
    before = shop.payer._state
    with pytest.raises(Crash):
        shop.payer.load(note, NOW)
    journal.close()
    again = shop.bench.bare("i9", FileJournal(tmp_path / "i9", durable=False))
    assert again._state.balance_tiyn == (tenge(10) if number == 3 else 0)
    if number < 3:
        assert again._state == before


# --- I10: no key and no state goes out or comes in ---


def test_i10_the_key_never_changes_and_nothing_shows_it(shop: Shop) -> None:
    state = shop.payer._state
    with broken("I10"):
        step(state, replace(state, papers={**state.papers, b"key": (2, b"\1" * 32)}))
    secret = state.papers[b"key"][1]
    shop.pay(shop.invoice())
    said = repr(shop.payer.status(NOW)) + repr(shop.payer.certificate) + repr(shop.payer._key)
    assert secret.hex() not in said
    assert repr(secret) not in said


def test_i10_an_opened_element_is_never_closed_again() -> None:
    shop = Shop(attacks_allowed=True)
    opened = element_state.OPENED_PAPER
    marked = replace(shop.payer._state, papers={**shop.payer._state.papers, opened: (b"why",)})
    with broken("opened element was closed"):
        step(marked, shop.payer._state)


# --- I11: what came in is what went out and what is held ---


@pytest.mark.parametrize("part", ["loaded_tiyn", "dropped_tiyn"])
def test_i11_value_neither_comes_nor_goes(part: str) -> None:
    state = state_with_money()
    with broken("I11: value"):
        step(state, replace(state, **{part: getattr(state, part) + 1}))
    poor = replace(state, dropped_tiyn=state.dropped_tiyn + tenge(9_000))
    with broken("I11"):
        step(state, poor)


# --- a step's difference is remembered, and is the one there is ---


def test_a_remembered_difference_is_the_difference(shop: Shop) -> None:
    before = {b"a": 1, b"b": 2, b"c": 3}
    after = changed(before, {b"b": 5, b"c": 3, b"d": 4}, [b"a", b"z", b"d"])
    assert after == {b"b": 5, b"c": 3, b"d": 4}
    assert [set(keys) for keys in difference(before, after)] == [{b"b", b"d"}, {b"a"}]
    other = dict(before)
    assert [set(keys) for keys in difference(other, after)] == [{b"b", b"d"}, {b"a"}]
    assert difference(before, before) == ((), ())


def test_a_difference_that_was_remembered_wrongly_is_seen(shop: Shop) -> None:
    state = shop.payer._state
    wrong = changed(state.purse, {}, [shop.pick])
    wrong.gone = ()  # type: ignore[attr-defined]
    with broken("remembered wrongly"):
        check_differences(state, replace(state, purse=wrong))


def test_deep_checks_run_in_tests_and_what_is_committed_forgets_its_base(shop: Shop) -> None:
    assert shop.payer._deep_checks
    shop.pay(shop.invoice())
    for name in element_state._COLLECTIONS:
        assert getattr(getattr(shop.payer._state, name), "base", None) is None, name
    record = changes(ElementState(), shop.payer._state)
    assert canonical.decode_array(record)
    assert element_core.check_step is check_step


@pytest.fixture
def shop() -> Shop:
    return Shop()
