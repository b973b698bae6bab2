"""Random objects for the comparison of Python and the browser: every type of record, from its own schema."""

import random
from typing import Any

from cbdc import transaction
from cbdc.clause import BasketLine
from cbdc.orders import FundOrder, HolderProof
from cbdc.record import Bytes, Group, Items, Kind, Record, Signed, Text, Unsigned
from cbdc.token import HashLock, KeyLock, LockKind, QuorumLock, Token, TokenId
from tests.vectors.case import OBJECTS

# How the browser's code calls the types of section 5.4.
NAMES = {
    1: "ROOT",
    2: "AUTH",
    3: "DEVCERT",
    4: "NOTE",
    5: "TRANSFER",
    6: "INVOICE",
    7: "RECEIPT",
    8: "SYNC_REQ",
    9: "SYNC_ACK",
    10: "TRUST",
    11: "REDEEM_ORDER",
    12: "SUBMIT_ACK",
    13: "OUTCOME",
    14: "ENROL",
    15: "CERTLOG",
}
OFFLINE = [OBJECTS[number] for number in NAMES]
ORDERS: list[type[Record]] = [FundOrder, HolderProof]
_LETTERS = "aZ09 /:?&–ёҚқ₸语😀"
_EDGES = (0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53 - 1)
_MOST_MONEY = 2**40


def _number(kind: Unsigned, dice: random.Random) -> int:
    fitting = [edge for edge in (*_EDGES, kind.least, kind.most) if kind.least <= edge <= kind.most]
    return dice.choice(fitting) if dice.random() < 0.7 else dice.randint(kind.least, kind.most)


def _value(kind: Kind, dice: random.Random) -> Any:
    if isinstance(kind, Unsigned):
        return _number(kind, dice)
    if isinstance(kind, Bytes):
        return dice.randbytes(dice.choice(kind.sizes) if kind.sizes else 0)
    if isinstance(kind, Text):
        return "".join(dice.choices(_LETTERS, k=dice.randint(0, kind.most_bytes // 4)))
    if isinstance(kind, Group):
        return tuple(_value(one, dice) for one in kind.kinds)
    if isinstance(kind, Items):
        most = min(kind.most, kind.least + dice.choice((0, 1, 2, 5, 17)))
        return tuple(_value(kind.kind, dice) for _ in range(dice.randint(kind.least, most)))
    return _part(type(kind).__name__, dice)


def _part(name: str, dice: random.Random) -> Any:
    if name == "_InputKind":
        return TokenId(dice.randbytes(32), dice.randint(0, 255))
    if name == "_OutputKind":
        return Token(
            dice.randint(1, _MOST_MONEY), _part("LockKind", dice), dice.randbytes(dice.choice((0, 32)))
        )
    if name == LockKind.__name__:
        kids = tuple(dice.randbytes(32) for _ in range(dice.randint(1, 16)))
        deadline = dice.choice(_EDGES)
        return dice.choice(
            (
                KeyLock(kids[0]),
                QuorumLock(dice.randint(1, len(kids)), kids),
                HashLock(dice.randbytes(32), kids[0], dice.randbytes(32), deadline),
            )
        )
    assert name == "_LineKind", name
    return BasketLine(dice.randint(0, 2**32 - 1), dice.randint(1, 10**9), dice.randint(1, 2**53 - 1))


def some(cls: type[Record], dice: random.Random) -> Record:
    """A random record of this class, with bounds and byte lengths at their edges more often than not."""
    return cls.from_values(tuple(_value(kind, dice) for kind in cls.SCHEMA))


def sealed(record: Record, network: bytes, dice: random.Random) -> Signed[Record]:
    """The record with 64 bytes in the place of a signature."""
    return Signed(record, record.body(), dice.randbytes(64), record.oid(network))


def some_transaction(dice: random.Random) -> transaction.SignedTransaction:
    """A random transaction that opens: of any kind, with no marks' records inside."""
    kind = dice.choice(list(transaction.KINDS.values()))
    record = some(kind, dice)
    if isinstance(record, transaction.ReleaseMark):
        record = transaction.ReleaseMark(record.nonce, record.inputs, record.outputs, (), record.documents)
    witnesses = tuple((dice.randbytes(32), dice.randbytes(64)) for _ in range(dice.randint(1, 3)))
    network = bytes(8)
    assert isinstance(record, transaction.Transaction)
    return transaction.SignedTransaction(record, record.body(), record.oid(network), witnesses)


def some_packed(dice: random.Random, depth: int = 0) -> Any:
    """A random value for MessagePack, of much that MP-C does not have."""
    plain = (
        lambda: dice.choice((*_EDGES, 2**53, 2**64 - 1, -1, -33, -(2**63))),
        lambda: dice.randbytes(dice.choice((0, 1, 31, 32, 255, 256))),
        lambda: "".join(dice.choices(_LETTERS + "e\u0301", k=dice.choice((0, 3, 31, 70)))),
        lambda: dice.choice((None, True, False, 0.5, -0.0, 5.0)),
    )
    many = (
        lambda: [
            some_packed(dice, depth + 1) for _ in range(dice.choice((0, 1, 2) if depth else (0, 1, 2, 16)))
        ],
        lambda: {some_packed(dice, 9): some_packed(dice, depth + 1) for _ in range(dice.choice((0, 1, 2)))},
    )
    if depth >= 8:
        return dice.choice(plain)()
    return dice.choice(many if dice.random() < 0.5 else plain)()
