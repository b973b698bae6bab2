"""Nonces of signed calls in a file, and the names under which a door is asked: nothing is taken twice or by mistake."""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbdc.errors import TengeError
from cbdc.http.call_nonces import FileNonces
from cbdc.http.signed_calls import (
    LIFETIME_SECONDS,
    SKEW_SECONDS,
    CallDoor,
    Knows,
    MemoryNonces,
    Message,
    any_authority,
    named,
    sign_call,
)
from cbdc.ports import ManualClock
from tests.cbdc.test_signed_calls import (
    AUTHORITY,
    BANK,
    BANK_KEY,
    NOW,
    OFFICE,
    OURS,
    READ,
    TREASURY,
    code,
    signed,
)


class Server:
    """A server that may be killed and started again over its file."""

    def __init__(self, path: Path, clock: ManualClock, knows: Knows = OURS, most: int = 100) -> None:
        self.path, self.clock, self.knows, self.most = path, clock, knows, most
        self.start()

    def start(self) -> None:
        self.nonces = FileNonces(self.path, self.clock.now(), self.most)
        self.door = CallDoor(AUTHORITY, ManualClock(NOW), self.clock, knows=self.knows, nonces=self.nonces)

    def restart(self) -> None:
        self.nonces.close()
        self.start()

    def taken(self, message: Message) -> None:
        assert self.door.admit(message, (BANK,)).scope == (7,)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "calls.sqlite", ManualClock(NOW))
    yield made
    made.nonces.close()


@pytest.mark.parametrize("created", [NOW - 60, NOW, NOW + SKEW_SECONDS])
@pytest.mark.parametrize("waited", [0, 1, SKEW_SECONDS, 59])
def test_a_restart_takes_no_call_again(server: Server, created: int, waited: int) -> None:
    server.clock.move_to(NOW)
    server.nonces.since = server.door._since = NOW - 100
    call = signed(created=created)
    server.taken(call)
    server.clock.advance(waited)
    server.restart()
    assert code(call, server.door) in ("E_CALL_REPLAY", "E_CALL_EXPIRED")
    assert len(server.nonces) == 1


def test_after_a_restart_a_call_from_before_it_is_taken_once(server: Server) -> None:
    call = signed(created=NOW)
    server.clock.advance(5)
    server.restart()
    server.taken(call)
    assert code(call, server.door) == "E_CALL_REPLAY"


def test_what_was_signed_before_the_file_was_made_is_not_taken(server: Server) -> None:
    assert code(signed(created=NOW - 1), server.door) == "E_CALL_EXPIRED"
    server.restart()
    assert code(signed(created=NOW - 1), server.door) == "E_CALL_EXPIRED"


def test_two_servers_over_one_file_take_a_call_once_between_them(server: Server) -> None:
    other = Server(server.path, server.clock)
    server.taken(signed())
    assert code(signed(), other.door) == "E_CALL_REPLAY"
    other.taken(signed(nonce="f" * 16))
    assert code(signed(nonce="f" * 16), server.door) == "E_CALL_REPLAY"
    other.nonces.close()


def test_a_clock_that_is_set_back_opens_no_door_to_what_was_forgotten(server: Server) -> None:
    call = signed(lifetime=10)
    server.taken(call)
    server.clock.advance(11)
    server.taken(signed(nonce="f" * 16, created=NOW + 11))
    assert len(server.nonces) == 1, "the first one has expired and is forgotten"
    back = Server(server.path, ManualClock(NOW + 5))
    assert code(call, back.door) == "E_CALL_EXPIRED"
    assert code(signed(nonce="e" * 16, lifetime=10), back.door) == "E_CALL_EXPIRED"
    back.taken(signed(nonce="e" * 16, lifetime=11))
    back.nonces.close()


def test_a_clock_that_was_ahead_for_one_call_keeps_nobody_out_when_it_is_right(server: Server) -> None:
    server.taken(signed())
    ahead = Server(server.path, ManualClock(NOW + 86_400))
    ahead.taken(signed(nonce="f" * 16, created=NOW + 86_400))
    ahead.nonces.close()
    server.clock.advance(LIFETIME_SECONDS + 1)
    server.taken(signed(nonce="e" * 16, created=NOW + LIFETIME_SECONDS + 1))
    back = Server(server.path, ManualClock(NOW))
    assert code(signed(), back.door) == "E_CALL_EXPIRED"
    back.nonces.close()


def test_nonces_in_memory_open_no_door_to_what_was_forgotten() -> None:
    nonces = MemoryNonces(NOW, most=1)
    nonces.remember(b"key", "one", NOW, NOW + 10, NOW)
    nonces.remember(b"key", "two", NOW + 11, NOW + 21, NOW + 11)
    with pytest.raises(TengeError, match="E_CALL_EXPIRED"):
        nonces.remember(b"key", "one", NOW, NOW + 10, NOW + 5)
    with pytest.raises(TengeError, match="E_CALL_EXPIRED"):
        nonces.remember(b"other", "one", NOW, NOW + 10, NOW + 5)
    nonces.remember(b"other", "one", NOW + 5, NOW + 11, NOW + 5)


def test_the_file_is_bounded_and_refuses_rather_than_forgets(tmp_path: Path) -> None:
    server = Server(tmp_path / "calls.sqlite", ManualClock(NOW), most=3)
    for number in range(3):
        server.taken(signed(nonce=f"{number:016d}", lifetime=10))
    server.restart()
    assert code(signed(nonce="9" * 16), server.door) == "E_CALL_BUSY"
    assert code(signed(nonce=f"{0:016d}", lifetime=10), server.door) == "E_CALL_REPLAY"
    assert server.door.remembered == 3
    # Another key is not held up, and what has expired makes room.
    server.door.admit(signed(key=OFFICE), (TREASURY,))
    server.clock.advance(11)
    server.taken(signed(nonce="9" * 16, created=NOW + 11))
    assert server.door.remembered == 2
    server.nonces.close()


def test_a_call_that_cannot_be_remembered_is_not_let_in(server: Server) -> None:
    server.nonces.close()
    assert code(signed(), server.door) == "E_CALL_NONCES"
    server.start()
    server.taken(signed())


def test_a_refused_call_leaves_nothing_in_the_file(server: Server) -> None:
    assert code(signed(key=OFFICE), server.door) == "E_CALL_ROLE"
    assert code(signed(created=NOW + SKEW_SECONDS + 1), server.door) == "E_CALL_FUTURE"
    assert len(server.nonces) == 0


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"x" * 200])
def test_a_file_that_is_no_database_is_said_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calls.sqlite"
    path.write_bytes(content)
    with pytest.raises(TengeError) as caught:
        FileNonces(path, NOW)
    assert caught.value.code == "E_CALL_NONCES"
    assert caught.value.facts["file"] == "calls.sqlite"


def test_no_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TengeError, match="E_CALL_NONCES"):
        FileNonces(tmp_path / "nowhere" / "calls.sqlite", NOW)


def test_the_file_is_its_owners_and_waits_for_the_disk(server: Server) -> None:
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    with sqlite3.connect(server.path) as looked:
        assert looked.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    looked.close()
    assert server.nonces._file.execute("PRAGMA synchronous").fetchone() == (2,)


# --- under which name a door is asked ---


def asked(authority: str, path: str = READ.path) -> Message:
    message = Message("GET", authority, path)
    headers = sign_call(message, BANK_KEY, "0123456789abcdef", NOW, LIFETIME_SECONDS)
    return Message("GET", authority, path, headers=headers)


@pytest.mark.parametrize("authority", ["bank.example", "BANK.EXAMPLE", "bank.example:8765"])
def test_a_door_takes_calls_for_its_own_names(server: Server, authority: str) -> None:
    server.taken(asked(authority))


@pytest.mark.parametrize(
    "authority",
    [
        "other.example",
        "bank.example:8766",
        "bank.example:80",
        "bank.example.",
        "xbank.example",
        "bank.example:",
        "",
    ],
)
def test_a_call_for_another_server_is_refused_although_its_signature_stands(
    server: Server, authority: str
) -> None:
    # The other server has the same keys: it takes the very call that this one refuses.
    assert code(asked(authority), server.door) == "E_CALL_AUTHORITY"
    other = CallDoor(AUTHORITY, ManualClock(NOW), ManualClock(NOW), knows=named([authority]))
    assert other.admit(asked(authority), (BANK,)).scope == (7,)
    assert len(server.nonces) == 0


def test_a_call_whose_host_was_exchanged_on_the_way_does_not_stand(server: Server) -> None:
    call = asked("other.example")
    changed = Message("GET", "bank.example", call.path, headers=call.headers)
    assert code(changed, server.door) == "E_CALL_SIGNATURE"


def test_a_platform_of_test_keys_may_answer_to_any_name(tmp_path: Path) -> None:
    server = Server(tmp_path / "calls.sqlite", ManualClock(NOW), any_authority)
    server.taken(asked("whatever.example:1"))
    server.nonces.close()
