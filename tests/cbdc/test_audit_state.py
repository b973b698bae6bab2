"""The audit finds what was changed in derived rows, tells every problem, and never fails on what it finds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cbdc import canonical
from cbdc.errors import Unavailable
from cbdc.ledger.audit import audit
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.state import (
    COUNTER,
    FACT,
    FREEZE,
    KEY,
    KIND_NAMES,
    MARK,
    REGISTER,
    TOKEN,
    counter,
    mark_counter,
)
from cbdc.ledger.store import EntryRow
from tests.cbdc.hand import Hand
from tests.cbdc.world import World, fixed_bytes

# --- derived rows ---


def keys_of(hand: Hand, kind: int) -> list[bytes]:
    """The packed keys of one kind of state."""
    return [key for key in sorted(hand.state) if key[0] == kind]


OTHER_VALUES = {
    TOKEN: canonical.encode([5, [1, bytes(32)], b""]),
    KEY: canonical.encode([1, bytes(32), 1, 1, 1, bytes(32), b""]),
    MARK: canonical.encode(b"definition"),
    COUNTER: canonical.encode(12_345),
    FREEZE: canonical.encode("another case"),
    REGISTER: canonical.encode(bytes(32)),
    FACT: canonical.encode([7, [], 9, 1]),
}


@pytest.mark.parametrize("kind", sorted(KIND_NAMES), ids=lambda kind: KIND_NAMES[kind])
def test_every_kind_of_row_changed_removed_or_added(kind: int) -> None:
    hand = Hand()
    chosen = keys_of(hand, kind)
    assert chosen, "the scene has a row of every kind"
    for key in {chosen[0], chosen[len(chosen) // 2], chosen[-1]}:
        subject = f"{KIND_NAMES[kind]} {key[1:].hex()}"
        right = hand.state[key]
        for wrong in (OTHER_VALUES[kind], right[:-1], right + b"\0", b""):
            hand.state[key] = wrong
            assert hand.found() == {(subject, "E_AUDIT_STATE")}
        del hand.state[key]
        assert hand.found() == {(subject, "E_AUDIT_STATE")}
        hand.state[key] = right
    new = bytes([kind]) + fixed_bytes("new", 34)
    hand.state[new] = OTHER_VALUES[kind]
    assert hand.found() == {(f"{KIND_NAMES[kind]} {new[1:].hex()}", "E_AUDIT_STATE")}


@pytest.mark.parametrize("key", [b"", b"\x00", b"\x08rest", b"\xff" * 40])
def test_a_row_of_no_kind(key: bytes) -> None:
    hand = Hand()
    hand.state[key] = b"\0"
    assert hand.found() == {(f"unknown {key[1:].hex()}", "E_AUDIT_STATE")}


def test_owner_rows_changed_removed_or_added() -> None:
    hand = Hand()
    key = hand.world.tokens["ayan"]
    packed = b"\x01" + key.transaction_id + key.output.to_bytes(2, "big")
    subject = (f"token {packed[1:].hex()}", "E_AUDIT_OWNER")
    right = hand.owner_of[packed]
    hand.owner_of[packed] = hand.world.kid("shop")
    assert hand.found() == {subject}
    del hand.owner_of[packed]
    assert hand.found() == {subject}
    hand.owner_of[packed] = right
    hand.owner_of[b"\x01" + bytes(34)] = right
    assert hand.found() == {("token " + bytes(34).hex(), "E_AUDIT_OWNER")}


def test_every_problem_is_told_not_only_the_first() -> None:
    hand = Hand()
    hand.state[counter("issued").pack()] = canonical.encode(1)
    hand.state[mark_counter(hand.world.meals).pack()] = canonical.encode(1)
    hand.heads[4] = hand.sign(hand.head(4), "operator")
    assert len(hand.found()) == 3


# --- problems and stores ---


def test_a_problem_speaks() -> None:
    hand = Hand()
    hand.rows[5] = replace(hand.rows[5], leaf=bytes(32))
    problem = hand.audit().problems[0]
    assert problem.facts() == {
        "subject": "entry 5",
        "code": "E_AUDIT_LEAF",
        "sentence": "The bytes of entry 5 are not those that were logged.",
        "entry": 5,
    }
    del hand.heads[-1], hand.sizes[-1]
    assert "entry" not in hand.audit().problems[-1].facts()


def test_a_store_that_fails_is_a_finding() -> None:
    class Failing(MemoryStore):
        def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="told to")

    assert [(p.subject, p.code) for p in audit(Failing()).problems] == [("store", "E_STORE_UNAVAILABLE")]


def test_a_broken_invariant_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> object:
        raise AssertionError("counted wrongly")

    monkeypatch.setattr("cbdc.ledger.fold._Judge.add", broken)
    assert ("entry 1", "E_AUDIT_CONSERVATION") in Hand().found()


def test_the_supply_is_counted_token_by_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that forget a counter would be seen, though store and replay agree with each other."""
    hand = Hand()
    monkeypatch.setattr("cbdc.ledger.audit.holder_class", lambda category: "wallets")
    found = hand.found()
    assert {code for _, code in found} == {"E_AUDIT_CONSERVATION"}
    monkeypatch.undo()
    monkeypatch.setattr("cbdc.ledger.audit.ISSUED", counter("redeemed"))
    assert ("supply", "E_AUDIT_CONSERVATION") in Hand().found()


def test_a_live_ledger_is_audited_while_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    world = World(SqliteStore(path))
    world.issue("inventory1", *[10] * 20)
    reader = SqliteStore(path, read_only=True)
    rows = reader.entries()
    next(rows)
    world.pay("inventory1", ("inventory2", 50))
    result = audit(reader)
    assert result.ok, result.problems
    assert result.entries == world.ledger.size - 1
    assert [row.index for row in rows] == list(range(1, result.entries))
    reader.close()
    world.store.close()


def test_a_tampered_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = SqliteStore(path)
    world = World(store)
    world.issue("inventory1", 1_000)
    store._database.execute("UPDATE state SET value = x'05' WHERE key = ?", (counter("issued").pack(),))
    assert [(p.subject, p.code) for p in audit(store).problems] == [
        ("counter " + b"issued".hex(), "E_AUDIT_STATE")
    ]
    store._database.execute("UPDATE entry SET data = 'text' WHERE place = 2")
    assert [(p.subject, p.code) for p in audit(store).problems] == [("store", "E_STORE_UNAVAILABLE")]
    store.close()
