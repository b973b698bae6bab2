"""The ledger of a benchmark behind granian: a server whose HTTP is written in Rust and whose threads are Python's.

granian starts the application by a factory in a worker process of its own, so the ledger is opened there: `make` reads
from the environment which store, how many holders, and how many tokens to found when the store is empty. One worker: a
ledger has one writer. As many threads as clients, so that submits that come together share a commit.

It is an extra: `pip install granian`. Where it is missing, E_SETTING says so.
"""

import atexit
import importlib.util
import os
import socket
import subprocess
import sys
import threading
from typing import Any

from cbdc.errors import Refused, Unavailable
from cbdc.ports import stopwatch
from wallets.benches.host import Host

THREADS = 64
START_SECONDS = 600
_STORE, _HOLDERS, _TOKENS = "TENGE_BENCH_STORE", "TENGE_BENCH_HOLDERS", "TENGE_BENCH_TOKENS"


def make() -> Any:
    """The application, in granian's worker."""
    host = Host(os.environ[_STORE], "", int(os.environ[_HOLDERS]))
    tokens = int(os.environ[_TOKENS])
    if tokens:
        host.found(tokens, lambda text: None)
    else:
        host.open()
    atexit.register(host.close)
    return host.application()


class GranianHost:
    """A running granian over the ledger at `url`; `tokens` above 0 founds it first."""

    def __init__(self, url: str, holders: int, tokens: int) -> None:
        """Raises E_SETTING without granian, E_BENCH_PROCESS when it does not start."""
        if importlib.util.find_spec("granian") is None:
            problem = "granian is not installed: pip install granian"
            raise Refused("E_SETTING", name="server", value="granian", problem=problem)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        settings = {_STORE: url, _HOLDERS: str(holders), _TOKENS: str(tokens)}
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1"]
        command += ["--blocking-threads", str(THREADS), "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--log-level", "error", "--factory", "wallets.benches.granian_host:make"]
        # A session of its own: Ctrl-C is the bench's business.
        self._process = subprocess.Popen(  # noqa: S603
            command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            self._wait()
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its number; the ledger is in its child."""
        return self._process.pid

    def _wait(self) -> None:
        deadline = stopwatch() + START_SECONDS
        while stopwatch() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                threading.Event().wait(0.1)
        raise Unavailable("E_BENCH_PROCESS", process="granian", exit=self._process.poll() or 0)

    def end(self) -> None:
        """Let it finish, and end it when it does not."""
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
