"""The short way: the same answers as the long one, byte for byte and header for header, and the same rules."""

import io
from typing import Any, NamedTuple

import pytest

from cbdc import canonical
from cbdc.errors import LANGUAGES
from cbdc.http import wire
from cbdc.http.server import Limits, create_app
from cbdc.http.short_way import MANY, ONE, ShortWay
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ports import ManualClock
from cbdc.transaction import MAX_TRANSACTION_BYTES
from wallets.benches import scene
from wallets.benches.scene import MIXED, ONE_IN, TWO_IN, Purse, Scene

MANY_REQUESTS = Limits(1_000_000, 1_000_000)


class Told(NamedTuple):
    status: str
    headers: dict[str, str]
    body: bytes


class Site:
    """One ledger behind both ways; `long` is what stands behind the short way."""

    def __init__(self, limits: Limits = MANY_REQUESTS) -> None:
        cast = Scene(4)
        self.ledger, founded = scene.found(
            MemoryStore(), cast, 200, ManualClock(1_762_146_000), lambda text: None
        )
        self.purse = Purse(cast, founded)
        self.banks: dict[int, Any] = {}
        self.clock = ManualClock(1_000)
        self.app = create_app(self, limits=limits, real_clock=self.clock)
        way = self.app.wsgi_app
        assert isinstance(way, ShortWay)
        self.short, self.long = way, way._long_way

    def ask(self, way: Any, path: str, body: bytes, **changes: Any) -> Told:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "10.0.0.1",
            "CONTENT_TYPE": wire.CANONICAL,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
        }
        environ.update(changes)
        environ = {name: value for name, value in environ.items() if value is not None}
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], error: object = None) -> object:
            started.append((status, headers))
            return lambda data: None

        chunks = way(environ, start)
        found = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        status, headers = started[-1]
        return Told(status, dict(headers), found)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def both() -> tuple[Site, Site]:
    return Site(), Site()


def same(both: tuple[Site, Site], path: str, body: bytes, **changes: Any) -> Told:
    """Ask one site the short way and its double the long way; the answer, which is the same."""
    short, long = (
        site.ask(way, path, body, **changes)
        for site, way in zip(both, (both[0].short, both[1].long), strict=True)
    )
    assert short == long
    assert both[0].ledger.size == both[1].ledger.size
    return short


def test_both_ways_answer_alike(both: tuple[Site, Site]) -> None:
    one = both[0].purse.script(ONE_IN, 3).operations
    both[1].purse.script(ONE_IN, 3)
    assert same(both, ONE, one[0]).status == "200 OK"
    assert same(both, ONE, one[0]).status == "200 OK"
    assert same(both, ONE, one[1][:-1] + bytes([one[1][-1] ^ 1])).status[:1] == "4"
    assert same(both, ONE, b"no transaction").status == "400 BAD REQUEST"
    mixed = both[0].purse.script(MIXED, 40).operations
    both[1].purse.script(MIXED, 40)
    for language in (*LANGUAGES, "de", "ru;q=0.5, kk", ""):
        answer = same(both, MANY, wire.write_batch(mixed), HTTP_ACCEPT_LANGUAGE=language)
        assert b'"E_TOKEN_SPENT"' in answer.body
        assert same(both, ONE, mixed[-1], HTTP_ACCEPT_LANGUAGE=language).status == "422 UNPROCESSABLE ENTITY"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (MANY, b"no batch"),
        (MANY, canonical.encode([])),
        (MANY, canonical.encode([1])),
        (ONE, b""),
        (ONE, bytes(MAX_TRANSACTION_BYTES)),
        (ONE, bytes(MAX_TRANSACTION_BYTES + 1)),
        ("/v1/transactions/", b"x"),
        ("/v1/nothing", b"x"),
    ],
)
def test_what_is_wrong_is_refused_alike(both: tuple[Site, Site], path: str, body: bytes) -> None:
    assert same(both, path, body).status[0] == "4"


@pytest.mark.parametrize(
    "changes",
    [
        {"REQUEST_METHOD": "GET"},
        {"REQUEST_METHOD": "PUT"},
        {"CONTENT_TYPE": "application/json"},
        {"CONTENT_TYPE": None},
        {"CONTENT_TYPE": f"{wire.CANONICAL}; charset=utf-8"},
        {"CONTENT_LENGTH": None},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "१२"},
        {"CONTENT_LENGTH": "999999999999"},
        {"CONTENT_LENGTH": "0"},
        {"QUERY_STRING": "a=b"},
        {"HTTP_ACCEPT_LANGUAGE": "\xff;q=x,,"},
    ],
)
def test_what_is_not_plain_is_answered_alike(both: tuple[Site, Site], changes: dict[str, Any]) -> None:
    body = both[0].purse.script(ONE_IN, 1).operations[0]
    both[1].purse.script(ONE_IN, 1)
    same(both, ONE, body, **changes)


def test_a_batch_of_nothing_readable_is_answered_alike(both: tuple[Site, Site]) -> None:
    assert b"problem" in same(both, MANY, canonical.encode([b"", b"x"])).body


def test_a_body_that_ends_early_books_nothing(site: Site) -> None:
    body = site.purse.script(ONE_IN, 1).operations[0]
    before = site.ledger.size
    told = site.ask(site.short, ONE, body[:-1], CONTENT_LENGTH=str(len(body)))
    assert told.status[0] == "4"
    assert site.ledger.size == before


def test_a_body_beyond_its_stated_length_is_not_read(site: Site) -> None:
    body = site.purse.script(TWO_IN, 1).operations[0]
    rest = io.BytesIO(body + b"the next request")
    assert site.ask(site.short, ONE, body, **{"wsgi.input": rest}).status == "200 OK"
    assert rest.read() == b"the next request"


def test_too_many_are_refused_alike_and_each_is_counted_once() -> None:
    both = Site(Limits(2, 5)), Site(Limits(2, 5))
    told = [same(both, ONE, b"no transaction").status for _ in range(7)]
    assert told == ["400 BAD REQUEST"] * 5 + ["429 TOO MANY REQUESTS"] * 2
    for site in both:
        site.clock.advance(1)
    # What goes the long way from here is counted once as well.
    told = [same(both, ONE, b"x", CONTENT_TYPE="text/plain").status[:3] for _ in range(3)]
    assert told == ["415", "415", "429"]


def test_what_nobody_foresaw_is_an_incident_and_is_counted_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(Limits(1, 2))

    def broken(transaction: bytes) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(Ledger, "submit", lambda self, transaction: broken(transaction))
    told = [site.ask(site.short, ONE, b"x") for _ in range(3)]
    assert [one.status[:3] for one in told] == ["500", "500", "429"]
    assert b"E_INTERNAL" in told[0].body
    assert told[0].body != told[1].body
    assert b"ZeroDivisionError" not in told[0].body
    assert "ZeroDivisionError" in caplog.text


def test_the_ledgers_turn_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    class Turn:
        def __enter__(self) -> None:
            taken.append("in")

        def __exit__(self, *error: object) -> None:
            taken.append("out")

    site = Site()
    app = create_app(site, limits=MANY_REQUESTS, lock=Turn())
    body = site.purse.script(ONE_IN, 1).operations[0]
    assert site.ask(app.wsgi_app, ONE, body).status == "200 OK"
    assert taken == ["in", "out"]


@pytest.fixture
def noted(site: Site) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    site.short._note = lambda environ, route, code: seen.append((route, code))  # type: ignore[method-assign]
    return seen


def test_whoever_watches_is_told_route_and_code(site: Site, noted: list[tuple[str, str]]) -> None:
    body = site.purse.script(ONE_IN, 1).operations[0]
    site.ask(site.short, ONE, body)
    site.ask(site.short, ONE, b"no transaction")
    assert noted[0] == (ONE, "")
    assert noted[-1][0] == ONE
    assert noted[-1][1].startswith("E_")
