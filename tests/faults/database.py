"""A private PostgreSQL server for the kill runs, and the ways in which it dies."""

import contextlib
import random
import signal
import time

import psutil

from tests.faults.kills import Database
from tests.servers.postgres import SECONDS, PostgresServer
from tests.servers.wire import Wire

SCHEMA = "kills"
SESSIONS = """SELECT pid FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"""


def started() -> tuple[PostgresServer, str, Database]:
    """A new server, the URL of a ledger in it over a wire, and how to kill it, a session of it, or the wire."""
    server = PostgresServer()
    chance = random.Random(1)

    def kill() -> None:
        # The postmaster and every process of it at once; then it is started again, as a supervisor would.
        server.restart(signal.SIGKILL)

    def kill_session() -> None:
        # One backend dies by SIGKILL: the server then ends all others and recovers by itself.
        rows = server.ask(SESSIONS)
        if rows:
            pid = chance.choice(rows)[0]
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
                session = psutil.Process(pid)
                session.kill()
                # Until the server has noticed, it would still answer as if nothing had happened.
                session.wait(SECONDS)
        server.wait()

    wire = Wire(server.port)

    def cut_wire() -> None:
        # Several times in the middle of what is said: before the server hears it, or before its answer arrives.
        for _ in range(4):
            wire.plan = chance.choice(("lose-answer", "lose-answer", "lose-request"))
            time.sleep(chance.uniform(0.02, 0.15))
        wire.plan = "pass"

    url = server.url(SCHEMA).replace(f":{server.port}/", f":{wire.port}/")
    return server, url, Database(kill, kill_session, cut_wire)
