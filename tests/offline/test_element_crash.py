"""Power cuts and torn writes of one element: before or after, never between, never twice (S5, S6, S7, I2, I9)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Malformed, Unavailable
from cbdc.money import tenge
from cbdc.record import Signed
from offline import element_core
from offline.element import SimulatedSecureElement
from offline.element_state import ElementState, apply, changes, check_step
from offline.journal import FileJournal, Journal, MemoryJournal
from offline.records import Outpoint
from tests.offline.bench import Crash, CrashAt
from tests.offline.shop import Shop
from tests.offline.world import NOW

# Each call that changes something, as a function of a shop; all idempotent.
CALLS: dict[str, Callable[[Shop], Any]] = {
    "invoice": lambda shop: shop.payer.invoice(b"i", 100, 0, NOW + 600, 1, 9_000, b"", b"", NOW),
    "pay": lambda shop: shop.pay(shop.invoice()),
    "redeem": lambda shop: shop.payer.redeem(b"r", fixed_order(shop), [shop.pick], 100, NOW),
    "sync_begin": lambda shop: shop.payer.sync_begin(b"s"),
    "trust": lambda shop: shop.payer.trust([shop.world.make_trust(2)]),
    "accept": lambda shop: shop.accept(shop.invoice(), shop.pay(shop.invoice())),
}


def fixed_order(shop: Shop) -> Any:
    return shop.world.make_redeem_order(shop.payer.kid, nonce=b"n" * 16)


def journal_of(shop: Shop, name: str) -> MemoryJournal:
    journal = shop.bench.journals[name]
    assert isinstance(journal, MemoryJournal)
    return journal


def owner_of(call: str) -> str:
    return "payee" if call == "accept" else "payer"


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("call", list(CALLS))
def test_s5_a_crash_at_every_journal_point(call: str, number: int) -> None:
    untouched = Shop()
    if call == "accept":
        untouched.pay(untouched.invoice())
    answer_without_crash = CALLS[call](untouched)
    expected = getattr(untouched, owner_of(call)).status(NOW)

    shop = Shop()
    if call == "accept":
        shop.pay(shop.invoice())
    element: SimulatedSecureElement = getattr(shop, owner_of(call))
    before = element.status(NOW)
    journal = journal_of(shop, owner_of(call))
    if call == "accept":
        before = shop.payee.status(NOW)
    journal._checkpoint = CrashAt(number)
    with pytest.raises(Crash):
        CALLS[call](shop)
    with pytest.raises(Unavailable, match="E_ELEMENT_RESTART"):
        element.sync_begin(b"x")
    journal._checkpoint = CrashAt()
    again = shop.bench.bare(owner_of(call))
    assert again.status(NOW) == (expected if number == 3 else before)
    setattr(shop, owner_of(call), again)
    assert CALLS[call](shop) == answer_without_crash
    assert again.status(NOW) == expected


@pytest.mark.slow
def test_s6_a_torn_journal_at_every_byte(tmp_path: Path) -> None:
    shop = Shop()
    journal = FileJournal(tmp_path / "payer", durable=False)
    shop.payer = shop.bench.element("torn", journal)
    note = shop.bench.note(shop.payer.kid, tenge(5_000))
    shop.payer.load(note, NOW)
    shop.pick = Outpoint(note.oid, 0)
    before, size = shop.payer.status(NOW), (tmp_path / "payer").stat().st_size
    invoice = shop.invoice()
    paid = shop.pay(invoice)
    after = shop.payer.status(NOW)
    journal.close()
    data = (tmp_path / "payer").read_bytes()
    for cut in range(size, len(data) + 1):
        torn = tmp_path / "torn"
        torn.write_bytes(data[:cut])
        element = SimulatedSecureElement(FileJournal(torn, durable=False), shop.bench.entropy, b"torn")
        assert element.status(NOW) == (after if cut == len(data) else before)
        if cut % 40 == 0 or cut == len(data):
            assert element.pay(invoice, shop.payee.certificate, [shop.pick], NOW) == paid
            assert element.status(NOW) == after
        element._journal.close()


@pytest.mark.slow
@pytest.mark.parametrize("call", list(CALLS))
def test_s6_every_call_torn_at_every_byte(tmp_path: Path, call: str) -> None:
    """The record of each call, cut at each of its bytes on a real file: the state before, and whole the state after."""
    shop, name = Shop(), owner_of(call)
    if call == "accept":
        shop.pay(shop.invoice())
    before, kept = getattr(shop, name).status(NOW), len(journal_of(shop, name).replay())
    answer = CALLS[call](shop)
    after = getattr(shop, name).status(NOW)
    whole = FileJournal(tmp_path / "whole", durable=False)
    sizes = []
    for record in journal_of(shop, name).replay():
        whole.append(record)
        sizes.append(whole.size_bytes)
    whole.close()
    assert len(sizes) == kept + 1
    data = (tmp_path / "whole").read_bytes()
    for cut in range(sizes[kept - 1], len(data) + 1):
        (tmp_path / "torn").write_bytes(data[:cut])
        torn = shop.bench.bare(name, FileJournal(tmp_path / "torn", durable=False))
        assert torn.status(NOW) == (after if cut == len(data) else before), cut
        if cut % 97 == 0 or cut == len(data):
            setattr(shop, name, torn)
            assert CALLS[call](shop) == answer
            assert torn.status(NOW) == after
            torn._journal.close()


def test_a_damaged_journal_is_not_opened(tmp_path: Path) -> None:
    shop = Shop()
    journal = FileJournal(tmp_path / "a", durable=False)
    shop.bench.element("a", journal)
    journal.close()
    data = bytearray((tmp_path / "a").read_bytes())
    data[40] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(Malformed, match="E_JOURNAL"):
        shop.bench.bare("a", FileJournal(tmp_path / "a"))


def test_records_of_another_version_are_not_guessed_at() -> None:
    with pytest.raises(Malformed, match="E_JOURNAL"):
        apply(ElementState(), b"\x94\x09\x90\x90\x90")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_compaction_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int) -> None:
    monkeypatch.setattr(element_core, "_COMPACT_BYTES", 1)
    shop = Shop()
    crash = CrashAt()
    journal = FileJournal(tmp_path / "a", durable=False, checkpoint=crash)
    element = shop.bench.element("a", journal)
    before = element.status(NOW)
    note = shop.bench.note(element.kid, 100)
    crash.count, crash.number = 0, 3 + number  # the append has three points of its own
    element._compact_at = 1
    with pytest.raises(Crash):
        element.load(note, NOW)
    journal.close()
    crash.number = 0
    again = shop.bench.bare("a", FileJournal(tmp_path / "a", durable=False))
    assert again.status(NOW).balance_tiyn == 100 == before.balance_tiyn + 100
    again.load(note, NOW)
    assert again.status(NOW).balance_tiyn == 100


@pytest.mark.slow
def test_journals_stay_small() -> None:
    shop = Shop()
    pick = shop.pick
    for number in range(300):
        invoice = shop.invoice(1, id=b"%d" % number)
        (paid,) = shop.pay(invoice, pick)
        shop.accept(invoice, (paid,))
        note = shop.bench.note(shop.payer.kid, 1)
        shop.payer.load(note, NOW)
        pick = Outpoint(note.oid, 0)
        if number % 40 == 39:
            for element in (shop.payer, shop.payee):
                element.sync_commit(shop.bench.ack(element.sync_begin(shop.bench.next_id())))
    assert journal_of(shop, "payer").size_bytes < 1 << 18
    assert len(journal_of(shop, "payer").replay()) < 400
    assert shop.bench.bare("payer").status(NOW) == shop.payer.status(NOW)


# --- S7: nothing signed leaves before its record is durable ---


def is_durable(signed: Signed[Any], journal: Journal) -> bool:
    return any(signed.signature in record for record in journal.replay())


class Hasty(SimulatedSecureElement):
    """A mutant that answers first and forgets to write."""

    def _commit(self, after: ElementState, syncing: bool = False) -> None:
        self._state = after


class Sly(SimulatedSecureElement):
    """A mutant that also hides it from the assertion."""

    def _commit(self, after: ElementState, syncing: bool = False) -> None:
        self._state = after
        self._unreleased.clear()


def test_s7_every_answer_is_durable_before_it_is_seen() -> None:
    for call, make in CALLS.items():
        shop = Shop()
        answer = make(shop)
        signed = answer if isinstance(answer, tuple) else (answer,) if answer is not None else ()
        assert all(is_durable(item, journal_of(shop, owner_of(call))) for item in signed), call


def mutant(shop: Shop, kind: type[SimulatedSecureElement]) -> SimulatedSecureElement:
    return kind(journal_of(shop, "payer"), shop.bench.entropy, b"payer")


def test_s7_the_invariant_catches_the_mutants() -> None:
    shop = Shop()
    shop.payer = mutant(shop, Hasty)
    with pytest.raises(AssertionError, match="I2"):
        shop.pay(shop.invoice())
    shop.payer = mutant(shop, Sly)
    (answer,) = shop.pay(shop.invoice())
    assert not is_durable(answer, journal_of(shop, "payer"))


# --- the invariants can fail ---


def state_with_money() -> ElementState:
    shop = Shop()
    shop.invoice()
    shop.pay(shop.invoice())
    return shop.payer._state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: replace(s, counter=s.counter - 1), "I1: counter"),
        (lambda s: replace(s, time_floor=0), "I1: time_floor"),
        (lambda s: replace(s, totals=s.totals._replace(out_tiyn=0)), "I1: a total"),
        (lambda s: replace(s, base=s.totals), "I7: a baseline"),
        (lambda s: replace(s, base=s.totals._replace(in_count=5)), "I1: a baseline is ahead"),
        (lambda s: replace(s, outbox={}), "I7: the outbox"),
        (lambda s: replace(s, papers={**s.papers, b"key": (2, b"\1" * 32)}), "I10"),
        (lambda s: replace(s, purse={}), "I11: value"),
        (lambda s: replace(s, loaded_tiyn=s.loaded_tiyn + 1), "I11: value"),
        (lambda s: replace(s, totals=s.totals._replace(in_count=1)), "I8"),
        (lambda s: replace(s, counter=s.counter + 1), "I3: a transfer"),
    ],
)
def test_each_broken_invariant_is_seen(change: Callable[[ElementState], ElementState], message: str) -> None:
    state = state_with_money()
    check_step(state, state, tenge(50_000), 64, syncing=False)
    with pytest.raises(AssertionError, match=message):
        check_step(state, change(state), tenge(50_000), 64, syncing=False)


def test_the_record_form_is_exact() -> None:
    state = state_with_money()
    assert apply(ElementState(), changes(ElementState(), state)) == state
    smaller = replace(state, purse={}, outbox={}, pending={})
    assert apply(state, changes(state, smaller)) == smaller
