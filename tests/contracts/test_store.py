"""One suite for every `Store`: what the ledger relies on, whatever engine keeps the rows.

The engines stand in `tests/contracts/stores.py`; what only one of them can suffer, in `test_store_*.py` beside this.
"""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.ledger.store import PAGE_ROWS, Commit, EntryRow, Store
from tests.cbdc.world import answer_of, fixed_bytes, picture
from tests.contracts.stores import AYAN, ENGINES, LASTING, SHARED, SHOP, T1, T2, T3, Engine, commit, row


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new store of each engine."""
    opened = request.param.create(tmp_path)
    yield opened
    opened.close()


def derived(store: Store) -> list[tuple[bytes, bytes | None, bytes | None]]:
    """The derived rows, one by one; pages have as many of each column, and at least one row."""
    with closing(store.derived_rows()) as pages:
        found = list(pages)
    assert all(len(page.keys) == len(page.values) == len(page.holders) > 0 for page in found)
    assert all(type(column) is tuple for page in found for column in page)
    return [row for page in found for row in zip(*page, strict=True)]


def test_a_new_store_is_empty(store: Store) -> None:
    assert picture(store) == (0, [], [], [], [], [])
    assert store.get_many([b"\x01x"]) == {}
    assert store.find([bytes(32)]) == {}
    assert store.head_covering(0) is None
    assert store.owned(AYAN) == []


def test_a_commit_is_there_whole(store: Store) -> None:
    store.commit(commit(0, 2, {T1: b"one", b"\x04n": b"7"}, {T1: AYAN}))
    assert store.size() == 2
    assert list(store.entries()) == [row(0), row(1)]
    assert list(store.leaves()) == [row(0).leaf, row(1).leaf]
    assert list(store.heads()) == [(2, b"head 2")]
    assert list(store.state()) == [(T1, b"one"), (b"\x04n", b"7")]
    assert list(store.owner_rows()) == [(T1, AYAN)]
    assert store.get_many([T1, T2, b"\x04n"]) == {T1: b"one", b"\x04n": b"7"}
    assert store.find([row(1).transaction_id, bytes(32)]) == {row(1).transaction_id: 1}


def test_values_change_and_go(store: Store) -> None:
    store.commit(commit(0, 1, {T1: b"one", T2: b"two", b"\x04n": b"1"}, {T1: AYAN, T2: AYAN}))
    store.commit(commit(1, 1, {T1: None, b"\x04n": b"2", T3: b"three", b"\x04none": None}, {T3: SHOP}))
    assert dict(store.state()) == {T2: b"two", T3: b"three", b"\x04n": b"2"}
    assert store.owned(AYAN) == [T2]
    assert store.owned(SHOP) == [T3]
    assert dict(store.owner_rows()) == {T2: AYAN, T3: SHOP}
    assert derived(store) == [(T2, b"two", AYAN), (T3, b"three", SHOP), (b"\x04n", b"2", None)]


def test_what_comes_and_goes_in_one_commit_leaves_nothing(store: Store) -> None:
    store.commit(commit(0, 1, {T1: None}, {T1: AYAN}))
    assert (list(store.state()), list(store.owner_rows()), store.owned(AYAN)) == ([], [], [])
    assert derived(store) == []


def test_empty_values_are_values(store: Store) -> None:
    store.commit(commit(0, 1, {b"\x05p": b""}))
    assert store.get_many([b"\x05p"]) == {b"\x05p": b""}


def test_lists_come_in_ascending_order(store: Store) -> None:
    tokens = sorted((b"\x01" + fixed_bytes(f"{n}", 34) for n in range(40)), reverse=True)
    store.commit(commit(0, 1, dict.fromkeys(tokens, b"v"), dict.fromkeys(tokens, AYAN)))
    assert store.owned(AYAN) == sorted(tokens)
    assert [key for key, _ in store.state()] == sorted(tokens)
    assert [key for key, _ in store.owner_rows()] == sorted(tokens)
    assert derived(store) == [(key, b"v", AYAN) for key in sorted(tokens)]


def test_derived_rows_of_many_pages_and_several_commits(store: Store) -> None:
    """Rows of a later commit stand among those of an earlier one, at every page's edges too."""
    keys = sorted(b"\x01" + fixed_bytes(f"{n}", 34) for n in range(3 * PAGE_ROWS))
    older: dict[bytes, bytes | None] = dict.fromkeys(keys[::2], b"older")
    store.commit(commit(0, 1, older, dict.fromkeys(keys[::2], AYAN)))
    newer: dict[bytes, bytes | None] = dict.fromkeys(keys[1::2], b"newer") | dict.fromkeys(keys[::10])
    store.commit(commit(1, 1, {**newer, b"\x04n": b"1"}, dict.fromkeys(keys[1::2], SHOP)))
    owners = dict(store.owner_rows())
    assert len(owners) == len(keys) - len(keys[::10])
    assert derived(store) == [(key, value, owners.get(key)) for key, value in store.state()]


def test_derived_rows_may_be_left(store: Store) -> None:
    store.commit(commit(0, 1, {T1: b"one", T2: b"two"}, {T1: AYAN, T2: SHOP}))
    store.derived_rows().close()
    pages = store.derived_rows()
    next(pages)
    pages.close()
    store.commit(commit(1, 1, {T1: None}))
    assert derived(store) == [(T2, b"two", SHOP)]
    store.derived_rows()  # and a store is closed all the same


def test_the_tokens_of_many_holders_at_once(store: Store) -> None:
    holders = [fixed_bytes(f"holder {number}") for number in range(1_203)]
    tokens = [b"\x01" + fixed_bytes(f"{number}", 34) for number in range(2_000)]
    owners = {token: holders[number % 1_000] for number, token in enumerate(tokens)}
    store.commit(commit(0, 1, dict.fromkeys(tokens, b"v"), owners))
    found = store.owned_by_each([*holders, holders[0]])
    assert found == {holder: store.owned(holder) for holder in holders}
    assert len(found[holders[0]]) == 2
    assert found[holders[1_200]] == []
    assert store.owned_by_each([]) == {}


def test_more_keys_than_a_statement_holds(store: Store) -> None:
    changes: dict[bytes, bytes | None] = {b"\x04%d" % n: b"%d" % n for n in range(1_203)}
    store.commit(commit(0, 1_203, changes))
    wanted = [*changes, b"\x04missing"]
    assert store.get_many(wanted) == changes
    assert store.get_many(key for key in wanted) == changes
    ids = [row(n).transaction_id for n in range(1_203)]
    assert store.find(ids) == {identity: n for n, identity in enumerate(ids)}
    assert len(list(store.leaves())) == 1_203


def test_who_reads_entries_is_not_disturbed_by_a_commit(store: Store) -> None:
    store.commit(commit(0, 1_203))
    reading = store.entries()
    seen = [next(reading).index for _ in range(700)]
    store.commit(commit(1_203, 1, {T1: b"one"}, {T1: AYAN}))
    assert answer_of(store.commit, commit(7, 1)) == "E_STORE_CONFLICT"
    seen += [entry.index for entry in reading]
    assert seen in ([*range(1_203)], [*range(1_204)])


@pytest.mark.parametrize(
    ("start", "stop", "places"),
    [
        (0, None, [0, 1, 2, 3]),
        (2, None, [2, 3]),
        (4, None, []),
        (9, None, []),
        (1, 3, [1, 2]),
        (2, 2, []),
        (0, 99, [0, 1, 2, 3]),
        (-2, None, [0, 1, 2, 3]),
        (-2, 1, [0]),
    ],
)
def test_a_range_of_entries(store: Store, start: int, stop: int | None, places: list[int]) -> None:
    store.commit(commit(0, 4))
    assert [entry.index for entry in store.entries(start, stop)] == places
    assert list(store.leaves(start, stop)) == [row(place).leaf for place in places]


def test_each_entry_has_the_first_head_that_covers_it(store: Store) -> None:
    for size, count in ((0, 1), (1, 3), (4, 2)):
        store.commit(commit(size, count))
    covering = [store.head_covering(index) for index in range(7)]
    assert covering == [b"head 1", *[b"head 4"] * 3, *[b"head 6"] * 2, None]
    assert list(store.heads()) == [(1, b"head 1"), (4, b"head 4"), (6, b"head 6")]


@pytest.mark.parametrize("size", [0, 1, 3, 99])
def test_another_size_is_a_conflict_and_changes_nothing(store: Store, size: int) -> None:
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    before = picture(store)
    assert (
        answer_of(store.commit, commit(size, 1, {T1: None, T2: b"two"}, {T2: SHOP}, "x"))
        == "E_STORE_CONFLICT"
    )
    assert picture(store) == before
    store.commit(commit(2, 1, {T1: None}))
    assert store.size() == 3


def test_an_id_that_is_there_already_has_the_last_word(store: Store) -> None:
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    before = picture(store)
    again = EntryRow(2, row(1).transaction_id, b"other", fixed_bytes("other"))
    doubled = (row(2), EntryRow(3, row(2).transaction_id, b"other", fixed_bytes("other")))
    for rows in ((again,), doubled):
        answer = answer_of(store.commit, Commit(2, rows, {T1: None}, {}, b"head"))
        assert answer == "E_STORE_UNAVAILABLE"
        assert picture(store) == before


@pytest.mark.parametrize("rows", [(), (row(1),), (row(0), row(2)), (row(0), row(0))])
def test_a_commit_with_a_gap_is_a_bug(store: Store, rows: tuple[EntryRow, ...]) -> None:
    with pytest.raises(AssertionError):
        store.commit(Commit(0, rows, {T1: b"one"}, {}, b"head"))
    assert picture(store) == (0, [], [], [], [], [])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@given(
    steps=st.lists(
        st.dictionaries(st.integers(0, 9), st.one_of(st.none(), st.integers(0, 2)), max_size=4), max_size=6
    )
)
@settings(max_examples=25)
def test_it_holds_what_a_dictionary_holds(engine: Engine, steps: list[dict[int, int | None]]) -> None:
    keys = [b"\x01" + fixed_bytes(f"key {n}", 34) for n in range(10)]
    model: dict[bytes, bytes] = {}
    owner: dict[bytes, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = engine.create(Path(folder))
        for size, step in enumerate(steps):
            changes: dict[bytes, bytes | None] = {}
            owners: dict[bytes, bytes] = {}
            for number, holder in step.items():
                key = keys[number]
                if holder is None:
                    changes[key] = None
                    model.pop(key, None)
                    owner.pop(key, None)
                elif key not in model:  # a token is created once, and spent once
                    changes[key] = model[key] = b"%d" % size
                    owners[key] = owner[key] = fixed_bytes(f"holder {holder}")
            store.commit(commit(size, 1, changes, owners))
        assert dict(store.state()) == model
        assert dict(store.owner_rows()) == owner
        assert derived(store) == [(key, model[key], owner.get(key)) for key in sorted(model)]
        for number in range(3):
            held = [key for key, name in owner.items() if name == fixed_bytes(f"holder {number}")]
            assert store.owned(fixed_bytes(f"holder {number}")) == sorted(held)
        store.close()


# --- engines that last ---


@pytest.mark.parametrize("engine", LASTING, ids=lambda engine: engine.name)
def test_what_is_committed_is_there_after_a_restart(engine: Engine, tmp_path: Path) -> None:
    assert engine.again is not None
    first = engine.create(tmp_path)
    first.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    before = picture(first)
    first.close()
    second = engine.again(tmp_path)
    assert picture(second) == before
    second.commit(commit(2, 1, {T1: None}))
    second.close()
    third = engine.again(tmp_path)
    assert third.size() == 3
    assert third.owned(AYAN) == []
    third.close()


@pytest.mark.parametrize("engine", SHARED, ids=lambda engine: engine.name)
def test_of_two_writers_one_wins(engine: Engine, tmp_path: Path) -> None:
    assert engine.again is not None
    one = engine.create(tmp_path)
    one.commit(commit(0, 1, {T1: b"one"}, {T1: AYAN}))
    two = engine.again(tmp_path)
    assert two.size() == 1, "a writer sees what the other committed"
    if not engine.fences:
        one.commit(commit(1, 1, name="one"))
    before = picture(two)
    entries = two.size()
    loser, code = (one, "E_STORE_FENCED") if engine.fences else (two, "E_STORE_CONFLICT")
    assert answer_of(loser.commit, commit(1, 1, {T1: None}, name="two")) == code
    assert picture(two) == before
    two.commit(commit(entries, 1, name="two"))
    assert two.size() == len(list(two.entries())) == entries + 1
    one.close()
    two.close()


@pytest.mark.parametrize("engine", SHARED, ids=lambda engine: engine.name)
def test_writers_that_race_never_both_win(engine: Engine, tmp_path: Path) -> None:
    assert engine.again is not None
    writers = [engine.create(tmp_path)] + [engine.again(tmp_path) for _ in range(3)]
    wins: list[int] = []

    def write(name: str, writer: Store) -> None:
        answers = {size: answer_of(writer.commit, commit(size, 1, name=name)) for size in range(10)}
        wins.extend(size for size, answer in answers.items() if answer == "ok")

    threads = [threading.Thread(target=write, args=(f"{n}", writer)) for n, writer in enumerate(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == sorted(set(wins)), "each place was won once"
    assert wins
    assert writers[-1].size() == len(wins) == len(list(writers[-1].heads()))
    for writer in writers:
        writer.close()


def test_many_threads_read_while_one_writes(store: Store) -> None:
    store.commit(commit(0, 1, {T1: b"0"}, {T1: AYAN}))
    problems: list[object] = []

    def read() -> None:
        for _ in range(50):
            owned = store.owned(AYAN)
            entries = list(store.entries())
            if owned != [T1] or [entry.index for entry in entries] != list(range(len(entries))):
                problems.append((owned, entries))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for size in range(1, 30):
        store.commit(commit(size, 1, {b"\x04n": b"%d" % size}))
    for reader in readers:
        reader.join()
    assert problems == []
