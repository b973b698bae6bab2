"""A real PostgreSQL for tests: private, on a free port of this machine, with fsync on, gone at the end of the session.

    server = the_postgres()          started when somebody first asks; the test is skipped where it cannot be
    server.url("name")               the URL of a ledger in a schema of that name

A server refuses to run as root, so root starts it as the user `postgres`. `TENGE_SERVERS=1` (as in CI) makes a missing
server a failure.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.dying import family, kill_all
from tests.servers.ports import free_port
from wallets.benches.private_postgres import missing, programs

SECONDS = 60
_started: list["PostgresServer"] = []


def as_user() -> dict[str, Any]:
    """What makes `subprocess` start a program as a user that PostgreSQL accepts."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def private_folder(name: str) -> Path:
    """A new folder that the server's user may read; the folders of pytest are root's alone."""
    folder = Path(tempfile.mkdtemp(prefix=f"tenge-{name}-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    return folder


class PostgresServer:
    """One server over one folder. It can be stopped, killed and started again."""

    def __init__(self) -> None:
        self.folder = private_folder("postgres")
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._data = self.folder / "data"
        make = [f"{programs()}/initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*make, "--locale=C", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user()
        )
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "on",
            "shared_buffers": "64MB",
            "max_connections": 60,
            "checkpoint_timeout": "1h",
            "max_wal_size": "1GB",
            "lc_messages": "C",
            "max_prepared_transactions": 4,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [f"{programs()}/postgres", "-D", self._data, *options],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **as_user(),
            )
        self.wait()

    def wait(self) -> None:
        """Until it answers; an assertion with the end of its log when it has ended, or never does."""
        import psycopg

        end = time.monotonic() + SECONDS
        while True:
            assert self._process is not None
            assert self._process.poll() is None, self._tail()
            assert time.monotonic() < end, self._tail()
            try:
                with psycopg.connect(self.address(), connect_timeout=5) as connection:
                    found = connection.execute("SHOW data_directory").fetchone()
            except psycopg.OperationalError:
                found = None
            # Another server may have the port; this one then ends by itself.
            if found == (str(self._data),):
                return
            time.sleep(0.05)

    def _tail(self) -> str:
        return (self.folder / "log").read_text()[-2_000:]

    def address(self, database: str = "postgres") -> str:
        """Its address without a schema."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def url(self, schema: str, database: str = "postgres") -> str:
        """The URL of a ledger in it."""
        return f"{self.address(database)}?schema={schema}"

    def ask(self, statement: str, *values: object) -> list[Any]:
        """What an administrator is answered; an empty list for a statement without rows."""
        import psycopg

        with psycopg.connect(self.address(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop it: a fast shutdown, or with SIGKILL a sudden death of every process of it."""
        if self._process is None:
            return
        killed = family(self._process.pid) if how == signal.SIGKILL else []
        if killed:
            kill_all(killed)
        else:
            self._process.send_signal(how)
        self._process.wait(SECONDS)
        psutil.wait_procs(killed, SECONDS)
        self._process = None

    def restart(self, how: int = signal.SIGINT) -> None:
        """Stop it and start it again on the same port."""
        self.stop(how)
        self.start()

    def remove(self) -> None:
        """Stop it and delete what it kept."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def the_postgres() -> PostgresServer:
    """The server of this session of tests; skips the test where there can be none (fails with TENGE_SERVERS=1)."""
    need(missing())
    if not _started:
        _started.append(PostgresServer())
    return _started[0]


def need(lack: str) -> None:
    """Skip the test for what it lacks, or fail where servers are promised."""
    if lack and os.environ.get("TENGE_SERVERS") == "1":
        pytest.fail(lack, pytrace=False)
    if lack:
        pytest.skip(lack)


def stop_postgres() -> None:
    """Stop it, if it was started."""
    while _started:
        _started.pop().remove()
