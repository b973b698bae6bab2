"""The process that owns the ledger under measurement, called in this one: runs, planted refusals, the bare engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cbdc.ledger.store import Commit, EntryRow
from wallets.benches import scene
from wallets.benches.host import Host, merged
from wallets.benches.http_client import Clients
from wallets.benches.run import requests
from wallets.benches.scene import MIXED, ONE_IN, READ, TWO_IN, Purse, Scene


@pytest.fixture(params=["memory", "sqlite"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Host, Purse]]:
    urls = [f"sqlite:///{tmp_path}/{name}.sqlite" for name in ("ledger", "twin")]
    url, twin = urls if request.param == "sqlite" else ["memory:", "memory:"]
    made = Host(url, twin, 8)
    purse = Purse(Scene(8), made.found(400, lambda text: None))
    yield made, purse
    made.close()


def test_threads_play_and_the_bare_engine_takes_the_same_rows(host: tuple[Host, Purse]) -> None:
    made, purse = host
    for clients, batch in ((1, 1), (4, 1), (2, 10)):
        script = purse.script(TWO_IN, 40)
        played = made.play(script.operations, clients, batch)
        assert scene.expected(script, played.outcomes) == [""] * 40
        assert len(played.seconds) == 40 // batch
        assert all(seconds > 0 for seconds in played.seconds)
        assert made.bare(clients * batch) > 0
        assert made.bare(clients * batch) == 0
    checked = made.audit()
    assert checked.problems == []
    assert checked.supply_tiyn["wallets_tiyn"] == 400 * scene.HELD_TIYN
    assert made.signatures() >= 120


def test_the_twin_holds_the_same_ledger(host: tuple[Host, Purse]) -> None:
    made, purse = host
    made.play(purse.script(MIXED, 60).operations, 3, 1)
    made.bare(7)
    assert made._twin is not None
    assert list(made._twin.state()) == list(made._store.state())
    assert list(made._twin.owner_rows()) == list(made._store.owner_rows())
    assert list(made._twin.entries()) == list(made._store.entries())


def test_planted_refusals_are_told_by_their_codes(host: tuple[Host, Purse]) -> None:
    made, purse = host
    script = purse.script(ONE_IN, 12)
    other = purse.script(ONE_IN, 1).operations[0]
    again = [*script.operations, b"no transaction", other[:-1] + bytes([other[-1] ^ 1])]
    for clients, batch in ((1, 1), (3, 1), (1, 14)):
        outcomes = made.play(again, clients, batch).outcomes
        assert outcomes[:12] == [""] * 12
        assert outcomes[12].startswith("E_")
        assert outcomes[13] == "E_SIG"


def test_what_arrives_at_a_pace_is_timed_from_its_moment(host: tuple[Host, Purse]) -> None:
    made, purse = host
    script = purse.script(ONE_IN, 20)
    played = made.pace(script.operations, 4, 2_000)
    assert scene.expected(script, played.outcomes) == [""] * 20
    assert played.took_seconds >= 19 / 2_000
    assert all(seconds > 0 for seconds in played.seconds)


def test_reads_find_their_tokens_and_miss_what_is_not_there(host: tuple[Host, Purse]) -> None:
    made, purse = host
    reads = purse.script(READ, 20).operations
    assert made.play([*reads, bytes(34)], 2, 0).outcomes == [*[""] * 20, "E_HTTP_NONE"]
    assert made.bare_reads(reads) > 0


@pytest.mark.parametrize("server", ["waitress", "cheroot"])
def test_it_serves_over_http(server: str) -> None:
    made = Host("memory:", "", 8)
    try:
        purse = Purse(Scene(8), made.found(400, lambda text: None))
        port = made.serve(server)
        for workload, batch, answers in ((TWO_IN, 1, 30), (MIXED, 10, 4), (READ, 0, 30)):
            script = purse.script(workload, 40 if batch == 10 else 30)
            heard = Clients(port, 2).play(requests(script, batch))
            assert len(heard.outcomes) == answers
            told = [code for outcome in heard.outcomes for code in outcome]
            assert scene.expected(script, told) == [""] * len(script.operations)
    finally:
        made.close()


def _commit(size: int, changes: dict[bytes, bytes | None], owners: dict[bytes, bytes]) -> Commit:
    return Commit(size, (EntryRow(size, bytes([size]), b"data", b"leaf"),), changes, owners, bytes([size]))


def test_commits_are_merged_up_to_a_group_and_keep_what_they_do() -> None:
    commits = [
        _commit(0, {b"a": b"1"}, {b"a": b"x"}),
        _commit(1, {b"a": None, b"b": b"2"}, {b"b": b"y"}),
        _commit(2, {b"b": b"3"}, {}),
    ]
    assert merged(commits, 1) == commits
    assert [len(commit.entries) for commit in merged(commits, 2)] == [2, 1]
    (all_of_it,) = merged(commits, 3)
    assert all_of_it.changes == {b"a": None, b"b": b"3"}
    assert all_of_it.owners == {b"b": b"y"}
    assert (all_of_it.expected_size, all_of_it.size, all_of_it.head) == (0, 3, bytes([2]))
    assert merged([], 5) == []
