"""The growth benchmark counts what it says it counts; its times are nobody's business here."""

from pathlib import Path

from wallets.benches import growth
from wallets.benches.growth import _fill_commits, _transfer_commits

TABLE = (
    "workload",
    "engine",
    "transport",
    "clients",
    "tokens",
    "rate_per_second",
    "p50_ms",
    "p99_ms",
    "p999_ms",
)
TABLE += ("errors", "rss_mib", "limit_per_second", "ratio")


def test_a_row_for_each_engine_and_size(tmp_path: Path) -> None:
    told: list[str] = []
    found = growth.rows((500, 1_000), ("journal",), 300, told.append, tmp_path)
    found += growth.rows((500,), ("sqlite",), 300, told.append, tmp_path)
    assert [(row["engine"], row["tokens"]) for row in found] == [
        ("journal", 500),
        ("journal", 1_000),
        ("sqlite", 500),
    ]
    assert all(row["errors"] == 0 and row["transfers"] == 300 for row in found)
    assert all(set(TABLE) <= row.keys() for row in found)
    assert found[0]["ratio"] == found[2]["ratio"] == 1.0
    assert all(row["bytes_per_token"] > 35 + 32 for row in found), "a token has an id and a holder"
    assert told == ["journal, 500 tokens", "journal, 1,000 tokens", "sqlite, 500 tokens"]
    assert list(tmp_path.iterdir()) == []
    assert len(list(growth.words(found))) == 1 + len(found)


def test_every_transfer_spends_a_token_that_is_there_and_no_token_twice() -> None:
    made = {
        key for commit in _fill_commits(1_000) for key, value in commit.changes.items() if value is not None
    }
    assert len(made) == 1_000
    spent: list[bytes] = []
    size = 1
    for commit in _transfer_commits(size, 1_000, 1_000):
        assert commit.expected_size == size
        size = commit.size
        spent += [key for key, value in commit.changes.items() if value is None]
        created = {key for key, value in commit.changes.items() if value is not None and key[:1] == b"\x01"}
        assert created == commit.owners.keys()
        assert len(created) == 2 * len(commit.entries)
    assert len(spent) == 1_000
    assert set(spent) == made
