"""A PostgreSQL server of the bench's own: in a temporary folder, on a free port of this machine, gone at the end.

    with PrivatePostgres() as server:
        server.url("ledger")             the URL of a ledger in a schema of that name

Durable as a server must be (`fsync`, `full_page_writes` and `synchronous_commit` are on). A server refuses to run as
root, so root starts it as the user `postgres`. `missing` says what is not here, and how to have it.
"""

import contextlib
import glob
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from cbdc.errors import Unavailable

_DEBIAN = "/usr/lib/postgresql/*/bin"
_USER = "postgres"
_TRIES = 1_200
_PORTS = 5
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "lc_messages": "C",
}


def missing() -> str:
    """What is not here, as a sentence with how to have it; empty when nothing is missing."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed; pip install 'digital-tenge-sandbox[postgres]'"
    if not programs():
        return "no PostgreSQL server is installed; on Debian and Ubuntu: apt-get install postgresql"
    if _is_root() and not _is_user(_USER):
        return "PostgreSQL does not run as root and there is no user postgres; apt-get install postgresql makes one"
    return ""


def programs() -> str:
    """The folder with `initdb` and `postgres`, the newest of several; empty without one."""
    folders = [Path(found).parent for found in [shutil.which("initdb")] if found]
    folders += sorted(
        map(Path, glob.glob(_DEBIAN)), key=lambda path: int("0" + path.parent.name.partition(".")[0])
    )
    there = [folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()]
    return str(there[-1]) if there else ""


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _is_user(name: str) -> bool:
    if sys.platform == "win32":
        return False
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class PrivatePostgres:
    """One server over one folder, from entering to leaving."""

    def __init__(self) -> None:
        """Raises E_STORE_UNAVAILABLE when it does not start."""
        self._folder = Path(tempfile.mkdtemp(prefix="tenge-bench-postgres-"))
        self._as: dict[str, Any] = {"cwd": "/"}
        if _is_root():
            shutil.chown(self._folder, _USER, _USER)
            self._as |= {"user": _USER, "group": _USER, "extra_groups": []}
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        data = str(self._folder / "data")
        make = [f"{programs()}/initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C"]
        made = subprocess.run([*make, "--no-sync"], capture_output=True, check=False, **self._as)  # noqa: S603
        if made.returncode:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="initdb of the private PostgreSQL server failed")
        # Until the server has its port, another program may take it; the server then ends, and tries the next one.
        for _ in range(_PORTS):
            self._port = _free_port()
            self._process = self._begin(data)
            if self._answers(self._process):
                return
            if self._process.poll() is None:
                break
        raise Unavailable("E_STORE_UNAVAILABLE", detail="the private PostgreSQL server did not start")

    def _begin(self, data: str) -> subprocess.Popen[bytes]:
        settings = _SETTINGS | {"port": str(self._port), "unix_socket_directories": str(self._folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the server's own program, and no shell
                [f"{programs()}/postgres", "-D", data, *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as,
            )

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether this server answers, and no other that has its port; False as soon as it has ended."""
        import psycopg

        pause = threading.Event()
        for _ in range(_TRIES):
            if process.poll() is not None:
                return False
            with contextlib.suppress(psycopg.OperationalError):
                with psycopg.connect(self._address(), connect_timeout=5) as connection:
                    found = connection.execute("SHOW data_directory").fetchone()
                if found == (str(self._folder / "data"),):
                    return True
            pause.wait(0.05)
        return False

    def _address(self) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self._port}/postgres"

    def url(self, schema: str) -> str:
        """The URL of a ledger in a schema of that name."""
        return f"{self._address()}?schema={schema}"

    def stop(self) -> None:
        """Stop it and delete what it kept."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT)  # a fast shutdown
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "PrivatePostgres":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
