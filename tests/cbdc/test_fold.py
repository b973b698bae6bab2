"""The audit's fold says what the rules say, whoever verifies and wherever its rows stand."""

import subprocess
from dataclasses import replace
from time import sleep
from typing import Any

import pytest

from cbdc import keys
from cbdc.errors import TengeError
from cbdc.ledger import ahead
from cbdc.ledger.ahead import alone, units
from cbdc.ledger.audit import Audit, audit
from cbdc.ledger.entry import Entry, LogHead, MerkleLog, leaf_hash, open_entry
from cbdc.ledger.fold import Fold
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.rows import Rows
from cbdc.record import sign
from cbdc.token import KeyLock, Token
from cbdc.transaction import Transfer
from tests.cbdc.journals import drawn, log_anyway
from tests.cbdc.scene import Scene, scene
from tests.cbdc.world import World


def said(found: Audit) -> tuple[Any, ...]:
    """Everything an audit says."""
    problems = [(one.subject, one.code, one.entry) for one in found.problems]
    return (found.entries, found.log_root, found.supply_tiyn, problems)


@pytest.mark.parametrize("seed", range(12))
def test_rows_in_a_file_give_the_same_answers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = drawn(seed)
    there = said(audit(made.world.store, derived=made.state))
    monkeypatch.setattr(Rows.__init__, "__defaults__", (40,))
    assert said(audit(made.world.store, derived=made.state)) == there


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_processes_give_the_same_answers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_Worker", Prompt)
    monkeypatch.setattr(ahead, "UNIT", 7)
    made = drawn(seed)
    there = said(audit(made.world.store, derived=made.state))
    keys.forget_verified()
    assert said(audit(made.world.store, derived=made.state, workers=2)) == there


@pytest.mark.parametrize("seed", range(8))
def test_small_units_give_the_same_answers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = drawn(seed)
    there = said(audit(made.world.store, derived=made.state))
    monkeypatch.setattr(ahead, "UNIT", 3)
    assert said(audit(made.world.store, derived=made.state)) == there


@pytest.mark.parametrize("seed", range(8))
def test_without_signatures_the_rest_is_judged_the_same(seed: int) -> None:
    made = drawn(seed)
    there, here = (
        audit(made.world.store, derived=made.state),
        audit(made.world.store, derived=made.state, signatures=False),
    )
    assert here.left_out == ("signatures",)
    assert there.left_out == ()
    if {one.code for one in there.problems} != {"E_SIG"}:
        assert said(here) == said(there)


def wrongly_signed() -> World:
    """A ledger that logged a payment with a wrong signature, and nothing else is wrong with it."""
    world = scene()
    token, held = world.funds("neighbour")[0]
    right = world.sign(
        Transfer(world.nonce(), (token,), (world.token("shop", held.amount_tiyn),)), "neighbour"
    )
    ((kid, signature),) = right.witnesses
    log_anyway(world, replace(right, witnesses=((kid, signature[:-1] + bytes([signature[-1] ^ 1])),)))
    return world


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_wrong_signature_is_seen_only_by_who_looks(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_Worker", Prompt)
    world = wrongly_signed()
    place = world.store.size() - 1
    for _ in range(2):  # what one audit took for right another does not remember
        unasked = audit(world.store, derived=False, signatures=False, workers=workers)
        assert unasked.ok
        assert unasked.left_out == ("signatures",)
        found = audit(world.store, derived=False, workers=workers)
        assert said(found)[-1] == [(f"entry {place}", "E_SIG", place)]


def test_nothing_is_remembered_of_what_was_not_asked() -> None:
    key = scene().key("shop").public
    with keys.signatures_unasked():
        key.verify(bytes(64), b"anything")
    with pytest.raises(TengeError):
        key.verify(bytes(64), b"anything")


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_heads_are_always_verified(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_Worker", Prompt)
    world = scene()
    store = world.store
    assert isinstance(store, MemoryStore)
    record = world.ledger.head().record
    store._heads[-1] = sign(record, world.network, world.key("operator")).encode()
    found = audit(store, signatures=False, workers=workers)
    assert (f"head {record.size}", "E_SIG") in {(one.subject, one.code) for one in found.problems}


def refusing(*arguments: Any, **options: Any) -> Any:
    """A system that starts no process."""
    raise OSError


class Prompt(ahead._Worker):
    """A process that is waited for, so that it and no other does the work."""

    def __init__(self, settings: Any, inbox: Any) -> None:
        before = inbox.qsize()
        super().__init__(settings, inbox)
        while inbox.qsize() == before:
            sleep(0.01)


class Silent(Prompt):
    """A process that dies at its third chunk."""

    def send(self, message: bytes) -> None:
        """What is sent to a dead process nobody reads."""
        self.sent = getattr(self, "sent", 0) + 1
        if self.sent == 4:
            self.process.kill()
            self.process.wait()
        super().send(message)


class Babbling(Prompt):
    """A process that does not say what was asked."""

    def _hear(self) -> None:
        self._inbox.put((self, b""))
        for message in (b"\xc1", b"\x95\xc4\0\x90\x90\x90\x90", None):
            self._inbox.put((self, message))


@pytest.mark.parametrize("failing", ["start", "die", "babble"])
@pytest.mark.parametrize("seed", [1, 3])
def test_without_processes_the_fold_does_the_work(
    failing: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "UNIT", 5)
    for world in (wrongly_signed(), drawn(seed).world):
        there = said(audit(world.store, derived=False))
        keys.forget_verified()
        with monkeypatch.context() as changed:
            if failing == "start":
                changed.setattr(subprocess, "Popen", refusing)
            else:
                changed.setattr(ahead, "_Worker", Silent if failing == "die" else Babbling)
            assert said(audit(world.store, derived=False, workers=2)) == there


def test_an_audit_that_is_left_ends_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[ahead._Worker] = []

    class Noted(ahead._Worker):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            started.append(self)

    def stop(entries: int) -> None:
        if entries > 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(ahead, "_Worker", Noted)
    with pytest.raises(KeyboardInterrupt):
        audit(scene().store, workers=3, told=stop)
    assert [worker.process.poll() is None for worker in started] == [False, False]


def test_a_process_is_given_keys_again_when_it_has_forgotten_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_Worker", Prompt)
    monkeypatch.setattr(ahead, "UNIT", 4)
    monkeypatch.setattr(ahead, "MOST_KEYS", 3)
    world = scene()
    keys.forget_verified()
    assert audit(world.store, workers=2).ok


def test_it_hears_how_far_it_is() -> None:
    heard: list[int] = []
    world = scene()
    audit(world.store, told=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == world.ledger.size


# --- what the short way must not let through ---


def spoil(
    world: Scene, transaction: Any, time: int | None = None, index: int | None = None
) -> list[tuple[str, str]]:
    """Log a transaction, change its entry, log it anew; what the audit finds, without and with processes."""
    log_anyway(world, transaction)
    store = world.store
    assert isinstance(store, MemoryStore)
    row = store._entries[-1]
    entry = open_entry(row.data)
    data = Entry(
        entry.index if index is None else index, entry.time if time is None else time, entry.payload
    ).encode()
    store._entries[-1] = replace(row, data=data, leaf=leaf_hash(data))
    log = MerkleLog()
    for one in store.entries():
        log.append(one.leaf)
    moment = open_entry(data).time
    head = LogHead(log.size, log.root(), moment)
    store._heads[-1] = sign(head, world.network, world.key("ledger")).encode()
    found = [said(audit(store, derived=False, signatures=asked))[-1] for asked in (True, False)]
    assert found[0] == found[1]
    return [(subject, code) for subject, code, _ in found[0]]


def payment(world: Scene, payer: str, payee: str, more: int = 0, times: int = 1) -> Any:
    token, held = world.funds(payer)[0]
    out = Token(held.amount_tiyn + more, KeyLock(world.kid(payee)))
    return world.sign(Transfer(world.nonce(), (token,) * times, (out,)), payer)


def test_plain_transfers_that_are_not_right() -> None:
    world = scene()
    last = world.ledger.size
    assert spoil(world, payment(world, "shop", "rich")) == []
    cases: list[tuple[str, Any, dict[str, int]]] = [
        ("E_AUDIT_TIME", {}, {"time": world.clock.now() - 1}),
        ("E_AUDIT_ORDER", {}, {"index": last + 1}),
        ("E_SUM_LEDGER", {"more": 1}, {}),
        ("E_SUM_LEDGER", {"more": -1}, {}),
        ("E_INPUT_TWICE", {"times": 2}, {}),
    ]
    for code, given, change in cases:
        world = scene()
        assert spoil(world, payment(world, "shop", "rich", **given), **change) == [(f"entry {last}", code)]
    world = scene()
    world.freeze("shop")
    assert spoil(world, payment(world, "shop", "rich")) == [(f"entry {last + 1}", "E_FROZEN")]
    world = scene()
    assert spoil(world, payment(world, "rich", "ayan")) == [(f"entry {last}", "E_LIMIT_HOLDING")]


def test_a_fold_goes_on_after_a_replaced_key() -> None:
    """Holders are remembered by key: what the general judge changes of a key is read anew."""
    world = scene()
    fold = Fold(Rows(), signatures=True)
    world.rotate("ayan", "ayan.9")
    token, held = world.funds("neighbour")[0]
    record = Transfer(world.nonce(), (token,), (world.token("ayan", held.amount_tiyn),))
    log_anyway(world, world.sign(record, "neighbour"))
    for rows in units(world.store.entries()):
        fold.take(alone(rows))
    assert fold.error is not None
    assert (fold.bad, fold.error.code) == (world.store.size() - 1, "E_KEY_RETIRED")


def test_processes_do_the_work_once_they_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process says of plain transfers and of heads is what this one would say; and it is taken."""
    monkeypatch.setattr(ahead, "_SPARE", 0)
    here: list[object] = []

    def noted(self: Any, chunk: Any) -> Any:
        here.append(chunk)
        return read_here(self, chunk)

    read_here = ahead.Crew._read_here
    monkeypatch.setattr(ahead, "_Worker", Prompt)
    monkeypatch.setattr(ahead.Crew, "_read_here", noted)
    monkeypatch.setattr(ahead, "UNIT", 9)
    world = scene()
    keys.forget_verified()
    assert audit(world.store, workers=2).ok
    assert here == []
