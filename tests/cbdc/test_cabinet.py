"""The cabinet: rows in drawers, all of a commit or none, in memory and in a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cbdc.cabinet import Cabinet, MemoryCabinet, Row, SqliteCabinet, follow, follow_nonce
from cbdc.errors import Unavailable


@pytest.fixture(params=["memory", "sqlite"])
def cabinet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cabinet]:
    made: Cabinet = MemoryCabinet() if request.param == "memory" else SqliteCabinet(tmp_path / "c.sqlite")
    yield made
    made.close()


def test_rows_come_back_in_the_order_of_arrival(cabinet: Cabinet) -> None:
    cabinet.put_many([Row("a", b"2", b"two"), Row("a", b"1", b"one"), Row("b", b"1", b"other")])
    cabinet.put_many([Row("a", b"2", b"TWO")])
    assert cabinet.all("a") == [(b"2", b"TWO"), (b"1", b"one")]
    assert cabinet.get("a", b"1") == b"one"
    assert cabinet.get("a", b"3") is None
    assert cabinet.get("c", b"1") is None
    assert cabinet.all("c") == []


def test_a_row_moves_in_one_commit(cabinet: Cabinet) -> None:
    cabinet.put_many([Row("open", b"1", b"x")])
    cabinet.put_many([Row("open", b"1", None), Row("done", b"1", b"y"), Row("open", b"9", None)])
    assert cabinet.all("open") == []
    assert cabinet.all("done") == [(b"1", b"y")]


def test_rows_of_one_commit_are_written_in_their_order(cabinet: Cabinet) -> None:
    cabinet.put_many(
        [
            Row("a", b"1", b"x"),
            Row("a", b"1", None),
            Row("a", b"2", b"y"),
            Row("a", b"1", b"z"),
            Row("b", b"2", None),
        ]
    )
    assert cabinet.all("a") == [(b"2", b"y"), (b"1", b"z")]
    cabinet.put_many([])
    assert len(cabinet.all("a")) == 2


def test_many_rows_at_once(cabinet: Cabinet) -> None:
    ids = [number.to_bytes(2, "big") for number in range(1_203)]
    cabinet.put_many([Row("a", key, b"=" + key) for key in ids[:-1]] + [Row("b", ids[-1], b"other")])
    assert cabinet.get_many("a", ids) == {key: b"=" + key for key in ids[:-1]}
    assert cabinet.get_many("b", ids) == {ids[-1]: b"other"}
    assert cabinet.get_many("a", []) == {}


def test_a_file_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    first = SqliteCabinet(path)
    first.put_many([Row("a", b"1", b"x")])
    first.close()
    again = SqliteCabinet(path)
    assert again.get("a", b"1") == b"x"
    again.close()


def test_a_commit_that_dies_inside_leaves_nothing(tmp_path: Path) -> None:
    cabinet = SqliteCabinet(tmp_path / "c.sqlite")

    def rows() -> Iterator[Row]:
        yield Row("a", b"1", b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cabinet.put_many(rows())
    assert cabinet.all("a") == []
    cabinet.close()


def test_a_file_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        SqliteCabinet(tmp_path / "no" / "c.sqlite")
    cabinet = SqliteCabinet(tmp_path / "c.sqlite")
    cabinet._database.execute("DROP TABLE row")
    with pytest.raises(Unavailable):
        cabinet.put_many([Row("a", b"1", b"x")])
    with pytest.raises(Unavailable):
        cabinet.get("a", b"1")
    cabinet.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_write_points_are_reached(kind: str, tmp_path: Path) -> None:
    seen: list[str] = []
    cabinet: Cabinet = (
        MemoryCabinet(seen.append) if kind == "memory" else SqliteCabinet(tmp_path / "c.sqlite", seen.append)
    )
    cabinet.put_many([Row("a", b"1", b"x")])
    assert seen == ["register.write.before", "register.write.after"]
    cabinet.close()


def test_ids_follow_from_what_they_are_for() -> None:
    assert follow("a", b"1", b"2") != follow("a", b"12") != follow("b", b"12")
    assert follow("a", b"1", b"2") != follow("a", b"12", b"")
    assert len(follow("a")) == 32
    assert follow_nonce("a", b"1") == follow("a", b"1")[:16]
