"""An audit's rows: compared with a store's many at a time, and never found the same when they are not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.canonical import encode
from cbdc.ledger.rows import SEEN, Rows, plain_row, token_in
from cbdc.ledger.state import COUNTER, KEY, TOKEN, encode_value
from cbdc.ledger.store import Page, together
from cbdc.token import KeyLock, QuorumLock, Token

Pairs = list[tuple[bytes, bytes]]

KIDS = [bytes([number]) * 32 for number in range(3)]
QUORUM = Token(70, QuorumLock(1, (KIDS[0], KIDS[1])))
MARKED = Token(80, KeyLock(KIDS[2]), bytes(32))
AMOUNTS = [1, 127, 128, 255, 256, 65_536, 2**32, 2**53 - 1]


def token_key(number: int) -> bytes:
    """The state key of a token."""
    return bytes([TOKEN]) + number.to_bytes(32, "big") + b"\0\1"


def made(most: int = 1_000) -> Rows:
    """Rows of every sort: plain tokens of all sizes, others, keys, counters, and what was seen."""
    changes: dict[bytes, bytes | None] = {
        token_key(number): plain_row(amount, KIDS[number % 3]) for number, amount in enumerate(AMOUNTS)
    }
    changes |= {
        token_key(100): encode_value(TOKEN, QUORUM),
        token_key(101): encode_value(TOKEN, MARKED),
        bytes([KEY]) + KIDS[0]: b"a key",
        bytes([COUNTER]) + b"one": encode(5),
        bytes([COUNTER]) + b"two": encode(70_000),
        bytes([SEEN]) + KIDS[1]: b"1",
    }
    rows = Rows(most)
    rows.apply(changes)
    return rows


def test_a_plain_row_is_the_tokens_canonical_bytes() -> None:
    for amount in AMOUNTS:
        token = Token(amount, KeyLock(KIDS[1]))
        assert plain_row(amount, KIDS[1]) == encode_value(TOKEN, token)
        assert token_in(plain_row(amount, KIDS[1])) == (amount, KIDS[1])


def test_what_is_held_is_counted_whatever_the_token() -> None:
    rows = made()
    expected = dict.fromkeys(KIDS, 0)
    for number, amount in enumerate(AMOUNTS):
        expected[KIDS[number % 3]] += amount
    expected[QUORUM.lock.holder] = expected.get(QUORUM.lock.holder, 0) + QUORUM.amount_tiyn
    expected[KIDS[2]] += MARKED.amount_tiyn
    assert dict(rows.held()) == expected


def pages_of(items: Pairs, owners: Pairs, page: int = 500) -> list[Page]:
    """As a store gives them."""
    return list(together(items, owners, page))


def same(rows: Rows, items: Pairs, owners: Pairs, page: int = 500) -> bool:
    """Whether the rows say that these are theirs."""
    return rows.same(pages_of(items, owners, page))


@pytest.mark.parametrize("most", [1_000, 3], ids=["in memory", "in a file"])
@pytest.mark.parametrize("page", [1, 2, 3, 500])
def test_the_same_rows_are_the_same(page: int, most: int) -> None:
    rows = made(most)
    assert (rows.known() is None) == (most == 3)
    assert same(rows, list(rows.items()), list(rows.owners()), page)
    assert not same(rows, [], list(rows.owners()), page)
    assert not same(rows, list(rows.items()), [], page)
    assert not rows.same([])
    seen = (bytes([SEEN]) + KIDS[1], b"1")
    assert not same(rows, [*rows.items(), seen], list(rows.owners()), page)
    rows.apply({seen[0]: None, token_key(100): None, token_key(0): encode_value(TOKEN, MARKED)})
    assert same(rows, list(rows.items()), list(rows.owners()), page)
    rows.close()


def changed(draw: st.DataObject, pairs: Pairs) -> Pairs:
    """One row gone, twice, elsewhere, added or with another value."""
    place = draw.draw(st.integers(0, len(pairs) - 1))
    other = draw.draw(st.integers(0, len(pairs) - 1))
    key, value = pairs[place]
    how = draw.draw(st.sampled_from(["gone", "twice", "swapped", "added", "value", "exchanged", "key"]))
    result = list(pairs)
    if how == "gone":
        del result[place]
    elif how == "twice":
        result.insert(place, pairs[place])
    elif how == "swapped":
        result[place], result[other] = result[other], result[place]
    elif how == "added":
        result.append((draw.draw(st.binary(max_size=36)), value))
    elif how == "value":
        result[place] = key, value[:-1] + bytes([value[-1] ^ 1])
    elif how == "exchanged":
        result[place] = pairs[other]
    else:
        result[place] = key[:-1] + bytes([key[-1] ^ 1]), value
    return result


@given(st.data(), st.integers(1, 6), st.booleans(), st.sampled_from([1_000, 3]))
@settings(max_examples=300, deadline=None)
def test_other_rows_are_never_the_same(data: st.DataObject, page: int, owners: bool, most: int) -> None:
    rows = made(most)
    right = list(rows.items()), list(rows.owners())
    found = (right[0], changed(data, right[1])) if owners else (changed(data, right[0]), right[1])
    assert same(rows, *found, page) == (found == right)
    rows.close()


@given(st.data(), st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_state_and_owners_side_by_side_are_all_rows_of_both(data: st.DataObject, page: int) -> None:
    key = st.binary(min_size=1, max_size=2)
    state = data.draw(st.dictionaries(key, st.binary(max_size=2), max_size=20))
    owners = data.draw(st.dictionaries(key, st.binary(max_size=2), max_size=20))
    pages = pages_of(sorted(state.items()), sorted(owners.items()), page)
    assert all(len(some.keys) == page for some in pages[:-1])
    rows = [row for some in pages for row in zip(*some, strict=True)]
    assert rows == [(one, state.get(one), owners.get(one)) for one in sorted({*state, *owners})]


def test_a_tokens_mark_is_no_holder() -> None:
    """Where a plain token's row has its holder, a marked one has its mark: that is nobody's key id."""
    rows = Rows()
    row = encode_value(TOKEN, Token(5, KeyLock(KIDS[1]), bytes(range(32))))
    rows.apply({token_key(1): row})
    assert not same(rows, [(token_key(1), row)], [(token_key(1), row[-34:-2])])
    assert same(rows, [(token_key(1), row)], [(token_key(1), KIDS[1])])


def test_a_counter_that_an_engine_gives_as_a_number_is_not_the_same() -> None:
    rows = Rows()
    rows.apply({bytes([COUNTER]) + b"one": encode(5)})
    key = bytes([COUNTER]) + b"one"
    assert rows.same([Page((key,), (encode(5),), (None,))])
    for value in (5, 5.0, bytearray(encode(5))):
        assert not rows.same([Page((key,), (value,), (None,))])  # type: ignore[arg-type]
