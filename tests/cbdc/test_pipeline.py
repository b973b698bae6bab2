"""The pipeline without processes: the ledger's answers, one commit for all who wait, and nobody left waiting."""

import gc
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import Unavailable
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import Receipt
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.pipeline import Pipeline
from cbdc.ledger.store import Commit
from cbdc.token import TokenId
from cbdc.transaction import SignedTransaction, Transfer, open_transaction
from tests.cbdc.gates import PATIENCE, Gate, eventually
from tests.cbdc.test_plain import crowd, program, told
from tests.cbdc.world import World, answer_of, ids, picture


class GatedStore(Gate, MemoryStore):
    """A store whose commits wait at a gate and are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[int] = []
        self.asked = 0

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Count how often somebody asks."""
        self.asked += 1
        return super().get_many(keys)

    def commit(self, commit: Commit) -> None:
        """Wait until the gate is open."""
        self.pass_through()
        super().commit(commit)
        self.commits.append(len(commit.entries))


def people(world: World, count: int, start: int = 0) -> list[TokenId]:
    """Holders with one token each, numbered from `start`."""
    names = [f"p{number}" for number in range(start, start + count)]
    for name in names:
        world.register(name)
    world.issue("inventory1", 1_000 * count)
    return world.pay("inventory1", *((name, 1_000) for name in names))


def payments(world: World, tokens: list[TokenId]) -> list[SignedTransaction]:
    """Each pays the next one a part of its token."""
    count = len(tokens)
    return [
        world.sign(
            Transfer(
                world.nonce(),
                (token,),
                (world.token(f"p{(place + 1) % count}", 600), world.token(f"p{place}", 400)),
            ),
            f"p{place}",
        )
        for place, token in enumerate(tokens)
    ]


def test_it_answers_what_the_ledger_answers() -> None:
    one, other = World(), World()
    data = [item.encode() for item in payments(one, people(one, 6))]
    assert [item.encode() for item in payments(other, people(other, 6))] == data
    wrong = data[0][:-1] + bytes([data[0][-1] ^ 1])
    group = [wrong, *data, data[2], b"", data[1][:40]]
    with Pipeline(one.ledger, workers=0, capacity=100) as pipeline:
        answers = pipeline.submit_many(group)
        assert told(answers) == told(other.ledger.submit_many(group))
        assert pipeline.submit(data[3]) == answers[4]
        assert answer_of(pipeline.submit, wrong) == "ok", "its id is in the journal"
        assert pipeline.submit_many([]) == []
        assert pipeline.waiting == 0
    assert picture(one.store) == picture(other.store)
    assert audit(one.store).problems == []


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_random_programs_leave_the_ledger_that_the_ledger_leaves(data: st.DataObject) -> None:
    one = crowd()
    other = one.fork()
    made = program(data, one)
    with Pipeline(one.ledger, workers=0, capacity=data.draw(st.integers(1, 8))) as pipeline:
        answers = pipeline.submit_many(made)
    plain = other.ledger.submit_many(made)
    # Groups differ with the room that there is, and with them heads; entries and state do not.
    assert [_without_head(one) for one in told(answers)] == [_without_head(one) for one in told(plain)]
    assert list(one.store.entries()) == list(other.store.entries())
    assert list(one.store.state()) == list(other.store.state())
    assert list(one.store.owner_rows()) == list(other.store.owner_rows())


def _without_head(answer: object) -> object:
    return (answer.transaction_id, answer.index, answer.time) if isinstance(answer, Receipt) else answer


def test_who_comes_during_a_commit_shares_the_next() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 12))]
    pipeline = Pipeline(world.ledger, workers=0, capacity=100)
    store.commits.clear()
    with ThreadPoolExecutor(12) as threads:
        with store.held():
            answers = [threads.submit(pipeline.submit, data[0])]
            assert store.inside.wait(PATIENCE)
            answers += [threads.submit(pipeline.submit, item) for item in data[1:]]
            eventually(lambda: len(pipeline._line) == 11)
        receipts = [answer.result(PATIENCE) for answer in answers]
    assert store.commits == [1, 11]
    assert len({receipt.head.oid for receipt in receipts[1:]}) == 1
    assert sorted(receipt.index for receipt in receipts) == list(
        range(receipts[0].index, receipts[0].index + 12)
    )


def test_one_alone_waits_for_nobody() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 3))]
    store.commits.clear()
    with Pipeline(world.ledger, workers=0, capacity=10) as pipeline:
        assert [pipeline.submit(item).index for item in data] == [
            world.ledger.size - 3 + place for place in range(3)
        ]
    assert store.commits == [1, 1, 1]


def test_a_key_that_was_met_is_asked_of_the_store_no_more() -> None:
    # An engine may be busy with a commit: whoever had to ask it would stand in line only afterwards.
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 3))]
    with Pipeline(world.ledger, workers=0, capacity=10) as pipeline, ThreadPoolExecutor(2) as threads:
        paid = pipeline.submit(data[0])
        again = Transfer(world.nonce(), (TokenId(paid.transaction_id, 1),), (world.token("p1", 400),))
        with store.held():
            first = threads.submit(pipeline.submit, data[1])
            assert store.inside.wait(PATIENCE)
            asked = store.asked
            second = threads.submit(pipeline.submit, world.sign(again, "p0").encode())
            eventually(lambda: len(pipeline._line) == 1)
            assert store.asked == asked
        assert second.result(PATIENCE).index == first.result(PATIENCE).index + 1


def test_what_is_inside_is_counted_in_bytes_too() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 5))]
    most = len(data[0]) + len(data[1]) + 1
    pipeline = Pipeline(world.ledger, workers=0, capacity=100, capacity_bytes=most)
    with ThreadPoolExecutor(2) as threads:
        with store.held():
            first = threads.submit(pipeline.submit_many, data[:2])
            eventually(lambda: pipeline.waiting == 2)
            with pytest.raises(Unavailable) as busy:
                pipeline.submit(data[2])
            facts = {"waiting_bytes": most - 1, "capacity_bytes": most}
            assert (busy.value.code, busy.value.facts) == ("E_BUSY_BYTES", facts)
        assert len(first.result(PATIENCE)) == 2
    store.commits.clear()
    # A list that is longer than all the room goes through it piece by piece, and so does one that is longer alone.
    assert [type(answer) for answer in pipeline.submit_many(data[2:])] == [Receipt] * 3
    assert store.commits == [2, 1]
    assert answer_of(pipeline.submit, bytes(most + 1)) == "E_DECODE"
    assert (pipeline.waiting, pipeline._room.inside_bytes) == (0, 0)


def test_sixteen_threads_and_conflicts_between_them() -> None:
    world = World()
    tokens = people(world, 40)
    mine = payments(world, tokens)
    rivals = payments(world, tokens)
    offered = [(mine[place], rivals[place]) for place in range(40)]
    with Pipeline(world.ledger, workers=0, capacity=1_000) as pipeline, ThreadPoolExecutor(16) as threads:
        asked: list[tuple[Future[str], ...]] = [
            tuple(
                threads.submit(answer_of, pipeline.submit, one.encode()) for one in (*pair, pair[0], pair[1])
            )
            for pair in offered
        ]
        for answers in asked:
            told_codes = [answer.result(PATIENCE) for answer in answers]
            assert sorted(told_codes) == ["E_TOKEN_SPENT", "E_TOKEN_SPENT", "ok", "ok"], "the same for ever"
    assert audit(world.store).problems == []
    assert world.ledger.supply().wallets_tiyn == 40_000


def test_who_comes_when_it_is_full_is_told_so_before_any_work() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 4))]
    pipeline = Pipeline(world.ledger, workers=0, capacity=2)
    with ThreadPoolExecutor(4) as threads:
        with store.held():
            first = threads.submit(pipeline.submit, data[0])
            second = threads.submit(pipeline.submit, data[1])
            eventually(lambda: pipeline.waiting == 2)
            with pytest.raises(Unavailable) as busy:
                pipeline.submit(data[2])
            assert (busy.value.code, busy.value.facts) == ("E_BUSY", {"waiting": 2, "capacity": 2})
            assert answer_of(pipeline.submit_many, [data[2]]) == "E_BUSY"
        first.result(PATIENCE)
        second.result(PATIENCE)
    assert answer_of(pipeline.submit, data[2]) == "ok"
    # A list that is longer than all the room goes through it piece by piece.
    assert [type(answer) for answer in pipeline.submit_many(data)] == [Receipt] * 4
    assert pipeline.waiting == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_store_that_fails_fails_for_all_of_the_group_and_loses_nothing(when: str) -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 5))]
    pipeline = Pipeline(world.ledger, workers=0, capacity=100)
    with ThreadPoolExecutor(5) as threads:
        with store.held():
            first = threads.submit(pipeline.submit, data[0])
            assert store.inside.wait(PATIENCE)
            others = [threads.submit(pipeline.submit, item) for item in data[1:]]
            eventually(lambda: len(pipeline._line) == 4)
            store.failure = Unavailable("E_STORE_UNAVAILABLE", detail="told to") if when == "before" else None
        codes = [answer_of(answer.result, PATIENCE) for answer in (first, *others)]
    assert codes == ["E_STORE_UNAVAILABLE" if when == "before" else "ok", "ok", "ok", "ok", "ok"]
    assert answer_of(pipeline.submit, data[0]) == "ok"
    assert audit(store).problems == []


def test_an_interrupted_leader_leaves_nobody_waiting() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 4))]
    pipeline = Pipeline(world.ledger, workers=0, capacity=100)
    with ThreadPoolExecutor(4) as threads:
        with store.held():
            first = threads.submit(pipeline.submit, data[0])
            assert store.inside.wait(PATIENCE)
            others = [threads.submit(pipeline.submit, item) for item in data[1:]]
            eventually(lambda: len(pipeline._line) == 3)
            store.failure = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            first.result(PATIENCE)
        assert [answer_of(other.result, PATIENCE) for other in others] == ["ok"] * 3
    assert answer_of(pipeline.submit, data[0]) == "ok"


def test_who_shares_an_interrupted_commit_is_told_to_ask_again() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 3))]
    pipeline = Pipeline(world.ledger, workers=0, capacity=100)
    with ThreadPoolExecutor(3) as threads:
        with store.held():
            first = threads.submit(pipeline.submit, data[0])
            assert store.inside.wait(PATIENCE)
            others = [threads.submit(pipeline.submit, item) for item in data[1:]]
            eventually(lambda: len(pipeline._line) == 2)
            store.inside.clear()
            # The gate lets the first pass and is shut again for the second commit.
            store.open.set()
            assert answer_of(first.result, PATIENCE) == "ok"
            store.failure = KeyboardInterrupt()
        told_codes = []
        for other in others:
            try:
                told_codes.append(answer_of(other.result, PATIENCE))
            except KeyboardInterrupt:
                told_codes.append("interrupted")
    assert pipeline.waiting == 0
    assert set(told_codes) <= {"ok", "interrupted", "E_STORE_OUTCOME"}
    assert [type(answer) for answer in pipeline.submit_many(data)] == [Receipt] * 3


def test_one_that_stops_waiting_leaves_the_line() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 3))]
    pipeline = Pipeline(world.ledger, workers=0, capacity=100)
    with ThreadPoolExecutor(2) as threads, store.held():
        first = threads.submit(pipeline.submit, data[0])
        assert store.inside.wait(PATIENCE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cbdc.ledger.line.Party.wait", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                pipeline.submit(data[1])
        assert (len(pipeline._line), pipeline.waiting) == (0, 1)
        store.open.set()
        assert answer_of(first.result, PATIENCE) == "ok"
    assert answer_of(pipeline.submit, data[2]) == "ok"


def _interrupt(party: object) -> bool:
    raise KeyboardInterrupt


def test_close_answers_who_is_inside_and_refuses_who_comes() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 4))]
    pipeline = Pipeline(world.ledger, workers=0, capacity=100)
    with ThreadPoolExecutor(4) as threads:
        with store.held():
            first = threads.submit(pipeline.submit, data[0])
            assert store.inside.wait(PATIENCE)
            others = [threads.submit(pipeline.submit, item) for item in data[1:3]]
            eventually(lambda: len(pipeline._line) == 2)
            pipeline.close()
            assert answer_of(pipeline.submit, data[3]) == "E_PIPELINE_CLOSED"
        assert [answer_of(one.result, PATIENCE) for one in (first, *others)] == ["ok"] * 3
    pipeline.close()
    assert world.ledger.find(payments_id(data[3], world)) is None


def test_python_looks_for_cycles_as_before_when_the_pipeline_is_closed() -> None:
    before = gc.get_threshold()
    pipeline = Pipeline(World().ledger, workers=0, capacity=1)
    assert gc.get_threshold() != before
    pipeline.close()
    assert gc.get_threshold() == before
    gc.set_threshold(701, 11, 12)
    pipeline.close()
    assert gc.get_threshold() == (701, 11, 12), "closing again changes nothing"


def payments_id(data: bytes, world: World) -> bytes:
    """The id of the transaction in these bytes."""
    return open_transaction(data, world.network).id


def test_what_one_call_does_the_next_sees_whoever_writes() -> None:
    # The plain ledger and a pipeline over it take turns.
    world = World()
    tokens = people(world, 2)
    first = payments(world, tokens)[0]
    with Pipeline(world.ledger, workers=0, capacity=10) as pipeline:
        assert pipeline.ledger is world.ledger
        pipeline.submit(first.encode())
        on = world.sign(Transfer(world.nonce(), (ids(first)[0],), (world.token("p0", 600),)), "p1")
        world.ledger.submit(on.encode())
        back = world.sign(Transfer(world.nonce(), (ids(on)[0],), (world.token("p1", 600),)), "p0")
        assert pipeline.submit(back.encode()).index == world.ledger.size - 1
    assert isinstance(world.ledger, Ledger)
