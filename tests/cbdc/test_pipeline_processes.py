"""The pipeline with processes: they verify and nothing else; they may die, and nobody notices."""

import gc
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from threading import Event, Thread

import msgspec
import pytest

from cbdc.errors import TengeError
from cbdc.keys import PublicKey, forget_verified
from cbdc.ledger import verifying
from cbdc.ledger.entry import Receipt
from cbdc.ledger.pipeline import MANY, Pipeline
from cbdc.ledger.plain import Plain, plain_of
from cbdc.ledger.verifying import Chunk, Verifier, Verifiers, likely_signers
from cbdc.transaction import RotateKey, SignedTransaction, Transfer
from tests.cbdc.gates import eventually
from tests.cbdc.test_pipeline import payments, people
from tests.cbdc.test_plain import not_plain, small, told, wrong_forms
from tests.cbdc.world import World, fixed_key, ids, picture

COUNT = 40


@pytest.fixture(scope="module")
def pool() -> Iterator[Verifiers]:
    """Two processes for the world's network."""
    world = World()
    pool = Verifiers(2, world.network, certified(world))
    yield pool
    pool.close()
    assert pool.processes == []


def certified(world: World) -> list[tuple[int, bytes]]:
    """The keys of the genesis."""
    named = world.ledger.genesis.authority
    return [(key.algorithm, key.raw) for key in (auth.record.key for auth in named.auths)]


def with_pool(world: World, pool: Verifiers, capacity: int = 10_000) -> Pipeline:
    """A pipeline over processes that others use too."""
    pipeline = Pipeline(world.ledger, workers=0, capacity=capacity)
    pipeline._verifiers = pool
    return pipeline


def broken(data: bytes) -> bytes:
    """The same with a wrong signature."""
    return data[:-1] + bytes([data[-1] ^ 1])


# --- what a process says ---


def rows_of(world: World, *names: str) -> dict[bytes, bytes]:
    """The rows of these holders' keys."""
    return world.ledger.key_rows([world.kid(name) for name in names])


def test_a_plain_transfer_comes_back_whole_only_if_every_signature_stands() -> None:
    world = small()
    verifier = Verifier(world.network, certified(world))
    owned = [world.funds("ayan")[0], world.funds("shop")[0]]
    record = Transfer(
        world.nonce(),
        tuple(one for one, _ in owned),
        (world.token("shop", sum(t.amount_tiyn for _, t in owned)),),
    )
    signed = world.sign(record, "ayan", "shop")
    rows = rows_of(world, "ayan", "shop")
    data = signed.encode()
    first, second = signed.witnesses
    bad = replace(signed, witnesses=(first, (second[0], first[1])))
    assert verifier.judge([data], rows) == [plain_of(signed)]
    assert verifier.judge([bad.encode()], rows) == [0b01]
    assert verifier.judge([data], rows_of(world, "shop")) == [0b10], "nobody said what ayan's key is"
    assert verifier.judge([data], {}) == [0]


def test_what_is_no_plain_transfer_comes_back_as_the_signatures_that_stand() -> None:
    world = small()
    verifier = Verifier(world.network, certified(world))
    others = not_plain(world)
    judged = verifier.judge([one.encode() for one in others], rows_of(world, "ayan"))
    assert judged == [0b1] * (len(others) - 1) + [0b11], "a key that registers itself, and its bank"
    assert verifier.judge([broken(one.encode()) for one in others], rows_of(world, "ayan")) == [0] * (
        len(others) - 1
    ) + [0b01]
    assert verifier.judge(wrong_forms(world), rows_of(world, "ayan")) == [0] * len(wrong_forms(world))


def test_a_row_under_another_keys_id_is_not_that_key() -> None:
    world = small()
    payment = world.sign(world.payment("ayan", ("shop", 300)), "ayan")
    forged = replace(payment, witnesses=((world.kid("ayan"), fixed_key("thief").sign(payment.message)),))
    row = next(iter(rows_of(world, "ayan").values()))
    thief = fixed_key("thief").public
    public = world.key("ayan").public
    assert public.raw in row
    lie = {b"\x02" + world.kid("ayan"): row.replace(public.raw, thief.raw)}
    assert Verifier(world.network, []).judge([forged.encode()], lie) == [0]


def test_a_transfer_of_another_network_does_not_stand_here() -> None:
    world, other = small(), World(name="elsewhere")
    payment = world.sign(world.payment("ayan", ("shop", 300)), "ayan")
    assert Verifier(other.network, []).judge([payment.encode()], rows_of(world, "ayan")) == [0]


def test_likely_signers_are_those_that_sign() -> None:
    world = small()
    record = world.payment("ayan", ("shop", 300))
    for names in (["ayan"], ["ayan", "shop"], ["ayan", "shop", "rich", "poor"]):
        signed = world.sign(record, *names)
        assert likely_signers(signed.encode()) == [world.kid(name) for name in names]
    assert likely_signers(world.sign(record, "ayan").encode()[:-1]) == []
    assert likely_signers(b"") == []


# --- the ledger they leave ---


def mixed(world: World) -> list[bytes]:
    """More than `MANY` transactions of all sorts, that depend on one another."""
    tokens = people(world, COUNT)
    first = payments(world, tokens)
    rivals = payments(world, tokens[:3])
    second = [
        world.sign(Transfer(world.nonce(), (ids(one)[1],), (world.token("new", 400),)), f"p{place}")
        for place, one in enumerate(first[:5])
    ]
    register = world.sign(world.register_key("new"), "new", "bank1")
    onward = world.sign(Transfer(world.nonce(), (ids(second[0])[0],), (world.token("p9", 400),)), "new")
    data = [one.encode() for one in (*first, register, *second, onward, *rivals, first[0])]
    rotated = world.key("p7.new").public
    rotate = world.sign(
        RotateKey(world.nonce(), world.kid("p7"), rotated.algorithm, rotated.raw), "p7", "p7.new", "bank1"
    )
    late = world.sign(Transfer(world.nonce(), (ids(first[9])[1],), (world.token("p7", 400),)), "p9")
    return [
        broken(data[1]),
        *data,
        rotate.encode(),
        late.encode(),
        b"",
        b"\x93",
        *[one.encode() for one in not_plain_of(world, ids(first[8])[1])],
    ]


def not_plain_of(world: World, token: object) -> list[SignedTransaction]:
    """A transfer with a preimage, of a token that is there."""
    record = Transfer(world.nonce(), (token,), (world.token("p1", 400),), b"", (bytes(32),))  # type: ignore[arg-type]
    return [world.sign(record, "p8")]


def test_processes_change_no_answer_and_no_byte(pool: Verifiers) -> None:
    one, other = World(), World()
    data = mixed(one)
    assert mixed(other) == data
    assert len(data) > MANY
    forget_verified()
    answers = with_pool(one, pool).submit_many(data)
    assert told(answers) == told(other.ledger.submit_many(data))
    assert picture(one.store) == picture(other.store)
    codes = {answer.code for answer in answers if isinstance(answer, TengeError)}
    assert codes == {"E_SIG", "E_TOKEN_SPENT", "E_KEY_RETIRED", "E_DECODE"}
    assert any(isinstance(answer, Receipt) for answer in answers)


def test_no_signature_is_computed_twice(pool: Verifiers, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    data = [item.encode() for item in payments(world, people(world, COUNT))]
    forget_verified()
    asked: list[bytes] = []
    judge = PublicKey.judge

    def counted(key: PublicKey, signature: bytes, message: bytes) -> None:
        asked.append(key.kid)
        judge(key, signature, message)

    monkeypatch.setattr(PublicKey, "judge", counted)
    answers = with_pool(world, pool).submit_many(data)
    assert [type(answer) for answer in answers] == [Receipt] * COUNT
    assert asked == [world.key("ledger").public.kid], "one head, which the ledger signs and looks at"


def test_a_process_that_dies_is_replaced_and_its_work_done_again() -> None:
    world = World()
    data = [item.encode() for item in payments(world, people(world, 60))]
    with Pipeline(world.ledger, workers=2, capacity=1_000) as pipeline:
        pool = pipeline._verifiers
        assert pool is not None
        before = pool.processes
        assert len(before) == 2
        assert [type(answer) for answer in pipeline.submit_many(data[:20])] == [Receipt] * 20
        for process in before:
            os.kill(process, signal.SIGKILL)
        assert [type(answer) for answer in pipeline.submit_many(data[20:])] == [Receipt] * 40
        eventually(lambda: len(set(pool.processes) - set(before)) == 2)
        after = pool.processes
    assert pool.processes == []
    for process in after:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def _dies(connection: Connection, network: bytes, keys: list[tuple[int, bytes]]) -> None:
    connection.recv_bytes()
    os._exit(1)


def _hangs(connection: Connection, network: bytes, keys: list[tuple[int, bytes]]) -> None:
    signal.pause()


def _babbles(connection: Connection, network: bytes, keys: list[tuple[int, bytes]]) -> None:
    while connection.recv_bytes():
        connection.send_bytes(b"\xc1")


def _miscounts(connection: Connection, network: bytes, keys: list[tuple[int, bytes]]) -> None:
    while connection.recv_bytes():
        connection.send_bytes(b"\x91\x01")


def test_a_process_that_miscounts_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "serve", _miscounts)
    pool = Verifiers(1, bytes(8), [])
    chunk = Chunk([b"one", b"two"], {})
    pool.send(chunk)
    assert chunk.found() is None
    pool.close()


@pytest.mark.parametrize("life", [_dies, _hangs, _babbles])
def test_processes_that_never_answer_leave_the_work_to_the_caller(
    monkeypatch: pytest.MonkeyPatch, life: object
) -> None:
    monkeypatch.setattr(verifying, "serve", life)
    monkeypatch.setattr(verifying, "PATIENCE_SECONDS", 1.0)
    world = World()
    data = [item.encode() for item in payments(world, people(world, 20))]
    with Pipeline(world.ledger, workers=1, capacity=100) as pipeline:
        assert [type(answer) for answer in pipeline.submit_many(data)] == [Receipt] * 20
        pool = pipeline._verifiers
        assert pool is not None
        if life is _hangs:
            first = pool.processes
            assert len(first) == 1, "another was put in its place"
            assert [type(answer) for answer in pipeline.submit_many(data)] == [Receipt] * 20
            eventually(lambda: pool.processes not in ([], first))
    assert pool.processes == []


def test_without_any_process_the_caller_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*given: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(verifying, "_Worker", none)
    world = World()
    data = [item.encode() for item in payments(world, people(world, 20))]
    with Pipeline(world.ledger, workers=3, capacity=100) as pipeline:
        assert [type(answer) for answer in pipeline.submit_many(data)] == [Receipt] * 20


def test_who_sends_to_a_process_that_reads_nothing_holds_up_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Verifiers(1, bytes(8), [])
    begun, go_on = Event(), Event()
    worker = pool._workers[0]
    send = worker.connection.send_bytes

    def slow(message: bytes) -> None:
        begun.set()
        assert go_on.wait(20)
        send(message)

    monkeypatch.setattr(worker.connection, "send_bytes", slow)
    chunks = [Chunk([bytes([number])], {}) for number in range(5)]
    stuck = Thread(target=pool.send, args=(chunks[0],))
    stuck.start()
    assert begun.wait(20)
    for chunk in chunks[1:]:
        pool.send(chunk)
    assert pool.processes, "and the pool's lock is free"
    go_on.set()
    assert [chunk.found() for chunk in chunks] == [[0]] * 5
    stuck.join(20)
    pool.close()


def test_a_row_that_is_no_row_is_no_key() -> None:
    world = small()
    payment = world.sign(world.payment("ayan", ("shop", 300)), "ayan")
    verifier = Verifier(world.network, [])
    wrong = [["x", 5], [1, 5], [None, b""], [1.5, b"a"], [300, b"a"], [-1, b"a"], [{}, b"a"], [1, [1]]]
    for row in (b"", b"\xc1", b"\x05", b"\x91\x01", b"\xc4\x01a", *map(msgspec.msgpack.encode, wrong)):
        assert verifier.judge([payment.encode()], {b"\x02" + world.kid("ayan"): row}) == [0]


def test_a_closed_pool_gives_chunks_back_undone() -> None:
    pool = Verifiers(0, bytes(8), [])
    chunk = Chunk([b"x"], {})
    pool.close()
    pool.send(chunk)
    assert chunk.found() is None


def test_a_process_reads_ends_with_its_pipe_and_answers_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    world = small()
    payment = world.sign(world.payment("ayan", ("shop", 300)), "ayan").encode()
    ours, theirs = Pipe()
    monkeypatch.setattr(signal, "signal", lambda *given: None)  # a thread may not
    monkeypatch.setattr(gc, "freeze", lambda: None)
    life = Thread(target=verifying.serve, args=(theirs, world.network, certified(world)))
    life.start()
    ours.send_bytes(Chunk([payment, b""], rows_of(world, "ayan")).message)
    ours.send_bytes(Chunk([b"", payment], {}).message)
    found = [verifying._decode_found(ours.recv_bytes()) for _ in range(2)]
    assert [[type(one) for one in answer] for answer in found] == [[Plain, int], [int, int]]
    ours.close()
    life.join(20)
    assert not life.is_alive()
