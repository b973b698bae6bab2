"""`tenge serve` as a process that is run for others: it drains, it logs no secret, it says how it is."""

import http.client
import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.site.process import served
from wallets import auditing

pytestmark = pytest.mark.slow

SECRETS = ("s3cret-body", "s3cret-cookie", "s3cret-token", "s3cret-query", "s3cret-path", "s3cret-proof")


def asked(
    port: int,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        kind = answer.getheader("Content-Type", "")
        return answer.status, json.loads(data) if "json" in kind else data.decode("utf-8", "replace")
    finally:
        connection.close()


def begun(port: int) -> socket.socket:
    """A request under way: its body is half sent."""
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    head = b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
    client.sendall(head + b"Content-Length: 4\r\n\r\n" + b"\x80\x01")
    return client


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_polite_kill_drains_and_what_runs_is_answered(tmp_path: Path) -> None:
    data = tmp_path / "site"
    with served("--data", str(data), "--drain", "30") as (process, port, _):
        assert asked(port, "/v1/ready") == (200, {"status": "ready"})
        client = begun(port)
        until(lambda: "tenge_requests_under_way 2" in asked(port, "/v1/metrics")[1])
        process.send_signal(signal.SIGTERM)
        until(lambda: asked(port, "/v1/ready")[0] == 503)
        assert asked(port, "/v1/ready")[1]["facts"] == {"checks": "draining"}
        assert asked(port, "/v1/health")[0] == 200
        for path in ("/v1/supply", "/", "/stage/"):
            status, refused = asked(port, path)
            assert (status, refused["code"]) == (503, "E_DRAINING")
        assert process.poll() is None
        client.sendall(b"\x02\x03")
        answer = b""
        while b"}" not in answer:
            piece = client.recv(4_096)
            assert piece
            answer += piece
        client.close()
        # The request was read to its end and judged by the ledger: these bytes are no transaction.
        assert b" 400 " in answer.partition(b"\r\n")[0]
        assert b"E_DRAINING" not in answer
        assert process.wait(timeout=120) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert "kept in" in process.stdout.read()
        assert process.stderr.read() == ""
    [ledger] = data.glob("act-*/ledger.sqlite")
    assert auditing.audit_target(f"sqlite:///{ledger}", None, None)["ok"]


def test_a_drain_has_an_end() -> None:
    with served("--drain", "0") as (process, port, _):
        client = begun(port)
        until(lambda: "tenge_requests_under_way 2" in asked(port, "/v1/metrics")[1])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
        client.close()


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    data = tmp_path / "site"
    with served("--data", str(data), "--drain", "300") as (process, port, _):
        client = begun(port)
        until(lambda: "tenge_requests_under_way 2" in asked(port, "/v1/metrics")[1])
        process.send_signal(signal.SIGTERM)
        until(lambda: asked(port, "/v1/ready")[0] == 503)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
        client.close()
    [ledger] = data.glob("act-*/ledger.sqlite")
    assert auditing.audit_target(f"sqlite:///{ledger}", None, None)["ok"]
    with served("--data", str(data)) as (_, port, _):
        assert asked(port, "/v1/ready")[0] == 200


def test_no_secret_gets_into_the_log_or_the_figures(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    with served("--log", str(path)) as (process, port, _):
        secret = {
            "Cookie": f"tenge_site_{port}=s3cret-cookie",
            "Authorization": "Bearer s3cret-token",
            "Tenge-Proof": "s3cret-proof",
            "Signature": "s3cret-token",
            "X-Request-Id": "s3cret-token",
            "User-Agent": "s3cret-token",
        }
        body = b'{"user": "clerk-1", "passcode": "s3cret-body"}'
        wanted = [
            ("GET", "/v1/supply?key=s3cret-query", None),
            ("GET", "/v1/s3cret-path", None),
            ("GET", "/s3cret-path?s3cret-query", None),
            ("GET", f"/v1/keys/{'ab' * 32}/tokens", None),
            ("GET", "/v1/participants/1/account", None),
            ("GET", "/v1/entries/s3cret-path", None),
            ("POST", "/v1/sessions", body),
            ("POST", "/v1/transactions", body),
            ("S3CRET-PATH", "/v1/supply", None),
        ]
        for method, place, sent in wanted:
            kind = {"Content-Type": "application/json" if "sessions" in place else "application/octet-stream"}
            asked(port, place, method, sent, secret | (kind if sent else {}))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"s3cret-body\r\n\r\n")
            client.recv(4_096)
        figures = asked(port, "/v1/metrics")[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        printed = process.stdout.read() + process.stderr.read()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    # Every request has its line, the unreadable one too, and so has the question for the figures.
    assert len(lines) == len(wanted) + 2
    assert [one["code"] for one in lines if one["route"].startswith("/v1/participants")] == ["E_CALL_MISSING"]
    assert {one["route"] for one in lines} >= {
        "/v1/supply",
        "/v1/transactions",
        "/v1/keys/{kid}/tokens",
        "none",
    }
    for text in (path.read_text(), figures, printed):
        for one in SECRETS:
            assert one not in text.lower()
