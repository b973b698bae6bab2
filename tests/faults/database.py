"""A private PostgreSQL server for the kill runs, and the ways in which it dies."""

import os
import random
import signal

from tests.faults.kills import Database
from tests.servers.postgres import PostgresServer

SCHEMA = "kills"
SESSIONS = """SELECT pid FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"""


def started() -> tuple[PostgresServer, str, Database]:
    """A new server, the URL of a ledger in it, and how to kill it or one of its sessions."""
    server = PostgresServer()
    chance = random.Random(1)

    def kill() -> None:
        # The postmaster and every process of it at once; then it is started again, as a supervisor would.
        server.restart(signal.SIGKILL)

    def kill_session() -> None:
        # One backend dies by SIGKILL: the server then ends all others and recovers by itself.
        rows = server.ask(SESSIONS)
        if rows:
            os.kill(chance.choice(rows)[0], signal.SIGKILL)
        server.wait()

    return server, server.url(SCHEMA), Database(kill, kill_session)
