"""What a stranger may send: too much, too often, too large, and plain nonsense; and what an extension may add."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import create_environ, run_wsgi_app

from cbdc.errors import TengeError
from cbdc.http import wire
from cbdc.http.routes import Ask, RateLimit, Route
from cbdc.http.server import Extension, Limits, create_app
from cbdc.ports import ManualClock
from tests.cbdc.http_form import Site
from tests.cbdc.institutions import START, make_system


@pytest.fixture(scope="module")
def busy() -> Site:
    """One site for the tests that send nonsense: nothing they do may change anything."""
    return Site()


# --- bodies ---


class Untouchable(io.RawIOBase):
    """A body that must not be read."""

    def readinto(self, buffer: Any) -> int:
        """It must not."""
        raise AssertionError("the body was read")


def raw(site: Site, path: str, stream: io.RawIOBase | io.BytesIO, **environ: object) -> tuple[int, Any]:
    """The status and JSON of a POST with an environment of its own."""
    made = create_environ(path, method="POST", content_type=wire.CANONICAL)
    made.pop("CONTENT_LENGTH", None)
    chunks, status, _ = run_wsgi_app(site.app, {**made, "wsgi.input": stream, **environ})
    return int(status.split()[0]), json.loads(b"".join(chunks))


@pytest.mark.parametrize(
    ("path", "size"),
    [("/v1/transactions", 65_001), ("/v1/transactions/batch", (1 << 20) + 1), ("/v1/banks/1/fund", 65_536)],
)
def test_a_large_body_is_refused_unread(busy: Site, path: str, size: int) -> None:
    status, problem = raw(busy, path, Untouchable(), CONTENT_LENGTH=str(size))
    assert (status, problem["code"], problem["facts"]["size_bytes"]) == (413, "E_SIZE", size)


def test_a_body_without_a_length_is_bounded_too(busy: Site) -> None:
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    status, problem = raw(busy, "/v1/transactions", io.BytesIO(bytes(70_000)), **chunked)
    assert (status, problem["code"]) == (413, "E_SIZE")
    status, problem = raw(busy, "/v1/transactions", io.BytesIO(bytes(70)), **chunked)
    assert (status, problem["code"]) == (400, "E_DECODE")


def test_a_body_that_breaks_off_is_no_incident(busy: Site) -> None:
    status, problem = raw(busy, "/v1/transactions", io.BytesIO(bytes(7)), CONTENT_LENGTH="70")
    assert (status, problem["code"]) == (400, "E_HTTP_ARGUMENT")


@pytest.mark.parametrize("media", ["application/json", "text/plain", "", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(busy: Site, media: str) -> None:
    status, problem = busy.post("/v1/transactions", b"{}", media)
    assert (status, problem["code"]) == (415, "E_HTTP_MEDIA")


# --- rates ---


def test_a_client_that_asks_too_much_waits() -> None:
    site = Site(Limits(per_second=2, burst=3))
    assert [site.client.get("/v1/health").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = site.client.get("/v1/health")
    assert (answer.headers["Retry-After"], answer.get_json(force=True)["code"]) == ("1", "E_HTTP_RATE")
    other = {"REMOTE_ADDR": "10.0.0.9"}
    assert site.client.get("/v1/health", environ_overrides=other).status_code == 200
    spoofed = {"X-Forwarded-For": "10.0.0.10"}
    assert site.client.get("/v1/health", headers=spoofed).status_code == 429
    site.clock.advance(1)
    assert [site.client.get("/v1/health").status_code for _ in range(3)] == [200, 200, 429]
    site.clock.advance(100)
    assert [site.client.get("/v1/health").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_the_table_of_addresses_is_bounded() -> None:
    clock = ManualClock(START)
    rate = RateLimit(clock, 1, 2, most_addresses=10)
    rate.take("greedy")
    rate.take("greedy")
    for number in range(100):
        rate.take(f"client {number}")
    assert len(rate._buckets) == 10
    with pytest.raises(TengeError, match="E_HTTP_RATE"):
        rate.take("greedy")


# --- extensions ---


def test_an_extension_is_more_routes_in_the_same_document() -> None:
    def echo(ask: Ask) -> dict[str, object]:
        return {"number": ask.number("number"), "size": len(ask.body), "language": ask.language}

    route = Route(
        "POST",
        "/v1/echo/{number}",
        "Say it back.",
        echo,
        "Echo",
        {"number": "any"},
        takes="anything",
        limit_bytes=10,
    )
    system = make_system()
    app = create_app(system, [Extension([route], {"Echo": {"type": "object"}})], ManualClock(START))
    client = app.test_client()
    answer = client.post("/v1/echo/7", data=b"abc", content_type=wire.CANONICAL)
    assert answer.get_json() == {"number": 7, "size": 3, "language": "en"}
    assert client.post("/v1/echo/7", data=bytes(11), content_type=wire.CANONICAL).status_code == 413
    document = client.get("/v1/openapi.json").get_json()
    assert document["paths"]["/v1/echo/{number}"]["post"]["requestBody"]["required"]
    assert "Echo" in document["components"]["schemas"]


def test_a_route_explains_itself_or_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Route("GET", "/v1/{x}", "No word about x.", lambda ask: None, "Health")
    with pytest.raises(AssertionError):
        Route("POST", "/v1/x", "A body of any size.", lambda ask: None, "Health", takes="anything")


# --- nonsense ---


_PATHS = ["/v1/transactions", "/v1/transactions/batch", "/v1/banks/1/fund", "/v1/banks/1/defund"]


@settings(max_examples=60)
@given(path=st.sampled_from(_PATHS), body=st.binary(max_size=300))
def test_no_body_breaks_the_server(path: str, body: bytes, busy: Site) -> None:
    size = busy.system.ledger.size
    status, problem = busy.post(path, body)
    assert status in (200, 400, 422)
    assert status != 200 or all("problem" in item for item in problem["results"])
    assert busy.system.ledger.size == size


@settings(max_examples=60)
@given(
    rest=st.lists(
        st.one_of(
            st.text(max_size=12), st.sampled_from(["keys", "tokens", "banks", "1", "deposits", "0" * 64])
        ),
        min_size=1,
        max_size=4,
    )
)
def test_no_path_breaks_the_server(rest: list[str], busy: Site) -> None:
    answer = busy.client.get("/v1/" + "/".join(rest).replace("#", "").replace("?", ""))
    assert answer.status_code < 500
    assert answer.is_json or answer.content_type == wire.PROBLEM
