"""Figures, logs, readiness and draining, around an application in this process."""

import json
import logging
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import TengeError, Unavailable
from cbdc.http.client import Reply, WsgiTransport
from cbdc.http.server import CALLER, CODE, ROUTE, create_app
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import Commit
from cbdc.operations import logs, metrics, readiness
from cbdc.operations.counted_store import CommitFigures
from cbdc.operations.logs import Log
from cbdc.operations.metrics import MOST_SERIES, Metrics
from cbdc.operations.readiness import CLOCK_BEHIND_SECONDS, Readiness
from cbdc.operations.routes import OperationsApi, ledger_figures
from cbdc.operations.watch import Watch
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.record import sign
from tests.cbdc.http_form import GENEROUS
from tests.cbdc.institutions import START, make_system, stock

LINE = re.compile(r'[a-z_]+(\{[a-z_]+="(\\.|[^"\\\n])*"(,[a-z_]+="(\\.|[^"\\\n])*")*\})? -?[0-9.e+-]+')


def parsed(text: str) -> dict[str, float]:
    """The rows of the text form, each judged by its grammar."""
    rows: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            assert LINE.fullmatch(line), line
            name, _, value = line.rpartition(" ")
            assert name not in rows, name
            rows[name] = float(value)
    return rows


# --- figures ---


def test_counters_gauges_and_histograms_are_written_as_prometheus_reads_them() -> None:
    figures = Metrics()
    counter = figures.counter("c", "Counted.", "route", "status")
    counter.add("/v1/x", "200")
    counter.add("/v1/x", "200", amount=4)
    figures.gauge("g", "Read.", lambda: -3)
    figures.gauges("many", "Read.", "line", lambda: {"b": 2, "a": 1})
    seen = figures.histogram("h", "Seen.", "route", steps=(1, 10))
    for value in (0.5, 1, 5, 11):
        seen.see(value, "r")
    figures.counter("nothing", "Never counted.")
    text = figures.text()
    assert parsed(text) == {
        'c_total{route="/v1/x",status="200"}': 5,
        "g": -3,
        'many{line="a"}': 1,
        'many{line="b"}': 2,
        'h_bucket{route="r",le="1"}': 2,
        'h_bucket{route="r",le="10"}': 3,
        'h_bucket{route="r",le="+Inf"}': 4,
        'h_sum{route="r"}': 17.5,
        'h_count{route="r"}': 4,
        "nothing_total": 0,
    }
    assert "# TYPE h histogram\n" in text
    assert "# TYPE c_total counter\n" in text


def test_labels_are_escaped() -> None:
    figures = Metrics()
    figures.counter("c", "Counted.", "x").add('a"b\\c\nd')
    assert 'c_total{x="a\\"b\\\\c\\nd"} 1\n' in figures.text()
    assert len(parsed(figures.text())) == 1


def test_a_figure_has_a_bounded_number_of_rows() -> None:
    figures = Metrics()
    counter, seen = figures.counter("c", "Counted.", "x"), figures.histogram("h", "Seen.", "x", steps=(1,))
    for number in range(MOST_SERIES + 50):
        counter.add(str(number))
        seen.see(1, str(number))
    assert counter.value(metrics.OTHER) == 50
    assert seen.count(metrics.OTHER) == 50
    assert len(parsed(figures.text())) == (MOST_SERIES + 1) * 5


def test_a_gauge_that_cannot_be_read_is_left_out() -> None:
    def broken() -> int:
        raise Unavailable("E_STORE_UNAVAILABLE", detail="gone")

    figures = Metrics()
    figures.gauge("g", "Read.", broken)
    figures.gauge("other", "Read.", lambda: 1)
    assert parsed(figures.text()) == {"other": 1}


def test_commits_are_counted_with_their_groups() -> None:
    figures = Metrics()
    counted = CommitFigures(figures)
    system = make_system()
    entries = list(system.stores.ledger.entries())
    head = system.ledger.head().encode()
    store = counted.over(MemoryStore())
    store.commit(Commit(0, tuple(entries), {}, {}, head))
    with pytest.raises(Unavailable, match="E_STORE_CONFLICT"):
        store.commit(Commit(0, tuple(entries), {}, {}, head))
    assert store.size() == len(entries)
    rows = parsed(figures.text())
    assert (rows["tenge_ledger_commits_total"], rows["tenge_ledger_commits_failed_total"]) == (1, 1)
    assert rows["tenge_ledger_group_size_sum"] == len(entries)


def test_the_figures_of_a_ledger_add_up() -> None:
    system, figures = make_system(), Metrics()
    stock(system)
    ledger_figures(figures, lambda: system.ledger)
    rows = parsed(figures.text())
    lines = {name.split('"')[1]: value for name, value in rows.items() if "supply" in name}
    assert lines["issued"] > 0
    assert lines["issued"] - lines["redeemed"] == sum(
        value for name, value in lines.items() if name not in ("issued", "redeemed")
    )
    assert rows["tenge_conservation_difference_tiyn"] == 0
    assert rows["tenge_journal_entries"] == system.ledger.size


# --- readiness ---


def ready(**changed: Any) -> Readiness:
    system = make_system()
    values: dict[str, Any] = {
        "ledger": lambda: system.ledger,
        "clock": system.clock,
        "real_clock": ManualClock(START),
    }
    return Readiness(**(values | changed))


def test_a_sound_server_is_ready(tmp_path: Path) -> None:
    ready().require()
    ready(folder=tmp_path).require()


@pytest.mark.parametrize("name", ["draining", "store", "head", "disk", "clock"])
def test_each_check_fails_by_itself(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = make_system()
    changed: dict[str, Any] = {"ledger": lambda: system.ledger}
    if name == "draining":
        changed["draining"] = lambda: True
    elif name == "store":
        system.stores.ledger.close()

        def gone(*arguments: object) -> Any:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="gone")

        monkeypatch.setattr(system.stores.ledger, "get_many", gone)
    elif name == "head":
        head = system.ledger.head().record
        system.ledger._head = sign(head, system.network, system.keys.bank(1))
    elif name == "disk":
        changed |= {"folder": tmp_path, "least_free_bytes": 1 << 62}
    else:
        changed["clock"] = ManualClock(system.ledger.head().record.time - CLOCK_BEHIND_SECONDS - 1)
    with pytest.raises(Unavailable) as caught:
        ready(**changed).require()
    assert (caught.value.code, caught.value.facts["checks"]) == ("E_NOT_READY", name)


def test_a_folder_that_is_gone_has_no_room(tmp_path: Path) -> None:
    assert ready(folder=tmp_path / "gone").failing() == ["disk"]


def test_a_machine_whose_clock_is_at_the_beginning_is_not_ready() -> None:
    assert ready(real_clock=ManualClock(0)).failing() == ["clock"]
    assert ready(real_clock=ManualClock(readiness.WRITTEN)).failing() == []


# --- an application to watch ---

Start = Callable[..., Any]


class Application:
    """Answers, refuses, streams and breaks; each when its path says so."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        environ[ROUTE] = path if path != "/unknown" else environ.get(ROUTE, "none")
        if path == "/wait":
            self.entered.set()
            assert self.gate.wait(20)
        if path == "/broken":
            raise RuntimeError("a secret text")
        if path == "/refused":
            environ[CODE], environ[CALLER] = "E_SIG", "ab" * 8
            start_response("422 No", [])
            return [b"no"]
        start_response("200 OK", [("X", "y")])
        return _Stream(self)


class _Stream:
    def __init__(self, application: Application) -> None:
        self._application = application

    def __iter__(self) -> Iterator[bytes]:
        yield b"o"
        yield b"k"

    def close(self) -> None:
        self._application.closed += 1


@contextmanager
def logged(path: Path) -> Iterator[tuple[Watch, Metrics, Application]]:
    log, figures, application = Log(str(path)), Metrics(), Application()
    try:
        yield Watch(application, figures, SeededEntropy(1), log), figures, application
    finally:
        log.close()


def get(watch: Watch, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Reply:
    return WsgiTransport(watch).request(method, path, headers or {}, b"")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_request_has_one_line_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with logged(path) as (watch, figures, application):
        assert get(watch, "/fine").body == b"ok"
        assert get(watch, "/refused").status == 422
        get(watch, "/unknown", method="BREW")
        with pytest.raises(RuntimeError):
            get(watch, "/broken")
        watch.unreadable(400)
        assert watch.active == 0
        assert application.closed == 2
        rows = parsed(figures.text())
    lines = rows_of(path)
    assert [(one["method"], one["route"], one["status"], one["code"]) for one in lines] == [
        ("GET", "/fine", 200, ""),
        ("GET", "/refused", 422, "E_SIG"),
        ("OTHER", "none", 200, ""),
        ("GET", "/broken", 500, ""),
        ("OTHER", "none", 400, ""),
    ]
    assert lines[1]["caller"] == "ab" * 8
    assert len({one["id"] for one in lines[:4]}) == 4
    assert all(one["microseconds"] >= 0 for one in lines)
    assert set(lines[0]) == {
        "time", "level", "logger", "id", "method", "route", "status", "microseconds", "caller", "code",
    }  # fmt: skip
    assert rows['tenge_requests_total{route="/fine",status="200"}'] == 1
    assert rows['tenge_requests_total{route="/broken",status="500"}'] == 1
    assert rows['tenge_refusals_total{code="E_SIG"}'] == 1
    assert rows['tenge_request_seconds_count{route="/fine"}'] == 1
    assert rows["tenge_requests_under_way"] == 0


def test_the_answer_names_the_request_and_believes_no_clients_name(tmp_path: Path) -> None:
    with logged(tmp_path / "log") as (watch, _, _):
        named: list[tuple[str, str]] = []
        environ = {"PATH_INFO": "/fine", "REQUEST_METHOD": "GET", "HTTP_TENGE_REQUEST": "mine"}
        list(watch(environ, lambda status, headers, *rest: named.extend(headers)))
    assert dict(named)["Tenge-Request"].endswith("-1")
    assert "mine" not in (tmp_path / "log").read_text()


def test_no_exceptions_text_reaches_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(str(path))
    try:
        raise ValueError("the passcode is 4711")
    except ValueError:
        logging.getLogger("cbdc.http").exception("incident %s", "abc")
    finally:
        log.close()
    logging.getLogger("cbdc.http").handlers.clear()
    [line] = rows_of(path)
    assert line["exception"] == "ValueError"
    assert line["message"] == "incident abc"
    assert line["places"][-1].startswith("test_operations.py:")
    assert "4711" not in path.read_text()


def test_a_log_is_its_owners_turns_over_and_keeps_five(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 2_000)
    path = tmp_path / "log"
    log = Log(str(path))
    for number in range(400):
        log.request(id=str(number), route="/v1/health")
    log.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 1 + logs.KEPT_FILES
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert sum(file.stat().st_size for file in files) <= 6 * 2_000
    assert rows_of(path)[-1]["id"] == "399"


def test_lines_that_cannot_be_written_are_counted_and_stop_nothing(tmp_path: Path) -> None:
    lost: list[int] = []
    log = Log(str(tmp_path / "log"), lambda: lost.append(1))

    class Full:
        def write(self, text: str) -> int:
            raise OSError("no space")

        def flush(self) -> None:
            pass

        def tell(self) -> int:
            return 0

        def seek(self, *where: int) -> int:
            return 0

        def close(self) -> None:
            pass

    handler: Any = log._handler
    real, handler.stream = handler.stream, Full()
    log.request(id="1")
    handler.stream = real
    log.request(id="2")
    log.close()
    assert lost == [1]
    assert [one["id"] for one in rows_of(tmp_path / "log")] == ["2"]


@pytest.mark.parametrize("where", ["missing/folder/log", "\0", "."])
def test_a_log_that_cannot_be_opened_is_told(where: str, tmp_path: Path) -> None:
    name = where if where == "\0" else str(tmp_path / where)
    before = list(logging.getLogger().handlers)
    with pytest.raises(TengeError) as caught:
        Log(name)
    assert caught.value.code == "E_LOG_FILE"
    assert logging.getLogger().handlers == before


# --- draining ---


def test_a_draining_server_finishes_and_begins_nothing(tmp_path: Path) -> None:
    with logged(tmp_path / "log") as (watch, figures, application):
        answers: list[bytes] = []
        thread = threading.Thread(target=lambda: answers.append(get(watch, "/wait").body))
        thread.start()
        assert application.entered.wait(20)
        watch.drain()
        refused = get(watch, "/fine")
        assert (refused.status, json.loads(refused.body)["code"]) == (503, "E_DRAINING")
        assert get(watch, "/v1/health").status == 200
        assert not watch.wait_until_idle(0.01)
        assert parsed(figures.text())["tenge_draining"] == 1
        application.gate.set()
        assert watch.wait_until_idle(20)
        thread.join()
        assert answers == [b"ok"]


def test_a_stream_is_under_way_until_it_is_closed(tmp_path: Path) -> None:
    with logged(tmp_path / "log") as (watch, _, _):
        environ = {"PATH_INFO": "/fine", "REQUEST_METHOD": "GET"}
        answer: Any = watch(environ, lambda *arguments: None)
        assert watch.active == 1
        answer.close()
        answer.close()
        assert watch.active == 0
        assert len(rows_of(tmp_path / "log")) == 1


# --- over HTTP ---


def operations() -> Any:
    system, figures, clock = make_system(), Metrics(), ManualClock(START)
    drains: list[bool] = []
    checks = Readiness(lambda: system.ledger, system.clock, clock, None, lambda: bool(drains))
    ledger_figures(figures, lambda: system.ledger)
    extension = OperationsApi(checks, figures).extension()
    return create_app(system, [extension], clock, GENEROUS), drains


def test_readiness_and_figures_are_served() -> None:
    app, drains = operations()
    wire = WsgiTransport(app)
    assert json.loads(wire.request("GET", "/v1/ready", {}, b"").body) == {"status": "ready"}
    reply = wire.request("GET", "/v1/metrics", {}, b"")
    assert reply.status == 200
    assert parsed(reply.body.decode())["tenge_conservation_difference_tiyn"] == 0
    drains.append(True)
    told = wire.request("GET", "/v1/ready", {}, b"")
    assert (told.status, json.loads(told.body)["facts"]) == (503, {"checks": "draining"})
    assert wire.request("GET", "/v1/health", {}, b"").status == 200


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("192.0.2.7", {}),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.7"}),
        ("127.0.0.1", {"Via": "1.1 proxy"}),
    ],
)
def test_figures_are_for_this_computer_or_a_signed_call(address: str, headers: dict[str, str]) -> None:
    app, _ = operations()
    reply = WsgiTransport(app, address).request("GET", "/v1/metrics", headers, b"")
    assert json.loads(reply.body)["code"] == "E_CALL_KEY"
    assert reply.status == 401
