"""What planted bugs showed to be untested in the ledger: edges of time, shared locks, tiers together, known hashes."""

from pathlib import Path

import pytest

from cbdc.ledger.entry import MerkleLog, leaf_hash
from cbdc.ledger.sqlite import SqliteStore
from cbdc.marks import judge_time
from cbdc.token import TREASURY_ACCOUNT, KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import Transfer
from tests.cbdc.world import PAYMENT_LIMIT, World, answer_of

# RFC 6962's own code publishes these leaves and the roots over the first one, two, ... of them.
LEAVES = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", bytes(range(0x50, 0x58))]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
]


@pytest.mark.parametrize(("offset", "answer"), [(-1, "E_MARK_TIME"), (0, "ok"), (1, "ok")])
def test_a_mark_begins_with_its_first_second(offset: int, answer: str) -> None:
    definition = World().definition().record
    assert (judge_time(definition, definition.valid_from + offset).code or "ok") == answer


@pytest.mark.parametrize(("offset", "answer"), [(-1, "ok"), (0, "ok"), (1, "E_MARK_TIME")])
def test_a_mark_ends_with_its_last_second(offset: int, answer: str) -> None:
    definition = World().definition().record
    assert (judge_time(definition, definition.valid_until + offset).code or "ok") == answer


def test_nobody_else_moves_what_a_frozen_person_holds() -> None:
    world = World()
    for name in ("ayan", "aruzhan", "shop"):
        world.register(name)
    (token,) = world.fund(("ayan", 5_000))
    shared = world.lock_up("ayan", token, QuorumLock(1, (world.kid("ayan"), world.kid("aruzhan"))))
    record = Transfer(world.nonce(), (shared,), (world.token("shop", 5_000),))
    by_the_other = world.sign(record, "aruzhan")
    world.freeze("ayan")
    assert answer_of(world.submit, by_the_other) == "E_FROZEN"
    world.unfreeze("ayan")
    assert answer_of(world.submit, by_the_other) == "ok"


def test_a_definition_comes_from_the_treasurys_own_lock() -> None:
    world = World()
    world.register("budget.2", TREASURY_ACCOUNT, tier=0, bank=0, registrar="treasury")
    own, other = world.issue("budget", 5_000, 5_000)
    both = QuorumLock(1, (world.kid("budget"), world.kid("budget.2")))
    shared = world.lock_up("budget", other, both)
    envelope = world.definition().encode()

    def brought(token: TokenId, signer: str) -> str:
        record = Transfer(world.nonce(), (token,), (world.token("budget", 5_000),), envelope)
        return answer_of(world.submit, world.sign(record, signer))

    assert brought(shared, "budget.2") == brought(shared, "budget") == "E_MARK_ISSUER"
    assert brought(own, "budget") == "ok"


@pytest.mark.parametrize("tiers", [(1, 2), (2, 1)])
def test_two_keys_of_one_holder_pay_within_the_limits_of_both(tiers: tuple[int, int]) -> None:
    world = World()
    names = ("ayan", "ayan.2")
    for name, tier in zip(names, tiers, strict=True):
        world.register(name, tier=tier)
    world.register("shop", tier=2)
    tokens = [world.fund((name, PAYMENT_LIMIT))[0] for name in names]

    def paid(amount_tiyn: int) -> str:
        change = Token(2 * PAYMENT_LIMIT - amount_tiyn, KeyLock(world.kid("ayan")))
        record = Transfer(world.nonce(), tuple(tokens), (world.token("shop", amount_tiyn), change))
        return answer_of(world.submit, world.sign(record, *names))

    assert paid(PAYMENT_LIMIT + 1) == "E_LIMIT_PAYMENT"
    assert paid(PAYMENT_LIMIT) == "ok"


def test_the_log_is_that_of_rfc_6962() -> None:
    log = MerkleLog()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        log.append(leaf_hash(leaf))
        assert log.root().hex() == root


def test_a_commit_is_durable_by_the_strictest_setting(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.sqlite")
    assert store._rows("PRAGMA synchronous") == [(2,)]
    store.close()
