"""The fold's numbers are the law's: plain transfers are taken only with the law's changes, and read no other way."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.canonical import MAX_INTEGER
from cbdc.errors import TengeError
from cbdc.ledger.entry import MONTH, YEAR, Entry, leaf_hash
from cbdc.ledger.entry_form import common_entry, parts_of, plain_entry
from cbdc.ledger.fold_plain import PlainFold
from cbdc.ledger.group import decoded
from cbdc.ledger.plain import plain_of
from cbdc.ledger.reading import Answer, Reader, Settings, Task
from cbdc.ledger.rows import Rows
from cbdc.ledger.rules import decide, needs
from cbdc.ledger.rules_plain import Moment, decide_plain
from cbdc.ledger.state import FREEZE, KEY, StateKey, StateValue, encode_value
from cbdc.ledger.store import EntryRow
from cbdc.token import TokenId
from cbdc.transaction import SignedTransaction, Transfer, open_transaction
from tests.cbdc.test_plain import crowd, holders_in, not_plain, objectionable, payment, program, small
from tests.cbdc.world import World

# --- reading ---


def entries(world: World) -> list[bytes]:
    """Entries with transfers of one and two inputs and outputs, at small and large indices and times."""
    (first, held), (second, more), *_ = world.funds("ayan")
    whole = held.amount_tiyn
    both = whole + more.amount_tiyn
    records = [
        Transfer(world.nonce(), (first,), (world.token("shop", whole),)),
        Transfer(world.nonce(), (first,), (world.token("shop", 1), world.token("ayan", whole - 1))),
        Transfer(world.nonce(), (first, second), (world.token("shop", both),)),
        Transfer(world.nonce(), (second, first), (world.token("shop", 127), world.token("ayan", both - 127))),
        Transfer(world.nonce(), (TokenId(bytes(32), 255),), (world.token("shop", MAX_INTEGER),)),
    ]
    payloads = [world.sign(record, "ayan").encode() for record in records]
    places = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, MAX_INTEGER]
    return [
        Entry(index, time, payload).encode()
        for index, time, payload in zip(places, reversed(places), payloads * 3, strict=False)
    ]


def strictly(data: bytes) -> object:
    """What the general reader makes of an entry."""
    parts = parts_of(data)
    return None if parts is None else plain_entry(parts)


def test_the_commonest_entries_follow_the_pattern() -> None:
    for data in entries(small()):
        assert common_entry(data) == strictly(data) is not None


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_entries_that_were_touched_are_never_read_differently(data: st.DataObject) -> None:
    wire = bytearray(data.draw(st.sampled_from(ENTRIES)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(wire) - 1))
        # Nearly every touched byte of a hash or a signature makes another right entry, so the frame is touched oftener.
        frames = [
            at
            for at, byte in enumerate(wire)
            if byte in b"\x91\x92\x93\xc4\xc5\xcc\xcd\xce\xcf\x97\x90\x20\0\1"
        ]
        place = data.draw(st.one_of(st.just(place), st.sampled_from(frames))) if frames else place
        wire[place] = data.draw(
            st.sampled_from(
                [wire[place] ^ 1, wire[place] ^ 0x80, 0, 1, 0x7F, 0xFF, 0xC4, 0xC5, 0xCC, 0xCD, 0xCF]
            )
        )
    if data.draw(st.integers(0, 4)) == 0:
        wire = wire[: data.draw(st.integers(0, len(wire)))]
    found = common_entry(bytes(wire))
    assert found is None or found == strictly(bytes(wire))


ENTRIES = entries(small())


def longer(data: bytes) -> list[bytes]:
    """The same entry with a number or a length in a longer form than the shortest."""
    index, time, payload = Entry(1, 2, b"").index, 2, parts_of(data)
    assert payload is not None
    raw = payload[2]
    size = len(raw).to_bytes(2, "big")
    head = b"\x93%c%c" % (index, time)
    return [
        b"\x93\xcc\1%c\xc5%b%b" % (time, size, raw),
        b"\x93%c\xcd\0\2\xc5%b%b" % (index, size, raw),
        head + b"\xc6\0\0" + size + raw,
        head + b"\xc5" + (len(raw) + 1).to_bytes(2, "big") + raw,
        head + b"\xc5" + size + raw + b"\0",
        b"\xdc\0\3" + head[1:] + b"\xc5" + size + raw,
        b"\x93%c\xcf\0\x20\0\0\0\0\0\0\xc5%b%b" % (index, size, raw),
    ]


def test_longer_forms_are_not_the_pattern() -> None:
    world = small()
    right = Entry(1, 2, payment(world).encode()).encode()
    assert common_entry(right) is not None
    for wrong in longer(right):
        assert common_entry(wrong) is None, wrong[:12].hex()
        assert strictly(wrong) is None


def test_what_is_no_plain_transfer_is_not_the_pattern() -> None:
    world = small()
    first = world.funds("ayan")[0][0]
    twice = Transfer(world.nonce(), (first, first), (world.token("shop", 2_000),))
    most = Transfer(world.nonce(), (first,), (world.token("shop", MAX_INTEGER), world.token("shop", 1)))
    none = Transfer(world.nonce(), (first,), (world.token("shop", 1),))
    payloads = [one.encode() for one in not_plain(world)]
    payloads += [world.sign(record, "ayan").encode() for record in (twice, most)]
    payloads.append(world.sign(none, "ayan").encode().replace(b"\x93\1\x92\1", b"\x93\0\x92\1"))
    for payload in payloads:
        assert common_entry(Entry(1, 2, payload).encode()) is None
        assert plain_entry((1, 2, payload)) is None


# --- what a reader says ---


def read(world: World, rows: list[EntryRow], start: int, signatures: bool = False) -> Answer:
    """What a reader that knows every key of the world says of these rows."""
    keys = {
        world.kid(name): (world.key(name).public.algorithm, world.key(name).public.raw)
        for name in (
            "ayan",
            "ayan.2",
            "ayan.3",
            "shop",
            "rich",
            "poor",
            "old",
            "inventory1",
            "treasury",
            "escrow",
        )
    }
    datas, ids = [row.data for row in rows], b"".join(row.transaction_id for row in rows)
    leaves = b"".join(row.leaf for row in rows)
    return Reader(Settings(world.network, [], [], signatures)).read(
        Task(start, datas, ids, leaves, keys, False)
    )


def row_of(index: int, time: int, transaction: SignedTransaction) -> EntryRow:
    """An entry as it is kept."""
    data = Entry(index, time, transaction.encode()).encode()
    return EntryRow(index, transaction.id, data, leaf_hash(data))


def test_nothing_is_said_of_an_entry_that_is_not_in_its_place() -> None:
    world = small()
    right = row_of(7, 5, payment(world))
    assert isinstance(read(world, [right], 7).said[0], tuple)
    assert read(world, [right], 8).said == [0]
    other = EntryRow(7, bytes(32), right.data, right.leaf)
    assert read(world, [other], 7).said == [0]
    changed = EntryRow(7, right.transaction_id, right.data, bytes(32))
    said = read(world, [changed], 7)
    assert (said.said, said.odd, said.leaves) == ([0], [0], right.leaf)


@pytest.mark.parametrize("signers", [["ayan"], ["ayan", "rich"]])
def test_every_signature_is_asked(signers: list[str]) -> None:
    world = small()
    right = world.sign(payment(world).record, *signers)
    assert isinstance(read(world, [row_of(3, 5, right)], 3, signatures=True).said[0], tuple)
    for place in range(len(signers)):
        witnesses = list(right.witnesses)
        kid, signature = witnesses[place]
        witnesses[place] = (kid, signature[:-1] + bytes([signature[-1] ^ 1]))
        wrong = SignedTransaction(right.record, right.body, right.id, tuple(witnesses))
        everybody = (1 << len(signers)) - 1
        assert read(world, [row_of(3, 5, wrong)], 3, signatures=True).said == [everybody & ~(1 << place)]
        assert isinstance(read(world, [row_of(3, 5, wrong)], 3).said[0], tuple)


# --- deciding ---


def state_of(world: World) -> Rows:
    """The rows of a world's ledger."""
    rows = Rows()
    rows.apply(dict(world.store.state()))
    return rows


def take(world: World, fold: PlainFold, rows: Rows, transaction: SignedTransaction) -> bool:
    """Whether the fold takes this transfer."""
    known = rows.known()
    assert known is not None
    row = row_of(7, world.clock.now(), transaction)
    answer = read(world, [row], 7, signatures=True)
    taken = fold.take(known, [(row, answer.times[0], answer.said[0])], answer.kids, 0)
    rows.apply({})
    return taken == 1


def judged(
    world: World, rows: Rows, transaction: SignedTransaction
) -> tuple[bool, dict[bytes, bytes | None] | None]:
    """Whether the ledger's short way takes a transfer, and its effects by the law; None when the law refuses it."""
    view: dict[StateKey, StateValue | None] = {}
    now, genesis = world.clock.now(), world.ledger.genesis
    while missing := needs(genesis, view, transaction, now):
        view.update({key: decoded(key, rows.get(key.pack())) for key in missing})
    packed = {key.pack(): rows.get(key.pack()) for key in view}
    plain = plain_of(transaction)
    assert plain is not None
    quick = decide_plain(Moment(genesis.policy, now), packed, holders_in(packed), plain)
    try:
        effects = decide(genesis, view, transaction, now)
    except TengeError:
        return False, None
    return quick is not None, {
        key.pack(): None if value is None else encode_value(key.kind, value) for key, value in effects.items()
    }


def compare(world: World, fold: PlainFold, rows: Rows, transaction: SignedTransaction) -> bool:
    """Hold the fold's numbers against the law; whether it took the transfer."""
    quick, effects = judged(world, rows, transaction)
    before = dict(rows.items())
    taken = take(world, fold, rows, transaction)
    after = dict(rows.items())
    assert taken or not (quick and len(transaction.witnesses) == 1)
    if not taken:
        assert after == before, "what is not taken changes nothing"
        return False
    assert effects is not None, "what the law refuses is not taken"
    expected = {**before, **effects}
    assert after == {key: value for key, value in expected.items() if value is not None}
    return True


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_what_is_taken_has_the_changes_of_the_law(data: st.DataObject) -> None:
    world = crowd()
    rows, fold = state_of(world), PlainFold(world.ledger.genesis.policy)
    for wire in program(data, world):
        compare(world, fold, rows, open_transaction(wire, world.network))


def test_an_ordinary_payment_is_taken_and_what_a_rule_forbids_is_not() -> None:
    world = crowd()
    rows, fold = state_of(world), PlainFold(world.ledger.genesis.policy)
    for name, transaction in objectionable(world).items():
        assert not compare(world, fold, rows, transaction), name
    again = payment(world)
    assert compare(world, fold, rows, again)
    assert not compare(world, fold, rows, again), "its tokens are gone"


def test_an_inventory_sells_to_wallets_and_takes_back() -> None:
    world = crowd()
    rows, fold = state_of(world), PlainFold(world.ledger.genesis.policy)
    ((token, held),) = world.funds("inventory1")
    sold = Transfer(
        world.nonce(),
        (token,),
        (world.token("shop", 30), world.token("ayan", 10), world.token("inventory1", held.amount_tiyn - 40)),
    )
    right = world.sign(sold, "inventory1")
    assert compare(world, fold, rows, right)
    back = Transfer(world.nonce(), (TokenId(right.id, 0),), (world.token("inventory1", 30),))
    assert compare(world, fold, rows, world.sign(back, "shop"))
    whole = Transfer(world.nonce(), (TokenId(right.id, 2),), (world.token("escrow", held.amount_tiyn - 40),))
    assert not compare(world, fold, rows, world.sign(whole, "inventory1"))


def test_a_freeze_is_seen_at_once_and_a_changed_key_when_it_is_told() -> None:
    world = crowd()
    rows, fold = state_of(world), PlainFold(world.ledger.genesis.policy)
    assert compare(world, fold, rows, payment(world))
    frozen = world.sign(world.payment("rich", ("shop", 5)), "rich")
    world.freeze("rich")
    rows.apply({key: value for key, value in world.store.state() if key[0] == FREEZE})
    assert not compare(world, fold, rows, frozen)
    world.rotate("shop", "shop.new")
    rows.apply({key: value for key, value in world.store.state() if key[0] == KEY})
    fold.forget(world.kid("shop"))
    assert not compare(world, fold, rows, world.sign(world.payment("poor", ("shop", 5)), "poor"))


@pytest.mark.parametrize(
    ("periods", "taken"),
    [
        ((), True),
        (((2, MONTH, 10),), True),
        (((2, MONTH, 9),), False),
        (((2, MONTH, 10), (2, YEAR, 9)), False),
        (((1, YEAR, 9),), True),
    ],
)
def test_limits_of_a_month_and_of_a_year(periods: tuple[tuple[int, int, int], ...], taken: bool) -> None:
    world = crowd()
    rows = state_of(world)
    policy = replace(world.ledger.genesis.policy, periods=periods)
    transaction = world.sign(world.payment("rich", ("shop", 10)), "rich")
    plain = plain_of(transaction)
    assert plain is not None
    before = Before(rows)
    quick = decide_plain(Moment(policy, world.clock.now()), before, holders_in(dict(rows.items())), plain)
    assert take(world, PlainFold(policy), rows, transaction) == taken == (quick is not None)
    for key, value in (quick or {}).items():
        assert rows.get(key) == value


class Before(dict[bytes, bytes | None]):
    """All rows as they are now: what is not there is known not to be there."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows.items())

    def get(self, key: bytes, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        """The row, or None."""
        return super().get(key)
