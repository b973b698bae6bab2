"""The audit finds whatever was changed by hand and names it: entries, heads, rows, a cut tail, a second history."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cbdc.ledger.audit import audit
from cbdc.ledger.entry import Entry, LogHead, leaf_hash, make_genesis, open_entry
from cbdc.ledger.ledger import Ledger, genesis_row
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.state import (
    COUNTER,
    counter,
    encode_value,
)
from cbdc.ledger.store import EntryRow
from cbdc.record import open_envelope, sign
from tests.cbdc.hand import Hand, flipped
from tests.cbdc.scene import CASH
from tests.cbdc.world import World, picture

SIZE = Hand().store.size()


def test_a_right_ledger_has_no_problem() -> None:
    hand = Hand()
    before = picture(hand.store)
    result = hand.audit(hand.kept, hand.world.root.encode())
    assert result.ok
    assert result.problems == []
    assert result.entries == SIZE == hand.world.ledger.size
    assert result.log_root == hand.kept.record.root
    supply = hand.world.ledger.supply()
    assert (result.issued_tiyn, result.redeemed_tiyn) == (supply.issued_tiyn, supply.redeemed_tiyn)
    assert result.outstanding_tiyn == supply.held_tiyn
    assert picture(hand.store) == before, "an audit changes nothing"


def test_a_new_ledger_has_no_problem() -> None:
    world = World()
    assert audit(world.store, world.ledger.head(), world.root.encode()).ok


def test_an_earlier_kept_head_is_as_good() -> None:
    hand = Hand()
    kept = open_envelope(hand.heads[3], LogHead, hand.world.network)
    assert hand.audit(kept).ok


# --- entries ---


@pytest.mark.parametrize("index", range(SIZE))
def test_a_flipped_byte_names_its_entry(index: int) -> None:
    hand = Hand()
    row = hand.rows[index]
    places = sorted({0, 2, 6, len(row.data) // 2, len(row.data) - 1})
    for place in places:
        hand.rows[index] = replace(row, data=flipped(row.data, place))
        found = hand.found()
        assert (f"entry {index}", "E_AUDIT_LEAF") in found
        assert {subject for subject, _ in found if subject.startswith("entry")} == {f"entry {index}"}
        heads = {subject for subject, code in found if code == "E_AUDIT_HEAD"}
        covering = {f"head {size}" for size in hand.sizes if size > index}
        unreadable = any(code not in ("E_AUDIT_LEAF", "E_AUDIT_HEAD") for _, code in found)
        assert heads == covering or (index == 0 and not heads), (
            "the heads from there on have another root, too"
        )
        assert not unreadable
    wrong = flipped(row.data, len(row.data) // 2)
    hand.rows[index] = replace(row, data=wrong, leaf=leaf_hash(wrong))
    assert not hand.audit().ok
    hand.rows[index] = row
    assert hand.audit().ok


@pytest.mark.parametrize("index", range(1, SIZE))
def test_not_even_the_ledgers_key_can_change_a_transaction(index: int) -> None:
    """Everything logged again and every head signed anew: the signatures inside the entry still say no."""
    hand = Hand()
    row = hand.rows[index]
    entry = open_entry(row.data)
    for place in sorted({3, 30, len(entry.payload) // 2, len(entry.payload) - 1}):
        changed = Entry(index, entry.time, flipped(entry.payload, place)).encode()
        hand.rows[index] = replace(row, data=changed)
        hand.relog()
        first = hand.audit().problems[0]
        assert (first.subject, first.entry) == (f"entry {index}", index)


def test_a_flipped_leaf_names_its_entry_and_the_rest_is_still_judged() -> None:
    hand = Hand()
    hand.rows[5] = replace(hand.rows[5], leaf=flipped(hand.rows[5].leaf, 7))
    hand.state[counter("issued").pack()] = encode_value(COUNTER, 5)
    assert {("entry 5", "E_AUDIT_LEAF")} < hand.found()
    assert hand.codes() == {"E_AUDIT_LEAF", "E_AUDIT_STATE"}


def test_an_id_that_finds_another_entry() -> None:
    hand = Hand()
    hand.rows[5] = replace(hand.rows[5], transaction_id=hand.rows[6].transaction_id)
    assert ("entry 5", "E_AUDIT_ID") in hand.found()
    hand = Hand()
    hand.rows[0] = replace(hand.rows[0], transaction_id=bytes(32))
    assert ("entry 0", "E_AUDIT_ID") in hand.found()


def test_swapped_entries() -> None:
    hand = Hand()
    hand.rows[5], hand.rows[6] = hand.rows[6], hand.rows[5]
    assert ("entry 5", "E_AUDIT_ORDER") in hand.found()
    assert "E_AUDIT_HEAD" in hand.codes()


def test_swapped_contents_behind_right_numbers() -> None:
    hand = Hand()
    five, six = (open_entry(hand.rows[place].data) for place in (5, 6))
    for place, other, row in ((5, six, hand.rows[6]), (6, five, hand.rows[5])):
        data = Entry(place, other.time, other.payload).encode()
        hand.rows[place] = EntryRow(place, row.transaction_id, data, leaf_hash(data))
    assert {subject for subject, code in hand.found() if code == "E_AUDIT_HEAD"} == {
        f"head {size}" for size in hand.sizes if size > 5
    }


def test_a_removed_entry() -> None:
    hand = Hand()
    del hand.rows[5]
    assert ("entry 5", "E_AUDIT_ORDER") in hand.found()
    assert ("journal", "E_AUDIT_UNCOVERED") in hand.found()


def test_a_doubled_entry() -> None:
    hand = Hand()
    hand.rows.insert(6, hand.rows[5])
    assert ("entry 6", "E_AUDIT_ORDER") in hand.found()


def test_a_replayed_transaction_is_refused_by_the_rules() -> None:
    hand = Hand()
    last = hand.rows[-1]
    entry = open_entry(last.data)
    data = Entry(SIZE, entry.time, entry.payload).encode()
    hand.rows.append(EntryRow(SIZE, last.transaction_id, data, leaf_hash(data)))
    hand.relog()
    assert hand.found() == {(f"entry {SIZE}", "E_FROZEN")}


def test_what_a_register_said_once_is_not_said_again_for_it() -> None:
    """No rule refuses it twice: the ledger could bring back what the register took back since."""
    hand = Hand()
    row = hand.rows[-2]
    entry = open_entry(row.data)
    data = Entry(SIZE, open_entry(hand.rows[-1].data).time, entry.payload).encode()
    hand.rows.append(EntryRow(SIZE, row.transaction_id, data, leaf_hash(data)))
    hand.relog()
    assert hand.found() == {(f"entry {SIZE}", "E_AUDIT_REPLAY")}


def test_an_entry_that_no_rule_allows() -> None:
    """The ledger's own key logs an issue that no officer signed."""
    hand = Hand()
    world = hand.world
    forged = world.sign(world.issue_record([world.out("inventory1", 5)]), "inventory1")
    data = Entry(SIZE, world.clock.now(), forged.encode()).encode()
    hand.rows.append(EntryRow(SIZE, forged.id, data, leaf_hash(data)))
    hand.relog()
    assert hand.found() == {(f"entry {SIZE}", "E_QUORUM")}


def test_time_that_falls() -> None:
    hand = Hand()
    entry = open_entry(hand.rows[-1].data)
    data = Entry(entry.index, entry.time - 1, entry.payload).encode()
    hand.rows[-1] = replace(hand.rows[-1], data=data)
    hand.relog()
    assert (f"entry {SIZE - 1}", "E_AUDIT_TIME") in hand.found()


def test_no_journal_at_all() -> None:
    assert [(p.subject, p.code) for p in audit(MemoryStore()).problems] == [("journal", "E_LEDGER_EMPTY")]


def test_a_genesis_that_cannot_be_read() -> None:
    hand = Hand()
    hand.rows[0] = replace(hand.rows[0], data=b"\x05", leaf=leaf_hash(b"\x05"))
    assert hand.found() == {("entry 0", "E_TYPE")}


# --- heads ---


def test_a_changed_head_is_named() -> None:
    for place in range(0, len(Hand().heads) - 1, 5):
        hand = Hand()
        size = hand.sizes[place]
        hand.heads[place] = flipped(hand.heads[place], len(hand.heads[place]) - 1)
        assert hand.found() == {(f"head {size}", "E_SIG")}
        hand.heads[place] = hand.heads[place][:-1]
        assert (f"head {size}", "E_DECODE") in hand.found()


@pytest.mark.parametrize(
    "change",
    [
        lambda hand, head: replace(head, root=bytes(32)),
        lambda hand, head: replace(head, time=head.time + 1),
        lambda hand, head: replace(head, time=head.time - 1),
        lambda hand, head: replace(head, size=head.size + 1),
        lambda hand, head: replace(head, size=10**6),
    ],
)
def test_a_head_that_says_something_else_is_named(change: Callable[[Hand, LogHead], LogHead]) -> None:
    hand = Hand()
    hand.heads[4] = hand.sign(change(hand, hand.head(4)))
    assert (f"head {hand.sizes[4]}", "E_AUDIT_HEAD") in hand.found()


def test_a_head_of_somebody_else_is_named() -> None:
    hand = Hand()
    hand.heads[4] = hand.sign(hand.head(4), "operator")
    assert hand.found() == {(f"head {hand.sizes[4]}", "E_SIG")}


def test_a_head_under_another_size_is_named() -> None:
    hand = Hand()
    hand.heads[4], hand.heads[5] = hand.heads[5], hand.heads[4]
    assert {
        (f"head {hand.sizes[4]}", "E_AUDIT_HEAD"),
        (f"head {hand.sizes[5]}", "E_AUDIT_HEAD"),
    } <= hand.found()


def test_the_last_head_removed() -> None:
    hand = Hand()
    del hand.heads[-1], hand.sizes[-1]
    assert hand.found() == {("journal", "E_AUDIT_UNCOVERED")}


def test_all_heads_removed() -> None:
    hand = Hand()
    hand.heads.clear()
    hand.sizes.clear()
    assert hand.found() == {("journal", "E_AUDIT_UNCOVERED")}


def test_an_earlier_head_removed_is_told_by_whoever_kept_it() -> None:
    hand = Hand()
    kept = open_envelope(hand.heads[4], LogHead, hand.world.network)
    del hand.heads[4], hand.sizes[4]
    assert hand.found() == set(), "receipts name a later head now, and all is still proven"
    assert hand.found(kept) == {("kept head", "E_AUDIT_HEAD_GONE")}


# --- the tail, and other histories ---


def cut(hand: Hand, count: int = 1) -> None:
    """Remove the last entries with their heads and all they did: what a restored old backup looks like."""
    fresh = MemoryStore()
    world = World(fresh, name="scene")
    vars(fresh).update(vars(MemoryStore()))
    clock = world.clock
    ledger = Ledger.create(fresh, hand.world.genesis_payload, hand.world.key("ledger"), clock)
    for row in hand.rows[1:-count]:
        ledger.submit(open_entry(row.data).payload)
    vars(hand.store).update(vars(fresh))


def test_a_cut_tail_is_seen_only_against_a_kept_head() -> None:
    hand = Hand()
    cut(hand)
    assert hand.found() == set(), "alone, an old copy is a right ledger"
    assert hand.found(hand.kept) == {("kept head", "E_AUDIT_TAIL")}


def test_a_second_history_is_seen_against_a_kept_head() -> None:
    hand = Hand()
    cut(hand)
    ledger = Ledger(hand.store, hand.world.key("ledger"), hand.world.clock)
    other = hand.world.transfer(["ayan"], [hand.world.out("shop", CASH)], ["ayan"])
    ledger.submit(other.encode())
    assert hand.found() == set()
    assert hand.found(hand.kept) == {("kept head", "E_AUDIT_FORK")}


def test_a_kept_head_that_nobody_signed_proves_nothing() -> None:
    hand = Hand()
    forged = sign(hand.kept.record, hand.world.network, hand.world.key("operator"))
    assert hand.found(forged) == {("kept head", "E_SIG")}
    foreign = sign(hand.kept.record, bytes(8), hand.world.key("ledger"))
    assert hand.found(foreign) == {("kept head", "E_SIG")}


def test_a_kept_head_of_another_time_is_another_history() -> None:
    hand = Hand()
    record = replace(hand.kept.record, time=hand.kept.record.time + 1)
    kept = sign(record, hand.world.network, hand.world.key("ledger"))
    assert hand.found(kept) == {("kept head", "E_AUDIT_FORK")}
    del hand.heads[-1], hand.sizes[-1]
    assert ("kept head", "E_AUDIT_HEAD_GONE") in hand.found(kept), "beside no other head it proves nothing"


@pytest.mark.parametrize("data", [b"", b"no head", b"\x93\x51\xc4\x00\xc4\x00"])
def test_a_kept_head_of_no_form_is_a_problem_and_no_error(data: bytes) -> None:
    (problem,) = Hand().audit(data).problems
    assert problem.subject == "kept head"
    assert problem.code in ("E_DECODE", "E_FIELD")


def test_another_root() -> None:
    hand = Hand()
    result = hand.audit(root=World(name="foreign").root.encode())
    assert [(p.subject, p.code, p.entry) for p in result.problems] == [("genesis", "E_AUDIT_ROOT", 0)]


def test_another_genesis_in_front_of_the_same_entries() -> None:
    hand = Hand()
    foreign = World(name="foreign")
    hand.rows[0] = genesis_row(foreign.genesis_payload, foreign.network, hand.world.clock.now())
    assert ("entry 1", "E_KEY_UNKNOWN") in hand.found() or ("entry 1", "E_SIG") in hand.found()


def test_a_certificate_added_to_the_genesis_changes_every_head() -> None:
    hand = Hand()
    world = hand.world
    auths = [*world.auths, world.make_auth("thief", 16, (1,))]
    payload = make_genesis(world.root, auths, world.policy)
    hand.rows[0] = genesis_row(payload, world.network, open_entry(hand.rows[0].data).time)
    assert "E_AUDIT_HEAD" in hand.codes()
