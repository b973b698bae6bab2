"""A log that keeps little gives what a log that keeps everything gives, and believes nothing that it reads again."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Refused, Unavailable
from cbdc.ledger import entry
from cbdc.ledger.entry import MerkleLog, check_consistency, check_inclusion, leaf_hash

MANY = 5_000
LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(MANY)]


@pytest.fixture(scope="module", autouse=True)
def _keeps_little() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry, "KEPT_LEAVES", 300)
        yield


def read(start: int, stop: int) -> bytes:
    return b"".join(LEAVES[start:stop])


@pytest.fixture(scope="module")
def whole() -> MerkleLog:
    log = MerkleLog()
    log.extend(LEAVES)
    return log


def small(chunk: int = 97, count: int = MANY) -> MerkleLog:
    log = MerkleLog(read)
    for start in range(0, count, chunk):
        log.extend(LEAVES[start : min(start + chunk, count)])
    return log


def kept_bytes(log: MerkleLog) -> int:
    return sum(len(level.nodes) for level in log._levels)


@given(chunk=st.integers(1, 700), index=st.integers(0, MANY - 1), size=st.integers(1, MANY))
def test_proofs_are_the_same(whole: MerkleLog, chunk: int, index: int, size: int) -> None:
    log = small(chunk)
    index = min(index, size - 1)
    assert (log.size, log.root(), log.root(size)) == (MANY, whole.root(), whole.root(size))
    assert log.leaf(index) == LEAVES[index]
    proof = log.inclusion(index, size)
    assert proof == whole.inclusion(index, size)
    check_inclusion(LEAVES[index], index, size, proof, whole.root(size))
    continued = log.consistency(size, MANY)
    assert continued == whole.consistency(size, MANY)
    check_consistency(size, whole.root(size), MANY, whole.root(), continued)


def test_a_leaf_by_itself_is_the_same_too(whole: MerkleLog) -> None:
    log = MerkleLog(read)
    for leaf in LEAVES:
        log.append(leaf)
    assert log.root() == whole.root()
    assert log.inclusion(3, MANY) == whole.inclusion(3, MANY)


def test_what_is_kept_does_not_grow_with_the_leaves() -> None:
    few, many = kept_bytes(small(97, 2_500)), kept_bytes(small(97))
    # Above the eighth level a block of 256 leaves has two nodes, of 32 bytes each.
    assert many - few < 2_500 // 256 * 64 + 300 * 64
    assert many < MANY * 64 / 5


@given(st.lists(st.integers(0, 400), min_size=1, max_size=12))
def test_what_a_failed_commit_added_is_forgotten(counts: list[int]) -> None:
    log = small(97, 1_000)
    for count in counts:
        before = log.size
        log.extend([bytes(32)] * count)
        log.truncate(before)
        log.extend(LEAVES[before : before + count])
    plain = MerkleLog()
    plain.extend(LEAVES[: log.size])
    assert log.root() == plain.root()
    assert log.inclusion(5, log.size) == plain.inclusion(5, log.size)


def test_a_copy_goes_its_own_way() -> None:
    log = small(97, 1_000)
    other = log.copy()
    other.extend(LEAVES[1_000:3_000])
    assert (log.size, other.size) == (1_000, 3_000)
    assert other.root() == small(97, 3_000).root()
    assert log.root() == small(97, 1_000).root()
    assert other.leaf(0) == LEAVES[0]


@pytest.mark.parametrize(
    "told",
    [
        b"",
        bytes(256 * 32),
        b"".join(LEAVES[:255]),
        b"".join(LEAVES[:257]),
        b"".join([LEAVES[1], LEAVES[0], *LEAVES[2:256]]),
        b"".join(LEAVES[256:512]),
        b"".join(LEAVES[:256])[:-1],
    ],
    ids=["nothing", "zeros", "one less", "one more", "two changed places", "another block", "a byte less"],
)
def test_leaves_that_changed_are_noticed(told: bytes) -> None:
    log = small()
    log._leaves = lambda start, stop: told
    for ask in (lambda: log.leaf(3), lambda: log.inclusion(3, MANY), lambda: log.consistency(3, MANY)):
        with pytest.raises(Refused) as caught:
            ask()
        assert caught.value.code == "E_LEDGER_DAMAGED"
    assert log.leaf(MANY - 1) == LEAVES[-1]


def test_an_engine_that_does_not_answer_is_told_as_it_is() -> None:
    log = small()

    def fails(start: int, stop: int) -> bytes:
        raise Unavailable("E_STORE_UNAVAILABLE", detail="gone")

    log._leaves = fails
    with pytest.raises(Unavailable):
        log.inclusion(3, MANY)
    log._leaves = read
    assert log.leaf(3) == LEAVES[3]


def test_a_block_is_read_once_for_a_proof_and_few_are_kept() -> None:
    asked: list[int] = []

    def told(start: int, stop: int) -> bytes:
        asked.append(start)
        return read(start, stop)

    log = small()
    log._leaves = told
    log.inclusion(3, MANY)
    log.inclusion(200, MANY)
    assert asked == [0]
    for start in range(0, 4_000, 256):
        log.leaf(start)
    assert len(log._blocks) <= entry._BLOCKS_MOST


def test_proofs_are_right_while_leaves_are_added(whole: MerkleLog) -> None:
    log = small(97, 600)
    wrong: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                for index in (0, 255, 300, 590):
                    assert log.inclusion(index, 600) == whole.inclusion(index, 600)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(600, MANY, 50):
        log.extend(LEAVES[start : start + 50])
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert log.root() == whole.root()
