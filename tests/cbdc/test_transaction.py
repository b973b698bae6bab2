"""Transactions as bytes: one form each, an id that covers the body, and guard G1 for everything else."""

from dataclasses import fields
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.clause import BasketLine
from cbdc.errors import TengeError
from cbdc.record import ONLINE_DOMAIN, object_id
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import (
    KINDS,
    MAX_INPUTS,
    MAX_OUTPUTS,
    MAX_TRANSACTION_BYTES,
    MAX_WITNESSES,
    Attest,
    Freeze,
    Issue,
    LoadOffline,
    Redeem,
    RegisterKey,
    ReleaseMark,
    SettleOffline,
    SignedTransaction,
    Transaction,
    Transfer,
    open_transaction,
    sign_transaction,
)
from tests.cbdc.test_token import locks
from tests.cbdc.world import answer_of, fixed_bytes, fixed_key

NETWORK = fixed_bytes("network", 8)
NONCE = fixed_bytes("nonce", 16)
KEY = fixed_key("ayan")
A, B = fixed_bytes("a"), fixed_bytes("b")
TOKEN = Token(5, KeyLock(A))
INPUT = TokenId(A, 0)
PAYMENT = Transfer(NONCE, (INPUT,), (TOKEN, Token(7, KeyLock(B), A)))
SIGNED = sign_transaction(PAYMENT, NETWORK, [KEY, fixed_key("shop-p256", 2)])

HASHES = st.binary(min_size=32, max_size=32)
NONCES = st.binary(min_size=16, max_size=16)
TOKENS = st.builds(Token, st.integers(1, 2**40), locks(), st.one_of(st.just(b""), HASHES))
INPUTS = st.lists(st.builds(TokenId, HASHES, st.integers(0, 255)), min_size=1, max_size=4, unique=True).map(
    tuple
)
OUTPUTS = st.lists(TOKENS, min_size=1, max_size=4).map(tuple)
TEXTS = st.sampled_from(["", "case 7", "іс № 7", "x" * 128])

# How to draw each field, by its name; what is not here is a hash.
DRAWN: dict[str, st.SearchStrategy[Any]] = {
    "nonce": NONCES,
    "inputs": INPUTS,
    "outputs": OUTPUTS,
    "definition": st.just(b""),
    "preimages": st.lists(HASHES, max_size=2).map(tuple),
    "legal_reference": TEXTS,
    "statements": st.just(()),
    "load_number": st.integers(1, 2**40),
    "kind": st.integers(1, 4),
    "algorithm": st.just(1),
    "bank_id": st.integers(0, 99),
    "tier": st.integers(0, 255),
    "category": st.integers(1, 255),
    "from_bank": st.integers(1, 99),
    "to_bank": st.integers(1, 99),
    "keys": st.lists(HASHES, min_size=1, max_size=3).map(tuple),
    "lines": st.lists(
        st.builds(BasketLine, st.integers(0, 2**32 - 1), st.integers(1, 10**9), st.integers(1, 2**40)),
        max_size=3,
    ).map(tuple),
    "documents": st.lists(HASHES, max_size=2).map(tuple),
    "fact_kind": st.integers(1, 65_535),
    "counterparty": st.one_of(st.just(b""), HASHES),
    "document": st.one_of(st.just(b""), HASHES),
    "amount_tiyn": st.integers(0, 2**40),
    "expires": st.integers(0, 2**40),
    "standing": st.integers(0, 1),
}


@st.composite
def transactions(draw: st.DrawFn) -> Transaction:
    """Any transaction of the closed list."""
    kind = draw(st.sampled_from(sorted(KINDS.values(), key=lambda kind: kind.TYPE)))
    return kind(*(draw(DRAWN.get(field.name, HASHES)) for field in fields(kind)))


@given(record=transactions())
def test_a_transaction_comes_back_from_its_bytes(record: Transaction) -> None:
    signed = sign_transaction(record, NETWORK, [KEY])
    opened = open_transaction(signed.encode(), NETWORK)
    assert opened == signed
    assert opened.encode() == signed.encode()
    assert opened.id == object_id(ONLINE_DOMAIN, record.TYPE, NETWORK, record.body()) == record.oid(NETWORK)
    KEY.public.verify(opened.witnesses[0][1], opened.message)


@given(record=transactions(), data=st.data())
def test_no_changed_byte_keeps_id_and_signatures(record: Transaction, data: st.DataObject) -> None:
    """Flip any byte: it is refused, or another transaction whose signature fails, or other signatures."""
    signed = sign_transaction(record, NETWORK, [KEY])
    whole = bytearray(signed.encode())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        opened = open_transaction(bytes(whole), NETWORK)
    except TengeError:
        return
    assert opened.id != signed.id or opened.witnesses != signed.witnesses


@given(junk=st.binary(max_size=200))
def test_junk_is_refused_and_never_crashes(junk: bytes) -> None:
    assert answer_of(open_transaction, junk, NETWORK) != "ok"


def test_every_proper_prefix_is_refused() -> None:
    whole = SIGNED.encode()
    assert {answer_of(open_transaction, whole[:size], NETWORK) for size in range(len(whole))} <= {
        "E_DECODE",
        "E_TYPE",
    }
    assert answer_of(open_transaction, whole + b"\0", NETWORK) == "E_DECODE"


def test_the_id_covers_network_kind_and_body_and_nothing_else() -> None:
    other = sign_transaction(PAYMENT, bytes(8), [KEY])
    assert other.id != SIGNED.id
    assert sign_transaction(PAYMENT, NETWORK, [fixed_key("x")]).id == SIGNED.id
    opened = open_transaction(SIGNED.encode(), bytes(8))
    assert opened.id == other.id, "the id is the reader's network's, so a foreign signature cannot fit"
    freeze = Freeze(NONCE, A, "x")
    assert len({object_id(ONLINE_DOMAIN, kind, NETWORK, freeze.body()) for kind in KINDS}) == len(KINDS)


def test_the_list_is_closed() -> None:
    assert sorted(KINDS) == [*range(64, 77), 78, 79]


def packed(*values: Any) -> bytes:
    """MessagePack of these values as one array, canonical or not."""
    data: bytes = msgpack.packb(list(values), use_bin_type=True)
    return data


def with_body(values: list[Any], kind: int = Transfer.TYPE, witnesses: Any = None) -> bytes:
    """A transaction whose body has these values, rightly wrapped."""
    return packed(kind, msgpack.packb(values, use_bin_type=True), witnesses or [[A, bytes(64)]])


def body(**changes: Any) -> list[Any]:
    """The values of a transfer's body, some changed."""
    values: dict[str, Any] = {
        "nonce": NONCE,
        "inputs": [[A, 0]],
        "outputs": [[5, [1, A], b""]],
        "definition": b"",
        "preimages": [],
        "lines": [],
        "documents": [],
    }
    return list({**values, **changes}.values())


def attest(**changes: Any) -> list[Any]:
    """The values of an attestation's body, some changed."""
    values: dict[str, Any] = {
        "nonce": NONCE,
        "fact_kind": 1,
        "subject": A,
        "counterparty": b"",
        "document": B,
        "amount_tiyn": 5,
        "lines": [],
        "expires": 9,
        "standing": 1,
    }
    return list({**values, **changes}.values())


MANY_KIDS = [fixed_bytes(f"kid {n}") for n in range(16)]

BAD_BYTES: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "E_DECODE"),
    ("no array", packed()[:0] + b"\x05", "E_TYPE"),
    ("empty array", packed(), "E_FIELD"),
    ("two items", packed(65, b""), "E_FIELD"),
    ("four items", packed(65, b"", [], 0), "E_FIELD"),
    ("a map", b"\x80", "E_TYPE"),
    ("unknown kind", with_body(body(), kind=63), "E_OBJTYPE"),
    ("kind of a definition", with_body(body(), kind=82), "E_OBJTYPE"),
    ("kind is text", packed("65", b"\x90", [[A, bytes(64)]]), "E_OBJTYPE"),
    ("kind is an array", packed([65], b"\x90", [[A, bytes(64)]]), "E_OBJTYPE"),
    ("body is an array", packed(65, body(), [[A, bytes(64)]]), "E_TYPE"),
    ("body is no MessagePack", packed(65, b"\xc1", [[A, bytes(64)]]), "E_DECODE"),
    ("body has a tail", packed(65, msgpack.packb(body()) + b"\0", [[A, bytes(64)]]), "E_DECODE"),
    ("body of another kind", with_body(body(), kind=Freeze.TYPE), "E_FIELD"),
    ("field too many", with_body([*body(), 0]), "E_FIELD"),
    ("field missing", with_body(body()[:-1]), "E_FIELD"),
    (
        "amount not in shortest form",
        packed(
            65,
            bytes.fromhex("97c410")
            + NONCE
            + b"\x91\x92\xc4\x20"
            + A
            + b"\x00\x91\x93\xcc\x05\x92\x01\xc4\x20"
            + A
            + b"\xc4\x00\xc4\x00\x90\x90\x90",
            [[A, bytes(64)]],
        ),
        "E_NONCANON",
    ),
    ("short nonce", with_body(body(nonce=NONCE[:15])), "E_FIELD"),
    ("nonce is text", with_body(body(nonce="n" * 16)), "E_TYPE"),
    ("no inputs", with_body(body(inputs=[])), "E_COUNT"),
    ("too many inputs", with_body(body(inputs=[[fixed_bytes(str(n)), 0] for n in range(257)])), "E_COUNT"),
    ("input twice", with_body(body(inputs=[[A, 0], [B, 0], [A, 0]])), "E_INPUT_TWICE"),
    ("input id short", with_body(body(inputs=[[A[:31], 0]])), "E_FIELD"),
    ("input output number too large", with_body(body(inputs=[[A, 256]])), "E_FIELD"),
    ("input without number", with_body(body(inputs=[[A]])), "E_FIELD"),
    ("no outputs", with_body(body(outputs=[])), "E_COUNT"),
    ("too many outputs", with_body(body(outputs=[[1, [1, A], b""]] * 257)), "E_COUNT"),
    ("output of nothing", with_body(body(outputs=[[0, [1, A], b""]])), "E_FIELD"),
    ("negative output", with_body(body(outputs=[[-5, [1, A], b""]])), "E_RANGE"),
    ("output is true", with_body(body(outputs=[[True, [1, A], b""]])), "E_TYPE"),
    ("fractional output", with_body(body(outputs=[[1.5, [1, A], b""]])), "E_TYPE"),
    ("output beyond the range", with_body(body(outputs=[[2**53, [1, A], b""]])), "E_RANGE"),
    (
        "outputs sum beyond the range",
        with_body(body(outputs=[[2**53 - 1, [1, A], b""]] * 2)),
        "E_MONEY_RANGE",
    ),
    ("unknown lock", with_body(body(outputs=[[5, [4, A], b""]])), "E_LOCK"),
    ("lock nobody can open", with_body(body(outputs=[[5, [2, 2, [A]], b""]])), "E_LOCK"),
    ("lock is nothing", with_body(body(outputs=[[5, None, b""]])), "E_TYPE"),
    ("mark of 31 bytes", with_body(body(outputs=[[5, [1, A], A[:31]]])), "E_FIELD"),
    ("definition is no envelope", with_body(body(definition=b"x")), "E_TYPE"),
    ("definition of another type", with_body(body(definition=packed(83, b"\x90", bytes(64)))), "E_OBJTYPE"),
    ("definition too long", with_body(body(definition=bytes(16_385))), "E_FIELD"),
    ("preimage of 31 bytes", with_body(body(preimages=[A[:31]])), "E_FIELD"),
    (
        "statement is no envelope",
        with_body([NONCE, [[A, 0]], [[5, [1, A], b""]], [b"x"], []], ReleaseMark.TYPE),
        "E_TYPE",
    ),
    (
        "too many statements",
        with_body([NONCE, [[A, 0]], [[5, [1, A], b""]], [b""] * 65, []], ReleaseMark.TYPE),
        "E_COUNT",
    ),
    ("line without an amount", with_body(body(lines=[[1, 1]])), "E_FIELD"),
    ("line of no pieces", with_body(body(lines=[[1, 0, 5]])), "E_FIELD"),
    ("line of nothing", with_body(body(lines=[[1, 1, 0]])), "E_FIELD"),
    ("line of an item too large", with_body(body(lines=[[2**32, 1, 5]])), "E_FIELD"),
    ("too many lines", with_body(body(lines=[[1, 1, 5]] * 65)), "E_COUNT"),
    ("document of 31 bytes", with_body(body(documents=[A[:31]])), "E_FIELD"),
    ("too many documents", with_body(body(documents=[A] * 17)), "E_COUNT"),
    ("fact of no kind", with_body(attest(fact_kind=0), Attest.TYPE), "E_FIELD"),
    ("fact about nobody", with_body(attest(subject=b""), Attest.TYPE), "E_FIELD"),
    ("fact about half a counterparty", with_body(attest(counterparty=A[:16]), Attest.TYPE), "E_FIELD"),
    ("fact that stands twice", with_body(attest(standing=2), Attest.TYPE), "E_FIELD"),
    ("fact of true standing", with_body(attest(standing=True), Attest.TYPE), "E_TYPE"),
    ("fact beyond the range", with_body(attest(amount_tiyn=2**53), Attest.TYPE), "E_RANGE"),
    ("fact with too many lines", with_body(attest(lines=[[1, 1, 5]] * 65), Attest.TYPE), "E_COUNT"),
    ("no witnesses", packed(65, msgpack.packb(body()), []), "E_COUNT"),
    ("witnesses missing", packed(65, msgpack.packb(body()), 0), "E_TYPE"),
    (
        "too many witnesses",
        with_body(body(), witnesses=[[fixed_bytes(str(n)), bytes(64)] for n in range(33)]),
        "E_COUNT",
    ),
    ("witness twice", with_body(body(), witnesses=[[A, bytes(64)], [A, b"\1" * 64]]), "E_WITNESS_TWICE"),
    ("witness id short", with_body(body(), witnesses=[[A[:31], bytes(64)]]), "E_FIELD"),
    ("signature of 63 bytes", with_body(body(), witnesses=[[A, bytes(63)]]), "E_FIELD"),
    ("witness without signature", with_body(body(), witnesses=[[A]]), "E_FIELD"),
    (
        "witness twice before input twice",
        with_body(body(inputs=[[A, 0]] * 2), witnesses=[[A, bytes(64)]] * 2),
        "E_WITNESS_TWICE",
    ),
    ("too large", with_body(body(outputs=[[5, [2, 1, MANY_KIDS], b""]] * 130)), "E_SIZE"),
    (
        "settlement of an unknown kind",
        with_body([NONCE, 5, A, [[A, 0]], [[5, [1, A], b""]]], SettleOffline.TYPE),
        "E_FIELD",
    ),
    ("redemption of nothing", with_body([NONCE, A, [], []], Redeem.TYPE), "E_COUNT"),
    ("issue of nothing", with_body([NONCE, A, []], Issue.TYPE), "E_COUNT"),
    ("load number zero", with_body([NONCE, [[A, 0]], [[5, [1, A], b""]], A, 0], LoadOffline.TYPE), "E_FIELD"),
    ("legal reference too long", with_body([NONCE, A, "x" * 129], Freeze.TYPE), "E_FIELD"),
    ("legal reference in another normal form", with_body([NONCE, A, "e\u0301"], Freeze.TYPE), "E_NONCANON"),
    ("category zero", with_body([NONCE, 1, A, 1, 1, 0, A], RegisterKey.TYPE), "E_FIELD"),
    ("key of 31 bytes", with_body([NONCE, 1, A[:31], 1, 1, 1, A], RegisterKey.TYPE), "E_FIELD"),
]


@pytest.mark.parametrize(("data", "code"), [row[1:] for row in BAD_BYTES], ids=[row[0] for row in BAD_BYTES])
def test_other_bytes_are_refused(data: bytes, code: str) -> None:
    assert answer_of(open_transaction, data, NETWORK) == code


def test_the_largest_transaction_is_read_and_one_byte_more_is_not() -> None:
    many = Transfer(
        NONCE,
        tuple(TokenId(fixed_bytes(f"in {n}"), n) for n in range(MAX_INPUTS)),
        tuple(Token(n + 1, KeyLock(A), B) for n in range(MAX_OUTPUTS)),
    )
    signed = sign_transaction(many, NETWORK, [fixed_key(f"k{n}") for n in range(MAX_WITNESSES)])
    assert len(signed.encode()) < MAX_TRANSACTION_BYTES
    assert open_transaction(signed.encode(), NETWORK) == signed
    padding = bytes(MAX_TRANSACTION_BYTES + 1)
    assert answer_of(open_transaction, padding, NETWORK) == "E_SIZE"


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (Transfer(NONCE, (), (TOKEN,)), "E_COUNT"),
        (Transfer(NONCE, (INPUT,), (Token(0, KeyLock(A)),)), "E_FIELD"),
        (Transfer(NONCE, (INPUT,), (Token(2**53, KeyLock(A)),)), "E_FIELD"),
        (Transfer(b"", (INPUT,), (TOKEN,)), "E_FIELD"),
        (Freeze(NONCE, A, "x" * 129), "E_FIELD"),
    ],
)
def test_nothing_wrong_is_ever_signed(record: Transaction, code: str) -> None:
    assert answer_of(sign_transaction, record, NETWORK, [KEY]) == code


def test_signed_transactions_are_values() -> None:
    again = SignedTransaction(SIGNED.record, SIGNED.body, SIGNED.id, SIGNED.witnesses)
    assert again == SIGNED
    assert canonical.decode(SIGNED.encode())
    assert (Freeze(NONCE, A, "x").spends, Freeze(NONCE, A, "x").creates) == ((), ())
