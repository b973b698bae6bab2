"""An auditor far away: it follows a right ledger, goes on where it was cut off, and catches a server that lies."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from cbdc.errors import TengeError
from cbdc.http import wire
from cbdc.http.client import Reply, SocketTransport, WsgiTransport
from cbdc.http.follower import Follower, Look, check_evidence
from cbdc.http.server import Limits, create_app
from cbdc.ledger.entry import LogHead, MerkleLog, leaf_hash
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.mirror import Frontier, Mirror
from cbdc.ports import ManualClock
from cbdc.record import sign
from tests.cbdc.http_form import GENEROUS, LedgerOnly
from tests.cbdc.journals import log_anyway
from tests.cbdc.scene import Scene, scene
from tests.cbdc.world import START, World, answer_of

Change = Callable[[str, Any], Any]


class Server:
    """A ledger behind HTTP, in this process, that may lie: `change` gets each path and answer."""

    def __init__(self, world: World, limits: Limits = GENEROUS) -> None:
        self.clock = ManualClock(START)
        self.show(world, limits)
        self.change: Change = lambda path, answer: answer
        self.asked: list[str] = []
        self.fail_at: int | None = None

    def show(self, world: World, limits: Limits = GENEROUS) -> None:
        """From now on serve this world."""
        self.world = world
        self.app: Flask = create_app(LedgerOnly(world.ledger), real_clock=self.clock, limits=limits)
        self._inner = WsgiTransport(self.app)

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request, answered or changed."""
        self.asked.append(path)
        if self.fail_at is not None and len(self.asked) == self.fail_at:
            raise KeyboardInterrupt
        reply = self._inner.request(method, path, headers, body)
        changed = self.change(path, json.loads(reply.body))
        return Reply(reply.status, changed if isinstance(changed, bytes) else json.dumps(changed).encode())


class Post:
    """An auditor's folder, and looks from it."""

    def __init__(self, folder: Path, server: Any) -> None:
        self.folder = folder
        self.server = server
        self.root: bytes | None = None
        self.waits = 0

    def wait(self) -> None:
        """A second passes."""
        self.waits += 1
        self.server.clock.advance(1)

    def look(self, receipts: tuple[bytes, ...] = (), heads: tuple[bytes, ...] = (), workers: int = 0) -> Look:
        """One look, with a file that is opened for it."""
        mirror = Mirror(self.folder / "auditor.sqlite")
        try:
            follower = Follower(
                self.server,
                mirror,
                self.folder / "evidence",
                root=self.root,
                workers=workers,
                wait=self.wait,
            )
            return follower.look(receipts, heads)
        finally:
            mirror.close()

    def found(self, *arguments: Any, **more: Any) -> list[tuple[str, str]]:
        """(subject, code) of what one look finds; each has its evidence."""
        look = self.look(*arguments, **more)
        assert len(look.evidence) == len([p for p in look.audit.problems if p.subject != "supply"])
        for path in look.evidence:
            evidence = json.loads(path.read_text(encoding="utf-8"))
            assert evidence["code"] in {problem.code for problem in look.audit.problems}
        return [(problem.subject, problem.code) for problem in look.audit.problems]

    def evidence(self) -> bytes:
        """The one file of evidence there is."""
        (path,) = (self.folder / "evidence").iterdir()
        return path.read_bytes()


@pytest.fixture
def world() -> Scene:
    return scene()


@pytest.fixture
def server(world: Scene) -> Server:
    return Server(world)


@pytest.fixture
def post(server: Server, tmp_path: Path) -> Post:
    return Post(tmp_path, server)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_PAGE_ENTRIES", 7)


# --- a right ledger ---


def test_a_right_ledger_is_followed(world: Scene, server: Server, post: Post) -> None:
    post.root = world.root.encode()
    look = post.look()
    assert look.audit.ok
    assert look.before == 0
    assert look.audit.entries == world.ledger.size
    assert look.audit.log_root == world.ledger.head().record.root
    supply = world.ledger.supply()
    assert look.audit.outstanding_tiyn == supply.outstanding_tiyn
    assert look.audit.held_tiyn["wallets"] == supply.wallets_tiyn
    first = len([path for path in server.asked if path.startswith("/v1/entries")])
    world.attest("supplier", 5)
    later = post.look()
    assert later.audit.ok
    assert (later.before, later.audit.entries) == (look.audit.entries, world.ledger.size)
    assert len([path for path in server.asked if path.startswith("/v1/entries")]) == first + 1
    assert post.look().before == world.ledger.size, "nothing new"


def test_what_it_keeps_is_what_the_ledger_derived(world: Scene, post: Post) -> None:
    post.look()
    mirror = Mirror(post.folder / "auditor.sqlite")
    assert dict(mirror.items()) == dict(world.store.state())
    assert mirror.placed(world.ledger.size) is None
    receipt = world.ledger.find(world.ledger.transaction(9).id)
    assert receipt is not None
    assert mirror.placed(9) == (receipt.transaction_id, receipt.time)
    mirror.close()


def test_processes_read_ahead_for_it(post: Post) -> None:
    assert post.look(workers=1).audit.ok


@pytest.mark.parametrize("asked", range(2, 12))
def test_a_stopped_look_loses_nothing(post: Post, server: Server, asked: int) -> None:
    server.fail_at = asked
    with pytest.raises(KeyboardInterrupt):
        post.look()
    server.fail_at = None
    look = post.look()
    assert look.audit.ok
    assert look.audit.entries == server.world.ledger.size
    assert look.before % 7 == 0


def test_a_ledger_may_go_on_while_it_is_read(world: Scene, server: Server, post: Post) -> None:
    def busy(path: str, answer: Any) -> Any:
        if path.startswith("/v1/entries/7/"):
            world.attest("supplier", len(server.asked))
        return answer

    server.change = busy
    before = world.ledger.size
    look = post.look()
    assert look.audit.ok
    assert look.audit.entries == before
    receipt = world.ledger.find(world.ledger.transaction(world.ledger.size - 1).id)
    assert receipt is not None
    assert post.look((json.dumps(wire.write_receipt(receipt)).encode(),)).audit.ok


def test_a_server_that_asks_for_patience_gets_it(world: Scene, tmp_path: Path) -> None:
    server = Server(world, Limits(per_second=1, burst=2))
    post = Post(tmp_path, server)
    assert post.look().audit.ok
    assert post.waits > 2


def test_a_real_server_is_followed(world: Scene, tmp_path: Path) -> None:
    app = create_app(LedgerOnly(world.ledger), real_clock=ManualClock(START), limits=GENEROUS)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        post = Post(tmp_path, SocketTransport(f"http://127.0.0.1:{server.server_port}"))
        assert post.look().audit.ok
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# --- histories that were changed ---


def without_last(world: World, count: int = 1) -> World:
    """The same world before its last entries."""
    other = world.fork()
    store = other.store
    assert isinstance(store, MemoryStore)
    size = store.size() - count
    for row in store._entries[size:]:
        del store._index[row.transaction_id]
    del store._entries[size:]
    log = MerkleLog()
    for row in store._entries:
        log.append(row.leaf)
    store._sizes[:] = [size]
    head = LogHead(size, log.root(), world.clock.now())
    store._heads[:] = [sign(head, world.network, world.key("ledger")).encode()]
    other.ledger = type(other.ledger)(store, world.key("ledger"), other.clock)
    return other


def test_an_older_head_is_a_rollback(world: Scene, server: Server, post: Post) -> None:
    assert post.look().audit.ok
    size = world.ledger.size - 1
    server.show(without_last(world))
    assert post.found() == [(f"head {size}", "E_AUDIT_ROLLBACK")]
    server.show(world)
    assert post.look().audit.ok, "what it keeps is still right"


def test_two_heads_of_one_size_are_a_fork_and_prove_it(world: Scene, server: Server, post: Post) -> None:
    other = without_last(world)
    assert post.look().audit.ok
    other.attest("supplier", 5)
    server.show(other)
    size = other.ledger.size
    assert post.found() == [(f"head {size}", "E_AUDIT_FORK")]
    assert check_evidence(post.evidence(), world.root.encode()) == f"two heads of {size} entries"


def test_a_longer_history_that_is_another_is_a_fork(world: Scene, server: Server, post: Post) -> None:
    other = without_last(world, 3)
    assert post.look().audit.ok
    for number in range(5):
        other.attest("supplier", number)
    server.show(other)
    assert post.found() == [(f"head {other.ledger.size}", "E_AUDIT_FORK")]
    with pytest.raises(TengeError) as refusal:
        check_evidence(post.evidence(), world.root.encode())
    assert refusal.value.code == "E_AUDIT_EVIDENCE", "two sizes: what was said, and no proof by itself"


def test_a_larger_head_that_is_earlier_is_a_fork_and_proves_it(
    world: Scene, server: Server, post: Post
) -> None:
    assert post.look().audit.ok
    size = world.ledger.size + 1
    early = sign(LogHead(size, bytes(32), START), world.network, world.key("ledger"))
    server.change = lambda path, answer: wire.write_head(early) if path == "/v1/head" else answer
    assert post.found() == [(f"head {size}", "E_AUDIT_FORK")]
    assert check_evidence(post.evidence(), world.root.encode()) == f"{size} entries before {size - 1} entries"


def test_a_strangers_head_is_told(world: Scene, server: Server, post: Post) -> None:
    assert post.look().audit.ok
    record = LogHead(99, bytes(32), world.clock.now())
    strange = sign(record, world.network, world.key("operator"))
    server.change = lambda path, answer: wire.write_head(strange) if path == "/v1/head" else answer
    assert post.found() == [("head 99", "E_SIG")]


def test_another_network_is_told(world: Scene, server: Server, post: Post) -> None:
    assert post.look().audit.ok
    server.show(World(name="elsewhere"))
    assert post.found() == [("network", "E_AUDIT_NETWORK")]


def test_a_liar_about_its_network_meets_the_signature(world: Scene, server: Server, post: Post) -> None:
    assert post.look().audit.ok
    server.show(World(name="elsewhere"))
    network = world.network.hex()
    server.change = lambda path, answer: {**answer, "network": network} if path == "/v1/health" else answer
    ((_, code),) = post.found()
    assert code == "E_SIG"


def test_another_root_than_the_trusted_one_is_told(world: Scene, post: Post) -> None:
    post.root = World(name="elsewhere").root.encode()
    assert post.found() == [("genesis", "E_AUDIT_ROOT")]
    post.root = None
    assert post.look().audit.ok
    post.root = World(name="elsewhere").root.encode()
    assert post.found() == [("genesis", "E_AUDIT_ROOT")]


# --- entries ---


def test_an_over_issue_is_caught_and_again(world: Scene, post: Post) -> None:
    record = world.issue_record([world.token("inventory1", 1_000_000)])
    log_anyway(world, world.sign(record, "officer1", "operator"))
    world.ledger = type(world.ledger)(world.store, world.key("ledger"), world.clock)
    world.attest("supplier", 5)
    post.server.show(world)
    bad = world.ledger.size - 2
    assert post.found() == [(f"entry {bad}", "E_QUORUM")]
    assert post.look().audit.entries == bad
    assert post.found() == [(f"entry {bad}", "E_QUORUM")], "it stays wrong"
    evidence = json.loads(post.evidence())
    assert evidence["index"] == bad


@pytest.mark.parametrize("place", [0, 3, 9, 20])
def test_an_entry_that_is_not_the_signed_one_is_never_replayed(
    world: Scene, server: Server, post: Post, place: int
) -> None:
    def changed(path: str, answer: Any) -> Any:
        if path.startswith("/v1/entries/"):
            start = answer["start"]
            if start <= place < start + len(answer["entries"]):
                data = bytearray.fromhex(answer["entries"][place - start])
                data[-1] ^= 1
                answer["entries"][place - start] = bytes(data).hex()
        return answer

    server.change = changed
    ((subject, code),) = post.found()
    assert (subject, code) == ("entry 0", "E_SIG") if place == 0 else code == "E_AUDIT_HEAD"
    assert post.look().audit.entries <= place
    server.change = lambda path, answer: answer
    assert post.look().audit.ok


def test_entries_that_are_left_out_are_noticed(world: Scene, server: Server, post: Post) -> None:
    def thinned(path: str, answer: Any) -> Any:
        if path.startswith("/v1/entries/7/"):
            del answer["entries"][2]
        return answer

    server.change = thinned
    ((_, code),) = post.found()
    assert code == "E_AUDIT_HEAD"


# --- receipts and heads ---


def receipt_of(world: World, index: int) -> bytes:
    receipt = world.ledger.find(world.ledger.transaction(index).id)
    assert receipt is not None
    return json.dumps(wire.write_receipt(receipt)).encode()


def test_receipts_and_kept_heads_that_hold(world: Scene, post: Post) -> None:
    heads = tuple(data for _, data in world.store.heads())
    assert post.look((receipt_of(world, 5), receipt_of(world, 12)), (heads[4], heads[-1])).audit.ok


def test_a_transaction_that_vanished_is_missed(world: Scene, server: Server, post: Post) -> None:
    world.attest("supplier", 5)
    held = receipt_of(world, world.ledger.size - 1)
    size = world.ledger.size
    other = without_last(world)
    server.show(other)
    assert post.found((held,)) == [("kept head", "E_AUDIT_TAIL")]
    other.attest("supplier", 6)
    assert post.found((held,)) == [("kept head", "E_AUDIT_FORK")]
    other.attest("supplier", 7)
    assert post.found((held,)) == [("kept head", "E_AUDIT_FORK")]
    assert other.ledger.size == size + 1


def test_a_receipt_that_the_ledger_signed_for_another_place(world: Scene, post: Post) -> None:
    body = json.loads(receipt_of(world, 5))
    wrong = json.dumps({**body, "transaction_id": "00" * 32}).encode()
    assert post.found((wrong,)) == [(f"receipt {'00' * 32}", "E_AUDIT_RECEIPT")]
    strange = sign(LogHead(9, bytes(32), world.clock.now()), world.network, world.key("operator"))
    forged = json.dumps({**body, "head": wire.write_head(strange)}).encode()
    assert post.found((forged,)) == [("kept head", "E_SIG")]
    beyond = json.dumps({**body, "index": 10_000}).encode()
    with pytest.raises(TengeError) as refusal:
        post.look((beyond,))
    assert refusal.value.code == "E_LOG_PROOF"


# --- servers that make no sense ---


NONSENSE: list[Any] = [
    b"",
    b"{",
    [],
    {},
    {"entries": []},
    {"envelope": "00"},
    {"envelope": 5},
    {"proof": "x"},
    None,
    "x",
]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/v1/health", "/v1/head", "/v1/entries", "/v1/consistency"])
@pytest.mark.parametrize("answer", NONSENSE, ids=repr)
def test_nonsense_ends_in_a_refusal_or_a_finding(server: Server, post: Post, path: str, answer: Any) -> None:
    server.change = lambda asked, right: answer if asked.startswith(path) else right
    told = answer_of(lambda: post.look().audit.ok)
    assert told == "E_PEER_ANSWER" or post.found()
    server.change = lambda asked, right: right
    assert post.look().audit.ok


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"genesis":"00","heads":[]}', b'{"genesis":5}'])
def test_what_is_no_evidence_is_refused(data: bytes, world: Scene) -> None:
    with pytest.raises(TengeError) as refusal:
        check_evidence(data, world.root.encode())
    assert refusal.value.code == "E_AUDIT_EVIDENCE"


def test_evidence_is_for_its_own_root(world: Scene, server: Server, post: Post) -> None:
    test_two_heads_of_one_size_are_a_fork_and_prove_it(world, server, post)
    with pytest.raises(TengeError) as refusal:
        check_evidence(post.evidence(), World(name="elsewhere").root.encode())
    assert refusal.value.code == "E_AUDIT_EVIDENCE"


# --- its file ---


def test_an_auditors_file_is_used_once_at_a_time(post: Post) -> None:
    post.look()
    mirror = Mirror(post.folder / "auditor.sqlite")
    with pytest.raises(TengeError) as refusal:
        Mirror(post.folder / "auditor.sqlite")
    assert refusal.value.code == "E_AUDITOR_FILE"
    mirror.close()


@pytest.mark.parametrize("name", ["log", "time"])
def test_a_damaged_file_is_told(post: Post, name: str) -> None:
    import sqlite3

    post.look()
    database = sqlite3.connect(post.folder / "auditor.sqlite")
    database.execute("UPDATE kept SET value = x'C0' WHERE name = ?", (name,))
    database.commit()
    database.close()
    with pytest.raises(TengeError) as refusal:
        post.look()
    assert refusal.value.code == "E_AUDITOR_FILE"
    (post.folder / "auditor.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(TengeError) as refusal:
        post.look()
    assert refusal.value.code == "E_AUDITOR_FILE"


def leaves() -> Iterator[bytes]:
    number = 0
    while True:
        yield leaf_hash(bytes([number % 256]))
        number += 1


def test_a_frontier_has_the_roots_of_the_tree() -> None:
    log, frontier = MerkleLog(), Frontier()
    assert frontier.root() == log.root()
    for leaf, _ in zip(leaves(), range(70), strict=False):
        log.append(leaf)
        frontier.append(leaf)
        assert frontier.root() == log.root()
        assert frontier.copy().nodes == frontier.nodes
    with pytest.raises(TengeError):
        Frontier(3, [bytes(32)])
