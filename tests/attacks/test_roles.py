"""Attacks on fronts and writers, and an operator's slips with them: paths, addresses, files, silent writers, clocks."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import TengeError, Unavailable
from cbdc.http import wire
from cbdc.http.client import Reply, SocketTransport
from cbdc.http.front import Front
from cbdc.http.fronts import BATCH
from cbdc.http.writers import Writers, transport_to
from cbdc.institutions import registrations
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.entry import Receipt
from cbdc.ledger.ledger import Ledger
from cbdc.operations.alone import alone, alone_at
from cbdc.ports import Clock, ManualClock, SeededEntropy, SystemClock
from cbdc.transaction import open_transaction, sign_transaction
from tests.roles.test_fronts import KEY, Served, a_world, certified, served_front
from tests.wallets.test_cli import refused, tenge
from wallets.roles.keys import institution_keys, kept_certificates, open_ledger, read_front_key
from wallets.roles.writer import make_front

# --- what a client asks of a front ---


class Counting:
    """A way to a writer that takes only what can be sent over a socket, and counts who asks for what."""

    def __init__(self, way: Any) -> None:
        self._way = way
        self.paths: list[str] = []

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request."""
        if not re.fullmatch(r"[!-~]+", path):
            raise Unavailable("E_PEER_DOWN", address="writer", detail="InvalidURL")
        self.paths.append(path)
        reply: Reply = self._way.request(method, path, headers, body)
        return reply


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tokens/%20",
        "/v1/%00",
        "/v1/x%0d%0aHost:%20other",
        "/v1/%ff%fe",
        "/v1/%D0%B0",
        "/v1/tokens/x?y=%0a",
        "/v1/tokens/x?y=\u00ff b",
        "/v1/%3Ffind",
    ],
)
def test_a_strange_path_is_the_clients_fault_and_moves_no_front(path: str) -> None:
    world, _ = a_world()
    served = Served(world, [certified(world)])
    ways = Counting(served.way), Counting(served.way)
    front, way, _ = served_front(served, *ways)
    reply = way.request("GET", path, {}, b"")
    assert reply.status in (400, 404)
    assert wire.as_text(wire.as_object(wire.parse_json(reply.body))["code"]).startswith("E_HTTP_")
    assert front._writers.moved == 0
    assert all("?find" not in one for one in ways[0].paths)


def test_long_transactions_fill_a_front_by_their_bytes() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])
    told: list[str] = []

    class Asked:
        """While one transaction is with the writer, another one comes."""

        def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
            if path == BATCH and not told:
                with pytest.raises(Unavailable) as full:
                    front.submit(data[1])
                told.append(full.value.code)
            reply: Reply = served.way.request(method, path, headers, body)
            return reply

    writers = Writers([("http://writer.example:8765", Asked())], KEY, served.clock, SeededEntropy(3), 5)
    size = len(data[0]) + len(data[1]) - 1
    front = Front(world.network, writers, workers=0, capacity=9, capacity_bytes=size)
    assert isinstance(front.submit(data[0]), Receipt)
    assert told == ["E_BUSY_BYTES"]
    assert isinstance(front.submit(data[1]), Receipt)
    # Who is longer than everything there is room for goes alone.
    narrow = Front(world.network, writers, workers=0, capacity=9, capacity_bytes=1)
    assert isinstance(narrow.submit(data[2]), Receipt)


# --- a writer that is none ---


@contextmanager
def peer(act: Any) -> Iterator[str]:
    """The address of a server that does `act` with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                taken, _ = listener.accept()
            except TimeoutError:
                continue
            taken.setblocking(True)
            with taken, suppress(OSError):
                act(taken, ended)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        thread.join(10)
        listener.close()


def dripping(begin: bytes) -> Any:
    """A server that never ends what it says."""

    def act(taken: socket.socket, ended: threading.Event) -> None:
        taken.recv(65_536)
        taken.sendall(begin)
        while not ended.wait(0.05):
            taken.sendall(b"x")

    return act


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_a_writer_that_drips_is_let_go(begin: bytes) -> None:
    with peer(dripping(begin)) as url:
        way = SocketTransport(url, 10, 0.3)
        with pytest.raises(Unavailable) as told:
            way.request("GET", "/v1/head", {}, b"")
    assert (told.value.code, told.value.facts["detail"]) == ("E_PEER_DOWN", "TimeoutError")


def test_an_answer_in_time_is_read_whole_with_a_bound_over_all() -> None:
    body = bytes(range(256)) * 4_000

    def act(taken: socket.socket, ended: threading.Event) -> None:
        taken.recv(65_536)
        taken.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 200_000):
            taken.sendall(body[start : start + 200_000])

    with peer(act) as url:
        assert SocketTransport(url, 10, 30).request("GET", "/", {}, b"") == Reply(200, body)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ],
)
def test_what_is_no_writer_answers_nothing(said: bytes) -> None:
    world, data = a_world()

    def act(taken: socket.socket, ended: threading.Event) -> None:
        taken.recv(65_536)
        taken.sendall(said)

    with peer(act) as url:
        front = Served(world, [certified(world)]).front(transport_to(url), patience=0.05)
        with pytest.raises(Unavailable) as told:
            front.submit(data[0])
        assert told.value.code in ("E_WRITER_AWAY", "E_PEER_ANSWER", "E_WRITER_REFUSES")
        assert front.waiting == 0


def test_a_writer_that_mixes_up_its_answers_is_not_believed() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])

    class Mixing:
        """The right receipts, in another order."""

        def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
            reply = served.way.request(method, path, headers, body)
            value: Any = json.loads(reply.body)
            if "results" in value:
                value["results"].reverse()
            return Reply(reply.status, json.dumps(value).encode())

    front = served.front(Mixing())
    with pytest.raises(Unavailable, match="E_PEER_ANSWER"):
        front.submit_many(data[:2])
    assert front.waiting == 0
    # Nothing was lost: ids give the same answers, and in the middle of three nothing is mixed up.
    assert isinstance(served.front().submit_many(data[:2])[0], Receipt)


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "http:///x",
        "http://:80",
        "http://host:99999",
        "http://host:0",
        "http://user:hidden@host",
        "http://hidden@host",
        "http://host/hidden",
        "http://host?hidden",
        "http://host#hidden",
        "http://host:x",
        "http://[::1",
        "http://a b",
        "http://host\r\nx: hidden",
        "http://\u0430.kz",
    ],
)
def test_a_writers_address_is_a_host_and_a_port_and_no_secret_is_told(text: str) -> None:
    with pytest.raises(Unavailable) as told:
        transport_to(text)
    assert told.value.code == "E_PEER_DOWN"
    assert "hidden" not in told.value.sentence()


@pytest.mark.parametrize(
    "text", ["http://host", "https://host:8765", "http://host:8765/", "http://[::1]:8765"]
)
def test_such_an_address_is_one(text: str) -> None:
    transport_to(text)


# --- an operator's slips ---


@pytest.mark.parametrize("more", [["--authority", "x.example"], ["--clock-step", "31"]])
def test_a_front_takes_no_option_that_would_do_nothing(more: list[str]) -> None:
    front = ["serve", "--role", "front", "--writer", "http://x", "--front-key", "x"]
    refused(tenge(*front, *more), "E_SERVE_ROLE")


def founded(folder: Path, clock: Clock) -> bytes:
    """A writer's ledger in its folder, begun at this time; its network."""
    keys = institution_keys(folder, SeededEntropy(1))
    with closing(open_store(f"sqlite:///{folder / 'ledger.sqlite'}")) as store:
        return open_ledger(store, keys, clock).network


def test_a_second_front_of_one_name_does_not_send_the_first_one_away(tmp_path: Path) -> None:
    network = founded(tmp_path / "w", SystemClock())
    make_front(tmp_path / "w", "", tmp_path / "front.key", 30)
    (tmp_path / "b").mkdir()
    with pytest.raises(TengeError, match="E_FRONT_KEY"):
        make_front(tmp_path / "w", "", tmp_path / "b" / "front.key", 30)
    assert not (tmp_path / "b" / "front.key").exists()
    [kept] = kept_certificates(tmp_path / "w", network)
    assert kept.record.kid == read_front_key(tmp_path / "front.key", SystemClock().now()).signer.public.kid


def test_a_wrong_folder_is_left_without_keys(tmp_path: Path) -> None:
    founded(tmp_path / "w", SystemClock())
    store = f"sqlite:///{tmp_path / 'w' / 'ledger.sqlite'}"
    command = ["front-key", tmp_path / "front.key", "--data", tmp_path / "wrong", "--store", store]
    refused(tenge(*command), "E_KEYSTORE_MISSING")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w"]


def test_a_front_does_not_start_with_a_key_that_others_may_read(tmp_path: Path) -> None:
    founded(tmp_path / "w", SystemClock())
    path, now = tmp_path / "front.key", SystemClock().now()
    make_front(tmp_path / "w", "", path, 30)
    for mode in (0o640, 0o604, 0o660, 0o666):
        path.chmod(mode)
        with pytest.raises(TengeError, match="E_FRONT_KEY"):
            read_front_key(path, now)
    path.chmod(0o400)
    read_front_key(path, now)
    link = tmp_path / "link.key"
    link.symlink_to(path)
    read_front_key(link, now)


def test_a_pipe_is_no_key_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "front.key", 0o600)
    with pytest.raises(TengeError, match="E_FRONT_KEY"):
        read_front_key(tmp_path / "front.key", 0)


def test_one_writer_serves_a_folder_with_its_file(tmp_path: Path) -> None:
    founded(tmp_path, SystemClock())
    serve = ["serve", "--role", "writer", "--data", tmp_path, "--port"]
    other, store = tmp_path / "other", f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    shutil.copytree(tmp_path, other)
    with alone(tmp_path, "ledger.sqlite.lock", "another one"):
        refused(tenge(*serve, 0), "E_STORE_UNAVAILABLE")
        # The same file, from another folder: by its own name, as a writer's or a site's.
        shown = "another server writes to ledger.sqlite"
        for role in (["--role", "writer"], []):
            again = tenge("serve", *role, "--data", other, "--store", store, "--port", 0)
            assert shown in again.output, again.output
            refused(again, "E_STORE_UNAVAILABLE")
    with closing(open_store(store, read_only=True)) as reader:
        assert audit(reader).ok
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        refused(tenge(*serve, taken.getsockname()[1]), "E_SERVE_ADDRESS")
    assert stat.S_IMODE((tmp_path / "ledger.sqlite.lock").stat().st_mode) == 0o600


def test_one_server_keeps_its_sandbox_in_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path, "serve.lock", "another one"):
        refused(tenge("serve", "--data", tmp_path, "--port", 0), "E_STORE_UNAVAILABLE")
    assert [path.name for path in tmp_path.iterdir()] == ["serve.lock"]


def test_a_writer_dates_nothing_under_a_clock_that_jumped(tmp_path: Path) -> None:
    founded(tmp_path, ManualClock(SystemClock().now() - 100 * 86_400))
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        serve = ["serve", "--role", "writer", "--data", tmp_path, "--port", taken.getsockname()[1]]
        refused(tenge(*serve), "E_CLOCK_STEP")
        refused(tenge(*serve, "--clock-step", 99), "E_CLOCK_STEP")
        # As far as the port, which is taken.
        refused(tenge(*serve, "--clock-step", 101), "E_SERVE_ADDRESS")


def registered(ledger: Ledger, folder: Path, name: str) -> Receipt:
    """One more entry: a key that a bank registers."""
    keys = institution_keys(folder, SeededEntropy(1), make=False)
    own = SoftwareKey(ED25519, hashlib.sha256(name.encode()).digest())
    like: Any = open_transaction(registrations(keys, ledger.network)[0].encode(), ledger.network).record
    nonce = hashlib.sha256(name.encode()).digest()[:16]
    record = dataclasses.replace(like, nonce=nonce, public_key=own.public.raw, pseudonym=own.public.kid)
    return ledger.submit(sign_transaction(record, ledger.network, [own, keys.bank(like.bank_id)]).encode())


def test_a_writers_ledger_goes_on_with_its_next_key(tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now())
    founded(tmp_path, clock)
    receipts = []
    for number in (1, 2, 4):
        if number > 1:
            assert tenge("keys", "rotate", tmp_path, "--to", number).exit_code == 0
        keys = institution_keys(tmp_path, SeededEntropy(1))
        with closing(open_store(f"sqlite:///{tmp_path / 'ledger.sqlite'}")) as store:
            ledger = open_ledger(store, keys, clock)
            receipts.append(registered(ledger, tmp_path, f"person {number}"))
            receipts[-1].head.verify(keys.ledger_key(number).public)
            for receipt in receipts:
                ledger.genesis.verify_head(receipt.head)
                assert audit(store, receipt.head).ok
    refused(tenge("keys", "rotate", tmp_path, "--to", 3), "E_ROTATION_BACK")
    refused(tenge("keys", "rotate", tmp_path, "--to", 5), "E_ROTATION_NONE")


def test_another_folders_writer_does_not_sign_with_a_key_that_was_left(tmp_path: Path) -> None:
    first, standby = tmp_path / "first", tmp_path / "standby"
    clock = ManualClock(SystemClock().now())
    founded(first, clock)
    shutil.copytree(first, standby, ignore=shutil.ignore_patterns("ledger.sqlite*"))
    assert tenge("keys", "rotate", first, "--to", 2).exit_code == 0
    with closing(open_store(f"sqlite:///{first / 'ledger.sqlite'}")) as store:
        ledger = open_ledger(store, institution_keys(first, SeededEntropy(1)), clock)
        registered(ledger, first, "person")
        size = store.size()
        with pytest.raises(TengeError, match="E_ROTATION_BACK") as caught:
            open_ledger(store, institution_keys(standby, SeededEntropy(1)), clock)
        assert (caught.value.facts, store.size()) == ({"number": 1, "present": 2}, size)
    kept = f"sqlite:///{first / 'ledger.sqlite'}"
    assert tenge("keys", "rotate", standby, "--to", 2, "--store", kept).exit_code == 0
    with closing(open_store(kept)) as store:
        ledger = open_ledger(store, institution_keys(standby, SeededEntropy(1)), clock)
        registered(ledger, standby, "another person")
        assert audit(store).ok


def test_a_url_without_a_file_locks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for url in ("", "sqlite:///", "memory:", "sqlite:///nowhere/ledger"):
        with alone_at(url):
            assert [path.name for path in tmp_path.rglob("*")] == ["here"]
