"""Plain transfers: the quick reader says what the strict one says, and the short way to yes is the law's own yes."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import transaction as transaction_module
from cbdc.canonical import MAX_INTEGER
from cbdc.errors import TengeError
from cbdc.ledger import group
from cbdc.ledger.entry import Entry, MerkleLog, Receipt, entry_writer
from cbdc.ledger.plain import Plain, plain_of, read_plain
from cbdc.ledger.rules import decide, needs
from cbdc.ledger.rules_plain import Holder, Moment, decide_plain, holder_in
from cbdc.ledger.state import KEY, StateKey, StateValue, encode_value
from cbdc.ledger.verifying import Verifier
from cbdc.plain_form import plain_token
from cbdc.token import MERCHANT, HashLock, Lock, QuorumLock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer, open_transaction
from tests.cbdc.world import DAY, World, picture

# --- reading ---


def payment(world: World) -> SignedTransaction:
    """ayan pays the shop, and gets change."""
    return world.sign(world.payment("ayan", ("shop", 300)), "ayan")


def small() -> World:
    """ayan with two keys, a shop, a neighbour of tier 2, and money in three tokens."""
    world = World()
    for name, category, tier in (
        ("ayan", 1, 1),
        ("ayan.2", 1, 2),
        ("ayan.3", 1, 1),
        ("shop", MERCHANT, 0),
        ("rich", 1, 2),
        ("poor", 1, 1),
    ):
        world.register(name, category, tier=tier)
    world.fund(
        ("ayan", 1_000),
        ("ayan.2", 500),
        ("ayan.3", 1_000),
        ("rich", 20_000_000),
        ("ayan", 3_000_000),
        ("shop", 700),
    )
    return world


def test_the_quick_reader_reads_what_the_strict_one_reads() -> None:
    world = small()
    transaction = payment(world)
    found = read_plain(transaction.encode(), world.network)
    assert found is not None
    assert found[0] == plain_of(transaction)
    assert found[1:] == (transaction.witnesses, transaction.message)
    for place, (key, kid, amount, value) in enumerate(found[0].creates):
        token = transaction.record.creates[place]
        assert (kid, amount, value) == (token.lock.holder, token.amount_tiyn, token.encode())
        assert key == b"\x01" + transaction.id + place.to_bytes(2, "big")
        assert plain_token(value) == (amount, kid)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_bytes_that_were_touched_are_never_read_differently(data: st.DataObject) -> None:
    world = small()
    wire = bytearray(payment(world).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(wire) - 1))
        wire[place] = data.draw(st.sampled_from([wire[place] ^ 1, wire[place] ^ 0x80, 0, 0xFF, 0xC1]))
    if data.draw(st.booleans()):
        wire = wire[: data.draw(st.integers(0, len(wire)))]
    found = read_plain(bytes(wire), world.network)
    try:
        opened = transaction_module._open(bytes(wire), world.network)
    except TengeError:
        assert found is None
        return
    assert open_transaction(bytes(wire), world.network) == opened
    assert (found[0] if found else None) == plain_of(opened)


def not_plain(world: World) -> list[SignedTransaction]:
    """Transfers that are no plain ones, and other kinds."""
    token = world.funds("ayan")[0][0]
    locks: list[Lock] = [
        QuorumLock(1, (world.kid("ayan"), world.kid("shop"))),
        HashLock(bytes(32), world.kid("shop"), world.kid("ayan"), 5),
    ]
    plain = Transfer(world.nonce(), (token,), (world.token("shop", 1_000),))
    records = [
        *(replace(plain, outputs=(Token(1_000, lock),)) for lock in locks),
        replace(plain, outputs=(world.token("shop", 1_000, bytes(32)),)),
        replace(plain, preimages=(bytes(32),)),
        replace(plain, documents=(bytes(32),)),
        replace(plain, definition=world.definition().encode()),
    ]
    return [world.sign(record, "ayan") for record in records] + [
        world.sign(world.register_key("new"), "new", "bank1")
    ]


def test_what_is_not_plain_is_left_to_the_strict_reader() -> None:
    world = small()
    others = not_plain(world)
    assert [read_plain(one.encode(), world.network) for one in others] == [None] * len(others)
    assert [plain_of(one) for one in others] == [None] * len(others)


def wrong_forms(world: World) -> list[bytes]:
    """Bytes of plain transfers that the strict reader refuses."""
    good = payment(world)
    record = good.record
    assert isinstance(record, Transfer)
    token = record.inputs[0]
    twice = replace(record, inputs=(token, token))
    most = replace(record, outputs=(world.token("shop", MAX_INTEGER), world.token("shop", 1)))
    signed_twice = replace(good, witnesses=good.witnesses * 2)
    forms = [world.sign(twice, "ayan"), world.sign(most, "ayan"), signed_twice]
    body = good.encode()
    return [one.encode() for one in forms] + [body + b"\0", b"\xdc\0\3" + body[1:], bytes(70_000)]


def test_what_the_strict_reader_refuses_is_not_plain() -> None:
    world = small()
    for wire in wrong_forms(world):
        with pytest.raises(TengeError):
            open_transaction(wire, world.network)
        with pytest.raises(TengeError):
            transaction_module._open(wire, world.network)
        assert read_plain(wire, world.network) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xc0",
        Token(5, QuorumLock(1, (bytes(32),))).encode(),
        b"\x93\xcd\0\x05\x92\1\xc4\x20" + bytes(32) + b"\xc4\0",
        b"\x93\0\x92\1\xc4\x20" + bytes(32) + b"\xc4\0",
    ],
)
def test_a_row_that_is_no_plain_token_is_none(value: bytes) -> None:
    assert plain_token(value) is None


# --- the log ---


@given(st.lists(st.integers(0, 9), max_size=12))
def test_leaves_added_together_make_the_same_tree(counts: list[int]) -> None:
    together, singly = MerkleLog(), MerkleLog()
    number = 0
    for count in counts:
        leaves = [(number + place).to_bytes(32, "big") for place in range(count)]
        number += count
        together.extend(leaves)
        for leaf in leaves:
            singly.append(leaf)
        assert (together.size, together.root()) == (singly.size, singly.root())
    assert [together.root(size) for size in range(number)] == [singly.root(size) for size in range(number)]


@given(st.integers(0, MAX_INTEGER), st.integers(0, MAX_INTEGER), st.binary(max_size=300))
def test_the_entry_writer_writes_entries(index: int, time: int, payload: bytes) -> None:
    for data in (payload, payload * 300):
        assert entry_writer(time)(index, data[:65_535]) == Entry(index, time, data[:65_535]).encode()


def test_the_entry_writer_refuses_what_an_entry_refuses() -> None:
    with pytest.raises(TengeError, match="E_RANGE"):
        entry_writer(1)(MAX_INTEGER + 1, b"")
    with pytest.raises(TengeError, match="E_LENGTH"):
        entry_writer(1)(1, bytes(65_536))


# --- deciding ---

NAMES = ("ayan", "ayan.2", "ayan.3", "shop", "rich", "poor", "old", "inventory1", "escrow", "unknown")


def crowd() -> World:
    """Holders of every sort that a rule asks about: two keys of one holder, limits, a retired key, an inventory."""
    world = small()
    world.register("old")
    world.fund(("old", 900), ("poor", 5_000_000), ("poor", 4_500_000), ("rich", 5))
    world.rotate("old", "old.new")
    world.issue("inventory1", 4_000)
    return world


def drawn(data: st.DataObject, world: World, known: Sequence[tuple[TokenId, Token]]) -> SignedTransaction:
    """A transfer that is nearly right: some inputs, outputs that nearly add up, signers that nearly fit."""
    inputs = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique_by=lambda one: one[0]))
    left = sum(token.amount_tiyn for _, token in inputs)
    left += data.draw(st.sampled_from([0, 0, 0, 0, 0, 1, -1]))
    outputs = []
    for _ in range(data.draw(st.integers(0, 2))):
        amount = data.draw(
            st.one_of(st.integers(1, max(1, left)), st.sampled_from([1, 4_000_001, 9_999_999]))
        )
        outputs.append(world.token(data.draw(st.sampled_from(NAMES)), amount))
        left -= amount
    if left > 0 or not outputs:
        outputs.append(world.token(data.draw(st.sampled_from(NAMES)), max(1, left)))
    owners = [name for name in NAMES for _, token in inputs if token.lock == world.lock(name)]
    signers = list(dict.fromkeys(owners)) or ["ayan"]
    slip = data.draw(st.sampled_from(["", "", "", "", "", "more", "fewer", "signature"]))
    if slip == "more":
        signers.append(data.draw(st.sampled_from([name for name in NAMES if name not in signers])))
    if slip == "fewer":
        signers = [data.draw(st.sampled_from(NAMES))]
    record = Transfer(world.nonce(), tuple(identity for identity, _ in inputs), tuple(outputs))
    signed = world.sign(record, *signers)
    if slip == "signature":
        (kid, signature), *rest = signed.witnesses
        signed = replace(signed, witnesses=((kid, signature[:-1] + bytes([signature[-1] ^ 1])), *rest))
    return signed


def program(data: st.DataObject, world: World) -> list[bytes]:
    """Some transfers, of which later ones may spend what earlier ones create, or spend it again."""
    known = [pair for name in NAMES for pair in world.ledger.owned(world.kid(name))]
    made = []
    for _ in range(data.draw(st.integers(1, 6))):
        signed = drawn(data, world, known)
        made.append(signed.encode())
        known += [(TokenId(signed.id, place), token) for place, token in enumerate(signed.record.creates)]
    return made


def told(answers: Sequence[Receipt | TengeError]) -> list[object]:
    """Receipts, and of refusals the code and the facts."""
    return [(answer.code, answer.facts) if isinstance(answer, TengeError) else answer for answer in answers]


def holders_in(rows: dict[bytes, bytes | None]) -> dict[bytes, Holder]:
    """What these rows say of keys; nothing of a row that cannot be read."""
    found = {}
    for key, row in rows.items():
        if key[0] == KEY and row is not None:
            holder = holder_in(row)
            if holder is not None:
                found[key[1:]] = holder
    return found


def both_judges(
    world: World, transaction: SignedTransaction
) -> tuple[dict[bytes, bytes | None] | None, dict[bytes, bytes | None] | None]:
    """The effects that the short way and the general judge give; None for no effects."""
    view: dict[StateKey, StateValue | None] = {}
    now = world.clock.now()
    while missing := needs(world.ledger.genesis, view, transaction, now):
        view.update(world.ledger.load(missing))
    rows = {
        key.pack(): None if value is None else encode_value(key.kind, value) for key, value in view.items()
    }
    plain = plain_of(transaction)
    assert isinstance(plain, Plain)
    quick = decide_plain(Moment(world.ledger.genesis.policy, now), rows, holders_in(rows), plain)
    try:
        effects = decide(world.ledger.genesis, view, transaction, now)
    except TengeError:
        return quick, None
    return quick, {
        key.pack(): None if value is None else encode_value(key.kind, value) for key, value in effects.items()
    }


def test_an_ordinary_payment_takes_the_short_way() -> None:
    world = small()
    quick, general = both_judges(world, payment(world))
    assert quick == general
    assert quick is not None
    assert len(quick) == 2 + 2 + 3, "two tokens spent and two created; two holdings and what was paid today"


def objectionable(world: World) -> dict[str, SignedTransaction]:
    """Transfers that look plain and that some rule forbids."""
    (first, held), *_ = world.funds("ayan")
    (third, _), *_ = world.funds("ayan.3")
    (fortune, _), *_ = world.funds("rich")
    poor = [identity for identity, _ in world.funds("poor")]
    whole = held.amount_tiyn

    def pay(
        inputs: Sequence[TokenId], *outputs: tuple[str, int], by: Sequence[str] = ("ayan",)
    ) -> SignedTransaction:
        tokens = tuple(world.token(name, amount) for name, amount in outputs)
        return world.sign(Transfer(world.nonce(), tuple(inputs), tokens), *by)

    return {
        "more comes out": pay([first], ("shop", whole), ("ayan", 1)),
        "less comes out": pay([first], ("shop", whole - 1)),
        "a stranger signs": pay([first], ("shop", whole), by=["shop"]),
        "the holder's other key signs": pay([third], ("shop", 1_000)),
        "one of two keys signs": pay([first, third], ("shop", whole + 1_000)),
        "spent": pay([TokenId(bytes(32), 0)], ("shop", whole)),
        "a retired payee": pay([first], ("old", whole)),
        "an unknown payee": pay([first], ("unknown", whole)),
        "to the escrow": pay([first], ("escrow", whole)),
        "over what one payment may be": pay(poor, ("shop", 4_000_001), ("poor", 5_499_999), by=["poor"]),
        "over what one may hold": pay([fortune], ("ayan", 9_999_999), ("rich", 10_000_001), by=["rich"]),
    }


def test_what_a_rule_forbids_is_no_yes() -> None:
    world = crowd()
    for name, transaction in objectionable(world).items():
        assert both_judges(world, transaction) == (None, None), name


def test_a_frozen_holder_and_a_frozen_companion_are_no_yes() -> None:
    world = crowd()
    alone = payment(world)
    both = world.sign(alone.record, "ayan", "rich")
    assert both_judges(world, both)[1] is not None
    world.freeze("rich")
    assert both_judges(world, both) == (None, None)
    assert both_judges(world, alone)[0] is not None
    world.freeze("ayan")
    assert both_judges(world, alone) == (None, None)


def test_a_second_payment_of_the_day_is_counted_with_the_first() -> None:
    world = crowd()
    first, second = (identity for identity, _ in world.funds("poor"))
    pays = []
    for token, amount, held in ((first, 3_000_001, 5_000_000), (second, 3_000_000, 4_500_000)):
        if world.ledger.token(token) != world.token("poor", held):
            held = 9_500_000 - held
        outputs = (world.token("shop", amount), world.token("poor", held - amount))
        pays.append(world.sign(Transfer(world.nonce(), (token,), outputs), "poor"))
    assert both_judges(world, pays[1])[0] is not None
    world.submit(pays[0])
    assert both_judges(world, pays[1]) == (None, None)
    world.clock.advance(DAY)
    assert both_judges(world, pays[1])[0] is not None


@pytest.mark.slow
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_short_way_and_the_general_judge_give_the_same_ledger(data: st.DataObject) -> None:
    one = crowd()
    if data.draw(st.booleans()):
        one.freeze(data.draw(st.sampled_from(["ayan", "rich", "poor"])))
    one.clock.advance(data.draw(st.sampled_from([0, DAY])))
    other = one.fork()
    made = program(data, one)
    cut = data.draw(st.integers(0, len(made)))
    quick = one.ledger.submit_many(made[:cut]) + one.ledger.submit_many(made[cut:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group, "plain_of", lambda transaction: None)
        slow = other.ledger.submit_many(made[:cut]) + other.ledger.submit_many(made[cut:])
    assert told(quick) == told(slow)
    assert picture(one.store) == picture(other.store)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_what_a_process_has_read_and_verified_is_decided_as_the_ledger_decides_it(
    data: st.DataObject,
) -> None:
    one = crowd()
    other = one.fork()
    made = program(data, one)
    rows = one.ledger.key_rows([one.kid(name) for name in NAMES])
    found = Verifier(one.network, []).judge(made, rows)
    items: list[group.Item] = [
        (wire, plain) if isinstance(plain, Plain) else one.ledger.open(wire)
        for wire, plain in zip(made, found, strict=True)
    ]
    assert told(one.ledger.settle(items)) == told(other.ledger.submit_many(made))
    assert picture(one.store) == picture(other.store)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_the_short_way_allows_the_law_allows_with_the_same_effects(data: st.DataObject) -> None:
    world = crowd()
    known = [pair for name in NAMES for pair in world.ledger.owned(world.kid(name))]
    transaction = drawn(data, world, known)
    quick, general = both_judges(world, transaction)
    # Signatures are no business of the short way: it is only asked about transfers whose signatures stand.
    verified = all(
        world_key_stands(world, transaction, kid, signature) for kid, signature in transaction.witnesses
    )
    if quick is not None and verified:
        assert quick == general


def world_key_stands(world: World, transaction: SignedTransaction, kid: bytes, signature: bytes) -> bool:
    """Whether a signature stands under the registered key."""
    key = world.ledger.registered(kid)
    try:
        if key is not None:
            key.key.verify(signature, transaction.message)
    except TengeError:
        return False
    return key is not None


@pytest.mark.parametrize("kind", ["token", "key", "holding", "freeze", "day"])
def test_a_row_that_is_missing_or_damaged_is_no_yes(kind: str) -> None:
    world = small()
    transaction = payment(world)
    view: dict[StateKey, StateValue | None] = {}
    now = world.clock.now()
    while missing := needs(world.ledger.genesis, view, transaction, now):
        view.update(world.ledger.load(missing))
    rows = {
        key.pack(): None if value is None else encode_value(key.kind, value) for key, value in view.items()
    }
    plain = plain_of(transaction)
    assert plain is not None
    moment = Moment(world.ledger.genesis.policy, now)
    holder = world.pseudonym("ayan")
    key = {
        "token": plain.spends[0],
        "key": b"\x02" + world.kid("ayan"),
        "holding": b"\x04holding:" + holder,
        "freeze": b"\x05" + holder,
        "day": moment.day_of(holder),
    }[kind]
    assert decide_plain(moment, rows, holders_in(rows), plain) is not None
    for wrong in ({name: row for name, row in rows.items() if name != key}, {**rows, key: b"\xcd\x00\x05"}):
        assert decide_plain(moment, wrong, holders_in(wrong), plain) is None


def test_a_refused_twin_disturbs_nobody() -> None:
    """One id, other witnesses: by a key that nobody knows, and by one that is no party. Whoever is beside is booked."""
    world = small()
    junk = bytes(32) + b"\1" + bytes(31)
    token = world.funds("rich")[0][0]
    transfer = world.sign(Transfer(world.nonce(), (token,), (world.token("shop", 5),)), "rich")
    unknown = replace(transfer, witnesses=((bytes(32), junk),)).encode()
    stranger = replace(transfer, witnesses=((world.kid("poor"), junk),)).encode()
    honest = world.sign(world.payment("ayan", ("shop", 1)), "ayan")
    for twins in ([unknown, stranger], [stranger, unknown]):
        answers = world.ledger.submit_many([*twins, honest.encode()])
        codes = [answer.code if isinstance(answer, TengeError) else "ok" for answer in answers]
        assert sorted(codes) == ["E_KEY_UNKNOWN", "E_SIG", "ok"]
