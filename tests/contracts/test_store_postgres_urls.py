"""Where a store on PostgreSQL is: strange URLs, nobody there, a refusal; no password, no word of a server is told."""

import logging

import pytest

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger import postgres_schema
from cbdc.ledger.engines import open_store
from tests.servers.ports import free_port
from tests.servers.postgres import the_postgres


@pytest.mark.parametrize("read_only", [False, True])
def test_nobody_listens_and_no_password_is_told(read_only: bool) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql://me:secret@127.0.0.1:{free_port()},127.0.0.1:{free_port()}/ledger"
    with pytest.raises(TengeError) as caught:
        open_store(url, read_only=read_only)
    assert caught.value.code == "E_STORE_UNAVAILABLE"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "rest",
    [
        "?schema=",
        "?schema=Upper",
        "?schema=pg-x",
        '?schema=a"b',
        "?schema=a;DROP",
        "?schema=" + "x" * 64,
        "?schema",
        "?nonsense=1",
        "?schema=a&nonsense=1",
        ":port/db?target_session_attrs=read-write&=1",
    ],
)
def test_strange_urls(rest: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(TengeError) as caught:
        open_store(f"postgresql://me:secret@127.0.0.1/db{rest}")
    assert caught.value.code == "E_STORE_URL"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("database", ["no_such_secret", "postgres"])
def test_a_refusal_says_nothing_of_what_the_server_said(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = the_postgres()
    url = f"postgresql://stranger:topsecret@127.0.0.1:{server.port}/{database}"
    with caplog.at_level(logging.WARNING), pytest.raises(Unavailable) as told:
        open_store(url)
    assert told.value.code == "E_STORE_UNAVAILABLE"
    assert told.value.facts["detail"] in {kind for _, kind in postgres_schema.KINDS} | {
        "there is no connection to the server"
    }
    assert "stranger" in caplog.text, "the operator's log has the server's words"
    assert "topsecret" not in caplog.text
